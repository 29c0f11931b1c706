//! The flat way through a validated value.
use super::{ENUM, I8, I16, I32, I64, Items, OCTETS, STRUCTURE, U8, U16, U32, U64, Value, tagged};

/// From this byte on a length has more than one byte.
const LONG: u8 = 0x80;

/// All values of a message in the order of the bytes: an array or structure, then its elements.
#[derive(Debug, Clone, Copy)]
pub struct Walk<'a> {
    data: &'a [u8],
    left: usize,
}

impl<'a> Walk<'a> {
    /// Begins before a validated value.
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, left: 1 }
    }

    /// Values and bytes that are left.
    #[cfg(test)]
    pub(super) fn unread(&self) -> (usize, usize) {
        (self.left, self.data.len())
    }

    /// Takes the beginning of a structure whose first element is an octet string of 6 bytes, an OBIS code, if that comes
    /// next: the number of elements, that one included, and the code.
    #[inline]
    pub fn take_item(&mut self) -> Option<(usize, [u8; 6])> {
        let left = self.left.checked_sub(1)?;
        let &[STRUCTURE, count @ 1..=0x7F, OCTETS, 6, a, b, c, d, e, f, ref rest @ ..] = self.data else {
            return match self.data {
                [STRUCTURE, LONG..=0xFF, ..] | [STRUCTURE, _, OCTETS, LONG..=0xFF, ..] => {
                    self.take_long_item()
                }
                _ => None,
            };
        };
        let count = usize::from(count);
        *self = Self { data: rest, left: left + count - 1 };
        Some((count, [a, b, c, d, e, f]))
    }

    /// The same when a length has a longer form than it needs.
    #[cold]
    fn take_long_item(&mut self) -> Option<(usize, [u8; 6])> {
        let mut ahead = *self;
        let Value::Structure(elements) = ahead.next()? else { return None };
        let count = elements.len();
        if count == 0 {
            return None;
        }
        let code = ahead.next()?;
        let Value::Octets(code) = code else { return None };
        let code = code.try_into().ok()?;
        *self = ahead;
        Some((count, code))
    }

    /// Takes an octet string of exactly `N` bytes if it comes next.
    #[inline]
    pub fn take_octets<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let left = self.left.checked_sub(1)?;
        let &[OCTETS, len, ref rest @ ..] = self.data else { return None };
        if len >= LONG {
            return self.take_long_octets();
        }
        let (octets, rest) = rest.split_first_chunk().filter(|_| usize::from(len) == N)?;
        *self = Self { data: rest, left };
        Some(octets)
    }

    #[cold]
    fn take_long_octets<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let mut ahead = *self;
        let Value::Octets(octets) = ahead.next()? else { return None };
        let octets = octets.try_into().ok()?;
        *self = ahead;
        Some(octets)
    }

    /// Takes a number of one of the eight integer types if it comes next.
    #[inline(always)]
    pub fn take_integer(&mut self) -> Option<i64> {
        let left = self.left.checked_sub(1)?;
        let (value, rest) = match *self.data {
            [U32, a, b, c, d, ref rest @ ..] => (i64::from(u32::from_be_bytes([a, b, c, d])), rest),
            [U16, a, b, ref rest @ ..] => (i64::from(u16::from_be_bytes([a, b])), rest),
            [I32 | I16 | U8 | I8 | I64 | U64, ..] => {
                let mut rest = self.data;
                (tagged(&mut rest)?.integer()?, rest)
            }
            _ => return None,
        };
        *self = Self { data: rest, left };
        Some(value)
    }

    /// Takes the structure of scaler and unit if it comes next: `02 02 0F scaler 16 unit`.
    #[inline]
    pub fn take_scaler_unit(&mut self) -> Option<(i8, u8)> {
        let left = self.left.checked_sub(1)?;
        let &[STRUCTURE, 2, I8, scaler, ENUM, unit, ref rest @ ..] = self.data else {
            return if matches!(self.data, [STRUCTURE, LONG..=0xFF, ..]) {
                self.take_long_scaler_unit()
            } else {
                None
            };
        };
        *self = Self { data: rest, left };
        Some((i8::from_be_bytes([scaler]), unit))
    }

    #[cold]
    fn take_long_scaler_unit(&mut self) -> Option<(i8, u8)> {
        let mut ahead = *self;
        match ahead.next()? {
            Value::Structure(elements) if elements.len() == 2 => {}
            _ => return None,
        }
        let (Value::I8(scaler), Value::Enum(unit)) = (ahead.next()?, ahead.next()?) else { return None };
        *self = ahead;
        Some((scaler, unit))
    }

    /// Leaves out the elements of the array or structure that [`next`](Iterator::next) has just given.
    pub fn skip_list(&mut self, list: Items<'a>) {
        self.left = self.left.saturating_sub(list.left);
        self.data = list.end();
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Value<'a>;

    /// The next value. The elements of an array or structure come after it; those of a compact array do not.
    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        let value = tagged(&mut self.data)?;
        if let Value::Array(children) | Value::Structure(children) = &value {
            self.left += children.left;
        }
        Some(value)
    }
}
