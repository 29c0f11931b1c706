//! The meters that are known: one row a model and grid operator, a file a protocol.
//!
//! A new meter of a known protocol is a row here, a page in `docs/meters` and a test telegram.
use crate::{LineSettings, Protocol};

mod dlms_hdlc;
mod dlms_mbus;
mod iec62056_21;
mod kmp;
mod p1;
mod sml;

/// Which keys a meter needs to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// None: it speaks plainly.
    None,
    /// The encryption key.
    Encryption,
    /// The encryption key; with the authentication key the tag is checked too.
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

impl Medium {
    /// The medium in one lower-case word.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Electricity => "electricity",
            Self::Heat => "heat",
            Self::Water => "water",
            Self::Gas => "gas",
        }
    }
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
    /// How its line is set. For mode C of IEC 62056-21: the speed of the sign-on.
    pub line: LineSettings,
    /// What it measures.
    pub medium: Medium,
    /// Which keys it needs.
    pub keys: Keys,
    /// The layout table that its lists need, if any.
    pub layout: Option<&'static str>,
    /// Bytes by which a telegram names this model, as they stand on the line.
    pub signs: &'static [&'static [u8]],
    /// Deviations from the standard, in a few words each; docs/meters has the page.
    pub quirks: &'static [&'static str],
}

/// All models, by protocol.
pub fn all() -> impl Iterator<Item = &'static Model> {
    [sml::MODELS, dlms_mbus::MODELS, dlms_hdlc::MODELS, p1::MODELS, kmp::MODELS, iec62056_21::MODELS]
        .into_iter()
        .flatten()
}

/// The model of that name.
///
/// ```
/// use metergate_meter::{LineSettings, models};
///
/// assert_eq!(models::find("kaifa-ma309m-netz-noe").unwrap().line, LineSettings::M2400_8E1);
/// assert_eq!(models::find("kaifa"), None, "a maker is no model");
/// ```
#[must_use]
pub fn find(name: &str) -> Option<&'static Model> {
    all().find(|model| model.name == name)
}

/// Who made a meter and, when its telegrams tell, which model it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recognition {
    /// The maker.
    pub maker: &'static str,
    /// The model, when exactly one row fits.
    pub model: Option<&'static Model>,
}

/// The three letters of a maker (FLAG association), wherever a protocol puts them.
const MAKERS: &[(&[u8; 3], &str)] = &[
    (b"DNT", "Dr. Neuhaus"),
    (b"DZG", "DZG"),
    (b"EBZ", "eBZ"),
    (b"EFR", "EFR"),
    (b"ELS", "Honeywell (Elster)"),
    (b"EMH", "EMH"),
    (b"ESY", "EasyMeter"),
    (b"HLY", "Holley"),
    (b"HON", "Honeywell (Elster)"),
    (b"ISK", "Iskraemeco"),
    (b"ISk", "Iskraemeco"),
    (b"ITR", "Itron"),
    (b"KAM", "Kamstrup"),
    (b"KFM", "Kaifa"),
    (b"LGZ", "Landis+Gyr"),
    (b"SAG", "Sagemcom"),
    (b"SMS", "Siemens"),
];

/// What comes directly before a maker's letters, by protocol.
fn anchors(protocol: Protocol) -> &'static [&'static [u8]] {
    match protocol {
        // Server ids (DIN 43863-5 and the older 06), and the manufacturer register: an octet string of three bytes.
        Protocol::Sml => {
            &[b"\x0B\x09\x01", b"\x0B\x0A\x01", b"\x0B\x06", b"\x52\xFF\x04", b"\x01\x01\x01\x01\x04"]
        }
        // System titles, and logical device names.
        Protocol::DlmsMbus | Protocol::DlmsHdlc => &[b"\xDB\x08", b"\x09\x10", b"\x0A\x10"],
        Protocol::P1 => &[b"/", b"\xDB\x08"],
        Protocol::Iec62056_21 => &[b"/"],
        Protocol::Kmp => &[],
    }
}

/// Names the maker and, if possible, the model that sent these bytes, which are known to be of `protocol`.
///
/// `None` when nothing in them tells. Works on damaged and on encrypted telegrams too: what it looks at is not
/// encrypted.
#[must_use]
pub fn recognise(protocol: Protocol, bytes: &[u8]) -> Option<Recognition> {
    let mut best: Option<(usize, Recognition)> = None;
    for model in all().filter(|model| model.protocol == protocol) {
        let Some(length) =
            model.signs.iter().filter(|sign| contains(bytes, sign)).map(|sign| sign.len()).max()
        else {
            continue;
        };
        match &mut best {
            Some((longest, _)) if *longest > length => {}
            // A second row with the same sign: the maker is known, the model is not.
            Some((longest, recognition)) if *longest == length => {
                recognition.model = None;
            }
            _ => best = Some((length, Recognition { maker: model.maker, model: Some(model) })),
        }
    }
    if let Some((_, recognition)) = best {
        return Some(recognition);
    }
    if protocol == Protocol::Kmp {
        return Some(Recognition { maker: "Kamstrup", model: None });
    }
    let by_letters = anchors(protocol).iter().find_map(|anchor| {
        bytes.windows(anchor.len() + 3).find_map(|window| {
            let letters = window.strip_prefix(*anchor)?;
            MAKERS.iter().find(|(known, _)| letters == known.as_slice()).map(|(_, maker)| *maker)
        })
    });
    let by_shape = || if protocol == Protocol::DlmsHdlc { maker_of_shape(bytes) } else { None };
    let maker = by_letters.or_else(by_shape)?;
    Some(Recognition { maker, model: None })
}

