//! Ports go away and come back, a thousand times, and nobody restarts anything.
mod support;

use metergate_gateway::clock::Clock;
use metergate_gateway::config::{MeterSetup, Place};
use metergate_gateway::port::{Link, LinkEvent, Speed};
use metergate_gateway::reader::{Known, Reader};
use metergate_gateway::shutdown::{self, Trigger};
use metergate_gateway::update::{Update, What};
use metergate_meter::{LineSettings, Protocol};
use metergate_simulator::MeterKind;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use support::{
    DEADLINE, Pty, descriptors, meter, point_link, resident, runtime, simulation, telegrams, wait_for,
};
use tokio::sync::mpsc;

/// Descriptors and memory are those of the process: only one test at a time may have any.
static ALONE: Mutex<()> = Mutex::new(());

const TIMES: usize = 1000;

/// After these everything that grows once has grown.
const WARM_UP: usize = 100;

/// Memory that may come and go in the allocator; a leak of one read buffer a time would be four times as much.
const RESIDENT_SLACK: u64 = 1 << 20;

/// A connection that the test's own server is just opening or closing. A leak would be hundreds.
const DESCRIPTOR_SLACK: usize = 4;

fn start(setup: MeterSetup) -> (mpsc::Receiver<Update>, Trigger) {
    let (sender, updates) = mpsc::channel(64);
    let (trigger, shutdown) = shutdown::channel();
    tokio::spawn(
        Reader::new(setup, Known::default(), Speed::LIVE, Clock::start(), sender, shutdown)
            .run(support::heartbeat()),
    );
    (updates, trigger)
}

/// Descriptors and resident memory before the many times, held against those after.
struct Footprint {
    descriptors: usize,
    resident: u64,
}

impl Footprint {
    fn now() -> Self {
        Self { descriptors: descriptors(), resident: resident() }
    }

    fn check(&self) {
        let after = Self::now();
        let more = after.descriptors.saturating_sub(self.descriptors);
        assert!(more <= DESCRIPTOR_SLACK, "{more} descriptors more");
        let grown = after.resident.saturating_sub(self.resident);
        assert!(grown < RESIDENT_SLACK, "resident memory grew by {grown} bytes");
    }
}

#[test]
fn a_pty_that_comes_back_under_another_number_heals_a_thousand_times() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("head");
    let setup = meter("haus", Place::Serial(path.clone()), None).port;
    runtime().block_on(async {
        let mut pty = Pty::open();
        point_link(&path, &pty.device);
        let mut link = Link::new(setup, LineSettings::M9600_8N1, Speed::LIVE, Clock::start());
        let (mut before, mut slowest, mut buffer) = (None, Duration::ZERO, [0; 64]);
        for time in 0..TIMES {
            let began = Instant::now();
            let healed = async {
                while !matches!(link.next(&mut buffer).await, LinkEvent::Opened) {}
                pty.send(&time.to_be_bytes());
                match link.next(&mut buffer).await {
                    LinkEvent::Received(received) => assert_eq!(buffer[..received.len], time.to_be_bytes()),
                    other => panic!("{other:?}"),
                }
            };
            tokio::time::timeout(DEADLINE, healed)
                .await
                .unwrap_or_else(|_| panic!("time {time} did not heal"));
            slowest = slowest.max(began.elapsed());
            // The new one exists before the old one goes, so its number is another one.
            let next = Pty::open();
            assert_ne!(next.device, pty.device);
            point_link(&path, &next.device);
            pty = next;
            if time == WARM_UP {
                before = Some(Footprint::now());
            }
        }
        before.unwrap().check();
        println!("{TIMES} times, the slowest within {slowest:?}");
    });
}

