//! Exact values become the 32 bits of the format, or are refused.
use core::fmt;
use metergate_reading::{Number, Unit};

/// A value that the format cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantityError {
    /// The value has another unit, or none.
    Unit {
        /// The unit of the field.
        expected: Unit,
        /// The unit of the value.
        found: Option<Unit>,
    },
    /// The value does not fit 32 bits in the steps of the format, or is a counter below 0.
    OutOfRange {
        /// The value, in the unit of the field.
        value: Number,
    },
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit { expected, found: Some(found) } => {
                write!(f, "the value is in {found}, {expected} is needed")
            }
            Self::Unit { expected, found: None } => write!(f, "the value has no unit, {expected} is needed"),
            Self::OutOfRange { value } => write!(f, "the format of SMGW.Lite cannot say {value}"),
        }
    }
}

impl core::error::Error for QuantityError {}

/// A counter in 0.1 Wh, as `m180` and `m280` send it.
///
/// Finer digits are cut off towards zero, as SMGW.Lite does: 1.99 Wh is 19. So a counter never runs ahead, and the
/// energy between two readings is off by less than 0.1 Wh, once, not with every reading.
///
/// # Errors
/// - [`QuantityError::Unit`] for anything but Wh.
/// - [`QuantityError::OutOfRange`] below 0 and beyond 429,496.7295 kWh.
///
/// ```
/// use metergate_reading::{Number, Unit};
/// use metergate_series::smgw_lite::{QuantityError, tenths_of_wh};
///
/// assert_eq!(tenths_of_wh(Number::new(352_040_842, -4), Some(Unit::WattHour)), Ok(352_040));
/// let full = Number::new(429_496_729_6, -1);
/// assert_eq!(tenths_of_wh(full, Some(Unit::WattHour)), Err(QuantityError::OutOfRange { value: full }));
/// ```
pub fn tenths_of_wh(value: Number, unit: Option<Unit>) -> Result<u32, QuantityError> {
    expect(Unit::WattHour, unit)?;
    counter(value, -1)
}

/// Solar energy in Ws, as `solar` sends it; finer digits are cut off towards zero.
///
/// # Errors
/// - [`QuantityError::Unit`] for anything but J, which is another name of Ws.
/// - [`QuantityError::OutOfRange`] below 0 and from FFFFFFF0 on (about 1193 kWh), where the format says "none".
pub fn watt_seconds(value: Number, unit: Option<Unit>) -> Result<u32, QuantityError> {
    expect(Unit::Joule, unit)?;
    let energy = counter(value, 0)?;
    if energy >= super::value::SOLAR_NONE_FROM {
        Err(QuantityError::OutOfRange { value })
    } else {
        Ok(energy)
    }
}

/// A temperature in hundredths of a degree Celsius, as `temp` sends it; finer digits are cut off towards zero, as
/// SMGW.Lite does.
///
/// # Errors
/// - [`QuantityError::Unit`] for anything but degC.
/// - [`QuantityError::OutOfRange`] beyond 32 bits.
pub fn centidegrees(value: Number, unit: Option<Unit>) -> Result<i32, QuantityError> {
    expect(Unit::Celsius, unit)?;
    let cut = cut_off(value, -2).and_then(|hundredths| i32::try_from(hundredths).ok());
    cut.ok_or(QuantityError::OutOfRange { value })
}

fn expect(expected: Unit, found: Option<Unit>) -> Result<(), QuantityError> {
    if found == Some(expected) { Ok(()) } else { Err(QuantityError::Unit { expected, found }) }
}

/// A counter in steps of 10^`exponent`.
fn counter(value: Number, exponent: i16) -> Result<u32, QuantityError> {
    // -0.04 Wh would be cut to 0, but no counter says that.
    let positive = Some(value).filter(|value| value.mantissa() >= 0);
    let cut = positive.and_then(|value| cut_off(value, exponent)).and_then(|steps| u32::try_from(steps).ok());
    cut.ok_or(QuantityError::OutOfRange { value })
}

