//! A reading as ThingsBoard takes it, by HTTP and by MQTT: `{"ts":milliseconds,"values":{"key":number}}`.
use super::sample::Sample;
use std::fmt::Write as _;

/// The object of a reading; each key begins with `prefix`. Same device, key and time overwrite, so that sending twice is
/// harmless.
pub(super) fn object(sample: &Sample, prefix: &str) -> String {
    let mut text = format!("{{\"ts\":{},\"values\":{{", sample.at.unix_ms);
    for (index, (label, point)) in sample.labelled().into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Numbers are written by us: the library would make binary fractions of them.
        let _ = write!(text, "{comma}{}:{}", quoted(&format!("{prefix}{label}")), point.number);
    }
    text.push_str("}}");
    text
}

/// A text of JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
