//! Which time a reading gets, and whether the clocks can be believed.
//!
//! From the best to the worst:
//!
//! 1. the host's clock, synchronised;
//! 2. the meter's clock, which it calls valid or says nothing against;
//! 3. the host's clock, not known to be synchronised;
//! 4. the meter's clock, which it calls doubtful;
//! 5. none.
//!
//! A reading from a file goes by the meter's valid clock before the host's: the host only knows when it was recorded.
use metergate_reading::{DateTime, Instant, Trust};
use std::time::Duration;

/// The best time of a reading that the host received at `host` and whose meter says `meter`.
///
/// ```
/// use metergate_gateway::plausible::best_instant;
/// use metergate_reading::{DateTime, Instant, Trust};
///
/// let host = Instant { unix_ms: 1_700_000_060_000, trust: Trust::HostUnsynchronised };
/// let meter = DateTime::from_unix_seconds(1_700_000_000);
/// assert_eq!(best_instant(host, meter, true).trust, Trust::MeterValid);
/// assert_eq!(best_instant(host, None, true), host);
/// ```
#[must_use]
pub fn best_instant(host: Instant, meter: Option<DateTime>, live: bool) -> Instant {
    let Some(meter) = meter.and_then(Instant::from_meter) else { return host };
    let recorded = !live && meter.trust == Trust::MeterValid;
    if recorded || rank(meter.trust) < rank(host.trust) { meter } else { host }
}

const fn rank(trust: Trust) -> u8 {
    match trust {
        Trust::HostSynchronised => 0,
        Trust::MeterValid => 1,
        Trust::HostUnsynchronised => 2,
        Trust::MeterDoubtful => 3,
        Trust::None => 4,
    }
}

/// A point on both clocks of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub at: Instant,
    /// Since the start of this process; `None` in what was kept from before it.
    pub monotonic: Option<Duration>,
}

impl Moment {
    /// Milliseconds from `earlier` to here; `None` when no clock tells.
    ///
    /// The longer of what both clocks say: one stands still while a host sleeps, the other may be set back.
    pub(super) fn since_ms(self, earlier: Self) -> Option<i64> {
        let counted = self
            .monotonic
            .zip(earlier.monotonic)
            .map(|(now, then)| i64::try_from(now.saturating_sub(then).as_millis()).unwrap_or(i64::MAX));
        let known = self.at.trust != Trust::None && earlier.at.trust != Trust::None;
        let dated = known.then(|| self.at.unix_ms.saturating_sub(earlier.at.unix_ms)).filter(|&ms| ms >= 0);
        counted.max(dated)
    }
}

/// What has become of a meter's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MeterClock {
    /// It differs from the host's by so many milliseconds; positive: the meter is ahead.
    Differs(i64),
    /// It did, and agrees again.
    Agrees,
}

/// Tells once when a meter's clock differs from the host's, and once when it is right again.
#[derive(Debug, Clone, Default)]
pub(super) struct MeterClockWatch {
    off: bool,
}

impl MeterClockWatch {
    /// Compares; something when the clock has just become wrong or right.
    ///
    /// It is right again within half the tolerance, so that a clock at the limit is not told again and again.
    pub(super) fn compare(
        &mut self,
        host: Instant,
        meter: Option<DateTime>,
        tolerance: Duration,
    ) -> Option<MeterClock> {
        // Only a clock that is right itself can tell that another one is not.
        if host.trust != Trust::HostSynchronised {
            return None;
        }
        let ahead = Instant::from_meter(meter?)?.unix_ms.saturating_sub(host.unix_ms);
        let apart = Duration::from_millis(ahead.unsigned_abs());
        let was_off = self.off;
        self.off = apart > if was_off { tolerance / 2 } else { tolerance };
        match (was_off, self.off) {
            (false, true) => Some(MeterClock::Differs(ahead)),
            (true, false) => Some(MeterClock::Agrees),
            _ => None,
        }
    }
}

/// Notices that the host's clock was set: time of day and time since the start do not advance together.
///
/// A host that slept counts as well, for the same reason: what follows is not what it seems to be.
#[derive(Debug, Clone, Default)]
pub struct JumpWatch {
    last: Option<(Duration, i64)>,
}

impl JumpWatch {
    /// How far the clocks may drift apart between two calls: slewing moves 0.5 ms a second, a busy host delays one
    /// of the two reads by some milliseconds.
    pub const TOLERANCE_MS: i64 = 2_000;

