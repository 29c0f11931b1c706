//! Totals over exchanges and resets: what each epoch adds to its registers, and what is left when one is undone.
use super::{Epoch, EpochCause, Standing, exact};
use crate::store::Row;
use metergate_reading::{Number, RegisterId, Unit};
use std::collections::BTreeMap;

/// An epoch with the first and the last believed number of each counter in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// The epoch.
    pub epoch: Epoch,
    /// Counters as its first readings have them.
    pub first: Vec<Standing>,
    /// Counters as its last readings have them.
    pub last: Vec<Standing>,
}

impl Chapter {
    /// An epoch without readings.
    #[must_use]
    pub const fn new(epoch: Epoch) -> Self {
        Self { epoch, first: Vec::new(), last: Vec::new() }
    }

    /// Takes its rows in order of time; the first and the last of each shape are enough.
    pub fn take(&mut self, row: &Row) {
        Standing::take(&mut self.last, row);
        self.last.retain(Standing::is_counter);
        for standing in &self.last {
            if !self.first.iter().any(|first| first.register == standing.register) {
                self.first.push(standing.clone());
            }
        }
    }
}

/// The register plus what its epoch adds; `None` when no number holds the sum.
///
/// A register that the epoch does not name begins at itself.
#[must_use]
pub fn total(epoch: &Epoch, register: &RegisterId, number: Number) -> Option<Number> {
    match epoch.offset(register) {
        Some(offset) => exact::sum(number, offset),
        None => Some(number),
    }
}

/// The epoch that a time falls into, of epochs in order; a time before the first belongs to the first.
#[must_use]
pub fn epoch_at(epochs: &[Epoch], unix_ms: i64) -> Option<&Epoch> {
    let mut standing = epochs.iter().filter(|epoch| !epoch.undone);
    let first = standing.next()?;
    Some(standing.rfind(|epoch| epoch.from_ms <= unix_ms).unwrap_or(first))
}

/// The epochs with their offsets as they have to be: after one was undone, or the configured offset has changed.
///
/// The first epoch, which cannot be undone, adds what is `configured`. After an exchange every counter begins where
/// its total stood. Within one meter, a counter that goes on keeps its offset, and one that fell goes on from where its
/// total stood. What is counted in another unit than before begins at itself.
///
/// Readings of an undone epoch count to the epoch before where they go on from it; where they do not, they were of
/// another meter, and what follows goes on from what was before them. An offset that no number holds is left out.
///
/// ```
/// use metergate_gateway::plausible::{Chapter, Epoch, EpochCause, Standing, recompute, total};
/// use metergate_reading::{Instant, Number, RegisterId, Trust, Unit};
///
/// let energy: RegisterId = "1-0:1.8.0".parse()?;
/// let kwh = |number| vec![Standing {
///     register: energy.clone(),
///     unit: Some(Unit::WattHour),
///     number: Number::new(number, 3),
///     at: Instant { unix_ms: 0, trust: Trust::HostSynchronised },
/// }];
/// let chapter = |identity: &str, from_ms, cause, first, last| Chapter {
///     epoch: Epoch {
///         id: 0, meter: "haus".into(), from_ms, identity: Some(identity.into()), cause, offsets: vec![], undone: false,
///     },
///     first: kwh(first),
///     last: kwh(last),
/// };
/// let mut chapters = [
///     chapter("old", 0, EpochCause::First, 4000, 5000),
///     chapter("new", 1, EpochCause::Exchanged, 3, 10),
///     chapter("old", 2, EpochCause::Exchanged, 5000, 5001),
/// ];
/// let epochs = recompute(&chapters, &[]);
/// assert_eq!(total(&epochs[1], &energy, Number::new(10, 3)), Some(Number::new(5007, 3)));
/// assert_eq!(total(&epochs[2], &energy, Number::new(5001, 3)), Some(Number::new(5008, 3)));
/// // A person says that the exchange was none.
/// chapters[1].epoch.undone = true;
/// let epochs = recompute(&chapters, &[]);
/// assert_eq!(total(&epochs[2], &energy, Number::new(5001, 3)), Some(Number::new(5001, 3)));
/// # Ok::<(), metergate_reading::ParseRegisterIdError>(())
/// ```
#[must_use]
pub fn recompute(chapters: &[Chapter], configured: &[(RegisterId, Number)]) -> Vec<Epoch> {
    let mut stood = Stood::default();
    let mut before: Option<Epoch> = None;
    let mut epochs = Vec::with_capacity(chapters.len());
    for chapter in chapters {
        let mut epoch = chapter.epoch.clone();
        match &before {
            None => epoch.offsets = configured.to_vec(),
            Some(before) if epoch.undone => {
                let goes_on = |last: &&Standing| {
                    let first = chapter.first.iter().find(|first| first.register == last.register);
                    first.is_some_and(|first| stood.goes_on(first))
                };
                let last: Vec<_> = chapter.last.iter().filter(goes_on).cloned().collect();
                stood.take(before, &last);
                epochs.push(epoch);
                continue;
            }
            Some(before) => epoch.offsets = offsets(before, chapter, &stood),
        }
        stood.take(&epoch, &chapter.last);
        before = Some(epoch.clone());
        epochs.push(epoch);
    }
    epochs
}

