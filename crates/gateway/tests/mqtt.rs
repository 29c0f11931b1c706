//! The sink `mqtt` against Mosquitto, with a subscriber of its own beside it.
#![allow(clippy::unwrap_used, reason = "a test says by failing what went wrong")]
#[path = "support/broker.rs"]
mod broker;
#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/mqtt_setup.rs"]
mod mqtt_setup;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/readings.rs"]
mod readings;
mod support;

use broker::{Broker, Listener, Received};
use certificates::{Authority, Files, Validity, self_signed};
use metergate_gateway::config::{
    ClientIdentity, Fingerprint, HomeAssistantDiscovery, Login, MqttSetup, MqttShape, MqttVersion, Qos,
    Scheme, TlsSetup, TrustSetup,
};
use metergate_gateway::secret::Secret;
use metergate_gateway::sink::mqtt::Mqtt;
use metergate_gateway::sink::{Delivered, Entry, Step};
use metergate_meter::verdict::Verdict;
use metergate_reading::Number;
use mqtt_setup::setup;
use readings::{entries, sample, telegram, verdict};
use serde_json::Value;
use std::collections::BTreeSet;
use std::future::Future;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const VERSIONS: [MqttVersion; 2] = [MqttVersion::V311, MqttVersion::V5];

fn sink(setup: &MqttSetup) -> Mqtt {
    Mqtt::new(setup, &[Arc::from("haus")]).unwrap()
}

fn run(test: impl Future<Output = ()>) {
    support::runtime().block_on(test);
}

fn energy(number: &str) -> [(&'static str, &str, &'static str); 1] {
    [("1-0:1.8.0", number, "Wh")]
}

fn of<'a>(all: &'a [Received], topic: &'a str) -> impl Iterator<Item = &'a Received> {
    all.iter().filter(move |received| received.topic == topic)
}

fn seq(received: &Received) -> u64 {
    serde_json::from_str::<Value>(&received.payload).unwrap()["seq"].as_u64().unwrap()
}

/// Hands over everything, however often it takes; the broker is there.
async fn deliver_all(sink: &mut Mqtt, entries: &[Entry]) {
    let mut rest = entries;
    while !rest.is_empty() {
        let Delivered { taken, refused, trouble } = sink.deliver(&rest[..rest.len().min(100)]).await;
        assert_eq!(refused, []);
        assert!(taken > 0, "{trouble:?}");
        rest = &rest[taken..];
    }
}

#[test]
fn a_reading_is_there_for_who_comes_later_with_every_digit() {
    for version in VERSIONS {
        run(async {
            let broker = Broker::start();
            let mut setup = setup(broker.port);
            setup.broker.version = version;
            setup.per_register = true;
            let mut sink = sink(&setup);
            sink.tell(&telegram(
                "haus",
                0,
                &[("1-0:1.8.0", "35204.0842", "Wh"), ("1-0:16.7.0", "-148", "W")],
            ))
            .await
            .unwrap();
            let kept = Listener::kept(broker.port, &["#"]).await;
            let topics: Vec<&str> = kept.keys().map(String::as_str).collect();
            assert_eq!(
                topics,
                [
                    "metergate/haus/1-0_1.8.0",
                    "metergate/haus/1-0_16.7.0",
                    "metergate/haus/state",
                    "metergate/haus/verdict",
                    "metergate/status",
                ]
            );
            assert_eq!(kept["metergate/status"], "online");
            assert_eq!(kept["metergate/haus/1-0_1.8.0"], "35204.0842");
            assert_eq!(
                kept["metergate/haus/state"],
                concat!(
                    r#"{"time":"2023-08-16T15:19:31.000Z","meter":"haus","id":null,"verdict":"ok","#,
                    r#""registers":{"1-0_1.8.0":35204.0842,"1-0_16.7.0":-148},"#,
                    r#""units":{"1-0_1.8.0":"Wh","1-0_16.7.0":"W"}}"#
                )
            );
            sink.close().await;
        });
    }
}

