//! The queue between the pipeline and a sink: bounded, and for a live meter never a reason to wait.
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// A bounded queue whose writer never waits.
///
/// When it is full the oldest entry is dropped and counted. A sink that hangs (a full disk, a pipe that nobody reads)
/// must not hold up the meters and the other sinks, and of what it missed the latest is worth most.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    /// Told after each entry that was taken out.
    room: Notify,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    entries: VecDeque<T>,
    dropped: u64,
    closed: bool,
}

/// What [`Queue::pop`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Popped<T> {
    /// The oldest entry.
    Entry(T),
    /// None came in time.
    Timeout,
    /// The queue is closed and empty.
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State { entries: VecDeque::new(), dropped: 0, closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), room: Notify::new(), capacity }
    }

    /// A thread that panicked leaves the entries sound: each change below is one step.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends an entry, in place of the oldest when the queue is full.
    pub(crate) fn push(&self, entry: T) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if state.entries.len() >= self.capacity {
            state.entries.pop_front();
            state.dropped += 1;
        }
        state.entries.push_back(entry);
        self.changed.notify_all();
    }

    /// Waits until there is room, or the queue is closed. For the one writer of the queue.
    pub(crate) async fn wait_for_room(&self) {
        loop {
            {
                let state = self.lock();
                if state.closed || state.entries.len() < self.capacity {
                    return;
                }
            }
            self.room.notified().await;
        }
    }

    /// Waits for the oldest entry.
    pub(crate) fn pop(&self, until: Option<Instant>) -> Popped<T> {
        let mut state = self.lock();
        loop {
            if let Some(entry) = state.entries.pop_front() {
                self.room.notify_one();
                return Popped::Entry(entry);
            }
            if state.closed {
                return Popped::Closed;
            }
            let Some(until) = until else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Popped::Timeout;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until a time or until the queue is closed, and says whether it is.
    pub(crate) fn wait_closed(&self, until: Instant) -> bool {
        let mut state = self.lock();
        while !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.closed
    }

    /// Takes no more entries; those inside are still to be popped.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
        self.room.notify_one();
    }

    /// Entries waiting, and entries dropped so far.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let state = self.lock();
        (state.entries.len(), state.dropped)
    }

    /// Notes entries that the sink could not deliver before the end.
    pub(crate) fn drop_rest(&self) {
        let mut state = self.lock();
        state.dropped += state.entries.len() as u64;
        state.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_full_queue_drops_the_oldest_and_counts_it() {
        let queue = Queue::new(2);
        for entry in 1..=5 {
            queue.push(entry);
        }
        assert_eq!(queue.counts(), (2, 3));
        assert_eq!(queue.pop(None), Popped::Entry(4));
        assert_eq!(queue.pop(None), Popped::Entry(5));
        assert_eq!(queue.pop(Some(Instant::now())), Popped::Timeout);
    }

    #[test]
    fn a_closed_queue_gives_what_it_holds_and_takes_nothing() {
        let queue = Queue::new(2);
        queue.push(1);
        queue.close();
        queue.push(2);
        assert_eq!(queue.pop(None), Popped::Entry(1));
        assert_eq!(queue.pop(None), Popped::Closed);
        assert!(queue.wait_closed(Instant::now() + Duration::from_secs(60)));
    }

    #[test]
    fn closing_wakes_a_sink_that_waits() {
        let queue = std::sync::Arc::new(Queue::<u8>::new(2));
        let waiting = std::sync::Arc::clone(&queue);
        let sink = std::thread::spawn(move || waiting.pop(None));
        queue.close();
        assert_eq!(sink.join().unwrap(), Popped::Closed);
    }
}
