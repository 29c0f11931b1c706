use super::*;
use metergate_reading::{Address, Value};
use metergate_wire::Writer;
use std::string::{String, ToString};
use std::vec::Vec;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn answer(command: Command, data: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 256];
    let mut out = Writer::new(&mut buffer);
    kmp::emit_answer(&mut out, command, data).unwrap();
    out.written().to_vec()
}

/// Register 60 with 28.429 MWh, and register 80 with 4.2 kW.
fn readings() -> Vec<u8> {
    let data = b"\x00\x3C\x03\x04\x43\x00\x00\x6F\x0D\x00\x50\x16\x04\x41\x00\x00\x00\x2A";
    answer(Command::GetRegister, data)
}

/// A reader with its clock: what it sends and says, in words.
struct Reader {
    meter: Kmp<[u8; 512]>,
    now: Duration,
}

impl Reader {
    fn new(plan: Plan) -> Self {
        Self { meter: Kmp::asking(Settings::default(), plan, [0; 512]), now: Duration::ZERO }
    }

    fn events(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(event) = self.meter.poll() {
            told.push(match event {
                Event::Telegram(telegram) => {
                    let meter = telegram.meter.map_or_else(|| "?".to_string(), |meter| meter.to_string());
                    std::format!("{meter}: {} registers", telegram.registers.count())
                }
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

fn plan() -> Plan {
    Plan::new(&[60, 80], HOUR).unwrap().without_identity()
}

const REQUEST: &[u8] = b"\x80\x3F\x10\x02\x00\x3C\x00\x50\x67\x52\x0D";

#[test]
fn identity_is_asked_for_once_and_registers_eight_at_a_time() {
    let registers: Vec<u16> = (100..109).collect();
    let mut reader = Reader::new(Plan::new(&registers, HOUR).unwrap());
    assert_eq!(reader.send()[..3], *b"\x80\x3F\x02", "GetSerialNo");
    assert!(reader.hear(&answer(Command::GetSerialNumber, &60_001_234_u32.to_be_bytes())).is_empty());
    assert_eq!(reader.send()[..3], *b"\x80\x3F\x01", "GetType");
    assert!(reader.hear(&answer(Command::GetType, &[0, 0x34, 0x0A, 1])).is_empty());
    assert_eq!(reader.send()[..4], *b"\x80\x3F\x10\x08");
    assert_eq!(reader.hear(&readings()), ["60001234: 2 registers"]);
    assert_eq!(reader.send()[..6], *b"\x80\x3F\x10\x01\x00\x6C");
    assert_eq!(reader.hear(&readings()), ["60001234: 2 registers"]);
    // An hour later; the head sleeps by then.
    assert_eq!(reader.send(), [0x0D]);
    assert_eq!(reader.now, HOUR);
    assert_eq!(reader.send()[..4], *b"\x80\x3F\x10\x08");
}

#[test]
fn the_echo_of_the_request_is_no_answer() {
    let mut reader = Reader::new(plan());
    let request = reader.send();
    assert!(reader.hear(&request).is_empty());
    assert_eq!(reader.hear(&readings()), ["?: 2 registers"]);
}

#[test]
fn a_damaged_answer_is_asked_for_again_after_a_wake_up() {
    let mut reader = Reader::new(plan());
    let request = reader.send();
    let mut damaged = readings();
    damaged[6] ^= 1;
    assert_eq!(reader.hear(&damaged), ["crc_mismatch"]);
    assert_eq!(reader.send(), [0x0D]);
    assert!(reader.hear(&[0x0D]).is_empty(), "its echo is no noise");
    assert_eq!(reader.send(), request);
    assert_eq!(reader.hear(&readings()), ["?: 2 registers"]);
}

#[test]
fn a_sleeping_head_is_given_up_after_three_requests() {
    for echoes in [false, true] {
        let mut reader = Reader::new(plan());
        let mut requests = 0;
        let told = loop {
            let (told, sent) = reader.step();
            if !told.is_empty() {
                break told;
            }
            requests += usize::from(sent.first() == Some(&0x80));
            assert!(reader.hear(if echoes { &sent } else { &[] }).is_empty());
        };
        assert_eq!(told, [std::format!("silent after 3, echo {echoes}")]);
        assert_eq!(requests, 3);
        assert!(reader.now < 15 * SECOND, "{:?}", reader.now);
        // And again in the next hour. Light that came back tells that there is a head to be woken.
        let sent = reader.send();
        assert_eq!(reader.now, HOUR);
        assert_eq!(sent, if echoes { &[0x0D][..] } else { REQUEST });
    }
}

#[test]
fn no_hour_has_more_requests_than_the_budget() {
    let plan = Plan::new(&[60], 60 * SECOND).unwrap().with_requests_per_hour(4);
    let mut reader = Reader::new(plan);
    let mut sent = Vec::new();
    while reader.now < 10 * HOUR {
        if reader.step().1.first() == Some(&0x80) {
            sent.push(reader.now);
        }
    }
    for (index, &first) in sent.iter().enumerate() {
        let in_an_hour = sent[index..].iter().filter(|&&at| at < first + HOUR).count();
        assert!(in_an_hour <= 4, "{in_an_hour} from {first:?} on");
    }
    assert!(sent.len() >= 36, "the budget is used: {}", sent.len());
}

#[test]
fn a_meter_that_does_not_tell_its_number_is_read_all_the_same() {
    let mut reader = Reader::new(Plan::new(&[60, 80], HOUR).unwrap().with_attempts(2));
    let request = loop {
        let sent = reader.send();
        if sent.get(2) == Some(&0x10) {
            break sent;
        }
    };
    assert_eq!(request, REQUEST);
    assert_eq!(reader.hear(&readings()), ["?: 2 registers"]);
}

#[test]
fn half_an_answer_is_truncated_and_asked_for_again() {
    let mut reader = Reader::new(plan());
    reader.send();
    assert!(reader.hear(&readings()[..8]).is_empty());
    assert_eq!(reader.step(), (std::vec!["truncated".to_string()], Vec::new()), "the line went silent");
    assert_eq!(reader.send(), [0x0D]);
}

#[test]
fn a_plan_has_one_to_thirty_two_registers() {
    assert!(Plan::new(&[], HOUR).is_none());
    assert!(Plan::new(&[1; 32], HOUR).is_some());
    assert!(Plan::new(&[1; 33], HOUR).is_none());
}

/// The register of an answer to GetRegister, by a listener.
fn told(register: &[u8]) -> String {
    let mut meter = Kmp::new(Settings::default(), [0; 512]);
    meter.handle_input(&answer(Command::GetRegister, register), Duration::ZERO);
    match meter.poll() {
        Some(Event::Telegram(mut telegram)) => {
            let register = telegram.registers.next().unwrap();
            let value = match register.value {
                Value::Number(number) => number.to_string(),
                Value::DateTime(time) => time.to_string(),
                value => std::format!("{value:?}"),
            };
            std::format!("{value} {}", register.unit.map_or("", |unit| unit.text()))
        }
        Some(Event::Rejected(rejection)) => rejection.cause.code().to_string(),
        other => std::format!("{other:?}"),
    }
}

#[test]
fn units_scale_and_dates_are_dates() {
    assert_eq!(told(b"\x00\x3C\x03\x04\x43\x00\x00\x6F\x0D"), "28429000 Wh");
    assert_eq!(told(b"\x04\x00\x16\x02\xC1\x80\x06"), "-3277400 W");
    assert_eq!(told(b"\x03\xEB\x30\x04\x00\x00\x03\xF8\xDA"), "2026-03-14 ");
    assert_eq!(told(b"\x03\xEA\x2F\x04\x00\x00\x02\x2E\x9D"), "14:30:05 ");
    assert_eq!(told(b"\x03\xEB\x30\x04\x00\x00\x03\xF9\x0A"), "Octets([0, 3, 249, 10]) ", "260362 is no day");
    assert_eq!(told(b"\x00\x01\x40\x04\x00AB\x20\x00"), "Text(\"AB\") ");
    assert_eq!(told(b"\x00\x01\x02\x08\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), "out_of_range");
    assert_eq!(told(b"\x00\x01\x02\x08\x00\xFF"), "malformed");
}

#[test]
fn a_listener_hands_out_type_and_serial_number() {
    let mut meter = Kmp::new(Settings::default(), [0; 512]);
    assert_eq!((meter.poll_timeout(), meter.poll_transmit(&mut [0; 64])), (None, 0));
    meter.handle_input(&answer(Command::GetSerialNumber, &[0x04, 0x83, 0xDA, 0x69]), Duration::ZERO);
    let Some(Event::Telegram(mut telegram)) = meter.poll() else { panic!() };
    assert_eq!(telegram.meter.unwrap().to_string(), "75749993");
    assert_eq!(telegram.registers.next().unwrap().address, Address::Text("serial"));
    assert!(telegram.registers.next().is_none());
    meter.handle_input(&answer(Command::GetType, &[0, 0x34, 0x0A, 1]), Duration::ZERO);
    let Some(Event::Telegram(mut telegram)) = meter.poll() else { panic!() };
    assert_eq!(telegram.registers.next().unwrap().value, Value::Octets(&[0, 0x34, 0x0A, 1]));
    meter.handle_input(&answer(Command::Other(0x62), &[]), Duration::ZERO);
    let Some(Event::Rejected(rejection)) = meter.poll() else { panic!() };
    assert_eq!(rejection.cause.code(), Code::Unsupported);
}

#[test]
fn to_a_listener_a_run_of_foreign_bytes_is_one_whatever_is_in_it() {
    let mut meter = Kmp::new(Settings::default(), [0; 512]);
    let mut bytes = std::vec![0x11, 0x06, 0x22, 0x06, 0x06, 0x33];
    bytes.extend(readings());
    assert_eq!(meter.handle_input(&bytes, Duration::ZERO), bytes.len());
    let Some(Event::Rejected(noise)) = meter.poll() else { panic!("no noise") };
    assert_eq!((noise.cause.code(), noise.offset, noise.length), (Code::Noise, 0, 6));
    let Some(Event::Telegram(telegram)) = meter.poll() else { panic!("no telegram") };
    assert_eq!(telegram.offset, 6);
}
