//! General-glo-ciphering (IEC 62056-5-3:2023, 6.5 and 8): the envelope of encrypted messages, read but not opened.
//!
//! ```text
//! DB | title length | system title | length | security control | invocation counter | ciphertext ... | tag
//!        1 byte       usually 8     1-5 bytes     1 byte             4 bytes             n bytes       12 or none
//!                                            |<--------------------- length bytes --------------------------->|
//! ```
//!
//! Title and invocation counter together are the initialisation vector of AES-GCM. The tag is there when bit 4 of the
//! security control byte is set.
use core::fmt;

use super::{LengthError, length, put_length};
use crate::{Full, Reader, Scan, Short, Writer, find};

/// First byte of a general-glo-ciphering APDU.
pub const TAG: u8 = 0xDB;
/// Length of an authentication tag of DLMS.
pub const AUTHENTICATION_TAG_LEN: usize = 12;
/// Longest content that [`scan`] waits for: operators' P1 telegrams have at most 2 KiB, and a wrong start in noise must
/// not hold up the stream for longer.
pub const SCAN_CONTENT_LEN_MAX: usize = 4096;

/// Security control byte and invocation counter.
const SECURITY_HEADER_LEN: usize = 5;

/// The security control byte: what was done with the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecurityControl(pub u8);

impl SecurityControl {
    /// Bits 0-3: security suite. 0 and 1 use AES-128-GCM for the content, 2 uses AES-256-GCM.
    #[must_use]
    pub const fn suite(self) -> u8 {
        self.0 & 0x0F
    }

    /// Bit 4: a tag authenticates the content.
    #[must_use]
    pub const fn is_authenticated(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// Bit 5: the content is encrypted.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// Bit 6: the broadcast key is used in place of the unicast key.
    #[must_use]
    pub const fn uses_broadcast_key(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Bit 7: the content was compressed before encryption.
    #[must_use]
    pub const fn is_compressed(self) -> bool {
        self.0 & 0x80 != 0
    }
}

/// A general-glo-ciphering APDU whose lengths are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneralGloCiphering<'a> {
    /// Who encrypted: three letters of the manufacturer and five bytes of serial number, for most meters.
    pub system_title: &'a [u8],
    /// What was done with the content.
    pub security_control: SecurityControl,
    /// Rises with every message of the same key.
    pub invocation_counter: u32,
    /// The content without its tag; plain when it is only authenticated.
    pub ciphertext: &'a [u8],
    /// The tag, when the security control byte says that there is one.
    pub tag: Option<&'a [u8; AUTHENTICATION_TAG_LEN]>,
}

impl<'a> GeneralGloCiphering<'a> {
    /// Reads an APDU that fills `bytes`.
    ///
    /// # Errors
    /// [`Error::Short`] when a field is cut off, [`Error::Trailing`] when bytes follow, [`Error::Tag`] for another APDU,
    /// [`Error::LengthForm`] and [`Error::NoRoom`] when the length makes no sense.
    ///
    /// ```
    /// use metergate_wire::dlms::ciphering::{Error, GeneralGloCiphering};
    ///
    /// let bytes = [0xDB, 2, 0x4B, 0x46, 7, 0x20, 0, 0, 0, 35, 0xAA, 0xBB];
    /// let message = GeneralGloCiphering::parse(&bytes)?;
    /// assert_eq!((message.invocation_counter, message.ciphertext), (35, &[0xAA, 0xBB][..]));
    /// assert_eq!(GeneralGloCiphering::parse(&[0x0F]), Err(Error::Tag { found: 0x0F }));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (message, len) = Self::read(bytes, usize::MAX)?;
        if len == bytes.len() { Ok(message) } else { Err(Error::Trailing { at: len }) }
    }

