//! Disks that are full or read-only under the running daemon, in a mount of its own.
use crate::daemon::{Daemon, Place, counter, text, wait_for};
use metergate_gateway::store::{Mark, UseCase};
use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;

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
    let mut reader = place.reader();
    let times = reader.rows_after(0, 100_000).unwrap().into_iter().map(|row| row.at.unix_ms / 1000 - START_S);
    assert!(times.eq((0..).step_by(60).take(minutes)));
    let (from, to) = (Mark::from_unix_s(0), Mark::from_unix_s(i64::MAX));
    let quarters = reader.measured_between("haus", UseCase::Taf7LoadProfile, from, to, 10_000).unwrap();
    assert_eq!(quarters.len(), minutes.div_ceil(15));
}

#[test]
fn a_full_disk_stops_no_meter_and_costs_nothing_when_there_is_space_again() {
    in_own_mounts("a_full_disk_stops_no_meter_and_costs_nothing_when_there_is_space_again", || {
        let place = place();
        let mut daemon = place.start();
        say(&place, &mut daemon, 0..60);
        all_kept(&place, 60);
        let ballast = place.path("state").join("ballast");
        let mut bytes = vec![0_u8; 1 << 20];
        let mut file = OpenOptions::new().create(true).append(true).open(&ballast).unwrap();
        while !bytes.is_empty() {
            if file.write_all(&bytes).is_err() {
                bytes.truncate(bytes.len() / 2);
            }
        }
        let mut said = 60;
        wait_for("store that says that it cannot write", || {
            say(&place, &mut daemon, said..said + 60);
            said += 60;
            !error(&place).is_empty()
        });
        println!("{said} telegrams, {}", error(&place));
        assert_eq!(text(&place.status()["meters"]["haus"]["verdict"]), "ok");
        drop(file);
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