#[test]
fn nothing_but_the_status_is_published_before_a_value_is_there() {
    run(async {
        let broker = Broker::start();
        let mut setup = setup(broker.port);
        setup.per_register = true;
        setup.discovery = HomeAssistantDiscovery::Device;
        let mut sink = sink(&setup);
        sink.keep().await.unwrap();
        let kept = Listener::kept(broker.port, &["#"]).await;
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), ["metergate/status"]);
    });
}

#[test]
fn a_state_that_nobody_should_keep_is_not_kept() {
    run(async {
        let broker = Broker::start();
        let listener = Listener::start(broker.port, &["metergate/#"]).await;
        let mut sink = sink(&MqttSetup { retain: false, qos: Qos::AtMostOnce, ..setup(broker.port) });
        sink.tell(&telegram("haus", 0, &energy("1"))).await.unwrap();
        listener.until("state", |all| of(all, "metergate/haus/state").count() == 1).await;
        let kept = Listener::kept(broker.port, &["metergate/haus/#"]).await;
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), ["metergate/haus/verdict"]);
    });
}

#[test]
fn a_meter_that_falls_silent_is_shown_as_silent_and_its_state_is_not_refreshed() {
    run(async {
        let mut broker = Broker::start();
        let mut sink = sink(&setup(broker.port));
        sink.tell(&telegram("haus", 0, &energy("35204.0842"))).await.unwrap();
        sink.tell(&verdict("haus", 0, Verdict::Ok)).await.unwrap();
        let before = Listener::kept(broker.port, &["metergate/haus/state"]).await;
        let silent = Verdict::Silent { since: Duration::ZERO };
        sink.tell(&verdict("haus", 90, silent)).await.unwrap();
        let kept = Listener::kept(broker.port, &["metergate/haus/#"]).await;
        let told: Value = serde_json::from_str(&kept["metergate/haus/verdict"]).unwrap();
        assert_eq!((&told["verdict"], &told["live"]), (&"silent".into(), &false.into()));
        assert_eq!(told["since"], "2023-08-16T15:21:01.000Z");
        assert_eq!(kept["metergate/haus/state"], before["metergate/haus/state"]);
        // Nor by a broker that forgot everything: what is told again is the verdict, not the old value.
        broker.kill();
        broker.start_again();
        let listener = Listener::start(broker.port, &["metergate/#"]).await;
        while sink.keep().await.is_err() {}
        listener.says("metergate/status", "online").await;
        let all = listener.until("verdict", |all| of(all, "metergate/haus/verdict").count() > 0).await;
        assert_eq!(of(&all, "metergate/haus/state").count(), 0);
        // And it lives again with the next telegram.
        sink.tell(&telegram("haus", 120, &energy("35205"))).await.unwrap();
        sink.tell(&verdict("haus", 120, Verdict::Ok)).await.unwrap();
        listener
            .until("state", |all| {
                of(all, "metergate/haus/state").any(|state| state.payload.contains("35205"))
            })
            .await;
    });
}

