//! The configuration: what was typed becomes what it means in one step, before anything starts.
//!
//! A file has profiles as top-level tables; meters and sinks are tables by name in them:
//!
//! ```toml
//! [default.meter.haus]
//! port = "/dev/serial/by-id/usb-head"
//! model = "kaifa-ma309m-netz-noe"
//!
//! [default.sink.screen]
//! kind = "stdout"
//! ```
//!
//! Layers, each over the one before, merged key by key: `default`, the profile, `default` and the profile of the
//! secrets file, the settings page, credentials of systemd, environment.

mod setup;

pub use setup::{
    CsvSetup, Gateway, IecMode, IecSetup, KmpSetup, MeterSetup, Place, PortSetup, RegisterPattern, Selection,
    SinkKind, SinkSetup,
};

use crate::cli::Failure;
use std::path::PathBuf;

/// Where the configuration stands.
#[derive(Debug, Clone, clap::Args)]
pub struct Source {
    /// The configuration file; without it `metergate.toml` here, then `/etc/metergate/metergate.toml`.
    #[arg(id = "config", long = "config", value_name = "FILE", env = "METERGATE_CONFIG")]
    pub file: Option<PathBuf>,
    /// The profile: a top-level table of the file.
    #[arg(long, value_name = "NAME", env = "METERGATE_PROFILE", default_value = "default")]
    pub profile: String,
}

/// Reads the configuration and checks all of it.
///
/// # Errors
/// When anything in it is wrong: the message names file, line, key and the likely fix.
pub fn load(source: &Source) -> Result<Gateway, Failure> {
    let _ = source;
    Err(Failure::new("the configuration is being written"))
}
