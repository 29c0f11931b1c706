//! What leaves the simulated meters, seen by the scanners of `metergate-wire`: right lengths, right checks.
use metergate_simulator::{MeterKind, Settings, Simulation};
use metergate_wire::{Scan, hdlc, iec62056_21, kmp, mbus, p1, sml};

/// 2026-04-12T09:40:00Z.
const START: i64 = 1_775_986_800;

fn telegrams(kind: MeterKind, count: i64) -> Vec<Vec<u8>> {
    let mut meter = Simulation::new(Settings::new(kind, 3, START)).expect("no fault is set");
    (1..=count).flat_map(|n| meter.push(START + n * 5)).map(|output| output.bytes).collect()
}

/// Lengths of the frames in `bytes`, all of which must be right.
fn frames(mut bytes: &[u8], scan: impl Fn(&[u8]) -> Result<usize, String>) -> Vec<usize> {
    let mut lengths = Vec::new();
    while !bytes.is_empty() {
        let len = scan(bytes).unwrap_or_else(|error| panic!("{error} in {bytes:02X?}"));
        lengths.push(len);
        bytes = &bytes[len..];
    }
    lengths
}

fn length<F, E: std::fmt::Display>(scan: &Scan<F, E>) -> Result<usize, String> {
    match scan {
        Scan::Frame { len, .. } => Ok(*len),
        Scan::Bad { error, .. } => Err(error.to_string()),
        Scan::NeedMore | Scan::Skip(_) => Err("no frame begins here".to_owned()),
    }
}

#[test]
fn m_bus_frames_have_the_lengths_of_the_real_meters() {
    for (kind, expected) in [
        (MeterKind::KaifaMa309mNetzNoe, vec![256, 26]),
        (MeterKind::SagemcomT210dNetzNoe, vec![263, 19]),
        (MeterKind::KaifaMa309mVkw, vec![256, 120]),
    ] {
        for bytes in telegrams(kind, 20) {
            assert_eq!(frames(&bytes, |bytes| length(&mbus::scan(bytes))), expected, "{}", kind.name());
        }
    }
    let wrapped = &telegrams(MeterKind::SagemcomT210dNetzNoe, 1)[0];
    assert_eq!(wrapped[..4], [0x68, 0x01, 0x01, 0x68], "257 does not fit one byte");
}

#[test]
fn sml_frames_are_right_with_both_checksums() {
    for kind in [
        MeterKind::EasyMeterQ3a,
        MeterKind::HolleyDtz541,
        MeterKind::SmlSigned,
        MeterKind::SmlProfile,
        MeterKind::Dummy,
    ] {
        for mut bytes in telegrams(kind, 50) {
            let Scan::Frame { frame, len } = sml::transport::scan(&bytes) else {
                panic!("{}: {bytes:02X?}", kind.name())
            };
            assert_eq!(len, bytes.len());
            let (crc, padding, body_len) = (frame.crc(), frame.padding(), frame.body().len());
            let body = &mut bytes[8..8 + body_len];
            let len = sml::transport::unescape_in_place(body);
            let file = sml::File::new_checked(&body[..len], padding, crc).unwrap();
            assert_eq!(file.messages().count(), 3, "open, list, close");
            assert_eq!(crc == sml::Crc::Kermit, kind == MeterKind::HolleyDtz541);
        }
    }
}

#[test]
fn hdlc_frames_are_right_and_landis_gyr_uses_three() {
    for (kind, count) in [
        (MeterKind::KaifaMa304Norway, 1),
        (MeterKind::AidonNorway, 1),
        (MeterKind::KamstrupNorway, 1),
        (MeterKind::LandisGyrE450, 3),
    ] {
        for bytes in telegrams(kind, 20) {
            assert_eq!(frames(&bytes, |bytes| length(&hdlc::scan(bytes))).len(), count, "{}", kind.name());
        }
    }
}

#[test]
fn p1_telegrams_are_right() {
    for kind in [MeterKind::Dsmr5, MeterKind::Fluvius] {
        for bytes in telegrams(kind, 20) {
            assert_eq!(frames(&bytes, |bytes| length(&p1::scan(bytes))).len(), 1, "{}", kind.name());
        }
    }
    // 511 bytes, as every message of the real T210-D-r.
    assert!(telegrams(MeterKind::SagemcomT210dr, 5).iter().all(|bytes| bytes.len() == 511));
}

#[test]
fn kmp_answers_and_readouts_are_right() {
    for bytes in telegrams(MeterKind::Multical403, 50) {
        assert_eq!(frames(&bytes, |bytes| length(&kmp::scan(bytes))).len(), 1);
    }
    for kind in [
        MeterKind::Iec62056ModeA,
        MeterKind::Iec62056ModeB,
        MeterKind::Iec62056ModeC,
        MeterKind::Iec62056ModeD,
    ] {
        for bytes in telegrams(kind, 20) {
            let Scan::Frame { frame: readout, len } = iec62056_21::scan_last(&bytes) else {
                panic!("{}: {}", kind.name(), String::from_utf8_lossy(&bytes))
            };
            assert_eq!(len, bytes.len());
            assert_eq!(readout.bcc().is_some(), kind != MeterKind::Iec62056ModeD, "{}", kind.name());
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    for kind in MeterKind::all() {
        let sent = |seed| {
            let mut meter = Simulation::new(Settings::new(kind, seed, START)).unwrap();
            (1..5).flat_map(|n| meter.push(START + n * 10)).collect::<Vec<_>>()
        };
        assert_eq!(sent(1), sent(1), "{}", kind.name());
        assert_ne!(sent(1), sent(2), "{}", kind.name());
    }
}
