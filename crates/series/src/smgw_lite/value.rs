//! Bodies of values.
use super::{BODY_LEN_MAX, BodyError, EmitError, check_body};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// Every field has 32 bits.
const WORD_LEN: usize = 4;
/// From this word on, `solar` says that there is no value.
pub(super) const SOLAR_NONE_FROM: u32 = 0xFFFF_FFF0;
/// Most fields of an entry: the five there are, and some that a later firmware may add.
const FIELDS_MAX: usize = 16;

/// What a word of an entry means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `ts`: seconds since 1970-01-01T00:00:00Z.
    Time,
    /// `m180`: 1-0:1.8.0 in 0.1 Wh.
    Import,
    /// `temp`: hundredths of a degree Celsius.
    Temperature,
    /// `solar`: energy of a solar inverter in Ws.
    Solar,
    /// `m280`: 1-0:2.8.0 in 0.1 Wh.
    Export,
}

impl Field {
    /// In the order in which devices send them.
    const ALL: [Self; 5] = [Self::Time, Self::Import, Self::Temperature, Self::Solar, Self::Export];

    /// The name in the query of a request.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Time => "ts",
            Self::Import => "m180",
            Self::Temperature => "temp",
            Self::Solar => "solar",
            Self::Export => "m280",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// What one device knew at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub time_s: u32,
    /// 1-0:1.8.0 in 0.1 Wh; see [`super::tenths_of_wh`].
    pub import: Option<u32>,
    /// Hundredths of a degree Celsius; see [`super::centidegrees`].
    pub temperature: Option<i32>,
    /// Energy of a solar inverter in Ws; see [`super::watt_seconds`]. The only field that can be sent as "none".
    pub solar: Option<u32>,
    /// 1-0:2.8.0 in 0.1 Wh.
    pub export: Option<u32>,
}

impl Entry {
    /// The word of a field, `None` when there is no value.
    fn word(&self, field: Field) -> Option<u32> {
        match field {
            Field::Time => Some(self.time_s),
            Field::Import => self.import,
            Field::Temperature => self.temperature.map(i32::cast_unsigned),
            Field::Solar => self.solar,
            Field::Export => self.export,
        }
    }

    fn set(&mut self, field: Field, word: u32) {
        match field {
            Field::Time => self.time_s = word,
            Field::Import => self.import = Some(word),
            Field::Temperature => self.temperature = Some(word.cast_signed()),
            Field::Solar => self.solar = (word < SOLAR_NONE_FROM).then_some(word),
            Field::Export => self.export = Some(word),
        }
    }

    /// A slot of the buffer of an old device that was never filled.
    fn is_empty_slot(&self) -> bool {
        self.time_s == 0 && self.import.unwrap_or(0) == 0
    }
}

/// What the words of an entry mean, in order: the `fields` of a request.
///
/// ```
/// use metergate_series::smgw_lite::{BodyError, EmitError, Entry, Field, Fields, FieldsError};
///
/// let fields: Fields = "ts,m180,temp".parse()?;
/// let frost =
///     Entry { time_s: 1_775_986_800, import: Some(167_772_170), temperature: Some(-550), solar: None, export: None };
/// let body = fields.emit(&[frost])?;
/// assert_eq!(body[8..], [0xDA, 0xFD, 0xFF, 0xFF]);
/// assert!(fields.entries(&body)?.eq([frost]));
///
/// assert_eq!(fields.entries(&body[..11]).err(), Some(BodyError::Unaligned { entry_len: 12, found: 11 }));
/// let no_sensor = Entry { temperature: None, ..frost };
/// assert_eq!(fields.emit(&[no_sensor]), Err(EmitError::Absent { entry: 0, field: Field::Temperature }));
/// assert_eq!("m180,temp".parse::<Fields>(), Err(FieldsError::NoTime));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// `None`: a name that is not known.
    order: Vec<Option<Field>>,
}

