//! What is left when the gateway and the broker are killed at random instants: everything, once.
//!
//! `CRASH_TEST_ROUNDS` (25) says how often, `CRASH_TEST_SEED` repeats a run.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
#[path = "support/broker.rs"]
mod broker;
#[path = "support/ports.rs"]
mod ports;
mod support;

use broker::{Broker, Listener};
use metergate_gateway::store::Reader;
use metergate_reading::ObisStyle;
use metergate_simulator::{MeterKind, Simulation};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use support::{simulation, telegrams};

/// Nothing takes longer unless it is broken: a start, a delivery, a reconnection after a backoff of 30 s at most.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where readings come from: one telegram after the other, each sent again until the gateway has shown it.
///
/// Only a meter that repeats itself makes the sum exact: what a killed gateway had read and not yet kept is nobody's
/// promise, and the second telegram with the same time of the meter is no second reading. It comes by standard input,
/// where the meter's clock counts before the host's.
struct Meter {
    simulation: Simulation,
    /// The times of all telegrams, as the gateway must have them.
    ledger: Vec<i64>,
}

impl Meter {
    fn new() -> Self {
        Self { simulation: simulation(MeterKind::Dsmr5, Vec::new()), ledger: Vec::new() }
    }

    fn next(&mut self) -> Vec<u8> {
        let bytes = telegrams(&mut self.simulation, 1);
        self.ledger.push(self.simulation.house().now_s());
        bytes
    }
}

