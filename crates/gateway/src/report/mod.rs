//! What was used, what it cost and how much CO2 it stands for: by local days, months and years.
//!
//! A report is calculated from the quarter hours of the store and nothing else. Totals go on over exchanges of a
//! meter, what is missing is counted and never guessed, and energy without a price is shown as such and not priced
//! at 0.
//!
//! Start reading: [`Report::new`], the calculation; [`Series`] for what goes in, [`Rates`] for prices, [`text`] and
//! [`json`] for what comes out. [`Registers`] is the other report: what stood in the registers.

mod json;
mod rates;
mod registers;
mod series;
mod span;
mod text;

pub use json::{csv, json};
pub use rates::{PriceFileError, Rates};
pub use registers::{RegisterLine, Registers, Shown};
pub use series::{QuarterHours, Series};
pub use span::{By, first_day};
pub use text::text;

use jiff::civil::Date;
use metergate_reading::{Number, RegisterId, Unit};
use metergate_tariff::price::cost;
use metergate_tariff::{Mark, MarkValue, ProfileError, derived};
use rates::RateView;

/// The days of one report at most: eleven years, as the store gives at once.
pub const DAYS_MAX: i32 = 4_096;

/// What was counted, by lines of the same kind.
#[derive(Debug)]
pub struct Report {
    /// The meter's name in the configuration.
    pub meter: String,
    /// What a line is about.
    pub by: By,
    /// What was used, if that is in it.
    pub consumption: Option<Column>,
    /// What was fed in, if that is in it.
    pub feed_in: Option<Column>,
    /// In order of time.
    pub lines: Vec<Line>,
    /// All of it as one; `None` when there is one line or none.
    ///
    /// It may be more than the sum of the lines: what was counted across missing quarter hours at the border of two
    /// lines is in neither of them.
    pub total: Option<Line>,
}

/// A register of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The register.
    pub register: RegisterId,
    /// Its unit, if one is known.
    pub unit: Option<Unit>,
}

/// A quarter hour, day, month or year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its first mark.
    pub from: Mark,
    /// The mark after it.
    pub to: Mark,
    /// What was used.
    pub consumption: Option<Energy>,
    /// What was fed in.
    pub feed_in: Option<Energy>,
    /// The base price of its months with two values at least, in the currency; of months and years only.
    pub base: Option<Number>,
    /// What its whole year comes to, in the unit of consumption, if it goes on as it did; only of a year that is not
    /// whole, with a day at least.
    pub annual_estimate: Option<Number>,
}

/// What one register counted in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Energy {
    /// From the first to the last value, in the register's unit; `None` with less than two, or when it fell.
    pub amount: Option<Number>,
    /// What it costs or earns; `None` when no price is known at all.
    pub money: Option<Priced>,
    /// Its CO2 in g; `None` when it is not known at all, and for what is fed in.
    pub co2: Option<Priced>,
    /// Why there is no amount although there are values.
    pub problem: Option<ProfileError>,
    /// How good its quarter hours are.
    pub quarter_hours: QuarterHours,
}

/// An amount of money, or of CO2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priced {
    /// Exactly, not rounded; `None` when nothing has a price.
    pub amount: Option<Number>,
    /// The energy that has none, in Wh.
    pub without: Option<Number>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// What a line is about.
    pub by: By,
    /// The first day; its month or year is in it as a whole.
    pub from: Date,
    /// The day after the last.
    pub to: Date,
    /// The time: what has not begun yet is not missing. Seconds since 1970-01-01T00:00:00Z.
    pub now_s: i64,
}

impl Ask {
    /// The first and the last mark that the report needs; `None` when there is no such time, or it has not begun.
    #[must_use]
    pub fn marks(&self, rates: &Rates) -> Option<(Mark, Mark)> {
        let marks = self.boundaries(rates);
        marks.first().copied().zip(marks.last().copied()).filter(|(first, last)| first < last)
    }

    /// Where lines begin and end; one that has not begun is none.
    fn boundaries(&self, rates: &Rates) -> Vec<Mark> {
        let mut marks = span::boundaries(self.by, &rates.zone, self.from, self.to);
        let begun = marks.partition_point(|mark| mark.unix_s() <= self.now_s);
        marks.truncate(begun.saturating_add(1));
        marks
    }
}

impl Report {
    /// Calculates a report of what was used, what was fed in, or both.
    ///
    /// The series hold the marks of [`Ask::marks`]. Only Wh have a price.
    #[must_use]
    pub fn new(
        meter: &str,
        consumption: Option<&Series>,
        feed_in: Option<&Series>,
        rates: &Rates,
        ask: &Ask,
    ) -> Self {
        let column = |series: &Series| Column { register: series.register.clone(), unit: series.unit };
        let calculation = Calculation { consumption, feed_in, rates, ask };
        let marks = ask.boundaries(rates);
        let lines: Vec<Line> = marks.windows(2).filter_map(|pair| calculation.line(pair)).collect();
        let total = match (lines.first(), lines.last()) {
            (Some(first), Some(last)) if lines.len() > 1 => Some(Line {
                base: sum(lines.iter().filter_map(|line| line.base)),
                annual_estimate: None,
                ..calculation.between(first.from, last.to)
            }),
            _ => None,
        };
        Self {
            meter: meter.to_owned(),
            by: ask.by,
            consumption: consumption.map(column),
            feed_in: feed_in.map(column),
            lines,
            total,
        }
    }
}

