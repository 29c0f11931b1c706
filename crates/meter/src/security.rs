//! Opening of encrypted telegrams (IEC 62056-5-3:2023, 5.3 and 6.5): AES-128-GCM, keys and invocation counters.
//!
//! DLMS over M-Bus and HDLC and encrypted P1 share the envelope general-glo-ciphering, and so they share this module:
//!
//! 1. [`Opener::open`] decrypts in place and notes what the tag says;
//! 2. the caller reads the plaintext. When it makes no sense, [`Opened::bad_plaintext`] says whose fault that is;
//! 3. when it does make sense, [`Opener::accept`] judges tag and invocation counter.
//!
//! That order tells a wrong key from a wrong authentication key: GCM decrypts with the encryption key alone, and only
//! the tag needs both.
//!
//! | security control | content | tag |
//! |---|---|---|
//! | 10, 11 | plain | 12 bytes |
//! | 20, 21 | encrypted | none: nothing but link checks, structure and counter speak for it |
//! | 30, 31 | encrypted | 12 bytes |
//!
//! The initialisation vector is the system title (8 bytes) and the invocation counter (4 bytes); the additional
//! authenticated data are the security control byte and the authentication key, and the content when it is plain.
use crate::{Code, CounterPolicy, Flags, Key, Security, SecurityHeader, Settings};
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::{AesGcm, KeyInit, aes::Aes128};
use core::fmt;
use ctr::cipher::{InnerIvInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::{CtrCore, flavors::Ctr32BE};
use metergate_wire::dlms::ciphering::{AUTHENTICATION_TAG_LEN, SecurityControl};
use zeroize::Zeroize;

/// The block cipher, and the mode that adds the tag to it. Both wipe themselves.
struct Cipher {
    block: Aes128,
    gcm: AesGcm<Aes128, U12, U12>,
}

impl Cipher {
    fn new(key: &Key) -> Self {
        let block = Aes128::new(key.bytes().into());
        Self { gcm: AesGcm::from(block.clone()), block }
    }

    /// Decrypts or encrypts, which is the same in counter mode, without looking at a tag.
    fn apply_keystream(&self, nonce: &Nonce, content: &mut [u8]) {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *nonce;
        // GCM takes counter 1 for the tag; the content begins with 2 (NIST SP 800-38D, 7.1).
        let first = [a, b, c, d, e, f, g, h, i, j, k, l, 0, 0, 0, 2];
        let core = CtrCore::<&Aes128, Ctr32BE>::inner_iv_init(&self.block, &first.into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream(content);
    }
}

/// System title and invocation counter: the initialisation vector.
type Nonce = [u8; 12];

/// Length of the system title that the initialisation vector has room for.
const SYSTEM_TITLE_LEN: usize = 8;
/// Longest plain content whose tag is checked: it is copied behind the authentication key. No household meter is known
/// to authenticate without encrypting.
const AUTHENTICATED_ONLY_LEN_MAX: usize = 1024;
/// System titles whose counters are remembered: a line with more than four meters on it is none of a household.
const TITLES_MAX: usize = 4;

/// Opens the telegrams of one meter. Holds its keys, which never print, and its counters.
pub struct Opener {
    cipher: Option<Cipher>,
    auth_key: Option<Key>,
    policy: CounterPolicy,
    /// Headers of the last accepted telegrams, the latest first.
    accepted: [Option<SecurityHeader>; TITLES_MAX],
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("key", &self.cipher.is_some())
            .field("auth_key", &self.auth_key.is_some())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// What is known about the tag of a telegram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TagCheck {
    /// It has none.
    Absent,
    /// There is no authentication key to check it with.
    Unchecked,
    Right,
    Wrong,
}

/// A telegram that was decrypted but not yet believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the tag and the counter are judged by `Opener::accept`"]
pub struct Opened {
    header: SecurityHeader,
    tag: TagCheck,
}

impl Opened {
    /// Why the plaintext makes no sense: [`Error::WrongKey`], unless the right tag proves the key. Then it is as the
    /// meter sent it, and the caller's own error is the answer.
    #[must_use]
    pub fn bad_plaintext(&self) -> Option<Error> {
        (self.tag != TagCheck::Right).then_some(Error::WrongKey)
    }
}

impl Opener {
    /// Takes keys, counter policy and the last accepted counter out of the settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let cipher = settings.key.as_ref().map(Cipher::new);
        let mut accepted = [None; TITLES_MAX];
        if let Some(first) = accepted.first_mut() {
            *first = settings.last_accepted;
        }
        Self { cipher, auth_key: settings.auth_key.clone(), policy: settings.counters, accepted }
    }

    /// Decrypts `content` in place and checks its tag, if there is one and a key for it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for what the security control byte or the system title asks and nobody here can do;
    /// [`Error::MissingKey`] when the content is encrypted and there is no key. `content` is unchanged then.
    pub fn open(
        &self,
        header: SecurityHeader,
        content: &mut [u8],
        tag: Option<&[u8; AUTHENTICATION_TAG_LEN]>,
    ) -> Result<Opened, Error> {
        let control = SecurityControl(header.security_control);
        if let Some(unsupported) = unsupported(control) {
            return Err(Error::Unsupported(unsupported));
        }
        let opened = |tag| Ok(Opened { header, tag });
        let Some(cipher) = &self.cipher else {
            return if control.is_encrypted() { Err(Error::MissingKey) } else { opened(TagCheck::Unchecked) };
        };
        let Ok(title) = <[u8; SYSTEM_TITLE_LEN]>::try_from(header.system_title()) else {
            return Err(Error::Unsupported(Unsupported::SystemTitle { len: header.system_title().len() }));
        };
        let nonce = nonce(title, header.invocation_counter);
        match (tag, &self.auth_key) {
            (Some(tag), Some(auth_key)) if control.is_encrypted() => {
                let data = associated_data(control, auth_key);
                let checked =
                    cipher.gcm.decrypt_inout_detached(&nonce.into(), &*data, content.into(), tag.into());
                if checked.is_ok() {
                    return opened(TagCheck::Right);
                }
                // A wrong tag leaves the ciphertext; the plaintext tells which of the two keys is wrong.
                cipher.apply_keystream(&nonce, content);
                opened(TagCheck::Wrong)
            }
            (Some(tag), Some(auth_key)) => {
                let right = with_plain_data(control, auth_key, content, |data| {
                    cipher
                        .gcm
                        .decrypt_inout_detached(&nonce.into(), data, (&mut [][..]).into(), tag.into())
                        .is_ok()
                })?;
                opened(if right { TagCheck::Right } else { TagCheck::Wrong })
            }
            (tag, _) => {
                if control.is_encrypted() {
                    cipher.apply_keystream(&nonce, content);
                }
                opened(if tag.is_some() { TagCheck::Unchecked } else { TagCheck::Absent })
            }
        }
    }

    /// Judges a telegram whose plaintext makes sense, and remembers its counter.
    ///
    /// # Errors
    /// [`Error::AuthenticationFailed`] when the tag is wrong; [`Error::Replayed`] when the counter is not above the last
    /// one of this system title and the policy is strict.
    pub fn accept(&mut self, opened: Opened) -> Result<(Security, Flags), Error> {
        if opened.tag == TagCheck::Wrong {
            return Err(Error::AuthenticationFailed);
        }
        let header = opened.header;
        let found = header.invocation_counter;
        let slot = self.accepted.iter().position(|accepted| {
            accepted.is_some_and(|accepted| accepted.system_title() == header.system_title())
        });
        let last = slot.and_then(|slot| *self.accepted.get(slot)?);
        let replayed = last.filter(|last| found <= last.invocation_counter);
        if let (Some(last), CounterPolicy::Strict) = (replayed, self.policy) {
            return Err(Error::Replayed { last: last.invocation_counter, found });
        }
        // The latest title moves to the front, the one heard longest ago falls out.
        if let Some(older) = self.accepted.get_mut(..=slot.unwrap_or(TITLES_MAX - 1)) {
            older.rotate_right(1);
        }
        if let Some(first) = self.accepted.first_mut() {
            // A replayed telegram does not lower what was reached.
            *first = if replayed.is_some() { last } else { Some(header) };
        }
        let authenticated = opened.tag == TagCheck::Right;
        let flags =
            Flags { replayed: replayed.is_some(), unauthenticated: !authenticated, ..Flags::default() };
        Ok((Security { header, authenticated }, flags))
    }
}

/// Encrypts `content` in place as a meter does, and returns the tag when `security_control` asks for one.
///
/// # Errors
/// [`Error::MissingKey`] when a tag is asked for and no authentication key is given; [`Error::Unsupported`] as for
/// [`Opener::open`].
///
/// ```
/// use metergate_meter::{Key, SecurityHeader, Settings, security::{self, Opener}};
///
/// let key: Key = "000102030405060708090A0B0C0D0E0F".parse()?;
/// let header = SecurityHeader::new(b"KFM12345", 0x20, 7);
/// let mut content = *b"plain";
/// security::seal(&key, None, header, &mut content).expect("supported");
///
/// let mut opener = Opener::new(&Settings { key: Some(key), ..Settings::default() });
/// let opened = opener.open(header, &mut content, None).expect("a key is there");
/// assert_eq!(&content, b"plain");
/// assert!(opener.accept(opened).is_ok());
/// assert!(opener.accept(opened).is_err(), "the same counter again is a replay");
/// # Ok::<(), metergate_meter::ParseKeyError>(())
/// ```
pub fn seal(
    key: &Key,
    auth_key: Option<&Key>,
    header: SecurityHeader,
    content: &mut [u8],
) -> Result<Option<[u8; AUTHENTICATION_TAG_LEN]>, Error> {
    let control = SecurityControl(header.security_control);
    if let Some(unsupported) = unsupported(control) {
        return Err(Error::Unsupported(unsupported));
    }
    let Ok(title) = <[u8; SYSTEM_TITLE_LEN]>::try_from(header.system_title()) else {
        return Err(Error::Unsupported(Unsupported::SystemTitle { len: header.system_title().len() }));
    };
    let cipher = Cipher::new(key);
    let nonce = nonce(title, header.invocation_counter);
    if !control.is_authenticated() {
        cipher.apply_keystream(&nonce, content);
        return Ok(None);
    }
    let auth_key = auth_key.ok_or(Error::MissingKey)?;
    if !control.is_encrypted() {
        return with_plain_data(control, auth_key, content, |data| {
            cipher.gcm.encrypt_inout_detached(&nonce.into(), data, (&mut [][..]).into()).ok().map(Into::into)
        });
    }
    let data = associated_data(control, auth_key);
    // GCM refuses only what is longer than 64 GiB.
    let tag = cipher.gcm.encrypt_inout_detached(&nonce.into(), &*data, content.into()).ok();
    Ok(tag.map(Into::into))
}

fn unsupported(control: SecurityControl) -> Option<Unsupported> {
    if control.suite() > 1 {
        Some(Unsupported::Suite(control.suite()))
    } else if control.uses_broadcast_key() {
        Some(Unsupported::BroadcastKey)
    } else if control.is_compressed() {
        Some(Unsupported::Compression)
    } else if !control.is_encrypted() && !control.is_authenticated() {
        Some(Unsupported::NoProtection)
    } else {
        None
    }
}

fn nonce([a, b, c, d, e, f, g, h]: [u8; SYSTEM_TITLE_LEN], counter: u32) -> Nonce {
    let [i, j, k, l] = counter.to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

/// Security control byte and authentication key. Wiped when dropped.
fn associated_data(control: SecurityControl, auth_key: &Key) -> zeroize::Zeroizing<[u8; 17]> {
    let mut data = [0; 17];
    let (first, rest) = data.split_at_mut(1);
    first.fill(control.0);
    rest.copy_from_slice(auth_key.bytes());
    data.into()
}

/// Calls `check` with the additional authenticated data of a content that stays plain: it is part of them.
fn with_plain_data<T>(
    control: SecurityControl,
    auth_key: &Key,
    content: &[u8],
    check: impl FnOnce(&[u8]) -> T,
) -> Result<T, Error> {
    let mut data = [0; 17 + AUTHENTICATED_ONLY_LEN_MAX];
    let (head, rest) = data.split_at_mut(17);
    head.copy_from_slice(&*associated_data(control, auth_key));
    let too_long = Error::Unsupported(Unsupported::AuthenticatedOnly { len: content.len() });
    rest.get_mut(..content.len()).ok_or(too_long)?.copy_from_slice(content);
    let checked = check(data.get(..17 + content.len()).unwrap_or_default());
    data.zeroize();
    Ok(checked)
}

/// What a telegram asks for and nobody here can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// A security suite other than 0 and 1: 2 encrypts with AES-256.
    Suite(u8),
    /// Bit 6: the broadcast key.
    BroadcastKey,
    /// Bit 7: compressed before encryption.
    Compression,
    /// Neither bit 4 nor bit 5: an envelope that protects nothing.
    NoProtection,
    /// A system title that is not of 8 bytes makes no initialisation vector.
    SystemTitle {
        /// Its length.
        len: usize,
    },
    /// A plain content with a tag, too long to check it.
    AuthenticatedOnly {
        /// Its length.
        len: usize,
    },
    /// Another protected message than general-glo-ciphering.
    Apdu(&'static str),
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suite(suite) => write!(f, "security suite {suite}"),
            Self::BroadcastKey => f.write_str("the broadcast key"),
            Self::Compression => f.write_str("compression before encryption"),
            Self::NoProtection => f.write_str("an envelope that neither encrypts nor authenticates"),
            Self::SystemTitle { len } => write!(f, "a system title of {len} bytes in place of 8"),
            Self::AuthenticatedOnly { len } => write!(
                f,
                "a plain content of {len} bytes with a tag ({AUTHENTICATED_ONLY_LEN_MAX} are the limit)"
            ),
            Self::Apdu(name) => f.write_str(name),
        }
    }
}

