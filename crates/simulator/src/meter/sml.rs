//! Meters that push SML: the list of an EasyMeter, of a Holley with old firmware, a signed one, a load profile, and
//! the dummy.
use super::{Emission, MeterKind, Moment, SetUp};
use crate::cipher::written;
use crate::household::sine_1000;
use crate::ledger::{Said, by_obis, number};
use crate::random::mix;
use metergate_meter::Protocol;
use metergate_reading::{DateTime, MeterId, Unit, ValueBuf};
use metergate_wire::sml::{
    Body, Crc, Entry, GetListResponse, GetProfileListResponse, Head, Message, Number, OpenResponse,
    PeriodEntry, ProfileHeader, Time, Value, message, transport,
};

/// Longest SML file that is simulated.
const FILE_LEN_MAX: usize = 2048;
const CLOSE: u32 = 0x0201;

/// Unit codes of IEC 62056-6-2.
mod unit {
    pub(super) const W: u8 = 27;
    pub(super) const WH: u8 = 30;
    pub(super) const A: u8 = 33;
    pub(super) const V: u8 = 35;
    pub(super) const HZ: u8 = 44;
    pub(super) const DEGREE: u8 = 8;
}

#[derive(Debug)]
pub(crate) struct SmlMeter {
    kind: MeterKind,
    server_id: [u8; 10],
    letters: [u8; 3],
    /// Public key, 48 bytes; invented.
    public_key: Vec<u8>,
    transaction: u32,
    start_s: i64,
}

impl SmlMeter {
    pub(super) fn new(set_up: &SetUp) -> Self {
        let (letters, block) = match set_up.kind {
            MeterKind::HolleyDtz541 => (*b"HLY", 0x02),
            MeterKind::SmlSigned => (*b"ISK", 0x00),
            MeterKind::SmlProfile => (*b"EMH", 0x00),
            MeterKind::Dummy => (*b"DUM", 0x00),
            _ => (*b"ESY", 0x11),
        };
        // DIN 43863-5: 09 or 0A, medium 1 (electricity), three letters, block, number.
        let mut server_id = [0x0A, 0x01, 0, 0, 0, block, 0, 0, 0, 0];
        if set_up.kind == MeterKind::EasyMeterQ3a {
            server_id[0] = 0x09;
        }
        server_id[2..5].copy_from_slice(&letters);
        let serial = set_up.serial(60_000_000, 99_999_999);
        server_id[6..].copy_from_slice(&serial.to_be_bytes());
        let public_key = invented(u64::from(serial), 48);
        Self { kind: set_up.kind, server_id, letters, public_key, transaction: 0, start_s: set_up.start_s }
    }

    /// Seconds that the meter has worked: some months, and those of the simulation.
    fn seconds_index(&self, moment: &Moment<'_>) -> u32 {
        u32::try_from(9_000_000 + moment.clock_s - self.start_s).unwrap_or(0)
    }

    pub(super) fn telegram(&mut self, moment: &Moment<'_>) -> Emission {
        self.transaction += 1;
        let said = Said { meter: MeterId::server_id(&self.server_id), ..Said::new(Protocol::Sml) };
        match self.kind {
            MeterKind::EasyMeterQ3a => self.easymeter(moment, said),
            MeterKind::HolleyDtz541 => self.holley(moment, said),
            MeterKind::SmlSigned => self.signed(moment, said),
            MeterKind::SmlProfile => self.profile(moment, said),
            _ => self.dummy(moment, said),
        }
    }

