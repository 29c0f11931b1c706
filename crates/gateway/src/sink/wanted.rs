//! From what is believed to what one sink wants of it.
use super::sample::{Point, Sample};
use crate::config::Selection;
use crate::store::RowFlags;
use metergate_reading::{Number, ObisCode, RegisterId};
use std::collections::HashMap;
use std::sync::Arc;

/// What one sink wants, and what it got last. Each path of a sink has one of its own.
#[derive(Debug)]
pub(crate) struct Wanted {
    selection: Selection,
    /// When each meter's last reading passed.
    passed_ms: HashMap<Arc<str>, i64>,
    /// What was given last of the registers for which a change is asked, and when.
    given: HashMap<(Arc<str>, RegisterId), (Number, i64)>,
}

impl Wanted {
    pub(crate) fn new(selection: Selection) -> Self {
        Self { selection, passed_ms: HashMap::new(), given: HashMap::new() }
    }

    /// What the sink wants.
    pub(crate) fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The sample as the sink wants it, or `None` when it wants nothing of it.
    pub(crate) fn of(&mut self, mut sample: Sample) -> Option<Sample> {
        // A correction is wanted by whoever got what it corrects, and says nothing about what comes next.
        let corrected = sample.flags.contains(RowFlags::CORRECTED);
        if !self.selection.wants_meter(&sample.meter) || !(corrected || self.is_due(&sample)) {
            return None;
        }
        let Sample { meter, at, points, .. } = &mut sample;
        points.retain_mut(|point| {
            self.selection.wants_register(point.register.obis())
                && !(self.selection.sent_only && point.derived)
                && (corrected || self.has_changed(meter, point, at.unix_ms))
        });
        for point in points.iter_mut() {
            self.dress(point);
        }
        if sample.points.is_empty() {
            return None;
        }
        if !corrected {
            self.passed_ms.insert(Arc::clone(&sample.meter), sample.at.unix_ms);
        }
        Some(sample)
    }

    /// True when the minimum interval is over; a clock that was set back begins a new one.
    fn is_due(&self, sample: &Sample) -> bool {
        let Some(interval) = self.selection.min_interval else { return true };
        let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        let passed = self.passed_ms.get(&sample.meter);
        passed.is_none_or(|&passed| !(0..interval).contains(&sample.at.unix_ms.saturating_sub(passed)))
    }

    /// True when no change is asked of the register, or it has changed enough, or it is time for a refresh.
    fn has_changed(&mut self, meter: &Arc<str>, point: &Point, at_ms: i64) -> bool {
        let code = point.register.obis();
        let Some(least) = code.and_then(|code| first(&self.selection.change, code)).copied() else {
            return true;
        };
        let key = (Arc::clone(meter), point.register.clone());
        if let Some(&(before, given_ms)) = self.given.get(&key) {
            let refresh = self.selection.refresh.and_then(|span| i64::try_from(span.as_millis()).ok());
            let is_old = refresh.is_some_and(|span| at_ms.saturating_sub(given_ms) >= span);
            let changed = point.number.checked_sub(before).is_none_or(|change| at_least(change, least));
            if !is_old && !changed {
                return false;
            }
        }
        self.given.insert(key, (point.number, at_ms));
        true
    }

    /// Gives the point the name and the unit that the sink wants.
    fn dress(&self, point: &mut Point) {
        point.name =
            point.register.obis().and_then(|code| first(&self.selection.rename, code)).map(Arc::clone);
        let unit = self.selection.units.iter().find(|unit| Some(unit.base) == point.unit);
        if let Some(unit) = unit
            && let Some(exponent) = unit.exponent.checked_neg()
            && let Some(number) = point.number.scaled(exponent)
        {
            point.number = number;
            point.prefix = unit.exponent;
        }
    }
}

/// What stands beside the first pattern that fits.
fn first<T>(table: &[(crate::config::RegisterPattern, T)], code: ObisCode) -> Option<&T> {
    table.iter().find(|(pattern, _)| pattern.fits(code)).map(|(_, value)| value)
}

