//! A bounded queue between the pipeline and one sink's thread.
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A queue with one writer and one reader. When it is full the oldest entry makes room: a sink that cannot keep up
/// must not hold up the meters and the other sinks, and of what it missed the latest is worth most.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Told after each entry that was put in, and at the end.
    filled: Notify,
    /// Told after each entry that was taken out, and at the end.
    room: Notify,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    entries: VecDeque<T>,
    /// The most that ever waited at once.
    depth_max: usize,
    dropped: u64,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State { entries: VecDeque::new(), depth_max: 0, dropped: 0, closed: false };
        Self { state: Mutex::new(state), filled: Notify::new(), room: Notify::new(), capacity }
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
        state.depth_max = state.depth_max.max(state.entries.len());
        self.filled.notify_one();
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

    /// Waits for the oldest entry; `None` when the queue is closed and empty. Given up in the middle it has taken
    /// nothing.
    pub(crate) async fn pop(&self) -> Option<T> {
        loop {
            {
                let mut state = self.lock();
                if let Some(entry) = state.entries.pop_front() {
                    self.room.notify_one();
                    return Some(entry);
                }
                if state.closed {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Takes out everything that waits.
    pub(crate) fn take_all(&self) -> Vec<T> {
        let entries = self.lock().entries.drain(..).collect();
        self.room.notify_one();
        entries
    }

    /// Waits until the queue is closed, whatever it holds.
    pub(crate) async fn closed(&self) {
        while !self.lock().closed {
            self.filled.notified().await;
        }
        // The next to wait must learn it too.
        self.filled.notify_one();
    }

    /// Takes no more entries; those inside are still to be popped.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
        self.room.notify_one();
    }

    /// True after [`close`](Self::close).
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Entries waiting, and entries dropped so far.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let state = self.lock();
        (state.entries.len(), state.dropped)
    }

    /// The most entries that ever waited at once.
    pub(crate) fn depth_max(&self) -> usize {
        self.lock().depth_max
    }

    /// Notes entries that the sink could not deliver before the end.
    pub(crate) fn drop_rest(&self) {
        let mut state = self.lock();
        state.dropped += state.entries.len() as u64;
        state.entries.clear();
        drop(state);
        self.room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_full_queue_drops_the_oldest_and_counts_it() {
        let queue = Queue::new(2);
        for entry in 1..=5 {
            queue.push(entry);
        }
        assert_eq!((queue.counts(), queue.depth_max()), ((2, 3), 2));
        assert_eq!(queue.pop().await, Some(4));
        assert_eq!(queue.pop().await, Some(5));
        assert_eq!((queue.counts(), queue.depth_max()), ((0, 3), 2));
    }

    #[tokio::test]
    async fn a_closed_queue_gives_what_it_holds_and_takes_nothing() {
        let queue = Queue::new(2);
        queue.push(1);
        queue.close();
        queue.push(2);
        queue.closed().await;
        assert_eq!(queue.pop().await, Some(1));
        assert_eq!(queue.pop().await, None);
    }

    #[tokio::test]
    async fn closing_wakes_a_sink_that_waits() {
        let queue = Arc::new(Queue::<u8>::new(2));
        let waiting = Arc::clone(&queue);
        let sink = tokio::spawn(async move { waiting.pop().await });
        tokio::task::yield_now().await;
        queue.close();
        assert_eq!(sink.await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_writer_that_can_wait_is_woken_by_room_and_by_the_end() {
        let queue = Arc::new(Queue::new(1));
        queue.push(1);
        let writer = {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                queue.wait_for_room().await;
                queue.push(2);
                queue.wait_for_room().await;
            })
        };
        assert_eq!(queue.pop().await, Some(1));
        assert_eq!(queue.pop().await, Some(2));
        writer.await.unwrap();
        assert_eq!(queue.counts(), (0, 0));
    }
}
