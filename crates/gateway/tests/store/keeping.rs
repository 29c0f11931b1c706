//! Appending, committing, spooling, and what a start finds.
use crate::place::{NOON_MS, Place, SOON, all_rows, event, measured, nth, row, wait_for};
use metergate_gateway::config::Stream;
use metergate_gateway::event::EventCode;
use metergate_gateway::plausible::{Epoch, EpochCause, Held, HeldReason, Judgement};
use metergate_gateway::store::{
    Measured, Quality, Recovered, Remark, Row, RowFlags, Store, StoreError, UseCase,
};
use metergate_reading::{Instant, Number, RegisterId, Trust, Unit};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[test]
fn rows_come_back_as_they_were_put_in() {
    let place = Place::new();
    let (store, recovered) = place.open();
    assert_eq!(recovered, Recovered::default());
    let mut expected: Vec<Arc<Row>> = Vec::new();
    for n in 0..500 {
        expected.push(store.append(nth(n)));
        if n % 70 == 0 {
            assert!(store.flush_blocking(SOON));
        }
    }
    assert!(store.flush_blocking(SOON));
    assert_eq!(store.committed().borrow().rows, 500);
    let expected: Vec<Row> = expected.iter().map(|row| (**row).clone()).collect();
    assert_eq!(expected.iter().map(|row| row.seq).collect::<Vec<_>>(), (1..=500).collect::<Vec<_>>());
    assert_eq!(all_rows(&store), expected);

    // In any step, from any place.
    let mut reader = store.reader();
    for (step, from) in [(1, 493), (7, 0), (64, 69), (500, 0), (1000, 499)] {
        let mut seen = Vec::new();
        let mut cursor = from;
        loop {
            let rows = reader.rows_after(cursor, step).unwrap();
            assert!(rows.len() <= step);
            let Some(last) = rows.last() else { break };
            cursor = last.seq;
            seen.extend(rows);
        }
        assert_eq!(seen, expected[usize::try_from(from).unwrap()..], "{step} from {from}");
    }
    assert!(reader.rows_after(500, 10).unwrap().is_empty());
}

#[test]
fn nothing_is_seen_before_it_is_committed() {
    let place = Place::new();
    let (store, _) = place.open();
    let mut reader = store.reader();
    let committed = store.committed();
    store.append(nth(0));
    assert!(reader.rows_after(0, 10).unwrap().is_empty());
    assert_eq!(committed.borrow().rows, 0);
    // A quarter hour waits for nobody, and takes along what waits.
    let seq = store.measured(measured(900, 3_000, UseCase::Taf7LoadProfile));
    wait_for(|| committed.borrow().measured == seq);
    assert_eq!(reader.measured_after(0, 10).unwrap().len(), 1);
    assert_eq!(reader.rows_after(0, 10).unwrap().len(), 1);
}

#[test]
fn a_kill_loses_nothing_while_the_spool_survives() {
    let place = Place::new();
    let (store, _) = place.open();
    for n in 0..40 {
        store.append(nth(n));
    }
    assert!(store.flush_blocking(SOON));
    for n in 40..100 {
        store.append(nth(n));
    }
    store.set_cursor("mqtt", Stream::Readings, 40);
    let expected: Vec<Row> = (0..100).map(|n| Row { seq: u64::try_from(n).unwrap() + 1, ..nth(n) }).collect();

    let copy = place.crash(true);
    let (after, recovered) = copy.open();
    assert_eq!(recovered.replayed, 60);
    assert_eq!(recovered.torn, 0);
    assert_eq!(all_rows(&after), expected);
    let mut reader = after.reader();
    assert_eq!(reader.cursor("mqtt", Stream::Readings).unwrap(), Some(40));
    assert_eq!(reader.cursor("mqtt", Stream::Events).unwrap(), None);
    assert_eq!(reader.events_after(0, 10).unwrap()[0].code, EventCode::StoreReplayed);
    assert_eq!(after.append(nth(100)).seq, 101);

    // A power cut takes the spool: detail of the last interval is gone, nothing else.
    let copy = place.crash(false);
    let (after, recovered) = copy.open();
    assert_eq!(recovered, Recovered::default());
    assert_eq!(all_rows(&after), expected[..40]);
}

