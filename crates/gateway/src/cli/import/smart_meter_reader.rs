//! Reads `settings.toml` of smart-meter-reader with its `.secrets.toml`: dynaconf environments, each with one client
//! and its sinks.
use super::address;
use super::draft::{Block, Draft, Keys, Line, shown};
use super::kinds;
use super::tree::{Node, Place, Table, Value};
use crate::config::taken_for;
use metergate_meter::{Key, LineSettings, Parity};

/// Environments that lie below all others.
const BELOW: &[&str] = &["default", "global"];

/// What that program asks of a MULTICAL 403, and publishes.
const REGISTERS: &str = "[60, 80, 86, 87, 89, 74, 68, 1004]";

/// Whether this is such a file: environments with a client or a sink, or what they share.
pub(super) fn is_one(root: &Table) -> bool {
    root.iter().any(|(_, node)| match &node.value {
        Value::Table(table) => {
            ["client", "mqtt_broker", "debug_level"].iter().any(|key| table.get(key).is_some())
                || table.table("sink").is_some_and(|sink| sink.get("ids").is_some())
        }
        _ => false,
    })
}

/// Adds each environment as a profile.
pub(super) fn read(root: &Table, draft: &mut Draft) {
    let mut below = Table::default();
    let mut top = Block::default();
    for (name, node) in root.iter() {
        match &node.value {
            Value::Table(table) if BELOW.contains(&name) => below.overlay(table.clone()),
            Value::Table(_) => {}
            _ => top.lost(&node.place, format!("`{}`: stands in no environment", shown(name))),
        }
    }
    let shared = Keys::new(&below);
    shared.own_way(&[("debug_level", "`metergate run -v`, `-vv` and `-vvv` say more")], &mut top);
    draft.blocks.push(top);
    let environments: Vec<(&str, &Node)> = root.iter().filter(|(name, _)| !BELOW.contains(name)).collect();
    // A program that uses no other environment has its client in the default one.
    if below.get("client").is_some() && environments.is_empty() {
        for (name, node) in root.iter().filter(|(name, _)| BELOW.contains(name)) {
            environment(name, "default", &node.place, &below, draft);
        }
    }
    for (name, node) in environments {
        if let Value::Table(table) = &node.value {
            let mut merged = below.clone();
            merged.overlay(table.clone());
            environment(name, &profile(name), &node.place, &merged, draft);
        }
    }
}

/// The profile of an environment: its name, unless metergate takes that for something else.
fn profile(environment: &str) -> String {
    match taken_for(environment) {
        Some(_) => format!("profile-{environment}"),
        None => environment.to_owned(),
    }
}

/// One environment: `[t210.meter.electric-smart-meter]` and `[t210.sink.homie]`.
fn environment(name: &str, profile: &str, place: &Place, table: &Table, draft: &mut Draft) {
    let keys = Keys::new(table);
    let mut spare = Block::default();
    let broker = (keys.text("mqtt_broker", &mut spare), keys.whole("mqtt_port", &mut spare));
    keys.place("debug_level");
    keys.place("dynaconf_merge");
    let Some((client, client_at)) = keys.table("client", &mut spare) else {
        spare.lost(place, format!("`{}`: an environment without `client`", shown(name)));
        draft.blocks.push(spare);
        return;
    };
    let sink = keys.table("sink", &mut spare);
    keys.rest(&mut spare);
    let device = sink.and_then(|(sink, _)| sink.table("homie")?.get("id"));
    let wanted = match device.map(|node| &node.value) {
        Some(Value::Text(id)) => id.as_str(),
        _ => name,
    };
    let meter = draft.name(profile, "meter", wanted);
    let mut block = Block::section(profile, "meter", meter);
    read_client(&Keys::new(client), client_at, &mut block);
    block.lines.append(&mut spare.lines);
    draft.blocks.push(block);
    if let Some((sink, _)) = sink {
        read_sinks(&Keys::new(sink), profile, broker, place, draft);
    }
}

fn read_client(keys: &Keys<'_>, place: &Place, block: &mut Block) {
    let id = keys.text("id", block).map(|(id, _)| id.to_ascii_lowercase());
    match id.as_deref() {
        Some("sagemcom_t210_d_r") => p1(keys, place, block),
        Some("kamstrup_403") => kmp(keys, place, block),
        Some("dummy") => dummy(block),
        Some(other) => {
            block.switch_off(
                place,
                format!("the client `{}`: is none that smart-meter-reader has", shown(other)),
            );
            keys.ignore_rest();
        }
        None => {
            block.switch_off(place, "the client: it has no `id`");
            keys.ignore_rest();
        }
    }
    let recognised = "recognised by what the meter sends";
    keys.own_way(&[("telegram_specification", recognised)], block);
    // One version has it in a table of its own.
    if let Some((table, _)) = keys.table("kamstrup_403", block) {
        let inner = Keys::new(table);
        inner.own_way(&[("telegram_specification", recognised)], block);
        inner.rest(block);
    }
    keys.rest(block);
}

fn p1(keys: &Keys<'_>, place: &Place, block: &mut Block) {
    let settings = port(keys, place, block);
    block.text("model", "sagemcom-t210-d-r-energienetze-steiermark");
    if let Some((settings, at)) = settings {
        match line_of(settings) {
            Some(line) => block.text("line", &line.to_string()),
            None => block.lost(at, format!("`serial.settings`: `{}` is not known", shown(settings))),
        }
    }
    if !key(keys, "guek", "key", block) {
        block.remark("There is no guek: without `key` in the secrets telegrams are refused as missing_key.");
    }
    if key(keys, "gak", "auth_key", block) {
        block
            .remark("gak was not used there; here it checks the tag of each telegram. If all are refused as");
        block.remark("authentication_failed, it is wrong, or the meter has none: then remove auth_key.");
    }
}

