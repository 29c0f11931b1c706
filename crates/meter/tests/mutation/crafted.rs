//! Damage that chance seldom finds: whole frames lost, repeated and exchanged, marks of the protocol in wrong places, and
//! a tag taken off with care.
use crate::line::{self, Culprit, Known};
use crate::naive;
use crate::random::Random;
use crate::share::{self, Table};
use crate::telegrams::{self, Base, Check};
use metergate_meter::{Event, Protocol};
use metergate_wire::{Scan, hdlc, mbus};
use std::time::Duration;

/// Cuts a line into its frames.
fn frames(protocol: Protocol, line: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let len = match protocol {
            Protocol::DlmsMbus => match mbus::scan(rest) {
                Scan::Frame { len, .. } => len,
                other => panic!("no frame: {other:?}"),
            },
            _ => match hdlc::scan(rest) {
                Scan::Frame { len, .. } => len,
                other => panic!("no frame: {other:?}"),
            },
        };
        frames.push(rest[..len].to_vec());
        rest = &rest[len..];
    }
    frames
}

#[test]
fn frames_lost_repeated_or_exchanged_never_make_another_telegram() {
    let numbered: Vec<Vec<Base>> = (0..3).map(telegrams::all).collect();
    let kinds: Vec<usize> = (0..numbered[0].len())
        .filter(|&kind| {
            let base = &numbered[0][kind];
            matches!(base.protocol, Protocol::DlmsMbus | Protocol::DlmsHdlc)
                && frames(base.protocol, &base.line()).len() > 1
        })
        .collect();
    let mut table = Table::new("Whole frames lost, repeated and exchanged", &["told", "accepted"]);
    let mut wrong = Vec::new();
    for (&kind, count) in kinds.iter().zip(share::divided(share::mutants(1), kinds.len())) {
        let base = &numbered[0][kind];
        let lines: Vec<_> = numbered.iter().map(|all| all[kind].line()).collect();
        let known: Vec<_> = lines.iter().map(|line| Known::of(base.protocol, &base.settings, line)).collect();
        let whole: Vec<Vec<_>> = lines.iter().map(|line| frames(base.protocol, line)).collect();
        let places: Vec<(usize, usize)> = whole
            .iter()
            .enumerate()
            .flat_map(|(telegram, frames)| (0..frames.len()).map(move |frame| (telegram, frame)))
            .collect();
        let mut random = Random::new(601 + kind as u64);
        let (mut told, mut accepted) = (0, 0);
        // Each frame alone lost, repeated, exchanged with the next one of its telegram; then several at random.
        let count = count.max(3 * places.len());
        for index in 0..count {
            let mut telegrams = whole.clone();
            let alone = places.get(index / 3);
            for _ in 0..if alone.is_some() { 1 } else { random.between(2, 4) } {
                let &(telegram, at) = alone.unwrap_or_else(|| random.one_of(&places));
                let frames = &mut telegrams[telegram];
                match index % 3 {
                    _ if at >= frames.len() => {}
                    0 => {
                        frames.remove(at);
                    }
                    1 => frames.insert(at, frames[at].clone()),
                    _ => {
                        let other = (at + 1) % frames.len();
                        frames.swap(at, other);
                    }
                }
            }
            let stream = telegrams.concat().concat();
            let _culprit = Culprit { name: base.name, bytes: &stream };
            let mut meter = line::listening(base.protocol, &base.settings);
            let mut now = Duration::ZERO;
            // Between two telegrams is the silence that tells them apart: an M-Bus frame does not say to which it
            // belongs, and without a tag nothing else does.
            for telegram in &telegrams {
                line::offer_at(&mut meter, &mut now, &telegram.concat(), line::at_once, |event| {
                    let Event::Telegram(telegram) = event else { return };
                    told += 1;
                    if !known.iter().any(|known| known.is_said_by(telegram)) {
                        accepted += 1;
                        wrong.push(format!("{}: {} was read as {telegram:?}", base.name, line::hex(&stream)));
                    }
                });
            }
        }
        table.row(base.protocol, base.name, count, &[told, accepted].map(|number: usize| number.to_string()));
    }
    table.print("demanded: accepted 0");
    assert!(wrong.is_empty(), "{} accepted, the first: {:#?}", wrong.len(), &wrong[..wrong.len().min(2)]);
}

