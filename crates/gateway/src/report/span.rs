//! Which days, months and years there are.
use clap::ValueEnum;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use metergate_tariff::Mark;

/// Seconds of a quarter hour.
pub(super) const QUARTER_S: i64 = 900;

/// What one line of a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum By {
    /// A quarter hour.
    QuarterHour,
    /// A local day: 92, 96 or 100 quarter hours.
    Day,
    /// A local month.
    #[default]
    Month,
    /// A local year.
    Year,
}

impl By {
    /// The stable name: `quarter-hour`, `day`, `month` or `year`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QuarterHour => "quarter-hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The first day of the day, month or year that a day lies in.
    fn first(self, date: Date) -> Date {
        match self {
            Self::QuarterHour | Self::Day => date,
            Self::Month => date.first_of_month(),
            Self::Year => date.first_of_year(),
        }
    }

    /// The first day of the next one; `None` at the end of the calendar.
    fn next(self, date: Date) -> Option<Date> {
        let last = match self {
            Self::QuarterHour | Self::Day => date,
            Self::Month => date.last_of_month(),
            Self::Year => date.last_of_year(),
        };
        last.tomorrow().ok()
    }

    /// The days that a report is about when nobody says which: today by quarter hours, this month by days, this year
    /// by months, and the last five years. The second is the day after the last.
    #[must_use]
    pub fn usual(self, today: Date) -> Option<(Date, Date)> {
        let first = match self {
            Self::QuarterHour => today,
            Self::Day => today.first_of_month(),
            Self::Month => today.first_of_year(),
            Self::Year => Date::new(today.year().checked_sub(4)?, 1, 1).ok()?,
        };
        Some((first, today.tomorrow().ok()?))
    }
}

/// The marks at which lines begin and end: one more than there are lines. All of them touch a day of `from` to `to`,
/// of which the second is the day after the last.
pub(super) fn boundaries(by: By, zone: &TimeZone, from: Date, to: Date) -> Vec<Mark> {
    if by == By::QuarterHour {
        let (Some(first), Some(end)) = (start_of_day(zone, from), start_of_day(zone, to)) else {
            return Vec::new();
        };
        let next = |mark: &Mark| Some(Mark::from_unix_s(mark.unix_s().checked_add(QUARTER_S)?));
        return std::iter::successors(Some(first), next).take_while(|&mark| mark <= end).collect();
    }
    let starts = std::iter::successors(Some(by.first(from)), |&date| by.next(date));
    let mut ended = false;
    let starts = starts.take_while(|&date| !std::mem::replace(&mut ended, date >= to));
    starts.map_while(|date| start_of_day(zone, date)).collect()
}

/// The first instant of a local day; on the grid in every zone of today.
pub(super) fn start_of_day(zone: &TimeZone, date: Date) -> Option<Mark> {
    let start = date.to_zoned(zone.clone()).ok()?.timestamp().as_second();
    Some(Mark::from_unix_s(start.div_euclid(QUARTER_S).saturating_mul(QUARTER_S)))
}

/// The local day of a mark.
pub(super) fn day_of(zone: &TimeZone, mark: Mark) -> Option<Date> {
    Some(zone.to_datetime(Timestamp::from_second(mark.unix_s()).ok()?).date())
}

/// `2026`, `2026-04` or `2026-04-12`: its first day.
///
/// # Errors
/// What is expected, for everything else.
pub fn first_day(text: &str) -> Result<Date, String> {
    let whole = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    };
    let date = whole.parse::<Date>().ok().filter(|_| whole.len() == "2026-04-12".len());
    date.ok_or_else(|| "expected 2026, 2026-04 or 2026-04-12".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn lines_are_whole_days_months_and_years_of_the_zone() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let lengths = |by, from, to| -> Vec<i64> {
            let marks = boundaries(by, &zone, from, to);
            marks.windows(2).map(|pair| (pair[1].unix_s() - pair[0].unix_s()) / QUARTER_S).collect()
        };
        assert_eq!(lengths(By::Day, date(2026, 3, 28), date(2026, 3, 31)), [96, 92, 96]);
        assert_eq!(lengths(By::Day, date(2026, 10, 25), date(2026, 10, 26)), [100]);
        assert_eq!(lengths(By::QuarterHour, date(2026, 3, 29), date(2026, 3, 30)), [1; 92]);
        let months = [31 * 96 - 4, 30 * 96];
        assert_eq!(lengths(By::Month, date(2026, 3, 28), date(2026, 4, 2)), months);
        assert_eq!(lengths(By::Year, date(2026, 3, 28), date(2026, 4, 2)), [365 * 96]);
    }

    #[test]
    fn a_year_and_a_month_are_their_first_days() {
        assert_eq!(first_day("2026"), Ok(date(2026, 1, 1)));
        assert_eq!(first_day("2026-04"), Ok(date(2026, 4, 1)));
        assert_eq!(first_day("2026-04-12"), Ok(date(2026, 4, 12)));
        for bad in ["", "26", "2026-13", "2026-04-31", "2026-04-12T00:00", "yesterday"] {
            assert!(first_day(bad).is_err(), "{bad}");
        }
    }
}
