//! Documents in the shape of uP_SmartMeter_MQTT: a list of properties, each with its name, value and last change.
use super::json::{Exact, Time, bytes};
use crate::sink::{Point, Sample};
use metergate_reading::{Instant, MeterId, Number, ObisStyle};
use serde::Serialize;
use std::collections::HashMap;

/// Registers whose changes are remembered; beyond that each value counts as changed now.
const REMEMBERED_MAX: usize = 4096;

/// When each value of a meter has changed last.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<String, (Number, Instant)>);

#[derive(Serialize)]
struct Document<'a> {
    device_id: &'a str,
    timestamp: Option<String>,
    properties: Vec<Property<'a>>,
}

#[derive(Serialize)]
struct Property<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    value: Value,
    last_changed: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    Number(Exact),
    Text(String),
}

/// A reading: the meter's identity first, then `1.8.0_Wh` and the like.
pub(super) fn reading(sample: &Sample, id: Option<MeterId>, changes: &mut Changes) -> Vec<u8> {
    let timestamp = Time(sample.at).text();
    let names: Vec<String> = sample.points.iter().map(name).collect();
    let mut properties = Vec::with_capacity(names.len() + 1);
    if let Some(id) = id {
        let value = Value::Text(id.to_string());
        properties.push(Property { name: "devid", unit: None, value, last_changed: timestamp.clone() });
    }
    for (point, name) in sample.points.iter().zip(&names) {
        let changed = changes.last(name, point.number, sample.at);
        let value = Value::Number(Exact(point.number));
        properties.push(Property { name, unit: None, value, last_changed: Time(changed).text() });
    }
    bytes(&Document { device_id: &sample.meter, timestamp, properties })
}

/// What stands there while the meter cannot be read.
pub(super) fn error(meter: &str, at: Instant) -> Vec<u8> {
    let timestamp = Time(at).text();
    let value = Value::Number(Exact(Number::new(0, 0)));
    let error = Property { name: "error", unit: Some("error"), value, last_changed: timestamp.clone() };
    bytes(&Document { device_id: meter, timestamp, properties: vec![error] })
}

impl Changes {
    fn last(&mut self, name: &str, number: Number, at: Instant) -> Instant {
        match self.0.get_mut(name) {
            Some((before, changed)) if before.same_value(number) => *changed,
            Some(known) => {
                *known = (number, at);
                at
            }
            None => {
                if self.0.len() < REMEMBERED_MAX {
                    self.0.insert(name.to_owned(), (number, at));
                }
                at
            }
        }
    }
}

/// `1.8.0_Wh` for electricity, the full code for everything else: there may be several channels.
fn name(point: &Point) -> String {
    let code = point.register.obis();
    let register = match (&point.name, code.map(metergate_reading::ObisCode::bytes), code) {
        (Some(name), ..) => return name.to_string(),
        (None, Some([1, ..]), Some(code)) => code.text(ObisStyle::Reduced).to_string(),
        (None, _, Some(code)) => code.text(ObisStyle::Short).to_string(),
        (None, ..) => point.register.to_string(),
    };
    if point.unit.is_some() { format!("{register}_{}", point.unit_text()) } else { register }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RowFlags;
    use metergate_reading::{Trust, Unit};

    fn sample(second: i64, numbers: [&str; 2]) -> Sample {
        let point = |register: &str, number: &str, unit| Point {
            register: register.parse().unwrap(),
            name: None,
            number: number.parse().unwrap(),
            unit: Some(unit),
            prefix: 0,
            derived: false,
        };
        Sample {
            meter: "haus".into(),
            seq: 1,
            at: at(second),
            meter_clock_s: None,
            flags: RowFlags::default(),
            points: vec![
                point("1-0:1.8.0", numbers[0], Unit::WattHour),
                point("1-0:16.7.0", numbers[1], Unit::Watt),
            ],
        }
    }

    fn at(second: i64) -> Instant {
        Instant { unix_ms: 1_692_199_171_250 + second * 1000, trust: Trust::HostSynchronised }
    }

    #[test]
    fn row_37_a_reading_has_the_shape_that_readers_of_the_reference_system_expect() {
        let mut changes = Changes::default();
        let id = MeterId::serial("1ESY11 61426155");
        let first = reading(&sample(0, ["35204.0842", "319.08"]), id, &mut changes);
        assert_eq!(
            String::from_utf8(first).unwrap(),
            concat!(
                r#"{"device_id":"haus","timestamp":"2023-08-16T15:19:31.250Z","properties":["#,
                r#"{"name":"devid","value":"1ESY11 61426155","last_changed":"2023-08-16T15:19:31.250Z"},"#,
                r#"{"name":"1.8.0_Wh","value":35204.0842,"last_changed":"2023-08-16T15:19:31.250Z"},"#,
                r#"{"name":"16.7.0_W","value":319.08,"last_changed":"2023-08-16T15:19:31.250Z"}]}"#
            )
        );
        let second = reading(&sample(2, ["35204.0842", "-148"]), None, &mut changes);
        assert_eq!(
            String::from_utf8(second).unwrap(),
            concat!(
                r#"{"device_id":"haus","timestamp":"2023-08-16T15:19:33.250Z","properties":["#,
                r#"{"name":"1.8.0_Wh","value":35204.0842,"last_changed":"2023-08-16T15:19:31.250Z"},"#,
                r#"{"name":"16.7.0_W","value":-148,"last_changed":"2023-08-16T15:19:33.250Z"}]}"#
            ),
            "a value that stands still keeps the time of its last change"
        );
    }

    #[test]
    fn row_37_a_meter_that_cannot_be_read_has_one_property_called_error() {
        assert_eq!(
            String::from_utf8(error("haus", at(0))).unwrap(),
            concat!(
                r#"{"device_id":"haus","timestamp":"2023-08-16T15:19:31.250Z","properties":["#,
                r#"{"name":"error","unit":"error","value":0,"last_changed":"2023-08-16T15:19:31.250Z"}]}"#
            )
        );
    }
}
