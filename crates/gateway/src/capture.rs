//! Captured bytes: how people write them down, and our own capture lines.
//!
//! A capture for recording and replay is text, one line a read: `RFC3339-nanoseconds SP rx|tx SP hex`.
//!
//! ```
//! use metergate_gateway::capture::{CaptureLine, Direction};
//!
//! let line: CaptureLine = "2026-01-31T12:00:00.000000001Z rx 1b1b1b1b01010101".parse()?;
//! assert_eq!((line.direction, line.bytes.len()), (Direction::Received, 8));
//! assert_eq!(line.to_string(), "2026-01-31T12:00:00.000000001Z rx 1b1b1b1b01010101");
//! assert!("12:00 rx 1b".parse::<CaptureLine>().is_err());
//! # Ok::<(), metergate_gateway::capture::Error>(())
//! ```
mod dump;

use crate::json::Hex;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use jiff::Timestamp;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::str::FromStr;

/// How much of the input is kept at once: lines longer than this are read in pieces. The longest telegram known is
/// 9,528 bytes; written down as `0x1B, 0x1B, ` it takes 57 kB.
pub const WINDOW: usize = 64 * 1024;

/// How much is looked at to recognise the notation. Enough for any header; little, so that a pipe from a port, which
/// fills slowly, is not waited for long.
const RECOGNISED: usize = 512;

/// How bytes are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// As they are.
    Binary,
    /// Hexadecimal digits in any common form, or capture lines.
    Hex,
    /// Base64.
    Base64,
}

impl Notation {
    /// Recognises the notation by the first bytes of an input.
    ///
    /// ```
    /// use metergate_gateway::capture::Notation;
    ///
    /// assert_eq!(Notation::recognise(b"1B 1B 1B 1B 01 01 01 01"), Notation::Hex);
    /// assert_eq!(Notation::recognise(b"GxsbGwEBAQF2BwAH"), Notation::Base64);
    /// assert_eq!(Notation::recognise(b"/EST5\\253740976_A\r\n\r\n"), Notation::Binary);
    /// ```
    #[must_use]
    pub fn recognise(window: &[u8]) -> Self {
        let printed = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
        let Some(text) = str::from_utf8(window).ok().filter(|_| window.iter().all(printed)) else {
            return Self::Binary;
        };
        if dump::is_dump(text) {
            Self::Hex
        } else if is_base64(text) {
            Self::Base64
        } else {
            Self::Binary
        }
    }
}

/// At least this many characters, so that a short word is not taken for bytes.
const BASE64_LEN_MIN: usize = 12;

/// Between two blanks of one line stand this many characters at least: programs break lines after 64 or 76, and a forum
/// may have made blanks of the breaks. Words of a sentence are shorter.
const BASE64_WORD_MIN: usize = 40;

fn is_base64(text: &str) -> bool {
    let alphabet =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    let is_line = |line: &str| {
        let words = line.split_whitespace();
        words.clone().all(|word| word.bytes().all(alphabet))
            && words.rev().skip(1).all(|word| word.len() >= BASE64_WORD_MIN)
    };
    text.len() >= BASE64_LEN_MIN && text.lines().all(is_line)
}

/// Reads an input in any notation as the bytes that it stands for, a piece at a time.
///
/// Keeps at most twice [`WINDOW`] of the input, whatever its length and the length of its lines.
#[derive(Debug)]
pub struct Reader<R> {
    source: BufReader<io::Chain<io::Cursor<Vec<u8>>, R>>,
    notation: Notation,
    dump: dump::Dump,
    /// Characters of base64 that are no whole group of four yet.
    group: Vec<u8>,
    line: Vec<u8>,
    /// The front of the line was handed out already.
    inside_line: bool,
    line_number: u64,
}

