use super::*;
use crate::config::PriceFeedSetup;
use crate::peers::certificates::self_signed;
use crate::peers::http_server::{HttpServer, Says};
use crate::store::StoreSetup;
use metergate_reading::Number;
use metergate_tariff::price::PricePeriod;
use std::sync::atomic::{AtomicUsize, Ordering};

const SOON: Duration = Duration::from_secs(60);

/// A test waits for no schedule.
const LIMITS: Limits =
    Limits { time: Duration::from_secs(2), bytes: 2_000, retry_min: Duration::from_millis(20) };

/// A state directory whose store takes events.
struct Place {
    folder: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(&StoreSetup::new(folder.path().join("metergate.db"))).unwrap();
        Self { folder, store }
    }

    fn setup(&self, port: u16) -> PriceFeedSetup {
        let text = format!("url = \"http://127.0.0.1:{port}/prices.csv?token=abc\"\nrefresh = \"1 h\"");
        crate::config::price_feed_of_lines(&text, self.folder.path())
    }

    fn feed(&self, port: u16) -> Feed {
        Feed::new(&self.setup(port), self.store.clone(), LIMITS).unwrap()
    }

    fn prices(&self) -> Vec<PricePeriod> {
        read_file(&self.folder.path().join("prices.csv")).unwrap_or_default()
    }

    fn events(&self) -> Vec<(EventCode, String)> {
        assert!(self.store.flush_blocking(SOON));
        let events = self.store.reader().events_after(0, 100).unwrap();
        events.into_iter().map(|event| (event.code, event.detail)).collect()
    }
}

fn period(from_s: i64, cents: i64) -> PricePeriod {
    PricePeriod { from_s, to_s: from_s + 900, price: Number::new(cents, -2) }
}

fn ok(body: &str) -> (String, String) {
    ("200 OK\r\netag: \"v1\"\r\nlast-modified: Wed, 13 May 2026 12:00:00 GMT".to_owned(), body.to_owned())
}

/// Says the same as the last of these to everything after it.
fn in_turn(answers: Vec<(String, String)>) -> Says {
    let next = AtomicUsize::new(0);
    Box::new(move |_| {
        let place = next.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
        answers[place].clone()
    })
}

