//! The demonstration as a person sees it: on a terminal, and through a pipe.
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const ROWS: NonZeroU16 = NonZeroU16::new(24).expect("not 0");
const COLUMNS: NonZeroU16 = NonZeroU16::new(80).expect("not 0");

/// Title on the screen and name in the truth file.
const METERS: [(&str, &str); 5] = [
    ("EasyMeter Q3A", "easymeter"),
    ("Kaifa MA309M", "kaifa"),
    ("Sagemcom T210-D-r", "sagemcom"),
    ("Kamstrup MULTICAL 403", "multical"),
    ("Iskra MT174", "iskra"),
];

/// A program on a terminal of its own.
struct Terminal {
    child: Child,
    master: OwnedFd,
    screen: vt100::Parser,
    begin: Instant,
}

impl Terminal {
    fn start(arguments: &[&str]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).expect("a pseudo-terminal");
        rustix::pty::grantpt(&master).expect("grantpt");
        rustix::pty::unlockpt(&master).expect("unlockpt");
        let name = rustix::pty::ptsname(&master, Vec::new()).expect("a name");
        let size = Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("open");
        rustix::termios::tcsetwinsize(&slave, size).expect("a size");
        let end = || Stdio::from(slave.try_clone().expect("a copy"));
        let begin = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_metergate"))
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("the program starts");
        let flags = rustix::fs::fcntl_getfl(&master).expect("flags");
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK).expect("flags");
        Self { child, master, screen: vt100::Parser::new(ROWS, COLUMNS, 0), begin }
    }

    /// Takes in what the program has drawn.
    fn look(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = rustix::io::read(&self.master, &mut buffer) {
            self.screen.process(&buffer[..read]);
        }
    }

    fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits for a screen, and gives the time since the start.
    fn wait(&mut self, what: &str, seconds: u64, is_there: impl Fn(&str) -> bool) -> Duration {
        while !is_there(&self.text()) {
            let passed = self.begin.elapsed();
            assert!(passed < Duration::from_secs(seconds), "no {what} within {seconds} s:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(30));
            self.look();
        }
        self.begin.elapsed()
    }

    fn type_in(&mut self, keys: &[u8]) {
        rustix::io::write(&self.master, keys).expect("keys are taken");
    }

    fn ended(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            self.look();
            if let Some(status) = self.child.try_wait().expect("a child") {
                self.look();
                return status;
            }
            assert!(begin.elapsed() < Duration::from_secs(5), "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All values in a truth file, by meter and code.
fn truth(path: &Path) -> HashMap<(String, String), Vec<String>> {
    let mut values: HashMap<(String, String), Vec<String>> = HashMap::new();
    for line in std::fs::read_to_string(path).expect("a truth file").lines() {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let name = line["simulated"].as_str().expect("a name").to_owned();
        for register in line["registers"].as_array().expect("registers") {
            let code = register["obis"].as_str().map(|obis| obis.trim_end_matches("*255").to_owned());
            let code = code.unwrap_or_else(|| format!("KMP {}", register["register"]));
            if let Some(value) = register["value"].as_str() {
                values.entry((name.clone(), code)).or_default().push(value.to_owned());
            }
        }
    }
    values
}

/// Meter, code and value of every register on a screen of 80 columns.
fn shown(screen: &str) -> Vec<(String, String, String)> {
    let (mut name, mut all) = (String::new(), Vec::new());
    for line in screen.lines() {
        if let Some((_, its_name)) =
            METERS.iter().find(|(title, _)| line.starts_with(&format!(" ● {title} ")))
        {
            (*its_name).clone_into(&mut name);
        }
        // Three blanks, the code, the name; the value ends before the unit; then the curve.
        let line: String = line.chars().take(61).collect();
        let Some(rest) = line.strip_prefix("   ").filter(|rest| rest.len() > 40 && !rest.starts_with(' '))
        else {
            continue;
        };
        let code = rest.get(..12).expect("ASCII").trim().to_owned();
        let value = rest.split_whitespace().rev().find(|word| word.parse::<f64>().is_ok());
        if let Some(value) = value.filter(|_| code.contains(':') || code.starts_with("KMP ")) {
            all.push((name.clone(), code, value.to_owned()));
        }
    }
    all
}

fn temporary(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    (folder, path)
}

#[test]
fn five_meters_are_live_within_five_seconds_true_to_the_ledger_and_silent_when_silenced() {
    let (_folder, path) = temporary("truth.json");
    let truth_path = path.to_str().expect("a path");
    let mut terminal =
        Terminal::start(&["demo", "--listen", "off", "--truth", truth_path, "--silence", "easymeter:3"]);
    terminal.wait("five meters", 5, |screen| screen.contains("5 of 5 meters live"));
    let values = shown(&terminal.text());
    for (title, name) in METERS {
        let count = values.iter().filter(|(its_name, ..)| its_name == name).count();
        assert!(count >= 3, "{count} registers of {title}:\n{}", terminal.text());
    }
    let known = truth(&path);
    for (name, code, value) in values {
        let sent = known.get(&(name.clone(), code.clone())).map(Vec::as_slice).unwrap_or_default();
        assert!(sent.contains(&value), "{name} {code}: {value} was never sent, but {sent:?}");
    }

    terminal.wait("silent meter", 15, |screen| screen.contains(" silent · "));
    let left = shown(&terminal.text());
    assert!(left.iter().all(|(name, ..)| name != "easymeter"), "a silent meter's values are shown: {left:?}");
    assert!(terminal.text().contains("4 of 5 meters live"), "{}", terminal.text());

    assert!(terminal.screen.screen().alternate_screen());
    terminal.type_in(b"\x03");
    assert!(terminal.ended().success());
    assert!(!terminal.screen.screen().alternate_screen(), "the terminal is as it was");
    assert!(!terminal.screen.screen().hide_cursor());
}

#[test]
fn a_letter_ends_it_and_an_asked_meter_falls_silent_too() {
    let mut terminal =
        Terminal::start(&["demo", "--listen", "off", "--silence", "multical:2", "--seed", "5"]);
    terminal.wait("five meters", 5, |screen| screen.contains("5 of 5 meters live"));
    // A meter that is asked is told from one that pushes: it does not answer.
    terminal.wait("silent meter", 20, |screen| screen.contains("4 of 5 meters live"));
    assert!(shown(&terminal.text()).iter().all(|(name, ..)| name != "multical"), "{}", terminal.text());
    terminal.type_in(b"q");
    assert!(terminal.ended().success());
}

#[test]
fn through_a_pipe_it_appends_lines_and_ends_at_an_interrupt() {
    let (_folder, path) = temporary("truth.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_metergate"))
        .args(["demo", "--listen", "off", "--truth", path.to_str().expect("a path")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let begin = Instant::now();
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut live: HashMap<String, String> = HashMap::new();
    while live.len() < METERS.len() {
        let line = lines.next().expect("it goes on").expect("a line");
        let mut words = line.split_whitespace().skip(1);
        if let (Some(name), Some(code)) = (words.next(), words.next())
            && code.contains(':')
            && !line.contains("ok: ")
        {
            live.entry(name.to_owned()).or_insert(line.clone());
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{live:?}");
    }
    let known = truth(&path);
    for (name, line) in live {
        assert!(!line.contains('\u{1b}'), "no colours in a pipe: {line}");
        // `09:18:44 kaifa   1-0:1.7.0 0 W, 1-0:2.7.0 5217 W, ...`
        let registers = line.split_once(&name).expect("its name").1;
        for register in registers.split(',').map(str::trim).filter(|register| !register.is_empty()) {
            let mut words = register.split_whitespace();
            let mut code = words.next().expect("a code").to_owned();
            if code == "KMP" {
                code = format!("KMP {}", words.next().expect("a number"));
            }
            let value = words.next().expect("a value").to_owned();
            let sent = known.get(&(name.clone(), code.clone())).map(Vec::as_slice).unwrap_or_default();
            assert!(sent.contains(&value), "{name} {code} {value}: {sent:?}");
        }
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("a signal");
    let status = child.wait().expect("a child");
    assert!(status.success(), "{status}");
    assert!(begin.elapsed() < Duration::from_secs(15));
}
