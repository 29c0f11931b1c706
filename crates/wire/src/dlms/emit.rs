//! Writing A-XDR: the way back of [`axdr`].
//!
//! ```
//! use metergate_wire::{Full, Writer, dlms::{axdr::Value, emit}};
//!
//! let mut buffer = [0; 16];
//! let mut writer = Writer::new(&mut buffer);
//! emit::structure(&mut writer, 2)?;
//! emit::value(&mut writer, Value::I8(-1))?;
//! emit::value(&mut writer, Value::Enum(35))?;
//! assert_eq!(writer.written(), [0x02, 0x02, 0x0F, 0xFF, 0x16, 0x23]);
//! assert_eq!(emit::value(&mut writer, Value::Octets(&[0; 20])), Err(Full { capacity: 16 }));
//! # Ok::<(), Full>(())
//! ```
use super::axdr::{self, Items, Value};
use super::put_length;
use crate::{Full, Writer};

/// Begins a structure; its `count` elements follow.
///
/// # Errors
/// [`Full`] when the buffer is too small.
pub fn structure(writer: &mut Writer<'_>, count: usize) -> Result<(), Full> {
    writer.u8(axdr::STRUCTURE)?;
    put_length(writer, count)
}

/// Begins an array; its `count` elements follow.
///
/// # Errors
/// [`Full`] when the buffer is too small.
pub fn array(writer: &mut Writer<'_>, count: usize) -> Result<(), Full> {
    writer.u8(axdr::ARRAY)?;
    put_length(writer, count)
}

/// Writes a value with its tag, and all that is inside an array or structure.
///
/// # Errors
/// [`Full`] when the buffer is too small.
pub fn value(writer: &mut Writer<'_>, value: Value<'_>) -> Result<(), Full> {
    match value {
        Value::Null => writer.u8(axdr::NULL),
        Value::Array(items) => {
            array(writer, items.len())?;
            elements(writer, items)
        }
        Value::Structure(items) => {
            structure(writer, items.len())?;
            elements(writer, items)
        }
        Value::Bool(value) => writer.put(&[axdr::BOOL, u8::from(value)]),
        Value::BitString { bits, bytes } => {
            writer.u8(axdr::BIT_STRING)?;
            put_length(writer, bits)?;
            writer.put(bytes)
        }
        Value::I32(value) => fixed(writer, axdr::I32, &value.to_be_bytes()),
        Value::U32(value) => fixed(writer, axdr::U32, &value.to_be_bytes()),
        Value::Octets(bytes) => string(writer, axdr::OCTETS, bytes),
        Value::Visible(bytes) => string(writer, axdr::VISIBLE, bytes),
        Value::Utf8(bytes) => string(writer, axdr::UTF8, bytes),
        Value::Bcd(value) => fixed(writer, axdr::BCD, &[value]),
        Value::I8(value) => fixed(writer, axdr::I8, &value.to_be_bytes()),
        Value::I16(value) => fixed(writer, axdr::I16, &value.to_be_bytes()),
        Value::U8(value) => fixed(writer, axdr::U8, &[value]),
        Value::U16(value) => fixed(writer, axdr::U16, &value.to_be_bytes()),
        Value::CompactArray(array) => {
            writer.u8(axdr::COMPACT_ARRAY)?;
            writer.put(array.description())?;
            put_length(writer, array.contents().len())?;
            writer.put(array.contents())
        }
        Value::I64(value) => fixed(writer, axdr::I64, &value.to_be_bytes()),
        Value::U64(value) => fixed(writer, axdr::U64, &value.to_be_bytes()),
        Value::Enum(value) => fixed(writer, axdr::ENUM, &[value]),
        Value::F32(value) => fixed(writer, axdr::F32, &value.to_be_bytes()),
        Value::F64(value) => fixed(writer, axdr::F64, &value.to_be_bytes()),
        Value::DateTime(value) => fixed(writer, axdr::DATE_TIME, &value.to_bytes()),
        Value::Date(value) => fixed(writer, axdr::DATE, &value.to_bytes()),
        Value::Time(value) => fixed(writer, axdr::TIME, &value.to_bytes()),
        Value::DontCare => writer.u8(axdr::DONT_CARE),
    }
}

/// Writes the three elements by which a self-describing push gives a register: OBIS code, value, scaler and unit.
///
/// They stand in a row in the flat structure of Netz NÖ; for the nested one of TINETZ begin a structure of 3 first.
///
/// # Errors
/// [`Full`] when the buffer is too small.
pub fn register(
    writer: &mut Writer<'_>,
    obis: [u8; 6],
    number: Value<'_>,
    scaler: i8,
    unit: u8,
) -> Result<(), Full> {
    value(writer, Value::Octets(&obis))?;
    value(writer, number)?;
    structure(writer, 2)?;
    value(writer, Value::I8(scaler))?;
    value(writer, Value::Enum(unit))
}

fn elements(writer: &mut Writer<'_>, mut items: Items<'_>) -> Result<(), Full> {
    items.try_for_each(|item| value(writer, item))
}

fn fixed(writer: &mut Writer<'_>, tag: u8, bytes: &[u8]) -> Result<(), Full> {
    writer.u8(tag)?;
    writer.put(bytes)
}

fn string(writer: &mut Writer<'_>, tag: u8, bytes: &[u8]) -> Result<(), Full> {
    writer.u8(tag)?;
    put_length(writer, bytes.len())?;
    writer.put(bytes)
}
