//! `metergate simulate`: speaks as a meter.
use super::keys::Typed;
use super::truth::Truth;
use super::{Failure, Outcome};
use metergate_simulator::{
    Control, EXAMPLE_KEYS, Fault, LUXEMBOURG_AUTH_KEY, MeterKind, Outlet, Pty, Sent, Settings, Simulation,
    Tcp, speak, unix_s,
};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a file begins: 2026-04-12T09:40:00Z, a spring morning with sun and heating. It does not depend on the host's
/// clock, so that the same arguments give the same file.
const FILE_START_S: i64 = 1_775_986_800;
/// Between two answers in a file, for meters that only speak when they are asked.
const FILE_INTERVAL_S: i64 = 60;

/// Arguments of `metergate simulate`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct Args {
    /// Which meter: a name from the list below.
    pub meter: String,
    /// Speak on a new pseudo-terminal, linked at this path.
    #[arg(long, value_name = "PATH", group = "place")]
    pub pty: Option<PathBuf>,
    /// Listen on this address and speak to whoever connects.
    #[arg(long, value_name = "ADDR", group = "place")]
    pub tcp: Option<String>,
    /// Write into this file as fast as possible; `-` is standard output.
    #[arg(long, value_name = "FILE", group = "place")]
    pub out: Option<PathBuf>,
    /// Stop after this many telegrams; into a file, 1 without this flag.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// The household behind the meter; the same number gives the same day.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Encryption key: 32 hexadecimal digits, or @FILE.
    #[arg(long, value_name = "HEX|@FILE")]
    pub key: Option<Typed>,
    /// Authentication key: 32 hexadecimal digits, or @FILE.
    #[arg(long, value_name = "HEX|@FILE")]
    pub auth_key: Option<Typed>,
    /// Write what was sent to this file, in the JSON of `decode`.
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Do wrong on purpose: a kind of fault and the share of telegrams that it happens to, such as `flip:0.01`; may
    /// be given several times.
    #[arg(long = "fault", value_name = "KIND:RATE")]
    pub faults: Vec<String>,
}

/// The meters and the faults, for the help text.
#[must_use]
pub fn help() -> String {
    let mut text = "Meters, also by their names in `metergate meters`:\n".to_owned();
    for kind in MeterKind::all() {
        text.push_str(&format!("  {:<22}{}\n", kind.short_name(), kind.title()));
    }
    let faults: Vec<&str> = metergate_simulator::FaultKind::ALL.iter().map(|kind| kind.name()).collect();
    text.push_str(&format!("\nFaults: {}", faults.join(", ")));
    text
}

/// Speaks until `--count` telegrams are sent or Ctrl-C.
///
/// # Errors
/// When the meter is not known, a key or a fault is none, or the place cannot be opened.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let settings = settings(args)?;
    let kind = settings.kind;
    let mut truth = args.truth.as_deref().map(Truth::create).transpose()?;
    let mut note = |sent: &Sent| truth.as_mut().map_or(Ok(()), |truth| truth.note(sent, None));
    let mut simulation = Simulation::new(settings).map_err(|error| Failure::new(error.to_string()))?;
    if let Some(file) = &args.out {
        write(&mut simulation, file, args.count.unwrap_or(1), out, &mut note)?;
        return Ok(Outcome::Done);
    }
    // Before there is a link: whoever sees it may end us, and then it has to go.
    let control = Arc::new(Control::default());
    stop_on_signal(Arc::clone(&control))?;
    let mut outlet = open(args, kind)?;
    let place = match &outlet {
        Outlet::Pty(pty) => pty.path().display().to_string(),
        Outlet::Tcp(tcp) => format!("tcp://{}", tcp.address()?),
    };
    writeln!(out, "{} speaks on {place}, {}; Ctrl-C ends it", kind.name(), kind.line())?;
    if kind.is_encrypted() && args.key.is_none() {
        writeln!(out, "{}", example_keys(kind))?;
    }
    out.flush()?;
    speak(&mut simulation, &mut outlet, &control, args.count, &mut note)?;
    Ok(Outcome::Done)
}

