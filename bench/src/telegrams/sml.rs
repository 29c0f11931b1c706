//! A telegram of a household meter that pushes SML.
use super::written;
use metergate_wire::sml::{
    Body, Crc, Entry, GetListResponse, Head, Message, Number, OpenResponse, Time, Value, message, transport,
};

/// Entries of [`telegram`].
pub const VALUES: usize = 7;

/// An SML telegram of 304 bytes as a household meter pushes it: open, a list of seven entries, close.
#[must_use]
pub fn telegram() -> Vec<u8> {
    let server_id = [0x0A, 0x01, b'M', b'T', b'G', 0, 0, 0, 0, 42];
    let number = |obis, unit, scaler, value| Entry {
        unit: Some(unit),
        scaler: Some(scaler),
        ..Entry::new(obis, Value::Number(value))
    };
    let list = GetListResponse {
        client_id: None,
        server_id: &server_id,
        list_name: Some(&[1, 0, 98, 10, 255, 255]),
        act_sensor_time: Some(Time::SecIndex(9_000_000)),
        entries: [
            Entry::new([129, 129, 199, 130, 3, 255], Value::Octets(b"MTG")),
            Entry::new([1, 0, 0, 0, 9, 255], Value::Octets(&server_id)),
            Entry {
                status: Some(0x0001_0104),
                ..number([1, 0, 1, 8, 0, 255], 30, -1, Number::signed(123_456_789).in_bytes(5))
            },
            number([1, 0, 2, 8, 0, 255], 30, -1, Number::signed(987_654).in_bytes(5)),
            number([1, 0, 1, 8, 1, 255], 30, -1, Number::signed(123_456_789).in_bytes(5)),
            number([1, 0, 16, 7, 0, 255], 27, -1, Number::signed(-3_205).in_bytes(4)),
            Entry::new([129, 129, 199, 130, 5, 255], Value::Octets(&[0xA5; 35])),
        ],
        list_signature: None,
        act_gateway_time: None,
    };
    let file = written(|out| {
        let head = |group_no| Head { transaction_id: &[0, 0, 0, 42], group_no, abort_on_error: 0 };
        let open = OpenResponse {
            codepage: None,
            client_id: None,
            req_file_id: Some(&[0, 0, 0, 42]),
            server_id: &server_id,
            ref_time: None,
            sml_version: None,
        };
        Message { head: head(0), body: Body::OpenResponse(open) }.emit(out, Crc::X25)?;
        message::emit(out, Crc::X25, &head(0), GetListResponse::TAG, |out| list.emit(out))?;
        Message { head: head(0), body: Body::CloseResponse { global_signature: None } }.emit(out, Crc::X25)
    });
    written(|out| transport::emit(out, Crc::X25, &file))
}
