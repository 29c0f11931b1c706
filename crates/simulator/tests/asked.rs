//! Simulated meters that have to be asked, asked by the conversation of their protocol over a line of the right speed.
use metergate_meter::iec62056_21::{self, Iec62056_21};
use metergate_meter::kmp::{self, Kmp};
use metergate_meter::{Conversation, Event, LineSettings, Settings as MeterSettings};
use metergate_simulator::{Fault, MeterKind, Settings, Simulation};
use std::time::Duration;

/// 2026-04-12T09:40:00Z.
const START: i64 = 1_775_986_800;
const HOUR: Duration = Duration::from_secs(3600);

/// A reader and a meter at the two ends of a line.
struct Line<C> {
    reader: C,
    meter: Simulation,
    now: Duration,
    /// How the reader has set its port.
    port: LineSettings,
    /// What is on its way to the reader: when it arrives, the bytes, and the speed of the meter for them.
    coming: Vec<(Duration, Vec<u8>, Option<LineSettings>)>,
    sent: usize,
    told: Vec<String>,
}

impl<C: Conversation> Line<C> {
    fn new(reader: C, settings: Settings, port: LineSettings) -> Self {
        let meter = Simulation::new(settings).expect("the faults fit");
        Self { reader, meter, now: Duration::ZERO, port, coming: Vec::new(), sent: 0, told: Vec::new() }
    }

    fn unix_s(&self) -> i64 {
        START + i64::try_from(self.now.as_secs()).expect("an hour fits")
    }

    /// Runs until `until`, or until something is told.
    fn run(&mut self, until: Duration) -> Vec<String> {
        while self.told.is_empty() {
            let due = self.reader.poll_timeout();
            let arrives = self.coming.iter().map(|(at, ..)| *at).min();
            let next = due.into_iter().chain(arrives).min().expect("a reader that asks is never done");
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            self.step();
        }
        std::mem::take(&mut self.told)
    }

    fn step(&mut self) {
        let (arrived, coming): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.coming).into_iter().partition(|(at, ..)| *at <= self.now);
        self.coming = coming;
        for (_, mut bytes, line) in arrived {
            if line.is_some_and(|line| line != self.port) {
                bytes.fill(0xFF);
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let taken = self.reader.handle_input(rest, self.now);
                rest = &rest[taken..];
                self.poll();
            }
        }
        self.reader.handle_timeout(self.now);
        self.poll();
        let mut out = [0; 64];
        let len = self.reader.poll_transmit(&mut out);
        if len > 0 {
            self.sent += 1;
            self.meter.expire(self.now);
            // The time that bytes take on the line, for each direction.
            let mut at = self.now + Duration::from_millis(150);
            for output in self.meter.hear(&out[..len], self.now, self.unix_s()) {
                at += output.delay + Duration::from_millis(150);
                self.coming.push((at, output.bytes, output.line));
            }
        }
        self.poll();
    }

    fn poll(&mut self) {
        while let Some(event) = self.reader.poll() {
            match event {
                Event::Telegram(telegram) => {
                    self.told.push(format!("{} registers", telegram.registers.count()));
                }
                Event::Rejected(rejection) => self.told.push(rejection.cause.code().to_string()),
                Event::Line(line) => self.port = line,
                Event::NoAnswer { attempts, .. } => self.told.push(format!("silent after {attempts}")),
            }
        }
    }
}

fn ask_kmp(sleeps: bool, faults: &[&str]) -> Line<Kmp<[u8; 512]>> {
    let mut settings = Settings::new(MeterKind::Multical403, 3, START);
    settings.sleeps = sleeps;
    settings.faults = faults.iter().map(|fault| fault.parse::<Fault>().expect("a fault")).collect();
    let plan = kmp::Plan::new(&[60, 68, 74, 80, 86, 87, 89, 266, 1001, 1004], HOUR).expect("ten registers");
    let reader = Kmp::asking(MeterSettings::default(), plan.with_requests_per_hour(8), [0; 512]);
    Line::new(reader, settings, LineSettings::M1200_8N2)
}

#[test]
fn a_heat_meter_is_read_each_hour() {
    let mut line = ask_kmp(false, &[]);
    for hour in 0..3 {
        assert_eq!(line.run(HOUR * 9), ["8 registers"]);
        assert_eq!(line.run(HOUR * 9), ["2 registers"]);
        assert!(line.now < HOUR * hour + HOUR / 2, "{:?}", line.now);
    }
    assert_eq!(
        line.sent,
        2 + 3 * 2 + 2,
        "identity once, two requests and, from the second hour on, a wake-up"
    );
}

#[test]
fn a_sleeping_head_is_woken() {
    let mut line = ask_kmp(true, &[]);
    for _ in 0..3 {
        assert_eq!(line.run(HOUR * 9), ["8 registers"]);
        assert_eq!(line.run(HOUR * 9), ["2 registers"]);
    }
}

#[test]
fn an_echo_is_no_trouble() {
    let mut line = ask_kmp(false, &["echo:1"]);
    assert_eq!(line.run(HOUR * 9), ["8 registers"]);
}

fn ask_iec(kind: MeterKind) -> Line<Iec62056_21<Vec<u8>>> {
    let plan = iec62056_21::Plan::new(HOUR / 4);
    let reader = Iec62056_21::asking(MeterSettings::default(), plan, vec![0; 4096]);
    Line::new(reader, Settings::new(kind, 3, START), LineSettings::M300_7E1)
}

#[test]
fn modes_a_b_and_c_are_read_out_at_their_speeds_again_and_again() {
    for (kind, registers, line_after) in [
        (MeterKind::Iec62056ModeA, 5, LineSettings::M300_7E1),
        (MeterKind::Iec62056ModeB, 7, LineSettings::M300_7E1.at_baud(2400)),
        (MeterKind::Iec62056ModeC, 24, LineSettings::M9600_7E1),
    ] {
        let mut line = ask_iec(kind);
        for _ in 0..3 {
            assert_eq!(line.run(HOUR * 9), [format!("{registers} registers")], "{}", kind.name());
            assert_eq!(line.port, line_after, "{}", kind.name());
        }
        assert!(line.now >= HOUR / 2 && line.now < HOUR);
    }
}

#[test]
fn a_meter_that_only_pushes_does_not_answer() {
    assert_eq!(ask_iec(MeterKind::Iec62056ModeD).run(HOUR), ["silent after 3"]);
}
