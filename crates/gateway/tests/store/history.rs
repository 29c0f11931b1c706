//! What comes out: sealed and unsealed rows as one, in order of number and of time; quarter hours, days and months.
use crate::place::{NOON_MS, Place, SOON, measured, nth, row, wait_for};
use jiff::civil::date;
use jiff::tz::TimeZone;
use metergate_gateway::config::Stream;
use metergate_gateway::plausible::{Epoch, EpochCause};
use metergate_gateway::store::{Mark, Measured, Quality, Row, RowFlags, Store, UseCase};
use metergate_reading::{Number, RegisterId};

const HOUR_MS: i64 = 3_600_000;

fn energy() -> RegisterId {
    "1-0:1.8.0".parse().unwrap()
}

/// Rows of three hours, a commit every ten minutes. The last commit reaches into the fourth and is not sealed.
fn three_hours(store: &Store) -> Vec<Row> {
    let mut rows = Vec::new();
    for n in 0..=1080 {
        let meter = if n % 5 == 4 { "garage" } else { "house" };
        rows.push((*store.append(row(meter, hour() + n * 10_000, [1000 + n, n % 11]))).clone());
        if n % 60 == 0 {
            assert!(store.flush_blocking(SOON));
        }
    }
    rows
}

/// The beginning of an hour.
fn hour() -> i64 {
    NOON_MS.div_euclid(HOUR_MS) * HOUR_MS
}

