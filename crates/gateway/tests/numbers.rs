//! What the gateway costs and how fast it catches up: `cargo xtask bench` builds the optimised program, as it is
//! shipped, and names it in the variable `PROGRAM`.
//!
//! The figures are printed for people. What the processor's mood decides is asserted with the bar alone, from which an
//! idle machine is far away.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
#[path = "support/broker.rs"]
mod broker;
#[path = "support/household.rs"]
mod household;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/receiver.rs"]
mod receiver;
mod support;

use broker::Broker;
use metergate_gateway::store::{FILE_NAME, Store, StoreSetup};
use metergate_simulator::{Household, MeterKind, Settings, Simulation, unix_s};
use receiver::{Manner, Receiver};
use rumqttc_v4::{AsyncClient, Event, Packet, QoS};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::runtime;

/// The bars: 3 meters and 5 sinks.
const RESIDENT_MAX: u64 = 30 << 20;
const BINARY_MAX: u64 = 20 << 20;
const START_MAX: Duration = Duration::from_secs(1);
/// Of one core, in thousandths, at three telegrams a second.
const CPU_MAX: u64 = 20;

/// A commit of the usual minute, with what it sets off, is inside.
const MEASURED: Duration = Duration::from_secs(70);

/// 72 h of a meter that sends every second.
const BACKLOG: usize = 72 * 3600;
const FACTOR_MIN: u32 = 100;

fn program() -> PathBuf {
    std::env::var_os("PROGRAM").expect("`cargo xtask bench` names the program that is measured").into()
}

/// The daemon, optimised, as a service manager starts it.
struct Gateway(Child);

impl Gateway {
    /// Starts it and waits until it says that it is ready; gives how long that took.
    fn start(folder: &Path) -> (Self, Duration) {
        let place = folder.join("notify");
        let _ = std::fs::remove_file(&place);
        let socket = UnixDatagram::bind(&place).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let begun = Instant::now();
        let process = Command::new(program())
            .args(["run", "--config"])
            .arg(folder.join("metergate.toml"))
            .env("RUNTIME_DIRECTORY", folder.join("run"))
            .env("NOTIFY_SOCKET", &place)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let gateway = Self(process);
        let mut buffer = [0; 512];
        loop {
            let length = socket.recv(&mut buffer).unwrap();
            if buffer[..length].starts_with(b"READY=1") {
                return (gateway, begun.elapsed());
            }
        }
    }

