//! DLMS over M-Bus and HDLC: every link, every envelope, every type of A-XDR.
use super::{Base, Check, emitted, settings};
use crate::damage::Bits;
use crate::naive;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{AeadInOut, Nonce};
use aes_gcm::{AesGcm, KeyInit, aes::Aes128};
use metergate_meter::{Protocol, Settings};
use metergate_wire::dlms::axdr::Value;
use metergate_wire::dlms::date_time::DateTime;
use metergate_wire::dlms::{apdu, emit, gbt};
use metergate_wire::{Full, Writer, hdlc, mbus};

type Gcm = AesGcm<Aes128, U12, U12>;

/// Keys of this campaign, used nowhere else.
pub(crate) const KEY: [u8; 16] = *b"mutation key 016";
const AUTH_KEY: [u8; 16] = *b"authentication16";
const TITLE: [u8; 8] = *b"MTG\x00\x01\x02\x03\x04";

/// What the security control byte says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CipherSuite {
    /// No envelope.
    Plain,
    /// 10: readable, with a tag.
    AuthenticationOnly,
    /// 20: encrypted, without a tag.
    EncryptionOnly,
    /// 21: the same in suite 1.
    EncryptionOnlySuite1,
    /// 30: both.
    Both,
    /// 31: both in suite 1.
    BothSuite1,
}

impl CipherSuite {
    fn control(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::AuthenticationOnly => 0x10,
            Self::EncryptionOnly => 0x20,
            Self::EncryptionOnlySuite1 => 0x21,
            Self::Both => 0x30,
            Self::BothSuite1 => 0x31,
        }
    }

    pub(crate) fn has_tag(self) -> bool {
        self.control() & 0x10 != 0
    }

    pub(crate) fn settings(self) -> Settings {
        settings((self != Self::Plain).then_some(KEY), self.has_tag().then_some(AUTH_KEY))
    }
}

fn nonce(title: &[u8], counter: &[u8]) -> Option<Nonce<Gcm>> {
    <[u8; 12]>::try_from([title, counter].concat()).ok().map(Into::into)
}

/// General-glo-ciphering around a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope {
    pub(crate) suite: CipherSuite,
    pub(crate) counter: u32,
}

impl Envelope {
    pub(crate) fn seal(self, plain: &[u8]) -> Option<Vec<u8>> {
        if self.suite == CipherSuite::Plain {
            return Some(plain.to_vec());
        }
        let control = self.suite.control();
        let counter = self.counter.to_be_bytes();
        let nonce = nonce(&TITLE, &counter)?;
        let gcm = Gcm::new(&KEY.into());
        let mut content = plain.to_vec();
        let associated = [&[control][..], &AUTH_KEY].concat();
        let tag = match control & 0x30 {
            0x10 => {
                let all = [&associated[..], plain].concat();
                Some(gcm.encrypt_inout_detached(&nonce, &all, (&mut [][..]).into()).ok()?)
            }
            0x20 => {
                gcm.encrypt_inout_detached(&nonce, &[], content.as_mut_slice().into()).ok()?;
                None
            }
            _ => Some(gcm.encrypt_inout_detached(&nonce, &associated, content.as_mut_slice().into()).ok()?),
        };
        let length = 5 + content.len() + tag.map_or(0, |tag| tag.len());
        let mut sealed = vec![0xDB, 8];
        sealed.extend(TITLE);
        match length {
            0..=0x7F => sealed.push(u8::try_from(length).ok()?),
            0x80..=0xFF => sealed.extend([0x81, u8::try_from(length).ok()?]),
            _ => {
                sealed.push(0x82);
                sealed.extend(u16::try_from(length).ok()?.to_be_bytes());
            }
        }
        sealed.push(control);
        sealed.extend(counter);
        sealed.extend(content);
        if let Some(tag) = tag {
            sealed.extend(tag);
        }
        Some(sealed)
    }
}

/// The content of general-glo-ciphering by the naive reader; of anything else the bytes themselves.
pub(crate) fn decrypt(message: &[u8]) -> Option<Vec<u8>> {
    let [0xDB, title_len, rest @ ..] = message else { return Some(message.to_vec()) };
    let (title, rest) = rest.split_at_checked(usize::from(*title_len))?;
    let (length, head) = naive::axdr::length(rest)?;
    let content = rest.get(head..)?;
    if content.len() != length {
        return None;
    }
    let (&[control, c0, c1, c2, c3], content) = content.split_first_chunk()?;
    let nonce = nonce(title, &[c0, c1, c2, c3])?;
    let gcm = Gcm::new(&KEY.into());
    let associated = [&[control][..], &AUTH_KEY].concat();
    match control {
        0x10 | 0x11 => {
            let (plain, tag) = content.split_last_chunk::<12>()?;
            let all = [&associated[..], plain].concat();
            gcm.decrypt_inout_detached(&nonce, &all, (&mut [][..]).into(), tag.into()).ok()?;
            Some(plain.to_vec())
        }
        // In counter mode encrypting once more decrypts.
        0x20 | 0x21 => {
            let mut plain = content.to_vec();
            gcm.encrypt_inout_detached(&nonce, &[], plain.as_mut_slice().into()).ok()?;
            Some(plain)
        }
        0x30 | 0x31 => {
            let (cipher, tag) = content.split_last_chunk::<12>()?;
            let mut plain = cipher.to_vec();
            gcm.decrypt_inout_detached(&nonce, &associated, plain.as_mut_slice().into(), tag.into()).ok()?;
            Some(plain)
        }
        _ => None,
    }
}

