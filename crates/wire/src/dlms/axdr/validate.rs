//! The one checked walk over a value, after which reading it cannot fail.
use super::error::Error;
use super::{
    ARRAY, BCD, BIT_STRING, BOOL, COMPACT_ARRAY, COMPACT_ELEMENTS_MAX, DATE, DATE_TIME, DEPTH_MAX, DONT_CARE,
    ENUM, F32, F64, I8, I16, I32, I64, NULL, OCTETS, STRUCTURE, TIME, U8, U16, U32, U64, UTF8, VISIBLE,
    skip_description,
};
use crate::dlms::length;
use crate::{Reader, Short};

/// Bytes behind each tag, or one of the classes below.
static SIZES: [u8; 256] = sizes();
/// A length stands behind the tag, and as many bytes.
const STRING: u8 = 0x80;
/// bit-string and long64-unsigned, which need a closer look.
const OTHER: u8 = 0x81;
/// Array or structure.
const LIST: u8 = 0x82;
/// Compact array.
const COMPACT: u8 = 0x83;
/// No type has this tag.
const FREE: u8 = 0x84;

const fn sizes() -> [u8; 256] {
    let mut sizes = [FREE; 256];
    let mut tag = 0_u8;
    let mut rest: &mut [u8] = &mut sizes;
    while let [size, after @ ..] = rest {
        *size = match tag {
            NULL | DONT_CARE => 0,
            BOOL | BCD | I8 | U8 | ENUM => 1,
            I16 | U16 => 2,
            I32 | U32 | F32 | TIME => 4,
            DATE => 5,
            I64 | F64 => 8,
            DATE_TIME => 12,
            OCTETS | VISIBLE | UTF8 => STRING,
            BIT_STRING | U64 => OTHER,
            ARRAY | STRUCTURE => LIST,
            COMPACT_ARRAY => COMPACT,
            _ => FREE,
        };
        tag = tag.wrapping_add(1);
        rest = after;
    }
    sizes
}

fn size_of(tag: u8) -> u8 {
    SIZES.get(usize::from(tag)).copied().unwrap_or(FREE)
}

/// Walks the value at the start of `bytes`, which stand at offset `base` of something larger, and returns its length.
///
/// Without recursion: the counts of the lists around a value stand in a small array. Every telegram goes through this
/// loop, hence the short way for what is frequent.
pub(super) fn validate(bytes: &[u8], base: usize) -> Result<usize, Error> {
    let mut around = [0_usize; DEPTH_MAX];
    let mut depth = 0_usize;
    let mut left = 1_usize;
    let mut rest = bytes;
    loop {
        let at = || base + bytes.len() - rest.len();
        let Some((&found, behind)) = rest.split_first() else {
            return Err(Error::Short(Short { at: at(), needed: 1, have: 0 }));
        };
        left -= 1;
        match (size_of(found), behind) {
            (size @ 0..STRING, _) => {
                let size = usize::from(size);
                let short = || Error::Short(Short { at: at() + 1, needed: size, have: behind.len() });
                rest = behind.get(size..).ok_or_else(short)?;
            }
            (STRING, &[len @ 0..=0x7F, ref behind @ ..]) => {
                let size = usize::from(len);
                let short = || Error::Short(Short { at: at() + 2, needed: size, have: behind.len() });
                rest = behind.get(size..).ok_or_else(short)?;
            }
            // Scaler and unit, half of all lists: 02 02 0F scaler 16 unit.
            (LIST, &[2, I8, _, ENUM, _, ref behind @ ..]) => rest = behind,
            // A list that begins with an OBIS code, most of the others.
            (LIST, &[count @ 1..=0x7F, OCTETS, 6, _, _, _, _, _, _, ref behind @ ..])
                if depth < DEPTH_MAX =>
            {
                if let Some(slot) = around.get_mut(depth) {
                    *slot = left;
                }
                depth += 1;
                left = usize::from(count - 1);
                rest = behind;
            }
            (LIST, _) => {
                let at = at();
                let mut reader = Reader::at_offset(behind, at + 1);
                let count = match *behind {
                    [short @ 0..=0x7F, ref behind @ ..] => {
                        rest = behind;
                        usize::from(short)
                    }
                    _ => {
                        let count = length(&mut reader)?;
                        rest = reader.rest();
                        count
                    }
                };
                if count > rest.len() {
                    return Err(Error::Count { at, count, have: rest.len() });
                }
                *around.get_mut(depth).ok_or(Error::TooDeep { at })? = left;
                depth += 1;
                left = count;
            }
            _ => {
                let at = at();
                let mut reader = Reader::at_offset(behind, at + 1);
                match found {
                    COMPACT_ARRAY => validate_compact_array(&mut reader, at)?,
                    found => validate_variable(found, &mut reader, at)?,
                }
                rest = reader.rest();
            }
        }
        while left == 0 {
            let Some(below) = depth.checked_sub(1) else { return Ok(bytes.len() - rest.len()) };
            depth = below;
            left = around.get(depth).copied().unwrap_or_default();
        }
    }
}

