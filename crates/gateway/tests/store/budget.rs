//! The file stays within its budget: detail is thinned, then dropped, and quarter hours stay.
use crate::place::{Place, SOON, all_rows, measured, noise, row, wait_for};
use metergate_gateway::config::Stream;
use metergate_gateway::event::EventCode;
use metergate_gateway::store::{Budget, Mark, Measured, Store, StoreSetup, UseCase};
use metergate_simulator::Random;
use std::time::Duration;

/// 2025-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_735_689_600;
const HOURS: i64 = 365 * 24;
const BYTES: u64 = 8 << 20;

#[test]
fn a_year_stays_within_the_budget_with_every_quarter_hour_in_it() {
    let place = Place::new();
    let setup = StoreSetup { budget: Budget { bytes: BYTES, age: None }, spool: None, ..place.setup() };
    let (store, _) = Store::open(&setup).unwrap();
    let mut random = Random::new(5);
    let mut largest = 0;
    for hour in 0..HOURS {
        let start = NEW_YEAR + hour * 3600;
        // Six telegrams in two minutes stand for the hour.
        for n in 0..6 {
            store.append(noise(&mut random, (start + n * 20) * 1000));
        }
        for quarter in 0..4 {
            store.measured(measured(start + quarter * 900, 20, UseCase::Taf7LoadProfile));
        }
        if hour % 4 == 3 {
            assert!(store.flush_blocking(SOON));
            largest = largest.max(std::fs::metadata(&setup.path).unwrap().len());
        }
    }
    assert!(store.close(SOON));
    println!("the largest that the file was: {largest} B");
    assert!(largest <= BYTES, "{largest}");

    let (store, _) = Store::open(&setup).unwrap();
    let mut reader = store.reader();
    let quarters = reader
        .measured_between(
            "house",
            UseCase::Taf7LoadProfile,
            Mark::from_unix_s(0),
            Mark::from_unix_s(i64::MAX),
            100_000,
        )
        .unwrap();
    assert_eq!(quarters.len() as u64, HOURS.unsigned_abs() * 4, "no quarter hour is dropped");
    let rows = all_rows(&store);
    let last = rows.last().unwrap().seq;
    assert_eq!(last, HOURS.unsigned_abs() * 6);
    assert!(rows[0].seq > 1, "the oldest detail is gone");
    let report = metergate_gateway::store::check(&setup.path).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    assert!(!report.is_over(&setup.budget));
    // Old hours have a row a minute, the newest have all.
    let thinned_to = report.meters[0].thinned_to_ms.unwrap();
    let in_hour = |ms: i64| {
        let hour = ms.div_euclid(3_600_000);
        rows.iter().filter(|row| row.at.unix_ms.div_euclid(3_600_000) == hour).count()
    };
    assert_eq!(in_hour(thinned_to), 2);
    assert_eq!(in_hour(thinned_to + 3_600_000 * 8), 6);
    assert_eq!(in_hour(rows[rows.len() - 1].at.unix_ms), 6);
    // It is told: to everybody by an event, to a sink what it missed.
    let events = reader.events_after(0, 1_000).unwrap();
    let thinned = events.iter().find(|event| event.code == EventCode::StoreThinned).unwrap();
    assert!(thinned.detail.contains("readings were thinned out"), "{}", thinned.detail);
    let missed = reader.missed(Stream::Readings, 10).unwrap();
    assert_eq!(missed.dropped, Some(11..=rows[0].seq - 1));
    assert_eq!(*missed.thinned.as_ref().unwrap().start(), rows[0].seq);
    let of_thinned = *missed.thinned.unwrap().end();
    assert_eq!(reader.missed(Stream::Readings, of_thinned).unwrap(), Default::default());
    assert_eq!(reader.missed(Stream::Measured, 0).unwrap(), Default::default());
}

#[test]
fn what_is_older_than_the_age_is_dropped_and_quarter_hours_are_not() {
    let place = Place::new();
    let budget = Budget { age: Some(Duration::from_secs(10 * 86_400)), ..Budget::default() };
    let setup = StoreSetup { budget, ..place.setup() };
    let (store, _) = Store::open(&setup).unwrap();
    let now_s = jiff::Timestamp::now().as_second();
    for days in [30, 20, 9, 0] {
        let second = now_s - days * 86_400;
        store.append(row("house", second * 1000, [days, 0]));
        let minute = measured(second, 0, UseCase::Taf14HighFrequency);
        store.measured(Measured { mark: Mark::from_unix_s(second), ..minute });
        store.measured(measured(second / 900 * 900, 0, UseCase::Taf7LoadProfile));
        assert!(store.flush_blocking(SOON));
    }
    // What is not sealed yet is never dropped.
    wait_for(|| all_rows(&store).len() == 2);
    assert_eq!(all_rows(&store).iter().map(|row| row.mantissas[0]).collect::<Vec<_>>(), [9, 0]);
    let mut reader = store.reader();
    let kept = reader.measured_after(0, 100).unwrap();
    let of = |case| kept.iter().filter(|one| one.case == case).count();
    assert_eq!((of(UseCase::Taf7LoadProfile), of(UseCase::Taf14HighFrequency)), (4, 2));
    assert_eq!(reader.missed(Stream::Measured, 0).unwrap().dropped, Some(1..=3));
}

#[test]
fn a_smaller_budget_makes_the_file_smaller() {
    let place = Place::new();
    let (store, _) = place.open();
    let mut random = Random::new(6);
    for hour in 0..260 {
        for n in 0..240 {
            store.append(noise(&mut random, (NEW_YEAR + hour * 3600 + n * 15) * 1000));
        }
        if hour % 8 == 7 {
            assert!(store.flush_blocking(SOON));
        }
    }
    assert!(store.close(SOON));
    let before = std::fs::metadata(place.path()).unwrap().len();
    assert!(before > BYTES, "{before}");
    let setup = StoreSetup { budget: Budget { bytes: BYTES, age: None }, ..place.setup() };
    let (store, _) = Store::open(&setup).unwrap();
    // Each commit does a part of it.
    wait_for(|| {
        store.append(row("house", NEW_YEAR * 1000, [1, 1]));
        assert!(store.flush_blocking(SOON));
        std::fs::metadata(&setup.path).unwrap().len() <= BYTES
    });
}
