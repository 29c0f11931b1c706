//! Rows of one meter in columns of small differences: what the store seals of an hour, before it compresses it.
//!
//! A row is what one telegram said: its sequence number, its time, and one mantissa for each column of its *shape*,
//! which is the list of registers that a telegram of this meter holds (codes, units and exponents stand elsewhere, once
//! for each shape). Nearly all telegrams of a meter have one shape, and nearly all values lie close to the last ones.
//!
//! ```text
//! version      1 byte, 01
//! rows         varint, at most 36,000
//! shapes       varint; then for each, ascending: its number and the count of its columns, varints
//! columns      sequence · time · flags · has a meter time · meter time · shape
//!              then for each shape each of its columns, with as many values as rows of that shape
//! ```
//!
//! Each column is coded for itself (see `column.rs`): its first value, then differences from what was expected, as
//! varints, with runs of zeros counted where that is shorter. The meter time has only as many values as rows that have
//! one. A column without values takes no bytes. Each difference has bytes of its own, so that a general compressor
//! finds what is left to find, about half; `tests/household_hour.rs` measures it. There is no checksum: the frame of
//! the compressor can have one.
//!
//! [`Block::parse`] reads every code once, so that the rows it gives cannot fail, and copies nothing: a block takes a
//! cursor for each column, whatever its counts pretend.
mod column;
mod error;
mod varint;

pub use error::{BlockError, Quantity, RowError};

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use column::Column;
use varint::Reader;

/// First byte of a block.
pub const VERSION: u8 = 1;
/// Most rows of a block: an hour of the fastest meters, ten telegrams a second.
pub const ROWS_MAX: usize = 36_000;
/// Most columns of a shape; the longest telegram seen has 343 registers.
pub const COLUMNS_MAX: usize = 4096;
/// Most values of a block. An hour of that longest telegram at one a second has 1.2 million; while it is encoded, a
/// value takes eight bytes.
pub const VALUES_MAX: usize = 2_000_000;
/// No block is longer, whatever its values: what a decompressor may be allowed to give. A usual hour has 30 KB.
pub const LEN_MAX: usize = 24 << 20;

// A value takes 10 bytes at most, the first of a column 11; a row has six more, and 8 bytes in the list of shapes.
const _: () = assert!(11 * VALUES_MAX + (6 * 10 + 8) * ROWS_MAX + 100 < LEN_MAX);

/// One telegram of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Number of the telegram, higher than that of the row before.
    pub sequence: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z. Mostly ascending; late telegrams step back.
    pub time_ms: i64,
    /// What else is known about the telegram; the meaning is the caller's.
    pub flags: u16,
    /// Seconds since 1970-01-01T00:00:00Z by the meter's own clock, if it sent one.
    pub meter_time_s: Option<i64>,
    /// Which list of columns `values` follows. Within a block a shape always has the same number of columns.
    pub shape: u32,
    /// The mantissa of each column.
    pub values: &'a [i64],
}

/// Gathers rows and writes them as a block.
///
/// The crate's front page has an example.
#[derive(Debug, Clone, Default)]
pub struct Encoder {
    sequences: Vec<i64>,
    times: Vec<i64>,
    flags: Vec<i64>,
    has_meter_time: Vec<i64>,
    meter_times: Vec<i64>,
    shapes: Vec<i64>,
    columns: BTreeMap<u32, Vec<Vec<i64>>>,
    last_sequence: Option<u64>,
    values: usize,
}