#[test]
fn what_did_not_change_enough_for_the_sink_still_stands_in_the_document() {
    run(async {
        let broker = Broker::start();
        let mut sink = sink(&setup(broker.port));
        let both = [("1-0:1.8.0", "35204", "Wh"), ("1-0:16.7.0", "100", "W")];
        sink.tell(&telegram("haus", 0, &both)).await.unwrap();
        // The telegram holds both; the selection of the sink lets one pass.
        let mut news = telegram("haus", 1, &both);
        news.sample.as_mut().unwrap().points.remove(0);
        sink.tell(&news).await.unwrap();
        let kept = Listener::kept(broker.port, &["metergate/haus/state"]).await;
        let state: Value = serde_json::from_str(&kept["metergate/haus/state"]).unwrap();
        assert_eq!(state["registers"]["1-0_1.8.0"], 35204);
        // Also without a code, as long as the telegram has it.
        let heat = [("kmp:68", "301.55", "m3"), ("kmp:74", "180", "l/h")];
        sink.tell(&telegram("haus", 1, &heat)).await.unwrap();
        let mut news = telegram("haus", 2, &heat[..1]);
        news.sample.as_mut().unwrap().points.clear();
        sink.tell(&news).await.unwrap();
        let kept = Listener::kept(broker.port, &["metergate/haus/state"]).await;
        assert!(kept["metergate/haus/state"].contains(r#""registers":{"kmp_68":301.55}"#), "{kept:?}");
        // What the meter does not send any more goes.
        sink.tell(&telegram("haus", 2, &both[1..])).await.unwrap();
        let kept = Listener::kept(broker.port, &["metergate/haus/state"]).await;
        let state: Value = serde_json::from_str(&kept["metergate/haus/state"]).unwrap();
        assert_eq!(state["registers"].as_object().unwrap().len(), 1, "{state}");
    });
}

#[test]
fn row_37_documents_have_the_shape_of_the_reference_system_and_an_error_stands_for_a_silent_meter() {
    run(async {
        let broker = Broker::start();
        let mut sink = sink(&MqttSetup { shape: MqttShape::UpSmartMeter, ..setup(broker.port) });
        sink.tell(&telegram("haus", 0, &[("1-0:1.8.0", "35204.0842", "Wh"), ("1-0:16.7.0", "319.08", "W")]))
            .await
            .unwrap();
        let kept = Listener::kept(broker.port, &["metergate/haus/state"]).await;
        assert_eq!(
            kept["metergate/haus/state"],
            concat!(
                r#"{"device_id":"haus","timestamp":"2023-08-16T15:19:31.000Z","properties":["#,
                r#"{"name":"1.8.0_Wh","value":35204.0842,"last_changed":"2023-08-16T15:19:31.000Z"},"#,
                r#"{"name":"16.7.0_W","value":319.08,"last_changed":"2023-08-16T15:19:31.000Z"}]}"#
            )
        );
        let silent = Verdict::Silent { since: Duration::ZERO };
        sink.tell(&verdict("haus", 60, silent)).await.unwrap();
        let kept = Listener::kept(broker.port, &["metergate/haus/state"]).await;
        assert_eq!(
            kept["metergate/haus/state"],
            concat!(
                r#"{"device_id":"haus","timestamp":"2023-08-16T15:20:31.000Z","properties":["#,
                r#"{"name":"error","unit":"error","value":0,"last_changed":"2023-08-16T15:20:31.000Z"}]}"#
            )
        );
    });
}

#[test]
fn row_37_a_broker_away_for_ten_minutes_gets_every_value_in_order_and_once() {
    for version in VERSIONS {
        run(async {
            let mut broker = Broker::start();
            let mut setup = setup(broker.port);
            setup.broker.version = version;
            let mut sink = sink(&setup);
            let listener = Listener::start(broker.port, &["metergate/haus/history"]).await;
            // One value a second, and the broker is away from the 30th to the 630th.
            let all = entries("haus", 660);
            deliver_all(&mut sink, &all[..30]).await;
            broker.stop();
            let away = sink.deliver(&all[30..130]).await;
            assert_eq!(away.taken, 0);
            assert_eq!(away.trouble.unwrap().step, Step::Connect);
            broker.start_again();
            deliver_all(&mut sink, &all[30..]).await;
            let got = listener.until("660 values", |all| all.len() >= 660).await;
            let numbers: Vec<u64> = got.iter().map(seq).collect();
            assert_eq!(numbers, (1..=660).collect::<Vec<_>>(), "in order, each once");
            assert!(got.iter().all(|received| !received.kept), "history is retained by nobody");
            let last: Value = serde_json::from_str(&got[659].payload).unwrap();
            assert_eq!(last["time"], "2023-08-16T15:30:31.000Z");
            assert_eq!(last["registers"]["1-0_1.8.0"].to_string(), "35270.0");
            sink.close().await;
        });
    }
}

#[test]
fn a_broker_that_ends_in_the_middle_has_taken_what_it_acknowledged_and_gets_the_rest_later() {
    for version in VERSIONS {
        run(async {
            let mut broker = Broker::start();
            let mut setup = setup(broker.port);
            setup.broker.version = version;
            let mut sink = sink(&setup);
            let listener = Listener::start(broker.port, &["metergate/haus/history"]).await;
            let all = entries("haus", 20_000);
            let stop = async {
                listener.until("some values", |all| all.len() > 100).await;
                broker.stop();
            };
            let (first, ()) = tokio::join!(sink.deliver(&all), stop);
            assert!(first.trouble.is_some() && first.taken >= 50 && first.taken < 20_000, "{first:?}");
            broker.start_again();
            let rest = &all[first.taken..first.taken + 500];
            deliver_all(&mut sink, rest).await;
            let last = u64::try_from(first.taken + 500).unwrap();
            let got = listener.until("the last one", |all| all.iter().any(|one| seq(one) == last)).await;
            let numbers: BTreeSet<u64> = got.iter().map(seq).collect();
            assert_eq!(numbers, (1..=last).collect(), "none is missing");
            // What was on its way when it ended may have come twice, and no more than that. The broker's word counts:
            // it hands things over to the listener again on its own account.
            let log = broker.log();
            let sent =
                log.lines().filter(|line| line.contains("Received PUBLISH from metergate-test")).count();
            let statuses = 2;
            assert!(sent >= numbers.len() && sent <= numbers.len() + statuses + 20, "{sent} for {last}");
        });
    }
}

#[test]
fn a_broker_that_hangs_is_given_up_and_nothing_counts_as_delivered() {
    run(async {
        let mut broker = Broker::start();
        let mut sink = sink(&setup(broker.port));
        sink.keep().await.unwrap();
        broker.freeze();
        let all = entries("haus", 100);
        let given_up = tokio::time::timeout(Duration::from_secs(30), sink.deliver(&all)).await.unwrap();
        assert_eq!(given_up.taken, 0);
        assert!(given_up.trouble.is_some());
        broker.kill();
        broker.start_again();
        deliver_all(&mut sink, &all).await;
    });
}

#[test]
fn quarter_hours_and_events_have_their_places() {
    use metergate_gateway::event::{Event, EventCode};
    use metergate_gateway::store::{Mark, Quality, UseCase};
    run(async {
        let broker = Broker::start();
        let listener = Listener::start(broker.port, &["metergate/#"]).await;
        let mut sink = sink(&setup(broker.port));
        let batch = [
            Entry::Measured {
                case: UseCase::Taf7LoadProfile,
                mark: Mark::from_unix_s(1_692_199_800),
                quality: Quality::Late,
                clock_doubtful: true,
                sample: sample("haus", 5, 700, &energy("35204")),
            },
            Entry::Event(Event {
                seq: 6,
                at: readings::at(701),
                code: EventCode::QuarterHour,
                about: Some("haus".into()),
                detail: String::new(),
                count: 1,
            }),
        ];
        let delivered = sink.deliver(&batch).await;
        assert_eq!((delivered.taken, delivered.trouble), (2, None));
        let all = listener.until("both", |all| all.len() >= 3).await;
        let quarter: Value =
            serde_json::from_str(&of(&all, "metergate/haus/history").next().unwrap().payload).unwrap();
        assert_eq!(quarter["use_case"], "taf7");
        assert_eq!(quarter["mark"], "2023-08-16T15:30:00.000Z");
        assert_eq!((&quarter["quality"], &quarter["clock_doubtful"]), (&"late".into(), &true.into()));
        let event: Value =
            serde_json::from_str(&of(&all, "metergate/events").next().unwrap().payload).unwrap();
        assert_eq!((&event["event"], &event["number"]), (&"tariff.quarter_hour".into(), &1010.into()));
    });
}

#[test]
fn who_ends_without_a_good_bye_is_offline_and_who_says_it_too() {
    for version in VERSIONS {
        run(async {
            let broker = Broker::start();
            let listener = Listener::start(broker.port, &["metergate/status"]).await;
            let mut setup = setup(broker.port);
            setup.broker.version = version;
            let mut first = sink(&setup);
            first.keep().await.unwrap();
            listener.says("metergate/status", "online").await;
            listener.forget();
            first.close().await;
            listener.says("metergate/status", "offline").await;
            listener.forget();
            let mut second = sink(&setup);
            second.keep().await.unwrap();
            listener.says("metergate/status", "online").await;
            drop(second);
            listener.says("metergate/status", "offline").await;
            assert_eq!(
                Listener::kept(broker.port, &["metergate/status"]).await["metergate/status"],
                "offline"
            );
        });
    }
}

/// A gateway of which nothing is left, started by the next test in a process of its own.
#[test]
#[ignore = "a part of killed_by_the_system_it_is_offline"]
fn the_gateway_that_is_killed() {
    let Some(port) = std::env::var("METERGATE_TEST_PORT").ok().and_then(|port| port.parse().ok()) else {
        return;
    };
    run(async {
        let mut sink = sink(&setup(port));
        sink.tell(&telegram("haus", 0, &energy("35204.0842"))).await.unwrap();
        std::future::pending::<()>().await;
    });
}

#[test]
fn killed_by_the_system_it_is_offline() {
    run(async {
        let broker = Broker::start();
        let listener = Listener::start(broker.port, &["metergate/status"]).await;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "the_gateway_that_is_killed"])
            .env("METERGATE_TEST_PORT", broker.port.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        listener.says("metergate/status", "online").await;
        child.kill().unwrap();
        child.wait().unwrap();
        listener.says("metergate/status", "offline").await;
    });
}

#[test]
fn a_connection_that_was_lost_is_found_again_without_news_from_the_meter() {
    run(async {
        let mut broker = Broker::start();
        let mut sink = sink(&setup(broker.port));
        sink.tell(&telegram("haus", 0, &energy("35204.0842"))).await.unwrap();
        broker.kill();
        let trouble = loop {
            // The end of the connection is noticed a moment later.
            match sink.keep().await {
                Ok(()) => tokio::task::yield_now().await,
                Err(trouble) => break trouble,
            }
        };
        assert_eq!(trouble.step, Step::Connect, "{trouble}");
        assert!(trouble.message.contains("nobody listens there"), "{trouble}");
        broker.start_again();
        sink.keep().await.unwrap();
        let kept = Listener::kept(broker.port, &["metergate/#"]).await;
        assert_eq!(kept["metergate/status"], "online");
        assert!(kept["metergate/haus/state"].contains("35204.0842"), "a broker that forgot is told again");
    });
}

#[test]
fn the_step_that_failed_is_told_apart() {
    run(async {
        let broker = Broker::with_login("haus", "correct horse");
        let trouble = async |setup: MqttSetup| sink(&setup).keep().await.unwrap_err();
        let mut named = setup(broker.port);
        named.broker.endpoint.host = "no-such-host.invalid".to_owned();
        assert_eq!(trouble(named).await.step, Step::Resolve);
        for version in VERSIONS {
            let mut nobody = setup(broker.port);
            nobody.broker.version = version;
            let mut right = nobody.clone();
            let login = |password: &str| {
                Some(Login { username: "haus".to_owned(), password: Some(Secret::new(password)) })
            };
            right.broker.endpoint.login = login("correct horse");
            let mut wrong = nobody.clone();
            wrong.broker.endpoint.login = login("battery staple");
            sink(&right).keep().await.unwrap();
            for refused in [nobody, wrong] {
                let trouble = trouble(refused).await;
                assert_eq!(trouble.step, Step::Login, "{trouble}");
                assert!(trouble.message.contains("check `username` and `password`"), "{trouble}");
                assert!(!trouble.message.contains("battery"), "{trouble}");
            }
        }
        // Something that accepts and is no broker.
        let web = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = web.local_addr().unwrap().port();
        let answer = async {
            let (mut stream, _) = web.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .unwrap();
        };
        let (trouble, ()) = tokio::join!(trouble(setup(port)), answer);
        assert_eq!(trouble.step, Step::Connect, "{trouble}");
    });
}

/// A broker that shows this certificate, with further lines.
fn encrypted(certificate: &Files, lines: &[String]) -> Broker {
    let own = [
        "allow_anonymous true".to_owned(),
        format!("certfile {}", certificate.cert.display()),
        format!("keyfile {}", certificate.key.display()),
    ];
    let all: Vec<&str> = own.iter().chain(lines).map(String::as_str).collect();
    Broker::with(&all)
}

fn tls_setup(port: u16, version: MqttVersion, trust: TrustSetup, client: Option<&Files>) -> MqttSetup {
    let mut setup = setup(port);
    setup.broker.version = version;
    setup.broker.endpoint.scheme = Scheme { name: "mqtts", port: 8883, tls: true };
    let client = client.map(|files| ClientIdentity { cert: files.cert.clone(), key: files.key.clone() });
    setup.broker.endpoint.tls = Some(TlsSetup { trust, client });
    setup
}

#[test]
fn row_37_an_encrypted_broker_is_trusted_by_its_authority_or_its_fingerprint_alone() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let ca = authority.file(folder.path());
    let issued = authority.issue(folder.path(), &["localhost"], Validity::Valid);
    let own = self_signed(folder.path(), &["localhost"]);
    let fingerprint = {
        use rustls::pki_types::{CertificateDer, pem::PemObject as _};
        let der = CertificateDer::from_pem_file(&own.cert).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, &der);
        Fingerprint(digest.as_ref().try_into().unwrap())
    };
    for version in VERSIONS {
        run(async {
            let broker = encrypted(&issued, &[]);
            let by_authority = |port| tls_setup(port, version, TrustSetup::Ca(ca.clone()), None);
            sink(&by_authority(broker.port)).tell(&telegram("haus", 0, &energy("1"))).await.unwrap();
            let unknown = sink(&tls_setup(broker.port, version, TrustSetup::System, None)).keep().await;
            assert_eq!(unknown.unwrap_err().step, Step::Tls);

            let broker = encrypted(&own, &[]);
            let refused = sink(&by_authority(broker.port)).keep().await.unwrap_err();
            assert_eq!(refused.step, Step::Tls, "{refused}");
            assert!(refused.message.contains("self-signed"), "{refused}");
            let pinned = TrustSetup::Fingerprint(fingerprint);
            sink(&tls_setup(broker.port, version, pinned, None)).keep().await.unwrap();
            let other = TrustSetup::Fingerprint(Fingerprint([7; 32]));
            let refused = sink(&tls_setup(broker.port, version, other, None)).keep().await.unwrap_err();
            assert_eq!(refused.step, Step::Tls, "{refused}");
            // Without encryption at a port that wants it.
            let plain = sink(&setup(broker.port)).keep().await.unwrap_err();
            assert_eq!(plain.step, Step::Connect, "{plain}");
        });
    }
}

