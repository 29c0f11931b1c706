//! What becomes of the accepted telegrams of one meter: judged, kept, measured, and made ready for the sinks.
use super::measure::{Measure, Recorded};
use crate::config::TariffSetup;
use crate::event::{Event, EventCode};
use crate::plausible::{Arrival, Chapter, Gate, Held, Judged, Judgement, Limits, Past, recompute};
use crate::sink::{Believed, Sample};
use crate::store::{Mark, Reader, Row, Store, StoreError, UseCase};
use crate::update::TelegramBuf;
use metergate_reading::{Instant, Reading, RegisterId};
use std::collections::HashMap;
use std::sync::Arc;

/// Marks that are read back at a start: two days of quarter hours, or three hours of minutes.
const MARKS_READ_BACK: usize = 192;

/// The books of one meter.
#[derive(Debug)]
pub(super) struct Book {
    meter: Arc<str>,
    gate: Gate,
    limits: Limits,
    measure: Measure,
    believed: Believed,
    /// Nothing could be read back.
    blind: bool,
    /// Numbers of the epochs in the store, by their beginning.
    epoch_ids: HashMap<i64, i64>,
    /// The open ones in quarantine, to find them again when they are released.
    held: HashMap<(RegisterId, i64), Vec<i64>>,
}

impl Book {
    /// Opens the books where the store left off.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn open(
        meter: Arc<str>,
        tariff: &TariffSetup,
        limits: &Limits,
        reader: &mut Reader,
        now: Instant,
    ) -> Result<Self, StoreError> {
        let past = past(&meter, reader)?;
        let mut marks = |case: UseCase| -> Result<Vec<Mark>, StoreError> {
            reader.latest_marks(&meter, case, MARKS_READ_BACK)
        };
        let recorded = Recorded {
            load_profile: marks(UseCase::Taf7LoadProfile)?,
            high_frequency: marks(UseCase::Taf14HighFrequency)?,
        };
        Ok(Self::new(meter, Measure::new(tariff, &recorded, now), limits, past, false))
    }

    /// Books of a meter of which nothing can be read back. They write no epochs: those in the store must not be lost.
    pub(super) fn blind(meter: Arc<str>, tariff: &TariffSetup, limits: &Limits, now: Instant) -> Self {
        Self::new(meter, Measure::new(tariff, &Recorded::default(), now), limits, Past::default(), true)
    }

    fn new(meter: Arc<str>, measure: Measure, limits: &Limits, past: Past, blind: bool) -> Self {
        let mut believed = Believed::default();
        believed.set_epochs(&meter, past.epochs.clone());
        let mut held: HashMap<_, Vec<i64>> = HashMap::new();
        for one in &past.held {
            held.entry((one.register.clone(), one.at.unix_ms)).or_default().push(one.id);
        }
        let epoch_ids = past.epochs.iter().map(|epoch| (epoch.from_ms, epoch.id)).collect();
        let gate = Gate::new(Arc::clone(&meter), limits.clone(), past);
        Self { meter, gate, limits: limits.clone(), measure, believed, blind, epoch_ids, held }
    }

    /// Enters a telegram, and returns what of it is believed and what happened.
    pub(super) fn telegram(
        &mut self,
        telegram: &TelegramBuf,
        arrival: Arrival,
        store: &Store,
        reader: &mut Reader,
    ) -> (Option<Sample>, Vec<Event>) {
        let meter = Arc::clone(&self.meter);
        let judged = self.gate.judge(telegram, arrival, |at_ms| neighbours(reader, &meter, at_ms));
        self.enter(judged, store)
    }

    /// The same for a reading that came in no telegram.
    pub(super) fn reading(
        &mut self,
        reading: &Reading,
        arrival: Arrival,
        store: &Store,
        reader: &mut Reader,
    ) -> (Option<Sample>, Vec<Event>) {
        let meter = Arc::clone(&self.meter);
        let judged = self.gate.judge_reading(reading, arrival, |at_ms| neighbours(reader, &meter, at_ms));
        self.enter(judged, store)
    }

    fn enter(&mut self, judged: Judged, store: &Store) -> (Option<Sample>, Vec<Event>) {
        let Judged { row, duplicate: _, held, released, epochs, remarks, mut events } = judged;
        if !epochs.is_empty() {
            for change in epochs.iter().filter(|_| !self.blind) {
                let mut epoch = change.epoch().clone();
                let id = self.epoch_ids.entry(epoch.from_ms).or_default();
                epoch.id = *id;
                *id = store.epoch(epoch);
            }
            self.believed.set_epochs(&self.meter, self.gate.epochs().to_vec());
        }
        for row in released {
            for (column, _) in row.numbers() {
                let key = (column.id.clone(), row.at.unix_ms);
                for id in self.held.remove(&key).into_iter().flatten() {
                    store.judge(id, Judgement::Released);
                }
            }
            self.keep(row, store, &mut events);
        }
        for one in held {
            let key = (one.register.clone(), one.at.unix_ms);
            let id = store.hold(one);
            self.held.entry(key).or_default().push(id);
        }
        for remark in remarks {
            store.remark(remark);
        }
        let sample = row.map(|row| {
            let row = self.keep(row, store, &mut events);
            self.believed.sample(&row, false)
        });
        (sample, events)
    }

    /// Keeps a believed row, and of it what the use cases want.
    fn keep(&mut self, row: Row, store: &Store, events: &mut Vec<Event>) -> Arc<Row> {
        let row = store.append(row);
        events.extend(self.measured(&row, store));
        row
    }

    /// Keeps of a row that is in the store what the use cases want: of one that was dated afterwards as if it had come
    /// with its time.
    pub(super) fn measured(&mut self, row: &Row, store: &Store) -> Vec<Event> {
        let mut events = Vec::new();
        for measured in self.measure.row(row) {
            let code = match measured.case {
                UseCase::Taf6OnDemand => Some(EventCode::Snapshot),
                UseCase::BootSnapshot => Some(EventCode::BootSnapshot),
                _ => None,
            };
            store.measured(measured);
            events.extend(code.map(|code| self.event(code, row.at, String::new())));
        }
        events
    }

    /// A reading now, like TAF 6; false when the next one will be taken.
    pub(super) fn snapshot(&mut self, at: Instant, store: &Store) -> bool {
        let Some(measured) = self.measure.snapshot(at) else { return false };
        store.measured(measured);
        true
    }

    /// Tells the quarter hours that passed without a reading.
    pub(super) fn missing(&mut self, at: Instant) -> Option<Event> {
        let runs = self.measure.missing(at);
        let (first, last) = (runs.iter().map(|run| run.first).min()?, runs.iter().map(|run| run.last).max()?);
        let time = |mark: Mark| {
            jiff::Timestamp::from_second(mark.unix_s()).map_or_else(|_| String::new(), |at| at.to_string())
        };
        let detail = format!("from {} to {}", time(first), time(last));
        Some(self.event(EventCode::QuarterHoursMissing, at, detail))
    }

    /// An epoch was none: its readings count to the one before, and the totals after it go on without it. `None` when
    /// it is not one of this meter.
    pub(super) fn undo(
        &mut self,
        id: i64,
        reader: &mut Reader,
        store: &Store,
    ) -> Result<Option<String>, StoreError> {
        let mut epochs = reader.epochs(&self.meter)?;
        let Some(place) = epochs.iter().position(|epoch| epoch.id == id) else { return Ok(None) };
        if place == 0 {
            return Ok(Some(format!(
                "{}: its first epoch cannot be undone: nothing was before it",
                self.meter
            )));
        }
        if let Some(epoch) = epochs.get_mut(place) {
            epoch.undone = true;
        }
        let ends = epochs.iter().skip(1).map(|epoch| epoch.from_ms).chain([i64::MAX]).collect::<Vec<_>>();
        let mut chapters = Vec::new();
        for (epoch, end_ms) in epochs.into_iter().zip(ends) {
            // The first and the last reading of the epoch; both are the same one when there is only one.
            let (_, first) = reader.neighbours(&self.meter, epoch.from_ms.saturating_sub(1))?;
            let (last, _) = reader.neighbours(&self.meter, end_ms.saturating_sub(1))?;
            let from_ms = epoch.from_ms;
            let mut chapter = Chapter::new(epoch);
            let inside = |row: &&Row| (from_ms..end_ms).contains(&row.at.unix_ms);
            [&first, &last].into_iter().flatten().filter(inside).for_each(|row| chapter.take(row));
            chapters.push(chapter);
        }
        let recomputed = recompute(&chapters, &self.limits.offsets);
        for epoch in &recomputed {
            store.epoch(epoch.clone());
        }
        let past = Past { epochs: recomputed.clone(), ..past(&self.meter, reader)? };
        self.gate = Gate::new(Arc::clone(&self.meter), self.limits.clone(), past);
        self.believed.set_epochs(&self.meter, recomputed);
        Ok(Some(format!("{}: epoch {id} is undone; totals go on without it", self.meter)))
    }

    /// Numbers of this meter that are open in quarantine.
    pub(super) fn held_open(
        &self,
        is_wanted: impl Fn(i64) -> bool,
        reader: &mut Reader,
    ) -> Result<Vec<Held>, StoreError> {
        let mut held = reader.held(&self.meter, true)?;
        held.retain(|one| is_wanted(one.id));
        Ok(held)
    }

    /// A person believes numbers in quarantine; what is in the way otherwise.
    pub(super) fn accept(
        &mut self,
        held: &[Held],
        now: Instant,
        store: &Store,
        reader: &mut Reader,
    ) -> Result<Vec<Event>, String> {
        let meter = Arc::clone(&self.meter);
        let judged = self.gate.accept(held, now, |at_ms| neighbours(reader, &meter, at_ms))?;
        Ok(self.enter(judged, store).1)
    }

    /// A person says that numbers in quarantine are wrong.
    pub(super) fn reject(&mut self, held: &[Held], now: Instant, store: &Store) -> Event {
        self.gate.reject(held);
        for one in held {
            store.judge(one.id, Judgement::Rejected);
            self.held.retain(|_, ids| {
                ids.retain(|id| *id != one.id);
                !ids.is_empty()
            });
        }
        let number = held.len();
        let detail = if number == 1 { "1 number".to_owned() } else { format!("{number} numbers") };
        self.event(EventCode::Rejected, now, detail)
    }

    fn event(&self, code: EventCode, at: Instant, detail: String) -> Event {
        Event { seq: 0, at, code, about: Some(Arc::clone(&self.meter)), detail, count: 1 }
    }
}

/// What the store knows of a meter.
fn past(meter: &Arc<str>, reader: &mut Reader) -> Result<Past, StoreError> {
    let mut past = Past {
        epochs: reader.epochs(meter)?,
        held: reader.held(meter, true)?,
        remarks: reader.remarks(meter)?,
        ..Past::default()
    };
    for row in reader.latest_rows(meter)? {
        past.take(&row);
    }
    Ok(past)
}

/// The rows around a late reading; without them it is judged as if it stood alone.
fn neighbours(reader: &mut Reader, meter: &str, at_ms: i64) -> (Option<Row>, Option<Row>) {
    reader.neighbours(meter, at_ms).unwrap_or_else(|error| {
        tracing::error!("meter `{meter}`: the store cannot be read for a late reading: {error}");
        (None, None)
    })
}
