//! Rows of one meter as bytes: the columns of [`metergate_series::block`], compressed.
use super::names;
use super::{Row, RowFlags, StoreError};
use metergate_reading::Instant;
use metergate_series::block::{self, Encoder, RowError};

/// For blocks that live an hour: quick.
const LEVEL_RECENT: i32 = 3;
/// For sealed blocks: small. Higher levels win less than one percent.
const LEVEL_SEALED: i32 = 9;

/// A block with what its table row says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) count: usize,
    pub(super) min_ms: i64,
    pub(super) max_ms: i64,
    /// Before compression.
    pub(super) length: usize,
    pub(super) bytes: Vec<u8>,
}

/// A row of a block, whose meter and shape are still ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockRow {
    pub(super) seq: u64,
    pub(super) at: Instant,
    pub(super) meter_clock_s: Option<i64>,
    pub(super) flags: RowFlags,
    pub(super) shape: u32,
    pub(super) mantissas: Box<[i64]>,
}

impl BlockRow {
    pub(super) fn new(row: &Row, shape: u32) -> Self {
        Self {
            seq: row.seq,
            at: row.at,
            meter_clock_s: row.meter_clock_s,
            flags: row.flags,
            shape,
            mantissas: row.mantissas.clone(),
        }
    }

    fn push_to(&self, encoder: &mut Encoder) -> Result<(), RowError> {
        encoder.push(&block::Row {
            sequence: self.seq,
            time_ms: self.at.unix_ms,
            flags: self.flags.0,
            meter_time_s: self.meter_clock_s,
            // The trust hardly ever changes, and the block has no field for it.
            shape: self.shape << 3 | u32::from(names::trust_code(self.at.trust)),
            values: &self.mantissas,
        })
    }

    fn from_block(row: &block::Row<'_>) -> Option<Self> {
        let trust = names::trust(u8::try_from(row.shape & 7).ok()?)?;
        Some(Self {
            seq: row.sequence,
            at: Instant { unix_ms: row.time_ms, trust },
            meter_clock_s: row.meter_time_s,
            flags: RowFlags(row.flags),
            shape: row.shape >> 3,
            mantissas: row.values.into(),
        })
    }
}

/// Rows in the order of their numbers as blocks: nearly always one.
///
/// # Errors
/// [`StoreError::Damaged`] when the compressor fails, which it does only without memory.
pub(super) fn blocks(rows: &[BlockRow], sealed: bool) -> Result<Vec<Block>, StoreError> {
    let level = if sealed { LEVEL_SEALED } else { LEVEL_RECENT };
    let mut blocks = Vec::new();
    let mut encoder = Encoder::new();
    let mut begin = 0;
    for (index, row) in rows.iter().enumerate() {
        let mut pushed = row.push_to(&mut encoder);
        if matches!(pushed, Err(RowError::Full { .. })) {
            blocks.extend(finish(std::mem::take(&mut encoder), rows.get(begin..index), level)?);
            begin = index;
            pushed = row.push_to(&mut encoder);
        }
        if let Err(error) = pushed {
            // Whoever made this row was wrong; the others must not wait for it.
            tracing::error!("store: row {} cannot be kept: {error}", row.seq);
        }
    }
    blocks.extend(finish(encoder, rows.get(begin..), level)?);
    Ok(blocks)
}

fn finish(encoder: Encoder, rows: Option<&[BlockRow]>, level: i32) -> Result<Option<Block>, StoreError> {
    let rows = rows.unwrap_or_default();
    let (false, Some(first), Some(last)) = (encoder.is_empty(), rows.first(), rows.last()) else {
        return Ok(None);
    };
    let count = encoder.len();
    let plain = encoder.finish();
    let bytes = zstd::bulk::compress(&plain, level).map_err(|error| StoreError::Damaged {
        what: "a block to be written".to_owned(),
        why: error.to_string(),
    })?;
    let times = || rows.iter().map(|row| row.at.unix_ms);
    Ok(Some(Block {
        first: first.seq,
        last: last.seq,
        count,
        min_ms: times().min().unwrap_or(first.at.unix_ms),
        max_ms: times().max().unwrap_or(last.at.unix_ms),
        length: plain.len(),
        bytes,
    }))
}

/// Reads the rows of a block that `wanted` wants, at most `limit`.
///
/// # Errors
/// [`StoreError::Damaged`] when the bytes are no block of this length.
pub(super) fn rows(
    first: i64,
    bytes: &[u8],
    length: i64,
    limit: usize,
    wanted: impl Fn(u64, i64) -> bool,
) -> Result<Vec<BlockRow>, StoreError> {
    let damaged = |why: String| StoreError::Damaged { what: format!("block {first}"), why };
    let length = usize::try_from(length).ok().filter(|&length| length <= block::LEN_MAX);
    let length = length.ok_or_else(|| damaged(format!("expected at most {} bytes", block::LEN_MAX)))?;
    let plain = zstd::bulk::decompress(bytes, length).map_err(|error| damaged(error.to_string()))?;
    let mut rows = block::Block::parse(&plain).map_err(|error| damaged(error.to_string()))?.rows();
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next_row()
    {
        if wanted(row.sequence, row.time_ms) {
            found.push(
                BlockRow::from_block(&row).ok_or_else(|| damaged("a trust that means nothing".into()))?,
            );
        }
    }
    Ok(found)
}

/// One row without compression, where there is nothing to be predicted from.
pub(super) fn pack_one(row: &BlockRow) -> Vec<u8> {
    let mut encoder = Encoder::new();
    if let Err(error) = row.push_to(&mut encoder) {
        tracing::error!("store: row {} cannot be kept: {error}", row.seq);
    }
    encoder.finish()
}

/// The same back.
///
/// # Errors
/// [`StoreError::Damaged`] when the bytes are no row.
pub(super) fn unpack_one(what: &str, seq: i64, bytes: &[u8]) -> Result<BlockRow, StoreError> {
    let damaged = |why: String| StoreError::Damaged { what: format!("{what} {seq}"), why };
    let mut rows = block::Block::parse(bytes).map_err(|error| damaged(error.to_string()))?.rows();
    let row = rows.next_row().as_ref().and_then(BlockRow::from_block);
    row.ok_or_else(|| damaged("expected a row, found none".to_owned()))
}
