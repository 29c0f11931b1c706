//! Files: raw bytes, paced as the line would have delivered them, or capture lines with their own times.
use super::{Received, character_time};
use crate::capture::{CaptureLine, Direction};
use metergate_meter::LineSettings;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// How much faster than life a file is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(f64);

impl Speed {
    /// As fast as the line was.
    pub const LIVE: Self = Self(1.0);
    /// Without waiting; times inside stay those of the capture.
    pub const UNPACED: Self = Self(0.0);

    /// `times` faster than life; 0 or nothing sensible: without waiting.
    #[must_use]
    pub fn new(times: f64) -> Self {
        if times.is_finite() && times > 0.0 { Self(times) } else { Self::UNPACED }
    }

    fn scaled(self, time: Duration) -> Duration {
        if self.0 == 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(time.as_secs_f64() / self.0).unwrap_or(Duration::MAX)
    }
}

/// An open file.
#[derive(Debug)]
pub struct File {
    reader: BufReader<std::fs::File>,
    content: Content,
    speed: Speed,
    /// When the first piece was handed out.
    started: Option<Instant>,
    /// Time of the capture, from its first byte to the last one read.
    at: Duration,
    /// Read and not yet handed out.
    piece: Vec<u8>,
    taken: usize,
    captured_unix_ms: Option<i64>,
}

#[derive(Debug)]
enum Content {
    Raw { character: Duration },
    Lines { first_ns: Option<i128>, number: u64 },
}

/// Raw bytes are handed out as a line delivers them: what comes within this time is one piece.
const PIECE_TIME: Duration = Duration::from_millis(50);

/// Most raw bytes in one piece.
const PIECE_LEN_MAX: u32 = 4096;

/// Longest line of a capture: 64 KiB of bytes in hexadecimal, and its time.
const LINE_LEN_MAX: u64 = 2 * 65_536 + 64;

impl File {
    pub(super) fn open(path: &Path, line: LineSettings, speed: Speed) -> io::Result<Self> {
        let mut reader = BufReader::new(std::fs::File::open(path)?);
        let is_capture = is_capture(reader.fill_buf()?);
        let content = if is_capture {
            Content::Lines { first_ns: None, number: 0 }
        } else {
            Content::Raw { character: character_time(line) }
        };
        Ok(Self {
            reader,
            content,
            speed,
            started: None,
            at: Duration::ZERO,
            piece: Vec::new(),
            taken: 0,
            captured_unix_ms: None,
        })
    }

    pub(super) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        if self.taken == self.piece.len() {
            self.read_piece()?;
        }
        let started = *self.started.get_or_insert_with(Instant::now);
        if self.speed == Speed::UNPACED {
            // Without this a file that never waits would starve the other meters.
            tokio::task::yield_now().await;
        } else if let Some(due) = started.checked_add(self.speed.scaled(self.at)) {
            tokio::time::sleep_until(due).await;
        }
        let rest = self.piece.get(self.taken..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.taken += len;
        Ok(Received { len, at: self.at, captured_unix_ms: self.captured_unix_ms })
    }

