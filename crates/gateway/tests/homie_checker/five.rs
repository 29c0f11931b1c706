//! Walks the devices of the Homie convention 5.0, from their descriptions down to each value.
//!
//! Source: <https://homieiot.github.io/specification/spec-core-v5_0_0/>.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part, and unwraps")]

use super::homie_checker::{Kept, Property};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A device as a controller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) version: i64,
    /// Its own, or that of its root when this is lost.
    pub(crate) state: String,
    pub(crate) root: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) children: Vec<String>,
    /// By `node/property`.
    pub(crate) properties: BTreeMap<String, Property>,
    pub(crate) alerts: BTreeMap<String, String>,
}

/// All devices of a domain by their ids, when nothing is wrong; otherwise all that is.
pub(crate) fn check(kept: &Kept, domain: &str) -> Result<BTreeMap<String, Device>, Vec<String>> {
    let base = format!("{domain}/5");
    let mut walk = Walk { kept, base: base.clone(), problems: Vec::new(), seen: BTreeSet::new() };
    walk.id(domain);
    // A device exists once it has a state.
    let ids: Vec<String> = kept
        .keys()
        .filter_map(|topic| {
            let (id, attribute) = topic.strip_prefix(&base)?.strip_prefix('/')?.split_once('/')?;
            (attribute == "$state").then(|| id.to_owned())
        })
        .collect();
    let mut devices = BTreeMap::new();
    for id in ids {
        if let Some(device) = walk.device(&id) {
            devices.insert(id, device);
        }
    }
    walk.families(&mut devices);
    // What nobody describes is nobody's.
    for topic in kept.keys().filter(|topic| topic.starts_with(&format!("{base}/"))) {
        if !walk.seen.contains(topic) {
            walk.problems.push(format!("{topic}: nothing leads there"));
        }
    }
    if walk.problems.is_empty() { Ok(devices) } else { Err(walk.problems) }
}

const STATES: &[&str] = &["init", "ready", "disconnected", "sleeping", "lost"];

const DATATYPES: &[&str] =
    &["integer", "float", "boolean", "string", "enum", "color", "datetime", "duration", "json"];

struct Walk<'a> {
    kept: &'a Kept,
    base: String,
    problems: Vec<String>,
    seen: BTreeSet<String>,
}

