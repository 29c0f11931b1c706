//! Meters that are exchanged, counters that fall and values that come late.
use crate::broker::{Broker, Listener};
use crate::daemon::{Place, counter, energy, listen, telegram, text, wait_for};
use metergate_gateway::event::EventCode;
use metergate_gateway::plausible::{EpochCause, HeldReason, epoch_at, total};
use metergate_gateway::store::{Mark, Quality, RowFlags};
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::Arc;

/// 2026-04-12T10:00:00Z.
const START_S: i64 = 1_775_988_000;

/// A broker, and a place whose gateway sends every reading and quarter hour to it.
fn place() -> (Broker, Arc<Listener>, Place) {
    let broker = Broker::start();
    let listener = listen(broker.port, "metergate/haus/history");
    let sink = format!(
        "[default.sink.broker]\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\nstreams = [\"readings\"]\nderived = false\n\
         [default.sink.files]\nkind = \"csv\"\ndirectory = \"csv\"\nfree_min_mib = 0\n",
        broker.port
    );
    (broker, listener, Place::new("taf7 = false\nboot_snapshot = false", &sink))
}

/// Totals of the counter in Wh that a subscriber has got, in the order they came.
fn totals(listener: &Listener) -> Vec<String> {
    let documents = listener.so_far();
    let documents = documents.iter().map(|one| serde_json::from_str::<Value>(&one.payload).unwrap());
    documents.map(|one| one["registers"]["1-0_1.8.0"].to_string()).collect()
}

#[test]
fn row_30_an_exchanged_meter_and_its_return_go_on_in_every_sink_and_an_exchange_is_undone() {
    let (_broker, listener, place) = place();
    let series: [(&str, &[i64]); 3] =
        [("OLD", &[4998, 4999, 5000]), ("NEW", &[3, 4, 7, 10]), ("OLD", &[5000, 5000, 5000, 5001])];
    let mut at_s = START_S;
    let mut telegrams = Vec::new();
    for (meter, energies) in series {
        for kwh in energies {
            at_s += 900;
            telegrams.extend(counter(at_s, meter, kwh * 1000));
        }
    }
    let mut daemon = place.start();
    daemon.say(&telegrams);
    let wanted = ["4998000", "4999000", "5000000", "5000000", "5001000", "5004000", "5007000"];
    let wanted: Vec<&str> = wanted.into_iter().chain(["5007000"; 3]).chain(["5008000"]).collect();
    wait_for("total of 5008 kWh", || listener.so_far().len() >= wanted.len());
    assert_eq!(totals(&listener), wanted, "{}", place.log());

    let (status, out, error) = place.ask(&["epochs"]);
    assert_eq!((status, error.as_str()), (Some(0), ""));
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    let shown: Vec<[&str; 2]> = lines[1..].iter().map(|line| [line[3], line[4]]).collect();
    assert_eq!(shown, [["OLD", "first"], ["NEW", "exchanged"], ["OLD", "exchanged"]], "{out}");

    // The return was none: what counts is the first meter all the time, as it stands now.
    let undo = |number: &str| place.ask(&["epochs", "--undo", number]);
    let (status, out, error) = undo(lines[2][0]);
    assert_eq!((status, error.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("is undone"), "{out}");
    let (status, _, error) = undo("77");
    assert_eq!(status, Some(2));
    assert!(error.contains("there is no epoch 77"), "{error}");
    daemon.say(&counter(at_s + 900, "OLD", 5_002_000));
    wait_for("reading after the undo", || listener.so_far().len() > wanted.len());
    daemon.stop();

    let mut reader = place.reader();
    let epochs = reader.epochs("haus").unwrap();
    assert!(epochs[1].undone && epochs[2].cause == EpochCause::Exchanged);
    let row = reader.latest("haus").unwrap().unwrap();
    let epoch = epoch_at(&epochs, row.at.unix_ms).unwrap();
    let recomputed = total(epoch, &energy(), row.number(&energy()).unwrap()).unwrap();
    assert_eq!(totals(&listener).last().unwrap(), &recomputed.to_string());
    println!("after the undo: {recomputed} Wh");
    let codes: Vec<String> = place.events().into_iter().map(|(code, _)| code).collect();
    let count = |code: EventCode| codes.iter().filter(|one| *one == code.text()).count();
    assert_eq!((count(EventCode::MeterExchanged), count(EventCode::ExchangeUndone)), (2, 1));
}

#[test]
fn row_31_a_counter_of_30_after_43354009_is_in_no_sink_and_a_late_value_is_merged() {
    let (_broker, listener, place) = place();
    // 0.1 Wh, as the reference system counts.
    let said = |second: i64, tenths: i64| {
        let kwh = format!("{}.{:04}*kWh", tenths / 10_000, tenths % 10_000);
        telegram(START_S + second, "M1", &[("1-0:1.8.0", &kwh), ("1-0:16.7.0", "510*W")])
    };
    let mut daemon = place.start();
    for (second, tenths) in [(0, 43_354_009), (60, 30), (120, 43_354_209), (90, 43_354_109)] {
        daemon.say(&said(second, tenths));
    }
    wait_for("four readings", || listener.so_far().len() >= 4);
    daemon.stop();
    assert_eq!(totals(&listener), ["4335400.9", "null", "4335420.9", "4335410.9"]);
    let mut files = String::new();
    for file in std::fs::read_dir(place.path("csv")).unwrap() {
        let file = std::fs::read_to_string(file.unwrap().path()).unwrap();
        writeln!(files, "{file}").unwrap();
    }
    let energies: Vec<&str> = files.lines().skip(1).filter_map(|line| line.split(';').nth(10)).collect();
    assert_eq!(energies, ["4335401", "", "4335421", "4335411"], "whole Wh, as this file has them");

    let mut reader = place.reader();
    let held = reader.held("haus", true).unwrap();
    assert_eq!((held.len(), held[0].reason), (1, HeldReason::RolledBack));
    assert_eq!((held[0].number.to_string(), held[0].at.unix_ms), ("3.0".to_owned(), (START_S + 60) * 1000));
    let rows = reader.rows_after(0, 10).unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows[3].flags.contains(RowFlags::LATE) && rows[1].number(&energy()).is_none());
    let events = place.events();
    let detail = |code: EventCode| {
        let found = events.iter().find(|(one, _)| one == code.text());
        found.unwrap_or_else(|| panic!("no {}", code.text())).1.clone()
    };
    assert!(detail(EventCode::RolledBack).contains("3.0 Wh after 4335400.9 Wh"), "{events:?}");
    detail(EventCode::Merged);
    assert_eq!(text(&place.status()["meters"]["haus"]["verdict"]), "ok");
}

