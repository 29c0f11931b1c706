//! Every fault on every meter: nothing is accepted that no meter said, and what is whole is found again.
mod reader;

use metergate_meter::{Code, CounterPolicy, Protocol};
use metergate_simulator::{Fault, FaultKind, MeterKind, Sent, Settings, SettingsError, Simulation};
use reader::{Told, settings, told};

/// 2026-04-12T09:40:00Z.
const START: i64 = 1_775_986_800;

/// A hundred telegrams of which about a third meet the fault; `None` when it cannot happen to this meter.
fn run(kind: MeterKind, fault: FaultKind) -> Option<(Vec<Told>, Vec<Sent>)> {
    let mut simulated = Settings::new(kind, 11, START);
    simulated.faults.push(Fault { kind: fault, per_million: 330_000 });
    let mut meter = match Simulation::new(simulated) {
        Ok(meter) => meter,
        Err(SettingsError::FaultDoesNotFit { .. }) => return None,
    };
    let outputs: Vec<_> = (1..=100).flat_map(|n| meter.push(START + n * 61)).collect();
    let pieces: Vec<Vec<u8>> = outputs.iter().map(|output| output.bytes.clone()).collect();
    let ledger = outputs.into_iter().filter_map(|output| output.sent).collect();
    Some((told(kind.protocol(), settings(kind, CounterPolicy::Strict), &pieces), ledger))
}

/// Kinds with a check of their bytes.
fn kinds() -> impl Iterator<Item = MeterKind> {
    // Mode D has no check at all.
    MeterKind::all().filter(|kind| *kind != MeterKind::Iec62056ModeD)
}

fn accepted(told: &[Told]) -> impl Iterator<Item = (u64, &metergate_simulator::Said)> {
    told.iter().filter_map(|told| match told {
        Told::Telegram { offset, said, .. } => Some((*offset, &**said)),
        Told::Rejected { .. } => None,
    })
}

fn codes(told: &[Told]) -> Vec<Code> {
    let code = |told: &Told| match told {
        Told::Rejected { code, .. } => Some(*code),
        Told::Telegram { .. } => None,
    };
    told.iter().filter_map(code).collect()
}

/// Everything accepted stands in the ledger at that place, with every register as it was meant.
fn nothing_wrong_is_accepted(kind: MeterKind, fault: FaultKind, told: &[Told], ledger: &[Sent]) {
    for (offset, said) in accepted(told) {
        let meant = ledger.iter().any(|sent| {
            // The echo of a sign-on belongs to the readout behind it.
            let begins = sent.offset.saturating_sub(b"/?!\r\n".len() as u64);
            (begins..=sent.offset + sent.length).contains(&offset) && sent.said.registers == said.registers
        });
        assert!(meant, "{} {}: nobody said {said:?}", kind.name(), fault.name());
    }
}

#[test]
fn damaged_bytes_are_refused_and_the_stream_goes_on() {
    for kind in kinds() {
        for fault in [FaultKind::Flip, FaultKind::Drop, FaultKind::Insert, FaultKind::Half] {
            // A block check character does not see two equal bytes come or go.
            if kind.protocol() == Protocol::Iec62056_21
                && matches!(fault, FaultKind::Drop | FaultKind::Insert)
            {
                continue;
            }
            let (told, ledger) = run(kind, fault).expect("bytes can always be damaged");
            nothing_wrong_is_accepted(kind, fault, &told, &ledger);
            // Whole telegrams are found, but for the few that damage next to them takes along.
            let whole: Vec<&Sent> = ledger.iter().filter(|sent| sent.is_whole).collect();
            let found =
                whole.iter().filter(|sent| accepted(&told).any(|(offset, _)| offset == sent.offset)).count();
            assert!(whole.len() < ledger.len(), "{}: nothing was damaged", kind.name());
            assert!(
                found * 100 >= whole.len() * 95,
                "{} {}: {found} of {}",
                kind.name(),
                fault.name(),
                whole.len()
            );
            assert!(!codes(&told).is_empty(), "{} {}", kind.name(), fault.name());
        }
    }
}

