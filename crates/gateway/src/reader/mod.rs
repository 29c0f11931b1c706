//! One task a meter: its port, its conversation, its verdict.
//!
//! The reader is the driver of the five verbs of [`Conversation`]. It owns the clock and the port; what a telegram
//! means it does not know.
mod ask;
mod recognise;
mod rhythm;

use crate::capture::Direction;
use crate::clock::Clock;
use crate::config::{IecMode, MeterSetup, Place};
use crate::found::Found;
use crate::port::{self, Link, LinkEvent, Received, Speed};
use crate::recorder::Recorder;
use crate::serve::Tap;
use crate::shutdown::Shutdown;
use crate::update::{TelegramBuf, Update, What};
use crate::watch::Heartbeat;
use metergate_meter::detect::Detection;
use metergate_meter::verdict::{Verdict, Watch};
use metergate_meter::{Conversation, Event, LineSettings, Meter, Protocol, SecurityHeader, Settings};
use metergate_reading::{Instant, Trust};
use recognise::Recogniser;
use rhythm::Rhythm;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Bytes a conversation keeps of a telegram: six times the longest one known (9,528 B with 343 registers).
const BUFFER_LEN: usize = 64 * 1024;

/// Most bytes taken from a port at once: a third of a second at 115,200 baud.
const READ_LEN: usize = 4096;

/// Longest request, see [`Conversation::poll_transmit`].
const REQUEST_LEN: usize = 64;

/// How often verdict and port are looked at when nothing happens.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A port that is quiet for this long is asked whether its path now leads elsewhere.
const QUIET: Duration = Duration::from_secs(2);

/// How long the port of a meter that is asked may be closed before that is the verdict.
const PORT_PATIENCE: Duration = Duration::from_secs(15);

/// Bytes without a telegram after which a recognised protocol is doubted and recognition begins anew.
const DOUBT_LEN: u64 = 64 * 1024;

/// The same in time, for a meter that has never sent a telegram: six of the longest usual interval.
const DOUBT_TIME: Duration = Duration::from_secs(60);

/// A conversation whose deadlines do not end is left after this many at the end of a file.
const LAST_DEADLINES_MAX: usize = 64;

/// What earlier runs know about a meter.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Header of the last accepted telegram: its invocation counter goes on there.
    pub last_accepted: Option<SecurityHeader>,
    /// How it spoke: the first guess for a meter of which the configuration says nothing.
    pub found: Option<Found>,
}

/// Reads one meter.
#[derive(Debug)]
pub struct Reader {
    name: Arc<str>,
    setup: MeterSetup,
    settings: Settings,
    link: Link,
    clock: Clock,
    updates: mpsc::Sender<Update>,
    shutdown: Shutdown,
    meter: Option<Meter<Vec<u8>>>,
    /// The meter is asked. While its port is closed the conversation stands still: nothing is asked in vain.
    asks: bool,
    /// An IEC 62056-21 meter is read out; until then it is listened to.
    signs_on: bool,
    recorder: Option<Recorder>,
    /// Where others listen.
    tap: Option<Tap>,
    recogniser: Recogniser,
    watch: Watch,
    rhythm: Rhythm,
    verdict: Verdict,
    /// Number of the next telegram or rejection.
    number: u64,
    bytes: u64,
    /// `bytes` when the last telegram came, or the protocol was recognised.
    bytes_at_telegram: u64,
    /// The meter has said something that only its protocol says.
    proved: bool,
    /// When the conversation began.
    guessed: Duration,
    /// The time of what is being read, and the time of day.
    now: Duration,
    at: Instant,
    /// When the last byte came, or the port was opened.
    active: Duration,
    lost_told: bool,
    bytes_told: Duration,
    /// When verdict and port were last looked at.
    looked: Duration,
}

/// Number of bytes received is told this often while nothing else is.
const BYTES_INTERVAL: Duration = Duration::from_secs(10);

/// What a conversation told, owned.
enum Told {
    Update(What),
    Line(LineSettings),
}

