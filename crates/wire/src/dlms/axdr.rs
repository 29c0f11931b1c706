//! A-XDR: the values of COSEM attributes (IEC 61334-6; the Data choice of IEC 62056-6-2 and the Blue Book, 4.1.5).
//!
//! ```text
//! tag | value                                02 | 03 | element | element | element     structure of 3
//! 06  | 00 00 05 28        double-long-unsigned 1320
//! 09  | 06 | 01 00 01 08 00 FF               octet-string of 6 bytes
//! 13  | type description | length | contents    compact-array: the description once, then bare values
//! ```
//!
//! [`Data::validate`] walks a value once, to the last byte, with limits on nesting and count. What it returns is read
//! lazily and without errors afterwards: [`Data::value`] with the iterator [`Items`] for nested use, [`Data::walk`] flat.
mod error;
mod validate;
mod walk;

pub use error::Error;
pub use walk::Walk;

use super::date_time::{Date, DateTime, Time};
use super::length;
use crate::Reader;
use validate::validate;

/// Deepest nesting of arrays and structures that is read. The deepest known push (array of profile entries of
/// structures with scaler and unit) has 5.
pub const DEPTH_MAX: usize = 8;
/// Most elements in one compact array, where an element can take no bytes at all. A day of quarter hours with ten
/// columns has 960. Elsewhere each element takes a byte, and the length of the message is the limit.
pub const COMPACT_ELEMENTS_MAX: usize = 4096;

mod tag {
    pub(in crate::dlms) const NULL: u8 = 0x00;
    pub(in crate::dlms) const ARRAY: u8 = 0x01;
    pub(in crate::dlms) const STRUCTURE: u8 = 0x02;
    pub(in crate::dlms) const BOOL: u8 = 0x03;
    pub(in crate::dlms) const BIT_STRING: u8 = 0x04;
    pub(in crate::dlms) const I32: u8 = 0x05;
    pub(in crate::dlms) const U32: u8 = 0x06;
    pub(in crate::dlms) const OCTETS: u8 = 0x09;
    pub(in crate::dlms) const VISIBLE: u8 = 0x0A;
    pub(in crate::dlms) const UTF8: u8 = 0x0C;
    pub(in crate::dlms) const BCD: u8 = 0x0D;
    pub(in crate::dlms) const I8: u8 = 0x0F;
    pub(in crate::dlms) const I16: u8 = 0x10;
    pub(in crate::dlms) const U8: u8 = 0x11;
    pub(in crate::dlms) const U16: u8 = 0x12;
    pub(in crate::dlms) const COMPACT_ARRAY: u8 = 0x13;
    pub(in crate::dlms) const I64: u8 = 0x14;
    pub(in crate::dlms) const U64: u8 = 0x15;
    pub(in crate::dlms) const ENUM: u8 = 0x16;
    pub(in crate::dlms) const F32: u8 = 0x17;
    pub(in crate::dlms) const F64: u8 = 0x18;
    pub(in crate::dlms) const DATE_TIME: u8 = 0x19;
    pub(in crate::dlms) const DATE: u8 = 0x1A;
    pub(in crate::dlms) const TIME: u8 = 0x1B;
    pub(in crate::dlms) const DONT_CARE: u8 = 0xFF;
}
pub(in crate::dlms) use tag::*;

