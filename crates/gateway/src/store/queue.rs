//! What waits for the next commit, in memory and in the spool.
use super::names;
use super::record::Record;
use super::spool::Spool;
use super::{Measured, Remark, Row, StoreSetup};
use crate::config::Stream;
use crate::event::{Event, EventCode};
use crate::plausible::{Epoch, Held, Judgement};
use metergate_reading::{Instant, Trust};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};
use tokio::sync::oneshot;

/// What may wait in memory while the disk takes nothing: 16 h of one meter with 12 registers at 1 Hz, or over a year
/// of its quarter hours; half of what the whole process may use.
const BYTES_MAX: usize = 16 << 20;

/// What came within this time goes into one commit: the quarter hours of several meters, an event and its reason.
const GROUP: Duration = Duration::from_millis(20);

/// A cursor waits for the next commit, but no longer.
const CURSOR_DELAY: Duration = Duration::from_secs(5);
/// With a spool, which keeps it over a kill, only a power cut repeats what was delivered since.
const CURSOR_DELAY_SPOOLED: Duration = Duration::from_secs(60);

/// Changes that may wait; they are rare, and each is small.
const CHANGES_MAX: usize = 10_000;

/// The last number that was given in each numbered list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Heads {
    pub(super) rows: u64,
    pub(super) measured: u64,
    pub(super) events: u64,
    pub(super) held: i64,
    pub(super) epochs: i64,
    pub(super) undated: i64,
}

/// What was dropped because the disk did not take it, oldest first; readings go before quarter hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Rows.
    pub rows: u64,
    /// Values of high-frequency use cases.
    pub high_frequency: u64,
    /// Quarter hours and snapshots. Only after months without a disk.
    pub measured: u64,
    /// Events and other notes.
    pub others: u64,
}

impl Dropped {
    /// All together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.rows
            .saturating_add(self.high_frequency)
            .saturating_add(self.measured)
            .saturating_add(self.others)
    }
}

/// A change of something that is not only appended.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Hold(Held),
    Judge(i64, Judgement),
    Epoch(Epoch),
    ReplaceEpoch(Epoch),
    UndoEpoch(i64),
    Remark(Remark),
}

/// What goes into one commit.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In the order of their numbers.
    pub(super) rows: VecDeque<Arc<Row>>,
    pub(super) undated: VecDeque<(i64, Arc<str>, Arc<Row>)>,
    pub(super) measured: VecDeque<Arc<Measured>>,
    pub(super) events: VecDeque<Event>,
    pub(super) changes: VecDeque<Change>,
    pub(super) cursors: HashMap<(Arc<str>, Stream), u64>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.rows.len() + self.undated.len() + self.measured.len() + self.events.len() + self.changes.len()
    }
}

/// About what a row takes in memory.
fn row_bytes(row: &Row) -> usize {
    // The row itself, the counters of its shared pointer and its place in the queue.
    size_of::<Row>() + 40 + size_of_val(&*row.mantissas)
}

fn event_bytes(event: &Event) -> usize {
    size_of::<Event>() + event.detail.len()
}

/// A request to date the rows of a boot.
#[derive(Debug)]
pub(super) struct DateRequest {
    pub(super) boot: String,
    /// When that was.
    pub(super) booted: Instant,
    pub(super) reply: oneshot::Sender<Vec<Arc<Row>>>,
}

/// What the writer took.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) batch: Batch,
    /// Asked for before the batch was taken, so that with it every row is there that they mean.
    pub(super) dates: Vec<DateRequest>,
    /// Of the queue when it was taken; `None` when only cursors were.
    pub(super) generation: Option<u64>,
    spool_cut: u64,
}

/// What waits.
#[derive(Debug)]
pub(super) struct Queue {
    interval: Duration,
    /// Since which the times of undated rows count.
    boot: Arc<str>,
    heads: Heads,
    batch: Batch,
    bytes: usize,
    /// Bytes that the writer has taken and not committed yet.
    bytes_taken: usize,
    due: Option<Moment>,
    cursors_due: Option<Moment>,
    dates: Vec<DateRequest>,
    spool: Option<Spool>,
    dropped: Dropped,
    /// Said once for each failure of the disk.
    overflow_told: bool,
    high_frequency_told: bool,
    failing: Option<String>,
    retry_at: Option<Moment>,
    writing_since: Option<Moment>,
    pub(super) generation: u64,
    pub(super) closing: bool,
}

