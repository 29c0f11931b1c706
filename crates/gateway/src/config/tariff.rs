//! Reads which values of a meter are kept by which tariff use case.
use super::node::Value;
use super::section::Section;
use metergate_tariff::{DynamicSettings, Grid, PeriodError};

/// Keys of a meter's section about use cases.
pub(super) const KEYS: &[&str] = &["taf7", "taf14", "dynamic", "dynamic_percent", "boot_snapshot"];

/// Which use cases run for a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TariffSetup {
    /// Like TAF 7: a meter reading at each mark of this grid; `None`: not wanted.
    pub load_profile: Option<Grid>,
    /// Like TAF 14: a value in each slot of this grid; `None`: not wanted.
    pub high_frequency: Option<Grid>,
    /// A value when the power changes so much; `None`: not wanted.
    pub dynamic: Option<DynamicSettings>,
    /// The first reading after a start whose time is trusted.
    pub boot_snapshot: bool,
}

impl Default for TariffSetup {
    /// Quarter hours and the boot snapshot: what every later bill and every chart needs, in 10 MB a year.
    fn default() -> Self {
        Self {
            load_profile: Some(Grid::QUARTER_HOUR),
            high_frequency: None,
            dynamic: None,
            boot_snapshot: true,
        }
    }
}

/// Reads them from the section of a meter.
pub(super) fn read(section: &Section<'_>) -> TariffSetup {
    let usual = TariffSetup::default();
    TariffSetup {
        load_profile: if section.table.get("taf7").is_none() {
            usual.load_profile
        } else {
            grid(section, "taf7", 900, Grid::load_profile)
        },
        high_frequency: grid(section, "taf14", 60, Grid::high_frequency),
        dynamic: dynamic(section),
        boot_snapshot: section.truth("boot_snapshot").unwrap_or(usual.boot_snapshot),
    }
}

/// `true` for the usual period, `false` for none, or a period.
fn grid(
    section: &Section<'_>,
    key: &str,
    usual_s: u32,
    make: fn(u32) -> Result<Grid, PeriodError>,
) -> Option<Grid> {
    let period_s = match section.table.get(key).map(|node| &node.value) {
        None | Some(Value::Truth(false)) => return None,
        Some(Value::Truth(true)) => usual_s,
        Some(_) => u32::try_from(section.duration(key)?.as_secs()).unwrap_or(u32::MAX),
    };
    match make(period_s) {
        Ok(grid) => Some(grid),
        Err(error) => {
            section.problem(key, error.to_string(), "\"15 min\" and \"60 s\" are usual".to_owned());
            None
        }
    }
}

fn dynamic(section: &Section<'_>) -> Option<DynamicSettings> {
    let usual = DynamicSettings::default();
    let percent = section.whole("dynamic_percent", 101..=1000);
    let delta_w = match section.table.get("dynamic").map(|node| &node.value) {
        None | Some(Value::Truth(false)) => {
            if percent.is_some() {
                section.problem("dynamic_percent", "`dynamic` is off", "dynamic = 100".to_owned());
            }
            return None;
        }
        Some(Value::Truth(true)) => usual.delta_w,
        Some(_) => section.whole("dynamic", 1..=100_000)?,
    };
    Some(DynamicSettings { delta_w, ratio_percent: percent.unwrap_or(usual.ratio_percent), ..usual })
}
