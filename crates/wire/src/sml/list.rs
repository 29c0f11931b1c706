//! GetListResponse: the registers that a meter pushes (SML 1.04, clause 5.1.14 "SML_GetList.Res").
//!
//! ```text
//! 77                            list of seven
//!   01                          clientId, optional
//!   0B 0A 01 45 4D 48 ..        serverId: medium, maker, number of the meter
//!   07 01 00 62 0A FF FF        listName, optional
//!   72 62 01 65 00 01 02 03     actSensorTime, optional: choice 01 (seconds index) with its value
//!   7n                          valList
//!     77                          one entry
//!       07 01 00 01 08 00 FF      objName, the OBIS code
//!       62 82                     status, optional
//!       01                        valTime, optional
//!       62 1E                     unit, optional (30 = Wh)
//!       52 FF                     scaler, optional (10^-1)
//!       56 00 00 01 E2 40         value
//!       01                        valueSignature, optional
//!   01                          listSignature, optional
//!   01                          actGatewayTime, optional
//! ```
use super::tlv::{self, Element, Error, ListOf};
use crate::{Full, Reader, Writer};

/// A time in one of the forms of SML_Time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Seconds since the meter was started; no time of day.
    SecIndex(u32),
    /// Seconds since 1970-01-01 00:00 UTC.
    Timestamp(u32),
    /// As [`Time::Timestamp`], with the offsets that make it local time.
    LocalTimestamp {
        /// Seconds since 1970-01-01 00:00 UTC.
        timestamp: u32,
        /// Minutes from UTC to standard time.
        local_offset_min: i16,
        /// Minutes from standard to daylight saving time, 0 in winter.
        season_offset_min: i16,
    },
    /// A number without its choice. Holley DTZ541 sends `65 01 1C 1E B7` in place of `72 62 01 65 01 1C 1E B7`: it means
    /// a seconds index.
    Untagged(u32),
}

impl Time {
    #[inline]
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        // Nearly all of them begin like this.
        if let Some(&[0x72, 0x62, choice @ (1 | 2)]) = reader.rest().first_chunk() {
            reader.take(3)?;
            let seconds = tlv::u32(reader)?;
            return Ok(if choice == 1 { Self::SecIndex(seconds) } else { Self::Timestamp(seconds) });
        }
        Self::read_any(reader)
    }

    fn read_any(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut ahead = *reader;
        let tl = tlv::type_length(&mut ahead)?;
        if tl.type_bits() == tlv::UNSIGNED {
            return tlv::u32(reader).map(Self::Untagged);
        }
        tlv::sequence(reader, 2)?;
        let at = reader.at();
        match tlv::u64(reader)? {
            1 => tlv::u32(reader).map(Self::SecIndex),
            2 => tlv::u32(reader).map(Self::Timestamp),
            3 => {
                tlv::sequence(reader, 3)?;
                Ok(Self::LocalTimestamp {
                    timestamp: tlv::u32(reader)?,
                    local_offset_min: tlv::i16(reader)?,
                    season_offset_min: tlv::i16(reader)?,
                })
            }
            found => Err(Error::UnknownChoice { at, found }),
        }
    }

    pub(super) fn emit(self, out: &mut Writer<'_>) -> Result<(), Full> {
        let (choice, seconds) = match self {
            Self::Untagged(seconds) => return tlv::emit_unsigned(out, seconds.into(), 4),
            Self::SecIndex(seconds) => (1, seconds),
            Self::Timestamp(seconds) => (2, seconds),
            Self::LocalTimestamp { timestamp, .. } => (3, timestamp),
        };
        tlv::emit_list_head(out, 2)?;
        tlv::emit_unsigned(out, choice, 1)?;
        let Self::LocalTimestamp { local_offset_min, season_offset_min, .. } = self else {
            return tlv::emit_unsigned(out, seconds.into(), 4);
        };
        tlv::emit_list_head(out, 3)?;
        tlv::emit_unsigned(out, seconds.into(), 4)?;
        tlv::emit_integer(out, local_offset_min.into(), 2)?;
        tlv::emit_integer(out, season_offset_min.into(), 2)
    }
}

