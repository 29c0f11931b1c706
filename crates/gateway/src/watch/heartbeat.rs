//! Tasks that must go on say so; who does not is found.
use crate::clock::Clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is done about a task that is stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing works without it: systemd may start the gateway anew.
    Restart,
    /// The others go on without it: it is told and no more. A sink whose disk hangs must not take the meters along.
    Tell,
}

/// A task that makes no progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Its name, such as `pipeline` or `sink broker`.
    pub name: Arc<str>,
    /// How long it has said nothing.
    pub silence: Duration,
    /// What is done about it.
    pub remedy: Remedy,
}

/// All tasks that have to say that they go on.
#[derive(Debug, Clone)]
pub struct Heartbeats {
    clock: Clock,
    tasks: Arc<Mutex<Vec<Arc<Task>>>>,
}

#[derive(Debug)]
struct Task {
    name: Arc<str>,
    allowed: Duration,
    remedy: Remedy,
    /// Milliseconds of the clock, or [`RESTING`], or [`ENDED`].
    last: AtomicU64,
}

/// It waits for work, for as long as it likes.
const RESTING: u64 = u64::MAX;

/// It has ended as it should.
const ENDED: u64 = u64::MAX - 1;

impl Heartbeats {
    /// No tasks yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, tasks: Arc::default() }
    }

    /// A task that has to beat at least each `allowed`, from now on.
    #[must_use]
    pub fn register(&self, name: impl Into<Arc<str>>, allowed: Duration, remedy: Remedy) -> Heartbeat {
        let task = Arc::new(Task {
            name: name.into(),
            allowed,
            remedy,
            last: AtomicU64::new(milliseconds(self.clock.now())),
        });
        // A poisoned list is still a list: a task that panicked while it registered is not in it.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&task));
        Heartbeat { clock: self.clock, task }
    }

    /// Who has been silent for longer than it may be.
    #[must_use]
    pub fn stuck(&self, now: Duration) -> Vec<Stuck> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| task.last.load(Ordering::Relaxed) != ENDED);
        let stuck = |task: &Arc<Task>| {
            let last = task.last.load(Ordering::Relaxed);
            let silence = now.saturating_sub(Duration::from_millis(last));
            let stuck = last < ENDED && silence > task.allowed;
            stuck.then(|| Stuck { name: Arc::clone(&task.name), silence, remedy: task.remedy })
        };
        tasks.iter().filter_map(stuck).collect()
    }
}

/// One task's own: to beat is one read of the clock and one store.
///
/// When it is dropped the task has ended as it should; dropped by a panic, the task stays in the list and is found.
#[derive(Debug)]
pub struct Heartbeat {
    clock: Clock,
    task: Arc<Task>,
}

impl Heartbeat {
    /// It goes on.
    pub fn beat(&self) {
        self.task.last.store(milliseconds(self.clock.now()), Ordering::Relaxed);
    }

    /// It waits for work until the next beat, which may take any time. Never before something that can hang.
    pub fn rest(&self) {
        self.task.last.store(RESTING, Ordering::Relaxed);
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // It will not rest any more.
            self.beat();
        } else {
            self.task.last.store(ENDED, Ordering::Relaxed);
        }
    }
}

fn milliseconds(now: Duration) -> u64 {
    // Half a billion years are enough.
    u64::try_from(now.as_millis()).unwrap_or(ENDED - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Duration = Duration::from_secs(10);

    fn names(heartbeats: &Heartbeats) -> Vec<Arc<str>> {
        heartbeats.stuck(heartbeats.clock.now()).into_iter().map(|stuck| stuck.name).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_for_longer_than_allowed_is_found_until_it_goes_on() {
        let heartbeats = Heartbeats::new(Clock::start());
        let reader = heartbeats.register("reader haus", ALLOWED, Remedy::Restart);
        let sink = heartbeats.register("sink broker", ALLOWED * 3, Remedy::Tell);
        tokio::time::advance(ALLOWED).await;
        assert_eq!(names(&heartbeats), []);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(names(&heartbeats), ["reader haus".into()]);
        reader.beat();
        assert_eq!(names(&heartbeats), []);
        tokio::time::advance(ALLOWED * 3).await;
        let stuck = heartbeats.stuck(heartbeats.clock.now());
        assert_eq!(
            stuck.iter().map(|stuck| stuck.remedy).collect::<Vec<_>>(),
            [Remedy::Restart, Remedy::Tell]
        );
        assert_eq!(stuck.first().map(|stuck| stuck.silence), Some(ALLOWED * 3));
        drop(sink);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_work_is_not_stuck_and_who_then_works_is_watched_again() {
        let heartbeats = Heartbeats::new(Clock::start());
        let sink = heartbeats.register("sink files", ALLOWED, Remedy::Tell);
        sink.rest();
        tokio::time::advance(ALLOWED * 1000).await;
        assert_eq!(names(&heartbeats), []);
        sink.beat();
        tokio::time::advance(ALLOWED * 2).await;
        assert_eq!(names(&heartbeats), ["sink files".into()]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_ended_is_forgotten_and_who_was_thrown_out_is_found() {
        let heartbeats = Heartbeats::new(Clock::start());
        drop(heartbeats.register("reader file", ALLOWED, Remedy::Restart));
        let thrown = heartbeats.register("sink bad", ALLOWED, Remedy::Tell);
        let thread = std::thread::spawn(move || {
            thrown.rest();
            panic!("of a test");
        });
        assert!(thread.join().is_err());
        tokio::time::advance(ALLOWED * 2).await;
        assert_eq!(names(&heartbeats), ["sink bad".into()]);
        assert_eq!(heartbeats.tasks.lock().unwrap().len(), 1);
    }
}
