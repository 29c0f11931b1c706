//! What was held back long enough is believed: a glitch does not last.
use super::doubt::Doubted;
use super::finding::{Finding, Point, event_of, said};
use super::judged::Told;
use super::numbers::Entry;
use super::telling::once;
use super::{EpochCause, Gate, HeldReason, Judged, exact, is_counter, total};
use crate::event::EventCode;
use crate::store::RowFlags;
use metergate_reading::{Number, RegisterId, Unit};
use std::collections::BTreeMap;

/// What one register's end of doubt changes.
pub(super) enum Change {
    /// Its value is believed as it is.
    None,
    /// It begins anew, and this is added from now on.
    Offset(Number),
    /// It counts in another unit, from itself on.
    Unit,
}

impl Gate {
    /// Notes numbers in doubt, and tells the first of each kind.
    pub(super) fn doubt(&mut self, told: &Told, findings: &[Option<Finding>], out: &mut Judged) {
        if findings.iter().all(Option::is_none) {
            return;
        }
        let limits = self.limits.clone();
        let mut reasons: Vec<HeldReason> = Vec::new();
        for (place, (entry, finding)) in told.entries.iter().zip(findings).enumerate() {
            let Some(finding) = finding else { continue };
            if !reasons.contains(&finding.reason) {
                reasons.push(finding.reason);
                let event = self.telling.often(event_of(finding.reason), &self.meter, told.when.at, || {
                    format!("{} held back: {}", entry.id, finding.detail)
                });
                out.events.extend(event);
            }
            if finding.may_last {
                let doubted = Doubted {
                    number: entry.number,
                    unit: entry.unit,
                    when: told.when,
                    telegram: told.telegram,
                    place,
                    flags: told.flags,
                    meter_clock_s: told.meter_clock_s,
                };
                self.register(&entry.id).doubt.add(entry, doubted, &limits);
            }
        }
    }

    /// Ends doubts that have lasted; the places in the telegram of the numbers that are believed by that.
    pub(super) fn settle(
        &mut self,
        told: &Told,
        findings: &[Option<Finding>],
        out: &mut Judged,
    ) -> Vec<usize> {
        let mut settled = Vec::new();
        let mut rows: BTreeMap<u64, Vec<(RegisterId, Doubted)>> = BTreeMap::new();
        let proved = self.proved(told, findings);
        if proved.is_empty() {
            return settled;
        }
        for (_, entry) in &proved {
            let first = self.registers.get(&entry.id).and_then(|register| register.doubt.first());
            if let Some(first) = first.map(|first| first.number) {
                self.anchor(&entry.id, entry.unit, first, out);
            }
        }
        let mut offsets = self.epochs.last().map_or_else(Vec::new, |epoch| epoch.offsets.clone());
        let mut anew: Option<(i64, String)> = None;
        for (place, entry) in proved {
            let change = self.change(entry);
            let register = self.register(&entry.id);
            let mut doubted = register.doubt.take();
            // A total beyond all numbers: it stays in quarantine.
            let Some(change) = change else { continue };
            let Some(first) = doubted.first().map(|first| (first.when.at, first.number)) else { continue };
            match change {
                Change::None => {}
                Change::Offset(offset) => {
                    offsets.retain(|(id, _)| *id != entry.id);
                    offsets.push((entry.id.clone(), offset));
                }
                Change::Unit => offsets.retain(|(id, _)| *id != entry.id),
            }
            let number = said(first.1, entry.unit);
            if !matches!(change, Change::None) {
                anew.get_or_insert((
                    first.0.unix_ms,
                    format!("{} began anew at {number}; totals go on", entry.id),
                ));
            }
            out.events.push(once(
                EventCode::Released,
                &self.meter,
                told.when.at,
                format!("{}: {} readings from {number} on agree and are believed", entry.id, doubted.len()),
            ));
            // The present number goes into the present row.
            doubted.pop();
            for doubted in doubted {
                rows.entry(doubted.telegram).or_default().push((entry.id.clone(), doubted));
            }
            settled.push(place);
        }
        if let Some((from_ms, detail)) = anew {
            self.begin(EpochCause::Reset, from_ms, offsets, out);
            out.events.push(once(EventCode::CounterReset, &self.meter, told.when.at, detail));
            for register in self.registers.values_mut() {
                register.doubt.forget_before(from_ms);
            }
        }
        for mut numbers in rows.into_values() {
            numbers.sort_by_key(|(_, doubted)| doubted.place);
            self.release(&numbers, out);
        }
        settled
    }

    /// A row of numbers that were held back from one telegram.
    fn release(&mut self, doubted: &[(RegisterId, Doubted)], out: &mut Judged) {
        let Some((_, any)) = doubted.first() else { return };
        let numbers: Vec<(RegisterId, Option<Unit>, Number)> =
            doubted.iter().map(|(id, doubted)| (id.clone(), doubted.unit, doubted.number)).collect();
        let flags = any.flags.with(RowFlags::RELEASED);
        out.released.extend(self.shapes.row(&self.meter, &numbers, any.when.at, any.meter_clock_s, flags));
    }

    /// Which of a telegram's numbers end a doubt: of those that do, the ones that were doubted first and together.
    /// The others wait for the next telegram, since an epoch has one beginning.
    fn proved<'a>(&self, told: &'a Told, findings: &[Option<Finding>]) -> Vec<(usize, &'a Entry)> {
        let begun = |entry: &Entry| {
            let doubt = &self.registers.get(&entry.id)?.doubt;
            doubt.first().filter(|_| doubt.is_proved(&self.limits)).map(|first| first.telegram)
        };
        let proved: Vec<(usize, &Entry, u64)> = told
            .entries
            .iter()
            .zip(findings)
            .enumerate()
            .filter(|(_, (_, finding))| finding.as_ref().is_some_and(|finding| finding.may_last))
            .filter_map(|(place, (entry, _))| Some((place, entry, begun(entry)?)))
            .collect();
        let first = proved.iter().map(|&(_, _, telegram)| telegram).min();
        proved
            .into_iter()
            .filter(|proved| Some(proved.2) == first)
            .map(|(place, entry, _)| (place, entry))
            .collect()
    }

    /// What believing a register's doubted numbers changes; `None` when no total can go on from there.
    fn change(&self, entry: &Entry) -> Option<Change> {
        let first = self.registers.get(&entry.id)?.doubt.first()?;
        self.change_to(&entry.id, first.number, first.unit)
    }

    /// What believing a number after the one that is believed changes.
    pub(super) fn change_to(
        &self,
        id: &RegisterId,
        first: Number,
        first_unit: Option<Unit>,
    ) -> Option<Change> {
        let register = self.registers.get(id)?;
        let Some(Point { number, unit, .. }) = register.believed else { return Some(Change::None) };
        let counts = |unit| id.obis().is_some_and(|code| is_counter(code, unit));
        if unit != first_unit {
            return Some(if counts(unit) || counts(first_unit) { Change::Unit } else { Change::None });
        }
        if !counts(unit) || exact::compare(first, number).is_ge() {
            return Some(Change::None);
        }
        let total = match self.epochs.last() {
            Some(epoch) => total(epoch, id, number)?,
            None => number,
        };
        exact::difference(total, first).map(Change::Offset)
    }
}
