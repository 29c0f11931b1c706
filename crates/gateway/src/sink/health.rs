//! How a sink is doing, told by its thread and read by everyone.
use super::sample::{Step, Trouble};
use crate::config::Stream;
use crate::store::Committed;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How a sink is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct SinkStatus {
    /// Readings told or delivered.
    pub delivered: u64,
    /// News dropped because its queue was full.
    pub dropped: u64,
    /// News waiting.
    pub queued: usize,
    /// The most news that ever waited at once since the start: a sink that keeps up has a handful.
    pub queued_max: usize,
    /// Entries of the store that wait for it, by stream; empty for a sink of the live path alone.
    pub backlog: Vec<Backlog>,
    /// Entries that the receiver refused for good.
    pub refused: u64,
    /// Entries that were gone from the store before the sink could deliver them.
    pub missed: u64,
    /// How often it has begun to fail.
    pub failures: u64,
    /// Why it cannot deliver at present.
    pub error: Option<String>,
    /// How far it came: name resolution, connection, encryption, login or delivery.
    pub failing_step: Option<&'static str>,
    /// A person has paused it.
    pub paused: bool,
    /// It will never deliver again.
    pub ended: bool,
}

/// What of one stream waits for a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Backlog {
    /// The name of the stream.
    pub stream: &'static str,
    /// Entries.
    pub entries: u64,
}

/// The state that a sink's thread keeps.
#[derive(Debug, Default)]
pub(super) struct Health {
    status: Mutex<SinkStatus>,
    cursors: Mutex<Vec<(Stream, u64)>>,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, SinkStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, with what waits of what is committed.
    pub(super) fn status(&self, committed: Committed) -> SinkStatus {
        let cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        let backlog = cursors.iter().map(|&(stream, cursor)| Backlog {
            stream: stream.text(),
            entries: committed.of(stream).saturating_sub(cursor),
        });
        SinkStatus { backlog: backlog.collect(), ..self.lock().clone() }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    pub(super) fn delivered(&self, readings: u64) {
        self.lock().delivered += readings;
    }

    pub(super) fn refused(&self, entries: u64) {
        self.lock().refused += entries;
    }

    pub(super) fn missed(&self, entries: u64) {
        self.lock().missed += entries;
    }

    /// How far the receiver has each stream.
    pub(super) fn cursors(&self, cursors: impl Iterator<Item = (Stream, u64)>) {
        *self.cursors.lock().unwrap_or_else(PoisonError::into_inner) = cursors.collect();
    }

    pub(super) fn paused(&self, paused: bool) {
        self.lock().paused = paused;
    }

    pub(super) fn ended(&self) {
        self.lock().ended = true;
    }

    /// Notes trouble or its end; true when that is a change.
    pub(super) fn note(&self, trouble: Option<&Trouble>) -> bool {
        let mut status = self.lock();
        let changed = status.error.is_some() != trouble.is_some();
        status.failures = status.failures.saturating_add(u64::from(changed && trouble.is_some()));
        status.error = trouble.map(|trouble| trouble.message.clone());
        status.failing_step =
            trouble.filter(|trouble| trouble.step != Step::Deliver).map(|trouble| trouble.step.text());
        changed
    }
}
