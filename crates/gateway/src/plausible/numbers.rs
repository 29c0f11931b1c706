//! From a reading to what the store keeps: numbers by register, and texts that changed.
use crate::json::RegisterJson;
use crate::store::{Column, Remark, Row, RowFlags, Shape};
use metergate_reading::{
    DateTime, Instant, Number, ObisCode, Reading, RegisterBuf, RegisterId, Unit, ValueBuf,
};
use std::collections::HashMap;
use std::sync::Arc;

/// One number of a telegram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub id: RegisterId,
    pub unit: Option<Unit>,
    pub number: Number,
    /// The shortest decimal of a binary float: its exponent says nothing about the meter.
    pub float: bool,
}

impl Entry {
    /// The same value as the one `before` it was written: of the two units of a volume or a flow in the one that the
    /// register had, and the decimal of a binary float with no fewer places, so that a register keeps one column.
    ///
    /// Nothing is rounded: what does not fit so stays as it is. Returns the unit in which it came, if it is another now.
    pub(super) fn like(&mut self, before: Number, unit: Option<Unit>) -> Option<Unit> {
        let mut came_in = None;
        use Unit::{CubicMetre, CubicMetrePerHour, Litre, LitrePerHour};
        let power = match (self.unit, unit) {
            (Some(Litre), Some(CubicMetre)) | (Some(LitrePerHour), Some(CubicMetrePerHour)) => -3,
            (Some(CubicMetre), Some(Litre)) | (Some(CubicMetrePerHour), Some(LitrePerHour)) => 3,
            _ => 0,
        };
        if power != 0
            && let Some(number) = self.number.scaled(power)
        {
            came_in = self.unit;
            (self.number, self.unit) = (number, unit);
        }
        let exponent = before.exponent().min(self.number.exponent());
        if self.float
            && let Some(mantissa) = self.number.at_exponent(exponent)
            && let Some(number) = Number::with_exponent(mantissa, exponent)
        {
            self.number = number;
        }
        came_in
    }
}

/// The registers of a reading with their names; a name that comes again is counted.
pub(super) fn named(reading: &Reading) -> impl Iterator<Item = (RegisterId, &RegisterBuf)> {
    let mut counts: HashMap<RegisterId, u16> = HashMap::with_capacity(reading.registers.len());
    reading.registers.iter().map(move |register| {
        let name = RegisterId::of(register);
        let nth = counts.entry(name.clone()).or_default();
        *nth = nth.saturating_add(1);
        (name.nth(*nth), register)
    })
}

/// The numbers of a reading, in the telegram's order.
pub(super) fn entries(reading: &Reading) -> Vec<Entry> {
    named(reading)
        .filter_map(|(id, register)| {
            let number = register.number()?;
            let float = matches!(register.value, ValueBuf::Float(_));
            Some(Entry { id, unit: register.unit, number, float })
        })
        .collect()
}

/// Shapes that rows had lately, so that equal ones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Shapes(Vec<Arc<Shape>>);

impl Shapes {
    /// A meter sends a few lists in turn; registers in quarantine make a few more.
    const LEN_MAX: usize = 32;

    /// A row of these numbers; `None` when there are none.
    pub(super) fn row(
        &mut self,
        meter: &Arc<str>,
        numbers: &[(RegisterId, Option<Unit>, Number)],
        at: Instant,
        meter_clock_s: Option<i64>,
        flags: RowFlags,
    ) -> Option<Row> {
        if numbers.is_empty() {
            return None;
        }
        let mantissas = numbers.iter().map(|(_, _, number)| number.mantissa()).collect();
        let shape = self.shape(numbers);
        Some(Row { seq: 0, meter: meter.clone(), at, meter_clock_s, flags, shape, mantissas })
    }

    fn shape(&mut self, numbers: &[(RegisterId, Option<Unit>, Number)]) -> Arc<Shape> {
        let same = |shape: &Arc<Shape>| {
            shape.0.len() == numbers.len()
                && shape.0.iter().zip(numbers).all(|(column, (id, unit, number))| {
                    column.id == *id && column.unit == *unit && column.exponent == number.exponent()
                })
        };
        if let Some(at) = self.0.iter().position(same) {
            // The latest stands first, so that what falls out at the end is what nobody uses.
            self.0.get_mut(..=at).unwrap_or_default().rotate_right(1);
        } else {
            let columns = numbers.iter().map(|(id, unit, number)| Column {
                id: id.clone(),
                unit: *unit,
                exponent: number.exponent(),
            });
            self.0.truncate(Self::LEN_MAX - 1);
            self.0.insert(0, Arc::new(Shape(columns.collect())));
        }
        self.0.first().map_or_else(|| Arc::new(Shape(Box::default())), Arc::clone)
    }
}

/// The latest value of every register that is no number.
#[derive(Debug, Clone, Default)]
pub(super) struct Remarks(HashMap<RegisterId, Kept>);

#[derive(Debug, Clone)]
struct Kept {
    /// Not known of one that the store gave back.
    value: Option<ValueBuf>,
    json: String,
}

impl Remarks {
    /// Registers that are remembered; a P1 telegram with four sub-meters has 20 of this kind. One beyond that is not
    /// told.
    const LEN_MAX: usize = 512;

    pub(super) fn restore(remarks: impl IntoIterator<Item = Remark>) -> Self {
        let kept = |remark: Remark| (remark.id, Kept { value: None, json: remark.value });
        Self(remarks.into_iter().take(Self::LEN_MAX).map(kept).collect())
    }