impl Reader {
    /// A reader that begins when it is [`run`](Self::run).
    #[must_use]
    pub fn new(
        setup: MeterSetup,
        known: Known,
        speed: Speed,
        clock: Clock,
        updates: mpsc::Sender<Update>,
        shutdown: Shutdown,
    ) -> Self {
        let settings = Settings { last_accepted: known.last_accepted, ..setup.settings() };
        let protocol = setup.protocol.or_else(|| setup.model.map(|model| model.protocol));
        let line = setup.port.line.or_else(|| setup.model.map(|model| model.line));
        let can_try_lines = setup.port.place.sets_line();
        let guess = known.found.filter(|_| protocol.is_none());
        let first_line = line.or(guess.map(|found| found.line)).unwrap_or(LineSettings::M9600_8N1);
        let link = Link::new(setup.port.clone(), first_line, speed, clock);
        let rhythm = Rhythm::new(setup.silent_after, None);
        let now = if link.has_own_time() { Duration::ZERO } else { clock.now() };
        let mut reader = Self {
            name: setup.name.as_str().into(),
            settings,
            link,
            clock,
            updates,
            shutdown,
            meter: None,
            asks: false,
            signs_on: ask::signs_on(&setup, line),
            recorder: setup.record.as_deref().and_then(|path| match Recorder::open(path) {
                Ok(recorder) => Some(recorder),
                Err(error) => {
                    tracing::error!("meter `{}`: cannot record to {}: {error}", setup.name, path.display());
                    None
                }
            }),
            tap: None,
            recogniser: Recogniser::new(line.is_none() && protocol.is_none() && can_try_lines),
            watch: Watch::new(rhythm.patience(), now),
            rhythm,
            verdict: Verdict::Waiting,
            number: 0,
            bytes: 0,
            bytes_at_telegram: 0,
            proved: false,
            guessed: now,
            now,
            at: clock.time_of_day(),
            active: now,
            lost_told: false,
            bytes_told: now,
            looked: now,
            setup,
        };
        if let Some(protocol) = protocol.or(guess.map(|found| found.protocol)) {
            reader.converse(protocol);
        }
        reader
    }

    /// The same reader, which passes on what it receives.
    #[must_use]
    pub fn with_tap(self, tap: Option<Tap>) -> Self {
        Self { tap, ..self }
    }

    /// Reads until told to end, or until a file or standard input has ended.
    pub async fn run(mut self, heartbeat: Heartbeat) {
        let mut buffer = vec![0; READ_LEN];
        loop {
            heartbeat.beat();
            let wake = self.clock.at(self.wake_at());
            tokio::select! {
                biased;
                () = self.shutdown.wait() => return,
                event = self.link.next(&mut buffer) => match event {
                    LinkEvent::Received(received) => {
                        let bytes = buffer.get(..received.len).unwrap_or_default();
                        self.received(bytes, received).await;
                    }
                    LinkEvent::Opened => self.opened().await,
                    LinkEvent::Lost(error) => self.lost(&error).await,
                    LinkEvent::Ended(error) => return self.ended(error).await,
                },
                () = tokio::time::sleep_until(wake), if !self.link.has_own_time() => self.look().await,
            }
        }
    }

    /// When something is to be done even if no byte comes.
    fn wake_at(&self) -> Duration {
        let look = self.now + LOOK_INTERVAL.min(self.rhythm.patience() / 4);
        let meter = self.meter.as_ref().filter(|_| !self.stands_still());
        let deadline = meter.and_then(Conversation::poll_timeout);
        let next_try = self.recogniser.next_try().filter(|_| self.meter.is_none() && self.link.is_open());
        let wake = [deadline, next_try].into_iter().flatten().fold(look, Duration::min);
        // A deadline that has passed and is still there does not become a busy loop.
        wake.max(self.now + Duration::from_millis(1))
    }

    fn stands_still(&self) -> bool {
        self.asks && !self.link.is_open()
    }

    async fn opened(&mut self) {
        self.set_now(self.clock.now());
        self.active = self.now;
        if self.lost_told {
            tracing::info!("meter `{}`: {} is open again", self.name, self.setup.port.place);
        }
        self.lost_told = false;
        self.tell(What::PortOpened).await;
        self.look().await;
    }

