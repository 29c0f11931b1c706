//! `metergate check-config`: what the configuration means, and where each value comes from.
use super::{Failure, Outcome, table};
use crate::config::{self, Explained, Gateway, MeterSetup, SinkKind, Surroundings, Table, Value};
use anstyle::{AnsiColor, Style};
use metergate_meter::Protocol;
use std::io::Write;

/// Arguments of `metergate check-config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration stands.
    #[command(flatten)]
    pub config: config::Source,
}

const HEAD: Style = Style::new().bold();
const SOURCE: Style = Style::new().dimmed();
const NOTE: Style = AnsiColor::Yellow.on_default().bold();

/// Explains the configuration.
///
/// # Errors
/// When the configuration is wrong: the message names file, line and key.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    explain(&args.config, &Surroundings::of_process(), out)
}

/// The same in given surroundings.
///
/// # Errors
/// As [`run`].
pub fn explain(
    source: &config::Source,
    around: &Surroundings,
    out: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let explained = config::explain(source, around)?;
    let Explained { gateway, notes, layers } = &explained;
    let files: Vec<String> = layers.files.iter().map(|file| file.display().to_string()).collect();
    let from = if files.is_empty() { "environment alone".to_owned() } else { files.join(", ") };
    writeln!(out, "read     {from}")?;
    writeln!(out, "profile  {} (the files name {})", gateway.profile, list(&layers.profiles))?;
    if let Some(directory) = &gateway.state_directory {
        writeln!(out, "state    {}", directory.display())?;
    }
    match &gateway.web {
        Some(web) => writeln!(out, "page     {web}")?,
        None => writeln!(out, "page     none")?,
    }
    for meter in &gateway.meters {
        writeln!(out, "\n{HEAD}meter {}{HEAD:#}: {}", meter.name, meaning_of_meter(meter))?;
        values(&explained, "meter", &meter.name, out)?;
    }
    for source in &gateway.sources {
        writeln!(out, "\n{HEAD}source {}{HEAD:#}: {source}", source.name)?;
        values(&explained, "source", &source.name, out)?;
    }
    for sink in &gateway.sinks {
        writeln!(out, "\n{HEAD}sink {}{HEAD:#}: {}", sink.name, meaning_of_sink(&sink.kind))?;
        values(&explained, "sink", &sink.name, out)?;
    }
    for (name, rate) in [("price", &gateway.price.energy), ("co2", &gateway.price.co2)] {
        let Some(Value::Table(section)) = explained.layers.merged.get(name).map(|node| &node.value) else {
            continue;
        };
        let what = rate.as_ref().map_or_else(|| "none for what is used".to_owned(), ToString::to_string);
        writeln!(out, "\n{HEAD}{name}{HEAD:#}: {what}")?;
        for row in table::aligned(&rows(&explained, section)) {
            writeln!(out, "  {row}")?;
        }
    }
    if let Some(page) = &gateway.compat.vzlogger {
        writeln!(out, "\n{HEAD}compat vzlogger{HEAD:#}: {page}")?;
        values(&explained, "compat", "vzlogger", out)?;
    }
    if let Some(page) = &gateway.compat.smgw_lite {
        writeln!(out, "\n{HEAD}compat smgw_lite{HEAD:#}: {page}")?;
        values(&explained, "compat", "smgw_lite", out)?;
    }
    for note in notes {
        writeln!(out, "\n{NOTE}note:{NOTE:#} {}: {}: {}", note.place, note.key, note.message)?;
        if let Some(help) = &note.help {
            writeln!(out, "      {help}")?;
        }
    }
    writeln!(out, "\n{}", summary(gateway))?;
    Ok(Outcome::Done)
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn summary(gateway: &Gateway) -> String {
    let count = |number: usize, what: &str| match number {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    };
    let meters = count(gateway.meters.len(), "meter");
    let sources = match gateway.sources.len() {
        0 => String::new(),
        number => format!(", {}", count(number, "source")),
    };
    format!("ok: {meters}{sources}, {}", count(gateway.sinks.len(), "sink"))
}

fn meaning_of_meter(meter: &MeterSetup) -> String {
    let mut parts = vec![meter.model.map_or("model not named", |model| model.title).to_owned()];
    parts.push(meter.protocol.map_or("protocol is detected", Protocol::name).to_owned());
    parts.push(
        meter.port.line.map_or_else(|| "line settings are tried out".to_owned(), |line| line.to_string()),
    );
    parts.push(match (&meter.key, &meter.auth_key) {
        (None, _) => "no key".to_owned(),
        (Some(_), None) => "with key".to_owned(),
        (Some(_), Some(_)) => "with both keys".to_owned(),
    });
    if let Some(address) = meter.serve {
        parts.push(format!("telegrams served at tcp://{address}"));
    }
    parts.join(", ")
}

fn meaning_of_sink(kind: &SinkKind) -> String {
    match kind {
        SinkKind::Stdout { .. } => "standard output".to_owned(),
        SinkKind::Csv(csv) => format!("monthly files in {}", csv.directory.display()),
        SinkKind::Mqtt(setup) => setup.to_string(),
        SinkKind::Homie(setup) => setup.to_string(),
        SinkKind::Http(setup) => setup.to_string(),
        SinkKind::Graphite(setup) => setup.to_string(),
        SinkKind::Influx(setup) => setup.to_string(),
        SinkKind::Prometheus(setup) => setup.to_string(),
        SinkKind::SmgwLite(setup) => setup.to_string(),
        SinkKind::Volkszaehler(setup) => setup.to_string(),
        SinkKind::Loki(setup) => setup.to_string(),
        SinkKind::ThingsBoard(setup) => setup.to_string(),
    }
}

/// Each value with the place that set it.
fn values(explained: &Explained, section: &str, name: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let Some(Value::Table(sections)) = explained.layers.merged.get(section).map(|node| &node.value) else {
        return Ok(());
    };
    let Some(Value::Table(values)) = sections.get(name).map(|node| &node.value) else { return Ok(()) };
    let rows = rows(explained, values);
    for row in table::aligned(&rows) {
        writeln!(out, "  {row}")?;
    }
    Ok(())
}

fn rows(explained: &Explained, values: &Table) -> Vec<Vec<String>> {
    let place = |node: &config::Node| explained.layers.sources.show(node.origin).to_string();
    let row = |(key, node): (&str, &config::Node)| {
        vec![String::from(key), shown(key, &node.value), format!("{SOURCE}{}{SOURCE:#}", place(node))]
    };
    values.iter().map(row).collect()
}

/// A value as it was written; a secret only as the fact that there is one.
fn shown(key: &str, value: &Value) -> String {
    if crate::secret::is_secret(key) {
        return "(set)".to_owned();
    }
    match value {
        // What follows the address of a receiver may hold a token.
        Value::Text(text) if key == "url" && text.contains('?') => {
            format!("{:?}", format!("{}?(not shown)", text.split('?').next().unwrap_or_default()))
        }
        Value::Text(text) => format!("{text:?}"),
        Value::Whole(number) => number.to_string(),
        Value::Truth(truth) => truth.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| shown(key, &item.value)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(_) | Value::Other(_) => value.kind().to_owned(),
    }
}
