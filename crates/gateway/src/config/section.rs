//! Reads the keys of one section as values of a type, and notes everything that is wrong on the way.
use super::node::{Node, Table, Value};
use super::origin::{Origin, Sources};
use super::problem::{Problem, did_you_mean};
use crate::secret::Secret;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// What all sections share while they are read.
pub(crate) struct Reading<'a> {
    pub(crate) sources: &'a Sources,
    problems: RefCell<Vec<Problem>>,
    notes: RefCell<Vec<Problem>>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(sources: &'a Sources) -> Self {
        Self { sources, problems: RefCell::default(), notes: RefCell::default() }
    }

    /// All that was wrong, and all that is worth a word.
    pub(crate) fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.notes.into_inner())
    }

    fn problem(&self, origin: Origin, key: &str, message: String, help: Option<String>) {
        let place = self.sources.show(origin).to_string();
        let problem = Problem { place, key: key.to_owned(), message, help };
        // A key with two readers, such as the interval of two protocols, is wrong once.
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    fn note(&self, origin: Origin, key: &str, message: String, help: Option<String>) {
        let place = self.sources.show(origin).to_string();
        self.notes.borrow_mut().push(Problem { place, key: key.to_owned(), message, help });
    }
}

/// One section, such as `meter.haus`.
pub(crate) struct Section<'a> {
    pub(crate) reading: &'a Reading<'a>,
    /// `meter.haus`.
    pub(crate) path: String,
    pub(crate) origin: Origin,
    pub(crate) table: &'a Table,
}

/// A value with its origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

impl<'a> Section<'a> {
    /// Notes a problem with a key, at its value or else at the section's head.
    pub(crate) fn problem(&self, key: &str, message: impl Into<String>, help: impl Into<Option<String>>) {
        let origin = self.table.get(key).map_or(self.origin, |node| node.origin);
        self.reading.problem(origin, &self.path_of(key), message.into(), help.into());
    }

    /// Notes something worth a word in `check-config`.
    pub(crate) fn note(&self, key: &str, message: impl Into<String>, help: impl Into<Option<String>>) {
        let origin = self.table.get(key).map_or(self.origin, |node| node.origin);
        self.reading.note(origin, &self.path_of(key), message.into(), help.into());
    }

    /// Notes what a listener beyond this host means: none of those that are set here has a login.
    pub(crate) fn note_if_open(&self, key: &str, address: SocketAddr) {
        if !address.ip().is_loopback() {
            let help = "there is no login: keep it behind a firewall or a proxy".to_owned();
            self.note(key, "lets everybody in that network read the meter", help);
        }
    }

    fn path_of(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    fn wrong(&self, key: &str, node: &Node, expected: &str) {
        self.problem(key, format!("expected {expected}, found {}", node.value.kind()), None);
    }

    /// Each key must be one of these.
    pub(crate) fn only(&self, known: &[&str]) {
        for (key, node) in self.table.iter().filter(|(key, _)| !known.contains(key)) {
            let what = if matches!(node.value, Value::Table(_)) { "section" } else { "key" };
            let place = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let message = format!("unknown {what} `{key}`{place}");
            self.reading.problem(
                node.origin,
                &self.path_of(key),
                message,
                Some(did_you_mean(key, known.iter().copied())),
            );
        }
    }

    pub(crate) fn text(&self, key: &str) -> Option<Found<&'a str>> {
        let node = self.table.get(key)?;
        match &node.value {
            Value::Text(text) => Some(Found { value: text, origin: node.origin }),
            _ => {
                self.wrong(key, node, "a text in quotes");
                None
            }
        }
    }

    /// A password or token; what was typed is in no message.
    pub(crate) fn secret(&self, key: &str) -> Option<Secret> {
        let node = self.table.get(key)?;
        let Value::Text(text) = &node.value else {
            self.wrong(key, node, "a text in quotes");
            return None;
        };
        if text.is_empty() {
            self.problem(key, "is empty", format!("remove `{key}` where none is needed"));
            return None;
        }
        if !self.reading.sources.is_private(node.origin) {
            let help = "move it to `metergate.secrets.toml` beside it, with chmod 600".to_owned();
            self.note(key, "stands in a file that everybody on this host can read", help);
        }
        Some(Secret::new(text.as_str()))
    }

