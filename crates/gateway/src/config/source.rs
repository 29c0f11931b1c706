//! Reads the section of one source beside the meters.
use super::endpoint::{self, EndpointSetup};
use super::meter::check_name;
use super::node::Value;
use super::section::Section;
use super::setup::{GivenUnit, MeterSetup};
use metergate_reading::ObisCode;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Keys of every source.
const KEYS: &[&str] = &["kind", "interval"];

/// A source that is asked more often only repeats itself, and the store would grow for nothing; one that is asked less
/// often than once a day is not watched.
const INTERVAL_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(86_400);

/// One source beside the meters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSetup {
    /// Its name in configuration, log and topics, of the same kind as a meter's.
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// Between two questions.
    pub interval: Duration,
    /// The file in which what it counts survives a restart, if there is a place for one.
    pub state: Option<PathBuf>,
}

/// What a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// DS18B20 on a 1-Wire bus of this host.
    W1(W1Setup),
    /// HTE501 on an I2C bus of this host.
    Hte501(Hte501Setup),
    /// A plug of myStrom.
    MyStrom(EndpointSetup),
    /// Anything that serves numbers in JSON.
    Json(JsonSetup),
    /// Another gateway.
    Cascade(CascadeSetup),
}

/// A DS18B20.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct W1Setup {
    /// The folder with the devices of the bus.
    pub path: PathBuf,
    /// Its number, such as `28-0316a2795a5c`.
    pub sensor: String,
}

/// An HTE501.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hte501Setup {
    /// The bus.
    pub bus: PathBuf,
    /// Its address there, without the bit for reading.
    pub address: u8,
}

/// Anything that serves numbers in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonSetup {
    /// Where.
    pub endpoint: EndpointSetup,
    /// Which numbers.
    pub values: Vec<JsonValue>,
}

/// One number of a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonValue {
    /// Where it stands (RFC 6901).
    pub pointer: String,
    /// What it means.
    pub code: ObisCode,
    /// The unit that it is given in; `None`: a bare number.
    pub unit: Option<GivenUnit>,
}

/// Another gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CascadeSetup {
    /// Where.
    pub endpoint: EndpointSetup,
    /// A value is none when the meter there has sent no byte for so long.
    pub stale_after: Duration,
}

#[derive(Clone, Copy)]
enum Kind {
    W1,
    Hte501,
    MyStrom,
    Json,
    Cascade,
}

const KINDS: &[(&str, Kind)] = &[
    ("w1", Kind::W1),
    ("hte501", Kind::Hte501),
    ("mystrom", Kind::MyStrom),
    ("json", Kind::Json),
    ("cascade", Kind::Cascade),
];

/// Reads a source; what is wrong is noted in the section's reading, and then there is no source.
pub(super) fn source(
    name: &str,
    section: &Section<'_>,
    meters: &[MeterSetup],
    folder: &Path,
    state: Option<&Path>,
) -> Option<SourceSetup> {
    check_name(name, section);
    if meters.iter().any(|meter| meter.name == name) {
        let help = "readings go by their name: a meter and a source cannot share one".to_owned();
        section.problem("", format!("a meter is called `{name}` already"), help);
    }
    if section.table.get("kind").is_none() {
        let help = "kind = \"w1\", \"hte501\", \"mystrom\", \"json\" or \"cascade\"".to_owned();
        section.problem("", "there is no `kind`", help);
        return None;
    }
    let kind = section.word("kind", KINDS)?;
    let state = state.map(|folder| folder.join(format!("source-{name}.json")));
    // As often as the reference systems ask.
    let usual = Duration::from_secs(match kind {
        Kind::W1 => 20,
        Kind::Hte501 | Kind::MyStrom => 10,
        Kind::Json => 30,
        Kind::Cascade => 5,
    });
    let kind = match kind {
        Kind::W1 => SourceKind::W1(w1(section, folder)?),
        Kind::Hte501 => SourceKind::Hte501(hte501(section, folder)?),
        Kind::MyStrom => {
            only(section, &[endpoint::KEYS]);
            if state.is_none() {
                let help = "`state_directory` keeps it".to_owned();
                section.note(
                    "kind",
                    "what was counted before a reset of the plug is forgotten at the end",
                    help,
                );
            }
            SourceKind::MyStrom(endpoint::read(section, folder, endpoint::HTTP)?)
        }
        Kind::Json => SourceKind::Json(json(section, folder)?),
        Kind::Cascade => SourceKind::Cascade(cascade(section, folder)?),
    };
    let interval = section.duration("interval").unwrap_or(usual);
    if !INTERVAL_RANGE.contains(&interval) {
        section.problem("interval", "expected a span of 1 s to 1 day", None);
    }
    Some(SourceSetup { name: name.to_owned(), kind, interval, state })
}

