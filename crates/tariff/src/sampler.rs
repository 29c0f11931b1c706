//! Which readings of a stream become values of a grid, each mark once.
use crate::{Grid, Mark, Pick, Run};
use metergate_reading::{Instant, Trust};

/// Runs of recorded marks that a [`Sampler`] remembers.
///
/// Each silence of the meter and each jump of the clock begins a new run; with eight of them a clock may be set wrong
/// and right again amid some silences. Older marks are the store's, which refuses a second value by its key.
pub const RUNS_MAX: usize = 8;

/// Says of each reading of one meter whether it is the value of a mark, in constant time.
///
/// One for each meter and use case. It gives each mark at most once, whatever the clock does: a clock set back
/// retakes nothing, a clock set forward leaves a gap, and a clock set back *into* a gap fills it.
///
/// ```
/// use metergate_reading::{Instant, Trust};
/// use metergate_tariff::{Grid, Sampler};
///
/// let at = |unix_s: i64| Instant { unix_ms: unix_s * 1000, trust: Trust::HostSynchronised };
/// let mut sampler = Sampler::new(Grid::QUARTER_HOUR, None);
/// let pick = sampler.reading(at(1_700_000_104)).unwrap();
/// assert_eq!(pick.mark.unix_s(), 1_700_000_100);
/// assert_eq!(sampler.reading(at(1_700_000_105)), None, "the mark has its value");
///
/// // An hour later: three quarter hours have passed without a reading.
/// assert!(sampler.reading(at(1_700_003_700)).is_some());
/// let gap = sampler.missing_before(at(1_700_003_700)).next().unwrap();
/// assert_eq!(Grid::QUARTER_HOUR.count(gap), 3);
/// ```
#[derive(Debug, Clone)]
pub struct Sampler {
    grid: Grid,
    /// Up to here no mark is taken any more.
    closed: Option<Mark>,
    /// Recorded marks after `closed`: ascending, with a gap between one and the next. Those from `len` on are unused.
    runs: [Run; RUNS_MAX],
    len: usize,
}

impl Sampler {
    /// A sampler that goes on after the last mark recorded in the store; it takes none up to that.
    ///
    /// After a start whose clock is behind the store (the clock was wrong once), begin with the last mark that is not
    /// in the future and tell of the others with [`recorded`](Self::recorded): they are not taken twice, and those
    /// between are not lost. A mark of another period, from before a change of the settings, counts up to the mark
    /// before it.
    #[must_use]
    pub fn new(grid: Grid, last_recorded: Option<Mark>) -> Self {
        let unused = Run::one(Mark::EPOCH);
        let closed = last_recorded.map(|mark| grid.align(mark));
        Self { grid, closed, runs: [unused; RUNS_MAX], len: 0 }
    }

    /// The grid.
    #[must_use]
    pub const fn grid(&self) -> Grid {
        self.grid
    }

    /// Takes the time of a reading, and says of which mark it is the value: the first reading in the window of a mark
    /// that has none. `None` for all others, and for a reading whose time nobody knows.
    pub fn reading(&mut self, at: Instant) -> Option<Pick> {
        let pick = self.grid.pick(at)?;
        self.record(pick.mark).then_some(pick)
    }

    /// A mark has got its value in another way: from late data, or before a restart.
    pub fn recorded(&mut self, mark: Mark) {
        self.record(self.grid.align(mark));
    }

    /// The marks whose window has passed without a value, oldest first, as at most [`RUNS_MAX`] + 1 runs.
    ///
    /// It is a view: a gap is told again until it is filled or forgotten, and one that only a wrong clock saw vanishes
    /// when the clock is right. Before the first value nothing is missing. Nothing comes when nobody knows the time.
    pub fn missing_before(&self, now: Instant) -> impl Iterator<Item = Run> {
        let grid = self.grid;
        let passed = (now.trust != Trust::None).then(|| grid.passed(now.unix_ms));
        let recorded = || self.runs.iter().take(self.len);
        let ends = self.closed.into_iter().chain(recorded().map(|run| run.last));
        let nothing_before = usize::from(self.closed.is_none());
        let begins = recorded().skip(nothing_before).map(|run| Some(run.first)).chain([None]);
        ends.zip(begins).filter_map(move |(end, begin)| {
            let passed = passed?;
            let first = grid.next(end);
            let last = begin.map_or(passed, |begin| grid.previous(begin).min(passed));
            (first <= last).then_some(Run { first, last })
        })
    }

