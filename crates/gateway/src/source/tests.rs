//! Sources against servers that stand in for what they ask.
use super::compat::{Push, show_last_meter_value};
use super::loop_guard::{HEADER, Path};
use super::*;
use crate::config::{CascadeSetup, EndpointSetup, JsonSetup, JsonValue, Scheme};
use crate::shutdown::{self, Trigger};
use crate::sink::{Point, Sample};
use crate::store::RowFlags;
use axum::http::{HeaderMap, StatusCode};
use metergate_reading::{Instant, Number, Trust, Unit};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

/// Nothing here takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(60);

/// 2026-04-12T09:40:00Z.
const NOON: i64 = 1_775_986_800;

type Answer = (StatusCode, HeaderMap, String);

/// A server on a free port of the loopback.
async fn serve(answer: impl Fn(HeaderMap) -> Answer + Clone + Send + Sync + 'static) -> EndpointSetup {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = axum::Router::new().fallback(async move |headers: HeaderMap| answer(headers));
    tokio::spawn(axum::serve(listener, router).into_future());
    at(port)
}

fn at(port: u16) -> EndpointSetup {
    let scheme = Scheme { name: "http", port: 80, tls: false };
    EndpointSetup { scheme, host: "127.0.0.1".to_owned(), port, path: String::new(), login: None, tls: None }
}

fn ok(text: &str) -> Answer {
    (StatusCode::OK, HeaderMap::new(), text.to_owned())
}

/// A server that gives one answer after the other, and the last one again and again.
async fn serve_each(answers: &[&str]) -> EndpointSetup {
    let answers: VecDeque<String> = answers.iter().map(|text| (*text).to_owned()).collect();
    let answers = Arc::new(Mutex::new(answers));
    serve(move |_| {
        let mut answers = answers.lock().unwrap();
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        match next.as_deref() {
            Some("500") => (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), String::new()),
            next => ok(next.unwrap_or_default()),
        }
    })
    .await
}

/// A source that runs, and what it tells.
struct Running {
    updates: mpsc::Receiver<Update>,
    heard: Heard,
    trigger: Trigger,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(kind: SourceKind, state: Option<std::path::PathBuf>) -> Self {
        Self::start_as(kind, state, "us", &[])
    }

    fn start_as(
        kind: SourceKind,
        state: Option<std::path::PathBuf>,
        instance: &str,
        listeners: &[SocketAddr],
    ) -> Self {
        let setup =
            SourceSetup { name: "beside".to_owned(), kind, interval: Duration::from_millis(5), state };
        let (sender, updates) = mpsc::channel(4);
        let (trigger, shutdown) = shutdown::channel();
        let instance = Instance::new(instance).unwrap();
        let heard = Heard::default();
        let clock = Clock::start();
        let source =
            Source::new(&setup, instance, listeners, heard.clone(), clock, sender, shutdown).unwrap();
        Self { updates, heard, trigger, task: tokio::spawn(source.run()) }
    }

    async fn next(&mut self) -> What {
        let update = tokio::time::timeout(DEADLINE, self.updates.recv()).await.expect("an update in time");
        let update = update.expect("the source runs");
        assert_eq!(&*update.meter, "beside");
        update.what
    }

    async fn reading(&mut self) -> Reading {
        match self.next().await {
            What::Reading(reading) => *reading,
            other => panic!("no reading: {other:?}"),
        }
    }

    async fn end(self) {
        self.trigger.trigger();
        tokio::time::timeout(DEADLINE, self.task).await.expect("it ends in time").unwrap();
    }
}

fn number(reading: &Reading, code: &str) -> Option<String> {
    reading.number(code.parse().unwrap()).map(|number| number.to_string())
}

fn sample() -> Sample {
    let point = |code: &str, mantissa, exponent, unit| Point {
        register: code.parse().unwrap(),
        name: None,
        number: Number::new(mantissa, exponent),
        unit: Some(unit),
        prefix: 0,
        derived: false,
    };
    Sample {
        meter: "haus".into(),
        seq: 1,
        at: Instant { unix_ms: NOON * 1000, trust: Trust::HostSynchronised },
        meter_clock_s: None,
        flags: RowFlags::default(),
        points: vec![
            point("1-0:1.8.0", 16_777_217, 0, Unit::WattHour),
            point("1-0:2.8.0", 0, 0, Unit::WattHour),
            point("1-0:16.7.0", -120, 0, Unit::Watt),
        ],
    }
}

/// What a gateway answers: its own latest value and the way of it.
fn shown(instance: &str, upstream: &Path, sample: Option<&Sample>) -> Answer {
    let way = upstream.behind(&Instance::new(instance).unwrap()).to_string();
    let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), way.parse().unwrap())]);
    (StatusCode::OK, headers, show_last_meter_value(sample, Some(Duration::from_secs(1)), Push::default()))
}

