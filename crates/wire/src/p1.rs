//! DSMR P1: the text telegram of the customer interface.
//!
//! Source: Dutch Smart Meter Requirements, P1 Companion Standard 2.2, 3.0, 4.x and 5.0.2, chapter 6. The Fluvius
//! e-MUCS-P1, Luxembourg, Swedish (SEK EFS, branschrekommendation), Hungarian and Austrian meters send the same
//! telegram with other lines. It is a mode D readout of IEC 62056-21 with a checksum of its own.
//!
//! ```text
//! /ISk5\2MT382-1000 CR LF          identification: maker (3 letters), baud character, free text
//! CR LF                            a blank line; Luxembourg and Fluvius leave it out
//! 1-3:0.2.8(50) CR LF              data lines: OBIS code, then values in brackets
//! 1-0:1.8.1(123456.789*kWh) CR LF
//! 0-1:24.2.1(101209112500W)(12785.123*m3) CR LF
//! 0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3) CR LF     DSMR 2.2 and 3.0:
//! (00000.000) CR LF                                             the value stands in a second line
//! !EF2F CR LF                      CRC-16/ARC over '/' to '!'; up to DSMR 3.0 only '!'
//! ```
use core::fmt;
use core::ops::{ControlFlow, Range};

use crate::iec62056_21::Identification;
use crate::{Full, Scan, Writer, checksum, find};

mod line;

pub use crate::iec62056_21::{Groups, Number, NumberError, Quantity, Season, Timestamp};
pub use line::{Content, DataLine, Line, Lines};

/// Longest telegram in bytes.
///
/// Hungarian meters send two texts of 2 kB in hexadecimal digits, which makes telegrams of 8 kB; the longest of any
/// other country has 2.5 kB. Twice the longest is 1.4 s at 115200 baud, so an end mark lost in noise is given up soon.
pub const TELEGRAM_LEN_MAX: usize = 16_384;

/// Why a telegram is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The checksum is wrong.
    CrcMismatch {
        /// CRC over the bytes as they stand here.
        expected: u16,
        /// CRC that the telegram carries.
        found: u16,
    },
    /// Neither a checksum of one to four digits nor a line end follows the `!`.
    EndMark {
        /// Offset of the byte that fits neither.
        at: usize,
        /// That byte.
        found: u8,
    },
    /// The next telegram begins, or the bytes end, before the `!`.
    Unfinished {
        /// Offset at which the telegram breaks off.
        at: usize,
    },
    /// No `!` within [`TELEGRAM_LEN_MAX`] bytes.
    TooLong,
    /// A telegram without checksum holds a byte that is no printable ASCII character.
    NoText {
        /// Offset of the byte.
        at: usize,
        /// The byte.
        found: u8,
    },
    /// A telegram without checksum holds no data line: an identification and a `!` alone are in any noise.
    NoData,
    /// A value with a unit does not fit 64 bits.
    NumberTooLarge {
        /// Offset of its line.
        at: usize,
    },
    /// The text does not begin with `/` and three letters.
    NoIdentification,
    /// Bytes follow the end of a telegram that should fill the text.
    Trailing {
        /// Offset of the first byte too many.
        at: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CrcMismatch { expected, found } => {
                write!(f, "the CRC of the telegram is {expected:04X}, but {found:04X} was sent")
            }
            Self::EndMark { at, found } => {
                write!(f, "a CRC or a line end was expected after the `!`, found {found:02X} at offset {at}")
            }
            Self::Unfinished { at } => write!(f, "the telegram breaks off at offset {at}, before its `!`"),
            Self::TooLong => write!(f, "no `!` within {TELEGRAM_LEN_MAX} bytes"),
            Self::NoText { at, found } => {
                write!(
                    f,
                    "printable text was expected in a telegram without CRC, found {found:02X} at offset {at}"
                )
            }
            Self::NoData => f.write_str("a data line was expected in a telegram without CRC, found none"),
            Self::NumberTooLarge { at } => {
                write!(f, "the value in the line at offset {at} does not fit 64 bits")
            }
            Self::NoIdentification => {
                f.write_str("an identification line of `/` and three letters was expected at the start")
            }
            Self::Trailing { at } => write!(f, "the telegram ends at offset {at}, but bytes follow"),
        }
    }
}

impl core::error::Error for Error {}

