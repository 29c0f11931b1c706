//! Ten years of days in three zones, and what a stream of telegrams gives for each day.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
use jiff::civil::{Date, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use metergate_reading::{Instant, Trust};
use metergate_tariff::{Grid, Mark, Pick, Quality, Run, Sampler};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Berlin changes its clock by an hour; St. John's too, at half past; Kathmandu is 5:45 ahead and never changes.
const ZONES: [&str; 3] = ["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"];

const FIRST_YEAR: i16 = 2020;
const YEARS: i16 = 10;

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn midnight(day: Date, zone: &TimeZone) -> i64 {
    day.to_zoned(zone.clone()).unwrap().timestamp().as_second()
}

/// First and last second (excluded) of a local day.
fn day_of(day: Date, zone: &TimeZone) -> (i64, i64) {
    (midnight(day, zone), midnight(day.tomorrow().unwrap(), zone))
}

fn at_ms(unix_ms: i64) -> Instant {
    Instant { unix_ms, trust: Trust::MeterValid }
}

/// The values that telegrams at these times give within `from..to`, with a restart after `restart` telegrams.
fn picks(grid: Grid, (from, to): (i64, i64), times: impl Iterator<Item = i64>, restart: usize) -> Vec<Pick> {
    let mut sampler = Sampler::new(grid, None);
    let mut picks: Vec<Pick> = Vec::new();
    for (index, unix_ms) in times.enumerate() {
        if index == restart {
            sampler = Sampler::new(grid, picks.last().map(|pick| pick.mark));
        }
        picks.extend(sampler.reading(at_ms(unix_ms)));
    }
    picks.retain(|pick| (from..to).contains(&pick.mark.unix_s()));
    picks
}

/// Times of telegrams every `every_s` seconds, beginning an hour before a day and ending an hour after it.
fn telegrams((from, to): (i64, i64), every_s: i64, phase_ms: i64) -> impl Iterator<Item = i64> {
    let step = usize::try_from(every_s * 1000).unwrap();
    ((from - 3600) * 1000 + phase_ms..(to + 3600) * 1000).step_by(step)
}

#[test]
fn row_24_a_day_of_telegrams_every_10_s_gives_exactly_96_values_each_in_its_window() {
    let berlin = zone("Europe/Berlin");
    for (day, quarters) in [
        (date(2024, 3, 30), 96),
        (date(2024, 3, 31), 92),
        (date(2024, 10, 27), 100),
        (date(2024, 10, 28), 96),
    ] {
        let bounds = day_of(day, &berlin);
        for phase_ms in [0, 1, 4_321, 9_999] {
            // No restart, one before the day, one right after its first mark, one amid it.
            for restart in [usize::MAX, 300, 361, 5_000] {
                let picks = picks(Grid::QUARTER_HOUR, bounds, telegrams(bounds, 10, phase_ms), restart);
                assert_eq!(picks.len(), quarters, "{day}, phase {phase_ms} ms, restart at {restart}");
                let marks: BTreeSet<_> = picks.iter().map(|pick| pick.mark).collect();
                assert_eq!(marks.len(), quarters, "no mark twice");
                for pick in &picks {
                    let after_ms = pick.at.unix_ms - pick.mark.unix_s() * 1000;
                    assert!((0..10_000).contains(&after_ms), "the first telegram after the mark");
                    assert_eq!(pick.quality, Quality::Exact);
                }
            }
        }
    }
    // 24 hours over a change of the clock are 96 like any others.
    for change in ["2024-03-31T01:00:00Z", "2024-10-27T01:00:00Z"] {
        let change: jiff::Timestamp = change.parse().unwrap();
        let bounds = (change.as_second() - 43_200, change.as_second() + 43_200);
        assert_eq!(picks(Grid::QUARTER_HOUR, bounds, telegrams(bounds, 10, 0), 4_500).len(), 96);
    }
}

#[test]
fn row_25_an_interval_of_60_s_gives_1440_values_a_day() {
    let bounds = day_of(date(2024, 5, 5), &zone("Europe/Berlin"));
    for every_s in [1, 10, 60] {
        for restart in [usize::MAX, 5_000] {
            let picks = picks(Grid::MINUTE, bounds, telegrams(bounds, every_s, 777), restart);
            assert_eq!(picks.len(), 1440, "a telegram every {every_s} s");
            assert!(picks.windows(2).all(|pair| pair[1].mark == Grid::MINUTE.next(pair[0].mark)));
        }
    }
}

#[test]
fn a_counter_that_stands_still_gives_96_and_1440_values() {
    let bounds = day_of(date(2024, 5, 5), &zone("Europe/Berlin"));
    for (grid, values) in [(Grid::QUARTER_HOUR, 96), (Grid::MINUTE, 1440)] {
        // The rows of a store: the same value at every mark is a row at every mark.
        let rows: BTreeMap<Mark, i64> = picks(grid, bounds, telegrams(bounds, 10, 0), usize::MAX)
            .into_iter()
            .map(|pick| (pick.mark, 543_211_234))
            .collect();
        assert_eq!(rows.len(), values);
    }
}

#[test]
fn local_days_of_ten_years_have_92_96_or_100_quarter_hours() {
    let grid = Grid::QUARTER_HOUR;
    for name in ZONES {
        let zone = zone(name);
        let mut days = BTreeMap::new();
        let end = date(FIRST_YEAR + YEARS, 1, 1);
        let mut day = date(FIRST_YEAR, 1, 1);
        while day < end {
            let (from, to) = day_of(day, &zone);
            let first = grid.mark(from).expect("a local midnight is a quarter hour");
            let last = grid.previous(grid.mark(to).expect("and so is the next"));
            *days.entry(grid.count(Run { first, last })).or_insert(0) += 1;
            day = day.tomorrow().unwrap();
        }
        let expected = match name {
            "Asia/Kathmandu" => BTreeMap::from([(96, 3653)]),
            _ => BTreeMap::from([(92, 10), (96, 3633), (100, 10)]),
        };
        assert_eq!(days, expected, "{name}");
    }
}

/// What happens between two telegrams.
#[derive(Debug, Clone)]
enum Step {
    /// So many milliseconds go by.
    Pass(i64),
    /// The clock is set by so many seconds.
    Set(i64),
    /// The process starts again and knows the last recorded mark not after the time.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        60 => (500i64..20_000).prop_map(Step::Pass),
        6 => (20_000i64..4_000_000).prop_map(Step::Pass),
        2 => prop_oneof![Just(3600), Just(-3600), -90_000i64..90_000].prop_map(Step::Set),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    /// Whatever the clock does, no mark has two values, and none lies outside its window.
    #[test]
    fn no_mark_is_taken_twice_whatever_the_clock_does(
        start_s in 1_577_836_800i64..1_893_456_000,
        minute in any::<bool>(),
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let grid = if minute { Grid::MINUTE } else { Grid::QUARTER_HOUR };
        let mut sampler = Sampler::new(grid, None);
        let mut recorded = BTreeSet::new();
        let mut now_ms = start_s * 1000;
        for step in steps {
            match step {
                Step::Pass(ms) => now_ms += ms,
                Step::Set(s) => now_ms += s * 1000,
                Step::Restart => {
                    let present = grid.floor(now_ms);
                    sampler = Sampler::new(grid, recorded.range(..=present).next_back().copied());
                    for &mark in recorded.range(grid.next(present)..) {
                        sampler.recorded(mark);
                    }
                }
            }
            if let Some(pick) = sampler.reading(at_ms(now_ms)) {
                prop_assert!(recorded.insert(pick.mark), "{:?} twice", pick.mark);
                let after_ms = now_ms - pick.mark.unix_s() * 1000;
                let exact = after_ms < 15_000;
                prop_assert!((0..i64::from(grid.late_s()) * 1000).contains(&after_ms));
                prop_assert_eq!(pick.quality, if exact { Quality::Exact } else { Quality::Late });
            }
            for run in sampler.missing_before(at_ms(now_ms)) {
                prop_assert!(run.first <= run.last);
                prop_assert!(run.last.unix_s() * 1000 + i64::from(grid.late_s()) * 1000 <= now_ms);
                prop_assert_eq!(recorded.range(run.first..=run.last).next(), None, "missing yet recorded");
            }
        }
    }

    /// While the clock only goes forward, each mark since the first value is recorded, missing, or still open.
    #[test]
    fn every_mark_is_recorded_or_missing(
        start_s in 1_577_836_800i64..1_893_456_000,
        // Few long silences, so that no gap is forgotten.
        silences in prop::collection::vec(0i64..40_000_000, 0..6),
    ) {
        let grid = Grid::QUARTER_HOUR;
        let mut sampler = Sampler::new(grid, None);
        let mut marks = BTreeSet::new();
        let mut now_ms = start_s * 1000;
        for silence_ms in silences.into_iter().chain([0]) {
            for _ in 0..200 {
                now_ms += 10_000;
                marks.extend(sampler.reading(at_ms(now_ms)).map(|pick| pick.mark));
            }
            now_ms += silence_ms;
        }
        for run in sampler.missing_before(at_ms(now_ms)) {
            for mark in grid.marks(run) {
                prop_assert!(marks.insert(mark), "{mark:?} is recorded and missing");
            }
        }
        let (first, last) = (*marks.first().unwrap(), *marks.last().unwrap());
        prop_assert_eq!(grid.count(Run { first, last }), u64::try_from(marks.len()).unwrap());
        prop_assert!(now_ms - last.unix_s() * 1000 < 900_000 + 450_000, "and up to now");
    }

    /// Late data in any order gives for each mark what the stream in order gave.
    #[test]
    fn late_data_gives_the_same_values_as_data_in_time(
        start_s in 1_577_836_800i64..1_893_456_000,
        gaps_ms in prop::collection::vec(500i64..600_000, 1..200),
        seed in any::<u64>(),
    ) {
        let grid = Grid::QUARTER_HOUR;
        let mut now_ms = start_s * 1000;
        let mut times = Vec::new();
        for gap_ms in gaps_ms {
            now_ms += gap_ms;
            times.push(at_ms(now_ms));
        }
        let mut sampler = Sampler::new(grid, None);
        let live: Vec<Pick> = times.iter().filter_map(|&at| sampler.reading(at)).collect();
        let turn = usize::try_from(seed).unwrap_or(0) % times.len();
        times.rotate_left(turn);
        times.reverse();
        for pick in live {
            let best = grid.best_for(pick.mark, times.iter().copied());
            prop_assert_eq!(best, Some(pick));
            prop_assert!(!pick.beats(Some((pick.at, pick.quality))));
        }
    }
}
