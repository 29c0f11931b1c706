//! The store: what was read survives.
//!
//! One SQLite file, one thread that writes it. Whoever appends never waits for a disk: a row gets its number, goes
//! into the spool in memory-backed storage, and waits for the next commit.
//!
//! ```text
//! append ── number ── spool (tmpfs) ── queue ──┐ every minute, or at once for quarter hours and events
//!                                              ▼
//!                       writer thread: recent blocks ── once an hour ──> sealed chunks ── budget ──> thinned, dropped
//!                                              │
//!                     committed() ◄────────────┘──> Reader (own read-only connection for each who reads)
//! ```
//!
//! **Promises.** A kill loses nothing that [`Store::append`] returned from, as long as the spool survives. A power
//! cut loses at most one commit interval of detail, and nothing that a [`Reader`] ever showed. A disk that is full,
//! read-only or hangs stops neither the meters nor the sinks of the live path: rows wait in memory up to a limit,
//! then the oldest detail goes first and quarter hours last.
//!
//! Start reading: [`Store`] for what is put in, [`Reader`] for what comes out, `schema.sql` for what is in the file.

mod block;
mod budget;
mod check;
mod commit;
mod database;
mod error;
mod history;
mod measured;
mod names;
mod queue;
mod reader;
mod recent;
mod record;
mod row;
mod seal;
mod setup;
mod spool;
mod totals;
mod varint;
mod writer;

pub use check::{MeterReport, Report, check, vacuum};
pub use error::StoreError;
pub use history::{Latest, Range};
pub use metergate_tariff::{Mark, Quality, UseCase};
pub use queue::Dropped;
pub use reader::{Missed, Reader};
pub use row::{Column, Measured, Remark, Row, RowFlags, Shape};
pub use setup::{Budget, Recovered, StoreHealth, StoreSetup};
pub use totals::{Counted, PERIODS_MAX, Period, QUARTER_HOURS_MAX, QuarterHour};

use crate::config::Stream;
use crate::event::Event;
use crate::plausible::{Epoch, Held, Judgement};
use crate::watch::{Heartbeats, Remedy};
use queue::{Change, Queue};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use writer::Writer;

/// Name of the file in the state directory.
pub const FILE_NAME: &str = "metergate.db";

/// The highest number of each stream that a power cut cannot take away any more; 0 before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Of the rows.
    pub rows: u64,
    /// Of the rows that tariff use cases chose.
    pub measured: u64,
    /// Of the events.
    pub events: u64,
}

/// The generation that the writer leaves behind when it ends.
const ENDED: u64 = u64::MAX;

impl Committed {
    /// Of one stream.
    #[must_use]
    pub const fn of(self, stream: Stream) -> u64 {
        match stream {
            Stream::Readings => self.rows,
            Stream::Measured => self.measured,
            Stream::Events => self.events,
        }
    }
}

/// The store of a gateway. Cheap to clone; the last clone that goes ends the writer after a last commit.
///
/// ```
/// use metergate_gateway::store::{Column, Row, RowFlags, Shape, Store, StoreError, StoreSetup};
/// use metergate_reading::{Instant, Trust, Unit};
/// use std::sync::Arc;
///
/// let folder = tempfile::tempdir()?;
/// let setup = StoreSetup::new(folder.path().join("metergate.db"));
/// let (store, _) = Store::open(&setup)?;
/// let column = Column { id: "1-0:1.8.0".parse()?, unit: Some(Unit::WattHour), exponent: -1 };
/// let row = store.append(Row {
///     seq: 0,
///     meter: "house".into(),
///     at: Instant { unix_ms: 1_775_986_800_000, trust: Trust::MeterValid },
///     meter_clock_s: None,
///     flags: RowFlags::default(),
///     shape: Arc::new(Shape([column].into())),
///     mantissas: [352_040_842].into(),
/// });
/// assert_eq!(row.seq, 1);
///
/// // A reader sees what is committed, and nothing before.
/// let mut reader = store.reader();
/// assert!(reader.rows_after(0, 10)?.is_empty());
/// assert!(store.flush_blocking(std::time::Duration::from_secs(10)));
/// assert_eq!(reader.rows_after(0, 10)?, [(*row).clone()]);
///
/// assert!(matches!(Store::open(&setup), Err(StoreError::InUse { .. })), "one gateway, one store");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

