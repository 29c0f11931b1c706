use super::*;
use crate::config::CsvSetup;
use crate::update::TelegramBuf;
use metergate_meter::{Flags, Protocol};
use metergate_reading::{Address, Instant as Received, Number, Reading, Register, Trust, Unit, Value};

fn register(code: &str) -> metergate_reading::RegisterBuf {
    let mut register = Register::new(Address::Obis, Value::Number(Number::new(7, 0)));
    register.obis = code.parse().ok();
    register.unit = Some(Unit::WattHour);
    register.into()
}

fn telegram(meter: &str, second: i64) -> Arc<Update> {
    let at = Received { unix_ms: 1_692_199_171_000 + second * 1000, trust: Trust::HostSynchronised };
    let reading = Reading {
        meter: None,
        time: None,
        received: at,
        registers: vec![register("1-0:1.8.0"), register("1-0:2.8.0")],
    };
    let telegram = TelegramBuf {
        number: 0,
        offset: 0,
        length: 0,
        protocol: Protocol::Sml,
        identification: None,
        model: None,
        security: None,
        flags: Flags::default(),
        signature: None,
        reading,
    };
    Arc::new(Update {
        meter: meter.into(),
        at,
        live: true,
        bytes: 0,
        what: What::Telegram(Box::new(telegram)),
    })
}

fn gate(selection: Selection) -> Gate {
    Gate { selection, last_ms: HashMap::new() }
}

#[test]
fn a_minimum_interval_holds_for_each_meter() {
    let mut gate = gate(Selection { min_interval: Some(Duration::from_secs(10)), ..Selection::default() });
    let mut passed = Vec::new();
    for second in 0..25 {
        for meter in ["haus", "pump"] {
            if gate.pass(telegram(meter, second)).is_some() {
                passed.push((meter, second));
            }
        }
    }
    assert_eq!(passed, [("haus", 0), ("pump", 0), ("haus", 10), ("pump", 10), ("haus", 20), ("pump", 20)]);
    assert!(
        gate.pass(telegram("haus", -3600)).is_some(),
        "a clock that was set back does not silence a sink"
    );
}

#[test]
fn a_sink_gets_the_registers_that_it_wants() {
    let mut gate = gate(Selection { registers: vec!["2.8.0".parse().unwrap()], ..Selection::default() });
    let update = gate.pass(telegram("haus", 0)).unwrap();
    let codes: Vec<String> = update
        .telegram()
        .unwrap()
        .reading
        .registers
        .iter()
        .map(|register| register.obis.unwrap().to_string())
        .collect();
    assert_eq!(codes, ["1-0:2.8.0*255"]);
    gate.selection.registers = vec!["16.7.0".parse().unwrap()];
    assert!(gate.pass(telegram("haus", 0)).is_none(), "a telegram without any of them is none");
}

#[test]
fn a_sink_that_fails_keeps_what_it_could_not_deliver() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("csv");
    std::fs::write(&blocked, "a file where the folder belongs").unwrap();
    let setup = CsvSetup { free_min_mib: 0, ..CsvSetup::new(blocked.clone()) };
    let sink = Sink::Csv(Csv::new(&setup, true, jiff::tz::TimeZone::UTC));
    let sink = RunningSink::start_sink(sink, "files", Selection::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    (0..5).for_each(|second| runtime.block_on(sink.offer(&telegram("haus", second))));
    let end = Instant::now() + Duration::from_secs(10);
    let until = |is_it: &dyn Fn(SinkStatus) -> bool| {
        while !is_it(sink.status()) {
            assert!(Instant::now() < end, "{:?}", sink.status());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    until(&|status| status.error.is_some());
    std::fs::remove_file(&blocked).unwrap();
    until(&|status| status.delivered == 5);
    assert_eq!(sink.status(), SinkStatus { delivered: 5, dropped: 0, queued: 0, error: None });
    sink.close();
    let lines = std::fs::read_to_string(blocked.join("2023_08.CSV")).unwrap().lines().count();
    assert_eq!(lines, 6);
}
