//! JSON by HTTP POST, in our own shape or in one that somebody else dictates.
mod shape;

use super::posting::{Posting, signed};
use super::sample::{Delivered, Entry, Step, Trouble};
use crate::config::{HttpSetup, HttpShape};
use crate::net::http::{Answer, post};
use crate::secret::Secret;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use shape::Body;
use std::sync::Arc;

/// Posts entries, many in a request where the shape allows it.
///
/// A request counts when the answer is 2xx. What the receiver calls wrong (400, 422) or too large (413) is tried again
/// in halves until one entry is left, which then is refused for good. Everything else is trouble, and the entries wait:
/// also 404, since an address that is wrong today is put right tomorrow.
#[derive(Debug)]
pub(crate) struct Http {
    setup: HttpSetup,
    /// With the token in its path where the receiver wants it there: never shown.
    address: Secret,
    /// Several meters share the receiver's names.
    many_meters: bool,
    posting: Posting,
}

impl Http {
    /// A sink that has connected to nobody yet. `meters` are the meters it gets.
    ///
    /// # Errors
    /// When one `devid` is to stand for several meters.
    pub(crate) fn new(setup: &HttpSetup, meters: &[Arc<str>]) -> std::io::Result<Self> {
        if let HttpShape::UpSmartmeter { devid: Some(_) } = &setup.shape
            && meters.len() > 1
        {
            return Err(std::io::Error::other("one `devid` cannot stand for several meters; set `meters`"));
        }
        let largest = match setup.shape {
            HttpShape::Metergate | HttpShape::ThingsBoard => setup.batch,
            HttpShape::UpSmartmeter { .. } | HttpShape::Template(_) => 1,
        };
        Ok(Self {
            address: address(setup),
            many_meters: meters.len() > 1,
            posting: Posting::new(&setup.endpoint, setup.proxy.as_ref(), largest),
            setup: setup.clone(),
        })
    }

    /// Hands over entries of the durable path, in order.
    pub(crate) async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        let (setup, address, many_meters) = (&self.setup, &self.address, self.many_meters);
        let post = async |client: &Client, piece: &[Entry]| match body(setup, many_meters, piece) {
            // Nothing in it is for this receiver.
            Ok(None) => Answer::Taken,
            Ok(Some(body)) => send(client, setup, address, body).await,
            Err(reason) => Answer::Refused(reason),
        };
        self.posting.deliver(batch, post).await
    }

    /// Says good-bye.
    pub(crate) fn close(&mut self) {
        self.posting.close();
    }
}

/// What some entries are in the receiver's shape.
fn body(setup: &HttpSetup, many_meters: bool, piece: &[Entry]) -> Result<Option<Body>, String> {
    match (&setup.shape, piece) {
        (HttpShape::Metergate, piece) => Ok(Some(shape::metergate(piece))),
        (HttpShape::ThingsBoard, piece) => Ok(shape::thingsboard(piece, many_meters)),
        (HttpShape::UpSmartmeter { devid }, [entry, ..]) => Ok(shape::up_smartmeter(entry, devid.as_deref())),
        (HttpShape::Template(template), [entry, ..]) => {
            let text = template.fill(entry)?;
            Ok(Some(Body { text, content_type: template.content_type().to_owned() }))
        }
        (_, []) => Ok(None),
    }
}

async fn send(client: &Client, setup: &HttpSetup, address: &Secret, body: Body) -> Answer {
    let Ok(content_type) = HeaderValue::from_str(&body.content_type) else {
        return Answer::Trouble(Trouble::new(Step::Deliver, "the type of the content cannot be sent"));
    };
    // The same entries after a lost answer make the same key, so that a receiver can hold them once.
    let key = shape::idempotency_key(&body.text);
    let request = client
        .post(address.expose())
        .header(CONTENT_TYPE, content_type)
        .header("idempotency-key", key)
        .body(body.text);
    let token = setup.token.as_ref().filter(|_| !token_is_in_path(setup));
    let answer = post(signed(request, token, setup.endpoint.login.as_ref())).await;
    // A receiver may repeat the address in what it says about an error.
    match &setup.token {
        Some(token) => answer.without(token),
        None => answer,
    }
}

/// ThingsBoard's device API, which `uP_SmartMeter` used too, knows a device by the token in its address.
fn token_is_in_path(setup: &HttpSetup) -> bool {
    matches!(setup.shape, HttpShape::ThingsBoard | HttpShape::UpSmartmeter { .. })
}

fn address(setup: &HttpSetup) -> Secret {
    let origin = setup.endpoint.origin();
    let (path, query) =
        setup.endpoint.path.split_at(setup.endpoint.path.find('?').unwrap_or(setup.endpoint.path.len()));
    match &setup.token {
        Some(token) if token_is_in_path(setup) => {
            let path = if path.is_empty() { "/api/v1" } else { path };
            let token: String = url::form_urlencoded::byte_serialize(token.expose().as_bytes()).collect();
            Secret::new(format!("{origin}{path}/{token}/telemetry{query}"))
        }
        _ => Secret::new(format!("{origin}{path}{query}")),
    }
}

#[cfg(test)]
mod tests;
