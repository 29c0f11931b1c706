//! Faults on request: what real lines, heads and meters do to telegrams.
//!
//! Each fault of a run is given as `KIND:RATE`. The rate is the share of telegrams that it happens to, from 0 to 1.
//! The same seed damages the same telegrams in the same way, and the truth ledger says what was done.
use crate::Random;
use std::fmt;
use std::str::FromStr;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// 1 to 4 bytes are lost.
    Drop,
    /// One bit is turned over.
    Flip,
    /// 1 to 4 foreign bytes come in between.
    Insert,
    /// The telegram comes twice.
    Duplicate,
    /// A burst of 5 to 60 foreign bytes before the telegram.
    Noise,
    /// Sealed with another key. Encrypted meters only.
    WrongKey,
    /// Sealed with the counter of the telegram before. Encrypted meters only.
    Replay,
    /// The head repeats the request in front of the answer. Meters that are asked only.
    Echo,
    /// The telegram never leaves.
    Silence,
    /// The telegram ends in the middle.
    Half,
    /// The meter's clock is minutes to days off and says that it is doubtful.
    Clock,
    /// All registers start again at 0.
    Reset,
    /// Another meter hangs in the same place from now on.
    Swap,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Drop,
        Self::Flip,
        Self::Insert,
        Self::Duplicate,
        Self::Noise,
        Self::WrongKey,
        Self::Replay,
        Self::Echo,
        Self::Silence,
        Self::Half,
        Self::Clock,
        Self::Reset,
        Self::Swap,
    ];

    /// The name on the command line, such as `wrong-key`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Flip => "flip",
            Self::Insert => "insert",
            Self::Duplicate => "duplicate",
            Self::Noise => "noise",
            Self::WrongKey => "wrong-key",
            Self::Replay => "replay",
            Self::Echo => "echo",
            Self::Silence => "silence",
            Self::Half => "half",
            Self::Clock => "clock",
            Self::Reset => "reset",
            Self::Swap => "swap",
        }
    }
}

impl FaultKind {
    /// True for what changes a telegram before it is put together; false for what happens to its bytes on the line.
    pub(crate) const fn happens_in_the_meter(self) -> bool {
        matches!(self, Self::WrongKey | Self::Replay | Self::Clock | Self::Reset | Self::Swap)
    }
}

/// A fault and how often it happens.
///
/// ```
/// use metergate_simulator::{Fault, FaultKind};
///
/// let fault: Fault = "flip:0.05".parse()?;
/// assert_eq!(fault.kind, FaultKind::Flip);
/// assert_eq!(fault.per_million, 50_000);
/// assert!("flip:1.5".parse::<Fault>().is_err(), "more often than always");
/// # Ok::<(), metergate_simulator::ParseFaultError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// To how many telegrams of a million, 0 to 1,000,000.
    pub per_million: u32,
}

/// A text is no fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseFaultError {
    /// There is no such fault.
    Kind {
        /// What stands there.
        found: String,
    },
    /// The rate is no number of 0 to 1.
    Rate {
        /// What stands there.
        found: String,
    },
}

impl fmt::Display for ParseFaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { found } => {
                write!(f, "there is no fault `{found}`; expected one of ")?;
                let mut names = FaultKind::ALL.into_iter().map(FaultKind::name);
                f.write_str(names.next().unwrap_or_default())?;
                names.try_for_each(|name| write!(f, ", {name}"))
            }
            Self::Rate { found } => {
                write!(
                    f,
                    "`{found}` is no rate; expected a share of the telegrams such as 0.05, or 1 for all"
                )
            }
        }
    }
}

impl std::error::Error for ParseFaultError {}

