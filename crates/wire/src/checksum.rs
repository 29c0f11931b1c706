//! The checksums of meter protocols, each with its standard, its users and its check value.
//!
//! The check value is the result over the nine ASCII bytes `123456789`.
use crc::Crc;

#[cfg(feature = "large-crc-tables")]
type Table = crc::Table<16>;
#[cfg(not(feature = "large-crc-tables"))]
type Table = crc::Table<1>;

static X25: Crc<u16, Table> = Crc::<u16, Table>::new(&crc::CRC_16_IBM_SDLC);
static KERMIT: Crc<u16, Table> = Crc::<u16, Table>::new(&crc::CRC_16_KERMIT);
static ARC: Crc<u16, Table> = Crc::<u16, Table>::new(&crc::CRC_16_ARC);
static XMODEM: Crc<u16, Table> = Crc::<u16, Table>::new(&crc::CRC_16_XMODEM);

/// CRC-16/X-25 (ISO/IEC 13239): SML transport and messages, HDLC header and frame check. Check value 906E.
///
/// All users send the low byte first.
#[must_use]
pub fn x25(bytes: &[u8]) -> u16 {
    X25.checksum(bytes)
}

/// CRC-16/KERMIT (ITU-T V.41, reflected, no final inversion): Holley DTZ541 with old firmware sends it in place of
/// X-25 in SML transport and messages. Check value 2189.
///
/// It sends the high byte first, as its message CRCs show (`63 56 5D` for 565D).
#[must_use]
pub fn kermit(bytes: &[u8]) -> u16 {
    KERMIT.checksum(bytes)
}

/// CRC-16/ARC (polynomial A001 reflected, start 0): DSMR P1, from `/` to `!`. Check value BB3D.
#[must_use]
pub fn arc(bytes: &[u8]) -> u16 {
    ARC.checksum(bytes)
}

/// CRC-16/XMODEM (polynomial 1021, start 0): Kamstrup KMP, high byte first. Check value 31C3.
#[must_use]
pub fn xmodem(bytes: &[u8]) -> u16 {
    XMODEM.checksum(bytes)
}

/// Sum of all bytes modulo 256: M-Bus long frames (EN 13757-2), from the C field to the last user byte.
#[must_use]
pub fn sum8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, &byte| sum.wrapping_add(byte))
}

/// Exclusive or of all bytes: block check character of IEC 62056-21, from the byte after STX to ETX included.
///
/// The characters are meant without their parity bit.
#[must_use]
pub fn bcc(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, &byte| sum ^ (byte & 0x7F))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue() {
        let check = b"123456789";
        assert_eq!(x25(check), 0x906E);
        assert_eq!(kermit(check), 0x2189);
        assert_eq!(arc(check), 0xBB3D);
        assert_eq!(xmodem(check), 0x31C3);
        assert_eq!(sum8(check), 0xDD);
        assert_eq!(bcc(check), 0x31);
    }

    #[test]
    fn kmp_request_for_register_60() {
        // The complete request is 80 3F 10 01 00 3C B2 5F 0D.
        assert_eq!(xmodem(&[0x3F, 0x10, 0x01, 0x00, 0x3C]), 0xB25F);
    }
}
