//! Who is speaking: the identity of a meter.
use core::fmt;

/// What kind of identity a meter gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MeterIdKind {
    /// Server id of an SML meter (DIN 43863-5: `09`/`0A`, medium, three letters, block, number).
    ServerId,
    /// System title of a DLMS meter (IEC 62056-5-3: three letters, five bytes).
    SystemTitle,
    /// A meter number as text.
    Serial,
    /// Serial number of a Kamstrup heat, cooling or water meter.
    Kamstrup,
}

/// The identity of a meter, at most 48 bytes, owned and `Copy`.
///
/// ```
/// use metergate_reading::MeterId;
///
/// let id = MeterId::server_id(&[0x09, 0x01, 0x45, 0x53, 0x59, 0x11, 0x03, 0xA9, 0x49, 0xEB]).unwrap();
/// assert_eq!(id.to_string(), "1ESY1161426155");
/// assert_eq!(id.manufacturer(), Some("ESY"));
/// assert_eq!(MeterId::serial(""), None, "an empty number is no identity");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeterId {
    kind: MeterIdKind,
    len: u8,
    bytes: [u8; MeterId::LEN_MAX],
}

impl MeterId {
    /// The longest identity: a P1 equipment identifier of 96 hexadecimal digits, kept as its 48 characters.
    pub const LEN_MAX: usize = 48;

    fn new(kind: MeterIdKind, id: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::LEN_MAX];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        let len = u8::try_from(id.len()).ok().filter(|&len| len > 0)?;
        Some(Self { kind, len, bytes })
    }

    /// A server id; `None` when empty or longer than 48 bytes.
    #[must_use]
    pub fn server_id(id: &[u8]) -> Option<Self> {
        Self::new(MeterIdKind::ServerId, id)
    }

    /// A system title; `None` when empty or longer than 48 bytes.
    #[must_use]
    pub fn system_title(title: &[u8]) -> Option<Self> {
        Self::new(MeterIdKind::SystemTitle, title)
    }

    /// A meter number as text, outer spaces removed; `None` when nothing is left or it is longer than 48 bytes.
    #[must_use]
    pub fn serial(number: &str) -> Option<Self> {
        Self::new(MeterIdKind::Serial, number.trim().as_bytes())
    }

    /// The serial number of a Kamstrup meter.
    #[must_use]
    pub fn kamstrup(serial: u32) -> Self {
        let mut bytes = [0; Self::LEN_MAX];
        if let Some(head) = bytes.first_chunk_mut() {
            *head = serial.to_be_bytes();
        }
        Self { kind: MeterIdKind::Kamstrup, len: 4, bytes }
    }

    /// What kind of identity this is.
    #[must_use]
    pub const fn kind(&self) -> MeterIdKind {
        self.kind
    }

    /// The bytes as the meter sent them (a serial: its text).
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The maker's three letters as the identity holds them (FLAG association), if it holds any.
    #[must_use]
    pub fn manufacturer(&self) -> Option<&str> {
        let letters = match (self.kind, self.raw()) {
            // Old EMH meters begin with 06, later ones with 09 or 0A and the medium.
            (MeterIdKind::ServerId, [0x09 | 0x0A, _, letters @ ..]) => letters.get(..3)?,
            (MeterIdKind::ServerId, [0x06, letters @ ..]) => letters.get(..3)?,
            (MeterIdKind::SystemTitle, letters) => letters.get(..3)?,
            (MeterIdKind::Kamstrup, _) => return Some("KAM"),
            _ => return None,
        };
        if letters.iter().all(u8::is_ascii_alphabetic) { str::from_utf8(letters).ok() } else { None }
    }

    /// The number within the maker's block of a DIN 43863-5 server id.
    #[must_use]
    pub fn serial_number(&self) -> Option<u32> {
        match (self.kind, self.raw()) {
            (MeterIdKind::ServerId, [0x09 | 0x0A, _, _, _, _, _, serial @ ..]) => {
                serial.try_into().ok().map(u32::from_be_bytes)
            }
            (MeterIdKind::Kamstrup, serial) => serial.try_into().ok().map(u32::from_be_bytes),
            _ => None,
        }
    }
}

/// As printed on the meter where that is known: DIN 43863-5 as `1ESY1161426155` (medium, letters, block, eight
/// digits), a Kamstrup serial as a number, a text as it is, anything else in hexadecimal digits.
impl fmt::Display for MeterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.raw(), self.serial_number(), self.manufacturer()) {
            (MeterIdKind::ServerId, [_, medium, _, _, _, block, ..], Some(serial), Some(letters)) => {
                write!(f, "{medium:X}{letters}{block:02X}{serial:08}")
            }
            (MeterIdKind::Kamstrup, _, Some(serial), _) => write!(f, "{serial}"),
            (MeterIdKind::Serial, text, ..) => f.write_str(str::from_utf8(text).unwrap_or_default()),
            (_, bytes, ..) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

impl fmt::Debug for MeterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn din_43863_5_is_read_as_printed_on_the_meter() {
        let efr = MeterId::server_id(&[0x0A, 0x01, 0x45, 0x46, 0x52, 0x17, 0x01, 0x04, 0x77, 0xE8]).unwrap();
        assert_eq!(efr.manufacturer(), Some("EFR"));
        assert_eq!(efr.serial_number(), Some(17_070_056));
        assert_eq!(efr.to_string(), "1EFR1717070056");
    }

    #[test]
    fn other_identities_are_shown_as_they_are() {
        let emh = MeterId::server_id(&[0x06, 0x45, 0x4D, 0x48, 0x01, 0x02, 0x71, 0x5A, 0x24, 0xAA]).unwrap();
        assert_eq!(emh.to_string(), "06454d480102715a24aa");
        assert_eq!(emh.manufacturer(), Some("EMH"));
        let title = MeterId::system_title(b"KFMgP\0\0\x09").unwrap();
        assert_eq!(title.to_string(), "4b464d6750000009");
        assert_eq!(title.manufacturer(), Some("KFM"));
        assert_eq!(MeterId::serial(" 181220000009 ").unwrap().to_string(), "181220000009");
        assert_eq!(MeterId::kamstrup(67_305_985).to_string(), "67305985");
    }

    #[test]
    fn blanked_or_odd_bytes_name_no_maker() {
        assert_eq!(MeterId::server_id(&[0; 10]).unwrap().manufacturer(), None);
        assert_eq!(MeterId::server_id(&[0x09, 0x01, 0x45]).unwrap().manufacturer(), None);
        assert_eq!(MeterId::server_id(&[]), None);
        assert_eq!(MeterId::server_id(&[1; 49]), None);
    }
}
