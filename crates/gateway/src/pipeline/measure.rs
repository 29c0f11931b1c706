//! Which readings of one meter the tariff use cases keep.
use crate::config::TariffSetup;
use crate::store::{Column, Mark, Measured, Quality, Row, RowFlags, Shape, UseCase};
use metergate_reading::{Instant, Number, ObisCode, Trust, Unit};
use metergate_tariff::{BootSnapshot, Dynamic, Grid, Pick, Run, Sampler};
use std::sync::Arc;

/// A reading older than this is no answer to "now": TAF 6 waits for the next.
const PRESENT_MS: i64 = 60_000;

/// The use cases of one meter.
#[derive(Debug)]
pub(super) struct Measure {
    load_profile: Option<Marks>,
    high_frequency: Option<Marks>,
    dynamic: Option<Dynamic>,
    boot: Option<BootSnapshot>,
    /// The latest believed row.
    latest: Option<Row>,
    /// Somebody asked for a reading, and none was there.
    asked: bool,
    /// Missing marks are told up to here.
    missing_told: Option<Mark>,
    /// The counters alone, of the shape they were taken from.
    counters: Option<(Arc<Shape>, Arc<Shape>, Vec<usize>)>,
}

/// The marks of one grid.
#[derive(Debug)]
struct Marks {
    sampler: Sampler,
    /// The mark that a reading of the past was last offered for, and the time of that reading.
    offered: Option<(Mark, i64)>,
}

impl Marks {
    /// The grid goes on where the store left off.
    fn new(grid: Grid, recorded: &[Mark], now: Instant) -> Self {
        Self { sampler: sampler(grid, recorded, now), offered: None }
    }

    /// The mark whose value a row is, or may be: a row of the past may stand nearer to its mark than the value there,
    /// which the store decides. Of rows that follow each other in time, as those of a file do, one a mark is offered.
    fn take(&mut self, row: &Row) -> Option<Pick> {
        let taken = self.sampler.reading(row.at);
        let pick = match taken {
            None if is_of_the_past(row) => self.sampler.grid().pick(row.at)?,
            taken => taken?,
        };
        let at_ms = row.at.unix_ms;
        if taken.is_none() && self.offered.is_some_and(|(mark, best)| mark == pick.mark && best <= at_ms) {
            return None;
        }
        self.offered = Some((pick.mark, at_ms));
        Some(pick)
    }
}

/// True for a row that comes after rows that are newer: merged, dated afterwards, or released.
fn is_of_the_past(row: &Row) -> bool {
    [RowFlags::LATE, RowFlags::DATED_LATER, RowFlags::RELEASED].iter().any(|&flag| row.flags.contains(flag))
}

/// What the store knows of the use cases of one meter.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorded {
    /// The latest marks of the load profile, oldest first.
    pub(super) load_profile: Vec<Mark>,
    /// Those of the high-frequency use case.
    pub(super) high_frequency: Vec<Mark>,
}

impl Measure {
    /// The use cases go on where the store left off.
    pub(super) fn new(setup: &TariffSetup, recorded: &Recorded, now: Instant) -> Self {
        Self {
            load_profile: setup.load_profile.map(|grid| Marks::new(grid, &recorded.load_profile, now)),
            high_frequency: setup.high_frequency.map(|grid| Marks::new(grid, &recorded.high_frequency, now)),
            dynamic: setup.dynamic.map(Dynamic::new),
            boot: setup.boot_snapshot.then(BootSnapshot::default),
            latest: None,
            asked: false,
            missing_told: None,
            counters: None,
        }
    }

