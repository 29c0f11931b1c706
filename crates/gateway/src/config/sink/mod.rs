//! Reads the section of one sink: what all sinks have here, what one kind has in the file named after it.
mod broker;
mod csv;
mod graphite;
mod homie;
mod http;
mod influx;
mod loki;
mod mqtt;
mod prometheus;
mod smgw_lite;
mod thingsboard;
mod volkszaehler;

pub use broker::{BrokerSetup, MqttVersion};
pub use graphite::{GraphiteFormat, GraphiteNames, GraphiteSetup};
pub use homie::{HomieConvention, HomieSetup};
pub use http::{HttpSetup, HttpShape};
pub use influx::{InfluxSetup, InfluxTarget};
pub use loki::LokiSetup;
pub use mqtt::{HomeAssistantDiscovery, MqttSetup, MqttShape};
pub use prometheus::{PrometheusSetup, UnitStyle};
pub use smgw_lite::SmgwLiteSetup;
pub use thingsboard::ThingsBoardSetup;
pub(super) use volkszaehler::is_uuid;
pub use volkszaehler::{Channel, VolkszaehlerSetup};

use super::meter::check_name;
use super::node::Value;
use super::problem::did_you_mean;
use super::section::Section;
use super::setup::{Selection, SinkKind, SinkSetup, Stream};
use crate::cli::Format;
use metergate_reading::Number;
use std::path::Path;
use std::str::FromStr;

/// Keys of every sink.
const KEYS: &[&str] = &[
    "kind",
    "meters",
    "registers",
    "rename",
    "units",
    "min_interval",
    "change",
    "refresh",
    "as_printed",
    "derived",
    "streams",
    "from",
    "paused",
];

#[derive(Clone, Copy)]
enum Kind {
    Stdout,
    Csv,
    Mqtt,
    Homie,
    Http,
    Graphite,
    Influx,
    Prometheus,
    SmgwLite,
    Volkszaehler,
    Loki,
    ThingsBoard,
}

const KINDS: &[(&str, Kind)] = &[
    ("stdout", Kind::Stdout),
    ("csv", Kind::Csv),
    ("mqtt", Kind::Mqtt),
    ("homie", Kind::Homie),
    ("http", Kind::Http),
    ("graphite", Kind::Graphite),
    ("influx", Kind::Influx),
    ("prometheus", Kind::Prometheus),
    ("smgw_lite", Kind::SmgwLite),
    ("volkszaehler", Kind::Volkszaehler),
    ("loki", Kind::Loki),
    ("thingsboard", Kind::ThingsBoard),
];

/// Reads a sink; `meters` are the names of meters and sources. What is wrong is noted in the section's reading, and then there is no sink.
pub(super) fn sink(name: &str, section: &Section<'_>, meters: &[&str], folder: &Path) -> Option<SinkSetup> {
    check_name(name, section);
    if section.table.get("kind").is_none() {
        let kinds: Vec<String> = KINDS.iter().map(|(kind, _)| format!("\"{kind}\"")).collect();
        let (last, others) =
            kinds.split_last().map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
        section.problem("", "there is no `kind`", format!("kind = {} or {last}", others.join(", ")));
        return None;
    }
    let kind = match section.word("kind", KINDS)? {
        Kind::Stdout => {
            section.only(&[KEYS, &["format"]].concat());
            let words = [("text", Format::Text), ("json", Format::Json)];
            SinkKind::Stdout { format: section.word("format", &words).unwrap_or_default() }
        }
        Kind::Csv => SinkKind::Csv(csv::read(section, folder)?),
        Kind::Mqtt => SinkKind::Mqtt(mqtt::read(section, folder)?),
        Kind::Homie => SinkKind::Homie(homie::read(section, folder)?),
        Kind::Http => SinkKind::Http(http::read(section, folder)?),
        Kind::Graphite => SinkKind::Graphite(graphite::read(section, folder)?),
        Kind::Influx => SinkKind::Influx(influx::read(section, folder)?),
        Kind::Prometheus => SinkKind::Prometheus(prometheus::read(section, folder)?),
        Kind::SmgwLite => SinkKind::SmgwLite(smgw_lite::read(section, folder)?),
        Kind::Volkszaehler => SinkKind::Volkszaehler(volkszaehler::read(section, folder)?),
        Kind::Loki => SinkKind::Loki(loki::read(section, folder)?),
        Kind::ThingsBoard => SinkKind::ThingsBoard(thingsboard::read(section, folder)?),
    };
    let mut selection = selection(section, meters);
    match &kind {
        SinkKind::Volkszaehler(_) => volkszaehler::check_meters(section, &selection, meters),
        SinkKind::SmgwLite(setup) => smgw_lite::add_sources(section, setup, &mut selection, meters),
        _ => {}
    }
    Some(SinkSetup { name: name.to_owned(), kind, selection })
}

