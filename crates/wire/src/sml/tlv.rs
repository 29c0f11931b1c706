//! Type-length fields, the encoding of everything in SML (SML 1.04, clause 6 "SML binary encoding").
//!
//! ```text
//! bit 7      6 5 4               3 2 1 0
//! more TL    type                length, high nibble first when more TL bytes follow
//!            000 octet string    bytes, TL bytes included         01 = empty: "not set" where a field is optional
//!            100 boolean         bytes, TL bytes included         42 00 = false
//!            101 integer         bytes, TL bytes included         52 FE = -2, 56 00 01 02 03 04 = a 5-byte number
//!            110 unsigned        bytes, TL bytes included         63 01 0A = 266
//!            111 list            number of elements               F1 0E = 30 elements
//! 00         end of a message
//! ```
//!
//! Integers have 1 to 8 bytes: meters cut leading bytes off, so 3 and 5 bytes are common. They are sign-extended.
use core::fmt;
use core::marker::PhantomData;

use crate::{Full, Reader, Short, Writer};

/// Deepest nesting of lists within one field. Value entries use 2 or 3; trees of parameters were seen with 5.
pub const DEPTH_MAX: usize = 8;

/// Most bytes of one type-length field. Three hold 4,095 bytes or elements, four 65,535, more than a frame.
pub const TL_LEN_MAX: usize = 4;

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes, or "not set" when empty.
    OctetString,
    /// True or false in one byte.
    Boolean,
    /// A signed number.
    Integer,
    /// A number without sign.
    Unsigned,
    /// Elements, each a field.
    List,
    /// The byte 00 that ends a message.
    EndOfMessage,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OctetString => "an octet string",
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Unsigned => "an unsigned integer",
            Self::List => "a list",
            Self::EndOfMessage => "the end of the message",
        })
    }
}

/// Why bytes are not the field that stands there by the standard. `at` is the offset in the SML file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The bytes end inside a field.
    Truncated {
        /// Offset of the field's first missing part.
        at: usize,
        /// Bytes needed.
        needed: usize,
        /// Bytes left.
        have: usize,
    },
    /// Another type than the field must have.
    UnexpectedType {
        /// Offset of the field.
        at: usize,
        /// The type asked for.
        expected: Kind,
        /// The first byte of its type-length field.
        found: u8,
    },
    /// The type-length field means nothing: reserved bits, more than four bytes, or a length below its own.
    InvalidTypeLength {
        /// Offset of the byte that does not fit.
        at: usize,
        /// That byte.
        found: u8,
    },
    /// The value has another number of bytes than its type allows here.
    InvalidLength {
        /// Offset of the field.
        at: usize,
        /// Bytes expected, the most where several are allowed.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A sequence has another number of elements.
    ElementCount {
        /// Offset of the list.
        at: usize,
        /// Elements expected.
        expected: usize,
        /// Elements found.
        found: usize,
    },
    /// Lists are nested deeper than [`DEPTH_MAX`].
    TooDeep {
        /// Offset of the list that is one too deep.
        at: usize,
    },
    /// A number is larger than its field can hold: 32 bits for a time, 63 bits for a value.
    OutOfRange {
        /// Offset of the number.
        at: usize,
    },
    /// A choice (of a time) has a number that the standard does not know.
    UnknownChoice {
        /// Offset of the choice.
        at: usize,
        /// The number.
        found: u64,
    },
}

