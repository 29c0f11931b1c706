//! DSMR P1, plain and encrypted: a conversation that only listens.
//!
//! An encrypted telegram (Austria, Luxembourg) is a general-glo-ciphering envelope, `DB 08` and the system title, with a
//! whole plain telegram inside. Both kinds are read from the same line, since operators switch encryption on and off.
//!
//! There is no link check around the envelope. So what does not decrypt to a telegram may be a wrong key or a damaged
//! byte, and one code says both.
use crate::models::{self, Model};
use crate::security::{self, Opened, Opener};
use crate::{
    Code, Conversation, Event, Flags, Protocol, Rejection, Security, SecurityHeader, Settings, Step, Stream,
    Telegram, data_set,
};
use core::fmt;
use core::ops::Range;
use core::time::Duration;
use metergate_reading::{Address, DateTime, Groups, MeterId, ObisCode, Register, Value};
use metergate_wire::dlms::ciphering::{self, AUTHENTICATION_TAG_LEN};
use metergate_wire::iec62056_21::IDENTIFICATION_LEN_MAX;
use metergate_wire::p1::{self, Content, DataLine, Line, Lines};
use metergate_wire::{Scan, p1::Telegram as Text};

/// Silence that ends an unfinished telegram. Telegrams come every 1 or 10 s, and a bridge over a radio network may pause
/// within one.
const IDLE: Duration = Duration::from_millis(900);

/// Lines among which meter number and clock are looked for: they stand at the front.
const HEAD_LINES: usize = 8;

/// Marks of the envelope: tag and length of the system title.
const ENVELOPE: [u8; 2] = [ciphering::TAG, 8];
/// The marks and the title.
const ENVELOPE_HEAD_LEN: usize = 10;

/// Why a telegram was refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cause {
    /// The text.
    Telegram(p1::Error),
    /// The envelope.
    Envelope(ciphering::Error),
    /// The next envelope begins before this one is complete.
    UnfinishedEnvelope,
    /// Keys, tag, counter.
    Security(security::Error),
    /// What was decrypted is no telegram.
    WrongKeyOrDamaged,
    /// The meter sent a CRC before, and now none.
    CrcMissing,
}

impl Cause {
    pub(crate) fn layer(&self) -> &'static str {
        match self {
            Self::Telegram(_) | Self::CrcMissing => "p1.telegram",
            Self::Envelope(_) | Self::UnfinishedEnvelope => "p1.envelope",
            Self::Security(_) | Self::WrongKeyOrDamaged => "p1.security",
        }
    }

    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Telegram(error) => match error {
                p1::Error::CrcMismatch { .. } => Code::CrcMismatch,
                p1::Error::Unfinished { .. } => Code::Truncated,
                p1::Error::TooLong => Code::TooLong,
                p1::Error::NumberTooLarge { .. } => Code::OutOfRange,
                p1::Error::NoText { .. } => Code::Damaged,
                p1::Error::EndMark { .. }
                | p1::Error::NoData
                | p1::Error::NoIdentification
                | p1::Error::Trailing { .. } => Code::Malformed,
            },
            Self::Envelope(_) => Code::Malformed,
            Self::UnfinishedEnvelope => Code::Truncated,
            Self::Security(error) => error.code(),
            Self::WrongKeyOrDamaged => Code::WrongKeyOrDamaged,
            Self::CrcMissing => Code::CrcMismatch,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Telegram(error) => error.fmt(f),
            Self::Envelope(error) => error.fmt(f),
            Self::UnfinishedEnvelope => {
                f.write_str("the next encrypted telegram begins before the length of this one is reached")
            }
            Self::Security(error) => error.fmt(f),
            Self::WrongKeyOrDamaged => f.write_str(
                "what was decrypted does not begin with `/`: the key is wrong, or the telegram is damaged",
            ),
            Self::CrcMissing => {
                f.write_str("a CRC was expected after the `!`, since this meter sent one before; found none")
            }
        }
    }
}

impl From<Cause> for crate::Cause {
    fn from(cause: Cause) -> Self {
        Self::P1(cause)
    }
}

