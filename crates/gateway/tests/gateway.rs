//! Several meters and several sinks in one process.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
mod support;

use metergate_gateway::cli::Format;
use metergate_gateway::config::{
    CompatSetup, CsvSetup, Gateway, KmpSetup, MeterSetup, Place, PriceSetup, Selection, SinkKind, SinkSetup,
    StoreConfig,
};
use metergate_gateway::pipeline::{self, Options};
use metergate_gateway::shutdown;
use metergate_gateway::status::Status;
use metergate_gateway::update::{Update, What};
use metergate_meter::{Key, LineSettings, Protocol};
use metergate_simulator::{EXAMPLE_KEYS, MeterKind, Simulation};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::{DEADLINE, Pty, meter, runtime, simulation};
use tokio::sync::mpsc;

fn serial(name: &str, pty: &Pty, protocol: Protocol) -> MeterSetup {
    meter(name, Place::Serial(pty.device.clone()), Some(protocol))
}

fn sink(name: &str, kind: SinkKind) -> SinkSetup {
    SinkSetup { name: name.to_owned(), kind, selection: Selection::default() }
}

fn csv(name: &str, directory: &Path) -> SinkSetup {
    let setup = CsvSetup { utc_column: true, ..CsvSetup::new(directory.to_owned()) };
    sink(name, SinkKind::Csv(setup))
}

fn gateway(state: &Path, meters: Vec<MeterSetup>, sinks: Vec<SinkSetup>) -> Gateway {
    Gateway {
        profile: "default".to_owned(),
        state_directory: Some(state.to_owned()),
        store: StoreConfig::default(),
        price: PriceSetup::default(),
        web: None,
        meters,
        sinks,
        sources: Vec::new(),
        compat: CompatSetup::default(),
    }
}

/// Runs a gateway, lets `act` do its part, ends the gateway and returns how everything was.
fn run<F: Future<Output = ()>>(
    gateway: Gateway,
    act: impl FnOnce(mpsc::Receiver<Arc<Update>>) -> F,
) -> Status {
    runtime().block_on(async {
        let (observer, updates) = mpsc::channel(1024);
        let (trigger, shutdown) = shutdown::channel();
        let options = Options { observer: Some(observer), ..Options::default() };
        let running = tokio::spawn(pipeline::run(gateway, options, shutdown));
        tokio::time::timeout(DEADLINE * 3, act(updates)).await.unwrap();
        trigger.trigger();
        tokio::time::timeout(DEADLINE, running).await.unwrap().unwrap().unwrap()
    })
}

/// Speaks to what the gateway sends, like the meter at the other end.
fn answer(pty: &mut Pty, simulation: &mut Simulation, since: Duration) {
    let heard = pty.heard();
    if !heard.is_empty() {
        let now = simulation.house().now_s();
        for output in simulation.hear(&heard, since, now) {
            pty.send(&output.bytes);
        }
    }
}

