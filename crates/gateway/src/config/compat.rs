//! Reads `compat`: pages in the formats of other programs.
use super::RegisterPattern;
use super::node::Value;
use super::problem::did_you_mean;
use super::section::Section;
use std::net::SocketAddr;
use std::time::Duration;

/// Pages in the formats of other programs; none unless it is configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompatSetup {
    /// The JSON of vzlogger.
    pub vzlogger: Option<VzloggerSetup>,
    /// The JSON of an SMGW.Lite device.
    pub smgw_lite: Option<SmgwLitePageSetup>,
}

/// The JSON of vzlogger's web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VzloggerSetup {
    /// Where it is.
    pub listen: SocketAddr,
    /// All channels at once at `/`.
    pub index: bool,
    /// Values of so long are shown; `None`: only the newest.
    pub buffer: Option<Duration>,
    /// At least one, each with a UUID of its own.
    pub channels: Vec<PageChannel>,
}

/// A channel of such a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageChannel {
    /// By which others know it.
    pub uuid: String,
    /// Whose register.
    pub meter: String,
    /// The first register of a reading that fits.
    pub register: RegisterPattern,
}

/// What an SMGW.Lite device shows at `/showLastMeterValue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmgwLitePageSetup {
    /// Where it is.
    pub listen: SocketAddr,
    /// The meter or source that is shown.
    pub meter: String,
}

/// Values that a channel may show: what is longer than an hour is history, and the store's.
const BUFFER_RANGE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// Reads the section; `meters` are the names of meters and sources.
pub(super) fn compat(section: &Section<'_>, meters: &[&str]) -> CompatSetup {
    section.only(&["vzlogger", "smgw_lite"]);
    let example = |name: &str| format!("a section such as `[default.compat.{name}]`");
    let vzlogger = section.section("vzlogger", &example("vzlogger"));
    let smgw_lite = section.section("smgw_lite", &example("smgw_lite"));
    let setup = CompatSetup {
        vzlogger: vzlogger.and_then(|section| self::vzlogger(&section, meters)),
        smgw_lite: smgw_lite.and_then(|section| self::smgw_lite(&section, meters)),
    };
    if let (Some(one), Some(other)) = (&setup.vzlogger, &setup.smgw_lite)
        && one.listen == other.listen
    {
        let help = "each page has a listener of its own".to_owned();
        section.problem("", format!("both pages listen on {}", one.listen), help);
    }
    setup
}

fn vzlogger(section: &Section<'_>, meters: &[&str]) -> Option<VzloggerSetup> {
    section.only(&["listen", "index", "buffer", "channels"]);
    let listen = listen(section, 8081);
    let buffer = section.duration("buffer");
    if buffer.is_some_and(|buffer| !BUFFER_RANGE.contains(&buffer)) {
        section.problem("buffer", "expected a span of 1 s to 1 h", None);
    }
    let index = section.truth("index").unwrap_or_default();
    Some(VzloggerSetup { index, buffer, channels: channels(section, meters)?, listen: listen? })
}

fn smgw_lite(section: &Section<'_>, meters: &[&str]) -> Option<SmgwLitePageSetup> {
    section.only(&["listen", "meter"]);
    let listen = listen(section, 8082);
    let meter = match (section.text("meter"), meters) {
        (Some(typed), _) => {
            known(typed.value, meters).map_err(|why| section.problem("meter", why, None)).ok()?
        }
        (None, [only]) => (*only).to_owned(),
        (None, _) => {
            let help = format!("meter = \"{}\"", meters.first().unwrap_or(&"haus"));
            section.problem("", "there is no `meter`, and such a page shows one", help);
            return None;
        }
    };
    Some(SmgwLitePageSetup { listen: listen?, meter })
}

/// Where a page is: on this host alone, unless another address is given.
fn listen(section: &Section<'_>, port: u16) -> Option<SocketAddr> {
    let usual = SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), port);
    let Some(typed) = section.text("listen") else { return Some(usual) };
    let Ok(address) = typed.value.parse::<SocketAddr>() else {
        let help = format!("listen = \"{usual}\", or \"0.0.0.0:{port}\" for the whole network");
        section.problem("listen", format!("`{}` is no address with a port", typed.value), help);
        return None;
    };
    section.note_if_open("listen", address);
    Some(address)
}

fn channels(section: &Section<'_>, meters: &[&str]) -> Option<Vec<PageChannel>> {
    let example = || {
        let meter = meters.first().unwrap_or(&"haus");
        format!("channels = {{ \"12345678-9abc-def0-1234-56789abcdef0\" = \"{meter} 1-0:1.8.0\" }}")
    };
    let table = section.section("channels", "a table from UUIDs to meters with a register");
    let Some(table) = table.filter(|table| table.table.iter().next().is_some()) else {
        if section.table.get("channels").is_none_or(|node| matches!(node.value, Value::Table(_))) {
            section.problem("", "there are no `channels`", example());
        }
        return None;
    };
    let mut channels = Vec::new();
    for (uuid, node) in table.table.iter() {
        if !super::sink::is_uuid(uuid) {
            table.problem(uuid, "is no UUID", "8-4-4-4-12 hexadecimal digits".to_owned());
        }
        let Value::Text(text) = &node.value else {
            table.problem(uuid, format!("expected a text, found {}", node.value.kind()), example());
            continue;
        };
        match channel(text, meters) {
            Ok((meter, register)) => channels.push(PageChannel { uuid: uuid.to_owned(), meter, register }),
            Err(why) => table.problem(uuid, why, example()),
        }
    }
    Some(channels)
}

