//! The code by which the first person from elsewhere shows that they see the terminal or the journal of this host.
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::io;

/// Characters that nobody takes for another.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// 40 bits: with a try each six seconds a guess takes two hundred thousand years.
const LEN: usize = 8;

/// The code of this start. It is new with each.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::web) struct SetupCode([u8; LEN]);

impl SetupCode {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(in crate::web) fn new() -> io::Result<Self> {
        let mut bytes = [0; LEN];
        SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system has no randomness"))?;
        Ok(Self(bytes.map(|byte| ALPHABET[usize::from(byte) % ALPHABET.len()])))
    }

    /// Whether somebody typed it; case, spaces and dashes do not matter. It takes as long whatever was typed.
    pub(in crate::web) fn is(&self, typed: &str) -> bool {
        let mut letters =
            typed.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_uppercase());
        let wrong = self.0.iter().fold(0, |wrong, &byte| wrong | (byte ^ letters.next().unwrap_or(0)));
        wrong == 0 && letters.next().is_none()
    }
}

/// As it is told: `ABCD-EF23`.
impl fmt::Display for SetupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &byte) in self.0.iter().enumerate() {
            if index == LEN / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(byte))?;
        }
        Ok(())
    }
}

impl fmt::Debug for SetupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetupCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_what_is_told_however_it_is_typed() {
        let code = SetupCode(*b"ABCDEF23");
        assert_eq!(code.to_string(), "ABCD-EF23");
        assert!(["ABCD-EF23", "abcdef23", " ab cd ef 23 "].iter().all(|typed| code.is(typed)));
        assert!(["", "ABCD-EF2", "ABCD-EF234", "ABCD-EF24"].iter().all(|typed| !code.is(typed)));
        assert_eq!(format!("{code:?}"), "SetupCode(..)");
        assert_ne!(SetupCode::new().unwrap(), SetupCode::new().unwrap());
    }
}