/// Registers of a telegram: one for each line.
#[derive(Debug, Clone)]
pub struct Registers<'a> {
    lines: Lines<'a>,
    /// The body as a text, found to be one in a single pass; empty when it is none.
    text: &'a str,
}

impl<'a> Registers<'a> {
    fn new(body: &'a [u8]) -> Self {
        Self { lines: Lines::new(body), text: str::from_utf8(body).unwrap_or_default() }
    }
}

impl<'a> Iterator for Registers<'a> {
    type Item = Register<'a>;

    // Not inlined: what it needs of the stack is not to burden the registers of the other protocols.
    #[inline(never)]
    fn next(&mut self) -> Option<Register<'a>> {
        match self.lines.next()? {
            Line::Data(line) => Some(register(&line, self.text)),
            Line::Unparsed(line) => Some(Register::new(
                Address::Text(str::from_utf8(line).unwrap_or_default()),
                data_set::text(line),
            )),
        }
    }
}

#[inline]
fn register<'a>(line: &DataLine<'a>, body: &'a str) -> Register<'a> {
    let (begin, end) = (line.offset() + line.address_len(), line.offset() + line.raw().len());
    let brackets = body.get(begin..end);
    let (value, unit, time) = match line.content() {
        Content::Quantity { quantity, time } => {
            let (number, unit) = data_set::number(quantity);
            (Value::Number(number), unit, time.and_then(data_set::date_time))
        }
        Content::Text(text) => {
            let only = body.get(begin + 1..end - 1).filter(|only| only.len() == text.len());
            (only.map_or_else(|| data_set::text(text), Value::Text), None, None)
        }
        Content::List => {
            let (list, unit) = data_set::list(line.brackets(), line.groups());
            (list, unit, None)
        }
    };
    Register {
        obis: Some(ObisCode::from_bytes(line.obis())),
        unit,
        time,
        groups: brackets.map_or_else(|| data_set::groups(line.brackets()), Groups::new),
        ..Register::new(Address::Obis, value)
    }
}

/// Conversation with a P1 port, plain or encrypted, which pushes.
///
/// ```
/// use core::time::Duration;
/// use metergate_meter::{Code, Conversation, Event, Settings, p1::P1};
///
/// let mut meter = P1::new(Settings::default(), [0; 2048]);
/// let telegram = b"/KFM5KAIFA-METER\r\n\r\n1-0:1.8.1(000576.239*kWh)\r\n!C808\r\n";
/// meter.handle_input(telegram, Duration::ZERO);
/// let Some(Event::Telegram(mut telegram)) = meter.poll() else { panic!() };
/// assert_eq!(telegram.identification, Some("KFM5KAIFA-METER"));
/// assert_eq!(telegram.registers.next().unwrap().obis.unwrap().to_string(), "1-0:1.8.1*255");
///
/// meter.handle_input(b"/KFM5KAIFA-METER\r\n\r\n1-0:1.8.1(900576.239*kWh)\r\n!C808\r\n", Duration::ZERO);
/// let Some(Event::Rejected(rejection)) = meter.poll() else { panic!() };
/// assert_eq!(rejection.cause.code(), Code::CrcMismatch);
/// ```
#[derive(Debug)]
pub struct P1<B> {
    stream: Stream<B>,
    opener: Opener,
    model: Option<&'static Model>,
    last: LastMeter,
    /// The last thing on the line was a telegram: line ends after it are no noise.
    after_telegram: bool,
}

/// What is remembered of the meter that spoke last.
#[derive(Debug)]
struct LastMeter {
    identification: [u8; IDENTIFICATION_LEN_MAX],
    len: usize,
    sends_crc: bool,
    model: Option<&'static Model>,
}

impl LastMeter {
    fn is(&self, identification: &[u8]) -> bool {
        self.identification.get(..self.len) == Some(identification)
    }

