//! Telegrams of another meter: held back until enough of them came in a row, which is an exchange.
use super::finding::Finding;
use super::gate::Source;
use super::identity::{IN_A_ROW, Identity};
use super::instant::Moment;
use super::judged::Told;
use super::numbers::Entry;
use super::telling::once;
use super::{EpochCause, Gate, Held, HeldReason, Judged, Judgement, is_counter, total};
use crate::event::EventCode;
use crate::store::RowFlags;
use metergate_reading::Instant;
use std::mem::take;
use std::sync::Arc;

/// Telegrams that wait for the name of their meter; meters that do not name themselves each time do so in every second
/// to fifth. After that many the one that named another meter was a stray.
const NAMELESS_MAX: usize = 16;

/// Telegrams that may be the first of another meter.
#[derive(Debug, Clone)]
pub(super) struct Foreign {
    pub(super) name: Arc<str>,
    /// How many of them name it.
    pub(super) named: usize,
    pub(super) told: Vec<Told>,
}

impl Foreign {
    /// True when one of its telegrams came then.
    pub(super) fn has(&self, at: Instant) -> bool {
        self.told.iter().any(|told| told.when.at == at)
    }
}

impl Gate {
    /// The telegrams before this one, if with it enough of the same meter came in a row.
    pub(super) fn is_exchanged(&mut self, name: &Arc<str>) -> Option<Vec<Told>> {
        match &mut self.foreign {
            Some(foreign) if foreign.name == *name && foreign.named + 1 >= IN_A_ROW => {
                Some(take(&mut foreign.told))
            }
            _ => None,
        }
    }

    /// Holds all numbers of a telegram that names another meter.
    pub(super) fn hold_foreign(&mut self, name: &Arc<str>, told: Told, out: &mut Judged) {
        let own = self.identity.printed().map_or("another", |own| own);
        let detail = format!("of meter {name}, not of {own}");
        let at = told.when.at;
        self.hold_all(&told, &detail, Some(name), out);
        match &mut self.foreign {
            Some(foreign) if foreign.name == *name => {
                foreign.named += 1;
                foreign.told.push(told);
            }
            other => *other = Some(Foreign { name: name.clone(), named: 1, told: vec![told] }),
        }
        out.events.extend(self.telling.often(EventCode::ForeignMeter, &self.meter, at, || detail));
    }

    /// Holds the counters of a telegram without a name that comes between telegrams of another meter: whose they are
    /// shows when one with a name comes.
    pub(super) fn hold_nameless(&mut self, told: &mut Told, out: &mut Judged) {
        let Some(mut foreign) = self.foreign.take() else { return };
        if foreign.told.len() >= NAMELESS_MAX {
            return;
        }
        let counts = |entry: &Entry| entry.id.obis().is_some_and(|code| is_counter(code, entry.unit));
        let (counters, others): (Vec<_>, Vec<_>) = take(&mut told.entries).into_iter().partition(counts);
        told.entries = others;
        if !counters.is_empty() {
            let counters = Told { entries: counters, ..told.clone() };
            let detail = format!("without a name, after one of meter {}", foreign.name);
            self.hold_all(&counters, &detail, None, out);
            foreign.told.push(counters);
            told.flags = told.flags.with(RowFlags::PARTLY_HELD);
        }
        self.foreign = Some(foreign);
    }

    fn hold_all(&self, told: &Told, detail: &str, name: Option<&Arc<str>>, out: &mut Judged) {
        out.held.extend(told.entries.iter().map(|entry| {
            let finding = Finding::new(HeldReason::ForeignMeter, detail.to_owned());
            Held { identity: name.cloned(), ..finding.held(&self.meter, told.when.at, entry) }
        }));
    }

    /// Begins an epoch of another meter with the first of its telegrams.
    pub(super) fn exchange(&mut self, name: Arc<str>, before: Vec<Told>, now: Instant, out: &mut Judged) {
        if let Some(epoch) = self.epochs.last() {
            let totals: Vec<_> = self
                .registers
                .iter()
                .filter_map(|(id, register)| {
                    let point = register.believed?;
                    is_counter(id.obis()?, point.unit)
                        .then(|| Some((id.clone(), point.unit, total(epoch, id, point.number)?)))?
                })
                .collect();
            for (id, unit, total) in totals {
                self.carry(id, unit, total);
            }
        }
        let from = before.first().map_or(now, |told| told.when.at);
        // What telegrams without a name said since then is of this meter.
        self.registers.retain(|id, register| {
            register.doubt.forget_before(from.unix_ms);
            register.believed.is_some_and(|point| {
                let counts = id.obis().is_some_and(|code| is_counter(code, point.unit));
                point.when.at.unix_ms >= from.unix_ms && !counts
            })
        });
        self.foreign = None;
        let own = self.identity.printed().map_or("no name", |own| own);
        let detail = format!("meter {name} in place of {own}; totals go on");
        out.events.push(once(EventCode::MeterExchanged, &self.meter, now, detail));
        self.identity = Identity::new(Some(name), []);
        self.begin(EpochCause::Exchanged, from.unix_ms, Vec::new(), out);
        for told in before {
            self.sift(told, Source::Quarantine, out);
        }
    }
}

/// The telegrams that named another meter since the last one of this meter, as they stand in quarantine.
pub(super) fn foreign_since(held: &[Held], since_ms: i64) -> Option<Foreign> {
    let mut foreign: Option<Foreign> = None;
    for one in held.iter().filter(|one| one.judgement == Judgement::Open && one.at.unix_ms > since_ms) {
        if one.reason != HeldReason::ForeignMeter {
            // Of a telegram of this meter.
            foreign = None;
            continue;
        }
        let id = one.register.clone();
        let entry = Entry { id, unit: one.unit, number: one.number, float: false };
        let mut told = Told {
            telegram: 0,
            entries: vec![entry],
            when: Moment { at: one.at, monotonic: None },
            flags: RowFlags::default(),
            meter_clock_s: None,
        };
        match (&one.identity, &mut foreign) {
            (name, Some(known)) if name.as_ref().is_none_or(|name| *name == known.name) => {
                let full = known.told.len() >= NAMELESS_MAX;
                match known.told.last_mut() {
                    Some(last) if last.when.at == one.at => last.entries.append(&mut told.entries),
                    _ if full => return None,
                    _ => {
                        known.named += usize::from(name.is_some());
                        known.told.push(told);
                    }
                }
            }
            (Some(name), other) => *other = Some(Foreign { name: name.clone(), named: 1, told: vec![told] }),
            (None, _) => {}
        }
    }
    foreign
}
