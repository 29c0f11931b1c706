//! Grid marks, and which reading is the value of a mark.
use core::fmt;
use metergate_reading::{Instant, Trust};

/// A point of a [`Grid`]: whole seconds since 1970-01-01T00:00:00Z, a multiple of the period.
///
/// The slot that a mark begins has the mark's name: the quarter hour 12:15 runs from 12:15 to 12:30.
/// Which grid it is of stands beside it: [`Grid::mark`] checks a number from outside, [`from_unix_s`](Self::from_unix_s)
/// takes back what was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(i64);

impl Mark {
    /// Second 0, which every grid has.
    pub(crate) const EPOCH: Self = Self(0);

    /// A mark that was stored as seconds, unchecked.
    #[must_use]
    pub const fn from_unix_s(unix_s: i64) -> Self {
        Self(unix_s)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix_s(self) -> i64 {
        self.0
    }
}

/// Marks that follow each other without a hole; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run {
    /// The first mark.
    pub first: Mark,
    /// The last mark, not before the first.
    pub last: Mark,
}

impl Run {
    /// A run of one mark.
    #[must_use]
    pub const fn one(mark: Mark) -> Self {
        Self { first: mark, last: mark }
    }
}

/// How the value of a mark came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// A reading less than 15 s after the mark.
    Exact,
    /// A reading after that, but within the late window of the grid.
    Late,
    /// There is no reading within the window. There is no value either: nothing is interpolated.
    Missing,
    /// A person or the backend has put a value here. Nothing in this crate does.
    Substituted,
}

impl Quality {
    /// The stable name: `exact`, `late`, `missing` or `substituted`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Late => "late",
            Self::Missing => "missing",
            Self::Substituted => "substituted",
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A reading that is the value of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pick {
    /// The mark whose value it is.
    pub mark: Mark,
    /// The time of the reading itself, which stays with the value.
    pub at: Instant,
    /// [`Quality::Exact`] or [`Quality::Late`].
    pub quality: Quality,
    /// The flag `clock`: the time is neither from a valid meter clock nor from a synchronised host.
    pub clock: bool,
}

impl Pick {
    /// True when this value is to replace the one that is stored for the same mark.
    ///
    /// It does when it was read earlier. It does not replace itself, nor what a person or the backend decided.
    /// `present` is the time and quality of what is stored, `None` when the mark has no row.
    #[must_use]
    pub fn beats(&self, present: Option<(Instant, Quality)>) -> bool {
        match present {
            None | Some((_, Quality::Missing)) => true,
            Some((_, Quality::Substituted)) => false,
            Some((at, Quality::Exact | Quality::Late)) => self.at.unix_ms < at.unix_ms,
        }
    }
}

/// A period is no grid: it is not 60 to 3600 s, or does not divide a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodError {
    /// The period asked for, in seconds.
    pub found_s: u32,
}

impl fmt::Display for PeriodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found_s = self.found_s;
        write!(
            f,
            "expected a period of 60 to 3600 s that divides a day such as 60, 900 or 3600, found {found_s}"
        )
    }
}

impl core::error::Error for PeriodError {}

/// Marks at the multiples of a period in UTC, and the windows after each in which a reading counts.
///
/// The value of a mark is the first reading in the *exact* window, else the first in the *late* window, else there is
/// none. A counter that stands still gives values like any other. Marks know no zone: a local day has 92, 96 or
/// 100 quarter hours.
///
/// | | period | exact | late |
/// |---|---|---|---|
/// | load profile, like TAF 7 | 60 to 3600 s, usually 900 | mark <= t < mark + 15 s | to mark + half a period |
/// | high frequency, like TAF 14 | 60 to 3600 s, usually 60 | mark <= t < mark + 15 s | to the next mark |
///
/// A high-frequency value stands for its slot rather than for an instant: each slot in which the meter spoke has one.
///
/// ```
/// use metergate_reading::{Instant, Trust};
/// use metergate_tariff::{Grid, Quality};
///
/// let at = |unix_s: i64| Instant { unix_ms: unix_s * 1000, trust: Trust::HostSynchronised };
/// let grid = Grid::QUARTER_HOUR;
/// assert_eq!(grid.pick(at(1_700_000_100 + 14)).unwrap().quality, Quality::Exact);
/// assert_eq!(grid.pick(at(1_700_000_100 + 449)).unwrap().quality, Quality::Late);
/// assert_eq!(grid.pick(at(1_700_000_100 + 450)), None, "too late for this mark, too early for the next");
/// assert!(Grid::load_profile(420).is_err(), "seven minutes do not divide a day");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grid {
    period_s: u32,
    late_s: u32,
}

