//! Where readings go. Each sink has a thread and a bounded queue of its own, so that one that hangs changes nothing
//! for the meters and the other sinks.
mod csv;
#[allow(dead_code)]
mod graphite;
pub mod homie;
#[allow(dead_code)]
mod http;
#[allow(dead_code)]
mod influx;
pub mod mqtt;
mod news;
#[allow(dead_code)]
mod prometheus;
mod queue;
mod sample;
#[allow(dead_code)]
mod smgw_lite;
mod stdout;
#[allow(dead_code)]
mod wanted;

pub use news::News;
pub use sample::{Delivered, Entry, Point, Sample, Step, Trouble};

use crate::config::{Selection, SinkKind, SinkSetup};
use crate::update::{Update, What};
use csv::Csv;
use queue::{Popped, Queue};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stdout::Stdout;

/// A sink, of a closed list.
#[derive(Debug)]
enum Sink {
    Stdout(Stdout),
    Csv(Csv),
}

impl Sink {
    fn deliver(&mut self, update: &Update) -> io::Result<()> {
        match self {
            Self::Stdout(sink) => sink.deliver(update),
            Self::Csv(sink) => match &update.what {
                What::Telegram(telegram) => sink.deliver(&update.meter, &telegram.reading),
                _ => Ok(()),
            },
        }
    }

    /// When [`sync`](Self::sync) is due.
    fn sync_at(&self) -> Option<Instant> {
        match self {
            Self::Stdout(_) => None,
            Self::Csv(sink) => sink.sync_at(),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(_) => Ok(()),
            Self::Csv(sink) => sink.sync(),
        }
    }
}

/// Updates that may wait for a sink: four minutes of a meter that sends every second, at most some MB.
const QUEUE_LEN: usize = 256;

/// Between two tries of a sink that fails: doubled from the first to the second.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A running sink.
#[derive(Debug)]
pub struct RunningSink {
    name: Arc<str>,
    selection: Selection,
    queue: Arc<Queue<Arc<Update>>>,
    health: Arc<Health>,
    thread: Option<JoinHandle<()>>,
}

/// What a sink's thread tells about itself.
#[derive(Debug, Default)]
struct Health {
    delivered: AtomicU64,
    ended: AtomicBool,
    error: Mutex<Option<String>>,
}

impl Health {
    fn set_error(&self, error: Option<String>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// How a sink is doing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SinkStatus {
    /// Readings delivered.
    pub delivered: u64,
    /// Updates dropped because its queue was full.
    pub dropped: u64,
    /// Updates waiting.
    pub queued: usize,
    /// Why it cannot deliver at present.
    pub error: Option<String>,
}

impl RunningSink {
    /// Starts the sink's thread. `meters` are all meters of the gateway.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(setup: &SinkSetup, meters: &[&str]) -> io::Result<Self> {
        let wanted = meters.iter().filter(|name| setup.selection.wants_meter(name)).count();
        let sink = match &setup.kind {
            SinkKind::Stdout { format } => Sink::Stdout(Stdout::new(*format)?),
            SinkKind::Csv(csv) => Sink::Csv(Csv::new(csv, wanted == 1, jiff::tz::TimeZone::system())),
            _ => return Err(io::Error::other("not built yet")),
        };
        Self::start_sink(sink, &setup.name, setup.selection.clone())
    }

