//! The telegrams, as long as those that the figures of others were measured on.
use metergate_wire::{Full, Writer};

pub mod dlms;
pub mod iec62056_21;
pub mod kmp;
pub mod p1;
pub mod sml;

/// Whatever `emit` writes.
fn written(emit: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let mut out = Writer::new(&mut buffer);
    emit(&mut out).expect("no telegram here is longer than the buffer");
    out.written().to_vec()
}

#[cfg(test)]
mod tests {
    use super::{dlms, p1, sml};

    #[test]
    fn lengths_are_those_of_the_figures_of_others() {
        // A transport frame is a multiple of four long; 302 is the mean of the captures that others were measured on.
        assert_eq!(sml::telegram().len(), 304);
        assert_eq!(p1::telegram().len(), 890);
        assert_eq!(dlms::notification().len(), 336);
        assert_eq!(dlms::over_mbus(&dlms::sealed(&dlms::notification(), dlms::ENCRYPTED)).len(), 376);
    }
}
