//! Seven bits and a parity bit in software, where the device cannot do it.
use metergate_meter::{LineSettings, Parity};

/// Takes the parity bit off received characters and puts it on sent ones.
///
/// A pseudo-terminal answers `Ok` to 7E1 and goes on with 8N1; a serial server may or may not have been set to seven
/// bits. So the line is watched: with a parity bit about half of the characters have the eighth bit set and all have
/// the right parity; without, none has it and about half have the wrong one. Each such character is a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SoftwareParity {
    kind: Kind,
    /// Above 0: there is a parity bit.
    votes: i8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The device does it, or there is none.
    Off,
    Even,
    Odd,
}

/// Stands for a character whose parity is wrong: no character of seven bits is this, so every text protocol refuses
/// it, also where no other check would notice.
const WRONG_PARITY: u8 = 0x80;

const VOTES_MAX: i8 = 8;

impl SoftwareParity {
    /// What is left to do for `line` when the device works with `device_bits` data bits.
    pub(super) const fn needed(line: LineSettings, device_bits: u8) -> Self {
        let kind = match line.parity {
            Parity::Even if line.data_bits == 7 && device_bits == 8 => Kind::Even,
            Parity::Odd if line.data_bits == 7 && device_bits == 8 => Kind::Odd,
            _ => Kind::Off,
        };
        Self { kind, votes: 0 }
    }

    pub(super) fn received(&mut self, bytes: &mut [u8]) {
        if self.kind == Kind::Off {
            return;
        }
        for byte in bytes {
            let right = self.with_parity(*byte & 0x7F) == *byte;
            match (byte.is_ascii(), right) {
                // Twice, so that the first damaged character after it does not outvote it.
                (false, true) => self.votes = (self.votes + 2).min(VOTES_MAX),
                (true, false) => self.votes = (self.votes - 1).max(-VOTES_MAX),
                _ => {}
            }
            match (self.votes > 0, right) {
                (true, true) => *byte &= 0x7F,
                (true, false) => *byte = WRONG_PARITY,
                (false, _) => {}
            }
        }
    }

    pub(super) fn sent(self, byte: u8) -> u8 {
        if self.kind == Kind::Off { byte } else { self.with_parity(byte & 0x7F) }
    }

    const fn with_parity(self, character: u8) -> u8 {
        let odd_ones = character.count_ones() % 2 == 1;
        let bit = match self.kind {
            Kind::Off => false,
            Kind::Even => odd_ones,
            Kind::Odd => !odd_ones,
        };
        if bit { character | 0x80 } else { character }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVEN: SoftwareParity = SoftwareParity::needed(LineSettings::M300_7E1, 8);
    const TEXT: &[u8] = b"/ESY5Q3DA1004\r\n\r\n1-0:1.8.0*255(00012345.678*kWh)\r\n";

    fn on_the_line() -> Vec<u8> {
        TEXT.iter().map(|&byte| EVEN.sent(byte)).collect()
    }

    #[test]
    fn the_bytes_of_a_request_carry_even_parity() {
        // `/?!` CR LF as a 300 7E1 line carries it, read as 8N1.
        let sent: Vec<u8> = b"/?!\r\n".iter().map(|&byte| EVEN.sent(byte)).collect();
        assert_eq!(sent, [0xAF, 0x3F, 0x21, 0x8D, 0x0A]);
        let mut back = sent;
        EVEN.clone().received(&mut back);
        assert_eq!(back, b"/?!\r\n");
    }

    #[test]
    fn characters_that_a_server_has_stripped_stay() {
        let mut bytes = TEXT.to_vec();
        EVEN.clone().received(&mut bytes);
        assert_eq!(bytes, TEXT);
    }

    #[test]
    fn every_flipped_bit_is_marked_and_never_another_character() {
        // Without the mark 0x33 (`3`) with its lowest bit flipped would be a `2`, and push telegrams have no checksum.
        for at in 1..TEXT.len() {
            for bit in 0..8 {
                let mut bytes = on_the_line();
                bytes[at] ^= 1 << bit;
                EVEN.clone().received(&mut bytes);
                assert_eq!(bytes[at], WRONG_PARITY, "bit {bit} of character {at}");
                bytes[at] = TEXT[at];
                assert_eq!(bytes, TEXT);
            }
        }
    }

    #[test]
    fn software_steps_in_only_where_the_device_reports_eight_bits() {
        assert_eq!(EVEN.kind, Kind::Even);
        assert_eq!(SoftwareParity::needed(LineSettings::M300_7E1, 7).kind, Kind::Off);
        assert_eq!(SoftwareParity::needed(LineSettings::M2400_8E1, 8).kind, Kind::Off);
    }
}