/// How long after a mark a reading is exact. A 15 s window after the mark is also what SMGW.Lite uses.
const EXACT_S: u32 = 15;

/// Marks are those of readings, whose time is in milliseconds.
const UNIX_S_MAX: u64 = i64::MAX.unsigned_abs() / 1000;

impl Grid {
    /// The quarter hours of a load profile.
    pub const QUARTER_HOUR: Self = Self { period_s: 900, late_s: 450 };

    /// The minutes of high-frequency values.
    pub const MINUTE: Self = Self { period_s: 60, late_s: 60 };

    /// A grid of meter readings, like TAF 7: late for half a period.
    ///
    /// # Errors
    /// [`PeriodError`] when the period is not 60 to 3600 s or does not divide a day.
    pub const fn load_profile(period_s: u32) -> Result<Self, PeriodError> {
        Self::with_windows(period_s, period_s / 2)
    }

    /// A grid of high-frequency values, like TAF 14: late until the next mark.
    ///
    /// # Errors
    /// As [`load_profile`](Self::load_profile).
    pub const fn high_frequency(period_s: u32) -> Result<Self, PeriodError> {
        Self::with_windows(period_s, period_s)
    }

    const fn with_windows(period_s: u32, late_s: u32) -> Result<Self, PeriodError> {
        if period_s < 60 || period_s > 3600 || !86_400u32.is_multiple_of(period_s) {
            return Err(PeriodError { found_s: period_s });
        }
        Ok(Self { period_s, late_s })
    }

    /// Seconds from mark to mark.
    #[must_use]
    pub const fn period_s(self) -> u32 {
        self.period_s
    }

    /// How long after a mark a reading can still be its value, in seconds.
    #[must_use]
    pub const fn late_s(self) -> u32 {
        self.late_s
    }

    /// The mark at this second, or `None` when there is none.
    #[must_use]
    pub fn mark(self, unix_s: i64) -> Option<Mark> {
        let on_grid = unix_s.rem_euclid(i64::from(self.period_s)) == 0;
        (on_grid && unix_s.unsigned_abs() <= UNIX_S_MAX).then_some(Mark(unix_s))
    }

    /// The last mark not after this millisecond: floor(t / period).
    #[must_use]
    pub fn floor(self, unix_ms: i64) -> Mark {
        // Neither step overflows: the quotient is smaller than the milliseconds by more than the factor.
        Mark(unix_ms.div_euclid(self.period_ms()) * i64::from(self.period_s))
    }

    /// The last mark of this grid not after a mark of another one.
    pub(crate) fn align(self, mark: Mark) -> Mark {
        Mark(mark.0.saturating_sub(mark.0.rem_euclid(i64::from(self.period_s))))
    }

    /// The mark after this one.
    #[must_use]
    pub fn next(self, mark: Mark) -> Mark {
        Mark(mark.0.saturating_add(i64::from(self.period_s)))
    }

    /// The mark before this one.
    #[must_use]
    pub fn previous(self, mark: Mark) -> Mark {
        Mark(mark.0.saturating_sub(i64::from(self.period_s)))
    }

    /// How many marks a run has.
    #[must_use]
    pub fn count(self, run: Run) -> u64 {
        let span = u64::try_from(run.last.0.saturating_sub(run.first.0)).unwrap_or(0);
        span / u64::from(self.period_s) + 1
    }

