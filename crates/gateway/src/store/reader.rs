//! What comes out: committed rows, in the order of their numbers.
use super::block::{self, BlockRow};
use super::database::{count, integer, number};
use super::error::Doing;
use super::record::event_code;
use super::{Mark, Measured, Remark, Row, Shape, Shared, StoreError, names};
use crate::config::Stream;
use crate::event::Event;
use crate::plausible::{Epoch, EpochCause, Held, HeldReason, Judgement};
use metergate_reading::{Instant, Number, Trust, Unit};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Numbers of a stream that a sink will not get, or not all of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missed {
    /// Dropped: of readings all of them, of quarter hours the high-frequency values among them.
    pub dropped: Option<RangeInclusive<u64>>,
    /// Thinned: a reading a minute is left.
    pub thinned: Option<RangeInclusive<u64>>,
}

/// Reads what is committed, over a read-only connection of its own. For one thread; make one for each.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    /// `None` before it was opened, which is when something is read.
    connection: Option<Connection>,
    pub(super) names: Names,
    /// Of the store it belongs to, and the file it has opened.
    follows: Option<(Arc<Shared>, u64)>,
}

impl Reader {
    /// A reader of the store at this path, whether a gateway has it open or not.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such file, [`StoreError::NewerSchema`], or what SQLite says.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Absent { path: path.to_owned() });
        }
        let connection = connect(path)?;
        Ok(Self {
            path: path.to_owned(),
            connection: Some(connection),
            names: Names::default(),
            follows: None,
        })
    }

    /// A reader beside the writer of the same process. It opens the file after the writer has, and anew when the
    /// writer has begun another one.
    pub(super) fn following(shared: Arc<Shared>) -> Self {
        let path = shared.setup.path.clone();
        Self { path, connection: None, names: Names::default(), follows: Some((shared, 0)) }
    }

    /// Opens the file, if it is there and not open, or if another one was begun.
    fn refresh(&mut self) -> Result<(), StoreError> {
        if let Some((shared, files)) = &mut self.follows {
            let now = shared.files.load(Ordering::Acquire);
            if now == 0 {
                return Err(StoreError::Absent { path: self.path.clone() });
            }
            if now != *files {
                self.connection = Some(connect(&self.path)?);
                self.names = Names::default();
                *files = now;
            }
        }
        Ok(())
    }

    /// Runs something on one state of the database.
    pub(super) fn in_snapshot<T>(
        &mut self,
        work: impl FnOnce(&Connection, &mut Names) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.refresh()?;
        let Some(connection) = &mut self.connection else {
            return Err(StoreError::Absent { path: self.path.clone() });
        };
        let names = &mut self.names;
        let transaction = connection.unchecked_transaction().doing("reading")?;
        work(&transaction, names)
        // Dropped is rolled back, and there is nothing to roll back.
    }

    /// The rows after a number, at most `limit`, in the order of their numbers. Numbers that were dropped are left
    /// out.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], or [`StoreError::Damaged`] for a block that cannot be read.
    pub fn rows_after(&mut self, seq: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.in_snapshot(|connection, names| {
            let mut rows: Vec<(i64, BlockRow)> = Vec::new();
            for table in ["chunk", "recent"] {
                // Sealed rows come before the others.
                if rows.len() < limit {
                    rows_of(connection, table, seq, limit, &mut rows)?;
                }
            }
            rows.sort_unstable_by_key(|(_, row)| row.seq);
            rows.truncate(limit);
            rows.into_iter().map(|(meter, row)| names.row(connection, meter, row)).collect()
        })
    }

    /// The same for what tariff use cases chose.
    ///
    /// # Errors
    /// As [`rows_after`](Self::rows_after).
    pub fn measured_after(&mut self, seq: u64, limit: usize) -> Result<Vec<Measured>, StoreError> {
        self.in_snapshot(|connection, names| {
            let sql = format!("{MEASURED} WHERE seq > ?1 ORDER BY seq LIMIT ?2");
            measured(connection, names, &sql, params![integer(seq), count(limit)])
        })
    }

    /// The same for events.
    ///
    /// # Errors
    /// As [`rows_after`](Self::rows_after).
    pub fn events_after(&mut self, seq: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.in_snapshot(|connection, _| {
            let sql = "SELECT seq, at_ms, trust, code, about, detail, count FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2";
            let mut select = connection.prepare_cached(sql).doing("reading")?;
            let mut found = select.query(params![integer(seq), count(limit)]).doing("reading")?;
            let mut events = Vec::new();
            while let Some(row) = found.next().doing("reading")? {
                let seq = get(row, 0)?;
                let code: String = get(row, 3)?;
                // A code of another version; whoever asks for events gets those that this one knows.
                let Some(code) = event_code(&code) else { continue };
                events.push(Event {
                    seq: number(seq),
                    at: instant(row, 1)?,
                    code,
                    about: get(row, 4)?,
                    detail: get(row, 5)?,
                    count: get(row, 6)?,
                });
            }
            Ok(events)
        })
    }

    /// How far a sink has delivered a stream; `None` for one that never did.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn cursor(&mut self, sink: &str, stream: Stream) -> Result<Option<u64>, StoreError> {
        self.in_snapshot(|connection, _| {
            let sql = "SELECT seq FROM cursor WHERE sink = ?1 AND stream = ?2";
            let seq: Option<i64> = connection
                .query_row(sql, params![sink, stream.text()], |row| row.get(0))
                .optional()
                .doing("reading")?;
            Ok(seq.map(number))
        })
    }

    /// The lowest number that the budget has left; `None` when there is none.
    ///
    /// [`missed`](Self::missed) says what a sink that is further back will not get.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn first_seq(&mut self, stream: Stream) -> Result<Option<u64>, StoreError> {
        self.in_snapshot(|connection, _| {
            let sql = match stream {
                Stream::Readings => {
                    "SELECT min(first) FROM (SELECT min(first) AS first FROM chunk UNION ALL SELECT min(first) FROM recent)"
                }
                Stream::Measured => "SELECT min(seq) FROM measured",
                Stream::Events => "SELECT min(seq) FROM event",
            };
            let first: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).doing("reading")?;
            Ok(first.map(number))
        })
    }

    /// What a sink that has delivered up to `after` will never get, because the budget has taken it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn missed(&mut self, stream: Stream, after: u64) -> Result<Missed, StoreError> {
        let first = self.first_seq(stream)?;
        self.in_snapshot(|connection, _| {
            let last = |sql: &str| -> Result<Option<u64>, StoreError> {
                let last: Option<i64> =
                    connection.query_row(sql, [], |row| row.get(0)).optional().doing("reading")?.flatten();
                Ok(last.map(number))
            };
            let (dropped_to, thinned_to) = match stream {
                Stream::Readings => (
                    first.map(|first| first.saturating_sub(1)),
                    last("SELECT max(last) FROM chunk WHERE step_s > 0")?,
                ),
                Stream::Measured => {
                    (last("SELECT value FROM meta WHERE name = 'measured_dropped_to'")?, None)
                }
                Stream::Events => (first.map(|first| first.saturating_sub(1)), None),
            };
            let next = after.saturating_add(1);
            let dropped = dropped_to.filter(|&to| to >= next).map(|to| next..=to);
            let kept = dropped.as_ref().map_or(next, |dropped| dropped.end().saturating_add(1));
            Ok(Missed { dropped, thinned: thinned_to.filter(|&to| to >= kept).map(|to| kept..=to) })
        })
    }

    /// The epochs of a meter in the order of time, undone ones too.
    ///
    /// # Errors
    /// What SQLite says, or [`StoreError::Damaged`].
    pub fn epochs(&mut self, meter: &str) -> Result<Vec<Epoch>, StoreError> {
        self.in_snapshot(|connection, _| epochs(connection, meter))
    }

    /// The numbers of a meter in quarantine, oldest first; with `open_only` those that nobody has judged.
    ///
    /// # Errors
    /// What SQLite says, or [`StoreError::Damaged`].
    pub fn held(&mut self, meter: &str, open_only: bool) -> Result<Vec<Held>, StoreError> {
        self.in_snapshot(|connection, _| {
            let sql =
                "SELECT h.id, h.at_ms, h.trust, register, mantissa, exponent, unit, reason, detail, judgement,
                       identity FROM held h JOIN meter m ON m.id = h.meter
                       WHERE m.name = ?1 AND (NOT ?2 OR judgement = 'open') ORDER BY h.id";
            let mut select = connection.prepare_cached(sql).doing("reading")?;
            let mut found = select.query(params![meter, open_only]).doing("reading")?;
            let name: Arc<str> = meter.into();
            let mut held = Vec::new();
            while let Some(row) = found.next().doing("reading")? {
                let id = get(row, 0)?;
                let (register, unit, reason, judgement): (String, Option<String>, String, String) =
                    (get(row, 3)?, get(row, 6)?, get(row, 7)?, get(row, 9)?);
                let one = || {
                    Some(Held {
                        id,
                        meter: Arc::clone(&name),
                        at: instant(row, 1).ok()?,
                        register: register.parse().ok()?,
                        number: Number::with_exponent(get(row, 4).ok()?, get(row, 5).ok()?)?,
                        unit: unit.as_deref().and_then(Unit::from_text).map(|(unit, _)| unit),
                        reason: names::named(&HeldReason::NAMES, &reason)?,
                        detail: get(row, 8).ok()?,
                        judgement: names::named(&Judgement::NAMES, &judgement)?,
                        identity: get(row, 10).ok()?,
                    })
                };
                held.push(one().ok_or_else(|| damaged(format!("number {id} in quarantine")))?);
            }
            Ok(held)
        })
    }

    /// The latest values of a meter's registers that are no numbers.
    ///
    /// # Errors
    /// What SQLite says, or [`StoreError::Damaged`].
    pub fn remarks(&mut self, meter: &str) -> Result<Vec<Remark>, StoreError> {
        self.in_snapshot(|connection, _| {
            let sql = "SELECT register, since_ms, trust, value FROM remark r JOIN meter m ON m.id = r.meter WHERE m.name = ?1 ORDER BY register";
            let mut select = connection.prepare_cached(sql).doing("reading")?;
            let mut found = select.query([meter]).doing("reading")?;
            let name: Arc<str> = meter.into();
            let mut remarks = Vec::new();
            while let Some(row) = found.next().doing("reading")? {
                let register: String = get(row, 0)?;
                let id = register.parse().map_err(|_| damaged(format!("register {register}")))?;
                let (since, value) = (instant(row, 1)?, get(row, 3)?);
                remarks.push(Remark { meter: Arc::clone(&name), id, since, value });
            }
            Ok(remarks)
        })
    }

    /// The names of all meters that ever had something in the store.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn meters(&mut self) -> Result<Vec<String>, StoreError> {
        self.in_snapshot(|connection, _| {
            let mut select =
                connection.prepare_cached("SELECT name FROM meter ORDER BY name").doing("reading")?;
            let names = select.query_map([], |row| row.get(0)).doing("reading")?;
            names.collect::<Result<_, _>>().doing("reading")
        })
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).doing("opening")?;
    connection.busy_timeout(Duration::from_secs(5)).doing("opening")?;
    connection.pragma_update(None, "cache_size", -512).doing("opening")?;
    super::database::check_version(&connection, path)?;
    Ok(connection)
}

