//! General block transfer (IEC 62056-5-3:2023, 6.2.11 and 8): a message in numbered blocks.
//!
//! ```text
//! E0 | block control | block number | block number acknowledged | length | block data ...
//!        1 byte          2 bytes            2 bytes              1-5 bytes   length bytes
//! ```
//!
//! Block control: bit 7 the last block, bit 6 streaming (more blocks come without an answer), bits 0-5 the window.
//! Blocks are numbered from 1.
use core::fmt;

use super::{LengthError, length, put_length};
use crate::{Full, Reader, Short, Writer};

/// First byte of a general-block-transfer APDU.
pub const TAG: u8 = 0xE0;

const LAST: u8 = 0x80;
const STREAMING: u8 = 0x40;

/// A block whose length is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// Bit 7: the message ends with this block.
    pub last: bool,
    /// Bit 6: the next block comes without an answer.
    pub streaming: bool,
    /// Bits 0-5: how many blocks the sender can receive in a row; 0 from meters that only push.
    pub window: u8,
    /// Number of this block, from 1.
    pub number: u16,
    /// Number of the last block received from the other side; 0 from meters that only push.
    pub acknowledged: u16,
    /// The part of the message.
    pub data: &'a [u8],
}

impl<'a> Block<'a> {
    /// Reads a block that fills `bytes`.
    ///
    /// # Errors
    /// [`Error::Short`] when a field is cut off, [`Error::Trailing`] when bytes follow, [`Error::Tag`] for another APDU,
    /// [`Error::LengthForm`] for a length that is none.
    ///
    /// ```
    /// use metergate_wire::dlms::gbt::{Block, Error};
    ///
    /// let block = Block::parse(&[0xE0, 0x80, 0x00, 0x03, 0x00, 0x00, 0x02, 0x0F, 0x40])?;
    /// assert_eq!((block.number, block.last, block.data), (3, true, &[0x0F, 0x40][..]));
    /// assert_eq!(Block::parse(&[0xDB]), Err(Error::Tag { found: 0xDB }));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            TAG => {}
            found => return Err(Error::Tag { found }),
        }
        let control = reader.u8()?;
        let number = reader.u16_be()?;
        let acknowledged = reader.u16_be()?;
        let len = length(&mut reader)?;
        let data = reader.take(len)?;
        if !reader.is_empty() {
            return Err(Error::Trailing { at: reader.at() });
        }
        Ok(Self {
            last: control & LAST != 0,
            streaming: control & STREAMING != 0,
            window: control & 0x3F,
            number,
            acknowledged,
            data,
        })
    }

    /// Writes the block.
    ///
    /// # Errors
    /// [`Full`] when the buffer is too small.
    pub fn emit(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        let last = if self.last { LAST } else { 0 };
        let streaming = if self.streaming { STREAMING } else { 0 };
        writer.put(&[TAG, last | streaming | (self.window & 0x3F)])?;
        writer.u16_be(self.number)?;
        writer.u16_be(self.acknowledged)?;
        put_length(writer, self.data.len())?;
        writer.put(self.data)
    }
}

/// The blocks of a message, with at most `data_len_max` bytes each, as a meter that pushes sends them.
///
/// A message of more than 65,535 blocks ends with block 65,535 and is not whole.
pub fn blocks(message: &[u8], data_len_max: usize) -> impl Iterator<Item = Block<'_>> {
    let len_max = data_len_max.max(1);
    let last_at = message.len().saturating_sub(1) / len_max;
    message.chunks(len_max).zip(1..=u16::MAX).enumerate().map(move |(at, (data, number))| {
        let last = at == last_at;
        Block { last, streaming: !last, window: 0, number, acknowledged: 0, data }
    })
}

/// Which block must come next.
///
/// ```
/// use metergate_wire::dlms::gbt::{Block, OutOfOrder, Sequence};
///
/// let block = Block { last: false, streaming: true, window: 0, number: 1, acknowledged: 0, data: &[] };
/// let mut sequence = Sequence::default();
/// assert_eq!(sequence.accept(&block), Ok(()));
/// assert_eq!(sequence.accept(&block), Err(OutOfOrder { expected: 2, found: 1 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sequence {
    taken: u16,
}