impl Queue {
    pub(super) fn new(setup: &StoreSetup, heads: Heads, spool: Option<Spool>) -> Self {
        Self {
            boot: setup.boot.as_deref().unwrap_or_default().into(),
            interval: setup.commit_interval.clamp(Duration::from_secs(1), Duration::from_secs(900)),
            heads,
            batch: Batch::default(),
            bytes: 0,
            bytes_taken: 0,
            due: None,
            cursors_due: None,
            dates: Vec::new(),
            spool,
            dropped: Dropped::default(),
            overflow_told: false,
            high_frequency_told: false,
            failing: None,
            retry_at: None,
            writing_since: None,
            generation: 0,
            closing: false,
        }
    }

    pub(super) fn append(&mut self, mut row: Row) -> Arc<Row> {
        if row.at.trust == Trust::None {
            row.seq = 0;
            return self.append_undated(Arc::clone(&self.boot), row);
        }
        self.heads.rows = self.heads.rows.saturating_add(1);
        row.seq = self.heads.rows;
        if let Some(spool) = &mut self.spool {
            spool.row(&row);
        }
        let row = Arc::new(row);
        self.batch.rows.push_back(Arc::clone(&row));
        self.added(row_bytes(&row), self.interval);
        row
    }

    fn append_undated(&mut self, boot: Arc<str>, row: Row) -> Arc<Row> {
        self.heads.undated = self.heads.undated.saturating_add(1);
        let id = self.heads.undated;
        if let Some(spool) = &mut self.spool {
            spool.undated(id, &boot, &row);
        }
        let row = Arc::new(row);
        self.batch.undated.push_back((id, boot, Arc::clone(&row)));
        self.added(row_bytes(&row), self.interval);
        row
    }

    pub(super) fn measured(&mut self, mut measured: Measured) -> u64 {
        self.heads.measured = self.heads.measured.saturating_add(1);
        measured.seq = self.heads.measured;
        if let Some(spool) = &mut self.spool {
            spool.measured(&measured);
        }
        let delay = if names::is_detail(measured.case) { self.interval } else { GROUP };
        let bytes = row_bytes(&measured.row);
        self.batch.measured.push_back(Arc::new(measured));
        self.added(bytes, delay);
        self.heads.measured
    }

    pub(super) fn event(&mut self, mut event: Event) -> u64 {
        self.heads.events = self.heads.events.saturating_add(1);
        event.seq = self.heads.events;
        if let Some(spool) = &mut self.spool {
            spool.other(|packer| Record::pack_event(packer, &event));
        }
        let bytes = event_bytes(&event);
        self.batch.events.push_back(event);
        self.added(bytes, GROUP);
        self.heads.events
    }

    pub(super) fn hold(&mut self, mut held: Held) -> i64 {
        self.heads.held = self.heads.held.saturating_add(1);
        held.id = self.heads.held;
        self.change(Change::Hold(held));
        self.heads.held
    }

    pub(super) fn epoch(&mut self, mut epoch: Epoch) -> i64 {
        let id = epoch.id;
        if id != 0 {
            self.change(Change::ReplaceEpoch(epoch));
            return id;
        }
        self.heads.epochs = self.heads.epochs.saturating_add(1);
        epoch.id = self.heads.epochs;
        self.change(Change::Epoch(epoch));
        self.heads.epochs
    }

    pub(super) fn change(&mut self, change: Change) {
        if let Some(spool) = &mut self.spool {
            spool.other(|packer| match &change {
                Change::Hold(held) => Record::pack_held(packer, held),
                Change::Judge(held, judgement) => Record::pack_judge(packer, *held, *judgement),
                Change::Epoch(epoch) => Record::pack_epoch(packer, epoch, false),
                Change::ReplaceEpoch(epoch) => Record::pack_epoch(packer, epoch, true),
                Change::UndoEpoch(epoch) => Record::pack_undo_epoch(packer, *epoch),
                Change::Remark(remark) => Record::pack_remark(packer, remark),
            });
        }
        // Epochs decide over totals, and a person waits for what a person decides.
        let delay = match change {
            Change::Hold(_) | Change::Remark(_) => self.interval,
            Change::Judge(..) | Change::Epoch(_) | Change::ReplaceEpoch(_) | Change::UndoEpoch(_) => GROUP,
        };
        self.batch.changes.push_back(change);
        self.added(0, delay);
    }

