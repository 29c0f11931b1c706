//! From the entries of SML lists and load profiles to registers.
use metergate_reading::{Address, DateTime, List, Number, ObisCode, Register, Unit, Value};
use metergate_wire::sml::{
    self, Body, Entry, File, GetListResponse, ListOf, Messages, Period, PeriodEntry, PeriodValue,
    ProfileHeader, Time,
};

/// Registers of a telegram, in the order of the line: one for each entry of a list and each value of a profile.
#[derive(Debug, Clone)]
pub struct Registers<'a> {
    messages: Option<Messages<'a>>,
    open: Open<'a>,
    /// The meter sends positive power with the sign bit set: see [`sends_unsigned_power`](super::quirk).
    unsigned_power: bool,
}

/// What is being walked.
#[derive(Debug, Clone)]
enum Open<'a> {
    Nothing,
    List(ListOf<'a, Entry<'a>>),
    Profile { entries: ListOf<'a, PeriodEntry<'a>>, time: Time, status: u64 },
    Pack { headers: ListOf<'a, ProfileHeader>, periods: ListOf<'a, Period<'a>>, row: Row<'a> },
}

/// One period of a load profile: values and, in the same order, what they are.
#[derive(Debug, Clone)]
struct Row<'a> {
    headers: ListOf<'a, ProfileHeader>,
    values: ListOf<'a, PeriodValue<'a>>,
    time: Time,
    status: u64,
}

impl<'a> Registers<'a> {
    /// All registers of a file.
    pub(super) fn of_file(file: &File<'a>, unsigned_power: bool) -> Self {
        Self { messages: Some(file.messages()), open: Open::Nothing, unsigned_power }
    }

    /// The registers of one list.
    pub(super) fn of_list(list: &GetListResponse<'a>, unsigned_power: bool) -> Self {
        Self { messages: None, open: Open::List(list.entries), unsigned_power }
    }
}

impl<'a> Iterator for Registers<'a> {
    type Item = Register<'a>;

    fn next(&mut self) -> Option<Register<'a>> {
        loop {
            if let Some(register) = self.open.next(self.unsigned_power) {
                return Some(register);
            }
            self.open = match self.messages.as_mut()?.next()?.body {
                Body::GetListResponse(list) => Open::List(list.entries),
                Body::GetProfileListResponse(profile) => {
                    Open::Profile { entries: profile.entries, time: profile.val_time, status: profile.status }
                }
                Body::GetProfilePackResponse(pack) => {
                    let row =
                        Row { headers: ListOf::EMPTY, values: ListOf::EMPTY, time: pack.act_time, status: 0 };
                    Open::Pack { headers: pack.headers, periods: pack.periods, row }
                }
                _ => Open::Nothing,
            };
        }
    }
}

impl<'a> Open<'a> {
    fn next(&mut self, unsigned_power: bool) -> Option<Register<'a>> {
        match self {
            Self::Nothing => None,
            Self::List(entries) => entries.next().map(|entry| of_entry(&entry, unsigned_power)),
            Self::Profile { entries, time, status } => {
                entries.next().map(|entry| of_profile(&entry.header, entry.value, *time, *status))
            }
            Self::Pack { headers, periods, row } => loop {
                if let (Some(header), Some(value)) = (row.headers.next(), row.values.next()) {
                    return Some(of_profile(&header, value.value, row.time, row.status));
                }
                let period = periods.next()?;
                *row = Row {
                    headers: *headers,
                    values: period.values,
                    time: period.val_time,
                    status: period.status,
                };
            },
        }
    }
}

const POWER: [u8; 6] = [1, 0, 16, 7, 0, 255];

fn of_entry<'a>(entry: &Entry<'a>, unsigned_power: bool) -> Register<'a> {
    let value = match entry.value {
        sml::Value::Number(number) if unsigned_power && entry.obj_name == POWER => {
            Value::Number(Number::new(super::quirk::without_sign(number), entry.scaler.unwrap_or(0)))
        }
        value => converted(value, entry.scaler.unwrap_or(0)),
    };
    let mut register = Register::new(Address::Obis, value);
    register.obis = Some(ObisCode::from_bytes(entry.obj_name));
    register.unit = entry.unit.and_then(Unit::from_dlms);
    register.status = entry.status;
    set_time(&mut register, entry.val_time);
    register
}

fn of_profile<'a>(header: &ProfileHeader, value: sml::Value<'a>, time: Time, status: u64) -> Register<'a> {
    let mut register = Register::new(Address::Obis, converted(value, header.scaler));
    register.obis = Some(ObisCode::from_bytes(header.obj_name));
    register.unit = Unit::from_dlms(header.unit);
    register.status = Some(status);
    set_time(&mut register, Some(time));
    register
}

fn set_time(register: &mut Register<'_>, time: Option<Time>) {
    match time {
        Some(Time::SecIndex(seconds) | Time::Untagged(seconds)) => register.seconds_index = Some(seconds),
        time => register.time = time.and_then(date_time),
    }
}

/// The date and time of an SML time, unless it is a seconds index.
pub(super) fn date_time(time: Time) -> Option<DateTime> {
    match time {
        Time::SecIndex(_) | Time::Untagged(_) => None,
        Time::Timestamp(seconds) => DateTime::from_unix_seconds(seconds.into()),
        Time::LocalTimestamp { timestamp, local_offset_min, season_offset_min } => {
            let utc = i64::from(timestamp);
            match local_offset_min.checked_add(season_offset_min).filter(|minutes| minutes.abs() < 24 * 60) {
                Some(minutes) => DateTime::from_unix_seconds(utc + i64::from(minutes) * 60)
                    .map(|local| local.with_offset(minutes)),
                // No place on earth has such an offset; the UTC time is still right.
                None => DateTime::from_unix_seconds(utc),
            }
        }
    }
}

fn converted(value: sml::Value<'_>, scaler: i8) -> Value<'_> {
    match value {
        sml::Value::Null => Value::Null,
        sml::Value::Octets(bytes) => Value::Octets(bytes),
        sml::Value::Boolean(value) => Value::Bool(value),
        sml::Value::Number(number) => Value::Number(Number::new(number.mantissa(), scaler)),
        // A scaler belongs to the number of an entry; inside a list are bare numbers. A list of more elements than a
        // `u16` counts does not fit a frame.
        sml::Value::List(list) => Value::List(List::new(
            list.as_bytes(),
            u16::try_from(list.len()).unwrap_or(u16::MAX),
            next_in_list,
        )),
    }
}

fn next_in_list<'a>(bytes: &mut &'a [u8]) -> Option<Value<'a>> {
    sml::Value::take_first(bytes).map(|value| converted(value, 0))
}
