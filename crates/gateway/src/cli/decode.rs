//! `metergate decode`: explains telegrams.
use super::detect::described;
use super::keys::Keys;
use super::{Failure, Format, Outcome, explain};
use crate::capture::{self, Notation};
use crate::config;
use crate::json::{ErrorLine, Line, UnknownLine};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use metergate_meter::detect::{self, Detection};
use metergate_meter::{Conversation as _, CounterPolicy, Event, Meter, Protocol, Settings, models};
use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `metergate decode`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The input; `-` or nothing is standard input.
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true)]
    pub file: PathBuf,
    /// How the bytes are written down.
    #[arg(long, value_enum, default_value_t)]
    pub input: Input,
    /// What the meter speaks: auto, sml, dlms-mbus, dlms-hdlc, p1, kmp or iec62056-21.
    #[arg(long, value_name = "PROTOCOL", default_value = "auto", value_parser = protocol, hide_default_value = true)]
    pub protocol: ProtocolChoice,
    /// The keys of an encrypted meter.
    #[command(flatten)]
    pub keys: Keys,
    /// The meter's name in `metergate meters`: brings its protocol, layout and quirks.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// A layout file for lists without OBIS codes; may be given several times.
    #[arg(long = "layout", value_name = "FILE")]
    pub layouts: Vec<PathBuf>,
    /// How to write what was found.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Hand the bytes to the decoder in pieces of this size; never changes the result.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub chunk: Option<u32>,
}

/// How the bytes of the input are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Input {
    /// Look and see.
    #[default]
    Auto,
    /// As they are.
    Binary,
    /// Hexadecimal digits in any common form, or capture lines `RFC3339 rx|tx HEX`.
    Hex,
    /// Base64.
    Base64,
}

impl Input {
    const fn notation(self) -> Option<Notation> {
        match self {
            Self::Auto => None,
            Self::Binary => Some(Notation::Binary),
            Self::Hex => Some(Notation::Hex),
            Self::Base64 => Some(Notation::Base64),
        }
    }
}

/// `None`: look and see.
pub type ProtocolChoice = Option<Protocol>;

fn protocol(text: &str) -> Result<ProtocolChoice, String> {
    if text == "auto" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error: metergate_meter::ParseProtocolError| format!("{error}, or auto"))
}

/// What the conversation keeps of a telegram. The longest known has 9,528 bytes; a frame of any protocol ends sooner.
const BUFFER: usize = 64 * 1024;

/// Files from this size on get a progress bar: below, they are done before it is seen.
const LONG_FILE: u64 = 1 << 20;

/// Explains the input.
///
/// # Errors
/// When the input cannot be read, or a key, model or layout is wrong.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let (source, progress): (Box<dyn Read>, _) = if args.file == Path::new("-") {
        if io::stdin().is_terminal() {
            eprintln!("reading from the terminal: paste a telegram, then press Ctrl-D");
        }
        (Box::new(io::stdin()), ProgressBar::hidden())
    } else {
        let file = File::open(&args.file).map_err(|error| cannot_read(&args.file, &error))?;
        let length = file.metadata().map_or(0, |data| if data.is_file() { data.len() } else { 0 });
        let progress = progress(length);
        (Box::new(progress.wrap_read(file)), progress)
    };
    let result = decode(args, source, &progress, out);
    progress.finish_and_clear();
    result
}

/// What a file says that cannot be read.
fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("cannot read {}: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::NotFound => {
            failure.with_help("a telegram in hand is read from standard input: `metergate decode -`")
        }
        io::ErrorKind::PermissionDenied => {
            failure.with_help("is the user in the group of the file? For ports: `dialout`")
        }
        _ => failure,
    }
}

/// What a file says whose bytes are not in the notation.
fn unreadable(path: &Path, error: capture::Error) -> Failure {
    match error {
        capture::Error::Io(error) => cannot_read(path, &error),
        other => Failure::new(format!("{}: {other}", path.display()))
            .with_help("the notation can be named: --input binary, hex or base64"),
    }
}

