//! `metergate import`: makes a configuration from that of another program.
//!
//! A file becomes a `tree`, in which each value knows its line; a reader of its program turns the tree into a
//! `draft`; the draft becomes `text`. What cannot be carried over is never dropped: it stands as a comment where
//! it would belong, and on standard error.
mod address;
mod draft;
mod files;
mod identifier;
mod kinds;
mod smart_meter_reader;
mod text;
mod tree;
mod vzlogger;

use super::{Failure, Outcome};
use clap::ValueEnum;
use draft::{Block, Draft};
use files::Source;
use std::io::Write;
use std::path::PathBuf;
use tree::{Table, Value};

/// Arguments of `metergate import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  metergate import /etc/vzlogger.conf
  metergate import /etc/vzlogger.conf --output metergate.toml
  metergate import settings.toml .secrets.toml --output /etc/metergate/metergate.toml

Keys and passwords are never printed: with --output metergate.toml they go into metergate.secrets.toml beside it.
Ends with 0 when there is a configuration, 1 when there was nothing to make one of, 2 on wrong usage or a wrong file.")]
pub struct Args {
    /// vzlogger.conf, or settings.toml and .secrets.toml of smart-meter-reader.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Where to write the configuration; without it, to standard output and without secrets.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite what is there.
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Which program the files are of; else their content tells.
    #[arg(long, value_name = "PROGRAM", value_enum)]
    pub from: Option<From>,
}

/// A program whose configuration can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// vzlogger of the volkszaehler project.
    Vzlogger,
    /// smart-meter-reader, in Python with dynaconf.
    SmartMeterReader,
}

/// Makes the configuration.
///
/// # Errors
/// When a file cannot be read, is none of a known program, or the output is in the way.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    import(args, out, &mut anstream::stderr())
}

