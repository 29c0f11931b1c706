//! The verdict table: what is wrong with a meter has one code, the same in `decode`, log, sinks and status.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
mod support;

use metergate_gateway::clock::Clock;
use metergate_gateway::config::{KmpSetup, MeterSetup, Place};
use metergate_gateway::port::Speed;
use metergate_gateway::reader::{Known, Reader};
use metergate_gateway::shutdown;
use metergate_gateway::update::What;
use metergate_meter::Protocol;
use metergate_simulator::{EXAMPLE_KEYS, Fault, MeterKind};
use metergate_wire::sml::{self, Crc, Entry, GetListResponse, Head, Number, message, transport};
use metergate_wire::{Full, Writer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use support::{DEADLINE, Pty, meter, runtime, simulation};
use tokio::sync::mpsc;

/// What is done to each telegram of a meter.
#[derive(Clone, Copy)]
enum Damage {
    /// Nothing.
    None,
    /// This byte has one bit turned over.
    Flip(usize),
    /// Only this many bytes arrive.
    Cut(usize),
    /// The first telegram comes again and again.
    Repeat,
    /// This security control byte, under a right link check.
    Control(u8),
    /// These bytes in place of the telegram.
    Bytes(fn(u8) -> Vec<u8>),
}

/// Which keys the reader has.
#[derive(Clone, Copy)]
enum Keys {
    None,
    Right,
    Wrong,
    WrongAuth,
}

struct Row {
    kind: MeterKind,
    damage: Damage,
    keys: Keys,
    /// Codes of the refusals, all of them, with commas between: what belongs to a damaged frame stands alone then.
    code: &'static str,
    verdict: &'static str,
}

const fn row(kind: MeterKind, damage: Damage, keys: Keys, code: &'static str, verdict: &'static str) -> Row {
    Row { kind, damage, keys, code, verdict }
}

/// Random bytes without one that begins a frame.
fn noise(seed: u8) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let random = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    random
        .filter(|byte| !matches!(byte, 0x1B | 0x68 | 0x7E | b'/' | 0xDB | 0x40 | 0x80 | 0x02 | 0x06))
        .take(200)
        .collect()
}

/// What a line at a quarter of the right speed looks like: long levels.
fn stretched(_: u8) -> Vec<u8> {
    [0x00, 0xFE, 0x80, 0xF8, 0xE0, 0x00].repeat(30)
}

/// Text with the parity bits of a 7E1 line, read as 8N1.
fn with_parity(_: u8) -> Vec<u8> {
    let text =
        b"ESY5Q3DA1004 V3.04\r\n\r\n1-0:0.0.0*255(0273011003684)\r\n1-0:1.8.0*255(00000000.0000000*kWh)\r\n";
    text.iter().map(|&byte| if byte.count_ones() % 2 == 1 { byte | 0x80 } else { byte }).collect()
}

fn written(emit: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer);
    emit(&mut writer).unwrap();
    let len = writer.len();
    buffer[..len].to_vec()
}

/// An SML meter whose PIN was not entered: whole kWh and no power.
fn without_pin(n: u8) -> Vec<u8> {
    let energy = |c| Entry {
        unit: Some(30),
        scaler: Some(3),
        ..Entry::new([1, 0, c, 8, 0, 255], sml::Value::Number(Number::unsigned(5 + u64::from(n)).in_bytes(4)))
    };
    let response = GetListResponse {
        client_id: None,
        server_id: &[0x0A, 1, b'E', b'M', b'H', 0, 0, 0, 0, 7],
        list_name: None,
        act_sensor_time: None,
        entries: [energy(1), energy(2)].into_iter(),
        list_signature: None,
        act_gateway_time: None,
    };
    let head = Head { transaction_id: &[n], group_no: 0, abort_on_error: 0 };
    let file =
        written(|out| message::emit(out, Crc::X25, &head, GetListResponse::TAG, |out| response.emit(out)));
    written(|out| transport::emit(out, Crc::X25, &file))
}

