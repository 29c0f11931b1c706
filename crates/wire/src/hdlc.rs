//! HDLC frames of frame format type 3 (IEC 62056-46:2002, 6.4; ISO/IEC 13239, annex H.4).
//!
//! ```text
//! 7E | A L | L L | destination | source | control | HCS | information ... | FCS | 7E
//! flag  frame      1, 2 or 4     1, 2 or   1         2      0 or more        2    flag
//!       format     bytes         4 bytes
//!       |<------------------ L bytes (11 bits), between the flags ---------->|
//! ```
//!
//! The four high bits of the first byte are A (type 3), bit 3 is the segmentation bit S. HCS and FCS are
//! [X-25](crate::checksum::x25), low byte first, from the frame format on; a frame without information has no HCS. There
//! is no byte stuffing: the length says where the frame ends. One flag can end a frame and begin the next
//! ([`scan_after_flag`]).
use core::fmt;

use crate::{Full, Scan, Writer, checksum};

/// Begins and ends a frame.
pub const FLAG: u8 = 0x7E;
/// Control field of frames that meters push: unnumbered information, P/F bit set.
pub const CONTROL_UI: u8 = 0x13;
/// LLC header in front of the first information field from the server, the meter (IEC 62056-46, 5.3.2).
pub const LLC_FROM_SERVER: [u8; 3] = [0xE6, 0xE7, 0x00];
/// LLC header in front of the first information field from the client.
pub const LLC_FROM_CLIENT: [u8; 3] = [0xE6, 0xE6, 0x00];

const FORMAT_TYPE_3: u8 = 0xA0;
const FORMAT_TYPE_MASK: u8 = 0xF0;
const SEGMENTED: u8 = 0x08;
const FORMAT_LEN: usize = 2;
const CHECK_LEN: usize = 2;
/// Format, two addresses of one byte, control and FCS.
const LEN_MIN: usize = FORMAT_LEN + 1 + 1 + 1 + CHECK_LEN;
/// The length field has 11 bits. A frame with both flags is two bytes longer, which bounds the wait for more bytes.
pub const LEN_MAX: usize = 0x7FF;

/// An HDLC address as it stands on the wire: 1, 2 or 4 bytes, of which only the last is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'a>(&'a [u8]);

impl<'a> Address<'a> {
    /// Checks the bytes of an address; `None` when they are not 1, 2 or 4 with only the last one odd.
    ///
    /// ```
    /// use metergate_wire::hdlc::Address;
    ///
    /// assert_eq!(Address::new(&[0x02, 0x23]).map(Address::upper), Some(0x01));
    /// assert_eq!(Address::new(&[0x02, 0x22]), None);
    /// ```
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Option<Self> {
        match *bytes {
            [a] if a & 1 == 1 => Some(Self(bytes)),
            [a, b] if a & 1 == 0 && b & 1 == 1 => Some(Self(bytes)),
            [a, b, c, d] if (a | b | c) & 1 == 0 && d & 1 == 1 => Some(Self(bytes)),
            _ => None,
        }
    }

    /// The bytes as sent.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The upper HDLC address (the logical device of a meter), without the extension bits: 7 or 14 bits.
    #[must_use]
    pub fn upper(self) -> u16 {
        match *self.0 {
            [a] | [a, _] => u16::from(a >> 1),
            [a, b, ..] => u16::from(a >> 1) << 7 | u16::from(b >> 1),
            [] => 0,
        }
    }

    /// The lower HDLC address (the physical device), `None` for an address of one byte.
    #[must_use]
    pub fn lower(self) -> Option<u16> {
        match *self.0 {
            [_, b] => Some(u16::from(b >> 1)),
            [_, _, c, d] => Some(u16::from(c >> 1) << 7 | u16::from(d >> 1)),
            _ => None,
        }
    }

    /// Splits an address off: `Ok(None)` when it may go on behind the bytes.
    fn split(bytes: &'a [u8]) -> Result<Option<(Self, &'a [u8])>, ()> {
        match bytes.iter().take(4).position(|byte| byte & 1 == 1) {
            Some(last @ (0 | 1 | 3)) => {
                let (address, rest) = bytes.split_at(last + 1);
                Ok(Some((Self(address), rest)))
            }
            None if bytes.len() < 4 => Ok(None),
            _ => Err(()),
        }
    }
}

