//! The binary push of SMGW.Lite devices, both directions: bodies of values and bodies of log entries.
//!
//! Source: firmware and backend of github.com/fourwheel/SMGW.Lite, version 1.3.1. Everything is 32 bits, low byte
//! first. A body of values has one entry after the other, and the query of its request says what an entry holds:
//!
//! ```text
//! POST /?ID=TA0&...&fields=ts,m180,temp,solar,m280
//!
//!  0..4   ts     seconds since 1970-01-01T00:00:00Z
//!  4..8   m180   1-0:1.8.0 in 0.1 Wh
//!  8..12  temp   hundredths of a degree Celsius, two's complement
//! 12..16  solar  energy of a solar inverter in Ws; FFFFFFF0 to FFFFFFFF: none
//! 16..20  m280   1-0:2.8.0 in 0.1 Wh
//! ```
//!
//! `temp`, `solar` and `m280` are there only where the device has them. Old firmware sends its whole buffer; slots in
//! which time and counter are 0 hold nothing and are skipped.
//!
//! A body of log entries has up to 200 slots of 12 bytes: time, milliseconds since the device started, code. Slots
//! with code -1 hold nothing.
//!
//! What the format cannot say is refused, never wrapped: a counter in 0.1 Wh ends at 429,496.7295 kWh, and there is no
//! word for an absent counter or temperature.
mod log;
mod quantity;
mod value;

pub use log::{LOG_SLOTS, LogEntries, LogEntry, emit_log, read_log};
pub use quantity::{QuantityError, centidegrees, tenths_of_wh, watt_seconds};
pub use value::{Entries, Entry, Field, Fields, FieldsError};

use core::fmt;

/// Longest body that an SMGW.Lite backend takes; a device buffers 16 KB unless it is told otherwise.
pub const BODY_LEN_MAX: usize = 36_864;

/// Entries that cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmitError {
    /// There are more entries than a body holds, or than a log has slots.
    TooMany {
        /// How many fit.
        max: usize,
        /// How many there are.
        found: usize,
    },
    /// An entry has no value for a field of the body, and the format has no word for that.
    Absent {
        /// Number of the entry, from 0.
        entry: usize,
        /// The field.
        field: Field,
    },
    /// An entry has a value for which the body has no field; it would be lost.
    Unlisted {
        /// Number of the entry, from 0.
        entry: usize,
        /// The field.
        field: Field,
    },
    /// A value would be read as something else: time 0 with counter 0 as an empty slot, a solar energy from FFFFFFF0
    /// on as none, log code -1 as an empty slot.
    Ambiguous {
        /// Number of the entry, from 0.
        entry: usize,
    },
    /// A field whose name is not known cannot be filled.
    UnknownField,
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { max, found } => write!(f, "{found} entries do not fit, a body holds {max}"),
            Self::Absent { entry, field } => {
                write!(f, "entry {entry} has no {field}, and the format has no word for none")
            }
            Self::Unlisted { entry, field } => {
                write!(f, "entry {entry} has {field}, which the body does not list")
            }
            Self::Ambiguous { entry } => write!(f, "entry {entry} would be read as an empty one"),
            Self::UnknownField => f.write_str("the body lists a field that is not known"),
        }
    }
}

impl core::error::Error for EmitError {}

/// A body that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// Longer than [`BODY_LEN_MAX`]; answered with 413.
    TooLong {
        /// Bytes of the body.
        found: usize,
    },
    /// No whole number of entries; answered with 400.
    Unaligned {
        /// Bytes of an entry.
        entry_len: usize,
        /// Bytes of the body.
        found: usize,
    },
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { found } => {
                write!(f, "the body has {found} bytes, at most {BODY_LEN_MAX} are read")
            }
            Self::Unaligned { entry_len, found } => {
                write!(f, "the body has {found} bytes, which is no multiple of {entry_len} for an entry")
            }
        }
    }
}

impl core::error::Error for BodyError {}

/// Refuses a body that is too long or does not consist of whole entries.
fn check_body(body: &[u8], entry_len: usize) -> Result<(), BodyError> {
    let found = body.len();
    if found > BODY_LEN_MAX {
        return Err(BodyError::TooLong { found });
    }
    if !found.is_multiple_of(entry_len) {
        return Err(BodyError::Unaligned { entry_len, found });
    }
    Ok(())
}
