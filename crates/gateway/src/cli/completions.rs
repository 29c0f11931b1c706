//! `metergate completions`: completions for a shell.
use super::{Cli, Failure, Outcome};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;

/// Arguments of `metergate completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Writes the script that the shell sources.
///
/// # Errors
/// When `out` does not take it.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "metergate", &mut script);
    out.write_all(&script)?;
    Ok(Outcome::Done)
}
