//! Reads the section of one meter.
use super::layout_file;
use super::problem::did_you_mean;
use super::section::Section;
use super::setup::{IecMode, IecSetup, KmpSetup, MeterSetup, Place, PortSetup};
use crate::plausible::Limits;
use metergate_meter::layout::Layout;
use metergate_meter::models::{self, Keys, Model};
use metergate_meter::{Key, LineSettings, Parity, Protocol};
use metergate_reading::ObisCode;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const KEYS: &[&str] = &[
    "port",
    "protocol",
    "model",
    "key",
    "auth_key",
    "layout",
    "line",
    "baud",
    "data_bits",
    "parity",
    "stop_bits",
    "dtr",
    "rts",
    "exclusive",
    "echo",
    "silent_after",
    "record",
    "serve",
    "registers",
    "interval",
    "requests_per_hour",
    "address",
    "mode",
    "max_power",
    "offset",
];

/// Reads a meter; what is wrong is noted in the section's reading, and then there is no meter.
pub(super) fn meter(name: &str, section: &Section<'_>, folder: &Path) -> Option<MeterSetup> {
    section.only(&[KEYS, super::tariff::KEYS].concat());
    check_name(name, section);
    let model = model(section);
    let protocol = protocol(section, model);
    let place = place(section, folder);
    let line = line(section, model, protocol);
    let setup = MeterSetup {
        name: name.to_owned(),
        port: PortSetup {
            line,
            dtr: section.truth("dtr"),
            rts: section.truth("rts"),
            exclusive: section.truth("exclusive").unwrap_or(true),
            echo: section.truth("echo"),
            place: place?,
        },
        protocol,
        model,
        key: key(section, "key"),
        auth_key: key(section, "auth_key"),
        layouts: layouts(section, folder),
        kmp: kmp(section),
        iec: iec(section),
        silent_after: section.duration("silent_after"),
        record: section.text("record").map(|path| folder.join(path.value)),
        serve: serve(section),
        tariff: super::tariff::read(section),
        limits: limits(section),
    };
    check_use(section, &setup);
    Some(setup)
}

/// Names go into topics, files and addresses.
pub(super) fn check_name(name: &str, section: &Section<'_>) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) {
        let help = "names have 1 to 32 letters a-z, digits, `-` and `_`: they go into topics and file names"
            .to_owned();
        section.problem("", format!("`{name}` is no name"), help);
    }
}

