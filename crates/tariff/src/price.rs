//! Cost and CO2 of what was counted, and files of prices.
use crate::exact::Exact;
use crate::{MarkValue, ProfileError, Slot, slots};
use core::fmt;
use metergate_reading::{Date, DateTime, Number, Time};

/// What energy cost, or how much CO2 it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Energy times price, exactly, in the currency (or g) of the prices; `None` when nothing was priced.
    /// [`rounded`](crate::derived::rounded) makes cents of it.
    pub amount: Option<Number>,
    /// The energy in it, in Wh; `None` when nothing was priced.
    pub priced: Option<Number>,
    /// Energy in slots that have no price, in Wh; `None` when all have one. It is never priced at 0.
    pub unpriced: Option<Number>,
}

/// What energy cost: the sum over all slots of energy x price.
///
/// `values` are those of a counter in Wh in order of time. `price` gives what a kWh costs in a slot, or `None` when
/// it has no price; a fixed price is `|_| Some(price)`, a tariff looks the slot up in a
/// [`Schedule`](crate::Schedule), 15-minute prices in [`Prices`]. A slot across missing marks is longer than a
/// period: a price that does not hold over all of it must be `None`. With grams a kWh the same sum is CO2.
///
/// ```
/// use metergate_reading::Number;
/// use metergate_tariff::{Grid, MarkValue};
/// use metergate_tariff::price::{PricePeriod, Prices, cost};
///
/// let value = |slots: i64, watt_hours| MarkValue {
///     mark: Grid::QUARTER_HOUR.mark(slots * 900).unwrap(),
///     value: Number::new(watt_hours, 0),
/// };
/// let values = [value(0, 1000), value(1, 1500), value(2, 2250)];
/// let fixed = cost(values, |_| Some(Number::new(30, -2)))?;
/// assert_eq!(fixed.amount.unwrap().to_string(), "0.37500", "1.25 kWh at 0.30");
///
/// let periods = [PricePeriod { from_s: 0, to_s: 900, price: Number::new(30, -2) }];
/// let prices = Prices::new(&periods).unwrap();
/// let partly = cost(values, |slot| prices.of(slot))?;
/// assert_eq!(partly.amount.unwrap().to_string(), "0.15000");
/// assert_eq!(partly.unpriced.unwrap().to_string(), "750", "and not 0.00");
/// # Ok::<(), metergate_tariff::ProfileError>(())
/// ```
///
/// # Errors
/// The first [`ProfileError`] of the values, of which [`ProfileError::Overflow`] also names the slot whose cost no
/// longer fits.
pub fn cost(
    values: impl IntoIterator<Item = MarkValue>,
    mut price: impl FnMut(&Slot) -> Option<Number>,
) -> Result<Cost, ProfileError> {
    let (mut amount, mut priced, mut unpriced) = (None, None, None);
    for slot in slots(values) {
        let slot = slot?;
        let energy = Exact::from(slot.amount);
        let overflow = ProfileError::Overflow { at: slot.to };
        match price(&slot) {
            None => add(&mut unpriced, energy).ok_or(overflow)?,
            Some(price) => {
                // Wh times a price for 1000 of them.
                let cost = energy.times(price.into()).and_then(|cost| cost.scaled(-3)).ok_or(overflow)?;
                add(&mut amount, cost).ok_or(overflow)?;
                add(&mut priced, energy).ok_or(overflow)?;
            }
        }
    }
    Ok(Cost {
        amount: amount.and_then(Exact::number),
        priced: priced.and_then(Exact::number),
        unpriced: unpriced.and_then(Exact::number),
    })
}

/// Adds to a sum that stays one which fits a number.
fn add(sum: &mut Option<Exact>, amount: Exact) -> Option<()> {
    let new = match *sum {
        Some(sum) => sum.plus(amount)?,
        None => amount,
    };
    new.number()?;
    *sum = Some(new);
    Some(())
}

/// A price for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PricePeriod {
    /// Its first second since 1970-01-01T00:00:00Z.
    pub from_s: i64,
    /// The second after its last.
    pub to_s: i64,
    /// Currency for each kWh, or g of CO2; may be negative.
    pub price: Number,
}

