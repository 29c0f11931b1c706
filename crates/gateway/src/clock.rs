//! The two clocks of a host: one that only goes forward, and the time of day with how far it can be trusted.
use metergate_reading::{Instant, Trust};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Says what time it is.
///
/// Conversations, verdicts and backoff use [`now`](Self::now), which no correction of the host's clock moves;
/// readings are stamped with [`time_of_day`](Self::time_of_day).
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: tokio::time::Instant,
}

/// Before this no host runs this program: a clock that says so was never set (2024-01-01T00:00:00Z).
const PLAUSIBLE_UNIX_S: u64 = 1_704_067_200;

/// systemd-timesyncd makes this file when it has set the clock.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

impl Clock {
    /// A clock whose [`now`](Self::now) begins at 0.
    #[must_use]
    pub fn start() -> Self {
        Self { started: tokio::time::Instant::now() }
    }

    /// Time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// When `now` will be reached, for timers.
    #[must_use]
    pub fn at(&self, now: Duration) -> tokio::time::Instant {
        // A deadline that no clock reaches is one a day away: the timer fires and is set again.
        self.started.checked_add(now).unwrap_or_else(|| self.started + Duration::from_secs(86_400))
    }

    /// The host's time of day.
    #[must_use]
    pub fn time_of_day(&self) -> Instant {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let trust = if since.as_secs() < PLAUSIBLE_UNIX_S {
            Trust::None
        } else if Path::new(SYNCHRONISED).exists() {
            Trust::HostSynchronised
        } else {
            Trust::HostUnsynchronised
        };
        Instant { unix_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX), trust }
    }
}
