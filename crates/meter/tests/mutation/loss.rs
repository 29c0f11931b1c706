//! A byte lost, added or changed on the line costs one telegram, not the ones after it.
use crate::line::{self, Culprit, Known};
use crate::random::Random;
use crate::share::{self, Table};
use crate::telegrams;
use metergate_meter::Event;

/// Telegrams in one stream.
const STREAM: u32 = 6;

/// What happens to the byte.
const FAULTS: [&str; 3] = ["dropped", "inserted", "changed"];

#[test]
fn a_lost_byte_costs_one_telegram_at_most_on_average() {
    let numbered: Vec<Vec<_>> = (0..STREAM).map(telegrams::all).collect();
    let kinds = numbered[0].len();
    let mut table = Table::new("Telegrams lost for one byte that was dropped, inserted or changed", &FAULTS);
    let mut too_many = Vec::new();
    for (kind, count) in (0..kinds).zip(share::divided(share::mutants(5), kinds)) {
        let base = &numbered[0][kind];
        let lines: Vec<_> = numbered.iter().map(|all| all[kind].line()).collect();
        let known: Vec<_> = lines.iter().map(|line| Known::of(base.protocol, &base.settings, line)).collect();
        let whole = lines.concat();
        // The first and the last telegram show what happens to the neighbours.
        let (from, to) = (lines[0].len(), whole.len() - lines[lines.len() - 1].len());
        let mut random = Random::new(401 + kind as u64);
        let mut lost = [0_usize; FAULTS.len()];
        let mut tries = [0_usize; FAULTS.len()];
        for at in 0..count {
            let fault = at % FAULTS.len();
            let mut stream = whole.clone();
            let at = random.between(from, to - 1);
            match fault {
                0 => {
                    stream.remove(at);
                }
                1 => stream.insert(at, random.byte()),
                _ => stream[at] ^= 1 << random.below(8),
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
            tries[fault] += 1;
        }
        let mean = |fault: usize| {
            let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
            number(lost[fault]) / number(tries[fault].max(1))
        };
        table.row(base.protocol, base.name, count, &[0, 1, 2].map(|fault| format!("{:.3}", mean(fault))));
        for (fault, name) in FAULTS.iter().enumerate().filter(|(fault, _)| mean(*fault) > 1.0) {
            too_many.push(format!("{} {}: {:.3} for a byte {name}", base.protocol, base.name, mean(fault)));
        }
    }
    table.print("demanded: 1.000 or less");
    assert!(too_many.is_empty(), "{too_many:#?}");
}
