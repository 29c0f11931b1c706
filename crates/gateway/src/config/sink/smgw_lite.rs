//! Reads the section of a sink: the binary push of SMGW.Lite.
use crate::config::endpoint::{self, EndpointSetup, ProxySetup};
use crate::config::node::{Node, Value};
use crate::config::problem::did_you_mean;
use crate::config::section::Section;
use crate::config::setup::Selection;
use crate::secret::Secret;
use std::path::Path;
use std::time::Duration;

/// Keys of this kind besides those of every sink and those of the connection.
const KEYS: &[&str] = &["device_id", "token", "fields", "temperature", "solar", "every"];

/// Letters of a device id: the database of the backend has room for three, copies of it may have more.
const DEVICE_ID_LEN_USUAL: usize = 3;
const DEVICE_ID_LEN_MAX: usize = 32;

/// What SMGW.Lite devices wait between two pushes unless they are told otherwise.
const EVERY: Duration = Duration::from_secs(120);
/// A push more often than this is none of what the backend expects of a device; a day is longer than its watchers wait.
const EVERY_RANGE: std::ops::RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(86_400);

/// Settings of the binary push of SMGW.Lite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmgwLiteSetup {
    /// Where the backend is; its path has no query.
    pub endpoint: EndpointSetup,
    /// A proxy on the way there.
    pub proxy: Option<ProxySetup>,
    /// Who we are to the backend: letters, digits, `-` and `_`.
    pub device_id: String,
    /// What proves it.
    pub token: Secret,
    /// The one meter that the device id stands for.
    pub meter: String,
    /// 2.8.0 is sent too.
    pub export: bool,
    /// The source whose temperature is sent too.
    pub temperature: Option<String>,
    /// The source whose energy given is sent too, as that of a solar inverter.
    pub solar: Option<String>,
    /// Between two pushes.
    pub every: Duration,
}

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<SmgwLiteSetup> {
    // The backend knows tokens, not names and passwords.
    let connection = endpoint::KEYS.iter().filter(|key| !matches!(**key, "username" | "password")).copied();
    let known: Vec<&str> =
        super::KEYS.iter().chain(KEYS).chain(endpoint::PROXY_KEYS).copied().chain(connection).collect();
    section.only(&known);
    // All that is wrong is told at once.
    let endpoint =
        endpoint::read(section, folder, endpoint::HTTP).filter(|endpoint| no_query(section, endpoint));
    let proxy = endpoint::proxy(section);
    let (device_id, token) = (device_id(section), token(section));
    let export = fields(section);
    let meter = one_meter(section);
    let source = |key: &str| section.text(key).map(|found| found.value.to_owned());
    let (temperature, solar) = (source("temperature"), source("solar"));
    let every = section.duration("every").unwrap_or(EVERY);
    if !EVERY_RANGE.contains(&every) {
        section.problem("every", "expected a span of 10 s to 1 day", None);
    }
    Some(SmgwLiteSetup {
        endpoint: endpoint?,
        proxy,
        device_id: device_id?,
        token: token?,
        meter: meter?,
        export,
        temperature,
        solar,
        every,
    })
}

/// The sink gets what the sources beside its meter say, too; `known` are the names of meters and sources.
pub(super) fn add_sources(
    section: &Section<'_>,
    setup: &SmgwLiteSetup,
    selection: &mut Selection,
    known: &[&str],
) {
    for (key, source) in [("temperature", &setup.temperature), ("solar", &setup.solar)] {
        let Some(source) = source else { continue };
        if !known.contains(&source.as_str()) {
            let help = did_you_mean(source, known.iter().copied());
            section.problem(key, format!("there is no source `{source}`"), help);
        } else if !selection.wants_meter(source) {
            selection.meters.push(source.clone());
        }
    }
}

