//! Data-notifications (IEC 62056-5-3): header, body, and the registers in the body.
//!
//! The rules of a register, in the order of trying: a code followed by its value and perhaps scaler and unit; a
//! structure of these two or three; a list of such structures; anything else by its position in the outermost list.
use super::axdr::{self, Data};
use super::text::days_in;
use super::unit;
use super::{Address, Register, Telegram, Value};

/// A data-notification that fills `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Option<Telegram> {
    let [0x0F, _, _, _, _, rest @ ..] = bytes else { return None };
    // Some meters put the tag of an octet string before the length.
    let rest = rest.strip_prefix(&[0x09]).unwrap_or(rest);
    let body = match rest {
        [0x00, body @ ..] => body,
        [0x0C, rest @ ..] => rest.get(12..)?,
        _ => return None,
    };
    Some(Telegram { registers: registers(&axdr::parse(body)?) })
}

/// Where the body of a data-notification begins.
pub(crate) fn body_at(bytes: &[u8]) -> Option<usize> {
    let at = if bytes.get(5) == Some(&0x09) { 6 } else { 5 };
    Some(at + 1 + usize::from(*bytes.get(at)?))
}

fn registers(body: &Data) -> Vec<Register> {
    let (Data::Array(elements) | Data::Structure(elements)) = body else {
        return vec![at_position(0, body)];
    };
    if let Some(names) = push_objects(elements) {
        // The list of names is no register; when it names itself, its first name is its own.
        let own = usize::from(names.len() == elements.len());
        return (1..elements.len())
            .map(|position| match names.get(position - 1 + own) {
                Some(code) => named(*code, &elements[position], None),
                None => at_position(position, &elements[position]),
            })
            .collect();
    }
    let mut found = Vec::new();
    walk(elements, None, &mut found);
    found
}

/// Walks a list. `inside` is the position of the list that holds it, if it is not the outermost.
fn walk(elements: &[Data], inside: Option<usize>, found: &mut Vec<Register>) {
    let mut index = 0;
    while index < elements.len() {
        let position = inside.unwrap_or(index);
        let element = &elements[index];
        index += 1;
        if let (Some(code), Some(value)) = (code(element), elements.get(index)) {
            index += 1;
            let scaler_unit = elements.get(index).and_then(scaler_unit);
            index += usize::from(scaler_unit.is_some());
            found.push(named(code, value, scaler_unit));
            continue;
        }
        if let Some(register) = item(element) {
            found.push(register);
            continue;
        }
        match element {
            Data::Array(children) | Data::Structure(children)
                if inside.is_none() && children.first().is_some_and(begins_like_item) =>
            {
                walk(children, Some(position), found);
            }
            _ => found.push(at_position(position, element)),
        }
    }
}

/// A code of OBIS: six bytes that begin with a medium.
fn code(data: &Data) -> Option<[u8; 6]> {
    let Data::Octets(bytes) = data else { return None };
    bytes.as_slice().try_into().ok().filter(|code: &[u8; 6]| code[0] <= 15)
}

fn scaler_unit(data: &Data) -> Option<(i32, u8)> {
    match data {
        Data::Structure(fields) => match fields.as_slice() {
            [Data::Integer(15, scaler), Data::Enum(unit)] => Some((i32::try_from(*scaler).ok()?, *unit)),
            _ => None,
        },
        _ => None,
    }
}

fn item(data: &Data) -> Option<Register> {
    let Data::Structure(fields) = data else { return None };
    match fields.as_slice() {
        [name, value] => Some(named(code(name)?, value, None)),
        [name, value, last] => Some(named(code(name)?, value, Some(scaler_unit(last)?))),
        _ => None,
    }
}

fn begins_like_item(data: &Data) -> bool {
    matches!(data, Data::Structure(fields) if (2..=3).contains(&fields.len()) && code(&fields[0]).is_some())
}

