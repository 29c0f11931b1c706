//! The thread that writes: it waits until something is due, commits it, and tries again when that fails.
use super::block;
use super::budget::{self, Thinned};
use super::commit::{self, Dated};
use super::database::{self, Database, Lock};
use super::error::Doing;
use super::queue::{DateRequest, Heads, Queue, Taken, own_event};
use super::reader::Names;
use super::seal;
use super::spool::Spool;
use super::{Committed, Recovered, Row, RowFlags, Shared, StoreError, StoreSetup};
use crate::event::{Event, EventCode};
use crate::watch::Heartbeat;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Between two tries on a disk that fails: doubled from the first to the second.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A full store drops something each hour; once a day says it.
const THINNED_INTERVAL: Duration = Duration::from_secs(86_400);

/// The writing side of a store.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// `None` when it could not be made, as in a folder that is read-only.
    lock: Option<Lock>,
    database: Option<Database>,
    /// The spool was opened without knowing the database: what it and the queue hold has numbers of its own.
    unnumbered: bool,
    retry: Duration,
    /// What keeping the budget has cost since it was told, and when that was.
    thinned: Thinned,
    thinned_told: Option<Instant>,
    /// Says that no step on the disk hangs.
    pub(super) heartbeat: Option<Heartbeat>,
}

/// Why the writer woke.
enum Step {
    Commit(Taken),
    End(Taken),
}

impl Writer {
    /// Opens the files, takes over the spool and makes a first commit of it.
    ///
    /// # Errors
    /// As [`super::Store::open`].
    pub(super) fn open(setup: &StoreSetup) -> Result<(Arc<Shared>, Self, Recovered), StoreError> {
        let mut recovered = Recovered::default();
        let lock = match Lock::take(&setup.path) {
            Ok(lock) => Some(lock),
            Err(StoreError::InUse { path }) => return Err(StoreError::InUse { path }),
            // A folder in which nothing can be made: rows wait in memory until it can.
            Err(_) => None,
        };
        let database = match open_or_replace(setup, &mut recovered.moved_aside) {
            Ok(database) => Some(database),
            Err(error @ StoreError::NewerSchema { .. }) => return Err(error),
            Err(error) => {
                tracing::error!("{error}; readings wait in memory");
                recovered.failing = Some(error.to_string());
                None
            }
        };
        let heads = match &database {
            Some(database) => database.heads()?,
            None => Heads::default(),
        };
        let id = database.as_ref().map_or(0, |database| database.id);
        let opened = setup.spool.as_deref().map(|folder| Spool::open(folder, id));
        let (spool, found) = opened.map_or((None, Default::default()), |(spool, found)| (Some(spool), found));
        recovered.torn = found.torn;
        let mut queue = Queue::new(setup, heads, spool);
        for (record, ours) in found.records {
            recovered.replayed += u64::from(queue.replay(record, &heads, ours && database.is_some()));
        }
        tell(&mut queue, &recovered);
        let committed = Committed { rows: heads.rows, measured: heads.measured, events: heads.events };
        let shared = Arc::new(Shared {
            setup: setup.clone(),
            queue: Mutex::new(queue),
            wake: Condvar::new(),
            committed: watch::Sender::new(committed),
            written: watch::Sender::new(0),
            bytes: AtomicU64::new(0),
            files: AtomicU64::new(u64::from(database.is_some())),
        });
        let mut writer = Self {
            shared: Arc::clone(&shared),
            lock,
            unnumbered: database.is_none(),
            database,
            retry: RETRY_MIN,
            thinned: Thinned::default(),
            thinned_told: None,
            heartbeat: None,
        };
        // What a crash left behind is on the disk, and seen, before anything new comes.
        if writer.database.is_some() {
            let taken = shared.queue().take_all();
            writer.commit(taken);
        }
        Ok((shared, writer, recovered))
    }

    /// Commits what is due until the last store has gone.
    pub(super) fn run(mut self) {
        loop {
            self.heartbeat.iter().for_each(Heartbeat::rest);
            let step = self.wait();
            self.beat();
            match step {
                Step::Commit(taken) => self.commit(taken),
                Step::End(taken) => {
                    self.commit(taken);
                    break;
                }
            }
        }
        let Self { shared, database, lock, .. } = self;
        drop((database, lock));
        shared.written.send_replace(super::ENDED);
    }

    /// A step on the disk is done, or one begins.
    fn beat(&self) {
        self.heartbeat.iter().for_each(Heartbeat::beat);
    }

