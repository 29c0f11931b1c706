//! Data-notification (IEC 62056-5-3:2023, 6.10 and 8): what a meter pushes.
//!
//! ```text
//! 0F | long-invoke-id-and-priority | date-time            | notification body
//!          4 bytes                   00, or 0C + 12 bytes   one A-XDR data, to the last byte
//! ```
//!
//! Kaifa and old Kamstrup firmware puts an A-XDR tag in front of the length of the date-time (09 0C), which the standard
//! does not have. Both are read.
use core::fmt;

use super::axdr::{self, Data};
use super::date_time::{self, DateTime};
use crate::{Full, Reader, Short, Writer};

/// First byte of a data-notification APDU.
pub const TAG: u8 = 0x0F;

const OCTET_STRING: u8 = 0x09;
/// [`date_time::LEN`] as the length byte of an octet string.
const DATE_TIME_LEN: u8 = 0x0C;

/// A data-notification whose body was walked to the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataNotification<'a> {
    /// Long-invoke-id-and-priority: bits 0-23 the invoke id, bit 31 high priority, bit 30 confirmed service.
    pub long_invoke_id: u32,
    /// When the meter sent it, if it says so. The value is as sent, plausible or not.
    pub date_time: Option<DateTime>,
    /// The notification body.
    pub body: Data<'a>,
}

impl<'a> DataNotification<'a> {
    /// Reads a data-notification that fills `bytes`.
    ///
    /// # Errors
    /// [`Error::Tag`] for another APDU, [`Error::Short`] when the header is cut off, [`Error::DateTime`] when the
    /// date-time is neither absent nor of 12 bytes, [`Error::Body`] when the body is not one A-XDR data to the last byte.
    ///
    /// ```
    /// use metergate_wire::dlms::{apdu::{DataNotification, Error}, axdr::Value};
    ///
    /// let bytes = [0x0F, 0x40, 0, 0, 0, 0x00, 0x06, 0x00, 0x00, 0x05, 0x28];
    /// let notification = DataNotification::parse(&bytes)?;
    /// assert_eq!(notification.date_time, None);
    /// assert_eq!(notification.body.value(), Value::U32(1320));
    /// assert_eq!(DataNotification::parse(&[0xC4]), Err(Error::Tag { found: 0xC4 }));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            TAG => {}
            found => return Err(Error::Tag { found }),
        }
        let long_invoke_id = reader.u32_be()?;
        let mut len_at = reader.at();
        let mut len = reader.u8()?;
        if len == OCTET_STRING {
            len_at = reader.at();
            len = reader.u8()?;
        }
        let date_time = match len {
            0 => None,
            DATE_TIME_LEN => Some(DateTime::new(reader.array::<{ date_time::LEN }>()?)),
            found => return Err(Error::DateTime { at: len_at, found }),
        };
        let body = Data::validate_at(reader.rest(), reader.at())?;
        Ok(Self { long_invoke_id, date_time, body })
    }
}

/// Writes the header of a data-notification; the body follows, written with [`emit`](super::emit).
///
/// `tagged` puts the 09 of Kaifa in front of the date-time.
///
/// # Errors
/// [`Full`] when the buffer is too small.
pub fn emit_header(
    writer: &mut Writer<'_>,
    long_invoke_id: u32,
    date_time: Option<DateTime>,
    tagged: bool,
) -> Result<(), Full> {
    writer.u8(TAG)?;
    writer.u32_be(long_invoke_id)?;
    if tagged {
        writer.u8(OCTET_STRING)?;
    }
    match date_time {
        None => writer.u8(0),
        Some(date_time) => {
            writer.u8(DATE_TIME_LEN)?;
            writer.put(&date_time.to_bytes())
        }
    }
}

/// Why bytes are no data-notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The bytes end inside the header.
    Short(Short),
    /// Another APDU; [`name`](super::name) knows which.
    Tag {
        /// The first byte.
        found: u8,
    },
    /// The date-time has neither 0 nor 12 bytes.
    DateTime {
        /// Offset of its length.
        at: usize,
        /// Its length byte.
        found: u8,
    },
    /// The body is no A-XDR data; offsets count from the first byte of the data-notification.
    Body(axdr::Error),
}

impl From<Short> for Error {
    fn from(short: Short) -> Self {
        Self::Short(short)
    }
}

impl From<axdr::Error> for Error {
    fn from(error: axdr::Error) -> Self {
        Self::Body(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(short) => short.fmt(f),
            Self::Tag { found } => {
                write!(f, "a data-notification begins with 0F, but {found:02X} stands there")?;
                super::name(*found).map_or(Ok(()), |name| write!(f, " ({name})"))
            }
            Self::DateTime { at, found } => {
                write!(f, "the date-time should have 0 or 12 bytes, but its length at byte {at} is {found}")
            }
            Self::Body(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlms::axdr::Value;
    use crate::dlms::emit;

    const TIME: [u8; 12] = [0x07, 0xE1, 0x09, 0x0C, 0x02, 0x17, 0x12, 0x2A, 0xFF, 0x80, 0x00, 0x00];

    #[test]
    fn date_time_is_absent_present_or_tagged() {
        for (date_time, tagged) in
            [(None, false), (Some(DateTime::new(TIME)), false), (Some(DateTime::new(TIME)), true)]
        {
            let mut buffer = [0; 64];
            let mut writer = Writer::new(&mut buffer);
            emit_header(&mut writer, 0x4000_0000, date_time, tagged).unwrap();
            emit::value(&mut writer, Value::U32(1320)).unwrap();
            let bytes = writer.written();
            let notification = DataNotification::parse(bytes).unwrap();
            assert_eq!((notification.date_time, notification.long_invoke_id), (date_time, 0x4000_0000));
            for end in 0..bytes.len() {
                assert!(DataNotification::parse(&bytes[..end]).is_err(), "{end}");
            }
        }
    }

    #[test]
    fn a_date_time_of_eleven_bytes_is_refused() {
        let bytes = [0x0F, 0, 0, 0, 0, 0x0B, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(DataNotification::parse(&bytes), Err(Error::DateTime { at: 5, found: 0x0B }));
    }

    #[test]
    fn errors_of_the_body_name_the_offset_in_the_message() {
        let bytes = [0x0F, 0, 0, 0, 0, 0x00, 0x02, 0x01, 0x06, 0x00];
        let short = axdr::Error::Short(Short { at: 9, needed: 4, have: 1 });
        assert_eq!(DataNotification::parse(&bytes), Err(Error::Body(short)));
    }
}