fn cascade(endpoint: EndpointSetup) -> SourceKind {
    SourceKind::Cascade(CascadeSetup { endpoint, stale_after: Duration::from_secs(60) })
}

#[tokio::test]
async fn row_19_the_second_instance_shows_the_values_of_the_first() {
    let first = serve(|headers| {
        assert_eq!(headers[HEADER], "second", "whoever asks says who it is");
        shown("first", &Path::default(), Some(&sample()))
    })
    .await;
    let mut second = Running::start_as(cascade(first), None, "second", &[]);
    let reading = second.reading().await;
    assert_eq!(number(&reading, "1-0:1.8.0").as_deref(), Some("16777217.0"));
    assert_eq!(number(&reading, "1-0:2.8.0").as_deref(), Some("0.0"), "a 0 of ours is 0");
    assert_eq!(number(&reading, "1-0:16.7.0").as_deref(), Some("-120"));
    assert_eq!(reading.registers.len(), 3);
    assert_eq!(reading.time.unwrap().unix_seconds(), Some(NOON));
    assert_eq!(second.heard.path().to_string(), "first");
    // The same telegram again is no reading, however often it is asked for.
    assert!(tokio::time::timeout(Duration::from_millis(50), second.updates.recv()).await.is_err());
    second.end().await;
}

#[tokio::test]
async fn row_19_two_instances_that_read_each_other_detect_the_loop() {
    // The first has a meter and reads the second; the second has nothing but the first.
    let first_heard = Heard::default();
    let upstream = first_heard.clone();
    let first_page = serve(move |_| shown("first", &upstream.path(), Some(&sample()))).await;
    let mut second = Running::start_as(cascade(first_page), None, "second", &[]);
    assert_eq!(number(&second.reading().await, "1-0:1.8.0").as_deref(), Some("16777217.0"));
    let upstream = second.heard.clone();
    let second_page = serve(move |_| shown("second", &upstream.path(), Some(&sample()))).await;
    let mut first = Running::start_as(cascade(second_page), None, "first", &[]);
    match first.next().await {
        What::SourceLoop(why) => assert!(why.ends_with(": what it shows has come from here"), "{why}"),
        other => panic!("no loop: {other:?}"),
    }
    // Once is enough.
    assert!(tokio::time::timeout(Duration::from_millis(50), first.updates.recv()).await.is_err());
    first.end().await;
    second.end().await;
}

#[tokio::test]
async fn row_19_a_loop_over_devices_that_know_no_way_shows_by_the_own_address() {
    let page = serve(|_| ok(r#"{"meter_value_180":1,"timestamp":1775986800,"last_byte_age_s":0}"#)).await;
    for listener in [format!("127.0.0.1:{}", page.port), format!("0.0.0.0:{}", page.port)] {
        let kind = cascade(page.clone());
        let mut source = Running::start_as(kind, None, "us", &[listener.parse().unwrap()]);
        let what = source.next().await;
        assert!(
            matches!(&what, What::SourceLoop(why) if why.ends_with("that is this gateway itself")),
            "{what:?}"
        );
        source.end().await;
    }
    // Another port of this host is somebody else.
    let mut source = Running::start_as(cascade(page), None, "us", &["127.0.0.1:1".parse().unwrap()]);
    assert_eq!(number(&source.reading().await, "1-0:1.8.0").as_deref(), Some("0.1"));
    source.end().await;
}

#[tokio::test]
async fn ways_that_are_no_ways_and_ways_without_end_are_refused() {
    for (header, loops) in
        [("a, <b>".to_owned(), false), (["a"; 17].join(","), false), (["a"; 16].join(","), true)]
    {
        let page = serve(move |_| {
            let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), header.parse().unwrap())]);
            (StatusCode::OK, headers, r#"{"meter_value_180":1,"timestamp":1775986800}"#.to_owned())
        })
        .await;
        let mut source = Running::start(cascade(page), None);
        let what = source.next().await;
        assert_eq!(matches!(what, What::SourceLoop(_)), loops, "{what:?}");
        assert!(matches!(what, What::SourceLoop(_) | What::SourceFailed(_)));
        source.end().await;
    }
}

