//! Central European time, which the simulated meters' clocks show.
use metergate_reading::DateTime;

const HOUR_S: i64 = 3600;
const DAY_S: i64 = 86_400;

/// Offset of Central European local time from UTC in minutes: 60, and 120 from the last Sunday of March to the last
/// Sunday of October, each 01:00 UTC (Directive 2000/84/EC).
///
/// ```
/// use metergate_simulator::clock;
///
/// assert_eq!(clock::offset_min(1_692_199_170), 120, "August");
/// assert_eq!(clock::offset_min(1_643_989_400), 60, "February");
/// ```
#[must_use]
pub fn offset_min(unix_s: i64) -> i16 {
    let Some(date) = DateTime::from_unix_seconds(unix_s).and_then(DateTime::date) else { return 60 };
    let (day, of_day) = (unix_s.div_euclid(DAY_S), unix_s.rem_euclid(DAY_S));
    // 1970-01-01 was a Thursday; 0 is Sunday here.
    let weekday = (day + 4).rem_euclid(7);
    let last_sunday_passed = |month_len: i64| {
        let to_month_end = month_len - i64::from(date.day());
        // Days until the next Sunday, today not counted: no further one in this month means that the last is over.
        let sunday_over = 7 - weekday > to_month_end;
        if weekday == 0 && sunday_over { of_day >= HOUR_S } else { sunday_over }
    };
    let summer = match date.month() {
        4..=9 => true,
        3 => last_sunday_passed(31),
        10 => !last_sunday_passed(31),
        _ => false,
    };
    if summer { 120 } else { 60 }
}

/// Seconds since 1970-01-01T00:00:00 as the wall clock counts them: for taking days and hours apart.
#[must_use]
pub fn local_s(unix_s: i64) -> i64 {
    unix_s + i64::from(offset_min(unix_s)) * 60
}

/// The local date and time with its offset from UTC; `None` outside the years 0 to 9999.
#[must_use]
pub fn local(unix_s: i64) -> Option<DateTime> {
    let clock = DateTime::from_unix_seconds(local_s(unix_s))?;
    Some(DateTime::new(clock.date()?, clock.time()?).with_offset(offset_min(unix_s)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summer_time_begins_and_ends_at_one_utc() {
        // 2023-03-26, 2023-10-29, 2026-03-29, 2026-10-25, each 01:00 UTC.
        for (change, before, after) in [
            (1_679_792_400, 60, 120),
            (1_698_541_200, 120, 60),
            (1_774_746_000, 60, 120),
            (1_792_890_000, 120, 60),
        ] {
            assert_eq!((offset_min(change - 1), offset_min(change)), (before, after), "{change}");
            assert_eq!(
                (offset_min(change - 86_400), offset_min(change + 86_400)),
                (before, after),
                "{change}"
            );
        }
    }

    #[test]
    fn a_year_has_two_changes() {
        let changes = (0..365 * 24).filter(|hour| {
            offset_min(1_767_225_600 + hour * 3600) != offset_min(1_767_225_600 + (hour + 1) * 3600)
        });
        assert_eq!(changes.count(), 2);
    }

    #[test]
    fn local_time_names_its_offset() {
        assert_eq!(local(1_692_199_170).unwrap().to_string(), "2023-08-16T17:19:30+02:00");
        assert_eq!(local(i64::MAX / 2), None);
    }
}
