//! A day of each meter in seconds, with more than ten thousand faults.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
mod support;

use metergate_gateway::clock::Clock;
use metergate_gateway::config::{MeterSetup, Place};
use metergate_gateway::port::Speed;
use metergate_gateway::reader::{Known, Reader};
use metergate_gateway::shutdown;
use metergate_gateway::update::What;
use metergate_meter::Key;
use metergate_reading::RegisterBuf;
use metergate_simulator::{EXAMPLE_KEYS, MeterKind};
use std::collections::BTreeMap;
use std::io::Write;
use support::{meter, resident, runtime, simulation};
use tokio::sync::mpsc;

/// Telegrams of a day, one every ten seconds.
const TELEGRAMS: i64 = 86_400 / 10;

/// Together they happen to more than a third of all telegrams.
const FAULTS: [&str; 5] = ["drop:0.1", "flip:0.1", "insert:0.1", "noise:0.1", "half:0.04"];

/// What may come and go in the allocator.
const RESIDENT_SLACK: u64 = 1 << 20;

/// Writes the day into a file; returns what was sent by the offset at which it began, and the number of damaged ones.
fn day(kind: MeterKind, path: &std::path::Path) -> (BTreeMap<u64, Vec<RegisterBuf>>, usize, usize) {
    let mut simulation = simulation(kind, FAULTS.map(|fault| fault.parse().unwrap()).to_vec());
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let (mut said, mut whole, mut damaged) = (BTreeMap::new(), 0, 0);
    let first = simulation.house().now_s();
    for n in 1..=TELEGRAMS {
        for output in simulation.push(first + 10 * n) {
            file.write_all(&output.bytes).unwrap();
            let Some(sent) = output.sent else { continue };
            whole += usize::from(sent.is_whole);
            damaged += usize::from(!sent.faults.is_empty());
            said.insert(sent.offset, sent.said.registers);
        }
    }
    file.flush().unwrap();
    (said, whole, damaged)
}

fn check(kind: MeterKind) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("day.bin");
    let (said, whole, damaged) = day(kind, &path);
    let setup = MeterSetup {
        key: Some(Key::new(EXAMPLE_KEYS[0])),
        auth_key: Some(Key::new(EXAMPLE_KEYS[1])),
        ..meter("haus", Place::File(path), Some(kind.protocol()))
    };
    runtime().block_on(async {
        let (sender, mut updates) = mpsc::channel(64);
        let (_trigger, shutdown) = shutdown::channel();
        tokio::spawn(
            Reader::new(setup, Known::default(), Speed::UNPACED, Clock::start(), sender, shutdown)
                .run(support::heartbeat()),
        );
        let (mut accepted, mut wrong, mut early) = (0, 0, None);
        while let Some(update) = updates.recv().await {
            if let Some(telegram) = update.telegram() {
                accepted += 1;
                // It may begin behind a burst of noise, which is part of what was sent; a salvaged one may begin
                // with the half of the telegram before.
                let end = telegram.offset + telegram.length;
                let (first, _) = said.range(..=telegram.offset).next_back().unwrap();
                let mut sent = said.range(first..&end);
                wrong += usize::from(!sent.any(|(_, registers)| *registers == telegram.reading.registers));
                if accepted == 1000 {
                    early = Some(resident());
                }
            }
            if matches!(update.what, What::Ended) {
                break;
            }
        }
        assert_eq!(wrong, 0, "{kind:?}: telegrams with wrong values");
        assert!(accepted * 100 >= whole * 98, "{kind:?}: {accepted} of {whole} whole telegrams accepted");
        let grown = resident().saturating_sub(early.unwrap());
        assert!(grown < RESIDENT_SLACK, "{kind:?}: memory grew by {grown} bytes");
        println!("{kind:?}: {damaged} damaged, {whole} whole, {accepted} accepted");
    });
    damaged
}

#[test]
fn ten_thousand_faults_cost_no_wrong_value_and_no_memory() {
    let meters =
        [MeterKind::EasyMeterQ3a, MeterKind::KaifaMa309mNetzNoe, MeterKind::AidonNorway, MeterKind::Dsmr5];
    let faults: usize = meters.into_iter().map(check).sum();
    assert!(faults >= 10_000, "{faults}");
}
