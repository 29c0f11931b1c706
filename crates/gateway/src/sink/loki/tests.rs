use super::*;
use crate::config::{EndpointSetup, Login, Scheme};
use crate::event::{Event, EventCode};
use crate::peers::http_server::{HttpServer, Request};
use crate::secret::Secret;
use crate::sink::sample::made::{START_MS, readings};
use metergate_reading::{Instant, Trust};
use serde_json::Value;

fn setup(port: u16) -> LokiSetup {
    LokiSetup {
        endpoint: EndpointSetup {
            scheme: Scheme { name: "http", port: 80, tls: false },
            host: "127.0.0.1".to_owned(),
            port,
            path: String::new(),
            login: None,
            tls: None,
        },
        proxy: None,
        token: None,
        tenant: None,
        job: "metergate".to_owned(),
    }
}

fn event(seq: u64, code: EventCode, about: Option<&str>, detail: &str) -> Entry {
    let at = Instant { unix_ms: START_MS + i64::try_from(seq).unwrap(), trust: Trust::HostSynchronised };
    Entry::Event(Event { seq, at, code, about: about.map(Into::into), detail: detail.to_owned(), count: 1 })
}

fn deliver(setup: &LokiSetup, batch: &[Entry]) -> Delivered {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Loki::new(setup).deliver(batch))
}

/// One line as Loki keeps it: labels, nanoseconds, text.
type Kept = (Vec<(String, String)>, i64, String);

/// Reads a push as Loki documents it, and nothing else: streams with labels of text whose names are those of
/// Prometheus, values as pairs of text, the first a whole number of nanoseconds.
fn kept(request: &Request) -> Result<Vec<Kept>, String> {
    if request.line != "POST /loki/api/v1/push HTTP/1.1" {
        return Err(format!("no such page: {}", request.line));
    }
    if request.header("content-type") != Some("application/json") {
        return Err("snappy: corrupt input".to_owned());
    }
    let push: Value = serde_json::from_str(&request.body).map_err(|error| error.to_string())?;
    let only = |value: &Value, names: &[&str]| {
        let found: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        found == names
    };
    if !only(&push, &["streams"]) {
        return Err("streams alone are expected".to_owned());
    }
    let mut all = Vec::new();
    for stream in push["streams"].as_array().ok_or("streams is a list")? {
        if !only(stream, &["stream", "values"]) {
            return Err("a stream has labels and values".to_owned());
        }
        let mut labels = Vec::new();
        for (name, value) in stream["stream"].as_object().ok_or("labels are an object")? {
            let value = value.as_str().filter(|value| !value.is_empty()).ok_or("a label is a text")?;
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                return Err(format!("{name} is no name of a label"));
            }
            labels.push((name.clone(), value.to_owned()));
        }
        if labels.is_empty() {
            return Err("error at least one label pair is required per stream".to_owned());
        }
        for value in stream["values"].as_array().filter(|all| !all.is_empty()).ok_or("values is a list")? {
            let [at, line] = value.as_array().ok_or("a value is a list")?.as_slice() else {
                return Err("a value is a pair".to_owned());
            };
            let at = at.as_str().and_then(|text| text.parse().ok()).ok_or("a time is a text of digits")?;
            all.push((labels.clone(), at, line.as_str().ok_or("a line is a text")?.to_owned()));
        }
    }
    Ok(all)
}

/// A Loki that checks the shape of what it gets, and calls lines older than a time too far behind.
fn loki(oldest_ns: i64) -> HttpServer {
    let says = move |request: &Request| match kept(request) {
        Ok(lines) if lines.iter().any(|(_, at, _)| *at < oldest_ns) => {
            ("400 Bad Request".to_owned(), "entry too far behind".to_owned())
        }
        Ok(_) => ("204 No Content".to_owned(), String::new()),
        Err(error) => ("500 Internal Server Error".to_owned(), error),
    };
    HttpServer::start(None, Box::new(says))
}