/// One value, borrowed from the message. The names are those of Rust where Rust has the type; the standard's follow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// null-data (00).
    Null,
    /// array (01).
    Array(Items<'a>),
    /// structure (02).
    Structure(Items<'a>),
    /// boolean (03); every byte but 0 is true.
    Bool(bool),
    /// bit-string (04), the first bit is the highest of the first byte.
    BitString {
        /// Number of bits.
        bits: usize,
        /// The bytes that hold them.
        bytes: &'a [u8],
    },
    /// double-long (05).
    I32(i32),
    /// double-long-unsigned (06).
    U32(u32),
    /// octet-string (09).
    Octets(&'a [u8]),
    /// visible-string (0A); the bytes are ASCII by the standard, which is not checked.
    Visible(&'a [u8]),
    /// utf8-string (0C); not checked.
    Utf8(&'a [u8]),
    /// bcd (0D): two digits in a byte, or a count, as the attribute says.
    Bcd(u8),
    /// integer (0F).
    I8(i8),
    /// long (10).
    I16(i16),
    /// unsigned (11).
    U8(u8),
    /// long-unsigned (12).
    U16(u16),
    /// compact-array (13).
    CompactArray(CompactArray<'a>),
    /// long64 (14).
    I64(i64),
    /// long64-unsigned (15). Numbers above `i64::MAX` are refused.
    U64(u64),
    /// enum (16): a unit, for one.
    Enum(u8),
    /// float32 (17).
    F32(f32), // Float: as the meter sent it. It is printed as its shortest decimal and never calculated with.
    /// float64 (18).
    F64(f64), // Float: as above.
    /// date-time (19). Most meters send an octet-string of 12 bytes in its place.
    DateTime(DateTime),
    /// date (1A).
    Date(Date),
    /// time (1B).
    Time(Time),
    /// dont-care (FF).
    DontCare,
}

impl<'a> Value<'a> {
    /// The number in any of the eight integer types; `None` for every other type, enum and bcd included.
    #[must_use]
    #[inline]
    pub fn integer(&self) -> Option<i64> {
        Some(match *self {
            Self::I8(value) => i64::from(value),
            Self::I16(value) => i64::from(value),
            Self::I32(value) => i64::from(value),
            Self::I64(value) => value,
            Self::U8(value) => i64::from(value),
            Self::U16(value) => i64::from(value),
            Self::U32(value) => i64::from(value),
            Self::U64(value) => i64::try_from(value).ok()?,
            _ => return None,
        })
    }

    /// The bytes of an octet-string, visible-string or utf8-string.
    #[must_use]
    pub const fn octets(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Octets(bytes) | Self::Visible(bytes) | Self::Utf8(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The elements of an array, structure or compact array.
    #[must_use]
    pub const fn items(&self) -> Option<Items<'a>> {
        match *self {
            Self::Array(items) | Self::Structure(items) => Some(items),
            Self::CompactArray(array) => Some(array.items()),
            _ => None,
        }
    }
}

/// A compact array: one type description for all elements, then their bare contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactArray<'a> {
    description: &'a [u8],
    contents: &'a [u8],
}

impl<'a> CompactArray<'a> {
    /// The type description: a tag, or the tag and the count of an array or structure and the descriptions inside.
    #[must_use]
    pub const fn description(&self) -> &'a [u8] {
        self.description
    }

    /// The contents of the elements without tags.
    #[must_use]
    pub const fn contents(&self) -> &'a [u8] {
        self.contents
    }

    /// The elements.
    #[must_use]
    pub const fn items(&self) -> Items<'a> {
        Items { data: self.contents, left: usize::MAX, types: Types::Each(self.description) }
    }
}

/// Where the types of elements stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Types<'a> {
    /// In front of each element.
    Tagged,
    /// In a description that fits each element: an array inside a compact array, or the compact array itself.
    Each(&'a [u8]),
    /// In one description after the other: a structure inside a compact array.
    InTurn(&'a [u8]),
}

/// The elements of an array, structure or compact array, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Items<'a> {
    /// From the next element on, beyond the last one.
    data: &'a [u8],
    /// Elements left; `usize::MAX` when they go on to the end of `data`.
    left: usize,
    types: Types<'a>,
}

impl<'a> Items<'a> {
    /// Number of elements left. Counts the elements of a compact array one by one.
    #[must_use]
    pub fn len(&self) -> usize {
        if self.left == usize::MAX { self.count() } else { self.left }
    }

    /// True when no element is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left == 0 || (self.left == usize::MAX && self.data.is_empty())
    }

    /// The bytes from the next element on, beyond the last one; [`next_value`] reads those of an array or structure.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.data
    }

    /// The bytes behind the last element.
    fn end(mut self) -> &'a [u8] {
        while self.next().is_some() {}
        self.data
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.is_empty() {
            return None;
        }
        let value = match &mut self.types {
            Types::Tagged => next_value(&mut self.data)?,
            Types::Each(description) => packed(&mut { *description }, &mut self.data)?,
            Types::InTurn(descriptions) => packed(descriptions, &mut self.data)?,
        };
        if let (Value::Array(children) | Value::Structure(children), false) =
            (value, matches!(self.types, Types::Tagged))
        {
            self.data = children.end();
        }
        if self.left != usize::MAX {
            self.left -= 1;
        }
        Some(value)
    }
}

