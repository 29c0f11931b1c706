//! Events of a gate, each kind told at once and then no more often than people can bear.
use crate::event::{Event, EventCode};
use metergate_reading::Instant;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long an event of one kind is counted before it is told again.
const QUIET_MS: u64 = 900_000;

/// What was told lately.
#[derive(Debug, Clone, Default)]
pub(super) struct Telling(BTreeMap<EventCode, Told>);

#[derive(Debug, Clone, Copy)]
struct Told {
    at_ms: i64,
    since: u32,
}

impl Telling {
    /// An event that may come with every telegram: the first is told, those of the next 15 minutes are counted in
    /// the one after.
    pub(super) fn often(
        &mut self,
        code: EventCode,
        meter: &Arc<str>,
        at: Instant,
        detail: impl FnOnce() -> String,
    ) -> Option<Event> {
        let count = match self.0.get_mut(&code) {
            Some(told) if told.at_ms.abs_diff(at.unix_ms) < QUIET_MS => {
                told.since = told.since.saturating_add(1);
                return None;
            }
            told => told.map_or(0, |told| told.since),
        };
        self.0.insert(code, Told { at_ms: at.unix_ms, since: 0 });
        Some(Event { count: count.saturating_add(1), ..once(code, meter, at, detail()) })
    }
}

/// An event that is told each time.
pub(super) fn once(code: EventCode, meter: &Arc<str>, at: Instant, detail: String) -> Event {
    Event { seq: 0, at, code, about: Some(meter.clone()), detail, count: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::Trust;

    #[test]
    fn an_event_is_told_at_once_and_then_counted_for_a_quarter_of_an_hour() {
        let (mut telling, meter) = (Telling::default(), Arc::from("haus"));
        let mut count = |unix_ms| {
            let at = Instant { unix_ms, trust: Trust::HostSynchronised };
            telling.often(EventCode::Duplicate, &meter, at, String::new).map(|event| event.count)
        };
        assert_eq!(count(1_000_000), Some(1));
        assert_eq!(count(1_001_000), None);
        assert_eq!(count(1_899_999), None);
        assert_eq!(count(1_900_000), Some(3));
        assert_eq!(count(0), Some(1), "a clock that was set back holds nothing up");
    }
}