/// A DLMS meter that pushes three numbers without saying which.
fn unlabelled(n: u8) -> Vec<u8> {
    // A data-notification without a time: structure of three double-long-unsigned.
    let mut content = vec![0x53, 0xFF, 0x10, 0x01, 0x67, 0x0F, 0, 0, 0, n, 0, 0x02, 0x03];
    content.extend([0x06, 0, 0, 1, n].repeat(3));
    let len = u8::try_from(content.len()).unwrap();
    let sum = content.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    [&[0x68, len, len, 0x68][..], &content, &[sum, 0x16]].concat()
}

use Damage::{Bytes, Control, Cut, Flip, Repeat};
use MeterKind as M;

const TABLE: &[Row] = &[
    row(M::EasyMeterQ3a, Damage::None, Keys::None, "", "ok"),
    row(M::EasyMeterQ3a, Flip(200), Keys::None, "crc_mismatch", "damaged"),
    row(M::EasyMeterQ3a, Cut(150), Keys::None, "truncated", "damaged"),
    row(M::EasyMeterQ3a, Bytes(noise), Keys::None, "noise", "noise"),
    row(M::EasyMeterQ3a, Bytes(stretched), Keys::None, "noise", "wrong_line"),
    row(M::EasyMeterQ3a, Bytes(with_parity), Keys::None, "noise", "wrong_line"),
    row(M::EasyMeterQ3a, Bytes(without_pin), Keys::None, "", "pin_locked"),
    row(M::HolleyDtz541, Flip(100), Keys::None, "crc_mismatch", "damaged"),
    row(M::KaifaMa309mNetzNoe, Damage::None, Keys::Right, "", "ok"),
    row(M::KaifaMa309mNetzNoe, Flip(270), Keys::Right, "checksum_mismatch", "damaged"),
    row(M::KaifaMa309mNetzNoe, Flip(100), Keys::None, "checksum_mismatch,truncated", "damaged"),
    row(M::KaifaMa309mNetzNoe, Cut(256), Keys::Right, "truncated", "damaged"),
    row(M::KaifaMa309mNetzNoe, Cut(40), Keys::Right, "truncated", "damaged"),
    row(M::KaifaMa309mNetzNoe, Bytes(noise), Keys::Right, "noise", "noise"),
    row(M::KaifaMa309mNetzNoe, Damage::None, Keys::None, "missing_key", "missing_key"),
    row(M::KaifaMa309mNetzNoe, Damage::None, Keys::Wrong, "wrong_key", "wrong_key"),
    row(M::KaifaMa309mNetzNoe, Repeat, Keys::Right, "replayed", "replayed"),
    row(M::KaifaMa309mNetzNoe, Control(0x22), Keys::Right, "unsupported_security", "unsupported_security"),
    row(M::KaifaMa309mNetzNoe, Control(0x60), Keys::Right, "unsupported_security", "unsupported_security"),
    row(M::KaifaMa309mNetzNoe, Control(0xA0), Keys::Right, "unsupported_security", "unsupported_security"),
    row(M::KaifaMa309mNetzNoe, Bytes(unlabelled), Keys::Right, "", "unknown_layout"),
    row(M::KaifaMa309mVkw, Damage::None, Keys::Wrong, "wrong_key", "wrong_key"),
    row(M::SagemcomT210dAuthenticated, Damage::None, Keys::Right, "", "ok"),
    row(
        M::SagemcomT210dAuthenticated,
        Damage::None,
        Keys::WrongAuth,
        "authentication_failed",
        "authentication_failed",
    ),
    row(M::SagemcomT210dAuthenticated, Damage::None, Keys::Wrong, "wrong_key", "wrong_key"),
    row(M::AidonNorway, Flip(60), Keys::None, "crc_mismatch", "damaged"),
    row(M::AidonNorway, Cut(100), Keys::None, "truncated", "damaged"),
    row(M::AidonNorway, Bytes(noise), Keys::None, "noise", "noise"),
    row(M::LandisGyrE450, Damage::None, Keys::Right, "", "ok"),
    row(M::LandisGyrE450, Flip(60), Keys::Right, "crc_mismatch,truncated", "damaged"),
    row(M::LandisGyrE450, Damage::None, Keys::None, "missing_key", "missing_key"),
    row(M::LandisGyrE450, Damage::None, Keys::Wrong, "wrong_key", "wrong_key"),
    row(M::LandisGyrE450, Damage::None, Keys::WrongAuth, "authentication_failed", "authentication_failed"),
    row(M::LandisGyrE450, Repeat, Keys::Right, "replayed", "replayed"),
    row(M::Dsmr5, Flip(200), Keys::None, "crc_mismatch", "damaged"),
    row(M::Dsmr5, Cut(300), Keys::None, "truncated", "damaged"),
    row(M::Dsmr5, Bytes(noise), Keys::None, "noise", "noise"),
    row(M::SagemcomT210dr, Damage::None, Keys::Right, "", "ok"),
    row(M::SagemcomT210dr, Damage::None, Keys::None, "missing_key", "missing_key"),
    row(M::SagemcomT210dr, Damage::None, Keys::Wrong, "wrong_key_or_damaged", "wrong_key"),
    row(M::SagemcomT210dr, Damage::None, Keys::WrongAuth, "authentication_failed", "authentication_failed"),
    row(M::SagemcomT210dr, Repeat, Keys::Right, "replayed", "replayed"),
    row(M::SagemcomT210dr, Control(0x32), Keys::Right, "unsupported_security", "unsupported_security"),
    row(M::SagemcomT210dr, Cut(200), Keys::Right, "truncated", "damaged"),
    row(M::Multical403, Flip(24), Keys::None, "crc_mismatch", "damaged"),
    row(M::Multical403, Bytes(noise), Keys::None, "noise", "noise"),
    row(M::Iec62056ModeC, Damage::None, Keys::None, "", "ok"),
    row(M::Iec62056ModeC, Flip(150), Keys::None, "bcc_mismatch", "damaged"),
    row(M::Iec62056ModeC, Cut(120), Keys::None, "truncated", "damaged"),
    row(M::Iec62056ModeD, Damage::None, Keys::None, "", "ok"),
    row(M::Iec62056ModeD, Bytes(noise), Keys::None, "noise", "noise"),
];

