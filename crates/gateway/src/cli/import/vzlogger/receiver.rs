//! Who gets the values: channels of one receiver become one sink.
use super::PROFILE;
use super::channel::Origin;
use super::local::Local;
use crate::cli::import::address;
use crate::cli::import::draft::{Block, Draft, Keys, Line};
use crate::cli::import::kinds;
use crate::cli::import::tree::{Place, Table};
use crate::secret::Secret;
use std::path::Path;

/// A receiver as a channel describes it.
#[derive(Debug, PartialEq, Eq)]
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
    /// The channels that vzlogger's web server shows, whoever gets them besides.
    pub(super) local: Vec<Local>,
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
        let same = |group: &Group| group.receiver == receiver && group.gathered_s == origin.gathered_s;
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
            // A sink of channels has one meter; one of another file may follow.
            if mine.len() < meters || receiver.kind == "volkszaehler" {
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
    broker(&keys, place, &mut block);
    block.remark("Topics below the prefix are named after meter and register, no longer chn0/raw.");
    let prefix = topic(&keys, "topic", &mut block).unwrap_or_else(|| "vzlogger".to_owned());
    block.text("prefix", &prefix);
    block.truth("per_register", true);
    if let Some((retain, _)) = keys.truth("retain", &mut block) {
        block.truth("retain", retain);
    }
    match keys.whole("qos", &mut block) {
        Some((qos @ 0..=1, _)) => block.whole("qos", qos),
        Some((_, at)) => block.lost(at, "`qos`: is 0 or 1"),
        None => {}
    }
    discovery(&keys, &mut block);
    let registers = receivers.registers.iter().cloned().fold(Some(Vec::new()), joined);
    block.texts("registers", &registers.unwrap_or_default());
    keys.together(&["timestamp", "rawAndAgg"], "the shape of what is sent is that of metergate", &mut block);
    keys.rest(&mut block);
    draft.blocks.push(block);
}

/// The start of a topic, if it is one that sinks accept: levels without jokers.
fn topic(keys: &Keys<'_>, key: &'static str, block: &mut Block) -> Option<String> {
    let (text, at) = keys.text(key, block)?;
    let text = text.trim_end_matches('/');
    let fits = |level: &str| {
        !level.is_empty()
            && !level.starts_with('$')
            && !level.contains(|letter: char| "+#".contains(letter) || letter.is_control())
    };
    if text.len() > 128 || !text.split('/').all(fits) {
        block.lost(at, format!("`{key}`: a topic has no empty level, no `+`, `#` and `$`"));
        return None;
    }
    Some(text.to_owned())
}

/// Where the broker is, and who we are there.
fn broker(keys: &Keys<'_>, place: &Place, block: &mut Block) {
    let ca = keys.text("cafile", block);
    let folder = keys.text("capath", block);
    let client = (keys.text("certfile", block), keys.text("keyfile", block));
    let port = keys.whole("port", block);
    let certificates = ca.is_some() || folder.is_some() || (client.0.is_some() && client.1.is_some());
    let tls = certificates || port.is_some_and(|(port, _)| matches!(port, 8883 | 8884));
    let (port, _) = port.unwrap_or((if tls { 8883 } else { 1883 }, place));
    let host = keys.text("host", block);
    match host.and_then(|(host, _)| address::broker(host, port, tls)) {
        Some(url) => block.text("url", &url),
        None => {
            let at = host.map_or(place, |(_, at)| at);
            block.switch_off(at, "the sink: `host` and `port` of `mqtt` name no broker");
            block.text("url", "mqtt://HOST:1883");
        }
    }
    let user = keys.text("user", block);
    if let Some((user, _)) = user {
        block.text("username", user);
    }
    match (keys.text("pass", block), user) {
        (Some((password, _)), Some(_)) => block.secret("password", password),
        (Some((_, at)), None) => block.lost(at, "`pass`: does nothing without `user`"),
        (None, _) => {}
    }
    // The configuration opens the files when it is read; one that is elsewhere would be in its way.
    let here = |file: &str| Path::new(file).is_file();
    match ca {
        Some((file, _)) if here(file) => block.text("ca", file),
        Some((_, at)) => block.lost(at, "`cafile`: is not on this host; where it is, it is called `ca`"),
        None => {}
    }
    match client {
        (Some((cert, _)), Some((key, _))) if here(cert) && here(key) => {
            block.text("client_cert", cert);
            block.text("client_key", key);
        }
        (Some((_, at)), Some(_)) => {
            let files =
                "are not on this host; where they are, they are called `client_cert` and `client_key`";
            block.lost(at, format!("`certfile` and `keyfile`: {files}"));
        }
        (Some((_, at)), None) | (None, Some((_, at))) => {
            block.lost(at, "`certfile` and `keyfile`: need each other");
        }
        (None, None) => {}
    }
    if let Some((_, at)) = folder {
        block.lost(at, "`capath`: authorities come from one file (`ca`), else from those of the system");
    }
    if let Some((_, at)) = keys.text("keypass", block) {
        block.lost(at, "`keypass`: a private key has no password; its file is what nobody else may read");
    }
    match keys.text("id", block) {
        Some((id, _)) if id.len() <= 128 => block.text("client_id", id),
        Some((_, at)) => block.lost(at, "`id`: is longer than 128 characters"),
        None => {}
    }
    match keys.whole("keepalive", block) {
        Some((seconds @ 5..=3600, _)) => block.seconds("keep_alive", seconds),
        Some((_, at)) => block.lost(at, "`keepalive`: is 5 to 3600 seconds"),
        None => {}
    }
}

/// Home Assistant is told what there is only where vzlogger told it.
fn discovery(keys: &Keys<'_>, block: &mut Block) {
    let Some((table, at)) = keys.table("ha_discovery", block) else {
        block.remark("vzlogger told Home Assistant nothing; without this line metergate does.");
        block.text("discovery", "off");
        return;
    };
    let inner = Keys::new(table);
    if !inner.truth("enabled", block).is_some_and(|(enabled, _)| enabled) {
        block.text("discovery", "off");
        return;
    }
    block.lost(at, "`ha_discovery`: the names of the entities; Home Assistant sees new ones");
    block.text("discovery", "entity");
    if let Some(prefix) = topic(&inner, "prefix", block) {
        block.text("discovery_prefix", &prefix);
    }
}
