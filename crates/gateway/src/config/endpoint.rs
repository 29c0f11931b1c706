//! Reads where a sink connects to: its address, who we are there, and whom we trust.
use super::section::Section;
use crate::secret::Secret;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Keys of every sink that connects to a receiver.
pub(crate) const KEYS: &[&str] =
    &["url", "username", "password", "ca", "fingerprint", "client_cert", "client_key"];

/// Keys of those that speak HTTP, besides [`KEYS`].
pub(crate) const PROXY_KEYS: &[&str] = &["proxy", "proxy_username", "proxy_password"];

/// A kind of address that a sink understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// What stands before `://`.
    pub name: &'static str,
    /// The port when the address names none.
    pub port: u16,
    /// The connection is encrypted.
    pub tls: bool,
}

/// HTTP, the encrypted kind first: it stands in the advice.
pub(crate) const HTTP: &[Scheme] =
    &[Scheme { name: "https", port: 443, tls: true }, Scheme { name: "http", port: 80, tls: false }];

/// Where a sink connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSetup {
    /// Which kind of address.
    pub scheme: Scheme,
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// Port number.
    pub port: u16,
    /// What follows, with its query: empty, or from `/`.
    pub path: String,
    /// Who we are there, if it wants to know.
    pub login: Option<Login>,
    /// Whom we trust; `Some` exactly when the scheme is encrypted.
    pub tls: Option<TlsSetup>,
}

/// A name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password; some receivers want none.
    pub password: Option<Secret>,
}

/// Whom we trust in an encrypted connection, and who we are in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsSetup {
    /// How the receiver proves who it is.
    pub trust: TrustSetup,
    /// Our own certificate, if the receiver asks for one.
    pub client: Option<ClientIdentity>,
}

/// How a receiver proves who it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TrustSetup {
    /// By a certificate for its name, issued by an authority that this system trusts.
    #[default]
    System,
    /// By a certificate for its name, issued by one of the authorities in this PEM file and by no other.
    Ca(PathBuf),
    /// By exactly the certificate with this fingerprint, whatever its name, issuer and dates.
    Fingerprint(Fingerprint),
}

/// A client certificate and its key, both PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate, those that lead to its authority after it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A proxy for HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxySetup {
    /// Its address.
    pub url: String,
    /// Who we are there.
    pub login: Option<Login>,
}

/// The SHA-256 of a certificate in DER.
///
/// ```
/// use metergate_gateway::config::Fingerprint;
///
/// let text = "AB".repeat(32);
/// let fingerprint: Fingerprint = text.parse()?;
/// assert!(fingerprint.to_string().starts_with("AB:AB:"));
/// assert!("AB:CD".parse::<Fingerprint>().is_err(), "32 bytes are needed");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// 64 hexadecimal digits, with or without colons or spaces, as `openssl x509 -fingerprint -sha256` prints them.
impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `openssl` writes `sha256 Fingerprint=` before it, and people copy the line.
        let text = text.rsplit('=').next().unwrap_or(text);
        let digits: Vec<u32> = text
            .chars()
            .filter(|c| !matches!(c, ':' | ' ' | '-'))
            .map(|c| c.to_digit(16).ok_or_else(|| format!("`{c}` is no hexadecimal digit")))
            .collect::<Result<_, _>>()?;
        let bytes: Vec<u8> = digits
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [high, low] => u8::try_from(high * 16 + low).ok(),
                _ => None,
            })
            .collect();
        let bytes = <[u8; 32]>::try_from(bytes).ok().filter(|_| digits.len() == 64);
        bytes.map(Self).ok_or_else(|| match digits.len() {
            40 => "this is a SHA-1 fingerprint; a SHA-256 one has 64 hexadecimal digits".to_owned(),
            len => format!("a SHA-256 fingerprint has 64 hexadecimal digits, found {len}"),
        })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// As an address, without its query: somebody may have put a token there.