const CLOCK: [u8; 12] = [0x07, 0xEA, 0x0B, 0x14, 0x05, 0x08, 0x0F, 0x00, 0x00, 0xFF, 0xC4, 0x00];

fn notification(body: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Vec<u8> {
    emitted(|out| {
        apdu::emit_header(out, 0x4000_0000, Some(DateTime::new(CLOCK)), false)?;
        body(out)
    })
    .expect("the notification fits")
}

/// One flat structure: clock, then code, value, {scaler, unit} side by side, and the meter number last.
fn flat(number: u32) -> Vec<u8> {
    notification(|out| {
        emit::structure(out, 35)?;
        emit::value(out, Value::Octets(&CLOCK))?;
        emit::register(out, [1, 0, 1, 8, 0, 255], Value::U32(9_003_574 + number), 0, 30)?;
        emit::register(out, [1, 0, 2, 8, 0, 255], Value::U32(80), 0, 30)?;
        emit::register(out, [1, 0, 1, 7, 0, 255], Value::U32(2009), 0, 27)?;
        emit::register(out, [1, 0, 2, 7, 0, 255], Value::U32(0), 0, 27)?;
        for (c, volts) in [(32, 2313), (52, 2301), (72, 2314)] {
            emit::register(out, [1, 0, c, 7, 0, 255], Value::U16(volts), -1, 35)?;
        }
        for (c, amps) in [(31, 80), (51, 301), (71, 264)] {
            emit::register(out, [1, 0, c, 7, 0, 255], Value::U16(amps), -2, 33)?;
        }
        emit::register(out, [1, 0, 13, 7, 0, 255], Value::I16(-309), -3, 255)?;
        emit::value(out, Value::Octets(b"178210267389"))
    })
}

/// Each register a structure of its own.
fn nested(number: u32) -> Vec<u8> {
    notification(|out| {
        emit::structure(out, 8)?;
        emit::structure(out, 2)?;
        emit::value(out, Value::Octets(&[0, 0, 1, 0, 0, 255]))?;
        emit::value(out, Value::Octets(&CLOCK))?;
        emit::structure(out, 2)?;
        emit::value(out, Value::Octets(&[0, 0, 96, 1, 0, 255]))?;
        emit::value(out, Value::Octets(b"178210267389"))?;
        for (c, value) in
            [(1, Value::U32(number)), (2, Value::U64(7)), (3, Value::I32(-9)), (4, Value::I64(-10))]
        {
            emit::structure(out, 3)?;
            emit::register(out, [1, 0, c, 8, 0, 255], value, 0, 30)?;
        }
        emit::structure(out, 3)?;
        emit::register(out, [1, 0, 13, 7, 0, 255], Value::I8(-5), -3, 255)?;
        emit::structure(out, 3)?;
        emit::register(out, [1, 0, 14, 7, 0, 255], Value::U8(50), 0, 44)
    })
}

/// A list without codes: every type there is, by position.
fn every_type(number: u32) -> Vec<u8> {
    notification(|out| {
        emit::structure(out, 24)?;
        emit::value(out, Value::Visible(b"MTG_001"))?;
        emit::value(out, Value::Null)?;
        emit::value(out, Value::Bool(true))?;
        emit::value(out, Value::BitString { bits: 11, bytes: &[0xA5, 0x60] })?;
        emit::value(out, Value::I32(-70_000))?;
        emit::value(out, Value::U32(number))?;
        emit::value(out, Value::Octets(&[1, 2, 3, 4, 5]))?;
        emit::value(out, Value::Utf8("Zähler".as_bytes()))?;
        emit::value(out, Value::Bcd(0x42))?;
        emit::value(out, Value::I8(-1))?;
        emit::value(out, Value::I16(-2))?;
        emit::value(out, Value::U8(3))?;
        emit::value(out, Value::U16(4))?;
        // A compact array of long-unsigned.
        out.put(&[0x13, 0x12, 0x06, 0, 1, 0, 2, 0, 3])?;
        // A compact array of structures.
        out.put(&[0x13, 0x02, 0x02, 0x11, 0x12, 0x06, 1, 0, 2, 3, 0, 4])?;
        emit::value(out, Value::I64(i64::MIN))?;
        emit::value(out, Value::U64(u64::MAX / 2))?;
        emit::value(out, Value::Enum(30))?;
        emit::value(out, Value::F32(230.5))?;
        emit::value(out, Value::F64(-0.1))?;
        // date-time, date and time with tags of their own.
        out.u8(0x19)?;
        out.put(&CLOCK)?;
        out.put(&[0x1A, 0x07, 0xEA, 0x0B, 0x14, 0x05])?;
        out.put(&[0x1B, 0x08, 0x0F, 0x00, 0x00])?;
        emit::value(out, Value::DontCare)
    })
}

/// Which link carries a message.
#[derive(Debug, Clone, Copy)]
enum Link {
    /// M-Bus long frames with at most that many bytes of user data: 245, or 252 with a length byte that wraps.
    Mbus(usize),
    /// HDLC frames with at most that many bytes of information.
    Hdlc(usize),
    /// General block transfer with blocks of that many bytes, a frame each.
    Gbt(usize),
}

const CLIENT: &[u8] = &[0x41];
const METER: &[u8] = &[0x02, 0x23];

impl Link {
    fn carry(self, message: &[u8]) -> Option<Vec<u8>> {
        let client = hdlc::Address::new(CLIENT)?;
        let meter = hdlc::Address::new(METER)?;
        match self {
            Self::Mbus(data_len_max) => emitted(|out| mbus::emit_message(out, message, data_len_max)),
            Self::Hdlc(len_max) => emitted(|out| hdlc::emit_message(out, client, meter, message, len_max)),
            Self::Gbt(len_max) => emitted(|out| {
                for block in gbt::blocks(message, len_max) {
                    let mut information = vec![0; len_max + 16];
                    let mut writer = Writer::new(&mut information);
                    if block.number == 1 {
                        writer.put(&hdlc::LLC_FROM_SERVER)?;
                    }
                    block.emit(&mut writer)?;
                    let information = writer.written();
                    let control = hdlc::CONTROL_UI;
                    hdlc::Frame {
                        segmented: false,
                        destination: client,
                        source: meter,
                        control,
                        information,
                    }
                    .emit(out)?;
                }
                Ok(())
            }),
        }
    }

    fn join(self, line: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Mbus(_) => naive::mbus::join(line),
            Self::Hdlc(_) | Self::Gbt(_) => naive::hdlc::join(line),
        }
    }
}

