//! What registers showed and what tariffs counted, by local days, months and years: like TAF 1 and TAF 2.
//!
//! Nothing of it is stored: a register at the end of a month is its quarter hour there, and what a tariff counted is
//! the sum of quarter hours by the price table. So a late reading that corrects a quarter hour corrects these too.
use super::text::{ABSENT, HEAD, aligned, label};
use super::{Ask, Rates, Series, local, shown, shown_unit};
use crate::store::{Reader, StoreError};
use metergate_reading::{Number, RegisterId, Unit};
use metergate_tariff::{Mark, ProfileError, Quality, TariffRegisters};
use serde::Serialize;
use std::io::{self, Write};

/// RFC 3339 with the offset of the zone.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%:z";

/// One register of one meter, by days, months or years.
#[derive(Debug)]
pub struct Registers {
    /// The meter's name in the configuration.
    pub meter: String,
    /// The register.
    pub register: RegisterId,
    /// Its unit, if one is known.
    pub unit: Option<Unit>,
    /// In order of time.
    pub lines: Vec<RegisterLine>,
    by: super::By,
}

/// A day, month or year of a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterLine {
    /// Its first mark.
    pub from: Mark,
    /// The mark after it.
    pub to: Mark,
    /// What the register showed at its first mark; `None` when that quarter hour is missing. Like TAF 1.
    pub begins: Option<Shown>,
    /// What it showed at the mark after it.
    pub ends: Option<Shown>,
    /// What was counted, by tariffs if there is a table of them. Like TAF 2.
    pub counted: Result<TariffRegisters, ProfileError>,
}

/// What a register showed at a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// As on the meter.
    pub value: Number,
    /// Continued over exchanges of the meter.
    pub total: Number,
    /// How well it stands for the mark.
    pub quality: Quality,
}

impl Registers {
    /// Reads one register; `None` when it has no quarter hour in this time.
    ///
    /// # Errors
    /// What the store says.
    pub fn read(
        reader: &mut Reader,
        meter: &str,
        register: RegisterId,
        rates: &Rates,
        ask: &Ask,
    ) -> Result<Option<Self>, StoreError> {
        let Some((first, last)) = ask.marks(rates) else { return Ok(None) };
        let series = Series::read(reader, meter, register, first, last)?;
        if series.is_empty() {
            return Ok(None);
        }
        let marks = ask.boundaries(rates);
        let mut shown = Vec::with_capacity(marks.len());
        for &mark in &marks {
            let next = Mark::from_unix_s(mark.unix_s().saturating_add(super::span::QUARTER_S));
            let found = reader.quarter_hours(meter, &series.register, mark, next)?;
            shown.push(found.first().and_then(|one| {
                let (value, total) = (one.value?, one.total?);
                Some(Shown { value, total, quality: one.quality })
            }));
        }
        let line = |(marks, shown): (&[Mark], &[Option<Shown>])| match (marks, shown) {
            (&[from, to], &[begins, ends]) => {
                let counted = rates.by_tariff(series.between(from, to).iter().copied());
                Some(RegisterLine { from, to, begins, ends, counted })
            }
            _ => None,
        };
        let lines = marks.windows(2).zip(shown.windows(2)).filter_map(line).collect();
        let Series { register, unit, .. } = series;
        Ok(Some(Self { meter: meter.to_owned(), register, unit, lines, by: ask.by }))
    }

    /// Writes it as a table, with what each tariff costs below it.
    ///
    /// # Errors
    /// When `out` does not take it.
    pub fn text(&self, rates: &Rates, out: &mut dyn Write) -> io::Result<()> {
        let (register, by, unit) = (&self.register, self.by.name(), shown_unit(self.unit));
        let zone = rates.zone.iana_name().map_or_else(String::new, |zone| format!(", {zone}"));
        writeln!(out, "{HEAD}{}{HEAD:#}: register {register} by {by}{zone}", self.meter)?;
        let tariffs = rates.tariffs();
        let mut head = vec![by.to_owned(), format!("begins {unit}"), format!("ends {unit}")];
        head.extend(tariffs.iter().map(|(tariff, _)| format!("tariff {tariff} {unit}")));
        head.extend([format!("counted {unit}"), "readings".to_owned()]);
        let rows: Vec<Vec<String>> = std::iter::once(head)
            .chain(self.lines.iter().map(|line| self.row(line, rates, &tariffs)))
            .collect();
        for (place, row) in aligned(&rows).iter().enumerate() {
            match place {
                0 => writeln!(out, "{HEAD}{row}{HEAD:#}")?,
                _ => writeln!(out, "{row}")?,
            }
        }
        for (tariff, price) in &tariffs {
            writeln!(out, "tariff {tariff}: {price} {} a kWh", rates.currency)?;
        }
        if tariffs.is_empty() {
            writeln!(out, "There is no table of tariffs: `time_of_use` in `[default.price]` makes one.")?;
        }
        Ok(())
    }

