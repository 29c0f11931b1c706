//! What a meter said in a time: ranges, the latest, and what stood before and after an instant.
use super::block;
use super::error::Doing;
use super::reader::{Names, Reader, get};
use super::{Row, Shape, StoreError};
use metergate_reading::{Instant, Number, RegisterId, Unit};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Sealed blocks that [`Reader::latest_numbers`] looks back over: a day of hours.
const LOOK_BACK: usize = 24;

/// Sealed blocks that are looked at for one neighbour. One is enough, or two, unless dozens of them hold late rows.
const NEAR_MAX: usize = 64;

/// A block that may hold what is asked for.
#[derive(Debug)]
struct Place {
    first: i64,
    min_ms: i64,
    max_ms: i64,
    /// Meter, length and bytes of one that is not sealed: there are few, they are small, and they may soon be sealed.
    recent: Option<(i64, i64, Vec<u8>)>,
}

/// The latest number of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest {
    /// When.
    pub at: Instant,
    /// What it said, as on the meter.
    pub number: Number,
    /// In this unit, if one is known.
    pub unit: Option<Unit>,
}

impl Reader {
    /// The rows of a meter with `from_ms` <= time < `to_ms` in the order of time, late ones in their place; of equal
    /// times the one that came first.
    ///
    /// Blocks are read as the iterator comes to them. What the budget drops meanwhile is left out.
    ///
    /// # Errors
    /// What SQLite says. An item is an error when a block cannot be read; the iterator goes on behind it.
    pub fn range(&mut self, meter: &str, from_ms: i64, to_ms: i64) -> Result<Range<'_>, StoreError> {
        let mut places = self.in_snapshot(|connection, _| places(connection, meter, from_ms, to_ms))?;
        places.sort_unstable_by_key(|place| (place.min_ms, place.first));
        Ok(Range { reader: self, from_ms, to_ms, places: places.into(), open: BTreeMap::new() })
    }

    /// The row of a meter with the latest time.
    ///
    /// # Errors
    /// What SQLite says, or [`StoreError::Damaged`].
    pub fn latest(&mut self, meter: &str) -> Result<Option<Row>, StoreError> {
        Ok(self.neighbours(meter, i64::MAX)?.0)
    }

    /// The rows around an instant: the last one not after it, and the first one after it.
    ///
    /// # Errors
    /// What SQLite says, or [`StoreError::Damaged`].
    pub fn neighbours(&mut self, meter: &str, at_ms: i64) -> Result<(Option<Row>, Option<Row>), StoreError> {
        self.in_snapshot(|connection, names| {
            let mut before: Option<Row> = None;
            for place in places_before(connection, meter, at_ms)? {
                // Blocks come with falling ends: none of the rest has anything later.
                if before.as_ref().is_some_and(|row| row.at.unix_ms > place.max_ms) {
                    break;
                }
                let rows = load(connection, names, &place, |ms| ms <= at_ms)?;
                before = before.into_iter().chain(rows).max_by_key(|row| (row.at.unix_ms, row.seq));
            }
            let mut after: Option<Row> = None;
            for place in places_after(connection, meter, at_ms)? {
                if after.as_ref().is_some_and(|row| row.at.unix_ms < place.min_ms) {
                    break;
                }
                let rows = load(connection, names, &place, |ms| ms > at_ms)?;
                after = after.into_iter().chain(rows).min_by_key(|row| (row.at.unix_ms, row.seq));
            }
            Ok((before, after))
        })
    }

    /// The latest number of each register that a meter had within its last day.
    ///
    /// # Errors
    /// What SQLite says, or [`StoreError::Damaged`].
    pub fn latest_numbers(&mut self, meter: &str) -> Result<BTreeMap<RegisterId, Latest>, StoreError> {
        self.in_snapshot(|connection, names| {
            let mut newest: HashMap<Arc<Shape>, Row> = HashMap::new();
            let mut sealed = 0;
            for place in places_before(connection, meter, i64::MAX)? {
                sealed += usize::from(place.recent.is_none());
                if sealed > LOOK_BACK {
                    break;
                }
                for row in load(connection, names, &place, |_| true)? {
                    let known = newest.get(&row.shape);
                    if known.is_none_or(|known| (known.at.unix_ms, known.seq) < (row.at.unix_ms, row.seq)) {
                        newest.insert(Arc::clone(&row.shape), row);
                    }
                }
            }
            let mut latest: BTreeMap<RegisterId, Latest> = BTreeMap::new();
            for row in newest.values() {
                for (column, number) in row.numbers() {
                    let this = Latest { at: row.at, number, unit: column.unit };
                    let slot = latest.entry(column.id.clone()).or_insert(this);
                    if slot.at.unix_ms < row.at.unix_ms {
                        *slot = this;
                    }
                }
            }
            Ok(latest)
        })
    }
}

