//! One HTTP client for every sink and source that needs one.
use super::connect::{CONNECT_TIMEOUT, resolve};
use super::tls::{TlsError, client_config};
use super::trouble::trouble;
use crate::config::{Login, ProxySetup, TlsSetup};
use crate::harmless::harmless;
use crate::secret::Secret;
use crate::sink::{Step, Trouble};
use jiff::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{DATE, LOCATION, RETRY_AFTER};
use reqwest::{Client, Proxy, RequestBuilder, Response, StatusCode, redirect};
use std::time::Duration;

/// Longest wait for the answer to one request. A receiver that needs longer for a batch is given the same batch again
/// and again; 30 s is what proxies in between allow.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// An idle connection is kept so long; most servers close after 60 s, and a request into a closing one is lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// A client that trusts whom the setup says, asks for names itself and follows no redirection.
///
/// Not following one is a choice: an answer that sends us elsewhere would get our token along with the readings. The
/// trouble says where it points instead.
///
/// # Errors
/// See [`client_config`].
pub(crate) fn client(tls: Option<&TlsSetup>, proxy: Option<&ProxySetup>) -> Result<Client, TlsError> {
    let usual = TlsSetup::default();
    let config = match (tls, proxy) {
        (Some(tls), _) => Some(client_config(tls)?),
        // The proxy itself may be encrypted.
        (None, Some(proxy)) if proxy.url.starts_with("https:") => Some(client_config(&usual)?),
        (None, _) => None,
    };
    let mut builder = Client::builder()
        .user_agent(concat!("metergate/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        // The variables of the process are for its user, who is somebody else than the one who wrote the configuration.
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .dns_resolver(Resolver);
    builder = match config {
        Some(config) => builder.tls_backend_preconfigured((*config).clone()),
        // Without any, the library would look for authorities that no request needs.
        None => builder.tls_backend_preconfigured((*nobody()?).clone()),
    };
    if let Some(setup) = proxy {
        builder = builder.proxy(self::proxy(setup)?);
    }
    builder.build().map_err(|error| TlsError::Library(error.to_string()))
}

/// Trusts nobody: for a client of unencrypted addresses.
fn nobody() -> Result<std::sync::Arc<rustls::ClientConfig>, TlsError> {
    let trust = crate::config::TrustSetup::Fingerprint(crate::config::Fingerprint([0; 32]));
    client_config(&TlsSetup { trust, client: None })
}

fn proxy(setup: &ProxySetup) -> Result<Proxy, TlsError> {
    let proxy = Proxy::all(&setup.url).map_err(|error| TlsError::Library(error.to_string()))?;
    Ok(match &setup.login {
        None => proxy,
        Some(Login { username, password }) => {
            proxy.basic_auth(username, password.as_ref().map_or("", |password| password.expose()))
        }
    })
}

/// What a failed request means. The address is left out of it: a path may be a secret.
pub(crate) fn request_trouble(error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    let otherwise = if error.is_connect() { Step::Connect } else { Step::Deliver };
    if error.is_timeout() {
        let limit = if error.is_connect() { CONNECT_TIMEOUT } else { REQUEST_TIMEOUT };
        return Trouble::new(otherwise, format!("no answer within {limit:?}"));
    }
    trouble(&error, otherwise)
}

/// What a receiver of posted entries says to them.
#[derive(Debug)]
pub(crate) enum Answer {
    /// They are the receiver's now.
    Taken,
    /// They are, but for these: by their places, and why they are refused for good.
    Partly(Vec<(usize, String)>),
    /// At least one of them is wrong in the receiver's eyes and stays so.
    Refused(String),
    /// They are too many at once.
    TooLarge(String),
    /// Not now.
    Trouble(Trouble),
}

impl Answer {
    /// The same without a secret that the receiver repeats.
    pub(crate) fn without(self, secret: &Secret) -> Self {
        match self {
            Self::Taken => Self::Taken,
            Self::Partly(refused) => {
                let redacted = |(place, why): (usize, String)| (place, secret.redact(&why));
                Self::Partly(refused.into_iter().map(redacted).collect())
            }
            Self::Refused(reason) => Self::Refused(secret.redact(&reason)),
            Self::TooLarge(reason) => Self::TooLarge(secret.redact(&reason)),
            Self::Trouble(trouble) => {
                Self::Trouble(Trouble { message: secret.redact(&trouble.message), ..trouble })
            }
        }
    }
}

/// Longest part of an answer that is read: what a person is told of it has [`REASON_LEN_MAX`] characters.
pub(crate) const BODY_LEN_MAX: usize = 4096;

/// Longest reason that is told.
const REASON_LEN_MAX: usize = 300;

/// Longest pause that a receiver may ask for. More than an hour is a mistake of the receiver's.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Posts a request and says what the answer means.
pub(crate) async fn post(request: RequestBuilder) -> Answer {
    post_judged(request, BODY_LEN_MAX, |_, _| None).await
}

/// Posts a request to a receiver whose words count as much as its status.
///
/// `judge` gets the status and the beginning of the body, so many bytes of it; where it has no opinion, the status
/// counts.
pub(crate) async fn post_judged(
    request: RequestBuilder,
    body_len_max: usize,
    judge: impl FnOnce(StatusCode, &str) -> Option<Answer>,
) -> Answer {
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Answer::Trouble(request_trouble(error)),
    };
    let status = response.status();
    // Read to its end, so that the connection serves again; a long answer is not worth it.
    let said = body(&mut response, body_len_max).await;
    if let Some(answer) = judge(status, &said) {
        return answer;
    }
    if status.is_success() {
        return Answer::Taken;
    }
    let retry_after = retry_after(&response);
    let location = redirection(&response);
    let said = reason(&said);
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let reason = format!("the receiver answers {status}{said}");
    let trouble = |step, message: String| Answer::Trouble(Trouble { step, message, retry_after });
    match status.as_u16() {
        400 | 422 => Answer::Refused(reason),
        413 => Answer::TooLarge(reason),
        401 | 403 => trouble(Step::Login, reason),
        407 => trouble(Step::Login, format!("{reason}; set `proxy_username` and `proxy_password`")),
        300..=399 => {
            let message = format!("the receiver sends us to {location}, and no redirection is followed");
            trouble(Step::Deliver, message)
        }
        _ => trouble(Step::Deliver, reason),
    }
}

/// The beginning of an answer.
async fn body(response: &mut Response, len_max: usize) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend(chunk.iter().take(len_max.saturating_sub(bytes.len())));
        if bytes.len() >= len_max {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a receiver says, shortened, on one line, harmless to print.
pub(crate) fn reason(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(REASON_LEN_MAX).collect();
    harmless(&line).into_owned()
}

/// The pause that the receiver asks for, an hour at most.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    // The receiver's own clock where it tells it: ours may be wrong, and the pause is between two times of one clock.
    let now = header(DATE).and_then(date).unwrap_or_else(Timestamp::now);
    pause(header(RETRY_AFTER)?, now)
}

/// The pause that `Retry-After` asks for (RFC 9110 10.2.3), in seconds or until a date; a date that is over asks for
/// none.
fn pause(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let pause = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        // As many seconds as no number of 64 bits holds.
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => RETRY_AFTER_MAX,
        Err(_) => Duration::try_from(date(text)?.duration_since(now)).unwrap_or(Duration::ZERO),
    };
    Some(pause.min(RETRY_AFTER_MAX))
}

