//! Sealing a telegram as a meter does: AES-128-GCM by IEC 62056-5-3, the counter rising with every one.
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Nonce};
use metergate_meter::{Key, Security, SecurityHeader};
use metergate_wire::Writer;
use metergate_wire::dlms::ciphering::{GeneralGloCiphering, SecurityControl};

/// What a fault makes of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Envelope {
    /// As it should be.
    #[default]
    Right,
    /// Sealed with a key that the reader does not have.
    WrongKey,
    /// With the counter of the telegram before.
    Replayed,
}

/// The keys and the counter of one meter.
#[derive(Debug)]
pub(crate) struct Cipher {
    key: Key,
    auth_key: Key,
    title: [u8; 8],
    control: SecurityControl,
    counter: u32,
}

/// Longest APDU that a simulated meter seals.
const APDU_LEN_MAX: usize = 4096;
const TAG_LEN: usize = 12;

impl Cipher {
    pub(crate) const fn new(key: Key, auth_key: Key, title: [u8; 8], control: u8, counter: u32) -> Self {
        Self { key, auth_key, title, control: SecurityControl(control), counter }
    }

    pub(crate) const fn title(&self) -> &[u8; 8] {
        &self.title
    }

    /// The APDU around `plain`, and what its header says.
    pub(crate) fn seal(&mut self, plain: &[u8], envelope: Envelope) -> (Vec<u8>, Security) {
        if envelope != Envelope::Replayed {
            self.counter = self.counter.wrapping_add(1);
        }
        let mut key = *self.key.bytes();
        if envelope == Envelope::WrongKey {
            key.iter_mut().for_each(|byte| *byte ^= 0x5A);
        }
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.title);
        nonce[8..].copy_from_slice(&self.counter.to_be_bytes());
        let authenticated = self.control.is_authenticated();
        let mut aad = vec![self.control.0];
        aad.extend_from_slice(self.auth_key.bytes());
        if !authenticated {
            aad.clear();
        }
        let mut ciphertext = plain.to_vec();
        let tag = Aes128Gcm::new(&key.into())
            .encrypt_inout_detached(&Nonce::from(nonce), &aad, ciphertext.as_mut_slice().into())
            .expect("a telegram is far shorter than what GCM can seal");
        let mut short_tag = [0; TAG_LEN];
        short_tag.copy_from_slice(&tag[..TAG_LEN]);
        let message = GeneralGloCiphering {
            system_title: &self.title,
            security_control: self.control,
            invocation_counter: self.counter,
            ciphertext: &ciphertext,
            tag: authenticated.then_some(&short_tag),
        };
        let apdu = written(APDU_LEN_MAX, |out| message.emit(out));
        (
            apdu,
            Security {
                header: SecurityHeader::new(&self.title, self.control.0, self.counter),
                authenticated,
            },
        )
    }
}

/// What `emit` writes into a buffer of `capacity` bytes.
///
/// # Panics
/// When that is too small: the simulated telegrams are of known size.
pub(crate) fn written<E: std::fmt::Debug>(
    capacity: usize,
    emit: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
) -> Vec<u8> {
    let mut buffer = vec![0; capacity];
    let mut writer = Writer::new(&mut buffer);
    emit(&mut writer).expect("a simulated telegram fits its buffer");
    let len = writer.len();
    buffer.truncate(len);
    buffer
}
