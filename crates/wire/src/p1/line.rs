//! The lines of a P1 telegram and what they say.
use core::ops::Range;
use core::str;

use crate::find;
use crate::iec62056_21::{Groups, Number, NumberError, Quantity, Timestamp};

/// One line of a telegram; a second line that begins with `(` belongs to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// An OBIS code and its values.
    Data(DataLine<'a>),
    /// A line that is no data line, without its line end: a specification prints `1-0:72:32.0(00000)`.
    Unparsed(&'a [u8]),
}

/// A data line `A-B:C.D.E(..)(..)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataLine<'a> {
    raw: &'a [u8],
    /// Offset in the body.
    offset: usize,
    /// Offset of the first `)` in `raw`.
    first_end: usize,
    /// What the first bracket says, read on the way to its end.
    first: Option<Quantity<'a>>,
    /// Offset of the first `(` in `raw`.
    address_len: usize,
    obis: [u8; 6],
}

/// What the brackets of a data line say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// A number with its unit, and the time of the reading where the line has one of its own: M-Bus channels
    /// (0-n:24.2.1, 0-n:24.3.0) and the peak of the month (1-0:1.6.0).
    Quantity {
        /// Number and unit.
        quantity: Quantity<'a>,
        /// The content of the time bracket as sent; [`Timestamp::parse`] reads it.
        time: Option<&'a [u8]>,
    },
    /// A text, also a number without unit. The M-Bus slot without meter of Luxembourg, `(632525252525S)(00000.000)`,
    /// is the text `00000.000`.
    Text(&'a [u8]),
    /// Several values: event lists (99.97.0, 98.1.0) and the two current limits of Luxembourg, `(100*A)(-063*A)`.
    List,
}

impl<'a> DataLine<'a> {
    /// The line as sent, without its line end.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Offset of the line in the body it was read from, see [`Lines::new`].
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The OBIS code as sent.
    #[must_use]
    pub fn address(&self) -> &'a str {
        str::from_utf8(self.raw.get(..self.address_len).unwrap_or_default()).unwrap_or_default()
    }

    /// Length of [`DataLine::address`]: where the brackets begin.
    #[must_use]
    pub const fn address_len(&self) -> usize {
        self.address_len
    }

    /// The OBIS code; the sixth number is 255 where none is sent.
    #[must_use]
    pub const fn obis(&self) -> [u8; 6] {
        self.obis
    }

    /// The brackets as sent, from the first `(` to the last `)`.
    #[must_use]
    pub fn brackets(&self) -> &'a [u8] {
        self.raw.get(self.address_len..).unwrap_or_default()
    }

    /// The bracket contents as sent, at least one.
    #[must_use]
    pub fn groups(&self) -> Groups<'a> {
        Groups::checked(self.brackets())
    }

    /// What the brackets say.
    #[must_use]
    #[inline]
    pub fn content(&self) -> Content<'a> {
        // Profile generic objects are lists, whatever their length: `0-0:98.1.0(12)` of a Sagemcom XT211 without
        // months, `1-0:99.97.0(0)(0-0:96.7.19)` of a meter without failures.
        if matches!(self.obis, [_, _, 98 | 99, ..]) {
            return Content::List;
        }
        if self.raw.len() > self.first_end + 1 {
            return self.content_of_groups();
        }
        match self.first {
            Some(quantity) => Content::Quantity { quantity, time: None },
            None => Content::Text(self.first_group()),
        }
    }

    /// The content of the first bracket.
    #[inline]
    fn first_group(&self) -> &'a [u8] {
        self.raw.get(self.address_len + 1..self.first_end).unwrap_or_default()
    }

    /// What two or more brackets say.
    fn content_of_groups(self) -> Content<'a> {
        let first = self.first_group();
        if !Timestamp::has_shape(first) {
            return Content::List;
        }
        let mut groups = Groups::checked(self.raw.get(self.first_end + 1..).unwrap_or_default());
        let second = groups.next().unwrap_or_default();
        if groups.clone().next().is_none() {
            return match quantity(second) {
                Some(quantity) => Content::Quantity { quantity, time: Some(first) },
                None => Content::Text(second),
            };
        }
        self.capture(first, groups).unwrap_or(Content::List)
    }

    /// DSMR 2.2 and 3.0 send the capture of an M-Bus meter: time, status, period in minutes, number of values, then
    /// the OBIS code and the unit of the value, and the value: `(..)(00)(60)(1)(0-1:24.2.1)(m3)(00124.477)`.
    fn capture(self, time: &'a [u8], mut after_status: Groups<'a>) -> Option<Content<'a>> {
        if !matches!(self.obis, [0, _, 24, 3, ..]) {
            return None;
        }
        let _period = after_status.next()?;
        let count = after_status.next()?;
        let _obis = after_status.next()?;
        let unit = after_status.next().filter(|unit| !unit.is_empty())?;
        let value = after_status.next()?;
        if Number::parse(count).ok()?.mantissa != 1 || after_status.next().is_some() {
            return None;
        }
        match Number::parse(value) {
            Ok(number) => Some(Content::Quantity { quantity: Quantity { number, unit }, time: Some(time) }),
            Err(_) => Some(Content::Text(value)),
        }
    }
}

