//! What metrics are called, in the words of esp-smartmeter-netznoe or by OBIS code.
use super::Metric;
use crate::config::{GraphiteNames, GraphiteSetup};
use crate::sink::sample::{Entry, Point, Sample};
use metergate_reading::{Number, ObisCode, ObisStyle, Unit};

/// How the metrics of a sink are called.
pub(super) struct Names<'a> {
    pub(super) names: GraphiteNames,
    pub(super) prefix: &'a str,
    /// The meter's name stands in each.
    pub(super) with_meter: bool,
}

/// The quantities of esp-smartmeter-netznoe: groups C and D of the code, with any E, and the name.
const NETZ_NOE: [(u8, u8, &str); 11] = [
    (1, 7, "momentanleistung.plus"),
    (2, 7, "momentanleistung.minus"),
    (1, 8, "wirkenergie.plus"),
    (2, 8, "wirkenergie.minus"),
    (32, 7, "spannung.L1"),
    (52, 7, "spannung.L2"),
    (72, 7, "spannung.L3"),
    (31, 7, "strom.L1"),
    (51, 7, "strom.L2"),
    (71, 7, "strom.L3"),
    (13, 7, "cosphi"),
];

/// What is measured beside the meter, and what it is called.
const DATA: [&str; 3] = ["rssi", "pcb_t", "pcb_rh"];

impl Names<'_> {
    /// The metrics of a reading; none for an event.
    pub(super) fn metrics(&self, entry: &Entry) -> Vec<Metric> {
        let Some(sample) = entry.sample() else { return Vec::new() };
        let case = match entry {
            Entry::Measured { case, .. } => Some(case.code()),
            _ => None,
        };
        let unix_s = sample.at.unix_ms.div_euclid(1000);
        let labelled = sample.labelled();
        let metric = |(label, point): (String, &Point)| {
            let (name, value) = match self.names {
                GraphiteNames::NetzNoe => self.netz_noe(sample, point)?,
                GraphiteNames::Obis => (self.obis(sample, case, &label, point), point.number),
            };
            Some(Metric { name, value, unix_s })
        };
        labelled.into_iter().filter_map(metric).collect()
    }

    /// The name that the reference system has for it, if it has one.
    fn netz_noe(&self, sample: &Sample, point: &Point) -> Option<(String, Number)> {
        let renamed = point.name.as_deref().filter(|name| DATA.contains(name));
        let name = match (renamed, point.register.obis().map(ObisCode::bytes)) {
            (Some(name), _) => format!("data.{name}"),
            (None, Some([1, _, c, d, 0, 255])) => {
                let (_, _, name) = NETZ_NOE.iter().find(|row| (row.0, row.1) == (c, d))?;
                (*name).to_owned()
            }
            // Sensors beside the meter: its own temperatures have codes of their own.
            (None, None | Some([0, ..])) => match point.unit? {
                Unit::Celsius => "data.pcb_t".to_owned(),
                Unit::Percent => "data.pcb_rh".to_owned(),
                _ => return None,
            },
            (None, Some(_)) => return None,
        };
        let value = if name == "cosphi" { three_decimals(point.number) } else { point.number };
        let meter = if self.with_meter { format!("{}.", node(&sample.meter)) } else { String::new() };
        Some((format!("{}smartmeter.{meter}{name}", self.prefix), value))
    }

    fn obis(&self, sample: &Sample, case: Option<&str>, label: &str, point: &Point) -> String {
        let case = case.map(|case| format!("{case}.")).unwrap_or_default();
        let name = match (&point.name, point.register.obis()) {
            // Dots that a person has chosen make a branch of the tree.
            (Some(name), _) => name.split('.').map(node).collect::<Vec<_>>().join("."),
            (None, Some(code)) if !label.contains('#') => code.text(ObisStyle::Id).to_string(),
            (None, _) => node(label),
        };
        format!("{}metergate.{}.{case}{name}", self.prefix, node(&sample.meter))
    }
}

/// The name of something that the sink measures of itself, where the names have one for it.
pub(super) fn own(setup: &GraphiteSetup, name: &str) -> Option<String> {
    match setup.names {
        GraphiteNames::NetzNoe => Some(format!("{}smartmeter.data.{name}", setup.prefix)),
        GraphiteNames::Obis => None,
    }
}

/// One node of a name: a dot would begin another, a space the value, and `*`, `?` and braces are of queries.
fn node(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    text.chars().map(plain).collect()
}