/// The daemon as a process; what it says on standard output comes through a channel.
struct Gateway {
    process: Child,
    line: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Gateway {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_metergate"))
            .args(["run", "--config"])
            .arg(folder.join("metergate.toml"))
            .env("RUNTIME_DIRECTORY", folder.join("run"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let output = process.stdout.take().unwrap();
        let line = process.stdin.take();
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Self { process, line, lines }
    }

    /// Sends a telegram; a gateway that was killed does not hear it.
    fn send(&mut self, telegram: &[u8]) {
        if self.line.as_mut().is_some_and(|line| line.write_all(telegram).is_err()) {
            self.line = None;
        }
    }

    /// Waits until a telegram has been shown, which promises that it is kept; false when the gateway is dead.
    fn shows(&self, time: &str) -> bool {
        loop {
            match self.lines.recv_timeout(Duration::from_secs(2)) {
                Ok(line) if line.contains(time) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A generator of small numbers that a seed repeats (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn from_environment(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

/// All that a reading is: meter, register, time.
type Key = (String, String, i64);

#[test]
fn row_29_killed_gateways_and_brokers_lose_nothing_and_double_nothing() {
    let rounds = from_environment("CRASH_TEST_ROUNDS", 25);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = from_environment("CRASH_TEST_SEED", u64::from(now.subsec_nanos()) | 1);
    println!("{rounds} rounds, seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let mut broker =
        Broker::with(&["allow_anonymous true", "autosave_on_changes true", "autosave_interval 1"]);
    let mut options = broker::options(broker.port);
    options.set_clean_session(false);
    let witness = Witness::start(options);
    let mut meter = Meter::new();
    configure(folder.path(), broker.port);

    let mut dice = Dice(seed);
    let mut kills = [0u64; 2];
    let mut gateway = Gateway::start(folder.path());
    for _ in 0..rounds {
        let kills_broker = dice.roll(4) == 0;
        let until = Instant::now() + Duration::from_millis(20 + dice.roll(400));
        while Instant::now() < until {
            deliver(&mut meter, &mut gateway, folder.path());
        }
        if kills_broker {
            broker.kill();
            deliver(&mut meter, &mut gateway, folder.path());
            broker.start_again();
            witness.is_back();
        } else {
            // In the middle of whatever it does with the next telegram.
            let telegram = meter.next();
            gateway.send(&telegram);
            std::thread::sleep(Duration::from_micros(dice.roll(30_000)));
            gateway.kill();
            gateway = Gateway::start(folder.path());
            gateway.send(&telegram);
            again(&mut meter, &telegram, &mut gateway, folder.path());
        }
        kills[usize::from(kills_broker)] += 1;
    }
    for _ in 0..5 {
        deliver(&mut meter, &mut gateway, folder.path());
    }

    let arrived = wait_for_all(&witness.listener, meter.ledger.len());
    let delivered = keys_of_messages(&arrived);
    drop(gateway);
    let stored = keys_of_store(&folder.path().join("state/metergate.db"));
    let truth: BTreeSet<i64> = meter.ledger.iter().copied().collect();
    assert_eq!(truth.len(), meter.ledger.len(), "the simulator repeats itself");
    let times =
        |keys: &BTreeMap<Key, BTreeSet<u64>>| -> BTreeSet<i64> { keys.keys().map(|key| key.2).collect() };
    let lost: Vec<i64> = truth.difference(&times(&stored)).copied().collect();
    let undelivered: Vec<i64> = truth.difference(&times(&delivered)).copied().collect();
    let doubled = stored.values().chain(delivered.values()).filter(|numbers| numbers.len() > 1).count();
    println!(
        "seed {seed}: {} telegrams, {} kills of the gateway, {} of the broker; {} lost, {} undelivered, {doubled} doubled",
        truth.len(),
        kills[0],
        kills[1],
        lost.len(),
        undelivered.len()
    );
    let first = |times: &[i64]| times.iter().take(5).copied().collect::<Vec<_>>();
    assert_eq!((first(&lost), first(&undelivered), doubled), (vec![], vec![], 0), "seed {seed}");
    assert!(stored.keys().eq(delivered.keys()), "seed {seed}: the store and the subscriber differ");
    assert!(times(&stored).is_subset(&truth), "seed {seed}: readings that nobody sent");
}

fn configure(folder: &Path, broker: u16) {
    let text = format!(
        "[default]\nstate_directory = \"state\"\n\
         [default.store]\ncommit_interval = \"1 s\"\n\
         [default.meter.haus]\nport = \"stdin\"\nprotocol = \"p1\"\n\
         [default.sink.screen]\nkind = \"stdout\"\nformat = \"json\"\n\
         [default.sink.broker]\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{broker}\"\nderived = false\n"
    );
    std::fs::write(folder.join("metergate.toml"), text).unwrap();
}

/// A subscriber in a thread of its own, which nothing in this test holds up.
struct Witness {
    listener: Arc<Listener>,
    runtime: tokio::runtime::Handle,
}

impl Witness {
    fn start(options: rumqttc_v4::MqttOptions) -> Self {
        let (tell, started) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = support::runtime();
            let handle = runtime.handle().clone();
            runtime.block_on(async {
                let listener = Arc::new(Listener::start_with(options, &["metergate/+/history"]).await);
                tell.send(Self { listener, runtime: handle }).unwrap();
                std::future::pending::<()>().await;
            });
        });
        started.recv().unwrap()
    }

    /// Waits until it is connected. What a broker acknowledges while nobody listens it keeps in memory, and a kill takes
    /// that away; such a loss is the broker's.
    fn is_back(&self) {
        self.runtime.block_on(self.listener.publish("witness", "here", false));
    }
}

/// The next telegram, sent until it is kept.
fn deliver(meter: &mut Meter, gateway: &mut Gateway, folder: &Path) {
    let telegram = meter.next();
    gateway.send(&telegram);
    again(meter, &telegram, gateway, folder);
}

/// Waits until a telegram that was sent is kept, and sends it again when the gateway does not show it.
fn again(meter: &mut Meter, telegram: &[u8], gateway: &mut Gateway, folder: &Path) {
    let time = meter.simulation.house().now_s();
    let offset = time + 7200;
    let local = jiff::Timestamp::from_second(offset).unwrap().strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let end = Instant::now() + DEADLINE;
    while !gateway.shows(&local) {
        assert!(Instant::now() < end, "{}", std::fs::read_to_string(folder.join("log")).unwrap());
        if gateway.process.try_wait().unwrap().is_some() {
            *gateway = Gateway::start(folder);
        }
        gateway.send(telegram);
    }
}

/// Waits until all have arrived, or nothing new comes any more.
fn wait_for_all(witness: &Listener, telegrams: usize) -> Vec<(String, String)> {
    let (mut before, mut end) = (0, Instant::now() + DEADLINE);
    loop {
        let all = witness.so_far();
        let different: BTreeSet<&str> = all.iter().map(|one| one.payload.as_str()).collect();
        if different.len() > before {
            (before, end) = (different.len(), Instant::now() + DEADLINE);
        }
        if before >= telegrams || Instant::now() > end {
            return all.into_iter().map(|one| (one.topic, one.payload)).collect();
        }
        // All of them are copied each time.
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// For each reading the numbers under which it arrived: more than one is a double.
fn keys_of_messages(messages: &[(String, String)]) -> BTreeMap<Key, BTreeSet<u64>> {
    let mut keys: BTreeMap<Key, BTreeSet<u64>> = BTreeMap::new();
    for (topic, payload) in messages {
        let meter = topic.split('/').nth(1).unwrap().to_owned();
        let json: Value = serde_json::from_str(payload).unwrap();
        let time: jiff::Timestamp = json["time"].as_str().unwrap().parse().unwrap();
        for register in json["registers"].as_object().unwrap().keys() {
            let key = (meter.clone(), register.clone(), time.as_second());
            keys.entry(key).or_default().insert(json["seq"].as_u64().unwrap());
        }
    }
    keys
}

fn keys_of_store(path: &Path) -> BTreeMap<Key, BTreeSet<u64>> {
    let mut reader = Reader::open(path).unwrap();
    let mut keys: BTreeMap<Key, BTreeSet<u64>> = BTreeMap::new();
    let mut seq = 0;
    loop {
        let rows = reader.rows_after(seq, 1000).unwrap();
        let Some(last) = rows.last() else { return keys };
        seq = last.seq;
        for row in &rows {
            for (column, _) in row.numbers() {
                // As documents write it.
                let register = column.id.obis().unwrap().text(ObisStyle::Topic).to_string();
                keys.entry((row.meter.to_string(), register, row.at.unix_ms / 1000))
                    .or_default()
                    .insert(row.seq);
            }
        }
    }
}
