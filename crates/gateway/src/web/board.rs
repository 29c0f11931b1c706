//! What the meters say now: filled by the pipeline, read by pages.
use crate::sink::{News, Sample};
use crate::update::What;
use metergate_meter::Protocol;
use metergate_meter::verdict::Verdict;
use metergate_reading::{Instant, MeterId, Number, ObisCode, RegisterBuf, RegisterId, Unit, ValueBuf};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Moment};
use tokio::sync::watch;

/// Registers of one meter that are shown; the longest list known has 64.
const REGISTERS_MAX: usize = 256;

/// Nothing that is younger counts as stale, whatever the rhythm of its meter.
const FRESH: Duration = Duration::from_secs(30);

/// What a page shows of one register.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    /// Which.
    pub(super) register: RegisterId,
    /// What it says.
    pub(super) content: Content,
    /// Computed from others, not sent by the meter.
    pub(super) derived: bool,
    /// When.
    pub(super) at: Instant,
}

/// What a register says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// A number that is believed.
    Number(Number, Option<Unit>),
    /// A number that is not believed; it is in quarantine.
    Held,
    /// Anything but a number.
    Text(String),
}

/// One meter, or one source beside the meters, now.
#[derive(Debug, Clone)]
pub(super) struct MeterNow {
    /// Its name in the configuration.
    pub(super) name: Arc<str>,
    /// How it is doing.
    pub(super) verdict: Verdict,
    /// What it speaks.
    pub(super) protocol: Option<Protocol>,
    /// Maker and model.
    pub(super) model: Option<&'static str>,
    /// Its own number.
    pub(super) id: Option<MeterId>,
    /// Why its port or source cannot be used.
    pub(super) trouble: Option<String>,
    /// When the last reading came.
    pub(super) last: Option<Instant>,
    /// The same on the clock that never jumps.
    arrived: Option<Moment>,
    /// The longer of the last two distances between readings.
    rhythm: Option<Duration>,
    distance: Option<Duration>,
    /// In the order of the telegram.
    pub(super) registers: Vec<Shown>,
    /// Rises with each change.
    pub(super) version: u64,
}

impl MeterNow {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            verdict: Verdict::Waiting,
            protocol: None,
            model: None,
            id: None,
            trouble: None,
            last: None,
            arrived: None,
            rhythm: None,
            distance: None,
            registers: Vec::new(),
            version: 0,
        }
    }

    /// How long ago the last reading came.
    pub(super) fn age(&self) -> Option<Duration> {
        self.arrived.map(|arrived| arrived.elapsed())
    }

    /// The age from which what it says is old: three of its intervals, and never before [`FRESH`].
    pub(super) fn stale_after(&self) -> Duration {
        self.rhythm.map_or(FRESH, |rhythm| FRESH.max(rhythm.saturating_mul(3)))
    }

    /// What it says is old, or was never said.
    pub(super) fn is_stale(&self) -> bool {
        !self.verdict.is_live() || self.age().is_none_or(|age| age > self.stale_after())
    }

    /// The believed number of a register.
    pub(super) fn number(&self, code: ObisCode) -> Option<(Number, Option<Unit>)> {
        self.registers.iter().find(|shown| shown.register.obis() == Some(code)).and_then(|shown| match shown
            .content
        {
            Content::Number(number, unit) => Some((number, unit)),
            _ => None,
        })
    }

    fn arrived(&mut self, at: Instant, now: Moment) {
        if let Some(before) = self.arrived.replace(now) {
            let distance = now.saturating_duration_since(before);
            self.rhythm = Some(self.distance.map_or(distance, |old| old.max(distance)));
            self.distance = Some(distance);
        }
        self.last = Some(at);
    }

    fn show(&mut self, shown: Shown) {
        if let Some(old) = self.registers.iter_mut().find(|old| old.register == shown.register) {
            *old = shown;
        } else if self.registers.len() < REGISTERS_MAX {
            self.registers.push(shown);
        }
    }

    /// What a telegram has sent, and what of it is believed.
    fn telegram(&mut self, registers: &[RegisterBuf], at: Instant, believed: Option<&Sample>) {
        for sent in registers {
            let register = RegisterId::of(sent);
            let point =
                believed.and_then(|sample| sample.points.iter().find(|point| point.register == register));
            let content = match (point, &sent.value) {
                (Some(point), _) => Content::Number(point.number, point.unit),
                (None, ValueBuf::Number(_) | ValueBuf::Float(_)) => Content::Held,
                (None, value) => match text(value) {
                    Some(text) => Content::Text(text),
                    None => continue,
                },
            };
            self.show(Shown { register, content, derived: false, at });
        }
    }

    fn believe(&mut self, sample: &Sample) {
        for point in &sample.points {
            let content = Content::Number(point.number, point.unit);
            self.show(Shown {
                register: point.register.clone(),
                content,
                derived: point.derived,
                at: sample.at,
            });
        }
    }
}

/// A value for people; what means nothing to them is left out.
fn text(value: &ValueBuf) -> Option<String> {
    match value {
        ValueBuf::Text(text) => Some(text.clone()),
        ValueBuf::DateTime(time) => Some(time.to_string()),
        ValueBuf::Bool(truth) => Some(truth.to_string()),
        ValueBuf::Octets(bytes) if bytes.len() <= 32 => {
            Some(bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    }
}

/// All meters now.
#[derive(Debug)]
pub(crate) struct Board {
    meters: Mutex<BTreeMap<Arc<str>, MeterNow>>,
    version: watch::Sender<u64>,
}

impl Board {
    /// Of meters and sources by name, before anything is known of them.
    pub(crate) fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let meters = names.map(|name| (Arc::from(name), MeterNow::new(name.into())));
        Self { meters: Mutex::new(meters.collect()), version: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, MeterNow>> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what has happened.
    pub(crate) fn note(&self, news: &News) {
        let update = &news.update;
        let mut meters = self.lock();
        let Some(meter) = meters.get_mut(&update.meter) else { return };
        let now = Moment::now();
        match &update.what {
            What::Telegram(telegram) => {
                meter.arrived(update.at, now);
                meter.protocol = Some(telegram.protocol);
                meter.model = telegram.model.map(|model| model.name).or(meter.model);
                meter.id = telegram.reading.meter.or(meter.id);
                meter.telegram(&telegram.reading.registers, update.at, news.sample.as_ref());
            }
            What::Reading(reading) => {
                meter.arrived(update.at, now);
                meter.verdict = Verdict::Ok;
                meter.trouble = None;
                meter.telegram(&reading.registers, update.at, news.sample.as_ref());
            }
            What::Verdict(verdict) => meter.verdict = *verdict,
            What::PortOpened => meter.trouble = None,
            What::PortLost(error) | What::SourceFailed(error) | What::SourceLoop(error) => {
                meter.trouble = Some(error.clone());
            }
            What::Protocol { found, .. } => meter.protocol = Some(found.protocol),
            What::Rejected { .. } | What::NoAnswer { .. } | What::Bytes | What::Ended => return,
        }
        if let Some(sample) = &news.sample {
            meter.believe(sample);
        }
        self.version.send_modify(|version| {
            *version += 1;
            meter.version = *version;
        });
    }

    /// All meters as they are now, by name.
    pub(super) fn meters(&self) -> Vec<MeterNow> {
        self.lock().values().cloned().collect()
    }

    /// Those that have changed after a version.
    pub(super) fn meters_after(&self, version: u64) -> Vec<MeterNow> {
        self.lock().values().filter(|meter| meter.version > version).cloned().collect()
    }

    /// Wakes whoever waits for a change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}
