//! Writes what waited, in one transaction.
use super::block::{self, Block, BlockRow};
use super::database::{Database, Ids, count, in_transaction, integer};
use super::error::Doing;
use super::measured::{self, Corrections};
use super::queue::{Batch, Change};
use super::{Row, StoreError, names};
use crate::event::Event;
use crate::plausible::EpochCause;
use crate::plausible::{Epoch, Held, HeldReason, Judgement};
use metergate_reading::{RegisterId, Unit};
use metergate_tariff::total;
use rusqlite::{OptionalExtension, Transaction, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Events that are kept: of a gateway that complains every five minutes, the last ten weeks.
const EVENTS_MAX: i64 = 20_000;

/// Numbers in quarantine that are kept; who has more of them looks at the newest.
const HELD_MAX: i64 = 20_000;

/// Rows without a time that are kept: a day of one meter at 1 Hz and more. They are few unless no clock is ever right.
const UNDATED_MAX: i64 = 100_000;

/// Rows of a boot that got a time.
#[derive(Debug, Default)]
pub(super) struct Dated {
    pub(super) rows: Vec<Arc<Row>>,
    /// What is removed from among the undated, up to here.
    pub(super) boot: String,
    pub(super) up_to: i64,
}

/// Commits a batch; it is on the disk when this returns. Says which values it has put in the place of others.
///
/// # Errors
/// What SQLite says; then nothing of the batch is in the database.
pub(super) fn commit(
    database: &mut Database,
    batch: &Batch,
    dated: Option<&Dated>,
) -> Result<Corrections, StoreError> {
    in_transaction(database, |transaction, ids| {
        let rows = batch.rows.iter().chain(dated.iter().flat_map(|dated| &dated.rows));
        put_rows(transaction, ids, rows)?;
        if let Some(dated) = dated {
            let sql = "DELETE FROM undated WHERE boot = ?1 AND id <= ?2";
            transaction.execute(sql, params![dated.boot, dated.up_to]).doing("writing")?;
        }
        put_undated(transaction, ids, batch)?;
        let corrections = measured::put(transaction, ids, &batch.measured)?;
        put_events(transaction, &batch.events)?;
        for change in &batch.changes {
            put_change(transaction, ids, change)?;
        }
        for ((sink, stream), seq) in &batch.cursors {
            let sql = "INSERT INTO cursor VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET seq = excluded.seq";
            let mut put = transaction.prepare_cached(sql).doing("writing")?;
            put.execute(params![sink, stream.text(), integer(*seq)]).doing("writing")?;
        }
        Ok(corrections)
    })
}

/// The rows of a commit, one block a meter.
fn put_rows<'r>(
    transaction: &Transaction<'_>,
    ids: &mut Ids<'_>,
    rows: impl Iterator<Item = &'r Arc<Row>>,
) -> Result<(), StoreError> {
    let mut meters: BTreeMap<i64, Vec<BlockRow>> = BTreeMap::new();
    for row in rows {
        let block_row = BlockRow::new(row, ids.shape(&row.shape)?);
        meters.entry(ids.meter(&row.meter)?).or_default().push(block_row);
    }
    let mut blocks = Vec::new();
    for (meter, rows) in meters {
        blocks.extend(block::blocks(&rows, false)?.into_iter().map(|block| (meter, block)));
    }
    put_blocks(transaction, "recent", &blocks)
}

/// Blocks of one group.
pub(super) fn put_blocks(
    transaction: &Transaction<'_>,
    table: &str,
    blocks: &[(i64, Block)],
) -> Result<(), StoreError> {
    let Some(group) = blocks.iter().map(|(_, block)| block.first).min() else { return Ok(()) };
    let sql = format!(
        "INSERT INTO {table} (first, last, grp, meter, count, min_ms, max_ms, length, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    );
    let mut put = transaction.prepare_cached(&sql).doing("writing")?;
    for (meter, block) in blocks {
        let numbers = params![
            integer(block.first),
            integer(block.last),
            integer(group),
            meter,
            count(block.count),
            block.min_ms,
            block.max_ms,
            count(block.length),
            block.bytes,
        ];
        put.execute(numbers).doing("writing")?;
    }
    Ok(())
}

fn put_undated(transaction: &Transaction<'_>, ids: &mut Ids<'_>, batch: &Batch) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO undated (id, boot, meter, bytes) VALUES (?1, ?2, ?3, ?4)";
    for (id, boot, row) in &batch.undated {
        let bytes = block::pack_one(&BlockRow::new(row, ids.shape(&row.shape)?));
        let mut put = transaction.prepare_cached(sql).doing("writing")?;
        put.execute(params![id, boot, ids.meter(&row.meter)?, bytes]).doing("writing")?;
    }
    if let Some((last, ..)) = batch.undated.back() {
        let sql = "DELETE FROM undated WHERE id <= ?1";
        transaction.execute(sql, [last.saturating_sub(UNDATED_MAX)]).doing("writing")?;
    }
    Ok(())
}

