//! What a counter counted: quarter hours as they are stored, local days, months and years made of them.
use super::commit::epochs_of;
use super::database::count;
use super::error::Doing;
use super::reader::{MEASURED, Names, Reader, get, measured};
use super::{Mark, Measured, Quality, StoreError};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use metergate_reading::{Instant, Number, RegisterId, Unit};
use metergate_tariff::{UseCase, derived, total};
use rusqlite::{Connection, params};
use std::ops::Range;

/// Marks that one call gives: a leap year and a day.
pub const QUARTER_HOURS_MAX: usize = 367 * 96;

/// Days, months or years that one call gives: eleven years of days.
pub const PERIODS_MAX: usize = 4_096;

const QUARTER_S: i64 = 900;

/// Values that are looked at for the first or last of a period: that a meter sends a register now and then is rare.
const LOOK_MAX: usize = 200;

/// One mark of the quarter-hour grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarterHour {
    /// The mark: the quarter hour begins here.
    pub mark: Mark,
    /// What the register showed, as on the meter; `None` when it is missing.
    pub value: Option<Number>,
    /// The same, continued over exchanges of the meter.
    pub total: Option<Number>,
    /// In this unit, if one is known.
    pub unit: Option<Unit>,
    /// How the value came about.
    pub quality: Quality,
    /// The host's clock was not synchronised.
    pub clock_doubtful: bool,
    /// When the value was read.
    pub at: Option<Instant>,
}

/// A local day, month or year: what was counted in it, and how good the quarter hours are that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// Its first mark.
    pub from: Mark,
    /// The mark after it, which the next one begins with.
    pub to: Mark,
    /// What was counted, as far as there are values; `None` with less than two of them or when the counter fell.
    pub counted: Option<Counted>,
    /// Its quarter hours with an exact value.
    pub exact: u32,
    /// With a late one.
    pub late: u32,
    /// With one that a person or the backend gave.
    pub substituted: u32,
    /// With none. All four together are 92, 96 or 100 on a day.
    pub missing: u32,
}

/// What was counted from the first to the last value of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The mark of the first value.
    pub from: Mark,
    /// The mark of the last value.
    pub to: Mark,
    /// The difference of the totals, which go on over exchanges of the meter.
    pub amount: Number,
    /// In this unit, if one is known.
    pub unit: Option<Unit>,
}

impl Period {
    /// What was counted in all of it; `None` when the value of its beginning or end is missing. No neighbour takes its
    /// place.
    #[must_use]
    pub fn amount(&self) -> Option<Number> {
        let counted = self.counted?;
        (counted.from == self.from && counted.to == self.to).then_some(counted.amount)
    }
}

impl Reader {
    /// Each mark of the quarter-hour grid with `from` <= mark < `to`, at most [`QUARTER_HOURS_MAX`].
    ///
    /// # Errors
    /// What SQLite says, or [`StoreError::Damaged`].
    pub fn quarter_hours(
        &mut self,
        meter: &str,
        register: &RegisterId,
        from: Mark,
        to: Mark,
    ) -> Result<Vec<QuarterHour>, StoreError> {
        self.in_snapshot(|connection, names| {
            let totals = Totals::new(connection, meter, register)?;
            let sql = format!("{MEASURED} {WHERE} AND mark_s >= ?2 AND mark_s < ?3 ORDER BY mark_s LIMIT ?4");
            let values = params![meter, from.unix_s(), to.unix_s(), count(QUARTER_HOURS_MAX)];
            let mut stored = measured(connection, names, &sql, values)?.into_iter().peekable();
            let mut all = Vec::new();
            for mark in marks(from, to).take(QUARTER_HOURS_MAX) {
                // More than one only where a file was put together by hand.
                let mut found = None;
                while let Some(one) = stored.next_if(|one| one.mark <= mark) {
                    found = Some(one);
                }
                all.push(totals.quarter_hour(mark, found.filter(|one| one.mark == mark).as_ref()));
            }
            Ok(all)
        })
    }

