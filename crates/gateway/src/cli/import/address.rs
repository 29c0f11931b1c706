//! Addresses of receivers, parted from the login that may stand in them.
use super::draft::shown;
use crate::config::parse_place;
use crate::secret::Secret;
use std::path::Path;
use url::Url;

/// An address that may be printed, and the login that stood in it.
#[derive(Debug)]
pub(super) struct Address {
    /// Without user, password, query and fragment.
    pub(super) url: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    /// There was a query, which may hold a token; it is gone.
    pub(super) query: bool,
}

/// Reads an address of HTTP; one without scheme is `http://`. `None` when it is none.
pub(super) fn http(text: &str) -> Option<Address> {
    let text = text.trim();
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&whole).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let user = Some(url.username().to_owned()).filter(|user| !user.is_empty());
    let password = url.password().map(Secret::new);
    let query = url.query().is_some();
    url.set_query(None);
    url.set_fragment(None);
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    let url = url.as_str().trim_end_matches('/').to_owned();
    Some(Address { url, user, password, query })
}

/// Whether metergate can read from a port that is written so.
///
/// # Errors
/// Says why not, without a login that may stand in it.
pub(super) fn port(typed: &str) -> Result<(), String> {
    if typed.contains('@') {
        return Err("a port has no login".to_owned());
    }
    parse_place(typed, Path::new("")).map(|_| ()).map_err(|(message, _)| shown(&message))
}

/// The address of an MQTT broker, with TLS (`mqtts`) or without. `None` when `host` is no name and no address.
pub(super) fn broker(host: &str, port: i64, tls: bool) -> Option<String> {
    let host = host.trim();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let plain = |letter: char| letter.is_alphanumeric() || ".-_:%".contains(letter);
    let port = u16::try_from(port).ok().filter(|port| *port != 0)?;
    if host.is_empty() || !host.chars().all(plain) {
        return None;
    }
    let scheme = if tls { "mqtts" } else { "mqtt" };
    Some(if host.contains(':') {
        format!("{scheme}://[{host}]:{port}")
    } else {
        format!("{scheme}://{host}:{port}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_parted_from_its_address() {
        let found = http("https://anna:geheim@vz.example:8443/middleware.php?token=geheim#x").unwrap();
        assert_eq!(found.url, "https://vz.example:8443/middleware.php");
        assert_eq!(found.user.as_deref(), Some("anna"));
        assert_eq!(found.password.as_ref().map(Secret::expose), Some("geheim"));
        assert!(found.query && !format!("{found:?}").contains("geheim"));
        assert_eq!(http("localhost:8086").unwrap().url, "http://localhost:8086");
        for wrong in ["", "ftp://host", "http://", "mailto:x", "http://a b/"] {
            assert!(http(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_port_that_cannot_be_read_is_told_without_a_login() {
        assert_eq!(port("tcp://192.168.0.10:7331"), Ok(()));
        assert_eq!(port("tcp://meter.example"), Err("`tcp://meter.example` is no address".to_owned()));
        assert!(port("tcp://anna:geheim@meter.example:1").is_err_and(|message| !message.contains("geheim")));
    }

    #[test]
    fn a_broker_is_a_name_or_an_address_with_a_port() {
        assert_eq!(broker("mqtt.example", 1883, false).as_deref(), Some("mqtt://mqtt.example:1883"));
        assert_eq!(broker("fd00::1", 8883, true).as_deref(), Some("mqtts://[fd00::1]:8883"));
        for (host, port) in [("", 1883), ("a b", 1883), ("a@b", 1883), ("a/b", 1883), ("a", 0), ("a", 65_536)]
        {
            assert_eq!(broker(host, port, false), None, "{host}:{port}");
        }
    }
}
