//! What the store keeps: rows of numbers, and which registers they belong to.
use metergate_reading::{Instant, Number, RegisterId, Unit};
use metergate_tariff::{Mark, Quality, UseCase};
use std::sync::Arc;

/// One register as all rows of a shape hold it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Column {
    /// The register.
    pub id: RegisterId,
    /// Its base unit, if one is known.
    pub unit: Option<Unit>,
    /// Power of ten of its mantissas.
    pub exponent: i16,
}

/// The registers of a row, in the telegram's order. Nearly all telegrams of a meter have one shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape(pub Box<[Column]>);

/// The numbers of one accepted telegram.
///
/// Texts, octets and dates are in no row: their latest values are kept apart ([`Remark`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Number among all rows of the store, from 1; 0 before the store has given it one.
    pub seq: u64,
    /// The meter's name in the configuration.
    pub meter: Arc<str>,
    /// When: the best clock there was.
    pub at: Instant,
    /// The meter's own clock in seconds since 1970, if it sends one with a zone.
    pub meter_clock_s: Option<i64>,
    /// What a reader should know.
    pub flags: RowFlags,
    /// Which registers.
    pub shape: Arc<Shape>,
    /// Their mantissas; as many as the shape has columns.
    pub mantissas: Box<[i64]>,
}

impl Row {
    /// Its registers with their numbers.
    pub fn numbers(&self) -> impl Iterator<Item = (&Column, Number)> {
        let numbers = self.shape.0.iter().zip(&self.mantissas);
        numbers.filter_map(|(column, &mantissa)| {
            Some((column, Number::with_exponent(mantissa, column.exponent)?))
        })
    }

    /// The number of one register.
    #[must_use]
    pub fn number(&self, id: &RegisterId) -> Option<Number> {
        self.numbers().find(|(column, _)| column.id == *id).map(|(_, number)| number)
    }
}

/// What a reader should know of a row, as a set, and the offset of the meter's clock from UTC.
///
/// The lower byte is the set; the upper byte is the offset in quarter hours, signed, which every zone on Earth is a
/// multiple of. It means something only beside a clock of the meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RowFlags(pub u16);

impl RowFlags {
    /// Older than a row that was there before.
    pub const LATE: Self = Self(1);
    /// Read from a damaged frame, with a right check of its own.
    pub const SALVAGED: Self = Self(1 << 1);
    /// Encrypted without a tag.
    pub const UNAUTHENTICATED: Self = Self(1 << 2);
    /// Came before any clock could be trusted and was dated afterwards.
    pub const DATED_LATER: Self = Self(1 << 3);
    /// The clock jumped before this row.
    pub const CLOCK_JUMPED: Self = Self(1 << 4);
    /// Some of the telegram's registers are in quarantine.
    pub const PARTLY_HELD: Self = Self(1 << 5);
    /// Released from quarantine.
    pub const RELEASED: Self = Self(1 << 6);
    /// Of what a use case chose: took the place of a later reading that was the value of its mark before.
    pub const CORRECTED: Self = Self(1 << 7);

    /// Each flag with its name in JSON.
    pub const NAMES: [(Self, &'static str); 8] = [
        (Self::LATE, "late"),
        (Self::SALVAGED, "salvaged"),
        (Self::UNAUTHENTICATED, "unauthenticated"),
        (Self::DATED_LATER, "dated_later"),
        (Self::CLOCK_JUMPED, "clock_jumped"),
        (Self::PARTLY_HELD, "partly_held"),
        (Self::RELEASED, "released"),
        (Self::CORRECTED, "corrected"),
    ];

    /// The same with the offset of the meter's clock in minutes east of Greenwich; one that is no multiple of a quarter
    /// hour, or beyond a day, is left out.
    #[must_use]
    pub fn with_meter_offset(self, minutes: i16) -> Self {
        let quarters = if minutes % 15 == 0 { i8::try_from(minutes / 15).unwrap_or_default() } else { 0 };
        Self(u16::from_be_bytes([quarters.to_be_bytes()[0], self.0.to_be_bytes()[1]]))
    }

    /// The offset of the meter's clock in minutes east of Greenwich.
    #[must_use]
    pub fn meter_offset_min(self) -> i16 {
        i16::from(i8::from_be_bytes([self.0.to_be_bytes()[0]])) * 15
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True when all of the other's flags are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A row that a tariff use case has chosen: a quarter hour of TAF 7, a snapshot of TAF 6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Number among all of them, from 1; 0 before the store has given it one.
    pub seq: u64,
    /// Which use case chose it.
    pub case: UseCase,
    /// The mark of the grid that it stands for; without a grid, its own second.
    pub mark: Mark,
    /// How well it stands for the mark.
    pub quality: Quality,
    /// The host's clock was not synchronised.
    pub clock_doubtful: bool,
    /// The reading, with its own time.
    pub row: Row,
}

/// The latest value of a register that is no number, and since when it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The meter's name in the configuration.
    pub meter: Arc<str>,
    /// The register.
    pub id: RegisterId,
    /// Since when.
    pub since: Instant,
    /// The value as its JSON has it.
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_the_offset_of_the_meters_clock_do_not_disturb_each_other() {
        for minutes in [-570, -60, 0, 120, 345, 840] {
            let flags = RowFlags::LATE.with_meter_offset(minutes).with(RowFlags::RELEASED);
            assert_eq!(flags.meter_offset_min(), minutes);
            assert!(flags.contains(RowFlags::LATE) && flags.contains(RowFlags::RELEASED));
            assert!(!flags.contains(RowFlags::SALVAGED));
        }
        assert_eq!(RowFlags::default().with_meter_offset(7).meter_offset_min(), 0);
        assert_eq!(RowFlags::default().with_meter_offset(i16::MAX).meter_offset_min(), 0);
    }
}
