//! Something that listens on a port of the loopback: it counts what it gets, or behaves as badly as told.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses its part, and unwraps")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What it does with whoever connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Answers each request with 204.
    AnswersHttp,
    /// Reads and says nothing, as Graphite does.
    Reads,
    /// Accepts, and that is all: nothing is read, nothing is said.
    Hangs,
    /// Reads, and answers a byte every fifth of a second, for ever.
    Drips,
}

/// The receiver; its threads end with the process.
#[derive(Debug)]
pub struct Receiver {
    pub port: u16,
    count: Arc<AtomicUsize>,
}

impl Receiver {
    /// Starts it; `marker` is what it counts.
    pub fn start(manner: Manner, marker: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for line in listener.incoming().map_while(Result::ok) {
                let counter = Arc::clone(&counter);
                match manner {
                    Manner::Hangs => held.push(line),
                    Manner::Drips => drop(std::thread::spawn(move || drip(line))),
                    Manner::Reads => {
                        std::thread::spawn(move || {
                            for text in BufReader::new(line).lines().map_while(Result::ok) {
                                counter.fetch_add(occurrences(&text, marker), Ordering::Relaxed);
                            }
                        });
                    }
                    Manner::AnswersHttp => {
                        std::thread::spawn(move || {
                            answer(&line, |body| {
                                counter.fetch_add(occurrences(body, marker), Ordering::Relaxed);
                            })
                        });
                    }
                }
            }
        });
        Self { port, count }
    }

    /// How often the marker has come so far.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

fn occurrences(text: &str, marker: &str) -> usize {
    text.matches(marker).count()
}

/// Answers requests until the client goes away.
fn answer(line: &TcpStream, mut take: impl FnMut(&str)) -> Option<()> {
    let mut reader = BufReader::new(line);
    loop {
        let mut length = 0;
        let mut first = true;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).ok()? == 0 {
                return None;
            }
            if header.trim_end().is_empty() && !first {
                break;
            }
            first = false;
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        take(std::str::from_utf8(&body).ok()?);
        (&*line).write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
    }
}

/// A status line, and then a header that never ends.
fn drip(mut line: TcpStream) {
    let mut reading = line.try_clone().unwrap();
    std::thread::spawn(move || std::io::copy(&mut reading, &mut std::io::sink()));
    let answer = b"HTTP/1.1 200 OK\r\nx-slow: ".iter().chain(std::iter::repeat(&b'.'));
    for &byte in answer {
        if line.write_all(&[byte]).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
