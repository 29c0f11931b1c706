//! The line between a meter and its conversation.
use metergate_meter::{Conversation, Event, Meter, Protocol, Settings, Telegram};
use std::time::Duration;

/// Room for the longest telegram of this campaign, as a small host would have it.
pub(crate) const BUFFER_LEN: usize = 4096;

/// A conversation that listens.
pub(crate) fn listening(protocol: Protocol, settings: &Settings) -> Meter<[u8; BUFFER_LEN]> {
    Meter::listening(protocol, settings.clone(), [0; BUFFER_LEN])
}

/// Offers `bytes` in pieces and then lets time pass until nothing more can happen; `tell` hears every event.
///
/// Returns how often the conversation was polled.
///
/// # Panics
/// When the conversation neither takes bytes nor has events, or never comes to an end.
pub(crate) fn offer(
    meter: &mut impl Conversation,
    bytes: &[u8],
    piece: impl FnMut() -> usize,
    tell: impl FnMut(&Event<'_>),
) -> usize {
    let mut now = Duration::ZERO;
    offer_at(meter, &mut now, bytes, piece, tell)
}

/// The same from a point in time on, which moves to the end of the silence after the bytes.
pub(crate) fn offer_at(
    meter: &mut impl Conversation,
    now: &mut Duration,
    bytes: &[u8],
    mut piece: impl FnMut() -> usize,
    mut tell: impl FnMut(&Event<'_>),
) -> usize {
    let mut polls = 0;
    let mut drain = |meter: &mut dyn Conversation| {
        let mut told = 0;
        loop {
            polls += 1;
            let Some(event) = meter.poll() else { return told };
            tell(&event);
            told += 1;
            assert!(told <= 4 * bytes.len() + 16, "the events do not end");
        }
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        let (mut offered, after) = rest.split_at(piece().clamp(1, rest.len()));
        rest = after;
        while !offered.is_empty() {
            let taken = meter.handle_input(offered, *now);
            offered = &offered[taken..];
            assert!(drain(meter) > 0 || taken > 0, "bytes are not taken and nothing is told");
        }
    }
    for _ in 0..64 {
        let Some(due) = meter.poll_timeout() else { return polls };
        *now = due.max(*now);
        meter.handle_timeout(*now);
        drain(meter);
    }
    panic!("there is always another timeout");
}

/// Everything at once.
pub(crate) fn at_once() -> usize {
    usize::MAX
}

/// What a telegram says, kept for the rest of the run to compare others with.
#[derive(Debug)]
pub(crate) struct Known(Telegram<'static>);

impl Known {
    /// Reads the only telegram in `bytes`.
    ///
    /// # Panics
    /// When it is not the only event of its conversation.
    pub(crate) fn of(protocol: Protocol, settings: &Settings, bytes: &[u8]) -> Self {
        let mut events = Vec::new();
        offer(&mut listening(protocol, settings), bytes, at_once, |event| events.push(format!("{event:?}")));
        assert!(events.len() == 1, "{protocol}: {} events in place of one: {events:#?}", events.len());
        // Once more, in a conversation that stays. The telegram may need the silence after it.
        let mut meter = Box::new(listening(protocol, settings));
        meter.handle_input(bytes, Duration::ZERO);
        if meter.poll().is_none() {
            meter.handle_timeout(meter.poll_timeout().expect("the telegram waits for silence"));
        } else {
            meter = Box::new(listening(protocol, settings));
            meter.handle_input(bytes, Duration::ZERO);
        }
        match Box::leak(meter).poll() {
            Some(Event::Telegram(telegram)) => Self(telegram),
            other => panic!("{protocol}: no telegram but {other:?}"),
        }
    }

    /// True when another telegram says the same, whatever was checked to believe it.
    pub(crate) fn is_said_by(&self, telegram: &Telegram<'_>) -> bool {
        let known = &self.0;
        self.has_registers_of(telegram)
            && telegram.meter == known.meter
            && telegram.identification == known.identification
            && telegram.time == known.time
    }

    /// True when another telegram has the same registers.
    pub(crate) fn has_registers_of(&self, telegram: &Telegram<'_>) -> bool {
        telegram.registers.clone().eq(self.0.registers.clone())
    }

    /// True when another telegram has a part of these registers, in one piece: one list of several was salvaged.
    pub(crate) fn holds(&self, telegram: &Telegram<'_>) -> bool {
        let count = telegram.registers.clone().count();
        let mine = self.0.registers.clone().count();
        count > 0
            && (0..=mine.saturating_sub(count))
                .any(|skip| self.0.registers.clone().skip(skip).take(count).eq(telegram.registers.clone()))
    }
}

/// Names the damaged telegram when a test panics over it.
pub(crate) struct Culprit<'a> {
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
}

impl Drop for Culprit<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the telegram was {}: {}", self.name, hex(self.bytes));
        }
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