impl From<Short> for Error {
    fn from(Short { at, needed, have }: Short) -> Self {
        Self::Truncated { at, needed, have }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { at, needed, have } => Short { at, needed, have }.fmt(f),
            Self::UnexpectedType { at, expected, found } => {
                write!(f, "{expected} is expected at offset {at}, the type-length byte is {found:02x}")
            }
            Self::InvalidTypeLength { at, found } => {
                write!(f, "the byte {found:02x} at offset {at} is no type-length field")
            }
            Self::InvalidLength { at, expected, found } => {
                write!(f, "the field at offset {at} has {found} bytes, expected {expected}")
            }
            Self::ElementCount { at, expected, found } => {
                write!(f, "the list at offset {at} has {found} elements, expected {expected}")
            }
            Self::TooDeep { at } => write!(f, "the list at offset {at} is nested deeper than {DEPTH_MAX}"),
            Self::OutOfRange { at } => write!(f, "the number at offset {at} is too large for its field"),
            Self::UnknownChoice { at, found } => {
                write!(f, "the choice at offset {at} has the unknown number {found}")
            }
        }
    }
}

impl core::error::Error for Error {}

/// The type bits of a type-length field.
pub(super) const OCTET_STRING: u8 = 0x00;
pub(super) const BOOLEAN: u8 = 0x40;
pub(super) const INTEGER: u8 = 0x50;
pub(super) const UNSIGNED: u8 = 0x60;
pub(super) const LIST: u8 = 0x70;
/// "Not set", where a field is optional.
pub(super) const NOT_SET: u8 = 0x01;

const MORE: u8 = 0x80;
const TYPE_BITS: u8 = 0x70;
const LENGTH_BITS: u8 = 0x0F;

/// A type-length field: its first byte, and how many bytes (of a list: elements) follow.
#[derive(Clone, Copy)]
pub(super) struct TypeLength {
    pub(super) at: usize,
    pub(super) first: u8,
    pub(super) len: usize,
}

impl TypeLength {
    pub(super) const fn type_bits(self) -> u8 {
        self.first & TYPE_BITS
    }

    pub(super) const fn unexpected(self, expected: Kind) -> Error {
        Error::UnexpectedType { at: self.at, expected, found: self.first }
    }
}

/// Reads one type-length field, the end of a message (00) not being one.
#[inline]
pub(super) fn type_length(reader: &mut Reader<'_>) -> Result<TypeLength, Error> {
    let at = reader.at();
    let first = reader.u8()?;
    let len = usize::from(first & LENGTH_BITS);
    if first & MORE != 0 {
        return long_type_length(reader, at, first);
    }
    if first & TYPE_BITS == LIST {
        return Ok(TypeLength { at, first, len });
    }
    match len.checked_sub(1) {
        Some(len) => Ok(TypeLength { at, first, len }),
        None => Err(Error::InvalidTypeLength { at, found: first }),
    }
}

#[cold]
fn long_type_length(reader: &mut Reader<'_>, at: usize, first: u8) -> Result<TypeLength, Error> {
    let mut len = usize::from(first & LENGTH_BITS);
    for tl_len in 2..=TL_LEN_MAX {
        let byte_at = reader.at();
        let byte = reader.u8()?;
        if byte & TYPE_BITS != 0 {
            return Err(Error::InvalidTypeLength { at: byte_at, found: byte });
        }
        len = len << 4 | usize::from(byte & LENGTH_BITS);
        if byte & MORE == 0 {
            let own = if first & TYPE_BITS == LIST { 0 } else { tl_len };
            let len = len.checked_sub(own).ok_or(Error::InvalidTypeLength { at: byte_at, found: byte })?;
            return Ok(TypeLength { at, first, len });
        }
    }
    Err(Error::InvalidTypeLength { at, found: first })
}

/// Reads an octet string; "not set" is the empty one.
#[inline]
pub(super) fn octets<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Error> {
    if let Some(first @ 1..=15) = reader.peek() {
        let field = reader.take(first.into())?;
        return Ok(field.get(1..).unwrap_or_default());
    }
    long_octets(reader)
}

fn long_octets<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Error> {
    let tl = type_length(reader)?;
    if tl.type_bits() != OCTET_STRING {
        return Err(tl.unexpected(Kind::OctetString));
    }
    Ok(reader.take(tl.len)?)
}

/// Reads an optional octet string.
#[inline]
pub(super) fn optional_octets<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Error> {
    if reader.peek() == Some(NOT_SET) {
        reader.u8()?;
        return Ok(None);
    }
    octets(reader).map(|bytes| (!bytes.is_empty()).then_some(bytes))
}

