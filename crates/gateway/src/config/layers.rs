//! Which files and variables there are, and how they lie over each other.
use super::Source;
use super::node::{Node, Table, Value, table};
use super::origin::Sources;
use super::problem::{Problem, did_you_mean, meant};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Sections and keys that stand in a profile.
pub(crate) const IN_PROFILE: &[&str] =
    &["meter", "sink", "source", "compat", "store", "price", "co2", "web", "state_directory"];

/// Where the file is looked for when nobody names one.
const FILES: &[&str] = &["metergate.toml", "/etc/metergate/metergate.toml"];

/// Variables of this prefix are values; the path follows, its steps joined by two underscores.
const PREFIX: &str = "METERGATE_";

/// Variables of that prefix that are no values: they choose what is read.
const CHOICES: &[&str] = &["METERGATE_CONFIG", "METERGATE_PROFILE"];

/// Where the process stands, as far as the configuration depends on it; tests make their own.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Environment variables.
    pub variables: Vec<(String, OsString)>,
    /// Folder for file names that are not absolute.
    pub folder: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self { variables: variables.collect(), folder: PathBuf::new() }
    }

    fn variable(&self, name: &str) -> Option<&OsString> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// All layers, merged.
pub(crate) struct Layers {
    pub(crate) sources: Sources,
    pub(crate) merged: Table,
    /// Profiles that the files name.
    pub(crate) profiles: Vec<String>,
    /// The main file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// Files that were read, in the order in which they lie over each other.
    pub(crate) files: Vec<PathBuf>,
}

/// Reads all layers and merges them.
pub(crate) fn read(source: &Source, around: &Surroundings) -> Result<Layers, Vec<Problem>> {
    let mut layers = Layers {
        sources: Sources::default(),
        merged: Table::default(),
        profiles: Vec::new(),
        file: None,
        files: Vec::new(),
    };
    layers.file = main_file(source, around)?;
    if let Some(path) = layers.file.clone() {
        layers.add_file(&path, &source.profile)?;
        for secrets in secrets_beside(&path) {
            layers.add_secrets(&secrets, &source.profile)?;
        }
    }
    if let Some(directory) = state_directory(&layers, around) {
        let page = directory.join("settings.toml");
        if page.exists() {
            layers.add_file(&page, &source.profile)?;
        }
        for secrets in secrets_beside(&page) {
            layers.add_secrets(&secrets, &source.profile)?;
        }
    }
    layers.check_profile(source)?;
    layers.add_credentials(around)?;
    layers.add_variables(around)?;
    Ok(layers)
}

/// Where the gateway keeps what must survive a restart: given by systemd, or in the configuration, as other file names
/// relative to the folder of its file.
pub(crate) fn state_directory(layers: &Layers, around: &Surroundings) -> Option<PathBuf> {
    if let Some(Node { value: Value::Text(directory), .. }) = layers.merged.get("state_directory") {
        let folder = layers.file.as_deref().and_then(Path::parent).unwrap_or(&around.folder);
        return Some(folder.join(directory));
    }
    let given = around.variable("STATE_DIRECTORY")?.to_str()?;
    given.split(':').next().filter(|first| !first.is_empty()).map(PathBuf::from)
}

fn main_file(source: &Source, around: &Surroundings) -> Result<Option<PathBuf>, Vec<Problem>> {
    if let Some(named) = &source.file {
        return Ok(Some(around.folder.join(named)));
    }
    Ok(FILES.iter().map(|name| around.folder.join(name)).find(|path| path.exists()))
}

/// `gateway.secrets.toml` and `.secrets.toml` beside `gateway.toml`.
fn secrets_beside(path: &Path) -> impl Iterator<Item = PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let candidates =
        [path.with_file_name(".secrets.toml"), path.with_file_name(format!("{stem}.secrets.toml"))];
    candidates.into_iter().filter(|path| path.exists())
}

fn about_file(path: &Path, message: impl Into<String>, help: Option<String>) -> Vec<Problem> {
    vec![Problem { place: path.display().to_string(), key: String::new(), message: message.into(), help }]
}

