//! Kamstrup Meter Protocol: the optical interface of MULTICAL heat, cooling and water meters and of older electricity
//! meters, 1200 baud 8N2.
//!
//! Source: Kamstrup, Technical Description KMP protocol (5512-), data link and application layer.
//!
//! ```text
//! request  80 | 3F 10 01 00 3C | B2 5F | 0D        "register 60, please"
//! answer   40 | 3F 10 00 3C 03 04 43 00 00 6F 1B.. | CRC CRC | 0D
//!          start address command data              CRC-16/XMODEM, high byte first, over address to data
//!
//! register 00 3C   03    04      43             00 00 6F 0D
//!          number  unit  length  sign/exponent  mantissa, high byte first
//! sign/exponent: bit 7 negative value, bit 6 negative exponent, bits 0-5 exponent; 43 is x 10^-3
//! ```
//!
//! The bytes 06, 0D, 1B, 40 and 80 mark frames, so between start and stop they are sent as 1B and the inverted byte
//! (0D becomes 1B F2), in the CRC too. A single 06 acknowledges a command without data. Optical heads echo the
//! request; it is a frame of its own that begins with 80.
use core::fmt;

use crate::{Full, Scan, Writer, checksum};

mod register;

pub use register::{NoValue, Register, RegisterError, Registers};

/// Start of a request, from the reader to the meter.
const START_REQUEST: u8 = 0x80;
/// Start of an answer.
const START_ANSWER: u8 = 0x40;
/// End of a frame.
const STOP: u8 = 0x0D;
/// Acknowledgement, a frame of one byte.
const ACK: u8 = 0x06;
/// The next byte is inverted.
const ESCAPE: u8 = 0x1B;

/// Address of the heat meter itself; 7F and BF are a top and a bottom module.
pub const ADDRESS_METER: u8 = 0x3F;

/// Registers of one request at most: the meter refuses more.
pub const REGISTERS_MAX: usize = 8;

/// Longest content of a frame in bytes: address, command, data and CRC, unescaped.
///
/// Eight registers with mantissas of [`Register::MANTISSA_LEN_MAX`] bytes need 172.
pub const CONTENT_LEN_MAX: usize = 256;

/// Longest frame in bytes: every byte of the content escaped, and start and stop.
pub const FRAME_LEN_MAX: usize = 2 * CONTENT_LEN_MAX + 2;

/// What a frame asks or answers (the command ID, CID).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// 01: type and software revision of the meter.
    GetType,
    /// 02: serial number.
    GetSerialNumber,
    /// 10: up to [`REGISTERS_MAX`] registers.
    GetRegister,
    /// Any other one.
    Other(u8),
}

impl Command {
    /// The command of a CID.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0x01 => Self::GetType,
            0x02 => Self::GetSerialNumber,
            0x10 => Self::GetRegister,
            other => Self::Other(other),
        }
    }

    /// The CID.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::GetType => 0x01,
            Self::GetSerialNumber => 0x02,
            Self::GetRegister => 0x10,
            Self::Other(code) => code,
        }
    }
}

/// Why a frame is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The checksum is wrong.
    CrcMismatch {
        /// CRC over the bytes as they stand here.
        expected: u16,
        /// CRC that was sent.
        found: u16,
    },
    /// A byte after 1B is not the inverse of one that must be escaped.
    Escape {
        /// Offset of the byte in the frame.
        at: usize,
        /// The byte as sent.
        found: u8,
    },
    /// Address, command and CRC need four bytes.
    TooShort {
        /// Number of bytes between start and stop, unescaped.
        found: usize,
    },
    /// The next frame begins, or the bytes end, before the stop byte 0D.
    Unfinished {
        /// Offset at which the frame breaks off.
        at: usize,
    },
    /// No stop byte within [`FRAME_LEN_MAX`] bytes.
    TooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CrcMismatch { expected, found } => {
                write!(f, "the CRC of the frame is {expected:04X}, but {found:04X} was sent")
            }
            Self::Escape { at, found } => {
                write!(
                    f,
                    "an inverted 06, 0D, 1B, 40 or 80 was expected after 1B, found {found:02X} at offset {at}"
                )
            }
            Self::TooShort { found } => {
                write!(f, "address, command and CRC need 4 bytes, found {found}")
            }
            Self::Unfinished { at } => {
                write!(f, "the frame breaks off at offset {at}, before its stop byte 0D")
            }
            Self::TooLong => write!(f, "no stop byte 0D within {FRAME_LEN_MAX} bytes"),
        }
    }
}

impl core::error::Error for Error {}

