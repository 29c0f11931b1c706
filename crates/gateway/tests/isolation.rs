//! One sink of eight in trouble changes nothing for the seven others: their queues stay as flat as without the trouble,
//! and every reading arrives in time.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
#[path = "support/broker.rs"]
mod broker;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use broker::{Broker, Listener};
use metergate_gateway::config::{self, Source};
use metergate_gateway::pipeline::{self, Options};
use metergate_gateway::shutdown;
use metergate_gateway::status::Status;
use metergate_simulator::MeterKind;
use receiver::{Manner, Receiver};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use support::{runtime, simulation, telegrams};

/// Ten a second: ten times what a meter sends, so that a sink held up for a tenth of a second has a deeper queue.
const TELEGRAMS: usize = 25;
const PERIOD: Duration = Duration::from_millis(100);

/// The commit comes a second after the first row that waits. From then on nothing takes longer than this; who waits
/// for a receiver that hangs gives up after 10 s at the earliest.
const COMMIT: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(5);

/// What the eighth sink meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Eighth {
    /// A receiver that takes everything.
    Healthy,
    /// A receiver that accepts connections and never answers.
    BlackHole,
    /// A port where nobody listens.
    Refused,
    /// A receiver that answers a byte at a time and never ends.
    Drip,
    /// A broker that accepts connections and never answers: here the live path hangs too.
    BlackHoleBroker,
}

/// What of one run is compared.
struct Run {
    status: Status,
    /// By sink, how long the slowest reading took from the meter to the receiver; `None` when one did not arrive.
    slowest: BTreeMap<&'static str, Option<Duration>>,
}

/// The seven that must not notice.
const OTHERS: [&str; 7] = ["broker", "files", "graphs", "hook", "influx", "metrics", "tree"];

#[test]
fn one_sink_in_trouble_among_eight_neither_deepens_a_queue_nor_delays_a_reading() {
    const TROUBLES: [Eighth; 4] = [Eighth::BlackHole, Eighth::Refused, Eighth::Drip, Eighth::BlackHoleBroker];
    // Other tests take the processor away for moments, which only ever deepens queues: the flattest of three counts.
    let mut deeper = String::new();
    for _ in 0..3 {
        let all = [Eighth::Healthy].into_iter().chain(TROUBLES);
        let running: Vec<_> = all.map(|eighth| std::thread::spawn(move || run(eighth))).collect();
        let mut runs = running.into_iter().map(|thread| thread.join().unwrap());
        let healthy = runs.next().unwrap();
        check(Eighth::Healthy, &healthy);
        deeper.clear();
        for (eighth, run) in TROUBLES.into_iter().zip(runs) {
            check(eighth, &run);
            for name in OTHERS {
                let [with, without] = [&run, &healthy].map(|run| run.status.sinks[name].queued_max);
                if with > without + 1 {
                    writeln!(deeper, "{eighth:?}: {with} waited for `{name}`, {without} without").unwrap();
                }
            }
        }
        if deeper.is_empty() {
            return;
        }
    }
    panic!("{deeper}");
}

/// The eighth got what its receiver took, and the others everything within the deadline.
fn check(eighth: Eighth, run: &Run) {
    let sink = &run.status.sinks["eighth"];
    assert_eq!(sink.delivered > 0, eighth == Eighth::Healthy, "{eighth:?}: {sink:?}");
    for name in OTHERS {
        let sink = &run.status.sinks[name];
        let waiting: u64 = sink.backlog.iter().map(|backlog| backlog.entries).sum();
        let unsound = (sink.dropped, sink.refused, sink.missed, waiting, sink.error.as_deref());
        assert_eq!(unsound, (0, 0, 0, 0, None), "{eighth:?}: `{name}`");
        let slowest = run.slowest[name].unwrap_or_else(|| panic!("{eighth:?}: `{name}` lacks readings"));
        println!("{eighth:?}: {name}: slowest {slowest:?}, queue {}", sink.queued_max);
        assert!(slowest <= COMMIT + DEADLINE, "{eighth:?}: `{name}` took {slowest:?}");
    }
}

/// The receivers of the seven, and how many readings each has.
struct Receivers {
    broker: Broker,
    hook: Receiver,
    influx: Receiver,
    graphs: Receiver,
    page: u16,
}

impl Receivers {
    fn start() -> Self {
        Self {
            broker: Broker::start(),
            hook: Receiver::start(Manner::AnswersHttp, "\"seq\":"),
            influx: Receiver::start(Manner::AnswersHttp, "metergate,meter=haus"),
            graphs: Receiver::start(Manner::Reads, "metergate.haus.1-0_1-8-1 "),
            page: ports::free(),
        }
    }