/// A whole number as sent: its value, and how it was encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    mantissa: i64,
    width: u8,
    is_signed: bool,
}

impl Number {
    /// A signed number in as few bytes as hold it.
    #[must_use]
    pub const fn signed(mantissa: i64) -> Self {
        Self { mantissa, width: tlv::integer_width(mantissa), is_signed: true }
    }

    /// An unsigned number in as few bytes as hold it. The sign bit of `mantissa` is dropped.
    #[must_use]
    pub const fn unsigned(mantissa: u64) -> Self {
        let mantissa = mantissa & i64::MAX.cast_unsigned();
        Self { mantissa: mantissa.cast_signed(), width: tlv::unsigned_width(mantissa), is_signed: false }
    }

    /// The same number in at least `width` bytes, 8 at most.
    #[must_use]
    pub const fn in_bytes(self, width: u8) -> Self {
        let width = if width > 8 { 8 } else { width };
        Self { width: if width > self.width { width } else { self.width }, ..self }
    }

    /// The number, before unit and scaler.
    #[must_use]
    pub const fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// Bytes on the line, 1 to 8.
    #[must_use]
    pub const fn width(self) -> u8 {
        self.width
    }

    /// True when it was sent with the type "integer", false for "unsigned".
    #[must_use]
    pub const fn is_signed(self) -> bool {
        self.is_signed
    }
}

/// The value of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Not set (01); an empty octet string is the same byte.
    Null,
    /// Bytes: identifiers, keys, texts. At least one: an empty string is [`Value::Null`].
    Octets(&'a [u8]),
    /// True or false.
    Boolean(bool),
    /// A whole number within 64 bits signed; larger ones are refused.
    Number(Number),
    /// A list of values, nested up to [`tlv::DEPTH_MAX`].
    List(ListOf<'a, Value<'a>>),
}

impl<'a> Value<'a> {
    /// Takes one value off the front of `bytes`; `None`, and nothing taken, when none stands there.
    ///
    /// For who keeps the [bytes](ListOf::as_bytes) of a list and not the list.
    ///
    /// ```
    /// use metergate_wire::sml::Value;
    ///
    /// let mut bytes = &[0x42, 0x01, 0x52][..];
    /// assert_eq!(Value::take_first(&mut bytes), Some(Value::Boolean(true)));
    /// assert_eq!(Value::take_first(&mut bytes), None, "52 is half a number");
    /// ```
    #[must_use]
    pub fn take_first(bytes: &mut &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let value = Self::read(&mut reader).ok()?;
        *bytes = reader.rest();
        Some(value)
    }

    #[inline]
    fn read_nested(reader: &mut Reader<'a>, depth: usize) -> Result<Self, Error> {
        let at = reader.at();
        if let Some((bits, len)) = tlv::short_number(reader, tlv::INTEGER) {
            return Self::number(bits, len, true, at);
        }
        if let Some((bits, len)) = tlv::short_number(reader, tlv::UNSIGNED) {
            return Self::number(bits, len, false, at);
        }
        Self::read_any(reader, depth)
    }

    fn read_any(reader: &mut Reader<'a>, depth: usize) -> Result<Self, Error> {
        let before = *reader;
        let tl = tlv::type_length(reader)?;
        match tl.type_bits() {
            tlv::OCTET_STRING if tl.len == 0 => Ok(Self::Null),
            tlv::OCTET_STRING => Ok(Self::Octets(reader.take(tl.len)?)),
            tlv::BOOLEAN if tl.len == 1 => Ok(Self::Boolean(reader.u8()? != 0)),
            tlv::BOOLEAN => Err(Error::InvalidLength { at: tl.at, expected: 1, found: tl.len }),
            type_bits @ (tlv::INTEGER | tlv::UNSIGNED) => {
                Self::number(tlv::number_bytes(reader, tl)?, tl.len, type_bits == tlv::INTEGER, tl.at)
            }
            tlv::LIST => {
                let inner = depth.checked_sub(1).ok_or(Error::TooDeep { at: tl.at })?;
                *reader = before;
                ListOf::read_with(reader, |reader| Value::read_nested(reader, inner)).map(Self::List)
            }
            _ => Err(Error::InvalidTypeLength { at: tl.at, found: tl.first }),
        }
    }