#[test]
fn a_crash_between_the_commit_and_the_end_of_the_spool_doubles_nothing() {
    let place = Place::new();
    let (store, _) = place.open();
    for n in 0..50 {
        store.append(nth(n));
    }
    store.event(event("first"));
    // The spool of before the commit beside the database of after it.
    let before = place.crash(true);
    assert!(store.flush_blocking(SOON));
    let after = place.crash(false);
    for ending in ["", "-wal"] {
        let name = format!("metergate.db{ending}");
        std::fs::copy(after.folder.path().join(&name), before.folder.path().join(&name)).unwrap();
    }
    let (store, recovered) = before.open();
    assert_eq!(recovered, Recovered::default());
    assert_eq!(all_rows(&store).len(), 50);
    assert_eq!(store.reader().events_after(0, 10).unwrap().len(), 1);
}

#[test]
fn a_torn_frame_ends_the_spool_and_is_told() {
    let place = Place::new();
    let (store, _) = place.open();
    for n in 0..50 {
        store.append(nth(n));
    }
    let copy = place.crash(true);
    let spool = only_file(&copy.folder.path().join("spool"));
    let bytes = std::fs::read(&spool).unwrap();
    std::fs::write(&spool, &bytes[..bytes.len() - 3]).unwrap();
    let (after, recovered) = copy.open();
    assert_eq!((recovered.replayed, recovered.torn), (49, 1));
    assert_eq!(all_rows(&after).len(), 49);
}

fn only_file(folder: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(folder).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file
}

#[test]
fn an_earlier_reading_takes_the_mark_and_a_later_one_does_not() {
    let place = Place::new();
    let (store, _) = place.open();
    let taf7 = UseCase::Taf7LoadProfile;
    store.measured(measured(900, 20_000, taf7));
    store.measured(measured(900, 2_000, taf7));
    store.measured(measured(900, 4_000, taf7));
    store.measured(measured(1800, 0, taf7));
    // Snapshots have no grid: two in a second are two.
    store.measured(measured(1800, 0, UseCase::Taf6OnDemand));
    store.measured(measured(1800, 500, UseCase::Taf6OnDemand));
    assert!(store.flush_blocking(SOON));
    let kept = store.reader().measured_after(0, 100).unwrap();
    assert_eq!(kept.iter().map(|one| one.seq).collect::<Vec<_>>(), [2, 4, 5, 6]);
    assert_eq!(
        kept[0],
        Measured { seq: 2, row: Row { seq: 0, ..kept[0].row.clone() }, ..measured(900, 2_000, taf7) }
    );
}

#[test]
fn an_earlier_reading_of_a_mark_that_was_seen_is_a_correction_with_a_number_of_its_own() {
    let place = Place::new();
    let (store, _) = place.open();
    let taf7 = UseCase::Taf7LoadProfile;
    store.measured(measured(900, 20_000, taf7));
    store.measured(measured(1800, 5_000, taf7));
    assert!(store.flush_blocking(SOON));
    // Two better ones in one commit, the best in the middle, and one that is no better than what is there.
    store.measured(measured(900, 8_000, taf7));
    store.measured(measured(900, 2_000, taf7));
    store.measured(measured(1800, 6_000, taf7));
    assert!(store.flush_blocking(SOON));
    let mut reader = store.reader();
    let kept = reader.measured_after(0, 100).unwrap();
    let kept: Vec<_> = kept.iter().map(|one| (one.seq, one.mark.unix_s(), one.row.flags)).collect();
    assert_eq!(kept, [(2, 1800, RowFlags::default()), (4, 900, RowFlags::CORRECTED)]);
    wait_for(|| !reader.events_after(0, 10).unwrap().is_empty());
    let events = reader.events_after(0, 10).unwrap();
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.code, event.about.as_deref()), (EventCode::Corrected, Some("house")));
    assert_eq!(event.detail, "values like TAF 7 of earlier readings: that of 1970-01-01T00:15:00Z");
    // What a person has put there stays.
    let by_hand = Measured { quality: Quality::Substituted, ..measured(900, 9_000, taf7) };
    store.measured(by_hand);
    store.measured(measured(900, 0, taf7));
    assert!(store.flush_blocking(SOON));
    let kept = reader.measured_after(4, 100).unwrap();
    assert_eq!(kept.iter().map(|one| one.quality).collect::<Vec<_>>(), [Quality::Substituted]);
}

