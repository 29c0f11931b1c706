//! The documents: readings, verdicts and events as JSON, numbers exactly as the meter sent them.
use super::topics;
use crate::event::{Event, Severity};
use crate::sink::{Entry, Point, Sample};
use crate::store::{Mark, RowFlags};
use metergate_meter::verdict::Verdict;
use metergate_reading::{Instant, MeterId, Number, Trust};
use serde::ser::{Error, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A decimal number with every digit it has: `35204.0842`, `-0.309`, never `3.52040842e4`.
pub(super) struct Exact(pub(super) Number);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// Milliseconds in UTC, `2023-08-16T15:19:31.250Z`; null when nobody knows the time.
pub(super) struct Time(pub(super) Instant);

impl Time {
    /// Its text, if the time is known.
    pub(super) fn text(&self) -> Option<String> {
        let known = Some(self.0).filter(|at| at.trust != Trust::None)?;
        jiff::Timestamp::from_millisecond(known.unix_ms).ok().map(|at| format!("{at:.3}"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text().serialize(serializer)
    }
}

/// The newest reading of a meter.
#[derive(Serialize)]
struct State<'a> {
    time: Time,
    meter: &'a str,
    id: Option<String>,
    verdict: Option<&'static str>,
    #[serde(flatten)]
    content: Content<'a>,
}

/// One reading among all.
#[derive(Serialize)]
struct History<'a> {
    seq: u64,
    time: Time,
    meter: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_case: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_doubtful: Option<bool>,
    #[serde(flatten)]
    content: Content<'a>,
}

/// Flags, registers and units.
struct Content<'a>(&'a Sample);

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.0.flags != RowFlags::default() {
            let flags = RowFlags::NAMES.iter().filter(|(flag, _)| self.0.flags.contains(*flag));
            map.serialize_entry("flags", &flags.map(|(_, name)| *name).collect::<Vec<_>>())?;
        }
        map.serialize_entry("registers", &Registers(&self.0.points))?;
        map.serialize_entry("units", &Units(&self.0.points))?;
        map.end()
    }
}

struct Registers<'a>(&'a [Point]);

impl Serialize for Registers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|point| (topics::key(point), Exact(point.number))))
    }
}

struct Units<'a>(&'a [Point]);

impl Serialize for Units<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = self.0.iter().filter(|point| point.unit.is_some());
        serializer.collect_map(known.map(|point| (topics::key(point), point.unit_text())))
    }
}

/// The document of the state topic.
pub(super) fn state(sample: &Sample, id: Option<MeterId>, verdict: Option<Verdict>) -> Vec<u8> {
    bytes(&State {
        time: Time(sample.at),
        meter: &sample.meter,
        id: id.map(|id| id.to_string()),
        verdict: verdict.map(Verdict::code),
        content: Content(sample),
    })
}

/// The document of the history topic, or of the topic of events.
pub(super) fn entry(entry: &Entry) -> Vec<u8> {
    match entry {
        Entry::Reading(sample) => bytes(&History {
            seq: sample.seq,
            time: Time(sample.at),
            meter: &sample.meter,
            use_case: None,
            mark: None,
            quality: None,
            clock_doubtful: None,
            content: Content(sample),
        }),
        Entry::Measured { case, mark, quality, clock_doubtful, sample } => bytes(&History {
            seq: sample.seq,
            time: Time(sample.at),
            meter: &sample.meter,
            use_case: Some(case.code()),
            mark: Some(Time(of_mark(*mark))),
            quality: Some(quality.name()),
            clock_doubtful: Some(*clock_doubtful),
            content: Content(sample),
        }),
        Entry::Event(event) => event_document(event),
    }
}

fn of_mark(mark: Mark) -> Instant {
    Instant { unix_ms: mark.unix_s().saturating_mul(1000), trust: Trust::HostSynchronised }
}

#[derive(Serialize)]
struct EventDocument<'a> {
    seq: u64,
    time: Time,
    event: &'static str,
    number: Option<i32>,
    severity: &'static str,
    about: Option<&'a str>,
    detail: &'a str,
    count: u32,
}

