//! Disks that are full, read-only or absent. Each needs limits or mounts of its own, so each runs in a child.
use crate::place::{NOON_MS, Place, SOON, all_rows, event, measured, noise, nth, wait_for};
use metergate_gateway::clock::Clock;
use metergate_gateway::event::EventCode;
use metergate_gateway::store::{Mark, Measured, Quality, Row, Store, StoreSetup, UseCase};
use metergate_gateway::watch::{Heartbeats, Remedy};
use metergate_simulator::Random;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Runs one of the children below, with `before` in front of its command line. Its output is shown.
fn run_child(name: &str, before: &[&str], folder: &Path) -> std::process::Output {
    let exe = std::env::current_exe().unwrap();
    let mut command = match before {
        [program, args @ ..] => {
            let mut command = Command::new(program);
            command.args(args).arg(exe);
            command
        }
        [] => Command::new(exe),
    };
    let output = command
        .args(["--exact", &format!("faults::{name}"), "--nocapture"])
        .env("METERGATE_TEST_CHILD", folder)
        .output()
        .unwrap();
    print!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    output
}

/// The folder that a parent has given, in a child.
fn folder_of_child() -> Option<PathBuf> {
    std::env::var_os("METERGATE_TEST_CHILD").map(PathBuf::from)
}

/// A store without a spool, since the limits of the child hold for every file.
fn open_in(folder: &Path) -> Store {
    let setup = StoreSetup {
        commit_interval: Duration::from_secs(1),
        ..StoreSetup::new(folder.join("metergate.db"))
    };
    Store::open(&setup).unwrap().0
}

/// A value of the second, and a quarter hour each 900 s.
fn flood(store: &Store, seconds: std::ops::Range<i64>) {
    for second in seconds {
        let minute = measured(second, 0, UseCase::Taf14HighFrequency);
        store.measured(Measured { mark: Mark::from_unix_s(second * 60), ..minute });
        if second % 900 == 0 {
            store.measured(measured(second, 0, UseCase::Taf7LoadProfile));
        }
    }
}

/// The disk is full; then there is room again.
fn full(store: &Store, fill: impl FnOnce(), make_room: impl FnOnce()) {
    store.append(nth(0));
    store.measured(measured(0, 0, UseCase::Taf7LoadProfile));
    assert!(store.flush_blocking(SOON));
    fill();
    let mut worst = Duration::ZERO;
    let mut last = 0;
    wait_for(|| {
        for n in last..last + 2_000 {
            let before = Instant::now();
            store.append(nth(n));
            worst = worst.max(before.elapsed());
        }
        last += 2_000;
        store.health().failing.is_some()
    });
    println!("failing after {last} rows: {:?}; the slowest append took {worst:?}", store.health().failing);
    // More than memory may hold: readings go first, then minutes; quarter hours stay.
    flood(store, 1..120_000);
    let health = store.health();
    println!("{health:?}");
    assert!(health.dropped.rows > 0 && health.dropped.high_frequency > 0, "{health:?}");
    assert_eq!(health.dropped.measured, 0, "no quarter hour is dropped");
    // As much again may be in the writer's hand.
    assert!(health.pending_bytes <= 32 << 20, "{health:?}");
    // Nobody ever waited for the disk: this is far below any time-out of it, and far above a busy machine.
    assert!(worst < Duration::from_secs(2), "{worst:?}");
    make_room();
    wait_for(|| store.health().failing.is_none());
    assert!(store.flush_blocking(SOON));
    let mut reader = store.reader();
    let quarters = reader
        .measured_between(
            "house",
            UseCase::Taf7LoadProfile,
            Mark::from_unix_s(0),
            Mark::from_unix_s(200_000),
            1_000,
        )
        .unwrap();
    let marks: Vec<i64> = quarters.iter().map(|one| one.mark.unix_s()).collect();
    assert_eq!(marks, (0..120_000).step_by(900).collect::<Vec<_>>());
    assert!(quarters.iter().all(|one| one.quality == Quality::Exact));
    // What was kept is there, and what was dropped is told.
    wait_for(|| {
        let events = reader.events_after(0, 1_000).unwrap();
        let has = |code| events.iter().any(|event| event.code == code);
        has(EventCode::StoreFailing) && has(EventCode::StoreOverflow) && has(EventCode::StoreRecovered)
    });
    let kept = reader.measured_after(0, 1_000_000).unwrap().len() as u64;
    let given = 119_999 + 120_000_u64.div_ceil(900);
    assert_eq!(
        kept + store.health().dropped.high_frequency,
        given,
        "each value is kept or counted as dropped"
    );
}

