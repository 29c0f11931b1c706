//! Tariff use cases and the quarter-hour grid, as pure functions of readings.
//!
//! The use cases are named "like TAF n of BSI TR-03109-1": they keep the same values at the same instants, and are no
//! billing under the law on legal metrology.
//!
//! ```
//! use metergate_reading::{Instant, Trust};
//! use metergate_tariff::{Grid, Quality, Sampler};
//!
//! let mut quarter_hours = Sampler::new(Grid::QUARTER_HOUR, None);
//! let at = |unix_s: i64| Instant { unix_ms: unix_s * 1000, trust: Trust::HostSynchronised };
//! let pick = quarter_hours.reading(at(1_700_000_103)).unwrap();
//! assert_eq!((pick.mark.unix_s(), pick.quality), (1_700_000_100, Quality::Exact));
//! assert_eq!(quarter_hours.reading(at(1_700_000_113)), None, "each mark has one value");
//! ```
//!
//! **Invariants.** No clock, no storage, no zone, no allocation, no floating point: time, stored values and local
//! time are arguments. What is missing stays missing and what cannot be assigned is said so; nothing is interpolated.
#![no_std]

#[cfg(test)]
extern crate std;

mod boot;
pub mod derived;
mod dynamic;
mod exact;
mod grid;
pub mod price;
mod profile;
mod sampler;
mod time_of_use;
pub mod total;
mod use_case;

pub use boot::BootSnapshot;
pub use dynamic::{Dynamic, DynamicSettings, Trigger};
pub use grid::{Grid, Mark, PeriodError, Pick, Quality, Run};
pub use profile::{Boundary, MarkValue, ProfileError, Slot, Span, at_boundaries, between_boundaries, slots};
pub use sampler::{RUNS_MAX, Sampler};
pub use time_of_use::{
    LocalSlot, RULES_MAX, Rule, Schedule, ScheduleError, TARIFFS_MAX, TariffRegisters, Weekday, Weekdays,
    time_of_use,
};
pub use use_case::{Offered, ParseUseCaseError, Priority, UseCase};
