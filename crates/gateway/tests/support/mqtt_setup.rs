//! Settings of MQTT sinks at a broker of this host.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use metergate_gateway::config::{
    BrokerSetup, EndpointSetup, HomeAssistantDiscovery, MqttSetup, MqttShape, MqttVersion, Qos, Scheme,
};
use std::time::Duration;

/// A session at a broker without encryption and login.
pub fn broker(port: u16, client_id: &str) -> BrokerSetup {
    BrokerSetup {
        endpoint: EndpointSetup {
            scheme: Scheme { name: "mqtt", port: 1883, tls: false },
            host: "localhost".to_owned(),
            port,
            path: String::new(),
            login: None,
            tls: None,
        },
        version: MqttVersion::V311,
        client_id: client_id.to_owned(),
        keep_alive: Duration::from_secs(5),
    }
}

/// A sink at a broker of this host, without Home Assistant.
pub fn setup(port: u16) -> MqttSetup {
    MqttSetup {
        broker: broker(port, "metergate-test"),
        prefix: "metergate".to_owned(),
        qos: Qos::AtLeastOnce,
        retain: true,
        per_register: false,
        shape: MqttShape::Metergate,
        discovery: HomeAssistantDiscovery::Off,
        discovery_prefix: "homeassistant".to_owned(),
        expire_after: None,
    }
}