/// Reads an OBIS code.
#[inline]
pub(super) fn obj_name(reader: &mut Reader<'_>) -> Result<[u8; 6], Error> {
    if let Some(&[7, a, b, c, d, e, f]) = reader.rest().first_chunk() {
        reader.take(7)?;
        return Ok([a, b, c, d, e, f]);
    }
    let at = reader.at();
    let name = octets(reader)?;
    name.try_into().map_err(|_| Error::InvalidLength { at, expected: 6, found: name.len() })
}

/// Reads the bytes of a number with `tl.len` bytes, high byte first.
pub(super) fn number_bytes(reader: &mut Reader<'_>, tl: TypeLength) -> Result<u64, Error> {
    if !(1..=8).contains(&tl.len) {
        return Err(Error::InvalidLength { at: tl.at, expected: 8, found: tl.len });
    }
    Ok(reader.take(tl.len)?.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// Reads a number of the given type with its number of bytes, if it has a one-byte type-length field and is not among
/// the last nine bytes; else reads nothing. One load and one shift, for nearly all numbers.
#[inline]
pub(super) fn short_number(reader: &mut Reader<'_>, type_bits: u8) -> Option<(u64, usize)> {
    let &[first, a, b, c, d, e, f, g, h] = reader.rest().first_chunk()?;
    let len = usize::from(first.wrapping_sub(type_bits | 1));
    if !(1..=8).contains(&len) {
        return None;
    }
    reader.take(1 + len).ok()?;
    Some((u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> (64 - 8 * len), len))
}

/// Reads a number of the given type, `kind` in errors.
#[cold]
fn long_number(reader: &mut Reader<'_>, type_bits: u8, kind: Kind) -> Result<(u64, usize), Error> {
    let tl = type_length(reader)?;
    if tl.type_bits() != type_bits {
        return Err(tl.unexpected(kind));
    }
    Ok((number_bytes(reader, tl)?, tl.len))
}

/// Extends the sign of a number of `len` bytes, 1 to 8.
#[inline]
pub(super) const fn sign_extend(number: u64, len: usize) -> i64 {
    let unused = 64 - 8 * len;
    (number << unused).cast_signed() >> unused
}

/// Reads an unsigned number of 1 to 8 bytes.
#[inline]
pub(super) fn u64(reader: &mut Reader<'_>) -> Result<u64, Error> {
    match short_number(reader, UNSIGNED) {
        Some((number, _)) => Ok(number),
        None => long_number(reader, UNSIGNED, Kind::Unsigned).map(|(number, _)| number),
    }
}

#[inline]
pub(super) fn u32(reader: &mut Reader<'_>) -> Result<u32, Error> {
    let at = reader.at();
    u32::try_from(u64(reader)?).map_err(|_| Error::OutOfRange { at })
}

pub(super) fn u16(reader: &mut Reader<'_>) -> Result<u16, Error> {
    let at = reader.at();
    u16::try_from(u64(reader)?).map_err(|_| Error::OutOfRange { at })
}

#[inline]
pub(super) fn u8(reader: &mut Reader<'_>) -> Result<u8, Error> {
    let at = reader.at();
    u8::try_from(u64(reader)?).map_err(|_| Error::OutOfRange { at })
}

/// Reads a signed number of 1 to 8 bytes.
#[inline]
pub(super) fn integer(reader: &mut Reader<'_>) -> Result<i64, Error> {
    let (number, len) = match short_number(reader, INTEGER) {
        Some(number) => number,
        None => long_number(reader, INTEGER, Kind::Integer)?,
    };
    Ok(sign_extend(number, len))
}

#[inline]
pub(super) fn i8(reader: &mut Reader<'_>) -> Result<i8, Error> {
    let at = reader.at();
    i8::try_from(integer(reader)?).map_err(|_| Error::OutOfRange { at })
}

pub(super) fn i16(reader: &mut Reader<'_>) -> Result<i16, Error> {
    let at = reader.at();
    i16::try_from(integer(reader)?).map_err(|_| Error::OutOfRange { at })
}

/// Reads a field that may be "not set" (01).
#[inline]
pub(super) fn optional<'a, T>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    if reader.peek() == Some(NOT_SET) {
        reader.u8()?;
        return Ok(None);
    }
    read(reader).map(Some)
}