/// Walks a value behind its tag that is no array, structure or compact array.
fn validate_simple(found: u8, reader: &mut Reader<'_>, at: usize) -> Result<(), Error> {
    let size = size_of(found);
    if size < STRING {
        reader.take(usize::from(size))?;
        return Ok(());
    }
    validate_variable(found, reader, at)
}

/// Walks a value whose size its own bytes say, or whose number has a limit.
#[inline]
fn validate_variable(found: u8, reader: &mut Reader<'_>, at: usize) -> Result<(), Error> {
    match found {
        OCTETS | VISIBLE | UTF8 => {
            let len = length(reader)?;
            reader.take(len)?;
        }
        BIT_STRING => {
            let len = length(reader)?.div_ceil(8);
            reader.take(len)?;
        }
        U64 => {
            let value = u64::from_be_bytes(reader.array()?);
            i64::try_from(value).map_err(|_| Error::TooLarge { at, found: value })?;
        }
        found => return Err(Error::Tag { at, found }),
    }
    Ok(())
}

fn validate_compact_array(reader: &mut Reader<'_>, at: usize) -> Result<(), Error> {
    let before = reader.rest();
    validate_description(reader, DEPTH_MAX)?;
    let description = before.get(..before.len() - reader.rest().len()).unwrap_or_default();
    let len = length(reader)?;
    let contents_at = reader.at();
    let mut contents = Reader::at_offset(reader.take(len)?, contents_at);
    let mut budget = COMPACT_ELEMENTS_MAX;
    while !contents.is_empty() {
        validate_packed(&mut { description }, &mut contents, &mut budget, at)?;
    }
    Ok(())
}

/// Walks a type description with at most `depth` levels.
fn validate_description(reader: &mut Reader<'_>, depth: usize) -> Result<(), Error> {
    let at = reader.at();
    let depth = depth.checked_sub(1).ok_or(Error::TooDeep { at })?;
    let found = reader.u8()?;
    match size_of(found) {
        LIST if found == ARRAY => {
            reader.u16_be()?;
            validate_description(reader, depth)
        }
        LIST if found == STRUCTURE => {
            let count = reader.u8()?;
            (0..count).try_for_each(|_| validate_description(reader, depth))
        }
        // A compact array in a compact array is not allowed.
        LIST | COMPACT | FREE => Err(Error::Tag { at, found }),
        _ => Ok(()),
    }
}

/// Walks one bare value; its description was validated.
fn validate_packed(
    description: &mut &[u8],
    contents: &mut Reader<'_>,
    budget: &mut usize,
    array_at: usize,
) -> Result<(), Error> {
    *budget = budget.checked_sub(1).ok_or(Error::Elements { at: array_at, max: COMPACT_ELEMENTS_MAX })?;
    match **description {
        [ARRAY, high, low, ref element @ ..] => {
            for _ in 0..u16::from_be_bytes([high, low]) {
                validate_packed(&mut { element }, contents, budget, array_at)?;
            }
            skip_description(description);
            Ok(())
        }
        [STRUCTURE, count, ref elements @ ..] => {
            let mut elements = elements;
            for _ in 0..count {
                validate_packed(&mut elements, contents, budget, array_at)?;
            }
            *description = elements;
            Ok(())
        }
        [found, ref rest @ ..] => {
            *description = rest;
            validate_simple(found, contents, contents.at())
        }
        [] => Ok(()),
    }
}