    fn row(&self, line: &RegisterLine, rates: &Rates, tariffs: &[(u8, Number)]) -> Vec<String> {
        let exact = |number: Option<Number>| {
            let number = number.and_then(|number| shown(number, self.unit));
            number.map_or_else(|| ABSENT.to_owned(), |number| number.to_string())
        };
        let stand = |shown: Option<Shown>| exact(shown.map(|shown| shown.value));
        let counted = line.counted.ok();
        let mut row = vec![label(line.from, self.by, rates), stand(line.begins), stand(line.ends)];
        row.extend(
            tariffs.iter().map(|&(tariff, _)| exact(counted.and_then(|counted| counted.tariff(tariff)))),
        );
        row.push(exact(counted.and_then(|counted| counted.total)));
        let quality = |shown: Option<Shown>| shown.map_or(Quality::Missing, |shown| shown.quality).name();
        let mut words = format!("{}, {}", quality(line.begins), quality(line.ends));
        if !tariffs.is_empty()
            && let Some(unassigned) = counted.and_then(|counted| shown(counted.unassigned?, self.unit))
        {
            words.push_str(&format!("; {unassigned} {} in no tariff", shown_unit(self.unit)));
        }
        match line.counted {
            Err(ProfileError::WentBack { at }) => {
                words.push_str(&format!("; the counter fell at {}", local(at, rates, "%Y-%m-%d %H:%M")));
            }
            Err(problem) => words.push_str(&format!("; {problem}")),
            Ok(_) => {}
        }
        row.push(words);
        row
    }

    /// Writes it as JSON, one object a line. Numbers are texts with an exact decimal, what is absent is `null`.
    ///
    /// # Errors
    /// When `out` does not take it.
    pub fn json(&self, rates: &Rates, out: &mut dyn Write) -> io::Result<()> {
        let text = |number: Option<Number>| shown(number?, self.unit).as_ref().map(Number::to_string);
        let stand = |shown: Option<Shown>| {
            let shown = shown?;
            Some(StandJson {
                value: text(Some(shown.value)),
                total: text(Some(shown.total)),
                quality: shown.quality.name(),
            })
        };
        for line in &self.lines {
            let counted = line.counted.ok();
            let tariffs = rates.tariffs().into_iter().map(|(tariff, price)| TariffJson {
                tariff,
                price: price.to_string(),
                amount: text(counted.and_then(|counted| counted.tariff(tariff))),
            });
            let object = LineJson {
                meter: &self.meter,
                register: self.register.to_string(),
                unit: self.unit.map(|unit| shown_unit(Some(unit))),
                by: self.by.name(),
                from: local(line.from, rates, TIME),
                to: local(line.to, rates, TIME),
                begins: stand(line.begins),
                ends: stand(line.ends),
                tariffs: tariffs.collect(),
                no_tariff: text(counted.and_then(|counted| counted.unassigned)),
                counted: text(counted.and_then(|counted| counted.total)),
                problem: line.counted.err().map(|problem| problem.to_string()),
            };
            serde_json::to_writer(&mut *out, &object).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct LineJson<'a> {
    meter: &'a str,
    register: String,
    unit: Option<String>,
    by: &'static str,
    from: String,
    to: String,
    begins: Option<StandJson>,
    ends: Option<StandJson>,
    tariffs: Vec<TariffJson>,
    no_tariff: Option<String>,
    counted: Option<String>,
    problem: Option<String>,
}

#[derive(Serialize)]
struct StandJson {
    value: Option<String>,
    total: Option<String>,
    quality: &'static str,
}

#[derive(Serialize)]
struct TariffJson {
    tariff: u8,
    price: String,
    amount: Option<String>,
}
