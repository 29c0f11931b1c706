//! Numbers of one to ten bytes: seven bits a byte, low ones first, the high bit set where more follow (LEB128).
//! Signed numbers are folded first, so that small ones of both signs are short.
use super::BlockError;
use alloc::vec::Vec;

/// Longest number: ten times seven bits hold 64.
const LEN_MAX: u32 = 10;

/// Folds a signed number: 0, -1, 1, -2 become 0, 1, 2, 3.
pub(super) const fn fold(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

/// The signed number that was folded.
pub(super) const fn unfold(folded: u64) -> i64 {
    (folded >> 1).cast_signed() ^ -((folded & 1).cast_signed())
}

/// Appends a number.
pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7F);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// Reads from the front of a block and knows the offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// Offset of the next byte.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The unread bytes.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`BlockError::Short`] at the end.
    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, BlockError> {
        let (&byte, rest) = self.rest.split_first().ok_or(BlockError::Short { at: self.at })?;
        self.rest = rest;
        self.at += 1;
        Ok(byte)
    }

    /// Reads a number.
    ///
    /// # Errors
    /// [`BlockError::Short`] at the end, [`BlockError::NumberTooLong`] beyond 64 bits.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, BlockError> {
        let at = self.at;
        let mut number = 0_u64;
        for index in 0..LEN_MAX {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            // The tenth byte has room for one bit.
            if index == LEN_MAX - 1 && byte > 1 {
                break;
            }
            number |= bits << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(BlockError::NumberTooLong { at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    proptest! {
        #[test]
        fn every_number_comes_back(number: u64) {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.number(), Ok(number));
            prop_assert!(reader.rest().is_empty());
            prop_assert_eq!(fold(unfold(number)), number);
        }
    }

    #[test]
    fn small_numbers_of_both_signs_take_one_byte() {
        for (number, folded) in
            [(0, 0), (-1, 1), (1, 2), (-64, 127), (i64::MAX, u64::MAX - 1), (i64::MIN, u64::MAX)]
        {
            assert_eq!(fold(number), folded);
            assert_eq!(unfold(folded), number);
        }
    }

    #[test]
    fn a_number_that_ends_early_or_never_is_refused() {
        assert_eq!(Reader::new(&[0x80, 0x80]).number(), Err(BlockError::Short { at: 2 }));
        assert_eq!(Reader::new(&[0xFF; 11]).number(), Err(BlockError::NumberTooLong { at: 0 }));
        let mut two_to_64 = vec![0x80; 9];
        two_to_64.push(0x02);
        assert_eq!(Reader::new(&two_to_64).number(), Err(BlockError::NumberTooLong { at: 0 }));
    }
}