fn no_query(section: &Section<'_>, endpoint: &EndpointSetup) -> bool {
    let has_query = endpoint.path.contains('?');
    if has_query {
        let help = "end it before the `?`: what follows there says who sends what".to_owned();
        section.problem("url", "has a query", help);
    }
    !has_query
}

fn device_id(section: &Section<'_>) -> Option<String> {
    if section.table.get("device_id").is_none() {
        section.problem(
            "",
            "there is no `device_id`",
            "device_id = \"TA0\", as in the table `clients`".to_owned(),
        );
    }
    let id = section.text("device_id")?.value;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if id.is_empty() || id.len() > DEVICE_ID_LEN_MAX || !id.chars().all(fits) {
        let message = format!("expected 1 to {DEVICE_ID_LEN_MAX} letters, digits, `-` and `_`");
        section.problem("device_id", message, None);
        return None;
    }
    if id.len() != DEVICE_ID_LEN_USUAL {
        section.note("device_id", "the backend of SMGW.Lite keeps exactly three letters", None);
    }
    Some(id.to_owned())
}

fn token(section: &Section<'_>) -> Option<Secret> {
    if section.table.get("token").is_none() {
        let help = "set `token`, best in metergate.secrets.toml".to_owned();
        section.problem("", "there is no `token`", help);
    }
    let token = section.secret("token")?;
    // It travels in a header.
    if !token.expose().bytes().all(|byte| (b'!'..=b'~').contains(&byte)) {
        section.problem(
            "token",
            "holds a character that cannot be sent: expected ASCII without spaces",
            None,
        );
        return None;
    }
    Some(token)
}

/// Whether 2.8.0 is sent.
fn fields(section: &Section<'_>) -> bool {
    let fields = section.list("fields", |item| match item {
        Value::Text(name) if matches!(name.as_str(), "ts" | "m180" | "m280") => Ok(name.clone()),
        Value::Text(name) if matches!(name.as_str(), "temp" | "solar") => {
            let key = if name == "temp" { "temperature" } else { "solar" };
            Err(format!("`{name}` comes from a source beside the meter: set `{key} = \"NAME\"` in its place"))
        }
        Value::Text(name) => Err(did_you_mean(name, ["m180", "m280"])),
        other => Err(format!("expected names of fields in quotes, found {}", other.kind())),
    });
    let has = |name: &str| fields.iter().any(|field| field == name);
    if !fields.is_empty() && !has("m180") {
        section.problem("fields", "`m180` is missing: the backend keeps nothing without it", None);
    }
    has("m280")
}

/// One device id is one meter: the backend has no other word for it.
fn one_meter(section: &Section<'_>) -> Option<String> {
    let names: Vec<&str> = match section.table.get("meters").map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes.iter().filter_map(name).collect(),
        Some(Value::Text(names)) => names.split(',').map(str::trim).collect(),
        Some(_) => return None,
        None => Vec::new(),
    };
    let [meter] = names.as_slice() else {
        let named = names.len();
        let help =
            "meters = [\"NAME\"]; for another meter another sink with a `device_id` of its own".to_owned();
        section.problem("meters", format!("expected the one meter of this device id, found {named}"), help);
        return None;
    };
    Some((*meter).to_owned())
}

fn name(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(name) => Some(name),
        // That it is no name is told where all sinks read `meters`.
        _ => None,
    }
}

