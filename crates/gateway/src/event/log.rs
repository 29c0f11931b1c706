//! What happens becomes lines of the log and rows of the store, and what a fault repeats becomes a count.
use super::{Event, EventCode, Severity, Subject};
use crate::harmless::harmless;
use metergate_reading::Instant;
use std::sync::Arc;
use std::time::Duration;

/// After an event was told, the same about the same is counted for this long.
const WINDOW_MIN: Duration = Duration::from_secs(60);

/// The window doubles while a fault goes on, up to this: a fault of a whole day costs the store some fifty events.
const WINDOW_MAX: Duration = Duration::from_secs(30 * 60);

/// Events that are remembered: eight kinds of trouble at each of sixteen meters and sinks. Beyond that the oldest is
/// told and forgotten.
const REMEMBERED_MAX: usize = 128;

/// Longest detail: the answer of a receiver can be a whole page.
const DETAIL_LEN_MAX: usize = 500;

/// What is told to an [`EventLog`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: Instant,
    /// What.
    pub code: EventCode,
    /// The meter, sink, source or task it is about.
    pub about: Option<Arc<str>>,
    /// Figures and words for a person; never a secret. Text from a line may stand in it as it came.
    pub detail: String,
}

impl Happened {
    /// Something about the gateway as a whole.
    pub fn new(at: Instant, code: EventCode, detail: impl Into<String>) -> Self {
        Self { at, code, about: None, detail: detail.into() }
    }

    /// The same about something that has a name in the configuration.
    #[must_use]
    pub fn about(self, name: Arc<str>) -> Self {
        Self { about: Some(name), ..self }
    }
}

/// Counts what is repeated, writes the log and hands out what the store is to keep.
///
/// What happens for the first time is told at once. Of codes that a fault can repeat
/// ([`EventCode::is_counted`]) the same about the same is then counted, and told once with its count: before the next
/// other event about it, or when `WINDOW_MIN` is over, which becomes `WINDOW_MAX` while the fault goes on.
/// Nothing is lost but the details between.
///
/// The events that come out have the number 0: the store gives them theirs.
///
/// ```
/// use metergate_gateway::event::{EventCode, EventLog, Happened};
/// use metergate_reading::{Instant, Trust};
/// use std::time::Duration;
///
/// let at = Instant { unix_ms: 1_775_986_800_000, trust: Trust::HostSynchronised };
/// let refused = || Happened::new(at, EventCode::Refused, "crc_mismatch").about("haus".into());
/// let mut log = EventLog::default();
/// assert_eq!(log.tell(refused(), Duration::from_secs(0)).len(), 1);
/// assert_eq!(log.tell(refused(), Duration::from_secs(1)).len(), 0);
/// assert_eq!(log.tell(refused(), Duration::from_secs(2)).len(), 0);
/// assert_eq!(log.due(Duration::from_secs(60))[0].count, 2);
/// ```
#[derive(Debug, Default)]
pub struct EventLog {
    remembered: Vec<Remembered>,
}

/// A code that was told about something.
#[derive(Debug)]
struct Remembered {
    code: EventCode,
    about: Option<Arc<str>>,
    told_at: Duration,
    window: Duration,
    /// The latest since then, and how many there were.
    held: Option<Event>,
}

impl Remembered {
    fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.told_at) >= self.window
    }

    /// The held event, if any; what follows is counted for longer.
    fn release(&mut self, now: Duration) -> Option<Event> {
        let event = self.held.take()?;
        self.told_at = now;
        self.window = (self.window * 2).min(WINDOW_MAX);
        Some(event)
    }
}

impl EventLog {
    /// Takes what happened; gives the events that the store is to keep now, in order: none, or the one, after those
    /// that were held about the same.
    pub fn tell(&mut self, happened: Happened, now: Duration) -> Vec<Event> {
        let Happened { at, code, about, detail } = happened;
        let event = Event { seq: 0, at, code, about, detail: bounded(&detail), count: 1 };
        self.remembered.retain(|known| known.held.is_some() || !known.is_over(now));
        let mut events = Vec::new();
        if code.is_counted() {
            let same =
                self.remembered.iter_mut().find(|known| known.code == code && known.about == event.about);
            // One whose time is over and that still holds something is told below, before this one.
            if let Some(known) = same {
                let count = known.held.as_ref().map_or(0, |held| held.count);
                known.held = Some(Event { count: count.saturating_add(1), ..event });
                return self.due(now);
            }
        }
        events.extend(self.release(now, |known| known.about == event.about));
        if code.is_counted() {
            if self.remembered.len() >= REMEMBERED_MAX {
                let oldest = (0..self.remembered.len()).min_by_key(|&index| {
                    self.remembered.get(index).map_or(Duration::MAX, |known| known.told_at)
                });
                let oldest = oldest.map(|index| self.remembered.swap_remove(index));
                events.extend(oldest.and_then(|known| known.held));
            }
            let about = event.about.clone();
            self.remembered.push(Remembered { code, about, told_at: now, window: WINDOW_MIN, held: None });
        }
        events.push(event);
        events.iter().for_each(write_line);
        events
    }

