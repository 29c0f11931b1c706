//! The configuration that is being made, before it is text: blocks of keys, remarks and secrets.
use super::tree::{Node, Place, Table, Value};
use crate::secret::Secret;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that was made of all files.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) blocks: Vec<Block>,
    /// Names that are taken, with their profile and section, and how often each was wanted.
    names: BTreeMap<String, usize>,
}

impl Draft {
    /// A name of letters, digits, `-` and `_` for a section, another one each time.
    pub(super) fn name(&mut self, profile: &str, section: &str, wanted: &str) -> String {
        let plain: String = wanted
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() || "-_".contains(letter) { letter } else { '-' })
            // 32 less a number: a file of 1 MiB has no more sections than five digits count.
            .take(26)
            .collect();
        let plain = if plain.is_empty() { section.to_owned() } else { plain };
        let path = |name: &str| format!("{profile}.{section}.{name}");
        loop {
            let count = self.names.entry(path(&plain)).or_default();
            *count += 1;
            if *count == 1 {
                return plain;
            }
            let numbered = format!("{plain}-{count}");
            if self.names.insert(path(&numbered), 1).is_none() {
                return numbered;
            }
        }
    }

    /// Sections of this kind that will be read, not those in comments.
    pub(super) fn count(&self, section: &str) -> usize {
        let is = |block: &&Block| {
            block.off.is_none() && block.head.as_ref().is_some_and(|head| head.section == section)
        };
        self.blocks.iter().filter(is).count()
    }
}

/// A section, or only remarks.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) head: Option<Head>,
    /// Where and why the section stands in comments, if it does.
    pub(super) off: Option<(Place, String)>,
    pub(super) lines: Vec<Line>,
    /// A further table in the section: its name and rows.
    pub(super) table: Option<(&'static str, Vec<(String, String)>)>,
    pub(super) secrets: Vec<(&'static str, Secret)>,
}

/// `[default.meter.mtr0]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) profile: String,
    /// `meter` or `sink`.
    pub(super) section: &'static str,
    pub(super) name: String,
}

/// One line of a block.
#[derive(Debug)]
pub(super) enum Line {
    /// A key and its value as TOML writes it.
    Key(&'static str, String),
    /// Worth knowing; nothing is lost.
    Remark(String),
    /// Something that metergate does in its own way.
    Own(Place, String),
    /// Something that was not carried over.
    Lost(Place, String),
}

impl Block {
    /// A section that will be read.
    pub(super) fn section(profile: &str, section: &'static str, name: String) -> Self {
        let head = Head { profile: profile.to_owned(), section, name };
        Self { head: Some(head), ..Self::default() }
    }

    /// What a key says here, as TOML writes it.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| match line {
            Line::Key(name, value) if *name == key => Some(value.as_str()),
            _ => None,
        })
    }

    /// A key with a text.
    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        self.lines.push(Line::Key(key, quoted(value)));
    }

    /// A key with a whole number.
    pub(super) fn whole(&mut self, key: &'static str, value: i64) {
        self.lines.push(Line::Key(key, value.to_string()));
    }

    /// A key that is true or false.
    pub(super) fn truth(&mut self, key: &'static str, value: bool) {
        self.lines.push(Line::Key(key, value.to_string()));
    }

    /// A key with a span of time.
    pub(super) fn seconds(&mut self, key: &'static str, seconds: i64) {
        self.lines.push(Line::Key(key, format!("\"{seconds} s\"")));
    }

    /// A key with a list of texts, unless it is empty.
    pub(super) fn texts(&mut self, key: &'static str, values: &[String]) {
        if !values.is_empty() {
            let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
            self.lines.push(Line::Key(key, format!("[{}]", values.join(", "))));
        }
    }

    /// A key whose value only the secrets file holds.
    pub(super) fn secret(&mut self, key: &'static str, value: &str) {
        self.secrets.push((key, Secret::new(value)));
    }

    pub(super) fn remark(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Remark(text.into()));
    }

    pub(super) fn lost(&mut self, place: &Place, text: impl Into<String>) {
        self.lines.push(Line::Lost(place.clone(), text.into()));
    }

    /// Puts the section into comments; the first reason is the one that is said.
    pub(super) fn switch_off(&mut self, place: &Place, why: impl Into<String>) {
        if self.off.is_none() {
            self.off = Some((place.clone(), why.into()));
        }
    }
}

/// A text as TOML writes it, on one line whatever is in it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            letter if letter.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// Reads the keys of a foreign table by type, and remembers which were asked for, so that the others can be named.
pub(super) struct Keys<'a> {
    table: &'a Table,
    asked: RefCell<BTreeSet<&'static str>>,
    /// The others are not named: they go with the whole.
    ignored: Cell<bool>,
}

impl<'a> Keys<'a> {
    pub(super) const fn new(table: &'a Table) -> Self {
        Self { table, asked: RefCell::new(BTreeSet::new()), ignored: Cell::new(false) }
    }

