//! Registers of a Kamstrup answer, in terms of readings.
use metergate_reading::{Address, Date, DateTime, Number, ObisCode, Register, Time, Unit, Value};
use metergate_wire::kmp;

/// Register with the serial number.
const SERIAL_NUMBER: u16 = 1001;
/// Registers with the clock: time of day and date.
const TIME: u16 = 1002;
const DATE: u16 = 1003;

/// Registers of an answer.
#[derive(Debug, Clone)]
pub struct Registers<'a>(Content<'a>);

#[derive(Debug, Clone)]
enum Content<'a> {
    Values(kmp::Registers<'a>),
    SerialNumber(Option<u32>),
    MeterType(Option<&'a [u8]>),
}

impl<'a> Registers<'a> {
    pub(super) fn values(registers: kmp::Registers<'a>) -> Self {
        Self(Content::Values(registers))
    }

    pub(super) fn serial(serial: u32) -> Self {
        Self(Content::SerialNumber(Some(serial)))
    }

    pub(super) fn meter_type(data: &'a [u8]) -> Self {
        Self(Content::MeterType(Some(data)))
    }

    /// The serial number, when the answer has it.
    pub(super) fn serial_number(&self) -> Option<u32> {
        match &self.0 {
            Content::Values(_) => u32::try_from(self.value_of(SERIAL_NUMBER)?.value().ok()?).ok(),
            Content::SerialNumber(serial) => *serial,
            Content::MeterType(_) => None,
        }
    }

    /// The meter's clock, when the answer has both of its registers.
    pub(super) fn clock(&self) -> Option<DateTime> {
        let half = |number| match value(&self.value_of(number)?) {
            (Value::DateTime(half), _) => Some(half),
            _ => None,
        };
        Some(DateTime::new(half(DATE)?.date()?, half(TIME)?.time()?))
    }

    fn value_of(&self, number: u16) -> Option<kmp::Register<'a>> {
        match &self.0 {
            Content::Values(registers) => registers.clone().find(|register| register.number == number),
            _ => None,
        }
    }
}

impl<'a> Iterator for Registers<'a> {
    type Item = Register<'a>;

    fn next(&mut self) -> Option<Register<'a>> {
        match &mut self.0 {
            Content::Values(registers) => {
                let register = registers.next()?;
                let (value, unit) = value(&register);
                let obis = obis(register.number);
                Some(Register { obis, unit, ..Register::new(Address::Kmp(register.number), value) })
            }
            Content::SerialNumber(serial) => {
                let number = Number::new(i64::from(serial.take()?), 0);
                Some(Register::new(Address::Text("serial"), Value::Number(number)))
            }
            Content::MeterType(data) => {
                Some(Register::new(Address::Text("type"), Value::Octets(data.take()?)))
            }
        }
    }
}

/// What a register says. A date, time or text that does not read as such is given as its bytes.
fn value<'a>(register: &kmp::Register<'a>) -> (Value<'a>, Option<Unit>) {
    let octets = Value::Octets(register.mantissa);
    let Ok(mantissa) = register.value() else {
        return (when_or_text(register).unwrap_or(octets), None);
    };
    let (unit, prefix) = match Unit::from_kmp(register.unit) {
        Some((unit, prefix)) => (Some(unit), prefix),
        None => (None, 0),
    };
    // The exponent of a register is at most 63, a prefix is smaller still.
    let exponent = i16::from(register.exponent()) + i16::from(prefix);
    (Number::with_exponent(mantissa, exponent).map_or(octets, Value::Number), unit)
}

/// Units 47 to 49 are a time or date as decimal digits, 143005 or 260314 or 20260314; unit 64 is a text.
fn when_or_text<'a>(register: &kmp::Register<'a>) -> Option<Value<'a>> {
    if register.unit == 64 {
        let text = str::from_utf8(register.mantissa).ok()?.trim_matches(['\0', ' ']);
        return text.bytes().all(|byte| matches!(byte, b' '..=b'~')).then_some(Value::Text(text));
    }
    let digits = register
        .mantissa
        .iter()
        .try_fold(0_u32, |sum, &byte| sum.checked_mul(256)?.checked_add(u32::from(byte)))?;
    let pair = |above: u32| u8::try_from(digits / above % 100).ok();
    let year = u16::try_from(digits / 10_000).ok()?;
    Some(Value::DateTime(match register.unit {
        47 if digits < 1_000_000 => DateTime::time_only(Time::new(pair(10_000)?, pair(100)?, pair(1)?, 0)?),
        48 if digits < 1_000_000 => DateTime::date_only(Date::new(2000 + year, pair(100)?, pair(1)?)?),
        49 => DateTime::date_only(Date::new(year, pair(100)?, pair(1)?)?),
        _ => return None,
    }))
}

/// The code of a register, where EN 13757-1 (heat) or IEC 62056-6-1 (electricity) has one.
///
/// Volume (68) and flow (74) have none here: heat, cooling and water meters share these two registers, and nothing in
/// an answer tells which meter it is.
///
/// ```
/// use metergate_meter::kmp;
///
/// assert_eq!(kmp::obis(60).unwrap().to_string(), "6-0:1.0.0*255");
/// assert_eq!(kmp::obis(68), None);
/// ```
#[must_use]
pub const fn obis(register: u16) -> Option<ObisCode> {
    let (medium, quantity, processing) = match register {
        60 => (6, 1, 0),
        80 => (6, 8, 0),
        86 => (6, 10, 0),
        87 => (6, 11, 0),
        89 => (6, 12, 0),
        1 => (1, 1, 8),
        2 => (1, 2, 8),
        1023 => (1, 1, 7),
        1054 => (1, 32, 7),
        1055 => (1, 52, 7),
        1056 => (1, 72, 7),
        1076 => (1, 31, 7),
        1077 => (1, 51, 7),
        1078 => (1, 71, 7),
        1080 => (1, 21, 7),
        1081 => (1, 41, 7),
        1082 => (1, 61, 7),
        _ => return None,
    };
    Some(ObisCode::new(medium, 0, quantity, processing, 0, 255))
}
