//! Telegrams as a Kaifa MA309M sends them, from our own emitters.
use metergate_meter::{Key, SecurityHeader, security};
use metergate_wire::Writer;
use metergate_wire::dlms::ciphering::{GeneralGloCiphering, SecurityControl};
use metergate_wire::dlms::date_time::DateTime;
use metergate_wire::dlms::{apdu, axdr::Value, emit};
use metergate_wire::mbus;

pub(crate) const KEY: &str = "000102030405060708090A0B0C0D0E0F";
pub(crate) const AUTH_KEY: &str = "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF";
const TITLE: &[u8; 8] = b"KFM\x10\x20\x30\x40\x50";

/// A telegram in M-Bus frames: encrypted, and with `authenticated` also with a tag.
pub(crate) fn telegram(counter: u32, authenticated: bool) -> Vec<u8> {
    let mut plain = notification();
    let control = if authenticated { 0x30 } else { 0x20 };
    let (key, auth_key): (Key, Key) = (KEY.parse().unwrap(), AUTH_KEY.parse().unwrap());
    let header = SecurityHeader::new(TITLE, control, counter);
    let tag = security::seal(&key, Some(&auth_key), header, &mut plain).unwrap();
    let sealed = GeneralGloCiphering {
        system_title: TITLE,
        security_control: SecurityControl(control),
        invocation_counter: counter,
        ciphertext: &plain,
        tag: tag.as_ref(),
    };
    let apdu = written(|writer| sealed.emit(writer));
    written(|writer| mbus::emit_message(writer, &apdu, 245))
}

/// A plain list without codes, such as no built-in layout knows.
pub(crate) fn nameless() -> Vec<u8> {
    let plain = written(|writer| {
        apdu::emit_header(writer, 1, None, false)?;
        emit::structure(writer, 2)?;
        emit::value(writer, Value::U16(2009))?;
        emit::value(writer, Value::U32(9_003_574))
    });
    written(|writer| mbus::emit_message(writer, &plain, 245))
}

fn notification() -> Vec<u8> {
    // 2023-08-16, a Wednesday, 17:19:30 in summer time.
    let clock = DateTime::new([0x07, 0xE7, 8, 16, 3, 17, 19, 30, 0, 0xFF, 0x88, 0x80]);
    let registers: [([u8; 6], Value<'_>, i8, u8); 6] = [
        ([1, 0, 1, 8, 0, 255], Value::U32(9_003_574), 0, 30),
        ([1, 0, 2, 8, 0, 255], Value::U32(80), 0, 30),
        ([1, 0, 1, 7, 0, 255], Value::U32(2009), 0, 27),
        ([1, 0, 32, 7, 0, 255], Value::U16(2313), -1, 35),
        ([1, 0, 31, 7, 0, 255], Value::U16(80), -2, 33),
        ([1, 0, 13, 7, 0, 255], Value::I16(-936), -3, 255),
    ];
    written(|writer| {
        apdu::emit_header(writer, 0x40_0001, Some(clock), false)?;
        emit::structure(writer, 1 + 3 * registers.len() + 1)?;
        emit::value(writer, Value::Octets(&clock.to_bytes()))?;
        for (obis, number, scaler, unit) in registers {
            emit::register(writer, obis, number, scaler, unit)?;
        }
        emit::value(writer, Value::Octets(b"178210267389"))
    })
}

fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), metergate_wire::Full>) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let mut writer = Writer::new(&mut buffer);
    write(&mut writer).unwrap();
    writer.written().to_vec()
}
