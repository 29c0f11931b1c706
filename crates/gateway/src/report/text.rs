//! Reports for people: a table of which each column has its unit in its head.
use super::{By, Energy, Line, Priced, Rates, Report, local, shown, shown_unit, sum};
use anstyle::Style;
use metergate_reading::{Number, Unit};
use metergate_tariff::{Mark, ProfileError, derived};
use std::io::{self, Write};

pub(super) const HEAD: Style = Style::new().bold();

/// What stands where there is no number.
pub(super) const ABSENT: &str = "-";

/// Writes a report as a table. Energy is exact, money and CO2 are rounded to two decimals.
///
/// # Errors
/// When `out` does not take it.
pub fn text(report: &Report, rates: &Rates, out: &mut dyn Write) -> io::Result<()> {
    let columns = Columns::of(report, rates);
    let rows: Vec<Vec<String>> = std::iter::once(columns.head())
        .chain(report.lines.iter().map(|line| columns.row(label(line.from, report.by, rates), line)))
        .chain(report.total.iter().map(|line| columns.row("total".to_owned(), line)))
        .collect();
    let zone = rates.zone.iana_name().map_or_else(String::new, |zone| format!(", {zone}"));
    let registers =
        report.consumption.iter().chain(&report.feed_in).map(|column| column.register.to_string());
    let registers = registers.collect::<Vec<_>>().join(" and ");
    writeln!(out, "{HEAD}{}{HEAD:#}: {registers} by {}{zone}", report.meter, report.by.name())?;
    if report.lines.is_empty() {
        writeln!(out, "nothing of this time has begun yet")?;
    }
    for (place, row) in aligned(&rows).iter().enumerate() {
        match place {
            0 => writeln!(out, "{HEAD}{row}{HEAD:#}")?,
            _ => writeln!(out, "{row}")?,
        }
    }
    for note in notes(report, rates) {
        writeln!(out, "{note}")?;
    }
    Ok(())
}

/// Which columns there are.
struct Columns<'a> {
    report: &'a Report,
    rates: &'a Rates,
    unit: Option<Unit>,
    fed_in_unit: Option<Unit>,
    cost: bool,
    earned: bool,
    base: bool,
    co2: bool,
    estimate: bool,
}

impl<'a> Columns<'a> {
    fn of(report: &'a Report, rates: &'a Rates) -> Self {
        let any = |is: fn(&Line) -> bool| report.lines.iter().any(is);
        Self {
            report,
            rates,
            unit: report.consumption.as_ref().and_then(|column| column.unit),
            fed_in_unit: report.feed_in.as_ref().and_then(|column| column.unit),
            cost: any(|line| line.consumption.as_ref().is_some_and(|energy| energy.money.is_some())),
            earned: any(|line| line.feed_in.as_ref().is_some_and(|energy| energy.money.is_some())),
            base: any(|line| line.base.is_some()),
            co2: any(|line| line.consumption.as_ref().is_some_and(|energy| energy.co2.is_some())),
            estimate: any(|line| line.annual_estimate.is_some()),
        }
    }

    /// There is more than one amount of money to add up.
    fn to_pay(&self) -> bool {
        self.cost && (self.base || self.earned)
    }

    fn head(&self) -> Vec<String> {
        let currency = &self.rates.currency;
        let unit = shown_unit(self.unit);
        let columns = [
            (true, self.report.by.name().to_owned()),
            (self.report.consumption.is_some(), format!("used {unit}")),
            (self.cost, format!("cost {currency}")),
            (self.base, format!("base {currency}")),
            (self.report.feed_in.is_some(), format!("fed in {}", shown_unit(self.fed_in_unit))),
            (self.earned, format!("earned {currency}")),
            (self.to_pay(), format!("to pay {currency}")),
            (self.co2, "CO2 kg".to_owned()),
            (self.estimate, format!("a year {unit}")),
            (true, "quarter hours".to_owned()),
        ];
        columns.into_iter().filter(|(is, _)| *is).map(|(_, text)| text).collect()
    }

