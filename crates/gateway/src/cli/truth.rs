//! The truth file of `simulate` and `demo`: what was sent, in the JSON of `decode`.
//!
//! A telegram that nothing was done to gives the same line that `decode` gives for its bytes, but for `model`, which
//! a ledger has no need to guess. Damaged ones have the list `faults` in addition, a sentence each; of those that
//! were swallowed `length` is 0.
use super::Failure;
use crate::json::Line;
use metergate_meter::Flags;
use metergate_simulator::Sent;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A truth file that grows.
#[derive(Debug)]
pub(crate) struct Truth {
    file: BufWriter<File>,
    lines: u64,
}

impl Truth {
    /// Begins a new file; an old one at this path is overwritten.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path)
            .map_err(|error| Failure::new(format!("--truth: cannot write {}: {error}", path.display())))?;
        Ok(Self { file: BufWriter::new(file), lines: 0 })
    }

    /// Writes a line, and hands it to the system: whoever sees the telegram finds it in the file. `name`: which of
    /// several meters sent it.
    pub(crate) fn note(&mut self, sent: &Sent, name: Option<&str>) -> io::Result<()> {
        writeln!(self.file, "{}", line(self.lines, sent, name))?;
        self.lines += 1;
        self.file.flush()
    }
}

/// The line of a telegram, without a line end.
fn line(number: u64, sent: &Sent, name: Option<&str>) -> String {
    let said = &sent.said;
    let unauthenticated = said.security.is_some_and(|security| !security.authenticated);
    let line = Line {
        offset: sent.offset,
        length: sent.length,
        meter: said.meter,
        identification: said.identification.as_deref(),
        time: said.time,
        security: said.security,
        flags: Flags { unauthenticated, ..Flags::default() },
        signature: said.signature.as_deref(),
        ..Line::new(number, said.protocol, said.registers.iter())
    };
    let mut text = line.to_string();
    // What is more than decode can know goes to the end of the object.
    let mut append = |key: &str, value: serde_json::Value| {
        text.pop();
        text.push_str(&format!(",\"{key}\":{value}}}"));
    };
    if !sent.faults.is_empty() {
        append("faults", sent.faults.clone().into());
    }
    if let Some(name) = name {
        append("simulated", name.into());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_simulator::{MeterKind, Settings, Simulation};

    fn sent(fault: Option<&str>) -> Sent {
        let mut settings = Settings::new(MeterKind::KaifaMa309mNetzNoe, 1, 1_775_986_800);
        settings.faults.extend(fault.map(|fault| fault.parse::<metergate_simulator::Fault>().unwrap()));
        let mut simulation = Simulation::new(settings).unwrap();
        simulation.push(1_775_986_805).remove(0).sent.unwrap()
    }

    #[test]
    fn a_whole_telegram_is_a_line_of_decode() {
        let line: serde_json::Value = serde_json::from_str(&line(4, &sent(None), None)).unwrap();
        assert_eq!(line["telegram"], 4);
        assert_eq!(line["length"], 282);
        assert_eq!(line["security"]["security_control"], "20");
        assert_eq!(line["flags"][0], "unauthenticated");
        assert_eq!(line["registers"].as_array().map(Vec::len), Some(13));
        assert!(line.get("faults").is_none());
    }

    #[test]
    fn what_was_done_to_a_telegram_stands_behind_it() {
        let line: serde_json::Value =
            serde_json::from_str(&line(0, &sent(Some("half:1")), Some("haus"))).unwrap();
        let words = line["faults"][0].as_str().unwrap();
        assert!(words.starts_with("half: "), "{words}");
        assert_eq!(line["simulated"], "haus");
        assert!(line["length"].as_u64().unwrap() < 282);
    }
}
