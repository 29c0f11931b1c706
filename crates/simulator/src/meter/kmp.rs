//! The Kamstrup MULTICAL 403: a heat meter that answers when it is asked.
use super::{Emission, Moment, SetUp};
use crate::cipher::written;
use crate::ledger::{Said, by_obis};
use metergate_meter::Protocol;
use metergate_reading::{AddressBuf, MeterId, Number, ObisCode, RegisterBuf, Unit, ValueBuf};
use metergate_wire::kmp::{self, Command, FRAME_LEN_MAX, Frame, Message, Register};
use metergate_wire::{Full, Scan, Writer};
use std::time::Duration;

/// What a reader of a heat meter usually asks for.
const USUAL_REGISTERS: [u16; 8] = [60, 80, 86, 87, 89, 74, 68, 1004];
/// Type number and software revision that GetType answers; invented.
const METER_TYPE: [u8; 4] = [0x00, 0x34, 0x0A, 0x01];
/// The optical head of a battery meter sleeps when it was not used for so long.
const AWAKE: Duration = Duration::from_secs(240);

/// Unit codes of KMP.
mod unit {
    pub(super) const MWH: u8 = 3;
    pub(super) const WH: u8 = 1;
    pub(super) const KW: u8 = 22;
    pub(super) const CELSIUS: u8 = 37;
    pub(super) const KELVIN: u8 = 38;
    pub(super) const M3: u8 = 40;
    pub(super) const L_H: u8 = 41;
    pub(super) const HOURS: u8 = 46;
    pub(super) const NUMBER: u8 = 51;
}

#[derive(Debug)]
pub(crate) struct KmpMeter {
    serial: u32,
    heard: Vec<u8>,
    /// True: the head goes to sleep, and the first request after that only wakes it.
    sleeps: bool,
    last_heard: Option<Duration>,
    last_asked: Vec<u16>,
}

impl KmpMeter {
    pub(super) fn new(set_up: &SetUp, sleeps: bool) -> Self {
        let serial = set_up.serial(60_000_000, 89_999_999);
        Self { serial, heard: Vec::new(), sleeps, last_heard: None, last_asked: USUAL_REGISTERS.to_vec() }
    }

    /// The answer to the last request, for another moment.
    pub(super) fn say_again(&self, moment: &Moment<'_>) -> Emission {
        self.registers(&self.last_asked, moment)
    }

    pub(super) fn telegram(&mut self, moment: &Moment<'_>) -> Emission {
        self.registers(&USUAL_REGISTERS, moment)
    }

    /// The answer to a request, as soon as its last byte is there.
    pub(super) fn hear(&mut self, bytes: &[u8], now: Duration, moment: &Moment<'_>) -> Vec<Emission> {
        let was_asleep = self.sleeps && self.last_heard.is_none_or(|last| now.saturating_sub(last) >= AWAKE);
        self.last_heard = Some(now);
        if was_asleep {
            self.heard.clear();
            return Vec::new();
        }
        self.heard.extend_from_slice(bytes);
        let mut answers = Vec::new();
        loop {
            let len = match kmp::scan(&self.heard) {
                Scan::NeedMore => break,
                Scan::Skip(len) | Scan::Bad { len, .. } => len,
                Scan::Frame { frame, len } => {
                    let mut request = self.heard[..len].to_vec();
                    if matches!(frame, Frame::Request(_))
                        && let Ok(request) = Message::parse(&mut request)
                        && request.address == kmp::ADDRESS_METER
                    {
                        answers.extend(self.answer(request.command, request.data, moment));
                    }
                    len
                }
            };
            self.heard.drain(..len.min(self.heard.len()));
        }
        // A reader that sends noise without end does not fill the memory.
        if self.heard.len() > FRAME_LEN_MAX {
            self.heard.clear();
        }
        answers
    }

    fn answer(&mut self, command: Command, data: &[u8], moment: &Moment<'_>) -> Option<Emission> {
        match command {
            Command::GetType => {
                let value = ValueBuf::Octets(METER_TYPE.to_vec());
                let said = Said { registers: vec![by_name("type", value)], ..Said::new(Protocol::Kmp) };
                Some(Emission::telegram(answer(command, &METER_TYPE), said))
            }
            Command::GetSerialNumber => {
                let value = ValueBuf::Number(Number::new(i64::from(self.serial), 0));
                let said = Said {
                    meter: Some(MeterId::kamstrup(self.serial)),
                    registers: vec![by_name("serial", value)],
                    ..Said::new(Protocol::Kmp)
                };
                Some(Emission::telegram(answer(command, &self.serial.to_be_bytes()), said))
            }
            Command::GetRegister => {
                let (count, numbers) = data.split_first()?;
                let numbers: Vec<u16> =
                    numbers.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
                // The meter answers nothing to a request that it does not understand.
                let understood =
                    usize::from(*count) == numbers.len() && (1..=kmp::REGISTERS_MAX).contains(&numbers.len());
                if !understood {
                    return None;
                }
                self.last_asked = numbers;
                Some(self.registers(&self.last_asked, moment))
            }
            Command::Other(_) => None,
        }
    }