/// Periods in order of time that do not overlap; there may be holes between them.
#[derive(Debug, Clone, Copy)]
pub struct Prices<'a>(&'a [PricePeriod]);

impl<'a> Prices<'a> {
    /// Checks the order of periods.
    ///
    /// # Errors
    /// The place of the first period that ends before it begins, or begins before the one before it ends.
    pub fn new(periods: &'a [PricePeriod]) -> Result<Self, usize> {
        let empty = periods.iter().position(|period| period.from_s >= period.to_s);
        let overlap = periods
            .iter()
            .zip(periods.iter().skip(1))
            .position(|(before, period)| period.from_s < before.to_s)
            .map(|place| place + 1);
        match empty.into_iter().chain(overlap).min() {
            Some(place) => Err(place),
            None => Ok(Self(periods)),
        }
    }

    /// The price of a slot: that of the period which holds all of it, else none.
    ///
    /// A slot of an hour over four prices has none: nobody knows how its energy lies in it.
    #[must_use]
    pub fn of(&self, slot: &Slot) -> Option<Number> {
        let place = self.0.partition_point(|period| period.to_s <= slot.from.unix_s());
        let period = self.0.get(place)?;
        let holds = period.from_s <= slot.from.unix_s() && slot.to.unix_s() <= period.to_s;
        holds.then_some(period.price)
    }
}

/// The most periods of a price file: two years of quarter hours, which are 2.2 MB for who keeps them.
pub const PERIODS_MAX: u32 = 2 * 366 * 96;

/// A line of a price file is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceLineError<'a> {
    /// The line, counted from 1.
    pub line: u32,
    /// What is wrong with it.
    pub cause: PriceLineCause<'a>,
}

/// What is wrong with a line of a price file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceLineCause<'a> {
    /// It has not three fields.
    Fields {
        /// How many it has.
        found: usize,
    },
    /// A time is neither RFC 3339 with an offset nor unix seconds.
    Time {
        /// What stands there.
        found: &'a str,
    },
    /// The price is no decimal number.
    Price {
        /// What stands there.
        found: &'a str,
    },
    /// The period does not end after its beginning.
    EndsTooEarly {
        /// Its first second.
        from_s: i64,
        /// Its end.
        to_s: i64,
    },
    /// The period begins before the one before it ends: the two overlap, or the lines are not in order.
    BeginsTooEarly {
        /// Its first second.
        from_s: i64,
        /// The end of the period before.
        before_s: i64,
    },
    /// There are more than [`PERIODS_MAX`] periods.
    TooMany,
}

impl fmt::Display for PriceLineError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match self.cause {
            PriceLineCause::Fields { found } => {
                write!(
                    f,
                    "expected start;end;price, found {found} field{}",
                    if found == 1 { "" } else { "s" }
                )
            }
            PriceLineCause::Time { found } => write!(
                f,
                "expected a time with its offset such as 2024-10-27T02:15:00+02:00, or unix seconds, found `{found}`"
            ),
            PriceLineCause::Price { found } => {
                write!(f, "expected a price for each kWh such as 0.2987 or -0,01, found `{found}`")
            }
            PriceLineCause::EndsTooEarly { from_s, to_s } => {
                write!(f, "expected an end after {}, found {}", Shown(from_s), Shown(to_s))
            }
            PriceLineCause::BeginsTooEarly { from_s, before_s } => write!(
                f,
                "expected a start not before {}, where the period before ends, found {}",
                Shown(before_s),
                Shown(from_s)
            ),
            PriceLineCause::TooMany => {
                write!(f, "expected at most {PERIODS_MAX} periods, which is two years of quarter hours")
            }
        }
    }
}

impl core::error::Error for PriceLineError<'_> {}

/// Seconds as a date for people, or as seconds beyond the calendar.
struct Shown(i64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_unix_seconds(self.0) {
            Some(time) => time.fmt(f),
            None => self.0.fmt(f),
        }
    }
}

