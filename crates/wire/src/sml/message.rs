//! SML files and messages (SML 1.04, clauses 4 and 5).
//!
//! ```text
//! 76              list of six
//!   05 00 19 4C 26  transactionId
//!   62 00           groupNo; 1 byte, ITRON 3.HZ sends 4 (65 00 00 00 01)
//!   62 00           abortOnError
//!   72              messageBody: a choice
//!     63 07 01        its number, here GetListResponse
//!     77 ..           its content
//!   63 6F D2        crc over the bytes from 76 to here, low byte first; a leading zero byte is dropped (62 D2)
//!   00              end of the message
//! ```
//!
//! A file is a row of messages and, inside a transport frame, 0 to 3 padding bytes 00. It is accepted as a whole: one
//! wrong message CRC refuses it.
use core::fmt;

use super::list::{GetListResponse, KnownEntries, Time};
use super::profile::{GetProfileListResponse, GetProfilePackResponse};
use super::{Crc, tlv};
use crate::{Full, Reader, Writer};

/// Why bytes are no SML file. `at` is the offset in the file, without transport start and escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A field is not what the standard has there.
    Field(tlv::Error),
    /// A message's own CRC is wrong.
    CrcMismatch {
        /// Offset of the message.
        at: usize,
        /// The CRC of its bytes, the two bytes in the order of the line.
        expected: u16,
        /// What the message says, in the same order.
        found: u16,
    },
    /// The bytes after the last message are not the padding that the frame announces.
    Padding {
        /// Offset of the first byte after the last message.
        at: usize,
        /// Padding bytes announced.
        expected: usize,
        /// Bytes left, or the zero bytes before one that is not zero.
        found: usize,
    },
}

impl From<tlv::Error> for Error {
    fn from(error: tlv::Error) -> Self {
        Self::Field(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Field(error) => error.fmt(f),
            Self::CrcMismatch { at, expected, found } => {
                write!(
                    f,
                    "the CRC of the message at offset {at} is {found:04x}, its bytes have {expected:04x}"
                )
            }
            Self::Padding { at, expected, found } => {
                write!(
                    f,
                    "{found} padding bytes follow the last message at offset {at}, {expected} are announced"
                )
            }
        }
    }
}

impl core::error::Error for Error {}

/// What stands in front of every message body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// Names the message; counts up in most meters.
    pub transaction_id: &'a [u8],
    /// Messages of one group may be executed in any order.
    pub group_no: u32,
    /// What to do with the rest after an error: 00 go on.
    pub abort_on_error: u8,
}

/// One message with the right CRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its head.
    pub head: Head<'a>,
    /// Its content.
    pub body: Body<'a>,
}

