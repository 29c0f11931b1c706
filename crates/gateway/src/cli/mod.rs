//! The command line: one file a command, each with its arguments, its help text and its body.
//!
//! Every command is a function of its arguments and of where to write, so that tests call it without a process.
//! Errors are sentences that say what to do next; see [`Failure`]. Exit status: 0 done, 1 nothing decoded,
//! 2 wrong usage, file or configuration.

pub mod ask;
pub mod check_config;
pub mod completions;
pub mod decode;
pub mod demo;
pub mod detect;
pub mod events;
mod explain;
mod failure;
pub mod import;
mod journal;
pub mod keys;
pub mod meters;
pub mod quarantine;
pub mod replay;
pub mod report;
pub mod run;
pub mod simulate;
pub mod store;
pub mod table;
mod truth;

pub use failure::Failure;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand, ValueEnum};
use std::io::Write;
use std::process::ExitCode;

/// What a person can type.
#[derive(Debug, Parser)]
#[command(
    name = "metergate",
    version,
    about = "Reads smart meters: SML, DLMS over M-Bus and HDLC, P1, Kamstrup and IEC 62056-21",
    after_help = "Without a meter at hand, begin with `metergate demo`.",
    max_term_width = 110,
    styles = STYLES
)]
pub struct Cli {
    /// Say more on standard error: -v what is done, -vv each telegram, -vvv each read.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Explain telegrams: a file, a hex dump from a forum, or bytes from a pipe.
    Decode(decode::Args),
    /// Read the meters of the configuration and deliver what they say: the daemon.
    Run(run::Args),
    /// Show simulated meters going through the whole product; needs no hardware and no configuration.
    Demo(demo::Args),
    /// Speak as a meter on a pseudo-terminal, a TCP port or into a file.
    Simulate(simulate::Args),
    /// Send a capture through the whole daemon.
    Replay(replay::Args),
    /// Keep a reading now, like TAF 6: asks the running daemon.
    Snapshot(ask::Snapshot),
    /// Pause a sink of the running daemon, or let it go on.
    Sink(ask::Sink),
    /// List when meters were exchanged, or undo an exchange that was none.
    Epochs(ask::Epochs),
    /// List numbers that are not believed and why, or say that they are right.
    Quarantine(quarantine::Args),
    /// Find meters: scan ports, line settings and protocols, and print the configuration to use.
    Detect(detect::Args),
    /// List the meters that are known by name.
    Meters(meters::Args),
    /// Show what happened: silences, refusals, failures, starts.
    Events(events::Args),
    /// Show what was used, by days, months or years, what it cost and its CO2.
    Report(report::Args),
    /// Check the configuration and explain what it means and where each value comes from.
    CheckConfig(check_config::Args),
    /// Make a configuration from that of another program: vzlogger, smart-meter-reader.
    Import(import::Args),
    /// Look after the store: check it, export from it, make its file small.
    Store(store::Args),
    /// Print the completions for a shell.
    Completions(completions::Args),
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: JSON, one object a line.
    Json,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked.
    Done,
    /// It read its input and found nothing that could be decoded, or a store that is damaged.
    Nothing,
}

/// Parses the process's arguments, runs the command and gives its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    journal::begin(cli.verbose);
    let mut out = anstream::AutoStream::auto(std::io::stdout());
    let outcome = execute(&cli, &mut out).and_then(|outcome| {
        out.flush()?;
        Ok(outcome)
    });
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Nothing) => ExitCode::from(1),
        // Whoever read from us has seen enough: `metergate decode FILE | head`.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(&mut anstream::stderr());
            ExitCode::from(2)
        }
    }
}

/// Runs a command; results go to `out`, styled with ANSI sequences that `out` may strip.
///
/// # Errors
/// A [`Failure`] when arguments, files or configuration are wrong, or `out` does not take what is written.
pub fn execute(cli: &Cli, out: &mut dyn Write) -> Result<Outcome, Failure> {
    match &cli.command {
        Command::Decode(args) => decode::run(args, out),
        Command::Run(args) => run::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Simulate(args) => simulate::run(args, out),
        Command::Replay(args) => replay::run(args),
        Command::Snapshot(args) => ask::snapshot(args, out),
        Command::Sink(args) => ask::sink(args, out),
        Command::Epochs(args) => ask::epochs(args, out),
        Command::Quarantine(args) => quarantine::run(args, out),
        Command::Detect(args) => detect::run(args, out),
        Command::Meters(args) => meters::run(args, out),
        Command::Events(args) => events::run(args, out),
        Command::Report(args) => report::run(args, out),
        Command::CheckConfig(args) => check_config::run(args, out),
        Command::Import(args) => import::run(args, out),
        Command::Store(args) => store::run(args, out),
        Command::Completions(args) => completions::run(args, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
