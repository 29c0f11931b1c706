//! `cargo xtask bless`: rewrites the snapshots in the checkout with what the program says now.
//!
//! The difference is then read like code, with `git diff`: a snapshot that nobody read proves nothing.
use crate::place::Place;
use crate::shell::{cargo_in, run};
use crate::step::Outcome;
use anyhow::Result;

/// Runs all tests with the variables by which snapshot libraries are told to accept.
pub(crate) fn all(place: &Place) -> Result<Outcome> {
    let mut command = cargo_in(place, &["test", "--workspace", "--all-features", "--no-fail-fast"]);
    for (variable, value) in [("INSTA_UPDATE", "always"), ("SNAPSHOTS", "overwrite"), ("TRYCMD", "overwrite")]
    {
        command.env(variable, value);
    }
    run(&mut command)?;
    Ok(Outcome::Passed("read the difference with `git diff` before committing it".to_owned()))
}
