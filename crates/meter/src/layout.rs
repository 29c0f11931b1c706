//! Layout tables: the meaning of lists that come without OBIS codes, or without scaler and unit.
//!
//! A table is data. The built-in ones stand in this folder, a file a maker; a user adds one at run time through
//! [`Settings::layouts`](crate::Settings::layouts), and it is tried first. A table names and scales: it never changes
//! what kind of value an element is, and never drops one.
use core::fmt;
use metergate_reading::{ObisCode, Unit};
use metergate_wire::dlms::axdr::{Items, Value};

mod iskraemeco;
mod kaifa;
mod kamstrup;
mod landis_gyr;
mod siemens;

/// One table, and which lists it fits.
///
/// ```
/// use metergate_meter::layout::{Layout, Row};
/// use metergate_reading::{ObisCode, Unit};
///
/// static LIST: Layout = Layout {
///     name: "my-meter",
///     elements: Some(2),
///     starts_with: b"",
///     tags: &[],
///     automatic: true,
///     rows: &[Row::at(1, ObisCode::new(1, 0, 1, 7, 0, 255), Some(Unit::Watt), 0)],
/// };
/// assert_eq!(LIST.at_position(1).map(|row| row.unit), Some(Some(Unit::Watt)));
/// assert!(LIST.at_position(0).is_none(), "an element without a row stays as it is");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    /// Its name in messages, in `layout = "..."` and in [`Model::layout`](crate::models::Model::layout). Tables of one
    /// name belong together: one maker's lists of several lengths.
    pub name: &'static str,
    /// Number of elements of the outermost structure; `None`: any.
    pub elements: Option<u16>,
    /// How the first element, an octet string or a text, begins; empty: anything.
    pub starts_with: &'static [u8],
    /// A-XDR tags that must stand at these positions: (position, tag). It tells lists of one length apart.
    pub tags: &'static [(u16, u8)],
    /// True when it is used wherever it fits; false when only a model or a user that names it brings it in.
    pub automatic: bool,
    /// What each element means.
    pub rows: &'static [Row],
}

/// The meaning of one element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Index from 0 among the elements of the outermost structure; `None`: the element that the telegram itself names
    /// [`obis`](Self::obis), wherever it stands.
    pub position: Option<u16>,
    /// Its code.
    pub obis: ObisCode,
    /// Unit of a number.
    pub unit: Option<Unit>,
    /// Power of ten to apply to a number: 1 for numbers in 0.01 kWh.
    pub scale: i8,
}

impl Row {
    /// The meaning of the element at `position`.
    #[must_use]
    pub const fn at(position: u16, obis: ObisCode, unit: Option<Unit>, scale: i8) -> Self {
        Self { position: Some(position), obis, unit, scale }
    }

    /// Unit and scale of what the telegram itself names `obis`.
    #[must_use]
    pub const fn of(obis: ObisCode, unit: Unit, scale: i8) -> Self {
        Self { position: None, obis, unit: Some(unit), scale }
    }
}

