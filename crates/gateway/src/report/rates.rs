//! What a kWh costs, earns and emits in a slot, from the configuration and its files.
use crate::config::{PriceSetup, Rate, TimeOfUse};
use crate::prices::read_file;
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;
use metergate_reading::Number;
use metergate_tariff::price::{PricePeriod, Prices};
use metergate_tariff::{
    Grid, LocalSlot, Mark, MarkValue, ProfileError, Run, Schedule, Slot, TARIFFS_MAX, TariffRegisters,
    Weekday, time_of_use,
};
use std::fmt;
use std::path::PathBuf;

/// A file of prices cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceFileError {
    /// The file.
    pub path: PathBuf,
    /// The line that is wrong, counted from 1; `None` when none could be read.
    pub line: Option<u32>,
    /// What was expected and what was found.
    pub why: String,
}

impl fmt::Display for PriceFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        self.line.iter().try_for_each(|line| write!(f, "{line}:"))?;
        write!(f, " {}", self.why)
    }
}

impl std::error::Error for PriceFileError {}

/// Prices with their files read; what [`Report`](super::Report) calculates with.
#[derive(Debug)]
pub struct Rates {
    /// The currency as it is shown.
    pub currency: String,
    /// The zone whose days and months count.
    pub zone: TimeZone,
    /// What each month costs before the first kWh.
    pub base_per_month: Option<Number>,
    energy: Option<Loaded>,
    feed_in: Option<Loaded>,
    co2: Option<Loaded>,
}

#[derive(Debug)]
enum Loaded {
    Fixed(Number),
    TimeOfUse(TimeOfUse),
    Periods(Vec<PricePeriod>),
}

impl Rates {
    /// Reads the files that a configuration names.
    ///
    /// # Errors
    /// [`PriceFileError`] when one cannot be read or a line of it is wrong.
    pub fn load(setup: &PriceSetup) -> Result<Self, PriceFileError> {
        let load = |rate: &Option<Rate>| rate.as_ref().map(Loaded::new).transpose();
        Ok(Self {
            currency: setup.currency.clone(),
            zone: setup.zone.clone().unwrap_or_else(TimeZone::system),
            base_per_month: setup.base_per_month,
            energy: load(&setup.energy)?,
            feed_in: setup.feed_in.map(Loaded::Fixed),
            co2: load(&setup.co2)?,
        })
    }

    pub(super) fn energy(&self) -> Option<RateView<'_>> {
        self.energy.as_ref()?.view(&self.zone)
    }

    /// The tariffs of the price table with their prices, from tariff 1 on; none without a table.
    #[must_use]
    pub fn tariffs(&self) -> Vec<(u8, Number)> {
        let Some(Loaded::TimeOfUse(table)) = &self.energy else { return Vec::new() };
        (1..=TARIFFS_MAX).map_while(|tariff| Some((tariff, table.price(tariff)?))).collect()
    }

    /// Divides what a counter counted among the tariffs of the price table, like TAF 2; without a table all of it is
    /// in tariff 1.
    pub(super) fn by_tariff(
        &self,
        values: impl IntoIterator<Item = MarkValue>,
    ) -> Result<TariffRegisters, ProfileError> {
        let table = match &self.energy {
            Some(Loaded::TimeOfUse(table)) => table.schedule(),
            _ => None,
        };
        // A mark beyond the calendar has no local time; no meter has readings there.
        let midnight = LocalSlot { weekday: Weekday::Monday, minute: 0 };
        let local = |mark| local_slot(&self.zone, mark).unwrap_or(midnight);
        time_of_use(Grid::QUARTER_HOUR, values, &table.unwrap_or(Schedule::SINGLE), local)
    }

    pub(super) fn feed_in(&self) -> Option<RateView<'_>> {
        self.feed_in.as_ref()?.view(&self.zone)
    }

    pub(super) fn co2(&self) -> Option<RateView<'_>> {
        self.co2.as_ref()?.view(&self.zone)
    }
}

impl Loaded {
    fn new(rate: &Rate) -> Result<Self, PriceFileError> {
        Ok(match rate {
            Rate::Fixed(price) => Self::Fixed(*price),
            Rate::TimeOfUse(prices) => Self::TimeOfUse(prices.clone()),
            Rate::File(path) => Self::Periods(read_file(path)?),
            // Nothing was fetched yet: all energy is without a price, and the report says so.
            Rate::Url(feed) if !feed.file.exists() => Self::Periods(Vec::new()),
            Rate::Url(feed) => Self::Periods(read_file(&feed.file)?),
        })
    }

    /// The same, ready to be asked once for each slot. Files and schedules were checked, so there always is one.
    fn view<'a>(&'a self, zone: &'a TimeZone) -> Option<RateView<'a>> {
        Some(match self {
            Self::Fixed(price) => RateView::Fixed(*price),
            Self::TimeOfUse(prices) => RateView::TimeOfUse { prices, schedule: prices.schedule()?, zone },
            Self::Periods(periods) => RateView::Periods(Prices::new(periods).ok()?),
        })
    }
}

/// Says what a kWh of a slot costs.
#[derive(Debug, Clone, Copy)]
pub(super) enum RateView<'a> {
    Fixed(Number),
    TimeOfUse { prices: &'a TimeOfUse, schedule: Schedule<'a>, zone: &'a TimeZone },
    Periods(Prices<'a>),
}

impl RateView<'_> {
    /// The price that holds over all of a slot; `None` when there is none, or more than one: nobody knows how the
    /// energy lies in a slot across missing quarter hours.
    pub(super) fn of(&self, slot: &Slot) -> Option<Number> {
        match self {
            Self::Fixed(price) => Some(*price),
            Self::Periods(prices) => prices.of(slot),
            Self::TimeOfUse { prices, schedule, zone } => {
                let grid = Grid::QUARTER_HOUR;
                let run = Run { first: slot.from, last: grid.previous(slot.to) };
                let tariff = |mark| Some(schedule.tariff(local_slot(zone, mark)?));
                let mut tariffs = grid.marks(run).map(tariff);
                let first = tariffs.next()??;
                tariffs.all(|other| other == Some(first)).then(|| prices.price(first))?
            }
        }
    }
}

/// What the local clock shows at a mark.
fn local_slot(zone: &TimeZone, mark: Mark) -> Option<LocalSlot> {
    let local = zone.to_datetime(Timestamp::from_second(mark.unix_s()).ok()?);
    let weekday = match local.date().weekday() {
        civil::Weekday::Monday => Weekday::Monday,
        civil::Weekday::Tuesday => Weekday::Tuesday,
        civil::Weekday::Wednesday => Weekday::Wednesday,
        civil::Weekday::Thursday => Weekday::Thursday,
        civil::Weekday::Friday => Weekday::Friday,
        civil::Weekday::Saturday => Weekday::Saturday,
        civil::Weekday::Sunday => Weekday::Sunday,
    };
    let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).ok()?;
    Some(LocalSlot { weekday, minute })
}
