//! A tree of topics by the Homie convention 4.0.0 or 5.0: a device for each meter, a node for each quantity, a property
//! for each register. By convention 5 the gas, water or heat meter behind a meter is a child of its device.
//!
//! Each meter has a connection of its own, since a last will covers one device and its children. A device is announced
//! with its first reading: the convention has no word for a value that is not known yet.
mod device;
mod tree;

use super::news::News;
use super::sample::{Delivered, Entry, Sample, Trouble};
use super::submeter::{self, Submeters};
use crate::config::{BrokerSetup, HomieConvention, HomieSetup};
use crate::net::mqtt::{Board, Connection, Publication, Will};
use crate::update::{TelegramBuf, What};
use device::{Device, Family};
use metergate_meter::models::Medium;
use metergate_meter::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The devices of the meters.
#[derive(Debug)]
pub struct Homie {
    broker: BrokerSetup,
    meters: BTreeMap<Arc<str>, Meter>,
}

/// One meter, and the meters behind it.
#[derive(Debug)]
struct Meter {
    convention: HomieConvention,
    /// What the topics of all devices begin with.
    base: String,
    root: Device,
    /// By their kinds, such as `gas`; none in convention 4.
    children: BTreeMap<String, Device>,
    /// The ids of all meters of this sink, which no child may have.
    ids: Arc<BTreeSet<String>>,
    /// What it measures itself.
    medium: Option<Medium>,
    board: Board,
    /// Nodes, properties or their attributes have changed since they were announced.
    is_restructured: bool,
    /// Why its values are old, if they are.
    alert: Option<String>,
    connection: Option<Connection>,
}

impl Homie {
    /// A sink that has connected to nobody yet. `meters` are the meters it gets.
    ///
    /// # Errors
    /// Never yet: the broker is looked for when there is something to tell it.
    pub fn new(setup: &HomieSetup, meters: &[Arc<str>]) -> std::io::Result<Self> {
        let mut ids = BTreeSet::new();
        let mut named = Vec::new();
        for meter in meters {
            let wanted = match &setup.device {
                Some(device) if meters.len() == 1 => device.clone(),
                Some(device) => format!("{device}-{}", tree::id(meter)),
                None => tree::id(meter),
            };
            // Two names may become one id: `Haus` and `haus`.
            let id = free(&ids, wanted);
            let name = match &setup.name {
                Some(name) if meters.len() == 1 => name.clone(),
                Some(name) => format!("{name} {meter}"),
                None => meter.to_string(),
            };
            ids.insert(id.clone());
            named.push((Arc::clone(meter), id, name));
        }
        let ids = Arc::new(ids);
        let meter = |(meter, id, name)| (meter, Meter::new(setup, &ids, id, name));
        Ok(Self { broker: setup.broker.clone(), meters: named.into_iter().map(meter).collect() })
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
        let Some(meter) = self.meters.get_mut(&news.update.meter) else { return Ok(()) };
        match &news.update.what {
            What::Telegram(telegram) => {
                let Some(sample) = &news.sample else { return Ok(()) };
                meter.note(sample, telegram);
            }
            What::Verdict(verdict) => meter.judge(*verdict),
            _ => return Ok(()),
        }
        meter.sync(&self.broker).await
    }

    /// Connects again where a connection was lost. To be called now and then when there is no news.
    ///
    /// # Errors
    /// As [`tell`](Self::tell), for the first device that has trouble.
    pub async fn keep(&mut self) -> Result<(), Trouble> {
        let mut all = Ok(());
        for meter in self.meters.values_mut() {
            let kept = meter.sync(&self.broker).await;
            all = all.and(kept);
        }
        all
    }

    /// Says good-bye within a moment: the devices are `disconnected`.
    pub async fn close(&mut self) {
        for meter in self.meters.values_mut() {
            let Some(mut connection) = meter.connection.take() else { continue };
            let gone: Vec<Publication> =
                meter.devices().map(|device| state(device, "disconnected")).collect();
            let _ = tokio::time::timeout(Duration::from_secs(1), connection.publish(&gone)).await;
            connection.close().await;
        }
    }
}

impl Meter {
    fn new(setup: &HomieSetup, ids: &Arc<BTreeSet<String>>, id: String, name: String) -> Self {
        let base = setup.root();
        Self {
            convention: setup.convention,
            root: Device::new(&base, id, name),
            base,
            children: BTreeMap::new(),
            ids: Arc::clone(ids),
            medium: None,
            board: Board::default(),
            is_restructured: false,
            alert: None,
            connection: None,
        }
    }

    /// All devices, the root last: it speaks of its children only when they are there.
    fn devices(&self) -> impl Iterator<Item = &Device> {
        self.children.values().chain(std::iter::once(&self.root))
    }

