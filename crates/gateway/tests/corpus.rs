//! The published telegrams through `decode`: the pieces in which they arrive and the way they are written down change
//! nothing, and every one of them can be explained. What their values are is compared by `cargo xtask corpus`.
#![allow(clippy::unwrap_used, reason = "a test says by failing what went wrong")]
use clap::Parser as _;
use metergate_gateway::cli::{Cli, Command, Outcome, decode};
use std::fs;
use std::path::{Path, PathBuf};

/// Longer captures repeat themselves; the tests of the decoders read them whole.
const LENGTH_MAX: usize = 64 * 1024;

/// Captures with their keys.
fn cases() -> Vec<(PathBuf, Vec<String>)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let Ok(families) = fs::read_dir(&corpus) else {
        println!("corpus not present: skipped");
        return Vec::new();
    };
    let folders = families
        .map(|family| family.unwrap().path())
        .filter(|path| path.is_dir() && !path.ends_with("wmbus"));
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()));
    let mut cases: Vec<(PathBuf, Vec<String>)> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "bin"))
        .map(|file| {
            let toml: toml::Table = fs::read_to_string(file.with_extension("toml")).unwrap().parse().unwrap();
            let typed =
                |field: &str, flag: &str| Some([flag.to_owned(), toml.get(field)?.as_str()?.to_owned()]);
            let keys = [typed("key", "--key"), typed("auth_key", "--auth-key")];
            (file, keys.into_iter().flatten().flatten().collect())
        })
        .collect();
    cases.sort();
    cases
}

fn run(keys: &[String], flags: &[&str], input: &[u8]) -> (String, Outcome) {
    let typed = ["metergate", "decode"]
        .into_iter()
        .chain(keys.iter().map(String::as_str))
        .chain(flags.iter().copied());
    let Command::Decode(args) = Cli::parse_from(typed).command else { panic!("it is decode") };
    let mut out = Vec::new();
    let outcome = decode::decode(&args, input, &indicatif::ProgressBar::hidden(), &mut out).unwrap();
    (String::from_utf8(out).unwrap(), outcome)
}

#[test]
fn pieces_and_notation_change_nothing() {
    for (file, keys) in cases() {
        let name = file.display();
        let bytes = fs::read(&file).unwrap();
        let bytes = bytes.get(..LENGTH_MAX).unwrap_or(&bytes);
        let whole = run(&keys, &["--format", "json", "--input", "binary"], bytes);
        for size in ["1", "61"] {
            assert_eq!(
                run(&keys, &["--format", "json", "--input", "binary", "--chunk", size], bytes),
                whole,
                "{name}"
            );
        }
        let hex: String = bytes.iter().map(|byte| format!("{byte:02X} ")).collect();
        assert_eq!(run(&keys, &["--format", "json"], hex.as_bytes()), whole, "{name} as hexadecimal digits");
        assert_eq!(
            run(&keys, &["--format", "json"], bytes),
            whole,
            "{name} is taken for a notation of bytes"
        );
    }
}

#[test]
fn every_telegram_and_refusal_is_explained() {
    for (file, keys) in cases() {
        let name = file.display();
        let bytes = fs::read(&file).unwrap();
        let bytes = bytes.get(..LENGTH_MAX).unwrap_or(&bytes);
        let (json, outcome) = run(&keys, &["--format", "json", "--input", "binary"], bytes);
        let (text, same) = run(&keys, &["--input", "binary"], bytes);
        assert_eq!(outcome, same, "{name}");
        let headings =
            text.lines().filter(|line| line.contains("telegram ") && !line.starts_with(' ')).count();
        assert_eq!(headings, json.lines().count(), "{name}");
    }
}

/// What a register of a telegram says: `4533 W`.
fn value(line: &str, obis: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let registers = line["registers"].as_array().unwrap();
    let register = registers.iter().find(|register| register["obis"] == *obis)?;
    let value = register["value"].as_str().unwrap();
    Some(register["unit"].as_str().map_or(value.to_owned(), |unit| format!("{value} {unit}")))
}

/// The built-in tables, and a file with the same meaning. The file marks its codes with `*7`, so that it is seen
/// which of the two named a register.
#[test]
fn lists_without_codes_or_units_are_read_by_layout_built_in_or_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("layout.toml");
    fs::write(
        &file,
        r#"
        [kaifa]
        elements = 18
        starts_with = "KFM_001"
        rows = [
          { position = 3, obis = "1-0:1.7.0*7", unit = "W" },
          { position = 7, obis = "1-0:31.7.0*7", unit = "mA" },
          { position = 10, obis = "1-0:32.7.0*7", unit = "V", scale = -1 },
          { position = 13, obis = "0-0:1.0.0*7" },
          { position = 14, obis = "1-0:1.8.0*7", unit = "Wh" },
        ]

        [siemens]
        elements = 12
        rows = [
          { position = 4, obis = "1-0:1.8.0*7", unit = "Wh" },
          { position = 8, obis = "1-0:1.7.0*7", unit = "W" },
        ]

        # The list names its registers and leaves out units and powers of ten.
        [kamstrup]
        starts_with = "Kamstrup_V0001"
        rows = [
          { obis = "1-1:31.7.0", unit = "A", scale = -2 },
          { obis = "1-1:1.8.0", unit = "Wh", scale = 1 },
        ]
        "#,
    )
    .unwrap();
    let file = file.display().to_string();
    for (case, telegram, values) in [
        (
            "amsbridge-kaifa-20170912-3",
            2,
            &[
                ("1-0:1.7.0*255", "4533 W"),
                ("1-0:31.7.0*255", "14.408 A"),
                ("1-0:32.7.0*255", "238.1 V"),
                ("0-0:1.0.0*255", "2017-09-13T00:00:10"),
                ("1-0:1.8.0*255", "112727 Wh"),
            ][..],
        ),
        ("siemens-im350-1", 0, &[("1-0:1.8.0*255", "2946830 Wh"), ("1-0:1.7.0*255", "73 W")]),
        ("amsbridge-kamstrup-20171019", 0, &[("1-1:31.7.0*255", "5.64 A")]),
        ("dlmsparser-kamstrup-omnipower", 0, &[("1-1:1.8.0*255", "63074980 Wh")]),
    ] {
        let all = cases();
        let Some((path, keys)) = all.iter().find(|(file, _)| file.ends_with(format!("{case}.bin"))) else {
            continue;
        };
        let bytes = fs::read(path).unwrap();
        let bytes = bytes.get(..LENGTH_MAX).unwrap_or(&bytes);
        let line = |flags: &[&str]| run(keys, flags, bytes).0.lines().nth(telegram).unwrap().to_owned();
        let built_in = line(&["--format", "json"]);
        let own = line(&["--format", "json", "--layout", &file]);
        for (obis, expected) in values {
            assert_eq!(value(&built_in, obis).as_deref(), Some(*expected), "{case}: {built_in}");
            // What a list itself names keeps its name.
            let marked =
                if case.contains("kamstrup") { (*obis).to_owned() } else { obis.replace("*255", "*7") };
            assert_eq!(value(&own, &marked).as_deref(), Some(*expected), "{case}: {own}");
        }
    }
}
