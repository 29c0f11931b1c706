//! IEC 62056-21, direct local data exchange: the readout of a meter as text, pushed (mode D) or asked for (modes A,
//! B and C).
//!
//! Source: IEC 62056-21:2002 (formerly IEC 1107), clauses 5.7 (block check), 6.3 (messages), 6.4 (modes), 6.5 (data).
//!
//! ```text
//! request         /?!CRLF              or /?12345678!CRLF for one of several meters
//! identification  /XXXZtext CRLF       maker (3 letters), baud rate character, text
//! option select   ACK 0 Z 0 CRLF       mode C only: "read out, at rate Z"
//! readout         STX 1.8.0(012345.678*kWh) CRLF
//!                     1.6.1(04.512*kW)(2603091815) CRLF
//!                     ! CRLF ETX BCC   exclusive or of all bytes from the one after STX to ETX
//! mode D          /XXX3text CRLF CRLF  data ! CRLF, without STX, ETX and BCC
//! ```
//!
//! All characters have seven bits and an even parity bit. Where the port cannot do that (8N1, TCP, a pseudo-terminal),
//! [`strip_parity`] and [`add_parity`] do; the other functions see characters without parity bit.
//!
//! What real meters and heads do is read as well: LF in place of CR LF, several data sets in a line or the whole
//! readout in one (heat meters), the echo of request and option select, a readout whose ETX and BCC were not kept.
use core::fmt;

use crate::{Full, Scan, Writer, checksum, find};

mod data_set;
mod data_sets;
mod message;
mod parity;

pub use data_set::{Groups, Number, NumberError, Quantity, Season, Timestamp, value_and_unit};
pub use data_sets::{Content, DataItem, DataSet, DataSets};
pub use message::{IDENTIFICATION_LEN_MAX, Identification, Mode, emit_option_select, emit_request};
pub use parity::{ParityError, add_parity, strip_parity};

const STX: u8 = 0x02;
const ETX: u8 = 0x03;

/// Longest readout in bytes, from the identification to the BCC.
///
/// The longest known one, an Iskra MT174 with 15 months of history, has 9,528 bytes. Three times that is 18 minutes at
/// 300 baud; more is a load profile, which needs another request.
pub const READOUT_LEN_MAX: usize = 32_768;

/// Longest request in bytes: `/?`, an address of 32 characters, `!`, CR LF.
const REQUEST_LEN_MAX: usize = 37;

/// Why a readout is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The block check character is wrong.
    BccMismatch {
        /// Exclusive or of the bytes as they stand here.
        expected: u8,
        /// BCC that was sent, without parity bit.
        found: u8,
    },
    /// The next message begins, or the bytes end, before the end of the readout.
    Unfinished {
        /// Offset at which it breaks off.
        at: usize,
    },
    /// No end within [`READOUT_LEN_MAX`] bytes.
    TooLong,
    /// The data began with STX, but something else than ETX follows the `!`.
    MissingEtx {
        /// Offset of that byte.
        at: usize,
        /// The byte.
        found: u8,
    },
    /// There is an ETX, but the STX is lost, so the BCC cannot be checked.
    MissingStx {
        /// Offset of the ETX.
        at: usize,
    },
    /// The data holds a byte beyond seven bits, or without BCC one that is no printable character.
    NoText {
        /// Offset of the byte.
        at: usize,
        /// The byte.
        found: u8,
    },
    /// A readout without BCC holds no data set: an identification and a `!` alone are in any noise.
    NoData,
    /// A value with a unit does not fit 64 bits.
    NumberTooLarge {
        /// Offset of its data set.
        at: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BccMismatch { expected, found } => {
                write!(f, "the block check character is {expected:02X}, but {found:02X} was sent")
            }
            Self::Unfinished { at } => write!(f, "the readout breaks off at offset {at}, before its end"),
            Self::TooLong => write!(f, "no end within {READOUT_LEN_MAX} bytes"),
            Self::MissingEtx { at, found } => {
                write!(f, "ETX was expected after the `!` at offset {at}, found {found:02X}")
            }
            Self::MissingStx { at } => write!(f, "ETX at offset {at}, but no STX before the data"),
            Self::NoText { at, found } => {
                write!(
                    f,
                    "printable text was expected in a readout without BCC, found {found:02X} at offset {at}"
                )
            }
            Self::NoData => f.write_str("a data set was expected in a readout without BCC, found none"),
            Self::NumberTooLarge { at } => {
                write!(f, "a value of the data set at offset {at} does not fit 64 bits")
            }
        }
    }
}

