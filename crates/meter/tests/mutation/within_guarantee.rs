//! What a check sees for certain is never accepted: one burst of up to 16 bits under a CRC of 16 bits, one byte under a
//! sum or a block check, anything at all under a tag.
//!
//! Accepted means that a telegram is told that says something else than what was sent. Three outcomes are none:
//!
//! - a list with its own right CRC, unchanged, from a frame that was refused (flag `salvaged`);
//! - a telegram that says what was sent although a byte changed that says nothing: `!ab12` and `!AB12` are one CRC. SML
//!   with X-25, M-Bus, HDLC and KMP have no such byte, and for them even this counts as accepted;
//! - the telegrams before and after.
//!
//! The burst is one in the order in which the check takes the bits. For the CRC of KMP, which takes the high bit first,
//! that is not the order of the line.
use crate::damage;
use crate::line::{self, Culprit, Known};
use crate::random::Random;
use crate::share::{self, Table};
use crate::telegrams::{self, Base, Check};
use metergate_meter::{Event, Protocol};

/// What became of the damaged telegrams of one kind.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) refused: usize,
    pub(crate) salvaged: usize,
    pub(crate) unchanged: usize,
    pub(crate) accepted: usize,
    /// The telegram after the damaged one was not told.
    pub(crate) next_lost: usize,
}

/// A kind of telegram, a second one that differs in its values, and what both say.
pub(crate) struct Subject {
    pub(crate) base: Base,
    known: Known,
    other_line: Vec<u8>,
    other: Known,
}

impl Subject {
    /// All of them that `wanted` names.
    pub(crate) fn all(wanted: impl Fn(&Base) -> bool) -> Vec<Self> {
        let others = telegrams::all(2);
        telegrams::all(1)
            .into_iter()
            .zip(others)
            .filter(|(base, _)| wanted(base))
            .map(|(base, other)| Self {
                known: Known::of(base.protocol, &base.settings, &base.line()),
                other: Known::of(base.protocol, &base.settings, &other.line()),
                other_line: other.line(),
                base,
            })
            .collect()
    }

    /// Offers `damaged` between two whole telegrams and adds to the outcome; the returned text is what was accepted.
    pub(crate) fn offer(&self, damaged: &[u8], outcome: &mut Outcome) -> Option<String> {
        // A conversation learns from what it accepts: which CRC an SML meter uses, whether the others send a check.
        let learns = matches!(self.base.protocol, Protocol::Sml | Protocol::P1 | Protocol::Iec62056_21);
        let before: &[u8] = if learns { &self.other_line } else { &[] };
        let stream = [before, damaged, &self.other_line].concat();
        let _culprit = Culprit { name: self.base.name, bytes: &stream };
        let (mut others, mut accepted, mut told) = (0, None, Outcome::default());
        let mut meter = line::listening(self.base.protocol, &self.base.settings);
        line::offer(&mut meter, &stream, line::at_once, |event| {
            let Event::Telegram(telegram) = event else { return };
            if self.other.is_said_by(telegram) {
                others += 1;
            } else if telegram.flags.salvaged && self.known.holds(telegram) {
                told.salvaged = 1;
            } else if self.known.is_said_by(telegram) {
                told.unchanged = 1;
            } else {
                accepted = Some(format!("{telegram:?}"));
            }
        });
        outcome.next_lost += usize::from(others < if learns { 2 } else { 1 });
        outcome.accepted += usize::from(accepted.is_some());
        outcome.salvaged += told.salvaged;
        outcome.unchanged += told.unchanged;
        outcome.refused += usize::from(accepted.is_none() && told.salvaged + told.unchanged == 0);
        accepted.map(|telegram| format!("{}: {} was read as {telegram}", self.base.name, line::hex(damaged)))
    }
}

const COLUMNS: [&str; 5] = ["refused", "salvaged", "unchanged", "accepted", "next lost"];

fn cells(outcome: &Outcome) -> Vec<String> {
    [outcome.refused, outcome.salvaged, outcome.unchanged, outcome.accepted, outcome.next_lost]
        .iter()
        .map(usize::to_string)
        .collect()
}

#[test]
fn nothing_is_accepted_that_the_check_of_the_link_sees() {
    let subjects = Subject::all(|base| !base.guarded.is_empty());
    let mut table =
        Table::new("One burst of up to 16 bits under a CRC, one byte under a sum or block check", &COLUMNS);
    let mut wrong = Vec::new();
    for (seed, (subject, count)) in
        (1..).zip(subjects.iter().zip(share::divided(share::mutants(25), subjects.len())))
    {
        let base = &subject.base;
        let line = base.line();
        let mut random = Random::new(seed);
        let mut outcome = Outcome::default();
        for _ in 0..count {
            let mut damaged = line.clone();
            match base.check {
                Check::Crc16(bits) => damage::burst(&mut random, &mut damaged, &base.guarded, bits),
                _ => damage::one_byte(&mut random, &mut damaged, &base.guarded),
            }
            wrong.extend(subject.offer(&damaged, &mut outcome));
        }
        if base.every_byte_counts && outcome.unchanged > 0 {
            wrong.push(format!("{}: {} changed bytes were overlooked", base.name, outcome.unchanged));
        }
        table.row(base.protocol, base.name, count, &cells(&outcome));
    }
    table.print("demanded: accepted 0");
    assert!(wrong.is_empty(), "{} accepted, the first: {:#?}", wrong.len(), &wrong[..wrong.len().min(3)]);
}

#[test]
fn nothing_is_accepted_under_a_tag_that_was_sealed_otherwise() {
    let subjects = Subject::all(|base| base.tagged);
    let mut table =
        Table::new("Anything under a tag, with the checks of the link made right again", &COLUMNS);
    let mut wrong = Vec::new();
    for (seed, (subject, count)) in
        (101..).zip(subjects.iter().zip(share::divided(share::mutants(10), subjects.len())))
    {
        let base = &subject.base;
        let sealed = (base.seal)(&base.parts).expect("it can be sealed");
        let mut random = Random::new(seed);
        let mut outcome = Outcome::default();
        let mut done = 0;
        while done < count {
            let mut damaged = sealed.clone();
            if random.once_in(8) {
                // The security control byte, a bit of the counter, or the tag taken off.
                let header_at = 2 + 8 + if damaged[10] == 0x82 { 3 } else { 2 };
                match random.below(3) {
                    0 => damaged[header_at] ^= 1 << random.below(8),
                    1 => damaged[header_at + 1 + random.below(4)] ^= 1 << random.below(8),
                    _ => damaged.truncate(damaged.len() - random.between(1, 12)),
                }
            } else {
                damage::anywhere(&mut random, &mut damaged, 3);
            }
            let Some(line) = (base.link)(&damaged) else { continue };
            wrong.extend(subject.offer(&line, &mut outcome));
            done += 1;
        }
        table.row(base.protocol, base.name, count, &cells(&outcome));
    }
    table.print("demanded: accepted 0");
    assert!(wrong.is_empty(), "{} accepted, the first: {:#?}", wrong.len(), &wrong[..wrong.len().min(3)]);
}