/// A frame whose length, HCS, FCS and closing flag are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// S bit: more segments of the same message follow.
    pub segmented: bool,
    /// Whom the frame is for.
    pub destination: Address<'a>,
    /// Who sends it.
    pub source: Address<'a>,
    /// Control field; 13 (UI) from meters that push, some send 10 or 00.
    pub control: u8,
    /// Information field, with the LLC header if there is one ([`without_llc`]); empty when the frame has none.
    pub information: &'a [u8],
}

impl Frame<'_> {
    /// Writes the frame between two flags of its own.
    ///
    /// # Errors
    /// [`Full`] when the buffer is too small, or the frame longer than [`LEN_MAX`].
    ///
    /// ```
    /// use metergate_wire::{Full, Scan, Writer, hdlc};
    ///
    /// let one = hdlc::Address::new(&[0x03]).expect("odd");
    /// let information = &[0xE6, 0xE7, 0x00, 0x0F];
    /// let frame = hdlc::Frame { segmented: false, destination: one, source: one, control: 0x13, information };
    /// let mut buffer = [0; 32];
    /// let mut writer = Writer::new(&mut buffer);
    /// frame.emit(&mut writer)?;
    /// assert_eq!(hdlc::scan(writer.written()), Scan::Frame { frame, len: writer.len() });
    /// assert_eq!(frame.emit(&mut Writer::new(&mut [0; 8])), Err(Full { capacity: 8 }));
    /// # Ok::<(), Full>(())
    /// ```
    pub fn emit(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        let header_len = FORMAT_LEN + self.destination.0.len() + self.source.0.len() + 1;
        let information_len =
            if self.information.is_empty() { 0 } else { CHECK_LEN + self.information.len() };
        let len = header_len + information_len + CHECK_LEN;
        if len > LEN_MAX {
            return Err(Full { capacity: LEN_MAX });
        }
        let [.., len_high, len_low] = len.to_be_bytes();
        let segmented = if self.segmented { SEGMENTED } else { 0 };
        writer.u8(FLAG)?;
        let at = writer.len();
        writer.put(&[FORMAT_TYPE_3 | segmented | len_high, len_low])?;
        writer.put(self.destination.0)?;
        writer.put(self.source.0)?;
        writer.u8(self.control)?;
        if !self.information.is_empty() {
            put_check(writer, at)?;
            writer.put(self.information)?;
        }
        put_check(writer, at)?;
        writer.u8(FLAG)
    }
}

/// Appends X-25 over all that was written from offset `at` on.
fn put_check(writer: &mut Writer<'_>, at: usize) -> Result<(), Full> {
    let check = checksum::x25(writer.written().get(at..).unwrap_or_default());
    writer.put(&check.to_le_bytes())
}

/// Writes a message as one or more frames with at most `information_len_max` bytes of information each. The first
/// begins with the LLC header of a meter, all but the last have the S bit.
///
/// # Errors
/// [`Full`] when the buffer is too small, or a frame would be longer than [`LEN_MAX`].
pub fn emit_message(
    writer: &mut Writer<'_>,
    destination: Address<'_>,
    source: Address<'_>,
    message: &[u8],
    information_len_max: usize,
) -> Result<(), Full> {
    // The LLC header and the first part of the message form one information field, put together here.
    let mut first = [0; LEN_MAX];
    let first_len = message.len().min(information_len_max.saturating_sub(LLC_FROM_SERVER.len()));
    let (head, mut rest) = message.split_at(first_len);
    let mut joined = Writer::new(&mut first);
    joined.put(&LLC_FROM_SERVER)?;
    joined.put(head)?;
    let control = CONTROL_UI;
    let segmented = !rest.is_empty();
    Frame { segmented, destination, source, control, information: joined.written() }.emit(writer)?;
    while !rest.is_empty() {
        let (information, after) = rest.split_at(rest.len().min(information_len_max.max(1)));
        let segmented = !after.is_empty();
        Frame { segmented, destination, source, control, information }.emit(writer)?;
        rest = after;
    }
    Ok(())
}

