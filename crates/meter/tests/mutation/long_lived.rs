//! One conversation for thousands of damaged telegrams: nothing that it has seen keeps it from reading the next good one.
use crate::damage;
use crate::line::{self, Culprit, Known};
use crate::random::Random;
use crate::share::{self, Table};
use crate::telegrams;
use metergate_meter::Event;
use std::time::Duration;

#[test]
fn a_conversation_reads_every_good_telegram_however_many_damaged_ones_it_saw() {
    let (bases, others) = (telegrams::all(1), telegrams::all(2));
    let mut table = Table::new("One conversation, damaged and good telegrams in turn", &["good told"]);
    for (seed, ((base, other), count)) in
        (801..).zip(bases.iter().zip(&others).zip(share::divided(share::mutants(4), bases.len())))
    {
        let (line, other_line) = (base.line(), other.line());
        let good = Known::of(base.protocol, &base.settings, &other_line);
        let mut random = Random::new(seed);
        let mut meter = line::listening(base.protocol, &base.settings);
        let mut now = Duration::ZERO;
        let mut told = 0;
        for _ in 0..count {
            let mut damaged = line.clone();
            damage::anywhere(&mut random, &mut damaged, 6);
            let _culprit = Culprit { name: base.name, bytes: &damaged };
            // Every other time the good telegram comes without a pause, where a check of 16 bits tells them apart.
            let pause = base.check.bits() < 16 || random.once_in(2);
            let both = [&damaged[..], &other_line].concat();
            let pieces: &[&[u8]] = if pause { &[&damaged, &other_line] } else { &[&both] };
            let mut told_now = 0;
            for piece in pieces {
                told_now = 0;
                line::offer_at(&mut meter, &mut now, piece, line::at_once, |event| {
                    if let Event::Telegram(telegram) = event {
                        told_now += usize::from(good.is_said_by(telegram));
                    }
                });
            }
            // A damaged system title hides where the next envelope of an encrypted text begins: that may cost two.
            assert!(told_now == 1 || (!pause && base.text), "{}: {told_now} good ones", base.name);
            told += told_now;
        }
        table.row(base.protocol, base.name, count, &[told.to_string()]);
    }
    table.print("demanded: every good telegram after a silence");
}
