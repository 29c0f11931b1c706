//! `cargo xtask deny`: may we use, and do we want, each of our dependencies (rules in deny.toml).
use crate::place::Place;
use crate::shell::run;
use crate::step::Outcome;
use crate::tools::{self, CratesIo};
use anyhow::{Context as _, Result};
use std::process::Command;

/// In a version that is known to read deny.toml as it is written.
pub(crate) const CARGO_DENY: CratesIo =
    CratesIo { name: "cargo-deny", version: "0.20.2", features: &[], takes: "a minute and a half" };

/// Licences, bans and sources: everything that needs no database.
pub(crate) fn rules(place: &Place) -> Result<Outcome> {
    let program = match tools::from_crates_io(place, &CARGO_DENY) {
        Ok(program) => program,
        Err(error) => return Ok(Outcome::NotChecked(format!("{error:#}"))),
    };
    for workspace in workspaces(place) {
        let manifest = place.root.join(workspace).join("Cargo.toml");
        println!("{}:", if workspace.is_empty() { "workspace" } else { workspace });
        run(Command::new(&program)
            .current_dir(&place.root)
            .args(["--config", "deny.toml", "--all-features", "--locked", "--manifest-path"])
            .arg(manifest)
            .args(["check", "licenses", "bans", "sources"]))?;
    }
    Ok(Outcome::PASSED)
}

/// Known vulnerabilities, where the advisory database can be had.
pub(crate) fn advisories(place: &Place) -> Result<Outcome> {
    let program = match tools::from_crates_io(place, &CARGO_DENY) {
        Ok(program) => program,
        Err(error) => return Ok(Outcome::NotChecked(format!("{error:#}"))),
    };
    let fetched = Command::new(&program)
        .current_dir(&place.root)
        .args(["--config", "deny.toml", "fetch", "db"])
        .output()
        .context("cargo-deny does not start")?;
    if !fetched.status.success() {
        let told = String::from_utf8_lossy(&fetched.stderr);
        let why = told
            .lines()
            .rev()
            .find(|line| line.contains("fatal:") || line.contains("ERROR"))
            .unwrap_or_default();
        return Ok(Outcome::NotChecked(format!(
            "the advisory database cannot be reached from here ({})",
            why.trim()
        )));
    }
    for workspace in workspaces(place) {
        let manifest = place.root.join(workspace).join("Cargo.toml");
        run(Command::new(&program)
            .current_dir(&place.root)
            .args(["--config", "deny.toml", "--all-features", "--locked", "--offline", "--manifest-path"])
            .arg(manifest)
            .args(["check", "advisories"]))?;
    }
    Ok(Outcome::PASSED)
}

/// The folders of all our workspaces; each has its own lock file.
fn workspaces(place: &Place) -> impl Iterator<Item = &'static str> {
    ["", "firmware", "fuzz"].into_iter().filter(|folder| place.root.join(folder).join("Cargo.lock").exists())
}
