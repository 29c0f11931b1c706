//! The clock of the host is set while the program runs: an hour forward and back, and from 1970 to the present.
//!
//! libfaketime stands between the program and the time of day, and strace answers for the kernel that a time service
//! keeps it. So no right is needed, and what this host thinks of its own clock does not matter. The clocks that only
//! go forward stay as they are.
use crate::daemon::{
    DEADLINE, Daemon, Place, counter, counter_without_time, energy, is_untraceable, wait_for, with_clock,
};
use metergate_gateway::event::{Event, EventCode};
use metergate_gateway::plausible::HeldReason;
use metergate_gateway::store::{Mark, Measured, Row, RowFlags, UseCase};
use metergate_reading::Trust;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// 2026-04-12T10:00:00Z.
const TEN_S: i64 = 1_775_988_000;
const HOUR_MS: i64 = 3_600_000;

const SCREEN: &str = "[default.sink.screen]\nkind = \"stdout\"\nformat = \"json\"\n";

/// Where Debian has it, on every architecture.
const LIBFAKETIME: &str = "/usr/$LIB/faketime/libfaketimeMT.so.1";

/// Between two telegrams of a meter that pushes.
const PACE: Duration = Duration::from_millis(50);

fn real_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The clock of a host of which the program knows nothing else.
struct HostClock {
    folder: tempfile::TempDir,
    offset_ms: i64,
}

impl HostClock {
    /// One that says this; nothing where the system lets nobody trace a program.
    fn at(unix_ms: i64) -> Option<Self> {
        if is_untraceable() {
            return None;
        }
        let mut clock = Self { folder: tempfile::tempdir().unwrap(), offset_ms: 0 };
        clock.set(unix_ms);
        let mut date = Command::new("date");
        date.arg("+%s");
        let said = String::from_utf8(clock.before(&date).output().unwrap().stdout).unwrap();
        let apart_s = clock.now_ms() / 1000 - said.trim().parse::<i64>().unwrap();
        assert!(apart_s.abs() < 60, "libfaketime is missing: `sudo apt-get install faketime`");
        Some(clock)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    /// Somebody sets it.
    fn set(&mut self, unix_ms: i64) {
        self.set_apart(unix_ms - real_ms());
    }

    /// It is so far from the clock of this host.
    fn set_apart(&mut self, offset_ms: i64) {
        self.offset_ms = offset_ms;
        let sign = if self.offset_ms < 0 { '-' } else { '+' };
        let offset = self.offset_ms.unsigned_abs();
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("{sign}{}.{:03}\n", offset / 1000, offset % 1000)).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    fn advance(&mut self, ms: i64) {
        self.set(self.now_ms() + ms);
    }

    fn now_ms(&self) -> i64 {
        real_ms() + self.offset_ms
    }

    /// A program that goes by this clock.
    fn before(&self, command: &Command) -> Command {
        let mut faked = with_clock(command, true, Some(LIBFAKETIME));
        faked
            .env("FAKETIME_TIMESTAMP_FILE", self.file())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
        faked
    }

    fn start<'p>(&self, place: &'p Place) -> Daemon<'p> {
        place.start_as(self.before(&place.command(&["run"])))
    }
}

/// A meter behind a serial server, and what it has said.
struct Meter {
    server: TcpListener,
    line: Option<TcpStream>,
    said: Vec<Said>,
}

/// A reading; when it was said and had been received, by the clock of this host; and how far that of the gateway was
/// from it.
struct Said {
    wh: i64,
    from_ms: i64,
    to_ms: i64,
    offset_ms: i64,
}

impl Meter {
    fn new() -> Self {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        server.set_nonblocking(true).unwrap();
        Self { server, line: None, said: Vec::new() }
    }

    fn port(&self) -> String {
        format!("tcp://{}", self.server.local_addr().unwrap())
    }

    /// A gateway connects.
    fn connected(&mut self) {
        wait_for("connection of the gateway", || {
            self.line = self.server.accept().ok().map(|(line, _)| line);
            self.line.is_some()
        });
    }

    /// Says a telegram, and waits until the gateway shows it: meanwhile its clock is not set.
    fn say(&mut self, place: &Place, clock: &HostClock, wh: i64, telegram: &[u8]) {
        let (from_ms, before) = (real_ms(), shown(place));
        self.line.as_mut().unwrap().write_all(telegram).unwrap();
        wait_for("telegram on the screen", || shown(place) > before);
        self.said.push(Said { wh, from_ms, to_ms: real_ms(), offset_ms: clock.offset_ms });
    }

