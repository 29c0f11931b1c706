//! `metergate report`: what was used, what it cost and how much CO2 it stands for, from the store, whether
//! the gateway runs or not.
use super::{Failure, Outcome, table};
use crate::config::{self, PriceSetup};
use crate::report::{self, Ask, By, DAYS_MAX, PriceFileError, Rates, Registers, Report, Series, first_day};
use crate::store::{FILE_NAME, Reader, StoreError};
use anstyle::Style;
use clap::ValueEnum;
use jiff::Timestamp;
use jiff::civil::Date;
use metergate_reading::{ObisCode, RegisterId, Unit};
use metergate_tariff::{Offered, UseCase};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// What is used (IEC 62056-6-1: active energy import, all tariffs).
const CONSUMPTION: ObisCode = ObisCode::new(1, 0, 1, 8, 0, 255);

/// What is fed in (active energy export, all tariffs).
const FEED_IN: ObisCode = ObisCode::new(1, 0, 2, 8, 0, 255);

/// Arguments of `metergate report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Of this meter; without it of all.
    pub meter: Option<String>,
    /// What a line is about.
    #[arg(long, value_enum, default_value_t)]
    pub by: By,
    /// From this day, month or year on: 2026-04-12, 2026-04 or 2026. Usually today, this month, this year or five years.
    #[arg(long, value_name = "DAY", value_parser = first_day)]
    pub from: Option<Date>,
    /// Up to the beginning of this day, month or year, without it; usually up to now.
    #[arg(long, value_name = "DAY", value_parser = first_day)]
    pub to: Option<Date>,
    /// Another register than 1-0:1.8.0 and 1-0:2.8.0, such as the one of gas.
    #[arg(long, value_name = "OBIS")]
    pub register: Option<RegisterId>,
    /// What the registers showed at the beginning and end of each line, like TAF 1, and what each tariff of
    /// `time_of_use` counted between, like TAF 2.
    #[arg(long, conflicts_with = "use_cases")]
    pub registers: bool,
    /// Which tariff use cases are offered, and why others are not. Needs no store.
    #[arg(long)]
    pub use_cases: bool,
    /// How to write it.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Where the configuration stands; it says what energy costs and where the store is.
    #[command(flatten)]
    pub config: config::Source,
    /// The store itself; prices then come from a configuration only if one is named.
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// A table.
    #[default]
    Text,
    /// JSON, one object a line.
    Json,
    /// Comma-separated with a header.
    Csv,
}

impl From<PriceFileError> for Failure {
    fn from(error: PriceFileError) -> Self {
        let failure = Self::new(error.to_string());
        match error.line {
            None => failure.with_help("`file` in `[default.price]` or `[default.co2]` names it"),
            Some(_) => failure.with_help("a line is start;end;price, such as 2026-04-12T09:45:00+02:00;2026-04-12T10:00:00+02:00;0.2987"),
        }
    }
}

