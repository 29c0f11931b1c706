//! Reads the section of a sink: events for Grafana Loki.
use crate::config::endpoint::{self, EndpointSetup, ProxySetup};
use crate::config::node::Value;
use crate::config::section::Section;
use crate::config::setup::Stream;
use crate::secret::Secret;
use std::path::Path;

/// Keys of this kind besides those of every sink and of every receiver.
const KEYS: &[&str] = &["token", "tenant", "job"];

/// Settings of events for Loki.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LokiSetup {
    /// Where to; the path of the interface is added.
    pub endpoint: EndpointSetup,
    /// By way of a proxy.
    pub proxy: Option<ProxySetup>,
    /// What lets us in, where name and password do not.
    pub token: Option<Secret>,
    /// Whose events they are, in a Loki that several share.
    pub tenant: Option<String>,
    /// The label `job` of all events.
    pub job: String,
}

/// Longest tenant that Loki takes.
const TENANT_LEN_MAX: usize = 150;

/// Longest label that Loki takes without being told otherwise is 2048; nobody types a tenth of it.
const JOB_LEN_MAX: usize = 200;

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<LokiSetup> {
    section.only(&[super::KEYS, endpoint::KEYS, endpoint::PROXY_KEYS, KEYS].concat());
    let endpoint = endpoint::read(section, folder, endpoint::HTTP);
    let proxy = endpoint::proxy(section);
    let token = endpoint::token(section, endpoint.as_ref());
    if endpoint.as_ref().is_some_and(|endpoint| endpoint.path.contains('?')) {
        section.problem("url", "holds what follows a `?`", "url = \"http://localhost:3100\"".to_owned());
    }
    let tenant = section.text("tenant").map(|found| found.value.to_owned());
    if tenant.as_deref().is_some_and(|tenant| !is_tenant(tenant)) {
        let help = "up to 150 letters, digits and !-_.*'()".to_owned();
        section.problem("tenant", "is no name of a tenant", help);
    }
    let job = section.text("job").map_or("metergate", |found| found.value);
    if job.is_empty() || job.len() > JOB_LEN_MAX || job.contains(char::is_control) {
        section.problem("job", "is no label", "a word such as \"metergate\"".to_owned());
    }
    // Readings are no log: what Loki would make of them nobody can compute with.
    let streams = section.list("streams", |item| match item {
        Value::Text(name) => Ok(name.clone()),
        _ => Ok(String::new()),
    });
    if streams
        .iter()
        .any(|name| Stream::ALL.iter().any(|s| s.text() == name) && name != Stream::Events.text())
    {
        section.problem("streams", "Loki gets events and nothing else", "remove `streams`".to_owned());
    }
    Some(LokiSetup { endpoint: endpoint?, proxy, token, tenant, job: job.to_owned() })
}

fn is_tenant(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!-_.*'()".contains(&byte);
    !text.is_empty() && text.len() <= TENANT_LEN_MAX && text != "." && text != ".." && text.bytes().all(fits)
}

/// What it means, for `check-config`: kind, receiver, and what is worth knowing; no secret.
impl std::fmt::Display for LokiSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "events to Loki at {}{}", self.endpoint, self.endpoint.trust_text())?;
        if let Some(tenant) = &self.tenant {
            write!(f, ", tenant {tenant}")?;
        }
        if let Some(proxy) = &self.proxy {
            write!(f, ", by way of {}", proxy.url)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::section::read_lines;

    fn loki(lines: &str) -> Result<LokiSetup, Vec<String>> {
        let url = if lines.contains("url =") { "" } else { "url = \"http://localhost:3100\"\n" };
        read_lines(&format!("{url}{lines}"), |section| read(section, Path::new("")))
    }

    #[test]
    fn an_address_is_enough() {
        let setup = loki("").unwrap();
        assert_eq!((setup.job.as_str(), &setup.tenant, &setup.token), ("metergate", &None, &None));
        assert_eq!(setup.to_string(), "events to Loki at http://localhost:3100, unencrypted");
        let setup = loki("tenant = \"home\"\njob = \"cellar\"\nstreams = [\"events\"]").unwrap();
        assert_eq!(setup.to_string(), "events to Loki at http://localhost:3100, unencrypted, tenant home");
    }

    #[test]
    fn mistakes_are_told_with_the_key() {
        for (lines, expected) in [
            ("tenant = \"a|b\"", "sink.x.tenant: is no name of a tenant"),
            ("tenant = \"..\"", "sink.x.tenant: is no name of a tenant"),
            ("job = \"\"", "sink.x.job: is no label"),
            ("streams = [\"events\", \"readings\"]", "sink.x.streams: Loki gets events and nothing else"),
            ("url = \"http://localhost:3100?x=1\"", "sink.x.url: holds what follows a `?`"),
            (
                "username = \"me\"\ntoken = \"x\"",
                "sink.x.token: stands beside `username`: one of them lets us in",
            ),
            ("labels = \"x\"", "sink.x.labels: unknown key `labels` in `sink.x`"),
        ] {
            assert_eq!(loki(lines).unwrap_err(), [expected]);
        }
    }
}
