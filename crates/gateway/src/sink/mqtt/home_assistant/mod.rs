//! Tells Home Assistant what there is: its MQTT discovery, a message for each device or for each entity.
//!
//! Discovery messages are retained. Which ones are ours stands in a retained list of our own, so that the next run
//! takes back what belongs to another way of discovery or to a meter that is gone.
mod classes;
mod device;

use super::live::Live;
use super::topics::{Topics, identifier};
use crate::config::{HomeAssistantDiscovery, MqttSetup};
use crate::net::mqtt::{Board, Connection, Message, Publication};
use crate::sink::submeter::{self, Submeters};
use crate::update::TelegramBuf;
use device::{Device, Setting};
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long the list of the last run is waited for before anything is announced. The broker sends it right after the
/// subscription, if there is one.
const LIST_PATIENCE: Duration = Duration::from_secs(1);

/// Everything is told again at some moment within this after Home Assistant has started, so that not all devices of a
/// house call at once.
const BIRTH_DELAY_MAX_MS: u64 = 3000;

/// Entities of one device. A meter that invents names of registers must not fill Home Assistant.
const ENTITIES_MAX: usize = 500;

/// Steps of `expire_after`, so that a rhythm that varies a little changes nothing.
const EXPIRE_STEPS_S: [u64; 8] = [60, 180, 600, 1800, 7200, 21_600, 86_400, 259_200];

/// What Home Assistant was told, and will be.
#[derive(Debug)]
pub(super) struct HomeAssistant {
    way: HomeAssistantDiscovery,
    topics: Topics,
    prefix: String,
    qos: u8,
    expire_after: Option<Duration>,
    /// Names of the meters as identifiers.
    meters: BTreeSet<String>,
    /// Devices by their identifiers.
    devices: BTreeMap<String, Device>,
    rhythms: BTreeMap<Arc<str>, Rhythm>,
    /// Topics of discovery that are ours, also from the last run.
    told: BTreeSet<String>,
    has_heard_list: bool,
    birth: Option<Instant>,
}

/// How often readings of a meter come.
#[derive(Debug, Default)]
struct Rhythm {
    last_ms: Option<i64>,
    /// Longest time between two.
    gap_ms: u64,
}

impl HomeAssistant {
    pub(super) fn new(setup: &MqttSetup, topics: &Topics, meters: &[Arc<str>]) -> Self {
        Self {
            way: setup.discovery,
            topics: topics.clone(),
            prefix: setup.discovery_prefix.clone(),
            qos: u8::from(setup.qos == crate::config::Qos::AtLeastOnce),
            expire_after: setup.expire_after,
            meters: meters.iter().map(|meter| identifier(meter)).collect(),
            devices: BTreeMap::new(),
            rhythms: BTreeMap::new(),
            told: BTreeSet::new(),
            has_heard_list: false,
            birth: None,
        }
    }

    /// Listens for the start of Home Assistant and for what the last run has told.
    pub(super) async fn connected(&mut self, connection: &mut Connection, board: &mut Board) {
        let list = self.topics.discovery();
        if self.has_heard_list {
            // The list stands on the board by now.
        } else if !connection.subscribe(&list).await {
            tracing::debug!("the broker does not let us read {list}");
        } else if self.way != HomeAssistantDiscovery::Off {
            // Before the first announcement, so that a device is never there in both ways.
            if let Some(message) = connection.wait_for_message(LIST_PATIENCE).await {
                self.hear(&message, board);
            }
            self.has_heard_list = true;
        }
        if self.way != HomeAssistantDiscovery::Off {
            connection.subscribe(&format!("{}/status", self.prefix)).await;
        }
    }

    /// Takes note of a message of the broker.
    pub(super) fn hear(&mut self, message: &Message, board: &mut Board) {
        if message.topic == self.topics.discovery() {
            self.hear_list(&message.payload, board);
        } else if message.topic == format!("{}/status", self.prefix) && message.payload == b"online" {
            let delay = RandomState::new().build_hasher().finish() % BIRTH_DELAY_MAX_MS;
            self.birth = Some(Instant::now() + Duration::from_millis(delay));
        }
    }

    /// True once for each start of Home Assistant, when it is time to tell everything again.
    pub(super) fn is_born(&mut self) -> bool {
        let born = self.birth.is_some_and(|birth| birth <= Instant::now());
        if born {
            self.birth = None;
        }
        born
    }

