//! Lists of a DLMS push, put together element by element: the A-XDR bytes and what they say, side by side.
use crate::cipher::written;
use crate::clock;
use crate::ledger::{by_obis, by_position, number};
use metergate_reading::{AddressBuf, ClockStatus, DateTime, RegisterBuf, Unit, ValueBuf};
use metergate_wire::dlms::apdu::emit_header;
use metergate_wire::dlms::axdr::Value;
use metergate_wire::dlms::{date_time, emit};

/// Longest list that is simulated.
const LIST_LEN_MAX: usize = 1024;

/// A list that grows.
#[derive(Debug, Default)]
pub(super) struct List {
    elements: Vec<u8>,
    /// Elements of the outermost structure so far.
    count: u16,
    pub(super) registers: Vec<RegisterBuf>,
}

/// What is outermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outermost {
    Structure,
    Array,
}

impl List {
    fn put(
        &mut self,
        elements: u16,
        emit: impl FnOnce(&mut metergate_wire::Writer<'_>) -> Result<(), metergate_wire::Full>,
    ) {
        self.elements.extend(written(LIST_LEN_MAX, emit));
        self.count += elements;
    }

    /// OBIS code, value and {scaler, unit} as three elements in a row (Netz NÖ).
    pub(super) fn flat(&mut self, obis: [u8; 6], value: Value<'_>, scaler: i8, unit: u8) {
        self.put(3, |out| emit::register(out, obis, value, scaler, unit));
        self.registers.push(scaled(obis, value, scaler, unit));
    }

    /// The same three as one structure.
    pub(super) fn nested(&mut self, obis: [u8; 6], value: Value<'_>, scaler: i8, unit: u8) {
        self.put(1, |out| {
            emit::structure(out, 3)?;
            emit::register(out, obis, value, scaler, unit)
        });
        self.registers.push(scaled(obis, value, scaler, unit));
    }

    /// OBIS code and value as one structure: texts and clocks.
    pub(super) fn nested_pair(&mut self, obis: [u8; 6], value: Value<'_>) {
        self.put(1, |out| {
            emit::structure(out, 2)?;
            emit::value(out, Value::Octets(&obis))?;
            emit::value(out, value)
        });
        self.registers.push(by_obis(obis, said(value), None));
    }

    /// OBIS code and value as two elements in a row (Kamstrup, Landis+Gyr).
    pub(super) fn pair(&mut self, obis: [u8; 6], value: Value<'_>) {
        self.put(2, |out| {
            emit::value(out, Value::Octets(&obis))?;
            emit::value(out, value)
        });
        self.registers.push(by_obis(obis, said(value), None));
    }

    /// The same of a maker whose description, not the telegram, gives scaler and unit.
    pub(super) fn described_pair(&mut self, obis: [u8; 6], value: Value<'_>, scaler: i8, unit: u8) {
        self.pair(obis, value);
        self.registers.pop();
        self.registers.push(scaled(obis, value, scaler, unit));
    }

    /// A value that says nothing about itself.
    pub(super) fn lone(&mut self, value: Value<'_>) {
        let position = self.count;
        self.put(1, |out| emit::value(out, value));
        self.registers.push(by_position(position, said(value)));
    }

    /// The same of a maker whose description gives its meaning: code, scaler, unit.
    pub(super) fn described(&mut self, obis: [u8; 6], value: Value<'_>, scaler: i8, unit: u8) {
        let position = self.count;
        self.put(1, |out| emit::value(out, value));
        let meaning = scaled(obis, value, scaler, unit);
        self.registers.push(RegisterBuf { address: AddressBuf::Position(position), ..meaning });
    }

    /// The data-notification around the list. `tagged` puts the 09 of Kaifa in front of the date-time.
    pub(super) fn notification(
        &self,
        outermost: Outermost,
        long_invoke_id: u32,
        time: Option<date_time::DateTime>,
        tagged: bool,
    ) -> Vec<u8> {
        written(LIST_LEN_MAX, |out| {
            emit_header(out, long_invoke_id, time, tagged)?;
            match outermost {
                Outermost::Structure => emit::structure(out, usize::from(self.count))?,
                Outermost::Array => emit::array(out, usize::from(self.count))?,
            }
            out.put(&self.elements)
        })
    }
}

fn scaled(obis: [u8; 6], value: Value<'_>, scaler: i8, unit: u8) -> RegisterBuf {
    let value = value.integer().map_or_else(|| said(value), |mantissa| number(mantissa, scaler));
    by_obis(obis, value, Unit::from_dlms(unit))
}

fn said(value: Value<'_>) -> ValueBuf {
    if let Some(mantissa) = value.integer() {
        return number(mantissa, 0);
    }
    match value.octets() {
        Some(octets) => match date_time::DateTime::from_octets(octets) {
            Some(time) => shown(time).map_or(ValueBuf::Null, ValueBuf::DateTime),
            None => ValueBuf::Octets(octets.to_vec()),
        },
        None => ValueBuf::Null,
    }
}

/// The local time of a second as DLMS sends it; without a deviation from UTC where `zone` is false.
pub(super) fn local(unix_s: i64, doubtful: bool, zone: bool) -> date_time::DateTime {
    let local_s = clock::local_s(unix_s);
    let offset_min = clock::offset_min(unix_s);
    let byte = |n: i64| u8::try_from(n).unwrap_or(0xFF);
    let date = clock::local(unix_s).and_then(DateTime::date);
    let (year, month, day) =
        date.map_or((0xFFFF, 0xFF, 0xFF), |date| (date.year(), date.month(), date.day()));
    let of_day = local_s.rem_euclid(86_400);
    // Monday is 1, Sunday 7; day 0 was a Thursday.
    let weekday = byte((local_s.div_euclid(86_400) + 3).rem_euclid(7) + 1);
    let summer = if offset_min == 120 { 0x80 } else { 0 };
    date_time::DateTime {
        date: date_time::Date { year, month, day, weekday },
        time: date_time::Time {
            hour: byte(of_day / 3600),
            minute: byte(of_day / 60 % 60),
            second: byte(of_day % 60),
            hundredths: if zone { 0 } else { 0xFF },
        },
        // UTC minus local time.
        deviation_min: zone.then_some(-offset_min),
        status: date_time::ClockStatus(if zone { summer | if doubtful { 0x02 } else { 0 } } else { 0 }),
    }
}

/// What a reader makes of a DLMS date-time.
pub(super) fn shown(time: date_time::DateTime) -> Option<DateTime> {
    let date = metergate_reading::Date::new(time.date.year, time.date.month, time.date.day)?;
    let hundredths = if time.time.hundredths == 0xFF { 0 } else { time.time.hundredths };
    let clock = metergate_reading::Time::new(time.time.hour, time.time.minute, time.time.second, hundredths)?;
    let status = match time.status {
        date_time::ClockStatus::NOT_SPECIFIED => ClockStatus::Unstated,
        status if status.is_invalid() || status.is_doubtful() => ClockStatus::Doubtful,
        _ => ClockStatus::Valid,
    };
    let shown = DateTime::new(date, clock).with_clock(status);
    Some(time.deviation_min.map_or(shown, |minutes| shown.with_offset(-minutes)))
}
