//! A second reader for every protocol, written from the standards: simple, slow, and without a line of the decoders.
//!
//! It allocates as it likes, reads byte by byte or builds a tree first, and knows one telegram at a time. Where it and
//! a decoder read the same bytes differently, one of the two is wrong.
pub(crate) mod axdr;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod cosem;
pub(crate) mod hdlc;
pub(crate) mod iec62056_21;
pub(crate) mod kmp;
pub(crate) mod mbus;
pub(crate) mod p1;
pub(crate) mod sml;
pub(crate) mod text;
pub(crate) mod unit;

/// What a telegram says, as far as the comparison goes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Telegram {
    pub(crate) registers: Vec<Register>,
}

/// One register.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Register {
    pub(crate) address: Address,
    pub(crate) obis: Option<[u8; 6]>,
    pub(crate) value: Value,
    pub(crate) unit: Option<&'static str>,
    pub(crate) time: Option<String>,
    pub(crate) seconds_index: Option<u32>,
    pub(crate) status: Option<u64>,
    pub(crate) groups: Vec<String>,
    /// It came without scaler and unit: a layout table may know them.
    pub(crate) bare: bool,
}

/// How the telegram names it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Address {
    Obis,
    Position(usize),
    Kmp(u16),
    Text(String),
}

/// What it says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Number {
        mantissa: i128,
        exponent: i32,
    },
    /// A binary float, 32 bits wide or 64, and the power of ten that a scaler adds.
    Float {
        value: f64,
        single: bool,
        scaler: i32,
    },
    Octets(Vec<u8>),
    Text(String),
    DateTime(String),
    Bool(bool),
    Null,
    List(Vec<Value>),
}

impl Register {
    pub(crate) fn new(address: Address, value: Value) -> Self {
        Self {
            address,
            obis: None,
            value,
            unit: None,
            time: None,
            seconds_index: None,
            status: None,
            groups: Vec::new(),
            bare: false,
        }
    }
}