/// A whole telegram whose checksum, if it carries one, is right and whose numbers fit.
///
/// ```
/// use metergate_wire::Scan;
/// use metergate_wire::p1::{self, Content, Line};
///
/// let bytes = b"/KFM5KAIFA-METER\r\n\r\n1-0:1.8.1(000576.239*kWh)\r\n!\r\n";
/// let Scan::Frame { frame: telegram, len: 50 } = p1::scan(bytes) else { panic!() };
/// assert_eq!(telegram.identification(), b"/KFM5KAIFA-METER");
/// assert_eq!(telegram.crc(), None);
/// let Some(Line::Data(line)) = telegram.lines().next() else { panic!() };
/// assert_eq!(line.obis(), [1, 0, 1, 8, 1, 255]);
/// let Content::Quantity { quantity, time: None } = line.content() else { panic!() };
/// assert_eq!((quantity.number.mantissa, quantity.number.exponent, quantity.unit), (576_239, -3, &b"kWh"[..]));
///
/// let damaged = b"/KFM5KAIFA-METER\r\n\r\n1-0:1.8.1(000576.239*kWh)\r\n!1234\r\n";
/// let error = p1::Error::CrcMismatch { expected: 0xC808, found: 0x1234 };
/// assert_eq!(p1::scan(damaged), Scan::Bad { error, len: 54 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telegram<'a> {
    identification: &'a [u8],
    body: &'a [u8],
    crc: Option<u16>,
}

impl<'a> Telegram<'a> {
    /// Reads a text that is one telegram and nothing else, such as the plain text of an encrypted one.
    ///
    /// # Errors
    /// [`Error::NoIdentification`] when it does not begin like a telegram, [`Error::Trailing`] when something other
    /// than line ends follows it, and the errors of [`scan_last`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        match scan_last(bytes) {
            Scan::Frame { frame, len } => {
                let rest = bytes.get(len..).unwrap_or_default();
                match rest.iter().position(|byte| !matches!(byte, b'\r' | b'\n')) {
                    Some(_) => Err(Error::Trailing { at: len }),
                    None => Ok(frame),
                }
            }
            Scan::Bad { error, .. } => Err(error),
            Scan::Skip(_) | Scan::NeedMore => Err(Error::NoIdentification),
        }
    }

    /// The identification line with its `/`, without line end: `/ISk5\2MT382-1000`.
    #[must_use]
    pub const fn identification(&self) -> &'a [u8] {
        self.identification
    }

    /// The three letters of the maker, such as `ISk` or `KFM`.
    #[must_use]
    pub fn manufacturer(&self) -> &'a [u8] {
        self.identification.get(1..4).unwrap_or_default()
    }

    /// The checksum, which is right; `None` when the telegram carries none (DSMR 2.2 and 3.0).
    #[must_use]
    pub const fn crc(&self) -> Option<u16> {
        self.crc
    }

    /// What stands between the identification and the end mark, which [`Lines::new`] splits.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The lines between the identification and the end mark, without the blank ones.
    #[must_use]
    pub const fn lines(&self) -> Lines<'a> {
        Lines::new(self.body)
    }
}

/// Looks for a telegram at the start of `bytes`.
///
/// A telegram begins with `/` and three letters or digits, and ends after the line end of its `!` line, or directly
/// before a `/`. A `/` at the start of a line within the telegram ends the damaged one before it.
#[must_use]
pub fn scan(bytes: &[u8]) -> Scan<Telegram<'_>, Error> {
    scan_with(bytes, false)
}

/// The same when no byte follows for a long time: the last line of a capture often lacks its line end.
///
/// Never answers [`Scan::NeedMore`] unless `bytes` is empty. A bare `!` as the last byte is the end mark of a
/// telegram without CRC only if the telegram has no line of the versions that carry one (1-3:0.2.8, 0-0:96.1.4,
/// 0-0:1.0.0); otherwise the CRC was cut off.
#[must_use]
pub fn scan_last(bytes: &[u8]) -> Scan<Telegram<'_>, Error> {
    scan_with(bytes, true)
}

fn scan_with(bytes: &[u8], last: bool) -> Scan<Telegram<'_>, Error> {
    let identification = match Identification::take(bytes) {
        Ok(Some(identification)) => identification.line(),
        Ok(None) if !last || bytes.is_empty() => return Scan::NeedMore,
        Ok(None) if bytes.len() > 4 => {
            return Scan::Bad { error: Error::Unfinished { at: bytes.len() }, len: bytes.len() };
        }
        _ => {
            // The next `/` may begin one.
            let next = find::byte(bytes.get(1..).unwrap_or_default(), b'/').map_or(bytes.len(), |at| at + 1);
            return Scan::Skip(next);
        }
    };
    let window = bytes.get(..TELEGRAM_LEN_MAX).unwrap_or(bytes);
    let LastLine { at, mark, large_number } = last_line(window, identification.len());
    match mark {
        Some(b'!') => return end_mark(bytes, identification, at, large_number, last),
        Some(_) => return Scan::Bad { error: Error::Unfinished { at }, len: at },
        None => {}
    }
    if window.len() < bytes.len() {
        Scan::Bad { error: Error::TooLong, len: TELEGRAM_LEN_MAX }
    } else if last {
        Scan::Bad { error: Error::Unfinished { at: bytes.len() }, len: bytes.len() }
    } else {
        Scan::NeedMore
    }
}