/// A bar on standard error, for long files, when somebody watches and no pipe carries the results on.
fn progress(length: u64) -> ProgressBar {
    let into_pipe = !io::stdout().is_terminal() && !is_file(&io::stdout());
    if length < LONG_FILE || into_pipe {
        return ProgressBar::hidden();
    }
    // Hidden by itself when standard error is no terminal.
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

fn is_file(stream: &impl std::os::fd::AsFd) -> bool {
    let file = stream.as_fd().try_clone_to_owned().map(File::from);
    file.and_then(|file| file.metadata()).is_ok_and(|data| data.is_file())
}

/// Explains the bytes of any source.
///
/// # Errors
/// As [`run`].
pub fn decode(
    args: &Args,
    source: impl Read,
    progress: &ProgressBar,
    out: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let settings = settings(args)?;
    let about = |error| unreadable(&args.file, error);
    let mut reader =
        capture::Reader::new(source, args.input.notation()).map_err(|error| about(error.into()))?;
    let mut bytes = Vec::new();
    let mut more = true;
    let known = args.protocol.or(settings.model.map(|model| model.protocol));
    let protocol = match known {
        Some(protocol) => protocol,
        None => {
            let mut looking = Looking::default();
            let found = loop {
                more = more && reader.read(&mut bytes).map_err(about)?;
                if let Some(answer) = looking.at(&bytes, !more) {
                    break answer;
                }
            };
            let Some(found) = found else { return nothing(args, bytes, &mut reader, out) };
            if args.format == Format::Text {
                writeln!(out, "recognised: {}\n", described(&found))?;
            }
            found.protocol
        }
    };
    let mut decoder = Decoder {
        settings: settings.clone(),
        format: args.format,
        history: History::default(),
        telegrams: 0,
        accepted: 0,
        progress,
    };
    let mut meter = Meter::listening(protocol, settings, vec![0; BUFFER]);
    loop {
        let size = args.chunk.map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(usize::MAX));
        for piece in bytes.chunks(size.min(bytes.len().max(1))) {
            decoder.feed(&mut meter, piece, out)?;
        }
        out.flush()?;
        bytes.clear();
        if !more {
            break;
        }
        more = reader.read(&mut bytes).map_err(about)?;
    }
    decoder.end(&mut meter, out)?;
    if args.format == Format::Text && decoder.telegrams == 0 {
        writeln!(out, "no bytes")?;
    }
    Ok(if decoder.accepted > 0 { Outcome::Done } else { Outcome::Nothing })
}

/// The key, model and layouts that were typed.
fn settings(args: &Args) -> Result<Settings, Failure> {
    let model = args.model.as_deref().map(|name| {
        models::find(name).ok_or_else(|| {
            Failure::new(format!("--model: there is no model `{name}`")).with_help(config::model_help(name))
        })
    });
    let model = model.transpose()?;
    if let (Some(model), Some(protocol)) = (model, args.protocol)
        && model.protocol != protocol
    {
        let message = format!("--protocol: `{}` speaks {}, not {protocol}", model.name, model.protocol);
        return Err(Failure::new(message).with_help("leave --protocol or --model out"));
    }
    let mut layouts = Vec::new();
    for file in &args.layouts {
        layouts.extend_from_slice(config::read_layouts(file)?);
    }
    Ok(Settings {
        key: args.keys.key()?,
        auth_key: args.keys.auth_key()?,
        model,
        // Read once at start, used until the end.
        layouts: layouts.leak(),
        counters: CounterPolicy::Flag,
        ..Settings::default()
    })
}

/// Looks for the protocol while the input arrives, at fixed lengths: the answer must not depend on the pieces in
/// which a pipe hands out its bytes.
struct Looking {
    /// The length at which it looks next.
    next: usize,
}

impl Default for Looking {
    fn default() -> Self {
        Self { next: 1024 }
    }
}

impl Looking {
    /// How sure it has to be, in percent, to look no further: a checksum was right.
    const SURE: u8 = 99;

    /// `None`: more bytes are needed. `Some(None)`: nothing is recognised.
    fn at(&mut self, bytes: &[u8], ended: bool) -> Option<Option<Detection>> {
        while self.next < detect::WINDOW
            && let Some(front) = bytes.get(..self.next)
        {
            self.next *= 2;
            let found = detect::detect(front).filter(|found| found.confidence >= Self::SURE);
            if found.is_some() {
                return Some(found);
            }
        }
        (ended || bytes.len() >= detect::WINDOW).then(|| detect::detect(bytes))
    }
}

