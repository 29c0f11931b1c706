//! Reads the section of one sink.
use super::meter::check_name;
use super::node::Value;
use super::problem::did_you_mean;
use super::section::Section;
use super::setup::{CsvSetup, MeterSetup, Selection, SinkKind, SinkSetup};
use crate::cli::Format;
use std::path::Path;

/// Keys of every sink.
const KEYS: &[&str] = &["kind", "meters", "registers", "min_interval"];

/// Keys of a CSV sink besides.
const CSV_KEYS: &[&str] = &["directory", "utc_column", "decimal", "file_max_mib", "free_min_mib"];

#[derive(Clone, Copy)]
enum Kind {
    Stdout,
    Csv,
}

const KINDS: &[(&str, Kind)] = &[("stdout", Kind::Stdout), ("csv", Kind::Csv)];

/// Reads a sink; what is wrong is noted in the section's reading, and then there is no sink.
pub(super) fn sink(
    name: &str,
    section: &Section<'_>,
    meters: &[MeterSetup],
    folder: &Path,
) -> Option<SinkSetup> {
    check_name(name, section);
    if section.table.get("kind").is_none() {
        let kinds: Vec<String> = KINDS.iter().map(|(kind, _)| format!("\"{kind}\"")).collect();
        section.problem("", "there is no `kind`", format!("kind = {}", kinds.join(" or ")));
        return None;
    }
    let kind = match section.word("kind", KINDS)? {
        Kind::Stdout => {
            section.only(&[KEYS, &["format"]].concat());
            let words = [("text", Format::Text), ("json", Format::Json)];
            SinkKind::Stdout { format: section.word("format", &words).unwrap_or_default() }
        }
        Kind::Csv => {
            section.only(&[KEYS, CSV_KEYS].concat());
            SinkKind::Csv(csv(section, folder)?)
        }
    };
    Some(SinkSetup { name: name.to_owned(), kind, selection: selection(section, meters) })
}

fn csv(section: &Section<'_>, folder: &Path) -> Option<CsvSetup> {
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

fn selection(section: &Section<'_>, meters: &[MeterSetup]) -> Selection {
    let wanted = section.list("meters", |item| match item {
        Value::Text(name) if meters.iter().any(|meter| meter.name == *name) => Ok(name.clone()),
        Value::Text(name) => {
            let known = meters.iter().map(|meter| meter.name.as_str());
            Err(format!("there is no meter `{name}`; {}", did_you_mean(name, known)))
        }
        other => Err(format!("expected names of meters, found {}", other.kind())),
    });
    Selection {
        meters: wanted,
        registers: section.list("registers", |item| match item {
            Value::Text(pattern) => pattern.parse(),
            other => Err(format!("expected OBIS codes in quotes, found {}", other.kind())),
        }),
        min_interval: section.duration("min_interval"),
    }
}
