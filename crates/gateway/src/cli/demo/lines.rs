//! The demonstration where standard output is no terminal: a line for each telegram and each change of a verdict.
use super::board::Card;
use crate::update::What;
use std::io::{self, Write};

/// Registers of a line at most.
const REGISTERS: usize = 6;

/// Writes the line of an update; nothing for updates that nobody wants to read.
pub(super) fn write(out: &mut dyn Write, clock: &str, card: &Card, what: &What) -> io::Result<()> {
    let name = card.house.name;
    match what {
        What::Telegram(_) if !card.shown.is_empty() => {
            write!(out, "{clock} {name:<10}")?;
            for shown in card.shown.iter().take(REGISTERS) {
                write!(out, " {} {} {},", shown.code, shown.value, shown.unit)?;
            }
            writeln!(out)?;
        }
        What::Rejected { rejection, .. } => {
            writeln!(out, "{clock} {name:<10} {}: {rejection}", rejection.cause.code())?;
        }
        What::Verdict(verdict) => writeln!(out, "{clock} {name:<10} {}: {verdict}", verdict.code())?,
        What::PortLost(error) => writeln!(out, "{clock} {name:<10} port: {error}")?,
        _ => return Ok(()),
    }
    out.flush()
}
