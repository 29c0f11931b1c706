//! Keys, which never print.
use core::fmt;
use core::str::FromStr;
use zeroize::Zeroize;

/// A key of 16 bytes: the encryption key (GUEK) or the authentication key (GAK) of a meter.
///
/// Its `Debug` shows nothing, it has no `Display`, and it is wiped when dropped.
///
/// ```
/// use metergate_meter::{Key, ParseKeyError};
///
/// let key: Key = "00:11 22-33 0x4455 66778899AABBCCDDEEFF".parse()?;
/// assert_eq!(format!("{key:?}"), "Key(..)");
/// assert_eq!("0011".parse::<Key>().unwrap_err(), ParseKeyError::Length { digits: 4 });
/// # Ok::<(), ParseKeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 16]);

impl Key {
    /// A key from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the cipher alone.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A text is no key. The text itself is never part of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseKeyError {
    /// There are not 32 hexadecimal digits.
    Length {
        /// How many there are.
        digits: usize,
    },
    /// A character that is no hexadecimal digit and no separator.
    Digit {
        /// Which character, from 0.
        at: usize,
    },
}

impl fmt::Display for ParseKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { digits } => write!(f, "a key has 32 hexadecimal digits, found {digits}"),
            Self::Digit { at } => write!(f, "character {at} of the key is no hexadecimal digit"),
        }
    }
}

impl core::error::Error for ParseKeyError {}

/// Reads any common spelling: 32 hexadecimal digits in either case, with spaces, colons, dashes, commas or `0x`
/// between them.
impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let (mut bytes, mut digits) = ([0u8; 16], 0usize);
        let mut chars = text.chars().enumerate().peekable();
        while let Some((at, c)) = chars.next() {
            if c == '0' && chars.next_if(|&(_, next)| next == 'x' || next == 'X').is_some() {
                continue;
            }
            match c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()) {
                Some(digit) => {
                    if let Some(byte) = bytes.get_mut(digits / 2) {
                        *byte = *byte << 4 | digit;
                    }
                    digits = digits.saturating_add(1);
                }
                None if c.is_whitespace() || matches!(c, ':' | '-' | ',' | ';' | '.' | '"') => {}
                None => {
                    bytes.zeroize();
                    return Err(ParseKeyError::Digit { at });
                }
            }
        }
        if digits == 32 {
            Ok(Self(bytes))
        } else {
            bytes.zeroize();
            Err(ParseKeyError::Length { digits })
        }
    }
}
