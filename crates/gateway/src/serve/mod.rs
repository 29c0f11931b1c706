//! What others read of this gateway, each on a listener of its own and off until it is configured. Nobody changes
//! anything by it.
mod telegrams;

pub use telegrams::{Tap, Telegrams};
