//! `metergate meters`: the meters that are known by name.
use super::{Failure, Format, Outcome, table};
use anstyle::Style;
use metergate_meter::models::{self, Keys, Model};
use serde::Serialize;
use std::io::Write;

/// Arguments of `metergate meters`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to write the table.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// One model as a line of JSON.
#[derive(Serialize)]
struct ModelJson<'a> {
    name: &'a str,
    maker: &'a str,
    title: &'a str,
    operator: Option<&'a str>,
    protocol: &'a str,
    line: String,
    medium: &'a str,
    keys: &'a str,
    layout: Option<&'a str>,
    quirks: &'a [&'a str],
}

impl From<&'static Model> for ModelJson<'static> {
    fn from(model: &'static Model) -> Self {
        Self {
            name: model.name,
            maker: model.maker,
            title: model.title,
            operator: model.operator,
            protocol: model.protocol.name(),
            line: model.line.to_string(),
            medium: model.medium.text(),
            keys: keys(model.keys),
            layout: model.layout,
            quirks: model.quirks,
        }
    }
}

const fn keys(keys: Keys) -> &'static str {
    match keys {
        Keys::None => "none",
        Keys::Encryption => "encryption",
        Keys::Both => "encryption and authentication",
    }
}

/// Writes the table.
///
/// # Errors
/// When `out` does not take it.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    match args.format {
        Format::Json => {
            for model in models::all() {
                let line = serde_json::to_string(&ModelJson::from(model)).map_err(std::io::Error::from)?;
                writeln!(out, "{line}")?;
            }
        }
        Format::Text => text(out)?,
    }
    Ok(Outcome::Done)
}

fn text(out: &mut dyn Write) -> Result<(), Failure> {
    let head = Style::new().bold();
    let titles = ["name", "meter", "grid operator", "protocol", "line", "keys"];
    let mut rows = vec![titles.map(|title| format!("{head}{title}{head:#}")).to_vec()];
    for model in models::all() {
        rows.push(vec![
            model.name.to_owned(),
            model.title.to_owned(),
            model.operator.unwrap_or_default().to_owned(),
            model.protocol.to_string(),
            model.line.to_string(),
            match model.keys {
                Keys::None => String::new(),
                Keys::Encryption => "key".to_owned(),
                Keys::Both => "key, auth_key".to_owned(),
            },
        ]);
    }
    for row in table::aligned(&rows) {
        writeln!(out, "{row}")?;
    }
    writeln!(
        out,
        "\n{} models. `--model NAME` and `model = \"NAME\"` take the first column.",
        rows.len() - 1
    )?;
    Ok(())
}
