//! Exact decimal numbers: an integer mantissa and a power of ten.
use core::fmt;
use core::str::FromStr;

/// A number exactly as a meter sent it: `mantissa` x 10^`exponent`.
///
/// Range: mantissa any `i64`; exponent -600 to 600, which holds every scaler (-128 to 127) and unit prefix on top of
/// the shortest decimal of any 64-bit float. Two numbers are equal when both parts are: 5 x 10^1 and 50 x 10^0
/// compare unequal, because they say different things about the meter's resolution; [`Number::same_value`] compares
/// what they are worth.
///
/// ```
/// use metergate_reading::Number;
///
/// assert_eq!(Number::new(5, 3).to_string(), "5000");
/// assert_eq!("12345.6789".parse(), Ok(Number::new(123_456_789, -4)));
/// assert!("12e4".parse::<Number>().is_err(), "only plain decimals");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    mantissa: i64,
    exponent: i16,
}

impl Number {
    /// Smallest and largest exponent.
    const EXPONENT_RANGE: core::ops::RangeInclusive<i16> = -600..=600;

    /// A number from its mantissa and a scaler as DLMS and SML send it.
    #[must_use]
    pub const fn new(mantissa: i64, scaler: i8) -> Self {
        Self { mantissa, exponent: scaler as i16 }
    }

    /// A number with an exponent beyond a scaler's, or `None` outside -600 to 600.
    #[must_use]
    pub fn with_exponent(mantissa: i64, exponent: i16) -> Option<Self> {
        Self::EXPONENT_RANGE.contains(&exponent).then_some(Self { mantissa, exponent })
    }

    /// The integer part of the representation, as the meter sent it.
    #[must_use]
    pub const fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// The power of ten.
    #[must_use]
    pub const fn exponent(self) -> i16 {
        self.exponent
    }

    /// The same mantissa, `by` powers of ten further up: unit prefixes and layout scalings.
    ///
    /// `None` when the exponent leaves -600 to 600.
    #[must_use]
    pub fn scaled(self, by: i8) -> Option<Self> {
        Self::with_exponent(self.mantissa, self.exponent.checked_add(i16::from(by))?)
    }

    /// The mantissa of the same value at another exponent, if that is exact and fits.
    ///
    /// ```
    /// use metergate_reading::Number;
    ///
    /// let energy = Number::new(543_211_234, -4);
    /// assert_eq!(energy.at_exponent(-5), Some(5_432_112_340));
    /// assert_eq!(energy.at_exponent(0), None, "54321 would lose the decimals");
    /// ```
    #[must_use]
    pub fn at_exponent(self, exponent: i16) -> Option<i64> {
        if self.mantissa == 0 {
            return Some(0);
        }
        let steps = i32::from(self.exponent) - i32::from(exponent);
        let factor = 10i64.checked_pow(steps.unsigned_abs())?;
        if steps >= 0 {
            self.mantissa.checked_mul(factor)
        } else if self.mantissa % factor == 0 {
            Some(self.mantissa / factor)
        } else {
            None
        }
    }

    /// The exact sum, at the smaller of the two exponents; `None` when it does not fit.
    ///
    /// ```
    /// use metergate_reading::Number;
    ///
    /// let total = Number::new(5, 3).checked_add(Number::new(25, -1));
    /// assert_eq!(total, Some(Number::new(50_025, -1)));
    /// assert_eq!(Number::new(i64::MAX, 0).checked_add(Number::new(1, 0)), None);
    /// ```
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let mantissa = self.at_exponent(exponent)?.checked_add(other.at_exponent(exponent)?)?;
        Some(Self { mantissa, exponent })
    }

    /// The exact difference, at the smaller of the two exponents; `None` when it does not fit.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let mantissa = self.at_exponent(exponent)?.checked_sub(other.at_exponent(exponent)?)?;
        Some(Self { mantissa, exponent })
    }

    /// True when both are worth the same, whatever their exponents.
    #[must_use]
    pub fn same_value(self, other: Self) -> bool {
        let (a, b) = (self.normalised(), other.normalised());
        a.mantissa == b.mantissa && a.exponent == b.exponent
    }

    /// Without trailing zeros in the mantissa; zero has exponent 0.
    fn normalised(self) -> Self {
        if self.mantissa == 0 {
            return Self { mantissa: 0, exponent: 0 };
        }
        let mut number = self;
        while number.mantissa % 10 == 0 {
            number.mantissa /= 10;
            number.exponent += 1;
        }
        number
    }
}

/// The exact decimal: as many decimals as the exponent says, no exponent notation.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 20 digits hold the magnitude of any i64.
        let mut buffer = [b'0'; 20];
        let mut first = buffer.len();
        let mut rest = self.mantissa.unsigned_abs();
        while rest > 0 {
            first -= 1;
            if let (Some(slot), Ok(digit)) = (buffer.get_mut(first), u8::try_from(rest % 10)) {
                *slot = b'0' + digit;
            }
            rest /= 10;
        }
        let digits = buffer.get(first..).and_then(|digits| str::from_utf8(digits).ok()).unwrap_or_default();
        if self.mantissa < 0 {
            f.write_str("-")?;
        }
        let zeros = |f: &mut fmt::Formatter<'_>, n: usize| (0..n).try_for_each(|_| f.write_str("0"));
        if self.exponent >= 0 {
            f.write_str(if digits.is_empty() { "0" } else { digits })?;
            return if digits.is_empty() {
                Ok(())
            } else {
                zeros(f, usize::from(self.exponent.unsigned_abs()))
            };
        }
        let decimals = usize::from(self.exponent.unsigned_abs());
        match digits.len().checked_sub(decimals).filter(|&whole| whole > 0) {
            Some(whole) => {
                let (whole, fraction) = digits.split_at(whole);
                write!(f, "{whole}.{fraction}")
            }
            None => {
                f.write_str("0.")?;
                zeros(f, decimals - digits.len())?;
                f.write_str(digits)
            }
        }
    }
}