impl core::error::Error for Error {}

/// A whole readout whose block check character, if it carries one, is right and whose numbers fit.
///
/// ```
/// use metergate_wire::Scan;
/// use metergate_wire::iec62056_21::{self, Content, DataItem, Error};
///
/// let bytes = b"/ESY5Q3DA1004\r\n\r\n1-0:1.8.0*255(00032549.506*kWh)\r\n!\r\n/";
/// let Scan::Frame { frame: readout, len: 53 } = iec62056_21::scan(bytes) else { panic!() };
/// assert_eq!(readout.identification().manufacturer(), b"ESY");
/// let Some(DataItem::Set(set)) = readout.data_sets().next() else { panic!() };
/// assert_eq!(set.address(), b"1-0:1.8.0*255");
/// let Content::Quantity { quantity, time: None } = set.content() else { panic!() };
/// assert_eq!((quantity.number.mantissa, quantity.number.exponent, quantity.unit), (32_549_506, -3, &b"kWh"[..]));
///
/// let damaged = b"/LGZ5ZMD\r\n\x021.8.0(1*kWh)\r\n!\r\n\x03X";
/// assert!(matches!(iec62056_21::scan(damaged), Scan::Bad { error: Error::BccMismatch { .. }, len: 30 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readout<'a> {
    identification: Identification<'a>,
    data: &'a [u8],
    request_echo: bool,
    bcc: Option<u8>,
}

impl<'a> Readout<'a> {
    /// The identification of the meter.
    #[must_use]
    pub const fn identification(&self) -> Identification<'a> {
        self.identification
    }

    /// The data sets in order.
    #[must_use]
    pub const fn data_sets(&self) -> DataSets<'a> {
        DataSets::new(self.data)
    }

    /// True when the request stands before the identification: optical heads echo it.
    #[must_use]
    pub const fn has_request_echo(&self) -> bool {
        self.request_echo
    }

    /// The block check character, which is right; `None` when there is none (mode D, and captures that lost it).
    #[must_use]
    pub const fn bcc(&self) -> Option<u8> {
        self.bcc
    }
}

/// Looks for a readout with its identification at the start of `bytes`.
///
/// An echo of the request before the identification belongs to it. A readout without BCC ends with the line end after
/// its `!`. Unless it is a push of mode D, whose identification is followed by a blank line, one byte more is looked
/// at, since an ETX there means that the STX was lost.
#[must_use]
pub fn scan(bytes: &[u8]) -> Scan<Readout<'_>, Error> {
    scan_with(bytes, false)
}

/// The same when no byte follows for a long time: a readout without BCC ends with the silence.
///
/// Never answers [`Scan::NeedMore`] unless `bytes` is empty.
#[must_use]
pub fn scan_last(bytes: &[u8]) -> Scan<Readout<'_>, Error> {
    scan_with(bytes, true)
}

fn scan_with(bytes: &[u8], last: bool) -> Scan<Readout<'_>, Error> {
    if bytes.is_empty() {
        return Scan::NeedMore;
    }
    let noise = || {
        let next = find::byte(bytes.get(1..).unwrap_or_default(), b'/');
        Scan::Skip(next.map_or(bytes.len(), |at| at + 1))
    };
    let start = match request_len(bytes) {
        Some(RequestEcho::None) => 0,
        Some(RequestEcho::Len(len)) => match (bytes.get(len), bytes.get(len + 1)) {
            (Some(b'/'), Some(b'?')) => return Scan::Skip(len),
            (Some(b'/'), _) => len,
            (Some(_), _) => return Scan::Skip(len),
            (None, _) if last => return Scan::Skip(len),
            (None, _) => return Scan::NeedMore,
        },
        Some(RequestEcho::Noise) => return noise(),
        None if last => return noise(),
        None => return Scan::NeedMore,
    };
    let message = bytes.get(start..).unwrap_or_default();
    let identification = match Identification::take(message) {
        Ok(Some(identification)) => identification,
        Ok(None) if !last => return Scan::NeedMore,
        Ok(None) if message.len() > 4 => {
            return Scan::Bad { error: Error::Unfinished { at: bytes.len() }, len: bytes.len() };
        }
        Ok(None) => return noise(),
        Err(_) if start > 0 => return Scan::Skip(start),
        Err(_) => return noise(),
    };
    let window = bytes.get(..READOUT_LEN_MAX).unwrap_or(bytes);
    let line_end = start + identification.line().len();
    let search = Search { window, identification, request_echo: start > 0, last };
    match search.data_start(line_end) {
        Found::At((data, framed)) => search.end(data, framed),
        // A sign-on that nobody answered is no readout.
        Found::Other(at) => Scan::Skip(at),
        Found::No => search.no_end(bytes.len()),
    }
}

