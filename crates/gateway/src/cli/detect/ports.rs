//! Scans live ports: every port at once, and on each the tries of `metergate_meter::probe` in turn.
//!
//! The scan is the daemon itself with meters of which nothing is configured, so that what it finds is what `run`
//! would find.
use super::{HEAD, described};
use crate::cli::Failure;
use crate::config::{
    self, CompatSetup, Gateway, IecSetup, KmpSetup, MeterSetup, Place, PortSetup, PriceSetup, StoreConfig,
    TariffSetup,
};
use crate::harmless::harmless;
use crate::pipeline::{self, Options};
use crate::plausible::Limits;
use crate::shutdown;
use crate::update::{TelegramBuf, Update, What};
use metergate_meter::detect::Detection;
use metergate_meter::probe::PROBES;
use metergate_meter::verdict::Verdict;
use metergate_meter::{Code, LineSettings};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A recognised meter is given this long to send one whole telegram: longer than the longest usual interval.
const FIRST_TELEGRAM: Duration = Duration::from_secs(15);

/// A serial server of raw bytes keeps its own speed, so there is nothing to try: as long as two of the longest usual intervals.
const LISTEN_TO_SERVER: Duration = Duration::from_secs(20);

/// Updates that may wait while a line is printed.
const CHANNEL_LEN: usize = 256;

