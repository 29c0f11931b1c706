//! The quarter hours of one register.
use super::span::QUARTER_S;
use crate::store::{Quality, Reader, StoreError};
use metergate_reading::{RegisterId, Unit};
use metergate_tariff::{Mark, MarkValue};

/// Quarter hours that are read at once: 31 days, so that a year is never twice in memory.
const PIECE_S: i64 = 31 * 96 * QUARTER_S;

/// What a register showed at quarter hours, continued over exchanges of the meter. What is missing is left out.
#[derive(Debug, Clone)]
pub struct Series {
    /// The register.
    pub register: RegisterId,
    /// In this unit, if one is known.
    pub unit: Option<Unit>,
    values: Vec<MarkValue>,
    /// One for each value.
    qualities: Vec<Quality>,
}

/// How many quarter hours of a time are how good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct QuarterHours {
    /// With an exact value.
    pub exact: u32,
    /// With a late one.
    pub late: u32,
    /// With one that a person or the backend gave.
    pub substituted: u32,
    /// With none, although they are over.
    pub missing: u32,
}

impl Series {
    /// The values with `from` <= mark <= `to`: the end of a period is the beginning of the next.
    ///
    /// # Errors
    /// What the store says.
    pub fn read(
        reader: &mut Reader,
        meter: &str,
        register: RegisterId,
        from: Mark,
        to: Mark,
    ) -> Result<Self, StoreError> {
        let mut series = Self { register, unit: None, values: Vec::new(), qualities: Vec::new() };
        let end = to.unix_s().saturating_add(1);
        let mut from_s = from.unix_s();
        while from_s < end {
            let to_s = end.min(from_s.saturating_add(PIECE_S));
            let marks = (Mark::from_unix_s(from_s), Mark::from_unix_s(to_s));
            for one in reader.quarter_hours(meter, &series.register, marks.0, marks.1)? {
                let Some(value) = one.total else { continue };
                if one.unit != series.unit {
                    // Wh and m3 have no sum: what was counted in another unit is not there.
                    series.values.clear();
                    series.qualities.clear();
                    series.unit = one.unit;
                }
                series.values.push(MarkValue { mark: one.mark, value });
                series.qualities.push(one.quality);
            }
            from_s = to_s;
        }
        Ok(series)
    }

    /// True when there is no value at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values with `from` <= mark <= `to`.
    #[must_use]
    pub fn between(&self, from: Mark, to: Mark) -> &[MarkValue] {
        let first = self.values.partition_point(|value| value.mark < from);
        let end = self.values.partition_point(|value| value.mark <= to);
        self.values.get(first..end).unwrap_or_default()
    }

    /// How good the quarter hours are that begin from `from` on and before `to`, as far as they have begun.
    #[must_use]
    pub fn count(&self, from: Mark, to: Mark, now_s: i64) -> QuarterHours {
        let first = self.values.partition_point(|value| value.mark < from);
        let end = self.values.partition_point(|value| value.mark < to);
        let mut count = QuarterHours::default();
        for quality in self.qualities.get(first..end).unwrap_or_default() {
            let slot = match quality {
                Quality::Exact => &mut count.exact,
                Quality::Late => &mut count.late,
                Quality::Substituted => &mut count.substituted,
                Quality::Missing => continue,
            };
            *slot = slot.saturating_add(1);
        }
        // The quarter hour of this moment may still get its late value.
        let begun_s = to.unix_s().min(now_s).saturating_sub(from.unix_s()).max(0);
        let due = u32::try_from(begun_s / QUARTER_S).unwrap_or(u32::MAX);
        count.missing = due.saturating_sub(count.there());
        count
    }
}

impl QuarterHours {
    /// Those with a value.
    #[must_use]
    pub fn there(&self) -> u32 {
        self.exact.saturating_add(self.late).saturating_add(self.substituted)
    }
}
