//! Reads the section of a sink: meters as devices behind a gateway of `ThingsBoard`, by MQTT.
use super::broker::{self, BrokerSetup};
use crate::config::endpoint;
use crate::config::section::Section;
use crate::secret::Secret;
use std::path::Path;

/// Keys of this kind besides those of every sink that speaks MQTT.
const KEYS: &[&str] = &["token", "prefix", "device_type"];

/// Longest name of a device and of a type that `ThingsBoard` stores.
const NAME_LEN_MAX: usize = 255;

/// Settings of a gateway of `ThingsBoard`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThingsBoardSetup {
    /// Where it is.
    pub broker: BrokerSetup,
    /// The access token of the gateway's own device, where name and password do not let us in.
    pub token: Option<Secret>,
    /// What the names of all devices begin with; they are unique in `ThingsBoard`, not in a house.
    pub prefix: String,
    /// The device profile of devices that `ThingsBoard` does not know yet.
    pub device_type: String,
}

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<ThingsBoardSetup> {
    section.only(&[super::KEYS, endpoint::KEYS, broker::KEYS, KEYS].concat());
    let sink = section.path.rsplit('.').next().unwrap_or_default();
    let broker = broker::read(section, folder, &format!("metergate-{sink}"));
    let token = endpoint::token(section, broker.as_ref().map(|broker| &broker.endpoint));
    let shows_certificate = broker
        .as_ref()
        .is_some_and(|broker| broker.endpoint.tls.as_ref().is_some_and(|tls| tls.client.is_some()));
    let has_login = ["token", "username"].iter().any(|key| section.table.get(key).is_some());
    if !has_login && !shows_certificate {
        let help =
            "put the access token of the gateway's device into metergate.secrets.toml: token = \"...\"";
        section.problem("", "there is no `token`", help.to_owned());
    }
    let prefix = text(section, "prefix", "")?;
    let device_type = text(section, "device_type", "default")?;
    if device_type.is_empty() {
        section.problem("device_type", "is no name of a profile", "device_type = \"default\"".to_owned());
    }
    Some(ThingsBoardSetup { broker: broker?, token, prefix, device_type })
}

fn text(section: &Section<'_>, key: &str, usual: &str) -> Option<String> {
    let text = section.text(key).map_or(usual, |found| found.value);
    if text.len() > NAME_LEN_MAX || text.contains(char::is_control) {
        section.problem(key, format!("expected at most {NAME_LEN_MAX} characters in one line"), None);
        return None;
    }
    Some(text.to_owned())
}

/// What it means, for `check-config`: kind, receiver, and what is worth knowing; no secret.
impl std::fmt::Display for ThingsBoardSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ThingsBoard gateway at {}, devices {}...", self.broker.endpoint, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::section::read_lines;

    fn thingsboard(lines: &str) -> Result<ThingsBoardSetup, Vec<String>> {
        let lines = format!("url = \"mqtts://board.example\"\n{lines}");
        read_lines(&lines, |section| read(section, Path::new("")))
    }

    #[test]
    fn a_broker_and_a_token_are_enough_and_the_token_does_not_print() {
        let usual = thingsboard("token = \"A1_TEST_TOKEN\"").unwrap();
        assert_eq!(usual.to_string(), "ThingsBoard gateway at mqtts://board.example, devices ...");
        assert_eq!((usual.device_type.as_str(), usual.broker.client_id.as_str()), ("default", "metergate-x"));
        assert!(!format!("{usual:?}").contains("A1_TEST_TOKEN"));
        assert!(thingsboard("username = \"gateway\"\npassword = \"x\"\nprefix = \"house \"").is_ok());
    }

    #[test]
    fn mistakes_are_told_with_the_key() {
        for (lines, expected) in [
            ("", "sink.x: there is no `token`"),
            (
                "token = \"a\"\nusername = \"b\"\npassword = \"c\"",
                "sink.x.token: stands beside `username`: one of them lets us in",
            ),
            ("token = \"a\"\ndevice_type = \"\"", "sink.x.device_type: is no name of a profile"),
            (
                "token = \"a\"\nprefix = \"a\\tb\"",
                "sink.x.prefix: expected at most 255 characters in one line",
            ),
            ("token = \"a\"\nqos = 0", "sink.x.qos: unknown key `qos` in `sink.x`"),
        ] {
            assert_eq!(thingsboard(lines).unwrap_err().first().map(String::as_str), Some(expected));
        }
    }
}