    /// Reads the next piece; an empty one is the end.
    fn read_piece(&mut self) -> io::Result<()> {
        self.piece.clear();
        self.taken = 0;
        match &mut self.content {
            Content::Raw { character } => {
                let fitting = PIECE_TIME.as_nanos() / character.as_nanos().max(1);
                let len = u32::try_from(fitting).unwrap_or(PIECE_LEN_MAX).clamp(1, PIECE_LEN_MAX);
                self.reader.by_ref().take(u64::from(len)).read_to_end(&mut self.piece)?;
                self.at += *character * u32::try_from(self.piece.len()).unwrap_or(0);
            }
            Content::Lines { first_ns, number } => loop {
                let mut line = Vec::new();
                self.reader.by_ref().take(LINE_LEN_MAX).read_until(b'\n', &mut line)?;
                if line.is_empty() {
                    break;
                }
                *number += 1;
                if line.trim_ascii().is_empty() || line.starts_with(b"#") {
                    continue;
                }
                let entry = str::from_utf8(&line).ok().and_then(|line| line.parse::<CaptureLine>().ok());
                let entry = entry.ok_or_else(|| {
                    let message = format!("line {number} is no capture line `TIME rx|tx HEX`");
                    io::Error::new(io::ErrorKind::InvalidData, message)
                })?;
                let unix_ns = entry.time.as_nanosecond();
                let first = *first_ns.get_or_insert(unix_ns);
                // A clock that was set back during the capture does not turn time back.
                let at = u64::try_from(unix_ns - first).map(Duration::from_nanos).unwrap_or(self.at);
                self.at = self.at.max(at);
                self.captured_unix_ms = Some(entry.time.as_millisecond());
                if entry.direction == Direction::Received && !entry.bytes.is_empty() {
                    self.piece = entry.bytes;
                    break;
                }
            },
        }
        Ok(())
    }
}

/// True when the beginning of a file looks like capture lines: a time of day and a direction.
fn is_capture(start: &[u8]) -> bool {
    let mut lines = start.split(|&byte| byte == b'\n');
    let Some(line) = lines.find(|line| !line.trim_ascii().is_empty() && !line.starts_with(b"#")) else {
        return false;
    };
    let Ok(text) = str::from_utf8(line.get(..64.min(line.len())).unwrap_or_default()) else { return false };
    let mut words = text.split_whitespace();
    words.next().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok())
        && words.next().is_some_and(|direction| direction == "rx" || direction == "tx")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8], line: LineSettings, speed: Speed) -> io::Result<Vec<(Vec<u8>, Duration)>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("capture");
        std::fs::write(&path, content)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        runtime.block_on(async {
            let mut file = File::open(&path, line, speed)?;
            let (mut pieces, mut buffer) = (Vec::new(), [0; 64]);
            loop {
                let received = file.receive(&mut buffer).await?;
                if received.len == 0 {
                    return Ok(pieces);
                }
                pieces.push((buffer[..received.len].to_vec(), received.at));
            }
        })
    }

    #[test]
    fn raw_bytes_come_as_fast_as_the_line_carries_them() {
        let pieces = read(&[0x55; 100], LineSettings::M9600_8N1, Speed::LIVE).unwrap();
        // 960 characters a second: 48 in 50 ms.
        let lengths: Vec<usize> = pieces.iter().map(|(bytes, _)| bytes.len()).collect();
        assert_eq!(lengths, [48, 48, 4]);
        let end = pieces.last().unwrap().1;
        assert!((end.as_secs_f64() - 100.0 / 960.0).abs() < 1e-6, "{end:?}");
    }

    #[test]
    fn capture_lines_keep_their_times_and_what_was_sent_is_left_out() {
        let capture = b"# a comment\n2026-11-20T08:30:00.000000000Z rx 1b1b1b1b\n\
            2026-11-20T08:30:00.5Z tx 803f\n2026-11-20T08:30:02.000000001Z rx 01 02\n";
        let pieces = read(capture, LineSettings::M9600_8N1, Speed::UNPACED).unwrap();
        assert_eq!(
            pieces,
            [(vec![0x1B; 4], Duration::ZERO), (vec![1, 2], Duration::from_nanos(2_000_000_001))]
        );
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let capture = b"2026-11-20T08:30:00Z rx 1b\n2026-11-20T08:30:00Z rx 1\n";
        let error = read(capture, LineSettings::M9600_8N1, Speed::UNPACED).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn a_speed_of_nothing_sensible_does_not_wait() {
        for times in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Speed::new(times), Speed::UNPACED);
        }
        assert_eq!(Speed::new(2.0).scaled(Duration::from_secs(3)), Duration::from_millis(1500));
    }
}
