//! The protocols that meters speak: a closed list.
use core::fmt;
use core::str::FromStr;

/// A meter protocol, from the link layer to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Smart Message Language over its transport protocol: German electricity meters.
    Sml,
    /// DLMS push in wired M-Bus long frames: Austrian and Swiss customer interfaces.
    DlmsMbus,
    /// DLMS push in HDLC frames: Nordic, Swiss, Slovenian and other HAN ports.
    DlmsHdlc,
    /// DSMR P1 text telegrams, plain or encrypted.
    P1,
    /// Kamstrup Meter Protocol: heat, cooling and water meters, asked.
    Kmp,
    /// IEC 62056-21 readout or push ("D0").
    Iec62056_21,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Sml, Self::DlmsMbus, Self::DlmsHdlc, Self::P1, Self::Kmp, Self::Iec62056_21];

    /// The stable name: `sml`, `dlms-mbus`, `dlms-hdlc`, `p1`, `kmp`, `iec62056-21`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sml => "sml",
            Self::DlmsMbus => "dlms-mbus",
            Self::DlmsHdlc => "dlms-hdlc",
            Self::P1 => "p1",
            Self::Kmp => "kmp",
            Self::Iec62056_21 => "iec62056-21",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text names no protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseProtocolError;

impl fmt::Display for ParseProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected one of sml, dlms-mbus, dlms-hdlc, p1, kmp, iec62056-21")
    }
}

impl core::error::Error for ParseProtocolError {}

impl FromStr for Protocol {
    type Err = ParseProtocolError;

    fn from_str(text: &str) -> Result<Self, ParseProtocolError> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == text).ok_or(ParseProtocolError)
    }
}
