//! What tariff use cases chose, in a commit: each mark of a grid has one value, the best there is.
use super::block::{self, BlockRow};
use super::database::{Ids, integer, number};
use super::error::Doing;
use super::{Mark, Measured, Quality, RowFlags, StoreError, UseCase, names};
use rusqlite::{OptionalExtension, Transaction, params};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Values of a commit that took the place of others that somebody may have seen.
#[derive(Debug, Default)]
pub(super) struct Corrections(BTreeMap<(Arc<str>, UseCase), BTreeSet<Mark>>);

impl Corrections {
    /// The meters and what an event says of each.
    pub(super) fn told(&self) -> impl Iterator<Item = (Arc<str>, String)> {
        let time = |mark: &Mark| {
            jiff::Timestamp::from_second(mark.unix_s()).map_or_else(|_| String::new(), |at| at.to_string())
        };
        self.0.iter().filter_map(move |((meter, case), marks)| {
            let (first, last) = (marks.first()?, marks.last()?);
            let span = if first == last {
                format!("that of {}", time(first))
            } else {
                format!("{} from {} to {}", marks.len(), time(first), time(last))
            };
            Some((Arc::clone(meter), format!("values like {} of earlier readings: {span}", short(*case))))
        })
    }

    fn note(&mut self, measured: &Measured) {
        let key = (Arc::clone(&measured.row.meter), measured.case);
        self.0.entry(key).or_default().insert(measured.mark);
    }

    fn has(&self, measured: &Measured) -> bool {
        let key = (Arc::clone(&measured.row.meter), measured.case);
        self.0.get(&key).is_some_and(|marks| marks.contains(&measured.mark))
    }
}

fn short(case: UseCase) -> String {
    case.number().map_or_else(|| case.code().to_owned(), |number| format!("TAF {number}"))
}

/// Puts in what was chosen, in the order of its numbers. A value that is no better than the one of its mark is left out.
pub(super) fn put(
    transaction: &Transaction<'_>,
    ids: &mut Ids<'_>,
    all: &VecDeque<Arc<Measured>>,
) -> Result<Corrections, StoreError> {
    let mut corrections = Corrections::default();
    let first_of_commit = all.front().map_or(u64::MAX, |measured| measured.seq);
    for measured in all {
        match take_place(transaction, ids, measured)? {
            Place::Taken => continue,
            Place::Free => {}
            // What came in the same commit was seen by nobody, but what that has replaced was.
            Place::Of(seq) if seq < first_of_commit => corrections.note(measured),
            Place::Of(_) => {}
        }
        put_one(transaction, ids, measured, corrections.has(measured))?;
    }
    Ok(corrections)
}

/// Where a value can stand.
enum Place {
    /// Nothing stands there.
    Free,
    /// What stood there had this number, and is gone.
    Of(u64),
    /// What stands there is better.
    Taken,
}

fn take_place(
    transaction: &Transaction<'_>,
    ids: &mut Ids<'_>,
    measured: &Measured,
) -> Result<Place, StoreError> {
    if !names::has_grid(measured.case) {
        return Ok(Place::Free);
    }
    let meter = ids.meter(&measured.row.meter)?;
    let sql = "SELECT seq, at_ms, quality FROM measured WHERE meter = ?1 AND use_case = ?2 AND mark_s = ?3";
    let mut present = transaction.prepare_cached(sql).doing("reading")?;
    let key = params![meter, measured.case.code(), measured.mark.unix_s()];
    let present: Option<(i64, i64, String)> = present
        .query_row(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
        .doing("reading")?;
    let Some((seq, at_ms, quality)) = present else { return Ok(Place::Free) };
    if !beats(measured, at_ms, names::quality(&quality)) {
        return Ok(Place::Taken);
    }
    transaction.execute("DELETE FROM measured WHERE seq = ?1", [seq]).doing("writing")?;
    Ok(Place::Of(number(seq)))
}

/// Whether a value takes the place of the one that its mark has: an earlier reading does, and what a person gives.
fn beats(measured: &Measured, at_ms: i64, present: Option<Quality>) -> bool {
    match (measured.quality, present) {
        (Quality::Substituted, _) | (_, None) => true,
        (_, Some(Quality::Substituted)) | (Quality::Missing, _) => false,
        (_, Some(Quality::Missing)) => true,
        (_, Some(Quality::Exact | Quality::Late)) => measured.row.at.unix_ms < at_ms,
    }
}

fn put_one(
    transaction: &Transaction<'_>,
    ids: &mut Ids<'_>,
    measured: &Measured,
    corrected: bool,
) -> Result<(), StoreError> {
    let mut row = BlockRow::new(&measured.row, ids.shape(&measured.row.shape)?);
    if corrected {
        row.flags = row.flags.with(RowFlags::CORRECTED);
    }
    let sql = "INSERT INTO measured VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut put = transaction.prepare_cached(sql).doing("writing")?;
    let values = params![
        integer(measured.seq),
        ids.meter(&measured.row.meter)?,
        measured.case.code(),
        measured.mark.unix_s(),
        measured.quality.name(),
        measured.clock_doubtful,
        measured.row.at.unix_ms,
        block::pack_one(&row),
    ];
    put.execute(values).doing("writing")?;
    Ok(())
}