    /// EasyMeter Q3A for both directions: ten-thousandths of a Wh, hundredths of a W, a status of 3 bytes.
    fn easymeter(&self, moment: &Moment<'_>, said: Said) -> Emission {
        let house = moment.house;
        let energy = |obis, energy: crate::Energy| Entry {
            status: (obis == [1, 0, 1, 8, 0, 255]).then_some(if house.power_mw() < 0 {
                0x1C_0524
            } else {
                0x1C_0504
            }),
            ..measured(obis, unit::WH, -4, Number::unsigned(energy.in_parts_of_wh(10_000)).in_bytes(8))
        };
        let power =
            |c, mw: i64| measured([1, 0, c, 7, 0, 255], unit::W, -2, Number::signed(mw / 10).in_bytes(4));
        let [l1, l2, l3] = house.phases();
        let entries = [
            Entry::new([129, 129, 199, 130, 3, 255], Value::Octets(&self.letters)),
            Entry::new([1, 0, 0, 0, 9, 255], Value::Octets(&self.server_id)),
            energy([1, 0, 1, 8, 0, 255], house.energies().import),
            energy([1, 0, 2, 8, 0, 255], house.energies().export),
            power(16, house.power_mw()),
            power(36, l1.power_mw),
            power(56, l2.power_mw),
            power(76, l3.power_mw),
            Entry::new([129, 129, 199, 130, 5, 255], Value::Octets(&self.public_key)),
        ];
        self.list(&entries, Crc::X25, Time::SecIndex(self.seconds_index(moment)), None, said)
    }

    /// Holley DTZ541 with old firmware: every time is a bare number, text entries have no scaler, and the list is
    /// longer than one byte of a list head can say.
    fn holley(&self, moment: &Moment<'_>, said: Said) -> Emission {
        let house = moment.house;
        let time = Time::Untagged(self.seconds_index(moment));
        let power =
            |c, mw: i64| measured([1, 0, c, 7, 0, 255], unit::W, -1, Number::signed(mw / 100).in_bytes(4));
        let voltage = |c, mv: i64| measured([1, 0, c, 7, 0, 255], unit::V, -1, tenths(mv, 100, 2));
        let current = |c, ma: i64| measured([1, 0, c, 7, 0, 255], unit::A, -2, tenths(ma, 10, 2));
        let angle = |e, degrees| measured([1, 0, 81, 7, e, 255], unit::DEGREE, 0, tenths(degrees, 1, 2));
        let timed = |entry: Entry<'static>| Entry { status: Some(0x0104), val_time: Some(time), ..entry };
        let energy = |c, energy: crate::Energy| {
            timed(measured(
                [1, 0, c, 8, 0, 255],
                unit::WH,
                -1,
                Number::unsigned(energy.in_parts_of_wh(10)).in_bytes(8),
            ))
        };
        let [l1, l2, l3] = house.phases();
        let entries = [
            Entry::new([1, 0, 96, 50, 1, 1], Value::Octets(&self.letters)),
            Entry::new([1, 0, 96, 1, 0, 255], Value::Octets(&self.server_id)),
            energy(1, house.energies().import),
            energy(2, house.energies().export),
            power(16, house.power_mw()),
            power(36, l1.power_mw),
            power(56, l2.power_mw),
            power(76, l3.power_mw),
            voltage(32, l1.voltage_mv),
            voltage(52, l2.voltage_mv),
            voltage(72, l3.voltage_mv),
            current(31, l1.current_ma),
            current(51, l2.current_ma),
            current(71, l3.current_ma),
            angle(1, 120),
            angle(2, 240),
            measured([1, 0, 14, 7, 0, 255], unit::HZ, -1, tenths(house.frequency_mhz(), 100, 2)),
            Entry::new([1, 0, 0, 2, 0, 0], Value::Octets(b"01.07")),
            // A number without a scaler.
            Entry::new([1, 0, 96, 90, 2, 1], Value::Number(Number::unsigned(0x3D7A).in_bytes(4))),
        ];
        self.list(&entries, Crc::Kermit, time, None, said)
    }

