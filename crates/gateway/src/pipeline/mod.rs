//! All tasks of a gateway and the channels between them, on one screen.
//!
//! ```text
//! reader of meter 1 ──┐                      ┌─ news ── sink 1 (thread) ◄─┐
//! reader of meter 2 ──┼─ channel ── books ───┼─ news ── sink 2 (thread) ◄─┼─ committed rows
//! reader of meter 3 ──┘    64         │      └─ news ── sink 3 (thread) ◄─┤
//!                                     ├─ rows, quarter hours, events ── store (thread)
//!                                     └─ status file, invocation counters, findings
//! ```
//!
//! A reader waits when the channel is full; then its port's buffer fills, and that is the system's. The pipeline
//! itself waits for nobody but a sink that gets a file ([`RunningSink::offer`]), and for the store when it reads one.
mod book;
mod books;
mod dating;
mod keeper;
mod measure;
mod telling;

use crate::clock::{self, Clock};
use crate::config::{Gateway, Rate, SinkKind};
use crate::control::{self, Answer, Asked, Request};
use crate::event::{Event, EventCode};
use crate::plausible::{Arrival, JumpWatch};
use crate::port::Speed;
use crate::prices;
use crate::reader::Reader;
use crate::serve::{Pages, Telegrams};
use crate::shutdown::Shutdown;
use crate::sink::{News, RunningSink, Sample};
use crate::source;
use crate::status::Status;
use crate::store::{self, Budget, Row, RowFlags, Store, StoreSetup};
use crate::update::{Update, What};
use crate::watch::{self, Beginning, Heartbeats, Remedy, RunRecord};
use crate::web::{self, Board, Parts, Web};
use books::Books;
use dating::Dating;
use keeper::Keeper;
use metergate_reading::{Instant, Trust};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use telling::Telling;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Updates on their way from the readers: a full buffer of a port gives about as many.
const CHANNEL_LEN: usize = 64;

/// The status file is written this soon after a change.
const STATUS_SOON: Duration = Duration::from_secs(1);

/// What waits in the queues of the sinks at the end is delivered within this, or dropped and said; what is durable
/// stays in the store.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// A reader looks at its port once a second; so much longer it may wait for the pipeline, which a disk cannot hold up.
const READER_PATIENCE: Duration = Duration::from_secs(60);

/// A file is read no faster than the store takes its rows: so many may wait for a commit.
const FILE_ROWS_MAX: usize = 4096;

/// How a gateway is run.
#[derive(Debug, Default)]
pub struct Options {
    /// How much faster than life files are read; `None`: as the line was.
    pub speed: Option<Speed>,
    /// Forget the invocation counters of the last run.
    pub reset_counters: bool,
    /// Gets every update too; when it is full it misses some.
    pub observer: Option<mpsc::Sender<Arc<Update>>>,
}

