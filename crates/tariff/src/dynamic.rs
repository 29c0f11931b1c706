//! A value whenever the power changes.
use crate::exact::Exact;
use core::cmp::Ordering;
use metergate_reading::{Instant, Number};

/// When a change of power is worth a value. The defaults are those of SMGW.Lite where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DynamicSettings {
    /// A change of this many watts stores a value at once; 0 switches this rule off.
    pub delta_w: u32,
    /// A change to this many percent of the smaller of both powers stores a value at once: 200 is twice or half.
    /// Up to 100 switches this rule off.
    pub ratio_percent: u16,
    /// A smaller change than this many watts is noise, however long it lasts.
    pub noise_w: u32,
    /// A smaller change than this many percent of the last stored power is noise too; but a change of `delta_w` never is.
    pub noise_percent: u8,
}

impl Default for DynamicSettings {
    fn default() -> Self {
        Self { delta_w: 100, ratio_percent: 200, noise_w: 25, noise_percent: 5 }
    }
}

/// Which rule has stored a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// The power changed by watts.
    Delta,
    /// The power changed by a factor.
    Ratio,
}

/// Says of each power whether its reading is to be stored, like the dynamic use case of SMGW.Lite.
///
/// It compares with the power at the last value stored by this rule. Both thresholds are halved with each full minute
/// since then: with the defaults a change of 100 W counts at once, 50 W after one minute, and so on; a factor of 2 at
/// once, 1.5 after one minute, 1.25 after two. Below the noise nothing ever counts. The first power is only compared
/// with. One for each meter.
///
/// ```
/// use metergate_reading::{Instant, Number, Trust};
/// use metergate_tariff::{Dynamic, DynamicSettings, Trigger};
///
/// let at = |unix_s: i64| Instant { unix_ms: unix_s * 1000, trust: Trust::HostSynchronised };
/// let mut dynamic = Dynamic::new(DynamicSettings::default());
/// assert_eq!(dynamic.power(at(0), Number::new(200, 0)), None);
/// assert_eq!(dynamic.power(at(1), Number::new(2000, 0)), Some(Trigger::Delta));
/// assert_eq!(dynamic.power(at(2), Number::new(2020, 0)), None, "noise");
/// ```
#[derive(Debug, Clone)]
pub struct Dynamic {
    settings: DynamicSettings,
    /// Time and power of the last value stored, or of the first power.
    last: Option<(i64, Number)>,
}

/// After so many minutes a threshold is as good as gone; noise still is.
const HALVINGS_MAX: u32 = 16;

impl Dynamic {
    /// A rule that has seen no power yet.
    #[must_use]
    pub const fn new(settings: DynamicSettings) -> Self {
        Self { settings, last: None }
    }

    /// Takes a power in W, and says whether its reading is to be stored and why.
    ///
    /// Numbers too far apart to be compared in 128 bits are no change. A clock set back makes the thresholds whole.
    pub fn power(&mut self, at: Instant, power: Number) -> Option<Trigger> {
        let Some((since_ms, last)) = self.last else {
            self.last = Some((at.unix_ms, power));
            return None;
        };
        let minutes = at.unix_ms.saturating_sub(since_ms).max(0) / 60_000;
        let halvings = u32::try_from(minutes).unwrap_or(u32::MAX).min(HALVINGS_MAX);
        let trigger = self.settings.trigger(last.into(), power.into(), halvings)?;
        self.last = Some((at.unix_ms, power));
        Some(trigger)
    }
}

