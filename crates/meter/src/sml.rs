//! Conversation with an SML meter, which pushes: frames, messages, and what can be saved from damaged ones.
use crate::models::{self, Model};
use crate::{Code, Conversation, Event, Flags, Protocol, Rejection, Settings, Step, Stream, Telegram};
use core::fmt;
use core::ops::Range;
use core::time::Duration;
use metergate_reading::{DateTime, MeterId};
use metergate_wire::sml::{self, Body, Crc, Entry, File, GetListResponse, ListOf, salvage, tlv, transport};
use metergate_wire::{Scan, Writer};

mod quirk;
mod registers;

pub use registers::Registers;

/// How long the line is silent before an unfinished telegram counts as cut.
///
/// Meters send a telegram without a pause, 0.5 s at most at 9600 baud, and begin the next one 1 to 4 s later. USB
/// adapters and TCP bridges hold bytes back for tens of milliseconds.
const IDLE: Duration = Duration::from_millis(500);

/// Why a telegram was refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cause {
    /// The frame is damaged.
    Transport(transport::Error),
    /// The frame is right and a message in it is not.
    Message(sml::Error),
    /// Every check is right, and no message carries a list or a load profile.
    NoReadings,
}

impl Cause {
    pub(crate) fn layer(&self) -> &'static str {
        match self {
            Self::Transport(_) => "sml.transport",
            Self::Message(_) | Self::NoReadings => "sml.message",
        }
    }

    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Transport(transport::Error::CrcMismatch { .. })
            | Self::Message(sml::Error::CrcMismatch { .. }) => Code::CrcMismatch,
            Self::Transport(transport::Error::NoEnd { .. }) => Code::Truncated,
            Self::Transport(transport::Error::TooLong { .. }) => Code::TooLong,
            Self::Message(sml::Error::Field(tlv::Error::OutOfRange { .. })) => Code::OutOfRange,
            Self::Transport(transport::Error::InvalidEscape { .. })
            | Self::Message(sml::Error::Field(_) | sml::Error::Padding { .. }) => Code::Malformed,
            Self::NoReadings => Code::Unsupported,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => error.fmt(f),
            Self::Message(error) => error.fmt(f),
            Self::NoReadings => {
                f.write_str("the telegram is right, but holds no list of values and no load profile")
            }
        }
    }
}

/// Conversation with an SML meter, which pushes.
///
/// A telegram is one transport frame. All of its messages must be right for it to be accepted. Of a damaged frame, the
/// refusal is told first; then follow, each as a telegram of its own with the flag `salvaged`, the value lists in it whose
/// own message CRC is right.
///
/// ```
/// use metergate_meter::{Conversation, Event, Settings, sml::Sml};
/// use std::time::Duration;
///
/// let mut meter = Sml::new(Settings::default(), [0; 2048]);
/// let cut = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76\x05";
/// assert_eq!(meter.handle_input(cut, Duration::ZERO), cut.len());
/// assert!(meter.poll().is_none(), "the telegram has not ended");
/// meter.handle_timeout(meter.poll_timeout().unwrap());
/// assert!(matches!(meter.poll(), Some(Event::Rejected(_))), "and now it never will");
/// ```
#[derive(Debug)]
pub struct Sml<B> {
    stream: Stream<B>,
    names: Names,
    /// Which CRC the meter uses, by its last right frame.
    crc: Crc,
    held: Held,
}

/// What the held bytes of the stream are.
#[derive(Debug, Clone, Copy)]
enum Held {
    Nothing,
    /// The file of a telegram that was told.
    Told,
    /// A damaged frame at this place in the stream; lists before `at` were told.
    Damaged {
        place: Place,
        at: usize,
    },
}

/// A stretch of the stream.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    length: u64,
}

