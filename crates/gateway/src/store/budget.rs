//! Keeps the file within its budget: the oldest detail is thinned first, then dropped; quarter hours go last.
use super::block;
use super::database::{Database, count, in_transaction, number};
use super::error::Doing;
use super::{Budget, StoreError, StoreSetup};
use rusqlite::{Connection, OptionalExtension, Params, Transaction, params};
use std::collections::HashSet;
use std::fmt;
use std::path::Path;

/// What thinning leaves: a row a minute, so that the values of quarter hours and minutes are among what stays.
const THINNED_MS: i64 = 60_000;

/// Groups that one pass thins or drops: a pass must not hold up the next commit.
const STEPS_MAX: usize = 32;

/// Pages that one pass gives back to the file system.
const VACUUM_PAGES: i64 = 1024;

/// Rows of other tables that one step drops.
const ROWS_MAX: i64 = 1_000;

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Thinned {
    /// Rows that thinning left out.
    pub(super) thinned: u64,
    /// Rows that were dropped with their hour.
    pub(super) dropped: u64,
    /// Values of high-frequency use cases that were dropped.
    pub(super) high_frequency: u64,
    /// Quarter hours and snapshots that were dropped.
    pub(super) measured: u64,
    /// Nothing is thinned or dropped up to this time but what is told here.
    pub(super) up_to_ms: Option<i64>,
}

impl Thinned {
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.thinned = self.thinned.saturating_add(other.thinned);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.high_frequency = self.high_frequency.saturating_add(other.high_frequency);
        self.measured = self.measured.saturating_add(other.measured);
        self.up_to_ms = self.up_to_ms.max(other.up_to_ms);
    }
}

impl fmt::Display for Thinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thinned, dropped, high_frequency, measured, up_to_ms } = self;
        write!(f, "to keep the budget {thinned} readings were thinned out, {dropped} dropped")?;
        if *high_frequency > 0 {
            write!(f, ", {high_frequency} high-frequency values dropped")?;
        }
        if *measured > 0 {
            write!(f, ", {measured} quarter hours dropped")?;
        }
        let up_to = up_to_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        up_to.map_or(Ok(()), |up_to| write!(f, ", up to {up_to:.0}"))
    }
}

/// What stays free for others on the disk: an eighth of it, of a large one this.
const RESERVE_MAX: u64 = 64 << 20;

/// What the log beside the database may take; the limit of its size between commits.
const LOG_BYTES: u64 = 8 << 20;

/// How large the file may be: the budget, or less where the disk has not so much. A disk that others fill takes it
/// down to [`Budget::BYTES_MIN`] and no further.
fn room(setup: &StoreSetup) -> u64 {
    let budget = setup.budget.bytes.max(Budget::BYTES_MIN);
    let folder = setup.path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Ok(disk) = rustix::fs::statvfs(folder.unwrap_or(Path::new("."))) else { return budget };
    let block = disk.f_frsize;
    let reserve = (disk.f_blocks.saturating_mul(block) / 8).min(RESERVE_MAX);
    let free = disk.f_bavail.saturating_mul(block);
    // What the store has itself is room too.
    let all = super::database::bytes(&setup.path).saturating_add(free);
    budget.min(all.saturating_sub(reserve).saturating_sub(LOG_BYTES)).max(Budget::BYTES_MIN)
}