#[test]
fn a_reading_without_a_time_is_dated_afterwards_and_not_shown_before() {
    let place = Place::new();
    let (store, _) = place.open();
    let booted = Instant { unix_ms: NOON_MS, trust: Trust::HostSynchronised };
    let undated = |ms| Row { at: Instant { unix_ms: ms, trust: Trust::None }, ..row("house", 0, [ms, 0]) };
    assert_eq!(store.append(undated(5_000)).seq, 0);
    assert_eq!(store.append(undated(6_000)).seq, 0);
    assert!(store.flush_blocking(SOON));
    assert_eq!(store.append(undated(7_000)).seq, 0);
    assert_eq!(store.append(nth(1)).seq, 1);
    // A kill in between loses none of them.
    let copy = place.crash(true);
    for (store, boot) in [(store, "boot-1"), (copy.open().0, "boot-1")] {
        assert!(store.flush_blocking(SOON));
        assert_eq!(all_rows(&store).len(), 1);
        assert_eq!(store.date_rows("another boot", booted).blocking_recv(), Ok(vec![]));
        let dated = store.date_rows(boot, booted).blocking_recv().unwrap();
        let expected: Vec<Row> = [5_000, 6_000, 7_000]
            .into_iter()
            .zip(2..)
            .map(|(ms, seq)| Row {
                seq,
                flags: RowFlags::DATED_LATER,
                meter_clock_s: Some(0),
                ..row("house", NOON_MS + ms, [ms, 0])
            })
            .collect();
        assert_eq!(dated.iter().map(|row| (**row).clone()).collect::<Vec<_>>(), expected);
        assert_eq!(all_rows(&store)[1..], expected);
        assert_eq!(store.date_rows(boot, booted).blocking_recv(), Ok(vec![]), "each only once");
        assert_eq!(store.append(nth(2)).seq, 5);
    }
}

#[test]
fn every_reading_that_came_before_the_request_is_dated_however_busy_the_writer_is() {
    let place = Place::new();
    let (store, _) = place.open();
    let booted = Instant { unix_ms: NOON_MS, trust: Trust::HostSynchronised };
    let undated = |ms| Row { at: Instant { unix_ms: ms, trust: Trust::None }, ..row("house", 0, [ms, 0]) };
    for n in 0..100 {
        store.append(undated(2 * n));
        // The writer begins with the one before; the next comes while it writes, or just before, or after.
        drop(store.flush());
        std::thread::yield_now();
        store.append(undated(2 * n + 1));
        let dated = store.date_rows("boot-1", booted).blocking_recv().unwrap();
        let dated: Vec<i64> = dated.iter().map(|row| row.at.unix_ms - NOON_MS).collect();
        assert_eq!(dated, [2 * n, 2 * n + 1]);
    }
}

#[test]
fn a_damaged_file_is_moved_aside_and_meters_are_read_on() {
    for damage in [Damage::Header, Damage::Page, Damage::Text] {
        let place = Place::new();
        let (store, _) = place.open();
        for n in 0..2000 {
            store.append(nth(n));
        }
        assert!(store.flush_blocking(SOON));
        assert!(store.close(SOON));
        let mut bytes = std::fs::read(place.path()).unwrap();
        match damage {
            Damage::Header => bytes[0] = b'X',
            Damage::Page => bytes[4096 * 2..4096 * 3].fill(0xA5),
            Damage::Text => bytes = b"this is no database at all".to_vec(),
        }
        std::fs::write(place.path(), bytes).unwrap();
        let _ = std::fs::remove_file(place.folder.path().join("metergate.db-wal"));
        let (store, recovered) = place.open();
        let aside = recovered.moved_aside.unwrap();
        assert!(aside.exists() && aside.to_str().unwrap().contains(".damaged-"), "{}", aside.display());
        store.append(nth(1));
        assert!(store.flush_blocking(SOON));
        assert_eq!(all_rows(&store).len(), 1);
        let events = store.reader().events_after(0, 10).unwrap();
        assert_eq!(events[0].code, EventCode::StoreFailing);
    }
}

enum Damage {
    Header,
    Page,
    Text,
}

