//! What can be saved from a damaged frame: whole lists with their own right message CRC.
//!
//! Damage often hits the start, the end or another message only. The caller says with each list
//! that it was salvaged: the frame around it was refused.
use super::list::GetListResponse;
use super::message::{Body, Message};
use super::{Crc, tlv};
use crate::Reader;

/// A list found in damaged bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salvaged<'a> {
    /// Offset of its message in the bytes.
    pub at: usize,
    /// Length of its message.
    pub len: usize,
    /// The list; its own message CRC is right.
    pub list: GetListResponse<'a>,
}

/// Finds whole GetListResponse messages with the right message CRC in the bytes of a damaged frame.
///
/// Lists with escapes inside are not found, unless the bytes were unescaped before.
///
/// ```
/// use metergate_wire::sml::{Crc, salvage};
///
/// assert_eq!(salvage(&[0x76, 0x02, 0x01, 0x62, 0x00, 0x62], Crc::X25).count(), 0, "the message is not whole");
/// ```
#[must_use]
pub const fn salvage(bytes: &[u8], crc: Crc) -> Salvage<'_> {
    Salvage { reader: Reader::new(bytes), crc }
}

/// The lists that [`salvage`] finds.
#[derive(Debug, Clone, Copy)]
pub struct Salvage<'a> {
    reader: Reader<'a>,
    crc: Crc,
}

impl<'a> Iterator for Salvage<'a> {
    type Item = Salvaged<'a>;

    fn next(&mut self) -> Option<Salvaged<'a>> {
        loop {
            let to_start = self.reader.rest().iter().position(|&byte| byte == tlv::LIST | 6)?;
            self.reader.take(to_start).ok()?;
            let mut ahead = self.reader;
            let at = ahead.at();
            match Message::read_checked(&mut ahead, self.crc, &mut None) {
                Ok(message) => {
                    self.reader = ahead;
                    if let Body::GetListResponse(list) = message.body {
                        return Some(Salvaged { at, len: ahead.at() - at, list });
                    }
                }
                Err(_) => {
                    self.reader.u8().ok()?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::super::message::tests::{entries, list_message, open_message};
    use super::*;

    #[test]
    fn whole_lists_are_salvaged_from_damaged_bytes() {
        let list = list_message(Crc::X25, &entries());
        let mut damaged = open_message(Crc::X25);
        damaged[5] ^= 0x40;
        damaged.truncate(damaged.len() - 3);
        let at = damaged.len();
        damaged.extend(&list);
        damaged.extend(&list[..list.len() - 1]);
        let found: Vec<_> = salvage(&damaged, Crc::X25).collect();
        assert_eq!(found.len(), 1, "the second list lacks its end");
        assert_eq!((found[0].at, found[0].len), (at, list.len()));
        assert_eq!(found[0].list.entries.collect::<Vec<_>>(), entries());
        assert_eq!(salvage(&damaged, Crc::Kermit).count(), 0);
    }

    #[test]
    fn no_flipped_list_is_salvaged() {
        let list = list_message(Crc::X25, &entries());
        for at in 0..list.len() {
            for bit in 0..8 {
                let mut damaged = list.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(salvage(&damaged, Crc::X25).count(), 0, "bit {bit} of byte {at}");
            }
        }
    }
}
