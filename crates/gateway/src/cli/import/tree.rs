//! A foreign file as a tree in which each value knows its file and line, the same for JSON and TOML.
use crate::cli::Failure;
use jsonc_parser::ast;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions};
use std::fmt;
use std::rc::Rc;
use toml::de::{DeTable, DeValue};

/// Where a value stands: `vzlogger.conf:12`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file as it was named on the command line.
    file: Rc<str>,
    /// Counted from 1.
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A value and where it stands. Not `Debug`: it may be a password.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A value as it was written.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Whole(i64),
    Truth(bool),
    List(Vec<Node>),
    Table(Table),
    /// Anything else; what it is called.
    Other(&'static str),
}

impl Value {
    /// What kind of value it is, never the value itself.
    pub(super) const fn kind(&self) -> &'static str {
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

/// Keys with their values, in the order of the file.
#[derive(Clone, Default)]
pub(super) struct Table(Vec<(String, Node)>);

impl Table {
    /// The value of a key; of one that stands twice the last, as in the programs that the files come from.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().rfind(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The table of a key, if it is one.
    pub(super) fn table(&self, key: &str) -> Option<&Self> {
        match &self.get(key)?.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// Lays another table over this one: tables are merged key by key, anything else replaces what was there.
    pub(super) fn overlay(&mut self, above: Self) {
        for (name, node) in above.0 {
            match self.0.iter_mut().rfind(|(known, _)| *known == name) {
                None => self.0.push((name, node)),
                Some((_, below)) => match (&mut below.value, node.value) {
                    (Value::Table(below), Value::Table(above)) => below.overlay(above),
                    (_, value) => *below = Node { place: node.place, value },
                },
            }
        }
    }
}

/// A file's name and where its lines begin.
struct Lines {
    file: Rc<str>,
    ends: Vec<usize>,
}

impl Lines {
    fn new(file: &str, text: &str) -> Self {
        Self { file: file.into(), ends: text.match_indices('\n').map(|(at, _)| at).collect() }
    }

    fn place(&self, at: usize) -> Place {
        Place { file: Rc::clone(&self.file), line: 1 + self.ends.partition_point(|end| *end < at) }
    }
}

/// Reads JSON as json-c does for vzlogger: with `//` and `/* */` comments, commas at the end and single quotes.
///
/// # Errors
/// Names file and line where it is no JSON; no value of the file is in the message.
pub(super) fn json(file: &str, text: &str) -> Result<Node, Failure> {
    let lines = Lines::new(file, text);
    let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
    let parsed = parsed.map_err(|error| {
        Failure::new(format!("{}: no JSON: {}", lines.place(error.range().start), error.kind()))
            .with_help("vzlogger does not read it either; `vzlogger -c FILE -f` says where it stops")
    })?;
    let Some(value) = parsed.value else {
        return Err(Failure::new(format!("{file}: there is nothing in it")));
    };
    Ok(from_json(&value, &lines))
}

fn from_json(value: &ast::Value<'_>, lines: &Lines) -> Node {
    let place = lines.place(value.start());
    let value = match value {
        ast::Value::StringLit(text) => Value::Text(text.value.to_string()),
        ast::Value::NumberLit(number) => {
            number.value.parse().map_or(Value::Other("a number with decimals"), Value::Whole)
        }
        ast::Value::BooleanLit(truth) => Value::Truth(truth.value),
        ast::Value::NullKeyword(_) => Value::Other("null"),
        ast::Value::Array(array) => {
            Value::List(array.elements.iter().map(|element| from_json(element, lines)).collect())
        }
        ast::Value::Object(object) => {
            let properties = object.properties.iter();
            Value::Table(Table(
                properties
                    .map(|property| {
                        let node = from_json(&property.value, lines);
                        let place = lines.place(property.start());
                        (property.name.as_str().to_owned(), Node { place, ..node })
                    })
                    .collect(),
            ))
        }
    };
    Node { place, value }
}

/// Reads TOML as dynaconf does: upper and lower case of a key are the same.
///
/// # Errors
/// Names file and line where it is no TOML; no value of the file is in the message.
pub(super) fn toml(file: &str, text: &str) -> Result<Table, Failure> {
    let lines = Lines::new(file, text);
    let parsed = DeTable::parse(text).map_err(|error| {
        // Only the message: the line that the error could print may hold a key.
        let place = lines.place(error.span().map_or(0, |span| span.start));
        Failure::new(format!("{place}: no TOML: {}", error.message()))
    })?;
    Ok(from_toml(parsed.get_ref(), &lines))
}

fn from_toml(table: &DeTable<'_>, lines: &Lines) -> Table {
    let entries = table.iter().map(|(key, value)| {
        let node = from_toml_value(value.get_ref(), lines.place(key.span().start), lines);
        (key.get_ref().to_lowercase(), node)
    });
    Table(entries.collect())
}

fn from_toml_value(value: &DeValue<'_>, place: Place, lines: &Lines) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(truth) => Value::Truth(*truth),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix())
                .map_or(Value::Other("a number beyond 64 bits"), Value::Whole)
        }
        DeValue::Float(_) => Value::Other("a number with decimals"),
        DeValue::Datetime(_) => Value::Other("a date or time"),
        DeValue::Array(items) => {
            let item = |item: &toml::Spanned<DeValue<'_>>| {
                from_toml_value(item.get_ref(), lines.place(item.span().start), lines)
            };
            Value::List(items.iter().map(item).collect())
        }
        DeValue::Table(inner) => Value::Table(from_toml(inner, lines)),
    };
    Node { place, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(node: Option<&Node>) -> String {
        node.map_or_else(|| "absent".to_owned(), |node| node.place.to_string())
    }

    #[test]
    fn json_is_read_as_loosely_as_json_c_reads_it() {
        let text = "/* a\n * b */ {\n // c\n \"a\": 'x', \"b\": [1, 2,],\n \"url\": \"http://h/*no*/\",\n}";
        let Node { value: Value::Table(table), .. } = json("f", text).unwrap() else { panic!("an object") };
        assert_eq!(line(table.get("a")), "f:4");
        assert_eq!(line(table.get("url")), "f:5");
        let Value::Text(url) = &table.get("url").unwrap().value else { panic!("a text") };
        assert_eq!(url, "http://h/*no*/", "a comment does not begin in a text");
    }

    #[test]
    fn what_is_no_json_is_told_with_its_line_and_never_with_a_value() {
        for wrong in ["{\n\"pass\": \"geheim\" x", "{\n\"pass\": \"geheim\"", "geheim", "", "{}{}"] {
            let failure = json("f", wrong).err().unwrap().to_string();
            assert!(failure.starts_with("f:") && !failure.contains("geheim"), "{failure}");
        }
        let deep = "[".repeat(100_000);
        assert!(json("f", &deep).is_err(), "a tower of brackets ends without the stack");
    }

    #[test]
    fn tables_lie_over_each_other_key_by_key() {
        let mut below = toml("a", "[t210.client]\nid = \"x\"\nguek = \"1\"\n").unwrap();
        below.overlay(toml("b", "[T210]\nclient.GUEK = \"2\"\n").unwrap());
        let client = below.table("t210").unwrap().table("client").unwrap();
        assert_eq!((line(client.get("id")), line(client.get("guek"))), ("a:2".into(), "b:2".into()));
    }
}