    /// What of a believed row is kept, quarter hours first: when space is short they are kept and others dropped.
    pub(super) fn row(&mut self, row: &Row) -> Vec<Measured> {
        let mut kept = Vec::new();
        if let Some(pick) = self.load_profile.as_mut().and_then(|marks| marks.take(row)) {
            kept.push(Measured {
                seq: 0,
                case: UseCase::Taf7LoadProfile,
                mark: pick.mark,
                quality: pick.quality,
                clock_doubtful: pick.clock,
                row: self.counters_of(row),
            });
        }
        // What is asked for now, and steps of the power, are no matter of the past.
        let is_present = !is_of_the_past(row);
        if is_present && self.asked {
            self.asked = false;
            kept.push(now(UseCase::Taf6OnDemand, row));
        }
        // A row that was dated afterwards was the first there was; a late one never is.
        let is_late = row.flags.contains(RowFlags::LATE);
        if !is_late && self.boot.as_mut().is_some_and(|boot| boot.reading(row.at)) {
            kept.push(now(UseCase::BootSnapshot, row));
        }
        if let Some(pick) = self.high_frequency.as_mut().and_then(|marks| marks.take(row)) {
            kept.push(Measured {
                seq: 0,
                case: UseCase::Taf14HighFrequency,
                mark: pick.mark,
                quality: pick.quality,
                clock_doubtful: pick.clock,
                row: row.clone(),
            });
        }
        if is_present
            && let (Some(dynamic), Some(power)) = (&mut self.dynamic, power(row))
            && dynamic.power(row.at, power).is_some()
        {
            kept.push(now(UseCase::Dynamic, row));
        }
        let is_newest = self.latest.as_ref().is_none_or(|latest| latest.at.unix_ms <= row.at.unix_ms);
        if is_newest {
            self.latest = Some(row.clone());
        }
        kept
    }

    /// A reading now, like TAF 6: the latest if it is fresh, else the next one that comes.
    pub(super) fn snapshot(&mut self, at: Instant) -> Option<Measured> {
        let fresh = self
            .latest
            .as_ref()
            .filter(|row| (0..=PRESENT_MS).contains(&at.unix_ms.saturating_sub(row.at.unix_ms)));
        let snapshot = fresh.map(|row| now(UseCase::Taf6OnDemand, row));
        self.asked |= snapshot.is_none();
        snapshot
    }

    /// Quarter hours whose time has passed without a reading, each told once.
    pub(super) fn missing(&mut self, at: Instant) -> Vec<Run> {
        let Some(Marks { sampler, .. }) = &self.load_profile else { return Vec::new() };
        let told = self.missing_told;
        let untold = |run: Run| {
            let first = match told {
                Some(told) if told >= run.first => sampler.grid().next(told),
                _ => run.first,
            };
            (first <= run.last).then_some(Run { first, ..run })
        };
        let runs: Vec<Run> = sampler.missing_before(at).filter_map(untold).collect();
        self.missing_told = runs.iter().map(|run| run.last).max().max(told);
        runs
    }

    /// A load profile has meter readings: counters, where there are any.
    fn counters_of(&mut self, row: &Row) -> Row {
        let known = self.counters.as_ref().is_some_and(|(of, ..)| Arc::ptr_eq(of, &row.shape));
        if !known {
            let is_counter = |column: &Column| {
                column.id.obis().is_some_and(|code| crate::plausible::is_counter(code, column.unit))
            };
            let columns = row.shape.0.iter().enumerate();
            let places: Vec<usize> = columns.filter(|(_, c)| is_counter(c)).map(|(at, _)| at).collect();
            let shape = places.iter().filter_map(|&at| row.shape.0.get(at).cloned()).collect();
            self.counters = Some((Arc::clone(&row.shape), Arc::new(Shape(shape)), places));
        }
        match &self.counters {
            Some((_, shape, places)) if !places.is_empty() => Row {
                shape: Arc::clone(shape),
                mantissas: places.iter().filter_map(|&at| row.mantissas.get(at).copied()).collect(),
                ..row.clone()
            },
            _ => row.clone(),
        }
    }
}

/// A sampler that takes none of the recorded marks again, also when the clock was ahead once.
fn sampler(grid: Grid, recorded: &[Mark], now: Instant) -> Sampler {
    let is_past = |mark: &&Mark| now.trust == Trust::None || mark.unix_s() <= now.unix_ms / 1000;
    let last = recorded.iter().filter(is_past).max().copied();
    let mut sampler = Sampler::new(grid, last);
    recorded.iter().filter(|mark| Some(**mark) > last).for_each(|&mark| sampler.recorded(mark));
    sampler
}

