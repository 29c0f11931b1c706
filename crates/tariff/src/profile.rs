//! What lies between the values of a grid: slots with their energy, and values at chosen boundaries.
use crate::Mark;
use core::fmt;
use metergate_reading::Number;

/// The value of a register at a mark. A mark without a value is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MarkValue {
    /// The mark.
    pub mark: Mark,
    /// What the counter showed, in its own unit; continued over a swap of the meter (see [`total`](crate::total)).
    pub value: Number,
}

/// What a counter counted between two values that follow each other.
///
/// It is one period long, or longer where marks are missing: then nobody knows how the energy lies in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The mark it begins at.
    pub from: Mark,
    /// The mark it ends at, after the first.
    pub to: Mark,
    /// What was counted, not negative, in the unit of the counter.
    pub amount: Number,
}

impl Slot {
    /// Its length in seconds.
    #[must_use]
    pub const fn length_s(&self) -> i64 {
        self.to.unix_s().saturating_sub(self.from.unix_s())
    }
}

/// Values of a grid cannot be calculated with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileError {
    /// A mark does not come after the one before it.
    NotAscending {
        /// The second of the two.
        at: Mark,
    },
    /// A counter shows less than at the mark before: another meter, or a value that plausibility should have held.
    WentBack {
        /// The mark of the lower value.
        at: Mark,
    },
    /// A sum does not fit a number.
    Overflow {
        /// The mark at which it happened.
        at: Mark,
    },
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAscending { at } => {
                write!(f, "expected values in order of time, found {} after a later one", at.unix_s())
            }
            Self::WentBack { at } => {
                write!(f, "expected a counter that does not fall, found a lower value at {}", at.unix_s())
            }
            Self::Overflow { at } => {
                write!(f, "expected a sum of 64 bits, found a larger one at {}", at.unix_s())
            }
        }
    }
}

impl core::error::Error for ProfileError {}

/// The slots between values in order of time: one less than there are values, and their amounts add up exactly to the
/// last value minus the first.
///
/// ```
/// use metergate_tariff::{Grid, MarkValue, ProfileError, slots};
///
/// let value = |unix_s, text: &str| MarkValue {
///     mark: Grid::QUARTER_HOUR.mark(unix_s).unwrap(),
///     value: text.parse().unwrap(),
/// };
/// let day = [value(0, "100.0"), value(900, "100.25"), value(2700, "101")];
/// let slots: Result<Vec<_>, ProfileError> = slots(day).collect();
/// let slots = slots?;
/// assert_eq!(slots[0].amount.to_string(), "0.25");
/// assert_eq!((slots[1].length_s(), slots[1].amount.to_string()), (1800, "0.75".to_owned()), "a mark is missing");
///
/// let swapped = [value(0, "100.0"), value(900, "0.2")];
/// assert!(metergate_tariff::slots(swapped).next().unwrap().is_err(), "a counter does not fall");
/// # Ok::<(), ProfileError>(())
/// ```
///
/// # Errors
/// An item is [`ProfileError::NotAscending`], [`ProfileError::WentBack`] or [`ProfileError::Overflow`] in place of
/// the slot that ends there.
pub fn slots(
    values: impl IntoIterator<Item = MarkValue>,
) -> impl Iterator<Item = Result<Slot, ProfileError>> {
    let mut before: Option<MarkValue> = None;
    values.into_iter().filter_map(move |value| before.replace(value).map(|before| slot(before, value)))
}

fn slot(from: MarkValue, to: MarkValue) -> Result<Slot, ProfileError> {
    let at = to.mark;
    if to.mark <= from.mark {
        return Err(ProfileError::NotAscending { at });
    }
    let amount = to.value.checked_sub(from.value).ok_or(ProfileError::Overflow { at })?;
    if amount.mantissa() < 0 {
        return Err(ProfileError::WentBack { at });
    }
    Ok(Slot { from: from.mark, to: to.mark, amount })
}

/// The value of a register at a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Boundary {
    /// The boundary, in seconds since 1970-01-01T00:00:00Z.
    pub unix_s: i64,
    /// The value of the mark at exactly that second; `None` when it is missing. No neighbour takes its place.
    pub value: Option<Number>,
}

