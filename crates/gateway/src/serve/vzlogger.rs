//! The JSON of vzlogger's web server: the latest values of channels, by their UUIDs.
//!
//! ```text
//! GET /                                          all channels, where `index` allows it
//! GET /00000000-1111-2222-3333-444444444401      one channel
//!
//! {"version":"0.1.0","generator":"metergate","data":[{"uuid":"00000000-1111-2222-3333-444444444401",
//!   "last":1775986800000,"interval":-1,"protocol":"sml","tuples":[[1775986800000,-120]]}]}
//! ```
//!
//! Source: what vzlogger 0.8 answers. `last` and `protocol` are left out until there is a value; `interval` is -1 for
//! a meter that speaks by itself. `?mode=comet` is answered at once, as vzlogger does.
use crate::config::VzloggerSetup;
use crate::sink::News;
use crate::update::What;
use axum::http::StatusCode;
use metergate_meter::Protocol;
use metergate_reading::{Number, Trust};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::time::Duration;

/// Values of a channel at most, whatever `buffer` says: an hour of a meter that sends each second. 86 kB.
const TUPLES_MAX: usize = 3600;

/// What the page shows.
#[derive(Debug)]
pub(super) struct Channels {
    setup: VzloggerSetup,
    /// One for each channel of the setup.
    held: Vec<Held>,
}

/// The values of one channel.
#[derive(Debug)]
struct Held {
    /// Seconds between two questions to its meter; -1: it is not asked.
    interval_s: i64,
    protocol: Option<&'static str>,
    /// The oldest first.
    tuples: VecDeque<(i64, Number)>,
}

impl Channels {
    /// Nothing has come yet. `interval_s` says how often a meter is asked.
    pub(super) fn new(setup: VzloggerSetup, interval_s: impl Fn(&str) -> Option<u64>) -> Self {
        let interval = |meter: &str| interval_s(meter).and_then(|s| i64::try_from(s).ok()).unwrap_or(-1);
        let held = |channel: &crate::config::PageChannel| Held {
            interval_s: interval(&channel.meter),
            protocol: None,
            tuples: VecDeque::new(),
        };
        Self { held: setup.channels.iter().map(held).collect(), setup }
    }

    /// Takes note of a reading.
    pub(super) fn note(&mut self, news: &News) {
        let Some(sample) = news.sample.as_ref().filter(|sample| sample.at.trust != Trust::None) else {
            return;
        };
        for (channel, held) in self.setup.channels.iter().zip(&mut self.held) {
            let fits = |code| channel.register.fits(code);
            let is_it = |point: &&crate::sink::Point| point.register.obis().is_some_and(fits);
            if *channel.meter != *news.update.meter {
                continue;
            }
            if let What::Telegram(telegram) = &news.update.what {
                held.protocol = Some(protocol(telegram.protocol));
            }
            let Some(number) = sample.points.iter().find(is_it).and_then(crate::sink::Point::base_number)
            else {
                continue;
            };
            if self.setup.buffer.is_none() {
                held.tuples.clear();
            } else if held.tuples.len() >= TUPLES_MAX {
                held.tuples.pop_front();
            }
            held.tuples.push_back((sample.at.unix_ms, number));
        }
    }

    /// The answer to a path.
    pub(super) fn answer(&mut self, path: &str, now_ms: i64) -> (StatusCode, String) {
        if let Some(buffer) = self.setup.buffer {
            self.forget(now_ms, buffer);
        }
        let wanted = path.strip_prefix('/').unwrap_or_default();
        let is_index = wanted.is_empty() && self.setup.index;
        let channels = self.setup.channels.iter().zip(&self.held);
        let data: Vec<Shown<'_>> = channels
            .filter(|(channel, _)| is_index || channel.uuid.eq_ignore_ascii_case(wanted))
            .map(|(channel, held)| held.shown(&channel.uuid))
            .collect();
        let status = if data.is_empty() { StatusCode::NOT_FOUND } else { StatusCode::OK };
        let exception = (wanted.is_empty() && !is_index)
            .then_some(Exception { message: "channel index is disabled", code: 0 });
        let page = Page { version: env!("CARGO_PKG_VERSION"), generator: "metergate", data, exception };
        // Numbers and names can always be written.
        (status, serde_json::to_string(&page).unwrap_or_default())
    }

    fn forget(&mut self, now_ms: i64, buffer: Duration) {
        let oldest = now_ms.saturating_sub(i64::try_from(buffer.as_millis()).unwrap_or(i64::MAX));
        for held in &mut self.held {
            while held.tuples.front().is_some_and(|(at, _)| *at < oldest) {
                held.tuples.pop_front();
            }
        }
    }
}

impl Held {
    fn shown<'a>(&self, uuid: &'a str) -> Shown<'a> {
        // The text of a number is one of JSON, with the digits that the meter sent.
        let exact = |number: Number| RawValue::from_string(number.to_string()).ok();
        Shown {
            uuid,
            last: self.tuples.back().map(|(at, _)| *at),
            interval: self.interval_s,
            protocol: self.protocol,
            tuples: self.tuples.iter().filter_map(|&(at, number)| Some((at, exact(number)?))).collect(),
        }
    }
}

/// What vzlogger calls it where it has it.
const fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        // It reads both as text of optical heads.
        Protocol::Iec62056_21 | Protocol::P1 => "d0",
        other => other.name(),
    }
}