impl Row {
    fn name(&self) -> String {
        let damage = match self.damage {
            Damage::None => "whole".to_owned(),
            Flip(at) => format!("byte {at} flipped"),
            Cut(len) => format!("cut to {len} bytes"),
            Repeat => "repeated".to_owned(),
            Control(byte) => format!("security control {byte:02x}"),
            Bytes(_) => "other bytes".to_owned(),
        };
        let keys = match self.keys {
            Keys::None => "no key",
            Keys::Right => "right keys",
            Keys::Wrong => "wrong key",
            Keys::WrongAuth => "wrong authentication key",
        };
        format!("{}, {damage}, {keys}", self.kind.name())
    }

    fn keys(&self) -> Option<[String; 2]> {
        let [key, auth_key] = EXAMPLE_KEYS.map(|key| key.map(|byte| format!("{byte:02x}")).concat());
        let wrong = "a5".repeat(16);
        match self.keys {
            Keys::None => None,
            Keys::Right => Some([key, auth_key]),
            Keys::Wrong => Some([wrong, auth_key]),
            Keys::WrongAuth => Some([key, wrong]),
        }
    }

    /// Four telegrams, five seconds apart, as lines of a capture.
    fn capture(&self) -> String {
        let mut simulation = simulation(self.kind, Vec::new());
        let first = simulation.house().now_s();
        let telegram = |simulation: &mut metergate_simulator::Simulation, n: i64| -> Vec<u8> {
            simulation.push(first + 5 * n).into_iter().flat_map(|output| output.bytes).collect()
        };
        let repeated = telegram(&mut simulation, 0);
        (1..=4u8)
            .map(|n| {
                let bytes = match self.damage {
                    Repeat => repeated.clone(),
                    Bytes(bytes) => bytes(n),
                    _ => damage(telegram(&mut simulation, i64::from(n)), self.damage),
                };
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("2026-04-12T09:40:{:02}.000000000Z rx {hex}\n", 5 * n)
            })
            .collect()
    }
}

