//! What was used since midnight: the counters now, less what they showed then.
use super::Site;
use crate::clock;
use crate::store::{Mark, Reader, Store};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use metergate_reading::{Number, ObisCode, RegisterId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Import and export of electricity, heat, gas, water.
pub(super) const COUNTERS: [ObisCode; 5] = [
    ObisCode::new(1, 0, 1, 8, 0, 255),
    ObisCode::new(1, 0, 2, 8, 0, 255),
    ObisCode::new(6, 0, 1, 0, 0, 255),
    ObisCode::new(7, 0, 3, 0, 0, 255),
    ObisCode::new(8, 0, 1, 0, 0, 255),
];

/// The store has a new quarter hour this often; a day begins within a minute.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// Where a counter stood when the day began, or at the first mark of the day that has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beginning {
    /// The mark.
    pub(super) mark: Mark,
    /// The counter, going on over exchanges.
    pub(super) total: Number,
    /// It is midnight.
    pub(super) whole_day: bool,
}

/// The beginnings of today.
#[derive(Debug)]
pub(super) struct Today {
    store: Store,
    beginnings: Mutex<HashMap<(Arc<str>, ObisCode), Beginning>>,
}

impl Today {
    /// Nothing is known yet.
    pub(super) fn new(store: Store) -> Self {
        Self { store, beginnings: Mutex::default() }
    }

    /// Where a counter stood.
    pub(super) fn beginning(&self, meter: &Arc<str>, code: ObisCode) -> Option<Beginning> {
        let beginnings = self.beginnings.lock().unwrap_or_else(PoisonError::into_inner);
        beginnings.get(&(Arc::clone(meter), code)).copied()
    }

    /// Asks the store; blocks.
    fn look(&self, reader: &mut Reader, meters: &[Arc<str>], now: Timestamp, zone: &TimeZone) {
        let midnight = now.to_zoned(zone.clone()).start_of_day().map(|zoned| zoned.timestamp());
        let Ok(midnight) = midnight else { return };
        let (from, to) = (Mark::from_unix_s(midnight.as_second()), Mark::from_unix_s(now.as_second() + 1));
        let mut found = HashMap::new();
        for meter in meters {
            for code in COUNTERS {
                let hours = reader.quarter_hours(meter, &RegisterId::obis_code(code), from, to);
                let first =
                    hours.unwrap_or_default().into_iter().find_map(|hour| Some((hour.mark, hour.total?)));
                if let Some((mark, total)) = first {
                    let beginning = Beginning { mark, total, whole_day: mark == from };
                    found.insert((Arc::clone(meter), code), beginning);
                }
            }
        }
        *self.beginnings.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

/// Keeps the beginnings right until the page ends.
pub(super) async fn follow(site: Site) {
    let mut tick = tokio::time::interval(LOOK_INTERVAL);
    let mut reader = site.today.store.reader();
    loop {
        tick.tick().await;
        let inside = Site::clone(&site);
        let looked = tokio::task::spawn_blocking(move || {
            let meters: Vec<Arc<str>> = inside.board.meters().into_iter().map(|meter| meter.name).collect();
            let now = Timestamp::from_millisecond(clock::time_of_day().unix_ms).unwrap_or_default();
            inside.today.look(&mut reader, &meters, now, &TimeZone::system());
            reader
        });
        match looked.await {
            Ok(back) => reader = back,
            Err(_) => return,
        }
    }
}
