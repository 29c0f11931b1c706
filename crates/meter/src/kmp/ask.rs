//! When to ask a Kamstrup meter for what.
use core::time::Duration;
use metergate_wire::Writer;
use metergate_wire::kmp::{self, Command, REGISTERS_MAX};

/// A stop byte alone: the meter ignores it, and its light wakes an optical head that sleeps.
pub(super) const WAKE: u8 = 0x0D;

/// Registers of a plan at most: four requests.
const PLAN_REGISTERS_MAX: usize = 32;
/// How long the head has to wake up after a [`WAKE`].
const WAKE_UP: Duration = Duration::from_millis(200);
/// Heads sleep after four minutes without light.
const AWAKE: Duration = Duration::from_secs(240);
/// From the request to the start of the answer: sending takes 0.2 s, the meter up to 1 s.
const ANSWER: Duration = Duration::from_secs(2);
/// Between two bytes of an answer, with room for a bridge over a network.
const GAP: Duration = Duration::from_millis(600);
/// Before the next request of a round.
const PAUSE: Duration = Duration::from_millis(100);
/// Before a repetition, times the number of attempts so far.
const RETRY: Duration = Duration::from_millis(500);
const HOUR: Duration = Duration::from_secs(3600);
/// Largest hourly budget that is kept track of; a meter that may be asked more often than once in two minutes needs none.
const BUDGET_MAX: u8 = 30;

/// What to ask, and how often.
#[derive(Debug, Clone)]
pub struct Plan {
    registers: [u16; PLAN_REGISTERS_MAX],
    len: usize,
    interval: Duration,
    requests_per_hour: Option<u8>,
    attempts: u8,
    identity: bool,
}

impl Plan {
    /// Asks for `registers` every `interval`, from the start of one round to the start of the next; each request up
    /// to three times, and once for type and serial number.
    ///
    /// `None` without registers or with more than 32.
    #[must_use]
    pub fn new(registers: &[u16], interval: Duration) -> Option<Self> {
        let mut kept = [0; PLAN_REGISTERS_MAX];
        kept.get_mut(..registers.len())?.copy_from_slice(registers);
        let len = Some(registers.len()).filter(|&len| len > 0)?;
        Some(Self { registers: kept, len, interval, requests_per_hour: None, attempts: 3, identity: true })
    }

    /// Sends at most this many requests in any hour, repetitions included, 1 to 30: for meters with a battery.
    ///
    /// What does not fit is put off until it does.
    #[must_use]
    pub fn with_requests_per_hour(self, requests: u8) -> Self {
        Self { requests_per_hour: Some(requests.clamp(1, BUDGET_MAX)), ..self }
    }

    /// Sends a request at most this often before it counts as not answered, 1 or more.
    #[must_use]
    pub fn with_attempts(self, attempts: u8) -> Self {
        Self { attempts: attempts.max(1), ..self }
    }

    /// Does not ask for type and serial number.
    #[must_use]
    pub fn without_identity(self) -> Self {
        Self { identity: false, ..self }
    }

    fn registers(&self, chunk: usize) -> &[u16] {
        let all = self.registers.get(..self.len).unwrap_or_default();
        all.chunks(REGISTERS_MAX).nth(chunk).unwrap_or_default()
    }
}

/// One request of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    SerialNumber,
    MeterType,
    /// The registers of this chunk of the plan.
    Registers(usize),
}

impl Request {
    const fn command(self) -> Command {
        match self {
            Self::SerialNumber => Command::GetSerialNumber,
            Self::MeterType => Command::GetType,
            Self::Registers(_) => Command::GetRegister,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing to do before `due`.
    Idle { due: Duration },
    /// The wake-up byte goes out at `due`.
    Wake { due: Duration },
    /// The request goes out at `due`.
    Ask { due: Duration },
    /// The answer comes before `until`.
    Await { until: Duration },
}

/// What the driver must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    NoAnswer { attempts: u8, echo: bool },
}

/// Decides when to ask for what, and how often again.
#[derive(Debug)]
pub(super) struct Asker {
    plan: Plan,
    now: Duration,
    state: State,
    round_start: Duration,
    request: Request,
    attempts: u8,
    echo: bool,
    /// Type and serial number are still to be asked for.
    identity: bool,
    last_heard: Option<Duration>,
    /// When the last requests were sent, the latest first.
    sent: [Option<Duration>; BUDGET_MAX as usize],
    outcome: Option<Outcome>,
}

impl Asker {
    pub(super) fn new(plan: Plan) -> Self {
        let identity = plan.identity;
        Self {
            plan,
            now: Duration::ZERO,
            state: State::Idle { due: Duration::ZERO },
            round_start: Duration::ZERO,
            request: Request::Registers(0),
            attempts: 0,
            echo: false,
            identity,
            last_heard: None,
            sent: [None; BUDGET_MAX as usize],
            outcome: None,
        }
    }

