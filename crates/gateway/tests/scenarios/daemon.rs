//! The program in a folder of its own, and a P1 meter that says what a test wants.
use crate::broker::Listener;
use metergate_gateway::store::{self, Reader};
use metergate_reading::RegisterId;
use metergate_simulator::clock;
use metergate_wire::{Writer, p1};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Nothing takes longer unless it is broken. A disk that works again is found so after 30 s at the latest.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// A telegram of a meter with this number, sent at `unix_s` by its own clock.
pub(crate) fn telegram(unix_s: i64, meter: &str, lines: &[(&str, &str)]) -> Vec<u8> {
    emit(Some(unix_s), meter, lines)
}

/// The same, of a meter without a clock if there is no time.
fn emit(unix_s: Option<i64>, meter: &str, lines: &[(&str, &str)]) -> Vec<u8> {
    let number: String = meter.bytes().map(|byte| format!("{byte:02X}")).collect();
    let mut buffer = vec![0; p1::TELEGRAM_LEN_MAX];
    let mut out = Writer::new(&mut buffer);
    let mut telegram = p1::Emitter::begin(&mut out, b"/ISK5\\2M550T-1012").unwrap();
    if let Some(unix_s) = unix_s {
        let season = if clock::offset_min(unix_s) == 120 { 'S' } else { 'W' };
        let local = jiff::Timestamp::from_second(clock::local_s(unix_s)).unwrap();
        let stamp = format!("{}{season}", local.strftime("%y%m%d%H%M%S"));
        telegram.line(b"0-0:1.0.0", &[stamp.as_bytes()]).unwrap();
    }
    telegram.line(b"0-0:96.1.1", &[number.as_bytes()]).unwrap();
    for (address, value) in lines {
        telegram.line(address.as_bytes(), &[value.as_bytes()]).unwrap();
    }
    telegram.finish().unwrap();
    out.written().to_vec()
}

/// One with the counter of active energy alone, in Wh as kWh with three decimals.
pub(crate) fn counter(unix_s: i64, meter: &str, wh: i64) -> Vec<u8> {
    telegram(unix_s, meter, &[("1-0:1.8.0", &kwh(wh))])
}

/// The same of a meter without a clock.
pub(crate) fn counter_without_time(meter: &str, wh: i64) -> Vec<u8> {
    emit(None, meter, &[("1-0:1.8.0", &kwh(wh))])
}

fn kwh(wh: i64) -> String {
    format!("{:06}.{:03}*kWh", wh / 1000, wh % 1000)
}

/// The counter of active energy.
pub(crate) fn energy() -> RegisterId {
    "1-0:1.8.0".parse().unwrap()
}