    async fn lost(&mut self, error: &std::io::Error) {
        self.set_now(self.clock.now());
        if !self.lost_told {
            self.lost_told = true;
            let text = port::explain(error, &self.setup.port.place);
            tracing::warn!("meter `{}`: {text}; trying again", self.name);
            self.tell(What::PortLost(text)).await;
        }
    }

    async fn received(&mut self, bytes: &[u8], received: Received) {
        if self.link.has_own_time() {
            self.advance_to(received.at).await;
        }
        self.set_now(received.at);
        if let Some(unix_ms) = received.captured_unix_ms {
            self.at = Instant { unix_ms, trust: Trust::HostUnsynchronised };
        }
        tracing::trace!("meter `{}`: {} bytes", self.name, bytes.len());
        self.record(Direction::Received, bytes);
        if let Some(tap) = &self.tap {
            tap.pass(bytes);
        }
        self.active = self.now;
        self.bytes += bytes.len() as u64;
        self.watch.bytes(bytes, self.now);
        self.take(bytes).await;
        self.doubt();
        self.judge().await;
        // A source that never pauses leaves no time for the timer.
        if !self.link.has_own_time() && self.now.saturating_sub(self.looked) >= LOOK_INTERVAL {
            self.look().await;
        }
    }

    /// Hands bytes to the conversation, or to recognition while there is none.
    async fn take(&mut self, bytes: &[u8]) {
        if self.meter.is_some() {
            return self.feed(bytes).await;
        }
        if let Some(found) = self.recogniser.add(bytes) {
            self.recognised(found).await;
        }
    }

    async fn recognised(&mut self, detection: Detection) {
        let found = Found { protocol: detection.protocol, line: self.link.line() };
        tracing::info!("meter `{}`: speaks {} at {}", self.name, found.protocol, found.line);
        // What spoke unasked is listened to; what answered a sign-on is asked again.
        if self.setup.iec.mode == IecMode::Auto && self.recogniser.tries_lines() {
            self.signs_on = self.recogniser.was_asked();
        }
        let collected = self.recogniser.take_bytes();
        self.converse(found.protocol);
        self.tell(What::Protocol { found, detection }).await;
        self.feed(&collected).await;
    }

    /// A wrong guess does not lock in: bytes without a telegram for long enough, and the guess is forgotten.
    fn doubt(&mut self) {
        let is_guess = self.setup.protocol.is_none() && self.setup.model.is_none();
        let in_vain = self.bytes - self.bytes_at_telegram > DOUBT_LEN
            || (!self.proved && self.now.saturating_sub(self.guessed) >= DOUBT_TIME);
        if is_guess && self.meter.is_some() && in_vain {
            tracing::info!("meter `{}`: does not speak as was thought; it is looked for anew", self.name);
            self.meter = None;
            self.bytes_at_telegram = self.bytes;
        }
    }

    fn converse(&mut self, protocol: Protocol) {
        self.bytes_at_telegram = self.bytes;
        self.guessed = self.now;
        let asking = ask::asking(protocol, &self.setup, &self.settings, self.signs_on, BUFFER_LEN);
        self.asks = asking.is_some();
        self.meter = Some(match asking {
            Some((meter, interval)) => {
                self.rhythm = Rhythm::new(self.setup.silent_after, Some(interval));
                self.watch.set_patience(self.rhythm.patience());
                meter
            }
            None => Meter::listening(protocol, self.settings.clone(), vec![0; BUFFER_LEN]),
        });
    }

