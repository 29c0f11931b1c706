//! The smart-meter gateway: reads meters on ports, keeps what they say and delivers it.
//!
//! `main.rs` only starts [`cli::main`]; everything stands in this library, so that tests start it in process.
//!
//! Start reading: [`cli`] for what a person can type, [`config`] for what a file can say, [`json`] for the format
//! that other programs read.
//!
//! **Invariants.** Only `cli` looks below `metergate-meter` to explain bytes; sinks do not know protocols; a key is
//! in no message, log line or file that this crate writes.

pub mod capture;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod counters;
pub mod event;
pub mod found;
pub mod harmless;
pub mod json;
mod net;
#[cfg(test)]
mod peers;
pub mod pipeline;
pub mod plausible;
pub mod port;
pub mod prices;
pub mod reader;
pub mod recorder;
pub mod report;
pub mod secret;
pub mod serve;
pub mod shutdown;
pub mod sink;
pub mod source;
pub mod state;
pub mod status;
pub mod store;
pub mod update;
pub mod watch;
mod web;
