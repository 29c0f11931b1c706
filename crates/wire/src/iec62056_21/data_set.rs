//! The data set `address(value*unit)(value*unit)...` (IEC 62056-21, 6.5), which DSMR P1 shares.
use crate::find;

/// A decimal number as sent: `mantissa` x 10^`exponent`, where the exponent comes from the decimals.
///
/// `00001.010` is 1010 x 10^-3: the decimals tell the resolution of the meter, so none is dropped.
///
/// ```
/// use metergate_wire::iec62056_21::{Number, NumberError};
///
/// assert_eq!(Number::parse(b"054321.1234"), Ok(Number { mantissa: 543_211_234, exponent: -4 }));
/// assert_eq!(Number::parse(b"-0,5"), Ok(Number { mantissa: -5, exponent: -1 }));
/// assert_eq!(Number::parse(b"99999999999999999999"), Err(NumberError::TooLarge));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// All digits without the decimal point.
    pub mantissa: i64,
    /// Power of ten, -127 to 0.
    pub exponent: i8,
}

/// Why a text is no [`Number`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// Not the shape sign, digits, point or comma, digits.
    NoNumber,
    /// The shape is right, but the digits do not fit 64 bits or there are more than 127 decimals.
    TooLarge,
}

impl Number {
    /// Reads a decimal number: a sign or none, digits, and after a point or comma more digits.
    ///
    /// Blanks around it are allowed: Siemens heat meters send `(  80*Deg)`. Line ends are not.
    ///
    /// # Errors
    /// [`NumberError::NoNumber`] for any other text, the empty one included; [`NumberError::TooLarge`] beyond `i64`.
    #[inline]
    pub fn parse(text: &[u8]) -> Result<Self, NumberError> {
        let text = without_blanks(text);
        let (negative, digits) = match text.split_first() {
            Some((b'-', digits)) => (true, digits),
            Some((b'+', digits)) => (false, digits),
            _ => (false, text),
        };
        // Eighteen digits cannot overflow; longer texts are rare, since meters pad to nine.
        if digits.len() > 19 {
            return Self::parse_long(negative, digits);
        }
        let mut mantissa: i64 = 0;
        let mut decimals: i8 = -1;
        for &byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit < 10 {
                mantissa = mantissa.wrapping_mul(10).wrapping_add(i64::from(digit));
                decimals = if decimals < 0 { -1 } else { decimals + 1 };
            } else if (byte == b'.' || byte == b',') && decimals < 0 {
                decimals = 0;
            } else {
                return Err(NumberError::NoNumber);
            }
        }
        match (digits.len(), decimals) {
            (0, _) | (1, 0) => Err(NumberError::NoNumber),
            (19, -1) => Self::parse_long(negative, digits),
            _ => Ok(Self {
                mantissa: if negative { -mantissa } else { mantissa },
                exponent: if decimals < 0 { 0 } else { -decimals },
            }),
        }
    }

    /// The same for any number of digits, with every step checked.
    #[cold]
    fn parse_long(negative: bool, digits: &[u8]) -> Result<Self, NumberError> {
        let mut mantissa = Some(0_i64);
        let mut decimals: Option<usize> = None;
        for &byte in digits {
            match byte {
                b'0'..=b'9' => {
                    let digit = i64::from(byte - b'0');
                    mantissa = mantissa.and_then(|sum| sum.checked_mul(10)?.checked_add(digit));
                    decimals = decimals.map(|count| count + 1);
                }
                b'.' | b',' if decimals.is_none() => decimals = Some(0),
                _ => return Err(NumberError::NoNumber),
            }
        }
        let mantissa = mantissa.ok_or(NumberError::TooLarge)?;
        let decimals = i8::try_from(decimals.unwrap_or(0)).map_err(|_| NumberError::TooLarge)?;
        Ok(Self { mantissa: if negative { -mantissa } else { mantissa }, exponent: -decimals })
    }
}

/// The text without blanks and tabs around it.
#[inline]
fn without_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Splits the content of a bracket into value and unit at the first `*`; without one, or with nothing behind it,
/// there is no unit.
///
/// ```
/// use metergate_wire::iec62056_21::value_and_unit;
///
/// assert_eq!(value_and_unit(b"00001.001*kWh"), (&b"00001.001"[..], Some(&b"kWh"[..])));
/// assert_eq!(value_and_unit(b"0-0:96.7.19"), (&b"0-0:96.7.19"[..], None));
/// ```
#[must_use]
#[inline]
pub fn value_and_unit(group: &[u8]) -> (&[u8], Option<&[u8]>) {
    match find::byte(group, b'*').and_then(|star| Some((group.get(..star)?, group.get(star + 1..)?))) {
        Some((value, unit)) if !unit.is_empty() => (value, Some(unit)),
        _ => (group, None),
    }
}

