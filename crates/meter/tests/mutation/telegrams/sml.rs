//! SML: both CRCs, escapes, lists in lists, two lists, load profiles.
use super::{Base, Check, emitted, settings};
use crate::damage::Bits;
use crate::naive;
use metergate_meter::Protocol;
use metergate_wire::sml::{
    Body, Crc, Entry, GetListResponse, GetProfileListResponse, GetProfilePackResponse, Head, ListOf, Message,
    Number, OpenResponse, Period, PeriodEntry, PeriodValue, ProfileHeader, Time, Value, message, transport,
};

const SERVER: &[u8] = &[0x0A, 0x01, b'E', b'M', b'H', 0, 0, 0x12, 0x34, 0x56];

/// A message without its CRC and its end.
fn unsealed(bytes: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = bytes.expect("the message fits");
    bytes.truncate(bytes.len() - 4);
    bytes
}

fn head(id: &[u8]) -> Head<'_> {
    Head { transaction_id: id, group_no: 0, abort_on_error: 0 }
}

fn open() -> Vec<u8> {
    let body = Body::OpenResponse(OpenResponse {
        codepage: None,
        client_id: None,
        req_file_id: Some(&[0x00, 0x19]),
        server_id: SERVER,
        ref_time: Some(Time::SecIndex(7)),
        sml_version: Some(1),
    });
    unsealed(emitted(|out| Message { head: head(&[0, 1]), body }.emit(out, Crc::X25)))
}

fn close() -> Vec<u8> {
    let body = Body::CloseResponse { global_signature: None };
    unsealed(emitted(|out| Message { head: head(&[0, 3]), body }.emit(out, Crc::X25)))
}

fn list(entries: &[Entry<'_>], signature: Option<&[u8]>) -> Vec<u8> {
    let list = GetListResponse {
        client_id: None,
        server_id: SERVER,
        list_name: Some(&[1, 0, 0x62, 0x0A, 0xFF, 0xFF]),
        act_sensor_time: Some(Time::SecIndex(99_043_543)),
        entries: entries.iter().copied(),
        list_signature: signature,
        act_gateway_time: None,
    };
    unsealed(emitted(|out| {
        message::emit(out, Crc::X25, &head(&[0, 2]), GetListResponse::TAG, |out| list.emit(out))
    }))
}

fn energy(code: [u8; 6], mantissa: u64, scaler: i8) -> Entry<'static> {
    Entry {
        status: Some(0x1C_0104),
        val_time: Some(Time::SecIndex(0x0158_3B80)),
        unit: Some(30),
        scaler: Some(scaler),
        ..Entry::new(code, Value::Number(Number::unsigned(mantissa).in_bytes(5)))
    }
}

fn power(code: [u8; 6], mantissa: i64) -> Entry<'static> {
    Entry {
        unit: Some(27),
        scaler: Some(-2),
        ..Entry::new(code, Value::Number(Number::signed(mantissa).in_bytes(4)))
    }
}

/// What a German household meter sends: 300 bytes.
fn household(number: u32) -> Vec<Vec<u8>> {
    let entries = [
        Entry::new([129, 129, 199, 130, 3, 255], Value::Octets(b"EMH")),
        Entry::new([1, 0, 0, 0, 9, 255], Value::Octets(SERVER)),
        energy([1, 0, 1, 8, 0, 255], 352_040_842 + u64::from(number), -4),
        energy([1, 0, 2, 8, 0, 255], 1_000_000 - u64::from(number), -1),
        energy([1, 0, 1, 8, 1, 255], 7, 3),
        power([1, 0, 16, 7, 0, 255], -32_731 + i64::from(number)),
        power([1, 0, 36, 7, 0, 255], 4_850),
        Entry::new([129, 129, 199, 130, 5, 255], Value::Octets(&[0xA5; 48])),
    ];
    vec![open(), list(&entries, Some(&[0x5A; 48])), close()]
}

/// All kinds of values and times.
fn every_kind(number: u32) -> Vec<Vec<u8>> {
    let nested =
        ListOf::new_checked(&[0x73, 0x52, 0x05, 0x71, 0x42, 0x00, 0x03, b'h', b'i']).expect("a list");
    let number = i64::from(number);
    let entries = [
        Entry::new([1, 0, 96, 1, 0, 255], Value::Null),
        Entry::new([1, 0, 96, 2, 0, 255], Value::Boolean(true)),
        Entry::new([1, 0, 96, 3, 0, 255], Value::List(nested)),
        Entry {
            status: Some(u64::MAX),
            ..Entry::new([1, 0, 96, 4, 0, 255], Value::Number(Number::signed(i64::MIN)))
        },
        Entry {
            scaler: Some(-128),
            ..Entry::new([1, 0, 96, 5, 0, 255], Value::Number(Number::signed(-1 - number)))
        },
        Entry {
            val_time: Some(Time::Timestamp(1_763_625_300)),
            ..Entry::new([1, 0, 96, 6, 0, 255], Value::Number(Number::unsigned(u64::MAX / 2)))
        },
        Entry {
            val_time: Some(Time::LocalTimestamp {
                timestamp: 1_763_625_300,
                local_offset_min: 60,
                season_offset_min: 60,
            }),
            ..Entry::new([1, 0, 96, 7, 0, 255], Value::Number(Number::signed(-2).in_bytes(3)))
        },
        Entry {
            val_time: Some(Time::Untagged(5)),
            ..Entry::new([1, 0, 96, 8, 0, 255], Value::Octets(&[0; 20]))
        },
        Entry {
            value_signature: Some(&[1, 2, 3]),
            unit: Some(255),
            ..Entry::new([1, 0, 96, 9, 0, 255], Value::Number(Number::unsigned(300)))
        },
    ];
    vec![open(), list(&entries, None), list(&entries[..2], None), close()]
}

