//! One register in the answer to GetRegister.
use core::fmt;

use crate::{Full, Writer};

/// A register: what it is, its unit and its value.
///
/// Most hold a number. Those with a unit of time or text hold the bytes of it: see [`Register::is_number`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// Register number, such as 60 for the energy E1.
    pub number: u16,
    /// Unit code of KMP, such as 3 for MWh, 22 for kW, 37 for degrees Celsius, 40 for m3, 51 for a bare number.
    pub unit: u8,
    sign_exponent: u8,
    mantissa: [u8; Self::MANTISSA_LEN_MAX],
    mantissa_len: u8,
}

/// Why a [`Register`] has no value as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoValue {
    /// The unit is one of time, date or text.
    NoNumber,
    /// The mantissa does not fit 64 bits.
    TooLarge,
}

impl Register {
    /// Longest mantissa in bytes: texts have up to 16.
    pub const MANTISSA_LEN_MAX: usize = 16;

    /// A register to be emitted. `mantissa` is the value without sign, high byte first; bytes after
    /// [`Self::MANTISSA_LEN_MAX`] are left out.
    #[must_use]
    pub fn new(number: u16, unit: u8, sign_exponent: u8, mantissa: &[u8]) -> Self {
        let mut register = Self { number, unit, sign_exponent, mantissa: [0; _], mantissa_len: 0 };
        for (to, &from) in register.mantissa.iter_mut().zip(mantissa) {
            *to = from;
            register.mantissa_len += 1;
        }
        register
    }

    /// The bytes of the value as sent, high byte first, without sign.
    #[must_use]
    pub fn mantissa(&self) -> &[u8] {
        self.mantissa.get(..usize::from(self.mantissa_len)).unwrap_or_default()
    }

    /// The byte with sign and exponent as sent.
    #[must_use]
    pub const fn sign_exponent(&self) -> u8 {
        self.sign_exponent
    }

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
            .mantissa()
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
    /// [`Full`] when the buffer is too small.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u16_be(self.number)?;
        out.put(&[self.unit, self.mantissa_len, self.sign_exponent])?;
        out.put(self.mantissa())
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
    /// A mantissa is longer than [`Register::MANTISSA_LEN_MAX`].
    TooLong {
        /// Offset of the register in the data.
        at: usize,
        /// The length as sent.
        found: u8,
    },
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { at } => write!(f, "the data ends within the register at offset {at}"),
            Self::TooLong { at, found } => write!(
                f,
                "at most {} bytes were expected in the register at offset {at}, found {found}",
                Register::MANTISSA_LEN_MAX
            ),
        }
    }
}

impl core::error::Error for RegisterError {}

/// The registers of an answer in order. The data was checked, so iteration cannot fail.
#[derive(Debug, Clone)]
pub struct Registers<I> {
    data: I,
}

impl<I: Iterator<Item = u8> + Clone> Registers<I> {
    /// Checks that `data` is a list of registers.
    pub(super) fn new(data: I) -> Result<Self, RegisterError> {
        let mut rest = data.clone().enumerate().peekable();
        while let Some(&(at, _)) = rest.peek() {
            let mut next = || rest.next().map(|(_, byte)| byte).ok_or(RegisterError::Truncated { at });
            let [_, _, _, len, _] = [next()?, next()?, next()?, next()?, next()?];
            if usize::from(len) > Register::MANTISSA_LEN_MAX {
                return Err(RegisterError::TooLong { at, found: len });
            }
            for _ in 0..len {
                next()?;
            }
        }
        Ok(Self { data })
    }
}

impl<I: Iterator<Item = u8>> Iterator for Registers<I> {
    type Item = Register;

    fn next(&mut self) -> Option<Register> {
        let mut next = || self.data.next();
        let number = u16::from_be_bytes([next()?, next()?]);
        let (unit, mantissa_len, sign_exponent) = (next()?, next()?, next()?);
        let mut mantissa = [0; Register::MANTISSA_LEN_MAX];
        for byte in mantissa.iter_mut().take(usize::from(mantissa_len)) {
            *byte = next()?;
        }
        Some(Register { number, unit, sign_exponent, mantissa, mantissa_len })
    }
}
