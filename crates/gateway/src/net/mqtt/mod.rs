//! A connection to an MQTT broker, from the first packet to its end.
//!
//! One [`Connection`] is one session: it begins clean, and when anything goes wrong it is over. Nothing is sent again
//! behind the back of the caller, who knows alone which publications the broker has taken.
mod board;
mod client;

pub(crate) use board::Board;

use crate::config::BrokerSetup;
use crate::net::trouble::trouble;
use crate::net::{connect, tls};
use crate::sink::{Step, Trouble};
use client::{Answer, Client, EventLoop, Happening, IN_FLIGHT_MAX, Notice};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// From the first look for the broker's address to its yes. A broker at the end of a mobile network needs some seconds.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);

/// For the broker to acknowledge a packet; slower ones are gone, which keepalive would notice a minute later.
const ACK_PATIENCE: Duration = Duration::from_secs(15);

/// For a good-bye.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Messages of the broker that wait to be looked at; later ones are dropped. We subscribe to two topics.
const MESSAGES_MAX: usize = 64;

/// How surely a publication arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Qos {
    /// QoS 0: sent once, never acknowledged.
    AtMostOnce,
    /// QoS 1: acknowledged by the broker.
    #[default]
    AtLeastOnce,
}

/// Something to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    /// The topic, complete.
    pub(crate) topic: String,
    /// What it says; empty and retained removes what is retained there.
    pub(crate) payload: Vec<u8>,
    /// How surely.
    pub(crate) qos: Qos,
    /// The broker keeps it for whoever comes later.
    pub(crate) retain: bool,
}

impl Publication {
    /// Kept by the broker and acknowledged by it.
    pub(crate) fn retained(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), qos: Qos::AtLeastOnce, retain: true }
    }

    /// Kept by nobody, acknowledged by the broker.
    pub(crate) fn passing(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self { retain: false, ..Self::retained(topic, payload) }
    }
}

/// What the broker publishes when we vanish without a good-bye: retained, QoS 1.
#[derive(Debug, Clone)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: String,
}

/// A message from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

impl Message {
    fn new(topic: &[u8], payload: &[u8]) -> Self {
        Self { topic: String::from_utf8_lossy(topic).into_owned(), payload: payload.to_owned() }
    }
}

/// How far a list of publications came.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// So many from the front are the broker's, those it refused for good included.
    pub(crate) done: usize,
    /// Of these, by their place, what it refused for good, and why.
    pub(crate) refused: Vec<(usize, String)>,
    /// Why not all.
    pub(crate) trouble: Option<Trouble>,
}

#[derive(Debug, Clone)]
enum State {
    Opening,
    Open,
    Over(Trouble),
}

/// A session with a broker. Dropped without [`close`](Self::close), it ends without a good-bye, and the broker
/// publishes the will.
pub(crate) struct Connection {
    client: Client,
    messages: mpsc::Receiver<Message>,
    state: watch::Receiver<State>,
    task: JoinHandle<()>,
    /// The broker let us wait too long.
    given_up: Option<Trouble>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// Connects and waits for the broker's yes; `will` is what it says when we vanish. Must be called inside a runtime, which drives the connection between
    /// calls as well.
    ///
    /// # Errors
    /// With the step that failed: the name has no address, nobody accepts, TLS cannot be agreed on, the broker does
    /// not want us. Also when all that takes longer than [`CONNECT_PATIENCE`].
    pub(crate) async fn open(setup: &BrokerSetup, will: Option<Will>) -> Result<Self, Trouble> {
        match timeout(CONNECT_PATIENCE, Self::open_patiently(setup, will)).await {
            Ok(opened) => opened,
            Err(_) => {
                let message = format!("{} gives no answer within {CONNECT_PATIENCE:?}", setup.endpoint);
                Err(Trouble::new(Step::Connect, message))
            }
        }
    }

    async fn open_patiently(setup: &BrokerSetup, will: Option<Will>) -> Result<Self, Trouble> {
        let endpoint = &setup.endpoint;
        // The client resolves again; this tells a wrong name from a broker that is down.
        connect::resolve(&endpoint.host, endpoint.port)
            .await
            .map_err(|error| trouble(&error, Step::Resolve))?;
        let tls = match &endpoint.tls {
            Some(setup) => Some(tls::client_config(setup)?),
            None => None,
        };
        let (client, mut events) = client::client(setup, will, tls)?;
        let (message_sender, messages) = mpsc::channel(MESSAGES_MAX);
        let (state_sender, mut state) = watch::channel(State::Opening);
        let task = tokio::spawn(async move { drive(&mut events, &message_sender, &state_sender).await });
        let connection = Self { client, messages, state: state.clone(), task, given_up: None };
        let decided = state.wait_for(|state| !matches!(state, State::Opening)).await;
        match decided.map(|state| state.clone()) {
            Ok(State::Over(Trouble { step, message, retry_after })) => {
                Err(Trouble { step, message: format!("{endpoint}: {message}"), retry_after })
            }
            Ok(_) => Ok(connection),
            Err(_) => Err(ended()),
        }
    }

