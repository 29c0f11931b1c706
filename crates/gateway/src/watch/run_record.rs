//! Why the run before ended, how often it ended badly, and whether the configuration is the same as then.
use crate::config::Gateway;
use crate::event::EventCode;
use crate::harmless::harmless;
use metergate_reading::{Instant, Trust};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io;
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};

/// Longest message of a panic that is kept: its first line says what it is.
const MESSAGE_LEN_MAX: usize = 300;

/// How the run before ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum StartReason {
    /// There was none in this state directory, or there is no state directory.
    First,
    /// It was asked to end, and the host has been up since.
    CleanRestart,
    /// It was asked to end, and the host was booted anew.
    Reboot,
    /// It ended by itself.
    Crash {
        /// What it said; `None`: it was killed, by a person, the watchdog or for lack of memory.
        what: Option<String>,
    },
    /// It ran until the host lost its power or was reset.
    PowerLoss,
    /// Its record cannot be read.
    Unknown,
}

impl StartReason {
    /// The stable name, as `status.json` has it.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        match self {
            Self::First => "first",
            Self::CleanRestart => "clean_restart",
            Self::Reboot => "reboot",
            Self::Crash { .. } => "crash",
            Self::PowerLoss => "power_loss",
            Self::Unknown => "unknown",
        }
    }
}

/// In the words of an event.
impl std::fmt::Display for StartReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::First => f.write_str("for the first time"),
            Self::CleanRestart => f.write_str("after it was asked to end"),
            Self::Reboot => f.write_str("after the host was booted anew"),
            Self::Crash { what: Some(what) } => write!(f, "after a crash: {what}"),
            Self::Crash { what: None } => f.write_str("after it was killed"),
            Self::PowerLoss => f.write_str("after the host lost its power or was reset"),
            Self::Unknown => f.write_str("after a run of which nothing is known"),
        }
    }
}

/// What is known at the start; in `status.json` it stands as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Beginning {
    /// How the run before ended.
    #[serde(flatten)]
    pub reason: StartReason,
    /// The version of the run before, when it was another one.
    pub updated_from: Option<String>,
    /// The configuration means something else than in the run before.
    pub configuration_changed: bool,
    /// How often a run crashed, in the whole life of the state directory.
    pub crashes: u32,
    /// How often the host lost its power or was reset.
    pub power_losses: u32,
}

impl Beginning {
    /// The events that tell it, with their details; the start is the last.
    #[must_use]
    pub fn events(&self) -> Vec<(EventCode, String)> {
        let mut events = Vec::new();
        match &self.reason {
            StartReason::Crash { what } => {
                let what = what.as_deref().unwrap_or("it said nothing, so it was killed or had no memory");
                events.push((EventCode::Crashed, format!("{what}; {} so far", self.crashes)));
            }
            StartReason::PowerLoss => {
                events.push((EventCode::PowerLost, format!("{} so far", self.power_losses)));
            }
            _ => {}
        }
        if self.configuration_changed {
            events.push((EventCode::ConfigurationChanged, String::new()));
        }
        let mut detail = format!("version {}, {}", env!("CARGO_PKG_VERSION"), self.reason);
        if let Some(version) = &self.updated_from {
            // Nobody fails at writing into a string.
            let _ = write!(detail, "; the run before was of version {version}");
        }
        events.push((EventCode::Started, detail));
        events
    }
}

/// The record of this run: a small file in the state directory.
#[derive(Debug)]
pub struct RunRecord {
    path: Option<PathBuf>,
    content: Content,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    version: String,
    /// For people; absent when the time could not be trusted.
    started: Option<String>,
    /// The boot in which it ran.
    boot: Option<String>,
    configuration: String,
    /// It ended as it was asked to.
    clean: bool,
    crashes: u32,
    power_losses: u32,
}

impl RunRecord {
    /// Name of the file in the state directory.
    pub const FILE_NAME: &'static str = "run.json";

