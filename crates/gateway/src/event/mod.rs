//! Things that happened, with stable names, for people and for programs.
//!
//! [`EventLog`] is the way in: it counts what a fault repeats, writes the log and gives what the store keeps.
//! docs/events.md lists all of them; [`smgw_lite`] knows the numbers of the reference system.
mod code;
mod log;
pub mod smgw_lite;

pub use code::{EventCode, Severity, Subject};
pub use log::{EventLog, Happened};

use metergate_reading::Instant;
use std::sync::Arc;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Number among all events, from 1; 0 before the store has given it one.
    pub seq: u64,
    /// When.
    pub at: Instant,
    /// What, of a closed list.
    pub code: EventCode,
    /// The meter or the sink it is about, by its name in the configuration.
    pub about: Option<Arc<str>>,
    /// Figures and words for a person; never a secret.
    pub detail: String,
    /// How often it happened in a row, this time included.
    pub count: u32,
}