impl Sequence {
    /// Takes the next block of a message, or refuses it; a refused block leaves the sequence as it was.
    ///
    /// # Errors
    /// [`OutOfOrder`] when another block should come.
    pub const fn accept(&mut self, block: &Block<'_>) -> Result<(), OutOfOrder> {
        // Block 0 and a number after the last possible one never come in order.
        let expected = self.taken.wrapping_add(1);
        if block.number == expected && expected != 0 {
            self.taken = expected;
            Ok(())
        } else {
            Err(OutOfOrder { expected, found: block.number })
        }
    }

    /// True before the first block.
    #[must_use]
    pub const fn is_at_start(&self) -> bool {
        self.taken == 0
    }
}

/// A block came in the place of another: one was lost, or a message began before the last one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfOrder {
    /// Number of the block that should come.
    pub expected: u16,
    /// Number of the block that came.
    pub found: u16,
}

impl fmt::Display for OutOfOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "block {} of a general block transfer came where block {} was due",
            self.found, self.expected
        )
    }
}

impl core::error::Error for OutOfOrder {}

/// Why bytes are no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The bytes end inside a field.
    Short(Short),
    /// Another APDU; [`name`](super::name) knows which.
    Tag {
        /// The first byte.
        found: u8,
    },
    /// A length byte of 80, or above 84.
    LengthForm {
        /// Offset of the length.
        at: usize,
        /// Its first byte.
        found: u8,
    },
    /// Bytes follow the block where nothing may follow.
    Trailing {
        /// Offset of the first of them.
        at: usize,
    },
}

impl From<Short> for Error {
    fn from(short: Short) -> Self {
        Self::Short(short)
    }
}

impl From<LengthError> for Error {
    fn from(error: LengthError) -> Self {
        match error {
            LengthError::Short(short) => Self::Short(short),
            LengthError::Form { at, found } => Self::LengthForm { at, found },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(short) => short.fmt(f),
            Self::Tag { found } => {
                write!(f, "general block transfer begins with E0, but {found:02X} stands there")
            }
            Self::LengthForm { at, found } => {
                write!(f, "the length at byte {at} begins with {found:02X}, which is no form of a length")
            }
            Self::Trailing { at } => write!(f, "bytes follow the block from byte {at} on"),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn blocks_come_back_in_order() {
        let message: Vec<u8> = (0..=255).collect();
        let mut sequence = Sequence::default();
        let mut joined = Vec::new();
        for sent in blocks(&message, 100) {
            let mut buffer = [0; 128];
            let mut writer = Writer::new(&mut buffer);
            sent.emit(&mut writer).unwrap();
            let block = Block::parse(writer.written()).unwrap();
            assert_eq!(block, sent);
            assert_eq!(sequence.accept(&block), Ok(()));
            joined.extend_from_slice(block.data);
            assert_eq!(block.last, joined.len() == message.len());
        }
        assert_eq!(joined, message);
    }

    #[test]
    fn a_lost_block_is_named() {
        let message = [0; 300];
        let mut sequence = Sequence::default();
        assert!(sequence.is_at_start());
        let sent: Vec<_> = blocks(&message, 100).collect();
        assert_eq!(sequence.accept(&sent[0]), Ok(()));
        assert_eq!(sequence.accept(&sent[2]), Err(OutOfOrder { expected: 2, found: 3 }));
        assert_eq!(sequence.accept(&sent[1]), Ok(()), "a refused block changes nothing");
        let zero = Block { number: 0, ..sent[0] };
        assert_eq!(Sequence { taken: u16::MAX }.accept(&zero), Err(OutOfOrder { expected: 0, found: 0 }));
    }

    #[test]
    fn every_truncation_is_short_and_a_longer_one_trails() {
        let bytes = [0xE0, 0xC5, 0x00, 0x03, 0x00, 0x02, 0x81, 0x02, 0x0F, 0x40];
        let block = Block::parse(&bytes).unwrap();
        assert_eq!((block.window, block.acknowledged, block.streaming), (5, 2, true));
        for end in 0..bytes.len() {
            assert!(matches!(Block::parse(&bytes[..end]), Err(Error::Short(_))));
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Block::parse(&longer), Err(Error::Trailing { at: 10 }));
    }
}