/// The rows of one table after a number. Groups follow each other without overlap; within one each meter has a block.
fn rows_of(
    connection: &Connection,
    table: &str,
    seq: u64,
    limit: usize,
    rows: &mut Vec<(i64, BlockRow)>,
) -> Result<(), StoreError> {
    // The group in which the number lies, or would: all blocks that reach beyond it begin there or later.
    let sql = format!(
        "SELECT first, last, grp, meter, count, length, bytes FROM {table}
         WHERE first >= coalesce((SELECT grp FROM {table} WHERE first <= ?1 ORDER BY first DESC LIMIT 1), 0)
         ORDER BY first"
    );
    let mut select = connection.prepare_cached(&sql).doing("reading")?;
    let mut found = select.query([integer(seq)]).doing("reading")?;
    let mut group = None;
    while let Some(row) = found.next().doing("reading")? {
        let (last, grp): (i64, i64) = (get(row, 1)?, get(row, 2)?);
        // All of a group, or a row of its next meter would be left out.
        if group.is_some_and(|group| group != grp) && rows.len() >= limit {
            break;
        }
        group = Some(grp);
        if number(last) <= seq {
            continue;
        }
        let first: i64 = get(row, 0)?;
        let meter = get(row, 3)?;
        let bytes = row.get_ref(6).and_then(|bytes| Ok(bytes.as_blob()?)).doing("reading")?;
        let found = block::rows(first, bytes, get(row, 5)?, limit, |row, _| row > seq)?;
        rows.extend(found.into_iter().map(|row| (meter, row)));
    }
    Ok(())
}