/// The quantity in a bracket. Numbers beyond 64 bits were refused before the telegram came into being.
#[inline]
fn quantity(group: &[u8]) -> Option<Quantity<'_>> {
    Quantity::parse(group).ok().flatten()
}

/// The lines of a telegram in order.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    rest: &'a [u8],
    /// Length of the whole body.
    body_len: usize,
}

impl<'a> Lines<'a> {
    /// The lines of a telegram's body, see [`Telegram::body`](super::Telegram::body).
    ///
    /// In a body that was not checked, a number beyond 64 bits reads as a text.
    #[must_use]
    pub const fn new(body: &'a [u8]) -> Self {
        Self { rest: body, body_len: body.len() }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    // Inlined, a line stays in registers; handed over in memory, it costs a fifth more instructions.
    #[inline(always)]
    fn next(&mut self) -> Option<Line<'a>> {
        let obis = match short_obis(self.rest) {
            Some(obis) => Some(obis),
            None => {
                self.rest = behind_blank_lines(self.rest);
                any_obis(self.rest)
            }
        };
        if let Some((obis, inside)) = obis
            && let Some((line, rest)) = data_line(self.rest, obis, inside, self.body_len)
        {
            self.rest = rest;
            return Some(Line::Data(line));
        }
        let (line, rest) = unparsed(self.rest)?;
        self.rest = rest;
        Some(Line::Unparsed(line))
    }
}

/// What follows the line ends at the start of `text`.
#[cold]
fn behind_blank_lines(text: &[u8]) -> &[u8] {
    let line_ends = text.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    text.get(line_ends..).unwrap_or_default()
}

/// Takes the line at the start of `text`, whatever it is; `None` at the end of the text.
#[cold]
fn unparsed(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = text.iter().take_while(|byte| !matches!(byte, b'\r' | b'\n')).count();
    text.split_at_checked(len).filter(|(line, _)| !line.is_empty())
}

/// Reads the data line at the start of `text`, whose OBIS code and `(` were read, and returns what follows it.
#[inline(always)]
fn data_line<'a>(
    text: &'a [u8],
    obis: [u8; 6],
    inside: &'a [u8],
    body_len: usize,
) -> Option<(DataLine<'a>, &'a [u8])> {
    let (first, behind) = Quantity::in_bracket(inside)?;
    let address_len = text.len() - inside.len() - 1;
    let first_end = text.len() - behind.len() - 1;
    let (len, rest) = match behind {
        [b'\r', b'\n', rest @ ..] if rest.first().is_some_and(|&byte| byte != b'(') => (first_end + 1, rest),
        _ => {
            let (len, line_end_len) = further_brackets(behind)?;
            (first_end + 1 + len, behind.get(len + line_end_len..)?)
        }
    };
    let offset = body_len - text.len();
    Some((DataLine { raw: text.get(..len)?, offset, first_end, first, address_len, obis }, rest))
}

/// Length of the brackets at the start of `text` up to the line end, and of that line end.
fn further_brackets(text: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    loop {
        match text.get(len..)? {
            // A second line with brackets belongs to this one.
            [b'\r', b'\n', b'(', ..] => len += 2,
            [b'\n', b'(', ..] => len += 1,
            [b'\r', b'\n', ..] => return Some((len, 2)),
            [b'\r' | b'\n', ..] => return Some((len, 1)),
            [b'(', ..] => {}
            [] => return Some((len, 0)),
            // Something between the last bracket and the line end is no data line.
            _ => return None,
        }
        len += Groups::bracket(text.get(len..)?)?;
    }
}

