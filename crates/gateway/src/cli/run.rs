//! `metergate run`: the daemon.
use super::{Failure, Outcome};
use crate::config;

/// Arguments of `metergate run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration stands.
    #[command(flatten)]
    pub config: config::Source,
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// When the configuration is wrong; a meter or sink that fails later does not end the daemon.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let gateway = config::load(&args.config)?;
    let _ = gateway;
    Err(Failure::new("`run` is being written"))
}
