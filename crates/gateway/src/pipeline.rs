//! All tasks of a gateway and the channels between them, on one screen.
//!
//! ```text
//! reader of meter 1 ──┐                        ┌─ queue ── sink 1 (thread)
//! reader of meter 2 ──┼─ channel ── pipeline ──┼─ queue ── sink 2 (thread)
//! reader of meter 3 ──┘    64         │        └─ queue ── sink 3 (thread)
//!                                     ├─ status file
//!                                     └─ invocation counters, findings
//! ```
//!
//! A reader waits when the channel is full; then its port's buffer fills, and that is the system's. The pipeline
//! itself waits for nobody but a sink that gets a file ([`RunningSink::offer`]).
use crate::clock::Clock;
use crate::config::{Gateway, MeterSetup};
use crate::counters::{Counters, KeyId};
use crate::found::{Findings, Found};
use crate::port::Speed;
use crate::reader::{Known, Reader};
use crate::shutdown::Shutdown;
use crate::sink::RunningSink;
use crate::status::{self, Status};
use crate::update::{Update, What};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// Updates on their way from the readers: a full buffer of a port gives about as many.
const CHANNEL_LEN: usize = 64;

/// The status file is written this soon after a change, and this often without one: into memory, or onto a card.
const STATUS_SOON: Duration = Duration::from_secs(1);
const STATUS_INTERVAL: Duration = Duration::from_secs(5);
const STATUS_INTERVAL_ON_DISK: Duration = Duration::from_secs(60);

/// What waits in the queues of the sinks at the end is delivered within this, or dropped and said.
const END_TIMEOUT: Duration = Duration::from_secs(2);

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
/// When the invocation counters of the last run cannot be read, or a sink cannot be started. What fails later does
/// not end the gateway.
pub async fn run(gateway: Gateway, options: Options, shutdown: Shutdown) -> io::Result<Status> {
    let clock = Clock::start();
    let mut keeper = Keeper::new(&gateway, &options)?;
    let names: Vec<&str> = gateway.meters.iter().map(|meter| meter.name.as_str()).collect();
    let sinks: Vec<RunningSink> =
        gateway.sinks.iter().map(|setup| RunningSink::start(setup, &names)).collect::<io::Result<_>>()?;

    let (updates, mut inbox) = mpsc::channel(CHANNEL_LEN);
    let mut readers = JoinSet::new();
    for meter in gateway.meters {
        let known = keeper.known(&meter);
        let speed = options.speed.unwrap_or(Speed::LIVE);
        let reader = Reader::new(meter, known, speed, clock, updates.clone(), shutdown.clone());
        readers.spawn(reader.run());
    }
    drop(updates);
    let mut ending = shutdown;

    let mut tick = tokio::time::interval(STATUS_SOON);
    loop {
        tokio::select! {
            update = inbox.recv() => {
                // `None`: every reader has ended.
                let Some(update) = update.map(Arc::new) else { break };
                keeper.note(&update, clock.now());
                for sink in &sinks {
                    // A file waits for a slow sink, but not beyond the end.
                    tokio::select! {
                        biased;
                        () = sink.offer(&update) => {}
                        () = ending.wait() => {}
                    }
                }
                if let Some(observer) = &options.observer {
                    let _ = observer.try_send(update);
                }
            }
            _ = tick.tick() => {
                keeper.save(&sinks, clock, false);
                if !sinks.is_empty() && options.observer.is_none() && sinks.iter().all(RunningSink::has_ended) {
                    tracing::info!("nobody takes readings any more");
                    break;
                }
            }
        }
    }
    readers.shutdown().await;
    sinks.iter().for_each(RunningSink::close);
    let end = clock.at(clock.now() + END_TIMEOUT);
    while tokio::time::Instant::now() < end && !sinks.iter().all(RunningSink::is_finished) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for sink in sinks.iter().filter(|sink| !sink.is_finished()) {
        tracing::error!("sink `{}`: does not end; {} updates are dropped", sink.name(), sink.status().queued);
    }
    keeper.save(&sinks, clock, true);
    Ok(keeper.finish().await)
}

