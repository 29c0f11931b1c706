//! The sink `thingsboard` against Mosquitto, which knows MQTT as well as ThingsBoard does and nothing of its payloads:
//! those are held against its documentation.
#![allow(clippy::unwrap_used, reason = "a test says by failing what went wrong")]
#[path = "support/broker.rs"]
mod broker;
#[path = "support/mqtt_setup.rs"]
mod mqtt_setup;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/readings.rs"]
mod readings;
mod support;

use broker::{Broker, Listener, Received};
use metergate_gateway::config::{Login, MqttVersion, ThingsBoardSetup};
use metergate_gateway::secret::Secret;
use metergate_gateway::sink::thingsboard::ThingsBoard;
use metergate_gateway::sink::{Delivered, Entry, Step};
use metergate_meter::verdict::Verdict;
use readings::{Who, entries, sample, telegram_of, verdict};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;

const TOKEN: &str = "A1_TEST_TOKEN";

fn run(test: impl Future<Output = ()>) {
    support::runtime().block_on(test);
}

fn setup(port: u16) -> ThingsBoardSetup {
    ThingsBoardSetup {
        broker: mqtt_setup::broker(port, "metergate-test"),
        token: Some(Secret::new(TOKEN)),
        prefix: String::new(),
        device_type: "meter".to_owned(),
    }
}

fn sink(setup: &ThingsBoardSetup) -> ThingsBoard {
    ThingsBoard::new(setup, &[Arc::from("gas"), Arc::from("haus")]).unwrap()
}

/// A broker on which nobody but the owner of the token publishes.
fn board() -> (Broker, tempfile::NamedTempFile) {
    let rights = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(rights.path(), format!("topic read #\nuser {TOKEN}\ntopic write v1/gateway/#\n")).unwrap();
    let broker = Broker::with(&["allow_anonymous true", &format!("acl_file {}", rights.path().display())]);
    (broker, rights)
}

fn json_of(received: &Received) -> (String, Value) {
    let topic = received.topic.strip_prefix("v1/gateway/").unwrap();
    (topic.to_owned(), serde_json::from_str(&received.payload).unwrap())
}

/// What arrived, once the last of it has.
async fn until(listener: &Listener, count: usize) -> Vec<(String, Value)> {
    let all = listener.until(&format!("{count} messages"), |all| all.len() >= count).await;
    all.iter().map(json_of).collect()
}

#[test]
fn each_meter_is_a_device_that_is_announced_described_measured_and_taken_leave_of() {
    for version in [MqttVersion::V311, MqttVersion::V5] {
        run(async {
            let (broker, _rights) = board();
            let listener = Listener::start(broker.port, &["v1/gateway/#"]).await;
            let mut setup = setup(broker.port);
            setup.broker.version = version;
            setup.prefix = "house ".to_owned();
            let mut sink = sink(&setup);
            let who = Who { id: Some("1EMH0012345678"), ..Who::default() };
            let energy = [("1-0:1.8.0", "35204.0842", "Wh"), ("1-0:16.7.0", "-148", "W")];
            sink.tell(&telegram_of(who, "haus", 0, &energy, &[])).await.unwrap();
            let batch = [
                Entry::Reading(sample("haus", 1, 0, &energy)),
                Entry::Reading(sample("gas", 2, 1, &[("7-0:3.0.0", "12.5", "m3")])),
            ];
            let done = sink.deliver(&batch).await;
            assert!(done.taken == 2 && done.refused.is_empty() && done.trouble.is_none(), "{done:?}");
            sink.tell(&verdict("haus", 2, Verdict::Damaged)).await.unwrap();
            sink.tell(&verdict("haus", 3, Verdict::Damaged)).await.unwrap();
            sink.close().await;
            let units = json!({ "1-0:1.8.0": "Wh", "1-0:16.7.0": "W" });
            let said = |topic: &str, payload: Value| (topic.to_owned(), payload);
            let telemetry = json!({
                "house haus": [{ "ts": 1_692_199_171_000_i64, "values": { "1-0:1.8.0": 35204.0842, "1-0:16.7.0": -148 } }],
                "house gas": [{ "ts": 1_692_199_172_000_i64, "values": { "7-0:3.0.0": 12.5 } }],
            });
            let serial = "1EMH0012345678";
            assert_eq!(
                until(&listener, 7).await,
                [
                    said("connect", json!({ "device": "house haus", "type": "meter" })),
                    said("attributes", json!({ "house haus": { "serial": serial, "units": units } })),
                    said("connect", json!({ "device": "house gas", "type": "meter" })),
                    said("telemetry", telemetry),
                    said(
                        "attributes",
                        json!({ "house haus":
                            { "serial": serial, "units": units, "verdict": "damaged", "live": false } })
                    ),
                    said("disconnect", json!({ "device": "house gas" })),
                    said("disconnect", json!({ "device": "house haus" })),
                ]
            );
            let raw = listener.so_far();
            assert!(
                raw.iter().any(|one| one.payload.contains("35204.0842,")),
                "exactly as the meter said it"
            );
            let log = broker.log();
            let ours: Vec<&str> =
                log.lines().filter(|line| line.contains("Received PUBLISH from metergate-test")).collect();
            assert!(ours.len() == 7 && ours.iter().all(|line| line.contains("q1, r0")), "{ours:?}");
        });
    }
}