/// Why an encrypted telegram was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// It is encrypted, and there is no key.
    MissingKey,
    /// The plaintext makes no sense.
    WrongKey,
    /// The plaintext makes sense, and the tag is wrong: the authentication key is wrong, or someone changed the
    /// telegram.
    AuthenticationFailed,
    /// The telegram asks for something that nobody here can do.
    Unsupported(Unsupported),
    /// The invocation counter is not above the last one.
    Replayed {
        /// The last accepted counter of this system title.
        last: u32,
        /// The counter of this telegram.
        found: u32,
    },
}

impl Error {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::MissingKey => Code::MissingKey,
            Self::WrongKey => Code::WrongKey,
            Self::AuthenticationFailed => Code::AuthenticationFailed,
            Self::Unsupported(_) => Code::UnsupportedSecurity,
            Self::Replayed { .. } => Code::Replayed,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingKey => f.write_str("the telegram is encrypted and no key is given"),
            Self::WrongKey => f.write_str("the key is wrong: what it decrypts makes no sense"),
            Self::AuthenticationFailed => f.write_str(
                "the key is right and the authentication tag is not: the authentication key is wrong, or the telegram \
                 was changed on its way",
            ),
            Self::Unsupported(what) => write!(f, "the telegram uses {what}, which is not supported"),
            Self::Replayed { last, found } => {
                write!(f, "the invocation counter is {found}, and {last} was there before: a repeated telegram")
            }
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    // DLMS UA 1000-2 (Green Book), table of example for ciphering with global keys: get-request of attribute 2 of
    // the clock, system title of the client, invocation counter 01234567.
    const KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const AUTH_KEY: [u8; 16] =
        [0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF];
    const TITLE: [u8; 8] = [0x4D, 0x4D, 0x4D, 0x00, 0x00, 0xBC, 0x61, 0x4E];
    const PLAIN: [u8; 13] = [0xC0, 0x01, 0x00, 0x00, 0x08, 0x00, 0x00, 0x01, 0x00, 0x00, 0xFF, 0x02, 0x00];
    const CIPHERTEXT: [u8; 13] =
        [0x41, 0x13, 0x12, 0xFF, 0x93, 0x5A, 0x47, 0x56, 0x68, 0x27, 0xC4, 0x67, 0xBC];
    const TAG_OF_ENCRYPTED: [u8; 12] =
        [0x7D, 0x82, 0x5C, 0x3B, 0xE4, 0xA7, 0x7C, 0x3F, 0xCC, 0x05, 0x6B, 0x6B];
    const TAG_OF_PLAIN: [u8; 12] = [0x06, 0x72, 0x5D, 0x91, 0x0F, 0x92, 0x21, 0xD2, 0x63, 0x87, 0x75, 0x16];

