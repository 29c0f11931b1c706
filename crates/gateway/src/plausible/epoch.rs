//! The time in which one meter counted under one name.
use metergate_reading::{Number, RegisterId};
use std::sync::Arc;

/// From its beginning on, totals are the register plus an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Number among all epochs of the store; 0 before the store has given it one.
    pub id: i64,
    /// The meter's name in the configuration.
    pub meter: Arc<str>,
    /// Its first reading, milliseconds since 1970 in UTC.
    pub from_ms: i64,
    /// The identity that the telegrams carry, as printed on the meter.
    pub identity: Option<Arc<str>>,
    /// Why it began.
    pub cause: EpochCause,
    /// For each counter what is added to the register, so that totals continue.
    pub offsets: Vec<(RegisterId, Number)>,
    /// A person said that it was none.
    pub undone: bool,
}

impl Epoch {
    /// What is added to a register; `None` when it begins at itself.
    #[must_use]
    pub fn offset(&self, register: &RegisterId) -> Option<Number> {
        self.offsets.iter().find(|(id, _)| id == register).map(|&(_, offset)| offset)
    }

    pub(super) fn set_offset(&mut self, register: &RegisterId, offset: Number) {
        match self.offsets.iter_mut().find(|(id, _)| id == register) {
            Some((_, old)) => *old = offset,
            None => self.offsets.push((register.clone(), offset)),
        }
    }
}

/// Why an epoch began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EpochCause {
    /// The first reading ever.
    First,
    /// Another identity: the meter was exchanged.
    Exchanged,
    /// The same identity, and the counters began anew.
    Reset,
    /// A person said so.
    Manual,
}

impl EpochCause {
    /// Each cause with its name in JSON and in the store.
    pub const NAMES: [(Self, &'static str); 4] = [
        (Self::First, "first"),
        (Self::Exchanged, "exchanged"),
        (Self::Reset, "reset"),
        (Self::Manual, "manual"),
    ];
}
