//! COSEM date-time, date and time (DLMS UA 1000-1 "Blue Book" edition 15, 4.1.6.1).
//!
//! ```text
//!  0  1   2     3   4       5    6      7      8          9  10      11
//! year    month day weekday hour minute second hundredths deviation  clock status
//! 07 E5   09    1B  01      09   2F     0F     00         FF 88      80
//! ```
//!
//! FF (FFFF for the year, 8000 for the deviation) stands for "not specified". The deviation is in minutes, UTC minus
//! local time: -120 is Central European Summer Time.

/// Length of a date-time as octet string.
pub const LEN: usize = 12;

/// A date of 5 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// Year, FFFF when not specified.
    pub year: u16,
    /// 1 to 12; FD daylight saving ends, FE it begins, FF not specified.
    pub month: u8,
    /// 1 to 31; FD second last, FE last day of the month, FF not specified.
    pub day: u8,
    /// 1 is Monday, 7 Sunday, FF not specified. Some meters send 0.
    pub weekday: u8,
}

impl Date {
    /// Reads the five bytes.
    #[must_use]
    pub const fn new([year_high, year_low, month, day, weekday]: [u8; 5]) -> Self {
        Self { year: u16::from_be_bytes([year_high, year_low]), month, day, weekday }
    }

    /// The five bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 5] {
        let [year_high, year_low] = self.year.to_be_bytes();
        [year_high, year_low, self.month, self.day, self.weekday]
    }

    /// True when every field is in its range or not specified.
    #[must_use]
    pub const fn is_plausible(self) -> bool {
        (matches!(self.year, 1..=9999) || self.year == 0xFFFF)
            && matches!(self.month, 1..=12 | 0xFD..=0xFF)
            && matches!(self.day, 1..=31 | 0xFD..=0xFF)
            && matches!(self.weekday, 0..=7 | 0xFF)
    }
}

/// A time of 4 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// 0 to 23, FF not specified.
    pub hour: u8,
    /// 0 to 59, FF not specified.
    pub minute: u8,
    /// 0 to 59, FF not specified.
    pub second: u8,
    /// Hundredths of a second, 0 to 99, FF not specified.
    pub hundredths: u8,
}

impl Time {
    /// Reads the four bytes.
    #[must_use]
    pub const fn new([hour, minute, second, hundredths]: [u8; 4]) -> Self {
        Self { hour, minute, second, hundredths }
    }

    /// The four bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        [self.hour, self.minute, self.second, self.hundredths]
    }

    /// True when every field is in its range or not specified.
    #[must_use]
    pub const fn is_plausible(self) -> bool {
        matches!(self.hour, 0..=23 | 0xFF)
            && matches!(self.minute, 0..=59 | 0xFF)
            && matches!(self.second, 0..=59 | 0xFF)
            && matches!(self.hundredths, 0..=99 | 0xFF)
    }
}

/// The clock status byte of a date-time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockStatus(pub u8);

impl ClockStatus {
    /// Not specified.
    pub const NOT_SPECIFIED: Self = Self(0xFF);

    /// Bit 0: the time could not be recovered after an incident.
    #[must_use]
    pub const fn is_invalid(self) -> bool {
        self.0 != 0xFF && self.0 & 0x01 != 0
    }

    /// Bit 1: the time was recovered, but its value cannot be guaranteed.
    #[must_use]
    pub const fn is_doubtful(self) -> bool {
        self.0 != 0xFF && self.0 & 0x02 != 0
    }

    /// Bit 7: daylight saving is active.
    #[must_use]
    pub const fn is_daylight_saving(self) -> bool {
        self.0 != 0xFF && self.0 & 0x80 != 0
    }
}

/// A date-time of 12 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// Bytes 0 to 4.
    pub date: Date,
    /// Bytes 5 to 8.
    pub time: Time,
    /// UTC minus local time in minutes, -720 to 840; `None` when not specified (8000).
    pub deviation_min: Option<i16>,
    /// Byte 11.
    pub status: ClockStatus,
}

const DEVIATION_NOT_SPECIFIED: i16 = i16::MIN;

