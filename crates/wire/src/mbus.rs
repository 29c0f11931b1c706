//! Wired M-Bus long frames (EN 13757-2:2018, 5.6) as customer interfaces push them: DLMS segments of EN 13757-1,
//! clause 5, at 2400 baud with even parity.
//!
//! ```text
//!  0  1  2  3  4  5  6  7     8     9 ...          4+L  5+L
//! 68  L  L 68  C  A CI STSAP DTSAP user data ...    CS   16
//!              |<------------- L bytes ------------>|
//! ```
//!
//! CS is the sum of the L bytes modulo 256. A CI field of 00 to 1F carries a segment of a DLMS message: bits 0-3 count
//! the segments from 0, bit 4 marks the last. A message of two segments has the CI fields 00 and 11, a single one 10.
//! Some meters send FF in place of the first 00.
//!
//! The Sagemcom T210-D sends first segments of 257 bytes, and its length byte holds 01, which is 257 modulo 256.
//! [`scan`] therefore tries a length that is too small for its content a second time with 256 more.
use core::fmt;

use crate::{Full, Scan, Writer, checksum};

/// First and fourth byte of a long frame.
pub const START: u8 = 0x68;
/// Last byte of a long frame.
pub const STOP: u8 = 0x16;
/// C field of a meter that sends without being asked: SND_UD, no acknowledgement expected.
pub const CONTROL_SND_UD: u8 = 0x53;
/// A field for all who listen, without an answer.
pub const ADDRESS_BROADCAST: u8 = 0xFF;

/// `68 L L 68` in front of the L counted bytes.
const HEADER_LEN: usize = 4;
/// Checksum and stop byte behind them.
const TRAILER_LEN: usize = 2;
/// C, A and CI field: the smallest content of a long frame.
const CONTENT_LEN_MIN: usize = 3;
/// C, A, CI, STSAP and DTSAP: the smallest content that carries a DLMS segment.
const SEGMENT_CONTENT_LEN_MIN: usize = 5;
/// What one turn of the length byte hides.
const WRAP: usize = 256;
/// A first segment shorter than this is taken for a wrapped one when its own reading fails: nobody splits a message
/// after a handful of bytes. It bounds frames at 4 + 287 + 2 bytes.
const WRAPPED_LENGTH_MAX: u8 = 31;
/// Longest content that [`scan`] finds and [`Frame::emit`] writes.
pub const CONTENT_LEN_MAX: usize = WRAP + WRAPPED_LENGTH_MAX as usize;

/// Which part of a DLMS message a frame carries, from its CI field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Sequence number modulo 16; the first segment of a message has 0.
    pub number: u8,
    /// True for the last segment of a message.
    pub last: bool,
}

impl Segment {
    /// Reads a CI field; `None` for one that carries no DLMS segment, such as 72 (a meter's data in M-Bus records).
    ///
    /// ```
    /// use metergate_wire::mbus::Segment;
    ///
    /// assert_eq!(Segment::from_ci(0x11), Some(Segment { number: 1, last: true }));
    /// assert_eq!(Segment::from_ci(0x72), None);
    /// ```
    #[must_use]
    pub const fn from_ci(ci: u8) -> Option<Self> {
        match ci {
            0x00..=0x1F => Some(Self { number: ci & 0x0F, last: ci & 0x10 != 0 }),
            // Seen in the field in place of 00.
            0xFF => Some(Self { number: 0, last: false }),
            _ => None,
        }
    }

    /// The CI field of this segment; numbers from 16 on begin again at 0.
    #[must_use]
    pub const fn to_ci(self) -> u8 {
        (self.number & 0x0F) | if self.last { 0x10 } else { 0 }
    }
}

/// A long frame whose length, checksum and stop byte are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// C field, 53 from meters that push.
    pub control: u8,
    /// A field: primary address of the meter, FF for all.
    pub address: u8,
    /// CI field; [`Segment::from_ci`] explains it.
    pub ci: u8,
    /// Source and destination service access point of a DLMS segment, 01 and 67 from Austrian meters; `None` when the
    /// CI field is not one of a DLMS segment.
    pub access_points: Option<AccessPoints>,
    /// User data behind the access points, or behind the CI field when there are none.
    pub data: &'a [u8],
}

