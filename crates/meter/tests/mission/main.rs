//! The promises about reading meters, one test a row, with the literal figures that must come out.
//!
//! Rows that need a published capture read it from the corpus and say so when it is not present; every row that can be
//! proved on telegrams of our own is.
// A test that cannot read its own fixture should stop at once.
#![allow(clippy::unwrap_used)]

mod captures;
mod made;

use metergate_meter::{Code, Conversation, CounterPolicy, Event, Meter, Protocol, Settings};
use metergate_reading::{RegisterBuf, ValueBuf};
use std::path::Path;
use std::time::Duration;

/// What came out for one stretch of the input.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Telegram(Telegram),
    Refused(Code),
}

/// What a test looks at in a telegram.
#[derive(Debug, Clone, PartialEq)]
struct Telegram {
    meter: Option<String>,
    time: Option<String>,
    authenticated: Option<bool>,
    signature: Option<Vec<u8>>,
    registers: Vec<RegisterBuf>,
}

impl Told {
    fn telegram(&self) -> &Telegram {
        match self {
            Self::Telegram(telegram) => telegram,
            Self::Refused(code) => panic!("refused: {code}"),
        }
    }
}

impl Telegram {
    fn register(&self, obis: &str) -> &RegisterBuf {
        let code = obis.parse().unwrap();
        self.registers
            .iter()
            .find(|register| register.obis == Some(code))
            .unwrap_or_else(|| panic!("no {obis}"))
    }

    fn has(&self, obis: &str) -> bool {
        let code = obis.parse().unwrap();
        self.registers.iter().any(|register| register.obis == Some(code))
    }

    /// The last element of the list of Netz NÖ: the number on the meter's front, without a code.
    fn meter_number(&self) -> Option<String> {
        match &self.registers.last()?.value {
            ValueBuf::Octets(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        }
    }

    /// `234.5 V`, as the register says it.
    fn value(&self, obis: &str) -> String {
        let register = self.register(obis);
        let unit = register.unit.map(|unit| format!(" {unit}")).unwrap_or_default();
        match &register.value {
            ValueBuf::Number(number) => format!("{number}{unit}"),
            ValueBuf::Octets(bytes) => String::from_utf8(bytes.clone()).unwrap_or_else(|_| hex(bytes)),
            ValueBuf::Text(text) => text.clone(),
            other => panic!("{obis} is {other:?}"),
        }
    }

    /// Each `(obis, value with unit)` must be there.
    fn check(&self, expected: &[(&str, &str)]) {
        for (obis, value) in expected {
            assert_eq!(self.value(obis), *value, "{obis}");
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn settings(key: Option<&str>, auth_key: Option<&str>) -> Settings {
    Settings {
        key: key.map(|key| key.parse().unwrap()),
        auth_key: auth_key.map(|key| key.parse().unwrap()),
        counters: CounterPolicy::Flag,
        ..Settings::default()
    }
}

/// Everything that is told about `bytes`, offered in pieces of `chunk`.
fn read_in_pieces(protocol: Protocol, settings: Settings, bytes: &[u8], chunk: usize) -> Vec<Told> {
    let mut meter = Meter::listening(protocol, settings, vec![0; 16 * 1024]);
    let (mut told, mut now) = (Vec::new(), Duration::ZERO);
    let mut poll = |meter: &mut Meter<Vec<u8>>| {
        while let Some(event) = meter.poll() {
            match event {
                Event::Telegram(telegram) => told.push(Told::Telegram(Telegram {
                    meter: telegram.meter.map(|id| id.to_string()),
                    time: telegram.time.map(|time| time.to_string()),
                    authenticated: telegram.security.map(|security| security.authenticated),
                    signature: telegram.signature.map(<[u8]>::to_vec),
                    registers: telegram.registers.map(RegisterBuf::from).collect(),
                })),
                Event::Rejected(rejection) => told.push(Told::Refused(rejection.cause.code())),
                Event::Line(_) | Event::NoAnswer { .. } => {}
            }
        }
    };
    for mut piece in bytes.chunks(chunk) {
        while !piece.is_empty() {
            let taken = meter.handle_input(piece, now);
            piece = &piece[taken..];
            poll(&mut meter);
        }
    }
    while let Some(due) = meter.poll_timeout() {
        now = due;
        meter.handle_timeout(now);
        poll(&mut meter);
    }
    told
}

fn read(protocol: Protocol, settings: Settings, bytes: &[u8]) -> Vec<Told> {
    read_in_pieces(protocol, settings, bytes, bytes.len().max(1))
}

/// The telegrams among what was told.
fn telegrams(told: &[Told]) -> Vec<&Telegram> {
    told.iter()
        .filter_map(|told| match told {
            Told::Telegram(telegram) => Some(telegram),
            Told::Refused(_) => None,
        })
        .collect()
}

/// The flags of every telegram.
fn flags(meter: &mut impl Conversation, bytes: &[u8]) -> Vec<metergate_meter::Flags> {
    of_telegrams(meter, bytes, |telegram| telegram.flags)
}

/// What the meter says about its clock, of every telegram with a time.
fn clocks(meter: &mut impl Conversation, bytes: &[u8]) -> Vec<metergate_reading::ClockStatus> {
    of_telegrams(meter, bytes, |telegram| telegram.time.unwrap().clock())
}

fn of_telegrams<T>(
    meter: &mut impl Conversation,
    bytes: &[u8],
    look: impl Fn(&metergate_meter::Telegram<'_>) -> T,
) -> Vec<T> {
    assert_eq!(meter.handle_input(bytes, Duration::ZERO), bytes.len());
    let mut seen = Vec::new();
    loop {
        while let Some(event) = meter.poll() {
            if let Event::Telegram(telegram) = event {
                seen.push(look(&telegram));
            }
        }
        let Some(due) = meter.poll_timeout() else { return seen };
        meter.handle_timeout(due);
    }
}

/// A capture of the corpus, or `None`, visibly, when the corpus is not present.
fn capture(name: &str) -> Option<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if !folder.is_dir() {
        println!("corpus not present: {name} skipped");
        return None;
    }
    Some(std::fs::read(folder.join(name).with_extension("bin")).unwrap())
}
