//! Every published case of P1, IEC 62056-21 and KMP gives exactly its expected values, or is refused; the same in any
//! pieces; and no cut or flipped byte is accepted that a check excludes.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
use metergate_meter::{Conversation, CounterPolicy, Event, Meter, Protocol, Rejection, Settings, Telegram};
use metergate_reading::{Address, Number, Register, Unit, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Table;

const FAMILIES: [(&str, Protocol); 4] = [
    ("p1", Protocol::P1),
    ("p1-encrypted", Protocol::P1),
    ("kmp", Protocol::Kmp),
    ("iec62056-21", Protocol::Iec62056_21),
];

/// One published capture and what must come out of it.
struct Case {
    name: String,
    protocol: Protocol,
    bytes: Vec<u8>,
    expected: Table,
}

impl Case {
    fn settings(&self) -> Settings {
        let key = |name: &str| {
            self.expected.get(name).map(|key| key.as_str().unwrap().parse().expect("a key of 32 digits"))
        };
        Settings {
            key: key("key"),
            auth_key: key("auth_key"),
            counters: CounterPolicy::Flag,
            ..Settings::default()
        }
    }

    fn tables(&self, name: &str) -> Vec<&Table> {
        let array = self.expected.get(name).and_then(toml::Value::as_array);
        array.into_iter().flatten().map(|table| table.as_table().unwrap()).collect()
    }

    fn told(&self, bytes: &[u8], pieces: impl FnMut() -> usize) -> Vec<Told> {
        run(self.protocol, self.settings(), bytes, pieces)
    }
}

/// One event, in words.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    offset: u64,
    length: u64,
    /// The registers, or why it was refused.
    registers: Result<Vec<String>, &'static str>,
    identification: Option<String>,
    /// System title, security control, counter, and whether the tag was checked.
    security: Option<String>,
}

impl Told {
    fn telegram(telegram: Telegram<'_>) -> Self {
        Self {
            offset: telegram.offset,
            length: telegram.length,
            identification: telegram.identification.map(|text| format!("/{text}")),
            security: telegram
                .security
                .map(|security| format!("{:?} {}", security.header, security.authenticated)),
            registers: Ok(telegram.registers.map(|register| describe(&register)).collect()),
        }
    }

    fn rejected(rejection: Rejection) -> Self {
        Self {
            offset: rejection.offset,
            length: rejection.length,
            identification: None,
            security: rejection.security.map(|header| format!("{header:?}")),
            registers: Err(rejection.cause.code().text()),
        }
    }
}

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("corpus not present: skipped");
    None
}

fn cases() -> Vec<Case> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let mut cases = Vec::new();
    for (family, protocol) in FAMILIES {
        let mut files: Vec<_> = std::fs::read_dir(corpus.join(family))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .collect();
        files.sort();
        for file in files {
            cases.push(Case {
                name: format!("{family}/{}", file.file_stem().unwrap().to_string_lossy()),
                protocol,
                bytes: std::fs::read(file.with_extension("bin")).unwrap(),
                expected: std::fs::read_to_string(&file).unwrap().parse().unwrap(),
            });
        }
    }
    assert!(cases.len() >= 70, "{} cases", cases.len());
    cases
}

/// Feeds `bytes` in pieces and lets the line go silent afterwards.
fn run(protocol: Protocol, settings: Settings, bytes: &[u8], mut pieces: impl FnMut() -> usize) -> Vec<Told> {
    // As large as the longest telegram may be, but not larger: these runs are many.
    let mut meter = Meter::listening(protocol, settings, vec![0; bytes.len().clamp(4096, 64 * 1024)]);
    let (mut told, mut now, mut rest) = (Vec::new(), Duration::ZERO, bytes);
    loop {
        let piece = rest.get(..pieces().clamp(1, rest.len().max(1))).unwrap_or(rest);
        let taken = meter.handle_input(piece, now);
        rest = &rest[taken..];
        while let Some(event) = meter.poll() {
            match event {
                Event::Telegram(telegram) => told.push(Told::telegram(telegram)),
                Event::Rejected(rejection) => told.push(Told::rejected(rejection)),
                event => panic!("a listener says {event:?}"),
            }
        }
        if rest.is_empty() {
            let Some(due) = meter.poll_timeout() else { return told };
            now = due;
            meter.handle_timeout(now);
        }
    }
}

/// A register in words: name, kind, value, time, brackets.
fn describe(register: &Register<'_>) -> String {
    let mut text = match (register.address, register.obis) {
        (Address::Text(address), _) => address.to_owned(),
        (Address::Kmp(number), _) => number.to_string(),
        (_, Some(obis)) => obis.to_string(),
        other => panic!("{other:?}"),
    };
    let unit = register.unit.map_or("", Unit::text);
    match register.value {
        Value::Number(number) => write!(text, " number {} {unit}", canonical(number)),
        Value::Text(value) => write!(text, " text {value}"),
        Value::List(_) => write!(text, " list"),
        value => write!(text, " {value:?}"),
    }
    .unwrap();
    if let Some(time) = register.time {
        write!(text, " at {time}").unwrap();
    }
    for group in register.groups.iter() {
        write!(text, " ({group})").unwrap();
    }
    text
}