    /// Name of the file that a panic leaves behind, until the next start has read it.
    pub const PANIC_FILE_NAME: &'static str = "panic.txt";

    /// Says how the run before ended and begins the record of this one. `boot` is [`crate::clock::boot_id`],
    /// `configuration` a [`fingerprint`].
    ///
    /// # Errors
    /// When the record cannot be written, with what is known and a record that is kept in memory. The gateway runs all
    /// the same; the next start will not know how this run ended.
    pub fn begin(
        state_directory: Option<&Path>,
        at: Instant,
        boot: Option<String>,
        configuration: String,
    ) -> (Self, Beginning, io::Result<()>) {
        let path = state_directory.map(|directory| directory.join(Self::FILE_NAME));
        let before = path.as_deref().map_or(Ok(None), read);
        let panic = state_directory.and_then(|directory| take_panic(&directory.join(Self::PANIC_FILE_NAME)));
        let reason = match (&before, panic) {
            (Err(_), None) => StartReason::Unknown,
            (_, Some(what)) => StartReason::Crash { what: Some(what) },
            (Ok(None), None) => StartReason::First,
            (Ok(Some(before)), None) => match (before.clean, before.boot == boot) {
                (true, true) => StartReason::CleanRestart,
                (true, false) => StartReason::Reboot,
                (false, true) => StartReason::Crash { what: None },
                (false, false) => StartReason::PowerLoss,
            },
        };
        let before = before.ok().flatten();
        let crashes = before.as_ref().map_or(0, |before| before.crashes);
        let power_losses = before.as_ref().map_or(0, |before| before.power_losses);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let beginning = Beginning {
            crashes: crashes.saturating_add(u32::from(matches!(reason, StartReason::Crash { .. }))),
            power_losses: power_losses.saturating_add(u32::from(reason == StartReason::PowerLoss)),
            // Another version may write its configuration differently.
            configuration_changed: before
                .as_ref()
                .is_some_and(|before| before.version == version && before.configuration != configuration),
            updated_from: before.map(|before| before.version).filter(|before| *before != version),
            reason,
        };
        let content = Content {
            version,
            started: time_of_day(at),
            boot,
            configuration,
            clean: false,
            crashes: beginning.crashes,
            power_losses: beginning.power_losses,
        };
        let record = Self { path, content };
        let written = record.write();
        (record, beginning, written)
    }

    /// The run ends as it was asked to.
    ///
    /// # Errors
    /// What the system says; the next start will take this run for a crash.
    pub fn end(mut self) -> io::Result<()> {
        self.content.clean = true;
        self.write()
    }

    /// Lets a panic leave its message and place behind for the next start, beside what it says on standard error.
    ///
    /// The message of a panic is what a programmer wrote, with values in it that print: keys and passwords have types
    /// that do not.
    pub fn keep_panics(state_directory: &Path) {
        let path = state_directory.join(Self::PANIC_FILE_NAME);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // Nothing can be done when even this fails.
            let _ = crate::state::replace(&path, sentence(info).as_bytes());
            before(info);
        }));
    }

    fn write(&self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut text = serde_json::to_vec_pretty(&self.content)?;
        text.push(b'\n');
        crate::state::replace(path, &text)
    }
}