/// The information field behind its LLC header (E6 E7 00 from the meter, E6 E6 00 from the client); `None` when it
/// begins with neither.
///
/// In a segmented message only the first frame has the header.
///
/// ```
/// use metergate_wire::hdlc::without_llc;
///
/// assert_eq!(without_llc(&[0xE6, 0xE7, 0x00, 0x0F]), Some(&[0x0F][..]));
/// assert_eq!(without_llc(&[0x0F, 0x40]), None);
/// ```
#[must_use]
pub fn without_llc(information: &[u8]) -> Option<&[u8]> {
    match information {
        [0xE6, 0xE6 | 0xE7, 0x00, rest @ ..] => Some(rest),
        _ => None,
    }
}

/// Why bytes that begin like a frame are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The length field is smaller than the fields that a frame must have.
    TooShort {
        /// The length field.
        len: usize,
        /// Length of the format, addresses, control and checks.
        needed: usize,
    },
    /// An address of 3 or of more than 4 bytes.
    Address {
        /// Offset of the address in the frame; the opening flag has 0.
        at: usize,
    },
    /// The header check sequence differs.
    HcsMismatch {
        /// Computed over the header.
        expected: u16,
        /// The HCS field.
        found: u16,
    },
    /// The frame check sequence differs.
    FcsMismatch {
        /// Computed over the frame.
        expected: u16,
        /// The FCS field.
        found: u16,
    },
    /// Another byte stands where the closing flag belongs.
    NoFlag {
        /// Offset of the closing flag; the opening flag has 0.
        at: usize,
        /// What stands there in place of 7E.
        found: u8,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len, needed } => {
                write!(f, "the HDLC frame claims {len} bytes, but its fields need {needed}")
            }
            Self::Address { at } => {
                write!(f, "the HDLC address at byte {at} has neither 1, 2 nor 4 bytes")
            }
            Self::HcsMismatch { expected, found } => {
                write!(f, "the HDLC header check is {found:04X}, but the header gives {expected:04X}")
            }
            Self::FcsMismatch { expected, found } => {
                write!(f, "the HDLC frame check is {found:04X}, but the frame gives {expected:04X}")
            }
            Self::NoFlag { at, found } => {
                write!(f, "the HDLC frame should end with 7E at byte {at}, but {found:02X} stands there")
            }
        }
    }
}

impl core::error::Error for Error {}

/// Looks for a frame at the start of `bytes`, from its opening to its closing flag.
///
/// A wrong header check is reported as soon as the header is there. Flags that fill the line between frames come out
/// as [`Scan::Skip`].
///
/// ```
/// use metergate_wire::{Scan, hdlc};
///
/// // A frame without information: the first check is the FCS.
/// let mut frame = [0x7E, 0xA0, 0x07, 0x03, 0x21, 0x93, 0x0F, 0x01, 0x7E];
/// assert!(matches!(hdlc::scan(&frame), Scan::Frame { len: 9, .. }));
/// frame[6] = 0x0E;
/// let error = hdlc::Error::FcsMismatch { expected: 0x010F, found: 0x010E };
/// assert_eq!(hdlc::scan(&frame), Scan::Bad { error, len: 9 });
/// ```
#[must_use]
pub fn scan(bytes: &[u8]) -> Scan<Frame<'_>, Error> {
    match bytes {
        [] | [FLAG] => Scan::NeedMore,
        [FLAG, rest @ ..] if begins_frame(rest) => scan_between(rest, 1),
        _ => Scan::Skip(1 + bytes.iter().skip(1).take_while(|&&byte| byte != FLAG).count()),
    }
}

/// Looks for a frame directly behind a frame whose closing flag may open this one too.
///
/// Call it once with the bytes that follow a [`Scan::Frame`]. It finds what [`scan`] finds, and a frame without an
/// opening flag of its own, whose `len` then has no opening flag either.
#[must_use]
pub fn scan_after_flag(bytes: &[u8]) -> Scan<Frame<'_>, Error> {
    if begins_frame(bytes) { scan_between(bytes, 0) } else { scan(bytes) }
}

fn begins_frame(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|format| format & FORMAT_TYPE_MASK == FORMAT_TYPE_3)
}

