//! `metergate store export`: readings, quarter hours or events of a time as CSV or lines of JSON, every number exact.
use super::super::{Failure, Outcome};
use crate::event::Event;
use crate::store::{Mark, Measured, Reader, Row, RowFlags, UseCase};
use clap::ValueEnum;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil::Date};
use metergate_reading::{Trust, Unit};
use serde::Serialize;
use std::io::Write;

/// Quarter hours and events that are read at once.
const PAGE: usize = 1_000;

/// Arguments of `metergate store export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the store is.
    #[command(flatten)]
    pub place: super::Place,
    /// From this time or local day on: 2026-04-12 or 2026-04-12T09:40:00Z.
    #[arg(long, value_name = "TIME", value_parser = time_of)]
    pub from: Option<Timestamp>,
    /// Up to this time or to the beginning of this local day, without it.
    #[arg(long, value_name = "TIME", value_parser = time_of)]
    pub to: Option<Timestamp>,
    /// Only of this meter; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub meter: Vec<String>,
    /// How to write it.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// What to write.
    #[arg(long, value_enum, default_value_t)]
    pub what: What,
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Comma-separated with a header, one line a register.
    #[default]
    Csv,
    /// JSON, one object a line.
    Json,
}

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum What {
    /// Every reading that is kept.
    #[default]
    Readings,
    /// The values of the quarter-hour grid, as on the meter.
    QuarterHours,
    /// What happened.
    Events,
}

/// An instant, or the beginning of a local day.
fn time_of(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let day = text.parse::<Date>().ok().filter(|_| text.len() == "2026-04-12".len());
    let start = day.and_then(|day| day.to_zoned(TimeZone::system()).ok());
    start
        .map(|start| start.timestamp())
        .ok_or_else(|| "expected 2026-04-12 or 2026-04-12T09:40:00Z".to_owned())
}

/// Writes what is asked for.
///
/// # Errors
/// When there is no store or no such meter, it cannot be read, or `out` does not take what is written.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let mut reader = Reader::open(&args.place.path()?)?;
    let known = reader.meters()?;
    if let Some(unknown) = args.meter.iter().find(|name| !known.contains(name)) {
        let help =
            if known.is_empty() { "it is empty".to_owned() } else { format!("it has {}", known.join(", ")) };
        return Err(Failure::new(format!("the store has no meter `{unknown}`")).with_help(help));
    }
    let meters = if args.meter.is_empty() { known } else { args.meter.clone() };
    let mut out = Output { out: &mut std::io::BufWriter::new(out), format: args.format };
    let from_ms = args.from.map_or(i64::MIN, Timestamp::as_millisecond);
    let to_ms = args.to.map_or(i64::MAX, Timestamp::as_millisecond);
    match args.what {
        What::Readings => {
            out.header("seq,time,clock,meter,register,value,unit,flags")?;
            for meter in &meters {
                for row in reader.range(meter, from_ms, to_ms)? {
                    match row {
                        Ok(row) => out.reading(&row)?,
                        // What is behind it can be read, and that is what an export of a damaged store is for.
                        Err(error) => tracing::error!("{error}; it is left out"),
                    }
                }
            }
        }
        What::QuarterHours => {
            out.header("mark,meter,register,value,unit,quality,clock_doubtful,read_at,seq")?;
            for meter in &meters {
                quarter_hours(&mut reader, meter, from_ms, to_ms, &mut out)?;
            }
        }
        What::Events => {
            out.header("seq,time,clock,code,about,detail,count")?;
            events(&mut reader, args, (from_ms, to_ms), &mut out)?;
        }
    }
    out.out.flush()?;
    Ok(Outcome::Done)
}

fn quarter_hours(
    reader: &mut Reader,
    meter: &str,
    from_ms: i64,
    to_ms: i64,
    out: &mut Output<'_>,
) -> Result<(), Failure> {
    let second =
        |ms: i64| Mark::from_unix_s(ms.div_euclid(1000).saturating_add(i64::from(ms.rem_euclid(1000) > 0)));
    let (mut from, to) = (second(from_ms), second(to_ms));
    loop {
        let page = reader.measured_between(meter, UseCase::Taf7LoadProfile, from, to, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        from = Mark::from_unix_s(last.mark.unix_s().saturating_add(1));
        for measured in &page {
            out.quarter_hour(measured)?;
        }
    }
}

fn events(
    reader: &mut Reader,
    args: &Args,
    (from_ms, to_ms): (i64, i64),
    out: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut after = 0;
    loop {
        let page = reader.events_after(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.seq;
        for event in &page {
            let about = event.about.as_deref();
            let wanted = args.meter.is_empty()
                || about.is_some_and(|about| args.meter.iter().any(|name| name == about));
            if wanted && (from_ms..to_ms).contains(&event.at.unix_ms) {
                out.event(event)?;
            }
        }
    }
}

struct Output<'a> {
    out: &'a mut dyn Write,
    format: Format,
}

#[derive(Serialize)]
struct RegisterJson {
    register: String,
    value: String,
    unit: Option<&'static str>,
}

#[derive(Serialize)]
struct ReadingJson<'a> {
    seq: u64,
    meter: &'a str,
    time: String,
    clock: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    meter_time: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'static str>,
    registers: Vec<RegisterJson>,
}