    fn wait(&self) -> Step {
        let mut queue = self.shared.queue();
        loop {
            if queue.closing {
                return Step::End(queue.take_all());
            }
            let now = Instant::now();
            queue = match queue.due() {
                Some(due) if due <= now => return Step::Commit(queue.take()),
                Some(due) => {
                    let waited = self.shared.wake.wait_timeout(queue, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn commit(&mut self, mut taken: Taken) {
        if let Err(error) = self.try_commit(&mut taken, None) {
            self.failed(taken, &error);
            return;
        }
        self.beat();
        if taken.generation.is_some() {
            self.tidy();
            self.beat();
            self.shared.bytes.store(database::bytes(&self.shared.setup.path), Ordering::Relaxed);
        }
        let mut requests = VecDeque::from(taken.dates);
        while let Some(request) = requests.pop_front() {
            match self.date(request) {
                Ok(more) => requests.extend(more),
                Err(request) => {
                    // The disk takes nothing at present: all of them wait for it.
                    requests.push_front(request);
                    let mut queue = self.shared.queue();
                    return queue.ask_again(requests);
                }
            }
            self.beat();
        }
    }

    fn try_commit(&mut self, taken: &mut Taken, dated: Option<&Dated>) -> Result<(), StoreError> {
        self.reopen(taken)?;
        if let Some(database) = &mut self.database {
            let corrections = commit::commit(database, &taken.batch, dated)?;
            self.succeeded(taken, dated);
            for (meter, detail) in corrections.told() {
                tracing::info!("meter `{meter}`: {detail}");
                let event = Event { about: Some(meter), ..own_event(EventCode::Corrected, detail) };
                self.shared.put(|queue| queue.event(event));
            }
        }
        Ok(())
    }

    /// Opens the database if it is not open, and gives what waits its numbers.
    fn reopen(&mut self, taken: &mut Taken) -> Result<(), StoreError> {
        if self.database.is_some() {
            return Ok(());
        }
        let mut moved_aside = None;
        let database = open_or_replace(&self.shared.setup, &mut moved_aside)?;
        let (id, heads) = (database.id, database.heads()?);
        self.database = Some(database);
        let mut queue = self.shared.queue();
        if let Some(path) = &moved_aside {
            queue.event(damaged(path));
        }
        if moved_aside.is_some() || self.unnumbered {
            self.shared.files.fetch_add(1, Ordering::Release);
            queue.spool_for(id);
        }
        if std::mem::take(&mut self.unnumbered) {
            // Nobody could see what waits, so it takes the numbers that the file goes on with.
            queue.put_back(std::mem::take(taken));
            queue.renumber(heads);
            *taken = queue.take_all();
        }
        Ok(())
    }

    fn succeeded(&mut self, taken: &Taken, dated: Option<&Dated>) {
        self.retry = RETRY_MIN;
        let batch = &taken.batch;
        let rows = batch.rows.back().into_iter().chain(dated.and_then(|dated| dated.rows.last()));
        let rows = rows.map(|row| row.seq).max();
        let measured = batch.measured.back().map(|measured| measured.seq);
        let events = batch.events.back().map(|event| event.seq);
        let recovered = {
            let mut queue = self.shared.queue();
            let recovered = queue.committed(taken);
            if recovered.is_some() {
                let dropped = queue.dropped();
                let detail = format!(
                    "what waited is written; dropped since the start: {} readings, {} high-frequency values, {} \
                     quarter hours",
                    dropped.rows, dropped.high_frequency, dropped.measured
                );
                queue.event(own_event(EventCode::StoreRecovered, detail));
            }
            recovered
        };
        if recovered.is_some() {
            tracing::info!("the store writes again");
        }
        self.shared.committed.send_if_modified(|committed| {
            let before = *committed;
            committed.rows = rows.unwrap_or(0).max(committed.rows);
            committed.measured = measured.unwrap_or(0).max(committed.measured);
            committed.events = events.unwrap_or(0).max(committed.events);
            *committed != before
        });
        if let Some(generation) = taken.generation {
            self.shared.written.send_replace(generation);
        }
    }

    fn failed(&mut self, taken: Taken, error: &StoreError) {
        let text = error.to_string();
        if error.is_damage() {
            // No further try mends it; the next one begins a new file.
            self.database = None;
        }
        let mut queue = self.shared.queue();
        if queue.give_back(taken, &text, self.retry) {
            tracing::error!("{text}; readings wait in memory");
            queue.event(own_event(EventCode::StoreFailing, text));
        }
        drop(queue);
        self.retry = (self.retry * 2).min(RETRY_MAX);
    }

    /// Seals what is over and keeps the budget. What fails here is tried again after the next commit.
    fn tidy(&mut self) {
        let Some(database) = &mut self.database else { return };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let done = seal::seal(database).and_then(|_| budget::keep(database, &self.shared.setup, now_ms));
        match done {
            Ok(thinned) => self.thinned.add(thinned),
            Err(error) => {
                tracing::warn!("{error}; it is tried again");
                if error.is_damage() {
                    self.database = None;
                }
            }
        }
        let told = self.thinned_told.is_some_and(|told| told.elapsed() < THINNED_INTERVAL);
        if !self.thinned.is_nothing() && !told {
            self.thinned_told = Some(Instant::now());
            let detail = std::mem::take(&mut self.thinned).to_string();
            tracing::info!("store: {detail}");
            self.shared.put(|queue| queue.event(own_event(EventCode::StoreThinned, detail)));
        }
    }

    /// Gives the rows of a boot their time and commits them, with all that waits; returns the requests that did.
    ///
    /// # Errors
    /// The request, when the disk did not take it.
    fn date(&mut self, request: DateRequest) -> Result<Vec<DateRequest>, DateRequest> {
        let dated = match self.load_undated(&request) {
            Ok(dated) => dated,
            Err(error) => {
                tracing::error!("readings without a time cannot be dated: {error}");
                return Ok(Vec::new());
            }
        };
        let Some((mut rows, up_to)) = dated else {
            // Nobody waits for the answer any more: that is theirs.
            let _ = request.reply.send(Vec::new());
            return Ok(Vec::new());
        };
        let (mut taken, first) = self.shared.queue().take_with_numbers(rows.len() as u64);
        for (row, seq) in rows.iter_mut().zip(first..) {
            row.seq = seq;
        }
        let rows: Vec<Arc<Row>> = rows.into_iter().map(Arc::new).collect();
        let dated = Dated { rows, boot: request.boot.clone(), up_to };
        match self.try_commit(&mut taken, Some(&dated)) {
            Ok(()) => {
                let _ = request.reply.send(dated.rows);
                Ok(taken.dates)
            }
            Err(error) => {
                self.failed(taken, &error);
                Err(request)
            }
        }
    }

    /// The rows of a boot with their time, and the last of their ids; `None` when there is none.
    fn load_undated(&mut self, request: &DateRequest) -> Result<Option<(Vec<Row>, i64)>, StoreError> {
        let Some(database) = &mut self.database else { return Ok(None) };
        let connection = &database.connection;
        let mut names = Names::default();
        let sql = "SELECT id, meter, bytes FROM undated WHERE boot = ?1 ORDER BY id";
        let mut select = connection.prepare_cached(sql).doing("reading")?;
        let mut found = select.query([&request.boot]).doing("reading")?;
        let mut rows: Vec<Row> = Vec::new();
        let mut up_to = 0;
        while let Some(row) = found.next().doing("reading")? {
            let (id, meter): (i64, i64) = (row.get(0).doing("reading")?, row.get(1).doing("reading")?);
            let bytes: Vec<u8> = row.get(2).doing("reading")?;
            let mut row = names.row(connection, meter, block::unpack_one("undated row", id, &bytes)?)?;
            row.at.unix_ms = row.at.unix_ms.saturating_add(request.booted.unix_ms);
            row.at.trust = request.booted.trust;
            row.flags = row.flags.with(RowFlags::DATED_LATER);
            rows.push(row);
            up_to = id;
        }
        Ok((!rows.is_empty()).then_some((rows, up_to)))
    }
}

/// Opens the database; a damaged one is moved aside and a new one begun.
fn open_or_replace(setup: &StoreSetup, moved_aside: &mut Option<PathBuf>) -> Result<Database, StoreError> {
    match Database::open(&setup.path) {
        Err(error) if error.is_damage() => {
            let aside = database::move_aside(&setup.path, jiff::Timestamp::now())?;
            tracing::error!("{error}; it is kept as {}, and a new store is begun", aside.display());
            *moved_aside = Some(aside);
            Database::open(&setup.path)
        }
        opened => opened,
    }
}

/// What was found at the start, as events.
fn tell(queue: &mut Queue, recovered: &Recovered) {
    if let Some(aside) = &recovered.moved_aside {
        queue.event(damaged(aside));
    }
    if let Some(error) = &recovered.failing {
        queue.fail(error.clone());
        queue.event(own_event(EventCode::StoreFailing, error.clone()));
    }
    if recovered.replayed > 0 || recovered.torn > 0 {
        let torn = if recovered.torn > 0 { ", the last one was torn" } else { "" };
        let detail = format!("{} entries of the run before{torn}", recovered.replayed);
        queue.event(own_event(EventCode::StoreReplayed, detail));
    }
}

fn damaged(aside: &std::path::Path) -> Event {
    let name = aside.file_name().unwrap_or_default().to_string_lossy();
    own_event(
        EventCode::StoreFailing,
        format!("the database was damaged; it is kept as {name}, a new one is begun"),
    )
}
