//! The tree of the sink `homie` on Mosquitto, walked by a checker written from the convention, one for each version.
#![allow(clippy::unwrap_used, reason = "a test says by failing what went wrong")]
#[path = "support/broker.rs"]
mod broker;
#[path = "homie_checker/five.rs"]
mod five;
mod homie_checker;
#[path = "support/mqtt_setup.rs"]
mod mqtt_setup;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/readings.rs"]
mod readings;
mod support;

use broker::{Broker, Listener};
use homie_checker::{Device, Kept, check};
use metergate_gateway::config::{HomieConvention, HomieSetup, MqttVersion};
use metergate_gateway::sink::Step;
use metergate_gateway::sink::homie::Homie;
use metergate_meter::verdict::Verdict;
use readings::{Who, telegram, telegram_of, verdict};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

fn run(test: impl Future<Output = ()>) {
    support::runtime().block_on(test);
}

fn setup(port: u16, device: Option<&str>, name: Option<&str>) -> HomieSetup {
    HomieSetup {
        broker: mqtt_setup::broker(port, "metergate-test"),
        convention: HomieConvention::V4,
        base: "homie".to_owned(),
        device: device.map(ToOwned::to_owned),
        name: name.map(ToOwned::to_owned),
    }
}

fn sink(setup: &HomieSetup, meters: &[&str]) -> Homie {
    let meters: Vec<Arc<str>> = meters.iter().map(|meter| Arc::from(*meter)).collect();
    Homie::new(setup, &meters).unwrap()
}

async fn kept(port: u16) -> Kept {
    Listener::kept(port, &["homie/#"]).await
}

/// All devices, with nothing wrong about them.
fn devices(kept: &Kept) -> BTreeMap<String, Device> {
    check(kept, "homie").unwrap_or_else(|problems| panic!("{problems:#?}\n{kept:#?}"))
}

/// Path, datatype, unit and value of each property.
fn table(device: &Device) -> Vec<(&str, &str, &str, &str)> {
    let properties = device.properties.iter();
    properties
        .map(|(path, property)| {
            let unit = property.unit.as_deref().unwrap_or_default();
            (path.as_str(), property.datatype.as_str(), unit, property.value.as_str())
        })
        .collect()
}

/// What a Sagemcom T210-D-r says by P1.
const T210: &[(&str, &str, &str)] = &[
    ("1-0:1.8.0", "9053098", "Wh"),
    ("1-0:1.8.1", "9000000", "Wh"),
    ("1-0:1.8.2", "53098", "Wh"),
    ("1-0:1.7.0", "515", "W"),
    ("1-0:2.8.1", "12", "Wh"),
    ("1-0:2.8.2", "0", "Wh"),
    ("1-0:2.7.0", "0", "W"),
];

/// What a Kamstrup MULTICAL 403 answers.
const HEAT: &[(&str, &str, &str)] = &[
    ("6-0:1.0.0", "12.345", "MWh"),
    ("6-0:8.0.0", "4.2", "kW"),
    ("6-0:10.0.0", "61.25", "degC"),
    ("6-0:11.0.0", "41.75", "degC"),
    ("6-0:12.0.0", "19.50", "K"),
    ("kmp:74", "180", "l/h"),
    ("kmp:68", "301.55", "m3"),
    ("kmp:1004", "40123", "h"),
];