/// Takes a value off the front of the elements of a validated array or structure, with all that is inside.
///
/// `None` when the bytes are no value, which validated ones are not.
#[must_use]
pub fn next_value<'a>(data: &mut &'a [u8]) -> Option<Value<'a>> {
    let value = tagged(data)?;
    if let Value::Array(children) | Value::Structure(children) = value {
        *data = children.end();
    }
    Some(value)
}

/// Reads a tag and its value; stands behind the count of an array or structure afterwards.
#[inline]
fn tagged<'a>(data: &mut &'a [u8]) -> Option<Value<'a>> {
    let (&found, rest) = data.split_first()?;
    *data = rest;
    match found {
        ARRAY => {
            let left = take_length(data)?;
            Some(Value::Array(Items { data, left, types: Types::Tagged }))
        }
        STRUCTURE => {
            let left = take_length(data)?;
            Some(Value::Structure(Items { data, left, types: Types::Tagged }))
        }
        COMPACT_ARRAY => {
            let mut after = *data;
            skip_description(&mut after)?;
            let description = data.get(..data.len() - after.len())?;
            *data = after;
            Some(Value::CompactArray(CompactArray { description, contents: take_string(data)? }))
        }
        _ => simple(found, data),
    }
}

/// Reads a bare value whose type stands in `description`, and moves on behind both. Of an array or structure the value
/// stays unread, as its elements are.
fn packed<'a>(description: &mut &'a [u8], data: &mut &'a [u8]) -> Option<Value<'a>> {
    match **description {
        [ARRAY, high, low, ref element @ ..] => {
            skip_description(description)?;
            let left = usize::from(u16::from_be_bytes([high, low]));
            Some(Value::Array(Items { data, left, types: Types::Each(element) }))
        }
        [STRUCTURE, count, ref elements @ ..] => {
            skip_description(description)?;
            let left = usize::from(count);
            Some(Value::Structure(Items { data, left, types: Types::InTurn(elements) }))
        }
        [found, ref rest @ ..] => {
            *description = rest;
            simple(found, data)
        }
        [] => None,
    }
}

