//! Rules about source files: names, lengths, and what must not stand in them.
use super::File;
use crate::place::Place;
use anyhow::Result;

/// Names that say nothing about the subject.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

/// Longer files have two subjects.
const LINES_MAX: usize = 900;

/// Crates in which a number is an integer with an exponent, from the line to the last step of a sink.
const EXACT: &[&str] = &["reading", "wire", "meter", "series", "tariff"];

/// A file is named after the thing in it.
pub(super) fn names(_: &Place, files: &[File]) -> Result<Vec<String>> {
    let empty = |file: &&File| {
        let stems = file.path.split('/').map(|part| part.split('.').next().unwrap_or_default());
        rust(file) && stems.into_iter().any(|stem| EMPTY_NAMES.contains(&stem))
    };
    Ok(files.iter().filter(empty).map(|file| format!("{} does not say what is in it", file.path)).collect())
}

/// A file is best read in one sitting.
pub(super) fn lengths(_: &Place, files: &[File]) -> Result<Vec<String>> {
    let long = files.iter().filter(|file| rust(file) && file.text.lines().count() > LINES_MAX);
    Ok(long
        .map(|file| format!("{} has more than {LINES_MAX} lines: split it by subject", file.path))
        .collect())
}

/// What is not done stands in an issue, not in a macro that panics.
pub(super) fn unfinished(_: &Place, files: &[File]) -> Result<Vec<String>> {
    // Put together here, or this file would be found.
    let words =
        [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("TO", "DO:"), concat!("FIX", "ME")];
    Ok(lines_with(files, |line| words.iter().any(|word| line.contains(word))))
}

/// `f32` and `f64` need a comment `// Float: reason.` on the same line or the line above. Unit tests are free.
pub(super) fn floats(_: &Place, files: &[File]) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for file in files.iter().filter(|file| rust(file) && EXACT.iter().any(|name| is_source_of(file, name))) {
        let mut before = "";
        for (number, line) in file.text.lines().enumerate() {
            if line == "mod tests {" {
                break;
            }
            let code = line.split("//").next().unwrap_or_default();
            let float = words(code).any(|word| word == "f32" || word == "f64");
            if float && !line.contains("// Float: ") && !before.contains("// Float: ") {
                breaches.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
            before = line;
        }
    }
    Ok(breaches)
}

/// Files that may hold unsafe code; each says why in its first lines.
const UNSAFE: &[&str] = &["crates/gateway/src/clock/kernel.rs"];

/// Unsafe code stands where everyone knows it.
pub(super) fn unsafety(_: &Place, files: &[File]) -> Result<Vec<String>> {
    // Put together here, or this file would be found.
    let allowed = concat!("allow(unsafe", "_code)");
    let found =
        |file: &&File| rust(file) && file.text.contains(allowed) && !UNSAFE.contains(&file.path.as_str());
    Ok(files.iter().filter(found).map(|file| format!("{} must not allow unsafe code", file.path)).collect())
}

/// A path that exists on one machine only.
pub(super) fn machine_paths(_: &Place, files: &[File]) -> Result<Vec<String>> {
    let paths =
        [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/"), concat!("C:\\", "Users")];
    let homes = concat!("/ho", "me/");
    Ok(lines_with(files, |line| {
        let starts = |path: &str| {
            line.match_indices(path)
                .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-$~".contains(c)))
        };
        // The user of Raspberry Pi OS is a fair example in documentation.
        paths.iter().any(|path| starts(path)) || (starts(homes) && !line.contains(concat!("/ho", "me/pi")))
    }))
}

/// A toolchain file would download another compiler on a machine whose own is recent enough.
pub(super) fn toolchain(_: &Place, files: &[File]) -> Result<Vec<String>> {
    let forced = files.iter().filter(|file| {
        file.path.split('/').next_back().is_some_and(|name| name.starts_with("rust-toolchain"))
    });
    Ok(forced
        .map(|file| format!("{} must go; `rust-version` in Cargo.toml says what is needed", file.path))
        .collect())
}

fn rust(file: &File) -> bool {
    file.path.ends_with(".rs")
}

fn is_source_of(file: &File, name: &str) -> bool {
    file.path
        .strip_prefix("crates/")
        .and_then(|path| path.strip_prefix(name))
        .is_some_and(|path| path.starts_with("/src/"))
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// `path:line: text` of every line that is wrong.
fn lines_with(files: &[File], wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let lines = file.text.lines().enumerate().filter(|(_, line)| wrong(line));
        found.extend(lines.map(|(number, line)| format!("{}:{}: {}", file.path, number + 1, line.trim())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn nowhere() -> Place {
        Place {
            root: PathBuf::new(),
            target: PathBuf::new(),
            cache: PathBuf::new(),
            metadata: serde_json::Value::Null,
        }
    }

    fn check(rule: super::super::Rule, path: &str, text: &str) -> Vec<String> {
        rule(&nowhere(), &[File { path: path.to_owned(), text: text.to_owned() }]).unwrap()
    }

    #[test]
    fn a_float_needs_its_reason() {
        let path = "crates/wire/src/dlms/axdr.rs";
        assert_eq!(
            check(floats, path, "fn f() -> f32 {\n"),
            ["crates/wire/src/dlms/axdr.rs:1: fn f() -> f32 {"]
        );
        assert!(
            check(floats, path, "// Float: printed as its shortest decimal only.\nfn f() -> f32 {\n")
                .is_empty()
        );
        assert!(check(floats, path, "// An f64 would round.\nmod tests {\nlet x: f64 = 1.0;\n").is_empty());
        assert!(check(floats, "crates/gateway/src/web.rs", "fn f() -> f32 {\n").is_empty());
    }

    #[test]
    fn paths_of_machines_are_found() {
        let line = format!("open(\"{}x\")", concat!("/ro", "ot/"));
        assert_eq!(check(machine_paths, "a.md", &line).len(), 1);
        assert!(check(machine_paths, "a.md", "$GITHUB/work/x and crates/work/x").is_empty());
    }

    #[test]
    fn file_names_say_their_subject() {
        assert_eq!(check(names, "crates/wire/src/utils.rs", "").len(), 1);
        assert_eq!(check(names, "crates/wire/tests/common/mod.rs", "").len(), 1);
        assert!(check(names, "crates/wire/src/checksum.rs", "").is_empty());
    }

    #[test]
    fn long_files_are_found() {
        assert_eq!(check(lengths, "a.rs", &"\n".repeat(LINES_MAX + 1)).len(), 1);
        assert!(check(lengths, "a.rs", &"\n".repeat(LINES_MAX)).is_empty());
    }

    #[test]
    fn a_toolchain_file_is_refused() {
        assert_eq!(check(toolchain, "rust-toolchain.toml", "").len(), 1);
    }
}