/// A file may not grow beyond this: the system says no as it does on a full disk, without any right to mount one.
fn limit_files(bytes: Option<u64>) {
    let limit = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(limit.maximum), ..limit }).unwrap();
}

#[test]
fn the_child_fills_its_limit() {
    let Some(folder) = folder_of_child() else { return };
    let store = open_in(&folder);
    let wal = folder.join("metergate.db-wal");
    let fill = || limit_files(Some(std::fs::metadata(&wal).unwrap().len() + 10_000));
    full(&store, fill, || limit_files(None));
    assert!(store.close(SOON));
}

#[test]
fn row_28_a_full_disk_drops_minutes_and_keeps_every_quarter_hour() {
    let place = Place::new();
    // Without the trap the first write beyond the limit would kill the child.
    let before = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
    let output = run_child("the_child_fills_its_limit", &before, place.folder.path());
    assert!(output.status.success());
    let report = metergate_gateway::store::check(&place.path()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
}

fn mount(args: &[&str]) {
    assert!(Command::new("mount").args(args).status().unwrap().success(), "mount {args:?}");
}

#[test]
fn the_child_fills_its_file_system() {
    let Some(folder) = folder_of_child() else { return };
    let disk = folder.join("disk");
    std::fs::create_dir(&disk).unwrap();
    let disk = disk.to_str().unwrap();
    mount(&["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]);
    let store = open_in(Path::new(disk));
    let ballast = Path::new(disk).join("ballast");
    let fill = || {
        // Others fill the disk to its last page.
        let mut bytes = vec![0_u8; 1 << 20];
        while !bytes.is_empty() {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(&ballast);
            if std::io::Write::write_all(&mut file.unwrap(), &bytes).is_err() {
                bytes.truncate(bytes.len() / 2);
            }
        }
    };
    full(&store, fill, || mount(&["-o", "remount,size=64m", disk]));
    let before = all_rows(&store);
    assert!(store.close(SOON));
    // The next start finds it read-only.
    mount(&["-o", "remount,ro", disk]);
    let store = open_in(Path::new(disk));
    let health = store.health();
    assert!(health.failing.is_some(), "{health:?}");
    store.append(nth(1));
    mount(&["-o", "remount,rw", disk]);
    wait_for(|| store.health().failing.is_none());
    assert!(store.flush_blocking(SOON));
    let after = all_rows(&store);
    assert_eq!(after[..before.len()], before);
    let last = &after[before.len()..];
    assert_eq!(last, [Row { seq: before.last().unwrap().seq + 1, ..nth(1) }]);
    assert!(store.close(SOON));
    let report = metergate_gateway::store::check(&Path::new(disk).join("metergate.db")).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    println!("the file system was full, then read-only");
}

#[test]
fn the_child_has_a_small_file_system() {
    let Some(folder) = folder_of_child() else { return };
    let disk = folder.join("disk");
    std::fs::create_dir(&disk).unwrap();
    let disk = disk.to_str().unwrap();
    mount(&["-t", "tmpfs", "-o", "size=20m", "tmpfs", disk]);
    let store = open_in(Path::new(disk));
    let mut random = Random::new(43);
    for hour in 0..500 {
        for n in 0..240 {
            store.append(noise(&mut random, NOON_MS + hour * 3_600_000 + n * 15_000));
        }
        store.measured(measured(NOON_MS / 1000 + hour * 3600, 0, UseCase::Taf7LoadProfile));
        if hour % 4 == 3 {
            assert!(store.flush_blocking(SOON));
            assert_eq!(store.health().failing, None, "hour {hour}");
        }
    }
    assert!(store.close(SOON));
    let report = metergate_gateway::store::check(&Path::new(disk).join("metergate.db")).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    let meter = &report.meters[0];
    println!("{} of {} readings are left in {} B", meter.rows, 500 * 240, report.bytes);
    assert!(meter.rows < 500 * 240 && meter.thinned_to_ms.is_some());
    let quarters = report.meters.iter().map(|meter| meter.quarter_hours).sum::<u64>();
    assert_eq!(quarters, 500, "no quarter hour is dropped");
    let free = rustix::fs::statvfs(disk).unwrap();
    assert!(free.f_bavail * free.f_frsize >= (20 << 20) / 8, "an eighth is left for others");
    println!("the small file system was never full");
}

#[test]
fn row_43_a_small_file_system_never_gets_full() {
    let place = Place::new();
    let own_mounts = ["unshare", "--user", "--map-root-user", "--mount"];
    let allowed = Command::new(own_mounts[0]).args(&own_mounts[1..]).arg("true").status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("NOT RUN: this host lets nobody mount a file system of its own (unshare --user --mount)");
        return;
    }
    let output = run_child("the_child_has_a_small_file_system", &own_mounts, place.folder.path());
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("the small file system was never full"));
}

#[test]
fn row_28_a_full_and_a_read_only_file_system_stop_no_meter() {
    let place = Place::new();
    // Where a process may not have mounts of its own, only the limit above stands for the full disk.
    let own_mounts = ["unshare", "--user", "--map-root-user", "--mount"];
    let allowed = Command::new(own_mounts[0]).args(&own_mounts[1..]).arg("true").status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("NOT RUN: this host lets nobody mount a file system of its own (unshare --user --mount)");
        return;
    }
    let output = run_child("the_child_fills_its_file_system", &own_mounts, place.folder.path());
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("the file system was full, then read-only"));
}