/// What whoever reads the meter has to type.
fn example_keys(kind: MeterKind) -> String {
    let [key, auth_key] = EXAMPLE_KEYS;
    // Every meter in Luxembourg has the same authentication key.
    let is_fixed = kind == MeterKind::SagemcomLuxembourg;
    let auth_key = if is_fixed { LUXEMBOURG_AUTH_KEY } else { auth_key };
    let hex = |key: [u8; 16]| key.map(|byte| format!("{byte:02X}")).concat();
    format!("its keys are those of the DLMS examples: --key {} --auth-key {}", hex(key), hex(auth_key))
}

fn settings(args: &Args) -> Result<Settings, Failure> {
    let kind = MeterKind::find(&args.meter).ok_or_else(|| unknown(&args.meter))?;
    let start_s = if args.out.is_some() { FILE_START_S } else { unix_s() };
    let mut settings = Settings::new(kind, args.seed, start_s);
    settings.key = args.key.as_ref().map(|typed| typed.read("--key")).transpose()?;
    settings.auth_key = args.auth_key.as_ref().map(|typed| typed.read("--auth-key")).transpose()?;
    for fault in &args.faults {
        let fault: Fault = fault.parse().map_err(|error| Failure::new(format!("--fault: {error}")))?;
        settings.faults.push(fault);
    }
    Ok(settings)
}

fn unknown(name: &str) -> Failure {
    let names = MeterKind::all().flat_map(|kind| [kind.name(), kind.short_name()]);
    let near = names.max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    Failure::new(format!("there is no simulated meter `{name}`")).with_help(format!(
        "did you mean `{}`? `metergate simulate --help` lists them",
        near.unwrap_or_default()
    ))
}

fn open(args: &Args, kind: MeterKind) -> Result<Outlet, Failure> {
    if let Some(address) = &args.tcp {
        let tcp = Tcp::listen(address).map_err(|error| {
            Failure::new(format!("--tcp: cannot listen on {address}: {error}"))
                .with_help("an address has a port number: --tcp 127.0.0.1:4059")
        })?;
        return Ok(Outlet::Tcp(tcp));
    }
    Pty::open(kind.line(), args.pty.as_deref())
        .map(Outlet::Pty)
        .map_err(|error| Failure::new(format!("--pty: {error}")))
}

/// Writes `count` telegrams into a file, the time between them passing in no time.
fn write(
    simulation: &mut Simulation,
    file: &Path,
    count: u64,
    out: &mut dyn Write,
    note: &mut dyn FnMut(&Sent) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut opened;
    let sink: &mut dyn Write = if file.as_os_str() == "-" {
        out
    } else {
        let created = File::create(file)
            .map_err(|error| Failure::new(format!("--out: cannot write {}: {error}", file.display())))?;
        opened = BufWriter::new(created);
        &mut opened
    };
    let interval = simulation.kind().interval().map(|interval| interval.as_secs().cast_signed());
    let (mut now_s, mut left) = (FILE_START_S, count);
    while left > 0 {
        now_s += interval.unwrap_or(FILE_INTERVAL_S);
        for output in simulation.push(now_s) {
            if let Some(sent) = output.sent.as_ref().filter(|_| left > 0) {
                note(sent)?;
                sink.write_all(&output.bytes)?;
                left -= 1;
            }
        }
    }
    sink.flush()?;
    Ok(())
}

/// Ends a meter at Ctrl-C or when the system asks for it, so that its link is taken away.
fn stop_on_signal(control: Arc<Control>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        use tokio::signal::unix::{SignalKind, signal};
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        control.stop();
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_are_printed_open_what_is_sent() {
        let usual = example_keys(MeterKind::KaifaMa309mNetzNoe);
        assert!(usual.contains("--key 000102030405060708090A0B0C0D0E0F "), "{usual}");
        let fixed = example_keys(MeterKind::SagemcomLuxembourg);
        assert!(fixed.ends_with("--auth-key 00112233445566778899AABBCCDDEEFF"), "{fixed}");
    }
}
