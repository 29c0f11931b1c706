//! Every published SML telegram gives exactly its expected values, in pieces of any size, and no damage goes unnoticed.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use metergate_meter::sml::Sml;
use metergate_meter::{Code, Conversation, Event, Settings};
use metergate_reading::{DateTime, Value};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Table;

/// One register, as text and numbers that can be compared.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    obis: String,
    kind: &'static str,
    value: String,
    mantissa: Option<i64>,
    exponent: Option<i16>,
    unit: String,
    status: Option<u64>,
    seconds_index: Option<u32>,
    time: Option<DateTime>,
}

/// One event, owned.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Telegram {
        offset: u64,
        length: u64,
        salvaged: bool,
        server_id: Option<String>,
        time: Option<DateTime>,
        signature: Option<Vec<u8>>,
        lines: Vec<Line>,
    },
    Rejected {
        offset: u64,
        length: u64,
        code: Code,
        message: String,
    },
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn told(event: Event<'_>) -> Told {
    match event {
        Event::Telegram(telegram) => Told::Telegram {
            offset: telegram.offset,
            length: telegram.length,
            salvaged: telegram.flags.salvaged,
            server_id: telegram.meter.map(|meter| hex(meter.raw())),
            time: telegram.time,
            signature: telegram.signature.map(<[u8]>::to_vec),
            lines: telegram
                .registers
                .map(|register| {
                    let (kind, value, number) = match register.value {
                        Value::Number(number) => ("number", number.to_string(), Some(number)),
                        Value::Octets(bytes) => ("octets", hex(bytes), None),
                        Value::Null => ("null", String::new(), None),
                        other => ("other", format!("{other:?}"), None),
                    };
                    Line {
                        obis: register.obis.unwrap().to_string(),
                        kind,
                        value,
                        mantissa: number.map(|number| number.mantissa()),
                        exponent: number.map(|number| number.exponent()),
                        unit: register.unit.map(|unit| unit.to_string()).unwrap_or_default(),
                        status: register.status,
                        seconds_index: register.seconds_index,
                        time: register.time,
                    }
                })
                .collect(),
        },
        Event::Rejected(rejection) => Told::Rejected {
            offset: rejection.offset,
            length: rejection.length,
            code: rejection.cause.code(),
            message: rejection.to_string(),
        },
        other => panic!("{other:?}"),
    }
}

/// All events of `input`, handed over in pieces whose sizes `next_piece` gives.
fn events(input: &[u8], mut next_piece: impl FnMut() -> usize) -> Vec<Told> {
    let mut meter = Sml::new(Settings::default(), vec![0; 64 * 1024]);
    let (mut now, mut rest, mut all) = (Duration::ZERO, input, Vec::new());
    loop {
        let piece = rest.get(..next_piece()).unwrap_or(rest);
        let taken = meter.handle_input(piece, now);
        rest = &rest[taken..];
        while let Some(event) = meter.poll() {
            all.push(told(event));
        }
        if rest.is_empty() {
            let Some(due) = meter.poll_timeout() else { return all };
            now = due;
            meter.handle_timeout(now);
        }
    }
}

fn in_one_piece(input: &[u8]) -> Vec<Told> {
    events(input, || usize::MAX)
}

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/sml");
    if !folder.is_dir() {
        println!("corpus not present: skipped");
        return Vec::new();
    }
    let mut cases: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

struct Case {
    name: String,
    bytes: Vec<u8>,
    expected: Table,
}

impl Case {
    fn read(path: &Path) -> Self {
        Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            bytes: std::fs::read(path.with_extension("bin")).unwrap(),
            expected: std::fs::read_to_string(path).unwrap().parse().unwrap(),
        }
    }

    fn list(&self, name: &str) -> Vec<&Table> {
        let array = self.expected.get(name).and_then(toml::Value::as_array);
        array.into_iter().flatten().map(|item| item.as_table().unwrap()).collect()
    }
}

fn text<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    table.get(key).map(|value| value.as_str().unwrap())
}

fn number(table: &Table, key: &str) -> Option<u64> {
    table.get(key).map(|value| u64::try_from(value.as_integer().unwrap()).unwrap())
}

fn is_true(table: &Table, key: &str) -> bool {
    table.get(key).is_some_and(|value| value.as_bool().unwrap())
}

