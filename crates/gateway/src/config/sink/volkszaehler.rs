//! Reads the section of a sink: channels of a middleware of volkszaehler.
use crate::config::RegisterPattern;
use crate::config::endpoint::{self, EndpointSetup, ProxySetup};
use crate::config::node::Value;
use crate::config::section::Section;
use crate::config::setup::Selection;
use std::path::Path;

/// Keys of this kind besides those of every sink and of every receiver.
const KEYS: &[&str] = &["channels"];

/// What a table of channels looks like.
const EXAMPLE: &str = "channels = { \"12345678-9abc-def0-1234-56789abcdef0\" = \"1-0:1.8.0\" }";

/// Settings of a middleware of volkszaehler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolkszaehlerSetup {
    /// Where to; its path is that of the middleware.
    pub endpoint: EndpointSetup,
    /// By way of a proxy.
    pub proxy: Option<ProxySetup>,
    /// At least one, each with a UUID of its own.
    pub channels: Vec<Channel>,
}

/// A channel of a middleware and what goes into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// By which the middleware knows it.
    pub uuid: String,
    /// The first register of a reading that fits.
    pub register: RegisterPattern,
}

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<VolkszaehlerSetup> {
    section.only(&[super::KEYS, endpoint::KEYS, endpoint::PROXY_KEYS, KEYS].concat());
    let endpoint = endpoint::read(section, folder, endpoint::HTTP);
    let proxy = endpoint::proxy(section);
    if endpoint.as_ref().is_some_and(|endpoint| endpoint.path.contains('?')) {
        let help = "it ends in the name of the middleware, such as /middleware.php".to_owned();
        section.problem("url", "holds what follows a `?`", help);
    }
    let channels = channels(section);
    Some(VolkszaehlerSetup { endpoint: endpoint?, proxy, channels: channels? })
}

fn channels(section: &Section<'_>) -> Option<Vec<Channel>> {
    let Some(table) = section.section("channels", "a table from UUIDs to registers") else {
        if section.table.get("channels").is_none() {
            section.problem("", "there are no `channels`", EXAMPLE.to_owned());
        }
        return None;
    };
    let mut channels = Vec::new();
    for (uuid, node) in table.table.iter() {
        if !is_uuid(uuid) {
            let help = "the middleware shows it with each channel: 8-4-4-4-12 hexadecimal digits".to_owned();
            table.problem(uuid, "is no UUID", help);
        }
        match &node.value {
            Value::Text(pattern) => match pattern.parse() {
                Ok(register) => channels.push(Channel { uuid: uuid.to_owned(), register }),
                Err(error) => table.problem(uuid, error, None),
            },
            other => {
                table.problem(uuid, format!("expected an OBIS code in quotes, found {}", other.kind()), None);
            }
        }
    }
    if table.table.iter().next().is_none() {
        section.problem("channels", "is empty", EXAMPLE.to_owned());
    }
    Some(channels)
}

/// Notes it when registers of several meters would go into the same channels.
pub(super) fn check_meters(section: &Section<'_>, selection: &Selection, meters: &[&str]) {
    let wanted: Vec<&str> = meters.iter().copied().filter(|meter| selection.wants_meter(meter)).collect();
    if let [first, _, ..] = wanted.as_slice() {
        let help = format!("meters = [\"{first}\"], and a sink for each of the others");
        section.problem("meters", "a channel is of one meter, and this sink has several", help);
    }
}

/// 8-4-4-4-12 hexadecimal digits.
pub(in crate::config) fn is_uuid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// What it means, for `check-config`: kind, receiver, and what is worth knowing; no secret.
impl std::fmt::Display for VolkszaehlerSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.channels.len() == 1 { "" } else { "s" };
        write!(f, "{} channel{plural} of the middleware at {}", self.channels.len(), self.endpoint)?;
        f.write_str(self.endpoint.trust_text())?;
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

    const UUID: &str = "00000000-1111-2222-3333-444444444401";

    fn volkszaehler(lines: &str) -> Result<VolkszaehlerSetup, Vec<String>> {
        let url = if lines.contains("url =") { "" } else { "url = \"http://localhost/middleware.php\"\n" };
        read_lines(&format!("{url}{lines}"), |section| read(section, Path::new("")))
    }

    #[test]
    fn each_channel_has_a_register() {
        let setup = volkszaehler(&format!("[channels]\n\"{UUID}\" = \"16.7.0\"")).unwrap();
        assert_eq!(setup.channels, [Channel { uuid: UUID.to_owned(), register: "16.7.0".parse().unwrap() }]);
        assert_eq!(
            setup.to_string(),
            "1 channel of the middleware at http://localhost/middleware.php, unencrypted"
        );
    }

    #[test]
    fn a_sink_of_channels_has_one_meter() {
        let lines = |more: &str| {
            format!(
                "kind = \"volkszaehler\"\nurl = \"http://localhost\"\n{more}channels = {{ \"{UUID}\" = \"1.8.0\" }}"
            )
        };
        let read = |lines: &str, meters: &[&str]| {
            read_lines(lines, |section| super::super::sink("x", section, meters, Path::new("")))
        };
        assert!(read(&lines(""), &["haus"]).is_ok());
        assert!(read(&lines("meters = [\"pump\"]\n"), &["haus", "pump"]).is_ok());
        assert_eq!(
            read(&lines(""), &["haus", "pump"]).unwrap_err(),
            ["sink.x.meters: a channel is of one meter, and this sink has several"]
        );
    }

    #[test]
    fn mistakes_are_told_with_the_key() {
        for (lines, expected) in [
            ("", "sink.x: there are no `channels`".to_owned()),
            ("channels = {}", "sink.x.channels: is empty".to_owned()),
            (
                "channels = [\"1.8.0\"]",
                "sink.x.channels: expected a table from UUIDs to registers, found a list".to_owned(),
            ),
            ("channels = { \"12-34\" = \"1.8.0\" }", "sink.x.channels.12-34: is no UUID".to_owned()),
            (
                &format!("channels = {{ \"{UUID}\" = \"power\" }}"),
                format!(
                    "sink.x.channels.{UUID}: `power` is no OBIS code or pattern such as 1-0:1.8.0, 16.7.0 or *-*:1.8.*"
                ),
            ),
            (
                &format!("channels = {{ \"{UUID}\" = 180 }}"),
                format!("sink.x.channels.{UUID}: expected an OBIS code in quotes, found a whole number"),
            ),
            (
                &format!("url = \"http://localhost/m.php?x=1\"\nchannels = {{ \"{UUID}\" = \"1.8.0\" }}"),
                "sink.x.url: holds what follows a `?`".to_owned(),
            ),
        ] {
            assert_eq!(volkszaehler(lines).unwrap_err(), [expected]);
        }
    }
}