/// One frame, its checksum right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// From the reader to the meter; on the line of a reader this is the echo of its own request.
    Request(Content<'a>),
    /// From the meter.
    Answer(Content<'a>),
    /// A single 06: the meter did what was asked, and has nothing to say.
    Ack,
}

/// The content of a frame: address, command and data.
///
/// ```
/// use metergate_wire::Scan;
/// use metergate_wire::kmp::{self, Command, Error, Frame};
///
/// // A MULTICAL 602 with 271211.3 Wh.
/// let mut bytes = *b"\x40\x3F\x10\x00\x9B\x01\x04\x41\x00\x29\x62\x31\xA0\xEC\x0D";
/// let Scan::Frame { frame: Frame::Answer(answer), len: 15 } = kmp::scan(&bytes) else { panic!() };
/// assert_eq!(answer.command(), Command::GetRegister);
/// let energy = answer.registers()?.next().unwrap();
/// assert_eq!((energy.number, energy.unit, energy.value(), energy.exponent()), (155, 1, Ok(2_712_113), -1));
///
/// bytes[11] ^= 0x01;
/// let error = Error::CrcMismatch { expected: 0xB0CD, found: 0xA0EC };
/// assert_eq!(kmp::scan(&bytes), Scan::Bad { error, len: 15 });
/// # Ok::<(), kmp::RegisterError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    /// From address to CRC, as on the line. Every 1B has a byte behind it.
    escaped: &'a [u8],
    /// Number of bytes without escapes, 4 to [`CONTENT_LEN_MAX`].
    len: usize,
}

impl<'a> Content<'a> {
    /// All bytes from address to data.
    fn bytes(&self) -> impl Iterator<Item = u8> + Clone + 'a {
        unescape(self.escaped).take(self.len - 2)
    }

    /// The destination address, [`ADDRESS_METER`] for the meter itself.
    #[must_use]
    pub fn address(&self) -> u8 {
        self.bytes().next().unwrap_or_default()
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> Command {
        Command::from_code(self.bytes().nth(1).unwrap_or_default())
    }

    /// The data after the command, unescaped.
    pub fn data(&self) -> impl Iterator<Item = u8> + Clone + 'a {
        self.bytes().skip(2)
    }

    /// The registers of the answer to GetRegister. A register that the meter does not know is absent.
    ///
    /// # Errors
    /// [`RegisterError::Truncated`] when the data ends within a register, and [`RegisterError::TooLong`] when a
    /// mantissa has more than [`Register::MANTISSA_LEN_MAX`] bytes; nothing is handed out then.
    pub fn registers(&self) -> Result<Registers<impl Iterator<Item = u8> + Clone + 'a>, RegisterError> {
        Registers::new(self.data())
    }

    /// Type and software revision in the answer to GetType, as sent; `None` when there are not four bytes.
    #[must_use]
    pub fn meter_type(&self) -> Option<(u16, u16)> {
        let [a, b, c, d] = self.four_bytes()?;
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// The serial number in the answer to GetSerialNumber; `None` when there are not four bytes.
    #[must_use]
    pub fn serial_number(&self) -> Option<u32> {
        self.four_bytes().map(u32::from_be_bytes)
    }

    fn four_bytes(&self) -> Option<[u8; 4]> {
        let mut data = self.data();
        let bytes = [data.next()?, data.next()?, data.next()?, data.next()?];
        data.next().is_none().then_some(bytes)
    }
}

/// The bytes without escapes. Pairs were checked before.
fn unescape(escaped: &[u8]) -> impl Iterator<Item = u8> + Clone + '_ {
    let mut bytes = escaped.iter().copied();
    core::iter::from_fn(move || match bytes.next()? {
        ESCAPE => bytes.next().map(|byte| !byte),
        byte => Some(byte),
    })
}

const fn is_escaped(byte: u8) -> bool {
    matches!(byte, ACK | STOP | ESCAPE | START_ANSWER | START_REQUEST)
}