impl Encoder {
    /// A block without rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of rows so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.sequences.len()
    }

    /// True before the first row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sequences.is_empty()
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The row is not taken, the others stay, and another can follow:
    /// - [`RowError::Full`] at [`ROWS_MAX`] rows or [`VALUES_MAX`] values: begin another block.
    /// - [`RowError::NotAscending`] for a sequence number that is not above the last one.
    /// - [`RowError::TooManyColumns`] beyond [`COLUMNS_MAX`].
    /// - [`RowError::OtherWidth`] when rows of this shape had another number of columns.
    ///
    /// ```
    /// use metergate_series::block::{Encoder, Row, RowError};
    ///
    /// let mut encoder = Encoder::new();
    /// let row = Row { sequence: 9, time_ms: 0, flags: 0, meter_time_s: None, shape: 1, values: &[42] };
    /// encoder.push(&row)?;
    /// assert_eq!(encoder.push(&row), Err(RowError::NotAscending { previous: 9, found: 9 }));
    /// let wider = Row { sequence: 10, values: &[42, 43], ..row };
    /// assert_eq!(encoder.push(&wider), Err(RowError::OtherWidth { shape: 1, expected: 1, found: 2 }));
    /// assert_eq!(encoder.len(), 1);
    /// # Ok::<(), RowError>(())
    /// ```
    pub fn push(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let width = row.values.len();
        if width > COLUMNS_MAX {
            return Err(RowError::TooManyColumns { found: width });
        }
        if self.len() >= ROWS_MAX || self.values + width > VALUES_MAX {
            return Err(RowError::Full { rows: self.len(), values: self.values });
        }
        if let Some(previous) = self.last_sequence.filter(|&previous| row.sequence <= previous) {
            return Err(RowError::NotAscending { previous, found: row.sequence });
        }
        let columns = self.columns.entry(row.shape).or_insert_with(|| {
            let mut columns = Vec::new();
            columns.resize_with(width, Vec::new);
            columns
        });
        if columns.len() != width {
            let expected = columns.len();
            return Err(RowError::OtherWidth { shape: row.shape, expected, found: width });
        }
        columns.iter_mut().zip(row.values).for_each(|(column, &value)| column.push(value));
        self.sequences.push(row.sequence.cast_signed());
        self.times.push(row.time_ms);
        self.flags.push(i64::from(row.flags));
        self.has_meter_time.push(i64::from(row.meter_time_s.is_some()));
        self.meter_times.extend(row.meter_time_s);
        self.shapes.push(i64::from(row.shape));
        self.last_sequence = Some(row.sequence);
        self.values += width;
        Ok(())
    }

    /// The block of all rows; without rows, one that says so.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let put = |bytes: &mut Vec<u8>, n: usize| varint::put(bytes, u64::try_from(n).unwrap_or(u64::MAX));
        bytes.push(VERSION);
        put(&mut bytes, self.len());
        put(&mut bytes, self.columns.len());
        for (&shape, columns) in &self.columns {
            varint::put(&mut bytes, u64::from(shape));
            put(&mut bytes, columns.len());
        }
        let Self { sequences, times, flags, has_meter_time, meter_times, shapes, columns, .. } = self;
        let heads = [sequences, times, flags, has_meter_time, meter_times, shapes];
        for column in heads.iter().chain(columns.values().flatten()) {
            column::encode(&mut bytes, column);
        }
        bytes
    }
}

/// A block all of whose codes have been read once.
#[derive(Debug, Clone)]
pub struct Block<'a> {
    len: usize,
    rows: Rows<'a>,
}

impl<'a> Block<'a> {
    /// Reads a block, to its last byte.
    ///
    /// Takes time in proportion to the bytes and the rows, of which there are at most [`ROWS_MAX`], and memory in
    /// proportion to the bytes.
    ///
    /// # Errors
    /// - [`BlockError::Version`] when the first byte is not [`VERSION`].
    /// - [`BlockError::Short`], [`BlockError::Surplus`] when the bytes end before or after the block.
    /// - [`BlockError::NumberTooLong`], [`BlockError::Coding`] for codes that mean nothing.
    /// - [`BlockError::TooMany`] for counts beyond the limits or beyond the rows.
    /// - [`BlockError::Impossible`] for flags, marks and shapes that no row has.
    /// - [`BlockError::NotAscending`] for sequence numbers out of order.
    /// - [`BlockError::Shapes`] for a list of shapes that is out of order or names one without rows.
    ///
    /// ```
    /// use metergate_series::block::{Block, BlockError, Quantity};
    ///
    /// assert!(Block::parse(&[0x01, 0x00, 0x00])?.is_empty());
    /// // A billion rows in eight bytes.
    /// let error = BlockError::TooMany { at: 1, quantity: Quantity::Rows, max: 36_000, found: 1 << 30 };
    /// assert_eq!(Block::parse(&[0x01, 0x80, 0x80, 0x80, 0x80, 0x04, 0x01, 0x01]).err(), Some(error));
    /// # Ok::<(), BlockError>(())
    /// ```
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BlockError> {
        let mut reader = Reader::new(bytes);
        let found = reader.byte()?;
        if found != VERSION {
            return Err(BlockError::Version { found });
        }
        let len = count(&mut reader, Quantity::Rows, ROWS_MAX)?;
        let shapes_len = count(&mut reader, Quantity::Shapes, len)?;
        let mut widths = widths(&mut reader, shapes_len)?;
        let sequence = Column::parse(&mut reader, len)?;
        check_ascending(sequence.clone())?;
        let time = Column::parse(&mut reader, len)?;
        let flags = Column::parse(&mut reader, len)?;
        check_range(flags.clone(), Quantity::Flags, i64::from(u16::MAX))?;
        let has_meter_time = Column::parse(&mut reader, len)?;
        check_range(has_meter_time.clone(), Quantity::MeterTimes, 1)?;
        let meter_times = has_meter_time.clone().filter(|&mark| mark == 1).count();
        let meter_time = Column::parse(&mut reader, meter_times)?;
        let shape = Column::parse(&mut reader, len)?;
        for (row, found) in shape.clone().enumerate() {
            let width = widths.get_mut(&found);
            width.ok_or(BlockError::Impossible { row, quantity: Quantity::Shapes, found })?.rows += 1;
        }

        let mut shapes = Vec::new();
        let mut room = VALUES_MAX;
        for (number, Width { at, columns, rows }) in widths {
            // Its columns would take no bytes and yet a cursor each.
            if rows == 0 {
                return Err(BlockError::Shapes { at, found: number });
            }
            room = room.checked_sub(columns.saturating_mul(rows)).ok_or(BlockError::TooMany {
                at,
                quantity: Quantity::Values,
                max: wide(room),
                found: wide(columns.saturating_mul(rows)),
            })?;
            let mut cursors = Vec::new();
            for _ in 0..columns {
                cursors.push(Column::parse(&mut reader, rows)?);
            }
            shapes.push(Shape { number, columns: cursors });
        }
        if !reader.rest().is_empty() {
            return Err(BlockError::Surplus { at: reader.at(), left: reader.rest().len() });
        }
        let values = Vec::new();
        let rows = Rows { sequence, time, flags, has_meter_time, meter_time, shape, shapes, values };
        Ok(Self { len, rows })
    }

