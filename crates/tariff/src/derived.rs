//! What follows from readings: power, consumption, reactive power, a year's estimate.
//!
//! Everything is calculated exactly; where a quotient or a root must be rounded, it is rounded once, at the end, half
//! away from zero, to the exponent asked for.
use crate::exact::Exact;
use metergate_reading::Number;

/// What a counter showed and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Counted {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub unix_ms: i64,
    /// The counter, in Wh (or varh, VAh, or any unit whose rate is wanted).
    pub value: Number,
}

/// Milliseconds of an hour: energy in Wh times this, divided by the milliseconds it took, is power in W.
const HOUR_MS: i64 = 3_600_000;

/// Milliseconds of 365 days.
const YEAR_MS: i64 = 365 * 24 * HOUR_MS;

/// The shortest span that an estimate for a year is made from: a day, since a night or a noon alone is no sample.
pub const ESTIMATE_SPAN_MIN_MS: i64 = 24 * HOUR_MS;

/// Mean power in W between two readings of a counter in Wh: difference x 3,600,000 / milliseconds.
///
/// For a counter in 0.1 Wh and seconds this is SMGW.Lite's difference x 360 / seconds. `exponent` is that of the
/// result: 0 for whole watts, -1 for tenths. `None` when no time went by, the counter fell, or the result does not fit.
///
/// ```
/// use metergate_reading::Number;
/// use metergate_tariff::derived::{Counted, power};
///
/// let counted = |unix_s: i64, tenths| Counted { unix_ms: unix_s * 1000, value: Number::new(tenths, -1) };
/// // 25 x 0.1 Wh in 7 s: 25 x 360 / 7 = 1285.71 W.
/// assert_eq!(power(counted(0, 1000), counted(7, 1025), -1).unwrap().to_string(), "1285.7");
/// assert_eq!(power(counted(0, 1000), counted(0, 1025), -1), None, "in no time");
/// ```
#[must_use]
pub fn power(from: Counted, to: Counted, exponent: i8) -> Option<Number> {
    rate(from, to, HOUR_MS, exponent)
}

/// What a year of 365 days comes to if it goes on as between two readings: difference x 365 d / span.
///
/// In the unit of the counter at the given exponent. `None` for a span under a day ([`ESTIMATE_SPAN_MIN_MS`]), for a
/// counter that fell, and for a result that does not fit. It knows no seasons: a year's span gives a year's truth.
#[must_use]
pub fn annual_estimate(from: Counted, to: Counted, exponent: i8) -> Option<Number> {
    if to.unix_ms.checked_sub(from.unix_ms)? < ESTIMATE_SPAN_MIN_MS {
        return None;
    }
    rate(from, to, YEAR_MS, exponent)
}

/// The difference of two values for each `per_ms`.
fn rate(from: Counted, to: Counted, per_ms: i64, exponent: i8) -> Option<Number> {
    let span_ms = to.unix_ms.checked_sub(from.unix_ms).filter(|&span| span > 0)?;
    let difference = consumption(from.value, to.value)?;
    Exact::from(difference).times(Exact::integer(per_ms))?.divided(i128::from(span_ms), exponent.into())
}

/// What was counted between two values of a counter, exactly; `None` when it fell or the difference does not fit.
#[must_use]
pub fn consumption(from: Number, to: Number) -> Option<Number> {
    to.checked_sub(from).filter(|difference| difference.mantissa() >= 0)
}

/// Net power: import minus export (1.7.0 - 2.7.0), negative when more is fed in; exact, at the finer exponent.
///
/// `None` when the result does not fit.
///
/// ```
/// use metergate_reading::Number;
/// use metergate_tariff::derived::net_power;
///
/// let net = net_power(Number::new(12, 2), Number::new(15_005, -1)).unwrap();
/// assert_eq!(net.to_string(), "-300.5");
/// assert_eq!(net_power(Number::new(1, 127), Number::new(1, -128)), None, "256 digits do not fit");
/// ```
#[must_use]
pub fn net_power(import: Number, export: Number) -> Option<Number> {
    import.checked_sub(export)
}

