//! Why a number is not believed.
use super::instant::Moment;
use super::numbers::Entry;
use super::{Held, HeldReason, Judgement, counter, exact, is_counter};
use crate::event::EventCode;
use metergate_reading::{Instant, Number, Unit};
use std::sync::Arc;

/// A reason with its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub reason: HeldReason,
    pub detail: String,
    /// It may be right after all if it goes on like that.
    pub may_last: bool,
}

impl Finding {
    pub(super) const fn new(reason: HeldReason, detail: String) -> Self {
        Self { reason, detail, may_last: true }
    }

    pub(super) fn held(self, meter: &Arc<str>, at: Instant, entry: &Entry) -> Held {
        Held {
            id: 0,
            meter: meter.clone(),
            at,
            register: entry.id.clone(),
            number: entry.number,
            unit: entry.unit,
            reason: self.reason,
            detail: self.detail,
            judgement: Judgement::Open,
            identity: None,
        }
    }
}

/// The event of a reason.
pub(super) const fn event_of(reason: HeldReason) -> EventCode {
    match reason {
        HeldReason::RolledBack => EventCode::RolledBack,
        HeldReason::ImpossiblePower => EventCode::ImpossiblePower,
        HeldReason::UnitChanged => EventCode::UnitChanged,
        HeldReason::ScalerChanged => EventCode::ScalerChanged,
        HeldReason::ForeignMeter => EventCode::ForeignMeter,
        HeldReason::Unplaced => EventCode::Unplaced,
    }
}

/// A power of this moment that no connection carries. It stays out however long it lasts: then the limit is wrong.
pub(super) fn impossible_now(entry: &Entry, limit: u32) -> Option<Finding> {
    let code = entry.id.obis().filter(|&code| counter::is_active_power(code, entry.unit))?;
    let (high, low) = (Number::new(i64::from(limit), 0), Number::new(-i64::from(limit), 0));
    if exact::compare(entry.number, high).is_le() && exact::compare(entry.number, low).is_ge() {
        return None;
    }
    let detail = format!("{code} is {}, beyond the limit of {limit} W", said(entry.number, entry.unit));
    Some(Finding { may_last: false, ..Finding::new(HeldReason::ImpossiblePower, detail) })
}

/// A register's number that is to follow `before` or to come before `after`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub number: Number,
    pub unit: Option<Unit>,
    pub when: Moment,
}

/// What is wrong between two numbers of one register, the second of which came later.
pub(super) fn between(entry: &Entry, from: Point, to: Point, limit: u32) -> Option<Finding> {
    if from.unit != to.unit {
        let text = |unit: Option<Unit>| unit.map_or("no unit", Unit::text);
        let detail = format!("in {} after {}", text(to.unit), text(from.unit));
        return Some(Finding::new(HeldReason::UnitChanged, detail));
    }
    let code = entry.id.obis().filter(|&code| is_counter(code, from.unit))?;
    let rescaled = !entry.float && from.number.exponent() != to.number.exponent();
    let or_scaler = |reason| if rescaled { HeldReason::ScalerChanged } else { reason };
    let (low, high) = (said(from.number, from.unit), said(to.number, to.unit));
    if exact::compare(to.number, from.number).is_lt() {
        return Some(Finding::new(or_scaler(HeldReason::RolledBack), format!("{high} after {low}")));
    }
    let elapsed = to.when.since_ms(from.when).filter(|_| counter::is_electricity(code))?;
    if !exact::exceeds(from.number, to.number, limit, elapsed) {
        return None;
    }
    let seconds = Number::new(elapsed, -3);
    let detail = format!("{high} after {low} within {seconds} s is more than {limit} W");
    Some(Finding::new(or_scaler(HeldReason::ImpossiblePower), detail))
}

/// A total that went back takes all counters of its telegram along: damage that passed a check rarely hurts one
/// figure only.
pub(super) fn spread(entries: &[Entry], findings: &mut [Option<Finding>]) {
    let is_total = |entry: &Entry| entry.id.obis().is_some_and(counter::is_total);
    let fell = entries.iter().zip(findings.iter()).find(|(entry, finding)| {
        is_total(entry) && finding.as_ref().is_some_and(|finding| finding.reason == HeldReason::RolledBack)
    });
    let Some((total, _)) = fell else { return };
    let detail = format!("with {}, which went back", total.id);
    for (entry, finding) in entries.iter().zip(findings) {
        let counts = entry.id.obis().is_some_and(|code| is_counter(code, entry.unit));
        if counts && finding.is_none() {
            *finding = Some(Finding::new(HeldReason::RolledBack, detail.clone()));
        }
    }
}

/// A number with its unit.
pub(super) fn said(number: Number, unit: Option<Unit>) -> String {
    match unit {
        Some(unit) => format!("{number} {unit}"),
        None => number.to_string(),
    }
}