fn selection(section: &Section<'_>, meters: &[&str]) -> Selection {
    let wanted = section.list("meters", |item| match item {
        Value::Text(name) if meters.contains(&name.as_str()) => Ok(name.clone()),
        Value::Text(name) => {
            Err(format!("there is no meter `{name}`; {}", did_you_mean(name, meters.iter().copied())))
        }
        other => Err(format!("expected names of meters, found {}", other.kind())),
    });
    Selection {
        meters: wanted,
        registers: section.list("registers", |item| match item {
            Value::Text(pattern) => pattern.parse(),
            other => Err(format!("expected OBIS codes in quotes, found {}", other.kind())),
        }),
        rename: by_register(section, "rename", |name| match name {
            Value::Text(name) if !name.trim().is_empty() => Ok(name.trim().into()),
            other => Err(format!("expected a name in quotes, found {}", other.kind())),
        }),
        units: section.list("units", |item| match item {
            Value::Text(unit) => unit.parse(),
            other => Err(format!("expected units in quotes, found {}", other.kind())),
        }),
        min_interval: section.duration("min_interval"),
        change: by_register(section, "change", |least| match least {
            Value::Whole(number) => Ok(Number::new(*number, 0)),
            Value::Text(text) => text
                .parse()
                .map_err(|error: metergate_reading::ParseNumberError| format!("{error}, such as \"0.5\"")),
            other => Err(format!("expected a number, with decimals in quotes, found {}", other.kind())),
        }),
        refresh: section.duration("refresh"),
        as_printed: section.truth("as_printed").unwrap_or_default(),
        sent_only: !section.truth("derived").unwrap_or(true),
        streams: section.list("streams", |item| match item {
            Value::Text(name) => Stream::ALL
                .into_iter()
                .find(|stream| stream.text() == name)
                .ok_or_else(|| did_you_mean(name, Stream::ALL.iter().map(|stream| stream.text()))),
            other => Err(format!("expected names of streams, found {}", other.kind())),
        }),
        from_beginning: section.word("from", &[("beginning", true), ("now", false)]).unwrap_or_default(),
        paused: section.truth("paused").unwrap_or_default(),
    }
}

/// An exact number: whole, or a text with decimals.
pub(super) fn decimal(value: &Value) -> Result<Number, String> {
    match value {
        Value::Whole(number) => Ok(Number::new(*number, 0)),
        Value::Text(text) => text
            .parse()
            .map_err(|error: metergate_reading::ParseNumberError| format!("{error}, such as \"0.5\"")),
        other => Err(format!("expected a number, with decimals in quotes, found {}", other.kind())),
    }
}

/// A table from registers to something; `R` is an OBIS code or a pattern of them.
pub(super) fn by_register<R: FromStr<Err: std::fmt::Display>, T>(
    section: &Section<'_>,
    key: &str,
    mut value: impl FnMut(&Value) -> Result<T, String>,
) -> Vec<(R, T)> {
    let Some(node) = section.table.get(key) else { return Vec::new() };
    let Value::Table(table) = &node.value else {
        let message =
            format!("expected a table such as {{ \"1-0:1.8.0\" = ... }}, found {}", node.value.kind());
        section.problem(key, message, None);
        return Vec::new();
    };
    let mut all = Vec::new();
    for (code, node) in table.iter() {
        match (code.parse::<R>().map_err(|error| error.to_string()), value(&node.value)) {
            (Ok(register), Ok(value)) => all.push((register, value)),
            (register, value) => {
                for message in [register.err(), value.err()].into_iter().flatten() {
                    section.problem(key, format!("`{code}`: {message}"), None);
                }
            }
        }
    }
    all
}
