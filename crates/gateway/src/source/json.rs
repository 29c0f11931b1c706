//! Numbers out of JSON, exactly, and anything that serves some by HTTP.
//!
//! A number is taken from its text, never by way of a binary float: `0.1` stays 1 x 10^-1.
use super::fetch::Fetch;
use super::registers::register;
use crate::config::{JsonSetup, JsonValue};
use metergate_reading::{Number, RegisterBuf};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io;

/// A JSON text whose values are looked up one by one.
///
/// ```
/// use metergate_gateway::source::json::Document;
/// use metergate_reading::Number;
///
/// let document = Document::parse(r#"{"emeters":[{"total":"12345.678"},{"total":1.5e3}],"on":true}"#).unwrap();
/// assert_eq!(document.number("/emeters/0/total"), Some(Number::new(12_345_678, -3)));
/// assert_eq!(document.number("/emeters/1/total"), Some(Number::new(15, 2)));
/// assert_eq!(document.number("/on"), None, "true is no number");
/// assert!(Document::parse("<html>").is_none());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Document<'a>(&'a RawValue);

impl<'a> Document<'a> {
    /// A text; `None` when it is no JSON.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// What stands at a JSON pointer (RFC 6901).
    fn at(self, pointer: &str) -> Option<&'a RawValue> {
        let mut value = self.0;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let text = value.get();
            value = if text.starts_with('[') {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                items.get(token.parse::<usize>().ok()?).copied()?
            } else {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
                members.get(&token).copied()?
            };
        }
        Some(value)
    }

    /// The number at a pointer; one in quotes counts too, since many devices quote theirs.
    #[must_use]
    pub fn number(self, pointer: &str) -> Option<Number> {
        let text = self.at(pointer)?.get();
        if text.starts_with('"') {
            return number(serde_json::from_str::<String>(text).ok()?.trim());
        }
        number(text)
    }

    /// The text at a pointer.
    #[must_use]
    pub fn text(self, pointer: &str) -> Option<String> {
        serde_json::from_str(self.at(pointer)?.get()).ok()
    }

    /// True when something stands at a pointer, be it null.
    #[must_use]
    pub fn has(self, pointer: &str) -> bool {
        self.at(pointer).is_some()
    }
}

/// A decimal, with or without a power of ten.
fn number(text: &str) -> Option<Number> {
    let Some((decimal, power)) = text.split_once(['e', 'E']) else { return text.parse().ok() };
    let decimal: Number = decimal.parse().ok()?;
    Number::with_exponent(decimal.mantissa(), decimal.exponent().checked_add(power.parse().ok()?)?)
}

/// The registers of an answer; those whose pointer leads nowhere are absent.
///
/// # Errors
/// When the answer is no JSON, or none of the pointers leads to a number.
pub fn registers(text: &str, values: &[JsonValue]) -> Result<Vec<RegisterBuf>, String> {
    let document = Document::parse(text).ok_or("the answer is no JSON")?;
    let found: Vec<RegisterBuf> = values
        .iter()
        .filter_map(|value| {
            let number =
                document.number(&value.pointer)?.scaled(value.unit.map_or(0, |unit| unit.exponent))?;
            Some(register(value.code, number, value.unit.map(|unit| unit.base)))
        })
        .collect();
    if found.is_empty() { Err("no number stands where `values` looks for one".to_owned()) } else { Ok(found) }
}

/// Asks one address.
#[derive(Debug)]
pub(super) struct Json {
    fetch: Fetch,
    values: Vec<JsonValue>,
}

impl Json {
    pub(super) fn new(setup: &JsonSetup) -> io::Result<Self> {
        Ok(Self { fetch: Fetch::new(&setup.endpoint, "/")?, values: setup.values.clone() })
    }

    pub(super) async fn poll(&mut self) -> Result<Vec<RegisterBuf>, String> {
        let text = self.fetch.text().await?;
        registers(&text, &self.values).map_err(|why| format!("{}: {why}", self.fetch.endpoint()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::Unit;

    fn number_of(text: &str) -> Option<Number> {
        Document::parse(text).and_then(|document| document.number(""))
    }

    #[test]
    fn numbers_that_break_floats_are_exact() {
        for text in ["16777217", "429496.7296", "12345.6789", "0.1", "-5.5", "9223372036854775807"] {
            assert_eq!(number_of(text).map(|number| number.to_string()).as_deref(), Some(text));
        }
        assert_eq!(number_of("1E+3"), Some(Number::new(1, 3)));
        assert_eq!(number_of("-2.50e-3"), Some(Number::new(-250, -5)));
        assert_eq!(number_of("\" 21.4 \""), Some(Number::new(214, -1)));
    }

    #[test]
    fn what_is_no_number_gives_none() {
        for text in ["null", "true", "[]", "{}", "\"\"", "\"on\"", "1e99999", "1e700", "99999999999999999999"]
        {
            assert_eq!(number_of(text), None, "{text}");
        }
    }

    #[test]
    fn pointers_walk_members_items_and_escapes() {
        let document = Document::parse(r#"{"a/b":{"m~n":[1, {"":2}]},"a":{"b":3},"x":null}"#).unwrap();
        let at = |pointer| document.number(pointer);
        assert_eq!(at("/a~1b/m~0n/0"), Some(Number::new(1, 0)));
        assert_eq!(at("/a~1b/m~0n/1/"), Some(Number::new(2, 0)));
        assert_eq!(at("/a/b"), Some(Number::new(3, 0)));
        for nowhere in ["/a/c", "/a/b/c", "/a~1b/m~0n/2", "/a~1b/m~0n/-1", "/a~1b/m~0n/x", "/x"] {
            assert_eq!(at(nowhere), None, "{nowhere}");
        }
        assert!(document.has("/x") && !document.has("/y"));
    }

    #[test]
    fn registers_have_code_and_base_unit_and_the_missing_are_absent() {
        let value = |pointer: &str, code: &str, unit: Option<&str>| JsonValue {
            pointer: pointer.to_owned(),
            code: code.parse().unwrap(),
            unit: unit.map(|unit| unit.parse().unwrap()),
        };
        let values = [
            value("/total", "1-0:2.8.0", Some("kWh")),
            value("/gone", "1-0:2.7.0", Some("W")),
            value("/pf", "1-0:13.7.0", None),
        ];
        let found = registers(r#"{"total":12.345,"pf":0.98}"#, &values).unwrap();
        let expected = [
            register(values[0].code, Number::new(12_345, 0), Some(Unit::WattHour)),
            register(values[2].code, Number::new(98, -2), None),
        ];
        assert_eq!(found, expected);
        assert!(registers("{}", &values).unwrap_err().contains("no number stands"));
        assert_eq!(registers("busy", &values).unwrap_err(), "the answer is no JSON");
        let deep = format!("{}1{}", "[".repeat(40_000), "]".repeat(40_000));
        assert!(registers(&deep, &values).is_err(), "hostile nesting ends");
    }
}
