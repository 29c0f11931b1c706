//! Meters of IEC 62056-21: an optical head at 300 baud, and a readout in text.
//!
//! ```text
//! mode A   /?!  ->  identification, data, all at 300 baud
//! mode B   /?!  ->  identification at 300 baud, data at the baud rate that it names
//! mode C   /?!  ->  identification  ->  ACK 0 Z 0  ->  data at the baud rate Z
//! mode D   identification and data by itself, at one baud rate
//! ```
use super::text_line::Line;
use super::{Emission, MeterKind, Moment, SetUp};
use crate::cipher::written;
use crate::clock;
use crate::ledger::Said;
use metergate_meter::{LineSettings, Protocol};
use metergate_reading::{DateTime, MeterId};
use metergate_wire::iec62056_21::Emitter;
use std::time::Duration;

/// Longest readout that is simulated.
const READOUT_LEN_MAX: usize = 2048;
/// Longest line of a reader that is listened to.
const HEARD_LEN_MAX: usize = 64;
/// How long a meter waits for the option select before it forgets the reader (clause 6.3.14: 1.5 s at most).
const OPTION_SELECT_WAIT: Duration = Duration::from_millis(1_500);
/// The meter takes this long to think, and the reader to set its line (clause 6.3.13: 200 ms at least).
const REACTION: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(crate) struct IecMeter {
    kind: MeterKind,
    serial: u32,
    heard: Vec<u8>,
    /// When the wait for the option select ends.
    waits_until: Option<Duration>,
}

impl IecMeter {
    pub(super) fn new(set_up: &SetUp) -> Self {
        let serial = set_up.serial(10_000_000, 99_999_999);
        Self { kind: set_up.kind, serial, heard: Vec::new(), waits_until: None }
    }

