//! What sources beside the meter measure, for the fields `temp` and `solar`.
use crate::config::SmgwLiteSetup;
use crate::sink::sample::{Entry, Point, Sample};
use metergate_reading::{Number, ObisCode, Trust, Unit};
use metergate_series::smgw_lite::{centidegrees, watt_seconds};
use std::collections::VecDeque;

/// A value of a source stands beside a reading at most so far from it in time: both are chosen on the same grid, and the
/// coarsest is a quarter hour. What is further off is left out.
const NEAR_MAX_MS: u64 = 900_000;

/// Values of one kind that are kept: an hour of minutes, and the few quarter hours and snapshots in it.
const KEPT_MAX: usize = 80;

/// 0-0:96.9.0, ambient temperature (IEC 62056-6-1, environmental parameters).
const TEMPERATURE: ObisCode = ObisCode::new(0, 0, 96, 9, 0, 255);

/// Values of sources by their times, the newest at the end.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Hundredths of a degree Celsius.
    temperatures: Kept<i32>,
    /// Ws.
    solar: Kept<u32>,
    /// That a value is beyond what the format can say is told once.
    has_told: bool,
}

#[derive(Debug)]
struct Kept<T>(VecDeque<(i64, T)>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Copy> Kept<T> {
    fn add(&mut self, at_ms: i64, value: T) {
        // A batch that is tried again says the same again.
        if self.0.iter().any(|(known, _)| *known == at_ms) {
            return;
        }
        if self.0.len() >= KEPT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((at_ms, value));
    }

    fn near(&self, at_ms: i64) -> Option<T> {
        let distance = |known: i64| known.abs_diff(at_ms);
        let nearest = self.0.iter().min_by_key(|(known, _)| distance(*known))?;
        (distance(nearest.0) <= NEAR_MAX_MS).then_some(nearest.1)
    }
}

impl Beside {
    /// Takes over what the entries say of the sources.
    pub(super) fn learn(&mut self, setup: &SmgwLiteSetup, batch: &[Entry]) {
        for sample in batch.iter().filter_map(Entry::sample).filter(|sample| sample.at.trust != Trust::None) {
            let is = |source: &Option<String>| source.as_deref() == Some(&*sample.meter);
            if is(&setup.temperature)
                && let Some(value) = temperature(sample)
            {
                self.told(value)
                    .into_iter()
                    .for_each(|value| self.temperatures.add(sample.at.unix_ms, value));
            }
            if is(&setup.solar)
                && let Some(value) = solar(sample)
            {
                self.told(value).into_iter().for_each(|value| self.solar.add(sample.at.unix_ms, value));
            }
        }
    }

    /// The temperature at a time, in hundredths of a degree Celsius.
    pub(super) fn temperature(&self, at_ms: i64) -> Option<i32> {
        self.temperatures.near(at_ms)
    }

    /// The solar energy at a time, in Ws.
    pub(super) fn solar(&self, at_ms: i64) -> Option<u32> {
        self.solar.near(at_ms)
    }

    fn told<T>(&mut self, value: Result<T, String>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(why) => {
                if !std::mem::replace(&mut self.has_told, true) {
                    tracing::warn!("left out of the push to SMGW.Lite: {why}");
                }
                None
            }
        }
    }
}

/// The ambient temperature of a source, else its first temperature.
fn temperature(sample: &Sample) -> Option<Result<i32, String>> {
    let is_warm = |point: &&Point| point.unit == Some(Unit::Celsius);
    let point = sample.point(TEMPERATURE).or_else(|| sample.points.iter().find(is_warm))?;
    Some(said(point, |number| centidegrees(number, point.unit).map_err(|error| error.to_string())))
}

/// What a source has given, 1-b:2.8.0.
fn solar(sample: &Sample) -> Option<Result<u32, String>> {
    let is_it = |point: &&Point| {
        point.register.obis().is_some_and(|code| matches!(code.bytes(), [1, _, 2, 8, 0, 255]))
    };
    let point = sample.points.iter().find(is_it)?;
    Some(said(point, |number| {
        let (number, unit) = match point.unit {
            // Meters count Wh; a Wh is 3600 Ws.
            Some(Unit::WattHour) => (joules(number)?, Some(Unit::Joule)),
            unit => (number, unit),
        };
        watt_seconds(number, unit).map_err(|error| error.to_string())
    }))
}

fn joules(wh: Number) -> Result<Number, String> {
    let number =
        wh.mantissa().checked_mul(3600).and_then(|mantissa| Number::with_exponent(mantissa, wh.exponent()));
    number.ok_or_else(|| format!("{wh} Wh are more than can be told in Ws"))
}

fn said<T>(point: &Point, value: impl FnOnce(Number) -> Result<T, String>) -> Result<T, String> {
    let number = point.base_number().ok_or_else(|| format!("{} is beyond all bounds", point.register))?;
    value(number).map_err(|error| format!("{}: {error}", point.register))
}