/// Presets of dsmr_parser.
fn line_of(settings: &str) -> Option<LineSettings> {
    Some(match settings.to_ascii_uppercase().as_str() {
        "SERIAL_SETTINGS_V2_2" => LineSettings::M9600_7E1,
        "SERIAL_SETTINGS_V4" => LineSettings::new(115_200, 7, Parity::Even, 1),
        "SERIAL_SETTINGS_V5" => LineSettings::M115200_8N1,
        _ => return None,
    })
}

/// A key of 16 bytes into the secrets. Whether there was one.
fn key(keys: &Keys<'_>, theirs: &'static str, ours: &'static str, block: &mut Block) -> bool {
    let Some((text, at)) = keys.text(theirs, block) else { return false };
    match text.parse::<Key>() {
        Ok(_) => {
            block.secret(ours, text);
            true
        }
        Err(error) => {
            block.lost(at, format!("`{theirs}`: {error}"));
            false
        }
    }
}

fn kmp(keys: &Keys<'_>, place: &Place, block: &mut Block) {
    let settings = port(keys, place, block);
    block.text("model", "kamstrup-multical-403");
    block.lines.push(Line::Key("registers", REGISTERS.to_owned()));
    block.remark("Asked every 60 s there, which costs the battery years; here once an hour. The old rhythm:");
    block.remark("interval = \"60 s\" and requests_per_hour = 60");
    block.text("interval", "1 h");
    if let Some((_, at)) = settings {
        let unused = "`serial.settings`: this client does not use it there either".to_owned();
        block.lines.push(Line::Own(at.clone(), unused));
    }
}

fn dummy(block: &mut Block) {
    block.remark("Reads a simulated meter; start it before: metergate simulate dummy --tcp 127.0.0.1:4000");
    block.text("port", "tcp://127.0.0.1:4000");
    block.text("protocol", "sml");
}

/// `client.serial.port`; the preset of the line is handed back.
fn port<'a>(keys: &Keys<'a>, place: &Place, block: &mut Block) -> Option<(&'a str, &'a Place)> {
    let serial = keys.table("serial", block).map(|(table, _)| Keys::new(table));
    let found = serial.as_ref().and_then(|serial| serial.text("port", block));
    match found {
        Some((typed, at)) => {
            let typed = typed.replacen("socket://", "tcp://", 1);
            match address::port(&typed) {
                Ok(()) => block.text("port", &typed),
                Err(message) => {
                    block.switch_off(at, format!("the client: {message}"));
                    block.text("port", "/dev/serial/by-id/...");
                }
            }
        }
        None => {
            block.switch_off(place, "the client: it has no `serial.port`");
            block.text("port", "/dev/serial/by-id/...");
        }
    }
    let serial = serial?;
    let settings = serial.text("settings", block);
    serial.rest(block);
    settings
}

/// What `mqtt_broker` and `mqtt_port` say.
type Broker<'a> = (Option<(&'a str, &'a Place)>, Option<(i64, &'a Place)>);

fn read_sinks(keys: &Keys<'_>, profile: &str, broker: Broker<'_>, place: &Place, draft: &mut Draft) {
    let mut spare = Block::default();
    let ids = keys.list("ids", &mut spare).map(|(list, _)| list).unwrap_or_default();
    let homie = keys.table("homie", &mut spare);
    for node in ids {
        match &node.value {
            Value::Text(id) if id.eq_ignore_ascii_case("homie") => {
                let block = homie_sink(homie, profile, broker, &node.place, draft);
                draft.blocks.push(block);
            }
            Value::Text(id) => {
                spare.lost(
                    &node.place,
                    format!("the sink `{}`: is none that smart-meter-reader has", shown(id)),
                );
            }
            other => {
                spare.lost(&node.place, format!("`ids`: expected names of sinks, found {}", other.kind()));
            }
        }
    }
    if ids.is_empty() {
        spare.lost(place, "its sinks: `ids` names none");
    }
    keys.rest(&mut spare);
    draft.blocks.push(spare);
}

fn homie_sink(
    homie: Option<(&Table, &Place)>,
    profile: &str,
    (host, port): Broker<'_>,
    place: &Place,
    draft: &mut Draft,
) -> Block {
    let name = draft.name(profile, "sink", "homie");
    let mut block = Block::section(profile, "sink", name);
    block.text("kind", "homie");
    kinds::check("homie", place, &mut block);
    let port = port.map_or(1883, |(port, _)| port);
    match host.and_then(|(host, _)| address::broker(host, port, false)) {
        Some(url) => block.text("url", &url),
        None => {
            let at = host.map_or(place, |(_, at)| at);
            block.switch_off(at, "the sink: `mqtt_broker` and `mqtt_port` name no broker");
            block.text("url", "mqtt://HOST:1883");
        }
    }
    let Some((table, _)) = homie else { return block };
    let keys = Keys::new(table);
    if let Some((id, at)) = keys.text("id", &mut block) {
        let device = id.to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if device.bytes().all(plain) && !device.starts_with('-') && !device.ends_with('-') {
            block.text("device", &device);
        } else {
            block.lost(at, "`id`: Homie has small letters, digits and `-` inside");
        }
    }
    if let Some((name, _)) = keys.text("name", &mut block) {
        block.text("name", name);
    }
    if keys.place("device_type").is_some() {
        block.remark("Nodes and properties follow from what the meter sends, not from device_type.");
    }
    keys.rest(&mut block);
    block
}
