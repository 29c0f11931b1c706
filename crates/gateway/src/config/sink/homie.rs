//! Reads the section of a sink: a tree of topics by the Homie convention.
use super::broker::{self, BrokerSetup};
use crate::config::endpoint;
use crate::config::section::Section;
use std::path::Path;

/// Keys of this kind besides those of every sink that speaks MQTT.
const KEYS: &[&str] = &["convention", "base", "device", "name"];

/// Which convention; controllers of one do not see devices of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HomieConvention {
    /// 4.0.0: attributes are topics.
    #[default]
    V4,
    /// 5.0: one description for each device, and devices that are children of others.
    V5,
}

/// Settings of a tree of topics by the Homie convention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomieSetup {
    /// Which broker.
    pub broker: BrokerSetup,
    /// Which convention.
    pub convention: HomieConvention,
    /// What every topic begins with, for convention 5 before its number; controllers look for devices under `homie`.
    pub base: String,
    /// What the device is called in topics; `None`: like the meter. Several meters have their names behind it.
    pub device: Option<String>,
    /// What people call the device; `None`: like the meter.
    pub name: Option<String>,
}

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<HomieSetup> {
    section.only(&[super::KEYS, endpoint::KEYS, broker::KEYS, KEYS].concat());
    let convention = match section.whole::<u8>("convention", 4..=5) {
        Some(5) => HomieConvention::V5,
        _ => HomieConvention::V4,
    };
    let base = broker::topic(section, "base", "homie");
    if convention == HomieConvention::V5 && base.as_deref().is_some_and(|base| !is_id(base)) {
        let message = "is one level in convention 5: small letters, digits and `-` inside";
        section.problem("base", message, "base = \"homie\"".to_owned());
        return None;
    }
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
    Some(HomieSetup { broker: broker?, convention, base: base?, device, name })
}

/// A level of a topic as the convention wants it.
fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(fits) && !text.starts_with('-') && !text.ends_with('-')
}

impl HomieSetup {
    /// What the topics of all devices begin with: the second level of convention 5 is its number.
    #[must_use]
    pub fn root(&self) -> String {
        match self.convention {
            HomieConvention::V4 => self.base.clone(),
            HomieConvention::V5 => format!("{}/5", self.base),
        }
    }
}

/// What it means, for `check-config`: kind, receiver, and what is worth knowing; no secret.
impl std::fmt::Display for HomieSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "homie to {}, topics {}/...", self.broker.endpoint, self.root())
    }
}
