//! What is known about the meters of the demonstration, from what the gateway told.
use super::street::House;
use crate::update::{TelegramBuf, Update, What};
use metergate_meter::verdict::Verdict;
use metergate_reading::{AddressBuf, Number, ObisCode, ObisStyle, RegisterBuf, Unit};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Points of the power curve that are kept: more than any terminal is wide.
const CURVE_LEN: usize = 240;

/// All meters, in the order of the screen.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) cards: Vec<Card>,
}

/// One meter.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) house: House,
    /// Its number, as its telegrams tell it.
    pub(super) id: Option<String>,
    pub(super) verdict: Verdict,
    pub(super) port_error: Option<String>,
    pub(super) telegrams: u64,
    pub(super) rejections: u64,
    pub(super) last_telegram: Option<Instant>,
    /// The last reading's numbers, the most telling first.
    pub(super) shown: Vec<Shown>,
    /// Net power over time, in whole W.
    pub(super) curve: VecDeque<i64>,
}

/// One number of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// OBIS code, or the maker's register number.
    pub(super) code: String,
    pub(super) name: &'static str,
    /// The exact decimal, as `decode` prints it.
    pub(super) value: String,
    pub(super) unit: &'static str,
}

impl Board {
    pub(super) fn new(street: &[House]) -> Self {
        let card = |house: &House| Card {
            house: *house,
            id: None,
            verdict: Verdict::Waiting,
            port_error: None,
            telegrams: 0,
            rejections: 0,
            last_telegram: None,
            shown: Vec::new(),
            curve: VecDeque::new(),
        };
        Self { cards: street.iter().map(card).collect() }
    }

    /// Notes an update; gives the card that it was about.
    pub(super) fn note(&mut self, update: &Update, now: Instant) -> Option<&Card> {
        let card = self.cards.iter_mut().find(|card| card.house.name == &*update.meter)?;
        match &update.what {
            What::Telegram(telegram) => card.telegram(telegram, now),
            What::Rejected { .. } => card.rejections += 1,
            What::Verdict(verdict) => card.verdict = *verdict,
            What::PortOpened => card.port_error = None,
            What::PortLost(error) => card.port_error = Some(error.clone()),
            What::NoAnswer { .. }
            | What::Protocol { .. }
            | What::Reading(_)
            | What::SourceFailed(_)
            | What::SourceLoop(_)
            | What::Bytes
            | What::Ended => {}
        }
        Some(card)
    }
}

impl Card {
    fn telegram(&mut self, telegram: &TelegramBuf, now: Instant) {
        self.telegrams += 1;
        if let Some(id) = telegram.reading.meter {
            self.id = Some(id.to_string());
        }
        let mut numbers: Vec<(u16, Shown)> = telegram
            .reading
            .registers
            .iter()
            .filter_map(|register| Some((rank(register)?, shown(register)?)))
            .collect();
        // Answers without a number, such as a meter's type, leave the last reading on the screen.
        if numbers.is_empty() {
            return;
        }
        self.last_telegram = Some(now);
        numbers.sort_by_key(|(rank, _)| *rank);
        self.shown = numbers.into_iter().map(|(_, shown)| shown).collect();
        if let Some(watts) = net_watts(&telegram.reading.registers) {
            if self.curve.len() == CURVE_LEN {
                self.curve.pop_front();
            }
            self.curve.push_back(watts);
        }
    }

    /// True when the values may be shown: telegrams arrive, and the last one is not older than the meter's patience.
    pub(super) fn is_live(&self) -> bool {
        self.verdict.is_live() && self.port_error.is_none()
    }

    /// How long ago the last telegram came.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.last_telegram.map(|at| now.saturating_duration_since(at))
    }
}

/// The place of a number on the screen; `None` for what is no number to look at.
fn rank(register: &RegisterBuf) -> Option<u16> {
    register.number()?;
    match (register.obis.map(ObisCode::bytes), &register.address) {
        (Some([1, _, c, d, e, _]), _) => Some(electricity(c, d, e)),
        (Some([6, _, c, ..]), _) => Some(u16::from(c)),
        (None, AddressBuf::Kmp(74)) => Some(9),
        (None, AddressBuf::Kmp(68)) => Some(2),
        (None, AddressBuf::Kmp(_)) => Some(900),
        _ => None,
    }
}

/// Power before energy before voltages and currents, then all else.
fn electricity(c: u8, d: u8, e: u8) -> u16 {
    /// C, D and E in their order.
    const ORDER: [(u8, u8, u8); 24] = [
        (16, 7, 0),
        (1, 7, 0),
        (2, 7, 0),
        (1, 8, 0),
        (2, 8, 0),
        (36, 7, 0),
        (56, 7, 0),
        (76, 7, 0),
        (32, 7, 0),
        (52, 7, 0),
        (72, 7, 0),
        (31, 7, 0),
        (51, 7, 0),
        (71, 7, 0),
        (13, 7, 0),
        (3, 7, 0),
        (4, 7, 0),
        (1, 8, 1),
        (1, 8, 2),
        (2, 8, 1),
        (2, 8, 2),
        (3, 8, 0),
        (4, 8, 0),
        (14, 7, 0),
    ];
    let place = ORDER.iter().position(|known| *known == (c, d, e));
    place.and_then(|place| u16::try_from(place).ok()).unwrap_or(500)
}

