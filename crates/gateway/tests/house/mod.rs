//! A gate with what a store would have of it, and telegrams in the making.
use metergate_gateway::event::EventCode;
use metergate_gateway::plausible::{
    Arrival, Epoch, EpochChange, Gate, HeldReason, Judged, Limits, Past, epoch_at, total,
};
use metergate_gateway::store::{Row, RowFlags};
use metergate_gateway::update::TelegramBuf;
use metergate_meter::{Flags, Protocol};
use metergate_reading::{
    Address, DateTime, Instant, MeterId, Number, Reading, Register, RegisterBuf, RegisterId, Trust, Unit,
    Value,
};
use std::time::Duration;

/// 2026-05-07T10:00:10Z.
pub(crate) const START_MS: i64 = 1_778_148_010_000;

/// A telegram in the making.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) at_s: i64,
    pub(crate) meter: Option<&'static str>,
    pub(crate) clock_s: Option<i64>,
    pub(crate) live: bool,
    pub(crate) trust: Trust,
    pub(crate) registers: Vec<RegisterBuf>,
}

pub(crate) fn said(at_s: i64) -> Said {
    Said { at_s, meter: None, clock_s: None, live: true, trust: Trust::HostSynchronised, registers: vec![] }
}

impl Said {
    pub(crate) fn of(self, meter: &'static str) -> Self {
        Self { meter: Some(meter), ..self }
    }

    pub(crate) fn with(mut self, code: &str, mantissa: i64, exponent: i8, unit: Unit) -> Self {
        let mut register = Register::new(Address::Obis, Value::Number(Number::new(mantissa, exponent)));
        register.obis = Some(code.parse().unwrap());
        register.unit = Some(unit);
        self.registers.push(register.into());
        self
    }

    /// 1.8.0 in 0.1 Wh, the unit of S1.
    pub(crate) fn tenths(self, energy: i64) -> Self {
        self.with("1-0:1.8.0", energy, -1, Unit::WattHour)
    }

    pub(crate) fn kwh(self, code: &str, energy: i64) -> Self {
        self.with(code, energy, 3, Unit::WattHour)
    }

    pub(crate) fn power(self, power: i64) -> Self {
        self.with("1-0:16.7.0", power, 0, Unit::Watt)
    }

    pub(crate) fn clock(self, seconds: i64) -> Self {
        Self { clock_s: Some(seconds), ..self }
    }

    pub(crate) fn recorded(self) -> Self {
        Self { live: false, ..self }
    }

    pub(crate) fn telegram(&self) -> TelegramBuf {
        let time = self.clock_s.and_then(|seconds| DateTime::from_unix_seconds(START_MS / 1000 + seconds));
        TelegramBuf {
            number: 0,
            offset: 0,
            length: 0,
            protocol: Protocol::Sml,
            identification: None,
            model: None,
            security: None,
            flags: Flags::default(),
            signature: None,
            reading: Reading {
                meter: self.meter.and_then(MeterId::serial),
                time,
                received: self.host(),
                registers: self.registers.clone(),
            },
        }
    }

    pub(crate) fn host(&self) -> Instant {
        Instant { unix_ms: START_MS + self.at_s * 1000, trust: self.trust }
    }
}

/// A gate with what a store would have of it.
pub(crate) struct House {
    pub(crate) gate: Gate,
    pub(crate) limits: Limits,
    pub(crate) rows: Vec<Row>,
    pub(crate) past: Past,
    pub(crate) epochs: Vec<Epoch>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let gate = Gate::new("haus".into(), limits.clone(), Past::default());
        Self { gate, limits, rows: vec![], past: Past::default(), epochs: vec![] }
    }

    pub(crate) fn hear(&mut self, said: &Said) -> Judged {
        self.hear_with(said, RowFlags::default(), None)
    }

    pub(crate) fn hear_with(&mut self, said: &Said, flags: RowFlags, monotonic: Option<Duration>) -> Judged {
        let arrival = Arrival { host: said.host(), monotonic, live: said.live, flags };
        let rows = &self.rows;
        let judged = self.gate.judge(&said.telegram(), arrival, |ms| {
            let before = rows.iter().filter(|row| row.at.unix_ms <= ms).max_by_key(|row| row.at.unix_ms);
            let after = rows.iter().filter(|row| row.at.unix_ms > ms).min_by_key(|row| row.at.unix_ms);
            (before.cloned(), after.cloned())
        });
        self.keep(&judged);
        judged
    }

    pub(crate) fn keep(&mut self, judged: &Judged) {
        for change in &judged.epochs {
            match change {
                EpochChange::Begins(epoch) => self.epochs.push(epoch.clone()),
                EpochChange::Learns(epoch) => {
                    let last = self.epochs.last_mut().unwrap();
                    assert_eq!(last.from_ms, epoch.from_ms);
                    *last = epoch.clone();
                }
            }
        }
        for row in &judged.released {
            let released = |id: &RegisterId, at| row.at == at && row.number(id).is_some();
            self.past.held.retain(|held| !released(&held.register, held.at));
        }
        for row in judged.released.iter().chain(&judged.row) {
            self.past.take(row);
            self.rows.push(row.clone());
        }
        self.past.held.extend(judged.held.iter().cloned());
        self.past.remarks.extend(judged.remarks.iter().cloned());
        self.past.epochs = self.epochs.clone();
    }

    /// The process ends and starts anew.
    pub(crate) fn restart(&mut self) {
        self.gate = Gate::new("haus".into(), self.limits.clone(), self.past.clone());
    }

    /// The total of a register in every row, in the order they came.
    pub(crate) fn totals(&self, code: &str) -> Vec<String> {
        let id: RegisterId = code.parse().unwrap();
        let of = |row: &Row| {
            let epoch = epoch_at(&self.epochs, row.at.unix_ms).unwrap();
            Some(total(epoch, &id, row.number(&id)?).unwrap().to_string())
        };
        self.rows.iter().filter_map(of).collect()
    }
}

pub(crate) fn reasons(judged: &Judged) -> Vec<(String, HeldReason)> {
    judged.held.iter().map(|held| (held.register.to_string(), held.reason)).collect()
}

pub(crate) fn codes(judged: &Judged) -> Vec<EventCode> {
    judged.events.iter().map(|event| event.code).collect()
}

pub(crate) fn number(row: &Row, code: &str) -> Option<String> {
    row.number(&code.parse().unwrap()).map(|number| number.to_string())
}
