//! What sinks get, the same on the live and on the durable path.
use crate::config::GivenUnit;
use crate::event::Event;
use crate::store::{Mark, Quality, RowFlags, UseCase};
use metergate_reading::{Instant, Number, ObisStyle, RegisterId, Unit};
use std::sync::Arc;

/// The believed numbers of one reading, as a sink wants them: its registers, its names, its units.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The meter's name in the configuration.
    pub meter: Arc<str>,
    /// With meter, register and time the key under which a receiver holds it once.
    pub seq: u64,
    /// When.
    pub at: Instant,
    /// The meter's own clock in seconds since 1970, if it sends one with a zone.
    pub meter_clock_s: Option<i64>,
    /// What a reader should know.
    pub flags: RowFlags,
    /// In the telegram's order; derived ones at the end.
    pub points: Vec<Point>,
}

/// One number of a reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The register.
    pub register: RegisterId,
    /// What this sink calls it, if the configuration renames it.
    pub name: Option<Arc<str>>,
    /// The number; a counter goes on over an exchange of the meter.
    pub number: Number,
    /// Its unit, if one is known.
    pub unit: Option<Unit>,
    /// The number stands for so many powers of ten of the unit: 3 when the sink wants kWh, otherwise 0.
    pub prefix: i8,
    /// Computed from other registers, not sent by the meter.
    pub derived: bool,
}

impl Point {
    /// The number in its base unit, as the store has it.
    #[must_use]
    pub fn base_number(&self) -> Option<Number> {
        self.number.scaled(self.prefix)
    }

    /// What a receiver without names of its own calls it: as the configuration renames it, else its code without the
    /// usual `*255`, else what the telegram calls it.
    #[must_use]
    pub fn label(&self) -> String {
        if let Some(name) = &self.name {
            return name.to_string();
        }
        let full = self.register.to_string();
        match (self.register.obis(), full.split_once('#')) {
            (Some(code), None) => code.text(ObisStyle::Short).to_string(),
            (Some(code), Some((_, nth))) => format!("{}#{nth}", code.text(ObisStyle::Short)),
            (None, _) => full,
        }
    }

    /// The unit that the number is given in, such as `kWh`; empty for a bare number.
    #[must_use]
    pub fn unit_text(&self) -> String {
        self.unit.map_or_else(String::new, |base| GivenUnit { base, exponent: self.prefix }.to_string())
    }
}

impl Sample {
    /// Its points, each with a label that no other has: of two that were renamed alike, the second keeps its own name.
    #[must_use]
    pub fn labelled(&self) -> Vec<(String, &Point)> {
        let mut taken = std::collections::HashSet::new();
        let label = |point: &Point| match point.label() {
            label if taken.insert(label.clone()) => label,
            _ => point.register.to_string(),
        };
        self.points.iter().map(label).collect::<Vec<_>>().into_iter().zip(&self.points).collect()
    }

    /// The point of a register by its code.
    #[must_use]
    pub fn point(&self, code: metergate_reading::ObisCode) -> Option<&Point> {
        self.points.iter().find(|point| point.register.obis() == Some(code))
    }
}

/// One thing on the durable path, in the order of the store.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A reading.
    Reading(Sample),
    /// A reading chosen by a tariff use case.
    Measured {
        /// Which use case.
        case: UseCase,
        /// The mark that it stands for.
        mark: Mark,
        /// How well.
        quality: Quality,
        /// The host's clock was not synchronised.
        clock_doubtful: bool,
        /// The reading.
        sample: Sample,
    },
    /// An event.
    Event(Event),
}

impl Entry {
    /// The reading in it, if it has one.
    #[must_use]
    pub fn sample(&self) -> Option<&Sample> {
        match self {
            Self::Reading(sample) | Self::Measured { sample, .. } => Some(sample),
            Self::Event(_) => None,
        }
    }
}

/// What came of handing a batch of entries to a receiver.
#[derive(Debug, Default)]
pub struct Delivered {
    /// So many from the front are the receiver's now, those it refused for good included.
    pub taken: usize,
    /// Of these, by their place in the batch, what was refused for good, and why. They are skipped and told.
    pub refused: Vec<(usize, String)>,
    /// Why not all were taken; the rest is tried again.
    pub trouble: Option<Trouble>,
}

impl Delivered {
    /// All of them were taken.
    #[must_use]
    pub fn all(batch: &[Entry]) -> Self {
        Self { taken: batch.len(), ..Self::default() }
    }

    /// None was taken.
    #[must_use]
    pub fn none(trouble: Trouble) -> Self {
        Self { trouble: Some(trouble), ..Self::default() }
    }
}

/// Why a receiver cannot take anything at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// How far it came.
    pub step: Step,
    /// Figures and words for a person; no secret.
    pub message: String,
    /// The receiver asked to be left alone for so long.
    pub retry_after: Option<std::time::Duration>,
}

impl Trouble {
    /// Trouble at a step.
    pub fn new(step: Step, message: impl Into<String>) -> Self {
        Self { step, message: message.into(), retry_after: None }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.step.text(), self.message)
    }
}

/// How far a delivery came: what a person looks at next differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The receiver's name has no address.
    Resolve,
    /// Nobody accepts the connection.
    Connect,
    /// Encryption could not be agreed on, or the receiver's certificate is not trusted.
    Tls,
    /// The receiver does not accept who we are.
    Login,
    /// The receiver did not take the entries.
    Deliver,
    /// There is no receiver any more and never will be: nobody reads standard output.
    Gone,
}

impl Step {
    /// The stable name.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Resolve => "name resolution",
            Self::Connect => "connection",
            Self::Tls => "encryption",
            Self::Login => "login",
            Self::Deliver => "delivery",
            Self::Gone => "receiver gone",
        }
    }
}

/// Samples of tests.
#[cfg(test)]
pub(crate) mod made {
    use super::*;
    use metergate_reading::Trust;

    /// 2023-08-16T15:19:31Z.
    pub(crate) const START_MS: i64 = 1_692_199_171_000;

    /// A reading of `haus` some seconds after [`START_MS`]; each point is a code and a number with its unit.
    pub(crate) fn sample(seq: u64, second: i64, points: &[(&str, &str)]) -> Sample {
        let point = |(code, text): &(&str, &str)| {
            let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
            let (unit, prefix) = Unit::from_text(unit).map_or((None, 0), |(unit, by)| (Some(unit), by));
            Point {
                register: code.parse().unwrap(),
                name: None,
                number: number.parse().unwrap(),
                unit,
                prefix,
                derived: false,
            }
        };
        Sample {
            meter: "haus".into(),
            seq,
            at: Instant { unix_ms: START_MS + second * 1000, trust: Trust::HostSynchronised },
            meter_clock_s: None,
            flags: RowFlags::default(),
            points: points.iter().map(point).collect(),
        }
    }

    /// The readings of an `EasyMeter` Q3A, each 2 s after the other.
    pub(crate) fn readings(count: u64) -> Vec<Entry> {
        let of = |index: u64| {
            let energy = Number::new(352_040_842 + i64::try_from(index).unwrap(), -4).to_string() + " Wh";
            let points = [("1-0:1.8.0", energy.as_str()), ("1-0:16.7.0", "319.08 W")];
            Entry::Reading(sample(index + 1, 2 * i64::try_from(index).unwrap(), &points))
        };
        (0..count).map(of).collect()
    }
}
