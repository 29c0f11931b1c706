//! What the bodies of requests look like.
use crate::event::Event;
use crate::sink::sample::{Entry, Point, Sample};
use crate::sink::telemetry::{self, quoted};
use crate::store::RowFlags;
use jiff::Timestamp;
use metergate_reading::{ObisStyle, Trust};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::collections::HashSet;
use std::fmt::Write as _;

/// The body of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) text: String,
    pub(super) content_type: String,
}

fn json(text: String) -> Body {
    Body { text, content_type: "application/json".to_owned() }
}

/// A name of the body: the first half of its SHA-256.
pub(super) fn idempotency_key(body: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, body.as_bytes());
    digest.as_ref().iter().take(16).fold(String::new(), |mut key, byte| {
        let _ = write!(key, "{byte:02x}");
        key
    })
}

/// Our own shape: a list, one object an entry, numbers as exact decimals in texts.
pub(super) fn metergate(entries: &[Entry]) -> Body {
    let all: Vec<EntryJson<'_>> = entries.iter().map(EntryJson).collect();
    // Maps with keys of text and values of text and integers are always JSON.
    json(serde_json::to_string(&all).unwrap_or_default())
}

struct EntryJson<'a>(&'a Entry);

impl Serialize for EntryJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Entry::Reading(sample) => {
                map.serialize_entry("kind", "reading")?;
                fields(&mut map, sample)?;
            }
            Entry::Measured { case, mark, quality, clock_doubtful, sample } => {
                map.serialize_entry("kind", "measured")?;
                map.serialize_entry("case", case.code())?;
                map.serialize_entry("mark", &time(mark.unix_s().saturating_mul(1000)))?;
                map.serialize_entry("quality", quality.name())?;
                map.serialize_entry("clock_doubtful", clock_doubtful)?;
                fields(&mut map, sample)?;
            }
            Entry::Event(event) => {
                map.serialize_entry("kind", "event")?;
                event_fields(&mut map, event)?;
            }
        }
        map.end()
    }
}

fn fields<M: SerializeMap>(map: &mut M, sample: &Sample) -> Result<(), M::Error> {
    map.serialize_entry("seq", &sample.seq)?;
    map.serialize_entry("meter", &*sample.meter)?;
    map.serialize_entry("time", &time(sample.at.unix_ms))?;
    map.serialize_entry("clock", clock(sample.at.trust))?;
    let flags: Vec<&str> = RowFlags::NAMES
        .iter()
        .filter(|(flag, _)| sample.flags.contains(*flag))
        .map(|(_, name)| *name)
        .collect();
    if !flags.is_empty() {
        map.serialize_entry("flags", &flags)?;
    }
    let registers: Vec<PointJson<'_>> = sample.points.iter().map(PointJson).collect();
    map.serialize_entry("registers", &registers)
}

fn event_fields<M: SerializeMap>(map: &mut M, event: &Event) -> Result<(), M::Error> {
    map.serialize_entry("seq", &event.seq)?;
    map.serialize_entry("time", &time(event.at.unix_ms))?;
    map.serialize_entry("code", event.code.text())?;
    map.serialize_entry("about", &event.about.as_deref())?;
    map.serialize_entry("detail", &event.detail)?;
    map.serialize_entry("count", &event.count)
}

struct PointJson<'a>(&'a Point);

impl Serialize for PointJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("register", &self.0.register.to_string())?;
        if let Some(name) = &self.0.name {
            map.serialize_entry("name", &**name)?;
        }
        map.serialize_entry("value", &self.0.number.to_string())?;
        let unit = Some(self.0.unit_text()).filter(|unit| !unit.is_empty());
        map.serialize_entry("unit", &unit)?;
        if self.0.derived {
            map.serialize_entry("derived", &true)?;
        }
        map.end()
    }
}

/// RFC 3339 in UTC, to the millisecond where there is one.
fn time(unix_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(unix_ms).ok().map(|at| at.to_string())
}

fn clock(trust: Trust) -> &'static str {
    match trust {
        Trust::MeterValid => "meter",
        Trust::MeterDoubtful => "meter_doubtful",
        Trust::HostSynchronised => "host",
        Trust::HostUnsynchronised => "host_unsynchronised",
        Trust::None => "none",
    }
}

/// ThingsBoard: `[{"ts":ms,"values":{key:number}}]`. With several meters each key begins with its meter. `None` when there are only events.
pub(super) fn thingsboard(entries: &[Entry], many_meters: bool) -> Option<Body> {
    let mut text = String::from("[");
    for sample in entries.iter().filter_map(Entry::sample) {
        if text.len() > 1 {
            text.push(',');
        }
        let prefix = if many_meters { format!("{}.", sample.meter) } else { String::new() };
        text.push_str(&telemetry::object(sample, &prefix));
    }
    text.push(']');
    (text.len() > 2).then(|| json(text))
}

/// `uP_SmartMeter`: `{"devid":"..","1.8.0_Wh":"35204.0842",..}`, one reading, everything a text, no time. `None` for
/// an event.
pub(super) fn up_smartmeter(entry: &Entry, devid: Option<&str>) -> Option<Body> {
    let sample = entry.sample()?;
    let mut text = format!("{{\"devid\":{}", quoted(devid.unwrap_or(&sample.meter)));
    let mut taken = HashSet::new();
    for point in &sample.points {
        let unit = point.unit_text();
        let with_unit = |name: String| if unit.is_empty() { name } else { format!("{name}_{unit}") };
        let short = match (&point.name, point.register.obis()) {
            (Some(name), _) => name.to_string(),
            (None, Some(code)) => with_unit(code.text(ObisStyle::Reduced).to_string()),
            (None, None) => with_unit(point.register.to_string()),
        };
        // Medium and channel come back where leaving them out made two names one.
        let key = if taken.insert(short.clone()) { short } else { with_unit(point.register.to_string()) };
        let _ = write!(text, ",{}:\"{}\"", quoted(&key), point.number);
    }
    text.push('}');
    Some(json(text))
}