    fn header(security_control: u8, invocation_counter: u32) -> SecurityHeader {
        SecurityHeader::new(&TITLE, security_control, invocation_counter)
    }

    fn opener(key: Option<[u8; 16]>, auth_key: Option<[u8; 16]>, counters: CounterPolicy) -> Opener {
        Opener::new(&Settings {
            key: key.map(Key::new),
            auth_key: auth_key.map(Key::new),
            counters,
            ..Settings::default()
        })
    }

    #[test]
    fn vectors_of_the_green_book_are_sealed_and_opened() {
        for (control, ciphertext, tag) in [
            (0x10, PLAIN, Some(TAG_OF_PLAIN)),
            (0x20, CIPHERTEXT, None),
            (0x30, CIPHERTEXT, Some(TAG_OF_ENCRYPTED)),
        ] {
            let header = header(control, 0x0123_4567);
            let mut content = PLAIN;
            let sealed = seal(&Key::new(KEY), Some(&Key::new(AUTH_KEY)), header, &mut content);
            assert_eq!((content, sealed), (ciphertext, Ok(tag)), "{control:02X}");
            let mut opener = opener(Some(KEY), Some(AUTH_KEY), CounterPolicy::Strict);
            let opened = opener.open(header, &mut content, tag.as_ref()).unwrap();
            let (security, flags) = opener.accept(opened).unwrap();
            assert_eq!((content, security.authenticated), (PLAIN, tag.is_some()), "{control:02X}");
            assert_eq!(flags.unauthenticated, tag.is_none());
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_fails_the_tag() {
        for bit in 0..8 * (13 + 12 + 16 + 8 + 4) {
            let (mut ciphertext, mut tag, mut auth_key) = (CIPHERTEXT, TAG_OF_ENCRYPTED, AUTH_KEY);
            let (mut title, mut counter) = (TITLE, 0x0123_4567_u32.to_be_bytes());
            let mut fields: [&mut [u8]; 5] =
                [&mut ciphertext, &mut tag, &mut auth_key, &mut title, &mut counter];
            let byte = fields.iter_mut().flat_map(|field| field.iter_mut()).nth(bit / 8).unwrap();
            *byte ^= 1 << (bit % 8);
            let header = SecurityHeader::new(&title, 0x30, u32::from_be_bytes(counter));
            let mut opener = opener(Some(KEY), Some(auth_key), CounterPolicy::Flag);
            let opened = opener.open(header, &mut ciphertext, Some(&tag)).unwrap();
            assert_eq!(opener.accept(opened), Err(Error::AuthenticationFailed), "bit {bit}");
        }
    }

    #[test]
    fn a_wrong_tag_still_shows_the_plaintext_to_tell_the_keys_apart() {
        let mut content = CIPHERTEXT;
        let opener = opener(Some(KEY), Some([0; 16]), CounterPolicy::Strict);
        let opened = opener.open(header(0x30, 0x0123_4567), &mut content, Some(&TAG_OF_ENCRYPTED)).unwrap();
        assert_eq!(content, PLAIN);
        assert_eq!(opened.bad_plaintext(), Some(Error::WrongKey));
    }

    #[test]
    fn a_right_tag_proves_the_key() {
        let mut content = CIPHERTEXT;
        let opener = opener(Some(KEY), Some(AUTH_KEY), CounterPolicy::Strict);
        let opened = opener.open(header(0x30, 0x0123_4567), &mut content, Some(&TAG_OF_ENCRYPTED)).unwrap();
        assert_eq!(opened.bad_plaintext(), None);
    }

    #[test]
    fn without_an_authentication_key_a_telegram_counts_as_unauthenticated() {
        let mut content = CIPHERTEXT;
        let mut opener = opener(Some(KEY), None, CounterPolicy::Strict);
        let opened = opener.open(header(0x30, 0x0123_4567), &mut content, Some(&TAG_OF_ENCRYPTED)).unwrap();
        let (security, flags) = opener.accept(opened).unwrap();
        assert_eq!((content, security.authenticated, flags.unauthenticated), (PLAIN, false, true));
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let opener = opener(Some(KEY), Some(AUTH_KEY), CounterPolicy::Strict);
        for (control, unsupported) in [
            (0x32, Unsupported::Suite(2)),
            (0x6F, Unsupported::Suite(15)),
            (0x60, Unsupported::BroadcastKey),
            (0xA0, Unsupported::Compression),
            (0x01, Unsupported::NoProtection),
        ] {
            let mut content = CIPHERTEXT;
            let refused = opener.open(header(control, 1), &mut content, None);
            assert_eq!(refused, Err(Error::Unsupported(unsupported)), "{control:02X}");
            assert_eq!(content, CIPHERTEXT, "untouched");
        }
        let short = SecurityHeader::new(b"SHORT", 0x20, 1);
        let refused = opener.open(short, &mut [0; 4], None);
        assert_eq!(refused, Err(Error::Unsupported(Unsupported::SystemTitle { len: 5 })));
    }

    #[test]
    fn without_a_key_only_plain_content_is_read() {
        let mut opener = opener(None, None, CounterPolicy::Strict);
        assert_eq!(opener.open(header(0x30, 1), &mut [0; 4], Some(&[0; 12])), Err(Error::MissingKey));
        let opened = opener.open(header(0x10, 1), &mut [0; 4], Some(&[0; 12])).unwrap();
        assert!(!opener.accept(opened).unwrap().0.authenticated);
    }

    fn accept(opener: &mut Opener, header: SecurityHeader) -> Result<Flags, Error> {
        let opened = opener.open(header, &mut [], None).unwrap();
        opener.accept(opened).map(|(_, flags)| flags)
    }

    #[test]
    fn a_repeated_or_lower_invocation_counter_is_rejected() {
        let mut opener = opener(Some(KEY), None, CounterPolicy::Strict);
        assert!(accept(&mut opener, header(0x20, 7)).is_ok());
        for found in [7, 6, 0] {
            assert_eq!(accept(&mut opener, header(0x20, found)), Err(Error::Replayed { last: 7, found }));
        }
        assert!(accept(&mut opener, header(0x20, 8)).is_ok());
    }

    #[test]
    fn with_captures_a_repeated_counter_is_flagged_and_does_not_lower_the_mark() {
        let mut opener = opener(Some(KEY), None, CounterPolicy::Flag);
        let flags: std::vec::Vec<_> = [7, 5, 6, 8]
            .map(|counter| accept(&mut opener, header(0x20, counter)).unwrap().replayed)
            .into_iter()
            .collect();
        assert_eq!(flags, [false, true, true, false]);
    }

    #[test]
    fn counters_of_several_titles_are_kept_apart() {
        let mut opener = opener(Some(KEY), None, CounterPolicy::Strict);
        let of = |letter: u8, counter| SecurityHeader::new(&[letter; 8], 0x20, counter);
        for letter in b"abcd" {
            assert!(accept(&mut opener, of(*letter, 9)).is_ok());
        }
        assert!(accept(&mut opener, of(b'a', 9)).is_err());
        assert!(accept(&mut opener, of(b'b', 10)).is_ok());
        assert!(accept(&mut opener, of(b'a', 10)).is_ok());
    }

    #[test]
    fn the_counter_survives_a_restart() {
        let last_accepted = Some(header(0x20, 100));
        let settings = Settings { key: Some(Key::new(KEY)), last_accepted, ..Settings::default() };
        let mut opener = Opener::new(&settings);
        let replayed = Err(Error::Replayed { last: 100, found: 100 });
        assert_eq!(accept(&mut opener, header(0x20, 100)), replayed);
        assert!(accept(&mut opener, header(0x20, 101)).is_ok());
    }

    #[test]
    fn keys_never_print() {
        let opener = opener(Some(KEY), Some(AUTH_KEY), CounterPolicy::Strict);
        let text = std::format!("{opener:?}");
        assert!(text.starts_with("Opener { key: true, auth_key: true"), "{text}");
        assert!(!text.contains("208") && !text.to_lowercase().contains("d0"), "{text}");
    }
}
