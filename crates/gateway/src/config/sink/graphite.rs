//! Reads the section of a sink: Graphite, plaintext or pickle.
use crate::config::endpoint::{self, Scheme};
use crate::config::section::Section;
use std::path::Path;

/// Keys of this kind besides those of every sink. Graphite knows neither encryption nor login.
const KEYS: &[&str] = &["url", "format", "names", "prefix", "meter_in_name"];

/// Settings of Graphite, plaintext or pickle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphiteSetup {
    /// Name or address.
    pub host: String,
    /// Port number.
    pub port: u16,
    /// How metrics are written.
    pub format: GraphiteFormat,
    /// What metrics are called.
    pub names: GraphiteNames,
    /// What stands before each name.
    pub prefix: String,
    /// The meter's name stands in the names of esp-smartmeter-netznoe too, which know one meter only.
    pub meter_in_name: bool,
}

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphiteFormat {
    /// A line each, usually to port 2003.
    Plaintext,
    /// Many at once in Python's notation, usually to port 2004.
    Pickle,
}

/// What metrics are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphiteNames {
    /// As esp-smartmeter-netznoe calls them: `smartmeter.momentanleistung.plus`.
    NetzNoe,
    /// By meter and OBIS code: `metergate.haus.1-0_1-8-0`.
    Obis,
}

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, _folder: &Path) -> Option<GraphiteSetup> {
    section.only(&[super::KEYS, KEYS].concat());
    let formats = [("plaintext", GraphiteFormat::Plaintext), ("pickle", GraphiteFormat::Pickle)];
    let format = section.word("format", &formats).unwrap_or(GraphiteFormat::Plaintext);
    let port = match format {
        GraphiteFormat::Plaintext => 2003,
        GraphiteFormat::Pickle => 2004,
    };
    let endpoint = endpoint::read(section, Path::new(""), &[Scheme { name: "tcp", port, tls: false }])?;
    if !endpoint.path.is_empty() {
        let help = format!("url = \"{}\"; names begin with `prefix`", endpoint.origin());
        section.problem("url", "a connection has no path", help);
    }
    let words = [("netznoe", GraphiteNames::NetzNoe), ("obis", GraphiteNames::Obis)];
    let prefix = section.text("prefix").map_or("", |found| found.value);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !prefix.chars().all(is_plain) || prefix.starts_with('.') || prefix.contains("..") {
        let help = "letters, digits, `-`, `_` and dots between them, such as \"test.\"".to_owned();
        section.problem("prefix", "is no beginning of a name", help);
    }
    let names = section.word("names", &words).unwrap_or(GraphiteNames::Obis);
    if names == GraphiteNames::Obis && section.table.get("meter_in_name").is_some() {
        let help = "remove `meter_in_name`: the meter is in these names anyway".to_owned();
        section.problem("meter_in_name", "is for `names = \"netznoe\"`", help);
    }
    Some(GraphiteSetup {
        host: endpoint.host,
        port: endpoint.port,
        format,
        names,
        prefix: prefix.to_owned(),
        meter_in_name: section.truth("meter_in_name").unwrap_or_default(),
    })
}

/// What it means, for `check-config`: kind, receiver, and what is worth knowing; no secret.
impl std::fmt::Display for GraphiteSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let format = match self.format {
            GraphiteFormat::Plaintext => "plaintext",
            GraphiteFormat::Pickle => "pickle",
        };
        let example = match self.names {
            GraphiteNames::NetzNoe => "smartmeter.momentanleistung.plus",
            GraphiteNames::Obis => "metergate.METER.1-0_1-8-0",
        };
        write!(f, "Graphite at {}:{}, {format}, {}{example}", self.host, self.port, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::section::read_lines;

    fn graphite(lines: &str) -> Result<GraphiteSetup, Vec<String>> {
        read_lines(lines, |section| read(section, Path::new("")))
    }

    #[test]
    fn the_port_follows_from_the_format() {
        let setup = graphite("url = \"tcp://g.example\"\nnames = \"netznoe\"\nprefix = \"test.\"").unwrap();
        let shown = "Graphite at g.example:2003, plaintext, test.smartmeter.momentanleistung.plus";
        assert_eq!(setup.to_string(), shown);
        let setup = graphite("url = \"tcp://g.example\"\nformat = \"pickle\"").unwrap();
        assert_eq!((setup.port, setup.names), (2004, GraphiteNames::Obis));
        assert_eq!(graphite("url = \"tcp://g.example:9\"\nformat = \"pickle\"").unwrap().port, 9);
    }

    #[test]
    fn mistakes_are_told_with_the_key() {
        for (lines, expected) in [
            ("", "sink.x: there is no `url`"),
            ("url = \"http://g\"", "sink.x.url: http:// is not for this kind of sink"),
            ("url = \"tcp://g/x\"", "sink.x.url: a connection has no path"),
            ("url = \"tcp://g\"\nprefix = \"a b\"", "sink.x.prefix: is no beginning of a name"),
            ("url = \"tcp://g\"\npassword = \"x\"", "sink.x.password: unknown key `password` in `sink.x`"),
            ("url = \"tcp://g\"\nmeter_in_name = true", "sink.x.meter_in_name: is for `names = \"netznoe\"`"),
            ("url = \"tcp://g\"\nnames = \"netnoe\"", "sink.x.names: `netnoe` is none of its values"),
        ] {
            assert_eq!(graphite(lines).unwrap_err().first().map(String::as_str), Some(expected));
        }
    }
}