    /// A text that means something: `T` says in its error what it expects.
    pub(crate) fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, key: &str) -> Option<T> {
        match self.text(key)?.value.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(key, error.to_string(), None);
                None
            }
        }
    }

    /// One of several words.
    pub(crate) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let typed = self.text(key)?.value;
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(typed)).map(|(_, value)| *value);
        if found.is_none() {
            let help = did_you_mean(typed, words.iter().map(|(word, _)| *word));
            self.problem(key, format!("`{typed}` is none of its values"), help);
        }
        found
    }

    pub(crate) fn truth(&self, key: &str) -> Option<bool> {
        let node = self.table.get(key)?;
        match &node.value {
            Value::Truth(truth) => Some(*truth),
            Value::Text(text) if self.reading.sources.is_untyped(node.origin) && text == "true" => Some(true),
            Value::Text(text) if self.reading.sources.is_untyped(node.origin) && text == "false" => {
                Some(false)
            }
            _ => {
                self.wrong(key, node, "true or false without quotes");
                None
            }
        }
    }

    /// A whole number in a range.
    pub(crate) fn whole<T>(&self, key: &str, range: std::ops::RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        let node = self.table.get(key)?;
        let number = match &node.value {
            Value::Whole(number) => Some(*number),
            Value::Text(text) if self.reading.sources.is_untyped(node.origin) => text.trim().parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            self.wrong(key, node, "a whole number without quotes");
            return None;
        };
        let value = T::try_from(number).ok().filter(|value| range.contains(value));
        if value.is_none() {
            let message =
                format!("expected a number of {} to {}, found {number}", range.start(), range.end());
            self.problem(key, message, None);
        }
        value
    }

    /// A span of time: `"60 s"`, `"15 min"`, `"30 d"`, `"2 weeks"`, or a whole number of seconds. A day has 24 hours.
    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        let node = self.table.get(key)?;
        let duration = match &node.value {
            Value::Whole(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
            Value::Text(text) => match text.trim().parse::<u64>() {
                Ok(seconds) => Some(Duration::from_secs(seconds)),
                Err(_) => span(text),
            },
            _ => None,
        };
        let duration = duration.filter(|span| !span.is_zero());
        if duration.is_none() {
            let message = "expected a span of time such as \"60 s\", \"15 min\", \"1 h\" or \"30 d\"";
            self.problem(key, message, None);
        }
        duration
    }

    /// A list of values, or one of them; from the environment, separated by commas.
    pub(crate) fn list<T>(&self, key: &str, mut item: impl FnMut(&Value) -> Result<T, String>) -> Vec<T> {
        let Some(node) = self.table.get(key) else { return Vec::new() };
        let pieces: Vec<Value> = match &node.value {
            Value::List(items) => items.iter().map(|item| item.value.clone()).collect(),
            Value::Text(text) if self.reading.sources.is_untyped(node.origin) => {
                text.split(',').map(|piece| Value::Text(piece.trim().to_owned())).collect()
            }
            one => vec![one.clone()],
        };
        let mut all = Vec::new();
        for piece in &pieces {
            match item(piece) {
                Ok(value) => all.push(value),
                Err(message) => self.problem(key, message, None),
            }
        }
        all
    }

    /// The one section of this name, if there is one.
    pub(crate) fn section(&self, key: &str, example: &str) -> Option<Section<'a>> {
        let node = self.table.get(key)?;
        let Value::Table(table) = &node.value else {
            self.wrong(key, node, example);
            return None;
        };
        Some(Section { reading: self.reading, path: self.path_of(key), origin: node.origin, table })
    }

    /// The sections in a section, such as the meters in `meter`.
    pub(crate) fn sections(&self, key: &str, example: &str) -> Vec<(&'a str, Section<'a>)> {
        let Some(node) = self.table.get(key) else { return Vec::new() };
        let Value::Table(table) = &node.value else {
            self.wrong(key, node, example);
            return Vec::new();
        };
        let mut all = Vec::new();
        for (name, node) in table.iter() {
            let path = format!("{key}.{name}");
            match &node.value {
                Value::Table(table) => {
                    all.push((name, Section { reading: self.reading, path, origin: node.origin, table }));
                }
                _ => {
                    let message = format!("expected {example}, found {}", node.value.kind());
                    let help = format!("give the {key} a name: `[default.{key}.NAME]`");
                    self.reading.problem(node.origin, &path, message, Some(help));
                }
            }
        }
        all
    }
}

/// A span of time in words. Months and years have no length of their own and are none.
fn span(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.parse().ok()?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(length).ok()
}

/// What the lines of a section named `sink.x` mean, or all that is wrong with them.
#[cfg(test)]
pub(crate) fn read_lines<T>(
    lines: &str,
    read: impl FnOnce(&Section<'_>) -> Option<T>,
) -> Result<T, Vec<String>> {
    let mut sources = Sources::default();
    let at = sources.file("metergate.toml".to_owned(), lines, true);
    let parsed = toml::de::DeTable::parse(lines).unwrap();
    let (table, origin) = (super::node::table(parsed.get_ref(), at), at(0));
    let reading = Reading::new(&sources);
    let section = Section { reading: &reading, path: "sink.x".to_owned(), origin, table: &table };
    let value = read(&section);
    let (problems, _) = reading.into_parts();
    match value {
        Some(value) if problems.is_empty() => Ok(value),
        _ => Err(problems.iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_is_seconds_to_weeks_and_no_month() {
        let duration = |typed: &str| {
            let read = read_lines(&format!("span = {typed}"), |section| section.duration("span"));
            read.map(|span| span.as_secs())
        };
        for (typed, seconds) in [
            ("90", 90),
            ("\"90\"", 90),
            ("\"15 min\"", 900),
            ("\"1 h 30 min\"", 5400),
            ("\"30 d\"", 30 * 86_400),
            ("\"30 days\"", 30 * 86_400),
            ("\"1 d 12 h\"", 36 * 3600),
            ("\"2 weeks\"", 14 * 86_400),
        ] {
            assert_eq!(duration(typed), Ok(seconds), "{typed}");
        }
        for bad in
            ["0", "-5", "\"-1 d\"", "\"1 month\"", "\"2 years\"", "\"a while\"", "\"\"", "\"1e9 d\"", "true"]
        {
            let problems = duration(bad).unwrap_err();
            assert!(problems[0].contains("expected a span of time such as"), "{bad}: {problems:?}");
        }
    }
}
