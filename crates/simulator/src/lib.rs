//! Virtual meters: every protocol as a real meter speaks it, with a household behind it and faults on request.
//!
//! ```
//! use metergate_simulator::{MeterKind, Settings, Simulation};
//!
//! let noon = 1_775_986_800; // 2026-04-12T09:40:00Z
//! let mut meter = Simulation::new(Settings::new(MeterKind::EasyMeterQ3a, 7, noon))?;
//! let telegram = &meter.push(noon + 2)[0];
//! assert!(telegram.bytes.starts_with(&[0x1B, 0x1B, 0x1B, 0x1B, 0x01, 0x01, 0x01, 0x01]));
//! assert!(meter.hear(b"/?!\r\n", std::time::Duration::ZERO, noon + 2).is_empty(), "nobody asks an SML meter");
//! # Ok::<(), metergate_simulator::SettingsError>(())
//! ```
//!
//! From the [`Household`] a meter takes its values, from the emitters of `metergate-wire` its bytes, and both go side
//! by side: what a telegram [`Said`] is noted as it is put together, never read back from its bytes. So a reader's
//! result can be held against the ledger.
//!
//! **Invariants.** No floating point. The same settings and times give the same bytes. Nothing of the daemon is known
//! here.
#![warn(clippy::float_arithmetic)]

mod cipher;
mod fault;
mod household;
mod ledger;
mod meter;
mod pty;
mod random;
mod simulation;
mod speak;

pub mod clock;

pub use fault::{Fault, FaultKind, ParseFaultError};
pub use household::{
    CATCH_UP_MAX_S, Energies, Energy, HeatFlow, Household, MILLIWATT_SECONDS_PER_WH, Phase, Supplies,
};
pub use ledger::{Said, Sent};
pub use meter::{EXAMPLE_KEYS, LUXEMBOURG_AUTH_KEY, MeterKind};
pub use pty::Pty;
pub use random::Random;
pub use simulation::{Output, Settings, SettingsError, Simulation};
pub use speak::{Control, Outlet, Tcp, speak, unix_s};