    fn read<T>(
        &self,
        key: &'static str,
        block: &mut Block,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<(T, &'a Place)> {
        self.asked.borrow_mut().insert(key);
        let node = self.table.get(key)?;
        let value = read(&node.value);
        if value.is_none() {
            let found = node.value.kind();
            block.lost(&node.place, format!("`{key}`: expected {expected}, found {found}"));
        }
        Some((value?, &node.place))
    }

    /// A text that is not empty.
    pub(super) fn text(&self, key: &'static str, block: &mut Block) -> Option<(&'a str, &'a Place)> {
        let read = |value: &'a Value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        };
        self.read(key, block, "a text", read).filter(|(text, _)| !text.trim().is_empty())
    }

    pub(super) fn whole(&self, key: &'static str, block: &mut Block) -> Option<(i64, &'a Place)> {
        let read = |value: &Value| match value {
            Value::Whole(number) => Some(*number),
            _ => None,
        };
        self.read(key, block, "a whole number", read)
    }

    pub(super) fn truth(&self, key: &'static str, block: &mut Block) -> Option<(bool, &'a Place)> {
        let read = |value: &Value| match value {
            Value::Truth(truth) => Some(*truth),
            _ => None,
        };
        self.read(key, block, "true or false", read)
    }

    pub(super) fn table(&self, key: &'static str, block: &mut Block) -> Option<(&'a Table, &'a Place)> {
        let read = |value: &'a Value| match value {
            Value::Table(table) => Some(table),
            _ => None,
        };
        self.read(key, block, "a section", read)
    }

    pub(super) fn list(&self, key: &'static str, block: &mut Block) -> Option<(&'a [Node], &'a Place)> {
        let read = |value: &'a Value| match value {
            Value::List(items) => Some(items.as_slice()),
            _ => None,
        };
        self.read(key, block, "a list", read)
    }

    /// Where a key stands that is there, whatever its value.
    pub(super) fn place(&self, key: &'static str) -> Option<&'a Place> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key).map(|node| &node.place)
    }

    /// Says of each of these keys, where it is there, why it is not carried over.
    pub(super) fn lose(&self, reasons: &[(&'static str, &str)], block: &mut Block) {
        self.explain(reasons, Line::Lost, block);
    }

    /// Says of each of these keys, where it is there, how metergate does it.
    pub(super) fn own_way(&self, reasons: &[(&'static str, &str)], block: &mut Block) {
        self.explain(reasons, Line::Own, block);
    }

    /// In the order of the file.
    fn explain(&self, reasons: &[(&'static str, &str)], line: fn(Place, String) -> Line, block: &mut Block) {
        self.asked.borrow_mut().extend(reasons.iter().map(|(key, _)| *key));
        for (key, node) in self.table.iter() {
            if let Some((_, reason)) = reasons.iter().find(|(known, _)| *known == key) {
                block.lines.push(line(node.place.clone(), format!("`{key}`: {reason}")));
            }
        }
    }

    /// The same as [`own_way`](Self::own_way) for several keys with one reason.
    pub(super) fn together(&self, keys: &[&'static str], reason: &str, block: &mut Block) {
        self.asked.borrow_mut().extend(keys);
        let there: Vec<(&str, &Node)> = self.table.iter().filter(|(key, _)| keys.contains(key)).collect();
        if let Some((_, first)) = there.first() {
            let names: Vec<String> = there.iter().map(|(key, _)| format!("`{key}`")).collect();
            block.lines.push(Line::Own(first.place.clone(), format!("{}: {reason}", names.join(", "))));
        }
    }

    /// The keys that nobody asks for are not worth a word.
    pub(super) fn ignore_rest(&self) {
        self.ignored.set(true);
    }

    /// Names every key that nobody asked for, and those that stand twice.
    pub(super) fn rest(&self, block: &mut Block) {
        let asked = self.asked.borrow();
        let mut seen = BTreeSet::new();
        for (key, node) in self.table.iter() {
            if !asked.contains(key) {
                if self.ignored.get() {
                    continue;
                }
                block.lost(&node.place, format!("`{}`: has no counterpart", shown(key)));
            } else if !seen.insert(key) {
                block.lost(&node.place, format!("`{key}`: stands twice; the last one counts"));
            }
        }
    }
}

/// A name from a file, short and without anything that moves a cursor.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(80).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_from_toml_whatever_is_in_it() {
        for text in ["", "a\"b\\c", "line\nend", "\u{1b}[31m", "Zähler ✓", "]\nport = 1", "\u{85}\u{7f}"] {
            let toml = format!("a = {}\n", quoted(text));
            let back: toml::Table = toml::from_str(&toml).unwrap();
            assert_eq!(back.get("a").and_then(toml::Value::as_str), Some(text));
            assert_eq!(toml.lines().count(), 1);
        }
    }

    #[test]
    fn names_are_plain_and_never_the_same() {
        let mut draft = Draft::default();
        assert_eq!(draft.name("default", "sink", "mqtt"), "mqtt");
        assert_eq!(draft.name("default", "sink", "mqtt"), "mqtt-2");
        assert_eq!(draft.name("t210", "sink", "mqtt"), "mqtt");
        assert_eq!(draft.name("t210", "sink", "a-2"), "a-2");
        assert_eq!([(); 3].map(|()| draft.name("t210", "sink", "a")), ["a", "a-3", "a-4"]);
        assert_eq!(draft.name("t210", "meter", "Zähler 1.8"), "Z-hler-1-8");
        assert_eq!(draft.name("t210", "meter", ""), "meter");
        assert!(draft.name("t210", "meter", &"x".repeat(99)).len() <= 32);
    }

    #[test]
    fn a_secret_does_not_print() {
        let mut block = Block::default();
        block.secret("password", "geheim");
        assert!(!format!("{block:?}").contains("geheim"));
    }
}
