//! `openssl s_server`: a TLS server that shares no code with our client.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses its part, and unwraps")]

use super::certificates::Files;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A server that answers GET with a page about the connection; ends when dropped.
pub struct TlsServer {
    child: Child,
    pub port: u16,
}

impl TlsServer {
    /// Starts it on a free port of the loopback with further options.
    ///
    /// # Panics
    /// When `openssl` is missing: a test without its peer would prove nothing.
    pub fn start(certificate: &Files, options: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-www"])
            .arg("-cert")
            .arg(&certificate.cert)
            .arg("-key")
            .arg(&certificate.key)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the package openssl is needed: sudo apt-get install openssl");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // `ACCEPT 127.0.0.1:40123`: printed once it listens.
        let port = lines
            .find_map(|line| line.unwrap().strip_prefix("ACCEPT ")?.rsplit(':').next()?.trim().parse().ok())
            .expect("openssl s_server says where it listens");
        // What it prints is of no interest, but it must not wait for somebody to read it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
