//! SML transport protocol, version 1: one frame carries one SML file (SML 1.04, clause 8).
//!
//! ```text
//! 1B 1B 1B 1B   01 01 01 01   body ...   00 00   1B 1B 1B 1B   1A   pp   cl ch
//! escape        start         escaped    padding escape        end  |    X-25 from the first 1B to pp, low byte first
//!                                                                   number of padding bytes
//! ```
//!
//! Four bytes 1B in the SML file are sent twice. The receiver counts runs: a run of 1B that is `8 n + r` bytes long
//! holds `4 n + r` bytes of the file when `r` is 0 to 3, and `4 n + r - 4` bytes and one escape when `r` is 4 to 7. So a
//! file that ends in 1B before its end sequence is read rightly: `1B | 1B 1B 1B 1B 1A` is a run of five.
//!
//! Nothing is assumed about alignment: lost bytes shift the rest, and captures begin at any byte.
use core::fmt;

use super::Crc;
use crate::{Full, Scan, Writer};

/// Begins a frame.
pub const START: [u8; 8] = [0x1B, 0x1B, 0x1B, 0x1B, 0x01, 0x01, 0x01, 0x01];

/// Longest frame in bytes, from the first byte of its start to the last of its CRC.
///
/// The longest frame that a household meter is known to send has 528 bytes; a day of quarter hours of two registers in one
/// GetProfilePackResponse has about 4,000. A frame without an end is given up after this many bytes.
pub const FRAME_LEN_MAX: usize = 8192;

const ESCAPE_LEN: usize = 4;
const ESCAPE: u8 = 0x1B;
const END: u8 = 0x1A;
/// 1A, the number of padding bytes, and two bytes of CRC.
const END_LEN: usize = 4;

/// A whole frame with the right CRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    body: &'a [u8],
    crc: Crc,
    padding: u8,
    has_escapes: bool,
}

impl<'a> Frame<'a> {
    /// The SML file with its padding, as on the line: [`unescape_in_place`] before reading when
    /// [`has_escapes`](Self::has_escapes).
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Which CRC was right; the messages inside must use the same.
    #[must_use]
    pub const fn crc(&self) -> Crc {
        self.crc
    }

    /// How many padding bytes end the body by the meter's own account. The standard allows 0 to 3; 4 was seen (DZG).
    #[must_use]
    pub const fn padding(&self) -> u8 {
        self.padding
    }

    /// True when the body holds the sequence 1B 1B 1B 1B doubled.
    #[must_use]
    pub const fn has_escapes(&self) -> bool {
        self.has_escapes
    }
}

/// Why the bytes after a start sequence are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The CRC in the end sequence is not that of the bytes before it.
    CrcMismatch {
        /// X-25 over the received bytes, the two bytes in the order of the line.
        expected: u16,
        /// What the frame says, in the same order.
        found: u16,
    },
    /// A new start sequence stands where this frame should go on or end.
    NoEnd {
        /// Offset of the new start.
        at: usize,
    },
    /// An escape is followed neither by a start nor by an end.
    InvalidEscape {
        /// Offset of the byte after the escape.
        at: usize,
        /// That byte; 01 or 1A was expected.
        found: u8,
    },
    /// No end within [`FRAME_LEN_MAX`] bytes.
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CrcMismatch { expected, found } => {
                write!(f, "the transport CRC is {found:04x}, the bytes before it have {expected:04x}")
            }
            Self::NoEnd { at } => {
                write!(f, "no end sequence before the next start sequence at offset {at}")
            }
            Self::InvalidEscape { at, found } => {
                write!(
                    f,
                    "an escape is followed by {found:02x} at offset {at}, expected a start (01) or an end (1a)"
                )
            }
            Self::TooLong { limit } => {
                write!(f, "no end sequence within {limit} bytes after the start sequence")
            }
        }
    }
}

impl core::error::Error for Error {}