    /// The marks of a run, in order. A run may be years long: whoever walks through it bounds it first.
    pub fn marks(self, run: Run) -> impl Iterator<Item = Mark> {
        let step = usize::try_from(self.period_s).unwrap_or(usize::MAX);
        (run.first.0..=run.last.0).step_by(step).map(Mark)
    }

    /// What the time of a reading makes it: the value of a mark, if no reading before it is; or `None`.
    #[must_use]
    pub fn pick(self, at: Instant) -> Option<Pick> {
        if at.trust == Trust::None {
            return None;
        }
        let after_ms = at.unix_ms.rem_euclid(self.period_ms());
        let quality = if after_ms < i64::from(EXACT_S) * 1000 {
            Quality::Exact
        } else if after_ms < self.late_ms() {
            Quality::Late
        } else {
            return None;
        };
        Some(Pick { mark: self.floor(at.unix_ms), at, quality, clock: !is_trusted(at.trust) })
    }

    /// The value of a mark out of all readings around it, in any order; `None` when none is in its window.
    ///
    /// For data that came late, or was dated afterwards: whether the result replaces what is stored says
    /// [`Pick::beats`]. Of readings with equal time the first given counts.
    #[must_use]
    pub fn best_for(self, mark: Mark, readings: impl IntoIterator<Item = Instant>) -> Option<Pick> {
        // The earliest of the whole window lies in its exact part if any reading does.
        readings
            .into_iter()
            .filter_map(|at| self.pick(at))
            .filter(|pick| pick.mark == mark)
            .min_by_key(|pick| pick.at.unix_ms)
    }

    /// The last mark whose window has passed at this time.
    pub(crate) fn passed(self, unix_ms: i64) -> Mark {
        self.floor(unix_ms.saturating_sub(self.late_ms()))
    }

    fn period_ms(self) -> i64 {
        i64::from(self.period_s) * 1000
    }

    fn late_ms(self) -> i64 {
        i64::from(self.late_s) * 1000
    }
}

