//! IEC 62056-21: a conversation that signs on and reads out (modes A, B, C), or only listens (mode D).
//!
//! ```text
//! reader   /?!CRLF                      ACK 0 5 0 CRLF   (line to 9600 baud)
//! meter               /ISk5MT174 CRLF                                         STX data ! CRLF ETX BCC
//! baud     300        300               300                                   9600
//! ```
//!
//! Characters have seven bits and even parity. Where the line carries eight, as over TCP and pseudo-terminals, the
//! parity bit is checked and removed here.
use crate::models::{self, Model};
use crate::{
    Code, Conversation, Event, Flags, Protocol, Rejection, Settings, Step, Stream, Telegram, data_set,
};
use core::fmt;
use core::time::Duration;
use metergate_reading::{Address, Date, DateTime, MeterId, Register, Time, Value};
use metergate_wire::Scan;
use metergate_wire::iec62056_21::{
    self as wire, Content, DataItem, DataSet, DataSets, IDENTIFICATION_LEN_MAX, Identification,
};

mod ask;
mod parity;

pub use ask::Plan;
use ask::{Asker, Outcome};
use parity::{Parity, WRONG_PARITY};

/// Silence that ends an unfinished readout. A meter takes up to 1.5 s to begin its data after an option select, which
/// itself begins 0.2 s after the identification and takes 0.2 s at 300 baud (clause 6.3.14).
const IDLE: Duration = Duration::from_millis(2200);

/// Why a readout was refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cause {
    /// The readout itself.
    Readout(wire::Error),
    /// A character with odd parity.
    Parity {
        /// Its offset in the readout.
        at: usize,
    },
    /// The meter sent a block check before, and now none.
    BccMissing,
}

impl Cause {
    pub(crate) fn layer(&self) -> &'static str {
        match self {
            Self::Readout(_) | Self::BccMissing => "iec62056-21.readout",
            Self::Parity { .. } => "iec62056-21.character",
        }
    }

    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Readout(error) => match error {
                wire::Error::BccMismatch { .. } => Code::BccMismatch,
                wire::Error::Unfinished { .. } => Code::Truncated,
                wire::Error::TooLong => Code::TooLong,
                wire::Error::NumberTooLarge { .. } => Code::OutOfRange,
                wire::Error::NoData => Code::Malformed,
                wire::Error::MissingEtx { .. }
                | wire::Error::MissingStx { .. }
                | wire::Error::NoText { .. } => Code::Damaged,
            },
            Self::Parity { .. } => Code::ParityMismatch,
            Self::BccMissing => Code::BccMismatch,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Readout(error) => error.fmt(f),
            Self::Parity { at } => {
                write!(f, "even parity was expected, found odd parity at offset {at}")
            }
            Self::BccMissing => f.write_str(
                "a block check was expected behind the data, since this meter sent one before; found none",
            ),
        }
    }
}

impl From<Cause> for crate::Cause {
    fn from(cause: Cause) -> Self {
        Self::Iec62056_21(cause)
    }
}

/// Registers of a readout: one for each data set.
#[derive(Debug, Clone)]
pub struct Registers<'a>(DataSets<'a>);

impl<'a> Iterator for Registers<'a> {
    type Item = Register<'a>;

    fn next(&mut self) -> Option<Register<'a>> {
        Some(match self.0.next()? {
            DataItem::Set(set) => register(&set),
            DataItem::Unparsed(text) => {
                Register::new(Address::Text(str::from_utf8(text).unwrap_or_default()), data_set::text(text))
            }
        })
    }
}

fn register<'a>(set: &DataSet<'a>) -> Register<'a> {
    let (value, unit, time) = match set.content() {
        Content::Quantity { quantity, time } => {
            let (number, unit) = data_set::number(quantity);
            (Value::Number(number), unit, time.and_then(data_set::date_time))
        }
        Content::Text(text) => (data_set::text(text), None, None),
        Content::List => {
            let (list, unit) = data_set::list(set.brackets(), set.groups());
            (list, unit, None)
        }
    };
    let address = str::from_utf8(set.address()).unwrap_or_default();
    Register {
        obis: address.parse().ok(),
        unit,
        time,
        groups: data_set::groups(set.brackets()),
        ..Register::new(Address::Text(address), value)
    }
}

