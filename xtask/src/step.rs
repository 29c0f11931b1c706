//! A step of `cargo xtask test`: a name, what it checks, and the table at the end.
use crate::place::Place;
use anyhow::Result;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// What a step says when nothing failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Checked and right; the note is for the table.
    Passed(String),
    /// Could not be checked on this machine, and why. Never counts as passed.
    NotChecked(String),
}

impl Outcome {
    /// Passed without a note.
    pub(crate) const PASSED: Self = Self::Passed(String::new());
}

/// One step.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// One word, as typed after `cargo xtask test`.
    pub(crate) name: &'static str,
    /// What it checks, for the heading.
    pub(crate) what: &'static str,
    /// The check itself.
    pub(crate) run: fn(&Place) -> Result<Outcome>,
}

/// A step that has run.
pub(crate) struct Done {
    name: &'static str,
    took: Duration,
    result: Result<Outcome>,
}

/// Runs one step between a heading and a line with its result.
pub(crate) fn run(step: &Step, number: usize, of: usize, place: &Place) -> Done {
    println!("\n=== {number}/{of} {}: {}", step.name, step.what);
    let start = Instant::now();
    let result = (step.run)(place);
    let took = start.elapsed();
    match &result {
        Ok(Outcome::Passed(note)) if note.is_empty() => println!("--- ok, {:.1} s", took.as_secs_f64()),
        Ok(Outcome::Passed(note)) => println!("--- ok, {:.1} s: {note}", took.as_secs_f64()),
        Ok(Outcome::NotChecked(why)) => println!("--- not checked: {why}"),
        Err(error) => println!("--- FAILED, {:.1} s: {error:#}", took.as_secs_f64()),
    }
    Done { name: step.name, took, result }
}

/// The table of all steps, and whether none failed.
pub(crate) fn summary(all: &[Done]) -> (String, bool) {
    let mut table = String::from("\nstep          seconds  result\n");
    for done in all {
        let result = match &done.result {
            Ok(Outcome::Passed(note)) if note.is_empty() => "ok".to_owned(),
            Ok(Outcome::Passed(note)) => format!("ok: {note}"),
            Ok(Outcome::NotChecked(why)) => format!("not checked: {why}"),
            Err(error) => format!("FAILED: {}", first_line(&format!("{error:#}"))),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{:<12} {:>8.1}  {result}", done.name, done.took.as_secs_f64());
    }
    let failed = all.iter().filter(|done| done.result.is_err()).count();
    let unchecked = all.iter().filter(|done| matches!(done.result, Ok(Outcome::NotChecked(_)))).count();
    let total: Duration = all.iter().map(|done| done.took).sum();
    let _ = writeln!(table, "{:<12} {:>8.1}", "all", total.as_secs_f64());
    // In the form that CI reads from any runner; a step that was not checked counts as skipped.
    let _ = writeln!(
        table,
        "steps: {} passed, {failed} failed, {unchecked} skipped",
        all.len() - failed - unchecked
    );
    (table, failed == 0)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(name: &'static str, result: Result<Outcome>) -> Done {
        Done { name, took: Duration::from_millis(1500), result }
    }

    #[test]
    fn a_step_that_was_not_checked_is_not_ok() {
        let (table, good) = summary(&[
            done("tidy", Ok(Outcome::PASSED)),
            done("gates", Ok(Outcome::NotChecked("no valgrind".into()))),
        ]);
        assert!(table.contains("gates             1.5  not checked: no valgrind"), "{table}");
        assert!(table.ends_with("\nsteps: 1 passed, 0 failed, 1 skipped\n"), "{table}");
        assert!(good, "what cannot be checked here is said, but does not fail");
    }

    #[test]
    fn one_failed_step_fails_all() {
        let (table, good) =
            summary(&[done("tidy", Err(anyhow::anyhow!("a\nb"))), done("docs", Ok(Outcome::PASSED))]);
        assert!(table.contains("FAILED: a\n"), "{table}");
        assert!(!good);
    }
}