    /// Why it is over, if it is.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        match &*self.state.borrow() {
            State::Over(trouble) => Some(trouble.clone()),
            _ if self.given_up.is_some() => self.given_up.clone(),
            _ if self.task.is_finished() => Some(ended()),
            _ => None,
        }
    }

    /// Publishes in order and waits for every acknowledgement, at most [`IN_FLIGHT_MAX`] at a time.
    pub(crate) async fn publish(&mut self, publications: &[Publication]) -> Progress {
        let mut progress = Progress::default();
        let mut waiting: VecDeque<Notice> = VecDeque::with_capacity(usize::from(IN_FLIGHT_MAX));
        let mut rest = publications.iter();
        loop {
            let next = if waiting.len() < usize::from(IN_FLIGHT_MAX) { rest.next() } else { None };
            if let Some(publication) = next {
                match timeout(ACK_PATIENCE, self.client.publish(publication)).await {
                    Ok(Some(notice)) => waiting.push_back(notice),
                    Ok(None) | Err(_) => {
                        // What is on its way may still be acknowledged; what follows is not begun.
                        rest = [].iter();
                        self.given_up = Some(self.trouble().unwrap_or_else(ended));
                        progress.trouble.clone_from(&self.given_up);
                    }
                }
                continue;
            }
            let Some(notice) = waiting.pop_front() else { return progress };
            let answer = match timeout(ACK_PATIENCE, notice.answer()).await {
                Ok(answer) => answer,
                Err(_) => {
                    let message = format!("no acknowledgement within {ACK_PATIENCE:?}");
                    self.given_up = Some(Trouble::new(Step::Deliver, message));
                    progress.trouble.clone_from(&self.given_up);
                    return progress;
                }
            };
            match answer {
                Answer::Taken => {}
                Answer::Refused(why) => progress.refused.push((progress.done, why)),
                Answer::NotNow(why) => {
                    progress.trouble = Some(Trouble::new(Step::Deliver, why));
                    return progress;
                }
                Answer::None => {
                    progress.trouble = Some(self.end().await);
                    return progress;
                }
            }
            progress.done += 1;
        }
    }

    /// Subscribes; false when the broker does not want that.
    pub(crate) async fn subscribe(&self, topic: &str) -> bool {
        timeout(ACK_PATIENCE, self.client.subscribe(topic)).await.unwrap_or(false)
    }

    /// The next message that waits, if any.
    pub(crate) fn message(&mut self) -> Option<Message> {
        self.messages.try_recv().ok()
    }

    /// The next message, waited for.
    pub(crate) async fn wait_for_message(&mut self, patience: Duration) -> Option<Message> {
        timeout(patience, self.messages.recv()).await.ok().flatten()
    }

    /// Says good-bye within a moment: the broker publishes no will.
    pub(crate) async fn close(mut self) {
        let _ = timeout(CLOSE_PATIENCE, self.client.disconnect()).await;
        let _ = timeout(CLOSE_PATIENCE, &mut self.task).await;
    }

    /// Why it ended; the notices of packets are dropped a moment before the reason is known.
    async fn end(&self) -> Trouble {
        let mut state = self.state.clone();
        let over = timeout(CLOSE_PATIENCE, state.wait_for(|state| matches!(state, State::Over(_)))).await;
        match over {
            Ok(Ok(state)) => match &*state {
                State::Over(trouble) => trouble.clone(),
                _ => ended(),
            },
            _ => ended(),
        }
    }
}

fn ended() -> Trouble {
    Trouble::new(Step::Connect, "the connection ended")
}

/// Drives the connection to its end.
async fn drive(events: &mut EventLoop, messages: &mpsc::Sender<Message>, state: &watch::Sender<State>) {
    loop {
        match events.next().await {
            Ok(Happening::Accepted) => _ = state.send(State::Open),
            Ok(Happening::Message(message)) => _ = messages.try_send(message),
            Err(trouble) => {
                _ = state.send(State::Over(trouble));
                return;
            }
        }
    }
}
