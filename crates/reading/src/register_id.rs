//! What a register of one meter is called outside its telegram (feature `alloc`).
use crate::{Address, AddressBuf, ObisCode, Register, RegisterBuf};
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

/// The name of a register among all registers of its meter, the same from telegram to telegram.
///
/// Written `1-0:1.8.0*255` where there is an OBIS code, else by what the telegram calls it: `kmp:60`, `position:19`,
/// `text:C.1.0`. A telegram that holds one name several times counts them: `0-1:24.2.1*255#2` is the second. The first
/// is counted too where its name looks as if it were counted: `text:a#2#1` is the first that is called `a#2`.
///
/// ```
/// use metergate_reading::RegisterId;
///
/// let second: RegisterId = "0-1:24.2.1*255#2".parse()?;
/// assert_eq!(second.to_string(), "0-1:24.2.1*255#2");
/// assert_eq!(second.obis().map(|code| code.to_string()).as_deref(), Some("0-1:24.2.1*255"));
/// assert!("kmp:70000".parse::<RegisterId>().is_err(), "a Kamstrup register has 16 bits");
/// # Ok::<(), metergate_reading::ParseRegisterIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterId {
    name: Name,
    /// 1 for the first of its name.
    nth: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Name {
    Obis(ObisCode),
    Kmp(u16),
    Position(u16),
    Text(Arc<str>),
}

impl RegisterId {
    /// The first register with this code.
    #[must_use]
    pub const fn obis_code(code: ObisCode) -> Self {
        Self { name: Name::Obis(code), nth: 1 }
    }

    /// What the register is called; its code if it has one, else its address. The first of its name.
    #[must_use]
    pub fn of(register: &RegisterBuf) -> Self {
        let name = match (register.obis, &register.address) {
            (Some(code), _) => Name::Obis(code),
            (None, AddressBuf::Kmp(number)) => Name::Kmp(*number),
            (None, AddressBuf::Position(position)) => Name::Position(*position),
            (None, AddressBuf::Text(text)) => Name::Text(text.as_str().into()),
            (None, AddressBuf::Obis) => Name::Text("".into()),
        };
        Self { name, nth: 1 }
    }

    /// The same for a borrowed register.
    #[must_use]
    pub fn of_borrowed(register: &Register<'_>) -> Self {
        let name = match (register.obis, register.address) {
            (Some(code), _) => Name::Obis(code),
            (None, Address::Kmp(number)) => Name::Kmp(number),
            (None, Address::Position(position)) => Name::Position(position),
            (None, Address::Text(text)) => Name::Text(text.into()),
            (None, Address::Obis) => Name::Text("".into()),
        };
        Self { name, nth: 1 }
    }

    /// The same name for the `nth` register that has it; 1 is the first.
    #[must_use]
    pub fn nth(self, nth: u16) -> Self {
        Self { nth: nth.max(1), ..self }
    }

    /// Its OBIS code, if it has one.
    #[must_use]
    pub const fn obis(&self) -> Option<ObisCode> {
        match self.name {
            Name::Obis(code) => Some(code),
            _ => None,
        }
    }
}

impl From<ObisCode> for RegisterId {
    fn from(code: ObisCode) -> Self {
        Self::obis_code(code)
    }
}

impl fmt::Display for RegisterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Name::Obis(code) => write!(f, "{code}")?,
            Name::Kmp(number) => write!(f, "kmp:{number}")?,
            Name::Position(position) => write!(f, "position:{position}")?,
            Name::Text(text) => write!(f, "text:{text}")?,
        }
        let looks_counted = matches!(&self.name, Name::Text(text) if counted(text).is_some());
        if self.nth > 1 || looks_counted { write!(f, "#{}", self.nth) } else { Ok(()) }
    }
}

/// A name and which of that name, where a text ends with `#` and a number from 1 on.
fn counted(text: &str) -> Option<(&str, u16)> {
    let (name, digits) = text.rsplit_once('#')?;
    digits.parse().ok().filter(|&nth| nth >= 1).map(|nth| (name, nth))
}

/// A text is no name of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseRegisterIdError;

impl fmt::Display for ParseRegisterIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an OBIS code such as 1-0:1.8.0, or kmp:NUMBER, position:NUMBER or text:TEXT")
    }
}

impl core::error::Error for ParseRegisterIdError {}

impl FromStr for RegisterId {
    type Err = ParseRegisterIdError;

    fn from_str(text: &str) -> Result<Self, ParseRegisterIdError> {
        let wrong = |_| ParseRegisterIdError;
        let (name, nth) = counted(text).unwrap_or((text, 1));
        let name = if let Some(number) = name.strip_prefix("kmp:") {
            Name::Kmp(number.parse().map_err(wrong)?)
        } else if let Some(position) = name.strip_prefix("position:") {
            Name::Position(position.parse().map_err(wrong)?)
        } else if let Some(text) = name.strip_prefix("text:") {
            Name::Text(text.into())
        } else {
            Name::Obis(name.parse().map_err(|_| ParseRegisterIdError)?)
        };
        Ok(Self { name, nth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_name_reads_its_own_text_back() {
        for text in
            ["1-0:1.8.0*255", "1-0:1.8.0*255#2", "kmp:60", "position:19#300", "text:C.1.0", "text:a#b"]
        {
            assert_eq!(text.parse::<RegisterId>().unwrap().to_string(), text);
        }
        assert_eq!("1-0:1.8.0".parse::<RegisterId>().unwrap().to_string(), "1-0:1.8.0*255");
    }

    #[test]
    fn an_address_that_looks_like_a_count_is_not_taken_for_one() {
        let of = |text: &str| RegisterId { name: Name::Text(text.into()), nth: 1 };
        for text in
            ["a#2", "a#1", "a#2#3", "#2", "#", "a#", "a#b", "a#02", "a#+3", "a#0", "a#70000", "", "##9"]
        {
            for nth in [1, 2, 300] {
                let id = of(text).nth(nth);
                assert_eq!(id.to_string().parse(), Ok(id.clone()), "{id}");
            }
        }
        assert_eq!(of("a#2").to_string(), "text:a#2#1");
        assert_ne!(of("a#2").to_string(), of("a").nth(2).to_string());
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["", "1.8", "kmp:", "kmp:-1", "position:70000", "pos:1"] {
            assert_eq!(text.parse::<RegisterId>(), Err(ParseRegisterIdError), "{text}");
        }
    }

    #[test]
    fn the_code_names_a_register_before_its_address_does() {
        let mut register = Register::new(Address::Kmp(60), crate::Value::Null);
        assert_eq!(RegisterId::of_borrowed(&register).to_string(), "kmp:60");
        register.obis = "6-0:1.0.0".parse().ok();
        assert_eq!(RegisterId::of(&RegisterBuf::from(register)).to_string(), "6-0:1.0.0*255");
    }
}