/// Says what stands at the start of a slice of stream bytes.
///
/// Noise is answered with `Skip` up to the first byte that can begin a start sequence; the rest of the noise may come
/// as further skips. A frame with a wrong CRC claims its bytes up to its end sequence, one without an end those up to
/// the next start sequence.
///
/// ```
/// use metergate_wire::Scan;
/// use metergate_wire::sml::transport::{Error, scan};
///
/// let line = [0xFF, 0x1B, 0x1B, 0x1B, 0x1B, 0x01, 0x01, 0x01, 0x01, 0x1B, 0x1B, 0x1B, 0x1B, 0x1A, 0, 0xE5, 0xC6];
/// assert_eq!(scan(&line), Scan::Skip(1));
/// assert_eq!(scan(&line[1..16]), Scan::NeedMore);
/// let error = Error::CrcMismatch { expected: 0xC6E5, found: 0xE5C6 };
/// assert_eq!(scan(&line[1..]), Scan::Bad { error, len: 16 });
/// ```
#[must_use]
pub fn scan(bytes: &[u8]) -> Scan<Frame<'_>, Error> {
    if !bytes.starts_with(&START) {
        return match noise_len(bytes) {
            0 => Scan::NeedMore,
            n => Scan::Skip(n),
        };
    }
    // Only these bytes decide, so that the answer is the same however many follow.
    let bytes = bytes.get(..FRAME_LEN_MAX).unwrap_or(bytes);
    match find_boundary(bytes) {
        Boundary::End { at, has_escapes, invalid } => check_frame(bytes, at, has_escapes, invalid),
        Boundary::NextStart { at } => Scan::Bad { error: Error::NoEnd { at }, len: at },
        Boundary::Unseen if bytes.len() < FRAME_LEN_MAX => Scan::NeedMore,
        Boundary::Unseen => Scan::Bad { error: Error::TooLong { limit: FRAME_LEN_MAX }, len: FRAME_LEN_MAX },
    }
}

/// Number of bytes before the first one that begins a start sequence, or might with more bytes.
fn noise_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(next) = rest.iter().position(|&byte| byte == ESCAPE) else { return bytes.len() };
        at += next;
        let rest = rest.get(next..).unwrap_or_default();
        if rest.starts_with(&START) || START.starts_with(rest) {
            return at;
        }
        at += 1;
    }
}

enum Boundary {
    /// The escape of the end sequence stands at `at`, and the sequence is whole.
    End { at: usize, has_escapes: bool, invalid: Option<Error> },
    /// Another start sequence stands at `at`.
    NextStart { at: usize },
    /// Neither, so far.
    Unseen,
}

/// Finds what ends the frame at the front of `bytes`.
///
/// An escape that means nothing does not end the search: the frame is damaged, and is reported as one up to its
/// end or to the next start.
fn find_boundary(bytes: &[u8]) -> Boundary {
    let mut at = START.len();
    let mut has_escapes = false;
    let mut invalid = None;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        // A run of four bytes 1B holds every fourth offset once, so three of four bytes are not looked at.
        let (words, _) = rest.as_chunks::<4>();
        let Some(word) = words.iter().position(|word| word[3] == ESCAPE) else { return Boundary::Unseen };
        let hit = word * 4 + 3;
        let (before, after) = rest.split_at_checked(hit).unwrap_or_default();
        let back = before.iter().rev().take_while(|&&byte| byte == ESCAPE).count();
        let Some(ahead) = after.iter().position(|&byte| byte != ESCAPE) else { return Boundary::Unseen };
        let run = back + ahead;
        at += hit + ahead;
        has_escapes |= run >= 2 * ESCAPE_LEN;
        if run % (2 * ESCAPE_LEN) < ESCAPE_LEN {
            continue;
        }
        let escape_at = at - ESCAPE_LEN;
        let rest = bytes.get(at..).unwrap_or_default();
        let marker = rest.get(..END_LEN);
        match rest.first().copied() {
            Some(END) if marker.is_some() => return Boundary::End { at: escape_at, has_escapes, invalid },
            Some(END) => return Boundary::Unseen,
            Some(0x01) if marker == START.last_chunk::<4>().map(<[u8; 4]>::as_slice) => {
                return Boundary::NextStart { at: escape_at };
            }
            Some(0x01) if marker.is_none() && rest.iter().all(|&byte| byte == 0x01) => {
                return Boundary::Unseen;
            }
            found => {
                let found = found.unwrap_or_default();
                invalid = invalid.or(Some(Error::InvalidEscape { at, found }));
            }
        }
    }
}