    /// What use cases chose of a meter's readings with `from` <= mark < `to`, at most `limit`, in the order of marks.
    ///
    /// # Errors
    /// What SQLite says, or [`StoreError::Damaged`].
    pub fn measured_between(
        &mut self,
        meter: &str,
        case: UseCase,
        from: Mark,
        to: Mark,
        limit: usize,
    ) -> Result<Vec<Measured>, StoreError> {
        self.in_snapshot(|connection, names| {
            let sql = format!(
                "{MEASURED} WHERE meter = (SELECT id FROM meter WHERE name = ?1) AND use_case = ?2
                 AND mark_s >= ?3 AND mark_s < ?4 ORDER BY mark_s, seq LIMIT ?5"
            );
            let values = params![meter, case.code(), from.unix_s(), to.unix_s(), count(limit)];
            measured(connection, names, &sql, values)
        })
    }

    /// Local days from `first`, so many, at most [`PERIODS_MAX`]. A day has 92, 96 or 100 quarter hours.
    ///
    /// # Errors
    /// What SQLite says, or [`StoreError::Damaged`].
    pub fn days(
        &mut self,
        meter: &str,
        register: &RegisterId,
        zone: &TimeZone,
        first: Date,
        days: usize,
    ) -> Result<Vec<Period>, StoreError> {
        self.periods(meter, register, zone, first, days, |date| date.tomorrow().ok())
    }

    /// Local months from that of `first`, so many, at most [`PERIODS_MAX`].
    ///
    /// # Errors
    /// What SQLite says, or [`StoreError::Damaged`].
    pub fn months(
        &mut self,
        meter: &str,
        register: &RegisterId,
        zone: &TimeZone,
        first: Date,
        months: usize,
    ) -> Result<Vec<Period>, StoreError> {
        let next = |date: Date| date.last_of_month().tomorrow().ok();
        self.periods(meter, register, zone, first.first_of_month(), months, next)
    }

    /// Local years from that of `first`, so many, at most [`PERIODS_MAX`].
    ///
    /// # Errors
    /// What SQLite says, or [`StoreError::Damaged`].
    pub fn years(
        &mut self,
        meter: &str,
        register: &RegisterId,
        zone: &TimeZone,
        first: Date,
        years: usize,
    ) -> Result<Vec<Period>, StoreError> {
        let next = |date: Date| date.last_of_year().tomorrow().ok();
        self.periods(meter, register, zone, first.first_of_year(), years, next)
    }

    fn periods(
        &mut self,
        meter: &str,
        register: &RegisterId,
        zone: &TimeZone,
        first: Date,
        periods: usize,
        next: impl Fn(Date) -> Option<Date>,
    ) -> Result<Vec<Period>, StoreError> {
        let starts = std::iter::successors(Some(first), |&date| next(date));
        let starts = starts.map_while(|date| start_of_day(zone, date));
        let starts: Vec<Mark> = starts.take(periods.min(PERIODS_MAX).saturating_add(1)).collect();
        self.in_snapshot(|connection, names| {
            let totals = Totals::new(connection, meter, register)?;
            let mut periods = Vec::new();
            for pair in starts.windows(2) {
                if let [from, to] = *pair {
                    periods.push(totals.period(connection, names, from..to)?);
                }
            }
            Ok(periods)
        })
    }
}

/// The quarter hours of the meter `?1`.
const WHERE: &str = "WHERE meter = (SELECT id FROM meter WHERE name = ?1) AND use_case = 'taf7'";

/// A register with what its totals need.
struct Totals<'a> {
    meter: &'a str,
    register: &'a RegisterId,
    epochs: Vec<total::Epoch>,
}

impl<'a> Totals<'a> {
    fn new(connection: &Connection, meter: &'a str, register: &'a RegisterId) -> Result<Self, StoreError> {
        let epochs = super::reader::epochs(connection, meter)?;
        Ok(Self { meter, register, epochs: epochs_of(&epochs, register).0 })
    }

    /// The total at a mark, with its unit.
    fn total(&self, measured: &Measured) -> Option<(Number, Option<Unit>)> {
        let (number, unit) = self.value(measured)?;
        Some((total::continued(measured.row.at.unix_ms, number, &self.epochs)?, unit))
    }

    fn value(&self, measured: &Measured) -> Option<(Number, Option<Unit>)> {
        if measured.quality == Quality::Missing {
            return None;
        }
        let mut numbers = measured.row.numbers();
        let (column, number) = numbers.find(|(column, _)| column.id == *self.register)?;
        Some((number, column.unit))
    }

