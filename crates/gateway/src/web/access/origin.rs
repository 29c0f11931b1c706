//! Where a request comes from, as far as that can be believed.
use crate::config::WebSetup;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Longest path below which a proxy serves the page; Home Assistant's has 60 characters.
const BASE_MAX: usize = 200;

/// Headers that a proxy adds. From anybody but a configured proxy they say nothing, except that the request did not
/// begin on this host.
const FORWARDING: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "x-ingress-path"];

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Origin {
    /// Who is counted when logins fail.
    pub(in crate::web) client: IpAddr,
    /// It began on this host, in a browser that was told a name of this host.
    pub(in crate::web) local: bool,
    /// What stands before every path in the browser, without a slash at the end; usually empty.
    pub(in crate::web) base: Arc<str>,
    /// Home Assistant has logged in this person.
    pub(in crate::web) ingress: Option<Arc<str>>,
}

impl Default for Origin {
    fn default() -> Self {
        Self { client: IpAddr::V4(Ipv4Addr::LOCALHOST), local: false, base: "".into(), ingress: None }
    }
}

impl Origin {
    /// Of a request from `peer`.
    pub(in crate::web) fn of(peer: SocketAddr, headers: &HeaderMap, setup: &WebSetup) -> Self {
        let peer = peer.ip().to_canonical();
        let base = |name: &str| base(headers.get(name).and_then(|value| value.to_str().ok()));
        if setup.ingress_from.contains(&peer) {
            let name = text(headers, "x-remote-user-name").filter(|name| !name.is_empty());
            let ingress = Some(name.unwrap_or("Home Assistant").into());
            return Self { client: peer, local: false, base: base("x-ingress-path"), ingress };
        }
        if setup.trusted_proxies.contains(&peer) {
            // The nearest that is no proxy of ours: what stands before it anybody can have written.
            let hops = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
            let hops = hops.flat_map(|value| value.split(','));
            let hops = hops.filter_map(|hop| hop.trim().parse::<IpAddr>().ok()).map(|hop| hop.to_canonical());
            let hops: Vec<IpAddr> = hops.collect();
            let client = hops.into_iter().rev().find(|hop| !setup.trusted_proxies.contains(hop));
            return Self {
                client: client.unwrap_or(peer),
                local: false,
                base: base("x-forwarded-prefix"),
                ingress: None,
            };
        }
        let direct = FORWARDING.iter().all(|name| !headers.contains_key(*name));
        // A page elsewhere can give its own name the address of this host; the browser then sends that name.
        let local =
            peer.is_loopback() && direct && text(headers, header::HOST.as_str()).is_some_and(is_this_host);
        Self { client: peer, local, base: "".into(), ingress: None }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// `localhost`, `127.0.0.1` or `[::1]`, with or without a port.
fn is_this_host(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// A path that can stand in a link as it is; anything else is none.
fn base(typed: Option<&str>) -> Arc<str> {
    let path = typed.unwrap_or("").trim_end_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let right =
        path.starts_with('/') && !path.starts_with("//") && path.len() <= BASE_MAX && path.bytes().all(plain);
    if right { path.into() } else { "".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn peer(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 40000)
    }

    #[test]
    fn this_host_is_who_connects_from_it_by_a_name_of_it() {
        let setup = WebSetup::default();
        for host in ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]"] {
            assert!(Origin::of(peer("127.0.0.1"), &headers(&[("host", host)]), &setup).local, "{host}");
        }
        assert!(Origin::of(peer("::ffff:127.0.0.1"), &headers(&[("host", "localhost")]), &setup).local);
        for host in ["evil.example", "evil.example:8080", "192.0.2.1:8080", "localhost.evil.example"] {
            let origin = Origin::of(peer("::1"), &headers(&[("host", host)]), &setup);
            assert!(!origin.local, "{host}: a page elsewhere may point its name at this host");
        }
        assert!(!Origin::of(peer("192.0.2.9"), &headers(&[("host", "localhost")]), &setup).local);
        assert!(!Origin::of(peer("127.0.0.1"), &headers(&[]), &setup).local, "no host is named");
    }

    #[test]
    fn what_proxies_say_is_believed_from_those_that_are_configured() {
        let sent = headers(&[
            ("host", "localhost"),
            ("x-forwarded-for", "10.0.0.1, 198.51.100.4, 192.0.2.7"),
            ("x-forwarded-prefix", "/meter"),
            ("x-ingress-path", "/api/hassio_ingress/abc"),
            ("x-remote-user-name", "mallory"),
        ]);
        let stranger = Origin::of(peer("192.0.2.9"), &sent, &WebSetup::default());
        let expected = Origin { client: "192.0.2.9".parse().unwrap(), ..Origin::default() };
        assert_eq!(stranger, expected);
        let here = Origin::of(peer("127.0.0.1"), &sent, &WebSetup::default());
        assert!(!here.local, "a proxy on this host that nobody configured forwards strangers");

        let setup = WebSetup { trusted_proxies: vec!["192.0.2.7".parse().unwrap()], ..WebSetup::default() };
        let behind = Origin::of(peer("192.0.2.7"), &sent, &setup);
        assert_eq!((behind.client.to_string(), &*behind.base), ("198.51.100.4".to_owned(), "/meter"));
        assert_eq!((behind.local, behind.ingress), (false, None));
    }

    #[test]
    fn home_assistant_logs_in_from_its_own_address_alone() {
        let setup = WebSetup { ingress_from: vec!["172.30.32.2".parse().unwrap()], ..WebSetup::default() };
        let sent =
            headers(&[("x-ingress-path", "/api/hassio_ingress/a-b_c"), ("x-remote-user-name", "anna")]);
        let origin = Origin::of(peer("172.30.32.2"), &sent, &setup);
        assert_eq!((&*origin.base, origin.ingress.as_deref()), ("/api/hassio_ingress/a-b_c", Some("anna")));
        assert_eq!(Origin::of(peer("172.30.32.3"), &sent, &setup).ingress, None);
    }

    #[test]
    fn a_path_that_cannot_stand_in_a_link_is_none() {
        for wrong in ["//evil.example", "/a\"onclick=", "javascript:x", "/a b", "/\u{e4}"] {
            assert_eq!(&*base(Some(wrong)), "", "{wrong}");
        }
        assert_eq!(&*base(Some("/meter/")), "/meter");
    }
}
