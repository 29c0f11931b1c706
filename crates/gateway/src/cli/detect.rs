//! `metergate detect`: finds meters on ports, and names what a capture holds.
mod ports;

use super::{Failure, Outcome};
use crate::capture::{Notation, Reader};
use anstyle::Style;
use metergate_meter::detect::{self, Detection};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `metergate detect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Serial ports, tcp://HOST:PORT, rfc2217://HOST:PORT, or files with captured bytes; without any, all serial ports.
    #[arg(value_name = "PORT")]
    pub ports: Vec<PathBuf>,
}

const HEAD: Style = Style::new().bold();

/// Looks at each port and prints what was found.
///
/// # Errors
/// When a port or file cannot be opened.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let (captures, live): (Vec<_>, Vec<_>) = args.ports.iter().partition(|path| is_capture(path));
    let mut found = false;
    for capture in captures {
        found |= in_file(capture, out)?;
    }
    if !live.is_empty() || args.ports.is_empty() {
        let places = if live.is_empty() { ports::all() } else { ports::named(&live)? };
        found |= ports::scan(places, out)?;
    }
    Ok(if found { Outcome::Done } else { Outcome::Nothing })
}

/// A port is a device; everything else that exists was captured.
fn is_capture(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.is_file())
}

/// Names what a capture holds.
fn in_file(path: &Path, out: &mut dyn Write) -> Result<bool, Failure> {
    let about =
        |error: &dyn std::fmt::Display| Failure::new(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).map_err(|error| about(&error))?;
    let mut reader = Reader::new(file, None).map_err(|error| about(&error))?;
    let mut bytes = Vec::new();
    while bytes.len() < detect::WINDOW && reader.read(&mut bytes).map_err(|error| about(&error))? {}
    let notation = match reader.notation() {
        Notation::Binary => "binary",
        Notation::Hex => "hexadecimal",
        Notation::Base64 => "base64",
    };
    write!(out, "{HEAD}{}{HEAD:#}: {} bytes, {notation}: ", path.display(), bytes.len())?;
    let Some(found) = detect::detect(&bytes) else {
        writeln!(out, "no meter is recognised")?;
        return Ok(false);
    };
    writeln!(out, "{}", described(&found))?;
    if let Some(model) = found.recognition.and_then(|recognition| recognition.model) {
        writeln!(out, "  metergate decode {} --model {}", path.display(), model.name)?;
    }
    Ok(true)
}

/// What was recognised, in words.
pub(crate) fn described(found: &Detection) -> String {
    let mut text = format!("{} ({} % sure)", found.protocol, found.confidence);
    if let Some(recognition) = found.recognition {
        text += &match recognition.model {
            Some(model) => format!(", {}", model.title),
            None => format!(", made by {}", recognition.maker),
        };
    }
    text
}