/// Conversation with an IEC 62056-21 meter.
///
/// ```
/// use core::time::Duration;
/// use metergate_meter::{Conversation, Event, LineSettings, Settings, iec62056_21::{Iec62056_21, Plan}};
///
/// let plan = Plan::new(Duration::from_secs(900));
/// let mut meter = Iec62056_21::asking(Settings::default(), plan, [0; 4096]);
/// let mut request = [0; 64];
/// meter.handle_timeout(Duration::ZERO);
/// let len = meter.poll_transmit(&mut request);
/// assert_eq!(request[..len], *b"/?!\r\n");
///
/// // The meter signs on and offers 9600 baud.
/// let now = Duration::from_secs(1);
/// meter.handle_input(b"/LGZ5ZMD\r\n", now);
/// assert!(meter.poll().is_none());
/// let now = meter.poll_timeout().unwrap();
/// meter.handle_timeout(now);
/// let len = meter.poll_transmit(&mut request);
/// assert_eq!(request[..len], *b"\x06050\r\n");
/// let Some(Event::Line(line)) = meter.poll() else { panic!() };
/// assert_eq!(line, LineSettings::M9600_7E1);
///
/// // The data, with a wrong block check character.
/// meter.handle_input(b"\x021.8.0(001846.0*kWh)\r\n!\r\n\x03\x00", now);
/// assert!(matches!(meter.poll(), Some(Event::Rejected(_))));
/// ```
#[derive(Debug)]
pub struct Iec62056_21<B> {
    stream: Stream<B>,
    model: Option<&'static Model>,
    parity: Parity,
    /// A readout was told since the last silence.
    told_readout: bool,
    asker: Option<Asker>,
    /// The last thing on the line was a readout: line ends after it are no noise.
    after_readout: bool,
    checked: Checked,
}

/// The meter that sent a block check with its last readout. When it loses it, the line has.
#[derive(Debug)]
struct Checked {
    identification: [u8; IDENTIFICATION_LEN_MAX],
    len: usize,
}

impl Checked {
    fn is(&self, identification: &[u8]) -> bool {
        self.identification.get(..self.len) == Some(identification)
    }

