//! Pages in the formats of other programs, fetched by a client of HTTP and by a second gateway.
use crate::ports;
use crate::running::{Gateway, meter, until};
use metergate_simulator::MeterKind;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const POWER: &str = "00000000-1111-2222-3333-444444444401";
const ENERGY: &str = "00000000-1111-2222-3333-444444444402";

/// The status, and the body, of an answer.
fn fetch(address: &str) -> (u16, String) {
    // Another test of this process may have done it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = crate::support::runtime();
    runtime.block_on(async {
        let answer = reqwest::get(address).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    })
}

/// What stands in `pages` of the configuration, behind an SML meter.
fn first(folder: &std::path::Path, pages: &str) -> Gateway {
    let line = meter(MeterKind::EasyMeterQ3a);
    let config =
        format!("[default.meter.haus]\nport = \"tcp://127.0.0.1:{line}\"\nprotocol = \"sml\"\n{pages}");
    Gateway::start(folder, "first", &config)
}

/// The number of a register in a reading of standard output.
fn number(reading: &Value, code: &str) -> Option<String> {
    let registers = reading.as_array().unwrap();
    let found = registers
        .iter()
        .find(|register| register["obis"].as_str().is_some_and(|obis| obis.starts_with(code)))?;
    Some(found["value"].as_str().map_or_else(|| found["value"].to_string(), str::to_owned))
}

#[test]
fn the_page_of_vzlogger_has_the_numbers_of_the_readings() {
    let folder = tempfile::tempdir().unwrap();
    let port = ports::free();
    let gateway = first(
        folder.path(),
        &format!(
            "[default.compat.vzlogger]\nlisten = \"127.0.0.1:{port}\"\nindex = true\nbuffer = \"1 min\"\n\
             [default.compat.vzlogger.channels]\n\"{POWER}\" = \"haus 16.7.0\"\n\"{ENERGY}\" = \"1-0:1.8.0\"\n"
        ),
    );
    until("readings", || (gateway.registers().len() >= 3).then_some(()));
    let (status, text) = fetch(&format!("http://127.0.0.1:{port}/{ENERGY}"));
    let page: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, page["generator"].as_str()), (200, Some("metergate")), "{text}");
    let channel = &page["data"][0];
    assert_eq!(
        (channel["uuid"].as_str(), channel["protocol"].as_str()),
        (Some(ENERGY), Some("sml")),
        "{text}"
    );
    let tuples = channel["tuples"].as_array().unwrap();
    assert!(tuples.len() >= 3 && tuples.last().unwrap()[0] == channel["last"], "{text}");
    let shown = tuples[0][1].to_string();
    let read = gateway.registers();
    let told: Vec<_> = read.iter().filter_map(|reading| number(reading, "1-0:1.8.0")).collect();
    assert!(
        told.iter().any(|told| told.starts_with(&shown) || shown.starts_with(told.as_str())),
        "{shown} is none of {told:?}"
    );
    let (status, text) = fetch(&format!("http://127.0.0.1:{port}/"));
    assert!(status == 200 && text.contains(POWER) && text.contains(ENERGY), "{text}");
    assert_eq!(fetch(&format!("http://127.0.0.1:{port}/data.json")).0, 404);
}