    /// A figure of `/proc/PID/status` in bytes.
    fn memory(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Time of the processor so far, of all threads, also of those that have ended.
    fn processor(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        // Behind the name, which may hold anything: the state and ten more, then `utime` and `stime`.
        let (_, fields) = text.rsplit_once(") ").unwrap();
        let ticks: u64 = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "run by cargo xtask bench"]
fn three_meters_and_five_sinks_take_less_than_30_mb_a_second_to_start_and_2_percent_of_a_core() {
    const KINDS: [(&str, MeterKind); 3] = [
        ("sml", MeterKind::EasyMeterQ3a),
        ("p1", MeterKind::Dsmr5),
        ("dlms-mbus", MeterKind::KaifaMa309mNetzNoe),
    ];
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start();
    let hook = Receiver::start(Manner::AnswersHttp, "\"seq\":");
    let influx = Receiver::start(Manner::AnswersHttp, "metergate,meter=");
    let servers = KINDS.map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let mut text = String::from("[default]\nstate_directory = \"state\"\n");
    for ((protocol, _), server) in KINDS.iter().zip(&servers) {
        let port = server.local_addr().unwrap().port();
        text += &format!(
            "[default.meter.{protocol}]\nport = \"tcp://127.0.0.1:{port}\"\nprotocol = \"{protocol}\"\n"
        );
        if *protocol == "dlms-mbus" {
            let key: String =
                metergate_simulator::EXAMPLE_KEYS[0].iter().map(|byte| format!("{byte:02x}")).collect();
            text += &format!("key = \"{key}\"\n");
        }
    }
    text += &format!(
        "[default.sink.broker]\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n\
         [default.sink.files]\nkind = \"csv\"\ndirectory = \"csv\"\n\
         [default.sink.metrics]\nkind = \"prometheus\"\nlisten = \"127.0.0.1:{}\"\n\
         [default.sink.hook]\nkind = \"http\"\nurl = \"http://127.0.0.1:{}/in\"\n\
         [default.sink.influx]\nkind = \"influx\"\nurl = \"http://127.0.0.1:{}\"\ndatabase = \"meters\"\n",
        broker.port,
        ports::free(),
        hook.port,
        influx.port
    );
    let config = folder.path().join("metergate.toml");
    std::fs::write(&config, text).unwrap();
    std::fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();

    let (gateway, _) = Gateway::start(folder.path());
    let mut lines = servers.each_ref().map(|server| server.accept().unwrap().0);
    let mut meters = KINDS.map(|(_, kind)| Simulation::new(Settings::new(kind, 7, unix_s())).unwrap());
    feed(&mut lines, &mut meters, Duration::from_secs(10));
    let (before, begun) = (gateway.processor(), Instant::now());
    let telegrams = feed(&mut lines, &mut meters, MEASURED);
    let (spent, passed) = (gateway.processor() - before, begun.elapsed());
    let (resident, most) = (gateway.memory("VmRSS"), gateway.memory("VmHWM"));
    let delivered = (hook.count(), influx.count());
    drop(gateway);
    let (took, again) = starts(&config);

    let binary = std::fs::metadata(program()).unwrap().len();
    let thousandths = u64::try_from(spent.as_micros() * 1000 / passed.as_micros()).unwrap();
    println!("3 meters (SML, P1, DLMS over M-Bus), 5 sinks (MQTT, CSV, Prometheus, HTTP, InfluxDB):");
    println!(
        "  resident memory       {} kB, at most {} kB (bar {} kB)",
        resident >> 10,
        most >> 10,
        RESIDENT_MAX >> 10
    );
    println!(
        "  start until READY     {} ms, with a store of before {} ms (bar {} ms)",
        took.as_millis(),
        again.as_millis(),
        START_MAX.as_millis()
    );
    println!(
        "  processor             {}.{} % of one core over {} s with {telegrams} telegrams (bar {} %)",
        thousandths / 10,
        thousandths % 10,
        passed.as_secs(),
        CPU_MAX / 10
    );
    println!("  program               {} kB (bar {} kB)", binary >> 10, BINARY_MAX >> 10);
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(
        delivered.0 > 0 && delivered.1 > 0,
        "what delivers nothing costs nothing: {delivered:?}\n{}",
        log()
    );
    assert!(most < RESIDENT_MAX, "{most} bytes of memory");
    assert!(took < START_MAX && again < START_MAX, "{took:?} and {again:?} to start");
    assert!(thousandths < CPU_MAX, "{thousandths} thousandths of a core");
    assert!(binary < BINARY_MAX, "the program has {binary} bytes");
}

/// How long a start takes in a new place, and with the store of before: the quickest of five, since a new store waits
/// for the disk, and a disk that is busy with other things can take seconds.
fn starts(config: &Path) -> (Duration, Duration) {
    let times = [(); 5].map(|()| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(config, folder.path().join("metergate.toml")).unwrap();
        [(); 2].map(|()| Gateway::start(folder.path()).1)
    });
    let quickest = |which: usize| times.iter().map(|times| times[which]).min().unwrap();
    (quickest(0), quickest(1))
}

/// Lets each meter send once a second for so long; returns how many telegrams that were.
fn feed(lines: &mut [TcpStream; 3], meters: &mut [Simulation; 3], span: Duration) -> usize {
    let (begun, mut sent) = (Instant::now(), 0);
    for second in 1.. {
        for (line, meter) in lines.iter_mut().zip(meters.iter_mut()) {
            for output in meter.push(unix_s()) {
                line.write_all(&output.bytes).unwrap();
                sent += 1;
            }
        }
        let next = begun + Duration::from_secs(second);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        if begun.elapsed() >= span {
            break;
        }
    }
    sent
}

#[test]
#[ignore = "run by cargo xtask bench"]
fn a_backlog_of_72_hours_goes_to_a_broker_at_100_times_real_time() {
    let broker = Broker::start();
    let url = format!("kind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port);
    let witness = witness(broker.port);
    drain("MQTT", &url, || witness.load(Ordering::Relaxed));
}

#[test]
#[ignore = "run by cargo xtask bench"]
fn a_backlog_of_72_hours_goes_out_by_http_at_100_times_real_time() {
    let receiver = Receiver::start(Manner::AnswersHttp, "\"seq\":");
    let url = format!("kind = \"http\"\nurl = \"http://127.0.0.1:{}/in\"\n", receiver.port);
    drain("HTTP", &url, || receiver.count());
}

/// Fills a store with the backlog, lets the gateway deliver it, and compares the time with that of measuring.
fn drain(name: &str, sink: &str, arrived: impl Fn() -> usize) {
    let folder = tempfile::tempdir().unwrap();
    let meter = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let text = format!(
        "[default]\nstate_directory = \"state\"\n\
         [default.meter.house]\nport = \"tcp://{}\"\nprotocol = \"sml\"\n\
         [default.sink.out]\n{sink}from = \"beginning\"\n",
        meter.local_addr().unwrap()
    );
    std::fs::write(folder.path().join("metergate.toml"), text).unwrap();
    std::fs::create_dir(folder.path().join("state")).unwrap();
    backlog(&folder.path().join("state"));
    let (gateway, _) = Gateway::start(folder.path());
    let begun = Instant::now();
    let real_time = Duration::from_secs(u64::try_from(BACKLOG).unwrap());
    while arrived() < BACKLOG {
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(begun.elapsed() * FACTOR_MIN <= real_time, "{name}: {} arrived\n{}", arrived(), log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = begun.elapsed();
    let factor = real_time.as_millis() / took.as_millis().max(1);
    println!(
        "backlog of 72 h by {name}: {BACKLOG} readings of 12 registers in {} ms, {factor} times real time (bar \
         {FACTOR_MIN}); resident memory at most {} kB",
        took.as_millis(),
        gateway.memory("VmHWM") >> 10
    );
    assert_eq!(arrived(), BACKLOG, "more than there was");
}

/// A store with 72 h of twelve registers, a row a second, as a gateway leaves it whose receiver was away.
fn backlog(folder: &Path) {
    const SOON: Duration = Duration::from_secs(60);
    let setup =
        StoreSetup { commit_interval: Duration::from_secs(900), ..StoreSetup::new(folder.join(FILE_NAME)) };
    let (store, _) = Store::open(&setup).unwrap();
    let shape = household::shape();
    let begin = unix_s() - i64::try_from(BACKLOG).unwrap();
    let mut house = Household::new(3, begin);
    for (number, second) in (begin..).take(BACKLOG).enumerate() {
        store.append(household::row(&mut house, second, 120, &shape));
        if number % 900 == 899 {
            assert!(store.flush_blocking(SOON));
        }
    }
    assert!(store.close(SOON));
}

/// Counts what subscribers of the history get, in a thread of its own.
fn witness(port: u16) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let (tell, subscribed) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let (client, mut events) = AsyncClient::builder(broker::options(port)).capacity(64).build();
            client.subscribe("metergate/house/history", QoS::AtLeastOnce).await.unwrap();
            // Until the broker goes with its test.
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => tell.send(()).unwrap(),
                    Event::Incoming(Packet::Publish(_)) => {
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => {}
                }
            }
        });
    });
    subscribed.recv().unwrap();
    count
}