fn damage(mut bytes: Vec<u8>, damage: Damage) -> Vec<u8> {
    match damage {
        Flip(at) => bytes[at] ^= 0x01,
        Cut(len) => bytes.truncate(len),
        Control(byte) => {
            let envelope = bytes.windows(2).position(|pair| pair == [0xDB, 0x08]).unwrap();
            // DB, length, 8 bytes of title, then 81 and one or 82 and two bytes of length.
            let len_at = envelope + 10;
            let control_at = len_at + usize::from(bytes[len_at] & 0x7F) + 1;
            bytes[control_at] = byte;
            if bytes[0] == 0x68 {
                let end = 4 + usize::from(bytes[1]);
                bytes[end] = bytes[4..end].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            }
        }
        Damage::None | Repeat | Bytes(_) => {}
    }
    bytes
}

fn metergate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metergate"));
    command.env("RUNTIME_DIRECTORY", folder).env("NO_COLOR", "1").env_remove("METERGATE_CONFIG");
    command
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

/// Codes of the error lines, and `replayed` where a telegram is flagged so: captures repeat themselves, so `decode`
/// flags what `run` refuses.
fn codes(lines: &str) -> BTreeSet<String> {
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter_map(|line| match &line["error"]["code"] {
            Value::String(code) => Some(code.clone()),
            _ => line["flags"].as_array()?.contains(&"replayed".into()).then(|| "replayed".to_owned()),
        })
        .collect()
}

fn check(row: &Row) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("capture.txt");
    std::fs::write(&capture, row.capture()).unwrap();
    let protocol = row.kind.protocol().name();
    let mut config = format!(
        "[default.meter.haus]\nport = \"stdin\"\nprotocol = \"{protocol}\"\n\
         [default.sink.screen]\nkind = \"stdout\"\nformat = \"json\"\n"
    );
    let mut decode = metergate(folder.path());
    decode.args(["decode", "--format", "json", "--protocol", protocol]).arg(&capture);
    let mut replay = metergate(folder.path());
    if let Some([key, auth_key]) = row.keys() {
        decode.args(["--key", &key, "--auth-key", &auth_key]);
        replay.env("METERGATE_METER__HAUS__KEY", key).env("METERGATE_METER__HAUS__AUTH_KEY", auth_key);
    }
    config.push('\n');
    let config_path = folder.path().join("metergate.toml");
    std::fs::write(&config_path, config).unwrap();
    replay.args(["-vv", "replay", "--speed", "0", "--config"]).arg(&config_path).arg(&capture);

    let Output { stdout: decoded, .. } = decode.output().unwrap();
    let Output { stdout: delivered, stderr: log, .. } = replay.output().unwrap();
    let log = text(&log);
    let expected: BTreeSet<String> =
        row.code.split(',').filter(|code| !code.is_empty()).map(ToOwned::to_owned).collect();
    let same = |what: &str, found: BTreeSet<String>| {
        if found == expected {
            Ok(())
        } else {
            Err(format!("{what}: {found:?}, expected {expected:?}\n{log}"))
        }
    };
    let mut decoded = codes(text(&decoded));
    if matches!(row.damage, Cut(_)) {
        // The silence that ends a cut telegram is not in the bytes, so the next one is read into it.
        decoded.retain(|code| expected.contains(code));
    }
    same("decode", decoded)?;
    same("sink", codes(text(&delivered)))?;
    let refused = log.lines().filter_map(|line| line.split_once(": refused, ")?.1.split_once(':'));
    same("log", refused.map(|(code, _)| code.to_owned()).collect())?;
    let status =
        std::fs::read(folder.path().join("status.json")).map_err(|error| format!("{error}: {log}"))?;
    let status: Value = serde_json::from_slice(&status).unwrap();
    let meter = &status["meters"]["haus"];
    same("status", meter["rejections"].as_object().unwrap().keys().cloned().collect())?;
    if meter["verdict"] != row.verdict {
        return Err(format!("status: verdict {}, expected {}\n{log}", meter["verdict"], row.verdict));
    }
    let message = meter["message"].as_str().unwrap();
    if !log.contains(&format!("meter `haus`: {}: {message}", row.verdict)) {
        return Err(format!("log: verdict {} is missing\n{log}", row.verdict));
    }
    Ok(())
}