#[tokio::test]
async fn row_60_a_mystrom_that_is_switched_off_and_on_counts_on_also_over_a_restart_of_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("source-sun.json");
    let report = |energy| format!(r#"{{"power":312.4,"temperature":24.35,"energy_since_boot":{energy}}}"#);
    let plug = serve_each(&[&report("7200000.5"), &report("40"), &report("50")]).await;
    let mut source = Running::start(SourceKind::MyStrom(plug), Some(state.clone()));
    let first = source.reading().await;
    assert_eq!(number(&first, "1-0:2.8.0").as_deref(), Some("7200000.5"));
    assert_eq!(number(&first, "1-0:2.7.0").as_deref(), Some("312.4"));
    assert_eq!(number(&first, "0-0:96.9.0").as_deref(), Some("24.35"));
    assert_eq!(first.registers[0].unit, Some(Unit::Joule), "a watt-second is a joule");
    assert_eq!(number(&source.reading().await, "1-0:2.8.0").as_deref(), Some("7200040.5"));
    assert_eq!(number(&source.reading().await, "1-0:2.8.0").as_deref(), Some("7200050.5"));
    source.end().await;

    let plug = serve_each(&[&report("60"), &report("5")]).await;
    let mut source = Running::start(SourceKind::MyStrom(plug), Some(state.clone()));
    assert_eq!(number(&source.reading().await, "1-0:2.8.0").as_deref(), Some("7200060.5"));
    assert_eq!(number(&source.reading().await, "1-0:2.8.0").as_deref(), Some("7200065.5"));
    source.end().await;

    std::fs::write(&state, "damaged").unwrap();
    let plug = serve_each(&[&report("6")]).await;
    let mut source = Running::start(SourceKind::MyStrom(plug), Some(state));
    assert_eq!(number(&source.reading().await, "1-0:2.8.0").as_deref(), Some("6"));
    source.end().await;
}

fn json(endpoint: EndpointSetup) -> SourceKind {
    let (pointer, code) = ("/total".to_owned(), "1-0:2.8.0".parse().unwrap());
    let values = vec![JsonValue { pointer, code, unit: Some("kWh".parse().unwrap()) }];
    SourceKind::Json(JsonSetup { endpoint, values })
}

#[tokio::test]
async fn a_failure_is_told_once_and_the_next_reading_ends_it() {
    let good = r#"{"total":12.345}"#;
    let page = serve_each(&["500", "500", "<html>", good, "{}", "{}", good]).await;
    let place = format!("http://127.0.0.1:{}", page.port);
    let mut source = Running::start(json(page), None);
    let told = |what: What| match what {
        What::SourceFailed(why) => why,
        other => panic!("no failure: {other:?}"),
    };
    assert_eq!(told(source.next().await), format!("{place}: HTTP 500"));
    assert_eq!(number(&source.reading().await, "1-0:2.8.0").as_deref(), Some("12345"));
    assert_eq!(told(source.next().await), format!("{place}: no number stands where `values` looks for one"));
    assert_eq!(number(&source.reading().await, "1-0:2.8.0").as_deref(), Some("12345"));
    source.end().await;
}

#[tokio::test]
async fn an_energy_below_zero_is_no_reading() {
    let plug = serve_each(&[r#"{"energy_since_boot":-1}"#, r#"{"energy_since_boot":-1,"power":5}"#]).await;
    let mut source = Running::start(SourceKind::MyStrom(plug), None);
    let what = source.next().await;
    assert!(matches!(&what, What::SourceFailed(why) if why.ends_with("is no counter")), "{what:?}");
    assert_eq!(source.reading().await.registers.len(), 1, "the power alone");
    source.end().await;
}

#[tokio::test]
async fn an_answer_without_end_and_nobody_there_are_told() {
    let endless = "9".repeat(65_537);
    let page = serve(move |_| ok(&endless)).await;
    let what = Running::start(json(page), None).next().await;
    let expected = "the answer has more than 65536 bytes";
    assert!(matches!(&what, What::SourceFailed(why) if why.ends_with(expected)), "{what:?}");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let what = Running::start(json(at(closed)), None).next().await;
    assert!(matches!(&what, What::SourceFailed(why) if why.contains("nobody listens there")), "{what:?}");
}

#[tokio::test(start_paused = true)]
async fn somebody_who_never_answers_is_given_up_after_five_seconds() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let what = Running::start(json(at(listener.local_addr().unwrap().port())), None).next().await;
    assert!(matches!(&what, What::SourceFailed(why) if why.ends_with("no answer within 5s")), "{what:?}");
}

#[tokio::test]
async fn a_source_ends_when_told_to_and_when_nobody_listens() {
    let page = serve_each(&[r#"{"total":1}"#]).await;
    let mut source = Running::start(json(page.clone()), None);
    source.reading().await;
    source.end().await;
    let Running { updates, task, trigger: _trigger, .. } = Running::start(json(page), None);
    drop(updates);
    tokio::time::timeout(DEADLINE, task).await.expect("it ends in time").unwrap();
}

#[tokio::test]
async fn run_reads_a_source_as_configured() {
    let kind = json(serve_each(&[r#"{"total":1}"#]).await);
    let setup =
        SourceSetup { name: "beside".to_owned(), kind, interval: Duration::from_secs(1), state: None };
    let (sender, mut updates) = mpsc::channel(4);
    let (trigger, shutdown) = shutdown::channel();
    let task = tokio::spawn(run(setup, Vec::new(), Heard::default(), Clock::start(), sender, shutdown));
    let update = tokio::time::timeout(DEADLINE, updates.recv()).await.unwrap().unwrap();
    assert!(matches!(update.what, What::Reading(_)) && update.live);
    trigger.trigger();
    task.await.unwrap();
}