/// Looks for a frame at the start of `bytes`.
///
/// A start byte within a frame ends the damaged one before it.
#[must_use]
pub fn scan(bytes: &[u8]) -> Scan<Frame<'_>, Error> {
    let Some((&start, rest)) = bytes.split_first() else { return Scan::NeedMore };
    match start {
        ACK => return Scan::Frame { frame: Frame::Ack, len: 1 },
        START_REQUEST | START_ANSWER => {}
        _ => {
            let is_start = |byte: &u8| matches!(*byte, ACK | START_REQUEST | START_ANSWER);
            return Scan::Skip(bytes.iter().position(is_start).unwrap_or(bytes.len()));
        }
    }
    let window = rest.get(..FRAME_LEN_MAX - 1).unwrap_or(rest);
    let is_mark = |byte: &u8| matches!(*byte, STOP | START_REQUEST | START_ANSWER);
    let Some(end) = window.iter().position(is_mark) else {
        return if rest.len() >= FRAME_LEN_MAX - 1 {
            Scan::Bad { error: Error::TooLong, len: FRAME_LEN_MAX }
        } else {
            Scan::NeedMore
        };
    };
    if window.get(end) != Some(&STOP) {
        return Scan::Bad { error: Error::Unfinished { at: end + 1 }, len: end + 1 };
    }
    let len = end + 2;
    match check(window.get(..end).unwrap_or_default()) {
        Ok(content) if start == START_ANSWER => Scan::Frame { frame: Frame::Answer(content), len },
        Ok(content) => Scan::Frame { frame: Frame::Request(content), len },
        Err(error) => Scan::Bad { error, len },
    }
}

/// Checks escapes, length and CRC of what stands between start and stop.
fn check(escaped: &[u8]) -> Result<Content<'_>, Error> {
    let mut after_escape = false;
    for (at, &byte) in (1..).zip(escaped) {
        if after_escape && !is_escaped(!byte) {
            return Err(Error::Escape { at, found: byte });
        }
        after_escape = !after_escape && byte == ESCAPE;
    }
    if after_escape {
        return Err(Error::Escape { at: escaped.len() + 1, found: STOP });
    }
    let mut plain = [0; CONTENT_LEN_MAX];
    let mut len = 0;
    for byte in unescape(escaped) {
        *plain.get_mut(len).ok_or(Error::TooLong)? = byte;
        len += 1;
    }
    let content = plain.get(..len).unwrap_or_default();
    match content.split_last_chunk::<2>() {
        Some((message, crc)) if message.len() >= 2 => {
            let (expected, found) = (checksum::xmodem(message), u16::from_be_bytes(*crc));
            if expected == found {
                Ok(Content { escaped, len })
            } else {
                Err(Error::CrcMismatch { expected, found })
            }
        }
        _ => Err(Error::TooShort { found: len }),
    }
}

/// Writes a request to the meter: GetType or GetSerialNumber without data, GetRegister by [`emit_get_register`].
///
/// # Errors
/// [`Full`] when the buffer is too small.
pub fn emit_request(out: &mut Writer<'_>, command: Command) -> Result<(), Full> {
    emit(out, START_REQUEST, command, &[])
}

/// Writes the request for the registers with these numbers, at most [`REGISTERS_MAX`]; those after the eighth are
/// not asked for.
///
/// ```
/// use metergate_wire::{Full, Writer, kmp};
///
/// let mut buffer = [0; 9];
/// let mut out = Writer::new(&mut buffer);
/// kmp::emit_get_register(&mut out, &[60])?;
/// assert_eq!(out.written(), b"\x80\x3F\x10\x01\x00\x3C\xB2\x5F\x0D");
/// assert_eq!(kmp::emit_get_register(&mut out, &[80]), Err(Full { capacity: 9 }));
/// # Ok::<(), Full>(())
/// ```
///
/// # Errors
/// [`Full`] when the buffer is too small.
pub fn emit_get_register(out: &mut Writer<'_>, numbers: &[u16]) -> Result<(), Full> {
    let mut data = [0; 1 + 2 * REGISTERS_MAX];
    let mut list = Writer::new(&mut data);
    let numbers = numbers.get(..REGISTERS_MAX).unwrap_or(numbers);
    list.u8(u8::try_from(numbers.len()).unwrap_or(u8::MAX))?;
    for &number in numbers {
        list.u16_be(number)?;
    }
    emit(out, START_REQUEST, Command::GetRegister, list.written())
}

/// Writes an answer with `data`, such as the registers that [`Register::emit`] wrote.
///
/// # Errors
/// [`Full`] when the buffer is too small or `data` too long for a frame.
pub fn emit_answer(out: &mut Writer<'_>, command: Command, data: &[u8]) -> Result<(), Full> {
    emit(out, START_ANSWER, command, data)
}

fn emit(out: &mut Writer<'_>, start: u8, command: Command, data: &[u8]) -> Result<(), Full> {
    let mut plain = [0; CONTENT_LEN_MAX];
    let mut content = Writer::new(&mut plain);
    content.put(&[ADDRESS_METER, command.code()])?;
    content.put(data)?;
    let crc = checksum::xmodem(content.written());
    content.u16_be(crc)?;
    out.u8(start)?;
    for &byte in content.written() {
        if is_escaped(byte) {
            out.put(&[ESCAPE, !byte])?;
        } else {
            out.u8(byte)?;
        }
    }
    out.u8(STOP)
}

#[cfg(test)]
mod tests;