fn model(section: &Section<'_>) -> Option<&'static Model> {
    let typed = section.text("model")?.value;
    let found = models::find(typed);
    if found.is_none() {
        section.problem("model", format!("there is no model `{typed}`"), model_help(typed));
    }
    found
}

/// What may have been meant by a model that there is not.
pub(crate) fn model_help(typed: &str) -> String {
    let near = || models::all().map(|model| model.name);
    match super::problem::meant(typed, near()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => {
            let typed = typed.to_ascii_lowercase();
            let maker = typed.split('-').next().unwrap_or_default();
            let of = |part: &str| near().filter(|name| name.contains(part)).take(6).collect::<Vec<&str>>();
            let begin = [typed.as_str(), maker].into_iter().filter(|part| !part.is_empty()).map(of);
            let begin = begin.into_iter().find(|names| !names.is_empty()).unwrap_or_default();
            match begin.as_slice() {
                [] => "`metergate meters` lists them".to_owned(),
                some => format!("there are {}", some.join(", ")),
            }
        }
    }
}

fn protocol(section: &Section<'_>, model: Option<&'static Model>) -> Option<Protocol> {
    let of_model = model.map(|model| model.protocol);
    let Some(typed) = section.text("protocol") else { return of_model };
    if typed.value == "auto" {
        return of_model;
    }
    let Ok(protocol) = typed.value.parse::<Protocol>() else {
        let names = Protocol::ALL.map(Protocol::name);
        let help = did_you_mean(typed.value, names.into_iter().chain(["auto"]));
        section.problem("protocol", format!("there is no protocol `{}`", typed.value), help);
        return of_model;
    };
    if let Some(model) = model.filter(|model| model.protocol != protocol) {
        let message = format!("`{}` speaks {}, not {protocol}", model.name, model.protocol);
        section.problem("protocol", message, "leave `protocol` or `model` out".to_owned());
    }
    Some(protocol)
}

fn place(section: &Section<'_>, folder: &Path) -> Option<Place> {
    if section.table.get("port").is_none() {
        let help =
            "port = \"/dev/serial/by-id/...\", \"tcp://host:port\", \"rfc2217://host:port\", \"stdin\" or \
                    \"file:PATH\""
                .to_owned();
        section.problem("", "there is no `port`", help);
        return None;
    }
    let typed = section.text("port")?.value;
    match parse_place(typed, folder) {
        Ok(place) => Some(place),
        Err((message, help)) => {
            section.problem("port", message, help);
            None
        }
    }
}

/// Reads a port as it is written in configuration and on the command line.
///
/// # Errors
/// What is wrong, and what may have been meant.
pub(crate) fn parse_place(typed: &str, folder: &Path) -> Result<Place, (String, Option<String>)> {
    if typed == "stdin" || typed == "-" {
        return Ok(Place::Stdin);
    }
    if let Some(path) = typed.strip_prefix("file://").or_else(|| typed.strip_prefix("file:")) {
        return if path.is_empty() {
            Err(("`file:` names no file".to_owned(), Some("port = \"file:capture.bin\"".to_owned())))
        } else {
            Ok(Place::File(folder.join(path)))
        };
    }
    for (scheme, is_raw) in [("tcp://", true), ("rfc2217://", false)] {
        if let Some(address) = typed.strip_prefix(scheme) {
            let (host, port) = address_of(address.trim_end_matches('/')).ok_or_else(|| {
                let help = format!(
                    "port = \"{scheme}192.168.0.10:3000\", with the port number that ser2net listens on"
                );
                (format!("`{typed}` is no address"), Some(help))
            })?;
            return Ok(if is_raw { Place::Tcp { host, port } } else { Place::Rfc2217 { host, port } });
        }
    }
    if let Some((scheme, rest)) = typed.split_once("://") {
        let help = match scheme {
            "socket" => format!("raw TCP is `port = \"tcp://{rest}\"`"),
            "telnet" => format!("Telnet that sets the line (RFC 2217) is `port = \"rfc2217://{rest}\"`"),
            _ => "ports are paths, tcp://host:port, rfc2217://host:port, stdin and file:PATH".to_owned(),
        };
        return Err((format!("there are no ports of the kind `{scheme}`"), Some(help)));
    }
    if typed.starts_with('/') {
        return Ok(Place::Serial(PathBuf::from(typed)));
    }
    if typed.starts_with("tty") {
        let help = format!("port = \"/dev/{typed}\", or better its link in /dev/serial/by-id");
        return Err((format!("`{typed}` is no port"), Some(help)));
    }
    if address_of(typed).is_some() {
        return Err((format!("`{typed}` is no port"), Some(format!("port = \"tcp://{typed}\""))));
    }
    if typed.contains('.') || typed.contains('/') {
        return Err((
            format!("`{typed}` is no port"),
            Some(format!("captured bytes: port = \"file:{typed}\"")),
        ));
    }
    let help =
        "ports are paths such as /dev/ttyUSB0, tcp://host:port, rfc2217://host:port, stdin and file:PATH"
            .to_owned();
    Err((format!("`{typed}` is no port"), Some(help)))
}

/// Name or address, and port number.
fn address_of(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty() && !host.contains('/')).then(|| (host.to_owned(), port))
}