#[test]
fn a_late_reading_nearer_to_the_mark_corrects_a_quarter_hour_once_in_sinks_and_reports() {
    let broker = Broker::start();
    let listener = listen(broker.port, "metergate/haus/history");
    let sink = format!(
        "[default.sink.broker]\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\nstreams = [\"quarter-hours\"]\n",
        broker.port
    );
    let place = Place::new("boot_snapshot = false\ntaf14 = true", &sink);
    let mut daemon = place.start();
    // Half a minute late at the first mark; a minute is late until the next.
    for (second, wh) in [(30, 1030), (900, 1900), (1800, 2800)] {
        daemon.say(&counter(START_S + second, "M1", wh));
    }
    wait_for("three of each", || listener.so_far().len() >= 6);
    // Nearer to the mark, then one that is not, then the same once more.
    for (second, wh) in [(3, 1003), (9, 1009), (3, 1003)] {
        daemon.say(&counter(START_S + second, "M1", wh));
    }
    wait_for("corrections", || listener.so_far().len() >= 8);
    wait_for("late readings", || place.rows() >= 5);
    daemon.stop();

    let documents = listener.so_far();
    let documents: Vec<Value> =
        documents.iter().map(|one| serde_json::from_str(&one.payload).unwrap()).collect();
    let of_mark = |case: &str| -> Vec<(String, String, String)> {
        let first = documents
            .iter()
            .filter(|one| one["use_case"] == case && text(&one["mark"]).starts_with("2026-04-12T10:00:00"));
        first
            .map(|one| {
                let wh = one["registers"]["1-0_1.8.0"].to_string();
                (wh, text(&one["quality"]), one["flags"].to_string())
            })
            .collect()
    };
    let row = |wh: &str, quality: &str, flags: &str| (wh.to_owned(), quality.to_owned(), flags.to_owned());
    for case in ["taf7", "taf14"] {
        let wanted = [row("1030", "late", "[]"), row("1003", "exact", "[\"late\",\"corrected\"]")];
        assert_eq!(of_mark(case), wanted);
    }
    assert_eq!(documents.len(), 8, "{documents:?}");

    let mut reader = place.reader();
    let mark = |second| Mark::from_unix_s(START_S + second);
    let found = reader.quarter_hours("haus", &energy(), mark(0), mark(900)).unwrap();
    let value = found[0].value.unwrap();
    assert_eq!((value.to_string().as_str(), found[0].quality), ("1003", Quality::Exact));
    let events = place.events();
    let told: Vec<&str> = events
        .iter()
        .filter(|(code, _)| code == EventCode::Corrected.text())
        .map(|(_, detail)| detail.as_str())
        .collect();
    let words = |taf: u8| format!("values like TAF {taf} of earlier readings: that of 2026-04-12T10:00:00Z");
    assert_eq!(told.len(), 2, "{events:?}");
    assert!(told.contains(&words(7).as_str()) && told.contains(&words(14).as_str()), "{told:?}");
}
