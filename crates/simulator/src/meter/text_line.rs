//! Data lines of P1 and IEC 62056-21: `address(value*unit)`, and what they say, side by side.
use crate::ledger::{by_obis, number};
use metergate_reading::{AddressBuf, DateTime, RegisterBuf, Unit, ValueBuf};

/// One line: address, brackets, meaning.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) address: String,
    pub(super) groups: Vec<String>,
    pub(super) register: RegisterBuf,
}

impl Line {
    fn new(address: &str, groups: Vec<String>, value: ValueBuf, unit: Option<Unit>) -> Self {
        let mut register = by_obis([0; 6], value, unit);
        register.obis = address.parse().ok();
        register.groups.clone_from(&groups);
        Self { address: address.to_owned(), groups, register }
    }

    /// A number with a unit: `whole` digits before the point and `decimals` behind it.
    pub(super) fn measured(address: &str, mantissa: i64, whole: usize, decimals: i8, unit: &str) -> Self {
        let (base, prefix) = base_unit(unit);
        let text = format!("{}*{unit}", decimal(mantissa, whole, decimals));
        Self::new(address, vec![text], number(mantissa, prefix - decimals), base)
    }

    /// A text, as it is.
    pub(super) fn text(address: &str, text: &str) -> Self {
        Self::new(address, vec![text.to_owned()], ValueBuf::Text(text.to_owned()), None)
    }

    /// Several brackets of any kind: what a reader takes for a list.
    pub(super) fn list(address: &str, groups: Vec<(String, ValueBuf)>, unit: Option<Unit>) -> Self {
        let (texts, values) = groups.into_iter().unzip();
        Self::new(address, texts, ValueBuf::List(values), unit)
    }

    /// A number with a time of its own in front of it.
    pub(super) fn timed(self, text: String, time: Option<DateTime>) -> Self {
        let mut line = self;
        line.groups.insert(0, text);
        line.register.groups.clone_from(&line.groups);
        line.register.time = time;
        line
    }

    /// The same line named by its address as sent, as IEC 62056-21 has it.
    pub(super) fn by_address(mut self) -> Self {
        self.register.address = AddressBuf::Text(self.address.clone());
        self
    }
}

/// `mantissa` x 10^-`decimals` with at least `whole` digits before the point; a minus sign comes in addition.
fn decimal(mantissa: i64, whole: usize, decimals: i8) -> String {
    let decimals = usize::from(decimals.unsigned_abs());
    let sign = if mantissa < 0 { "-" } else { "" };
    let width = whole + decimals;
    let digits = format!("{:0width$}", mantissa.unsigned_abs());
    let (front, back) = digits.split_at(digits.len() - decimals);
    if decimals == 0 { format!("{sign}{front}") } else { format!("{sign}{front}.{back}") }
}

/// The base unit, and the powers of ten of the prefix.
fn base_unit(text: &str) -> (Option<Unit>, i8) {
    match text {
        "MWh" => (Some(Unit::WattHour), 6),
        "kWh" => (Some(Unit::WattHour), 3),
        "Wh" => (Some(Unit::WattHour), 0),
        "kW" => (Some(Unit::Watt), 3),
        "W" => (Some(Unit::Watt), 0),
        "kvarh" => (Some(Unit::VarHour), 3),
        "varh" => (Some(Unit::VarHour), 0),
        "kvar" => (Some(Unit::Var), 3),
        "var" => (Some(Unit::Var), 0),
        "kVA" => (Some(Unit::VoltAmpere), 3),
        "V" => (Some(Unit::Volt), 0),
        "A" => (Some(Unit::Ampere), 0),
        "m3" => (Some(Unit::CubicMetre), 0),
        "C" => (Some(Unit::Celsius), 0),
        "Hz" => (Some(Unit::Hertz), 0),
        _ => (None, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_padded_as_meters_do() {
        assert_eq!(decimal(9_053_098, 9, 0), "009053098");
        assert_eq!(decimal(34, 6, 3), "000000.034");
        assert_eq!(decimal(-482, 2, 3), "-00.482");
        assert_eq!(decimal(123_456_789_012, 6, 3), "123456789.012");
        let line = Line::measured("1-0:1.8.1", 576_239, 6, 3, "kWh");
        assert_eq!(line.groups, ["000576.239*kWh"]);
        assert_eq!(line.register.value, number(576_239, 0), "576.239 kWh are 576239 Wh");
    }
}
