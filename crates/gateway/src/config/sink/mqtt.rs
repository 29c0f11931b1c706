//! Reads the section of a sink: MQTT, with or without Home Assistant discovery.
use super::broker::{self, BrokerSetup};
use crate::config::endpoint;
use crate::config::section::Section;
use crate::net::mqtt::Qos;
use std::path::Path;
use std::time::Duration;

/// Keys of this kind besides those of every sink that speaks MQTT.
const KEYS: &[&str] =
    &["prefix", "qos", "retain", "per_register", "shape", "discovery", "discovery_prefix", "expire_after"];

/// Settings of MQTT, with or without Home Assistant discovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttSetup {
    /// Which broker.
    pub broker: BrokerSetup,
    /// What every topic begins with.
    pub prefix: String,
    /// How surely state topics arrive; history always arrives surely.
    pub qos: Qos,
    /// The broker keeps the latest state.
    pub retain: bool,
    /// Each register has a topic of its own besides the document.
    pub per_register: bool,
    /// What a document looks like.
    pub shape: MqttShape,
    /// How Home Assistant is told what there is.
    pub discovery: HomeAssistantDiscovery,
    /// What the topics of discovery begin with.
    pub discovery_prefix: String,
    /// After how long without news Home Assistant calls a value unavailable; `None`: by the rhythm of the meter.
    pub expire_after: Option<Duration>,
}

/// What a JSON document looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MqttShape {
    /// Our own.
    #[default]
    Metergate,
    /// That of uP_SmartMeter_MQTT: a list of properties.
    UpSmartMeter,
}

/// How Home Assistant is told what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HomeAssistantDiscovery {
    /// Not at all; what was told before is taken back.
    Off,
    /// One message for each device.
    Device,
    /// One message for each entity, as Home Assistant before 2024.12 wants it.
    Entity,
}

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<MqttSetup> {
    section.only(&[super::KEYS, endpoint::KEYS, broker::KEYS, KEYS].concat());
    let prefix = broker::topic(section, "prefix", "metergate");
    let name = section.path.rsplit('.').next().unwrap_or_default();
    let usual_id = format!("{}-{name}", prefix.as_deref().unwrap_or("metergate").replace('/', "-"));
    let shapes = [("metergate", MqttShape::Metergate), ("up_smartmeter", MqttShape::UpSmartMeter)];
    let shape = section.word("shape", &shapes).unwrap_or_default();
    let ways = [
        ("device", HomeAssistantDiscovery::Device),
        ("entity", HomeAssistantDiscovery::Entity),
        ("off", HomeAssistantDiscovery::Off),
    ];
    let wanted = section.word("discovery", &ways);
    if shape == MqttShape::UpSmartMeter && wanted.is_some_and(|way| way != HomeAssistantDiscovery::Off) {
        let message = "Home Assistant cannot read documents of the shape `up_smartmeter`";
        section.problem("discovery", message, "remove `shape`, or set discovery = \"off\"".to_owned());
    }
    let usual = match shape {
        MqttShape::Metergate => HomeAssistantDiscovery::Device,
        MqttShape::UpSmartMeter => HomeAssistantDiscovery::Off,
    };
    let discovery = wanted.unwrap_or(usual);
    let discovery_prefix = broker::topic(section, "discovery_prefix", "homeassistant");
    let qos = match section.whole::<u8>("qos", 0..=1) {
        Some(0) => Qos::AtMostOnce,
        _ => Qos::AtLeastOnce,
    };
    let expire_after = section.duration("expire_after");
    let (retain, per_register) = (section.truth("retain"), section.truth("per_register"));
    let broker = broker::read(section, folder, &usual_id);
    Some(MqttSetup {
        broker: broker?,
        prefix: prefix?,
        qos,
        retain: retain.unwrap_or(true),
        per_register: per_register.unwrap_or(false),
        shape,
        discovery,
        discovery_prefix: discovery_prefix?,
        expire_after,
    })
}

/// What it means, for `check-config`: kind, receiver, and what is worth knowing; no secret.
impl std::fmt::Display for MqttSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mqtt to {}, topics {}/...", self.broker.endpoint, self.prefix)?;
        match self.discovery {
            HomeAssistantDiscovery::Off => Ok(()),
            HomeAssistantDiscovery::Device => f.write_str(", Home Assistant by device"),
            HomeAssistantDiscovery::Entity => f.write_str(", Home Assistant by entity"),
        }
    }
}
