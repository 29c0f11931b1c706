//! Meters that push DLMS over HDLC: the HAN ports of Norway, Sweden and Switzerland.
use super::dlms_list::{List, Outermost, local, shown};
use super::mbus::{u16_of, watts, wh};
use super::{Emission, MeterKind, Moment, SetUp};
use crate::cipher::{Cipher, written};
use crate::ledger::Said;
use metergate_meter::Protocol;
use metergate_reading::MeterId;
use metergate_wire::dlms::axdr::Value;
use metergate_wire::dlms::gbt;
use metergate_wire::hdlc::{self, Address};

/// Longest telegram.
const TELEGRAM_LEN_MAX: usize = 2048;
/// Most bytes of a block that Landis+Gyr sends in one frame.
const BLOCK_LEN_MAX: usize = 0x77;

#[derive(Debug)]
pub(crate) struct HdlcMeter {
    kind: MeterKind,
    cipher: Cipher,
    serial: u32,
}

impl HdlcMeter {
    pub(super) fn new(set_up: &SetUp) -> Self {
        let cipher = set_up.cipher(*b"LGZg", 0x30);
        Self { kind: set_up.kind, cipher, serial: set_up.serial(10_000_000, 99_999_999) }
    }

    pub(super) fn telegram(&mut self, moment: &Moment<'_>) -> Emission {
        match self.kind {
            MeterKind::KaifaMa304Norway => self.kaifa(moment),
            MeterKind::AidonNorway => self.aidon(moment),
            MeterKind::KamstrupNorway => self.kamstrup(moment),
            _ => self.landis_gyr(moment),
        }
    }

    /// Kaifa: a list whose meaning is its order (KFM_001). In the first telegram of an hour also clock and energies.
    fn kaifa(&self, moment: &Moment<'_>) -> Emission {
        let house = moment.house;
        let time = local(moment.clock_s, false, false);
        let number = format!("69706314{:08}", self.serial);
        let mut list = List::default();
        list.described([1, 1, 0, 2, 129, 255], Value::Octets(b"KFM_001"), 0, 0);
        list.described([0, 0, 96, 1, 0, 255], Value::Octets(number.as_bytes()), 0, 0);
        list.described([0, 0, 96, 1, 7, 255], Value::Octets(b"MA304H3E"), 0, 0);
        list.described([1, 0, 1, 7, 0, 255], watts(house.power_mw()), 0, 27);
        list.described([1, 0, 2, 7, 0, 255], watts(-house.power_mw()), 0, 27);
        list.described([1, 0, 3, 7, 0, 255], watts(house.reactive_mvar()), 0, 29);
        list.described([1, 0, 4, 7, 0, 255], watts(-house.reactive_mvar()), 0, 29);
        for (c, phase) in [31, 51, 71].into_iter().zip(house.phases()) {
            list.described([1, 0, c, 7, 0, 255], u32_of(phase.current_ma), -3, 33);
        }
        for (c, phase) in [32, 52, 72].into_iter().zip(house.phases()) {
            list.described([1, 0, c, 7, 0, 255], u32_of(phase.voltage_mv / 100), -1, 35);
        }
        if moment.clock_s.rem_euclid(3600) < 10 {
            let energies = house.energies();
            list.described([0, 0, 1, 0, 0, 255], Value::Octets(&time.to_bytes()), 0, 0);
            for (c, energy, unit) in [
                (1, energies.import, 30),
                (2, energies.export, 30),
                (3, energies.reactive_import, 32),
                (4, energies.reactive_export, 32),
            ] {
                list.described([1, 0, c, 8, 0, 255], wh(energy), 0, unit);
            }
        }
        let plain = list.notification(Outermost::Structure, 0x4000_0000, Some(time), true);
        let said = Said { meter: MeterId::serial(&number), time: shown(time), ..said(list) };
        Emission::telegram(framed(&plain, &[0x01], &[0x02, 0x01]), said)
    }