    /// The number with the bytes `bits`, 1 to 8 of them.
    #[inline]
    fn number(bits: u64, len: usize, is_signed: bool, at: usize) -> Result<Self, Error> {
        let mantissa = if is_signed {
            tlv::sign_extend(bits, len)
        } else {
            i64::try_from(bits).map_err(|_| Error::OutOfRange { at })?
        };
        let width = u8::try_from(len).unwrap_or(8);
        Ok(Self::Number(Number { mantissa, width, is_signed }))
    }
}

impl<'a> Element<'a> for Value<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Self::read_nested(reader, tlv::DEPTH_MAX)
    }

    fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        match *self {
            Self::Null => tlv::emit_not_set(out),
            Self::Octets(bytes) => tlv::emit_octets(out, bytes),
            Self::Boolean(value) => tlv::emit_number(out, tlv::BOOLEAN, value.into(), 1),
            Self::Number(Number { mantissa, width, is_signed }) => {
                let type_bits = if is_signed { tlv::INTEGER } else { tlv::UNSIGNED };
                tlv::emit_number(out, type_bits, mantissa.cast_unsigned(), width)
            }
            Self::List(values) => {
                tlv::emit_list_head(out, values.len())?;
                values.into_iter().try_for_each(|value| value.emit(out))
            }
        }
    }
}

/// One register of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The OBIS code.
    pub obj_name: [u8; 6],
    /// The status word; its bits are the maker's.
    pub status: Option<u64>,
    /// When the value was taken.
    pub val_time: Option<Time>,
    /// Unit as a DLMS code (IEC 62056-6-2): 30 = Wh, 27 = W.
    pub unit: Option<u8>,
    /// Power of ten by which a number is multiplied.
    pub scaler: Option<i8>,
    /// The value.
    pub value: Value<'a>,
    /// A signature over the value.
    pub value_signature: Option<&'a [u8]>,
}

impl<'a> Entry<'a> {
    /// An entry with a name and a value, all else not set.
    #[must_use]
    pub const fn new(obj_name: [u8; 6], value: Value<'a>) -> Self {
        Self {
            obj_name,
            status: None,
            val_time: None,
            unit: None,
            scaler: None,
            value,
            value_signature: None,
        }
    }
}

impl<'a> Element<'a> for Entry<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        tlv::sequence(reader, 7)?;
        Ok(Self {
            obj_name: tlv::obj_name(reader)?,
            status: tlv::optional(reader, tlv::u64)?,
            val_time: tlv::optional(reader, Time::read)?,
            unit: tlv::optional(reader, tlv::u8)?,
            scaler: tlv::optional(reader, tlv::i8)?,
            value: Value::read(reader)?,
            value_signature: tlv::optional_octets(reader)?,
        })
    }

    fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        tlv::emit_list_head(out, 7)?;
        tlv::emit_octets(out, &self.obj_name)?;
        tlv::emit_optional(out, self.status, |out, status| tlv::emit_unsigned(out, status, 1))?;
        tlv::emit_optional(out, self.val_time, |out, time| time.emit(out))?;
        tlv::emit_optional(out, self.unit, |out, unit| tlv::emit_unsigned(out, unit.into(), 1))?;
        tlv::emit_optional(out, self.scaler, |out, scaler| tlv::emit_integer(out, scaler.into(), 1))?;
        self.value.emit(out)?;
        tlv::emit_octets(out, self.value_signature.unwrap_or_default())
    }
}

/// A list of registers of one meter.
///
/// As it is read, the entries are a [`ListOf`]; to emit one, any collection of entries will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetListResponse<'a, E = ListOf<'a, Entry<'a>>> {
    /// Who asked; not set, or FF FF FF FF FF FF, in a pushed list.
    pub client_id: Option<&'a [u8]>,
    /// Which meter this is.
    pub server_id: &'a [u8],
    /// Which list this is, an OBIS code.
    pub list_name: Option<&'a [u8]>,
    /// The meter's time.
    pub act_sensor_time: Option<Time>,
    /// The registers, in the order of the line.
    pub entries: E,
    /// A signature over the list, as bytes; 48 to 132 of them were seen.
    pub list_signature: Option<&'a [u8]>,
    /// The time of a gateway between meter and reader.
    pub act_gateway_time: Option<Time>,
}