    /// What was told before: what still holds is ours, the rest is taken back.
    fn hear_list(&mut self, payload: &[u8], board: &mut Board) {
        let Ok(topics) = serde_json::from_slice::<Vec<String>>(payload) else { return };
        let before = self.told.len();
        for topic in topics {
            // Only what we could have written: nobody takes other devices away by way of us.
            let Some((way, meter)) = self.whose(&topic) else { continue };
            if way == self.way && self.meters.contains(meter) {
                self.told.insert(topic);
            } else {
                board.remove(&topic);
            }
        }
        if self.told.is_empty() && !payload.is_empty() {
            board.remove(&self.topics.discovery());
        } else if self.told.len() != before {
            self.list(board);
        }
    }

    /// The way of discovery that a topic belongs to, and the meter, as an identifier.
    fn whose<'a>(&self, topic: &'a str) -> Option<(HomeAssistantDiscovery, &'a str)> {
        let mut levels = topic.rsplit('/');
        let (config, one, two) = (levels.next()?, levels.next()?, levels.next()?);
        let (way, device) = match (two, levels.next()) {
            ("device", _) => (HomeAssistantDiscovery::Device, one),
            (device, Some("sensor" | "binary_sensor")) => (HomeAssistantDiscovery::Entity, device),
            _ => return None,
        };
        let meter = device.strip_prefix(&self.topics.id())?.strip_prefix('_')?;
        // A meter behind a meter goes with it.
        let meter = meter.split_once("__").map_or(meter, |(meter, _)| meter);
        (config == "config").then_some((way, meter))
    }

    fn list(&self, board: &mut Board) {
        let topics: Vec<&String> = self.told.iter().collect();
        board.show(Publication::retained(self.topics.discovery(), super::json::bytes(&topics)));
    }

    /// Announces what is known of a meter by now; `telegram` is the newest, if this is one.
    pub(super) fn show(
        &mut self,
        meter: &Arc<str>,
        live: &Live,
        telegram: Option<&TelegramBuf>,
        board: &mut Board,
    ) {
        if self.way == HomeAssistantDiscovery::Off {
            return;
        }
        if telegram.is_some()
            && let Some(sample) = &live.sample
        {
            self.rhythms.entry(Arc::clone(meter)).or_default().note(sample.at.unix_ms);
        }
        let expire_after_s = self.expire_after_s(meter);
        let main = format!("{}_{}", self.topics.id(), identifier(meter));
        let mut changed = BTreeSet::from([main.clone()]);
        let device = self.devices.entry(main.clone()).or_insert_with(|| Device::of_meter(&main, meter));
        device.identify(live);
        device.add_own_entities(&self.topics, meter, live.sample.is_some());
        if let Some(telegram) = telegram {
            let submeters = Submeters::of(telegram);
            let points = live.sample.iter().flat_map(|sample| &sample.points);
            let medium = submeter::medium(live.model, points);
            for point in live.sample.iter().flat_map(|sample| &sample.points) {
                let child = submeters.of_point(point, medium);
                let (id, medium) = match &child {
                    Some(child) => (format!("{main}__{}", child.id), child.medium),
                    None => (main.clone(), medium),
                };
                let device = self
                    .devices
                    .entry(id.clone())
                    .or_insert_with(|| Device::behind(&main, &id, meter, &child));
                if device.len() < ENTITIES_MAX {
                    device.add_register(point, medium);
                }
                changed.insert(id);
            }
        }
        let setting = Setting { topics: &self.topics, meter, expire_after_s, qos: self.qos };
        let before = self.told.len();
        for id in changed {
            let Some(device) = self.devices.get(&id) else { continue };
            let messages = match self.way {
                HomeAssistantDiscovery::Device => device.as_one(&self.prefix, &setting),
                _ => device.as_entities(&self.prefix, &setting),
            };
            for (topic, payload) in messages {
                self.told.insert(topic.clone());
                board.show(Publication::retained(topic, payload));
            }
        }
        if self.told.len() != before {
            self.list(board);
        }
    }

    fn expire_after_s(&self, meter: &str) -> Option<u64> {
        if let Some(span) = self.expire_after {
            return Some(span.as_secs().max(1));
        }
        let gap_ms = self.rhythms.get(meter).map(|rhythm| rhythm.gap_ms).filter(|&gap| gap > 0)?;
        let least_s = gap_ms.saturating_mul(3).div_ceil(1000);
        EXPIRE_STEPS_S.into_iter().find(|&step| step >= least_s)
    }
}

impl Rhythm {
    /// Notes a reading; the longest gap counts, so that `expire_after` never shrinks and grows in turns.
    fn note(&mut self, at_ms: i64) {
        let gap = self.last_ms.and_then(|last| u64::try_from(at_ms.saturating_sub(last)).ok());
        self.gap_ms = self.gap_ms.max(gap.unwrap_or(0));
        self.last_ms = Some(at_ms);
    }
}
