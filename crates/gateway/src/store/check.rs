//! Looks through a whole store for damage, and tells what is in it.
use super::block::{self, BlockRow};
use super::error::Doing;
use super::reader::{Names, Reader, get};
use super::{Budget, Mark, StoreError};
use rusqlite::{Connection, params};
use std::path::Path;

/// Findings that are told; a file that is damaged all over has thousands.
const PROBLEMS_MAX: usize = 50;

/// What a look through a store found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Version of the schema.
    pub schema: i64,
    /// Bytes of the file, and of these in use.
    pub bytes: u64,
    /// Bytes in use.
    pub used: u64,
    /// Each meter.
    pub meters: Vec<MeterReport>,
    /// Events that are kept.
    pub events: u64,
    /// Numbers in quarantine.
    pub held: u64,
    /// Readings without a time.
    pub undated: u64,
    /// How far each sink has delivered: sink, stream, number, and the newest number of the stream.
    pub cursors: Vec<(String, String, u64, u64)>,
    /// What is wrong; a sentence each.
    pub problems: Vec<String>,
}

/// What a store has of a meter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeterReport {
    /// Its name in the configuration.
    pub name: String,
    /// Readings.
    pub rows: u64,
    /// First and last time of them, milliseconds since 1970.
    pub span_ms: Option<(i64, i64)>,
    /// Up to here there is a reading a minute only.
    pub thinned_to_ms: Option<i64>,
    /// Quarter hours with a value.
    pub quarter_hours: u64,
    /// First and last of them.
    pub marks: Option<(Mark, Mark)>,
    /// Marks between these without a value.
    pub missing: u64,
}

/// Looks through the store at a path; a gateway may have it open.
///
/// # Errors
/// When it cannot be opened at all. Damage is in the report.
pub fn check(path: &Path) -> Result<Report, StoreError> {
    let mut reader = Reader::open(path)?;
    reader.in_snapshot(|connection, names| {
        let mut report = Report {
            schema: connection.query_row("PRAGMA user_version", [], |row| row.get(0)).doing("checking")?,
            bytes: super::budget::file(connection)?,
            used: super::budget::used(connection)?,
            ..Report::default()
        };
        integrity(connection, &mut report)?;
        // What follows reads what may be damaged: a failure is a finding.
        for look in [blocks, measured, counts, meters] {
            if let Err(error) = look(connection, names, &mut report) {
                report.problem(error.to_string());
            }
        }
        Ok(report)
    })
}

impl Report {
    /// Whether all of it can be read.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// True when the file is larger than the budget allows.
    #[must_use]
    pub fn is_over(&self, budget: &Budget) -> bool {
        self.bytes > budget.bytes.max(Budget::BYTES_MIN)
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}

fn integrity(connection: &Connection, report: &mut Report) -> Result<(), StoreError> {
    let sql = format!("PRAGMA integrity_check({PROBLEMS_MAX})");
    let mut select = connection.prepare(&sql).doing("checking")?;
    let found = select.query_map([], |row| row.get::<_, String>(0)).doing("checking")?;
    for line in found {
        match line {
            Ok(line) if line == "ok" => {}
            Ok(line) => report.problem(line),
            Err(error) => report.problem(error.to_string()),
        }
    }
    Ok(())
}

/// Reads every block, and holds what its table row says of it against its rows.
fn blocks(connection: &Connection, names: &mut Names, report: &mut Report) -> Result<(), StoreError> {
    let mut group_end = 0;
    for table in ["chunk", "recent"] {
        let sql = format!(
            "SELECT first, last, grp, meter, count, min_ms, max_ms, length, bytes FROM {table} ORDER BY first"
        );
        let mut select = connection.prepare(&sql).doing("checking")?;
        let mut found = select.query([]).doing("checking")?;
        let (mut group, mut last_of_group) = (None, 0);
        while let Some(row) = found.next().doing("checking")? {
            let (first, last, grp): (i64, i64, i64) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
            if group != Some(grp) {
                if grp <= group_end.max(last_of_group) {
                    report.problem(format!("block {first}: its group overlaps the one before"));
                }
                group_end = group_end.max(last_of_group);
                group = Some(grp);
            }
            last_of_group = last_of_group.max(last);
            let bytes: Vec<u8> = get(row, 8)?;
            let rows = match block::rows(first, &bytes, get(row, 7)?, usize::MAX, |_, _| true) {
                Ok(rows) => rows,
                Err(error) => {
                    report.problem(error.to_string());
                    continue;
                }
            };
            let counted = super::database::count(rows.len());
            let inside = |row: &BlockRow| {
                let seq = super::database::integer(row.seq);
                (first..=last).contains(&seq)
            };
            let (min_ms, max_ms): (i64, i64) = (get(row, 5)?, get(row, 6)?);
            let in_time = |row: &BlockRow| (min_ms..=max_ms).contains(&row.at.unix_ms);
            if counted != get::<i64>(row, 4)? || !rows.iter().all(|row| inside(row) && in_time(row)) {
                report.problem(format!("block {first}: its rows are not those that the table names"));
            }
            let meter = get(row, 3)?;
            if let Some(error) = rows.into_iter().find_map(|row| names.row(connection, meter, row).err()) {
                report.problem(format!("block {first}: {error}"));
            }
        }
        group_end = group_end.max(last_of_group);
    }
    Ok(())
}

/// Reads every quarter hour and snapshot.
fn measured(connection: &Connection, names: &mut Names, _: &mut Report) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let sql = format!("{} WHERE seq > ?1 ORDER BY seq LIMIT 1000", super::reader::MEASURED);
        // The first that cannot be read is told and ends it: one is enough to know.
        let all = super::reader::measured(connection, names, &sql, [after])?;
        let Some(last) = all.last() else { return Ok(()) };
        after = super::database::integer(last.seq);
    }
}

