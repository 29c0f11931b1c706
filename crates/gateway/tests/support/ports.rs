//! Ports for programs that must be told theirs.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses its part, and unwraps")]

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the system gives away by itself, so that no other test gets it in the meantime.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of the loopback that is free now, another each time.
pub fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Each test is a process of its own and begins somewhere else.
    let start = u16::try_from(u64::from(std::process::id()) * 7 % u64::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let offset = (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", FIRST + offset)).is_ok() {
            return FIRST + offset;
        }
    }
    panic!("no port is free");
}
