//! What pages say, in the languages of their readers: `locales/`, one file a language.
use crate::event::EventCode;
use axum::http::{HeaderMap, header};
use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader as _, static_loader};
use metergate_reading::{Number, ObisCode};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

static_loader! {
    static LOCALES = {
        locales: "./locales",
        fallback_language: "en",
        // Marks around inserted words confuse those who copy a value.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// Name of the cookie that remembers what somebody chose.
pub(super) const COOKIE: &str = "metergate_language";

/// A language that pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// English.
    English,
    /// German.
    German,
}

impl Language {
    /// All of them, each with the name that its speakers give it.
    pub(super) const ALL: [(Self, &'static str); 2] = [(Self::English, "English"), (Self::German, "Deutsch")];

    /// The code in HTML and HTTP.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language of a code such as `de` or `de-AT`.
    pub(super) fn from_code(code: &str) -> Option<Self> {
        let primary = code.split('-').next()?;
        Self::ALL
            .iter()
            .map(|(language, _)| *language)
            .find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// What a browser asks for: what was chosen on the page, else the first that its person reads.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies =
            cookies.flat_map(|value| value.split("; ")).filter_map(|cookie| cookie.split_once('='));
        if let Some(chosen) =
            cookies.find(|(name, _)| *name == COOKIE).and_then(|(_, code)| Self::from_code(code))
        {
            return chosen;
        }
        let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or("");
        // Browsers list the preferred first.
        let mut wanted = wanted.split(',').filter_map(|item| Self::from_code(item.split(';').next()?.trim()));
        wanted.next().unwrap_or(Self::English)
    }

    fn id(self) -> &'static LanguageIdentifier {
        static IDS: LazyLock<[LanguageIdentifier; 2]> =
            LazyLock::new(|| Language::ALL.map(|(language, _)| language.code().parse().unwrap_or_default()));
        let [english, german] = &*IDS;
        match self {
            Self::English => english,
            Self::German => german,
        }
    }

    /// A text by its name in `locales/`.
    pub(super) fn say(self, name: &str) -> String {
        LOCALES.lookup(self.id(), name)
    }

    /// A text with values in it.
    pub(super) fn say_with(self, name: &str, values: &[(&'static str, FluentValue<'static>)]) -> String {
        let values = values.iter().map(|(name, value)| (Cow::Borrowed(*name), value.clone()));
        LOCALES.lookup_with_args(self.id(), name, &values.collect::<HashMap<_, _>>())
    }

    /// A text by a name that may have none.
    pub(super) fn try_say(self, name: &str) -> Option<String> {
        LOCALES.try_lookup(self.id(), name)
    }

    /// What people call a register.
    pub(super) fn register(self, code: ObisCode) -> Option<String> {
        let english = code.name()?;
        let name = format!("register-{}", slug(english));
        match self {
            Self::English => Some(english.to_owned()),
            Self::German => Some(self.try_say(&name).unwrap_or_else(|| english.to_owned())),
        }
    }

    /// What an event means.
    pub(super) fn event(self, code: EventCode) -> String {
        match self {
            Self::English => code.sentence().to_owned(),
            Self::German => self
                .try_say(&format!("event-{}", slug(code.text())))
                .unwrap_or_else(|| code.sentence().to_owned()),
        }
    }

    /// A number with all its digits.
    pub(super) fn number(self, number: Number) -> String {
        let text = number.to_string();
        match self {
            Self::English => text,
            Self::German => text.replace('.', ","),
        }
    }
}

/// The name of a text for words: letters and digits, joined by dashes.
fn slug(words: &str) -> String {
    let pieces =
        words.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|piece| !piece.is_empty());
    pieces.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn file(language: Language) -> BTreeMap<String, String> {
        let path = format!("{}/locales/{}/page.ftl", env!("CARGO_MANIFEST_DIR"), language.code());
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with(['#', ' ']) && !line.is_empty());
        lines.map(|line| line.split_once(" =").unwrap_or_else(|| panic!("{line}"))).map(own).collect()
    }

    fn own((name, text): (&str, &str)) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('$').skip(1).filter_map(|rest| rest.split([' ', '}', ',', ')']).next()).collect()
    }

    #[test]
    fn both_languages_say_the_same_things_with_the_same_values() {
        let (english, german) = (file(Language::English), file(Language::German));
        let of_pages = |texts: &BTreeMap<String, String>| {
            let of_page = |name: &&String| !name.starts_with("register-") && !name.starts_with("event-");
            texts.keys().filter(of_page).cloned().collect::<BTreeSet<_>>()
        };
        assert_eq!(of_pages(&english), of_pages(&german));
        for (name, text) in &english {
            assert_eq!(placeholders(text), placeholders(&german[name]), "{name}");
        }
    }

    #[test]
    fn every_text_is_used() {
        let folder = format!("{}/src/web", env!("CARGO_MANIFEST_DIR"));
        let mut source = String::new();
        let mut folders = vec![std::path::PathBuf::from(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    source += &std::fs::read_to_string(path).unwrap();
                }
            }
        }
        for name in file(Language::English).keys() {
            let prefix = name.split_once('-').map_or(name.as_str(), |(prefix, _)| prefix);
            let used = source.contains(&format!("\"{name}\"")) || source.contains(&format!("\"{prefix}-{{"));
            assert!(used, "nobody says `{name}`");
        }
    }

    #[test]
    fn every_register_with_a_name_has_a_german_one() {
        let german = file(Language::German);
        let mut missing = BTreeSet::new();
        for a in [0, 1, 6, 7, 8, 129] {
            for (c, d, e) in
                (0..=255).flat_map(|c| (0..=255).flat_map(move |d| (0..=50).map(move |e| (c, d, e))))
            {
                if let Some(name) = ObisCode::new(a, 0, c, d, e, 255).name() {
                    let name = format!("register-{}", slug(name));
                    if !german.contains_key(&name) {
                        missing.insert(name);
                    }
                }
            }
        }
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn every_event_has_a_german_sentence_and_no_sentence_is_of_none() {
        let german = file(Language::German);
        let events: BTreeSet<String> =
            EventCode::ALL.iter().map(|code| format!("event-{}", slug(code.text()))).collect();
        let said: BTreeSet<String> =
            german.keys().filter(|name| name.starts_with("event-")).cloned().collect();
        assert_eq!(said, events);
    }

    #[test]
    fn a_browser_gets_what_its_person_chose_or_reads_first() {
        let headers = |lines: &[(&'static str, &'static str)]| -> HeaderMap {
            lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        let of = |lines| Language::of(&headers(lines));
        assert_eq!(of(&[]), Language::English);
        assert_eq!(of(&[("accept-language", "de-AT,de;q=0.9,en;q=0.8")]), Language::German);
        assert_eq!(of(&[("accept-language", "fr, de;q=0.5")]), Language::German);
        let chosen = [("accept-language", "de"), ("cookie", "a=b; metergate_language=en")];
        assert_eq!(of(&chosen), Language::English);
        assert_eq!(of(&[("cookie", "metergate_language=klingon")]), Language::English);
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(Language::German.number(Number::new(352_040_842, -4)), "35204,0842");
        assert_eq!(Language::English.number(Number::new(352_040_842, -4)), "35204.0842");
    }
}
