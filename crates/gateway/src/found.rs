//! What was found out about meters of which the configuration says nothing: the next start begins with it.
//!
//! It is a first guess and no more: a meter that does not speak as it did is looked for anew.
use metergate_meter::{LineSettings, Protocol};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// How a meter speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What it speaks.
    pub protocol: Protocol,
    /// How its line is set.
    pub line: LineSettings,
}

/// What was found out in this state directory.
#[derive(Debug, Default)]
pub struct Findings {
    path: Option<PathBuf>,
    entries: BTreeMap<String, Entry>,
    dirty: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// As the configuration has it: another port is another line.
    port: String,
    protocol: String,
    line: String,
}

impl Findings {
    /// Name of the file in the state directory.
    pub const FILE_NAME: &'static str = "found.json";

    /// Reads what the last run found out; a file that cannot be read or understood costs a new search and nothing else.
    #[must_use]
    pub fn load(state_directory: Option<&Path>) -> Self {
        let Some(directory) = state_directory else { return Self::default() };
        let path = directory.join(Self::FILE_NAME);
        let read = || -> io::Result<_> { Ok(serde_json::from_slice(&std::fs::read(&path)?)?) };
        let entries = read().unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!("{}: {error}; meters are looked for anew", path.display());
            }
            BTreeMap::new()
        });
        Self { path: Some(path), entries, dirty: false }
    }

    /// How the meter of that name spoke on that port.
    #[must_use]
    pub fn get(&self, meter: &str, port: &str) -> Option<Found> {
        let entry = self.entries.get(meter).filter(|entry| entry.port == port)?;
        Some(Found { protocol: entry.protocol.parse().ok()?, line: entry.line.parse().ok()? })
    }

    /// Notes how a meter speaks, once a telegram has proved it.
    pub fn note(&mut self, meter: &str, port: String, found: Found) {
        let entry = Entry { port, protocol: found.protocol.to_string(), line: found.line.to_string() };
        if self.entries.get(meter) != Some(&entry) {
            self.entries.insert(meter.to_owned(), entry);
            self.dirty = true;
        }
    }

    /// What to write now, and where; `None`: nothing new.
    pub fn to_save(&mut self) -> Option<(PathBuf, Vec<u8>)> {
        let path = self.path.clone().filter(|_| self.dirty)?;
        self.dirty = false;
        Some((path, serde_json::to_vec_pretty(&self.entries).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUND: Found = Found { protocol: Protocol::DlmsMbus, line: LineSettings::M2400_8E1 };

    #[test]
    fn what_was_found_holds_for_the_same_port_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut findings = Findings::load(Some(folder.path()));
        findings.note("netz", "/dev/ttyUSB0".to_owned(), FOUND);
        let (path, content) = findings.to_save().unwrap();
        crate::state::replace(&path, &content).unwrap();
        assert_eq!(findings.to_save(), None, "nothing new");
        let findings = Findings::load(Some(folder.path()));
        assert_eq!(findings.get("netz", "/dev/ttyUSB0"), Some(FOUND));
        assert_eq!(findings.get("netz", "/dev/ttyUSB1"), None);
        assert_eq!(findings.get("haus", "/dev/ttyUSB0"), None);
    }

    #[test]
    fn a_damaged_file_is_no_finding() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join(Findings::FILE_NAME),
            "{\"netz\":{\"port\":\"x\",\"protocol\":\"?\"",
        )
        .unwrap();
        assert_eq!(Findings::load(Some(folder.path())).get("netz", "x"), None);
    }
}