/// What stands at the front of the raw bytes.
#[derive(Debug, Clone)]
enum Found {
    /// A frame with the right CRC.
    Frame { body: Range<usize>, padding: u8, crc: Crc, has_escapes: bool },
    /// A damaged frame with at least one whole list in it.
    Salvageable(crate::Cause),
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Sml<B> {
    /// Listens only: SML meters at a household push. The buffer holds the longest telegram; 1 KiB is enough for every
    /// known meter, load profiles need more.
    pub fn new(settings: Settings, buffer: B) -> Self {
        Self {
            stream: Stream::new(buffer, Protocol::Sml, IDLE),
            names: Names { given: settings.model, last: None },
            crc: Crc::X25,
            held: Held::Nothing,
        }
    }

    /// Where the next list of a damaged frame stands in the held bytes.
    fn next_list(&self) -> Option<(Place, Range<usize>)> {
        let Held::Damaged { place, at } = self.held else { return None };
        let rest = self.stream.held().get(at..).unwrap_or_default();
        let found = salvage(rest, self.crc).next()?;
        Some((place, at + found.at..at + found.at + found.len))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Conversation for Sml<B> {
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
        if let Some((place, message)) = self.next_list() {
            self.held = Held::Damaged { place, at: message.end };
            let bytes = self.stream.held().get(message).unwrap_or_default();
            let list = salvage(bytes, self.crc).next()?.list;
            let mut facts = Facts::default();
            facts.add_list(&list);
            let registers = Registers::of_list(&list, facts.unsigned_power());
            return Some(telegram(place, true, facts, self.names.model(&facts), registers));
        }
        self.stream.release();
        self.held = Held::Nothing;
        let crc = self.crc;
        let (found, place, len) = match self.stream.next(|raw, is_last| find(raw, is_last, crc)) {
            Step::Frame { frame, offset, len } => (frame, Place { offset, length: len as u64 }, len),
            Step::Rejected(rejection) => return Some(Event::Rejected(rejection)),
            Step::Ended | Step::Wait => return None,
        };
        match found {
            Found::Frame { body, padding, crc, has_escapes } => {
                let mut file_len = body.len();
                self.stream.hold(body, len);
                if has_escapes {
                    file_len = transport::unescape_in_place(self.stream.held_mut());
                }
                self.held = Held::Told;
                let bytes = self.stream.held().get(..file_len).unwrap_or_default();
                let file = match File::new_checked(bytes, padding, crc) {
                    Ok(file) => file,
                    Err(error) => return Some(rejected(place, Cause::Message(error).into())),
                };
                let facts = Facts::of(&file);
                if !facts.has_readings {
                    return Some(rejected(place, Cause::NoReadings.into()));
                }
                self.crc = crc;
                let registers = Registers::of_file(&file, facts.unsigned_power());
                Some(telegram(place, false, facts, self.names.model(&facts), registers))
            }
            Found::Salvageable(cause) => {
                self.stream.hold(0..len, len);
                self.held = Held::Damaged { place, at: 0 };
                Some(rejected(place, cause))
            }
        }
    }
}

impl From<Cause> for crate::Cause {
    fn from(cause: Cause) -> Self {
        Self::Sml(cause)
    }
}

/// Finds a frame, or a damaged one from which something can be saved.
fn find(raw: &[u8], is_last: bool, crc: Crc) -> Scan<Found, crate::Cause> {
    match transport::scan(raw) {
        Scan::Frame { frame, len } => {
            let start = transport::START.len();
            let body = start..start + frame.body().len();
            let (padding, crc, has_escapes) = (frame.padding(), frame.crc(), frame.has_escapes());
            Scan::Frame { frame: Found::Frame { body, padding, crc, has_escapes }, len }
        }
        Scan::Skip(n) => Scan::Skip(n),
        Scan::Bad { error, len } => damaged(raw, is_last, len, Cause::Transport(error).into(), crc),
        Scan::NeedMore if is_last => damaged(raw, is_last, raw.len(), crate::Cause::Truncated, crc),
        Scan::NeedMore => Scan::NeedMore,
    }
}

/// A damaged frame that claims `len` bytes.
///
/// It ends where another start sequence stands, even one that may be an escaped 1B 1B 1B 1B of its own: lists behind that
/// must not be told as salvaged when their frame is whole. One may stand across the claimed end, when bytes of the end
/// sequence were lost and those of the next frame were taken for them.
fn damaged(
    raw: &[u8],
    is_last: bool,
    len: usize,
    cause: crate::Cause,
    crc: Crc,
) -> Scan<Found, crate::Cause> {
    let start_len = transport::START.len();
    let around = raw.get(..len + start_len - 1).unwrap_or(raw);
    let start = around.windows(start_len).skip(1).position(|bytes| bytes == transport::START);
    let end = start.map_or(len, |before| before + 1);
    let bytes = raw.get(..end).unwrap_or(raw);
    if salvage(bytes, crc).next().is_none() {
        return Scan::Bad { error: cause, len };
    }
    // What follows may yet show that the last bytes are the first of the next frame.
    let mut tails = (raw.len().saturating_sub(start_len - 1).max(1)..end).filter_map(|at| raw.get(at..));
    if !is_last && start.is_none() && tails.any(|tail| transport::START.starts_with(tail)) {
        return Scan::NeedMore;
    }
    Scan::Frame { frame: Found::Salvageable(cause), len: bytes.len() }
}

fn rejected(place: Place, cause: crate::Cause) -> Event<'static> {
    Event::Rejected(Rejection {
        offset: place.offset,
        length: place.length,
        protocol: Protocol::Sml,
        cause,
        security: None,
    })
}

fn telegram<'a>(
    place: Place,
    salvaged: bool,
    facts: Facts<'a>,
    model: Option<&'static Model>,
    registers: Registers<'a>,
) -> Event<'a> {
    Event::Telegram(Telegram {
        offset: place.offset,
        length: place.length,
        protocol: Protocol::Sml,
        meter: facts.meter,
        identification: None,
        model,
        time: facts.time,
        security: None,
        flags: Flags { salvaged, ..Flags::default() },
        signature: facts.signature,
        registers: crate::Registers::Sml(registers),
    })
}

