//! `cargo xtask test`: every check of this project, one after the other, and a table at the end.
use crate::place::Place;
use crate::shell::{cargo_in, run as sh, which};
use crate::step::{self, Outcome, Step};
use crate::{arm64, bare_metal, bench, containers, corpus, deny, fuzz, package, tidy, tools, units};
use anyhow::{Result, bail};

/// All steps, the quick ones first.
const STEPS: &[Step] = &[
    Step { name: "tools", what: "install or name what is missing on this machine", run: tools::install },
    Step { name: "format", what: "all sources are formatted", run: format },
    Step { name: "tidy", what: "the rules that no compiler checks", run: tidy::check },
    Step { name: "clippy", what: "no compiler or clippy warning, all targets", run: clippy },
    Step { name: "tests", what: "all unit and integration tests", run: tests },
    Step { name: "doctests", what: "the examples in doc comments", run: doctests },
    Step { name: "docs", what: "documentation builds without a warning", run: docs },
    Step { name: "examples", what: "every example runs", run: examples },
    Step {
        name: "mutants",
        what: "a million damaged telegrams: nothing believed that a check excludes, all else read rightly",
        run: mutants,
    },
    Step {
        name: "bare-metal",
        what: "no_std crates and the firmware for a microcontroller, run in an emulator",
        run: bare_metal::check,
    },
    Step {
        name: "arm64",
        what: "the program for 64-bit ARM says in an emulator what it says here",
        run: arm64::check,
    },
    Step {
        name: "corpus",
        what: "published telegrams of real meters, through the command line",
        run: corpus::check,
    },
    Step { name: "gates", what: "instructions to decode a telegram stay within bounds", run: bench::check },
    Step { name: "units", what: "systemd finds the units right and tightly closed", run: units::check },
    Step {
        name: "package",
        what: "the Debian package is installed, its service run, upgraded and purged",
        run: package::check,
    },
    Step {
        name: "containers",
        what: "what the image and the add-on of Home Assistant are made of, as far as one sees without building them",
        run: containers::check,
    },
    Step {
        name: "fuzz",
        what: "every fuzz target builds, its seeds are accepted, and a short run finds nothing",
        run: fuzz::check,
    },
    Step { name: "deny", what: "licences, bans and sources of all dependencies", run: deny::rules },
    Step { name: "advisories", what: "no dependency has a known vulnerability", run: deny::advisories },
];

/// Runs all steps, or the named ones.
///
/// # Errors
/// When a step failed, after all have run, or when no step has the name.
pub(crate) fn run(names: &[&str]) -> Result<()> {
    if names.contains(&"--list") {
        for step in STEPS {
            println!("{:<12} {}", step.name, step.what);
        }
        return Ok(());
    }
    let mut chosen = Vec::new();
    for name in names {
        match STEPS.iter().find(|step| step.name == *name) {
            Some(step) => chosen.push(step),
            None => bail!("no step is named `{name}`; `cargo xtask test --list` names them"),
        }
    }
    if chosen.is_empty() {
        chosen.extend(STEPS);
    }
    let place = Place::find()?;
    let done: Vec<_> =
        chosen.iter().enumerate().map(|(at, step)| step::run(step, at + 1, chosen.len(), &place)).collect();
    let (table, good) = step::summary(&done);
    print!("{table}");
    if !good {
        bail!("a step failed");
    }
    Ok(())
}

fn format(place: &Place) -> Result<Outcome> {
    sh(&mut cargo_in(place, &["fmt", "--all", "--check"]))?;
    for own in ["firmware", "fuzz"] {
        let folder = place.root.join(own);
        if folder.join("Cargo.toml").exists() {
            sh(cargo_in(place, &["fmt", "--all", "--check"]).current_dir(folder))?;
        }
    }
    Ok(Outcome::PASSED)
}

fn clippy(place: &Place) -> Result<Outcome> {
    sh(&mut cargo_in(
        place,
        &["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"],
    ))?;
    // The fuzz targets without their engine, which is C++ and not ours. The firmware is a matter of `bare-metal`.
    let arguments = ["clippy", "--no-default-features", "--all-targets", "--target-dir"];
    sh(cargo_in(place, &arguments)
        .arg(place.target.join("fuzz"))
        .args(["--", "-D", "warnings"])
        .current_dir(place.root.join("fuzz")))?;
    Ok(Outcome::PASSED)
}

/// Unit and integration tests, with nextest where it is installed: it names slow tests and isolates crashes.
fn tests(place: &Place) -> Result<Outcome> {
    if which("cargo-nextest").is_some() {
        sh(&mut cargo_in(place, &["nextest", "run", "--workspace", "--all-features", "--no-fail-fast"]))?;
        return Ok(Outcome::PASSED);
    }
    let arguments = ["test", "--workspace", "--all-features", "--no-fail-fast", "--lib", "--bins", "--tests"];
    // What nextest has from its own configuration: the gateways of tests would all want the same port for their page.
    sh(cargo_in(place, &arguments).env("METERGATE_WEB__LISTEN", "off"))?;
    Ok(Outcome::Passed("by cargo test; cargo-nextest is not installed".to_owned()))
}

fn doctests(place: &Place) -> Result<Outcome> {
    sh(&mut cargo_in(place, &["test", "--workspace", "--all-features", "--doc", "--quiet"]))?;
    Ok(Outcome::PASSED)
}

fn docs(place: &Place) -> Result<Outcome> {
    // The binaries' documentation would collide with their libraries'; libraries are what others read.
    let arguments = ["doc", "--workspace", "--lib", "--no-deps", "--all-features", "--quiet"];
    sh(cargo_in(place, &arguments).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::PASSED)
}

/// The campaign of `crates/meter/tests/mutation` in full; the step `tests` runs a short one.
fn mutants(place: &Place) -> Result<Outcome> {
    let arguments =
        ["test", "--package", "metergate-meter", "--all-features", "--test", "mutation", "--", "--nocapture"];
    sh(cargo_in(place, &arguments).env("METERGATE_MUTANTS", "1000000"))?;
    Ok(Outcome::PASSED)
}

/// Examples take no argument and end by themselves, so that running them is a test.
fn examples(place: &Place) -> Result<Outcome> {
    let all = place.targets("example");
    for (package, example) in &all {
        sh(&mut cargo_in(
            place,
            &["run", "--quiet", "--package", package, "--all-features", "--example", example],
        ))?;
    }
    Ok(Outcome::Passed(format!("{} examples", all.len())))
}