    /// The registers with these numbers; those that the meter does not have are absent.
    fn registers(&self, numbers: &[u16], moment: &Moment<'_>) -> Emission {
        let known: Vec<Measured> =
            numbers.iter().filter_map(|&number| self.measure(number, moment)).collect();
        let data =
            written(kmp::CONTENT_LEN_MAX, |out| known.iter().try_for_each(|measured| measured.emit(out)));
        let said = Said {
            meter: known
                .iter()
                .any(|measured| measured.number == 1001)
                .then(|| MeterId::kamstrup(self.serial)),
            registers: known.iter().map(Measured::said).collect(),
            ..Said::new(Protocol::Kmp)
        };
        Emission::telegram(answer(Command::GetRegister, &data), said)
    }

    fn measure(&self, number: u16, moment: &Moment<'_>) -> Option<Measured> {
        let (supplies, flow) = (moment.house.supplies(), moment.house.heat_flow());
        let unsigned = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let volume_ml = supplies.heating_water_ml();
        let (unit, mantissa, exponent, width) = match number {
            // Heat energy E1 to the kWh, and to the Wh.
            60 => (unit::MWH, unsigned(supplies.heat.wh() / 1000), -3, 4),
            266 => (unit::WH, unsigned(supplies.heat.wh()), 0, 4),
            // Cooling energy E3.
            63 => (unit::MWH, 0, -3, 4),
            68 => (unit::M3, unsigned(volume_ml / 10_000), -2, 4),
            74 => (unit::L_H, flow.litres_per_hour, 0, 4),
            80 => (unit::KW, flow.power_mw / 100_000, -1, 4),
            86 => (unit::CELSIUS, flow.flow_centidegrees, -2, 2),
            87 => (unit::CELSIUS, flow.return_centidegrees, -2, 2),
            89 => (unit::KELVIN, flow.flow_centidegrees - flow.return_centidegrees, -2, 2),
            // Info code: no error.
            99 => (unit::NUMBER, 0, 0, 1),
            1001 => (unit::NUMBER, i64::from(self.serial), 0, 4),
            1004 => (unit::HOURS, unsigned(supplies.heat_meter_s / 3600), 0, 4),
            _ => return None,
        };
        Some(Measured { number, unit, mantissa, exponent, width })
    }
}

/// The request for what a reader of a heat meter usually asks for.
pub(super) fn usual_request() -> Vec<u8> {
    written(FRAME_LEN_MAX, |out| kmp::emit_get_register(out, &USUAL_REGISTERS))
}

fn answer(command: Command, data: &[u8]) -> Vec<u8> {
    written(FRAME_LEN_MAX, |out| kmp::emit_answer(out, command, data))
}

/// A register with its value.
#[derive(Debug, Clone, Copy)]
struct Measured {
    number: u16,
    unit: u8,
    mantissa: i64,
    exponent: i8,
    /// Bytes of the mantissa, 1 to 8.
    width: usize,
}

impl Measured {
    fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        let magnitude = self.mantissa.unsigned_abs().to_be_bytes();
        // Bit 7: negative value, bit 6: negative exponent.
        let sign = if self.mantissa < 0 { 0x80 } else { 0 } | if self.exponent < 0 { 0x40 } else { 0 };
        let register = Register {
            number: self.number,
            unit: self.unit,
            sign_exponent: sign | self.exponent.unsigned_abs(),
            mantissa: &magnitude[8 - self.width..],
        };
        register.emit(out)
    }

    fn said(&self) -> RegisterBuf {
        let (unit, prefix) =
            Unit::from_kmp(self.unit).map_or((None, 0), |(unit, prefix)| (Some(unit), prefix));
        let value = ValueBuf::Number(Number::new(self.mantissa, self.exponent + prefix));
        let address = AddressBuf::Kmp(self.number);
        RegisterBuf { obis: obis(self.number), address, ..by_obis([0; 6], value, unit) }
    }
}

/// An answer that is no register: it has a name only.
fn by_name(name: &str, value: ValueBuf) -> RegisterBuf {
    RegisterBuf { obis: None, address: AddressBuf::Text(name.to_owned()), ..by_obis([0; 6], value, None) }
}

/// The code of a heat register, where EN 13757-1 has one.
const fn obis(number: u16) -> Option<ObisCode> {
    let quantity = match number {
        60 => 1,
        80 => 8,
        86 => 10,
        87 => 11,
        89 => 12,
        _ => return None,
    };
    Some(ObisCode::new(6, 0, quantity, 0, 0, 255))
}
