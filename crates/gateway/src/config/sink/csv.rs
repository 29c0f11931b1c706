//! Reads the section of a sink: monthly CSV files.
use crate::config::CsvSetup;
use crate::config::section::Section;
use std::path::Path;

/// Keys of this kind besides those of every sink.
const KEYS: &[&str] = &["directory", "utc_column", "decimal", "file_max_mib", "free_min_mib"];

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<CsvSetup> {
    section.only(&[super::KEYS, KEYS].concat());
    if section.table.get("directory").is_none() {
        section.problem("", "there is no `directory`", "directory = \"/var/lib/metergate/csv\"".to_owned());
    }
    let usual = CsvSetup::new(folder.join(section.text("directory")?.value));
    Some(CsvSetup {
        utc_column: section.truth("utc_column").unwrap_or(usual.utc_column),
        decimal_comma: section
            .word("decimal", &[("comma", true), ("point", false)])
            .unwrap_or(usual.decimal_comma),
        file_max_mib: section.whole("file_max_mib", 1..=4096).unwrap_or(usual.file_max_mib),
        free_min_mib: section.whole("free_min_mib", 0..=1_000_000).unwrap_or(usual.free_min_mib),
        ..usual
    })
}