/// The ports that were named.
pub(super) fn named(paths: &[&PathBuf]) -> Result<Vec<Place>, Failure> {
    let mut places = Vec::new();
    for path in paths {
        let place = place(path)?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(places)
}

fn place(path: &Path) -> Result<Place, Failure> {
    let text = path.to_string_lossy();
    if path.exists() {
        return Ok(Place::Serial(path.to_owned()));
    }
    match config::parse_place(&text, Path::new("")) {
        Ok(Place::Serial(path)) => Err(Failure::new(format!("there is no port {}", path.display()))
            .with_help("is it plugged in? `ls /dev/serial/by-id` shows what is")),
        Ok(place) => Ok(place),
        Err((message, Some(help))) => Err(Failure::new(message).with_help(help)),
        Err((message, None)) => Err(Failure::new(message)),
    }
}

/// All serial ports of this machine, by their links in `/dev/serial/by-id` where they have one: those keep their
/// names when another adapter is plugged in.
pub(super) fn all() -> Vec<Place> {
    let links: Vec<PathBuf> = std::fs::read_dir("/dev/serial/by-id")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    let mut places: Vec<PathBuf> = tokio_serial::available_ports()
        .unwrap_or_default()
        .into_iter()
        .map(|port| PathBuf::from(port.port_name))
        .map(|device| {
            let linked = links.iter().find(|link| link.canonicalize().is_ok_and(|target| target == device));
            linked.cloned().unwrap_or(device)
        })
        .collect();
    places.sort();
    places.dedup();
    places.into_iter().map(Place::Serial).collect()
}

/// What is known about a port so far.
#[derive(Debug, Default)]
struct Found {
    detection: Option<(Detection, LineSettings)>,
    telegram: Option<Box<TelegramBuf>>,
    refusal: Option<Code>,
    verdict: Option<Verdict>,
    port_error: Option<String>,
    bytes: u64,
}

impl Found {
    fn note(&mut self, update: &Update) {
        self.bytes = update.bytes;
        match &update.what {
            What::Protocol { found, detection } => self.detection = Some((*detection, found.line)),
            What::Telegram(telegram) => self.telegram = Some(telegram.clone()),
            What::Rejected { rejection, .. } => self.refusal = Some(rejection.cause.code()),
            What::Verdict(verdict) => self.verdict = Some(*verdict),
            What::PortOpened => self.port_error = None,
            What::PortLost(error) => self.port_error = Some(error.clone()),
            What::NoAnswer { .. }
            | What::Reading(_)
            | What::SourceFailed(_)
            | What::SourceLoop(_)
            | What::Bytes
            | What::Ended => {}
        }
    }

    /// Nothing more will be learnt: a telegram was read, or only the key is missing.
    fn is_complete(&self) -> bool {
        self.detection.is_some() && (self.telegram.is_some() || self.refusal == Some(Code::MissingKey))
    }
}

/// Scans the ports and prints what was found, and the configuration to use.
pub(super) fn scan(places: Vec<Place>, out: &mut dyn Write) -> Result<bool, Failure> {
    if places.is_empty() {
        return Err(Failure::new("this machine has no serial port")
            .with_help("plug in a reading head, or name a serial server: metergate detect tcp://HOST:PORT"));
    }
    let wait = longest(&places);
    let seconds = wait.as_secs();
    for place in &places {
        writeln!(out, "{place}: listening, {seconds} s at most")?;
    }
    out.flush()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(listen(&places, wait))?;
    runtime.shutdown_timeout(Duration::from_millis(500));
    writeln!(out)?;
    for (place, found) in places.iter().zip(&found) {
        report(place, found, out)?;
    }
    let meters: Vec<_> = places.iter().zip(&found).filter(|(_, found)| found.detection.is_some()).collect();
    if !meters.is_empty() {
        writeln!(out, "\n{HEAD}metergate.toml{HEAD:#}")?;
        for (number, (place, found)) in meters.iter().enumerate() {
            configuration(number + 1, place, found, out)?;
        }
        writeln!(out, "[default.sink.screen]\nkind = \"stdout\"")?;
    }
    Ok(!meters.is_empty())
}

fn longest(places: &[Place]) -> Duration {
    if places.iter().any(Place::sets_line) {
        PROBES.iter().map(|probe| probe.listen).sum::<Duration>() + FIRST_TELEGRAM
    } else {
        LISTEN_TO_SERVER
    }
}

async fn listen(places: &[Place], wait: Duration) -> Result<Vec<Found>, Failure> {
    let meters = places.iter().map(unknown_meter).collect();
    let gateway = Gateway {
        profile: "default".to_owned(),
        state_directory: None,
        store: StoreConfig::default(),
        price: PriceSetup::default(),
        web: None,
        meters,
        sinks: Vec::new(),
        sources: Vec::new(),
        compat: CompatSetup::default(),
    };
    let (observer, mut updates) = mpsc::channel::<Arc<Update>>(CHANNEL_LEN);
    let (trigger, ending) = shutdown::channel();
    let options = Options { observer: Some(observer), ..Options::default() };
    let daemon = tokio::spawn(pipeline::run(gateway, options, ending));

    let mut found: Vec<(String, Found)> =
        places.iter().map(|place| (place.to_string(), Found::default())).collect();
    let until = tokio::time::Instant::now() + wait;
    while !found.iter().all(|(_, found)| found.is_complete()) {
        let next = tokio::select! {
            next = tokio::time::timeout_at(until, updates.recv()) => next,
            _ = shutdown::signalled() => break,
        };
        let Ok(Some(update)) = next else { break };
        if let Some((_, found)) = found.iter_mut().find(|(name, _)| **name == *update.meter) {
            found.note(&update);
        }
    }
    trigger.trigger();
    let _ = daemon.await;
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

/// Its name is its port: the log says it.
fn unknown_meter(place: &Place) -> MeterSetup {
    MeterSetup {
        name: place.to_string(),
        port: PortSetup {
            place: place.clone(),
            line: None,
            dtr: None,
            rts: None,
            exclusive: true,
            echo: None,
        },
        protocol: None,
        model: None,
        key: None,
        auth_key: None,
        layouts: &[],
        kmp: KmpSetup::default(),
        iec: IecSetup::default(),
        silent_after: None,
        record: None,
        serve: None,
        tariff: TariffSetup::default(),
        limits: Limits::default(),
    }
}

fn report(place: &Place, found: &Found, out: &mut dyn Write) -> Result<(), Failure> {
    write!(out, "{HEAD}{place}{HEAD:#}: ")?;
    match (&found.detection, &found.port_error) {
        (Some((detection, line)), _) => {
            writeln!(out, "{} at {line}", described(detection))?;
            if let Some(telegram) = &found.telegram {
                let id = telegram
                    .reading
                    .meter
                    .map(|id| format!("meter {}, ", harmless(&id.to_string())))
                    .unwrap_or_default();
                writeln!(out, "  {id}{} registers in the first telegram", telegram.reading.registers.len())?;
            } else if let Some(verdict) = found.verdict {
                writeln!(out, "  {verdict}")?;
            }
        }
        (None, Some(error)) => writeln!(out, "{error}")?,
        (None, None) if found.bytes > 0 => {
            writeln!(out, "{} bytes came, and no setting made sense of them", found.bytes)?;
        }
        (None, None) => {
            writeln!(out, "not a byte; does the head sit right, and does the meter send by itself?")?;
        }
    }
    Ok(())
}

fn configuration(number: usize, place: &Place, found: &Found, out: &mut dyn Write) -> Result<(), Failure> {
    let Some((detection, line)) = &found.detection else { return Ok(()) };
    writeln!(out, "[default.meter.meter{number}]\nport = {:?}", place.to_string())?;
    match detection.recognition.and_then(|recognition| recognition.model) {
        Some(model) => writeln!(out, "model = \"{}\"", model.name)?,
        None => writeln!(out, "protocol = \"{}\"", detection.protocol)?,
    }
    if place.sets_line() {
        writeln!(out, "line = \"{line}\"")?;
    }
    if found.refusal == Some(Code::MissingKey) {
        writeln!(
            out,
            "# Encrypted. Put the key of the grid operator into metergate.secrets.toml (chmod 600):"
        )?;
        writeln!(out, "#   [default.meter.meter{number}]\n#   key = \"...\"")?;
    }
    Ok(writeln!(out)?)
}