/// The content of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// 0101: begins the file.
    OpenResponse(OpenResponse<'a>),
    /// 0201: ends the file.
    CloseResponse {
        /// A signature over the file.
        global_signature: Option<&'a [u8]>,
    },
    /// 0301: several periods of the same registers.
    GetProfilePackResponse(GetProfilePackResponse<'a>),
    /// 0401: one period.
    GetProfileListResponse(GetProfileListResponse<'a>),
    /// 0701: the registers now.
    GetListResponse(GetListResponse<'a>),
    /// FF01: the meter reports an error.
    AttentionResponse(AttentionResponse<'a>),
    /// Any other content; its structure was checked, its meaning is not known here.
    Other {
        /// The number of the choice.
        tag: u32,
        /// The content as sent.
        bytes: &'a [u8],
    },
}

const OPEN_RESPONSE: u32 = 0x0101;
const CLOSE_RESPONSE: u32 = 0x0201;
const GET_LIST_RESPONSE: u32 = GetListResponse::TAG;
const ATTENTION_RESPONSE: u32 = 0xFF01;

impl<'a> Body<'a> {
    /// The number that names this content.
    #[must_use]
    pub const fn tag(&self) -> u32 {
        match self {
            Self::OpenResponse(_) => OPEN_RESPONSE,
            Self::CloseResponse { .. } => CLOSE_RESPONSE,
            Self::GetProfilePackResponse(_) => GetProfilePackResponse::TAG,
            Self::GetProfileListResponse(_) => GetProfileListResponse::TAG,
            Self::GetListResponse(_) => GET_LIST_RESPONSE,
            Self::AttentionResponse(_) => ATTENTION_RESPONSE,
            Self::Other { tag, .. } => *tag,
        }
    }

    fn read(reader: &mut Reader<'a>, known: &mut Option<KnownEntries<'a>>) -> Result<Self, tlv::Error> {
        tlv::sequence(reader, 2)?;
        let tag = tlv::u32(reader)?;
        Ok(match tag {
            OPEN_RESPONSE => Self::OpenResponse(OpenResponse::read(reader)?),
            CLOSE_RESPONSE => {
                tlv::sequence(reader, 1)?;
                Self::CloseResponse { global_signature: tlv::optional_octets(reader)? }
            }
            GetProfilePackResponse::TAG => {
                Self::GetProfilePackResponse(GetProfilePackResponse::read(reader)?)
            }
            GetProfileListResponse::TAG => {
                Self::GetProfileListResponse(GetProfileListResponse::read(reader)?)
            }
            GET_LIST_RESPONSE => Self::GetListResponse(GetListResponse::read(reader, known)?),
            ATTENTION_RESPONSE => Self::AttentionResponse(AttentionResponse::read(reader)?),
            tag => Self::Other { tag, bytes: tlv::any(reader)? },
        })
    }

    /// Appends the content, without its number.
    ///
    /// # Errors
    /// [`Full`] when the writer's buffer is too small.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        match self {
            Self::OpenResponse(open) => open.emit(out),
            Self::CloseResponse { global_signature } => {
                tlv::emit_list_head(out, 1)?;
                tlv::emit_octets(out, global_signature.unwrap_or_default())
            }
            Self::GetProfilePackResponse(profile) => profile.emit(out),
            Self::GetProfileListResponse(profile) => profile.emit(out),
            Self::GetListResponse(list) => list.emit(out),
            Self::AttentionResponse(attention) => attention.emit(out),
            Self::Other { bytes, .. } => out.put(bytes),
        }
    }
}

/// Begins a file (SML_PublicOpen.Res).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenResponse<'a> {
    /// Code page of texts; not set means ISO 8859-15.
    pub codepage: Option<&'a [u8]>,
    /// Who asked.
    pub client_id: Option<&'a [u8]>,
    /// Ties the answer to a request. The standard wants it, EFR leaves it out.
    pub req_file_id: Option<&'a [u8]>,
    /// Which meter this is.
    pub server_id: &'a [u8],
    /// The meter's time.
    pub ref_time: Option<Time>,
    /// Version of SML; not set means 1.
    pub sml_version: Option<u8>,
}

impl<'a> OpenResponse<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, tlv::Error> {
        tlv::sequence(reader, 6)?;
        Ok(Self {
            codepage: tlv::optional_octets(reader)?,
            client_id: tlv::optional_octets(reader)?,
            req_file_id: tlv::optional_octets(reader)?,
            server_id: tlv::octets(reader)?,
            ref_time: tlv::optional(reader, Time::read)?,
            sml_version: tlv::optional(reader, tlv::u8)?,
        })
    }

    fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        tlv::emit_list_head(out, 6)?;
        tlv::emit_octets(out, self.codepage.unwrap_or_default())?;
        tlv::emit_octets(out, self.client_id.unwrap_or_default())?;
        tlv::emit_octets(out, self.req_file_id.unwrap_or_default())?;
        tlv::emit_octets(out, self.server_id)?;
        tlv::emit_optional(out, self.ref_time, |out, time| time.emit(out))?;
        tlv::emit_optional(out, self.sml_version, |out, version| tlv::emit_unsigned(out, version.into(), 1))
    }
}

/// The meter could not do what it was asked for (SML_Attention.Res).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionResponse<'a> {
    /// Which meter this is.
    pub server_id: &'a [u8],
    /// Number of the error, an OBIS code 81 81 C7 C7 xx xx.
    pub attention_no: &'a [u8],
    /// The error in words.
    pub attention_msg: Option<&'a [u8]>,
    /// More about it: an SML_Tree as sent.
    pub attention_details: Option<&'a [u8]>,
}

