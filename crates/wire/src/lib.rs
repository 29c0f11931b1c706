//! Meter protocols on the wire: bytes become frames and messages, and back.
//!
//! Every format is one module with the same anatomy: the standard and a picture of the bytes, a borrowed view that
//! has proved its lengths and checks, `emit` for the way back, one small error enum that says what was expected,
//! what was found and where, and tests. What can be emitted can be simulated, and parse-emit-parse is a free test.
//!
//! ```
//! use metergate_wire::checksum;
//!
//! assert_eq!(checksum::x25(b"123456789"), 0x906E);
//! assert_ne!(checksum::x25(b"123456780"), 0x906E, "another text has another checksum");
//! ```
//!
//! **Invariants.** This crate has no keys, clocks or buffers of its own, allocates nothing, and never panics on any
//! input. It does not know what a reading is: an OBIS code stays six bytes here. A scanner's answer never changes
//! when more bytes follow ([`Scan`]).
#![no_std]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::expect_used, clippy::panic))]

#[cfg(test)]
extern crate std;

pub mod checksum;
pub mod dlms;
mod find;
pub mod hdlc;
pub mod iec62056_21;
pub mod kmp;
pub mod mbus;
pub mod p1;
mod scan;
mod slice;
pub mod sml;

pub use scan::Scan;
pub use slice::{Full, Reader, Short, Writer};
