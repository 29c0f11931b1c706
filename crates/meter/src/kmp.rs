//! Kamstrup Meter Protocol: a conversation that asks, or only listens.
//!
//! The reader asks for up to eight registers a request, and the meter answers within a second. Two things make it hard:
//! heads echo what is sent, and meters with a battery let their optical port sleep and pay for every answer. So a
//! request is repeated a bounded number of times, after a byte of light that wakes the head, and an hourly budget holds
//! for requests and repetitions together.
use crate::models::Model;
use crate::{Code, Conversation, Event, Flags, Protocol, Rejection, Settings, Step, Stream, Telegram};
use core::fmt;
use core::time::Duration;
use metergate_reading::MeterId;
use metergate_wire::Scan;
use metergate_wire::kmp::{self, Command, Frame, Message, NoValue, RegisterError};

mod ask;
mod register;

pub use ask::Plan;
use ask::{Asker, Outcome};
pub use register::{Registers, obis};

/// Silence that ends an unfinished frame: a byte takes 9 ms, and a meter sends its answer in one go.
const IDLE: Duration = Duration::from_millis(500);

/// Why an answer was refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cause {
    /// The frame.
    Frame(kmp::Error),
    /// The list of registers.
    Registers(RegisterError),
    /// A value that does not fit 64 bits.
    NumberTooLarge {
        /// Of this register.
        register: u16,
    },
    /// An answer to a command that carries no readings.
    Command {
        /// The CID.
        code: u8,
    },
    /// The answer to GetType or GetSerialNo has not four bytes.
    Length {
        /// Number of bytes.
        found: usize,
    },
}

impl Cause {
    pub(crate) fn layer(&self) -> &'static str {
        match self {
            Self::Frame(_) => "kmp.frame",
            _ => "kmp.answer",
        }
    }

    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Frame(error) => match error {
                kmp::Error::CrcMismatch { .. } => Code::CrcMismatch,
                kmp::Error::Unfinished { .. } => Code::Truncated,
                kmp::Error::TooLong => Code::TooLong,
                kmp::Error::Escape { .. } | kmp::Error::TooShort { .. } => Code::Malformed,
            },
            Self::Registers(_) | Self::Length { .. } => Code::Malformed,
            Self::NumberTooLarge { .. } => Code::OutOfRange,
            Self::Command { .. } => Code::Unsupported,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::Registers(error) => error.fmt(f),
            Self::NumberTooLarge { register } => {
                write!(f, "the value of register {register} does not fit 64 bits")
            }
            Self::Command { code } => write!(f, "an answer to command {code:02X}, which carries no readings"),
            Self::Length { found } => write!(f, "type and serial number have 4 bytes, found {found}"),
        }
    }
}

impl From<Cause> for crate::Cause {
    fn from(cause: Cause) -> Self {
        Self::Kmp(cause)
    }
}

/// Conversation with a Kamstrup meter.
///
/// ```
/// use core::time::Duration;
/// use metergate_meter::{Conversation, Event, Settings, kmp::{Kmp, Plan}};
///
/// let plan = Plan::new(&[60], Duration::from_secs(3600)).unwrap();
/// let mut meter = Kmp::asking(Settings::default(), plan.without_identity(), [0; 512]);
/// meter.handle_timeout(Duration::ZERO);
/// let mut request = [0; 64];
/// let len = meter.poll_transmit(&mut request);
/// assert_eq!(request[..len], *b"\x80\x3F\x10\x01\x00\x3C\xB2\x5F\x0D");
///
/// // The answer: 28.429 MWh.
/// meter.handle_input(b"\x40\x3F\x10\x00\x3C\x03\x04\x43\x00\x00\x6F\x1B\xF2", Duration::from_secs(1));
/// assert!(meter.poll().is_none(), "it is not complete");
/// meter.handle_input(b"\x5C\xA9\x0D", Duration::from_secs(1));
/// let Some(Event::Telegram(mut telegram)) = meter.poll() else { panic!() };
/// assert_eq!(telegram.registers.next().unwrap().obis.unwrap().to_string(), "6-0:1.0.0*255");
/// ```
#[derive(Debug)]
pub struct Kmp<B> {
    stream: Stream<B>,
    model: Option<&'static Model>,
    serial: Option<u32>,
    asker: Option<Asker>,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Kmp<B> {
    /// Listens only: for captured bytes, and beside another reader.
    pub fn new(settings: Settings, buffer: B) -> Self {
        let stream = Stream::new(buffer, Protocol::Kmp, IDLE);
        Self { stream, model: settings.model, serial: None, asker: None }
    }

    /// Asks as `plan` says.
    pub fn asking(settings: Settings, plan: Plan, buffer: B) -> Self {
        Self { asker: Some(Asker::new(plan)), ..Self::new(settings, buffer) }
    }

    /// Keeps the serial number of the held answer, and says whether it answers GetSerialNo or GetType.
    fn note_identity(&mut self, command: Command) -> bool {
        match command {
            Command::GetSerialNumber => {
                let serial =
                    Message::parse(self.stream.held_mut()).ok().and_then(|message| message.serial_number());
                self.serial = serial.or(self.serial);
                true
            }
            Command::GetType => true,
            _ => false,
        }
    }

    /// The event of an answer, which is held.
    fn answer(&mut self, offset: u64, length: u64) -> Event<'_> {
        let refuse = |cause: Cause| {
            let cause = cause.into();
            Event::Rejected(Rejection { offset, length, protocol: Protocol::Kmp, cause, security: None })
        };
        let message = match Message::parse(self.stream.held_mut()) {
            Ok(message) => message,
            Err(error) => return refuse(Cause::Frame(error)),
        };
        let registers = match read(message) {
            Ok(registers) => registers,
            Err(cause) => return refuse(cause),
        };
        if let Some(serial) = registers.serial_number() {
            self.serial = Some(serial);
        }
        Event::Telegram(Telegram {
            offset,
            length,
            protocol: Protocol::Kmp,
            meter: self.serial.map(MeterId::kamstrup),
            identification: None,
            model: self.model,
            time: registers.clock(),
            security: None,
            flags: Flags::default(),
            signature: None,
            registers: crate::Registers::Kmp(registers),
        })
    }
}