impl Line {
    /// What is to be paid: what was used, and the base price, less what was fed in.
    ///
    /// `None` without any price, and as long as some of it has none.
    #[must_use]
    pub fn to_pay(&self) -> Option<Number> {
        let money = |energy: &Option<Energy>| match energy {
            Some(Energy { money: Some(priced), amount: Some(_), .. }) => {
                priced.amount.filter(|_| priced.without.is_none()).map(Some)
            }
            // What is not in the report, or has no values, is told apart from what has no price.
            Some(Energy { amount: Some(_), .. }) => None,
            _ => Some(None),
        };
        let (used, fed_in) = (money(&self.consumption)?, money(&self.feed_in)?);
        let paid = sum(used.into_iter().chain(self.base))?;
        paid.checked_sub(fed_in.unwrap_or(Number::new(0, 0)))
    }
}

struct Calculation<'a> {
    consumption: Option<&'a Series>,
    feed_in: Option<&'a Series>,
    rates: &'a Rates,
    ask: &'a Ask,
}

impl Calculation<'_> {
    fn line(&self, pair: &[Mark]) -> Option<Line> {
        let &[from, to] = pair else { return None };
        Some(Line {
            base: self.base(from, to),
            annual_estimate: self.annual_estimate(from, to),
            ..self.between(from, to)
        })
    }

    fn between(&self, from: Mark, to: Mark) -> Line {
        let now_s = self.ask.now_s;
        let rates = self.rates;
        Line {
            from,
            to,
            consumption: self
                .consumption
                .map(|series| energy(series, from..to, now_s, rates.energy(), rates.co2())),
            feed_in: self.feed_in.map(|series| energy(series, from..to, now_s, rates.feed_in(), None)),
            base: None,
            annual_estimate: None,
        }
    }

    /// The base price of the months in which something was counted, be it nothing.
    fn base(&self, from: Mark, to: Mark) -> Option<Number> {
        let base = self.rates.base_per_month?;
        let series = self.consumption.filter(|_| matches!(self.ask.by, By::Month | By::Year))?;
        let zone = &self.rates.zone;
        let months = span::boundaries(By::Month, zone, span::day_of(zone, from)?, span::day_of(zone, to)?);
        let is_counted = |pair: &&[Mark]| match **pair {
            // The first value of a month alone is the last of the month before.
            [from, to] => series.between(from, to).len() > 1,
            _ => false,
        };
        sum(months.windows(2).filter(is_counted).map(|_| base))
    }

    fn annual_estimate(&self, from: Mark, to: Mark) -> Option<Number> {
        let series = self.consumption.filter(|_| self.ask.by == By::Year)?;
        let values = series.between(from, to);
        let (first, last) = (values.first()?, values.last()?);
        if (first.mark, last.mark) == (from, to) {
            return None;
        }
        let counted = |value: &MarkValue| derived::Counted {
            unix_ms: value.mark.unix_s().saturating_mul(1000),
            value: value.value,
        };
        // A tenth of a kWh: an estimate knows no more, and often less.
        let exponent = if in_thousands(series.unit) { 2 } else { -1 };
        derived::annual_estimate(counted(first), counted(last), exponent)
    }
}

/// What a register counted.
fn energy(
    series: &Series,
    marks: std::ops::Range<Mark>,
    now_s: i64,
    price: Option<RateView<'_>>,
    co2: Option<RateView<'_>>,
) -> Energy {
    let quarter_hours = series.count(marks.start, marks.end, now_s);
    let values = series.between(marks.start, marks.end);
    let priced = |rate: Option<RateView<'_>>| {
        let rate = rate.filter(|_| series.unit == Some(Unit::WattHour));
        cost(values.iter().copied(), |slot| rate.and_then(|rate| rate.of(slot)))
            .map(|cost| (cost, rate.map(|_| Priced { amount: cost.amount, without: cost.unpriced })))
    };
    match (priced(price), priced(co2)) {
        (Ok((cost, money)), Ok((_, co2))) => Energy {
            amount: sum(cost.priced.into_iter().chain(cost.unpriced)),
            money,
            co2,
            problem: None,
            quarter_hours,
        },
        (Err(problem), _) | (_, Err(problem)) => {
            Energy { amount: None, money: None, co2: None, problem: Some(problem), quarter_hours }
        }
    }
}

/// The sum; `None` of nothing, and when it does not fit.
fn sum(mut numbers: impl Iterator<Item = Number>) -> Option<Number> {
    let first = numbers.next()?;
    numbers.try_fold(first, Number::checked_add)
}

/// True for units that people read in thousands: kWh, kvarh, kVAh.
fn in_thousands(unit: Option<Unit>) -> bool {
    matches!(unit, Some(Unit::WattHour | Unit::VarHour | Unit::VoltAmpereHour))
}

/// An amount in the unit in which it is shown.
fn shown(number: Number, unit: Option<Unit>) -> Option<Number> {
    if in_thousands(unit) { number.scaled(-3) } else { Some(number) }
}

/// The unit in which an amount is shown, such as `kWh`.
fn shown_unit(unit: Option<Unit>) -> String {
    let prefix = if in_thousands(unit) { "k" } else { "" };
    unit.map_or_else(String::new, |unit| format!("{prefix}{}", unit.text()))
}

/// The local time of a mark with its offset, as programs read it.
fn local(mark: Mark, rates: &Rates, format: &str) -> String {
    let time = jiff::Timestamp::from_second(mark.unix_s()).ok();
    let zoned = time.map(|time| time.to_zoned(rates.zone.clone()));
    zoned.map_or_else(|| mark.unix_s().to_string(), |zoned| zoned.strftime(format).to_string())
}
