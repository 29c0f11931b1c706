//! Checks discovery messages as Home Assistant does, from its documentation: which keys there are, which units and
//! state classes a device class allows, that identifiers are unique, and that topics lead somewhere.
//!
//! Sources: <https://www.home-assistant.io/integrations/mqtt/>, its pages on the sensor and the binary sensor, and
//! <https://developers.home-assistant.io/docs/core/entity/sensor/>.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part, and unwraps")]

mod classes;

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that a broker keeps, by topic.
pub(crate) type Kept = BTreeMap<String, String>;

/// One entity as Home Assistant would have it.
#[derive(Debug, Clone)]
pub(crate) struct Entity {
    pub(crate) platform: String,
    /// Its own keys over those that its device shares.
    pub(crate) keys: Map<String, Value>,
    /// The identifier of its device.
    pub(crate) device: String,
}

impl Entity {
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.keys.get(key).and_then(Value::as_str)
    }
}

/// All entities by unique id, when nothing is wrong; otherwise all that is.
pub(crate) fn check(kept: &Kept, prefix: &str) -> Result<BTreeMap<String, Entity>, Vec<String>> {
    let mut checker =
        Checker { kept, problems: Vec::new(), entities: BTreeMap::new(), devices: BTreeMap::new() };
    for (topic, payload) in kept {
        let Some(rest) = topic.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) else { continue };
        let Some(path) = rest.strip_suffix("/config") else { continue };
        checker.message(topic, path, payload);
    }
    checker.vias();
    if checker.problems.is_empty() { Ok(checker.entities) } else { Err(checker.problems) }
}

struct Checker<'a> {
    kept: &'a Kept,
    problems: Vec<String>,
    entities: BTreeMap<String, Entity>,
    /// Devices by identifier, with the one that they are read through.
    devices: BTreeMap<String, Option<String>>,
}

const DEVICE_ROOT: &[&str] = &[
    "device",
    "origin",
    "components",
    "state_topic",
    "command_topic",
    "availability",
    "availability_mode",
    "availability_topic",
    "availability_template",
    "payload_available",
    "payload_not_available",
    "qos",
    "encoding",
];

const DEVICE: &[&str] = &[
    "identifiers",
    "connections",
    "name",
    "manufacturer",
    "model",
    "model_id",
    "serial_number",
    "sw_version",
    "hw_version",
    "suggested_area",
    "configuration_url",
    "via_device",
];

const ORIGIN: &[&str] = &["name", "sw_version", "support_url"];

const AVAILABILITY: &[&str] = &["topic", "payload_available", "payload_not_available", "value_template"];

/// Keys of every entity.
const ENTITY: &[&str] = &[
    "availability",
    "availability_mode",
    "availability_topic",
    "availability_template",
    "payload_available",
    "payload_not_available",
    "device",
    "origin",
    "device_class",
    "enabled_by_default",
    "encoding",
    "entity_category",
    "entity_picture",
    "expire_after",
    "force_update",
    "icon",
    "json_attributes_template",
    "json_attributes_topic",
    "name",
    "default_entity_id",
    "platform",
    "qos",
    "state_topic",
    "unique_id",
    "value_template",
];

const SENSOR: &[&str] = &[
    "last_reset_value_template",
    "options",
    "state_class",
    "suggested_display_precision",
    "unit_of_measurement",
];

const BINARY_SENSOR: &[&str] = &["off_delay", "payload_off", "payload_on"];

