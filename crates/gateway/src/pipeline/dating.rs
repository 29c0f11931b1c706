//! Readings that came before any clock could be trusted: when one can, they get their time, and quarter hours of them
//! are chosen as if they had come with it.
use crate::store::{Row, Store};
use metergate_reading::{Instant, Trust};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Asks the store to date what came without a time, once a clock can be trusted.
#[derive(Debug)]
pub(super) struct Dating {
    /// There may be rows without a time.
    undated: bool,
    asked: Option<oneshot::Receiver<Vec<Arc<Row>>>>,
}

impl Dating {
    /// A run before in the same boot may have left rows without a time.
    pub(super) fn new() -> Self {
        Self { undated: true, asked: None }
    }

    /// A reading was entered.
    pub(super) fn note(&mut self, at: Instant) {
        self.undated |= at.trust == Trust::None;
    }

    /// Looks at the clock, once a second: what has no time is to get its own as soon as one can be trusted.
    ///
    /// `since_boot_ms` is the same instant as `now`, counted from the boot.
    pub(super) fn look(&mut self, now: Instant, since_boot_ms: i64, boot: Option<&str>, store: &Store) {
        if self.undated && self.asked.is_none() && now.trust != Trust::None {
            self.undated = false;
            let booted = Instant { unix_ms: now.unix_ms.saturating_sub(since_boot_ms), trust: now.trust };
            self.asked = boot.map(|boot| store.date_rows(boot, booted));
        }
    }

    /// True while the store has not answered.
    pub(super) fn waits(&self) -> bool {
        self.asked.is_some()
    }

    /// Waits for the rows that have got their time and are in the store, in its order; for ever while nothing was
    /// asked. Given up in the middle it has changed nothing.
    pub(super) async fn dated(&mut self) -> Vec<Arc<Row>> {
        let Some(asked) = &mut self.asked else { return std::future::pending().await };
        // A store that has ended dates nothing; the next start will.
        let rows = asked.await.unwrap_or_default();
        self.asked = None;
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TariffSetup;
    use crate::pipeline::book::Book;
    use crate::plausible::{Arrival, Limits};
    use crate::store::{Measured, RowFlags, StoreSetup, UseCase};
    use metergate_reading::{Address, Number, Reading, Register, RegisterBuf, Unit, Value};
    use metergate_tariff::Grid;
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(20);
    /// 2026-04-12T09:40:00Z, ten minutes after the boot.
    const BOOT_MS: i64 = 1_775_986_800_000 - 600_000;

    /// A meter that is read each ten seconds from the boot on, for 50 minutes; half an hour without any clock, if
    /// `undated`. Returns what the use cases chose.
    fn chosen(undated: bool) -> Vec<Measured> {
        let folder = tempfile::tempdir().unwrap();
        let setup = StoreSetup {
            boot: Some("boot-1".to_owned()),
            ..StoreSetup::new(folder.path().join("metergate.db"))
        };
        let (store, _) = Store::open(&setup).unwrap();
        let mut reader = store.reader();
        let tariff = TariffSetup {
            high_frequency: Some(Grid::MINUTE),
            boot_snapshot: false,
            ..TariffSetup::default()
        };
        let unset = Instant { unix_ms: 0, trust: Trust::None };
        let mut book = Book::open("haus".into(), &tariff, &Limits::default(), &mut reader, unset).unwrap();
        let mut dating = Dating::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for second in (0..3_000).step_by(10) {
            let since_boot_ms = i64::from(second) * 1000;
            let host = if undated && second < 1_800 {
                Instant { unix_ms: since_boot_ms, trust: Trust::None }
            } else {
                Instant { unix_ms: BOOT_MS + since_boot_ms, trust: Trust::HostSynchronised }
            };
            let mut energy = Register::new(Address::Obis, Value::Number(Number::new(i64::from(second), 0)));
            energy.obis = Some("1-0:1.8.0".parse().unwrap());
            energy.unit = Some(Unit::WattHour);
            let registers = vec![RegisterBuf::from(energy)];
            let reading = Reading { meter: None, time: None, received: host, registers };
            let arrival = Arrival { host, monotonic: None, live: true, flags: RowFlags::default() };
            let (sample, _) = book.reading(&reading, arrival, &store, &mut reader);
            dating.note(sample.unwrap().at);
            // The clock is set a moment after the reading.
            dating.look(host, since_boot_ms, Some("boot-1"), &store);
            if dating.waits() {
                for row in runtime.block_on(dating.dated()) {
                    assert!(row.flags.contains(RowFlags::DATED_LATER));
                    book.measured(&row, &store);
                }
            }
        }
        assert!(store.flush_blocking(SOON));
        let mut all = reader.measured_after(0, 1000).unwrap();
        all.sort_by_key(|measured| (measured.case, measured.mark));
        all
    }

    #[test]
    fn readings_that_are_dated_afterwards_give_the_quarter_hours_and_minutes_of_those_that_came_with_their_time()
     {
        let key = |one: &Measured| (one.case, one.mark, one.quality, one.row.at, one.row.mantissas.clone());
        let (dated, timely) = (chosen(true), chosen(false));
        assert_eq!(dated.iter().map(key).collect::<Vec<_>>(), timely.iter().map(key).collect::<Vec<_>>());
        let of = |case| dated.iter().filter(|one| one.case == case).collect::<Vec<_>>();
        assert_eq!(of(UseCase::Taf14HighFrequency).len(), 50);
        let quarter_hours: Vec<(i64, bool)> = of(UseCase::Taf7LoadProfile)
            .iter()
            .map(|one| {
                let since_boot_s = one.mark.unix_s() - BOOT_MS / 1000;
                (since_boot_s, one.row.flags.contains(RowFlags::DATED_LATER))
            })
            .collect();
        // The boot was at a half hour.
        assert_eq!(quarter_hours, [(0, true), (900, true), (1_800, false), (2_700, false)]);
    }
}
