//! From a row of believed numbers to a sample: counters that go on over an exchange of the meter, and what follows
//! from them.
use super::sample::{Point, Sample};
use crate::plausible::Epoch;
use crate::store::Row;
use metergate_reading::{Number, ObisCode, RegisterId, Trust, Unit};
use metergate_tariff::derived;
use std::collections::HashMap;
use std::sync::Arc;

/// Makes samples of rows, in the order of their times. Each path has one of its own.
#[derive(Debug, Default)]
pub(crate) struct Believed {
    totals: Totals,
    /// For meters that send no power: the counters to measure from.
    anchors: HashMap<Arc<str>, Anchor>,
}

/// The counters of one meter at one instant.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    at_ms: i64,
    import: Number,
    export: Option<Number>,
}

/// Power is derived from counters at least so far apart: one step of 1 Wh in 60 s is 60 W, in 1 s it were 3.6 kW.
const POWER_SPAN_MIN_MS: i64 = 60_000;

/// Counters further apart say what flowed on average, which nobody takes for the present power.
const POWER_SPAN_MAX_MS: i64 = 900_000;

impl Believed {
    /// The epochs of a meter; they replace those known before.
    pub(crate) fn set_epochs(&mut self, meter: &Arc<str>, epochs: Vec<Epoch>) {
        self.totals.set(meter, epochs);
    }

    /// The sample of a row. `as_printed`: counters as they stand on the meter.
    pub(crate) fn sample(&mut self, row: &Row, as_printed: bool) -> Sample {
        let points = row.numbers().map(|(column, number)| {
            let offset =
                if as_printed { None } else { self.totals.offset(&row.meter, row.at.unix_ms, &column.id) };
            Point {
                register: column.id.clone(),
                name: None,
                // A total that does not fit is the register as printed: never nothing, never wrapped.
                number: offset.and_then(|offset| number.checked_add(offset)).unwrap_or(number),
                unit: column.unit,
                prefix: 0,
                derived: false,
            }
        });
        let mut sample = Sample {
            meter: Arc::clone(&row.meter),
            seq: row.seq,
            at: row.at,
            meter_clock_s: row.meter_clock_s,
            flags: row.flags,
            points: points.collect(),
        };
        self.derive(&mut sample);
        sample
    }

    /// Adds what the meter does not send and what follows from what it sends.
    fn derive(&mut self, sample: &mut Sample) {
        // Net power of all phases and of each: OBIS group C of net, import and export.
        for (net, import, export) in [(16, 1, 2), (36, 21, 22), (56, 41, 42), (76, 61, 62)] {
            if watts(sample, net).is_none()
                && let (Some(import), Some(export)) = (watts(sample, import), watts(sample, export))
                && let Some(number) = derived::net_power(import, export)
            {
                push(sample, net, number, Unit::Watt);
            }
        }
        if watts(sample, 16).is_none()
            && watts(sample, 1).is_none()
            && let Some(power) = self.power_of_counters(sample)
        {
            push(sample, 16, power, Unit::Watt);
        }
        let reactive = [3, 4].iter().any(|&c| electrical(sample, c, 7, Some(Unit::Var)).is_some());
        if !reactive
            && let Some(factor) = electrical(sample, 13, 7, None)
            && let Some(active) = watts(sample, 16).or_else(|| watts(sample, 1))
            && let Some(number) = derived::reactive_power(active, factor)
        {
            push(sample, 3, number, Unit::Var);
        }
    }

    fn power_of_counters(&mut self, sample: &Sample) -> Option<Number> {
        let import = electrical(sample, 1, 8, Some(Unit::WattHour))?;
        let export = electrical(sample, 2, 8, Some(Unit::WattHour));
        let at_ms = sample.at.unix_ms;
        if sample.at.trust == Trust::None {
            return None;
        }
        let now = Anchor { at_ms, import, export };
        let anchor = *self.anchors.entry(Arc::clone(&sample.meter)).or_insert(now);
        let span = at_ms.saturating_sub(anchor.at_ms);
        if (0..POWER_SPAN_MIN_MS).contains(&span) {
            return None;
        }
        self.anchors.insert(Arc::clone(&sample.meter), now);
        if !(0..=POWER_SPAN_MAX_MS).contains(&span) {
            return None;
        }
        let power = |from: Number, to: Number| {
            let from = derived::Counted { unix_ms: anchor.at_ms, value: from };
            derived::power(from, derived::Counted { unix_ms: at_ms, value: to }, 0)
        };
        let taken = power(anchor.import, import)?;
        match (anchor.export, export) {
            (Some(before), Some(now)) => derived::net_power(taken, power(before, now)?),
            _ => Some(taken),
        }
    }
}

/// The number of an electrical register of the whole connection: A = 1, this C and D, E = 0.
fn electrical(sample: &Sample, c: u8, d: u8, unit: Option<Unit>) -> Option<Number> {
    let fits = |code: ObisCode| {
        let [a, _, found_c, found_d, e, f] = code.bytes();
        (a, found_c, found_d, e, f) == (1, c, d, 0, 255)
    };
    let point = sample.points.iter().find(|point| point.register.obis().is_some_and(fits))?;
    (point.unit == unit).then_some(point.number)
}

fn watts(sample: &Sample, c: u8) -> Option<Number> {
    electrical(sample, c, 7, Some(Unit::Watt))
}

fn push(sample: &mut Sample, c: u8, number: Number, unit: Unit) {
    let register = RegisterId::obis_code(ObisCode::new(1, 0, c, 7, 0, 255));
    sample.points.push(Point { register, name: None, number, unit: Some(unit), prefix: 0, derived: true });
}