/// `haus 1-0:1.8.0`; where there is one meter, its name may be left out.
fn channel(text: &str, meters: &[&str]) -> Result<(String, RegisterPattern), String> {
    let (meter, register) = match (text.trim().split_once(' '), meters) {
        (Some((meter, register)), _) => (known(meter, meters)?, register.trim()),
        (None, [only]) => ((*only).to_owned(), text.trim()),
        (None, _) => return Err("names no meter, and there are several".to_owned()),
    };
    Ok((meter, register.parse()?))
}

fn known(name: &str, meters: &[&str]) -> Result<String, String> {
    if meters.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("there is no meter `{name}`; {}", did_you_mean(name, meters.iter().copied())))
}

/// What it means, for `check-config`.
impl std::fmt::Display for VzloggerSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.channels.len() == 1 { "" } else { "s" };
        write!(f, "{} channel{plural} as vzlogger shows them at http://{}", self.channels.len(), self.listen)
    }
}

/// What it means, for `check-config`.
impl std::fmt::Display for SmgwLitePageSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} as an SMGW.Lite shows it at http://{}/showLastMeterValue", self.meter, self.listen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::section::read_lines;

    const UUID: &str = "00000000-1111-2222-3333-444444444401";

    fn read(lines: &str, meters: &[&str]) -> Result<CompatSetup, Vec<String>> {
        read_lines(lines, |section| Some(compat(section, meters)))
    }

    #[test]
    fn pages_are_on_this_host_and_off_unless_it_is_said() {
        assert_eq!(read("", &["haus"]), Ok(CompatSetup::default()));
        let lines = format!("[smgw_lite]\n[vzlogger.channels]\n\"{UUID}\" = \"16.7.0\"\n");
        let setup = read(&lines, &["haus"]).unwrap();
        assert_eq!(
            setup.smgw_lite.unwrap().to_string(),
            "haus as an SMGW.Lite shows it at http://127.0.0.1:8082/showLastMeterValue"
        );
        let vzlogger = setup.vzlogger.unwrap();
        assert_eq!(vzlogger.to_string(), "1 channel as vzlogger shows them at http://127.0.0.1:8081");
        let channel = PageChannel {
            uuid: UUID.to_owned(),
            meter: "haus".to_owned(),
            register: "16.7.0".parse().unwrap(),
        };
        assert_eq!((vzlogger.index, vzlogger.buffer, vzlogger.channels), (false, None, vec![channel]));
    }

    #[test]
    fn mistakes_are_told_with_the_key() {
        let channel = |text: &str| format!("[vzlogger.channels]\n\"{UUID}\" = {text}\n");
        for (lines, told) in [
            ("[tasmota]".to_owned(), "sink.x.tasmota: unknown section `tasmota` in `sink.x`".to_owned()),
            ("[vzlogger]".to_owned(), "sink.x.vzlogger: there are no `channels`".to_owned()),
            (
                "[smgw_lite]".to_owned(),
                "sink.x.smgw_lite: there is no `meter`, and such a page shows one".to_owned(),
            ),
            (
                "[smgw_lite]\nmeter = \"pumpe\"".to_owned(),
                "sink.x.smgw_lite.meter: there is no meter `pumpe`; did you mean `pump`?".to_owned(),
            ),
            (
                "[smgw_lite]\nmeter = \"haus\"\nlisten = \"8081\"".to_owned(),
                "sink.x.smgw_lite.listen: `8081` is no address with a port".to_owned(),
            ),
            (
                channel("\"1-0:1.8.0\""),
                format!("sink.x.vzlogger.channels.{UUID}: names no meter, and there are several"),
            ),
            (
                channel("\"haus power\""),
                format!(
                    "sink.x.vzlogger.channels.{UUID}: `power` is no OBIS code or pattern such as 1-0:1.8.0, 16.7.0 or *-*:1.8.*"
                ),
            ),
            (channel("7"), format!("sink.x.vzlogger.channels.{UUID}: expected a text, found a whole number")),
            (
                format!("[vzlogger]\nbuffer = \"2 h\"\nchannels = {{ \"{UUID}\" = \"haus 1.8.0\" }}"),
                "sink.x.vzlogger.buffer: expected a span of 1 s to 1 h".to_owned(),
            ),
            (
                format!(
                    "[smgw_lite]\nmeter = \"haus\"\nlisten = \"127.0.0.1:8081\"\n{}",
                    channel("\"haus 1.8.0\"")
                ),
                "sink.x: both pages listen on 127.0.0.1:8081".to_owned(),
            ),
        ] {
            assert_eq!(read(&lines, &["haus", "pump"]).unwrap_err(), [told]);
        }
    }
}
