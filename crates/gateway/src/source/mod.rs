//! Sources beside the meters: sensors of this host, things in the house that speak HTTP, another gateway.
//!
//! Each kind has a module: what an answer means as pure functions, and around them what asks for it. [`run`] asks at
//! an interval and tells what comes of it as [`What::Reading`] under the source's own name, with OBIS codes, so that
//! store and sinks treat it as they treat a meter. A failure is told once, until it works again.
pub mod cascade;
pub mod compat;
pub mod counter;
mod fetch;
pub mod hte501;
pub mod json;
pub mod loop_guard;
pub mod mystrom;
mod registers;
mod slow;
pub mod w1;

use crate::clock::Clock;
use crate::config::{SourceKind, SourceSetup};
use crate::shutdown::Shutdown;
use crate::update::{Update, What};
use cascade::Cascade;
use hte501::Hte501;
use json::Json;
use loop_guard::{Heard, Instance};
use metergate_reading::{DateTime, Reading, RegisterBuf};
use mystrom::MyStrom;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use w1::W1;

/// What came of asking once.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The source's own time of it, if it tells one.
    pub time: Option<DateTime>,
    /// What it said.
    pub registers: Vec<RegisterBuf>,
}

impl From<Vec<RegisterBuf>> for Sampled {
    fn from(registers: Vec<RegisterBuf>) -> Self {
        Self { time: None, registers }
    }
}

/// Why there is no reading, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be read, or what it says is no reading.
    Unreadable(String),
    /// What it shows comes from ourselves.
    Loop(String),
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self::Unreadable(why)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(why) | Self::Loop(why) => f.write_str(why),
        }
    }
}

/// A kind of source, of a closed list.
#[derive(Debug)]
enum Kind {
    W1(W1),
    Hte501(Hte501),
    MyStrom(Box<MyStrom>),
    Json(Box<Json>),
    Cascade(Box<Cascade>),
}

impl Kind {
    /// Asks once; `None` when there is nothing new.
    async fn poll(&mut self) -> Result<Option<Sampled>, Fault> {
        match self {
            Self::W1(source) => Ok(Some(source.poll().await?.into())),
            Self::Hte501(source) => Ok(Some(source.poll().await?.into())),
            Self::MyStrom(source) => Ok(Some(source.poll().await?.into())),
            Self::Json(source) => Ok(Some(source.poll().await?.into())),
            Self::Cascade(source) => source.poll().await,
        }
    }

    /// Keeps what must survive a restart.
    async fn close(&mut self) {
        if let Self::MyStrom(source) = self {
            source.save().await;
        }
    }
}

/// A source that is about to be read.
#[derive(Debug)]
pub struct Source {
    name: Arc<str>,
    kind: Kind,
    interval: std::time::Duration,
    clock: Clock,
    updates: mpsc::Sender<Update>,
    shutdown: Shutdown,
}

impl Source {
    /// A source that has asked nobody yet. `instance` is who we are to other gateways, `listeners` are the addresses
    /// where this one answers, so that it does not ask itself, and `heard` gets the way of its values, for the answers
    /// of this one.
    ///
    /// # Errors
    /// When a certificate cannot be read.
    pub fn new(
        setup: &SourceSetup,
        instance: Instance,
        listeners: &[SocketAddr],
        heard: Heard,
        clock: Clock,
        updates: mpsc::Sender<Update>,
        shutdown: Shutdown,
    ) -> io::Result<Self> {
        let kind = match &setup.kind {
            SourceKind::W1(setup) => Kind::W1(W1::new(setup)),
            SourceKind::Hte501(setup) => Kind::Hte501(Hte501::new(setup)),
            SourceKind::MyStrom(endpoint) => {
                Kind::MyStrom(Box::new(MyStrom::new(endpoint, setup.state.clone())?))
            }
            SourceKind::Json(setup) => Kind::Json(Box::new(Json::new(setup)?)),
            SourceKind::Cascade(setup) => {
                Kind::Cascade(Box::new(Cascade::new(setup, instance, listeners, heard)?))
            }
        };
        let name = setup.name.as_str().into();
        Ok(Self { name, kind, interval: setup.interval, clock, updates, shutdown })
    }

    /// Asks at the interval until it is told to end, or nobody listens any more.
    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(self.interval);
        // One that answers late is asked late: questions do not pile up.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = None;
        let mut shutdown = self.shutdown.clone();
        loop {
            let polled = tokio::select! {
                biased;
                () = shutdown.wait() => break,
                polled = async {
                    tick.tick().await;
                    self.kind.poll().await
                } => polled,
            };
            let what = match polled {
                Ok(None) => continue,
                Ok(Some(Sampled { time, registers })) => {
                    told = None;
                    let received = self.clock.time_of_day();
                    What::Reading(Box::new(Reading { meter: None, time, received, registers }))
                }
                // The beginning of a failure is told, and its change into a loop or out of one.
                Err(fault) if told == Some(std::mem::discriminant(&fault)) => continue,
                Err(fault) => {
                    told = Some(std::mem::discriminant(&fault));
                    match fault {
                        Fault::Unreadable(why) => What::SourceFailed(why),
                        Fault::Loop(why) => What::SourceLoop(why),
                    }
                }
            };
            let at = self.clock.time_of_day();
            let update = Update { meter: Arc::clone(&self.name), at, live: true, bytes: 0, what };
            tokio::select! {
                biased;
                () = shutdown.wait() => break,
                sent = self.updates.send(update) => if sent.is_err() { break },
            }
        }
        self.kind.close().await;
    }
}

/// Reads a source until it is told to end. A source that cannot even begin tells why and ends.
///
/// `listeners` and `heard` are those of [`Source::new`].
pub async fn run(
    setup: SourceSetup,
    listeners: Vec<SocketAddr>,
    heard: Heard,
    clock: Clock,
    updates: mpsc::Sender<Update>,
    shutdown: Shutdown,
) {
    let instance = Instance::of_process();
    match Source::new(&setup, instance, &listeners, heard, clock, updates.clone(), shutdown) {
        Ok(source) => source.run().await,
        Err(error) => {
            let meter = setup.name.as_str().into();
            let what = What::SourceFailed(error.to_string());
            // Nobody listens at the end only.
            let _ = updates.send(Update { meter, at: clock.time_of_day(), live: true, bytes: 0, what }).await;
        }
    }
}

#[cfg(test)]
mod tests;
