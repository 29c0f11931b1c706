//! What the backend answers, and what follows from it.
use crate::harmless::harmless;
use crate::sink::sample::{Step, Trouble};
use serde::Deserialize;
use std::time::Duration;

/// Bytes of an answer that are read; those of the backend have less than 300.
pub(super) const ANSWER_LEN_MAX: usize = 4096;
/// Letters of an answer that a person is shown.
const SHOWN_LEN_MAX: usize = 120;

/// What came of one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The backend has it.
    Taken(Counts),
    /// Too much at once: half of it may do.
    TooLarge,
    /// The backend will never take it.
    Refused(String),
    /// It may take it later.
    Trouble(Trouble),
}

/// What the backend counted; absent where it does not say.
#[derive(Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    /// Entries in the body.
    pub(super) received: Option<u64>,
    /// Entries that are in its database now.
    pub(super) inserted: Option<u64>,
    /// Entries that it threw away: older than the last, a second time, a counter that went back, a power that cannot be.
    pub(super) rejected: Option<u64>,
    /// The device is to look for new firmware.
    #[serde(deserialize_with = "truth")]
    pub(super) ota_check: bool,
    /// Bytes of the body; later versions say so.
    pub(super) bytes: Option<u64>,
}

/// PHP is free with `true`, `1` and `"1"`.
fn truth<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(match value {
        serde_json::Value::Bool(truth) => truth,
        serde_json::Value::Number(number) => number.as_u64().is_some_and(|number| number != 0),
        serde_json::Value::String(text) => matches!(text.as_str(), "1" | "true"),
        _ => false,
    })
}

/// What an answer to a body of `body_len` bytes means. `answer` is its beginning, without secrets.
pub(super) fn outcome(status: u16, retry_after: Option<Duration>, answer: &str, body_len: usize) -> Outcome {
    let text = answer.trim();
    let said = said(text);
    let trouble = |step, message: String| Outcome::Trouble(Trouble { step, message, retry_after });
    match status {
        200..=299 => {
            // A portal before the backend answers everything with a page of its own.
            if text.starts_with('<') {
                let message = "a web page answers where the backend should; is `url` right?".to_owned();
                return trouble(Step::Deliver, message);
            }
            // Old backends answer with a sentence, which counts as yes.
            let counts: Counts = serde_json::from_str(text).unwrap_or_default();
            match counts.bytes {
                Some(bytes) if bytes != body_len as u64 => {
                    let message = format!("the backend has {bytes} of {body_len} bytes");
                    trouble(Step::Deliver, message)
                }
                _ => Outcome::Taken(counts),
            }
        }
        300..=399 => {
            trouble(Step::Deliver, format!("HTTP {status}: the backend has moved; set `url` to where it is"))
        }
        400 => Outcome::Refused(format!("HTTP 400{said}")),
        401 | 403 => trouble(Step::Login, format!("HTTP {status}: `device_id` or `token` is not accepted")),
        413 => Outcome::TooLarge,
        404 => trouble(Step::Deliver, "HTTP 404: nothing is there; is the path of `url` right?".to_owned()),
        _ => trouble(Step::Deliver, format!("HTTP {status}{said}")),
    }
}

/// `: ` and the first line of an answer, shortened and harmless; empty for pages.
fn said(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() || line.starts_with('<') {
        return String::new();
    }
    let short: String = line.chars().take(SHOWN_LEN_MAX).collect();
    format!(": {}", harmless(&short))
}
