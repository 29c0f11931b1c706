//! Which topics there are, and how a register is called in them.
use crate::sink::Point;
use metergate_reading::{ObisStyle, RegisterId};
use std::fmt::Write;

/// The topics under one prefix.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    prefix: String,
}

impl Topics {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// `online` or `offline`.
    pub(super) fn status(&self) -> String {
        format!("{}/status", self.prefix)
    }

    /// The newest reading of a meter.
    pub(super) fn state(&self, meter: &str) -> String {
        format!("{}/{meter}/state", self.prefix)
    }

    /// How a meter is doing.
    pub(super) fn verdict(&self, meter: &str) -> String {
        format!("{}/{meter}/verdict", self.prefix)
    }

    /// One register of the newest reading, by its key.
    pub(super) fn register(&self, meter: &str, key: &str) -> String {
        // A register that a person called `state` must not stand in the way of the document.
        let taken = matches!(key, "state" | "verdict" | "history");
        format!("{}/{meter}/{key}{}", self.prefix, if taken { "_" } else { "" })
    }

    /// Everything that a meter said, in order.
    pub(super) fn history(&self, meter: &str) -> String {
        format!("{}/{meter}/history", self.prefix)
    }

    /// Everything that happened, in order.
    pub(super) fn events(&self) -> String {
        format!("{}/events", self.prefix)
    }

    /// Which topics of discovery are ours, for the next run.
    pub(super) fn discovery(&self) -> String {
        format!("{}/discovery", self.prefix)
    }

    /// The prefix as the beginning of an identifier: letters, digits, `-` and `_`.
    pub(super) fn id(&self) -> String {
        identifier(&self.prefix)
    }
}

/// How a register is called in documents and topics: what the configuration calls it, else its OBIS code with `:` and
/// `*` written `_`, such as `1-0_1.8.0` and `1-0_1.8.0_1`; a register without a code by what the telegram calls it, such
/// as `kmp_60`. The second register of one name has `-2` behind it.
pub(super) fn key(point: &Point) -> String {
    match &point.name {
        Some(name) => harmless(name, true),
        None => spelt(&point.register, ObisStyle::Topic, true),
    }
}

/// The same of letters, digits, `-` and `_` alone.
pub(super) fn id(register: &RegisterId) -> String {
    spelt(register, ObisStyle::Id, false)
}

fn spelt(register: &RegisterId, style: ObisStyle, dots: bool) -> String {
    let full = register.to_string();
    let Some(code) = register.obis() else { return harmless(&full.replace('#', "-"), dots) };
    let mut text = code.text(style).to_string();
    if let Some((_, nth)) = full.rsplit_once('#') {
        let _ = write!(text, "-{nth}");
    }
    text
}

/// Any text as letters, digits, `-` and `_`.
pub(super) fn identifier(text: &str) -> String {
    harmless(text, false)
}

fn harmless(text: &str, dots: bool) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || (dots && c == '.');
    text.chars().map(|c| if keep(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::Number;

    fn point(register: &str, name: Option<&str>) -> Point {
        Point {
            register: register.parse().unwrap(),
            name: name.map(Into::into),
            number: Number::new(0, 0),
            unit: None,
            prefix: 0,
            derived: false,
        }
    }

    #[test]
    fn a_key_is_one_level_of_a_topic() {
        for (register, expected) in [
            ("1-0:1.8.0*255", "1-0_1.8.0"),
            ("1-0:1.8.0*1", "1-0_1.8.0_1"),
            ("0-1:24.2.1*255#2", "0-1_24.2.1-2"),
            ("kmp:60", "kmp_60"),
            ("position:19#2", "position_19-2"),
            ("text:C.1.0", "text_C.1.0"),
            ("text:a/b+#", "text_a_b_-"),
        ] {
            assert_eq!(key(&point(register, None)), expected, "{register}");
        }
        assert_eq!(key(&point("1-0:1.8.0", Some("Bezug / kWh"))), "Bezug___kWh");
        assert_eq!(id(&"1-0:1.8.0*1".parse().unwrap()), "1-0_1-8-0_1");
    }

    #[test]
    fn a_register_called_state_does_not_stand_in_the_way_of_the_document() {
        let topics = Topics::new("metergate");
        assert_ne!(topics.register("haus", "state"), topics.state("haus"));
        assert_eq!(topics.register("haus", "1-0_1.8.0"), "metergate/haus/1-0_1.8.0");
    }
}