    /// Notes an accepted telegram, and names the model when the meter is another one than before.
    fn note(&mut self, identification: &[u8], crc: bool, header: Option<&SecurityHeader>) {
        if self.is(identification) {
            self.sends_crc |= crc;
            return;
        }
        self.len = identification.len();
        if let Some(kept) = self.identification.get_mut(..self.len) {
            kept.copy_from_slice(identification);
        }
        self.sends_crc = crc;
        let model = |bytes: &[u8]| models::recognise(Protocol::P1, bytes)?.model;
        self.model = model(identification).or_else(|| {
            let mut head = [0; ENVELOPE_HEAD_LEN];
            let (marks, title) = head.split_first_chunk_mut::<2>()?;
            *marks = ENVELOPE;
            title.copy_from_slice(header?.system_title().get(..title.len())?);
            model(&head)
        });
    }
}

/// What stands at the start of the raw bytes.
#[derive(Debug)]
enum Found {
    /// A plain telegram.
    Plain { identification_len: usize, body_len: usize, crc: bool },
    /// An encrypted one.
    Sealed { header: SecurityHeader, ciphertext: Range<usize>, tag: Option<[u8; AUTHENTICATION_TAG_LEN]> },
    /// A line end after a telegram.
    Blank,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> P1<B> {
    /// Listens: for a P1 port, and for captured bytes.
    pub fn new(settings: Settings, buffer: B) -> Self {
        Self {
            stream: Stream::new(buffer, Protocol::P1, IDLE),
            opener: Opener::new(&settings),
            model: settings.model,
            last: LastMeter { identification: [0; _], len: 0, sends_crc: false, model: None },
            after_telegram: false,
        }
    }

    /// The event of a plain telegram, which is held.
    fn plain(&mut self, place: Place, identification_len: usize, body_len: usize, crc: bool) -> Event<'_> {
        let (identification, rest) =
            self.stream.held().split_at_checked(identification_len).unwrap_or_default();
        let body = rest.get(..body_len).unwrap_or_default();
        if !crc && self.last.sends_crc && self.last.is(identification) {
            return place.rejected(Cause::CrcMissing, None);
        }
        self.last.note(identification, crc, None);
        self.after_telegram = true;
        let model = self.model.or(self.last.model);
        Event::Telegram(place.telegram(identification, body, model, None, Flags::default()))
    }

    /// The event of an encrypted telegram, whose ciphertext is held.
    fn sealed(
        &mut self,
        place: Place,
        header: SecurityHeader,
        tag: Option<[u8; AUTHENTICATION_TAG_LEN]>,
    ) -> Event<'_> {
        let refuse = |cause| place.rejected(cause, Some(header));
        let opened = match self.opener.open(header, self.stream.held_mut(), tag.as_ref()) {
            Ok(opened) => opened,
            Err(error) => return refuse(Cause::Security(error)),
        };
        let text = match read(self.stream.held(), &opened) {
            Ok(text) => text,
            Err(cause) => return refuse(cause),
        };
        let (identification, crc) = (text.identification(), text.crc().is_some());
        if !crc && self.last.sends_crc && self.last.is(identification) {
            return refuse(Cause::CrcMissing);
        }
        let (security, flags) = match self.opener.accept(opened) {
            Ok(accepted) => accepted,
            Err(error) => return refuse(Cause::Security(error)),
        };
        self.last.note(identification, crc, Some(&header));
        self.after_telegram = true;
        let model = self.model.or(self.last.model);
        Event::Telegram(place.telegram(identification, text.body(), model, Some(security), flags))
    }
}