/// The values at given boundaries, such as the starts of local months: like TAF 1, which keeps no other.
///
/// `values` are in order of time. Where they are not, a value may not be found; a wrong one never is.
pub fn at_boundaries(boundaries: &[i64], values: &[MarkValue]) -> impl Iterator<Item = Boundary> {
    boundaries.iter().map(move |&unix_s| {
        let found = values.binary_search_by_key(&unix_s, |value| value.mark.unix_s()).ok();
        let value = found.and_then(|place| values.get(place)).map(|value| value.value);
        Boundary { unix_s, value }
    })
}

/// What was counted between two boundaries that follow each other: a month, a day, a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The boundary it begins at, in seconds since 1970-01-01T00:00:00Z.
    pub from_s: i64,
    /// The boundary it ends at.
    pub to_s: i64,
    /// The difference; `None` when one of the values is missing or the counter fell.
    pub amount: Option<Number>,
}

/// The amounts between given boundaries, one less than there are boundaries.
pub fn between_boundaries(boundaries: &[i64], values: &[MarkValue]) -> impl Iterator<Item = Span> {
    let ends = at_boundaries(boundaries, values).skip(1);
    at_boundaries(boundaries, values).zip(ends).map(|(from, to)| {
        let amount = from.value.zip(to.value).and_then(|(from, to)| crate::derived::consumption(from, to));
        Span { from_s: from.unix_s, to_s: to.unix_s, amount }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grid;
    use std::vec::Vec;

    fn value(slots: i64, mantissa: i64, scaler: i8) -> MarkValue {
        let mark = Grid::QUARTER_HOUR.mark(slots * 900).unwrap();
        MarkValue { mark, value: Number::new(mantissa, scaler) }
    }

    #[test]
    fn slots_of_changing_resolution_add_up_exactly() {
        // The meter was set to more decimals between the second and the third value.
        let values = [value(0, 10, 0), value(1, 12, 0), value(2, 125, -1), value(3, 125_001, -4)];
        let amounts: Vec<_> = slots(values).map(|slot| slot.unwrap().amount).collect();
        assert_eq!(amounts, [Number::new(2, 0), Number::new(5, -1), Number::new(1, -4)]);
    }

    #[test]
    fn a_value_out_of_order_is_refused_with_its_mark() {
        let at = value(1, 0, 0).mark;
        let twice = slots([value(1, 10, 0), value(1, 10, 0)]).next();
        assert_eq!(twice, Some(Err(ProfileError::NotAscending { at })));
        let fallen = slots([value(0, 10, 0), value(1, 9, 0)]).next();
        assert_eq!(fallen, Some(Err(ProfileError::WentBack { at })));
        let huge = slots([value(0, i64::MIN, 0), value(1, i64::MAX, 0)]).next();
        assert_eq!(huge, Some(Err(ProfileError::Overflow { at })));
        let absurd = slots([value(0, 1, -128), value(1, 1, 127)]).next();
        assert_eq!(absurd, Some(Err(ProfileError::Overflow { at })));
    }

    #[test]
    fn one_value_alone_makes_no_slot() {
        assert_eq!(slots([value(0, 1, 0)]).count(), 0);
        assert_eq!(slots([]).count(), 0);
    }

    #[test]
    fn a_month_without_its_first_value_has_no_amount() {
        let values = [value(0, 100, 0), value(4, 130, 0), value(12, 190, 0), value(16, 180, 0)];
        let boundaries = [0, 4 * 900, 8 * 900, 12 * 900, 16 * 900];
        let found: Vec<_> = at_boundaries(&boundaries, &values).map(|b| b.value).collect();
        let number = |mantissa| Some(Number::new(mantissa, 0));
        assert_eq!(found, [number(100), number(130), None, number(190), number(180)]);
        let amounts: Vec<_> = between_boundaries(&boundaries, &values).map(|span| span.amount).collect();
        assert_eq!(amounts, [number(30), None, None, None], "missing twice, then fallen");
    }
}