#[derive(Serialize)]
struct Page<'a> {
    version: &'static str,
    generator: &'static str,
    data: Vec<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<Exception>,
}

#[derive(Serialize)]
struct Shown<'a> {
    uuid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<i64>,
    interval: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tuples: Vec<(i64, Box<RawValue>)>,
}

#[derive(Serialize)]
struct Exception {
    message: &'static str,
    code: u8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PageChannel;
    use crate::sink::made::{START_MS, sample};
    use crate::update::Update;
    use std::sync::Arc;

    const POWER: &str = "00000000-1111-2222-3333-444444444401";
    const ENERGY: &str = "00000000-1111-2222-3333-4444444444ab";

    fn channels(index: bool, buffer: Option<u64>) -> Channels {
        let channel = |uuid: &str, register: &str| PageChannel {
            uuid: uuid.to_owned(),
            meter: "haus".to_owned(),
            register: register.parse().unwrap(),
        };
        let setup = VzloggerSetup {
            listen: "127.0.0.1:8080".parse().unwrap(),
            index,
            buffer: buffer.map(Duration::from_secs),
            channels: vec![channel(POWER, "16.7.0"), channel(ENERGY, "1.8.0")],
        };
        Channels::new(setup, |_| None)
    }

    fn tell(channels: &mut Channels, second: i64, points: &[(&str, &str)]) {
        let sample = sample(1, second, points);
        let update = Update { meter: "haus".into(), at: sample.at, live: true, bytes: 1, what: What::Bytes };
        channels.note(&News { update: Arc::new(update), sample: Some(sample) });
    }

    fn tuples(channels: &mut Channels, uuid: &str, second: i64) -> serde_json::Value {
        let (_, text) = channels.answer(&format!("/{uuid}"), START_MS + second * 1000);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["data"][0]["tuples"].take()
    }

    #[test]
    fn a_channel_is_shown_as_vzlogger_shows_it() {
        let mut channels = channels(false, None);
        let (status, text) = channels.answer(&format!("/{POWER}"), START_MS);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            text,
            format!(
                r#"{{"version":"{version}","generator":"metergate","data":[{{"uuid":"{POWER}","interval":-1}}]}}"#
            ),
            "nothing has come, and nothing is 0"
        );
        tell(&mut channels, 0, &[("1-0:16.7.0", "-119.80 W"), ("1-0:1.8.0", "35204.0842 Wh")]);
        tell(&mut channels, 2, &[("1-0:16.7.0", "-120.00 W")]);
        let (status, text) = channels.answer(&format!("/{POWER}"), START_MS);
        let at = START_MS + 2000;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            text,
            format!(
                r#"{{"version":"{version}","generator":"metergate","data":[{{"uuid":"{POWER}","last":{at},"interval":-1,"tuples":[[{at},-120.00]]}}]}}"#
            )
        );
        // UUIDs are the same in either case; kWh of other sinks are Wh here.
        assert_eq!(
            tuples(&mut channels, &ENERGY.to_uppercase(), 0).to_string(),
            format!("[[{START_MS},35204.0842]]")
        );
    }

    #[test]
    fn the_index_is_shown_only_where_it_is_switched_on() {
        let (status, text) = channels(false, None).answer("/", START_MS);
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(
            text.ends_with(r#""data":[],"exception":{"message":"channel index is disabled","code":0}}"#),
            "{text}"
        );
        let (status, text) = channels(true, None).answer("/", START_MS);
        assert_eq!(status, StatusCode::OK);
        assert!(text.contains(POWER) && text.contains(ENERGY), "{text}");
        for unknown in ["/x", "/00000000-1111-2222-3333-444444444402", "//", ""] {
            let (status, text) = channels(false, None).answer(unknown, START_MS);
            assert_eq!(status, StatusCode::NOT_FOUND, "{unknown}: {text}");
        }
    }

    #[test]
    fn a_buffer_holds_a_span_of_time_and_has_an_end() {
        let mut channels = channels(false, Some(10));
        for second in 0..15 {
            tell(&mut channels, second, &[("1-0:16.7.0", &format!("{second} W"))]);
        }
        let shown = tuples(&mut channels, POWER, 14);
        let (first, len) = (&shown[0], shown.as_array().unwrap().len());
        assert_eq!((first[1].as_i64(), len), (Some(4), 11), "{shown}");
        assert_eq!(tuples(&mut channels, POWER, 60), serde_json::Value::Null, "an old value is none");
        for count in 0..2 * i64::try_from(TUPLES_MAX).unwrap() {
            tell(&mut channels, 60 + count / 1000, &[("1-0:16.7.0", "1 W")]);
        }
        assert_eq!(channels.held[0].tuples.len(), TUPLES_MAX);
    }

    #[test]
    fn readings_of_others_and_without_a_time_are_not_shown() {
        let mut channels = channels(false, None);
        let mut untimed = sample(1, 0, &[("1-0:16.7.0", "1 W")]);
        untimed.at.trust = Trust::None;
        for (meter, sample) in [("haus", untimed), ("pump", sample(1, 0, &[("1-0:16.7.0", "2 W")]))] {
            let update =
                Update { meter: meter.into(), at: sample.at, live: true, bytes: 1, what: What::Bytes };
            channels.note(&News { update: Arc::new(update), sample: Some(sample) });
        }
        assert_eq!(tuples(&mut channels, POWER, 0), serde_json::Value::Null);
    }
}