impl fmt::Display for EndpointSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())?;
        f.write_str(self.path.split('?').next().unwrap_or_default())
    }
}

impl EndpointSetup {
    /// What `check-config` adds about trust; empty for what is usual.
    #[must_use]
    pub fn trust_text(&self) -> &'static str {
        match self.tls.as_ref().map(|tls| &tls.trust) {
            None => ", unencrypted",
            Some(TrustSetup::System) => "",
            Some(TrustSetup::Ca(_)) => ", trusted by its own authority",
            Some(TrustSetup::Fingerprint(_)) => ", trusted by its fingerprint",
        }
    }

    /// `https://host:port`, the port only where it is not the usual one.
    #[must_use]
    pub fn origin(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let scheme = self.scheme.name;
        if self.port == self.scheme.port {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{}", self.port)
        }
    }
}

/// Reads the keys of [`KEYS`]; what is wrong is noted in the section's reading.
pub(crate) fn read(section: &Section<'_>, folder: &Path, schemes: &[Scheme]) -> Option<EndpointSetup> {
    let example = schemes.first().map_or("", |scheme| scheme.name);
    if section.table.get("url").is_none() {
        section.problem("", "there is no `url`", format!("url = \"{example}://receiver.example\""));
    }
    let address = section.text("url").and_then(|found| address(section, found.value, schemes));
    // All that is wrong is told at once, also when the address is.
    let login = login(section, "username", "password");
    let tls = tls(section, folder);
    let Address { scheme, host, port, path } = address?;
    if !scheme.tls {
        let secure = schemes.iter().find(|scheme| scheme.tls).map_or("", |scheme| scheme.name);
        for key in ["ca", "fingerprint", "client_cert", "client_key"] {
            if section.table.get(key).is_some() {
                let help = format!("begin `url` with {secure}:// or remove `{key}`");
                section.problem(key, format!("{}:// has no certificates", scheme.name), help);
            }
        }
        if login.as_ref().is_some_and(|login| login.password.is_some()) && !is_loopback(&host) {
            let help = format!("begin `url` with {secure}:// if the receiver can");
            section.note("password", "goes over the network unencrypted", help);
        }
    }
    Some(EndpointSetup { scheme, host, port, path, login, tls: scheme.tls.then_some(tls?) })
}

/// Reads the token that lets us in in place of a name and a password.
pub(crate) fn token(section: &Section<'_>, endpoint: Option<&EndpointSetup>) -> Option<Secret> {
    let token = section.secret("token");
    if let (Some(endpoint), Some(_)) = (endpoint, &token) {
        if endpoint.login.is_some() {
            let help = "remove `username` and `password`, or `token`".to_owned();
            section.problem("token", "stands beside `username`: one of them lets us in", help);
        }
        if !endpoint.scheme.tls && !is_loopback(&endpoint.host) {
            let help = format!("begin `url` with {}s:// if the receiver can", endpoint.scheme.name);
            section.note("token", "goes over the network unencrypted", help);
        }
    }
    token
}

/// Reads the keys of [`PROXY_KEYS`].
pub(crate) fn proxy(section: &Section<'_>) -> Option<ProxySetup> {
    let login = login(section, "proxy_username", "proxy_password");
    let Some(found) = section.text("proxy") else {
        for key in PROXY_KEYS.iter().filter(|key| section.table.get(key).is_some() && **key != "proxy") {
            section.problem(key, "does nothing without `proxy`", format!("remove `{key}`"));
        }
        return None;
    };
    let url = parse(section, "proxy", found.value, "http://proxy.example:3128")?;
    if !matches!(url.scheme(), "http" | "https") {
        let message = format!("{}:// is no proxy that is understood", url.scheme());
        section.problem("proxy", message, "it begins with http:// or https://".to_owned());
        return None;
    }
    Some(ProxySetup { url: url.to_string(), login })
}

struct Address {
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
}

