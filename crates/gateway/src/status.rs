//! How the gateway is doing: one small file for people and scripts, and a log that says each thing once.
use crate::clock::Clock;
use crate::sink::SinkStatus;
use crate::store::StoreHealth;
use crate::update::{Update, What};
use crate::watch::{Beginning, Resources};
use metergate_meter::verdict::Verdict;
use metergate_meter::{Code, Protocol};
use metergate_reading::{Instant, Trust};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Name of the file in the runtime directory, else in the state directory.
pub const FILE_NAME: &str = "status.json";

/// A verdict that flaps is logged at most this often.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A verdict that stays bad is logged again after this.
const REMIND_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// The newest state of everything, for who shows it; the clock goes on between two states.
#[derive(Debug, Clone)]
pub struct Shown {
    clock: Clock,
    newest: watch::Receiver<Arc<Status>>,
}

impl Shown {
    /// Shows what is sent from now on.
    #[must_use]
    pub const fn new(clock: Clock, newest: watch::Receiver<Arc<Status>>) -> Self {
        Self { clock, newest }
    }

    /// The state a second ago at most.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.newest.borrow())
    }

    /// Time since the start.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.clock.now()
    }

    /// The time of day.
    #[must_use]
    pub fn time_of_day(&self) -> Instant {
        self.clock.time_of_day()
    }
}

/// The state of all meters and sinks.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    version: &'static str,
    #[serde(serialize_with = "time_of_day")]
    updated: Option<Instant>,
    /// By name.
    pub meters: BTreeMap<String, MeterStatus>,
    /// By name.
    pub sinks: BTreeMap<String, SinkStatus>,
    /// Of the store.
    pub store: StoreStatus,
    /// Why the gateway was started, and how often it ended otherwise.
    pub run: Option<Beginning>,
    /// What the process takes of the machine.
    pub resources: Option<Resources>,
}

/// The state of the store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct StoreStatus {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Rows, quarter hours and events that wait for the disk.
    pub pending: usize,
    /// Rows and quarter hours dropped because the disk did not take them.
    pub dropped: u64,
    /// Why it cannot write at present.
    pub error: Option<String>,
}

impl From<StoreHealth> for StoreStatus {
    fn from(health: StoreHealth) -> Self {
        Self {
            bytes: health.bytes,
            pending: health.pending,
            dropped: health.dropped.total(),
            error: health.failing.or(health.spool_failing),
        }
    }
}

/// The state of one meter.
#[derive(Debug, Clone, Serialize)]
pub struct MeterStatus {
    /// Code of the verdict.
    pub verdict: &'static str,
    /// The verdict in words.
    pub message: String,
    /// Since when.
    #[serde(serialize_with = "time_of_day")]
    pub since: Option<Instant>,
    /// Where its bytes come from, as the configuration has it.
    pub port: String,
    /// Why the port cannot be used at present.
    pub port_error: Option<String>,
    #[serde(serialize_with = "name")]
    protocol: Option<Protocol>,
    meter: Option<String>,
    model: Option<&'static str>,
    /// Bytes received.
    pub bytes: u64,
    /// Telegrams accepted.
    pub telegrams: u64,
    #[serde(serialize_with = "time_of_day")]
    last_telegram: Option<Instant>,
    /// Rejections by code.
    #[serde(serialize_with = "by_code")]
    pub rejections: BTreeMap<Code, u64>,
    /// Requests that stayed without an answer, after all repetitions.
    unanswered: u64,
    /// How often the port was opened.
    pub port_opened: u64,
    /// A file or standard input that has been read to its end.
    pub ended: bool,
    #[serde(skip)]
    announcer: Announcer,
    #[serde(skip)]
    current: Verdict,
}

