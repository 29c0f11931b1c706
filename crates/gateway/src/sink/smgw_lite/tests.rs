//! Against a backend that checks what the PHP of SMGW.Lite checks, in its order and with its answers.
use super::*;
use crate::config::{EndpointSetup, Scheme, TlsSetup, TrustSetup};
use crate::event::{Event, EventCode};
use crate::secret::Secret;
use crate::sink::sample::{Point, Sample, Step};
use crate::store::{Mark, Quality, RowFlags, UseCase};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use certificates::{Authority, Validity};
use metergate_reading::{Number, Trust, Unit};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tls_listener::TlsListener;

#[allow(clippy::duplicate_mod, reason = "the tests of `net` and those of the folder `tests` use it too")]
#[path = "../../../tests/support/certificates.rs"]
mod certificates;
mod tls_listener;

/// 2026-04-12T09:40:00Z.
const NOON: i64 = 1_775_986_800;
const TOKEN: &str = "S3cret-token.of/TA0";

/// One request that was taken, and what the backend made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Taken {
    path: String,
    query: HashMap<String, String>,
    body: Vec<u8>,
}

/// The state of the backend.
#[derive(Debug)]
struct Backend {
    taken: Mutex<Vec<Taken>>,
    /// Time and counter of the last value in its database.
    last: Mutex<(u32, u32)>,
    body_len_max: usize,
    /// Answers instead of the usual ones.
    canned: Mutex<Vec<(u16, &'static str)>>,
}

impl Backend {
    fn new() -> Arc<Self> {
        Self::with_limit(36_864)
    }

    fn with_limit(body_len_max: usize) -> Arc<Self> {
        let (taken, last, canned) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { taken, last, body_len_max, canned })
    }

    fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    /// Starts it without encryption; returns its port.
    async fn listen(self: &Arc<Self>) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(axum::serve(listener, self.router()).into_future());
        port
    }

    async fn listen_tls(self: &Arc<Self>, files: &certificates::Files) -> u16 {
        let listener = TlsListener::bind(files).await;
        let port = listener.port();
        tokio::spawn(axum::serve(listener, self.router()).into_future());
        port
    }

    fn router(self: &Arc<Self>) -> axum::Router {
        axum::Router::new().fallback(answer).with_state(Arc::clone(self))
    }

    /// The checks of `index.php`, in its order.
    fn values(&self, query: &HashMap<String, String>, body: &[u8]) -> (u16, String) {
        let names: Vec<&str> = query.get("fields").map(|list| list.split(',').collect()).unwrap_or_default();
        let place = |name: &str| names.iter().position(|one| *one == name);
        let (Some(ts), Some(m180)) = (place("ts"), place("m180")) else {
            return (400, "No known field.".to_owned());
        };
        if !body.len().is_multiple_of(4 * names.len()) {
            return (400, "Invalid data length.".to_owned());
        }
        let mut last = self.last.lock().unwrap();
        let (mut received, mut inserted) = (0, 0);
        for entry in body.chunks(4 * names.len()) {
            let word = |at: usize| u32::from_le_bytes(entry[4 * at..][..4].try_into().unwrap());
            received += 1;
            let (time, counter) = (word(ts), word(m180));
            if time > last.0 && counter >= last.1 {
                inserted += 1;
                *last = (time, counter);
            }
        }
        let rejected = received - inserted;
        let json = format!(
            r#"{{"received":{received},"inserted":{inserted},"rejected":{rejected},"ota_check":false}}"#
        );
        (200, json)
    }
}

async fn answer(
    State(backend): State<Arc<Backend>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let query: HashMap<String, String> =
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let canned = backend.canned.lock().unwrap().pop();
    let (status, text) = if let Some((status, text)) = canned {
        (status, text.to_owned())
    } else if query.get("ID").map(String::as_str) != Some("TA0") || header("x-auth-token") != TOKEN {
        (403, "Zugriff verweigert.".to_owned())
    } else if body.len() > backend.body_len_max {
        (413, "Payload too large.".to_owned())
    } else if header("content-type") != "application/octet-stream" {
        (415, String::new())
    } else if uri.path().ends_with("log.php") {
        (200, format!("Log received ({} slots).", body.len() / 12))
    } else {
        backend.values(&query, &body)
    };
    if status == 200 {
        let path = uri.path().to_owned();
        backend.taken.lock().unwrap().push(Taken { path, query, body: body.to_vec() });
    }
    (StatusCode::from_u16(status).unwrap(), text)
}