/// Who sends a DLMS segment and whom it is for (EN 13757-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessPoints {
    /// STSAP: source transport service access point.
    pub source: u8,
    /// DTSAP: destination transport service access point.
    pub destination: u8,
}

impl Frame<'_> {
    /// Which part of a message the frame carries, `None` when it is not one of DLMS.
    #[must_use]
    pub const fn segment(&self) -> Option<Segment> {
        Segment::from_ci(self.ci)
    }

    /// Writes the frame. A content of more than 255 bytes gets the wrapped length byte of the T210-D.
    ///
    /// # Errors
    /// [`Full`] when the buffer is too small, or the content longer than [`CONTENT_LEN_MAX`].
    pub fn emit(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        let head = CONTENT_LEN_MIN + if self.access_points.is_some() { 2 } else { 0 };
        let len = head + self.data.len();
        if len > CONTENT_LEN_MAX {
            return Err(Full { capacity: CONTENT_LEN_MAX });
        }
        // The low byte: 257 becomes 01.
        let [.., length] = len.to_be_bytes();
        writer.put(&[START, length, length, START])?;
        let content_at = writer.len();
        writer.put(&[self.control, self.address, self.ci])?;
        if let Some(AccessPoints { source, destination }) = self.access_points {
            writer.put(&[source, destination])?;
        }
        writer.put(self.data)?;
        let sum = checksum::sum8(writer.written().get(content_at..).unwrap_or_default());
        writer.put(&[sum, STOP])
    }
}

/// Writes `message` as one or more DLMS segments with at most `data_len_max` bytes of user data each.
///
/// The Kaifa MA309M uses 245 (L=FA), the older Sagemcom T210-D 252 (257 bytes, L=01).
///
/// # Errors
/// [`Full`] when the buffer is too small, or a segment would be longer than [`CONTENT_LEN_MAX`].
///
/// ```
/// use metergate_wire::{Full, Scan, Writer, mbus};
///
/// let mut buffer = [0; 600];
/// let mut writer = Writer::new(&mut buffer);
/// mbus::emit_message(&mut writer, &[0x0F; 263], 252)?;
/// assert_eq!(writer.written()[..4], [0x68, 0x01, 0x01, 0x68]);
/// assert!(matches!(mbus::scan(writer.written()), Scan::Frame { len: 263, .. }));
/// assert_eq!(mbus::scan(&writer.written()[..262]), Scan::NeedMore);
/// # Ok::<(), Full>(())
/// ```
pub fn emit_message(writer: &mut Writer<'_>, message: &[u8], data_len_max: usize) -> Result<(), Full> {
    let mut rest = message;
    let mut number = 0_u8;
    loop {
        let (data, after) = rest.split_at(rest.len().min(data_len_max.max(1)));
        let segment = Segment { number, last: after.is_empty() };
        let access_points = Some(AccessPoints { source: 0x01, destination: 0x67 });
        let (control, address) = (CONTROL_SND_UD, ADDRESS_BROADCAST);
        Frame { control, address, ci: segment.to_ci(), access_points, data }.emit(writer)?;
        if segment.last {
            return Ok(());
        }
        rest = after;
        number = number.wrapping_add(1);
    }
}

/// Why bytes that begin like a long frame are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The sum over the content differs from the CS field.
    ChecksumMismatch {
        /// Computed over C field to last user byte.
        expected: u8,
        /// The CS field.
        found: u8,
    },
    /// Another byte stands where the stop byte belongs: bytes were lost or inserted.
    NoStop {
        /// Offset in the frame.
        at: usize,
        /// What stands there in place of 16.
        found: u8,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChecksumMismatch { expected, found } => {
                write!(f, "the M-Bus checksum is {found:02X}, but the bytes add up to {expected:02X}")
            }
            Self::NoStop { at, found } => {
                write!(f, "the M-Bus frame should end with 16 at byte {at}, but {found:02X} stands there")
            }
        }
    }
}

impl core::error::Error for Error {}