/// The entries of the first list of a file, and where they stand. They are most of the file, so they are read through once
/// and stepped over when the file is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownEntries<'a> {
    at: usize,
    entries: ListOf<'a, Entry<'a>>,
}

impl<'a> KnownEntries<'a> {
    fn read(reader: &mut Reader<'a>, known: &mut Option<Self>) -> Result<ListOf<'a, Entry<'a>>, Error> {
        let at = reader.at();
        match *known {
            Some(known) if known.at == at => {
                tlv::list(reader)?;
                reader.take(known.entries.as_bytes().len())?;
                Ok(known.entries)
            }
            Some(_) => ListOf::read(reader),
            None => {
                let entries = ListOf::read(reader)?;
                *known = Some(Self { at, entries });
                Ok(entries)
            }
        }
    }
}

impl<'a> GetListResponse<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, known: &mut Option<KnownEntries<'a>>) -> Result<Self, Error> {
        tlv::sequence(reader, 7)?;
        Ok(Self {
            client_id: tlv::optional_octets(reader)?,
            server_id: tlv::octets(reader)?,
            list_name: tlv::optional_octets(reader)?,
            act_sensor_time: tlv::optional(reader, Time::read)?,
            entries: KnownEntries::read(reader, known)?,
            list_signature: tlv::optional_octets(reader)?,
            act_gateway_time: tlv::optional(reader, Time::read)?,
        })
    }
}

impl GetListResponse<'_> {
    /// The number that names this message body.
    pub const TAG: u32 = 0x0701;
}

