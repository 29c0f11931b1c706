//! Whether a decoder and the naive reader say the same.
use super::{Address, Register, Telegram, Value};
use metergate_reading as reading;

/// The first difference in words; `None` when both say the same.
pub(crate) fn difference<'a>(
    decoded: impl Iterator<Item = reading::Register<'a>>,
    naive: &Telegram,
) -> Option<String> {
    let mut decoded = decoded;
    for (index, expected) in naive.registers.iter().enumerate() {
        let Some(found) = decoded.next() else {
            return Some(format!("register {index} is missing: {expected:?}"));
        };
        if !same(&found, expected) {
            return Some(format!("register {index}: decoded {found:?}, expected {expected:?}"));
        }
    }
    decoded.next().map(|found| format!("one register too many: {found:?}"))
}

fn same(found: &reading::Register<'_>, expected: &Register) -> bool {
    let address = match (&found.address, &expected.address) {
        (reading::Address::Obis, Address::Obis) => true,
        (reading::Address::Position(found), Address::Position(expected)) => usize::from(*found) == *expected,
        (reading::Address::Kmp(found), Address::Kmp(expected)) => found == expected,
        (reading::Address::Text(found), Address::Text(expected)) => found == expected,
        _ => false,
    };
    // A decoder may know the meaning of a register that the telegram does not name by a code.
    let obis = match (found.obis, expected.obis) {
        (Some(found), Some(expected)) => found.bytes() == expected,
        (None, Some(_)) => false,
        (_, None) => true,
    };
    address
        && obis
        && same_quantity(found, expected)
        && same_time(found.time.as_ref(), expected.time.as_deref())
        && found.seconds_index == expected.seconds_index
        && found.status == expected.status
        && found.groups.iter().eq(expected.groups.iter().map(String::as_str))
}

/// Value and unit. What came without scaler and unit may have them from a layout table.
fn same_quantity(found: &reading::Register<'_>, expected: &Register) -> bool {
    let value_and_unit = |found: &reading::Register<'_>| {
        same_value(&found.value, &expected.value) && found.unit.map(reading::Unit::text) == expected.unit
    };
    match (found.value, &expected.value) {
        (reading::Value::Number(number), Value::Number { mantissa, .. }) if expected.bare => {
            i128::from(number.mantissa()) == *mantissa
        }
        _ => value_and_unit(found),
    }
}

/// A time of a text protocol stands here as sent; there may be no such moment.
fn same_time(found: Option<&reading::DateTime>, expected: Option<&str>) -> bool {
    let expected =
        expected.and_then(|time| if time.contains('T') { Some(time.to_owned()) } else { moment(time) });
    found.map(ToString::to_string) == expected
}

/// `YYMMDDhhmm[ss]`, with `S` or `W` for summer or winter in Central Europe, as RFC 3339, if there is such a moment.
pub(crate) fn moment(digits: &str) -> Option<String> {
    let two = |at: usize| digits.get(at..at + 2)?.parse::<u64>().ok();
    let (year, month, day) = (2000 + two(0)?, two(2)?, two(4)?);
    let (hour, minute) = (two(6)?, two(8)?);
    let second = two(10).unwrap_or(0);
    let exists =
        (1..=super::text::days_in(year, month)).contains(&day) && hour < 24 && minute < 60 && second < 60;
    let zone = match digits.get(12..) {
        Some("S") => "+02:00",
        Some("W") => "+01:00",
        _ => "",
    };
    exists.then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}"))
}

fn same_value(found: &reading::Value<'_>, expected: &Value) -> bool {
    match (found, expected) {
        (reading::Value::Number(found), Value::Number { mantissa, exponent }) => {
            i128::from(found.mantissa()) == *mantissa && i32::from(found.exponent()) == *exponent
        }
        (reading::Value::Float(found), Value::Float { value, single, scaler }) => {
            // The shortest decimal reads back as the same float.
            let text = format!("{}e{}", found.mantissa(), i32::from(found.exponent()) - scaler);
            if *single {
                text.parse::<f32>().is_ok_and(|number| f64::from(number) == *value)
            } else {
                text.parse::<f64>().is_ok_and(|number| number == *value)
            }
        }
        (reading::Value::Octets(found), Value::Octets(expected)) => *found == expected.as_slice(),
        (reading::Value::Text(found), Value::Text(expected)) => found == expected,
        (reading::Value::DateTime(found), Value::DateTime(expected)) => found.to_string() == *expected,
        (reading::Value::Bool(found), Value::Bool(expected)) => found == expected,
        (reading::Value::Null, Value::Null) => true,
        (reading::Value::List(found), Value::List(expected)) => {
            found.len() == expected.len()
                && found.iter().count() == expected.len()
                && found.iter().zip(expected).all(|(found, expected)| same_value(&found, expected))
        }
        _ => false,
    }
}
