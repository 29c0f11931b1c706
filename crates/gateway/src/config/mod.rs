//! The configuration: what was typed becomes what it means in one step, before anything starts.
//!
//! A file has profiles as top-level tables; meters and sinks are tables by name in them:
//!
//! ```toml
//! [default.meter.haus]
//! port = "/dev/serial/by-id/usb-head"
//! model = "kaifa-ma309m-netz-noe"
//!
//! [default.sink.screen]
//! kind = "stdout"
//! ```
//!
//! Layers, each over the one before, merged key by key: `default`, the profile, `default` and the profile of the
//! secrets file beside it, the settings page, credentials of systemd, environment.
//!
//! Everything that is wrong is said at once, each with file, line, key and the likely fix. Values of keys are in no
//! message.

mod compat;
mod endpoint;
mod layers;
mod layout_file;
mod meter;
mod node;
mod origin;
mod price;
mod problem;
mod section;
mod setup;
mod sink;
mod source;
mod store;
mod tariff;
mod template;
mod web;

pub use compat::{CompatSetup, PageChannel, SmgwLitePageSetup, VzloggerSetup};
pub use endpoint::{
    ClientIdentity, EndpointSetup, Fingerprint, Login, ProxySetup, Scheme, TlsSetup, TrustSetup,
};
pub use layers::Surroundings;
pub use layout_file::read as read_layouts;
pub use setup::{
    CsvSetup, Gateway, GivenUnit, IecMode, IecSetup, KmpSetup, MeterSetup, Place, PortSetup, RegisterPattern,
    Selection, SinkKind, SinkSetup, Stream,
};

pub use crate::net::mqtt::Qos;
pub use sink::{
    BrokerSetup, Channel, GraphiteFormat, GraphiteNames, GraphiteSetup, HomeAssistantDiscovery,
    HomieConvention, HomieSetup, HttpSetup, HttpShape, InfluxSetup, InfluxTarget, LokiSetup, MqttSetup,
    MqttShape, MqttVersion, PrometheusSetup, SmgwLiteSetup, ThingsBoardSetup, UnitStyle, VolkszaehlerSetup,
};
pub use source::{CascadeSetup, Hte501Setup, JsonSetup, JsonValue, SourceKind, SourceSetup, W1Setup};
pub use template::Template;

#[cfg(test)]
pub(crate) use price::price_feed_of_lines;
pub use price::{PriceFeedSetup, PriceSetup, Rate, TimeOfUse};
pub use store::StoreConfig;
pub use tariff::TariffSetup;
pub use web::WebSetup;

pub(crate) use meter::{model_help, parse_place};
pub(crate) use node::{Node, Table, Value};
pub(crate) use problem::Problem;

use crate::cli::Failure;
use crate::source::loop_guard::asks_itself;
use layers::Layers;
use section::{Reading, Section};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where the configuration stands.
#[derive(Debug, Clone, clap::Args)]
pub struct Source {
    /// The configuration file; without it `metergate.toml` here, then `/etc/metergate/metergate.toml`.
    #[arg(id = "config", long = "config", value_name = "FILE", env = "METERGATE_CONFIG")]
    pub file: Option<PathBuf>,
    /// The profile: a top-level table of the file.
    #[arg(long, value_name = "NAME", env = "METERGATE_PROFILE", default_value = "default")]
    pub profile: String,
}

impl Source {
    /// A file with its profile `default`.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: Some(path.into()), profile: "default".to_owned() }
    }
}

/// Reads the configuration and checks all of it.
///
/// # Errors
/// When anything in it is wrong: the message names file, line, key and the likely fix.
pub fn load(source: &Source) -> Result<Gateway, Failure> {
    load_in(source, &Surroundings::of_process())
}

/// The same with given surroundings.
///
/// # Errors
/// As [`load`].
pub fn load_in(source: &Source, around: &Surroundings) -> Result<Gateway, Failure> {
    let explained = explain(source, around)?;
    for note in &explained.notes {
        tracing::info!("{}: {}: {}", note.place, note.key, note.message);
    }
    Ok(explained.gateway)
}

/// A configuration with everything that explains it.
pub(crate) struct Explained {
    pub(crate) gateway: Gateway,
    /// Right, and worth a word.
    pub(crate) notes: Vec<Problem>,
    pub(crate) layers: Layers,
}

/// Reads and checks the configuration and keeps where everything came from.
pub(crate) fn explain(source: &Source, around: &Surroundings) -> Result<Explained, Failure> {
    let layers = layers::read(source, around)?;
    let folder = layers.file.as_deref().and_then(Path::parent).unwrap_or(&around.folder).to_owned();
    let reading = Reading::new(&layers.sources);
    let gateway = gateway(source, &layers, &reading, &folder, around);
    let (problems, notes) = reading.into_parts();
    match gateway {
        Some(gateway) if problems.is_empty() => Ok(Explained { gateway, notes, layers }),
        _ => Err(problems.into()),
    }
}

