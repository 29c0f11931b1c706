//! `cargo xtask tidy`: the rules of this project that no compiler checks.
//!
//! Each rule looks at one thing and returns sentences that say what is wrong and what to do. The list of rules is
//! [`RULES`]; STYLE.md says why they exist. `cargo test` runs them too.
mod crates;
mod pages;
mod sources;

use crate::place::Place;
use crate::step::Outcome;
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// A file of the checkout.
pub(crate) struct File {
    /// Path from the root, with `/`.
    path: String,
    /// Its text; empty when it is none.
    text: String,
}

/// A rule: what is wrong, one sentence each.
type Rule = fn(&Place, &[File]) -> Result<Vec<String>>;

const RULES: &[(&str, Rule)] = &[
    ("who may use whom", crates::layers),
    ("crates without an operating system say no_std", crates::no_std),
    ("crates take the lints of the workspace", crates::lints),
    ("each dependency has a line in docs/dependencies.md", crates::documented),
    ("links between pages lead somewhere", pages::links),
    ("each promise in docs/conformance.md names a test that is there", pages::promises),
    ("file names say their subject", sources::names),
    ("files are short enough to read", sources::lengths),
    ("nothing is left undone", sources::unfinished),
    ("no floating point between line and sink", sources::floats),
    ("unsafe code only where everyone knows it", sources::unsafety),
    ("no path of somebody's machine", sources::machine_paths),
    ("no toolchain is forced on anybody", sources::toolchain),
];

/// Checks all rules.
///
/// # Errors
/// When a rule is broken; every breach is printed.
pub(crate) fn check(place: &Place) -> Result<Outcome> {
    let breaches = breaches(place)?;
    for breach in &breaches {
        println!("{breach}");
    }
    if breaches.is_empty() {
        return Ok(Outcome::Passed(format!("{} rules", RULES.len())));
    }
    bail!("{} breaches of the rules", breaches.len());
}

fn breaches(place: &Place) -> Result<Vec<String>> {
    let files = files(place)?;
    let mut all = Vec::new();
    for (name, rule) in RULES {
        all.extend(rule(place, &files)?.into_iter().map(|breach| format!("{name}: {breach}")));
    }
    Ok(all)
}

/// All files that are in version control, or could be.
fn files(place: &Place) -> Result<Vec<File>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&place.root)
        .output()
        .context("git does not start")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&output.stdout).split('\0').filter(|path| !path.is_empty()) {
        let full: PathBuf = place.root.join(path);
        // A deleted file is still in the list until the deletion is committed.
        if full.is_file() {
            files.push(File {
                path: path.to_owned(),
                text: std::fs::read_to_string(full).unwrap_or_default(),
            });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_tidy() {
        let place = Place::find().expect("tests run in the workspace");
        let breaches = breaches(&place).expect("git and cargo answer");
        assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    }
}
