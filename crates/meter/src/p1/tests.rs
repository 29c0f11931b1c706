use super::*;
use crate::{CounterPolicy, Key, security};
use metergate_reading::Unit;
use metergate_wire::Writer;
use metergate_wire::dlms::ciphering::{GeneralGloCiphering, SecurityControl};
use metergate_wire::p1::Emitter;
use std::string::{String, ToString};
use std::vec::Vec;

const KEY: [u8; 16] = [7; 16];
const AUTH_KEY: [u8; 16] = [9; 16];

fn text(energy: &str, crc: bool) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut out = Writer::new(&mut buffer);
    let mut telegram = Emitter::begin(&mut out, b"/MTG5METERGATE").unwrap();
    telegram.line(b"0-0:1.0.0", &[b"260720081500S"]).unwrap();
    telegram.line(b"0-0:96.1.1", &[b"4D455445523031"]).unwrap();
    telegram.line(b"1-0:1.8.0", &[energy.as_bytes()]).unwrap();
    if crc { telegram.finish() } else { telegram.finish_without_crc() }.unwrap();
    out.written().to_vec()
}

fn sealed(plain: &[u8], control: u8, counter: u32) -> Vec<u8> {
    let header = SecurityHeader::new(b"MTG\x01\x02\x03\x04\x05", control, counter);
    let mut content = plain.to_vec();
    let tag = security::seal(&Key::new(KEY), Some(&Key::new(AUTH_KEY)), header, &mut content).unwrap();
    let mut buffer = [0; 1024];
    let mut out = Writer::new(&mut buffer);
    let envelope = GeneralGloCiphering {
        system_title: header.system_title(),
        security_control: SecurityControl(control),
        invocation_counter: counter,
        ciphertext: &content,
        tag: tag.as_ref(),
    };
    envelope.emit(&mut out).unwrap();
    out.written().to_vec()
}

fn settings(key: Option<[u8; 16]>, auth_key: Option<[u8; 16]>) -> Settings {
    Settings { key: key.map(Key::new), auth_key: auth_key.map(Key::new), ..Settings::default() }
}

/// Events in words: the energy and what the envelope says, or the code of the refusal.
fn hear(meter: &mut P1<Vec<u8>>, bytes: &[u8]) -> Vec<String> {
    let (mut told, mut now, mut rest) = (Vec::new(), Duration::ZERO, bytes);
    loop {
        let taken = meter.handle_input(rest, now);
        rest = &rest[taken..];
        while let Some(event) = meter.poll() {
            told.push(match event {
                Event::Telegram(mut telegram) => {
                    let energy = telegram.registers.nth(2).unwrap();
                    let Value::Number(energy) = energy.value else { panic!("{energy:?}") };
                    let security = telegram.security.map_or("plain", |security| {
                        if security.authenticated { "authenticated" } else { "unauthenticated" }
                    });
                    std::format!("{energy} {security}")
                }
                Event::Rejected(rejection) => rejection.cause.code().to_string(),
                event => panic!("{event:?}"),
            });
        }
        if rest.is_empty() {
            let Some(due) = meter.poll_timeout() else { return told };
            now = due;
            meter.handle_timeout(now);
        }
    }
}

fn listen(settings: Settings, bytes: &[u8]) -> Vec<String> {
    hear(&mut P1::new(settings, std::vec![0; 2048]), bytes)
}

#[test]
fn meter_number_and_clock_are_read() {
    let mut meter = P1::new(Settings::default(), [0; 512]);
    meter.handle_input(&text("1*Wh", true), Duration::ZERO);
    let Some(Event::Telegram(telegram)) = meter.poll() else { panic!() };
    assert_eq!(telegram.meter.unwrap().to_string(), "METER01");
    assert_eq!(telegram.time.unwrap().to_string(), "2026-07-20T08:15:00+02:00");
    assert_eq!(telegram.identification, Some("MTG5METERGATE"));
    assert_eq!(meter_number(b"621848012D2C0B0C").unwrap().to_string(), "621848012D2C0B0C");
    assert_eq!(meter_number(b"serienummer").unwrap().to_string(), "serienummer");
    assert_eq!(meter_number(b""), None);
}