/// What the configuration means, as 32 hexadecimal digits, without anything secret: another key of a meter does not
/// change it.
#[must_use]
pub fn fingerprint(gateway: &Gateway) -> String {
    // The debug form is the one that holds every setting and no secret.
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{gateway:?}").as_bytes());
    digest.as_ref().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `None`: there is no file. A file that is there and cannot be read or understood is an error.
fn read(path: &Path) -> io::Result<Option<Content>> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a panic left behind; it is told once.
fn take_panic(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let _ = std::fs::remove_file(path);
    Some(bounded(&String::from_utf8_lossy(&bytes)))
}

/// `crates/gateway/src/pipeline.rs:77 in thread main: index out of bounds`
fn sentence(info: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let place = info.location().map_or_else(String::new, |at| format!("{}:{} ", at.file(), at.line()));
    let message = info.payload_as_str().unwrap_or("no message");
    bounded(&format!("{place}in thread {}: {message}", thread.name().unwrap_or("without name")))
}

fn bounded(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    harmless(first).chars().take(MESSAGE_LEN_MAX).collect()
}

fn time_of_day(at: Instant) -> Option<String> {
    if at.trust == Trust::None {
        return None;
    }
    jiff::Timestamp::from_millisecond(at.unix_ms).ok().map(|at| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const AT: Instant = Instant { unix_ms: 1_775_986_800_000, trust: Trust::HostSynchronised };

    fn begin(folder: &Path, boot: &str, configuration: &str) -> (RunRecord, Beginning) {
        let (record, beginning, written) =
            RunRecord::begin(Some(folder), AT, Some(boot.to_owned()), configuration.to_owned());
        written.unwrap();
        (record, beginning)
    }

    fn reason(folder: &Path, boot: &str) -> StartReason {
        begin(folder, boot, "c").1.reason
    }

    #[test]
    fn the_next_start_knows_how_the_run_before_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (record, beginning) = begin(folder.path(), "boot 1", "c");
        assert_eq!(beginning.reason, StartReason::First);
        record.end().unwrap();
        let (record, beginning) = begin(folder.path(), "boot 1", "c");
        assert_eq!(beginning.reason, StartReason::CleanRestart);
        record.end().unwrap();
        let (_killed, beginning) = begin(folder.path(), "boot 2", "c");
        assert_eq!(beginning.reason, StartReason::Reboot);
        let (_killed, beginning) = begin(folder.path(), "boot 2", "c");
        assert_eq!(beginning.reason, StartReason::Crash { what: None });
        let (_off, beginning) = begin(folder.path(), "boot 3", "c");
        assert_eq!(beginning.reason, StartReason::PowerLoss);
        assert_eq!((beginning.crashes, beginning.power_losses), (1, 1));
        let codes: Vec<EventCode> = beginning.events().into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, [EventCode::PowerLost, EventCode::Started]);
    }

    #[test]
    fn crashes_are_counted_over_good_runs() {
        let folder = tempfile::tempdir().unwrap();
        for expected in 0..4 {
            let (_killed, beginning) = begin(folder.path(), "boot", "c");
            assert_eq!(beginning.crashes, expected);
        }
        begin(folder.path(), "boot", "c").0.end().unwrap();
        let (_, beginning) = begin(folder.path(), "boot", "c");
        assert_eq!((beginning.reason, beginning.crashes), (StartReason::CleanRestart, 4));
    }

    #[test]
    fn what_a_panic_left_behind_is_told_once_and_counts_as_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let (_, _) = begin(folder.path(), "boot 1", "c");
        let left = folder.path().join(RunRecord::PANIC_FILE_NAME);
        std::fs::write(&left, "src/a.rs:7 in thread sink: \u{1b}[2Jbad\nsecond line").unwrap();
        // The host was switched off and on since; the panic came first.
        let (_, beginning) = begin(folder.path(), "boot 2", "c");
        let what = "src/a.rs:7 in thread sink: \\u{1b}[2Jbad".to_owned();
        assert_eq!(beginning.reason, StartReason::Crash { what: Some(what) });
        assert_eq!(beginning.events()[0].0, EventCode::Crashed);
        assert!(!left.exists());
        assert_eq!(reason(folder.path(), "boot 2"), StartReason::Crash { what: None });
    }

    #[test]
    fn the_status_tells_reason_and_counts() {
        let beginning = |reason| Beginning {
            reason,
            updated_from: None,
            configuration_changed: true,
            crashes: 2,
            power_losses: 0,
        };
        let json = |reason| serde_json::to_value(beginning(reason)).unwrap();
        assert_eq!(
            json(StartReason::Crash { what: None }),
            serde_json::json!({
                "reason": "crash", "what": null, "updated_from": null, "configuration_changed": true,
                "crashes": 2, "power_losses": 0
            })
        );
        assert_eq!(json(StartReason::CleanRestart)["reason"], "clean_restart");
    }

    #[test]
    fn a_changed_configuration_is_told_and_another_version_is_not_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!begin(folder.path(), "b", "one").1.configuration_changed, "there was none before");
        assert!(!begin(folder.path(), "b", "one").1.configuration_changed);
        let (_, beginning) = begin(folder.path(), "b", "two");
        assert!(beginning.events().iter().any(|(code, _)| *code == EventCode::ConfigurationChanged));
        let path = folder.path().join(RunRecord::FILE_NAME);
        let older = std::fs::read_to_string(&path).unwrap().replace(env!("CARGO_PKG_VERSION"), "0.0.9");
        std::fs::write(&path, older).unwrap();
        let (_, beginning) = begin(folder.path(), "b", "three");
        assert!(!beginning.configuration_changed);
        assert_eq!(beginning.updated_from.as_deref(), Some("0.0.9"));
        assert!(beginning.events().pop().unwrap().1.contains("0.0.9"));
    }

    #[test]
    fn a_record_that_cannot_be_read_is_unknown_and_one_that_cannot_be_written_is_said() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(RunRecord::FILE_NAME), "{ torn").unwrap();
        assert_eq!(reason(folder.path(), "b"), StartReason::Unknown);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (_, beginning, written) = RunRecord::begin(Some(&file), AT, None, String::new());
        assert!(written.is_err());
        assert_eq!(beginning.crashes, 0);
        let (record, beginning, written) = RunRecord::begin(None, AT, None, String::new());
        written.unwrap();
        assert_eq!(beginning.reason, StartReason::First);
        record.end().unwrap();
    }

    #[test]
    fn a_time_that_cannot_be_trusted_is_absent() {
        assert_eq!(time_of_day(AT).as_deref(), Some("2026-04-12T09:40:00.000Z"));
        assert_eq!(time_of_day(Instant { unix_ms: 0, trust: Trust::None }), None);
    }

    #[test]
    fn a_fingerprint_knows_settings_and_no_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let fingerprint_of = |speed: &str, key: &str| {
            let path = folder.path().join("metergate.toml");
            let meter =
                format!("port = \"/dev/ttyUSB0\"\nprotocol = \"dlms-mbus\"\nbaud = {speed}\nkey = \"{key}\"");
            std::fs::write(&path, format!("[default.meter.haus]\n{meter}\n")).unwrap();
            let gateway = config::load_in(&config::Source::file(path), &config::Surroundings::default());
            fingerprint(&gateway.unwrap())
        };
        let usual = fingerprint_of("2400", "000102030405060708090A0B0C0D0E0F");
        assert_eq!(usual.len(), 32);
        assert_eq!(usual, fingerprint_of("2400", "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF"));
        assert_ne!(usual, fingerprint_of("9600", "000102030405060708090A0B0C0D0E0F"));
    }

    /// Panics in a process of its own, for the test below: a hook belongs to the whole process.
    #[test]
    #[ignore = "started by a_panic_leaves_its_message_and_place"]
    fn child() {
        let folder = std::env::var_os("TEST_STATE_DIRECTORY").unwrap();
        RunRecord::keep_panics(Path::new(&folder));
        panic!("this is a test\nof several lines");
    }

    #[test]
    fn a_panic_leaves_its_message_and_place() {
        let folder = tempfile::tempdir().unwrap();
        begin(folder.path(), "boot", "c");
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "watch::run_record::tests::child", "--ignored"])
            .env("TEST_STATE_DIRECTORY", folder.path())
            .output()
            .unwrap();
        assert!(!child.status.success());
        let StartReason::Crash { what: Some(what) } = reason(folder.path(), "boot") else { panic!() };
        assert!(what.contains("run_record.rs:") && what.ends_with("child: this is a test"), "{what}");
        let told =
            String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
        assert!(told.contains("of several lines"), "standard error has it whole: {told}");
    }
}
