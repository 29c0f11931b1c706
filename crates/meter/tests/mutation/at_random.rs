//! Damage without any order: bytes overwritten, lost, added and repeated in several places.
//!
//! No check excludes all of it. A check of n bits lets one in 2^n through when the damage is blind to it; 3 times as many
//! leave room for damage that is not, and for chance.
use crate::damage;
use crate::random::Random;
use crate::share::{self, Table};
use crate::telegrams::Check;
use crate::within_guarantee::{Outcome, Subject};

#[test]
fn random_damage_is_accepted_as_seldom_as_the_check_promises() {
    let subjects = Subject::all(|_| true);
    let columns = ["refused", "salvaged", "unchanged", "accepted", "next lost"];
    let mut table = Table::new("Random damage in one to six places", &columns);
    // Damaged and accepted by kind of check; the last one has a tag.
    let mut sums: Vec<(String, i32, usize, usize)> = Vec::new();
    let mut examples = Vec::new();
    for (seed, (subject, count)) in
        (201..).zip(subjects.iter().zip(share::divided(share::mutants(30), subjects.len())))
    {
        let base = &subject.base;
        let line = base.line();
        let mut random = Random::new(seed);
        let mut outcome = Outcome::default();
        for _ in 0..count {
            let mut damaged = line.clone();
            damage::anywhere(&mut random, &mut damaged, 6);
            if let Some(example) = subject.offer(&damaged, &mut outcome)
                && base.check != Check::Nothing
            {
                examples.push(example);
            }
        }
        let numbers =
            [outcome.refused, outcome.salvaged, outcome.unchanged, outcome.accepted, outcome.next_lost];
        table.row(base.protocol, base.name, count, &numbers.map(|number| number.to_string()));
        let (kind, bits) =
            if base.tagged { ("a tag of 96 bits", 96) } else { (base.check.name(), base.check.bits()) };
        match sums.iter_mut().find(|sum| sum.0 == kind) {
            Some(sum) => {
                sum.2 += count;
                sum.3 += outcome.accepted;
            }
            None => sums.push((kind.to_owned(), bits, count, outcome.accepted)),
        }
    }
    let mut text = String::new();
    let mut too_many = Vec::new();
    for (kind, bits, count, accepted) in sums.into_iter().filter(|sum| sum.1 > 0) {
        let count = f64::from(u32::try_from(count).expect("millions"));
        let bound = 3.0 * 2_f64.powi(-bits) * count;
        let sum = format!("under {kind}: {accepted} of {count} accepted, at most {bound:.1} are allowed\n");
        text.push_str(&sum);
        if f64::from(u32::try_from(accepted).expect("few")) > bound {
            too_many.push(sum);
        }
    }
    table.print(text.trim_end());
    assert!(too_many.is_empty(), "{too_many:#?}, such as {:#?}", &examples[..examples.len().min(8)]);
}
