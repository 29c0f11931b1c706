//! Dates, times and decimal numbers as text.

/// `YYYY-MM-DDTHH:MM:SS+hh:mm` of seconds since 1970 and an offset in minutes, one day after the other.
pub(crate) fn of_unix_seconds(seconds: u64, minutes: i64) -> String {
    let (mut year, mut month) = (1969, 1);
    // From the beginning of 1969, since local time may be a day earlier.
    let since_1969 = i64::try_from(seconds).unwrap_or(0) + minutes * 60 + 365 * 86_400;
    let since_1969 = u64::try_from(since_1969).unwrap_or(0);
    let (mut days, of_day) = (since_1969 / 86_400, since_1969 % 86_400);
    let days_of = |year: u64| if is_leap(year) { 366 } else { 365 };
    while days >= days_of(year) {
        days -= days_of(year);
        year += 1;
    }
    while days >= days_in(year, month) {
        days -= days_in(year, month);
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let sign = if minutes < 0 { '-' } else { '+' };
    let (offset_hour, offset_minute) = (minutes.abs() / 60, minutes.abs() % 60);
    let day = days + 1;
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{sign}{offset_hour:02}:{offset_minute:02}"
    )
}

fn is_leap(year: u64) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

/// Days of a month, 0 when there is no such month.
pub(crate) fn days_in(year: u64, month: u64) -> u64 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 0,
    }
}

/// A decimal number: mantissa and exponent; `None` when the text is none, `Err` when it does not fit 64 bits.
pub(crate) fn decimal(text: &str) -> Option<Result<(i128, i32), ()>> {
    let text = text.trim_matches([' ', '\t']);
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let parts: Vec<&str> = digits.split(['.', ',']).collect();
    if parts.len() > 2 || !parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let all = parts.concat();
    if all.is_empty() {
        return None;
    }
    let decimals = parts.get(1).map_or(0, |part| part.len());
    // Digits beyond what 128 bits hold are beyond 64 bits as well, unless they are leading zeros.
    let trimmed = all.trim_start_matches('0');
    if trimmed.len() > 30 || decimals > 127 {
        return Some(Err(()));
    }
    let mantissa: i128 = if trimmed.is_empty() { 0 } else { trimmed.parse().ok()? };
    if mantissa > i128::from(i64::MAX) {
        return Some(Err(()));
    }
    Some(Ok((if negative { -mantissa } else { mantissa }, -i32::try_from(decimals).ok()?)))
}

#[test]
fn known_moments_have_their_dates() {
    assert_eq!(of_unix_seconds(0, 0), "1970-01-01T00:00:00+00:00");
    assert_eq!(of_unix_seconds(1_709_210_096, 0), "2024-02-29T12:34:56+00:00");
    assert_eq!(of_unix_seconds(u64::from(u32::MAX), 0), "2106-02-07T06:28:15+00:00");
    assert_eq!(of_unix_seconds(0, -90), "1969-12-31T22:30:00-01:30");
}