impl<'a, E> GetListResponse<'a, E>
where
    E: Clone + IntoIterator<Item = Entry<'a>, IntoIter: ExactSizeIterator>,
{
    /// Appends the message body; [`message::emit`](super::message::emit) puts the message around it.
    ///
    /// # Errors
    /// [`Full`] when the writer's buffer is too small.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        tlv::emit_list_head(out, 7)?;
        tlv::emit_octets(out, self.client_id.unwrap_or_default())?;
        tlv::emit_octets(out, self.server_id)?;
        tlv::emit_octets(out, self.list_name.unwrap_or_default())?;
        tlv::emit_optional(out, self.act_sensor_time, |out, time| time.emit(out))?;
        let entries = self.entries.clone().into_iter();
        tlv::emit_list_head(out, entries.len())?;
        for entry in entries {
            entry.emit(out)?;
        }
        tlv::emit_octets(out, self.list_signature.unwrap_or_default())?;
        tlv::emit_optional(out, self.act_gateway_time, |out, time| time.emit(out))
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn emitted(entry: &Entry<'_>) -> Vec<u8> {
        let mut buffer = [0; 512];
        let mut out = Writer::new(&mut buffer);
        entry.emit(&mut out).unwrap();
        out.written().to_vec()
    }

    fn read(bytes: &[u8]) -> Result<Entry<'_>, Error> {
        // Behind an entry always come more bytes in a message.
        Entry::read(&mut Reader::new(bytes))
    }

    const POWER: [u8; 6] = [1, 0, 16, 7, 0, 255];

    #[test]
    fn entry_has_the_bytes_of_the_standard() {
        let entry = Entry {
            status: Some(0x82),
            unit: Some(30),
            scaler: Some(-1),
            ..Entry::new([1, 0, 1, 8, 0, 255], Value::Number(Number::signed(123_456).in_bytes(5)))
        };
        let bytes = emitted(&entry);
        assert_eq!(
            bytes,
            [
                0x77, 0x07, 1, 0, 1, 8, 0, 0xFF, 0x62, 0x82, 0x01, 0x62, 0x1E, 0x52, 0xFF, 0x56, 0, 0, 1,
                0xE2, 0x40, 1
            ]
        );
        assert_eq!(read(&bytes), Ok(entry));
    }

    #[test]
    fn every_kind_of_entry_comes_back() {
        let nested = ListOf::new_checked(&[0x73, 0x52, 0x05, 0x71, 0x42, 0x00, 0x03, b'h', b'i']).unwrap();
        let numbers = [
            Number::signed(-1),
            Number::signed(i64::MIN),
            Number::unsigned(0),
            Number::unsigned(i64::MAX.cast_unsigned()),
            Number::unsigned(5).in_bytes(8),
            Number::signed(-2).in_bytes(3),
        ];
        let values = [
            Value::Null,
            Value::Octets(&[0x5A; 48]),
            Value::Boolean(true),
            Value::Boolean(false),
            Value::List(nested),
            Value::List(ListOf::new_checked(&[0x70]).unwrap()),
        ];
        let times = [
            None,
            Some(Time::SecIndex(7)),
            Some(Time::Timestamp(u32::MAX)),
            Some(Time::Untagged(1)),
            Some(Time::LocalTimestamp { timestamp: 5, local_offset_min: -60, season_offset_min: 60 }),
        ];
        for value in values.into_iter().chain(numbers.map(Value::Number)) {
            for val_time in times {
                for (status, signature) in [(None, None), (Some(u64::MAX), Some(&[1, 2, 3][..]))] {
                    let entry =
                        Entry { status, val_time, value_signature: signature, ..Entry::new(POWER, value) };
                    let bytes = emitted(&entry);
                    assert_eq!(read(&bytes), Ok(entry));
                    for len in 0..bytes.len() {
                        assert!(matches!(read(&bytes[..len]), Err(Error::Truncated { .. })));
                    }
                }
            }
        }
    }

    #[test]
    fn time_without_its_choice_is_untagged() {
        // Holley DTZ541.
        let time = Time::read(&mut Reader::new(&[0x65, 0x01, 0x1C, 0x1E, 0xB7]));
        assert_eq!(time, Ok(Time::Untagged(0x011C_1EB7)));
        let time = Time::read(&mut Reader::new(&[0x72, 0x62, 0x04, 0x65, 0x01, 0x1C, 0x1E, 0xB7]));
        assert_eq!(time, Err(Error::UnknownChoice { at: 1, found: 4 }));
        // DZG.
        assert_eq!(Time::read(&mut Reader::new(&[0x72, 0x62, 0x01, 0x62, 0x00])), Ok(Time::SecIndex(0)));
    }

    #[test]
    fn number_beyond_63_bits_is_refused_and_not_wrapped() {
        let mut bytes = emitted(&Entry::new(POWER, Value::Number(Number::unsigned(1).in_bytes(8))));
        bytes[13] = 0x80;
        assert_eq!(read(&bytes), Err(Error::OutOfRange { at: 12 }));
        let nested = [0x71, 0x69, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Value::read(&mut Reader::new(&nested)), Err(Error::OutOfRange { at: 1 }));
    }

    #[test]
    fn width_and_sign_of_a_number_are_kept() {
        let value = Value::read(&mut Reader::new(&[0x53, 0x80, 0x25, 0x01, 0, 0, 0, 0, 0, 0])).unwrap();
        let Value::Number(number) = value else { panic!("{value:?}") };
        assert_eq!((number.mantissa(), number.width(), number.is_signed()), (-32731, 2, true));
        assert_eq!(Number::signed(-1).in_bytes(9).width(), 8);
        assert_eq!(Number::unsigned(300).in_bytes(1).width(), 2, "never cut");
    }

    #[test]
    fn obis_code_of_another_length_is_refused() {
        let bytes = [0x77, 0x06, 1, 0, 1, 8, 0, 1, 1, 1, 1, 1, 1];
        assert_eq!(read(&bytes), Err(Error::InvalidLength { at: 1, expected: 6, found: 5 }));
    }

    #[test]
    fn values_nested_too_deep_are_refused() {
        let mut bytes = std::vec![0x71; tlv::DEPTH_MAX + 1];
        bytes.push(0x01);
        assert_eq!(Value::read(&mut Reader::new(&bytes)), Err(Error::TooDeep { at: tlv::DEPTH_MAX }));
        assert!(Value::read(&mut Reader::new(&bytes[1..])).is_ok());
    }
}
