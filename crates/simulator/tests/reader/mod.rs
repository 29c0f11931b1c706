//! A reader for tests: bytes through the conversation of their protocol.
use metergate_meter::{Code, Conversation, Event, Flags, Protocol, Rejection};
use metergate_meter::{CounterPolicy, Key, Meter, Settings};
use metergate_reading::RegisterBuf;
use metergate_simulator::{EXAMPLE_KEYS, LUXEMBOURG_AUTH_KEY, MeterKind, Said};
use std::time::Duration;

/// What a conversation told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Telegram { offset: u64, length: u64, said: Box<Said>, flags: Flags },
    Rejected { offset: u64, length: u64, code: Code, words: String },
}

impl Told {
    fn rejected(rejection: &Rejection) -> Self {
        let Rejection { offset, length, cause, .. } = *rejection;
        Self::Rejected { offset, length, code: cause.code(), words: cause.to_string() }
    }
}

/// Settings with the keys that simulated meters have, and what to do with repeated counters.
pub(crate) fn settings(kind: MeterKind, counters: CounterPolicy) -> Settings {
    let [key, auth_key] = EXAMPLE_KEYS;
    let auth_key = if kind == MeterKind::SagemcomLuxembourg { LUXEMBOURG_AUTH_KEY } else { auth_key };
    Settings {
        key: kind.is_encrypted().then(|| Key::new(key)),
        auth_key: kind.is_encrypted().then(|| Key::new(auth_key)),
        counters,
        ..Settings::default()
    }
}

/// All that a listening conversation tells about these pieces of bytes, which come three seconds apart: longer
/// than any protocol's idle time.
pub(crate) fn told(protocol: Protocol, settings: Settings, pieces: &[Vec<u8>]) -> Vec<Told> {
    let mut meter = Meter::listening(protocol, settings, vec![0; 65_536]);
    let mut all = Vec::new();
    let mut now = Duration::ZERO;
    for piece in pieces {
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            let taken = meter.handle_input(rest, now);
            rest = &rest[taken..];
            let before = all.len();
            drain(&mut meter, &mut all);
            assert!(taken > 0 || all.len() > before || meter.poll_timeout().is_some(), "it is stuck");
        }
        now += Duration::from_secs(3);
        meter.handle_timeout(now);
        drain(&mut meter, &mut all);
    }
    while let Some(due) = meter.poll_timeout() {
        now = due.max(now + Duration::from_millis(1));
        meter.handle_timeout(now);
        drain(&mut meter, &mut all);
    }
    all
}

fn drain(meter: &mut Meter<Vec<u8>>, all: &mut Vec<Told>) {
    while let Some(event) = meter.poll() {
        match event {
            Event::Telegram(telegram) => all.push(Told::Telegram {
                offset: telegram.offset,
                length: telegram.length,
                said: Box::new(Said {
                    protocol: telegram.protocol,
                    meter: telegram.meter,
                    identification: telegram.identification.map(str::to_owned),
                    time: telegram.time,
                    security: telegram.security,
                    signature: telegram.signature.map(<[u8]>::to_vec),
                    registers: telegram.registers.map(RegisterBuf::from).collect(),
                }),
                flags: telegram.flags,
            }),
            Event::Rejected(rejection) => all.push(Told::rejected(&rejection)),
            Event::Line(_) | Event::NoAnswer { .. } => {}
        }
    }
}
