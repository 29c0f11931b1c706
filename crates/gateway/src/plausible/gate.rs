//! Judges the telegrams of one meter.
use super::doubt::{Doubt, Doubted};
use super::finding::{Finding, Point, between, impossible_now, said, spread};
use super::foreign::{Foreign, foreign_since};
use super::identity::{Identity, Whose};
use super::instant::{MeterClock, MeterClockWatch, Moment};
use super::judged::Told;
use super::numbers::{Entry, Remarks, Shapes, entries};
use super::telling::{Telling, once};
use super::{
    Arrival, Epoch, EpochCause, EpochChange, Held, HeldReason, Judged, Judgement, Limits, Past, best_instant,
    epoch_at, exact, is_counter, total,
};
use crate::event::EventCode;
use crate::store::{Row, RowFlags};
use crate::update::TelegramBuf;
use metergate_reading::{DateTime, Instant, MeterId, Number, Reading, RegisterId, Trust, Unit};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Registers of one meter that are remembered; the longest telegram known has some 150. What was not seen for longest
/// makes room.
const REGISTERS_MAX: usize = 1024;

/// Epochs that are remembered to judge late readings; a meter is exchanged every few years.
const EPOCHS_MAX: usize = 64;

/// A live telegram that says the same at the same time of the meter is a repetition for so long; after that the
/// meter's clock stands still, and a counter that stands still too is a reading like any other.
const REPETITION_MS: i64 = 60_000;

/// Decides over every number of one meter's telegrams: believed, held back, or a repetition.
///
/// It does no IO and reads no clock. What it has to know after a restart is a [`Past`].
#[derive(Debug, Clone)]
pub struct Gate {
    pub(super) meter: Arc<str>,
    pub(super) limits: Limits,
    /// Without those that were undone.
    pub(super) epochs: Vec<Epoch>,
    pub(super) identity: Identity,
    /// The latest telegrams, since one named another meter.
    pub(super) foreign: Option<Foreign>,
    pub(super) registers: BTreeMap<RegisterId, Register>,
    /// Totals of the meter before, of counters that the present one has not sent yet.
    carried: BTreeMap<RegisterId, (Option<Unit>, Number)>,
    /// Time of the row before.
    newest: Option<i64>,
    last: Option<Last>,
    pub(super) shapes: Shapes,
    remarks: Remarks,
    pub(super) telling: Telling,
    clock: MeterClockWatch,
    telegrams: u64,
}

/// What is known of one register.
#[derive(Debug, Clone, Default)]
pub(super) struct Register {
    pub(super) believed: Option<Point>,
    pub(super) doubt: Doubt,
    /// The change of its scaler was told.
    rescaled: bool,
    /// Number of the telegram that held it last.
    seen: u64,
}

/// What tells a repetition.
#[derive(Debug, Clone)]
struct Last {
    numbers: Vec<(RegisterId, Number)>,
    time: MeterTime,
    meter: Option<MeterId>,
    when: Moment,
}

/// The time that a meter gives, as exactly as a row keeps it, or what stands in for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MeterTime {
    Unix(i64),
    Local(DateTime),
    SecondsIndex(u32),
    /// When a reading from a file was received, in ms: the file may be read again.
    Received(i64),
}

/// Where numbers come from that are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Telegram,
    /// They were held back because of their meter's name.
    Quarantine,
}

