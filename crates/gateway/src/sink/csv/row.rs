//! One line of the monthly file: from a reading to text, exactly.
use crate::sink::sample::Sample;
use metergate_reading::{DateTime, Number, ObisCode, Trust, Unit};

/// The columns, byte for byte as the tables and scripts of esp-smartmeter users expect them.
///
/// `ZU` is what is taken from the grid, `AB` what is given to it. `T`, `RH` and `RSSI` are temperature, humidity and
/// radio level of a device that had such sensors; without a source they stay empty.
pub(super) const HEADER: &str =
    "DATUM_ZEIT;U_L1;U_L2;U_L3;I_L1;I_L2;I_L3;COS(PHI);P_ZU;P_AB;E_ZU;E_AB;T;RH;RSSI";

/// Name of the optional last column.
pub(super) const UTC_COLUMN: &str = ";UTC";

/// How the lines of one file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) utc_column: bool,
    pub(super) decimal_comma: bool,
}

/// The month that a line belongs to, by its own first column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Month {
    pub(super) year: u16,
    pub(super) month: u8,
}

/// A line without its end, and its month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) month: Month,
    pub(super) text: String,
}

/// A column that is filled from a register: groups C, D and E of its code, decimals, unit.
struct Column {
    group: [u8; 3],
    decimals: u8,
    unit: Option<Unit>,
}

const fn column(group: [u8; 3], decimals: u8, unit: Option<Unit>) -> Column {
    Column { group, decimals, unit }
}

const VOLT: Option<Unit> = Some(Unit::Volt);
const AMPERE: Option<Unit> = Some(Unit::Ampere);
const WATT: Option<Unit> = Some(Unit::Watt);
const WATT_HOUR: Option<Unit> = Some(Unit::WattHour);

const P_ZU: usize = 7;
const P_AB: usize = 8;

/// From `U_L1` to `E_AB`.
const COLUMNS: [Column; 11] = [
    column([32, 7, 0], 1, VOLT),
    column([52, 7, 0], 1, VOLT),
    column([72, 7, 0], 1, VOLT),
    column([31, 7, 0], 2, AMPERE),
    column([51, 7, 0], 2, AMPERE),
    column([71, 7, 0], 2, AMPERE),
    column([13, 7, 0], 3, None),
    column([1, 7, 0], 1, WATT),
    column([2, 7, 0], 1, WATT),
    column([1, 8, 0], 0, WATT_HOUR),
    column([2, 8, 0], 0, WATT_HOUR),
];