/// A value without a grid stands for its own second.
fn now(case: UseCase, row: &Row) -> Measured {
    Measured {
        seq: 0,
        case,
        mark: Mark::from_unix_s(row.at.unix_ms.div_euclid(1000)),
        quality: Quality::Exact,
        clock_doubtful: !matches!(row.at.trust, Trust::MeterValid | Trust::HostSynchronised),
        row: row.clone(),
    }
}

/// The power of the connection: net where it is sent, else import minus export, else import.
fn power(row: &Row) -> Option<Number> {
    let watts = |c: u8| {
        let fits = |code: ObisCode| {
            let [a, _, found_c, d, e, f] = code.bytes();
            (a, found_c, d, e, f) == (1, c, 7, 0, 255)
        };
        let mut numbers = row.numbers();
        let found =
            numbers.find(|(column, _)| column.id.obis().is_some_and(fits) && column.unit == Some(Unit::Watt));
        found.map(|(_, number)| number)
    };
    match (watts(16), watts(1), watts(2)) {
        (Some(net), ..) => Some(net),
        (None, Some(import), Some(export)) => metergate_tariff::derived::net_power(import, export),
        (None, import, _) => import,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RowFlags;

    const START_S: i64 = 1_699_999_200;

    fn row(second: i64, wh: i64, watts: i64, trust: Trust) -> Row {
        let column = |code: &str, unit| Column { id: code.parse().unwrap(), unit: Some(unit), exponent: 0 };
        let columns = [column("1-0:1.8.0", Unit::WattHour), column("1-0:16.7.0", Unit::Watt)];
        Row {
            seq: 1,
            meter: "haus".into(),
            at: Instant { unix_ms: (START_S + second) * 1000, trust },
            meter_clock_s: None,
            flags: RowFlags::default(),
            shape: Arc::new(Shape(columns.into())),
            mantissas: [wh, watts].into(),
        }
    }

    fn at(second: i64) -> Instant {
        Instant { unix_ms: (START_S + second) * 1000, trust: Trust::HostSynchronised }
    }

    fn cases(kept: &[Measured]) -> Vec<UseCase> {
        kept.iter().map(|measured| measured.case).collect()
    }

    const SYNCHRONISED: Trust = Trust::HostSynchronised;

    #[test]
    fn row_24_a_day_of_telegrams_gives_96_quarter_hours_also_over_a_restart() {
        let setup = TariffSetup { boot_snapshot: false, ..TariffSetup::default() };
        let mut measure = Measure::new(&setup, &Recorded::default(), at(0));
        let mut marks = Vec::new();
        for second in (0..86_400).step_by(10) {
            if second == 43_210 {
                // A restart ten seconds after a mark that was recorded.
                let recorded = Recorded { load_profile: marks.clone(), ..Recorded::default() };
                measure = Measure::new(&setup, &recorded, at(second));
            }
            for kept in measure.row(&row(second, 7, 200, SYNCHRONISED)) {
                assert_eq!((kept.case, kept.quality), (UseCase::Taf7LoadProfile, Quality::Exact));
                let late_ms = kept.row.at.unix_ms - kept.mark.unix_s() * 1000;
                assert!((0..15_000).contains(&late_ms), "{late_ms}");
                assert_eq!(kept.row.shape.0.len(), 1, "counters alone");
                marks.push(kept.mark);
            }
        }
        assert_eq!(marks.len(), 96);
        assert!(marks.is_sorted() && marks.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(measure.missing(at(86_400)), []);
    }

    #[test]
    fn row_25_a_value_a_minute_gives_1440_a_day() {
        let setup = TariffSetup {
            load_profile: None,
            high_frequency: Some(Grid::MINUTE),
            boot_snapshot: false,
            ..TariffSetup::default()
        };
        let mut measure = Measure::new(&setup, &Recorded::default(), at(0));
        let kept: Vec<_> = (0..86_400)
            .step_by(10)
            .flat_map(|second| measure.row(&row(second, 7, 200, SYNCHRONISED)))
            .collect();
        assert_eq!(kept.len(), 1440);
        assert!(kept.iter().all(|measured| measured.case == UseCase::Taf14HighFrequency));
    }

    #[test]
    fn row_23_a_snapshot_is_the_fresh_reading_or_the_next_one() {
        let mut measure = Measure::new(&TariffSetup::default(), &Recorded::default(), at(0));
        assert_eq!(measure.snapshot(at(0)), None, "nothing was read yet");
        let kept = measure.row(&row(100, 7, 200, SYNCHRONISED));
        assert_eq!(cases(&kept), [UseCase::Taf7LoadProfile, UseCase::Taf6OnDemand, UseCase::BootSnapshot]);
        let fresh = measure.snapshot(at(110)).unwrap();
        assert_eq!((fresh.case, fresh.mark.unix_s()), (UseCase::Taf6OnDemand, START_S + 100));
        assert_eq!(measure.snapshot(at(300)), None, "three minutes are not now");
        assert_eq!(cases(&measure.row(&row(301, 8, 200, SYNCHRONISED))), [UseCase::Taf6OnDemand]);
    }

    #[test]
    fn row_27_a_step_of_power_is_kept_at_once_and_noise_is_not() {
        let setup = TariffSetup {
            load_profile: None,
            dynamic: Some(metergate_tariff::DynamicSettings::default()),
            boot_snapshot: false,
            ..TariffSetup::default()
        };
        let mut measure = Measure::new(&setup, &Recorded::default(), at(0));
        let mut kept = Vec::new();
        for (second, watts) in [(0, 200), (1, 205), (2, 197), (3, 2000), (4, 2010), (5, 1995)] {
            let of_row = measure.row(&row(second, 7, watts, SYNCHRONISED));
            kept.extend(of_row.into_iter().map(|measured| (second, measured.case)));
        }
        assert_eq!(kept, [(3, UseCase::Dynamic)]);
    }

    #[test]
    fn the_boot_snapshot_waits_for_a_trusted_clock_and_a_doubtful_one_is_flagged() {
        let mut measure = Measure::new(&TariffSetup::default(), &Recorded::default(), at(0));
        let doubtful = measure.row(&row(0, 7, 200, Trust::HostUnsynchronised));
        assert_eq!(cases(&doubtful), [UseCase::Taf7LoadProfile]);
        assert!(doubtful[0].clock_doubtful);
        assert_eq!(cases(&measure.row(&row(1, 7, 200, SYNCHRONISED))), [UseCase::BootSnapshot]);
        assert_eq!(cases(&measure.row(&row(2, 7, 200, SYNCHRONISED))), []);
    }

    #[test]
    fn a_row_of_the_past_is_offered_for_a_mark_that_has_a_value_and_no_row_of_now_is() {
        let setup = TariffSetup { high_frequency: Some(Grid::MINUTE), ..TariffSetup::default() };
        let mut measure = Measure::new(&setup, &Recorded::default(), at(0));
        let of = |row: Row, measure: &mut Measure| cases(&measure.row(&row));
        of(row(20, 7, 200, SYNCHRONISED), &mut measure);
        let late = |second| Row { flags: RowFlags::LATE, ..row(second, 7, 200, SYNCHRONISED) };
        let both = [UseCase::Taf7LoadProfile, UseCase::Taf14HighFrequency];
        assert_eq!(of(late(5), &mut measure), both);
        assert_eq!(of(late(6), &mut measure), [], "one that came after it is no better");
        assert_eq!(of(late(3), &mut measure), both, "the store decides");
        assert_eq!(of(row(1, 7, 200, SYNCHRONISED), &mut measure), [], "a clock that was set back");
        assert_eq!(measure.snapshot(at(200)), None);
        assert_eq!(of(late(500), &mut measure), [UseCase::Taf14HighFrequency], "no answer to now");
    }

    #[test]
    fn quarter_hours_without_a_reading_are_missing_once() {
        let mut measure = Measure::new(&TariffSetup::default(), &Recorded::default(), at(0));
        measure.row(&row(0, 7, 200, SYNCHRONISED));
        assert_eq!(measure.missing(at(900)), []);
        let runs = measure.missing(at(2700 + 450));
        let marks = runs.iter().map(|run| (run.first.unix_s() - START_S, run.last.unix_s() - START_S));
        assert_eq!(marks.collect::<Vec<_>>(), [(900, 2700)]);
        assert_eq!(measure.missing(at(2700 + 460)), []);
    }
}