    /// When something is to be done.
    pub(super) const fn due(&self) -> Duration {
        match self.state {
            State::Idle { due } | State::Wake { due } | State::Ask { due } | State::Await { until: due } => {
                due
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Duration) {
        self.now = now;
        match self.state {
            State::Idle { due } if now >= due => {
                self.round_start = now;
                self.ask(if self.identity { Request::SerialNumber } else { Request::Registers(0) });
            }
            State::Await { until } if now >= until => self.failed(),
            _ => {}
        }
    }

    /// Bytes arrive.
    pub(super) fn heard(&mut self, now: Duration) {
        self.now = now;
        self.last_heard = Some(now);
        if let State::Await { until } = &mut self.state {
            *until = (*until).max(now + GAP);
        }
    }

    /// The own request came back.
    pub(super) fn echoed(&mut self) {
        self.echo = true;
    }

    /// An answer to `command` came whose frame is right.
    pub(super) fn answered(&mut self, command: Command) {
        if matches!(self.state, State::Idle { .. }) || self.request.command() != command {
            return;
        }
        self.next();
    }

    /// Goes on to the next request of the round, or ends it.
    fn next(&mut self) {
        let next = match self.request {
            Request::SerialNumber => Request::MeterType,
            Request::MeterType => {
                self.identity = false;
                Request::Registers(0)
            }
            Request::Registers(chunk) => Request::Registers(chunk + 1),
        };
        match next {
            Request::Registers(chunk) if self.plan.registers(chunk).is_empty() => self.end_round(),
            next => self.ask(next),
        }
    }

    fn end_round(&mut self) {
        // A round that took longer than the interval leaves out what it missed.
        let due = (self.round_start + self.plan.interval).max(self.now);
        self.state = State::Idle { due };
    }

    fn ask(&mut self, request: Request) {
        self.request = request;
        self.attempts = 0;
        self.echo = false;
        let due = if self.last_heard == Some(self.now) { self.now + PAUSE } else { self.now };
        self.send_at(due);
    }

    /// Plans the request for `due`, or later when the budget is used up, with a wake-up before it where one is needed.
    fn send_at(&mut self, due: Duration) {
        let due = due.max(self.budget_allows());
        let asleep = self.last_heard.is_none_or(|heard| due.saturating_sub(heard) >= AWAKE);
        // The very first request finds out by itself whether the head sleeps.
        let wake = self.attempts > 0 || (asleep && self.last_heard.is_some());
        self.state = if wake { State::Wake { due } } else { State::Ask { due } };
    }

    /// The earliest time at which another request keeps the budget.
    fn budget_allows(&self) -> Duration {
        let Some(budget) = self.plan.requests_per_hour else { return Duration::ZERO };
        let oldest = usize::from(budget).checked_sub(1).and_then(|index| *self.sent.get(index)?);
        oldest.map_or(Duration::ZERO, |oldest| oldest + HOUR)
    }

    /// The request was not answered, or its answer was damaged.
    pub(super) fn failed(&mut self) {
        if !matches!(self.state, State::Await { .. }) {
            return;
        }
        if self.attempts < self.plan.attempts {
            self.send_at(self.now + RETRY * u32::from(self.attempts));
        } else if matches!(self.request, Request::Registers(_)) {
            self.outcome = Some(Outcome::NoAnswer { attempts: self.attempts, echo: self.echo });
            self.end_round();
        } else {
            // Some modules answer neither; that is no reason not to ask for the registers.
            self.identity = false;
            self.ask(Request::Registers(0));
        }
    }

    /// Writes what is to be sent now.
    pub(super) fn transmit(&mut self, out: &mut [u8]) -> usize {
        let mut out = Writer::new(out);
        match self.state {
            State::Wake { due } if self.now >= due => {
                self.state = State::Ask { due: self.now + WAKE_UP };
                out.u8(WAKE)
            }
            State::Ask { due } if self.now >= due => {
                self.state = State::Await { until: self.now + ANSWER };
                self.attempts = self.attempts.saturating_add(1);
                self.sent.rotate_right(1);
                if let Some(latest) = self.sent.first_mut() {
                    *latest = Some(self.now);
                }
                match self.request {
                    Request::Registers(chunk) => kmp::emit_get_register(&mut out, self.plan.registers(chunk)),
                    request => kmp::emit_request(&mut out, request.command()),
                }
            }
            _ => return 0,
        }
        // A buffer that is too small sends nothing, and the request counts as not answered.
        .map_or(0, |()| out.len())
    }

    pub(super) fn outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }
}
