//! What a person says of numbers in quarantine, and what a restart keeps of them.
use crate::daemon::{Daemon, Place, counter, energy, wait_for};
use metergate_gateway::event::EventCode;
use metergate_gateway::plausible::{EpochCause, Judgement, epoch_at, total};
use serde_json::Value;

/// 2026-04-12T10:00:00Z.
const START_S: i64 = 1_775_988_000;

fn count(place: &Place, code: EventCode) -> usize {
    place.events().iter().filter(|(one, _)| one == code.text()).count()
}

/// The list as programs get it, when it has so many numbers.
fn listed(place: &Place, number: usize) -> Vec<Value> {
    let list = || {
        let (_, out, _) = place.ask(&["quarantine", "--format", "json"]);
        out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    wait_for("numbers in quarantine", || list().len() == number);
    list()
}

/// The total of the counter in Wh, in every row.
fn totals(place: &Place) -> Vec<String> {
    let mut reader = place.reader();
    let epochs = reader.epochs("haus").unwrap();
    let mut rows = reader.rows_after(0, 1000).unwrap();
    rows.sort_by_key(|row| row.at.unix_ms);
    let of = |row: &metergate_gateway::store::Row| {
        let number = row.number(&energy())?;
        Some(total(epoch_at(&epochs, row.at.unix_ms).unwrap(), &energy(), number).unwrap().to_string())
    };
    rows.iter().filter_map(of).collect()
}

fn started(place: &Place) -> Daemon<'_> {
    let daemon = place.start();
    wait_for("socket", || place.path("run/control.sock").exists());
    daemon
}

#[test]
fn a_person_accepts_a_counter_that_fell_and_rejects_what_is_wrong() {
    let place = Place::new("taf7 = false\nboot_snapshot = false", "");
    let mut daemon = started(&place);
    for (second, wh) in [(0, 5000), (60, 30)] {
        daemon.say(&counter(START_S + second, "M1", wh));
    }
    let held = listed(&place, 1);
    assert_eq!(
        (&held[0]["number"], &held[0]["reason"], &held[0]["detail"]),
        (&"30".into(), &"rolled_back".into(), &"30 Wh after 5000 Wh".into())
    );
    let id = held[0]["id"].to_string();
    let (status, out, _) = place.ask(&["quarantine"]);
    assert_eq!(status, Some(0));
    let line = out.lines().nth(1).unwrap();
    assert!(line.contains("2026-04-12T10:01:00Z  1-0:1.8.0*255  30 Wh"), "{out}");
    assert!(out.contains("`metergate quarantine --accept ID` believes one"), "{out}");

    let (status, _, error) = place.ask(&["quarantine", "--accept", "77"]);
    assert_eq!(status, Some(2));
    assert!(error.contains("no such number is open in quarantine"), "{error}");
    let (status, out, error) = place.ask(&["quarantine", "--accept", &id]);
    assert_eq!((status, out.as_str()), (Some(0), "haus: 1 number is believed\n"), "{error}");
    listed(&place, 0);
    // What follows goes on from there, and what falls again is held again.
    for (second, wh) in [(120, 32), (180, 7)] {
        daemon.say(&counter(START_S + second, "M1", wh));
    }
    let held = listed(&place, 1);
    let (status, out, _) = place.ask(&["quarantine", "--reject", &held[0]["id"].to_string()]);
    assert_eq!((status, out.as_str()), (Some(0), "haus: 1 number is rejected for good\n"));
    listed(&place, 0);
    daemon.stop();
    assert_eq!(totals(&place), ["5000", "5000", "5002"]);
    let mut reader = place.reader();
    let judged: Vec<Judgement> =
        reader.held("haus", false).unwrap().iter().map(|held| held.judgement).collect();
    assert_eq!(judged, [Judgement::Released, Judgement::Rejected]);
    assert_eq!(reader.epochs("haus").unwrap()[1].cause, EpochCause::Reset);
    let (accepted, rejected) = (count(&place, EventCode::Accepted), count(&place, EventCode::Rejected));
    assert_eq!((accepted, rejected, count(&place, EventCode::CounterReset)), (1, 1, 1));
    let (status, out, _) = place.ask(&["quarantine", "haus", "--all"]);
    assert_eq!(status, Some(0));
    assert!(out.contains("released; rolled_back") && out.contains("rejected; rolled_back"), "{out}");
}

#[test]
fn a_kill_between_the_telegrams_of_another_meter_begins_its_count_not_anew() {
    let place = Place::new("taf7 = false\nboot_snapshot = false", "");
    let mut daemon = started(&place);
    for (second, meter, wh) in [(0, "OLD", 5000), (10, "NEW", 3)] {
        daemon.say(&counter(START_S + second, meter, wh));
    }
    listed(&place, 1);
    daemon.kill();
    let mut daemon = started(&place);
    daemon.say(&counter(START_S + 20, "NEW", 4));
    listed(&place, 2);
    daemon.stop();
    let mut daemon = started(&place);
    daemon.say(&counter(START_S + 30, "NEW", 6));
    wait_for("exchange", || place.rows() == 4);
    listed(&place, 0);
    daemon.stop();
    assert_eq!(totals(&place), ["5000", "5000", "5001", "5003"]);
    assert_eq!(count(&place, EventCode::MeterExchanged), 1);
}

#[test]
fn a_person_accepts_another_meter_without_waiting_for_the_third_telegram() {
    let place = Place::new("taf7 = false\nboot_snapshot = false", "");
    let mut daemon = started(&place);
    for (second, meter, wh) in [(0, "OLD", 5000), (10, "NEW", 3)] {
        daemon.say(&counter(START_S + second, meter, wh));
    }
    let held = listed(&place, 1);
    assert_eq!(held[0]["identity"], "NEW");
    let (status, _, error) = place.ask(&["quarantine", "--accept", &held[0]["id"].to_string()]);
    assert_eq!(status, Some(0), "{error}");
    daemon.say(&counter(START_S + 20, "NEW", 4));
    wait_for("the next reading", || place.rows() == 3);
    daemon.stop();
    assert_eq!(totals(&place), ["5000", "5000", "5001"]);
    assert_eq!(count(&place, EventCode::MeterExchanged), 1);
}