/// Payloads full of 1B: one list with runs of every length.
fn escapes(number: u32) -> Vec<Vec<u8>> {
    let runs = [0x1B; 40];
    let mixed = *b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x1b\x1b\x1b\x1b\x1a\x00\x1b\x1b\x1b";
    let entries = [
        Entry::new([1, 0, 96, 1, 0, 255], Value::Octets(&runs[..4])),
        Entry::new([1, 0, 96, 2, 0, 255], Value::Octets(&runs[..13])),
        Entry::new([1, 0, 96, 3, 0, 255], Value::Octets(&mixed)),
        energy([1, 0, 1, 8, 0, 255], 0x1B1B_1B1B ^ u64::from(number), 0),
    ];
    vec![open(), list(&entries, Some(&runs[..11])), close()]
}

/// More than fifteen entries, so that the head of the list has two bytes.
fn many(number: u32) -> Vec<Vec<u8>> {
    let entries: Vec<_> =
        (0..30_u8).map(|c| power([1, 0, c, 7, 0, 255], i64::from(number) + i64::from(c))).collect();
    vec![open(), list(&entries, None), close()]
}

fn profile_list(number: u32) -> Vec<Vec<u8>> {
    let entries = [1, 2].map(|c| PeriodEntry {
        header: ProfileHeader { obj_name: [1, 0, c, 8, 0, 255], unit: 30, scaler: -1 },
        value: Value::Number(Number::unsigned(u64::from(number) + 77)),
        value_signature: None,
    });
    let profile = GetProfileListResponse {
        server_id: SERVER,
        act_time: Time::Timestamp(1_763_625_300),
        reg_period: 900,
        parameter_tree_path: &[&[1, 0, 99, 1, 0, 255][..]][..],
        val_time: Time::Timestamp(1_763_625_600),
        status: 0x82,
        entries: &entries[..],
        rawdata: None,
        period_signature: None,
    };
    let tag = GetProfileListResponse::TAG;
    let body = emitted(|out| message::emit(out, Crc::X25, &head(&[9]), tag, |out| profile.emit(out)));
    vec![open(), unsealed(body), close()]
}

fn profile_pack(number: u32) -> Vec<Vec<u8>> {
    let headers = [1, 2].map(|c| ProfileHeader { obj_name: [1, 0, c, 8, 0, 255], unit: 30, scaler: -1 });
    let value = |mantissa: u32| PeriodValue {
        value: Value::Number(Number::unsigned(mantissa.into())),
        value_signature: None,
    };
    let rows: Vec<_> = (0..4).map(|row| [value(number + row), value(row)]).collect();
    let periods: Vec<_> = rows
        .iter()
        .zip(0..)
        .map(|(values, row)| Period {
            val_time: Time::Timestamp(1_763_625_600 + 900 * row),
            status: 0,
            values: &values[..],
            period_signature: None,
        })
        .collect();
    let pack = GetProfilePackResponse {
        server_id: SERVER,
        act_time: Time::Timestamp(1_763_629_200),
        reg_period: 900,
        parameter_tree_path: &[&[1, 0, 99, 1, 0, 255][..]][..],
        headers: &headers[..],
        periods: &periods[..],
        rawdata: None,
        profile_signature: Some(&[9; 48]),
    };
    let tag = GetProfilePackResponse::TAG;
    let body = emitted(|out| message::emit(out, Crc::X25, &head(&[9]), tag, |out| pack.emit(out)));
    vec![open(), unsealed(body), close()]
}

/// Every message with its CRC and its end.
fn sealed(parts: &[Vec<u8>], crc: Crc) -> Vec<u8> {
    let mut file = Vec::new();
    for part in parts {
        file.extend(part);
        file.push(0x63);
        file.extend(crc.of(part));
        file.push(0);
    }
    file
}

fn base(name: &'static str, parts: Vec<Vec<u8>>, crc: Crc) -> Base {
    Base {
        name,
        protocol: Protocol::Sml,
        settings: settings(None, None),
        parts,
        seal: Box::new(move |parts| Some(sealed(parts, crc))),
        link: Box::new(move |file| emitted(|out| transport::emit(out, crc, file))),
        read: Box::new(naive::sml::read),
        check: Check::Crc16(Bits::LowFirst),
        guarded: 0..0,
        tagged: false,
        text: false,
        // The two bytes of a Kermit CRC may come in either order.
        every_byte_counts: crc == Crc::X25,
    }
    .guard_all()
}

pub(crate) fn all(number: u32) -> Vec<Base> {
    vec![
        base("household", household(number), Crc::X25),
        base("kermit", household(number), Crc::Kermit),
        base("every kind of value", every_kind(number), Crc::X25),
        base("escapes", escapes(number), Crc::X25),
        base("30 entries", many(number), Crc::X25),
        base("profile list", profile_list(number), Crc::X25),
        base("profile pack", profile_pack(number), Crc::X25),
    ]
}
