//! Why a row cannot be taken into a block, and why bytes are no block.
use super::{COLUMNS_MAX, VERSION};
use core::fmt;

/// A row does not fit the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowError {
    /// The block has as many rows or values as it may; the row belongs into another one.
    Full {
        /// Rows so far.
        rows: usize,
        /// Values so far.
        values: usize,
    },
    /// The sequence number is not above that of the row before.
    NotAscending {
        /// Number of the row before.
        previous: u64,
        /// Number of this one.
        found: u64,
    },
    /// The row has more than [`COLUMNS_MAX`] columns.
    TooManyColumns {
        /// Its columns.
        found: usize,
    },
    /// Earlier rows of the same shape had another number of columns.
    OtherWidth {
        /// Number of the shape.
        shape: u32,
        /// Columns of the earlier rows.
        expected: usize,
        /// Columns of this one.
        found: usize,
    },
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { rows, values } => write!(f, "the block is full with {rows} rows of {values} values"),
            Self::NotAscending { previous, found } => {
                write!(f, "the row has sequence number {found}, the one before has {previous}")
            }
            Self::TooManyColumns { found } => {
                write!(f, "the row has {found} columns, a shape may have {COLUMNS_MAX}")
            }
            Self::OtherWidth { shape, expected, found } => {
                write!(f, "the row has {found} columns, earlier ones of its shape {shape} have {expected}")
            }
        }
    }
}

impl core::error::Error for RowError {}

/// What a number in a block counts or means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Rows of the block.
    Rows,
    /// Shapes of the block.
    Shapes,
    /// The number that a shape goes by.
    ShapeNumbers,
    /// Columns of a shape.
    Columns,
    /// Values of a column or of the block.
    Values,
    /// Flags of a row.
    Flags,
    /// Whether a row has a meter time.
    MeterTimes,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows => "rows",
            Self::Shapes => "shapes",
            Self::ShapeNumbers => "number of a shape",
            Self::Columns => "columns",
            Self::Values => "values",
            Self::Flags => "flags",
            Self::MeterTimes => "mark of a meter time",
        })
    }
}

/// The bytes are no block. Offsets count from its first byte, rows from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockError {
    /// The first byte is not [`VERSION`]: written by a later version of this program, or no block at all.
    Version {
        /// The first byte.
        found: u8,
    },
    /// The bytes end where another one belongs.
    Short {
        /// Offset of the end.
        at: usize,
    },
    /// Bytes follow the last column.
    Surplus {
        /// Offset of the first of them.
        at: usize,
        /// How many they are.
        left: usize,
    },
    /// A number does not end within 64 bits.
    NumberTooLong {
        /// Offset of its first byte.
        at: usize,
    },
    /// The coding byte of a column means nothing.
    Coding {
        /// Offset of the byte.
        at: usize,
        /// The byte.
        found: u8,
    },
    /// A count, or the number of a shape, is higher than the limits or the rest of the block allow.
    TooMany {
        /// Offset of the count, or of the shape whose values are too many.
        at: usize,
        /// What is counted.
        quantity: Quantity,
        /// Highest count that is possible there.
        max: u64,
        /// The count.
        found: u64,
    },
    /// A row has flags beyond 16 bits, a mark that is neither 0 nor 1, or a shape that is not listed.
    Impossible {
        /// Number of the row.
        row: usize,
        /// Which of them.
        quantity: Quantity,
        /// The value.
        found: i64,
    },
    /// The sequence number of a row is not above that of the row before.
    NotAscending {
        /// Number of the row.
        row: usize,
        /// Sequence number of the row before.
        previous: u64,
        /// Sequence number of the row.
        found: u64,
    },
    /// The list of shapes is not ascending, or names one that no row has.
    Shapes {
        /// Offset in the list.
        at: usize,
        /// Number of the shape.
        found: i64,
    },
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { found } => {
                write!(f, "the block has version {found}, this program reads version {VERSION}")
            }
            Self::Short { at } => write!(f, "the block ends early, after {at} bytes"),
            Self::Surplus { at, left } => {
                write!(f, "the block should end at byte {at}, but {left} more bytes follow")
            }
            Self::NumberTooLong { at } => {
                write!(f, "the number at byte {at} of the block does not fit 64 bits")
            }
            Self::Coding { at, found } => {
                write!(f, "the column at byte {at} of the block has the unknown coding {found:02X}")
            }
            Self::TooMany { at, quantity, max, found } => {
                write!(f, "the block counts {found} {quantity} at byte {at}, where {max} are possible")
            }
            Self::Impossible { row, quantity, found } => {
                write!(f, "row {row} of the block cannot have {found} as {quantity}")
            }
            Self::NotAscending { row, previous, found } => {
                write!(f, "row {row} of the block has sequence number {found}, the one before has {previous}")
            }
            Self::Shapes { at, found } => {
                write!(f, "shape {found} at byte {at} of the block is out of order or has no row")
            }
        }
    }
}

impl core::error::Error for BlockError {}
