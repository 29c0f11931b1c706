//! When a device pushes: at fixed marks of its own, so that the devices of a backend do not call all at once.
use std::time::Duration;

/// Seconds over which devices are spread, as SMGW.Lite does.
const SPREAD_S: u32 = 60;

/// The marks of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    every_ms: i64,
    offset_ms: i64,
}

impl Turn {
    /// Marks at multiples of `every`, later by 0 to 59 s that follow from the device id.
    pub(super) fn new(device_id: &str, every: Duration) -> Self {
        // SMGW.Lite takes its network address for that; an id is what we have.
        let hash = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(device_id.as_bytes());
        let every_ms = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
        Self { every_ms, offset_ms: i64::from(hash % SPREAD_S) * 1000 % every_ms }
    }

    /// How long what was recorded at one time has to wait at another for the first mark after it.
    ///
    /// Nothing when that mark has passed, so a backlog goes out at once; never longer than the interval, whatever the
    /// clock did in between.
    pub(super) fn wait(self, recorded_ms: i64, now_ms: i64) -> Duration {
        let since_mark = recorded_ms.saturating_sub(self.offset_ms).rem_euclid(self.every_ms);
        let mark = recorded_ms.saturating_add(self.every_ms - since_mark);
        let wait = mark.saturating_sub(now_ms).clamp(0, self.every_ms);
        Duration::from_millis(wait.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(120);

    #[test]
    fn a_reading_leaves_at_the_first_mark_after_it_and_a_backlog_at_once() {
        let turn = Turn { every_ms: 120_000, offset_ms: 7_000 };
        // Marks at 7 s, 127 s, 247 s.
        assert_eq!(turn.wait(60_000, 60_500), Duration::from_millis(66_500));
        assert_eq!(turn.wait(126_999, 126_999), Duration::from_millis(1));
        assert_eq!(turn.wait(127_000, 127_000), EVERY);
        assert_eq!(turn.wait(60_000, 127_000), Duration::ZERO);
        assert_eq!(turn.wait(60_000, 9_000_000), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_went_back_costs_one_interval_at_most() {
        let turn = Turn::new("TA0", EVERY);
        assert_eq!(turn.wait(1_775_986_800_000, 0), EVERY);
        assert!(turn.wait(i64::MAX, i64::MIN) <= EVERY);
        assert!(turn.wait(i64::MIN, i64::MAX) <= EVERY);
    }

    #[test]
    fn devices_are_spread_over_a_minute_and_each_keeps_its_place() {
        let ids: Vec<String> = (0..600).map(|number| format!("D{number}")).collect();
        let places: std::collections::BTreeSet<i64> =
            ids.iter().map(|id| Turn::new(id, EVERY).offset_ms).collect();
        assert!(places.len() > 55, "{}", places.len());
        assert!(places.iter().all(|offset| (0..60_000).contains(offset)));
        assert_eq!(Turn::new("TA0", EVERY), Turn::new("TA0", EVERY));
        assert!(Turn::new("TA0", Duration::from_secs(10)).offset_ms < 10_000);
    }
}
