//! InfluxDB line protocol over HTTP, versions 1, 2 and 3, and the many that understand it.
mod answer;
mod line;

use super::posting::{Posting, signed};
use super::sample::{Delivered, Entry, Step, Trouble};
use crate::config::{InfluxSetup, InfluxTarget};
use crate::net::http::{Answer, post, post_judged};
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use std::sync::Arc;

/// Writes one line for each reading.
///
/// Measurement, tags and time of a reading are always the same, so that what is sent again after a lost answer
/// replaces what is there. What the database calls wrong is refused for good, the rest of its batch is written:
/// version 3 says which lines are wrong, of others they are found by halves.
#[derive(Debug)]
pub(crate) struct Influx {
    setup: InfluxSetup,
    address: String,
    posting: Posting,
}

impl Influx {
    /// A sink that has connected to nobody yet. `meters` are the meters it gets.
    #[allow(clippy::unnecessary_wraps)]
    pub(crate) fn new(setup: &InfluxSetup, _meters: &[Arc<str>]) -> std::io::Result<Self> {
        let address = address(setup);
        let posting = Posting::new(&setup.endpoint, setup.proxy.as_ref(), setup.batch);
        Ok(Self { address, posting, setup: setup.clone() })
    }

    /// Hands over entries of the durable path, in order.
    pub(crate) async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        let (setup, address) = (&self.setup, &self.address);
        self.posting.deliver(batch, async |client, piece| write(client, setup, address, piece).await).await
    }

    /// Says good-bye.
    pub(crate) fn close(&mut self) {
        self.posting.close();
    }
}

/// Writes the lines of some entries.
async fn write(client: &Client, setup: &InfluxSetup, address: &str, piece: &[Entry]) -> Answer {
    let of_entry = |(place, entry)| Some((place, line::of(&setup.measurement, entry)?));
    let (places, lines): (Vec<usize>, String) = piece.iter().enumerate().filter_map(of_entry).unzip();
    if lines.is_empty() {
        // Only events, which have no line.
        return Answer::Taken;
    }
    let request = client.post(address).header(CONTENT_TYPE, "text/plain; charset=utf-8").body(lines);
    let request = match (&setup.target, &setup.token) {
        (InfluxTarget::V2 { .. }, Some(token)) => {
            let Ok(mut value) = HeaderValue::from_str(&format!("Token {}", token.expose())) else {
                let message = "the token has characters that no header takes";
                return Answer::Trouble(Trouble::new(Step::Login, message));
            };
            value.set_sensitive(true);
            request.header(AUTHORIZATION, value)
        }
        (_, token) => signed(request, token.as_ref(), setup.endpoint.login.as_ref()),
    };
    match setup.target {
        InfluxTarget::V3 { .. } => {
            post_judged(request, answer::ANSWER_LEN_MAX, |status, said| answer::of(status, said, &places))
                .await
        }
        _ => post(request).await,
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
            // So is the usual way; somebody may change what is usual.
            query.append_pair("accept_partial", "true");
            "/api/v3/write_lp"
        }
    };
    format!("{}{path}{interface}?{}", setup.endpoint.origin(), query.finish())
}

#[cfg(test)]
mod tests;