/// Ends the writer when the last store goes.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue().closing = true;
        self.shared.wake.notify_all();
    }
}

/// What the store's clones and its writer have in common.
#[derive(Debug)]
struct Shared {
    setup: StoreSetup,
    queue: Mutex<Queue>,
    /// Something became due, or the store closes.
    wake: Condvar,
    committed: watch::Sender<Committed>,
    /// Everything put into the queue up to this generation is on the disk.
    written: watch::Sender<u64>,
    /// Of the database and its log after the last commit. Asking the system would wait for a disk that hangs.
    bytes: AtomicU64,
    /// Counts the files: 0 before the first was opened, one more when a damaged file was replaced, so that readers
    /// open the new one. A reader that came first on a read-only disk would keep the writer from writing later.
    files: AtomicU64,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something into the queue and wakes the writer when it is due earlier than what it waits for.
    fn put<T>(&self, put: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.queue();
        let due = queue.due();
        let result = put(&mut queue);
        queue.generation = queue.generation.wrapping_add(1);
        if queue.due() != due {
            self.wake.notify_all();
        }
        result
    }
}

impl Store {
    /// Opens the store, takes over what a crash left in the spool, and starts the writer.
    ///
    /// A damaged file is moved aside and a new one begun; a file that cannot be opened at present is tried again for
    /// ever while rows wait in memory. Both are events and stand in [`Recovered`].
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`] when a newer metergate wrote the file; [`StoreError::InUse`] when another process
    /// has it; [`StoreError::Io`] when the system has no thread left.
    pub fn open(setup: &StoreSetup) -> Result<(Self, Recovered), StoreError> {
        Self::start(setup, None)
    }

    /// The same with a writer that says that it goes on, under the name `store`: one that has not come back from the
    /// disk for 30 s is stuck.
    ///
    /// It is told and no more ([`Remedy::Tell`]): a new start would wait for the same disk, and the meters with it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_watched(
        setup: &StoreSetup,
        heartbeats: &Heartbeats,
    ) -> Result<(Self, Recovered), StoreError> {
        Self::start(setup, Some(heartbeats))
    }

    fn start(setup: &StoreSetup, heartbeats: Option<&Heartbeats>) -> Result<(Self, Recovered), StoreError> {
        let (shared, mut writer, recovered) = Writer::open(setup)?;
        writer.heartbeat = heartbeats.map(|all| all.register("store", setup::HANGING, Remedy::Tell));
        let path = setup.path.clone();
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| StoreError::Io { doing: "starting the writer of", path, source })?;
        Ok((Self { handle: Arc::new(Handle { shared }) }, recovered))
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Gives the row its number and keeps it. Never waits for the disk.
    ///
    /// A row whose time nobody knows ([`Trust::None`](metergate_reading::Trust::None), `unix_ms` is milliseconds since
    /// the boot) keeps the number 0 and is shown to nobody before [`date_rows`](Self::date_rows).
    pub fn append(&self, row: Row) -> Arc<Row> {
        self.shared().put(|queue| queue.append(row))
    }

    /// Keeps a row that a tariff use case has chosen, and returns its number.
    ///
    /// It is committed at once (values of low priority with the next commit), and only then seen. For a mark of a
    /// grid that has a value already the earlier reading stays, unless a person gave one. One that takes the place of a
    /// value that was seen carries [`RowFlags::CORRECTED`] and is the event
    /// [`Corrected`](crate::event::EventCode::Corrected); it is a new entry of the stream, with the key of the old one.
    pub fn measured(&self, measured: Measured) -> u64 {
        self.shared().put(|queue| queue.measured(measured))
    }

    /// Keeps an event and returns its number. It is committed at once, and only then seen.
    pub fn event(&self, event: Event) -> u64 {
        self.shared().put(|queue| queue.event(event))
    }

    /// Keeps a number in quarantine and returns its id.
    pub fn hold(&self, held: Held) -> i64 {
        self.shared().put(|queue| queue.hold(held))
    }

    /// Writes down what became of a number in quarantine.
    pub fn judge(&self, held: i64, judgement: Judgement) {
        self.shared().put(|queue| queue.change(Change::Judge(held, judgement)));
    }

    /// Keeps an epoch and returns its id; one with an id takes the place of what was known of it.
    pub fn epoch(&self, epoch: Epoch) -> i64 {
        self.shared().put(|queue| queue.epoch(epoch))
    }

    /// Marks an epoch as none: totals go on without it, and its step is taken out of all later ones.
    pub fn undo_epoch(&self, epoch: i64) {
        self.shared().put(|queue| queue.change(Change::UndoEpoch(epoch)));
    }

    /// Keeps the latest value of a register that is no number. Call it on a change only.
    pub fn remark(&self, remark: Remark) {
        self.shared().put(|queue| queue.change(Change::Remark(remark)));
    }

    /// Writes down how far a sink has delivered a stream.
    ///
    /// It is on the disk with the next commit, at the latest 5 s later (60 s when there is a spool, which has it at
    /// once): after a crash a sink repeats at most what it delivered since.
    pub fn set_cursor(&self, sink: &str, stream: Stream, seq: u64) {
        self.shared().put(|queue| queue.set_cursor(sink, stream, seq));
    }

    /// Dates the rows of one boot that came before any clock could be trusted: each gets its number, the flag
    /// [`RowFlags::DATED_LATER`], the trust of `booted`, and as time its milliseconds since the boot after `booted`.
    ///
    /// The rows arrive after their commit; the sender is dropped when the store ends before.
    pub fn date_rows(
        &self,
        boot: &str,
        booted: metergate_reading::Instant,
    ) -> oneshot::Receiver<Vec<Arc<Row>>> {
        let (reply, dated) = oneshot::channel();
        self.shared().put(|queue| queue.date_rows(boot, booted, reply));
        dated
    }

    /// The highest number of each stream that is committed; changes with each commit.
    #[must_use]
    pub fn committed(&self) -> watch::Receiver<Committed> {
        self.shared().committed.subscribe()
    }

    /// Commits all that waits, and returns when it is on the disk.
    ///
    /// With a failing disk that is when it works again: whoever cannot wait uses a timeout.
    pub fn flush(&self) -> impl Future<Output = ()> + Send + use<> {
        let (generation, mut written) = self.commit_now();
        async move {
            // An error means that the writer has ended, and it ends after a last commit.
            let _ = written.wait_for(|&written| written >= generation).await;
        }
    }

    /// The same without async; false when it takes longer than `timeout`.
    #[must_use]
    pub fn flush_blocking(&self, timeout: Duration) -> bool {
        let (generation, written) = self.commit_now();
        let end = Instant::now() + timeout;
        while *written.borrow() < generation {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Makes a last commit and lets go of the file; false when that takes longer than `timeout`.
    ///
    /// The last clone only can: while there are others, the writer goes on.
    #[must_use]
    pub fn close(self, timeout: Duration) -> bool {
        let written = self.shared().written.subscribe();
        drop(self);
        let end = Instant::now() + timeout;
        while *written.borrow() != ENDED {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn commit_now(&self) -> (u64, watch::Receiver<u64>) {
        let shared = self.shared();
        let generation = shared.put(|queue| {
            queue.hurry(Duration::ZERO);
            queue.generation.wrapping_add(1)
        });
        (generation, shared.written.subscribe())
    }

    /// How the store is doing.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        let health = StoreHealth::of(&self.shared().queue());
        StoreHealth { bytes: self.shared().bytes.load(Ordering::Relaxed), ..health }
    }

    /// A reader with a connection of its own, for one thread. It is opened when something is read; until the store is,
    /// it answers [`StoreError::Absent`].
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::following(Arc::clone(&self.handle.shared))
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared().setup.path
    }
}