/// Reads what was decrypted.
fn read<'a>(plain: &'a [u8], opened: &Opened) -> Result<Text<'a>, Cause> {
    Text::parse(plain).map_err(|error| match error {
        p1::Error::NoIdentification if opened.bad_plaintext().is_some() => Cause::WrongKeyOrDamaged,
        error => Cause::Telegram(error),
    })
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Conversation for P1<B> {
    fn handle_input(&mut self, bytes: &[u8], now: Duration) -> usize {
        self.stream.fill(bytes, now)
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.stream.expire(now);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.stream.deadline()
    }

    fn poll(&mut self) -> Option<Event<'_>> {
        self.stream.release();
        loop {
            let after_telegram = &mut self.after_telegram;
            match self.stream.next(|raw, last| scan(raw, last, after_telegram)) {
                Step::Frame { frame: Found::Blank, len, .. } => self.stream.drop_frame(len),
                Step::Frame { frame: Found::Plain { identification_len, body_len, crc }, offset, len } => {
                    self.stream.hold(0..len, len);
                    return Some(self.plain(Place { offset, len }, identification_len, body_len, crc));
                }
                Step::Frame { frame: Found::Sealed { header, ciphertext, tag }, offset, len } => {
                    self.stream.hold(ciphertext, len);
                    return Some(self.sealed(Place { offset, len }, header, tag));
                }
                Step::Rejected(rejection) => return Some(Event::Rejected(rejection)),
                Step::Ended | Step::Wait => return None,
            }
        }
    }
}

/// Where a telegram stands in the stream.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    len: usize,
}

impl Place {
    fn rejected(self, cause: Cause, security: Option<SecurityHeader>) -> Event<'static> {
        Event::Rejected(Rejection {
            offset: self.offset,
            length: self.len as u64,
            protocol: Protocol::P1,
            cause: cause.into(),
            security,
        })
    }

    fn telegram<'a>(
        self,
        identification: &'a [u8],
        body: &'a [u8],
        model: Option<&'static Model>,
        security: Option<Security>,
        flags: Flags,
    ) -> Telegram<'a> {
        let (number, time) = head(body);
        let title = || security.and_then(|security| MeterId::system_title(security.header.system_title()));
        Telegram {
            offset: self.offset,
            length: self.len as u64,
            protocol: Protocol::P1,
            meter: number.or_else(title),
            identification: identification.get(1..).and_then(|text| str::from_utf8(text).ok()),
            model,
            time,
            security,
            flags,
            signature: None,
            registers: crate::Registers::P1(Registers::new(body)),
        }
    }
}

/// Meter number and clock, from the first lines.
fn head(body: &[u8]) -> (Option<MeterId>, Option<DateTime>) {
    let (mut number, mut time) = (None, None);
    for line in Lines::new(body).take(HEAD_LINES) {
        let Line::Data(line) = line else { continue };
        match line.obis() {
            [0, 0, 1, 0, 0, 255] => time = line.groups().next().and_then(data_set::date_time),
            // Equipment identifier (Netherlands, Belgium), the same in Sweden and Slovenia, and the logical device name
            // (Luxembourg).
            [0, 0, 96, 1, 0 | 1, 255] | [0, 0, 42, 0, 0, 255] if number.is_none() => {
                number = line.groups().next().and_then(meter_number);
            }
            _ => {}
        }
        if number.is_some() && time.is_some() {
            break;
        }
    }
    (number, time)
}

/// A meter number: the text that its hexadecimal digits spell, or the digits themselves.
///
/// `4B384547303034303436333935353037` is K8EG004046395507; 621848012D2C0B0C spells nothing.
fn meter_number(group: &[u8]) -> Option<MeterId> {
    let mut decoded = [0; MeterId::LEN_MAX];
    let (pairs, odd) = group.as_chunks::<2>();
    let mut len = 0;
    for ([high, low], slot) in pairs.iter().zip(&mut decoded) {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) if matches!(high << 4 | low, b' '..=b'~') => *slot = high << 4 | low,
            _ => break,
        }
        len += 1;
    }
    let spelt = odd.is_empty() && len == pairs.len();
    let text = if spelt { decoded.get(..len)? } else { group };
    MeterId::serial(str::from_utf8(text).ok()?)
}

/// Looks for a telegram, or for a line end after one. Whatever else comes ends what may come `after_telegram`.
fn scan(raw: &[u8], last: bool, after_telegram: &mut bool) -> Scan<Found, crate::Cause> {
    if *after_telegram && matches!(raw.first(), Some(b'\r' | b'\n' | 0)) {
        return Scan::Frame { frame: Found::Blank, len: 1 };
    }
    let found = telegram(raw, last);
    *after_telegram &= matches!(found, Scan::NeedMore);
    found
}

