//! The body of a push: `{"streams":[{"stream":{labels},"values":[["nanoseconds","line"],...]}]}`.
use crate::event::Event;
use crate::sink::sample::Entry;
use serde::Serialize;

/// Where pushes go.
pub(super) const PATH: &str = "/loki/api/v1/push";

#[derive(Serialize)]
struct Push<'a> {
    streams: Vec<LogStream<'a>>,
}

#[derive(Serialize)]
struct LogStream<'a> {
    #[serde(rename = "stream")]
    labels: Labels<'a>,
    values: Vec<(String, String)>,
}

/// What people look for. Each set of values is a stream of its own to Loki, and of these there are few: the number of
/// events by that of meters and sinks.
#[derive(Serialize, PartialEq)]
struct Labels<'a> {
    job: &'a str,
    event: &'static str,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<&'a str>,
}

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    message: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
    count: u32,
}

/// The events among the entries; `None` when there are none.
///
/// Streams stand in the order of their first event, the lines of each in the order of the store.
pub(super) fn body(job: &str, entries: &[Entry]) -> Option<String> {
    let mut streams: Vec<LogStream<'_>> = Vec::new();
    for entry in entries {
        let Entry::Event(event) = entry else { continue };
        let labels = Labels {
            job,
            event: event.code.text(),
            severity: event.code.severity().text(),
            about: event.about.as_deref().filter(|about| !about.is_empty()),
        };
        let value = (nanoseconds(event.at.unix_ms), line(event));
        match streams.iter_mut().find(|stream| stream.labels == labels) {
            Some(stream) => stream.values.push(value),
            None => streams.push(LogStream { labels, values: vec![value] }),
        }
    }
    // Structs of texts and integers are always JSON.
    (!streams.is_empty()).then(|| serde_json::to_string(&Push { streams }).unwrap_or_default())
}

/// Digits are appended: nanoseconds since 1970 end in 2262 as a number.
fn nanoseconds(unix_ms: i64) -> String {
    if unix_ms == 0 { "0".to_owned() } else { format!("{unix_ms}000000") }
}

/// What is no label, as an object that `| json` of a query takes apart.
fn line(event: &Event) -> String {
    let Event { seq, count, .. } = *event;
    let line = Line { seq, message: event.code.sentence(), detail: &event.detail, count };
    serde_json::to_string(&line).unwrap_or_default()
}
