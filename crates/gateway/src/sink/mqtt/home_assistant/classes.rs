//! What a register is in the words of Home Assistant: device class, state class and unit.
//!
//! Home Assistant throws an entity away whose unit does not belong to its class, so a class stands here only with the
//! units that it allows (its integration `sensor`, tables of units and state classes by device class).
use crate::sink::Point;
use crate::sink::submeter::is_submeter;
use metergate_meter::models::Medium;
use metergate_reading::{ObisCode, Unit};

/// What a register is in the words of Home Assistant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Class {
    /// What is measured.
    pub(super) device_class: Option<&'static str>,
    /// Whether and how long-term statistics are kept.
    pub(super) state_class: Option<&'static str>,
    /// The unit as Home Assistant spells it.
    pub(super) unit: Option<&'static str>,
    /// For people who look for a fault, not for the first page.
    pub(super) diagnostic: bool,
}

/// A counter of all time. `total_increasing` would take a lower value, such as a single one read wrong, for a new
/// meter that begins at zero, and count everything again.
const TOTAL: Option<&str> = Some("total");
const MEASUREMENT: Option<&str> = Some("measurement");

/// The class of a register of a meter for this medium.
pub(super) fn of(point: &Point, medium: Option<Medium>) -> Class {
    let code = point.register.obis();
    let Some(base) = point.unit else { return bare(code) };
    // A unit that Home Assistant does not know has no class either.
    let Some(unit) = spelling(base, point.prefix) else {
        return Class { diagnostic: true, ..Class::default() };
    };
    let (device_class, state_class) = of_unit(base, medium);
    Class {
        device_class,
        state_class: state_class.filter(|_| !is_of_the_past(code)),
        unit: Some(unit),
        diagnostic: matches!(base, Unit::DecibelMilliwatt | Unit::Degree),
    }
}

/// A register of an earlier billing period, or an average or maximum of one: it is no counter and no present value.
fn is_of_the_past(code: Option<ObisCode>) -> bool {
    let Some([_, _, _, d, _, f]) = code.map(ObisCode::bytes) else { return false };
    // D: 2 to 6 and 9 are averages and maxima, 29 is the consumption of a period (IEC 62056-6-1, table of value
    // group D).
    f != 255 || matches!(d, 2..=6 | 9 | 29) && !is_submeter(code)
}

fn bare(code: Option<ObisCode>) -> Class {
    match code.map(ObisCode::bytes) {
        Some([1, _, 13 | 33 | 53 | 73, 7, _, 255]) => {
            Class { device_class: Some("power_factor"), state_class: MEASUREMENT, ..Class::default() }
        }
        // How often something happened: failures, sags, swells.
        Some([0, _, 96, 7, ..] | [1, _, 32 | 52 | 72, 32 | 36, ..]) => {
            Class { state_class: TOTAL, diagnostic: true, ..Class::default() }
        }
        _ => Class { diagnostic: true, ..Class::default() },
    }
}

fn of_unit(unit: Unit, medium: Option<Medium>) -> (Option<&'static str>, Option<&'static str>) {
    match unit {
        Unit::WattHour | Unit::Joule | Unit::Calorie => (Some("energy"), TOTAL),
        Unit::VarHour => (Some("reactive_energy"), TOTAL),
        Unit::VoltAmpereHour | Unit::AmpereHour | Unit::CubicMetreCelsius => (None, TOTAL),
        Unit::Kilogram => (Some("weight"), TOTAL),
        Unit::Watt => (Some("power"), MEASUREMENT),
        Unit::Var => (Some("reactive_power"), MEASUREMENT),
        Unit::VoltAmpere => (Some("apparent_power"), MEASUREMENT),
        Unit::Volt => (Some("voltage"), MEASUREMENT),
        Unit::Ampere => (Some("current"), MEASUREMENT),
        Unit::Hertz => (Some("frequency"), MEASUREMENT),
        Unit::CubicMetre if medium == Some(Medium::Gas) => (Some("gas"), TOTAL),
        Unit::CubicMetre | Unit::Litre if medium == Some(Medium::Water) => (Some("water"), TOTAL),
        Unit::CubicMetre | Unit::Litre => (Some("volume"), TOTAL),
        Unit::CubicMetrePerHour | Unit::LitrePerHour => (Some("volume_flow_rate"), MEASUREMENT),
        Unit::Celsius => (Some("temperature"), MEASUREMENT),
        Unit::Bar | Unit::Pascal => (Some("pressure"), MEASUREMENT),
        Unit::Second | Unit::Minute | Unit::Hour | Unit::Day => (Some("duration"), TOTAL),
        Unit::DecibelMilliwatt => (Some("signal_strength"), MEASUREMENT),
        // A difference of temperatures is no temperature: Home Assistant would take 273.15 off.
        Unit::Kelvin | Unit::Degree | Unit::Percent => (None, MEASUREMENT),
        _ => (None, None),
    }
}

