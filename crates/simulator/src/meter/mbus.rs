//! Meters that push DLMS over wired M-Bus, encrypted: the customer interfaces of Austria.
use super::dlms_list::{List, Outermost, local, shown};
use super::{Emission, MeterKind, Moment, SetUp};
use crate::cipher::{Cipher, written};
use crate::ledger::Said;
use metergate_meter::Protocol;
use metergate_reading::MeterId;
use metergate_wire::dlms::axdr::Value;
use metergate_wire::mbus;
use std::time::Duration;

/// Longest telegram: two or three frames.
const TELEGRAM_LEN_MAX: usize = 1024;
/// Rest between the frames of one telegram; up to 160 ms were seen.
const FRAME_GAP: Duration = Duration::from_millis(60);

const OBIS_VOLTAGE: [[u8; 6]; 3] = [[1, 0, 32, 7, 0, 255], [1, 0, 52, 7, 0, 255], [1, 0, 72, 7, 0, 255]];
const OBIS_CURRENT: [[u8; 6]; 3] = [[1, 0, 31, 7, 0, 255], [1, 0, 51, 7, 0, 255], [1, 0, 71, 7, 0, 255]];

#[derive(Debug)]
pub(crate) struct MbusMeter {
    kind: MeterKind,
    cipher: Cipher,
    serial: u32,
    invoke_id: u32,
}

impl MbusMeter {
    pub(super) fn new(set_up: &SetUp) -> Self {
        let (letters, control) = match set_up.kind {
            // Netz NÖ: encryption alone. Vorarlberg: the same, with the number of suite 1.
            MeterKind::KaifaMa309mNetzNoe => (*b"KFMg", 0x20),
            MeterKind::KaifaMa309mVkw => ([b'K', b'F', b'M', 0x10], 0x21),
            MeterKind::SagemcomT210dAuthenticated => (*b"SAGY", 0x30),
            _ => (*b"SAGY", 0x20),
        };
        let cipher = set_up.cipher(letters, control);
        let serial = set_up.serial(20_000_000, 99_999_999);
        Self { kind: set_up.kind, cipher, serial, invoke_id: 0x0080_0000 }
    }

    pub(super) fn telegram(&mut self, moment: &Moment<'_>) -> Emission {
        self.invoke_id = self.invoke_id.wrapping_add(1) & 0x00FF_FFFF;
        let time = local(moment.clock_s, moment.doubtful, true);
        let list = match self.kind {
            MeterKind::KaifaMa309mVkw => self.nested(moment, &time.to_bytes()),
            _ => self.flat(moment, &time.to_bytes()),
        };
        let plain = list.notification(Outermost::Structure, self.invoke_id, Some(time), false);
        let (apdu, security) = self.cipher.seal(&plain, moment.envelope);
        // The old T210-D fills its first frame to 257 bytes, and its length byte shows 01.
        let data_len_max = match self.kind {
            MeterKind::SagemcomT210dNetzNoe => 252,
            _ => 245,
        };
        let bytes = written(TELEGRAM_LEN_MAX, |out| mbus::emit_message(out, &apdu, data_len_max));
        let first_frame_len = data_len_max + 11;
        let pauses =
            (first_frame_len..bytes.len()).step_by(first_frame_len).map(|at| (at, FRAME_GAP)).collect();
        let said = Said {
            meter: MeterId::system_title(self.cipher.title()),
            time: shown(time),
            security: Some(security),
            registers: list.registers,
            ..Said::new(Protocol::DlmsMbus)
        };
        Emission { pauses, ..Emission::telegram(bytes, said) }
    }

    /// Netz NÖ: clock, eleven registers of three elements in a row, the meter's number.
    fn flat(&self, moment: &Moment<'_>, time: &[u8]) -> List {
        let (house, energies) = (moment.house, moment.house.energies());
        let mut list = List::default();
        list.lone(Value::Octets(time));
        list.flat([1, 0, 1, 8, 0, 255], wh(energies.import), 0, 30);
        list.flat([1, 0, 2, 8, 0, 255], wh(energies.export), 0, 30);
        list.flat([1, 0, 1, 7, 0, 255], watts(house.power_mw()), 0, 27);
        list.flat([1, 0, 2, 7, 0, 255], watts(-house.power_mw()), 0, 27);
        for (obis, phase) in OBIS_VOLTAGE.into_iter().zip(house.phases()) {
            list.flat(obis, u16_of(phase.voltage_mv / 100), -1, 35);
        }
        for (obis, phase) in OBIS_CURRENT.into_iter().zip(house.phases()) {
            list.flat(obis, u16_of(phase.current_ma / 10), -2, 33);
        }
        let factor = match self.kind {
            MeterKind::KaifaMa309mNetzNoe => u16_of(house.power_factor_1000()),
            // Sagemcom sends it signed: negative while energy goes out.
            _ => {
                let sign = if house.power_mw() < 0 { -1 } else { 1 };
                Value::I16(i16::try_from(sign * house.power_factor_1000()).unwrap_or(0))
            }
        };
        list.flat([1, 0, 13, 7, 0, 255], factor, -3, 255);
        let number = format!("1812{:08}", self.serial);
        list.lone(Value::Octets(number.as_bytes()));
        list
    }

    /// Vorarlberg and Tyrol: each register is a structure of its own, clock and names among them.
    fn nested(&self, moment: &Moment<'_>, time: &[u8]) -> List {
        let (house, energies) = (moment.house, moment.house.energies());
        let number = format!("1KFM{:08}", self.serial);
        let name = format!("KFM11001{:08}", self.serial);
        let mut list = List::default();
        list.nested_pair([0, 0, 1, 0, 0, 255], Value::Octets(time));
        list.nested_pair([0, 0, 96, 1, 0, 255], Value::Octets(number.as_bytes()));
        list.nested_pair([0, 0, 42, 0, 0, 255], Value::Octets(name.as_bytes()));
        for (obis, phase) in OBIS_VOLTAGE.into_iter().zip(house.phases()) {
            list.nested(obis, u16_of(phase.voltage_mv / 100), -1, 35);
        }
        for (obis, phase) in OBIS_CURRENT.into_iter().zip(house.phases()) {
            list.nested(obis, u16_of(phase.current_ma / 10), -2, 33);
        }
        list.nested([1, 0, 1, 7, 0, 255], watts(house.power_mw()), 0, 27);
        list.nested([1, 0, 2, 7, 0, 255], watts(-house.power_mw()), 0, 27);
        list.nested([1, 0, 1, 8, 0, 255], wh(energies.import), 0, 30);
        list.nested([1, 0, 2, 8, 0, 255], wh(energies.export), 0, 30);
        list.nested([1, 0, 3, 8, 0, 255], wh(energies.reactive_import), 0, 32);
        list.nested([1, 0, 4, 8, 0, 255], wh(energies.reactive_export), 0, 32);
        list
    }
}

/// A register in whole Wh or varh.
pub(super) fn wh(energy: crate::Energy) -> Value<'static> {
    // The real register has 32 bits and begins again at 0 after 4,294,967 kWh.
    let [.., a, b, c, d] = energy.wh().to_be_bytes();
    Value::U32(u32::from_be_bytes([a, b, c, d]))
}

/// Power in whole W, 0 when it flows the other way.
pub(super) fn watts(mw: i64) -> Value<'static> {
    Value::U32(u32::try_from(mw / 1000).unwrap_or(0))
}

/// A number of two bytes, 0 when it is negative.
pub(super) fn u16_of(number: i64) -> Value<'static> {
    Value::U16(u16::try_from(number).unwrap_or(0))
}
