//! Decodes telegrams on a RISC-V board without an operating system, and counts the instructions.
//!
//! `cargo xtask bare-metal` builds it and runs it in an emulator. It fails when a value is wrong or when decoding
//! takes more instructions than its budget, which keeps the decoders small and quick where that means battery.
#![no_std]
#![no_main]

mod board;

use core::fmt::{self, Write};
use metergate_wire::checksum;

/// Prints what was decoded; says whether everything was right and within its budget.
fn run(out: &mut dyn Write) -> Result<bool, fmt::Error> {
    let start = board::instructions();
    let crc = checksum::x25(core::hint::black_box(b"123456789"));
    let spent = board::instructions().wrapping_sub(start);
    writeln!(out, "x25 of the check text: {crc:04X}, {spent} instructions")?;
    Ok(crc == 0x906E && spent <= 1_000)
}