fn address(section: &Section<'_>, text: &str, schemes: &[Scheme]) -> Option<Address> {
    let example = schemes.first().map_or("", |scheme| scheme.name);
    let url = parse(section, "url", text, &format!("{example}://receiver.example"))?;
    let Some(scheme) = schemes.iter().find(|scheme| scheme.name == url.scheme()) else {
        let known: Vec<String> = schemes.iter().map(|scheme| format!("{}://", scheme.name)).collect();
        let help = format!("it begins with {}", known.join(" or "));
        section.problem("url", format!("{}:// is not for this kind of sink", url.scheme()), help);
        return None;
    };
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    // `/` alone is what the library adds where nothing stands.
    let path = format!("{}{query}", url.path().strip_suffix('/').unwrap_or(url.path()));
    Some(Address { scheme: *scheme, host, port: url.port().unwrap_or(scheme.port), path })
}

/// An address with a host and without secrets; the text is in no message until it is known to hold none.
fn parse(section: &Section<'_>, key: &str, text: &str, example: &str) -> Option<url::Url> {
    let Some((_, rest)) = text.split_once("://") else {
        let message = "no address: `://` is missing";
        section.problem(key, message, format!("{key} = \"{example}\""));
        return None;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        let (name, password) =
            if key == "url" { ("username", "password") } else { ("proxy_username", "proxy_password") };
        let message = "holds a name or a password, and addresses are shown in log and status";
        let help = format!("set `{name}` and `{password}`, the latter best in metergate.secrets.toml");
        section.problem(key, message, help);
        return None;
    }
    let url = match url::Url::parse(text) {
        Ok(url) if url.host_str().is_some_and(|host| !host.is_empty()) => url,
        Ok(_) => {
            section.problem(key, "names no host", format!("{key} = \"{example}\""));
            return None;
        }
        Err(error) => {
            section.problem(key, format!("no address: {error}"), format!("{key} = \"{example}\""));
            return None;
        }
    };
    if url.port() == Some(0) {
        section.problem(key, "port 0 is none", None);
        return None;
    }
    Some(url)
}

fn login(section: &Section<'_>, name_key: &str, password_key: &str) -> Option<Login> {
    let password = section.secret(password_key);
    let Some(username) = section.text(name_key) else {
        if password.is_some() && section.table.get(name_key).is_none() {
            let help = format!("set `{name_key}` too");
            section.problem(password_key, format!("does nothing without `{name_key}`"), help);
        }
        return None;
    };
    // RFC 7617 2: the colon ends the name, and control characters are in neither.
    if username.value.is_empty() || username.value.contains(|c: char| c.is_control()) {
        section.problem(name_key, "is no name that can be sent", None);
    }
    Some(Login { username: username.value.to_owned(), password })
}

fn tls(section: &Section<'_>, folder: &Path) -> Option<TlsSetup> {
    let ca = file(section, "ca", folder);
    let fingerprint = section.parsed::<Fingerprint>("fingerprint");
    let (cert, key) = (file(section, "client_cert", folder), file(section, "client_key", folder));
    let has = |key: &str| section.table.get(key).is_some();
    if has("ca") && has("fingerprint") {
        let help = "`fingerprint` trusts one certificate, `ca` all that an authority issues".to_owned();
        section.problem("fingerprint", "stands beside `ca`: which of the two counts?", help);
    }
    for (one, other) in [("client_cert", "client_key"), ("client_key", "client_cert")] {
        if has(one) && !has(other) {
            let help = format!("set `{other}` too: a certificate works with its private key alone");
            section.problem(one, format!("does nothing without `{other}`"), help);
        }
    }
    let trust = match (ca, fingerprint) {
        (Some(ca), _) => TrustSetup::Ca(ca),
        (None, Some(fingerprint)) => TrustSetup::Fingerprint(fingerprint),
        (None, None) => TrustSetup::System,
    };
    let client = cert.zip(key).map(|(cert, key)| ClientIdentity { cert, key });
    let setup = TlsSetup { trust, client };
    // Files are read again at each start of the sink; what is wrong with them today is told today.
    match crate::net::tls::check_files(&setup) {
        Ok(()) => Some(setup),
        Err((key, error)) => {
            section.problem(key, error.to_string(), error.help());
            None
        }
    }
}