/// Brings the store nearer to what [`room`] says; most passes find it there.
///
/// Only the budget itself takes quarter hours, and only when no detail is left: a disk that others fill does not.
///
/// # Errors
/// What SQLite says; what was done before stays done.
pub(super) fn keep(database: &mut Database, setup: &StoreSetup, now_ms: i64) -> Result<Thinned, StoreError> {
    let mut all = Thinned::default();
    let bytes = room(setup);
    if let Some(age) = setup.budget.age {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let before = now_ms.saturating_sub(age);
        for _ in 0..STEPS_MAX {
            let step = in_transaction(database, |transaction, _| drop_older(transaction, before))?;
            if step.is_nothing() {
                break;
            }
            all.add(step);
        }
    }
    // Begins a sixteenth before the limit and ends two before it, so that most passes have nothing to do.
    if used(&database.connection)? > bytes - bytes / 16 {
        let goal = bytes - bytes / 8;
        let mut whole = whole(&database.connection)?;
        for _ in 0..STEPS_MAX {
            let mut step =
                in_transaction(database, |transaction, _| make_room(transaction, bytes / 4, &mut whole))?;
            let budget = setup.budget.bytes.max(Budget::BYTES_MIN);
            if step.is_nothing() && used(&database.connection)? > budget - budget / 16 {
                step.measured = in_transaction(database, |transaction, _| {
                    drop_measured(transaction, "true", "", [ROWS_MAX])
                })?;
            }
            all.add(step);
            if step.is_nothing() || used(&database.connection)? <= goal {
                break;
            }
        }
    }
    if file(&database.connection)? > bytes {
        shrink(&database.connection, VACUUM_PAGES)?;
    }
    Ok(all)
}

/// Gives free pages at the end of the file back.
///
/// # Errors
/// What SQLite says.
pub(super) fn shrink(connection: &Connection, pages: i64) -> Result<(), StoreError> {
    connection.execute_batch(&format!("PRAGMA incremental_vacuum({pages})")).doing("shrinking")
}

/// Bytes of the file.
pub(super) fn file(connection: &Connection) -> Result<u64, StoreError> {
    Ok(pragma(connection, "page_count")?.saturating_mul(pragma(connection, "page_size")?))
}

/// Bytes of the file that are in use.
pub(super) fn used(connection: &Connection) -> Result<u64, StoreError> {
    let pages = pragma(connection, "page_count")?.saturating_sub(pragma(connection, "freelist_count")?);
    Ok(pages.saturating_mul(pragma(connection, "page_size")?))
}

fn pragma(connection: &Connection, name: &str) -> Result<u64, StoreError> {
    let value: i64 = connection.pragma_query_value(None, name, |row| row.get(0)).doing("measuring")?;
    Ok(number(value))
}

/// Drops the oldest detail if all of it is older than this.
fn drop_older(transaction: &Transaction<'_>, before_ms: i64) -> Result<Thinned, StoreError> {
    let sql = "SELECT grp, max(max_ms) FROM chunk WHERE grp = (SELECT grp FROM chunk ORDER BY first LIMIT 1)";
    let oldest: Option<(Option<i64>, Option<i64>)> =
        transaction.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional().doing("reading")?;
    let mut step = match oldest {
        Some((Some(group), Some(max_ms))) if max_ms < before_ms => drop_group(transaction, group)?,
        _ => Thinned::default(),
    };
    step.high_frequency =
        drop_measured(transaction, HIGH_FREQUENCY, "AND at_ms < ?2", params![ROWS_MAX, before_ms])?;
    Ok(step)
}

/// Bytes of the blocks that are not thinned.
fn whole(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(sum(length(bytes)), 0) FROM chunk WHERE step_s = 0";
    let whole: i64 = connection.query_row(sql, [], |row| row.get(0)).doing("measuring")?;
    Ok(number(whole))
}

/// One step: thins the oldest hour that is whole while more than `keep_whole` bytes are, else drops the oldest hour,
/// else high-frequency values.
fn make_room(transaction: &Transaction<'_>, keep_whole: u64, whole: &mut u64) -> Result<Thinned, StoreError> {
    let group = |sql: &str| -> Result<Option<i64>, StoreError> {
        transaction.query_row(sql, [], |row| row.get(0)).optional().doing("reading")
    };
    if *whole > keep_whole
        && let Some(group) = group("SELECT grp FROM chunk WHERE step_s = 0 ORDER BY first LIMIT 1")?
    {
        return thin_group(transaction, group, whole);
    }
    if let Some(group) = group("SELECT grp FROM chunk ORDER BY first LIMIT 1")? {
        return drop_group(transaction, group);
    }
    let high_frequency = drop_measured(transaction, HIGH_FREQUENCY, "", [ROWS_MAX])?;
    Ok(Thinned { high_frequency, ..Thinned::default() })
}