fn only(section: &Section<'_>, further: &[&[&str]]) {
    section.only(&[KEYS].into_iter().chain(further.iter().copied()).collect::<Vec<_>>().concat());
}

fn w1(section: &Section<'_>, folder: &Path) -> Option<W1Setup> {
    only(section, &[&["sensor", "path"]]);
    if section.table.get("sensor").is_none() {
        let help = "sensor = \"28-0316a2795a5c\"; `ls /sys/bus/w1/devices` shows those on the bus".to_owned();
        section.problem("", "there is no `sensor`", help);
    }
    let sensor = section.text("sensor")?.value;
    // It becomes the name of a folder.
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if sensor.is_empty() || !sensor.chars().all(fits) {
        section.problem("sensor", "expected a number such as 28-0316a2795a5c", None);
        return None;
    }
    let path = section.text("path").map_or("/sys/bus/w1/devices", |path| path.value);
    Some(W1Setup { path: folder.join(path), sensor: sensor.to_owned() })
}

fn hte501(section: &Section<'_>, folder: &Path) -> Option<Hte501Setup> {
    only(section, &[&["bus", "address"]]);
    let bus = section.text("bus").map_or("/dev/i2c-1", |bus| bus.value);
    let has_address = section.table.get("address").is_some();
    // Three pins choose among eight.
    let address = section.whole("address", 0x40..=0x47).or(if has_address { None } else { Some(0x40) })?;
    Some(Hte501Setup { bus: folder.join(bus), address })
}

fn json(section: &Section<'_>, folder: &Path) -> Option<JsonSetup> {
    only(section, &[&["values"], endpoint::KEYS]);
    let endpoint = endpoint::read(section, folder, endpoint::HTTP);
    let example = "values = { \"/total\" = \"1-0:2.8.0 kWh\" }";
    let values = match section.table.get("values").map(|node| &node.value) {
        Some(Value::Table(table)) => table
            .iter()
            .filter_map(|(pointer, node)| match json_value(pointer, &node.value) {
                Ok(value) => Some(value),
                Err(message) => {
                    section.problem("values", format!("`{pointer}`: {message}"), None);
                    None
                }
            })
            .collect(),
        Some(other) => {
            section.problem(
                "values",
                format!("expected a table, found {}", other.kind()),
                example.to_owned(),
            );
            return None;
        }
        None => Vec::new(),
    };
    if values.is_empty() {
        section.problem("values", "names no number", example.to_owned());
    }
    Some(JsonSetup { endpoint: endpoint?, values })
}

fn json_value(pointer: &str, meaning: &Value) -> Result<JsonValue, String> {
    if !pointer.starts_with('/') {
        return Err("a pointer begins with `/`".to_owned());
    }
    let Value::Text(text) = meaning else {
        return Err(format!("expected a code and a unit in quotes, found {}", meaning.kind()));
    };
    let (code, unit) =
        text.trim().split_once(' ').map_or((text.trim(), None), |(code, unit)| (code, Some(unit)));
    let code = code.parse().map_err(|_| format!("`{code}` is no OBIS code such as 1-0:2.8.0"))?;
    let unit = unit.map(|unit| unit.trim().parse()).transpose()?;
    Ok(JsonValue { pointer: pointer.to_owned(), code, unit })
}

fn cascade(section: &Section<'_>, folder: &Path) -> Option<CascadeSetup> {
    only(section, &[&["stale_after"], endpoint::KEYS]);
    let endpoint = endpoint::read(section, folder, endpoint::HTTP)?;
    // Meters send at least every 10 s; one that is asked over slow lines may take half a minute.
    let stale_after = section.duration("stale_after").unwrap_or(Duration::from_secs(60));
    Some(CascadeSetup { endpoint, stale_after })
}

