use super::*;
use metergate_wire::Writer;
use metergate_wire::iec62056_21::{Emitter, add_parity};
use std::string::{String, ToString};
use std::vec::Vec;

const QUARTER: Duration = Duration::from_secs(900);

/// STX, one energy, ETX and BCC.
fn data() -> Vec<u8> {
    let mut buffer = [0; 128];
    let mut out = Writer::new(&mut buffer);
    let mut readout = Emitter::begin_data(&mut out).unwrap();
    readout.data_set(b"C.1.0", &[b"10020030"]).unwrap();
    readout.line_end().unwrap();
    readout.data_set(b"0.9.1", &[b"143005"]).unwrap();
    readout.data_set(b"0.9.2", &[b"0260314"]).unwrap();
    readout.line_end().unwrap();
    readout.data_set(b"1.6.1", &[b"04.512*kW", b"2603091815"]).unwrap();
    readout.line_end().unwrap();
    readout.finish().unwrap();
    out.written().to_vec()
}

/// A reader with its clock: what it sends and says, in words.
struct Reader {
    meter: Iec62056_21<[u8; 1024]>,
    now: Duration,
}

impl Reader {
    fn new(plan: Plan) -> Self {
        Self { meter: Iec62056_21::asking(Settings::default(), plan, [0; 1024]), now: Duration::ZERO }
    }

    fn events(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(event) = self.meter.poll() {
            told.push(match event {
                Event::Telegram(telegram) => std::format!("{} registers", telegram.registers.count()),
                Event::Rejected(rejection) => rejection.cause.code().to_string(),
                Event::NoAnswer { attempts, echo } => std::format!("silent after {attempts}, echo {echo}"),
                Event::Line(line) => line.to_string(),
            });
        }
        told
    }

    /// Lets time pass to the next thing to do, and returns what is said and then sent.
    fn step(&mut self) -> (Vec<String>, Vec<u8>) {
        loop {
            self.now = self.meter.poll_timeout().unwrap().max(self.now);
            self.meter.handle_timeout(self.now);
            let told = self.events();
            let mut out = [0; 64];
            let len = self.meter.poll_transmit(&mut out);
            if !told.is_empty() || len > 0 {
                return (told, out[..len].to_vec());
            }
        }
    }

    fn send(&mut self) -> Vec<u8> {
        let (told, sent) = self.step();
        assert!(told.is_empty(), "{told:?}");
        sent
    }

    fn hear(&mut self, bytes: &[u8]) -> Vec<String> {
        assert_eq!(self.meter.handle_input(bytes, self.now), bytes.len());
        self.events()
    }
}

#[test]
fn mode_c_changes_the_rate_after_the_option_select_and_back_for_the_next_sign_on() {
    let mut reader = Reader::new(Plan::new(QUARTER));
    assert_eq!(reader.send(), b"/?!\r\n");
    assert!(reader.hear(b"/LGZ5ZMD\r\n").is_empty());
    let signed_on = reader.now;
    assert_eq!(reader.send(), b"\x06050\r\n");
    assert_eq!(reader.now - signed_on, Duration::from_millis(200));
    assert_eq!(reader.meter.poll_timeout(), Some(reader.now), "the order is due at once");
    assert_eq!(reader.events(), ["9600 7E1"]);
    assert_eq!(reader.hear(&data()), ["4 registers"]);
    let (told, sent) = reader.step();
    assert_eq!((reader.now, told, sent), (QUARTER, std::vec!["300 7E1".to_string()], b"/?!\r\n".to_vec()));
}

#[test]
fn mode_b_changes_the_rate_by_itself_and_mode_a_never() {
    let mut reader = Reader::new(Plan::new(QUARTER).with_address("12345678").unwrap());
    assert_eq!(reader.send(), b"/?12345678!\r\n");
    assert!(reader.hear(b"/SIEC2WR5\r\n").is_empty());
    assert_eq!(reader.step(), (std::vec!["2400 7E1".to_string()], Vec::new()));
    assert_eq!(reader.hear(&data()), ["4 registers"]);

    let mut reader = Reader::new(Plan::new(QUARTER));
    reader.send();
    assert_eq!(reader.hear(&[b"/KAM@162\r\n", &data()[..]].concat()), ["4 registers"]);
}

#[test]
fn a_slow_head_gets_a_slow_rate_and_a_fast_meter_its_answer_early() {
    let mut reader = Reader::new(Plan::new(QUARTER).with_baud_max(2400));
    reader.send();
    reader.hear(b"/ISk5MT174\r\n");
    assert_eq!(reader.send(), b"\x06030\r\n");
    assert_eq!(reader.now, Duration::from_millis(20));
    assert_eq!(reader.events(), ["2400 7E1"]);
}