fn setup(port: u16, tls: Option<TlsSetup>) -> SmgwLiteSetup {
    let scheme = match tls {
        Some(_) => Scheme { name: "https", port: 443, tls: true },
        None => Scheme { name: "http", port: 80, tls: false },
    };
    let host = "localhost".to_owned();
    SmgwLiteSetup {
        endpoint: EndpointSetup { scheme, host, port, path: "/smgw".to_owned(), login: None, tls },
        proxy: None,
        device_id: "TA0".to_owned(),
        token: Secret::new(TOKEN),
        meter: "haus".to_owned(),
        export: true,
        temperature: None,
        solar: None,
        every: Duration::from_secs(120),
    }
}

fn sink(port: u16) -> SmgwLite {
    SmgwLite::new(&setup(port, None)).unwrap()
}

fn point(code: &str, tenths_of_wh: i64) -> Point {
    Point {
        register: code.parse().unwrap(),
        name: None,
        number: Number::new(tenths_of_wh, -1),
        unit: Some(Unit::WattHour),
        prefix: 0,
        derived: false,
    }
}

fn measured(case: UseCase, at_s: i64, points: Vec<Point>) -> Entry {
    let at = Instant { unix_ms: at_s * 1000 + 999, trust: Trust::HostSynchronised };
    let sample =
        Sample { meter: "haus".into(), seq: 1, at, meter_clock_s: None, flags: RowFlags::default(), points };
    let (mark, quality) = (Mark::from_unix_s(at_s.div_euclid(900) * 900), Quality::Exact);
    Entry::Measured { case, mark, quality, clock_doubtful: false, sample }
}

/// A quarter hour with 1.8.0 alone.
fn quarter(at_s: i64, tenths_of_wh: i64) -> Entry {
    measured(UseCase::Taf7LoadProfile, at_s, vec![point("1-0:1.8.0", tenths_of_wh)])
}

fn event(code: EventCode, unix_ms: i64) -> Entry {
    let at = Instant { unix_ms, trust: Trust::HostSynchronised };
    Entry::Event(Event { seq: 7, at, code, about: None, detail: String::new(), count: 1 })
}

fn is_empty(delivered: &Delivered) -> bool {
    delivered.refused.is_empty() && delivered.trouble.is_none()
}