    /// Notes what is to be told of a reading.
    fn note(&mut self, sample: &Sample, telegram: &TelegramBuf) {
        if self.medium != Some(Medium::Electricity) {
            self.medium = submeter::medium(telegram.model, sample.points.iter()).or(self.medium);
        }
        let submeters = (self.convention == HomieConvention::V5).then(|| Submeters::of(telegram));
        let mut values = Vec::with_capacity(sample.points.len());
        for point in &sample.points {
            let child = submeters.as_ref().and_then(|submeters| submeters.of_point(point, self.medium));
            let device = match &child {
                Some(child) => self.child(&child.id),
                None => &mut self.root,
            };
            let Some(told) = device.tree.note(point, child.is_some()) else { continue };
            let topic = format!("{}/{}/{}", device.topic, told.node, told.property);
            self.is_restructured |= told.is_new;
            values.push(Publication::retained(topic, told.payload));
        }
        if self.is_restructured {
            self.describe();
        }
        values.into_iter().for_each(|value| self.board.tell(value));
    }

    /// The meter behind this one.
    fn child(&mut self, kind: &str) -> &mut Device {
        let (base, root, ids) = (&self.base, &self.root, &self.ids);
        self.children.entry(kind.to_owned()).or_insert_with(|| {
            let id = free(ids, format!("{}-{kind}", root.id));
            Device::new(base, id, format!("{} {}", root.name, kind.replace('-', " ")))
        })
    }

    /// Takes note of how the meter is doing.
    fn judge(&mut self, verdict: Verdict) {
        // Too early to tell is no reason to call for somebody.
        let is_well = verdict.is_live() || verdict == Verdict::Waiting;
        let alert = (!is_well).then(|| verdict.to_string());
        if alert != self.alert {
            self.alert = alert;
            self.show_alert();
        }
    }

    /// Convention 5 has a topic for what is wrong; 4 has a state for it.
    fn show_alert(&mut self) {
        if self.convention == HomieConvention::V4 {
            return;
        }
        let topic = format!("{}/$alert/meter", self.root.topic);
        match &self.alert {
            Some(alert) => _ = self.board.show(Publication::retained(topic, alert.as_str())),
            None => self.board.remove(&topic),
        }
    }

    /// What the devices tell of themselves; what has not changed is not told again.
    fn describe(&mut self) {
        let ids: Vec<&str> = self.children.values().map(|child| child.id.as_str()).collect();
        let child = Family::Child { root: &self.root.id };
        let families = self.children.values().map(|device| (device, child));
        let all = families.chain(std::iter::once((&self.root, Family::Root { children: &ids })));
        for (device, family) in all {
            for (path, text) in device.attributes(self.convention, family) {
                self.board.show(Publication::retained(format!("{}/{path}", device.topic), text));
            }
        }
    }

    /// Brings the broker to the state of things.
    async fn sync(&mut self, broker: &BrokerSetup) -> Result<(), Trouble> {
        if self.root.tree.is_empty() && self.children.is_empty() {
            return Ok(());
        }
        if self.connection.as_ref().is_some_and(|connection| connection.trouble().is_some()) {
            self.connection = None;
        }
        if self.connection.is_none() {
            self.children.values_mut().chain([&mut self.root]).for_each(|device| device.state = None);
            let will = Will { topic: format!("{}/$state", self.root.topic), payload: "lost".to_owned() };
            let client_id = format!("{}-{}", broker.client_id, self.root.id);
            let setup = BrokerSetup { client_id, ..broker.clone() };
            self.connection = Some(Connection::open(&setup, Some(will)).await?);
            self.board.begin_again();
            // An alert of the last run may still stand there.
            self.show_alert();
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
        let is_alarmed = self.convention == HomieConvention::V4 && self.alert.is_some();
        self.say(if is_alarmed { "alert" } else { "ready" }).await
    }

    /// Sets `$state` of all devices, unless it is so already.
    async fn say(&mut self, text: &'static str) -> Result<(), Trouble> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        for device in self.children.values_mut().chain([&mut self.root]) {
            if device.state == Some(text) {
                continue;
            }
            if let Some(trouble) = connection.publish(&[state(device, text)]).await.trouble {
                return Err(trouble);
            }
            device.state = Some(text);
        }
        Ok(())
    }
}

/// The state of a device.
fn state(device: &Device, text: &str) -> Publication {
    Publication::retained(format!("{}/$state", device.topic), text)
}

/// This id, or with a number behind it the first that nobody has.
fn free(taken: &BTreeSet<String>, wanted: String) -> String {
    let numbered = (2..=taken.len().saturating_add(1)).map(|number| format!("{wanted}-{number}"));
    let mut all = std::iter::once(wanted.clone()).chain(numbered);
    all.find(|id| !taken.contains(id)).unwrap_or(wanted)
}