/// The mantissa at another exponent, cut off towards zero; `None` beyond 64 bits.
fn cut_off(value: Number, exponent: i16) -> Option<i64> {
    let steps = i32::from(value.exponent()) - i32::from(exponent);
    // More powers of ten than fit are more than any mantissa has digits.
    match (value.mantissa(), 10_i64.checked_pow(steps.unsigned_abs())) {
        (0, _) => Some(0),
        (mantissa, Some(factor)) if steps >= 0 => mantissa.checked_mul(factor),
        (mantissa, Some(factor)) => Some(mantissa / factor),
        (_, None) => (steps < 0).then_some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn kwh(text: &str) -> Result<u32, QuantityError> {
        let value: Number = text.parse().unwrap();
        tenths_of_wh(value.scaled(3).unwrap(), Some(Unit::WattHour))
    }

    fn wh(text: &str) -> Result<u32, QuantityError> {
        tenths_of_wh(text.parse().unwrap(), Some(Unit::WattHour))
    }

    #[test]
    fn row_21_energies_survive_or_are_refused_visibly() {
        assert_eq!(wh("16777217"), Ok(167_772_170));
        assert_eq!(kwh("12345.6789"), Ok(123_456_789));
        assert_eq!(kwh("429496.7295"), Ok(u32::MAX));
        let error = kwh("429496.7296").unwrap_err();
        assert_eq!(error, QuantityError::OutOfRange { value: Number::new(4_294_967_296, -1) });
        assert_eq!(error.to_string(), "the format of SMGW.Lite cannot say 429496729.6");
    }

    #[test]
    fn finer_digits_of_a_counter_are_cut_off() {
        assert_eq!(wh("1.99"), Ok(19));
        assert_eq!(wh("0.0999"), Ok(0));
        assert_eq!(wh("429496729.59999"), Ok(u32::MAX));
        assert_eq!(tenths_of_wh(Number::new(i64::MAX, -128), Some(Unit::WattHour)), Ok(0));
    }

    #[test]
    fn a_counter_below_zero_or_far_too_high_is_refused() {
        for value in [Number::new(-1, -2), Number::new(-1, 0), Number::new(i64::MAX, 0), Number::new(1, 127)]
        {
            assert_eq!(
                tenths_of_wh(value, Some(Unit::WattHour)),
                Err(QuantityError::OutOfRange { value }),
                "{value}"
            );
        }
        assert_eq!(tenths_of_wh(Number::new(0, 127), Some(Unit::WattHour)), Ok(0));
    }

    #[test]
    fn a_temperature_keeps_its_sign() {
        let celsius = |text: &str| centidegrees(text.parse().unwrap(), Some(Unit::Celsius));
        assert_eq!(celsius("-5.5"), Ok(-550));
        // A DS18B20 has sixteenths.
        assert_eq!(celsius("-5.0625"), Ok(-506));
        assert_eq!(celsius("21.4375"), Ok(2143));
        assert!(celsius("21474836.48").is_err());
    }

    #[test]
    fn solar_energy_ends_where_none_begins() {
        let joule = |n| watt_seconds(Number::new(n, 0), Some(Unit::Joule));
        assert_eq!(joule(0xFFFF_FFEF), Ok(0xFFFF_FFEF));
        assert!(joule(0xFFFF_FFF0).is_err());
        assert!(joule(-1).is_err());
    }

    #[test]
    fn another_unit_is_refused() {
        let (expected, found) = (Unit::WattHour, Some(Unit::Watt));
        let error = tenths_of_wh(Number::new(1, 0), found).unwrap_err();
        assert_eq!(error, QuantityError::Unit { expected, found });
        assert_eq!(error.to_string(), "the value is in W, Wh is needed");
        assert!(watt_seconds(Number::new(1, 0), Some(Unit::WattHour)).is_err());
        assert!(centidegrees(Number::new(1, 0), None).is_err());
    }
}
