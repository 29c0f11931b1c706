//! A byte lost, added or changed on the line costs one telegram, not the ones after it; a run of lost bytes those that
//! it hits.
use crate::line::{self, Culprit, Known};
use crate::random::Random;
use crate::share::{self, Table};
use crate::telegrams;
use metergate_meter::Event;

/// Telegrams in one stream.
const STREAM: u32 = 6;

/// What happens to the byte.
const FAULTS: [&str; 4] = ["dropped", "inserted", "changed", "8-236 lost"];

#[test]
fn a_lost_byte_costs_one_telegram_at_most_on_average() {
    let numbered: Vec<Vec<_>> = (0..STREAM).map(telegrams::all).collect();
    let kinds = numbered[0].len();
    let mut table = Table::new(
        "Telegrams lost for each one hit by a byte dropped, inserted or changed, or by a run of 8 to 236 lost bytes",
        &FAULTS,
    );
    let mut too_many = Vec::new();
    for (kind, count) in (0..kinds).zip(share::divided(share::mutants(5), kinds)) {
        let base = &numbered[0][kind];
        let lines: Vec<_> = numbered.iter().map(|all| all[kind].line()).collect();
        let known: Vec<_> = lines.iter().map(|line| Known::of(base.protocol, &base.settings, line)).collect();
        let whole = lines.concat();
        let ends: Vec<usize> = lines
            .iter()
            .scan(0, |end, line| {
                *end += line.len();
                Some(*end)
            })
            .collect();
        // The first and the last telegram show what happens to the neighbours.
        let (from, to) = (lines[0].len(), whole.len() - lines[lines.len() - 1].len());
        let mut random = Random::new(401 + kind as u64);
        let mut lost = [0_usize; FAULTS.len()];
        let mut hit = [0_usize; FAULTS.len()];
        for at in 0..count {
            let fault = at % FAULTS.len();
            let mut stream = whole.clone();
            let at = random.between(from, to - 1);
            match fault {
                0 => {
                    stream.remove(at);
                }
                1 => stream.insert(at, random.byte()),
                2 => stream[at] ^= 1 << random.below(8),
                _ => {
                    let run = random.between(8, 236).min(to - at);
                    stream.drain(at..at + run);
                    hit[fault] +=
                        ends.partition_point(|&end| end < at + run) - ends.partition_point(|&end| end <= at);
                }
            }
            let _culprit = Culprit { name: base.name, bytes: &stream };
            let mut delivered = vec![false; lines.len()];
            let mut meter = line::listening(base.protocol, &base.settings);
            line::offer(&mut meter, &stream, line::at_once, |event| {
                let Event::Telegram(telegram) = event else { return };
                if let Some(index) = known.iter().position(|known| {
                    known.is_said_by(telegram) || telegram.flags.salvaged && known.holds(telegram)
                }) {
                    delivered[index] = true;
                }
            });
            lost[fault] += delivered.iter().filter(|&&delivered| !delivered).count();
            hit[fault] += 1;
        }
        let mean = |fault: usize| {
            let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
            number(lost[fault]) / number(hit[fault].max(1))
        };
        table.row(base.protocol, base.name, count, &[0, 1, 2, 3].map(|fault| format!("{:.3}", mean(fault))));
        for (fault, name) in
            FAULTS.iter().enumerate().filter(|(fault, _)| mean(*fault) > if *fault < 3 { 1.0 } else { 1.01 })
        {
            too_many.push(format!("{} {}: {:.3}, {name}", base.protocol, base.name, mean(fault)));
        }
    }
    table.print("demanded: 1.000 or less of each telegram that is hit");
    assert!(too_many.is_empty(), "{too_many:#?}");
}
