//! Meters that push P1 telegrams: plain in the Netherlands and Flanders, sealed in Styria and Luxembourg.
use super::text_line::Line;
use super::{Emission, LUXEMBOURG_AUTH_KEY, MeterKind, Moment, SetUp};
use crate::cipher::{Cipher, written};
use crate::clock;
use crate::household::{Energy, Phase};
use crate::ledger::{Said, number};
use metergate_meter::{Key, Protocol};
use metergate_reading::{MeterId, Unit, ValueBuf};
use metergate_wire::p1::Emitter;

/// Longest telegram that is simulated.
const TELEGRAM_LEN_MAX: usize = 2048;

#[derive(Debug)]
pub(crate) struct P1Meter {
    kind: MeterKind,
    cipher: Option<Cipher>,
    serial: u32,
    start_s: i64,
    /// What the sub-meters said at their last full interval: when, and litres.
    stored: [(i64, i64); 2],
}

/// When the power failure of the simulated meters ended: 2018-04-17T18:14:58Z.
const POWER_FAILURE_S: i64 = 1_523_988_898;
/// Which sub-meter.
const GAS: usize = 0;
const WATER: usize = 1;

impl P1Meter {
    pub(super) fn new(set_up: &SetUp) -> Self {
        let cipher = match set_up.kind {
            MeterKind::SagemcomT210dr => Some(set_up.cipher(*b"SAG5", 0x30)),
            MeterKind::SagemcomLuxembourg => {
                let auth_key = Key::new(LUXEMBOURG_AUTH_KEY);
                Some(SetUp { auth_key, ..set_up.clone() }.cipher(*b"SAGg", 0x30))
            }
            _ => None,
        };
        let serial = set_up.serial(10_000_000, 99_999_999);
        Self { kind: set_up.kind, cipher, serial, start_s: set_up.start_s, stored: [(0, 0); 2] }
    }

    pub(super) fn telegram(&mut self, moment: &Moment<'_>) -> Emission {
        let (identification, lines) = match self.kind {
            MeterKind::SagemcomT210dr => ("/EST5\\253740976_A", self.styria(moment)),
            MeterKind::SagemcomLuxembourg => ("/Lux5\\253694471_M", self.luxembourg(moment)),
            MeterKind::Fluvius => ("/FLU5\\253769484_A", self.fluvius(moment)),
            _ => ("/ISK5\\2M550T-1012", self.dsmr5(moment)),
        };
        let plain = written(TELEGRAM_LEN_MAX, |out| {
            let mut telegram = Emitter::begin(out, identification.as_bytes())?;
            for line in &lines {
                let groups: Vec<&[u8]> = line.groups.iter().map(String::as_bytes).collect();
                telegram.line(line.address.as_bytes(), &groups)?;
            }
            telegram.finish()
        });
        let mut said = Said {
            meter: lines
                .iter()
                .find(|line| matches!(line.address.as_str(), "0-0:96.1.1" | "0-0:42.0.0"))
                .and_then(|line| MeterId::serial(&unhex(line.groups.first()?)?)),
            identification: Some(identification.trim_start_matches('/').to_owned()),
            time: clock::local(moment.clock_s),
            registers: lines.into_iter().map(|line| line.register).collect(),
            ..Said::new(Protocol::P1)
        };
        match &mut self.cipher {
            None => Emission::telegram(plain, said),
            Some(cipher) => {
                let (apdu, security) = cipher.seal(&plain, moment.envelope);
                said.meter = said.meter.or_else(|| MeterId::system_title(cipher.title()));
                said.security = Some(security);
                Emission::telegram(apdu, said)
            }
        }
    }