/// What the messages of a telegram say about it as a whole.
#[derive(Debug, Clone, Copy, Default)]
struct Facts<'a> {
    meter: Option<MeterId>,
    time: Option<DateTime>,
    signature: Option<&'a [u8]>,
    entries: Option<ListOf<'a, Entry<'a>>>,
    has_readings: bool,
}

impl<'a> Facts<'a> {
    fn of(file: &File<'a>) -> Self {
        let mut facts = Self::default();
        let mut opened = None;
        for message in file.messages() {
            match message.body {
                Body::OpenResponse(open) => opened = Some(open),
                Body::GetListResponse(list) => facts.add_list(&list),
                Body::GetProfileListResponse(profile) => facts.add(profile.server_id, Some(profile.act_time)),
                Body::GetProfilePackResponse(pack) => facts.add(pack.server_id, Some(pack.act_time)),
                _ => {}
            }
        }
        if let Some(open) = opened
            && facts.has_readings
        {
            facts.add(open.server_id, open.ref_time);
        }
        facts
    }

    fn add_list(&mut self, list: &GetListResponse<'a>) {
        self.signature = self.signature.or(list.list_signature);
        self.entries = self.entries.or(Some(list.entries));
        self.add(list.server_id, list.act_sensor_time);
    }

    /// What is said first holds.
    fn add(&mut self, server_id: &[u8], time: Option<sml::Time>) {
        self.has_readings = true;
        self.meter = self.meter.or_else(|| MeterId::server_id(server_id));
        self.time = self.time.or_else(|| time.and_then(registers::date_time));
    }

    fn unsigned_power(&self) -> bool {
        self.meter.is_some_and(|meter| quirk::sends_unsigned_power(&meter))
    }
}