impl Walk<'_> {
    fn wrong(&mut self, place: &str, what: impl std::fmt::Display) {
        self.problems.push(format!("{place}: {what}"));
    }

    fn get(&mut self, topic: String) -> Option<String> {
        let value = self.kept.get(&topic).cloned();
        match &value {
            Some(_) => _ = self.seen.insert(topic),
            None => self.wrong(&topic, "is required"),
        }
        value
    }

    fn id(&mut self, id: &str) {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.is_empty() || !id.chars().all(fits) {
            self.wrong(id, format!("`{id}` is no id"));
        }
    }

    /// An optional field: absent, or of its type, never null.
    fn field<T>(
        &mut self,
        place: &str,
        object: &Map<String, Value>,
        key: &str,
        of: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = object.get(key)?;
        let found = of(value);
        if found.is_none() {
            self.wrong(place, format!("`{key}` is {value}"));
        }
        found
    }

    fn text(&mut self, place: &str, object: &Map<String, Value>, key: &str) -> Option<String> {
        self.field(place, object, key, |value| value.as_str().map(ToOwned::to_owned))
    }

    fn object(&mut self, place: &str, object: &Map<String, Value>, key: &str) -> Map<String, Value> {
        self.field(place, object, key, |value| value.as_object().cloned()).unwrap_or_default()
    }

    fn texts(&mut self, place: &str, object: &Map<String, Value>, key: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        self.field(place, object, key, |value| value.as_array()?.iter().map(text).collect())
            .unwrap_or_default()
    }

    fn device(&mut self, id: &str) -> Option<Device> {
        let place = format!("{}/{id}", self.base);
        self.id(id);
        let state = self.get(format!("{place}/$state"))?;
        if !STATES.contains(&state.as_str()) {
            self.wrong(&place, format!("state {state}"));
        }
        let alerts = self.alerts(&place);
        let text = self.get(format!("{place}/$description"))?;
        let Ok(Value::Object(description)) = serde_json::from_str(&text) else {
            self.wrong(&place, "the description is no JSON object");
            return None;
        };
        let homie = self.text(&place, &description, "homie").unwrap_or_default();
        let minor = homie.strip_prefix("5.").and_then(|minor| minor.parse::<u32>().ok());
        if minor.is_none() {
            self.wrong(&place, format!("homie {homie}"));
        }
        let version = self.field(&place, &description, "version", Value::as_i64);
        if version.is_none() {
            self.wrong(&place, "`version` is required");
        }
        let root = self.text(&place, &description, "root");
        let parent = self.text(&place, &description, "parent").or_else(|| root.clone());
        let children = self.texts(&place, &description, "children");
        self.texts(&place, &description, "extensions");
        self.text(&place, &description, "type");
        let mut properties = BTreeMap::new();
        for (node, value) in self.object(&place, &description, "nodes") {
            self.node(&place, &node, &value, &mut properties);
        }
        let name = self.text(&place, &description, "name").unwrap_or_else(|| id.to_owned());
        Some(Device { name, version: version?, state, root, parent, children, properties, alerts })
    }

    fn alerts(&mut self, place: &str) -> BTreeMap<String, String> {
        let prefix = format!("{place}/$alert/");
        let all = self.kept.iter().filter_map(|(topic, text)| Some((topic.strip_prefix(&prefix)?, text)));
        let all: BTreeMap<String, String> = all.map(|(id, text)| (id.to_owned(), text.clone())).collect();
        for id in all.keys() {
            self.id(id);
            self.seen.insert(format!("{prefix}{id}"));
        }
        all
    }

    fn node(&mut self, device: &str, id: &str, value: &Value, all: &mut BTreeMap<String, Property>) {
        let place = format!("{device}/{id}");
        self.id(id);
        let Some(node) = value.as_object() else { return self.wrong(&place, "is no object") };
        self.text(&place, node, "name");
        self.text(&place, node, "type");
        for (property, value) in self.object(&place, node, "properties") {
            if let Some(found) = self.property(&place, &property, &value) {
                all.insert(format!("{id}/{property}"), found);
            }
        }
    }

    fn property(&mut self, node: &str, id: &str, value: &Value) -> Option<Property> {
        let place = format!("{node}/{id}");
        self.id(id);
        let Some(property) = value.as_object() else {
            self.wrong(&place, "is no object");
            return None;
        };
        self.text(&place, property, "name");
        let datatype = self.text(&place, property, "datatype").unwrap_or_default();
        if !DATATYPES.contains(&datatype.as_str()) {
            self.wrong(&place, format!("datatype {datatype}"));
        }
        let unit = self.text(&place, property, "unit");
        let format = self.text(&place, property, "format");
        if self.field(&place, property, "settable", Value::as_bool) == Some(true) {
            self.wrong(&place, "a reading is not settable");
        }
        if self.field(&place, property, "retained", Value::as_bool) == Some(false) {
            self.wrong(&place, "a reading is retained");
        }
        let value = self.get(place.clone())?;
        self.value(&place, &datatype, format.as_deref(), &value);
        Some(Property { datatype, unit, value })
    }

    fn value(&mut self, place: &str, datatype: &str, format: Option<&str>, value: &str) {
        let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let unsigned = value.strip_prefix('-').unwrap_or(value);
        let fits = match datatype {
            "integer" => digits(unsigned) && value.parse::<i64>().is_ok(),
            "float" => match unsigned.split_once('.') {
                Some((whole, decimals)) => digits(whole) && digits(decimals),
                None => digits(unsigned),
            },
            other => return self.wrong(place, format!("datatype {other} of a number")),
        };
        if !fits {
            return self.wrong(place, format!("`{value}` is no {datatype}"));
        }
        // `[min]:[max][:step]`, either end open.
        let Some(format) = format else { return };
        let number = |text: &str| text.parse::<metergate_reading::Number>().ok();
        let mut limits = format.split(':').map(number);
        let (min, max) = (limits.next().flatten(), limits.next().flatten());
        let value = number(value);
        let below = |a: Option<metergate_reading::Number>, b: Option<metergate_reading::Number>| match (a, b)
        {
            (Some(a), Some(b)) => a.checked_sub(b).is_some_and(|left| left.mantissa() < 0),
            _ => false,
        };
        if below(value, min) || below(max, value) {
            self.wrong(place, format!("{} is not within {format}", value.unwrap()));
        }
    }

    /// Roots, parents and children name each other, and who is lost loses its children.
    fn families(&mut self, devices: &mut BTreeMap<String, Device>) {
        for (id, device) in &*devices {
            let place = format!("{}/{id}", self.base);
            for child in &device.children {
                match devices.get(child) {
                    None => self.wrong(&place, format!("there is no child {child}")),
                    Some(child) if child.parent.as_ref() != Some(id) => {
                        self.wrong(&place, format!("{} has another parent", child.name));
                    }
                    Some(_) => {}
                }
            }
            let Some(root) = &device.root else {
                if device.parent.is_some() {
                    self.wrong(&place, "a device with a parent has a root");
                }
                continue;
            };
            match devices.get(root) {
                None => self.wrong(&place, format!("there is no root {root}")),
                Some(root) if root.root.is_some() => self.wrong(&place, "its root has a root"),
                Some(_) => {}
            }
            let parent = device.parent.as_ref().and_then(|parent| devices.get(parent));
            if !parent.is_some_and(|parent| parent.children.contains(id)) {
                self.wrong(&place, "its parent does not know it");
            }
        }
        let lost: BTreeSet<String> = devices
            .iter()
            .filter(|(_, device)| device.root.is_none() && device.state == "lost")
            .map(|(id, _)| id.clone())
            .collect();
        for device in devices.values_mut() {
            if device.root.as_ref().is_some_and(|root| lost.contains(root)) {
                "lost".clone_into(&mut device.state);
            }
        }
    }
}
