//! The snapshot after a start.
use crate::grid::is_trusted;
use metergate_reading::Instant;

/// Picks the first reading of a start whose time can be trusted, once.
///
/// It is stored like a quarter hour ([`UseCase::BootSnapshot`](crate::UseCase::BootSnapshot) has the same priority), so
/// that the time before the next mark is not lost. One for each meter.
///
/// ```
/// use metergate_reading::{Instant, Trust};
/// use metergate_tariff::BootSnapshot;
///
/// let mut boot = BootSnapshot::default();
/// assert!(!boot.reading(Instant { unix_ms: 5_000, trust: Trust::HostUnsynchronised }));
/// let trusted = Instant { unix_ms: 1_700_000_123_000, trust: Trust::HostSynchronised };
/// assert!(boot.reading(trusted));
/// assert!(!boot.reading(trusted), "once a start");
/// ```
#[derive(Debug, Clone, Default)]
pub struct BootSnapshot {
    taken: bool,
}

impl BootSnapshot {
    /// Takes the time of a reading, and says whether this is the snapshot.
    pub fn reading(&mut self, at: Instant) -> bool {
        let first = !self.taken && is_trusted(at.trust);
        self.taken |= first;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::Trust;

    #[test]
    fn the_snapshot_waits_for_a_trusted_clock_and_comes_once() {
        let mut boot = BootSnapshot::default();
        let mut reading = |trust| boot.reading(Instant { unix_ms: 1_700_000_123_000, trust });
        assert!(!reading(Trust::None));
        assert!(!reading(Trust::HostUnsynchronised));
        assert!(!reading(Trust::MeterDoubtful));
        assert!(reading(Trust::MeterValid));
        assert!(!reading(Trust::MeterValid));
        assert!(!reading(Trust::HostSynchronised));
    }
}