#[test]
fn telegrams_go_on_after_each_of_a_thousand_losses() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("head");
    let mut simulation = simulation(MeterKind::EasyMeterQ3a, Vec::new());
    runtime().block_on(async {
        let mut pty = Pty::open();
        point_link(&link, &pty.device);
        let (mut updates, _trigger) = start(meter("haus", Place::Serial(link.clone()), Some(Protocol::Sml)));
        let (mut verdicts, mut before) = (Vec::new(), None);
        for time in 0..TIMES {
            wait_for(&mut updates, "open port", |update| {
                if let What::Verdict(verdict) = update.what {
                    verdicts.push(verdict.code());
                }
                matches!(update.what, What::PortOpened)
            })
            .await;
            let bytes = telegrams(&mut simulation, 2);
            pty.send(&bytes);
            // The last line was cut in the middle of a telegram each time; both of the new line arrive.
            for _ in 0..2 {
                wait_for(&mut updates, "telegram", |update| {
                    if let What::Verdict(verdict) = update.what {
                        verdicts.push(verdict.code());
                    }
                    update.telegram().is_some()
                })
                .await;
            }
            pty.send(&bytes[..100 + time % 200]);
            let next = Pty::open();
            point_link(&link, &next.device);
            pty = next;
            if time == WARM_UP {
                before = Some(Footprint::now());
            }
        }
        before.unwrap().check();
        assert_eq!(verdicts, ["ok"], "short losses are no reason to call a meter bad");
    });
}

#[test]
fn a_port_that_another_reader_has_open_is_called_in_use() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let pty = Pty::open();
    runtime().block_on(async {
        let setup = || meter("haus", Place::Serial(pty.device.clone()), Some(Protocol::Sml));
        let (mut first, _trigger) = start(setup());
        wait_for(&mut first, "open port", |update| matches!(update.what, What::PortOpened)).await;
        let (mut second, _trigger) = start(setup());
        wait_for(&mut second, "lost port", |update| match &update.what {
            What::PortLost(why) => {
                assert!(why.contains("in use; another program has it open"), "{why}");
                true
            }
            _ => false,
        })
        .await;
    });
}

#[test]
fn a_device_that_is_gone_for_a_while_is_found_again() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("head");
    runtime().block_on(async {
        let (mut updates, _trigger) = start(meter("haus", Place::Serial(link.clone()), Some(Protocol::Sml)));
        let mut reason = String::new();
        wait_for(&mut updates, "lost port", |update| match &update.what {
            What::PortLost(why) => {
                reason.clone_from(why);
                true
            }
            _ => false,
        })
        .await;
        assert!(reason.contains("is it plugged in?"), "{reason}");
        let pty = Pty::open();
        point_link(&link, &pty.device);
        wait_for(&mut updates, "open port", |update| matches!(update.what, What::PortOpened)).await;
    });
}

#[test]
fn a_serial_server_that_closes_or_only_falls_silent_is_connected_again() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    // Half of the connections are closed; the other half stay open and never carry a byte again.
    let serving = std::thread::spawn(move || {
        let mut silent = Vec::new();
        for time in 0..TIMES {
            let (mut connection, _) = server.accept().unwrap();
            connection.write_all(b"\x1b\x1b\x1b\x1b").unwrap();
            silent.clear();
            if time % 2 == 0 {
                silent.push(connection);
            }
        }
    });
    runtime().block_on(async {
        let place = Place::Tcp { host: "127.0.0.1".to_owned(), port };
        let setup = MeterSetup {
            silent_after: Some(Duration::from_millis(30)),
            ..meter("haus", place, Some(Protocol::Sml))
        };
        let (mut updates, _trigger) = start(setup);
        let mut before = None;
        for time in 0..TIMES {
            wait_for(&mut updates, "connection", |update| matches!(update.what, What::PortOpened)).await;
            if time == WARM_UP {
                before = Some(Footprint::now());
            }
            if time == TIMES - 2 {
                // Before the server's last one: then its sockets are as many as ever.
                before.take().unwrap().check();
            }
        }
    });
    serving.join().unwrap();
}
