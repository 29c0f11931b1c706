//! Seals the blocks of an hour that is over: one small block a commit becomes one large block an hour and meter.
use super::StoreError;
use super::block::{self, BlockRow};
use super::commit::put_blocks;
use super::database::{Database, in_transaction};
use super::error::Doing;
use super::reader::get;
use rusqlite::{Connection, Transaction, params};
use std::collections::BTreeMap;

/// Rows of one hour that are sealed together: ten meters at 1 Hz, 10 MB while they are.
const ROWS_MAX: i64 = 36_000;

/// Blocks that may wait: a commit a second of three meters for five minutes. Each read from the newest end walks over
/// them.
const BLOCKS_MAX: usize = 1_000;

const HOUR_MS: i64 = 3_600_000;

/// What one commit wrote, or several of the same hour.
#[derive(Debug)]
struct Group {
    first: i64,
    last: i64,
    blocks: usize,
    rows: i64,
    max_ms: i64,
}

impl Group {
    fn hour(&self) -> i64 {
        self.max_ms.div_euclid(HOUR_MS)
    }
}

/// Seals every hour but the newest; returns how many blocks it made.
///
/// A block that cannot be read is left out and logged: it would hold up all that come after it.
///
/// # Errors
/// What SQLite says; what was sealed before stays sealed.
pub(super) fn seal(database: &mut Database) -> Result<usize, StoreError> {
    let groups = groups(&database.connection)?;
    let Some(newest) = groups.last().map(Group::hour) else { return Ok(0) };
    let too_many = groups.iter().map(|group| group.blocks).sum::<usize>() > BLOCKS_MAX
        || groups.iter().map(|group| group.rows).sum::<i64>() > ROWS_MAX;
    // Groups follow each other by their numbers, so that what is sealed is always the front.
    let open =
        if too_many { 0 } else { groups.iter().rev().take_while(|group| group.hour() == newest).count() };
    let mut made = 0;
    let mut run: Option<Group> = None;
    for group in groups.into_iter().rev().skip(open).rev() {
        run = Some(match run.take() {
            Some(run) if run.hour() == group.hour() && run.rows.saturating_add(group.rows) <= ROWS_MAX => {
                Group {
                    last: group.last,
                    blocks: run.blocks.saturating_add(group.blocks),
                    rows: run.rows.saturating_add(group.rows),
                    max_ms: run.max_ms.max(group.max_ms),
                    ..run
                }
            }
            Some(run) => {
                made += seal_group(database, &run)?;
                group
            }
            None => group,
        });
    }
    if let Some(run) = run {
        made += seal_group(database, &run)?;
    }
    Ok(made)
}

fn groups(connection: &Connection) -> Result<Vec<Group>, StoreError> {
    let sql =
        "SELECT grp, max(last), count(*), sum(count), max(max_ms) FROM recent GROUP BY grp ORDER BY grp";
    let mut select = connection.prepare_cached(sql).doing("reading")?;
    let mut found = select.query([]).doing("reading")?;
    let mut groups = Vec::new();
    while let Some(row) = found.next().doing("reading")? {
        groups.push(Group {
            first: get(row, 0)?,
            last: get(row, 1)?,
            blocks: get::<u32>(row, 2)? as usize,
            rows: get(row, 3)?,
            max_ms: get(row, 4)?,
        });
    }
    Ok(groups)
}

fn seal_group(database: &mut Database, group: &Group) -> Result<usize, StoreError> {
    in_transaction(database, |transaction, _| {
        let mut blocks = Vec::new();
        for (meter, rows) in rows_of(transaction, group)? {
            blocks.extend(block::blocks(&rows, true)?.into_iter().map(|block| (meter, block)));
        }
        put_blocks(transaction, "chunk", &blocks)?;
        let sql = "DELETE FROM recent WHERE first BETWEEN ?1 AND ?2";
        transaction.execute(sql, params![group.first, group.last]).doing("sealing")?;
        Ok(blocks.len())
    })
}

/// The rows of a group by meter, in the order of their numbers.
fn rows_of(transaction: &Transaction<'_>, group: &Group) -> Result<BTreeMap<i64, Vec<BlockRow>>, StoreError> {
    let sql = "SELECT first, meter, length, bytes FROM recent WHERE first BETWEEN ?1 AND ?2 ORDER BY first";
    let mut select = transaction.prepare_cached(sql).doing("sealing")?;
    let mut found = select.query(params![group.first, group.last]).doing("sealing")?;
    let mut meters: BTreeMap<i64, Vec<BlockRow>> = BTreeMap::new();
    while let Some(row) = found.next().doing("sealing")? {
        let bytes = row.get_ref(3).and_then(|bytes| Ok(bytes.as_blob()?)).doing("sealing")?;
        match block::rows(get(row, 0)?, bytes, get(row, 2)?, usize::MAX, |_, _| true) {
            Ok(rows) => meters.entry(get(row, 1)?).or_default().extend(rows),
            Err(error) => tracing::error!("{error}; its readings are lost"),
        }
    }
    Ok(meters)
}
