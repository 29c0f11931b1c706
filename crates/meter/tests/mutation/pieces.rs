//! The same bytes in any pieces give the same events, whole or damaged.
use crate::damage;
use crate::line::{self, Culprit};
use crate::random::Random;
use crate::share::{self, Table};
use crate::telegrams;

fn events(base: &telegrams::Base, stream: &[u8], piece: impl FnMut() -> usize) -> Vec<String> {
    let mut events = Vec::new();
    let mut meter = line::listening(base.protocol, &base.settings);
    line::offer(&mut meter, stream, piece, |event| events.push(format!("{event:?}")));
    events
}

#[test]
fn damaged_streams_in_any_pieces_give_the_same_events() {
    let (bases, others) = (telegrams::all(1), telegrams::all(2));
    let mut table = Table::new("Damaged streams: at once, byte by byte, and in random pieces", &["events"]);
    for (seed, ((base, other), count)) in
        (501..).zip(bases.iter().zip(&others).zip(share::divided(share::mutants(2), bases.len())))
    {
        let mut random = Random::new(seed);
        let mut told = 0;
        for _ in 0..count {
            let mut damaged = base.line();
            damage::anywhere(&mut random, &mut damaged, 4);
            let stream = [&damaged[..], &other.line()].concat();
            let _culprit = Culprit { name: base.name, bytes: &stream };
            let at_once = events(base, &stream, line::at_once);
            assert_eq!(events(base, &stream, || 1), at_once, "byte by byte");
            for longest in [5, 60, 400] {
                let mut sizes = random.clone();
                assert_eq!(
                    events(base, &stream, || sizes.between(1, longest)),
                    at_once,
                    "pieces of up to {longest}"
                );
            }
            told += at_once.len();
        }
        table.row(base.protocol, base.name, count, &[told.to_string()]);
    }
    table.print("demanded: no difference");
}
