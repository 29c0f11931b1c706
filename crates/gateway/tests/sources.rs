//! The same bytes are the same readings, wherever they come from and in whatever pieces.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
mod support;

use metergate_gateway::clock::Clock;
use metergate_gateway::config::{MeterSetup, Place};
use metergate_gateway::port::Speed;
use metergate_gateway::reader::{Known, Reader};
use metergate_gateway::shutdown;
use metergate_gateway::update::{Update, What};
use metergate_meter::Protocol;
use metergate_simulator::MeterKind;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use support::{meter, resident, runtime, simulation, telegrams, wait_for};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

/// Telegrams with damage between them: a lost byte, foreign bytes, a cut end.
fn stream() -> Vec<u8> {
    let faults = vec!["drop:0.2".parse().unwrap(), "noise:0.2".parse().unwrap()];
    let mut bytes = telegrams(&mut simulation(MeterKind::EasyMeterQ3a, faults), 20);
    bytes.truncate(bytes.len() - 30);
    bytes
}

/// What sinks show of an update: the line of JSON.
fn line(update: &Update) -> Option<String> {
    update
        .telegram()
        .map(|telegram| telegram.line().to_string())
        .or_else(|| update.error_line().map(|line| line.to_string()))
}

fn start(setup: MeterSetup) -> (mpsc::Receiver<Update>, shutdown::Trigger) {
    let (sender, updates) = mpsc::channel(64);
    let (trigger, shutdown) = shutdown::channel();
    tokio::spawn(
        Reader::new(setup, Known::default(), Speed::UNPACED, Clock::start(), sender, shutdown)
            .run(support::heartbeat()),
    );
    (updates, trigger)
}

fn from_file(bytes: &[u8], protocol: Option<Protocol>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.bin");
    std::fs::write(&path, bytes).unwrap();
    runtime().block_on(async {
        let (mut updates, _trigger) = start(meter("haus", Place::File(path), protocol));
        let mut lines = Vec::new();
        wait_for(&mut updates, "end", |update| {
            lines.extend(line(update));
            matches!(update.what, What::Ended)
        })
        .await;
        lines
    })
}

/// From a serial server that sends in odd pieces and then falls silent.
fn from_tcp(bytes: &[u8], lines: usize) -> Vec<String> {
    runtime().block_on(async {
        let server = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = server.local_addr().unwrap().port();
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            let (mut connection, _) = server.accept().await.unwrap();
            for piece in bytes.chunks(37) {
                connection.write_all(piece).await.unwrap();
                connection.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        });
        let place = Place::Tcp { host: "127.0.0.1".to_owned(), port };
        let (mut updates, _trigger) = start(meter("haus", place, Some(Protocol::Sml)));
        let mut found = Vec::new();
        wait_for(&mut updates, "last line", |update| {
            found.extend(line(update));
            found.len() == lines
        })
        .await;
        found
    })
}

/// Through the whole program, from its standard input to its standard output.
fn from_stdin(bytes: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("metergate.toml");
    std::fs::write(
        &config,
        "[default.meter.haus]\nport = \"stdin\"\nprotocol = \"sml\"\n\
         [default.sink.screen]\nkind = \"stdout\"\nformat = \"json\"\n",
    )
    .unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_metergate"))
        .args(["run", "--config"])
        .arg(&config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = program.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.split_once(",\"source\":\"haus\",\"received\":\"").unwrap().0.to_owned() + "}")
        .collect()
}

/// Memory is that of the process: only one test at a time may have any.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn file_serial_server_and_standard_input_give_the_same_lines() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = stream();
    let lines = from_file(&bytes, Some(Protocol::Sml));
    let refused = lines.iter().filter(|line| line.contains("\"error\"")).count();
    assert!(lines.len() - refused >= 10 && refused >= 3, "{} lines, {refused} refused", lines.len());
    assert_eq!(from_tcp(&bytes, lines.len()), lines);
    assert_eq!(from_stdin(&bytes), lines);
    assert_eq!(from_file(&bytes, None), lines, "recognised without being told");
}

#[test]
fn a_mebibyte_of_noise_at_full_rate_is_no_telegram_and_takes_no_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // Numerical Recipes' generator: noise that is the same each time.
    let mut state = 1u32;
    let noise: Vec<u8> = (0..1 << 20)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noise.bin");
    std::fs::write(&path, &noise).unwrap();
    for protocol in [None].into_iter().chain(Protocol::ALL.map(Some)) {
        runtime().block_on(async {
            let before = resident();
            let (mut updates, _trigger) = start(meter("haus", Place::File(path.clone()), protocol));
            let (mut verdict, mut telegrams) = (None, 0);
            wait_for(&mut updates, "end", |update| {
                if let What::Verdict(found) = update.what {
                    verdict = Some(found.code());
                }
                telegrams += usize::from(update.telegram().is_some());
                matches!(update.what, What::Ended)
            })
            .await;
            assert_eq!(telegrams, 0, "{protocol:?}");
            // In noise some bytes begin a frame of a protocol with short marks: then it looks damaged.
            assert!(matches!(verdict, Some("noise" | "damaged")), "{protocol:?}: {verdict:?}");
            let grown = resident().saturating_sub(before);
            assert!(grown < 1 << 20, "{protocol:?}: memory grew by {grown} bytes");
        });
    }
}

/// Longer captures repeat themselves.
const CAPTURE_LEN_MAX: usize = 64 * 1024;

/// What `decode` prints for these bytes.
fn decoded(path: &Path) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_metergate"))
        .args(["decode", "--format", "json", "--input", "binary"])
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
}

#[test]
fn the_daemon_says_of_published_captures_what_decode_says() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let Ok(families) = std::fs::read_dir(&corpus) else {
        println!("corpus not present: skipped");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for family in families.map(|family| family.unwrap().path()).filter(|path| !path.ends_with("wmbus")) {
        let Ok(files) = std::fs::read_dir(&family) else { continue };
        for path in files.map(|file| file.unwrap().path()) {
            if path.extension().is_none_or(|extension| extension != "bin") {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let capture = folder.path().join("capture.bin");
            std::fs::write(&capture, bytes.get(..CAPTURE_LEN_MAX).unwrap_or(&bytes)).unwrap();
            let expected = decoded(&capture);
            // What nothing recognises has no conversation, so the daemon has no line for it.
            if expected.iter().any(|line| line.contains("\"protocol\":null")) {
                continue;
            }
            assert_eq!(
                from_file(&bytes[..bytes.len().min(CAPTURE_LEN_MAX)], None),
                expected,
                "{}",
                path.display()
            );
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared} captures");
}
