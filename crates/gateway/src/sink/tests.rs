use super::*;
use crate::config::{CsvSetup, GraphiteFormat, GraphiteNames, GraphiteSetup, SinkKind};
use crate::store::{Column, Row, RowFlags, Shape, StoreSetup};
use crate::update::TelegramBuf;
use metergate_meter::{Flags, Protocol};
use metergate_reading::{Address, Instant as Time, Number, Reading, Register, Trust, Unit, Value};
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

fn register(code: &str) -> metergate_reading::RegisterBuf {
    let mut register = Register::new(Address::Obis, Value::Number(Number::new(7, 0)));
    register.obis = code.parse().ok();
    register.unit = Some(Unit::WattHour);
    register.into()
}

fn telegram() -> Arc<Update> {
    let at = Time { unix_ms: 1_692_199_171_000, trust: Trust::HostSynchronised };
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
    let what = What::Telegram(Box::new(telegram));
    Arc::new(Update { meter: "haus".into(), at, live: true, bytes: 0, what })
}

#[test]
fn a_sink_gets_the_registers_that_it_wants() {
    let wants =
        |pattern: &str| Selection { registers: vec![pattern.parse().unwrap()], ..Selection::default() };
    let update = only_wanted(&telegram(), &wants("2.8.0")).unwrap();
    let registers = &update.telegram().unwrap().reading.registers;
    let codes: Vec<_> = registers.iter().map(|register| register.obis.unwrap().to_string()).collect();
    assert_eq!(codes, ["1-0:2.8.0*255"]);
    assert!(only_wanted(&telegram(), &wants("16.7.0")).is_none(), "a telegram without any of them is none");
}

#[test]
fn of_what_waits_only_the_newest_of_each_kind_is_told() {
    let news = |what: What| {
        let update = Update { what, ..(*telegram()).clone() };
        Arc::new(News { update: Arc::new(update), sample: None })
    };
    let queue = Queue::new(8);
    for what in [
        What::Verdict(metergate_meter::verdict::Verdict::Ok),
        What::NoAnswer { attempts: 1, echo: false },
        What::Verdict(metergate_meter::verdict::Verdict::Noise),
        What::NoAnswer { attempts: 2, echo: false },
    ] {
        queue.push(news(what));
    }
    let told = worker::newest(news(What::Ended), &queue);
    let told: Vec<String> = told.iter().map(|news| format!("{:?}", news.update.what)).collect();
    assert_eq!(told, ["Ended", "Verdict(Noise)", "NoAnswer { attempts: 2, echo: false }"]);
    assert_eq!(queue.counts().0, 0);
}

/// A store and a folder for files, each in its own place.
struct Place {
    folder: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(&StoreSetup::new(folder.path().join("metergate.db"))).unwrap();
        Self { folder, store }
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("csv")
    }

    /// Keeps readings of these seconds, and returns when they are on the disk.
    fn read(&self, seconds: std::ops::Range<i64>) {
        let column = Column { id: "1-0:1.8.0".parse().unwrap(), unit: Some(Unit::WattHour), exponent: 0 };
        let shape = Arc::new(Shape([column].into()));
        for second in seconds {
            self.store.append(Row {
                seq: 0,
                meter: "haus".into(),
                at: Time { unix_ms: 1_692_199_171_000 + second * 1000, trust: Trust::HostSynchronised },
                meter_clock_s: None,
                flags: RowFlags::default(),
                shape: Arc::clone(&shape),
                mantissas: [second].into(),
            });
        }
        assert!(self.store.flush_blocking(Duration::from_secs(10)));
    }

    fn start(&self, selection: Selection) -> RunningSink {
        let kind = SinkKind::Csv(CsvSetup { free_min_mib: 0, ..CsvSetup::new(self.files()) });
        self.start_as(kind, selection)
    }

    fn start_as(&self, kind: SinkKind, selection: Selection) -> RunningSink {
        let setup = SinkSetup { name: "files".to_owned(), kind, selection };
        let heartbeats = Heartbeats::new(crate::clock::Clock::start());
        let clock = crate::clock::Clock::start();
        let (_, newest) = watch::channel(Arc::new(crate::status::Status::new(std::iter::empty())));
        let shown = Shown::new(clock, newest);
        RunningSink::start(&setup, &["haus"], &self.store, &heartbeats, &shown).unwrap()
    }

    /// The energies in the file, in its order.
    fn energies(&self) -> Vec<i64> {
        let text = std::fs::read_to_string(self.files().join("2023_08.CSV")).unwrap_or_default();
        text.lines().skip(1).map(|line| line.split(';').nth(10).unwrap().parse().unwrap()).collect()
    }
}

