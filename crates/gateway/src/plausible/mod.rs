//! Which numbers of an accepted telegram are believed: what cannot be is held back, visibly, and never passed on.

mod epoch;
mod held;

pub use epoch::{Epoch, EpochCause};
pub use held::{Held, HeldReason, Judgement};
