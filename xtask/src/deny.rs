//! `cargo xtask deny`: may we use, and do we want, each of our dependencies (rules in deny.toml).
use crate::place::{Place, cargo};
use crate::shell::{run, which};
use crate::step::Outcome;
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::process::Command;

// Known to read deny.toml as it is written.
const VERSION: &str = "0.20.2";

/// Licences, bans and sources: everything that needs no database.
pub(crate) fn rules(place: &Place) -> Result<Outcome> {
    let program = match program(place) {
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
    let program = match program(place) {
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

/// cargo-deny: the one in `PATH`, or our own, built once from crates.io.
///
/// # Errors
/// When it cannot be built, with the sentence for the table.
pub(crate) fn program(place: &Place) -> Result<PathBuf> {
    if let Some(program) = which("cargo-deny") {
        return Ok(program);
    }
    let folder = place.cache.join(format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if program.exists() {
        return Ok(program);
    }
    println!("cargo-deny {VERSION} is built once from crates.io, about a minute and a half:");
    // It runs for a second: an unoptimised build is four times quicker to have.
    run(Command::new(cargo())
        .args([
            "install",
            "cargo-deny",
            "--version",
            VERSION,
            "--locked",
            "--no-default-features",
            "--quiet",
            "--root",
        ])
        .arg(&folder)
        .env("CARGO_TARGET_DIR", place.target.join("cargo-deny"))
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"))
    .context("cargo-deny cannot be installed here")?;
    // The build folder is 500 MB that nobody needs again; what stays is one program.
    let _ = std::fs::remove_dir_all(place.target.join("cargo-deny"));
    Ok(program)
}

/// The folders of all our workspaces; each has its own lock file.
fn workspaces(place: &Place) -> impl Iterator<Item = &'static str> {
    ["", "firmware", "fuzz"].into_iter().filter(|folder| place.root.join(folder).join("Cargo.lock").exists())
}