    /// Says one telegram after the other, each a watt hour more, until something is so.
    fn say_until(
        &mut self,
        place: &Place,
        clock: &HostClock,
        what: &str,
        mut is_so: impl FnMut(&[Said]) -> bool,
    ) {
        let end = Instant::now() + DEADLINE;
        while !is_so(&self.said) {
            assert!(Instant::now() < end, "no {what} within {DEADLINE:?}: {}", place.log());
            let wh = self.said.last().map_or(1_000_000, |said| said.wh + 1);
            self.say(place, clock, wh, &counter_without_time("M1", wh));
            std::thread::sleep(PACE);
        }
    }
}

fn shown(place: &Place) -> usize {
    place.output().lines().filter(|line| line.contains("\"source\":\"haus\"")).count()
}

fn rows(place: &Place) -> Vec<Row> {
    place.reader().rows_after(0, 100_000).unwrap()
}

fn measured(place: &Place, case: UseCase) -> Vec<Measured> {
    let all = (Mark::from_unix_s(0), Mark::from_unix_s(i64::MAX));
    place.reader().measured_between("haus", case, all.0, all.1, 10_000).unwrap()
}

fn quarter_hours(place: &Place) -> Vec<i64> {
    measured(place, UseCase::Taf7LoadProfile).iter().map(|one| one.mark.unix_s()).collect()
}

fn has_quarter_hour(place: &Place, mark_s: i64) -> bool {
    quarter_hours(place).contains(&mark_s)
}

fn events(place: &Place, code: EventCode) -> Vec<Event> {
    let events = place.reader().events_after(0, 10_000).unwrap();
    events.into_iter().filter(|event| event.code == code).collect()
}

/// The rows are the readings that were said, each once, in this order and at their time.
fn are_as_said(rows: &[Row], said: &[Said]) {
    let found: Vec<String> = rows.iter().map(|row| row.number(&energy()).unwrap().to_string()).collect();
    assert_eq!(found, said.iter().map(|said| said.wh.to_string()).collect::<Vec<_>>());
    let numbers: BTreeSet<u64> = rows.iter().map(|row| row.seq).collect();
    assert!(numbers.into_iter().eq(1..=rows.len() as u64));
    for (row, said) in rows.iter().zip(said) {
        // All clocks were read in whole milliseconds.
        let received = said.from_ms - 3..=said.to_ms + 3;
        let at = row.at.unix_ms - said.offset_ms;
        assert!(received.contains(&at), "{} Wh: {at} is not in {received:?}", said.wh);
    }
}

#[test]
fn an_hour_forward_and_back_doubles_and_loses_nothing() {
    let Some(mut clock) = HostClock::at(TEN_S * 1000 + 2_000) else { return };
    let mut meter = Meter::new();
    let place = Place::on(&meter.port(), "", SCREEN);
    let daemon = clock.start(&place);
    meter.connected();
    meter.say_until(&place, &clock, "quarter hour of ten", |_| has_quarter_hour(&place, TEN_S));
    clock.advance(HOUR_MS);
    meter.say_until(&place, &clock, "quarter hour of eleven", |_| has_quarter_hour(&place, TEN_S + 3600));
    clock.advance(-HOUR_MS);
    let jumped = |rows: &[Row]| rows.iter().filter(|row| row.flags.contains(RowFlags::CLOCK_JUMPED)).count();
    meter.say_until(&place, &clock, "reading after the second jump", |_| jumped(&rows(&place)) == 2);
    // 30 kWh since a moment ago are impossible; since an hour ago, as the clock has it, they were not.
    let leap = meter.said.len();
    let wh = meter.said[leap - 1].wh + 30_000;
    meter.say(&place, &clock, wh, &counter_without_time("M1", wh));
    let last = meter.said.pop().unwrap();
    assert_eq!(last.wh, wh);
    // The hour passes once more.
    clock.set((TEN_S + 3600) * 1000 - 1_000);
    let after_ms = (TEN_S + 3600) * 1000 + 1_000;
    meter.say_until(&place, &clock, "reading after the hour", |_| {
        rows(&place).last().is_some_and(|row| row.at.unix_ms > after_ms)
    });
    wait_for("good verdict", || place.status()["meters"]["haus"]["verdict"] == "ok");
    daemon.stop();

    assert_eq!(quarter_hours(&place), [TEN_S, TEN_S + 3600]);
    let rows = rows(&place);
    assert!(rows.is_sorted_by_key(|row| row.seq));
    are_as_said(&rows, &meter.said);
    assert!(rows.iter().all(|row| row.at.trust == Trust::HostSynchronised));
    assert_eq!(jumped(&rows), 3);
    let held = place.reader().held("haus", true).unwrap();
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!((held[0].reason, held[0].number.to_string()), (HeldReason::ImpossiblePower, wh.to_string()));
    let jumps = events(&place, EventCode::ClockJumped);
    assert_eq!(jumps.iter().map(|event| event.count).sum::<u32>(), 3, "{jumps:?}");
    let by_ms = jumps[0].detail.split(' ').nth(1).and_then(|ms| ms.parse::<i64>().ok()).unwrap();
    assert!((by_ms - HOUR_MS).abs() < 60_000, "{}", jumps[0].detail);
    for code in [EventCode::Silent, EventCode::Unreadable, EventCode::Stuck, EventCode::MeterClockOff] {
        assert_eq!(events(&place, code), [], "no time has passed for who waits");
    }
}