/// Checks the CRC of the frame whose end sequence begins at `end`.
fn check_frame(
    bytes: &[u8],
    end: usize,
    has_escapes: bool,
    invalid: Option<Error>,
) -> Scan<Frame<'_>, Error> {
    let len = end + ESCAPE_LEN + END_LEN;
    let (Some(body), Some((checked, &sent))) =
        (bytes.get(START.len()..end), bytes.get(..len).and_then(<[u8]>::split_last_chunk::<2>))
    else {
        return Scan::NeedMore;
    };
    let expected = Crc::X25.of(checked);
    let crc = if sent == expected {
        Crc::X25
    } else if Crc::Kermit.matches(checked, sent) {
        Crc::Kermit
    } else {
        let (expected, found) = (u16::from_be_bytes(expected), u16::from_be_bytes(sent));
        return Scan::Bad { error: Error::CrcMismatch { expected, found }, len };
    };
    if let Some(error) = invalid {
        return Scan::Bad { error, len };
    }
    let padding = checked.last().copied().unwrap_or_default();
    Scan::Frame { frame: Frame { body, crc, padding, has_escapes }, len }
}

/// Undoes the doubling of 1B 1B 1B 1B and returns how many bytes are left, at the front of `body`.
///
/// ```
/// use metergate_wire::sml::transport::unescape_in_place;
///
/// let mut body = *b"\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1bA";
/// let len = unescape_in_place(&mut body);
/// assert_eq!(&body[..len], b"\x1b\x1b\x1b\x1b\x1bA");
/// assert_eq!(unescape_in_place(&mut [0x1B, 0x1B, 0x41]), 3, "a short run is no escape");
/// ```
pub fn unescape_in_place(body: &mut [u8]) -> usize {
    let (mut from, mut to, mut run) = (0, 0, 0);
    while let Some(&byte) = body.get(from) {
        from += 1;
        run = if byte == ESCAPE { run + 1 } else { 0 };
        if run == 2 * ESCAPE_LEN {
            // The second four of this run repeat the first four: of them, three were copied and this is the last.
            to -= ESCAPE_LEN - 1;
            run = 0;
            continue;
        }
        if let Some(slot) = body.get_mut(to) {
            *slot = byte;
        }
        to += 1;
    }
    to
}

