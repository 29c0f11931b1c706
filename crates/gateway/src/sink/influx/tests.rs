use super::*;
use crate::config::{EndpointSetup, Login, Scheme};
use crate::peers::http_server::HttpServer;
use crate::peers::victoria::{Series, Victoria};
use crate::secret::Secret;
use crate::sink::sample::Sample;
use crate::sink::sample::made::{START_MS, readings, sample};

fn setup(port: u16, target: InfluxTarget) -> InfluxSetup {
    InfluxSetup {
        endpoint: EndpointSetup {
            scheme: Scheme { name: "http", port: 80, tls: false },
            host: "127.0.0.1".to_owned(),
            port,
            path: String::new(),
            login: None,
            tls: None,
        },
        proxy: None,
        target,
        token: None,
        measurement: "metergate".to_owned(),
        batch: 7,
    }
}

fn v1() -> InfluxTarget {
    InfluxTarget::V1 { database: "meters".to_owned() }
}

fn v2() -> InfluxTarget {
    InfluxTarget::V2 { org: "home".to_owned(), bucket: "my meters".to_owned() }
}

fn deliver(setup: &InfluxSetup, batch: &[Entry]) -> Delivered {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut sink = Influx::new(setup, &["haus".into()]).unwrap();
    runtime.block_on(sink.deliver(batch))
}

/// What a series of these readings must hold, without the zeros at the end that no database keeps.
fn rows(entries: &[Entry], point: usize) -> Vec<(i64, String)> {
    let samples = entries.iter().filter_map(Entry::sample);
    let text = |sample: &Sample| sample.points[point].number.to_string().trim_end_matches('0').to_owned();
    samples.map(|sample| (sample.at.unix_ms, text(sample))).collect()
}

fn named<'a>(series: &'a [Series], name: &str) -> &'a Series {
    series
        .iter()
        .find(|series| series.labels["__name__"] == name)
        .unwrap_or_else(|| panic!("{name} of {series:?}"))
}

#[test]
fn row_41_rows_in_a_database_equal_what_was_sent_however_often() {
    let folder = tempfile::tempdir().unwrap();
    let victoria = Victoria::start(folder.path(), &[]);
    let entries = readings(40);
    for target in [v1(), v2()] {
        let version = target.version();
        let setup = InfluxSetup { measurement: format!("v{version}"), ..setup(victoria.port, target) };
        for _ in 0..2 {
            let done = deliver(&setup, &entries);
            assert!(done.taken == 40 && done.refused.is_empty() && done.trouble.is_none(), "{done:?}");
        }
        let series = victoria.series(&format!("v{version}_"));
        assert_eq!(series.len(), 2);
        let energy = named(&series, &format!("v{version}_1-0:1.8.0"));
        assert_eq!(energy.labels["meter"], "haus");
        assert_eq!(energy.rows, rows(&entries, 0));
        assert_eq!(energy.rows[0], (START_MS, "35204.0842".to_owned()));
        assert_eq!(named(&series, &format!("v{version}_1-0:16.7.0")).rows, rows(&entries, 1));
    }
}

#[test]
fn row_41_values_that_break_small_floats_arrive_whole() {
    let folder = tempfile::tempdir().unwrap();
    let victoria = Victoria::start(folder.path(), &[]);
    let points = [("1-0:1.8.0", "16777217 Wh"), ("1-0:2.8.0", "429496.7296 Wh"), ("1-0:13.7.0", "-0.309")];
    let mut reading = sample(1, 0, &points);
    reading.meter = "my, house = here".into();
    let done = deliver(&setup(victoria.port, v1()), &[Entry::Reading(reading)]);
    assert!(done.taken == 1 && done.refused.is_empty(), "{done:?}");
    let series = victoria.series("metergate_");
    for (name, text) in [("1-0:1.8.0", "16777217"), ("1-0:2.8.0", "429496.7296"), ("1-0:13.7.0", "-0.309")] {
        let found = named(&series, &format!("metergate_{name}"));
        assert_eq!(found.rows, [(START_MS, text.to_owned())]);
        assert_eq!(found.labels["meter"], "my, house = here");
    }
}

#[test]
fn each_version_has_its_address_and_its_login() {
    let server = HttpServer::saying(None, "204 No Content");
    let login = Some(Login { username: "me".to_owned(), password: Some(Secret::new("mine")) });
    let mut first = setup(server.port, InfluxTarget::V1 { database: "meters/two years".to_owned() });
    first.endpoint.login = login;
    first.endpoint.path = "/influx".to_owned();
    let second = InfluxSetup { token: Some(Secret::new("T0")), ..setup(server.port, v2()) };
    let third = InfluxTarget::V3 { database: "meters".to_owned() };
    let third = InfluxSetup { token: Some(Secret::new("T0")), ..setup(server.port, third) };
    for setup in [&first, &second, &third] {
        assert_eq!(deliver(setup, &readings(1)).taken, 1);
        assert!(!format!("{setup:?}").contains("T0"));
    }
    let seen: Vec<(String, Option<String>)> = server
        .requests()
        .iter()
        .map(|request| (request.line.clone(), request.header("authorization").map(str::to_owned)))
        .collect();
    let expected = [
        ("POST /influx/write?db=meters&rp=two+years&precision=ms HTTP/1.1", "Basic bWU6bWluZQ=="),
        ("POST /api/v2/write?org=home&bucket=my+meters&precision=ms HTTP/1.1", "Token T0"),
        ("POST /api/v3/write_lp?db=meters&precision=millisecond&accept_partial=true HTTP/1.1", "Bearer T0"),
    ];
    assert_eq!(seen, expected.map(|(line, login)| (line.to_owned(), Some(login.to_owned()))));
}

