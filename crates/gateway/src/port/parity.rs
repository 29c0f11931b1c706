//! Seven bits and a parity bit in software, where the device cannot do it.
use metergate_meter::{LineSettings, Parity};

/// Takes the parity bit off received characters and puts it on sent ones.
///
/// A pseudo-terminal answers `Ok` to 7E1 and goes on with 8N1; a serial server may or may not have been set to seven
/// bits. So a character without its parity bit is taken as it is, and one with a wrong one is passed on with its
/// eighth bit set, which no text protocol accepts: nothing is repaired silently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SoftwareParity {
    /// The device does it, or there is none.
    Off,
    Even,
    Odd,
}

impl SoftwareParity {
    /// What is left to do for `line` when the device works with `device_bits` data bits.
    pub(super) const fn needed(line: LineSettings, device_bits: u8) -> Self {
        match line.parity {
            Parity::Even if line.data_bits == 7 && device_bits == 8 => Self::Even,
            Parity::Odd if line.data_bits == 7 && device_bits == 8 => Self::Odd,
            _ => Self::Off,
        }
    }

    pub(super) fn received(self, bytes: &mut [u8]) {
        if self == Self::Off {
            return;
        }
        for byte in bytes {
            if self.with_parity(*byte & 0x7F) == *byte {
                *byte &= 0x7F;
            }
        }
    }

    pub(super) fn sent(self, byte: u8) -> u8 {
        if self == Self::Off { byte } else { self.with_parity(byte & 0x7F) }
    }

    const fn with_parity(self, character: u8) -> u8 {
        let odd_ones = character.count_ones() % 2 == 1;
        let bit = match self {
            Self::Off => false,
            Self::Even => odd_ones,
            Self::Odd => !odd_ones,
        };
        if bit { character | 0x80 } else { character }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVEN: SoftwareParity = SoftwareParity::Even;

    #[test]
    fn the_bytes_of_a_request_carry_even_parity() {
        // `/?!` CR LF as a 300 7E1 line carries it, read as 8N1.
        let sent: Vec<u8> = b"/?!\r\n".iter().map(|&byte| EVEN.sent(byte)).collect();
        assert_eq!(sent, [0xAF, 0x3F, 0x21, 0x8D, 0x0A]);
        let mut back = sent;
        EVEN.received(&mut back);
        assert_eq!(back, b"/?!\r\n");
    }

    #[test]
    fn characters_that_a_server_has_stripped_stay() {
        let mut bytes = *b"/ESY5Q3DA1004";
        EVEN.received(&mut bytes);
        assert_eq!(&bytes, b"/ESY5Q3DA1004");
    }

    #[test]
    fn a_wrong_parity_bit_stays_visible() {
        let mut bytes = [b'!' | 0x80];
        EVEN.received(&mut bytes);
        assert_eq!(bytes, [0xA1]);
    }

    #[test]
    fn software_steps_in_only_where_the_device_reports_eight_bits() {
        assert_eq!(SoftwareParity::needed(LineSettings::M300_7E1, 8), EVEN);
        assert_eq!(SoftwareParity::needed(LineSettings::M300_7E1, 7), SoftwareParity::Off);
        assert_eq!(SoftwareParity::needed(LineSettings::M2400_8E1, 8), SoftwareParity::Off);
    }
}