/// What stands at the start of the bytes in place of an identification.
enum RequestEcho {
    None,
    Len(usize),
    Noise,
}

/// Length of the request at the start of `bytes`, its line end included; `None` when more bytes are needed.
fn request_len(bytes: &[u8]) -> Option<RequestEcho> {
    match bytes {
        [b'/', b'?', ..] => {}
        [b'/', _, ..] => return Some(RequestEcho::None),
        [b'/'] => return None,
        _ => return Some(RequestEcho::Noise),
    }
    let request = bytes.get(..REQUEST_LEN_MAX).unwrap_or(bytes);
    let end = request.iter().position(|byte| b"\r\n".contains(byte));
    let line = request.get(..end.unwrap_or(request.len())).unwrap_or_default();
    match (end, bytes.get(end.unwrap_or(0) + 1)) {
        (Some(_), _) if line.last() != Some(&b'!') => Some(RequestEcho::Noise),
        (Some(end), Some(b'\n')) => Some(RequestEcho::Len(end + 2)),
        (Some(end), Some(_)) => Some(RequestEcho::Len(end + 1)),
        (Some(_), None) => None,
        (None, _) if bytes.len() >= REQUEST_LEN_MAX => Some(RequestEcho::Noise),
        (None, _) => None,
    }
}

/// Where something was found.
enum Found<T> {
    At(T),
    /// The next message begins there.
    Other(usize),
    No,
}

/// The search for the parts of one readout.
struct Search<'a> {
    window: &'a [u8],
    identification: Identification<'a>,
    request_echo: bool,
    last: bool,
}

impl<'a> Search<'a> {
    fn get(&self, at: usize) -> Option<u8> {
        self.window.get(at).copied()
    }

    fn is_line_start(&self, at: usize) -> bool {
        matches!(self.window.get(at.wrapping_sub(1)), Some(b'\r' | b'\n'))
    }

    /// Offset of the data after the identification line, and whether an STX stands before it.
    ///
    /// What stands before the STX is no data: line ends, and the echo of the option select, `06 30 35 30 0D 0A`.
    /// Without STX the first bracket tells that the data has begun.
    fn data_start(&self, line_end: usize) -> Found<(usize, bool)> {
        let rest = self.window.get(line_end..).unwrap_or_default();
        for (at, &byte) in (line_end..).zip(rest) {
            match byte {
                STX => return Found::At((at + 1, true)),
                b'(' | b'!' | ETX => return Found::At((line_end, false)),
                b'/' if self.is_line_start(at) => return Found::Other(at),
                _ => {}
            }
        }
        Found::No
    }