/// What is said of an input in which no protocol is found.
fn nothing<R: Read>(
    args: &Args,
    bytes: Vec<u8>,
    reader: &mut capture::Reader<R>,
    out: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let mut length = bytes.len() as u64;
    let mut piece = Vec::new();
    while reader.read(&mut piece).map_err(|error| unreadable(&args.file, error))? {
        length += piece.len() as u64;
        piece.clear();
    }
    match args.format {
        Format::Json if length > 0 => {
            let line = serde_json::to_string(&UnknownLine::new(length)).map_err(io::Error::from)?;
            writeln!(out, "{line}")?;
        }
        Format::Json => {}
        Format::Text if length == 0 => writeln!(out, "no bytes")?,
        Format::Text => {
            writeln!(out, "{length} bytes in which no protocol is recognised")?;
            explain::first_bytes(out, &bytes)?;
            writeln!(out, "  next: name it with --protocol, or look at speed and parity of the line")?;
        }
    }
    Ok(Outcome::Nothing)
}

/// Drives a conversation over an input and writes what it tells.
struct Decoder<'a> {
    settings: Settings,
    format: Format,
    history: History,
    telegrams: u64,
    accepted: u64,
    progress: &'a ProgressBar,
}

impl Decoder<'_> {
    /// Captured bytes have no time of their own: all of them arrive at once.
    const NOW: Duration = Duration::ZERO;

    fn feed(&mut self, meter: &mut Meter<Vec<u8>>, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
        if self.format == Format::Text {
            self.history.add(bytes);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = meter.handle_input(rest, Self::NOW);
            rest = rest.get(taken..).unwrap_or_default();
            let told = self.drain(meter, out)?;
            debug_assert!(taken > 0 || told, "a conversation takes bytes or tells why not");
            if taken == 0 && !told {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Lets time pass until nothing can change any more.
    fn end(&mut self, meter: &mut Meter<Vec<u8>>, out: &mut dyn Write) -> io::Result<()> {
        while let Some(due) = meter.poll_timeout() {
            meter.handle_timeout(due);
            if !self.drain(meter, out)? && meter.poll_timeout() == Some(due) {
                break;
            }
        }
        out.flush()
    }

    fn drain(&mut self, meter: &mut Meter<Vec<u8>>, out: &mut dyn Write) -> io::Result<bool> {
        let mut told = false;
        while let Some(event) = meter.poll() {
            told = true;
            let progress = self.progress;
            if progress.is_hidden() {
                self.write(&event, out)?;
            } else {
                progress.suspend(|| self.write(&event, out))?;
            }
        }
        Ok(told)
    }

    fn write(&mut self, event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
        let number = self.telegrams;
        match event {
            Event::Telegram(telegram) => {
                self.telegrams += 1;
                self.accepted += 1;
                match self.format {
                    Format::Json => writeln!(out, "{}", Line::of(number, telegram)),
                    Format::Text => {
                        let raw = self.history.get(telegram.offset, telegram.length);
                        explain::telegram(out, number, telegram, raw, &self.settings)
                    }
                }
            }
            Event::Rejected(rejection) => {
                self.telegrams += 1;
                match self.format {
                    Format::Json => writeln!(out, "{}", ErrorLine { telegram: number, rejection }),
                    Format::Text => {
                        let raw = self.history.get(rejection.offset, rejection.length);
                        let before = self.history.before(rejection.offset);
                        explain::rejection(out, number, rejection, raw, before, &self.settings)
                    }
                }
            }
            // Orders and complaints of meters that are asked: nobody was asked here.
            Event::Line(_) | Event::NoAnswer { .. } => Ok(()),
        }
    }
}

/// The last bytes of the input, so that a telegram can be shown as it was sent.
#[derive(Debug, Default)]
struct History {
    bytes: Vec<u8>,
    /// Offset in the input of the first byte kept.
    start: u64,
}

impl History {
    /// Twice what a conversation holds: when it tells of a telegram, all bytes of it are still here.
    const KEPT: usize = 2 * BUFFER;

    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        // Cut seldom, or each piece would move what is kept.
        if self.bytes.len() > 2 * Self::KEPT {
            let gone = self.bytes.len() - Self::KEPT;
            self.bytes.drain(..gone);
            self.start += gone as u64;
        }
    }

    fn get(&self, offset: u64, length: u64) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let to = from.checked_add(usize::try_from(length).ok()?)?;
        self.bytes.get(from..to)
    }

    /// Up to sixteen bytes before an offset.
    fn before(&self, offset: u64) -> &[u8] {
        let start = offset.saturating_sub(16).max(self.start);
        self.get(start, offset.saturating_sub(start)).unwrap_or_default()
    }
}