/// The names in `[{ class, code, attribute, ... }, ...]` at the front of a list with as many elements.
fn push_objects(elements: &[Data]) -> Option<Vec<[u8; 6]>> {
    let Some(Data::Array(objects)) = elements.first() else { return None };
    let fits = objects.len() == elements.len() || objects.len() + 1 == elements.len();
    if !fits || objects.is_empty() {
        return None;
    }
    objects
        .iter()
        .map(|object| match object {
            Data::Structure(fields) => match fields.as_slice() {
                [Data::Integer(18, _), name, Data::Integer(15, _), ..] => code(name),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

fn named(code: [u8; 6], data: &Data, scaler_unit: Option<(i32, u8)>) -> Register {
    let mut register = Register::new(Address::Obis, value(data));
    register.obis = Some(code);
    register.bare = scaler_unit.is_none();
    if let Some((scaler, unit_code)) = scaler_unit {
        match &mut register.value {
            Value::Number { exponent: power, .. } | Value::Float { scaler: power, .. } => {
                *power += scaler;
                register.unit = unit::of_dlms(unit_code);
            }
            _ => {}
        }
    }
    register
}

fn at_position(position: usize, data: &Data) -> Register {
    let mut register = Register::new(Address::Position(position), value(data));
    register.bare = true;
    register
}

fn value(data: &Data) -> Value {
    match data {
        Data::Integer(_, mantissa) => Value::Number { mantissa: *mantissa, exponent: 0 },
        Data::Enum(code) | Data::Bcd(code) => Value::Number { mantissa: i128::from(*code), exponent: 0 },
        Data::Octets(bytes) => match plausible(bytes).then(|| date_time(bytes)).flatten() {
            Some(text) => Value::DateTime(text),
            None => Value::Octets(bytes.clone()),
        },
        Data::Visible(bytes) | Data::Utf8(bytes) | Data::Bits(_, bytes) | Data::CompactArray(_, bytes, _) => {
            Value::Octets(bytes.clone())
        }
        Data::Bool(value) => Value::Bool(*value),
        Data::Float32(float) if float.is_finite() => {
            Value::Float { value: f64::from(*float), single: true, scaler: 0 }
        }
        Data::Float64(float) if float.is_finite() => Value::Float { value: *float, single: false, scaler: 0 },
        Data::DateTime(bytes) => date_time(bytes).map_or(Value::Null, Value::DateTime),
        Data::Date(bytes) => date(bytes).map_or(Value::Null, Value::DateTime),
        Data::Time(bytes) => time(bytes).map_or(Value::Null, Value::DateTime),
        Data::Array(inside) | Data::Structure(inside) => Value::List(inside.iter().map(value).collect()),
        Data::Null | Data::DontCare | Data::Float32(_) | Data::Float64(_) => Value::Null,
    }
}

fn date(bytes: &[u8]) -> Option<String> {
    let year = u64::from(bytes[0]) * 256 + u64::from(bytes[1]);
    let (month, day) = (u64::from(bytes[2]), u64::from(bytes[3]));
    let exists = year <= 9999 && (1..=days_in(year, month)).contains(&day);
    exists.then(|| format!("{year:04}-{month:02}-{day:02}"))
}

fn time(bytes: &[u8]) -> Option<String> {
    let [hour, minute, second, ..] = *bytes else { return None };
    (hour < 24 && minute < 60 && second < 60).then(|| format!("{hour:02}:{minute:02}:{second:02}"))
}

/// Twelve bytes as RFC 3339. The deviation counts from local time to UTC, 8000 is none.
fn date_time(bytes: &[u8]) -> Option<String> {
    let text = format!("{}T{}", date(bytes)?, time(&bytes[5..])?);
    let deviation = i16::from_be_bytes([bytes[9], bytes[10]]);
    let minutes = -i32::from(deviation);
    if deviation == i16::MIN || minutes.abs() >= 24 * 60 {
        return Some(text);
    }
    let sign = if minutes < 0 { '-' } else { '+' };
    Some(format!("{text}{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60))
}

/// True when an octet string can be a date-time: every field in its range or not specified.
fn plausible(bytes: &[u8]) -> bool {
    let &[y0, y1, month, day, weekday, hour, minute, second, hundredths, d0, d1, _] = bytes else {
        return false;
    };
    let year = u16::from_be_bytes([y0, y1]);
    let deviation = i16::from_be_bytes([d0, d1]);
    ((1..=9999).contains(&year) || year == 0xFFFF)
        && (matches!(month, 1..=12) || month >= 0xFD)
        && (matches!(day, 1..=31) || day >= 0xFD)
        && (weekday <= 7 || weekday == 0xFF)
        && (hour < 24 || hour == 0xFF)
        && (minute < 60 || minute == 0xFF)
        && (second < 60 || second == 0xFF)
        && (hundredths < 100 || hundredths == 0xFF)
        && (deviation == i16::MIN || (-720..=840).contains(&deviation))
}
