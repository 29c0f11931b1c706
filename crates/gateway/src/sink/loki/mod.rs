//! Events for Grafana Loki.
mod push;

use super::sample::{Delivered, Entry, Step, Trouble};
use crate::config::LokiSetup;
use crate::net::http::{Answer, Batches, client, post};
use crate::secret::Secret;
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
    client: Option<Client>,
    batches: Batches,
}

impl Loki {
    /// A sink that has connected to nobody yet.
    pub(crate) fn new(setup: &LokiSetup) -> Self {
        let path = setup.endpoint.path.trim_end_matches('/');
        // People copy the whole address as well as its beginning.
        let path = path.strip_suffix(push::PATH).unwrap_or(path);
        let address = format!("{}{path}{}", setup.endpoint.origin(), push::PATH);
        Self { address, client: None, batches: Batches::new(BATCH), setup: setup.clone() }
    }

    /// Hands over entries of the durable path, in order.
    pub(crate) async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        let mut done = Delivered::default();
        self.batches.begin();
        while let Some(rest) = batch.get(done.taken..).filter(|rest| !rest.is_empty()) {
            let piece = self.batches.piece(rest);
            let answer = match push::body(&self.setup.job, piece) {
                Some(body) => self.post(body).await,
                // Only readings, which are no log.
                None => Answer::Taken,
            };
            if let Err(trouble) = self.batches.note(answer, piece.len(), &mut done) {
                if trouble.step == Step::Tls {
                    // The files of certificates are read anew: somebody may be putting them right.
                    self.client = None;
                }
                done.trouble = Some(trouble);
                break;
            }
        }
        done
    }

    async fn post(&mut self, body: String) -> Answer {
        let client = match &mut self.client {
            Some(client) => client,
            none => match client(self.setup.endpoint.tls.as_ref(), self.setup.proxy.as_ref()) {
                Ok(built) => none.insert(built),
                Err(error) => return Answer::Trouble(error.into()),
            },
        };
        let mut request = client.post(&self.address).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(tenant) = &self.setup.tenant {
            let Ok(tenant) = HeaderValue::from_str(tenant) else {
                return Answer::Trouble(Trouble::new(Step::Login, "the tenant cannot be sent"));
            };
            request = request.header("x-scope-orgid", tenant);
        }
        if let Some(token) = &self.setup.token {
            request = request.bearer_auth(token.expose());
        } else if let Some(login) = &self.setup.endpoint.login {
            request = request.basic_auth(&login.username, login.password.as_ref().map(Secret::expose));
        }
        let answer = post(request).await;
        match &self.setup.token {
            Some(token) => answer.without(token),
            None => answer,
        }
    }

    /// Says good-bye.
    pub(crate) fn close(&mut self) {
        self.client = None;
    }
}

#[cfg(test)]
mod tests;