/// Runs a gateway until it is told to end, or until all its inputs have ended, or nobody takes its readings any more.
/// Returns how everything was at the end.
///
/// # Errors
/// When the invocation counters of the last run cannot be read, the store belongs to another gateway, a sink cannot be
/// started, or a port to serve on is taken. What fails later does not end the gateway.
pub async fn run(gateway: Gateway, options: Options, shutdown: Shutdown) -> io::Result<Status> {
    let clock = Clock::start();
    let runtime = runtime_directory();
    let keeper = Keeper::new(&gateway, &options, runtime.as_deref())?;
    // Without a state directory the store lasts as long as the gateway.
    let passing = gateway.state_directory.is_none().then(tempfile::tempdir).transpose()?;
    let folder = passing.as_ref().map(tempfile::TempDir::path).or(gateway.state_directory.as_deref());
    let heartbeats = Heartbeats::new(clock);
    let store = open_store(&gateway, folder.unwrap_or(Path::new(".")), runtime.as_deref(), &heartbeats)?;
    let mut reader = store.reader();
    let now = clock::time_of_day();
    let books = Books::open(&gateway, &mut reader, now);
    let names = gateway.meters.iter().map(|meter| &meter.name).chain(gateway.sources.iter().map(|s| &s.name));
    let names: Vec<&str> = names.map(String::as_str).collect();
    let shown = keeper.shown(clock);
    let sinks =
        gateway.sinks.iter().map(|setup| RunningSink::start(setup, &names, &store, &heartbeats, &shown));
    let sinks: Vec<RunningSink> = sinks.collect::<io::Result<_>>()?;

    // Taken before anything is read: a port that is not free is told at the start.
    let telegrams = gateway
        .meters
        .iter()
        .map(|meter| meter.serve.map(|at| Telegrams::listen(&meter.name, at)).transpose());
    let telegrams: Vec<Option<Telegrams>> = telegrams.collect::<io::Result<_>>()?;
    let pages = Pages::start(&gateway, &shutdown)?;
    let pusher = pusher(&gateway);

    let (requests, asked) = mpsc::channel(1);
    let socket = control::place(runtime.as_deref(), gateway.state_directory.as_deref());
    match socket.as_deref().map(control::Server::open).transpose() {
        Ok(server) => {
            server.map(|server| tokio::spawn(server.run(requests.clone(), shutdown.clone())));
        }
        Err(error) => tracing::warn!("nobody can ask the gateway anything: {error}"),
    }

    let state = gateway.state_directory.as_deref();
    let (record, beginning, recorded) =
        RunRecord::begin(state, now, clock::boot_id(), watch::fingerprint(&gateway));
    if let Err(error) = recorded {
        tracing::warn!("the next start will not know how this run ended: {error}");
    }
    let telling = Telling::new(&gateway, &heartbeats, clock);
    let prices = match &gateway.price.energy {
        Some(Rate::Url(setup)) => Some(tokio::spawn(prices::feed(setup, store.clone())?)),
        _ => None,
    };
    let board = Arc::new(Board::new(names.iter().copied()));
    let web = gateway.web.as_ref().and_then(|setup| {
        let parts = Parts {
            board: Arc::clone(&board),
            store: store.clone(),
            state_directory: state.map(Path::to_owned),
            folders: web::folders(&gateway.sinks, &names),
            shown: shown.clone(),
            requests: requests.clone(),
        };
        Web::open(setup, parts)
    });
    let (updates, inbox) = mpsc::channel(CHANNEL_LEN);
    let mut readers = JoinSet::new();
    for source in gateway.sources {
        let (listeners, way) = (pages.addresses().to_owned(), pages.way_of(&source.name));
        readers.spawn(source::run(source, listeners, way, clock, updates.clone(), shutdown.clone()));
    }
    for (meter, telegrams) in gateway.meters.into_iter().zip(telegrams) {
        let known = keeper.known(&meter);
        let name = format!("reader {}", meter.name);
        let speed = options.speed.unwrap_or(Speed::LIVE);
        let reader = Reader::new(meter, known, speed, clock, updates.clone(), shutdown.clone())
            .with_tap(telegrams.as_ref().map(Telegrams::tap));
        if let Some(telegrams) = telegrams {
            tokio::spawn(telegrams.run(shutdown.clone()));
        }
        let heartbeat = heartbeats.register(name, READER_PATIENCE, Remedy::Restart);
        readers.spawn(reader.run(heartbeat));
    }
    drop(updates);

    let mut pipeline = Pipeline {
        clock,
        keeper,
        store,
        reader,
        books,
        sinks,
        pages,
        pusher,
        observer: options.observer,
        board: web.is_some().then_some(board),
        telling,
        jumps: JumpWatch::default(),
        dating: Dating::new(),
        boot: clock::boot_id(),
    };
    pipeline.began(&beginning);
    pipeline.work(inbox, asked, shutdown.clone()).await;
    drop(requests);
    drop(web);
    pipeline.telling.stopping();
    if let Some(prices) = prices {
        prices.abort();
        // It lets go of the store; a file is written whole or not at all.
        let _ = prices.await;
    }
    // Each ends by itself when it is told, and what it must keep is kept then.
    let _ = tokio::time::timeout(END_TIMEOUT, async { while readers.join_next().await.is_some() {} }).await;
    readers.shutdown().await;
    let status = pipeline.finish(shutdown.is_told()).await;
    if let Err(error) = record.end() {
        tracing::warn!("the next start will take this run for a crash: {error}");
    }
    drop(passing);
    Ok(status)
}

/// The sink that pushes what the page of an SMGW.Lite shows, if there is one.
fn pusher(gateway: &Gateway) -> Option<usize> {
    let shown = &gateway.compat.smgw_lite.as_ref()?.meter;
    let pushes = |kind: &SinkKind| matches!(kind, SinkKind::SmgwLite(setup) if setup.meter == *shown);
    gateway.sinks.iter().position(|sink| pushes(&sink.kind))
}

