//! `cargo xtask corpus`: published telegrams of real meters through `metergate decode`, case by case.
//!
//! The corpus lies beside the checkout (`../shared/corpus`) and is not part of the project: several of its sources
//! carry no licence. Each case is a capture and a table of what must come out of it. Nothing but the file and its
//! published test keys is given to the program, so that detection is tested too. Exact figures are compared as
//! decimals, never as floating point.
use crate::place::Place;
use crate::shell::{cargo_in, run};
use crate::step::Outcome;
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use toml::Table;

/// Families that are not read yet.
const LATER: &[&str] = &["wmbus"];

/// Runs all cases and prints one line for each.
pub(crate) fn check(place: &Place) -> Result<Outcome> {
    let corpus = place.root.join("../shared/corpus");
    if !corpus.is_dir() {
        return Ok(Outcome::NotChecked("corpus not present: skipped".to_owned()));
    }
    run(&mut cargo_in(place, &["build", "--quiet", "--bin", "metergate"]))?;
    let program = place.target.join("debug/metergate");
    let (mut right, mut wrong) = (0, 0);
    println!("{:<44} {:>9} {:>9}  result", "case", "telegrams", "registers");
    for file in cases(&corpus)? {
        let case = Case::read(&file)?;
        let answer = case.decode(&program)?;
        let differences = case.differences(&answer);
        let registers: usize = answer.telegrams.iter().map(|telegram| registers_of(telegram).len()).sum();
        print!("{:<44} {:>9} {registers:>9}  ", case.name, answer.telegrams.len());
        match differences.as_slice() {
            [] if case.must_be_refused() => println!("ok: refused, {}", answer.codes()),
            [] => println!("ok"),
            [first, rest @ ..] => println!("WRONG: {first}{}", more(rest.len())),
        }
        if differences.is_empty() { right += 1 } else { wrong += 1 }
    }
    println!("corpus: {right} passed, {wrong} failed");
    if wrong > 0 {
        bail!("{wrong} of {} cases differ", right + wrong);
    }
    Ok(Outcome::Passed(format!("{right} cases")))
}

fn more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" (and {count} more)") }
}

