//! Time as meters tell it, and how far it can be trusted.
use core::fmt;

/// A calendar date, checked to exist. Years 0 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// A date of the Gregorian calendar, or `None` if there is no such day.
    #[must_use]
    pub const fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        if year > 9999 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        Some(Self { year, month, day })
    }

    /// Year, 0 to 9999.
    #[must_use]
    pub const fn year(self) -> u16 {
        self.year
    }

    /// Month, 1 to 12.
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month
    }

    /// Day of the month, 1 to 31.
    #[must_use]
    pub const fn day(self) -> u8 {
        self.day
    }

    /// Days since 1970-01-01.
    fn unix_day(self) -> i64 {
        // The year begins in March, so that the leap day is its last (H. Hinnant, days from civil).
        let (year, month, day) = (i64::from(self.year), i64::from(self.month), i64::from(self.day));
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = (month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    fn from_unix_day(days: i64) -> Option<Self> {
        let shifted = days.checked_add(719_468)?;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self::new(u16::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
    }
}

const fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A time of day, checked, to the hundredth of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    hour: u8,
    minute: u8,
    second: u8,
    hundredths: u8,
}

impl Time {
    /// A time of 00:00:00.00 to 23:59:59.99, or `None`.
    #[must_use]
    pub const fn new(hour: u8, minute: u8, second: u8, hundredths: u8) -> Option<Self> {
        if hour > 23 || minute > 59 || second > 59 || hundredths > 99 {
            return None;
        }
        Some(Self { hour, minute, second, hundredths })
    }

    /// Hour, 0 to 23.
    #[must_use]
    pub const fn hour(self) -> u8 {
        self.hour
    }

    /// Minute, 0 to 59.
    #[must_use]
    pub const fn minute(self) -> u8 {
        self.minute
    }

    /// Second, 0 to 59.
    #[must_use]
    pub const fn second(self) -> u8 {
        self.second
    }

    /// Hundredths of a second, 0 to 99.
    #[must_use]
    pub const fn hundredths(self) -> u8 {
        self.hundredths
    }

    fn seconds(self) -> i64 {
        i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }
}

/// `HH:MM:SS`, with `.hh` only when the hundredths are not 0.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)?;
        if self.hundredths != 0 {
            write!(f, ".{:02}", self.hundredths)?;
        }
        Ok(())
    }
}

/// What a meter says about its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClockStatus {
    /// The telegram has no word about it.
    Unstated,
    /// The meter calls its clock valid.
    Valid,
    /// The meter calls its clock doubtful or invalid (DLMS clock status, bits 0 to 3).
    Doubtful,
}

/// Date, time, or both, as a meter sends them; the zone only if the meter sends one.
///
/// ```
/// use metergate_reading::{Date, DateTime, Time};
///
/// let clock = DateTime::new(Date::new(2023, 8, 16).unwrap(), Time::new(17, 19, 30, 0).unwrap());
/// assert_eq!(clock.to_string(), "2023-08-16T17:19:30");
/// assert_eq!(clock.unix_seconds(), None, "without a zone it is no instant");
/// let clock = clock.with_offset(120);
/// assert_eq!(clock.to_string(), "2023-08-16T17:19:30+02:00");
/// assert_eq!(clock.unix_seconds(), Some(1_692_199_170));
/// assert_eq!(Date::new(2023, 2, 29), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    date: Option<Date>,
    time: Option<Time>,
    offset_minutes: Option<i16>,
    clock: ClockStatus,
}

impl DateTime {
    /// Date and time without a zone.
    #[must_use]
    pub const fn new(date: Date, time: Time) -> Self {
        Self { date: Some(date), time: Some(time), offset_minutes: None, clock: ClockStatus::Unstated }
    }

    /// A date alone.
    #[must_use]
    pub const fn date_only(date: Date) -> Self {
        Self { date: Some(date), time: None, offset_minutes: None, clock: ClockStatus::Unstated }
    }

    /// A time of day alone.
    #[must_use]
    pub const fn time_only(time: Time) -> Self {
        Self { date: None, time: Some(time), offset_minutes: None, clock: ClockStatus::Unstated }
    }

