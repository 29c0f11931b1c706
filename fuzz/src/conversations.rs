//! Conversations: any bytes, in any pieces, with and without keys.
use metergate_bench::telegrams::{self, dlms};
use metergate_meter::detect::detect;
use metergate_meter::{Conversation, CounterPolicy, Event, Key, Meter, Protocol, Settings};
use std::time::Duration;

/// What a microcontroller gives a conversation.
const BUFFER_LEN: usize = 2048;

/// The first byte chooses protocol and keys, the second the pieces; the rest comes over the line.
pub(crate) fn any(bytes: &[u8]) -> usize {
    let Some((&[choice, pieces], stream)) = bytes.split_first_chunk::<2>() else { return 0 };
    let Some(&protocol) = Protocol::ALL.get(usize::from(choice & 7)) else { return 0 };
    let settings = || settings(choice & 0x40 != 0, choice & 0x80 != 0);
    let whole = events(protocol, settings(), stream, usize::MAX);
    let cut = events(protocol, settings(), stream, usize::from(pieces).max(1));
    assert_eq!(cut, whole, "the pieces must not change the events");
    whole.iter().filter(|event| event.starts_with("Telegram")).count()
}

/// The bytes are what a meter says before it is sealed and framed: everything behind a right tag.
pub(crate) fn sealed(bytes: &[u8]) -> usize {
    if bytes.len() > 1500 {
        return 0;
    }
    let line = dlms::over_mbus(&dlms::sealed(bytes, dlms::AUTHENTICATED));
    let events = events(Protocol::DlmsMbus, settings(true, true), &line, usize::MAX);
    events.iter().filter(|event| event.starts_with("Telegram")).count()
}

/// Unlabelled bytes. What is named must not depend on luck: the same bytes name the same again.
pub(crate) fn detected(bytes: &[u8]) -> usize {
    let found = detect(bytes);
    assert_eq!(format!("{:?}", detect(bytes)), format!("{found:?}"));
    usize::from(found.is_some_and(|found| found.confidence >= 90))
}

pub(crate) fn detected_seeds() -> Vec<Vec<u8>> {
    let sealed = dlms::sealed(&dlms::notification(), dlms::AUTHENTICATED);
    let seeds = [
        telegrams::sml::telegram(),
        telegrams::p1::telegram(),
        telegrams::iec62056_21::telegram(),
        telegrams::kmp::telegram(),
        dlms::over_mbus(&sealed),
        dlms::over_hdlc(&sealed),
    ];
    // Three of each, as a line shows them.
    seeds.iter().map(|telegram| telegram.repeat(3)).collect()
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let plain = dlms::notification();
    let authenticated = dlms::sealed(&plain, dlms::AUTHENTICATED);
    vec![
        seed(Protocol::Sml, &telegrams::sml::telegram()),
        seed(Protocol::P1, &telegrams::p1::telegram()),
        seed(Protocol::DlmsMbus, &dlms::over_mbus(&plain)),
        seed(Protocol::DlmsMbus, &dlms::over_mbus(&dlms::sealed(&plain, dlms::ENCRYPTED))),
        seed(Protocol::DlmsMbus, &dlms::over_mbus(&authenticated)),
        seed(Protocol::DlmsHdlc, &dlms::over_hdlc(&authenticated)),
        seed(Protocol::Kmp, &telegrams::kmp::telegram()),
        seed(Protocol::Iec62056_21, &telegrams::iec62056_21::telegram()),
        seed(Protocol::P1, &dlms::sealed(&telegrams::p1::telegram(), dlms::AUTHENTICATED)),
    ]
}

fn seed(protocol: Protocol, telegram: &[u8]) -> Vec<u8> {
    let at = Protocol::ALL.iter().position(|&one| one == protocol).expect("ALL holds all");
    let choice = u8::try_from(at).expect("few protocols") | 0xC0;
    // Twice, so that a repeated counter and a resynchronisation are part of what is changed.
    [&[choice, 17], telegram, telegram].concat()
}

fn settings(key: bool, auth_key: bool) -> Settings {
    Settings {
        key: key.then(|| Key::new(dlms::KEY)),
        auth_key: auth_key.then(|| Key::new(dlms::AUTH_KEY)),
        counters: CounterPolicy::Flag,
        ..Settings::default()
    }
}

/// All events of a stream that arrives in pieces at one time and then ends, each as text with all its registers.
fn events(protocol: Protocol, settings: Settings, stream: &[u8], piece_len: usize) -> Vec<String> {
    let mut meter = Meter::listening(protocol, settings, vec![0; BUFFER_LEN]);
    let mut events = Vec::new();
    let now = Duration::ZERO;
    for piece in stream.chunks(piece_len) {
        let mut rest = piece;
        while !rest.is_empty() {
            let taken = meter.handle_input(rest, now);
            rest = &rest[taken..];
            let before = events.len();
            drain(&mut meter, &mut events);
            assert!(taken > 0 || events.len() > before, "neither input nor event: the conversation is stuck");
        }
    }
    let mut rounds = 0;
    while let Some(then) = meter.poll_timeout() {
        meter.handle_timeout(then);
        drain(&mut meter, &mut events);
        rounds += 1;
        assert!(rounds < 10_000, "time-outs do not end");
    }
    events
}

fn drain(meter: &mut Meter<Vec<u8>>, events: &mut Vec<String>) {
    while let Some(event) = meter.poll() {
        let text = match event {
            Event::Telegram(telegram) => {
                let registers: Vec<String> =
                    telegram.registers.clone().map(|one| format!("{one:?}")).collect();
                format!("Telegram {telegram:?} {registers:?}")
            }
            other => format!("{other:?}"),
        };
        events.push(text);
    }
}
