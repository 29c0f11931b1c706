//! The books of all meters and sources, opened from the store, or blind when the store cannot be read.
use super::book::Book;
use crate::config::{Gateway, TariffSetup};
use crate::plausible::Limits;
use crate::store::Reader;
use metergate_reading::Instant;
use std::collections::HashMap;
use std::sync::Arc;

/// The books of all meters and sources, by name.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) all: HashMap<Arc<str>, Book>,
    setups: Vec<(Arc<str>, TariffSetup, Limits)>,
    /// The store could not be read yet: readings are judged by themselves, and no epoch is written.
    blind: bool,
}

impl Books {
    /// Opens them where the store left off. A disk that is not there keeps no meter from being read.
    pub(super) fn open(gateway: &Gateway, reader: &mut Reader, now: Instant) -> Self {
        let meters = gateway
            .meters
            .iter()
            .map(|meter| (Arc::from(meter.name.as_str()), meter.tariff.clone(), meter.limits.clone()));
        let sources = gateway
            .sources
            .iter()
            .map(|source| (Arc::from(source.name.as_str()), TariffSetup::default(), Limits::default()));
        let mut books = Self { all: HashMap::new(), setups: meters.chain(sources).collect(), blind: true };
        books.open_blind(reader, now);
        for (name, tariff, limits) in books.setups.iter().filter(|_| books.blind) {
            books.all.insert(Arc::clone(name), Book::blind(Arc::clone(name), tariff, limits, now));
        }
        books
    }

    /// Opens them as soon as the store can be read, if that was not so at the start.
    pub(super) fn open_blind(&mut self, reader: &mut Reader, now: Instant) {
        if !self.blind {
            return;
        }
        let opened = self.setups.iter().map(|(name, tariff, limits)| {
            Ok((Arc::clone(name), Book::open(Arc::clone(name), tariff, limits, reader, now)?))
        });
        match opened.collect::<Result<_, crate::store::StoreError>>() {
            Ok(all) => (self.all, self.blind) = (all, false),
            Err(error) => tracing::debug!("the store cannot be read yet: {error}"),
        }
    }
}