    fn row(&self, label: String, line: &Line) -> Vec<String> {
        let exact = |number: Option<Number>, unit| {
            number.and_then(|number| shown(number, unit)).map_or_else(|| ABSENT.to_owned(), |n| n.to_string())
        };
        let cents = |number: Option<Number>| {
            number
                .and_then(|number| derived::rounded(number, -2))
                .map_or_else(|| ABSENT.to_owned(), |number| number.to_string())
        };
        let amount = |energy: &Option<Energy>| energy.as_ref().and_then(|energy| energy.amount);
        let money = |energy: &Option<Energy>| energy.as_ref()?.money?.amount;
        let co2 = line.consumption.as_ref().and_then(|energy| energy.co2?.amount?.scaled(-3));
        let columns = [
            (true, label),
            (self.report.consumption.is_some(), exact(amount(&line.consumption), self.unit)),
            (self.cost, cents(money(&line.consumption))),
            (self.base, cents(line.base)),
            (self.report.feed_in.is_some(), exact(amount(&line.feed_in), self.fed_in_unit)),
            (self.earned, cents(money(&line.feed_in))),
            (self.to_pay(), cents(line.to_pay())),
            (self.co2, cents(co2)),
            (self.estimate, exact(line.annual_estimate, self.unit)),
            (true, self.quality(line)),
        ];
        columns.into_iter().filter(|(is, _)| *is).map(|(_, text)| text).collect()
    }

    /// How many quarter hours there are, and what is to be said of them.
    fn quality(&self, line: &Line) -> String {
        let Some(energy) = line.consumption.as_ref().or(line.feed_in.as_ref()) else { return String::new() };
        let count = energy.quarter_hours;
        let mut parts = vec![count.there().to_string()];
        for (number, what) in
            [(count.missing, "missing"), (count.late, "late"), (count.substituted, "given by hand")]
        {
            if number > 0 {
                parts.push(format!("{number} {what}"));
            }
        }
        for (priced, what) in [(energy.money, "a price"), (energy.co2, "CO2")] {
            if let Some(without) = without(priced).and_then(|without| shown(without, self.unit)) {
                parts.push(format!("{without} {} without {what}", shown_unit(self.unit)));
            }
        }
        for energy in line.consumption.iter().chain(&line.feed_in) {
            match energy.problem {
                Some(ProfileError::WentBack { at }) => {
                    parts.push(format!("the counter fell at {}", local(at, self.rates, "%Y-%m-%d %H:%M")));
                }
                Some(problem) => parts.push(problem.to_string()),
                None => {}
            }
        }
        parts.join(", ")
    }
}

fn without(priced: Option<Priced>) -> Option<Number> {
    priced?.without.filter(|without| without.mantissa() != 0)
}

/// What a line is called. Only quarter hours need an offset: in one night of each year an hour comes twice.
pub(super) fn label(from: Mark, by: By, rates: &Rates) -> String {
    let format = match by {
        By::QuarterHour => "%Y-%m-%d %H:%M%:z",
        By::Day => "%Y-%m-%d",
        By::Month => "%Y-%m",
        By::Year => "%Y",
    };
    local(from, rates, format)
}

/// What a reader of the table should know.
fn notes(report: &Report, rates: &Rates) -> Vec<String> {
    let mut notes = Vec::new();
    let columns = report.consumption.iter().map(|column| (column, "used", true));
    for (column, word, used) in columns.chain(report.feed_in.iter().map(|column| (column, "fed in", false))) {
        let amount = |line: &Line| {
            let energy = if used { &line.consumption } else { &line.feed_in };
            energy.as_ref().and_then(|energy| energy.amount)
        };
        let lines = sum(report.lines.iter().filter_map(amount)).unwrap_or(Number::new(0, 0));
        let total = report.total.as_ref().and_then(amount);
        let between = total.and_then(|total| total.checked_sub(lines)).filter(|rest| rest.mantissa() != 0);
        if let Some(between) = between.and_then(|between| shown(between, column.unit)) {
            let (unit, by) = (shown_unit(column.unit), report.by.name());
            notes.push(format!(
                "{between} {unit} were {word} across missing quarter hours between one {by} and the next: they are in \
                 the total only."
            ));
        }
    }
    let has_problem = |energy: &Energy| energy.problem.is_some();
    if report.lines.iter().any(|line| line.consumption.iter().chain(&line.feed_in).any(has_problem)) {
        let meter = &report.meter;
        notes.push(format!(
            "A counter that falls was likely exchanged: `metergate epochs {meter}` shows what is known of it."
        ));
    }
    if rates.base_per_month.is_some() && matches!(report.by, By::Day | By::QuarterHour) {
        notes.push("Without the base price, which is one of months.".to_owned());
    }
    notes
}

/// The first column and the last are words, all others numbers, which stand under each other from the right.
pub(super) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (place, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            if place > 0 {
                line.push_str("  ");
            }
            if place == 0 || place + 1 == columns {
                line.push_str(&format!("{cell:<width$}"));
            } else {
                line.push_str(&format!("{cell:>width$}"));
            }
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