    /// The counts whose time has come; to be asked about once a second.
    pub fn due(&mut self, now: Duration) -> Vec<Event> {
        let events = self.release(now, |known| known.is_over(now));
        events.iter().for_each(write_line);
        events
    }

    /// All counts: nothing is held any more, at the end of the gateway.
    pub fn finish(&mut self, now: Duration) -> Vec<Event> {
        let events = self.release(now, |_| true);
        self.remembered.clear();
        events.iter().for_each(write_line);
        events
    }

    /// What was held for those, in the order in which it last happened.
    fn release(&mut self, now: Duration, which: impl Fn(&Remembered) -> bool) -> Vec<Event> {
        let chosen = self.remembered.iter_mut().filter(|known| which(known));
        let mut events: Vec<Event> = chosen.filter_map(|known| known.release(now)).collect();
        events.sort_by_key(|event| event.at.unix_ms);
        events
    }
}

/// The detail without control characters, cut at [`DETAIL_LEN_MAX`].
fn bounded(detail: &str) -> String {
    let mut detail = harmless(detail).into_owned();
    if detail.len() > DETAIL_LEN_MAX {
        let end = (0..=DETAIL_LEN_MAX).rev().find(|&end| detail.is_char_boundary(end)).unwrap_or(0);
        detail.truncate(end);
        detail.push_str(" ...");
    }
    detail
}

/// The line of the log: the same words as `metergate events`, with fields for the journal.
fn write_line(event: &Event) {
    let code = event.code;
    let name = event.about.as_deref();
    let of = |subject| name.filter(|_| code.subject() == subject);
    let (meter, sink, source) = (of(Subject::Meter), of(Subject::Sink), of(Subject::Source));
    let (text, number) = (code.text(), code.number());
    // The level of a line is part of what the macro makes, so that each severity has its own.
    match code.severity() {
        Severity::Info => {
            tracing::info!(event = %text, event_number = number, meter, sink, source, "{event}");
        }
        Severity::Warning => {
            tracing::warn!(event = %text, event_number = number, meter, sink, source, "{event}");
        }
        Severity::Error => {
            tracing::error!(event = %text, event_number = number, meter, sink, source, "{event}");
        }
    }
}