/// Reads a value that is no array, structure or compact array.
#[inline]
fn simple<'a>(found: u8, data: &mut &'a [u8]) -> Option<Value<'a>> {
    Some(match found {
        NULL => Value::Null,
        BOOL => Value::Bool(take::<1>(data)? != [0]),
        BIT_STRING => {
            let bits = take_length(data)?;
            Value::BitString { bits, bytes: take_slice(data, bits.div_ceil(8))? }
        }
        I32 => Value::I32(i32::from_be_bytes(take(data)?)),
        U32 => Value::U32(u32::from_be_bytes(take(data)?)),
        OCTETS => Value::Octets(take_string(data)?),
        VISIBLE => Value::Visible(take_string(data)?),
        UTF8 => Value::Utf8(take_string(data)?),
        BCD => Value::Bcd(u8::from_be_bytes(take(data)?)),
        I8 => Value::I8(i8::from_be_bytes(take(data)?)),
        I16 => Value::I16(i16::from_be_bytes(take(data)?)),
        U8 => Value::U8(u8::from_be_bytes(take(data)?)),
        U16 => Value::U16(u16::from_be_bytes(take(data)?)),
        I64 => Value::I64(i64::from_be_bytes(take(data)?)),
        U64 => Value::U64(u64::from_be_bytes(take(data)?)),
        ENUM => Value::Enum(u8::from_be_bytes(take(data)?)),
        F32 => Value::F32(f32::from_be_bytes(take(data)?)), // Float: bits, as sent.
        F64 => Value::F64(f64::from_be_bytes(take(data)?)), // Float: bits, as sent.
        DATE_TIME => Value::DateTime(DateTime::new(take(data)?)),
        DATE => Value::Date(Date::new(take(data)?)),
        TIME => Value::Time(Time::new(take(data)?)),
        DONT_CARE => Value::DontCare,
        _ => return None,
    })
}

#[inline]
fn take<const N: usize>(data: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = data.split_first_chunk()?;
    *data = rest;
    Some(*head)
}

#[inline]
fn take_slice<'a>(data: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, rest) = data.split_at_checked(len)?;
    *data = rest;
    Some(head)
}

#[inline]
fn take_length(data: &mut &[u8]) -> Option<usize> {
    if let Some((&short @ 0..=0x7F, rest)) = data.split_first() {
        *data = rest;
        return Some(usize::from(short));
    }
    let mut reader = Reader::new(data);
    let len = length(&mut reader).ok()?;
    *data = reader.rest();
    Some(len)
}

#[inline]
fn take_string<'a>(data: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_length(data)?;
    take_slice(data, len)
}

/// Moves on behind a type description that was validated.
fn skip_description(description: &mut &[u8]) -> Option<()> {
    match take::<1>(description)? {
        [ARRAY] => {
            take::<2>(description)?;
            skip_description(description)
        }
        [STRUCTURE] => {
            let [count] = take::<1>(description)?;
            (0..count).try_for_each(|_| skip_description(description))
        }
        _ => Some(()),
    }
}

/// One value that was walked to its last byte; reading it cannot fail any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<'a>(&'a [u8]);

impl<'a> Data<'a> {
    /// Walks `bytes`, which must be exactly one value.
    ///
    /// Takes time in proportion to the length of `bytes`, plus at most [`COMPACT_ELEMENTS_MAX`] elements for each compact
    /// array.
    ///
    /// # Errors
    /// See [`Error`]; each variant names its offset in `bytes`.
    ///
    /// ```
    /// use metergate_wire::dlms::axdr::{Data, Error, Value};
    ///
    /// let data = Data::validate(&[0x02, 0x02, 0x0F, 0xFF, 0x16, 0x23])?;
    /// let scaler_unit: Vec<_> = data.value().items().expect("a structure").collect();
    /// assert_eq!(scaler_unit, [Value::I8(-1), Value::Enum(35)]);
    /// assert_eq!(Data::validate(&[0x0F, 0xFF, 0x16]), Err(Error::Trailing { at: 2 }));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn validate(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::validate_at(bytes, 0)
    }

    /// Walks `bytes`, which stand at offset `at` of something larger; errors name that offset.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn validate_at(bytes: &'a [u8], at: usize) -> Result<Self, Error> {
        let len = validate(bytes, at)?;
        if len == bytes.len() { Ok(Self(bytes)) } else { Err(Error::Trailing { at: at + len }) }
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> Value<'a> {
        // What was validated is read in full; null stands for the impossible.
        tagged(&mut { self.0 }).unwrap_or(Value::Null)
    }

    /// The value, and if it is an array or structure all that is inside, in the order of the bytes.
    #[must_use]
    pub const fn walk(&self) -> Walk<'a> {
        Walk::new(self.0)
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests;
