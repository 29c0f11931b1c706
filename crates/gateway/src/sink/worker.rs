//! The thread of one sink: tells what is new, delivers what is durable, and tries again after a failure.
use super::feed::Feed;
use super::health::Health;
use super::kind::Sink;
use super::news::News;
use super::queue::Queue;
use super::sample::{Delivered, Step, Trouble};
use super::wanted::Wanted;
use crate::event::{Event, EventCode};
use crate::store::Store;
use crate::watch::Heartbeat;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Between two tries of a sink that fails: doubled from the first to the second.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A sink with a connection of its own looks after it this often when there is nothing to say.
const KEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A receiver that asks to be left alone is, but not longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The worker of one sink.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) sink: Sink,
    pub(super) name: Arc<str>,
    pub(super) live: Wanted,
    pub(super) queue: Arc<Queue<Arc<News>>>,
    pub(super) feed: Option<Feed>,
    pub(super) store: Store,
    pub(super) health: Arc<Health>,
    pub(super) heartbeat: Heartbeat,
    pub(super) paused: watch::Receiver<bool>,
    pub(super) backoff: Backoff,
}

/// When a sink that failed is tried again.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    wait: Option<Duration>,
    until: Option<Instant>,
}

impl Backoff {
    /// Notes a failure.
    fn failed(&mut self, now: Instant, asked: Option<Duration>) {
        let wait = self.wait.map_or(RETRY_MIN, |wait| (wait * 2).min(RETRY_MAX));
        self.wait = Some(wait);
        self.until = Some(now + asked.map_or(wait, |asked| asked.clamp(wait, RETRY_AFTER_MAX)));
    }

    fn worked(&mut self) {
        *self = Self::default();
    }
}

/// Whether the worker goes on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    /// The sink will never deliver again.
    Gone,
}

