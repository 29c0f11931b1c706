//! The durable path of one sink: what is committed, in order, from where it left off.
use super::believed::Believed;
use super::sample::Entry;
use super::wanted::Wanted;
use crate::config::{Selection, Stream};
use crate::store::{Committed, Reader, Row, Store, StoreError};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::watch;

/// Rows read from the store at once: some seconds of a household, a tenth of a second of work.
const BATCH_LEN: usize = 256;

/// Reads the streams that a sink gets, each from its cursor.
#[derive(Debug)]
pub(super) struct Feed {
    store: Store,
    reader: Reader,
    sink: Arc<str>,
    selection: Selection,
    believed: Believed,
    /// Streams of which nobody knows yet how far the receiver has them.
    unopened: Vec<Stream>,
    lanes: Vec<Lane>,
    committed: watch::Receiver<Committed>,
    /// Readings that were gone from the store before they could be read.
    missed: u64,
    /// Which lane is next, so that a long backlog of one does not hold up the others.
    turn: usize,
}

/// One stream.
#[derive(Debug)]
struct Lane {
    stream: Stream,
    wanted: Wanted,
    /// The last entry that the receiver has.
    cursor: u64,
    /// Read and wanted, with their numbers; the receiver does not have them yet.
    pending: Vec<Entry>,
    numbers: Vec<u64>,
    /// The last number that was read, wanted or not.
    read_to: u64,
}

impl Feed {
    /// The feed of a sink; a sink that the store does not know begins with what comes from now on, or with all there
    /// is. A store that cannot be read yet is read when it can be.
    pub(super) fn open(store: &Store, sink: &Arc<str>, streams: &[Stream], selection: &Selection) -> Self {
        let mut feed = Self {
            store: store.clone(),
            reader: store.reader(),
            sink: Arc::clone(sink),
            selection: selection.clone(),
            believed: Believed::default(),
            unopened: streams.to_vec(),
            lanes: Vec::new(),
            committed: store.committed(),
            missed: 0,
            turn: 0,
        };
        if let Err(error) = feed.find_cursors() {
            tracing::debug!("sink `{sink}`: the store cannot be read yet: {error}");
        }
        feed
    }

    /// Finds out where each stream goes on.
    fn find_cursors(&mut self) -> Result<(), StoreError> {
        let head = *self.committed.borrow();
        let mut lanes = Vec::new();
        for &stream in &self.unopened {
            let first = self.reader.first_seq(stream)?;
            let known = self.reader.cursor(&self.sink, stream)?;
            let begin = if self.selection.from_beginning { 0 } else { head.of(stream) };
            // A store that was begun anew knows smaller numbers than the cursor.
            let mut cursor = known.unwrap_or(begin).min(head.of(stream));
            if let Some(first) = first
                && known.is_some()
                && first > cursor.saturating_add(1)
            {
                self.missed += first - cursor - 1;
                cursor = first - 1;
            }
            if known != Some(cursor) {
                self.store.set_cursor(&self.sink, stream, cursor);
            }
            lanes.push(Lane {
                stream,
                wanted: Wanted::new(self.selection.clone()),
                cursor,
                pending: Vec::new(),
                numbers: Vec::new(),
                read_to: cursor,
            });
        }
        self.unopened.clear();
        self.lanes = lanes;
        Ok(())
    }

    /// Waits until there is something to read or to hand over. Given up in the middle it has changed nothing.
    pub(super) async fn ready(&mut self) {
        while !self.has_more() {
            if self.committed.changed().await.is_err() {
                // The store is closed: nothing will ever come.
                return std::future::pending().await;
            }
        }
    }

    /// True when something was committed that the receiver does not have.
    pub(super) fn has_more(&self) -> bool {
        let head = *self.committed.borrow();
        if !self.unopened.is_empty() {
            return head != Committed::default();
        }
        self.lanes.iter().any(|lane| !lane.pending.is_empty() || head.of(lane.stream) > lane.read_to)
    }

