//! The tariff use cases by name, and which of them are offered.
use core::fmt;

/// A tariff use case "like TAF n of BSI TR-03109-1": a rule about which values are kept when.
///
/// The names say what is imitated: metergate is no certified gateway and does what a use case of that number does,
/// without its calibration law. [`ALL`](Self::ALL) is for a page that says honestly what is offered.
///
/// ```
/// use metergate_tariff::{Offered, UseCase};
///
/// assert_eq!(UseCase::Taf7LoadProfile.number(), Some(7));
/// assert_eq!(UseCase::Taf7LoadProfile.offered(), Offered::Full);
/// assert_eq!(UseCase::Taf9FeedIn.offered(), Offered::No);
/// assert_eq!(UseCase::Taf11Control.why(), "Nothing is switched.");
/// assert!("taf15".parse::<UseCase>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UseCase {
    /// Few data: one register value a month.
    Taf1DataSaving,
    /// Registers by the time of use.
    Taf2TimeOfUse,
    /// Registers by the load.
    Taf3LoadVariable,
    /// Registers by how much was used.
    Taf4ConsumptionVariable,
    /// Registers by events.
    Taf5EventVariable,
    /// A value on demand.
    Taf6OnDemand,
    /// Meter readings at each quarter hour.
    Taf7LoadProfile,
    /// Highest and lowest power.
    Taf8Extremes,
    /// Present feed-in of a generator.
    Taf9FeedIn,
    /// State of the grid.
    Taf10GridState,
    /// Control of loads and generators.
    Taf11Control,
    /// Prepayment.
    Taf12Prepayment,
    /// Values for the customer by way of a company.
    Taf13CustomerValues,
    /// A value a minute.
    Taf14HighFrequency,
    /// A value whenever the power changes; SMGW.Lite's, of no number.
    Dynamic,
    /// The first value after a start; SMGW.Lite's, of no number.
    BootSnapshot,
}

/// How far a use case is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offered {
    /// The gateway does it: values are kept, stored and delivered.
    Full,
    /// It is calculated from stored quarter hours when somebody asks.
    Function,
    /// It is not offered.
    No,
}

impl Offered {
    /// The stable name: `full`, `on_demand` or `no`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Function => "on_demand",
            Self::No => "no",
        }
    }
}

/// What goes first when space is short. High comes before low.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Kept when anything is; takes the place of low ones.
    High,
    /// Dropped and counted when space is short.
    Low,
}

/// Number, stable code and name of a use case, and what is done of it.
struct Row(Option<u8>, &'static str, &'static str, Offered, Option<Priority>);

impl UseCase {
    /// Every use case, those without a number last.
    pub const ALL: [Self; 16] = [
        Self::Taf1DataSaving,
        Self::Taf2TimeOfUse,
        Self::Taf3LoadVariable,
        Self::Taf4ConsumptionVariable,
        Self::Taf5EventVariable,
        Self::Taf6OnDemand,
        Self::Taf7LoadProfile,
        Self::Taf8Extremes,
        Self::Taf9FeedIn,
        Self::Taf10GridState,
        Self::Taf11Control,
        Self::Taf12Prepayment,
        Self::Taf13CustomerValues,
        Self::Taf14HighFrequency,
        Self::Dynamic,
        Self::BootSnapshot,
    ];

    const fn row(self) -> Row {
        use Offered::{Full, Function, No};
        const HIGH: Option<Priority> = Some(Priority::High);
        const LOW: Option<Priority> = Some(Priority::Low);
        match self {
            Self::Taf1DataSaving => Row(Some(1), "taf1", "data-saving tariff", Function, None),
            Self::Taf2TimeOfUse => Row(Some(2), "taf2", "time-of-use tariff", Function, None),
            Self::Taf3LoadVariable => Row(Some(3), "taf3", "load-variable tariff", No, None),
            Self::Taf4ConsumptionVariable => Row(Some(4), "taf4", "consumption-variable tariff", No, None),
            Self::Taf5EventVariable => Row(Some(5), "taf5", "event-variable tariff", No, None),
            Self::Taf6OnDemand => Row(Some(6), "taf6", "meter reading on demand", Full, HIGH),
            Self::Taf7LoadProfile => Row(Some(7), "taf7", "load profile of meter readings", Full, HIGH),
            Self::Taf8Extremes => Row(Some(8), "taf8", "extreme values of power", No, None),
            Self::Taf9FeedIn => Row(Some(9), "taf9", "present feed-in", No, None),
            Self::Taf10GridState => Row(Some(10), "taf10", "state of the grid", No, None),
            Self::Taf11Control => Row(Some(11), "taf11", "control of loads and generators", No, None),
            Self::Taf12Prepayment => Row(Some(12), "taf12", "prepayment", No, None),
            Self::Taf13CustomerValues => {
                Row(Some(13), "taf13", "values for the customer by way of a company", No, None)
            }
            Self::Taf14HighFrequency => Row(Some(14), "taf14", "high-frequency values", Full, LOW),
            Self::Dynamic => Row(None, "dynamic", "values when the power changes", Full, LOW),
            Self::BootSnapshot => Row(None, "boot", "first value after a start", Full, HIGH),
        }
    }

