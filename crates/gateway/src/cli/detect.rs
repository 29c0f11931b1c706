//! `metergate detect`: finds meters.
use super::{Failure, Outcome};
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `metergate detect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Serial ports, tcp://HOST:PORT, or files with captured bytes; without any, all serial ports.
    #[arg(value_name = "PORT")]
    pub ports: Vec<PathBuf>,
}

/// Looks at each port and prints what was found.
///
/// # Errors
/// When a port or file cannot be opened.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let _ = (args, out);
    Err(Failure::new("`detect` is being written"))
}