/// Who, what, the detail and the count: ``meter `haus`: No byte comes: for 5 min``.
impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(name) = &self.about {
            let subject = match self.code.subject() {
                Subject::Gateway => "task",
                Subject::Meter => "meter",
                Subject::Sink => "sink",
                Subject::Source => "source",
            };
            write!(f, "{subject} `{name}`: ")?;
        }
        f.write_str(self.code.sentence().trim_end_matches('.'))?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        if self.count > 1 { write!(f, " ({} times)", self.count) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::Trust;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn happened(code: EventCode, about: &str, second: u64) -> Happened {
        let unix_ms = 1_775_986_800_000 + i64::try_from(second).unwrap() * 1000;
        let at = Instant { unix_ms, trust: Trust::HostSynchronised };
        Happened::new(at, code, format!("second {second}")).about(about.into())
    }

    /// Code, name, count and detail of what comes out when this happens.
    fn tell(log: &mut EventLog, code: EventCode, about: &str, second: u64) -> Vec<(EventCode, String, u32)> {
        shown(log.tell(happened(code, about, second), at(second)))
    }

    fn shown(events: Vec<Event>) -> Vec<(EventCode, String, u32)> {
        events.into_iter().map(|event| (event.code, event.detail, event.count)).collect()
    }

    #[test]
    fn repeated_in_a_row_is_counted_and_told_once_when_something_else_comes() {
        let mut log = EventLog::default();
        assert_eq!(tell(&mut log, EventCode::Refused, "haus", 0).len(), 1);
        for second in 1..=7 {
            assert_eq!(tell(&mut log, EventCode::Refused, "haus", second), []);
        }
        assert_eq!(
            tell(&mut log, EventCode::Silent, "haus", 8),
            [(EventCode::Refused, "second 7".into(), 7), (EventCode::Silent, "second 8".into(), 1)]
        );
        assert_eq!(log.finish(at(9)), []);
    }

    #[test]
    fn what_happens_elsewhere_does_not_interrupt_the_count() {
        let mut log = EventLog::default();
        for second in 0..30 {
            let meter = if second % 2 == 0 { "haus" } else { "garage" };
            assert_eq!(tell(&mut log, EventCode::Refused, meter, second).len(), usize::from(second < 2));
        }
        let mut counts = shown(log.due(at(61)));
        counts.sort_by_key(|(.., count)| *count);
        assert_eq!(counts.iter().map(|(.., count)| *count).collect::<Vec<_>>(), [14, 14]);
    }

    #[test]
    fn a_count_is_told_when_its_time_is_over_even_if_nothing_else_comes() {
        let mut log = EventLog::default();
        tell(&mut log, EventCode::NoAnswer, "heat", 0);
        tell(&mut log, EventCode::NoAnswer, "heat", 30);
        assert_eq!(log.due(at(59)), []);
        assert_eq!(shown(log.due(at(60))), [(EventCode::NoAnswer, "second 30".into(), 1)]);
        assert_eq!(log.due(at(200)), []);
    }

    #[test]
    fn a_fault_of_a_day_costs_some_fifty_events_and_every_refusal_is_counted() {
        let mut log = EventLog::default();
        let (mut events, mut refusals) = (0, 0);
        for second in 0..86_400 {
            let mut now = shown(log.due(at(second)));
            now.extend(tell(&mut log, EventCode::Refused, "haus", second));
            events += now.len();
            refusals += now.iter().map(|(.., count)| *count).sum::<u32>();
        }
        refusals += log.finish(at(86_400)).iter().map(|event| event.count).sum::<u32>();
        assert_eq!(refusals, 86_400);
        assert!((40..=60).contains(&events), "{events}");
    }

    #[test]
    fn a_port_that_flaps_is_counted_both_ways_and_ends_with_its_last_state() {
        let mut log = EventLog::default();
        let mut events = Vec::new();
        for second in 0..3600 {
            let code = if second % 2 == 0 { EventCode::PortLost } else { EventCode::PortOpened };
            events.extend(tell(&mut log, code, "haus", second));
        }
        events.extend(shown(log.finish(at(3600))));
        assert!(events.len() < 20, "{}", events.len());
        assert_eq!(events.last().map(|(code, ..)| *code), Some(EventCode::PortOpened));
        assert_eq!(events.iter().map(|(.., count)| *count).sum::<u32>(), 3600);
    }

    #[test]
    fn after_a_quiet_time_the_same_is_told_at_once_again() {
        let mut log = EventLog::default();
        for second in [0, 1, 100, 300] {
            tell(&mut log, EventCode::SinkFailing, "broker", second);
            log.due(at(second + 60));
        }
        assert_eq!(tell(&mut log, EventCode::SinkFailing, "broker", 4000).len(), 1);
    }

    #[test]
    fn quarter_hours_and_what_a_person_did_are_never_counted() {
        let mut log = EventLog::default();
        for code in [EventCode::QuarterHour, EventCode::Snapshot, EventCode::SinkPaused, EventCode::Started] {
            for second in 0..3 {
                assert_eq!(tell(&mut log, code, "haus", second).len(), 1, "{code:?}");
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_was_told() {
        let mut log = EventLog::default();
        let (mut told, rounds) = (0, 2);
        for second in 0..rounds * 1000 {
            let about = format!("meter-{}", second / rounds);
            // All within one window, so that nothing becomes old.
            let events = log.tell(happened(EventCode::Refused, &about, second), at(1));
            told += events.iter().map(|event| event.count).sum::<u32>();
            assert!(log.remembered.len() <= REMEMBERED_MAX);
        }
        told += log.finish(at(2)).iter().map(|event| event.count).sum::<u32>();
        assert_eq!(told, 2000);
    }

    #[test]
    fn a_detail_is_bounded_and_moves_no_cursor() {
        let mut log = EventLog::default();
        let mut long = happened(EventCode::SinkRefused, "backend", 0);
        long.detail = format!("\u{1b}[2J{}", "ü".repeat(1000));
        let event = log.tell(long, at(0)).remove(0);
        assert!(event.detail.starts_with("\\u{1b}[2J"), "{}", event.detail);
        assert!(event.detail.len() <= DETAIL_LEN_MAX + 4 && event.detail.ends_with(" ..."));
    }

    #[test]
    fn an_event_reads_as_a_sentence() {
        let mut event = EventLog::default().tell(happened(EventCode::Silent, "haus", 0), at(0)).remove(0);
        event.detail = "for 5 min".into();
        event.count = 3;
        assert_eq!(event.to_string(), "meter `haus`: No byte comes: for 5 min (3 times)");
    }
}
