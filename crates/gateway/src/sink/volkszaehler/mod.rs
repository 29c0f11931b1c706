//! The middleware of volkszaehler: values of registers into its channels.
mod answer;

use super::posting::{Posting, signed};
use super::sample::{Delivered, Entry, Sample};
use crate::config::{Channel, VolkszaehlerSetup};
use crate::net::http::{Answer, BODY_LEN_MAX, post_judged};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use std::fmt::Write as _;
use std::sync::Arc;

/// Readings in one request at most: all that the store gives at once, 7 kB for each channel.
const BATCH: usize = 256;

/// Posts `[[ms,value],...]` to each channel.
///
/// The middleware holds a channel's value of a millisecond once and is asked to skip what it has, so that a batch may
/// be sent again: entries are the receiver's when each channel has its values.
#[derive(Debug)]
pub(crate) struct Volkszaehler {
    setup: VolkszaehlerSetup,
    posting: Posting,
}

impl Volkszaehler {
    /// A sink that has connected to nobody yet. `meters` are the meters it gets.
    ///
    /// # Errors
    /// When there are several: a channel of two meters would be a saw of their counters.
    pub(crate) fn new(setup: &VolkszaehlerSetup, meters: &[Arc<str>]) -> std::io::Result<Self> {
        if meters.len() > 1 {
            let message = "its channels cannot stand for several meters; set `meters` to one of them";
            return Err(std::io::Error::other(message));
        }
        let posting = Posting::new(&setup.endpoint, setup.proxy.as_ref(), BATCH);
        Ok(Self { posting, setup: setup.clone() })
    }

    /// Hands over entries of the durable path, in order.
    pub(crate) async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        let setup = &self.setup;
        self.posting.deliver(batch, async |client, piece| send(client, setup, piece).await).await
    }

    /// Says good-bye.
    pub(crate) fn close(&mut self) {
        self.posting.close();
    }
}

/// Posts to each channel what the entries have for it.
async fn send(client: &Client, setup: &VolkszaehlerSetup, entries: &[Entry]) -> Answer {
    for channel in &setup.channels {
        let Some(body) = tuples(channel, entries) else { continue };
        let request =
            client.post(address(setup, channel)).header(CONTENT_TYPE, "application/json").body(body);
        let request = signed(request, None, setup.endpoint.login.as_ref());
        match post_judged(request, BODY_LEN_MAX, |status, said| answer::of(&channel.uuid, status, said)).await
        {
            Answer::Taken => {}
            // The one value is there already.
            Answer::Refused(_) if entries.len() == 1 => {}
            other => return other,
        }
    }
    Answer::Taken
}

/// Where the values of a channel go.
fn address(setup: &VolkszaehlerSetup, channel: &Channel) -> String {
    let path = setup.endpoint.path.trim_end_matches('/');
    format!("{}{path}/data/{}.json?options=skipduplicates", setup.endpoint.origin(), channel.uuid)
}

/// What the entries have for a channel: times in milliseconds, numbers as exact decimals. `None` when that is nothing,
/// which the middleware could not read.
fn tuples(channel: &Channel, entries: &[Entry]) -> Option<String> {
    let mut body = String::new();
    for sample in entries.iter().filter_map(Entry::sample) {
        if let Some(number) = value(channel, sample) {
            body.push(if body.is_empty() { '[' } else { ',' });
            let _ = write!(body, "[{},{number}]", sample.at.unix_ms);
        }
    }
    if body.is_empty() {
        return None;
    }
    body.push(']');
    Some(body)
}

fn value(channel: &Channel, sample: &Sample) -> Option<metergate_reading::Number> {
    let fits = |code| channel.register.fits(code);
    sample.points.iter().find(|point| point.register.obis().is_some_and(fits)).map(|point| point.number)
}

#[cfg(test)]
mod tests;
