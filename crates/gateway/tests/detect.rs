//! Finding meters on ports of which nothing is known: the command, and what the daemon remembers of it.
#![allow(clippy::unwrap_used, reason = "a test says by failing what went wrong")]
mod support;

use metergate_simulator::MeterKind;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{DEADLINE, Pty, simulation, telegrams};

#[test]
fn detect_finds_a_meter_on_a_port_and_prints_a_configuration_that_is_right() {
    let mut pty = Pty::open();
    let mut sml = simulation(MeterKind::EasyMeterQ3a, Vec::new());
    let mut program = Command::new(env!("CARGO_BIN_EXE_metergate"))
        .arg("detect")
        .arg(&pty.device)
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let began = Instant::now();
    // The meter pushes until the program has seen enough.
    while program.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < DEADLINE, "no answer within {DEADLINE:?}");
        pty.send(&telegrams(&mut sml, 1));
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut out = String::new();
    program.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(program.wait().unwrap().success(), "{out}");
    assert!(out.contains("sml (99 % sure)") && out.contains("at 9600 8N1"), "{out}");
    assert!(out.contains("registers in the first telegram"), "{out}");

    // What it prints is a configuration.
    let (_, configuration) = out.split_once("metergate.toml\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metergate.toml");
    std::fs::write(&file, configuration).unwrap();
    let checked = Command::new(env!("CARGO_BIN_EXE_metergate"))
        .args(["check-config", "--config"])
        .arg(&file)
        .env_clear()
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}\n{configuration}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn detect_says_what_is_wrong_with_a_port_that_is_none() {
    let output = Command::new(env!("CARGO_BIN_EXE_metergate"))
        .args(["detect", "nowhere"])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("`nowhere` is no port") && err.contains("/dev/ttyUSB0"), "{err}");

    // A device that is not there is not waited for.
    let output = Command::new(env!("CARGO_BIN_EXE_metergate"))
        .args(["detect", "/dev/serial/by-id/none"])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("there is no port /dev/serial/by-id/none") && err.contains("plugged in"), "{err}");
}
