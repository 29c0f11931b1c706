//! KMP: eight registers with every sign, unit and length, and one without stuffing.
use super::{Base, Check, emitted, settings};
use crate::damage::Bits;
use crate::naive;
use metergate_meter::Protocol;
use metergate_wire::kmp::{self, Command};

/// The data of an answer to GetRegister: number, unit, length, sign and exponent, mantissa.
fn registers(of: &[(u16, u8, u8, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for &(number, unit, sign_exponent, mantissa) in of {
        data.extend(number.to_be_bytes());
        data.extend([unit, u8::try_from(mantissa.len()).expect("short"), sign_exponent]);
        data.extend(mantissa);
    }
    data
}

fn base(name: &'static str, parts: Vec<Vec<u8>>) -> Base {
    Base {
        name,
        protocol: Protocol::Kmp,
        settings: settings(None, None),
        parts,
        // The CRC is computed over the content before stuffing, and stuffed with it: the link does both.
        seal: Box::new(|parts| Some(parts.concat())),
        link: Box::new(|data| emitted(|out| kmp::emit_answer(out, Command::GetRegister, data))),
        read: Box::new(naive::kmp::read),
        check: Check::Crc16(Bits::HighFirst),
        guarded: 0..0,
        tagged: false,
        text: false,
        every_byte_counts: true,
    }
    .guard_all()
}

pub(crate) fn all(number: u32) -> Vec<Base> {
    let energy = (0x0012_3400 + number).to_be_bytes();
    let volume = (0x7040_1B0D_u32 ^ number).to_be_bytes();
    let eight = registers(&[
        (60, 2, 0x43, &energy),
        (68, 40, 0x42, &volume),
        (80, 22, 0xC1, &[0x40, 0x80]),
        (86, 37, 0x42, &[0x22, 0x1B]),
        (87, 37, 0xC2, &[0x00, 0x0D]),
        (89, 38, 0x42, &[0x06]),
        (1004, 46, 0x00, &[0, 0, 0x40, 0x0D, 0x80]),
        (266, 8, 0x46, &[0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
    ]);
    vec![
        base("eight registers, stuffed", vec![eight]),
        base("one register", vec![registers(&[(155, 1, 0x41, &energy)])]),
    ]
}
