//! Copies of the database and its log at random instants, as a power cut leaves them, and kills at random instants.
use crate::place::{Place, SOON, all_rows, event, measured, nth, wait_for};
use metergate_gateway::store::{Store, StoreSetup, UseCase};
use metergate_simulator::Random;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const COPIES: usize = 24;
const KILLS: usize = 8;

/// Header of the log, and a frame of it: 24 bytes and a page.
const WAL_HEADER: u64 = 32;
const FRAME: u64 = 24 + 4096;

fn beside(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", path.display()))
}

/// The log at an instant, as its index in shared memory tells it.
struct Log {
    /// What marks its life: it begins anew with other salts.
    life: Vec<u8>,
    /// Its length up to the last commit, which is on the disk.
    committed: u64,
    /// Its length up to the last frame that a checkpoint has put into the database, or begun to.
    backfilled: u64,
}

impl Log {
    fn of(path: &Path) -> Option<Self> {
        let mut life = vec![0; 32];
        fs::File::open(beside(path, "-wal")).ok()?.read_exact(&mut life).ok()?;
        let shm = fs::read(beside(path, "-shm")).ok()?;
        let frames = |at: usize| {
            let count = u32::from_ne_bytes(shm.get(at..at + 4)?.try_into().ok()?);
            Some(WAL_HEADER + u64::from(count) * FRAME)
        };
        Some(Self { life, committed: frames(16)?, backfilled: frames(128)? })
    }
}

/// A copy of database and log that a power cut could have left.
struct Copy {
    place: Place,
    /// The length of the log that is on the disk for certain: what was committed before the copy began, and what a
    /// checkpoint relies on.
    certain: u64,
    len: u64,
    amid_checkpoint: bool,
}

/// The database first, so that every page of it that a checkpoint was writing meanwhile is still in the log; `None`
/// when the log began anew meanwhile, which no single instant shows. A checkpoint that is asked for runs beside it.
fn copy_of(place: &Place, checkpoint: bool) -> Option<Copy> {
    let copy = Place::new();
    // Whoever reads keeps the log from beginning anew, but not from being written into the database.
    let reader = rusqlite::Connection::open(place.path()).ok()?;
    reader.execute_batch("BEGIN; SELECT count(*) FROM meter;").ok()?;
    let before = Log::of(&place.path())?;
    std::thread::scope(|scope| {
        if checkpoint {
            scope.spawn(|| {
                let other = rusqlite::Connection::open(place.path()).unwrap();
                // Busy when the writer makes one itself.
                let _ = other.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            });
        }
        fs::copy(place.path(), copy.path()).ok()
    })?;
    let after = Log::of(&place.path())?;
    let len = fs::copy(beside(&place.path(), "-wal"), beside(&copy.path(), "-wal")).ok()?;
    let last = Log::of(&place.path())?;
    let certain = before.committed.max(after.backfilled);
    let amid_checkpoint = after.backfilled > WAL_HEADER;
    let is_one = before.life == after.life && after.life == last.life && len >= certain;
    is_one.then_some(Copy { place: copy, certain, len, amid_checkpoint })
}

