//! `cargo xtask fuzz --seconds N`: every decoder and detector under coverage-guided random input.
//!
//! The targets have the layout of cargo-fuzz. They are built here without it, by the flags that it would pass: all of
//! them are stable, while its sanitizers need a nightly compiler and look for what `unsafe` code does; ours has none.
use crate::place::Place;
use crate::shell::{cargo_in, read, run};
use crate::step::Outcome;
use crate::tools::CXX;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What makes a program report which branches an input took.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Enough for the engine to run all seeds and to try their first changes.
const SECONDS_IN_TEST: u32 = 2;

/// A short run of all targets, so that they build and their seeds are good.
pub(crate) fn check(place: &Place) -> Result<Outcome> {
    if let Some(why) = CXX.missing() {
        return Ok(Outcome::NotChecked(why));
    }
    let targets = all(place, SECONDS_IN_TEST)?;
    Ok(Outcome::Passed(format!("{targets} targets, {SECONDS_IN_TEST} s each")))
}

/// The command line: `--seconds N`.
pub(crate) fn command(place: &Place, words: &[&str]) -> Result<()> {
    let seconds = match words {
        [] => 30,
        ["--seconds", seconds] => {
            seconds.parse().with_context(|| format!("`{seconds}` is no number of seconds"))?
        }
        _ => bail!("usage: cargo xtask fuzz [--seconds N]"),
    };
    if let Some(why) = CXX.missing() {
        bail!("{why}");
    }
    println!("{} targets found nothing", all(place, seconds)?);
    Ok(())
}

fn all(place: &Place, seconds: u32) -> Result<usize> {
    let folder = place.root.join("fuzz");
    let built = place.target.join("fuzz");
    let work = place.target.join("fuzz-corpus");
    // Without the engine first: the seeds are tested, and emitted anew each time. They follow the emitters, and nothing
    // binary is in version control.
    let without_engine = ["--quiet", "--no-default-features"];
    let plain = |subcommand: &str| {
        let mut command = cargo_in(place, &[subcommand]);
        command.args(without_engine).arg("--target-dir").arg(&built).current_dir(&folder);
        command
    };
    run(plain("test").arg("--lib"))?;
    run(plain("run").args(["--bin", "seeds", "--"]).arg(work.join("seeds")))?;
    let targets = targets(&folder)?;
    // Coverage belongs into the decoders, not into build scripts: with a target named, flags reach only the former.
    let host = host()?;
    let mut build = cargo_in(place, &["build", "--release", "--target", &host, "--target-dir"]);
    build.arg(&built).current_dir(&folder).env("RUSTFLAGS", COVERAGE);
    targets.iter().for_each(|target| {
        build.args(["--bin", target]);
    });
    run(&mut build)?;
    let programs = built.join(host).join("release");
    for target in &targets {
        fuzz(&programs, &work, target, seconds)?;
    }
    Ok(targets.len())
}

fn fuzz(programs: &Path, work: &Path, target: &str, seconds: u32) -> Result<()> {
    let found = work.join("found").join(target);
    std::fs::create_dir_all(&found)?;
    let mut command = Command::new(programs.join(target));
    // New inputs go to the first folder, the second is only read.
    command.args([&found, &work.join("seeds").join(target)]).arg(format!("-max_total_time={seconds}"));
    command.args([
        "-max_len=4096",
        "-timeout=10",
        "-rss_limit_mb=1024",
        "-verbosity=0",
        "-print_final_stats=1",
    ]);
    command.arg(format!("-artifact_prefix={}/crash-{target}-", work.display()));
    let told = read(&mut command)
        .with_context(|| format!("{target} found something; the input is in {}", work.display()))?;
    let inputs = told.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    println!("{target:<20} {:>10} inputs", inputs.unwrap_or("no").trim());
    Ok(())
}

/// What the compiler builds for when it is not told.
fn host() -> Result<String> {
    let version = read(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names its host")?.to_owned())
}

/// The names of all targets: each is one file.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let files = std::fs::read_dir(folder.join("fuzz_targets"))?.map(|entry| Ok(entry?.path()));
    let files: Vec<PathBuf> = files.collect::<Result<_>>()?;
    let mut names: Vec<String> =
        files.iter().filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}