/// Reads `A-B:C.D.E(` where A and B have one digit and the others one or two, the shape of nearly all lines, and
/// returns what follows it.
#[inline(always)]
fn short_obis(text: &[u8]) -> Option<([u8; 6], &[u8])> {
    let [a, b'-', b, b':', rest @ ..] = text else { return None };
    let (c, rest) = short_field(rest, b'.')?;
    let (d, rest) = short_field(rest, b'.')?;
    let (e, rest) = short_field(rest, b'(')?;
    Some(([digit(*a)?, digit(*b)?, c, d, e, 255], rest))
}

/// Reads one or two digits before `mark`, and what follows the mark.
#[inline]
fn short_field(text: &[u8], mark: u8) -> Option<(u8, &[u8])> {
    match text {
        [ones, found, rest @ ..] if *found == mark => Some((digit(*ones)?, rest)),
        [tens, ones, found, rest @ ..] if *found == mark => Some((digit(*tens)? * 10 + digit(*ones)?, rest)),
        _ => None,
    }
}

/// Reads `A-B:C.D.E(`, `A-B:C.D.E*F(` or `A-B:C.D.E.F(`, and returns what follows it.
#[cold]
fn any_obis(text: &[u8]) -> Option<([u8; 6], &[u8])> {
    let (a, b'-', rest) = field(text)? else { return None };
    let (b, b':', rest) = field(rest)? else { return None };
    let (c, b'.', rest) = field(rest)? else { return None };
    let (d, b'.', rest) = field(rest)? else { return None };
    let (e, mark, rest) = field(rest)?;
    let (f, rest) = match mark {
        b'(' => (255, rest),
        // A DSMR 4.2.2 example writes the sixth number as `1-0:31.7.0.255`.
        b'*' | b'.' => {
            let (f, b'(', rest) = field(rest)? else { return None };
            (f, rest)
        }
        _ => return None,
    };
    Some(([a, b, c, d, e, f], rest))
}

/// Reads one to three digits up to 255, the mark after them, and the rest.
fn field(text: &[u8]) -> Option<(u8, u8, &[u8])> {
    let (&byte, rest) = text.split_first()?;
    let value = digit(byte)?;
    let (&byte, rest) = rest.split_first()?;
    let Some(second) = digit(byte) else { return Some((value, byte, rest)) };
    let value = value * 10 + second;
    let (&byte, rest) = rest.split_first()?;
    let Some(third) = digit(byte) else { return Some((value, byte, rest)) };
    let value = value.checked_mul(10)?.checked_add(third)?;
    let (&byte, rest) = rest.split_first()?;
    Some((value, byte, rest))
}

#[inline]
fn digit(byte: u8) -> Option<u8> {
    Some(byte.wrapping_sub(b'0')).filter(|&digit| digit < 10)
}

/// Shortest line that can hold a value beyond 64 bits: 19 digits, an address and a unit, `1-0:1.8.0(` and `*A)` LF.
/// A second line that begins with `(` may be shorter.
pub(super) const LARGE_NUMBER_LINE_LEN_MIN: usize = 33;

/// Whether a line of `text` holds a value beyond 64 bits.
///
/// That is a run of digits before a unit, or one that fills a bracket of a capture, whose unit has a bracket of its
/// own.
pub(super) fn has_large_number(text: &[u8], line: Range<usize>) -> bool {
    const DIGITS: usize = 19;
    let first_line = text.get(first_line(text, line.start)..).unwrap_or_default();
    let end_mark = match short_obis(first_line).or_else(|| any_obis(first_line)) {
        Some(([0, _, 24, 3, ..], _)) => b')',
        _ => b'*',
    };
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b',');
    let mut rest = text.get(line).unwrap_or_default();
    while let Some(end) = find::byte(rest, end_mark) {
        let before = rest.get(..end).unwrap_or_default();
        if before.last_chunk::<DIGITS>().is_some_and(|last| last.iter().all(is_digit)) {
            let digits = before.iter().rev().take_while(|byte| is_digit(byte)).count();
            let number = before.get(before.len() - digits..).unwrap_or_default();
            if Number::parse(number) == Err(NumberError::TooLarge) {
                return true;
            }
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    false
}

/// Offset of the line that the one at `at` belongs to: itself, or the one before it when it begins with `(`.
fn first_line(text: &[u8], at: usize) -> usize {
    if text.get(at) != Some(&b'(') {
        return at;
    }
    let before = text.get(..at.saturating_sub(1)).unwrap_or_default();
    before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)
}
