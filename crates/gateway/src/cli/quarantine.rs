//! `metergate quarantine`: what is not believed and why, from the store; and what a person says of it, to the daemon.
use super::ask::{Daemon, ask, state_directory};
use super::{Failure, Format, Outcome, table};
use crate::control::Request;
use crate::plausible::{Held, Judgement};
use crate::store::{FILE_NAME, Reader, StoreError};
use std::io::Write;
use std::str::FromStr;

/// Numbers that are shown without `--all`, the latest: what fits a screen. A head that sees a neighbour's light holds
/// a dozen each second.
const SHOWN_MAX: usize = 40;

/// Ranges of one request, so that it fits its line.
const RANGES_MAX: usize = 100;

/// Arguments of `metergate quarantine`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The meter; without one, all.
    #[arg(value_name = "METER")]
    pub meter: Option<String>,
    /// These numbers are right: they join the readings, and a counter that fell goes on from there.
    #[arg(long, value_name = "ID", value_delimiter = ',', conflicts_with = "reject")]
    pub accept: Vec<Range>,
    /// These numbers are wrong for good, and are not shown any more.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub reject: Vec<Range>,
    /// All of them, those too that are judged.
    #[arg(long)]
    pub all: bool,
    /// How to write the list.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which daemon.
    #[command(flatten)]
    pub daemon: Daemon,
}

/// Numbers of the list: `12`, or `12-20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range(i64, i64);

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.trim().parse::<i64>().ok().filter(|&id| id > 0);
        let range = number(first).zip(number(last)).filter(|(first, last)| first <= last);
        range.map(|(first, last)| Self(first, last)).ok_or_else(|| "expected 12 or 12-20".to_owned())
    }
}

/// Lists what is in quarantine, or has it judged.
///
/// # Errors
/// When there is no store, it cannot be read, no daemon runs that could judge, or what is asked cannot be.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let state = state_directory(&args.daemon)?;
    let (ranges, accept) = if args.accept.is_empty() { (&args.reject, false) } else { (&args.accept, true) };
    if !ranges.is_empty() {
        if ranges.len() > RANGES_MAX {
            let message = format!("expected at most {RANGES_MAX} numbers or ranges, found {}", ranges.len());
            return Err(Failure::new(message).with_help("a range is 12-20"));
        }
        let held = ranges.iter().map(|range| (range.0, range.1)).collect();
        return ask(&args.daemon, state.as_deref(), &Request::Judge { held, accept }, out);
    }
    let folder = state.ok_or_else(|| {
        Failure::new("the configuration has no `state_directory`, so there is no store")
            .with_help("`state_directory = \"/var/lib/metergate\"` keeps one")
    })?;
    let mut held = held(args, &folder.join(FILE_NAME))?;
    held.sort_by_key(|one| one.id);
    let left_out = if args.all { 0 } else { held.len().saturating_sub(SHOWN_MAX) };
    held.drain(..left_out);
    match args.format {
        Format::Json => {
            for one in &held {
                serde_json::to_writer(&mut *out, &HeldJson::from(one)).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        }
        Format::Text if held.is_empty() => {
            writeln!(
                out,
                "nothing is in quarantine{}",
                if args.all { "" } else { "; `--all` shows what was" }
            )?;
        }
        Format::Text => text(args, &held, left_out, out)?,
    }
    Ok(if held.is_empty() { Outcome::Nothing } else { Outcome::Done })
}

fn held(args: &Args, path: &std::path::Path) -> Result<Vec<Held>, Failure> {
    let failed = |error: StoreError| Failure::new(error.to_string());
    let mut reader = Reader::open(path).map_err(failed)?;
    let known = reader.meters().map_err(failed)?;
    let meters = match &args.meter {
        None => known,
        Some(meter) if known.contains(meter) => vec![meter.clone()],
        Some(meter) => {
            let failure = Failure::new(format!("the store has no meter `{meter}`"));
            return Err(failure.with_help(format!("it has {}", known.join(", "))));
        }
    };
    let mut held = Vec::new();
    for meter in meters {
        held.extend(reader.held(&meter, !args.all).map_err(failed)?);
    }
    Ok(held)
}

fn text(args: &Args, held: &[Held], left_out: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let mut rows = vec![["ID", "METER", "TIME", "REGISTER", "NUMBER", "WHY"].map(String::from).to_vec()];
    rows.extend(held.iter().map(|one| {
        let json = HeldJson::from(one);
        let judged = match one.judgement {
            Judgement::Open => String::new(),
            Judgement::Released => "released; ".to_owned(),
            Judgement::Rejected => "rejected; ".to_owned(),
        };
        let unit = json.unit.map(|unit| format!(" {unit}")).unwrap_or_default();
        vec![
            json.id.to_string(),
            json.meter.to_owned(),
            json.time.unwrap_or_else(|| "-".to_owned()),
            json.register,
            format!("{}{unit}", json.number),
            format!("{judged}{}: {}", json.reason, json.detail),
        ]
    }));
    for line in table::aligned(&rows) {
        writeln!(out, "{line}")?;
    }
    if left_out > 0 {
        writeln!(out, "\n{left_out} older ones are not shown (`--all`)")?;
    }
    if !args.all {
        writeln!(
            out,
            "\n`metergate quarantine --accept ID` believes one, `--reject ID` takes it off the list."
        )?;
    }
    Ok(())
}

/// One number as a line of JSON.
#[derive(serde::Serialize)]
struct HeldJson<'a> {
    id: i64,
    meter: &'a str,
    time: Option<String>,
    register: String,
    number: String,
    unit: Option<&'static str>,
    reason: &'static str,
    detail: &'a str,
    identity: Option<&'a str>,
    judgement: &'static str,
}

impl<'a> From<&'a Held> for HeldJson<'a> {
    fn from(held: &'a Held) -> Self {
        let at = jiff::Timestamp::from_millisecond(held.at.unix_ms).ok();
        let mut names = Judgement::NAMES.iter();
        Self {
            id: held.id,
            meter: &held.meter,
            // Milliseconds since a boot are no time.
            time: at.filter(|_| held.at.trust != metergate_reading::Trust::None).map(|at| format!("{at:.0}")),
            register: held.register.to_string(),
            number: held.number.to_string(),
            unit: held.unit.map(metergate_reading::Unit::text),
            reason: held.reason.name(),
            detail: &held.detail,
            identity: held.identity.as_deref(),
            judgement: names.find(|(one, _)| *one == held.judgement).map_or("", |(_, name)| name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_named_one_by_one_or_from_the_first_to_the_last() {
        assert_eq!("12".parse(), Ok(Range(12, 12)));
        assert_eq!("12-20".parse(), Ok(Range(12, 20)));
        for bad in ["", "-", "20-12", "0", "-3", "12-", "a", "1.5"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }
}