impl Gate {
    /// The epochs of the meter in order, without those that were undone.
    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// A gate that goes on where the store stands.
    #[must_use]
    pub fn new(meter: Arc<str>, limits: Limits, past: Past) -> Self {
        let undone = past.epochs.iter().rev().take_while(|epoch| epoch.undone);
        let undone: Vec<Arc<str>> = undone.filter_map(|epoch| epoch.identity.clone()).collect();
        let mut epochs: Vec<Epoch> = past.epochs.into_iter().filter(|epoch| !epoch.undone).collect();
        epochs.drain(..epochs.len().saturating_sub(EPOCHS_MAX));
        let identity = Identity::new(epochs.last().and_then(|epoch| epoch.identity.clone()), undone);
        let mut gate = Self {
            meter,
            limits,
            identity,
            foreign: None,
            registers: BTreeMap::new(),
            carried: BTreeMap::new(),
            newest: None,
            last: None,
            shapes: Shapes::default(),
            remarks: Remarks::restore(past.remarks),
            telling: Telling::default(),
            clock: MeterClockWatch::default(),
            telegrams: 0,
            epochs,
        };
        let exchanged = gate.epochs.iter().rfind(|epoch| epoch.cause == EpochCause::Exchanged);
        let exchanged_ms = exchanged.map_or(i64::MIN, |epoch| epoch.from_ms);
        for standing in past.standings {
            if standing.at.unix_ms >= exchanged_ms {
                let when = Moment { at: standing.at, monotonic: None };
                let point = Point { number: standing.number, unit: standing.unit, when };
                gate.register(&standing.register).believed = Some(point);
            } else if standing.is_counter()
                && let Some(epoch) = epoch_at(&gate.epochs, standing.at.unix_ms)
                && let Some(total) = total(epoch, &standing.register, standing.number)
            {
                gate.carry(standing.register, standing.unit, total);
            }
        }
        if let Some(row) = past.last_row {
            // Another meter's telegrams in a row end with one of this meter; one that is partly held may be nameless.
            if row.at.trust != Trust::None && !row.flags.contains(RowFlags::PARTLY_HELD) {
                gate.foreign = foreign_since(&past.held, row.at.unix_ms);
            }
            gate.newest = (row.at.trust != Trust::None).then_some(row.at.unix_ms);
            gate.last = (!row.flags.contains(RowFlags::PARTLY_HELD)).then(|| Last {
                numbers: row.numbers().map(|(column, number)| (column.id.clone(), number)).collect(),
                time: row.meter_clock_s.map_or(MeterTime::Received(row.at.unix_ms), MeterTime::Unix),
                meter: None,
                when: Moment { at: row.at, monotonic: None },
            });
        }
        gate.doubt_again(past.held);
        for told in gate.foreign.iter_mut().flat_map(|foreign| &mut foreign.told) {
            gate.telegrams = gate.telegrams.saturating_add(1);
            told.telegram = gate.telegrams;
        }
        gate
    }

    /// Remembers what was in doubt before the restart.
    fn doubt_again(&mut self, held: Vec<Held>) {
        let from_ms = self.epochs.last().map_or(i64::MIN, |epoch| epoch.from_ms);
        let mut before = None;
        for (place, held) in held.into_iter().enumerate() {
            if before.replace(held.at) != Some(held.at) {
                self.telegrams = self.telegrams.saturating_add(1);
            }
            let entry = Entry { id: held.register, unit: held.unit, number: held.number, float: false };
            let lasting = match held.reason {
                HeldReason::Unplaced => false,
                // What an exchange has left in quarantine is of the meter that is there now.
                HeldReason::ForeignMeter => {
                    held.identity.is_some() && held.identity.as_ref() == self.identity.printed()
                }
                _ => true,
            };
            let lasting = lasting && impossible_now(&entry, self.limits.max_power).is_none();
            if held.judgement != Judgement::Open || !lasting || held.at.unix_ms < from_ms {
                continue;
            }
            let when = Moment { at: held.at, monotonic: None };
            let (telegram, limits) = (self.telegrams, self.limits.clone());
            let register = self.register(&entry.id);
            if register.believed.is_none_or(|point| point.when.at.unix_ms < held.at.unix_ms) {
                let (number, unit) = (entry.number, entry.unit);
                let flags = RowFlags::default();
                let doubted = Doubted { number, unit, when, telegram, place, flags, meter_clock_s: None };
                register.doubt.add(&entry, doubted, &limits);
            }
        }
    }