/// What a number is worth, without trailing zeros.
fn canonical(number: Number) -> String {
    let text = number.to_string();
    match text.split_once('.') {
        Some((whole, decimals)) => match decimals.trim_end_matches('0') {
            "" => whole.to_owned(),
            decimals => format!("{whole}.{decimals}"),
        },
        None => text,
    }
}

/// What [`describe`] must say for an entry of the corpus.
fn expected_register(protocol: Protocol, reading: &Table) -> String {
    let text = |name: &str| reading.get(name).and_then(toml::Value::as_str);
    let integer = |name: &str| reading.get(name).and_then(toml::Value::as_integer);
    let kind = text("kind").unwrap();
    let value = text("value").unwrap_or_default();
    let name = match protocol {
        Protocol::Kmp => integer("register").unwrap().to_string(),
        _ => text("obis").or(text("value")).unwrap().to_owned(),
    };
    let mut line = match kind {
        "number" => {
            let (mantissa, scaler, unit) = match protocol {
                Protocol::Kmp => {
                    let unit = u8::try_from(integer("unit_code").unwrap()).unwrap();
                    let raw = text("raw_value").unwrap().parse().unwrap();
                    (raw, integer("scaler").unwrap(), Unit::from_kmp(unit))
                }
                _ => {
                    let number: Number = value.parse().unwrap();
                    let unit = Unit::from_text(text("unit").unwrap());
                    (number.mantissa(), i64::from(number.exponent()), unit)
                }
            };
            let prefix = unit.map_or(0, |(_, prefix)| i64::from(prefix));
            let exponent = i16::try_from(scaler + prefix).unwrap();
            let number = Number::with_exponent(mantissa, exponent).unwrap();
            format!("{name} number {} {}", canonical(number), unit.map_or("", |(unit, _)| unit.text()))
        }
        "list" => format!("{name} list"),
        "text" => format!("{name} text {value}"),
        kind => panic!("{kind} of {name}"),
    };
    // The corpus names the time of a maximum in some cases only; it is the second bracket in all of them.
    let second = reading.get("groups").and_then(|groups| groups.get(1)).and_then(toml::Value::as_str);
    let time = match protocol {
        Protocol::Iec62056_21 if kind == "number" => second.filter(|time| time.len() == 10),
        _ => text("timestamp"),
    };
    if let Some(time) = time.and_then(readable_time) {
        write!(line, " at {time}").unwrap();
    }
    for group in reading.get("groups").and_then(toml::Value::as_array).into_iter().flatten() {
        write!(line, " ({})", group.as_str().unwrap()).unwrap();
    }
    line
}

/// `YYMMDDhhmm`, with seconds and season or without, as RFC 3339.
fn readable_time(time: &str) -> Option<String> {
    let part = |at: usize| time.get(at..at + 2).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    let (date, clock) = (format!("20{}-{}-{}", part(0)?, part(2)?, part(4)?), part(6)?);
    let zone = match time.as_bytes().get(12) {
        Some(b'S') => "+02:00",
        Some(_) => "+01:00",
        None => "",
    };
    Some(format!("{date}T{clock}:{}:{}{zone}", part(8)?, part(10).unwrap_or("00")))
}

#[test]
fn every_case_gives_its_expected_values_or_is_refused() {
    for case in cases() {
        let told = case.told(&case.bytes, || usize::MAX);
        let name = &case.name;
        let accepted = told.iter().filter(|told| told.registers.is_ok()).count();
        let missing_key = case.expected.contains_key("key_note") && !case.expected.contains_key("key");
        let expected = usize::try_from(case.expected["telegrams"].as_integer().unwrap()).unwrap();
        assert_eq!(accepted, if missing_key { 0 } else { expected }, "{name}: {told:#?}");

        let mut registers: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for reading in case.tables("reading").into_iter().filter(|entry| !entry.contains_key("needs_crc_off"))
        {
            let index = reading["telegram"].as_integer().unwrap();
            registers.entry(index).or_default().push(expected_register(case.protocol, reading));
        }
        for entry in case.tables("telegram") {
            let integer = |name: &str| entry[name].as_integer().unwrap();
            let offset = u64::try_from(integer("offset")).unwrap();
            let found = told.iter().find(|told| told.offset == offset);
            let found = found.unwrap_or_else(|| panic!("{name}: nothing at {offset}: {told:#?}"));
            let index = integer("index");
            assert_eq!(i64::try_from(found.length).unwrap(), integer("length"), "{name}, telegram {index}");
            if missing_key {
                assert_eq!(found.registers, Err("missing_key"), "{name}, telegram {index}");
            } else if entry["valid"].as_bool().unwrap() {
                assert_eq!(
                    found.registers.as_ref().ok(),
                    registers.get(&index),
                    "{name}, telegram {index}: {:?}",
                    found.registers.as_ref().err()
                );
            } else {
                assert!(found.registers.is_err(), "{name}, telegram {index}");
            }
            if let (Some(identification), Ok(_)) = (entry.get("identification"), &found.registers) {
                assert_eq!(found.identification.as_deref(), identification.as_str(), "{name}");
            }
            if let Some(counter) = entry.get("invocation_counter").and_then(toml::Value::as_integer) {
                let security = found.security.as_ref().unwrap();
                assert!(security.contains(&format!("invocation_counter: {counter} ")), "{name}: {security}");
            }
        }
    }
}

