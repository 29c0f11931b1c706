//! What Home Assistant is told over Mosquitto, held against its documentation.
#![allow(clippy::unwrap_used, reason = "a test says by failing what went wrong")]
#[path = "support/broker.rs"]
mod broker;
mod ha_checker;
#[path = "support/mqtt_setup.rs"]
mod mqtt_setup;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/readings.rs"]
mod readings;
mod support;

use broker::{Broker, Listener};
use ha_checker::{Entity, Kept, check};
use metergate_gateway::config::{HomeAssistantDiscovery, MqttSetup};
use metergate_gateway::sink::mqtt::Mqtt;
use metergate_meter::verdict::Verdict;
use mqtt_setup::setup;
use readings::{Who, telegram, telegram_of, verdict};
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

const WAYS: [HomeAssistantDiscovery; 2] = [HomeAssistantDiscovery::Device, HomeAssistantDiscovery::Entity];

fn run(test: impl Future<Output = ()>) {
    support::runtime().block_on(test);
}

fn discovering(port: u16, discovery: HomeAssistantDiscovery) -> MqttSetup {
    MqttSetup { discovery, ..setup(port) }
}

fn sink(setup: &MqttSetup, meters: &[&str]) -> Mqtt {
    let meters: Vec<Arc<str>> = meters.iter().map(|meter| Arc::from(*meter)).collect();
    Mqtt::new(setup, &meters).unwrap()
}

async fn kept(port: u16) -> Kept {
    Listener::kept(port, &["#"]).await
}

/// All entities, with nothing wrong about them.
fn entities(kept: &Kept) -> BTreeMap<String, Entity> {
    check(kept, "homeassistant").unwrap_or_else(|problems| panic!("{problems:#?}\n{kept:#?}"))
}

fn discovery_topics(kept: &Kept) -> Vec<&str> {
    kept.keys().map(String::as_str).filter(|topic| topic.starts_with("homeassistant/")).collect()
}

/// What a three-phase meter with a gas and a water meter behind it says.
const HOUSE: &[(&str, &str, &str)] = &[
    ("1-0:1.8.0", "12345678", "Wh"),
    ("1-0:1.8.1", "1234.567", "kWh"),
    ("1-0:2.8.0", "0", "Wh"),
    ("1-0:3.8.0", "77", "varh"),
    ("1-0:1.8.0*1", "12000000", "Wh"),
    ("1-0:16.7.0", "-148", "W"),
    ("1-0:3.7.0", "12", "var"),
    ("1-0:9.7.0", "13", "VA"),
    ("1-0:32.7.0", "233.7", "V"),
    ("1-0:31.7.0", "0.85", "A"),
    ("1-0:14.7.0", "49.98", "Hz"),
    ("1-0:13.7.0", "-0.309", ""),
    ("1-0:81.7.1", "120", "deg"),
    ("1-0:1.6.0", "4.2", "kW"),
    ("0-0:96.7.21", "7", ""),
    ("1-0:96.5.0", "4", ""),
    ("0-1:24.2.1", "123.456", "m3"),
    ("0-2:24.2.1", "77.001", "m3"),
];

/// EN 13757-3: 3 is gas, 7 is water.
const CHANNELS: &[(&str, &str)] = &[("0-1:24.1.0", "003"), ("0-2:24.1.0", "007")];