#[test]
fn a_page_answers_get_and_head_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (ports::free(), ports::free());
    let gateway = first(
        folder.path(),
        &format!(
            "[default.compat.vzlogger]\nlisten = \"127.0.0.1:{one}\"\n\
             [default.compat.vzlogger.channels]\n\"{POWER}\" = \"16.7.0\"\n\
             [default.compat.smgw_lite]\nlisten = \"127.0.0.1:{other}\"\n"
        ),
    );
    until("readings", || (!gateway.registers().is_empty()).then_some(()));
    for (port, path) in [(one, format!("/{POWER}")), (other, "/showLastMeterValue".to_owned())] {
        let ask = |request: &str| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            // One that is told to go on reading does not come to an end; what came counts.
            let _ = stream.read_to_string(&mut answer);
            answer
        };
        let rest = "Host: x\r\nConnection: close\r\n";
        let got = ask(&format!("GET {path} HTTP/1.1\r\n{rest}\r\n"));
        assert!(got.starts_with("HTTP/1.1 200") && got.contains("application/json"), "{got}");
        let head = ask(&format!("HEAD {path} HTTP/1.1\r\n{rest}\r\n"));
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let body = "x".repeat(1000);
            let told = ask(&format!("{method} {path} HTTP/1.1\r\n{rest}Content-Length: 1000\r\n\r\n{body}"));
            assert!(told.starts_with("HTTP/1.1 405"), "{method}: {told}");
        }
        let unknown = ask(&format!("GET /../../etc/passwd HTTP/1.1\r\n{rest}\r\n"));
        assert!(unknown.starts_with("HTTP/1.1 404"), "{unknown}");
        let long = ask(&format!("GET {path} HTTP/1.1\r\nX: {}\r\n{rest}\r\n", "y".repeat(1_000_000)));
        assert!(!long.starts_with("HTTP/1.1 200"), "{long}");
        let garbage = ask("\x16\x03\x01\x02\r\n\r\n");
        assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    }
}

#[test]
fn row_19_a_second_instance_reads_the_first_and_a_loop_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (ports::free(), ports::free());
    // The first has a meter and reads the second, which has nothing but the first.
    let first = first(
        folder.path(),
        &format!(
            "[default.source.back]\nkind = \"cascade\"\nurl = \"http://127.0.0.1:{other}\"\ninterval = \"1 s\"\n\
             [default.compat.smgw_lite]\nlisten = \"127.0.0.1:{one}\"\nmeter = \"haus\"\n"
        ),
    );
    let second = Gateway::start(
        folder.path(),
        "second",
        &format!(
            "[default.source.garden]\nkind = \"cascade\"\nurl = \"http://127.0.0.1:{one}\"\ninterval = \"1 s\"\n\
             [default.compat.smgw_lite]\nlisten = \"127.0.0.1:{other}\"\n"
        ),
    );
    let page = || {
        serde_json::from_str::<Value>(&fetch(&format!("http://127.0.0.1:{other}/showLastMeterValue")).1)
            .unwrap()
    };
    until("page", || TcpStream::connect(("127.0.0.1", other)).ok());
    let shown = until("value", || page()["meter_value_180"].as_u64());
    until("the same number", || {
        // The format has tenths of a watt hour, and cuts what is finer.
        let tenths = |reading: &Value| {
            let text = number(reading, "1-0:1.8.0")?;
            let (whole, rest) = text.split_once('.')?;
            format!("{whole}{}", rest.get(..1)?).parse::<u64>().ok()
        };
        first.registers().iter().any(|reading| tenths(reading) == Some(shown)).then_some(())
    });
    until("loop", || first.log().contains("says that it shows what comes from here").then_some(()));
    assert!(page()["last_byte_age_s"].as_u64().unwrap() < 60, "{}", page());
    assert!(
        !second.log().contains("[source.loop]"),
        "the second shows what is not its own: {}",
        second.log()
    );
}

#[test]
fn a_gateway_that_asks_its_own_page_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let port = ports::free();
    let gateway = first(
        folder.path(),
        &format!(
            "[default.source.back]\nkind = \"cascade\"\nurl = \"http://localhost:{port}\"\n\
             [default.compat.smgw_lite]\nlisten = \"127.0.0.1:{port}\"\nmeter = \"haus\"\n"
        ),
    );
    until("loop", || gateway.log().contains("that is this gateway itself").then_some(()));
}

#[test]
fn a_page_whose_port_is_taken_is_an_error_at_the_start_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let mut gateway = first(folder.path(), &format!("[default.compat.smgw_lite]\nlisten = \"{address}\"\n"));
    assert!(!gateway.ends_well());
    let told = format!("the page `compat.smgw_lite` cannot listen on {address}: ");
    until("the reason", || gateway.log().contains(&told).then_some(()));
}