fn put_events<'e>(
    transaction: &Transaction<'_>,
    events: impl IntoIterator<Item = &'e Event>,
) -> Result<(), StoreError> {
    let mut any = None;
    for event in events {
        let mut put = transaction
            .prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
            .doing("writing")?;
        let values = params![
            integer(event.seq),
            event.at.unix_ms,
            names::trust_code(event.at.trust),
            event.code.text(),
            event.about,
            event.detail,
            event.count,
        ];
        put.execute(values).doing("writing")?;
        any = Some(event.seq);
    }
    if let Some(last) = any {
        transaction
            .execute("DELETE FROM event WHERE seq <= ?1", [integer(last).saturating_sub(EVENTS_MAX)])
            .doing("writing")?;
    }
    Ok(())
}

fn put_change(transaction: &Transaction<'_>, ids: &mut Ids<'_>, change: &Change) -> Result<(), StoreError> {
    let changed = match change {
        Change::Hold(held) => return put_held(transaction, ids, held),
        Change::Epoch(epoch) | Change::ReplaceEpoch(epoch) => return put_epoch(transaction, ids, epoch),
        Change::Judge(held, judgement) => transaction.execute(
            "UPDATE held SET judgement = ?2 WHERE id = ?1",
            params![held, names::name_of(&Judgement::NAMES, *judgement)],
        ),
        Change::UndoEpoch(epoch) => return undo_epoch(transaction, *epoch),
        Change::Remark(remark) => transaction.execute(
            "INSERT INTO remark VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE
             SET since_ms = excluded.since_ms, trust = excluded.trust, value = excluded.value",
            params![
                ids.meter(&remark.meter)?,
                remark.id.to_string(),
                remark.since.unix_ms,
                names::trust_code(remark.since.trust),
                remark.value,
            ],
        ),
    };
    changed.doing("writing")?;
    Ok(())
}

fn put_held(transaction: &Transaction<'_>, ids: &mut Ids<'_>, held: &Held) -> Result<(), StoreError> {
    let values = params![
        held.id,
        ids.meter(&held.meter)?,
        held.at.unix_ms,
        names::trust_code(held.at.trust),
        held.register.to_string(),
        held.number.mantissa(),
        held.number.exponent(),
        held.unit.map(Unit::text),
        names::name_of(&HeldReason::NAMES, held.reason),
        held.detail,
        names::name_of(&Judgement::NAMES, held.judgement),
        held.identity,
    ];
    let sql = "INSERT INTO held VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    transaction.execute(sql, values).doing("writing")?;
    transaction
        .execute("DELETE FROM held WHERE id <= ?1", [held.id.saturating_sub(HELD_MAX)])
        .doing("writing")?;
    Ok(())
}

fn put_epoch(transaction: &Transaction<'_>, ids: &mut Ids<'_>, epoch: &Epoch) -> Result<(), StoreError> {
    let values = params![
        epoch.id,
        ids.meter(&epoch.meter)?,
        epoch.from_ms,
        epoch.identity,
        names::name_of(&EpochCause::NAMES, epoch.cause),
        names::offsets_text(&epoch.offsets),
        epoch.undone,
    ];
    transaction
        .execute("INSERT OR REPLACE INTO epoch VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", values)
        .doing("writing")?;
    Ok(())
}

/// Takes an epoch back, and its step out of all later ones. Doing it twice changes nothing.
fn undo_epoch(transaction: &Transaction<'_>, id: i64) -> Result<(), StoreError> {
    let sql = "SELECT m.name FROM epoch e JOIN meter m ON m.id = e.meter WHERE e.id = ?1";
    let meter: Option<String> =
        transaction.query_row(sql, [id], |row| row.get(0)).optional().doing("reading")?;
    let Some(meter) = meter else { return Ok(()) };
    let mut epochs = super::reader::epochs(transaction, &meter)?;
    let Some(undone) = epochs.iter().position(|epoch| epoch.id == id && !epoch.undone) else { return Ok(()) };
    let registers: Vec<_> = epochs.get(undone).into_iter().flat_map(|epoch| &epoch.offsets).collect();
    let registers: Vec<_> = registers.into_iter().map(|(register, _)| register.clone()).collect();
    for register in registers {
        let (mut of_register, places) = epochs_of(&epochs, &register);
        let Some(place) = places.iter().position(|&place| place == undone) else { continue };
        if !total::set_undone(&mut of_register, place, true) {
            tracing::error!(
                "store: the offsets of {register} after epoch {id} do not fit; they stay as they are"
            );
            continue;
        }
        for (epoch, place) in of_register.into_iter().zip(places) {
            let offsets = epochs.get_mut(place).into_iter().flat_map(|epoch| &mut epoch.offsets);
            offsets.filter(|(one, _)| *one == register).for_each(|(_, offset)| *offset = epoch.offset);
        }
    }
    for epoch in &epochs {
        let sql = "UPDATE epoch SET offsets = ?2, undone = ?3 WHERE id = ?1";
        let values = params![epoch.id, names::offsets_text(&epoch.offsets), epoch.undone || epoch.id == id];
        transaction.execute(sql, values).doing("writing")?;
    }
    Ok(())
}

/// The epochs that have an offset for a register, as its totals need them, and their places among all.
pub(super) fn epochs_of(epochs: &[Epoch], register: &RegisterId) -> (Vec<total::Epoch>, Vec<usize>) {
    let all = epochs.iter().enumerate();
    all.filter_map(|(place, epoch)| {
        let (_, offset) = epoch.offsets.iter().find(|(one, _)| one == register)?;
        Some((total::Epoch { start_ms: epoch.from_ms, offset: *offset, undone: epoch.undone }, place))
    })
    .unzip()
}