/// What it means, for `check-config`: kind, receiver, and what is worth knowing; no secret.
impl std::fmt::Display for SmgwLiteSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "smgw_lite to {} as {}, 1.8.0", self.endpoint, self.device_id)?;
        if self.export {
            f.write_str(" and 2.8.0")?;
        }
        for (what, source) in [("temperature", &self.temperature), ("solar", &self.solar)] {
            if let Some(source) = source {
                write!(f, ", {what} of {source}")?;
            }
        }
        write!(f, ", every {:?}", self.every)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{SinkKind, Source, Surroundings, load_in};
    use std::fmt::Write as _;

    /// The settings of a sink with these lines, or what is wrong.
    fn load(lines: &[&str]) -> Result<super::SmgwLiteSetup, String> {
        let folder = tempfile::tempdir().unwrap();
        let mut text = "[default.meter.haus]\nport = \"stdin\"\n".to_owned();
        text += "[default.source.roof]\nkind = \"mystrom\"\nurl = \"http://roof.example\"\n[default.sink.backend]\n";
        text += "kind = \"smgw_lite\"\n";
        lines.iter().for_each(|line| writeln!(text, "{line}").unwrap());
        std::fs::write(folder.path().join("metergate.toml"), text).unwrap();
        let around = Surroundings { variables: Vec::new(), folder: folder.path().to_owned() };
        match load_in(&Source { file: None, profile: "default".to_owned() }, &around) {
            Ok(mut gateway) => match gateway.sinks.remove(0).kind {
                SinkKind::SmgwLite(setup) => Ok(setup),
                other => panic!("{other:?}"),
            },
            Err(failure) => {
                let mut text = anstream::StripStream::new(Vec::new());
                failure.print(&mut text);
                Err(String::from_utf8(text.into_inner()).unwrap())
            }
        }
    }

    const URL: &str = "url = \"https://smgw.example/v4/\"";
    const ID: &str = "device_id = \"TA0\"";
    const TOKEN: &str = "token = \"t0ps3cret\"";
    const METER: &str = "meters = [\"haus\"]";

    #[test]
    fn a_device_needs_an_address_an_id_a_token_and_one_meter() {
        let setup =
            load(&[URL, ID, TOKEN, METER, "fields = [\"m180\", \"m280\"]", "every = \"5 min\""]).unwrap();
        assert!(setup.export && setup.endpoint.tls.is_some());
        assert_eq!(
            setup.to_string(),
            "smgw_lite to https://smgw.example/v4 as TA0, 1.8.0 and 2.8.0, every 300s"
        );
        assert!(!format!("{setup:?}").contains("t0ps3cret"));
        let sunny = load(&[URL, ID, TOKEN, METER, "temperature = \"roof\"", "solar = \"roof\""]).unwrap();
        assert_eq!(
            sunny.to_string(),
            "smgw_lite to https://smgw.example/v4 as TA0, 1.8.0, temperature of roof, solar of roof, every 120s"
        );
        let usual = load(&[URL, ID, TOKEN, METER]).unwrap();
        assert!(!usual.export);
        assert_eq!(usual.every.as_secs(), 120);

        let error = load(&[]).unwrap_err();
        for missing in ["there is no `url`", "there is no `device_id`", "there is no `token`", "found 0"] {
            assert!(error.contains(missing), "{missing}: {error}");
        }
    }

    #[test]
    fn what_the_backend_could_not_take_is_told() {
        for (line, told) in [
            ("device_id = \"a b\"", "expected 1 to 32 letters, digits, `-` and `_`"),
            ("token = \"two words\"", "holds a character that cannot be sent"),
            ("meters = [\"haus\", \"haus\"]", "expected the one meter of this device id, found 2"),
            ("fields = [\"m280\"]", "`m180` is missing"),
            ("fields = [\"m180\", \"temp\"]", "set `temperature = \"NAME\"` in its place"),
            ("solar = \"rof\"", "there is no source `rof`"),
            ("fields = [\"m18O\"]", "did you mean `m180`"),
            ("every = \"1 s\"", "expected a span of 10 s to 1 day"),
            ("url = \"https://smgw.example/?ID=TA0\"", "has a query"),
            ("username = \"x\"", "unknown key `username`"),
        ] {
            let key = line.split(' ').next().unwrap();
            let others = [URL, ID, TOKEN, METER].into_iter().filter(|other| !other.starts_with(key));
            let error = load(&others.chain([line]).collect::<Vec<_>>()).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
            assert!(!error.contains("two words"), "{error}");
        }
    }
}
