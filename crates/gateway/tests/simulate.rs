//! `metergate simulate`, and `decode` reading what it wrote: both write the same lines.
use assert_cmd::Command;
use metergate_simulator::{EXAMPLE_KEYS, LUXEMBOURG_AUTH_KEY, MeterKind};
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

fn metergate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metergate"));
    command.args(arguments);
    command
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in Unicode")
}

fn hex(key: [u8; 16]) -> String {
    key.map(|byte| format!("{byte:02x}")).concat()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Lines of the truth file and of `decode` about the same bytes.
fn both(kind: MeterKind, more: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    let (bytes, truth) = (folder.path().join("bytes"), folder.path().join("truth"));
    let arguments = ["simulate", kind.short_name(), "--out", text(&bytes), "--truth", text(&truth)];
    metergate(&arguments).args(["--count", "5", "--seed", "3"]).args(more).assert().success();
    let [key, auth_key] = EXAMPLE_KEYS;
    let auth_key = if kind == MeterKind::SagemcomLuxembourg { LUXEMBOURG_AUTH_KEY } else { auth_key };
    let mut decode = metergate(&["decode", text(&bytes), "--format", "json"]);
    if kind.is_encrypted() {
        decode.args(["--key", &hex(key), "--auth-key", &hex(auth_key)]);
    }
    let decoded = decode.output().expect("it runs").stdout;
    let truth = std::fs::read_to_string(&truth).expect("a truth file");
    (lines(&truth), lines(&String::from_utf8(decoded).expect("text")))
}

#[test]
fn decode_finds_without_being_told_what_every_meter_meant() {
    for kind in MeterKind::all() {
        let (truth, mut decoded) = both(kind, &[]);
        assert_eq!(truth.len(), 5, "{}", kind.name());
        // The ledger does not guess the model.
        for line in &mut decoded {
            line["meter"]["model"] = Value::Null;
        }
        assert_eq!(decoded, truth, "{}", kind.name());
    }
}

#[test]
fn a_damaged_telegram_says_in_the_truth_file_what_was_done() {
    let (truth, decoded) = both(MeterKind::KaifaMa309mNetzNoe, &["--fault", "flip:1"]);
    assert!(
        truth.iter().all(|line| line["faults"][0].as_str().is_some_and(|text| text.starts_with("flip: ")))
    );
    assert!(decoded.iter().all(|line| line["error"].is_object()), "{decoded:?}");
}

#[test]
fn the_same_seed_writes_the_same_file() {
    let write = |seed: &str| {
        metergate(&["simulate", "fluvius", "--out", "-", "--count", "3", "--seed", seed])
            .output()
            .expect("it runs")
            .stdout
    };
    assert_eq!(write("4"), write("4"));
    assert_ne!(write("4"), write("5"));
    assert!(write("4").starts_with(b"/FLU5"));
}

#[test]
fn wrong_usage_is_explained_before_anything_begins() {
    for (arguments, expected) in [
        (&["toaster"][..], "there is no simulated meter `toaster`"),
        (&["kaifa", "--fault", "flood:1"], "there is no fault `flood`"),
        (&["kaifa", "--fault", "drop:2"], "`2` is no rate"),
        (&["dsmr5", "--fault", "wrong-key:1"], "which does not encrypt"),
        (&["sml", "--fault", "echo:1"], "which speaks without being asked"),
        (&["kaifa", "--key", "0011"], "--key"),
    ] {
        let output = metergate(&["simulate"]).args(arguments).args(["--out", "-"]).output().expect("it runs");
        let errors = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn on_a_tcp_port_it_speaks_to_whoever_connects_and_ends_after_the_count() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_metergate"))
        .args(["simulate", "sml", "--tcp", "127.0.0.1:0", "--count", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = [0; 200];
    let read = child.stdout.as_mut().expect("a pipe").read(&mut first).expect("a line");
    let line = String::from_utf8_lossy(&first[..read]).into_owned();
    let address = line.split("tcp://").nth(1).and_then(|rest| rest.split(',').next()).expect("an address");
    let mut client = std::net::TcpStream::connect(address).expect("it listens");
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).expect("a telegram");
    assert!(bytes.starts_with(&[0x1B, 0x1B, 0x1B, 0x1B, 1, 1, 1, 1]) && bytes.len() > 300, "{bytes:02X?}");
    assert!(child.wait().expect("a child").success());
}

#[test]
fn an_interrupt_takes_the_link_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("meter");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_metergate"))
        .args(["simulate", "mode-c", "--pty", text(&link)])
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let begin = Instant::now();
    while !link.exists() {
        assert!(begin.elapsed() < Duration::from_secs(5), "no link");
        std::thread::sleep(Duration::from_millis(10));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .expect("a signal");
    assert!(child.wait().expect("a child").success());
    assert!(!link.is_symlink());
}
