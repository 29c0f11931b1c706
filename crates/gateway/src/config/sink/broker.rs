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

#[cfg(test)]
mod tests {
    use super::MqttVersion;
    use crate::config::{
        HomeAssistantDiscovery, HomieSetup, MqttSetup, MqttShape, Qos, SinkKind, Source, Surroundings,
        load_in,
    };
    use std::fmt::Write as _;

    /// What a sink with these lines is, or what is wrong.
    fn load(lines: &[&str]) -> Result<SinkKind, String> {
        let folder = tempfile::tempdir().unwrap();
        let mut text = "[default.meter.haus]\nport = \"stdin\"\n[default.sink.out]\n".to_owned();
        lines.iter().for_each(|line| writeln!(text, "{line}").unwrap());
        std::fs::write(folder.path().join("metergate.toml"), text).unwrap();
        let around = Surroundings { variables: Vec::new(), folder: folder.path().to_owned() };
        match load_in(&Source { file: None, profile: "default".to_owned() }, &around) {
            Ok(mut gateway) => Ok(gateway.sinks.remove(0).kind),
            Err(failure) => {
                let mut text = anstream::StripStream::new(Vec::new());
                failure.print(&mut text);
                Err(String::from_utf8(text.into_inner()).unwrap())
            }
        }
    }

    fn mqtt(lines: &[&str]) -> MqttSetup {
        let all: Vec<&str> = ["kind = \"mqtt\"", URL].into_iter().chain(lines.iter().copied()).collect();
        match load(&all).unwrap() {
            SinkKind::Mqtt(setup) => setup,
            other => panic!("{other:?}"),
        }
    }

    fn homie(lines: &[&str]) -> HomieSetup {
        let all: Vec<&str> = ["kind = \"homie\"", URL].into_iter().chain(lines.iter().copied()).collect();
        match load(&all).unwrap() {
            SinkKind::Homie(setup) => setup,
            other => panic!("{other:?}"),
        }
    }

    const URL: &str = "url = \"mqtts://broker.example\"";

    #[test]
    fn a_broker_alone_is_enough() {
        let usual = mqtt(&[]);
        assert_eq!((usual.broker.endpoint.port, usual.broker.endpoint.tls.is_some()), (8883, true));
        assert_eq!(
            (usual.broker.version, usual.broker.client_id.as_str()),
            (MqttVersion::V311, "metergate-out")
        );
        assert_eq!((usual.qos, usual.retain, usual.per_register), (Qos::AtLeastOnce, true, false));
        assert_eq!(usual.discovery, HomeAssistantDiscovery::Device);
        assert_eq!(
            usual.to_string(),
            "mqtt to mqtts://broker.example, topics metergate/..., Home Assistant by device"
        );
        let usual = homie(&[]);
        assert_eq!((usual.base.as_str(), usual.device, usual.name), ("homie", None, None));
    }

    #[test]
    fn every_key_means_something() {
        let setup = mqtt(&[
            "version = \"5\"",
            "username = \"haus\"",
            "password = \"correct horse\"",
            "keep_alive = \"1 min\"",
            "prefix = \"energy/house\"",
            "qos = 0",
            "retain = false",
            "per_register = true",
            "shape = \"up_smartmeter\"",
            "discovery_prefix = \"ha\"",
            "expire_after = \"5 min\"",
        ]);
        assert_eq!((setup.broker.version, setup.broker.keep_alive.as_secs()), (MqttVersion::V5, 60));
        assert_eq!(
            (setup.prefix.as_str(), setup.broker.client_id.as_str()),
            ("energy/house", "energy-house-out")
        );
        assert_eq!((setup.qos, setup.retain, setup.per_register), (Qos::AtMostOnce, false, true));
        assert_eq!(setup.discovery, HomeAssistantDiscovery::Off, "there is nothing that it could read");
        assert_eq!((setup.shape, setup.expire_after.unwrap().as_secs()), (MqttShape::UpSmartMeter, 300));
        assert!(!format!("{setup:?}").contains("correct horse"));
        let five = homie(&["convention = 5"]).to_string();
        assert_eq!(five, "homie to mqtts://broker.example, topics homie/5/...");
        let homie =
            homie(&["base = \"devices\"", "device = \"electric-smart-meter\"", "name = \"Z\u{e4}hler\""]);
        assert_eq!(
            (homie.device.as_deref(), homie.to_string().as_str()),
            (Some("electric-smart-meter"), "homie to mqtts://broker.example, topics devices/...",)
        );
    }

    #[test]
    fn what_no_broker_could_take_is_told() {
        for (kind, line, told) in [
            ("mqtt", "version = \"3\"", "`3` is none of its values"),
            ("mqtt", "qos = 2", "expected a number of 0 to 1, found 2"),
            ("mqtt", "keep_alive = \"1 s\"", "expected 5 s to 1 h"),
            ("mqtt", "prefix = \"a/#\"", "without `+`, `#` and `$`"),
            ("mqtt", "prefix = \"/a\"", "levels between `/`, none empty"),
            ("mqtt", "client_id = \"\"", "expected 1 to 128 characters"),
            ("mqtt", "discovery = \"both\"", "`both` is none of its values"),
            ("mqtt", "device = \"x\"", "unknown key `device`"),
            ("homie", "device = \"Haus_1\"", "small letters, digits and `-` inside"),
            ("homie", "discovery = \"off\"", "unknown key `discovery`"),
            ("homie", "convention = 3", "expected a number of 4 to 5, found 3"),
            ("homie", "convention = 5\nbase = \"a/b\"", "one level in convention 5"),
        ] {
            let error = load(&[&format!("kind = \"{kind}\""), URL, line]).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
        for (url, told) in [
            ("http://broker.example", "http:// is not for this kind of sink"),
            ("mqtt://broker.example/topic", "a broker has no path"),
            ("mqtt://haus:horse@broker.example", "set `username` and `password`"),
        ] {
            let error = load(&["kind = \"mqtt\"", &format!("url = \"{url}\"")]).unwrap_err();
            assert!(error.contains(told) && !error.contains("horse"), "{url}: {error}");
        }
        let shape = ["kind = \"mqtt\"", URL, "shape = \"up_smartmeter\"", "discovery = \"device\""];
        assert!(load(&shape).unwrap_err().contains("cannot read documents of the shape `up_smartmeter`"));
    }
}