/// How many blocks are sealed and how many wait.
fn blocks(place: &Place) -> (i64, i64) {
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    let count = |table: &str| {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    (count("chunk"), count("recent"))
}

#[test]
fn each_hour_becomes_one_block_a_meter_and_reads_as_before() {
    let place = Place::new();
    let (store, _) = place.open();
    let rows = three_hours(&store);
    // Whoever waits for a commit does not wait for the sealing after it.
    wait_for(|| blocks(&place) == (6, 2));
    let mut reader = store.reader();
    assert_eq!(reader.rows_after(0, 10_000).unwrap(), rows);
    for from in [0, 1, 300, 359, 360, 361, 719, 1079, 1080] {
        let some = reader.rows_after(from, 13).unwrap();
        let from = usize::try_from(from).unwrap();
        assert_eq!(some, rows[from..rows.len().min(from + 13)], "from {from}");
    }
    assert_eq!(reader.first_seq(Stream::Readings).unwrap(), Some(1));
    // The next start goes on with the next number.
    assert!(store.close(SOON));
    let (store, _) = place.open();
    assert_eq!(store.append(nth(0)).seq, 1082);
}

#[test]
fn a_range_is_in_order_of_time_with_late_rows_in_their_place() {
    let place = Place::new();
    let (store, _) = place.open();
    let mut rows = three_hours(&store);
    let late = Row { flags: RowFlags::LATE, ..row("house", hour() + 1_805_000, [7, 7]) };
    rows.push((*store.append(late)).clone());
    assert!(store.flush_blocking(SOON));
    let mut reader = store.reader();
    for (from, to) in
        [(0, 4 * HOUR_MS), (HOUR_MS / 2, HOUR_MS), (1_800_000, 1_810_000), (3 * HOUR_MS, 3 * HOUR_MS)]
    {
        let (from, to) = (hour() + from, hour() + to);
        let mut expected: Vec<Row> = rows
            .iter()
            .filter(|row| &*row.meter == "house" && (from..to).contains(&row.at.unix_ms))
            .cloned()
            .collect();
        expected.sort_by_key(|row| row.at.unix_ms);
        let found: Vec<Row> = reader.range("house", from, to).unwrap().map(Result::unwrap).collect();
        assert_eq!(found, expected, "{from}..{to}");
    }
    assert_eq!(reader.range("nobody", 0, i64::MAX).unwrap().count(), 0);
}

#[test]
fn the_latest_and_the_neighbours_of_an_instant_are_found_across_blocks() {
    let place = Place::new();
    let (store, _) = place.open();
    let rows = three_hours(&store);
    let mut reader = store.reader();
    let house: Vec<&Row> = rows.iter().filter(|row| &*row.meter == "house").collect();
    assert_eq!(reader.latest("house").unwrap().as_ref(), house.last().copied());
    assert_eq!(reader.latest("nobody").unwrap(), None);
    for at_ms in
        [-1, 0, 5_000, 40_000, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1, 2 * HOUR_MS, 3 * HOUR_MS, 9 * HOUR_MS]
    {
        let at_ms = hour() + at_ms;
        let before = house.iter().rfind(|row| row.at.unix_ms <= at_ms).map(|row| (*row).clone());
        let after = house.iter().find(|row| row.at.unix_ms > at_ms).map(|row| (*row).clone());
        assert_eq!(reader.neighbours("house", at_ms).unwrap(), (before, after), "{at_ms}");
    }
    let latest = reader.latest_numbers("house").unwrap();
    assert_eq!(latest.len(), 2);
    assert_eq!(latest[&energy()].number, Number::new(2080, -1));
}

#[test]
fn a_day_of_quarter_hours_names_each_mark_and_how_good_it_is() {
    let place = Place::new();
    let (store, _) = place.open();
    let first = NOON_MS / 1000 / 900 * 900;
    for n in 0..8 {
        if n != 3 {
            let after_ms = if n == 5 { 20_000 } else { 100 };
            store.measured(measured(first + n * 900, after_ms, UseCase::Taf7LoadProfile));
        }
    }
    assert!(store.flush_blocking(SOON));
    let mut reader = store.reader();
    let mark = Mark::from_unix_s;
    let found = reader.quarter_hours("house", &energy(), mark(first), mark(first + 8 * 900)).unwrap();
    let qualities: Vec<Quality> = found.iter().map(|one| one.quality).collect();
    let mut expected = [Quality::Exact; 8];
    (expected[3], expected[5]) = (Quality::Missing, Quality::Late);
    assert_eq!(qualities, expected);
    assert_eq!((found[3].value, found[3].at), (None, None), "nothing is made up");
    assert_eq!(found[4].value, Some(Number::new(first / 900 + 4, -1)));
    assert_eq!(found[5].at.unwrap().unix_ms, (first + 5 * 900) * 1000 + 20_000);
    // A register that the meter does not send is missing too.
    let other = "1-0:2.8.0".parse().unwrap();
    assert!(
        reader.quarter_hours("house", &other, mark(first), mark(first + 900)).unwrap()[0].value.is_none()
    );
}

/// A counter that counts 25 (2.5 Wh) each quarter hour from this mark on.
fn count_on(store: &Store, first: i64, marks: i64, skip: &[i64]) {
    for n in (0..marks).filter(|n| !skip.contains(n)) {
        let taf7 = UseCase::Taf7LoadProfile;
        let one = measured(first + n * 900, 50, taf7);
        let row = Row { mantissas: [n * 25, 0].into(), ..one.row.clone() };
        store.measured(Measured { row, ..one });
    }
    assert!(store.flush_blocking(SOON));
}

#[test]
fn local_days_have_92_96_or_100_quarter_hours_and_their_sums_are_exact() {
    let place = Place::new();
    let (store, _) = place.open();
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    for (day, quarters) in [(date(2026, 3, 28), [96, 92, 96]), (date(2026, 10, 24), [96, 100, 96])] {
        let first = day.to_zoned(zone.clone()).unwrap().timestamp().as_second();
        count_on(&store, first, 300, &[]);
        let mut reader = store.reader();
        let days = reader.days("house", &energy(), &zone, day, 3).unwrap();
        for (day, quarters) in days.iter().zip(quarters) {
            assert_eq!((day.exact, day.late, day.missing), (quarters, 0, 0));
            assert_eq!(day.amount(), Some(Number::new(i64::from(quarters) * 25, -1)));
        }
        // The day that is not over has no amount, but what was counted so far.
        let today = &reader.days("house", &energy(), &zone, day, 4).unwrap()[3];
        assert_eq!(today.amount(), None);
        let so_far = today.counted.unwrap();
        let since = i64::from(300 - 1 - quarters.iter().sum::<u32>().cast_signed());
        assert_eq!(so_far.amount, Number::new(since * 25, -1));
        assert_eq!(today.missing, 96 - u32::try_from(since).unwrap() - 1);
    }
}

#[test]
fn months_and_years_begin_at_local_midnight() {
    let place = Place::new();
    let (store, _) = place.open();
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let march = date(2026, 3, 1);
    let first = march.to_zoned(zone.clone()).unwrap().timestamp().as_second();
    count_on(&store, first, (31 + 30) * 96 - 4 + 1, &[100, 101]);
    let mut reader = store.reader();
    let months = reader.months("house", &energy(), &zone, march, 2).unwrap();
    assert_eq!(months[0].exact + months[0].missing, 31 * 96 - 4, "an hour less in March");
    assert_eq!(months[0].missing, 2);
    assert_eq!(
        months[0].amount(),
        Some(Number::new((31 * 96 - 4) * 25, -1)),
        "a gap within takes nothing away"
    );
    assert_eq!(months[1].amount(), Some(Number::new(30 * 96 * 25, -1)));
    let years = reader.years("house", &energy(), &zone, march, 1).unwrap();
    assert_eq!(years[0].exact + years[0].missing, 365 * 96);
    assert_eq!(years[0].amount(), None);
}

#[test]
fn totals_go_on_over_an_exchange_and_its_undoing() {
    let place = Place::new();
    let (store, _) = place.open();
    let zone = TimeZone::UTC;
    let day = date(2026, 4, 12);
    let first = day.to_zoned(zone.clone()).unwrap().timestamp().as_second();
    count_on(&store, first, 97, &[]);
    let epoch = |from_mark: i64, offset| Epoch {
        id: 0,
        meter: "house".into(),
        from_ms: (first + from_mark * 900) * 1000,
        identity: None,
        cause: EpochCause::Exchanged,
        offsets: vec![(energy(), Number::new(offset, -1))],
        undone: false,
    };
    let false_one = store.epoch(epoch(10, 500));
    let second = store.epoch(epoch(50, 700));
    assert_eq!((false_one, second), (1, 2));
    assert!(store.flush_blocking(SOON));
    let mut reader = store.reader();
    let amount = |reader: &mut metergate_gateway::store::Reader| {
        reader.days("house", &energy(), &zone, day, 1).unwrap()[0].amount().unwrap()
    };
    assert_eq!(amount(&mut reader), Number::new(96 * 25 + 700, -1));
    store.undo_epoch(false_one);
    assert!(store.flush_blocking(SOON));
    // The step of the first, 500, goes out of the second too.
    assert_eq!(amount(&mut reader), Number::new(96 * 25 + 200, -1));
    let epochs = reader.epochs("house").unwrap();
    assert!(epochs[0].undone && !epochs[1].undone);
    assert_eq!(epochs[1].offsets, [(energy(), Number::new(200, -1))]);
}