/// The directory in memory that the service manager gives; of several, with colons between them, the first is ours.
fn runtime_directory() -> Option<PathBuf> {
    let list = std::env::var("RUNTIME_DIRECTORY").ok()?;
    Some(PathBuf::from(list.split(':').next()?))
}

fn open_store(
    gateway: &Gateway,
    folder: &Path,
    runtime: Option<&Path>,
    heartbeats: &Heartbeats,
) -> io::Result<Store> {
    std::fs::create_dir_all(folder)?;
    let setup = StoreSetup {
        spool: runtime.map(|runtime| runtime.join("spool")),
        commit_interval: gateway.store.commit_interval,
        budget: Budget { bytes: u64::from(gateway.store.max_mib) << 20, age: gateway.store.max_age },
        ..StoreSetup::new(folder.join(store::FILE_NAME))
    };
    // What it has recovered is told by events of its own.
    Store::open_watched(&setup, heartbeats).map(|(store, _)| store).map_err(io::Error::other)
}

/// The task in the middle.
#[derive(Debug)]
struct Pipeline {
    clock: Clock,
    keeper: Keeper,
    store: Store,
    reader: store::Reader,
    books: Books,
    sinks: Vec<RunningSink>,
    pages: Pages,
    /// The sink whose push the pages tell of, by its place among the sinks.
    pusher: Option<usize>,
    observer: Option<mpsc::Sender<Arc<Update>>>,
    board: Option<Arc<Board>>,
    telling: Telling,
    jumps: JumpWatch,
    dating: Dating,
    /// Since which readings without a time count theirs.
    boot: Option<String>,
}

impl Pipeline {
    fn began(&mut self, beginning: &Beginning) {
        for (code, detail) in beginning.events() {
            self.happened(code, None, detail);
        }
        self.keeper.began(beginning.clone());
        self.telling.ready(self.books.all.len(), self.sinks.len());
    }

    async fn work(
        &mut self,
        mut inbox: mpsc::Receiver<Update>,
        mut asked: mpsc::Receiver<Asked>,
        mut ending: Shutdown,
    ) {
        let mut tick = tokio::time::interval(STATUS_SOON);
        loop {
            tokio::select! {
                update = inbox.recv() => {
                    // `None`: every reader has ended.
                    let Some(update) = update.map(Arc::new) else { break };
                    // A file waits for a slow sink and for the store, but not beyond the end.
                    tokio::select! {
                        biased;
                        () = self.update(update) => {}
                        () = ending.wait() => {}
                    }
                }
                Some(asked) = asked.recv() => self.answer(asked),
                rows = self.dating.dated() => self.dated(&rows),
                _ = tick.tick() => {
                    self.tick();
                    let ended = !self.sinks.is_empty() && self.sinks.iter().all(RunningSink::has_ended);
                    if ended && self.observer.is_none() {
                        tracing::info!("nobody takes readings any more");
                        break;
                    }
                }
            }
        }
    }

    async fn update(&mut self, update: Arc<Update>) {
        self.keeper.note(&update, self.clock.now());
        let sample = self.enter(&update);
        if let Some((code, detail)) = self.telling.event_of(&update.meter, &update.what) {
            self.happened(code, Some(Arc::clone(&update.meter)), detail);
        }
        let live = update.live;
        let news = Arc::new(News { update: Arc::clone(&update), sample });
        self.pages.note(&news);
        if let Some(board) = &self.board {
            board.note(&news);
        }
        for sink in &self.sinks {
            sink.offer(&news).await;
        }
        if let Some(observer) = &self.observer {
            let _ = observer.try_send(update);
        }
        if !live && self.store.health().pending > FILE_ROWS_MAX {
            self.store.flush().await;
        }
    }

