//! What a person, a monitor and the system ask of the running daemon.
use crate::broker::Broker;
use crate::daemon::{Place, counter, listen, telegram, text, wait_for};
use metergate_gateway::store::{Mark, Measured, UseCase};
use metergate_simulator::unix_s;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

fn snapshots(place: &Place) -> Vec<Measured> {
    let (from, to) = (Mark::from_unix_s(0), Mark::from_unix_s(i64::MAX));
    place.reader().measured_between("haus", UseCase::Taf6OnDemand, from, to, 100).unwrap()
}

#[test]
fn row_23_a_snapshot_stores_one_reading_at_once() {
    let place = Place::new("", "");
    let (status, _, error) = place.ask(&["snapshot", "haus"]);
    assert_eq!(status, Some(2));
    assert!(error.contains("no gateway answers") && error.contains("is `metergate run` running"), "{error}");

    let mut daemon = place.start();
    wait_for("socket", || place.path("run/control.sock").exists());
    let (status, out, _) = place.ask(&["snapshot"]);
    assert_eq!((status, out.as_str()), (Some(0), "haus: the next reading will be kept\n"));
    let now = unix_s() - 10;
    daemon.say(&counter(now, "M1", 1000));
    wait_for("reading that was asked for", || place.rows() == 1 && snapshots(&place).len() == 1);
    assert_eq!(snapshots(&place)[0].mark.unix_s(), now);
    daemon.say(&counter(now + 2, "M1", 1001));
    wait_for("second reading", || place.rows() == 2);
    assert_eq!(snapshots(&place).len(), 1, "asked once");

    let (status, out, _) = place.ask(&["snapshot", "haus"]);
    assert_eq!((status, out.as_str()), (Some(0), "haus: the latest reading is kept\n"));
    wait_for("reading kept", || snapshots(&place).len() == 2);
    let kept = &snapshots(&place)[1];
    assert_eq!((kept.mark.unix_s(), kept.row.seq), (now + 2, 2));
    let (status, out, error) = place.ask(&["snapshot", "garage"]);
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert!(error.contains("there is no meter `garage`; there are haus"), "{error}");
    daemon.stop();
    let told = place.events().iter().filter(|(code, _)| code == "tariff.snapshot").count();
    assert_eq!((snapshots(&place).len(), told), (2, 2));
}

/// A page over HTTP.
fn page(port: u16) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

#[test]
fn row_46_a_scrape_shows_the_value_of_the_state_topic() {
    let broker = Broker::start();
    let port = crate::ports::free();
    let sinks = format!(
        "[default.sink.broker]\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n\
             [default.sink.metrics]\nkind = \"prometheus\"\nlisten = \"127.0.0.1:{port}\"\nunit_style = \"meter\"\n",
        broker.port
    );
    let place = Place::new("", &sinks);
    let listener = listen(broker.port, "metergate/haus/state");
    let mut daemon = place.start();
    let lines = [("1-0:1.8.0", "000035.2040842*kWh"), ("1-0:16.7.0", "-319.08*W")];
    daemon.say(&telegram(unix_s(), "M1", &lines));
    let said = || listener.so_far().into_iter().find(|one| one.payload.contains("-319.08"));
    wait_for("state", || said().is_some());
    let state: Value = serde_json::from_str(&said().unwrap().payload).unwrap();
    let value = |register: &str| state["registers"][register].to_string();
    assert_eq!([value("1-0_1.8.0"), value("1-0_16.7.0")], ["35204.0842", "-319.08"]);
    wait_for("page with the reading", || page(port).contains("-319.08"));
    let page = page(port);
    for (register, value) in [("1-0:1.8.0", "35204.0842"), ("1-0:16.7.0", "-319.08")] {
        let mut lines = page.lines().filter(|line| line.contains(&format!("obis=\"{register}\"")));
        let line = lines.next().unwrap_or_else(|| panic!("no {register}: {page}"));
        assert_eq!(line.rsplit(' ').next(), Some(value), "{line}");
    }
    daemon.stop();
}

#[test]
fn a_killed_gateway_tells_at_its_next_start_that_it_was() {
    let place = Place::new("", "");
    let run = |kill: bool| {
        let mut daemon = place.start();
        let rows = place.rows();
        let at = 1_775_988_000 + 10 * i64::try_from(rows).unwrap();
        daemon.say(&counter(at, "M1", 1000));
        wait_for("reading", || place.rows() > rows);
        if kill { daemon.kill() } else { daemon.stop() }
    };
    run(false);
    run(true);
    run(false);
    let wanted = [
        ("gateway.started", "for the first time"),
        ("gateway.stopped", ""),
        ("gateway.started", "after it was asked to end"),
        ("gateway.crashed", "1 so far"),
        ("gateway.started", "after it was killed"),
        ("gateway.stopped", ""),
    ];
    let events = place.events();
    let of_gateway: Vec<_> = events.iter().filter(|(code, _)| code.starts_with("gateway.")).collect();
    assert_eq!(of_gateway.len(), wanted.len(), "{events:?}");
    for ((code, detail), (wanted, words)) in of_gateway.iter().zip(wanted) {
        assert!(code == wanted && detail.contains(words), "{code}: {detail}");
    }
    assert_eq!(place.status()["run"]["crashes"], 1);
    assert_eq!(text(&place.status()["run"]["reason"]), "crash");
}

#[test]
fn the_service_manager_is_told_ready_alive_and_stopping() {
    let place = Place::new("", "");
    let socket = UnixDatagram::bind(place.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = place.command(&["run"]);
    command
        .env("NOTIFY_SOCKET", place.path("notify"))
        .env("WATCHDOG_USEC", "2000000")
        .env_remove("WATCHDOG_PID");
    let daemon = place.start_as(command);
    let told = |wanted: &str| {
        loop {
            let mut buffer = [0; 4096];
            let len = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("no {wanted}: {error}"));
            let all = String::from_utf8(buffer[..len].to_vec()).unwrap();
            if all.lines().any(|line| line == wanted) {
                return all;
            }
        }
    };
    let ready = told("READY=1");
    assert!(ready.contains("STATUS=1 meters and sources, 0 sinks"), "{ready}");
    for _ in 0..3 {
        told("WATCHDOG=1");
    }
    daemon.stop();
    told("STOPPING=1");
}
