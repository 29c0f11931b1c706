//! Layout tables that a user adds without recompiling, for lists that come without OBIS codes or without units.
//!
//! A file holds tables by name; the first that fits a list is used, before any built-in one:
//!
//! ```toml
//! [my-meter]
//! elements = 13              # fits lists of 13 elements; left out: of any number
//! starts_with = "KFM_001"    # whose first element begins so, or with bytes: "0x4b464d"
//! rows = [
//!   { position = 3, obis = "1-0:1.7.0", unit = "W" },
//!   { position = 7, obis = "1-0:31.7.0", unit = "mA" },
//!   { obis = "1-1:1.8.0", unit = "Wh", scale = 1 },   # what the list itself calls 1-1:1.8.0, in 0.01 kWh
//! ]
//! ```
//!
//! `position` counts from 0 the elements of the outermost structure, as `metergate decode` shows them in brackets.
use super::node::{Table, Value, table};
use super::origin::Sources;
use super::problem::Problem;
use super::section::{Reading, Section};
use crate::cli::Failure;
use metergate_meter::layout::{Layout, Row};
use metergate_reading::{ObisCode, Unit};
use std::path::Path;

/// More elements than any list has: the longest list known has 343.
const ELEMENTS_MAX: u16 = 2000;

/// Reads the tables of a file; they live until the process ends.
///
/// # Errors
/// When the file cannot be read or is no layout file: the message names file, line, key and fix.
pub fn read(path: &Path) -> Result<&'static [Layout], Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read the layout file {}: {error}", path.display())))?;
    Ok(parse(&path.display().to_string(), &text)?.leak())
}

fn parse(name: &str, text: &str) -> Result<Vec<Layout>, Vec<Problem>> {
    let mut sources = Sources::default();
    let at = sources.file(name.to_owned(), text, true);
    let parsed = toml::de::DeTable::parse(text).map_err(|error| {
        let origin = at(error.span().map_or(0, |span| span.start));
        let place = sources.show(origin).to_string();
        vec![Problem {
            place,
            key: String::new(),
            message: format!("no TOML: {}", error.message()),
            help: None,
        }]
    })?;
    let tables = table(parsed.get_ref(), at);
    let reading = Reading::new(&sources);
    let root = Section { reading: &reading, path: String::new(), origin: at(0), table: &tables };
    let mut layouts = Vec::new();
    for (name, node) in tables.iter() {
        match &node.value {
            Value::Table(table) => {
                let section =
                    Section { reading: &reading, path: name.to_owned(), origin: node.origin, table };
                layouts.push(layout(name, &section));
            }
            other => {
                let help = "a layout is a table by name: `[my-meter]`, then its `rows`".to_owned();
                root.problem(name, format!("expected a layout, found {}", other.kind()), help);
            }
        }
    }
    if layouts.is_empty() {
        root.problem("", "there is no layout", "begin with `[my-meter]` and its `rows`".to_owned());
    }
    let (problems, _) = reading.into_parts();
    if problems.is_empty() { Ok(layouts) } else { Err(problems) }
}

fn layout(name: &str, section: &Section<'_>) -> Layout {
    section.only(&["elements", "starts_with", "rows"]);
    let elements = section.whole("elements", 1..=ELEMENTS_MAX);
    let starts_with =
        section.text("starts_with").map(|found| beginning(section, found.value)).unwrap_or_default();
    let rows = rows(section, elements);
    Layout {
        name: name.to_owned().leak(),
        elements,
        starts_with: starts_with.leak(),
        tags: &[],
        automatic: true,
        rows: rows.leak(),
    }
}

/// A text, or bytes after `0x`.
fn beginning(section: &Section<'_>, typed: &str) -> Vec<u8> {
    let Some(digits) = typed.strip_prefix("0x") else { return typed.as_bytes().to_vec() };
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let pair = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs.collect::<Option<Vec<u8>>>().unwrap_or_else(|| {
        section.problem("starts_with", "expected pairs of hexadecimal digits after 0x", None);
        Vec::new()
    })
}

