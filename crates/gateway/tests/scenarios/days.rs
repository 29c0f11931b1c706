//! Quarter hours and minutes of whole days.
use crate::daemon::{Place, counter, energy};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use metergate_gateway::store::{Mark, Quality, UseCase};

const DAY_S: i64 = 86_400;

/// A counter that stands still at night still has its values.
fn wh(unix_s: i64) -> i64 {
    let hour = unix_s.rem_euclid(DAY_S) / 3600;
    5_000_000 + unix_s.div_euclid(DAY_S) % 1000 * 600 + (hour - 6).clamp(0, 12) * 50
}

/// Telegrams each 10 s through the local day `day` of `hours` hours and the UTC day beside it, with a restart of the
/// gateway just after noon; then its quarter hours and minutes.
fn a_day(day: Date, hours: i64) {
    // Europe/Berlin, also where no database of zones is installed.
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let place = Place::new("taf14 = \"60 s\"", "");
    let local = day.to_zoned(zone.clone()).unwrap().timestamp().as_second();
    let utc = day.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
    let noon = utc + DAY_S / 2;
    let said = |from: i64, to: i64| -> Vec<u8> {
        (from..to).step_by(10).flat_map(|unix_s| counter(unix_s, "M1", wh(unix_s))).collect()
    };
    place.run(&said(local, noon + 20));
    place.run(&said(noon + 20, utc + DAY_S + 10));

    let mut reader = place.reader();
    let mut kept = |case| {
        let (from, to) = (Mark::from_unix_s(utc), Mark::from_unix_s(utc + DAY_S));
        reader.measured_between("haus", case, from, to, 10_000).unwrap()
    };
    let quarters = kept(UseCase::Taf7LoadProfile);
    assert_eq!(quarters.len(), 96);
    for (n, one) in (0..).zip(&quarters) {
        assert_eq!((one.mark.unix_s(), one.quality), (utc + n * 900, Quality::Exact));
        let after_ms = one.row.at.unix_ms - one.mark.unix_s() * 1000;
        assert!((0..15_000).contains(&after_ms), "{after_ms} ms after the mark");
        let number = one.row.number(&energy()).unwrap();
        assert_eq!(number.to_string(), wh(one.mark.unix_s()).to_string());
    }
    let minutes = kept(UseCase::Taf14HighFrequency);
    assert_eq!(minutes.len(), 1440);
    assert!((0..).zip(&minutes).all(|(n, one)| one.mark.unix_s() == utc + n * 60));

    let days = reader.days("haus", &energy(), &zone, day, 1).unwrap();
    assert_eq!((days[0].from.unix_s(), days[0].to.unix_s()), (local, local + hours * 3600));
    assert_eq!((i64::from(days[0].exact), days[0].late, days[0].missing), (hours * 4, 0, 0));
    let counted = days[0].amount().unwrap();
    assert_eq!(counted.to_string(), (wh(local + hours * 3600) - wh(local)).to_string());
}

#[test]
fn row_24_25_the_day_of_23_hours_gives_96_quarter_hours_and_1440_minutes_over_a_restart() {
    a_day(date(2026, 3, 29), 23);
}

#[test]
fn row_24_25_the_day_of_25_hours_gives_96_quarter_hours_and_1440_minutes_over_a_restart() {
    a_day(date(2026, 10, 25), 25);
}