    /// A meter whose list carries a signature of 64 bytes, and whose clock is set.
    fn signed(&self, moment: &Moment<'_>, said: Said) -> Emission {
        let house = moment.house;
        let time = Time::Timestamp(u32::try_from(moment.clock_s).unwrap_or(0));
        let timed = |entry: Entry<'static>| Entry { status: Some(0x0104), val_time: Some(time), ..entry };
        let energy = |c, energy: crate::Energy| {
            timed(measured(
                [1, 0, c, 8, 0, 255],
                unit::WH,
                -1,
                Number::unsigned(energy.in_parts_of_wh(10)).in_bytes(5),
            ))
        };
        let entries = [
            Entry::new([1, 0, 96, 50, 1, 1], Value::Octets(&self.letters)),
            Entry::new([1, 0, 96, 1, 0, 255], Value::Octets(&self.server_id)),
            energy(1, house.energies().import),
            energy(2, house.energies().export),
            measured([1, 0, 16, 7, 0, 255], unit::W, 0, Number::signed(house.power_mw() / 1000).in_bytes(4)),
            Entry::new([129, 129, 199, 130, 5, 255], Value::Octets(&self.public_key)),
        ];
        // It is no signature of anything: which bytes a real one covers is not published.
        let signature = invented(u64::from(self.transaction) << 32 | moment.clock_s.cast_unsigned(), 64);
        self.list(&entries, Crc::X25, time, Some(&signature), said)
    }

    /// The dummy of smart-meter-reader: a sine on the imported energy, 0 to 100 kWh in two minutes. It falls as well as it rises.
    fn dummy(&self, moment: &Moment<'_>, said: Said) -> Emission {
        let sine = sine_1000(moment.clock_s.rem_euclid(120) * 3_000);
        let watt_hours = u64::try_from(50_000 + sine * 50).unwrap_or(0);
        let entries = [measured([1, 0, 1, 8, 0, 255], unit::WH, 0, Number::unsigned(watt_hours).in_bytes(4))];
        self.list(&entries, Crc::X25, Time::SecIndex(self.seconds_index(moment)), None, said)
    }

    /// What the meter stored at the last quarter of an hour.
    fn profile(&self, moment: &Moment<'_>, mut said: Said) -> Emission {
        let at = moment.clock_s.div_euclid(900) * 900;
        let time = |seconds: i64| Time::Timestamp(u32::try_from(seconds).unwrap_or(0));
        let header = |c| ProfileHeader { obj_name: [1, 0, c, 8, 0, 255], unit: unit::WH, scaler: -1 };
        let energies = moment.house.energies();
        let stored = |c, energy: crate::Energy| PeriodEntry {
            header: header(c),
            value: Value::Number(Number::unsigned(energy.in_parts_of_wh(10)).in_bytes(5)),
            value_signature: None,
        };
        let entries = [stored(1, energies.import), stored(2, energies.export)];
        let path: [&[u8]; 1] = [&[0x81, 0x81, 0xC7, 0x86, 0x11, 0xFF]];
        let response = GetProfileListResponse {
            server_id: &self.server_id,
            act_time: time(moment.clock_s),
            reg_period: 900,
            parameter_tree_path: &path[..],
            val_time: time(at),
            status: 0x0104,
            entries: &entries[..],
            rawdata: None,
            period_signature: None,
        };
        said.time = DateTime::from_unix_seconds(moment.clock_s);
        said.registers = entries
            .iter()
            .map(|entry| {
                let value = value(entry.value, Some(entry.header.scaler));
                let mut register = by_obis(entry.header.obj_name, value, Unit::from_dlms(entry.header.unit));
                register.time = DateTime::from_unix_seconds(at);
                register.status = Some(0x0104);
                register
            })
            .collect();
        let file = self.file(Crc::X25, GetProfileListResponse::TAG, |out| response.emit(out));
        Emission::telegram(file, said)
    }

