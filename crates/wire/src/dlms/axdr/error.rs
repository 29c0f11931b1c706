//! Why bytes are no A-XDR value.
use super::DEPTH_MAX;
use crate::Short;
use crate::dlms::LengthError;
use core::fmt;

/// Why bytes are no A-XDR value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The bytes end inside a value.
    Short(Short),
    /// No type has this tag.
    Tag {
        /// Offset of the tag.
        at: usize,
        /// The tag.
        found: u8,
    },
    /// A length byte of 80, or above 84.
    LengthForm {
        /// Offset of the length.
        at: usize,
        /// Its first byte.
        found: u8,
    },
    /// An array or structure claims more elements than bytes are left.
    Count {
        /// Offset of its tag.
        at: usize,
        /// The claimed number of elements.
        count: usize,
        /// The bytes left.
        have: usize,
    },
    /// Lists are nested deeper than [`DEPTH_MAX`].
    TooDeep {
        /// Offset of the list that is one too deep.
        at: usize,
    },
    /// A compact array has more than [`COMPACT_ELEMENTS_MAX`](super::COMPACT_ELEMENTS_MAX) elements.
    Elements {
        /// Offset of its tag.
        at: usize,
        /// The limit.
        max: usize,
    },
    /// A long64-unsigned above `i64::MAX`.
    TooLarge {
        /// Offset of the value.
        at: usize,
        /// The number.
        found: u64,
    },
    /// Bytes follow the value where nothing may follow.
    Trailing {
        /// Offset of the first of them.
        at: usize,
    },
}

impl From<Short> for Error {
    fn from(short: Short) -> Self {
        Self::Short(short)
    }
}

impl From<LengthError> for Error {
    fn from(error: LengthError) -> Self {
        match error {
            LengthError::Short(short) => Self::Short(short),
            LengthError::Form { at, found } => Self::LengthForm { at, found },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(short) => write!(f, "the A-XDR data ends early: {short}"),
            Self::Tag { at, found } => write!(f, "{found:02X} at byte {at} is the tag of no A-XDR type"),
            Self::LengthForm { at, found } => {
                write!(f, "the length at byte {at} begins with {found:02X}, which is no form of a length")
            }
            Self::Count { at, count, have } => {
                write!(f, "the list at byte {at} claims {count} elements, but {have} bytes are left")
            }
            Self::TooDeep { at } => {
                write!(f, "the list at byte {at} is nested deeper than {DEPTH_MAX} levels")
            }
            Self::Elements { at, max } => {
                write!(f, "the compact array at byte {at} has more than {max} elements")
            }
            Self::TooLarge { at, found } => {
                write!(f, "the number {found} at byte {at} is larger than a signed 64-bit number holds")
            }
            Self::Trailing { at } => write!(f, "bytes follow the A-XDR data from byte {at} on"),
        }
    }
}

impl core::error::Error for Error {}