impl Status {
    /// Meters by name and port, before anything is known.
    #[must_use]
    pub fn new<'a>(meters: impl Iterator<Item = (&'a str, String)>) -> Self {
        let meters = meters.map(|(name, port)| (name.to_owned(), MeterStatus::new(port))).collect();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            updated: None,
            meters,
            sinks: BTreeMap::new(),
            store: StoreStatus::default(),
            run: None,
            resources: None,
        }
    }

    /// Notes an update; true when it changes what the file should tell soon.
    pub fn note(&mut self, update: &Update, now: Duration) -> bool {
        let Some(meter) = self.meters.get_mut(&*update.meter) else { return false };
        meter.bytes = update.bytes;
        match &update.what {
            What::Telegram(telegram) => {
                meter.telegrams += 1;
                meter.last_telegram = Some(update.at);
                meter.protocol = Some(telegram.protocol);
                meter.model = telegram.model.map(|model| model.name).or(meter.model);
                if let Some(id) = telegram.reading.meter {
                    meter.meter = Some(id.to_string());
                }
                false
            }
            What::Rejected { rejection, .. } => {
                *meter.rejections.entry(rejection.cause.code()).or_default() += 1;
                false
            }
            What::NoAnswer { .. } => {
                meter.unanswered += 1;
                false
            }
            What::Verdict(verdict) => {
                meter.current = *verdict;
                meter.verdict = verdict.code();
                meter.message = verdict.to_string();
                meter.since = Some(update.at);
                meter.announcer.changed(&update.meter, *verdict, now);
                true
            }
            What::PortOpened => {
                meter.port_opened += 1;
                meter.port_error = None;
                true
            }
            What::PortLost(error) => {
                meter.port_error = Some(error.clone());
                true
            }
            What::Protocol { found, .. } => {
                meter.protocol = Some(found.protocol);
                true
            }
            // Sources beside the meters are no meters.
            What::Reading(_) | What::SourceFailed(_) | What::SourceLoop(_) | What::Bytes => false,
            What::Ended => {
                meter.ended = true;
                true
            }
        }
    }

    /// Logs what was held back or must be said again; `last`: nothing is held back any more.
    pub fn remind(&mut self, now: Duration, last: bool) {
        let now = if last { now.saturating_add(LOG_INTERVAL) } else { now };
        for (name, meter) in &mut self.meters {
            meter.announcer.remind(name, meter.current, now);
        }
    }

    /// The content of the file.
    ///
    /// # Errors
    /// Never in practice: names and numbers can always be written as JSON.
    pub fn to_json(&mut self, at: Instant) -> serde_json::Result<Vec<u8>> {
        self.updated = Some(at);
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

impl MeterStatus {
    /// True when readings arrive and may be shown as live.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.current.is_live()
    }

    /// When the last telegram came.
    #[must_use]
    pub const fn last_telegram(&self) -> Option<Instant> {
        self.last_telegram
    }

    /// Requests that stayed without an answer, after all repetitions.
    #[must_use]
    pub const fn unanswered(&self) -> u64 {
        self.unanswered
    }

    fn new(port: String) -> Self {
        let verdict = Verdict::Waiting;
        Self {
            verdict: verdict.code(),
            message: verdict.to_string(),
            since: None,
            port,
            port_error: None,
            protocol: None,
            meter: None,
            model: None,
            bytes: 0,
            telegrams: 0,
            last_telegram: None,
            rejections: BTreeMap::new(),
            unanswered: 0,
            port_opened: 0,
            ended: false,
            announcer: Announcer::default(),
            current: verdict,
        }
    }
}

/// Logs the verdicts of one meter: each change once, a flapping one rarely, a bad one again every half an hour.
#[derive(Debug, Clone, Default)]
struct Announcer {
    /// Code of the verdict that was logged, and when.
    logged: Option<(&'static str, Duration)>,
}

impl Announcer {
    fn changed(&mut self, meter: &str, verdict: Verdict, now: Duration) {
        if self.logged.is_none_or(|(_, at)| now.saturating_sub(at) >= LOG_INTERVAL) {
            self.log(meter, verdict, now);
        }
    }