    /// Adds a mark to what is recorded; false when it already was, or lies too far back.
    fn record(&mut self, mark: Mark) -> bool {
        if self.closed.is_some_and(|closed| mark <= closed) {
            return false;
        }
        let (before, after) = (self.grid.previous(mark), self.grid.next(mark));
        let Some(runs) = self.runs.get_mut(..self.len) else { return false };
        // The first run that does not end before the mark.
        let place = runs.partition_point(|run| run.last < mark);
        let (earlier, later) = runs.split_at_mut(place);
        let earlier = earlier.last_mut().filter(|run| run.last == before);
        let later = later.first_mut();
        if later.as_ref().is_some_and(|run| run.first <= mark) {
            return false;
        }
        match (earlier, later.filter(|run| run.first == after)) {
            (Some(earlier), Some(later)) => {
                earlier.last = later.last;
                self.remove(place);
            }
            (Some(earlier), None) => earlier.last = mark,
            (None, Some(later)) => later.first = mark,
            (None, None) => self.insert(place, Run::one(mark)),
        }
        true
    }

    fn remove(&mut self, place: usize) {
        if let Some(rest) = self.runs.get_mut(place..self.len) {
            rest.rotate_left(1);
            self.len -= 1;
        }
    }

    /// Puts a run at its place. When there is no room, the oldest run is forgotten: all up to its end is closed.
    fn insert(&mut self, mut place: usize, run: Run) {
        if self.len == RUNS_MAX {
            let Some(oldest) = self.runs.first() else { return };
            if place == 0 {
                // It is the oldest itself.
                self.closed = Some(run.last);
                return;
            }
            self.closed = Some(oldest.last);
            self.remove(0);
            place -= 1;
        }
        self.len += 1;
        if let Some(rest) = self.runs.get_mut(place..self.len) {
            rest.rotate_right(1);
            if let Some(slot) = rest.first_mut() {
                *slot = run;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quality;
    use std::vec::Vec;

    const GRID: Grid = Grid::QUARTER_HOUR;
    /// 2023-11-14T22:15:00Z.
    const MARK: i64 = 1_700_000_100;

    fn at(unix_s: i64) -> Instant {
        Instant { unix_ms: unix_s * 1000, trust: Trust::HostSynchronised }
    }

    /// The time `slots` quarter hours after the first mark.
    fn slot(slots: i64) -> Instant {
        at(MARK + slots * 900)
    }

    fn taken(sampler: &mut Sampler, slots: i64) -> bool {
        sampler.reading(slot(slots)).is_some()
    }

    /// Missing runs as first and last slot after the first mark.
    fn missing(sampler: &Sampler, now: Instant) -> Vec<(i64, i64)> {
        let slot = |mark: Mark| (mark.unix_s() - MARK) / 900;
        sampler.missing_before(now).map(|run| (slot(run.first), slot(run.last))).collect()
    }

    #[test]
    fn the_first_reading_of_a_window_is_the_value_and_the_next_are_none() {
        let mut sampler = Sampler::new(GRID, None);
        assert_eq!(sampler.reading(at(MARK - 1)), None);
        assert_eq!(sampler.reading(at(MARK + 3)).map(|pick| pick.quality), Some(Quality::Exact));
        assert_eq!(sampler.reading(at(MARK + 13)), None);
        assert_eq!(sampler.reading(at(MARK + 23)), None);
        assert_eq!(sampler.reading(at(MARK + 900 + 15)).map(|pick| pick.quality), Some(Quality::Late));
        assert_eq!(sampler.reading(at(MARK + 900 + 25)), None);
    }

    #[test]
    fn a_restart_doubles_no_mark() {
        let mut before = Sampler::new(GRID, None);
        let last = before.reading(at(MARK + 2)).unwrap().mark;
        let mut after = Sampler::new(GRID, Some(last));
        assert_eq!(after.reading(at(MARK + 12)), None);
        assert_eq!(after.reading(at(MARK - 900)), None);
        assert!(after.reading(at(MARK + 900)).is_some());
    }

    #[test]
    fn a_restart_knows_what_was_missed_while_it_was_off() {
        let sampler = Sampler::new(GRID, GRID.mark(MARK));
        assert_eq!(missing(&sampler, slot(4)), [(1, 3)]);
        assert!(
            missing(&Sampler::new(GRID, None), slot(4)).is_empty(),
            "nothing is missing before the first"
        );
    }

    #[test]
    fn another_period_goes_on_at_its_own_next_mark() {
        let half_hours = Grid::load_profile(1800).unwrap();
        // 22:15 is no half hour; the next one is 22:30, and it is not off by a quarter.
        let mut sampler = Sampler::new(half_hours, GRID.mark(MARK));
        assert!(missing(&sampler, at(MARK + 1799)).is_empty());
        assert_eq!(missing(&sampler, slot(2)), [(1, 1)]);
        assert_eq!(sampler.reading(slot(1)).map(|pick| pick.mark.unix_s()), Some(MARK + 900));
    }

    #[test]
    fn a_mark_is_missing_only_when_its_window_has_passed() {
        let mut sampler = Sampler::new(GRID, None);
        assert!(taken(&mut sampler, 0));
        assert!(missing(&sampler, at(MARK + 900 + 449)).is_empty());
        assert_eq!(missing(&sampler, at(MARK + 900 + 450)), [(1, 1)]);
        let nobody_knows = Instant { trust: Trust::None, ..at(MARK + 90_000) };
        assert!(missing(&sampler, nobody_knows).is_empty());
    }

    #[test]
    fn a_clock_set_back_retakes_nothing() {
        let mut sampler = Sampler::new(GRID, None);
        for slots in 0..8 {
            assert!(taken(&mut sampler, slots));
        }
        for slots in 4..8 {
            assert!(!taken(&mut sampler, slots), "an hour ago again");
        }
        assert!(taken(&mut sampler, 8));
        assert!(missing(&sampler, slot(8)).is_empty());
    }

    #[test]
    fn a_clock_set_forward_leaves_one_run_of_missing_marks() {
        let mut sampler = Sampler::new(GRID, None);
        assert!(taken(&mut sampler, 0));
        assert!(taken(&mut sampler, 5));
        assert_eq!(missing(&sampler, slot(5)), [(1, 4)]);
        // Ten years are one run too, not 350,000 items.
        assert!(taken(&mut sampler, 350_640));
        assert_eq!(missing(&sampler, slot(350_640)), [(1, 4), (6, 350_639)]);
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_costs_no_mark_and_doubles_none() {
        let mut sampler = Sampler::new(GRID, None);
        assert!(taken(&mut sampler, 0));
        assert!(taken(&mut sampler, 350_000), "ten years ahead");
        assert!(taken(&mut sampler, 1), "and back");
        assert!(missing(&sampler, slot(1)).is_empty(), "what only the wrong clock saw is not missing");
        for slots in 2..350_000 {
            assert!(taken(&mut sampler, slots));
        }
        assert!(!taken(&mut sampler, 350_000));
        assert!(taken(&mut sampler, 350_001));
        assert!(missing(&sampler, slot(350_001)).is_empty());
    }

    #[test]
    fn late_data_fills_a_gap() {
        let mut sampler = Sampler::new(GRID, None);
        assert!(taken(&mut sampler, 0));
        assert!(taken(&mut sampler, 4));
        sampler.recorded(GRID.mark(MARK + 2 * 900).unwrap());
        assert_eq!(missing(&sampler, slot(4)), [(1, 1), (3, 3)]);
        assert!(!taken(&mut sampler, 2));
        sampler.recorded(GRID.mark(MARK + 900).unwrap());
        sampler.recorded(GRID.mark(MARK + 3 * 900).unwrap());
        assert!(missing(&sampler, slot(4)).is_empty());
    }

    #[test]
    fn the_oldest_gap_is_forgotten_and_its_marks_stay_taken() {
        let mut sampler = Sampler::new(GRID, None);
        // Every other mark: each is a run of its own.
        for slots in (0..40).step_by(2) {
            assert!(taken(&mut sampler, slots));
        }
        let runs = missing(&sampler, slot(39));
        assert_eq!(runs.len(), RUNS_MAX);
        assert_eq!(runs.last(), Some(&(37, 37)));
        for slots in (0..40).step_by(2) {
            assert!(!taken(&mut sampler, slots), "slot {slots} twice");
        }
    }

    #[test]
    fn a_reading_far_back_is_taken_once_at_most_when_there_is_no_room() {
        let mut sampler = Sampler::new(GRID, None);
        for slots in (100..116).step_by(2) {
            assert!(taken(&mut sampler, slots));
        }
        assert!(taken(&mut sampler, 0));
        assert!(!taken(&mut sampler, 0));
        assert!(!taken(&mut sampler, -1));
        assert!(taken(&mut sampler, 99));
    }
}
