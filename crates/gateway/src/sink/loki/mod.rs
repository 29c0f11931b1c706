//! Events for Grafana Loki.
mod push;

use super::posting::{Posting, signed};
use super::sample::{Delivered, Entry, Step, Trouble};
use crate::config::LokiSetup;
use crate::net::http::{Answer, post};
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderValue};

/// Events in one request at most: all that the store gives at once, 80 kB.
const BATCH: usize = 256;

/// Pushes events, each with its own time.
///
/// Loki keeps one of two lines that are alike in labels, time and text, and an event always makes the same line: what
/// is sent again after a lost answer does no harm. Lines that Loki calls too old or too new are found by halves and
/// refused for good.
#[derive(Debug)]
pub(crate) struct Loki {
    setup: LokiSetup,
    address: String,
    posting: Posting,
}

impl Loki {
    /// A sink that has connected to nobody yet.
    pub(crate) fn new(setup: &LokiSetup) -> Self {
        let path = setup.endpoint.path.trim_end_matches('/');
        // People copy the whole address as well as its beginning.
        let path = path.strip_suffix(push::PATH).unwrap_or(path);
        let address = format!("{}{path}{}", setup.endpoint.origin(), push::PATH);
        let posting = Posting::new(&setup.endpoint, setup.proxy.as_ref(), BATCH);
        Self { address, posting, setup: setup.clone() }
    }

    /// Hands over entries of the durable path, in order.
    pub(crate) async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        let (setup, address) = (&self.setup, &self.address);
        self.posting.deliver(batch, async |client, piece| push(client, setup, address, piece).await).await
    }

    /// Says good-bye.
    pub(crate) fn close(&mut self) {
        self.posting.close();
    }
}

/// Pushes the events among some entries.
async fn push(client: &Client, setup: &LokiSetup, address: &str, piece: &[Entry]) -> Answer {
    let Some(body) = push::body(&setup.job, piece) else {
        // Only readings, which are no log.
        return Answer::Taken;
    };
    let mut request = client.post(address).header(CONTENT_TYPE, "application/json").body(body);
    if let Some(tenant) = &setup.tenant {
        let Ok(tenant) = HeaderValue::from_str(tenant) else {
            return Answer::Trouble(Trouble::new(Step::Login, "the tenant cannot be sent"));
        };
        request = request.header("x-scope-orgid", tenant);
    }
    let answer = post(signed(request, setup.token.as_ref(), setup.endpoint.login.as_ref())).await;
    match &setup.token {
        Some(token) => answer.without(token),
        None => answer,
    }
}

#[cfg(test)]
mod tests;
