//! Who gets the values: channels of one receiver become one sink.
use super::PROFILE;
use super::channel::Origin;
use crate::cli::import::address;
use crate::cli::import::draft::{Block, Draft, Keys, Line, Secret};
use crate::cli::import::kinds;
use crate::cli::import::tree::{Place, Table};

/// A receiver as a channel describes it.
pub(super) struct Receiver {
    /// Of the sink.
    pub(super) kind: &'static str,
    /// Keys of the sink.
    pub(super) texts: Vec<(&'static str, String)>,
    pub(super) version: Option<i64>,
    pub(super) user: Option<String>,
    pub(super) secret: Option<(&'static str, Secret)>,
    /// The meter, where the sink can have only one.
    pub(super) meter: Option<String>,
}

impl Receiver {
    fn is(&self, other: &Self) -> bool {
        let secret = |receiver: &'_ Self| {
            receiver.secret.as_ref().map(|(key, secret)| (*key, secret.reveal().to_owned()))
        };
        (self.kind, &self.texts, self.version, &self.user, &self.meter)
            == (other.kind, &other.texts, other.version, &other.user, &other.meter)
            && secret(self) == secret(other)
    }
}

/// A receiver with its channels.
struct Group {
    receiver: Receiver,
    /// Of its first channel.
    place: Place,
    gathered_s: Option<i64>,
    meters: Vec<String>,
    /// `None` as soon as one channel wants everything.
    registers: Option<Vec<String>>,
    channels: Vec<(String, String)>,
    lines: Vec<Line>,
}

/// All receivers of a file.
#[derive(Default)]
pub(super) struct Receivers {
    groups: Vec<Group>,
    /// The register of each channel, whoever gets it: MQTT gets all.
    pub(super) registers: Vec<Option<String>>,
}

impl Receivers {
    /// Adds a channel.
    pub(super) fn add(
        &mut self,
        receiver: Receiver,
        place: &Place,
        origin: &Origin<'_>,
        register: Option<String>,
        uuid: Option<&str>,
        lines: Vec<Line>,
    ) {
        let same = |group: &Group| group.receiver.is(&receiver) && group.gathered_s == origin.gathered_s;
        let at = match self.groups.iter().position(same) {
            Some(at) => at,
            None => {
                self.groups.push(Group {
                    receiver,
                    place: place.clone(),
                    gathered_s: origin.gathered_s,
                    meters: Vec::new(),
                    registers: Some(Vec::new()),
                    channels: Vec::new(),
                    lines: Vec::new(),
                });
                self.groups.len() - 1
            }
        };
        let Some(group) = self.groups.get_mut(at) else { return };
        if !group.meters.iter().any(|meter| meter == origin.meter) {
            group.meters.push(origin.meter.to_owned());
        }
        if let (Some(uuid), Some(register)) = (uuid, &register) {
            group.channels.push((uuid.to_owned(), register.clone()));
        }
        group.registers = joined(group.registers.take(), register);
        for line in lines {
            // What all channels have is said once, with the line of the first.
            let said = |known: &Line| match (known, &line) {
                (Line::Lost(_, known), Line::Lost(_, new)) | (Line::Own(_, known), Line::Own(_, new)) => {
                    known == new
                }
                _ => false,
            };
            if !group.lines.iter().any(said) {
                group.lines.push(line);
            }
        }
    }

    /// Makes the sinks.
    pub(super) fn finish(self, draft: &mut Draft) {
        let meters = draft.count("meter");
        for group in self.groups {
            let Group { receiver, place, gathered_s, meters: mine, registers, channels, lines } = group;
            let name = draft.name(PROFILE, "sink", receiver.kind);
            let mut block = Block::section(PROFILE, "sink", name);
            block.text("kind", receiver.kind);
            kinds::check(receiver.kind, &place, &mut block);
            for (key, value) in &receiver.texts {
                block.text(key, value);
                if *key == "url"
                    && let Some(version) = receiver.version
                {
                    block.whole("version", version);
                }
            }
            if let Some(user) = &receiver.user {
                block.text("username", user);
            }
            if mine.len() < meters {
                block.texts("meters", &mine);
            }
            if let Some(seconds) = gathered_s {
                block.seconds("min_interval", seconds);
            }
            if receiver.kind == "volkszaehler" {
                block.table = Some(("channels", channels));
            } else {
                block.texts("registers", &registers.unwrap_or_default());
            }
            block.secrets.extend(receiver.secret);
            block.lines.extend(lines);
            draft.blocks.push(block);
        }
    }
}

/// One more register, unless it is there; `None` is all.
fn joined(registers: Option<Vec<String>>, more: Option<String>) -> Option<Vec<String>> {
    let (mut registers, more) = (registers?, more?);
    if !registers.contains(&more) {
        registers.push(more);
    }
    Some(registers)
}

/// What metergate chooses by itself.
const CHOSEN: &[&str] = &["id", "keepalive", "qos", "retain", "timestamp", "rawAndAgg"];

/// TLS besides the address.
const TLS: &[&str] = &["cafile", "capath", "certfile", "keyfile", "keypass"];

/// The section `mqtt`, which gets every channel.
pub(super) fn mqtt(table: &Table, place: &Place, receivers: &Receivers, draft: &mut Draft) {
    let keys = Keys::new(table);
    let mut block = Block::default();
    if !keys.truth("enabled", &mut block).is_some_and(|(enabled, _)| enabled) {
        block.remark(format!("{place}: `mqtt` is switched off"));
        draft.blocks.push(block);
        return;
    }
    let name = draft.name(PROFILE, "sink", "mqtt");
    let mut block = Block::section(PROFILE, "sink", name);
    block.text("kind", "mqtt");
    kinds::check("mqtt", place, &mut block);
    let files: Vec<_> = TLS.iter().filter_map(|key| keys.text(key, &mut block)).collect();
    let port = keys.whole("port", &mut block);
    let tls = !files.is_empty() || port.is_some_and(|(port, _)| matches!(port, 8883 | 8884));
    let (port, _) = port.unwrap_or((if tls { 8883 } else { 1883 }, place));
    let host = keys.text("host", &mut block);
    match host.and_then(|(host, _)| address::broker(host, port, tls)) {
        Some(url) => block.text("url", &url),
        None => {
            let at = host.map_or(place, |(_, at)| at);
            block.switch_off(at, "the sink: `host` and `port` of `mqtt` name no broker");
            block.text("url", "mqtt://HOST:1883");
        }
    }
    if let Some((user, _)) = keys.text("user", &mut block) {
        block.text("username", user);
    }
    if let Some((password, _)) = keys.text("pass", &mut block) {
        block.secret("password", password);
    }
    block.remark("The topics below are named after meter and register, no longer chn0/raw.");
    let topic = keys.text("topic", &mut block).map_or("vzlogger", |(topic, _)| topic);
    block.text("topic", topic.trim_end_matches('/'));
    let registers = receivers.registers.iter().cloned().fold(Some(Vec::new()), joined);
    block.texts("registers", &registers.unwrap_or_default());
    if let Some((_, at)) = files.first() {
        block.lost(at, "certificates and their keys: write them by hand, as docs/configuration.md says");
    }
    keys.together(CHOSEN, "chosen by metergate", &mut block);
    let discovery = keys.table("ha_discovery", &mut block);
    if let Some((table, at)) = discovery
        && Keys::new(table).truth("enabled", &mut block).is_some_and(|(enabled, _)| enabled)
    {
        block.lost(at, "`ha_discovery`: write it by hand, as docs/configuration.md says");
    }
    keys.rest(&mut block);
    draft.blocks.push(block);
}