    pub(super) fn set_cursor(&mut self, sink: &str, stream: Stream, seq: u64) {
        let delay = match &mut self.spool {
            Some(spool) => {
                spool.other(|packer| Record::pack_cursor(packer, sink, stream, seq));
                CURSOR_DELAY_SPOOLED
            }
            None => CURSOR_DELAY,
        };
        self.batch.cursors.insert((sink.into(), stream), seq);
        // Only cursors are written then. If rows were too, their delivery would set the next cursor, and a gateway
        // with a sink would commit every 5 s.
        self.cursors_due.get_or_insert_with(|| Moment::now() + delay);
    }

    pub(super) fn date_rows(&mut self, boot: &str, booted: Instant, reply: oneshot::Sender<Vec<Arc<Row>>>) {
        self.dates.push(DateRequest { boot: boot.to_owned(), booted, reply });
        self.hurry(Duration::ZERO);
    }

    /// A record from the spool, as if it were put in anew; `numbered`: with the number it had.
    pub(super) fn replay(&mut self, record: Record, committed: &Heads, numbered: bool) -> bool {
        let is_new = !numbered
            || match &record {
                Record::Row(row) => row.seq > committed.rows,
                Record::Undated(id, ..) => *id > committed.undated,
                Record::Measured(measured) => measured.seq > committed.measured,
                Record::Event(event) => event.seq > committed.events,
                Record::Held(held) => held.id > committed.held,
                Record::Epoch(epoch) => epoch.id > committed.epochs,
                // Doing these twice does no harm.
                _ => true,
            };
        if !is_new {
            return false;
        }
        // Numbers go on where they were: what was dropped on the way leaves a gap.
        let heads = &mut self.heads;
        let spool = self.spool.take();
        let counts = match record {
            Record::Row(row) => {
                if numbered {
                    heads.rows = row.seq.saturating_sub(1);
                }
                self.append(row);
                true
            }
            Record::Undated(id, boot, row) => {
                if numbered {
                    heads.undated = id.saturating_sub(1);
                }
                self.append_undated(boot, row);
                true
            }
            Record::Measured(measured) => {
                if numbered {
                    heads.measured = measured.seq.saturating_sub(1);
                }
                self.measured(measured);
                true
            }
            Record::Event(event) => {
                if numbered {
                    heads.events = event.seq.saturating_sub(1);
                }
                self.event(event);
                true
            }
            Record::Held(held) => {
                if numbered {
                    heads.held = held.id.saturating_sub(1);
                }
                self.hold(held);
                true
            }
            Record::Epoch(epoch) => {
                if numbered {
                    heads.epochs = epoch.id.saturating_sub(1);
                }
                self.epoch(Epoch { id: 0, ..epoch });
                true
            }
            // These name others by their numbers, which mean nothing in another database.
            Record::Judge(held, judgement) if numbered => {
                self.change(Change::Judge(held, judgement));
                false
            }
            Record::ReplaceEpoch(epoch) if numbered => {
                self.change(Change::ReplaceEpoch(epoch));
                false
            }
            Record::UndoEpoch(epoch) if numbered => {
                self.change(Change::UndoEpoch(epoch));
                false
            }
            Record::Cursor(sink, stream, seq) if numbered => {
                self.set_cursor(&sink, stream, seq);
                false
            }
            Record::Remark(remark) => {
                self.change(Change::Remark(remark));
                false
            }
            Record::Judge(..)
            | Record::ReplaceEpoch(_)
            | Record::UndoEpoch(_)
            | Record::Cursor(..)
            | Record::Form(_) => false,
        };
        self.spool = spool;
        counts
    }

