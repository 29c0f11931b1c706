//! One device of the convention, and what it tells of itself.
use super::tree::Tree;
use crate::config::HomieConvention;
use serde_json::{Map, Value, json};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// A meter, or in convention 5 a meter behind it.
#[derive(Debug)]
pub(super) struct Device {
    /// Its level of the topic.
    pub(super) id: String,
    /// `homie/ID`, or `homie/5/ID`.
    pub(super) topic: String,
    /// What people call it.
    pub(super) name: String,
    /// Its nodes and properties.
    pub(super) tree: Tree,
    /// What `$state` says, if the broker was told.
    pub(super) state: Option<&'static str>,
}

/// Where a device stands among the devices of its meter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Family<'a> {
    /// It speaks for itself and for these.
    Root { children: &'a [&'a str] },
    /// Another speaks for it.
    Child { root: &'a str },
}

impl Device {
    /// A device of which nothing is known yet.
    pub(super) fn new(root: &str, id: String, name: String) -> Self {
        Self { topic: format!("{root}/{id}"), id, name, tree: Tree::default(), state: None }
    }

    /// What stands below its topic besides state and values: paths and what they say.
    pub(super) fn attributes(
        &self,
        convention: HomieConvention,
        family: Family<'_>,
    ) -> Vec<(String, String)> {
        match convention {
            HomieConvention::V4 => self.as_topics(),
            HomieConvention::V5 => vec![("$description".to_owned(), self.as_document(family))],
        }
    }

    /// Convention 4: the attributes of device, nodes and properties each have a topic.
    fn as_topics(&self) -> Vec<(String, String)> {
        let mut attributes = vec![
            ("$homie".to_owned(), "4.0.0".to_owned()),
            ("$name".to_owned(), self.name.clone()),
            ("$nodes".to_owned(), self.tree.nodes()),
            // None; brokers keep no empty message, so that nobody who comes later sees it.
            ("$extensions".to_owned(), String::new()),
            ("$implementation".to_owned(), "metergate".to_owned()),
        ];
        attributes.extend(self.tree.attributes());
        attributes
    }

    /// Convention 5: one document. The root says nothing of `root`, and of a child that is no grandchild `parent` is
    /// the root.
    fn as_document(&self, family: Family<'_>) -> String {
        let mut document = Map::new();
        let mut put = |key: &str, value: Value| document.insert(key.to_owned(), value);
        put("homie", json!("5.0"));
        put("name", json!(self.name));
        put("nodes", Value::Object(self.tree.description()));
        match family {
            Family::Root { children: [] } => {}
            Family::Root { children } => _ = put("children", json!(children)),
            Family::Child { root } => {
                put("root", json!(root));
                put("parent", json!(root));
            }
        }
        let version = version(&Value::Object(document.clone()).to_string());
        document.insert("version".to_owned(), json!(version));
        Value::Object(document).to_string()
    }
}

/// The version of a document: another for every other text, and the same after a restart, so that controllers read
/// again only what has changed. 53 bits are what every reader of JSON takes exactly.
fn version(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish() >> 11
}
