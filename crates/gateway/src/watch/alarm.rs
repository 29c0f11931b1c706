//! One alert for a meter that has fallen silent or cannot be read, again each half hour, and its end.
use crate::config::{IecMode, MeterSetup};
use crate::event::EventCode;
use metergate_meter::Protocol;
use std::fmt;
use std::time::Duration;

/// Silence that is worth an alert: what SMGW.Lite takes. Every meter that sends by itself does so many times within.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// An alert that holds is repeated after this, also as SMGW.Lite does.
const REPEAT: Duration = Duration::from_secs(30 * 60);

/// A meter that is asked may miss two answers.
const ANSWERS: u32 = 3;

/// How long this meter may be without a telegram before that is worth an alert: 5 minutes, for a meter that is asked
/// three of its intervals if that is more, and never less than `silent_after`.
///
/// `recognised` is what was found out when the configuration names no protocol.
#[must_use]
pub fn patience(meter: &MeterSetup, recognised: Option<Protocol>) -> Duration {
    let interval = match meter.protocol.or(recognised) {
        Some(Protocol::Kmp) => Some(meter.kmp.interval),
        Some(Protocol::Iec62056_21) if meter.iec.mode != IecMode::Push => Some(meter.iec.interval),
        _ => None,
    };
    let asked = interval.map_or(Duration::ZERO, |interval| interval.saturating_mul(ANSWERS));
    PATIENCE.max(asked).max(meter.silent_after.unwrap_or_default())
}

/// What an [`Alarm`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// No byte comes.
    Silent {
        /// For how long.
        lasting: Duration,
    },
    /// Bytes come, and no telegram passes its checks.
    Unreadable {
        /// For how long.
        lasting: Duration,
    },
    /// Telegrams come again; only after an alert.
    Recovered {
        /// How long there was none.
        lasted: Duration,
    },
}

impl Alert {
    /// The event that it is.
    #[must_use]
    pub const fn code(self) -> EventCode {
        match self {
            Self::Silent { .. } => EventCode::Silent,
            Self::Unreadable { .. } => EventCode::Unreadable,
            Self::Recovered { .. } => EventCode::Recovered,
        }
    }
}

/// The detail of the event: `for 5 min`.
impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, lasting) = match *self {
            Self::Silent { lasting } | Self::Unreadable { lasting } => ("for", lasting),
            Self::Recovered { lasted } => ("after", lasted),
        };
        let minutes = lasting.as_secs() / 60;
        match (minutes / 60, minutes % 60) {
            (0, minutes) => write!(f, "{word} {minutes} min"),
            (hours, minutes) => write!(f, "{word} {hours} h {minutes:02} min"),
        }
    }
}

/// Watches one meter.
///
/// There is one alert at a time, whatever is wrong: a meter that sends rubbish and then nothing has one that begins as
/// [`Alert::Unreadable`] and is repeated as [`Alert::Silent`].
///
/// ```
/// use metergate_gateway::watch::{Alarm, Alert};
/// use std::time::Duration;
///
/// let at = Duration::from_secs;
/// let mut alarm = Alarm::new(at(300), at(0));
/// assert_eq!(alarm.look(at(299), 0, 0), None);
/// assert_eq!(alarm.look(at(300), 0, 0), Some(Alert::Silent { lasting: at(300) }));
/// assert_eq!(alarm.look(at(301), 0, 0), None);
/// assert_eq!(alarm.look(at(400), 512, 1), Some(Alert::Recovered { lasted: at(400) }));
/// ```
#[derive(Debug, Clone)]
pub struct Alarm {
    patience: Duration,
    bytes: u64,
    telegrams: u64,
    last_byte: Duration,
    last_telegram: Duration,
    told_at: Option<Duration>,
}

impl Alarm {
    /// Begins to watch at `now`: a meter that never says anything is told after its patience too.
    #[must_use]
    pub const fn new(patience: Duration, now: Duration) -> Self {
        Self { patience, bytes: 0, telegrams: 0, last_byte: now, last_telegram: now, told_at: None }
    }