/// Looks for a long frame at the start of `bytes`.
///
/// Waits for at most 293 bytes. A length that is too small for its content (no room for C, A and CI field, or for the
/// access points of a DLMS segment, or a first segment of a few bytes) is read as it stands, and with 256 more when
/// the checksum or the stop byte does not fit then.
///
/// ```
/// use metergate_wire::{Scan, mbus};
///
/// let short = [0x68, 0x06, 0x06, 0x68, 0x53, 0xFF, 0x10, 0x01, 0x67, 0x00, 0xCA, 0x16];
/// let Scan::Frame { frame, len: 12 } = mbus::scan(&short) else { panic!("a whole frame") };
/// assert_eq!(frame.segment(), Some(mbus::Segment { number: 0, last: true }));
/// let mut damaged = short;
/// damaged[9] = 0x0F;
/// let error = mbus::Error::ChecksumMismatch { expected: 0xD9, found: 0xCA };
/// assert_eq!(mbus::scan(&damaged), Scan::Bad { error, len: 12 });
/// ```
#[must_use]
pub fn scan(bytes: &[u8]) -> Scan<Frame<'_>, Error> {
    let (length, ci) = match *bytes {
        [START, a, b, START, _, _, ci, ..] if a == b => (a, ci),
        [] | [START] | [START, _] => return Scan::NeedMore,
        [START, a, b] if a == b => return Scan::NeedMore,
        [START, a, b, START, ..] if a == b => return Scan::NeedMore,
        _ => return Scan::Skip(next_start(bytes)),
    };
    let segment = Segment::from_ci(ci);
    let content_len_min = if segment.is_some() { SEGMENT_CONTENT_LEN_MIN } else { CONTENT_LEN_MIN };
    let narrow_len = usize::from(length);
    let narrow_possible = narrow_len >= content_len_min;
    let first = segment.is_some_and(|segment| segment.number == 0 && !segment.last);
    let wide_possible = !narrow_possible || (first && length <= WRAPPED_LENGTH_MAX);

    if narrow_possible {
        match read(bytes, narrow_len) {
            None => return Scan::NeedMore,
            Some(Ok(frame)) => return Scan::Frame { frame, len: HEADER_LEN + narrow_len + TRAILER_LEN },
            Some(Err(error)) if !wide_possible => {
                return Scan::Bad { error, len: HEADER_LEN + narrow_len + TRAILER_LEN };
            }
            Some(Err(_)) => {}
        }
    }
    let wide_len = narrow_len + WRAP;
    match read(bytes, wide_len) {
        None => Scan::NeedMore,
        Some(Ok(frame)) => Scan::Frame { frame, len: HEADER_LEN + wide_len + TRAILER_LEN },
        Some(Err(error)) => Scan::Bad { error, len: HEADER_LEN + wide_len + TRAILER_LEN },
    }
}

/// Offset of the next byte after the first that can begin a frame, or the length.
fn next_start(bytes: &[u8]) -> usize {
    let after_first = bytes.iter().skip(1).position(|&byte| byte == START);
    after_first.map_or(bytes.len(), |at| at + 1)
}