    /// Energienetze Steiermark: integer Wh, W, varh, var with nine digits.
    fn styria(&self, moment: &Moment<'_>) -> Vec<Line> {
        let (house, energies) = (moment.house, moment.house.energies());
        let energy =
            |address: &str, energy: Energy, unit| Line::measured(address, signed(energy.wh()), 9, 0, unit);
        let power =
            |address: &str, milli: i64, unit| Line::measured(address, (milli / 1000).max(0), 9, 0, unit);
        let [day, night] = energies.import_by_tariff;
        let [export_day, export_night] = energies.export_by_tariff;
        let nothing = Energy::default();
        vec![
            Line::text("1-3:0.2.8", "50"),
            Line::text("0-0:1.0.0", &stamp(moment.clock_s)),
            energy("1-0:1.8.0", energies.import, "Wh"),
            energy("1-0:1.8.1", day, "Wh"),
            energy("1-0:1.8.2", night, "Wh"),
            power("1-0:1.7.0", house.power_mw(), "W"),
            energy("1-0:2.8.0", energies.export, "Wh"),
            energy("1-0:2.8.1", export_day, "Wh"),
            energy("1-0:2.8.2", export_night, "Wh"),
            power("1-0:2.7.0", -house.power_mw(), "W"),
            energy("1-0:3.8.0", energies.reactive_import, "varh"),
            energy("1-0:3.8.1", energies.reactive_import, "varh"),
            energy("1-0:3.8.2", nothing, "varh"),
            power("1-0:3.7.0", house.reactive_mvar(), "var"),
            energy("1-0:4.8.0", energies.reactive_export, "varh"),
            energy("1-0:4.8.1", energies.reactive_export, "varh"),
            energy("1-0:4.8.2", nothing, "varh"),
            power("1-0:4.7.0", -house.reactive_mvar(), "var"),
        ]
    }

    /// DSMR 5 of the Netherlands: kWh by tariff, gas every five minutes.
    fn dsmr5(&mut self, moment: &Moment<'_>) -> Vec<Line> {
        let mut lines = vec![
            Line::text("1-3:0.2.8", "50"),
            Line::text("0-0:1.0.0", &stamp(moment.clock_s)),
            Line::text("0-0:96.1.1", &self.equipment("E0044007")),
        ];
        lines.extend(energies_by_tariff(moment));
        lines.push(Line::text("0-0:96.14.0", tariff(moment)));
        lines.extend(net_power(moment));
        lines.push(Line::text("0-0:96.7.21", "00005"));
        lines.push(Line::text("0-0:96.7.9", "00003"));
        // One long power failure, of which the meter keeps a list: time of its end and duration.
        let ended = clock::local(POWER_FAILURE_S);
        let failures = vec![
            ("1".to_owned(), ValueBuf::Text("1".to_owned())),
            ("0-0:96.7.19".to_owned(), ValueBuf::Text("0-0:96.7.19".to_owned())),
            (stamp(POWER_FAILURE_S), ended.map_or(ValueBuf::Null, ValueBuf::DateTime)),
            ("0000000236*s".to_owned(), number(236, 0)),
        ];
        lines.push(Line::list("1-0:99.97.0", failures, Some(Unit::Second)));
        for (sags, swells) in
            [("1-0:32.32.0", "1-0:32.36.0"), ("1-0:52.32.0", "1-0:52.36.0"), ("1-0:72.32.0", "1-0:72.36.0")]
        {
            lines.push(Line::text(sags, "00001"));
            lines.push(Line::text(swells, "00000"));
        }
        lines.push(Line::text("0-0:96.13.0", ""));
        lines.extend(voltages(moment));
        // Whole amperes.
        lines.extend(by_phase(moment, [31, 51, 71], |phase| phase.current_ma / 1000, 3, 0, "A"));
        lines.extend(power_by_phase(moment));
        lines.push(Line::text("0-1:24.1.0", "003"));
        lines.push(Line::text("0-1:96.1.0", &self.equipment("G0025003")));
        lines.push(self.sub_meter("0-1:24.2.1", moment, GAS, 300));
        lines
    }

