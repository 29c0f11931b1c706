//! What stands around every page.
use super::access::{Identity, Visitor};
use super::asset;
use super::text::Language;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use metergate_reading::{Instant, Number, Trust};

/// A whole page.
pub(super) fn frame(visitor: &Visitor, title: &str, content: &Markup) -> Markup {
    let (language, base) = (visitor.language, &*visitor.origin.base);
    let say = |name: &str| language.say(name);
    html! {
        (DOCTYPE)
        html lang=(language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - metergate" }
                link rel="icon" type="image/svg+xml" href=(format!("{base}{}", asset::path("icon.svg")));
                link rel="stylesheet" href=(format!("{base}{}", asset::path("page.css")));
                script type="module" src=(format!("{base}{}", asset::path("live.js"))) {}
            }
            body {
                a.skip href="#content" { (say("frame-skip")) }
                header {
                    a.brand href=(format!("{base}/")) { "metergate" }
                    div.tools {
                        (languages(visitor))
                        @if visitor.role.is_some() {
                            a.button href=(format!("{base}/state")) { (say("state-title")) }
                            a.button href=(format!("{base}/files")) { (say("files-title")) }
                            a.button href=(format!("{base}/account")) { (say("account-title")) }
                        }
                        @if let Identity::Session(account) = &visitor.identity {
                            form method="post" action=(format!("{base}/logout")) {
                                button type="submit" title=(account) { (say("frame-log-out")) }
                            }
                        }
                    }
                }
                @if visitor.identity == Identity::ThisHost {
                    p.notice {
                        (say("frame-no-password")) " "
                        a href=(format!("{base}/welcome")) { (say("frame-set-password")) }
                    }
                }
                main #content tabindex="-1" { (content) }
                footer { "metergate " (env!("CARGO_PKG_VERSION")) }
            }
        }
    }
}

fn languages(visitor: &Visitor) -> Markup {
    html! {
        form.languages method="post" action=(format!("{}/language", visitor.origin.base)) {
            @for (language, name) in Language::ALL {
                button type="submit" name="language" value=(language.code()) lang=(language.code())
                    aria-current=[(language == visitor.language).then_some("true")] { (name) }
            }
        }
    }
}

/// An input with its label.
pub(super) fn field(label: &str, name: &str, kind: &str, value: &str, autocomplete: &str) -> Markup {
    html! {
        label for=(name) { (label) }
        input id=(name) name=(name) type=(kind) value=(value) autocomplete=(autocomplete) required;
    }
}

/// What went wrong, where a screen reader says it first.
pub(super) fn problem(text: Option<&str>) -> Markup {
    text.map_or(PreEscaped(String::new()), |text| html! { p.problem role="alert" { (text) } })
}

/// Bytes as kB, MB or GB with one decimal.
pub(super) fn size(bytes: u64, language: Language) -> String {
    let (unit, name) = match bytes {
        0..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    let tenths = bytes.saturating_add(unit / 20) / (unit / 10);
    let number = Number::new(i64::try_from(tenths).unwrap_or(i64::MAX), -1);
    format!("{} {name}", language.number(number))
}

/// The local time of an instant; `None` when nobody knows it.
pub(super) fn local_time(at: Instant, format: &str) -> Option<String> {
    let known = (at.trust != Trust::None).then_some(at.unix_ms)?;
    let zoned = Timestamp::from_millisecond(known).ok()?.to_zoned(TimeZone::system());
    Some(zoned.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_told_in_the_unit_that_fits_it() {
        let told = [0, 1_449, 999_950, 1_250_000, 221_556_900_000, u64::MAX]
            .map(|bytes| size(bytes, Language::German));
        assert_eq!(told, ["0,0 kB", "1,4 kB", "1000,0 kB", "1,3 MB", "221,6 GB", "18446744073,7 GB"]);
    }
}