    /// Judges a telegram that passed the checks of its protocol.
    ///
    /// `neighbours` gives the last believed row at or before a time and the first after it; it is called for a reading
    /// that is not live and older than the row before.
    pub fn judge(
        &mut self,
        telegram: &TelegramBuf,
        arrival: Arrival,
        neighbours: impl FnOnce(i64) -> (Option<Row>, Option<Row>),
    ) -> Judged {
        let mut flags = arrival.flags;
        if telegram.flags.salvaged {
            flags = flags.with(RowFlags::SALVAGED);
        }
        if telegram.flags.unauthenticated {
            flags = flags.with(RowFlags::UNAUTHENTICATED);
        }
        self.judge_reading(&telegram.reading, Arrival { flags, ..arrival }, neighbours)
    }

    /// The same for a reading that came in no telegram: of a sensor, or from another gateway.
    pub fn judge_reading(
        &mut self,
        reading: &Reading,
        arrival: Arrival,
        neighbours: impl FnOnce(i64) -> (Option<Row>, Option<Row>),
    ) -> Judged {
        let mut out = Judged::default();
        self.telegrams = self.telegrams.saturating_add(1);
        let at = best_instant(arrival.host, reading.time, arrival.live);
        let clock = reading.time.filter(|time| time.unix_seconds().is_some());
        let offset_min = clock.and_then(DateTime::offset_minutes).unwrap_or_default();
        let flags = arrival.flags.with_meter_offset(offset_min);
        let mut told = Told {
            telegram: self.telegrams,
            entries: entries(reading),
            when: Moment { at, monotonic: arrival.monotonic },
            flags,
            meter_clock_s: reading.time.and_then(DateTime::unix_seconds),
        };
        if arrival.live {
            self.compare_clocks(arrival.host, reading.time, &mut out);
        }
        let dated = at.trust != Trust::None && !arrival.live;
        if dated && self.newest.is_some_and(|newest| at.unix_ms < newest) {
            self.merge(told, reading.meter.as_ref(), neighbours(at.unix_ms), &mut out);
            return out;
        }
        if self.repeats(&told, reading, arrival.live) {
            out.duplicate = true;
            let event = self.telling.often(EventCode::Duplicate, &self.meter, at, || {
                "a telegram came twice; the second is not stored".to_owned()
            });
            out.events.extend(event);
            return out;
        }
        match self.identity.judge(reading.meter.as_ref()) {
            Whose::Own if reading.meter.is_none() => self.hold_nameless(&mut told, &mut out),
            Whose::Own => self.foreign = None,
            Whose::Named(name) => {
                if let Some(epoch) = self.epochs.last_mut() {
                    epoch.identity = Some(name);
                    self.learned(&mut out);
                }
            }
            Whose::Foreign(name) => {
                let Some(before) = self.is_exchanged(&name) else {
                    self.hold_foreign(&name, told, &mut out);
                    return out;
                };
                self.exchange(name, before, at, &mut out);
            }
        }
        if self.epochs.is_empty() && !told.entries.is_empty() {
            self.begin(EpochCause::First, at.unix_ms, self.limits.offsets.clone(), &mut out);
        }
        out.remarks = self.remarks.changed(&self.meter, reading, at);
        self.sift(told, Source::Telegram, &mut out);
        out
    }

    fn compare_clocks(&mut self, host: Instant, meter: Option<DateTime>, out: &mut Judged) {
        let (code, detail) = match self.clock.compare(host, meter, self.limits.clock_tolerance) {
            Some(MeterClock::Differs(ahead)) => {
                let side = if ahead > 0 { "ahead of" } else { "behind" };
                let seconds = ahead.unsigned_abs() / 1000;
                (EventCode::MeterClockOff, format!("the meter's clock is {seconds} s {side} the host's"))
            }
            Some(MeterClock::Agrees) => (EventCode::MeterClockRight, String::new()),
            None => return,
        };
        out.events.push(once(code, &self.meter, host, detail));
    }

