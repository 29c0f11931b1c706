//! `cargo xtask bench`: instructions to decode one telegram, each with its gate and the figures of others; then what
//! the optimised gateway takes of a machine, and how fast it catches up.
//!
//! Instructions are counted, not time: the count is the same on a busy machine. Callgrind runs each row with few and
//! with more passes; the difference is what one pass costs, free of start-up. It emulates a processor with AES-NI.
use crate::place::Place;
use crate::shell::{cargo_in, read, run};
use crate::step::Outcome;
use crate::tools::VALGRIND;
use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::Command;

/// A way from bytes to values, and what it may cost.
struct Gate {
    /// Its name in the crate `bench`.
    row: &'static str,
    what: &'static str,
    /// Instructions a pass may take.
    most: u64,
    /// What others need for the same telegram, measured in the same way in November 2026.
    others: &'static [(&'static str, u64)],
}

const GATES: &[Gate] = &[
    Gate {
        row: "sml-wire",
        what: "SML 304 B, 7 entries: framing, both CRCs, all values (others: captures of 302 B on average)",
        most: 14_000,
        others: &[("sml-rs 0.4.0", 26_415), ("libsml dc096b4", 56_774)],
    },
    Gate {
        row: "sml-meter",
        what: "the same, from received bytes to the registers of an event",
        most: 20_000,
        others: &[],
    },
    Gate {
        row: "p1-wire",
        what: "P1 890 B, 36 lines, with CRC",
        most: 18_700,
        others: &[("dsmr5 0.4.0", 37_376)],
    },
    Gate {
        row: "p1-meter",
        what: "the same, from received bytes to the registers of an event",
        most: 30_500,
        others: &[],
    },
    Gate { row: "p1-authenticated", what: "the same, sealed with a tag", most: 37_600, others: &[] },
    Gate {
        row: "mbus-encrypted",
        what: "DLMS over M-Bus 376 B, encrypted (AES-NI), from received bytes to registers",
        most: 9_000,
        others: &[
            ("esphome-dlms-meter fc30ace", 29_435),
            ("dlms_cosem 0.2.0", 54_529),
            ("amsreader a88a0be", 193_662),
        ],
    },
    Gate {
        row: "mbus-authenticated",
        what: "the same with a tag of 12 bytes, 388 B",
        most: 10_500,
        others: &[],
    },
];

const PASSES: (u64, u64) = (10, 110);

/// Everything that is measured.
pub(crate) fn all(place: &Place) -> Result<Outcome> {
    let outcome = check(place)?;
    gateway(place)?;
    Ok(outcome)
}

/// What the gateway writes, takes and delivers, one after the other: they share a processor and a disk. Each prints its
/// figures and fails over its bar. What is measured is the program as it is shipped, not one with the features of tests.
fn gateway(place: &Place) -> Result<()> {
    run(&mut cargo_in(place, &["build", "--release", "--quiet", "--package", "metergate-gateway"]))?;
    let program = place.target.join("release/metergate");
    for [test, which] in [["store", "figures::"], ["numbers", "--ignored"]] {
        let words =
            ["test", "--quiet", "--package", "metergate-gateway", "--test", test, "--", "--nocapture"];
        let mut command = cargo_in(place, &words);
        run(command.args(["--test-threads=1", which]).env("PROGRAM", &program))?;
    }
    Ok(())
}

/// Builds the bench and compares every row with its gate.
pub(crate) fn check(place: &Place) -> Result<Outcome> {
    if let Some(why) = VALGRIND.missing() {
        return Ok(Outcome::NotChecked(why));
    }
    if !counts_compare() {
        return Ok(Outcome::NotChecked("the counts are those of x86-64 with AES instructions".to_owned()));
    }
    run(&mut cargo_in(place, &["build", "--release", "--quiet", "--package", "metergate-bench"]))?;
    let program = place.target.join("release/metergate-bench");
    let mut over = Vec::new();
    println!("{:<20} {:>12} {:>8}  others", "row", "instructions", "gate");
    for gate in GATES {
        let instructions = count(&program, gate.row)?;
        let others: Vec<String> = gate.others.iter().map(|(name, count)| format!("{name} {count}")).collect();
        println!("{:<20} {instructions:>12} {:>8}  {}", gate.row, gate.most, others.join(", "));
        if instructions > gate.most {
            over.push(format!(
                "{} ({}) takes {instructions}, {} are allowed",
                gate.row, gate.what, gate.most
            ));
        }
    }
    for gate in GATES {
        println!("{:<20} {}", gate.row, gate.what);
    }
    if !over.is_empty() {
        bail!("{}", over.join("; "));
    }
    Ok(Outcome::Passed(format!("{} gates", GATES.len())))
}

/// Whether this processor runs the instructions on which the gates were set.
fn counts_compare() -> bool {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    std::env::consts::ARCH == "x86_64" && told.split_whitespace().any(|flag| flag == "aes")
}

/// Instructions of one pass.
fn count(program: &Path, row: &str) -> Result<u64> {
    let (few, more) = PASSES;
    let spent = collected(program, row, more)?.saturating_sub(collected(program, row, few)?);
    Ok(spent / (more - few))
}

/// Instructions of a whole run, as callgrind says in its last lines: `Collected : 2345678`.
fn collected(program: &Path, row: &str, passes: u64) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    let output = read(command.arg(row).arg(passes.to_string()))?;
    let number = output.lines().find_map(|line| line.split_once("Collected : "));
    let (_, number) = number.with_context(|| format!("callgrind says no count:\n{output}"))?;
    number.trim().parse().with_context(|| format!("`{number}` is no count"))
}
