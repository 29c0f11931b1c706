//! A store in a folder of its own, rows to put into it, and crashes.
use metergate_gateway::event::{Event, EventCode};
use metergate_gateway::store::{
    Column, Mark, Measured, Quality, Recovered, Row, RowFlags, Shape, Store, StoreSetup, UseCase,
};
use metergate_reading::{Instant, Trust, Unit};
use metergate_simulator::Random;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// 2026-04-12T09:40:00Z.
pub(crate) const NOON_MS: i64 = 1_775_986_800_000;

pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A database and its spool in a folder that goes with the test.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("spool")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("metergate.db")
    }

    pub(crate) fn setup(&self) -> StoreSetup {
        StoreSetup {
            spool: Some(self.folder.path().join("spool")),
            commit_interval: Duration::from_secs(900),
            boot: Some("boot-1".to_owned()),
            ..StoreSetup::new(self.path())
        }
    }

    pub(crate) fn open(&self) -> (Store, Recovered) {
        Store::open(&self.setup()).unwrap()
    }

    /// What a crash at this instant leaves, with the spool or, after a power cut, without.
    ///
    /// The spool is copied first: what a commit takes out of it meanwhile is in the database then. Whoever reads keeps
    /// the log of the database from beginning anew meanwhile.
    pub(crate) fn crash(&self, with_spool: bool) -> Self {
        let copy = Self::new();
        if with_spool {
            for entry in std::fs::read_dir(self.folder.path().join("spool")).unwrap() {
                let entry = entry.unwrap();
                let to = copy.folder.path().join("spool").join(entry.file_name());
                match std::fs::copy(entry.path(), to) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
                    _ => {}
                }
            }
        }
        let reader = rusqlite::Connection::open(self.path()).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM meter;").unwrap();
        for ending in ["", "-wal"] {
            let name = format!("metergate.db{ending}");
            if self.folder.path().join(&name).exists() {
                std::fs::copy(self.folder.path().join(&name), copy.folder.path().join(&name)).unwrap();
            }
        }
        copy
    }
}

pub(crate) fn shape() -> Arc<Shape> {
    let column = |id: &str, unit, exponent| Column { id: id.parse().unwrap(), unit: Some(unit), exponent };
    let energy = column("1-0:1.8.0", Unit::WattHour, -1);
    Arc::new(Shape([energy, column("1-0:16.7.0", Unit::Watt, 0)].into()))
}

pub(crate) fn row(meter: &str, unix_ms: i64, mantissas: [i64; 2]) -> Row {
    Row {
        seq: 0,
        meter: meter.into(),
        at: Instant { unix_ms, trust: Trust::HostSynchronised },
        meter_clock_s: (meter == "house").then_some(unix_ms / 1000),
        flags: RowFlags::default(),
        shape: shape(),
        mantissas: mantissas.into(),
    }
}

/// The n-th row of a household with two meters, one second after the other.
pub(crate) fn nth(n: i64) -> Row {
    let meter = if n % 3 == 2 { "garage" } else { "house" };
    row(meter, NOON_MS + n * 1000, [352_040_842 + n, 1_055 - n % 7])
}

/// A row of 20 registers that no compressor makes smaller, so that much is quickly made.
pub(crate) fn noise(random: &mut Random, unix_ms: i64) -> Row {
    static SHAPE: OnceLock<Arc<Shape>> = OnceLock::new();
    let shape = SHAPE.get_or_init(|| {
        let columns = (0..20).map(|n| Column {
            id: format!("1-0:1.8.{n}").parse().unwrap(),
            unit: Some(Unit::WattHour),
            exponent: 0,
        });
        Arc::new(Shape(columns.collect()))
    });
    let mantissas = (0..20).map(|_| random.below(1 << 60).cast_signed()).collect();
    Row { shape: Arc::clone(shape), mantissas, ..row("house", unix_ms, [0; 2]) }
}

pub(crate) fn measured(mark_s: i64, after_ms: i64, case: UseCase) -> Measured {
    Measured {
        seq: 0,
        case,
        mark: Mark::from_unix_s(mark_s),
        quality: if after_ms < 15_000 { Quality::Exact } else { Quality::Late },
        clock_doubtful: false,
        row: row("house", mark_s * 1000 + after_ms, [mark_s / 900, 1]),
    }
}

pub(crate) fn event(detail: &str) -> Event {
    let at = Instant { unix_ms: NOON_MS, trust: Trust::HostSynchronised };
    Event {
        seq: 0,
        at,
        code: EventCode::Silent,
        about: Some("house".into()),
        detail: detail.to_owned(),
        count: 1,
    }
}

pub(crate) fn all_rows(store: &Store) -> Vec<Row> {
    store.reader().rows_after(0, 1_000_000).unwrap()
}

pub(crate) fn wait_for(mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + SOON;
    while !condition() {
        assert!(std::time::Instant::now() < end, "it never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}
