//! A-XDR values in terms of readings.
use core::fmt::Write as _;
use metergate_reading::{ClockStatus, Date, DateTime, List, Number, Time, Value};
use metergate_wire::dlms::{axdr, date_time as wire};

/// What a value says. An octet string of 12 bytes that is a possible date-time is one.
pub(super) fn value(value: axdr::Value<'_>) -> Value<'_> {
    if let Some(integer) = value.integer() {
        return Value::Number(Number::new(integer, 0));
    }
    match value {
        axdr::Value::Octets(bytes) => wire::DateTime::from_octets(bytes)
            .and_then(date_time)
            .map_or(Value::Octets(bytes), Value::DateTime),
        axdr::Value::Visible(bytes) | axdr::Value::Utf8(bytes) => Value::Octets(bytes),
        axdr::Value::BitString { bytes, .. } => Value::Octets(bytes),
        axdr::Value::Bool(truth) => Value::Bool(truth),
        axdr::Value::Enum(code) | axdr::Value::Bcd(code) => Value::Number(Number::new(i64::from(code), 0)),
        axdr::Value::F32(float) => shortest(format_args!("{float:e}")),
        axdr::Value::F64(float) => shortest(format_args!("{float:e}")),
        axdr::Value::DateTime(time) => date_time(time).map_or(Value::Null, Value::DateTime),
        axdr::Value::Date(day) => {
            date(day).map_or(Value::Null, |day| Value::DateTime(DateTime::date_only(day)))
        }
        axdr::Value::Time(clock) => {
            time(clock).map_or(Value::Null, |clock| Value::DateTime(DateTime::time_only(clock)))
        }
        axdr::Value::Array(items) | axdr::Value::Structure(items) => {
            // An element takes a byte at least, so a longer list is none that fits a telegram.
            let len = u16::try_from(items.len()).unwrap_or(u16::MAX);
            Value::List(List::new(items.bytes(), len, next_value))
        }
        // Its elements have no tags of their own: it stays as the meter packed it.
        axdr::Value::CompactArray(array) => Value::Octets(array.contents()),
        _ => Value::Null,
    }
}

fn next_value<'a>(bytes: &mut &'a [u8]) -> Option<Value<'a>> {
    axdr::next_value(bytes).map(value)
}

/// Date and time, the zone if there is a deviation; `None` when a part of either is not specified or impossible.
pub(super) fn date_time(sent: wire::DateTime) -> Option<DateTime> {
    let both = DateTime::new(date(sent.date)?, time(sent.time)?);
    let clock = match sent.status {
        wire::ClockStatus::NOT_SPECIFIED => ClockStatus::Unstated,
        // Bits 0-3: invalid, doubtful, another clock base, invalid status.
        wire::ClockStatus(status) if status & 0x0F != 0 => ClockStatus::Doubtful,
        _ => ClockStatus::Valid,
    };
    let zoned = sent.deviation_min.map_or(both, |minutes| both.with_offset(minutes.saturating_neg()));
    Some(zoned.with_clock(clock))
}

fn date(sent: wire::Date) -> Option<Date> {
    Date::new(sent.year, sent.month, sent.day)
}

/// Whole seconds: of the known meters only the Landis+Gyr E360 sends hundredths, and nothing here counts finer.
fn time(sent: wire::Time) -> Option<Time> {
    Time::new(sent.hour, sent.minute, sent.second, 0)
}

/// The shortest decimal of a binary float, from its text in scientific notation: `-4.998e1`. No number and infinity
/// are no value.
fn shortest(text: core::fmt::Arguments<'_>) -> Value<'static> {
    let mut digits = Digits::default();
    if digits.write_fmt(text).is_err() || digits.unreadable {
        return Value::Null;
    }
    let sign = if digits.negative { -1 } else { 1 };
    let exponent =
        (if digits.exponent_negative { -digits.exponent } else { digits.exponent }) - digits.decimals;
    Number::with_exponent(sign * digits.mantissa, exponent).map_or(Value::Null, Value::Float)
}

#[derive(Default)]
struct Digits {
    mantissa: i64,
    decimals: i16,
    exponent: i16,
    negative: bool,
    exponent_negative: bool,
    in_decimals: bool,
    in_exponent: bool,
    unreadable: bool,
}

impl core::fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            match byte {
                b'-' if self.in_exponent => self.exponent_negative = true,
                b'-' => self.negative = true,
                b'.' => self.in_decimals = true,
                b'e' => self.in_exponent = true,
                // At most 17 digits and an exponent of 3: neither can overflow.
                b'0'..=b'9' if self.in_exponent => {
                    self.exponent = self.exponent.saturating_mul(10).saturating_add(i16::from(byte - b'0'));
                }
                b'0'..=b'9' => {
                    self.mantissa = self.mantissa.saturating_mul(10).saturating_add(i64::from(byte - b'0'));
                    self.decimals += i16::from(self.in_decimals);
                }
                _ => self.unreadable = true,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn number(of: axdr::Value<'_>) -> Option<std::string::String> {
        match value(of) {
            Value::Float(number) => Some(number.to_string()),
            _ => None,
        }
    }

    #[test]
    fn floats_are_their_shortest_decimal() {
        assert_eq!(number(axdr::Value::F32(49.98)).as_deref(), Some("49.98"));
        assert_eq!(number(axdr::Value::F32(-230.0)).as_deref(), Some("-230"));
        assert_eq!(number(axdr::Value::F64(0.1)).as_deref(), Some("0.1"));
        assert_eq!(number(axdr::Value::F64(1e21)).as_deref(), Some("1000000000000000000000"));
        assert_eq!(number(axdr::Value::F64(1.797_693_134_862_315_7e308)).map(|text| text.len()), Some(309));
        assert_eq!(
            value(axdr::Value::F64(f64::MIN_POSITIVE)).clone(),
            Value::Float(Number::with_exponent(22_250_738_585_072_014, -324).unwrap())
        );
    }

    #[test]
    fn a_float_that_is_no_number_is_no_value() {
        assert_eq!(value(axdr::Value::F32(f32::NAN)), Value::Null);
        assert_eq!(value(axdr::Value::F64(f64::NEG_INFINITY)), Value::Null);
    }

    #[test]
    fn deviation_counts_the_other_way_than_an_offset() {
        let sent = [0x07, 0xE5, 0x09, 0x1B, 0x01, 0x09, 0x2F, 0x0F, 0x00, 0xFF, 0x88, 0x82];
        let Value::DateTime(time) = value(axdr::Value::Octets(&sent)) else { panic!("no date-time") };
        assert_eq!(time.to_string(), "2021-09-27T09:47:15+02:00");
        assert_eq!(time.clock(), ClockStatus::Doubtful);
    }

    #[test]
    fn hundredths_are_left_out() {
        let sent = [0x07, 0xE7, 0x06, 0x06, 0x02, 0x11, 0x1F, 0x14, 0x12, 0x80, 0x00, 0x80];
        let time = date_time(wire::DateTime::new(sent)).unwrap();
        assert_eq!(time.to_string(), "2023-06-06T17:31:20");
    }

    #[test]
    fn octets_that_are_no_date_time_stay_octets() {
        assert_eq!(value(axdr::Value::Octets(b"181220000009")), Value::Octets(b"181220000009"));
        let year_only = [0x07, 0xE5, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x80, 0x00, 0xFF];
        assert_eq!(value(axdr::Value::Octets(&year_only)), Value::Octets(&year_only));
    }
}
