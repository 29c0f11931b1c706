//! Sums, products and quotients of numbers, exact in 128 bits until a rounding that is asked for.
use core::cmp::Ordering;
use metergate_reading::Number;

/// A mantissa of 128 bits and a power of ten: what lies between the numbers that go in and the one that comes out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exact {
    mantissa: i128,
    exponent: i16,
}

impl From<Number> for Exact {
    fn from(number: Number) -> Self {
        Self { mantissa: i128::from(number.mantissa()), exponent: number.exponent() }
    }
}

impl Exact {
    pub(crate) fn integer(value: impl Into<i128>) -> Self {
        Self { mantissa: value.into(), exponent: 0 }
    }

    /// Both mantissas at the finer of the two exponents, and that exponent.
    fn aligned(self, other: Self) -> Option<(i128, i128, i16)> {
        let exponent = match (self.mantissa, other.mantissa) {
            // Nothing says how fine it is: a zero from far away must not spoil a sum.
            (0, _) => other.exponent,
            (_, 0) => self.exponent,
            _ => self.exponent.min(other.exponent),
        };
        Some((self.mantissa_at(exponent)?, other.mantissa_at(exponent)?, exponent))
    }

    fn mantissa_at(self, exponent: i16) -> Option<i128> {
        if self.mantissa == 0 {
            return Some(0);
        }
        let steps = u32::try_from(self.exponent.checked_sub(exponent)?).ok()?;
        self.mantissa.checked_mul(10i128.checked_pow(steps)?)
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let (a, b, exponent) = self.aligned(other)?;
        Some(Self { mantissa: a.checked_add(b)?, exponent })
    }

    pub(crate) fn minus(self, other: Self) -> Option<Self> {
        let (a, b, exponent) = self.aligned(other)?;
        Some(Self { mantissa: a.checked_sub(b)?, exponent })
    }

    pub(crate) fn times(self, other: Self) -> Option<Self> {
        let mantissa = self.mantissa.checked_mul(other.mantissa)?;
        Some(Self { mantissa, exponent: self.exponent.checked_add(other.exponent)? })
    }

    /// The same, `by` powers of ten further up.
    pub(crate) fn scaled(self, by: i16) -> Option<Self> {
        Some(Self { mantissa: self.mantissa, exponent: self.exponent.checked_add(by)? })
    }

    pub(crate) fn magnitude(self) -> Option<Self> {
        Some(Self { mantissa: self.mantissa.checked_abs()?, exponent: self.exponent })
    }

    /// -1, 0 or 1.
    pub(crate) const fn sign(self) -> i128 {
        self.mantissa.signum()
    }

    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        let (a, b, _) = self.aligned(other)?;
        Some(a.cmp(&b))
    }

    /// The number, with trailing zeros given up only if it would not fit otherwise.
    pub(crate) fn number(self) -> Option<Number> {
        let mut exact = self;
        loop {
            if let Ok(mantissa) = i64::try_from(exact.mantissa) {
                return Number::with_exponent(mantissa, exact.exponent);
            }
            if exact.mantissa % 10 != 0 {
                return None;
            }
            exact.mantissa /= 10;
            exact.exponent = exact.exponent.checked_add(1)?;
        }
    }

    /// This divided by a positive number, at an exponent, half away from zero.
    pub(crate) fn divided(self, divisor: i128, exponent: i16) -> Option<Number> {
        let steps = i32::from(self.exponent) - i32::from(exponent);
        let factor = 10i128.checked_pow(steps.unsigned_abs());
        let (dividend, divisor) = match (steps >= 0, factor) {
            _ if self.mantissa == 0 => (0, 1),
            (true, factor) => (self.mantissa.checked_mul(factor?)?, divisor),
            // Divided by more than 128 bits hold, anything is less than a half.
            (false, None) => (0, 1),
            (false, Some(factor)) => (self.mantissa, divisor.checked_mul(factor)?),
        };
        let (quotient, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
        let up = rest.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2);
        let rounded = quotient + if up { dividend.signum() } else { 0 };
        Number::with_exponent(i64::try_from(rounded).ok()?, exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Exact {
        Exact::from(text.parse::<Number>().unwrap())
    }

    fn number(text: &str) -> Option<Number> {
        text.parse().ok()
    }

    #[test]
    fn different_exponents_add_exactly() {
        assert_eq!(exact("0.1").plus(exact("0.02")).unwrap().number(), number("0.12"));
        assert_eq!(exact("5").minus(exact("5.000")).unwrap().number(), number("0.000"));
        let kilo = Exact::from(Number::new(3, 3));
        assert_eq!(kilo.minus(exact("0.5")).unwrap().number(), number("2999.5"));
    }

    #[test]
    fn a_zero_of_any_exponent_spoils_no_sum() {
        let zero = Exact::from(Number::with_exponent(0, -600).unwrap());
        assert_eq!(zero.plus(exact("5")).unwrap().number(), number("5"));
        assert_eq!(exact("5").minus(zero).unwrap().number(), number("5"));
        let tiny = Exact::from(Number::with_exponent(1, -600).unwrap());
        assert!(exact("5").plus(tiny).is_none(), "but one that would need 600 digits is refused");
    }

    #[test]
    fn what_does_not_fit_gives_up_zeros_and_no_more() {
        let product = exact("9000000000000000000").times(exact("100")).unwrap();
        assert_eq!(product.number(), Some(Number::new(9_000_000_000_000_000_000, 2)));
        assert_eq!(exact("9223372036854775807").times(exact("3")).unwrap().number(), None);
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        for (dividend, divisor, text) in [
            ("1", 2, "1"),
            ("-1", 2, "-1"),
            ("1", 3, "0"),
            ("2", 3, "1"),
            ("-2", 3, "-1"),
            ("2.5", 1, "3"),
            ("2.4999", 1, "2"),
            ("0", 7, "0"),
        ] {
            assert_eq!(exact(dividend).divided(divisor, 0), number(text), "{dividend} / {divisor}");
        }
        assert_eq!(exact("1").divided(3, -4), number("0.3333"));
        assert_eq!(exact("5").divided(1, 600), Number::with_exponent(0, 600));
        assert_eq!(exact("5").divided(1, -600), None);
        assert_eq!(exact("5").divided(0, 0), None);
    }
}
