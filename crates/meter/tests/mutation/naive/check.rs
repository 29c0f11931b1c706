//! Checksums, one bit after the other.

/// A CRC-16 with the bits of each byte taken from the low end.
fn reflected(polynomial: u16, start: u16, bytes: &[u8]) -> u16 {
    let mut crc = start;
    for &byte in bytes {
        for bit in 0..8 {
            let carry = (crc & 1) != u16::from(byte >> bit & 1);
            crc >>= 1;
            if carry {
                crc ^= polynomial;
            }
        }
    }
    crc
}

/// CRC-16/X-25: reflected 1021, start FFFF, inverted at the end.
pub(crate) fn x25(bytes: &[u8]) -> u16 {
    !reflected(0x8408, 0xFFFF, bytes)
}

/// CRC-16/KERMIT: the same without the start value and the inversion.
pub(crate) fn kermit(bytes: &[u8]) -> u16 {
    reflected(0x8408, 0, bytes)
}

/// CRC-16/ARC: reflected 8005, start 0.
pub(crate) fn arc(bytes: &[u8]) -> u16 {
    reflected(0xA001, 0, bytes)
}

/// CRC-16/XMODEM: 1021 from the high end, start 0.
pub(crate) fn xmodem(bytes: &[u8]) -> u16 {
    let mut crc: u16 = 0;
    for &byte in bytes {
        for bit in (0..8).rev() {
            let carry = (crc >> 15) != u16::from(byte >> bit & 1);
            crc <<= 1;
            if carry {
                crc ^= 0x1021;
            }
        }
    }
    crc
}

/// The sum of all bytes in eight bits.
pub(crate) fn sum(bytes: &[u8]) -> u8 {
    let sum: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
    sum.to_le_bytes()[0]
}

/// The exclusive or of all characters, which have seven bits.
pub(crate) fn bcc(bytes: &[u8]) -> u8 {
    let mut bcc = 0;
    for byte in bytes {
        bcc ^= byte;
    }
    bcc & 0x7F
}

#[test]
fn the_catalogue_has_the_same_check_values() {
    let nine = b"123456789";
    assert_eq!((x25(nine), kermit(nine), arc(nine), xmodem(nine)), (0x906E, 0x2189, 0xBB3D, 0x31C3));
    assert_eq!((sum(nine), bcc(nine)), (0xDD, 0x31));
}
