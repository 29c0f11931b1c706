//! Disks that are full, read-only or hang under the running daemon, and power that fails.
use crate::daemon::{
    DEADLINE, Daemon, Place, counter, is_untraceable, telegram, text, wait_for, wait_within, with_clock,
};
use metergate_gateway::event::{Event, EventCode};
use metergate_gateway::store::{Mark, Measured, UseCase};
use metergate_simulator::Random;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// 2026-04-12T10:00:00Z, a quarter hour.
const START_S: i64 = 1_775_988_000;

const SCREEN: &str = "[default.sink.screen]\nkind = \"stdout\"\nformat = \"json\"\n";

/// Runs a test again in a child that may mount what it likes; who may not have one is told so.
fn in_own_mounts(name: &str, test: fn()) {
    if std::env::var_os("SCENARIO_IN_CHILD").is_some() {
        return test();
    }
    let own_mounts = ["--user", "--map-root-user", "--mount"];
    let allowed = Command::new("unshare").args(own_mounts).arg("true").status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("NOT RUN: this host lets nobody mount a file system of its own (unshare --user --mount)");
        return;
    }
    let status = Command::new("unshare")
        .args(own_mounts)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("disk::{name}"), "--nocapture"])
        .env("SCENARIO_IN_CHILD", "1")
        .status();
    assert!(status.unwrap().success());
}

/// A place whose state directory is a small disk in memory.
fn place() -> Place {
    let place = Place::new("", SCREEN);
    mount(&place, &["-t", "tmpfs", "-o", "size=6m", "none"]);
    place
}

/// Others fill the disk to its last page. Removing the file makes room.
fn fill(place: &Place) -> PathBuf {
    let ballast = place.path("state/ballast");
    let mut bytes = vec![0_u8; 1 << 20];
    let mut file = OpenOptions::new().create(true).append(true).open(&ballast).unwrap();
    while !bytes.is_empty() {
        if file.write_all(&bytes).is_err() {
            bytes.truncate(bytes.len() / 2);
        }
    }
    ballast
}

fn mount(place: &Place, how: &[&str]) {
    assert!(Command::new("mount").args(how).arg(place.path("state")).status().unwrap().success());
}

fn shown(place: &Place) -> usize {
    place.output().lines().filter(|line| line.contains("\"source\":\"haus\"")).count()
}

fn error(place: &Place) -> String {
    text(&place.status()["store"]["error"])
}

/// So many telegrams, a minute apart; all of them are shown.
fn say(place: &Place, daemon: &mut Daemon<'_>, minutes: std::ops::Range<usize>) {
    let end = minutes.end;
    for minute in minutes {
        let minute = i64::try_from(minute).unwrap();
        daemon.say(&counter(START_S + minute * 60, "M1", 1000 + minute));
    }
    wait_for("telegrams on the screen", || shown(place) == end);
}

/// All rows and quarter hours of so many minutes are in the store.
fn all_kept(place: &Place, minutes: usize) {
    wait_for("rows in the store", || place.rows() == minutes);
    let rows = place.reader().rows_after(0, 100_000).unwrap();
    let times = rows.into_iter().map(|row| row.at.unix_ms / 1000 - START_S);
    assert!(times.eq((0..).step_by(60).take(minutes)));
    assert_eq!(measured(place, UseCase::Taf7LoadProfile).len(), minutes.div_ceil(15));
}

fn measured(place: &Place, case: UseCase) -> Vec<Measured> {
    let (from, to) = (Mark::from_unix_s(0), Mark::from_unix_s(i64::MAX));
    place.reader().measured_between("haus", case, from, to, 100_000).unwrap()
}

fn events(place: &Place, code: EventCode) -> Vec<Event> {
    let events = place.reader().events_after(0, 10_000).unwrap();
    events.into_iter().filter(|event| event.code == code).collect()
}