impl Checker<'_> {
    fn wrong(&mut self, place: &str, what: impl std::fmt::Display) {
        self.problems.push(format!("{place}: {what}"));
    }

    fn only(&mut self, place: &str, map: &Map<String, Value>, known: &[&[&str]]) {
        for key in map.keys().filter(|key| !known.iter().any(|known| known.contains(&key.as_str()))) {
            self.wrong(place, format!("unknown key `{key}`"));
        }
    }

    /// `device/ID`, `sensor/ID` or `sensor/NODE/ID`.
    fn message(&mut self, topic: &str, path: &str, payload: &str) {
        let levels: Vec<&str> = path.split('/').collect();
        for id in &levels[1..] {
            if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                self.wrong(topic, format!("`{id}` has other characters than [a-zA-Z0-9_-]"));
            }
        }
        let Ok(Value::Object(message)) = serde_json::from_str(payload) else {
            return self.wrong(topic, "is no JSON object");
        };
        match levels.as_slice() {
            ["device", _] => {
                self.only(topic, &message, &[DEVICE_ROOT]);
                if !message.contains_key("origin") {
                    self.wrong(topic, "a device message needs an origin");
                }
                let device = self.device(topic, &message);
                let mut shared = message.clone();
                let Some(Value::Object(components)) = shared.remove("components") else {
                    return self.wrong(topic, "there are no components");
                };
                shared.remove("device");
                shared.remove("origin");
                for (id, component) in &components {
                    let place = format!("{topic} {id}");
                    let Value::Object(own) = component else { return self.wrong(&place, "is no object") };
                    let Some(platform) = own.get("platform").or(own.get("p")).and_then(Value::as_str) else {
                        return self.wrong(&place, "has no platform");
                    };
                    let mut keys = shared.clone();
                    keys.extend(own.clone());
                    self.entity(&place, platform, keys, &device);
                }
            }
            [platform @ ("sensor" | "binary_sensor"), _]
            | [platform @ ("sensor" | "binary_sensor"), _, _] => {
                if message.contains_key("platform") || message.contains_key("components") {
                    self.wrong(topic, "keys of a device message");
                }
                let device = self.device(topic, &message);
                self.entity(topic, platform, message, &device);
            }
            _ => self.wrong(topic, "no topic of discovery for sensors"),
        }
    }

    /// The identifier of the device in a message.
    fn device(&mut self, place: &str, message: &Map<String, Value>) -> String {
        if let Some(origin) = message.get("origin") {
            let Some(origin) = origin.as_object() else {
                self.wrong(place, "the origin is no object");
                return String::new();
            };
            self.only(place, origin, &[ORIGIN]);
            if !origin.contains_key("name") {
                self.wrong(place, "the origin has no name");
            }
        }
        let Some(device) = message.get("device").and_then(Value::as_object) else {
            self.wrong(place, "there is no device");
            return String::new();
        };
        self.only(place, device, &[DEVICE]);
        let id = match device.get("identifiers") {
            Some(Value::Array(all)) => all.first().and_then(Value::as_str),
            Some(Value::String(one)) => Some(one.as_str()),
            _ => None,
        };
        let Some(id) = id else {
            self.wrong(place, "the device has no identifier");
            return String::new();
        };
        if device.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
            self.wrong(place, "the device has no name");
        }
        let via = device.get("via_device").and_then(Value::as_str).map(ToOwned::to_owned);
        self.devices.insert(id.to_owned(), via);
        id.to_owned()
    }

    fn entity(&mut self, place: &str, platform: &str, keys: Map<String, Value>, device: &str) {
        let own: &[&str] = match platform {
            "sensor" => SENSOR,
            "binary_sensor" => BINARY_SENSOR,
            other => return self.wrong(place, format!("no platform of ours: {other}")),
        };
        self.only(place, &keys, &[ENTITY, own]);
        let entity = Entity { platform: platform.to_owned(), keys, device: device.to_owned() };
        match entity.text("unique_id") {
            None | Some("") => self.wrong(place, "has no unique id"),
            Some(id) => {
                if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                    self.wrong(place, format!("unique id `{id}`"));
                }
                if self.entities.insert(id.to_owned(), entity.clone()).is_some() {
                    self.wrong(place, format!("`{id}` is not unique"));
                }
            }
        }
        if let Some(id) = entity.text("default_entity_id") {
            // Words of [a-z0-9] with one underscore between them.
            let is_word = |word: &str| {
                !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            };
            let fits = |name: &str| name.split('_').all(is_word);
            if !id.split_once('.').is_some_and(|(domain, name)| domain == platform && fits(name)) {
                self.wrong(place, format!("default entity id `{id}`"));
            }
        }
        if entity.text("name").is_none_or(str::is_empty) {
            self.wrong(place, "has no name");
        }
        if entity.text("entity_category").is_some_and(|category| category != "diagnostic") {
            self.wrong(place, "a sensor is diagnostic or has no category");
        }
        for (key, least) in [("expire_after", 1), ("suggested_display_precision", 0), ("qos", 0)] {
            if entity.keys.get(key).is_some_and(|value| value.as_u64().is_none_or(|value| value < least)) {
                self.wrong(place, format!("`{key}` is no number of at least {least}"));
            }
        }
        self.classes(place, &entity);
        self.availability(place, &entity);
        self.state(place, &entity);
    }

    fn classes(&mut self, place: &str, entity: &Entity) {
        let (device_class, state_class, unit) =
            (entity.text("device_class"), entity.text("state_class"), entity.text("unit_of_measurement"));
        if entity.platform == "binary_sensor" {
            if device_class.is_some_and(|class| !classes::BINARY.contains(&class)) {
                self.wrong(place, format!("{device_class:?} is no device class of a binary sensor"));
            }
            return;
        }
        if state_class.is_some_and(|class| !["measurement", "total", "total_increasing"].contains(&class)) {
            self.wrong(place, format!("{state_class:?} is no state class"));
        }
        let Some(device_class) = device_class else { return };
        let Some(row) = classes::SENSOR.iter().find(|row| row.device_class == device_class) else {
            return self.wrong(place, format!("`{device_class}` is no device class"));
        };
        let fits = match unit {
            Some(unit) => row.units.contains(&unit),
            None => row.units.is_empty() || row.units.contains(&""),
        };
        if !fits {
            self.wrong(place, format!("`{device_class}` in {unit:?}"));
        }
        if state_class.is_some_and(|class| !row.state_classes.contains(&class)) {
            self.wrong(place, format!("`{device_class}` as {state_class:?}"));
        }
    }

    /// Who is available must have said so.
    fn availability(&mut self, place: &str, entity: &Entity) {
        let Some(Value::Array(all)) = entity.keys.get("availability") else {
            return self.wrong(place, "has no availability");
        };
        if all.len() > 1 && entity.text("availability_mode") != Some("all") {
            self.wrong(place, "of several topics, each must be asked");
        }
        for one in all {
            let Some(one) = one.as_object() else { return self.wrong(place, "availability is no object") };
            self.only(place, one, &[AVAILABILITY]);
            let topic = one.get("topic").and_then(Value::as_str).unwrap_or_default();
            let Some(payload) = self.kept.get(topic).cloned() else {
                return self.wrong(place, format!("nobody says on `{topic}` whether it is available"));
            };
            let says = match one.get("value_template").and_then(Value::as_str) {
                None => payload,
                Some("{{ 'online' if value_json.live else 'offline' }}") => {
                    let json: Value = serde_json::from_str(&payload).unwrap_or_default();
                    json["live"]
                        .as_bool()
                        .map_or("?", |live| if live { "online" } else { "offline" })
                        .to_owned()
                }
                Some(other) => {
                    return self.wrong(place, format!("a template that this checker cannot read: {other}"));
                }
            };
            if says != "online" && says != "offline" {
                self.wrong(place, format!("`{topic}` says {says}"));
            }
        }
    }

    /// The value is where the entity looks for it, and is what the entity says it is.
    fn state(&mut self, place: &str, entity: &Entity) {
        let Some(topic) = entity.text("state_topic") else { return self.wrong(place, "has no state topic") };
        if topic.contains(['+', '#']) {
            self.wrong(place, format!("state topic `{topic}`"));
        }
        let Some(payload) = self.kept.get(topic) else {
            return self.wrong(place, format!("nothing stands at `{topic}`"));
        };
        let json: Value = serde_json::from_str(payload).unwrap_or_default();
        let template = entity.text("value_template").unwrap_or_default();
        if let Some(rest) = template.strip_prefix("{{ value_json.registers['") {
            let key = rest.split('\'').next().unwrap_or_default();
            if !json["registers"][key].is_number() {
                self.wrong(place, format!("`{key}` is no number in {payload}"));
            }
        } else if template == "{{ value_json.time }}" {
            let is_time = json["time"].as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok());
            if !is_time && !json["time"].is_null() {
                self.wrong(place, "a time without a zone");
            }
        } else if template.contains("value_json.verdict in ['ok', 'waiting']") {
            if !json["verdict"].is_string() {
                self.wrong(place, "there is no verdict");
            }
        } else {
            self.wrong(place, format!("a template that this checker cannot read: {template}"));
        }
    }

    /// A device that is read through another leads to one that exists.
    fn vias(&mut self) {
        let known: BTreeSet<&String> = self.devices.keys().collect();
        let lost: Vec<String> = self
            .devices
            .iter()
            .filter(|(_, via)| via.as_ref().is_some_and(|via| !known.contains(via)))
            .map(|(id, via)| format!("{id}: read through {via:?}, which is no device"))
            .collect();
        self.problems.extend(lost);
    }
}
