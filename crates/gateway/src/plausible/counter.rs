//! Which registers are counters, by the tables of value groups in IEC 62056-61 (now IEC 62056-6-1) and EN 13757-1.
use metergate_reading::{ObisCode, Unit};

/// True for a register that only ever rises: a cumulative energy or volume.
///
/// | A | C | D | F | unit |
/// |---|---|---|---|---|
/// | 1 electricity | 1 to 10, 15, 17 to 20; 20, 40 and 60 more for one phase | 8, time integral 1: since the first day | 255, now | Wh, varh, VAh or none |
/// | 5 cooling, 6 heat | 1 energy, 2 volume, 3 mass | 0 or 8, now | 255 | Wh, J, cal, m3, l, kg, t |
/// | 7 gas | 1 to 3 volume or energy | 0 to 2, now, with and without conversion | 255 | m3, l, Wh, J |
/// | 8, 9 cold and hot water | 1 volume | 0, now | 255 | m3, l |
/// | 0, B from 1: sub-meter of a P1 port | 24, 2, E 1 to 3 | | 255 | m3, l, Wh, J |
///
/// Not among them: net energy (16.8), which falls when more is fed in; time integral 2 (D 9), which begins anew each
/// billing period; and values of earlier billing periods (F below 255), which jump when a period ends.
///
/// ```
/// use metergate_gateway::plausible::is_counter;
/// use metergate_reading::Unit;
///
/// let is = |text: &str, unit| is_counter(text.parse().unwrap(), Some(unit));
/// assert!(is("1-0:1.8.0", Unit::WattHour));
/// assert!(is("7-0:3.0.0", Unit::CubicMetre));
/// assert!(!is("1-0:1.7.0", Unit::Watt), "a power");
/// assert!(!is("1-0:16.8.0", Unit::WattHour), "a balance");
/// ```
#[must_use]
pub fn is_counter(code: ObisCode, unit: Option<Unit>) -> bool {
    use Unit::{Calorie, CubicMetre, Joule, Kilogram, Litre, Tonne, VarHour, VoltAmpereHour, WattHour};
    match code.bytes() {
        [1, _, c, 8, _, 255] => {
            matches!(quantity(c), 1..=10 | 15 | 17..=20)
                && matches!(unit, None | Some(WattHour | VarHour | VoltAmpereHour))
        }
        [5 | 6, _, 1..=3, 0 | 8, _, 255] => {
            matches!(unit, Some(WattHour | Joule | Calorie | CubicMetre | Litre | Kilogram | Tonne))
        }
        [7, _, 1..=3, 0..=2, _, 255] | [0, 1..=255, 24, 2, 1..=3, 255] => {
            matches!(unit, Some(CubicMetre | Litre | WattHour | Joule))
        }
        [8 | 9, _, 1, 0, _, 255] => matches!(unit, Some(CubicMetre | Litre)),
        _ => false,
    }
}

/// Group C without the phase: 21 to 40, 41 to 60 and 61 to 80 are L1, L2 and L3 of 1 to 20.
const fn quantity(c: u8) -> u8 {
    match c {
        21..=40 => c - 20,
        41..=60 => c - 40,
        61..=80 => c - 60,
        c => c,
    }
}

/// True for a counter of all phases and tariffs, `x.8.0`.
pub(super) const fn is_total(code: ObisCode) -> bool {
    matches!(code.bytes(), [1, _, 1..=20, 8, 0, 255])
}

/// True for a counter of electricity, whose steps have a limit.
///
/// Gas, water and heat have none: their counters come to the meter once in minutes or an hour, so that a whole hour
/// seems to flow between two telegrams.
pub(super) const fn is_electricity(code: ObisCode) -> bool {
    matches!(code.bytes(), [1, ..])
}

/// True for the active power of this moment, of all phases or of one.
pub(super) const fn is_active_power(code: ObisCode, unit: Option<Unit>) -> bool {
    match code.bytes() {
        [1, _, c, 7, ..] => matches!(quantity(c), 1 | 2 | 15 | 16) && matches!(unit, Some(Unit::Watt)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> ObisCode {
        text.parse().unwrap()
    }

    #[test]
    fn counters_of_every_medium_are_known() {
        for (text, unit) in [
            ("1-0:1.8.0", Unit::WattHour),
            ("1-0:2.8.2", Unit::WattHour),
            ("1-0:3.8.1", Unit::VarHour),
            ("1-0:8.8.0", Unit::VarHour),
            ("1-0:9.8.0", Unit::VoltAmpereHour),
            ("1-0:15.8.0", Unit::WattHour),
            ("1-0:21.8.0", Unit::WattHour),
            ("1-0:62.8.0", Unit::WattHour),
            ("6-0:1.0.0", Unit::WattHour),
            ("6-0:1.0.0", Unit::Joule),
            ("6-0:2.0.0", Unit::CubicMetre),
            ("5-0:1.0.0", Unit::WattHour),
            ("7-0:3.0.0", Unit::CubicMetre),
            ("8-0:1.0.0", Unit::CubicMetre),
            ("0-1:24.2.1", Unit::CubicMetre),
            ("0-2:24.2.3", Unit::CubicMetre),
        ] {
            assert!(is_counter(code(text), Some(unit)), "{text}");
        }
    }

    #[test]
    fn what_may_fall_is_no_counter() {
        for (text, unit) in [
            ("1-0:16.8.0", Unit::WattHour),
            ("1-0:36.8.0", Unit::WattHour),
            ("1-0:1.9.0", Unit::WattHour),
            ("1-0:1.8.0*1", Unit::WattHour),
            ("1-0:1.7.0", Unit::Watt),
            ("1-0:1.8.0", Unit::Watt),
            ("1-0:1.6.0", Unit::Watt),
            ("1-0:31.7.0", Unit::Ampere),
            ("6-0:1.2.0", Unit::WattHour),
            ("6-0:10.0.0", Unit::Celsius),
            ("0-0:24.2.1", Unit::CubicMetre),
            ("0-1:24.1.0", Unit::CubicMetre),
        ] {
            assert!(!is_counter(code(text), Some(unit)), "{text}");
        }
    }

    #[test]
    fn totals_and_powers_are_told_from_their_parts() {
        assert!(is_total(code("1-0:1.8.0")) && is_total(code("1-0:2.8.0")));
        assert!(!is_total(code("1-0:1.8.1")) && !is_total(code("7-0:3.0.0")));
        assert!(is_active_power(code("1-0:16.7.0"), Some(Unit::Watt)));
        assert!(is_active_power(code("1-0:36.7.0"), Some(Unit::Watt)));
        assert!(!is_active_power(code("1-0:31.7.0"), Some(Unit::Ampere)));
        assert!(!is_active_power(code("1-0:1.7.0"), None));
    }
}