/// Reactive power in var from active power in W and cos phi: P x tan(arccos(cos phi)), to one decimal.
///
/// The sign is that of the formula: negative when exactly one of P and cos phi is negative. Meters use the sign of
/// cos phi differently, and without it nobody knows whether the load is inductive; so only the amount is certain.
/// Prefer 3.7.0 and 4.7.0 where the meter sends them. `None` when cos phi is 0 or beyond -1 to 1, and for numbers so
/// long that the square does not fit 128 bits (a P of 12 digits with a cos phi of 3 decimals still does).
///
/// ```
/// use metergate_reading::Number;
/// use metergate_tariff::derived::reactive_power;
///
/// let reactive = reactive_power(Number::new(1055, 0), Number::new(968, -3)).unwrap();
/// assert_eq!(reactive.to_string(), "273.5");
/// assert_eq!(reactive_power(Number::new(1055, 0), Number::new(1002, -3)), None, "no cosine is above 1");
/// ```
#[must_use]
pub fn reactive_power(active: Number, cos_phi: Number) -> Option<Number> {
    let cosine = shortest(cos_phi.mantissa().unsigned_abs().into(), cos_phi.exponent())?;
    let active_abs = shortest(active.mantissa().unsigned_abs().into(), active.exponent())?;
    // cos phi = c / one, with both whole. One of a positive exponent is beyond 1.
    let one = 10u128.checked_pow(u32::try_from(cosine.1.checked_neg()?).ok()?)?;
    let c = cosine.0;
    if c == 0 || c > one {
        return None;
    }
    // Q = P sqrt(one^2 - c^2) / c. In tenths and squared: P^2 10^2(e+1) (one^2 - c^2) / c^2, and four times that, so
    // that the whole root is in halves and says whether to round up.
    let mut numerator = one.checked_pow(2)?.checked_sub(c.checked_pow(2)?)?.checked_mul(4)?;
    let mut denominator = c.checked_pow(2)?;
    numerator = numerator.checked_mul(active_abs.0.checked_pow(2)?)?;
    let tenths = i32::from(active_abs.1) + 1;
    let factor = 100u128.checked_pow(tenths.unsigned_abs())?;
    if tenths >= 0 {
        numerator = numerator.checked_mul(factor)?;
    } else {
        denominator = denominator.checked_mul(factor)?;
    }
    let halves = (numerator / denominator).isqrt();
    let magnitude = i64::try_from(halves.div_ceil(2)).ok()?;
    let negative = (active.mantissa() < 0) != (cos_phi.mantissa() < 0);
    Some(Number::new(if negative { magnitude.checked_neg()? } else { magnitude }, -1))
}

/// Without trailing zeros, so that squares stay small.
fn shortest(mut mantissa: u128, mut exponent: i16) -> Option<(u128, i16)> {
    if mantissa == 0 {
        return Some((0, 0));
    }
    while mantissa.is_multiple_of(10) {
        mantissa /= 10;
        exponent = exponent.checked_add(1)?;
    }
    // 1 is 1 x 10^0; a positive exponent is written out.
    while exponent > 0 {
        mantissa = mantissa.checked_mul(10)?;
        exponent -= 1;
    }
    Some((mantissa, exponent))
}

