//! Invocation counters over restarts: without them an old telegram could be replayed to a gateway that has just
//! started.
//!
//! Kept per (system title, key): a new key begins a new count, as IEC 62056-5-3 has it. Written at the first telegram
//! after a start, then at most every [`SAVE_INTERVAL`], and at a clean end: writing each one would be 6 million writes
//! a year. **What a crash costs:** telegrams of at most the last five minutes before it could be replayed once, and no
//! reading is lost. (Writing ahead of the count would cost genuine readings instead.)
use metergate_meter::{Key, SecurityHeader, security};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two writes.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(300);

/// Entries kept; the one heard longest ago is dropped. Some meters, each with some past keys.
const ENTRIES_MAX: usize = 64;

/// A key's name in the file. It tells two keys apart and nothing about either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// The id of a key: what it makes of four zero bytes under a system title that no meter has.
    #[must_use]
    pub fn of(key: &Key) -> Option<Self> {
        let mut bytes = [0; 4];
        let nobody = SecurityHeader::new(b"METERGAT", 0x20, 0);
        security::seal(key, None, nobody, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

/// The counters of all meters of a gateway.
#[derive(Debug, Default)]
pub struct Counters {
    path: Option<PathBuf>,
    /// The latest last.
    entries: Vec<Entry>,
    dirty: bool,
    saved_at: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    system_title: String,
    key: String,
    invocation_counter: u32,
}

impl Counters {
    /// Name of the file in the state directory.
    pub const FILE_NAME: &'static str = "counters.json";

    /// Reads the counters of the last run; none without a state directory.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or is damaged: then someone must decide whether to begin anew.
    pub fn load(state_directory: Option<&Path>) -> io::Result<Self> {
        let Some(directory) = state_directory else { return Ok(Self::default()) };
        let path = directory.join(Self::FILE_NAME);
        let entries = match std::fs::read(&path) {
            Ok(content) => serde_json::from_slice(&content)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path: Some(path), entries, dirty: false, saved_at: None })
    }

    /// Begins without any, whatever stands in the state directory: for a meter that was exchanged under the same key, or
    /// whose counter began anew, or when the file is damaged.
    #[must_use]
    pub fn anew(state_directory: Option<&Path>) -> Self {
        let path = state_directory.map(|directory| directory.join(Self::FILE_NAME));
        Self { path, dirty: true, ..Self::default() }
    }

    /// The last accepted header under this key, where a conversation goes on counting.
    #[must_use]
    pub fn last_accepted(&self, key: KeyId) -> Option<SecurityHeader> {
        let key = hex(&key.0);
        let entry = self.entries.iter().rev().find(|entry| entry.key == key)?;
        let title = bytes(&entry.system_title)?;
        Some(SecurityHeader::new(&title, 0, entry.invocation_counter))
    }

    /// Notes an accepted telegram.
    pub fn note(&mut self, key: KeyId, header: &SecurityHeader) {
        let (system_title, key) = (hex(header.system_title()), hex(&key.0));
        let known =
            self.entries.iter().position(|entry| entry.key == key && entry.system_title == system_title);
        // What was reached is not lowered: a replayed telegram may be accepted and flagged.
        let reached = known.map(|at| self.entries.remove(at).invocation_counter).unwrap_or_default();
        let invocation_counter = reached.max(header.invocation_counter);
        self.entries.push(Entry { system_title, key, invocation_counter });
        if self.entries.len() > ENTRIES_MAX {
            self.entries.remove(0);
        }
        self.dirty = true;
    }

    /// What to write now, and where; `None`: nothing yet. `last`: the program ends.
    pub fn to_save(&mut self, now: Duration, last: bool) -> Option<(PathBuf, Vec<u8>)> {
        let due = last || self.saved_at.is_none_or(|at| now.saturating_sub(at) >= SAVE_INTERVAL);
        if !self.dirty || !due {
            return None;
        }
        let path = self.path.clone()?;
        let content = serde_json::to_vec_pretty(&self.entries).ok()?;
        self.dirty = false;
        self.saved_at = Some(now);
        Some((path, content))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key::new([7; 16]);

    fn header(counter: u32) -> SecurityHeader {
        SecurityHeader::new(b"KFM12345", 0x20, counter)
    }

    fn save(counters: &mut Counters, now: Duration, last: bool) -> bool {
        let save = counters.to_save(now, last);
        if let Some((path, content)) = &save {
            crate::state::replace(path, content).unwrap();
        }
        save.is_some()
    }

    #[test]
    fn counting_goes_on_after_a_restart_and_per_key() {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyId::of(&KEY).unwrap();
        let mut counters = Counters::load(Some(folder.path())).unwrap();
        assert_eq!(counters.last_accepted(key), None);
        counters.note(key, &header(41));
        counters.note(key, &header(42));
        counters.note(key, &header(7));
        assert!(save(&mut counters, Duration::ZERO, false));
        let counters = Counters::load(Some(folder.path())).unwrap();
        let last = counters.last_accepted(key).unwrap();
        assert_eq!((last.system_title(), last.invocation_counter), (&b"KFM12345"[..], 42));
        let other = KeyId::of(&Key::new([8; 16])).unwrap();
        assert_eq!(counters.last_accepted(other), None, "a new key begins a new count");
        let mut counters = Counters::anew(Some(folder.path()));
        assert_eq!(counters.last_accepted(key), None);
        assert!(save(&mut counters, Duration::ZERO, false));
        assert_eq!(Counters::load(Some(folder.path())).unwrap().last_accepted(key), None);
    }

    #[test]
    fn a_count_is_written_at_first_then_every_five_minutes_and_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyId::of(&KEY).unwrap();
        let mut counters = Counters::load(Some(folder.path())).unwrap();
        let mut writes = 0;
        for second in 0..3600u32 {
            counters.note(key, &header(second));
            writes += u32::from(save(&mut counters, Duration::from_secs(u64::from(second)), false));
        }
        assert_eq!(writes, 12);
        assert!(save(&mut counters, Duration::from_secs(3600), true));
        assert!(!save(&mut counters, Duration::from_secs(9999), true), "nothing new");
    }

    #[test]
    fn the_file_holds_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut counters = Counters::load(Some(folder.path())).unwrap();
        counters.note(KeyId::of(&KEY).unwrap(), &header(1));
        let (_, content) = counters.to_save(Duration::ZERO, false).unwrap();
        let text = String::from_utf8(content).unwrap();
        assert!(!text.contains("0707"), "{text}");
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_new_beginning() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(Counters::FILE_NAME), "[{").unwrap();
        assert!(Counters::load(Some(folder.path())).is_err());
        assert!(save(&mut Counters::anew(Some(folder.path())), Duration::ZERO, false));
        assert!(Counters::load(Some(folder.path())).is_ok());
    }
}
