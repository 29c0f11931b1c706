//! A meter that is asked, on a pseudo-terminal: deaf to a reader at another speed, and garbage to its ears.
use metergate_simulator::{Control, MeterKind, Outlet, Pty, Settings, Simulation, speak, unix_s};
use metergate_wire::{Scan, iec62056_21};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A meter in mode C and the reader's end of its line.
struct Line {
    control: Arc<Control>,
    meter: Option<JoinHandle<u64>>,
    port: File,
}

impl Line {
    fn open() -> Self {
        let kind = MeterKind::Iec62056ModeC;
        let pty = Pty::open(kind.line(), None).expect("a pseudo-terminal");
        let port = OpenOptions::new().read(true).write(true).open(pty.path()).expect("it opens");
        let flags = rustix::fs::fcntl_getfl(&port).expect("flags");
        rustix::fs::fcntl_setfl(&port, flags | rustix::fs::OFlags::NONBLOCK).expect("flags");
        let control = Arc::new(Control::default());
        let its_control = Arc::clone(&control);
        let meter = std::thread::spawn(move || {
            let mut simulation = Simulation::new(Settings::new(kind, 1, unix_s())).expect("no fault is set");
            let mut noted = 0;
            let mut note = |_: &_| {
                noted += 1;
                Ok(())
            };
            speak(&mut simulation, &mut Outlet::Pty(pty), &its_control, None, &mut note).expect("it speaks");
            noted
        });
        Self { control, meter: Some(meter), port }
    }

    fn set_baud(&self, baud: u32) {
        let mut termios = tcgetattr(&self.port).expect("settings");
        termios.set_speed(baud).expect("a speed");
        tcsetattr(&self.port, OptionalActions::Now, &termios).expect("settings");
    }

    fn send(&mut self, bytes: &[u8]) {
        self.port.write_all(bytes).expect("bytes are taken");
    }

    /// What comes until `wait` has passed, or until `is_enough`.
    fn hear(&mut self, wait: Duration, is_enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let (begin, mut heard) = (Instant::now(), Vec::new());
        while begin.elapsed() < wait && !is_enough(&heard) {
            let mut buffer = [0; 4096];
            match self.port.read(&mut buffer) {
                Ok(read) => heard.extend_from_slice(&buffer[..read]),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        heard
    }

    /// Ends the meter and gives the number of telegrams in its ledger.
    fn end(mut self) -> u64 {
        self.control.stop();
        self.meter.take().expect("it runs").join().expect("it ends")
    }
}

const LONG: Duration = Duration::from_secs(5);

fn identification(heard: &[u8]) -> bool {
    heard.ends_with(b"\r\n")
}

#[test]
fn a_reader_at_the_wrong_speed_is_not_heard() {
    let mut line = Line::open();
    line.set_baud(9600);
    line.send(b"/?!\r\n");
    assert!(line.hear(Duration::from_millis(900), identification).is_empty());
    line.set_baud(300);
    line.send(b"/?!\r\n");
    assert_eq!(line.hear(LONG, identification), b"/ISk5MT174-0001\r\n");
    assert_eq!(line.end(), 0, "a sign-on is no telegram");
}

#[test]
fn a_reader_that_changes_its_speed_hears_the_data_and_one_that_does_not_hears_garbage() {
    for (follows, is_readable) in [(true, true), (false, false)] {
        let mut line = Line::open();
        line.send(b"/?!\r\n");
        let mut readout = line.hear(LONG, identification);
        line.send(b"\x06050\r\n");
        if follows {
            // After the time that six characters need at 300 baud.
            std::thread::sleep(Duration::from_millis(200));
            line.set_baud(9600);
        }
        readout.extend(line.hear(LONG, |heard| heard.len() > 600));
        readout.extend(line.hear(Duration::from_millis(50), |_| false));
        let is_frame = matches!(iec62056_21::scan(&readout), Scan::Frame { len, .. } if len == readout.len());
        assert_eq!(is_frame, is_readable, "follows: {follows}: {}", String::from_utf8_lossy(&readout));
        assert_eq!(line.end(), 1);
    }
}

#[test]
fn a_silenced_meter_neither_hears_nor_speaks() {
    let mut line = Line::open();
    line.control.silence();
    line.send(b"/?!\r\n");
    assert!(line.hear(Duration::from_millis(800), identification).is_empty());
    assert_eq!(line.end(), 0);
}
