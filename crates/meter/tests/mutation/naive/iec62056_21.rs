//! IEC 62056-21: identification line, then data sets between STX and ETX, or without both in mode D.
use super::check;
use super::p1::{groups, is_time, list, quantity, text, texts};
use super::{Address, Register, Telegram, Value};

/// The readout that fills `bytes`, parity bits taken off.
pub(crate) fn read(bytes: &[u8]) -> Option<Telegram> {
    let line_end = bytes.iter().position(|byte| b"\r\n".contains(byte))?;
    let (identification, rest) = bytes.split_at(line_end);
    let is_identification = identification.len() > 4
        && identification.len() <= 96
        && identification[0] == b'/'
        && identification[1..4].iter().all(u8::is_ascii_alphanumeric);
    if !is_identification {
        return None;
    }
    let framed = rest.iter().position(|&byte| byte == 0x02).map(|stx| &rest[stx + 1..]);
    let (data, is_checked) = match framed {
        Some(block) if block.contains(&0x03) => {
            let (&[etx, bcc], data) = block.split_last_chunk::<2>().map(|(data, end)| (end, data))?;
            if etx != 0x03 || bcc & 0x7F != check::bcc(&block[..block.len() - 1]) || data.contains(&0x03) {
                return None;
            }
            (without_end_mark(data).filter(|text| text.len() + 1 < data.len())?, true)
        }
        // Many captures lost their ETX and BCC.
        Some(block) => (without_end_mark(block)?, false),
        None => (without_end_mark(rest)?, false),
    };
    // The block check covers seven bits of a character; without it only printable ones make sense.
    let is_right =
        |byte: &u8| if is_checked { byte.is_ascii() } else { matches!(byte, b'\r' | b'\n' | 0x20..=0x7E) };
    if !data.iter().all(is_right) {
        return None;
    }
    // Neither another message nor, in mode D, another end begins inside.
    let begins = |mark: &[u8]| data.windows(mark.len()).any(|bytes| bytes == mark);
    if begins(b"\n/") || begins(b"\r/") || (!is_checked && (begins(b"!\r") || begins(b"!\n"))) {
        return None;
    }
    let registers = registers(data)?;
    // Without a check and a data set it is nothing.
    let says_something = is_checked || registers.iter().any(|register| !register.groups.is_empty());
    says_something.then_some(Telegram { registers })
}

/// The data before `!` and its line end.
fn without_end_mark(data: &[u8]) -> Option<&[u8]> {
    let data = data.strip_suffix(b"\n").unwrap_or(data);
    data.strip_suffix(b"\r").unwrap_or(data).strip_suffix(b"!")
}

/// The data sets: several may stand in a line, and a line that begins with a bracket goes on with the one before.
fn registers(data: &[u8]) -> Option<Vec<Register>> {
    let text = String::from_utf8_lossy(data).into_owned();
    let mut rest = text.trim_start_matches([' ', '\t', '\r', '\n', '\x0c']);
    let mut registers = Vec::new();
    while !rest.is_empty() {
        let line_len = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let after = match data_set(rest) {
            Some((address, brackets)) => {
                registers.push(register(address, brackets)?);
                &rest[address.len() + brackets.len()..]
            }
            None => {
                registers.push(Register::new(
                    Address::Text(rest[..line_len].to_owned()),
                    Value::Text(rest[..line_len].to_owned()),
                ));
                &rest[line_len..]
            }
        };
        rest = after.trim_start_matches([' ', '\t', '\r', '\n', '\x0c']);
    }
    Some(registers)
}

/// Address and brackets at the start of the text, line ends between brackets included.
fn data_set(text: &str) -> Option<(&str, &str)> {
    let address_len = text.find(['(', ')', '\r', '\n'])?;
    if address_len == 0 {
        return None;
    }
    let bracket = |at: usize| -> Option<usize> {
        let inside = text[at..].strip_prefix('(')?;
        let close = inside.find(')')?;
        (!inside[..close].contains('(')).then_some(at + close + 2)
    };
    let mut end = bracket(address_len)?;
    loop {
        let gap = if text[end..].starts_with("\r\n(") {
            2
        } else if text[end..].starts_with("\n(") {
            1
        } else {
            0
        };
        match bracket(end + gap) {
            Some(next) => end = next,
            None => return Some((&text[..address_len], &text[address_len..end])),
        }
    }
}

fn register(address: &str, brackets: &str) -> Option<Register> {
    let groups = groups(brackets.replace(")\r\n(", ")(").replace(")\n(", ")(").as_bytes())?;
    if groups.iter().any(|group| matches!(quantity(group), Some(Err(())))) {
        return None;
    }
    let number = |group: &[u8]| quantity(group).and_then(Result::ok);
    let mut register = Register::new(Address::Text(address.to_owned()), Value::Null);
    register.groups = texts(&groups);
    let (value, unit, time) = match groups.as_slice() {
        [first, rest @ ..] if number(first).is_some() => {
            let quantity = number(first)?;
            let time = rest.first().filter(|time| rest.len() == 1 && is_time(time));
            (quantity.value, quantity.unit, time)
        }
        [one] => (text(one), None, None),
        [time, value] if is_time(time) && number(value).is_some() => {
            let quantity = number(value)?;
            (quantity.value, quantity.unit, Some(time))
        }
        _ => {
            let (value, unit) = list(&groups)?;
            (value, unit, None)
        }
    };
    (register.value, register.unit) = (value, unit);
    register.time = time.map(|time| String::from_utf8_lossy(time).into_owned());
    Some(register)
}
