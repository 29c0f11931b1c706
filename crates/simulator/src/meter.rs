//! The virtual meters: a closed list, each speaking as its model does.
use crate::cipher::{Cipher, Envelope};
use crate::household::Household;
use crate::ledger::Said;
use crate::random::pick;
use metergate_meter::{Key, LineSettings, Protocol};
use std::time::Duration;

mod dlms_list;
mod hdlc;
mod iec62056_21;
mod kmp;
mod mbus;
mod p1;
mod sml;
mod text_line;

/// Which meter is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MeterKind {
    /// SML with feed-in: signed total power, power by phase, public key.
    EasyMeterQ3a,
    /// SML of a Holley DTZ541 with old firmware: Kermit checksums, times without their choice, more than 15 entries.
    HolleyDtz541,
    /// SML with a list signature.
    SmlSigned,
    /// SML load profile of the last quarter of an hour.
    SmlProfile,
    /// DLMS over M-Bus, flat list in two frames, encrypted.
    KaifaMa309mNetzNoe,
    /// DLMS over M-Bus, nested list, security suite 1, encrypted.
    KaifaMa309mVkw,
    /// DLMS over M-Bus with the wrapped length byte, encrypted.
    SagemcomT210dNetzNoe,
    /// The same, authenticated too.
    SagemcomT210dAuthenticated,
    /// DLMS over HDLC, positional list.
    KaifaMa304Norway,
    /// DLMS over HDLC, self-describing list.
    AidonNorway,
    /// DLMS over HDLC, codes without units.
    KamstrupNorway,
    /// DLMS over HDLC in general block transfer, encrypted and authenticated.
    LandisGyrE450,
    /// P1 with integer Wh, encrypted and authenticated.
    SagemcomT210dr,
    /// P1 of DSMR 5 with a gas meter.
    Dsmr5,
    /// P1 of Luxembourg, encrypted and authenticated.
    SagemcomLuxembourg,
    /// P1 of Flanders with gas and water meter.
    Fluvius,
    /// Heat meter that is asked.
    Multical403,
    /// IEC 62056-21 mode A: answers at its one speed.
    Iec62056ModeA,
    /// IEC 62056-21 mode B: changes the speed by itself.
    Iec62056ModeB,
    /// IEC 62056-21 mode C: changes the speed when told to.
    Iec62056ModeC,
    /// IEC 62056-21 mode D: speaks by itself.
    Iec62056ModeD,
    /// A sine on the import register, every two seconds.
    Dummy,
}