/// The line of a sample in a time zone for meters that send no time; `None` when it holds nothing for any column, or
/// nobody knows what time it is.
pub(super) fn row(sample: &Sample, format: Format, zone: &jiff::tz::TimeZone) -> Option<Row> {
    let mut numbers = COLUMNS.map(|column| number(sample, &column));
    split_net_power(sample, &mut numbers);
    if numbers.iter().all(Option::is_none) {
        return None;
    }
    let local = local_time(sample, zone)?;
    let (date, time) = (local.date()?, local.time()?);
    let mut text = format!(
        "{:02}.{:02}.{:04} {:02}:{:02}:{:02}",
        date.day(),
        date.month(),
        date.year(),
        time.hour(),
        time.minute(),
        time.second()
    );
    for (number, column) in numbers.iter().zip(&COLUMNS) {
        text.push(';');
        if let Some(number) = number {
            let decimal = fixed(*number, column.decimals);
            text.push_str(&if format.decimal_comma { decimal.replace('.', ",") } else { decimal });
        }
    }
    // T, RH, RSSI.
    text.push_str(";;;");
    if format.utc_column {
        text.push(';');
        text.push_str(&utc(sample)?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
    Some(Row { month: Month { year: date.year(), month: date.month() }, text })
}

/// The first register of electricity (A = 1), any channel, current value (F = 255), whose unit fits.
fn number(sample: &Sample, column: &Column) -> Option<Number> {
    let fits = |obis: ObisCode| {
        let [a, _, c, d, e, f] = obis.bytes();
        a == 1 && f == 255 && [c, d, e] == column.group
    };
    let point =
        sample.points.iter().find(|point| !point.derived && point.register.obis().is_some_and(fits))?;
    let unit_fits = match column.unit {
        Some(unit) => point.unit == Some(unit),
        // A power factor is a bare number.
        None => point.unit.is_none(),
    };
    point.base_number().filter(|_| unit_fits)
}

/// Many meters send one signed power, 16.7.0, in place of two: it fills the column of its sign.
///
/// The other column stays empty. The meter did not send a 0 there.
fn split_net_power(sample: &Sample, numbers: &mut [Option<Number>; 11]) {
    if numbers[P_ZU].is_some() || numbers[P_AB].is_some() {
        return;
    }
    let Some(net) = number(sample, &column([16, 7, 0], 1, WATT)) else { return };
    match net.mantissa().checked_neg().filter(|_| net.mantissa() < 0) {
        Some(fed_in) => numbers[P_AB] = Number::with_exponent(fed_in, net.exponent()),
        None if net.mantissa() >= 0 => numbers[P_ZU] = Some(net),
        None => {}
    }
}

/// The meter's own local time, as sent; else the host's in the given zone.
fn local_time(sample: &Sample, zone: &jiff::tz::TimeZone) -> Option<DateTime> {
    let (unix_s, offset_s) = match sample.meter_clock_s {
        Some(unix_s) => (unix_s, i64::from(sample.flags.meter_offset_min()) * 60),
        None => {
            let received = received(sample)?;
            (received.as_second(), i64::from(zone.to_offset(received).seconds()))
        }
    };
    DateTime::from_unix_seconds(unix_s.checked_add(offset_s)?)
}

fn utc(sample: &Sample) -> Option<jiff::Timestamp> {
    match sample.meter_clock_s {
        Some(seconds) => jiff::Timestamp::from_second(seconds).ok(),
        None => received(sample),
    }
}

fn received(sample: &Sample) -> Option<jiff::Timestamp> {
    if sample.at.trust == Trust::None {
        return None;
    }
    jiff::Timestamp::from_millisecond(sample.at.unix_ms).ok()
}

/// The number with exactly so many decimals, rounded half away from zero as people do; without floating point.
fn fixed(number: Number, decimals: u8) -> String {
    let surplus = -i32::from(number.exponent()) - i32::from(decimals);
    let mantissa = i128::from(number.mantissa());
    // Units of the last decimal; an i64 has at most 19 digits.
    let (units, zeros) = match u32::try_from(surplus) {
        Ok(0) => (mantissa, 0),
        Ok(drop @ 1..=19) => {
            let unit = 10i128.pow(drop);
            let half = if mantissa < 0 { -unit / 2 } else { unit / 2 };
            ((mantissa + half) / unit, 0)
        }
        Ok(_) => (0, 0),
        Err(_) => (mantissa, if mantissa == 0 { 0 } else { surplus.unsigned_abs() as usize }),
    };
    let digits = format!("{}{}", units.unsigned_abs(), "0".repeat(zeros));
    let decimals = usize::from(decimals);
    let digits = format!("{digits:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let sign = if units < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::sample::Point;
    use crate::store::RowFlags;
    use metergate_reading::Instant;

    const COMMA: Format = Format { utc_column: false, decimal_comma: true };

    fn vienna() -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn register(code: &str, mantissa: i64, scaler: i8, unit: Option<Unit>) -> Point {
        Point {
            register: code.parse().unwrap(),
            name: None,
            number: Number::new(mantissa, scaler),
            unit,
            prefix: 0,
            derived: false,
        }
    }

    /// 2023-08-16 15:19:31 UTC.
    const RECEIVED: Instant = Instant { unix_ms: 1_692_199_171_000, trust: Trust::HostSynchronised };

    fn reading(meter_clock_s: Option<i64>, points: Vec<Point>) -> Sample {
        let flags = RowFlags::default().with_meter_offset(60);
        Sample { meter: "haus".into(), seq: 1, at: RECEIVED, meter_clock_s, flags, points }
    }

    /// 2022-02-04 16:43:20 +01:00.
    fn clock() -> i64 {
        1_643_989_400
    }

    /// The real telegram of a Kaifa MA309M as published with esp-smartmeter-netznoe.
    fn kaifa() -> Sample {
        reading(
            Some(clock()),
            vec![
                register("1-0:1.8.0", 1_340_436, 0, WATT_HOUR),
                register("1-0:2.8.0", 0, 0, WATT_HOUR),
                register("1-0:1.7.0", 1055, 0, WATT),
                register("1-0:2.7.0", 0, 0, WATT),
                register("1-0:32.7.0", 2345, -1, VOLT),
                register("1-0:52.7.0", 2334, -1, VOLT),
                register("1-0:72.7.0", 2337, -1, VOLT),
                register("1-0:31.7.0", 383, -2, AMPERE),
                register("1-0:51.7.0", 169, -2, AMPERE),
                register("1-0:71.7.0", 92, -2, AMPERE),
                register("1-0:13.7.0", 968, -3, None),
            ],
        )
    }

    #[test]
    fn the_line_is_what_the_reference_system_writes() {
        assert_eq!(
            row(&kaifa(), COMMA, &vienna()).unwrap().text,
            "04.02.2022 16:43:20;234,5;233,4;233,7;3,83;1,69;0,92;0,968;1055,0;0,0;1340436;0;;;"
        );
        let point = Format { decimal_comma: false, utc_column: true };
        assert_eq!(
            row(&kaifa(), point, &vienna()).unwrap().text,
            "04.02.2022 16:43:20;234.5;233.4;233.7;3.83;1.69;0.92;0.968;1055.0;0.0;1340436;0;;;;2022-02-04T15:43:20Z"
        );
        assert_eq!(HEADER.split(';').count(), 15);
    }

    #[test]
    fn what_the_meter_does_not_send_is_empty_and_never_0() {
        let one_phase = reading(Some(clock()), vec![register("1-0:1.8.0", 7, 3, WATT_HOUR)]);
        assert_eq!(row(&one_phase, COMMA, &vienna()).unwrap().text, "04.02.2022 16:43:20;;;;;;;;;;7000;;;;");
        assert_eq!(row(&reading(Some(clock()), Vec::new()), COMMA, &vienna()), None);
    }

    #[test]
    fn feed_in_fills_the_column_of_its_sign() {
        let net = |watts| reading(Some(clock()), vec![register("1-0:16.7.0", watts, -1, WATT)]);
        let text = |reading: &Sample| row(reading, COMMA, &vienna()).unwrap().text;
        assert_eq!(text(&net(-13_080)), "04.02.2022 16:43:20;;;;;;;;;1308,0;;;;;");
        assert_eq!(text(&net(5)), "04.02.2022 16:43:20;;;;;;;;0,5;;;;;;");
    }

    #[test]
    fn a_register_in_another_unit_or_of_the_past_is_not_taken() {
        let other = vec![
            register("1-0:1.8.0*1", 1, 0, WATT_HOUR),
            register("1-0:1.8.0", 1, 0, Some(Unit::VarHour)),
            register("6-0:1.8.0", 1, 0, WATT_HOUR),
        ];
        assert_eq!(row(&reading(Some(clock()), other), COMMA, &vienna()), None);
    }

    #[test]
    fn without_a_meter_clock_the_hosts_local_time_counts() {
        let silent = reading(None, vec![register("1-0:1.8.0", 1, 0, WATT_HOUR)]);
        let format = Format { utc_column: true, decimal_comma: true };
        assert_eq!(
            row(&silent, format, &vienna()).unwrap().text,
            "16.08.2023 17:19:31;;;;;;;;;;1;;;;;2023-08-16T15:19:31Z"
        );
        let nobody = Sample { at: Instant { trust: Trust::None, ..RECEIVED }, ..silent };
        assert_eq!(row(&nobody, format, &vienna()), None);
    }

    #[test]
    fn rounding_is_exact_and_half_goes_away_from_zero() {
        for (mantissa, exponent, decimals, text) in [
            (2345, -1, 1, "234.5"),
            (2345, -2, 1, "23.5"),
            (-2345, -2, 1, "-23.5"),
            (2344, -2, 1, "23.4"),
            (-4, -2, 1, "0.0"),
            (-5, -2, 1, "-0.1"),
            (-309, -3, 3, "-0.309"),
            (1, 3, 0, "1000"),
            (0, 3, 1, "0.0"),
            (4_294_967_296, -1, 0, "429496730"),
            (i64::MIN, -19, 3, "-0.922"),
            (i64::MAX, -20, 1, "0.1"),
            (i64::MAX, -120, 2, "0.00"),
            (i64::MIN, 1, 1, "-92233720368547758080.0"),
        ] {
            assert_eq!(fixed(Number::new(mantissa, exponent), decimals), text, "{mantissa}e{exponent}");
        }
    }

    #[test]
    fn a_register_without_a_code_or_that_nobody_sent_fills_no_column() {
        let mut bare = register("1-0:1.8.0", 1, 0, WATT_HOUR);
        bare.register = "position:3".parse().unwrap();
        let derived = Point { derived: true, ..register("1-0:1.7.0", 1, 0, WATT) };
        assert_eq!(row(&reading(Some(clock()), vec![bare, derived]), COMMA, &vienna()), None);
    }
}
