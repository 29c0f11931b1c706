//! `metergate replay`: a capture through the whole daemon.
use super::{Failure, Outcome};
use crate::config;
use std::path::PathBuf;

/// Arguments of `metergate replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The capture: lines `RFC3339 rx|tx HEX`, or raw bytes, which are paced by the line rate.
    #[arg(value_name = "FILE")]
    pub capture: PathBuf,
    /// Where the configuration stands.
    #[command(flatten)]
    pub config: config::Source,
    /// Which meter of the configuration spoke; needed when there are several.
    #[arg(long, value_name = "NAME")]
    pub meter: Option<String>,
    /// How many times faster than it was recorded; 0: as fast as possible.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub speed: f64,
}

/// Replays the capture and returns when all of it is delivered.
///
/// # Errors
/// When the configuration is wrong or the capture cannot be read.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let gateway = config::load(&args.config)?;
    let _ = gateway;
    Err(Failure::new("`replay` is being written"))
}
