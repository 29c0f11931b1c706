//! VictoriaMetrics: a database that takes Influx lines and scrapes metrics, written by others.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses its part, and unwraps")]

use super::ports;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starting and answering take less than a second on an idle machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running database; ends when dropped.
pub struct Victoria {
    child: Child,
    pub port: u16,
}

/// One series as it is read back: its labels, and its values as the database prints them, each with its time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub labels: serde_json::Map<String, serde_json::Value>,
    pub rows: Vec<(i64, String)>,
}

impl Victoria {
    /// Starts it with its data in a folder and waits until it answers.
    ///
    /// # Panics
    /// When the program is missing: a test without its peer would prove nothing.
    pub fn start(folder: &Path, options: &[String]) -> Self {
        let port = ports::free();
        let child = Command::new("victoria-metrics")
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .arg(format!("-storageDataPath={}", folder.join("data").display()))
            // Readings of 2023; and each once, however often it is sent.
            .args(["-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms", "-memory.allowedBytes=64MB"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("victoria.log")).unwrap())
            .spawn()
            .expect("the package victoria-metrics is needed: sudo apt-get install victoria-metrics");
        let mut victoria = Self { child, port };
        let end = Instant::now() + DEADLINE;
        while !victoria.get("/health").is_some_and(|answer| answer.contains("OK")) {
            let log = || std::fs::read_to_string(folder.join("victoria.log")).unwrap();
            assert!(victoria.child.try_wait().unwrap().is_none(), "it ended: {}", log());
            assert!(Instant::now() < end, "it does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        victoria
    }

    /// The body of an answer to GET; `None` while nobody listens.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    }

    /// All series whose names begin so, in the order of their names.
    pub fn series(&self, prefix: &str) -> Vec<Series> {
        self.get("/internal/force_flush").unwrap();
        let query = format!("/api/v1/export?match%5B%5D=%7B__name__%3D~%22{prefix}.*%22%7D");
        let mut all: Vec<Series> = self.get(&query).unwrap().lines().map(series).collect();
        all.sort_by_key(|series| series.labels["__name__"].to_string());
        all
    }
}

fn series(line: &str) -> Series {
    let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
    // The numbers as they stand there: a float of ours in between would prove less.
    let values = line.split_once("\"values\":[").unwrap().1.split_once(']').unwrap().0;
    let times = parsed["timestamps"].as_array().unwrap().iter().map(|time| time.as_i64().unwrap());
    Series {
        labels: parsed["metric"].as_object().unwrap().clone(),
        rows: times.zip(values.split(',').map(str::to_owned)).collect(),
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
