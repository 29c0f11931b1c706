//! When to sign on, and how to go on from the identification.
use crate::LineSettings;
use core::time::Duration;
use metergate_wire::iec62056_21::{self as wire, Identification, Mode};
use metergate_wire::{Full, Writer};

/// Longest device address (clause 6.3.1).
const ADDRESS_LEN_MAX: usize = 32;
/// From the request to the end of the identification: 40 characters each way at 300 baud, and 1.5 s in between.
const IDENTIFICATION: Duration = Duration::from_millis(4200);
/// From the option select to the first data: the select itself takes 0.2 s at 300 baud, the meter up to 1.5 s.
const DATA: Duration = Duration::from_millis(2500);
/// Silence within an answer (clause 6.3.14: 1.5 s between characters), with room for a bridge over a network.
const GAP: Duration = Duration::from_millis(2200);
/// Between identification and option select (clause 6.3.13).
const REACTION: Duration = Duration::from_millis(200);
/// The same for meters whose maker's third letter is small.
const FAST_REACTION: Duration = Duration::from_millis(20);
/// Before another sign-on: the meter has to give up the last one, after 1.5 s.
const RETRY: Duration = Duration::from_millis(2000);

/// Whom to ask, and how often.
#[derive(Debug, Clone)]
pub struct Plan {
    address: [u8; ADDRESS_LEN_MAX],
    address_len: usize,
    interval: Duration,
    attempts: u8,
    line: LineSettings,
    baud_max: u32,
    parity_bit: bool,
}

impl Plan {
    /// Reads any meter on the line every `interval`, from the start of one readout to the start of the next, and signs
    /// on at 300 baud up to three times.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self {
            address: [0; ADDRESS_LEN_MAX],
            address_len: 0,
            interval,
            attempts: 3,
            line: LineSettings::M300_7E1,
            baud_max: 19_200,
            parity_bit: false,
        }
    }

    /// Asks the meter with this number: of several on one line, only it answers.
    ///
    /// `None` when the number is longer than 32 characters or not of letters, digits and blanks.
    #[must_use]
    pub fn with_address(mut self, address: &str) -> Option<Self> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b' ';
        if !address.bytes().all(valid) {
            return None;
        }
        self.address.get_mut(..address.len())?.copy_from_slice(address.as_bytes());
        self.address_len = address.len();
        Some(self)
    }

    /// Signs on at most this often before the meter counts as silent, 1 or more.
    #[must_use]
    pub fn with_attempts(self, attempts: u8) -> Self {
        Self { attempts: attempts.max(1), ..self }
    }

    /// Signs on with these settings: meters in mode C with a fixed rate exist.
    #[must_use]
    pub const fn with_line(self, line: LineSettings) -> Self {
        Self { line, ..self }
    }

    /// Chooses no rate above this one in mode C: some optical heads cannot do more than 2400 baud.
    #[must_use]
    pub const fn with_baud_max(self, baud: u32) -> Self {
        Self { baud_max: baud, ..self }
    }

    /// Adds the parity bit to what is sent: for ports that can only do 8N1.
    #[must_use]
    pub const fn with_parity_bit(self) -> Self {
        Self { parity_bit: true, ..self }
    }

    fn address(&self) -> &[u8] {
        self.address.get(..self.address_len).unwrap_or_default()
    }

    /// The baud rate character to send back, and its rate.
    fn choose(&self, character: u8, baud: u32) -> (u8, u32) {
        if baud <= self.baud_max {
            return (character, baud);
        }
        let rates = [(b'5', 9600), (b'4', 4800), (b'3', 2400), (b'2', 1200), (b'1', 600)];
        rates.into_iter().find(|&(_, baud)| baud <= self.baud_max).unwrap_or((b'0', 300))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing to do before `due`.
    Idle { due: Duration },
    /// The request goes out at `due`.
    SignOn { due: Duration },
    /// The identification comes before `until`.
    AwaitIdentification { until: Duration },
    /// The option select goes out at `due`; then the line changes to `baud`.
    Select { due: Duration, character: u8, baud: u32 },
    /// The data comes before `until`.
    AwaitData { until: Duration },
}

/// What the driver must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    NoAnswer { attempts: u8, echo: bool },
}

/// Leads a meter from the sign-on to its data.
#[derive(Debug)]
pub(super) struct Asker {
    plan: Plan,
    now: Duration,
    state: State,
    round_start: Duration,
    attempts: u8,
    echo: bool,
    /// How the line is set.
    line: LineSettings,
    /// The line is to be set, and the driver does not know yet.
    line_changes: bool,
    outcome: Option<Outcome>,
}

