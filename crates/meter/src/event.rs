//! What a conversation tells.
use crate::models::Model;
use crate::{LineSettings, Protocol, Registers, Rejection};
use core::fmt;
use metergate_reading::{DateTime, MeterId};

/// One thing that a conversation tells its driver.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a telegram is the usual event, and there is no box without an allocator"
)]
pub enum Event<'a> {
    /// A telegram that passed every check.
    Telegram(Telegram<'a>),
    /// Bytes that were refused: a damaged or unreadable telegram, or noise. The stream goes on.
    Rejected(Rejection),
    /// An order to set the line, once all bytes handed out by `poll_transmit` have left the port.
    Line(LineSettings),
    /// A request was repeated as often as allowed and the meter did not answer.
    NoAnswer {
        /// How often it was asked.
        attempts: u8,
        /// The own request came back: the head echoes, the meter is silent.
        echo: bool,
    },
}

/// A telegram that passed every check, borrowed from the conversation's buffer.
#[derive(Debug)]
pub struct Telegram<'a> {
    /// Offset in the stream of the first byte of its first frame.
    pub offset: u64,
    /// Length to the last byte of its last frame.
    pub length: u64,
    /// What it is written in.
    pub protocol: Protocol,
    /// Who speaks, if the telegram tells.
    pub meter: Option<MeterId>,
    /// The identification line of P1 and IEC 62056-21, without the slash.
    pub identification: Option<&'a str>,
    /// The model, when the telegram names it beyond doubt or the settings do.
    pub model: Option<&'static Model>,
    /// The meter's own date and time.
    pub time: Option<DateTime>,
    /// The envelope, if it came in one.
    pub security: Option<Security>,
    /// What a reader should know.
    pub flags: Flags,
    /// SML list signature, as sent. It is not verified: no vector to verify against is known.
    pub signature: Option<&'a [u8]>,
    /// Its registers, in the telegram's order.
    pub registers: Registers<'a>,
}

/// What a reader of a telegram should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// The frame around is damaged; the value list has its own right checksum.
    pub salvaged: bool,
    /// The invocation counter is not above the last one.
    pub replayed: bool,
    /// It was encrypted and no tag was checked.
    pub unauthenticated: bool,
}

/// The header of an encrypted telegram, readable without a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecurityHeader {
    title: [u8; SecurityHeader::TITLE_LEN_MAX],
    title_len: u8,
    /// Security control byte (IEC 62056-5-3): bits 0-3 suite, 4 authentication, 5 encryption, 6 broadcast key,
    /// 7 compression.
    pub security_control: u8,
    /// Invocation counter.
    pub invocation_counter: u32,
}

impl SecurityHeader {
    /// The longest system title kept here. The standard has 8 bytes; longer ones are shown cut to this.
    pub const TITLE_LEN_MAX: usize = 32;

    /// A header from its parts; a title beyond 32 bytes is cut for display.
    #[must_use]
    pub fn new(system_title: &[u8], security_control: u8, invocation_counter: u32) -> Self {
        let len = system_title.len().min(Self::TITLE_LEN_MAX);
        let mut title = [0; Self::TITLE_LEN_MAX];
        title.iter_mut().zip(system_title).for_each(|(slot, &byte)| *slot = byte);
        Self { title, title_len: u8::try_from(len).unwrap_or(0), security_control, invocation_counter }
    }

    /// The system title.
    #[must_use]
    pub fn system_title(&self) -> &[u8] {
        self.title.get(..usize::from(self.title_len)).unwrap_or_default()
    }
}

impl fmt::Debug for SecurityHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityHeader")
            .field("system_title", &self.system_title())
            .field("security_control", &self.security_control)
            .field("invocation_counter", &self.invocation_counter)
            .finish()
    }
}

/// The envelope of a telegram that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Security {
    /// Its header.
    pub header: SecurityHeader,
    /// The tag was checked with the authentication key and is right.
    pub authenticated: bool,
}
