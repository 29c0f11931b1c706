//! Registers by the time of use, like TAF 2.
use crate::{Grid, Mark, MarkValue, ProfileError, slots};
use core::fmt;
use metergate_reading::Number;

/// The highest tariff number: meters with tariff registers have at most 1.8.1 to 1.8.8.
pub const TARIFFS_MAX: u8 = 8;

/// The most rules of a schedule: each weekday divided nine times. It is walked through for each slot.
pub const RULES_MAX: usize = 63;

/// A day of the week. A caller that knows public holidays may call them Sundays, as many tariffs do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    /// All seven, Monday first.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    const fn bit(self) -> u8 {
        match self {
            Self::Monday => 1,
            Self::Tuesday => 2,
            Self::Wednesday => 4,
            Self::Thursday => 8,
            Self::Friday => 16,
            Self::Saturday => 32,
            Self::Sunday => 64,
        }
    }
}

/// A set of weekdays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Weekdays(u8);

impl Weekdays {
    /// No day.
    pub const NONE: Self = Self(0);
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);
    /// Monday to Friday.
    pub const WORKDAYS: Self = Self(0b001_1111);
    /// Saturday and Sunday.
    pub const WEEKEND: Self = Self(0b110_0000);

    /// The set and one more day.
    #[must_use]
    pub const fn and(self, day: Weekday) -> Self {
        Self(self.0 | day.bit())
    }

    /// True when the day is in the set.
    #[must_use]
    pub const fn contains(self, day: Weekday) -> bool {
        self.0 & day.bit() != 0
    }
}

/// What the local clock shows when a slot begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalSlot {
    /// The day of the week.
    pub weekday: Weekday,
    /// Minutes since the clock showed 00:00, 0 to 1439. On the days of a clock change it repeats or leaves out an hour.
    pub minute: u16,
}

/// A tariff at certain hours of certain days, by the local clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rule {
    /// The days.
    pub weekdays: Weekdays,
    /// The first minute of the day, a multiple of 15.
    pub from_minute: u16,
    /// The minute after the last, a multiple of 15 up to 1440.
    pub to_minute: u16,
    /// The tariff, 1 to [`TARIFFS_MAX`].
    pub tariff: u8,
}

/// A schedule of tariffs is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleError {
    /// There are more than [`RULES_MAX`] rules.
    TooManyRules {
        /// How many there are.
        found: usize,
    },
    /// A tariff is not 1 to [`TARIFFS_MAX`].
    Tariff {
        /// Which rule, counted from 0; `None` for the tariff of all other hours.
        rule: Option<usize>,
        /// The number.
        found: u8,
    },
    /// The hours of a rule are none, end before they begin, or do not lie on quarter hours.
    Hours {
        /// Which rule, counted from 0.
        rule: usize,
        /// Its first minute.
        from_minute: u16,
        /// The minute after its last.
        to_minute: u16,
    },
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyRules { found } => write!(f, "expected at most {RULES_MAX} rules, found {found}"),
            Self::Tariff { rule: Some(rule), found } => {
                write!(f, "rule {}: expected a tariff of 1 to {TARIFFS_MAX}, found {found}", rule + 1)
            }
            Self::Tariff { rule: None, found } => {
                write!(f, "other hours: expected a tariff of 1 to {TARIFFS_MAX}, found {found}")
            }
            Self::Hours { rule, from_minute, to_minute } => write!(
                f,
                "rule {}: expected two quarter hours of one day in order such as 06:00 to 22:00, found {:02}:{:02} \
                 to {:02}:{:02}; a night is two rules",
                rule + 1,
                from_minute / 60,
                from_minute % 60,
                to_minute / 60,
                to_minute % 60
            ),
        }
    }
}

impl core::error::Error for ScheduleError {}

/// Which tariff is valid when: the first rule that fits, else the tariff of all other hours.
///
/// ```
/// use metergate_tariff::{LocalSlot, Rule, Schedule, Weekday, Weekdays};
///
/// let day = Rule { weekdays: Weekdays::WORKDAYS, from_minute: 6 * 60, to_minute: 22 * 60, tariff: 1 };
/// let rules = [day];
/// let schedule = Schedule::new(&rules, 2)?;
/// assert_eq!(schedule.tariff(LocalSlot { weekday: Weekday::Friday, minute: 21 * 60 + 45 }), 1);
/// assert_eq!(schedule.tariff(LocalSlot { weekday: Weekday::Friday, minute: 22 * 60 }), 2);
/// assert_eq!(schedule.tariff(LocalSlot { weekday: Weekday::Sunday, minute: 720 }), 2);
///
/// let night = [Rule { from_minute: 22 * 60, to_minute: 6 * 60, ..day }];
/// assert!(Schedule::new(&night, 2).is_err(), "a night is two rules, since it has two days");
/// # Ok::<(), metergate_tariff::ScheduleError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Schedule<'a> {
    rules: &'a [Rule],
    otherwise: u8,
}

