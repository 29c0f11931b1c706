//! The worst bytes there are: each kind of start, claimed length and nesting, over and over. The conversation comes to an
//! end within bounded steps, and goes on with the next good telegram.
use crate::line::{self, Culprit, Known};
use crate::telegrams;
use metergate_meter::{Event, Protocol, Stream};
use metergate_wire::{Scan, dlms, hdlc, iec62056_21, kmp, mbus, p1, sml};
use std::cell::Cell;
use std::time::Duration;

/// Bytes of each hostile input.
const LEN: usize = 65_536;

/// What is repeated to fill an input, by name.
fn patterns() -> Vec<(&'static str, Vec<u8>)> {
    let mut text = b"/ABC5".to_vec();
    text.resize(96, b'x');
    text.extend(b"\r\n");
    vec![
        ("M-Bus starts", b"\x68\xff\xff\x68".to_vec()),
        ("M-Bus starts one byte apart", b"\x68\x68\x68\x68\x01\x01".to_vec()),
        ("M-Bus wrapped lengths", b"\x68\x01\x01\x68\x53\xff\x00\x01\x67".to_vec()),
        ("HDLC flags", vec![0x7E]),
        ("HDLC lengths of 2047", b"\x7e\xa7\xff\x03\x03\x13".to_vec()),
        ("HDLC frames without end", b"\x7e\xa7\xff".to_vec()),
        ("SML starts", b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01".to_vec()),
        ("SML escapes", vec![0x1B]),
        ("SML ends", b"\x1b\x1b\x1b\x1b\x1a\x00\x00\x00".to_vec()),
        ("SML messages", vec![0x76]),
        ("SML messages in a frame", b"\x76\x01\x62\x00\x62\x00\x72\x63\x07\x01\x77".to_vec()),
        ("SML lists in lists", vec![0x71]),
        ("slashes", b"/".to_vec()),
        ("identifications", b"/ABC5x\r\n".to_vec()),
        ("long identifications", text),
        ("identifications and brackets", b"/ABC5\r\n1.8.0(".to_vec()),
        ("slashes in lines", b"a/ABC5\r\n".to_vec()),
        ("end marks", b"/ABC5\r\n!".to_vec()),
        ("brackets", b"(".to_vec()),
        ("STX and ETX", b"/ABC5\r\n\x02\x03".to_vec()),
        ("requests", b"/?!\r\n".to_vec()),
        ("line ends", b"\r\n".to_vec()),
        ("envelopes", b"\xdb\x08".to_vec()),
        ("envelopes of 4 KiB", b"\xdb\x08SYSTEMID\x82\x0f\xff\x30\x00\x00\x00\x01".to_vec()),
        ("KMP answers", b"\x40\x3f\x10".to_vec()),
        ("KMP stuffing", b"\x40\x1b\xbf".to_vec()),
        ("zeros", vec![0]),
        ("ones", vec![0xFF]),
    ]
}

fn filled(pattern: &[u8]) -> Vec<u8> {
    pattern.iter().copied().cycle().take(LEN).collect()
}

/// Every input, and behind a right beginning too: a frame that never ends.
fn inputs() -> Vec<(String, Vec<u8>)> {
    let mut inputs = Vec::new();
    for (name, pattern) in patterns() {
        inputs.push((name.to_owned(), filled(&pattern)));
        for (start_name, start) in [
            ("an SML start", &sml::transport::START[..]),
            ("an identification", b"/ABC5\r\n"),
            ("STX", b"/ABC5\r\n\x02"),
        ] {
            let mut input = start.to_vec();
            input.extend(filled(&pattern));
            input.truncate(LEN);
            inputs.push((format!("{name} behind {start_name}"), input));
        }
    }
    inputs
}

#[test]
fn the_worst_bytes_end_and_the_next_telegram_is_read() {
    let bases = telegrams::all(1);
    for protocol in Protocol::ALL {
        // The one without surprises: its check is a real one.
        let Some(base) = bases.iter().find(|base| base.protocol == protocol) else { continue };
        let line = base.line();
        let known = Known::of(protocol, &base.settings, &line);
        for (name, input) in inputs() {
            let _culprit = Culprit { name: &name, bytes: &[] };
            let pieces: &[usize] = if name.contains("behind") { &[usize::MAX] } else { &[usize::MAX, 1000] };
            for &piece in pieces {
                let mut told = 0;
                let mut meter = line::listening(protocol, &base.settings);
                // A silence ends what the bytes claim; then the meter speaks.
                let polls = line::offer(
                    &mut meter,
                    &input,
                    || piece,
                    |event| {
                        assert!(!matches!(event, Event::Telegram(_)), "{protocol}, {name}: {event:?}");
                    },
                );
                assert!(polls <= 4 * LEN, "{protocol}, {name}: {polls} polls");
                line::offer(
                    &mut meter,
                    &line,
                    || piece,
                    |event| {
                        if let Event::Telegram(telegram) = event {
                            told += usize::from(known.is_said_by(telegram));
                        }
                    },
                );
                assert_eq!(told, 1, "{protocol}, {name}: the telegram after it");
            }
        }
    }
}

/// The answer of a scanner without what it found.
fn bare<F, E>(answer: Scan<F, E>) -> Scan<(), ()> {
    match answer {
        Scan::NeedMore => Scan::NeedMore,
        Scan::Skip(n) => Scan::Skip(n),
        Scan::Frame { len, .. } => Scan::Frame { frame: (), len },
        Scan::Bad { len, .. } => Scan::Bad { error: (), len },
    }
}

/// A scanner: raw bytes, and whether they are the last ones.
type Scanner = dyn Fn(&[u8], bool) -> Scan<(), ()>;

/// How often a scanner was asked.
fn asked(input: &[u8], capacity: usize, scan: &Scanner) -> usize {
    let calls = Cell::new(0);
    let mut stream = Stream::new(vec![0; capacity], Protocol::Sml, Duration::from_secs(1));
    let drain = |stream: &mut Stream<Vec<u8>>| loop {
        let step = stream.next(|raw, last| {
            calls.set(calls.get() + 1);
            match scan(raw, last) {
                Scan::NeedMore => Scan::NeedMore,
                Scan::Skip(n) => Scan::Skip(n),
                Scan::Frame { frame, len } => Scan::Frame { frame, len },
                Scan::Bad { len, .. } => Scan::Bad { error: metergate_meter::Cause::Noise, len },
            }
        });
        match step {
            metergate_meter::Step::Frame { len, .. } => stream.drop_frame(len),
            metergate_meter::Step::Rejected(_) => {}
            metergate_meter::Step::Ended | metergate_meter::Step::Wait => return,
        }
    };
    let mut rest = input;
    while !rest.is_empty() {
        let taken = stream.fill(rest, Duration::ZERO);
        rest = &rest[taken..];
        drain(&mut stream);
    }
    stream.expire(Duration::from_secs(2));
    drain(&mut stream);
    calls.get()
}

#[test]
fn no_scanner_is_asked_more_than_twice_for_each_byte() {
    for (name, input) in inputs() {
        for capacity in [line::BUFFER_LEN, LEN] {
            // The large buffer is for the long limits of the text protocols, whatever stands in front.
            if capacity == LEN && name.contains("behind") {
                continue;
            }
            let asked = |scan: &Scanner| asked(&input, capacity, scan);
            let counts = [
                ("sml", asked(&|raw, _| bare(sml::transport::scan(raw)))),
                ("mbus", asked(&|raw, _| bare(mbus::scan(raw)))),
                ("hdlc", asked(&|raw, _| bare(hdlc::scan(raw)))),
                ("p1", asked(&|raw, last| bare(if last { p1::scan_last(raw) } else { p1::scan(raw) }))),
                ("kmp", asked(&|raw, _| bare(kmp::scan(raw)))),
                (
                    "iec62056-21",
                    asked(&|raw, last| {
                        bare(if last { iec62056_21::scan_last(raw) } else { iec62056_21::scan(raw) })
                    }),
                ),
                ("ciphering", asked(&|raw, _| bare(dlms::ciphering::scan(raw)))),
            ];
            for (scanner, calls) in counts {
                // Once for each byte that may begin a frame, and once more for what is noise after it.
                assert!(calls <= 2 * LEN + 64, "{scanner}: {calls} calls for {name} in {capacity} bytes");
            }
        }
    }
}