fn event_document(event: &Event) -> Vec<u8> {
    bytes(&EventDocument {
        seq: event.seq,
        time: Time(event.at),
        event: event.code.text(),
        number: event.code.number(),
        severity: match event.code.severity() {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        about: event.about.as_deref(),
        detail: &event.detail,
        count: event.count,
    })
}

#[derive(Serialize)]
struct VerdictDocument {
    verdict: &'static str,
    live: bool,
    message: String,
    since: Time,
}

/// The document of the verdict topic.
pub(super) fn verdict(verdict: Verdict, since: Instant) -> Vec<u8> {
    bytes(&VerdictDocument {
        verdict: verdict.code(),
        live: verdict.is_live(),
        message: verdict.to_string(),
        since: Time(since),
    })
}

/// JSON of something that can always be written as JSON: names, numbers and texts.
pub(super) fn bytes(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Quality, UseCase};
    use metergate_reading::Unit;

    fn sample() -> Sample {
        let point = |register: &str, number: &str, unit| Point {
            register: register.parse().unwrap(),
            name: None,
            number: number.parse().unwrap(),
            unit,
            prefix: 0,
            derived: false,
        };
        Sample {
            meter: "haus".into(),
            seq: 17,
            at: Instant { unix_ms: 1_692_199_171_250, trust: Trust::HostSynchronised },
            meter_clock_s: None,
            flags: RowFlags::default(),
            points: vec![
                point("1-0:1.8.0", "35204.0842", Some(Unit::WattHour)),
                point("1-0:13.7.0", "-0.309", None),
                point("1-0:2.8.0", "9223372036854775807", Some(Unit::WattHour)),
            ],
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn numbers_keep_every_digit_and_registers_their_order() {
        let id = MeterId::serial("1EMH0012345678");
        assert_eq!(
            text(state(&sample(), id, Some(Verdict::Ok))),
            concat!(
                r#"{"time":"2023-08-16T15:19:31.250Z","meter":"haus","id":"1EMH0012345678","verdict":"ok","#,
                r#""registers":{"1-0_1.8.0":35204.0842,"1-0_13.7.0":-0.309,"1-0_2.8.0":9223372036854775807},"#,
                r#""units":{"1-0_1.8.0":"Wh","1-0_2.8.0":"Wh"}}"#
            )
        );
    }

    #[test]
    fn what_is_not_known_is_null_and_not_zero() {
        let mut sample = sample();
        sample.at.trust = Trust::None;
        sample.points.clear();
        assert_eq!(
            text(state(&sample, None, None)),
            r#"{"time":null,"meter":"haus","id":null,"verdict":null,"registers":{},"units":{}}"#
        );
    }

    #[test]
    fn a_quarter_hour_says_what_it_stands_for_and_how_well() {
        let mut sample = sample();
        sample.points.truncate(1);
        sample.flags = RowFlags::LATE.with(RowFlags::DATED_LATER);
        let measured = Entry::Measured {
            case: UseCase::Taf7LoadProfile,
            mark: Mark::from_unix_s(1_692_199_800),
            quality: Quality::Exact,
            clock_doubtful: false,
            sample,
        };
        assert_eq!(
            text(entry(&measured)),
            concat!(
                r#"{"seq":17,"time":"2023-08-16T15:19:31.250Z","meter":"haus","use_case":"taf7","#,
                r#""mark":"2023-08-16T15:30:00.000Z","quality":"exact","clock_doubtful":false,"#,
                r#""flags":["late","dated_later"],"registers":{"1-0_1.8.0":35204.0842},"units":{"1-0_1.8.0":"Wh"}}"#
            )
        );
    }

    #[test]
    fn an_event_has_its_name_number_and_severity() {
        let event = Event {
            seq: 4,
            at: sample().at,
            code: crate::event::EventCode::Silent,
            about: Some("haus".into()),
            detail: "no byte for 300 s".to_owned(),
            count: 2,
        };
        assert_eq!(
            text(entry(&Entry::Event(event))),
            concat!(
                r#"{"seq":4,"time":"2023-08-16T15:19:31.250Z","event":"meter.silent","number":3007,"#,
                r#""severity":"error","about":"haus","detail":"no byte for 300 s","count":2}"#
            )
        );
    }

    #[test]
    fn a_verdict_says_whether_values_are_live() {
        let at = sample().at;
        let silent = Verdict::Silent { since: std::time::Duration::ZERO };
        assert_eq!(
            text(verdict(silent, at)),
            concat!(
                r#"{"verdict":"silent","live":false,"message":"telegrams came and have stopped","#,
                r#""since":"2023-08-16T15:19:31.250Z"}"#
            )
        );
        assert!(text(verdict(Verdict::PinLocked, at)).contains(r#""live":true"#));
    }
}