    /// Another patience, when the protocol was recognised.
    pub const fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Looks at the meter, with the bytes and telegrams since the start; to be called once a second or more often.
    pub fn look(&mut self, now: Duration, bytes: u64, telegrams: u64) -> Option<Alert> {
        if bytes != self.bytes {
            self.bytes = bytes;
            self.last_byte = now;
        }
        if telegrams != self.telegrams {
            self.telegrams = telegrams;
            let lasted = now.saturating_sub(self.last_telegram);
            self.last_telegram = now;
            return self.told_at.take().map(|_| Alert::Recovered { lasted });
        }
        let lasting = now.saturating_sub(self.last_telegram);
        let quiet = now.saturating_sub(self.last_byte);
        let due = self.told_at.is_none_or(|at| now.saturating_sub(at) >= REPEAT);
        if lasting < self.patience || !due {
            return None;
        }
        let alert = if quiet >= self.patience {
            Alert::Silent { lasting: quiet }
        } else if quiet < self.patience / 2 || self.told_at.is_some() {
            Alert::Unreadable { lasting }
        } else {
            // The last bytes were the end of the last telegram, or soon after it: this becomes silence.
            return None;
        };
        self.told_at = Some(now);
        Some(alert)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told in this time, by the second; `meter` gives the bytes and telegrams until then.
    fn told(patience: u64, seconds: u64, meter: impl Fn(u64) -> (u64, u64)) -> Vec<(u64, EventCode)> {
        let mut alarm = Alarm::new(Duration::from_secs(patience), Duration::ZERO);
        let mut told = Vec::new();
        for second in 0..seconds {
            let (bytes, telegrams) = meter(second);
            let alert = alarm.look(Duration::from_secs(second), bytes, telegrams);
            told.extend(alert.map(|alert| (second, alert.code())));
        }
        told
    }

    #[test]
    fn row_62_five_minutes_of_silence_raise_one_alert_that_repeats_each_half_hour_and_clears() {
        // A telegram each second for an hour, silence for 70 minutes, telegrams again.
        let meter = |second: u64| {
            let telegrams = if second < 3600 { second } else { 3600 } + second.saturating_sub(3600 + 4200);
            (telegrams * 400, telegrams)
        };
        let last = 3600;
        assert_eq!(
            told(300, 10_000, meter),
            [
                (last + 300, EventCode::Silent),
                (last + 300 + 1800, EventCode::Silent),
                (last + 300 + 3600, EventCode::Silent),
                (last + 4201, EventCode::Recovered),
            ]
        );
    }

    #[test]
    fn row_62_bytes_without_a_telegram_for_five_minutes_are_told_apart_from_silence() {
        let meter = |second: u64| (second * 10, second.saturating_sub(4999));
        assert_eq!(
            told(300, 6000, meter),
            [
                (300, EventCode::Unreadable),
                (2100, EventCode::Unreadable),
                (3900, EventCode::Unreadable),
                (5000, EventCode::Recovered),
            ]
        );
    }

    #[test]
    fn a_meter_that_is_unreadable_and_then_silent_has_one_alert() {
        let meter = |second: u64| (second.min(400) * 10, 0);
        assert_eq!(told(300, 2200, meter), [(300, EventCode::Unreadable), (2100, EventCode::Silent)]);
    }

    #[test]
    fn a_meter_that_is_silent_and_then_sends_rubbish_has_one_alert() {
        let meter = |second: u64| (second.saturating_sub(400), 0);
        assert_eq!(told(300, 2200, meter), [(300, EventCode::Silent), (2100, EventCode::Unreadable)]);
    }

    #[test]
    fn the_last_bytes_of_the_last_telegram_do_not_make_silence_unreadable() {
        // Bytes go on for two seconds after the last telegram at 100.
        let meter = |second: u64| (second.min(102) * 10, second.min(100));
        assert_eq!(told(300, 1000, meter), [(402, EventCode::Silent)]);
    }

    #[test]
    fn a_telegram_within_its_time_raises_and_clears_nothing() {
        let meter = |second: u64| (second / 299 * 400, second / 299);
        assert_eq!(told(300, 20_000, meter), []);
    }

    #[test]
    fn silence_from_the_start_is_told() {
        assert_eq!(told(300, 400, |_| (0, 0)), [(300, EventCode::Silent)]);
    }

    #[test]
    fn a_heat_meter_that_is_asked_each_hour_has_three_of_them() {
        let hourly = |second: u64| (second / 3600 * 60, second / 3600);
        assert_eq!(told(3 * 3600, 100_000, hourly), []);
        // From the sixth hour on its answers are damaged: unreadable, not silent, although most of an hour is quiet.
        let damaged = |second: u64| (second / 3600 * 60, (second / 3600).min(5));
        let half_hour = 1800;
        assert_eq!(
            told(3 * 3600, 8 * 3600 + 2 * half_hour, damaged),
            [(8 * 3600, EventCode::Unreadable), (8 * 3600 + half_hour, EventCode::Unreadable)]
        );
    }

    #[test]
    fn the_detail_says_for_how_long() {
        let alert = Alert::Silent { lasting: Duration::from_secs(300) };
        assert_eq!(alert.to_string(), "for 5 min");
        let alert = Alert::Recovered { lasted: Duration::from_secs(3 * 3600 + 299) };
        assert_eq!(alert.to_string(), "after 3 h 04 min");
    }
}