/// Which model speaks: as the settings say, or as its telegrams show.
#[derive(Debug)]
struct Names {
    given: Option<&'static Model>,
    /// The last meter that was looked at: a table is searched once, not once a second.
    last: Option<(MeterId, Option<&'static Model>)>,
}

impl Names {
    fn model(&mut self, facts: &Facts<'_>) -> Option<&'static Model> {
        if self.given.is_some() {
            return self.given;
        }
        let meter = facts.meter?;
        match self.last {
            Some((last, model)) if last == meter => model,
            _ => {
                // The first register of nearly all lists is the maker's name.
                let first = facts.entries.and_then(|mut entries| entries.next());
                let maker = match first.map(|entry| entry.value) {
                    Some(sml::Value::Octets(maker)) => maker,
                    _ => &[],
                };
                let model = Self::recognise(meter.raw(), maker);
                self.last = Some((meter, model));
                model
            }
        }
    }

    /// Looks for a model's signs in the two fields that hold them, written as they stand on the line: a whole telegram
    /// would be eight times as much to search.
    fn recognise(server_id: &[u8], maker: &[u8]) -> Option<&'static Model> {
        let mut fields = [0; 2 * (2 + MeterId::LEN_MAX)];
        let mut out = Writer::new(&mut fields);
        for field in [server_id, maker] {
            // A field that does not fit holds no name.
            if let Ok(len) = u8::try_from(field.len() + 1)
                && len < 16
            {
                out.u8(len).and_then(|()| out.put(field)).and_then(|()| out.u8(0x01)).ok()?;
            }
        }
        models::recognise(Protocol::Sml, out.written())?.model
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::{Number, ObisCode, Unit, Value};
    use metergate_wire::sml::{GetProfilePackResponse, Head, Period, PeriodValue, ProfileHeader, message};
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    const POWER: [u8; 6] = [1, 0, 16, 7, 0, 255];
    const ENERGY: [u8; 6] = [1, 0, 1, 8, 0, 255];
    const DZG_OLD: [u8; 10] = [0x0A, 0x01, b'D', b'Z', b'G', 0x00, 0x02, 0x82, 0x22, 0x5E];
    const DZG_NEW: [u8; 10] = [0x0A, 0x01, b'D', b'Z', b'G', 0x00, 0x03, 0x9E, 0x20, 0x53];

    fn number(obj_name: [u8; 6], number: sml::Number, scaler: i8, unit: u8) -> Entry<'static> {
        Entry { unit: Some(unit), scaler: Some(scaler), ..Entry::new(obj_name, sml::Value::Number(number)) }
    }

    fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), metergate_wire::Full>) -> Vec<u8> {
        let mut buffer = [0; 1024];
        let mut out = Writer::new(&mut buffer);
        write(&mut out).unwrap();
        out.written().to_vec()
    }

    fn head(transaction_id: &[u8]) -> Head<'_> {
        Head { transaction_id, group_no: 0, abort_on_error: 0 }
    }

    fn list(crc: Crc, server_id: &[u8], entries: &[Entry<'_>]) -> Vec<u8> {
        let list = GetListResponse {
            client_id: None,
            server_id,
            list_name: None,
            act_sensor_time: Some(sml::Time::Timestamp(1_692_199_170)),
            entries: entries.iter().copied(),
            list_signature: Some(&[0x5A; 48]),
            act_gateway_time: None,
        };
        written(|out| message::emit(out, crc, &head(&[2]), GetListResponse::TAG, |out| list.emit(out)))
    }

    fn around(crc: Crc, messages: &[u8]) -> Vec<u8> {
        let open = sml::OpenResponse {
            codepage: None,
            client_id: None,
            req_file_id: Some(&[1]),
            server_id: b"\x0A\x01EMH\0\0\0\0\x01",
            ref_time: None,
            sml_version: None,
        };
        let open = sml::Message { head: head(&[1]), body: Body::OpenResponse(open) };
        let close = sml::Message { head: head(&[3]), body: Body::CloseResponse { global_signature: None } };
        let file = written(|out| {
            open.emit(out, crc)?;
            out.put(messages)?;
            close.emit(out, crc)
        });
        written(|out| transport::emit(out, crc, &file))
    }

    fn telegram_of(server_id: &[u8], entries: &[Entry<'_>]) -> Vec<u8> {
        around(Crc::X25, &list(Crc::X25, server_id, entries))
    }

    /// One line for each event: what a user would see.
    fn told(input: &[u8], chunk: usize) -> Vec<String> {
        let mut meter = Sml::new(Settings::default(), [0; 2048]);
        let mut lines = Vec::new();
        let mut now = Duration::ZERO;
        let mut rest = input;
        loop {
            let taken = meter.handle_input(&rest[..rest.len().min(chunk)], now);
            rest = &rest[taken..];
            while let Some(event) = meter.poll() {
                match event {
                    Event::Telegram(telegram) => {
                        let values: Vec<_> = telegram
                            .registers
                            .map(|register| match register.value {
                                Value::Number(number) => format!("{number}"),
                                value => format!("{value:?}"),
                            })
                            .collect();
                        let salvaged = if telegram.flags.salvaged { "salvaged " } else { "" };
                        lines.push(format!(
                            "{}+{} {salvaged}{}",
                            telegram.offset,
                            telegram.length,
                            values.join(" ")
                        ));
                    }
                    Event::Rejected(rejection) => lines.push(format!(
                        "{}+{} {} {}",
                        rejection.offset,
                        rejection.length,
                        rejection.cause.layer(),
                        rejection.cause.code()
                    )),
                    other => panic!("{other:?}"),
                }
            }
            if rest.is_empty() {
                let Some(due) = meter.poll_timeout() else { return lines };
                now = due;
                meter.handle_timeout(now);
            }
        }
    }

    fn check(input: &[u8], expected: &[&str]) {
        for chunk in [input.len(), 1, 2, 7, 64] {
            assert_eq!(told(input, chunk), expected, "in pieces of {chunk}");
        }
    }

    #[test]
    fn telegram_says_who_when_and_what() {
        let energy = Entry { status: Some(0x82), ..number(ENERGY, sml::Number::signed(123), -1, 30) };
        let input = telegram_of(b"\x09\x01ESY\x11\x03\xA9\x49\xEB", &[energy]);
        let mut meter = Sml::new(Settings::default(), [0; 2048]);
        assert_eq!(meter.handle_input(&input, Duration::ZERO), input.len());
        let Some(Event::Telegram(mut telegram)) = meter.poll() else { panic!("a telegram") };
        assert_eq!(format!("{}", telegram.meter.unwrap()), "1ESY1161426155");
        assert_eq!(format!("{}", telegram.time.unwrap()), "2023-08-16T15:19:30+00:00");
        assert_eq!(telegram.signature, Some(&[0x5A; 48][..]));
        let register = telegram.registers.next().unwrap();
        assert_eq!(register.obis, Some(ObisCode::from_bytes(ENERGY)));
        assert_eq!(register.value, Value::Number(Number::new(123, -1)));
        assert_eq!((register.unit, register.status), (Some(Unit::WattHour), Some(0x82)));
        assert!(telegram.registers.next().is_none());
        assert!(meter.poll().is_none());
    }

    #[test]
    fn telegrams_come_one_after_the_other_with_noise_between() {
        let one = telegram_of(&DZG_NEW, &[number(ENERGY, sml::Number::unsigned(1), 0, 30)]);
        let two = telegram_of(&DZG_NEW, &[number(ENERGY, sml::Number::unsigned(22), 0, 30)]);
        let input = [&b"\x1b\x1bnoise"[..], &one, &two].concat();
        let (one, two) = (one.len(), two.len());
        check(&input, &["0+7 stream noise", &format!("7+{one} 1"), &format!("{}+{two} 22", 7 + one)]);
    }

    #[test]
    fn frame_that_lost_bytes_at_its_end_does_not_take_the_next_one_along() {
        let one = telegram_of(&DZG_NEW, &[number(ENERGY, sml::Number::unsigned(1), 0, 30)]);
        let two = telegram_of(&DZG_NEW, &[number(ENERGY, sml::Number::unsigned(22), 0, 30)]);
        for lost in 1..8 {
            let cut = one.len() - lost;
            let input = [&one[..cut], &two].concat();
            let expected =
                [format!("0+{cut}"), format!("0+{cut} salvaged 1"), format!("{cut}+{} 22", two.len())];
            for chunk in [input.len(), 1, 2, 7, 64] {
                let told = told(&input, chunk);
                let begins = told.iter().zip(&expected).all(|(told, expected)| told.starts_with(expected));
                assert!(told.len() == 3 && begins, "{lost} bytes lost, in pieces of {chunk}: {told:?}");
            }
        }
    }

    #[test]
    fn escaped_bytes_come_back_whole() {
        let octets = [0x1B, 0x1B, 0x1B, 0x1B, 0x01, 0x1B, 0x1B, 0x1B, 0x1B, 0x1B];
        let input = telegram_of(&DZG_NEW, &[Entry::new(ENERGY, sml::Value::Octets(&octets))]);
        check(&input, &[&format!("0+{} Octets({octets:?})", input.len())]);
    }

    #[test]
    fn holley_meter_with_kermit_is_read_and_salvaged() {
        let entries = [number(ENERGY, sml::Number::unsigned(5), 0, 30)];
        let good = around(Crc::Kermit, &list(Crc::Kermit, b"\x0A\x01HLY\x02\0\x01\x59\xBB", &entries));
        let mut bad = good.clone();
        bad[12] ^= 1;
        let len = good.len();
        let input = [&good[..], &bad, &good].concat();
        check(
            &input,
            &[
                &format!("0+{len} 5"),
                &format!("{len}+{len} sml.transport crc_mismatch"),
                &format!("{len}+{len} salvaged 5"),
                &format!("{}+{len} 5", 2 * len),
            ],
        );
    }

    #[test]
    fn list_of_a_damaged_frame_is_told_as_salvaged_after_the_refusal() {
        let whole = telegram_of(&DZG_NEW, &[number(ENERGY, sml::Number::unsigned(7), 0, 30)]);
        let len = whole.len();
        // The last byte of the CRC is wrong.
        let mut damaged = whole.clone();
        damaged[len - 1] ^= 1;
        check(&damaged, &[&format!("0+{len} sml.transport crc_mismatch"), &format!("0+{len} salvaged 7")]);
        // The end is missing, and another telegram follows, or none.
        let cut = &whole[..len - 12];
        let at = cut.len();
        let salvaged = format!("0+{at} salvaged 7");
        check(
            &[cut, &whole].concat(),
            &[&format!("0+{at} sml.transport truncated"), &salvaged, &format!("{at}+{len} 7")],
        );
        check(cut, &[&format!("0+{at} stream truncated"), &salvaged]);
    }

    #[test]
    fn frame_after_a_cut_escape_is_no_part_of_what_is_salvaged() {
        let whole = telegram_of(&DZG_NEW, &[number(ENERGY, sml::Number::unsigned(7), 0, 30)]);
        // Cut behind the escape of the end: together with the next start it looks like an escaped 1B 1B 1B 1B.
        let cut = whole.len() - 4;
        let input = [&whole[..cut], &whole].concat();
        check(
            &input,
            &[
                &format!("0+{cut} sml.transport crc_mismatch"),
                &format!("0+{cut} salvaged 7"),
                &format!("{cut}+{} 7", whole.len()),
            ],
        );
    }

    #[test]
    fn wrong_message_crc_refuses_a_right_frame() {
        let mut message = list(Crc::X25, &DZG_NEW, &[number(ENERGY, sml::Number::unsigned(7), 0, 30)]);
        let end = message.len();
        message[end - 2] ^= 1;
        let input = around(Crc::X25, &message);
        check(&input, &[&format!("0+{} sml.message crc_mismatch", input.len())]);
    }

    #[test]
    fn frame_without_readings_is_unsupported() {
        let input = around(Crc::X25, &[]);
        check(&input, &[&format!("0+{} sml.message unsupported", input.len())]);
    }

    #[test]
    fn number_beyond_63_bits_refuses_the_telegram() {
        let value = sml::Number::unsigned(1).in_bytes(8);
        let mut message = list(Crc::X25, &DZG_NEW, &[number(ENERGY, value, 0, 30)]);
        let at = message.windows(2).position(|pair| pair == [0x69, 0]).unwrap();
        message[at + 1] = 0x80;
        let end = message.len() - 4;
        let crc = Crc::X25.of(&message[..end]);
        message[end + 1..end + 3].copy_from_slice(&crc);
        let input = around(Crc::X25, &message);
        check(&input, &[&format!("0+{} sml.message out_of_range", input.len())]);
    }

    #[test]
    fn old_dzg_power_loses_its_false_sign_and_no_other_does() {
        let power = [number(POWER, sml::Number::signed(-29_912), -2, 27)];
        let value = |server_id: &[u8], entries: &[Entry<'_>]| {
            let lines = told(&telegram_of(server_id, entries), 1024);
            lines[0].split_once(' ').unwrap().1.to_string()
        };
        assert_eq!(value(&DZG_OLD, &power), "356.24");
        assert_eq!(value(&DZG_NEW, &power), "-299.12");
        let energy = [number(ENERGY, sml::Number::signed(-29_912), -2, 30)];
        assert_eq!(value(&DZG_OLD, &energy), "-299.12", "another register");
        let wide = [number(POWER, sml::Number::signed(-29_912).in_bytes(3), -2, 27)];
        assert_eq!(value(&DZG_OLD, &wide), "-299.12", "three bytes");
    }

    #[test]
    fn load_profile_gives_a_register_for_each_period_and_header() {
        let headers = [1, 2].map(|c| ProfileHeader { obj_name: [1, 0, c, 8, 0, 255], unit: 30, scaler: -1 });
        let value =
            |n| PeriodValue { value: sml::Value::Number(sml::Number::signed(n)), value_signature: None };
        let (first, second) = ([value(10), value(20)], [value(11), value(21)]);
        let period = |seconds, values| Period {
            val_time: sml::Time::Timestamp(seconds),
            status: 4,
            values,
            period_signature: None,
        };
        let pack = GetProfilePackResponse {
            server_id: &DZG_NEW,
            act_time: sml::Time::LocalTimestamp {
                timestamp: 1800,
                local_offset_min: 60,
                season_offset_min: 60,
            },
            reg_period: 900,
            parameter_tree_path: &[&[1, 0, 99, 1, 0, 255][..]][..],
            headers: &headers[..],
            periods: &[period(0, &first[..]), period(900, &second[..])][..],
            rawdata: None,
            profile_signature: None,
        };
        let message = written(|out| {
            message::emit(out, Crc::X25, &head(&[2]), GetProfilePackResponse::TAG, |out| pack.emit(out))
        });
        let input = around(Crc::X25, &message);
        check(&input, &[&format!("0+{} 1.0 2.0 1.1 2.1", input.len())]);

        let mut meter = Sml::new(Settings::default(), [0; 2048]);
        meter.handle_input(&input, Duration::ZERO);
        let Some(Event::Telegram(telegram)) = meter.poll() else { panic!("a telegram") };
        assert_eq!(format!("{}", telegram.time.unwrap()), "1970-01-01T02:30:00+02:00");
        let last = telegram.registers.last().unwrap();
        assert_eq!(last.obis, Some(ObisCode::from_bytes([1, 0, 2, 8, 0, 255])));
        assert_eq!(last.time, DateTime::from_unix_seconds(900));
        assert_eq!(last.status, Some(4));
    }

    #[test]
    fn nested_and_null_values_are_kept() {
        let nested = [0x72, 0x52, 0x05, 0x71, 0x42, 0x01];
        let nested = sml::Value::List(ListOf::new_checked(&nested).unwrap());
        let input = telegram_of(&DZG_NEW, &[Entry::new(ENERGY, nested), Entry::new(POWER, sml::Value::Null)]);
        let lines = told(&input, 64);
        let five = format!("{:?}", Value::Number(Number::new(5, 0)));
        assert!(lines[0].ends_with(&format!("List([{five}, List([Bool(true)])]) Null")), "{lines:?}");
    }

    #[test]
    fn no_cut_and_no_flip_gives_another_value() {
        let whole = telegram_of(&DZG_NEW, &[number(ENERGY, sml::Number::unsigned(123_456), -1, 30)]);
        let allowed = |lines: &[String]| {
            // A salvaged list is right by its own CRC.
            lines.iter().all(|line| {
                line.contains("sml.") || line.contains("stream") || line.ends_with("salvaged 12345.6")
            })
        };
        for len in 0..whole.len() {
            let lines = told(&whole[..len], 64);
            assert!(allowed(&lines), "{len}: {lines:?}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let lines = told(&flipped, 64);
                assert!(allowed(&lines), "bit {bit} of {at}: {lines:?}");
            }
        }
    }

    #[test]
    fn buffer_too_small_is_said_and_survived() {
        let long = telegram_of(&DZG_NEW, &[Entry::new(ENERGY, sml::Value::Octets(&[1; 200]))]);
        let short = telegram_of(&DZG_NEW, &[number(ENERGY, sml::Number::unsigned(1), 0, 30)]);
        let mut meter = Sml::new(Settings::default(), [0; 256]);
        let input = [long, short].concat();
        let mut rest = &input[..];
        let (mut telegrams, mut too_long) = (0, 0);
        while !rest.is_empty() {
            let taken = meter.handle_input(rest, Duration::ZERO);
            rest = &rest[taken..];
            while let Some(event) = meter.poll() {
                match event {
                    Event::Telegram(_) => telegrams += 1,
                    Event::Rejected(rejection) => {
                        too_long += usize::from(rejection.cause.code() == Code::TooLong);
                    }
                    _ => {}
                }
            }
        }
        assert_eq!((telegrams, too_long), (1, 1));
    }
}
