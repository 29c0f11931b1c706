//! Bodies of log entries.
use super::{BodyError, EmitError, check_body};
use alloc::vec::Vec;

/// Slots of the log of a device, all of which are sent.
pub const LOG_SLOTS: usize = 200;
/// Time, time since start, code.
const ENTRY_LEN: usize = 12;
/// Code of a slot that holds nothing.
const UNUSED: i32 = -1;

/// What happened on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEntry {
    /// Seconds since 1970-01-01T00:00:00Z; small before the device knew the time.
    pub time_s: u32,
    /// Milliseconds since the device started; begins again after 49.7 days.
    pub uptime_ms: u32,
    /// What: from 1000 on a code of SMGW.Lite, below a number of values that were to be sent. Never -1.
    pub code: i32,
}

/// The body of these entries, oldest first, and unused slots behind them: 2400 bytes.
///
/// # Errors
/// - [`EmitError::TooMany`] beyond [`LOG_SLOTS`].
/// - [`EmitError::Ambiguous`] for code -1.
///
/// ```
/// use metergate_series::smgw_lite::{EmitError, LogEntry, emit_log, read_log};
///
/// let start = LogEntry { time_s: 1_775_986_800, uptime_ms: 5_012, code: 1001 };
/// let body = emit_log(&[start])?;
/// assert_eq!(body.len(), 2400);
/// assert!(read_log(&body)?.eq([start]));
/// assert_eq!(emit_log(&[LogEntry { code: -1, ..start }]), Err(EmitError::Ambiguous { entry: 0 }));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub fn emit_log(entries: &[LogEntry]) -> Result<Vec<u8>, EmitError> {
    if entries.len() > LOG_SLOTS {
        return Err(EmitError::TooMany { max: LOG_SLOTS, found: entries.len() });
    }
    if let Some(entry) = entries.iter().position(|entry| entry.code == UNUSED) {
        return Err(EmitError::Ambiguous { entry });
    }
    let unused = LogEntry { time_s: 0, uptime_ms: 0, code: UNUSED };
    let slots = entries.iter().chain(core::iter::repeat(&unused)).take(LOG_SLOTS);
    let words = |slot: &LogEntry| [slot.time_s, slot.uptime_ms, slot.code.cast_unsigned()];
    Ok(slots.flat_map(words).flat_map(u32::to_le_bytes).collect())
}

/// The entries of a body, without unused slots, in the order of the slots: the log is a ring, whose oldest entry need
/// not stand first. Any number of slots is read; later firmware sends only those that are new.
///
/// # Errors
/// - [`BodyError::TooLong`] beyond [`super::BODY_LEN_MAX`].
/// - [`BodyError::Unaligned`] when the body ends within a slot.
pub fn read_log(body: &[u8]) -> Result<LogEntries<'_>, BodyError> {
    check_body(body, ENTRY_LEN)?;
    Ok(LogEntries { rest: body })
}

/// The entries of a body.
#[derive(Debug, Clone)]
pub struct LogEntries<'a> {
    rest: &'a [u8],
}

impl Iterator for LogEntries<'_> {
    type Item = LogEntry;

    fn next(&mut self) -> Option<LogEntry> {
        loop {
            let (slot, rest) = self.rest.split_first_chunk::<ENTRY_LEN>()?;
            self.rest = rest;
            let [a, b, c, d, e, f, g, h, i, j, k, l] = *slot;
            let code = i32::from_le_bytes([i, j, k, l]);
            if code != UNUSED {
                let (time_s, uptime_ms) =
                    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
                return Some(LogEntry { time_s, uptime_ms, code });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    const START: LogEntry = LogEntry { time_s: 0x69DB_6870, uptime_ms: 0x1394, code: 1001 };

    #[test]
    fn row_36_a_body_of_log_entries_has_these_bytes() {
        let body = emit_log(&[START, LogEntry { uptime_ms: u32::MAX, code: 234, ..START }]).unwrap();
        assert_eq!(body[..12], [0x70, 0x68, 0xDB, 0x69, 0x94, 0x13, 0x00, 0x00, 0xE9, 0x03, 0x00, 0x00]);
        assert_eq!(body[12..24], [0x70, 0x68, 0xDB, 0x69, 0xFF, 0xFF, 0xFF, 0xFF, 0xEA, 0x00, 0x00, 0x00]);
        for unused in body[24..].chunks(12) {
            assert_eq!(unused, [0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        }
        assert_eq!(body.len(), 200 * 12);
    }

    proptest! {
        #[test]
        fn any_entries_come_back(entries in prop::collection::vec((any::<u32>(), any::<u32>(), 0..9000_i32), 0..=200)) {
            let entries: Vec<LogEntry> = entries
                .into_iter()
                .map(|(time_s, uptime_ms, code)| LogEntry { time_s, uptime_ms, code })
                .collect();
            let body = emit_log(&entries).unwrap();
            prop_assert_eq!(read_log(&body).unwrap().collect::<Vec<_>>(), entries);
        }

        #[test]
        fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..100)) {
            match read_log(&body) {
                Ok(entries) => prop_assert!(entries.count() <= body.len() / 12),
                Err(error) => prop_assert_eq!(error, BodyError::Unaligned { entry_len: 12, found: body.len() }),
            }
        }
    }

    #[test]
    fn a_log_that_does_not_fill_its_slots_is_read() {
        let body = emit_log(&[START]).unwrap();
        assert!(read_log(&body[..12]).unwrap().eq([START]));
        assert_eq!(read_log(&[]).unwrap().count(), 0);
    }

    #[test]
    fn entries_beyond_the_slots_and_bodies_beyond_the_limit_are_refused() {
        assert!(emit_log(&[START; 200]).is_ok());
        assert_eq!(emit_log(&[START; 201]), Err(EmitError::TooMany { max: 200, found: 201 }));
        assert_eq!(read_log(&vec![0; 36_876]).err(), Some(BodyError::TooLong { found: 36_876 }));
        assert!(read_log(&vec![0; 36_864]).is_ok());
    }
}
