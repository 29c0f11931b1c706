//! `metergate simulate`: speaks as a meter.
use super::keys::Typed;
use super::{Failure, Outcome};
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `metergate simulate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which meter: `dummy`, or a name of `metergate meters` that the simulator knows.
    pub meter: String,
    /// Speak on a new pseudo-terminal, linked at this path.
    #[arg(long, value_name = "PATH", group = "place")]
    pub pty: Option<PathBuf>,
    /// Listen on this address and speak to whoever connects.
    #[arg(long, value_name = "ADDR", group = "place")]
    pub tcp: Option<String>,
    /// Write into this file as fast as possible; `-` is standard output.
    #[arg(long, value_name = "FILE", group = "place")]
    pub out: Option<PathBuf>,
    /// Stop after this many telegrams.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// The household behind the meter; the same number gives the same day.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Encryption key: 32 hexadecimal digits, or @FILE.
    #[arg(long, value_name = "HEX|@FILE")]
    pub key: Option<Typed>,
    /// Authentication key: 32 hexadecimal digits, or @FILE.
    #[arg(long, value_name = "HEX|@FILE")]
    pub auth_key: Option<Typed>,
    /// Write what was sent to this file, in the JSON of `decode`.
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Do wrong on purpose: a kind of fault and how often, such as `flip:0.01`; may be given several times.
    #[arg(long = "fault", value_name = "KIND:RATE")]
    pub faults: Vec<String>,
}

/// Speaks until `--count` telegrams are sent or Ctrl-C.
///
/// # Errors
/// When the meter is not known, a key is none, or the place cannot be opened.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let _ = (args, out);
    Err(Failure::new("`simulate` is being written"))
}
