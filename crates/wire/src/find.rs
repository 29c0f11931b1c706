//! Finding a byte in a slice, eight at a time.
//!
//! The text protocols look for line ends and end marks in every telegram; a loop over single bytes costs three times
//! the instructions, and the search of the standard library for bytes is not public.

use core::ops::ControlFlow;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Marks the zero bytes of `word` with their high bit. Bytes above the first zero may be marked wrongly, the lowest
/// mark is right.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// Position of the first `needle` in `bytes`.
#[inline]
pub(crate) fn byte(bytes: &[u8], needle: u8) -> Option<usize> {
    first(bytes, |word| zero_bytes(word ^ (ONES * u64::from(needle))), |byte| byte == needle)
}

/// Position of the first `needle`, which is not empty, in `bytes`.
pub(crate) fn slice(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        at += byte(rest, first)?;
        if bytes.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
}

/// Position of the first `(` or `)` in `bytes`. Their codes 28 and 29 differ in the lowest bit only.
#[inline]
pub(crate) fn bracket(bytes: &[u8]) -> Option<usize> {
    first(bytes, |word| zero_bytes((word | ONES) ^ (ONES * u64::from(b')'))), |byte| byte | 1 == b')')
}

/// Position of the first byte that `hit` accepts; `marks` does the same for the bytes of a word.
#[inline]
fn first(bytes: &[u8], marks: impl Fn(u64) -> u64, hit: impl Fn(u8) -> bool) -> Option<usize> {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let marks = marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return Some(at + (marks.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    tail.iter().position(|&byte| hit(byte)).map(|offset| at + offset)
}

/// Tells `visit` the position of every `needle` in `bytes`, in order, until it breaks off.
///
/// This is one pass, where each call of [`byte`] would begin a word anew.
#[inline]
pub(crate) fn each<B>(
    bytes: &[u8],
    needle: u8,
    mut visit: impl FnMut(usize) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // Any byte up to the needle: two operations less than the needle itself, and rare when it is a line end.
        let low = word.wrapping_sub(ONES * (u64::from(needle) + 1)) & !word & HIGH;
        if low != 0 {
            let word = word ^ (ONES * u64::from(needle));
            // All marks count here, so no borrow may pass from byte to byte.
            let mut marks = !(((word & !HIGH) + !HIGH) | word | !HIGH);
            while marks != 0 {
                visit(at + (marks.trailing_zeros() / 8) as usize)?;
                marks &= marks - 1;
            }
        }
        at += 8;
    }
    for &byte in tail {
        if byte == needle {
            visit(at)?;
        }
        at += 1;
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn positions(bytes: &[u8], needle: u8) -> Vec<usize> {
        let mut positions = Vec::new();
        let told = each(bytes, needle, |at| {
            positions.push(at);
            ControlFlow::<()>::Continue(())
        });
        assert!(told.is_continue());
        positions
    }

    #[test]
    fn every_position_and_length_agrees_with_the_plain_search() {
        for length in 0..40 {
            for position in 0..=length {
                let mut bytes = std::vec![0x2A; length];
                if let Some(byte) = bytes.get_mut(position) {
                    *byte = b')';
                }
                if let Some(byte) = bytes.get_mut(position + 3) {
                    *byte = b'(';
                }
                let plain = |needles: &[u8]| bytes.iter().position(|found| needles.contains(found));
                assert_eq!(byte(&bytes, b'('), plain(b"("));
                assert_eq!(bracket(&bytes), plain(b"()"));
                for needle in *b"(*" {
                    let plain = (0..length).filter(|&at| bytes.get(at) == Some(&needle));
                    assert!(positions(&bytes, needle).into_iter().eq(plain));
                }
            }
        }
    }

    #[test]
    fn a_slice_is_found_behind_its_own_beginning() {
        assert_eq!(slice(b"/AB/ABC", b"/ABC"), Some(3));
        assert_eq!(slice(b"/AB/AB", b"/ABC"), None);
        assert_eq!(slice(b"", b"/"), None);
    }

    #[test]
    fn a_byte_one_above_the_needle_is_no_hit() {
        // The borrow of a hit may mark the byte after it, never one before it.
        assert_eq!(byte(b"000000000/", b'/'), Some(9));
        assert_eq!(byte(b"0000000000", b'/'), None);
        assert_eq!(byte(&[0x80, 0xFF, 0x00, 0x01, 0x7F, 0x81, 0xFE, 0x02], 0x00), Some(2));
        assert_eq!(positions(b"/0/0./00//0", b'/'), [0, 2, 5, 8, 9]);
    }
}
