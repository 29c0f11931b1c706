use super::*;
use crate::config::{EndpointSetup, Login, Scheme, Template, TlsSetup, TrustSetup};
use crate::event::{Event, EventCode};
use crate::peers::certificates::{Authority, Validity, self_signed};
use crate::peers::http_server::HttpServer;
use crate::sink::sample::made::{START_MS, readings, sample};
use crate::store::{Mark, Quality, RowFlags, UseCase};
use metergate_reading::{Instant, Trust};
use std::time::Duration;

const TOKEN: &str = "A1_TEST_TOKEN";

fn setup(port: u16, path: &str, shape: HttpShape) -> HttpSetup {
    HttpSetup {
        endpoint: EndpointSetup {
            scheme: Scheme { name: "http", port: 80, tls: false },
            host: "localhost".to_owned(),
            port,
            path: path.to_owned(),
            login: None,
            tls: None,
        },
        proxy: None,
        shape,
        token: None,
        batch: 100,
    }
}

fn encrypted(setup: HttpSetup, trust: TrustSetup) -> HttpSetup {
    let scheme = Scheme { name: "https", port: 443, tls: true };
    let tls = Some(TlsSetup { trust, client: None });
    HttpSetup { endpoint: EndpointSetup { scheme, tls, ..setup.endpoint }, ..setup }
}

fn deliver(setup: &HttpSetup, batch: &[Entry]) -> Delivered {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut sink = Http::new(setup, &["haus".into()]).unwrap();
    runtime.block_on(sink.deliver(batch))
}

fn trouble(setup: &HttpSetup) -> Trouble {
    let done = deliver(setup, &readings(1));
    assert_eq!((done.taken, done.refused.len()), (0, 0), "nothing may be lost: {done:?}");
    done.trouble.unwrap()
}

#[test]
fn row_35_the_keys_of_the_reference_system_go_to_a_checked_https_server_and_to_no_self_signed_one() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let ca = TrustSetup::Ca(authority.file(folder.path()));
    let good = authority.issue(folder.path(), &["localhost"], Validity::Valid);
    let server = HttpServer::saying(Some(&good), "200 OK");
    let shape = HttpShape::UpSmartmeter { devid: Some("1ESY11 61426155".to_owned()) };
    let s2 = HttpSetup { token: Some(Secret::new(TOKEN)), ..setup(server.port, "", shape) };
    let reading = sample(
        1,
        0,
        &[
            ("1-0:1.8.0", "35204.0842 Wh"),
            ("1-0:16.7.0", "319.08 W"),
            ("1-0:36.7.0", "48.50 W"),
            ("1-0:56.7.0", "254.68 W"),
            ("1-0:76.7.0", "15.88 W"),
        ],
    );
    let done = deliver(&encrypted(s2.clone(), ca), &[Entry::Reading(reading)]);
    assert!(done.taken == 1 && done.trouble.is_none(), "{done:?}");
    let requests = server.requests();
    assert_eq!(requests[0].line, format!("POST /api/v1/{TOKEN}/telemetry HTTP/1.1"));
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(
        requests[0].body,
        concat!(
            r#"{"devid":"1ESY11 61426155","1.8.0_Wh":"35204.0842","16.7.0_W":"319.08","#,
            r#""36.7.0_W":"48.50","56.7.0_W":"254.68","76.7.0_W":"15.88"}"#
        )
    );
    let server = HttpServer::saying(Some(&self_signed(folder.path(), &["localhost"])), "200 OK");
    let mut s2 = encrypted(s2, TrustSetup::System);
    s2.endpoint.port = server.port;
    let trouble = trouble(&s2);
    assert_eq!(trouble.step, Step::Tls);
    assert!(trouble.message.contains("self-signed") && !trouble.message.contains(TOKEN), "{trouble}");
    assert!(server.requests().is_empty(), "the token goes to nobody who has not proved who he is");
}

#[test]
fn row_57_host_certificate_and_login_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let ca = TrustSetup::Ca(authority.file(folder.path()));
    let good = authority.issue(folder.path(), &["localhost"], Validity::Valid);
    let server = HttpServer::saying(Some(&good), "401 Unauthorized");
    let right = encrypted(setup(server.port, "", HttpShape::Metergate), ca);

    let mut wrong_host = right.clone();
    wrong_host.endpoint.host = "nobody.invalid".to_owned();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut nobody_there = right.clone();
    nobody_there.endpoint.port = free;
    let untrusted = encrypted(right.clone(), TrustSetup::System);

    let steps = [&wrong_host, &nobody_there, &untrusted, &right].map(|setup| trouble(setup).step);
    assert_eq!(steps, [Step::Resolve, Step::Connect, Step::Tls, Step::Login]);
    assert_eq!(trouble(&right).to_string(), "login: the receiver answers 401 Unauthorized");
}