    fn list(
        &self,
        entries: &[Entry<'_>],
        crc: Crc,
        time: Time,
        list_signature: Option<&[u8]>,
        mut said: Said,
    ) -> Emission {
        let response = GetListResponse {
            client_id: None,
            server_id: &self.server_id,
            list_name: Some(&[1, 0, 0x62, 0x0A, 0xFF, 0xFF]),
            act_sensor_time: Some(time),
            entries: entries.iter().copied(),
            list_signature,
            act_gateway_time: None,
        };
        said.time = date_time(time);
        said.signature = list_signature.map(<[u8]>::to_vec);
        said.registers = entries
            .iter()
            .map(|entry| {
                let unit = entry.unit.and_then(Unit::from_dlms);
                let mut register = by_obis(entry.obj_name, value(entry.value, entry.scaler), unit);
                register.status = entry.status;
                register.time = entry.val_time.and_then(date_time);
                register.seconds_index = entry.val_time.and_then(seconds_index);
                register
            })
            .collect();
        let file = self.file(crc, GetListResponse::TAG, |out| response.emit(out));
        Emission::telegram(file, said)
    }

    /// An SML file in its frame: open, the response that `body` writes, close.
    fn file(
        &self,
        crc: Crc,
        tag: u32,
        body: impl FnOnce(&mut metergate_wire::Writer<'_>) -> Result<(), metergate_wire::Full>,
    ) -> Vec<u8> {
        let transaction_id = |message: u32| (self.transaction.wrapping_mul(3) + message).to_be_bytes();
        let ids = [transaction_id(0), transaction_id(1), transaction_id(2)];
        let head = |message: usize| Head { transaction_id: &ids[message], group_no: 0, abort_on_error: 0 };
        let open = Message {
            head: head(0),
            body: Body::OpenResponse(OpenResponse {
                codepage: None,
                client_id: None,
                req_file_id: Some(&ids[0]),
                server_id: &self.server_id,
                ref_time: None,
                sml_version: None,
            }),
        };
        let close = Message { head: head(2), body: Body::CloseResponse { global_signature: None } };
        debug_assert_eq!(close.body.tag(), CLOSE);
        let file = written(FILE_LEN_MAX, |out| {
            open.emit(out, crc)?;
            message::emit(out, crc, &head(1), tag, body)?;
            close.emit(out, crc)
        });
        written(FILE_LEN_MAX * 2, |out| transport::emit(out, crc, &file))
    }
}

/// An entry with a number, its unit and its scaler.
const fn measured(obj_name: [u8; 6], unit: u8, scaler: i8, number: Number) -> Entry<'static> {
    Entry { unit: Some(unit), scaler: Some(scaler), ..Entry::new(obj_name, Value::Number(number)) }
}

/// A number that is never negative, in parts of its thousandths.
fn tenths(milli: i64, divisor: i64, width: u8) -> Number {
    Number::unsigned(u64::try_from(milli / divisor).unwrap_or(0)).in_bytes(width)
}

/// Bytes that look like a key or a signature.
fn invented(seed: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| mix(seed ^ mix(at)).to_be_bytes()[0]).collect()
}

fn value(value: Value<'_>, scaler: Option<i8>) -> ValueBuf {
    match value {
        Value::Number(mantissa) => number(mantissa.mantissa(), scaler.unwrap_or(0)),
        Value::Octets(bytes) => ValueBuf::Octets(bytes.to_vec()),
        Value::Boolean(truth) => ValueBuf::Bool(truth),
        Value::Null => ValueBuf::Null,
        Value::List(values) => {
            ValueBuf::List(values.into_iter().map(|inner| self::value(inner, None)).collect())
        }
    }
}

/// The time of day, if the meter's time is one.
fn date_time(time: Time) -> Option<DateTime> {
    match time {
        Time::Timestamp(seconds) => DateTime::from_unix_seconds(i64::from(seconds)),
        Time::LocalTimestamp { timestamp, local_offset_min, season_offset_min } => {
            let offset = local_offset_min + season_offset_min;
            let local = DateTime::from_unix_seconds(i64::from(timestamp) + i64::from(offset) * 60)?;
            Some(DateTime::new(local.date()?, local.time()?).with_offset(offset))
        }
        Time::SecIndex(_) | Time::Untagged(_) => None,
    }
}

fn seconds_index(time: Time) -> Option<u32> {
    match time {
        Time::SecIndex(seconds) | Time::Untagged(seconds) => Some(seconds),
        Time::Timestamp(_) | Time::LocalTimestamp { .. } => None,
    }
}
