//! Reads how much the store keeps.
use super::section::Section;
use std::time::Duration;

/// How much the store keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// How long detail may wait for the disk.
    pub commit_interval: Duration,
    /// How many MiB the store may take.
    pub max_mib: u32,
    /// Detail older than this is dropped; `None`: only the space counts.
    pub max_age: Option<Duration>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { commit_interval: Duration::from_secs(60), max_mib: 2048, max_age: None }
    }
}

/// Reads the section `store`.
pub(super) fn store(section: &Section<'_>) -> StoreConfig {
    section.only(&["commit_interval", "max_mib", "max_age"]);
    let usual = StoreConfig::default();
    let commit_interval = section.duration("commit_interval").unwrap_or(usual.commit_interval);
    if !(Duration::from_secs(1)..=Duration::from_secs(900)).contains(&commit_interval) {
        section.problem("commit_interval", "expected 1 s to 15 min", None);
    }
    StoreConfig {
        commit_interval,
        max_mib: section.whole("max_mib", 8..=1_000_000).unwrap_or(usual.max_mib),
        max_age: section.duration("max_age"),
    }
}
