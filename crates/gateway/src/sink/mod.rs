//! Where readings go. Each sink has a thread of its own, so that one that hangs changes nothing for the meters and
//! the other sinks.
//!
//! ```text
//! pipeline ── news (newest only, at once) ── queue ──┐
//!                                                    ├── worker ── the sink
//! store ── committed rows, from the sink's cursor ───┘
//! ```
//!
//! The *live* path knows no past: what a sink of it misses is replaced by what comes next. The *durable* path knows
//! nothing else: a sink of it gets every committed row once, in order, however long its receiver was away.
mod believed;
mod csv;
mod feed;
mod graphite;
mod health;
pub mod homie;
mod http;
mod influx;
mod kind;
mod loki;
pub mod mqtt;
mod news;
mod posting;
mod prometheus;
mod queue;
mod sample;
mod smgw_lite;
mod stdout;
mod submeter;
mod telemetry;
pub mod thingsboard;
mod volkszaehler;
mod wanted;
mod worker;

pub use health::{Backlog, SinkStatus};
pub use news::News;
#[cfg(test)]
pub(crate) use sample::made;
pub use sample::{Delivered, Entry, Point, Sample, Step, Trouble};

pub(crate) use believed::Believed;
pub(crate) use csv::shelf;

use crate::config::{Selection, SinkSetup};
use crate::status::Shown;
use crate::store::{Committed, Store};
use crate::update::{Update, What};
use crate::watch::{Heartbeat, Heartbeats, Remedy};
use feed::Feed;
use health::Health;
use kind::Sink;
use queue::Queue;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;
use wanted::Wanted;
use worker::{Backoff, Worker};

/// News that may wait for a sink: four minutes of a meter that sends every second, at most some MB.
const QUEUE_LEN: usize = 256;

/// A delivery takes no longer unless something hangs: what is on the network gives up after half a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running sink.
#[derive(Debug)]
pub struct RunningSink {
    name: Arc<str>,
    selection: Selection,
    takes_news: bool,
    queue: Arc<Queue<Arc<News>>>,
    health: Arc<Health>,
    committed: watch::Receiver<Committed>,
    paused: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl RunningSink {
    /// Starts the sink's thread. `meters` are all meters of the gateway, `shown` is how it is doing.
    ///
    /// # Errors
    /// When the sink cannot be made of its settings, or the system has no thread left.
    pub fn start(
        setup: &SinkSetup,
        meters: &[&str],
        store: &Store,
        heartbeats: &Heartbeats,
        shown: &Shown,
    ) -> io::Result<Self> {
        let name: Arc<str> = setup.name.as_str().into();
        let wanted: Vec<Arc<str>> = meters
            .iter()
            .filter(|meter| setup.selection.wants_meter(meter))
            .map(|&meter| meter.into())
            .collect();
        let named = |error: io::Error| io::Error::new(error.kind(), format!("sink `{name}`: {error}"));
        let sink = Sink::new(&setup.kind, &wanted, shown).map_err(named)?;
        let streams = match setup.selection.streams.as_slice() {
            [] => sink.usual_streams(),
            chosen if sink.usual_streams().is_empty() => {
                let live = "it gets what is new at once; `streams` means nothing to it";
                tracing::warn!("sink `{name}`: {live} ({} named)", chosen.len());
                &[]
            }
            chosen => chosen,
        };
        let health = Arc::new(Health::default());
        let feed =
            if streams.is_empty() { None } else { Some(Feed::open(store, &name, streams, &setup.selection)) };
        let heartbeat = heartbeats.register(format!("sink {name}"), PATIENCE, Remedy::Tell);
        Self::start_worker(sink, name, setup.selection.clone(), feed, store.clone(), (health, heartbeat))
    }

    fn start_worker(
        sink: Sink,
        name: Arc<str>,
        selection: Selection,
        feed: Option<Feed>,
        store: Store,
        (health, heartbeat): (Arc<Health>, Heartbeat),
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(QUEUE_LEN));
        let (paused, is_paused) = watch::channel(selection.paused);
        let takes_news = sink.takes_news();
        let committed = store.committed();
        let worker = Worker {
            sink,
            name: Arc::clone(&name),
            live: Wanted::new(selection.clone()),
            queue: Arc::clone(&queue),
            feed,
            store,
            health: Arc::clone(&health),
            heartbeat,
            paused: is_paused,
            backoff: Backoff::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name(format!("sink {name}"))
            .spawn(move || runtime.block_on(worker.run()))?;
        Ok(Self { name, selection, takes_news, queue, health, committed, paused, thread: Some(thread) })
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells it what is new.
    ///
    /// Never waits for a live meter. What comes from a file can wait, so it waits for room: a replay loses nothing.
    pub async fn offer(&self, news: &Arc<News>) {
        let is_for_sinks = matches!(
            news.update.what,
            What::Telegram(_)
                | What::Reading(_)
                | What::Rejected { .. }
                | What::NoAnswer { .. }
                | What::Verdict(_)
                | What::SourceFailed(_)
                | What::SourceLoop(_)
        );
        if self.takes_news && is_for_sinks && self.selection.wants_meter(&news.update.meter) {
            if !news.update.live {
                self.queue.wait_for_room().await;
            }
            self.queue.push(Arc::clone(news));
        }
    }

    /// True when it will never deliver again: nobody reads standard output any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.health.has_ended()
    }

    /// Stops it from delivering, or lets it go on: what is durable waits in the store meanwhile.
    pub fn pause(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> SinkStatus {
        let (queued, dropped) = self.queue.counts();
        let committed = *self.committed.borrow();
        SinkStatus { queued, queued_max: self.queue.depth_max(), dropped, ..self.health.status(committed) }
    }

    /// Takes no more; what waits is still delivered.
    pub fn close(&self) {
        self.queue.close();
    }

    /// True when everything was delivered after [`close`](Self::close), or the sink gave up.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// The update with the registers that a sink wants; `None` when it is a telegram and none is left.
fn only_wanted(update: &Arc<Update>, selection: &Selection) -> Option<Arc<Update>> {
    let What::Telegram(telegram) = &update.what else { return Some(Arc::clone(update)) };
    if selection.registers.is_empty() {
        return Some(Arc::clone(update));
    }
    let mut telegram = telegram.clone();
    telegram.reading.registers.retain(|register| selection.wants_register(register.obis));
    if telegram.reading.registers.is_empty() {
        return None;
    }
    let meter = Arc::clone(&update.meter);
    Some(Arc::new(Update { meter, what: What::Telegram(telegram), ..**update }))
}

#[cfg(test)]
mod tests;
