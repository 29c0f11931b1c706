//! Every simulated meter, read by the conversation of its protocol: exactly what the ledger says.
mod reader;

use metergate_meter::CounterPolicy;
use metergate_simulator::{MeterKind, Said, Sent, Settings, Simulation};
use reader::{Told, settings, told};

/// 2026-04-12T09:40:00Z.
const START: i64 = 1_775_986_800;

fn sent(kind: MeterKind, seed: u64, count: i64) -> (Vec<Vec<u8>>, Vec<Sent>) {
    let mut meter = Simulation::new(Settings::new(kind, seed, START)).expect("no fault is set");
    // 601 s apart: mornings, evenings, hourly telegrams, sun and night come by.
    let outputs = (1..=count).flat_map(|n| meter.push(START + n * 601));
    outputs.map(|output| (output.bytes, output.sent.expect("a telegram"))).unzip()
}

fn check(kind: MeterKind) {
    for seed in [1, 2] {
        let (pieces, ledger) = sent(kind, seed, 150);
        let all = told(kind.protocol(), settings(kind, CounterPolicy::Strict), &pieces);
        for (told, sent) in all.iter().zip(&ledger) {
            let Told::Telegram { offset, length, said, .. } = told else {
                panic!("{}: {told:?} in place of {sent:?}", kind.name())
            };
            assert_eq!((*offset, *length), (sent.offset, sent.length), "{}", kind.name());
            for (read, meant) in said.registers.iter().zip(&sent.said.registers) {
                assert_eq!(read, meant, "{}", kind.name());
            }
            assert_eq!(said.registers.len(), sent.said.registers.len(), "{}", kind.name());
            let head = |said: &Said| Said { registers: Vec::new(), ..said.clone() };
            assert_eq!(head(said), head(&sent.said), "{}", kind.name());
        }
        assert_eq!(all.len(), ledger.len(), "{}", kind.name());
    }
}

#[test]
fn sml() {
    check(MeterKind::EasyMeterQ3a);
    check(MeterKind::HolleyDtz541);
    check(MeterKind::SmlSigned);
    check(MeterKind::SmlProfile);
    check(MeterKind::Dummy);
}

#[test]
fn dlms_over_m_bus() {
    check(MeterKind::KaifaMa309mNetzNoe);
    check(MeterKind::KaifaMa309mVkw);
    check(MeterKind::SagemcomT210dNetzNoe);
    check(MeterKind::SagemcomT210dAuthenticated);
}

#[test]
fn dlms_over_hdlc() {
    check(MeterKind::KaifaMa304Norway);
    check(MeterKind::AidonNorway);
    check(MeterKind::KamstrupNorway);
    check(MeterKind::LandisGyrE450);
}

#[test]
fn p1() {
    check(MeterKind::Dsmr5);
    check(MeterKind::Fluvius);
    check(MeterKind::SagemcomT210dr);
    check(MeterKind::SagemcomLuxembourg);
}

#[test]
fn kmp() {
    check(MeterKind::Multical403);
}

#[test]
fn iec62056_21() {
    check(MeterKind::Iec62056ModeA);
    check(MeterKind::Iec62056ModeB);
    check(MeterKind::Iec62056ModeC);
    check(MeterKind::Iec62056ModeD);
}