fn until(sink: &RunningSink, is_it: impl Fn(&SinkStatus) -> bool) -> SinkStatus {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let status = sink.status();
        if is_it(&status) {
            return status;
        }
        assert!(Instant::now() < end, "{status:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn end(sink: &RunningSink) {
    sink.close();
    let end = Instant::now() + Duration::from_secs(20);
    while !sink.is_finished() {
        assert!(Instant::now() < end, "{:?}", sink.status());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_sink_that_fails_gets_all_of_it_later() {
    let place = Place::new();
    std::fs::write(place.files(), "a file where the folder belongs").unwrap();
    let sink = place.start(Selection::default());
    place.read(0..5);
    let failing = until(&sink, |status| status.error.is_some());
    assert_eq!((failing.delivered, failing.backlog[0].entries), (0, 5));
    std::fs::remove_file(place.files()).unwrap();
    let healed = until(&sink, |status| status.delivered == 5);
    assert_eq!((healed.dropped, healed.refused, healed.missed), (0, 0, 0));
    end(&sink);
    assert_eq!((sink.status().error, place.energies()), (None, vec![0, 1, 2, 3, 4]));
}

#[test]
fn a_paused_sink_gets_what_it_missed_when_it_goes_on() {
    let place = Place::new();
    let sink = place.start(Selection { paused: true, ..Selection::default() });
    place.read(0..300);
    until(&sink, |status| status.paused && status.backlog[0].entries == 300);
    assert_eq!(sink.status().delivered, 0);
    sink.pause(false);
    until(&sink, |status| status.delivered == 300 && !status.paused);
    end(&sink);
    assert_eq!(place.energies(), (0..300).collect::<Vec<_>>());
}

#[test]
fn after_a_restart_a_sink_goes_on_where_it_was() {
    let place = Place::new();
    let sink = place.start(Selection::default());
    place.read(0..10);
    until(&sink, |status| status.delivered == 10);
    end(&sink);
    place.read(10..20);
    let sink = place.start(Selection::default());
    place.read(20..30);
    until(&sink, |status| status.delivered == 20);
    end(&sink);
    assert_eq!(place.energies(), (0..30).collect::<Vec<_>>());
}

#[test]
fn a_new_sink_begins_with_now_or_with_all_that_there_is() {
    for (from_beginning, first) in [(false, 10), (true, 0)] {
        let place = Place::new();
        place.read(0..10);
        let sink = place.start(Selection { from_beginning, ..Selection::default() });
        place.read(10..20);
        until(&sink, |status| status.delivered == 20 - first);
        end(&sink);
        assert_eq!(place.energies(), (i64::try_from(first).unwrap()..20).collect::<Vec<_>>());
    }
}

#[test]
fn a_line_that_is_in_the_file_is_not_written_again() {
    let place = Place::new();
    let sink = place.start(Selection::default());
    place.read(0..10);
    until(&sink, |status| status.delivered == 10);
    end(&sink);
    // A power cut takes the cursor away, and the file has the lines.
    place.store.set_cursor("files", crate::config::Stream::Readings, 4);
    assert!(place.store.flush_blocking(Duration::from_secs(10)));
    let sink = place.start(Selection::default());
    place.read(10..12);
    until(&sink, |status| status.delivered == 8);
    end(&sink);
    assert_eq!(place.energies(), (0..12).collect::<Vec<_>>());
}

/// A server that accepts connections and reads nothing until it is told to; then all of each but the first.
struct BlackHole {
    port: u16,
    reads: std::sync::mpsc::Sender<()>,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl BlackHole {
    fn open() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        // Small, so that the window is full soon.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        socket.listen(16).unwrap();
        let listener = std::net::TcpListener::from(socket);
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (reads, told) = std::sync::mpsc::channel();
        let all = Arc::clone(&heard);
        std::thread::spawn(move || {
            let (_swallows_everything, _) = listener.accept().unwrap();
            told.recv().unwrap();
            for mut stream in listener.incoming().map_while(Result::ok) {
                let all = Arc::clone(&all);
                std::thread::spawn(move || {
                    let mut piece = [0; 65_536];
                    while let Ok(len @ 1..) = stream.read(&mut piece) {
                        all.lock().unwrap().extend_from_slice(&piece[..len]);
                    }
                });
            }
        });
        Self { port, reads, heard }
    }

    /// The values of all whole lines.
    fn values(&self) -> std::collections::BTreeSet<i64> {
        let heard = String::from_utf8(self.heard.lock().unwrap().clone()).unwrap();
        let lines = heard.lines().filter(|line| line.contains("1-8-0") || line.contains("1.8.0"));
        lines.filter_map(|line| line.split(' ').nth(1)?.parse().ok()).collect()
    }
}

#[test]
fn a_graphite_that_accepts_and_never_reads_is_given_up_told_and_gets_everything_once_it_reads() {
    let place = Place::new();
    let hole = BlackHole::open();
    let sink = place.start_as(
        SinkKind::Graphite(GraphiteSetup {
            host: "127.0.0.1".to_owned(),
            port: hole.port,
            format: GraphiteFormat::Plaintext,
            names: GraphiteNames::Obis,
            prefix: String::new(),
            meter_in_name: true,
        }),
        Selection::default(),
    );
    // More than any buffer between us takes.
    let count = 40_000;
    for start in (0..count).step_by(1000) {
        place.read(start..start + 1000);
    }
    let failing = until(&sink, |status| status.error.is_some());
    assert_eq!(failing.error.as_deref(), Some("the receiver takes nothing for 10s"));
    assert_eq!(failing.failures, 1);
    let waiting = failing.backlog[0].entries;
    assert!(waiting > 0 && failing.delivered + waiting == 40_000, "{failing:?}");
    assert_eq!((failing.refused, failing.missed), (0, 0));
    // It reads again: also what the first connection had swallowed comes, on another.
    hole.reads.send(()).unwrap();
    let healed = until(&sink, |status| status.error.is_none() && status.backlog[0].entries == 0);
    assert_eq!((healed.delivered, healed.refused, healed.missed), (40_000, 0, 0));
    end(&sink);
    let deadline = Instant::now() + Duration::from_secs(20);
    while hole.values() != (0..count).collect() {
        assert!(Instant::now() < deadline, "{} values have arrived", hole.values().len());
        std::thread::sleep(Duration::from_millis(50));
    }
}