/// What is added to the registers of each meter, so that totals go on.
#[derive(Debug, Default)]
struct Totals(HashMap<Arc<str>, Vec<Epoch>>);

impl Totals {
    fn set(&mut self, meter: &Arc<str>, mut epochs: Vec<Epoch>) {
        epochs.retain(|epoch| !epoch.undone);
        epochs.sort_by_key(|epoch| (epoch.from_ms, epoch.id));
        self.0.insert(Arc::clone(meter), epochs);
    }

    fn offset(&self, meter: &str, at_ms: i64, register: &RegisterId) -> Option<Number> {
        let epochs = self.0.get(meter)?;
        let epoch = epochs.get(epochs.partition_point(|epoch| epoch.from_ms <= at_ms).checked_sub(1)?)?;
        epoch.offsets.iter().find(|(id, _)| id == register).map(|(_, offset)| *offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plausible::EpochCause;
    use crate::store::{Column, RowFlags, Shape};
    use metergate_reading::Instant;

    fn row(second: i64, registers: &[(&str, Number, Option<Unit>)]) -> Row {
        let column = |(code, number, unit): &(&str, Number, Option<Unit>)| Column {
            id: code.parse().unwrap(),
            unit: *unit,
            exponent: number.exponent(),
        };
        Row {
            seq: 7,
            meter: "haus".into(),
            at: Instant { unix_ms: 1_692_199_171_000 + second * 1000, trust: Trust::HostSynchronised },
            meter_clock_s: None,
            flags: RowFlags::default(),
            shape: Arc::new(Shape(registers.iter().map(column).collect())),
            mantissas: registers.iter().map(|(_, number, _)| number.mantissa()).collect(),
        }
    }

    fn derived_of(sample: &Sample) -> Vec<(String, String)> {
        let points = sample.points.iter().filter(|point| point.derived);
        points
            .map(|point| (point.register.to_string(), format!("{} {}", point.number, point.unit_text())))
            .collect()
    }

    const WATT: Option<Unit> = Some(Unit::Watt);
    const WATT_HOUR: Option<Unit> = Some(Unit::WattHour);

    #[test]
    fn net_power_is_import_minus_export_where_the_meter_sends_none() {
        let both = [("1-0:1.7.0", Number::new(0, 0), WATT), ("1-0:2.7.0", Number::new(13_080, -1), WATT)];
        let sample = Believed::default().sample(&row(0, &both), false);
        assert_eq!(derived_of(&sample), [("1-0:16.7.0*255".to_owned(), "-1308.0 W".to_owned())]);
        let own = [both[0], both[1], ("1-0:16.7.0", Number::new(-1308, 0), WATT)];
        assert_eq!(derived_of(&Believed::default().sample(&row(0, &own), false)), []);
    }

    #[test]
    fn row_34_reactive_power_follows_from_the_power_factor_unless_it_is_sent() {
        let sent = [("1-0:1.7.0", Number::new(1055, 0), WATT), ("1-0:13.7.0", Number::new(968, -3), None)];
        let sample = Believed::default().sample(&row(0, &sent), false);
        assert_eq!(derived_of(&sample), [("1-0:3.7.0*255".to_owned(), "273.5 var".to_owned())]);
        let with = [sent[0], sent[1], ("1-0:4.7.0", Number::new(247, 0), Some(Unit::Var))];
        assert_eq!(derived_of(&Believed::default().sample(&row(0, &with), false)), []);
    }

    #[test]
    fn power_follows_from_counters_a_minute_apart_where_the_meter_sends_none() {
        let mut believed = Believed::default();
        let mut powers = Vec::new();
        for second in 0..=130 {
            let energy = [("1-0:1.8.0", Number::new(9000 + second / 6, -1), WATT_HOUR)];
            powers.extend(
                derived_of(&believed.sample(&row(second, &energy), false)).into_iter().map(|d| (second, d.1)),
            );
        }
        // 0.1 Wh in 6 s are 60 W.
        assert_eq!(powers, [(60, "60 W".to_owned()), (120, "60 W".to_owned())]);
        let late = [("1-0:1.8.0", Number::new(99_999, -1), WATT_HOUR)];
        assert_eq!(derived_of(&believed.sample(&row(7200, &late), false)), [], "an hour is no present power");
    }

    #[test]
    fn counters_go_on_over_an_exchange_and_stand_as_printed_on_request() {
        let id: RegisterId = "1-0:1.8.0".parse().unwrap();
        let epoch = |number: i64, from_ms, offset, undone| Epoch {
            id: number,
            meter: "haus".into(),
            from_ms,
            identity: None,
            cause: EpochCause::Exchanged,
            offsets: vec![(id.clone(), Number::new(offset, 0))],
            undone,
        };
        let mut believed = Believed::default();
        let exchanged_ms = 1_692_199_171_000 + 100_000;
        let epochs = vec![
            epoch(2, exchanged_ms, 4997, false),
            epoch(1, 0, 0, false),
            epoch(3, exchanged_ms + 1, 9_999_999, true),
        ];
        believed.set_epochs(&"haus".into(), epochs);
        let mut total = |second, wh, as_printed| {
            let energy = [("1-0:1.8.0", Number::new(wh, 0), WATT_HOUR)];
            believed.sample(&row(second, &energy), as_printed).points[0].number.to_string()
        };
        assert_eq!(total(99, 5000, false), "5000");
        assert_eq!(total(100, 3, false), "5000");
        assert_eq!(total(200, 10, false), "5007");
        assert_eq!(total(200, 10, true), "10");
    }
}
