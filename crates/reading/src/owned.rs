//! Readings that outlive the telegram (feature `alloc`).
use crate::{Address, DateTime, Instant, MeterId, Number, ObisCode, Register, Unit, Value};
use alloc::{borrow::ToOwned, string::String, vec::Vec};

/// [`Address`], owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressBuf {
    /// By its OBIS code.
    Obis,
    /// By its place in the outermost structure.
    Position(u16),
    /// By a Kamstrup register number.
    Kmp(u16),
    /// By a text, as sent.
    Text(String),
}

impl From<Address<'_>> for AddressBuf {
    fn from(address: Address<'_>) -> Self {
        match address {
            Address::Obis => Self::Obis,
            Address::Position(position) => Self::Position(position),
            Address::Kmp(register) => Self::Kmp(register),
            Address::Text(text) => Self::Text(text.to_owned()),
        }
    }
}

/// [`Value`], owned.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueBuf {
    /// An exact number.
    Number(Number),
    /// The shortest exact decimal of a binary float.
    Float(Number),
    /// Bytes.
    Octets(Vec<u8>),
    /// A text.
    Text(String),
    /// A date, a time or both.
    DateTime(DateTime),
    /// True or false.
    Bool(bool),
    /// The meter sends the register without a value.
    Null,
    /// A list of values.
    List(Vec<Self>),
}

impl From<Value<'_>> for ValueBuf {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Number(number) => Self::Number(number),
            Value::Float(number) => Self::Float(number),
            Value::Octets(bytes) => Self::Octets(bytes.to_owned()),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::DateTime(time) => Self::DateTime(time),
            Value::Bool(truth) => Self::Bool(truth),
            Value::Null => Self::Null,
            Value::List(list) => Self::List(list.iter().map(Self::from).collect()),
        }
    }
}

/// [`Register`], owned.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisterBuf {
    /// What it means, if the telegram or a layout table says so.
    pub obis: Option<ObisCode>,
    /// How the telegram names it.
    pub address: AddressBuf,
    /// What it says.
    pub value: ValueBuf,
    /// The base unit of a number.
    pub unit: Option<Unit>,
    /// A time of its own.
    pub time: Option<DateTime>,
    /// SML secIndex.
    pub seconds_index: Option<u32>,
    /// Status word.
    pub status: Option<u64>,
    /// Bracket contents of a text protocol, as sent.
    pub groups: Vec<String>,
}

impl RegisterBuf {
    /// The number, if the register holds one.
    #[must_use]
    pub fn number(&self) -> Option<Number> {
        match self.value {
            ValueBuf::Number(number) | ValueBuf::Float(number) => Some(number),
            _ => None,
        }
    }
}

impl From<Register<'_>> for RegisterBuf {
    fn from(register: Register<'_>) -> Self {
        Self {
            obis: register.obis,
            address: register.address.into(),
            value: register.value.into(),
            unit: register.unit,
            time: register.time,
            seconds_index: register.seconds_index,
            status: register.status,
            groups: register.groups.iter().map(ToOwned::to_owned).collect(),
        }
    }
}

/// The registers of one meter at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Who said it, if the telegram tells.
    pub meter: Option<MeterId>,
    /// The meter's own date and time, if it sends one.
    pub time: Option<DateTime>,
    /// When it was received.
    pub received: Instant,
    /// What was said, in the telegram's order.
    pub registers: Vec<RegisterBuf>,
}

impl Reading {
    /// The first register with this code whose value is a number.
    #[must_use]
    pub fn number(&self, obis: ObisCode) -> Option<Number> {
        self.registers.iter().find(|register| register.obis == Some(obis))?.number()
    }
}
