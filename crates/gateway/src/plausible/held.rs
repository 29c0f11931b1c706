//! Numbers in quarantine.
use metergate_reading::{Instant, Number, RegisterId, Unit};
use std::sync::Arc;

/// One number that is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Number among all of them; 0 before the store has given it one.
    pub id: i64,
    /// The meter's name in the configuration.
    pub meter: Arc<str>,
    /// The reading's time.
    pub at: Instant,
    /// The register.
    pub register: RegisterId,
    /// What it says.
    pub number: Number,
    /// In this unit.
    pub unit: Option<Unit>,
    /// Why it is not believed.
    pub reason: HeldReason,
    /// Figures for a person: what was expected, what was found.
    pub detail: String,
    /// What became of it.
    pub judgement: Judgement,
    /// The name of its telegram's meter, when that is what is wrong.
    pub identity: Option<Arc<str>>,
}

/// Why a number is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeldReason {
    /// A counter stands lower than before.
    RolledBack,
    /// Between two readings more flowed than any connection carries.
    ImpossiblePower,
    /// The register came in another unit than ever before.
    UnitChanged,
    /// The register came with another scaler, and its value does not continue.
    ScalerChanged,
    /// The telegram names another meter, and fewer than three in a row did.
    ForeignMeter,
    /// It is older than the last reading, and a reading beside it lacks the register.
    Unplaced,
}

impl HeldReason {
    /// Each reason with its name in JSON and in the store.
    pub const NAMES: [(Self, &'static str); 6] = [
        (Self::RolledBack, "rolled_back"),
        (Self::ImpossiblePower, "impossible_power"),
        (Self::UnitChanged, "unit_changed"),
        (Self::ScalerChanged, "scaler_changed"),
        (Self::ForeignMeter, "foreign_meter"),
        (Self::Unplaced, "unplaced"),
    ];

    /// Its name in JSON and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(reason, _)| *reason == self).map_or("", |(_, name)| name)
    }
}

/// What became of a number in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Judgement {
    /// Not decided yet.
    #[default]
    Open,
    /// It was right after all and stands among the rows.
    Released,
    /// It stays out for good.
    Rejected,
}

impl Judgement {
    /// Each judgement with its name in JSON and in the store.
    pub const NAMES: [(Self, &'static str); 3] =
        [(Self::Open, "open"), (Self::Released, "released"), (Self::Rejected, "rejected")];
}
