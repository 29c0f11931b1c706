//! What a reader tells the rest of the gateway, owned: it outlives the telegram's buffer.
use crate::found::Found;
use crate::json::{ErrorLine, Line};
use metergate_meter::detect::Detection;
use metergate_meter::models::Model;
use metergate_meter::verdict::Verdict;
use metergate_meter::{Flags, Protocol, Rejection, Security, Telegram};
use metergate_reading::{Instant, Reading, RegisterBuf};
use std::sync::Arc;

/// One thing that the reader of one meter tells.
#[derive(Debug, Clone)]
pub struct Update {
    /// The meter's name in the configuration.
    pub meter: Arc<str>,
    /// When it happened.
    pub at: Instant,
    /// It cannot wait: it comes from a line, not from a file.
    pub live: bool,
    /// Bytes received from this meter so far.
    pub bytes: u64,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum What {
    /// A telegram passed every check.
    Telegram(Box<TelegramBuf>),
    /// Bytes were refused.
    Rejected {
        /// Number among telegrams and rejections of this meter, from 0.
        number: u64,
        /// What and why.
        rejection: Rejection,
    },
    /// The meter was asked as often as allowed and did not answer.
    NoAnswer {
        /// How often.
        attempts: u8,
        /// The own request came back.
        echo: bool,
    },
    /// How the meter is doing has changed.
    Verdict(Verdict),
    /// The port was opened.
    PortOpened,
    /// The port is lost or cannot be opened; said once until it is open again.
    PortLost(String),
    /// The protocol was recognised. The next telegram proves it.
    Protocol {
        /// What is remembered of it.
        found: Found,
        /// What it was recognised by.
        detection: Detection,
    },
    /// A source beside the meters gave a reading.
    Reading(Box<Reading>),
    /// A source beside the meters cannot be read, and why; said once until it can.
    SourceFailed(String),
    /// A source beside the meters shows what has come from this gateway; said once until it does not.
    SourceLoop(String),
    /// Nothing new but the number of bytes.
    Bytes,
    /// The input has ended (standard input, a file): this is the last update of the meter.
    Ended,
}

/// [`Telegram`], owned.
#[derive(Debug, Clone)]
pub struct TelegramBuf {
    /// Number among telegrams and rejections of this meter, from 0.
    pub number: u64,
    /// Offset in the stream of the first byte of its first frame.
    pub offset: u64,
    /// Length to the last byte of its last frame.
    pub length: u64,
    /// What it is written in.
    pub protocol: Protocol,
    /// The identification line of a text protocol.
    pub identification: Option<String>,
    /// The model, when known beyond doubt.
    pub model: Option<&'static Model>,
    /// The envelope, if it came in one.
    pub security: Option<Security>,
    /// What a reader should know.
    pub flags: Flags,
    /// SML list signature, as sent.
    pub signature: Option<Vec<u8>>,
    /// What it says.
    pub reading: Reading,
}

impl TelegramBuf {
    /// Keeps a telegram.
    #[must_use]
    pub fn new(number: u64, telegram: &Telegram<'_>, received: Instant) -> Self {
        Self {
            number,
            offset: telegram.offset,
            length: telegram.length,
            protocol: telegram.protocol,
            identification: telegram.identification.map(ToOwned::to_owned),
            model: telegram.model,
            security: telegram.security,
            flags: telegram.flags,
            signature: telegram.signature.map(ToOwned::to_owned),
            reading: Reading {
                meter: telegram.meter,
                time: telegram.time,
                received,
                registers: telegram.registers.clone().map(RegisterBuf::from).collect(),
            },
        }
    }

    /// Its line of JSON: the same that `decode` prints.
    #[must_use]
    pub fn line(&self) -> Line<'_, std::slice::Iter<'_, RegisterBuf>> {
        Line {
            telegram: self.number,
            offset: self.offset,
            length: self.length,
            protocol: self.protocol,
            meter: self.reading.meter,
            identification: self.identification.as_deref(),
            model: self.model,
            time: self.reading.time,
            security: self.security,
            flags: self.flags,
            signature: self.signature.as_deref(),
            registers: self.reading.registers.iter(),
        }
    }
}

impl Update {
    /// The telegram, if it is one.
    #[must_use]
    pub fn telegram(&self) -> Option<&TelegramBuf> {
        match &self.what {
            What::Telegram(telegram) => Some(telegram),
            _ => None,
        }
    }

    /// The line of JSON of a rejection, if it is one.
    #[must_use]
    pub fn error_line(&self) -> Option<ErrorLine<'_>> {
        match &self.what {
            What::Rejected { number, rejection } => Some(ErrorLine { telegram: *number, rejection }),
            _ => None,
        }
    }
}
