//! Comparing and adding numbers of any exponents without losing a digit.
use metergate_reading::Number;
use std::cmp::Ordering;

/// Time that is given to every average power: a telegram waits in the buffer of an adapter or a network before it is
/// stamped, so that two that are 2 s apart may seem to come together.
const STAMP_SLACK_MS: i64 = 2_000;

/// The largest step of a counter that is taken for its resolution: 1 kWh, as meters count without their PIN.
const STEP_EXPONENT_MAX: i16 = 3;

const MS_PER_HOUR: i128 = 3_600_000;

/// Which of the two is worth more, exactly, whatever their exponents.
pub(super) fn compare(a: Number, b: Number) -> Ordering {
    match (a.mantissa().signum(), b.mantissa().signum()) {
        (x, y) if x != y => x.cmp(&y),
        (0, _) => Ordering::Equal,
        (sign, _) if sign < 0 => magnitudes(b, a),
        _ => magnitudes(a, b),
    }
}

/// The same for the sizes of two numbers that are not 0.
fn magnitudes(a: Number, b: Number) -> Ordering {
    let digits = |number: Number| number.mantissa().unsigned_abs().checked_ilog10().unwrap_or_default();
    let order = |number: Number| i64::from(number.exponent()) + i64::from(digits(number));
    order(a).cmp(&order(b)).then_with(|| {
        // Of one order, exponents are at most 18 apart, which keeps both below 10^37.
        let base = a.exponent().min(b.exponent());
        let aligned = |number: Number| {
            let factor = 10u128.saturating_pow(u32::from((number.exponent() - base).unsigned_abs()));
            u128::from(number.mantissa().unsigned_abs()).saturating_mul(factor)
        };
        aligned(a).cmp(&aligned(b))
    })
}

/// `a` + `b`, or `None` when no [`Number`] holds it.
pub(super) fn sum(a: Number, b: Number) -> Option<Number> {
    let base = base(a, b);
    reduced(aligned(a, base)?.checked_add(aligned(b, base)?)?, base)
}

/// `a` - `b`, or `None` when no [`Number`] holds it.
pub(super) fn difference(a: Number, b: Number) -> Option<Number> {
    let base = base(a, b);
    reduced(aligned(a, base)?.checked_sub(aligned(b, base)?)?, base)
}

/// True when a counter that went from `from` to `to` Wh (varh, VAh) within `elapsed_ms` had to run at more than
/// `limit` W (var, VA) on the average.
///
/// One step of the counter is free: it may have been about to come. The step is what both numbers have in common: a
/// meter without PIN counts whole kWh even if its scaler says 0.1 Wh.
pub(super) fn exceeds(from: Number, to: Number, limit: u32, elapsed_ms: i64) -> bool {
    let base = from.exponent().min(to.exponent());
    let (Some(low), Some(high)) = (aligned(from, base), aligned(to, base)) else {
        return compare(to, from).is_gt();
    };
    let Some(delta) = high.checked_sub(low) else { return true };
    let step = base.max(coarsest(from, to).min(STEP_EXPONENT_MAX));
    let excess = delta.saturating_sub(power_of_ten(step - base).unwrap_or(i128::MAX));
    if excess <= 0 {
        return false;
    }
    let allowed = i128::from(limit) * i128::from(elapsed_ms.max(0).saturating_add(STAMP_SLACK_MS));
    let Some(used) = excess.checked_mul(MS_PER_HOUR) else { return true };
    match power_of_ten(base.saturating_abs()) {
        Some(factor) if base >= 0 => used.checked_mul(factor).is_none_or(|used| used > allowed),
        Some(factor) => allowed.checked_mul(factor).is_some_and(|allowed| used > allowed),
        // Steps beyond 10^38 are impossible, steps below 10^-38 add up to nothing.
        None => base >= 0,
    }
}

/// The coarser exponent, or the one that both values could do with if that is coarser still.
fn coarsest(a: Number, b: Number) -> i16 {
    a.exponent().max(b.exponent()).max(needed(a).min(needed(b)))
}

/// The largest exponent at which the number is still whole.
fn needed(number: Number) -> i16 {
    let (mut mantissa, mut exponent) = (number.mantissa(), number.exponent());
    if mantissa == 0 {
        return i16::MAX;
    }
    while mantissa % 10 == 0 {
        mantissa /= 10;
        exponent += 1;
    }
    exponent
}

