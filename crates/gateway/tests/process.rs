//! The daemon as the system sees it: a process that gets signals and whose output may be read by nobody.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
mod support;

use metergate_simulator::MeterKind;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{DEADLINE, simulation, telegrams};

/// A gateway with one meter behind a serial server, a folder of CSV files and standard output.
struct Gateway {
    process: Child,
    meter: TcpStream,
    folder: tempfile::TempDir,
}

impl Gateway {
    fn start(stdout: Stdio) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let config = folder.path().join("metergate.toml");
        let text = format!(
            "[default]\nstate_directory = \"state\"\n\
             [default.store]\ncommit_interval = \"1 s\"\n\
             [default.meter.haus]\nport = \"tcp://{}\"\nprotocol = \"sml\"\nmax_power = 4000000000\n\
             [default.sink.screen]\nkind = \"stdout\"\nformat = \"json\"\n\
             [default.sink.files]\nkind = \"csv\"\ndirectory = \"csv\"\nfree_min_mib = 0\n",
            server.local_addr().unwrap()
        );
        std::fs::write(&config, text).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_metergate"))
            .args(["run", "--config"])
            .arg(&config)
            .env("RUNTIME_DIRECTORY", folder.path().join("run"))
            .stdin(Stdio::null())
            .stdout(stdout)
            .spawn()
            .unwrap();
        let (meter, _) = server.accept().unwrap();
        Self { process, meter, folder }
    }

    fn lines(&self) -> usize {
        let Ok(months) = std::fs::read_dir(self.folder.path().join("csv")) else { return 0 };
        // A file that was just begun has no header yet.
        let lines = |path: PathBuf| std::fs::read_to_string(path).unwrap().lines().count().saturating_sub(1);
        months.map(|month| lines(month.unwrap().path())).sum()
    }

    fn status(&self) -> Value {
        let path: &Path = &self.folder.path().join("run/status.json");
        std::fs::read(path).map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap())
    }

    fn wait_until(&self, what: &str, mut is_it: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + DEADLINE * 2;
        while !is_it(self) {
            assert!(Instant::now() < end, "no {what}: {} lines, status {}", self.lines(), self.status());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Resident memory in bytes.
    fn resident(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.process.id())).unwrap();
        let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
        pages * rustix::param::page_size() as u64
    }

    /// Asks it to end, and says how long that took.
    fn end(&mut self, signal: Signal) -> Duration {
        let began = Instant::now();
        kill_process(Pid::from_child(&self.process), signal).unwrap();
        while began.elapsed() < DEADLINE {
            if let Some(status) = self.process.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return began.elapsed();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_signal_ends_it_cleanly_with_everything_delivered() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut gateway = Gateway::start(Stdio::null());
        gateway
            .meter
            .write_all(&telegrams(&mut simulation(MeterKind::EasyMeterQ3a, Vec::new()), 20))
            .unwrap();
        gateway.wait_until("first line", |gateway| gateway.lines() > 0);
        let took = gateway.end(signal);
        assert!(took < Duration::from_secs(5), "{took:?}");
        let status = gateway.status();
        let telegrams = &status["meters"]["haus"]["telegrams"];
        assert_eq!(status["sinks"]["files"]["delivered"], *telegrams);
        assert_eq!(gateway.lines() as u64, telegrams.as_u64().unwrap());
        assert_eq!(status["sinks"]["screen"]["queued"], 0);
    }
}

#[test]
fn an_output_that_nobody_reads_changes_nothing_for_the_other_sinks() {
    const TELEGRAMS: usize = 2000;
    let mut gateway = Gateway::start(Stdio::piped());
    let mut meter = simulation(MeterKind::EasyMeterQ3a, Vec::new());
    for count in 1..=TELEGRAMS {
        gateway.meter.write_all(&telegrams(&mut meter, 1)).unwrap();
        // A live meter is slower than a disk; here it is just not faster.
        if count % 50 == 0 {
            gateway.wait_until("line in the CSV file", |gateway| gateway.lines() == count);
        }
    }
    // 2000 lines of JSON have 2.7 MB; a pipe takes 64 KiB of them and the queue 256 lines.
    gateway.wait_until("dropped line", |gateway| {
        gateway.status()["sinks"]["screen"]["dropped"].as_u64().is_some_and(|dropped| dropped > 1000)
    });
    // Of a build for tests, whose code alone has twice the size; `cargo xtask bench` holds that of a delivered one.
    let resident = gateway.resident();
    assert!(resident < 40 << 20, "{resident} bytes");
    let took = gateway.end(Signal::TERM);
    assert!(took < Duration::from_secs(8), "{took:?}");
    let status = gateway.status();
    assert_eq!(status["sinks"]["files"]["delivered"], TELEGRAMS);
    assert_eq!(status["sinks"]["files"]["dropped"], 0);
    assert_eq!(status["meters"]["haus"]["verdict"], "ok");
}

#[test]
fn a_replay_without_a_telegram_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[default.meter.haus]\nport = \"stdin\"\nprotocol = \"sml\"\n";
    std::fs::write(folder.path().join("metergate.toml"), text).unwrap();
    std::fs::write(folder.path().join("empty.bin"), b"").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_metergate"))
        .args(["replay", "empty.bin", "--speed", "0"])
        .current_dir(folder.path())
        .env_remove("METERGATE_CONFIG")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("no telegram of meter `haus` was read; `metergate decode empty.bin`"),
        "{errors}"
    );
}
