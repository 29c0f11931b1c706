//! Reads the section of one sink: what all sinks have here, what one kind has in the file named after it.
mod csv;
mod graphite;
mod homie;
mod http;
mod influx;
mod mqtt;
mod prometheus;
mod smgw_lite;

pub use graphite::GraphiteSetup;
pub use homie::HomieSetup;
pub use http::HttpSetup;
pub use influx::InfluxSetup;
pub use mqtt::MqttSetup;
pub use prometheus::PrometheusSetup;
pub use smgw_lite::SmgwLiteSetup;

use super::meter::check_name;
use super::node::Value;
use super::problem::did_you_mean;
use super::section::Section;
use super::setup::{MeterSetup, Selection, SinkKind, SinkSetup};
use crate::cli::Format;
use std::path::Path;

/// Keys of every sink.
const KEYS: &[&str] = &["kind", "meters", "registers", "min_interval"];

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
];

/// Reads a sink; what is wrong is noted in the section's reading, and then there is no sink.
pub(super) fn sink(
    name: &str,
    section: &Section<'_>,
    meters: &[MeterSetup],
    folder: &Path,
) -> Option<SinkSetup> {
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
    };
    Some(SinkSetup { name: name.to_owned(), kind, selection: selection(section, meters) })
}

fn selection(section: &Section<'_>, meters: &[MeterSetup]) -> Selection {
    let wanted = section.list("meters", |item| match item {
        Value::Text(name) if meters.iter().any(|meter| meter.name == *name) => Ok(name.clone()),
        Value::Text(name) => {
            let known = meters.iter().map(|meter| meter.name.as_str());
            Err(format!("there is no meter `{name}`; {}", did_you_mean(name, known)))
        }
        other => Err(format!("expected names of meters, found {}", other.kind())),
    });
    Selection {
        meters: wanted,
        registers: section.list("registers", |item| match item {
            Value::Text(pattern) => pattern.parse(),
            other => Err(format!("expected OBIS codes in quotes, found {}", other.kind())),
        }),
        min_interval: section.duration("min_interval"),
    }
}
