//! `metergate replay`: a capture through the whole daemon.
use super::{Failure, Outcome};
use crate::config::{self, Place};
use crate::pipeline::Options;
use crate::port::Speed;
use std::path::PathBuf;

/// Arguments of `metergate replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The capture: lines `RFC3339 rx|tx HEX`, or raw bytes, which are paced by the line rate.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
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
/// The capture takes the place of the meter's port; the other meters of the configuration stay silent. Invocation
/// counters are neither taken from the daemon's state nor left there: the capture is from another time.
///
/// # Errors
/// When the configuration is wrong or the capture cannot be read.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let mut gateway = config::load(&args.config)?;
    let names: Vec<&str> = gateway.meters.iter().map(|meter| meter.name.as_str()).collect();
    let at = match (&args.meter, &names[..]) {
        (Some(wanted), _) => names.iter().position(|name| name == wanted).ok_or_else(|| {
            Failure::new(format!("the configuration has no meter `{wanted}`"))
                .with_help(format!("it has {}", names.join(", ")))
        })?,
        (None, [_]) => 0,
        (None, []) => return Err(Failure::new("the configuration has no meter")),
        (None, _) => {
            return Err(Failure::new("which meter of the configuration spoke?")
                .with_help(format!("choose with --meter one of {}", names.join(", "))));
        }
    };
    std::fs::File::open(&args.file)
        .map_err(|error| Failure::new(format!("{}: {error}", args.file.display())))?;
    let mut meter = gateway.meters.swap_remove(at);
    meter.port.place = Place::File(args.file.clone());
    let name = meter.name.clone();
    gateway.meters = vec![meter];
    gateway.state_directory = None;
    let options = Options { speed: Some(Speed::new(args.speed)), ..Options::default() };
    let outcome = super::run::run_gateway(gateway, options)?;
    if outcome == Outcome::Nothing {
        let file = args.file.display();
        tracing::warn!("no telegram of meter `{name}` was read; `metergate decode {file}` explains why");
    }
    Ok(outcome)
}
