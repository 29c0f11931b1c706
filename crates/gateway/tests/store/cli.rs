//! `metergate store`: what a person sees.
use crate::place::{NOON_MS, Place, SOON, event, measured, nth};
use clap::Parser;
use metergate_gateway::cli::{self, Cli, Failure, Outcome};
use metergate_gateway::config::Stream;
use metergate_gateway::store::{Store, UseCase};

fn metergate(args: &[&str]) -> (Result<Outcome, Failure>, String) {
    let cli = Cli::try_parse_from(["metergate", "store"].iter().chain(args)).unwrap();
    let mut out = Vec::new();
    let outcome = cli::execute(&cli, &mut out);
    let mut text = anstream::StripStream::new(Vec::new());
    std::io::Write::write_all(&mut text, &out).unwrap();
    (outcome, String::from_utf8(text.into_inner()).unwrap())
}

/// A store with some of everything, and whether its gateway still runs.
fn filled(place: &Place) -> Store {
    let (store, _) = place.open();
    for n in 0..6 {
        store.append(nth(n));
    }
    let mark = NOON_MS / 1000 / 900 * 900;
    for n in [0, 1, 3] {
        store.measured(measured(mark + n * 900, 250, UseCase::Taf7LoadProfile));
    }
    store.event(event("no byte for 5 minutes, \"line\" 1"));
    store.set_cursor("backend", Stream::Readings, 4);
    assert!(store.flush_blocking(SOON));
    store
}

#[test]
fn a_check_tells_what_is_there_while_the_gateway_runs() {
    let place = Place::new();
    let _store = filled(&place);
    let path = place.path();
    let (outcome, text) = metergate(&["check", "--path", path.to_str().unwrap()]);
    assert_eq!(outcome.unwrap(), Outcome::Done, "{text}");
    let text = text.replace(path.to_str().unwrap(), "metergate.db");
    insta::assert_snapshot!(text);
}

#[test]
fn the_store_of_a_configuration_is_found_with_its_budget() {
    let place = Place::new();
    let _store = filled(&place);
    let config = place.folder.path().join("metergate.toml");
    let text = format!(
        "[default]\nstate_directory = {:?}\n[default.meter.house]\nport = \"stdin\"\n[default.store]\nmax_mib = 10\nmax_age = \"720 h\"\n",
        place.folder.path().to_str().unwrap()
    );
    std::fs::write(&config, text).unwrap();
    let (outcome, text) = metergate(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text.contains("\nbudget   10.48 MB, detail of 30 days\n"), "{text}");
}

#[test]
fn a_damaged_store_is_told_with_exit_status_1_and_the_rest_is_exported() {
    let place = Place::new();
    assert!(filled(&place).close(SOON));
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    connection.execute("UPDATE recent SET bytes = x'28B52FFD' WHERE first = 3", []).unwrap();
    drop(connection);
    let path = place.path();
    let path = path.to_str().unwrap();
    let (outcome, text) = metergate(&["check", "--path", path]);
    assert_eq!(outcome.unwrap(), Outcome::Nothing);
    assert!(text.contains("damaged: block 3 of the store is damaged: "), "{text}");
    let (outcome, text) = metergate(&["export", "--path", path]);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert_eq!(text.lines().count(), 1 + 4 * 2, "four of six rows are in the other block:\n{text}");
}

#[test]
fn an_export_has_exact_decimals_in_either_format() {
    let place = Place::new();
    let _store = filled(&place);
    let path = place.path();
    let path = path.to_str().unwrap();
    let mut all = String::new();
    for what in ["readings", "quarter-hours", "events"] {
        for format in ["csv", "json"] {
            let (outcome, text) = metergate(&["export", "--path", path, "--what", what, "--format", format]);
            assert_eq!(outcome.unwrap(), Outcome::Done);
            all.push_str(&format!("{what} {format}\n{text}\n"));
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn an_export_is_of_the_time_and_the_meter_that_were_asked_for() {
    let place = Place::new();
    let _store = filled(&place);
    let path = place.path();
    let path = path.to_str().unwrap();
    let lines = |args: &[&str]| {
        let (outcome, text) = metergate(&[&["export", "--path", path], args].concat());
        assert_eq!(outcome.unwrap(), Outcome::Done);
        text.lines().count() - 1
    };
    assert_eq!(lines(&[]), 12);
    assert_eq!(lines(&["--meter", "garage"]), 4);
    assert_eq!(lines(&["--from", "2026-04-12T09:40:02Z", "--to", "2026-04-12T09:40:04Z"]), 4);
    assert_eq!(lines(&["--to", "2026-04-01"]), 0);
    assert_eq!(lines(&["--what", "quarter-hours", "--from", "2026-04-12T09:31:00Z"]), 4);
    let (outcome, _) = metergate(&["export", "--path", path, "--meter", "house", "--meter", "huose"]);
    let failure = outcome.unwrap_err();
    assert_eq!(failure.message(), "the store has no meter `huose`");
    assert_eq!(failure.help(), Some("it has garage, house"));
    let wrong = Cli::try_parse_from(["metergate", "store", "export", "--from", "yesterday"]).unwrap_err();
    assert!(wrong.to_string().contains("expected 2026-04-12 or 2026-04-12T09:40:00Z"), "{wrong}");
}

#[test]
fn a_vacuum_needs_the_gateway_stopped_and_gives_room_back() {
    let place = Place::new();
    let store = filled(&place);
    let path = place.path();
    let path = path.to_str().unwrap();
    let (outcome, _) = metergate(&["vacuum", "--path", path]);
    let failure = outcome.unwrap_err();
    assert!(failure.help().unwrap().contains("stop the gateway first"), "{failure}");
    for n in 0..200 {
        store.event(event(&format!("{n}").repeat(3_000)));
    }
    assert!(store.close(SOON));
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute("DELETE FROM event", []).unwrap();
    drop(connection);
    let before = std::fs::metadata(path).unwrap().len();
    let (outcome, text) = metergate(&["vacuum", "--path", path]);
    assert_eq!(outcome.unwrap(), Outcome::Done, "{text}");
    let after = std::fs::metadata(path).unwrap().len();
    assert!(after * 2 < before, "{before} {after}");
    let (outcome, _) = metergate(&["check", "--path", path]);
    assert_eq!(outcome.unwrap(), Outcome::Done);
}

#[test]
fn where_no_store_is_none_is_made() {
    let place = Place::new();
    let path = place.folder.path().join("nothing.db");
    for what in ["check", "export", "vacuum"] {
        let (outcome, _) = metergate(&[what, "--path", path.to_str().unwrap()]);
        assert!(outcome.unwrap_err().message().contains("there is no store here"));
        assert!(!path.exists());
    }
}
