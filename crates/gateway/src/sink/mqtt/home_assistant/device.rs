//! A device of Home Assistant with its entities, and the messages that announce them.
use super::classes::{self, Class};
use crate::sink::Point;
use crate::sink::mqtt::json::bytes;
use crate::sink::mqtt::live::Live;
use crate::sink::mqtt::topics::{self, Topics};
use crate::sink::submeter::{self, Submeter};
use metergate_meter::models::Medium;
use metergate_reading::{ObisCode, ObisStyle, Unit};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Values are live: we are there, and the meter can be read.
const LIVE: &str = "{{ 'online' if value_json.live else 'offline' }}";

/// Something is wrong with a meter that is not only waited for.
const PROBLEM: &str = "{{ 'OFF' if value_json.verdict in ['ok', 'waiting'] else 'ON' }}";

/// One meter, or a meter behind it.
#[derive(Debug)]
pub(super) struct Device {
    id: String,
    name: String,
    maker: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    /// The device that it is read through.
    via: Option<String>,
    /// By their keys within the device.
    entities: BTreeMap<String, Entity>,
}

#[derive(Debug, PartialEq)]
enum Entity {
    /// A number of the state document.
    Register { key: String, name: String, code: Option<ObisCode>, class: Class, decimals: u8 },
    /// When the last telegram came.
    LastTelegram { state: String },
    /// Whether the meter can be read.
    Problem { verdict: String },
}

/// What all messages of a meter share.
pub(super) struct Setting<'a> {
    pub(super) topics: &'a Topics,
    pub(super) meter: &'a str,
    pub(super) expire_after_s: Option<u64>,
    pub(super) qos: u8,
}

