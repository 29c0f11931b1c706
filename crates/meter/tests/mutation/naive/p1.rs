//! DSMR P1: the text between `/` and `!`, line by line.
use super::check;
use super::text::decimal;
use super::unit;
use super::{Address, Register, Telegram, Value};

/// The telegram that fills `bytes`, line end included.
pub(crate) fn read(bytes: &[u8]) -> Option<Telegram> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let mark = lines.iter().position(|line| line.first() == Some(&b'!'))?;
    let identification_len = bytes.iter().position(|byte| b"\r\n".contains(byte))?;
    if mark + 1 != lines.len() || !is_identification(&bytes[..identification_len]) {
        return None;
    }
    // Another telegram begins inside.
    if lines[1..].iter().any(|line| line.first() == Some(&b'/')) {
        return None;
    }
    let mark_at: usize = lines[..mark].iter().map(|line| line.len()).sum();
    let digits = bytes[mark_at + 1..].iter().take(4).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (sent, end) = bytes[mark_at + 1..].split_at(digits);
    // A line end of one character will do; the next telegram, or nothing, may take its place.
    if ![&b"\r\n"[..], b"\n", b"\r", b""].contains(&end) {
        return None;
    }
    let body = &bytes[identification_len..mark_at];
    if sent.is_empty() {
        if body.iter().any(|byte| !matches!(byte, b'\r' | b'\n' | 0x20..=0x7E)) {
            return None;
        }
    } else {
        let sent = u16::from_str_radix(str::from_utf8(sent).ok()?, 16).ok()?;
        if sent != check::arc(&bytes[..=mark_at]) {
            return None;
        }
    }
    let registers = registers(body)?;
    // Without a CRC and a data line it is nothing.
    let says_something =
        !sent.is_empty() || registers.iter().any(|register| register.address == Address::Obis);
    says_something.then_some(Telegram { registers })
}

fn is_identification(line: &[u8]) -> bool {
    (5..=96).contains(&line.len()) && line[0] == b'/' && line[1..4].iter().all(u8::is_ascii_alphanumeric)
}

/// One register for each data line, and for each line that is none.
fn registers(body: &[u8]) -> Option<Vec<Register>> {
    let mut registers = Vec::new();
    let mut rest = body;
    loop {
        rest = &rest[rest.iter().take_while(|byte| b"\r\n".contains(byte)).count()..];
        if rest.is_empty() {
            return Some(registers);
        }
        if let Some((address, groups, len)) = split(rest) {
            registers.push(data_line(address, &groups)?);
            rest = &rest[len..];
        } else {
            let len = rest.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(rest.len());
            let name = str::from_utf8(&rest[..len]).unwrap_or_default().to_owned();
            registers.push(Register::new(Address::Text(name), text(&rest[..len])));
            rest = &rest[len..];
        }
    }
}

type DataLine<'a> = (&'a [u8], Vec<Vec<u8>>, usize);

/// Address, groups and length of the data line at the front: nothing but `(..)` and, in front of a bracket, a line end
/// may follow the address up to its end.
fn split(bytes: &[u8]) -> Option<DataLine<'_>> {
    let address_len = bytes.iter().position(|&byte| byte == b'(')?;
    obis(&bytes[..address_len])?;
    let mut groups = Vec::new();
    let mut at = address_len;
    loop {
        let (group, end) = group(bytes, at)?;
        groups.push(group);
        at = end;
        let rest = &bytes[at..];
        at += match rest {
            [b'(', ..] => 0,
            [b'\n', b'(', ..] => 1,
            [b'\r', b'\n', b'(', ..] => 2,
            [] | [b'\r' | b'\n', ..] => return Some((&bytes[..address_len], groups, at)),
            _ => return None,
        };
    }
}

/// The content of the bracket at `at`, which goes on to the next `)`, and where that ends.
fn group(bytes: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let inside = bytes.get(at..)?.strip_prefix(b"(")?;
    let len = inside.iter().position(|&byte| byte == b')')?;
    (!inside[..len].contains(&b'(')).then(|| (inside[..len].to_vec(), at + len + 2))
}

/// The groups of `(..)(..)`; `None` when that is not what stands there.
pub(crate) fn groups(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut groups = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (group, end) = group(text, at)?;
        groups.push(group);
        at = end;
    }
    (!groups.is_empty()).then_some(groups)
}

/// Texts of the groups; none at all when one of them is no text.
pub(crate) fn texts(groups: &[Vec<u8>]) -> Vec<String> {
    groups.iter().map(|group| String::from_utf8(group.clone())).collect::<Result<_, _>>().unwrap_or_default()
}

/// A text, or bytes when it is none.
pub(crate) fn text(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => Value::Octets(bytes.to_vec()),
    }
}