/// Reads the head of a list and returns its number of elements.
#[inline]
pub(super) fn list(reader: &mut Reader<'_>) -> Result<usize, Error> {
    let tl = type_length(reader)?;
    if tl.type_bits() != LIST {
        return Err(tl.unexpected(Kind::List));
    }
    Ok(tl.len)
}

/// Reads the head of a list of exactly `expected` elements.
#[inline]
pub(super) fn sequence(reader: &mut Reader<'_>, expected: u8) -> Result<(), Error> {
    if reader.peek() == Some(LIST | expected) {
        reader.u8()?;
        return Ok(());
    }
    unexpected_sequence(reader, expected.into())
}

#[cold]
fn unexpected_sequence(reader: &mut Reader<'_>, expected: usize) -> Result<(), Error> {
    let at = reader.at();
    match list(reader)? {
        found if found == expected => Ok(()),
        found => Err(Error::ElementCount { at, expected, found }),
    }
}

/// Reads one field of any type, with everything in it, and returns its bytes.
///
/// # Errors
/// [`Error::TooDeep`] and the errors of a malformed field; an end of message (00) is one.
pub(super) fn any<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Error> {
    let before = reader.rest();
    let start = reader.at();
    // How many elements are still to come in each open list.
    let mut open = [0_usize; DEPTH_MAX];
    let mut depth = 0;
    loop {
        let tl = type_length(reader)?;
        match tl.type_bits() {
            OCTET_STRING => {
                reader.take(tl.len)?;
            }
            BOOLEAN if tl.len == 1 => {
                reader.u8()?;
            }
            BOOLEAN => return Err(Error::InvalidLength { at: tl.at, expected: 1, found: tl.len }),
            INTEGER | UNSIGNED => {
                number_bytes(reader, tl)?;
            }
            LIST if tl.len == 0 => {}
            LIST => {
                *open.get_mut(depth).ok_or(Error::TooDeep { at: tl.at })? = tl.len;
                depth += 1;
                continue;
            }
            _ => return Err(Error::InvalidTypeLength { at: tl.at, found: tl.first }),
        }
        loop {
            let Some(left) = depth.checked_sub(1).and_then(|inner| open.get_mut(inner)) else {
                return Ok(before.get(..reader.at() - start).unwrap_or_default());
            };
            *left -= 1;
            if *left > 0 {
                break;
            }
            depth -= 1;
        }
    }
}

/// What a [`ListOf`] consists of.
pub trait Element<'a>: Copy {
    /// Reads one element.
    ///
    /// # Errors
    /// The errors of its fields.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error>;

    /// Appends one element.
    ///
    /// # Errors
    /// [`Full`] when the writer's buffer is too small.
    fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full>;
}

/// A list that was read through once, so that its elements come out without errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListOf<'a, T> {
    bytes: &'a [u8],
    left: usize,
    element: PhantomData<T>,
}

