//! OBIS codes: what a register means (IEC 62056-6-1, Object Identification System).
use core::fmt;
use core::str::FromStr;

/// An OBIS code `A-B:C.D.E*F`, six numbers of 0 to 255.
///
/// A is the medium (1 electricity, 6 heat, 7 gas, 8 water), B the channel, C the quantity, D how it was processed,
/// E the tariff, F the billing period (255: current).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObisCode([u8; 6]);

impl ObisCode {
    /// A code from its six numbers A to F.
    #[must_use]
    pub const fn new(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) -> Self {
        Self([a, b, c, d, e, f])
    }

    /// A code from the six bytes that a telegram carries.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// The six numbers A to F.
    #[must_use]
    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// What the register is called in English, for the codes that people meet; `None` for the others.
    ///
    /// Channel B and billing period F do not change a name.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        crate::obis_name::name(self)
    }

    /// The code in one of the spellings that the field uses.
    ///
    /// ```
    /// use metergate_reading::{ObisCode, ObisStyle};
    ///
    /// let code = ObisCode::new(1, 0, 1, 8, 0, 255);
    /// assert_eq!(code.text(ObisStyle::Short).to_string(), "1-0:1.8.0");
    /// assert_eq!(code.text(ObisStyle::Reduced).to_string(), "1.8.0");
    /// assert_eq!(code.text(ObisStyle::Topic).to_string(), "1-0_1.8.0");
    /// assert_eq!(code.text(ObisStyle::Id).to_string(), "1-0_1-8-0");
    /// assert_eq!(code.text(ObisStyle::Hex).to_string(), "0100010800ff");
    /// assert!("0100010800".parse::<ObisCode>().is_err(), "five bytes are no code");
    /// ```
    #[must_use]
    pub const fn text(self, style: ObisStyle) -> ObisText {
        ObisText { code: self, style }
    }
}

/// How an OBIS code is spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObisStyle {
    /// `1-0:1.8.0*255`, always complete: the project's own notation.
    Full,
    /// `1-0:1.8.0`, and `1-0:1.8.0*1` when F is not 255.
    Short,
    /// `1.8.0`, without medium and channel; for people, not for keys.
    Reduced,
    /// `1-0_1.8.0`, without `:` and `*`: a level of an MQTT topic.
    Topic,
    /// `1-0_1-8-0`, of letters, digits, `-` and `_` only: an identifier.
    Id,
    /// `0100010800ff`.
    Hex,
}

/// An OBIS code to be printed in a chosen [`ObisStyle`].
#[derive(Debug, Clone, Copy)]
pub struct ObisText {
    code: ObisCode,
    style: ObisStyle,
}

impl fmt::Display for ObisText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.code.0;
        match self.style {
            ObisStyle::Full => return write!(out, "{a}-{b}:{c}.{d}.{e}*{f}"),
            ObisStyle::Hex => return write!(out, "{a:02x}{b:02x}{c:02x}{d:02x}{e:02x}{f:02x}"),
            ObisStyle::Short => write!(out, "{a}-{b}:{c}.{d}.{e}")?,
            ObisStyle::Reduced => write!(out, "{c}.{d}.{e}")?,
            ObisStyle::Topic => write!(out, "{a}-{b}_{c}.{d}.{e}")?,
            ObisStyle::Id => write!(out, "{a}-{b}_{c}-{d}-{e}")?,
        }
        match (self.style, f) {
            (_, 255) => Ok(()),
            (ObisStyle::Topic | ObisStyle::Id, f) => write!(out, "_{f}"),
            (_, f) => write!(out, "*{f}"),
        }
    }
}

/// The full notation `A-B:C.D.E*F`.
impl fmt::Display for ObisCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text(ObisStyle::Full).fmt(f)
    }
}

/// A text is no OBIS code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseObisError {
    /// The text has another number of groups than 3 to 6.
    Groups {
        /// How many there are; 7 stands for 7 and more.
        found: u8,
    },
    /// The group that begins at this byte is no number of 0 to 255 (or letter C, F, L, P).
    Group {
        /// Byte offset in the text.
        at: usize,
    },
}

impl fmt::Display for ParseObisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Groups { found } => {
                write!(f, "an OBIS code has 3 to 6 numbers such as 1-0:1.8.0*255, found {found}")
            }
            Self::Group { at } => {
                write!(f, "expected a number of 0 to 255 at character {at} of the OBIS code")
            }
        }
    }
}

impl core::error::Error for ParseObisError {}