/// A date of HTTP, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 5.6.7).
fn date(text: &str) -> Option<Timestamp> {
    // It is one of mail with the zone that mail calls obsolete.
    if !text.ends_with(" GMT") {
        return None;
    }
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp())
}

/// Where a redirection points, without path and query: they may hold what ours held.
fn redirection(response: &Response) -> String {
    let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = target.and_then(|text| response.url().join(text).ok());
    target.map_or_else(|| "nowhere".to_owned(), |url| url.origin().ascii_serialization())
}

/// Asks the system for names, with an error that tells itself apart from a refused connection.
struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0 is replaced by the library.
            let addresses = resolve(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_until_a_date_and_is_an_hour_at_most() {
        let now: Timestamp = "2026-11-20T15:00:00Z".parse().unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("86400", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Fri, 20 Nov 2026 15:02:00 GMT", Some(120)),
            ("Fri, 20 Nov 2026 14:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Wed, 20 Nov 2126 15:00:00 GMT", Some(3600)),
            // No date: no weekday of that name, no such day, no zone, no sense.
            ("Xyz, 20 Nov 2026 15:02:00 GMT", None),
            ("Fri, 32 Nov 2026 15:02:00 GMT", None),
            ("Fri, 20 Nov 2026 15:02:00", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(pause(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