#[test]
fn an_encrypted_telegram_is_opened_and_its_tag_checked() {
    let bytes = sealed(&text("1234*Wh", true), 0x30, 5);
    assert_eq!(listen(settings(Some(KEY), Some(AUTH_KEY)), &bytes), ["1234 authenticated"]);
    assert_eq!(listen(settings(Some(KEY), None), &bytes), ["1234 unauthenticated"]);
    let without_tag = sealed(&text("1234*Wh", true), 0x20, 5);
    assert_eq!(listen(settings(Some(KEY), Some(AUTH_KEY)), &without_tag), ["1234 unauthenticated"]);
}

#[test]
fn each_wrong_key_has_its_code() {
    let bytes = sealed(&text("1234*Wh", true), 0x30, 5);
    assert_eq!(listen(settings(None, None), &bytes), ["missing_key"]);
    assert_eq!(listen(settings(Some([8; 16]), Some(AUTH_KEY)), &bytes), ["wrong_key_or_damaged"]);
    assert_eq!(listen(settings(Some(KEY), Some([8; 16])), &bytes), ["authentication_failed"]);
    let suite_2 = sealed(&text("1234*Wh", true), 0x30, 5);
    let control = suite_2.iter().position(|&byte| byte == 0x30).unwrap();
    let mut suite_2 = suite_2;
    suite_2[control] = 0x32;
    assert_eq!(listen(settings(Some(KEY), None), &suite_2), ["unsupported_security"]);
}

#[test]
fn a_rejection_carries_the_header_that_is_readable_without_a_key() {
    let mut meter = P1::new(Settings::default(), [0; 512]);
    meter.handle_input(&sealed(&text("1234*Wh", true), 0x30, 77), Duration::ZERO);
    let Some(Event::Rejected(rejection)) = meter.poll() else { panic!() };
    let header = rejection.security.unwrap();
    assert_eq!((header.invocation_counter, header.security_control), (77, 0x30));
}

#[test]
fn an_inner_crc_refuses_under_a_right_tag() {
    let mut plain = text("1234*Wh", true);
    let digit = plain.iter().position(|&byte| byte == b'4').unwrap();
    plain[digit] = b'5';
    let bytes = sealed(&plain, 0x30, 5);
    assert_eq!(listen(settings(Some(KEY), Some(AUTH_KEY)), &bytes), ["crc_mismatch"]);
}

#[test]
fn a_repeated_counter_is_refused_on_a_live_line() {
    let bytes = [sealed(&text("1*Wh", true), 0x30, 5), sealed(&text("2*Wh", true), 0x30, 5)].concat();
    let live = settings(Some(KEY), Some(AUTH_KEY));
    assert_eq!(listen(live.clone(), &bytes), ["1 authenticated", "replayed"]);
    let capture = Settings { counters: CounterPolicy::Flag, ..live };
    assert_eq!(listen(capture, &bytes), ["1 authenticated", "2 authenticated"]);
}

#[test]
fn a_lost_stretch_of_an_envelope_costs_only_that_telegram() {
    let first = sealed(&text("1*Wh", true), 0x30, 5);
    let second = sealed(&text("2*Wh", true), 0x30, 6);
    let bytes = [&first[..40], &first[80..], &second].concat();
    assert_eq!(listen(settings(Some(KEY), Some(AUTH_KEY)), &bytes), ["truncated", "2 authenticated"]);
}