impl Device {
    /// The device of a meter.
    pub(super) fn of_meter(id: &str, meter: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: meter.to_owned(),
            maker: None,
            model: None,
            serial: None,
            via: None,
            entities: BTreeMap::new(),
        }
    }

    /// The device of a meter behind it.
    pub(super) fn behind(main: &str, id: &str, meter: &str, submeter: &Option<Submeter>) -> Self {
        let kind = submeter.as_ref().map(|submeter| submeter.id.replace('-', " ")).unwrap_or_default();
        Self { name: format!("{meter} {kind}"), via: Some(main.to_owned()), ..Self::of_meter(id, meter) }
    }

    /// Takes over who the meter is.
    pub(super) fn identify(&mut self, live: &Live) {
        self.maker = live.model.map(|model| model.maker.to_owned()).or_else(|| live.maker.clone());
        self.model = live.model.map(|model| model.title.to_owned());
        self.serial = live.id.map(|id| id.to_string());
    }

    /// The entities that every meter has.
    pub(super) fn add_own_entities(&mut self, topics: &Topics, meter: &str, has_telegram: bool) {
        self.entities.insert("problem".to_owned(), Entity::Problem { verdict: topics.verdict(meter) });
        if has_telegram {
            self.entities
                .insert("last_telegram".to_owned(), Entity::LastTelegram { state: topics.state(meter) });
        }
    }

    /// An entity for a register, or what is new about it.
    pub(super) fn add_register(&mut self, point: &Point, medium: Option<Medium>) {
        let code = point.register.obis();
        // The channel says nothing about a meter behind a meter, and may change.
        let id = match code {
            Some(code) if self.via.is_some() => {
                topics::identifier(&code.text(ObisStyle::Reduced).to_string().replace('.', "-"))
            }
            _ => topics::id(&point.register),
        };
        let decimals = match (point.unit, point.prefix) {
            (Some(Unit::WattHour | Unit::VarHour | Unit::Joule | Unit::Calorie), 0) => 0,
            // Nobody reads more than three, and statistics keep them all the same.
            _ => u8::try_from(point.number.exponent().saturating_neg().clamp(0, 3)).unwrap_or(0),
        };
        // A meter that says 0 where it said 0.0 before is no news.
        let decimals = match self.entities.get(&id) {
            Some(Entity::Register { decimals: before, .. }) => decimals.max(*before),
            _ => decimals,
        };
        let name = name(point, self.via.is_some());
        let class = classes::of(point, medium);
        self.entities.insert(id, Entity::Register { key: topics::key(point), name, code, class, decimals });
    }

    /// Number of its entities.
    pub(super) fn len(&self) -> usize {
        self.entities.len()
    }

    /// One message for the device with all its entities.
    pub(super) fn as_one(&self, prefix: &str, setting: &Setting<'_>) -> Vec<(String, Vec<u8>)> {
        let components: Map<String, Value> = self
            .entities
            .iter()
            .map(|(id, entity)| {
                let mut component = self.component(id, entity, setting);
                component.insert("platform".to_owned(), entity.platform().into());
                (id.clone(), component.into())
            })
            .collect();
        let mut message = self.shared(setting);
        message.insert("components".to_owned(), components.into());
        vec![(format!("{prefix}/device/{}/config", self.id), bytes(&message))]
    }

    /// A message for each entity.
    pub(super) fn as_entities(&self, prefix: &str, setting: &Setting<'_>) -> Vec<(String, Vec<u8>)> {
        let messages = self.entities.iter().map(|(id, entity)| {
            let mut message = self.shared(setting);
            message.extend(self.component(id, entity, setting));
            (format!("{prefix}/{}/{}/{id}/config", entity.platform(), self.id), bytes(&message))
        });
        messages.collect()
    }

    fn shared(&self, setting: &Setting<'_>) -> Map<String, Value> {
        let mut device = Map::new();
        device.insert("identifiers".to_owned(), json!([self.id]));
        device.insert("name".to_owned(), json!(self.name));
        let known = [
            ("manufacturer", &self.maker),
            ("model", &self.model),
            ("serial_number", &self.serial),
            ("via_device", &self.via),
        ];
        for (key, value) in known {
            if let Some(value) = value {
                device.insert(key.to_owned(), json!(value));
            }
        }
        let origin = json!({
            "name": "metergate",
            "sw_version": env!("CARGO_PKG_VERSION"),
            "support_url": env!("CARGO_PKG_REPOSITORY"),
        });
        let available = json!([
            { "topic": setting.topics.status() },
            { "topic": setting.topics.verdict(setting.meter), "value_template": LIVE },
        ]);
        let shared = [
            ("device", device.into()),
            ("origin", origin),
            ("state_topic", json!(setting.topics.state(setting.meter))),
            ("availability", available),
            ("availability_mode", json!("all")),
            ("qos", json!(setting.qos)),
        ];
        shared.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn component(&self, id: &str, entity: &Entity, setting: &Setting<'_>) -> Map<String, Value> {
        let unique = format!("{}_{id}", self.id);
        let mut component = Map::new();
        let mut put = |key: &str, value: Value| component.insert(key.to_owned(), value);
        put("unique_id", json!(unique));
        put("default_entity_id", json!(format!("{}.{}", entity.platform(), slug(&unique))));
        // We are there, whether the meter can be read or not.
        let ours = json!([{ "topic": setting.topics.status() }]);
        match entity {
            Entity::Register { key, class, decimals, .. } => {
                put("name", json!(self.unique_name(id, entity)));
                // A telegram without the register changes nothing.
                put(
                    "value_template",
                    json!(format!("{{{{ value_json.registers['{key}'] | default('') }}}}")),
                );
                put("suggested_display_precision", json!(decimals));
                let words = [
                    ("device_class", class.device_class),
                    ("state_class", class.state_class),
                    ("unit_of_measurement", class.unit),
                    ("entity_category", class.diagnostic.then_some("diagnostic")),
                ];
                for (key, word) in words {
                    if let Some(word) = word {
                        put(key, json!(word));
                    }
                }
                if let Some(seconds) = setting.expire_after_s {
                    put("expire_after", json!(seconds));
                }
            }
            Entity::LastTelegram { state } => {
                put("name", json!("Last telegram"));
                put("state_topic", json!(state));
                put("value_template", json!("{{ value_json.time }}"));
                put("device_class", json!("timestamp"));
                put("entity_category", json!("diagnostic"));
                put("availability", ours);
            }
            Entity::Problem { verdict } => {
                put("name", json!("Problem"));
                put("state_topic", json!(verdict));
                put("value_template", json!(PROBLEM));
                put("json_attributes_topic", json!(verdict));
                put("device_class", json!("problem"));
                put("entity_category", json!("diagnostic"));
                put("availability", ours);
            }
        }
        component
    }

    /// The name of a register, with its code where another register has the same name, and for what was at the end of
    /// a billing period.
    fn unique_name(&self, id: &str, entity: &Entity) -> String {
        let Entity::Register { name, code, .. } = entity else { return String::new() };
        let is_past = |code: &Option<ObisCode>| code.is_some_and(|code| code.bytes()[5] != 255);
        let is_twin = |(other, entity): (&String, &Entity)| {
            let Entity::Register { name: theirs, code, .. } = entity else { return false };
            other != id && theirs == name && !is_past(code)
        };
        match code {
            Some(text) if is_past(code) || self.entities.iter().any(is_twin) => {
                format!("{name} ({})", text.text(ObisStyle::Short))
            }
            _ => name.clone(),
        }
    }
}

/// The second half of an entity id: `[a-z0-9_]`, no two `_` in a row and none at an end.
fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

impl Entity {
    fn platform(&self) -> &'static str {
        match self {
            Self::Register { .. } | Self::LastTelegram { .. } => "sensor",
            Self::Problem { .. } => "binary_sensor",
        }
    }
}

/// What people call a register: the name of the configuration, the OBIS name, else the code.
fn name(point: &Point, behind: bool) -> String {
    if let Some(name) = &point.name {
        return name.to_string();
    }
    let code = point.register.obis();
    if behind && submeter::is_submeter(code) {
        return "Meter reading".to_owned();
    }
    let Some(name) = code.and_then(ObisCode::name) else { return point.register.to_string() };
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}