impl DynamicSettings {
    fn trigger(&self, last: Exact, power: Exact, halvings: u32) -> Option<Trigger> {
        let grown = Exact::integer(1i128 << halvings);
        let change = power.minus(last)?.magnitude()?;
        let change_grown = change.times(grown)?;
        let at_least = |a: Exact, b: Exact| a.compare(b).is_some_and(Ordering::is_ge);
        let delta_w = (self.delta_w > 0).then(|| Exact::integer(self.delta_w));
        let percent = |part: Exact| part.times(Exact::integer(100));
        let noise = last.magnitude()?.times(Exact::integer(self.noise_percent))?;
        let loud = delta_w.is_some_and(|delta_w| at_least(change, delta_w))
            || (at_least(change, Exact::integer(self.noise_w)) && at_least(percent(change)?, noise));
        if !loud || change.sign() == 0 {
            return None;
        }
        if delta_w.is_some_and(|delta_w| at_least(change_grown, delta_w)) {
            return Some(Trigger::Delta);
        }
        // From import to export there is no factor; the smaller of the two is then taken as 0.
        let (a, b) = (last.magnitude()?, power.magnitude()?);
        let smaller = if at_least(a, b) { b } else { a };
        let smaller = if last.sign() * power.sign() > 0 { smaller } else { Exact::integer(0) };
        let more_percent = self.ratio_percent.checked_sub(100).filter(|&more| more > 0)?;
        // (larger - smaller) / smaller >= (ratio - 1) / 2^halvings; with equal signs the change is that difference.
        let ratio = at_least(percent(change_grown)?, smaller.times(Exact::integer(more_percent))?);
        ratio.then_some(Trigger::Ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::Trust;

    fn at(unix_s: i64) -> Instant {
        Instant { unix_ms: unix_s * 1000, trust: Trust::HostSynchronised }
    }

    fn watts(watts: i64) -> Number {
        Number::new(watts, 0)
    }

    fn dynamic(first: i64) -> Dynamic {
        let mut dynamic = Dynamic::new(DynamicSettings::default());
        assert_eq!(dynamic.power(at(0), watts(first)), None);
        dynamic
    }

    /// Noise of plus and minus `span` W, the same in every run.
    fn noise(second: i64, span: i64) -> i64 {
        (second * 7919 + second * second % 613) % (2 * span + 1) - span
    }

    #[test]
    fn row_27_a_step_from_200_w_to_2000_w_triggers_one_store_within_one_telegram_and_noise_none() {
        let mut dynamic = dynamic(200);
        for second in 1..3600 {
            assert_eq!(
                dynamic.power(at(second), watts(200 + noise(second, 10))),
                None,
                "noise at {second} s"
            );
        }
        assert_eq!(dynamic.power(at(3600), watts(2000)), Some(Trigger::Delta));
        for second in 3601..7200 {
            assert_eq!(
                dynamic.power(at(second), watts(2000 + noise(second, 40))),
                None,
                "noise at {second} s"
            );
        }
    }

    #[test]
    fn a_step_down_is_a_step() {
        assert_eq!(dynamic(2000).power(at(1), watts(200)), Some(Trigger::Delta));
        assert_eq!(dynamic(60).power(at(1), watts(-60)), Some(Trigger::Delta));
    }

    #[test]
    fn a_factor_of_two_counts_below_the_step_in_watts() {
        assert_eq!(dynamic(40).power(at(1), watts(80)), Some(Trigger::Ratio));
        assert_eq!(dynamic(80).power(at(1), watts(40)), Some(Trigger::Ratio));
        assert_eq!(dynamic(80).power(at(1), watts(120)), None);
        assert_eq!(dynamic(20).power(at(1), watts(-20)), Some(Trigger::Ratio), "from import to export");
        assert_eq!(dynamic(0).power(at(1), watts(30)), Some(Trigger::Ratio));
        assert_eq!(dynamic(1).power(at(1), watts(9)), None, "9 W are noise, were it nine times as much");
    }

    #[test]
    fn thresholds_are_halved_with_each_minute_down_to_the_noise() {
        let after = |seconds, power| dynamic(400).power(at(seconds), watts(power));
        assert_eq!(after(59, 499), None);
        assert_eq!(after(59, 500), Some(Trigger::Delta));
        assert_eq!(after(60, 449), None);
        assert_eq!(after(60, 450), Some(Trigger::Delta));
        assert_eq!(after(120, 424), None);
        assert_eq!(after(120, 425), Some(Trigger::Delta));
        assert_eq!(after(86_400, 424), None, "a day later 24 W are noise still");
        assert_eq!(after(i64::MAX / 1000, 425), Some(Trigger::Delta));
    }

    #[test]
    fn a_change_of_the_full_step_is_never_noise() {
        // 5 % of 10 kW are 500 W, and yet 100 W count.
        assert_eq!(dynamic(10_000).power(at(1), watts(10_100)), Some(Trigger::Delta));
        assert_eq!(dynamic(10_000).power(at(600), watts(10_099)), None);
    }

    #[test]
    fn after_a_store_the_thresholds_are_whole_again() {
        let mut dynamic = dynamic(400);
        assert_eq!(dynamic.power(at(60), watts(450)), Some(Trigger::Delta));
        assert_eq!(dynamic.power(at(61), watts(510)), None);
        assert_eq!(dynamic.power(at(0), watts(510)), None, "a clock set back is no minute gone by");
        assert_eq!(dynamic.power(at(120), watts(510)), Some(Trigger::Delta));
    }

    #[test]
    fn powers_of_any_exponent_are_compared_exactly() {
        let mut dynamic = Dynamic::new(DynamicSettings::default());
        assert_eq!(dynamic.power(at(0), Number::new(2, 2)), None);
        assert_eq!(dynamic.power(at(1), Number::new(299_999, -3)), None);
        assert_eq!(dynamic.power(at(2), Number::new(300_000, -3)), Some(Trigger::Delta));
        for exponent in [-600, -128, 127, 600] {
            let _ = dynamic.power(at(3), Number::with_exponent(i64::MIN, exponent).unwrap());
        }
    }

    #[test]
    fn rules_can_be_switched_off() {
        let off = DynamicSettings { delta_w: 0, ratio_percent: 100, ..DynamicSettings::default() };
        let mut none = Dynamic::new(off);
        none.power(at(0), watts(1));
        assert_eq!(none.power(at(600), watts(10_000)), None);
    }

    #[test]
    fn no_change_is_no_change_even_without_noise() {
        let quiet = DynamicSettings { noise_w: 0, noise_percent: 0, ..DynamicSettings::default() };
        let mut dynamic = Dynamic::new(quiet);
        dynamic.power(at(0), watts(0));
        assert_eq!(dynamic.power(at(58), watts(0)), None);
        assert_eq!(dynamic.power(at(59), watts(1)), Some(Trigger::Ratio));
    }
}