    /// Notes both clocks of the host; some milliseconds (positive: forward) when the time of day jumped since the
    /// last call.
    ///
    /// ```
    /// use metergate_gateway::plausible::JumpWatch;
    /// use std::time::Duration;
    ///
    /// let mut watch = JumpWatch::default();
    /// assert_eq!(watch.note(Duration::from_secs(1), 50_000), None);
    /// assert_eq!(watch.note(Duration::from_secs(2), 51_900), None, "0.9 s apart");
    /// assert_eq!(watch.note(Duration::from_secs(3), 3_652_900), Some(3_600_000));
    /// assert_eq!(watch.note(Duration::from_secs(4), 53_900), Some(-3_600_000));
    /// ```
    pub fn note(&mut self, monotonic: Duration, wall_ms: i64) -> Option<i64> {
        let (then, then_ms) = self.last.replace((monotonic, wall_ms))?;
        let passed = i64::try_from(monotonic.saturating_sub(then).as_millis()).unwrap_or(i64::MAX);
        let jump = wall_ms.saturating_sub(then_ms).saturating_sub(passed);
        (jump.saturating_abs() > Self::TOLERANCE_MS).then_some(jump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::ClockStatus;

    fn instant(unix_s: i64, trust: Trust) -> Instant {
        Instant { unix_ms: unix_s * 1000, trust }
    }

    #[test]
    fn the_best_clock_dates_a_reading() {
        let valid = DateTime::from_unix_seconds(100);
        let doubtful = valid.map(|clock| clock.with_clock(ClockStatus::Doubtful));
        for (host, meter, best) in [
            (Trust::HostSynchronised, valid, Trust::HostSynchronised),
            (Trust::HostUnsynchronised, valid, Trust::MeterValid),
            (Trust::HostUnsynchronised, doubtful, Trust::HostUnsynchronised),
            (Trust::None, doubtful, Trust::MeterDoubtful),
            (Trust::None, None, Trust::None),
        ] {
            assert_eq!(best_instant(instant(160, host), meter, true).trust, best, "{host:?}");
        }
    }

    #[test]
    fn a_recorded_reading_goes_by_the_clock_of_the_meter() {
        let meter = DateTime::from_unix_seconds(100);
        let host = instant(90_000, Trust::HostSynchronised);
        assert_eq!(best_instant(host, meter, false), instant(100, Trust::MeterValid));
        let doubtful = meter.map(|clock| clock.with_clock(ClockStatus::Doubtful));
        assert_eq!(best_instant(host, doubtful, false), host);
    }

    #[test]
    fn a_wrong_clock_is_told_once_and_that_it_is_right_again() {
        let mut watch = MeterClockWatch::default();
        let mut compare = |ahead: i64| {
            let meter = DateTime::from_unix_seconds(10_000 + ahead);
            watch.compare(instant(10_000, Trust::HostSynchronised), meter, Duration::from_secs(60))
        };
        assert_eq!(compare(60), None);
        assert_eq!(compare(-61), Some(MeterClock::Differs(-61_000)));
        assert_eq!(compare(-75), None, "told already");
        assert_eq!(compare(-45), None, "not right yet");
        assert_eq!(compare(-61), None);
        assert_eq!(compare(30), Some(MeterClock::Agrees));
        assert_eq!(compare(20), None, "told already");
        assert_eq!(compare(61), Some(MeterClock::Differs(61_000)));
        let unsure = instant(0, Trust::HostUnsynchronised);
        let meter = DateTime::from_unix_seconds(9_999);
        assert_eq!(MeterClockWatch::default().compare(unsure, meter, Duration::ZERO), None);
    }

    #[test]
    fn the_longer_of_two_clocks_counts() {
        let moment = |unix_s, mono| Moment {
            at: instant(unix_s, Trust::HostSynchronised),
            monotonic: Some(Duration::from_secs(mono)),
        };
        assert_eq!(moment(10, 10).since_ms(moment(3600, 5)), Some(5_000), "the clock was set back");
        assert_eq!(moment(3600, 10).since_ms(moment(0, 5)), Some(3_600_000), "the host slept");
        let undated = Moment { at: instant(0, Trust::None), monotonic: None };
        assert_eq!(moment(10, 10).since_ms(undated), None);
    }
}
