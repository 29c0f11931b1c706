//! Stands in for `metergate_tariff` until its types arrive; same names, same meaning.

/// Unix seconds on the grid of a use case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub i64);

/// How well a reading stands for a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// Within 15 s after it.
    Exact,
    /// Later.
    Late,
    /// No reading.
    Missing,
    /// Given by a person or the backend.
    Substituted,
}

/// A tariff use case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UseCase {
    /// Like TAF 6.
    Taf6OnDemand,
    /// Like TAF 7.
    Taf7LoadProfile,
    /// Like TAF 14.
    Taf14HighFrequency,
    /// On a change of power.
    Dynamic,
    /// The first telegram with trusted time.
    BootSnapshot,
}
