//! An answer of a Kamstrup heat meter.
use super::written;
use metergate_wire::Writer;
use metergate_wire::kmp::{self, Command, Register};

/// Registers of [`telegram`].
pub const VALUES: usize = 4;

/// The content of an answer to GetRegister: energy, power, volume and flow temperature.
#[must_use]
pub fn registers() -> Vec<u8> {
    // Number, unit, sign and exponent (bit 6: the exponent is negative), mantissa.
    let registers: [(u16, u8, u8, u32); VALUES] =
        [(60, 3, 0x43, 28_429), (80, 22, 0x41, 42), (68, 40, 0x42, 123_456), (86, 37, 0x42, 6_437)];
    written(|out: &mut Writer<'_>| {
        for (number, unit, sign_exponent, mantissa) in registers {
            let mantissa = &mantissa.to_be_bytes();
            Register { number, unit, sign_exponent, mantissa }.emit(out)?;
        }
        Ok(())
    })
}

/// The echo of the request, as optical heads send it, and the answer.
#[must_use]
pub fn telegram() -> Vec<u8> {
    written(|out| {
        kmp::emit_get_register(out, &[60, 80, 68, 86])?;
        kmp::emit_answer(out, Command::GetRegister, &registers())
    })
}
