//! A tree of topics by the Homie convention 4.0.0: a device for each meter, a node for each quantity, a property for
//! each register.
//!
//! Each device has a connection of its own, since a last will covers one device. A device is announced with its first
//! reading: the convention has no word for a value that is not known yet.
mod tree;

use super::news::News;
use super::sample::{Delivered, Entry, Trouble};
use crate::config::{BrokerSetup, HomieSetup};
use crate::net::mqtt::{Board, Connection, Publication, Will};
use crate::update::What;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tree::{Told, Tree};

/// Version of the convention.
const VERSION: &str = "4.0.0";

/// The devices of the meters.
#[derive(Debug)]
pub struct Homie {
    broker: BrokerSetup,
    devices: BTreeMap<Arc<str>, Device>,
}

/// One meter.
#[derive(Debug)]
struct Device {
    /// `homie/ID`.
    topic: String,
    id: String,
    name: String,
    tree: Tree,
    board: Board,
    /// Nodes, properties or their attributes have changed since they were announced.
    is_restructured: bool,
    is_live: bool,
    connection: Option<Connection>,
    /// What `$state` says.
    state: Option<&'static str>,
}

impl Homie {
    /// A sink that has connected to nobody yet. `meters` are the meters it gets.
    ///
    /// # Errors
    /// Never yet: the broker is looked for when there is something to tell it.
    pub fn new(setup: &HomieSetup, meters: &[Arc<str>]) -> std::io::Result<Self> {
        let mut devices: BTreeMap<Arc<str>, Device> = BTreeMap::new();
        for meter in meters {
            let wanted = match &setup.device {
                Some(device) if meters.len() == 1 => device.clone(),
                Some(device) => format!("{device}-{}", tree::id(meter)),
                None => tree::id(meter),
            };
            // Two names may become one id: `Haus` and `haus`.
            let mut id = wanted.clone();
            for number in 2..=meters.len() {
                if devices.values().all(|device| device.id != id) {
                    break;
                }
                id = format!("{wanted}-{number}");
            }
            let name = match &setup.name {
                Some(name) if meters.len() == 1 => name.clone(),
                Some(name) => format!("{name} {meter}"),
                None => meter.to_string(),
            };
            devices.insert(Arc::clone(meter), Device::new(&setup.base, id, name));
        }
        Ok(Self { broker: setup.broker.clone(), devices })
    }

    /// Takes entries of the durable path: there is none, a tree holds the newest alone.
    #[allow(clippy::unused_async)]
    pub async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        Delivered::all(batch)
    }

    /// Tells what is new.
    ///
    /// # Errors
    /// When the broker cannot be reached or does not take it. It is kept, and told with the next news.
    pub async fn tell(&mut self, news: &News) -> Result<(), Trouble> {
        let Some(device) = self.devices.get_mut(&news.update.meter) else { return Ok(()) };
        match &news.update.what {
            What::Telegram(_) => {
                let Some(sample) = &news.sample else { return Ok(()) };
                for point in &sample.points {
                    let told = device.tree.note(point);
                    device.note(told.as_ref());
                }
            }
            What::Verdict(verdict) => {
                // Too early to tell is no reason to call for somebody.
                device.is_live = verdict.is_live() || *verdict == metergate_meter::verdict::Verdict::Waiting;
            }
            _ => return Ok(()),
        }
        device.sync(&self.broker).await
    }

    /// Connects again where a connection was lost. To be called now and then when there is no news.
    ///
    /// # Errors
    /// As [`tell`](Self::tell), for the first device that has trouble.
    pub async fn keep(&mut self) -> Result<(), Trouble> {
        let mut all = Ok(());
        for device in self.devices.values_mut() {
            let kept = device.sync(&self.broker).await;
            all = all.and(kept);
        }
        all
    }

    /// Says good-bye within a moment: the devices are `disconnected`.
    pub async fn close(&mut self) {
        for device in self.devices.values_mut() {
            let Some(mut connection) = device.connection.take() else { continue };
            let gone = [Publication::retained(format!("{}/$state", device.topic), "disconnected")];
            let _ = tokio::time::timeout(Duration::from_secs(1), connection.publish(&gone)).await;
            connection.close().await;
        }
    }
}

impl Device {
    fn new(base: &str, id: String, name: String) -> Self {
        Self {
            topic: format!("{base}/{id}"),
            id,
            name,
            tree: Tree::default(),
            board: Board::default(),
            is_restructured: false,
            is_live: true,
            connection: None,
            state: None,
        }
    }

    /// Notes what is to be told of a register.
    fn note(&mut self, told: Option<&Told>) {
        let Some(told) = told else { return };
        if told.is_new {
            self.is_restructured = true;
            self.describe();
        }
        let topic = format!("{}/{}/{}", self.topic, told.node, told.property);
        self.board.tell(Publication::retained(topic, told.payload.as_str()));
    }

    /// The attributes of device, nodes and properties; those that have not changed are not told again.
    fn describe(&mut self) {
        let mut attributes = vec![
            ("$homie".to_owned(), VERSION.to_owned()),
            ("$name".to_owned(), self.name.clone()),
            ("$nodes".to_owned(), self.tree.nodes()),
            // None; brokers keep no empty message, so that nobody who comes later sees it.
            ("$extensions".to_owned(), String::new()),
            ("$implementation".to_owned(), "metergate".to_owned()),
        ];
        attributes.extend(self.tree.attributes());
        for (path, value) in attributes {
            self.board.show(Publication::retained(format!("{}/{path}", self.topic), value));
        }
    }

    /// Brings the broker to the state of things.
    async fn sync(&mut self, broker: &BrokerSetup) -> Result<(), Trouble> {
        if self.tree.is_empty() {
            return Ok(());
        }
        let state_topic = format!("{}/$state", self.topic);
        if self.connection.as_ref().is_some_and(|connection| connection.trouble().is_some()) {
            self.connection = None;
        }
        if self.connection.is_none() {
            self.state = None;
            let will = Will { topic: state_topic, payload: "lost".to_owned() };
            let client_id = format!("{}-{}", broker.client_id, self.id);
            let setup = BrokerSetup { client_id, ..broker.clone() };
            self.connection = Some(Connection::open(&setup, will).await?);
            self.board.begin_again();
            self.is_restructured = true;
        }
        let told = self.tell_all().await;
        if told.is_err() && self.connection.as_ref().is_some_and(|connection| connection.trouble().is_some())
        {
            self.connection = None;
        }
        told
    }

    async fn tell_all(&mut self) -> Result<(), Trouble> {
        if self.is_restructured {
            // What is described changes only while the device says so.
            self.say("init").await?;
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        self.board.flush(connection).await?;
        self.is_restructured = false;
        self.say(if self.is_live { "ready" } else { "alert" }).await
    }

    /// Sets `$state`, unless it is so already.
    async fn say(&mut self, state: &'static str) -> Result<(), Trouble> {
        let Some(connection) = self.connection.as_mut().filter(|_| self.state != Some(state)) else {
            return Ok(());
        };
        let publication = Publication::retained(format!("{}/$state", self.topic), state);
        match connection.publish(&[publication]).await.trouble {
            Some(trouble) => Err(trouble),
            None => {
                self.state = Some(state);
                Ok(())
            }
        }
    }
}
