//! SML, the Smart Message Language of German household meters.
//!
//! Source: BSI TR-03109-1, Annex "Feinspezifikation drahtgebundene LMN-Schnittstelle", part b: SML 1.04 (clauses 4 to
//! 6: messages and their encoding, clause 8: SML transport protocol, version 1).
//!
//! ```text
//! transport   1B1B1B1B 01010101 | SML file, escaped | padding | 1B1B1B1B 1A pp cl ch
//! SML file    message message message ...                       (OpenResponse, GetListResponse, CloseResponse)
//! message     76 transactionId groupNo abortOnError 72 tag body crc 00
//! field       TL [TL ..] bytes                                  (type and length, then the value)
//! ```
//!
//! The way in: [`transport::scan`] finds a frame, [`transport::unescape_in_place`] undoes its escapes where it has
//! any, [`File::new_checked`] proves every message, and [`File::messages`] hands them out.
//!
//! ```
//! use metergate_wire::sml::{Body, Crc, Entry, File, GetListResponse, Head, Number, Value, message, transport};
//! use metergate_wire::{Scan, Writer};
//!
//! let list = GetListResponse {
//!     client_id: None,
//!     server_id: &[0x0A, 0x01, b'E', b'M', b'H', 0, 0, 0x12, 0x34, 0x56],
//!     list_name: None,
//!     act_sensor_time: None,
//!     entries: [Entry {
//!         unit: Some(27),
//!         scaler: Some(-1),
//!         ..Entry::new([1, 0, 16, 7, 0, 255], Value::Number(Number::signed(-3205)))
//!     }],
//!     list_signature: None,
//!     act_gateway_time: None,
//! };
//! let (mut file, mut line) = ([0; 128], [0; 128]);
//! let mut out = Writer::new(&mut file);
//! let head = Head { transaction_id: &[1], group_no: 0, abort_on_error: 0 };
//! message::emit(&mut out, Crc::X25, &head, GetListResponse::TAG, |out| list.emit(out))?;
//! let mut sent = Writer::new(&mut line);
//! transport::emit(&mut sent, Crc::X25, out.written())?;
//!
//! let Scan::Frame { frame, .. } = transport::scan(sent.written()) else { panic!("a whole frame") };
//! assert!(!frame.has_escapes());
//! let file = File::new_checked(frame.body(), frame.padding(), frame.crc()).expect("whole messages");
//! for message in file.messages() {
//!     let Body::GetListResponse(list) = message.body else { continue };
//!     for entry in list.entries {
//!         assert_eq!(entry.value, Value::Number(Number::signed(-3205)));
//!     }
//! }
//!
//! sent.written_mut()[20] ^= 1;
//! assert!(matches!(transport::scan(sent.written()), Scan::Bad { error: transport::Error::CrcMismatch { .. }, .. }));
//! # Ok::<(), metergate_wire::Full>(())
//! ```
mod list;
pub mod message;
mod profile;
mod salvage;
pub mod tlv;
pub mod transport;

use crate::checksum;

pub use list::{Entry, GetListResponse, Number, Time, Value};
pub use message::{AttentionResponse, Body, Error, File, Head, Message, Messages, OpenResponse};
pub use profile::{
    GetProfileListResponse, GetProfilePackResponse, Period, PeriodEntry, PeriodValue, ProfileHeader,
};
pub use salvage::{Salvage, Salvaged, salvage};
pub use tlv::ListOf;

/// Which CRC a meter uses, in its transport frames and its messages alike.
///
/// One file never mixes them: the pair (transport, message) is what guards a Kermit meter as well as an X-25 one,
/// since the two CRCs of the same bytes differ only by a constant that depends on the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Crc {
    /// CRC-16/X-25, low byte first, as the standard asks for.
    #[default]
    X25,
    /// CRC-16/Kermit: Holley DTZ541 with old firmware.
    ///
    /// Its messages carry the high byte first (SmlLib issue 22: `63 56 5D` for the checksum 565D). Both orders are accepted,
    /// since no frame was found that shows the order in the transport.
    Kermit,
}

impl Crc {
    /// The two bytes that are sent behind `bytes`, in the order of the line.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> [u8; 2] {
        match self {
            Self::X25 => checksum::x25(bytes).to_le_bytes(),
            Self::Kermit => checksum::kermit(bytes).to_be_bytes(),
        }
    }

    /// True when `sent` is the CRC of `bytes`.
    #[must_use]
    pub fn matches(self, bytes: &[u8], sent: [u8; 2]) -> bool {
        let expected = self.of(bytes);
        expected == sent || self == Self::Kermit && u16::from_be_bytes(expected) == u16::from_le_bytes(sent)
    }
}
