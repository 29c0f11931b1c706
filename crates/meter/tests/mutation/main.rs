//! A million damaged telegrams: what the checks exclude is never believed, and what is believed is read rightly.
//!
//! Every kind of telegram is emitted, damaged and offered to its conversation, in classes:
//!
//! | file | damage | demand |
//! |---|---|---|
//! | `within_guarantee` | what the check sees for certain: a burst under a CRC, a byte under a sum, anything under a tag | nothing accepted |
//! | `at_random` | bytes overwritten, lost, added in several places | accepted at most 3 x 2^-bits of the check |
//! | `remade` | the content is changed and every check made right again | what is accepted reads as the naive reader says |
//! | `loss` | streams of telegrams that lose, gain or change a byte | one telegram lost for a byte on average, or less |
//! | `pieces` | damaged streams in pieces of any size | the same events |
//! | `crafted` | whole frames, marks in wrong places, tags taken off | nothing accepted |
//! | `asked` | the answers of meters that are asked | what is told was sent, within the budget of requests |
//! | `long_lived` | one conversation for all of them | every good telegram is told |
//! | `hostile` | the worst bytes there are | an end within bounded steps |
//!
//! Memory is bounded by construction: a conversation has the buffer of [`line::BUFFER_LEN`] bytes that it is given, and
//! the crates it is made of cannot allocate. All randomness comes from seeds, so that every run is the same.
//!
//! `METERGATE_MUTANTS` sets the number of damaged telegrams, 1,000,000 in `cargo xtask test`, and
//! `METERGATE_SEED` gives other ones than those of every run.
mod asked;
mod at_random;
mod crafted;
mod damage;
mod hostile;
mod line;
mod long_lived;
mod loss;
mod naive;
mod pieces;
mod random;
mod remade;
mod share;
mod telegrams;
mod trees;
mod within_guarantee;

#[test]
fn every_telegram_is_read_as_the_naive_reader_reads_it() {
    for base in telegrams::all(7) {
        let line = base.line();
        let naive =
            (base.read)(&line).unwrap_or_else(|| panic!("{}: the naive reader refuses it", base.name));
        let mut told = 0;
        let mut meter = line::listening(base.protocol, &base.settings);
        line::offer(&mut meter, &line, line::at_once, |event| {
            let metergate_meter::Event::Telegram(telegram) = event else {
                panic!("{}: {event:?}", base.name)
            };
            let difference = naive::compare::difference(telegram.registers.clone(), &naive);
            assert_eq!(difference, None, "{}", base.name);
            told += 1;
        });
        assert_eq!(told, 1, "{}", base.name);
    }
}
