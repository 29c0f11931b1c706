//! Registers in columns: code, value, unit, as sent, name.
use super::{HEAD, HINT, QUIET};
use crate::cli::table::aligned;
use crate::harmless::harmless;
use crate::json::{Hex, printable};
use metergate_reading::{Address, ObisStyle, Register, Value};
use std::io::{self, Write};

/// Longest text that widens its column; what is longer stands over.
const CELL_MAX: usize = 40;

pub(super) fn write<'a>(
    out: &mut dyn Write,
    registers: impl Iterator<Item = Register<'a>> + Clone,
) -> io::Result<()> {
    let values = registers.clone().map(|register| number(&register.value).map_or(0, |text| text.len()));
    let width = values.max().unwrap_or(0);
    let rows: Vec<Vec<String>> = registers.clone().map(|register| row(&register, width)).collect();
    let nameless = nameless(registers);
    let count = rows.len();
    writeln!(out, "  {HEAD}{count} register{}{HEAD:#}", if count == 1 { "" } else { "s" })?;
    aligned(&rows).iter().try_for_each(|row| writeln!(out, "    {row}"))?;
    if nameless > 0 {
        let numbers = if nameless == 1 { "number has" } else { "numbers have" };
        writeln!(
            out,
            "  {HINT}next:{HINT:#} {nameless} {numbers} a place and no name; a file for --layout names them"
        )?;
    }
    Ok(())
}

/// Numbers of which only the place in a list is known.
fn nameless<'a>(registers: impl Iterator<Item = Register<'a>>) -> usize {
    let is_nameless = |register: &Register<'_>| {
        let has_place = matches!(register.address, Address::Position(_));
        has_place && register.obis.is_none() && number(&register.value).is_some()
    };
    registers.filter(is_nameless).count()
}

fn row(register: &Register<'_>, width: usize) -> Vec<String> {
    let unit = register.unit.map(|unit| unit.to_string()).unwrap_or_default();
    let value = match number(&register.value) {
        // Numbers stand with their last digits under each other, and their units in one line behind.
        Some(text) => format!("{text:>width$} {unit}"),
        None => cut(&shown(&register.value)),
    };
    let name = register.obis.and_then(|code| code.name()).unwrap_or_default();
    vec![code(register), value, quiet(&cut(&sent(register))), format!("{name}{}", extras(register))]
}

fn code(register: &Register<'_>) -> String {
    let obis = register.obis.map(|code| code.text(ObisStyle::Full).to_string());
    match (register.address, obis) {
        (Address::Obis, obis) => obis.unwrap_or_else(|| "no code".to_owned()),
        (Address::Position(position), None) => format!("[{position}]"),
        (Address::Position(position), Some(obis)) => format!("{obis} [{position}]"),
        (Address::Kmp(number), None) => format!("register {number}"),
        (Address::Kmp(number), Some(obis)) => format!("{obis} register {number}"),
        (Address::Text(text), Some(obis)) if obis != text => format!("{obis} {text}"),
        (Address::Text(text), _) => text.to_owned(),
    }
}

fn number(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Number(number) | Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Number(number) | Value::Float(number) => number.to_string(),
        Value::Octets(bytes) => match printable(bytes) {
            Some(text) => format!("{text:?}"),
            None if bytes.is_empty() => "no bytes".to_owned(),
            None => Hex(bytes).to_string(),
        },
        Value::Text(text) => format!("{text:?}"),
        Value::DateTime(time) => time.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => "no value".to_owned(),
        Value::List(list) => {
            let items: Vec<String> = list.iter().map(|item| shown(&item)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// Set back, so that the values stand out; nothing stays nothing.
fn quiet(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{QUIET}{text}{QUIET:#}") }
}

/// The value as the meter sent it.
fn sent(register: &Register<'_>) -> String {
    let groups: String = register.groups.iter().map(|group| format!("({})", harmless(group))).collect();
    if !groups.is_empty() {
        return groups;
    }
    match register.value {
        Value::Number(number) if number.exponent() == 0 => number.mantissa().to_string(),
        Value::Number(number) => format!("{} x 10^{}", number.mantissa(), number.exponent()),
        Value::Float(number) => format!("float {number}"),
        Value::Octets(bytes) if printable(bytes).is_some() => Hex(bytes).to_string(),
        _ => String::new(),
    }
}

fn extras(register: &Register<'_>) -> String {
    let mut extras = String::new();
    if let Some(time) = register.time {
        extras += &format!(", at {time}");
    }
    if let Some(seconds) = register.seconds_index {
        extras += &format!(", after {seconds} s of running time");
    }
    if let Some(status) = register.status {
        extras += &format!(", status {status:x}");
    }
    let begin = extras.len().min(if register.obis.and_then(|code| code.name()).is_some() { 0 } else { 2 });
    extras.split_off(begin)
}

fn cut(text: &str) -> String {
    let count = text.chars().count();
    if count <= CELL_MAX {
        return text.to_owned();
    }
    let front: String = text.chars().take(CELL_MAX - 3).collect();
    format!("{front}...")
}
