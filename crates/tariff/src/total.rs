//! Totals that go on when a meter is replaced.
use metergate_reading::Number;

/// A time in which the counters of one meter are added to what the meters before it counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch {
    /// Its first millisecond since 1970-01-01T00:00:00Z; it ends where the next one that is not undone begins.
    pub start_ms: i64,
    /// What is added to the value of the register, in its unit. From [`offset`].
    pub offset: Number,
    /// Taken back by a person: the meter was never replaced.
    pub undone: bool,
}

/// The total of a register: its value plus the offset of the epoch it was read in, exactly.
///
/// `epochs` are those of one register in order of time. A value before the first epoch is a total itself. `None` when
/// the sum does not fit.
///
/// ```
/// use metergate_reading::Number;
/// use metergate_tariff::total::{Epoch, continued, offset};
///
/// // The old meter ended at 43354.009 kWh, the new one began at 0.03 kWh.
/// let offset = offset(Number::new(43_354_009, 0), Number::new(30, 0)).unwrap();
/// let epochs = [Epoch { start_ms: 1_000, offset, undone: false }];
/// assert_eq!(continued(999, Number::new(43_354_009, 0), &epochs).unwrap().to_string(), "43354009");
/// assert_eq!(continued(1_000, Number::new(30, 0), &epochs).unwrap().to_string(), "43354009");
/// assert_eq!(continued(2_000, Number::new(80, 0), &epochs).unwrap().to_string(), "43354059");
/// assert_eq!(continued(2_000, Number::new(i64::MAX, 0), &epochs), None);
/// ```
#[must_use]
pub fn continued(unix_ms: i64, value: Number, epochs: &[Epoch]) -> Option<Number> {
    match in_force(unix_ms, epochs) {
        Some(epoch) => value.checked_add(epoch.offset),
        None => Some(value),
    }
}

/// The offset of a new epoch: the last total before it minus the first value of the new meter.
///
/// With it the total stands still over the swap. What was used between the two values is in neither meter, and is
/// not guessed. `None` when the difference does not fit.
#[must_use]
pub fn offset(last_total: Number, first_value: Number) -> Option<Number> {
    last_total.checked_sub(first_value)
}

/// Takes an epoch back, or puts it in force again, so that all later epochs keep their steps.
///
/// What an epoch adds to the one before it goes out of (or into) every later total too: a swap that never was must
/// not stay in them. False, with nothing changed, when there is no such epoch, it is so already, or a sum does not fit.
pub fn set_undone(epochs: &mut [Epoch], place: usize, undone: bool) -> bool {
    let Some((earlier, [epoch, later @ ..])) = epochs.split_at_mut_checked(place) else { return false };
    if epoch.undone == undone {
        return false;
    }
    let before =
        earlier.iter().rev().find(|epoch| !epoch.undone).map_or(Number::new(0, 0), |epoch| epoch.offset);
    let Some(step) = epoch.offset.checked_sub(before) else { return false };
    let shifted = |epoch: &Epoch| {
        if undone { epoch.offset.checked_sub(step) } else { epoch.offset.checked_add(step) }
    };
    if later.iter().any(|epoch| shifted(epoch).is_none()) {
        return false;
    }
    for epoch in later {
        if let Some(offset) = shifted(epoch) {
            epoch.offset = offset;
        }
    }
    epoch.undone = undone;
    true
}

fn in_force(unix_ms: i64, epochs: &[Epoch]) -> Option<&Epoch> {
    epochs.iter().rev().find(|epoch| !epoch.undone && epoch.start_ms <= unix_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn wh(mantissa: i64) -> Number {
        Number::new(mantissa, 0)
    }

    /// The epochs of a ledger of swaps: when, the last value of the old meter, the first of the new.
    fn epochs(swaps: &[(i64, i64, i64)]) -> Vec<Epoch> {
        let mut epochs = Vec::new();
        for &(start_ms, last, first) in swaps {
            let last_total = continued(start_ms - 1, wh(last), &epochs).unwrap();
            let offset = offset(last_total, wh(first)).unwrap();
            epochs.push(Epoch { start_ms, offset, undone: false });
        }
        epochs
    }

    fn totals(ledger: &[(i64, i64)], epochs: &[Epoch]) -> Vec<i64> {
        ledger.iter().map(|&(ms, value)| continued(ms, wh(value), epochs).unwrap().mantissa()).collect()
    }

    #[test]
    fn row_30_a_swap_and_back_gives_the_totals_of_a_hand_made_ledger() {
        // Meter A counts to 1000, B is put in at 5 and counts to 105, then A comes back at 1000 and counts to 1040:
        // 1000 + 100 + 40 have been used.
        let swaps = [(100, 1000, 5), (200, 105, 1000)];
        let epochs = epochs(&swaps);
        assert_eq!(epochs.iter().map(|epoch| epoch.offset).collect::<Vec<_>>(), [wh(995), wh(100)]);
        let ledger = [(0, 900), (99, 1000), (100, 5), (150, 60), (199, 105), (200, 1000), (300, 1040)];
        assert_eq!(totals(&ledger, &epochs), [900, 1000, 1000, 1055, 1100, 1100, 1140]);
    }

    #[test]
    fn a_swap_that_never_was_is_taken_back_out_of_all_later_totals() {
        // At 100 a false meter number was read and the counter went on: the epoch adds nothing but was one. At 200
        // the meter was replaced indeed.
        let mut swapped = epochs(&[(100, 1000, 400), (200, 450, 7)]);
        let ledger = [(99, 1000), (100, 400), (200, 7), (300, 17)];
        assert_eq!(totals(&ledger, &swapped), [1000, 1000, 1050, 1060]);
        assert!(set_undone(&mut swapped, 0, true));
        // The step of 600 is gone, that of the second swap (450 - 7) stays.
        assert_eq!(totals(&ledger, &swapped), [1000, 400, 450, 460]);
        assert!(!set_undone(&mut swapped, 0, true), "it is undone already");
        assert!(set_undone(&mut swapped, 0, false));
        assert_eq!(totals(&ledger, &swapped), [1000, 1000, 1050, 1060]);
    }

    #[test]
    fn epochs_undone_in_any_order_come_back_as_they_were() {
        let original = epochs(&[(100, 1000, 5), (200, 105, 1000), (300, 1040, 0)]);
        let mut swapped = original.clone();
        for (place, undone) in [(1, true), (0, true), (2, true), (1, false), (2, false), (0, false)] {
            assert!(set_undone(&mut swapped, place, undone));
        }
        assert_eq!(swapped, original);
        assert!(!set_undone(&mut swapped, 3, true), "there is no fourth");
    }

    #[test]
    fn an_undo_that_does_not_fit_changes_nothing() {
        let epoch = |start_ms, offset| Epoch { start_ms, offset, undone: false };
        let mut far = [epoch(0, Number::new(1, -128)), epoch(1, Number::new(1, 127))];
        let before = far;
        assert!(!set_undone(&mut far, 0, true));
        assert_eq!(far, before);
    }

    #[test]
    fn a_meter_of_another_resolution_continues_exactly() {
        let offset = offset(Number::new(543_211_234, -1), Number::new(2, 3)).unwrap();
        assert_eq!(offset, Number::new(543_191_234, -1));
        let epochs = [Epoch { start_ms: 0, offset, undone: false }];
        assert_eq!(continued(0, Number::new(3, 3), &epochs), Some(Number::new(543_221_234, -1)));
    }
}