/// Where the lines of a telegram end.
struct LastLine {
    /// Offset of the line of the end mark, or of the next telegram.
    at: usize,
    /// The `!` or `/` there; `None` when neither has come yet.
    mark: Option<u8>,
    /// Offset of the first line before it with a number beyond 64 bits.
    large_number: Option<usize>,
}

/// Walks the lines of `text` that begin behind the line end at or after `begin`.
// Not a part of `scan_with`: in a function of its own the loop finds registers for all it needs.
#[inline(never)]
fn last_line(text: &[u8], begin: usize) -> LastLine {
    let mut last = LastLine { at: begin, mark: None, large_number: None };
    let _ = find::each(text.get(begin..).unwrap_or_default(), b'\n', |end| {
        let next = begin + end + 1;
        if next - last.at >= line::LARGE_NUMBER_LINE_LEN_MIN {
            last.look_for_large_number(text, last.at..next);
        }
        last.at = next;
        match text.get(next) {
            // Nearly all lines begin with a digit, and those are above the marks.
            Some(b'0'..) | None => {}
            // A mark counts only at the start of a line: an Iskra MT382 sent the text message `test-/-test`.
            Some(&mark @ (b'!' | b'/')) => {
                last.mark = Some(mark);
                return ControlFlow::Break(());
            }
            // The second line of a capture may be short.
            Some(b'(') => {
                let len = text.get(next..).and_then(|rest| find::byte(rest, b'\n'));
                last.look_for_large_number(text, next..len.map_or(text.len(), |len| next + len));
            }
            Some(_) => {}
        }
        ControlFlow::Continue(())
    });
    last
}

impl LastLine {
    /// Notes a line that holds a number beyond 64 bits.
    #[cold]
    fn look_for_large_number(&mut self, text: &[u8], line: Range<usize>) {
        let at = line.start;
        if self.large_number.is_none() && line::has_large_number(text, line) {
            self.large_number = Some(at);
        }
    }
}

/// Reads the `!` line that begins at `mark`, and checks the telegram before it.
fn end_mark<'a>(
    bytes: &'a [u8],
    identification: &'a [u8],
    mark: usize,
    large_number: Option<usize>,
    last: bool,
) -> Scan<Telegram<'a>, Error> {
    let rest = bytes.get(mark + 1..).unwrap_or_default();
    let mut found: u16 = 0;
    let mut digits = 0;
    for &byte in rest.iter().take(4) {
        let Some(digit) = char::from(byte).to_digit(16) else { break };
        found = found << 4 | u16::try_from(digit).unwrap_or(0);
        digits += 1;
    }
    let end = mark + 1 + digits;
    let len = match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => end + 2,
        (Some(b'\r'), None) if !last => return Scan::NeedMore,
        (Some(b'\r' | b'\n'), _) => end + 1,
        // The line end is lost and the next telegram begins.
        (Some(b'/'), _) if digits == 4 => end,
        (Some(&found), _) => return Scan::Bad { error: Error::EndMark { at: end, found }, len: end },
        (None, _) if last => end,
        (None, _) => return Scan::NeedMore,
    };
    let text = bytes.get(..=mark).unwrap_or_default();
    let body = text.get(identification.len()..mark).unwrap_or_default();
    let crc = (digits > 0).then_some(found);
    let frame = Telegram { identification, body, crc };
    let checked = match crc {
        Some(found) => check_crc(text, found),
        None if len == end && sends_crc(&frame) => Err(Error::Unfinished { at: end }),
        None => check_text(&frame),
    };
    match (checked, large_number) {
        (Ok(()), None) => Scan::Frame { frame, len },
        (Ok(()), Some(at)) => Scan::Bad { error: Error::NumberTooLarge { at }, len },
        (Err(error), _) => Scan::Bad { error, len },
    }
}

