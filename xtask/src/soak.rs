//! `cargo xtask soak`: what takes too long for every run of the tests. Gateway and broker are killed 500 times, and a
//! day of each meter is read with ten thousand faults, all optimised as it is delivered.
use crate::place::Place;
use crate::shell::{cargo_in, run};
use anyhow::{Context as _, Result, bail};

/// How often gateway or broker is killed, unless said otherwise.
const ROUNDS: u32 = 500;

/// The command line: `--rounds N`, `--seed N` to repeat a run.
pub(crate) fn command(place: &Place, words: &[&str]) -> Result<()> {
    let (mut rounds, mut seed) = (ROUNDS, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let number = words.next().with_context(|| format!("`{word}` needs a number"))?;
        let wrong = || format!("`{number}` is no number");
        match *word {
            "--rounds" => rounds = number.parse().with_context(wrong)?,
            "--seed" => seed = Some(number.parse::<u64>().with_context(wrong)?),
            _ => bail!("usage: cargo xtask soak [--rounds N] [--seed N]"),
        }
    }
    let tests = ["--package", "metergate-gateway", "--test", "crash", "--test", "soak"];
    let mut cargo = cargo_in(place, &["test", "--release"]);
    // The seed and the result are printed by the test.
    cargo.args(tests).args(["--", "--nocapture"]).env("CRASH_TEST_ROUNDS", rounds.to_string());
    // As with every other test: the many gateways would want the same port for their page.
    cargo.env("METERGATE_WEB__LISTEN", "off");
    if let Some(seed) = seed {
        cargo.env("CRASH_TEST_SEED", seed.to_string());
    }
    run(&mut cargo)
}