/// Writes the report.
///
/// # Errors
/// When there is no store, no such meter or nothing counted, the configuration or a file of prices is wrong, or `out`
/// does not take what is written.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    if args.use_cases {
        return use_cases(args.format, out);
    }
    let (path, price) = place(args)?;
    let mut reader = Reader::open(&path).map_err(|error| match error {
        StoreError::Absent { .. } => Failure::new(error.to_string())
            .with_help("`metergate run` begins it in its state directory; `--store FILE` names another"),
        error => error.into(),
    })?;
    let rates = Rates::load(&price)?;
    let ask = ask(args, &rates, Timestamp::now())?;
    if args.registers {
        return registers(args, &mut reader, &rates, &ask, out);
    }
    let mut reports = Vec::new();
    for meter in meters(args, &mut reader)? {
        let report = report_of(args, &mut reader, &meter, &rates, &ask)?;
        if report.is_none() && args.meter.is_some() {
            return Err(nothing(args, &mut reader, &meter)?);
        }
        reports.extend(report);
    }
    if reports.is_empty() {
        return Err(nothing_at_all());
    }
    match args.format {
        Format::Csv => report::csv(&reports, &rates, out)?,
        Format::Json => reports.iter().try_for_each(|report| report::json(report, &rates, out))?,
        Format::Text => {
            for (place, report) in reports.iter().enumerate() {
                if place > 0 {
                    writeln!(out)?;
                }
                report::text(report, &rates, out)?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// What registers showed and what tariffs counted.
fn registers(
    args: &Args,
    reader: &mut Reader,
    rates: &Rates,
    ask: &Ask,
    out: &mut dyn Write,
) -> Result<Outcome, Failure> {
    if args.format == Format::Csv || args.by == By::QuarterHour {
        return Err(Failure::new("registers are shown by days, months or years, as a table or JSON")
            .with_help("`metergate store export --what quarter-hours` writes every quarter hour as CSV"));
    }
    let wanted = match &args.register {
        Some(register) => vec![register.clone()],
        None => vec![CONSUMPTION.into(), FEED_IN.into()],
    };
    let mut all = Vec::new();
    for meter in meters(args, reader)? {
        let before = all.len();
        for register in &wanted {
            all.extend(Registers::read(reader, &meter, register.clone(), rates, ask)?);
        }
        if all.len() == before && args.meter.is_some() {
            return Err(nothing(args, reader, &meter)?);
        }
    }
    if all.is_empty() {
        return Err(nothing_at_all());
    }
    for (place, registers) in all.iter().enumerate() {
        if args.format == Format::Json {
            registers.json(rates, out)?;
            continue;
        }
        if place > 0 {
            writeln!(out)?;
        }
        registers.text(rates, out)?;
    }
    Ok(Outcome::Done)
}

fn nothing_at_all() -> Failure {
    Failure::new("no meter has quarter hours of this register in this time").with_help(
        "`--register` names another register, `--from` another time; `metergate store check` shows what there is",
    )
}

/// One use case as a line of JSON.
#[derive(Serialize)]
struct UseCaseJson {
    use_case: &'static str,
    number: Option<u8>,
    name: &'static str,
    offered: &'static str,
    why: &'static str,
}

/// What is offered of the tariff use cases.
fn use_cases(format: Format, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let rows = UseCase::ALL.map(|case| UseCaseJson {
        use_case: case.code(),
        number: case.number(),
        name: case.name(),
        offered: case.offered().name(),
        why: case.why(),
    });
    match format {
        Format::Json => {
            for row in &rows {
                serde_json::to_writer(&mut *out, row).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        }
        Format::Csv => {
            writeln!(out, "use_case,name,offered,why")?;
            for UseCaseJson { use_case, name, offered, why, .. } in &rows {
                writeln!(out, "{use_case},\"{name}\",{offered},\"{why}\"")?;
            }
        }
        Format::Text => {
            let head = Style::new().bold();
            let titles = ["like", "use case", "offered", ""].map(|title| format!("{head}{title}{head:#}"));
            let cells = UseCase::ALL.iter().map(|case| {
                let like = case.number().map_or_else(String::new, |number| format!("TAF {number}"));
                let offered = match case.offered() {
                    Offered::Full => "yes",
                    Offered::Function => "with --registers",
                    Offered::No => "no",
                };
                [like, case.name().to_owned(), offered.to_owned(), case.why().to_owned()].to_vec()
            });
            for line in table::aligned(&std::iter::once(titles.to_vec()).chain(cells).collect::<Vec<_>>()) {
                writeln!(out, "{line}")?;
            }
            writeln!(out, "\nNamed after BSI TR-03109-1; metergate is no certified gateway.")?;
        }
    }
    Ok(Outcome::Done)
}

/// Where the store is and what energy costs.
fn place(args: &Args) -> Result<(PathBuf, PriceSetup), Failure> {
    let gateway = match (&args.store, &args.config.file) {
        (Some(store), None) => return Ok((store.clone(), PriceSetup::default())),
        _ => config::load(&args.config)?,
    };
    if let Some(store) = &args.store {
        return Ok((store.clone(), gateway.price));
    }
    let directory = gateway.state_directory.ok_or_else(|| {
        Failure::new("the configuration names no `state_directory`, so there is no store")
            .with_help("`--store FILE` names one")
    })?;
    Ok((directory.join(FILE_NAME), gateway.price))
}

/// The time that the report is about.
fn ask(args: &Args, rates: &Rates, now: Timestamp) -> Result<Ask, Failure> {
    let beyond = || Failure::new("there is no such time in the calendar");
    let today = rates.zone.to_datetime(now).date();
    let (usual_from, usual_to) = args.by.usual(today).ok_or_else(beyond)?;
    let from = args.from.unwrap_or(usual_from);
    let to = args.to.unwrap_or(usual_to);
    if from >= to {
        let message = format!("expected a time that begins before it ends, found {from} to {to}");
        return Err(Failure::new(message).with_help("`--to` is the day after the last"));
    }
    let days = from.until(to).map_err(|_| beyond())?.get_days();
    if days > DAYS_MAX || (args.by == By::QuarterHour && days > 366) {
        let message = format!("{days} days are too many for one report");
        return Err(Failure::new(message).with_help("make one for each year"));
    }
    Ok(Ask { by: args.by, from, to, now_s: now.as_second() })
}

/// The meters of the report.
fn meters(args: &Args, reader: &mut Reader) -> Result<Vec<String>, Failure> {
    let known = reader.meters()?;
    match &args.meter {
        None => Ok(known),
        Some(meter) if known.contains(meter) => Ok(vec![meter.clone()]),
        Some(meter) => {
            let help = if known.is_empty() {
                "it is empty".to_owned()
            } else {
                format!("it has {}", known.join(", "))
            };
            Err(Failure::new(format!("the store has no meter `{meter}`")).with_help(help))
        }
    }
}

/// The report of one meter; `None` when it counted nothing that is asked for.
fn report_of(
    args: &Args,
    reader: &mut Reader,
    meter: &str,
    rates: &Rates,
    ask: &Ask,
) -> Result<Option<Report>, Failure> {
    let Some((from, to)) = ask.marks(rates) else {
        return Err(Failure::new(format!("{} has not begun yet", ask.from)));
    };
    let mut read = |register: RegisterId| -> Result<Option<Series>, Failure> {
        let series = Series::read(reader, meter, register, from, to)?;
        Ok(Some(series).filter(|series| !series.is_empty()))
    };
    let (consumption, feed_in) = match &args.register {
        None => (read(CONSUMPTION.into())?, read(FEED_IN.into())?),
        Some(register) if is_export(register) => (None, read(register.clone())?),
        Some(register) => (read(register.clone())?, None),
    };
    if consumption.is_none() && feed_in.is_none() {
        return Ok(None);
    }
    Ok(Some(Report::new(meter, consumption.as_ref(), feed_in.as_ref(), rates, ask)))
}

/// Active energy export of electricity, in all or one of its tariffs.
fn is_export(register: &RegisterId) -> bool {
    matches!(register.obis().map(ObisCode::bytes), Some([1, _, 2, 8, ..]))
}

/// Why there is no report of a meter that was asked for, and what it counts instead.
fn nothing(args: &Args, reader: &mut Reader, meter: &str) -> Result<Failure, Failure> {
    let register = args.register.clone().unwrap_or_else(|| CONSUMPTION.into());
    let counters: Vec<String> = reader
        .latest_numbers(meter)?
        .into_iter()
        .filter(|(id, latest)| {
            let counts = matches!(
                latest.unit,
                Some(Unit::WattHour | Unit::VarHour | Unit::CubicMetre | Unit::Joule | Unit::Litre)
            );
            counts && *id != register
        })
        .map(|(id, _)| id.to_string())
        .take(12)
        .collect();
    let failure = Failure::new(format!("`{meter}` has no quarter hours of {register} in this time"));
    Ok(if counters.is_empty() {
        failure.with_help("`metergate store check` shows what there is")
    } else {
        failure.with_help(format!("it counts {} (`--register`)", counters.join(", ")))
    })
}