/// The rows of a time; see [`Reader::range`].
#[derive(Debug)]
pub struct Range<'r> {
    reader: &'r mut Reader,
    from_ms: i64,
    to_ms: i64,
    /// Not read yet, in the order of their beginnings.
    places: VecDeque<Place>,
    open: BTreeMap<(i64, u64), Row>,
}

impl Iterator for Range<'_> {
    type Item = Result<Row, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let ready = self.open.first_key_value().map(|(&(ms, _), _)| ms);
            // A row is next when no block that is not read yet begins before it.
            if self.places.front().is_none_or(|place| ready.is_some_and(|ms| ms < place.min_ms)) {
                return self.open.pop_first().map(|(_, row)| Ok(row));
            }
            let place = self.places.pop_front()?;
            let (from_ms, to_ms) = (self.from_ms, self.to_ms);
            let wanted = |ms| (from_ms..to_ms).contains(&ms);
            match self.reader.in_snapshot(|connection, names| load(connection, names, &place, wanted)) {
                Ok(rows) => self.open.extend(rows.into_iter().map(|row| ((row.at.unix_ms, row.seq), row))),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The rows of a block whose times are wanted; none when the budget has dropped it.
fn load(
    connection: &Connection,
    names: &mut Names,
    place: &Place,
    wanted: impl Fn(i64) -> bool,
) -> Result<Vec<Row>, StoreError> {
    let sealed;
    let (meter, length, bytes) = if let Some(recent) = &place.recent {
        recent
    } else {
        let sql = "SELECT meter, length, bytes FROM chunk WHERE first = ?1";
        let mut select = connection.prepare_cached(sql).doing("reading")?;
        let found = select.query_row([place.first], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let Some(found) = found.optional().doing("reading")? else { return Ok(Vec::new()) };
        sealed = found;
        &sealed
    };
    let rows = block::rows(place.first, bytes, *length, usize::MAX, |_, ms| wanted(ms))?;
    rows.into_iter().map(|row| names.row(connection, *meter, row)).collect()
}

/// The blocks of a meter that may hold rows of a time.
fn places(connection: &Connection, meter: &str, from_ms: i64, to_ms: i64) -> Result<Vec<Place>, StoreError> {
    let condition = "max_ms >= ?2 AND min_ms < ?3";
    let mut places = query(connection, &recent(condition), params![meter, from_ms, to_ms])?;
    places.extend(query(connection, &sealed(condition, ""), params![meter, from_ms, to_ms])?);
    Ok(places)
}

/// The blocks of a meter that may hold the last row not after an instant, those that end last first.
fn places_before(connection: &Connection, meter: &str, at_ms: i64) -> Result<Vec<Place>, StoreError> {
    let condition = "min_ms <= ?2";
    let mut places = query(connection, &recent(condition), params![meter, at_ms])?;
    let order = format!("ORDER BY max_ms DESC LIMIT {NEAR_MAX}");
    places.extend(query(connection, &sealed(condition, &order), params![meter, at_ms])?);
    places.sort_by_key(|place| std::cmp::Reverse((place.max_ms, place.first)));
    Ok(places)
}

/// The blocks of a meter that may hold the first row after an instant, those that begin first first.
fn places_after(connection: &Connection, meter: &str, at_ms: i64) -> Result<Vec<Place>, StoreError> {
    let condition = "max_ms > ?2";
    let mut places = query(connection, &recent(condition), params![meter, at_ms])?;
    let order = format!("ORDER BY min_ms LIMIT {NEAR_MAX}");
    places.extend(query(connection, &sealed(condition, &order), params![meter, at_ms])?);
    places.sort_by_key(|place| (place.min_ms, place.first));
    Ok(places)
}

fn recent(condition: &str) -> String {
    format!(
        "SELECT first, min_ms, max_ms, meter, length, bytes FROM recent
         WHERE meter = (SELECT id FROM meter WHERE name = ?1) AND {condition}"
    )
}

fn sealed(condition: &str, order: &str) -> String {
    format!(
        "SELECT first, min_ms, max_ms FROM chunk
         WHERE meter = (SELECT id FROM meter WHERE name = ?1) AND {condition} {order}"
    )
}

fn query(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<Place>, StoreError> {
    let mut select = connection.prepare_cached(sql).doing("reading")?;
    let is_recent = select.column_count() > 3;
    let mut found = select.query(params).doing("reading")?;
    let mut places = Vec::new();
    while let Some(row) = found.next().doing("reading")? {
        let recent = if is_recent { Some((get(row, 3)?, get(row, 4)?, get(row, 5)?)) } else { None };
        places.push(Place { first: get(row, 0)?, min_ms: get(row, 1)?, max_ms: get(row, 2)?, recent });
    }
    Ok(places)
}