/// Keeps what must survive: the status file and the invocation counters.
#[derive(Debug)]
struct Keeper {
    status: Status,
    status_path: Option<PathBuf>,
    interval: Duration,
    written_at: Option<Duration>,
    changed: bool,
    counters: Counters,
    findings: Findings,
    /// Found and not yet proved by a telegram.
    unproved: HashMap<Arc<str>, Found>,
    keys: HashMap<Arc<str>, KeyId>,
    /// A write in progress: a disk that hangs must not hold up the meters.
    writing: Option<JoinHandle<()>>,
}

impl Keeper {
    fn new(gateway: &Gateway, options: &Options) -> io::Result<Self> {
        // systemd puts several with colons between them; the first is ours.
        let runtime = std::env::var("RUNTIME_DIRECTORY").ok();
        let runtime = runtime.and_then(|list| Some(PathBuf::from(list.split(':').next()?)));
        let interval = if runtime.is_some() { STATUS_INTERVAL } else { STATUS_INTERVAL_ON_DISK };
        let status_path =
            runtime.or_else(|| gateway.state_directory.clone()).map(|folder| folder.join(status::FILE_NAME));
        let counters = if options.reset_counters {
            Counters::anew(gateway.state_directory.as_deref())
        } else {
            Counters::load(gateway.state_directory.as_deref()).map_err(|error| {
                let help = "`--reset-counters` begins anew";
                io::Error::new(error.kind(), format!("{}: {error}; {help}", Counters::FILE_NAME))
            })?
        };
        let keys = gateway
            .meters
            .iter()
            .filter_map(|meter| Some((Arc::from(meter.name.as_str()), KeyId::of(meter.key.as_ref()?)?)));
        Ok(Self {
            status: Status::new(gateway.meters.iter().map(|m| (m.name.as_str(), m.port.place.to_string()))),
            status_path,
            interval,
            written_at: None,
            changed: true,
            counters,
            findings: Findings::load(gateway.state_directory.as_deref()),
            unproved: HashMap::new(),
            keys: keys.collect(),
            writing: None,
        })
    }

    fn known(&self, meter: &MeterSetup) -> Known {
        let key = self.keys.get(&*meter.name);
        Known {
            last_accepted: key.and_then(|&key| self.counters.last_accepted(key)),
            found: self.findings.get(&meter.name, &meter.port.place.to_string()),
        }
    }

    fn note(&mut self, update: &Update, now: Duration) {
        self.changed |= self.status.note(update, now);
        if let What::Protocol { found, .. } = update.what {
            self.unproved.insert(Arc::clone(&update.meter), found);
        }
        if update.telegram().is_some()
            && let Some(found) = self.unproved.remove(&update.meter)
            && let Some(meter) = self.status.meters.get(&*update.meter)
        {
            self.findings.note(&update.meter, meter.port.clone(), found);
        }
        if let What::Telegram(telegram) = &update.what
            && let (Some(security), Some(&key)) = (&telegram.security, self.keys.get(&update.meter))
        {
            self.counters.note(key, &security.header);
        }
    }

    /// Writes what is due.
    fn save(&mut self, sinks: &[RunningSink], clock: Clock, last: bool) {
        let now = clock.now();
        self.status.remind(now, last);
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) && !last {
            return;
        }
        let mut files = Vec::new();
        let due = self.written_at.is_none_or(|at| now.saturating_sub(at) >= self.interval);
        self.status.sinks = sinks.iter().map(|sink| (sink.name().to_owned(), sink.status())).collect();
        if let Some(path) = &self.status_path
            && (self.changed || due || last)
            && let Ok(text) = self.status.to_json(clock.time_of_day())
        {
            files.push((path.clone(), text));
            self.written_at = Some(now);
            self.changed = false;
        }
        files.extend(self.counters.to_save(now, last));
        files.extend(self.findings.to_save());
        if files.is_empty() {
            return;
        }
        let before = self.writing.take();
        self.writing = Some(tokio::task::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let written = tokio::task::spawn_blocking(move || {
                for (path, content) in files {
                    if let Err(error) = crate::state::replace(&path, &content) {
                        tracing::error!("cannot write {}: {error}", path.display());
                    }
                }
            });
            let _ = written.await;
        }));
    }

    async fn finish(self) -> Status {
        if let Some(writing) = self.writing {
            let _ = tokio::time::timeout(END_TIMEOUT, writing).await;
        }
        self.status
    }
}