impl<R: Read> Reader<R> {
    /// Reads `source`; without a notation it is recognised.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn new(mut source: R, notation: Option<Notation>) -> io::Result<Self> {
        let mut front = Vec::new();
        if notation.is_none() {
            source.by_ref().take(RECOGNISED as u64).read_to_end(&mut front)?;
        }
        Ok(Self {
            notation: notation.unwrap_or_else(|| Notation::recognise(&front)),
            source: BufReader::with_capacity(WINDOW, io::Cursor::new(front).chain(source)),
            dump: dump::Dump::default(),
            group: Vec::new(),
            line: Vec::new(),
            inside_line: false,
            line_number: 0,
        })
    }

    /// The notation, given or recognised.
    #[must_use]
    pub const fn notation(&self) -> Notation {
        self.notation
    }

    /// Appends the next bytes to `out`; `false`: the input has ended.
    ///
    /// # Errors
    /// [`Error::Io`] when the source cannot be read, the others when it is not in the notation.
    pub fn read(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        if self.notation == Notation::Binary {
            let bytes = self.source.fill_buf()?;
            out.extend_from_slice(bytes);
            let len = bytes.len();
            self.source.consume(len);
            return Ok(len > 0);
        }
        let begins = !self.inside_line;
        let kept = self.line.len();
        let room = (WINDOW - kept) as u64;
        if self.source.by_ref().take(room).read_until(b'\n', &mut self.line)? == 0 && kept == 0 {
            self.end(out)?;
            return Ok(false);
        }
        self.line_number += u64::from(begins);
        let whole = self.line.ends_with(b"\n") || self.line.len() < WINDOW;
        // A line too long is cut between two words, or else between two bytes of digits.
        let cut = if whole { self.line.len() } else { cut(&self.line) };
        let rest = self.line.split_off(cut);
        let line = std::mem::replace(&mut self.line, rest);
        self.inside_line = !whole;
        match self.notation {
            Notation::Base64 => self.base64(&line, out)?,
            _ => self.hex(&line, begins && whole, out)?,
        }
        Ok(true)
    }

    fn hex(&mut self, line: &[u8], whole: bool, out: &mut Vec<u8>) -> Result<(), Error> {
        let number = self.line_number;
        let text = str::from_utf8(line)
            .map_err(|error| Error::Utf8 { line: number, column: error.valid_up_to() + 1 })?;
        let text = text.trim_end_matches(['\r', '\n']);
        let read = if whole { self.dump.line(text, out) } else { self.dump.piece(text, out) };
        read.map_err(|misread| Error::Dump {
            line: number,
            column: misread.column,
            found: misread.found.into(),
        })
    }

    fn base64(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let number = self.line_number;
        for (at, &byte) in line.iter().enumerate().filter(|(_, byte)| !byte.is_ascii_whitespace()) {
            // The alphabet for addresses and file names has two other characters.
            self.group.push(match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => other,
            });
            if self.group.len() == 4 {
                let mut decoded = [0; 3];
                let wrong = |_| Error::Base64 { line: number, column: at.saturating_sub(2) };
                let len = STANDARD.decode_slice(&self.group, &mut decoded).map_err(wrong)?;
                out.extend(decoded.iter().take(len));
                self.group.clear();
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let number = self.line_number;
        if self.notation == Notation::Base64 {
            let rest = std::mem::take(&mut self.group);
            let decoded = STANDARD_NO_PAD.decode(&rest);
            out.extend(decoded.map_err(|_| Error::Base64 { line: number, column: 1 })?);
            return Ok(());
        }
        let ended = self.dump.end();
        ended.map_err(|misread| Error::Dump {
            line: number,
            column: misread.column,
            found: misread.found.into(),
        })
    }
}

/// Where to cut a line that is too long: after its last separator, else after an even number of digits.
fn cut(line: &[u8]) -> usize {
    let separator = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b';');
    line.iter().rposition(separator).map_or(line.len() & !1, |at| at + 1)
}

/// What stands in place of a digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A character that belongs to no dump.
    Character(char),
    /// Half a byte.
    OddDigits,
    /// The `*` by which `hexdump` leaves out equal lines.
    RepeatedLines,
}

