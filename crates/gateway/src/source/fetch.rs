//! One question by HTTP, with a limit for time and for length.
use crate::config::EndpointSetup;
use crate::net::http;
use reqwest::header::{HeaderMap, HeaderValue};
use std::io;
use std::time::Duration;

/// Whoever shares the house answers within a second; a plug with a weak radio needs some more.
const LIMIT: Duration = Duration::from_secs(5);
/// The longest answer in use is a page of states with some KB.
const BODY_LEN_MAX: usize = 64 * 1024;

/// Asks one address.
#[derive(Debug)]
pub(super) struct Fetch {
    client: reqwest::Client,
    endpoint: EndpointSetup,
    url: String,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Fetch {
    /// For the address of the configuration; `usual`: the path where it names none.
    ///
    /// # Errors
    /// When a certificate cannot be read.
    pub(super) fn new(endpoint: &EndpointSetup, usual: &str) -> io::Result<Self> {
        let client = http::client(endpoint.tls.as_ref(), None).map_err(io::Error::other)?;
        let path = if endpoint.path.is_empty() { usual } else { &endpoint.path };
        Ok(Self { client, endpoint: endpoint.clone(), url: format!("{}{path}", endpoint.origin()) })
    }

    /// Where it asks.
    pub(super) fn endpoint(&self) -> &EndpointSetup {
        &self.endpoint
    }

    /// Asks, with a further header if one is given. Any status is an answer.
    pub(super) async fn get(&self, header: Option<(&'static str, HeaderValue)>) -> Result<Answer, String> {
        match tokio::time::timeout(LIMIT, self.get_slowly(header)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("{}: no answer within {LIMIT:?}", self.endpoint)),
        }
    }

    async fn get_slowly(&self, header: Option<(&'static str, HeaderValue)>) -> Result<Answer, String> {
        let trouble = |error| format!("{}: {}", self.endpoint, http::request_trouble(error));
        let mut request = self.client.get(&self.url);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if let Some(login) = &self.endpoint.login {
            request = request
                .basic_auth(&login.username, login.password.as_ref().map(|password| password.expose()));
        }
        let mut response = request.send().await.map_err(trouble)?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(trouble)? {
            if body.len() + chunk.len() > BODY_LEN_MAX {
                return Err(format!("{}: the answer has more than {BODY_LEN_MAX} bytes", self.endpoint));
            }
            body.extend_from_slice(&chunk);
        }
        let body =
            String::from_utf8(body).map_err(|_| format!("{}: the answer is no text", self.endpoint))?;
        Ok(Answer { status, headers, body })
    }

    /// The text of a good answer.
    pub(super) async fn text(&self) -> Result<String, String> {
        let Answer { status, body, .. } = self.get(None).await?;
        if (200..300).contains(&status) { Ok(body) } else { Err(format!("{}: HTTP {status}", self.endpoint)) }
    }
}
