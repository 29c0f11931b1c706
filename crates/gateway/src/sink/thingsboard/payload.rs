//! What is published under `v1/gateway/`: who is there, what is known of it, and what it measures.
use crate::sink::sample::{Entry, Sample};
use crate::sink::telemetry::{object, quoted};
use crate::update::TelegramBuf;
use metergate_meter::verdict::Verdict;
use serde_json::{Map, Value, json};

pub(super) const CONNECT: &str = "v1/gateway/connect";
pub(super) const DISCONNECT: &str = "v1/gateway/disconnect";
pub(super) const ATTRIBUTES: &str = "v1/gateway/attributes";
pub(super) const TELEMETRY: &str = "v1/gateway/telemetry";

/// Longest telemetry in one message. ThingsBoard takes 65,536 bytes unless `NETTY_MAX_PAYLOAD_SIZE` says otherwise, and
/// ends the connection of who sends more.
const PAYLOAD_LEN_MAX: usize = 60_000;

/// Registers whose unit is told. A meter that invents names of registers must not fill a message.
const UNITS_MAX: usize = 500;

/// A device is there, or it is not any more.
pub(super) fn connect(device: &str, device_type: &str) -> Vec<u8> {
    json!({ "device": device, "type": device_type }).to_string().into_bytes()
}

/// A device is gone.
pub(super) fn disconnect(device: &str) -> Vec<u8> {
    json!({ "device": device }).to_string().into_bytes()
}

/// What is known of a device, as client attributes.
pub(super) fn attributes(device: &str, attributes: &Map<String, Value>) -> Vec<u8> {
    let mut all = Map::new();
    all.insert(device.to_owned(), Value::Object(attributes.clone()));
    Value::Object(all).to_string().into_bytes()
}

/// Takes over what a telegram says of its meter: number, maker, model, and the unit of each register.
pub(super) fn describe(attributes: &mut Map<String, Value>, sample: &Sample, telegram: &TelegramBuf) {
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            attributes.insert(key.to_owned(), Value::String(value));
        }
    };
    put("serial", telegram.reading.meter.map(|id| id.to_string()));
    put("model", telegram.model.map(|model| model.title.to_owned()));
    put("maker", telegram.model.map(|model| model.maker.to_owned()));
    let units = attributes.entry("units").or_insert_with(|| Value::Object(Map::new()));
    let Some(units) = units.as_object_mut() else { return };
    for (label, point) in sample.labelled() {
        if point.unit.is_some() && (units.len() < UNITS_MAX || units.contains_key(&label)) {
            units.insert(label, Value::String(point.unit_text()));
        }
    }
}

/// Takes over how a meter is doing.
pub(super) fn judge(attributes: &mut Map<String, Value>, verdict: Verdict) {
    attributes.insert("verdict".to_owned(), json!(verdict.code()));
    attributes.insert("live".to_owned(), json!(verdict.is_live()));
}

/// What a piece of a batch comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// `{"device":[{"ts":ms,"values":{...}}]}`.
    Message(Vec<u8>),
    /// Only events, which are no telemetry.
    Nothing,
    /// One reading that no message takes.
    TooLong,
}

/// Telemetry of the first so many entries.
#[derive(Debug)]
pub(super) struct Telemetry {
    pub(super) content: Content,
    /// How many entries it stands for.
    pub(super) entries: usize,
}

/// As much telemetry as one message takes, at least one entry. Entries stay in their order.
pub(super) fn telemetry(entries: &[Entry], prefix: &str) -> Telemetry {
    let mut devices: Vec<(&str, Vec<String>)> = Vec::new();
    let (mut len, mut count) = (0_usize, 0);
    for entry in entries {
        if let Some(sample) = entry.sample().filter(|sample| !sample.points.is_empty()) {
            let object = object(sample, "");
            // The name of the device may be new, with its quotes, brackets and commas.
            let more = object.len().saturating_add(prefix.len() + sample.meter.len() + 8);
            if count > 0 && len.saturating_add(more) > PAYLOAD_LEN_MAX {
                break;
            }
            len = len.saturating_add(more);
            match devices.iter_mut().find(|(meter, _)| *meter == &*sample.meter) {
                Some((_, objects)) => objects.push(object),
                None => devices.push((&sample.meter, vec![object])),
            }
        }
        count += 1;
    }
    let device = |(meter, objects): &(&str, Vec<String>)| {
        format!("{}:[{}]", quoted(&format!("{prefix}{meter}")), objects.join(","))
    };
    let all: Vec<String> = devices.iter().map(device).collect();
    let content = match all.as_slice() {
        [] => Content::Nothing,
        _ if len > PAYLOAD_LEN_MAX => Content::TooLong,
        all => Content::Message(format!("{{{}}}", all.join(",")).into_bytes()),
    };
    Telemetry { content, entries: count }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::sample::made::{readings, sample};

    fn text(telemetry: &Telemetry) -> String {
        let Content::Message(payload) = &telemetry.content else { panic!("{telemetry:?}") };
        String::from_utf8(payload.clone()).unwrap()
    }

    #[test]
    fn readings_of_a_device_stand_together_with_every_digit_in_their_order() {
        let mut gas = sample(3, 2, &[("7-0:3.0.0", "123.4560 m3")]);
        gas.meter = "gas".into();
        let entries = [
            Entry::Reading(sample(1, 0, &[("1-0:1.8.0", "35204.0842 Wh"), ("1-0:16.7.0", "-148 W")])),
            Entry::Reading(gas),
            Entry::Reading(sample(4, 4, &[("1-0:1.8.0", "35204.0843 Wh")])),
        ];
        let all = telemetry(&entries, "house ");
        assert_eq!(all.entries, 3);
        assert_eq!(
            text(&all),
            concat!(
                r#"{"house haus":[{"ts":1692199171000,"values":{"1-0:1.8.0":35204.0842,"1-0:16.7.0":-148}},"#,
                r#"{"ts":1692199175000,"values":{"1-0:1.8.0":35204.0843}}],"#,
                r#""house gas":[{"ts":1692199173000,"values":{"7-0:3.0.0":123.4560}}]}"#
            )
        );
    }

    #[test]
    fn no_message_is_longer_than_thingsboard_takes_and_none_is_lost() {
        let entries = readings(5000);
        let (mut rest, mut messages) = (entries.as_slice(), 0);
        while !rest.is_empty() {
            let piece = telemetry(rest, "");
            assert!(text(&piece).len() <= PAYLOAD_LEN_MAX && piece.entries > 0);
            rest = &rest[piece.entries..];
            messages += 1;
        }
        assert!((5..20).contains(&messages), "{messages}");
        // The server would end the connection again and again over one that is too long alone.
        let registers: Vec<String> = (0..5000).map(|number| format!("text:{number:020}")).collect();
        let points: Vec<(&str, &str)> = registers.iter().map(|name| (name.as_str(), "1")).collect();
        let huge = [Entry::Reading(sample(1, 0, &points)), Entry::Reading(sample(2, 0, &points))];
        let first = telemetry(&huge, "");
        assert_eq!((first.entries, first.content), (1, Content::TooLong));
    }

    #[test]
    fn a_reading_without_a_number_is_no_telemetry() {
        let nothing = telemetry(&[Entry::Reading(sample(1, 0, &[]))], "");
        assert_eq!((nothing.entries, nothing.content), (1, Content::Nothing));
    }
}