impl DateTime {
    /// Reads the twelve bytes. Any bytes can be read; [`is_plausible`](Self::is_plausible) tells a date-time from another
    /// octet string of this length.
    ///
    /// ```
    /// use metergate_wire::dlms::date_time::DateTime;
    ///
    /// let sent = [0x07, 0xE5, 0x09, 0x1B, 0x01, 0x09, 0x2F, 0x0F, 0x00, 0xFF, 0x88, 0x80];
    /// let time = DateTime::new(sent);
    /// assert_eq!((time.date.year, time.date.month, time.date.day), (2021, 9, 27));
    /// assert_eq!(time.deviation_min, Some(-120));
    /// assert!(!DateTime::new(*b"181220000009").is_plausible());
    /// ```
    #[must_use]
    pub const fn new(bytes: [u8; LEN]) -> Self {
        let [year_high, year_low, month, day, weekday, hour, minute, second, hundredths, high, low, status] =
            bytes;
        let deviation = i16::from_be_bytes([high, low]);
        Self {
            date: Date::new([year_high, year_low, month, day, weekday]),
            time: Time::new([hour, minute, second, hundredths]),
            deviation_min: if deviation == DEVIATION_NOT_SPECIFIED { None } else { Some(deviation) },
            status: ClockStatus(status),
        }
    }

    /// Reads an octet string that is a plausible date-time; `None` for any other.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let time = Self::new(*octets.first_chunk()?);
        (octets.len() == LEN && time.is_plausible()).then_some(time)
    }

    /// The twelve bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; LEN] {
        let [year_high, year_low, month, day, weekday] = self.date.to_bytes();
        let [hour, minute, second, hundredths] = self.time.to_bytes();
        let deviation = match self.deviation_min {
            Some(minutes) => minutes,
            None => DEVIATION_NOT_SPECIFIED,
        };
        let [high, low] = deviation.to_be_bytes();
        [year_high, year_low, month, day, weekday, hour, minute, second, hundredths, high, low, self.status.0]
    }

    /// True when every field is in its range or not specified.
    #[must_use]
    pub const fn is_plausible(self) -> bool {
        let deviation_plausible = match self.deviation_min {
            Some(minutes) => matches!(minutes, -720..=840),
            None => true,
        };
        self.date.is_plausible() && self.time.is_plausible() && deviation_plausible
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: [u8; LEN] = [0x07, 0xE1, 0x09, 0x0C, 0x02, 0x17, 0x12, 0x2A, 0xFF, 0x80, 0x00, 0x00];

    #[test]
    fn not_specified_fields_stay_so() {
        let time = DateTime::new(SENT);
        assert_eq!(time.time, Time { hour: 23, minute: 18, second: 42, hundredths: 0xFF });
        assert_eq!((time.deviation_min, time.date.weekday), (None, 2));
        assert!(time.is_plausible());
        assert_eq!(time.to_bytes(), SENT);
    }

    #[test]
    fn status_ff_says_nothing() {
        assert!(!ClockStatus::NOT_SPECIFIED.is_invalid());
        assert!(ClockStatus(0x81).is_invalid() && ClockStatus(0x82).is_doubtful());
        assert!(ClockStatus(0x80).is_daylight_saving() && !ClockStatus(0x00).is_daylight_saving());
    }

    #[test]
    fn text_and_other_lengths_are_no_date_time() {
        assert_eq!(DateTime::from_octets(b"123456789012"), None);
        assert_eq!(DateTime::from_octets(&SENT[..11]), None);
        assert_eq!(DateTime::from_octets(&[&SENT[..], &[0]].concat()), None);
        assert_eq!(DateTime::from_octets(&SENT), Some(DateTime::new(SENT)));
        for (at, value) in [(2, 13), (3, 0), (4, 8), (5, 24), (6, 60), (7, 60), (8, 100), (9, 0x10)] {
            let mut damaged = SENT;
            damaged[at] = value;
            assert_eq!(DateTime::from_octets(&damaged), None, "{at}");
        }
    }
}
