//! Readings that are older than the last: they belong between their neighbours, or stay out.
use super::finding::{Finding, Point, between, impossible_now, spread};
use super::instant::Moment;
use super::judged::Told;
use super::numbers::Entry;
use super::{EpochCause, Gate, HeldReason, Judged, is_counter};
use crate::event::EventCode;
use crate::store::{Row, RowFlags};
use metergate_reading::MeterId;

impl Gate {
    /// Judges a late telegram against the rows before and after it.
    ///
    /// What it says changes nothing for the telegrams to come, and it does not leave quarantine by lasting.
    pub(super) fn merge(
        &mut self,
        mut told: Told,
        meter: Option<&MeterId>,
        neighbours: (Option<Row>, Option<Row>),
        out: &mut Judged,
    ) {
        let at = told.when.at;
        let present = self.epochs.iter().rposition(|epoch| epoch.from_ms <= at.unix_ms).unwrap_or_default();
        // Across an exchange nothing is compared; a reset has another order within the same meter, so neither.
        let from_ms = match self.epochs.get(present) {
            Some(epoch) if epoch.cause != EpochCause::First => epoch.from_ms,
            _ => i64::MIN,
        };
        let until_ms = self.epochs.get(present + 1).map_or(i64::MAX, |epoch| epoch.from_ms);
        let within = |row: &Row| (from_ms..until_ms).contains(&row.at.unix_ms);
        let (before, after) = (neighbours.0.filter(within), neighbours.1.filter(within));
        for entry in &mut told.entries {
            let mut beside = [&before, &after].into_iter().flatten();
            let there = beside.find_map(|row| row.numbers().find(|(column, _)| column.id == entry.id));
            if let Some((column, number)) = there {
                entry.like(number, column.unit);
            }
        }
        if [&before, &after].into_iter().flatten().any(|row| says_the_same(row, &told)) {
            out.duplicate = true;
            let event = self.telling.often(EventCode::Duplicate, &self.meter, at, || {
                "a late telegram is there already; it is not stored again".to_owned()
            });
            out.events.extend(event);
            return;
        }
        let foreign = meter.and_then(|meter| self.foreign_at(present, meter));
        let mut findings: Vec<_> = match foreign {
            Some(detail) => told
                .entries
                .iter()
                .map(|_| Some(Finding::new(HeldReason::ForeignMeter, detail.clone())))
                .collect(),
            None => told
                .entries
                .iter()
                .map(|entry| {
                    impossible_now(entry, self.limits.max_power).or_else(|| {
                        self.beside(entry, told.when, before.as_ref(), true)
                            .or_else(|| self.beside(entry, told.when, after.as_ref(), false))
                    })
                })
                .collect(),
        };
        spread(&told.entries, &mut findings);
        let (mut believed, mut flags) = (Vec::new(), told.flags.with(RowFlags::LATE));
        for (entry, finding) in told.entries.iter().zip(findings) {
            match finding {
                None => believed.push((entry.id.clone(), entry.unit, entry.number)),
                Some(finding) => {
                    let event =
                        self.telling.often(super::finding::event_of(finding.reason), &self.meter, at, || {
                            format!("{} of a late reading held back: {}", entry.id, finding.detail)
                        });
                    out.events.extend(event);
                    flags = flags.with(RowFlags::PARTLY_HELD);
                    out.held.push(finding.held(&self.meter, at, entry));
                }
            }
        }
        out.row = self.shapes.row(&self.meter, &believed, at, told.meter_clock_s, flags);
        if out.row.is_some() {
            let event = self.telling.often(EventCode::Merged, &self.meter, at, || {
                "a reading older than the last was merged".to_owned()
            });
            out.events.extend(event);
        }
    }

    /// Words for a meter that was not this one in an epoch.
    fn foreign_at(&self, epoch: usize, meter: &MeterId) -> Option<String> {
        let own = self.epochs.get(epoch)?.identity.as_ref()?;
        let is_present = epoch + 1 == self.epochs.len();
        let is_own = **own == *meter.to_string() || (is_present && self.identity.is_own(meter));
        (!is_own).then(|| format!("of meter {meter}, not of {own}"))
    }

    /// What is wrong with a number beside one neighbour.
    fn beside(&self, entry: &Entry, when: Moment, row: Option<&Row>, row_is_first: bool) -> Option<Finding> {
        let row = row?;
        let Some((column, number)) = row.numbers().find(|(column, _)| column.id == entry.id) else {
            let counts = entry.id.obis().is_some_and(|code| is_counter(code, entry.unit));
            let side = if row_is_first { "before" } else { "after" };
            let detail = || format!("the reading {side} it has no such register");
            return counts.then(|| Finding::new(HeldReason::Unplaced, detail()));
        };
        let there = Point { number, unit: column.unit, when: Moment { at: row.at, monotonic: None } };
        let here = Point { number: entry.number, unit: entry.unit, when: Moment { monotonic: None, ..when } };
        let (from, to) = if row_is_first { (there, here) } else { (here, there) };
        between(entry, from, to, self.limits.max_power)
    }
}

fn says_the_same(row: &Row, told: &Told) -> bool {
    row.at.unix_ms == told.when.at.unix_ms
        && !told.entries.is_empty()
        && told
            .entries
            .iter()
            .all(|entry| row.number(&entry.id).is_some_and(|number| number.same_value(entry.number)))
}
