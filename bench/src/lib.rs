//! Decoding of telegrams of fixed content: what the instruction gates and the allocation counter run.
//!
//! A [`Row`] prepares a telegram and hands out one pass over it, from bytes to every value. Passes are counted, not
//! timed: `cargo xtask bench` compares the instructions of one pass with its gate and with the figures of others.
//!
//! **Invariant.** The telegrams come from our own emitters, with dummy keys and invented meters, and never change:
//! figures of different days stay comparable.
pub mod rows;
pub mod telegrams;

pub use rows::{ROWS, Row};