/// Reads a frame with a content of `len` bytes; `None` when more bytes are needed.
fn read(bytes: &[u8], len: usize) -> Option<Result<Frame<'_>, Error>> {
    let (content, trailer) = bytes.get(HEADER_LEN..)?.split_at_checked(len)?;
    let &[found, stop, ..] = trailer else { return None };
    let expected = checksum::sum8(content);
    if expected != found {
        return Some(Err(Error::ChecksumMismatch { expected, found }));
    }
    if stop != STOP {
        return Some(Err(Error::NoStop { at: HEADER_LEN + len + 1, found: stop }));
    }
    let (&[control, address, ci], rest) = content.split_first_chunk()?;
    let (access_points, data) = match (Segment::from_ci(ci), rest) {
        (Some(_), &[source, destination, ref data @ ..]) => {
            (Some(AccessPoints { source, destination }), data)
        }
        _ => (None, rest),
    };
    Some(Ok(Frame { control, address, ci, access_points, data }))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn message(data: &[u8], data_len_max: usize) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let mut writer = Writer::new(&mut buffer);
        emit_message(&mut writer, data, data_len_max).unwrap();
        writer.written().to_vec()
    }

    fn counting(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
    }

    #[test]
    fn two_segments_have_ci_00_and_11() {
        let data = counting(260);
        let bytes = message(&data, 245);
        let Scan::Frame { frame: first, len } = scan(&bytes) else { panic!("no frame") };
        assert_eq!((len, first.ci, first.data), (256, 0x00, &data[..245]));
        assert_eq!(first.access_points, Some(AccessPoints { source: 0x01, destination: 0x67 }));
        let Scan::Frame { frame: last, len } = scan(&bytes[256..]) else { panic!("no frame") };
        assert_eq!((len, last.ci, last.data), (26, 0x11, &data[245..]));
        assert_eq!(last.segment(), Some(Segment { number: 1, last: true }));
    }

    #[test]
    fn wrapped_length_byte_is_read_as_257() {
        let data = counting(260);
        let bytes = message(&data, 252);
        assert_eq!(bytes[..4], [0x68, 0x01, 0x01, 0x68]);
        let Scan::Frame { frame, len } = scan(&bytes) else { panic!("no frame") };
        assert_eq!((len, frame.data), (263, &data[..252]));
    }

    #[test]
    fn every_length_comes_back() {
        for len in 0..=CONTENT_LEN_MAX - 5 {
            let data = counting(len);
            let bytes = message(&data, 300);
            // A single segment of 250 user bytes and more (CI 10) is only read when it needs no second length.
            match scan(&bytes) {
                Scan::Frame { frame, len } => {
                    assert_eq!((frame.data, len), (&data[..], bytes.len()));
                }
                other => assert!(len + 5 >= 256 + 5, "{len}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_short_first_segment_with_a_right_checksum_is_not_wrapped() {
        let bytes = message(&counting(20), 8);
        let Scan::Frame { len, .. } = scan(&bytes) else { panic!("no frame") };
        assert_eq!(len, 19);
    }

    #[test]
    fn a_control_frame_has_no_access_points() {
        let bytes = [0x68, 0x03, 0x03, 0x68, 0x53, 0xFE, 0x50, 0xA1, 0x16];
        let Scan::Frame { frame, len: 9 } = scan(&bytes) else { panic!("no frame") };
        assert_eq!((frame.segment(), frame.access_points, frame.data), (None, None, &[][..]));
    }

    #[test]
    fn ci_ff_is_a_first_segment() {
        assert_eq!(Segment::from_ci(0xFF), Some(Segment { number: 0, last: false }));
    }

    #[test]
    fn wrong_checksum_and_lost_stop_byte_are_told_apart() {
        let mut bytes = message(&counting(20), 245);
        let end = bytes.len() - 1;
        bytes[end] = 0x17;
        assert_eq!(scan(&bytes), Scan::Bad { error: Error::NoStop { at: 30, found: 0x17 }, len: 31 });
        bytes[end] = 0x16;
        bytes[end - 1] ^= 0x40;
        assert!(matches!(scan(&bytes), Scan::Bad { error: Error::ChecksumMismatch { .. }, len: 31 }));
    }

    #[test]
    fn every_truncation_waits_and_the_answer_is_final() {
        for data_len_max in [245, 252] {
            let bytes = message(&counting(260), data_len_max);
            let whole = scan(&bytes);
            let Scan::Frame { len, .. } = whole else { panic!("no frame") };
            for end in 0..bytes.len() {
                assert_eq!(scan(&bytes[..end]), if end < len { Scan::NeedMore } else { whole }, "{end}");
            }
        }
    }

    #[test]
    fn a_flipped_byte_is_never_accepted() {
        for data_len_max in [245, 252] {
            let bytes = message(&counting(260), data_len_max);
            let Scan::Frame { len, .. } = scan(&bytes) else { panic!("no frame") };
            for at in 0..len {
                for mask in [0x01, 0x80, 0x5A, 0xFF] {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= mask;
                    assert!(!matches!(scan(&damaged), Scan::Frame { .. }), "{at} {mask:02X}");
                }
            }
        }
    }

    #[test]
    fn noise_is_skipped_to_the_next_start_byte() {
        assert_eq!(scan(&[0x00, 0x16, 0x68, 0x01]), Scan::Skip(2));
        assert_eq!(scan(&[0x68, 0x01, 0x02, 0x68]), Scan::Skip(3));
        assert_eq!(scan(&[0x68, 0x68, 0x68, 0x11]), Scan::Skip(1));
        assert_eq!(scan(&[0x68, 0x68, 0x68, 0x68]), Scan::NeedMore);
        assert_eq!(scan(&[0x33, 0x44]), Scan::Skip(2));
    }

    #[test]
    fn an_oversized_content_is_not_emitted() {
        let mut buffer = [0; 600];
        let full = emit_message(&mut Writer::new(&mut buffer), &[0; 300], 300);
        assert_eq!(full, Err(Full { capacity: CONTENT_LEN_MAX }));
    }
}