/// What it means, for `check-config`.
impl fmt::Display for SourceSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            SourceKind::W1(setup) => write!(f, "DS18B20 {} in {}", setup.sensor, setup.path.display())?,
            SourceKind::Hte501(setup) => {
                write!(f, "HTE501 on {} at {:02x}", setup.bus.display(), setup.address)?;
            }
            SourceKind::MyStrom(endpoint) => write!(f, "myStrom at {endpoint}")?,
            SourceKind::Json(setup) => write!(f, "{} numbers from {}", setup.values.len(), setup.endpoint)?,
            SourceKind::Cascade(setup) => write!(f, "the gateway at {}", setup.endpoint)?,
        }
        write!(f, ", every {:?}", self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Gateway, Source, Surroundings, load_in};

    fn load(text: &str) -> Result<Gateway, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("metergate.toml"), text).unwrap();
        let around = Surroundings { variables: Vec::new(), folder: folder.path().to_owned() };
        load_in(&Source { file: None, profile: "default".to_owned() }, &around).map_err(|failure| {
            let mut text = anstream::StripStream::new(Vec::new());
            failure.print(&mut text);
            String::from_utf8(text.into_inner()).unwrap()
        })
    }

    #[test]
    fn sources_without_any_meter_are_a_configuration_and_sinks_may_name_them() {
        let gateway = load(
            "[default]\nstate_directory = \"/var/lib/metergate\"\n\
             [default.source.cellar]\nkind = \"w1\"\nsensor = \"28-0316a2795a5c\"\n\
             [default.source.attic]\nkind = \"hte501\"\naddress = 0x41\n\
             [default.source.sun]\nkind = \"mystrom\"\nurl = \"http://192.168.0.20\"\ninterval = \"30 s\"\n\
             [default.source.inverter]\nkind = \"json\"\nurl = \"http://inverter.local/status\"\n\
             values = { \"/total\" = \"1-0:2.8.0 kWh\", \"/pf\" = \"1-0:13.7.0\" }\n\
             [default.source.garden]\nkind = \"cascade\"\nurl = \"http://192.168.0.30\"\n\
             [default.sink.screen]\nkind = \"stdout\"\nmeters = [\"sun\"]\n",
        )
        .unwrap();
        let shown: Vec<String> = gateway.sources.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "DS18B20 28-0316a2795a5c in /sys/bus/w1/devices, every 20s",
                "HTE501 on /dev/i2c-1 at 41, every 10s",
                "myStrom at http://192.168.0.20, every 30s",
                "2 numbers from http://inverter.local/status, every 30s",
                "the gateway at http://192.168.0.30, every 5s",
            ]
        );
        let state = gateway.sources[2].state.as_deref();
        assert_eq!(state, Some(Path::new("/var/lib/metergate/source-sun.json")));
        assert_eq!(gateway.sinks[0].selection.meters, ["sun"]);
        assert!(gateway.meters.is_empty());
    }

    #[test]
    fn mistakes_of_a_source_are_told() {
        for (lines, told) in [
            ("interval = 5", "there is no `kind`"),
            ("kind = \"w1\"", "there is no `sensor`"),
            ("kind = \"w1\"\nsensor = \"../../etc\"", "expected a number such as 28-0316a2795a5c"),
            ("kind = \"w1\"\nsensor = \"28-1\"\nurl = \"x\"", "unknown key `url`"),
            ("kind = \"w1\"\nsensor = \"28-1\"\ninterval = \"25 h\"", "expected a span of 1 s to 1 day"),
            ("kind = \"hte501\"\naddress = 0x50", "expected a number of 64 to 71, found 80"),
            ("kind = \"mystrom\"", "there is no `url`"),
            ("kind = \"mystron\"", "did you mean `mystrom`?"),
            ("kind = \"json\"\nurl = \"http://a\"", "names no number"),
            ("kind = \"json\"\nurl = \"http://a\"\nvalues = 7", "expected a table, found a whole number"),
            (
                "kind = \"json\"\nurl = \"http://a\"\nvalues = { a = \"1-0:2.8.0\" }",
                "a pointer begins with `/`",
            ),
            ("kind = \"json\"\nurl = \"http://a\"\nvalues = { \"/a\" = \"2.8 kWh\" }", "no OBIS code"),
            (
                "kind = \"json\"\nurl = \"http://a\"\nvalues = { \"/a\" = \"1-0:2.8.0 kWatt\" }",
                "`kWatt` is no unit",
            ),
            ("kind = \"cascade\"\nurl = \"mqtt://a\"", "mqtt://"),
        ] {
            let error = load(&format!("[default.source.x]\n{lines}\n")).unwrap_err();
            assert!(error.contains(told), "{lines}: {error}");
        }
        let error =
            load("[default.meter.x]\nport = \"stdin\"\n[default.source.x]\nkind = \"hte501\"\n").unwrap_err();
        assert!(error.contains("a meter is called `x` already"), "{error}");
        let error = load("[default.sink.s]\nkind = \"stdout\"\n").unwrap_err();
        assert!(error.contains("there is no meter"), "{error}");
    }
}
