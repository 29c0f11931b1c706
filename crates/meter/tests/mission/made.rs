//! Rows that are proved on telegrams of our own.
use super::{Told, read, settings, telegrams};
use metergate_meter::{Code, Conversation, Protocol, Settings, iec62056_21};
use metergate_wire::dlms::axdr::Value;
use metergate_wire::dlms::date_time::DateTime;
use metergate_wire::dlms::{apdu, emit};
use metergate_wire::sml::{self, Crc, Entry, GetListResponse, Head, Number, message, transport};
use metergate_wire::{Full, Writer, checksum, mbus};

fn written(emit: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let mut out = Writer::new(&mut buffer);
    emit(&mut out).unwrap();
    out.written().to_vec()
}

fn sml_list<const N: usize>(entries: [Entry<'_>; N], signature: Option<&[u8]>) -> Vec<u8> {
    let list = GetListResponse {
        client_id: None,
        server_id: &[0x0A, 0x01, b'M', b'T', b'G', 0, 0, 0, 0, 42],
        list_name: None,
        act_sensor_time: None,
        entries,
        list_signature: signature,
        act_gateway_time: None,
    };
    let head = Head { transaction_id: &[1], group_no: 0, abort_on_error: 0 };
    let file = written(|out| message::emit(out, Crc::X25, &head, GetListResponse::TAG, |out| list.emit(out)));
    written(|out| transport::emit(out, Crc::X25, &file))
}

fn power(number: Number) -> Entry<'static> {
    Entry { unit: Some(27), scaler: Some(0), ..Entry::new([1, 0, 16, 7, 0, 255], sml::Value::Number(number)) }
}

#[test]
fn row_02_feed_in_of_1308_w_as_16_bits() {
    let told =
        read(Protocol::Sml, Settings::default(), &sml_list([power(Number::signed(-1308).in_bytes(2))], None));
    assert_eq!(told[0].telegram().value("1-0:16.7.0"), "-1308 W");
}

#[test]
fn row_04_a_list_signature_is_handed_out() {
    let signature = [0x5A; 48];
    let bytes = sml_list([power(Number::signed(1))], Some(&signature));
    let told = read(Protocol::Sml, Settings::default(), &bytes);
    assert_eq!(told[0].telegram().signature.as_deref(), Some(&signature[..]));
}

/// A readout with its block check character.
fn readout(bcc: Option<u8>) -> Vec<u8> {
    let block = b"1-0:1.8.0(054321.1234*kWh)\r\n!\r\n\x03";
    let mut bytes = b"/MTG5\\2DEMO\r\n\x02".to_vec();
    bytes.extend_from_slice(block);
    bytes.push(bcc.unwrap_or(checksum::bcc(block)));
    bytes
}

#[test]
fn row_05_a_readout_is_exact_and_a_wrong_bcc_refused() {
    let told = read(Protocol::Iec62056_21, Settings::default(), &readout(None));
    let number = told[0].telegram().register("1-0:1.8.0").number().unwrap();
    assert_eq!(number.at_exponent(-1), Some(543_211_234), "543211234 x 0.1 Wh");
    let wrong = checksum::bcc(b"1-0:1.8.0(054321.1234*kWh)\r\n!\r\n\x03") ^ 1;
    let told = read(Protocol::Iec62056_21, Settings::default(), &readout(Some(wrong)));
    assert_eq!(told, [Told::Refused(Code::BccMismatch)]);
}

#[test]
fn row_05_a_listener_never_transmits() {
    let mut meter = iec62056_21::Iec62056_21::new(Settings::default(), vec![0; 256]);
    assert_eq!(meter.poll_transmit(&mut [0; 64]), 0);
}

/// A plain push over M-Bus: structures of OBIS code, value, scaler and unit.
fn push(clock: [u8; 12], registers: &[([u8; 6], Value<'_>, i8, u8)]) -> Vec<u8> {
    let notification = written(|out| {
        apdu::emit_header(out, 1, Some(DateTime::new(clock)), false)?;
        emit::structure(out, registers.len())?;
        registers.iter().try_for_each(|&(obis, value, scaler, unit)| {
            emit::structure(out, 3)?;
            emit::register(out, obis, value, scaler, unit)
        })
    });
    written(|out| mbus::emit_message(out, &notification, 245))
}

const CLOCK: [u8; 12] = [0x07, 0xE7, 0x08, 0x10, 0x03, 0x11, 0x13, 0x1E, 0x00, 0xFF, 0x88, 0x82];

#[test]
fn row_12_a_power_factor_of_minus_309_with_scaler_minus_3() {
    let bytes = push(CLOCK, &[([1, 0, 13, 7, 0, 255], Value::I16(-309), -3, 255)]);
    let told = read(Protocol::DlmsMbus, Settings::default(), &bytes);
    assert_eq!(told[0].telegram().value("1-0:13.7.0"), "-0.309");
}

#[test]
fn row_13_phases_that_a_meter_does_not_have_are_absent() {
    // The list of a one-phase Honeywell DM515.
    let registers = [
        ([1, 0, 32, 7, 0, 255], Value::U16(2312), -1, 35),
        ([1, 0, 31, 7, 0, 255], Value::U16(123), -2, 33),
        ([1, 0, 1, 7, 0, 255], Value::U32(284), 0, 27),
        ([1, 0, 2, 7, 0, 255], Value::U32(0), 0, 27),
        ([1, 0, 1, 8, 0, 255], Value::U32(1_234_567), 0, 30),
        ([1, 0, 2, 8, 0, 255], Value::U32(0), 0, 30),
        ([1, 0, 3, 8, 0, 255], Value::U32(12), 0, 32),
        ([1, 0, 4, 8, 0, 255], Value::U32(3456), 0, 32),
    ];
    let told = read(Protocol::DlmsMbus, Settings::default(), &push(CLOCK, &registers));
    let telegram = told[0].telegram();
    assert_eq!(telegram.registers.len(), registers.len());
    telegram.check(&[("1-0:32.7.0", "231.2 V"), ("1-0:31.7.0", "1.23 A"), ("1-0:2.8.0", "0 Wh")]);
    for absent in ["1-0:52.7.0", "1-0:72.7.0", "1-0:51.7.0", "1-0:71.7.0"] {
        assert!(!telegram.has(absent), "{absent} is absent, not 0");
    }
}

#[test]
fn row_22_a_clock_with_zone_and_doubt() {
    let bytes = push(CLOCK, &[([1, 0, 1, 7, 0, 255], Value::U32(1), 0, 27)]);
    let told = read(Protocol::DlmsMbus, settings(None, None), &bytes);
    assert_eq!(telegrams(&told)[0].time.as_deref(), Some("2023-08-16T17:19:30+02:00"));
    let clocks =
        super::clocks(&mut metergate_meter::dlms::Mbus::new(settings(None, None), vec![0; 1024]), &bytes);
    assert_eq!(clocks, [metergate_reading::ClockStatus::Doubtful]);
}
