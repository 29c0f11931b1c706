//! What two days of a household cost on the disk: bytes at rest, and bytes written on the way there.
//!
//! Twelve registers at 1 Hz, a commit a minute, a sink's cursor in each, a quarter hour and its event each 900 s at once. Bytes written are
//! what the kernel counts for this process (`write_bytes`: pages made dirty), and what it passed to the system
//! (`wchar`); neither has the journal of the file system. `cargo test --test store figures -- --nocapture` prints them.

use crate::household::{self, REGISTERS};
use metergate_gateway::config::Stream;
use metergate_gateway::event::{Event, EventCode};
use metergate_gateway::store::{Mark, Measured, Quality, Store, StoreSetup, UseCase};
use metergate_simulator::{Household, Random};
use std::time::Duration;

/// 2026-04-12T00:00:00Z.
const MIDNIGHT: i64 = 1_775_952_000;
const SECONDS: u64 = 2 * 86_400;
const SECONDS_A_YEAR: u64 = 365 * 86_400;
const SOON: Duration = Duration::from_secs(60);

/// `wchar` and `write_bytes` of this process.
fn written() -> [u64; 2] {
    let text = std::fs::read_to_string("/proc/self/io").unwrap();
    ["wchar: ", "write_bytes: "].map(|name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.parse().unwrap()
    })
}

#[test]
fn two_days_at_1_hz_take_at_most_half_a_byte_a_reading_and_15_gb_of_writes_a_year() {
    let folder = tempfile::tempdir().unwrap();
    let setup = StoreSetup {
        commit_interval: Duration::from_secs(900),
        ..StoreSetup::new(folder.path().join("metergate.db"))
    };
    let (store, _) = Store::open(&setup).unwrap();
    let shape = household::shape();
    let mut house = Household::new(3, MIDNIGHT);
    let mut lateness = Random::new(3);
    let before = written();
    for second in (MIDNIGHT..).take(usize::try_from(SECONDS).unwrap()) {
        let late_ms = 120 + i64::try_from(lateness.below(40)).unwrap();
        let row = store.append(household::row(&mut house, second, late_ms, &shape));
        if second % 900 == 0 {
            store.event(Event {
                seq: 0,
                at: row.at,
                code: EventCode::QuarterHour,
                about: Some("house".into()),
                detail: "exact, 120 ms after the mark".to_owned(),
                count: 1,
            });
            store.measured(Measured {
                seq: 0,
                case: UseCase::Taf7LoadProfile,
                mark: Mark::from_unix_s(second),
                quality: Quality::Exact,
                clock_doubtful: false,
                row: (*row).clone(),
            });
        }
        // A commit at once for the quarter hour; then the minute begins anew.
        if second % 900 == 0 || second % 900 % 60 == 59 {
            assert!(store.flush_blocking(SOON));
            // A sink has delivered what was committed; its cursor goes with the next commit.
            store.set_cursor("mqtt", Stream::Readings, row.seq);
        }
    }
    assert!(store.close(SOON));
    let after = written();
    let readings = SECONDS * REGISTERS as u64;
    let at_rest = std::fs::metadata(&setup.path).unwrap().len();
    let [wchar, pages] = [0, 1].map(|i| after[i] - before[i]);
    let a_year = |bytes: u64| bytes * (SECONDS_A_YEAR / SECONDS) / 1_000_000;
    println!("at rest: {at_rest} B, {} thousandths of a byte a reading", at_rest * 1000 / readings);
    println!(
        "written: {} B a telegram, {} MB a year; pages made dirty: {} B a telegram, {} MB a year",
        wchar / SECONDS,
        a_year(wchar),
        pages / SECONDS,
        a_year(pages)
    );
    assert!(at_rest * 2 <= readings, "more than half a byte a reading: {at_rest} B of {readings}");
    // On a memory file system no page reaches a device.
    assert!(a_year(wchar.max(pages)) <= 15_000, "more than 15 GB a year");
}