#[test]
fn one_process_reads_sml_mbus_and_kmp_and_feeds_three_sinks() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sml, mut mbus, mut kmp) = (Pty::open(), Pty::open(), Pty::open());
    let meters = vec![
        serial("haus", &sml, Protocol::Sml),
        MeterSetup { key: Some(Key::new(EXAMPLE_KEYS[0])), ..serial("netz", &mbus, Protocol::DlmsMbus) },
        MeterSetup {
            kmp: KmpSetup {
                registers: vec![60, 80],
                interval: Duration::from_secs(1),
                requests_per_hour: 3600,
            },
            ..serial("heizung", &kmp, Protocol::Kmp)
        },
    ];
    let sinks = vec![
        SinkSetup {
            selection: Selection { meters: vec!["heizung".to_owned()], ..Selection::default() },
            ..sink("screen", SinkKind::Stdout { format: Format::Json })
        },
        csv("all", &folder.path().join("all")),
        SinkSetup {
            selection: Selection { meters: vec!["netz".to_owned()], ..Selection::default() },
            ..csv("netz", &folder.path().join("netz"))
        },
    ];
    let began = std::time::Instant::now();
    let status = run(gateway(folder.path(), meters, sinks), async |mut updates| {
        let mut simulations = [
            simulation(MeterKind::EasyMeterQ3a, Vec::new()),
            simulation(MeterKind::KaifaMa309mNetzNoe, Vec::new()),
            simulation(MeterKind::Multical403, Vec::new()),
        ];
        let [easy, kaifa, multical] = &mut simulations;
        let mut found: HashMap<String, u32> = HashMap::new();
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        // What is sent to a terminal that nobody has set to raw is not what arrives.
        let mut closed = 3;
        while found.len() < 3 || found.values().any(|&count| count < 2) {
            tokio::select! {
                update = updates.recv() => {
                    let update = update.unwrap();
                    closed -= u32::from(matches!(update.what, What::PortOpened));
                    if let Some(telegram) = update.telegram() {
                        assert!(!telegram.reading.registers.is_empty());
                        *found.entry(update.meter.to_string()).or_default() += 1;
                    }
                }
                _ = tick.tick(), if closed == 0 => {
                    answer(&mut kmp, multical, began.elapsed());
                    sml.send(&support::telegrams(easy, 1));
                    mbus.send(&support::telegrams(kaifa, 1));
                }
            }
        }
    });
    for name in ["haus", "netz", "heizung"] {
        let meter = &status.meters[name];
        assert_eq!((meter.verdict, meter.port_error.as_deref()), ("ok", None), "{name}");
        assert!(meter.telegrams >= 2 && meter.rejections.is_empty(), "{name}: {meter:?}");
    }
    for (name, sink) in &status.sinks {
        assert_eq!((sink.dropped, sink.queued, sink.error.as_deref()), (0, 0, None), "{name}");
        assert!(sink.delivered >= 2, "{name}");
    }
    // Both electricity meters have a line a telegram; the heat meter has nothing for these columns.
    let lines = |path: &Path| {
        let month = std::fs::read_dir(path).unwrap().next().unwrap().unwrap().path();
        std::fs::read_to_string(month).unwrap().lines().count() as u64 - 1
    };
    assert_eq!(lines(&folder.path().join("all/haus")), status.meters["haus"].telegrams);
    assert_eq!(lines(&folder.path().join("all/netz")), status.meters["netz"].telegrams);
    assert_eq!(lines(&folder.path().join("netz")), status.meters["netz"].telegrams);
    assert!(!folder.path().join("all/heizung").exists());
    let file = std::fs::read(folder.path().join("status.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(file["meters"]["netz"]["verdict"], "ok");
    assert_eq!(file["sinks"]["screen"]["delivered"], status.sinks["screen"].delivered);
}

#[test]
fn a_meter_of_mode_c_is_signed_on_read_out_and_its_speed_followed() {
    let folder = tempfile::tempdir().unwrap();
    let mut pty = Pty::open();
    let setup = MeterSetup {
        port: metergate_gateway::config::PortSetup {
            line: Some(LineSettings::M300_7E1),
            ..serial("keller", &pty, Protocol::Iec62056_21).port
        },
        ..serial("keller", &pty, Protocol::Iec62056_21)
    };
    let began = std::time::Instant::now();
    let status = run(gateway(folder.path(), vec![setup], Vec::new()), async |mut updates| {
        let mut meter = simulation(MeterKind::Iec62056ModeC, Vec::new());
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        let (mut speeds, mut pending) = (Vec::new(), Vec::new());
        loop {
            tokio::select! {
                update = updates.recv() => {
                    if let Some(telegram) = update.unwrap().telegram() {
                        assert!(telegram.reading.registers.len() > 3, "{telegram:?}");
                        break;
                    }
                }
                _ = tick.tick() => {
                    if speeds.last() != Some(&pty.baud()) {
                        speeds.push(pty.baud());
                    }
                    // A pseudo-terminal carries eight bits: the parity bit is in them, as on a line read as 8N1.
                    let heard: Vec<u8> = pty.heard();
                    assert!(heard.iter().all(|byte| byte.count_ones() % 2 == 0), "{heard:02x?}");
                    let heard: Vec<u8> = heard.iter().map(|byte| byte & 0x7F).collect();
                    let now = meter.house().now_s();
                    pending.extend(meter.hear(&heard, began.elapsed(), now));
                    // A real meter sends at a speed only once the line has it.
                    while let Some(output) = pending.first() {
                        if output.line.is_some_and(|line| line.baud != pty.baud()) {
                            break;
                        }
                        let even = |byte: &u8| byte | u8::from(byte.count_ones() % 2 == 1) << 7;
                        let bytes: Vec<u8> = output.bytes.iter().map(even).collect();
                        pty.send(&bytes);
                        pending.remove(0);
                    }
                }
            }
        }
        assert!(speeds.len() >= 2 && speeds.contains(&300) && speeds.last() > Some(&300), "{speeds:?}");
    });
    let meter = &status.meters["keller"];
    assert_eq!((meter.verdict, meter.rejections.len()), ("ok", 0), "{meter:?}");
}

#[test]
fn a_meter_of_which_nothing_is_known_is_found_at_its_speed_and_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("head");
    let mut speeds = Vec::new();
    for start in 0..2 {
        let mut pty = Pty::open();
        support::point_link(&link, &pty.device);
        let mut setup = meter("haus", Place::Serial(link.clone()), None);
        setup.port.line = None;
        let status = run(gateway(folder.path(), vec![setup], Vec::new()), async |mut updates| {
            let mut easy = simulation(MeterKind::EasyMeterQ3a, Vec::new());
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            loop {
                tokio::select! {
                    update = updates.recv() => {
                        if update.unwrap().telegram().is_some() {
                            break;
                        }
                    }
                    _ = tick.tick() => {
                        if speeds.last() != Some(&(start, pty.baud())) {
                            speeds.push((start, pty.baud()));
                        }
                        // A meter at 115,200 baud, the second setting that is tried: at others nothing sensible comes.
                        if pty.baud() == 115_200 {
                            pty.send(&support::telegrams(&mut easy, 1));
                        }
                    }
                }
            }
        });
        assert_eq!(status.meters["haus"].verdict, "ok");
    }
    let after: Vec<_> = speeds.iter().filter(|(start, _)| *start == 1).map(|(_, baud)| *baud).collect();
    assert!(speeds.contains(&(0, 9600)), "{speeds:?}");
    // A pseudo-terminal has 38,400 baud before anyone opens it.
    assert!(after.iter().all(|baud| [38_400, 115_200].contains(baud)), "{speeds:?}");
}