#[test]
fn devices_are_announced_again_after_the_server_was_away_and_readings_arrive_all_and_in_order() {
    run(async {
        let (mut broker, _rights) = board();
        let mut sink = sink(&setup(broker.port));
        let all = entries("haus", 600);
        assert_eq!(sink.deliver(&all[..10]).await.taken, 10);
        broker.kill();
        let mut taken = 10;
        let Delivered { taken: more, trouble, .. } = sink.deliver(&all[taken..]).await;
        assert!(more == 0 && trouble.is_some(), "nobody is there");
        broker.start_again();
        let listener = Listener::start(broker.port, &["v1/gateway/#"]).await;
        while taken < all.len() {
            let done = sink.deliver(&all[taken..]).await;
            assert!(done.refused.is_empty(), "{done:?}");
            taken += done.taken;
        }
        let arrived = listener.until("all readings", |all| times(all).len() >= 590).await;
        assert_eq!(arrived.first().map(|one| one.topic.as_str()), Some("v1/gateway/connect"));
        let expected: Vec<i64> = (11..=600).map(|second| 1_692_199_171_000 + second * 1000).collect();
        assert_eq!(times(&arrived), expected);
    });
}

/// The times of all telemetry of `haus`.
fn times(all: &[Received]) -> Vec<i64> {
    let telemetry = all.iter().map(json_of).filter(|(topic, _)| topic == "telemetry");
    let rows = telemetry.flat_map(|(_, payload)| payload["haus"].as_array().unwrap().clone());
    rows.map(|row| row["ts"].as_i64().unwrap()).collect()
}

#[test]
fn a_wrong_token_is_trouble_with_the_login_costs_nothing_and_is_shown_nowhere() {
    run(async {
        let broker = Broker::with_login("gateway", "correct horse");
        for version in [MqttVersion::V311, MqttVersion::V5] {
            let mut wrong = setup(broker.port);
            wrong.broker.version = version;
            assert!(!format!("{wrong:?}").contains(TOKEN));
            let mut sink = sink(&wrong);
            let done = sink.deliver(&entries("haus", 3)).await;
            assert_eq!((done.taken, done.refused.len()), (0, 0));
            let trouble = done.trouble.unwrap();
            assert_eq!(trouble.step, Step::Login, "{trouble}");
            assert!(trouble.message.contains("check `token`"), "{trouble}");
            assert!(!format!("{trouble:?} {sink:?}").contains(TOKEN), "{trouble}");
            // Name and password are the other way in.
            let mut named = ThingsBoardSetup { token: None, ..wrong };
            let password = Some(Secret::new("correct horse"));
            named.broker.endpoint.login = Some(Login { username: "gateway".to_owned(), password });
            assert_eq!(self::sink(&named).deliver(&entries("haus", 3)).await.taken, 3);
        }
    });
}