    /// Finds the end of the data that begins at `data`.
    fn end(&self, data: usize, framed: bool) -> Scan<Readout<'a>, Error> {
        let mut from = data;
        loop {
            let rest = self.window.get(from..).unwrap_or_default();
            let is_mark = |byte: &u8| matches!(*byte, b'!' | b'/' | STX | ETX);
            let Some(at) = rest.iter().position(is_mark) else {
                return self.no_end(from + rest.len());
            };
            let at = from + at;
            match self.get(at) {
                Some(ETX) => return self.block_check(data, at, framed),
                Some(b'/') if self.is_line_start(at) => {
                    return Scan::Bad { error: Error::Unfinished { at }, len: at };
                }
                // The first readout broke off in the middle of a line, and the next one has begun. The block check
                // does not tell: two readouts that lost the same bytes cancel each other out.
                Some(STX) => return Scan::Bad { error: Error::Unfinished { at }, len: at },
                Some(b'!') => {
                    if let Some(answer) = self.end_mark(data, at, framed) {
                        return answer;
                    }
                }
                _ => {}
            }
            from = at + 1;
        }
    }

    /// Judges the `!` at `mark` by what follows it; `None` when it is not the end.
    fn end_mark(&self, data: usize, mark: usize, framed: bool) -> Option<Scan<Readout<'a>, Error>> {
        let without_bcc = |len| self.check(data, mark, None, len);
        let line_end = match (self.get(mark + 1), self.get(mark + 2)) {
            (Some(ETX), _) => return None,
            (Some(b'\r'), Some(b'\n')) => mark + 3,
            (Some(b'\r' | b'\n'), Some(_)) => mark + 2,
            (Some(b'\r' | b'\n'), None) if self.last => return Some(without_bcc(mark + 2)),
            (None, _) if self.last => return Some(without_bcc(mark + 1)),
            (None, _) | (Some(b'\r' | b'\n'), None) => return Some(self.no_end(self.window.len())),
            (Some(_), _) => return None,
        };
        if !framed && self.window.get(data..).is_some_and(|text| text.starts_with(b"\r\n\r\n")) {
            return Some(without_bcc(line_end));
        }
        let rest = self.window.get(line_end..).unwrap_or_default();
        let next = rest.iter().position(|byte| !b"\r\n".contains(byte)).map(|offset| line_end + offset);
        Some(match next.and_then(|at| Some((at, self.get(at)?))) {
            Some((_, ETX)) => return None,
            Some((at, found)) if framed && found != b'/' => {
                Scan::Bad { error: Error::MissingEtx { at, found }, len: at }
            }
            Some(_) => without_bcc(line_end),
            None if self.last => without_bcc(line_end),
            None => self.no_end(self.window.len()),
        })
    }

    /// Checks the BCC behind the ETX at `etx`.
    fn block_check(&self, data: usize, etx: usize, framed: bool) -> Scan<Readout<'a>, Error> {
        let Some(found) = self.get(etx + 1).map(|byte| byte & 0x7F) else {
            return self.no_end(self.window.len());
        };
        let len = etx + 2;
        if !framed {
            return Scan::Bad { error: Error::MissingStx { at: etx }, len };
        }
        let expected = checksum::bcc(self.window.get(data..=etx).unwrap_or_default());
        if expected != found {
            return Scan::Bad { error: Error::BccMismatch { expected, found }, len };
        }
        // `! CR LF` stands before the ETX. A damaged character that has become an ETX is followed by any character,
        // which one in 128 times is the BCC of what stands before it.
        let text = self.window.get(data..etx).unwrap_or_default();
        let lines = text.strip_suffix(b"\n").unwrap_or(text);
        let lines = lines.strip_suffix(b"\r").unwrap_or(lines);
        let Some(text) = lines.strip_suffix(b"!").filter(|_| lines.len() < text.len()) else {
            return Scan::Bad { error: Error::Unfinished { at: etx }, len };
        };
        self.check(data, data + text.len(), Some(found), len)
    }

    /// Checks the data itself.
    fn check(&self, data: usize, end: usize, bcc: Option<u8>, len: usize) -> Scan<Readout<'a>, Error> {
        let text = self.window.get(data..end).unwrap_or_default();
        // The BCC covers seven bits of each character.
        let is_text = |byte: &u8| match byte {
            b'\r' | b'\n' | b' '..=b'~' => true,
            byte => bcc.is_some() && byte.is_ascii(),
        };
        if let Some((offset, &found)) = text.iter().enumerate().find(|(_, byte)| !is_text(byte)) {
            return Scan::Bad { error: Error::NoText { at: data + offset, found }, len };
        }
        // The end of this readout was lost, with the line end before the next one.
        if bcc.is_none()
            && let Some(offset) = find::slice(text, self.identification.line())
        {
            return Scan::Bad { error: Error::Unfinished { at: data + offset }, len };
        }
        if bcc.is_none() && !DataSets::new(text).any(|item| matches!(item, DataItem::Set(_))) {
            return Scan::Bad { error: Error::NoData, len };
        }
        if let Some(offset) = data_sets::number_too_large(text) {
            return Scan::Bad { error: Error::NumberTooLarge { at: data + offset }, len };
        }
        let Self { identification, request_echo, .. } = *self;
        Scan::Frame { frame: Readout { identification, data: text, request_echo, bcc }, len }
    }

    /// The answer when the end is not among the `len` bytes that there are.
    fn no_end(&self, len: usize) -> Scan<Readout<'a>, Error> {
        if len >= READOUT_LEN_MAX {
            Scan::Bad { error: Error::TooLong, len: READOUT_LEN_MAX }
        } else if self.last {
            Scan::Bad { error: Error::Unfinished { at: len }, len }
        } else {
            Scan::NeedMore
        }
    }
}

