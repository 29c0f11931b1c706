//! Telegrams passed on as they came.
use crate::ports;
use crate::running::{Gateway, meter, until};
use metergate_simulator::{EXAMPLE_KEYS, MeterKind};
use std::fmt::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn a_gateway_behind_another_reads_the_same_readings() {
    let folder = tempfile::tempdir().unwrap();
    let (line, served) = (meter(MeterKind::EasyMeterQ3a), ports::free());
    let first = Gateway::start(
        folder.path(),
        "first",
        &format!(
            "[default.meter.haus]\nport = \"tcp://127.0.0.1:{line}\"\nprotocol = \"sml\"\n\
             serve = \"tcp://127.0.0.1:{served}\"\n"
        ),
    );
    let second = Gateway::start(
        folder.path(),
        "second",
        &format!("[default.meter.haus]\nport = \"tcp://127.0.0.1:{served}\"\nprotocol = \"sml\"\n"),
    );
    let behind = until("readings", || Some(second.registers()).filter(|readings| readings.len() >= 5));
    until("the same readings", || {
        let ahead = first.registers();
        behind.iter().all(|reading| ahead.contains(reading)).then_some(())
    });
    assert!(behind[0].as_array().unwrap().len() > 3, "{}", behind[0]);
}

#[test]
fn encrypted_telegrams_are_passed_on_encrypted_also_by_a_gateway_without_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let (line, served) = (meter(MeterKind::KaifaMa309mNetzNoe), ports::free());
    let meter = |port: u16, more: &str| {
        format!("[default.meter.netz]\nport = \"tcp://127.0.0.1:{port}\"\nprotocol = \"dlms-mbus\"\n{more}\n")
    };
    let serve = format!("serve = \"tcp://127.0.0.1:{served}\"");
    let first = Gateway::start(folder.path(), "first", &meter(line, &serve));
    let key = EXAMPLE_KEYS[0].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let second = Gateway::start(folder.path(), "second", &meter(served, &format!("key = \"{key}\"")));
    until("readings", || (second.registers().len() >= 3).then_some(()));
    assert_eq!(first.registers().len(), 0, "it has no key: {}", first.log());
}

#[test]
fn a_client_that_does_not_read_does_not_stop_the_meter() {
    let folder = tempfile::tempdir().unwrap();
    let (line, served) = (meter(MeterKind::EasyMeterQ3a), ports::free());
    let gateway = Gateway::start(
        folder.path(),
        "first",
        &format!(
            "[default.meter.haus]\nport = \"tcp://127.0.0.1:{line}\"\nprotocol = \"sml\"\n\
             serve = \"127.0.0.1:{served}\"\n"
        ),
    );
    let clients: Vec<TcpStream> =
        (0..8).map(|_| until("connection", || TcpStream::connect(("127.0.0.1", served)).ok())).collect();
    let before = until("a reading", || Some(gateway.registers().len()).filter(|&count| count > 0));
    let began = Instant::now();
    until("ten more", || (gateway.registers().len() >= before + 10).then_some(()));
    // Ten telegrams take a second.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(clients);
}

#[test]
fn a_port_that_is_taken_is_an_error_at_the_start_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let config = format!("[default.meter.haus]\nport = \"tcp://127.0.0.1:9\"\nserve = \"tcp://{address}\"\n");
    let mut gateway = Gateway::start(folder.path(), "taken", &config);
    assert!(!gateway.ends_well());
    let told = format!("the telegrams of meter `haus` cannot be served on {address}: ");
    until("the reason", || gateway.log().contains(&told).then_some(()));
}