impl Schedule<'static> {
    /// Tariff 1 at all times.
    pub const SINGLE: Self = Self { rules: &[], otherwise: 1 };
}

impl<'a> Schedule<'a> {
    /// A schedule of these rules, and the tariff of all hours that none of them names.
    ///
    /// # Errors
    /// [`ScheduleError`] with the first rule that is wrong.
    pub fn new(rules: &'a [Rule], otherwise: u8) -> Result<Self, ScheduleError> {
        if rules.len() > RULES_MAX {
            return Err(ScheduleError::TooManyRules { found: rules.len() });
        }
        let valid = |tariff| (1..=TARIFFS_MAX).contains(&tariff);
        for (index, rule) in rules.iter().enumerate() {
            let Rule { from_minute, to_minute, tariff, .. } = *rule;
            if !valid(tariff) {
                return Err(ScheduleError::Tariff { rule: Some(index), found: tariff });
            }
            let on_quarters = from_minute.is_multiple_of(15) && to_minute.is_multiple_of(15);
            if from_minute >= to_minute || to_minute > 1440 || !on_quarters {
                return Err(ScheduleError::Hours { rule: index, from_minute, to_minute });
            }
        }
        if !valid(otherwise) {
            return Err(ScheduleError::Tariff { rule: None, found: otherwise });
        }
        Ok(Self { rules, otherwise })
    }

    /// The tariff of a slot that begins then, 1 to [`TARIFFS_MAX`].
    #[must_use]
    pub fn tariff(&self, slot: LocalSlot) -> u8 {
        let fits = |rule: &&Rule| {
            rule.weekdays.contains(slot.weekday) && (rule.from_minute..rule.to_minute).contains(&slot.minute)
        };
        self.rules.iter().find(fits).map_or(self.otherwise, |rule| rule.tariff)
    }
}

/// What each tariff register counted.
///
/// The registers and `unassigned` together are exactly `total`, and that is the last value minus the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TariffRegisters {
    registers: [Option<Number>; TARIFFS_MAX as usize],
    /// What was counted across missing marks: nobody knows in which tariff. `None` when no mark is missing.
    pub unassigned: Option<Number>,
    /// What was counted in all; `None` when there are fewer than two values.
    pub total: Option<Number>,
}

impl TariffRegisters {
    /// What a tariff of 1 to [`TARIFFS_MAX`] counted; `None` when no slot was in it.
    #[must_use]
    pub fn tariff(&self, number: u8) -> Option<Number> {
        let place = usize::from(number).checked_sub(1)?;
        self.registers.get(place).copied().flatten()
    }
}

