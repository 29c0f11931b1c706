//! Where a register stands.
use super::{Epoch, Held, is_counter};
use crate::store::{Remark, Row, RowFlags};
use metergate_reading::{Instant, Number, RegisterId, Unit};

/// The latest believed number of a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The register.
    pub register: RegisterId,
    /// In this unit.
    pub unit: Option<Unit>,
    /// What it says.
    pub number: Number,
    /// Since when, or when last.
    pub at: Instant,
}

impl Standing {
    /// True when the register only ever rises.
    #[must_use]
    pub fn is_counter(&self) -> bool {
        self.register.obis().is_some_and(|code| is_counter(code, self.unit))
    }

    /// Takes what a row says of all its registers.
    pub(super) fn take(standings: &mut Vec<Self>, row: &Row) {
        for (column, number) in row.numbers() {
            let (unit, at) = (column.unit, row.at);
            match standings.iter_mut().find(|standing| standing.register == column.id) {
                Some(standing) => (standing.unit, standing.number, standing.at) = (unit, number, at),
                None => standings.push(Self { register: column.id.clone(), unit, number, at }),
            }
        }
    }
}

/// What the store knows of a meter at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Its epochs in order, undone ones included.
    pub epochs: Vec<Epoch>,
    /// The latest believed number of each register.
    pub standings: Vec<Standing>,
    /// The row before: neither late nor released.
    pub last_row: Option<Row>,
    /// What is open in quarantine, in order; what is older than a day need not be there.
    pub held: Vec<Held>,
    /// The latest value of each register that is no number.
    pub remarks: Vec<Remark>,
}

impl Past {
    /// Takes one row after the other, in the order of their numbers; the latest of each register are enough.
    pub fn take(&mut self, row: &Row) {
        if row.flags.contains(RowFlags::LATE) {
            return;
        }
        Standing::take(&mut self.standings, row);
        if !row.flags.contains(RowFlags::RELEASED) {
            self.last_row = Some(row.clone());
        }
    }
}