#[tokio::test]
async fn row_36_a_push_of_values_has_these_bytes_and_an_smgw_lite_backend_takes_it_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("test authority");
    let files = authority.issue(folder.path(), &["localhost"], Validity::Valid);
    let backend = Backend::new();
    let port = backend.listen_tls(&files).await;
    let mut sink = SmgwLite::new(&setup(port, Some(trusting(&authority, folder.path())))).unwrap();

    let both = vec![point("1-0:1.8.0", 167_772_170), point("1-0:2.8.0", 256)];
    let batch = [
        measured(UseCase::Taf7LoadProfile, NOON, both.clone()),
        // The same reading is the minute of TAF 14 too; the backend would call it a duplicate.
        measured(UseCase::Taf14HighFrequency, NOON, both),
        quarter(NOON + 900, 4_294_967_295),
    ];
    let delivered = sink.deliver(&batch).await;
    assert!(is_empty(&delivered), "{delivered:?}");
    assert_eq!(delivered.taken, 3);

    let taken = backend.taken();
    assert_eq!(taken.len(), 2, "a body has equal fields");
    assert_eq!(taken[0].path, "/smgw/");
    assert_eq!(taken[0].query["fields"], "ts,m180,m280");
    assert_eq!(taken[0].body, [0x70, 0x68, 0xDB, 0x69, 0x0A, 0x00, 0x00, 0x0A, 0x00, 0x01, 0x00, 0x00]);
    assert_eq!(taken[1].query["fields"], "ts,m180");
    assert_eq!(taken[1].body, [0xF4, 0x6B, 0xDB, 0x69, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(taken[1].query["transmittedValues"], "1");
    let mut keys: Vec<&str> = taken[0].query.keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = ["ID", "IP", "chipTemp", "fields", "heap", "time", "transmittedValues", "uptime"];
    assert_eq!(keys, expected);
}

fn trusting(authority: &Authority, folder: &Path) -> TlsSetup {
    TlsSetup { trust: TrustSetup::Ca(authority.file(folder)), client: None }
}

#[tokio::test]
async fn row_36_a_push_of_the_log_has_200_slots_of_these_bytes() {
    let backend = Backend::new();
    let mut sink = sink(backend.listen().await);
    let batch = [
        event(EventCode::Started, NOON * 1000 + 250),
        event(EventCode::MeterExchanged, NOON * 1000 + 300),
        event(EventCode::Silent, NOON * 1000 + 350),
    ];
    let delivered = sink.deliver(&batch).await;
    assert!(is_empty(&delivered), "{delivered:?}");
    assert_eq!(delivered.taken, 3);

    let taken = backend.taken();
    assert_eq!((taken.len(), taken[0].path.as_str()), (1, "/smgw/log.php"));
    let body = &taken[0].body;
    assert_eq!(body.len(), 2400);
    // 1775986800250 ms are 0x019D_810F_F67A; the low half stands in for the running time.
    assert_eq!(body[..12], [0x70, 0x68, 0xDB, 0x69, 0x7A, 0xF6, 0x0F, 0x81, 0xE9, 0x03, 0x00, 0x00]);
    assert_eq!(body[12..24], [0x70, 0x68, 0xDB, 0x69, 0xDE, 0xF6, 0x0F, 0x81, 0xBF, 0x0B, 0x00, 0x00]);
    assert_eq!(body[24..36], [0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(taken[0].query["fw"], concat!("metergate-", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn more_events_than_slots_go_out_in_several_logs() {
    let backend = Backend::new();
    let mut sink = sink(backend.listen().await);
    let batch: Vec<Entry> = (0..201).map(|n| event(EventCode::QuarterHour, NOON * 1000 + n)).collect();
    assert_eq!(sink.deliver(&batch).await.taken, 201);
    let used = |taken: &Taken| taken.body.chunks(12).filter(|slot| slot[8..] != [0xFF; 4]).count();
    assert_eq!(backend.taken().iter().map(used).collect::<Vec<_>>(), [200, 1]);
}

#[tokio::test]
async fn row_36_a_counter_beyond_429496_kwh_is_refused_visibly_and_never_wrapped() {
    let backend = Backend::new();
    let mut sink = sink(backend.listen().await);
    let batch = [quarter(NOON, 4_294_967_295), quarter(NOON + 900, 4_294_967_296), quarter(NOON + 1800, -1)];
    let delivered = sink.deliver(&batch).await;
    assert_eq!((delivered.taken, delivered.trouble), (3, None));
    let told: Vec<(usize, &str)> = delivered.refused.iter().map(|(at, why)| (*at, why.as_str())).collect();
    assert_eq!(
        told,
        [
            (1, "1-0:1.8.0*255: the format of SMGW.Lite cannot say 429496729.6"),
            (2, "1-0:1.8.0*255: the format of SMGW.Lite cannot say -0.1"),
        ]
    );
    let taken = backend.taken();
    assert_eq!((taken.len(), taken[0].body.len()), (1, 8));
}

#[tokio::test]
async fn a_wrong_token_is_trouble_with_the_login_and_is_shown_nowhere() {
    let backend = Backend::new();
    let mut setup = setup(backend.listen().await, None);
    setup.token = Secret::new("not-the-token");
    let mut sink = SmgwLite::new(&setup).unwrap();
    let delivered = sink.deliver(&[quarter(NOON, 1)]).await;
    assert_eq!(delivered.taken, 0);
    let trouble = delivered.trouble.unwrap();
    assert_eq!(trouble.step, Step::Login);
    assert_eq!(trouble.message, "HTTP 403: `device_id` or `token` is not accepted");
    assert!(!format!("{sink:?} {setup:?} {setup}").contains("not-the-token"));
    assert_eq!(backend.taken(), []);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_halved_until_it_fits() {
    let backend = Backend::with_limit(100);
    let mut sink = sink(backend.listen().await);
    let batch: Vec<Entry> = (0..64).map(|n| quarter(NOON + n * 60, n)).collect();
    let delivered = sink.deliver(&batch).await;
    assert!(is_empty(&delivered), "{delivered:?}");
    assert_eq!(delivered.taken, 64);
    let bodies: Vec<Vec<u8>> = backend.taken().into_iter().map(|taken| taken.body).collect();
    assert_eq!(bodies.iter().map(Vec::len).collect::<Vec<_>>(), [64; 8]);
    let times: Vec<u32> =
        bodies.concat().chunks(8).map(|entry| u32::from_le_bytes(entry[..4].try_into().unwrap())).collect();
    assert_eq!(times, (0..64).map(|n| 1_775_986_800 + n * 60).collect::<Vec<u32>>());
}

#[tokio::test]
async fn one_value_that_is_too_large_and_a_400_are_refused_for_good() {
    let backend = Backend::with_limit(4);
    let mut sink = sink(backend.listen().await);
    let delivered = sink.deliver(&[quarter(NOON, 1), quarter(NOON + 60, 2)]).await;
    assert_eq!((delivered.taken, delivered.refused.len(), delivered.trouble), (2, 2, None));
    backend.canned.lock().unwrap().push((400, "Invalid data length."));
    let delivered = sink.deliver(&[quarter(NOON + 120, 3)]).await;
    assert_eq!(delivered.refused, [(0, "HTTP 400: Invalid data length.".to_owned())]);
}

#[tokio::test]
async fn what_the_backend_throws_away_is_told() {
    let backend = Backend::new();
    let mut sink = sink(backend.listen().await);
    assert!(is_empty(&sink.deliver(&[quarter(NOON, 43_354_009)]).await));
    // The counter went back: the backend takes nothing of it.
    let delivered = sink.deliver(&[quarter(NOON + 900, 30)]).await;
    assert_eq!(delivered.taken, 1);
    assert_eq!(delivered.refused, [(0, "the backend took nothing of a push and rejected 1".to_owned())]);
    // One of two: which one, only the tables of the backend know.
    let delivered = sink.deliver(&[quarter(NOON + 1800, 31), quarter(NOON + 2700, 43_354_100)]).await;
    assert!(is_empty(&delivered), "{delivered:?}");
}

#[tokio::test]
async fn a_backend_that_fails_gets_everything_later_and_in_order() {
    let backend = Backend::new();
    let mut sink = sink(backend.listen().await);
    let batch: Vec<Entry> = (0..3).map(|n| quarter(NOON + n * 900, 100 + n)).collect();
    for (answer, message) in [
        ((500, "Fehler"), "HTTP 500: Fehler"),
        (
            (200, "<html>Sign in to the Wi-Fi</html>"),
            "a web page answers where the backend should; is `url` right?",
        ),
        ((200, r#"{"received":3,"bytes":16}"#), "the backend has 16 of 24 bytes"),
        ((301, ""), "HTTP 301: the backend has moved; set `url` to where it is"),
    ] {
        backend.canned.lock().unwrap().push(answer);
        let before = backend.taken().len();
        let delivered = sink.deliver(&batch).await;
        assert_eq!((delivered.taken, delivered.refused.len()), (0, 0));
        let trouble = delivered.trouble.unwrap();
        assert_eq!((trouble.step, trouble.message.as_str()), (Step::Deliver, message));
        // What a page took is in no database.
        backend.taken.lock().unwrap().truncate(before);
    }
    assert!(is_empty(&sink.deliver(&batch).await));
    assert_eq!(backend.taken().last().unwrap().body.len(), 24);
}

#[tokio::test]
async fn nobody_there_and_a_certificate_of_nobody_are_told_apart() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let delivered = sink(closed).deliver(&[quarter(NOON, 1)]).await;
    assert_eq!((delivered.taken, delivered.trouble.unwrap().step), (0, Step::Connect));

    let folder = tempfile::tempdir().unwrap();
    let backend = Backend::new();
    let port = backend.listen_tls(&certificates::self_signed(folder.path(), &["localhost"])).await;
    let tls = trusting(&Authority::new("somebody else"), folder.path());
    let mut sink = SmgwLite::new(&setup(port, Some(tls))).unwrap();
    let delivered = sink.deliver(&[quarter(NOON, 1)]).await;
    assert_eq!((delivered.taken, delivered.trouble.unwrap().step), (0, Step::Tls));
    assert_eq!(backend.taken(), []);
}

#[tokio::test]
async fn readings_without_1_8_0_are_skipped_and_told_once() {
    let backend = Backend::new();
    let mut sink = sink(backend.listen().await);
    let power = |at_s| measured(UseCase::Taf7LoadProfile, at_s, vec![point("1-0:2.8.0", 5)]);
    let delivered = sink.deliver(&[power(NOON), power(NOON + 60), quarter(NOON + 120, 9)]).await;
    assert_eq!((delivered.taken, delivered.refused.len()), (3, 1));
    assert_eq!(
        delivered.refused[0],
        (0, "there is no 1-0:1.8.0 to send; readings without it are skipped".to_owned())
    );
    let delivered = sink.deliver(&[power(NOON + 180)]).await;
    assert_eq!((delivered.taken, delivered.refused.len()), (1, 0));
    assert_eq!(backend.taken().len(), 1, "nothing is sent for them");
}

#[test]
fn a_batch_waits_for_the_turn_of_its_oldest_entry() {
    let sink = sink(1);
    let now = |unix_s: i64| Instant { unix_ms: unix_s * 1000, trust: Trust::HostSynchronised };
    let wait = sink.wait(&[quarter(NOON, 1)], now(NOON + 1));
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(120), "{wait:?}");
    assert_eq!(sink.wait(&[quarter(NOON - 120, 1), quarter(NOON, 1)], now(NOON + 1)), Duration::ZERO);
    assert_eq!(sink.wait(&[], now(NOON)), Duration::ZERO);
}

#[test]
fn a_reading_that_nobody_can_date_is_refused() {
    let undated = |entry| match entry {
        Entry::Measured { case, mark, quality, clock_doubtful, sample } => {
            let at = Instant { trust: Trust::None, ..sample.at };
            Entry::Measured { case, mark, quality, clock_doubtful, sample: Sample { at, ..sample } }
        }
        other => other,
    };
    let refused = Record::Refused("the reading has no time that the format can say".to_owned());
    let record = |entry| record::record(&entry, &setup(1, None), &Beside::default());
    assert_eq!(record(undated(quarter(NOON, 1))), refused);
    assert_eq!(record(quarter(4_294_967_296, 1)), refused);
    assert!(matches!(record(quarter(4_294_967_295, 1)), Record::Values(_)));
}

#[test]
fn paths_and_queries_are_those_of_a_device() {
    use request::{log_path, values_path};
    assert_eq!((values_path(""), log_path("")), ("/".to_owned(), "/log.php".to_owned()));
    assert_eq!((values_path("/smgw"), log_path("/smgw")), ("/smgw/".to_owned(), "/smgw/log.php".to_owned()));
    assert_eq!(values_path("/v3/index.php"), "/v3/index.php");
    assert_eq!(log_path("/v3/index.php"), "/v3/log.php");
    let vitals = Vitals {
        chip_tenths: request::chip_tenths("48312\n"),
        free_bytes: request::free_bytes("MemTotal: 9 kB\nMemAvailable:    1024 kB\n"),
        uptime_min: 61,
        address: Some([192, 168, 0, 17].into()),
    };
    let fields = "ts,m180".parse().unwrap();
    assert_eq!(
        request::values_query("TA0", &fields, 2, NOON + 3_723, &vitals),
        "ID=TA0&chipTemp=48.3&uptime=61&time=10:42:03&fields=ts,m180&heap=1048576&transmittedValues=2&IP=17"
    );
    let nothing = Vitals { chip_tenths: Some(-5), ..Vitals::default() };
    assert_eq!(
        request::values_query("TA0", &fields, 0, 0, &nothing),
        "ID=TA0&chipTemp=-0.5&uptime=0&time=00:00:00&fields=ts,m180&heap=&transmittedValues=0&IP="
    );
    assert_eq!(request::chip_tenths("hot"), None);
    assert_eq!(request::free_bytes("MemAvailable: much kB"), None);
}

#[test]
fn answers_of_any_kind_are_read_or_left_unread() {
    let taken = |text: &str| match answer::outcome(200, None, text, 8) {
        Outcome::Taken(counts) => counts,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(taken(r#"{"rejected":2,"ota_check":"1"}"#).rejected, Some(2));
    assert!(taken(r#"{"ota_check":1}"#).ota_check && taken(r#"{"ota_check":true}"#).ota_check);
    for text in ["", "Data received and processed successfully.", "[]", r#"{"rejected":-1}"#, "{"] {
        assert_eq!(taken(text), Counts::default(), "{text}");
    }
    let busy = answer::outcome(503, Some(Duration::from_secs(120)), "later\u{1b}[2J\nmore", 8);
    let Outcome::Trouble(trouble) = busy else { panic!("{busy:?}") };
    assert_eq!(trouble.retry_after, Some(Duration::from_secs(120)));
    assert!(
        trouble.message.starts_with("HTTP 503: later") && !trouble.message.contains('\u{1b}'),
        "{trouble}"
    );
}

/// What a source says, chosen for a mark.
fn source(name: &str, at_s: i64, points: &[(&str, i64, i8, Unit)]) -> Entry {
    let point = |&(code, mantissa, exponent, unit): &(&str, i64, i8, Unit)| Point {
        number: Number::new(mantissa, exponent),
        unit: Some(unit),
        ..point(code, 0)
    };
    match measured(UseCase::Taf7LoadProfile, at_s, points.iter().map(point).collect()) {
        Entry::Measured { case, mark, quality, clock_doubtful, sample } => {
            let sample = Sample { meter: name.into(), ..sample };
            Entry::Measured { case, mark, quality, clock_doubtful, sample }
        }
        other => other,
    }
}

#[tokio::test]
async fn row_36_temperature_and_solar_energy_go_with_the_reading_that_they_stand_beside() {
    let backend = Backend::new();
    let port = backend.listen().await;
    let sources = |name: &str| Some(name.to_owned());
    let mut sink = SmgwLite::new(&SmgwLiteSetup {
        temperature: sources("cellar"),
        solar: sources("roof"),
        ..setup(port, None)
    })
    .unwrap();
    let warm = |at_s, hundredths| source("cellar", at_s, &[("0-0:96.9.0", hundredths, -2, Unit::Celsius)]);
    let roof = |at_s, joules| source("roof", at_s, &[("1-0:2.8.0", joules, -1, Unit::Joule)]);
    let batch = [
        // Before and behind the readings in the store: what counts is the time.
        warm(NOON + 1, -550),
        quarter(NOON + 2, 352_040),
        roof(NOON + 4, 72_000_005),
        warm(NOON + 901, 2_153),
        quarter(NOON + 902, 352_041),
        // An hour later nobody knows how warm it was.
        quarter(NOON + 4500, 352_042),
    ];
    let delivered = sink.deliver(&batch).await;
    assert!(delivered.taken == 6 && is_empty(&delivered), "{delivered:?}");
    let taken = backend.taken();
    assert_eq!(taken.len(), 2, "other fields, another body");
    assert_eq!(taken[0].query["fields"], "ts,m180,temp,solar");
    let words: Vec<u32> =
        taken[0].body.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    let noon = u32::try_from(NOON).unwrap();
    let frost = (-550_i32).cast_unsigned();
    assert_eq!(words, [noon + 2, 352_040, frost, 7_200_000, noon + 902, 352_041, 2_153, 7_200_000]);
    assert_eq!(taken[1].query["fields"], "ts,m180");
    // The same batch again, after a lost answer: the same words.
    let mut again =
        SmgwLite::new(&SmgwLiteSetup { temperature: sources("cellar"), ..setup(port, None) }).unwrap();
    assert_eq!(again.deliver(&batch[..2]).await.taken, 2);
    assert_eq!(backend.taken()[2].query["fields"], "ts,m180,temp");
}

#[test]
fn a_source_that_says_what_the_format_cannot_costs_no_reading() {
    let setup = SmgwLiteSetup { solar: Some("roof".to_owned()), ..setup(1, None) };
    for (number, unit, expected) in [
        (2_000, Unit::WattHour, Some(7_200_000)),
        (7_200_000, Unit::Joule, Some(7_200_000)),
        // From about 1193 kWh on, the format says "none".
        (1_193_047, Unit::WattHour, None),
        (4_294_967_279, Unit::Joule, Some(4_294_967_279)),
        (i64::MAX, Unit::WattHour, None),
        (-1, Unit::Joule, None),
        (5, Unit::Watt, None),
    ] {
        let mut beside = Beside::default();
        beside.learn(&setup, &[source("roof", NOON, &[("1-0:2.8.0", number, 0, unit)])]);
        let Record::Values(values) = record::record(&quarter(NOON, 1), &setup, &beside) else {
            panic!("{number} {unit}");
        };
        assert_eq!(values.solar, expected, "{number} {unit}");
        assert_eq!(values.import, Some(1));
    }
}