    fn start_sink(sink: Sink, name: &str, selection: Selection) -> io::Result<Self> {
        let name: Arc<str> = name.into();
        let queue = Arc::new(Queue::new(QUEUE_LEN));
        let health = Arc::new(Health::default());
        let worker = Worker {
            sink,
            name: Arc::clone(&name),
            gate: Gate { selection: selection.clone(), last_ms: HashMap::new() },
            queue: Arc::clone(&queue),
            health: Arc::clone(&health),
        };
        let thread =
            std::thread::Builder::new().name(format!("sink {name}")).spawn(move || worker.deliver_all())?;
        Ok(Self { name, selection, queue, health, thread: Some(thread) })
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Hands it an update.
    ///
    /// Never waits for a live meter. What comes from a file can wait, so it waits for room: a replay loses nothing.
    pub async fn offer(&self, update: &Arc<Update>) {
        let is_for_sinks = matches!(
            update.what,
            What::Telegram(_) | What::Rejected { .. } | What::NoAnswer { .. } | What::Verdict(_)
        );
        if is_for_sinks && self.selection.wants_meter(&update.meter) {
            if !update.live {
                self.queue.wait_for_room().await;
            }
            self.queue.push(Arc::clone(update));
        }
    }

    /// True when it will never deliver again: nobody reads standard output any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.health.ended.load(Ordering::Relaxed)
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> SinkStatus {
        let (queued, dropped) = self.queue.counts();
        SinkStatus {
            delivered: self.health.delivered.load(Ordering::Relaxed),
            dropped,
            queued,
            error: self.health.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Takes nothing more; what waits is still delivered.
    pub fn close(&self) {
        self.queue.close();
    }

    /// True when everything was delivered after [`close`](Self::close), or the sink gave up.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// What a sink wants of the updates, and when it last got one.
#[derive(Debug)]
struct Gate {
    selection: Selection,
    last_ms: HashMap<Arc<str>, i64>,
}

impl Gate {
    /// The update as the sink wants it, if it does.
    fn pass(&mut self, update: Arc<Update>) -> Option<Arc<Update>> {
        let What::Telegram(telegram) = &update.what else { return Some(update) };
        if let Some(interval) = self.selection.min_interval {
            let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
            let last = self.last_ms.get(&update.meter).copied();
            // A clock that was set back begins a new interval.
            if last.is_some_and(|last| (0..interval).contains(&(update.at.unix_ms.saturating_sub(last)))) {
                return None;
            }
            self.last_ms.insert(Arc::clone(&update.meter), update.at.unix_ms);
        }
        if self.selection.registers.is_empty() {
            return Some(update);
        }
        let mut telegram = telegram.clone();
        telegram.reading.registers.retain(|register| self.selection.wants_register(register.obis));
        if telegram.reading.registers.is_empty() {
            return None;
        }
        let meter = Arc::clone(&update.meter);
        Some(Arc::new(Update { meter, what: What::Telegram(telegram), ..*update }))
    }
}

/// The sink's thread.
#[derive(Debug)]
struct Worker {
    sink: Sink,
    name: Arc<str>,
    gate: Gate,
    queue: Arc<Queue<Arc<Update>>>,
    health: Arc<Health>,
}

impl Worker {
    fn deliver_all(mut self) {
        loop {
            match self.queue.pop(self.sink.sync_at()) {
                Popped::Entry(update) => {
                    let Some(update) = self.gate.pass(update) else { continue };
                    let is_reading = update.telegram().is_some();
                    if !self.insist(|sink| sink.deliver(&update)) {
                        break;
                    }
                    if is_reading {
                        self.health.delivered.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Popped::Timeout => {
                    // Lines are with the system already; a failure to sync is told and tried again in a minute.
                    let synced = self.sink.sync();
                    self.note(synced.err());
                }
                Popped::Closed => break,
            }
        }
        let synced = self.sink.sync();
        self.note(synced.err());
        self.queue.close();
        self.queue.drop_rest();
        self.health.ended.store(true, Ordering::Relaxed);
    }

    /// Tries until it works; false when it never will.
    fn insist(&mut self, mut deliver: impl FnMut(&mut Sink) -> io::Result<()>) -> bool {
        let mut wait = RETRY_MIN;
        loop {
            let Err(error) = deliver(&mut self.sink) else {
                self.note(None);
                return true;
            };
            let gone = error.kind() == io::ErrorKind::BrokenPipe;
            self.note(Some(error));
            // At the end of the program one more try is all it gets.
            if gone || self.queue.wait_closed(Instant::now() + wait) {
                return !gone && deliver(&mut self.sink).is_ok();
            }
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    /// Tells the beginning and the end of a failure, once each.
    fn note(&self, error: Option<io::Error>) {
        let failing = self.health.error.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        match error {
            Some(error) => {
                if !failing {
                    tracing::warn!("sink `{}`: cannot deliver, readings wait: {error}", self.name);
                }
                self.health.set_error(Some(error.to_string()));
            }
            None if failing => {
                tracing::info!("sink `{}`: delivers again", self.name);
                self.health.set_error(None);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
