//! Which metric a register is: its name, unit, labels and value.
//!
//! The only place of the sink where numbers become binary fractions: Prometheus has no other numbers.
use crate::config::UnitStyle;
use crate::sink::sample::Point;
use metergate_reading::{Number, ObisCode, ObisStyle, Unit};

/// A family of metrics. Families are on the page in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Family {
    /// Without unit and `_total`.
    pub(super) name: &'static str,
    /// In words, empty for a bare number.
    pub(super) unit: &'static str,
    /// It only goes up, over exchanges of the meter too.
    pub(super) is_counter: bool,
    /// What it is.
    pub(super) help: &'static str,
}

/// One number of a family.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) family: Family,
    /// Beside the meter's name.
    pub(super) labels: Vec<(&'static str, String)>,
    // Float: the format has no other numbers.
    pub(super) value: f64,
}

/// What a register measures (IEC 62056-6-1, groups A, C and D).
struct Meaning {
    name: &'static str,
    help: &'static str,
    is_counter: bool,
    direction: &'static str,
    phase: &'static str,
}

/// The one quantity without a unit that has a name.
const POWER_FACTOR: &str = "metergate_power_factor";

/// The metric of a number; `None` for one of a past billing period, and for one that no binary fraction holds.
pub(super) fn series(point: &Point, style: UnitStyle) -> Option<Series> {
    let code = point.register.obis();
    if code.is_some_and(|code| code.bytes()[5] != 255) {
        return None;
    }
    let meaning = code.and_then(|code| meaning(code, point.unit)).unwrap_or(Meaning {
        name: "metergate_register",
        help: "Registers without a metric of their own",
        is_counter: false,
        direction: "",
        phase: "",
    });
    let (unit, scale) = match point.unit {
        Some(unit) => in_style(unit, style),
        None if meaning.name == POWER_FACTOR => ("ratio", Scale::ONE),
        None => ("", Scale::ONE),
    };
    let mut labels = vec![("obis", register_label(point))];
    for (label, value) in [("direction", meaning.direction), ("phase", meaning.phase)] {
        if !value.is_empty() {
            labels.push((label, value.to_owned()));
        }
    }
    if let Some(code) = code.filter(|_| meaning.is_counter) {
        let tariff = code.bytes()[4];
        labels.push(("tariff", if tariff == 0 { "all".to_owned() } else { tariff.to_string() }));
    }
    if let Some(name) = &point.name {
        labels.push(("name", name.to_string()));
    }
    let family = Family { name: meaning.name, unit, is_counter: meaning.is_counter, help: meaning.help };
    Some(Series { family, labels, value: scale.apply(point.base_number()?)? })
}

/// The register without the usual end, also of one that was renamed.
fn register_label(point: &Point) -> String {
    let full = point.register.to_string();
    match (point.register.obis(), full.split_once('#')) {
        (Some(code), None) => code.text(ObisStyle::Short).to_string(),
        (Some(code), Some((_, nth))) => format!("{}#{nth}", code.text(ObisStyle::Short)),
        (None, _) => full,
    }
}

fn meaning(code: ObisCode, unit: Option<Unit>) -> Option<Meaning> {
    let [a, _, c, d, _, _] = code.bytes();
    match a {
        1 => of_electricity(c, d, unit),
        _ => of_others(a, unit?),
    }
}

/// Twenty quantities for all phases together, and the same again for each.
fn of_electricity(c: u8, d: u8, unit: Option<Unit>) -> Option<Meaning> {
    let (quantity, phase) = match c {
        1..=20 => (c, ""),
        21..=40 => (c - 20, "L1"),
        41..=60 => (c - 40, "L2"),
        61..=80 => (c - 60, "L3"),
        91 => (11, "N"),
        _ => return None,
    };
    let direction = match quantity {
        1 | 3 | 9 => "import",
        2 | 4 | 10 => "export",
        5 => "q1",
        6 => "q2",
        7 => "q3",
        8 => "q4",
        15 => "absolute",
        16 => "net",
        _ => "",
    };
    let (name, help, is_counter) = match (quantity, d, unit) {
        (1 | 2 | 15 | 16, 8, Some(Unit::WattHour)) => ("metergate_energy", "Active energy", true),
        (3..=8, 8, Some(Unit::VarHour)) => ("metergate_reactive_energy", "Reactive energy", true),
        (9 | 10, 8, Some(Unit::VoltAmpereHour)) => ("metergate_apparent_energy", "Apparent energy", true),
        (1 | 2 | 15 | 16, 7, Some(Unit::Watt)) => ("metergate_power", "Active power", false),
        (3..=8, 7, Some(Unit::Var)) => ("metergate_reactive_power", "Reactive power", false),
        (9 | 10, 7, Some(Unit::VoltAmpere)) => ("metergate_apparent_power", "Apparent power", false),
        (11, 7, Some(Unit::Ampere)) => ("metergate_current", "Current", false),
        (12, 7, Some(Unit::Volt)) => ("metergate_voltage", "Voltage", false),
        (13, 7, None) => (POWER_FACTOR, "Power factor", false),
        (14, 7, Some(Unit::Hertz)) => ("metergate_frequency", "Frequency of the supply", false),
        _ => return None,
    };
    // The sum of both directions goes down when energy is fed in.
    let is_counter = is_counter && quantity != 16;
    let name = if quantity == 16 && name == "metergate_energy" { "metergate_net_energy" } else { name };
    Some(Meaning { name, help, is_counter, direction, phase })
}

