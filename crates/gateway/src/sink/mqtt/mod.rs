//! MQTT: the newest reading of each meter where everybody can see it, everything it ever said on request, and both so
//! that Home Assistant finds it by itself.
//!
//! State topics are retained and told at once, the newest only ([`tell`](Mqtt::tell)). History topics are not retained;
//! an entry counts as delivered when the broker has acknowledged it ([`deliver`](Mqtt::deliver)).
mod home_assistant;
mod json;
mod live;
mod topics;
mod up_smartmeter;

use super::news::News;
use super::sample::{Delivered, Entry, Sample, Trouble};
use crate::config::{MqttSetup, MqttShape};
use crate::net::mqtt::{Board, Connection, Publication, Will};
use crate::update::{TelegramBuf, What};
use home_assistant::HomeAssistant;
use live::Live;
use std::collections::BTreeMap;
use std::sync::Arc;
use topics::Topics;
use up_smartmeter::Changes;

/// A connection to a broker, and what should stand there.
#[derive(Debug)]
pub struct Mqtt {
    setup: MqttSetup,
    topics: Topics,
    meters: BTreeMap<Arc<str>, Live>,
    board: Board,
    connection: Option<Connection>,
    home_assistant: HomeAssistant,
    /// When values changed last, on the live and on the durable path.
    changes: BTreeMap<(Arc<str>, bool), Changes>,
}

impl Mqtt {
    /// A sink that has connected to nobody yet. `meters` are the meters it gets.
    ///
    /// # Errors
    /// Never yet: the broker is looked for when there is something to tell it.
    pub fn new(setup: &MqttSetup, meters: &[Arc<str>]) -> std::io::Result<Self> {
        let mut board = Board::default();
        let topics = Topics::new(&setup.prefix);
        // First of all, also after each new connection.
        board.tell(Publication::retained(topics.status(), "online"));
        Ok(Self {
            setup: setup.clone(),
            home_assistant: HomeAssistant::new(setup, &topics, meters),
            topics,
            meters: meters.iter().map(|meter| (Arc::clone(meter), Live::default())).collect(),
            board,
            connection: None,
            changes: BTreeMap::new(),
        })
    }