#[test]
fn a_newer_schema_is_refused_and_stays_as_it_is() {
    let place = Place::new();
    assert!(place.open().0.close(SOON));
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = Store::open(&place.setup()).unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("newer metergate"), "{error}");
    assert!(place.path().exists());
}

#[test]
fn two_gateways_do_not_write_one_store() {
    let place = Place::new();
    let (_store, _) = place.open();
    assert!(matches!(Store::open(&place.setup()), Err(StoreError::InUse { .. })));
}

#[test]
fn a_cursor_outlives_the_process() {
    let place = Place::new();
    let (store, _) = place.open();
    store.append(nth(0));
    store.set_cursor("influx", Stream::Measured, 7);
    store.set_cursor("influx", Stream::Measured, 9);
    assert!(store.close(SOON));
    let (store, _) = place.open();
    assert_eq!(store.reader().cursor("influx", Stream::Measured).unwrap(), Some(9));
    // What a cursor has passed is not given again, though nothing is there.
    assert_eq!(store.measured(measured(900, 0, UseCase::Taf7LoadProfile)), 10);
    assert_eq!(store.reader().first_seq(Stream::Readings).unwrap(), Some(1));
}

#[test]
fn epochs_held_numbers_and_remarks_survive_a_kill_as_they_were_last() {
    let place = Place::new();
    let (store, _) = place.open();
    let register: RegisterId = "1-0:1.8.0".parse().unwrap();
    let epoch = |from_ms, offset| Epoch {
        id: 0,
        meter: "house".into(),
        from_ms,
        identity: None,
        cause: EpochCause::Exchanged,
        offsets: vec![(register.clone(), Number::new(offset, 0))],
        undone: false,
    };
    let held = Held {
        id: 0,
        meter: "house".into(),
        at: nth(0).at,
        register: register.clone(),
        number: Number::new(9, 0),
        unit: Some(Unit::WattHour),
        reason: HeldReason::RolledBack,
        detail: "from 10 to 9".to_owned(),
        judgement: Judgement::Open,
        identity: None,
    };
    let remark = |value: &str| Remark {
        meter: "house".into(),
        id: "1-0:96.1.0".parse().unwrap(),
        since: nth(0).at,
        value: value.to_owned(),
    };
    let first = store.epoch(epoch(1_000, 500));
    let id = store.hold(held.clone());
    store.remark(remark("old"));
    assert!(store.flush_blocking(SOON));
    // The spool has all of it too when the commit is not known to have happened.
    let second = store.epoch(epoch(2_000, 700));
    store.undo_epoch(first);
    store.judge(id, Judgement::Released);
    store.remark(remark("new"));
    let mut copies = vec![place.crash(true)];
    let before = place.crash(true);
    assert!(store.flush_blocking(SOON));
    let after = place.crash(false);
    for ending in ["", "-wal"] {
        let name = format!("metergate.db{ending}");
        std::fs::copy(after.folder.path().join(&name), before.folder.path().join(&name)).unwrap();
    }
    copies.push(before);
    for copy in copies {
        let (store, _) = copy.open();
        let mut reader = store.reader();
        let epochs = reader.epochs("house").unwrap();
        assert_eq!(
            epochs.iter().map(|epoch| (epoch.id, epoch.undone)).collect::<Vec<_>>(),
            [(first, true), (second, false)]
        );
        assert_eq!(
            epochs[1].offsets,
            [(register.clone(), Number::new(200, 0))],
            "the step of 500 went out once"
        );
        assert_eq!(reader.held("house", true).unwrap(), []);
        assert_eq!(
            reader.held("house", false).unwrap(),
            [Held { id, judgement: Judgement::Released, ..held.clone() }]
        );
        assert_eq!(reader.remarks("house").unwrap(), [remark("new")]);
        assert_eq!(store.epoch(epoch(3_000, 900)), second + 1, "no id is given twice");
        // One with an id takes the place of what was known of it.
        assert_eq!(store.epoch(Epoch { id: second, undone: true, ..epoch(2_000, 0) }), second);
        assert!(store.flush_blocking(SOON));
        assert_eq!(reader.epochs("house").unwrap().iter().filter(|epoch| epoch.undone).count(), 2);
    }
}
