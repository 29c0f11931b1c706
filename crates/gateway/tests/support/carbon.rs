//! carbon-cache, the Graphite server, and what it has kept in its files.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses its part, and unwraps")]

use super::ports;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starting Python takes a second or two on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running server; ends when dropped.
pub struct Carbon {
    child: Child,
    folder: PathBuf,
    pub plaintext: u16,
    pub pickle: u16,
}

/// Ports of a server, free when they were chosen.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub plaintext: u16,
    pub pickle: u16,
    query: u16,
}

impl Ports {
    pub fn free() -> Self {
        Self { plaintext: ports::free(), pickle: ports::free(), query: ports::free() }
    }
}

impl Carbon {
    /// Starts it in a folder that holds its configuration and its files, a value a second for an hour.
    ///
    /// # Panics
    /// When the program is missing: a test without its peer would prove nothing.
    pub fn start(folder: &Path, ports: Ports) -> Self {
        let at = |name: &str| folder.join(name).display().to_string();
        for name in ["conf", "whisper", "log", "run"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        let Ports { plaintext, pickle, query } = ports;
        let conf = format!(
            "[cache]\nSTORAGE_DIR = {root}\nLOCAL_DATA_DIR = {whisper}\nCONF_DIR = {conf}\nLOG_DIR = {log}\n\
             PID_DIR = {run}\nDATABASE = whisper\nENABLE_LOGROTATION = False\nUSER =\nMAX_CACHE_SIZE = inf\n\
             MAX_UPDATES_PER_SECOND = inf\nMAX_CREATES_PER_MINUTE = inf\nMIN_TIMESTAMP_RESOLUTION = 1\n\
             LINE_RECEIVER_INTERFACE = 127.0.0.1\nLINE_RECEIVER_PORT = {plaintext}\n\
             PICKLE_RECEIVER_INTERFACE = 127.0.0.1\nPICKLE_RECEIVER_PORT = {pickle}\n\
             CACHE_QUERY_INTERFACE = 127.0.0.1\nCACHE_QUERY_PORT = {query}\nUSE_FLOW_CONTROL = True\n\
             LOG_UPDATES = False\nWHISPER_AUTOFLUSH = True\n",
            root = folder.display(),
            whisper = at("whisper"),
            conf = at("conf"),
            log = at("log"),
            run = at("run"),
        );
        std::fs::write(folder.join("conf/carbon.conf"), conf).unwrap();
        let schemas = "[all]\npattern = .*\nretentions = 1s:1h\n";
        std::fs::write(folder.join("conf/storage-schemas.conf"), schemas).unwrap();
        let child = Command::new("carbon-cache")
            .args(["--nodaemon", "--config"])
            .arg(folder.join("conf/carbon.conf"))
            .arg("--logdir")
            .arg(folder.join("log"))
            .arg("start")
            .env("GRAPHITE_ROOT", folder)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(folder.join("log/out")).unwrap())
            .stderr(std::fs::File::create(folder.join("log/err")).unwrap())
            .spawn()
            .expect("the package graphite-carbon is needed: sudo apt-get install graphite-carbon");
        let mut carbon = Self { child, folder: folder.to_owned(), plaintext, pickle };
        let end = Instant::now() + DEADLINE;
        while [plaintext, pickle].into_iter().any(|port| TcpStream::connect(("127.0.0.1", port)).is_err()) {
            let log = || {
                let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
                read("log/out") + &read("log/err")
            };
            assert!(carbon.child.try_wait().unwrap().is_none(), "it ended: {}", log());
            assert!(Instant::now() < end, "it does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        carbon
    }

    /// What it has kept of a metric from a second to another, both included; `None` while it has no such file.
    pub fn values(&self, metric: &str, from: i64, until: i64) -> Option<Vec<(i64, String)>> {
        let file = self.folder.join("whisper").join(format!("{}.wsp", metric.replace('.', "/")));
        if !file.exists() {
            return None;
        }
        let output = Command::new("whisper-fetch")
            .args(["--drop", "nulls", "--from", &(from - 1).to_string(), "--until", &until.to_string()])
            .arg(&file)
            .output()
            .expect("the package python3-whisper is needed: sudo apt-get install python3-whisper");
        let text = String::from_utf8(output.stdout).unwrap();
        let row = |line: &str| {
            let (time, value) = line.split_once('\t')?;
            Some((time.parse().ok()?, value.to_owned()))
        };
        Some(text.lines().filter_map(row).collect())
    }

    /// The same once it has so many values.
    pub fn values_once(&self, metric: &str, from: i64, until: i64, count: usize) -> Vec<(i64, String)> {
        let end = Instant::now() + DEADLINE;
        loop {
            let found = self.values(metric, from, until).unwrap_or_default();
            if found.len() >= count {
                return found;
            }
            assert!(Instant::now() < end, "{metric} has only {found:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Carbon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
