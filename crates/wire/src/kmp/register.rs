//! One register in the answer to GetRegister.
use core::fmt;

use crate::{Full, Writer};

/// A register: what it is, its unit and its value.
///
/// Most hold a number. Those with a unit of time or text hold the bytes of it: see [`Register::is_number`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register<'a> {
    /// Register number, such as 60 for the energy E1.
    pub number: u16,
    /// Unit code of KMP, such as 3 for MWh, 22 for kW, 37 for degrees Celsius, 40 for m3, 51 for a bare number.
    pub unit: u8,
    /// Sign and exponent as sent.
    pub sign_exponent: u8,
    /// The bytes of the value as sent, high byte first, without sign; at most 255.
    pub mantissa: &'a [u8],
}

/// Why a [`Register`] has no value as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoValue {
    /// The unit is one of time, date or text.
    NoNumber,
    /// The mantissa does not fit 64 bits.
    TooLarge,
}

impl Register<'_> {
    /// False for the units of clock, date and text: 47 (hh:mm:ss), 48 (yy:mm:dd), 49 (yyyy:mm:dd), 50 (mm:dd), 53
    /// (RTC), 54 (ASCII, least significant byte first), 63 (yy:mm:dd:hh:mm:ss) and 64 (ASCII).
    #[must_use]
    pub const fn is_number(&self) -> bool {
        !matches!(self.unit, 47..=50 | 53 | 54 | 63 | 64)
    }

    /// The mantissa with its sign; the value is this x 10^[`Self::exponent`].
    ///
    /// # Errors
    /// [`NoValue::NoNumber`] for the units of time and text; [`NoValue::TooLarge`] beyond 64 bits.
    pub fn value(&self) -> Result<i64, NoValue> {
        if !self.is_number() {
            return Err(NoValue::NoNumber);
        }
        let magnitude = self
            .mantissa
            .iter()
            .try_fold(0_i64, |sum, &byte| sum.checked_mul(256)?.checked_add(i64::from(byte)))
            .ok_or(NoValue::TooLarge)?;
        Ok(if self.sign_exponent & 0x80 == 0 { magnitude } else { -magnitude })
    }

    /// The power of ten, -63 to 63.
    #[must_use]
    pub const fn exponent(&self) -> i8 {
        let exponent = (self.sign_exponent & 0x3F).cast_signed();
        if self.sign_exponent & 0x40 == 0 { exponent } else { -exponent }
    }

    /// Writes the register as it stands in an answer, without escapes.
    ///
    /// # Errors
    /// [`Full`] when the buffer is too small or the mantissa longer than 255 bytes.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        let len = u8::try_from(self.mantissa.len()).map_err(|_| Full { capacity: usize::from(u8::MAX) })?;
        out.u16_be(self.number)?;
        out.put(&[self.unit, len, self.sign_exponent])?;
        out.put(self.mantissa)
    }
}

/// Why the data of an answer is no list of registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterError {
    /// The data ends within a register.
    Truncated {
        /// Offset of the register in the data.
        at: usize,
    },
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Truncated { at } = self;
        write!(f, "the data ends within the register at offset {at}")
    }
}

impl core::error::Error for RegisterError {}

/// The registers of an answer in order. The data was checked, so iteration cannot fail.
#[derive(Debug, Clone)]
pub struct Registers<'a> {
    data: &'a [u8],
}

impl<'a> Registers<'a> {
    /// Checks that `data` is a list of registers.
    fn check(data: &'a [u8]) -> Result<(), RegisterError> {
        let mut rest = data;
        while !rest.is_empty() {
            let at = data.len() - rest.len();
            (_, rest) = register(rest).ok_or(RegisterError::Truncated { at })?;
        }
        Ok(())
    }

    pub(super) fn new(data: &'a [u8]) -> Result<Self, RegisterError> {
        Self::check(data).map(|()| Self { data })
    }
}

/// Reads the register at the start of `data`, and what follows it.
fn register(data: &[u8]) -> Option<(Register<'_>, &[u8])> {
    let (&[high, low, unit, len, sign_exponent], rest) = data.split_first_chunk()?;
    let (mantissa, rest) = rest.split_at_checked(usize::from(len))?;
    let number = u16::from_be_bytes([high, low]);
    Some((Register { number, unit, sign_exponent, mantissa }, rest))
}

impl<'a> Iterator for Registers<'a> {
    type Item = Register<'a>;

    fn next(&mut self) -> Option<Register<'a>> {
        let (register, rest) = register(self.data)?;
        self.data = rest;
        Some(register)
    }
}