    const fn identification(&self) -> &'static str {
        match self.kind {
            // A baud rate character that names no rate: mode A.
            MeterKind::Iec62056ModeA => "/KAM@162-382",
            MeterKind::Iec62056ModeB => "/SIEC2WR5",
            MeterKind::Iec62056ModeC => "/ISk5MT174-0001",
            _ => "/ESY5Q3DA1004 V3.04",
        }
    }

    /// The readout as it stands in a capture of the line: identification and data.
    pub(super) fn telegram(&mut self, moment: &Moment<'_>) -> Emission {
        let lines = self.lines(moment);
        let identification = self.identification();
        let bytes = written(READOUT_LEN_MAX, |out| {
            let mut readout = match self.kind {
                MeterKind::Iec62056ModeD => Emitter::begin_push(out, identification.as_bytes())?,
                _ => Emitter::begin(out, identification.as_bytes())?,
            };
            self.put(&mut readout, &lines)?;
            readout.finish()
        });
        Emission::telegram(bytes, self.said(lines, moment))
    }

    /// The data once more, for another moment.
    pub(super) fn say_again(&self, moment: &Moment<'_>) -> Emission {
        self.data(moment, LineSettings::M300_7E1)
    }

    /// The request that any meter answers; nothing for a meter that pushes.
    pub(super) fn usual_request(&self) -> Vec<u8> {
        match self.kind {
            MeterKind::Iec62056ModeD => Vec::new(),
            _ => b"/?!\r\n".to_vec(),
        }
    }

    /// Takes what a reader sends: a request, or an option select.
    pub(super) fn hear(&mut self, bytes: &[u8], now: Duration, moment: &Moment<'_>) -> Vec<Emission> {
        // The parity bit is not part of the character.
        self.heard.extend(bytes.iter().map(|byte| byte & 0x7F));
        let mut answers = Vec::new();
        while let Some(end) = self.heard.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let text = line.trim_ascii_end();
            if self.waits_until.is_some()
                && let [.., 0x06, b'0', character, b'0'] = *text
            {
                self.waits_until = None;
                answers.extend(self.data_at(character, moment));
            } else if self.is_called_by(text) {
                answers.extend(self.sign_on(now, moment));
            }
        }
        if self.heard.len() > HEARD_LEN_MAX {
            self.heard.clear();
        }
        answers
    }

    /// Forgets a reader that did not select an option.
    pub(super) fn expire(&mut self, now: Duration) {
        if self.waits_until.is_some_and(|until| now >= until) {
            self.waits_until = None;
            self.heard.clear();
        }
    }

    /// True for `/?!` and for `/?` with this meter's number. Bytes that woke the head may stand in front.
    fn is_called_by(&self, text: &[u8]) -> bool {
        let Some(start) = text.windows(2).position(|pair| pair == b"/?") else { return false };
        let Some(address) = text[start + 2..].strip_suffix(b"!") else { return false };
        address.is_empty() || address == format!("{:08}", self.serial).as_bytes()
    }

    /// The answer to a request: the identification, and the data where nothing more is asked.
    fn sign_on(&mut self, now: Duration, moment: &Moment<'_>) -> Vec<Emission> {
        let identification = format!("{}\r\n", self.identification()).into_bytes();
        let start = LineSettings::M300_7E1;
        let identification =
            Emission { line: Some(start), delay: REACTION, ..Emission::handshake(identification) };
        match self.kind {
            MeterKind::Iec62056ModeA => {
                let data = self.data(moment, start);
                vec![identification, Emission { delay: Duration::ZERO, ..data }]
            }
            // C in the identification: 2400 baud.
            MeterKind::Iec62056ModeB => {
                let data = self.data(moment, start.at_baud(2400));
                vec![identification, data]
            }
            MeterKind::Iec62056ModeC => {
                self.waits_until = Some(now + REACTION + OPTION_SELECT_WAIT);
                vec![identification]
            }
            _ => Vec::new(),
        }
    }

    /// The data at the baud rate that the reader chose; nothing for a rate that the meter does not have.
    fn data_at(&self, character: u8, moment: &Moment<'_>) -> Option<Emission> {
        let baud = match character {
            b'0' => 300,
            b'1' => 600,
            b'2' => 1200,
            b'3' => 2400,
            b'4' => 4800,
            b'5' => 9600,
            _ => return None,
        };
        Some(self.data(moment, LineSettings::M300_7E1.at_baud(baud)))
    }

    fn data(&self, moment: &Moment<'_>, line: LineSettings) -> Emission {
        let lines = self.lines(moment);
        let bytes = written(READOUT_LEN_MAX, |out| {
            let mut readout = Emitter::begin_data(out)?;
            self.put(&mut readout, &lines)?;
            readout.finish()
        });
        Emission { line: Some(line), delay: REACTION, ..Emission::telegram(bytes, self.said(lines, moment)) }
    }

    fn put(&self, readout: &mut Emitter<'_, '_>, lines: &[Line]) -> Result<(), metergate_wire::Full> {
        for (index, line) in lines.iter().enumerate() {
            let groups: Vec<&[u8]> = line.groups.iter().map(String::as_bytes).collect();
            readout.data_set(line.address.as_bytes(), &groups)?;
            // The heat meter ends a line now and then.
            if self.kind != MeterKind::Iec62056ModeB || index % 4 == 3 || index + 1 == lines.len() {
                readout.line_end()?;
            }
        }
        Ok(())
    }

    fn said(&self, lines: Vec<Line>, moment: &Moment<'_>) -> Said {
        // Mode D has two more digits in front of its number; only mode C shows its clock, without an offset.
        let front = if self.kind == MeterKind::Iec62056ModeD { "13" } else { "" };
        let clock = clock::local(moment.clock_s).filter(|_| self.kind == MeterKind::Iec62056ModeC);
        Said {
            meter: MeterId::serial(&format!("{front}{:08}", self.serial)),
            identification: Some(self.identification().trim_start_matches('/').to_owned()),
            time: clock.and_then(|local| Some(DateTime::new(local.date()?, local.time()?))),
            registers: lines.into_iter().map(|line| line.by_address().register).collect(),
            ..Said::new(Protocol::Iec62056_21)
        }
    }

    fn lines(&self, moment: &Moment<'_>) -> Vec<Line> {
        match self.kind {
            MeterKind::Iec62056ModeB => self.heat(moment),
            MeterKind::Iec62056ModeD => self.push(moment),
            MeterKind::Iec62056ModeA => self.short(moment),
            _ => self.long(moment),
        }
    }

    /// Addresses without medium and channel: a simple meter.
    fn short(&self, moment: &Moment<'_>) -> Vec<Line> {
        let energies = moment.house.energies();
        vec![
            Line::text("F.F", "00000000"),
            Line::text("C.1.0", &format!("{:08}", self.serial)),
            Line::measured("1.8.0", wh(energies.import), 7, 3, "kWh"),
            Line::measured("2.8.0", wh(energies.export), 7, 3, "kWh"),
            Line::measured("16.7.0", moment.house.power_mw() / 1000, 2, 3, "kW"),
        ]
    }

    /// Iskra MT174: complete codes, clock, tariffs, three phases.
    fn long(&self, moment: &Moment<'_>) -> Vec<Line> {
        let (house, energies) = (moment.house, moment.house.energies());
        let (time, date) = clock_texts(moment.clock_s);
        let [day, night] = energies.import_by_tariff;
        let [export_day, export_night] = energies.export_by_tariff;
        let energy =
            |address: &str, energy: crate::Energy, unit| Line::measured(address, wh(energy), 7, 3, unit);
        let power = |address: &str, milli: i64| Line::measured(address, (milli / 1000).max(0), 1, 3, "kW");
        let mut lines = vec![
            Line::text("1-0:0.9.1*255", &time),
            Line::text("1-0:0.9.2*255", &date),
            Line::text("1-0:0.0.0*255", &format!("{:08}", self.serial)),
            Line::text("1-0:0.0.1*255", &format!("1ISK00{:08}", self.serial)),
            Line::text("1-0:0.2.0*255", "1.03"),
            Line::text("0-0:C.1.0*255", &format!("{:08}", self.serial)),
            power("1-0:1.7.0*255", house.power_mw()),
            power("1-0:2.7.0*255", -house.power_mw()),
            energy("1-0:1.8.0*255", energies.import, "kWh"),
            energy("1-0:1.8.1*255", day, "kWh"),
            energy("1-0:1.8.2*255", night, "kWh"),
            energy("1-0:2.8.0*255", energies.export, "kWh"),
            energy("1-0:2.8.1*255", export_day, "kWh"),
            energy("1-0:2.8.2*255", export_night, "kWh"),
            energy("1-0:3.8.0*255", energies.reactive_import, "kvarh"),
            energy("1-0:4.8.0*255", energies.reactive_export, "kvarh"),
        ];
        for (c, phase) in [32, 52, 72].into_iter().zip(house.phases()) {
            lines.push(Line::measured(&format!("1-0:{c}.7.0*255"), phase.voltage_mv / 100, 3, 1, "V"));
        }
        for (c, phase) in [31, 51, 71].into_iter().zip(house.phases()) {
            lines.push(Line::measured(&format!("1-0:{c}.7.0*255"), phase.current_ma / 10, 2, 2, "A"));
        }
        lines.push(Line::measured("1-0:14.7.0*255", house.frequency_mhz() / 10, 2, 2, "Hz"));
        lines.push(Line::text("0-0:F.F.0*255", "0000000"));
        lines
    }

    /// Siemens 2WR5: a heat meter with addresses of two numbers.
    fn heat(&self, moment: &Moment<'_>) -> Vec<Line> {
        let (supplies, flow) = (moment.house.supplies(), moment.house.heat_flow());
        vec![
            Line::measured("6.8", wh(supplies.heat) / 1000, 4, 3, "MWh"),
            Line::measured(
                "6.26",
                i64::try_from(supplies.heating_water_ml() / 10_000).unwrap_or(0),
                5,
                2,
                "m3",
            ),
            Line::text("9.21", &format!("{:08}", self.serial)),
            Line::measured("6.4", flow.power_mw / 100_000, 4, 1, "kW"),
            Line::measured("6.27", flow.litres_per_hour, 3, 3, "m3ph"),
            Line::measured("6.29", flow.flow_centidegrees / 10, 3, 1, "C"),
            Line::measured("6.28", flow.return_centidegrees / 10, 3, 1, "C"),
        ]
    }

    /// EasyMeter Q3D: ten-thousandths of a Wh, W and not kW.
    fn push(&self, moment: &Moment<'_>) -> Vec<Line> {
        let house = moment.house;
        let import = i64::try_from(house.energies().import.in_parts_of_wh(10_000)).unwrap_or(0);
        let power = |c: u8, mw: i64| Line::measured(&format!("1-0:{c}.7.0*255"), mw / 10, 6, 2, "W");
        let [l1, l2, l3] = house.phases();
        vec![
            Line::text("1-0:0.0.0*255", &format!("13{:08}", self.serial)),
            Line::measured("1-0:1.8.0*255", import, 8, 7, "kWh"),
            power(21, l1.power_mw),
            power(41, l2.power_mw),
            power(61, l3.power_mw),
            power(1, house.power_mw()),
            Line::text("1-0:96.5.5*255", "80"),
            Line::text("0-0:96.1.255*255", &format!("1ESY13{:08}", self.serial)),
        ]
    }
}

fn wh(energy: crate::Energy) -> i64 {
    i64::try_from(energy.wh()).unwrap_or(i64::MAX)
}

/// Local time as `hhmmss`, and date as `0YYMMDD`: MT174 has a season digit in front, 0 for none.
fn clock_texts(unix_s: i64) -> (String, String) {
    let of_day = clock::local_s(unix_s).rem_euclid(86_400);
    let time = format!("{:02}{:02}{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60);
    let date = clock::local(unix_s).and_then(DateTime::date).map_or_else(
        || "0000101".to_owned(),
        |date| format!("0{:02}{:02}{:02}", date.year() % 100, date.month(), date.day()),
    );
    (time, date)
}