/// A row of the table of meters: kind, name, other name, what it is.
type Row = (MeterKind, &'static str, &'static str, &'static str);

/// Where the model stands in the table of real meters, it has the same name here.
const TABLE: [Row; 22] = [
    (MeterKind::EasyMeterQ3a, "easymeter-q3a", "sml", "SML with feed-in"),
    (MeterKind::HolleyDtz541, "holley-dtz541", "sml-holley", "SML with Kermit checksums and bare times"),
    (MeterKind::SmlSigned, "iskra-mt631", "sml-signed", "SML with a list signature"),
    (MeterKind::SmlProfile, "sml-profile", "profile", "SML load profile"),
    (MeterKind::KaifaMa309mNetzNoe, "kaifa-ma309m-netz-noe", "kaifa", "encrypted M-Bus, flat list"),
    (MeterKind::KaifaMa309mVkw, "kaifa-ma309m-vkw", "kaifa-vkw", "encrypted M-Bus, nested list, suite 1"),
    (
        MeterKind::SagemcomT210dNetzNoe,
        "sagemcom-t210-d-netz-noe",
        "t210-d",
        "encrypted M-Bus, wrapped length byte",
    ),
    (
        MeterKind::SagemcomT210dAuthenticated,
        "sagemcom-t210-d-authenticated",
        "t210-d-authenticated",
        "encrypted and authenticated M-Bus",
    ),
    (MeterKind::KaifaMa304Norway, "kaifa-ma304h3e-no", "kaifa-no", "HDLC push, positional list"),
    (MeterKind::AidonNorway, "aidon-6525-no", "aidon", "HDLC push, self-describing list"),
    (MeterKind::KamstrupNorway, "kamstrup-684x-no", "kamstrup-no", "HDLC push, codes without units"),
    (
        MeterKind::LandisGyrE450,
        "landis-gyr-e450-ch",
        "landis-gyr",
        "encrypted HDLC in general block transfer",
    ),
    (
        MeterKind::SagemcomT210dr,
        "sagemcom-t210-d-r-energienetze-steiermark",
        "t210-d-r",
        "encrypted and authenticated P1, integer Wh",
    ),
    (MeterKind::Dsmr5, "iskraemeco-am550-nl", "dsmr5", "P1 of DSMR 5 with a gas meter"),
    (MeterKind::SagemcomLuxembourg, "sagemcom-t210-d-lu", "luxembourg", "encrypted P1 of Luxembourg"),
    (MeterKind::Fluvius, "fluvius-be", "fluvius", "P1 of Flanders with gas and water"),
    (MeterKind::Multical403, "kamstrup-multical-403", "multical-403", "heat meter, asked by KMP"),
    (MeterKind::Iec62056ModeA, "iec62056-21-mode-a", "mode-a", "IEC 62056-21, one speed"),
    (MeterKind::Iec62056ModeB, "iec62056-21-mode-b", "mode-b", "IEC 62056-21, changes speed by itself"),
    (MeterKind::Iec62056ModeC, "iskra-mt174", "mode-c", "IEC 62056-21, changes speed when told to"),
    (MeterKind::Iec62056ModeD, "easymeter-q3d", "mode-d", "IEC 62056-21, speaks by itself"),
    (MeterKind::Dummy, "dummy", "sine", "a sine on the import register every 2 s"),
];

impl MeterKind {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static Row {
        // The table has a row for every kind, which a test checks.
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }

    /// The name on the command line: that of the table of real meters, where the model stands there.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// A shorter name that is understood too.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        self.row().2
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().3
    }

    /// The kind with this name or short name.
    ///
    /// ```
    /// use metergate_simulator::MeterKind;
    ///
    /// assert_eq!(MeterKind::find("sml"), Some(MeterKind::EasyMeterQ3a));
    /// assert_eq!(MeterKind::find("toaster"), None);
    /// ```
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name || row.2 == name).map(|row| row.0)
    }

    /// What it speaks.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::EasyMeterQ3a | Self::HolleyDtz541 | Self::SmlSigned | Self::SmlProfile | Self::Dummy => {
                Protocol::Sml
            }
            Self::KaifaMa309mNetzNoe
            | Self::KaifaMa309mVkw
            | Self::SagemcomT210dNetzNoe
            | Self::SagemcomT210dAuthenticated => Protocol::DlmsMbus,
            Self::KaifaMa304Norway | Self::AidonNorway | Self::KamstrupNorway | Self::LandisGyrE450 => {
                Protocol::DlmsHdlc
            }
            Self::SagemcomT210dr | Self::Dsmr5 | Self::SagemcomLuxembourg | Self::Fluvius => Protocol::P1,
            Self::Multical403 => Protocol::Kmp,
            Self::Iec62056ModeA | Self::Iec62056ModeB | Self::Iec62056ModeC | Self::Iec62056ModeD => {
                Protocol::Iec62056_21
            }
        }
    }

    /// The line as it is before anyone speaks.
    #[must_use]
    pub const fn line(self) -> LineSettings {
        match self.protocol() {
            Protocol::Sml => LineSettings::M9600_8N1,
            Protocol::DlmsMbus => LineSettings::M2400_8E1,
            Protocol::DlmsHdlc => match self {
                Self::KamstrupNorway => LineSettings::M2400_8N1,
                _ => LineSettings::M2400_8E1,
            },
            Protocol::P1 => LineSettings::M115200_8N1,
            Protocol::Kmp => LineSettings::M1200_8N2,
            Protocol::Iec62056_21 => match self {
                Self::Iec62056ModeD => LineSettings::M9600_7E1,
                _ => LineSettings::M300_7E1,
            },
        }
    }

    /// How often it speaks by itself; `None`: only when asked.
    #[must_use]
    pub const fn interval(self) -> Option<Duration> {
        let seconds = match self {
            Self::EasyMeterQ3a | Self::SmlSigned | Self::Iec62056ModeD | Self::Dummy => 2,
            Self::HolleyDtz541 | Self::Dsmr5 | Self::Fluvius => 1,
            Self::SmlProfile => 15,
            Self::KaifaMa309mNetzNoe
            | Self::KaifaMa309mVkw
            | Self::SagemcomT210dNetzNoe
            | Self::SagemcomT210dAuthenticated
            | Self::LandisGyrE450 => 5,
            Self::KaifaMa304Norway
            | Self::AidonNorway
            | Self::KamstrupNorway
            | Self::SagemcomT210dr
            | Self::SagemcomLuxembourg => 10,
            Self::Multical403 | Self::Iec62056ModeA | Self::Iec62056ModeB | Self::Iec62056ModeC => {
                return None;
            }
        };
        Some(Duration::from_secs(seconds))
    }

    /// True when its telegrams are encrypted.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        matches!(
            self,
            Self::KaifaMa309mNetzNoe
                | Self::KaifaMa309mVkw
                | Self::SagemcomT210dNetzNoe
                | Self::SagemcomT210dAuthenticated
                | Self::LandisGyrE450
                | Self::SagemcomT210dr
                | Self::SagemcomLuxembourg
        )
    }
}