#[test]
fn echoes_are_heard_and_not_told() {
    let mut reader = Reader::new(Plan::new(QUARTER));
    let request = reader.send();
    assert!(reader.hear(&request).is_empty());
    assert!(reader.hear(b"/LGZ5ZMD\r\n").is_empty());
    let select = reader.send();
    assert_eq!(reader.events(), ["9600 7E1"]);
    assert!(reader.hear(&select).is_empty());
    assert_eq!(reader.hear(&data()), ["4 registers"]);
}

#[test]
fn a_silent_meter_is_given_up_after_three_sign_ons() {
    for echoes in [false, true] {
        let mut reader = Reader::new(Plan::new(QUARTER));
        let (mut requests, mut told) = (0, Vec::new());
        while told.is_empty() {
            let (events, sent) = reader.step();
            told = events;
            if sent.starts_with(b"/?") {
                requests += 1;
                if echoes {
                    reader.hear(&sent);
                }
            }
        }
        assert_eq!(told, [std::format!("silent after 3, echo {echoes}")]);
        assert_eq!(requests, 3);
        assert_eq!(reader.send(), b"/?!\r\n");
        assert_eq!(reader.now, QUARTER);
    }
}

#[test]
fn a_damaged_readout_is_read_again_from_the_sign_on() {
    let mut reader = Reader::new(Plan::new(QUARTER));
    reader.send();
    reader.hear(b"/LGZ5ZMD\r\n");
    reader.send();
    reader.events();
    let mut damaged = data();
    damaged[10] ^= 1;
    assert_eq!(reader.hear(&damaged), ["bcc_mismatch", "300 7E1"]);
    assert_eq!(reader.send(), b"/?!\r\n");
    assert!(reader.now >= Duration::from_secs(2), "the meter has to give up the last sign-on");
}

#[test]
fn parity_is_done_in_software_both_ways() {
    let with_parity = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        add_parity(&mut bytes);
        bytes
    };
    let mut reader = Reader::new(Plan::new(QUARTER).with_parity_bit());
    assert_eq!(reader.send(), with_parity(b"/?!\r\n"));
    reader.hear(&with_parity(b"/LGZ5ZMD\r\n"));
    assert_eq!(reader.send(), with_parity(b"\x06050\r\n"));
    reader.events();
    assert_eq!(reader.hear(&with_parity(&data())), ["4 registers"]);

    let push = b"/ESY5Q3DA1004\r\n\r\n1-0:1.8.0*255(00032549.506*kWh)\r\n!\r\n";
    let mut damaged = with_parity(push);
    let digit = push.iter().position(|&byte| byte == b'3').unwrap() + 20;
    damaged[digit] ^= 0x01;
    let mut meter = Iec62056_21::new(Settings::default(), [0; 1024]);
    meter.handle_input(&damaged, Duration::ZERO);
    let Some(Event::Rejected(rejection)) = meter.poll() else { panic!() };
    assert_eq!(rejection.cause.code(), Code::ParityMismatch, "no other check covers a push");
}

#[test]
fn a_push_is_told_at_its_end_and_line_ends_after_it_are_no_noise() {
    let push = b"/ESY5Q3DA1004\r\n\r\n1-0:1.8.0*255(00032549.506*kWh)\r\n!\r\n";
    let mut meter = Iec62056_21::new(Settings::default(), [0; 1024]);
    for _ in 0..3 {
        meter.handle_input(push, Duration::ZERO);
        assert!(matches!(meter.poll(), Some(Event::Telegram(_))));
        meter.handle_input(b"\r\n\r\n", Duration::ZERO);
        assert!(meter.poll().is_none());
    }
}

#[test]
fn number_clock_and_maxima_are_read() {
    let mut meter = Iec62056_21::new(Settings::default(), [0; 1024]);
    let bytes = [b"/LGZ5ZMD\r\n", &data()[..]].concat();
    meter.handle_input(&bytes, Duration::ZERO);
    let Some(Event::Telegram(telegram)) = meter.poll() else { panic!() };
    assert_eq!(telegram.meter.unwrap().to_string(), "10020030");
    assert_eq!(telegram.time.unwrap().to_string(), "2026-03-14T14:30:05");
    assert_eq!(telegram.identification, Some("LGZ5ZMD"));
    let maximum = telegram.registers.last().unwrap();
    assert_eq!(maximum.time.unwrap().to_string(), "2026-03-09T18:15:00");
    assert_eq!(maximum.obis.unwrap().to_string(), "1-0:1.6.1*255");
    assert!(maximum.groups.iter().eq(["04.512*kW", "2603091815"]));
}

#[test]
fn an_address_is_of_letters_and_digits() {
    assert!(Plan::new(QUARTER).with_address("1ISK0063355730").is_some());
    assert!(Plan::new(QUARTER).with_address("12!").is_none());
    assert!(Plan::new(QUARTER).with_address(&"1".repeat(33)).is_none());
}
