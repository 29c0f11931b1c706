//! One fetch of prices.
use super::Limits;
use super::kept::{Known, why};
use crate::config::EndpointSetup;
use crate::net::http;
use metergate_tariff::price::{PricePeriod, read_prices};
use reqwest::header::{ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{Client, Response, StatusCode};
use std::io;

/// Longest name of a version, or date, that is kept: RFC 9110 has dates of 29 characters, servers names of some 70.
const VALIDATOR_LEN_MAX: usize = 256;

/// Asks the server for prices.
#[derive(Debug)]
pub(super) struct Fetch {
    client: Client,
    endpoint: EndpointSetup,
    url: String,
    /// The address as a digest: its query may hold a token, which belongs into no file.
    address: String,
    limits: Limits,
}

/// What the server had.
#[derive(Debug)]
pub(super) enum Fetched {
    /// These prices.
    New(Vec<PricePeriod>, Known),
    /// Nothing new.
    Unchanged(Known),
}

impl Fetch {
    pub(super) fn new(endpoint: &EndpointSetup, limits: Limits) -> io::Result<Self> {
        let client = http::client(endpoint.tls.as_ref(), None).map_err(io::Error::other)?;
        let path = if endpoint.path.is_empty() { "/" } else { &endpoint.path };
        let url = format!("{}{path}", endpoint.origin());
        let digest = ring::digest::digest(&ring::digest::SHA256, url.as_bytes());
        let address = digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { client, endpoint: endpoint.clone(), url, address, limits })
    }

    /// Which address it asks, as a digest.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Asks for what is newer than what is known.
    pub(super) async fn get(&self, known: Option<&Known>, now_s: i64) -> Result<Fetched, String> {
        let limit = self.limits.time;
        match tokio::time::timeout(limit, self.get_slowly(known, now_s)).await {
            Ok(fetched) => fetched.map_err(|why| format!("{}: {why}", self.endpoint)),
            Err(_) => Err(format!("{}: no answer within {limit:?}", self.endpoint)),
        }
    }

    async fn get_slowly(&self, known: Option<&Known>, now_s: i64) -> Result<Fetched, String> {
        let trouble = |error| http::request_trouble(error).to_string();
        let mut request = self.client.get(&self.url);
        if let Some(login) = &self.endpoint.login {
            let password = login.password.as_ref().map(|password| password.expose());
            request = request.basic_auth(&login.username, password);
        }
        if let Some(etag) = known.and_then(|known| known.etag.as_ref()) {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = known.and_then(|known| known.last_modified.as_ref()) {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        let mut response = request.send().await.map_err(trouble)?;
        match (response.status(), known) {
            (StatusCode::NOT_MODIFIED, Some(known)) => {
                return Ok(Fetched::Unchanged(Known { fetched_s: now_s, ..known.clone() }));
            }
            (status, _) if status.is_success() => {}
            (status, _) if status.is_redirection() => {
                return Err(format!("HTTP {status}, and no redirection is followed"));
            }
            (status, _) => return Err(format!("HTTP {status}")),
        }
        let known = Known {
            address: self.address.clone(),
            etag: header(&response, &ETAG),
            last_modified: header(&response, &LAST_MODIFIED),
            fetched_s: now_s,
        };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(trouble)? {
            let len = body.len().saturating_add(chunk.len());
            if u64::try_from(len).map_or(true, |len| len > self.limits.bytes) {
                return Err(format!("the answer has more than {} bytes", self.limits.bytes));
            }
            body.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(body).map_err(|_| "the answer is no text")?;
        let prices: Vec<PricePeriod> = read_prices(&text)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("line {}: {}", error.line, http::reason(&why(&error))))?;
        if prices.is_empty() {
            return Err("the answer has no prices".to_owned());
        }
        Ok(Fetched::New(prices, known))
    }
}

/// A header that is to be sent back next time.
fn header(response: &Response, name: &HeaderName) -> Option<String> {
    let text = response.headers().get(name)?.to_str().ok()?;
    (text.len() <= VALIDATOR_LEN_MAX).then(|| text.to_owned())
}
