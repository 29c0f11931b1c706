//! What the entries of the durable path are in the words of SMGW.Lite.
use super::beside::Beside;
use crate::config::SmgwLiteSetup;
use crate::event::Event;
use crate::sink::sample::{Entry, Sample};
use metergate_reading::{Instant, Trust};
use metergate_series::smgw_lite::{self as wire, LogEntry, tenths_of_wh};

/// What goes out for one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// Time and counters.
    Values(wire::Entry),
    /// What happened.
    Log(LogEntry),
    /// Nothing, and nothing is lost: an event that SMGW.Lite has no code for, a reading that went out before.
    Nothing,
    /// The reading has no 1.8.0, without which the backend keeps nothing.
    NoImport,
    /// The format cannot say it.
    Refused(String),
}

/// The record of an entry: of the one meter with 2.8.0, if wanted and sent, and with what was measured beside it.
pub(super) fn record(entry: &Entry, setup: &SmgwLiteSetup, beside: &Beside) -> Record {
    match entry {
        // What sources say goes out with the readings of the meter.
        Entry::Reading(sample) | Entry::Measured { sample, .. } if setup.meter != *sample.meter => {
            Record::Nothing
        }
        Entry::Reading(sample) | Entry::Measured { sample, .. } => {
            values(sample, setup.export, beside).unwrap_or_else(Record::Refused)
        }
        Entry::Event(event) => log(event).map_or(Record::Nothing, Record::Log),
    }
}

fn values(sample: &Sample, export: bool, beside: &Beside) -> Result<Record, String> {
    let Some(import) = counter(sample, 1)? else { return Ok(Record::NoImport) };
    let export = if export { counter(sample, 2)? } else { None };
    let time_s = seconds(sample.at).ok_or("the reading has no time that the format can say")?;
    let (temperature, solar) = (beside.temperature(sample.at.unix_ms), beside.solar(sample.at.unix_ms));
    Ok(Record::Values(wire::Entry { time_s, import: Some(import), temperature, solar, export }))
}

/// The total counter 1-b:C.8.0 in 0.1 Wh, the first that there is.
fn counter(sample: &Sample, c: u8) -> Result<Option<u32>, String> {
    let is_it = |bytes: [u8; 6]| matches!(bytes, [1, _, found, 8, 0, 255] if found == c);
    let found =
        sample.points.iter().find(|point| point.register.obis().is_some_and(|code| is_it(code.bytes())));
    let Some(point) = found else { return Ok(None) };
    let number = point.base_number().ok_or_else(|| format!("{} is beyond all bounds", point.register))?;
    let tenths = tenths_of_wh(number, point.unit);
    tenths.map(Some).map_err(|error| format!("{}: {error}", point.register))
}

/// Seconds since 1970, cut off; `None` when nobody knew the time, or from 2106 on.
fn seconds(at: Instant) -> Option<u32> {
    if at.trust == Trust::None {
        return None;
    }
    u32::try_from(at.unix_ms.div_euclid(1000)).ok()
}

/// The slot of an event, if SMGW.Lite has a code for it.
///
/// The backend tells two slots apart by time, running time and code. An event keeps its time and no running time, so
/// the low 32 bits of its milliseconds stand in for it: the same whenever the event is sent again, and different for
/// two events of one second. A time that nobody knew is 0, as with devices.
fn log(event: &Event) -> Option<LogEntry> {
    let code = event.code.number()?;
    let Some(time_s) = seconds(event.at) else {
        return Some(LogEntry { time_s: 0, uptime_ms: low_bits(event.seq.cast_signed()), code });
    };
    Some(LogEntry { time_s, uptime_ms: low_bits(event.at.unix_ms), code })
}

fn low_bits(number: i64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Consecutive records that go into one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parcel {
    /// The first record that does not belong to it.
    pub(super) end: usize,
    /// What is sent, if anything.
    pub(super) content: Option<Content>,
}

/// What one request carries.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Values of equal fields.
    Values {
        /// Which fields.
        fields: wire::Fields,
        /// The values.
        entries: Vec<wire::Entry>,
    },
    /// Slots of the log.
    Log(Vec<LogEntry>),
}

/// The parcel that begins with this record; `entries_max` bounds its values besides the length of a body.
pub(super) fn parcel(records: &[Record], begin: usize, entries_max: usize) -> Parcel {
    let mut parcel = Parcel { end: begin, content: None };
    for (index, record) in records.iter().enumerate().skip(begin) {
        match (record, &mut parcel.content) {
            (Record::Nothing | Record::NoImport | Record::Refused(_), _) => {}
            (Record::Values(entry), None) => {
                let fields = wire::Fields::of(entry);
                parcel.content = Some(Content::Values { fields, entries: vec![*entry] });
            }
            (Record::Values(entry), Some(Content::Values { fields, entries }))
                if *fields == wire::Fields::of(entry)
                    && entries.len() < fields.entries_max().min(entries_max.max(1)) =>
            {
                entries.push(*entry);
            }
            (Record::Log(slot), None) => parcel.content = Some(Content::Log(vec![*slot])),
            (Record::Log(slot), Some(Content::Log(slots))) if slots.len() < wire::LOG_SLOTS => {
                slots.push(*slot);
            }
            (Record::Values(_) | Record::Log(_), Some(_)) => break,
        }
        parcel.end = index + 1;
    }
    parcel
}