#[test]
fn an_envelope_that_lost_bytes_does_not_take_the_next_one_along() {
    let first = sealed(&text("1*Wh", true), 0x20, 1);
    let two = [first.clone(), sealed(&text("2*Wh", true), 0x20, 2)].concat();
    let settings = settings(Some(KEY), None);
    assert_eq!(listen(settings.clone(), &two), ["1 unauthenticated", "2 unauthenticated"]);
    for lost in 1..12 {
        for at in 20..first.len() - lost {
            let mut damaged = two.clone();
            damaged.drain(at..at + lost);
            let told = listen(settings.clone(), &damaged);
            assert_eq!(told.len(), 2, "{lost} bytes from {at} on: {told:?}");
            assert_eq!(told[1], "2 unauthenticated", "{lost} bytes from {at} on: {told:?}");
        }
    }
}

#[test]
fn an_envelope_that_ends_like_the_next_one_begins_waits_for_more() {
    let plain = text("1*Wh", true);
    let mut envelopes = (0..).map(|counter| sealed(&plain, 0x20, counter));
    let ends_in_db = envelopes.find(|envelope| envelope.last() == Some(&ciphering::TAG)).unwrap();
    let mut meter = P1::new(settings(Some(KEY), None), [0; 1024]);
    meter.handle_input(&ends_in_db, Duration::ZERO);
    assert!(meter.poll().is_none(), "the last byte may be the first of the next telegram");
    meter.handle_timeout(IDLE);
    assert!(matches!(meter.poll(), Some(Event::Telegram(_))), "it was the last");
}

#[test]
fn plain_and_encrypted_telegrams_share_a_line() {
    let bytes = [
        &b"\xDBnoise\xDB\x08\x00"[..],
        &text("1*Wh", true),
        &sealed(&text("2*Wh", true), 0x30, 5),
        b"\r\n\r\n",
        &text("3*Wh", true),
        b"\r\n",
    ]
    .concat();
    let told = listen(settings(Some(KEY), Some(AUTH_KEY)), &bytes);
    assert_eq!(
        told,
        ["noise", "1 plain", "2 authenticated", "3 plain"],
        "line ends after a telegram are no noise"
    );
}

#[test]
fn a_meter_that_loses_its_crc_is_refused() {
    let mut meter = P1::new(Settings::default(), std::vec![0; 2048]);
    assert_eq!(hear(&mut meter, &text("1*Wh", false)), ["1 plain"], "it never sent one");
    assert_eq!(hear(&mut meter, &text("2*Wh", true)), ["2 plain"]);
    assert_eq!(hear(&mut meter, &text("3*Wh", false)), ["crc_mismatch"]);
    assert_eq!(hear(&mut meter, &text("4*Wh", true)), ["4 plain"]);
}

#[test]
fn a_telegram_longer_than_the_buffer_is_too_long() {
    let mut meter = P1::new(Settings::default(), std::vec![0; 64]);
    let told = hear(&mut meter, &text("1*Wh", true));
    assert_eq!(told.first().map(String::as_str), Some("too_long"));
}

#[test]
fn a_line_that_is_no_data_line_is_handed_out_as_text() {
    let line = b"1-0:72:32.0(00000)";
    let mut registers = Registers::new(line);
    let register = registers.next().unwrap();
    assert_eq!(register.value, Value::Text("1-0:72:32.0(00000)"));
    assert_eq!((register.obis, registers.next()), (None, None));
}

#[test]
fn one_byte_that_is_no_text_spoils_its_own_line_only() {
    let body = b"0-0:96.13.0(caf\xE9)\r\n1-0:1.8.1(000576.239*kWh)\r\n0-0:96.1.1(4B38)\r\n";
    let registers: Vec<_> = Registers::new(body).collect();
    let [message, energy, number] = registers[..] else { panic!("{registers:?}") };
    assert_eq!((message.value, message.groups), (Value::Octets(b"caf\xE9"), Groups::NONE));
    assert_eq!((energy.unit, energy.groups), (Some(Unit::WattHour), Groups::new("(000576.239*kWh)")));
    assert_eq!((number.value, number.groups), (Value::Text("4B38"), Groups::new("(4B38)")));
    // The same lines read the same in a body that is text as a whole.
    assert_eq!(Registers::new(&body[19..]).collect::<Vec<_>>(), [energy, number]);
}