/// The system answers so when the running program writes to its database, until this is dropped. A file system in use
/// cannot be made read-only by request; one that finds itself damaged becomes so, and this is what a program sees then.
struct Trouble(Child);

impl Trouble {
    fn begin(place: &Place, daemon: &Daemon<'_>, answer: &str) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-q", "-o", "/dev/null", "-e", "signal=none"]);
        for name in ["metergate.db", "metergate.db-wal", "metergate.db-shm"] {
            strace.arg("-P").arg(place.path("state").join(name));
        }
        let calls = "pwrite64,write,ftruncate,fdatasync,fsync";
        strace.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{answer}")]);
        strace.args(["-p", &daemon.id().to_string()]).stdout(Stdio::null());
        let strace = Self(strace.spawn().unwrap());
        wait_for("tracer of each thread", || {
            let threads = std::fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap();
            threads.map(|thread| thread.unwrap().path().join("status")).all(|status| {
                // A thread that has ended meanwhile needs none.
                let status = std::fs::read_to_string(status).unwrap_or_default();
                status.lines().all(|line| line != "TracerPid:\t0")
            })
        });
        strace
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

#[test]
fn a_full_disk_stops_no_meter_and_costs_nothing_when_there_is_space_again() {
    in_own_mounts("a_full_disk_stops_no_meter_and_costs_nothing_when_there_is_space_again", || {
        let place = place();
        let mut daemon = place.start();
        say(&place, &mut daemon, 0..60);
        all_kept(&place, 60);
        let ballast = fill(&place);
        let mut said = 60;
        wait_for("store that says that it cannot write", || {
            say(&place, &mut daemon, said..said + 60);
            said += 60;
            !error(&place).is_empty()
        });
        println!("{said} telegrams, {}", error(&place));
        std::fs::remove_file(&ballast).unwrap();
        wait_for("store that can write", || error(&place).is_empty());
        say(&place, &mut daemon, said..said + 60);
        all_kept(&place, said + 60);
        assert_eq!(place.status()["store"]["dropped"], 0);
        daemon.stop();
    });
}

#[test]
fn a_disk_that_is_read_only_at_the_start_stops_no_meter() {
    in_own_mounts("a_disk_that_is_read_only_at_the_start_stops_no_meter", || {
        let place = place();
        let mut daemon = place.start();
        say(&place, &mut daemon, 0..30);
        daemon.stop();
        mount(&place, &["-o", "remount,ro"]);
        let mut daemon = place.start();
        say(&place, &mut daemon, 30..60);
        wait_for("store that says that it cannot write", || !error(&place).is_empty());
        mount(&place, &["-o", "remount,rw"]);
        wait_for("store that can write", || error(&place).is_empty());
        say(&place, &mut daemon, 60..120);
        all_kept(&place, 120);
        daemon.stop();
    });
}

#[test]
fn a_disk_that_is_read_only_before_there_is_a_store_stops_no_meter() {
    in_own_mounts("a_disk_that_is_read_only_before_there_is_a_store_stops_no_meter", || {
        let place = place();
        mount(&place, &["-o", "remount,ro"]);
        let mut daemon = place.start();
        say(&place, &mut daemon, 0..30);
        wait_for("store that says that it cannot write", || !error(&place).is_empty());
        mount(&place, &["-o", "remount,rw"]);
        wait_for("store that can write", || error(&place).is_empty());
        say(&place, &mut daemon, 30..60);
        all_kept(&place, 60);
        daemon.stop();
    });
}

#[test]
fn a_disk_that_becomes_read_only_stops_no_meter_and_costs_nothing_not_even_with_a_kill() {
    if is_untraceable() {
        return;
    }
    let place = Place::new("", SCREEN);
    let mut daemon = place.start();
    say(&place, &mut daemon, 0..20);
    wait_for("rows in the store", || place.rows() == 20);
    let trouble = Trouble::begin(&place, &daemon, "error=EROFS");
    // The live path shows all of them.
    say(&place, &mut daemon, 20..40);
    wait_for("store that says that it cannot write", || !error(&place).is_empty());
    assert!(place.log().contains("readings wait in memory"), "{}", place.log());
    say(&place, &mut daemon, 40..60);
    assert!(place.rows() < 60);
    drop(trouble);
    wait_for("store that can write", || error(&place).is_empty());
    say(&place, &mut daemon, 60..80);
    all_kept(&place, 80);
    assert_eq!(place.status()["store"]["dropped"], 0);
    wait_for("events", || {
        let told = |code| events(&place, code).len() == 1;
        told(EventCode::StoreFailing) && told(EventCode::StoreRecovered)
    });

    // And once more; what waits in memory then stands in the spool as well.
    let trouble = Trouble::begin(&place, &daemon, "error=EROFS");
    say(&place, &mut daemon, 80..100);
    wait_for("store that says that it cannot write", || !error(&place).is_empty());
    daemon.kill();
    drop(trouble);
    let mut daemon = place.start();
    say(&place, &mut daemon, 100..120);
    all_kept(&place, 120);
    daemon.stop();
}

#[test]
fn a_disk_that_hangs_is_told_and_neither_stops_a_meter_nor_the_sign_of_life() {
    if is_untraceable() {
        return;
    }
    let place = Place::new("", SCREEN);
    let socket = UnixDatagram::bind(place.path("notify")).unwrap();
    let mut command = place.command(&["run"]);
    command
        .env("NOTIFY_SOCKET", place.path("notify"))
        .env("WATCHDOG_USEC", "2000000")
        .env_remove("WATCHDOG_PID");
    let mut daemon = place.start_as(command);
    let signs_of_life = Arc::new(AtomicUsize::new(0));
    let heard = Arc::clone(&signs_of_life);
    // Nobody else reads the socket, and a full one would hold up who speaks.
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len) = socket.recv(&mut buffer) {
            heard.fetch_add(usize::from(buffer[..len].starts_with(b"WATCHDOG=1")), Ordering::Relaxed);
        }
    });
    say(&place, &mut daemon, 0..20);
    wait_for("rows in the store", || place.rows() == 20);
    let trouble = Trouble::begin(&place, &daemon, "delay_enter=600s");
    say(&place, &mut daemon, 20..40);
    // A card may take its time: only after half a minute it hangs.
    let told = "task `store`: A task of the gateway makes no progress: no sign of life for";
    wait_within(DEADLINE * 4, "word about the store", || place.log().contains(told));
    wait_for("store that hangs", || error(&place).starts_with("a commit has not returned for"));
    let before = signs_of_life.load(Ordering::Relaxed);
    wait_for("signs of life all the same", || signs_of_life.load(Ordering::Relaxed) >= before + 3);
    say(&place, &mut daemon, 40..60);
    wait_for("good verdict", || text(&place.status()["meters"]["haus"]["verdict"]) == "ok");
    assert_eq!(place.rows(), 20);
    drop(trouble);
    wait_for("store that goes on", || events(&place, EventCode::Unstuck).len() == 1);
    assert_eq!(events(&place, EventCode::Stuck).len(), 1);
    say(&place, &mut daemon, 60..80);
    all_kept(&place, 80);
    wait_for("store without trouble", || error(&place).is_empty());
    daemon.stop();
}