impl<'a> AttentionResponse<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, tlv::Error> {
        tlv::sequence(reader, 4)?;
        Ok(Self {
            server_id: tlv::octets(reader)?,
            attention_no: tlv::octets(reader)?,
            attention_msg: tlv::optional_octets(reader)?,
            attention_details: tlv::optional(reader, tlv::any)?,
        })
    }

    fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        tlv::emit_list_head(out, 4)?;
        tlv::emit_octets(out, self.server_id)?;
        tlv::emit_octets(out, self.attention_no)?;
        tlv::emit_octets(out, self.attention_msg.unwrap_or_default())?;
        tlv::emit_optional(out, self.attention_details, |out, bytes| out.put(bytes))
    }
}

impl<'a> Message<'a> {
    /// Reads one message and checks its CRC.
    pub(super) fn read_checked(
        reader: &mut Reader<'a>,
        crc: Crc,
        known: &mut Option<KnownEntries<'a>>,
    ) -> Result<Self, Error> {
        let before = *reader;
        let message = Self::read_to_crc(reader, known)?;
        let checked = before.rest().get(..reader.at() - before.at()).unwrap_or_default();
        let found = tlv::u16(reader)?;
        if !crc.matches(checked, found.to_be_bytes()) {
            let expected = u16::from_be_bytes(crc.of(checked));
            return Err(Error::CrcMismatch { at: before.at(), expected, found });
        }
        read_end(reader)?;
        Ok(message)
    }

    /// Reads one message whose CRC is known to be right.
    fn read_again(reader: &mut Reader<'a>, known: &mut Option<KnownEntries<'a>>) -> Result<Self, tlv::Error> {
        let message = Self::read_to_crc(reader, known)?;
        tlv::u64(reader)?;
        read_end(reader)?;
        Ok(message)
    }

    fn read_to_crc(
        reader: &mut Reader<'a>,
        known: &mut Option<KnownEntries<'a>>,
    ) -> Result<Self, tlv::Error> {
        tlv::sequence(reader, 6)?;
        let head = Head {
            transaction_id: tlv::octets(reader)?,
            group_no: tlv::u32(reader)?,
            abort_on_error: tlv::u8(reader)?,
        };
        Ok(Self { head, body: Body::read(reader, known)? })
    }

    /// Appends the message.
    ///
    /// # Errors
    /// [`Full`] when the writer's buffer is too small.
    pub fn emit(&self, out: &mut Writer<'_>, crc: Crc) -> Result<(), Full> {
        emit(out, crc, &self.head, self.body.tag(), |out| self.body.emit(out))
    }
}

/// Reads the byte 00 that ends a message.
fn read_end(reader: &mut Reader<'_>) -> Result<(), tlv::Error> {
    let at = reader.at();
    match reader.u8()? {
        0 => Ok(()),
        found => Err(tlv::Error::UnexpectedType { at, expected: tlv::Kind::EndOfMessage, found }),
    }
}

/// Appends one message: its head, the content that `body` writes under the number `tag`, the CRC and the end.
///
/// # Errors
/// [`Full`] when the writer's buffer is too small.
pub fn emit(
    out: &mut Writer<'_>,
    crc: Crc,
    head: &Head<'_>,
    tag: u32,
    body: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>,
) -> Result<(), Full> {
    let start = out.len();
    tlv::emit_list_head(out, 6)?;
    tlv::emit_octets(out, head.transaction_id)?;
    tlv::emit_unsigned(out, head.group_no.into(), 1)?;
    tlv::emit_unsigned(out, head.abort_on_error.into(), 1)?;
    tlv::emit_list_head(out, 2)?;
    tlv::emit_unsigned(out, tag.into(), 2)?;
    body(out)?;
    let checksum = crc.of(out.written().get(start..).unwrap_or_default());
    tlv::emit_unsigned(out, u16::from_be_bytes(checksum).into(), 2)?;
    out.u8(0)
}

/// A whole SML file: every message has its structure and its CRC right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File<'a> {
    messages: &'a [u8],
    known: Option<KnownEntries<'a>>,
}