#[test]
fn noise_before_a_telegram_costs_no_telegram() {
    for kind in MeterKind::all() {
        let (told, ledger) = run(kind, FaultKind::Noise).expect("there can always be noise");
        nothing_wrong_is_accepted(kind, FaultKind::Noise, &told, &ledger);
        let count = accepted(&told).count();
        assert!(count >= ledger.len() * 97 / 100, "{}: {count} of {}", kind.name(), ledger.len());
    }
}

#[test]
fn a_wrong_key_is_named_as_such() {
    for kind in kinds() {
        let Some((told, ledger)) = run(kind, FaultKind::WrongKey) else {
            assert!(!kind.is_encrypted());
            continue;
        };
        nothing_wrong_is_accepted(kind, FaultKind::WrongKey, &told, &ledger);
        let sealed_wrong = ledger.iter().filter(|sent| !sent.is_whole).count();
        assert_eq!(accepted(&told).count(), ledger.len() - sealed_wrong, "{}", kind.name());
        let codes = codes(&told);
        assert_eq!(codes.len(), sealed_wrong, "{}", kind.name());
        // Encrypted P1 has no link check that would tell a wrong key from damage.
        let expected = if kind.protocol() == Protocol::P1 { Code::WrongKeyOrDamaged } else { Code::WrongKey };
        assert!(codes.iter().all(|code| *code == expected), "{}: {codes:?}", kind.name());
    }
}

#[test]
fn a_repeated_counter_is_refused_on_a_live_line() {
    for kind in kinds() {
        let Some((told, ledger)) = run(kind, FaultKind::Replay) else { continue };
        let repeated = ledger.iter().filter(|sent| !sent.is_whole).count();
        assert!(repeated > 10);
        assert_eq!(accepted(&told).count(), ledger.len() - repeated, "{}", kind.name());
        assert_eq!(codes(&told), vec![Code::Replayed; repeated], "{}", kind.name());
    }
}

#[test]
fn the_same_telegram_twice_is_told_twice_or_refused_as_replayed() {
    for kind in MeterKind::all() {
        let (told, ledger) = run(kind, FaultKind::Duplicate).expect("anything can come twice");
        nothing_wrong_is_accepted(kind, FaultKind::Duplicate, &told, &ledger);
        let whole = ledger.iter().filter(|sent| sent.is_whole).count();
        assert!(ledger.len() > 110);
        assert_eq!(accepted(&told).count(), whole, "{}", kind.name());
        assert_eq!(codes(&told), vec![Code::Replayed; ledger.len() - whole], "{}", kind.name());
    }
}

#[test]
fn silence_is_no_telegram_and_no_error() {
    for kind in MeterKind::all() {
        let (told, ledger) = run(kind, FaultKind::Silence).expect("anything can be silent");
        let left = ledger.iter().filter(|sent| sent.length > 0).count();
        assert!(left < 90);
        assert_eq!((accepted(&told).count(), codes(&told).len()), (left, 0), "{}", kind.name());
    }
}

#[test]
fn what_happens_in_the_meter_is_told_as_it_is() {
    for kind in MeterKind::all() {
        for fault in [FaultKind::Clock, FaultKind::Reset, FaultKind::Swap] {
            let (told, ledger) = run(kind, fault).expect("it can happen to any meter");
            nothing_wrong_is_accepted(kind, fault, &told, &ledger);
            assert!(ledger.iter().any(|sent| !sent.faults.is_empty()));
            assert_eq!(accepted(&told).count(), ledger.len(), "{} {}", kind.name(), fault.name());
        }
    }
}

#[test]
fn an_echo_is_not_taken_for_an_answer() {
    for kind in MeterKind::all() {
        let Some((told, ledger)) = run(kind, FaultKind::Echo) else { continue };
        nothing_wrong_is_accepted(kind, FaultKind::Echo, &told, &ledger);
        assert_eq!(accepted(&told).count(), ledger.len(), "{}", kind.name());
    }
}
