use super::*;
use crate::config::UnitStyle;
use crate::peers::victoria::Victoria;
use crate::sink::sample::Sample;
use crate::sink::sample::made::{START_MS, sample};
use crate::sink::{Backlog, SinkStatus};
use crate::status::{Shown, Status, StoreStatus};
use crate::update::{TelegramBuf, Update, What};
use crate::watch::{Beginning, StartReason};
use metergate_meter::verdict::Verdict;
use metergate_meter::{Cause, Flags, Protocol, Rejection};
use metergate_reading::{Instant as Received, Reading, Trust};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const POINTS: [(&str, &str); 5] = [
    ("1-0:1.8.0", "35204.0842 Wh"),
    ("1-0:1.8.1", "16777217 Wh"),
    ("1-0:16.7.0", "-319.08 W"),
    ("1-0:32.7.0", "233.7 V"),
    ("1-0:52.7.0", "236.5 V"),
];

fn setup() -> PrometheusSetup {
    PrometheusSetup { listen: "127.0.0.1:0".parse().unwrap(), unit_style: UnitStyle::Base, stale_after: None }
}

fn news(meter: &str, what: What, sample: Option<Sample>) -> News {
    let at = Received { unix_ms: START_MS, trust: Trust::HostSynchronised };
    let sample = sample.map(|sample| Sample { meter: meter.into(), ..sample });
    News { update: Arc::new(Update { meter: meter.into(), at, live: true, bytes: 0, what }), sample }
}

fn telegram(meter: &str, points: &[(&str, &str)]) -> News {
    let received = Received { unix_ms: START_MS, trust: Trust::HostSynchronised };
    let telegram = TelegramBuf {
        number: 0,
        offset: 0,
        length: 0,
        protocol: Protocol::Sml,
        identification: None,
        model: None,
        security: None,
        flags: Flags::default(),
        signature: None,
        reading: Reading { meter: None, time: None, received, registers: Vec::new() },
    };
    news(meter, What::Telegram(Box::new(telegram)), Some(sample(1, 0, points)))
}

/// A gateway that is doing like this.
fn shown(status: Status) -> Shown {
    Shown::new(crate::clock::Clock::start(), tokio::sync::watch::channel(Arc::new(status)).1)
}