impl<'a> File<'a> {
    /// Reads through the unescaped body of a frame, with the number of padding bytes and the CRC of that frame.
    ///
    /// ```
    /// use metergate_wire::sml::{Crc, Error, File};
    ///
    /// // A CloseResponse: 71 01 is its empty signature.
    /// let close = [0x76, 0x02, 0x01, 0x62, 0, 0x62, 0, 0x72, 0x63, 0x02, 0x01, 0x71, 0x01, 0x63, 0xF7, 0x9E, 0];
    /// let padded = [&close[..], &[0, 0, 0]].concat();
    /// assert_eq!(File::new_checked(&padded, 3, Crc::X25).map(|file| file.messages().count()), Ok(1));
    /// let error = Error::Padding { at: 17, expected: 2, found: 3 };
    /// assert_eq!(File::new_checked(&padded, 2, Crc::X25), Err(error));
    /// ```
    ///
    /// # Errors
    /// [`Error::CrcMismatch`] for a wrong message CRC, [`Error::Padding`] when other bytes than the padding follow the
    /// last message, [`Error::Field`] for anything else that is not as the standard has it.
    pub fn new_checked(body: &'a [u8], padding: u8, crc: Crc) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let mut known = None;
        while reader.peek().is_some_and(|byte| byte != 0) {
            Message::read_checked(&mut reader, crc, &mut known)?;
        }
        let (at, padded) = (reader.at(), reader.rest());
        let expected = usize::from(padding);
        let found = padded.iter().take_while(|&&byte| byte == 0).count();
        if found != expected || found != padded.len() {
            return Err(Error::Padding { at, expected, found });
        }
        Ok(Self { messages: body.get(..at).unwrap_or_default(), known })
    }

    /// The messages, in order.
    #[must_use]
    pub const fn messages(&self) -> Messages<'a> {
        Messages { reader: Reader::new(self.messages), known: self.known }
    }
}

