//! Reads the section of a sink: InfluxDB line protocol over HTTP.
use crate::config::section::Section;
use std::path::Path;

/// Keys of this kind besides those of every sink.
const KEYS: &[&str] = &[];

/// Settings of InfluxDB line protocol over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfluxSetup {}

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, _folder: &Path) -> Option<InfluxSetup> {
    section.only(&[super::KEYS, KEYS].concat());
    section.problem("kind", "this kind is not built yet", None);
    None
}

/// What it means, for `check-config`: kind, receiver, and what is worth knowing; no secret.
impl std::fmt::Display for InfluxSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("influx")
    }
}