    async fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        // The second offer of the same bytes follows the events that had to come before them.
        let mut refused = false;
        while !rest.is_empty() {
            let Some(meter) = &mut self.meter else { return };
            let taken = meter.handle_input(rest, self.now);
            rest = rest.get(taken..).unwrap_or_default();
            if taken == 0 && refused {
                tracing::error!("meter `{}`: the conversation takes no bytes; it begins anew", self.name);
                let protocol = protocol_of(meter);
                return self.converse(protocol);
            }
            refused = taken == 0;
            self.drain().await;
        }
        self.drain().await;
    }

    /// Tells all events, sends all requests.
    async fn drain(&mut self) {
        let mut request = [0; REQUEST_LEN];
        loop {
            match self.poll() {
                Some(Told::Update(what)) => self.tell(what).await,
                Some(Told::Line(line)) => {
                    tracing::debug!("meter `{}`: line {line}", self.name);
                    if let Err(error) = self.link.set_line(line).await {
                        tracing::debug!("meter `{}`: cannot set the line: {error}", self.name);
                    }
                }
                None if self.stands_still() => return,
                None => {
                    let len = self.meter.as_mut().map_or(0, |meter| meter.poll_transmit(&mut request));
                    let Some(bytes) = request.get(..len).filter(|bytes| !bytes.is_empty()) else { return };
                    // What was not sent is not answered, and the conversation knows what to do about that.
                    self.send(bytes).await;
                }
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        match self.link.send(bytes).await {
            Ok(()) => self.record(Direction::Sent, bytes),
            Err(error) => tracing::debug!("meter `{}`: cannot send: {error}", self.name),
        }
    }

    fn record(&mut self, direction: Direction, bytes: &[u8]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(direction, bytes);
        }
    }

    fn poll(&mut self) -> Option<Told> {
        let event = self.meter.as_mut()?.poll()?;
        self.watch.event(&event, self.now);
        Some(match event {
            Event::Telegram(telegram) => {
                let number = self.number;
                self.number += 1;
                self.proved = true;
                self.bytes_at_telegram = self.bytes;
                self.rhythm.telegram(self.now);
                self.watch.set_patience(self.rhythm.patience());
                let kept = TelegramBuf::new(number, &telegram, self.at);
                tracing::debug!(
                    "meter `{}`: telegram {number}, {} registers",
                    self.name,
                    kept.reading.registers.len()
                );
                Told::Update(What::Telegram(Box::new(kept)))
            }
            Event::Rejected(rejection) => {
                let number = self.number;
                self.number += 1;
                // An envelope was read, though not opened: that is no chance.
                if rejection.security.is_some() {
                    self.proved = true;
                    self.bytes_at_telegram = self.bytes;
                }
                tracing::debug!("meter `{}`: refused, {}: {rejection}", self.name, rejection.cause.code());
                Told::Update(What::Rejected { number, rejection })
            }
            Event::NoAnswer { attempts, echo } => {
                // A serial server may have forgotten us without a word.
                if self.setup.port.place.is_remote() {
                    self.link.reopen();
                }
                Told::Update(What::NoAnswer { attempts, echo })
            }
            Event::Line(line) => Told::Line(line),
        })
    }

    /// Time has passed, or may have.
    async fn look(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
        self.set_now(self.clock.now());
        self.looked = self.now;
        if self.stands_still() {
            if self.now.saturating_sub(self.active) >= PORT_PATIENCE {
                // Without a port nobody answers, however rarely the meter is asked.
                self.watch.event(&Event::NoAnswer { attempts: 0, echo: false }, self.now);
            }
        } else if let Some(meter) = &mut self.meter {
            meter.handle_timeout(self.now);
        } else if self.link.is_open()
            && let Some(probe) = self.recogniser.try_next(self.now)
        {
            tracing::debug!("meter `{}`: tries {}", self.name, probe.line);
            let tried = match self.link.try_line(probe.line).await {
                Ok(()) if !probe.request.is_empty() => self.link.send(probe.request).await,
                Ok(()) => Ok(()),
                Err(error) => {
                    self.recogniser.skip(self.now);
                    Err(error)
                }
            };
            if let Err(error) = tried {
                tracing::debug!("meter `{}`: {error}", self.name);
            }
        }
        self.drain().await;
        self.sign_on_if_silent().await;
        self.doubt();
        self.heal();
        self.judge().await;
        if self.now.saturating_sub(self.bytes_told) >= BYTES_INTERVAL {
            self.tell(What::Bytes).await;
        }
    }

    /// An IEC 62056-21 meter that was listened to in vain is asked.
    async fn sign_on_if_silent(&mut self) {
        let waits = matches!(self.meter, Some(Meter::Iec62056_21(_))) && !self.signs_on;
        let may = self.setup.iec.mode == IecMode::Auto && self.link.is_open() && self.bytes == 0;
        if waits && may && self.now.saturating_sub(self.active) >= PORT_PATIENCE {
            tracing::info!("meter `{}`: sends nothing by itself; it is read out", self.name);
            self.signs_on = true;
            self.setup.port.line = None;
            if let Err(error) = self.link.set_line(LineSettings::M300_7E1).await {
                tracing::debug!("meter `{}`: cannot set the line: {error}", self.name);
            }
            self.converse(Protocol::Iec62056_21);
            self.drain().await;
        }
    }

    /// Opens a port again that is open and dead.
    fn heal(&mut self) {
        let quiet = self.now.saturating_sub(self.active);
        let is_remote = self.setup.port.place.is_remote();
        let is_serial = matches!(self.setup.port.place, Place::Serial(_));
        let why = if quiet >= QUIET && self.link.has_moved() {
            "its path leads elsewhere now"
        } else if is_remote && quiet >= self.rhythm.connection_dead_after() {
            "the connection is silent for too long"
        } else if is_serial && quiet >= self.rhythm.device_stuck_after() {
            "the device is silent for too long"
        } else {
            return;
        };
        if self.link.is_open() {
            tracing::debug!("meter `{}`: {} is opened again: {why}", self.name, self.setup.port.place);
            self.active = self.now;
            self.link.reopen();
        }
    }

    /// Lets the deadlines pass that lie before `at`, in the time of a capture.
    async fn advance_to(&mut self, at: Duration) {
        for _ in 0..LAST_DEADLINES_MAX {
            let deadline = self.meter.as_ref().and_then(Conversation::poll_timeout);
            let Some(deadline) = deadline.filter(|&deadline| deadline <= at) else { break };
            self.set_now(deadline.max(self.now));
            if let Some(meter) = &mut self.meter {
                meter.handle_timeout(self.now);
            }
            self.drain().await;
        }
        self.set_now(at.max(self.now));
        self.judge().await;
    }

    /// The input has ended: what is unfinished is told.
    async fn ended(&mut self, error: Option<std::io::Error>) {
        if let Some(error) = error {
            let text = port::explain(&error, &self.setup.port.place);
            tracing::error!("meter `{}`: {text}", self.name);
            self.tell(What::PortLost(text)).await;
        }
        if self.meter.is_none()
            && let Some(found) = self.recogniser.guess()
        {
            self.recognised(found).await;
        }
        for _ in 0..LAST_DEADLINES_MAX {
            let Some(deadline) = self.meter.as_ref().and_then(Conversation::poll_timeout) else { break };
            self.now = deadline.max(self.now);
            if let Some(meter) = &mut self.meter {
                meter.handle_timeout(self.now);
            }
            self.drain().await;
        }
        self.judge().await;
        self.tell(What::Ended).await;
    }

    async fn judge(&mut self) {
        let verdict = self.watch.verdict(self.now);
        if verdict.code() != self.verdict.code() {
            self.verdict = verdict;
            self.tell(What::Verdict(verdict)).await;
        }
    }

    fn set_now(&mut self, now: Duration) {
        self.now = self.now.max(now);
        if !self.link.has_own_time() {
            self.at = self.clock.time_of_day();
        }
    }

    async fn tell(&mut self, what: What) {
        self.bytes_told = self.now;
        let live = !matches!(self.setup.port.place, Place::File(_) | Place::Stdin);
        let update = Update { meter: Arc::clone(&self.name), at: self.at, live, bytes: self.bytes, what };
        // Nobody listens any more only when the whole gateway ends.
        let _ = self.updates.send(update).await;
    }
}

fn protocol_of<B>(meter: &Meter<B>) -> Protocol {
    match meter {
        Meter::Sml(_) => Protocol::Sml,
        Meter::DlmsMbus(_) => Protocol::DlmsMbus,
        Meter::DlmsHdlc(_) => Protocol::DlmsHdlc,
        Meter::P1(_) => Protocol::P1,
        Meter::Kmp(_) => Protocol::Kmp,
        Meter::Iec62056_21(_) => Protocol::Iec62056_21,
    }
}
