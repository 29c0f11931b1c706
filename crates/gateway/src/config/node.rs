//! Values as they were written, each with its origin, and how layers are merged.
use super::origin::Origin;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) value: Value,
}

/// A value as it was written.
#[derive(Clone)]
pub(crate) enum Value {
    Text(String),
    Whole(i64),
    Truth(bool),
    List(Vec<Node>),
    Table(Table),
    /// Anything else that TOML has; what it is called.
    Other(&'static str),
}

/// Keys with their values, in the order in which they were first written.
#[derive(Clone, Default)]
pub(crate) struct Table(Vec<(String, Node)>);

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(name, node)| (name.as_str(), node))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Node> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// Lays another table over this one: tables are merged key by key, anything else replaces what was there.
    pub(crate) fn overlay(&mut self, above: Self) {
        for (name, node) in above.0 {
            match self.0.iter_mut().find(|(known, _)| *known == name) {
                None => self.0.push((name, node)),
                Some((_, Node { value: Value::Table(below), .. }))
                    if matches!(node.value, Value::Table(_)) =>
                {
                    if let Value::Table(above) = node.value {
                        below.overlay(above);
                    }
                }
                Some((_, below)) => *below = node,
            }
        }
    }

    /// Puts a text at the end of a path of tables, which are made where they are missing; a name that differs from
    /// a known one only in case, or in `-` for `_`, is that name.
    pub(crate) fn set(&mut self, path: &[String], text: String, origin: Origin) {
        let Some((first, rest)) = path.split_first() else { return };
        let same = |known: &str| known.replace('-', "_").eq_ignore_ascii_case(&first.replace('-', "_"));
        let at = match self.0.iter().position(|(known, _)| same(known)) {
            Some(at) => at,
            None => {
                self.0.push((first.clone(), Node { origin, value: Value::Table(Self::default()) }));
                self.0.len() - 1
            }
        };
        let Some((_, node)) = self.0.get_mut(at) else { return };
        if rest.is_empty() {
            *node = Node { origin, value: Value::Text(text) };
            return;
        }
        if !matches!(node.value, Value::Table(_)) {
            *node = Node { origin, value: Value::Table(Self::default()) };
        }
        if let Value::Table(table) = &mut node.value {
            table.set(rest, text, origin);
        }
    }
}

/// Takes over what the parser read.
pub(crate) fn table(parsed: &DeTable<'_>, at: impl Fn(usize) -> Origin + Copy) -> Table {
    let entries = parsed.iter().map(|(key, value)| {
        let mut node = node(value.get_ref(), value.span().start, at);
        // A table is where its name is, which for `[default.meter.haus]` the parser knows best.
        if matches!(node.value, Value::Table(_)) {
            node.origin = at(key.span().start);
        }
        (key.get_ref().to_string(), node)
    });
    Table(entries.collect())
}

fn node(value: &DeValue<'_>, start: usize, at: impl Fn(usize) -> Origin + Copy) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(truth) => Value::Truth(*truth),
        DeValue::Integer(number) => {
            match i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()) {
                Ok(number) => Value::Whole(number),
                Err(_) => Value::Other("a number beyond 64 bits"),
            }
        }
        DeValue::Float(_) => Value::Other("a number with decimals"),
        DeValue::Datetime(_) => Value::Other("a date or time"),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| node(item.get_ref(), item.span().start, at)).collect())
        }
        DeValue::Table(inner) => Value::Table(table(inner, at)),
    };
    Node { origin: at(start), value }
}

impl Value {
    /// What kind of value it is, never the value itself: it may be a key.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Whole(_) => "a whole number",
            Self::Truth(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a section",
            Self::Other(kind) => kind,
        }
    }
}