    /// The next entries of the stream whose turn it is; empty when nothing of what was read is wanted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn batch(&mut self) -> Result<&[Entry], StoreError> {
        if !self.unopened.is_empty() {
            self.find_cursors()?;
        }
        let head = *self.committed.borrow_and_update();
        let is_behind = |lane: &Lane| !lane.pending.is_empty() || head.of(lane.stream) > lane.read_to;
        let lanes = self.lanes.len();
        let next = (0..lanes).map(|step| (self.turn + step) % lanes.max(1));
        let Some(turn) = next.into_iter().find(|&at| self.lanes.get(at).is_some_and(is_behind)) else {
            return Ok(&[]);
        };
        self.turn = turn;
        if self.lanes.get(turn).is_some_and(|lane| lane.pending.is_empty()) {
            self.read(turn)?;
        }
        Ok(self.lanes.get(turn).map(|lane| lane.pending.as_slice()).unwrap_or_default())
    }

    fn read(&mut self, turn: usize) -> Result<(), StoreError> {
        let Some(lane) = self.lanes.get_mut(turn) else { return Ok(()) };
        let from = lane.read_to;
        match lane.stream {
            Stream::Readings => {
                let rows = self.reader.rows_after(from, BATCH_LEN)?;
                self.missed += holes(from, rows.iter().map(|row| row.seq));
                refresh(&mut self.believed, &mut self.reader, rows.iter())?;
                for row in &rows {
                    let sample = self.believed.sample(row, self.selection.as_printed);
                    let entry = lane.wanted.of(sample).map(Entry::Reading);
                    lane.add(row.seq, entry);
                }
            }
            Stream::Measured => {
                let all = self.reader.measured_after(from, BATCH_LEN)?;
                refresh(&mut self.believed, &mut self.reader, all.iter().map(|measured| &measured.row))?;
                for measured in &all {
                    let mut sample = self.believed.sample(&measured.row, self.selection.as_printed);
                    sample.seq = measured.seq;
                    let entry = lane.wanted.of(sample).map(|sample| Entry::Measured {
                        case: measured.case,
                        mark: measured.mark,
                        quality: measured.quality,
                        clock_doubtful: measured.clock_doubtful,
                        sample,
                    });
                    lane.add(measured.seq, entry);
                }
            }
            Stream::Events => {
                for event in self.reader.events_after(from, BATCH_LEN)? {
                    lane.add(event.seq, Some(Entry::Event(event)));
                }
            }
        }
        if lane.read_to == from {
            // What is committed and not there was dropped for space.
            lane.read_to = self.committed.borrow().of(lane.stream);
        }
        if lane.pending.is_empty() {
            lane.cursor = lane.read_to;
            self.store.set_cursor(&self.sink, lane.stream, lane.cursor);
        }
        Ok(())
    }

    /// Notes that the receiver has so many of the entries that [`batch`](Self::batch) gave.
    pub(super) fn taken(&mut self, count: usize) {
        let Some(lane) = self.lanes.get_mut(self.turn) else { return };
        let count = count.min(lane.pending.len());
        if count == 0 {
            return;
        }
        let last = lane.numbers.get(count - 1).copied();
        lane.pending.drain(..count);
        lane.numbers.drain(..count);
        lane.cursor = if lane.pending.is_empty() { lane.read_to } else { last.unwrap_or(lane.cursor) };
        self.store.set_cursor(&self.sink, lane.stream, lane.cursor);
        self.turn += 1;
    }

    /// Readings that were missed since this was asked last.
    pub(super) fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }

    /// How far the receiver has each stream.
    pub(super) fn cursors(&self) -> impl Iterator<Item = (Stream, u64)> {
        self.lanes.iter().map(|lane| (lane.stream, lane.cursor))
    }
}

impl Lane {
    fn add(&mut self, number: u64, entry: Option<Entry>) {
        self.read_to = number;
        if let Some(entry) = entry {
            self.pending.push(entry);
            self.numbers.push(number);
        }
    }
}

/// Reads the epochs of the meters whose rows were read: an exchange changes totals from some row on.
fn refresh<'a>(
    believed: &mut Believed,
    reader: &mut Reader,
    rows: impl Iterator<Item = &'a Row>,
) -> Result<(), StoreError> {
    let meters: HashSet<&Arc<str>> = rows.map(|row| &row.meter).collect();
    for meter in meters {
        believed.set_epochs(meter, reader.epochs(meter)?);
    }
    Ok(())
}

/// How many numbers are left out after `from`. The store numbers rows without a hole, so these were dropped for space.
fn holes(from: u64, numbers: impl Iterator<Item = u64>) -> u64 {
    let step = |(before, holes): (u64, u64), number: u64| {
        (number, holes + number.saturating_sub(before).saturating_sub(1))
    };
    numbers.fold((from, 0), step).1
}

#[cfg(test)]
mod tests {
    use super::holes;

    #[test]
    fn what_the_store_dropped_is_counted() {
        assert_eq!(holes(7, [8, 9, 10].into_iter()), 0);
        assert_eq!(holes(7, [10, 11, 20].into_iter()), 2 + 8);
        assert_eq!(holes(7, std::iter::empty()), 0);
    }
}
