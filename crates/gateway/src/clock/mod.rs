//! The clocks of a host: one that only goes forward, one that survives a restart of the program, and the time of day
//! with how far it can be trusted.
mod kernel;

use metergate_reading::{Instant, Trust};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Says what time it is.
///
/// Conversations, verdicts and backoff use [`now`](Self::now), which no correction of the host's clock moves;
/// readings are stamped with [`time_of_day`](Self::time_of_day). Before any time can be trusted they are anchored to
/// [`since_boot_ms`].
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
        time_of_day()
    }
}

/// The host's time of day, with how far it can be trusted.
#[must_use]
pub fn time_of_day() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let trust = if since.as_secs() < PLAUSIBLE_UNIX_S {
        Trust::None
    } else if is_synchronised() {
        Trust::HostSynchronised
    } else {
        Trust::HostUnsynchronised
    };
    Instant { unix_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX), trust }
}

/// Whether a time service keeps the host's clock: the kernel's word, else that of systemd-timesyncd.
fn is_synchronised() -> bool {
    kernel::is_synchronised().unwrap_or_else(|| Path::new(SYNCHRONISED).exists())
}

/// Milliseconds since the host was booted, sleep included: the anchor of readings that came before any time could be
/// trusted. It goes on over a restart of the program.
#[must_use]
pub fn since_boot_ms() -> i64 {
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    since.tv_sec.saturating_mul(1000).saturating_add(since.tv_nsec / 1_000_000)
}

/// Which boot this is: an anchor of another boot says nothing. `None` where the kernel does not tell.
#[must_use]
pub fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_anchor_goes_forward_within_one_boot() {
        let before = since_boot_ms();
        assert!(before > 0);
        assert!(since_boot_ms() >= before);
        assert_eq!(boot_id(), boot_id());
    }
}