/// A subscriber in a thread of its own, which nothing in a test holds up.
pub(crate) fn listen(port: u16, topic: &'static str) -> Arc<Listener> {
    let (tell, started) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tell.send(Arc::new(Listener::start(port, &[topic]).await)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    started.recv().unwrap()
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    wait_within(DEADLINE, what, condition);
}

/// Waits for one that takes longer.
#[track_caller]
pub(crate) fn wait_within(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + deadline;
    while !condition() {
        assert!(Instant::now() < end, "no {what} within {deadline:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A command under strace, which answers in place of the kernel whether a time service keeps the host's clock: so a
/// test says the same on every host. It keeps its process id.
pub(crate) fn with_clock(command: &Command, synchronised: bool, preload: Option<&str>) -> Command {
    let state = if synchronised { "0" } else { "5" };
    let mut traced = Command::new("strace");
    traced
        .args(["-D", "-f", "--seccomp-bpf", "-q", "-o", "/dev/null"])
        .args(["-e", "trace=adjtimex,clock_adjtime", "-e", "signal=none"])
        .args(["-e", &format!("inject=adjtimex,clock_adjtime:retval={state}")])
        .args(preload.into_iter().flat_map(|library| ["-E".to_owned(), format!("LD_PRELOAD={library}")]))
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    traced
}

/// True, with a word to who reads it, on a host that lets nobody trace a program.
pub(crate) fn is_untraceable() -> bool {
    let traced = with_clock(&Command::new("true"), true, None).status();
    let untraceable = !traced.is_ok_and(|status| status.success());
    if untraceable {
        eprintln!("NOT RUN: this host lets nobody trace a program (strace)");
    }
    untraceable
}

/// Configuration, state and what the program says.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    /// A meter `haus` on standard input, with further keys of it and further sections.
    pub(crate) fn new(meter: &str, sections: &str) -> Self {
        Self::on("stdin", meter, sections)
    }

    /// The same with the meter on another port.
    pub(crate) fn on(port: &str, meter: &str, sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[default]\nstate_directory = \"state\"\n[default.store]\ncommit_interval = \"1 s\"\n{sections}\n\
             [default.meter.haus]\nport = \"{port}\"\nprotocol = \"p1\"\n{meter}\n"
        );
        std::fs::write(folder.path().join("metergate.toml"), text).unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command of the program with the surroundings of this place.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_metergate"));
        command
            .args(args)
            .args(["--config", "metergate.toml"])
            .current_dir(self.folder.path())
            .env_remove("METERGATE_CONFIG")
            .env_remove("NOTIFY_SOCKET")
            .env("RUNTIME_DIRECTORY", self.path("run"));
        command
    }

    pub(crate) fn start(&self) -> Daemon<'_> {
        self.start_as(self.command(&["run"]))
    }

    pub(crate) fn start_as(&self, mut command: Command) -> Daemon<'_> {
        let log = |name| std::fs::File::options().create(true).append(true).open(self.path(name)).unwrap();
        let mut process =
            command.stdin(Stdio::piped()).stdout(log("out")).stderr(log("log")).spawn().unwrap();
        let line = process.stdin.take();
        Daemon { place: self, process, line }
    }

    /// A whole run: the telegrams, then the end.
    pub(crate) fn run(&self, telegrams: &[u8]) {
        let mut daemon = self.start();
        daemon.say(telegrams);
        daemon.end();
    }

    /// What a command says: exit status, standard output, standard error.
    pub(crate) fn ask(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout), text(stderr))
    }

    /// Codes of all events, oldest first, with their details.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        let (_, out, _) = self.ask(&["events", "--format", "json"]);
        let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| (text(&line["code"]), text(&line["detail"]))).collect()
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(&self.path("state").join(store::FILE_NAME)).unwrap()
    }

    /// How many readings the store has, 0 before there is one.
    pub(crate) fn rows(&self) -> usize {
        Reader::open(&self.path("state").join(store::FILE_NAME))
            .and_then(|mut reader| reader.rows_after(0, 1_000_000))
            .map_or(0, |rows| rows.len())
    }

    /// `status.json`; nothing while there is none.
    pub(crate) fn status(&self) -> Value {
        let text = std::fs::read(self.path("run/status.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or(Value::Null)
    }

    /// What the program has said of itself.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// What it has written to standard output.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(self.path("out")).unwrap_or_default()
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The running program; killed when dropped.
pub(crate) struct Daemon<'a> {
    place: &'a Place,
    process: Child,
    line: Option<ChildStdin>,
}

impl Daemon<'_> {
    pub(crate) fn say(&mut self, telegrams: &[u8]) {
        if let Err(error) = self.line.as_mut().unwrap().write_all(telegrams) {
            panic!("{error}: {}", self.place.log());
        }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The meter is unplugged for good, and the program ends by itself.
    pub(crate) fn end(mut self) {
        drop(self.line.take());
        self.wait();
    }

    /// It is asked to end.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        self.wait();
    }

    /// It is ended without a word.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn wait(&mut self) {
        wait_for("end of the program", || self.process.try_wait().unwrap().is_some());
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.place.log());
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
