//! What is fresh: the newest number of each register, and until when it may be shown.
use crate::sink::news::News;
use crate::sink::sample::Point;
use crate::update::What;
use metergate_reading::RegisterId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A number is shown for so many of its usual intervals.
const INTERVALS: u32 = 3;

/// And a first number, whose interval nobody knows yet, for so long: meters that push do so every minute at least.
const FIRST: Duration = Duration::from_secs(300);

/// Registers of one meter that are shown; the largest meters known have 120.
const REGISTERS_MAX: usize = 500;

/// The newest of all meters.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) stale_after: Option<Duration>,
    pub(super) meters: BTreeMap<Arc<str>, Meter>,
}

/// The newest of one meter.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// It is read at present.
    pub(super) reads: bool,
    /// Who it says it is.
    pub(super) id: Option<String>,
    /// Its model, where known.
    pub(super) model: Option<&'static str>,
    /// What it speaks.
    pub(super) protocol: Option<&'static str>,
    /// The time of its newest reading.
    pub(super) at_ms: Option<i64>,
    registers: BTreeMap<RegisterId, Held>,
}

/// The newest number of one register.
#[derive(Debug)]
struct Held {
    point: Point,
    heard: Instant,
    /// Between two numbers of it, as it usually is.
    interval: Option<Duration>,
}

impl Live {
    pub(super) fn new(stale_after: Option<Duration>, meters: &[Arc<str>]) -> Self {
        let meters = meters.iter().map(|name| (Arc::clone(name), Meter::default())).collect();
        Self { stale_after, meters }
    }

    /// Takes note of what happened.
    pub(super) fn note(&mut self, news: &News, now: Instant) {
        let meter = self.meters.entry(Arc::clone(&news.update.meter)).or_default();
        match &news.update.what {
            What::Telegram(telegram) => {
                meter.reads = true;
                meter.id = telegram.reading.meter.map(|id| id.to_string()).or(meter.id.take());
                meter.model = telegram.model.map(|model| model.name).or(meter.model);
                meter.protocol = Some(telegram.protocol.name());
            }
            What::Reading(_) => meter.reads = true,
            What::Verdict(verdict) if !verdict.is_live() => meter.reads = false,
            What::PortLost(_) | What::SourceFailed(_) | What::SourceLoop(_) => meter.reads = false,
            _ => {}
        }
        let Some(sample) = &news.sample else { return };
        meter.at_ms = Some(sample.at.unix_ms);
        for point in &sample.points {
            meter.hold(point, now);
        }
    }

    /// The numbers of a meter that may be shown.
    pub(super) fn fresh<'a>(&'a self, meter: &'a Meter, now: Instant) -> impl Iterator<Item = &'a Point> {
        let of_all = self.stale_after;
        let all = meter.registers.values().filter(move |_| meter.reads);
        all.filter(move |held| now.duration_since(held.heard) <= of_all.unwrap_or(held.patience()))
            .map(|held| &held.point)
    }
}

impl Meter {
    fn hold(&mut self, point: &Point, now: Instant) {
        if let Some(held) = self.registers.get_mut(&point.register) {
            let gap = now.duration_since(held.heard);
            // One long gap is an outage, several are a new habit: it grows by half its length at most each time.
            held.interval = Some(match held.interval {
                None => gap,
                Some(usual) => gap.clamp(usual / 2, usual.saturating_mul(2).max(Duration::from_secs(1))),
            });
            held.heard = now;
            held.point = point.clone();
        } else if self.registers.len() < REGISTERS_MAX {
            let held = Held { point: point.clone(), heard: now, interval: None };
            self.registers.insert(point.register.clone(), held);
        }
    }
}

impl Held {
    fn patience(&self) -> Duration {
        self.interval.map_or(FIRST, |interval| interval.saturating_mul(INTERVALS))
    }
}
