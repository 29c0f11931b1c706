//! The content is changed and every check made right again: nothing but the structure protects now. What a decoder
//! accepts must say what the naive reader finds in the same bytes, and nothing may panic.
use crate::damage;
use crate::line::{self, Culprit};
use crate::naive::compare;
use crate::random::Random;
use crate::share::{self, Table};
use crate::telegrams::{self, Base};
use crate::trees;
use metergate_meter::{Event, Protocol};
use std::collections::BTreeMap;

/// Changes one of the parts, the long ones more often.
fn changed(random: &mut Random, base: &Base) -> Vec<Vec<u8>> {
    let mut parts = base.parts.clone();
    let total: usize = parts.iter().map(Vec::len).sum();
    let mut at = random.below(total);
    let mut index = 0;
    while at >= parts[index].len() {
        at -= parts[index].len();
        index += 1;
    }
    let part = &mut parts[index];
    let whole = 0..part.len();
    let tree = match base.protocol {
        Protocol::Sml if random.once_in(2) => trees::of_message(random, part),
        Protocol::DlmsMbus | Protocol::DlmsHdlc if random.once_in(2) => trees::of_notification(random, part),
        _ => None,
    };
    if let Some(tree) = tree {
        *part = tree;
        return parts;
    }
    match random.below(4) {
        _ if base.text && !random.once_in(4) => damage::of_text(random, part),
        // A single byte leaves the structure whole more often than not.
        0 | 1 => damage::one_byte(random, part, &whole),
        2 => damage::anywhere(random, part, 1),
        _ => damage::anywhere(random, part, 3),
    }
    parts
}

#[test]
fn what_is_accepted_reads_as_the_naive_reader_says() {
    let bases = telegrams::all(3);
    let columns = ["accepted", "refused", "only naive"];
    let mut table = Table::new("Content changed, every check made right again", &columns);
    let mut wrong = Vec::new();
    let mut only_naive_codes: BTreeMap<String, usize> = BTreeMap::new();
    for (seed, (base, count)) in
        (301..).zip(bases.iter().zip(share::divided(share::mutants(28), bases.len())))
    {
        let mut random = Random::new(seed);
        let (mut accepted, mut refused, mut only_naive) = (0, 0, 0);
        let mut done = 0;
        while done < count {
            let parts = changed(&mut random, base);
            let Some(line) = (base.seal)(&parts).and_then(|sealed| (base.link)(&sealed)) else { continue };
            done += 1;
            let _culprit = Culprit { name: base.name, bytes: &line };
            let naive = (base.read)(&line);
            let (mut told, mut whole, mut codes) = (0, false, Vec::new());
            let mut meter = line::listening(base.protocol, &base.settings);
            line::offer(&mut meter, &line, line::at_once, |event| match event {
                Event::Telegram(telegram) => {
                    told += 1;
                    let range = usize::try_from(telegram.offset).expect("short")
                        ..usize::try_from(telegram.offset + telegram.length).expect("short");
                    whole |= range == (0..line.len());
                    // A text may hold another telegram; each is read on its own.
                    let part = if range == (0..line.len()) {
                        naive.clone()
                    } else {
                        (base.read)(&line[range.clone()])
                    };
                    let difference = match part {
                        Some(naive) => compare::difference(telegram.registers.clone(), &naive),
                        None => Some(format!("the naive reader refuses what was read as {telegram:?}")),
                    };
                    if let Some(difference) = difference {
                        wrong.push(format!("{}: {} {difference}", base.name, line::hex(&line[range])));
                    }
                }
                Event::Rejected(rejection) => {
                    codes.push(format!("{} {}", rejection.cause.layer(), rejection.cause.code()));
                }
                _ => {}
            });
            if told > 0 {
                accepted += 1;
            } else {
                refused += 1;
            }
            if naive.is_some() && !whole {
                only_naive += 1;
                *only_naive_codes.entry(format!("{}: {}", base.protocol, codes.join(", "))).or_insert(0) += 1;
            }
        }
        table.row(
            base.protocol,
            base.name,
            count,
            &[accepted, refused, only_naive].map(|number| number.to_string()),
        );
    }
    let mut last_line = String::from(
        "accepted: with the values of the naive reader\nonly naive: refused, although the naive reader, which knows no limits, reads it:",
    );
    for (code, count) in &only_naive_codes {
        last_line.push_str(&format!("\n  {count} {code}"));
    }
    table.print(&last_line);
    assert!(wrong.is_empty(), "{} differ, the first: {:#?}", wrong.len(), &wrong[..wrong.len().min(6)]);
}