    /// Number of rows, at most [`ROWS_MAX`].
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True when there is no row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The rows, in ascending sequence.
    #[must_use]
    pub fn rows(&self) -> Rows<'a> {
        self.rows.clone()
    }
}

/// What the list of shapes says about one.
struct Width {
    /// Offset in the block.
    at: usize,
    columns: usize,
    /// Counted later.
    rows: usize,
}

/// Reads the list of shapes. A shape takes two bytes at least, whatever `len` pretends.
fn widths(reader: &mut Reader<'_>, len: usize) -> Result<BTreeMap<i64, Width>, BlockError> {
    let mut widths = BTreeMap::new();
    for _ in 0..len {
        let at = reader.at();
        let found = reader.number()?;
        let (quantity, max) = (Quantity::ShapeNumbers, u64::from(u32::MAX));
        let number = u32::try_from(found).map_err(|_| BlockError::TooMany { at, quantity, max, found })?;
        let number = i64::from(number);
        if widths.last_key_value().is_some_and(|(&last, _)| number <= last) {
            return Err(BlockError::Shapes { at, found: number });
        }
        let columns = count(reader, Quantity::Columns, COLUMNS_MAX)?;
        widths.insert(number, Width { at, columns, rows: 0 });
    }
    Ok(widths)
}

#[derive(Debug, Clone)]
struct Shape<'a> {
    number: i64,
    columns: Vec<Column<'a>>,
}

/// Gives the rows of a block one after the other.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    sequence: Column<'a>,
    time: Column<'a>,
    flags: Column<'a>,
    has_meter_time: Column<'a>,
    meter_time: Column<'a>,
    shape: Column<'a>,
    /// By number.
    shapes: Vec<Shape<'a>>,
    /// Of the row that was given last.
    values: Vec<i64>,
}

impl Rows<'_> {
    /// The next row, or `None` after the last. The values stand in a buffer that the next row fills again.
    pub fn next_row(&mut self) -> Option<Row<'_>> {
        let (sequence, time_ms, flags) = (self.sequence.next()?, self.time.next()?, self.flags.next()?);
        let meter_time_s =
            if self.has_meter_time.next()? == 1 { Some(self.meter_time.next()?) } else { None };
        let number = self.shape.next()?;
        let index = self.shapes.binary_search_by_key(&number, |shape| shape.number).ok()?;
        let columns = &mut self.shapes.get_mut(index)?.columns;
        self.values.clear();
        self.values.extend(columns.iter_mut().map_while(Iterator::next));
        Some(Row {
            sequence: sequence.cast_unsigned(),
            time_ms,
            flags: u16::try_from(flags).ok()?,
            meter_time_s,
            shape: u32::try_from(number).ok()?,
            values: &self.values,
        })
    }
}

/// Reads a count.
fn count(reader: &mut Reader<'_>, quantity: Quantity, max: usize) -> Result<usize, BlockError> {
    let at = reader.at();
    let found = reader.number()?;
    let too_many = BlockError::TooMany { at, quantity, max: wide(max), found };
    usize::try_from(found).ok().filter(|&count| count <= max).ok_or(too_many)
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn check_ascending(sequence: Column<'_>) -> Result<(), BlockError> {
    let mut last = None;
    for (row, found) in sequence.map(i64::cast_unsigned).enumerate() {
        if let Some(previous) = last.filter(|&previous| found <= previous) {
            return Err(BlockError::NotAscending { row, previous, found });
        }
        last = Some(found);
    }
    Ok(())
}

fn check_range(mut column: Column<'_>, quantity: Quantity, max: i64) -> Result<(), BlockError> {
    let mut row = 0;
    let wrong = column.find(|found| {
        row += 1;
        !(0..=max).contains(found)
    });
    wrong.map_or(Ok(()), |found| Err(BlockError::Impossible { row: row - 1, quantity, found }))
}

#[cfg(test)]
mod tests;
