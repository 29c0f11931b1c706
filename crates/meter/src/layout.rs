//! Layout tables: the meaning of lists that come without or with partial OBIS codes.
use metergate_reading::{ObisCode, Unit};

/// One table. Which lists it fits is decided by their number of elements and, optionally, by a text in them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    /// Its name in messages and in `--layout` files.
    pub name: &'static str,
    /// What each element means.
    pub rows: &'static [Row],
}

/// The meaning of one element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Index from 0 among the elements of the outermost structure.
    pub position: u16,
    /// Its code.
    pub obis: ObisCode,
    /// Unit of a number.
    pub unit: Option<Unit>,
    /// Power of ten to apply to a number.
    pub scale: i8,
}
