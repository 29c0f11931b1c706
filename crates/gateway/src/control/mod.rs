//! What a person or another program asks of the running daemon: one line of JSON, one line back, over a socket in the
//! runtime directory that only the daemon's user can open.
mod client;
mod server;

pub use client::{ask, socket_of};
pub use server::Server;

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;

/// Name of the socket.
pub const FILE_NAME: &str = "control.sock";

/// Longest line of a request; names are short.
const LINE_MAX: u64 = 4096;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Keep a reading now, like TAF 6; of all meters when none is named.
    Snapshot {
        /// Name of the meter.
        meter: Option<String>,
    },
    /// Stop a sink from delivering; what is durable waits in the store.
    Pause {
        /// Name of the sink.
        sink: String,
    },
    /// Let a sink go on.
    Resume {
        /// Name of the sink.
        sink: String,
    },
    /// An exchange of a meter was none: its totals go on as if it had not been.
    UndoEpoch {
        /// Number of the epoch, as `metergate epochs` shows it.
        epoch: i64,
    },
    /// Numbers in quarantine are right after all, or wrong for good.
    Judge {
        /// Their numbers, from the first to the last of each range.
        held: Vec<(i64, i64)>,
        /// They are right.
        accept: bool,
    },
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done; in words.
    Done(String),
    /// It cannot be done; in words, with what to do.
    Refused(String),
}

/// A request on its way to the pipeline, and the way back.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Takes the answer.
    pub answer: oneshot::Sender<Answer>,
}

/// Where the socket stands: in the runtime directory, else in the state directory.
#[must_use]
pub fn place(runtime: Option<&Path>, state: Option<&Path>) -> Option<PathBuf> {
    runtime.or(state).map(|folder| folder.join(FILE_NAME))
}