/// Reads a frame from its format field on; `flags` is the number of flag bytes in front.
fn scan_between(bytes: &[u8], flags: usize) -> Scan<Frame<'_>, Error> {
    let Some((&[format_high, format_low], after_format)) = bytes.split_first_chunk() else {
        return Scan::NeedMore;
    };
    let len = usize::from(u16::from_be_bytes([format_high, format_low]) & 0x7FF);
    let bad = |error| Scan::Bad { error, len: flags + len.max(FORMAT_LEN) + 1 };
    if len < LEN_MIN {
        return bad(Error::TooShort { len, needed: LEN_MIN });
    }
    let (destination, after_destination) = match Address::split(after_format) {
        Ok(Some(split)) => split,
        Ok(None) => return Scan::NeedMore,
        Err(()) => return bad(Error::Address { at: 1 + FORMAT_LEN }),
    };
    let (source, after_source) = match Address::split(after_destination) {
        Ok(Some(split)) => split,
        Ok(None) => return Scan::NeedMore,
        Err(()) => return bad(Error::Address { at: 1 + FORMAT_LEN + destination.0.len() }),
    };
    let Some(&control) = after_source.first() else { return Scan::NeedMore };
    let header_len = FORMAT_LEN + destination.0.len() + source.0.len() + 1;

    let information_at = if len == header_len + CHECK_LEN {
        header_len
    } else if len >= header_len + 2 * CHECK_LEN {
        match check(bytes, header_len) {
            None => return Scan::NeedMore,
            Some((expected, found)) if expected != found => {
                return bad(Error::HcsMismatch { expected, found });
            }
            Some(_) => header_len + CHECK_LEN,
        }
    } else {
        return bad(Error::TooShort { len, needed: header_len + CHECK_LEN });
    };
    let fcs_at = len - CHECK_LEN;
    match check(bytes, fcs_at) {
        None => return Scan::NeedMore,
        Some((expected, found)) if expected != found => return bad(Error::FcsMismatch { expected, found }),
        Some(_) => {}
    }
    match bytes.get(len) {
        None => Scan::NeedMore,
        Some(&FLAG) => {
            let information = bytes.get(information_at..fcs_at).unwrap_or_default();
            let segmented = format_high & SEGMENTED != 0;
            Scan::Frame {
                frame: Frame { segmented, destination, source, control, information },
                len: flags + len + 1,
            }
        }
        Some(&found) => bad(Error::NoFlag { at: 1 + len, found }),
    }
}

