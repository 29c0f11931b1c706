//! Not built yet.
use super::news::News;
use super::sample::{Delivered, Entry, Trouble};
use crate::config::GraphiteSetup;
use std::sync::Arc;

/// Not built yet.
#[derive(Debug)]
pub(crate) struct Graphite {}

impl Graphite {
    /// A sink that has connected to nobody yet. `meters` are the meters it gets.
    #[allow(clippy::unnecessary_wraps)]
    pub(crate) fn new(_setup: &GraphiteSetup, _meters: &[Arc<str>]) -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Hands over entries of the durable path, in order.
    #[allow(clippy::unused_async)]
    pub(crate) async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        Delivered::all(batch)
    }

    /// Tells what is new.
    #[allow(clippy::unused_async)]
    pub(crate) async fn tell(&mut self, _news: &News) -> Result<(), Trouble> {
        Ok(())
    }

    /// Says good-bye within a moment.
    #[allow(clippy::unused_async)]
    pub(crate) async fn close(&mut self) {}
}
