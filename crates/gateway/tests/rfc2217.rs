//! Ports behind serial servers that set the line, RFC 2217: ser2net, and a server that behaves as it is told to.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
#[path = "support/ports.rs"]
mod ports;
#[path = "support/ser2net.rs"]
mod ser2net;
#[path = "support/serial_server.rs"]
mod serial_server;
mod support;

use metergate_gateway::clock::Clock;
use metergate_gateway::config::{MeterSetup, Place};
use metergate_gateway::port::{Link, LinkEvent, Speed};
use metergate_gateway::reader::{Known, Reader};
use metergate_gateway::shutdown::{self, Trigger};
use metergate_gateway::update::{Update, What};
use metergate_meter::{LineSettings, Protocol};
use metergate_simulator::{MeterKind, Simulation};
use ser2net::Ser2net;
use serial_server::{Manner, SerialServer};
use std::time::{Duration, Instant};
use support::{DEADLINE, Pty, meter, runtime, simulation, telegrams};
use tokio::sync::mpsc;

fn place(port: u16) -> Place {
    Place::Rfc2217 { host: "127.0.0.1".to_owned(), port }
}

fn link(port: u16, line: LineSettings) -> Link {
    Link::new(meter("haus", place(port), None).port, line, Speed::LIVE, Clock::start())
}

fn start(setup: MeterSetup) -> (mpsc::Receiver<Update>, Trigger) {
    let (sender, updates) = mpsc::channel(64);
    let (trigger, shutdown) = shutdown::channel();
    let reader = Reader::new(setup, Known::default(), Speed::LIVE, Clock::start(), sender, shutdown);
    tokio::spawn(reader.run(support::heartbeat()));
    (updates, trigger)
}

/// Opens a link, or says why it does not open.
async fn opened(link: &mut Link) -> Result<(), String> {
    match tokio::time::timeout(DEADLINE, link.next(&mut [0; 64])).await.unwrap() {
        LinkEvent::Opened => Ok(()),
        LinkEvent::Lost(error) => Err(error.to_string()),
        other => panic!("{other:?}"),
    }
}

async fn receive(link: &mut Link, len: usize) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 100]);
    while all.len() < len {
        match tokio::time::timeout(DEADLINE, link.next(&mut buffer)).await.unwrap() {
            LinkEvent::Received(received) => all.extend_from_slice(&buffer[..received.len]),
            other => panic!("{other:?} after {} bytes", all.len()),
        }
    }
    all
}

/// Waits until something has come.
async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "no {what} within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A meter in mode C at the end of a line: `heard` and `send` are its side, `baud` is what the line is set to.
/// Returns the speeds of the line until the first telegram.
async fn read_out(
    updates: &mut mpsc::Receiver<Update>,
    mut heard: impl FnMut() -> Vec<u8>,
    mut send: impl FnMut(&[u8]),
    baud: impl Fn() -> u32,
) -> Vec<u32> {
    let mut meter: Simulation = simulation(MeterKind::Iec62056ModeC, Vec::new());
    let began = Instant::now();
    let (mut speeds, mut pending) = (Vec::new(), Vec::new());
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    loop {
        assert!(began.elapsed() < DEADLINE * 2, "no telegram; speeds were {speeds:?}");
        tokio::select! {
            update = updates.recv() => {
                let update = update.unwrap();
                if let What::PortLost(why) = &update.what {
                    panic!("{why}");
                }
                if let Some(telegram) = update.telegram() {
                    assert!(telegram.reading.registers.len() > 3, "{telegram:?}");
                    return speeds;
                }
            }
            _ = tick.tick() => {
                if speeds.last() != Some(&baud()) {
                    speeds.push(baud());
                }
                let now = meter.house().now_s();
                pending.extend(meter.hear(&heard(), began.elapsed(), now));
                // A real meter sends at a speed only once the line has it.
                while let Some(output) = pending.first() {
                    if output.line.is_some_and(|line| line.baud != baud()) {
                        break;
                    }
                    send(&output.bytes);
                    pending.remove(0);
                }
            }
        }
    }
}

