//! JSON by HTTP POST, in our own shape or in one that somebody else dictates.
mod shape;

use super::sample::{Delivered, Entry, Step, Trouble};
use crate::config::{HttpSetup, HttpShape};
use crate::net::http::{Answer, Batches, client, post};
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
    client: Option<Client>,
    batches: Batches,
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
            client: None,
            batches: Batches::new(largest),
            setup: setup.clone(),
        })
    }

    /// Hands over entries of the durable path, in order.
    pub(crate) async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        let mut done = Delivered::default();
        self.batches.begin();
        while let Some(rest) = batch.get(done.taken..).filter(|rest| !rest.is_empty()) {
            let piece = self.batches.piece(rest);
            let answer = match self.body(piece) {
                // Nothing in it is for this receiver.
                Ok(None) => Answer::Taken,
                Ok(Some(body)) => self.post(body).await,
                Err(reason) => Answer::Refused(reason),
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

    fn body(&self, piece: &[Entry]) -> Result<Option<Body>, String> {
        match (&self.setup.shape, piece) {
            (HttpShape::Metergate, piece) => Ok(Some(shape::metergate(piece))),
            (HttpShape::ThingsBoard, piece) => Ok(shape::thingsboard(piece, self.many_meters)),
            (HttpShape::UpSmartmeter { devid }, [entry, ..]) => {
                Ok(shape::up_smartmeter(entry, devid.as_deref()))
            }
            (HttpShape::Template(template), [entry, ..]) => {
                let text = template.fill(entry)?;
                Ok(Some(Body { text, content_type: template.content_type().to_owned() }))
            }
            (_, []) => Ok(None),
        }
    }

    async fn post(&mut self, body: Body) -> Answer {
        let client = match &mut self.client {
            Some(client) => client,
            none => match client(self.setup.endpoint.tls.as_ref(), self.setup.proxy.as_ref()) {
                Ok(built) => none.insert(built),
                Err(error) => return Answer::Trouble(error.into()),
            },
        };
        let Ok(content_type) = HeaderValue::from_str(&body.content_type) else {
            return Answer::Trouble(Trouble::new(Step::Deliver, "the type of the content cannot be sent"));
        };
        // The same entries after a lost answer make the same key, so that a receiver can hold them once.
        let key = shape::idempotency_key(&body.text);
        let mut request = client
            .post(self.address.expose())
            .header(CONTENT_TYPE, content_type)
            .header("idempotency-key", key)
            .body(body.text);
        if let Some(token) = self.setup.token.as_ref().filter(|_| !token_is_in_path(&self.setup)) {
            request = request.bearer_auth(token.expose());
        } else if let Some(login) = &self.setup.endpoint.login {
            request = request.basic_auth(&login.username, login.password.as_ref().map(Secret::expose));
        }
        let answer = post(request).await;
        // A receiver may repeat the address in what it says about an error.
        match &self.setup.token {
            Some(token) => answer.without(token),
            None => answer,
        }
    }

    /// Says good-bye within a moment.
    #[allow(clippy::unused_async)]
    pub(crate) async fn close(&mut self) {
        self.client = None;
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