/// Whether the lines are those of a version that always sends a CRC: DSMR 4.0 and later begin with the version or
/// the clock, DSMR 2.2 and 3.0 know neither.
fn sends_crc(telegram: &Telegram<'_>) -> bool {
    telegram.lines().any(|line| match line {
        Line::Data(line) => {
            matches!(line.obis(), [1, 3, 0, 2, 8, 255] | [0, 0, 96, 1, 4, 255] | [0, 0, 1, 0, 0, 255])
        }
        Line::Unparsed(_) => false,
    })
}

fn check_crc(text: &[u8], found: u16) -> Result<(), Error> {
    match checksum::arc(text) {
        expected if expected == found => Ok(()),
        expected => Err(Error::CrcMismatch { expected, found }),
    }
}

/// Checks that a telegram without CRC is text with a data line in it: nothing else tells noise from a telegram. A
/// line read with 8 data bits from a meter that sends 7 and a parity bit is caught as well.
fn check_text(telegram: &Telegram<'_>) -> Result<(), Error> {
    let is_text = |byte: &u8| matches!(byte, b'\r' | b'\n' | b' '..=b'~');
    if let Some((offset, &found)) = telegram.body.iter().enumerate().find(|(_, byte)| !is_text(byte)) {
        return Err(Error::NoText { at: telegram.identification.len() + offset, found });
    }
    // The end of this telegram was lost, with the line end before the next one.
    if let Some(offset) = find::slice(telegram.body, telegram.identification) {
        return Err(Error::Unfinished { at: telegram.identification.len() + offset });
    }
    if telegram.lines().any(|line| matches!(line, Line::Data(_))) { Ok(()) } else { Err(Error::NoData) }
}

/// Writes a telegram line by line and closes it with its CRC.
///
/// ```
/// use metergate_wire::{Full, Scan, Writer, p1};
///
/// let mut buffer = [0; 64];
/// let mut out = Writer::new(&mut buffer);
/// let mut telegram = p1::Emitter::begin(&mut out, b"/KFM5KAIFA-METER")?;
/// telegram.line(b"1-0:1.8.1", &[b"000576.239*kWh"])?;
/// telegram.finish()?;
/// assert!(matches!(p1::scan(out.written()), Scan::Frame { len: 54, .. }));
/// assert_eq!(p1::Emitter::begin(&mut out, b"/KFM5KAIFA-METER").err(), Some(Full { capacity: 64 }));
/// # Ok::<(), Full>(())
/// ```
#[derive(Debug)]
pub struct Emitter<'w, 'b> {
    out: &'w mut Writer<'b>,
    start: usize,
}

impl<'w, 'b> Emitter<'w, 'b> {
    /// Writes the identification line and the blank line after it.
    ///
    /// # Errors
    /// [`Full`] when the buffer is too small, as for the other methods.
    pub fn begin(out: &'w mut Writer<'b>, identification: &[u8]) -> Result<Self, Full> {
        let start = out.len();
        out.put(identification)?;
        out.put(b"\r\n\r\n")?;
        Ok(Self { out, start })
    }

    /// Writes a data line: the OBIS code as text, each group in brackets.
    ///
    /// # Errors
    /// [`Full`].
    pub fn line(&mut self, address: &[u8], groups: &[&[u8]]) -> Result<(), Full> {
        self.out.put(address)?;
        for group in groups {
            self.out.u8(b'(')?;
            self.out.put(group)?;
            self.out.u8(b')')?;
        }
        self.out.put(b"\r\n")
    }

    /// Writes a line as it is, for instance the second line of a gas reading.
    ///
    /// # Errors
    /// [`Full`].
    pub fn raw_line(&mut self, line: &[u8]) -> Result<(), Full> {
        self.out.put(line)?;
        self.out.put(b"\r\n")
    }

    /// Writes `!`, the CRC in four digits and the line end.
    ///
    /// # Errors
    /// [`Full`].
    pub fn finish(self) -> Result<(), Full> {
        self.out.u8(b'!')?;
        let crc = checksum::arc(self.out.written().get(self.start..).unwrap_or_default());
        for shift in [12, 8, 4, 0] {
            let digit = char::from_digit(u32::from(crc >> shift & 0xF), 16).unwrap_or('0');
            self.out.put(&[u8::try_from(digit.to_ascii_uppercase()).unwrap_or(b'0')])?;
        }
        self.out.put(b"\r\n")
    }

    /// Writes `!` and the line end, as meters of DSMR 2.2 and 3.0 do.
    ///
    /// # Errors
    /// [`Full`].
    pub fn finish_without_crc(self) -> Result<(), Full> {
        self.out.put(b"!\r\n")
    }
}

#[cfg(test)]
mod tests;