#[test]
fn a_partial_write_refuses_the_bad_line_alone_and_a_missing_database_none() {
    let bad = |body: &str| body.contains("1692199175000");
    let server = HttpServer::start(
        None,
        Box::new(move |request| match bad(&request.body) {
            true => ("400 Bad Request".to_owned(), "partial write: field type conflict".to_owned()),
            false => ("204 No Content".to_owned(), String::new()),
        }),
    );
    let done = deliver(&setup(server.port, v1()), &readings(20));
    assert_eq!((done.taken, done.refused.len(), done.refused[0].0), (20, 1, 2), "{done:?}");
    let server = HttpServer::saying(None, "404 Not Found");
    let done = deliver(&setup(server.port, v1()), &readings(20));
    assert_eq!((done.taken, done.refused.len()), (0, 0));
    assert_eq!(done.trouble.unwrap().step, Step::Deliver);
}

/// Writes lines as InfluxDB 3 does, and tells of at most 100 that it refuses; keeps what it has taken.
fn version_3(refuses: fn(&str) -> bool) -> (HttpServer, Arc<std::sync::Mutex<Vec<String>>>) {
    let kept = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let server = HttpServer::start(
        None,
        Box::new(move |request| {
            let lines = request.body.lines().enumerate();
            let (bad, good): (Vec<_>, Vec<_>) = lines.partition(|(_, line)| refuses(line));
            keep.lock().unwrap().extend(good.into_iter().map(|(_, line)| line.to_owned()));
            if bad.is_empty() {
                return ("204 No Content".to_owned(), String::new());
            }
            let told = bad.iter().take(100).map(|(place, line)| {
                serde_json::json!({
                    "original_line": line,
                    "line_number": place + 1,
                    "error_message": "invalid column type for column '1-0:1.8.0', expected iox::column_type::field::float",
                })
            });
            let said = serde_json::json!({
                "error": "partial write of line protocol occurred",
                "data": told.collect::<Vec<_>>(),
            });
            ("400 Bad Request".to_owned(), said.to_string())
        }),
    );
    (server, kept)
}

fn to_v3(port: u16, batch: usize) -> InfluxSetup {
    let target = InfluxTarget::V3 { database: "meters".to_owned() };
    InfluxSetup { batch, ..setup(port, target) }
}

/// The second of a line's time, counted from the first of [`readings`].
fn second(line: &str) -> i64 {
    (line.rsplit(' ').next().unwrap().parse::<i64>().unwrap() - START_MS) / 1000
}

#[test]
fn row_41_version_3_takes_the_good_lines_of_a_partial_write_once_and_refuses_the_others() {
    let (server, kept) = version_3(|line| [2, 18, 20].contains(&second(line)));
    let mut entries = readings(20);
    // An event has no line, so that lines and entries are counted differently after it.
    let event = crate::event::Event {
        seq: 1,
        at: entries[0].sample().unwrap().at,
        code: crate::event::EventCode::SinkFailing,
        about: None,
        detail: String::new(),
        count: 1,
    };
    entries.insert(0, Entry::Event(event));
    let done = deliver(&to_v3(server.port, 7), &entries);
    assert!(done.taken == 21 && done.trouble.is_none(), "{done:?}");
    assert_eq!(done.refused.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [2, 10, 11]);
    assert!(done.refused[0].1.contains("invalid column type for column '1-0:1.8.0'"), "{done:?}");
    assert_eq!(server.requests().len(), 3, "nothing is sent a second time");
    let kept: Vec<i64> = kept.lock().unwrap().iter().map(|line| second(line)).collect();
    assert_eq!(kept, (0..40).step_by(2).filter(|second| ![2, 18, 20].contains(second)).collect::<Vec<_>>());
}

#[test]
fn more_bad_lines_than_version_3_tells_of_are_all_found() {
    let (server, kept) = version_3(|line| second(line) % 4 == 0);
    let done = deliver(&to_v3(server.port, 400), &readings(400));
    assert!(done.taken == 400 && done.trouble.is_none(), "{done:?}");
    assert_eq!(
        done.refused.iter().map(|(place, _)| *place).collect::<Vec<_>>(),
        (0..400).step_by(2).collect::<Vec<_>>()
    );
    let mut seconds: Vec<i64> = kept.lock().unwrap().iter().map(|line| second(line)).collect();
    seconds.sort_unstable();
    seconds.dedup();
    assert_eq!(seconds.len(), 200, "every good line is there");
}
