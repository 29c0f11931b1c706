use super::*;
use crate::config::{EndpointSetup, Login, Scheme};
use crate::peers::http_server::{HttpServer, Request};
use crate::secret::Secret;
use crate::sink::sample::Step;
use crate::sink::sample::made::{START_MS, readings, sample};
use std::collections::BTreeMap;
use std::sync::Mutex;

const ENERGY: &str = "00000000-1111-2222-3333-444444444401";
const POWER: &str = "00000000-1111-2222-3333-444444444402";

/// Rows of the middleware: the text of the number by channel and millisecond.
type Rows = Arc<Mutex<BTreeMap<(String, i64), String>>>;

/// A middleware as its interface is documented: one channel a request, pairs of milliseconds and number, a value of a
/// millisecond once.
struct Middleware {
    server: HttpServer,
    rows: Rows,
}

/// What is unusual about it.
#[derive(Clone, Copy, PartialEq)]
enum Whim {
    None,
    /// It has a channel less.
    NoPower,
    /// It takes so many bytes.
    Small(usize),
    /// It throws where it should skip.
    NeverSkips,
    /// It stores and then does not say so, once.
    LostAnswer,
}

impl Middleware {
    fn start(whim: Whim) -> Self {
        let rows = Rows::default();
        let kept = Arc::clone(&rows);
        let mut answers = 0;
        let says = move |request: &Request| {
            answers += 1;
            match store(request, whim, &kept) {
                Ok(_) if whim == Whim::LostAnswer && answers == 2 => {
                    ("502 Bad Gateway".to_owned(), String::new())
                }
                Ok(count) => ("200 OK".to_owned(), format!(r#"{{"version":"0.3","rows":{count}}}"#)),
                Err((kind, message)) => {
                    let exception = format!(r#"{{"message":"{message}","type":"{kind}","code":0}}"#);
                    ("400 Bad Request".to_owned(), format!(r#"{{"version":"0.3","exception":{exception}}}"#))
                }
            }
        };
        Self { server: HttpServer::start(None, Box::new(says)), rows }
    }

    fn values(&self, uuid: &str) -> Vec<(i64, String)> {
        let rows = self.rows.lock().unwrap();
        rows.iter().filter(|((of, _), _)| of == uuid).map(|((_, ms), value)| (*ms, value.clone())).collect()
    }
}

fn store(request: &Request, whim: Whim, rows: &Rows) -> Result<usize, (&'static str, String)> {
    let target = request.line.strip_prefix("POST /middleware.php/data/").unwrap();
    let (uuid, query) = target.split_once(".json?").unwrap();
    assert_eq!(query, "options=skipduplicates HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    if ![ENERGY, POWER].contains(&uuid) || (whim == Whim::NoPower && uuid == POWER) {
        return Err(("Exception", format!("No entity found with UUID: '{uuid}'")));
    }
    if matches!(whim, Whim::Small(most) if request.body.len() > most) {
        return Err(("Exception", "Maximum message size exceeded".to_owned()));
    }
    // The texts of the numbers, so that no binary fraction hides a digit.
    let pairs: Vec<(i64, Box<serde_json::value::RawValue>)> = serde_json::from_str(&request.body).unwrap();
    assert!(!pairs.is_empty(), "the middleware has no statement for nothing");
    let mut rows = rows.lock().unwrap();
    let is_there = |ms: &i64| rows.contains_key(&(uuid.to_owned(), *ms));
    if whim == Whim::NeverSkips && pairs.iter().any(|(ms, _)| is_there(ms)) {
        return Err(("UniqueConstraintViolationException", "Duplicate entry".to_owned()));
    }
    let before = rows.len();
    for (ms, value) in pairs {
        rows.entry((uuid.to_owned(), ms)).or_insert_with(|| value.get().to_owned());
    }
    Ok(rows.len() - before)
}

fn setup(port: u16) -> VolkszaehlerSetup {
    let channel =
        |uuid: &str, register: &str| Channel { uuid: uuid.to_owned(), register: register.parse().unwrap() };
    VolkszaehlerSetup {
        endpoint: EndpointSetup {
            scheme: Scheme { name: "http", port: 80, tls: false },
            host: "127.0.0.1".to_owned(),
            port,
            path: "/middleware.php".to_owned(),
            login: None,
            tls: None,
        },
        proxy: None,
        channels: vec![channel(ENERGY, "1-0:1.8.0"), channel(POWER, "16.7.0")],
    }
}

fn sink(setup: &VolkszaehlerSetup) -> Volkszaehler {
    Volkszaehler::new(setup, &["haus".into()]).unwrap()
}

fn deliver(sink: &mut Volkszaehler, batch: &[Entry]) -> Delivered {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = runtime.block_on(sink.deliver(batch));
    // Its connections belong to the runtime that ends here.
    sink.close();
    done
}

fn all_were_taken(done: &Delivered, count: usize) {
    assert!(done.taken == count && done.refused.is_empty() && done.trouble.is_none(), "{done:?}");
}

/// What the channel of this point must hold.
fn expected(entries: &[Entry], point: usize) -> Vec<(i64, String)> {
    let samples = entries.iter().filter_map(Entry::sample);
    samples.map(|sample| (sample.at.unix_ms, sample.points[point].number.to_string())).collect()
}

#[test]
fn each_channel_gets_the_exact_values_of_its_register_in_one_request_however_often() {
    let middleware = Middleware::start(Whim::None);
    let entries = readings(40);
    let mut sink = sink(&setup(middleware.server.port));
    for _ in 0..2 {
        all_were_taken(&deliver(&mut sink, &entries), 40);
    }
    assert_eq!(middleware.values(ENERGY), expected(&entries, 0));
    assert_eq!(middleware.values(POWER), expected(&entries, 1));
    assert_eq!(middleware.values(ENERGY)[0], (START_MS, "35204.0842".to_owned()));
    assert_eq!(middleware.server.requests().len(), 4, "two channels, twice");
}

#[test]
fn what_is_sent_after_a_lost_answer_is_there_once() {
    let middleware = Middleware::start(Whim::LostAnswer);
    let entries = readings(5);
    let mut sink = sink(&setup(middleware.server.port));
    let done = deliver(&mut sink, &entries);
    assert_eq!(done.taken, 0, "one channel is not enough: {done:?}");
    assert_eq!(done.trouble.unwrap().step, Step::Deliver);
    all_were_taken(&deliver(&mut sink, &entries), 5);
    assert_eq!(middleware.values(POWER), expected(&entries, 1));
}

#[test]
fn a_reading_without_the_register_is_no_value_and_never_zero() {
    let middleware = Middleware::start(Whim::None);
    let only =
        |seq, points: &[(&str, &str)]| Entry::Reading(sample(seq, i64::try_from(seq).unwrap(), points));
    let entries = [
        only(1, &[("1-0:1.8.0", "16777217 Wh")]),
        only(2, &[("1-0:2.8.0", "5 Wh")]),
        only(3, &[("1-0:16.7.0", "-0.309 W"), ("1-1:16.7.0", "7 W")]),
    ];
    all_were_taken(&deliver(&mut sink(&setup(middleware.server.port)), &entries), 3);
    assert_eq!(middleware.values(ENERGY), [(START_MS + 1000, "16777217".to_owned())]);
    assert_eq!(middleware.values(POWER), [(START_MS + 3000, "-0.309".to_owned())]);
    assert_eq!(middleware.server.requests().len(), 2);
    all_were_taken(&deliver(&mut sink(&setup(middleware.server.port)), &entries[1..2]), 1);
    assert_eq!(middleware.server.requests().len(), 2, "nothing is no request");
}

#[test]
fn a_channel_that_is_missing_is_named_and_waited_for() {
    let middleware = Middleware::start(Whim::NoPower);
    let done = deliver(&mut sink(&setup(middleware.server.port)), &readings(3));
    assert_eq!((done.taken, done.refused.len()), (0, 0), "nothing may be lost: {done:?}");
    assert_eq!(
        done.trouble.unwrap().to_string(),
        format!("delivery: channel {POWER}: Exception: No entity found with UUID: '{POWER}'")
    );
}

#[test]
fn a_body_that_is_too_large_is_halved_until_it_fits() {
    let middleware = Middleware::start(Whim::Small(100));
    let entries = readings(20);
    all_were_taken(&deliver(&mut sink(&setup(middleware.server.port)), &entries), 20);
    assert_eq!(middleware.values(ENERGY), expected(&entries, 0));
    assert_eq!(middleware.values(POWER), expected(&entries, 1));
}

#[test]
fn a_middleware_that_throws_at_duplicates_has_everything_once_all_the_same() {
    let middleware = Middleware::start(Whim::NeverSkips);
    let entries = readings(9);
    let mut sink = sink(&setup(middleware.server.port));
    all_were_taken(&deliver(&mut sink, &entries[2..5]), 3);
    all_were_taken(&deliver(&mut sink, &entries), 9);
    assert_eq!(middleware.values(ENERGY), expected(&entries, 0));
    assert_eq!(middleware.values(POWER), expected(&entries, 1));
}

#[test]
fn what_is_no_middleware_gets_no_credit() {
    for (status, body, step, said) in [
        ("200 OK", "<html>volkszaehler</html>", Step::Deliver, "is `url` that of a middleware?"),
        (
            "200 OK",
            r#"{"exception":{"type":"PDOException","message":"gone"}}"#,
            Step::Deliver,
            "PDOException: gone",
        ),
        ("400 Bad Request", "no", Step::Deliver, "400 Bad Request: no"),
        ("401 Unauthorized", "", Step::Login, "401"),
        ("404 Not Found", "", Step::Deliver, "404"),
    ] {
        let server = HttpServer::start(None, Box::new(move |_| (status.to_owned(), body.to_owned())));
        let mut setup = setup(server.port);
        let password = Some(Secret::new("geheim"));
        setup.endpoint.login = Some(Login { username: "anna".to_owned(), password });
        let done = deliver(&mut sink(&setup), &readings(2));
        assert_eq!((done.taken, done.refused.len()), (0, 0), "{done:?}");
        let trouble = done.trouble.unwrap();
        assert_eq!(trouble.step, step, "{trouble}");
        assert!(trouble.message.contains(said) && !trouble.message.contains("geheim"), "{trouble}");
        assert_eq!(server.requests()[0].header("authorization"), Some("Basic YW5uYTpnZWhlaW0="));
    }
}

#[test]
fn two_meters_never_share_a_channel() {
    let error = Volkszaehler::new(&setup(1), &["haus".into(), "pump".into()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "its channels cannot stand for several meters; set `meters` to one of them"
    );
}
