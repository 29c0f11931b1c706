//! Prices by HTTP: fetched on a schedule, kept on the disk, and read from there by reports.
//!
//! An answer is believed as a whole or not at all: a broken line, a page of an error or an answer that is too long
//! leaves the prices that are there as they are, and is told once.
mod fetch;
mod kept;

pub use kept::read_file;

use crate::config::PriceFeedSetup;
use crate::event::{Event, EventCode};
use crate::store::Store;
use fetch::{Fetch, Fetched};
use kept::Kept;
use std::io;
use std::time::Duration;

/// After a failure it is tried again so soon, doubled up to the schedule.
const RETRY_MIN: Duration = Duration::from_secs(60);

/// How long a fetch may take and an answer may be, and how soon it is tried again: other in tests.
#[derive(Debug, Clone, Copy)]
struct Limits {
    time: Duration,
    bytes: u64,
    retry_min: Duration,
}

impl Limits {
    const USUAL: Self =
        Self { time: crate::net::http::REQUEST_TIMEOUT, bytes: kept::FILE_LEN_MAX, retry_min: RETRY_MIN };
}

/// Fetches prices as long as it is polled; whoever started it ends it.
///
/// # Errors
/// When a certificate cannot be read.
pub fn feed(setup: &PriceFeedSetup, store: Store) -> io::Result<impl Future<Output = ()> + Send + use<>> {
    Ok(Feed::new(setup, store, Limits::USUAL)?.run())
}

struct Feed {
    fetch: Fetch,
    kept: Kept,
    store: Store,
    refresh: Duration,
    limits: Limits,
    /// What was told to be wrong.
    failing: bool,
}

impl Feed {
    fn new(setup: &PriceFeedSetup, store: Store, limits: Limits) -> io::Result<Self> {
        Ok(Self {
            fetch: Fetch::new(&setup.endpoint, limits)?,
            kept: Kept::new(setup.file.clone()),
            store,
            refresh: setup.refresh,
            limits,
            failing: false,
        })
    }

    async fn run(mut self) {
        let known = self.kept.known(self.fetch.address());
        let age_s = known.map(|known| now_s().saturating_sub(known.fetched_s));
        // After a restart the schedule goes on; a clock that was set back begins it anew.
        let age = age_s.and_then(|age_s| u64::try_from(age_s).ok()).map(Duration::from_secs);
        tokio::time::sleep(age.map_or(Duration::ZERO, |age| self.refresh.saturating_sub(age))).await;
        let mut retry = self.limits.retry_min;
        loop {
            let wait = match self.refresh().await {
                Ok(()) => {
                    retry = self.limits.retry_min;
                    self.note(None);
                    self.refresh
                }
                Err(trouble) => {
                    self.note(Some(trouble));
                    let wait = retry.min(self.refresh);
                    retry = retry.saturating_mul(2).min(self.refresh);
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Fetches once.
    async fn refresh(&mut self) -> Result<(), String> {
        let known = self.kept.known(self.fetch.address());
        let fetched = self.fetch.get(known.as_ref(), now_s()).await?;
        let kept = self.kept.clone();
        // The disk may take its time; other tasks of this thread do not wait for it.
        let written = tokio::task::spawn_blocking(move || match fetched {
            Fetched::New(prices, known) => kept.put(&prices, &known),
            Fetched::Unchanged(known) => kept.note(&known),
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("prices cannot be kept: {error}")),
            Err(error) => Err(format!("prices cannot be kept: {error}")),
        }
    }

    /// Tells the beginning and the end of trouble, once each.
    fn note(&mut self, trouble: Option<String>) {
        let (code, detail) = match (trouble, self.failing) {
            (Some(trouble), false) => {
                tracing::warn!("prices: {trouble}; those of before hold");
                (EventCode::PricesFailing, trouble)
            }
            (None, true) => {
                tracing::info!("prices: fetched again");
                (EventCode::PricesRecovered, String::new())
            }
            _ => return,
        };
        self.failing = code == EventCode::PricesFailing;
        let at = crate::clock::time_of_day();
        self.store.event(Event { seq: 0, at, code, about: None, detail, count: 1 });
    }
}

fn now_s() -> i64 {
    crate::clock::time_of_day().unix_ms.div_euclid(1000)
}

#[cfg(test)]
mod tests;
