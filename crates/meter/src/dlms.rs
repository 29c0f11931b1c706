//! Meters that push DLMS: frames become a message, a message a data-notification, and that a list of registers.
//!
//! ```text
//! M-Bus frames, joined by CI sequence ─┐
//!                                      ├─> [general block transfer] ─> [general-glo-ciphering] ─> data-notification
//! HDLC frames, joined by S bit ────────┘
//! ```
//!
//! [`Mbus`] and [`Hdlc`] are the conversations. Both join in the stream's buffer, decrypt there and lend the telegram
//! from there.
mod hdlc;
mod mbus;
mod message;
mod registers;
mod value;

pub use hdlc::Hdlc;
pub use mbus::Mbus;
pub use registers::Registers;

use crate::{Code, security};
use core::fmt;
use metergate_wire::dlms::{self, apdu, axdr, ciphering, gbt};
use metergate_wire::{hdlc as hdlc_wire, mbus as mbus_wire};

/// Why a telegram was refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cause {
    /// The M-Bus frame.
    Mbus(mbus_wire::Error),
    /// An M-Bus frame that carries no DLMS.
    Ci {
        /// Its CI field.
        found: u8,
    },
    /// M-Bus segments out of order: one was lost, or the beginning was not heard.
    Segment {
        /// The number that was due, modulo 16.
        expected: u8,
        /// The number that came.
        found: u8,
    },
    /// The HDLC frame.
    Hdlc(hdlc_wire::Error),
    /// An HDLC frame that continues a message whose beginning was not heard.
    NoBeginning,
    /// A new message began before the last one ended.
    Interrupted,
    /// A block of general block transfer.
    Block(gbt::Error),
    /// Blocks out of order: one was lost, or the beginning was not heard.
    BlockOrder(gbt::OutOfOrder),
    /// The header of an encrypted message.
    Ciphering(ciphering::Error),
    /// Decryption, tag, counter.
    Security(security::Error),
    /// The data-notification.
    Notification(apdu::Error),
}

impl Cause {
    pub(crate) fn layer(&self) -> &'static str {
        match self {
            Self::Mbus(_) | Self::Ci { .. } => "mbus.frame",
            Self::Segment { .. } => "mbus.segment",
            Self::Hdlc(_) => "hdlc.frame",
            Self::NoBeginning => "hdlc.segment",
            Self::Interrupted => "dlms.message",
            Self::Block(_) | Self::BlockOrder(_) => "dlms.gbt",
            Self::Ciphering(_) => "dlms.ciphering",
            Self::Security(_) => "dlms.security",
            Self::Notification(apdu::Error::Body(_)) => "dlms.axdr",
            Self::Notification(_) => "dlms.notification",
        }
    }

    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Mbus(mbus_wire::Error::ChecksumMismatch { .. }) => Code::ChecksumMismatch,
            Self::Hdlc(hdlc_wire::Error::HcsMismatch { .. } | hdlc_wire::Error::FcsMismatch { .. }) => {
                Code::CrcMismatch
            }
            Self::Segment { .. } | Self::NoBeginning | Self::Interrupted | Self::BlockOrder(_) => {
                Code::Truncated
            }
            Self::Security(error) => error.code(),
            Self::Notification(apdu::Error::Body(axdr::Error::TooLarge { .. })) => Code::OutOfRange,
            Self::Notification(apdu::Error::Body(
                axdr::Error::TooDeep { .. } | axdr::Error::Elements { .. },
            )) => Code::TooLong,
            Self::Notification(apdu::Error::Tag { found }) if dlms::name(*found).is_some() => {
                Code::Unsupported
            }
            Self::Ci { .. } => Code::Unsupported,
            Self::Mbus(_) | Self::Hdlc(_) | Self::Block(_) | Self::Ciphering(_) | Self::Notification(_) => {
                Code::Malformed
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mbus(error) => error.fmt(f),
            Self::Ci { found } => {
                write!(f, "the M-Bus frame has CI field {found:02X}, which carries no DLMS")
            }
            Self::Segment { expected, found } => {
                write!(f, "M-Bus segment {found} came where segment {expected} was due")
            }
            Self::Hdlc(error) => error.fmt(f),
            Self::NoBeginning => {
                f.write_str("the HDLC frame has no LLC header: it continues a message that was not heard")
            }
            Self::Interrupted => f.write_str("a new message began before this one ended"),
            Self::Block(error) => error.fmt(f),
            Self::BlockOrder(error) => error.fmt(f),
            Self::Ciphering(error) => error.fmt(f),
            Self::Security(error) => error.fmt(f),
            Self::Notification(error) => error.fmt(f),
        }
    }
}