/// A number with its unit, from one bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity<'a> {
    /// The number, its digits as sent.
    pub number: Number,
    /// The unit as sent, not empty: `kWh`, `kVAr`, `m3`, `C&082*C`.
    pub unit: &'a [u8],
}

impl<'a> Quantity<'a> {
    /// Reads `value*unit`; `Ok(None)` when the bracket holds something else.
    ///
    /// # Errors
    /// [`NumberError::TooLarge`] when the value is a number beyond `i64`.
    #[inline]
    pub fn parse(group: &'a [u8]) -> Result<Option<Self>, NumberError> {
        match Self::start(group) {
            (Some(number), [b'*', unit @ ..]) if !unit.is_empty() => Ok(Some(Self { number, unit })),
            (_, rest) => Self::parse_from(group, rest),
        }
    }

    /// Reads a bracket whose `(` was read: what it says when that is a quantity, and what follows its `)`.
    ///
    /// `None` when it is not closed, see [`Groups::bracket`]; a value beyond `i64` is no quantity.
    #[inline(always)]
    pub(crate) fn in_bracket(inside: &'a [u8]) -> Option<(Option<Self>, &'a [u8])> {
        let (number, rest) = Self::start(inside);
        if let [b')', behind @ ..] = rest {
            return Some((None, behind));
        }
        if let (Some(number), [b'*', unit_and_behind @ ..]) = (number, rest) {
            // A unit is too short for the search by words to pay.
            let close = unit_and_behind.iter().position(|byte| matches!(byte, b'(' | b')'))?;
            let (unit, behind) = unit_and_behind.split_at_checked(close)?;
            if let [b')', behind @ ..] = behind
                && !unit.is_empty()
            {
                return Some((Some(Self { number, unit }), behind));
            }
        }
        Self::in_any_bracket(inside, rest)
    }

    /// The same for every shape; `rest` is as [`Quantity::start`] left it.
    fn in_any_bracket(inside: &'a [u8], rest: &'a [u8]) -> Option<(Option<Self>, &'a [u8])> {
        let close = inside.len() - rest.len() + Groups::close(rest)?;
        let quantity = Self::parse_from(inside.get(..close)?, rest).ok().flatten();
        Some((quantity, inside.get(close + 1..)?))
    }

    /// Reads the shape of nearly all values, digits and a point before a `*`, in one pass.
    ///
    /// The number is `None` for any other shape. The rest begins with the first byte that is no digit and no first
    /// point.
    #[inline(always)]
    fn start(text: &[u8]) -> (Option<Number>, &[u8]) {
        let (mantissa, mut rest) = digits(text, 0);
        let mut number = Number { mantissa, exponent: 0 };
        if let [b'.', fraction @ ..] = rest {
            (number.mantissa, rest) = digits(fraction, mantissa);
            let decimals = fraction.len() - rest.len();
            number.exponent = i8::try_from(decimals).map_or(0, |decimals| -decimals);
        }
        // At most 18 digits do not overflow; a point alone is no number.
        let len = text.len() - rest.len();
        ((rest.first() == Some(&b'*') && matches!(len, 2..=18)).then_some(number), rest)
    }

    /// Reads a bracket of another shape, unless the byte at which [`Quantity::start`] stopped is in no value at all.
    #[inline]
    fn parse_from(group: &'a [u8], rest: &[u8]) -> Result<Option<Self>, NumberError> {
        match rest.first() {
            Some(b'*' | b',' | b'+' | b'-' | b' ' | b'\t') => Self::parse_any(group),
            _ => Ok(None),
        }
    }

    /// Reads every shape.
    fn parse_any(group: &'a [u8]) -> Result<Option<Self>, NumberError> {
        match value_and_unit(group) {
            (_, None) => Ok(None),
            (value, Some(unit)) => match Number::parse(value) {
                Ok(number) => Ok(Some(Self { number, unit })),
                Err(NumberError::NoNumber) => Ok(None),
                Err(error) => Err(error),
            },
        }
    }
}