    /// UTC date and time of seconds since 1970-01-01T00:00:00Z, or `None` outside the years 0 to 9999.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        let date = Date::from_unix_day(seconds.div_euclid(86_400))?;
        let of_day = seconds.rem_euclid(86_400);
        let part = |n: i64| u8::try_from(n).ok();
        let time = Time::new(part(of_day / 3600)?, part(of_day / 60 % 60)?, part(of_day % 60)?, 0)?;
        Some(Self::new(date, time).with_offset(0))
    }

    /// The same local time with its offset from UTC in minutes, positive east of Greenwich.
    ///
    /// An offset beyond a day is none at all and is left out.
    #[must_use]
    pub const fn with_offset(mut self, minutes: i16) -> Self {
        if minutes > -1440 && minutes < 1440 {
            self.offset_minutes = Some(minutes);
        }
        self
    }

    /// The same with what the meter says about its clock.
    #[must_use]
    pub const fn with_clock(mut self, clock: ClockStatus) -> Self {
        self.clock = clock;
        self
    }

    /// The date, unless the meter sent a time alone.
    #[must_use]
    pub const fn date(self) -> Option<Date> {
        self.date
    }

    /// The time of day, unless the meter sent a date alone.
    #[must_use]
    pub const fn time(self) -> Option<Time> {
        self.time
    }

    /// Offset from UTC in minutes, positive east of Greenwich, if the meter sent one.
    #[must_use]
    pub const fn offset_minutes(self) -> Option<i16> {
        self.offset_minutes
    }

    /// What the meter says about its clock.
    #[must_use]
    pub const fn clock(self) -> ClockStatus {
        self.clock
    }

    /// Seconds since 1970-01-01T00:00:00Z, if date, time and offset are all known.
    #[must_use]
    pub fn unix_seconds(self) -> Option<i64> {
        let (date, time, offset) = (self.date?, self.time?, self.offset_minutes?);
        Some(date.unix_day() * 86_400 + time.seconds() - i64::from(offset) * 60)
    }
}

/// RFC 3339 without a zone where there is none; `YYYY-MM-DD` or `HH:MM:SS` for half of it.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.date, self.time) {
            (Some(date), Some(time)) => write!(f, "{date}T{time}")?,
            (Some(date), None) => return write!(f, "{date}"),
            (None, Some(time)) => write!(f, "{time}")?,
            (None, None) => return Ok(()),
        }
        match self.offset_minutes {
            None => Ok(()),
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                let offset = offset.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", offset / 60, offset % 60)
            }
        }
    }
}

/// Where an instant comes from, which is how far it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The meter's clock, which it calls valid or says nothing against.
    MeterValid,
    /// The meter's clock, which it calls doubtful.
    MeterDoubtful,
    /// The host's clock, synchronised.
    HostSynchronised,
    /// The host's clock, not known to be synchronised.
    HostUnsynchronised,
    /// Nobody knows the time.
    None,
}

/// A point in time in UTC, to the millisecond, with its trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instant {
    /// Milliseconds since 1970-01-01T00:00:00Z; meaningless when `trust` is [`Trust::None`].
    pub unix_ms: i64,
    /// Where it comes from.
    pub trust: Trust,
}

impl Instant {
    /// The instant that a meter's date-time names, or `None` if zone, date or time are missing.
    #[must_use]
    pub fn from_meter(clock: DateTime) -> Option<Self> {
        let hundredths = clock.time().map_or(0, Time::hundredths);
        let trust = match clock.clock() {
            ClockStatus::Doubtful => Trust::MeterDoubtful,
            ClockStatus::Valid | ClockStatus::Unstated => Trust::MeterValid,
        };
        Some(Self { unix_ms: clock.unix_seconds()? * 1000 + i64::from(hundredths) * 10, trust })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn unix_seconds_go_both_ways_over_four_centuries() {
        for seconds in (-6_000_000_000i64..12_000_000_000).step_by(7_777_777) {
            assert_eq!(DateTime::from_unix_seconds(seconds).unwrap().unix_seconds(), Some(seconds));
        }
        assert_eq!(
            DateTime::from_unix_seconds(951_782_400).unwrap().to_string(),
            "2000-02-29T00:00:00+00:00"
        );
        assert_eq!(DateTime::from_unix_seconds(i64::MAX), None);
    }

    #[test]
    fn halves_print_alone() {
        let date = Date::new(2021, 3, 7).unwrap();
        let time = Time::new(14, 55, 33, 50).unwrap();
        assert_eq!(DateTime::date_only(date).to_string(), "2021-03-07");
        assert_eq!(DateTime::time_only(time).to_string(), "14:55:33.50");
        assert_eq!(DateTime::new(date, time).with_offset(-570).to_string(), "2021-03-07T14:55:33.50-09:30");
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        assert_eq!(Date::new(2023, 2, 29), None);
        assert_eq!(Date::new(1900, 2, 29), None);
        assert!(Date::new(2000, 2, 29).is_some());
        assert_eq!(Date::new(2023, 13, 1), None);
        assert_eq!(Date::new(2023, 0, 1), None);
        assert_eq!(Time::new(24, 0, 0, 0), None);
        assert_eq!(Time::new(0, 0, 60, 0), None);
    }

    #[test]
    fn a_doubtful_clock_gives_a_doubtful_instant() {
        let clock = DateTime::from_unix_seconds(0).unwrap();
        assert_eq!(Instant::from_meter(clock).unwrap().trust, Trust::MeterValid);
        let doubtful = clock.with_clock(ClockStatus::Doubtful);
        assert_eq!(Instant::from_meter(doubtful).unwrap().trust, Trust::MeterDoubtful);
        let local = DateTime::new(Date::new(2023, 1, 1).unwrap(), Time::new(0, 0, 0, 0).unwrap());
        assert_eq!(Instant::from_meter(local), None);
    }
}
