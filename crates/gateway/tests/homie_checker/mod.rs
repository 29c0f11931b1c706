//! Walks a tree of topics by the Homie convention 4.0.0, from what a device lists of itself down to each value.
//!
//! Source: <https://homieiot.github.io/specification/spec-core-v4_0_0/>.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part, and unwraps")]

use std::collections::{BTreeMap, BTreeSet};

/// Everything that a broker keeps, by topic.
pub(crate) type Kept = BTreeMap<String, String>;

/// A property as a controller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    pub(crate) datatype: String,
    pub(crate) unit: Option<String>,
    pub(crate) value: String,
}

/// A device as a controller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) state: String,
    /// By `node/property`.
    pub(crate) properties: BTreeMap<String, Property>,
}

/// All devices by their ids, when nothing is wrong; otherwise all that is.
pub(crate) fn check(kept: &Kept, base: &str) -> Result<BTreeMap<String, Device>, Vec<String>> {
    let mut walk = Walk { kept, problems: Vec::new(), seen: BTreeSet::new() };
    let mut devices = BTreeMap::new();
    let ids: BTreeSet<&str> = kept
        .keys()
        .filter_map(|topic| topic.strip_prefix(base)?.strip_prefix('/')?.split('/').next())
        .collect();
    for id in ids {
        if let Some(device) = walk.device(base, id) {
            devices.insert(id.to_owned(), device);
        }
    }
    // What nobody lists is nobody's.
    for topic in kept.keys().filter(|topic| topic.starts_with(&format!("{base}/"))) {
        if !walk.seen.contains(topic) {
            walk.problems.push(format!("{topic}: nothing leads there"));
        }
    }
    if walk.problems.is_empty() { Ok(devices) } else { Err(walk.problems) }
}

const STATES: &[&str] = &["init", "ready", "disconnected", "sleeping", "lost", "alert"];

struct Walk<'a> {
    kept: &'a Kept,
    problems: Vec<String>,
    seen: BTreeSet<String>,
}

impl Walk<'_> {
    fn wrong(&mut self, place: &str, what: impl std::fmt::Display) {
        self.problems.push(format!("{place}: {what}"));
    }

    fn optional(&mut self, topic: String) -> Option<String> {
        let value = self.kept.get(&topic)?.clone();
        self.seen.insert(topic);
        Some(value)
    }

    fn required(&mut self, topic: String) -> Option<String> {
        if !self.kept.contains_key(&topic) {
            self.wrong(&topic, "is required");
        }
        self.optional(topic)
    }

    fn id(&mut self, place: &str, id: &str) {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.is_empty() || !id.chars().all(fits) || id.starts_with('-') || id.ends_with('-') {
            self.wrong(place, format!("`{id}` is no id"));
        }
    }

    fn device(&mut self, base: &str, id: &str) -> Option<Device> {
        let place = format!("{base}/{id}");
        self.id(&place, id);
        let version = self.required(format!("{place}/$homie"))?;
        if version != "4.0.0" {
            self.wrong(&place, format!("version {version}"));
        }
        let name = self.required(format!("{place}/$name"))?;
        let state = self.required(format!("{place}/$state"))?;
        if !STATES.contains(&state.as_str()) {
            self.wrong(&place, format!("state {state}"));
        }
        // Required, but an empty list is an empty message, which no broker keeps.
        if let Some(extensions) = self.optional(format!("{place}/$extensions")) {
            for extension in extensions.split(',') {
                if extension.split(':').count() != 3 {
                    self.wrong(&place, format!("extension {extension}"));
                }
            }
        }
        self.optional(format!("{place}/$implementation"));
        let nodes = self.required(format!("{place}/$nodes"))?;
        let mut properties = BTreeMap::new();
        for node in unique(&mut self.problems, &place, &nodes) {
            self.node(&place, node, &mut properties);
        }
        Some(Device { name, state, properties })
    }

    fn node(&mut self, device: &str, id: &str, properties: &mut BTreeMap<String, Property>) {
        let place = format!("{device}/{id}");
        self.id(&place, id);
        self.required(format!("{place}/$name"));
        self.required(format!("{place}/$type"));
        let Some(ids) = self.required(format!("{place}/$properties")) else { return };
        for property in unique(&mut self.problems, &place, &ids) {
            if let Some(found) = self.property(&place, property) {
                properties.insert(format!("{id}/{property}"), found);
            }
        }
    }

    fn property(&mut self, node: &str, id: &str) -> Option<Property> {
        let place = format!("{node}/{id}");
        self.id(&place, id);
        self.required(format!("{place}/$name"));
        let datatype = self.required(format!("{place}/$datatype"))?;
        let unit = self.optional(format!("{place}/$unit"));
        for (attribute, usual) in [("$settable", "false"), ("$retained", "true")] {
            let value = self.optional(format!("{place}/{attribute}"));
            if value.as_deref().is_some_and(|value| value != usual) {
                self.wrong(&place, format!("{attribute} of a reading is {usual}"));
            }
        }
        let value = self.required(place.clone())?;
        let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let unsigned = value.strip_prefix('-').unwrap_or(&value);
        let fits = match datatype.as_str() {
            "integer" => digits(unsigned) && value.parse::<i64>().is_ok(),
            "float" => match unsigned.split_once('.') {
                Some((whole, decimals)) => digits(whole) && digits(decimals),
                None => digits(unsigned),
            },
            _ => {
                self.wrong(&place, format!("datatype {datatype} of a number"));
                true
            }
        };
        if !fits {
            self.wrong(&place, format!("`{value}` is no {datatype}"));
        }
        Some(Property { datatype, unit, value })
    }
}

fn unique<'a>(problems: &mut Vec<String>, place: &str, list: &'a str) -> Vec<&'a str> {
    let all: Vec<&str> = list.split(',').collect();
    if all.iter().collect::<BTreeSet<_>>().len() != all.len() {
        problems.push(format!("{place}: {list} names one twice"));
    }
    all
}
