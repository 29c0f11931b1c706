//! Readings as the store and the readers hand them to sinks.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses its part, and unwraps")]

use metergate_gateway::sink::{Entry, News, Point, Sample};
use metergate_gateway::store::RowFlags;
use metergate_gateway::update::{TelegramBuf, Update, What};
use metergate_meter::models::{self, Model};
use metergate_meter::verdict::Verdict;
use metergate_meter::{Flags, Protocol};
use metergate_reading::{
    AddressBuf, DateTime, Instant, MeterId, Reading, RegisterBuf, Trust, Unit, ValueBuf,
};
use std::sync::Arc;

/// 2023-08-16T15:19:31Z, and so many seconds later.
pub fn at(second: i64) -> Instant {
    Instant { unix_ms: (1_692_199_171 + second) * 1000, trust: Trust::HostSynchronised }
}

/// A sample of these registers; a unit is written as people do, and empty for none.
pub fn sample(meter: &str, seq: u64, second: i64, registers: &[(&str, &str, &str)]) -> Sample {
    let point = |&(register, number, unit): &(&str, &str, &str)| {
        let (unit, prefix) = Unit::from_text(unit).map_or((None, 0), |(unit, prefix)| (Some(unit), prefix));
        Point {
            register: register.parse().unwrap(),
            name: None,
            number: number.parse().unwrap(),
            unit,
            prefix,
            derived: false,
        }
    };
    Sample {
        meter: meter.into(),
        seq,
        at: at(second),
        meter_clock_s: None,
        flags: RowFlags::default(),
        points: registers.iter().map(point).collect(),
    }
}

/// One entry a second of a counter and a power, numbered from 1.
pub fn entries(meter: &str, count: u64) -> Vec<Entry> {
    (1..=count)
        .map(|seq| {
            let second = i64::try_from(seq).unwrap();
            let energy = format!("{}.{}", 35_204 + seq / 10, seq % 10);
            let power = [("1-0:1.8.0", energy.as_str(), "Wh"), ("1-0:16.7.0", "319.08", "W")];
            Entry::Reading(sample(meter, seq, second, &power))
        })
        .collect()
}

/// Who a meter is in its telegrams.
#[derive(Debug, Clone, Copy, Default)]
pub struct Who {
    pub id: Option<&'static str>,
    pub model: Option<&'static str>,
}

impl Who {
    fn model(self) -> Option<&'static Model> {
        self.model.map(|name| models::find(name).unwrap())
    }
}

/// A telegram that holds these registers, all believed.
pub fn telegram(meter: &str, second: i64, registers: &[(&str, &str, &str)]) -> News {
    telegram_of(Who::default(), meter, second, registers, &[])
}

/// The same of a certain meter, with texts beside the numbers.
pub fn telegram_of(
    who: Who,
    meter: &str,
    second: i64,
    registers: &[(&str, &str, &str)],
    texts: &[(&str, &str)],
) -> News {
    let sample = sample(meter, 0, second, registers);
    let register = |obis: &str, value: ValueBuf, unit: Option<Unit>| RegisterBuf {
        obis: obis.parse().ok(),
        address: AddressBuf::Text(obis.to_owned()),
        value,
        unit,
        time: None::<DateTime>,
        seconds_index: None,
        status: None,
        groups: Vec::new(),
    };
    let numbers = sample.points.iter().map(|point| {
        let name = point.register.to_string();
        let number = ValueBuf::Number(point.number);
        match name.strip_prefix("kmp:") {
            Some(kmp) => {
                let address = AddressBuf::Kmp(kmp.parse().unwrap());
                RegisterBuf { address, ..register(&name, number, point.unit) }
            }
            None => register(&name, number, point.unit),
        }
    });
    let texts = texts.iter().map(|&(obis, text)| register(obis, ValueBuf::Text(text.to_owned()), None));
    let telegram = TelegramBuf {
        number: 0,
        offset: 0,
        length: 100,
        protocol: Protocol::Sml,
        identification: None,
        model: who.model(),
        security: None,
        flags: Flags::default(),
        signature: None,
        reading: Reading {
            meter: who.id.and_then(MeterId::serial),
            time: None,
            received: at(second),
            registers: numbers.chain(texts).collect(),
        },
    };
    News { update: update(meter, second, What::Telegram(Box::new(telegram))), sample: Some(sample) }
}

/// A verdict.
pub fn verdict(meter: &str, second: i64, verdict: Verdict) -> News {
    News { update: update(meter, second, What::Verdict(verdict)), sample: None }
}

fn update(meter: &str, second: i64, what: What) -> Arc<Update> {
    Arc::new(Update { meter: meter.into(), at: at(second), live: true, bytes: 0, what })
}