/// The X-25 of the first `at` bytes and the check that follows them; `None` when more bytes are needed.
fn check(bytes: &[u8], at: usize) -> Option<(u16, u16)> {
    let (checked, rest) = bytes.split_at_checked(at)?;
    let &[low, high, ..] = rest else { return None };
    Some((checksum::x25(checked), u16::from_le_bytes([low, high])))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const CLIENT: &[u8] = &[0xCF];
    const METER: &[u8] = &[0x00, 0x02, 0x00, 0x23];

    fn message(data: &[u8], information_len_max: usize) -> Vec<u8> {
        let mut buffer = [0; 4096];
        let mut writer = Writer::new(&mut buffer);
        let (client, meter) = (Address::new(CLIENT).unwrap(), Address::new(METER).unwrap());
        emit_message(&mut writer, client, meter, data, information_len_max).unwrap();
        writer.written().to_vec()
    }

    #[test]
    fn addresses_of_one_two_and_four_bytes() {
        for (bytes, upper, lower) in [
            (&[0x21][..], 0x10, None),
            (&[0x02, 0x23], 0x01, Some(0x11)),
            (&[0x00, 0x02, 0x00, 0x23], 0x01, Some(0x11)),
        ] {
            let address = Address::new(bytes).unwrap();
            assert_eq!((address.upper(), address.lower()), (upper, lower));
        }
        for bytes in [&[][..], &[0x20], &[0x21, 0x23], &[0x02, 0x02, 0x23], &[2, 2, 2, 2, 3]] {
            assert_eq!(Address::new(bytes), None);
        }
    }

    #[test]
    fn only_the_last_segment_has_no_s_bit_and_only_the_first_an_llc() {
        let data: Vec<u8> = (0..=255).collect();
        let mut bytes = &message(&data, 100)[..];
        let mut joined = Vec::new();
        let mut segmented = Vec::new();
        while let Scan::Frame { frame, len } = scan(bytes) {
            let part = without_llc(frame.information);
            assert_eq!(part.is_some(), joined.is_empty());
            joined.extend_from_slice(part.unwrap_or(frame.information));
            segmented.push(frame.segmented);
            bytes = &bytes[len..];
        }
        assert_eq!((joined, bytes.len()), (data, 0));
        assert_eq!(segmented, [true, true, false]);
    }

    #[test]
    fn one_flag_between_two_frames_is_enough() {
        let data: Vec<u8> = (0..60).collect();
        let whole = message(&data, 40);
        let Scan::Frame { len, .. } = scan(&whole) else { panic!("no frame") };
        let shared: Vec<u8> = [&whole[..len], &whole[len + 1..]].concat();
        let Scan::Frame { frame, len: second_len } = scan_after_flag(&shared[len..]) else {
            panic!("no frame")
        };
        assert_eq!((frame.information, len + second_len), (&data[37..], shared.len()));
        assert_eq!(scan(&shared[len..]), Scan::Skip(second_len - 1), "without the flag before it is noise");
    }

    #[test]
    fn a_frame_without_information_has_only_an_fcs() {
        let (destination, source) = (Address::new(&[0x03]).unwrap(), Address::new(&[0x21]).unwrap());
        let frame = Frame { segmented: false, destination, source, control: 0x93, information: &[] };
        let mut buffer = [0; 16];
        let mut writer = Writer::new(&mut buffer);
        frame.emit(&mut writer).unwrap();
        assert_eq!(writer.len(), 9);
        assert_eq!(scan(writer.written()), Scan::Frame { frame, len: 9 });
    }

    #[test]
    fn a_wrong_header_check_is_known_before_the_frame_ends() {
        let mut bytes = message(&[0x0F; 60], 100);
        bytes[8] ^= 1;
        assert!(matches!(scan(&bytes[..12]), Scan::Bad { error: Error::HcsMismatch { .. }, len: 77 }));
    }

    #[test]
    fn every_truncation_waits_and_the_answer_is_final() {
        let bytes = message(&[0x0F; 60], 100);
        let whole = scan(&bytes);
        for end in 0..bytes.len() {
            assert_eq!(scan(&bytes[..end]), Scan::NeedMore, "{end}");
        }
        let longer = [&bytes[..], &[0x7E, 0xA0]].concat();
        assert_eq!(scan(&longer), whole);
        for at in 1..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let at_first = (0..=damaged.len()).map(|end| scan(&damaged[..end]));
            let mut decided = at_first.skip_while(|scan| *scan == Scan::NeedMore);
            if let Some(first @ Scan::Bad { .. }) = decided.next() {
                assert!(decided.all(|scan| scan == first), "{at}");
            }
        }
    }

    #[test]
    fn a_flipped_byte_is_never_accepted() {
        let bytes = message(&[0x0F; 60], 100);
        for at in 0..bytes.len() {
            for mask in 1..=255 {
                let mut damaged = bytes.clone();
                damaged[at] ^= mask;
                assert!(!matches!(scan(&damaged), Scan::Frame { .. }), "{at} {mask:02X}");
            }
        }
    }

    #[test]
    fn fill_flags_and_noise_are_skipped() {
        assert_eq!(scan(&[0x7E, 0x7E, 0xA0]), Scan::Skip(1));
        assert_eq!(scan(&[0x00, 0xA0, 0x7E]), Scan::Skip(2));
        assert_eq!(scan(&[0x7E, 0x12, 0x13]), Scan::Skip(3));
        assert_eq!(scan(&[0x7E]), Scan::NeedMore);
    }

    #[test]
    fn impossible_headers_are_refused_with_their_place() {
        let three = [0x7E, 0xA0, 0x20, 0x02, 0x02, 0x23, 0x21, 0x13];
        assert!(matches!(scan(&three), Scan::Bad { error: Error::Address { at: 3 }, .. }));
        let short = [0x7E, 0xA0, 0x04];
        assert!(matches!(scan(&short), Scan::Bad { error: Error::TooShort { len: 4, needed: 7 }, len: 6 }));
    }
}