#[test]
fn our_own_shape_says_everything_exactly() {
    let server = HttpServer::saying(None, "204 No Content");
    let mut reading =
        sample(7, 0, &[("1-0:1.8.0", "35204.0842 kWh"), ("kmp:60", "16777217"), ("0-1:24.2.1#2", "1 m3")]);
    reading.flags = RowFlags::LATE.with(RowFlags::SALVAGED);
    reading.points[0].name = Some("import \"A+\"".into());
    reading.points[1].derived = true;
    let at = Instant { unix_ms: START_MS + 500, trust: Trust::HostUnsynchronised };
    let event = Event {
        seq: 3,
        at,
        code: EventCode::Silent,
        about: Some("haus".into()),
        detail: "5 min".to_owned(),
        count: 2,
    };
    let measured = Entry::Measured {
        case: UseCase::Taf7LoadProfile,
        mark: Mark::from_unix_s(1_692_198_900),
        quality: Quality::Exact,
        clock_doubtful: false,
        sample: sample(2, 0, &[("1-0:2.8.0", "0 Wh")]),
    };
    let entries = [Entry::Reading(reading), measured, Entry::Event(event)];
    let shape =
        HttpSetup { token: Some(Secret::new(TOKEN)), ..setup(server.port, "/in?x=1", HttpShape::Metergate) };
    assert_eq!(deliver(&shape, &entries).taken, 3);
    let request = server.requests().remove(0);
    assert_eq!(request.line, "POST /in?x=1 HTTP/1.1");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(
        request.body,
        concat!(
            r#"[{"kind":"reading","seq":7,"meter":"haus","time":"2023-08-16T15:19:31Z","clock":"host","#,
            r#""flags":["late","salvaged"],"registers":["#,
            r#"{"register":"1-0:1.8.0*255","name":"import \"A+\"","value":"35204.0842","unit":"kWh"},"#,
            r#"{"register":"kmp:60","value":"16777217","unit":null,"derived":true},"#,
            r#"{"register":"0-1:24.2.1*255#2","value":"1","unit":"m3"}]},"#,
            r#"{"kind":"measured","case":"taf7","mark":"2023-08-16T15:15:00Z","quality":"exact","#,
            r#""clock_doubtful":false,"seq":2,"meter":"haus","time":"2023-08-16T15:19:31Z","clock":"host","#,
            r#""registers":[{"register":"1-0:2.8.0*255","value":"0","unit":"Wh"}]},"#,
            r#"{"kind":"event","seq":3,"time":"2023-08-16T15:19:31.5Z","code":"meter.silent","about":"haus","#,
            r#""detail":"5 min","count":2}]"#
        )
    );
    assert_eq!(deliver(&shape, &entries).taken, 3);
    let keys: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.header("idempotency-key").unwrap().to_owned())
        .collect();
    assert_eq!(keys[0], keys[1], "what is sent again can be told from what is new");
    assert_eq!(keys[0].len(), 32);
}

