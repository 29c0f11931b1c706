//! Kamstrup Meter Protocol: answers to GetRegister.
use super::check;
use super::text::days_in;
use super::unit;
use super::{Address, Register, Telegram, Value};

/// The content of an answer between 40 and 0D, without stuffing and CRC.
pub(crate) fn unframe(frame: &[u8]) -> Option<Vec<u8>> {
    let stuffed = frame.strip_prefix(&[0x40])?.strip_suffix(&[0x0D])?;
    let mut content = Vec::new();
    let mut bytes = stuffed.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            0x1B => content.push(!bytes.next()?),
            0x06 | 0x0D | 0x40 | 0x80 => return None,
            byte => content.push(byte),
        }
    }
    let crc = content.split_off(content.len().checked_sub(2)?);
    (check::xmodem(&content).to_be_bytes() == *crc).then_some(content)
}

/// The registers of an answer to GetRegister.
pub(crate) fn read(frame: &[u8]) -> Option<Telegram> {
    let content = unframe(frame)?;
    let [_address, 0x10, rest @ ..] = content.as_slice() else { return None };
    let mut registers = Vec::new();
    let mut rest = rest;
    while !rest.is_empty() {
        let [high, low, unit_code, length, sign_exponent, ..] = *rest else { return None };
        let length = usize::from(length);
        let mantissa = rest.get(5..5 + length)?;
        rest = &rest[5 + length..];
        let number = u16::from_be_bytes([high, low]);
        registers.push(register(number, unit_code, sign_exponent, mantissa)?);
    }
    Some(Telegram { registers })
}

fn register(number: u16, unit_code: u8, sign_exponent: u8, mantissa: &[u8]) -> Option<Register> {
    let address = Address::Kmp(number);
    // Clock, date and text are no numbers.
    if matches!(unit_code, 47..=50 | 53 | 54 | 63 | 64) {
        let value = of_time_or_text(unit_code, mantissa).unwrap_or(Value::Octets(mantissa.to_vec()));
        return Some(Register::new(address, value));
    }
    let magnitude = mantissa.iter().try_fold(0_i128, |sum, &byte| {
        let sum = sum * 256 + i128::from(byte);
        (sum <= i128::from(i64::MAX)).then_some(sum)
    })?;
    let exponent = i32::from(sign_exponent & 0x3F);
    let exponent = if sign_exponent & 0x40 != 0 { -exponent } else { exponent };
    let mantissa = if sign_exponent & 0x80 != 0 { -magnitude } else { magnitude };
    let (unit, power) = unit::of_kmp(unit_code).map_or((None, 0), |(unit, power)| (Some(unit), power));
    let value = Value::Number { mantissa, exponent: exponent + power };
    Some(Register { unit, ..Register::new(address, value) })
}

/// 143005 is 14:30:05, 260314 is 14 March 2026, and so is 20260314.
fn of_time_or_text(unit_code: u8, mantissa: &[u8]) -> Option<Value> {
    if unit_code == 64 {
        let text = str::from_utf8(mantissa).ok()?.trim_matches(['\0', ' ']);
        return text.chars().all(|c| (' '..='~').contains(&c)).then(|| Value::Text(text.to_owned()));
    }
    let number = mantissa.iter().try_fold(0_u64, |sum, &byte| {
        let sum = sum * 256 + u64::from(byte);
        (sum <= u64::from(u32::MAX)).then_some(sum)
    })?;
    let (high, middle, low) = (number / 10_000, number / 100 % 100, number % 100);
    let date = |year: u64| {
        let exists = year <= 9999 && (1..=days_in(year, middle)).contains(&low);
        exists.then(|| Value::DateTime(format!("{year:04}-{middle:02}-{low:02}")))
    };
    match unit_code {
        47 if high < 24 && middle < 60 && low < 60 => {
            Some(Value::DateTime(format!("{high:02}:{middle:02}:{low:02}")))
        }
        48 if high < 100 => date(2000 + high),
        49 => date(high),
        _ => None,
    }
}