    /// Reads an APDU at the start of `bytes`, and its length.
    fn read(bytes: &'a [u8], content_len_max: usize) -> Result<(Self, usize), Error> {
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            TAG => {}
            found => return Err(Error::Tag { found }),
        }
        let title_len = reader.u8()?;
        let system_title = reader.take(usize::from(title_len))?;
        let length_at = reader.at();
        let content_len = length(&mut reader)?;
        if content_len > content_len_max {
            return Err(Error::TooLong { at: length_at, len: content_len, max: content_len_max });
        }
        let needed = SECURITY_HEADER_LEN;
        if content_len < needed {
            return Err(Error::NoRoom { at: length_at, len: content_len, needed });
        }
        let security_control = SecurityControl(reader.u8()?);
        let tag_len = if security_control.is_authenticated() { AUTHENTICATION_TAG_LEN } else { 0 };
        let Some(ciphertext_len) = content_len.checked_sub(SECURITY_HEADER_LEN + tag_len) else {
            let needed = SECURITY_HEADER_LEN + tag_len;
            return Err(Error::NoRoom { at: length_at, len: content_len, needed });
        };
        let invocation_counter = reader.u32_be()?;
        let ciphertext = reader.take(ciphertext_len)?;
        let tag = reader.take(tag_len)?.first_chunk();
        Ok((Self { system_title, security_control, invocation_counter, ciphertext, tag }, reader.at()))
    }

    /// Length of the whole APDU when its lengths are written in their shortest form.
    #[must_use]
    pub fn header_emit_len(&self) -> usize {
        let content_len = self.content_len();
        let length_len = match content_len {
            0..=0x7F => 1,
            0x80..=0xFF => 2,
            0x100..=0xFFFF => 3,
            0x1_0000..=0xFF_FFFF => 4,
            _ => 5,
        };
        2 + self.system_title.len() + length_len + SECURITY_HEADER_LEN
    }

    fn content_len(&self) -> usize {
        SECURITY_HEADER_LEN + self.ciphertext.len() + self.tag.map_or(0, |tag| tag.len())
    }

    /// Writes the APDU. It does not encrypt: the ciphertext goes out as it is.
    ///
    /// # Errors
    /// [`Full`] when the buffer is too small, or the system title longer than 255 bytes.
    pub fn emit(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        let title_len = u8::try_from(self.system_title.len()).map_err(|_| Full { capacity: 0xFF })?;
        writer.put(&[TAG, title_len])?;
        writer.put(self.system_title)?;
        put_length(writer, self.content_len())?;
        writer.u8(self.security_control.0)?;
        writer.u32_be(self.invocation_counter)?;
        writer.put(self.ciphertext)?;
        self.tag.map_or(Ok(()), |tag| writer.put(tag))
    }
}

/// Why bytes are no general-glo-ciphering APDU.
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
    /// The content cannot hold the security header and the tag that it must have.
    NoRoom {
        /// Offset of the length.
        at: usize,
        /// The length.
        len: usize,
        /// Bytes that header and tag need.
        needed: usize,
    },
    /// The content is longer than a stream may claim.
    TooLong {
        /// Offset of the length.
        at: usize,
        /// The length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Bytes follow the APDU where nothing may follow.
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
                write!(f, "general-glo-ciphering begins with DB, but {found:02X} stands there")?;
                super::name(*found).map_or(Ok(()), |name| write!(f, " ({name})"))
            }
            Self::LengthForm { at, found } => {
                write!(f, "the length at byte {at} begins with {found:02X}, which is no form of a length")
            }
            Self::NoRoom { at, len, needed } => {
                write!(
                    f,
                    "the length at byte {at} is {len}, but security header and tag alone need {needed} bytes"
                )
            }
            Self::TooLong { at, len, max } => {
                write!(f, "the length at byte {at} is {len}, and {max} bytes are the limit")
            }
            Self::Trailing { at } => write!(f, "bytes follow the encrypted message from byte {at} on"),
        }
    }
}

impl core::error::Error for Error {}

/// Looks for an APDU at the start of a stream that has no frames around it, such as encrypted P1.
///
/// There is no check sum: only the lengths speak for it. Waits for at most [`SCAN_CONTENT_LEN_MAX`] bytes of content.
#[must_use]
pub fn scan(bytes: &[u8]) -> Scan<GeneralGloCiphering<'_>, Error> {
    match GeneralGloCiphering::read(bytes, SCAN_CONTENT_LEN_MAX) {
        Ok((frame, len)) => Scan::Frame { frame, len },
        Err(Error::Short(_)) => Scan::NeedMore,
        Err(Error::Tag { .. }) => {
            Scan::Skip(1 + bytes.iter().skip(1).take_while(|&&byte| byte != TAG).count())
        }
        Err(error) => Scan::Bad { error, len: 1 },
    }
}

