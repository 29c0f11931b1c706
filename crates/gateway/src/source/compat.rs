//! What other gateways read of this one: the answer of an SMGW.Lite device at `/showLastMeterValue`.
//!
//! Answers go out with the header [`super::loop_guard::HEADER`] and the way of the value.
use crate::sink::Sample;
use metergate_reading::{Number, ObisCode, Trust, Unit};
use metergate_series::smgw_lite::{centidegrees, tenths_of_wh};
use serde::Serialize;
use std::time::Duration;

/// What `last_byte_age_s` says when no byte has ever come.
const NEVER: u64 = 9999;

/// How the push to a backend is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Push {
    /// Time since the last push; `None`: there was none.
    pub since: Option<Duration>,
    /// The last one reached the backend.
    pub ok: bool,
}

#[derive(Serialize)]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    meter_value_180: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meter_value_280: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    power_import: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    power_export: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    net_power: Option<i64>,
    last_byte_age_s: u64,
    wifi_connected: bool,
    backend_called: bool,
    backend_ok: bool,
    backend_ago_min: u64,
}

/// The JSON of the latest reading of a meter; `byte_age`: time since its last byte, `None` when none has come.
///
/// What the meter does not send is left out, where a device would write 0; so is a counter that does not fit 32 bits of
/// 0.1 Wh. Digits finer than the format's are cut off, as devices do.
///
/// ```
/// use metergate_gateway::source::compat::{Push, show_last_meter_value};
///
/// let text = show_last_meter_value(None, None, Push::default());
/// assert!(text.starts_with(r#"{"last_byte_age_s":9999,"#), "nothing is known, and nothing is 0: {text}");
/// ```
#[must_use]
pub fn show_last_meter_value(sample: Option<&Sample>, byte_age: Option<Duration>, push: Push) -> String {
    let counter = |c| {
        value(sample, [1, c, 8, 0], Unit::WattHour)
            .and_then(|number| tenths_of_wh(number, Some(Unit::WattHour)).ok())
    };
    let power = |c| value(sample, [1, c, 7, 0], Unit::Watt).and_then(whole);
    let temperature = value(sample, [0, 96, 9, 0], Unit::Celsius);
    let dated = sample.filter(|sample| sample.at.trust != Trust::None);
    let shown = Shown {
        meter_value_180: counter(1),
        timestamp: dated.map(|sample| sample.at.unix_ms.div_euclid(1000)),
        temperature: temperature.and_then(|number| centidegrees(number, Some(Unit::Celsius)).ok()),
        meter_value_280: counter(2),
        power_import: power(1),
        power_export: power(2),
        net_power: power(16),
        // 9999 has a meaning of its own.
        last_byte_age_s: byte_age.map_or(NEVER, |age| age.as_secs().min(NEVER - 1)),
        // Whoever reads this has reached us.
        wifi_connected: true,
        backend_called: push.since.is_some(),
        backend_ok: push.ok,
        backend_ago_min: push.since.map_or(0, |since| since.as_secs() / 60),
    };
    // Numbers and names can always be written.
    serde_json::to_string(&shown).unwrap_or_default()
}

/// The first register A-b:C.D.E of any channel, in its base unit.
fn value(sample: Option<&Sample>, group: [u8; 4], unit: Unit) -> Option<Number> {
    let is_it = |code: ObisCode| {
        let [a, _, c, d, e, f] = code.bytes();
        [a, c, d, e] == group && f == 255
    };
    let point = sample?.points.iter().find(|point| point.register.obis().is_some_and(is_it))?;
    if point.unit == Some(unit) { point.base_number() } else { None }
}

/// The whole part, cut off towards zero.
fn whole(number: Number) -> Option<i64> {
    if number.exponent() >= 0 {
        return number.at_exponent(0);
    }
    let factor = 10_i64.checked_pow(u32::from(number.exponent().unsigned_abs()));
    // More decimals than any mantissa has digits leave nothing.
    Some(factor.map_or(0, |factor| number.mantissa() / factor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Point;
    use crate::store::RowFlags;
    use metergate_reading::Instant;

    fn sample(points: &[(&str, i64, i8, Unit)]) -> Sample {
        let point = |&(code, mantissa, exponent, unit): &(&str, i64, i8, Unit)| Point {
            register: code.parse().unwrap(),
            name: None,
            number: Number::new(mantissa, exponent),
            unit: Some(unit),
            prefix: 0,
            derived: false,
        };
        Sample {
            meter: "haus".into(),
            seq: 1,
            at: Instant { unix_ms: 1_775_986_800_999, trust: Trust::HostSynchronised },
            meter_clock_s: None,
            flags: RowFlags::default(),
            points: points.iter().map(point).collect(),
        }
    }

    #[test]
    fn row_19_the_answer_has_the_keys_and_scales_of_a_device() {
        let sample = sample(&[
            ("1-0:1.8.0", 16_777_217, 0, Unit::WattHour),
            ("1-0:2.8.0", 2_569, -2, Unit::WattHour),
            ("1-0:16.7.0", -1_209, -1, Unit::Watt),
            ("0-0:96.9.0", -55, -1, Unit::Celsius),
        ]);
        let push = Push { since: Some(Duration::from_secs(179)), ok: true };
        assert_eq!(
            show_last_meter_value(Some(&sample), Some(Duration::from_millis(1_900)), push),
            concat!(
                r#"{"meter_value_180":167772170,"timestamp":1775986800,"temperature":-550,"meter_value_280":256,"#,
                r#""net_power":-120,"last_byte_age_s":1,"wifi_connected":true,"backend_called":true,"#,
                r#""backend_ok":true,"backend_ago_min":2}"#
            )
        );
    }

    #[test]
    fn what_does_not_fit_or_has_no_time_is_left_out() {
        let mut sample = sample(&[
            ("1-0:1.8.0", 4_294_967_296, -1, Unit::WattHour),
            ("1-0:2.8.0", 1, 0, Unit::VarHour),
            ("1-0:1.7.0", i64::MAX, 3, Unit::Watt),
            ("1-0:2.7.0", i64::MAX, -128, Unit::Watt),
        ]);
        sample.at.trust = Trust::None;
        let text = show_last_meter_value(Some(&sample), Some(Duration::from_secs(100_000)), Push::default());
        assert!(text.starts_with(r#"{"power_export":0,"last_byte_age_s":9998,"#), "{text}");
    }
}