/// A telegram with sixty registers beside the counter, of a second after the start.
fn large(random: Option<&mut Random>, second: i64) -> Vec<u8> {
    let mut digits = random.map(|random| move || random.below(i64::MAX.unsigned_abs()));
    let values: Vec<(String, String)> = (0..60)
        .map(|n| {
            let volts = digits.as_mut().map_or(230, |digits| digits());
            (format!("1-0:12.7.{n}"), format!("{}.{:03}*V", volts / 1000, volts % 1000))
        })
        .collect();
    let energy = format!("{:06}.{:03}*kWh", second / 60_000, second / 60 % 1000);
    let counter = [("1-0:1.8.0", energy.as_str())];
    let lines = values.iter().map(|(code, value)| (code.as_str(), value.as_str()));
    telegram(START_S + second, "M1", &counter.into_iter().chain(lines).collect::<Vec<_>>())
}

#[test]
fn row_28_a_flood_on_a_full_disk_drops_taf_14_and_counts_it_and_no_taf_7() {
    in_own_mounts("row_28_a_flood_on_a_full_disk_drops_taf_14_and_counts_it_and_no_taf_7", || {
        if is_untraceable() {
            return;
        }
        // A line does not wait, as a file would. Its meter says the time, since nobody keeps the clock of the host.
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = format!("tcp://{}", server.local_addr().unwrap());
        let place = Place::on(&port, "taf14 = \"60 s\"", "");
        mount(&place, &["-t", "tmpfs", "-o", "size=6m", "none"]);
        let daemon = place.start_as(with_clock(&place.command(&["run"]), false, None));
        let (mut line, _) = server.accept().unwrap();
        line.write_all(&large(None, 0)).unwrap();
        wait_for("row in the store", || place.rows() == 1);
        let ballast = fill(&place);
        // 16 MiB of memory hold some 25,000 of them.
        let minutes = 28_000;
        for minute in 1..minutes {
            line.write_all(&large(None, minute * 60)).unwrap();
        }
        wait_for("all telegrams", || place.status()["meters"]["haus"]["telegrams"] == minutes);
        assert_ne!(error(&place), "");
        std::fs::remove_file(ballast).unwrap();
        mount(&place, &["-o", "remount,size=64m"]);
        wait_for("store that can write", || error(&place).is_empty());
        daemon.stop();

        let minutes = usize::try_from(minutes).unwrap();
        let marks: Vec<i64> =
            measured(&place, UseCase::Taf7LoadProfile).iter().map(|one| one.mark.unix_s()).collect();
        assert!(
            marks.iter().copied().eq((START_S..).step_by(900).take(minutes.div_ceil(15))),
            "no TAF 7 value is lost"
        );
        let told = events(&place, EventCode::StoreRecovered).remove(0).detail;
        let dropped: Vec<usize> = told.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [rows, high_frequency, quarter_hours] = dropped[..] else { panic!("{told}") };
        assert_eq!(quarter_hours, 0, "{told}");
        assert!(high_frequency > 0, "{told}");
        assert_eq!(place.rows() + rows, minutes, "each reading is kept or counted as dropped");
        let kept = measured(&place, UseCase::Taf14HighFrequency).len();
        assert_eq!(kept + high_frequency, minutes, "each value is kept or counted as dropped");
        println!("{told}");
        for code in [EventCode::StoreOverflow, EventCode::HighFrequencyDropped] {
            assert_eq!(events(&place, code).len(), 1, "{}", code.text());
        }
    });
}