/// The messages of a checked file.
#[derive(Debug, Clone, Copy)]
pub struct Messages<'a> {
    reader: Reader<'a>,
    known: Option<KnownEntries<'a>>,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        // Fails at the end only: the same bytes were read in `File::new_checked`.
        Message::read_again(&mut self.reader, &mut self.known).ok()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::vec::Vec;

    use super::super::list::{Entry, Number, Value};
    use super::super::profile::{Period, PeriodEntry, PeriodValue, ProfileHeader};
    use super::super::transport;
    use super::*;
    use crate::{Scan, checksum};

    const SERVER: &[u8] = &[0x0A, 0x01, b'E', b'M', b'H', 0, 0, 0x12, 0x34, 0x56];

    fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let mut out = Writer::new(&mut buffer);
        write(&mut out).unwrap();
        out.written().to_vec()
    }

    fn head(transaction_id: &[u8]) -> Head<'_> {
        Head { transaction_id, group_no: 0, abort_on_error: 0 }
    }

    pub(in crate::sml) fn entries() -> [Entry<'static>; 4] {
        [
            Entry::new([1, 0, 96, 50, 1, 1], Value::Octets(b"EMH")),
            Entry {
                status: Some(0x1C_0104),
                val_time: Some(Time::Untagged(0x0A58_3B80)),
                unit: Some(30),
                scaler: Some(-1),
                ..Entry::new([1, 0, 1, 8, 0, 255], Value::Number(Number::unsigned(123_456).in_bytes(8)))
            },
            Entry::new([1, 0, 96, 50, 2, 6], Value::Null),
            Entry {
                unit: Some(27),
                scaler: Some(-2),
                ..Entry::new([1, 0, 16, 7, 0, 255], Value::Number(Number::signed(-32731)))
            },
        ]
    }

    pub(in crate::sml) fn list_message(crc: Crc, entries: &[Entry<'static>]) -> Vec<u8> {
        let list = GetListResponse {
            client_id: None,
            server_id: SERVER,
            list_name: Some(&[1, 0, 0x62, 0x0A, 0xFF, 0xFF]),
            act_sensor_time: Some(Time::SecIndex(99_043_543)),
            entries: entries.iter().copied(),
            list_signature: Some(&[0xA5; 48]),
            act_gateway_time: None,
        };
        written(|out| emit(out, crc, &head(&[0, 2]), GET_LIST_RESPONSE, |out| list.emit(out)))
    }

    pub(in crate::sml) fn open_message(crc: Crc) -> Vec<u8> {
        let open = OpenResponse {
            codepage: None,
            client_id: None,
            req_file_id: None,
            server_id: SERVER,
            ref_time: None,
            sml_version: None,
        };
        let message = Message { head: head(&[0, 1]), body: Body::OpenResponse(open) };
        written(|out| message.emit(out, crc))
    }

    fn close_message(crc: Crc) -> Vec<u8> {
        let message = Message { head: head(&[0, 3]), body: Body::CloseResponse { global_signature: None } };
        written(|out| message.emit(out, crc))
    }

    fn file_bytes(crc: Crc) -> Vec<u8> {
        [open_message(crc), list_message(crc, &entries()), close_message(crc)].concat()
    }

    fn only_list<'a>(file: &File<'a>) -> GetListResponse<'a> {
        let lists: Vec<_> = file
            .messages()
            .filter_map(|message| match message.body {
                Body::GetListResponse(list) => Some(list),
                _ => None,
            })
            .collect();
        assert_eq!(lists.len(), 1);
        lists[0]
    }

    #[test]
    fn file_comes_back_with_every_entry() {
        for crc in [Crc::X25, Crc::Kermit] {
            let bytes = file_bytes(crc);
            let file = File::new_checked(&bytes, 0, crc).unwrap();
            assert_eq!(file.messages().count(), 3);
            let list = only_list(&file);
            assert_eq!(list.server_id, SERVER);
            assert_eq!(list.entries.collect::<Vec<_>>(), entries());
            assert_eq!(list.list_signature, Some(&[0xA5; 48][..]));
            let again = written(|out| file.messages().try_for_each(|message| message.emit(out, crc)));
            assert_eq!(again, bytes);
        }
    }

    #[test]
    fn file_of_one_crc_is_no_file_of_the_other() {
        let mixed = [open_message(Crc::X25), list_message(Crc::Kermit, &entries())].concat();
        for crc in [Crc::X25, Crc::Kermit] {
            assert!(matches!(File::new_checked(&mixed, 0, crc), Err(Error::CrcMismatch { .. })));
        }
    }

    #[test]
    fn kermit_is_sent_high_byte_first_and_read_in_both_orders() {
        let bytes = close_message(Crc::Kermit);
        let (start, &[tl, high, low, end]) = bytes.split_last_chunk().unwrap();
        assert_eq!((tl, end), (0x63, 0x00));
        assert_eq!([high, low], checksum::kermit(start).to_be_bytes());
        assert!(File::new_checked(&bytes, 0, Crc::Kermit).is_ok());
        let swapped = [start, &[tl, low, high, end]].concat();
        assert!(File::new_checked(&swapped, 0, Crc::Kermit).is_ok());

        let bytes = close_message(Crc::X25);
        let (start, &[tl, low, high, end]) = bytes.split_last_chunk().unwrap();
        assert_eq!([low, high], checksum::x25(start).to_le_bytes());
        let swapped = [start, &[tl, high, low, end]].concat();
        assert!(matches!(File::new_checked(&swapped, 0, Crc::X25), Err(Error::CrcMismatch { .. })));
    }

    #[test]
    fn leading_zero_of_a_crc_may_be_dropped() {
        let mut seen = 0;
        for number in 0..=u16::MAX {
            let id = number.to_be_bytes();
            let message = Message { head: head(&id), body: Body::CloseResponse { global_signature: None } };
            let bytes = written(|out| message.emit(out, Crc::X25));
            let Some((&[tl, 0x00, high, 0x00], start)) =
                bytes.split_last_chunk().map(|(start, end)| (end, start))
            else {
                continue;
            };
            assert_eq!(tl, 0x63);
            let short = [start, &[0x62, high, 0x00]].concat();
            assert!(File::new_checked(&short, 0, Crc::X25).is_ok());
            let wrong = [start, &[0x62, high ^ 1, 0x00]].concat();
            assert!(matches!(File::new_checked(&wrong, 0, Crc::X25), Err(Error::CrcMismatch { .. })));
            seen += 1;
        }
        assert!(seen > 100);
    }

    #[test]
    fn group_number_of_four_bytes_is_read() {
        // ITRON 3.HZ.
        let mut bytes =
            std::vec![0x76, 0x02, 0x01, 0x65, 0, 0, 0, 1, 0x62, 0, 0x72, 0x63, 0x02, 0x01, 0x71, 0x01];
        let crc = Crc::X25.of(&bytes);
        bytes.push(0x63);
        bytes.extend(crc);
        bytes.push(0);
        let file = File::new_checked(&bytes, 0, Crc::X25).unwrap();
        assert_eq!(file.messages().next().unwrap().head.group_no, 1);
    }

    #[test]
    fn list_of_more_than_fifteen_entries_is_read() {
        let many: Vec<_> = (0..30)
            .map(|c| Entry::new([1, 0, c, 7, 0, 255], Value::Number(Number::signed(c.into()))))
            .collect();
        let bytes = list_message(Crc::X25, &many);
        let file = File::new_checked(&bytes, 0, Crc::X25).unwrap();
        assert_eq!(only_list(&file).entries.collect::<Vec<_>>(), many);
    }

    #[test]
    fn number_beyond_63_bits_refuses_the_file() {
        let bytes = list_message(Crc::X25, &entries());
        let at = bytes.windows(2).position(|pair| pair == [0x69, 0x00]).unwrap();
        let body = &mut bytes[..bytes.len() - 4].to_vec();
        body[at + 1] = 0x80;
        let crc = Crc::X25.of(body);
        body.extend([0x63, crc[0], crc[1], 0x00]);
        assert_eq!(File::new_checked(body, 0, Crc::X25), Err(Error::Field(tlv::Error::OutOfRange { at })));
    }

    #[test]
    fn padding_must_be_what_the_frame_says() {
        let mut bytes = file_bytes(Crc::X25);
        let at = bytes.len();
        bytes.extend([0, 0]);
        assert!(File::new_checked(&bytes, 2, Crc::X25).is_ok());
        let error = Error::Padding { at, expected: 1, found: 2 };
        assert_eq!(File::new_checked(&bytes, 1, Crc::X25), Err(error));
        bytes.push(0x41);
        assert!(matches!(File::new_checked(&bytes, 2, Crc::X25), Err(Error::Padding { found: 2, .. })));
    }

    #[test]
    fn each_cut_and_each_flip_of_a_message_is_refused() {
        let bytes = list_message(Crc::X25, &entries());
        for len in 1..bytes.len() {
            assert!(File::new_checked(&bytes[..len], 0, Crc::X25).is_err());
        }
        for at in 0..bytes.len() {
            for mask in 1..=u8::MAX {
                let mut bytes = bytes.clone();
                bytes[at] ^= mask;
                assert!(File::new_checked(&bytes, 0, Crc::X25).is_err(), "{mask:02x} at {at}");
            }
        }
    }

    #[test]
    fn escaped_and_padded_telegram_comes_back() {
        let mut tricky = entries();
        tricky[0].value =
            Value::Octets(&[0x1B, 0x1B, 0x1B, 0x1B, 0x1B, 0x01, 0x01, 0x01, 0x01, 0x1B, 0x1B, 0x1B]);
        let file = list_message(Crc::X25, &tricky);
        let line = written(|out| transport::emit(out, Crc::X25, &file));
        let Scan::Frame { frame, .. } = transport::scan(&line) else {
            panic!("{:?}", transport::scan(&line))
        };
        assert!(frame.has_escapes());
        let mut body = frame.body().to_vec();
        let len = transport::unescape_in_place(&mut body);
        let file = File::new_checked(&body[..len], frame.padding(), frame.crc()).unwrap();
        assert_eq!(only_list(&file).entries.collect::<Vec<_>>(), tricky);
    }

    #[test]
    fn unknown_content_is_skipped_and_kept() {
        let bytes = [0x72, 0x02, 0x41, 0x71, 0x42, 0x01];
        let message = Message { head: head(&[1]), body: Body::Other { tag: 0x0501, bytes: &bytes } };
        let file = written(|out| message.emit(out, Crc::X25));
        assert_eq!(File::new_checked(&file, 0, Crc::X25).unwrap().messages().next(), Some(message));
    }

    #[test]
    fn attention_comes_back() {
        let attention = AttentionResponse {
            server_id: SERVER,
            attention_no: &[0x81, 0x81, 0xC7, 0xC7, 0xFE, 0x03],
            attention_msg: Some(b"not now"),
            attention_details: Some(&[0x73, 0x01, 0x01, 0x01]),
        };
        let message = Message { head: head(&[1]), body: Body::AttentionResponse(attention) };
        let file = written(|out| message.emit(out, Crc::X25));
        assert_eq!(File::new_checked(&file, 0, Crc::X25).unwrap().messages().next(), Some(message));
    }

    fn profile_headers() -> [ProfileHeader; 2] {
        [1, 2].map(|c| ProfileHeader { obj_name: [1, 0, c, 8, 0, 255], unit: 30, scaler: -1 })
    }

    #[test]
    fn profile_pack_gives_a_value_for_each_header_and_period() {
        let value =
            |mantissa| PeriodValue { value: Value::Number(Number::signed(mantissa)), value_signature: None };
        let (first, second) = ([value(10), value(20)], [value(11), value(21)]);
        let period = |seconds, values| Period {
            val_time: Time::Timestamp(seconds),
            status: 0,
            values,
            period_signature: Some(&[7; 20][..]),
        };
        let pack = GetProfilePackResponse {
            server_id: SERVER,
            act_time: Time::Timestamp(1800),
            reg_period: 900,
            parameter_tree_path: &[&[1, 0, 99, 1, 0, 255][..]][..],
            headers: &profile_headers()[..],
            periods: &[period(0, &first[..]), period(900, &second[..])][..],
            rawdata: None,
            profile_signature: Some(&[9; 64]),
        };
        let file = written(|out| {
            emit(out, Crc::X25, &head(&[1]), GetProfilePackResponse::TAG, |out| pack.emit(out))
        });
        let body = File::new_checked(&file, 0, Crc::X25).unwrap().messages().next().unwrap().body;
        let Body::GetProfilePackResponse(read) = body else { panic!("{body:?}") };
        assert_eq!((read.reg_period, read.profile_signature), (900, pack.profile_signature));
        assert_eq!(read.parameter_tree_path.collect::<Vec<_>>(), pack.parameter_tree_path);
        assert_eq!(read.headers.collect::<Vec<_>>(), profile_headers());
        let values: Vec<Vec<_>> = read.periods.map(|period| period.values.collect()).collect();
        assert_eq!(values, [first, second]);
        let again = written(|out| Message { head: head(&[1]), body }.emit(out, Crc::X25));
        assert_eq!(again, file);

        let short = GetProfilePackResponse { headers: &profile_headers()[..1], ..pack };
        let file = written(|out| {
            emit(out, Crc::X25, &head(&[1]), GetProfilePackResponse::TAG, |out| short.emit(out))
        });
        assert!(matches!(
            File::new_checked(&file, 0, Crc::X25),
            Err(Error::Field(tlv::Error::ElementCount { expected: 1, found: 2, .. }))
        ));
    }

    #[test]
    fn profile_list_gives_its_entries() {
        let entries = profile_headers().map(|header| PeriodEntry {
            header,
            value: Value::Number(Number::unsigned(77)),
            value_signature: Some(&[1, 2]),
        });
        let profile = GetProfileListResponse {
            server_id: SERVER,
            act_time: Time::SecIndex(5),
            reg_period: 60,
            parameter_tree_path: &[][..],
            val_time: Time::SecIndex(4),
            status: 0x82,
            entries: &entries[..],
            rawdata: Some(b"raw"),
            period_signature: None,
        };
        let file = written(|out| {
            emit(out, Crc::X25, &head(&[1]), GetProfileListResponse::TAG, |out| profile.emit(out))
        });
        let body = File::new_checked(&file, 0, Crc::X25).unwrap().messages().next().unwrap().body;
        let Body::GetProfileListResponse(read) = body else { panic!("{body:?}") };
        assert_eq!(read.entries.collect::<Vec<_>>(), entries);
        assert_eq!((read.status, read.rawdata), (0x82, Some(&b"raw"[..])));
        let again = written(|out| Message { head: head(&[1]), body }.emit(out, Crc::X25));
        assert_eq!(again, file);
    }
}
