//! Reads the section of a sink: a tree of topics by the Homie convention.
use super::broker::{self, BrokerSetup};
use crate::config::endpoint;
use crate::config::section::Section;
use std::path::Path;

/// Keys of this kind besides those of every sink that speaks MQTT.
const KEYS: &[&str] = &["base", "device", "name"];

/// Settings of a tree of topics by the Homie convention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomieSetup {
    /// Which broker.
    pub broker: BrokerSetup,
    /// What every topic begins with; controllers look for devices under `homie`.
    pub base: String,
    /// What the device is called in topics; `None`: like the meter. Several meters have their names behind it.
    pub device: Option<String>,
    /// What people call the device; `None`: like the meter.
    pub name: Option<String>,
}

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<HomieSetup> {
    section.only(&[super::KEYS, endpoint::KEYS, broker::KEYS, KEYS].concat());
    let base = broker::topic(section, "base", "homie");
    let device = match section.text("device") {
        Some(found) if !is_id(found.value) => {
            let message = "is no id of Homie: small letters, digits and `-` inside";
            section.problem("device", message, "device = \"electric-smart-meter\"".to_owned());
            return None;
        }
        found => found.map(|found| found.value.to_owned()),
    };
    let name = section.text("name").map(|found| found.value.to_owned());
    let sink = section.path.rsplit('.').next().unwrap_or_default();
    let broker = broker::read(section, folder, &format!("metergate-{sink}"));
    Some(HomieSetup { broker: broker?, base: base?, device, name })
}

/// A level of a topic as the convention wants it.
fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(fits) && !text.starts_with('-') && !text.ends_with('-')
}

/// What it means, for `check-config`: kind, receiver, and what is worth knowing; no secret.
impl std::fmt::Display for HomieSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "homie to {}, topics {}/...", self.broker.endpoint, self.base)
    }
}
