//! Columns of one meter and register: the delta codec of the store, and the records of the SMGW.Lite push.
//!
//! ```
//! use metergate_series::block::{Block, BlockError, Encoder, Row};
//!
//! let mut encoder = Encoder::new();
//! for second in 0..3600_i64 {
//!     let values = [352_040_842 + second / 4, 1_055];
//!     encoder.push(&Row {
//!         sequence: 7_000 + second.cast_unsigned(),
//!         time_ms: 1_775_986_800_000 + second * 1000,
//!         flags: 0,
//!         meter_time_s: Some(1_775_986_800 + second),
//!         shape: 1,
//!         values: &values,
//!     })?;
//! }
//! let bytes = encoder.finish();
//! assert!(bytes.len() < 2000, "two registers of an hour, before any compression");
//!
//! let mut rows = Block::parse(&bytes)?.rows();
//! assert_eq!(rows.next_row().map(|row| (row.sequence, row.values[1])), Some((7_000, 1_055)));
//! assert!(matches!(Block::parse(&bytes[..20]), Err(BlockError::Short { .. })), "half a block is refused");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! - [`block`]: rows of one meter in columns of small differences, ready for a general compressor.
//! - [`smgw_lite`]: the bodies of the binary push of SMGW.Lite devices, both directions.
//!
//! **Invariants.** No transport, no storage, no compression, no floating point. Every `i64` comes back exactly. No
//! bytes make this crate panic, or allocate more than a fixed multiple of their length.
#![no_std]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::expect_used, clippy::panic))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod block;
pub mod smgw_lite;