fn started(meters: &[&str], all: &[News]) -> Prometheus {
    let meters: Vec<Arc<str>> = meters.iter().map(|name| (*name).into()).collect();
    let mut sink = Prometheus::new(&setup(), &meters, shown(Status::new(std::iter::empty()))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    all.iter().for_each(|news| runtime.block_on(sink.tell(news)).unwrap());
    sink
}

/// Head and body of the page.
fn fetch(sink: &Prometheus) -> (String, String) {
    let mut stream = TcpStream::connect(sink.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// A page as OpenMetrics 1.0 wants it: samples by name and labels.
///
/// # Panics
/// When it breaks a rule: families whole and named once, types before samples, units and suffixes in names, no label
/// set twice, an end.
fn parse(page: &str) -> BTreeMap<String, String> {
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let (mut family, mut kind) = (String::new(), String::new());
    let body = page.strip_suffix("# EOF\n").expect("it ends");
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (what, name, value) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            if what == "HELP" {
                assert!(families.insert(name.to_owned()), "{name} is there twice");
                family = name.to_owned();
            }
            assert_eq!(name, family, "{line}");
            match what {
                "HELP" => {}
                "TYPE" => kind = value.to_owned(),
                "UNIT" => assert!(family.ends_with(&format!("_{value}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let suffix = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            "gauge" => "",
            other => panic!("a type `{other}`"),
        };
        assert_eq!(name, format!("{family}{suffix}"), "{line}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        let number: f64 = value.parse().unwrap();
        assert!(number.is_finite(), "{line}");
        assert!(samples.insert(series.to_owned(), value.to_owned()).is_none(), "{line} is there twice");
    }
    samples
}

#[test]
fn row_46_a_scrape_shows_the_values_of_the_reading() {
    let sink = started(&["haus", "pump"], &[telegram("haus", &POINTS)]);
    let (head, body) = fetch(&sink);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    let mut samples = parse(&body);
    samples.retain(|name, _| name.contains("{meter="));
    let expected = [
        (
            r#"metergate_energy_joules_total{meter="haus",obis="1-0:1.8.0",direction="import",tariff="all"}"#,
            "126734703.12",
        ),
        (
            r#"metergate_energy_joules_total{meter="haus",obis="1-0:1.8.1",direction="import",tariff="1"}"#,
            "60397981200.0",
        ),
        (r#"metergate_meter_info{meter="haus",protocol="sml"}"#, "1"),
        (r#"metergate_meter_up{meter="haus"}"#, "1.0"),
        (r#"metergate_meter_up{meter="pump"}"#, "0.0"),
        (r#"metergate_power_watts{meter="haus",obis="1-0:16.7.0",direction="net"}"#, "-319.08"),
        (r#"metergate_reading_timestamp_seconds{meter="haus"}"#, "1692199171.0"),
        (r#"metergate_voltage_volts{meter="haus",obis="1-0:32.7.0",phase="L1"}"#, "233.7"),
        (r#"metergate_voltage_volts{meter="haus",obis="1-0:52.7.0",phase="L2"}"#, "236.5"),
    ];
    let found: Vec<(&str, &str)> =
        samples.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn row_46_a_database_that_scrapes_the_page_holds_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    let sink = started(&["haus"], &[telegram("haus", &POINTS)]);
    let config = folder.path().join("scrape.yml");
    let target = format!(
        "scrape_configs:\n- job_name: metergate\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['{}']\n",
        sink.address
    );
    std::fs::write(&config, target).unwrap();
    let victoria = Victoria::start(folder.path(), &[format!("-promscrape.config={}", config.display())]);
    let end = Instant::now() + Duration::from_secs(30);
    let series = loop {
        let series = victoria.series("metergate_");
        if series.len() >= 8 {
            break series;
        }
        assert!(Instant::now() < end, "it has not scraped: {series:?}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let of = |name: &str, obis: &str| {
        let of = |series: &&crate::peers::victoria::Series| {
            series.labels["__name__"] == name && series.labels.get("obis").is_some_and(|code| code == obis)
        };
        series.iter().find(of).unwrap_or_else(|| panic!("{name} {obis}")).rows[0].1.clone()
    };
    assert_eq!(of("metergate_energy_joules_total", "1-0:1.8.0"), "126734703.12");
    assert_eq!(of("metergate_energy_joules_total", "1-0:1.8.1"), "60397981200");
    assert_eq!(of("metergate_power_watts", "1-0:16.7.0"), "-319.08");
    assert_eq!(of("metergate_voltage_volts", "1-0:52.7.0"), "236.5");
}

#[test]
fn a_number_that_does_not_come_any_more_leaves_the_page() {
    let start = Instant::now();
    let after = |seconds: u64| start + Duration::from_secs(seconds);
    let mut live = Live::new(None, &["haus".into()]);
    let fresh = |live: &Live, seconds| live.fresh(&live.meters["haus"], after(seconds)).count();
    live.note(&telegram("haus", &POINTS), after(0));
    assert_eq!((fresh(&live, 300), fresh(&live, 301)), (5, 0), "nobody knows its interval yet");
    // The long telegram comes every 10 s, the short one in between every 2 s.
    for second in (2..=60).step_by(2) {
        let points = if second % 10 == 0 { &POINTS[..] } else { &POINTS[2..3] };
        live.note(&telegram("haus", points), after(second));
    }
    assert_eq!(fresh(&live, 66), 5);
    assert_eq!(fresh(&live, 70), 4, "the one that came every 2 s is missed first");
    assert_eq!(fresh(&live, 91), 0);
    // An outage of an hour does not make an hour the usual interval.
    for second in (3600..3620).step_by(2) {
        live.note(&telegram("haus", &POINTS[2..3]), after(second));
    }
    assert_eq!((fresh(&live, 3618), fresh(&live, 3680)), (1, 0));
    // A meter that changes to once a minute is believed after a few of them.
    for minute in 61..70 {
        live.note(&telegram("haus", &POINTS[2..3]), after(minute * 60));
    }
    assert_eq!(fresh(&live, 69 * 60 + 170), 1);
    live.stale_after = Some(Duration::from_secs(10));
    assert_eq!(fresh(&live, 69 * 60 + 11), 0, "unless the configuration says so");
}

#[test]
fn a_meter_that_is_not_read_leaves_the_page_at_once() {
    let start = Instant::now();
    for what in [
        What::Verdict(Verdict::Silent { since: Duration::from_secs(1) }),
        What::Verdict(Verdict::WrongKey),
        What::PortLost("gone".to_owned()),
        What::SourceFailed("away".to_owned()),
        What::SourceLoop("our own".to_owned()),
    ] {
        let mut live = Live::new(None, &["haus".into(), "pump".into()]);
        live.note(&telegram("haus", &POINTS), start);
        live.note(&telegram("pump", &POINTS), start);
        live.note(&news("haus", What::Verdict(Verdict::Ok), None), start);
        assert_eq!(live.fresh(&live.meters["haus"], start).count(), 5);
        live.note(&news("haus", what, None), start);
        assert_eq!(live.fresh(&live.meters["haus"], start).count(), 0);
        assert_eq!(live.fresh(&live.meters["pump"], start).count(), 5);
        live.note(&telegram("haus", &POINTS), start);
        assert_eq!(live.fresh(&live.meters["haus"], start).count(), 5);
    }
}

#[test]
fn names_of_meters_and_registers_cannot_break_the_page() {
    let wild = "a\"b\\c\nd";
    let mut reading = telegram(wild, &POINTS);
    if let Some(sample) = &mut reading.sample {
        sample.points[0].name = Some(wild.into());
    }
    let sink = started(&[wild], &[reading]);
    let samples = parse(&fetch(&sink).1);
    let name = r#"metergate_energy_joules_total{meter="a\"b\\c\nd",obis="1-0:1.8.0",direction="import",tariff="all",name="a\"b\\c\nd"}"#;
    assert_eq!(samples[name], "126734703.12");
}

#[test]
fn the_page_ends_with_the_sink_and_its_address_is_told_when_it_is_in_use() {
    let sink = started(&["haus"], &[]);
    let taken = PrometheusSetup { listen: sink.address, ..setup() };
    let error = Prometheus::new(&taken, &[], shown(Status::new(std::iter::empty()))).unwrap_err();
    assert!(error.to_string().contains(&format!("cannot listen on {}", sink.address)), "{error}");
    let address = sink.address;
    drop(sink);
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < end, "the page outlives its sink");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn clients_that_only_hold_a_connection_cannot_keep_others_out_for_ever() {
    let sink = started(&["haus"], &[telegram("haus", &POINTS)]);
    let idle: Vec<TcpStream> = (0..16).map(|_| TcpStream::connect(sink.address).unwrap()).collect();
    // The one after them waits until one of them goes.
    let address = sink.address;
    let waiting = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    drop(idle);
    assert!(waiting.join().unwrap().contains("metergate_meter_up{meter=\"haus\"} 1.0"));
}

/// A gateway with a meter in trouble and two sinks, one of them in trouble too.
fn in_trouble() -> Status {
    let mut status = Status::new([("haus", "/dev/ttyUSB0".to_owned()), ("pump", "x".to_owned())].into_iter());
    let at = Received { unix_ms: START_MS, trust: Trust::HostSynchronised };
    let note = |status: &mut Status, what: What| {
        let update = Update { meter: "haus".into(), at, live: true, bytes: 123_456, what };
        status.note(&update, Duration::ZERO);
    };
    let refused =
        Rejection { offset: 0, length: 7, protocol: Protocol::Sml, cause: Cause::Truncated, security: None };
    note(&mut status, What::PortOpened);
    note(&mut status, telegram("haus", &POINTS).update.what.clone());
    for _ in 0..3 {
        note(&mut status, What::Rejected { number: 0, rejection: refused });
    }
    note(&mut status, What::NoAnswer { attempts: 3, echo: false });
    note(&mut status, What::Verdict(Verdict::Damaged));
    let backlog = vec![Backlog { stream: "readings", entries: 4711 }];
    let failing = SinkStatus {
        delivered: 17,
        refused: 2,
        missed: 3,
        failures: 5,
        backlog,
        error: Some("nobody is there".to_owned()),
        failing_step: Some("connection"),
        ..SinkStatus::default()
    };
    let well = SinkStatus { queued: 1, queued_max: 9, dropped: 4, ..SinkStatus::default() };
    status.sinks.extend([("broker".to_owned(), failing), ("screen".to_owned(), well)]);
    status.store = StoreStatus { bytes: 8192, pending: 6, dropped: 0, error: None };
    status.run = Some(Beginning {
        reason: StartReason::PowerLoss,
        updated_from: None,
        configuration_changed: false,
        crashes: 2,
        power_losses: 1,
    });
    status
}

#[test]
fn the_page_says_of_the_gateway_itself_what_the_status_file_says() {
    let sink = Prometheus::new(&setup(), &[], shown(in_trouble())).unwrap();
    let samples = parse(&fetch(&sink).1);
    for (name, value) in [
        (r#"metergate_meter_verdict{meter="haus",verdict="damaged"}"#, "1"),
        (r#"metergate_meter_verdict{meter="pump",verdict="waiting"}"#, "1"),
        (r#"metergate_meter_port_up{meter="haus"}"#, "1"),
        (r#"metergate_meter_port_opened_total{meter="haus"}"#, "1"),
        (r#"metergate_meter_received_bytes_total{meter="haus"}"#, "123456"),
        (r#"metergate_telegrams_accepted_total{meter="haus"}"#, "1"),
        (r#"metergate_telegrams_accepted_total{meter="pump"}"#, "0"),
        (r#"metergate_telegrams_refused_total{meter="haus",code="truncated"}"#, "3"),
        (r#"metergate_requests_unanswered_total{meter="haus"}"#, "1"),
        (r#"metergate_last_telegram_timestamp_seconds{meter="haus"}"#, "1692199171.0"),
        (r#"metergate_sink_up{sink="broker"}"#, "0"),
        (r#"metergate_sink_up{sink="screen"}"#, "1"),
        (r#"metergate_sink_failing{sink="broker",step="connection"}"#, "1"),
        (r#"metergate_sink_failures_total{sink="broker"}"#, "5"),
        (r#"metergate_sink_delivered_total{sink="broker"}"#, "17"),
        (r#"metergate_sink_refused_total{sink="broker"}"#, "2"),
        (r#"metergate_sink_missed_total{sink="broker"}"#, "3"),
        (r#"metergate_sink_dropped_total{sink="screen"}"#, "4"),
        (r#"metergate_sink_queued{sink="screen"}"#, "1"),
        (r#"metergate_sink_queued_max{sink="screen"}"#, "9"),
        (r#"metergate_sink_paused{sink="screen"}"#, "0"),
        (r#"metergate_sink_backlog{sink="broker",stream="readings"}"#, "4711"),
        ("metergate_store_bytes", "8192"),
        ("metergate_store_pending", "6"),
        ("metergate_store_dropped_total", "0"),
        ("metergate_store_up", "1"),
        ("metergate_crashes_total", "2"),
        ("metergate_power_losses_total", "1"),
    ] {
        assert_eq!(samples.get(name).map(String::as_str), Some(value), "{name} of {samples:#?}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let info = format!(r#"metergate_gateway_info{{version="{version}",start_reason="power_loss"}}"#);
    assert_eq!(samples[&info], "1");
    // What never came is not there, in place of 0.
    for absent in
        ["metergate_last_telegram_age_seconds{meter=\"pump\"}", "metergate_meter_port_up{meter=\"pump\"}"]
    {
        assert!(!samples.contains_key(absent), "{absent}");
    }
    assert!(!samples.keys().any(|name| name.starts_with("metergate_sink_failing{sink=\"screen\"")));
    let number = |name: &str| samples[name].parse::<f64>().unwrap();
    assert!(number(r#"metergate_last_telegram_age_seconds{meter="haus"}"#) > 1e8, "since 2023");
    assert!(number("metergate_process_resident_bytes") > 1e6);
    assert!(number("metergate_process_descriptors") >= 3.0 && number("metergate_process_threads") >= 2.0);
    assert!((0.0..3600.0).contains(&number("metergate_uptime_seconds")));
}

#[test]
fn every_number_of_the_status_file_has_its_metric() {
    let mut status = in_trouble();
    let file = status.to_json(Received { unix_ms: START_MS, trust: Trust::HostSynchronised }).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let sink = Prometheus::new(&setup(), &[], shown(status)).unwrap();
    let page = fetch(&sink).1;
    // Where a key of the file has gone; texts for people have no metric.
    let metrics = [
        ("telegrams", "metergate_telegrams_accepted_total"),
        ("rejections", "metergate_telegrams_refused_total"),
        ("unanswered", "metergate_requests_unanswered_total"),
        ("bytes", "metergate_meter_received_bytes_total"),
        ("port_opened", "metergate_meter_port_opened_total"),
        ("port_error", "metergate_meter_port_up"),
        ("verdict", "metergate_meter_verdict"),
        ("last_telegram", "metergate_last_telegram_timestamp_seconds"),
    ];
    let words = ["message", "since", "port", "protocol", "meter", "model", "ended"];
    for key in file["meters"]["haus"].as_object().unwrap().keys() {
        let metric = metrics.iter().find(|(known, _)| known == key);
        assert!(metric.is_some() || words.contains(&key.as_str()), "`{key}` has no metric");
        assert!(metric.is_none_or(|(_, metric)| page.contains(metric)), "{key}");
    }
    for key in file["sinks"]["broker"].as_object().unwrap().keys() {
        let is_word = ["error", "failing_step", "ended"].contains(&key.as_str());
        assert!(is_word || page.contains(&format!("metergate_sink_{key}")), "`{key}` has no metric");
    }
    for key in file["store"].as_object().unwrap().keys().filter(|key| *key != "error") {
        assert!(page.contains(&format!("metergate_store_{key}")), "`{key}` has no metric");
    }
}