/// `sec_index:17` is a seconds index, `timestamp:17` a time.
fn expected_time(text: Option<&str>) -> (Option<u32>, Option<DateTime>) {
    match text.map(|text| text.split_once(':').unwrap()) {
        None => (None, None),
        Some(("sec_index", seconds)) => (Some(seconds.parse().unwrap()), None),
        Some(("timestamp", seconds)) => (None, DateTime::from_unix_seconds(seconds.parse().unwrap())),
        Some(other) => panic!("{other:?}"),
    }
}

fn expected_line(reading: &Table) -> Line {
    let kind = match text(reading, "kind").unwrap() {
        "number" => "number",
        "octets" => "octets",
        "null" => "null",
        other => panic!("{other}"),
    };
    let (seconds_index, time) = expected_time(text(reading, "val_time"));
    Line {
        obis: text(reading, "obis").unwrap().to_owned(),
        kind,
        value: text(reading, "value").unwrap().to_owned(),
        mantissa: text(reading, "raw_value").map(|raw| raw.parse().unwrap()),
        exponent: (kind == "number").then(|| {
            reading.get("scaler").map_or(0, |scaler| scaler.as_integer().unwrap().try_into().unwrap())
        }),
        unit: text(reading, "unit").map(|unit| unit.replace('\u{b0}', "deg")).unwrap_or_default(),
        status: text(reading, "status").map(|status| status.parse().unwrap()),
        seconds_index,
        time,
    }
}

fn assert_lines(name: &str, lines: &[Line], readings: &[&Table]) {
    let expected: Vec<_> = readings.iter().map(|reading| expected_line(reading)).collect();
    assert_eq!(lines, expected, "{name}");
}

#[test]
fn every_case_gives_exactly_its_expected_values() {
    let mut readings_checked = 0;
    for path in corpus() {
        let case = Case::read(&path);
        let name = &case.name;
        let all = in_one_piece(&case.bytes);
        let accepted =
            all.iter().filter(|told| matches!(told, Told::Telegram { salvaged: false, .. })).count();
        assert_eq!(accepted as u64, number(&case.expected, "telegrams").unwrap(), "{name}: {all:#?}");
        let refused = all
            .iter()
            .filter(|told| matches!(told, Told::Rejected { code, .. } if *code != Code::Noise))
            .count();
        let expected_telegrams = case.list("telegram");
        let invalid = expected_telegrams.iter().filter(|telegram| !is_true(telegram, "valid")).count();
        assert_eq!(refused, invalid, "{name}");
        for telegram in expected_telegrams {
            let (index, at, len) = (
                number(telegram, "index"),
                number(telegram, "offset").unwrap(),
                number(telegram, "length").unwrap(),
            );
            let readings: Vec<_> = case
                .list("reading")
                .into_iter()
                .filter(|reading| number(reading, "telegram") == index)
                .collect();
            let needs_crc_off = readings.iter().any(|reading| is_true(reading, "needs_crc_off"));
            let found = all.iter().find(|told| match told {
                Told::Telegram { offset, length, salvaged: false, .. }
                | Told::Rejected { offset, length, .. } => (*offset, *length) == (at, len),
                Told::Telegram { .. } => false,
            });
            let salvaged = all
                .iter()
                .find(|told| matches!(told, Told::Telegram { offset, salvaged: true, .. } if *offset == at));
            match found.unwrap_or_else(|| panic!("{name}: nothing at {at}+{len} in {all:#?}")) {
                Told::Telegram { server_id, time, lines, .. } => {
                    assert!(is_true(telegram, "valid"), "{name} at {at}");
                    if let Some(expected) = text(telegram, "server_id") {
                        assert_eq!(server_id.as_deref(), Some(expected), "{name}");
                    }
                    assert_eq!(*time, expected_time(text(telegram, "act_sensor_time")).1, "{name}");
                    if let Some(entries) = number(telegram, "entries") {
                        assert_eq!(lines.len() as u64, entries, "{name}");
                    }
                    assert!(!readings.is_empty(), "{name}");
                    assert_lines(name, lines, &readings);
                    readings_checked += lines.len();
                }
                Told::Rejected { code, message, .. } => {
                    assert!(!is_true(telegram, "valid"), "{name} at {at}");
                    let why = text(telegram, "why").unwrap();
                    println!("{name} at {at}: {message} ({why})");
                    let expected = if why.contains("CRC") { Code::CrcMismatch } else { Code::Truncated };
                    assert_eq!(*code, expected, "{name}");
                    // Right by its own message CRC, or nothing at all.
                    if let Some(Told::Telegram { lines, .. }) = salvaged
                        && needs_crc_off
                    {
                        assert_lines(name, lines, &readings);
                        readings_checked += lines.len();
                    }
                }
            }
        }
    }
    println!("{readings_checked} readings");
}

