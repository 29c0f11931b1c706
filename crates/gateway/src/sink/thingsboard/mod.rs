//! Meters as devices behind a gateway of `ThingsBoard`, by its MQTT gateway interface.
//!
//! Readings are telemetry on the durable path, acknowledged message by message. What is known of a meter, and whether
//! it can be read, are attributes: they are told at once, the newest only.
//!
//! Source: <https://thingsboard.io/docs/reference/gateway-mqtt-api/>.
mod payload;

use super::news::News;
use super::sample::{Delivered, Entry, Step, Trouble};
use crate::config::{BrokerSetup, Login, ThingsBoardSetup};
use crate::net::mqtt::{Connection, Publication};
use crate::update::What;
use payload::{Content, Telemetry};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A connection to `ThingsBoard`, and what it knows of each meter.
#[derive(Debug)]
pub struct ThingsBoard {
    setup: ThingsBoardSetup,
    devices: BTreeMap<Arc<str>, Device>,
    connection: Option<Connection>,
}

/// One meter.
#[derive(Debug)]
struct Device {
    /// What it is called there.
    name: String,
    /// It was announced on this connection.
    is_connected: bool,
    attributes: Map<String, Value>,
    /// They have changed since they were told.
    is_due: bool,
}

impl ThingsBoard {
    /// A sink that has connected to nobody yet. `meters` are the meters it gets.
    ///
    /// # Errors
    /// Never yet: the broker is looked for when there is something to tell it.
    pub fn new(setup: &ThingsBoardSetup, meters: &[Arc<str>]) -> std::io::Result<Self> {
        let device = |meter: &Arc<str>| {
            let name = format!("{}{meter}", setup.prefix);
            let device = Device { name, is_connected: false, attributes: Map::new(), is_due: false };
            (Arc::clone(meter), device)
        };
        Ok(Self { setup: setup.clone(), devices: meters.iter().map(device).collect(), connection: None })
    }