    /// True when the telegram says what the one before said, at the same time of the meter.
    fn repeats(&mut self, told: &Told, reading: &Reading, live: bool) -> bool {
        let received = (!live).then_some(MeterTime::Received(told.when.at.unix_ms));
        let Some(time) = meter_time(reading).or(received) else {
            self.last = None;
            return false;
        };
        let same = |last: &Last| {
            let soon = told.when.since_ms(last.when).is_none_or(|ms| ms < REPETITION_MS);
            last.time == time
                && (soon || !live)
                && last.meter.zip(reading.meter).is_none_or(|(last, now)| last == now)
                && last.numbers.len() == told.entries.len()
                && last
                    .numbers
                    .iter()
                    .zip(&told.entries)
                    .all(|((id, number), entry)| *id == entry.id && number.same_value(entry.number))
        };
        if !told.entries.is_empty() && self.last.as_ref().is_some_and(same) {
            return true;
        }
        let numbers = told.entries.iter().map(|entry| (entry.id.clone(), entry.number)).collect();
        self.last = Some(Last { numbers, time, meter: reading.meter, when: told.when });
        false
    }

    pub(super) fn carry(&mut self, id: RegisterId, unit: Option<Unit>, total: Number) {
        if self.carried.len() < REGISTERS_MAX || self.carried.contains_key(&id) {
            self.carried.insert(id, (unit, total));
        }
    }

    /// Begins an epoch, never before the present one.
    pub(super) fn begin(
        &mut self,
        cause: EpochCause,
        from_ms: i64,
        offsets: Vec<(RegisterId, Number)>,
        out: &mut Judged,
    ) {
        let from_ms = self.epochs.last().map_or(from_ms, |epoch| epoch.from_ms.max(from_ms));
        let epoch = Epoch {
            id: 0,
            meter: self.meter.clone(),
            from_ms,
            identity: self.identity.printed().cloned(),
            cause,
            offsets,
            undone: false,
        };
        if self.epochs.len() >= EPOCHS_MAX {
            self.epochs.remove(0);
        }
        self.epochs.push(epoch.clone());
        out.epochs.push(EpochChange::Begins(epoch));
    }

    /// Tells the present epoch anew.
    fn learned(&self, out: &mut Judged) {
        let Some(epoch) = self.epochs.last().cloned() else { return };
        match out.epochs.last_mut() {
            Some(EpochChange::Begins(told) | EpochChange::Learns(told)) => *told = epoch,
            None => out.epochs.push(EpochChange::Learns(epoch)),
        }
    }

    /// Parts what is believed from what is not.
    pub(super) fn sift(&mut self, mut told: Told, source: Source, out: &mut Judged) {
        let mut came_in = Vec::with_capacity(told.entries.len());
        for entry in &mut told.entries {
            let believed = self.registers.get(&entry.id).and_then(|register| register.believed);
            let carried = || self.carried.get(&entry.id).copied();
            let before = believed.map(|point| (point.unit, point.number)).or_else(carried);
            came_in.push(before.and_then(|(unit, number)| entry.like(number, unit)));
        }
        let mut findings: Vec<_> = told.entries.iter().map(|entry| self.finding(entry, told.when)).collect();
        spread(&told.entries, &mut findings);
        self.doubt(&told, &findings, out);
        for place in self.settle(&told, &findings, out) {
            if let Some(finding) = findings.get_mut(place) {
                *finding = None;
            }
        }
        let (mut believed, mut flags) = (Vec::with_capacity(told.entries.len()), told.flags);
        for ((entry, finding), came_in) in told.entries.iter().zip(findings).zip(came_in) {
            match finding {
                None => {
                    self.believe(entry, came_in, &told, out);
                    believed.push((entry.id.clone(), entry.unit, entry.number));
                }
                Some(finding) => {
                    flags = flags.with(RowFlags::PARTLY_HELD);
                    if source == Source::Telegram {
                        out.held.push(finding.held(&self.meter, told.when.at, entry));
                    }
                }
            }
        }
        if source == Source::Quarantine {
            flags = flags.with(RowFlags::RELEASED);
        }
        let at = told.when.at;
        let row = self.shapes.row(&self.meter, &believed, at, told.meter_clock_s, flags);
        match source {
            Source::Quarantine => out.released.extend(row),
            Source::Telegram => {
                if row.is_some() && at.trust != Trust::None {
                    self.newest = Some(at.unix_ms);
                }
                out.row = row;
            }
        }
    }

