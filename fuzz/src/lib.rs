//! What is tried on every decoder, and the seeds that reach an accepted telegram.
//!
//! A target takes any bytes and returns how many telegrams, frames or messages it accepted. It panics when a law is
//! broken; everything else that a decoder may do with bytes is right by definition. Two kinds of target:
//!
//! - *streams*: the bytes as they come from a line. Checksums stop nearly all of them.
//! - *insides*: the bytes are put into frames with right checksums first, or sealed with a key, so that everything
//!   behind the checks is reached too.
//!
//! `cargo xtask fuzz` runs all targets; with cargo-fuzz installed, `cargo fuzz run NAME` runs one.
mod conversations;
mod dlms;
mod kmp;
mod law;
mod sml;
mod spellings;
mod text;

use metergate_bench::telegrams;

/// One fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its file in `fuzz_targets`.
    pub name: &'static str,
    /// Tries some bytes and returns how many telegrams, frames or messages were accepted.
    pub run: fn(&[u8]) -> usize,
    /// Inputs that are accepted, from which the engine starts.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "sml_stream", run: sml::stream, seeds: || vec![telegrams::sml::telegram()] },
    Target { name: "sml_body", run: sml::body, seeds: sml::body_seeds },
    Target { name: "mbus_stream", run: dlms::mbus_stream, seeds: dlms::mbus_seeds },
    Target { name: "hdlc_stream", run: dlms::hdlc_stream, seeds: dlms::hdlc_seeds },
    Target { name: "ciphering_stream", run: dlms::ciphering_stream, seeds: dlms::ciphering_seeds },
    Target { name: "notification", run: dlms::notification, seeds: || vec![telegrams::dlms::notification()] },
    Target { name: "p1_stream", run: text::p1_stream, seeds: || vec![telegrams::p1::telegram()] },
    Target { name: "p1_lines", run: text::p1_lines, seeds: text::p1_lines_seeds },
    Target {
        name: "readout_stream",
        run: text::readout_stream,
        seeds: || vec![telegrams::iec62056_21::telegram()],
    },
    Target { name: "readout_block", run: text::readout_block, seeds: text::readout_block_seeds },
    Target { name: "kmp_stream", run: kmp::stream, seeds: || vec![telegrams::kmp::telegram()] },
    Target { name: "kmp_answer", run: kmp::answer, seeds: kmp::answer_seeds },
    Target { name: "conversation", run: conversations::any, seeds: conversations::seeds },
    Target { name: "sealed", run: conversations::sealed, seeds: || vec![telegrams::dlms::notification()] },
    Target { name: "spellings", run: spellings::any, seeds: spellings::seeds },
    Target { name: "detection", run: conversations::detected, seeds: conversations::detected_seeds },
];

/// Runs the target of that name; for the programs in `fuzz_targets`.
///
/// # Panics
/// When a law is broken, or when no target has the name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("each program names a target").run)(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_accepted() {
        for target in TARGETS {
            for (at, seed) in (target.seeds)().iter().enumerate() {
                assert!((target.run)(seed) > 0, "seed {at} of {} reaches nothing", target.name);
            }
        }
    }

    #[test]
    fn every_target_has_its_program() {
        for target in TARGETS {
            let file = format!("{}/fuzz_targets/{}.rs", env!("CARGO_MANIFEST_DIR"), target.name);
            let program = std::fs::read_to_string(&file).expect("a program for each target");
            assert!(program.contains(&format!("run(\"{}\"", target.name)), "{file} runs another target");
        }
    }
}
