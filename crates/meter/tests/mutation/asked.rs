//! Meters that are asked, over a bad line: the answer is damaged, the request comes back, or nothing comes. What is told is
//! what the meter said, and the meter is not asked more often than it is good for it.
use crate::damage;
use crate::line::{BUFFER_LEN, Culprit, Known};
use crate::random::Random;
use crate::share::{self, Table};
use crate::telegrams::{self, Base, Check};
use metergate_meter::iec62056_21::{self, Iec62056_21};
use metergate_meter::kmp::{self, Kmp};
use metergate_meter::{Conversation, Event, Protocol};
use metergate_wire::kmp::{ADDRESS_METER, Command, emit_answer};
use std::time::Duration;

/// How long each meter is asked.
const UNTIL: Duration = Duration::from_secs(3 * 3600);
/// From a request to its answer.
const DELAY: Duration = Duration::from_millis(300);

/// Lets the conversation ask until the time is over, and returns when it sent something.
fn talk(
    meter: &mut impl Conversation,
    mut answer: impl FnMut(&[u8]) -> Vec<u8>,
    mut tell: impl FnMut(&Event<'_>),
) -> Vec<(Duration, Vec<u8>)> {
    let mut now = Duration::ZERO;
    let mut sent = Vec::new();
    for _ in 0..100_000 {
        meter.handle_timeout(now);
        loop {
            while let Some(event) = meter.poll() {
                tell(&event);
            }
            let mut request = [0; 64];
            let len = meter.poll_transmit(&mut request);
            if len == 0 {
                break;
            }
            let request = &request[..len];
            sent.push((now, request.to_vec()));
            now += DELAY;
            let heard = answer(request);
            let mut rest = &heard[..];
            while !rest.is_empty() {
                rest = &rest[meter.handle_input(rest, now)..];
                while let Some(event) = meter.poll() {
                    tell(&event);
                }
            }
        }
        match meter.poll_timeout() {
            Some(due) if due <= UNTIL => now = now.max(due),
            _ => return sent,
        }
    }
    panic!("the conversation does not come to rest");
}

/// What comes back: the echo or not, the answer whole, damaged, or not at all.
fn over_a_bad_line(
    random: &mut Random,
    damaged: &mut usize,
    base: &Base,
    request: &[u8],
    answer: &[u8],
) -> Vec<u8> {
    let mut heard = if random.once_in(2) { request.to_vec() } else { Vec::new() };
    let mut answer = answer.to_vec();
    let guarded = 0..answer.len();
    let fate = random.below(6);
    *damaged += usize::from((1..=3).contains(&fate));
    match (fate, base.check) {
        (0, _) => answer.clear(),
        (1..=3, Check::Crc16(bits)) => damage::burst(random, &mut answer, &guarded, bits),
        (1..=3, _) => damage::one_byte(random, &mut answer, &guarded),
        _ => {}
    }
    heard.extend(answer);
    heard
}

/// Most requests that were sent within one hour.
fn most_in_an_hour(sent: &[Duration]) -> usize {
    let within = |from: &Duration| {
        sent.iter().filter(|at| **at >= *from && **at < *from + Duration::from_secs(3600)).count()
    };
    sent.iter().map(within).max().unwrap_or(0)
}

#[test]
fn kamstrup_meters_are_heard_rightly_and_left_in_peace() {
    const REQUESTS: u8 = 6;
    let bases = telegrams::all(1);
    let base = bases.iter().find(|base| base.protocol == Protocol::Kmp).expect("there is one");
    let line = base.line();
    let known = Known::of(base.protocol, &base.settings, &line);
    let serial = {
        let mut buffer = [0; 32];
        let mut out = metergate_wire::Writer::new(&mut buffer);
        emit_answer(&mut out, Command::GetSerialNumber, &[0, 1, 2, 3]).expect("it fits");
        out.written().to_vec()
    };
    let mut table = Table::new("Asked over a bad line", &["requests", "told", "refused", "no answer"]);
    let mut random = Random::new(701);
    let count = share::mutants(1) / 20;
    let (mut requests, mut told, mut refused, mut unanswered, mut damaged) = (0, 0, 0, 0, 0);
    for _ in 0..count {
        let _culprit = Culprit { name: base.name, bytes: &line };
        let plan = kmp::Plan::new(&[60, 68, 80, 86, 87, 89, 1004, 266], Duration::from_secs(1800))
            .expect("eight registers")
            .with_requests_per_hour(REQUESTS);
        let mut meter = Kmp::asking(base.settings.clone(), plan, [0; BUFFER_LEN]);
        let sent = talk(
            &mut meter,
            |request| match request {
                [0x80, ADDRESS_METER, 0x10, ..] => {
                    over_a_bad_line(&mut random, &mut damaged, base, request, &line)
                }
                [0x80, ADDRESS_METER, 0x02, ..] => {
                    over_a_bad_line(&mut random, &mut damaged, base, request, &serial)
                }
                // The byte that wakes the head, and what this meter does not know.
                _ => Vec::new(),
            },
            |event| match event {
                Event::Telegram(telegram) => {
                    assert!(known.has_registers_of(telegram), "{telegram:?}");
                    told += 1;
                }
                Event::Rejected(_) => refused += 1,
                Event::NoAnswer { .. } => unanswered += 1,
                Event::Line(_) => {}
            },
        );
        let times: Vec<_> = sent.iter().filter(|(_, bytes)| bytes.len() > 1).map(|(at, _)| *at).collect();
        assert!(most_in_an_hour(&times) <= usize::from(REQUESTS), "{times:?}");
        requests += times.len();
    }
    table.row(
        base.protocol,
        base.name,
        damaged,
        &[requests, told, refused, unanswered].map(|n| n.to_string()),
    );
    table.print("demanded: what is told is what was sent, and 6 requests an hour at most");
    assert!(told > count, "{told} of {count} readings came through");
}

#[test]
fn meters_that_sign_on_are_heard_rightly_and_left_in_peace() {
    const ATTEMPTS: u8 = 2;
    let bases = telegrams::all(1);
    let base = bases.iter().find(|base| base.protocol == Protocol::Iec62056_21).expect("there is one");
    let line = base.line();
    let known = Known::of(base.protocol, &base.settings, &line);
    let data_at = line.iter().position(|&byte| byte == 0x02).expect("STX");
    let (identification, data) = line.split_at(data_at);
    let mut table = Table::new("Signed on over a bad line", &["requests", "told", "refused", "no answer"]);
    let mut random = Random::new(702);
    let count = share::mutants(1) / 20;
    let (mut requests, mut told, mut refused, mut unanswered, mut damaged) = (0, 0, 0, 0, 0);
    for _ in 0..count {
        let _culprit = Culprit { name: base.name, bytes: &line };
        let plan = iec62056_21::Plan::new(Duration::from_secs(900)).with_attempts(ATTEMPTS);
        let mut meter = Iec62056_21::asking(base.settings.clone(), plan, [0; BUFFER_LEN]);
        let sent = talk(
            &mut meter,
            |request| match request {
                [b'/', b'?', ..] => over_a_bad_line(&mut random, &mut damaged, base, request, identification),
                [0x06, ..] => over_a_bad_line(&mut random, &mut damaged, base, request, data),
                other => panic!("asked {other:02x?}"),
            },
            |event| match event {
                Event::Telegram(telegram) => {
                    assert!(known.has_registers_of(telegram), "{telegram:?}");
                    told += 1;
                }
                Event::Rejected(_) => refused += 1,
                Event::NoAnswer { .. } => unanswered += 1,
                Event::Line(_) => {}
            },
        );
        // A quarter of an hour has the request and the option select, each as often as is allowed.
        let most = 5 * 2 * usize::from(ATTEMPTS);
        let times: Vec<_> = sent.iter().map(|(at, _)| *at).collect();
        assert!(most_in_an_hour(&times) <= most, "{times:?}");
        requests += sent.len();
    }
    table.row(
        base.protocol,
        base.name,
        damaged,
        &[requests, told, refused, unanswered].map(|n| n.to_string()),
    );
    table.print("demanded: what is told is what was sent, and 2 attempts in a quarter of an hour at most");
    assert!(told > count, "{told} of {count} readings came through");
}
