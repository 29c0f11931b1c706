//! DLMS/COSEM application layer (IEC 62056-5-3:2023, DLMS UA 1000-2 "Green Book" edition 11), as far as meters push it.
//!
//! ```text
//! DB title length counter ciphertext [tag]     general-glo-ciphering, see `ciphering`
//! E0 control number ...                        general-block-transfer, see `gbt`
//! 0F invoke-id date-time body                  data-notification, see `apdu`; the body is A-XDR, see `axdr`
//! ```
//!
//! The envelopes stand in any order that meters use: a data-notification inside ciphering inside block transfer is
//! what Landis+Gyr sends. This module reads each one; putting messages together and decrypting them needs a buffer and
//! keys, which this crate does not have.
pub mod apdu;
pub mod axdr;
pub mod ciphering;
pub mod date_time;
pub mod emit;
pub mod gbt;

use crate::{Full, Reader, Short, Writer};

/// The name of an application protocol data unit by its tag, as the standard spells it; `None` for a free tag.
///
/// A refusal names what it refuses with it.
///
/// Source: IEC 62056-5-3, clause 8 (COSEMpdu).
///
/// ```
/// use metergate_wire::dlms;
///
/// assert_eq!(dlms::name(0xC8), Some("glo-get-request"));
/// assert_eq!(dlms::name(0x00), None);
/// ```
#[must_use]
pub const fn name(tag: u8) -> Option<&'static str> {
    Some(match tag {
        0x01 => "initiate-request",
        0x05 => "read-request",
        0x06 => "write-request",
        0x08 => "initiate-response",
        0x0C => "read-response",
        0x0D => "write-response",
        0x0E => "confirmed-service-error",
        apdu::TAG => "data-notification",
        0x10 => "data-notification-confirm",
        0x16 => "unconfirmed-write-request",
        0x18 => "information-report-request",
        0x21 => "glo-initiate-request",
        0x25 => "glo-read-request",
        0x26 => "glo-write-request",
        0x28 => "glo-initiate-response",
        0x2C => "glo-read-response",
        0x2D => "glo-write-response",
        0x2E => "glo-confirmed-service-error",
        0x36 => "glo-unconfirmed-write-request",
        0x38 => "glo-information-report-request",
        0x41 => "ded-initiate-request",
        0x45 => "ded-read-request",
        0x46 => "ded-write-request",
        0x48 => "ded-initiate-response",
        0x4C => "ded-read-response",
        0x4D => "ded-write-response",
        0x4E => "ded-confirmed-service-error",
        0x56 => "ded-unconfirmed-write-request",
        0x58 => "ded-information-report-request",
        0x60 => "aarq",
        0x61 => "aare",
        0x62 => "rlrq",
        0x63 => "rlre",
        0xC0 => "get-request",
        0xC1 => "set-request",
        0xC2 => "event-notification-request",
        0xC3 => "action-request",
        0xC4 => "get-response",
        0xC5 => "set-response",
        0xC7 => "action-response",
        0xC8 => "glo-get-request",
        0xC9 => "glo-set-request",
        0xCA => "glo-event-notification-request",
        0xCB => "glo-action-request",
        0xCC => "glo-get-response",
        0xCD => "glo-set-response",
        0xCF => "glo-action-response",
        0xD0 => "ded-get-request",
        0xD1 => "ded-set-request",
        0xD2 => "ded-event-notification-request",
        0xD3 => "ded-action-request",
        0xD4 => "ded-get-response",
        0xD5 => "ded-set-response",
        0xD7 => "ded-action-response",
        0xD8 => "exception-response",
        0xD9 => "access-request",
        0xDA => "access-response",
        ciphering::TAG => "general-glo-ciphering",
        0xDC => "general-ded-ciphering",
        0xDD => "general-ciphering",
        0xDF => "general-signing",
        gbt::TAG => "general-block-transfer",
        _ => return None,
    })
}

/// Why a length is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LengthError {
    /// The bytes end inside the length.
    Short(Short),
    /// 80, or more than four bytes of length.
    Form { at: usize, found: u8 },
}

impl From<Short> for LengthError {
    fn from(short: Short) -> Self {
        Self::Short(short)
    }
}

/// Reads a length or count: one byte up to 7F, else 81 to 84 and as many bytes, high byte first (A-XDR, IEC 61334-6,
/// 6.10). Longer forms than needed are accepted.
#[inline]
pub(crate) fn length(reader: &mut Reader<'_>) -> Result<usize, LengthError> {
    let at = reader.at();
    let value = match reader.u8()? {
        short @ 0..=0x7F => u32::from(short),
        0x81 => u32::from(reader.u8()?),
        0x82 => u32::from(reader.u16_be()?),
        0x83 => {
            let [a, b, c] = reader.array()?;
            u32::from_be_bytes([0, a, b, c])
        }
        0x84 => reader.u32_be()?,
        found => return Err(LengthError::Form { at, found }),
    };
    // No target of this crate has fewer than 32 bits to a pointer; a saturated length ends as a missing byte.
    Ok(usize::try_from(value).unwrap_or(usize::MAX))
}

/// Writes a length in its shortest form.
pub(crate) fn put_length(writer: &mut Writer<'_>, len: usize) -> Result<(), Full> {
    match u32::try_from(len).map_err(|_| Full { capacity: 0 })?.to_be_bytes() {
        [0, 0, 0, short @ 0..=0x7F] => writer.u8(short),
        [0, 0, 0, a] => writer.put(&[0x81, a]),
        [0, 0, a, b] => writer.put(&[0x82, a, b]),
        [0, a, b, c] => writer.put(&[0x83, a, b, c]),
        [a, b, c, d] => writer.put(&[0x84, a, b, c, d]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_five_forms_and_come_back() {
        for (len, bytes) in [
            (0x7F, &[0x7F][..]),
            (0x80, &[0x81, 0x80]),
            (0x155, &[0x82, 0x01, 0x55]),
            (0x01_0000, &[0x83, 0x01, 0x00, 0x00]),
            (0x0100_0000, &[0x84, 0x01, 0x00, 0x00, 0x00]),
        ] {
            let mut buffer = [0; 8];
            let mut writer = Writer::new(&mut buffer);
            put_length(&mut writer, len).unwrap();
            assert_eq!(writer.written(), bytes);
            assert_eq!(length(&mut Reader::new(bytes)), Ok(len));
        }
    }

    #[test]
    fn an_indefinite_length_is_refused() {
        assert_eq!(length(&mut Reader::new(&[0x80])), Err(LengthError::Form { at: 0, found: 0x80 }));
        assert_eq!(length(&mut Reader::new(&[0x85])), Err(LengthError::Form { at: 0, found: 0x85 }));
    }

    #[test]
    fn every_glo_and_ded_tag_has_a_name() {
        let named = (0..=0xFF).filter(|&tag| {
            name(tag).is_some_and(|name| name.starts_with("glo-") || name.starts_with("ded-"))
        });
        assert_eq!(named.count(), 32);
    }
}