#[test]
fn row_39_entities_appear_with_energy_class_in_either_way_of_discovery() {
    for way in WAYS {
        run(async {
            let broker = Broker::start();
            let mut sink = sink(&discovering(broker.port, way), &["haus"]);
            let who = Who { id: Some("1ESY1161426155"), model: Some("easymeter-q3a") };
            sink.tell(&telegram_of(who, "haus", 0, HOUSE, CHANNELS)).await.unwrap();
            sink.tell(&verdict("haus", 0, Verdict::Ok)).await.unwrap();
            let kept = kept(broker.port).await;
            let all = entities(&kept);
            let energy = &all["metergate_haus_1-0_1-8-0"];
            assert_eq!(energy.text("device_class"), Some("energy"));
            assert_eq!(energy.text("state_class"), Some("total"));
            assert_eq!(energy.text("unit_of_measurement"), Some("Wh"));
            assert_eq!(energy.text("name"), Some("Active energy import"));
            assert_eq!(energy.text("default_entity_id"), Some("sensor.metergate_haus_1_0_1_8_0"));
            assert_eq!(energy.keys["suggested_display_precision"], 0);
            assert_eq!(all["metergate_haus_1-0_1-8-1"].text("unit_of_measurement"), Some("kWh"));
            assert_eq!(all["metergate_haus_1-0_16-7-0"].text("device_class"), Some("power"));
            let before = &all["metergate_haus_1-0_1-8-0_1"];
            assert_eq!(before.text("name"), Some("Active energy import (1-0:1.8.0*1)"));
            assert_eq!(before.text("state_class"), None);
            // Both meters behind the meter are devices of their own.
            let gas = &all["metergate_haus__gas_24-2-1"];
            assert_eq!(
                (gas.text("device_class"), gas.text("unit_of_measurement")),
                (Some("gas"), Some("m\u{b3}"))
            );
            assert_eq!(gas.device, "metergate_haus__gas");
            assert_eq!(gas.text("default_entity_id"), Some("sensor.metergate_haus_gas_24_2_1"));
            assert_eq!(all["metergate_haus__water_24-2-1"].text("device_class"), Some("water"));
            // And what is wrong is there to be seen.
            assert_eq!(all["metergate_haus_problem"].text("device_class"), Some("problem"));
            assert_eq!(all["metergate_haus_last_telegram"].text("device_class"), Some("timestamp"));
            assert_eq!(all.len(), HOUSE.len() + 2);
            match way {
                HomeAssistantDiscovery::Device => {
                    let topics = discovery_topics(&kept);
                    assert_eq!(
                        topics,
                        [
                            "homeassistant/device/metergate_haus/config",
                            "homeassistant/device/metergate_haus__gas/config",
                            "homeassistant/device/metergate_haus__water/config",
                        ]
                    );
                    let message: Value = serde_json::from_str(&kept[topics[0]]).unwrap();
                    assert_eq!(message["device"]["manufacturer"], "EasyMeter");
                    assert_eq!(message["device"]["serial_number"], "1ESY1161426155");
                    assert_eq!(message["origin"]["name"], "metergate");
                    let gas: Value = serde_json::from_str(&kept[topics[1]]).unwrap();
                    assert_eq!(gas["device"]["via_device"], "metergate_haus");
                    assert_eq!(gas["device"]["name"], "haus gas");
                }
                _ => assert!(
                    kept.contains_key("homeassistant/sensor/metergate_haus/1-0_1-8-0/config")
                        && kept.contains_key("homeassistant/binary_sensor/metergate_haus/problem/config")
                ),
            }
        });
    }
}

#[test]
fn a_heat_meter_is_a_device_with_its_own_units() {
    run(async {
        let broker = Broker::start();
        let mut sink = sink(&discovering(broker.port, HomeAssistantDiscovery::Device), &["keller"]);
        let registers = [
            ("6-0:1.0.0", "12345", "kWh"),
            ("6-0:2.0.0", "301.55", "m3"),
            ("6-0:8.0.0", "4.2", "kW"),
            ("6-0:9.0.0", "180", "l/h"),
            ("6-0:10.0.0", "61.25", "degC"),
            ("6-0:12.0.0", "19.5", "K"),
            ("kmp:1004", "40123", "h"),
        ];
        let who = Who { id: Some("6612345"), model: Some("kamstrup-multical-403") };
        sink.tell(&telegram_of(who, "keller", 0, &registers, &[])).await.unwrap();
        let kept = kept(broker.port).await;
        let all = entities(&kept);
        assert_eq!(all["metergate_keller_6-0_1-0-0"].text("device_class"), Some("energy"));
        assert_eq!(all["metergate_keller_6-0_2-0-0"].text("device_class"), Some("volume"));
        assert_eq!(all["metergate_keller_6-0_9-0-0"].text("unit_of_measurement"), Some("L/h"));
        assert_eq!(all["metergate_keller_kmp_1004"].text("device_class"), Some("duration"));
        assert_eq!(discovery_topics(&kept).len(), 1, "nothing is behind it");
    });
}