fn rows(section: &Section<'_>, elements: Option<u16>) -> Vec<Row> {
    let Some(node) = section.table.get("rows") else {
        let help = "rows = [{ position = 3, obis = \"1-0:1.7.0\", unit = \"W\" }]".to_owned();
        section.problem("", "there are no `rows`", help);
        return Vec::new();
    };
    let Value::List(items) = &node.value else {
        section.problem("rows", format!("expected a list of rows, found {}", node.value.kind()), None);
        return Vec::new();
    };
    let mut rows: Vec<Row> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{}.rows[{index}]", section.path);
        let empty = Table::default();
        let table = if let Value::Table(table) = &item.value { table } else { &empty };
        let inner = Section { reading: section.reading, path, origin: item.origin, table };
        if !matches!(item.value, Value::Table(_)) {
            inner.problem("", format!("expected a row in braces, found {}", item.value.kind()), None);
            continue;
        }
        let Some(row) = row(&inner, elements) else { continue };
        let same = |other: &Row| {
            (other.position, other.position.is_none().then_some(other.obis))
                == (row.position, row.position.is_none().then_some(row.obis))
        };
        if rows.iter().any(same) {
            inner.problem("", "an earlier row is for the same element", None);
        }
        rows.push(row);
    }
    rows
}

fn row(section: &Section<'_>, elements: Option<u16>) -> Option<Row> {
    section.only(&["position", "obis", "unit", "scale"]);
    if section.table.get("obis").is_none() {
        section.problem("", "there is no `obis`", "each row says what its element means".to_owned());
    }
    let position = section.whole("position", 0..=elements.unwrap_or(ELEMENTS_MAX) - 1);
    let obis: Option<ObisCode> = section.parsed("obis");
    let (unit, prefix) = match section.text("unit") {
        None => (None, 0),
        Some(typed) => match Unit::from_text(typed.value) {
            Some((unit, prefix)) => (Some(unit), prefix),
            None => {
                let help = "units are W, Wh, kWh, var, varh, VA, V, A, mA, Hz, m3, l, degC, J and the like"
                    .to_owned();
                section.problem("unit", format!("there is no unit `{}`", typed.value), help);
                (None, 0)
            }
        },
    };
    let scale = section.whole("scale", -30..=30i8).unwrap_or(0);
    Some(Row { position, obis: obis?, unit, scale: scale + prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Failure::from(parse("my.toml", text).unwrap_err()).to_string()
    }

    #[test]
    fn a_table_names_and_scales_elements() {
        let text = "[my-meter]\nelements = 13\nstarts_with = \"0x4b464d\"\nrows = [\n\
                    { position = 3, obis = \"1-0:1.7.0\", unit = \"kW\", scale = -3 },\n\
                    { obis = \"1-1:1.8.0\", unit = \"Wh\", scale = 1 } ]\n[other]\nrows = []\n";
        let layouts = parse("my.toml", text).unwrap();
        let [mine, other] = layouts.as_slice() else { panic!("there are two") };
        assert_eq!((mine.name, mine.elements, mine.starts_with), ("my-meter", Some(13), &b"KFM"[..]));
        let power = Row::at(3, ObisCode::new(1, 0, 1, 7, 0, 255), Some(Unit::Watt), 0);
        let energy = Row::of(ObisCode::new(1, 1, 1, 8, 0, 255), Unit::WattHour, 1);
        assert_eq!(mine.rows, [power, energy]);
        assert_eq!((other.name, other.elements), ("other", None));
    }

    #[test]
    fn mistakes_name_line_and_fix() {
        assert_eq!(
            refused(
                "[m]\nrows = [\n{ position = 0, obis = \"1-0:1.7\" },\n{ obis = \"1.8.0\", unit = \"kWH/h\" } ]\n"
            ),
            "my.toml:3: m.rows[0].obis: an OBIS code has 3 to 6 numbers such as 1-0:1.8.0*255, found 4\n\
             my.toml:4: m.rows[1].unit: there is no unit `kWH/h` \
             (units are W, Wh, kWh, var, varh, VA, V, A, mA, Hz, m3, l, degC, J and the like)"
        );
        assert_eq!(
            refused("[m]\nelements = 2\nrows = [{ position = 2, obis = \"1.8.0\" }]\n"),
            "my.toml:3: m.rows[0].position: expected a number of 0 to 1, found 2"
        );
        assert_eq!(
            refused("[m]\nrows = [{ position = 2, obis = \"1.8.0\" }, { position = 2, obis = \"2.8.0\" }]\n"),
            "my.toml:2: m.rows[1]: an earlier row is for the same element"
        );
        assert_eq!(
            refused("[m]\nrow = []\n"),
            "my.toml:2: m.row: unknown key `row` in `m` (did you mean `rows`?)\n\
             my.toml:1: m: there are no `rows` (rows = [{ position = 3, obis = \"1-0:1.7.0\", unit = \"W\" }])"
        );
        assert_eq!(refused(""), "my.toml:1: there is no layout (begin with `[my-meter]` and its `rows`)");
        assert!(refused("[m\n").starts_with("my.toml:1: no TOML: "));
        assert!(refused("rows = []").contains("a layout is a table by name"));
    }
}