#[test]
fn a_broker_that_wants_a_certificate_of_ours_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new("ours"), Authority::new("theirs"));
    let ca = authority.file(folder.path());
    let issued = authority.issue(folder.path(), &["localhost"], Validity::Valid);
    let ours = authority.issue(folder.path(), &["metergate"], Validity::Valid);
    let theirs = stranger.issue(folder.path(), &["metergate"], Validity::Valid);
    for version in VERSIONS {
        run(async {
            let wanted = [format!("cafile {}", ca.display()), "require_certificate true".to_owned()];
            let broker = encrypted(&issued, &wanted);
            let try_with = async |client: Option<&Files>| {
                let setup = tls_setup(broker.port, version, TrustSetup::Ca(ca.clone()), client);
                sink(&setup).keep().await
            };
            try_with(Some(&ours)).await.unwrap();
            for refused in [None, Some(&theirs)] {
                let trouble = try_with(refused).await.unwrap_err();
                assert_eq!(trouble.step, Step::Tls, "{trouble}");
                assert!(trouble.message.contains("client certificate"), "{trouble}");
            }
        });
    }
}

#[test]
fn numbers_that_floats_cannot_hold_arrive_whole() {
    run(async {
        let broker = Broker::start();
        let mut sink = sink(&setup(broker.port));
        sink.tell(&telegram("haus", 0, &energy("9223372036854775.807"))).await.unwrap();
        let kept = Listener::kept(broker.port, &["metergate/haus/state"]).await;
        let state = &kept["metergate/haus/state"];
        let (_, rest) = state.split_once("\"1-0_1.8.0\":").unwrap();
        let (number, _) = rest.split_once('}').unwrap();
        assert_eq!(number.parse(), Ok(Number::new(9_223_372_036_854_775_807, -3)));
    });
}