impl From<dump::Found> for Found {
    fn from(found: dump::Found) -> Self {
        match found {
            dump::Found::Character(character) => Self::Character(character),
            dump::Found::OddDigits => Self::OddDigits,
            dump::Found::RepeatedLines => Self::RepeatedLines,
        }
    }
}

/// Why an input cannot be read.
#[derive(Debug)]
pub enum Error {
    /// The source does not give its bytes.
    Io(io::Error),
    /// The text is no text.
    Utf8 {
        /// Line, from 1.
        line: u64,
        /// Byte, from 1.
        column: usize,
    },
    /// It is no hexadecimal dump.
    Dump {
        /// Line, from 1.
        line: u64,
        /// Character, from 1.
        column: usize,
        /// What stands there.
        found: Found,
    },
    /// It is no base64.
    Base64 {
        /// Line, from 1.
        line: u64,
        /// Character, from 1.
        column: usize,
    },
    /// It is no capture line.
    CaptureLine,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Utf8 { line, column } => {
                write!(f, "line {line}, byte {column}: expected hexadecimal digits, found no text")
            }
            Self::Dump { line, column, found } => {
                write!(f, "line {line}, column {column}: ")?;
                match found {
                    Found::Character(character) => {
                        write!(f, "expected a hexadecimal digit, found {character:?}")
                    }
                    Found::OddDigits => {
                        f.write_str("expected two hexadecimal digits for each byte, found an odd number")
                    }
                    Found::RepeatedLines => f.write_str(
                        "`*` stands for lines that hexdump left out; dump again with `hexdump -Cv`",
                    ),
                }
            }
            Self::Base64 { line, column } => write!(f, "line {line}, column {column}: expected base64"),
            Self::CaptureLine => f.write_str("expected a line such as `2026-01-31T12:00:00Z rx 1b1b1b1b`"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Which way bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the meter: `rx`.
    Received,
    /// To the meter: `tx`.
    Sent,
}

/// One line of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureLine {
    /// When the bytes were read or written.
    pub time: Timestamp,
    /// Which way they went.
    pub direction: Direction,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The line, without a line end; nanoseconds always have nine digits, so that the lines of a file stay in columns.
impl fmt::Display for CaptureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Received => "rx",
            Direction::Sent => "tx",
        };
        write!(f, "{:.9} {direction} {}", self.time, Hex(&self.bytes))
    }
}

