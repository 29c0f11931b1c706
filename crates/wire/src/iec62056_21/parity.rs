//! Seven bits and even parity in software, for lines that carry eight bits.
use core::fmt;

/// A character with odd parity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParityError {
    /// Offset of the first one.
    pub at: usize,
}

impl fmt::Display for ParityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "even parity was expected, found odd parity at offset {}", self.at)
    }
}

impl core::error::Error for ParityError {}

/// Removes the parity bit of all bytes.
///
/// # Errors
/// [`ParityError`] for the first byte whose parity is odd; the bits are removed all the same.
///
/// ```
/// use metergate_wire::iec62056_21::{ParityError, strip_parity};
///
/// // `/?!` with even parity: 2F has five bits set.
/// let mut bytes = [0xAF, 0x3F, 0x21];
/// assert_eq!(strip_parity(&mut bytes), Ok(()));
/// assert_eq!(bytes, *b"/?!");
/// assert_eq!(strip_parity(&mut bytes), Err(ParityError { at: 0 }));
/// ```
pub fn strip_parity(bytes: &mut [u8]) -> Result<(), ParityError> {
    let mut bad = None;
    for (at, byte) in bytes.iter_mut().enumerate() {
        if byte.count_ones() % 2 == 1 && bad.is_none() {
            bad = Some(at);
        }
        *byte &= 0x7F;
    }
    bad.map_or(Ok(()), |at| Err(ParityError { at }))
}

/// Sets the parity bit of all bytes, whose high bit is lost, so that each has even parity.
pub fn add_parity(bytes: &mut [u8]) {
    for byte in bytes {
        let odd = (*byte & 0x7F).count_ones() % 2 == 1;
        *byte = (*byte & 0x7F) | if odd { 0x80 } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_stripped() {
        let plain: std::vec::Vec<u8> = (0..128).collect();
        let mut bytes = plain.clone();
        add_parity(&mut bytes);
        assert!(bytes.iter().all(|byte| byte.count_ones() % 2 == 0));
        assert_eq!(strip_parity(&mut bytes), Ok(()));
        assert_eq!(bytes, plain);
    }

    #[test]
    fn one_flipped_bit_is_odd_parity() {
        for bit in 0..8 {
            let mut bytes = *b"0123";
            add_parity(&mut bytes);
            bytes[2] ^= 1 << bit;
            assert_eq!(strip_parity(&mut bytes), Err(ParityError { at: 2 }));
        }
    }
}