fn cases(corpus: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for family in std::fs::read_dir(corpus)? {
        let folder = family?.path();
        let later = folder.file_name().is_some_and(|name| LATER.iter().any(|family| name == *family));
        if !folder.is_dir() || later {
            continue;
        }
        for file in std::fs::read_dir(folder)? {
            files.push(file?.path());
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    Ok(files)
}

/// A capture and what must come out.
struct Case {
    name: String,
    capture: PathBuf,
    expected: Table,
}

/// What the program printed.
struct Answer {
    telegrams: Vec<Value>,
    errors: Vec<Value>,
}

impl Answer {
    /// The codes of all refusals, each once.
    fn codes(&self) -> String {
        let mut codes: Vec<&str> =
            self.errors.iter().filter_map(|line| line["error"]["code"].as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        codes.join(", ")
    }
}

impl Case {
    fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)?;
        let expected: Table = text.parse().with_context(|| format!("{}", file.display()))?;
        let family = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Self { name: format!("{family}/{stem}"), capture: file.with_extension("bin"), expected })
    }

    fn decode(&self, program: &Path) -> Result<Answer> {
        let mut command = Command::new(program);
        command.arg("decode").arg(&self.capture).args(["--input", "binary", "--format", "json"]);
        for (field, option) in [("key", "--key"), ("auth_key", "--auth-key")] {
            if let Some(key) = self.text(field) {
                command.args([option, key]);
            }
        }
        let output = command.output().context("metergate does not start")?;
        let mut answer = Answer { telegrams: Vec::new(), errors: Vec::new() };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let line: Value = serde_json::from_str(line).with_context(|| format!("{}: {line}", self.name))?;
            if line["error"].is_null() { answer.telegrams.push(line) } else { answer.errors.push(line) }
        }
        let status = output.status.code();
        let expected = if answer.telegrams.is_empty() { Some(1) } else { Some(0) };
        if status != expected {
            bail!("{}: exit status {status:?}:\n{}", self.name, String::from_utf8_lossy(&output.stderr));
        }
        Ok(answer)
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.expected.get(field)?.as_str()
    }

    fn must_be_refused(&self) -> bool {
        self.expected.contains_key("expect_error") || self.lacks_key()
    }

    /// Encrypted, and its key was never published.
    fn lacks_key(&self) -> bool {
        self.expected.contains_key("key_note") && !self.expected.contains_key("key")
    }

    /// What is not as it must be, one sentence each.
    fn differences(&self, answer: &Answer) -> Vec<String> {
        let count = self.expected.get("telegrams").and_then(toml::Value::as_integer).unwrap_or_default();
        let whole = answer.telegrams.iter().filter(|telegram| !is_salvaged(telegram)).count();
        let expected = if self.lacks_key() { 0 } else { usize::try_from(count).unwrap_or_default() };
        let mut differences = Vec::new();
        if whole != expected {
            differences
                .push(format!("{whole} telegrams in place of {expected}; refusals: {}", answer.codes()));
        }
        if self.lacks_key() && !answer.errors.iter().any(|line| line["error"]["code"] == "missing_key") {
            differences.push(format!("`missing_key` expected, found {}", answer.codes()));
        }
        if self.expected.contains_key("expect_error") && answer.errors.is_empty() {
            differences.push("no refusal, though a check fails".to_owned());
        }
        for telegram in tables(&self.expected, "telegram") {
            differences.extend(self.telegram_differences(telegram, answer));
        }
        differences
    }

    fn telegram_differences(&self, expected: &Table, answer: &Answer) -> Vec<String> {
        let (index, offset) = (integer(expected, "index"), integer(expected, "offset"));
        let is_valid = expected.get("valid").and_then(toml::Value::as_bool) == Some(true);
        let readings: Vec<&Table> = tables(&self.expected, "reading")
            .filter(|reading| integer(reading, "telegram") == index)
            .collect();
        let found = answer.telegrams.iter().find(|telegram| telegram["offset"].as_i64() == Some(offset));
        let Some(found) = found else {
            let wanted = is_valid && !self.lacks_key();
            return if wanted { vec![format!("no telegram at offset {offset}")] } else { Vec::new() };
        };
        if !is_valid && !is_salvaged(found) {
            return vec![format!("the telegram at offset {offset} was accepted, though it is damaged")];
        }
        let registers = registers_of(found);
        let mut differences = Vec::new();
        if registers.len() != readings.len() && !readings.is_empty() {
            let (have, want) = (registers.len(), readings.len());
            differences.push(format!("telegram {index}: {have} registers in place of {want}"));
        }
        // The corpus lists what has a code first, in the order of the telegram, and then what only has a place.
        let place = |reading: &Table| reading.get("position").and_then(toml::Value::as_integer);
        let (placed, coded): (Vec<&Table>, Vec<&Table>) =
            readings.into_iter().partition(|reading| place(reading).is_some());
        let is_placed = |register: &&Value| {
            placed
                .iter()
                .any(|reading| place(reading).is_some() && place(reading) == register["position"].as_i64())
        };
        let of_code = registers.iter().filter(|register| !is_placed(register));
        let of_place = placed.iter().filter_map(|reading| {
            let register =
                registers.iter().find(|register| register["position"].as_i64() == place(reading))?;
            Some((reading, register))
        });
        for (at, (reading, register)) in coded.iter().zip(of_code).chain(of_place).enumerate() {
            if let Some(why) = register_difference(reading, register) {
                differences.push(format!("telegram {index}, expectation {at}: {why}"));
            }
        }
        differences
    }
}

fn is_salvaged(telegram: &Value) -> bool {
    telegram["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == "salvaged"))
}

fn registers_of(telegram: &Value) -> &[Value] {
    telegram["registers"].as_array().map_or(&[], Vec::as_slice)
}

fn tables<'a>(table: &'a Table, name: &str) -> impl Iterator<Item = &'a Table> {
    table.get(name).and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_table)
}

fn integer(table: &Table, name: &str) -> i64 {
    table.get(name).and_then(toml::Value::as_integer).unwrap_or_default()
}