impl<'a, T: Element<'a>> ListOf<'a, T> {
    /// A list without elements.
    pub const EMPTY: Self = Self { bytes: &[], left: 0, element: PhantomData };

    /// Reads the encoded list `bytes` through.
    ///
    /// ```
    /// use metergate_wire::sml::{ListOf, Number, Value, tlv::Error};
    ///
    /// let mut list = ListOf::new_checked(&[0x72, 0x52, 0xFE, 0x42, 0x01])?;
    /// assert_eq!(list.next(), Some(Value::Number(Number::signed(-2))));
    /// assert_eq!(list.next(), Some(Value::Boolean(true)));
    /// let cut = ListOf::<Value<'_>>::new_checked(&[0x72, 0x52, 0xFE]);
    /// assert_eq!(cut, Err(Error::Truncated { at: 3, needed: 1, have: 0 }));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnexpectedType`] when it is no list, the errors of its elements, and [`Error::InvalidLength`] when
    /// bytes follow it.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let list = Self::read(&mut reader)?;
        if !reader.is_empty() {
            return Err(Error::InvalidLength { at: 0, expected: reader.at(), found: bytes.len() });
        }
        Ok(list)
    }

    /// The bytes of the elements that are left, one behind the other.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Reads a list and all of its elements.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Self::read_with(reader, T::read)
    }

    /// As [`Self::read`], with a check of the elements that knows more than they do.
    #[inline]
    pub(super) fn read_with<R>(
        reader: &mut Reader<'a>,
        read: impl Fn(&mut Reader<'a>) -> Result<R, Error>,
    ) -> Result<Self, Error> {
        let count = list(reader)?;
        let (rest, start) = (reader.rest(), reader.at());
        for _ in 0..count {
            read(reader)?;
        }
        let bytes = rest.get(..reader.at() - start).unwrap_or_default();
        Ok(Self { bytes, left: count, element: PhantomData })
    }
}

