//! Which numbers of an accepted telegram are believed: what cannot be is held back, visibly, and never passed on.
//!
//! One [`Gate`] for each meter takes every telegram that passed the checks of its protocol. What it answers is a row
//! for the store, numbers for quarantine, or nothing for a repetition. It is a pure state machine: clocks are
//! arguments, and what it must know after a restart is a [`Past`].
//!
//! | what is seen | what becomes of it |
//! |---|---|
//! | a counter lower than before | held, [`HeldReason::RolledBack`]; if it is a total (`x.8.0`), all counters of the telegram |
//! | more than `max_power` on the average, or at this moment | held, [`HeldReason::ImpossiblePower`] |
//! | another unit | held, [`HeldReason::UnitChanged`]; m3 and l are one, in the unit that was there first |
//! | another scaler, and the value does not go on | held, [`HeldReason::ScalerChanged`]; if it goes on, believed and told once |
//! | another meter's name, once or twice in a row | all its numbers held, [`HeldReason::ForeignMeter`] |
//! | another meter's name three times in a row | a new [`Epoch`], what was held is released, totals go on |
//! | held numbers that agree for ten telegrams and 60 s | released; a counter that fell begins an epoch, totals go on |
//! | the same numbers at the same time of the meter | not stored again |
//! | older than the row before, from a file or another gateway | between its neighbours, or held |
//! | held numbers that a person accepts | released; a counter that fell begins an epoch, totals go on |
//!
//! What is a counter stands at [`is_counter`], which time a reading gets at [`best_instant`], totals at [`total`] and
//! [`recompute`]. All comparisons are exact.

mod by_hand;
mod counter;
mod doubt;
mod epoch;
mod exact;
mod finding;
mod foreign;
mod gate;
mod held;
mod identity;
mod instant;
mod judged;
mod late;
mod ledger;
mod limits;
mod numbers;
mod settle;
mod standing;
mod telling;

pub use counter::is_counter;
pub use epoch::{Epoch, EpochCause};
pub use gate::Gate;
pub use held::{Held, HeldReason, Judgement};
pub use instant::{JumpWatch, best_instant};
pub use judged::{Arrival, EpochChange, Judged};
pub use ledger::{Chapter, epoch_at, recompute, total};
pub use limits::Limits;
pub use standing::{Past, Standing};
