//! Posting entries by HTTP in batches: what sinks for InfluxDB, Loki, volkszaehler and web servers have in common.
use super::sample::{Delivered, Entry, Step, Trouble};
use crate::config::{EndpointSetup, Login, ProxySetup, TlsSetup};
use crate::net::http::{Answer, client};
use crate::net::tls::TlsError;
use crate::secret::Secret;
use reqwest::{Client, RequestBuilder};

/// The client of one sink, and how much it posts at once.
#[derive(Debug)]
pub(super) struct Posting {
    tls: Option<TlsSetup>,
    proxy: Option<ProxySetup>,
    client: Option<Client>,
    batches: Batches,
}

impl Posting {
    /// Posts to this endpoint, at most so many entries at once. Nothing is connected yet.
    pub(super) fn new(endpoint: &EndpointSetup, proxy: Option<&ProxySetup>, largest: usize) -> Self {
        let (tls, proxy) = (endpoint.tls.clone(), proxy.cloned());
        Self { tls, proxy, client: None, batches: Batches::new(largest) }
    }

    /// Hands over entries in order, until all are taken or there is trouble. `post` hands over a piece of them.
    pub(super) async fn deliver(
        &mut self,
        batch: &[Entry],
        post: impl AsyncFn(&Client, &[Entry]) -> Answer,
    ) -> Delivered {
        let mut done = Delivered::default();
        self.batches.begin();
        while let Some(rest) = batch.get(done.taken..).filter(|rest| !rest.is_empty()) {
            let piece = self.batches.piece(rest);
            let answer = match self.client() {
                Ok(client) => post(client, piece).await,
                Err(error) => Answer::Trouble(error.into()),
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

    fn client(&mut self) -> Result<&Client, TlsError> {
        match &mut self.client {
            Some(client) => Ok(client),
            none => Ok(none.insert(client(self.tls.as_ref(), self.proxy.as_ref())?)),
        }
    }

    /// Ends its connections.
    pub(super) fn close(&mut self) {
        self.client = None;
    }
}

/// The request with who we are: by a token, else by name and password, else by nothing.
pub(super) fn signed(
    request: RequestBuilder,
    token: Option<&Secret>,
    login: Option<&Login>,
) -> RequestBuilder {
    match (token, login) {
        (Some(token), _) => request.bearer_auth(token.expose()),
        (None, Some(login)) => {
            request.basic_auth(&login.username, login.password.as_ref().map(Secret::expose))
        }
        (None, None) => request,
    }
}

/// How many entries go into one request: the configured number, less while a bad one is searched for, and less for
/// good once the receiver has called so many too large.
#[derive(Debug)]
struct Batches {
    limit: usize,
    next: usize,
}

impl Batches {
    /// Batches of at most this many entries.
    fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), next: limit.max(1) }
    }

    /// Begins anew with the largest batch.
    fn begin(&mut self) {
        self.next = self.limit;
    }

    /// The entries of the next request.
    fn piece<'a, T>(&self, rest: &'a [T]) -> &'a [T] {
        rest.get(..self.next).unwrap_or(rest)
    }

    /// Takes note of the answer to a request with so many entries.
    ///
    /// # Errors
    /// The trouble, if it was one: nothing more is tried now.
    fn note(&mut self, answer: Answer, len: usize, done: &mut Delivered) -> Result<(), Trouble> {
        match answer {
            Answer::Taken => done.taken = done.taken.saturating_add(len),
            Answer::Partly(refused) => {
                let places = refused.into_iter().map(|(place, why)| (done.taken.saturating_add(place), why));
                done.refused.extend(places);
                done.taken = done.taken.saturating_add(len);
            }
            // One bad entry among many: the half without it is taken, the other halved again.
            Answer::Refused(_) if len > 1 => self.next = len / 2,
            Answer::TooLarge(_) if len > 1 => {
                self.limit = len / 2;
                self.next = self.limit;
            }
            Answer::Refused(reason) | Answer::TooLarge(reason) => {
                done.refused.push((done.taken, reason));
                done.taken = done.taken.saturating_add(1);
                self.next = self.limit;
            }
            Answer::Trouble(trouble) => return Err(trouble),
        }
        Ok(())
    }
}