/// The same with standard error as `err`.
///
/// # Errors
/// As [`run`].
pub fn import(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> Result<Outcome, Failure> {
    let mut sources = Vec::new();
    for path in &args.files {
        sources.push(files::read(path)?);
    }
    secrets_of_settings(&mut sources, args.from)?;
    let draft = draft(&sources, args.from)?;
    for source in &sources {
        advise(source, err)?;
    }
    if draft.count("meter") == 0 {
        writeln!(err, "nothing to convert: no meter that metergate can read")?;
        summary(&draft, err)?;
        return Ok(Outcome::Nothing);
    }
    match &args.output {
        None => write!(out, "{}", text::configuration(&draft, &head(&sources, &draft, "FILE"), None))?,
        Some(output) => {
            let name = output.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let beside = files::secrets_beside(output);
            let beside_name = beside.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let secrets = text::secrets(&draft, &name);
            files::check(output, secrets.is_some().then_some(&beside), &sources, args.force)?;
            let head = head(&sources, &draft, &output.display().to_string());
            let configuration = text::configuration(&draft, &head, Some(&beside_name));
            if let Some(secrets) = &secrets {
                files::write(&beside, secrets, 0o600, args.force)?;
            }
            files::write(output, &configuration, 0o644, args.force)?;
            writeln!(err, "wrote {}: {}", output.display(), count(&draft))?;
            if secrets.is_some() {
                writeln!(err, "wrote {}: keys and passwords, for you alone", beside.display())?;
            } else if beside.exists() {
                writeln!(err, "note: {} is there and will be read with it", beside.display())?;
            }
        }
    }
    summary(&draft, err)?;
    Ok(Outcome::Done)
}

/// dynaconf reads `.secrets.toml` beside `settings.toml` by itself, and so do we.
fn secrets_of_settings(sources: &mut Vec<Source>, from: Option<From>) -> Result<(), Failure> {
    let [only] = sources.as_slice() else { return Ok(()) };
    let beside = only.path.with_file_name(".secrets.toml");
    let settings = only.path.file_name().is_some_and(|name| name == "settings.toml");
    if settings && from != Some(From::Vzlogger) && beside.exists() {
        sources.push(files::read(&beside)?);
    }
    Ok(())
}

/// Reads every file into one draft.
fn draft(sources: &[Source], from: Option<From>) -> Result<Draft, Failure> {
    let mut draft = Draft::default();
    let mut settings = Table::default();
    for source in sources {
        match from.map_or_else(|| recognise(source), Ok)? {
            From::Vzlogger => match tree::json(&source.name, &source.text)?.value {
                Value::Table(root) => vzlogger::read(&root, &mut draft),
                other => {
                    let message =
                        format!("{}: expected an object {{..}}, found {}", source.name, other.kind());
                    return Err(Failure::new(message));
                }
            },
            From::SmartMeterReader => settings.overlay(tree::toml(&source.name, &source.text)?),
        }
    }
    smart_meter_reader::read(&settings, &mut draft);
    draft.blocks.retain(|block| block.head.is_some() || !block.lines.is_empty());
    if draft.count("sink") == 0 && draft.count("meter") > 0 {
        let mut screen = Block::section("default", "sink", draft.name("default", "sink", "screen"));
        screen.remark("So that something is seen: no other sink is switched on.");
        screen.text("kind", "stdout");
        draft.blocks.push(screen);
    }
    Ok(draft)
}

/// Tells by the content which program a file is of.
fn recognise(source: &Source) -> Result<From, Failure> {
    if source.path.file_name().is_some_and(|name| name == ".secrets.toml") {
        // It may hold anything; beside a settings.toml it is what dynaconf calls so.
        return Ok(From::SmartMeterReader);
    }
    if begins_as_json(&source.text) {
        return match tree::json(&source.name, &source.text)?.value {
            Value::Table(root) if vzlogger::is_one(&root) => Ok(From::Vzlogger),
            _ => Err(unknown(source, "JSON without the `meters` of vzlogger")),
        };
    }
    match tree::toml(&source.name, &source.text) {
        Ok(root) if smart_meter_reader::is_one(&root) => Ok(From::SmartMeterReader),
        Ok(root)
            if root.iter().any(
                |(_, node)| matches!(&node.value, Value::Table(table) if table.get("meter").is_some()),
            ) =>
        {
            Err(Failure::new(format!("{}: is a configuration of metergate already", source.name))
                .with_help(format!("metergate check-config --config {}", source.name)))
        }
        Ok(_) => Err(unknown(source, "TOML without the `client` of smart-meter-reader")),
        Err(_) => Err(unknown(source, "neither JSON nor TOML")),
    }
}

/// The first thing that is no space and no comment is a brace.
fn begins_as_json(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let after = if let Some(comment) = rest.strip_prefix("//") {
            comment.split_once('\n').map(|(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map(|(_, after)| after)
        } else {
            return rest.starts_with('{');
        };
        match after {
            Some(after) => rest = after.trim_start(),
            None => return false,
        }
    }
}

fn unknown(source: &Source, what: &str) -> Failure {
    Failure::new(format!("{}: {what}", source.name)).with_help(
        "known are vzlogger.conf and settings.toml of smart-meter-reader; `--from` names one of them",
    )
}

/// What a person should know about a file that was read.
fn advise(source: &Source, err: &mut dyn Write) -> Result<(), Failure> {
    let name = &source.name;
    if source.open_to_all
        && source.path.file_name().is_some_and(|name| name.to_string_lossy().contains("secrets"))
    {
        writeln!(err, "note: {name} can be read by everybody on this host: chmod 600 {name}")?;
    }
    if source.mended {
        writeln!(err, "note: {name} is not UTF-8: look at the names with umlauts in what was made of it")?;
    }
    Ok(())
}

/// What stands at the top of the configuration.
fn head(sources: &[Source], draft: &Draft, output: &str) -> Vec<String> {
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let mut profiles: Vec<&str> = Vec::new();
    for head in
        draft.blocks.iter().filter(|block| block.off.is_none()).filter_map(|block| block.head.as_ref())
    {
        if head.section == "meter" && !profiles.contains(&head.profile.as_str()) {
            profiles.push(&head.profile);
        }
    }
    let mut lines =
        vec![format!("Made of {} by metergate {}.", names.join(" and "), env!("CARGO_PKG_VERSION"))];
    match profiles.as_slice() {
        ["default"] => lines.push(format!("Next: metergate check-config --config {output}")),
        profiles => {
            lines.push(format!("The profiles are {}; each of them runs by itself.", profiles.join(", ")));
            let first = profiles.first().copied().unwrap_or("default");
            lines.push(format!("Next: metergate check-config --config {output} --profile {first}"));
        }
    }
    lines
}

fn count(draft: &Draft) -> String {
    let of = |section: &str| match draft.count(section) {
        1 => format!("1 {section}"),
        number => format!("{number} {section}s"),
    };
    format!("{}, {}", of("meter"), of("sink"))
}

/// Everything that was not carried over, with file and line.
fn summary(draft: &Draft, err: &mut dyn Write) -> Result<(), Failure> {
    let lost = text::lost(draft);
    if !lost.is_empty() {
        writeln!(err, "not carried over:")?;
    }
    for line in lost {
        writeln!(err, "  {line}")?;
    }
    match text::own_ways(draft) {
        0 => {}
        1 => writeln!(err, "metergate does 1 setting in its own way; a comment says how")?,
        number => writeln!(err, "metergate does {number} settings in its own way; comments say how")?,
    }
    Ok(())
}