/// The moment that a telegram tells of, and what faults make of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) house: &'a Household,
    /// What the meter's clock shows, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) clock_s: i64,
    /// The meter calls its clock doubtful.
    pub(crate) doubtful: bool,
    pub(crate) envelope: Envelope,
}

/// A telegram, ready to leave.
#[derive(Debug)]
pub(crate) struct Emission {
    pub(crate) bytes: Vec<u8>,
    /// What it says; `None` for parts of a handshake, which say nothing.
    pub(crate) said: Option<Said>,
    /// Offsets in the bytes before which the line rests, and for how long.
    pub(crate) pauses: Vec<(usize, Duration)>,
    /// How the meter's line is set while the bytes leave, if the protocol changes it.
    pub(crate) line: Option<LineSettings>,
    /// How long the meter takes before the first byte leaves.
    pub(crate) delay: Duration,
}

impl Emission {
    pub(crate) fn telegram(bytes: Vec<u8>, said: Said) -> Self {
        Self { said: Some(said), ..Self::handshake(bytes) }
    }

    /// Part of a handshake.
    pub(crate) const fn handshake(bytes: Vec<u8>) -> Self {
        Self { bytes, said: None, pauses: Vec::new(), line: None, delay: Duration::ZERO }
    }
}

/// A number of a meter: what stands on its name plate, by seed and by how often the meter was changed.
pub(crate) fn serial(seed: u64, kind: MeterKind, changes: u64, from: u32, to: u32) -> u32 {
    // The kind's row number: meters of one household have their own numbers.
    let row = TABLE.iter().position(|row| row.0 == kind).unwrap_or(0);
    let place = i64::try_from(row).unwrap_or(0) * 1000 + changes.cast_signed();
    from + u32::try_from(pick(seed, 200, place, u64::from(to - from))).unwrap_or(0)
}

/// Keys of the examples in the DLMS Green Book, for meters that got none.
pub const EXAMPLE_KEYS: [[u8; 16]; 2] = [
    [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F],
    [0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF],
];
/// The authentication key of every meter in Luxembourg, as the grid operators publish it.
pub const LUXEMBOURG_AUTH_KEY: [u8; 16] =
    [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF];

/// What a meter is given when it is set up.
#[derive(Debug, Clone)]
pub(crate) struct SetUp {
    pub(crate) kind: MeterKind,
    pub(crate) seed: u64,
    pub(crate) start_s: i64,
    pub(crate) key: Key,
    pub(crate) auth_key: Key,
    /// How often the meter was changed.
    pub(crate) changes: u64,
}

impl SetUp {
    pub(crate) fn serial(&self, from: u32, to: u32) -> u32 {
        serial(self.seed, self.kind, self.changes, from, to)
    }

    /// A cipher whose system title is `letters`, `block` and this meter's number.
    ///
    /// The counter begins where the time says, so that a simulator that is started again does not fall back behind
    /// what a reader has seen: it rises by one a telegram, and telegrams are at least a second apart.
    pub(crate) fn cipher(&self, letters: [u8; 4], control: u8) -> Cipher {
        let mut title = [0; 8];
        title[..4].copy_from_slice(&letters);
        title[4..].copy_from_slice(&self.serial(1, 0x00FF_FFFF).to_be_bytes());
        let interval_s = self.kind.interval().map_or(1, |interval| interval.as_secs().max(1)).cast_signed();
        // 2020-09-13: counters of some years, far below their limit.
        let counter = u32::try_from((self.start_s - 1_600_000_000) / interval_s).unwrap_or(0);
        Cipher::new(self.key.clone(), self.auth_key.clone(), title, control, counter)
    }
}