    /// The number n of TAF n, if BSI TR-03109-1 has one.
    #[must_use]
    pub const fn number(self) -> Option<u8> {
        self.row().0
    }

    /// The stable code, as in configuration, store and JSON: `taf7`, `dynamic`, `boot`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.row().1
    }

    /// What it is called in English.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().2
    }

    /// How far it is offered.
    #[must_use]
    pub const fn offered(self) -> Offered {
        self.row().3
    }

    /// One sentence: what of it is done, or why nothing is.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Taf1DataSaving => {
                "The register at the beginning of each month is read from the quarter hours; it is not stored."
            }
            Self::Taf2TimeOfUse => {
                "Quarter hours are divided by a table of weekdays and hours; the tariffs are not stored."
            }
            Self::Taf3LoadVariable => {
                "Its limits of power come from a supplier, whose profiles are not read."
            }
            Self::Taf4ConsumptionVariable => {
                "Its limits of energy come from a supplier, whose profiles are not read."
            }
            Self::Taf5EventVariable => "Its events come from a supplier, whose messages are not read.",
            Self::Taf6OnDemand => "One reading is stored at once when somebody asks, or the next that comes.",
            Self::Taf7LoadProfile => "The reading at each quarter hour is stored and delivered.",
            Self::Taf8Extremes => "Nothing shows that our extremes would be those of a certified gateway.",
            Self::Taf9FeedIn => "Nothing shows that our answers would be in time for a grid operator.",
            Self::Taf10GridState => {
                "Nothing shows that voltages and currents would be those a grid operator asks for."
            }
            Self::Taf11Control => "Nothing is switched.",
            Self::Taf12Prepayment => "There is no account and nothing is cut off.",
            Self::Taf13CustomerValues => {
                "No company stands in between: values go to the sinks of whoever runs the gateway."
            }
            Self::Taf14HighFrequency => {
                "A reading each minute is stored and delivered, if it is switched on."
            }
            Self::Dynamic => "A reading is stored when the power steps, if it is switched on.",
            Self::BootSnapshot => "The first reading with a trusted time is stored.",
        }
    }

    /// What its values are worth when space is short; `None` for a use case that stores none of its own.
    #[must_use]
    pub const fn priority(self) -> Option<Priority> {
        self.row().4
    }
}

/// `TAF 7, load profile of meter readings`.
impl fmt::Display for UseCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            Some(number) => write!(f, "TAF {number}, {}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

/// A text is the code of no use case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseUseCaseError;

impl fmt::Display for ParseUseCaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected taf1 to taf14, dynamic or boot")
    }
}

impl core::error::Error for ParseUseCaseError {}

/// Reads a [`code`](UseCase::code).
impl core::str::FromStr for UseCase {
    type Err = ParseUseCaseError;

    fn from_str(text: &str) -> Result<Self, ParseUseCaseError> {
        Self::ALL.into_iter().find(|case| case.code() == text).ok_or(ParseUseCaseError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::vec::Vec;

    #[test]
    fn row_26_each_use_case_says_honestly_whether_it_is_offered() {
        let numbers = |offered: Offered| -> Vec<u8> {
            UseCase::ALL
                .into_iter()
                .filter(|case| case.offered() == offered)
                .filter_map(UseCase::number)
                .collect()
        };
        assert_eq!(numbers(Offered::Full), [6, 7, 14]);
        assert_eq!(numbers(Offered::Function), [1, 2]);
        assert_eq!(numbers(Offered::No), [3, 4, 5, 8, 9, 10, 11, 12, 13]);
        assert_eq!(UseCase::Dynamic.offered(), Offered::Full);
        assert_eq!(UseCase::BootSnapshot.offered(), Offered::Full);
    }

    #[test]
    fn each_use_case_says_in_one_sentence_what_is_done_or_why_nothing_is() {
        let mut sentences = Vec::new();
        for case in UseCase::ALL {
            let why = case.why();
            assert!(why.ends_with('.') && why.matches(". ").count() == 0, "{why}");
            assert!(!sentences.contains(&why), "{why}");
            sentences.push(why);
        }
    }

    #[test]
    fn quarter_hours_go_before_minutes() {
        for high in [UseCase::Taf7LoadProfile, UseCase::Taf6OnDemand, UseCase::BootSnapshot] {
            for low in [UseCase::Taf14HighFrequency, UseCase::Dynamic] {
                assert!(high.priority().unwrap() < low.priority().unwrap());
            }
        }
        let stored = |case: UseCase| case.priority().is_some();
        assert!(UseCase::ALL.into_iter().all(|case| stored(case) == (case.offered() == Offered::Full)));
    }

    #[test]
    fn a_code_reads_back_and_names_its_number() {
        for case in UseCase::ALL {
            assert_eq!(case.code().parse(), Ok(case));
            if let Some(number) = case.number() {
                assert_eq!(case.code(), format!("taf{number}"));
            }
        }
        assert_eq!("taf15".parse::<UseCase>(), Err(ParseUseCaseError));
        assert_eq!("TAF7".parse::<UseCase>(), Err(ParseUseCaseError));
        assert_eq!(format!("{}", UseCase::Taf7LoadProfile), "TAF 7, load profile of meter readings");
    }
}
