//! Numbers of one register that are held back, as long as they agree with each other.
use super::instant::Moment;
use super::numbers::Entry;
use super::{Limits, counter, exact, is_counter};
use crate::store::RowFlags;
use metergate_reading::{Number, Unit};

/// One number that was held back.
#[derive(Debug, Clone)]
pub(super) struct Doubted {
    pub number: Number,
    pub unit: Option<Unit>,
    pub when: Moment,
    /// Which telegram it came in, and where there.
    pub telegram: u64,
    pub place: usize,
    pub flags: RowFlags,
    pub meter_clock_s: Option<i64>,
}

/// What was held back of a register since it was last believed: each goes on from the one before.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubt(Vec<Doubted>);

impl Doubt {
    /// Adds a number; what was there before is given up when the number does not go on from it.
    pub(super) fn add(&mut self, entry: &Entry, doubted: Doubted, limits: &Limits) {
        if let Some(last) = self.0.last()
            && !goes_on(last, entry, doubted.when, limits)
        {
            self.0.clear();
        }
        // The first is where an epoch would begin, so the second goes.
        if self.0.len() >= Limits::PENDING_MAX {
            self.0.remove(1);
        }
        self.0.push(doubted);
    }

    /// True when enough numbers agree for long enough.
    pub(super) fn is_proved(&self, limits: &Limits) -> bool {
        let agreeing = usize::from(limits.agreeing).clamp(1, Limits::PENDING_MAX);
        let lasting = i64::try_from(limits.lasting.as_millis()).unwrap_or(i64::MAX);
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else { return false };
        self.0.len() >= agreeing && last.when.since_ms(first.when).is_some_and(|ms| ms >= lasting)
    }

    pub(super) fn first(&self) -> Option<&Doubted> {
        self.0.first()
    }

    /// Takes all of them out.
    pub(super) fn take(&mut self) -> Vec<Doubted> {
        std::mem::take(&mut self.0)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Gives up what is older than an epoch.
    pub(super) fn forget_before(&mut self, unix_ms: i64) {
        self.0.retain(|doubted| doubted.when.at.unix_ms >= unix_ms);
    }
}

fn goes_on(last: &Doubted, entry: &Entry, now: Moment, limits: &Limits) -> bool {
    if last.unit != entry.unit {
        return false;
    }
    let Some(code) = entry.id.obis().filter(|&code| is_counter(code, entry.unit)) else { return true };
    exact::compare(entry.number, last.number).is_ge()
        && (!counter::is_electricity(code)
            || now
                .since_ms(last.when)
                .is_none_or(|ms| !exact::exceeds(last.number, entry.number, limits.max_power, ms)))
}