/// Writes a readout: identification, data sets, end.
///
/// ```
/// use metergate_wire::{Full, Scan, Writer, iec62056_21};
///
/// let mut buffer = [0; 64];
/// let mut out = Writer::new(&mut buffer);
/// let mut readout = iec62056_21::Emitter::begin(&mut out, b"/LGZ5ZMD")?;
/// readout.data_set(b"1.8.0", &[b"001846.0*kWh"])?;
/// readout.line_end()?;
/// readout.finish()?;
/// let Scan::Frame { frame, len: 37 } = iec62056_21::scan(out.written()) else { panic!() };
/// assert!(frame.bcc().is_some());
/// assert_eq!(iec62056_21::emit_request(&mut Writer::new(&mut [0; 2]), b""), Err(Full { capacity: 2 }));
/// # Ok::<(), Full>(())
/// ```
#[derive(Debug)]
pub struct Emitter<'w, 'b> {
    out: &'w mut Writer<'b>,
    /// Offset of the first byte of the block check; `None` in mode D.
    block: Option<usize>,
}

impl<'w, 'b> Emitter<'w, 'b> {
    /// Writes the identification line and STX (modes A, B and C).
    ///
    /// # Errors
    /// [`Full`] when the buffer is too small, as for the other methods.
    pub fn begin(out: &'w mut Writer<'b>, identification: &[u8]) -> Result<Self, Full> {
        out.put(identification)?;
        out.put(b"\r\n")?;
        Self::begin_data(out)
    }

    /// Writes STX: in mode C the meter sends the identification and waits for the option select before it.
    ///
    /// # Errors
    /// [`Full`].
    pub fn begin_data(out: &'w mut Writer<'b>) -> Result<Self, Full> {
        out.u8(STX)?;
        let block = Some(out.len());
        Ok(Self { out, block })
    }

    /// Writes the identification line and a blank line (mode D).
    ///
    /// # Errors
    /// [`Full`].
    pub fn begin_push(out: &'w mut Writer<'b>, identification: &[u8]) -> Result<Self, Full> {
        out.put(identification)?;
        out.put(b"\r\n\r\n")?;
        Ok(Self { out, block: None })
    }

    /// Writes a data set: the address, each group in brackets.
    ///
    /// # Errors
    /// [`Full`].
    pub fn data_set(&mut self, address: &[u8], groups: &[&[u8]]) -> Result<(), Full> {
        self.out.put(address)?;
        for group in groups {
            self.out.u8(b'(')?;
            self.out.put(group)?;
            self.out.u8(b')')?;
        }
        Ok(())
    }

    /// Writes a line end; heat meters do so after dozens of data sets only.
    ///
    /// # Errors
    /// [`Full`].
    pub fn line_end(&mut self) -> Result<(), Full> {
        self.out.put(b"\r\n")
    }

    /// Writes `!` and a line end, and in the modes with STX also ETX and BCC.
    ///
    /// # Errors
    /// [`Full`].
    pub fn finish(self) -> Result<(), Full> {
        self.out.put(b"!\r\n")?;
        if let Some(block) = self.block {
            self.out.u8(ETX)?;
            let bcc = checksum::bcc(self.out.written().get(block..).unwrap_or_default());
            self.out.u8(bcc)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