    /// What a telegram says anew.
    pub(super) fn changed(&mut self, meter: &Arc<str>, reading: &Reading, since: Instant) -> Vec<Remark> {
        let mut told = Vec::new();
        for (id, register) in named(reading) {
            if register.number().is_some() || is_clock(&id, register, reading.time) {
                continue;
            }
            let kept = self.0.get(&id);
            if kept.is_some_and(|kept| kept.value.as_ref() == Some(&register.value))
                || (kept.is_none() && self.0.len() >= Self::LEN_MAX)
            {
                continue;
            }
            let Some(json) = json(register) else { continue };
            if kept.is_none_or(|kept| kept.json != json) {
                told.push(Remark { meter: meter.clone(), id: id.clone(), since, value: json.clone() });
            }
            self.0.insert(id, Kept { value: Some(register.value.clone()), json });
        }
        told
    }
}

/// The register's `value` as its line of JSON has it: a text in quotes, `true`, `null`, a list.
fn json(register: &RegisterBuf) -> Option<String> {
    let mut register = serde_json::to_value(RegisterJson::from(register)).ok()?;
    Some(register.get_mut("value")?.take().to_string())
}

/// The meter's clock, which every telegram changes: IEC 62056-61 gives it 0.9.1, 0.9.2 and 1.0.0.
fn is_clock(id: &RegisterId, register: &RegisterBuf, time: Option<DateTime>) -> bool {
    let code = id.obis().map(ObisCode::bytes);
    let by_code = matches!(code, Some([0 | 1, _, 1, 0, 0, _] | [0 | 1, _, 0, 9, 1 | 2, _]));
    by_code || time.is_some_and(|time| register.value == ValueBuf::DateTime(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::{Address, Register, Trust, Value};

    const AT: Instant = Instant { unix_ms: 1_700_000_000_000, trust: Trust::HostSynchronised };

    fn register(code: &str, value: Value<'_>) -> RegisterBuf {
        let mut register = Register::new(Address::Obis, value);
        register.obis = code.parse().ok();
        register.into()
    }

    fn reading(registers: Vec<RegisterBuf>) -> Reading {
        Reading { meter: None, time: DateTime::from_unix_seconds(1_700_000_000), received: AT, registers }
    }

    #[test]
    fn a_name_that_comes_again_is_counted() {
        let twice = reading(vec![
            register("0-1:24.2.1", Value::Text("a time")),
            register("0-1:24.2.1", Value::Number(Number::new(872_234, -3))),
            register("1-0:1.8.0", Value::Float(Number::new(5, 3))),
        ]);
        let entries = entries(&twice);
        let names: Vec<String> = entries.iter().map(|entry| entry.id.to_string()).collect();
        assert_eq!(names, ["0-1:24.2.1*255#2", "1-0:1.8.0*255"]);
        assert_eq!((entries[0].float, entries[1].float), (false, true));
    }

    #[test]
    fn equal_shapes_are_one_and_only_the_latest_are_kept() {
        let (mut shapes, meter) = (Shapes::default(), Arc::from("haus"));
        let id: RegisterId = "1-0:1.8.0".parse().unwrap();
        let mut row = |exponent| {
            let numbers = [(id.clone(), Some(Unit::WattHour), Number::new(1, exponent))];
            shapes.row(&meter, &numbers, AT, None, RowFlags::default()).unwrap()
        };
        let first = row(0);
        assert!(Arc::ptr_eq(&first.shape, &row(0).shape));
        assert!(!Arc::ptr_eq(&first.shape, &row(1).shape));
        for exponent in 2..40 {
            row(exponent);
        }
        assert!(!Arc::ptr_eq(&first.shape, &row(0).shape), "forgotten and made anew");
        assert_eq!(shapes.0.len(), Shapes::LEN_MAX);
        assert_eq!(shapes.row(&meter, &[], AT, None, RowFlags::default()), None);
    }

    #[test]
    fn a_remark_is_made_on_a_change_only_and_never_of_the_clock() {
        let (mut remarks, meter) = (Remarks::default(), Arc::from("haus"));
        let telegram = |firmware, valve| {
            let clock = DateTime::from_unix_seconds(1_700_000_000).unwrap();
            reading(vec![
                register("0-0:1.0.0", Value::Octets(&[7, 0xE8])),
                register("0-0:96.9.9", Value::DateTime(clock)),
                register("1-0:0.2.0", Value::Text(firmware)),
                register("0-1:24.4.0", Value::Bool(valve)),
                register("1-0:96.50.1", Value::Octets(b"EMH")),
                register("0-0:96.13.0", Value::Null),
            ])
        };
        let told = |remarks: Vec<Remark>| -> Vec<String> {
            remarks.iter().map(|remark| format!("{} {}", remark.id, remark.value)).collect()
        };
        assert_eq!(
            told(remarks.changed(&meter, &telegram("a \"b\"", true), AT)),
            [
                r#"1-0:0.2.0*255 "a \"b\"""#,
                "0-1:24.4.0*255 true",
                r#"1-0:96.50.1*255 "454d48""#,
                "0-0:96.13.0*255 null"
            ]
        );
        assert!(remarks.changed(&meter, &telegram("a \"b\"", true), AT).is_empty());
        let changed = remarks.changed(&meter, &telegram("a \"b\"", false), AT);
        assert_eq!(told(changed.clone()), ["0-1:24.4.0*255 false"]);
        let mut restored = Remarks::restore(changed);
        let after = restored.changed(&meter, &telegram("new", false), AT);
        assert_eq!(after.len(), 3, "the valve is as it was");
    }
}