    fn added(&mut self, bytes: usize, delay: Duration) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.drop_surplus();
        if self.batch.changes.len() > CHANGES_MAX {
            self.batch.changes.pop_front();
            self.dropped.others = self.dropped.others.saturating_add(1);
        }
        let large = self.spool.as_ref().is_some_and(Spool::is_large);
        self.hurry(if large { Duration::ZERO } else { delay });
    }

    /// Drops what is too much: first the oldest readings, then high-frequency values. The rest only when it is too
    /// much by itself: what the writer has in hand may come back, and has readings to be dropped.
    fn drop_surplus(&mut self) {
        while self.bytes.saturating_add(self.bytes_taken) > BYTES_MAX && self.drop_detail() {}
        while self.bytes > BYTES_MAX && self.drop_other() {}
    }

    /// Drops the oldest of what is worth least; false when only quarter hours, snapshots and events are left.
    fn drop_detail(&mut self) -> bool {
        let batch = &mut self.batch;
        if let Some(row) = batch.rows.pop_front() {
            self.dropped.rows = self.dropped.rows.saturating_add(1);
            self.dropped_one(row_bytes(&row));
        } else if let Some((.., row)) = batch.undated.pop_front() {
            self.dropped.rows = self.dropped.rows.saturating_add(1);
            self.dropped_one(row_bytes(&row));
        } else if let Some(one) = remove_first(&mut batch.measured, |one| names::is_detail(one.case)) {
            self.dropped.high_frequency = self.dropped.high_frequency.saturating_add(1);
            self.dropped_one(row_bytes(&one.row));
            if !self.high_frequency_told {
                self.high_frequency_told = true;
                let meter = Arc::clone(&one.row.meter);
                let event = own_event(
                    EventCode::HighFrequencyDropped,
                    "no room until the disk takes them".to_owned(),
                );
                self.event(Event { about: Some(meter), ..event });
            }
        } else {
            return false;
        }
        true
    }

    /// Drops an event, or at the very last a quarter hour; false when nothing is left.
    fn drop_other(&mut self) -> bool {
        let batch = &mut self.batch;
        if let Some(event) = remove_first(&mut batch.events, |event| event.code != EventCode::StoreOverflow) {
            self.dropped.others = self.dropped.others.saturating_add(1);
            self.dropped_one(event_bytes(&event));
        } else if let Some(measured) = batch.measured.pop_front() {
            self.dropped.measured = self.dropped.measured.saturating_add(1);
            self.dropped_one(row_bytes(&measured.row));
        } else {
            return false;
        }
        true
    }

    fn dropped_one(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if !self.overflow_told {
            self.overflow_told = true;
            let limit = BYTES_MAX >> 20;
            let detail = format!("more than {limit} MiB wait for the disk; the oldest readings are dropped");
            tracing::error!("store: {detail}");
            self.event(own_event(EventCode::StoreOverflow, detail));
        }
    }

    /// Commits no later than in so long.
    pub(super) fn hurry(&mut self, delay: Duration) {
        let due = Moment::now() + delay;
        self.due = Some(self.due.map_or(due, |present| present.min(due)));
    }

    /// When the writer has something to do.
    pub(super) fn due(&self) -> Option<Moment> {
        let due = self.due.into_iter().chain(self.cursors_due).min()?;
        Some(self.retry_at.map_or(due, |retry| due.max(retry)))
    }

    /// Takes what is due now: everything, or only cursors.
    pub(super) fn take(&mut self) -> Taken {
        let now = Moment::now();
        self.writing_since = Some(now);
        self.cursors_due = None;
        if !self.closing && self.due.is_none_or(|due| due > now) && self.dates.is_empty() {
            let cursors = std::mem::take(&mut self.batch.cursors);
            return Taken { batch: Batch { cursors, ..Batch::default() }, ..Taken::default() };
        }
        self.take_all()
    }

    /// Takes everything.
    pub(super) fn take_all(&mut self) -> Taken {
        self.writing_since = Some(Moment::now());
        self.due = None;
        self.cursors_due = None;
        self.bytes_taken = std::mem::take(&mut self.bytes);
        let batch = std::mem::take(&mut self.batch);
        let spool_cut = self.spool.as_mut().map_or(0, Spool::cut);
        Taken { batch, dates: std::mem::take(&mut self.dates), generation: Some(self.generation), spool_cut }
    }

    /// Takes everything together with numbers for so many dated rows, which come after all rows that were appended.
    pub(super) fn take_with_numbers(&mut self, count: u64) -> (Taken, u64) {
        let first = self.heads.rows.saturating_add(1);
        self.heads.rows = self.heads.rows.saturating_add(count);
        (self.take_all(), first)
    }

    /// The spool is for this database from now on.
    pub(super) fn spool_for(&mut self, database: u64) {
        if let Some(spool) = &mut self.spool {
            spool.begin_for(database);
        }
    }

    /// What was taken is on the disk. Returns how long it failed before that, if it did.
    pub(super) fn committed(&mut self, taken: &Taken) -> Option<String> {
        self.writing_since = None;
        self.retry_at = None;
        if taken.generation.is_some() {
            self.bytes_taken = 0;
            if let Some(spool) = &mut self.spool {
                spool.release(taken.spool_cut);
            }
        }
        self.overflow_told = false;
        self.high_frequency_told = false;
        self.failing.take()
    }

    /// What was taken did not reach the disk: it waits again, before all that came meanwhile. True when this is the
    /// first failure.
    pub(super) fn give_back(&mut self, taken: Taken, error: &str, retry_in: Duration) -> bool {
        self.put_back(taken);
        self.drop_surplus();
        self.writing_since = None;
        let now = Moment::now();
        self.retry_at = Some(now + retry_in);
        self.due = Some(now);
        self.failing.replace(error.to_owned()).is_none()
    }

    /// Takes requests back that the disk did not let be answered, before all that came meanwhile.
    pub(super) fn ask_again(&mut self, requests: impl IntoIterator<Item = DateRequest>) {
        self.dates.splice(0..0, requests);
    }

    /// Puts what was taken back before all that came meanwhile.
    pub(super) fn put_back(&mut self, taken: Taken) {
        let Batch { rows, undated, measured, events, changes, cursors } = taken.batch;
        if taken.generation.is_some() {
            self.bytes = self.bytes.saturating_add(std::mem::take(&mut self.bytes_taken));
        }
        put_before(&mut self.batch.rows, rows);
        put_before(&mut self.batch.undated, undated);
        put_before(&mut self.batch.measured, measured);
        put_before(&mut self.batch.events, events);
        put_before(&mut self.batch.changes, changes);
        for (key, seq) in cursors {
            self.batch.cursors.entry(key).or_insert(seq);
        }
        self.ask_again(taken.dates);
    }

    /// Numbers all that waits anew after these heads: the file was opened only now, and nobody has seen them yet.
    pub(super) fn renumber(&mut self, heads: Heads) {
        let batch = &mut self.batch;
        self.heads = heads;
        for row in &mut batch.rows {
            self.heads.rows = self.heads.rows.saturating_add(1);
            Arc::make_mut(row).seq = self.heads.rows;
        }
        for (id, ..) in &mut batch.undated {
            self.heads.undated = self.heads.undated.saturating_add(1);
            *id = self.heads.undated;
        }
        for measured in &mut batch.measured {
            self.heads.measured = self.heads.measured.saturating_add(1);
            Arc::make_mut(measured).seq = self.heads.measured;
        }
        for event in &mut batch.events {
            self.heads.events = self.heads.events.saturating_add(1);
            event.seq = self.heads.events;
        }
        let (held, epochs) = (heads.held, heads.epochs);
        for change in &mut batch.changes {
            match change {
                Change::Hold(one) => one.id = one.id.saturating_add(held),
                Change::Judge(id, _) => *id = id.saturating_add(held),
                Change::Epoch(one) | Change::ReplaceEpoch(one) => one.id = one.id.saturating_add(epochs),
                Change::UndoEpoch(id) => *id = id.saturating_add(epochs),
                Change::Remark(_) => {}
            }
        }
        let most = |base: i64, of: fn(&Change) -> Option<i64>| {
            batch.changes.iter().filter_map(of).max().unwrap_or(base).max(base)
        };
        self.heads.held =
            most(held, |change| if let Change::Hold(one) = change { Some(one.id) } else { None });
        self.heads.epochs =
            most(epochs, |change| if let Change::Epoch(one) = change { Some(one.id) } else { None });
    }

    pub(super) fn pending(&self) -> usize {
        self.batch.len()
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.bytes.saturating_add(self.bytes_taken)
    }

    pub(super) fn failing(&self) -> Option<&str> {
        self.failing.as_deref()
    }

    pub(super) fn fail(&mut self, error: String) {
        self.failing = Some(error);
    }

    pub(super) fn writing_since(&self) -> Option<Moment> {
        self.writing_since
    }

    pub(super) fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    pub(super) fn dropped(&self) -> Dropped {
        self.dropped
    }
}

/// An event about the store itself.
pub(super) fn own_event(code: EventCode, detail: String) -> Event {
    let at = crate::clock::Clock::start().time_of_day();
    Event { seq: 0, at, code, about: None, detail, count: 1 }
}

fn put_before<T>(queue: &mut VecDeque<T>, mut front: VecDeque<T>) {
    front.append(queue);
    *queue = front;
}

fn remove_first<T>(queue: &mut VecDeque<T>, wanted: impl FnMut(&T) -> bool) -> Option<T> {
    let index = queue.iter().position(wanted)?;
    queue.remove(index)
}
