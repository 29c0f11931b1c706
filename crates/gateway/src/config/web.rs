//! Reads the section `web`: the page that people open.
use super::node::Value;
use super::section::Section;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Where the page is unless said otherwise: in the whole network, since everything on it asks for a login.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8080);

/// The page that people open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSetup {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Somebody asked for exactly this place, so that another gateway there is worth an error.
    pub asked_for: bool,
    /// Reverse proxies whose `X-Forwarded-*` headers are believed; anybody else's are not.
    pub trusted_proxies: Vec<IpAddr>,
    /// Where the ingress of Home Assistant connects from, which has asked for a login itself.
    pub ingress_from: Vec<IpAddr>,
}

impl Default for WebSetup {
    fn default() -> Self {
        Self { listen: LISTEN, asked_for: false, trusted_proxies: Vec::new(), ingress_from: Vec::new() }
    }
}

/// Reads the section; `None`: no page is wanted.
pub(super) fn web(section: &Section<'_>) -> Option<WebSetup> {
    section.only(&["listen", "trusted_proxies", "ingress_from"]);
    let listen = match section.text("listen").map(|found| found.value) {
        None => None,
        Some("off") => return None,
        Some(typed) => match typed.parse::<SocketAddr>() {
            Ok(address) => Some(address),
            Err(_) => {
                let help = "listen = \"[::]:8080\", \"127.0.0.1:8080\" for this host alone, or \"off\"";
                section.problem("listen", format!("`{typed}` is no address with a port"), help.to_owned());
                return None;
            }
        },
    };
    Some(WebSetup {
        listen: listen.unwrap_or(LISTEN),
        asked_for: listen.is_some(),
        trusted_proxies: section.list("trusted_proxies", address),
        ingress_from: section.list("ingress_from", address),
    })
}

fn address(value: &Value) -> Result<IpAddr, String> {
    match value {
        Value::Text(text) => {
            text.parse().map_err(|_| format!("`{text}` is no address such as \"192.0.2.1\""))
        }
        other => Err(format!("expected an address in quotes, found {}", other.kind())),
    }
}

/// What it means, for `check-config`.
impl std::fmt::Display for WebSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.listen.ip().is_unspecified() {
            write!(f, "on port {} of every address of this host", self.listen.port())?;
        } else {
            write!(f, "at http://{}", self.listen)?;
        }
        for proxy in &self.trusted_proxies {
            write!(f, ", behind a proxy at {proxy}")?;
        }
        for ingress in &self.ingress_from {
            write!(f, ", logged in by Home Assistant at {ingress}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::section::read_lines;

    fn read(lines: &str) -> Result<WebSetup, Vec<String>> {
        read_lines(lines, web)
    }

    #[test]
    fn the_page_is_in_the_network_unless_told_otherwise() {
        assert_eq!(read("trusted_proxies = []").unwrap(), WebSetup::default());
        let setup = read("listen = \"127.0.0.1:80\"\ntrusted_proxies = [\"192.0.2.7\"]").unwrap();
        assert!(setup.asked_for);
        assert_eq!(setup.to_string(), "at http://127.0.0.1:80, behind a proxy at 192.0.2.7");
        let expected = "sink.x.listen: `8080` is no address with a port";
        assert_eq!(read("listen = \"8080\"").unwrap_err(), [expected]);
        let expected = "sink.x.ingress_from: `homeassistant` is no address such as \"192.0.2.1\"";
        assert_eq!(read("ingress_from = [\"homeassistant\"]").unwrap_err(), [expected]);
    }
}
