//! The tasks of this workspace: `cargo xtask help`.
//!
//! `cargo xtask test` is the one command that passes all tests; what CI runs is the same. Each task is one module,
//! and a task that is also a step of `test` returns an [`Outcome`]: passed, or not checked and why. A step that
//! could not be checked is never shown as passed.
mod arm64;
mod bare_metal;
mod bench;
mod bless;
mod containers;
mod corpus;
mod deny;
mod fuzz;
mod package;
mod place;
mod shell;
mod soak;
mod step;
mod test;
mod tidy;
mod tools;
mod units;

use anyhow::{Result, bail};
use place::Place;
use std::process::ExitCode;
use step::Outcome;

const HELP: &str = "\
Tasks of this workspace.

  cargo xtask test [STEP...]      all tests, or only the named steps; `cargo xtask test --list` names them
  cargo xtask tidy                the rules that no compiler checks: who may use whom, file names and lengths, ...
  cargo xtask bless               rewrite the snapshots with what the program says now; read `git diff` afterwards
  cargo xtask corpus              published telegrams of real meters, case by case
  cargo xtask bench               instructions to decode one telegram, beside their gates and the figures of others;
                                  then disk, memory, start, processor and catching up of the gateway (five minutes)
  cargo xtask fuzz [--seconds N]  every decoder under random input, N seconds each (30)
  cargo xtask soak [--rounds N]   gateway and broker killed N times (500), and a day of faults; `--seed N` repeats it
  cargo xtask deny                licences, bans, sources and advisories of all dependencies
  cargo xtask bare-metal          build for the microcontroller target and run it in an emulator
  cargo xtask man                 the manual pages
  cargo xtask deb                 the Debian package, optimised
  cargo xtask help                this text

Tools that are not part of Rust (an emulator, valgrind, cargo-deny, cargo-deb) are installed when they are missing:
Debian packages when you are root, the cargo ones from crates.io. They are kept in $XTASK_CACHE, by default
~/.cache/metergate, so that all checkouts share them.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let mut words = arguments.iter().map(String::as_str);
    let task = words.next().unwrap_or("help");
    let rest: Vec<&str> = words.collect();
    let alone = |step: fn(&Place) -> Result<Outcome>| -> Result<()> {
        if let Some(word) = rest.first() {
            bail!("`{task}` takes no argument, found `{word}`");
        }
        match step(&Place::find()?)? {
            Outcome::Passed(note) if note.is_empty() => println!("ok"),
            Outcome::Passed(note) => println!("ok: {note}"),
            Outcome::NotChecked(why) => println!("not checked: {why}"),
        }
        Ok(())
    };
    match task {
        "help" | "--help" | "-h" => print!("{HELP}"),
        "test" => return test::run(&rest),
        "tidy" => return alone(tidy::check),
        "bless" => return alone(bless::all),
        "corpus" => return alone(corpus::check),
        "bench" => return alone(bench::all),
        "fuzz" => return fuzz::command(&Place::find()?, &rest),
        "soak" => return soak::command(&Place::find()?, &rest),
        "deny" => {
            alone(deny::rules)?;
            return alone(deny::advisories);
        }
        "bare-metal" => return alone(bare_metal::check),
        "man" => return alone(package::man),
        "deb" => return alone(package::deb),
        other => bail!("no task is named `{other}`; `cargo xtask help` lists them"),
    }
    Ok(())
}