    /// Hands over entries of the durable path, in order.
    ///
    /// Taken is what was acknowledged. When the connection ends in between, more may have arrived; that comes again,
    /// and overwrites itself.
    pub async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        let mut meters: Vec<&str> =
            batch.iter().filter_map(Entry::sample).map(|sample| &*sample.meter).collect();
        meters.sort_unstable();
        meters.dedup();
        if let Err(trouble) = self.connect(&meters).await {
            return Delivered::none(trouble);
        }
        let mut messages: Vec<Telemetry> = Vec::new();
        let mut rest = batch;
        while !rest.is_empty() {
            let next = payload::telemetry(rest, &self.setup.prefix);
            rest = rest.get(next.entries..).unwrap_or_default();
            messages.push(next);
        }
        let Some(connection) = &mut self.connection else { return Delivered::default() };
        let publication = |message: &Telemetry| match &message.content {
            Content::Message(payload) => Some(Publication::passing(payload::TELEMETRY, payload.as_slice())),
            Content::Nothing | Content::TooLong => None,
        };
        let publications: Vec<Publication> = messages.iter().filter_map(publication).collect();
        let progress = connection.publish(&publications).await;
        self.look_after();
        let mut done = Delivered { trouble: progress.trouble, ..Delivered::default() };
        let mut place = 0;
        for message in messages {
            let why = match message.content {
                Content::Nothing => None,
                Content::TooLong => Some("it has more registers than a message takes".to_owned()),
                Content::Message(_) if place >= progress.done => break,
                Content::Message(_) => {
                    place += 1;
                    let refused =
                        progress.refused.iter().find(|(refused, _)| refused.saturating_add(1) == place);
                    refused.map(|(_, why)| why.clone())
                }
            };
            let places = done.taken..done.taken.saturating_add(message.entries);
            done.taken = places.end;
            if let Some(why) = why {
                done.refused.extend(places.map(|place| (place, why.clone())));
            }
        }
        done
    }

    /// Tells what is new of a meter besides its numbers.
    ///
    /// # Errors
    /// When `ThingsBoard` cannot be reached or does not take it. It is told with the next news.
    pub async fn tell(&mut self, news: &News) -> Result<(), Trouble> {
        let Some(device) = self.devices.get_mut(&news.update.meter) else { return Ok(()) };
        let before = device.attributes.clone();
        match (&news.update.what, &news.sample) {
            (What::Telegram(telegram), Some(sample)) => {
                payload::describe(&mut device.attributes, sample, telegram);
            }
            (What::Verdict(verdict), _) => payload::judge(&mut device.attributes, *verdict),
            _ => return Ok(()),
        }
        device.is_due |= device.attributes != before;
        self.keep().await
    }

    /// Connects again if the connection was lost, and tells what is due. To be called now and then when there is no
    /// news.
    ///
    /// # Errors
    /// As [`tell`](Self::tell).
    pub async fn keep(&mut self) -> Result<(), Trouble> {
        self.connect(&[]).await
    }

    /// Says good-bye within a moment: for its devices first.
    pub async fn close(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let connected = self.devices.values().filter(|device| device.is_connected);
        let gone: Vec<Publication> = connected
            .map(|device| Publication::passing(payload::DISCONNECT, payload::disconnect(&device.name)))
            .collect();
        let _ = tokio::time::timeout(Duration::from_secs(1), connection.publish(&gone)).await;
        connection.close().await;
    }

    /// A connection on which these meters are announced, and all of which something is to be told.
    async fn connect(&mut self, meters: &[&str]) -> Result<(), Trouble> {
        self.look_after();
        if self.connection.is_none() {
            let opened = Connection::open(&self.broker(), None).await;
            self.connection = Some(opened.map_err(|trouble| self.explained(trouble))?);
            for device in self.devices.values_mut() {
                // Another server may answer, which knows nothing.
                device.is_connected = false;
                device.is_due = !device.attributes.is_empty();
            }
        }
        let told = self.announce(meters).await;
        self.look_after();
        told
    }

    /// Devices before their attributes: who is not announced gets the usual type.
    async fn announce(&mut self, meters: &[&str]) -> Result<(), Trouble> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        for (meter, device) in &mut self.devices {
            let mut news = Vec::new();
            if !device.is_connected && (device.is_due || meters.contains(&&**meter)) {
                let payload = payload::connect(&device.name, &self.setup.device_type);
                news.push(Publication::passing(payload::CONNECT, payload));
            }
            if device.is_due {
                let payload = payload::attributes(&device.name, &device.attributes);
                news.push(Publication::passing(payload::ATTRIBUTES, payload));
            }
            if news.is_empty() {
                continue;
            }
            if let Some(trouble) = connection.publish(&news).await.trouble {
                return Err(trouble);
            }
            (device.is_connected, device.is_due) = (true, false);
        }
        Ok(())
    }

    /// The broker, with the token as the name that lets us in.
    fn broker(&self) -> BrokerSetup {
        let mut broker = self.setup.broker.clone();
        if let Some(token) = &self.setup.token {
            broker.endpoint.login = Some(Login { username: token.expose().to_owned(), password: None });
        }
        broker
    }

    /// Trouble with a login in the words of `ThingsBoard`.
    fn explained(&self, trouble: Trouble) -> Trouble {
        if trouble.step != Step::Login || self.setup.token.is_none() {
            return trouble;
        }
        let message = format!(
            "{}: ThingsBoard refuses us: check `token`, the access token of a device that is a gateway",
            self.setup.broker.endpoint
        );
        Trouble { message, ..trouble }
    }

    /// Drops a connection that is over.
    fn look_after(&mut self) {
        if let Some(trouble) = self.connection.as_ref().and_then(Connection::trouble) {
            tracing::debug!("connection to {} lost: {trouble}", self.setup.broker.endpoint);
            self.connection = None;
        }
    }
}
