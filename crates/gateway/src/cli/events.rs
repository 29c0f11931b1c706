//! `metergate events`: what happened, from the store, whether the gateway runs or not.
use super::{Failure, Format, Outcome};
use crate::config;
use crate::event::{Event, EventCode, Severity, Subject};
use crate::store::{FILE_NAME, Reader, StoreError};
use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp, civil};
use metergate_reading::{Instant, Trust};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `metergate events`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration stands; it says where the store is.
    #[command(flatten)]
    pub config: config::Source,
    /// The store itself, when no configuration leads to it.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// Only what happened since: `2h`, `3 days`, `2026-04-12`, `2026-04-12T09:40` or with a zone.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what is about this meter.
    #[arg(long, value_name = "NAME")]
    pub meter: Option<String>,
    /// How to write them.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Where the service keeps its state, for a person whose surroundings do not say so.
const SERVICE: &str = "/var/lib/metergate";

/// Read from the store at a time: some hundred kilobytes.
const PAGE: usize = 500;

/// Writes the events, oldest first.
///
/// # Errors
/// When `--since` is no time, the store is not there or cannot be read, or `out` does not take what is written.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let since = args.since.as_deref().map(|since| moment(since, Timestamp::now(), &TimeZone::system()));
    let since = since.transpose()?;
    let mut reader = Reader::open(&place(args)?).map_err(failure)?;
    let is_wanted = |event: &Event| {
        // Nobody knows when an event without a time happened, so that no time leaves it out.
        let late = since
            .is_none_or(|since| event.at.trust == Trust::None || event.at.unix_ms >= since.as_millisecond());
        let about = event.about.as_deref().filter(|_| event.code.subject() == Subject::Meter);
        late && args.meter.as_deref().is_none_or(|meter| about == Some(meter))
    };
    let (mut seq, mut written) = (0, 0u64);
    loop {
        let events = reader.events_after(seq, PAGE).map_err(failure)?;
        let Some(last) = events.last() else { break };
        seq = last.seq;
        for event in events.iter().filter(|event| is_wanted(event)) {
            written += 1;
            match args.format {
                Format::Text => text(event, out)?,
                Format::Json => {
                    let line = serde_json::to_string(&Line::from(event)).map_err(std::io::Error::from)?;
                    writeln!(out, "{line}")?;
                }
            }
        }
    }
    if written == 0 && args.format == Format::Text {
        writeln!(out, "no events")?;
    }
    Ok(Outcome::Done)
}

/// Where the store is: named, or in the state directory of the configuration or of the service.
fn place(args: &Args) -> Result<PathBuf, Failure> {
    if let Some(store) = &args.store {
        return Ok(store.clone());
    }
    let directory = config::load(&args.config)?.state_directory.unwrap_or_else(|| {
        let service = PathBuf::from(SERVICE);
        if args.config.profile == "default" {
            service
        } else {
            service.join("profile").join(&args.config.profile)
        }
    });
    Ok(directory.join(FILE_NAME))
}

fn failure(error: StoreError) -> Failure {
    let absent = matches!(error, StoreError::Absent { .. });
    let failure = Failure::new(error.to_string());
    if absent {
        return failure
            .with_help("`metergate run` begins it in its state directory; `--store FILE` names another");
    }
    failure
}

/// A point in time as a person names one: a span before now, or a date with or without time and zone.
fn moment(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, Failure> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    // A date alone is its midnight, as people here count.
    let local = text.parse::<civil::DateTime>().ok();
    if let Some(at) = local.and_then(|local| local.to_zoned(zone.clone()).ok()) {
        return Ok(at.timestamp());
    }
    let span = text.parse::<jiff::Span>().ok();
    let span = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let before = span.filter(|span| span.is_positive()).and_then(|span| now.checked_sub(span).ok());
    before.ok_or_else(|| {
        Failure::new(format!("--since: `{text}` is no time"))
            .with_help("such as `2h`, `3 days`, `2026-04-12` or `2026-04-12T09:40:00+02:00`")
    })
}

/// One line for people; the words are those of the log.
fn text(event: &Event, out: &mut dyn Write) -> std::io::Result<()> {
    let severity = event.code.severity();
    let style = match severity {
        Severity::Info => Style::new(),
        Severity::Warning => AnsiColor::Yellow.on_default(),
        Severity::Error => AnsiColor::Red.on_default().bold(),
    };
    let time = time(event.at, 0).unwrap_or_else(|| "no time".to_owned());
    let code = event.code.text();
    let width = EventCode::ALL.iter().map(|code| code.text().len()).max().unwrap_or(0);
    let severity = severity.text();
    writeln!(out, "{time:<20}  {style}{severity:<7}{style:#}  {code:<width$}  {event}")
}

/// UTC; absent when nobody knew the time.
fn time(at: Instant, digits: u8) -> Option<String> {
    let at = Some(at).filter(|at| at.trust != Trust::None)?;
    let at = Timestamp::from_millisecond(at.unix_ms).ok()?;
    Some(format!("{at:.precision$}", precision = usize::from(digits)))
}

/// An event as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    time: Option<String>,
    code: &'static str,
    number: Option<i32>,
    severity: &'static str,
    about: Option<&'a str>,
    message: &'static str,
    detail: &'a str,
    count: u32,
}

impl<'a> From<&'a Event> for Line<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            seq: event.seq,
            time: time(event.at, 3),
            code: event.code.text(),
            number: event.code.number(),
            severity: event.code.severity().text(),
            about: event.about.as_deref(),
            message: event.code.sentence(),
            detail: &event.detail,
            count: event.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_span_before_now_or_a_date() {
        let now: Timestamp = "2026-04-12T09:40:00Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let is = |text: &str, expected: &str| {
            assert_eq!(moment(text, now, &zone).unwrap().to_string(), expected, "{text}");
        };
        is("2h", "2026-04-12T07:40:00Z");
        is("90 min", "2026-04-12T08:10:00Z");
        is("3 days", "2026-04-09T09:40:00Z");
        is("2026-04-12", "2026-04-11T22:00:00Z");
        is("2026-04-12T09:40", "2026-04-12T07:40:00Z");
        is("2026-04-12T09:40:00Z", "2026-04-12T09:40:00Z");
        for bad in ["", "soon", "-2h", "2 months", "2026-13-01", "99999999 days"] {
            let failure = moment(bad, now, &zone).unwrap_err();
            assert!(failure.help().is_some(), "{bad}");
        }
    }
}
