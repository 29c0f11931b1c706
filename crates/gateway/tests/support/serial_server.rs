//! A serial server for RFC 2217 with a line behind it: what it is set to, what comes and what goes. Written from the
//! RFC, sharing nothing with the client.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses its part, and unwraps")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a server behaves.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// Options that it refuses.
    pub refuses: Vec<u8>,
    /// The only rates that it has; empty: all.
    pub rates: Vec<u32>,
    /// Before each answer to a setting.
    pub delay: Duration,
    /// It speaks no Telnet at all.
    pub raw: bool,
}

/// What the line is set to and what went over it.
#[derive(Debug, Default)]
pub struct Line {
    pub baud: u32,
    /// Data bits, parity and stop bits as RFC 2217 numbers them.
    pub format: [u8; 3],
    /// Every rate that it was set to.
    pub rates: Vec<u32>,
    /// Values of SET-CONTROL.
    pub controls: Vec<u8>,
    pub purges: usize,
    pub connections: usize,
    heard: Vec<u8>,
    to_send: Vec<u8>,
    hang_up: bool,
}

/// A running server; its threads end with the test.
pub struct SerialServer {
    pub port: u16,
    pub line: Arc<Mutex<Line>>,
}

impl SerialServer {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let line = Arc::new(Mutex::new(Line::default()));
        let shared = Arc::clone(&line);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // One at a time: a serial line has one user.
                serve(stream.unwrap(), &manner, &shared);
            }
        });
        Self { port, line }
    }

    /// From the meter to the gateway. Seven data bits carry seven.
    pub fn send(&self, bytes: &[u8]) {
        let mut line = self.line.lock().unwrap();
        let mask = if line.format[0] == 7 { 0x7F } else { 0xFF };
        line.to_send.extend(bytes.iter().map(|byte| byte & mask));
    }

    /// What the meter hears.
    pub fn heard(&self) -> Vec<u8> {
        let mut line = self.line.lock().unwrap();
        let mask = if line.format[0] == 7 { 0x7F } else { 0xFF };
        line.heard.drain(..).map(|byte| byte & mask).collect()
    }

    pub fn baud(&self) -> u32 {
        self.line.lock().unwrap().baud
    }

    pub fn hang_up(&self) {
        self.line.lock().unwrap().hang_up = true;
    }
}

fn serve(mut stream: TcpStream, manner: &Manner, shared: &Mutex<Line>) {
    stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    stream.set_nodelay(true).unwrap();
    {
        let mut line = shared.lock().unwrap();
        line.connections += 1;
        line.hang_up = false;
    }
    let (mut waiting, mut buffer) = (Vec::new(), [0; 1024]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => waiting.extend_from_slice(&buffer[..len]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
        let mut out = Vec::new();
        while !manner.raw
            && let Some(taken) = telnet(&waiting, manner, shared, &mut out)
        {
            waiting.drain(..taken);
        }
        let mut line = shared.lock().unwrap();
        for byte in line.to_send.drain(..) {
            out.push(byte);
            out.extend((byte == 0xFF && !manner.raw).then_some(0xFF));
        }
        if line.hang_up || stream.write_all(&out).is_err() {
            return;
        }
    }
}

/// Takes one byte of data or one command; how many bytes that were, or none when it is not complete.
fn telnet(bytes: &[u8], manner: &Manner, shared: &Mutex<Line>, out: &mut Vec<u8>) -> Option<usize> {
    let refused = |option: &u8| manner.refuses.contains(option);
    match bytes {
        [0xFF, 0xFF, ..] => {
            shared.lock().unwrap().heard.push(0xFF);
            Some(2)
        }
        [0xFF, 0xFA, rest @ ..] => {
            let end = rest.windows(2).position(|pair| pair == [0xFF, 0xF0])?;
            // None of the values in these tests has a byte FF in it.
            set(&rest[..end], manner, &mut shared.lock().unwrap(), out);
            Some(end + 4)
        }
        // WILL is answered by DO or DONT, DO by WILL or WONT.
        [0xFF, 0xFB, option, ..] => {
            out.extend([0xFF, if refused(option) { 0xFE } else { 0xFD }, *option]);
            Some(3)
        }
        [0xFF, 0xFD, option, ..] => {
            out.extend([0xFF, if refused(option) { 0xFC } else { 0xFB }, *option]);
            Some(3)
        }
        [0xFF, 0xFC | 0xFE, _, ..] => Some(3),
        [0xFF, ..] | [] => None,
        [byte, ..] => {
            shared.lock().unwrap().heard.push(*byte);
            Some(1)
        }
    }
}

fn set(content: &[u8], manner: &Manner, line: &mut Line, out: &mut Vec<u8>) {
    std::thread::sleep(manner.delay);
    let mut answer = |code: u8, value: &[u8]| {
        out.extend([0xFF, 0xFA, 44, code + 100]);
        out.extend(value);
        out.extend([0xFF, 0xF0]);
    };
    match *content {
        [44, 1, a, b, c, d] => {
            let rate = u32::from_be_bytes([a, b, c, d]);
            if manner.rates.is_empty() || manner.rates.contains(&rate) {
                line.baud = rate;
                line.rates.push(rate);
            }
            answer(1, &line.baud.to_be_bytes());
        }
        [44, code @ 2..=4, value] => {
            line.format[usize::from(code) - 2] = value;
            answer(code, &[value]);
        }
        [44, 5, value] => {
            line.controls.push(value);
            answer(5, &[value]);
        }
        [44, 12, value] => {
            line.purges += 1;
            answer(12, &[value]);
        }
        [44, 10 | 11, _] => {}
        _ => panic!("the client sent {content:02x?}"),
    }
}