fn line(section: &Section<'_>, model: Option<&Model>, protocol: Option<Protocol>) -> Option<LineSettings> {
    let mut line = section.parsed::<LineSettings>("line");
    let pieces = ["baud", "data_bits", "parity", "stop_bits"];
    if line.is_some()
        && let Some(piece) = pieces.into_iter().find(|piece| section.table.get(piece).is_some())
    {
        section.problem(piece, format!("`line` says it already: {}", section.text("line")?.value), None);
        return None;
    }
    let usual = model.map(|model| model.line).or_else(|| protocol.map(usual_line));
    let typed = pieces.iter().any(|piece| section.table.get(piece).is_some());
    if typed {
        line = usual.or(Some(LineSettings::M9600_8N1));
    }
    let mut line = line.or(usual)?;
    if let Some(baud) = section.whole("baud", 50..=4_000_000u32) {
        line.baud = baud;
    }
    if let Some(bits) = section.whole("data_bits", 7..=8u8) {
        line.data_bits = bits;
    }
    if let Some(bits) = section.whole("stop_bits", 1..=2u8) {
        line.stop_bits = bits;
    }
    let words = [
        ("none", Parity::None),
        ("even", Parity::Even),
        ("odd", Parity::Odd),
        ("n", Parity::None),
        ("e", Parity::Even),
        ("o", Parity::Odd),
    ];
    if let Some(parity) = section.word("parity", &words) {
        line.parity = parity;
    }
    Some(line)
}

/// What most meters of a protocol use.
pub(crate) const fn usual_line(protocol: Protocol) -> LineSettings {
    match protocol {
        Protocol::Sml => LineSettings::M9600_8N1,
        Protocol::DlmsMbus | Protocol::DlmsHdlc => LineSettings::M2400_8E1,
        Protocol::P1 => LineSettings::M115200_8N1,
        Protocol::Kmp => LineSettings::M1200_8N2,
        Protocol::Iec62056_21 => LineSettings::M300_7E1,
    }
}

/// A key; what was typed is in no message.
fn key(section: &Section<'_>, name: &str) -> Option<Key> {
    let node = section.table.get(name)?;
    let super::node::Value::Text(text) = &node.value else {
        let help = format!("{name} = \"00112233445566778899AABBCCDDEEFF\", in quotes");
        section.problem(name, format!("expected a key in quotes, found {}", node.value.kind()), help);
        return None;
    };
    if !section.reading.sources.is_private(node.origin) {
        let help = "move it to `metergate.secrets.toml` beside it, with chmod 600".to_owned();
        section.note(name, "stands in a file that everybody on this host can read", help);
    }
    match text.parse() {
        Ok(key) => Some(key),
        Err(error) => {
            let help =
                "keys are 16 bytes in hexadecimal digits; spaces, colons and 0x are allowed".to_owned();
            section.problem(name, error.to_string(), help);
            None
        }
    }
}