#[test]
fn a_store_that_cannot_be_opened_keeps_rows_until_it_can() {
    let place = Place::new();
    // A store of an earlier run, then a file where its folder should be.
    let folder = place.folder.path().join("state");
    std::fs::create_dir(&folder).unwrap();
    let setup = StoreSetup { path: folder.join("metergate.db"), spool: None, ..place.setup() };
    let (store, _) = Store::open(&setup).unwrap();
    for n in 0..10 {
        store.append(nth(n));
    }
    assert!(store.close(SOON));
    let away = place.folder.path().join("away");
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "no folder").unwrap();

    let (store, recovered) = Store::open(&setup).unwrap();
    assert!(recovered.failing.is_some());
    for n in 10..20 {
        store.append(nth(n));
    }
    store.event(event("meanwhile"));
    assert!(store.reader().rows_after(0, 1).is_err());
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    wait_for(|| store.health().failing.is_none());
    assert!(store.flush_blocking(SOON));
    // They have the numbers after those of the earlier run.
    let rows = all_rows(&store);
    let expected: Vec<Row> = (0..20).map(|n| Row { seq: u64::try_from(n).unwrap() + 1, ..nth(n) }).collect();
    assert_eq!(rows, expected);
    assert_eq!(rows[19].at.unix_ms, NOON_MS + 19_000);
}

#[test]
fn a_disk_that_hangs_holds_up_nobody_who_appends_and_is_found() {
    let place = Place::new();
    let clock = Clock::start();
    let heartbeats = Heartbeats::new(clock);
    let (store, _) = Store::open_watched(&place.setup(), &heartbeats).unwrap();
    let stuck = |later: u64| heartbeats.stuck(clock.now() + Duration::from_secs(later));
    store.append(nth(0));
    assert!(store.flush_blocking(SOON));
    // It waits for something to do, for as long as it likes.
    wait_for(|| stuck(3600).is_empty());
    // As long as somebody else has this, a commit of ours waits inside the database.
    let other = rusqlite::Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let seq = store.measured(measured(900, 0, UseCase::Taf7LoadProfile));
    wait_for(|| store.health().pending == 0);
    let begun = Instant::now();
    for n in 1..1_000 {
        store.append(nth(n));
        assert_eq!(store.health().dropped.total(), 0);
    }
    let took = begun.elapsed();
    assert!(store.committed().borrow().measured < seq, "it hangs still");
    let told: Vec<_> = stuck(31).into_iter().map(|task| (task.name, task.remedy)).collect();
    assert_eq!(told, [("store".into(), Remedy::Tell)]);
    assert!(took < Duration::from_secs(4), "{took:?}");
    other.execute_batch("ROLLBACK").unwrap();
    wait_for(|| store.committed().borrow().measured == seq);
    assert!(store.flush_blocking(SOON));
    assert_eq!(all_rows(&store).len(), 1_000);
    wait_for(|| stuck(3600).is_empty());
}

#[test]
fn a_spool_that_grows_large_is_committed_early() {
    let place = Place::new();
    let (store, _) = place.open();
    let mut random = Random::new(4);
    // 4 MiB of rows that the interval of 15 minutes would hold back.
    let mut last = 0;
    for n in 0..30_000 {
        last = store.append(noise(&mut random, NOON_MS + n * 1000)).seq;
        let health = store.health();
        assert!(health.spool_bytes.unwrap() <= 8 << 20 && health.spool_failing.is_none(), "{health:?}");
    }
    // Nobody asks for a commit.
    wait_for(|| store.committed().borrow().rows > 0);
    let copy = place.crash(true);
    assert_eq!(all_rows(&copy.open().0).len() as u64, last);
}
