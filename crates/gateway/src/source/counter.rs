//! A counter that goes on where the counter of a device begins again.
use metergate_reading::Number;
use serde::{Deserialize, Serialize};

/// Adds up what a device has counted since its starts.
///
/// A start shows by a smaller number, or by another name of the run where the device tells one. What it counted
/// between the last reading and the end of a run nobody knows; it is missing, never guessed.
///
/// ```
/// use metergate_gateway::source::counter::Continued;
/// use metergate_reading::Number;
///
/// let ws = |n| Number::new(n, 0);
/// let mut counter = Continued::default();
/// assert_eq!(counter.count(ws(7_200_000), None), Some(ws(7_200_000)));
/// assert_eq!(counter.count(ws(40), None), Some(ws(7_200_040)), "the plug was pulled");
/// assert_eq!(counter.count(ws(-1), None), None, "no counter says that");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Continued {
    /// What the runs before have counted.
    before: Option<Number>,
    /// The last number of the device.
    last: Option<Number>,
    /// The name of the run that it belongs to.
    run: Option<String>,
}

impl Continued {
    /// The total, given what the device says now and what it calls its run, if it does. `None` when that is no
    /// counter, or the total does not fit; nothing is noted then.
    pub fn count(&mut self, now: Number, run: Option<&str>) -> Option<Number> {
        if now.mantissa() < 0 {
            return None;
        }
        let mut before = self.before;
        if let Some(last) = self.last {
            let smaller = now.checked_sub(last)?.mantissa() < 0;
            let other_run = self.run.is_some() && run.is_some() && self.run.as_deref() != run;
            if smaller || other_run {
                before = Some(before.map_or(Some(last), |before| before.checked_add(last))?);
            }
        }
        let total = before.map_or(Some(now), |before| before.checked_add(now))?;
        self.before = before;
        self.last = Some(now);
        if let Some(run) = run {
            self.run = Some(run.to_owned());
        }
        Some(total)
    }

    /// How many runs are behind it changes only with a reset; so does this.
    #[must_use]
    pub const fn before(&self) -> Option<Number> {
        self.before
    }

    /// As the text of a small file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = |number: Option<Number>| number.map(|number| number.to_string());
        let kept = Kept { before: text(self.before), last: text(self.last), run: self.run.clone() };
        // Texts can always be written.
        serde_json::to_string(&kept).unwrap_or_default()
    }

    /// From the text of that file; `None` when it says something else.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        let kept: Kept = serde_json::from_str(text).ok()?;
        let number = |text: Option<String>| match text {
            Some(text) => text.parse().ok().map(Some),
            None => Some(None),
        };
        Some(Self { before: number(kept.before)?, last: number(kept.last)?, run: kept.run })
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    before: Option<String>,
    last: Option<String>,
    run: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ws(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn row_60_every_reset_is_counted_on() {
        let mut counter = Continued::default();
        let totals: Vec<String> = ["0", "10.5", "20", "3", "5", "0", "1.25"]
            .iter()
            .map(|now| counter.count(ws(now), None).unwrap().to_string())
            .collect();
        assert_eq!(totals, ["0", "10.5", "20", "23", "25", "25", "26.25"]);
    }

    #[test]
    fn another_run_is_a_reset_even_when_it_has_counted_further() {
        let mut counter = Continued::default();
        assert_eq!(counter.count(ws("100"), Some("A1")), Some(ws("100")));
        assert_eq!(counter.count(ws("150"), Some("B2")), Some(ws("250")));
        assert_eq!(counter.count(ws("160"), None), Some(ws("260")), "an old firmware tells no name");
        assert_eq!(counter.count(ws("160"), Some("B2")), Some(ws("260")));
    }

    #[test]
    fn a_restart_of_the_gateway_changes_nothing() {
        let mut counter = Continued::default();
        for now in ["7200000", "40"] {
            counter.count(ws(now), Some("A1"));
        }
        let mut again = Continued::from_json(&counter.to_json()).unwrap();
        assert_eq!(again, counter);
        assert_eq!(again.count(ws("41"), Some("A1")), Some(ws("7200041")));
        for text in ["", "{}x", "[]", r#"{"before":"x","last":null,"run":null}"#] {
            assert_eq!(Continued::from_json(text), None, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_forgotten() {
        let mut counter = Continued::default();
        counter.count(Number::new(i64::MAX, 0), None);
        let before = counter.clone();
        assert_eq!(counter.count(Number::new(i64::MAX - 1, 0), None), None);
        assert_eq!(counter.count(Number::with_exponent(1, -300).unwrap(), None), None);
        assert_eq!(counter, before);
    }
}
