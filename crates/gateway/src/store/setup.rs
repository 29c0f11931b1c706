//! How a store is set up, what it found at its start and how it is doing.
use super::queue::{Dropped, Queue};
use std::path::PathBuf;
use std::time::Duration;

/// How a store is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSetup {
    /// The database; its folder exists.
    pub path: PathBuf,
    /// A folder in memory-backed storage that survives the end of the process. Without one a kill costs as much as
    /// a power cut.
    pub spool: Option<PathBuf>,
    /// How long detail may wait for a commit: 1 to 900 s.
    pub commit_interval: Duration,
    /// How much is kept.
    pub budget: Budget,
    /// The system's name of its present boot.
    pub boot: Option<String>,
}

impl StoreSetup {
    /// The usual: a commit a minute, the default budget, no spool.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            spool: None,
            commit_interval: Duration::from_secs(60),
            budget: Budget::default(),
            boot: crate::clock::boot_id(),
        }
    }
}

/// How much is kept: what comes first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of the database file; at least [`Budget::BYTES_MIN`].
    pub bytes: u64,
    /// Detail older than this is dropped; `None`: only the bytes count. Quarter hours have no age.
    pub age: Option<Duration>,
}

impl Budget {
    /// Room for the schema, a day of detail and years of quarter hours.
    pub const BYTES_MIN: u64 = 8 << 20;
}

impl Default for Budget {
    /// 2 GiB: eighteen years of one meter with 12 registers each second, six of three.
    fn default() -> Self {
        Self { bytes: 2 << 30, age: None }
    }
}

/// What a store found at its start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Rows, measured rows and events that were in the spool and in no commit.
    pub replayed: u64,
    /// Frames of the spool that were torn or damaged; what followed them in their file is lost.
    pub torn: u64,
    /// The damaged database was moved here, and a new one begun.
    pub moved_aside: Option<PathBuf>,
    /// The database cannot be opened at present; rows wait in memory.
    pub failing: Option<String>,
}

/// How a store is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreHealth {
    /// Bytes of the database and its write-ahead log.
    pub bytes: u64,
    /// Rows, measured rows and events that wait for a commit.
    pub pending: usize,
    /// Bytes of memory that they take.
    pub pending_bytes: usize,
    /// Why it cannot write at present.
    pub failing: Option<String>,
    /// Bytes in the spool; `None` without a spool.
    pub spool_bytes: Option<u64>,
    /// Why the spool does not take rows at present.
    pub spool_failing: Option<String>,
    /// What was dropped since the start because the disk did not take it.
    pub dropped: Dropped,
}

/// A commit that takes longer than this is told as a failure; cards may take seconds.
pub(super) const HANGING: Duration = Duration::from_secs(30);

impl StoreHealth {
    /// What the queue says; the files are looked at without it, since a disk that hangs would hold up who appends.
    pub(super) fn of(queue: &Queue) -> Self {
        let hanging = queue.writing_since().map(|since| since.elapsed()).filter(|&since| since > HANGING);
        let hanging = hanging.map(|since| format!("a commit has not returned for {} s", since.as_secs()));
        Self {
            bytes: 0,
            pending: queue.pending(),
            pending_bytes: queue.pending_bytes(),
            failing: queue.failing().map(ToOwned::to_owned).or(hanging),
            spool_bytes: queue.spool().map(super::spool::Spool::bytes),
            spool_failing: queue.spool().and_then(|spool| spool.failing().map(ToOwned::to_owned)),
            dropped: queue.dropped(),
        }
    }
}