impl Asker {
    pub(super) fn new(plan: Plan) -> Self {
        let line = plan.line;
        Self {
            plan,
            now: Duration::ZERO,
            state: State::Idle { due: Duration::ZERO },
            round_start: Duration::ZERO,
            attempts: 0,
            echo: false,
            line,
            line_changes: false,
            outcome: None,
        }
    }

    /// When something is to be done.
    pub(super) const fn due(&self) -> Duration {
        if self.line_changes {
            return self.now;
        }
        match self.state {
            State::Idle { due } | State::SignOn { due } | State::Select { due, .. } => due,
            State::AwaitIdentification { until } | State::AwaitData { until } => until,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Duration) {
        self.now = now;
        match self.state {
            State::Idle { due } if now >= due => {
                self.round_start = now;
                self.attempts = 0;
                self.echo = false;
                self.sign_on_at(now);
            }
            State::AwaitIdentification { until } | State::AwaitData { until } if now >= until => {
                self.failed();
            }
            _ => {}
        }
    }

    fn sign_on_at(&mut self, due: Duration) {
        self.set_line(self.plan.line);
        self.state = State::SignOn { due };
    }

    fn set_line(&mut self, line: LineSettings) {
        if self.line != line {
            self.line = line;
            self.line_changes = true;
        }
    }

    /// The settings to order, once.
    pub(super) fn take_line(&mut self) -> Option<LineSettings> {
        core::mem::take(&mut self.line_changes).then_some(self.line)
    }

    /// Bytes arrive.
    pub(super) fn heard(&mut self, now: Duration) {
        self.now = now;
        if let State::AwaitIdentification { until } | State::AwaitData { until } = &mut self.state {
            *until = (*until).max(now + GAP);
        }
    }

    /// The own request came back, and nothing else.
    pub(super) fn echoed(&mut self) {
        self.echo = true;
    }

    pub(super) const fn awaits_identification(&self) -> bool {
        matches!(self.state, State::AwaitIdentification { .. })
    }

    /// The meter signed on.
    pub(super) fn identified(&mut self, identification: Identification<'_>) {
        let until = self.now + DATA;
        match identification.mode() {
            Mode::A => self.state = State::AwaitData { until },
            Mode::B { baud } => {
                self.set_line(self.line.at_baud(baud));
                self.state = State::AwaitData { until };
            }
            Mode::C { character, baud } => {
                let (character, baud) = self.plan.choose(character, baud);
                let reaction = if identification.is_fast() { FAST_REACTION } else { REACTION };
                self.state = State::Select { due: self.now + reaction, character, baud };
            }
        }
    }

    /// A readout came that passed all checks.
    pub(super) fn answered(&mut self) {
        if !matches!(self.state, State::Idle { .. }) {
            self.end_round();
        }
    }

    fn end_round(&mut self) {
        // A round that took longer than the interval leaves out what it missed.
        let due = (self.round_start + self.plan.interval).max(self.now);
        self.state = State::Idle { due };
    }

    /// Nothing came, or something damaged.
    pub(super) fn failed(&mut self) {
        if !matches!(self.state, State::AwaitIdentification { .. } | State::AwaitData { .. }) {
            return;
        }
        if self.attempts < self.plan.attempts {
            self.sign_on_at(self.now + RETRY);
        } else {
            self.outcome = Some(Outcome::NoAnswer { attempts: self.attempts, echo: self.echo });
            self.end_round();
        }
    }

    /// Writes what is to be sent now. The line has to be set before.
    pub(super) fn transmit(&mut self, out: &mut [u8]) -> usize {
        if self.line_changes {
            return 0;
        }
        let mut writer = Writer::new(out);
        let written = match self.state {
            State::SignOn { due } if self.now >= due => {
                self.attempts = self.attempts.saturating_add(1);
                self.state = State::AwaitIdentification { until: self.now + IDENTIFICATION };
                wire::emit_request(&mut writer, self.plan.address())
            }
            State::Select { due, character, baud } if self.now >= due => {
                self.state = State::AwaitData { until: self.now + DATA };
                let written = wire::emit_option_select(&mut writer, character);
                self.set_line(self.line.at_baud(baud));
                written
            }
            _ => return 0,
        };
        // A buffer that is too small sends nothing, and the meter counts as silent.
        let Ok::<(), Full>(()) = written else { return 0 };
        if self.plan.parity_bit {
            wire::add_parity(writer.written_mut());
        }
        writer.len()
    }

    pub(super) fn take_outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }
}
