//! A conversation with one meter, without IO.
//!
//! Bytes go in, events come out; time is an argument. The same code runs in the daemon, in tests that let hours pass
//! in milliseconds, and in firmware. Meters that push (SML, M-Bus, HDLC, P1) and meters that are asked (Kamstrup,
//! IEC 62056-21 mode C) fit the same five verbs of [`Conversation`].
//!
//! The way of a telegram: [`stream`](Stream) finds frames and resynchronises after damage, a module per protocol
//! joins frames to a telegram and opens it with [`security`], and hands out its [`Registers`].
//!
//! **Invariants.** No ports, no async, no clock, no config files. The caller gives the buffer; nothing is allocated.
//! A telegram that any check refuses never becomes an [`Event::Telegram`].
#![no_std]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::expect_used, clippy::panic))]

#[cfg(test)]
extern crate std;

mod conversation;
mod data_set;
mod event;
mod key;
mod line;
mod meter;
mod protocol;
mod registers;
mod rejection;
mod settings;
mod stream;

pub mod detect;
pub mod dlms;
pub mod iec62056_21;
pub mod kmp;
pub mod layout;
pub mod models;
pub mod p1;
pub mod pin;
pub mod probe;
pub mod security;
pub mod sml;
pub mod verdict;

pub use conversation::Conversation;
pub use event::{Event, Flags, Security, SecurityHeader, Telegram};
pub use key::{Key, ParseKeyError};
pub use line::{LineSettings, Parity, ParseLineError};
pub use meter::Meter;
pub use protocol::{ParseProtocolError, Protocol};
pub use registers::Registers;
pub use rejection::{Cause, Code, Rejection};
pub use settings::{CounterPolicy, Settings};
pub use stream::{Step, Stream};
