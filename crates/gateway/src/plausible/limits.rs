//! What is believed of one meter.
use metergate_reading::{Number, RegisterId};
use std::time::Duration;

/// How much is believed, and how long something new has to last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest power of the connection in W, also var and VA: 40,000, the limit of SMGW.Lite's backend.
    ///
    /// A household's main fuses of 3 x 63 A carry 43 kW for hours, and no household draws that on the average.
    pub max_power: u32,
    /// How many telegrams in a row have to agree before what was held back is believed: 10, at most
    /// [`PENDING_MAX`](Self::PENDING_MAX).
    pub agreeing: u16,
    /// And for how long they have to: 60 s.
    pub lasting: Duration,
    /// How far the meter's clock may differ from the host's: 60 s.
    pub clock_tolerance: Duration,
    /// What a person adds to registers from the first epoch on, as S3 does after an exchange.
    pub offsets: Vec<(RegisterId, Number)>,
}

impl Limits {
    /// Readings of one register that a gate remembers while they are in doubt: two a second for a minute.
    pub const PENDING_MAX: usize = 128;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_power: 40_000,
            agreeing: 10,
            lasting: Duration::from_secs(60),
            clock_tolerance: Duration::from_secs(60),
            offsets: Vec::new(),
        }
    }
}