fn offsets(before: &Epoch, chapter: &Chapter, stood: &Stood) -> Vec<(RegisterId, Number)> {
    let known = before.identity.is_some() && before.identity == chapter.epoch.identity;
    let same_meter = known || chapter.epoch.cause != EpochCause::Exchanged;
    let mut epoch = Epoch {
        offsets: if same_meter { before.offsets.clone() } else { Vec::new() },
        ..chapter.epoch.clone()
    };
    for first in &chapter.first {
        let Some(total) = stood.total(first) else {
            epoch.offsets.retain(|(id, _)| *id != first.register || !stood.0.contains_key(id));
            continue;
        };
        if !(same_meter && stood.goes_on(first))
            && let Some(offset) = exact::difference(total, first.number)
        {
            epoch.set_offset(&first.register, offset);
        }
    }
    epoch.offsets
}

/// Where each counter stood: its unit, its total and what it said.
#[derive(Default)]
struct Stood(BTreeMap<RegisterId, (Option<Unit>, Number, Number)>);

impl Stood {
    fn take(&mut self, epoch: &Epoch, last: &[Standing]) {
        for last in last {
            if let Some(total) = total(epoch, &last.register, last.number) {
                self.0.insert(last.register.clone(), (last.unit, total, last.number));
            }
        }
    }

    /// Where the total of a counter stood, in the same unit.
    fn total(&self, now: &Standing) -> Option<Number> {
        self.0.get(&now.register).filter(|(unit, ..)| *unit == now.unit).map(|&(_, total, _)| total)
    }