fn file(section: &Section<'_>, key: &str, folder: &Path) -> Option<PathBuf> {
    section.text(key).map(|found| folder.join(found.value))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::section::read_lines;
    use super::*;

    fn endpoint(lines: &str) -> Result<EndpointSetup, Vec<String>> {
        read_lines(lines, |section| read(section, Path::new("/nowhere"), HTTP))
    }

    #[test]
    fn an_address_is_taken_apart() {
        for (url, host, port, path, shown) in [
            ("https://a.example", "a.example", 443, "", "https://a.example"),
            ("https://a.example/", "a.example", 443, "", "https://a.example"),
            ("http://[::1]:8086/api?x=1", "::1", 8086, "/api?x=1", "http://[::1]:8086/api"),
            ("HTTPS://A.Example:444/a/b", "a.example", 444, "/a/b", "https://a.example:444/a/b"),
        ] {
            let setup = endpoint(&format!("url = \"{url}\"")).unwrap();
            assert_eq!((setup.host.as_str(), setup.port, setup.path.as_str()), (host, port, path), "{url}");
            assert_eq!(setup.to_string(), shown);
            assert_eq!(setup.tls.is_some(), setup.scheme.tls);
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told_without_its_secrets() {
        for (lines, expected) in [
            ("", "sink.x: there is no `url`"),
            ("url = \"a.example\"", "sink.x.url: no address: `://` is missing"),
            ("url = \"mqtt://a.example\"", "sink.x.url: mqtt:// is not for this kind of sink"),
            ("url = \"https://\"", "sink.x.url: no address: empty host"),
            ("url = \"https://a.example:70000\"", "sink.x.url: no address: invalid port number"),
            ("url = \"https://a.example:0\"", "sink.x.url: port 0 is none"),
            (
                "url = \"https://me:hunter2@a.example\"",
                "sink.x.url: holds a name or a password, and addresses are shown in log and status",
            ),
            (
                "url = \"https://a\"\npassword = \"hunter2\"",
                "sink.x.password: does nothing without `username`",
            ),
            (
                "url = \"http://a\"\nfingerprint = \"00\"",
                "sink.x.fingerprint: a SHA-256 fingerprint has 64 \
             hexadecimal digits, found 2",
            ),
            (
                "url = \"https://a\"\nclient_cert = \"a.pem\"",
                "sink.x.client_cert: does nothing without `client_key`",
            ),
            (
                "url = \"https://a\"\nca = \"ca.pem\"",
                "sink.x.ca: /nowhere/ca.pem cannot be read: No such file or directory",
            ),
        ] {
            let problems = endpoint(lines).unwrap_err();
            assert_eq!(problems.first().map(String::as_str), Some(expected));
            assert!(problems.iter().all(|problem| !problem.contains("hunter2")), "{problems:?}");
        }
        let pinned = format!("url = \"http://a\"\nfingerprint = \"{}\"", "0a".repeat(32));
        assert_eq!(endpoint(&pinned).unwrap_err(), ["sink.x.fingerprint: http:// has no certificates"]);
    }

    #[test]
    fn fingerprints_are_read_as_openssl_prints_them() {
        let bytes = Fingerprint([0x0a; 32]);
        assert_eq!(bytes.to_string().parse(), Ok(bytes));
        assert_eq!(format!("sha256 Fingerprint={bytes}").parse(), Ok(bytes));
        assert_eq!("0a".repeat(32).parse(), Ok(bytes));
        assert!("0a".repeat(20).parse::<Fingerprint>().unwrap_err().contains("SHA-1"));
        assert_eq!("0x".parse::<Fingerprint>(), Err("`x` is no hexadecimal digit".to_owned()));
        assert!("0a".repeat(33).parse::<Fingerprint>().is_err());
    }
}