    fn configuration(&self, meter: u16, eighth: Eighth) -> String {
        let Self { broker, hook, influx, graphs, page } = self;
        let eighth = match eighth {
            Eighth::Healthy => http(Receiver::start(Manner::AnswersHttp, "").port),
            Eighth::BlackHole => http(Receiver::start(Manner::Hangs, "").port),
            Eighth::Drip => http(Receiver::start(Manner::Drips, "").port),
            Eighth::Refused => http(ports::free()),
            Eighth::BlackHoleBroker => {
                format!(
                    "kind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
                    Receiver::start(Manner::Hangs, "").port
                )
            }
        };
        format!(
            "[default]\nstate_directory = \"state\"\n\
             [default.store]\ncommit_interval = \"1 s\"\n\
             [default.meter.haus]\nport = \"tcp://127.0.0.1:{meter}\"\nprotocol = \"p1\"\n\
             [default.sink.eighth]\n{eighth}\
             [default.sink.broker]\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n\
             [default.sink.tree]\nkind = \"homie\"\nurl = \"mqtt://127.0.0.1:{}\"\n\
             [default.sink.files]\nkind = \"csv\"\ndirectory = \"csv\"\nfree_min_mib = 0\n\
             [default.sink.hook]\n{}\
             [default.sink.influx]\nkind = \"influx\"\nurl = \"http://127.0.0.1:{}\"\ndatabase = \"meters\"\n\
             [default.sink.graphs]\nkind = \"graphite\"\nurl = \"tcp://127.0.0.1:{}\"\n\
             [default.sink.metrics]\nkind = \"prometheus\"\nlisten = \"127.0.0.1:{page}\"\n",
            broker.port,
            broker.port,
            http(hook.port),
            influx.port,
            graphs.port
        )
    }
}

fn http(port: u16) -> String {
    format!("kind = \"http\"\nurl = \"http://127.0.0.1:{port}/in\"\n")
}

/// A gateway with eight sinks reads so many telegrams.
fn run(eighth: Eighth) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let receivers = Receivers::start();
    let meter = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let text = receivers.configuration(meter.local_addr().unwrap().port(), eighth);
    let path = folder.path().join("metergate.toml");
    std::fs::write(&path, text).unwrap();
    runtime().block_on(async {
        let history = Listener::start(receivers.broker.port, &["metergate/haus/history"]).await;
        let tree = Listener::start(receivers.broker.port, &["homie/haus/power/current-usage"]).await;
        let gateway = config::load(&Source::file(&path)).unwrap();
        let (trigger, shutdown) = shutdown::channel();
        // In a thread of its own, as in the daemon: what this test does must not hold it up.
        let daemon = std::thread::spawn(move || {
            runtime().block_on(pipeline::run(gateway, Options::default(), shutdown)).unwrap()
        });
        let (mut line, _) = meter.accept().unwrap();
        let shown = page(receivers.page);
        let mut simulation = simulation(MeterKind::Dsmr5, Vec::new());
        let (mut times, mut sent) = (Vec::new(), Vec::new());
        let mut arrived: BTreeMap<&'static str, Vec<Instant>> = BTreeMap::new();
        let begun = Instant::now();
        loop {
            let due = u32::try_from(sent.len()).unwrap() * PERIOD;
            if sent.len() < TELEGRAMS && begun.elapsed() >= due {
                let telegram = telegrams(&mut simulation, 1);
                times.push(simulation.house().now_s());
                sent.push(Instant::now());
                line.write_all(&telegram).unwrap();
            }
            let newest = shown.load(Ordering::Relaxed);
            let counts = [
                history.so_far().len(),
                lines(&folder.path().join("csv")),
                receivers.graphs.count(),
                receivers.hook.count(),
                receivers.influx.count(),
                times.iter().filter(|&&time| time <= newest).count(),
                tree.so_far().len(),
            ];
            let now = Instant::now();
            for (name, count) in OTHERS.into_iter().zip(counts) {
                arrived.entry(name).or_default().resize(count.min(TELEGRAMS), now);
            }
            let is_complete = arrived.values().all(|times| times.len() == TELEGRAMS);
            let is_late = sent.len() == TELEGRAMS && sent[TELEGRAMS - 1].elapsed() > COMMIT + DEADLINE * 2;
            if is_complete || is_late {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        trigger.trigger();
        let slowest = arrived.into_iter().map(|(name, arrived)| {
            let took = arrived.iter().zip(&sent).map(|(arrived, sent)| *arrived - *sent);
            (name, took.max().filter(|_| arrived.len() == TELEGRAMS))
        });
        let slowest = slowest.collect();
        Run { status: daemon.join().unwrap(), slowest }
    })
}

/// Lines of CSV files without their header.
fn lines(folder: &Path) -> usize {
    let Ok(months) = std::fs::read_dir(folder) else { return 0 };
    let text =
        |month: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(month.unwrap().path()).unwrap();
    months.map(|month| text(month).lines().count().saturating_sub(1)).sum()
}

/// Reads the page of metrics again and again; gives the time of the newest reading on it.
fn page(port: u16) -> Arc<AtomicI64> {
    let newest = Arc::new(AtomicI64::new(0));
    let weak = Arc::downgrade(&newest);
    std::thread::spawn(move || {
        while let Some(newest) = weak.upgrade() {
            if let Some(time) = reading_time(port) {
                newest.store(time, Ordering::Relaxed);
            }
            drop(newest);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    newest
}

fn reading_time(port: u16) -> Option<i64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).ok()?;
    let line = page.lines().find(|line| line.starts_with("metergate_reading_timestamp_seconds{"))?;
    line.rsplit(' ').next()?.split('.').next()?.parse().ok()
}
