//! A recording of a line, made by the running daemon, gives the same values again.
#![allow(clippy::unwrap_used, reason = "a test says by failing what went wrong")]
mod support;

use metergate_simulator::MeterKind;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use support::{DEADLINE, Pty, simulation, telegrams};

const TELEGRAMS: usize = 5;

fn metergate(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metergate"));
    command.args(arguments).current_dir(folder).env_clear().stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// What a line of JSON says beside where and when it was read.
fn registers(line: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(line).unwrap()["registers"].take()
}

#[test]
fn row_51_a_recording_replays_and_decodes_to_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    let mut pty = Pty::open();
    let meter =
        format!("[default.meter.haus]\nport = {:?}\nprotocol = \"sml\"\n", pty.device.to_str().unwrap());
    let sink = "[default.sink.screen]\nkind = \"stdout\"\nformat = \"json\"\n";
    fs::write(folder.path().join("metergate.toml"), format!("{meter}record = \"haus.capture\"\n{sink}"))
        .unwrap();

    let mut running = metergate(&["run"], folder.path()).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let mut sml = simulation(MeterKind::EasyMeterQ3a, Vec::new());
    let began = Instant::now();
    // Nobody hears what is sent before the port is open.
    while pty.baud() != 9600 {
        assert!(began.elapsed() < DEADLINE, "the port is not opened");
        std::thread::yield_now();
    }
    let mut live = Vec::new();
    while live.len() < TELEGRAMS {
        pty.send(&telegrams(&mut sml, 1));
        let line =
            lines.by_ref().find(|line| line.as_ref().unwrap().contains("\"registers\"")).unwrap().unwrap();
        live.push(registers(&line));
        assert!(began.elapsed() < DEADLINE, "{} telegrams", live.len());
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&running), rustix::process::Signal::INT)
        .unwrap();
    assert!(running.wait().unwrap().success());

    let again = "[default.meter.haus]\nport = \"/dev/null\"\nprotocol = \"sml\"\n";
    fs::write(folder.path().join("again.toml"), format!("{again}{sink}")).unwrap();
    for arguments in [
        &["replay", "haus.capture", "--config", "again.toml", "--speed", "0"][..],
        &["decode", "haus.capture", "--format", "json"],
    ] {
        let output = metergate(arguments, folder.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let told: Vec<_> =
            text.lines().filter(|line| line.contains("\"registers\"")).map(registers).collect();
        assert_eq!(told, live, "{arguments:?}");
    }
}
