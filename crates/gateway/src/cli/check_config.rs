//! `metergate check-config`: what the configuration means.
use super::{Failure, Outcome};
use crate::config;
use std::io::Write;

/// Arguments of `metergate check-config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration stands.
    #[command(flatten)]
    pub config: config::Source,
}

/// Explains the configuration.
///
/// # Errors
/// When the configuration is wrong: the message names file, line and key.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let gateway = config::load(&args.config)?;
    let _ = (gateway, out);
    Err(Failure::new("`check-config` is being written"))
}