#[derive(Serialize)]
struct QuarterHourJson<'a> {
    seq: u64,
    meter: &'a str,
    mark: String,
    quality: &'static str,
    clock_doubtful: bool,
    read_at: Option<String>,
    registers: Vec<RegisterJson>,
}

#[derive(Serialize)]
struct EventJson<'a> {
    seq: u64,
    time: String,
    clock: &'static str,
    code: &'static str,
    about: Option<&'a str>,
    detail: &'a str,
    count: u32,
}

impl Output<'_> {
    fn header(&mut self, header: &str) -> Result<(), Failure> {
        if self.format == Format::Csv {
            writeln!(self.out, "{header}")?;
        }
        Ok(())
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(value).map_err(std::io::Error::from)?;
        writeln!(self.out, "{line}")?;
        Ok(())
    }

    fn csv(&mut self, cells: &[&str]) -> Result<(), Failure> {
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        writeln!(self.out, "{}", cells.join(","))?;
        Ok(())
    }

    fn reading(&mut self, row: &Row) -> Result<(), Failure> {
        let (time, clock) = (millisecond(row.at.unix_ms), clock(row.at.trust));
        let flags = flags(row.flags);
        if self.format == Format::Json {
            return self.json(&ReadingJson {
                seq: row.seq,
                meter: &row.meter,
                time,
                clock,
                meter_time: row.meter_clock_s.map(second),
                flags,
                registers: registers(row),
            });
        }
        let (seq, flags) = (row.seq.to_string(), flags.join(" "));
        for register in registers(row) {
            let unit = register.unit.unwrap_or_default();
            let cells = [&*seq, &time, clock, &row.meter, &register.register, &register.value, unit, &flags];
            self.csv(&cells)?;
        }
        Ok(())
    }

    fn quarter_hour(&mut self, measured: &Measured) -> Result<(), Failure> {
        let mark = second(measured.mark.unix_s());
        let quality = measured.quality.name();
        let read_at = millisecond(measured.row.at.unix_ms);
        if self.format == Format::Json {
            return self.json(&QuarterHourJson {
                seq: measured.seq,
                meter: &measured.row.meter,
                mark,
                quality,
                clock_doubtful: measured.clock_doubtful,
                read_at: Some(read_at),
                registers: registers(&measured.row),
            });
        }
        let (seq, doubtful) = (measured.seq.to_string(), measured.clock_doubtful.to_string());
        for register in registers(&measured.row) {
            let unit = register.unit.unwrap_or_default();
            let meter = &*measured.row.meter;
            let cells = [
                &*mark,
                meter,
                &register.register,
                &register.value,
                unit,
                quality,
                &doubtful,
                &read_at,
                &seq,
            ];
            self.csv(&cells)?;
        }
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        let (time, clock, code) = (millisecond(event.at.unix_ms), clock(event.at.trust), event.code.text());
        let about = event.about.as_deref();
        if self.format == Format::Json {
            let Event { seq, count, detail, .. } = event;
            return self.json(&EventJson { seq: *seq, time, clock, code, about, detail, count: *count });
        }
        let (seq, count) = (event.seq.to_string(), event.count.to_string());
        self.csv(&[&seq, &time, clock, code, about.unwrap_or_default(), &event.detail, &count])
    }
}

fn registers(row: &Row) -> Vec<RegisterJson> {
    let one = |(column, number): (&crate::store::Column, metergate_reading::Number)| RegisterJson {
        register: column.id.to_string(),
        value: number.to_string(),
        unit: column.unit.map(Unit::text),
    };
    row.numbers().map(one).collect()
}

fn flags(flags: RowFlags) -> Vec<&'static str> {
    RowFlags::NAMES.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name).collect()
}

/// The names of the HTTP sink.
fn clock(trust: Trust) -> &'static str {
    match trust {
        Trust::MeterValid => "meter",
        Trust::MeterDoubtful => "meter_doubtful",
        Trust::HostSynchronised => "host",
        Trust::HostUnsynchronised => "host_unsynchronised",
        Trust::None => "none",
    }
}

fn millisecond(unix_ms: i64) -> String {
    Timestamp::from_millisecond(unix_ms).map_or_else(|_| unix_ms.to_string(), |time| time.to_string())
}

fn second(unix_s: i64) -> String {
    Timestamp::from_second(unix_s).map_or_else(|_| unix_s.to_string(), |time| time.to_string())
}

/// A cell as RFC 4180 wants it.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
