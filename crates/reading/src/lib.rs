//! What a meter said, in OBIS terms.
//!
//! This is the narrow waist of metergate: every protocol produces these types, every sink consumes them.
//!
//! ```
//! use metergate_reading::{Number, ObisCode, Unit};
//!
//! let import: ObisCode = "1-0:1.8.0".parse()?;
//! assert_eq!(import.to_string(), "1-0:1.8.0*255");
//! assert_eq!(import.name(), Some("active energy import"));
//!
//! // A meter sends 352040842 with scaler -4 and unit 30: exactly 35204.0842 Wh, never a float.
//! let energy = Number::new(352_040_842, -4);
//! assert_eq!(format!("{energy} {}", Unit::WattHour), "35204.0842 Wh");
//!
//! assert!("1-0:1.8".parse::<ObisCode>().is_err(), "half a code is refused");
//! # Ok::<(), metergate_reading::ParseObisError>(())
//! ```
//!
//! **Invariants.** No bytes on a line, no files, no async, no floating point. A register that is absent is absent:
//! nothing here has a default of zero.
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod meter_id;
mod number;
mod obis;
mod obis_name;
#[cfg(feature = "alloc")]
mod owned;
mod register;
#[cfg(feature = "alloc")]
mod register_id;
mod time;
mod unit;

pub use meter_id::{MeterId, MeterIdKind};
pub use number::{Number, ParseNumberError};
pub use obis::{ObisCode, ObisStyle, ObisText, ParseObisError};
#[cfg(feature = "alloc")]
pub use owned::{AddressBuf, Reading, RegisterBuf, ValueBuf};
pub use register::{Address, Groups, List, NextValue, Register, Value};
#[cfg(feature = "alloc")]
pub use register_id::{ParseRegisterIdError, RegisterId};
pub use time::{ClockStatus, Date, DateTime, Instant, Time, Trust};
pub use unit::Unit;
