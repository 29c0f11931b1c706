//! The telegrams that are damaged: every protocol, every envelope, every kind of value, written by the emitters.
mod dlms;
mod iec62056_21;
mod kmp;
mod p1;
mod sml;

use crate::damage::Bits;
use crate::naive;
use metergate_meter::{CounterPolicy, Key, Protocol, Settings};
use metergate_wire::{Full, Writer};
use std::ops::Range;

pub(crate) use dlms::{CipherSuite, decrypt};

/// The check that the link itself has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// A CRC of 16 bits, which sees every burst of 16 bits in its own order of bits.
    Crc16(Bits),
    /// A sum of 8 bits, which sees every changed byte.
    Sum8,
    /// An exclusive or of 7 bits, which sees every changed character.
    Bcc7,
    /// Nothing but the form of the text.
    Nothing,
}

impl Check {
    /// How many bits it has.
    pub(crate) fn bits(self) -> i32 {
        match self {
            Self::Crc16(_) => 16,
            Self::Sum8 => 8,
            Self::Bcc7 => 7,
            Self::Nothing => 0,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc16(_) => "CRC-16",
            Self::Sum8 => "sum of 8 bits",
            Self::Bcc7 => "BCC of 7 bits",
            Self::Nothing => "no check",
        }
    }
}

type Wrap<T> = Box<dyn Fn(&T) -> Option<Vec<u8>> + Send + Sync>;
type Read = Box<dyn Fn(&[u8]) -> Option<naive::Telegram> + Send + Sync>;

/// One telegram, layer by layer.
pub(crate) struct Base {
    /// What it is.
    pub(crate) name: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) settings: Settings,
    /// The innermost bytes, without any check.
    pub(crate) parts: Vec<Vec<u8>>,
    /// Puts the inner checks and the encryption around them; `None` when that is not possible.
    pub(crate) seal: Wrap<[Vec<u8>]>,
    /// Puts the link with its check around that; `None` when it is too long.
    pub(crate) link: Wrap<[u8]>,
    /// The naive reader of the bytes on the line.
    pub(crate) read: Read,
    pub(crate) check: Check,
    /// The bytes on the line in which a damage that the check sees for certain is refused for certain.
    pub(crate) guarded: Range<usize>,
    /// What is sealed carries a tag, and the settings have the key for it.
    pub(crate) tagged: bool,
    /// The innermost bytes are text.
    pub(crate) text: bool,
    /// Every byte says something, so that a changed one may not be overlooked.
    pub(crate) every_byte_counts: bool,
}

impl Base {
    /// The bytes on the line.
    ///
    /// # Panics
    /// When the telegram does not fit its link.
    pub(crate) fn line(&self) -> Vec<u8> {
        let sealed = (self.seal)(&self.parts).expect("the base telegram can be sealed");
        (self.link)(&sealed).expect("the base telegram fits its link")
    }

    fn guard_all(mut self) -> Self {
        self.guarded = 0..self.line().len();
        self
    }
}

/// All telegrams, with `number` in their values, so that telegrams of different numbers differ.
pub(crate) fn all(number: u32) -> Vec<Base> {
    let mut all = sml::all(number);
    all.extend(dlms::all(number));
    all.extend(p1::all(number));
    all.extend(kmp::all(number));
    all.extend(iec62056_21::all(number));
    all
}

/// Settings that take captures as they are: counters may repeat.
fn settings(key: Option<[u8; 16]>, auth_key: Option<[u8; 16]>) -> Settings {
    Settings {
        key: key.map(Key::new),
        auth_key: auth_key.map(Key::new),
        counters: CounterPolicy::Flag,
        ..Settings::default()
    }
}

/// What an emitter writes.
fn emitted(emit: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 8192];
    let mut out = Writer::new(&mut buffer);
    emit(&mut out).ok()?;
    Some(out.written().to_vec())
}