impl FromStr for CaptureLine {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let mut words = line.split_whitespace();
        let time = words.next().and_then(|time| time.parse().ok()).ok_or(Error::CaptureLine)?;
        let direction = match words.next() {
            Some("rx") => Direction::Received,
            Some("tx") => Direction::Sent,
            _ => return Err(Error::CaptureLine),
        };
        let mut bytes = Vec::new();
        for digits in words {
            for pair in digits.as_bytes().chunks(2) {
                let byte = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2);
                let byte = byte.and_then(|pair| u8::from_str_radix(pair, 16).ok());
                bytes.push(byte.ok_or(Error::CaptureLine)?);
            }
        }
        Ok(Self { time, direction, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> (Notation, Result<Vec<u8>, String>) {
        let mut reader = Reader::new(input, None).unwrap();
        let mut out = Vec::new();
        loop {
            match reader.read(&mut out) {
                Ok(true) => {}
                Ok(false) => return (reader.notation(), Ok(out)),
                Err(error) => return (reader.notation(), Err(error.to_string())),
            }
        }
    }

    #[test]
    fn lines_of_any_length_are_read_in_pieces() {
        let bytes: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let together = Hex(&bytes).to_string();
        assert_eq!(read(together.as_bytes()), (Notation::Hex, Ok(bytes.clone())));
        let apart: String = bytes.iter().map(|byte| format!("0x{byte:02X}, ")).collect();
        assert_eq!(read(apart.as_bytes()), (Notation::Hex, Ok(bytes.clone())));
        let base64 = STANDARD.encode(&bytes);
        assert_eq!(read(base64.as_bytes()), (Notation::Base64, Ok(bytes.clone())));
        let lines: String = base64
            .as_bytes()
            .chunks(76)
            .map(|line| format!("{}\r\n", str::from_utf8(line).unwrap()))
            .collect();
        assert_eq!(read(lines.as_bytes()), (Notation::Base64, Ok(bytes.clone())));
        assert_eq!(read(&bytes), (Notation::Binary, Ok(bytes)));
    }

    #[test]
    fn base64_may_lack_its_padding_or_use_the_alphabet_of_addresses() {
        assert_eq!(read(b"GxsbGwEBAQF2-_8=").1, Ok(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76\xfb\xff".to_vec()));
        assert_eq!(read(b"GxsbGwEBAQF2+/8").1, Ok(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76\xfb\xff".to_vec()));
        assert_eq!(read(b"GxsbGwEBAQF2G").1, Err("line 1, column 1: expected base64".to_owned()));
    }

    #[test]
    fn one_wrong_character_in_a_dump_is_named_and_not_taken_for_a_byte() {
        assert_eq!(
            read(b"1B1B1B1B01010101\n760700303O3041\n7C620062\n"),
            (Notation::Hex, Err("line 2, column 10: expected a hexadecimal digit, found 'O'".to_owned()))
        );
    }

    #[test]
    fn a_slip_in_a_few_pairs_of_digits_is_named() {
        assert_eq!(
            read(b"68 FA FA 6G 53"),
            (Notation::Hex, Err("line 1, column 11: expected a hexadecimal digit, found 'G'".to_owned()))
        );
    }

    #[test]
    fn a_sentence_is_no_base64() {
        assert_eq!(read(b"hello world\n"), (Notation::Binary, Ok(b"hello world\n".to_vec())));
        let line = "GxsbGwEBAQF2BwAHGxsbGwEBAQF2BwAHGxsbGwEBAQF2BwAHGxsbGwEBAQF2BwAH";
        assert_eq!(read(format!("{line} {line} Gxs=").as_bytes()).0, Notation::Base64);
    }

    #[test]
    fn nothing_is_no_bytes() {
        assert_eq!(read(b"").1, Ok(vec![]));
        assert_eq!(read(b"\n\n").1, Ok(b"\n\n".to_vec()));
    }

    #[test]
    fn a_capture_line_without_hex_or_with_half_a_byte_is_refused() {
        assert!("2026-01-31T12:00:00Z rx 1".parse::<CaptureLine>().is_err());
        assert!("2026-01-31T12:00:00Z up 1b".parse::<CaptureLine>().is_err());
        assert_eq!("2026-01-31T12:00:00Z rx".parse::<CaptureLine>().unwrap().bytes, b"");
    }

    #[test]
    fn any_text_is_read_or_refused_in_bounded_memory() {
        // A multiplicative generator, so that a failure can be repeated.
        let mut state = 0x2545_F491_4F6C_DD1Du64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let pieces = [
            "0x",
            "1B",
            "f",
            "0000:",
            "00000000 ",
            "|a|",
            " ",
            "\t",
            "\n",
            "rx ",
            "<<< ",
            "*\n",
            "#",
            "é",
            ",",
            "\\x",
            "-",
            "=",
            "Z",
        ];
        for _ in 0..2000 {
            let text: String = (0..next(60)).map(|_| pieces[next(pieces.len())]).collect();
            for notation in [None, Some(Notation::Hex), Some(Notation::Base64), Some(Notation::Binary)] {
                let mut reader = Reader::new(text.as_bytes(), notation).unwrap();
                let mut out = Vec::new();
                while let Ok(true) = reader.read(&mut out) {}
                assert!(out.len() <= text.len(), "{text:?}");
            }
        }
    }
}