/// What is in a copy: everything up to somewhere, once, and of the quarter hours each mark.
fn read_copy(copy: &Place) -> (u64, u64) {
    let setup = StoreSetup { spool: None, ..copy.setup() };
    let (store, recovered) = Store::open(&setup).unwrap();
    assert_eq!(recovered.moved_aside, None, "the copy is sound");
    let rows: Vec<u64> = all_rows(&store).iter().map(|row| row.seq).collect();
    assert_eq!(rows, (1..=rows.len() as u64).collect::<Vec<_>>());
    let mut reader = store.reader();
    let measured = reader.measured_after(0, 1_000_000).unwrap();
    let measured: Vec<(u64, i64)> = measured.iter().map(|one| (one.seq, one.mark.unix_s())).collect();
    let marks = (900..).step_by(900);
    assert_eq!(measured, (1..).zip(marks).take(measured.len()).collect::<Vec<_>>());
    assert!(store.close(SOON));
    let report = metergate_gateway::store::check(&copy.path()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    (rows.len() as u64, measured.len() as u64)
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn copies_at_random_instants_have_every_committed_quarter_hour_once() {
    let place = Place::new();
    let (store, _) = place.open();
    let stop = AtomicBool::new(false);
    let committed = store.committed();
    let mut random = Random::new(11);
    let (mut whole, mut torn, mut checkpoints) = (0, 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut mark = 0;
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // Seven minutes a row, so that hours are sealed all the time.
                store.append(nth(n * 420));
                if n % 4 == 3 {
                    mark += 900;
                    // Fills the log, so that it is checkpointed and begins anew now and then.
                    store.event(event(&"x".repeat(12_000)));
                    store.measured(measured(mark, 0, UseCase::Taf7LoadProfile));
                    assert!(store.flush_blocking(SOON));
                }
            }
        });
        // Also when this thread panics.
        let _stop = Stop(&stop);
        while whole + torn < COPIES || checkpoints < 4 {
            std::thread::sleep(Duration::from_millis(random.below(60)));
            // What is told as committed before the copy begins must be in it.
            let promised = *committed.borrow();
            let checkpoint = random.below(3) == 0;
            let Some(copy) = copy_of(&place, checkpoint) else { continue };
            checkpoints += usize::from(copy.amid_checkpoint);
            let cut = copy.certain + random.below(copy.len - copy.certain + 1);
            let wal = beside(&copy.place.path(), "-wal");
            match random.below(3) {
                0 => whole += 1,
                // What was on its way to the disk arrived in part.
                1 => {
                    fs::OpenOptions::new().write(true).open(&wal).unwrap().set_len(cut).unwrap();
                    torn += 1;
                }
                // Or something else stands where it should be.
                _ => {
                    let mut bytes = fs::read(&wal).unwrap();
                    bytes[usize::try_from(cut).unwrap()..].fill(random.below(256).to_le_bytes()[0]);
                    fs::write(&wal, bytes).unwrap();
                    torn += 1;
                }
            }
            let (rows, measured) = read_copy(&copy.place);
            assert!(rows >= promised.rows && measured >= promised.measured, "{rows} {measured} {promised:?}");
        }
    });
    println!("{whole} whole and {torn} torn copies, {checkpoints} of them amid a checkpoint or after one");
    assert!(whole > 0 && torn > 0);
}

/// The child appends until it is killed, and says of each row that it was kept.
#[test]
fn the_child_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os("METERGATE_TEST_KILLED") else { return };
    let folder = PathBuf::from(folder);
    let setup = StoreSetup {
        spool: Some(folder.join("spool")),
        commit_interval: Duration::from_secs(1),
        ..StoreSetup::new(folder.join("metergate.db"))
    };
    let (store, _) = Store::open(&setup).unwrap();
    let mut mark_s = 0;
    loop {
        let row = store.append(nth(0));
        println!("\nrow {}", row.seq);
        if row.seq % 16 == 0 {
            mark_s += 900;
            let taf6 = measured(mark_s, 0, UseCase::Taf6OnDemand);
            println!("\nmeasured {}", store.measured(taf6));
        }
        // Some thousand rows a second are enough for a kill to hit each step.
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn row_29_nothing_that_was_appended_is_lost_to_a_kill_and_nothing_is_doubled() {
    let place = Place::new();
    let mut random = Random::new(29);
    let (mut rows, mut measured) = (0, 0);
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "torn::the_child_appends_until_it_is_killed", "--nocapture"])
            .env("METERGATE_TEST_KILLED", place.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // From the first row on, so that each round gets somewhere.
        let first = lines.find(|line| line.as_ref().unwrap().starts_with("row ")).unwrap().unwrap();
        let pid = child.id();
        let after = Duration::from_millis(random.below(700));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(after);
            child.kill().unwrap();
            child.wait().unwrap();
        });
        let mut told = vec![first];
        told.extend(lines.map_while(Result::ok));
        killer.join().unwrap();
        // The last line may be torn like everything else.
        let torn = told.pop();
        for line in &told {
            if let Some(seq) = line.strip_prefix("row ") {
                rows = seq.parse().unwrap();
            }
            if let Some(seq) = line.strip_prefix("measured ") {
                measured = seq.parse().unwrap();
            }
        }
        println!("kill {kill} of {pid} after {after:?}: {rows} rows, {measured} snapshots, then {torn:?}");
        let (store, recovered) = place.open();
        assert_eq!(recovered.torn, 0);
        let found: Vec<u64> = all_rows(&store).iter().map(|row| row.seq).collect();
        assert!(found.len() as u64 >= rows, "{} of {rows}", found.len());
        assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>());
        let snapshots = store.reader().measured_after(0, 1_000_000).unwrap();
        assert!(snapshots.len() as u64 >= measured, "{} of {measured}", snapshots.len());
        assert!(snapshots.iter().map(|one| one.seq).eq(1..=snapshots.len() as u64));
        assert!(store.close(SOON));
        rows = found.len() as u64;
        measured = snapshots.len() as u64;
    }
    assert!(rows > 0);
    wait_for(|| !beside(&place.path(), "-wal").exists());
}