impl Fields {
    /// The fields for which an entry has a value, in the order in which devices send them.
    ///
    /// Entries of equal fields can go into one body.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        Self {
            order: Field::ALL.into_iter().filter(|&field| entry.word(field).is_some()).map(Some).collect(),
        }
    }

    /// The same fields and one more, at its place in the order in which devices send them: for `solar`, which may be
    /// listed and yet have no value.
    #[must_use]
    pub fn with(&self, field: Field) -> Self {
        let listed = |one: &Field| *one == field || self.has(*one);
        Self { order: Field::ALL.into_iter().filter(listed).map(Some).collect() }
    }

    /// True when the field is listed.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.order.contains(&Some(field))
    }

    /// Bytes of an entry, 4 to 64.
    #[must_use]
    pub const fn entry_len(&self) -> usize {
        WORD_LEN * self.order.len()
    }

    /// Most entries of a body: 1843 with all five fields, 4608 with time and counter alone.
    #[must_use]
    pub const fn entries_max(&self) -> usize {
        // A list has at least its time.
        BODY_LEN_MAX / self.entry_len()
    }

    /// The body of these entries.
    ///
    /// # Errors
    /// - [`EmitError::TooMany`] beyond [`Fields::entries_max`].
    /// - [`EmitError::Absent`] when an entry lacks a listed value; only `solar` can be sent as none.
    /// - [`EmitError::Unlisted`] when an entry has a value that is not listed.
    /// - [`EmitError::Ambiguous`] for an entry that a reader would skip (time and counter 0), and for a solar energy
    ///   that it would take for none.
    /// - [`EmitError::UnknownField`] when the list came with names that are not known.
    pub fn emit(&self, entries: &[Entry]) -> Result<Vec<u8>, EmitError> {
        if entries.len() > self.entries_max() {
            return Err(EmitError::TooMany { max: self.entries_max(), found: entries.len() });
        }
        let mut body = Vec::with_capacity(entries.len() * self.entry_len());
        for (entry, values) in entries.iter().enumerate() {
            if let Some(field) =
                Field::ALL.into_iter().find(|&field| values.word(field).is_some() && !self.has(field))
            {
                return Err(EmitError::Unlisted { entry, field });
            }
            if values.is_empty_slot() || values.solar.is_some_and(|solar| solar >= SOLAR_NONE_FROM) {
                return Err(EmitError::Ambiguous { entry });
            }
            for field in &self.order {
                let word = match *field {
                    Some(Field::Solar) => values.solar.unwrap_or(u32::MAX),
                    Some(field) => values.word(field).ok_or(EmitError::Absent { entry, field })?,
                    None => return Err(EmitError::UnknownField),
                };
                body.extend_from_slice(&word.to_le_bytes());
            }
        }
        Ok(body)
    }

    /// The entries of a body, in its order, without empty slots. Times may repeat and go back: a device sends its
    /// quarter hours before what lies between them.
    ///
    /// # Errors
    /// - [`BodyError::TooLong`] beyond [`BODY_LEN_MAX`].
    /// - [`BodyError::Unaligned`] when the body ends within an entry.
    pub fn entries<'a>(&'a self, body: &'a [u8]) -> Result<Entries<'a>, BodyError> {
        check_body(body, self.entry_len())?;
        Ok(Entries { fields: self, rest: body })
    }
}

/// The entries of a body.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    fields: &'a Fields,
    rest: &'a [u8],
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let (words, rest) = self.rest.split_at_checked(self.fields.entry_len())?;
            if words.is_empty() {
                return None;
            }
            self.rest = rest;
            let mut entry = Entry { time_s: 0, import: None, temperature: None, solar: None, export: None };
            let (words, _) = words.as_chunks::<WORD_LEN>();
            for (field, &word) in self.fields.order.iter().zip(words) {
                if let Some(field) = *field {
                    entry.set(field, u32::from_le_bytes(word));
                }
            }
            if !entry.is_empty_slot() {
                return Some(entry);
            }
        }
    }
}

/// Why a list of fields cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldsError {
    /// `ts` is not listed; a value without time is none.
    NoTime,
    /// `ts` stands alone.
    NoValue,
    /// A field is listed twice.
    Repeated {
        /// The field.
        field: Field,
    },
    /// There are more than 16 fields.
    TooMany {
        /// How many.
        found: usize,
    },
}

impl fmt::Display for FieldsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTime => f.write_str("the fields do not have ts"),
            Self::NoValue => f.write_str("the fields have no value that is known"),
            Self::Repeated { field } => write!(f, "the fields have {field} twice"),
            Self::TooMany { found } => write!(f, "there are {found} fields, at most {FIELDS_MAX} are read"),
        }
    }
}

impl core::error::Error for FieldsError {}

/// Reads `ts,m180,temp`, in any order. A name that is not known counts as one word that is skipped, since all fields
/// have 32 bits; so a later firmware stays readable.
impl FromStr for Fields {
    type Err = FieldsError;

