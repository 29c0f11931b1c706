//! `metergate meters`: the meters that are known by name.
use super::{Failure, Format, Outcome};
use std::io::Write;

/// Arguments of `metergate meters`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to write the table.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Writes the table.
///
/// # Errors
/// When `out` does not take it.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let _ = (args, out);
    Err(Failure::new("`meters` is being written"))
}