/// A unit as Home Assistant spells it, with its prefix; `None` where it knows none such.
fn spelling(unit: Unit, prefix: i8) -> Option<&'static str> {
    Some(match (unit, prefix) {
        (Unit::WattHour, 0) => "Wh",
        (Unit::WattHour, 3) => "kWh",
        (Unit::WattHour, 6) => "MWh",
        (Unit::WattHour, 9) => "GWh",
        (Unit::VarHour, 0) => "varh",
        (Unit::VarHour, 3) => "kvarh",
        (Unit::VoltAmpereHour, 0) => "VAh",
        (Unit::VoltAmpereHour, 3) => "kVAh",
        (Unit::Joule, 0) => "J",
        (Unit::Joule, 3) => "kJ",
        (Unit::Joule, 6) => "MJ",
        (Unit::Joule, 9) => "GJ",
        (Unit::Calorie, 0) => "cal",
        (Unit::Calorie, 3) => "kcal",
        (Unit::Calorie, 6) => "Mcal",
        (Unit::Calorie, 9) => "Gcal",
        (Unit::Watt, 0) => "W",
        (Unit::Watt, 3) => "kW",
        (Unit::Watt, 6) => "MW",
        (Unit::Watt, 9) => "GW",
        (Unit::Var, 0) => "var",
        (Unit::Var, 3) => "kvar",
        (Unit::VoltAmpere, 0) => "VA",
        (Unit::VoltAmpere, 3) => "kVA",
        (Unit::Volt, -3) => "mV",
        (Unit::Volt, 0) => "V",
        (Unit::Volt, 3) => "kV",
        (Unit::Ampere, -3) => "mA",
        (Unit::Ampere, 0) => "A",
        (Unit::AmpereHour, 0) => "Ah",
        (Unit::Hertz, 0) => "Hz",
        (Unit::Hertz, 3) => "kHz",
        (Unit::Degree, 0) => "\u{b0}",
        (Unit::Percent, 0) => "%",
        (Unit::CubicMetre, 0) => "m\u{b3}",
        (Unit::CubicMetrePerHour, 0) => "m\u{b3}/h",
        (Unit::Litre, 0) => "L",
        (Unit::LitrePerHour, 0) => "L/h",
        (Unit::Kilogram, 0) => "kg",
        (Unit::Celsius, 0) => "\u{b0}C",
        (Unit::Kelvin, 0) => "K",
        (Unit::CubicMetreCelsius, 0) => "m\u{b3}\u{b7}\u{b0}C",
        (Unit::Bar, -3) => "mbar",
        (Unit::Bar, 0) => "bar",
        (Unit::Pascal, 0) => "Pa",
        (Unit::Second, -3) => "ms",
        (Unit::Second, 0) => "s",
        (Unit::Minute, 0) => "min",
        (Unit::Hour, 0) => "h",
        (Unit::Day, 0) => "d",
        (Unit::DecibelMilliwatt, 0) => "dBm",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::Number;

    fn class(code: &str, unit: Option<Unit>, prefix: i8, medium: Option<Medium>) -> Class {
        let register = code.parse().unwrap();
        let point = Point { register, name: None, number: Number::new(1, 0), unit, prefix, derived: false };
        of(&point, medium)
    }

    #[test]
    fn row_39_a_counter_of_energy_is_energy_and_a_total() {
        let energy = class("1-0:1.8.0", Some(Unit::WattHour), 3, Some(Medium::Electricity));
        let expected = Class {
            device_class: Some("energy"),
            state_class: Some("total"),
            unit: Some("kWh"),
            diagnostic: false,
        };
        assert_eq!(energy, expected);
        let before = class("1-0:1.8.0*1", Some(Unit::WattHour), 0, Some(Medium::Electricity));
        assert_eq!(before.state_class, None, "the end of last month is no counter");
    }

    #[test]
    fn a_cubic_metre_is_gas_water_or_a_volume() {
        let metre = Some(Unit::CubicMetre);
        let gas = class("0-1:24.2.1", metre, 0, Some(Medium::Gas));
        assert_eq!((gas.device_class, gas.state_class), (Some("gas"), Some("total")));
        assert_eq!(class("0-2:24.2.1", metre, 0, Some(Medium::Water)).device_class, Some("water"));
        assert_eq!(class("6-0:2.0.0", metre, 0, Some(Medium::Heat)).device_class, Some("volume"));
        assert_eq!(class("0-1:24.2.1", metre, 0, None).unit, Some("m\u{b3}"));
    }

    #[test]
    fn a_difference_of_temperatures_is_no_temperature() {
        let difference = class("6-0:12.0.0", Some(Unit::Kelvin), 0, Some(Medium::Heat));
        assert_eq!((difference.device_class, difference.unit), (None, Some("K")));
    }

    #[test]
    fn a_bare_number_has_no_unit_and_a_power_factor_its_class() {
        let factor = class("1-0:13.7.0", None, 0, None);
        assert_eq!((factor.device_class, factor.unit), (Some("power_factor"), None));
        assert_eq!(class("1-0:96.5.0", None, 0, None).state_class, None, "a status word is no measurement");
    }

    #[test]
    fn a_prefix_that_home_assistant_does_not_know_takes_the_class_away() {
        let current = class("1-0:31.7.0", Some(Unit::Ampere), 3, None);
        assert_eq!(current, Class { diagnostic: true, ..Class::default() });
    }
}