/// Gas, water and heat, and sensors.
fn of_others(a: u8, unit: Unit) -> Option<Meaning> {
    let (name, help, is_counter) = match (a, unit) {
        (5, Unit::WattHour | Unit::Joule) => ("metergate_cooling_energy", "Energy of cooling", true),
        (6, Unit::WattHour | Unit::Joule) => ("metergate_heat_energy", "Energy of heating", true),
        (_, Unit::CubicMetre | Unit::Litre) => {
            ("metergate_volume", "Volume of gas, water or heat carrier", true)
        }
        (_, Unit::CubicMetrePerHour | Unit::LitrePerHour) => ("metergate_volume_flow", "Flow", false),
        (_, Unit::Celsius) => ("metergate_temperature", "Temperature", false),
        _ => return None,
    };
    Some(Meaning { name, help, is_counter, direction: "", phase: "" })
}

/// By what a number is multiplied: `times` x 10^`power` / `by`.
#[derive(Debug, Clone, Copy)]
struct Scale {
    times: i64,
    power: i8,
    by: u16,
}

impl Scale {
    const ONE: Self = Self { times: 1, power: 0, by: 1 };

    // Float: the format has no other numbers.
    fn apply(self, number: Number) -> Option<f64> {
        // Exact as long as the product fits, so that the one rounding is the last step.
        let product = number.mantissa().checked_mul(self.times);
        let (number, rest) =
            match product.and_then(|product| Number::with_exponent(product, number.exponent())) {
                Some(product) => (product, 1),
                None => (number, self.times),
            };
        let value = number.scaled(self.power)?.to_string().parse::<f64>().ok()?;
        // `times` is 86400 at most, which every binary fraction holds.
        let value = value * f64::from(i32::try_from(rest).ok()?) / f64::from(self.by);
        value.is_finite().then_some(value)
    }
}