    /// Flanders: kWh by tariff, the month's peak, gas and water.
    fn fluvius(&mut self, moment: &Moment<'_>) -> Vec<Line> {
        let mut lines = vec![
            Line::text("0-0:96.1.4", "50217"),
            Line::text("0-0:96.1.1", &self.equipment("1SAG3101")),
            Line::text("0-0:1.0.0", &stamp(moment.clock_s)),
        ];
        lines.extend(energies_by_tariff(moment));
        let import_w = (moment.house.power_mw() / 1000).max(0);
        lines.push(Line::measured("1-0:1.4.0", import_w, 2, 3, "kW"));
        let peak_at = self.start_s - 3 * 86_400;
        lines.push(
            Line::measured("1-0:1.6.0", 2_589, 2, 3, "kW").timed(stamp(peak_at), clock::local(peak_at)),
        );
        lines.push(Line::text("0-0:96.14.0", tariff(moment)));
        lines.extend(net_power(moment));
        lines.extend(power_by_phase(moment));
        lines.extend(voltages(moment));
        lines.extend(by_phase(moment, [31, 51, 71], |phase| phase.current_ma / 10, 3, 2, "A"));
        lines.push(Line::text("0-0:96.3.10", "1"));
        lines.push(Line::measured("0-0:17.0.0", 9_999, 3, 1, "kW"));
        lines.push(Line::measured("1-0:31.4.0", 999, 3, 0, "A"));
        lines.push(Line::text("0-0:96.13.0", ""));
        lines.push(Line::text("0-1:24.1.0", "003"));
        lines.push(Line::text("0-1:96.1.1", &self.equipment("7FLO2119")));
        lines.push(Line::text("0-1:24.4.0", "1"));
        lines.push(self.sub_meter("0-1:24.2.3", moment, GAS, 300));
        lines.push(Line::text("0-2:24.1.0", "007"));
        lines.push(Line::text("0-2:96.1.1", &self.equipment("8SAG0123")));
        lines.push(self.sub_meter("0-2:24.2.1", moment, WATER, 3600));
        lines
    }

    /// Luxembourg: totals in kWh, reactive and apparent power, an empty M-Bus slot.
    fn luxembourg(&mut self, moment: &Moment<'_>) -> Vec<Line> {
        let (house, energies) = (moment.house, moment.house.energies());
        let energy =
            |address: &str, energy: Energy, unit| Line::measured(address, signed(energy.wh()), 6, 3, unit);
        let power =
            |address: &str, milli: i64, unit| Line::measured(address, (milli / 1000).max(0), 2, 3, unit);
        let limits = vec![("100*A".to_owned(), number(100, 0)), ("-063*A".to_owned(), number(-63, 0))];
        let limits = Line::list("1-1:31.4.0", limits, Some(Unit::Ampere));
        let mut lines = vec![
            Line::text("1-3:0.2.8", "42"),
            Line::text("0-0:1.0.0", &stamp(moment.clock_s)),
            Line::text("0-0:42.0.0", &self.equipment("SAG1030700")),
            energy("1-0:1.8.0", energies.import, "kWh"),
            energy("1-0:2.8.0", energies.export, "kWh"),
            energy("1-0:3.8.0", energies.reactive_import, "kvarh"),
            energy("1-0:4.8.0", energies.reactive_export, "kvarh"),
            power("1-0:1.7.0", house.power_mw(), "kW"),
            power("1-0:2.7.0", -house.power_mw(), "kW"),
            power("1-0:3.7.0", house.reactive_mvar(), "kvar"),
            power("1-0:4.7.0", -house.reactive_mvar(), "kvar"),
            Line::measured("0-0:17.0.0", 690, 3, 1, "kVA"),
            limits,
            Line::text("0-0:96.3.10", "1"),
            Line::text("0-0:96.7.21", "00099"),
            Line::text("0-0:96.13.0", ""),
        ];
        lines.extend(voltages(moment));
        lines.extend(by_phase(moment, [31, 51, 71], |phase| phase.current_ma / 1000, 3, 0, "A"));
        lines.extend(power_by_phase(moment));
        lines.push(Line::text("0-1:24.1.0", "003"));
        lines.push(Line::text("0-1:96.1.0", &self.equipment("FLO1899000")));
        lines.push(self.sub_meter("0-1:24.2.1", moment, GAS, 3600));
        lines
    }