    /// Enters a reading into the books of its meter, and returns what of it is believed.
    fn enter(&mut self, update: &Update) -> Option<Sample> {
        if !matches!(update.what, What::Telegram(_) | What::Reading(_)) {
            return None;
        }
        // Both clocks at once: how long the reading waited here is no jump.
        let wall_ms = clock::time_of_day().unix_ms;
        let jumped = update.live.then(|| self.jumps.note(self.clock.now(), wall_ms)).flatten();
        if let Some(ms) = jumped {
            self.happened(EventCode::ClockJumped, None, format!("by {ms} ms against the time that passed"));
        }
        let host = match update.at.trust {
            Trust::None => Instant { unix_ms: clock::since_boot_ms(), trust: Trust::None },
            _ => update.at,
        };
        let arrival = Arrival {
            host,
            monotonic: update.live.then(|| self.clock.now()),
            live: update.live,
            flags: if jumped.is_some() { RowFlags::CLOCK_JUMPED } else { RowFlags::default() },
        };
        let book = self.books.all.get_mut(&update.meter)?;
        let (sample, events) = match &update.what {
            What::Telegram(telegram) => book.telegram(telegram, arrival, &self.store, &mut self.reader),
            What::Reading(reading) => book.reading(reading, arrival, &self.store, &mut self.reader),
            _ => return None,
        };
        if let Some(sample) = &sample {
            self.dating.note(sample.at);
        }
        for event in events {
            self.tell(event);
        }
        sample
    }

    fn tick(&mut self) {
        let now = clock::time_of_day();
        self.dating.look(now, clock::since_boot_ms(), self.boot.as_deref(), &self.store);
        self.books.open_blind(&mut self.reader, now);
        let events: Vec<Event> = self.books.all.values_mut().filter_map(|book| book.missing(now)).collect();
        for event in events {
            self.tell(event);
        }
        for (code, about, detail) in self.telling.look(self.keeper.status(), now) {
            self.happened(code, about, detail);
        }
        for event in self.telling.due() {
            self.store.event(event);
        }
        if let Some(sink) = self.pusher.and_then(|place| self.sinks.get(place)) {
            self.pages.note_push(&sink.status());
        }
        self.keeper.save(&self.sinks, self.store.health(), self.clock, false);
    }

    /// Rows of the past have got their time.
    fn dated(&mut self, rows: &[Arc<Row>]) {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
        let time = |row: &Row| {
            let at = jiff::Timestamp::from_millisecond(row.at.unix_ms);
            at.map_or_else(|_| String::new(), |at| at.to_string())
        };
        let detail = format!("{} of {} to {}", rows.len(), time(first), time(last));
        self.happened(EventCode::Dated, None, detail);
        for row in rows {
            let book = self.books.all.get_mut(&row.meter);
            let events = book.map(|book| book.measured(row, &self.store)).unwrap_or_default();
            for event in events {
                self.tell(event);
            }
        }
    }

    fn answer(&mut self, Asked { request, answer }: Asked) {
        let done = match request {
            Request::Snapshot { meter } => self.snapshot(meter.as_deref()),
            Request::Pause { sink } => self.pause(&sink, true),
            Request::Resume { sink } => self.pause(&sink, false),
            Request::UndoEpoch { epoch } => self.undo(epoch),
            Request::Judge { held, accept } => self.judge(&held, accept),
        };
        // Who asked may have gone.
        let _ = answer.send(done.map_or_else(Answer::Refused, Answer::Done));
    }

    fn snapshot(&mut self, meter: Option<&str>) -> Result<String, String> {
        let now = clock::time_of_day();
        if let Some(name) = meter.filter(|&name| !self.books.all.contains_key(name)) {
            let known: Vec<&str> = self.books.all.keys().map(|name| &**name).collect();
            return Err(format!("there is no meter `{name}`; there are {}", known.join(", ")));
        }
        let mut told = Vec::new();
        let mut taken = Vec::new();
        for (name, book) in
            self.books.all.iter_mut().filter(|(name, _)| meter.is_none_or(|wanted| wanted == &***name))
        {
            told.push(if book.snapshot(now, &self.store) {
                taken.push(Arc::clone(name));
                format!("{name}: the latest reading is kept")
            } else {
                format!("{name}: the next reading will be kept")
            });
        }
        for name in taken {
            self.happened(EventCode::Snapshot, Some(name), String::new());
        }
        told.sort();
        Ok(told.join("\n"))
    }