fn base(name: &'static str, plain: Vec<u8>, suite: CipherSuite, link: Link, number: u32) -> Base {
    let envelope = Envelope { suite, counter: 24_581 + number };
    let (protocol, check) = match link {
        Link::Mbus(_) => (Protocol::DlmsMbus, Check::Sum8),
        Link::Hdlc(_) | Link::Gbt(_) => (Protocol::DlmsHdlc, Check::Crc16(Bits::LowFirst)),
    };
    Base {
        name,
        protocol,
        settings: suite.settings(),
        parts: vec![plain],
        seal: Box::new(move |parts| envelope.seal(&parts.concat())),
        link: Box::new(move |message| link.carry(message)),
        read: Box::new(move |line| naive::cosem::read(&decrypt(&link.join(line)?)?)),
        check,
        guarded: 0..0,
        tagged: suite.has_tag(),
        text: false,
        every_byte_counts: true,
    }
    .guard_all()
}

pub(crate) fn all(number: u32) -> Vec<Base> {
    use CipherSuite::{AuthenticationOnly, Both, BothSuite1, EncryptionOnly, EncryptionOnlySuite1, Plain};
    let n = number;
    vec![
        base("flat, 20", flat(n), EncryptionOnly, Link::Mbus(245), n),
        base("flat, 20, wrapped length", flat(n), EncryptionOnly, Link::Mbus(252), n),
        base("nested, 21", nested(n), EncryptionOnlySuite1, Link::Mbus(245), n),
        base("flat, 30", flat(n), Both, Link::Mbus(245), n),
        base("every type, plain", every_type(n), Plain, Link::Mbus(245), n),
        base("flat, plain", flat(n), Plain, Link::Hdlc(2000), n),
        base("every type, segments", every_type(n), Plain, Link::Hdlc(60), n),
        base("nested, 31, segments", nested(n), BothSuite1, Link::Hdlc(100), n),
        base("nested, 10", nested(n), AuthenticationOnly, Link::Hdlc(2000), n),
        base("flat, 20, segments", flat(n), EncryptionOnly, Link::Hdlc(120), n),
        base("nested, 30, block transfer", nested(n), Both, Link::Gbt(100), n),
        base("flat, plain, block transfer", flat(n), Plain, Link::Gbt(90), n),
    ]
}
