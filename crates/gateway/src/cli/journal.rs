//! Where the log goes: to standard error for people, to the journal with its fields when systemd runs the program.
use rustix::fs::Stat;
use std::io::{self, IsTerminal};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Fields that the words of an event hold already; only the journal gets them as fields too.
const IN_MESSAGE: [&str; 4] = ["event_number", "meter", "sink", "source"];

/// Begins the log; a second call, in tests, keeps the first.
///
/// `verbose` is how often `-v` was given. The journal gets one level more by itself: it keeps what is normal under a
/// priority of its own, and the start of a service belongs there.
pub(super) fn begin(verbose: u8) {
    let stderr = rustix::fs::fstat(io::stderr());
    let told = std::env::var("JOURNAL_STREAM").ok();
    if stderr.is_ok_and(|stderr| is_journal(told.as_deref(), &stderr))
        && let Ok(journal) = journal()
    {
        let level = tracing_subscriber::filter::LevelFilter::from_level(level(verbose.max(1)));
        let _ = tracing_subscriber::registry().with(journal).with(level).try_init();
        return;
    }
    let colour = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    // Where the page is, and the code that its first visitor needs, nobody should have to ask for.
    let told = Targets::new()
        .with_default(level(verbose))
        .with_target("metergate_gateway::web", level(verbose.max(1)));
    let _ = tracing_subscriber::fmt()
        .with_max_level(level(verbose.max(1)))
        .with_ansi(colour)
        .with_target(false)
        .fmt_fields(format::debug_fn(write_field))
        .with_writer(io::stderr)
        .finish()
        .with(told)
        .try_init();
}

/// The journal with the fields under their own names: `METER`, `SINK`, `EVENT`, `EVENT_NUMBER`.
fn journal() -> io::Result<tracing_journald::Layer> {
    let journal = tracing_journald::layer()?;
    Ok(journal.with_field_prefix(None).with_syslog_identifier("metergate".to_owned()))
}

fn level(verbose: u8) -> Level {
    match verbose {
        0 => Level::WARN,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

/// Whether standard error leads to the journal: systemd names device and inode of the stream that it gave, and a
/// redirection by somebody between gives another. A terminal is never the journal.
fn is_journal(told: Option<&str>, stderr: &Stat) -> bool {
    let told = told.and_then(|told| told.split_once(':'));
    let numbers = told.and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    numbers == Some((stderr.st_dev, stderr.st_ino)) && !io::stderr().is_terminal()
}

/// One field on a line for people: the message, the stable name of an event, `name=value` for the rest.
fn write_field(
    writer: &mut format::Writer<'_>,
    field: &tracing::field::Field,
    value: &dyn std::fmt::Debug,
) -> std::fmt::Result {
    match field.name() {
        "message" => write!(writer, "{value:?}"),
        "event" => write!(writer, " [{value:?}]"),
        name if IN_MESSAGE.contains(&name) => Ok(()),
        name => write!(writer, " {name}={value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventCode, EventLog, Happened};
    use metergate_reading::{Instant, Trust};
    use std::fs::File;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    #[test]
    fn the_stream_that_systemd_gave_is_the_journal_and_no_other_is() {
        let stream = tempfile::tempfile().unwrap();
        let other = File::open("/dev/null").unwrap();
        let (stream, other) = (rustix::fs::fstat(&stream).unwrap(), rustix::fs::fstat(&other).unwrap());
        let told = format!("{}:{}", stream.st_dev, stream.st_ino);
        assert!(is_journal(Some(&told), &stream));
        assert!(!is_journal(Some(&told), &other), "redirected after the start");
        assert!(!is_journal(None, &stream), "not started by systemd");
        for bad in ["", ":", "1:", "a:b", "1", "18446744073709551616:1"] {
            assert!(!is_journal(Some(bad), &stream), "{bad}");
        }
    }

    /// Standard error of a test.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_a_line_for_people_with_its_stable_name() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_ansi(false)
            .with_target(false)
            .fmt_fields(format::debug_fn(write_field))
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let at = Instant { unix_ms: 0, trust: Trust::HostSynchronised };
            let silent = Happened::new(at, EventCode::Silent, "for 5 min").about("haus".into());
            EventLog::default().tell(silent, Duration::ZERO);
            tracing::warn!(port = "/dev/ttyUSB0", "cannot be locked");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "ERROR meter `haus`: No byte comes: for 5 min [meter.silent]\n\
             \x20WARN cannot be locked port=\"/dev/ttyUSB0\"\n"
        );
    }

    #[test]
    #[ignore = "writes into the journal of this machine: `journalctl EVENT=meter.silent METER=test -o verbose`"]
    fn an_event_arrives_in_the_journal_with_its_fields() {
        let subscriber = tracing_subscriber::registry().with(journal().unwrap());
        tracing::subscriber::with_default(subscriber, || {
            let at = Instant { unix_ms: 0, trust: Trust::HostSynchronised };
            let silent = Happened::new(at, EventCode::Silent, "of a test").about("test".into());
            EventLog::default().tell(silent, Duration::ZERO);
        });
    }
}