    /// Hands over entries of the durable path, in order.
    ///
    /// Taken is what the broker has acknowledged. When it vanishes in between it may have taken more; those come
    /// again, with the same `seq`.
    pub async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        if let Err(trouble) = self.connect().await {
            return Delivered::none(trouble);
        }
        let publications: Vec<Publication> = batch.iter().map(|entry| self.history(entry)).collect();
        let Some(connection) = &mut self.connection else { return Delivered::default() };
        let progress = connection.publish(&publications).await;
        self.look_after(progress.trouble.as_ref());
        Delivered { taken: progress.done, refused: progress.refused, trouble: progress.trouble }
    }

    /// Tells what is new.
    ///
    /// # Errors
    /// When the broker cannot be reached or does not take it. It is kept, and told with the next news if nothing newer
    /// of its kind has come by then.
    pub async fn tell(&mut self, news: &News) -> Result<(), Trouble> {
        self.note(news);
        self.keep().await
    }

    /// Connects again if the connection was lost, and tells what is due. To be called now and then when there is no
    /// news: a gateway that reads a meter once an hour is not offline in between.
    ///
    /// # Errors
    /// As [`tell`](Self::tell).
    pub async fn keep(&mut self) -> Result<(), Trouble> {
        self.connect().await?;
        self.listen();
        self.flush().await
    }

    /// Says good-bye within a moment: the status is `offline`, as if we had vanished.
    pub async fn close(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let offline = [Publication::retained(self.topics.status(), "offline")];
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), connection.publish(&offline)).await;
        connection.close().await;
    }

    /// A connection, if there is none; then everything that is retained is told again.
    async fn connect(&mut self) -> Result<(), Trouble> {
        if let Some(trouble) = self.connection.as_ref().and_then(Connection::trouble) {
            tracing::debug!("connection to {} lost: {trouble}", self.setup.broker.endpoint);
            self.connection = None;
        }
        if self.connection.is_some() {
            return Ok(());
        }
        let will = Will { topic: self.topics.status(), payload: "offline".to_owned() };
        let mut connection = Connection::open(&self.setup.broker, Some(will)).await?;
        self.board.begin_again();
        self.home_assistant.connected(&mut connection, &mut self.board).await;
        self.connection = Some(connection);
        self.flush().await
    }

    /// Takes note of what the broker says: that Home Assistant has started, and what the last run has told it.
    fn listen(&mut self) {
        while let Some(message) = self.connection.as_mut().and_then(Connection::message) {
            self.home_assistant.hear(&message, &mut self.board);
        }
        if self.home_assistant.is_born() {
            self.board.begin_again();
        }
    }

    async fn flush(&mut self) -> Result<(), Trouble> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let flushed = self.board.flush(connection).await;
        self.look_after(flushed.as_ref().err());
        flushed
    }

    /// Drops a connection that is over; the broker says `offline` for us then.
    fn look_after(&mut self, trouble: Option<&Trouble>) {
        if trouble.is_some()
            && self.connection.as_ref().is_some_and(|connection| connection.trouble().is_some())
        {
            self.connection = None;
        }
    }

    /// Takes over what is new, without telling it yet.
    fn note(&mut self, news: &News) {
        let meter = &news.update.meter;
        let live = self.meters.entry(Arc::clone(meter)).or_default();
        match &news.update.what {
            What::Telegram(telegram) => {
                let Some(sample) = &news.sample else { return };
                live.take(sample, Some(telegram));
                self.show_verdict(meter);
                self.announce(meter, Some(telegram));
                self.show_state(meter);
            }
            What::Verdict(verdict) => {
                live.verdict = Some((*verdict, news.update.at));
                let (is_live, has_sample) = (live.is_live(), live.sample.is_some());
                self.show_verdict(meter);
                self.announce(meter, None);
                if is_live && has_sample {
                    // The reading came a moment before the verdict.
                    self.show_state(meter);
                } else if !is_live {
                    self.leave_state(meter);
                }
            }
            _ => {}
        }
    }

    fn announce(&mut self, meter: &Arc<str>, telegram: Option<&TelegramBuf>) {
        let Some(live) = self.meters.get(meter) else { return };
        self.home_assistant.show(meter, live, telegram, &mut self.board);
    }

    fn show_verdict(&mut self, meter: &str) {
        let Some((verdict, since)) = self.meters.get(meter).and_then(|live| live.verdict) else { return };
        self.board.show(Publication::retained(self.topics.verdict(meter), json::verdict(verdict, since)));
    }

    /// The newest reading goes out, or the error that stands in its place.
    fn show_state(&mut self, meter: &Arc<str>) {
        let Some(live) = self.meters.get(meter) else { return };
        let Some(sample) = &live.sample else { return };
        let document = match self.setup.shape {
            MqttShape::Metergate => json::state(sample, live.id, live.verdict.map(|(verdict, _)| verdict)),
            MqttShape::UpSmartMeter => {
                let changes = self.changes.entry((Arc::clone(meter), true)).or_default();
                up_smartmeter::reading(sample, live.id, changes)
            }
        };
        let publication = |topic: String, payload: Vec<u8>| Publication {
            topic,
            payload,
            qos: self.setup.qos,
            retain: self.setup.retain,
        };
        self.board.tell(publication(self.topics.state(meter), document));
        if self.setup.per_register {
            for point in &sample.points {
                let topic = self.topics.register(meter, &topics::key(point));
                self.board.tell(publication(topic, point.number.to_string().into_bytes()));
            }
        }
    }

    /// What stands there is old from now on. The verdict says so; nothing refreshes it.
    fn leave_state(&mut self, meter: &str) {
        self.board.leave(&self.topics.state(meter));
        let Some(live) = self.meters.get(meter) else { return };
        for point in live.sample.iter().flat_map(|sample: &Sample| &sample.points) {
            self.board.leave(&self.topics.register(meter, &topics::key(point)));
        }
        if self.setup.shape == MqttShape::UpSmartMeter
            && let Some((verdict, since)) = live.verdict
            && verdict != metergate_meter::verdict::Verdict::Waiting
        {
            self.board.tell(Publication {
                topic: self.topics.state(meter),
                payload: up_smartmeter::error(meter, since),
                qos: self.setup.qos,
                retain: self.setup.retain,
            });
        }
    }

    /// An entry of the durable path as it goes out.
    fn history(&mut self, entry: &Entry) -> Publication {
        let (sample, shape) = match entry {
            Entry::Event(_) => return Publication::passing(self.topics.events(), json::entry(entry)),
            Entry::Reading(sample) | Entry::Measured { sample, .. } => (sample, self.setup.shape),
        };
        let payload = match shape {
            MqttShape::Metergate => json::entry(entry),
            MqttShape::UpSmartMeter => {
                let id = self.meters.get(&sample.meter).and_then(|live| live.id);
                let changes = self.changes.entry((Arc::clone(&sample.meter), false)).or_default();
                up_smartmeter::reading(sample, id, changes)
            }
        };
        Publication::passing(self.topics.history(&sample.meter), payload)
    }
}
