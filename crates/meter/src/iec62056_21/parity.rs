//! Seven bits and even parity on a line that carries eight.

/// Stands for a character whose parity is wrong. No character of seven bits is this.
pub(super) const WRONG_PARITY: u8 = 0xFF;

/// Finds out whether characters carry a parity bit, and removes it.
///
/// With a parity bit about half of all characters have the high bit set, and all have even parity. Without, the high
/// bit is never set and about half have odd parity. Each such character is a vote, so that a single damaged one does
/// not decide.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parity {
    /// Above 0: there is a parity bit.
    votes: i8,
}

impl Parity {
    const VOTES_MAX: i8 = 8;

    /// The character without parity bit, or [`WRONG_PARITY`].
    pub(super) fn strip(&mut self, byte: u8) -> u8 {
        let even = byte.count_ones().is_multiple_of(2);
        match (byte.is_ascii(), even) {
            (false, true) => self.votes = (self.votes + 1).min(Self::VOTES_MAX),
            (true, false) => self.votes = (self.votes - 1).max(-Self::VOTES_MAX),
            _ => {}
        }
        match (self.votes > 0, even) {
            (true, true) => byte & 0x7F,
            (true, false) => WRONG_PARITY,
            (false, _) => byte,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_wire::iec62056_21::add_parity;
    use std::vec::Vec;

    const TEXT: &[u8] = b"/ISk5MT174-0001\r\n\x021.8.0(0008048.375*kWh)\r\n!\r\n\x03\x66";

    fn strip(bytes: &[u8]) -> Vec<u8> {
        let mut parity = Parity::default();
        bytes.iter().map(|&byte| parity.strip(byte)).collect()
    }

    #[test]
    fn both_kinds_of_line_give_the_same_text() {
        let mut with_parity = TEXT.to_vec();
        add_parity(&mut with_parity);
        assert_ne!(with_parity, TEXT);
        assert_eq!(strip(&with_parity), TEXT);
        assert_eq!(strip(TEXT), TEXT);
    }

    #[test]
    fn a_flipped_bit_is_seen_and_does_not_change_the_kind() {
        // The first characters decide of what kind the line is.
        for at in 8..TEXT.len() {
            for bit in 0..8 {
                let mut damaged = TEXT.to_vec();
                add_parity(&mut damaged);
                damaged[at] ^= 1 << bit;
                let mut expected = TEXT.to_vec();
                expected[at] = WRONG_PARITY;
                assert_eq!(strip(&damaged), expected, "{at} {bit}");
                let mut plain = TEXT.to_vec();
                plain[at] ^= 1 << bit;
                assert_eq!(strip(&plain), plain, "{at} {bit}");
            }
        }
    }
}
