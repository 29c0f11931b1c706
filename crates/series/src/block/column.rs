//! One column of a block: its first value, then by how much each further one differs from what was expected.
//!
//! ```text
//! coding  1 byte: bit 0 set: the last step is expected once more (delta of delta), else the last value (delta);
//!         bit 1 set: sparse
//! first   varint, folded
//! dense:  n-1 differences, varint, folded
//! sparse: how many differences are not 0; for each of them the zeros before it; then each of them
//! ```
//!
//! A counter that stands or a power that holds is expected to stay, a clock to go on; which is nearer is not argued
//! but counted, for each column, and so is whether its zeros are written or counted. The shortest of the four codings
//! stands in the block.
use super::varint::{Reader, fold, put, unfold};
use super::{BlockError, Quantity};
use alloc::vec::Vec;

/// Bit of the coding byte: the last step is expected once more.
const LAST_STEP: u8 = 0x01;
/// Bit of the coding byte: zeros are counted, not written.
const SPARSE: u8 = 0x02;

/// What is expected of the next value. All steps wrap, so that any `i64` may follow any other.
#[derive(Debug, Clone, Copy)]
struct Expectation {
    last: i64,
    step: i64,
    /// False: the step stays 0.
    goes_on: bool,
}

impl Expectation {
    const fn new(coding: u8, first: i64) -> Self {
        Self { last: first, step: 0, goes_on: coding & LAST_STEP != 0 }
    }

    /// By how much `value` differs from what was expected.
    const fn difference(&mut self, value: i64) -> i64 {
        let difference = value.wrapping_sub(self.last).wrapping_sub(self.step);
        self.learn(value);
        difference
    }

    /// The value that differs by so much.
    const fn value(&mut self, difference: i64) -> i64 {
        let value = self.last.wrapping_add(self.step).wrapping_add(difference);
        self.learn(value);
        value
    }

    const fn learn(&mut self, value: i64) {
        if self.goes_on {
            self.step = value.wrapping_sub(self.last);
        }
        self.last = value;
    }
}

/// Appends a column in its shortest coding; nothing when it has no value.
pub(super) fn encode(bytes: &mut Vec<u8>, values: &[i64]) {
    let codings = [0, LAST_STEP, SPARSE, LAST_STEP | SPARSE];
    let shortest = codings.into_iter().map(|coding| encode_as(coding, values)).min_by_key(Vec::len);
    bytes.extend(shortest.unwrap_or_default());
}

fn encode_as(coding: u8, values: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Some((&first, rest)) = values.split_first() else { return bytes };
    bytes.push(coding);
    put(&mut bytes, fold(first));
    let mut expectation = Expectation::new(coding, first);
    let differences = rest.iter().map(|&value| fold(expectation.difference(value)));
    if coding & SPARSE == 0 {
        differences.for_each(|difference| put(&mut bytes, difference));
        return bytes;
    }
    let (mut zeros, mut others, mut count, mut run) = (Vec::new(), Vec::new(), 0, 0);
    for difference in differences {
        if difference == 0 {
            run += 1;
        } else {
            put(&mut zeros, run);
            put(&mut others, difference);
            count += 1;
            run = 0;
        }
    }
    put(&mut bytes, count);
    bytes.append(&mut zeros);
    bytes.append(&mut others);
    bytes
}

/// A column whose codes were read to the end once; it gives its values in order.
#[derive(Debug, Clone)]
pub(super) struct Column<'a> {
    /// Values still to come.
    left: usize,
    /// True until the first value was given.
    at_first: bool,
    expectation: Expectation,
    differences: Differences<'a>,
}

#[derive(Debug, Clone)]
enum Differences<'a> {
    Dense(Reader<'a>),
    Sparse {
        /// Zeros before the next other difference; `None` when only zeros are left.
        run: Option<u64>,
        runs_left: u64,
        runs: Reader<'a>,
        others: Reader<'a>,
    },
}

impl<'a> Column<'a> {
    /// Reads a column of `len` values from the front, to its end.
    ///
    /// # Errors
    /// [`BlockError::Coding`] for a coding byte that means nothing; [`BlockError::TooMany`] for more differences
    /// than the column has values; else as the numbers are short or too long.
    pub(super) fn parse(reader: &mut Reader<'a>, len: usize) -> Result<Self, BlockError> {
        if len == 0 {
            let (expectation, differences) = (Expectation::new(0, 0), Differences::Dense(*reader));
            return Ok(Self { left: 0, at_first: true, expectation, differences });
        }
        let at = reader.at();
        let coding = reader.byte()?;
        if coding & !(LAST_STEP | SPARSE) != 0 {
            return Err(BlockError::Coding { at, found: coding });
        }
        let first = unfold(reader.number()?);
        let differences = if coding & SPARSE == 0 {
            let differences = Differences::Dense(*reader);
            for _ in 1..len {
                reader.number()?;
            }
            differences
        } else {
            Self::parse_sparse(reader, len - 1)?
        };
        Ok(Self { left: len, at_first: true, expectation: Expectation::new(coding, first), differences })
    }