impl Layout {
    /// The row of an element without OBIS code.
    #[must_use]
    pub fn at_position(&self, position: u16) -> Option<&'static Row> {
        self.rows.iter().find(|row| row.position == Some(position))
    }

    /// The row of an element that the telegram names.
    #[must_use]
    pub fn of_obis(&self, obis: ObisCode) -> Option<&'static Row> {
        self.rows.iter().find(|row| row.position.is_none() && row.obis == obis)
    }

    /// True when the list has the length, the beginning and the tags of this table.
    fn fits(&self, list: Items<'_>, len: usize, first: &[u8]) -> bool {
        self.elements.is_none_or(|elements| usize::from(elements) == len)
            && first.starts_with(self.starts_with)
            && self.tags.iter().all(|&(position, tag)| {
                let mut list = list;
                list.nth(usize::from(position)).is_some_and(|element| tag_of(&element) == tag)
            })
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.elements {
            Some(elements) => write!(f, "{} ({elements} elements)", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// The built-in tables.
pub fn all() -> impl Iterator<Item = &'static Layout> {
    [kaifa::LAYOUTS, kamstrup::LAYOUTS, iskraemeco::LAYOUTS, siemens::LAYOUTS, landis_gyr::LAYOUTS]
        .into_iter()
        .flatten()
}

/// The tables that a conversation may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layouts {
    /// The user's own.
    own: &'static [Layout],
    /// The name that the model gives.
    named: Option<&'static str>,
}

impl Layouts {
    pub(crate) fn new(own: &'static [Layout], named: Option<&'static str>) -> Self {
        Self { own, named }
    }

    /// The first table that fits the elements of the outermost structure: the user's own, then the model's, then those
    /// that are used wherever they fit.
    ///
    /// `has_names` says that the telegram names its elements by a list of push objects; then the first element is that
    /// list, and no built-in table is used unless the model asks for it.
    pub(crate) fn choose(&self, mut list: Items<'_>, has_names: bool) -> Option<&'static Layout> {
        let (whole, len) = (list, list.len());
        // What stands in structures of its own has its code with it, and no text to know a list by.
        let has_names = has_names || matches!(whole.bytes(), [STRUCTURE, ..]);
        if has_names && self.own.is_empty() && self.named.is_none() {
            return None;
        }
        let first = list.next().and_then(|first| first.octets()).unwrap_or_default();
        let fits = |layout: &&'static Layout| layout.fits(whole, len, first);
        let own = self.own.iter().find(fits);
        let named = || {
            let name = self.named?;
            all().filter(|layout| layout.name == name).find(fits)
        };
        let automatic = || all().filter(|layout| layout.automatic && !has_names).find(fits);
        own.or_else(named).or_else(automatic)
    }
}

const STRUCTURE: u8 = 0x02;

/// The A-XDR tag of a value.
fn tag_of(value: &Value<'_>) -> u8 {
    match value {
        Value::Null => 0x00,
        Value::Array(_) => 0x01,
        Value::Structure(_) => 0x02,
        Value::Bool(_) => 0x03,
        Value::BitString { .. } => 0x04,
        Value::I32(_) => 0x05,
        Value::U32(_) => 0x06,
        Value::Octets(_) => 0x09,
        Value::Visible(_) => 0x0A,
        Value::Utf8(_) => 0x0C,
        Value::Bcd(_) => 0x0D,
        Value::I8(_) => 0x0F,
        Value::I16(_) => 0x10,
        Value::U8(_) => 0x11,
        Value::U16(_) => 0x12,
        Value::CompactArray(_) => 0x13,
        Value::I64(_) => 0x14,
        Value::U64(_) => 0x15,
        Value::Enum(_) => 0x16,
        Value::F32(_) => 0x17,
        Value::F64(_) => 0x18,
        Value::DateTime(_) => 0x19,
        Value::Date(_) => 0x1A,
        Value::Time(_) => 0x1B,
        Value::DontCare => 0xFF,
    }
}

/// Positions and codes that several makers' lists share.
mod rows {
    use super::Row;
    use metergate_reading::{ObisCode, Unit};

    pub(super) const OCTETS: u8 = 0x09;
    pub(super) const BOOL: u8 = 0x03;
    pub(super) const U32: u8 = 0x06;
    pub(super) const U16: u8 = 0x12;

    /// `1-0:c.d.e*255`.
    pub(super) const fn electricity(c: u8, d: u8, e: u8) -> ObisCode {
        ObisCode::new(1, 0, c, d, e, 255)
    }

    /// `0-0:c.d.e*255`.
    pub(super) const fn general(c: u8, d: u8, e: u8) -> ObisCode {
        ObisCode::new(0, 0, c, d, e, 255)
    }

    /// Instantaneous power `c.7.0`: active in W, reactive (3, 4) in var.
    pub(super) const fn power(position: u16, c: u8) -> Row {
        Row::at(
            position,
            electricity(c, 7, 0),
            Some(if matches!(c, 3 | 4) { Unit::Var } else { Unit::Watt }),
            0,
        )
    }

    /// Energy `c.8.e`: active in Wh, reactive (3, 4) in varh.
    pub(super) const fn energy(position: u16, c: u8, e: u8) -> Row {
        let unit = if matches!(c, 3 | 4) { Unit::VarHour } else { Unit::WattHour };
        Row::at(position, electricity(c, 8, e), Some(unit), 0)
    }

    /// Current `c.7.0` in A times the power of ten.
    pub(super) const fn current(position: u16, c: u8, scale: i8) -> Row {
        Row::at(position, electricity(c, 7, 0), Some(Unit::Ampere), scale)
    }

    /// Voltage `c.7.0` in 0.1 V.
    pub(super) const fn voltage(position: u16, c: u8) -> Row {
        Row::at(position, electricity(c, 7, 0), Some(Unit::Volt), -1)
    }

    /// A text, a clock, a switch: nothing to scale.
    pub(super) const fn plain(position: u16, obis: ObisCode) -> Row {
        Row::at(position, obis, None, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn no_table_says_two_things_of_one_element() {
        for layout in all() {
            for (index, row) in layout.rows.iter().enumerate() {
                let twice = layout.rows.iter().skip(index + 1).any(|other| match row.position {
                    Some(position) => other.position == Some(position),
                    None => other.position.is_none() && other.obis == row.obis,
                });
                assert!(!twice, "{layout}: {row:?}");
                if let (Some(elements), Some(position)) = (layout.elements, row.position) {
                    assert!(position < elements, "{layout}: {row:?}");
                }
            }
        }
    }

    #[test]
    fn every_layout_that_a_model_names_exists() {
        for model in crate::models::all() {
            let Some(name) = model.layout else { continue };
            assert!(all().any(|layout| layout.name == name), "{}: no layout {name}", model.name);
        }
    }

    #[test]
    fn no_two_automatic_tables_fit_the_same_by_length_alone() {
        let automatic: Vec<_> = all().filter(|layout| layout.automatic).collect();
        for (index, layout) in automatic.iter().enumerate() {
            let same = automatic.iter().skip(index + 1).any(|other| {
                other.elements == layout.elements
                    && other.starts_with == layout.starts_with
                    && other.tags == layout.tags
            });
            assert!(!same, "{layout}");
        }
    }
}