    /// The reading of a sub-meter, which it takes once in `interval_s` and keeps until the next.
    fn sub_meter(&mut self, address: &str, moment: &Moment<'_>, which: usize, interval_s: i64) -> Line {
        let mark = moment.clock_s.div_euclid(interval_s) * interval_s;
        let supplies = moment.house.supplies();
        let litres = signed(if which == WATER { supplies.water_ml } else { supplies.gas_ml } / 1000);
        let stored = &mut self.stored[which];
        if stored.0 != mark {
            *stored = (mark, litres);
        }
        let (at, litres) = *stored;
        Line::measured(address, litres, 5, 3, "m3").timed(stamp(at), clock::local(at))
    }

    /// An equipment identifier in hexadecimal digits, as P1 sends it.
    fn equipment(&self, front: &str) -> String {
        format!("{front}{:08}", self.serial).bytes().map(|byte| format!("{byte:02X}")).collect()
    }
}

/// Date and time as `YYMMDDhhmmssX`, X being S in summer and W in winter.
fn stamp(unix_s: i64) -> String {
    let season = if clock::offset_min(unix_s) == 120 { 'S' } else { 'W' };
    let Some((date, time)) = clock::local(unix_s).and_then(|local| Some((local.date()?, local.time()?)))
    else {
        return format!("000101000000{season}");
    };
    format!(
        "{:02}{:02}{:02}{:02}{:02}{:02}{season}",
        date.year() % 100,
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
    )
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unhex(digits: &str) -> Option<String> {
    let bytes =
        digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}

/// The tariff that counts now: 1 by day, 2 by night.
fn tariff(moment: &Moment<'_>) -> &'static str {
    if moment.house.is_day_tariff() { "0001" } else { "0002" }
}

fn energies_by_tariff(moment: &Moment<'_>) -> Vec<Line> {
    let energies = moment.house.energies();
    let [day, night] = energies.import_by_tariff;
    let [export_day, export_night] = energies.export_by_tariff;
    [("1-0:1.8.1", day), ("1-0:1.8.2", night), ("1-0:2.8.1", export_day), ("1-0:2.8.2", export_night)]
        .into_iter()
        .map(|(address, energy)| Line::measured(address, signed(energy.wh()), 6, 3, "kWh"))
        .collect()
}

fn net_power(moment: &Moment<'_>) -> [Line; 2] {
    let watts = moment.house.power_mw() / 1000;
    [
        Line::measured("1-0:1.7.0", watts.max(0), 2, 3, "kW"),
        Line::measured("1-0:2.7.0", (-watts).max(0), 2, 3, "kW"),
    ]
}

fn voltages(moment: &Moment<'_>) -> Vec<Line> {
    by_phase(moment, [32, 52, 72], |phase| phase.voltage_mv / 100, 3, 1, "V")
}

fn power_by_phase(moment: &Moment<'_>) -> Vec<Line> {
    let mut lines = by_phase(moment, [21, 41, 61], |phase| (phase.power_mw / 1000).max(0), 2, 3, "kW");
    lines.extend(by_phase(moment, [22, 42, 62], |phase| (-phase.power_mw / 1000).max(0), 2, 3, "kW"));
    lines
}

fn by_phase(
    moment: &Moment<'_>,
    codes: [u8; 3],
    mantissa: impl Fn(&Phase) -> i64,
    whole: usize,
    decimals: i8,
    unit: &str,
) -> Vec<Line> {
    codes
        .into_iter()
        .zip(moment.house.phases())
        .map(|(c, phase)| Line::measured(&format!("1-0:{c}.7.0"), mantissa(phase), whole, decimals, unit))
        .collect()
}