#[test]
fn every_fault_has_the_same_code_in_decode_log_sink_and_status() {
    let failed: Vec<String> =
        TABLE.iter().filter_map(|row| check(row).err().map(|why| format!("{}: {why}", row.name()))).collect();
    assert!(failed.is_empty(), "{} of {} rows:\n{}", failed.len(), TABLE.len(), failed.join("\n"));
}

/// The verdicts that a silent line gets, one after the other, until the wanted one.
fn verdicts_of(setup: MeterSetup, wanted: &str, mut act: impl FnMut()) -> Vec<&'static str> {
    let mut seen = Vec::new();
    runtime().block_on(async {
        let (sender, mut updates) = mpsc::channel(64);
        let (_trigger, shutdown) = shutdown::channel();
        tokio::spawn(
            Reader::new(setup, Known::default(), Speed::LIVE, Clock::start(), sender, shutdown)
                .run(support::heartbeat()),
        );
        let watch = async {
            let mut tick = tokio::time::interval(Duration::from_millis(10));
            while seen.last() != Some(&wanted) {
                tokio::select! {
                    update = updates.recv() => {
                        if let What::Verdict(verdict) = update.unwrap().what {
                            seen.push(verdict.code());
                        }
                    }
                    _ = tick.tick() => act(),
                }
            }
        };
        let found = tokio::time::timeout(DEADLINE * 2, watch).await;
        assert!(found.is_ok(), "the verdict does not become {wanted}");
    });
    seen
}

#[test]
fn a_line_without_a_byte_has_no_bytes() {
    let pty = Pty::open();
    let setup = MeterSetup {
        silent_after: Some(Duration::from_millis(50)),
        ..meter("haus", Place::Serial(pty.device.clone()), Some(Protocol::Sml))
    };
    assert_eq!(verdicts_of(setup, "no_bytes", || {}), ["no_bytes"]);
}

fn heat_meter(pty: &Pty) -> MeterSetup {
    MeterSetup {
        kmp: KmpSetup { registers: vec![60], interval: Duration::from_secs(1), requests_per_hour: 3600 },
        ..meter("heizung", Place::Serial(pty.device.clone()), Some(Protocol::Kmp))
    }
}

#[test]
fn a_head_that_only_echoes_is_told_from_a_silent_meter() {
    let mut pty = Pty::open();
    let setup = heat_meter(&pty);
    let seen = verdicts_of(setup, "echo_only", || {
        let heard = pty.heard();
        pty.send(&heard);
    });
    assert_eq!(seen, ["echo_only"]);
}

#[test]
fn a_heat_meter_that_does_not_answer_has_no_bytes() {
    let pty = Pty::open();
    assert_eq!(verdicts_of(heat_meter(&pty), "no_bytes", || {}), ["no_bytes"]);
}

#[test]
fn faults_of_the_simulator_that_damage_bytes_are_never_called_a_wrong_key() {
    for kind in [M::KaifaMa309mNetzNoe, M::LandisGyrE450] {
        for fault in ["drop:1", "flip:1", "insert:1", "half:1"] {
            let fault: Fault = fault.parse().unwrap();
            let mut simulation = simulation(kind, vec![fault]);
            let bytes = support::telegrams(&mut simulation, 10);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("capture.bin");
            std::fs::write(&path, bytes).unwrap();
            let key = EXAMPLE_KEYS[0].map(|byte| format!("{byte:02x}")).concat();
            let mut decode = metergate(folder.path());
            let protocol = kind.protocol().name();
            decode.args(["decode", "--format", "json", "--protocol", protocol, "--key", &key]).arg(&path);
            let codes = codes(text(&decode.output().unwrap().stdout));
            assert!(
                !codes.is_empty() && !codes.iter().any(|code| code.starts_with("wrong_key")),
                "{codes:?}"
            );
        }
    }
}
