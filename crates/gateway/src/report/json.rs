//! Reports for programs: lines of JSON, and CSV. Every number is an exact decimal, in JSON a text.
use super::{Energy, Line, Priced, QuarterHours, Rates, Report, local, shown, shown_unit};
use metergate_reading::Number;
use metergate_tariff::Mark;
use serde::Serialize;
use std::io::{self, Write};

/// RFC 3339 with the offset of the zone.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%:z";

/// One line of a report.
#[derive(Serialize)]
struct Object<'a> {
    meter: &'a str,
    by: &'static str,
    from: String,
    to: String,
    consumption: Option<Counted>,
    feed_in: Option<Counted>,
    base: Option<String>,
    to_pay: Option<String>,
    currency: &'a str,
    annual_estimate: Option<String>,
}

/// What a register counted.
#[derive(Serialize)]
struct Counted {
    register: String,
    amount: Option<String>,
    unit: Option<String>,
    money: Option<String>,
    without_price: Option<String>,
    co2_g: Option<String>,
    without_co2: Option<String>,
    quarter_hours: QuarterHours,
    problem: Option<String>,
}

/// Writes a report as JSON, one object a line; the last, of `"by":"total"`, is all of them as one.
///
/// # Errors
/// When `out` does not take it.
pub fn json(report: &Report, rates: &Rates, out: &mut dyn Write) -> io::Result<()> {
    let total = report.total.iter().map(|line| (line, "total"));
    for (line, by) in report.lines.iter().map(|line| (line, report.by.name())).chain(total) {
        let object = object(report, line, by, rates);
        serde_json::to_writer(&mut *out, &object).map_err(io::Error::from)?;
        writeln!(out)?;
    }
    Ok(())
}

fn object<'a>(report: &'a Report, line: &Line, by: &'static str, rates: &'a Rates) -> Object<'a> {
    let text = |number: Number| number.to_string();
    let counted = |column: &Option<super::Column>, energy: &Option<Energy>| {
        let (column, energy) = (column.as_ref()?, energy.as_ref()?);
        let amount = |number: Option<Number>| shown(number?, column.unit).as_ref().map(Number::to_string);
        let priced = |priced: Option<Priced>| priced.and_then(|priced| priced.amount).map(text);
        let without = |priced: Option<Priced>| amount(priced.and_then(|priced| priced.without));
        Some(Counted {
            register: column.register.to_string(),
            amount: amount(energy.amount),
            unit: column.unit.map(|unit| shown_unit(Some(unit))),
            money: priced(energy.money),
            without_price: without(energy.money),
            co2_g: priced(energy.co2),
            without_co2: without(energy.co2),
            quarter_hours: energy.quarter_hours,
            problem: energy.problem.map(|problem| problem.to_string()),
        })
    };
    let unit = report.consumption.as_ref().and_then(|column| column.unit);
    let time = |mark: Mark| local(mark, rates, TIME);
    Object {
        meter: &report.meter,
        by,
        from: time(line.from),
        to: time(line.to),
        consumption: counted(&report.consumption, &line.consumption),
        feed_in: counted(&report.feed_in, &line.feed_in),
        base: line.base.map(text),
        to_pay: line.to_pay().map(text),
        currency: &rates.currency,
        annual_estimate: line.annual_estimate.and_then(|number| shown(number, unit)).map(text),
    }
}

/// The first line of the CSV.
const HEADER: &str = "meter,by,from,to,consumption,unit,cost,without_price,co2_g,exact,late,substituted,missing,\
                      feed_in,feed_in_unit,earned,base,to_pay,currency,annual_estimate";

/// Writes reports as comma-separated values with a header; what is absent is empty. It has no total: whoever adds up
/// the lines would count everything twice.
///
/// # Errors
/// When `out` does not take it.
pub fn csv(reports: &[Report], rates: &Rates, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{HEADER}")?;
    for report in reports {
        for line in &report.lines {
            let Object { meter, by, from, to, consumption, feed_in, base, to_pay, currency, annual_estimate } =
                object(report, line, report.by.name(), rates);
            let text = |field: Option<String>| field.unwrap_or_default();
            // A report of what is fed in alone has its quarter hours there.
            let quarter_hours =
                consumption.as_ref().or(feed_in.as_ref()).map(|counted| counted.quarter_hours);
            let QuarterHours { exact, late, substituted, missing } = quarter_hours.unwrap_or_default();
            let used = consumption.map(|used| {
                [used.amount, used.unit, used.money, used.without_price, used.co2_g].map(text).join(",")
            });
            let used = used.unwrap_or_else(|| ",,,,".to_owned());
            let fed_in = feed_in.map(|fed_in| [fed_in.amount, fed_in.unit, fed_in.money].map(text).join(","));
            let fed_in = fed_in.unwrap_or_else(|| ",,".to_owned());
            let [base, to_pay, annual_estimate] = [base, to_pay, annual_estimate].map(text);
            writeln!(
                out,
                "{meter},{by},{from},{to},{used},{exact},{late},{substituted},{missing},{fed_in},{base},{to_pay},\
                 {currency},{annual_estimate}"
            )?;
        }
    }
    Ok(())
}