/// A text is not a plain decimal that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseNumberError {
    /// There is no digit.
    Empty,
    /// A character that does not belong there, at this byte.
    Unexpected {
        /// Byte offset in the text.
        at: usize,
    },
    /// The digits do not fit a 64-bit mantissa, or there are more than 127 decimals.
    OutOfRange,
}

impl fmt::Display for ParseNumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "expected a number, found no digit"),
            Self::Unexpected { at } => write!(f, "expected a digit at character {at} of the number"),
            Self::OutOfRange => write!(f, "the number does not fit 64 bits"),
        }
    }
}

impl core::error::Error for ParseNumberError {}

/// Reads `-012345.6789`; a decimal comma is read as a point, as some meters send it. Leading zeros say nothing,
/// trailing ones stay: `1.50` is 150 x 10^-2.
impl FromStr for Number {
    type Err = ParseNumberError;

    fn from_str(text: &str) -> Result<Self, ParseNumberError> {
        let (negative, digits) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            all => (false, all),
        };
        let sign_len = text.len() - digits.len();
        let (mut mantissa, mut decimals, mut any) = (0i64, None::<i8>, false);
        for (index, &byte) in digits.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    any = true;
                    let digit = i64::from(byte - b'0');
                    // Built up on the negative side, which reaches one further.
                    mantissa = mantissa
                        .checked_mul(10)
                        .and_then(|m| m.checked_sub(digit))
                        .ok_or(ParseNumberError::OutOfRange)?;
                    if let Some(n) = decimals {
                        decimals = Some(n.checked_add(1).ok_or(ParseNumberError::OutOfRange)?);
                    }
                }
                b'.' | b',' if decimals.is_none() => decimals = Some(0),
                _ => return Err(ParseNumberError::Unexpected { at: sign_len + index }),
            }
        }
        if !any {
            return Err(ParseNumberError::Empty);
        }
        let mantissa =
            if negative { mantissa } else { mantissa.checked_neg().ok_or(ParseNumberError::OutOfRange)? };
        Ok(Self::new(mantissa, -decimals.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn text_has_as_many_decimals_as_the_exponent_says() {
        for (mantissa, scaler, text) in [
            (352_040_842, -4, "35204.0842"),
            (5, 3, "5000"),
            (0, 3, "0"),
            (0, -1, "0.0"),
            (-309, -3, "-0.309"),
            (7, -4, "0.0007"),
            (1000, -3, "1.000"),
            (i64::MIN, 0, "-9223372036854775808"),
            (i64::MAX, -19, "0.9223372036854775807"),
        ] {
            assert_eq!(Number::new(mantissa, scaler).to_string(), text);
        }
    }

    #[test]
    fn values_that_break_floats_survive_the_round_trip() {
        for text in ["16777217", "429496.7296", "12345.6789", "54321.1234", "-9223372036854775808"] {
            assert_eq!(text.parse::<Number>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_number_reads_its_own_text_back() {
        for mantissa in [0, 1, -1, 9, 10, 123_456_789, i64::MAX, i64::MIN] {
            for scaler in -128..=127i8 {
                let number = Number::new(mantissa, scaler);
                let text = number.to_string();
                if let Ok(back) = text.parse::<Number>() {
                    assert!(back.same_value(number), "{text}");
                } else {
                    assert!(scaler > 0 || scaler == -128, "{text} should be readable");
                }
            }
        }
    }

    #[test]
    fn what_is_no_plain_decimal_is_refused() {
        assert_eq!("".parse::<Number>(), Err(ParseNumberError::Empty));
        assert_eq!("-".parse::<Number>(), Err(ParseNumberError::Empty));
        assert_eq!("1.2.3".parse::<Number>(), Err(ParseNumberError::Unexpected { at: 3 }));
        assert_eq!("-1a".parse::<Number>(), Err(ParseNumberError::Unexpected { at: 2 }));
        assert_eq!("9223372036854775808".parse::<Number>(), Err(ParseNumberError::OutOfRange));
        assert_eq!("99999999999999999999".parse::<Number>(), Err(ParseNumberError::OutOfRange));
    }

    #[test]
    fn smallest_and_largest_float_take_any_scaler() {
        // A-XDR: a float64 of 5e-324 or 1.7976931348623157e308 with a scaler of its own.
        let smallest = Number::with_exponent(5, -324).and_then(|number| number.scaled(-128));
        assert_eq!(smallest.map(Number::exponent), Some(-452));
        let largest =
            Number::with_exponent(17_976_931_348_623_157, 292).and_then(|number| number.scaled(127));
        assert_eq!(largest.map(Number::exponent), Some(419));
        assert_eq!(Number::with_exponent(1, 601), None);
    }

    #[test]
    fn rescaling_is_exact_or_refused() {
        assert_eq!(Number::new(1_446_803, -1).at_exponent(-4), Some(1_446_803_000));
        assert_eq!(Number::new(150, -2).at_exponent(-1), Some(15));
        assert_eq!(Number::new(155, -2).at_exponent(-1), None);
        assert_eq!(Number::new(i64::MAX, 0).at_exponent(-1), None);
        assert!(Number::new(5, 1).same_value(Number::new(50, 0)));
        assert!(!Number::new(5, 1).same_value(Number::new(5, 0)));
        assert_ne!(Number::new(5, 1), Number::new(50, 0));
    }
}
