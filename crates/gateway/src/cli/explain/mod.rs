//! Telegrams and refusals for people: every layer indented, every register named.
//!
//! ```text
//! telegram 0  dlms-mbus, 376 bytes from 0
//!   M-Bus long frame 0     segment 0, 245 bytes, checksum c4 ok
//!   M-Bus long frame 1     segment 1, the last, 107 bytes, checksum 1e ok
//!   general-glo-ciphering  system title 4b464d1020014c8b (KFM), control 20: encryption, counter 24581
//!   data-notification      structure of 35 elements
//!   registers
//!     1-0:1.8.0*255     9003574 Wh   9003574 x 10^0   active energy import
//! ```
mod bytes;
mod layers;
mod registers;

use crate::harmless::harmless;
use crate::json::{Hex, flag_names, manufacturer};
use anstyle::{AnsiColor, Style};
use metergate_meter::{Code, Rejection, Settings, Telegram};
use std::io::{self, Write};

const HEAD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = Style::new().dimmed();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Explains an accepted telegram; `raw` are its bytes, if they are still at hand.
///
/// # Errors
/// When `out` does not take it.
pub(super) fn telegram(
    out: &mut dyn Write,
    number: u64,
    telegram: &Telegram<'_>,
    raw: Option<&[u8]>,
    settings: &Settings,
) -> io::Result<()> {
    let place = place(telegram.length, telegram.offset);
    writeln!(out, "{HEAD}telegram {number}{HEAD:#}  {}, {place}", telegram.protocol)?;
    let mut layers = layers::of(telegram.protocol, raw.unwrap_or_default(), settings);
    if let Some(text) = who(telegram) {
        layers.push(layers::Layer::new(0, "meter", text));
    }
    if let Some(time) = telegram.time {
        layers.push(layers::Layer::new(0, "time", time.to_string()));
    }
    if let Some(security) = telegram.security {
        let text = if security.authenticated {
            format!("{GOOD}authenticated{GOOD:#}: the tag is right")
        } else {
            "opened, not authenticated: no tag was checked".to_owned()
        };
        layers.push(layers::Layer::new(0, "security", text));
    }
    let flags: Vec<&str> = flag_names(telegram.flags).collect();
    if !flags.is_empty() {
        layers.push(layers::Layer::new(0, "flags", flags.join(", ")));
    }
    if let Some(signature) = telegram.signature {
        let text = format!("{} (not verified: unsupported)", Hex(signature));
        layers.push(layers::Layer::new(0, "signature", text));
    }
    layers::write(out, &layers)?;
    registers::write(out, telegram.registers.clone())?;
    writeln!(out)
}

fn place(length: u64, offset: u64) -> String {
    format!("{length} byte{} from {offset}", if length == 1 { "" } else { "s" })
}

fn who(telegram: &Telegram<'_>) -> Option<String> {
    let id = telegram.meter.map(|id| id.to_string());
    let said = telegram.identification.map(|said| format!("/{said}"));
    let maker = manufacturer(telegram.meter.as_ref(), telegram.identification)
        .map(|letters| format!("maker {letters}"));
    let model = telegram.model.map(|model| format!("model {}", model.name));
    let parts: Vec<String> = [id, said, maker, model].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| harmless(&parts.join(", ")).into_owned())
}

/// Explains a refusal; `raw` are the refused bytes and `before` some that stand before them, if still at hand.
///
/// # Errors
/// When `out` does not take it.
pub(super) fn rejection(
    out: &mut dyn Write,
    number: u64,
    rejection: &Rejection,
    raw: Option<&[u8]>,
    before: &[u8],
    settings: &Settings,
) -> io::Result<()> {
    let code = rejection.cause.code();
    let place = place(rejection.length, rejection.offset);
    writeln!(out, "{HEAD}telegram {number}{HEAD:#}  {}, {place}: {BAD}refused{BAD:#}", rejection.protocol)?;
    let layer = rejection.cause.layer();
    writeln!(out, "  {BAD}{code}{BAD:#} in {layer} at {}: {}", rejection.offset, rejection.cause)?;
    let raw = raw.unwrap_or_default();
    let mut layers = match code {
        Code::Noise => Vec::new(),
        _ => layers::of(rejection.protocol, raw, settings),
    };
    if let (Some(header), false) =
        (&rejection.security, layers.iter().any(|layer| layer.name == layers::ENVELOPE))
    {
        layers.push(layers::Layer::new(0, layers::ENVELOPE, layers::envelope(header)));
    }
    layers::write(out, &layers)?;
    bytes::write(out, rejection.offset, before, raw)?;
    if let Some(hint) = hint(code) {
        writeln!(out, "  {HINT}next:{HINT:#} {hint}")?;
    }
    writeln!(out)
}

/// Shows the first bytes of an input that says nothing.
///
/// # Errors
/// When `out` does not take it.
pub(super) fn first_bytes(out: &mut dyn Write, raw: &[u8]) -> io::Result<()> {
    bytes::write(out, 0, &[], raw.get(..64).unwrap_or(raw))
}

/// What to do about a refusal.
const fn hint(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::MissingKey => {
            "give the key with --key HEX; the grid operator sends it to the owner of the meter"
        }
        Code::WrongKey | Code::WrongKeyOrDamaged => {
            "compare --key with the operator's letter: is it this meter's, and not the authentication key?"
        }
        Code::AuthenticationFailed => {
            "the encryption key is right; compare --auth-key, or leave it out to read without authentication"
        }
        Code::ChecksumMismatch | Code::CrcMismatch | Code::BccMismatch | Code::Damaged => {
            "bytes were changed or lost on the way: look at head, cable and line settings"
        }
        Code::ParityMismatch => "the line has other settings: 7E1 in place of 8N1, or the other way round",
        Code::Noise => {
            "no telegram here: another --protocol, speed or parity; `metergate detect FILE` looks for it"
        }
        Code::Unsupported | Code::UnsupportedSecurity => "please open an issue with this output",
        Code::Replayed | Code::Truncated | Code::TooLong | Code::Malformed | Code::OutOfRange => return None,
    })
}