    fn goes_on(&self, now: &Standing) -> bool {
        self.0
            .get(&now.register)
            .is_some_and(|(unit, _, number)| *unit == now.unit && exact::compare(now.number, *number).is_ge())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::{Instant, Trust};

    const IMPORT: &str = "1-0:1.8.0";
    const EXPORT: &str = "1-0:2.8.0";

    fn standings(numbers: &[(&str, i64)]) -> Vec<Standing> {
        let standing = |&(code, number): &(&str, i64)| Standing {
            register: code.parse().unwrap(),
            unit: Some(Unit::WattHour),
            number: Number::new(number, 0),
            at: Instant { unix_ms: 0, trust: Trust::HostSynchronised },
        };
        numbers.iter().map(standing).collect()
    }

    fn chapter(id: &str, cause: EpochCause, first: &[(&str, i64)], last: &[(&str, i64)]) -> Chapter {
        let epoch = Epoch {
            id: 0,
            meter: "haus".into(),
            from_ms: 0,
            identity: Some(id.into()),
            cause,
            offsets: vec![],
            undone: false,
        };
        Chapter { epoch, first: standings(first), last: standings(last) }
    }

    fn added(epoch: &Epoch, code: &str) -> Option<i64> {
        epoch.offset(&code.parse().unwrap()).and_then(|offset| offset.at_exponent(0))
    }

    #[test]
    fn a_reset_moves_only_what_fell() {
        let chapters = [
            chapter("1", EpochCause::First, &[(IMPORT, 0), (EXPORT, 0)], &[(IMPORT, 500), (EXPORT, 70)]),
            chapter("1", EpochCause::Reset, &[(IMPORT, 2), (EXPORT, 70)], &[(IMPORT, 9), (EXPORT, 80)]),
        ];
        let epochs = recompute(&chapters, &[]);
        assert_eq!((added(&epochs[1], IMPORT), added(&epochs[1], EXPORT)), (Some(498), None));
    }

    #[test]
    fn another_configured_offset_moves_all_epochs() {
        let chapters = [
            chapter("1", EpochCause::First, &[(IMPORT, 0)], &[(IMPORT, 500)]),
            chapter("2", EpochCause::Exchanged, &[(IMPORT, 3)], &[(IMPORT, 10)]),
        ];
        let configured = [(IMPORT.parse().unwrap(), Number::new(9_520_525, 0))];
        let epochs = recompute(&chapters, &configured);
        assert_eq!(
            (added(&epochs[0], IMPORT), added(&epochs[1], IMPORT)),
            (Some(9_520_525), Some(9_521_022))
        );
        assert_eq!(added(&recompute(&chapters, &[])[1], IMPORT), Some(497));
    }

    #[test]
    fn an_undone_exchange_that_only_renamed_the_meter_keeps_what_was_counted_in_it() {
        let mut chapters = [
            chapter("1", EpochCause::First, &[(IMPORT, 0)], &[(IMPORT, 500)]),
            chapter("one", EpochCause::Exchanged, &[(IMPORT, 510)], &[(IMPORT, 600)]),
            chapter("2", EpochCause::Exchanged, &[(IMPORT, 0)], &[(IMPORT, 5)]),
        ];
        assert_eq!(
            added(&recompute(&chapters, &[])[2], IMPORT),
            Some(590),
            "10 Wh between them are not known"
        );
        chapters[1].epoch.undone = true;
        assert_eq!(added(&recompute(&chapters, &[])[2], IMPORT), Some(600));
    }

    #[test]
    fn what_is_counted_in_another_unit_begins_at_itself() {
        let mut chapters = [
            chapter("1", EpochCause::First, &[(IMPORT, 0)], &[(IMPORT, 500)]),
            chapter("1", EpochCause::Reset, &[(IMPORT, 0)], &[(IMPORT, 9)]),
        ];
        chapters[1].first[0].unit = Some(Unit::VarHour);
        let configured = [(IMPORT.parse().unwrap(), Number::new(7, 0))];
        assert_eq!(added(&recompute(&chapters, &configured)[1], IMPORT), None);
    }

    #[test]
    fn an_undone_epoch_is_passed_over_in_time_as_well() {
        let causes = [EpochCause::First, EpochCause::Exchanged, EpochCause::Exchanged];
        let mut epochs: Vec<Epoch> = causes.map(|cause| chapter("1", cause, &[], &[]).epoch).into();
        (epochs[1].from_ms, epochs[2].from_ms, epochs[1].undone) = (10, 20, true);
        for (at, from) in [(-5, 0), (9, 0), (15, 0), (20, 20), (99, 20)] {
            assert_eq!(epoch_at(&epochs, at).map(|epoch| epoch.from_ms), Some(from), "{at}");
        }
        assert_eq!(epoch_at(&[], 0), None);
    }
}
