//! Names become addresses and addresses become connections, each with a limit of time.
use super::trouble::trouble;
use crate::sink::{Step, Trouble};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for an address: a resolver with three servers asks each for 5 s.
pub(crate) const RESOLVE_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest wait for a connection to one address. A packet is sent again after 1 and 3 s: whoever has not answered
/// the third does not answer the fourth.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Addresses of a name that are tried: two families and a spare of each.
const ADDRESSES_MAX: usize = 4;

/// A name has no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unresolved {
    host: String,
    reason: String,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has no address: {}", self.host, self.reason)
    }
}

impl std::error::Error for Unresolved {}

/// The addresses of a host, at least one.
///
/// # Errors
/// When the name has none, or nobody answers within [`RESOLVE_TIMEOUT`].
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Unresolved> {
    let failed = |reason: &str| Unresolved { host: host.to_owned(), reason: reason.to_owned() };
    match timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
            if addresses.is_empty() { Err(failed("the name service knows none")) } else { Ok(addresses) }
        }
        Ok(Err(error)) => {
            let text = error.to_string();
            Err(failed(text.rsplit(": ").next().unwrap_or(&text)))
        }
        Err(_) => Err(failed("the name service does not answer")),
    }
}

/// A connection to the first address of a host that accepts one.
///
/// # Errors
/// [`Step::Resolve`] when the name has no address, [`Step::Connect`] when no address accepts.
pub(crate) async fn connect(host: &str, port: u16) -> Result<TcpStream, Trouble> {
    let addresses = resolve(host, port).await.map_err(|error| trouble(&error, Step::Resolve))?;
    let mut last = Trouble::new(Step::Connect, "no address was tried");
    for address in addresses {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Each batch is one write, which waits for nothing more to send.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = trouble(&error, Step::Connect),
            Err(_) => {
                let message = format!("{address} does not answer within {CONNECT_TIMEOUT:?}");
                last = Trouble::new(Step::Connect, message);
            }
        }
    }
    Err(last)
}