fn obis(text: &[u8]) -> Option<[u8; 6]> {
    let text = str::from_utf8(text).ok()?;
    let (a, rest) = text.split_once('-')?;
    let (b, rest) = rest.split_once(':')?;
    let (c, rest) = rest.split_once('.')?;
    let (d, rest) = rest.split_once('.')?;
    let (e, f) = rest.split_once(['*', '.']).unwrap_or((rest, "255"));
    let mut code = [0; 6];
    for (slot, part) in code.iter_mut().zip([a, b, c, d, e, f]) {
        if part.is_empty() || part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *slot = part.parse().ok()?;
    }
    Some(code)
}

pub(crate) fn is_time(group: &[u8]) -> bool {
    let digits = group.strip_suffix(b"S").or(group.strip_suffix(b"W")).unwrap_or(group);
    let right_length =
        if digits.len() == group.len() { [10, 12].contains(&digits.len()) } else { digits.len() == 12 };
    right_length && digits.iter().all(u8::is_ascii_digit)
}

/// A number in its base unit.
pub(crate) struct Quantity {
    pub(crate) value: Value,
    pub(crate) unit: Option<&'static str>,
}

/// The number of a text and the unit of another; `Some(Err(()))` when the number does not fit 64 bits.
fn number(value: &[u8], unit: &[u8]) -> Option<Result<Quantity, ()>> {
    let known = str::from_utf8(unit).ok().and_then(unit::of_text);
    let (unit, power) = known.map_or((None, 0), |(unit, power)| (Some(unit), power));
    Some(decimal(str::from_utf8(value).ok()?)?.map(|(mantissa, exponent)| Quantity {
        value: Value::Number { mantissa, exponent: exponent + power },
        unit,
    }))
}

/// The quantity `value*unit`.
pub(crate) fn quantity(group: &[u8]) -> Option<Result<Quantity, ()>> {
    let star = group.iter().position(|&byte| byte == b'*')?;
    let (value, unit) = (&group[..star], &group[star + 1..]);
    if unit.is_empty() { None } else { number(value, unit) }
}

/// All groups as a list, and the unit that its numbers share.
pub(crate) fn list(groups: &[Vec<u8>]) -> Option<(Value, Option<&'static str>)> {
    let mut units = Vec::new();
    let mut values = Vec::new();
    for group in groups {
        values.push(match quantity(group) {
            Some(Ok(quantity)) => {
                units.push(quantity.unit);
                quantity.value
            }
            Some(Err(())) => return None,
            // Ten or twelve digits may be anything; the season marks a time.
            None if group.len() == 13 && is_time(group) => {
                match super::compare::moment(&texts(std::slice::from_ref(group))[0]) {
                    Some(moment) => Value::DateTime(moment),
                    None => text(group),
                }
            }
            None => text(group),
        });
    }
    let unit =
        units.first().copied().flatten().filter(|&first| units.iter().all(|&unit| unit == Some(first)));
    Some((Value::List(values), unit))
}

fn data_line(address: &[u8], groups: &[Vec<u8>]) -> Option<Register> {
    let code = obis(address)?;
    let mut register = Register::new(Address::Obis, Value::Null);
    register.obis = Some(code);
    register.groups = texts(groups);
    let time_of = |group: &[u8]| Some(String::from_utf8_lossy(group).into_owned());
    // A number becomes the value, anything else a text.
    let value_of =
        |register: &mut Register, quantity: Option<Result<Quantity, ()>>, group: &[u8]| match quantity {
            Some(Ok(quantity)) => {
                register.value = quantity.value;
                register.unit = quantity.unit;
                Some(true)
            }
            Some(Err(())) => None,
            None => {
                register.value = text(group);
                Some(false)
            }
        };
    match groups {
        _ if code[2] == 98 || code[2] == 99 => (register.value, register.unit) = list(groups)?,
        [one] => {
            value_of(&mut register, quantity(one), one)?;
        }
        [time, value] if is_time(time) => {
            if value_of(&mut register, quantity(value), value)? {
                register.time = time_of(time);
            }
        }
        // DSMR 2.2 and 3.0: time, status, period, count, code, unit, value.
        [time, _, _, count, _, unit, value]
            if is_time(time)
                && (code[0], code[2], code[3]) == (0, 24, 3)
                && !unit.is_empty()
                && str::from_utf8(count).is_ok_and(|count| matches!(decimal(count), Some(Ok((1, _))))) =>
        {
            if value_of(&mut register, number(value, unit), value)? {
                register.time = time_of(time);
            }
        }
        _ => (register.value, register.unit) = list(groups)?,
    }
    // A number beyond 64 bits refuses the telegram wherever it stands.
    (!groups.iter().any(|group| matches!(quantity(group), Some(Err(()))))).then_some(register)
}