    /// Aidon: an array of registers, each with code, value, scaler and unit.
    fn aidon(&self, moment: &Moment<'_>) -> Emission {
        let (house, energies) = (moment.house, moment.house.energies());
        let number = format!("73599920{:08}", self.serial);
        let mut list = List::default();
        list.nested_pair([1, 1, 0, 2, 129, 255], Value::Visible(b"AIDON_V0001"));
        list.nested_pair([0, 0, 96, 1, 0, 255], Value::Visible(number.as_bytes()));
        list.nested_pair([0, 0, 96, 1, 7, 255], Value::Visible(b"6525"));
        list.nested([1, 0, 1, 7, 0, 255], watts(house.power_mw()), 0, 27);
        list.nested([1, 0, 2, 7, 0, 255], watts(-house.power_mw()), 0, 27);
        list.nested([1, 0, 3, 7, 0, 255], watts(house.reactive_mvar()), 0, 29);
        list.nested([1, 0, 4, 7, 0, 255], watts(-house.reactive_mvar()), 0, 29);
        for (c, phase) in [31, 51, 71].into_iter().zip(house.phases()) {
            let tenths = i16::try_from(phase.current_ma / 100).unwrap_or(0);
            list.nested([1, 0, c, 7, 0, 255], Value::I16(tenths), -1, 33);
        }
        for (c, phase) in [32, 52, 72].into_iter().zip(house.phases()) {
            list.nested([1, 0, c, 7, 0, 255], u16_of(phase.voltage_mv / 100), -1, 35);
        }
        let hourly = moment.clock_s.rem_euclid(3600) < 10;
        let time = local(moment.clock_s, false, false);
        if hourly {
            list.nested_pair([0, 0, 1, 0, 0, 255], Value::Octets(&time.to_bytes()));
            list.nested([1, 0, 1, 8, 0, 255], wh(energies.import), 0, 30);
            list.nested([1, 0, 2, 8, 0, 255], wh(energies.export), 0, 30);
            list.nested([1, 0, 3, 8, 0, 255], wh(energies.reactive_import), 0, 32);
            list.nested([1, 0, 4, 8, 0, 255], wh(energies.reactive_export), 0, 32);
        }
        let plain = list.notification(Outermost::Array, 0x4000_0000, None, false);
        let time = shown(time).filter(|_| hourly);
        let said = Said { meter: MeterId::serial(&number), time, ..said(list) };
        Emission::telegram(framed(&plain, &[0x41], &[0x08, 0x83]), said)
    }

    /// Kamstrup: codes and numbers without scaler and unit, all with the A field 1 and the B field 1.
    fn kamstrup(&self, moment: &Moment<'_>) -> Emission {
        let (house, energies) = (moment.house, moment.house.energies());
        let time = local(moment.clock_s, false, false);
        /// Type number of a three-phase 684x.
        const NUMBER: &str = "6841121BN243101040";
        let gsin = format!("57065672{:08}", self.serial);
        let mut list = List::default();
        list.described([1, 1, 0, 2, 129, 255], Value::Visible(b"Kamstrup_V0001"), 0, 0);
        list.pair([1, 1, 0, 0, 5, 255], Value::Visible(gsin.as_bytes()));
        list.pair([1, 1, 96, 1, 1, 255], Value::Visible(NUMBER.as_bytes()));
        list.described_pair([1, 1, 1, 7, 0, 255], watts(house.power_mw()), 0, 27);
        list.described_pair([1, 1, 2, 7, 0, 255], watts(-house.power_mw()), 0, 27);
        list.described_pair([1, 1, 3, 7, 0, 255], watts(house.reactive_mvar()), 0, 29);
        list.described_pair([1, 1, 4, 7, 0, 255], watts(-house.reactive_mvar()), 0, 29);
        for (c, phase) in [31, 51, 71].into_iter().zip(house.phases()) {
            list.described_pair([1, 1, c, 7, 0, 255], u32_of(phase.current_ma / 10), -2, 33);
        }
        for (c, phase) in [32, 52, 72].into_iter().zip(house.phases()) {
            list.described_pair([1, 1, c, 7, 0, 255], u16_of(phase.voltage_mv / 1000), 0, 35);
        }
        if moment.clock_s.rem_euclid(3600) < 10 {
            // Hundredths of a kWh.
            let tens = |energy: crate::Energy| u32_of((energy.wh() / 10).cast_signed());
            list.pair([0, 1, 1, 0, 0, 255], Value::Octets(&time.to_bytes()));
            list.described_pair([1, 1, 1, 8, 0, 255], tens(energies.import), 1, 30);
            list.described_pair([1, 1, 2, 8, 0, 255], tens(energies.export), 1, 30);
            list.described_pair([1, 1, 3, 8, 0, 255], tens(energies.reactive_import), 1, 32);
            list.described_pair([1, 1, 4, 8, 0, 255], tens(energies.reactive_export), 1, 32);
        }
        let plain = list.notification(Outermost::Structure, 0, Some(time), false);
        let said = Said { meter: MeterId::serial(&gsin), time: shown(time), ..said(list) };
        Emission::telegram(framed(&plain, &[0x2B], &[0x21]), said)
    }