    /// What is wrong with a number.
    fn finding(&self, entry: &Entry, when: Moment) -> Option<Finding> {
        if let Some(finding) = impossible_now(entry, self.limits.max_power) {
            return Some(finding);
        }
        let to = Point { number: entry.number, unit: entry.unit, when };
        match self.registers.get(&entry.id).and_then(|register| register.believed) {
            Some(from) => between(entry, from, to, self.limits.max_power),
            None => {
                let (unit, total) = self.carried.get(&entry.id)?;
                if *unit != entry.unit || exact::difference(*total, entry.number).is_some() {
                    return None;
                }
                let detail = format!("no total goes on from {} to it", said(*total, *unit));
                Some(Finding { may_last: false, ..Finding::new(HeldReason::ImpossiblePower, detail) })
            }
        }
    }

    /// Takes a number for the truth.
    fn believe(&mut self, entry: &Entry, came_in: Option<Unit>, told: &Told, out: &mut Judged) {
        self.anchor(&entry.id, entry.unit, entry.number, out);
        let counts = entry.id.obis().is_some_and(|code| is_counter(code, entry.unit));
        let register = self.register(&entry.id);
        let rescaled = register.believed.filter(|point| point.number.exponent() != entry.number.exponent());
        register.believed = Some(Point { number: entry.number, unit: entry.unit, when: told.when });
        register.doubt.clear();
        if !counts || register.rescaled {
            return;
        }
        if let (Some(came_in), Some(unit)) = (came_in, entry.unit) {
            register.rescaled = true;
            let detail = format!("{}: in {came_in} after {unit}, the value goes on", entry.id);
            out.events.push(once(EventCode::ScalerChanged, &self.meter, told.when.at, detail));
        } else if let Some(before) = rescaled.filter(|_| !entry.float) {
            register.rescaled = true;
            let exponents = (entry.number.exponent(), before.number.exponent());
            let detail =
                format!("{}: 10^{} after 10^{}, the value goes on", entry.id, exponents.0, exponents.1);
            out.events.push(once(EventCode::ScalerChanged, &self.meter, told.when.at, detail));
        }
    }

    /// Lets the total of the meter before go on at a counter's first number.
    pub(super) fn anchor(&mut self, id: &RegisterId, unit: Option<Unit>, first: Number, out: &mut Judged) {
        if let Some((_, total)) = self.carried.remove(id).filter(|(carried, _)| *carried == unit)
            && let Some(offset) = exact::difference(total, first)
            && let Some(epoch) = self.epochs.last_mut()
        {
            epoch.set_offset(id, offset);
            self.learned(out);
        }
    }

    pub(super) fn register(&mut self, id: &RegisterId) -> &mut Register {
        if self.registers.len() >= REGISTERS_MAX && !self.registers.contains_key(id) {
            let oldest = self.registers.iter().min_by_key(|(_, register)| register.seen);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                self.registers.remove(&oldest);
            }
        }
        let seen = self.telegrams;
        let register = self.registers.entry(id.clone()).or_default();
        register.seen = seen;
        register
    }
}

/// The meter's own time of a telegram: its clock, or the seconds that it counts.
fn meter_time(reading: &Reading) -> Option<MeterTime> {
    match reading.time {
        Some(time) => Some(time.unix_seconds().map_or(MeterTime::Local(time), MeterTime::Unix)),
        None => {
            reading.registers.iter().find_map(|register| register.seconds_index).map(MeterTime::SecondsIndex)
        }
    }
}