/// The number with three decimals, rounded half away from zero.
fn three_decimals(number: Number) -> Number {
    if let Some(exact) = number.at_exponent(-3) {
        return Number::new(exact, -3);
    }
    let drop = u32::try_from(-3 - i32::from(number.exponent())).unwrap_or_default();
    let Some(unit) = 10i64.checked_pow(drop).filter(|unit| *unit > 1) else {
        // So small that nothing is left, or so large that there are no decimals to drop.
        return if drop > 0 { Number::new(0, -3) } else { number };
    };
    let (whole, rest) = (number.mantissa() / unit, number.mantissa() % unit);
    let away = if rest.unsigned_abs() >= unit.unsigned_abs() / 2 { number.mantissa().signum() } else { 0 };
    Number::new(whole + away, -3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::sample::made::sample;
    use crate::store::{Mark, Quality, UseCase};

    fn lines(names: &Names<'_>, entry: &Entry) -> Vec<String> {
        let metrics = names.metrics(entry);
        metrics.iter().map(|metric| format!("{} {} {}", metric.name, metric.value, metric.unix_s)).collect()
    }

    #[test]
    fn row_40_names_and_decimals_are_those_of_the_reference_system() {
        let names = Names { names: GraphiteNames::NetzNoe, prefix: "", with_meter: false };
        let mut reading = sample(
            1,
            0,
            &[
                ("1-0:1.7.0", "327 W"),
                ("1-0:2.7.0", "0 W"),
                ("1-0:1.8.0", "12937 Wh"),
                ("1-0:2.8.0", "0 Wh"),
                ("1-0:32.7.0", "233.7 V"),
                ("1-0:52.7.0", "0.0 V"),
                ("1-0:72.7.0", "236.5 V"),
                ("1-0:31.7.0", "1.18 A"),
                ("1-0:51.7.0", "0.94 A"),
                ("1-0:71.7.0", "0.85 A"),
                ("1-0:13.7.0", "0.8194"),
                ("text:temperature", "-5.5 degC"),
                ("text:humidity", "48.25 %"),
                ("text:signal", "-61"),
                ("1-0:14.7.0", "50 Hz"),
                ("1-0:1.8.1", "7 Wh"),
            ],
        );
        reading.points[13].name = Some("rssi".into());
        let expected = [
            "smartmeter.momentanleistung.plus 327 1692199171",
            "smartmeter.momentanleistung.minus 0 1692199171",
            "smartmeter.wirkenergie.plus 12937 1692199171",
            "smartmeter.wirkenergie.minus 0 1692199171",
            "smartmeter.spannung.L1 233.7 1692199171",
            "smartmeter.spannung.L2 0.0 1692199171",
            "smartmeter.spannung.L3 236.5 1692199171",
            "smartmeter.strom.L1 1.18 1692199171",
            "smartmeter.strom.L2 0.94 1692199171",
            "smartmeter.strom.L3 0.85 1692199171",
            "smartmeter.cosphi 0.819 1692199171",
            "smartmeter.data.pcb_t -5.5 1692199171",
            "smartmeter.data.pcb_rh 48.25 1692199171",
            "smartmeter.data.rssi -61 1692199171",
        ];
        assert_eq!(lines(&names, &Entry::Reading(reading.clone())), expected, "nothing has another name");
        let test = Names { prefix: "test.", with_meter: true, ..names };
        assert_eq!(
            lines(&test, &Entry::Reading(reading))[0],
            "test.smartmeter.haus.momentanleistung.plus 327 1692199171"
        );
    }

    #[test]
    fn the_power_factor_has_three_decimals_rounded_exactly() {
        for (text, expected) in [
            ("0.8194", "0.819"),
            ("0.8195", "0.820"),
            ("-0.8195", "-0.820"),
            ("1", "1.000"),
            ("0.9", "0.900"),
            ("0.00049999999999999999", "0.000"),
            ("-0.309", "-0.309"),
        ] {
            let number: Number = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(three_decimals(number).to_string(), expected);
        }
        assert_eq!(three_decimals(Number::new(i64::MAX, -128)).to_string(), "0.000");
        assert_eq!(three_decimals(Number::new(i64::MAX, 5)), Number::new(i64::MAX, 5));
    }

    #[test]
    fn by_code_each_meter_is_a_branch_and_no_dot_makes_another() {
        let names = Names { names: GraphiteNames::Obis, prefix: "home.", with_meter: false };
        let mut reading = sample(
            1,
            0,
            &[("1-0:1.8.0", "1 Wh"), ("0-1:24.2.1#2", "1 m3"), ("text:C 1.0", "1"), ("1-0:16.7.0", "5 W")],
        );
        reading.meter = "1ESY11 61.426".into();
        reading.points[3].name = Some("power.net now".into());
        let found: Vec<String> =
            names.metrics(&Entry::Reading(reading)).into_iter().map(|metric| metric.name).collect();
        assert_eq!(
            found,
            [
                "home.metergate.1ESY11_61_426.1-0_1-8-0",
                "home.metergate.1ESY11_61_426.0-1_24_2_1_2",
                "home.metergate.1ESY11_61_426.text_C_1_0",
                "home.metergate.1ESY11_61_426.power.net_now",
            ]
        );
        let measured = Entry::Measured {
            case: UseCase::Taf7LoadProfile,
            mark: Mark::from_unix_s(1_692_198_900),
            quality: Quality::Exact,
            clock_doubtful: false,
            sample: sample(1, 0, &[("1-0:1.8.0", "1 Wh")]),
        };
        assert_eq!(names.metrics(&measured)[0].name, "home.metergate.haus.taf7.1-0_1-8-0");
    }
}
