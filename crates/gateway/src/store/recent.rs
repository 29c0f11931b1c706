//! What a gateway reads back when it starts: the latest of each meter.
use super::block;
use super::error::Doing;
use super::reader::{Reader, get};
use super::{Mark, Row, StoreError, UseCase};
use rusqlite::params;

/// Rows that are read back: enough to know every register that a meter sends by turns.
const ROWS: usize = 64;

impl Reader {
    /// The latest rows of a meter in the order of their numbers, at most 64, from its latest block.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], or [`StoreError::Damaged`] for a block that cannot be read.
    pub fn latest_rows(&mut self, meter: &str) -> Result<Vec<Row>, StoreError> {
        self.in_snapshot(|connection, names| {
            for table in ["recent", "chunk"] {
                let sql = format!(
                    "SELECT first, b.meter, length, bytes FROM {table} b JOIN meter m ON m.id = b.meter
                     WHERE m.name = ?1 ORDER BY first DESC LIMIT 1"
                );
                let mut select = connection.prepare_cached(&sql).doing("reading")?;
                let mut found = select.query([meter]).doing("reading")?;
                let Some(row) = found.next().doing("reading")? else { continue };
                let bytes = row.get_ref(3).and_then(|bytes| Ok(bytes.as_blob()?)).doing("reading")?;
                let mut rows = block::rows(get(row, 0)?, bytes, get(row, 2)?, usize::MAX, |_, _| true)?;
                let id = get(row, 1)?;
                let latest = rows.split_off(rows.len().saturating_sub(ROWS));
                return latest.into_iter().map(|row| names.row(connection, id, row)).collect();
            }
            Ok(Vec::new())
        })
    }

    /// The latest marks that a use case has recorded of a meter, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn latest_marks(
        &mut self,
        meter: &str,
        case: UseCase,
        limit: usize,
    ) -> Result<Vec<Mark>, StoreError> {
        self.in_snapshot(|connection, _| {
            let sql = "SELECT DISTINCT mark_s FROM measured v JOIN meter m ON m.id = v.meter
                       WHERE m.name = ?1 AND use_case = ?2 ORDER BY mark_s DESC LIMIT ?3";
            let mut select = connection.prepare_cached(sql).doing("reading")?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let marks =
                select.query_map(params![meter, case.code(), limit], |row| row.get(0)).doing("reading")?;
            let mut marks = marks.collect::<Result<Vec<i64>, _>>().doing("reading")?;
            marks.reverse();
            Ok(marks.into_iter().map(Mark::from_unix_s).collect())
        })
    }
}