/// Reads on a number whose digits so far are `mantissa`, and returns what follows its digits.
#[inline]
fn digits(mut text: &[u8], mut mantissa: i64) -> (i64, &[u8]) {
    while let [byte, rest @ ..] = text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        mantissa = mantissa.wrapping_mul(10).wrapping_add(i64::from(digit));
        text = rest;
    }
    (mantissa, text)
}

/// The bracket contents of one data set, in order, without the brackets.
///
/// The text was checked to be `(..)(..)` with nothing but line ends between the brackets, so iteration cannot fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups<'a> {
    rest: &'a [u8],
}

impl<'a> Groups<'a> {
    /// Takes brackets that were checked one by one with [`Groups::bracket`].
    #[inline]
    pub(crate) const fn checked(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Length of the bracket at the start of `text`, `(` and `)` included; `None` when there is none or it is not
    /// closed. A `(` inside is refused: the closing bracket of another data set was lost there.
    #[inline]
    pub(crate) fn bracket(text: &[u8]) -> Option<usize> {
        let (b'(', inside) = text.split_first()? else { return None };
        Self::close(inside).map(|close| close + 2)
    }

    /// Position of the `)` in what follows a `(`; see [`Groups::bracket`].
    #[inline]
    fn close(inside: &[u8]) -> Option<usize> {
        find::bracket(inside).filter(|&close| inside.get(close) == Some(&b')'))
    }
}

/// Number of CR and LF at the start of `text`.
fn line_ends(text: &[u8]) -> usize {
    text.iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count()
}

impl<'a> Iterator for Groups<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let open = match self.rest.first()? {
            b'(' => 0,
            _ => line_ends(self.rest),
        };
        let inside = self.rest.get(open + 1..)?;
        let close = find::byte(inside, b')')?;
        self.rest = inside.get(close + 1..).unwrap_or_default();
        inside.get(..close)
    }
}

/// A date and time of a bracket: `YYMMDDhhmm`, `YYMMDDhhmmss`, or the latter with `S` or `W`.
///
/// Only the shape and the ranges of the fields are checked; 31 February passes. It is the local time of the meter.
///
/// ```
/// use metergate_wire::iec62056_21::{Season, Timestamp};
///
/// let time = Timestamp::parse(b"190320181403W").unwrap();
/// assert_eq!((time.year, time.month, time.day), (2019, 3, 20));
/// assert_eq!((time.hour, time.minute, time.second), (18, 14, 3));
/// assert_eq!(time.season, Some(Season::Winter));
/// // An empty M-Bus slot of a Luxembourg meter.
/// assert_eq!(Timestamp::parse(b"632525252525S"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// 2000 to 2099.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59; 0 when not sent.
    pub second: u8,
    /// Sent by P1 meters from DSMR 4.0 on.
    pub season: Option<Season>,
}

/// Whether a local time is daylight saving time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Season {
    /// `S`: daylight saving time is active.
    Summer,
    /// `W`: standard time.
    Winter,
}

impl Timestamp {
    /// Reads the content of a bracket; `None` when it is no date and time.
    #[must_use]
    pub fn parse(group: &[u8]) -> Option<Self> {
        if !Self::has_shape(group) {
            return None;
        }
        let two = |at: usize| -> Option<u8> {
            let [tens, ones] = group.get(at..)?.first_chunk::<2>()?;
            Some((tens - b'0') * 10 + (ones - b'0'))
        };
        let time = Self {
            year: 2000 + u16::from(two(0)?),
            month: two(2)?,
            day: two(4)?,
            hour: two(6)?,
            minute: two(8)?,
            second: if group.len() > 10 { two(10)? } else { 0 },
            season: match group.get(12) {
                Some(b'S') => Some(Season::Summer),
                Some(_) => Some(Season::Winter),
                None => None,
            },
        };
        let valid = matches!(time.month, 1..=12)
            && matches!(time.day, 1..=31)
            && time.hour < 24
            && time.minute < 60
            && time.second < 60;
        valid.then_some(time)
    }

