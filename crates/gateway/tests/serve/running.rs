//! Gateways as processes, and a meter behind a serial server that feeds them.

use metergate_simulator::{MeterKind, Simulation};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{DEADLINE, simulation, telegrams};

/// A gateway; ends when dropped.
pub(crate) struct Gateway {
    process: Child,
    /// Lines of readings and of the log, as they came.
    readings: Arc<Mutex<Vec<Value>>>,
    log: Arc<Mutex<String>>,
}

impl Gateway {
    /// Starts it with a configuration and a sink on standard output.
    pub(crate) fn start(folder: &Path, name: &str, config: &str) -> Self {
        let file = folder.join(format!("{name}.toml"));
        let screen = "[default.sink.screen]\nkind = \"stdout\"\nformat = \"json\"\n";
        std::fs::write(&file, format!("{config}{screen}")).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_metergate"))
            .args(["run", "--config"])
            .arg(&file)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (readings, log) = (Arc::<Mutex<Vec<Value>>>::default(), Arc::<Mutex<String>>::default());
        let (out, err) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        let (told, said) = (Arc::clone(&readings), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                told.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        std::thread::spawn(move || {
            for line in BufReader::new(err).lines().map_while(Result::ok) {
                said.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { process, readings, log }
    }

    /// The registers of each reading so far.
    pub(crate) fn registers(&self) -> Vec<Value> {
        let readings = self.readings.lock().unwrap();
        readings.iter().map(|line| line["registers"].clone()).filter(|value| !value.is_null()).collect()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for the end, and says whether it was a good one.
    pub(crate) fn ends_well(&mut self) -> bool {
        until("end", || self.process.try_wait().unwrap().map(|status| status.success()))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A meter that sends a telegram every 100 ms to whoever connects.
pub(crate) fn meter(kind: MeterKind) -> u16 {
    let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut meter: Simulation = simulation(kind, Vec::new());
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            while stream.write_all(&telegrams(&mut meter, 1)).is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    });
    port
}

/// Waits until something is there.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE * 2;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "no {what} within {:?}", DEADLINE * 2);
        std::thread::sleep(Duration::from_millis(10));
    }
}