impl Worker {
    /// Works until the queue is closed and everything is delivered that can be, or until the sink is gone.
    pub(super) async fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        self.tell_cursors();
        loop {
            let paused = *self.paused.borrow_and_update();
            self.health.paused(paused);
            let until = self.backoff.until;
            let keep_at = self.sink.keeps().then(|| Instant::now() + KEEP_INTERVAL);
            self.heartbeat.rest();
            let next = tokio::select! {
                biased;
                changed = self.paused.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    Next::GoOn
                }
                () = at(until), if until.is_some() => {
                    self.backoff.until = None;
                    Next::GoOn
                }
                news = queue.pop(), if until.is_none() && !paused => match news {
                    Some(news) => self.tell(news).await,
                    None => break,
                },
                // In trouble or paused the news goes on to wait; only the end is of interest.
                () = queue.closed(), if until.is_some() || paused => break,
                () = ready(&mut self.feed), if until.is_none() && !paused => {
                    self.pump().await;
                    Next::GoOn
                }
                () = at(keep_at), if keep_at.is_some() && until.is_none() && !paused => {
                    self.keep().await;
                    Next::GoOn
                }
            };
            self.tell_cursors();
            if next == Next::Gone {
                break;
            }
        }
        self.finish().await;
    }

    /// What is still there is delivered as long as that works; at the end of the program nobody waits for a retry.
    async fn finish(&mut self) {
        let paused = *self.paused.borrow();
        if !paused {
            while self.queue.counts().0 > 0 {
                let Some(news) = self.queue.pop().await else { break };
                if self.tell(news).await == Next::Gone || self.backoff.until.is_some() {
                    break;
                }
            }
            if self.backoff.until.is_none() || self.queue.is_closed() {
                self.backoff.worked();
                while self.feed.as_ref().is_some_and(Feed::has_more) && self.backoff.until.is_none() {
                    self.pump().await;
                }
            }
        }
        self.sink.close().await;
        self.queue.close();
        self.queue.drop_rest();
        self.tell_cursors();
        self.health.ended();
    }

    /// Looks after the connection of a sink that has nothing to say.
    async fn keep(&mut self) {
        self.heartbeat.beat();
        match self.sink.keep().await {
            Ok(()) => self.note(None),
            Err(trouble) => {
                self.note(Some(&trouble));
                self.backoff.failed(Instant::now(), trouble.retry_after);
            }
        }
    }

    /// Tells one piece of news, or of a sink that wants the newest only the newest of all that waits.
    async fn tell(&mut self, news: Arc<News>) -> Next {
        self.heartbeat.beat();
        let all = if self.sink.wants_all_news() { vec![news] } else { newest(news, &self.queue) };
        for news in all {
            let is_telegram = news.update.telegram().is_some();
            let Some(news) = self.wanted(&news) else { continue };
            let told = if self.sink.wants_all_news() {
                self.insist(&news).await
            } else {
                self.sink.tell(&news).await
            };
            match told {
                Ok(()) => {
                    self.backoff.worked();
                    self.note(None);
                    self.health.delivered(u64::from(is_telegram));
                }
                Err(trouble) => {
                    self.note(Some(&trouble));
                    if trouble.step == Step::Gone {
                        return Next::Gone;
                    }
                    self.backoff.failed(Instant::now(), trouble.retry_after);
                    return Next::GoOn;
                }
            }
        }
        Next::GoOn
    }

    /// The news as the sink wants it, if it does.
    fn wanted(&mut self, news: &Arc<News>) -> Option<Arc<News>> {
        let Some(telegram) = news.update.telegram() else {
            // A reading of a source is its numbers and nothing else.
            let Some(sample) = news.sample.clone() else { return Some(Arc::clone(news)) };
            let sample = Some(self.live.of(sample)?);
            return Some(Arc::new(News { update: Arc::clone(&news.update), sample }));
        };
        let update = super::only_wanted(&news.update, self.live.selection())?;
        let sample = news.sample.clone().and_then(|sample| self.live.of(sample));
        let has_numbers = telegram.reading.registers.iter().any(|register| register.number().is_some());
        if sample.is_none() && news.sample.is_some() && has_numbers {
            return None;
        }
        Some(Arc::new(News { update, sample }))
    }

    /// Tries until it works, or until the end of the program.
    async fn insist(&mut self, news: &News) -> Result<(), Trouble> {
        let queue = Arc::clone(&self.queue);
        loop {
            let Err(trouble) = self.sink.tell(news).await else { return Ok(()) };
            if trouble.step == Step::Gone || queue.is_closed() {
                return Err(trouble);
            }
            self.note(Some(&trouble));
            self.backoff.failed(Instant::now(), None);
            let until = self.backoff.until.take();
            tokio::select! {
                () = at(until) => {}
                () = queue.closed() => {}
            }
        }
    }

    /// Delivers the next entries of the store.
    async fn pump(&mut self) {
        self.heartbeat.beat();
        self.tell_missed();
        let Some(feed) = &mut self.feed else { return };
        let batch = match feed.batch() {
            Ok([]) => return,
            Ok(batch) => batch,
            Err(error) => {
                let trouble = Trouble::new(Step::Deliver, format!("the store cannot be read: {error}"));
                self.note(Some(&trouble));
                self.backoff.failed(Instant::now(), None);
                return;
            }
        };
        let wait = self.sink.wait(batch);
        if !wait.is_zero() && !self.queue.is_closed() {
            self.backoff.until = Some(Instant::now() + wait);
            return;
        }
        let Delivered { taken, refused, mut trouble } = self.sink.deliver(batch).await;
        let readings =
            batch.iter().take(taken).filter(|entry| !matches!(entry, super::Entry::Event(_))).count();
        if taken == 0 && trouble.is_none() {
            trouble = Some(Trouble::new(Step::Deliver, "the receiver took nothing"));
        }
        feed.taken(taken);
        self.health.delivered(readings.saturating_sub(refused.len()) as u64);
        self.health.refused(refused.len() as u64);
        if let Some((_, why)) = refused.first() {
            let detail =
                format!("{} entries were refused for good and skipped; the first: {why}", refused.len());
            tracing::error!("sink `{}`: {detail}", self.name);
            self.event(EventCode::SinkRefused, detail);
        }
        self.note(trouble.as_ref());
        match trouble {
            Some(trouble) => self.backoff.failed(Instant::now(), trouble.retry_after),
            None => self.backoff.worked(),
        }
    }

    /// Tells what was gone from the store before it was delivered.
    fn tell_missed(&mut self) {
        let missed = self.feed.as_mut().map_or(0, Feed::take_missed);
        if missed > 0 {
            self.health.missed(missed);
            let detail = format!("{missed} entries were dropped from the store before they were delivered");
            tracing::error!("sink `{}`: {detail}", self.name);
            self.event(EventCode::SinkMissed, detail);
        }
    }

    fn tell_cursors(&self) {
        if let Some(feed) = &self.feed {
            self.health.cursors(feed.cursors());
        }
    }

    /// Tells the beginning and the end of trouble, once each.
    fn note(&self, trouble: Option<&Trouble>) {
        if !self.health.note(trouble) {
            return;
        }
        match trouble {
            Some(trouble) => {
                tracing::warn!("sink `{}`: cannot deliver, readings wait: {trouble}", self.name);
                self.event(EventCode::SinkFailing, trouble.to_string());
            }
            None => {
                tracing::info!("sink `{}`: delivers again", self.name);
                self.event(EventCode::SinkRecovered, String::new());
            }
        }
    }

    fn event(&self, code: EventCode, detail: String) {
        let at = crate::clock::time_of_day();
        self.store.event(Event { seq: 0, at, code, about: Some(Arc::clone(&self.name)), detail, count: 1 });
    }
}

/// Of all that waits the newest of each kind of each meter, in their order: a refusal does not hide a verdict.
pub(super) fn newest(first: Arc<News>, queue: &Queue<Arc<News>>) -> Vec<Arc<News>> {
    let mut all = vec![first];
    all.extend(queue.take_all());
    let key = |news: &News| (Arc::clone(&news.update.meter), std::mem::discriminant(&news.update.what));
    let mut seen = std::collections::HashSet::new();
    let mut kept: Vec<_> = all.into_iter().rev().filter(|news| seen.insert(key(news))).collect();
    kept.reverse();
    kept
}

async fn ready(feed: &mut Option<Feed>) {
    match feed {
        Some(feed) => feed.ready().await,
        None => std::future::pending().await,
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}