/// Reads `KIND:RATE`; the kind alone means 1, every telegram.
impl FromStr for Fault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, ParseFaultError> {
        let (kind, rate) = text.split_once(':').unwrap_or((text, "1"));
        let kind = FaultKind::ALL
            .into_iter()
            .find(|known| known.name() == kind)
            .ok_or_else(|| ParseFaultError::Kind { found: kind.to_owned() })?;
        let per_million = rate
            .parse::<metergate_reading::Number>()
            .ok()
            .and_then(|rate| rate.at_exponent(-6))
            .and_then(|rate| u32::try_from(rate).ok())
            .filter(|rate| *rate <= 1_000_000)
            .ok_or_else(|| ParseFaultError::Rate { found: rate.to_owned() })?;
        Ok(Self { kind, per_million })
    }
}

/// Damages the bytes of a telegram and says how; `None` when this fault does not touch them.
pub(crate) fn damage(kind: FaultKind, bytes: &mut Vec<u8>, random: &mut Random) -> Option<String> {
    let len = bytes.len() as u64;
    if len == 0 {
        return None;
    }
    let place = |random: &mut Random| usize::try_from(random.below(len)).unwrap_or(0);
    match kind {
        FaultKind::Drop => {
            let at = place(random);
            let end = bytes.len().min(at + 1 + usize::from(random.byte() % 4));
            bytes.drain(at..end);
            Some(format!("drop: bytes {at} to {} are lost", end - 1))
        }
        FaultKind::Flip => {
            let (at, bit) = (place(random), random.byte() % 8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
            Some(format!("flip: bit {bit} of byte {at} is turned over"))
        }
        FaultKind::Insert => {
            let (at, count) = (place(random), 1 + random.byte() % 4);
            let foreign: Vec<u8> = (0..count).map(|_| random.byte()).collect();
            bytes.splice(at..at, foreign);
            Some(format!("insert: {count} foreign bytes before byte {at}"))
        }
        FaultKind::Half => {
            // At least the first byte goes out, and at least the last is missing.
            let at = 1 + usize::try_from(random.below((len - 1).max(1))).unwrap_or(0);
            bytes.truncate(at.min(bytes.len() - 1));
            Some(format!("half: it ends after {} of {len} bytes", bytes.len()))
        }
        _ => None,
    }
}

/// A burst of foreign bytes.
pub(crate) fn noise(random: &mut Random) -> Vec<u8> {
    let count = 5 + random.below(56);
    (0..count).map(|_| random.byte()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_by_their_names() {
        for kind in FaultKind::ALL {
            let fault: Fault = format!("{}:0.000001", kind.name()).parse().unwrap();
            assert_eq!(fault, Fault { kind, per_million: 1 });
        }
        assert_eq!("echo".parse(), Ok(Fault { kind: FaultKind::Echo, per_million: 1_000_000 }));
    }

    #[test]
    fn what_is_no_fault_is_refused_with_the_choice() {
        let error = "flood:1".parse::<Fault>().unwrap_err().to_string();
        assert!(error.contains("flood") && error.contains("wrong-key"), "{error}");
        for rate in ["", "two", "-0.1", "1.000001", "1e-3", "0.0000001"] {
            let fault = format!("drop:{rate}");
            assert_eq!(
                fault.parse::<Fault>(),
                Err(ParseFaultError::Rate { found: rate.to_owned() }),
                "{rate}"
            );
        }
    }

    #[test]
    fn damage_always_changes_the_bytes_and_says_so() {
        let mut random = Random::new(1);
        for kind in [FaultKind::Drop, FaultKind::Flip, FaultKind::Insert, FaultKind::Half] {
            for len in [1, 2, 300] {
                let before: Vec<u8> = (0..len).map(|i: u16| i.to_le_bytes()[0]).collect();
                let mut after = before.clone();
                let words = damage(kind, &mut after, &mut random).unwrap();
                assert!(words.starts_with(kind.name()), "{words}");
                assert_ne!(before, after, "{words}");
            }
            assert_eq!(damage(kind, &mut Vec::new(), &mut random), None);
        }
    }

    #[test]
    fn the_same_seed_does_the_same_damage() {
        let damaged = || {
            let (mut random, mut bytes) = (Random::new(5), vec![7; 100]);
            let words = damage(FaultKind::Insert, &mut bytes, &mut random);
            (words, bytes, noise(&mut random))
        };
        assert_eq!(damaged(), damaged());
    }
}
