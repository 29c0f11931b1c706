//! Kamstrup Meter Protocol: the optical interface of MULTICAL heat, cooling and water meters and of older electricity
//! meters, 1200 baud 8N2.
//!
//! Source: Kamstrup, KMP protocol description, data link layer and application layer (6.2).
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
/// Eight registers with texts of 16 bytes, the longest known, need 172.
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

/// What kind of frame stands there, its checksum right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// From the reader to the meter; on the line of a reader this is the echo of its own request.
    Request(Command),
    /// From the meter, to this command.
    Answer(Command),
    /// A single 06: the meter did what was asked, and has nothing to say.
    Ack,
}

/// The content of a frame without escapes.
///
/// ```
/// use metergate_wire::Scan;
/// use metergate_wire::kmp::{self, Command, Error, Frame, Message};
///
/// // A MULTICAL 602 with 271211.3 Wh.
/// let mut bytes = *b"\x40\x3F\x10\x00\x9B\x01\x04\x41\x00\x29\x62\x31\xA0\xEC\x0D";
/// assert_eq!(kmp::scan(&bytes), Scan::Frame { frame: Frame::Answer(Command::GetRegister), len: 15 });
/// let answer = Message::parse(&mut bytes)?;
/// assert_eq!(answer.command, Command::GetRegister);
/// let energy = answer.registers().unwrap().next().unwrap();
/// assert_eq!((energy.number, energy.unit, energy.value(), energy.exponent()), (155, 1, Ok(2_712_113), -1));
///
/// bytes[11] ^= 0x01;
/// let error = Error::CrcMismatch { expected: 0xB0CD, found: 0xA0EC };
/// assert_eq!(kmp::scan(&bytes), Scan::Bad { error, len: 15 });
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The destination address, [`ADDRESS_METER`] for the meter itself.
    pub address: u8,
    /// The command.
    pub command: Command,
    /// The data of the command.
    pub data: &'a [u8],
}

impl<'a> Message<'a> {
    /// Undoes the escapes of a frame in place and reads it. The frame is no frame afterwards.
    ///
    /// # Errors
    /// [`Error::Unfinished`] when `frame` has no start and stop byte, and those of [`scan`].
    pub fn parse(frame: &'a mut [u8]) -> Result<Self, Error> {
        let at = frame.len();
        let content = match frame {
            [START_ANSWER | START_REQUEST, content @ .., STOP] => content,
            _ => return Err(Error::Unfinished { at }),
        };
        check_escapes(content)?;
        let (mut from, mut len) = (0, 0);
        while let Some(&byte) = content.get(from) {
            let escaped = byte == ESCAPE;
            let plain = if escaped { content.get(from + 1).map_or(byte, |&byte| !byte) } else { byte };
            if let Some(to) = content.get_mut(len) {
                *to = plain;
            }
            from += if escaped { 2 } else { 1 };
            len += 1;
        }
        let content: &[u8] = content;
        read(content.get(..len).unwrap_or_default())
    }

    /// The registers of the answer to GetRegister. A register that the meter does not know is absent.
    ///
    /// # Errors
    /// [`RegisterError::Truncated`] when the data ends within a register; nothing is handed out then.
    pub fn registers(&self) -> Result<Registers<'a>, RegisterError> {
        Registers::new(self.data)
    }

    /// Type and software revision in the answer to GetType, as sent; `None` when there are not four bytes.
    #[must_use]
    pub fn meter_type(&self) -> Option<(u16, u16)> {
        let &[a, b, c, d] = self.data else { return None };
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// The serial number in the answer to GetSerialNumber; `None` when there are not four bytes.
    #[must_use]
    pub fn serial_number(&self) -> Option<u32> {
        self.data.try_into().ok().map(u32::from_be_bytes)
    }
}

const fn is_escaped(byte: u8) -> bool {
    matches!(byte, ACK | STOP | ESCAPE | START_ANSWER | START_REQUEST)
}

/// Looks for a frame at the start of `bytes`.
///
/// A start byte within a frame ends the damaged one before it.
#[must_use]
pub fn scan(bytes: &[u8]) -> Scan<Frame, Error> {
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
        Ok(command) if start == START_ANSWER => Scan::Frame { frame: Frame::Answer(command), len },
        Ok(command) => Scan::Frame { frame: Frame::Request(command), len },
        Err(error) => Scan::Bad { error, len },
    }
}

/// Checks what stands between start and stop, and returns the command.
fn check(escaped: &[u8]) -> Result<Command, Error> {
    check_escapes(escaped)?;
    let mut plain = [0; CONTENT_LEN_MAX];
    let mut len = 0;
    let mut bytes = escaped.iter();
    while let Some(&byte) = bytes.next() {
        let byte = if byte == ESCAPE { bytes.next().map_or(byte, |byte| !byte) } else { byte };
        *plain.get_mut(len).ok_or(Error::TooLong)? = byte;
        len += 1;
    }
    read(plain.get(..len).unwrap_or_default()).map(|message| message.command)
}

/// Checks that each 1B has the inverse of a byte behind it that must be escaped.
fn check_escapes(escaped: &[u8]) -> Result<(), Error> {
    let mut after_escape = false;
    for (at, &byte) in (1..).zip(escaped) {
        if after_escape && !is_escaped(!byte) {
            return Err(Error::Escape { at, found: byte });
        }
        after_escape = !after_escape && byte == ESCAPE;
    }
    if after_escape { Err(Error::Escape { at: escaped.len() + 1, found: STOP }) } else { Ok(()) }
}

/// Checks length and CRC of a content without escapes.
fn read(content: &[u8]) -> Result<Message<'_>, Error> {
    match content.split_last_chunk::<2>() {
        Some((message @ &[address, command, ref data @ ..], crc)) => {
            let (expected, found) = (checksum::xmodem(message), u16::from_be_bytes(*crc));
            if expected != found {
                return Err(Error::CrcMismatch { expected, found });
            }
            Ok(Message { address, command: Command::from_code(command), data })
        }
        _ => Err(Error::TooShort { found: content.len() }),
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