#[test]
fn row_43_a_small_file_system_under_the_daemon_never_gets_full() {
    in_own_mounts("row_43_a_small_file_system_under_the_daemon_never_gets_full", || {
        let files = "[default.sink.files]\nkind = \"csv\"\ndirectory = \"state/csv\"\nfile_max_mib = 1\n\
                     free_min_mib = 6\n";
        let place = Place::new("", files);
        mount(&place, &["-t", "tmpfs", "-o", "size=20m", "none"]);
        let csv = place.path("state/csv");
        std::fs::create_dir(&csv).unwrap();
        let months = ["2026_01.CSV", "2026_02.CSV", "2026_03.CSV", "2026_04.CSV"];
        for month in &months[..3] {
            std::fs::write(csv.join(month), vec![b'.'; 1 << 20]).unwrap();
        }
        let mut daemon = place.start();
        let mut random = Random::new(43);
        let count = 19_000;
        for n in 0..count {
            daemon.say(&large(Some(&mut random), n * 10));
            if n % 1000 == 0 {
                assert_eq!(error(&place), "", "after {n}");
            }
        }
        daemon.end();
        assert_eq!(events(&place, EventCode::StoreFailing), []);
        let report = metergate_gateway::store::check(&place.path("state/metergate.db")).unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
        assert!(report.meters[0].thinned_to_ms.is_some(), "the oldest detail is gone");
        assert_eq!(events(&place, EventCode::StoreThinned).len(), 1);
        let quarter_hours = measured(&place, UseCase::Taf7LoadProfile).len();
        assert_eq!(quarter_hours, usize::try_from(count / 90).unwrap() + 1, "no quarter hour is dropped");
        let left: Vec<_> = months.iter().filter(|month| csv.join(month).exists()).copied().collect();
        assert!(left.len() < 4 && months.ends_with(&left), "the oldest file goes first: {left:?}");
        let free = rustix::fs::statvfs(&csv).unwrap();
        assert!(free.f_bavail * free.f_frsize >= 6 << 20);
        println!("{} of {count} rows and {left:?} are left in {} B", report.meters[0].rows, report.bytes);
    });
}