/// Reads every spelling that the field uses: `1-0:1.8.0*255`, `1-0:1.8.0`, `1.8.0`, `1.8.0*255`, `0100010800ff`,
/// the topic forms `1-0_1.8.0` and `1_0_1_8_0`, the identifier form `1-0_1-8-0_255`, `&` in place of `*`, and the
/// letters of IEC 62056-21: `C.1.0` (C 96, F 97, L 98, P 99).
///
/// Without A and B, `1-0` is meant, and `0-0` before a letter; without F, 255.
impl FromStr for ObisCode {
    type Err = ParseObisError;

    fn from_str(text: &str) -> Result<Self, ParseObisError> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return parse_hex(text);
        }
        let (mut groups, mut count, mut at, mut letter) = ([0u8; 6], 0usize, 0usize, false);
        for part in text.split(['-', ':', '.', '*', '&', '_']) {
            let value = match part {
                "C" => 96,
                "F" => 97,
                "L" => 98,
                "P" => 99,
                digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    digits.parse().map_err(|_| ParseObisError::Group { at })?
                }
                _ => return Err(ParseObisError::Group { at }),
            };
            letter |= part.starts_with(|c: char| c.is_ascii_alphabetic());
            *groups.get_mut(count).ok_or(ParseObisError::Groups { found: 7 })? = value;
            count += 1;
            at += part.len() + 1;
        }
        let medium = u8::from(!letter);
        match (count, groups) {
            (3, [c, d, e, ..]) => Ok(Self([medium, 0, c, d, e, 255])),
            // With a channel in front it would be half a code: 1-0:1.8.
            (4, [c, d, e, f, ..]) if !text.contains(':') => Ok(Self([medium, 0, c, d, e, f])),
            (5, [a, b, c, d, e, _]) => Ok(Self([a, b, c, d, e, 255])),
            (6, all) => Ok(Self(all)),
            (found, _) => Err(ParseObisError::Groups { found: u8::try_from(found).unwrap_or(7) }),
        }
    }
}

fn parse_hex(text: &str) -> Result<ObisCode, ParseObisError> {
    let mut bytes = [0; 6];
    for (index, slot) in bytes.iter_mut().enumerate() {
        let at = index * 2;
        *slot = text
            .get(at..at + 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .ok_or(ParseObisError::Group { at })?;
    }
    Ok(ObisCode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const IMPORT: ObisCode = ObisCode::new(1, 0, 1, 8, 0, 255);

    #[test]
    fn every_spelling_of_the_field_is_read() {
        for text in [
            "1-0:1.8.0*255",
            "1-0:1.8.0",
            "1.8.0",
            "1.8.0*255",
            "0100010800ff",
            "0100010800FF",
            "1-0_1.8.0",
            "1_0_1_8_0",
            "1-0_1-8-0_255",
            "1-0-1-8-0-255",
            "1-0:1.8.0&255",
            "1_0_1.8.0_255",
        ] {
            assert_eq!(text.parse(), Ok(IMPORT), "{text}");
        }
        assert_eq!("C.1.0".parse(), Ok(ObisCode::new(0, 0, 96, 1, 0, 255)));
        assert_eq!("1-1:31.7.0".parse(), Ok(ObisCode::new(1, 1, 31, 7, 0, 255)));
        assert_eq!("129-129:199.130.3*255".parse(), Ok(ObisCode::new(129, 129, 199, 130, 3, 255)));
    }

    #[test]
    fn every_printed_style_but_the_reduced_is_read_back() {
        for code in [IMPORT, ObisCode::new(7, 3, 24, 2, 1, 4), ObisCode::new(255, 255, 255, 255, 255, 255)] {
            for style in [ObisStyle::Full, ObisStyle::Short, ObisStyle::Topic, ObisStyle::Id, ObisStyle::Hex]
            {
                assert_eq!(code.text(style).to_string().parse(), Ok(code), "{style:?}");
            }
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        assert_eq!("".parse::<ObisCode>(), Err(ParseObisError::Group { at: 0 }));
        assert_eq!("1.8".parse::<ObisCode>(), Err(ParseObisError::Groups { found: 2 }));
        assert_eq!("1-0:1.8.0*255*3".parse::<ObisCode>(), Err(ParseObisError::Groups { found: 7 }));
        assert_eq!("1-0:256.8.0".parse::<ObisCode>(), Err(ParseObisError::Group { at: 4 }));
        assert_eq!("1-0:1.x.0".parse::<ObisCode>(), Err(ParseObisError::Group { at: 6 }));
        assert_eq!("1-0:+1.8.0".parse::<ObisCode>(), Err(ParseObisError::Group { at: 4 }));
    }
}