fn shown(register: &RegisterBuf) -> Option<Shown> {
    let number = register.number()?;
    let code = match (register.obis, &register.address) {
        (Some(obis), _) => obis.text(ObisStyle::Short).to_string(),
        (None, AddressBuf::Kmp(number)) => format!("KMP {number}"),
        (None, AddressBuf::Text(text)) => text.clone(),
        (None, _) => return None,
    };
    let name = match (register.obis.and_then(ObisCode::name), &register.address) {
        (Some(name), _) => name,
        (None, AddressBuf::Kmp(68)) => "heating water",
        (None, AddressBuf::Kmp(74)) => "flow",
        (None, AddressBuf::Kmp(1004)) => "working hours",
        (None, _) => "",
    };
    Some(Shown { code, name, value: number.to_string(), unit: register.unit.map_or("", Unit::text) })
}

/// Net power in whole W: 16.7.0, or import less export, or heat.
fn net_watts(registers: &[RegisterBuf]) -> Option<i64> {
    let whole = |number: Number| match number.exponent() {
        0.. => number.at_exponent(0),
        below => Some(number.mantissa() / 10i64.checked_pow(u32::from(below.unsigned_abs()))?),
    };
    let watts = |a: u8, c: u8, d: u8| {
        let is_meant = |register: &&RegisterBuf| {
            register.obis.is_some_and(|obis| {
                let [found_a, _, found_c, found_d, ..] = obis.bytes();
                (found_a, found_c, found_d) == (a, c, d)
            })
        };
        registers.iter().find(is_meant).and_then(RegisterBuf::number).and_then(whole)
    };
    watts(1, 16, 7).or_else(|| Some(watts(1, 1, 7)? - watts(1, 2, 7).unwrap_or(0))).or_else(|| watts(6, 8, 0))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::demo::street::STREET;
    use metergate_meter::{Flags, Protocol};
    use metergate_reading::{Instant as At, Reading, Trust, ValueBuf};

    /// An update of the first meter.
    pub(in crate::cli::demo) fn update(what: What) -> Update {
        let at = At { unix_ms: 1_775_986_800_000, trust: Trust::HostSynchronised };
        Update { meter: STREET[0].name.into(), at, live: true, bytes: 0, what }
    }

    /// A telegram with these codes, numbers and units.
    pub(in crate::cli::demo) fn telegram(registers: &[(&str, i64, i8, Unit)]) -> What {
        let register = |&(code, mantissa, scaler, unit): &(&str, i64, i8, Unit)| RegisterBuf {
            obis: code.parse().ok(),
            address: AddressBuf::Obis,
            value: ValueBuf::Number(Number::new(mantissa, scaler)),
            unit: Some(unit),
            time: None,
            seconds_index: None,
            status: None,
            groups: Vec::new(),
        };
        let received = At { unix_ms: 1_775_986_800_000, trust: Trust::HostSynchronised };
        What::Telegram(Box::new(TelegramBuf {
            number: 0,
            offset: 0,
            length: 1,
            protocol: Protocol::Sml,
            identification: None,
            model: None,
            security: None,
            flags: Flags::default(),
            signature: None,
            reading: Reading {
                meter: None,
                time: None,
                received,
                registers: registers.iter().map(register).collect(),
            },
        }))
    }

    #[test]
    fn power_stands_before_energy_and_the_curve_follows() {
        let mut board = Board::new(&STREET);
        let now = Instant::now();
        let what = telegram(&[
            ("1-0:2.8.0", 5, 0, Unit::WattHour),
            ("1-0:1.8.0", 352_040_842, -4, Unit::WattHour),
            ("1-0:16.7.0", -351_586, -2, Unit::Watt),
        ]);
        board.note(&update(what), now);
        let card = &board.cards[0];
        let codes: Vec<&str> = card.shown.iter().map(|shown| shown.code.as_str()).collect();
        assert_eq!(codes, ["1-0:16.7.0", "1-0:1.8.0", "1-0:2.8.0"]);
        assert_eq!(card.shown[0].value, "-3515.86");
        assert_eq!(card.curve, [-3515]);
    }

    #[test]
    fn a_silent_meter_is_not_live() {
        let mut board = Board::new(&STREET);
        board.note(&update(What::Verdict(Verdict::Ok)), Instant::now());
        assert!(board.cards[0].is_live());
        board.note(&update(What::Verdict(Verdict::Silent { since: Duration::ZERO })), Instant::now());
        assert!(!board.cards[0].is_live());
        board.note(&update(What::Verdict(Verdict::Ok)), Instant::now());
        board.note(&update(What::PortLost("gone".to_owned())), Instant::now());
        assert!(!board.cards[0].is_live());
    }
}