    fn from_str(text: &str) -> Result<Self, FieldsError> {
        let found = text.split(',').count();
        if found > FIELDS_MAX {
            return Err(FieldsError::TooMany { found });
        }
        let mut fields = Self { order: Vec::with_capacity(found) };
        for token in text.split(',') {
            let field = Field::ALL.into_iter().find(|field| field.token() == token);
            if let Some(field) = field.filter(|&field| fields.has(field)) {
                return Err(FieldsError::Repeated { field });
            }
            fields.order.push(field);
        }
        if !fields.has(Field::Time) {
            return Err(FieldsError::NoTime);
        }
        if fields.order.iter().flatten().count() < 2 {
            return Err(FieldsError::NoValue);
        }
        Ok(fields)
    }
}

/// `ts,m180,temp`; a name that was not known prints as `?`.
impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.order.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{}", field.map_or("?", Field::token))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{centidegrees, tenths_of_wh};
    use super::*;
    use metergate_reading::{Number, Unit};
    use proptest::prelude::*;
    use std::string::ToString;
    use std::vec;

    /// 2026-04-12T09:40:00Z.
    const NOON: u32 = 1_775_986_800;
    const EMPTY: Entry = Entry { time_s: NOON, import: None, temperature: None, solar: None, export: None };

    fn fields(text: &str) -> Fields {
        text.parse().unwrap()
    }

    fn read(fields: &Fields, body: &[u8]) -> Vec<Entry> {
        fields.entries(body).unwrap().collect()
    }

    #[test]
    fn row_36_a_body_of_values_has_these_bytes() {
        let wh = |text: &str| tenths_of_wh(text.parse().unwrap(), Some(Unit::WattHour)).unwrap();
        let frost = centidegrees(Number::new(-55, -1), Some(Unit::Celsius)).unwrap();
        let first = Entry {
            time_s: NOON,
            import: Some(wh("16777217")),
            temperature: Some(frost),
            solar: Some(7_200_000),
            export: Some(0),
        };
        let second = Entry { time_s: NOON + 900, import: Some(u32::MAX), solar: None, ..first };
        let fields = Fields::of(&first);
        assert_eq!(fields.to_string(), "ts,m180,temp,solar,m280");
        assert_eq!(fields.entry_len(), 20);
        let body = fields.emit(&[first, second]).unwrap();
        let expected: [[u8; 20]; 2] = [
            [
                0x70, 0x68, 0xDB, 0x69, 0x0A, 0x00, 0x00, 0x0A, 0xDA, 0xFD, 0xFF, 0xFF, 0x00, 0xDD, 0x6D,
                0x00, 0, 0, 0, 0,
            ],
            [
                0xF4, 0x6B, 0xDB, 0x69, 0xFF, 0xFF, 0xFF, 0xFF, 0xDA, 0xFD, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                0xFF, 0, 0, 0, 0,
            ],
        ];
        assert_eq!(body, expected.as_flattened());
        assert_eq!(u32::from_le_bytes([0x0A, 0x00, 0x00, 0x0A]), 167_772_170);
        assert_eq!(u32::from_le_bytes([0xDA, 0xFD, 0xFF, 0xFF]), 0xFFFF_FDDA);
        assert_eq!(read(&fields, &body), [first, second]);
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let solar = prop::option::of(0..SOLAR_NONE_FROM);
        (1..=u32::MAX, any::<u32>(), any::<i32>(), solar, any::<u32>()).prop_map(
            |(time_s, import, temperature, solar, export)| Entry {
                time_s,
                import: Some(import),
                temperature: Some(temperature),
                solar,
                export: Some(export),
            },
        )
    }

    proptest! {
        #[test]
        fn any_entries_come_back(entries in prop::collection::vec(any_entry(), 0..40)) {
            let fields = fields("ts,m180,temp,solar,m280");
            prop_assert_eq!(read(&fields, &fields.emit(&entries).unwrap()), entries);
        }

        #[test]
        fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200), text in "[a-z0-9,]{0,30}") {
            for fields in [text.parse().unwrap_or_else(|_| fields("ts,m180")), fields("temp,x,ts,y")] {
                match fields.entries(&body) {
                    Ok(entries) => prop_assert!(entries.count() <= body.len() / fields.entry_len()),
                    Err(error) => {
                        let (entry_len, found) = (fields.entry_len(), body.len());
                        prop_assert_eq!(error, BodyError::Unaligned { entry_len, found });
                    }
                }
            }
        }
    }

    #[test]
    fn slots_that_were_never_filled_are_skipped() {
        // Old firmware sent its whole buffer: 16,380 bytes for two entries of 12.
        let fields = fields("ts,m180,temp");
        let entry = |time_s| Entry { time_s, import: Some(43_354_009), temperature: Some(2_150), ..EMPTY };
        let mut body = fields.emit(&[entry(NOON)]).unwrap();
        body.resize(16_380 - 12, 0);
        body.extend(fields.emit(&[entry(NOON + 60)]).unwrap());
        assert_eq!(read(&fields, &body), [entry(NOON), entry(NOON + 60)]);
    }

    #[test]
    fn a_counter_at_zero_is_a_value_like_any_other() {
        let entry = Entry { import: Some(0), ..EMPTY };
        let fields = Fields::of(&entry);
        assert_eq!(read(&fields, &fields.emit(&[entry]).unwrap()), [entry]);
    }

    #[test]
    fn all_words_from_fffffff0_on_say_that_there_is_no_solar_value() {
        let fields = fields("ts,solar");
        for (word, solar) in [(0xFFFF_FFEF_u32, Some(0xFFFF_FFEF)), (0xFFFF_FFF0, None), (0xFFFF_FFFF, None)]
        {
            let body = [NOON.to_le_bytes(), word.to_le_bytes()].concat();
            assert_eq!(read(&fields, &body), [Entry { solar, ..EMPTY }]);
        }
        let silent = Entry { import: Some(5), ..EMPTY };
        let listed = Fields::of(&silent).with(Field::Solar);
        assert_eq!(listed.to_string(), "ts,m180,solar");
        assert_eq!(listed.emit(&[silent]).unwrap()[8..], [0xFF; 4]);
    }

    #[test]
    fn other_orders_and_unknown_fields_are_read() {
        let fields = fields("m280,ts,rssi,m180");
        let words = [7_u32, NOON, 99, 5];
        let body: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(read(&fields, &body), [Entry { import: Some(5), export: Some(7), ..EMPTY }]);
        assert_eq!(fields.to_string(), "m280,ts,?,m180");
        let entry = Entry { import: Some(5), export: Some(7), ..EMPTY };
        assert_eq!(fields.emit(&[entry]), Err(EmitError::UnknownField));
    }

    #[test]
    fn bodies_that_are_too_long_or_end_within_an_entry_are_refused() {
        let fields = fields("ts,m180");
        assert_eq!(fields.entries_max(), 4608);
        assert!(fields.entries(&vec![1; 36_864]).is_ok());
        assert_eq!(fields.entries(&vec![1; 36_872]).err(), Some(BodyError::TooLong { found: 36_872 }));
        let error = fields.entries(&[1; 12]).unwrap_err();
        assert_eq!(error, BodyError::Unaligned { entry_len: 8, found: 12 });
        assert_eq!(error.to_string(), "the body has 12 bytes, which is no multiple of 8 for an entry");
        assert_eq!(fields.entries(&[]).unwrap().count(), 0);
        let entry = Entry { import: Some(5), ..EMPTY };
        assert_eq!(fields.emit(&vec![entry; 4608]).unwrap().len(), BODY_LEN_MAX);
        assert_eq!(fields.emit(&vec![entry; 4609]), Err(EmitError::TooMany { max: 4608, found: 4609 }));
    }

    #[test]
    fn what_would_be_lost_or_misread_is_not_sent() {
        let fields = fields("ts,m180");
        let entry = Entry { import: Some(5), ..EMPTY };
        let unlisted = Entry { export: Some(1), ..entry };
        assert_eq!(
            fields.emit(&[entry, unlisted]),
            Err(EmitError::Unlisted { entry: 1, field: Field::Export })
        );
        assert_eq!(fields.emit(&[EMPTY]), Err(EmitError::Absent { entry: 0, field: Field::Import }));
        let nowhen = Entry { time_s: 0, import: Some(0), ..EMPTY };
        assert_eq!(fields.emit(&[nowhen]), Err(EmitError::Ambiguous { entry: 0 }));
        let sunny = Entry { solar: Some(SOLAR_NONE_FROM), ..entry };
        assert_eq!(fields.with(Field::Solar).emit(&[sunny]), Err(EmitError::Ambiguous { entry: 0 }));
    }

    #[test]
    fn lists_without_time_or_value_and_repetitions_are_refused() {
        for (text, error) in [
            ("", FieldsError::NoTime),
            ("m180", FieldsError::NoTime),
            ("ts", FieldsError::NoValue),
            ("ts,rssi", FieldsError::NoValue),
            ("ts,m180,ts", FieldsError::Repeated { field: Field::Time }),
            ("ts,m180,,,,,,,,,,,,,,,", FieldsError::TooMany { found: 17 }),
        ] {
            assert_eq!(text.parse::<Fields>(), Err(error), "{text}");
        }
    }
}
