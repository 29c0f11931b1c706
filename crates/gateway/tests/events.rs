//! The event log from the fault to the person: counted, kept over a restart, read by `metergate events`.
#![allow(clippy::unwrap_used, reason = "a test says by failing what went wrong")]
use metergate_gateway::event::{Event, EventCode, EventLog, Happened, smgw_lite};
use metergate_gateway::store::{Store, StoreSetup};
use metergate_reading::{Instant, Trust};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// 2026-04-12T09:40:00Z.
const NOON_MS: i64 = 1_775_986_800_000;

fn happened(code: EventCode, about: Option<&str>, detail: &str, second: i64) -> Happened {
    let at = Instant { unix_ms: NOON_MS + second * 1000, trust: Trust::HostSynchronised };
    Happened { at, code, about: about.map(Into::into), detail: detail.to_owned() }
}

/// Puts these into a store and closes it.
fn keep(path: &Path, all: Vec<Happened>) {
    let (store, _) = Store::open(&StoreSetup::new(path.to_owned())).unwrap();
    let mut log = EventLog::default();
    let end = Duration::from_secs(3600);
    let mut events: Vec<Event> =
        all.into_iter().flat_map(|happened| log.tell(happened, Duration::ZERO)).collect();
    events.extend(log.finish(end));
    for event in events {
        store.event(event);
    }
    assert!(store.close(Duration::from_secs(30)));
}

/// Standard output and standard error of `metergate events`.
fn events(path: &Path, args: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_metergate"))
        .env_clear()
        .args(["events", "--store"])
        .arg(path)
        .args(args)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn row_63_the_log_survives_a_restart_and_goes_on_with_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metergate.db");
    keep(&path, vec![happened(EventCode::Started, None, "version 0.1.0, for the first time", 0)]);
    keep(
        &path,
        vec![
            happened(EventCode::Started, None, "version 0.1.0, after it was killed", 60),
            happened(EventCode::Silent, Some("haus"), "for 5 min", 400),
        ],
    );
    let (out, _) = events(&path, &["--format", "json"]);
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|line| (line["seq"].as_u64().unwrap(), &line["code"])).collect();
    assert_eq!(
        told,
        [(1, &"gateway.started".into()), (2, &"gateway.started".into()), (3, &"meter.silent".into())]
    );
    assert_eq!(
        lines[2],
        serde_json::json!({
            "seq": 3, "time": "2026-04-12T09:46:40.000Z", "code": "meter.silent", "number": 3007,
            "severity": "error", "about": "haus", "message": "No byte comes.", "detail": "for 5 min", "count": 1
        })
    );
}

#[test]
fn people_read_sentences_and_choose_by_meter_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metergate.db");
    let mut all = vec![
        happened(EventCode::Started, None, "version 0.1.0, for the first time", 0),
        happened(EventCode::SinkFailing, Some("haus"), "connection refused", 1),
    ];
    all.extend((0..8).map(|second| happened(EventCode::Refused, Some("haus"), "crc_mismatch", 10 + second)));
    all.push(happened(EventCode::Silent, Some("garage"), "for 5 min", 20));
    keep(&path, all);
    let (out, _) = events(&path, &[]);
    // The columns are as wide as the longest name; that is not the point here.
    let lines: Vec<String> =
        out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "2026-04-12T09:40:00Z info gateway.started The gateway has started: version 0.1.0, for the first time",
            "2026-04-12T09:40:01Z warning sink.failing sink `haus`: A sink cannot deliver: connection refused",
            "2026-04-12T09:40:10Z warning meter.refused meter `haus`: A telegram was refused: crc_mismatch",
            "2026-04-12T09:40:20Z error meter.silent meter `garage`: No byte comes: for 5 min",
            "2026-04-12T09:40:17Z warning meter.refused meter `haus`: A telegram was refused: crc_mismatch (7 times)",
        ]
    );
    let (of_meter, _) = events(&path, &["--meter", "haus"]);
    assert_eq!(of_meter.lines().count(), 2, "a sink of the same name is another thing: {of_meter}");
    let (late, _) = events(&path, &["--since", "2026-04-12T09:40:18Z"]);
    assert_eq!(late.lines().count(), 1, "{late}");
    assert_eq!(events(&path, &["--meter", "keller"]).0, "no events\n");
}

#[test]
fn a_store_that_is_not_there_and_a_time_that_is_none_are_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metergate.db");
    let (_, error) = events(&path, &[]);
    assert!(
        error.contains("there is no store here") && error.contains("help: `metergate run` begins it"),
        "{error}"
    );
    assert!(!path.exists(), "who reads makes nothing");
    let (_, error) = events(&path, &["--since", "soon"]);
    assert!(error.contains("`soon` is no time") && error.contains("help: such as `2h`"), "{error}");
}

#[test]
fn the_page_of_events_holds_each_of_them_and_each_code_of_smgw_lite() {
    let page = include_str!("../../../docs/events.md");
    let rows: Vec<String> = EventCode::ALL
        .iter()
        .map(|code| {
            let number = code.number().map_or_else(String::new, |number| number.to_string());
            format!("| `{}` | {} | {number} | {} |", code.text(), code.severity().text(), code.sentence())
        })
        .collect();
    assert_holds(page, &rows);
    let rows: Vec<String> = smgw_lite::CODES
        .iter()
        .map(|(number, name, equivalent)| match equivalent {
            smgw_lite::Equivalent::Event(code) => format!("| {number} | {name} | `{}` |", code.text()),
            smgw_lite::Equivalent::None(reason) => format!("| {number} | {name} | {reason} |"),
        })
        .collect();
    assert_holds(page, &rows);
}

/// Says the whole block, so that it can be put into the page.
fn assert_holds(page: &str, rows: &[String]) {
    let block = rows.join("\n");
    assert!(page.contains(&block), "docs/events.md must hold:\n{block}");
}