/// How a register differs from what is expected, if it does.
fn register_difference(expected: &Table, found: &Value) -> Option<String> {
    let text = |field: &str| expected.get(field).and_then(toml::Value::as_str);
    let differ = |what: &str, want: &str, have: &Value| Some(format!("{what} {have} in place of {want}"));
    if let Some(obis) = text("obis")
        && found["obis"] != *obis
        // IEC 62056-21 sends short addresses, which stand beside the code.
        && found["address"] != *obis
    {
        return differ("obis", obis, &found["obis"]);
    }
    for field in ["position", "register"] {
        if let Some(number) = expected.get(field).and_then(toml::Value::as_integer)
            && found[field].as_i64() != Some(number)
        {
            return differ(field, &number.to_string(), &found[field]);
        }
    }
    let kind = text("kind")?;
    if kind == "unparsed" {
        return None;
    }
    if found["kind"] != *kind {
        return differ("kind", kind, &found["kind"]);
    }
    let value = text("value").unwrap_or_default();
    match kind {
        "number" => number_difference(expected, found),
        "octets" | "text" if found["value"] != *value => differ("value", value, &found["value"]),
        "bool" if found["value"].as_bool() != value.parse().ok() => differ("value", value, &found["value"]),
        "datetime" => {
            let start = text("datetime").unwrap_or_default().split(' ').next().unwrap_or_default();
            let same = found["value"].as_str().is_some_and(|found| found.starts_with(start));
            if same { None } else { differ("value", start, &found["value"]) }
        }
        _ => None,
    }
}

fn number_difference(expected: &Table, found: &Value) -> Option<String> {
    let text = |field: &str| expected.get(field).and_then(toml::Value::as_str);
    let (value, unit) = (text("value")?, text("unit").unwrap_or_default());
    let have = decimal(found["value"].as_str().unwrap_or_default());
    // Without a scaler in the telegram the expected value is the bare number, and a layout table may scale it.
    let is_bare = unit.is_empty() && !expected.contains_key("scaler");
    if is_bare && found["mantissa"].as_i64() == value.parse().ok() {
        return None;
    }
    let want = decimal(value).map(|number| number.times_ten_to(prefix(unit)));
    if want.is_none() || want != have {
        return Some(format!("value {} {} in place of {value} {unit}", found["value"], found["unit"]));
    }
    None
}

/// The power of ten of a unit's prefix: 3 for kWh.
fn prefix(unit: &str) -> i32 {
    let base = |rest: &str| {
        ["w", "wh", "var", "varh", "va", "vah", "j", "v", "a"].contains(&rest.to_lowercase().as_str())
    };
    match unit.split_at_checked(1) {
        Some(("k", rest)) if base(rest) => 3,
        Some(("M", rest)) if base(rest) => 6,
        Some(("G", rest)) if base(rest) => 9,
        Some(("m", rest)) if base(rest) => -3,
        _ => 0,
    }
}

/// An exact decimal number without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    digits: i128,
    exponent: i32,
}

impl Decimal {
    fn times_ten_to(self, power: i32) -> Self {
        if self.digits == 0 { self } else { Self { exponent: self.exponent + power, ..self } }
    }
}

fn decimal(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let mut exponent = -i32::try_from(fraction.len()).ok()?;
    if digits == 0 {
        return Some(Decimal { digits: 0, exponent: 0 });
    }
    while digits % 10 == 0 {
        digits /= 10;
        exponent += 1;
    }
    Some(Decimal { digits, exponent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_compare_by_value() {
        assert_eq!(decimal("0.50"), decimal("0.5"));
        assert_eq!(decimal("28.429").unwrap().times_ten_to(prefix("MWh")), decimal("28429000").unwrap());
        assert_ne!(decimal("-299.12"), decimal("299.12"));
        assert_eq!(decimal(""), None);
    }

    #[test]
    fn units_that_begin_like_a_prefix_have_none() {
        assert_eq!((prefix("m3"), prefix("kvarh"), prefix("GJ"), prefix("Wh")), (0, 3, 9, 0));
    }

    #[test]
    fn a_register_with_another_value_differs() {
        let expected: Table =
            "obis = '1-0:1.8.0*255'\nkind = 'number'\nvalue = '1.5'\nunit = 'kWh'".parse().unwrap();
        let found = |value: &str| serde_json::json!({"obis": "1-0:1.8.0*255", "kind": "number", "value": value, "unit": "Wh"});
        assert_eq!(register_difference(&expected, &found("1500")), None);
        let why = "value \"1501\" \"Wh\" in place of 1.5 kWh";
        assert_eq!(register_difference(&expected, &found("1501")).as_deref(), Some(why));
    }
}
