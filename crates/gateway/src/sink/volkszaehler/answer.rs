//! What the middleware says: `{"version":..,"rows":n}`, or `{"version":..,"exception":{"type":..,"message":..}}`.
use crate::net::http::{Answer, reason};
use crate::sink::sample::{Step, Trouble};
use reqwest::StatusCode;
use serde::Deserialize;

#[derive(Deserialize)]
struct Said {
    rows: Option<serde_json::Value>,
    exception: Option<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

/// What the answer for a channel means; `None` where the status says it all.
///
/// The middleware throws the same status for everything, and some of it with the status of success. Hardly anything of
/// it is the fault of a value: a channel that is missing may be made tomorrow, and entries wait for it.
pub(super) fn of(uuid: &str, status: StatusCode, said: &str) -> Option<Answer> {
    // Logins are asked for by the web server before it.
    if matches!(status.as_u16(), 401 | 403 | 407) {
        return None;
    }
    let trouble = |message: String| Some(Answer::Trouble(Trouble::new(Step::Deliver, message)));
    match serde_json::from_str(said) {
        Ok(Said { exception: Some(Exception { kind, message }), .. }) => {
            let kind = kind.unwrap_or_else(|| "exception".to_owned());
            let message = message.unwrap_or_default();
            let told = reason(&format!("channel {uuid}: {kind}: {message}"));
            if message.contains("message size exceeded") {
                Some(Answer::TooLarge(told))
            } else if kind.contains("UniqueConstraint") || message.contains("Duplicate entry") {
                // A middleware of old does not know how to skip what it has: all others of the batch are missing.
                Some(Answer::Refused(told))
            } else {
                trouble(told)
            }
        }
        Ok(Said { rows: Some(_), .. }) if status.is_success() => Some(Answer::Taken),
        _ if status.is_success() => {
            trouble(format!("channel {uuid}: the answer counts no rows; is `url` that of a middleware?"))
        }
        _ if matches!(status.as_u16(), 400 | 422) => {
            trouble(format!("channel {uuid}: the receiver answers {status}: {}", reason(said)))
        }
        _ => None,
    }
}
