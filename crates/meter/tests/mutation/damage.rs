//! What happens to bytes on a line.
use crate::random::Random;
use std::ops::Range;

/// In which order the check takes the bits of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bits {
    /// The lowest first, as a serial line sends them: X-25, Kermit, ARC.
    LowFirst,
    /// The highest first: XMODEM.
    HighFirst,
}

/// Inverts bits in one burst of at most 16, of which the first and the last are inverted.
pub(crate) fn burst(random: &mut Random, bytes: &mut [u8], range: &Range<usize>, bits: Bits) {
    let total = range.len() * 8;
    let length = random.between(1, 16).min(total);
    let first = random.below(total - length + 1);
    for bit in first..first + length {
        let at_end = bit == first || bit + 1 == first + length;
        if at_end || random.once_in(2) {
            let shift = match bits {
                Bits::LowFirst => bit % 8,
                Bits::HighFirst => 7 - bit % 8,
            };
            bytes[range.start + bit / 8] ^= 1 << shift;
        }
    }
}

/// Changes one byte.
pub(crate) fn one_byte(random: &mut Random, bytes: &mut [u8], range: &Range<usize>) {
    let at = range.start + random.below(range.len());
    let mask = if random.once_in(2) { 1 << random.below(8) } else { random.byte() };
    bytes[at] ^= if mask == 0 { 0xFF } else { mask };
}

/// Bytes that mean something in one protocol or another.
const MEANINGFUL: [u8; 40] = [
    0x00, 0x01, 0x02, 0x03, 0x06, 0x07, 0x09, 0x0D, 0x0A, 0x0F, 0x10, 0x13, 0x16, 0x1A, 0x1B, 0x20, 0x30,
    0x40, 0x68, 0x7E, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xA0, 0xDB, 0xE0, 0xE6, 0xFF, b'!', b'/', b'(', b')',
    b'*', b'.', b'-', b'0', b'9', 0x76,
];

fn some_byte(random: &mut Random) -> u8 {
    if random.once_in(3) { *random.one_of(&MEANINGFUL) } else { random.byte() }
}

/// Overwrites, inserts, deletes and repeats bytes in one to `places_max` places. Changes something.
///
/// Bytes do not change places: a line does not do that, and a sum would not see it.
pub(crate) fn anywhere(random: &mut Random, bytes: &mut Vec<u8>, places_max: usize) {
    let before = bytes.clone();
    while *bytes == before {
        for _ in 0..random.between(1, places_max) {
            one_place(random, bytes);
        }
    }
}

fn one_place(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
    let run = random.between(1, 6).min(bytes.len().saturating_sub(at));
    match random.below(6) {
        _ if bytes.is_empty() => bytes.push(some_byte(random)),
        0 => bytes[at] ^= 1 << random.below(8),
        1 => {
            for byte in &mut bytes[at..at + run] {
                *byte = some_byte(random);
            }
        }
        2 => {
            for _ in 0..run {
                bytes.insert(at, some_byte(random));
            }
        }
        3 => {
            bytes.drain(at..at + run);
        }
        4 => {
            let copy = bytes[at..at + run].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, copy);
        }
        _ => bytes[at] = some_byte(random),
    }
}

/// A small change inside a text: a digit, a bracket, a line.
pub(crate) fn of_text(random: &mut Random, text: &mut Vec<u8>) {
    const PIECES: [&[u8]; 24] = [
        b"0",
        b"9",
        b"-",
        b".",
        b",",
        b"*",
        b"(",
        b")",
        b"()",
        b"*kWh",
        b"*W",
        b"*m3",
        b"*GJ",
        b"\r\n",
        b"\n",
        b"!",
        b"/",
        b"1-0:1.8.0",
        b"0-1:24.2.1",
        b"(632525252525S)",
        b"(261120081500W)",
        b"99999999999999999999",
        b" ",
        b"C.1.0",
    ];
    let before = text.clone();
    while *text == before {
        for _ in 0..random.between(1, 4) {
            let at = random.below(text.len().max(1)).min(text.len());
            let run = random.between(1, 4).min(text.len() - at);
            match random.below(8) {
                0 | 1 if at < text.len() && text[at].is_ascii_digit() => {
                    text[at] = b'0' + u8::try_from(random.below(10)).unwrap_or(0);
                }
                0..=2 => {
                    text.splice(at..at, random.one_of(&PIECES).iter().copied());
                }
                3 => {
                    text.splice(at..at + run, random.one_of(&PIECES).iter().copied());
                }
                4 => {
                    text.drain(at..at + run);
                }
                5 => {
                    // A whole line once more, or away.
                    let line_at = text[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
                    let line_len =
                        text[line_at..].iter().position(|&byte| byte == b'\n').map_or(0, |end| end + 1);
                    if random.once_in(2) {
                        let line = text[line_at..line_at + line_len].to_vec();
                        text.splice(line_at..line_at, line);
                    } else {
                        text.drain(line_at..line_at + line_len);
                    }
                }
                6 if at < text.len() => text[at] = some_byte(random),
                _ if at < text.len() => text[at] ^= 1 << random.below(7),
                _ => {}
            }
        }
    }
}

#[test]
fn a_burst_stays_within_sixteen_bits() {
    let mut random = Random::new(1);
    for bits in [Bits::LowFirst, Bits::HighFirst] {
        for _ in 0..10_000 {
            let mut bytes = [0; 40];
            burst(&mut random, &mut bytes, &(3..37), bits);
            let flipped: Vec<usize> = (0..320)
                .filter(|bit| {
                    let shift = if bits == Bits::LowFirst { bit % 8 } else { 7 - bit % 8 };
                    bytes[bit / 8] >> shift & 1 == 1
                })
                .collect();
            assert!(!flipped.is_empty() && flipped[0] >= 24 && flipped[flipped.len() - 1] < 37 * 8);
            assert!(flipped[flipped.len() - 1] - flipped[0] < 16);
        }
    }
}