/// The hour before a change of summer time ends while the meter sends, whose clock goes by the law.
fn change_of_time(utc_s: i64) {
    let Some(clock) = HostClock::at(utc_s * 1000 - 1_000) else { return };
    let mut meter = Meter::new();
    let place = Place::on(&meter.port(), "", SCREEN);
    let daemon = clock.start(&place);
    meter.connected();
    let end = Instant::now() + DEADLINE;
    while !(has_quarter_hour(&place, utc_s) && clock.now_ms() > (utc_s + 2) * 1000) {
        assert!(Instant::now() < end, "no quarter hour: {}", place.log());
        let wh = meter.said.last().map_or(1_000_000, |said| said.wh + 1);
        meter.say(&place, &clock, wh, &counter(clock.now_ms() / 1000, "M1", wh));
        std::thread::sleep(PACE);
    }
    daemon.stop();
    assert_eq!(quarter_hours(&place), [utc_s]);
    let rows = rows(&place);
    are_as_said(&rows, &meter.said);
    assert!(rows.is_sorted_by_key(|row| row.at.unix_ms));
    let unlike = |row: &&Row| row.meter_clock_s.is_none_or(|s| (s - row.at.unix_ms / 1000).abs() > 30);
    assert_eq!(rows.iter().find(unlike), None, "both clocks say the same");
    for code in [EventCode::ClockJumped, EventCode::MeterClockOff] {
        assert_eq!(events(&place, code), [], "a change of summer time is no jump");
    }
}

#[test]
fn the_night_that_loses_an_hour_has_its_quarter_hour_once() {
    // 2026-03-29T01:00:00Z, when it is three instead of two.
    change_of_time(1_774_746_000);
}

#[test]
fn the_night_that_has_an_hour_twice_has_its_quarter_hour_once() {
    // 2026-10-25T01:00:00Z, when it is two again instead of three.
    change_of_time(1_792_890_000);
}

/// So many telegrams more.
fn more(meter: &mut Meter, place: &Place, clock: &HostClock, count: usize) {
    let enough = meter.said.len() + count;
    meter.say_until(place, clock, "telegrams", |said| said.len() == enough);
}

fn is_dated_later(row: &Row) -> bool {
    row.flags.contains(RowFlags::DATED_LATER)
}

/// So many readings are dated, and what follows from them is kept.
fn are_dated(place: &Place, count: usize) -> bool {
    let dated = rows(place).iter().filter(|row| is_dated_later(row)).count();
    dated == count && !events(place, EventCode::Dated).is_empty()
}

/// What came in 1970 is in the store with its own time, once, and the boot snapshot is of later.
fn is_dated(place: &Place, meter: &Meter, undated: usize) {
    let mut rows = rows(place);
    rows.sort_by_key(|row| row.at.unix_ms);
    are_as_said(&rows, &meter.said);
    assert!(rows.iter().map(is_dated_later).eq((0..rows.len()).map(|n| n < undated)));
    assert!(rows.iter().all(|row| row.at.trust == Trust::HostSynchronised));
    assert_eq!(events(place, EventCode::Dated).len(), 1);
    let snapshots = measured(place, UseCase::BootSnapshot);
    assert_eq!(snapshots.len(), 1);
    assert!(rows.iter().any(|row| row.at == snapshots[0].row.at));
}

