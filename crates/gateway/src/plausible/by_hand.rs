//! Numbers in quarantine that a person believes.
use super::finding::{Point, said};
use super::instant::Moment;
use super::numbers::Entry;
use super::settle::Change;
use super::telling::once;
use super::{EpochCause, Gate, Held, Judged, exact, is_counter};
use crate::event::EventCode;
use crate::store::{Row, RowFlags};
use metergate_reading::{Instant, Trust};
use std::sync::Arc;

/// What the rows beside a time are: the last at or before it, and the first after it.
type Beside = (Option<Row>, Option<Row>);

impl Gate {
    /// Believes numbers of this meter that stand open in quarantine: they become rows, as if they had been released.
    ///
    /// A number that is newer than what is believed of its register is where the register stands from then on; a
    /// counter that fell begins an epoch, and totals go on. One that is older has to fit between its neighbours. A
    /// number of another meter, if no telegram of this one came since, exchanges the meter, with all that was held of
    /// it. `neighbours` gives the rows beside a time.
    ///
    /// # Errors
    /// What is in the way, in words; then nothing has changed.
    pub fn accept(
        &mut self,
        held: &[Held],
        now: Instant,
        mut neighbours: impl FnMut(i64) -> Beside,
    ) -> Result<Judged, String> {
        let mut held: Vec<&Held> = held.iter().collect();
        held.sort_by_key(|one| (one.at.unix_ms, one.id));
        let mut gate = self.clone();
        let mut out = Judged::default();
        for telegram in held.chunk_by(|a, b| a.at == b.at) {
            gate.accept_telegram(telegram, now, &mut neighbours, &mut out)?;
        }
        *self = gate;
        let what = held.iter().take(3).map(|one| format!("{} {}", one.register, said(one.number, one.unit)));
        let mut detail = what.collect::<Vec<_>>().join(", ");
        if held.len() > 3 {
            detail.push_str(&format!(" and {} more", held.len() - 3));
        }
        out.events.push(once(EventCode::Accepted, &self.meter, now, detail));
        Ok(out)
    }

    /// Forgets numbers that a person has rejected: they do not become believed by lasting.
    pub fn reject(&mut self, held: &[Held]) {
        for one in held {
            if let Some(register) = self.registers.get_mut(&one.register) {
                register.doubt.clear();
            }
            if self.foreign.as_ref().is_some_and(|foreign| foreign.has(one.at)) {
                self.foreign = None;
            }
        }
    }

    fn accept_telegram(
        &mut self,
        telegram: &[&Held],
        now: Instant,
        neighbours: &mut impl FnMut(i64) -> Beside,
        out: &mut Judged,
    ) -> Result<(), String> {
        let Some(first) = telegram.first() else { return Ok(()) };
        let at = first.at;
        if at.trust == Trust::None {
            return Err(format!("number {} has no time yet: no clock could be trusted", first.id));
        }
        if out.released.iter().any(|row| row.at == at) {
            // With the telegrams of an exchange.
            return Ok(());
        }
        if let Some(name) = telegram.iter().find_map(|one| one.identity.as_ref()) {
            return self.accept_meter(name, first, now, out);
        }
        if let Some(foreign) = &mut self.foreign {
            // One without a name that waited for one is this meter's.
            foreign.told.retain(|told| told.when.at != at);
        }
        let (mut numbers, mut flags) = (Vec::with_capacity(telegram.len()), RowFlags::RELEASED);
        let mut beside: Option<Beside> = None;
        for one in telegram {
            let believed = self.registers.get(&one.register).and_then(|register| register.believed);
            let mut one = Held::clone(one);
            if let Some(point) = believed {
                let id = one.register.clone();
                let mut entry = Entry { id, unit: one.unit, number: one.number, float: false };
                entry.like(point.number, point.unit);
                (one.number, one.unit) = (entry.number, entry.unit);
            }
            if believed.is_some_and(|point| point.when.at.unix_ms >= at.unix_ms) {
                let (before, after) = beside.get_or_insert_with(|| neighbours(at.unix_ms));
                fits(&one, before.as_ref(), after.as_ref())?;
                flags = flags.with(RowFlags::LATE);
            } else {
                self.stand(&one, out)?;
            }
            numbers.push((one.register, one.unit, one.number));
        }
        out.released.extend(self.shapes.row(&self.meter, &numbers, at, None, flags));
        Ok(())
    }

    /// The register stands at this number from now on.
    fn stand(&mut self, one: &Held, out: &mut Judged) -> Result<(), String> {
        let (id, at) = (&one.register, one.at);
        self.anchor(id, one.unit, one.number, out);
        self.register(id);
        let change = self.change_to(id, one.number, one.unit);
        let change = change.ok_or_else(|| {
            format!("no total can go on from number {}, {}", one.id, said(one.number, one.unit))
        })?;
        let mut offsets = self.epochs.last().map_or_else(Vec::new, |epoch| epoch.offsets.clone());
        offsets.retain(|(known, _)| matches!(change, Change::None) || known != id);
        if let Change::Offset(offset) = change {
            offsets.push((id.clone(), offset));
        }
        if !matches!(change, Change::None) {
            self.begin(EpochCause::Reset, at.unix_ms, offsets, out);
            let number = said(one.number, one.unit);
            let detail = format!("{id} began anew at {number}, as a person says; totals go on");
            out.events.push(once(EventCode::CounterReset, &self.meter, at, detail));
        }
        let when = Moment { at, monotonic: None };
        let register = self.register(id);
        register.believed = Some(Point { number: one.number, unit: one.unit, when });
        register.doubt.clear();
        Ok(())
    }

    /// The other meter is the one that is there now.
    fn accept_meter(
        &mut self,
        name: &Arc<str>,
        one: &Held,
        now: Instant,
        out: &mut Judged,
    ) -> Result<(), String> {
        let own = self.identity.printed().map_or("this meter", |own| own).to_owned();
        match self.foreign.take() {
            Some(foreign) if foreign.has(one.at) => {
                self.exchange(foreign.name, foreign.told, now, out);
                Ok(())
            }
            _ => Err(format!(
                "number {} is of meter {name}, and telegrams of {own} came after it; three in a row of {name} \
                 exchange the meter by themselves",
                one.id
            )),
        }
    }
}

/// A number of the past may be believed when its counter neither falls to it nor from it.
fn fits(one: &Held, before: Option<&Row>, after: Option<&Row>) -> Result<(), String> {
    let counts = one.register.obis().is_some_and(|code| is_counter(code, one.unit));
    for (row, is_before) in [(before, true), (after, false)] {
        let Some((column, there)) =
            row.and_then(|row| row.numbers().find(|(column, _)| column.id == one.register))
        else {
            continue;
        };
        let order = exact::compare(one.number, there);
        if column.unit == one.unit && (!counts || if is_before { order.is_ge() } else { order.is_le() }) {
            continue;
        }
        let (number, side) = (said(one.number, one.unit), if is_before { "before" } else { "after" });
        let there = said(there, column.unit);
        return Err(format!(
            "number {}, {number}, cannot be beside {there} right {side} it, which is believed",
            one.id
        ));
    }
    Ok(())
}