/// Divides what a counter counted among the tariffs of a schedule, like TAF 2.
///
/// `values` are those of `grid` in order of time, `local` says what the local clock shows at a mark. A slot belongs
/// to the tariff at its beginning; one across missing marks belongs to none.
///
/// # Errors
/// The first [`ProfileError`] of the values.
pub fn time_of_use(
    grid: Grid,
    values: impl IntoIterator<Item = MarkValue>,
    schedule: &Schedule<'_>,
    local: impl Fn(Mark) -> LocalSlot,
) -> Result<TariffRegisters, ProfileError> {
    let mut result =
        TariffRegisters { registers: [None; TARIFFS_MAX as usize], unassigned: None, total: None };
    for slot in slots(values) {
        let slot = slot?;
        let whole = slot.length_s() == i64::from(grid.period_s());
        let tariff = usize::from(schedule.tariff(local(slot.from)));
        let register = match tariff.checked_sub(1).and_then(|place| result.registers.get_mut(place)) {
            Some(register) if whole => register,
            _ => &mut result.unassigned,
        };
        for sum in [register, &mut result.total] {
            let new = sum.map_or(Some(slot.amount), |sum| sum.checked_add(slot.amount));
            *sum = Some(new.ok_or(ProfileError::Overflow { at: slot.to })?);
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    const NIGHT: [Rule; 2] = [
        Rule { weekdays: Weekdays::ALL, from_minute: 0, to_minute: 360, tariff: 2 },
        Rule { weekdays: Weekdays::ALL, from_minute: 1320, to_minute: 1440, tariff: 2 },
    ];

    /// A UTC clock on a Thursday: enough where zones are not the question.
    fn utc(mark: Mark) -> LocalSlot {
        let minute = u16::try_from(mark.unix_s().rem_euclid(86_400) / 60).unwrap();
        LocalSlot { weekday: Weekday::Thursday, minute }
    }

    fn value(slots: i64, mantissa: i64) -> MarkValue {
        let mark = Grid::QUARTER_HOUR.mark(slots * 900).unwrap();
        MarkValue { mark, value: Number::new(mantissa, -1) }
    }

    #[test]
    fn a_day_is_divided_at_the_quarter_hour() {
        let schedule = Schedule::new(&NIGHT, 1).unwrap();
        // 1.0 in each quarter hour: 24 + 8 of the night, 64 of the day.
        let values = (0..=96).map(|slots| value(slots, slots * 10));
        let registers = time_of_use(Grid::QUARTER_HOUR, values, &schedule, utc).unwrap();
        assert_eq!(registers.tariff(1), Some(Number::new(640, -1)));
        assert_eq!(registers.tariff(2), Some(Number::new(320, -1)));
        assert_eq!(registers.tariff(3), None, "a tariff without hours counts nothing, not 0");
        assert_eq!((registers.tariff(0), registers.tariff(9)), (None, None));
        assert_eq!((registers.unassigned, registers.total), (None, Some(Number::new(960, -1))));
    }

    #[test]
    fn what_was_counted_across_missing_marks_is_assigned_to_nobody() {
        let schedule = Schedule::new(&NIGHT, 1).unwrap();
        let values = [value(22, 0), value(23, 10), value(25, 37), value(26, 50)];
        let registers = time_of_use(Grid::QUARTER_HOUR, values, &schedule, utc).unwrap();
        assert_eq!(registers.tariff(2), Some(Number::new(10, -1)));
        assert_eq!(registers.tariff(1), Some(Number::new(13, -1)));
        assert_eq!(registers.unassigned, Some(Number::new(27, -1)));
        assert_eq!(registers.total, Some(Number::new(50, -1)));
    }

    #[test]
    fn without_two_values_there_is_no_amount() {
        let schedule = Schedule::new(&[], 1).unwrap();
        let registers = time_of_use(Grid::QUARTER_HOUR, [value(0, 5)], &schedule, utc).unwrap();
        assert_eq!((registers.total, registers.tariff(1), registers.unassigned), (None, None, None));
    }

    #[test]
    fn a_counter_that_falls_is_refused() {
        let schedule = Schedule::new(&[], 1).unwrap();
        let fallen = time_of_use(Grid::QUARTER_HOUR, [value(0, 5), value(1, 4)], &schedule, utc);
        assert_eq!(fallen, Err(ProfileError::WentBack { at: value(1, 0).mark }));
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = [
            Rule {
                weekdays: Weekdays::NONE.and(Weekday::Sunday),
                from_minute: 0,
                to_minute: 1440,
                tariff: 3,
            },
            Rule { weekdays: Weekdays::ALL, from_minute: 360, to_minute: 1320, tariff: 1 },
        ];
        let schedule = Schedule::new(&rules, 2).unwrap();
        assert_eq!(schedule.tariff(LocalSlot { weekday: Weekday::Sunday, minute: 720 }), 3);
        assert_eq!(schedule.tariff(LocalSlot { weekday: Weekday::Saturday, minute: 720 }), 1);
        assert_eq!(schedule.tariff(LocalSlot { weekday: Weekday::Saturday, minute: 1320 }), 2);
        assert!(Weekday::ALL.into_iter().all(|day| {
            Weekdays::ALL.contains(day)
                && Weekdays::WORKDAYS.contains(day) != Weekdays::WEEKEND.contains(day)
                && !Weekdays::NONE.contains(day)
        }));
    }

    #[test]
    fn a_wrong_schedule_is_refused_with_its_rule() {
        let rule = NIGHT[0];
        assert_eq!(
            Schedule::new(&[rule, Rule { tariff: 9, ..rule }], 1).unwrap_err(),
            ScheduleError::Tariff { rule: Some(1), found: 9 }
        );
        assert_eq!(Schedule::new(&[], 0).unwrap_err(), ScheduleError::Tariff { rule: None, found: 0 });
        for (from_minute, to_minute) in [(0, 0), (60, 30), (0, 1455), (7, 30), (0, 31)] {
            let wrong = [Rule { from_minute, to_minute, ..rule }];
            let error = ScheduleError::Hours { rule: 0, from_minute, to_minute };
            assert_eq!(Schedule::new(&wrong, 1).unwrap_err(), error);
        }
        assert_eq!(
            Schedule::new(&[rule; RULES_MAX + 1], 1).unwrap_err(),
            ScheduleError::TooManyRules { found: 64 }
        );
        let hours = ScheduleError::Hours { rule: 0, from_minute: 1320, to_minute: 360 };
        assert!(format!("{hours}").starts_with("rule 1: expected two quarter hours of one day"));
    }
}