#[test]
fn an_old_telegram_is_refused_after_a_restart_until_the_counters_are_reset() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("netz.bin");
    std::fs::write(
        &capture,
        support::telegrams(&mut simulation(MeterKind::KaifaMa309mNetzNoe, Vec::new()), 3),
    )
    .unwrap();
    let run = |reset_counters| {
        let setup = MeterSetup {
            key: Some(Key::new(EXAMPLE_KEYS[0])),
            ..meter("netz", Place::File(capture.clone()), Some(Protocol::DlmsMbus))
        };
        let setup = gateway(folder.path(), vec![setup], Vec::new());
        let speed = Some(metergate_gateway::port::Speed::UNPACED);
        let (_trigger, shutdown) = shutdown::channel();
        let options = Options { reset_counters, speed, ..Options::default() };
        let mut status = runtime().block_on(pipeline::run(setup, options, shutdown)).unwrap();
        let meter = status.meters.remove("netz").unwrap();
        let replayed = meter.rejections.get(&metergate_meter::Code::Replayed).copied().unwrap_or_default();
        (meter.telegrams, replayed, meter.verdict)
    };
    assert_eq!(run(false), (3, 0, "ok"));
    assert_eq!(run(false), (0, 3, "replayed"));
    assert_eq!(run(true), (3, 0, "ok"));
    assert_eq!(run(false), (0, 3, "replayed"));
}

#[test]
fn a_killed_meter_is_silent_and_no_longer_live() {
    let folder = tempfile::tempdir().unwrap();
    let mut pty = Pty::open();
    let setup =
        MeterSetup { silent_after: Some(Duration::from_millis(100)), ..serial("haus", &pty, Protocol::Sml) };
    let status = run(gateway(folder.path(), vec![setup], Vec::new()), async |mut updates| {
        let mut easy = simulation(MeterKind::EasyMeterQ3a, Vec::new());
        let mut verdicts = Vec::new();
        while verdicts.last() != Some(&"silent") {
            let update = updates.recv().await.unwrap();
            match update.what {
                What::PortOpened => pty.send(&support::telegrams(&mut easy, 1)),
                What::Verdict(verdict) => verdicts.push(verdict.code()),
                _ => {}
            }
        }
        assert_eq!(verdicts, ["ok", "silent"]);
    });
    assert_eq!(status.meters["haus"].verdict, "silent");
}

#[test]
fn the_line_of_a_heat_meter_is_set_as_its_model_has_it() {
    // 1200 8N2: what the far side of a pseudo-terminal can see of it is the speed.
    let folder = tempfile::tempdir().unwrap();
    let pty = Pty::open();
    let mut setup = serial("heizung", &pty, Protocol::Kmp);
    setup.port.line = Some(LineSettings::M1200_8N2);
    run(gateway(folder.path(), vec![setup], Vec::new()), async |mut updates| {
        while !matches!(updates.recv().await.unwrap().what, What::PortOpened) {}
        assert_eq!(pty.baud(), 1200);
    });
}