/// Whether a time comes from a clock that somebody vouches for.
pub(crate) const fn is_trusted(trust: Trust) -> bool {
    matches!(trust, Trust::MeterValid | Trust::HostSynchronised)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// 2023-11-14T22:15:00Z.
    const MARK: i64 = 1_700_000_100;

    fn at_ms(unix_ms: i64) -> Instant {
        Instant { unix_ms, trust: Trust::MeterValid }
    }

    fn quality(grid: Grid, after_ms: i64) -> Option<Quality> {
        grid.pick(at_ms(MARK * 1000 + after_ms)).map(|pick| pick.quality)
    }

    #[test]
    fn the_windows_of_a_quarter_hour_end_to_the_millisecond() {
        let grid = Grid::QUARTER_HOUR;
        assert_eq!(quality(grid, 0), Some(Quality::Exact));
        assert_eq!(quality(grid, 14_999), Some(Quality::Exact));
        assert_eq!(quality(grid, 15_000), Some(Quality::Late));
        assert_eq!(quality(grid, 449_999), Some(Quality::Late));
        assert_eq!(quality(grid, 450_000), None);
        assert_eq!(quality(grid, -1), None);
        assert_eq!(Grid::load_profile(900), Ok(grid));
    }

    #[test]
    fn a_minute_takes_every_reading_of_its_slot() {
        assert_eq!(quality(Grid::MINUTE, 14_999), Some(Quality::Exact));
        assert_eq!(quality(Grid::MINUTE, 59_999), Some(Quality::Late));
        assert_eq!(Grid::high_frequency(60), Ok(Grid::MINUTE));
        let profile = Grid::load_profile(60).unwrap();
        assert_eq!(quality(profile, 29_999), Some(Quality::Late));
        assert_eq!(quality(profile, 30_000), None, "a load profile stays late for half a period");
    }

    #[test]
    fn a_quarter_hour_is_the_floor_of_the_unix_time() {
        for unix_s in [-1, 0, 1, 899, 900, MARK - 1, MARK, MARK + 899] {
            let mark = Grid::QUARTER_HOUR.floor(unix_s * 1000);
            assert_eq!(mark.unix_s(), unix_s.div_euclid(900) * 900);
            assert_eq!(Grid::QUARTER_HOUR.mark(mark.unix_s()), Some(mark));
        }
        assert_eq!(Grid::QUARTER_HOUR.mark(MARK + 1), None);
    }

    #[test]
    fn a_value_keeps_its_own_time_and_says_what_clock_it_had() {
        for (trust, clock) in [
            (Trust::MeterValid, false),
            (Trust::HostSynchronised, false),
            (Trust::MeterDoubtful, true),
            (Trust::HostUnsynchronised, true),
        ] {
            let at = Instant { unix_ms: MARK * 1000 + 7, trust };
            let pick = Grid::QUARTER_HOUR.pick(at).unwrap();
            assert_eq!((pick.at, pick.clock, pick.mark.unix_s()), (at, clock, MARK));
        }
        assert_eq!(Grid::QUARTER_HOUR.pick(Instant { unix_ms: MARK * 1000, trust: Trust::None }), None);
    }

    #[test]
    fn late_data_gives_the_earliest_reading_of_the_window_in_any_order() {
        let grid = Grid::QUARTER_HOUR;
        let mark = grid.mark(MARK).unwrap();
        let times = [70, 460, 12, 3, -5, 903].map(|after_s| at_ms((MARK + after_s) * 1000));
        let best = grid.best_for(mark, times).unwrap();
        assert_eq!((best.at.unix_ms, best.quality), ((MARK + 3) * 1000, Quality::Exact));
        let late = grid.best_for(mark, times.into_iter().take(2)).unwrap();
        assert_eq!(late.quality, Quality::Late);
        assert_eq!(grid.best_for(mark, [at_ms((MARK + 450) * 1000)]), None);
    }

    #[test]
    fn an_earlier_reading_beats_a_later_one_but_never_a_person() {
        let grid = Grid::QUARTER_HOUR;
        let early = grid.pick(at_ms(MARK * 1000 + 2_000)).unwrap();
        let late = grid.pick(at_ms(MARK * 1000 + 20_000)).unwrap();
        assert!(early.beats(None));
        assert!(early.beats(Some((early.at, Quality::Missing))));
        assert!(early.beats(Some((late.at, late.quality))));
        assert!(!late.beats(Some((early.at, early.quality))));
        assert!(!early.beats(Some((early.at, early.quality))), "the same again changes nothing");
        assert!(!early.beats(Some((late.at, Quality::Substituted))));
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for period_s in [0, 1, 59, 61, 420, 3601, 7200, 86_400, u32::MAX] {
            assert_eq!(Grid::load_profile(period_s), Err(PeriodError { found_s: period_s }));
            assert_eq!(Grid::high_frequency(period_s), Err(PeriodError { found_s: period_s }));
        }
        for period_s in [60, 300, 600, 900, 1800, 3600] {
            assert!(Grid::load_profile(period_s).is_ok());
        }
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        for grid in [Grid::QUARTER_HOUR, Grid::MINUTE, Grid::load_profile(3600).unwrap()] {
            for unix_ms in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
                let _ = grid.pick(at_ms(unix_ms));
                let mark = grid.passed(unix_ms);
                let _ = (grid.next(mark), grid.previous(mark));
            }
            assert_eq!(grid.mark(i64::MIN), None);
            assert_eq!(grid.mark(i64::MAX / 3600 * 3600), None);
        }
    }

    #[test]
    fn a_run_counts_and_lists_its_marks() {
        let grid = Grid::QUARTER_HOUR;
        let run = Run { first: grid.mark(MARK).unwrap(), last: grid.mark(MARK + 1800).unwrap() };
        assert_eq!(grid.count(run), 3);
        let marks: Vec<_> = grid.marks(run).map(Mark::unix_s).collect();
        assert_eq!(marks, [MARK, MARK + 900, MARK + 1800]);
        assert_eq!(grid.count(Run::one(run.first)), 1);
    }
}
