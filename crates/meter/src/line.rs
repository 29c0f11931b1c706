//! Settings of a serial line.
use core::fmt;
use core::str::FromStr;

/// Parity of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parity {
    /// No parity bit.
    None,
    /// Even parity.
    Even,
    /// Odd parity.
    Odd,
}

/// Speed and character format of a serial line.
///
/// ```
/// use metergate_meter::LineSettings;
///
/// let line: LineSettings = "2400 8E1".parse()?;
/// assert_eq!(line, LineSettings::M2400_8E1);
/// assert_eq!(line.to_string(), "2400 8E1");
/// assert!("2400 9E1".parse::<LineSettings>().is_err());
/// # Ok::<(), metergate_meter::ParseLineError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LineSettings {
    /// Bits a second.
    pub baud: u32,
    /// 7 or 8.
    pub data_bits: u8,
    /// Parity.
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
}

impl LineSettings {
    /// 9600 8N1: SML over an optical head.
    pub const M9600_8N1: Self = Self::new(9600, 8, Parity::None, 1);
    /// 115200 8N1: P1.
    pub const M115200_8N1: Self = Self::new(115_200, 8, Parity::None, 1);
    /// 2400 8E1: wired M-Bus and most HAN ports.
    pub const M2400_8E1: Self = Self::new(2400, 8, Parity::Even, 1);
    /// 2400 8N1: Kamstrup HAN ports.
    pub const M2400_8N1: Self = Self::new(2400, 8, Parity::None, 1);
    /// 1200 8N2: KMP.
    pub const M1200_8N2: Self = Self::new(1200, 8, Parity::None, 2);
    /// 300 7E1: the start of IEC 62056-21 mode C.
    pub const M300_7E1: Self = Self::new(300, 7, Parity::Even, 1);
    /// 9600 7E1: IEC 62056-21 push, DSMR 2 and 3.
    pub const M9600_7E1: Self = Self::new(9600, 7, Parity::Even, 1);

    /// Settings as given, unchecked: for constants.
    #[must_use]
    pub const fn new(baud: u32, data_bits: u8, parity: Parity, stop_bits: u8) -> Self {
        Self { baud, data_bits, parity, stop_bits }
    }

    /// The same format at another speed.
    #[must_use]
    pub const fn at_baud(self, baud: u32) -> Self {
        Self { baud, ..self }
    }
}

impl fmt::Display for LineSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parity = match self.parity {
            Parity::None => 'N',
            Parity::Even => 'E',
            Parity::Odd => 'O',
        };
        write!(f, "{} {}{parity}{}", self.baud, self.data_bits, self.stop_bits)
    }
}

/// A text is no line setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseLineError;

impl fmt::Display for ParseLineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected speed and format such as 9600 8N1, 2400 8E1 or 300 7E1")
    }
}

impl core::error::Error for ParseLineError {}

/// Reads `9600 8N1`, also with `-`, `,` or `/` between speed and format, in any case.
impl FromStr for LineSettings {
    type Err = ParseLineError;

    fn from_str(text: &str) -> Result<Self, ParseLineError> {
        let (baud, format) = text.trim().split_once([' ', '-', ',', '/']).ok_or(ParseLineError)?;
        let baud = baud.parse().ok().filter(|baud| (50..=4_000_000).contains(baud)).ok_or(ParseLineError)?;
        let &[data, parity, stop] = format.trim().as_bytes() else { return Err(ParseLineError) };
        let parity = match parity.to_ascii_uppercase() {
            b'N' => Parity::None,
            b'E' => Parity::Even,
            b'O' => Parity::Odd,
            _ => return Err(ParseLineError),
        };
        match (data, stop) {
            (b'7' | b'8', b'1' | b'2') => Ok(Self::new(baud, data - b'0', parity, stop - b'0')),
            _ => Err(ParseLineError),
        }
    }
}
