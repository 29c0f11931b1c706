//! The meters that are known: one row a model and grid operator.
use crate::{LineSettings, Protocol};

/// What a model needs to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// It speaks plainly.
    None,
    /// It encrypts: the encryption key is needed.
    Encryption,
    /// It encrypts and authenticates: with the authentication key the tag is checked too.
    Both,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// Electricity.
    Electricity,
    /// Heat or cooling.
    Heat,
    /// Water.
    Water,
    /// Gas.
    Gas,
}

/// One model as one grid operator sets it up: the Sagemcom T210-D speaks M-Bus at one and encrypted P1 at another.
#[derive(Debug, PartialEq)]
pub struct Model {
    /// Stable name for `model = "..."` and `--model`, such as `kaifa-ma309m-netz-noe`.
    pub name: &'static str,
    /// The maker, as people say it.
    pub maker: &'static str,
    /// The model as printed on the meter.
    pub title: &'static str,
    /// The grid operator or country whose set-up this is; `None`: the same everywhere.
    pub operator: Option<&'static str>,
    /// What it speaks.
    pub protocol: Protocol,
    /// How its line is set.
    pub line: LineSettings,
    /// What it measures.
    pub medium: Medium,
    /// Which keys it needs.
    pub keys: Keys,
    /// The layout table that its lists need, if any.
    pub layout: Option<&'static str>,
    /// How a telegram tells this maker or model.
    pub signs: &'static [Sign],
    /// Deviations from the standard, in a few words each; docs/meters has the page.
    pub quirks: &'static [&'static str],
}

/// How a telegram tells its maker or model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The three letters in the server id or system title.
    Letters(&'static str),
    /// The beginning of the identification line of P1 or IEC 62056-21, after the slash.
    Identification(&'static str),
    /// The beginning of a register's text: `(obis, text)`.
    RegisterText(&'static str, &'static str),
}

/// All models.
pub const MODELS: &[Model] = &[];

/// The model of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}