/// A number at an exponent, half away from zero: the last step of an amount of money.
///
/// `None` when it does not fit.
///
/// ```
/// use metergate_reading::Number;
/// use metergate_tariff::derived::rounded;
///
/// assert_eq!(rounded(Number::new(123_455, -4), -2).unwrap().to_string(), "12.35");
/// assert_eq!(rounded(Number::new(i64::MAX, 0), -2), None);
/// ```
#[must_use]
pub fn rounded(number: Number, exponent: i8) -> Option<Number> {
    Exact::from(number).divided(1, exponent.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(unix_ms: i64, mantissa: i64, scaler: i8) -> Counted {
        Counted { unix_ms, value: Number::new(mantissa, scaler) }
    }

    #[test]
    fn row_33_power_is_the_difference_times_360_over_the_seconds() {
        // 0.1 Wh counters of SMGW.Lite: 60 s, 20 steps, 20 x 360 / 60 = 120 W.
        let (from, to) = (counted(0, 43_354_009, -1), counted(60_000, 43_354_029, -1));
        assert_eq!(power(from, to, 0), Some(Number::new(120, 0)));
        assert_eq!(power(from, counted(60_000, 43_354_009, -1), 0), Some(Number::new(0, 0)));
        // A counter in kWh with three decimals is the same as one in Wh.
        let kwh = power(counted(0, 1_000, 0), counted(3_600_000, 1_500, 0), 0);
        assert_eq!(kwh, power(counted(0, 1, 3), counted(3_600_000, 15, 2), 0));
        assert_eq!(kwh, Some(Number::new(500, 0)));
    }

    #[test]
    fn power_needs_time_that_went_by_and_a_counter_that_did_not_fall() {
        let from = counted(10_000, 500, 0);
        assert_eq!(power(from, counted(9_000, 510, 0), 0), None);
        assert_eq!(power(from, counted(11_000, 499, 0), 0), None);
        assert_eq!(power(counted(i64::MIN, 0, 0), counted(i64::MAX, 1, 0), 0), None);
        assert_eq!(power(counted(0, i64::MIN, 0), counted(1, i64::MAX, 0), 0), None);
    }

    #[test]
    fn consumption_is_never_negative() {
        assert_eq!(consumption(Number::new(5, 3), Number::new(50_001, -1)), Some(Number::new(1, -1)));
        assert_eq!(consumption(Number::new(5, 0), Number::new(5, 0)), Some(Number::new(0, 0)));
        assert_eq!(consumption(Number::new(43_354_009, 0), Number::new(30, 0)), None);
    }

    #[test]
    fn net_power_is_exact_or_nothing() {
        assert_eq!(net_power(Number::new(0, 0), Number::new(500, 0)), Some(Number::new(-500, 0)));
        assert_eq!(net_power(Number::new(1, 0), Number::new(1, -3)), Some(Number::new(999, -3)));
        assert_eq!(net_power(Number::new(i64::MAX, 0), Number::new(-1, 0)), None);
        assert_eq!(net_power(Number::new(25, -1), Number::new(0, 2)), Some(Number::new(25, -1)));
    }

    #[test]
    fn row_34_a_p_of_1055_w_and_cos_phi_0_968_give_273_5_var() {
        let reactive = |p, cos: &str| reactive_power(p, cos.parse().unwrap());
        let var = |tenths| Some(Number::new(tenths, -1));
        assert_eq!(reactive(Number::new(1055, 0), "0.968"), var(2735));
        assert_eq!(reactive(Number::new(10_550, -1), "0.9680"), var(2735));
        assert_eq!(reactive(Number::new(-1055, 0), "0.968"), var(-2735));
        assert_eq!(reactive(Number::new(1055, 0), "-0.968"), var(-2735));
        assert_eq!(reactive(Number::new(-1055, 0), "-0.968"), var(2735));
        // 3-4-5: cos phi 0.6, P 3 kW, Q 4 kvar, exactly.
        assert_eq!(reactive(Number::new(3, 3), "0.6"), var(40_000));
        assert_eq!(reactive(Number::new(1055, 0), "1"), var(0));
        assert_eq!(reactive(Number::new(0, 0), "0.5"), var(0));
        // 1 W at 0.5: tan 60 degrees = 1.732.
        assert_eq!(reactive(Number::new(1, 0), "0.5"), var(17));
        assert_eq!(reactive(Number::new(1_000_000, -6), "0.5"), var(17));
        assert_eq!(reactive(Number::new(100, -2), "0.309"), var(31));
    }

    #[test]
    fn a_cosine_that_is_none_gives_no_reactive_power() {
        let p = Number::new(1055, 0);
        assert_eq!(reactive_power(p, Number::new(0, 0)), None);
        assert_eq!(reactive_power(p, Number::new(1001, -3)), None);
        assert_eq!(reactive_power(p, Number::new(1, 1)), None);
        for exponent in [-600, -128, -40, 40, 600] {
            let odd = Number::with_exponent(i64::MIN, exponent).unwrap();
            let _ = reactive_power(odd, Number::new(5, -1));
            let _ = reactive_power(p, odd);
        }
    }

    #[test]
    fn row_33_a_year_is_estimated_from_at_least_a_day() {
        const DAY_MS: i64 = 86_400_000;
        // 8.4 kWh in a day are 3066 kWh in 365; 31 days of 300 kWh are 3532.258 kWh.
        let day = annual_estimate(counted(0, 0, 0), counted(DAY_MS, 8_400, 0), 0);
        assert_eq!(day, Some(Number::new(3_066_000, 0)));
        let month = annual_estimate(counted(0, 0, 0), counted(31 * DAY_MS, 300, 3), 0);
        assert_eq!(month, Some(Number::new(3_532_258, 0)));
        assert_eq!(annual_estimate(counted(0, 0, 0), counted(DAY_MS - 1, 8_400, 0), 0), None);
        assert_eq!(annual_estimate(counted(DAY_MS, 0, 0), counted(0, 8_400, 0), 0), None);
        assert_eq!(annual_estimate(counted(0, 9, 0), counted(DAY_MS, 8, 0), 0), None);
    }
}
