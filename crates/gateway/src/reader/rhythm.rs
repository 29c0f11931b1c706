//! How often a meter speaks, and so how long its silence may last.
use std::time::Duration;

/// Learns a meter's interval from its telegrams.
#[derive(Debug, Clone)]
pub(super) struct Rhythm {
    /// As the configuration says.
    silent_after: Option<Duration>,
    usual: Option<Duration>,
    last: Option<Duration>,
    patience_min: Duration,
}

/// Before two telegrams have come: one and a half of the longest usual interval of meters that push (10 s).
const PATIENCE_UNKNOWN: Duration = Duration::from_secs(15);

/// A meter that sends twice a second is not silent after one and a half.
const PATIENCE_MIN: Duration = Duration::from_secs(5);

/// A meter that is asked has this long before the conversation itself says that it does not answer: three attempts,
/// each with its wake-up and its wait.
const PATIENCE_MIN_ASKED: Duration = Duration::from_secs(30);

/// Intervals beyond this are pauses.
const INTERVAL_MAX: Duration = Duration::from_secs(2 * 3600);

/// A serial adapter that stands still is opened again after this, or ten intervals if that is longer: opening it
/// switches DTR and with it the supply of some heads, so not at every pause.
const SERIAL_STUCK: Duration = Duration::from_secs(60);

impl Rhythm {
    /// `asked_every`: the interval of a meter that is asked.
    pub(super) fn new(silent_after: Option<Duration>, asked_every: Option<Duration>) -> Self {
        let patience_min = if asked_every.is_some() { PATIENCE_MIN_ASKED } else { PATIENCE_MIN };
        Self { silent_after, usual: asked_every, last: None, patience_min }
    }

    /// Notes a telegram.
    pub(super) fn telegram(&mut self, at: Duration) {
        if let Some(gap) = self.last.map(|last| at.saturating_sub(last)) {
            self.usual = Some(match self.usual {
                // A pause does not make a rhythm; several do, since each may double what is usual.
                Some(usual) if gap > usual => gap.min(usual.saturating_mul(2)),
                Some(usual) => (usual * 3 + gap) / 4,
                None => gap,
            });
            self.usual = self.usual.map(|usual| usual.min(INTERVAL_MAX));
        }
        self.last = Some(at);
    }

    /// The silence after which the meter counts as silent: three intervals, unless configured.
    pub(super) fn patience(&self) -> Duration {
        self.silent_after.unwrap_or_else(|| {
            self.usual.map_or(PATIENCE_UNKNOWN, |usual| (usual * 3).max(self.patience_min))
        })
    }

    /// The silence after which a connection counts as dead though the system calls it alive.
    pub(super) fn connection_dead_after(&self) -> Duration {
        self.patience()
    }

    /// The silence after which a serial device counts as stuck.
    pub(super) fn device_stuck_after(&self) -> Duration {
        self.usual.map_or(SERIAL_STUCK, |usual| (usual * 10).max(SERIAL_STUCK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn three_missing_telegrams_are_silence() {
        let mut rhythm = Rhythm::new(None, None);
        assert_eq!(rhythm.patience(), PATIENCE_UNKNOWN);
        for second in (0..100).step_by(5) {
            rhythm.telegram(at(second));
        }
        assert_eq!(rhythm.patience(), at(15));
        assert_eq!(Rhythm::new(Some(at(2)), None).patience(), at(2));
        assert_eq!(Rhythm::new(None, Some(at(3600))).patience(), at(3 * 3600));
    }

    #[test]
    fn a_pause_of_an_hour_is_no_new_rhythm() {
        let mut rhythm = Rhythm::new(None, None);
        (0..10).for_each(|second| rhythm.telegram(at(second)));
        rhythm.telegram(at(3600));
        assert!(rhythm.patience() <= at(6));
    }

    #[test]
    fn a_meter_that_is_set_to_send_more_rarely_is_followed() {
        let mut rhythm = Rhythm::new(None, None);
        (0..10).for_each(|second| rhythm.telegram(at(second)));
        (1..10).for_each(|n| rhythm.telegram(at(10 + 60 * n)));
        assert_eq!(rhythm.patience(), at(180));
    }
}
