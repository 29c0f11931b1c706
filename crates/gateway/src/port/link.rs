//! Keeps a port open: whatever happened to it, it is opened again by its path.
use super::{Port, Received, Speed};
use crate::clock::Clock;
use crate::config::PortSetup;
use metergate_meter::LineSettings;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// What happened on a link.
#[derive(Debug)]
pub enum LinkEvent {
    /// The port was opened, for the first time or again.
    Opened,
    /// Bytes stand at the front of the buffer.
    Received(Received),
    /// The port is gone or cannot be opened; the link goes on trying.
    Lost(io::Error),
    /// Standard input or a file has ended; nothing comes any more.
    Ended(Option<io::Error>),
}

/// A port that heals.
///
/// It is opened at once, and again at once when it is lost; after each failure the wait doubles, from 10 ms to
/// 2 s. A port is given up never: an adapter may come back after a month.
pub struct Link {
    setup: PortSetup,
    line: LineSettings,
    speed: Speed,
    clock: Clock,
    state: State,
    wait: Duration,
}

enum State {
    Waiting(Instant),
    Opening(Pin<Box<dyn Future<Output = io::Result<Port>> + Send>>),
    Open { port: Port, since: Instant },
    Ended,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("setup", &self.setup).field("line", &self.line).finish_non_exhaustive()
    }
}

/// Healing within 10 s needs a wait well below that; 2 s cost a core nothing.
const WAIT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A port that stays open this long, or delivers a byte, counts as working: the next failure is a new one.
const STEADY: Duration = Duration::from_secs(5);

impl Link {
    /// A link that begins to open its port at the first [`next`](Self::next).
    #[must_use]
    pub fn new(setup: PortSetup, line: LineSettings, speed: Speed, clock: Clock) -> Self {
        Self { setup, line, speed, clock, state: State::Waiting(Instant::now()), wait: Duration::ZERO }
    }

    /// Waits for what happens next. Cancelling the wait loses nothing.
    pub async fn next(&mut self, buffer: &mut [u8]) -> LinkEvent {
        loop {
            match &mut self.state {
                State::Waiting(until) => {
                    tokio::time::sleep_until(*until).await;
                    let (setup, line, speed, clock) = (self.setup.clone(), self.line, self.speed, self.clock);
                    let opening = async move { Port::open(&setup, line, speed, clock).await };
                    self.state = State::Opening(Box::pin(opening));
                }
                State::Opening(opening) => match opening.await {
                    Ok(port) => {
                        self.state = State::Open { port, since: Instant::now() };
                        return LinkEvent::Opened;
                    }
                    Err(error) => return self.lost(error, false),
                },
                State::Open { port, .. } => match port.receive(buffer).await {
                    Ok(received) if received.len > 0 => {
                        self.wait = Duration::ZERO;
                        return LinkEvent::Received(received);
                    }
                    end => {
                        let finite = port.is_finite();
                        let error = end.err().unwrap_or_else(|| {
                            io::Error::new(io::ErrorKind::UnexpectedEof, "the other side closed it")
                        });
                        return self.lost(error, finite);
                    }
                },
                State::Ended => std::future::pending().await,
            }
        }
    }

    fn lost(&mut self, error: io::Error, finite: bool) -> LinkEvent {
        // A file that is not there will not come; a device will.
        if finite || matches!(self.setup.place, crate::config::Place::Stdin | crate::config::Place::File(_)) {
            self.state = State::Ended;
            let is_end = error.kind() == io::ErrorKind::UnexpectedEof;
            return LinkEvent::Ended((!is_end).then_some(error));
        }
        if let State::Open { since, .. } = self.state
            && since.elapsed() >= STEADY
        {
            self.wait = Duration::ZERO;
        }
        self.state = State::Waiting(Instant::now() + self.wait);
        self.wait = (self.wait * 2).clamp(WAIT_MIN, WAIT_MAX);
        LinkEvent::Lost(error)
    }

    /// Closes the port, to be opened again: it is open and dead.
    ///
    /// The next wait is not shortened, so a meter that is silent for a month is not the reason for a busy loop.
    pub fn reopen(&mut self) {
        if let State::Open { .. } = self.state {
            self.state = State::Waiting(Instant::now());
        }
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// `NotConnected` while the port is not open; what the port says, after which it is opened again.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let State::Open { port, .. } = &mut self.state else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let sent = port.send(bytes).await;
        if sent.is_err() {
            self.reopen();
        }
        sent
    }

    /// Sets the line, now and whenever the port is opened again.
    ///
    /// # Errors
    /// What the port says, after which it is opened again with these settings.
    pub async fn set_line(&mut self, line: LineSettings) -> io::Result<()> {
        self.line = line;
        let State::Open { port, .. } = &mut self.state else { return Ok(()) };
        let set = port.set_line(line).await;
        if set.is_err() {
            self.reopen();
        }
        set
    }

    /// Sets the line to see what comes of it. Where the port cannot do that, the settings before are in force again, so
    /// that one it cannot do is not what it is opened with for ever.
    ///
    /// # Errors
    /// As [`set_line`](Self::set_line).
    pub async fn try_line(&mut self, line: LineSettings) -> io::Result<()> {
        let before = self.line;
        let tried = self.set_line(line).await;
        if tried.is_err() {
            self.line = before;
        }
        tried
    }

    /// The line settings in force.
    #[must_use]
    pub const fn line(&self) -> LineSettings {
        self.line
    }

    /// True while the port is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// True when time passes as the port says and not as the host's clock does.
    #[must_use]
    pub const fn has_own_time(&self) -> bool {
        matches!(self.setup.place, crate::config::Place::File(_))
    }

    /// True when the open port's path now leads elsewhere: the adapter came back under another number.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        matches!(&self.state, State::Open { port, .. } if port.has_moved())
    }
}