/// Reads what an answer says and checks all of it.
fn read(message: Message<'_>) -> Result<Registers<'_>, Cause> {
    let length = Cause::Length { found: message.data.len() };
    match message.command {
        Command::GetRegister => {
            let registers = message.registers().map_err(Cause::Registers)?;
            let mut values = registers.clone();
            match values.find(|register| register.value() == Err(NoValue::TooLarge)) {
                Some(register) => Err(Cause::NumberTooLarge { register: register.number }),
                None => Ok(Registers::values(registers)),
            }
        }
        Command::GetSerialNumber => message.serial_number().map(Registers::serial).ok_or(length),
        Command::GetType => message.meter_type().map(|_| Registers::meter_type(message.data)).ok_or(length),
        Command::Other(code) => Err(Cause::Command { code }),
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Conversation for Kmp<B> {
    fn handle_input(&mut self, bytes: &[u8], now: Duration) -> usize {
        if let Some(asker) = &mut self.asker
            && !bytes.is_empty()
        {
            asker.heard(now);
        }
        self.stream.fill(bytes, now)
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.stream.expire(now);
        if let Some(asker) = &mut self.asker {
            asker.handle_timeout(now);
        }
    }

    fn poll_transmit(&mut self, out: &mut [u8]) -> usize {
        self.asker.as_mut().map_or(0, |asker| asker.transmit(out))
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let asker = self.asker.as_ref().map(Asker::due);
        match (self.stream.deadline(), asker) {
            (Some(stream), Some(asker)) => Some(stream.min(asker)),
            (stream, asker) => stream.or(asker),
        }
    }

    fn poll(&mut self) -> Option<Event<'_>> {
        self.stream.release();
        loop {
            let asks = self.asker.is_some();
            match self.stream.next(|raw, _| scan(raw, asks)) {
                Step::Frame { frame: Found::Answer(command), offset, len } => {
                    self.stream.hold(0..len, len);
                    if let Some(asker) = &mut self.asker {
                        asker.answered(command);
                        // Asked for on the own account, so it is no news.
                        if self.note_identity(command) {
                            self.stream.release();
                            continue;
                        }
                    }
                    return Some(self.answer(offset, len as u64));
                }
                Step::Frame { frame: Found::Request, len, .. } => {
                    self.stream.drop_frame(len);
                    if let Some(asker) = &mut self.asker {
                        asker.echoed();
                    }
                }
                Step::Frame { frame: Found::Nothing, len, .. } => self.stream.drop_frame(len),
                Step::Rejected(rejection) => {
                    if let Some(asker) = &mut self.asker
                        && rejection.cause != crate::Cause::Noise
                    {
                        asker.failed();
                    }
                    return Some(Event::Rejected(rejection));
                }
                Step::Ended | Step::Wait => break,
            }
        }
        match self.asker.as_mut()?.outcome()? {
            Outcome::NoAnswer { attempts, echo } => Some(Event::NoAnswer { attempts, echo }),
        }
    }
}

/// What stands at the start of the raw bytes.
#[derive(Debug)]
enum Found {
    Answer(Command),
    Request,
    /// An acknowledgement, or the echo of the byte that wakes the head.
    Nothing,
}

fn scan(raw: &[u8], asks: bool) -> Scan<Found, crate::Cause> {
    if asks && raw.first() == Some(&ask::WAKE) {
        return Scan::Frame { frame: Found::Nothing, len: 1 };
    }
    match kmp::scan(raw) {
        Scan::Frame { frame: Frame::Answer(command), len } => {
            Scan::Frame { frame: Found::Answer(command), len }
        }
        Scan::Frame { frame: Frame::Request(_), len } => Scan::Frame { frame: Found::Request, len },
        Scan::Frame { frame: Frame::Ack, len } if asks => Scan::Frame { frame: Found::Nothing, len },
        // Who only listens cannot tell an acknowledgement from a foreign byte 06, and foreign bytes are one run.
        Scan::Frame { frame: Frame::Ack, len } => Scan::Skip(len),
        Scan::Skip(len) => Scan::Skip(len),
        Scan::Bad { error, len } => Scan::Bad { error: Cause::Frame(error).into(), len },
        Scan::NeedMore => Scan::NeedMore,
    }
}

#[cfg(test)]
mod tests;