/// Looks for a telegram, plain or encrypted, at the start of the raw bytes.
fn telegram(raw: &[u8], last: bool) -> Scan<Found, crate::Cause> {
    match raw {
        [] => Scan::NeedMore,
        [b'/', ..] => match if last { p1::scan_last(raw) } else { p1::scan(raw) } {
            Scan::Frame { frame, len } => {
                let identification_len = frame.identification().len();
                let (body_len, crc) = (frame.body().len(), frame.crc().is_some());
                Scan::Frame { frame: Found::Plain { identification_len, body_len, crc }, len }
            }
            Scan::Bad { error, len } => Scan::Bad { error: Cause::Telegram(error).into(), len },
            Scan::Skip(_) => skip(raw),
            Scan::NeedMore => Scan::NeedMore,
        },
        [ciphering::TAG] if !last => Scan::NeedMore,
        [ciphering::TAG, 8, ..] => envelope(raw, last),
        _ => skip(raw),
    }
}

/// Noise up to the next byte that may begin something.
fn skip(raw: &[u8]) -> Scan<Found, crate::Cause> {
    let rest = raw.get(1..).unwrap_or_default();
    Scan::Skip(1 + rest.iter().take_while(|&&byte| byte != b'/' && byte != ciphering::TAG).count())
}

/// Looks for an envelope that begins with `DB 08`.
///
/// The length is its only delimiter, so a byte lost or a damaged length would swallow the next telegram, or its first
/// bytes. That one is found by the same system title, which no ciphertext contains by chance. So a telegram that ends in
/// `DB`, one in 256, waits for the byte after it, or for silence.
fn envelope(raw: &[u8], last: bool) -> Scan<Found, crate::Cause> {
    let head = raw.get(..ENVELOPE_HEAD_LEN);
    let maker = raw.get(2..raw.len().min(5)).unwrap_or_default();
    if !maker.iter().all(u8::is_ascii_alphabetic) {
        return skip(raw);
    }
    let Some(head) = head else {
        return if last {
            Scan::Bad { error: crate::Cause::Truncated, len: raw.len() }
        } else {
            Scan::NeedMore
        };
    };
    let scanned = ciphering::scan(raw);
    let end = match &scanned {
        Scan::Frame { len, .. } => *len,
        Scan::NeedMore => raw.len(),
        Scan::Bad { .. } | Scan::Skip(_) => 0,
    };
    let next = next_head(raw, end, head);
    if let Next::At(next) = next {
        return Scan::Bad { error: Cause::UnfinishedEnvelope.into(), len: next };
    }
    match scanned {
        Scan::Frame { .. } if next == Next::Maybe && !last => Scan::NeedMore,
        Scan::Frame { frame, len } => {
            let header =
                SecurityHeader::new(frame.system_title, frame.security_control.0, frame.invocation_counter);
            let end = len - frame.tag.map_or(0, |tag| tag.len());
            let ciphertext = end - frame.ciphertext.len()..end;
            Scan::Frame { frame: Found::Sealed { header, ciphertext, tag: frame.tag.copied() }, len }
        }
        Scan::Bad { error, len } => Scan::Bad { error: Cause::Envelope(error).into(), len },
        Scan::Skip(_) => skip(raw),
        Scan::NeedMore => Scan::NeedMore,
    }
}

/// Whether another envelope of the same meter begins behind the one at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// At this offset.
    At(usize),
    /// The last bytes may be its first.
    Maybe,
    No,
}

/// Looks for the next `head` that begins before offset `end`.
fn next_head(bytes: &[u8], end: usize, head: &[u8]) -> Next {
    let mut at = 1;
    while let Some(step) = bytes.get(at..end).and_then(ciphering::find_tag) {
        at += step;
        let found = bytes.get(at..).unwrap_or_default();
        if found.starts_with(head) {
            return Next::At(at);
        }
        if head.starts_with(found) {
            return Next::Maybe;
        }
        at += 1;
    }
    Next::No
}

#[cfg(test)]
mod tests;
