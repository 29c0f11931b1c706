//! What DLMS meters push: a list of registers, plain, sealed, and framed for M-Bus and HDLC.
use super::written;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, AesGcm, KeyInit, Nonce, aes::Aes128};
use metergate_wire::dlms::axdr::Value;
use metergate_wire::dlms::ciphering::{GeneralGloCiphering, SecurityControl};
use metergate_wire::dlms::date_time::DateTime;
use metergate_wire::dlms::{apdu, emit};
use metergate_wire::{hdlc, mbus};

/// A dummy encryption key.
pub const KEY: [u8; 16] = *b"dummy key, 16 by";
/// A dummy authentication key.
pub const AUTH_KEY: [u8; 16] = *b"another, also 16";
/// Who encrypts: an invented maker.
pub const SYSTEM_TITLE: [u8; 8] = *b"MTG\x00\x00\x00\x00\x2A";

/// Registers of [`notification`]: twelve numbers, the clock and two names.
pub const VALUES: usize = 15;

/// Encryption only.
pub const ENCRYPTED: u8 = 0x20;
/// Encryption and a tag.
pub const AUTHENTICATED: u8 = 0x30;

/// 2026-11-20 08:00:00, one hour before UTC, clock valid.
const CLOCK: [u8; 12] = [0x07, 0xEA, 11, 20, 5, 8, 0, 0, 0, 0xFF, 0xC4, 0];

/// A plain data-notification of 336 bytes: the registers of a three-phase meter, each in a structure of its own.
#[must_use]
pub fn notification() -> Vec<u8> {
    let energies: [([u8; 3], u32, u8); 6] = [
        ([1, 8, 0], 12_345_678, 30),
        ([2, 8, 0], 1_234_567, 30),
        ([1, 7, 0], 0, 27),
        ([2, 7, 0], 1_487, 27),
        ([3, 8, 0], 345_678, 32),
        ([4, 8, 0], 45_678, 32),
    ];
    let phases: [([u8; 3], u16, i8, u8); 6] = [
        ([32, 7, 0], 2_314, -1, 35),
        ([52, 7, 0], 2_308, -1, 35),
        ([72, 7, 0], 2_321, -1, 35),
        ([31, 7, 0], 101, -2, 33),
        ([51, 7, 0], 202, -2, 33),
        ([71, 7, 0], 343, -2, 33),
    ];
    written(|out| {
        apdu::emit_header(out, 42, Some(DateTime::new(CLOCK)), false)?;
        emit::structure(out, VALUES)?;
        for (obis, value) in [([0, 0, 1, 0, 0, 255], &CLOCK[..]), ([0, 0, 96, 1, 0, 255], b"1MTG0000000042")]
        {
            emit::structure(out, 2)?;
            emit::value(out, Value::Octets(&obis))?;
            emit::value(out, Value::Octets(value))?;
        }
        emit::structure(out, 2)?;
        emit::value(out, Value::Octets(&[0, 0, 42, 0, 0, 255]))?;
        emit::value(out, Value::Octets(b"MTG10000000042"))?;
        for ([c, d, e], value, unit) in energies {
            emit::structure(out, 3)?;
            emit::register(out, [1, 0, c, d, e, 255], Value::U32(value), 0, unit)?;
        }
        for ([c, d, e], value, scaler, unit) in phases {
            emit::structure(out, 3)?;
            emit::register(out, [1, 0, c, d, e, 255], Value::U16(value), scaler, unit)?;
        }
        Ok(())
    })
}

/// Seals a message with the dummy keys. This is not the code that opens it: two readings of the standard must agree.
#[must_use]
pub fn sealed(plain: &[u8], security_control: u8) -> Vec<u8> {
    let control = SecurityControl(security_control);
    let counter: u32 = 42;
    let cipher = AesGcm::<Aes128, U12, U12>::new(&KEY.into());
    let nonce: Vec<u8> = SYSTEM_TITLE.iter().copied().chain(counter.to_be_bytes()).collect();
    let nonce = Nonce::<U12>::try_from(nonce.as_slice()).expect("eight bytes of title and four of counter");
    let associated: Vec<u8> = std::iter::once(security_control).chain(AUTH_KEY).collect();
    let mut ciphertext = plain.to_vec();
    let text = InOutBuf::from(ciphertext.as_mut_slice());
    let tag = cipher.encrypt_inout_detached(&nonce, &associated, text).expect("a telegram is not too long");
    let tag: [u8; 12] = tag.into();
    let message = GeneralGloCiphering {
        system_title: &SYSTEM_TITLE,
        security_control: control,
        invocation_counter: counter,
        ciphertext: &ciphertext,
        tag: control.is_authenticated().then_some(&tag),
    };
    written(|out| message.emit(out))
}

/// An APDU in M-Bus long frames of up to 245 bytes of data (length field FA), as Kaifa sends it.
#[must_use]
pub fn over_mbus(apdu: &[u8]) -> Vec<u8> {
    written(|out| mbus::emit_message(out, apdu, 245))
}

/// An APDU in HDLC frames of 128 bytes of information, as many meters send it.
#[must_use]
pub fn over_hdlc(apdu: &[u8]) -> Vec<u8> {
    let address = |bytes| hdlc::Address::new(bytes).expect("an address ends with an odd byte");
    written(|out| hdlc::emit_message(out, address(&[0x41]), address(&[0x08, 0x83]), apdu, 128))
}