fn gateway(
    source: &Source,
    layers: &Layers,
    reading: &Reading<'_>,
    folder: &Path,
    around: &Surroundings,
) -> Option<Gateway> {
    let head = layers.sources.head();
    let root = Section { reading, path: String::new(), origin: head, table: &layers.merged };
    check_sections(&root);
    let typed = root.sections("meter", "a meter such as `[default.meter.haus]`");
    let meters: Vec<MeterSetup> =
        typed.iter().filter_map(|(name, section)| meter::meter(name, section, folder)).collect();
    let typed_sources = root.sections("source", "a source such as `[default.source.cellar]`");
    if typed.is_empty() && typed_sources.is_empty() {
        no_meter(&root, layers, source);
    }
    check_ports(&meters, &typed);
    let state_directory = layers::state_directory(layers, around);
    let sources: Vec<SourceSetup> = typed_sources
        .iter()
        .filter_map(|(name, section)| {
            source::source(name, section, &meters, folder, state_directory.as_deref())
        })
        .collect();
    let sinks = root.sections("sink", "a sink such as `[default.sink.screen]`");
    if sinks.is_empty() && !(typed.is_empty() && typed_sources.is_empty()) {
        let help = "`[default.sink.screen]` with `kind = \"stdout\"` shows it".to_owned();
        root.note("sink", "there is none: what the meters say goes nowhere", help);
    }
    // One that is wrong has its name all the same.
    let names: Vec<&str> = typed.iter().chain(&typed_sources).map(|(name, _)| *name).collect();
    let sinks =
        sinks.iter().filter_map(|(name, section)| sink::sink(name, section, &names, folder)).collect();
    let compat = match root.section("compat", "a section such as `[default.compat.vzlogger]`") {
        Some(section) => compat::compat(&section, &names),
        None => CompatSetup::default(),
    };
    let store = match root.section("store", "a section such as `[default.store]`") {
        Some(section) => store::store(&section),
        None => StoreConfig::default(),
    };
    let price = price::price(
        root.section("price", "a section such as `[default.price]`").as_ref(),
        root.section("co2", "a section such as `[default.co2]`").as_ref(),
        folder,
        state_directory.as_deref(),
    );
    let web = match root.section("web", "a section such as `[default.web]`") {
        Some(section) => web::web(&section),
        None => Some(WebSetup::default()),
    };
    // The text is looked at for its kind only: the layers have used it already.
    root.text("state_directory");
    if state_directory.is_none() && meters.iter().any(|meter| meter.key.is_some()) {
        let help =
            "`state_directory = \"/var/lib/metergate\"` keeps them; systemd sets one by itself".to_owned();
        root.note("state_directory", "there is none: invocation counters are forgotten at the end", help);
    }
    Some(Gateway {
        profile: source.profile.clone(),
        state_directory,
        store,
        price,
        web,
        meters,
        sinks,
        sources,
        compat,
    })
}

/// What stands in a profile: meters, sinks, and little else.
fn check_sections(root: &Section<'_>) {
    for (name, node) in root.table.iter().filter(|(name, _)| !layers::IN_PROFILE.contains(name)) {
        let known = || layers::IN_PROFILE.iter().copied();
        let (what, help) = match &node.value {
            Value::Table(table) if problem::meant(name, known()).is_none() && table.get("port").is_some() => {
                ("section", format!("did you mean `[default.meter.{name}]`?"))
            }
            Value::Table(table) if problem::meant(name, known()).is_none() && table.get("kind").is_some() => {
                ("section", format!("did you mean `[default.sink.{name}]`?"))
            }
            Value::Table(_) => ("section", problem::did_you_mean(name, known())),
            _ => ("key", problem::did_you_mean(name, known())),
        };
        root.problem(name, format!("unknown {what} `{name}`"), help);
    }
}

fn no_meter(root: &Section<'_>, layers: &Layers, source: &Source) {
    let others: Vec<&str> = layers
        .profiles
        .iter()
        .map(String::as_str)
        .filter(|name| *name != "default" && *name != source.profile)
        .collect();
    let (message, help) = match (&layers.file, others.as_slice()) {
        (None, _) => (
            "there is neither a file metergate.toml nor /etc/metergate/metergate.toml".to_owned(),
            "`metergate detect` finds meters and prints a configuration, `metergate demo` needs none"
                .to_owned(),
        ),
        (Some(_), []) => {
            ("there is no meter".to_owned(), "begin with `[default.meter.NAME]` and its `port`".to_owned())
        }
        (Some(_), others) => (
            format!("profile `{}` has no meter", source.profile),
            format!("choose another with --profile: {}", others.join(", ")),
        ),
    };
    root.problem("", message, help);
}

/// The word that is not a profile and that a profile of this name would be taken for, if any.
pub(crate) fn taken_for(profile: &str) -> Option<&'static str> {
    problem::meant(profile, layers::IN_PROFILE.iter().copied().chain(["default"]))
}

/// An address of this host, as far as that is known without asking anybody.
fn local_target(place: &Place) -> Option<SocketAddr> {
    let Place::Tcp { host, port } = place else { return None };
    let address =
        if host == "localhost" { Ipv4Addr::LOCALHOST.into() } else { host.parse::<IpAddr>().ok()? };
    Some(SocketAddr::new(address, *port))
}

/// A port has one reader, and no meter reads what this gateway serves.
fn check_ports(meters: &[MeterSetup], typed: &[(&str, Section<'_>)]) {
    for (index, meter) in meters.iter().enumerate() {
        let before = meters.iter().take(index).find(|other| other.port.place == meter.port.place);
        let section = typed.iter().find(|(name, _)| *name == meter.name).map(|(_, section)| section);
        if let (Some(other), Some(section)) = (before, section) {
            let message = format!("{} is read by meter `{}` already", meter.port.place, other.name);
            section.problem("port", message, "each meter has a port of its own".to_owned());
        }
        let Some(target) = local_target(&meter.port.place) else { continue };
        let server = meters.iter().find(|other| {
            other.serve.is_some_and(|served| asks_itself(target, &[served], |address| address.is_loopback()))
        });
        if let (Some(server), Some(section)) = (server, section) {
            let message = format!("{} is where `serve` of meter `{}` is", meter.port.place, server.name);
            section.problem("port", message, "the port is where the meter is".to_owned());
        }
    }
}
