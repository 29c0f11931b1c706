//! `metergate store`: looks after the store, with a gateway running or without.
pub mod export;

use super::{Failure, Outcome, table};
use crate::config;
use crate::store::{self, Budget, MeterReport, Report, StoreError};
use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use std::io::Write;
use std::path::PathBuf;

/// The name of the store in the state directory.
pub const FILE_NAME: &str = "metergate.db";

/// Arguments of `metergate store`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What can be done with a store.
#[derive(Debug, clap::Subcommand)]
pub enum What {
    /// Read all of it, and tell what is in it and whether any of it is damaged. Exit status 1 when it is.
    Check(Place),
    /// Write readings, quarter hours or events of a time to standard output.
    Export(export::Args),
    /// Write the file anew without the room that dropped readings left. The gateway must be stopped.
    Vacuum(Place),
}

/// Where the store is.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// The file; without it the one in the state directory of the configuration.
    #[arg(long, value_name = "FILE")]
    pub path: Option<PathBuf>,
    /// Where the configuration stands.
    #[command(flatten)]
    pub config: config::Source,
}

impl Place {
    /// The file, and how large it may be if a configuration says so.
    fn find(&self) -> Result<(PathBuf, Option<Budget>), Failure> {
        if let Some(path) = &self.path {
            return Ok((path.clone(), None));
        }
        let gateway = config::load(&self.config)?;
        let directory = gateway.state_directory.ok_or_else(|| {
            Failure::new("the configuration names no `state_directory`, so there is no store")
                .with_help("`--path FILE` names one")
        })?;
        let budget = Budget { bytes: u64::from(gateway.store.max_mib) << 20, age: gateway.store.max_age };
        Ok((directory.join(FILE_NAME), Some(budget)))
    }

    fn path(&self) -> Result<PathBuf, Failure> {
        Ok(self.find()?.0)
    }
}

/// Runs the command.
///
/// # Errors
/// When there is no store, it cannot be read, or `out` does not take what is written.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    match &args.what {
        What::Check(place) => check(place, out),
        What::Export(args) => export::run(args, out),
        What::Vacuum(place) => vacuum(place, out),
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let help = match &error {
            StoreError::Absent { .. } => {
                Some("a gateway makes it when it starts; `--path FILE` names another")
            }
            StoreError::InUse { .. } => Some("stop the gateway first: `systemctl stop metergate`"),
            StoreError::NewerSchema { .. } => Some("use the program that wrote it, or a newer one"),
            StoreError::Sqlite { .. } => {
                Some("it is readable for the user of the service: `sudo -u metergate metergate store ...`")
            }
            StoreError::Io { .. } | StoreError::Damaged { .. } => None,
        };
        let failure = Self::new(error.to_string());
        match help {
            Some(help) => failure.with_help(help),
            None => failure,
        }
    }
}

const HEAD: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

fn check(place: &Place, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let (path, budget) = place.find()?;
    let report = store::check(&path)?;
    writeln!(out, "store    {}", path.display())?;
    let Report { schema, bytes, used, events, held, undated, .. } = &report;
    writeln!(out, "size     {}, {} of it in use, schema {schema}", megabytes(*bytes), megabytes(*used))?;
    if let Some(budget) = budget {
        let over =
            if report.is_over(&budget) { ", which it is over; the gateway makes it smaller" } else { "" };
        let age =
            budget.age.map_or_else(String::new, |age| format!(", detail of {} days", age.as_secs() / 86_400));
        writeln!(out, "budget   {}{age}{over}", megabytes(budget.bytes))?;
    }
    writeln!(out, "holds    {}, {}", counted(*events, "event"), counted(*held, "number in quarantine"))?;
    if *undated > 0 {
        writeln!(out, "         {} without a time", counted(*undated, "reading"))?;
    }
    for meter in &report.meters {
        meter_report(meter, out)?;
    }
    if !report.cursors.is_empty() {
        writeln!(out, "\n{HEAD}delivered{HEAD:#}")?;
        let rows: Vec<Vec<String>> = report
            .cursors
            .iter()
            .map(|(sink, stream, seq, newest)| {
                let behind = newest.saturating_sub(*seq);
                let behind = if behind == 0 { "all".to_owned() } else { format!("{behind} behind") };
                vec![format!("  {sink}"), stream.clone(), format!("up to {seq}"), behind]
            })
            .collect();
        for row in table::aligned(&rows) {
            writeln!(out, "{row}")?;
        }
    }
    if report.is_sound() {
        writeln!(out, "\nok: every block can be read")?;
        return Ok(Outcome::Done);
    }
    for problem in &report.problems {
        writeln!(out, "\n{BAD}damaged:{BAD:#} {problem}")?;
    }
    writeln!(
        out,
        "\nThe gateway moves a damaged store aside at its next start and begins a new one; `metergate store export` reads what can be read."
    )?;
    Ok(Outcome::Nothing)
}

fn meter_report(meter: &MeterReport, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "\n{HEAD}meter {}{HEAD:#}", meter.name)?;
    let mut rows = Vec::new();
    if let Some((first, last)) = meter.span_ms {
        rows.push(vec!["  readings".to_owned(), meter.rows.to_string(), span(first / 1000, last / 1000)]);
    }
    if let Some(thinned) = meter.thinned_to_ms {
        rows.push(vec![
            "  one a minute".to_owned(),
            String::new(),
            format!("up to {}", time(thinned / 1000)),
        ]);
    }
    if let Some((first, last)) = meter.marks {
        let missing = if meter.missing > 0 { format!(", {} missing", meter.missing) } else { String::new() };
        let span = format!("{}{missing}", span(first.unix_s(), last.unix_s()));
        rows.push(vec!["  quarter hours".to_owned(), meter.quarter_hours.to_string(), span]);
    }
    for row in table::aligned(&rows) {
        writeln!(out, "{row}")?;
    }
    Ok(())
}

fn vacuum(place: &Place, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let path = place.path()?;
    let (before, after) = store::vacuum(&path)?;
    writeln!(out, "{}: {} before, {} now", path.display(), megabytes(before), megabytes(after))?;
    Ok(Outcome::Done)
}

fn counted(number: u64, what: &str) -> String {
    // `number in quarantine` has its plural inside.
    match (number, what.split_once(' ')) {
        (1, _) => format!("1 {what}"),
        (more, Some((noun, rest))) => format!("{more} {noun}s {rest}"),
        (more, None) => format!("{more} {what}s"),
    }
}

/// To a hundredth of a megabyte.
fn megabytes(bytes: u64) -> String {
    let hundredths = bytes / 10_000;
    format!("{}.{:02} MB", hundredths / 100, hundredths % 100)
}

fn span(first_s: i64, last_s: i64) -> String {
    format!("{} to {}", time(first_s), time(last_s))
}

fn time(unix_s: i64) -> String {
    Timestamp::from_second(unix_s).map_or_else(|_| unix_s.to_string(), |time| time.to_string())
}