/// Reads lines `start;end;price`: times as RFC 3339 with an offset or as unix seconds, the price of a kWh with a
/// decimal point or comma.
///
/// Empty lines, lines that begin with `#`, a byte order mark and a first line `start;end;price` are passed over. A
/// local time without offset is refused: it names two instants in one night of each year. After an error comes nothing.
///
/// ```
/// use metergate_tariff::price::read_prices;
///
/// let file = "start;end;price\n\
///             2024-10-27T02:45:00+02:00;2024-10-27T02:00:00+01:00;0,2987\n\
///             2024-10-27T02:00:00+01:00;2024-10-27T02:15:00+01:00;-0.01\n";
/// let periods: Vec<_> = read_prices(file).collect::<Result<_, _>>()?;
/// assert_eq!(periods.len(), 2);
/// assert_eq!(periods[1].price.to_string(), "-0.01");
///
/// let local = read_prices("2024-10-27T02:45:00;2024-10-27T03:00:00;0.3").next().unwrap();
/// assert!(local.unwrap_err().to_string().starts_with("line 1: expected a time with its offset"));
/// # Ok::<(), metergate_tariff::price::PriceLineError<'static>>(())
/// ```
///
/// # Errors
/// An item is a [`PriceLineError`] with the number of the first line that is wrong.
pub fn read_prices(text: &str) -> impl Iterator<Item = Result<PricePeriod, PriceLineError<'_>>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut before_s, mut periods, mut ended) = (i64::MIN, 0u32, false);
    (1u32..).zip(text.lines()).filter_map(move |(line, text)| {
        let text = text.trim();
        let heading = line == 1 && text.eq_ignore_ascii_case("start;end;price");
        if ended || text.is_empty() || text.starts_with('#') || heading {
            return None;
        }
        periods = periods.saturating_add(1);
        let period = if periods > PERIODS_MAX {
            Err(PriceLineCause::TooMany)
        } else {
            read_line(text).and_then(|period| match period {
                PricePeriod { from_s, .. } if from_s < before_s => {
                    Err(PriceLineCause::BeginsTooEarly { from_s, before_s })
                }
                period => Ok(period),
            })
        };
        match &period {
            Ok(period) => before_s = period.to_s,
            Err(_) => ended = true,
        }
        Some(period.map_err(|cause| PriceLineError { line, cause }))
    })
}

fn read_line(text: &str) -> Result<PricePeriod, PriceLineCause<'_>> {
    let mut fields = text.split(';').map(str::trim);
    let (Some(from), Some(to), Some(price), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(PriceLineCause::Fields { found: text.split(';').count() });
    };
    let time = |found| unix_seconds(found).ok_or(PriceLineCause::Time { found });
    let (from_s, to_s) = (time(from)?, time(to)?);
    let price = price.parse().map_err(|_| PriceLineCause::Price { found: price })?;
    if from_s >= to_s {
        return Err(PriceLineCause::EndsTooEarly { from_s, to_s });
    }
    Ok(PricePeriod { from_s, to_s, price })
}

/// `1730000000`, `2024-10-27T02:45:00+02:00`, `2024-10-27T00:45Z`, with a space in place of `T`; whole seconds only.
fn unix_seconds(text: &str) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let (time, offset_minutes) = match rest.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let (time, offset) = rest.split_at_checked(rest.rfind(['+', '-'])?)?;
            let minutes = minutes(offset.get(1..)?)?;
            (time, if offset.starts_with('-') { -minutes } else { minutes })
        }
    };
    let mut date = date.split('-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    let mut time = time.split(':');
    let (hour, minute) = (digits(time.next()?, 2)?, digits(time.next()?, 2)?);
    let second = time.next().map_or(Some(0), |second| digits(second, 2))?;
    if date.next().is_some() || time.next().is_some() {
        return None;
    }
    let part = |number: u16| u8::try_from(number).ok();
    let date = Date::new(year, part(month)?, part(day)?)?;
    let time = Time::new(part(hour)?, part(minute)?, part(second)?, 0)?;
    DateTime::new(date, time).with_offset(offset_minutes).unix_seconds()
}