impl Layers {
    /// Lays the tables `default` and the profile of a file over what there is.
    fn add_file(&mut self, path: &Path, profile: &str) -> Result<(), Vec<Problem>> {
        let bytes = std::fs::read(path).map_err(|error| {
            let help = (error.kind() == io::ErrorKind::NotFound).then(|| {
                "`metergate detect` finds meters and prints a configuration to begin with".to_owned()
            });
            about_file(path, format!("cannot be read: {}", reason(&error)), help)
        })?;
        let name = path.display().to_string();
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            vec![Problem {
                place: format!("{name}:{line}"),
                key: String::new(),
                message: "no text in UTF-8".to_owned(),
                help: Some(
                    "save the file as UTF-8; an umlaut in another encoding is the usual reason".to_owned(),
                ),
            }]
        })?;
        let at = self.sources.file(name, &text, !others_can_read(path));
        let parsed = toml::de::DeTable::parse(&text).map_err(|error| {
            // Only the message: the line that the error could print may hold a key.
            let origin = at(error.span().map_or(0, |span| span.start));
            let place = self.sources.show(origin).to_string();
            let help = syntax_help(error.message());
            vec![Problem {
                place,
                key: String::new(),
                message: format!("no TOML: {}", error.message()),
                help,
            }]
        })?;
        let mut profiles = table(parsed.get_ref(), at);
        self.check_top(&profiles)?;
        self.files.push(path.to_owned());
        for known in profiles.keys() {
            if !self.profiles.iter().any(|name| name == known) {
                self.profiles.push(known.to_owned());
            }
        }
        let chosen = if profile == "default" { &["default"][..] } else { &["default", profile] };
        for name in chosen {
            if let Some(Node { value: Value::Table(layer), .. }) = profiles.remove(name) {
                self.merged.overlay(layer);
            }
        }
        Ok(())
    }

    fn add_secrets(&mut self, path: &Path, profile: &str) -> Result<(), Vec<Problem>> {
        if others_can_read(path) {
            let message = format!("refused, since others can read it (mode {:03o})", mode(path) & 0o777);
            return Err(about_file(path, message, Some(format!("chmod 600 {}", path.display()))));
        }
        self.add_file(path, profile)
    }

    /// At the top stand profiles: tables, and none that has the name of a section.
    fn check_top(&self, profiles: &Table) -> Result<(), Vec<Problem>> {
        let problem = |node: &Node, key: &str, message: String, help: String| Problem {
            place: self.sources.show(node.origin).to_string(),
            key: key.to_owned(),
            message,
            help: Some(help),
        };
        let problems: Vec<Problem> = profiles
            .iter()
            .filter_map(|(name, node)| {
                let section = IN_PROFILE
                    .contains(&name)
                    .then_some(name)
                    .or_else(|| meant(name, IN_PROFILE.iter().copied()).filter(|_| name != "default"));
                match (section, &node.value) {
                    (Some(section), Value::Table(_)) => Some(problem(
                        node,
                        name,
                        format!("section `{name}` stands where a profile belongs"),
                        format!("write `[default.{section}.NAME]`"),
                    )),
                    (_, Value::Table(_)) if name != "default" && meant(name, ["default"]).is_some() => {
                        Some(problem(
                            node,
                            name,
                            format!("profile `{name}` is likely a slip"),
                            "did you mean `default`?".to_owned(),
                        ))
                    }
                    (_, Value::Table(_)) => None,
                    (_, other) => Some(problem(
                        node,
                        name,
                        format!("expected a profile such as `[default]`, found {}", other.kind()),
                        format!(
                            "put `{name}` below `[default]`, `[default.meter.NAME]` or `[default.sink.NAME]`"
                        ),
                    )),
                }
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn check_profile(&self, source: &Source) -> Result<(), Vec<Problem>> {
        let profile = source.profile.as_str();
        if profile == "default" || self.profiles.iter().any(|known| known == profile) {
            return Ok(());
        }
        let place =
            self.file.as_ref().map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
        let known: Vec<&str> = self.profiles.iter().map(String::as_str).collect();
        let help = if known.is_empty() {
            "there is no profile at all".to_owned()
        } else {
            did_you_mean(profile, known)
        };
        let message = format!("there is no profile `{profile}`");
        Err(vec![Problem { place, key: String::new(), message, help: Some(help) }])
    }

    /// Credentials are files named `meter.haus.key`.
    fn add_credentials(&mut self, around: &Surroundings) -> Result<(), Vec<Problem>> {
        let Some(folder) = around.variable("CREDENTIALS_DIRECTORY").map(PathBuf::from) else { return Ok(()) };
        let entries = std::fs::read_dir(&folder).map_err(|error| {
            about_file(&folder, format!("credentials cannot be read: {}", reason(&error)), None)
        })?;
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        for name in names {
            let path: Vec<String> = name.split('.').map(str::to_owned).collect();
            // Other credentials of the unit are none of ours.
            if !path.first().is_some_and(|first| IN_PROFILE.contains(&first.as_str())) {
                continue;
            }
            let text = std::fs::read_to_string(folder.join(&name)).map_err(|error| {
                about_file(&folder.join(&name), format!("cannot be read: {}", reason(&error)), None)
            })?;
            let origin = self.sources.credential(&name);
            self.merged.set(&path, text.trim().to_owned(), origin);
        }
        Ok(())
    }

    fn add_variables(&mut self, around: &Surroundings) -> Result<(), Vec<Problem>> {
        for (name, value) in &around.variables {
            let Some(path) = name.strip_prefix(PREFIX).filter(|_| !CHOICES.contains(&name.as_str())) else {
                continue;
            };
            let path: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
            let origin = self.sources.variable(name);
            let Some(text) = value.to_str() else {
                let place = self.sources.show(origin).to_string();
                let message = "is no UTF-8 text".to_owned();
                return Err(vec![Problem { place, key: String::new(), message, help: None }]);
            };
            self.merged.set(&path, text.to_owned(), origin);
        }
        Ok(())
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).map_or(0, |data| data.permissions().mode())
}

/// The group may: services often read what root writes for their group.
fn others_can_read(path: &Path) -> bool {
    mode(path) & 0o007 != 0
}

/// The reason of an error of the system, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(reason, _)| reason.to_owned())
}

fn syntax_help(message: &str) -> Option<String> {
    if message.contains("duplicate key") {
        return Some(
            "each key and each section stands once; put the lines of one section together".to_owned(),
        );
    }
    Some("texts stand in quotes: key = \"00112233...\", port = \"/dev/ttyUSB0\"".to_owned())
}