/// A meter of any kind.
#[derive(Debug)]
pub(crate) enum VirtualMeter {
    Sml(sml::SmlMeter),
    Mbus(mbus::MbusMeter),
    Hdlc(hdlc::HdlcMeter),
    P1(p1::P1Meter),
    Kmp(kmp::KmpMeter),
    Iec62056_21(iec62056_21::IecMeter),
}

impl VirtualMeter {
    /// `sleeps`: an optical head that must be woken.
    pub(crate) fn new(set_up: &SetUp, sleeps: bool) -> Self {
        match set_up.kind.protocol() {
            Protocol::Sml => Self::Sml(sml::SmlMeter::new(set_up)),
            Protocol::DlmsMbus => Self::Mbus(mbus::MbusMeter::new(set_up)),
            Protocol::DlmsHdlc => Self::Hdlc(hdlc::HdlcMeter::new(set_up)),
            Protocol::P1 => Self::P1(p1::P1Meter::new(set_up)),
            Protocol::Kmp => Self::Kmp(kmp::KmpMeter::new(set_up, sleeps)),
            Protocol::Iec62056_21 => Self::Iec62056_21(iec62056_21::IecMeter::new(set_up)),
        }
    }

    /// The telegram of this moment. From a meter that is asked: what it answers to the usual request.
    pub(crate) fn telegram(&mut self, moment: &Moment<'_>) -> Emission {
        match self {
            Self::Sml(meter) => meter.telegram(moment),
            Self::Mbus(meter) => meter.telegram(moment),
            Self::Hdlc(meter) => meter.telegram(moment),
            Self::P1(meter) => meter.telegram(moment),
            Self::Kmp(meter) => meter.telegram(moment),
            Self::Iec62056_21(meter) => meter.telegram(moment),
        }
    }

    /// Takes bytes of a reader and gives the answers to the requests that they complete.
    pub(crate) fn hear(&mut self, bytes: &[u8], now: Duration, moment: &Moment<'_>) -> Vec<Emission> {
        match self {
            Self::Kmp(meter) => meter.hear(bytes, now, moment),
            Self::Iec62056_21(meter) => meter.hear(bytes, now, moment),
            Self::Sml(_) | Self::Mbus(_) | Self::Hdlc(_) | Self::P1(_) => Vec::new(),
        }
    }

    /// Says the telegram among `emissions` once more, for another moment.
    pub(crate) fn say_again(&mut self, emissions: &mut [Emission], moment: &Moment<'_>) {
        for emission in emissions.iter_mut().filter(|emission| emission.said.is_some()) {
            let again = match self {
                Self::Kmp(meter) => meter.say_again(moment),
                Self::Iec62056_21(meter) => meter.say_again(moment),
                Self::Sml(_) | Self::Mbus(_) | Self::Hdlc(_) | Self::P1(_) => continue,
            };
            (emission.bytes, emission.said) = (again.bytes, again.said);
        }
    }

    /// What a reader usually sends to get a telegram; nothing for meters that push.
    pub(crate) fn usual_request(&self) -> Vec<u8> {
        match self {
            Self::Kmp(_) => kmp::usual_request(),
            Self::Iec62056_21(meter) => meter.usual_request(),
            Self::Sml(_) | Self::Mbus(_) | Self::Hdlc(_) | Self::P1(_) => Vec::new(),
        }
    }

    /// Tells a meter that waits for a reader's next word that time has passed.
    pub(crate) fn expire(&mut self, now: Duration) {
        if let Self::Iec62056_21(meter) = self {
            meter.expire(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_kind_has_a_row_and_names_of_its_own() {
        let names: HashSet<&str> = TABLE.iter().flat_map(|row| [row.1, row.2]).collect();
        assert_eq!(names.len(), TABLE.len() * 2);
        for kind in MeterKind::all() {
            assert_eq!(MeterKind::find(kind.name()), Some(kind));
            assert_eq!(MeterKind::find(kind.short_name()), Some(kind));
        }
        let kinds: HashSet<MeterKind> = MeterKind::all().collect();
        assert_eq!(kinds.len(), TABLE.len());
    }

    #[test]
    fn a_model_of_the_real_table_speaks_as_it_does_there() {
        for kind in MeterKind::all() {
            if let Some(model) = metergate_meter::models::find(kind.name()) {
                assert_eq!(kind.protocol(), model.protocol, "{}", model.name);
                assert_eq!(kind.line(), model.line, "{}", model.name);
            }
        }
    }
}