    fn parse_sparse(reader: &mut Reader<'a>, len: usize) -> Result<Differences<'a>, BlockError> {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let at = reader.at();
        let count = reader.number()?;
        if count > len {
            return Err(BlockError::TooMany { at, quantity: Quantity::Values, max: len, found: count });
        }
        let mut runs = *reader;
        // What zeros may still fill.
        let mut room = len - count;
        for _ in 0..count {
            let at = reader.at();
            let run = reader.number()?;
            room = room.checked_sub(run).ok_or(BlockError::TooMany {
                at,
                quantity: Quantity::Values,
                max: room,
                found: run,
            })?;
        }
        let others = *reader;
        for _ in 0..count {
            reader.number()?;
        }
        let run = if count > 0 { runs.number().ok() } else { None };
        Ok(Differences::Sparse { run, runs_left: count.saturating_sub(1), runs, others })
    }
}

impl Differences<'_> {
    #[inline]
    fn next(&mut self) -> Option<i64> {
        match self {
            Self::Dense(reader) => reader.number().ok().map(unfold),
            Self::Sparse { run: None, .. } => Some(0),
            Self::Sparse { run: Some(run), .. } if *run > 0 => {
                *run -= 1;
                Some(0)
            }
            Self::Sparse { run, runs_left, runs, others } => {
                *run = match runs_left.checked_sub(1) {
                    Some(left) => {
                        *runs_left = left;
                        runs.number().ok()
                    }
                    None => None,
                };
                others.number().ok().map(unfold)
            }
        }
    }
}

/// As many values as the column was read for; its codes cannot fail a second time.
impl Iterator for Column<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        if self.at_first {
            self.at_first = false;
            return Some(self.expectation.last);
        }
        let difference = self.differences.next()?;
        Some(self.expectation.value(difference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    fn encoded(values: &[i64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&mut bytes, values);
        bytes
    }

    fn decoded(bytes: &[u8], len: usize) -> Result<Vec<i64>, BlockError> {
        let mut reader = Reader::new(bytes);
        let column = Column::parse(&mut reader, len)?;
        assert!(reader.rest().is_empty(), "{} bytes left", reader.rest().len());
        Ok(column.collect())
    }

    fn any_value() -> impl Strategy<Value = i64> {
        prop_oneof![Just(0), Just(i64::MIN), Just(i64::MAX), -3..3_i64, any::<i64>()]
    }

    proptest! {
        #[test]
        fn any_values_come_back(values in prop::collection::vec(any_value(), 0..200)) {
            prop_assert_eq!(decoded(&encoded(&values), values.len()), Ok(values));
        }

        #[test]
        fn every_coding_reads_back_what_it_wrote(values in prop::collection::vec(any_value(), 1..60)) {
            for coding in 0..=3 {
                prop_assert_eq!(decoded(&encode_as(coding, &values), values.len()), Ok(values.clone()));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80), len in 0..50_000_usize) {
            let mut reader = Reader::new(&bytes);
            if let Ok(column) = Column::parse(&mut reader, len) {
                prop_assert_eq!(column.count(), len);
            }
        }
    }

    #[test]
    fn a_clock_costs_nine_bytes_whatever_its_length() {
        let clock: Vec<i64> = (0..3600).map(|second| 1_775_986_800 + second).collect();
        // Coding, first value, one difference (the first step), no zeros before it.
        assert_eq!(encoded(&clock), [0x03, 0xE0, 0xA1, 0xDB, 0x9D, 0x0D, 0x01, 0x00, 0x02]);
    }

    #[test]
    fn a_value_that_stands_still_costs_its_first_value() {
        assert_eq!(encoded(&[-5; 36_000]), [0x02, 0x09, 0x00]);
        assert_eq!(decoded(&[0x02, 0x09, 0x00], 36_000), Ok(vec![-5; 36_000]));
    }

    #[test]
    fn the_shortest_coding_wins() {
        let coding = |values: &[i64]| encoded(values)[0];
        let count = |value: fn(i64) -> i64| (0..200).map(value).collect::<Vec<_>>();
        assert_eq!(coding(&count(|i| i % 3 * 40)), 0, "steps that change");
        assert_eq!(coding(&count(|i| i * 1000 + i % 2)), LAST_STEP, "long steps of nearly one length");
        assert_eq!(coding(&count(|i| i / 10)), SPARSE, "a counter that mostly stands");
        assert_eq!(coding(&count(|i| i * 1000)), LAST_STEP | SPARSE, "a clock");
        assert_eq!(coding(&[7]), 0, "one value");
    }

    #[test]
    fn counts_beyond_the_column_are_refused() {
        // 5 differences in a column of 5 values, of which the first differs from nothing.
        let error = BlockError::TooMany { at: 2, quantity: Quantity::Values, max: 4, found: 5 };
        assert_eq!(decoded(&[0x02, 0x00, 0x05, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2], 5), Err(error));
        // 1 difference and 4 zeros before it in 4 places.
        let error = BlockError::TooMany { at: 3, quantity: Quantity::Values, max: 3, found: 4 };
        assert_eq!(decoded(&[0x02, 0x00, 0x01, 0x04, 0x02], 5), Err(error));
        assert_eq!(decoded(&[0x02, 0x00, 0x01, 0x03, 0x02], 5), Ok(vec![0, 0, 0, 0, 1]));
    }

    #[test]
    fn a_coding_that_means_nothing_is_refused() {
        for coding in 4..=255 {
            assert_eq!(decoded(&[coding, 0, 0, 0], 1), Err(BlockError::Coding { at: 0, found: coding }));
        }
    }
}
