//! One HTTP client for every sink and source that needs one.
use super::connect::{CONNECT_TIMEOUT, resolve};
use super::tls::{TlsError, client_config};
use super::trouble::trouble;
use crate::config::{Login, ProxySetup, TlsSetup};
use crate::sink::{Step, Trouble};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Proxy, redirect};
use std::time::Duration;

/// Longest wait for the answer to one request. A receiver that needs longer for a batch is given the same batch again
/// and again; 30 s is what proxies in between allow.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// An idle connection is kept so long; most servers close after 60 s, and a request into a closing one is lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// A client that trusts whom the setup says, asks for names itself and follows no redirection.
///
/// Not following one is a choice: an answer that sends us elsewhere would get our token along with the readings. The
/// trouble says where it points instead.
///
/// # Errors
/// See [`client_config`].
pub(crate) fn client(tls: Option<&TlsSetup>, proxy: Option<&ProxySetup>) -> Result<Client, TlsError> {
    let usual = TlsSetup::default();
    let config = match (tls, proxy) {
        (Some(tls), _) => Some(client_config(tls)?),
        // The proxy itself may be encrypted.
        (None, Some(proxy)) if proxy.url.starts_with("https:") => Some(client_config(&usual)?),
        (None, _) => None,
    };
    let mut builder = Client::builder()
        .user_agent(concat!("metergate/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        // The variables of the process are for its user, who is somebody else than the one who wrote the configuration.
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .dns_resolver(Resolver);
    builder = match config {
        Some(config) => builder.tls_backend_preconfigured((*config).clone()),
        // Without any, the library would look for authorities that no request needs.
        None => builder.tls_backend_preconfigured((*nobody()?).clone()),
    };
    if let Some(setup) = proxy {
        builder = builder.proxy(self::proxy(setup)?);
    }
    builder.build().map_err(|error| TlsError::Identity(error.to_string()))
}

/// Trusts nobody: for a client of unencrypted addresses.
fn nobody() -> Result<std::sync::Arc<rustls::ClientConfig>, TlsError> {
    let trust = crate::config::TrustSetup::Fingerprint(crate::config::Fingerprint([0; 32]));
    client_config(&TlsSetup { trust, client: None })
}

fn proxy(setup: &ProxySetup) -> Result<Proxy, TlsError> {
    let proxy = Proxy::all(&setup.url).map_err(|error| TlsError::Identity(error.to_string()))?;
    Ok(match &setup.login {
        None => proxy,
        Some(Login { username, password }) => {
            proxy.basic_auth(username, password.as_ref().map_or("", |password| password.expose()))
        }
    })
}

/// What a failed request means. The address is left out of it: a path may be a secret.
pub(crate) fn request_trouble(error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    let otherwise = if error.is_connect() { Step::Connect } else { Step::Deliver };
    if error.is_timeout() {
        let limit = if error.is_connect() { CONNECT_TIMEOUT } else { REQUEST_TIMEOUT };
        return Trouble::new(otherwise, format!("no answer within {limit:?}"));
    }
    trouble(&error, otherwise)
}

/// Asks the system for names, with an error that tells itself apart from a refused connection.
struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0 is replaced by the library.
            let addresses = resolve(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