#[test]
fn every_single_changed_byte_is_seen_by_a_sum_or_block_check() {
    let mut table =
        Table::new("Every byte changed to every other, under a sum or block check", &["accepted"]);
    let mut wrong = Vec::new();
    // A full run tries all of them, a short one the bytes that mean something.
    let all: Vec<u8> = (0..=255).collect();
    let bytes: &[u8] = if share::mutants(100) >= 1_000_000 {
        &all
    } else {
        &[0x02, 0x03, 0x06, 0x0A, 0x0D, 0x10, 0x16, 0x21, 0x2F, 0x68]
    };
    for base in telegrams::all(1).iter().filter(|base| matches!(base.check, Check::Sum8 | Check::Bcc7)) {
        let line = base.line();
        let known = Known::of(base.protocol, &base.settings, &line);
        let (mut count, mut accepted) = (0, 0);
        for at in base.guarded.clone() {
            for &byte in bytes.iter().filter(|&&byte| byte != line[at]) {
                let mut damaged = line.clone();
                damaged[at] = byte;
                let _culprit = Culprit { name: base.name, bytes: &damaged };
                count += 1;
                let mut meter = line::listening(base.protocol, &base.settings);
                line::offer(&mut meter, &damaged, line::at_once, |event| {
                    if let Event::Telegram(telegram) = event
                        && !known.is_said_by(telegram)
                    {
                        accepted += 1;
                        wrong.push(format!(
                            "{}: {} was read as {telegram:?}",
                            base.name,
                            line::hex(&damaged)
                        ));
                    }
                });
            }
        }
        table.row(base.protocol, base.name, count, &[accepted.to_string()]);
    }
    table.print("demanded: accepted 0");
    assert!(wrong.is_empty(), "{} accepted, the first: {:#?}", wrong.len(), &wrong[..wrong.len().min(2)]);
}

#[test]
fn a_telegram_without_its_tag_is_never_called_authenticated() {
    for base in telegrams::all(1).iter().filter(|base| base.tagged && !base.text) {
        let sealed = (base.seal)(&base.parts).expect("it can be sealed");
        // Title, length of two or three bytes, control, counter, content, tag.
        let length_len = if sealed[10] == 0x82 { 3 } else { 2 };
        let mut content = sealed[10 + length_len..sealed.len() - 12].to_vec();
        // Bit 4 says that there is a tag.
        content[0] &= !0x10;
        // And a bit of the content, which a counter mode does not guard.
        content[5 + 20] ^= 1;
        let mut stripped = sealed[..10].to_vec();
        stripped.push(0x82);
        stripped.extend(u16::try_from(content.len()).expect("short").to_be_bytes());
        stripped.extend(&content);
        let line = (base.link)(&stripped).expect("it is shorter than before");
        let mut meter = line::listening(base.protocol, &base.settings);
        line::offer(&mut meter, &line, line::at_once, |event| {
            if let Event::Telegram(telegram) = event {
                assert!(telegram.flags.unauthenticated, "{}: {telegram:?}", base.name);
                assert!(telegram.security.is_some_and(|security| !security.authenticated), "{}", base.name);
            }
        });
    }
}

#[test]
fn an_end_mark_that_hides_the_crc_is_refused_once_a_crc_was_seen() {
    let bases = telegrams::all(1);
    let Some(base) = bases.iter().find(|base| base.protocol == Protocol::P1 && !base.guarded.is_empty())
    else {
        return;
    };
    let line = base.line();
    let known = Known::of(base.protocol, &base.settings, &line);
    let starts: Vec<usize> = (1..line.len()).filter(|&at| line[at - 1] == b'\n').collect();
    for at in starts {
        for end in [&b"!\r"[..], b"!\n", b"!\r\n"] {
            let mut damaged = line.clone();
            damaged.splice(at..(at + end.len()).min(line.len()), end.iter().copied());
            let stream = [&line[..], &damaged, &line].concat();
            let mut meter = line::listening(base.protocol, &base.settings);
            line::offer(&mut meter, &stream, line::at_once, |event| {
                if let Event::Telegram(telegram) = event {
                    assert!(known.is_said_by(telegram), "a mark at {at}: {telegram:?}");
                }
            });
        }
    }
}

#[test]
fn the_naive_reader_refuses_what_is_damaged() {
    for base in telegrams::all(1) {
        let line = base.line();
        for at in base.guarded.clone() {
            let mut damaged = line.clone();
            damaged[at] ^= 0x11;
            let reading: Option<naive::Telegram> = (base.read)(&damaged);
            assert_eq!(reading, None, "{}: byte {at}", base.name);
        }
    }
}