fn mode_c(port: u16) -> MeterSetup {
    let mut setup = meter("keller", place(port), Some(Protocol::Iec62056_21));
    setup.port.line = Some(LineSettings::M300_7E1);
    setup
}

#[test]
fn a_meter_of_mode_c_behind_ser2net_is_read_out_and_its_speed_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (port, pty) = (ports::free(), Pty::open());
    let _server = Ser2net::start(folder.path(), &pty.device, port);
    runtime().block_on(async {
        let (mut updates, _trigger) = start(mode_c(port));
        let pty = std::cell::RefCell::new(pty);
        let speeds = read_out(
            &mut updates,
            // A pseudo-terminal carries eight bits: the parity bit is in them.
            || pty.borrow_mut().heard().iter().map(|byte| byte & 0x7F).collect(),
            |bytes| {
                let even = |byte: &u8| byte | u8::from(byte.count_ones() % 2 == 1) << 7;
                pty.borrow_mut().send(&bytes.iter().map(even).collect::<Vec<u8>>());
            },
            || pty.borrow().baud(),
        )
        .await;
        let changed: Vec<u32> = speeds.into_iter().skip_while(|&baud| baud != 300).collect();
        assert!(changed.len() >= 2 && changed[1] > 300, "{changed:?}");
    });
}

#[test]
fn every_byte_comes_through_ser2net_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let (port, mut pty) = (ports::free(), Pty::open());
    let _server = Ser2net::start(folder.path(), &pty.device, port);
    let all: Vec<u8> = (0..=255).chain([0xFF; 40]).chain(*b"\xff\xf0\r\n\r\0\xff").collect();
    runtime().block_on(async {
        let mut link = link(port, LineSettings::M115200_8N1);
        opened(&mut link).await.unwrap();
        assert_eq!(pty.baud(), 115_200);
        // The server throws away what came before it had done all that it was told at the beginning.
        let mut buffer = [0; 100];
        let begun = Instant::now();
        loop {
            pty.send(b"U");
            match tokio::time::timeout(Duration::from_millis(50), link.next(&mut buffer)).await {
                Err(_) => assert!(begun.elapsed() < DEADLINE, "nothing comes through"),
                Ok(LinkEvent::Received(_)) => break,
                Ok(other) => panic!("{other:?}"),
            }
        }
        pty.send(&all);
        let mut came = Vec::new();
        while !came.ends_with(&all) {
            came.extend(receive(&mut link, 1).await);
        }
        let before = came.len() - all.len();
        assert!(came[..before].iter().all(|&byte| byte == b'U'), "{came:02X?}");
        link.send(&all).await.unwrap();
        let mut heard = Vec::new();
        until("bytes", || {
            heard.extend(pty.heard());
            (heard.len() >= all.len()).then_some(())
        })
        .await;
        assert_eq!(heard, all);
    });
}

#[test]
fn a_server_of_seven_bits_is_told_each_speed_of_a_meter_of_mode_c() {
    let server = SerialServer::start(Manner { delay: Duration::from_millis(5), ..Manner::default() });
    runtime().block_on(async {
        let (mut updates, _trigger) = start(mode_c(server.port));
        let heard = || server.heard();
        let speeds = read_out(&mut updates, heard, |bytes| server.send(bytes), || server.baud()).await;
        let line = server.line.lock().unwrap();
        assert_eq!(line.format, [7, 3, 1], "7E1 as RFC 2217 numbers it");
        assert!(line.rates.len() >= 2 && line.rates[0] == 300 && line.rates[1] > 300, "{:?}", line.rates);
        assert!(speeds.iter().all(|baud| *baud == 0 || line.rates.contains(baud)), "{speeds:?}");
        assert_eq!(line.connections, 1, "the speed is changed on the same connection");
    });
}

#[test]
fn the_lines_of_a_head_are_powered_and_old_bytes_purged() {
    let server = SerialServer::start(Manner::default());
    runtime().block_on(async {
        let mut setup = meter("haus", place(server.port), None).port;
        (setup.dtr, setup.rts) = (Some(true), Some(false));
        // What the server has of another speed is not of this meter.
        server.send(b"old");
        let mut link = Link::new(setup, LineSettings::M9600_8N1, Speed::LIVE, Clock::start());
        opened(&mut link).await.unwrap();
        until("purge", || (server.line.lock().unwrap().purges == 1).then_some(())).await;
        assert_eq!(server.line.lock().unwrap().controls, [1, 8, 12], "no flow control, DTR on, RTS off");
        server.send(b"new");
        assert_eq!(receive(&mut link, 3).await, b"new");
    });
}