#[test]
fn row_47_loki_accepts_a_push_of_events() {
    let server = loki(0);
    let entries = [
        event(1, EventCode::Silent, Some("haus"), "5 min, \"no\" byte\n"),
        event(2, EventCode::Started, None, ""),
        event(3, EventCode::Silent, Some("haus"), "35 min"),
        event(4, EventCode::Silent, Some("pump"), "5 min"),
    ];
    let done = deliver(&setup(server.port), &entries);
    assert!(done.taken == 4 && done.refused.is_empty() && done.trouble.is_none(), "{done:?}");
    let request = server.requests().remove(0);
    assert_eq!(
        request.body,
        concat!(
            r#"{"streams":[{"stream":{"job":"metergate","event":"meter.silent","severity":"error","about":"haus"},"#,
            r#""values":[["1692199171001000000","{\"seq\":1,\"message\":\"No byte comes.\",\"detail\":"#,
            r#"\"5 min, \\\"no\\\" byte\\n\",\"count\":1}"],"#,
            r#"["1692199171003000000","{\"seq\":3,\"message\":\"No byte comes.\",\"detail\":\"35 min\",\"count\":1}"]]},"#,
            r#"{"stream":{"job":"metergate","event":"gateway.started","severity":"info"},"#,
            r#""values":[["1692199171002000000","{\"seq\":2,\"message\":\"The gateway has started.\",\"count\":1}"]]},"#,
            r#"{"stream":{"job":"metergate","event":"meter.silent","severity":"error","about":"pump"},"#,
            r#""values":[["1692199171004000000","{\"seq\":4,\"message\":\"No byte comes.\",\"detail\":\"5 min\",\"count\":1}"]]}]}"#,
        )
    );
    let lines = kept(&request).unwrap();
    let line: Value = serde_json::from_str(&lines[0].2).unwrap();
    assert_eq!(line["detail"], "5 min, \"no\" byte\n", "what a query takes apart is what was written");
    assert_eq!(deliver(&setup(server.port), &entries).taken, 4);
    assert_eq!(server.requests()[1].body, request.body, "sent again it is the same, which Loki keeps once");
}

#[test]
fn a_line_that_is_too_old_is_refused_alone() {
    let server = loki((START_MS + 2) * 1_000_000);
    let entries: Vec<Entry> = (1..=8).map(|seq| event(seq, EventCode::Merged, Some("haus"), "x")).collect();
    let done = deliver(&setup(server.port), &entries);
    assert_eq!(done.taken, 8);
    assert_eq!(done.refused, [(0, "the receiver answers 400 Bad Request: entry too far behind".to_owned())]);
}

#[test]
fn readings_are_no_log() {
    let server = loki(0);
    assert_eq!(deliver(&setup(server.port), &readings(3)).taken, 3);
    assert!(server.requests().is_empty());
}

#[test]
fn who_we_are_stands_in_the_headers_and_in_no_trouble() {
    let says =
        |request: &Request| ("401 Unauthorized".to_owned(), format!("{:?}", request.header("authorization")));
    let server = HttpServer::start(None, Box::new(says));
    let mut by_token = setup(server.port);
    by_token.token = Some(Secret::new("geheim"));
    by_token.tenant = Some("home".to_owned());
    let mut by_login = setup(server.port);
    by_login.endpoint.path = "/logs/loki/api/v1/push".to_owned();
    by_login.endpoint.login =
        Some(Login { username: "anna".to_owned(), password: Some(Secret::new("geheim")) });
    for setup in [&by_token, &by_login] {
        let done = deliver(setup, &[event(1, EventCode::Started, None, "")]);
        assert_eq!(done.taken, 0);
        let trouble = done.trouble.unwrap();
        assert_eq!(trouble.step, Step::Login);
        assert!(!trouble.message.contains("geheim"), "{trouble}");
    }
    let requests = server.requests();
    assert_eq!(requests[0].header("authorization"), Some("Bearer geheim"));
    assert_eq!(requests[0].header("x-scope-orgid"), Some("home"));
    assert_eq!(requests[1].line, "POST /logs/loki/api/v1/push HTTP/1.1");
    assert_eq!(requests[1].header("authorization"), Some("Basic YW5uYTpnZWhlaW0="));
    assert_eq!(requests[1].header("x-scope-orgid"), None);
    assert!(!format!("{:?}", Loki::new(&by_token)).contains("geheim"));
}