impl<'a, T: Element<'a>> Iterator for ListOf<'a, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        let mut reader = Reader::new(self.bytes);
        // Cannot fail: the same bytes were read in `read_with`.
        let element = T::read(&mut reader).ok()?;
        self.bytes = reader.rest();
        Some(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a, T: Element<'a>> ExactSizeIterator for ListOf<'a, T> {}

/// Appends a type-length field for `len` bytes (of a list: elements).
///
/// # Errors
/// [`Full`] when the writer's buffer is too small, as in all functions here that append; also when `len` is more than
/// 65,531, which no buffer for a frame can hold.
pub(super) fn emit_type_length(out: &mut Writer<'_>, type_bits: u8, len: usize) -> Result<(), Full> {
    for tl_len in 1..=TL_LEN_MAX {
        let own = if type_bits == LIST { 0 } else { tl_len };
        let total = len.saturating_add(own);
        if total >> (4 * tl_len) != 0 {
            continue;
        }
        for index in 0..tl_len {
            let nibble = u8::try_from(total >> (4 * (tl_len - 1 - index)) & 0x0F).unwrap_or_default();
            let more = if index + 1 < tl_len { MORE } else { 0 };
            let type_bits = if index == 0 { type_bits } else { 0 };
            out.u8(more | type_bits | nibble)?;
        }
        return Ok(());
    }
    Err(Full { capacity: 0xFFFF })
}

pub(super) fn emit_not_set(out: &mut Writer<'_>) -> Result<(), Full> {
    out.u8(NOT_SET)
}

pub(super) fn emit_octets(out: &mut Writer<'_>, bytes: &[u8]) -> Result<(), Full> {
    emit_type_length(out, OCTET_STRING, bytes.len())?;
    out.put(bytes)
}

/// Appends the low `width` bytes (1 to 8) of a number.
pub(super) fn emit_number(out: &mut Writer<'_>, type_bits: u8, number: u64, width: u8) -> Result<(), Full> {
    let width = usize::from(width.clamp(1, 8));
    emit_type_length(out, type_bits, width)?;
    out.put(number.to_be_bytes().get(8 - width..).unwrap_or_default())
}

/// Appends an unsigned number in as few bytes as hold it, `width_min` at least.
pub(super) fn emit_unsigned(out: &mut Writer<'_>, number: u64, width_min: u8) -> Result<(), Full> {
    emit_number(out, UNSIGNED, number, unsigned_width(number).max(width_min))
}

/// Appends a signed number in as few bytes as hold it, `width_min` at least.
pub(super) fn emit_integer(out: &mut Writer<'_>, number: i64, width_min: u8) -> Result<(), Full> {
    emit_number(out, INTEGER, number.cast_unsigned(), integer_width(number).max(width_min))
}

pub(super) fn emit_list_head(out: &mut Writer<'_>, elements: usize) -> Result<(), Full> {
    emit_type_length(out, LIST, elements)
}

pub(super) fn emit_optional<T>(
    out: &mut Writer<'_>,
    value: Option<T>,
    emit: impl FnOnce(&mut Writer<'_>, T) -> Result<(), Full>,
) -> Result<(), Full> {
    match value {
        Some(value) => emit(out, value),
        None => emit_not_set(out),
    }
}

/// Bytes that hold an unsigned number, 1 to 8.
pub(super) const fn unsigned_width(number: u64) -> u8 {
    let mut width = 1;
    while width < 8 && number >> (8 * width) != 0 {
        width += 1;
    }
    width
}

/// Bytes that hold a signed number, 1 to 8.
pub(super) const fn integer_width(number: i64) -> u8 {
    let mut width = 1;
    // The bits above the sign bit are copies of it.
    while width < 8 && !matches!(number >> (8 * width - 1), 0 | -1) {
        width += 1;
    }
    width
}

impl<'a> Element<'a> for &'a [u8] {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        octets(reader)
    }

    fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        emit_octets(out, self)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn emitted(emit: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Vec<u8> {
        let mut buffer = [0; 8192];
        let mut out = Writer::new(&mut buffer);
        emit(&mut out).unwrap();
        out.written().to_vec()
    }

    #[test]
    fn integers_of_one_to_eight_bytes_are_sign_extended() {
        // Behind them once nothing and once more bytes: both ways of reading.
        for tail in [0, 12] {
            let read = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                bytes.resize(bytes.len() + tail, 0x77);
                integer(&mut Reader::new(&bytes))
            };
            assert_eq!(read(&[0x52, 0xFE]), Ok(-2));
            assert_eq!(read(&[0x53, 0x80, 0x25]), Ok(-32731));
            assert_eq!(read(&[0x54, 0xFF, 0x80, 0x25]), Ok(-32731));
            assert_eq!(read(&[0x56, 0x00, 0x01, 0x02, 0x03, 0x04]), Ok(0x0102_0304));
            assert_eq!(read(&[0x59, 0x80, 0, 0, 0, 0, 0, 0, 0]), Ok(i64::MIN));
            assert_eq!(read(&[0x51]), Err(Error::InvalidLength { at: 0, expected: 8, found: 0 }));
            assert_eq!(
                read(&[0x5A, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                Err(Error::InvalidLength { at: 0, expected: 8, found: 9 })
            );
            let error = Error::UnexpectedType { at: 0, expected: Kind::Integer, found: 0x62 };
            assert_eq!(read(&[0x62, 0x01]), Err(error));
        }
        assert_eq!(
            integer(&mut Reader::new(&[0x53, 0xFE])),
            Err(Error::Truncated { at: 1, needed: 2, have: 1 })
        );
    }

    #[test]
    fn numbers_come_back_in_every_width() {
        for shift in 0..64 {
            for number in [1_u64 << shift, (1_u64 << shift) - 1, !(1_u64 << shift)] {
                let bytes = emitted(|out| emit_unsigned(out, number, 1));
                assert_eq!(u64(&mut Reader::new(&bytes)), Ok(number));
                let signed = number.cast_signed();
                let bytes = emitted(|out| emit_integer(out, signed, 1));
                assert_eq!(integer(&mut Reader::new(&bytes)), Ok(signed));
                assert_eq!(bytes.len(), 1 + usize::from(integer_width(signed)));
            }
        }
        assert_eq!(emitted(|out| emit_integer(out, -128, 1)), [0x52, 0x80]);
        assert_eq!(emitted(|out| emit_integer(out, 128, 1)), [0x53, 0x00, 0x80]);
    }

    #[test]
    fn long_type_length_fields_count_themselves() {
        for len in [0, 13, 14, 15, 253, 254, 255, 4092, 4093] {
            let octets_sent = std::vec![0xA5; len];
            let bytes = emitted(|out| emit_octets(out, &octets_sent));
            assert_eq!(octets(&mut Reader::new(&bytes)), Ok(&octets_sent[..]));
            assert_eq!(any(&mut Reader::new(&bytes)), Ok(&bytes[..]));
            assert!(octets(&mut Reader::new(&bytes[..bytes.len() - 1])).is_err());
        }
        // Holley DTZ541: 30 entries.
        assert_eq!(list(&mut Reader::new(&[0xF1, 0x0E])), Ok(30));
        assert_eq!(emitted(|out| emit_list_head(out, 30)), [0xF1, 0x0E]);
        assert_eq!(
            list(&mut Reader::new(&[0xF0, 0x80, 0x80, 0x07])),
            Ok(7),
            "longer than needed, four bytes"
        );
    }

    #[test]
    fn malformed_type_length_fields_are_refused() {
        let error = |bytes: &[u8]| any(&mut Reader::new(bytes)).unwrap_err();
        assert_eq!(error(&[0x00]), Error::InvalidTypeLength { at: 0, found: 0x00 });
        assert_eq!(error(&[0x50]), Error::InvalidTypeLength { at: 0, found: 0x50 });
        assert_eq!(error(&[0x80, 0x01]), Error::InvalidTypeLength { at: 1, found: 0x01 });
        assert_eq!(error(&[0x81, 0x51]), Error::InvalidTypeLength { at: 1, found: 0x51 });
        assert_eq!(error(&[0xF0, 0x80, 0x80, 0x80, 0x01]), Error::InvalidTypeLength { at: 0, found: 0xF0 });
        for reserved in [0x12, 0x22, 0x32] {
            assert_eq!(error(&[reserved, 0]), Error::InvalidTypeLength { at: 0, found: reserved });
        }
        assert_eq!(error(&[0x43, 0, 0]), Error::InvalidLength { at: 0, expected: 1, found: 2 });
        assert_eq!(error(&[0x72, 0x01]), Error::Truncated { at: 2, needed: 1, have: 0 });
        assert_eq!(error(&[]), Error::Truncated { at: 0, needed: 1, have: 0 });
    }

    #[test]
    fn lists_may_be_nested_to_the_limit_only() {
        let mut bytes = std::vec![0x71; DEPTH_MAX];
        bytes.push(0x01);
        assert_eq!(any(&mut Reader::new(&bytes)), Ok(&bytes[..]));
        bytes.insert(0, 0x71);
        assert_eq!(any(&mut Reader::new(&bytes)), Err(Error::TooDeep { at: DEPTH_MAX }));
    }

    #[test]
    fn any_field_ends_where_its_last_element_ends() {
        let bytes = [0x72, 0x71, 0x70, 0x72, 0x02, 0x41, 0x42, 0x01, 0x63, 0x12, 0x34];
        let mut reader = Reader::new(&bytes);
        assert_eq!(any(&mut reader), Ok(&bytes[..8]));
        assert_eq!(u16(&mut reader), Ok(0x1234));
        assert!(reader.is_empty());
    }

    #[test]
    fn number_too_large_for_its_field_is_out_of_range() {
        assert_eq!(u8(&mut Reader::new(&[0x63, 0x00, 0xFF])), Ok(0xFF), "leading zeros are no harm");
        assert_eq!(u8(&mut Reader::new(&[0x63, 0x01, 0x00])), Err(Error::OutOfRange { at: 0 }));
        assert_eq!(i8(&mut Reader::new(&[0x53, 0xFF, 0x7F])), Err(Error::OutOfRange { at: 0 }));
        assert_eq!(u32(&mut Reader::new(&[0x66, 1, 0, 0, 0, 0])), Err(Error::OutOfRange { at: 0 }));
    }
}