#[test]
fn readings_before_the_first_trusted_time_are_kept_over_a_kill_and_dated_once() {
    // A small computer without a battery begins anew in 1970.
    let Some(mut clock) = HostClock::at(10_000) else { return };
    let mut meter = Meter::new();
    let place = Place::on(&meter.port(), "", SCREEN);
    let daemon = clock.start(&place);
    meter.connected();
    more(&mut meter, &place, &clock, 10);
    daemon.kill();
    clock.set(10_000);
    let daemon = clock.start(&place);
    meter.connected();
    more(&mut meter, &place, &clock, 10);
    assert_eq!((place.rows(), quarter_hours(&place)), (0, vec![]), "nobody knows when they were read");
    assert_eq!(measured(&place, UseCase::BootSnapshot), []);

    // A time service says what time it is, and so when everything was: at ten o'clock the meter had sent 15 of them.
    let ten_ms = i64::midpoint(meter.said[14].to_ms, meter.said[15].from_ms);
    clock.set_apart(TEN_S * 1000 - ten_ms);
    meter.said.iter_mut().for_each(|said| said.offset_ms = clock.offset_ms);
    meter.say_until(&place, &clock, "dated readings", |_| are_dated(&place, 20));
    daemon.stop();
    is_dated(&place, &meter, 20);
    let quarter_hours = measured(&place, UseCase::Taf7LoadProfile);
    assert_eq!(quarter_hours.iter().map(|one| one.mark.unix_s()).collect::<Vec<_>>(), [TEN_S]);
    let value = quarter_hours[0].row.number(&energy()).unwrap().to_string();
    assert_eq!(value, meter.said[15].wh.to_string(), "the first after the hour, though it was dated later");
}

#[test]
fn readings_before_the_first_trusted_time_are_dated_by_the_next_start_of_the_same_boot() {
    let Some(mut clock) = HostClock::at(10_000) else { return };
    let mut meter = Meter::new();
    let place = Place::on(&meter.port(), "", SCREEN);
    let daemon = clock.start(&place);
    meter.connected();
    more(&mut meter, &place, &clock, 10);
    daemon.stop();
    clock.set(TEN_S * 1000);
    meter.said.iter_mut().for_each(|said| said.offset_ms = clock.offset_ms);
    let daemon = clock.start(&place);
    meter.connected();
    meter.say_until(&place, &clock, "dated readings", |_| are_dated(&place, 10));
    daemon.stop();
    is_dated(&place, &meter, 10);
}

/// `metergate simulate`; ends when dropped.
struct Simulator(Child);

impl Simulator {
    fn start(place: &Place, port: u16, faults: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_metergate"));
        let log = std::fs::File::options().create(true).append(true).open(place.path("simulator")).unwrap();
        command.args(["simulate", "fluvius", "--tcp", &format!("127.0.0.1:{port}")]).args(faults);
        Self(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_clock_of_a_meter_that_is_off_is_told_and_when_it_is_right_again() {
    let Some(clock) = HostClock::at(real_ms()) else { return };
    let port = crate::ports::free();
    let place = Place::on(&format!("tcp://127.0.0.1:{port}"), "", SCREEN);
    let simulator = Simulator::start(&place, port, &["--fault", "clock:1"]);
    let daemon = clock.start(&place);
    let told = |code| !events(&place, code).is_empty();
    wait_for("telegram on the screen", || shown(&place) > 0);
    wait_for("clock that differs", || told(EventCode::MeterClockOff));
    assert!(!told(EventCode::MeterClockRight));
    let differs = events(&place, EventCode::MeterClockOff).remove(0);
    let seconds = differs.detail.split(' ').find_map(|word| word.parse::<i64>().ok()).unwrap();
    assert!((290..=300 + 3 * 86_400).contains(&seconds), "{}", differs.detail);
    assert_eq!(differs.about.as_deref(), Some("haus"));
    drop(simulator);
    let _simulator = Simulator::start(&place, port, &[]);
    wait_for("clock that agrees", || told(EventCode::MeterClockRight));
    daemon.stop();
    // The host's clock is synchronised, so readings go by that all the while.
    assert!(rows(&place).iter().all(|row| row.at.trust == Trust::HostSynchronised));
    assert_eq!(events(&place, EventCode::ClockJumped), []);
}
