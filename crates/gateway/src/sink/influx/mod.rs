//! InfluxDB line protocol over HTTP, versions 1, 2 and 3, and the many that understand it.
mod line;

use super::sample::{Delivered, Entry, Step, Trouble};
use crate::config::{InfluxSetup, InfluxTarget};
use crate::net::http::{Answer, Batches, client, post};
use crate::secret::Secret;
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use std::sync::Arc;

/// Writes one line for each reading.
///
/// Measurement, tags and time of a reading are always the same, so that what is sent again after a lost answer
/// replaces what is there. What the database calls wrong is found by halves and refused for good, the rest of its
/// batch is written.
#[derive(Debug)]
pub(crate) struct Influx {
    setup: InfluxSetup,
    address: String,
    client: Option<Client>,
    batches: Batches,
}

impl Influx {
    /// A sink that has connected to nobody yet. `meters` are the meters it gets.
    #[allow(clippy::unnecessary_wraps)]
    pub(crate) fn new(setup: &InfluxSetup, _meters: &[Arc<str>]) -> std::io::Result<Self> {
        let address = address(setup);
        Ok(Self { address, client: None, batches: Batches::new(setup.batch), setup: setup.clone() })
    }

    /// Hands over entries of the durable path, in order.
    pub(crate) async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        let mut done = Delivered::default();
        self.batches.begin();
        while let Some(rest) = batch.get(done.taken..).filter(|rest| !rest.is_empty()) {
            let piece = self.batches.piece(rest);
            let lines: String =
                piece.iter().filter_map(|entry| line::of(&self.setup.measurement, entry)).collect();
            // Only events, which have no line.
            let answer = if lines.is_empty() { Answer::Taken } else { self.post(lines).await };
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

    async fn post(&mut self, lines: String) -> Answer {
        let client = match &mut self.client {
            Some(client) => client,
            none => match client(self.setup.endpoint.tls.as_ref(), self.setup.proxy.as_ref()) {
                Ok(built) => none.insert(built),
                Err(error) => return Answer::Trouble(error.into()),
            },
        };
        let mut request =
            client.post(&self.address).header(CONTENT_TYPE, "text/plain; charset=utf-8").body(lines);
        match (&self.setup.target, &self.setup.token, &self.setup.endpoint.login) {
            (InfluxTarget::V1 { .. }, _, Some(login)) => {
                request = request.basic_auth(&login.username, login.password.as_ref().map(Secret::expose));
            }
            (InfluxTarget::V2 { .. }, Some(token), _) => {
                let Ok(mut value) = HeaderValue::from_str(&format!("Token {}", token.expose())) else {
                    return Answer::Trouble(Trouble::new(
                        Step::Login,
                        "the token has characters that no header takes",
                    ));
                };
                value.set_sensitive(true);
                request = request.header(AUTHORIZATION, value);
            }
            (InfluxTarget::V3 { .. }, Some(token), _) => request = request.bearer_auth(token.expose()),
            _ => {}
        }
        post(request).await
    }

    /// Says good-bye within a moment.
    #[allow(clippy::unused_async)]
    pub(crate) async fn close(&mut self) {
        self.client = None;
    }
}

/// Where lines go, times in milliseconds.
fn address(setup: &InfluxSetup) -> String {
    let path = setup.endpoint.path.split('?').next().unwrap_or_default();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let interface = match &setup.target {
        InfluxTarget::V1 { database } => {
            // The policy has no key of its own, and no name of a database has a slash.
            let (database, policy) = database.split_once('/').unwrap_or((database, ""));
            query.append_pair("db", database);
            if !policy.is_empty() {
                query.append_pair("rp", policy);
            }
            query.append_pair("precision", "ms");
            "/write"
        }
        InfluxTarget::V2 { org, bucket } => {
            query.append_pair("org", org).append_pair("bucket", bucket).append_pair("precision", "ms");
            "/api/v2/write"
        }
        InfluxTarget::V3 { database } => {
            query.append_pair("db", database).append_pair("precision", "millisecond");
            "/api/v3/write_lp"
        }
    };
    format!("{}{path}{interface}?{}", setup.endpoint.origin(), query.finish())
}

#[cfg(test)]
mod tests;