/// The maker of a push over HDLC that names nobody, where only one maker sends it so.
fn maker_of_shape(bytes: &[u8]) -> Option<&'static str> {
    // Aidon sends an array of registers without a date-time: `0F 40 00 00 00 00 01 1B`, and in Sweden the clock first.
    // The array alone is no sign: Landis+Gyr ZMF100 sends one in Norway, from the same address.
    let aidon = |window: &[u8]| {
        matches!(
            window,
            [0x0F, 0x40, 0, 0, 0, 0, 0x01, _, 0x02, 0x02, 0x09, 0x06, 0, 0, 1, 0, 0, 0xFF, 0x09, 0x0C]
        )
    };
    // Landis+Gyr E450 and E570: the push is addressed to CE and 7 bits more, and comes in blocks (E0).
    let landis_gyr =
        |window: &[u8]| matches!(window, [0x7E, _, _, 0xCE, _, 0x03, 0x13, _, _, 0xE6, 0xE7, 0x00, 0xE0]);
    if contains(bytes, b"AIDON_") || bytes.windows(20).any(aidon) {
        Some("Aidon")
    } else if bytes.windows(13).any(landis_gyr) {
        Some("Landis+Gyr")
    } else {
        None
    }
}

fn contains(bytes: &[u8], sign: &[u8]) -> bool {
    // Most windows are told apart by their first byte, without the call that compares slices.
    !sign.is_empty()
        && bytes.windows(sign.len()).any(|window| window.first() == sign.first() && window == sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_plain() {
        let mut names = BTreeSet::new();
        for model in all() {
            assert!(names.insert(model.name), "{} stands twice", model.name);
            assert!(
                model
                    .name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{}",
                model.name
            );
            assert!(!model.maker.is_empty() && !model.title.is_empty());
            for quirk in model.quirks {
                assert_eq!(quirk.matches('(').count(), quirk.matches(')').count(), "{}: {quirk}", model.name);
            }
        }
        assert!(names.len() > 60);
    }

    #[test]
    fn one_title_at_two_operators_is_two_rows() {
        let protocols: BTreeSet<_> =
            all().filter(|model| model.title.contains("T210-D")).map(|model| model.protocol).collect();
        assert!(protocols.contains(&Protocol::DlmsMbus) && protocols.contains(&Protocol::P1));
    }

    #[test]
    fn a_sign_of_one_row_names_the_model_and_of_several_the_maker() {
        let named = recognise(Protocol::P1, b"/KFM5KAIFA-METER\r\n").unwrap();
        assert_eq!(named.model.unwrap().name, "kaifa-ma304-nl");
        let kaifa =
            recognise(Protocol::DlmsMbus, b"\x68\xFA\xFA\x68\x53\xFF\x00\x01\x67\xDB\x08KFM").unwrap();
        assert_eq!((kaifa.maker, kaifa.model), ("Kaifa", None));
        assert_eq!(recognise(Protocol::Sml, b"no maker here"), None);
    }

    #[test]
    fn pushes_that_name_nobody_are_told_by_their_shape() {
        let named = |bytes: &[u8]| recognise(Protocol::DlmsHdlc, bytes).map(|found| found.maker);
        let aidon = b"\xE6\xE7\x00\x0F\x40\0\0\0\0\x01\x1B\x02\x02\x09\x06\0\0\x01\0\0\xFF\x09\x0C\x07\xE3";
        assert_eq!(named(aidon), Some("Aidon"));
        let landis_gyr = b"\x7E\xA0\x84\xCE\xFF\x03\x13\x12\x8B\xE6\xE7\0\xE0\x40\0\x01\0\0\x70\x0F";
        assert_eq!(named(landis_gyr), Some("Landis+Gyr"));
        // The same address and array as Aidon's, from a Landis+Gyr ZMF100.
        let other = b"\x7E\xA1\x8A\x41\x08\x83\x13\xEB\xFD\xE6\xE7\0\x0F\x40\0\0\0\0\x01\x12\x02\x02\x09\x06\x01\x01\0\x02\x81\xFF";
        assert_eq!(named(other), None);
    }
}