/// Position of the first [`TAG`] in `bytes`, where another APDU may begin.
///
/// ```
/// use metergate_wire::dlms::ciphering::find_tag;
///
/// assert_eq!(find_tag(b"\x0F\x80\xDB\x08"), Some(2));
/// assert_eq!(find_tag(b"\x0F\x80"), None);
/// ```
#[must_use]
pub fn find_tag(bytes: &[u8]) -> Option<usize> {
    find::byte(bytes, TAG)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn emitted(message: &GeneralGloCiphering<'_>) -> Vec<u8> {
        let mut buffer = std::vec![0; 0x1_0100];
        let mut writer = Writer::new(&mut buffer);
        message.emit(&mut writer).unwrap();
        assert_eq!(
            writer.len(),
            message.header_emit_len() + message.ciphertext.len() + message.tag.map_or(0, |tag| tag.len())
        );
        writer.written().to_vec()
    }

    fn check(title_len: usize, ciphertext_len: usize, control: u8) {
        let title = std::vec![0x4B; title_len];
        let ciphertext = std::vec![0xC5; ciphertext_len];
        let security_control = SecurityControl(control);
        let message = GeneralGloCiphering {
            system_title: &title,
            security_control,
            invocation_counter: 0x0102_0304,
            ciphertext: &ciphertext,
            tag: security_control.is_authenticated().then_some(&[0x7A; 12]),
        };
        assert_eq!(GeneralGloCiphering::parse(&emitted(&message)), Ok(message));
    }

    #[test]
    fn every_title_length_and_length_form_comes_back() {
        for title_len in 0..=255 {
            check(title_len, 20, 0x20);
        }
        for ciphertext_len in [0, 0x7A, 0x7B, 0xFA, 0xFB, 0x150, 0xFFFA, 0xFFFB] {
            check(8, ciphertext_len, 0x21);
            check(8, ciphertext_len, 0x30);
        }
    }

    #[test]
    fn security_control_bits() {
        let control = SecurityControl(0xF2);
        assert_eq!(control.suite(), 2);
        assert!(control.is_authenticated() && control.is_encrypted());
        assert!(control.uses_broadcast_key() && control.is_compressed());
        assert!(!SecurityControl(0x20).is_authenticated());
    }

    #[test]
    fn every_truncation_waits_in_a_stream_and_is_short_in_a_frame() {
        let title = *b"SAG54321";
        let message = GeneralGloCiphering {
            system_title: &title,
            security_control: SecurityControl(0x30),
            invocation_counter: 7,
            ciphertext: &[0xC5; 300],
            tag: Some(&[0x7A; 12]),
        };
        let bytes = emitted(&message);
        for end in 0..bytes.len() {
            assert_eq!(scan(&bytes[..end]), Scan::NeedMore);
            assert!(matches!(GeneralGloCiphering::parse(&bytes[..end]), Err(Error::Short(_))));
        }
        let longer = [&bytes[..], &[0xDB]].concat();
        assert_eq!(scan(&longer), Scan::Frame { frame: message, len: bytes.len() });
        assert_eq!(GeneralGloCiphering::parse(&longer), Err(Error::Trailing { at: bytes.len() }));
    }

    #[test]
    fn a_content_without_room_for_its_tag_is_refused() {
        let bytes = [0xDB, 0, 16, 0x30, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let error = Error::NoRoom { at: 2, len: 16, needed: 17 };
        assert_eq!(GeneralGloCiphering::parse(&bytes), Err(error));
        assert_eq!(scan(&bytes), Scan::Bad { error, len: 1 });
        assert_eq!(
            GeneralGloCiphering::parse(&[0xDB, 0, 4, 0x20]),
            Err(Error::NoRoom { at: 2, len: 4, needed: 5 })
        );
    }

    #[test]
    fn a_stream_may_not_claim_a_megabyte() {
        let bytes = [0xDB, 0, 0x83, 0x10, 0x00, 0x00];
        let error = Error::TooLong { at: 2, len: 0x10_0000, max: SCAN_CONTENT_LEN_MAX };
        assert_eq!(scan(&bytes), Scan::Bad { error, len: 1 });
    }

    #[test]
    fn other_envelopes_are_named() {
        let error = GeneralGloCiphering::parse(&[0xDC, 0x00]).unwrap_err();
        assert!(std::format!("{error}").contains("general-ded-ciphering"));
    }
}
