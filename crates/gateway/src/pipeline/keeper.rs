//! What must survive beside the store: the status file, the invocation counters, what was found about ports.
use super::Options;
use crate::clock::Clock;
use crate::config::{Gateway, MeterSetup};
use crate::counters::{Counters, KeyId};
use crate::found::{Findings, Found};
use crate::reader::Known;
use crate::sink::RunningSink;
use crate::status::{self, Shown, Status};
use crate::store::StoreHealth;
use crate::update::{Update, What};
use crate::watch::{Beginning, Resources};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The status file is written this often without a change: into memory, or onto a card.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);
const STATUS_INTERVAL_ON_DISK: Duration = Duration::from_secs(60);

/// The last write says how everything ended; a busy card may take some seconds for it.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps the small files.
#[derive(Debug)]
pub(super) struct Keeper {
    status: Status,
    /// The same for sinks that show it.
    shown: watch::Sender<Arc<Status>>,
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
    /// Reads what earlier runs left.
    ///
    /// # Errors
    /// When the invocation counters cannot be read: going on without them would let old telegrams in.
    pub(super) fn new(gateway: &Gateway, options: &Options, runtime: Option<&Path>) -> io::Result<Self> {
        let interval = if runtime.is_some() { STATUS_INTERVAL } else { STATUS_INTERVAL_ON_DISK };
        let status_path =
            runtime.or(gateway.state_directory.as_deref()).map(|folder| folder.join(status::FILE_NAME));
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
        let status = Status::new(gateway.meters.iter().map(|m| (m.name.as_str(), m.port.place.to_string())));
        Ok(Self {
            shown: watch::Sender::new(Arc::new(status.clone())),
            status,
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

    /// Takes note of why the gateway was started.
    pub(super) fn began(&mut self, beginning: Beginning) {
        self.status.run = Some(beginning);
    }

    /// The newest state, for who shows it.
    pub(super) fn shown(&self, clock: Clock) -> Shown {
        Shown::new(clock, self.shown.subscribe())
    }

    /// The state of meters, sinks and store.
    pub(super) const fn status(&self) -> &Status {
        &self.status
    }

    /// What earlier runs know about a meter.
    pub(super) fn known(&self, meter: &MeterSetup) -> Known {
        let key = self.keys.get(&*meter.name);
        Known {
            last_accepted: key.and_then(|&key| self.counters.last_accepted(key)),
            found: self.findings.get(&meter.name, &meter.port.place.to_string()),
        }
    }

    /// Takes note of an update.
    pub(super) fn note(&mut self, update: &Update, now: Duration) {
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
    pub(super) fn save(&mut self, sinks: &[RunningSink], store: StoreHealth, clock: Clock, last: bool) {
        let now = clock.now();
        self.status.remind(now, last);
        self.status.store = store.into();
        self.status.sinks = sinks.iter().map(|sink| (sink.name().to_owned(), sink.status())).collect();
        if self.shown.receiver_count() > 0 {
            self.shown.send_replace(Arc::new(self.status.clone()));
        }
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) && !last {
            return;
        }
        let mut files = Vec::new();
        let due = self.written_at.is_none_or(|at| now.saturating_sub(at) >= self.interval);
        if let Some(path) = &self.status_path
            && (self.changed || due || last)
            && let Ok(text) = {
                self.status.resources = Some(Resources::of_process(now));
                self.status.to_json(clock.time_of_day())
            }
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

    /// Waits for the last write, and gives the state at the end.
    pub(super) async fn finish(self) -> Status {
        if let Some(writing) = self.writing {
            let _ = tokio::time::timeout(LAST_WRITE_TIMEOUT, writing).await;
        }
        self.status
    }
}