    fn note(&mut self, identification: &[u8]) {
        if let Some(kept) = self.identification.get_mut(..identification.len()) {
            kept.copy_from_slice(identification);
            self.len = identification.len();
        }
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Iec62056_21<B> {
    /// Listens only: for meters that push, and for captured bytes.
    pub fn new(settings: Settings, buffer: B) -> Self {
        Self {
            stream: Stream::new(buffer, Protocol::Iec62056_21, IDLE),
            model: settings.model,
            parity: Parity::default(),
            told_readout: false,
            asker: None,
            after_readout: false,
            checked: Checked { identification: [0; _], len: 0 },
        }
    }

    /// Signs on and reads out as `plan` says.
    pub fn asking(settings: Settings, plan: Plan, buffer: B) -> Self {
        Self { asker: Some(Asker::new(plan)), ..Self::new(settings, buffer) }
    }

    /// The event of a readout, which is held.
    fn readout(&mut self, offset: u64, length: u64) -> Event<'_> {
        let protocol = Protocol::Iec62056_21;
        let refused = |cause| Event::Rejected(Rejection { offset, length, protocol, cause, security: None });
        // The scanner found it right before it was held.
        let Scan::Frame { frame, .. } = wire::scan_last(self.stream.held()) else {
            return refused(crate::Cause::Truncated);
        };
        let line = frame.identification().line();
        match frame.bcc() {
            Some(_) => self.checked.note(line),
            None if self.checked.is(line) => return refused(Cause::BccMissing.into()),
            None => {}
        }
        self.told_readout = true;
        let named = || models::recognise(Protocol::Iec62056_21, line)?.model;
        let (meter, time) = head(frame.data_sets());
        Event::Telegram(Telegram {
            offset,
            length,
            protocol,
            meter,
            identification: line.get(1..).and_then(|text| str::from_utf8(text).ok()),
            model: self.model.or_else(named),
            time,
            security: None,
            flags: Flags::default(),
            signature: None,
            registers: crate::Registers::Iec62056_21(Registers(frame.data_sets())),
        })
    }
}

/// Meter number and clock, wherever they stand.
fn head(sets: DataSets<'_>) -> (Option<MeterId>, Option<DateTime>) {
    let (mut number, mut time, mut date) = (None, None, None);
    for item in sets {
        let DataItem::Set(set) = item else { continue };
        let value = set.groups().next().unwrap_or_default();
        // `1-0:0.9.1*255` and `0.9.1` are the same here.
        let address = set.address().split(|&byte| byte == b':').next_back().unwrap_or_default();
        match address.split(|&byte| byte == b'*').next().unwrap_or_default() {
            b"0.0.0" | b"C.1.0" | b"0.0" | b"C.1" | b"9.21" if number.is_none() => {
                number = str::from_utf8(value).ok().and_then(MeterId::serial);
            }
            b"0.9.1" => time = time.or_else(|| clock(value)),
            b"0.9.2" => date = date.or_else(|| day(value)),
            _ => {}
        }
    }
    (number, date.zip(time).map(|(date, time)| DateTime::new(date, time)))
}

/// `hhmmss`, in some meters with a digit for the season in front.
fn clock(value: &[u8]) -> Option<Time> {
    let [hour, minute, second] = pairs(value)?;
    Time::new(hour, minute, second, 0)
}

/// `YYMMDD`, in some meters with a digit for the season in front.
fn day(value: &[u8]) -> Option<Date> {
    let [year, month, day] = pairs(value)?;
    Date::new(2000 + u16::from(year), month, day)
}

/// The last six of six or seven digits, as three numbers.
fn pairs(value: &[u8]) -> Option<[u8; 3]> {
    let (front, digits) = value.split_last_chunk::<6>()?;
    if front.len() > 1 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let [a, b, c, d, e, f] = digits.map(|digit| digit - b'0');
    Some([a * 10 + b, c * 10 + d, e * 10 + f])
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Conversation for Iec62056_21<B> {
    fn handle_input(&mut self, bytes: &[u8], now: Duration) -> usize {
        if let Some(asker) = &mut self.asker
            && !bytes.is_empty()
        {
            asker.heard(now);
        }
        let mut taken = 0;
        for piece in bytes.chunks(64) {
            let mut characters = [0; 64];
            let mut parity = self.parity;
            for (character, &byte) in characters.iter_mut().zip(piece) {
                *character = parity.strip(byte);
            }
            let fit = self.stream.fill(characters.get(..piece.len()).unwrap_or_default(), now);
            taken += fit;
            if fit < piece.len() {
                // What did not fit is offered again.
                piece.iter().take(fit).for_each(|&byte| {
                    self.parity.strip(byte);
                });
                break;
            }
            self.parity = parity;
        }
        taken
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
        if let Some(line) = self.asker.as_mut().and_then(Asker::take_line) {
            return Some(Event::Line(line));
        }
        loop {
            let (asks, after_readout) = (self.asker.is_some(), &mut self.after_readout);
            match self.stream.next(|raw, last| scan(raw, last, asks, after_readout)) {
                Step::Frame { frame: Found::Readout, offset, len } => {
                    self.stream.hold(0..len, len);
                    self.after_readout = true;
                    if let Some(asker) = &mut self.asker {
                        asker.answered();
                    }
                    return Some(self.readout(offset, len as u64));
                }
                Step::Frame { frame: Found::Echo, len, .. } => {
                    self.stream.drop_frame(len);
                    if let Some(asker) = &mut self.asker {
                        asker.echoed();
                    }
                }
                Step::Frame { frame: Found::Blank, len, .. } => self.stream.drop_frame(len),
                Step::Rejected(rejection) => {
                    if let Some(asker) = &mut self.asker
                        && rejection.cause != crate::Cause::Noise
                    {
                        asker.failed();
                    }
                    return Some(Event::Rejected(rejection));
                }
                Step::Ended => {
                    // After a readout the next one is taken to come as it did, so that noise right before it does not
                    // decide whether there is a parity bit. After anything else its `/` shows that.
                    if !core::mem::take(&mut self.told_readout) {
                        self.parity = Parity::default();
                    }
                    break;
                }
                Step::Wait => break,
            }
        }
        let asker = self.asker.as_mut()?;
        if asker.awaits_identification()
            && let Some(identification) = identification(self.stream.raw())
        {
            asker.identified(identification);
        }
        match asker.take_outcome()? {
            Outcome::NoAnswer { attempts, echo } => Some(Event::NoAnswer { attempts, echo }),
        }
    }
}

/// The last whole identification line among the raw bytes.
fn identification(raw: &[u8]) -> Option<Identification<'_>> {
    let end = raw.iter().rposition(|&byte| byte == b'\n')?;
    let mut lines = raw.get(..end)?.split(|byte| b"\r\n".contains(byte));
    lines.by_ref().filter_map(Identification::parse).last()
}

/// What stands at the start of the raw bytes.
#[derive(Debug)]
enum Found {
    Readout,
    /// The own request, and no identification after it.
    Echo,
    /// A line end after a readout.
    Blank,
}

/// Looks for a readout, or for a line end after one. Whatever else comes ends what may come `after_readout`.
fn scan(raw: &[u8], last: bool, asks: bool, after_readout: &mut bool) -> Scan<Found, crate::Cause> {
    if *after_readout && matches!(raw.first(), Some(b'\r' | b'\n' | 0)) {
        return Scan::Frame { frame: Found::Blank, len: 1 };
    }
    let found = readout(raw, last, asks);
    *after_readout &= matches!(found, Scan::NeedMore);
    found
}

/// Looks for a readout at the start of the raw bytes.
fn readout(raw: &[u8], last: bool, asks: bool) -> Scan<Found, crate::Cause> {
    let scanned = if last { wire::scan_last(raw) } else { wire::scan(raw) };
    let wrong_parity = |len: usize| {
        raw.iter().take(len).position(|&byte| byte == WRONG_PARITY).map(|at| Cause::Parity { at })
    };
    match scanned {
        Scan::Frame { len, .. } => match wrong_parity(len) {
            Some(cause) => Scan::Bad { error: cause.into(), len },
            None => Scan::Frame { frame: Found::Readout, len },
        },
        Scan::Bad { error, len } => {
            let cause = wrong_parity(len).unwrap_or(Cause::Readout(error));
            Scan::Bad { error: cause.into(), len }
        }
        Scan::Skip(len) if asks && raw.starts_with(b"/?") => Scan::Frame { frame: Found::Echo, len },
        Scan::Skip(len) => Scan::Skip(len),
        Scan::NeedMore => Scan::NeedMore,
    }
}

#[cfg(test)]
mod tests;
