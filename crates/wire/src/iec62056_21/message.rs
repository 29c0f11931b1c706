//! Request, identification and option select: the sign-on of modes A, B and C.
use crate::{Full, Writer};

/// Longest identification line in bytes, without its line end.
///
/// The standard allows 21, P1 meters send up to 24. Without the limit a `/` in noise would hold back the telegram
/// behind it.
pub const IDENTIFICATION_LEN_MAX: usize = 96;

/// Some other text stands where an identification line should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoIdentification;

/// The identification line `/XXXZtext` of a meter.
///
/// ```
/// use metergate_wire::iec62056_21::{Identification, Mode};
///
/// let meter = Identification::parse(b"/LGZ5\\2ZMD4104407.B31").unwrap();
/// assert_eq!(meter.manufacturer(), b"LGZ");
/// assert_eq!(meter.mode(), Mode::C { character: b'5', baud: 9600 });
/// assert_eq!(meter.text(), b"\\2ZMD4104407.B31");
/// assert_eq!(Identification::parse(b"/?!"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identification<'a> {
    line: &'a [u8],
}

/// What the baud rate character of an identification says about the way to the readout (clause 6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No known character: the data follows at 300 baud without a change.
    A,
    /// `A` to `F`: the meter changes to `baud` by itself after the identification.
    B {
        /// 600 to 19200.
        baud: u32,
    },
    /// `0` to `6`: the reader may choose this rate with an option select.
    C {
        /// The character, to be sent back.
        character: u8,
        /// 300 to 19200.
        baud: u32,
    },
}

impl<'a> Identification<'a> {
    /// Reads a line without its line end; `None` when it is no `/`, three letters or digits, and a character.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        match line {
            [b'/', maker @ ..] if line.len() <= IDENTIFICATION_LEN_MAX => {
                let letters = maker.get(..3)?;
                let valid = letters.iter().all(u8::is_ascii_alphanumeric) && maker.len() > 3;
                valid.then_some(Self { line })
            }
            _ => None,
        }
    }

    /// Takes the line at the start of `bytes`; `Ok(None)` when its end is not among them.
    pub(crate) fn take(bytes: &'a [u8]) -> Result<Option<Self>, NoIdentification> {
        let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
        let maker = rest.get(..3).unwrap_or(rest);
        if *first != b'/' || !maker.iter().all(u8::is_ascii_alphanumeric) {
            return Err(NoIdentification);
        }
        let line = bytes.get(..IDENTIFICATION_LEN_MAX + 1).unwrap_or(bytes);
        match line.iter().position(|&byte| byte == b'\r' || byte == b'\n') {
            Some(len) => match line.get(..len).and_then(Self::parse) {
                Some(identification) => Ok(Some(identification)),
                None => Err(NoIdentification),
            },
            None if bytes.len() > IDENTIFICATION_LEN_MAX => Err(NoIdentification),
            None => Ok(None),
        }
    }

    /// The whole line with its `/`.
    #[must_use]
    pub const fn line(&self) -> &'a [u8] {
        self.line
    }

    /// The three letters of the maker (FLAG Association).
    #[must_use]
    pub fn manufacturer(&self) -> &'a [u8] {
        self.line.get(1..4).unwrap_or_default()
    }

    /// The baud rate character.
    #[must_use]
    pub fn baud_character(&self) -> u8 {
        self.line.get(4).copied().unwrap_or_default()
    }

    /// What stands after the baud rate character: model and version in the words of the maker.
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        self.line.get(5..).unwrap_or_default()
    }

    /// True when the meter answers within 20 ms in place of 200 ms: the third letter of the maker is small then.
    #[must_use]
    pub fn is_fast(&self) -> bool {
        self.line.get(3).is_some_and(u8::is_ascii_lowercase)
    }

    /// The mode that the baud rate character stands for. A meter that pushes (mode D) sends `3` as in mode C.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self.baud_character() {
            b'A' => Mode::B { baud: 600 },
            b'B' => Mode::B { baud: 1200 },
            b'C' => Mode::B { baud: 2400 },
            b'D' => Mode::B { baud: 4800 },
            b'E' => Mode::B { baud: 9600 },
            b'F' => Mode::B { baud: 19_200 },
            character @ b'0'..=b'6' => {
                let baud = match character {
                    b'0' => 300,
                    b'1' => 600,
                    b'2' => 1200,
                    b'3' => 2400,
                    b'4' => 4800,
                    b'5' => 9600,
                    _ => 19_200,
                };
                Mode::C { character, baud }
            }
            _ => Mode::A,
        }
    }
}

/// Writes the request `/?address!` CR LF; an empty address asks any meter.
///
/// # Errors
/// [`Full`] when the buffer is too small.
pub fn emit_request(out: &mut Writer<'_>, address: &[u8]) -> Result<(), Full> {
    out.put(b"/?")?;
    out.put(address)?;
    out.put(b"!\r\n")
}

/// Writes the option select ACK `0` Z `0` CR LF of mode C: data readout at the rate of `baud_character`, which may be
/// the one of the identification or `0` to stay at 300 baud.
///
/// # Errors
/// [`Full`] when the buffer is too small.
pub fn emit_option_select(out: &mut Writer<'_>, baud_character: u8) -> Result<(), Full> {
    out.put(&[0x06, b'0', baud_character, b'0', b'\r', b'\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(line: &[u8]) -> Mode {
        Identification::parse(line).unwrap().mode()
    }

    #[test]
    fn the_baud_character_names_the_mode() {
        assert_eq!(mode(b"/SIEC2WR5"), Mode::B { baud: 2400 });
        assert_eq!(mode(b"/SIEF2WR5"), Mode::B { baud: 19_200 });
        assert_eq!(mode(b"/ACE0\\3k260V01.18"), Mode::C { character: b'0', baud: 300 });
        assert_eq!(mode(b"/ISk6MT174-0001"), Mode::C { character: b'6', baud: 19_200 });
        assert_eq!(mode(b"/ABC7"), Mode::A, "7 and higher are reserved");
        assert_eq!(mode(b"/ABC meter"), Mode::A);
    }

    #[test]
    fn a_small_third_letter_means_fast() {
        assert!(Identification::parse(b"/ISk5MT174-0001").unwrap().is_fast());
        assert!(!Identification::parse(b"/LGZ5ZMD").unwrap().is_fast());
    }

    #[test]
    fn requests_have_the_bytes_of_the_standard() {
        let mut buffer = [0; 32];
        let mut out = Writer::new(&mut buffer);
        emit_request(&mut out, b"12345678").unwrap();
        emit_option_select(&mut out, b'5').unwrap();
        assert_eq!(out.written(), b"/?12345678!\r\n\x06050\r\n");
    }

    #[test]
    fn other_lines_are_no_identification() {
        for line in [&b""[..], b"/", b"/IS", b"/ISk", b"ISk5", b"/I\0k5", b"/?!"] {
            assert_eq!(Identification::parse(line), None);
        }
    }
}