fn layouts(section: &Section<'_>, folder: &Path) -> &'static [Layout] {
    let mut all = Vec::new();
    let files = section.list("layout", |item| match item {
        super::node::Value::Text(path) => Ok(folder.join(path)),
        other => Err(format!("expected the name of a layout file, found {}", other.kind())),
    });
    for file in files {
        match layout_file::read(&file) {
            Ok(layouts) => all.extend_from_slice(layouts),
            Err(problem) => {
                section.problem("layout", problem.message().to_owned(), problem.help().map(str::to_owned));
            }
        }
    }
    // Read once at start, used until the end.
    all.leak()
}

fn kmp(section: &Section<'_>) -> KmpSetup {
    let usual = KmpSetup::default();
    KmpSetup {
        registers: section.list("registers", |item| {
            let number = match item {
                super::node::Value::Whole(number) => u16::try_from(*number).ok(),
                super::node::Value::Text(text) => text.parse().ok(),
                _ => None,
            };
            number.ok_or_else(|| "expected register numbers such as [60, 68, 80]".to_owned())
        }),
        interval: section.duration("interval").unwrap_or(usual.interval),
        requests_per_hour: section.whole("requests_per_hour", 1..=3600).unwrap_or(usual.requests_per_hour),
    }
}

fn iec(section: &Section<'_>) -> IecSetup {
    let usual = IecSetup::default();
    let words = [("auto", IecMode::Auto), ("push", IecMode::Push), ("readout", IecMode::Readout)];
    let address = section.text("address").map(|found| found.value.to_owned());
    if let Some(wrong) = address.as_ref().filter(|text| !address_is_valid(text)) {
        let help = "an address has at most 32 digits, letters or spaces (IEC 62056-21, 6.3.1)".to_owned();
        section.problem("address", format!("`{wrong}` is no device address"), help);
    }
    IecSetup {
        address,
        mode: section.word("mode", &words).unwrap_or_default(),
        interval: section.duration("interval").unwrap_or(usual.interval),
    }
}

fn address_is_valid(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
}

/// Values that are right by themselves and make no sense together.
fn check_use(section: &Section<'_>, meter: &MeterSetup) {
    let is = |protocol: Protocol| meter.protocol.is_none_or(|found| found == protocol);
    let asked = is(Protocol::Kmp) || is(Protocol::Iec62056_21);
    for (key, applies, to) in [
        ("registers", is(Protocol::Kmp), "kmp"),
        ("requests_per_hour", is(Protocol::Kmp), "kmp"),
        ("address", is(Protocol::Iec62056_21), "iec62056-21"),
        ("mode", is(Protocol::Iec62056_21), "iec62056-21"),
        ("interval", asked, "meters that are asked, kmp and iec62056-21,"),
    ] {
        if section.table.get(key).is_some() && !applies {
            let protocol = meter.protocol.map_or("auto", Protocol::name);
            section.problem(
                key,
                format!("is for {to} and this meter speaks {protocol}"),
                format!("remove `{key}`"),
            );
        }
    }
    let place = &meter.port.place;
    let is_serial = matches!(place, Place::Serial(_));
    for (key, applies) in [("dtr", place.sets_line()), ("rts", place.sets_line()), ("exclusive", is_serial)] {
        if section.table.get(key).is_some() && !applies {
            let message = format!("needs a serial port, and the port is {place}");
            section.problem(key, message, format!("remove `{key}`"));
        }
    }
    if meter.auth_key.is_some() && meter.key.is_none() && section.table.get("key").is_none() {
        let help = "`key` opens the telegrams (GUEK), `auth_key` only checks their tag (GAK)".to_owned();
        section.problem("auth_key", "does nothing without `key`", help);
    }
    if let (Some(model), None) = (meter.model, &meter.key)
        && model.keys != Keys::None
    {
        let help = format!("ask the grid operator for it; docs/meters has a letter for {}", model.maker);
        section.note("model", "encrypts: without `key` its telegrams are refused as missing_key", help);
    }
    if let Place::Serial(path) = &meter.port.place
        && path.to_string_lossy().starts_with("/dev/ttyUSB")
    {
        let help = "use the link in /dev/serial/by-id or by-path, which stays".to_owned();
        section.note("port", "changes its number when heads are plugged in another order", help);
    }
}

/// An address of this host in full: nothing is served anywhere unless it is said where.
fn serve(section: &Section<'_>) -> Option<SocketAddr> {
    let typed = section.text("serve")?.value;
    let Ok(address) = typed.strip_prefix("tcp://").unwrap_or(typed).parse::<SocketAddr>() else {
        let help =
            "serve = \"tcp://127.0.0.1:7000\", or \"tcp://0.0.0.0:7000\" for the whole network".to_owned();
        section.problem("serve", format!("`{typed}` is no address of this host with a port"), help);
        return None;
    };
    section.note_if_open("serve", address);
    Some(address)
}

fn limits(section: &Section<'_>) -> Limits {
    let usual = Limits::default();
    let mut offsets = Vec::new();
    for (code, number) in super::sink::by_register::<ObisCode, _>(section, "offset", super::sink::decimal) {
        offsets.push((code.into(), number));
    }
    Limits {
        max_power: section.whole("max_power", 1..=u32::MAX).unwrap_or(usual.max_power),
        offsets,
        ..usual
    }
}