#[tokio::test]
async fn prices_are_fetched_kept_and_asked_for_again_only_if_they_changed() {
    let place = Place::new();
    let answers = vec![
        ok("start;end;price\n0;900;0.30\n900;1800;0.31\n"),
        ("304 Not Modified".to_owned(), String::new()),
        ok("900;1800;0.41\n1800;2700;0,42\n"),
    ];
    let server = HttpServer::start(None, in_turn(answers));
    let mut feed = place.feed(server.port);
    feed.refresh().await.unwrap();
    assert_eq!(place.prices(), [period(0, 30), period(900, 31)]);
    feed.refresh().await.unwrap();
    assert_eq!(place.prices(), [period(0, 30), period(900, 31)]);
    feed.refresh().await.unwrap();
    assert_eq!(place.prices(), [period(0, 30), period(900, 41), period(1800, 42)], "yesterday's stay");
    let requests = server.requests();
    assert_eq!(requests[0].line, "GET /prices.csv?token=abc HTTP/1.1");
    assert_eq!((requests[0].header("if-none-match"), requests[0].header("if-modified-since")), (None, None));
    assert_eq!(requests[1].header("if-none-match"), Some("\"v1\""));
    assert_eq!(requests[1].header("if-modified-since"), Some("Wed, 13 May 2026 12:00:00 GMT"));
    let kept = std::fs::read_to_string(place.folder.path().join("prices.json")).unwrap();
    assert!(!kept.contains("abc"), "a token is in no file: {kept}");
    // After a restart without a network they are still there.
    assert_eq!(
        place.feed(1).kept.known(feed.fetch.address()).map(|known| known.etag),
        Some(Some("\"v1\"".into()))
    );
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_leaves_the_prices_that_are_there() {
    let place = Place::new();
    let bad: [(&str, (String, String), &str); 6] = [
        ("missing", ("404 Not Found".to_owned(), "<html>".to_owned()), "HTTP 404"),
        ("broken", ok("0;900;0.30\n900;1800\n"), "line 2: expected start;end;price, found 2 fields"),
        ("a page", ok("<html>please log in</html>"), "line 1: expected start;end;price"),
        ("empty", ok("start;end;price\n"), "the answer has no prices"),
        ("too large", ok(&"# nothing\n".repeat(300)), "the answer has more than 2000 bytes"),
        ("elsewhere", ("302 Found\r\nlocation: http://other/".to_owned(), String::new()), "no redirection"),
    ];
    for (name, answer, words) in bad {
        let server = HttpServer::start(None, in_turn(vec![ok("0;900;0.30\n"), answer]));
        let mut feed = place.feed(server.port);
        feed.refresh().await.unwrap();
        let trouble = feed.refresh().await.unwrap_err();
        assert!(trouble.contains(words), "{name}: {trouble}");
        assert!(!trouble.contains("abc"), "{name}: a token is in no message: {trouble}");
        assert_eq!(place.prices(), [period(0, 30)], "{name}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_or_is_away_costs_no_price() {
    let place = Place::new();
    let (release, hold) = std::sync::mpsc::channel::<()>();
    let server = HttpServer::start(
        None,
        Box::new(move |_| {
            let _ = hold.recv();
            ok("0;900;0.30\n")
        }),
    );
    let mut feed = place.feed(server.port);
    let trouble = feed.refresh().await.unwrap_err();
    assert!(trouble.contains("no answer within 2s"), "{trouble}");
    drop(release);
    feed.refresh().await.unwrap();
    assert_eq!(place.prices(), [period(0, 30)]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    place.feed(nobody).refresh().await.unwrap_err();
    assert_eq!(place.prices(), [period(0, 30)]);
}

#[tokio::test]
async fn trouble_and_its_end_are_told_once_each() {
    let place = Place::new();
    let bad = ("503 Service Unavailable".to_owned(), String::new());
    let server = HttpServer::start(None, in_turn(vec![bad.clone(), bad.clone(), bad, ok("0;900;0.30\n")]));
    let task = tokio::spawn(place.feed(server.port).run());
    let end = tokio::time::Instant::now() + SOON;
    while !place.events().iter().any(|(code, _)| *code == EventCode::PricesRecovered) {
        assert!(tokio::time::Instant::now() < end, "it never recovered: {:?}", place.events());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    task.abort();
    let events = place.events();
    let codes: Vec<EventCode> = events.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, [EventCode::PricesFailing, EventCode::PricesRecovered]);
    assert!(events[0].1.contains("HTTP 503"), "{events:?}");
    assert_eq!((server.requests().len(), place.prices()), (4, vec![period(0, 30)]));
}

#[tokio::test]
async fn a_restart_goes_on_with_the_schedule_and_asks_nobody_before_it_is_time() {
    let place = Place::new();
    let server = HttpServer::start(None, in_turn(vec![ok("0;900;0.30\n")]));
    place.feed(server.port).refresh().await.unwrap();
    // An hour is the schedule: a second feed waits for it.
    let task = place.feed(server.port).run();
    assert!(tokio::time::timeout(Duration::from_millis(200), task).await.is_err());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_believed() {
    let place = Place::new();
    let files = self_signed(place.folder.path(), &["localhost"]);
    let server = HttpServer::start(Some(&files), in_turn(vec![ok("0;900;0.30\n")]));
    let text = format!("url = \"https://localhost:{}/prices.csv\"", server.port);
    let setup = crate::config::price_feed_of_lines(&text, place.folder.path());
    let mut feed = Feed::new(&setup, place.store.clone(), LIMITS).unwrap();
    let trouble = feed.refresh().await.unwrap_err();
    assert!(trouble.contains("certificate"), "{trouble}");
    assert_eq!((server.requests().len(), place.prices()), (0, vec![]));
}