/// The columns that [`measured`] reads.
pub(super) const MEASURED: &str =
    "SELECT seq, meter, use_case, mark_s, quality, clock_doubtful, bytes FROM measured";

pub(super) fn measured(
    connection: &Connection,
    names: &mut Names,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<Measured>, StoreError> {
    let mut select = connection.prepare_cached(sql).doing("reading")?;
    let mut found = select.query(params).doing("reading")?;
    let mut all = Vec::new();
    while let Some(row) = found.next().doing("reading")? {
        let seq: i64 = get(row, 0)?;
        let (case, quality): (String, String) = (get(row, 2)?, get(row, 4)?);
        let bytes = row.get_ref(6).and_then(|bytes| Ok(bytes.as_blob()?)).doing("reading")?;
        let block_row = block::unpack_one("measured row", seq, bytes)?;
        let what = || damaged(format!("measured row {seq}"));
        all.push(Measured {
            seq: number(seq),
            case: case.parse().map_err(|_| what())?,
            mark: Mark::from_unix_s(get(row, 3)?),
            quality: names::quality(&quality).ok_or_else(what)?,
            clock_doubtful: get(row, 5)?,
            row: names.row(connection, get(row, 1)?, block_row)?,
        });
    }
    Ok(all)
}

pub(super) fn epochs(connection: &Connection, meter: &str) -> Result<Vec<Epoch>, StoreError> {
    let sql =
        "SELECT e.id, from_ms, identity, cause, offsets, undone FROM epoch e JOIN meter m ON m.id = e.meter
               WHERE m.name = ?1 ORDER BY from_ms, e.id";
    let mut select = connection.prepare_cached(sql).doing("reading")?;
    let mut found = select.query([meter]).doing("reading")?;
    let name: Arc<str> = meter.into();
    let mut epochs = Vec::new();
    while let Some(row) = found.next().doing("reading")? {
        let id = get(row, 0)?;
        let (cause, offsets): (String, String) = (get(row, 3)?, get(row, 4)?);
        let what = || damaged(format!("epoch {id}"));
        epochs.push(Epoch {
            id,
            meter: Arc::clone(&name),
            from_ms: get(row, 1)?,
            identity: get(row, 2)?,
            cause: names::named(&EpochCause::NAMES, &cause).ok_or_else(what)?,
            offsets: names::offsets(&offsets).ok_or_else(what)?,
            undone: get(row, 5)?,
        });
    }
    Ok(epochs)
}

/// Names and shapes by their ids, as far as they were needed.
#[derive(Debug, Default)]
pub(super) struct Names {
    meters: HashMap<i64, Arc<str>>,
    shapes: HashMap<u32, Arc<Shape>>,
}

impl Names {
    /// The row with its names.
    pub(super) fn row(
        &mut self,
        connection: &Connection,
        meter: i64,
        row: BlockRow,
    ) -> Result<Row, StoreError> {
        let shape = self.shape(connection, row.shape)?;
        if shape.0.len() != row.mantissas.len() {
            let (expected, found) = (shape.0.len(), row.mantissas.len());
            let why = format!("expected {expected} registers, found {found}");
            return Err(StoreError::Damaged { what: format!("row {}", row.seq), why });
        }
        Ok(Row {
            seq: row.seq,
            meter: self.meter(connection, meter)?,
            at: row.at,
            meter_clock_s: row.meter_clock_s,
            flags: row.flags,
            shape,
            mantissas: row.mantissas,
        })
    }

    fn meter(&mut self, connection: &Connection, id: i64) -> Result<Arc<str>, StoreError> {
        if let Some(name) = self.meters.get(&id) {
            return Ok(Arc::clone(name));
        }
        let name: Arc<str> = connection
            .query_row("SELECT name FROM meter WHERE id = ?1", [id], |row| row.get(0))
            .doing("reading the names of meters in")?;
        self.meters.insert(id, Arc::clone(&name));
        Ok(name)
    }

    fn shape(&mut self, connection: &Connection, id: u32) -> Result<Arc<Shape>, StoreError> {
        if let Some(shape) = self.shapes.get(&id) {
            return Ok(Arc::clone(shape));
        }
        let text: String = connection
            .query_row("SELECT columns FROM shape WHERE id = ?1", [id], |row| row.get(0))
            .doing("reading the registers in")?;
        let shape = names::shape(&text).ok_or_else(|| damaged(format!("list of registers {id}")))?;
        let shape = Arc::new(shape);
        self.shapes.insert(id, Arc::clone(&shape));
        Ok(shape)
    }
}

pub(super) fn get<T: FromSql>(row: &rusqlite::Row<'_>, column: usize) -> Result<T, StoreError> {
    row.get(column).doing("reading")
}

/// Milliseconds in this column, the trust in the next.
fn instant(row: &rusqlite::Row<'_>, column: usize) -> Result<Instant, StoreError> {
    let trust: Option<Trust> = names::trust(get(row, column.saturating_add(1))?);
    let trust = trust.ok_or_else(|| damaged("a time".to_owned()))?;
    Ok(Instant { unix_ms: get(row, column)?, trust })
}

fn damaged(what: String) -> StoreError {
    StoreError::Damaged { what, why: "it says what this program never writes".to_owned() }
}