/// The use cases whose values go before quarter hours.
const HIGH_FREQUENCY: &str = "use_case IN ('taf14', 'dynamic')";

/// Drops the oldest values of some use cases, at most `?1`, but never the newest of all: numbers go on from it.
fn drop_measured(
    transaction: &Transaction<'_>,
    cases: &str,
    condition: &str,
    values: impl Params + Clone,
) -> Result<u64, StoreError> {
    let which = format!(
        "SELECT seq FROM measured WHERE {cases} {condition} AND seq < (SELECT max(seq) FROM measured)
         ORDER BY seq LIMIT ?1"
    );
    // What a sink that is further back has missed.
    let sql = format!("SELECT max(seq) FROM ({which})");
    let last: Option<i64> =
        transaction.query_row(&sql, values.clone(), |row| row.get(0)).doing("dropping")?;
    let Some(last) = last else { return Ok(0) };
    let sql = format!("DELETE FROM measured WHERE seq IN ({which})");
    let dropped = transaction.execute(&sql, values).doing("dropping")?;
    let sql = "INSERT INTO meta VALUES ('measured_dropped_to', ?1) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)";
    transaction.execute(sql, [last]).doing("dropping")?;
    Ok(number(count(dropped)))
}

fn drop_group(transaction: &Transaction<'_>, group: i64) -> Result<Thinned, StoreError> {
    let sql = "SELECT coalesce(sum(count), 0), max(max_ms) FROM chunk WHERE grp = ?1";
    let (rows, up_to_ms): (i64, Option<i64>) =
        transaction.query_row(sql, [group], |row| Ok((row.get(0)?, row.get(1)?))).doing("reading")?;
    transaction.execute("DELETE FROM chunk WHERE grp = ?1", [group]).doing("dropping")?;
    Ok(Thinned { dropped: number(rows), up_to_ms, ..Thinned::default() })
}

fn thin_group(transaction: &Transaction<'_>, group: i64, whole: &mut u64) -> Result<Thinned, StoreError> {
    let mut all = Thinned::default();
    let mut select = transaction
        .prepare_cached("SELECT first, length, bytes, max_ms FROM chunk WHERE grp = ?1 AND step_s = 0")
        .doing("thinning")?;
    let blocks: Vec<(i64, i64, Vec<u8>, i64)> = select
        .query_map([group], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .and_then(Iterator::collect)
        .doing("thinning")?;
    for (first, length, bytes, max_ms) in blocks {
        *whole = whole.saturating_sub(bytes.len() as u64);
        let rows = match block::rows(first, &bytes, length, usize::MAX, |_, _| true) {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!("{error}; its readings are lost");
                transaction.execute("DELETE FROM chunk WHERE first = ?1", [first]).doing("thinning")?;
                continue;
            }
        };
        let before = rows.len();
        // The first of each minute; a meter may alternate between shapes.
        let mut seen = HashSet::new();
        let mut kept = rows;
        kept.retain(|row| seen.insert((row.at.unix_ms.div_euclid(THINNED_MS), row.shape)));
        let Some(block) = block::blocks(&kept, true)?.into_iter().next() else { continue };
        // First and last number stay: they say what the block stands for.
        let sql = "UPDATE chunk SET count = ?2, length = ?3, bytes = ?4, step_s = ?5 WHERE first = ?1";
        let values = params![first, count(block.count), count(block.length), block.bytes, THINNED_MS / 1000];
        transaction.execute(sql, values).doing("thinning")?;
        all.add(Thinned {
            thinned: number(count(before.saturating_sub(block.count))),
            up_to_ms: Some(max_ms),
            ..Thinned::default()
        });
    }
    Ok(all)
}