/// Appends a frame around the SML file `file`: start, the file with its escapes, padding to a multiple of four bytes, end, CRC.
///
/// # Errors
/// [`Full`] when the writer's buffer is too small.
pub fn emit(out: &mut Writer<'_>, crc: Crc, file: &[u8]) -> Result<(), Full> {
    let start = out.len();
    out.put(&START)?;
    let mut run = 0;
    for &byte in file {
        out.u8(byte)?;
        run = if byte == ESCAPE { run + 1 } else { 0 };
        if run == ESCAPE_LEN {
            out.put(&[ESCAPE; ESCAPE_LEN])?;
            run = 0;
        }
    }
    let padding = file.len().wrapping_neg() % 4;
    for _ in 0..padding {
        out.u8(0)?;
    }
    out.put(&[ESCAPE; ESCAPE_LEN])?;
    out.put(&[END, u8::try_from(padding).unwrap_or_default()])?;
    let checksum = crc.of(out.written().get(start..).unwrap_or_default());
    out.put(&checksum)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn framed(file: &[u8]) -> Vec<u8> {
        framed_with(file, Crc::X25)
    }

    fn framed_with(file: &[u8], crc: Crc) -> Vec<u8> {
        let mut buffer = [0; 512];
        let mut out = Writer::new(&mut buffer);
        emit(&mut out, crc, file).unwrap();
        out.written().to_vec()
    }

    /// The file in a frame that must be whole, without its padding.
    fn file_of(line: &[u8]) -> Vec<u8> {
        let Scan::Frame { frame, len } = scan(line) else {
            panic!("no frame in {line:02x?}: {:?}", scan(line))
        };
        assert_eq!(len, line.len());
        let mut file = frame.body().to_vec();
        let unescaped = unescape_in_place(&mut file);
        assert_eq!(frame.has_escapes(), unescaped != frame.body().len());
        file.truncate(unescaped - usize::from(frame.padding()));
        file
    }

    /// Numbers that look random, the same in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 33).unwrap() % limit
        }
    }

    #[test]
    fn frame_is_padded_to_four_bytes() {
        assert_eq!(
            framed(&[0x76, 0x05]),
            [0x1B, 0x1B, 0x1B, 0x1B, 1, 1, 1, 1, 0x76, 5, 0, 0, 0x1B, 0x1B, 0x1B, 0x1B, 0x1A, 2, 0x30, 0xBC]
        );
    }

    #[test]
    fn all_files_of_escapes_come_back() {
        // Every text of up to nine bytes over the bytes that matter: runs of any length at start, middle and end.
        for len in 0..=9_u32 {
            for number in 0..3_u32.pow(len.min(7)) {
                let mut file: Vec<u8> = (0..len.min(7))
                    .map(|place| [0x1B, 0x01, 0x1A][usize::try_from(number / 3_u32.pow(place) % 3).unwrap()])
                    .collect();
                file.resize(usize::try_from(len).unwrap(), 0x1B);
                assert_eq!(file_of(&framed(&file)), file);
            }
        }
        for len in 0..40 {
            let file = std::vec![0x1B; len];
            assert_eq!(file_of(&framed(&file)), file);
        }
    }

    #[test]
    fn kermit_is_accepted_and_named() {
        let line = framed_with(b"file", Crc::Kermit);
        assert!(matches!(scan(&line), Scan::Frame { frame, .. } if frame.crc() == Crc::Kermit));
        assert!(matches!(scan(&framed(b"file")), Scan::Frame { frame, .. } if frame.crc() == Crc::X25));
        // The low byte first as well.
        let mut swapped = line;
        let end = swapped.len();
        swapped.swap(end - 1, end - 2);
        assert!(matches!(scan(&swapped), Scan::Frame { frame, .. } if frame.crc() == Crc::Kermit));
    }

    #[test]
    fn start_is_found_behind_any_number_of_1b() {
        for noise in 0..20 {
            let mut line = std::vec![0x1B; noise];
            line.extend(framed(b"file"));
            let mut rest = &line[..];
            let mut skipped = 0;
            while let Scan::Skip(n) = scan(rest) {
                skipped += n;
                rest = &rest[n..];
            }
            assert_eq!(skipped, noise);
            assert_eq!(file_of(rest), b"file");
        }
    }

    #[test]
    fn frame_without_end_ends_at_the_next_start() {
        let whole = framed(b"0123456789");
        let mut line = whole[..15].to_vec();
        line.extend(&whole);
        assert_eq!(scan(&line), Scan::Bad { error: Error::NoEnd { at: 15 }, len: 15 });
        assert_eq!(scan(&line[..22]), Scan::NeedMore, "the new start is not whole");
        assert_eq!(scan(&line[15..]), scan(&whole));
    }

    #[test]
    fn frame_behind_a_cut_escape_is_found_from_the_second_byte_on() {
        // The end sequence of the first frame is cut behind its 1B 1B 1B 1B: with the start of the second frame
        // it looks like an escaped 1B 1B 1B 1B.
        let whole = framed(b"0123");
        let mut line = whole[..16].to_vec();
        line.extend(&whole);
        assert!(
            matches!(scan(&line), Scan::Bad { error: Error::CrcMismatch { .. }, len } if len == line.len())
        );
        assert_eq!(scan(&line[1..]), Scan::Skip(15));
        assert_eq!(file_of(&line[16..]), b"0123");
    }

    #[test]
    fn escape_without_meaning_is_named() {
        let mut line = START.to_vec();
        line.extend([0x1B, 0x1B, 0x1B, 0x1B, 0x02, 0x00, 0x00, 0x00, 0x1B, 0x1B, 0x1B, 0x1B, 0x1A, 0x00]);
        line.extend(Crc::X25.of(&line));
        let error = Error::InvalidEscape { at: 12, found: 0x02 };
        assert_eq!(scan(&line), Scan::Bad { error, len: 24 });
        assert_eq!(scan(&line[..23]), Scan::NeedMore);
    }

    #[test]
    fn frame_without_end_is_given_up_at_the_limit() {
        let mut line = START.to_vec();
        line.resize(FRAME_LEN_MAX - 1, 0x1B);
        assert_eq!(scan(&line), Scan::NeedMore);
        line.push(0x1B);
        let answer = Scan::Bad { error: Error::TooLong { limit: FRAME_LEN_MAX }, len: FRAME_LEN_MAX };
        assert_eq!(scan(&line), answer);
        line.extend([0x1A, 0, 0, 0]);
        assert_eq!(scan(&line), answer, "an end behind the limit changes nothing");
    }

    #[test]
    fn longest_frame_is_accepted() {
        let mut buffer = std::vec![0; FRAME_LEN_MAX + 4];
        let mut out = Writer::new(&mut buffer);
        emit(&mut out, Crc::X25, &std::vec![0x55; FRAME_LEN_MAX - 16]).unwrap();
        assert!(matches!(scan(out.written()), Scan::Frame { len: FRAME_LEN_MAX, .. }));
    }

    #[test]
    fn each_truncation_needs_more_and_each_flip_is_refused() {
        let line = framed(b"\x1b\x1b\x1b\x1b some text \x1b\x1b");
        for len in 0..line.len() {
            assert_eq!(scan(&line[..len]), Scan::NeedMore);
        }
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut line = line.clone();
                line[at] ^= 1 << bit;
                let mut rest = &line[..];
                while !rest.is_empty() {
                    rest = match scan(rest) {
                        Scan::Frame { .. } => panic!("bit {bit} of byte {at} flipped and accepted"),
                        Scan::NeedMore => &[],
                        Scan::Skip(n) => &rest[n..],
                        Scan::Bad { len, .. } => &rest[len..],
                    }
                }
            }
        }
    }

    #[test]
    fn answers_are_final() {
        let mut random = Random(0x5EED);
        let whole = framed(b"\x1b\x1b\x1b\x1b\x1b file");
        let pieces: [&[u8]; 9] =
            [&[0x1B], &[0x1B; 4], &[0x01], &[0x01; 4], &[0x1A], &START, &[0x00], &whole, &whole[..9]];
        for _ in 0..3000 {
            let mut line = Vec::new();
            while line.len() < 60 {
                line.extend(pieces[random.below(pieces.len())]);
            }
            let start = random.below(12);
            let line = &line[start..];
            let answer = scan(line);
            for len in 0..line.len() {
                match (scan(&line[..len]), answer) {
                    (Scan::NeedMore, _) => {}
                    // Noise comes in pieces: what was said of the first bytes stays true.
                    (Scan::Skip(first), Scan::Skip(all)) => assert!(first <= all),
                    (early, late) => assert_eq!(early, late, "{len} bytes of {line:02x?}"),
                }
            }
        }
    }

    #[test]
    fn full_buffer_is_an_error() {
        let line = framed(b"file");
        for len in 0..line.len() {
            let mut buffer = std::vec![0; len];
            assert_eq!(emit(&mut Writer::new(&mut buffer), Crc::X25, b"file"), Err(Full { capacity: len }));
        }
    }
}