    fn remind(&mut self, meter: &str, verdict: Verdict, now: Duration) {
        let Some((code, at)) = self.logged else { return };
        let since = now.saturating_sub(at);
        let held_back = code != verdict.code() && since >= LOG_INTERVAL;
        let still_bad = !verdict.is_live() && since >= REMIND_INTERVAL;
        if held_back || still_bad {
            self.log(meter, verdict, now);
        }
    }

    fn log(&mut self, meter: &str, verdict: Verdict, now: Duration) {
        let code = verdict.code();
        self.logged = Some((code, now));
        if verdict.is_live() || verdict == Verdict::Waiting {
            tracing::info!("meter `{meter}`: {code}: {verdict}");
        } else {
            tracing::warn!("meter `{meter}`: {code}: {verdict}");
        }
    }
}

fn time_of_day<S: Serializer>(at: &Option<Instant>, serializer: S) -> Result<S::Ok, S::Error> {
    let known = at.filter(|at| at.trust != Trust::None);
    let text =
        known.and_then(|at| jiff::Timestamp::from_millisecond(at.unix_ms).ok()).map(|at| format!("{at:.3}"));
    text.serialize(serializer)
}

fn name<S: Serializer>(protocol: &Option<Protocol>, serializer: S) -> Result<S::Ok, S::Error> {
    protocol.map(Protocol::name).serialize(serializer)
}

fn by_code<S: Serializer>(counts: &BTreeMap<Code, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().map(|(code, count)| (code.text(), count)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_meter::{Cause, Rejection};

    fn update(what: What) -> Update {
        let at = Instant { unix_ms: 1_692_199_171_250, trust: Trust::HostSynchronised };
        Update { meter: "haus".into(), at, live: true, bytes: 77, what }
    }

    #[test]
    fn the_file_tells_verdict_port_and_refusals() {
        let mut status = Status::new([("haus", "/dev/ttyUSB0".to_owned())].into_iter());
        assert!(status.note(&update(What::PortOpened), Duration::ZERO));
        let rejection =
            Rejection { offset: 0, length: 7, protocol: Protocol::Sml, cause: Cause::Noise, security: None };
        for number in 0..3 {
            assert!(!status.note(&update(What::Rejected { number, rejection }), Duration::ZERO));
        }
        assert!(status.note(&update(What::Verdict(Verdict::Noise)), Duration::ZERO));
        let text = status.to_json(update(What::Bytes).at).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let meter = &json["meters"]["haus"];
        assert_eq!(meter["verdict"], "noise");
        assert_eq!(meter["message"], Verdict::Noise.to_string());
        assert_eq!(meter["since"], "2023-08-16T15:19:31.250Z");
        assert_eq!(meter["rejections"]["noise"], 3);
        assert_eq!((&meter["bytes"], &meter["port_opened"]), (&77.into(), &1.into()));
    }

    #[test]
    fn a_flapping_verdict_is_logged_rarely_and_a_bad_one_again_after_half_an_hour() {
        let mut announcer = Announcer::default();
        let mut logged = Vec::new();
        for second in 0..7300u64 {
            let now = Duration::from_secs(second);
            let before = announcer.logged;
            // Flaps each second for a minute, then stays silent.
            let silent = second >= 60 || second % 2 == 1;
            let verdict = if silent { Verdict::Silent { since: now } } else { Verdict::Ok };
            if second <= 60 {
                announcer.changed("haus", verdict, now);
            }
            announcer.remind("haus", verdict, now);
            if announcer.logged != before {
                logged.push(second);
            }
        }
        assert!(logged.iter().filter(|&&second| second <= 70).count() <= 8, "{logged:?}");
        let reminders = logged.iter().filter(|&&second| second > 70).count();
        assert_eq!(reminders, 4, "two hours hold four half hours: {logged:?}");
    }
}
