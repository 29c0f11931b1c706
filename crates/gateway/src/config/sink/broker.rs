//! Reads the keys that both kinds of MQTT sinks share: which broker, and how it is spoken to.
use crate::config::endpoint::{self, EndpointSetup, Scheme};
use crate::config::section::Section;
use std::path::Path;
use std::time::Duration;

/// Keys of a sink that speaks MQTT, besides those of every sink that connects to a receiver.
pub(super) const KEYS: &[&str] = &["version", "client_id", "keep_alive"];

const MQTT: &[Scheme] =
    &[Scheme { name: "mqtts", port: 8883, tls: true }, Scheme { name: "mqtt", port: 1883, tls: false }];

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MqttVersion {
    /// MQTT 3.1.1, which every broker speaks.
    #[default]
    V311,
    /// MQTT 5.
    V5,
}

/// Which broker, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSetup {
    /// Where it is, who we are there and whom we trust.
    pub endpoint: EndpointSetup,
    /// Version of the protocol.
    pub version: MqttVersion,
    /// The name of our session, of which the broker keeps one.
    pub client_id: String,
    /// A connection that is silent for so long is asked; whole seconds, 5 to 3600.
    pub keep_alive: Duration,
}

/// Between two signs of life when nothing else is said: the broker notices one and a half times later that we are gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Reads them; what is wrong is noted in the section's reading. `usual_id` is the name of the session unless one is set.
pub(super) fn read(section: &Section<'_>, folder: &Path, usual_id: &str) -> Option<BrokerSetup> {
    let versions = [("3.1.1", MqttVersion::V311), ("5", MqttVersion::V5)];
    let version = section.word("version", &versions).unwrap_or_default();
    let client_id = match section.text("client_id") {
        Some(found) if found.value.is_empty() || found.value.len() > 128 => {
            section.problem("client_id", "expected 1 to 128 characters", None);
            return None;
        }
        Some(found) => found.value.to_owned(),
        None => usual_id.to_owned(),
    };
    let keep_alive = match section.duration("keep_alive") {
        Some(span) if !(5..=3600).contains(&span.as_secs()) => {
            section.problem("keep_alive", "expected 5 s to 1 h", None);
            return None;
        }
        span => span.map_or(KEEP_ALIVE, |span| Duration::from_secs(span.as_secs())),
    };
    let endpoint = endpoint::read(section, folder, MQTT)?;
    if !endpoint.path.is_empty() {
        section.problem("url", "a broker has no path", "end it after the port".to_owned());
        return None;
    }
    Some(BrokerSetup { endpoint, version, client_id, keep_alive })
}

/// The start of a topic: levels without jokers.
pub(super) fn topic(section: &Section<'_>, key: &str, usual: &str) -> Option<String> {
    let Some(found) = section.text(key) else { return Some(usual.to_owned()) };
    let fits = |level: &str| {
        !level.is_empty()
            && !level.starts_with('$')
            && !level.contains(|c: char| matches!(c, '+' | '#') || c.is_control())
    };
    if found.value.len() > 128 || !found.value.split('/').all(fits) {
        let message =
            "expected the start of a topic: levels between `/`, none empty, without `+`, `#` and `$`";
        section.problem(key, message, format!("{key} = \"{usual}\""));
        return None;
    }
    Some(found.value.to_owned())
}
