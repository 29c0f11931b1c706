//! What the brackets of P1 and IEC 62056-21 say, in terms of readings.
use metergate_reading::{Date, DateTime, Groups, List, Number, Time, Unit, Value};
use metergate_wire::iec62056_21::{self as wire, Quantity, Season, Timestamp};

/// A text; bytes when it is none.
pub(crate) fn text(bytes: &[u8]) -> Value<'_> {
    str::from_utf8(bytes).map_or(Value::Octets(bytes), Value::Text)
}

/// The brackets as a register keeps them; none when they are no text.
pub(crate) fn groups(brackets: &[u8]) -> Groups<'_> {
    str::from_utf8(brackets).map_or(Groups::NONE, Groups::new)
}

/// A number in its base unit; without a unit when its text is an unknown one.
pub(crate) fn number(quantity: Quantity<'_>) -> (Number, Option<Unit>) {
    let number = Number::new(quantity.number.mantissa, quantity.number.exponent);
    match Unit::from_sent(quantity.unit).and_then(|(unit, prefix)| Some((number.scaled(prefix)?, unit))) {
        Some((scaled, unit)) => (scaled, Some(unit)),
        None => (number, None),
    }
}

/// The date and time in a bracket, with the zone that its season stands for: every P1 meter keeps Central European
/// time.
pub(crate) fn date_time(group: &[u8]) -> Option<DateTime> {
    let Timestamp { year, month, day, hour, minute, second, season } = Timestamp::parse(group)?;
    let local = DateTime::new(Date::new(year, month, day)?, Time::new(hour, minute, second, 0)?);
    Some(match season {
        Some(Season::Summer) => local.with_offset(120),
        Some(Season::Winter) => local.with_offset(60),
        None => local,
    })
}

/// All brackets as a list, and the unit that its numbers share.
pub(crate) fn list<'a>(brackets: &'a [u8], groups: wire::Groups<'a>) -> (Value<'a>, Option<Unit>) {
    let mut units = groups.filter_map(quantity).map(|quantity| number(quantity).1);
    let unit = units.next().flatten().filter(|&first| units.all(|unit| unit == Some(first)));
    let len = u16::try_from(groups.count()).unwrap_or(u16::MAX);
    (Value::List(List::new(brackets, len, next_value)), unit)
}

/// Takes the first bracket off the front.
fn next_value<'b>(brackets: &mut &'b [u8]) -> Option<Value<'b>> {
    let open = brackets.iter().position(|&byte| byte == b'(')?;
    let inside = brackets.get(open + 1..)?;
    let close = inside.iter().position(|&byte| byte == b')')?;
    let (group, rest) = inside.split_at_checked(close)?;
    *brackets = rest.get(1..).unwrap_or_default();
    Some(match (quantity(group), date_time(group)) {
        (Some(quantity), _) => Value::Number(number(quantity).0),
        // Ten or twelve digits may be anything; the season marks a time.
        (None, Some(time)) if group.len() == 13 => Value::DateTime(time),
        _ => text(group),
    })
}

fn quantity(group: &[u8]) -> Option<Quantity<'_>> {
    Quantity::parse(group).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    #[test]
    fn prefixes_go_into_the_exponent() {
        let quantity = Quantity::parse(b"000576.239*kWh").unwrap().unwrap();
        assert_eq!(number(quantity), (Number::new(576_239, 0), Some(Unit::WattHour)));
        let quantity = Quantity::parse(b"001.476*m3ph").unwrap().unwrap();
        assert_eq!(number(quantity).0, Number::new(1476, -3));
    }

    #[test]
    fn a_season_is_an_offset() {
        assert_eq!(date_time(b"190320181403W").unwrap().to_string(), "2019-03-20T18:14:03+01:00");
        assert_eq!(date_time(b"190720181403S").unwrap().to_string(), "2019-07-20T18:14:03+02:00");
        assert_eq!(date_time(b"2603091815").unwrap().to_string(), "2026-03-09T18:15:00");
        assert_eq!(date_time(b"190231181403W"), None, "there is no such day");
    }

    #[test]
    fn a_list_has_a_unit_when_all_its_numbers_share_one() {
        let brackets = b"(1)(0-0:96.7.19)(180417201458S)(0000000236*s)";
        let line = [&b"1-0:99.97.0"[..], brackets].concat();
        let mut lines = metergate_wire::p1::Lines::new(&line);
        let Some(metergate_wire::p1::Line::Data(line)) = lines.next() else { panic!() };
        let (Value::List(values), unit) = list(line.brackets(), line.groups()) else { panic!() };
        assert_eq!(unit, Some(Unit::Second));
        let values: Vec<_> = values.iter().collect();
        assert_eq!(values[1], Value::Text("0-0:96.7.19"));
        assert!(matches!(values[2], Value::DateTime(_)));
        assert_eq!(values[3], Value::Number(Number::new(236, 0)));
    }
}
