//! `metergate demo`: simulated meters through the whole product.
//!
//! ```text
//! 5 threads: simulated meter -> pseudo-terminal -> reader -+
//!                                                          +-> pipeline -> observer -> view (a thread)
//!            the truth file <- ledger            the daemon of `run`
//! ```
mod board;
mod lines;
mod screen;
mod street;

use super::truth::Truth;
use super::{Failure, Outcome};
use crate::config::WebSetup;
use crate::pipeline::{self, Options};
use crate::shutdown::{self, Shutdown, Trigger};
use crate::update::Update;
use board::Board;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use std::io::{self, IsTerminal};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use street::{Meters, STREET};
use tokio::sync::mpsc;

/// Updates on their way to the view: some seconds of all meters together.
const CHANNEL_LEN: usize = 256;
/// The view is drawn this often: ages have tenths of a second.
const FRAME: Duration = Duration::from_millis(100);

/// Arguments of `metergate demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The household behind the meters; the same number gives the same day.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write what was sent to this file, in the JSON of `decode`.
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Where the page is that shows the same in a browser, or `off`.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// Let a meter fall silent after so many seconds, such as `kaifa:20`; to see what happens then.
    #[arg(long, value_name = "METER:SECONDS", hide = true)]
    pub silence: Vec<String>,
}

/// Runs the demonstration until Ctrl-C.
///
/// # Errors
/// When no pseudo-terminal can be opened or the truth file cannot be written.
pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let silences = args.silence.iter().map(|text| silence(text)).collect::<Result<Vec<_>, _>>()?;
    let truth = args.truth.as_deref().map(Truth::create).transpose()?;
    let page = Page::of(&args.listen)?;
    let (meters, mut gateway) = Meters::start(args.seed, truth)?;
    gateway.web = page.setup();
    for (name, after) in silences {
        if let Some(control) = meters.control(name) {
            std::thread::spawn(move || {
                std::thread::sleep(after);
                control.silence();
            });
        }
    }
    let (updates, inbox) = mpsc::channel(CHANNEL_LEN);
    let (trigger, shutdown) = shutdown::channel();
    let on_terminal = io::stdout().is_terminal();
    let view_shutdown = shutdown.clone();
    let view = std::thread::Builder::new().name("view".to_owned()).spawn(move || {
        let ended = if on_terminal { watch(inbox, &page, &view_shutdown) } else { append(inbox) };
        // Whoever closes the view ends the demonstration.
        trigger.trigger();
        ended
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = Options { observer: Some(updates), ..Options::default() };
    let daemon = async {
        let (stop, stopped) = shutdown::channel();
        tokio::spawn(end_on(shutdown, stop));
        pipeline::run(gateway, options, stopped).await
    };
    // On a terminal the view says how the meters are; log lines would run across it.
    let ended = if on_terminal {
        tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || {
            runtime.block_on(daemon)
        })
    } else {
        runtime.block_on(daemon)
    };
    let viewed = view.join().unwrap_or_else(|_| Err(io::Error::other("the view panicked")));
    let spoken = meters.stop();
    ended?;
    viewed?;
    spoken?;
    Ok(Outcome::Done)
}

/// The page of the demonstration.
#[derive(Debug)]
enum Page {
    /// Nobody wants one.
    Off,
    /// Something else listens there.
    Taken(SocketAddr),
    /// It is served here.
    At(SocketAddr),
}

impl Page {
    /// Looks whether the address can be had: on a terminal no log line would tell.
    fn of(listen: &str) -> Result<Self, Failure> {
        if listen == "off" {
            return Ok(Self::Off);
        }
        let wrong = || {
            Failure::new(format!("--listen: `{listen}` is no address with a port"))
                .with_help("\"127.0.0.1:8080\" is usual, \"off\" is none".to_owned())
        };
        let address: SocketAddr = listen.parse().map_err(|_| wrong())?;
        Ok(if TcpListener::bind(address).is_ok() { Self::At(address) } else { Self::Taken(address) })
    }

    fn setup(&self) -> Option<WebSetup> {
        match *self {
            Self::At(listen) => Some(WebSetup { listen, ..WebSetup::default() }),
            Self::Off | Self::Taken(_) => None,
        }
    }
}

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("no page"),
            Self::Taken(address) => write!(f, "no page: port {} is in use (--listen)", address.port()),
            Self::At(address) if address.ip().is_loopback() => {
                write!(f, "http://localhost:{}", address.port())
            }
            Self::At(address) => write!(f, "http://{address}"),
        }
    }
}

/// Ends the daemon when the view is closed or a signal comes.
async fn end_on(mut closed: Shutdown, stop: Trigger) {
    tokio::select! {
        () = closed.wait() => {}
        _ = shutdown::signalled() => {}
    }
    stop.trigger();
}

fn silence(text: &str) -> Result<(&str, Duration), Failure> {
    let names = || STREET.map(|house| house.name).join(", ");
    let parsed = text.split_once(':').and_then(|(name, seconds)| Some((name, seconds.parse().ok()?)));
    match parsed {
        Some((name, seconds)) if STREET.iter().any(|house| house.name == name) => {
            Ok((name, Duration::from_secs(seconds)))
        }
        _ => Err(Failure::new(format!("--silence: expected METER:SECONDS, found `{text}`"))
            .with_help(format!("the meters are {}", names()))),
    }
}

/// Draws until a key or the end of the daemon.
fn watch(mut inbox: mpsc::Receiver<Arc<Update>>, page: &Page, shutdown: &Shutdown) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let ended = watch_on(&mut terminal, &mut inbox, page, shutdown);
    ratatui::try_restore()?;
    ended
}

fn watch_on(
    terminal: &mut ratatui::DefaultTerminal,
    inbox: &mut mpsc::Receiver<Arc<Update>>,
    page: &Page,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let mut board = Board::new(&STREET);
    loop {
        loop {
            match inbox.try_recv() {
                Ok(update) => {
                    board.note(&update, Instant::now());
                }
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return Ok(()),
            }
        }
        if shutdown.is_told() {
            return Ok(());
        }
        terminal.draw(|frame| screen::draw(frame, &board, page, &clock(), Instant::now()))?;
        if event::poll(FRAME)? && is_end(&event::read()?) {
            return Ok(());
        }
    }
}

fn is_end(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (control_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}

/// Appends lines until the daemon ends or nobody reads them.
fn append(mut inbox: mpsc::Receiver<Arc<Update>>) -> io::Result<()> {
    let mut board = Board::new(&STREET);
    let mut out = io::stdout().lock();
    while let Some(update) = inbox.blocking_recv() {
        let Some(card) = board.note(&update, Instant::now()) else { continue };
        lines::write(&mut out, &clock(), card, &update.what)?;
    }
    Ok(())
}

/// The time of day of the host.
fn clock() -> String {
    jiff::Zoned::now().strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_where_nobody_else_is_or_says_so() {
        assert_eq!(Page::of("off").unwrap().to_string(), "no page");
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let page = Page::of(&address.to_string()).unwrap();
        assert!(page.setup().is_none() && page.to_string().contains("is in use"), "{page}");
        Page::of("8080").unwrap_err();
    }

    #[test]
    fn a_silence_names_a_meter_and_a_time() {
        assert_eq!(silence("kaifa:20").unwrap(), ("kaifa", Duration::from_secs(20)));
        for wrong in ["kaifa", "kaifa:soon", "toaster:3"] {
            assert!(silence(wrong).unwrap_err().help().unwrap().contains("multical"), "{wrong}");
        }
    }
}