    fn quarter_hour(&self, mark: Mark, measured: Option<&Measured>) -> QuarterHour {
        let value = measured.and_then(|one| Some((one, self.value(one)?)));
        let Some((one, (number, unit))) = value else {
            return QuarterHour {
                mark,
                value: None,
                total: None,
                unit: None,
                quality: Quality::Missing,
                clock_doubtful: false,
                at: None,
            };
        };
        QuarterHour {
            mark,
            value: Some(number),
            total: self.total(one).map(|(total, _)| total),
            unit,
            quality: one.quality,
            clock_doubtful: one.clock_doubtful,
            at: Some(one.row.at),
        }
    }

    fn period(
        &self,
        connection: &Connection,
        names: &mut Names,
        marks: Range<Mark>,
    ) -> Result<Period, StoreError> {
        let Range { start: from, end: to } = marks;
        let sql = format!(
            "SELECT quality, count(DISTINCT mark_s) FROM measured {WHERE} AND mark_s >= ?2 AND mark_s < ?3 GROUP BY quality"
        );
        let mut select = connection.prepare_cached(&sql).doing("reading")?;
        let mut found = select.query(params![self.meter, from.unix_s(), to.unix_s()]).doing("reading")?;
        let (mut exact, mut late, mut substituted) = (0, 0, 0);
        while let Some(row) = found.next().doing("reading")? {
            match super::names::quality(&get::<String>(row, 0)?) {
                Some(Quality::Exact) => exact = get(row, 1)?,
                Some(Quality::Late) => late = get(row, 1)?,
                Some(Quality::Substituted) => substituted = get(row, 1)?,
                Some(Quality::Missing) | None => {}
            }
        }
        let all = u32::try_from((to.unix_s().saturating_sub(from.unix_s())) / QUARTER_S).unwrap_or(0);
        let missing = all.saturating_sub(exact).saturating_sub(late).saturating_sub(substituted);
        let first = self.boundary(connection, names, from, to, "ASC")?;
        let last = self.boundary(connection, names, from, to, "DESC")?;
        let counted = first.zip(last).and_then(|((first, before, _), (last, after, unit))| {
            let amount = derived::consumption(before, after).filter(|_| first < last)?;
            Some(Counted { from: first, to: last, amount, unit })
        });
        Ok(Period { from, to, counted, exact, late, substituted, missing })
    }

    /// The first or last value from `from` to `to`, both included: the end of a period is the beginning of the next.
    fn boundary(
        &self,
        connection: &Connection,
        names: &mut Names,
        from: Mark,
        to: Mark,
        order: &str,
    ) -> Result<Option<(Mark, Number, Option<Unit>)>, StoreError> {
        // Nearly always the first has the register; a few more are read at once only then.
        for (limit, offset) in [(1, 0), (LOOK_MAX, 1)] {
            let sql = format!(
                "{MEASURED} {WHERE} AND mark_s >= ?2 AND mark_s <= ?3 AND quality <> 'missing'
                 ORDER BY mark_s {order} LIMIT {limit} OFFSET {offset}"
            );
            let values = params![self.meter, from.unix_s(), to.unix_s()];
            for one in measured(connection, names, &sql, values)? {
                if let Some((total, unit)) = self.total(&one) {
                    return Ok(Some((one.mark, total, unit)));
                }
            }
        }
        Ok(None)
    }
}

/// The marks of the quarter-hour grid from one, without the other.
fn marks(from: Mark, to: Mark) -> impl Iterator<Item = Mark> {
    let first = from.unix_s().div_euclid(QUARTER_S).saturating_mul(QUARTER_S);
    let first = if first < from.unix_s() { first.saturating_add(QUARTER_S) } else { first };
    let next = move |mark: &Mark| Some(Mark::from_unix_s(mark.unix_s().checked_add(QUARTER_S)?));
    std::iter::successors(Some(Mark::from_unix_s(first)), next).take_while(move |&mark| mark < to)
}

/// The first instant of a local day; on the grid in every zone of today.
fn start_of_day(zone: &TimeZone, date: Date) -> Option<Mark> {
    let start = date.to_zoned(zone.clone()).ok()?.timestamp().as_second();
    Some(Mark::from_unix_s(start.div_euclid(QUARTER_S).saturating_mul(QUARTER_S)))
}
