//! Reads a `vzlogger.conf` as vzlogger 0.8.10 does: what is not said has its defaults, and a meter is switched on
//! only by `"enabled": true`.
mod channel;
mod local;
mod meter;
mod receiver;

use super::address;
use super::draft::{Block, Draft, Keys};
use super::tree::{Node, Place, Table, Value};
use channel::Origin;
use receiver::Receivers;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The profile that everything goes to.
const PROFILE: &str = "default";

/// What is said once for the whole program, and where metergate has it.
const PROGRAM: &[(&str, &str)] = &[
    ("daemon", "`metergate run` stays in the foreground, as systemd wants it"),
    ("log", "the log goes to standard error, under systemd to the journal"),
    ("verbosity", "`metergate run -v`, `-vv` and `-vvv` say more"),
    ("retry", "the pause between tries grows by itself, up to 30 s"),
];

/// Whether this is such a file.
pub(super) fn is_one(root: &Table) -> bool {
    root.get("meters").or_else(|| root.get("sensors")).is_some()
        || ["verbosity", "retry", "daemon", "local", "push", "mqtt"].iter().any(|key| root.get(key).is_some())
}

/// Adds what stands in the file to the draft.
pub(super) fn read(root: &Table, draft: &mut Draft) {
    let keys = Keys::new(root);
    let mut program = Block::default();
    keys.own_way(PROGRAM, &mut program);
    let local = keys.table("local", &mut program);
    push(&keys, &mut program);
    let mut meters = Vec::new();
    for key in ["sensors", "meters"] {
        if let Some((list, _)) = keys.list(key, &mut program) {
            meters.extend(list);
        }
    }
    let mqtt = keys.table("mqtt", &mut program);
    keys.rest(&mut program);
    draft.blocks.push(program);

    let mut receivers = Receivers::default();
    let mut ports = BTreeMap::new();
    for (number, node) in meters.into_iter().enumerate() {
        one_meter(number, node, draft, &mut receivers, &mut ports);
    }
    if let Some((table, place)) = local {
        local::read(table, place, &receivers, draft);
    }
    if let Some((table, place)) = mqtt {
        receiver::mqtt(table, place, &receivers, draft);
    }
    receivers.finish(draft);
}

/// Reads one meter and its channels; those of a meter that is not read go nowhere.
fn one_meter(
    number: usize,
    node: &Node,
    draft: &mut Draft,
    receivers: &mut Receivers,
    ports: &mut BTreeMap<String, String>,
) {
    let Value::Table(table) = &node.value else {
        let mut block = Block::default();
        block.lost(&node.place, format!("expected a meter, found {}", node.value.kind()));
        draft.blocks.push(block);
        return;
    };
    let keys = Keys::new(table);
    // vzlogger calls it so in its log.
    let name = draft.name(PROFILE, "meter", &format!("mtr{number}"));
    let mut block = Block::section(PROFILE, "meter", name.clone());
    block.remark(format!("{}, mtr{number} in the log of vzlogger", node.place));
    meter::read(&keys, &node.place, &mut block);
    let gathered_s = meter::gathered_s(&keys, &mut block);
    let channels = channels(&keys, &mut block);
    keys.rest(&mut block);
    check_port(&node.place, &mut block, ports);
    if block.off.is_none() {
        let prints_units = block.value("protocol").is_some_and(|protocol| protocol != "\"sml\"");
        for (table, place) in channels {
            let origin = Origin { meter: &name, gathered_s, prints_units };
            channel::read(table, place, &origin, &mut block, receivers);
        }
    } else if !channels.is_empty() {
        block.remark(format!("Its channels ({}) are not in the sinks below.", channels.len()));
    }
    draft.blocks.push(block);
}

/// A port has one reader.
fn check_port(place: &Place, block: &mut Block, ports: &mut BTreeMap<String, String>) {
    let (Some(port), Some(head), None) = (block.value("port"), &block.head, &block.off) else { return };
    match ports.entry(port.to_owned()) {
        Entry::Vacant(free) => {
            free.insert(head.name.clone());
        }
        Entry::Occupied(taken) => {
            let other = taken.get();
            block.switch_off(
                place,
                format!("the meter: `{other}` reads its port already, and a port has one reader"),
            );
        }
    }
}

/// `"channels": [{..}, ..]` and the older `"channel": {..}`.
fn channels<'a>(keys: &Keys<'a>, block: &mut Block) -> Vec<(&'a Table, &'a Place)> {
    let mut all: Vec<(&Table, &Place)> = keys.table("channel", block).into_iter().collect();
    for node in keys.list("channels", block).map(|(list, _)| list).unwrap_or_default() {
        match &node.value {
            Value::Table(table) => all.push((table, &node.place)),
            other => block.lost(&node.place, format!("expected a channel, found {}", other.kind())),
        }
    }
    all
}

/// Addresses that get every value at once.
fn push(keys: &Keys<'_>, block: &mut Block) {
    let Some((list, _)) = keys.list("push", block) else { return };
    for node in list {
        let url = match &node.value {
            Value::Table(table) => {
                Keys::new(table).text("url", block).and_then(|(url, _)| address::http(url))
            }
            _ => None,
        };
        let url = url.map_or_else(|| "no address".to_owned(), |address| address.url);
        block.lost(
            &node.place,
            format!("`push` to {url}: the push server of volkszaehler has no counterpart"),
        );
    }
}
