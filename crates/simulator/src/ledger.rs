//! The truth ledger: what a simulated meter really sent, so that what a reader found can be held against it.
use metergate_meter::{Protocol, Security};
use metergate_reading::{AddressBuf, DateTime, MeterId, Number, ObisCode, RegisterBuf, Unit, ValueBuf};

/// What a telegram says, as its meter meant it.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// What it is written in.
    pub protocol: Protocol,
    /// Who speaks, if the telegram tells.
    pub meter: Option<MeterId>,
    /// The identification line of the text protocols, without the slash.
    pub identification: Option<String>,
    /// The meter's clock, if the telegram shows it.
    pub time: Option<DateTime>,
    /// The envelope, if it went out in one.
    pub security: Option<Security>,
    /// SML list signature, as sent.
    pub signature: Option<Vec<u8>>,
    /// The registers in order.
    pub registers: Vec<RegisterBuf>,
}

impl Said {
    /// A telegram that says nothing yet.
    pub(crate) const fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            meter: None,
            identification: None,
            time: None,
            security: None,
            signature: None,
            registers: Vec::new(),
        }
    }
}

/// One line of the ledger: a telegram as it left.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Offset in the stream of its first byte.
    pub offset: u64,
    /// Its length in bytes as it left, damage included. 0: it was swallowed.
    pub length: u64,
    /// What the meter meant to say.
    pub said: Said,
    /// What was done to it on the way, a sentence each. Empty: it left as it should.
    pub faults: Vec<String>,
    /// True when a reader must accept it: nothing was done to its bytes, key and counter.
    pub is_whole: bool,
}

/// A register that is named by an OBIS code.
pub(crate) fn by_obis(obis: [u8; 6], value: ValueBuf, unit: Option<Unit>) -> RegisterBuf {
    RegisterBuf {
        obis: Some(ObisCode::from_bytes(obis)),
        address: AddressBuf::Obis,
        value,
        unit,
        time: None,
        seconds_index: None,
        status: None,
        groups: Vec::new(),
    }
}

/// A register that is named by its place.
pub(crate) fn by_position(position: u16, value: ValueBuf) -> RegisterBuf {
    RegisterBuf { obis: None, address: AddressBuf::Position(position), ..by_obis([0; 6], value, None) }
}

/// A number, as a value.
pub(crate) fn number(mantissa: i64, scaler: i8) -> ValueBuf {
    ValueBuf::Number(Number::new(mantissa, scaler))
}