/// The exponent at which both are whole; 0 is whole at any.
fn base(a: Number, b: Number) -> i16 {
    match (a.mantissa(), b.mantissa()) {
        (0, _) => b.exponent(),
        (_, 0) => a.exponent(),
        _ => a.exponent().min(b.exponent()),
    }
}

fn aligned(number: Number, base: i16) -> Option<i128> {
    if number.mantissa() == 0 {
        return Some(0);
    }
    i128::from(number.mantissa()).checked_mul(power_of_ten(number.exponent().checked_sub(base)?)?)
}

fn power_of_ten(exponent: i16) -> Option<i128> {
    10i128.checked_pow(u32::try_from(exponent).ok()?)
}

fn reduced(mut mantissa: i128, mut exponent: i16) -> Option<Number> {
    while i64::try_from(mantissa).is_err() && mantissa % 10 == 0 {
        mantissa /= 10;
        exponent = exponent.checked_add(1)?;
    }
    Number::with_exponent(i64::try_from(mantissa).ok()?, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_of_any_exponents_are_ordered_by_what_they_are_worth() {
        let ordered = [
            Number::with_exponent(-1, 600).unwrap(),
            Number::new(i64::MIN, 0),
            number("-0.001"),
            Number::with_exponent(0, 600).unwrap(),
            Number::with_exponent(1, -600).unwrap(),
            number("0.1"),
            Number::new(43_354_009, -1),
            Number::new(43_355, 2),
            Number::new(i64::MAX, 0),
            Number::with_exponent(1, 600).unwrap(),
        ];
        for (at, &a) in ordered.iter().enumerate() {
            for (other, &b) in ordered.iter().enumerate() {
                assert_eq!(compare(a, b), at.cmp(&other), "{a:?} {b:?}");
            }
        }
        assert_eq!(compare(Number::new(5, 3), Number::new(50_000, -1)), Ordering::Equal);
    }

    #[test]
    fn sums_are_exact_or_none() {
        assert_eq!(sum(number("5000.0"), number("2.997")), Some(number("5002.997")));
        assert_eq!(difference(Number::new(5, 6), Number::new(3, 3)), Some(Number::new(4997, 3)));
        assert_eq!(sum(Number::new(i64::MAX, 0), Number::new(1, 0)), None);
        assert_eq!(sum(Number::new(1, 100), Number::new(1, -100)), None);
        assert_eq!(sum(Number::new(7, -3), Number::new(0, 100)), Some(Number::new(7, -3)));
    }

    #[test]
    fn the_limit_of_40_kw_is_kept_to_the_tenth_of_a_watt_hour() {
        // 60 s and 2 s of slack at 40 kW are 688.88 Wh; one step of 0.1 Wh is free.
        let exceeds = |to| exceeds(number("1000.1"), number(to), 40_000, 60_000);
        assert!(!exceeds("1689.0"));
        assert!(exceeds("1689.1"));
        assert!(!exceeds("1000.1"), "a counter that stands still");
    }

    #[test]
    fn a_counter_of_whole_kwh_may_step_at_any_moment() {
        for (from, to) in
            [(Number::new(70_000, -1), Number::new(80_000, -1)), (Number::new(7, 3), Number::new(8, 3))]
        {
            assert!(!exceeds(from, to, 40_000, 0), "{from} {to}");
        }
        assert!(exceeds(Number::new(70_000, -1), Number::new(90_000, -1), 40_000, 0), "but not two steps");
        assert!(
            exceeds(Number::new(70_001, -1), Number::new(80_001, -1), 40_000, 0),
            "this one shows tenths"
        );
        assert!(exceeds(Number::new(0, -1), Number::new(1, 9), 40_000, 0), "no step is that large");
    }

    #[test]
    fn no_pair_of_numbers_overflows() {
        let extremes = [i64::MIN, -1, 0, 1, i64::MAX];
        for a in extremes {
            for b in extremes {
                for (x, y) in [(-600, 600), (600, -600), (0, -40), (40, 0), (600, 600)] {
                    let (a, b) = (Number::with_exponent(a, x).unwrap(), Number::with_exponent(b, y).unwrap());
                    let (_, _) = (sum(a, b), difference(a, b));
                    if exceeds(a, b, u32::MAX, i64::MAX) {
                        assert!(compare(b, a).is_gt(), "{a:?} {b:?}");
                    }
                }
            }
        }
    }
}