#[test]
fn lists_are_salvaged_where_their_own_crc_is_right() {
    let salvaged: Vec<_> = corpus()
        .iter()
        .flat_map(|path| {
            let case = Case::read(path);
            let count = in_one_piece(&case.bytes)
                .iter()
                .filter(|told| matches!(told, Told::Telegram { salvaged: true, .. }))
                .count();
            (count > 0).then_some((case.name, count))
        })
        .collect();
    println!("{salvaged:#?}");
    if !salvaged.is_empty() {
        let of = |name: &str| salvaged.iter().find(|(case, _)| case == name).map(|(_, count)| *count);
        assert_eq!(of("s2-easymeter-q3m-front-no-pin"), Some(1));
        assert_eq!(of("s2-easymeter-q3m-top-with-pin"), None, "the list is damaged too");
        assert_eq!(of("smllib-ebz-issue8-ok"), None, "a wrong message CRC in a right frame");
    }
}

/// Numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

#[test]
fn pieces_of_any_size_give_the_same_events() {
    let mut random = Random(0x5EED);
    for path in corpus() {
        let case = Case::read(&path);
        let bytes = case.bytes.get(..20_000).unwrap_or(&case.bytes);
        let whole = in_one_piece(bytes);
        assert_eq!(events(bytes, || 1), whole, "{}", case.name);
        for limit in [3, 40, 300, 1500] {
            assert_eq!(events(bytes, || 1 + random.below(limit)), whole, "{}", case.name);
        }
    }
}

/// What an accepted telegram says, without its place.
fn content(told: &Told) -> Option<(&Vec<Line>, &Option<String>)> {
    match told {
        Told::Telegram { lines, server_id, .. } => Some((lines, server_id)),
        Told::Rejected { .. } => None,
    }
}

#[test]
fn no_cut_and_no_flip_gives_what_was_not_sent() {
    for path in corpus() {
        let case = Case::read(&path);
        let name = &case.name;
        let whole = in_one_piece(&case.bytes);
        let frames: Vec<_> = whole
            .iter()
            .filter_map(|told| match told {
                Told::Telegram { offset, length, salvaged: false, .. } => {
                    let start = usize::try_from(*offset).unwrap();
                    Some(start..start + usize::try_from(*length).unwrap())
                }
                _ => None,
            })
            .collect();
        for (index, frame) in frames.iter().take(3).enumerate() {
            // The telegram with its neighbours.
            let from = frames.get(index.wrapping_sub(1)).map_or(frame.start, |before| before.start);
            let to = frames.get(index + 1).map_or(frame.end, |after| after.end);
            let stretch = &case.bytes[from..to];
            let was_sent = |told: &Told| {
                content(told).is_none_or(|said| whole.iter().filter_map(content).any(|sent| sent == said))
            };
            let accepted = |all: &[Told]| {
                all.iter().filter(|told| matches!(told, Told::Telegram { salvaged: false, .. })).count()
            };
            let all_accepted = accepted(&in_one_piece(stretch));
            for len in frame.start - from..frame.end - from {
                let all = in_one_piece(&stretch[..len]);
                assert!(all.iter().all(was_sent), "{name}: cut at {len}: {all:#?}");
                assert_eq!(accepted(&all), usize::from(frame.start > from), "{name}: cut at {len}");
            }
            for at in frame.start - from..frame.end - from {
                for mask in [1 << (at % 8), 0xFF] {
                    let mut flipped = stretch.to_vec();
                    flipped[at] ^= mask;
                    let all = in_one_piece(&flipped);
                    assert!(all.iter().all(was_sent), "{name}: {mask:02x} at {at}: {all:#?}");
                    assert_eq!(accepted(&all), all_accepted - 1, "{name}: {mask:02x} at {at}: {all:#?}");
                }
            }
        }
    }
}
