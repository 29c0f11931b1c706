//! Records what goes over a line, as a capture that `replay` and `decode` read: tomorrow's regression test.
//!
//! A recording holds meter numbers and consumption, so only the owner may read the file.
use crate::capture::{CaptureLine, Direction};
use jiff::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A recording ends here: a day of an SML meter that sends 400 bytes a second fits in 70 MB of hexadecimal digits.
const LEN_MAX: u64 = 100 * 1024 * 1024;

/// An open recording. It goes on at the end of a file that is there.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    /// `None` once it is full or the disk says no.
    file: Option<BufWriter<File>>,
    len: u64,
}

impl Recorder {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file: Some(BufWriter::new(file)), len })
    }

    /// Records bytes that have just been received or sent.
    pub fn record(&mut self, direction: Direction, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
        let line = CaptureLine { time: Timestamp::now(), direction, bytes: bytes.to_vec() }.to_string();
        self.len += line.len() as u64 + 1;
        if self.len > LEN_MAX {
            tracing::warn!("{}: {LEN_MAX} bytes are recorded; the recording ends", self.path.display());
            self.flush();
            self.file = None;
        } else if let Err(error) = writeln!(file, "{line}") {
            tracing::error!("{}: {error}; the recording ends", self.path.display());
            self.file = None;
        }
    }

    /// Writes what waits. Called about once a second, so that a crash costs no more.
    pub fn flush(&mut self) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.flush()
        {
            tracing::error!("{}: {error}; the recording ends", self.path.display());
            self.file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_recorded_is_a_capture_and_only_the_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haus.capture");
        for bytes in [&b"\x1b\x1b"[..], b"\x01"] {
            let mut recorder = Recorder::open(&path).unwrap();
            recorder.record(Direction::Received, bytes);
            recorder.record(Direction::Sent, b"\x80");
            recorder.flush();
        }
        let lines: Vec<CaptureLine> =
            std::fs::read_to_string(&path).unwrap().lines().map(|line| line.parse().unwrap()).collect();
        let told: Vec<_> = lines.iter().map(|line| (line.direction, line.bytes.as_slice())).collect();
        let sent = (Direction::Sent, &b"\x80"[..]);
        assert_eq!(
            told,
            [(Direction::Received, &b"\x1b\x1b"[..]), sent, (Direction::Received, &b"\x01"[..]), sent]
        );
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_recording_that_is_full_ends_and_does_not_grow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haus.capture");
        File::create(&path).unwrap().set_len(LEN_MAX - 10).unwrap();
        let mut recorder = Recorder::open(&path).unwrap();
        recorder.record(Direction::Received, &[0; 100]);
        recorder.record(Direction::Received, &[0; 1]);
        recorder.flush();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), LEN_MAX - 10);
    }
}