#[test]
fn the_code_of_a_refusal_says_what_is_wrong() {
    for case in cases() {
        let told = case.told(&case.bytes, || usize::MAX);
        for entry in case.tables("telegram") {
            let Some(why) = entry.get("why").and_then(toml::Value::as_str) else { continue };
            let offset = u64::try_from(entry["offset"].as_integer().unwrap()).unwrap();
            let code =
                told.iter().find(|told| told.offset == offset).unwrap().registers.as_ref().unwrap_err();
            let expected = if why.starts_with("truncated") || why.starts_with("frame cut") {
                "truncated"
            } else if why.contains("BCC wrong") {
                "bcc_mismatch"
            } else {
                assert!(why.contains("CRC wrong"), "{}: {why}", case.name);
                "crc_mismatch"
            };
            assert_eq!(*code, expected, "{}", case.name);
        }
    }
}

#[test]
fn the_same_bytes_in_any_pieces_give_the_same_events() {
    for case in cases() {
        let whole = case.told(&case.bytes, || usize::MAX);
        assert_eq!(case.told(&case.bytes, || 1), whole, "{} byte by byte", case.name);
        let mut random = 0x2545_F491_4F6C_DD1D_u64;
        let pieces = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % 300).unwrap()
        };
        assert_eq!(case.told(&case.bytes, pieces), whole, "{} in random pieces", case.name);
    }
}

/// The first three telegrams of a case with what stands before them, and what they must give.
fn front(case: &Case) -> (Vec<u8>, Vec<Told>) {
    let told = case.told(&case.bytes, || usize::MAX);
    let end = told.iter().filter(|told| told.registers.is_ok()).take(3).last();
    let end =
        end.map_or(case.bytes.len().min(4096), |told| usize::try_from(told.offset + told.length).unwrap());
    let bytes = case.bytes[..end].to_vec();
    let told = case.told(&bytes, || usize::MAX);
    (bytes, told)
}

/// The telegrams, without the place where they stand.
fn telegrams(told: &[Told]) -> Vec<&Vec<String>> {
    told.iter().filter_map(|told| told.registers.as_ref().ok()).collect()
}

#[test]
fn a_capture_cut_anywhere_gives_only_telegrams_that_stand_in_it() {
    for case in cases() {
        let (bytes, whole) = front(&case);
        let whole = telegrams(&whole);
        if case.expected.get("expect_error").is_some_and(|error| error.as_str().unwrap().contains("BCC")) {
            // Cut before its wrong BCC, a readout is one of those whose BCC was not kept.
            continue;
        }
        for len in 0..bytes.len() {
            let told = case.told(&bytes[..len], || usize::MAX);
            for telegram in telegrams(&told) {
                assert!(whole.contains(&telegram), "{} cut at {len}: {telegram:?}", case.name);
            }
        }
    }
}

#[test]
fn a_flipped_byte_is_accepted_only_where_no_check_covers_it() {
    for case in cases() {
        let (bytes, whole) = front(&case);
        let entries = case.tables("telegram");
        // What is refused because of its check may be one bit away from what was meant.
        let meant = entries.iter().all(|entry| {
            !entry.contains_key("why") || !(entry.contains_key("crc") || entry.contains_key("bcc"))
        }) && !case.name.ends_with("bit-flip");
        let checked = match case.protocol {
            Protocol::Kmp => true,
            // Without CRC or BCC, digits may become other digits; that cannot be seen.
            _ => entries.iter().all(|entry| {
                let check = entry.get("crc").or(entry.get("p1_crc")).or(entry.get("bcc"));
                check.is_some_and(|check| check.as_str() != Some(""))
            }),
        };
        let whole = telegrams(&whole);
        for at in 0..bytes.len() {
            // Another two of these for each byte: all for all would take minutes.
            for flip in [[0x01, 0x80], [0x20, 0xFF], [0x04, 0x41]][at % 3] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                let told = case.told(&damaged, || usize::MAX);
                if !checked || !meant {
                    continue;
                }
                for telegram in telegrams(&told) {
                    assert!(
                        whole.contains(&telegram),
                        "{} flipped {flip:02X} at {at}: {telegram:?}",
                        case.name
                    );
                }
            }
        }
    }
}