/// Base units, as the store has them.
fn based(registers: &[(&'static str, &'static str, &'static str)]) -> metergate_gateway::sink::News {
    let mut news = telegram("meter", 0, registers);
    for point in &mut news.sample.as_mut().unwrap().points {
        point.number = point.base_number().unwrap();
        point.prefix = 0;
    }
    news
}

#[test]
fn row_38_an_electricity_meter_has_the_topics_of_the_reference_system() {
    run(async {
        let broker = Broker::start();
        let name = "Sagemcom T210-D-r Stromz\u{e4}hler";
        let mut sink = sink(&setup(broker.port, Some("electric-smart-meter"), Some(name)), &["meter"]);
        sink.tell(&based(T210)).await.unwrap();
        let kept = kept(broker.port).await;
        let all = devices(&kept);
        let device = &all["electric-smart-meter"];
        assert_eq!((device.name.as_str(), device.state.as_str()), (name, "ready"));
        assert_eq!(
            table(device),
            [
                ("energy/delivered-tariff-1", "integer", "Wh", "12"),
                ("energy/delivered-tariff-2", "integer", "Wh", "0"),
                ("energy/imported-total", "integer", "Wh", "9053098"),
                ("energy/used-tariff-1", "integer", "Wh", "9000000"),
                ("energy/used-tariff-2", "integer", "Wh", "53098"),
                ("power/current-delivery", "integer", "W", "0"),
                ("power/current-usage", "integer", "W", "515"),
            ]
        );
        assert_eq!(kept["homie/electric-smart-meter/$homie"], "4.0.0");
        assert_eq!(kept["homie/electric-smart-meter/$nodes"], "energy,power");
        assert_eq!(kept["homie/electric-smart-meter/energy/imported-total"], "9053098");
        assert_eq!(kept["homie/electric-smart-meter/energy/$name"], "Energy consumption meters");
    });
}

#[test]
fn row_38_a_heat_meter_has_the_topics_of_the_reference_system_with_decimals_declared_as_floats() {
    run(async {
        let broker = Broker::start();
        let mut sink = sink(&setup(broker.port, Some("heat-smart-meter"), None), &["meter"]);
        sink.tell(&based(HEAT)).await.unwrap();
        assert_eq!(
            table(&devices(&kept(broker.port).await)["heat-smart-meter"]),
            [
                ("energy/imported-total", "integer", "kWh", "12345"),
                ("flow/flow", "integer", "l/h", "180"),
                ("flow/volume", "float", "m\u{b3}", "301.55"),
                ("ops/hour-counter", "integer", "h", "40123"),
                ("power/current-usage", "float", "kW", "4.2"),
                ("temperatures/temp-diff", "float", "K", "19.50"),
                ("temperatures/temp1", "float", "\u{b0}C", "61.25"),
                ("temperatures/temp2", "float", "\u{b0}C", "41.75"),
            ]
        );
    });
}

#[test]
fn row_38_the_dummy_of_the_reference_system_counts_kilowatt_hours() {
    run(async {
        let broker = Broker::start();
        let mut sink = sink(&setup(broker.port, Some("dummy-smart-meter"), None), &["meter"]);
        // `units = ["kWh"]` of the sink.
        sink.tell(&telegram("meter", 0, &[("1-0:1.8.0", "42", "kWh")])).await.unwrap();
        let all = devices(&kept(broker.port).await);
        assert_eq!(table(&all["dummy-smart-meter"]), [("energy/imported-total", "integer", "kWh", "42")]);
    });
}

#[test]
fn every_register_of_a_meter_is_in_a_tree_that_the_convention_allows() {
    run(async {
        let broker = Broker::start();
        let mut sink = sink(&setup(broker.port, None, None), &["Haus_1"]);
        let registers = [
            ("1-0:2.8.0", "7", "Wh"),
            ("1-0:16.7.0", "-148", "W"),
            ("1-0:32.7.0", "233.7", "V"),
            ("1-0:13.7.0", "-0.309", ""),
            ("1-0:3.8.0", "77", "varh"),
            ("0-1:24.2.1", "123.456", "m3"),
            ("1-0:96.5.0", "4", ""),
            ("text:C.1.0", "17", ""),
            ("1-0:81.7.1", "120", "deg"),
        ];
        sink.tell(&telegram("Haus_1", 0, &registers)).await.unwrap();
        let kept = kept(broker.port).await;
        let all = devices(&kept);
        let device = &all["haus-1"];
        assert_eq!(device.properties.len(), registers.len());
        assert_eq!(device.properties["power/16-7-0"].value, "-148");
        assert_eq!(device.properties["power-factor/13-7-0"].datatype, "float");
        assert!(kept.values().all(|value| !value.contains("None")), "what is not there is not said");
    });
}

#[test]
fn a_device_is_initialised_ready_alerted_and_ready_again() {
    for version in [MqttVersion::V311, MqttVersion::V5] {
        run(async {
            let broker = Broker::start();
            let listener = Listener::start(broker.port, &["homie/meter/$state"]).await;
            let mut setup = setup(broker.port, None, None);
            setup.broker.version = version;
            let mut sink = sink(&setup, &["meter"]);
            sink.tell(&verdict("meter", 0, Verdict::Waiting)).await.unwrap();
            assert!(kept(broker.port).await.is_empty(), "nothing before the first reading");
            let silent = Verdict::Silent { since: Duration::ZERO };
            sink.tell(&based(&T210[..1])).await.unwrap();
            sink.tell(&verdict("meter", 1, Verdict::Ok)).await.unwrap();
            sink.tell(&verdict("meter", 2, silent)).await.unwrap();
            sink.tell(&verdict("meter", 3, Verdict::Ok)).await.unwrap();
            // A register that is new changes the description.
            sink.tell(&based(&T210[..2])).await.unwrap();
            sink.close().await;
            let all = listener
                .until("disconnected", |all| all.iter().any(|one| one.payload == "disconnected"))
                .await;
            let states: Vec<&str> = all.iter().map(|one| one.payload.as_str()).collect();
            assert_eq!(states, ["init", "ready", "alert", "ready", "init", "ready", "disconnected"]);
        });
    }
}

#[test]
fn a_device_that_vanishes_is_lost_and_comes_back_with_its_tree() {
    run(async {
        let mut broker = Broker::start();
        let setup = setup(broker.port, None, None);
        let mut first = sink(&setup, &["meter"]);
        first.tell(&based(T210)).await.unwrap();
        let before = devices(&kept(broker.port).await);
        let listener = Listener::start(broker.port, &["homie/meter/$state"]).await;
        listener.says("homie/meter/$state", "ready").await;
        drop(first);
        listener.says("homie/meter/$state", "lost").await;
        let mut second = sink(&setup, &["meter"]);
        second.tell(&based(T210)).await.unwrap();
        // A broker that forgets everything is told everything, without news of the meter.
        broker.kill();
        let trouble = loop {
            match second.keep().await {
                Ok(()) => tokio::task::yield_now().await,
                Err(trouble) => break trouble,
            }
        };
        assert_eq!(trouble.step, Step::Connect);
        broker.start_again();
        second.keep().await.unwrap();
        assert_eq!(devices(&kept(broker.port).await), before);
    });
}

#[test]
fn each_device_has_a_connection_and_an_id_of_its_own() {
    run(async {
        let broker = Broker::start();
        let mut sink = sink(&setup(broker.port, None, None), &["Haus", "haus", "keller"]);
        for meter in ["Haus", "haus", "keller"] {
            sink.tell(&telegram(meter, 0, &[("1-0:1.8.0", "1", "Wh")])).await.unwrap();
        }
        let all = devices(&kept(broker.port).await);
        assert_eq!(all.keys().map(String::as_str).collect::<Vec<_>>(), ["haus", "haus-2", "keller"]);
        assert_eq!((all["haus"].name.as_str(), all["haus-2"].name.as_str()), ("Haus", "haus"));
        let log = broker.log();
        for client in ["metergate-test-haus", "metergate-test-haus-2", "metergate-test-keller"] {
            assert!(log.contains(&format!("as {client} (")), "{log}");
        }
        drop(sink);
        let listener = Listener::start(broker.port, &["homie/+/$state"]).await;
        listener
            .until("three that are lost", |all| all.iter().filter(|one| one.payload == "lost").count() == 3)
            .await;
    });
}

#[test]
fn the_checker_refuses_what_the_convention_does() {
    let good = || -> Kept {
        [
            ("homie/m/$homie", "4.0.0"),
            ("homie/m/$name", "m"),
            ("homie/m/$state", "ready"),
            ("homie/m/$nodes", "energy"),
            ("homie/m/energy/$name", "Energy"),
            ("homie/m/energy/$type", "energy"),
            ("homie/m/energy/$properties", "total"),
            ("homie/m/energy/total/$name", "total"),
            ("homie/m/energy/total/$datatype", "integer"),
            ("homie/m/energy/total", "42"),
        ]
        .map(|(topic, payload)| (topic.to_owned(), payload.to_owned()))
        .into()
    };
    assert_eq!(check(&good(), "homie").unwrap().len(), 1);
    for (topic, payload, problem) in [
        ("homie/m/energy/total", "4.2", "`4.2` is no integer"),
        ("homie/m/energy/total", "None", "`None` is no integer"),
        ("homie/m/energy/total/$datatype", "number", "datatype number"),
        ("homie/m/$state", "online", "state online"),
        ("homie/m/$nodes", "energy,power", "is required"),
        ("homie/m/energy/$properties", "total,total", "names one twice"),
        ("homie/m/power/usage", "7", "nothing leads there"),
        ("homie/M_1/$homie", "4.0.0", "`M_1` is no id"),
    ] {
        let mut kept = good();
        kept.insert(topic.to_owned(), payload.to_owned());
        let problems = check(&kept, "homie").unwrap_err();
        assert!(problems.iter().any(|found| found.contains(problem)), "{problem}: {problems:?}");
    }
}

fn setup_5(port: u16) -> HomieSetup {
    HomieSetup { convention: HomieConvention::V5, ..setup(port, None, None) }
}

/// All devices by convention 5, with nothing wrong about them.
fn devices_5(kept: &Kept) -> BTreeMap<String, five::Device> {
    five::check(kept, "homie").unwrap_or_else(|problems| panic!("{problems:#?}\n{kept:#?}"))
}

/// A P1 meter with a gas meter on channel 1 and a water meter on channel 2.
fn with_gas_and_water(gas: &str) -> metergate_gateway::sink::News {
    let registers = [
        ("1-0:1.8.1", "9000000", "Wh"),
        ("1-0:1.7.0", "515", "W"),
        ("1-0:32.7.0", "233.7", "V"),
        ("0-1:24.2.1", gas, "m3"),
        ("0-2:24.2.1", "77", "m3"),
    ];
    telegram_of(Who::default(), "Haus", 0, &registers, &[("0-1:24.1.0", "003"), ("0-2:24.1.0", "007")])
}

#[test]
fn by_convention_5_gas_and_water_are_children_of_the_meter_that_they_stand_behind() {
    for version in [MqttVersion::V311, MqttVersion::V5] {
        run(async {
            let broker = Broker::start();
            let mut setup = setup_5(broker.port);
            setup.broker.version = version;
            // A meter that is called like a child keeps its id.
            let mut sink = sink(&setup, &["Haus", "haus-gas"]);
            sink.tell(&with_gas_and_water("123.456")).await.unwrap();
            sink.tell(&telegram("haus-gas", 0, &[("7-0:3.0.0", "5", "m3")])).await.unwrap();
            let all = devices_5(&kept(broker.port).await);
            let table = |id: &str| {
                let properties = all[id].properties.iter();
                let row = |(path, one): (&String, &homie_checker::Property)| {
                    format!("{path} {} {} {}", one.datatype, one.value, one.unit.as_deref().unwrap_or("-"))
                };
                properties.map(row).collect::<Vec<_>>()
            };
            assert_eq!(
                table("haus"),
                [
                    "energy/used-tariff-1 integer 9000000 Wh",
                    "power/current-usage integer 515 W",
                    "voltage/32-7-0 float 233.7 V",
                ]
            );
            assert_eq!(table("haus-gas-2"), ["volume/24-2-1 float 123.456 m\u{b3}"]);
            assert_eq!(table("haus-water"), ["volume/24-2-1 integer 77 m\u{b3}"]);
            assert_eq!(all["haus"].children, ["haus-gas-2", "haus-water"]);
            assert_eq!(
                (all["haus-water"].root.as_deref(), all["haus"].root.as_deref()),
                (Some("haus"), None)
            );
            assert_eq!(all["haus-water"].name, "Haus water");
            assert!(all.values().all(|device| device.state == "ready"));
            assert_eq!(all.len(), 4);
        });
    }
}

#[test]
fn by_convention_5_a_description_changes_only_in_init_and_has_another_version_then() {
    run(async {
        let broker = Broker::start();
        let listener = Listener::start(broker.port, &["homie/5/+/$state", "homie/5/+/$description"]).await;
        let mut sink = sink(&setup_5(broker.port), &["meter"]);
        sink.tell(&telegram("meter", 0, &T210[..1])).await.unwrap();
        let first = devices_5(&kept(broker.port).await)["meter"].version;
        sink.tell(&telegram("meter", 1, &T210[..1])).await.unwrap();
        sink.tell(&telegram("meter", 2, &T210[..2])).await.unwrap();
        let second = devices_5(&kept(broker.port).await)["meter"].version;
        assert_ne!(first, second);
        sink.close().await;
        let all = listener.until("good-bye", |all| all.iter().any(|one| one.payload == "disconnected")).await;
        let steps: Vec<&str> = all
            .iter()
            .map(|one| if one.topic.ends_with("$state") { one.payload.as_str() } else { "described" })
            .collect();
        assert_eq!(steps, ["init", "described", "ready", "init", "described", "ready", "disconnected"]);
        // The same tree after a restart is the same version: nobody has to read it again.
        let mut again = self::sink(&setup_5(broker.port), &["meter"]);
        again.tell(&telegram("meter", 3, &T210[..2])).await.unwrap();
        assert_eq!(devices_5(&kept(broker.port).await)["meter"].version, second);
    });
}

#[test]
fn by_convention_5_what_is_wrong_is_an_alert_until_it_is_over_and_who_vanishes_is_lost_with_its_children() {
    run(async {
        let broker = Broker::start();
        let mut sink = sink(&setup_5(broker.port), &["Haus"]);
        sink.tell(&with_gas_and_water("1.5")).await.unwrap();
        sink.tell(&verdict("Haus", 1, Verdict::Damaged)).await.unwrap();
        let all = devices_5(&kept(broker.port).await);
        assert!(all["haus"].alerts["meter"].starts_with("telegrams arrive damaged"), "{all:?}");
        assert_eq!(all["haus"].state, "ready", "the device is there, its meter is not");
        drop(sink);
        let listener = Listener::start(broker.port, &["homie/5/haus/$state"]).await;
        listener.says("homie/5/haus/$state", "lost").await;
        let all = devices_5(&kept(broker.port).await);
        assert_eq!(all["haus-gas"].state, "lost", "a child is what its root is");
        // The next run takes the alert of the last one back.
        let mut sink = self::sink(&setup_5(broker.port), &["Haus"]);
        sink.tell(&with_gas_and_water("1.6")).await.unwrap();
        let all = devices_5(&kept(broker.port).await);
        assert!(all["haus"].alerts.is_empty(), "{all:?}");
        assert_eq!((all["haus"].state.as_str(), all["haus-gas"].state.as_str()), ("ready", "ready"));
        sink.tell(&verdict("Haus", 2, Verdict::WrongKey)).await.unwrap();
        sink.tell(&verdict("Haus", 3, Verdict::Ok)).await.unwrap();
        assert!(devices_5(&kept(broker.port).await)["haus"].alerts.is_empty());
    });
}

#[test]
fn the_checker_of_convention_5_refuses_what_the_convention_does() {
    let description =
        r#"{"homie":"5.0","version":7,"nodes":{"energy":{"properties":{"total":{"datatype":"integer"}}}}}"#;
    let good = || -> Kept {
        [
            ("homie/5/m/$state", "ready"),
            ("homie/5/m/$description", description),
            ("homie/5/m/energy/total", "42"),
        ]
        .map(|(topic, payload)| (topic.to_owned(), payload.to_owned()))
        .into()
    };
    assert_eq!(five::check(&good(), "homie").unwrap().len(), 1);
    let with = |from: &str, to: &str| description.replace(from, to);
    for (topic, payload, problem) in [
        ("homie/5/m/energy/total", "4.2".to_owned(), "`4.2` is no integer"),
        ("homie/5/m/energy/total", "None".to_owned(), "`None` is no integer"),
        ("homie/5/m/$state", "alert".to_owned(), "state alert"),
        ("homie/5/m/power/usage", "7".to_owned(), "nothing leads there"),
        ("homie/5/M_1/$state", "ready".to_owned(), "`M_1` is no id"),
        ("homie/5/m/$alert/A", "x".to_owned(), "`A` is no id"),
        ("homie/5/m/$description", "{".to_owned(), "no JSON object"),
        ("homie/5/m/$description", with("5.0", "4.0.0"), "homie 4.0.0"),
        ("homie/5/m/$description", with(":7", ":\"7\""), "`version` is required"),
        ("homie/5/m/$description", with("\"integer\"", "\"number\""), "datatype number"),
        ("homie/5/m/$description", with("\"version\"", "\"root\":\"x\",\"version\""), "there is no root x"),
        (
            "homie/5/m/$description",
            with("\"version\"", "\"children\":[\"x\"],\"version\""),
            "there is no child x",
        ),
        ("homie/5/m/$description", with("\"version\"", "\"name\":null,\"version\""), "`name` is null"),
        (
            "homie/5/m/$description",
            with("\"datatype\"", "\"format\":\"0:9\",\"datatype\""),
            "42 is not within 0:9",
        ),
    ] {
        let mut kept = good();
        kept.insert(topic.to_owned(), payload);
        let problems = five::check(&kept, "homie").unwrap_err();
        assert!(problems.iter().any(|found| found.contains(problem)), "{problem}: {problems:?}");
    }
}
