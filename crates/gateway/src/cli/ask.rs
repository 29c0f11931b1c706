//! `metergate snapshot`, `metergate sink` and `metergate epochs`: what a person asks of the running daemon.
use super::{Failure, Outcome};
use crate::config;
use crate::control::{self, Answer, Request};
use crate::plausible::{Epoch, EpochCause};
use crate::store::{FILE_NAME, Reader};
use clap::Subcommand;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Which daemon is meant.
#[derive(Debug, clap::Args)]
pub struct Daemon {
    /// The configuration that it runs with.
    #[command(flatten)]
    pub config: config::Source,
    /// Its socket, where it stands elsewhere than the configuration says.
    #[arg(long, value_name = "FILE")]
    pub socket: Option<PathBuf>,
}

/// Arguments of `metergate snapshot`.
#[derive(Debug, clap::Args)]
pub struct Snapshot {
    /// The meter; without one, all.
    #[arg(value_name = "METER")]
    pub meter: Option<String>,
    /// Which daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Arguments of `metergate sink`.
#[derive(Debug, clap::Args)]
pub struct Sink {
    /// What to do with it.
    #[command(subcommand)]
    pub what: SinkCommand,
}

/// What can be done with a sink.
#[derive(Debug, Subcommand)]
pub enum SinkCommand {
    /// Stop it from delivering; readings wait in the store.
    Pause {
        /// Its name in the configuration.
        #[arg(value_name = "SINK")]
        sink: String,
        /// Which daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Let it deliver again, what waited first.
    Resume {
        /// Its name in the configuration.
        #[arg(value_name = "SINK")]
        sink: String,
        /// Which daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// Arguments of `metergate epochs`.
#[derive(Debug, clap::Args)]
pub struct Epochs {
    /// The meter; without one, all.
    #[arg(value_name = "METER")]
    pub meter: Option<String>,
    /// This epoch was none: totals go on as if the meter had not been exchanged.
    #[arg(long, value_name = "NUMBER")]
    pub undo: Option<i64>,
    /// Which daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Keeps a reading of one or all meters now, like TAF 6.
///
/// # Errors
/// When no daemon runs with this configuration, or it knows no such meter.
pub fn snapshot(args: &Snapshot, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let state = state_directory(&args.daemon)?;
    ask(&args.daemon, state.as_deref(), &Request::Snapshot { meter: args.meter.clone() }, out)
}

/// Pauses a sink or lets it go on.
///
/// # Errors
/// When no daemon runs with this configuration, or it has no such sink.
pub fn sink(args: &Sink, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let (daemon, request) = match &args.what {
        SinkCommand::Pause { sink, daemon } => (daemon, Request::Pause { sink: sink.clone() }),
        SinkCommand::Resume { sink, daemon } => (daemon, Request::Resume { sink: sink.clone() }),
    };
    let state = state_directory(daemon)?;
    ask(daemon, state.as_deref(), &request, out)
}

/// Lists the epochs of meters, from the store; or tells the daemon that one was none.
///
/// # Errors
/// When there is no store, it cannot be read, or no daemon runs that could undo.
pub fn epochs(args: &Epochs, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let state = state_directory(&args.daemon)?;
    if let Some(epoch) = args.undo {
        return ask(&args.daemon, state.as_deref(), &Request::UndoEpoch { epoch }, out);
    }
    let folder = state.ok_or_else(|| {
        Failure::new("the configuration has no `state_directory`, so there is no store")
            .with_help("`state_directory = \"/var/lib/metergate\"` keeps one")
    })?;
    let mut reader =
        Reader::open(&folder.join(FILE_NAME)).map_err(|error| Failure::new(error.to_string()))?;
    let failed = |error: crate::store::StoreError| Failure::new(error.to_string());
    let meters = match &args.meter {
        Some(meter) => vec![meter.clone()],
        None => reader.meters().map_err(failed)?,
    };
    let mut rows = Vec::new();
    for meter in meters {
        rows.extend(reader.epochs(&meter).map_err(failed)?.iter().map(row));
    }
    if rows.is_empty() {
        writeln!(out, "no meter has sent a reading yet")?;
        return Ok(Outcome::Nothing);
    }
    let head = ["EPOCH", "METER", "FROM", "IDENTITY", "WHY"].map(String::from).to_vec();
    rows.insert(0, head);
    for line in super::table::aligned(&rows) {
        writeln!(out, "{line}")?;
    }
    Ok(Outcome::Done)
}

fn row(epoch: &Epoch) -> Vec<String> {
    let from = jiff::Timestamp::from_millisecond(epoch.from_ms).map(|at| format!("{at:.0}"));
    let why = EpochCause::NAMES.iter().find(|(cause, _)| *cause == epoch.cause).map_or("", |(_, name)| name);
    vec![
        epoch.id.to_string(),
        epoch.meter.to_string(),
        from.unwrap_or_default(),
        epoch.identity.as_deref().unwrap_or("-").to_owned(),
        if epoch.undone { format!("{why}, undone") } else { why.to_owned() },
    ]
}

pub(super) fn state_directory(daemon: &Daemon) -> Result<Option<PathBuf>, Failure> {
    Ok(config::load(&daemon.config)?.state_directory)
}

pub(super) fn ask(
    daemon: &Daemon,
    state: Option<&Path>,
    request: &Request,
    out: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let socket = daemon.socket.clone().unwrap_or_else(|| control::socket_of(state));
    let answer = control::ask(&socket, request).map_err(|error| {
        Failure::new(format!("no gateway answers at {}: {error}", socket.display()))
            .with_help("is `metergate run` running with this configuration, and are you its user?")
    })?;
    match answer {
        Answer::Done(told) => {
            writeln!(out, "{told}")?;
            Ok(Outcome::Done)
        }
        Answer::Refused(why) => Err(Failure::new(why)),
    }
}
