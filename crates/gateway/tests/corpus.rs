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