#[test]
fn a_new_way_of_discovery_takes_the_old_one_back_and_off_takes_everything_back() {
    run(async {
        let broker = Broker::start();
        let news = telegram("haus", 0, &HOUSE[..3]);
        for way in
            [HomeAssistantDiscovery::Device, HomeAssistantDiscovery::Entity, HomeAssistantDiscovery::Device]
        {
            let mut sink = sink(&discovering(broker.port, way), &["haus"]);
            sink.tell(&news).await.unwrap();
            let kept = kept(broker.port).await;
            let topics = discovery_topics(&kept);
            let by_device = topics.iter().filter(|topic| topic.starts_with("homeassistant/device/")).count();
            let expected = if way == HomeAssistantDiscovery::Device { (1, 1) } else { (5, 0) };
            assert_eq!((topics.len(), by_device), expected, "{topics:?}");
            entities(&kept);
            sink.close().await;
        }
        let mut off = sink(&discovering(broker.port, HomeAssistantDiscovery::Off), &["haus"]);
        let listener = Listener::start(broker.port, &["homeassistant/#", "metergate/discovery"]).await;
        off.tell(&news).await.unwrap();
        // The list comes a moment after the subscription.
        let gone = async {
            while kept(broker.port)
                .await
                .keys()
                .any(|topic| topic.contains("homeassistant") || topic == "metergate/discovery")
            {
                off.keep().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
        drop(listener);
    });
}

#[test]
fn a_meter_that_is_gone_is_removed_and_others_devices_are_not() {
    run(async {
        let broker = Broker::start();
        let listener = Listener::start(broker.port, &["nothing"]).await;
        listener.publish("homeassistant/device/zigbee_7/config", "{}", true).await;
        listener.publish("homeassistant/sensor/metergate2_haus/1-0_1-8-0/config", "{}", true).await;
        let way = HomeAssistantDiscovery::Device;
        let mut both = sink(&discovering(broker.port, way), &["haus", "laube"]);
        both.tell(&telegram("haus", 0, &HOUSE[..1])).await.unwrap();
        both.tell(&telegram("laube", 0, &HOUSE[..1])).await.unwrap();
        both.close().await;
        // Somebody who may write to our list cannot take away what is not ours.
        let list = kept(broker.port).await["metergate/discovery"].clone();
        let mut list: Vec<String> = serde_json::from_str(&list).unwrap();
        list.push("homeassistant/device/zigbee_7/config".to_owned());
        list.push("metergate/haus/state".to_owned());
        listener.publish("metergate/discovery", &serde_json::to_string(&list).unwrap(), true).await;
        let mut one = sink(&discovering(broker.port, way), &["haus"]);
        one.keep().await.unwrap();
        let kept = kept(broker.port).await;
        assert_eq!(
            discovery_topics(&kept),
            [
                "homeassistant/device/metergate_haus/config",
                "homeassistant/device/zigbee_7/config",
                "homeassistant/sensor/metergate2_haus/1-0_1-8-0/config",
            ]
        );
        assert!(kept.contains_key("metergate/haus/state"));
        let list: Vec<String> = serde_json::from_str(&kept["metergate/discovery"]).unwrap();
        assert_eq!(list, ["homeassistant/device/metergate_haus/config"]);
    });
}

#[test]
fn a_register_that_comes_later_is_added_and_one_without_a_value_is_no_entity() {
    run(async {
        let broker = Broker::start();
        let mut sink = sink(&discovering(broker.port, HomeAssistantDiscovery::Device), &["haus"]);
        sink.tell(&verdict("haus", 0, Verdict::WrongKey)).await.unwrap();
        // A meter that cannot be read yet is there with its problem, and with nothing that looks like a value.
        let all = entities(&kept(broker.port).await);
        assert_eq!(all.into_keys().collect::<Vec<_>>(), ["metergate_haus_problem"]);
        sink.tell(&telegram_of(Who::default(), "haus", 10, &HOUSE[..1], &[("1-0:96.1.0", "abc")]))
            .await
            .unwrap();
        let all = entities(&kept(broker.port).await);
        let expected = ["metergate_haus_1-0_1-8-0", "metergate_haus_last_telegram", "metergate_haus_problem"];
        assert_eq!(all.into_keys().collect::<Vec<_>>(), expected);
        sink.tell(&telegram("haus", 20, &HOUSE[..3])).await.unwrap();
        assert_eq!(entities(&kept(broker.port).await).len(), 5);
    });
}

#[test]
fn a_message_that_says_nothing_new_is_not_sent_again() {
    run(async {
        let broker = Broker::start();
        let listener =
            Listener::start(broker.port, &["homeassistant/device/#", "metergate/haus/state"]).await;
        let mut sink = sink(&discovering(broker.port, HomeAssistantDiscovery::Device), &["haus"]);
        for second in 0..50 {
            // 0 one time and 0.0 the other is the same register.
            let number = if second % 2 == 0 { "0" } else { "0.0" };
            sink.tell(&telegram("haus", second, &[("1-0:32.7.0", number, "V")])).await.unwrap();
        }
        let is_config = |topic: &str| topic.ends_with("/config");
        let all = listener
            .until("50 readings", |all| all.iter().filter(|one| !is_config(&one.topic)).count() == 50)
            .await;
        // First without a rhythm, then with one, then with its decimal.
        let configs = all.iter().filter(|one| is_config(&one.topic)).count();
        assert!((1..=3).contains(&configs), "{configs}");
    });
}

#[test]
fn values_expire_by_the_rhythm_of_the_meter_or_as_configured() {
    run(async {
        let broker = Broker::start();
        let way = HomeAssistantDiscovery::Device;
        let expiry = async |sink: &mut Mqtt, seconds: &[i64]| {
            for second in seconds {
                sink.tell(&telegram("haus", *second, &HOUSE[..1])).await.unwrap();
            }
            let all = entities(&kept(broker.port).await);
            assert_eq!(all["metergate_haus_last_telegram"].keys.get("expire_after"), None);
            all["metergate_haus_1-0_1-8-0"].keys.get("expire_after").and_then(Value::as_u64)
        };
        let mut by_rhythm = sink(&discovering(broker.port, way), &["haus"]);
        assert_eq!(expiry(&mut by_rhythm, &[0]).await, None, "nobody knows yet");
        assert_eq!(expiry(&mut by_rhythm, &[2, 4, 6]).await, Some(60), "no less than a minute");
        assert_eq!(expiry(&mut by_rhythm, &[3606]).await, Some(21_600), "three hours fit into six");
        assert_eq!(expiry(&mut by_rhythm, &[3608]).await, Some(21_600), "and it does not shrink");
        by_rhythm.close().await;
        let set = MqttSetup { expire_after: Some(Duration::from_secs(300)), ..discovering(broker.port, way) };
        assert_eq!(expiry(&mut sink(&set, &["haus"]), &[0]).await, Some(300));
    });
}

#[test]
fn everything_is_told_again_a_moment_after_home_assistant_has_started() {
    run(async {
        let broker = Broker::start();
        let mut sink = sink(&discovering(broker.port, HomeAssistantDiscovery::Device), &["haus"]);
        sink.tell(&telegram("haus", 0, &HOUSE[..1])).await.unwrap();
        let listener = Listener::start(broker.port, &["homeassistant/#", "metergate/#"]).await;
        listener.until("what was kept", |all| all.len() >= 4).await;
        listener.publish("homeassistant/status", "offline", false).await;
        listener.publish("homeassistant/status", "online", false).await;
        listener.forget();
        let told_again = async {
            loop {
                sink.keep().await.unwrap();
                let all = listener.so_far();
                let has = |topic: &str| all.iter().any(|one| one.topic == topic && !one.kept);
                if has("homeassistant/device/metergate_haus/config") && has("metergate/haus/state") {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), told_again).await.unwrap();
    });
}

#[test]
fn entities_survive_restarts_of_broker_and_gateway_in_any_order() {
    run(async {
        let mut broker = Broker::start();
        let discovering = discovering(broker.port, HomeAssistantDiscovery::Device);
        let news = telegram_of(Who::default(), "haus", 0, HOUSE, CHANNELS);
        let mut first = sink(&discovering, &["haus"]);
        first.tell(&news).await.unwrap();
        let ids: Vec<String> = entities(&kept(broker.port).await).into_keys().collect();
        // A broker that forgets everything is told everything.
        broker.kill();
        broker.start_again();
        while first.keep().await.is_err() {}
        while kept(broker.port).await.len() < 7 {
            first.keep().await.unwrap();
        }
        assert_eq!(entities(&kept(broker.port).await).into_keys().collect::<Vec<_>>(), ids);
        drop(first);
        // A gateway that starts again has the same, and takes nothing away before it knows better.
        let mut second = sink(&discovering, &["haus"]);
        second.keep().await.unwrap();
        assert_eq!(entities(&kept(broker.port).await).into_keys().collect::<Vec<_>>(), ids);
        second.tell(&news).await.unwrap();
        assert_eq!(entities(&kept(broker.port).await).into_keys().collect::<Vec<_>>(), ids);
    });
}

#[test]
fn the_checker_refuses_what_home_assistant_would() {
    let good = || -> Kept {
        let message = serde_json::json!({
            "device": { "identifiers": ["x"], "name": "x" },
            "origin": { "name": "metergate" },
            "availability": [{ "topic": "s" }],
            "state_topic": "t",
            "components": { "a": {
                "platform": "sensor", "unique_id": "a", "name": "A", "device_class": "energy",
                "state_class": "total", "unit_of_measurement": "Wh",
                "value_template": "{{ value_json.registers['a'] | default('') }}",
            } },
        });
        let state = r#"{"registers":{"a":1}}"#.to_owned();
        [
            ("homeassistant/device/x/config".to_owned(), message.to_string()),
            ("s".to_owned(), "online".to_owned()),
            ("t".to_owned(), state),
        ]
        .into()
    };
    assert_eq!(check(&good(), "homeassistant").unwrap().len(), 1);
    for (from, to, problem) in [
        ("\"Wh\"", "\"W\"", "`energy` in Some(\"W\")"),
        ("\"total\"", "\"measurement\"", "`energy` as Some(\"measurement\")"),
        ("\"energy\"", "\"energie\"", "is no device class"),
        ("\"unique_id\"", "\"object\"", "unknown key `object`"),
        ("\"topic\":\"s\"", "\"topic\":\"u\"", "nobody says on `u`"),
        ("['a']", "['b']", "`b` is no number"),
        ("\"origin\"", "\"orign\"", "needs an origin"),
        ("\"identifiers\"", "\"id\"", "no identifier"),
    ] {
        let mut kept = good();
        let message = kept.get_mut("homeassistant/device/x/config").unwrap();
        assert!(message.contains(from), "{from}");
        *message = message.replace(from, to);
        let problems = check(&kept, "homeassistant").unwrap_err();
        assert!(problems.iter().any(|found| found.contains(problem)), "{problem}: {problems:?}");
    }
}