#[test]
fn a_server_that_refuses_says_so_in_words() {
    for (manner, told) in [
        (
            Manner { refuses: vec![44], ..Manner::default() },
            "the serial server refuses COM-PORT-OPTION (RFC 2217); a server of raw bytes is `tcp://`",
        ),
        (
            Manner { refuses: vec![0], ..Manner::default() },
            "the serial server refuses BINARY (RFC 856), and without it bytes would be changed on the way",
        ),
        (
            Manner { rates: vec![9600], ..Manner::default() },
            "the serial server sets 0 7E1 where 300 7E1 was asked for",
        ),
    ] {
        let server = SerialServer::start(manner);
        let error = runtime()
            .block_on(async { opened(&mut link(server.port, LineSettings::M300_7E1)).await.unwrap_err() });
        assert_eq!(error, told);
    }
}

#[test]
fn a_slow_answer_is_waited_for_and_a_server_without_any_is_given_up() {
    runtime().block_on(async {
        // Some 4 x 300 ms for the settings.
        let slow = SerialServer::start(Manner { delay: Duration::from_millis(300), ..Manner::default() });
        opened(&mut link(slow.port, LineSettings::M9600_8N1)).await.unwrap();
        // Raw bytes of a meter, among them what looks like Telnet and is garbage.
        let raw = SerialServer::start(Manner { raw: true, ..Manner::default() });
        raw.send(b"\x1b\x1b\x1b\x1b\xff\xfa\x2c\xff\xff\xfe\x01\xff\xf0\xff\xfd\xff\xff\xfb");
        raw.send(&[0x55; 10_000]);
        let error = opened(&mut link(raw.port, LineSettings::M9600_8N1)).await.unwrap_err();
        let told = "no answer to COM-PORT-OPTION (RFC 2217) within 5 s; a server of raw bytes is `tcp://`";
        assert_eq!(error, told);
    });
}

#[test]
fn a_connection_that_is_closed_is_opened_again_with_the_settings_in_force() {
    let server = SerialServer::start(Manner::default());
    runtime().block_on(async {
        let mut link = link(server.port, LineSettings::M9600_8N1);
        opened(&mut link).await.unwrap();
        link.set_line(LineSettings::M2400_8E1).await.unwrap();
        server.hang_up();
        assert_eq!(opened(&mut link).await.unwrap_err(), "the other side closed it");
        opened(&mut link).await.unwrap();
        let line = server.line.lock().unwrap();
        assert_eq!((line.rates.as_slice(), line.format), (&[9600, 2400, 2400][..], [8, 3, 1]));
    });
}

#[test]
fn settings_are_scanned_behind_a_server_and_those_it_does_not_have_are_passed_over() {
    // 115,200 baud is the second setting that is tried, 2400 8E1 the third and the right one.
    let server = SerialServer::start(Manner { rates: vec![9600, 2400], ..Manner::default() });
    runtime().block_on(async {
        let mut setup = meter("netz", place(server.port), None);
        setup.port.line = None;
        let (mut updates, _trigger) = start(setup);
        let mut meter = simulation(MeterKind::EasyMeterQ3a, Vec::new());
        let (mut tick, began) = (tokio::time::interval(Duration::from_millis(50)), Instant::now());
        loop {
            assert!(
                began.elapsed() < DEADLINE * 2,
                "not found; tried {:?}",
                server.line.lock().unwrap().rates
            );
            tokio::select! {
                update = updates.recv() => {
                    if update.unwrap().telegram().is_some() {
                        break;
                    }
                }
                _ = tick.tick(), if server.baud() == 2400 => server.send(&telegrams(&mut meter, 1)),
            }
        }
        assert_eq!(server.line.lock().unwrap().format, [8, 3, 1]);
    });
}
