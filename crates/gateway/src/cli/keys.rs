//! Keys on the command line: `--key HEX` or `--key @FILE`.
use super::Failure;
use clap::Args;
use metergate_meter::Key;
use std::fmt;
use std::path::Path;

/// The keys of an encrypted meter.
#[derive(Debug, Clone, Default, Args)]
pub struct Keys {
    /// Encryption key (GUEK): 32 hexadecimal digits in any common spelling, or @FILE to read it from a file.
    #[arg(long, value_name = "HEX|@FILE")]
    pub key: Option<Typed>,
    /// Authentication key (GAK); without it, tags are not checked.
    #[arg(long, value_name = "HEX|@FILE")]
    pub auth_key: Option<Typed>,
}

impl Keys {
    /// The encryption key, read.
    ///
    /// # Errors
    /// When it is no key or its file cannot be read. The text itself is never part of the message.
    pub fn key(&self) -> Result<Option<Key>, Failure> {
        self.key.as_ref().map(|typed| typed.read("--key")).transpose()
    }

    /// The authentication key, read.
    ///
    /// # Errors
    /// As [`key`](Self::key).
    pub fn auth_key(&self) -> Result<Option<Key>, Failure> {
        self.auth_key.as_ref().map(|typed| typed.read("--auth-key")).transpose()
    }
}

/// What stands after `--key`, which never prints.
#[derive(Clone)]
pub struct Typed(String);

impl Typed {
    /// The key that was typed, or that stands in the file that was named.
    ///
    /// # Errors
    /// When it is no key or its file cannot be read; `flag` names it in the message, its text is never part of it.
    pub fn read(&self, flag: &str) -> Result<Key, Failure> {
        let file = self.0.strip_prefix('@').map(Path::new);
        let text = match file {
            None => self.0.clone(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| Failure::new(format!("{flag}: cannot read {}: {error}", path.display())))?,
        };
        text.parse().map_err(|error| {
            let place = file.map_or_else(String::new, |path| format!(" in {}", path.display()));
            Failure::new(format!("{flag}{place}: {error}")).with_help(
                "a key is 16 bytes, such as 00112233445566778899AABBCCDDEEFF; ask the grid operator for it",
            )
        })
    }
}

impl From<&str> for Typed {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(..)")
    }
}

impl std::str::FromStr for Typed {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.into())
    }
}