/// The unit in words and what makes it of the unit of the meter.
fn in_style(unit: Unit, style: UnitStyle) -> (&'static str, Scale) {
    let times = |times| Scale { times, ..Scale::ONE };
    let power = |power| Scale { power, ..Scale::ONE };
    if style == UnitStyle::Base {
        match unit {
            Unit::WattHour => return ("joules", times(3600)),
            Unit::VarHour => return ("var_seconds", times(3600)),
            Unit::VoltAmpereHour => return ("voltampere_seconds", times(3600)),
            Unit::AmpereHour => return ("coulombs", times(3600)),
            Unit::Percent => return ("ratio", power(-2)),
            Unit::Litre => return ("cubic_meters", power(-3)),
            Unit::CubicMetrePerHour => return ("cubic_meters_per_second", Scale { by: 3600, ..Scale::ONE }),
            Unit::LitrePerHour => {
                return ("cubic_meters_per_second", Scale { power: -3, by: 3600, ..Scale::ONE });
            }
            Unit::Bar => return ("pascals", power(5)),
            Unit::Minute => return ("seconds", times(60)),
            Unit::Hour => return ("seconds", times(3600)),
            Unit::Day => return ("seconds", times(86_400)),
            _ => {}
        }
    }
    let word = match unit {
        Unit::WattHour => "watt_hours",
        Unit::VarHour => "var_hours",
        Unit::VoltAmpereHour => "voltampere_hours",
        Unit::AmpereHour => "ampere_hours",
        Unit::Watt => "watts",
        Unit::Var => "vars",
        Unit::VoltAmpere => "voltamperes",
        Unit::Volt => "volts",
        Unit::Ampere => "amperes",
        Unit::Hertz => "hertz",
        Unit::Degree => "degrees",
        Unit::Percent => "percent",
        Unit::CubicMetre => "cubic_meters",
        Unit::CubicMetrePerHour => "cubic_meters_per_hour",
        Unit::Litre => "liters",
        Unit::LitrePerHour => "liters_per_hour",
        Unit::Kilogram => "kilograms",
        Unit::Celsius => "celsius",
        Unit::Kelvin => "kelvin",
        Unit::Joule => "joules",
        Unit::Bar => "bars",
        Unit::Pascal => "pascals",
        Unit::Second => "seconds",
        Unit::Minute => "minutes",
        Unit::Hour => "hours",
        Unit::Day => "days",
        // Units that hardly anybody meets keep their number and say in `obis` what they are.
        _ => "",
    };
    (word, Scale::ONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::sample::made::sample;

    /// The metric of a register in one line.
    fn shown(code: &str, value: &str, style: UnitStyle) -> String {
        let sample = sample(1, 0, &[(code, value)]);
        let Some(Series { family, labels, value }) = series(&sample.points[0], style) else {
            return "none".to_owned();
        };
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        let total = if family.is_counter { "_total" } else { "" };
        format!("{}_{}{total} {} {value}", family.name, family.unit, labels.join(","))
    }

    #[test]
    fn registers_become_metrics_in_base_units_or_in_those_of_the_meter() {
        for (code, value, base, meter) in [
            (
                "1-0:1.8.0",
                "35204.0842 Wh",
                "metergate_energy_joules_total obis=1-0:1.8.0,direction=import,tariff=all 126734703.12",
                "metergate_energy_watt_hours_total obis=1-0:1.8.0,direction=import,tariff=all 35204.0842",
            ),
            (
                "1-0:2.8.2",
                "429.4967296 kWh",
                "metergate_energy_joules_total obis=1-0:2.8.2,direction=export,tariff=2 1546188226.56",
                "metergate_energy_watt_hours_total obis=1-0:2.8.2,direction=export,tariff=2 429496.7296",
            ),
            (
                "1-0:16.7.0",
                "-148 W",
                "metergate_power_watts obis=1-0:16.7.0,direction=net -148",
                "metergate_power_watts obis=1-0:16.7.0,direction=net -148",
            ),
            (
                "1-0:56.7.0",
                "254.68 W",
                "metergate_power_watts obis=1-0:56.7.0,direction=net,phase=L2 254.68",
                "metergate_power_watts obis=1-0:56.7.0,direction=net,phase=L2 254.68",
            ),
            (
                "1-0:72.7.0",
                "236.5 V",
                "metergate_voltage_volts obis=1-0:72.7.0,phase=L3 236.5",
                "metergate_voltage_volts obis=1-0:72.7.0,phase=L3 236.5",
            ),
            (
                "6-0:1.0.0",
                "12.5 GJ",
                "metergate_heat_energy_joules_total obis=6-0:1.0.0,tariff=all 12500000000",
                "metergate_heat_energy_joules_total obis=6-0:1.0.0,tariff=all 12500000000",
            ),
            (
                "0-1:24.2.1#2",
                "12785.123 m3",
                "metergate_volume_cubic_meters_total obis=0-1:24.2.1#2,tariff=1 12785.123",
                "metergate_volume_cubic_meters_total obis=0-1:24.2.1#2,tariff=1 12785.123",
            ),
            (
                "1-0:16.8.0",
                "-5 Wh",
                "metergate_net_energy_joules obis=1-0:16.8.0,direction=net -18000",
                "metergate_net_energy_watt_hours obis=1-0:16.8.0,direction=net -5",
            ),
            (
                "text:humidity",
                "48.25 %",
                "metergate_register_ratio obis=text:humidity 0.4825",
                "metergate_register_percent obis=text:humidity 48.25",
            ),
            (
                "1-0:13.7.0",
                "0.819",
                "metergate_power_factor_ratio obis=1-0:13.7.0 0.819",
                "metergate_power_factor_ratio obis=1-0:13.7.0 0.819",
            ),
            ("kmp:60", "7", "metergate_register_ obis=kmp:60 7", "metergate_register_ obis=kmp:60 7"),
            ("1-0:1.8.0*1", "1 Wh", "none", "none"),
        ] {
            assert_eq!(shown(code, value, UnitStyle::Base), base);
            assert_eq!(shown(code, value, UnitStyle::Meter), meter);
        }
    }

    #[test]
    fn what_no_binary_fraction_holds_is_left_out() {
        let mut sample = sample(1, 0, &[("1-0:1.8.0", "1 Wh")]);
        sample.points[0].number = Number::with_exponent(i64::MAX, 500).unwrap();
        assert_eq!(series(&sample.points[0], UnitStyle::Base), None);
        sample.points[0].number = Number::new(i64::MAX, 0);
        let value = series(&sample.points[0], UnitStyle::Base).unwrap().value;
        assert!((value - 3.320_413_933_267_719_4e22).abs() < 1e7, "beyond 64 bits it is rounded: {value}");
    }
}