    /// True for 10 or 12 digits, and for 12 with `S` or `W`, whatever the digits say.
    #[inline]
    pub(crate) fn has_shape(group: &[u8]) -> bool {
        let digits = match group.len() {
            10 | 12 => group,
            13 => match group.split_last() {
                Some((b'S' | b'W', digits)) => digits,
                _ => return false,
            },
            _ => return false,
        };
        digits.iter().all(u8::is_ascii_digit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(mantissa: i64, exponent: i8) -> Result<Number, NumberError> {
        Ok(Number { mantissa, exponent })
    }

    #[test]
    fn decimals_give_the_exponent() {
        assert_eq!(Number::parse(b"00001.010"), number(1010, -3));
        assert_eq!(Number::parse(b"000000413"), number(413, 0));
        assert_eq!(Number::parse(b"0012345,678"), number(12_345_678, -3));
        assert_eq!(Number::parse(b"-063"), number(-63, 0));
        assert_eq!(Number::parse(b"+5."), number(5, 0));
        assert_eq!(Number::parse(b".5"), number(5, -1));
        assert_eq!(Number::parse(b"  80 "), number(80, 0));
    }

    #[test]
    fn the_limits_of_64_bits_are_kept() {
        assert_eq!(Number::parse(b"9223372036854775807"), number(i64::MAX, 0));
        assert_eq!(Number::parse(b"-9223372036854775807"), number(-i64::MAX, 0));
        assert_eq!(Number::parse(b"9223372036854775808"), Err(NumberError::TooLarge));
        assert_eq!(Number::parse(b"00009223372036854775807"), number(i64::MAX, 0));
        assert_eq!(Number::parse(b"922337203685477580.7"), number(i64::MAX, -1));
        assert_eq!(Number::parse(b"922337203685477580.8"), Err(NumberError::TooLarge));
        assert_eq!(Number::parse(b"999999999999999999"), number(999_999_999_999_999_999, 0));
        assert_eq!(Number::parse(b"99999999999999999.9"), number(999_999_999_999_999_999, -1));
        let mut many_decimals = std::vec![b'0'; 200];
        if let Some(point) = many_decimals.get_mut(1) {
            *point = b'.';
        }
        assert_eq!(Number::parse(&many_decimals), Err(NumberError::TooLarge));
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in [
            &b""[..],
            b"-",
            b".",
            b"+,",
            b"1.2.3",
            b"12a",
            b"0x10",
            b"1 2",
            b"--1",
            b"1e5",
            b"12345678901234567890x",
        ] {
            assert_eq!(Number::parse(text), Err(NumberError::NoNumber), "{text:?}");
        }
    }

    #[test]
    fn the_first_star_ends_the_value() {
        // Siemens 2WR5 sends two temperatures in one bracket.
        assert_eq!(value_and_unit(b"088*C&082*C"), (&b"088"[..], Some(&b"C&082*C"[..])));
        assert_eq!(value_and_unit(b"088*"), (&b"088*"[..], None));
    }

    #[test]
    fn groups_are_walked_over_line_ends() {
        let groups = Groups::checked(b"(120517020000)(m3)\r\n(00124.477)");
        assert_eq!(groups.collect::<std::vec::Vec<_>>(), [&b"120517020000"[..], b"m3", b"00124.477"]);
    }

    #[test]
    fn a_bracket_that_is_not_closed_is_refused() {
        assert_eq!(Groups::bracket(b"(1)(2)"), Some(3));
        for text in [&b"(1"[..], b"1)", b"", b"(00001.2(0002)"] {
            assert_eq!(Groups::bracket(text), None);
        }
    }

    #[test]
    fn both_ways_to_read_a_quantity_agree() {
        for text in [
            "1*A",
            "12*A",
            "0.1*A",
            ".5*A",
            "5.*A",
            ".*A",
            "*A",
            "1.2.3*A",
            "-063*A",
            "1,5*A",
            " 80*Deg",
            "1*",
            "12*",
            "12",
            "12x*A",
            "123456789012345678*A",
            "1234567890123456789*A",
            "12345678901234567.8*A",
            "99999999999999999999*A",
        ] {
            let text = text.as_bytes();
            assert_eq!(Quantity::parse(text), Quantity::parse_any(text), "{text:?}");
        }
    }

    #[test]
    fn times_have_ranges() {
        assert!(Timestamp::parse(b"2603091815").is_some());
        assert_eq!(Timestamp::parse(b"120517020000").and_then(|time| time.season), None);
        assert_eq!(Timestamp::parse(b"000000000000S"), None);
        assert_eq!(Timestamp::parse(b"250000000000W"), None);
        assert_eq!(Timestamp::parse(b"190320181403X"), None);
        assert_eq!(Timestamp::parse(b"19032018140"), None);
        assert_eq!(Timestamp::parse(b"19-32018140"), None);
    }
}