#[test]
fn a_power_cut_costs_detail_that_nobody_had_seen_and_no_quarter_hour() {
    let place = Place::new("", "");
    // A commit takes along what waits, so there is one with each quarter hour; the next would be due much later.
    let configuration = place.path("metergate.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(configuration, text.replace("\"1 s\"", "\"900 s\"")).unwrap();
    let mut random = Random::new(12);
    let mut minutes: Vec<i64> = Vec::new();
    let kept = |place: &Place| -> Vec<i64> {
        let rows = place.reader().rows_after(0, 100_000).unwrap();
        rows.into_iter().map(|row| (row.at.unix_ms / 1000 - START_S) / 60).collect()
    };
    let marks = |place: &Place| -> Vec<i64> {
        measured(place, UseCase::Taf7LoadProfile).iter().map(|one| one.mark.unix_s()).collect()
    };
    let (mut next, mut lost) = (0, 0);
    for _ in 0..8 {
        let mut daemon = place.start();
        wait_for("daemon", || !place.status().is_null());
        let mut say = |minutes: std::ops::Range<i64>| {
            minutes.for_each(|minute| daemon.say(&counter(START_S + minute * 60, "M1", 1000 + minute)));
        };
        let first = next;
        next += 20 + random.below(20).cast_signed();
        say(first..next);
        let quarter = (next - 1) / 15;
        let last_mark = START_S + quarter * 900;
        wait_for("last quarter hour", || marks(&place).last() == Some(&last_mark));
        // Some more of the same quarter hour.
        let until = random.below(((quarter + 1) * 15 - next).unsigned_abs() + 1).cast_signed() + next;
        say(next..until);
        next = until;
        minutes.extend(first..next);
        std::thread::sleep(std::time::Duration::from_millis(random.below(50)));
        let (seen, marks_seen) = (kept(&place), marks(&place));
        daemon.kill();
        // What is in memory goes with the power.
        std::fs::remove_dir_all(place.path("run")).unwrap();
        let left = kept(&place);
        assert!(left.starts_with(&seen), "{seen:?}, then {left:?}");
        assert!(minutes.starts_with(&left), "of {minutes:?} there is {left:?}");
        assert_eq!(marks(&place), marks_seen);
        assert!(marks_seen.iter().copied().eq((START_S..=last_mark).step_by(900)));
        lost += minutes.len() - left.len();
        // Less than a quarter hour is lost, and nobody can say it again.
        assert!(minutes.len() - left.len() < 15);
        minutes = left;
    }
    println!("{} rows, {lost} lost", minutes.len());
    let daemon = place.start();
    wait_for("daemon", || !place.status().is_null());
    daemon.stop();
    assert_eq!(kept(&place), minutes);
    assert!(metergate_gateway::store::check(&place.path("state/metergate.db")).unwrap().is_sound());
}