    fn pause(&mut self, name: &str, paused: bool) -> Result<String, String> {
        let Some(sink) = self.sinks.iter().find(|sink| sink.name() == name) else {
            let known: Vec<&str> = self.sinks.iter().map(RunningSink::name).collect();
            return Err(format!("there is no sink `{name}`; there are {}", known.join(", ")));
        };
        sink.pause(paused);
        let (code, told) = if paused {
            (EventCode::SinkPaused, format!("{name}: paused; readings wait in the store"))
        } else {
            (EventCode::SinkResumed, format!("{name}: delivers again"))
        };
        self.happened(code, Some(name.into()), String::new());
        Ok(told)
    }

    fn undo(&mut self, epoch: i64) -> Result<String, String> {
        for book in self.books.all.values_mut() {
            match book.undo(epoch, &mut self.reader, &self.store) {
                Ok(None) => {}
                Ok(Some(told)) => {
                    self.happened(EventCode::ExchangeUndone, None, told.clone());
                    return Ok(told);
                }
                Err(error) => return Err(format!("the store cannot be read: {error}")),
            }
        }
        Err(format!("there is no epoch {epoch}; `metergate epochs` lists them"))
    }

    fn judge(&mut self, wanted: &[(i64, i64)], accept: bool) -> Result<String, String> {
        let now = clock::time_of_day();
        let mut told = Vec::new();
        let mut events = Vec::new();
        for (name, book) in &mut self.books.all {
            let is_wanted = |id: i64| wanted.iter().any(|&(first, last)| (first..=last).contains(&id));
            let held = book.held_open(is_wanted, &mut self.reader);
            let held = held.map_err(|error| format!("the store cannot be read: {error}"))?;
            if held.is_empty() {
                continue;
            }
            if accept {
                events.extend(book.accept(&held, now, &self.store, &mut self.reader)?);
            } else {
                events.push(book.reject(&held, now, &self.store));
            }
            let what = if accept { "believed" } else { "rejected for good" };
            let (number, is) = match held.len() {
                1 => ("1 number".to_owned(), "is"),
                more => (format!("{more} numbers"), "are"),
            };
            told.push(format!("{name}: {number} {is} {what}"));
        }
        for event in events {
            self.tell(event);
        }
        told.sort();
        if told.is_empty() {
            return Err("no such number is open in quarantine; `metergate quarantine` lists them".to_owned());
        }
        Ok(told.join("\n"))
    }

    fn happened(&mut self, code: EventCode, about: Option<Arc<str>>, detail: String) {
        self.tell(Event { seq: 0, at: clock::time_of_day(), code, about, detail, count: 1 });
    }

    fn tell(&mut self, event: Event) {
        for event in self.telling.tell(event) {
            self.store.event(event);
        }
    }

    /// Everything that is there goes out as far as it can, and is on the disk.
    async fn finish(mut self, told_to_end: bool) -> Status {
        self.happened(EventCode::Stopped, None, String::new());
        for event in self.telling.finish() {
            self.store.event(event);
        }
        // A disk that hangs must not hold up the end.
        let _ = tokio::time::timeout(END_TIMEOUT, self.store.flush()).await;
        if self.dating.waits()
            && let Ok(rows) = tokio::time::timeout(END_TIMEOUT, self.dating.dated()).await
        {
            self.dated(&rows);
            let _ = tokio::time::timeout(END_TIMEOUT, self.store.flush()).await;
        }
        self.sinks.iter().for_each(RunningSink::close);
        drain(&self.sinks, self.clock, told_to_end).await;
        for sink in self.sinks.iter().filter(|sink| !sink.is_finished()) {
            let waiting = sink.status().queued;
            tracing::error!("sink `{}`: does not end; {waiting} pieces of news are dropped", sink.name());
        }
        let _ = tokio::time::timeout(END_TIMEOUT, self.store.flush()).await;
        self.keeper.save(&self.sinks, self.store.health(), self.clock, true);
        self.keeper.finish().await
    }
}

/// Waits for the sinks: after a signal a moment, after the last file as long as they get on.
async fn drain(sinks: &[RunningSink], clock: Clock, told_to_end: bool) {
    let progress = || {
        let statuses = sinks.iter().map(RunningSink::status);
        statuses.map(|status| status.delivered + status.refused).sum::<u64>()
    };
    let mut before = progress();
    let mut end = clock.at(clock.now() + END_TIMEOUT);
    while tokio::time::Instant::now() < end && !sinks.iter().all(RunningSink::is_finished) {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let now = progress();
        if now != before && !told_to_end {
            before = now;
            end = clock.at(clock.now() + END_TIMEOUT);
        }
    }
}