#[test]
fn thingsboard_gets_telemetry_with_times_and_its_token_is_told_to_nobody_else() {
    let server = HttpServer::start(
        None,
        // A server that repeats the address in its error.
        Box::new(|request| ("500 Internal Server Error".to_owned(), format!("failed: {}", request.line))),
    );
    let shape =
        HttpSetup { token: Some(Secret::new(TOKEN)), ..setup(server.port, "", HttpShape::ThingsBoard) };
    let trouble = trouble(&shape);
    assert_eq!(trouble.step, Step::Deliver);
    assert_eq!(
        trouble.message,
        "the receiver answers 500 Internal Server Error: failed: POST /api/v1/(secret)/telemetry HTTP/1.1"
    );
    assert_eq!(
        server.requests()[0].body,
        r#"[{"ts":1692199171000,"values":{"1-0:1.8.0":35204.0842,"1-0:16.7.0":319.08}}]"#
    );
    let mut elsewhere = shape.clone();
    elsewhere.endpoint.path = "/tb/v1?tenant=1".to_owned();
    assert!(address(&elsewhere).expose().ends_with(&format!("/tb/v1/{TOKEN}/telemetry?tenant=1")));
    let sink = Http::new(&shape, &["haus".into(), "pump".into()]).unwrap();
    assert!(!format!("{sink:?}").contains(TOKEN));
    let body = body(&sink.setup, sink.many_meters, &readings(1)).unwrap().unwrap().text;
    assert!(body.contains(r#""haus.1-0:1.8.0":35204.0842"#), "several meters share a device: {body}");
}

#[test]
fn a_bad_entry_among_good_ones_is_refused_alone() {
    let server = HttpServer::start(
        None,
        Box::new(|request| match request.body.contains(r#""seq":6,"#) {
            true => ("400 Bad Request".to_owned(), "seq 6\nis \u{1b}[2Jwrong".to_owned()),
            false => ("200 OK".to_owned(), String::new()),
        }),
    );
    let done = deliver(&setup(server.port, "", HttpShape::Metergate), &readings(16));
    assert_eq!(done.taken, 16);
    let reason = "the receiver answers 400 Bad Request: seq 6 is \\u{1b}[2Jwrong".to_owned();
    assert_eq!(done.refused, [(5, reason)]);
    assert!(done.trouble.is_none());
    assert!(server.requests().len() <= 8, "{} requests", server.requests().len());
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_it_fits() {
    let fits = |body: &str| body.matches("\"seq\"").count() <= 3;
    let server = HttpServer::start(
        None,
        Box::new(move |request| {
            let status = if fits(&request.body) { "200 OK" } else { "413 Content Too Large" };
            (status.to_owned(), String::new())
        }),
    );
    let done = deliver(&setup(server.port, "", HttpShape::Metergate), &readings(20));
    assert!(done.taken == 20 && done.refused.is_empty() && done.trouble.is_none(), "{done:?}");
    let taken: usize = server
        .requests()
        .iter()
        .filter(|request| fits(&request.body))
        .map(|request| request.body.matches("\"seq\"").count())
        .sum();
    assert_eq!(taken, 20, "none twice");
}

#[test]
fn what_may_be_right_tomorrow_waits() {
    for (answer, step, retry_after, said) in [
        ("429 Too Many Requests\r\nretry-after: 17", Step::Deliver, Some(17), "429"),
        ("503 Service Unavailable\r\nretry-after: 86400", Step::Deliver, Some(3600), "503"),
        (
            // By the clock of the receiver, whatever ours says.
            "503 Service Unavailable\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:51:37 GMT",
            Step::Deliver,
            Some(120),
            "503",
        ),
        (
            "429 Too Many Requests\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT",
            Step::Deliver,
            Some(0),
            "429",
        ),
        ("429 Too Many Requests\r\nretry-after: soon", Step::Deliver, None, "429"),
        ("404 Not Found", Step::Deliver, None, "404 Not Found"),
        ("403 Forbidden", Step::Login, None, "403"),
        (
            "302 Found\r\nlocation: https://evil.example/steal",
            Step::Deliver,
            None,
            "sends us to https://evil.example, and no redirection is followed",
        ),
    ] {
        let server = HttpServer::saying(None, answer);
        let trouble = trouble(&setup(server.port, "", HttpShape::Metergate));
        assert_eq!(trouble.step, step, "{trouble}");
        assert_eq!(trouble.retry_after, retry_after.map(Duration::from_secs));
        assert!(trouble.message.contains(said), "{trouble}");
    }
}

#[test]
fn a_template_makes_the_body_and_refuses_what_it_cannot() {
    let server = HttpServer::saying(None, "200 OK");
    let text = r#"{"id":"{{ meter }}","at":{{ unix_s }},"w":{{ value("16.7.0") }}{% if has("2.8.0") %},"out":{{ value("2.8.0") }}{% endif %}}"#;
    let template = Template::new(text, "application/json").unwrap();
    let mut entries = readings(2);
    entries.push(Entry::Reading(sample(3, 4, &[("1-0:1.8.0", "1 Wh")])));
    let done = deliver(&setup(server.port, "", HttpShape::Template(template)), &entries);
    let bodies: Vec<String> = server.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(
        bodies,
        [r#"{"id":"haus","at":1692199171,"w":319.08}"#, r#"{"id":"haus","at":1692199173,"w":319.08}"#]
    );
    assert_eq!(done.taken, 3);
    let reason = "line 1: the reading of haus has no 16.7.0; ask with has(\"16.7.0\")".to_owned();
    assert_eq!(done.refused, [(2, reason)]);
}

#[test]
fn a_proxy_is_asked_with_its_own_password_and_the_environment_is_not() {
    let proxy = HttpServer::saying(None, "200 OK");
    let mut shape = setup(4711, "/in", HttpShape::Metergate);
    shape.endpoint.host = "receiver.invalid".to_owned();
    shape.endpoint.login = Some(Login { username: "me".to_owned(), password: Some(Secret::new("mine")) });
    shape.proxy = Some(crate::config::ProxySetup {
        url: format!("http://127.0.0.1:{}/", proxy.port),
        login: Some(Login { username: "we".to_owned(), password: Some(Secret::new("ours")) }),
    });
    assert_eq!(deliver(&shape, &readings(1)).taken, 1);
    let request = proxy.requests().remove(0);
    assert_eq!(request.line, "POST http://receiver.invalid:4711/in HTTP/1.1");
    assert_eq!(request.header("proxy-authorization"), Some("Basic d2U6b3Vycw=="));
    assert_eq!(request.header("authorization"), Some("Basic bWU6bWluZQ=="));
}

#[test]
fn one_device_id_cannot_stand_for_two_meters() {
    let shape = HttpShape::UpSmartmeter { devid: Some("x".to_owned()) };
    assert!(Http::new(&setup(1, "", shape.clone()), &["a".into(), "b".into()]).is_err());
    assert!(Http::new(&setup(1, "", shape), &["a".into()]).is_ok());
}