/// Whether a change in either direction is as large as it must be. What cannot be compared is a change.
fn at_least(change: Number, least: Number) -> bool {
    let exponent = change.exponent().min(least.exponent());
    match (change.at_exponent(exponent), least.at_exponent(exponent)) {
        (Some(change), Some(least)) => change.unsigned_abs() >= least.unsigned_abs(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::{Instant, Trust, Unit};
    use std::time::Duration;

    fn sample(meter: &str, second: i64, points: &[(&str, Number)]) -> Sample {
        let point = |&(code, number): &(&str, Number)| Point {
            register: code.parse().unwrap(),
            name: None,
            number,
            unit: Some(if code.contains(".8.") { Unit::WattHour } else { Unit::Watt }),
            prefix: 0,
            derived: false,
        };
        Sample {
            meter: meter.into(),
            seq: 1,
            at: Instant { unix_ms: 1_692_199_171_000 + second * 1000, trust: Trust::HostSynchronised },
            meter_clock_s: None,
            flags: RowFlags::default(),
            points: points.iter().map(point).collect(),
        }
    }

    fn both(second: i64) -> Sample {
        sample("haus", second, &[("1-0:1.8.0", Number::new(7, 0)), ("1-0:16.7.0", Number::new(9, 0))])
    }

    #[test]
    fn a_minimum_interval_holds_for_each_meter() {
        let interval = Some(Duration::from_secs(10));
        let mut wanted = Wanted::new(Selection { min_interval: interval, ..Selection::default() });
        let mut passed = Vec::new();
        for second in 0..25 {
            for meter in ["haus", "pump"] {
                if wanted.of(Sample { meter: meter.into(), ..both(second) }).is_some() {
                    passed.push((meter, second));
                }
            }
        }
        assert_eq!(
            passed,
            [("haus", 0), ("pump", 0), ("haus", 10), ("pump", 10), ("haus", 20), ("pump", 20)]
        );
        assert!(wanted.of(both(-3600)).is_some(), "a clock that was set back begins a new interval");
    }

    #[test]
    fn only_wanted_registers_pass_under_their_names_and_units() {
        let mut wanted = Wanted::new(Selection {
            registers: vec!["*-*:1.8.*".parse().unwrap()],
            rename: vec![("1.8.0".parse().unwrap(), "import".into())],
            units: vec!["kWh".parse().unwrap()],
            ..Selection::default()
        });
        let sample = wanted.of(both(0)).unwrap();
        let [point] = sample.points.as_slice() else { panic!("{sample:?}") };
        assert_eq!((point.name.as_deref(), point.number.to_string().as_str()), (Some("import"), "0.007"));
        assert_eq!((point.unit_text().as_str(), point.base_number()), ("kWh", Some(Number::new(7, 0))));
        let mut none =
            Wanted::new(Selection { registers: vec!["1-0:2.8.0".parse().unwrap()], ..Selection::default() });
        assert_eq!(none.of(both(0)), None, "a reading of which nothing is wanted is no reading");
    }

    #[test]
    fn a_register_passes_when_it_has_changed_enough_or_is_refreshed() {
        let mut wanted = Wanted::new(Selection {
            change: vec![("16.7.0".parse().unwrap(), Number::new(50, -1))],
            refresh: Some(Duration::from_secs(60)),
            ..Selection::default()
        });
        let mut passed = Vec::new();
        // Changes by 4 W are too small, 5 W are enough in both directions, and after a minute it is told all the same.
        for (second, watt) in [(0, 100), (1, 104), (2, 105), (3, 101), (4, 100), (50, 100), (64, 100)] {
            let power = [("1-0:16.7.0", Number::new(watt, 0))];
            if wanted.of(sample("haus", second, &power)).is_some() {
                passed.push(second);
            }
        }
        assert_eq!(passed, [0, 2, 4, 64]);
    }

    #[test]
    fn a_correction_passes_an_interval_and_a_change_and_moves_neither() {
        let mut wanted = Wanted::new(Selection {
            change: vec![("16.7.0".parse().unwrap(), Number::new(5, 0))],
            min_interval: Some(Duration::from_secs(10)),
            ..Selection::default()
        });
        let power = |second, watt| sample("haus", second, &[("1-0:16.7.0", Number::new(watt, 0))]);
        let corrected = |second, watt| Sample { flags: RowFlags::CORRECTED, ..power(second, watt) };
        assert!(wanted.of(power(20, 100)).is_some());
        assert!(wanted.of(corrected(18, 101)).is_some());
        assert!(wanted.of(power(29, 200)).is_none(), "the interval is over at 30 s");
        assert!(wanted.of(power(30, 104)).is_none(), "4 W since the 100 W");
        assert!(wanted.of(power(30, 105)).is_some());
    }

    #[test]
    fn derived_registers_stay_out_where_only_sent_ones_are_wanted() {
        let mut wanted = Wanted::new(Selection { sent_only: true, ..Selection::default() });
        let mut sample = both(0);
        if let Some(power) = sample.points.last_mut() {
            power.derived = true;
        }
        assert_eq!(wanted.of(sample).unwrap().points.len(), 1);
    }
}