    /// Landis+Gyr E450: encrypted and authenticated, cut into blocks, a frame for each.
    fn landis_gyr(&mut self, moment: &Moment<'_>) -> Emission {
        let (house, energies) = (moment.house, moment.house.energies());
        let time = local(moment.clock_s, false, false);
        let mut list = List::default();
        list.lone(Value::Octets(&time.to_bytes()));
        let nothing = crate::Energy::default();
        let [reactive_import, reactive_export] = [energies.reactive_import, energies.reactive_export];
        for (c, total, [day, night], milli) in [
            (1, energies.import, energies.import_by_tariff, house.power_mw()),
            (2, energies.export, energies.export_by_tariff, -house.power_mw()),
            (3, reactive_import, [reactive_import, nothing], house.reactive_mvar()),
            (4, reactive_export, [reactive_export, nothing], -house.reactive_mvar()),
        ] {
            list.pair([1, 0, c, 8, 0, 255], wh(total));
            list.pair([1, 0, c, 8, 1, 255], wh(day));
            list.pair([1, 0, c, 8, 2, 255], wh(night));
            list.pair([1, 0, c, 7, 0, 255], watts(milli));
        }
        let plain = list.notification(Outermost::Structure, self.serial & 0x00FF_FFFF, Some(time), false);
        let (apdu, security) = self.cipher.seal(&plain, moment.envelope);
        let bytes = gbt::blocks(&apdu, BLOCK_LEN_MAX)
            .enumerate()
            .flat_map(|(index, block)| {
                let block = written(TELEGRAM_LEN_MAX, |out| block.emit(out));
                // Only the first frame has the LLC header.
                if index == 0 { framed(&block, &[0xCE, 0xFF], &[0x03]) } else { framed_without_llc(&block) }
            })
            .collect();
        let said = Said {
            meter: MeterId::system_title(self.cipher.title()),
            time: shown(time),
            security: Some(security),
            ..said(list)
        };
        Emission::telegram(bytes, said)
    }
}

fn said(list: List) -> Said {
    Said { registers: list.registers, ..Said::new(Protocol::DlmsHdlc) }
}

/// One frame around a message.
fn framed(message: &[u8], destination: &[u8], source: &[u8]) -> Vec<u8> {
    let (destination, source) = (address(destination), address(source));
    written(TELEGRAM_LEN_MAX, |out| hdlc::emit_message(out, destination, source, message, hdlc::LEN_MAX - 16))
}

fn framed_without_llc(information: &[u8]) -> Vec<u8> {
    let (destination, source) = (address(&[0xCE, 0xFF]), address(&[0x03]));
    let frame = hdlc::Frame { segmented: false, destination, source, control: hdlc::CONTROL_UI, information };
    written(TELEGRAM_LEN_MAX, |out| frame.emit(out))
}

fn address(bytes: &[u8]) -> Address<'_> {
    Address::new(bytes).expect("only the last byte of an address is odd")
}

fn u32_of(number: i64) -> Value<'static> {
    Value::U32(u32::try_from(number).unwrap_or(0))
}
