use super::*;
use crate::peers::carbon::{Carbon, Ports};
use crate::sink::sample::Sample;
use crate::sink::sample::made::sample;
use std::net::TcpListener;

fn setup(port: u16, format: GraphiteFormat) -> GraphiteSetup {
    GraphiteSetup {
        host: "127.0.0.1".to_owned(),
        port,
        format,
        names: GraphiteNames::NetzNoe,
        prefix: "test.".to_owned(),
        meter_in_name: false,
    }
}

fn sink(setup: &GraphiteSetup) -> Graphite {
    Graphite::new(setup, &["haus".into()]).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Two minutes ago, so that Graphite, which keeps an hour here, takes it.
fn recently() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() - 120
}

/// A reading each second with its own power and a power factor of more than three decimals.
fn readings(start_s: i64, count: i64) -> Vec<Entry> {
    let of = |second: i64| {
        let (power, energy) = (format!("{}.5 W", 300 + second), format!("{} Wh", 16_777_217 + second));
        let mut sample = sample(
            1,
            0,
            &[("1-0:1.7.0", power.as_str()), ("1-0:1.8.0", energy.as_str()), ("1-0:13.7.0", "0.8195")],
        );
        sample.at.unix_ms = (start_s + second) * 1000 + 250;
        Entry::Reading(sample)
    };
    (0..count).map(of).collect()
}

fn all_taken(done: &Delivered, count: usize) {
    assert!(done.taken == count && done.refused.is_empty() && done.trouble.is_none(), "{done:?}");
}

#[test]
fn row_40_graphite_keeps_what_was_sent_by_lines_and_by_pickle_and_what_waited_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (runtime, ports) = (runtime(), Ports::free());
    let start = recently();
    let entries = readings(start, 60);
    let mut lines = sink(&setup(ports.plaintext, GraphiteFormat::Plaintext));
    // The server is away: nothing counts as delivered, so that the store keeps it.
    let done = runtime.block_on(lines.deliver(&entries));
    assert_eq!((done.taken, done.trouble.unwrap().step), (0, Step::Connect));

    let carbon = Carbon::start(folder.path(), ports);
    all_taken(&runtime.block_on(lines.deliver(&entries)), 60);
    let pickled =
        GraphiteSetup { prefix: "pickled.".to_owned(), ..setup(ports.pickle, GraphiteFormat::Pickle) };
    let mut pickled = sink(&pickled);
    all_taken(&runtime.block_on(pickled.deliver(&entries)), 60);
    for prefix in ["test", "pickled"] {
        let of =
            |name: &str| carbon.values_once(&format!("{prefix}.smartmeter.{name}"), start, start + 59, 60);
        let expected: Vec<(i64, String)> =
            (0..60).map(|at| (start + at, format!("{}.500000", 300 + at))).collect();
        assert_eq!(of("momentanleistung.plus"), expected);
        let expected: Vec<(i64, String)> =
            (0..60).map(|at| (start + at, format!("{}.000000", 16_777_217 + at))).collect();
        assert_eq!(of("wirkenergie.plus"), expected);
        assert!(of("cosphi").iter().all(|(_, value)| value == "0.820000"), "three decimals");
        for name in ["send_time", "process_time"] {
            let name = format!("{prefix}.smartmeter.data.{name}");
            assert!(!carbon.values_once(&name, start, start + 59, 1).is_empty());
        }
    }
    runtime.block_on(async {
        lines.close().await;
        pickled.close().await;
    });
}

/// Accepts one connection and gives everything that comes until its end.
fn accept(listener: &TcpListener) -> std::thread::JoinHandle<(String, TcpListener)> {
    let listener = listener.try_clone().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        (text, listener)
    })
}

#[test]
fn row_40_one_connection_carries_all_metrics_of_all_batches() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = accept(&listener);
    let runtime = runtime();
    let mut sink = sink(&setup(listener.local_addr().unwrap().port(), GraphiteFormat::Plaintext));
    for batch in readings(1_692_199_171, 200).chunks(70) {
        all_taken(&runtime.block_on(sink.deliver(batch)), batch.len());
    }
    runtime.block_on(sink.close());
    let (text, listener) = server.join().unwrap();
    let of = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(of("test.smartmeter.momentanleistung.plus "), 200);
    assert_eq!(of("test.smartmeter.cosphi 0.820 "), 200);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody else has connected");
}

#[test]
fn a_server_that_goes_away_gets_the_last_minute_again_and_nothing_is_taken_for_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let runtime = runtime();
    let mut sink = sink(&setup(port, GraphiteFormat::Plaintext));
    let batches = readings(1_692_199_171, 3);
    // Connects, sends, and sees the server hang up before the next batch.
    all_taken(&runtime.block_on(sink.deliver(&batches[..1])), 1);
    let (first, _) = listener.accept().unwrap();
    drop(first);
    let end = Instant::now() + Duration::from_secs(10);
    while !sink.stream.as_ref().is_some_and(is_closed) {
        assert!(Instant::now() < end, "the end of the connection is not noticed");
        std::thread::sleep(Duration::from_millis(5));
    }
    let server = accept(&listener);
    all_taken(&runtime.block_on(sink.deliver(&batches[1..2])), 1);
    runtime.block_on(sink.close());
    let (text, _) = server.join().unwrap();
    let times: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("test.smartmeter.wirkenergie.plus"))
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(times, ["1692199171", "1692199172"], "what may have been lost is sent again, before the new");
    drop(listener);
    let done = runtime.block_on(sink.deliver(&batches[2..]));
    assert_eq!((done.taken, done.trouble.unwrap().step), (0, Step::Connect));
}

#[test]
fn what_is_kept_for_repetition_has_an_end() {
    let mut recent = Recent::default();
    let start = Instant::now();
    for _ in 0..5 {
        recent.push(vec![0; REPEAT_LEN_MAX / 4], start);
    }
    assert_eq!((recent.pieces.len(), recent.len), (4, REPEAT_LEN_MAX));
    recent.push(vec![0; 10], start + REPEAT_SPAN + Duration::from_secs(1));
    assert_eq!((recent.pieces.len(), recent.len), (1, 10));
}

#[test]
fn two_meters_are_not_mixed_under_one_name_and_a_sensor_stands_beside_a_meter() {
    let of = |meter: &str, points: &[(&str, &str)]| {
        Entry::Reading(Sample { meter: meter.into(), ..sample(1, 0, points) })
    };
    let entries = [
        of("haus", &[("1-0:1.7.0", "300 W")]),
        of("cellar", &[("0-0:96.9.0", "21.5 degC"), ("0-0:96.9.2", "48 %")]),
        of("barn", &[("1-0:1.7.0", "7 W")]),
        of("haus", &[("1-0:1.7.0", "301 W")]),
    ];
    let plain = setup(1, GraphiteFormat::Plaintext);
    let (metrics, refused) = sink(&plain).metrics(&entries);
    let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    let power = "test.smartmeter.momentanleistung.plus";
    assert_eq!(names, [power, "test.smartmeter.data.pcb_t", "test.smartmeter.data.pcb_rh", power]);
    let reason = format!("`{power}` is what haus sends already; set `meter_in_name` or `meters`");
    assert_eq!(refused, [(2, reason)]);
    let (metrics, refused) = sink(&GraphiteSetup { meter_in_name: true, ..plain }).metrics(&entries);
    assert_eq!(metrics[3].name, "test.smartmeter.barn.momentanleistung.plus");
    assert!(refused.is_empty());
}
