//! `metergate demo`: simulated meters through the whole product.
use super::{Failure, Outcome};
use std::path::PathBuf;

/// Arguments of `metergate demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The household behind the meters; the same number gives the same day.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write what was sent to this file, in the JSON of `decode`.
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
}

/// Runs the demonstration until Ctrl-C.
///
/// # Errors
/// When no pseudo-terminal can be opened or the truth file cannot be written.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let _ = args;
    Err(Failure::new("`demo` is being written"))
}