fn counts(connection: &Connection, _: &mut Names, report: &mut Report) -> Result<(), StoreError> {
    let count = |table: &str| -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM {table}");
        let count: i64 = connection.query_row(&sql, [], |row| row.get(0)).doing("counting")?;
        Ok(super::database::number(count))
    };
    report.events = count("event")?;
    report.held = count("held")?;
    report.undated = count("undated")?;
    let sql = "SELECT sink, stream, seq, CASE stream
                 WHEN 'readings' THEN max((SELECT coalesce(max(last), 0) FROM recent), (SELECT coalesce(max(last), 0) FROM chunk))
                 WHEN 'quarter-hours' THEN (SELECT coalesce(max(seq), 0) FROM measured)
                 ELSE (SELECT coalesce(max(seq), 0) FROM event) END
               FROM cursor ORDER BY sink, stream";
    let mut select = connection.prepare(sql).doing("counting")?;
    let mut found = select.query([]).doing("counting")?;
    while let Some(row) = found.next().doing("counting")? {
        let (seq, newest): (i64, i64) = (get(row, 2)?, get(row, 3)?);
        report.cursors.push((
            get(row, 0)?,
            get(row, 1)?,
            super::database::number(seq),
            super::database::number(newest),
        ));
    }
    Ok(())
}

fn meters(connection: &Connection, _: &mut Names, report: &mut Report) -> Result<(), StoreError> {
    let mut select = connection.prepare("SELECT id, name FROM meter ORDER BY name").doing("counting")?;
    let mut found = select.query([]).doing("counting")?;
    while let Some(row) = found.next().doing("counting")? {
        let meter: i64 = get(row, 0)?;
        let sql = "SELECT coalesce(sum(count), 0), min(min_ms), max(max_ms), max(thinned) FROM (
                     SELECT count, min_ms, max_ms, CASE WHEN step_s > 0 THEN max_ms END AS thinned FROM chunk WHERE meter = ?1
                     UNION ALL SELECT count, min_ms, max_ms, NULL FROM recent WHERE meter = ?1)";
        let (rows, min_ms, max_ms, thinned_to_ms): (i64, Option<i64>, Option<i64>, Option<i64>) = connection
            .query_row(sql, [meter], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .doing("counting")?;
        let sql = "SELECT count(DISTINCT mark_s), min(mark_s), max(mark_s) FROM measured
                   WHERE meter = ?1 AND use_case = 'taf7' AND quality <> 'missing'";
        let (marks, first, last): (i64, Option<i64>, Option<i64>) = connection
            .query_row(sql, params![meter], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .doing("counting")?;
        let all = first.zip(last).map_or(0, |(first, last)| last.saturating_sub(first) / 900 + 1);
        report.meters.push(MeterReport {
            name: get(row, 1)?,
            rows: super::database::number(rows),
            span_ms: min_ms.zip(max_ms),
            thinned_to_ms,
            quarter_hours: super::database::number(marks),
            marks: first.zip(last).map(|(first, last)| (Mark::from_unix_s(first), Mark::from_unix_s(last))),
            missing: super::database::number(all.saturating_sub(marks)),
        });
    }
    Ok(())
}

/// Writes the file anew without its free pages. No gateway may have it open.
///
/// # Errors
/// [`StoreError::InUse`], [`StoreError::Absent`], or what SQLite says, as when the disk has no room for a copy.
pub fn vacuum(path: &Path) -> Result<(u64, u64), StoreError> {
    if !path.exists() {
        return Err(StoreError::Absent { path: path.to_owned() });
    }
    let _lock = super::database::Lock::take(path)?;
    let before = super::database::bytes(path);
    let database = super::database::Database::open(path)?;
    let sql = "VACUUM; PRAGMA wal_checkpoint(TRUNCATE);";
    database.connection.execute_batch(sql).doing("writing anew")?;
    drop(database);
    Ok((before, super::database::bytes(path)))
}
