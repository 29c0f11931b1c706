//! What DLMS conversations deliver and refuse, on telegrams of our own emitters.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by them")]
use metergate_meter::{
    Code, Conversation, CounterPolicy, Event, Key, Meter, Protocol, SecurityHeader, Settings, models,
    security,
};
use metergate_reading::{Address, Unit, Value as Said};
use metergate_wire::dlms::axdr::Value;
use metergate_wire::dlms::ciphering::{GeneralGloCiphering, SecurityControl};
use metergate_wire::dlms::date_time::DateTime;
use metergate_wire::dlms::{apdu, emit, gbt};
use metergate_wire::{Full, Writer, hdlc, mbus};
use std::time::Duration;

const KEY: [u8; 16] = [0x11; 16];
const AUTH_KEY: [u8; 16] = [0x22; 16];
const TITLE: &[u8; 8] = b"MTG\x00\x00\x00\x00\x2A";
const CLOCK: [u8; 12] = [0x07, 0xEA, 11, 20, 5, 8, 0, 0, 0, 0xFF, 0xC4, 0];

fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let mut writer = Writer::new(&mut buffer);
    write(&mut writer).unwrap();
    writer.written().to_vec()
}

/// A data-notification with this body.
fn notification(body: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Vec<u8> {
    written(|out| {
        apdu::emit_header(out, 1, Some(DateTime::new(CLOCK)), false)?;
        body(out)
    })
}

/// `count` registers of import energy, nested.
fn registers(count: u8) -> Vec<u8> {
    notification(|out| {
        emit::structure(out, usize::from(count))?;
        (0..count).try_for_each(|index| {
            emit::structure(out, 3)?;
            emit::register(out, [1, 0, 1, 8, index, 255], Value::U32(1000 + u32::from(index)), -1, 30)
        })
    })
}

fn sealed(plain: &[u8], control: u8, counter: u32) -> Vec<u8> {
    let mut content = plain.to_vec();
    let header = SecurityHeader::new(TITLE, control, counter);
    let tag = security::seal(&Key::new(KEY), Some(&Key::new(AUTH_KEY)), header, &mut content).unwrap();
    enveloped(&content, control, counter, tag.as_ref())
}

fn enveloped(content: &[u8], control: u8, counter: u32, tag: Option<&[u8; 12]>) -> Vec<u8> {
    written(|out| {
        GeneralGloCiphering {
            system_title: TITLE,
            security_control: SecurityControl(control),
            invocation_counter: counter,
            ciphertext: content,
            tag,
        }
        .emit(out)
    })
}

fn over_mbus(message: &[u8]) -> Vec<u8> {
    written(|out| mbus::emit_message(out, message, 100))
}

fn over_hdlc(message: &[u8], len_max: usize) -> Vec<u8> {
    let address = |bytes| hdlc::Address::new(bytes).unwrap();
    written(|out| hdlc::emit_message(out, address(&[0xCF]), address(&[0x02, 0x23]), message, len_max))
}

/// A message as general block transfer, each block in a frame of its own; the LLC header in the first or in all.
fn in_blocks(message: &[u8], llc_in_all: bool) -> Vec<Vec<u8>> {
    gbt::blocks(message, 60)
        .map(|block| {
            let apdu = written(|out| block.emit(out));
            if block.number == 1 || llc_in_all {
                return over_hdlc(&apdu, 128);
            }
            let address = |bytes| hdlc::Address::new(bytes).unwrap();
            let (destination, source) = (address(&[0xCF]), address(&[0x02, 0x23]));
            let frame =
                hdlc::Frame { segmented: false, destination, source, control: 0x13, information: &apdu };
            written(|out| frame.emit(out))
        })
        .collect()
}

/// The frames of an M-Bus message, apart.
fn mbus_frames(message: &[u8]) -> Vec<Vec<u8>> {
    let bytes = over_mbus(message);
    let mut rest = &bytes[..];
    let mut frames = Vec::new();
    while let metergate_wire::Scan::Frame { len, .. } = mbus::scan(rest) {
        frames.push(rest[..len].to_vec());
        rest = &rest[len..];
    }
    frames
}

fn keyed() -> Settings {
    Settings {
        key: Some(Key::new(KEY)),
        auth_key: Some(Key::new(AUTH_KEY)),
        counters: CounterPolicy::Strict,
        ..Settings::default()
    }
}

/// Telegrams as the number of their registers, refusals as offset, length, layer and code.
#[derive(Debug, PartialEq)]
enum Told {
    Telegram { offset: u64, length: u64, registers: usize },
    Rejected { offset: u64, length: u64, layer: &'static str, code: Code },
}
use Told::{Rejected, Telegram};

fn told(protocol: Protocol, bytes: &[u8], settings: Settings) -> Vec<Told> {
    let mut told = Vec::new();
    listen(protocol, bytes, settings, |event| {
        told.push(match event {
            Event::Telegram(telegram) => Telegram {
                offset: telegram.offset,
                length: telegram.length,
                registers: telegram.registers.count(),
            },
            Event::Rejected(rejection) => Rejected {
                offset: rejection.offset,
                length: rejection.length,
                layer: rejection.cause.layer(),
                code: rejection.cause.code(),
            },
            other => panic!("{other:?}"),
        });
    });
    told
}

fn listen(protocol: Protocol, bytes: &[u8], settings: Settings, mut hear: impl FnMut(Event<'_>)) {
    let mut meter = Meter::listening(protocol, settings, vec![0; 2048]);
    let mut rest = bytes;
    while !rest.is_empty() {
        let taken = meter.handle_input(rest, Duration::ZERO);
        rest = &rest[taken..];
        while let Some(event) = meter.poll() {
            hear(event);
        }
    }
    while let Some(due) = meter.poll_timeout() {
        meter.handle_timeout(due);
        while let Some(event) = meter.poll() {
            hear(event);
        }
    }
}

fn codes(told: &[Told]) -> Vec<(&'static str, Code)> {
    told.iter()
        .filter_map(|told| match told {
            Rejected { layer, code, .. } => Some((*layer, *code)),
            Telegram { .. } => None,
        })
        .collect()
}

/// The registers of one telegram in words: address, code, value and unit.
fn words(body: &[u8], settings: Settings) -> Vec<String> {
    let mut words = Vec::new();
    listen(Protocol::DlmsHdlc, &over_hdlc(body, 2000), settings, |event| {
        let Event::Telegram(telegram) = event else { panic!("{event:?}") };
        for register in telegram.registers {
            let place = match register.address {
                Address::Position(position) => format!("@{position}"),
                _ => String::new(),
            };
            let obis = register.obis.map(|obis| obis.to_string()).unwrap_or_default();
            let value = match register.value {
                Said::Number(number) => number.to_string(),
                Said::Octets(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Said::DateTime(time) => time.to_string(),
                other => format!("{other:?}"),
            };
            let unit = register.unit.map_or("", Unit::text);
            words.push(format!("{place}{obis} {value} {unit}").trim_end().to_owned());
        }
    });
    words
}

#[test]
fn the_flat_list_of_netz_noe() {
    let body = notification(|out| {
        emit::structure(out, 8)?;
        emit::value(out, Value::Octets(&CLOCK))?;
        emit::register(out, [1, 0, 1, 8, 0, 255], Value::U32(12937), 0, 30)?;
        emit::register(out, [1, 0, 32, 7, 0, 255], Value::U16(2337), -1, 35)?;
        emit::value(out, Value::Octets(b"181220000009"))
    });
    assert_eq!(
        words(&body, Settings::default()),
        [
            "@0 2026-11-20T08:00:00+01:00",
            "1-0:1.8.0*255 12937 Wh",
            "1-0:32.7.0*255 233.7 V",
            "@7 181220000009"
        ]
    );
}

#[test]
fn nested_items_with_and_without_scaler_and_lists_of_them() {
    let item = |out: &mut Writer<'_>, value: Value<'_>| {
        emit::structure(out, 2)?;
        emit::value(out, Value::Octets(&[0, 0, 96, 1, 0, 255]))?;
        emit::value(out, value)
    };
    let body = notification(|out| {
        emit::structure(out, 3)?;
        item(out, Value::Visible(b"160456"))?;
        emit::array(out, 2)?;
        item(out, Value::Null)?;
        emit::structure(out, 3)?;
        emit::register(out, [1, 0, 13, 7, 0, 255], Value::I16(-998), -3, 255)?;
        emit::value(out, Value::U8(7))
    });
    assert_eq!(
        words(&body, Settings::default()),
        ["0-0:96.1.0*255 160456", "0-0:96.1.0*255 Null", "1-0:13.7.0*255 -0.998", "@2 7"]
    );
}

#[test]
fn pairs_of_code_and_value_and_a_value_that_looks_like_a_code() {
    let body = notification(|out| {
        emit::structure(out, 5)?;
        emit::value(out, Value::Visible(b"ABC_V1"))?;
        emit::value(out, Value::Octets(&[1, 1, 31, 7, 0, 255]))?;
        emit::value(out, Value::U32(564))?;
        emit::value(out, Value::Octets(&[1, 1, 96, 1, 1, 255]))?;
        emit::value(out, Value::Octets(&[0, 1, 0, 1, 0, 255]))
    });
    let words = words(&body, Settings::default());
    assert_eq!(words[..2], ["@0 ABC_V1", "1-1:31.7.0*255 564"]);
    assert_eq!(words.len(), 3);
    assert!(words[2].starts_with("1-1:96.1.1*255 "));
}

#[test]
fn push_objects_name_the_values_that_follow() {
    let objects: [[u8; 6]; 3] = [[0, 8, 25, 9, 0, 255], [0, 0, 42, 0, 0, 255], [1, 1, 1, 8, 0, 255]];
    let body = |values: &[Value<'_>]| {
        notification(|out| {
            emit::structure(out, 1 + values.len())?;
            emit::array(out, objects.len())?;
            for object in &objects {
                emit::structure(out, 4)?;
                emit::value(out, Value::U16(3))?;
                emit::value(out, Value::Octets(object))?;
                emit::value(out, Value::I8(2))?;
                emit::value(out, Value::U16(0))?;
            }
            values.iter().try_for_each(|value| emit::value(out, *value))
        })
    };
    let (name, energy) = (Value::Octets(b"LGZ1030655933512"), Value::U32(886_977));
    let named_itself = words(&body(&[name, energy]), Settings::default());
    assert_eq!(named_itself, ["0-0:42.0.0*255 LGZ1030655933512", "1-1:1.8.0*255 886977"]);
    let all_named = words(&body(&[Value::Null, name, energy]), Settings::default());
    assert_eq!(all_named[0], "0-8:25.9.0*255 Null");
    assert_eq!(all_named[1..], named_itself);
    let model = models::find("landis-gyr-e450-ch");
    let with_units = words(&body(&[name, energy]), Settings { model, ..Settings::default() });
    assert_eq!(with_units[1], "1-1:1.8.0*255 886977 Wh");
    // One value too few: the list names nothing, and everything is told by position.
    assert_eq!(words(&body(&[energy]), Settings::default())[1], "@1 886977");
}

#[test]
fn a_value_alone_is_the_only_element() {
    let body = notification(|out| emit::value(out, Value::U32(1320)));
    assert_eq!(words(&body, Settings::default()), ["@0 1320"]);
    let list = notification(|out| {
        emit::structure(out, 1)?;
        emit::value(out, Value::U32(1320))
    });
    assert_eq!(words(&list, Settings::default()), ["@01-0:1.7.0*255 1320 W"], "Kaifa's list of one");
}

#[test]
fn segments_are_joined_and_foreign_bytes_between_them_do_no_harm() {
    let message = registers(20);
    let frames = mbus_frames(&message);
    assert!(frames.len() > 3);
    let whole = frames.concat();
    let length = whole.len() as u64;
    assert_eq!(
        told(Protocol::DlmsMbus, &whole, Settings::default()),
        [Telegram { offset: 0, length, registers: 20 }]
    );
    let noisy = frames.join(&b"\x00\xFF"[..]);
    let told = told(Protocol::DlmsMbus, &noisy, Settings::default());
    assert!(codes(&told).iter().all(|(_, code)| *code == Code::Noise));
    assert_eq!(told.last(), Some(&Telegram { offset: 0, length: noisy.len() as u64, registers: 20 }));
}

#[test]
fn ci_ff_begins_a_message_as_00_does() {
    let mut frames = mbus_frames(&registers(8));
    let last = frames[0].len() - 2;
    frames[0][6] = 0xFF;
    frames[0][last] = frames[0][last].wrapping_add(0xFF);
    let whole = frames.concat();
    let length = whole.len() as u64;
    assert_eq!(
        told(Protocol::DlmsMbus, &whole, Settings::default()),
        [Telegram { offset: 0, length, registers: 8 }]
    );
}

#[test]
fn a_lost_segment_costs_one_telegram() {
    let frames = mbus_frames(&registers(20));
    for lost in 0..frames.len() {
        let kept: Vec<u8> = (0..frames.len())
            .filter(|index| *index != lost)
            .flat_map(|index| frames[index].clone())
            .collect();
        let twice = [&kept[..], &frames.concat()].concat();
        let told = told(Protocol::DlmsMbus, &twice, Settings::default());
        let offset = kept.len() as u64;
        let length = frames.concat().len() as u64;
        assert_eq!(told.last(), Some(&Telegram { offset, length, registers: 20 }), "{lost}: {told:?}");
        assert!(codes(&told).iter().all(|(_, code)| *code == Code::Truncated), "{lost}: {told:?}");
        let refused: u64 =
            told.iter().map(|told| if let Rejected { length, .. } = told { *length } else { 0 }).sum();
        assert_eq!(refused, offset, "{lost}: every byte is accounted for");
    }
}

#[test]
fn a_damaged_segment_refuses_the_whole_telegram_once() {
    let mut frames = mbus_frames(&registers(20));
    frames[1][20] ^= 0x04;
    let rest = frames[2..].concat().len() as u64;
    let whole = frames.concat();
    let told = told(Protocol::DlmsMbus, &whole, Settings::default());
    let until = whole.len() as u64 - rest;
    let (layer, code) = ("mbus.frame", Code::ChecksumMismatch);
    assert_eq!(told[0], Rejected { offset: 0, length: until, layer, code });
    assert!(told[1..].iter().all(|told| matches!(told, Rejected { layer: "mbus.segment", .. })));
}

#[test]
fn an_unfinished_telegram_is_truncated_when_the_line_goes_silent() {
    let frames = mbus_frames(&registers(20));
    let length = frames[0].len() as u64;
    let (layer, code) = ("stream", Code::Truncated);
    assert_eq!(
        told(Protocol::DlmsMbus, &frames[0], Settings::default()),
        [Rejected { offset: 0, length, layer, code }]
    );
}

#[test]
fn other_mbus_frames_are_named_and_passed_over() {
    let frame = mbus::Frame { control: 0x08, address: 1, ci: 0x72, access_points: None, data: &[0x11; 12] };
    let foreign = written(|out| frame.emit(out));
    let frames = mbus_frames(&registers(4));
    let told = told(Protocol::DlmsMbus, &[&foreign[..], &frames.concat()].concat(), Settings::default());
    assert_eq!(codes(&told), [("mbus.frame", Code::Unsupported)]);
    assert!(matches!(told.last(), Some(Telegram { registers: 4, .. })));
}

#[test]
fn hdlc_segments_are_joined_with_shared_and_with_idle_flags() {
    let bytes = over_hdlc(&registers(20), 128);
    let plain = told(Protocol::DlmsHdlc, &bytes, Settings::default());
    assert_eq!(plain, [Telegram { offset: 0, length: bytes.len() as u64, registers: 20 }]);
    let mut shared = Vec::new();
    for &byte in &bytes {
        if byte != 0x7E || shared.last() != Some(&0x7E) {
            shared.push(byte);
        }
    }
    assert!(shared.len() < bytes.len());
    let with_shared = told(Protocol::DlmsHdlc, &shared, Settings::default());
    assert_eq!(with_shared, [Telegram { offset: 0, length: shared.len() as u64, registers: 20 }]);
    let idle = [&[0x7E; 5][..], &bytes, &[0x7E; 4], &bytes, &[0x7E; 3]].concat();
    let with_idle = told(Protocol::DlmsHdlc, &idle, Settings::default());
    assert_eq!(with_idle.iter().filter(|told| matches!(told, Telegram { .. })).count(), 2);
    assert!(codes(&with_idle).iter().all(|(_, code)| *code == Code::Noise), "{with_idle:?}");
}

#[test]
fn blocks_are_joined_with_the_llc_header_in_the_first_or_in_all() {
    let message = sealed(&registers(20), 0x30, 5);
    for llc_in_all in [false, true] {
        let bytes = in_blocks(&message, llc_in_all).concat();
        assert_eq!(
            told(Protocol::DlmsHdlc, &bytes, keyed()),
            [Telegram { offset: 0, length: bytes.len() as u64, registers: 20 }]
        );
    }
}

#[test]
fn blocks_over_mbus_are_joined_too() {
    let message = registers(20);
    let bytes: Vec<u8> =
        gbt::blocks(&message, 150).flat_map(|block| over_mbus(&written(|out| block.emit(out)))).collect();
    assert_eq!(
        told(Protocol::DlmsMbus, &bytes, Settings::default()),
        [Telegram { offset: 0, length: bytes.len() as u64, registers: 20 }]
    );
}

#[test]
fn a_lost_block_costs_one_telegram() {
    let blocks = in_blocks(&registers(20), false);
    for lost in 0..blocks.len() {
        let kept: Vec<u8> = (0..blocks.len())
            .filter(|index| *index != lost)
            .flat_map(|index| blocks[index].clone())
            .collect();
        let told = told(Protocol::DlmsHdlc, &[&kept[..], &blocks.concat()].concat(), Settings::default());
        assert!(matches!(told.last(), Some(Telegram { registers: 20, .. })), "{lost}: {told:?}");
        assert!(!codes(&told).is_empty());
        assert!(codes(&told).iter().all(|(_, code)| *code == Code::Truncated), "{lost}: {told:?}");
    }
}

#[test]
fn a_damaged_header_and_a_damaged_frame_have_their_checks() {
    let bytes = over_hdlc(&registers(4), 2000);
    for (at, found) in [(5, "the HDLC header check"), (40, "the HDLC frame check")] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let mut heard = Vec::new();
        listen(Protocol::DlmsHdlc, &damaged, Settings::default(), |event| {
            let Event::Rejected(rejection) = event else { panic!("{event:?}") };
            heard.push((rejection.cause.code(), rejection.to_string()));
        });
        assert_eq!(heard[0].0, Code::CrcMismatch);
        assert!(heard[0].1.starts_with(found), "{heard:?}");
    }
}

#[test]
fn every_kind_of_security_is_opened() {
    let plain = registers(6);
    for (control, authenticated) in
        [(0x10, true), (0x11, true), (0x20, false), (0x21, false), (0x30, true), (0x31, true)]
    {
        let mut heard = 0;
        listen(Protocol::DlmsMbus, &over_mbus(&sealed(&plain, control, 9)), keyed(), |event| {
            let Event::Telegram(telegram) = event else { panic!("{control:02X}: {event:?}") };
            let security = telegram.security.unwrap();
            assert_eq!(security.authenticated, authenticated, "{control:02X}");
            assert_eq!(telegram.flags.unauthenticated, !authenticated);
            assert_eq!(telegram.meter.unwrap().manufacturer(), Some("MTG"));
            assert_eq!(telegram.time.unwrap().to_string(), "2026-11-20T08:00:00+01:00");
            heard += telegram.registers.count();
        });
        assert_eq!(heard, 6, "{control:02X}");
    }
}

#[test]
fn the_table_of_refusals() {
    let plain = registers(6);
    let good = sealed(&plain, 0x30, 9);
    let mut wrong_tag = good.clone();
    *wrong_tag.last_mut().unwrap() ^= 1;
    let wrong = Key::new([0x33; 16]);
    let other = |tag: u8| [tag, 0x10, 0x20, 0x00, 0x00, 0x00, 0x01].to_vec();
    let security = |code| [("dlms.security", code)];
    for (name, message, settings, expected) in [
        ("no key", &good, Settings::default(), security(Code::MissingKey)),
        ("wrong key", &good, Settings { key: Some(wrong.clone()), ..keyed() }, security(Code::WrongKey)),
        (
            "wrong key without tag",
            &sealed(&plain, 0x20, 9),
            Settings { key: Some(wrong.clone()), ..keyed() },
            security(Code::WrongKey),
        ),
        (
            "wrong authentication key",
            &good,
            Settings { auth_key: Some(wrong), ..keyed() },
            security(Code::AuthenticationFailed),
        ),
        ("wrong tag", &wrong_tag, keyed(), security(Code::AuthenticationFailed)),
        ("suite 2", &enveloped(&plain, 0x22, 9, None), keyed(), security(Code::UnsupportedSecurity)),
        ("broadcast key", &enveloped(&plain, 0x60, 9, None), keyed(), security(Code::UnsupportedSecurity)),
        ("compressed", &enveloped(&plain, 0xA0, 9, None), keyed(), security(Code::UnsupportedSecurity)),
        (
            "unprotected envelope",
            &enveloped(&plain, 0x00, 9, None),
            keyed(),
            security(Code::UnsupportedSecurity),
        ),
        ("glo-event-notification", &other(0xCA), keyed(), security(Code::UnsupportedSecurity)),
        ("general-ded-ciphering", &other(0xDC), keyed(), security(Code::UnsupportedSecurity)),
        ("general-ciphering", &other(0xDD), keyed(), security(Code::UnsupportedSecurity)),
        ("general-signing", &other(0xDF), keyed(), security(Code::UnsupportedSecurity)),
        ("get-response", &other(0xC4), keyed(), [("dlms.notification", Code::Unsupported)]),
        ("no apdu", &other(0x07), keyed(), [("dlms.notification", Code::Malformed)]),
        ("cut plain", &plain[..plain.len() - 1].to_vec(), keyed(), [("dlms.axdr", Code::Malformed)]),
        ("longer plain", &[&plain[..], &[0]].concat(), keyed(), [("dlms.axdr", Code::Malformed)]),
        ("cut envelope", &good[..good.len() - 1].to_vec(), keyed(), [("dlms.ciphering", Code::Malformed)]),
        // The right tag proves the key, so the meter itself sent nonsense.
        ("sealed nonsense", &sealed(&plain[..20], 0x30, 9), keyed(), [("dlms.axdr", Code::Malformed)]),
        (
            "beyond 64 bits",
            &notification(|out| emit::value(out, Value::U64(u64::MAX))),
            keyed(),
            [("dlms.axdr", Code::OutOfRange)],
        ),
        (
            "beyond 64 bits, sealed without tag",
            &sealed(&notification(|out| emit::value(out, Value::U64(u64::MAX))), 0x20, 9),
            keyed(),
            [("dlms.axdr", Code::OutOfRange)],
        ),
    ] {
        for (protocol, bytes) in
            [(Protocol::DlmsMbus, over_mbus(message)), (Protocol::DlmsHdlc, over_hdlc(message, 120))]
        {
            let told = told(protocol, &bytes, settings.clone());
            assert_eq!(codes(&told), expected, "{name} over {protocol}: {told:?}");
            assert_eq!(told.len(), 1, "{name} over {protocol}");
        }
    }
}

#[test]
fn a_refused_telegram_carries_its_header_and_does_not_count() {
    let plain = registers(2);
    let mut forged = sealed(&plain, 0x30, 50);
    *forged.last_mut().unwrap() ^= 1;
    let bytes =
        [over_mbus(&forged), over_mbus(&sealed(&plain, 0x30, 7)), over_mbus(&sealed(&plain, 0x30, 7))];
    let mut heard = Vec::new();
    listen(Protocol::DlmsMbus, &bytes.concat(), keyed(), |event| {
        heard.push(match event {
            Event::Telegram(telegram) => (None, telegram.security.unwrap().header.invocation_counter),
            Event::Rejected(rejection) => {
                (Some(rejection.cause.code()), rejection.security.unwrap().invocation_counter)
            }
            other => panic!("{other:?}"),
        });
    });
    // A forged counter of 50 must not lock out the meter, which counts from 7.
    assert_eq!(heard, [(Some(Code::AuthenticationFailed), 50), (None, 7), (Some(Code::Replayed), 7)]);
}

#[test]
fn a_telegram_longer_than_the_buffer_is_refused_and_the_next_one_read() {
    let long = over_hdlc(&registers(110), 2000);
    assert!(long.len() > 2048);
    let short = over_hdlc(&registers(2), 2000);
    let told = told(Protocol::DlmsHdlc, &[&long[..], &short].concat(), Settings::default());
    assert!(matches!(told.last(), Some(Telegram { registers: 2, .. })), "{told:?}");
    // Its end belongs to no frame any more.
    assert_eq!(codes(&told), [("stream", Code::TooLong), ("stream", Code::Noise)]);
}