/// The minutes of `hh:mm`. A day and more is no offset: [`DateTime::with_offset`] leaves it out.
fn minutes(text: &str) -> Option<i16> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (minutes < 60).then(|| i16::try_from(hours * 60 + minutes).ok())?
}

/// A number of exactly so many digits.
fn digits(text: &str, len: usize) -> Option<u16> {
    (text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grid;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn value(slots: i64, mantissa: i64, scaler: i8) -> MarkValue {
        let mark = Grid::QUARTER_HOUR.mark(slots * 900).unwrap();
        MarkValue { mark, value: Number::new(mantissa, scaler) }
    }

    fn period(slots: core::ops::Range<i64>, price: &str) -> PricePeriod {
        PricePeriod { from_s: slots.start * 900, to_s: slots.end * 900, price: price.parse().unwrap() }
    }

    fn text(number: Option<Number>) -> Option<String> {
        number.map(|number| number.to_string())
    }

    fn cause(text: &str) -> (u32, PriceLineCause<'_>) {
        let error = read_prices(text).find_map(Result::err).unwrap();
        (error.line, error.cause)
    }

    #[test]
    fn energy_without_a_price_is_told_and_not_priced_at_0() {
        let periods = [period(0..1, "0.30"), period(2..3, "-0.05")];
        let prices = Prices::new(&periods).unwrap();
        let values = [value(0, 0, 0), value(1, 1000, 0), value(2, 1700, 0), value(3, 2100, 0)];
        let cost = cost(values, |slot| prices.of(slot)).unwrap();
        // 1 kWh at 0.30, 0.4 kWh at -0.05.
        assert_eq!(text(cost.amount).unwrap(), "0.28000");
        assert_eq!(text(cost.priced).unwrap(), "1400");
        assert_eq!(text(cost.unpriced).unwrap(), "700");
    }

    #[test]
    fn nothing_priced_is_no_amount() {
        let values = [value(0, 0, 0), value(1, 1000, 0)];
        let none = cost(values, |_| None).unwrap();
        assert_eq!((none.amount, none.priced, text(none.unpriced).unwrap()), (None, None, "1000".into()));
        let empty = cost([], |_| Some(Number::new(1, 0))).unwrap();
        assert_eq!((empty.amount, empty.unpriced), (None, None));
        let free = cost(values, |_| Some(Number::new(0, 0))).unwrap();
        assert_eq!(text(free.amount).unwrap(), "0.000", "a price of 0 is a price");
    }

    #[test]
    fn a_slot_across_missing_marks_has_a_price_only_within_one_period() {
        let periods = [period(0..4, "0.30"), period(4..5, "0.20"), period(5..6, "0.20")];
        let prices = Prices::new(&periods).unwrap();
        let slot = |from: i64, to: i64| Slot {
            from: value(from, 0, 0).mark,
            to: value(to, 0, 0).mark,
            amount: Number::new(1, 0),
        };
        assert_eq!(text(prices.of(&slot(1, 4))).unwrap(), "0.30");
        assert_eq!(prices.of(&slot(3, 5)), None);
        assert_eq!(prices.of(&slot(4, 6)), None);
        assert_eq!(prices.of(&slot(-1, 0)), None);
        assert_eq!(prices.of(&slot(6, 7)), None);
    }

    #[test]
    fn a_cost_that_does_not_fit_is_refused() {
        let values = [value(0, 0, 0), value(1, i64::MAX, 0)];
        let error = cost(values, |_| Some(Number::new(i64::MAX, 0))).unwrap_err();
        assert_eq!(error, ProfileError::Overflow { at: value(1, 0, 0).mark });
        assert!(cost(values, |_| Some(Number::new(1, 0))).is_ok());
    }

    #[test]
    fn periods_out_of_order_are_refused() {
        assert_eq!(Prices::new(&[period(1..1, "0")]).unwrap_err(), 0);
        assert_eq!(Prices::new(&[period(0..2, "0"), period(1..3, "0")]).unwrap_err(), 1);
        assert_eq!(Prices::new(&[period(2..3, "0"), period(0..1, "0")]).unwrap_err(), 1);
        assert!(Prices::new(&[period(0..1, "0"), period(7..8, "0")]).is_ok(), "holes are allowed");
    }

    #[test]
    fn every_spelling_of_a_time_is_the_same_instant() {
        for spelling in [
            "1729989900",
            "2024-10-27T02:45:00+02:00",
            "2024-10-27T01:45:00+01:00",
            "2024-10-27T00:45:00Z",
            "2024-10-27 00:45Z",
            "2024-10-26T21:15:00-03:30",
        ] {
            assert_eq!(unix_seconds(spelling), Some(1_729_989_900), "{spelling}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for wrong in [
            "",
            "Z",
            "2024-10-27",
            "2024-10-27T02:45:00",
            "27.10.2024 02:45",
            "2024-02-30T00:00:00Z",
            "2024-10-27T24:00:00Z",
            "2024-10-27T02:45:00.5Z",
            "2024-10-27T02:45:00+24:00",
            "2024-10-27T02:45:00+01:60",
            "2024-10-27T02:45:00+0200",
            "2024-10-27T02:45:00+\u{e9}2:00",
            "2024-10-27T02:45:00:00Z",
            "+24-10-27T02:45:00Z",
            "-5",
            "99999999999999999999",
        ] {
            assert_eq!(unix_seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_price_file_of_a_spreadsheet_is_read() {
        let file =
            "\u{feff}Start;End;Price\r\n# October\r\n\r\n0 ; 900 ; 0,25\r\n900;1800;-0.0125\r\n7200;8100;1";
        let periods: Vec<_> = read_prices(file).map(Result::unwrap).collect();
        assert_eq!(periods, [period(0..1, "0.25"), period(1..2, "-0.0125"), period(8..9, "1")]);
        assert!(Prices::new(&periods).is_ok());
    }

    #[test]
    fn a_wrong_line_is_named_with_what_was_expected_and_found() {
        assert_eq!(cause("0;900;1\n900;1800"), (2, PriceLineCause::Fields { found: 2 }));
        assert_eq!(cause("0;900;1;EUR"), (1, PriceLineCause::Fields { found: 4 }));
        assert_eq!(cause("# x\nnoon;900;1"), (2, PriceLineCause::Time { found: "noon" }));
        assert_eq!(cause("0;900;30 ct"), (1, PriceLineCause::Price { found: "30 ct" }));
        assert_eq!(cause("900;900;1"), (1, PriceLineCause::EndsTooEarly { from_s: 900, to_s: 900 }));
        let overlap = PriceLineCause::BeginsTooEarly { from_s: 800, before_s: 900 };
        assert_eq!(cause("0;900;1\n800;1800;1"), (2, overlap));
        assert_eq!(cause("0;900;1\nstart;end;price").0, 2, "a heading stands first");
        assert_eq!(read_prices("x\n0;900;1").count(), 1, "nothing comes after an error");
        let message = PriceLineError { line: 2, cause: overlap }.to_string();
        assert_eq!(
            message,
            "line 2: expected a start not before 1970-01-01T00:15:00+00:00, where the period before ends, found \
             1970-01-01T00:13:20+00:00"
        );
        let fields = PriceLineError { line: 1, cause: PriceLineCause::Fields { found: 1 } };
        assert_eq!(fields.to_string(), "line 1: expected start;end;price, found 1 field");
    }

    #[test]
    fn a_file_of_two_years_is_read_and_a_longer_one_refused() {
        let mut file = String::new();
        for slot in 0..=i64::from(PERIODS_MAX) {
            file += &std::format!("{};{};1\n", slot * 900, slot * 900 + 900);
        }
        let results: Vec<_> = read_prices(&file).collect();
        let (last, good) = results.split_last().unwrap();
        assert!(good.iter().all(Result::is_ok));
        assert_eq!(good.len(), 70_272);
        assert_eq!(last.unwrap_err(), PriceLineError { line: 70_273, cause: PriceLineCause::TooMany });
    }
}
