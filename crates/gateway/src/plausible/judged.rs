//! What a gate is told with a telegram, and what it answers.
use super::{Epoch, Held, instant::Moment, numbers::Entry};
use crate::event::Event;
use crate::store::{Remark, Row, RowFlags};
use metergate_reading::Instant;
use std::time::Duration;

/// How a telegram came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The host's time of day when it was received, or what it was dated to afterwards.
    pub host: Instant,
    /// Since the start of the process, by a clock that is never set; `None` for what was received before.
    pub monotonic: Option<Duration>,
    /// It comes from a line. What comes from a file or another gateway may be older than what is there.
    pub live: bool,
    /// What is known of its time: [`RowFlags::CLOCK_JUMPED`], [`RowFlags::DATED_LATER`].
    pub flags: RowFlags,
}

/// What becomes of one telegram.
///
/// Each of its numbers is in exactly one place: in `row`, in `held`, or nowhere because the telegram is a `duplicate`.
/// The store takes `epochs` first, then `released`, then the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// The believed numbers.
    pub row: Option<Row>,
    /// The same numbers at the same time of the meter as before: nothing is stored.
    pub duplicate: bool,
    /// Numbers that are not believed.
    pub held: Vec<Held>,
    /// Numbers that were held before and are believed now: what stands in quarantine for this meter with a row's time
    /// and one of its registers is [`Released`](super::Judgement::Released). They come in order of time, before `row`.
    pub released: Vec<Row>,
    /// New epochs, or more about the present one, in order; hardly ever more than one.
    pub epochs: Vec<EpochChange>,
    /// Texts, octets and other values that are not as they were.
    pub remarks: Vec<Remark>,
    /// What a person should know.
    pub events: Vec<Event>,
}

/// What is new of epochs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EpochChange {
    /// A new one begins.
    Begins(Epoch),
    /// More is known of the present one: its identity, or the offset of a register that came late. It stands for the
    /// epoch with the same beginning.
    Learns(Epoch),
}

impl EpochChange {
    /// The epoch as it is now.
    #[must_use]
    pub const fn epoch(&self) -> &Epoch {
        match self {
            Self::Begins(epoch) | Self::Learns(epoch) => epoch,
        }
    }
}

/// The numbers of one telegram with all that a row of them needs.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Number among the telegrams of this gate.
    pub telegram: u64,
    pub entries: Vec<Entry>,
    pub when: Moment,
    pub flags: RowFlags,
    pub meter_clock_s: Option<i64>,
}
