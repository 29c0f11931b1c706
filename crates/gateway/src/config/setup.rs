//! What the configuration means, checked: every sink has a place, every key 16 bytes.
use super::sink::{
    GraphiteSetup, HomieSetup, HttpSetup, InfluxSetup, LokiSetup, MqttSetup, PrometheusSetup, SmgwLiteSetup,
    ThingsBoardSetup, VolkszaehlerSetup,
};
use super::source::SourceSetup;
use metergate_meter::layout::Layout;
use metergate_meter::models::Model;
use metergate_meter::{Key, LineSettings, Protocol};
use metergate_reading::{Number, ObisCode, Unit};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A gateway as the configuration describes it.
#[derive(Debug)]
pub struct Gateway {
    /// The profile that was chosen.
    pub profile: String,
    /// Where the page keeps its settings and the gateway what must survive a restart, if anywhere.
    pub state_directory: Option<PathBuf>,
    /// How much the store keeps.
    pub store: super::StoreConfig,
    /// What energy costs, for reports.
    pub price: super::PriceSetup,
    /// The page that people open; `None`: there is none.
    pub web: Option<super::WebSetup>,
    /// The meters, in the order of the file.
    pub meters: Vec<MeterSetup>,
    /// The sinks, in the order of the file.
    pub sinks: Vec<SinkSetup>,
    /// Sources beside the meters, in the order of the file.
    pub sources: Vec<SourceSetup>,
    /// Pages in the formats of other programs.
    pub compat: super::CompatSetup,
}

/// One meter.
#[derive(Debug)]
pub struct MeterSetup {
    /// Its name in configuration, log and topics: letters, digits, `-` and `_`.
    pub name: String,
    /// Where its bytes come from.
    pub port: PortSetup,
    /// What it speaks; `None`: to be detected.
    pub protocol: Option<Protocol>,
    /// Its model, if named.
    pub model: Option<&'static Model>,
    /// Encryption key.
    pub key: Option<Key>,
    /// Authentication key.
    pub auth_key: Option<Key>,
    /// Layout tables of its own, tried before the built-in ones.
    pub layouts: &'static [Layout],
    /// How a Kamstrup meter is asked.
    pub kmp: KmpSetup,
    /// How an IEC 62056-21 meter is asked.
    pub iec: IecSetup,
    /// After how long without a telegram it counts as silent; `None`: three times its usual interval.
    pub silent_after: Option<Duration>,
    /// Where to record what goes over its line.
    pub record: Option<PathBuf>,
    /// Where others get its telegrams as they come, if anywhere.
    pub serve: Option<SocketAddr>,
    /// Which of its values are kept by which use case.
    pub tariff: super::TariffSetup,
    /// How much is believed of it.
    pub limits: crate::plausible::Limits,
}

impl MeterSetup {
    /// What its conversation has to know; repeated invocation counters are refused, as on every live line.
    #[must_use]
    pub fn settings(&self) -> metergate_meter::Settings {
        metergate_meter::Settings {
            key: self.key.clone(),
            auth_key: self.auth_key.clone(),
            model: self.model,
            layouts: self.layouts,
            ..metergate_meter::Settings::default()
        }
    }
}

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSetup {
    /// The place.
    pub place: Place,
    /// Speed and character format, from the configuration, else the model, else what is usual for the protocol;
    /// `None`: to be tried out.
    pub line: Option<LineSettings>,
    /// Level of DTR; `None`: as the system leaves it.
    pub dtr: Option<bool>,
    /// Level of RTS (P1 data request, powered heads); `None`: as the system leaves it.
    pub rts: Option<bool>,
    /// Nobody else may open the port. Default: true.
    pub exclusive: bool,
    /// The head sends back what we send; `None`: find out.
    pub echo: Option<bool>,
}

/// The place where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A serial port, by its device or better its link in `/dev/serial/by-id`.
    Serial(PathBuf),
    /// A serial port behind TCP (ser2net), raw.
    Tcp {
        /// Name or address.
        host: String,
        /// Port number.
        port: u16,
    },
    /// A serial port behind Telnet with COM-PORT-OPTION (RFC 2217), which sets its line.
    Rfc2217 {
        /// Name or address.
        host: String,
        /// Port number.
        port: u16,
    },
    /// Standard input.
    Stdin,
    /// A file of captured bytes, read once.
    File(PathBuf),
}

impl Place {
    /// At the other end of a connection, which may be dead without a word.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(self, Self::Tcp { .. } | Self::Rfc2217 { .. })
    }

    /// Its line can be set from here: another speed can be tried, and followed.
    #[must_use]
    pub const fn sets_line(&self) -> bool {
        matches!(self, Self::Serial(_) | Self::Rfc2217 { .. })
    }
}

/// As it is written in the configuration.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Serial(path) => write!(f, "{}", path.display()),
            Self::Tcp { host, port } | Self::Rfc2217 { host, port } => {
                let scheme = if matches!(self, Self::Tcp { .. }) { "tcp" } else { "rfc2217" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}")
            }
            Self::Stdin => f.write_str("stdin"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// How a Kamstrup meter is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmpSetup {
    /// Which registers; empty: those of the model.
    pub registers: Vec<u16>,
    /// Between two questions.
    pub interval: Duration,
    /// How many requests an hour the battery is worth.
    pub requests_per_hour: u16,
}

impl Default for KmpSetup {
    fn default() -> Self {
        // Once an hour: each answer costs a battery meter some of its 12 to 16 years.
        Self { registers: Vec::new(), interval: Duration::from_secs(3600), requests_per_hour: 12 }
    }
}

/// How an IEC 62056-21 meter is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IecSetup {
    /// Device address of the request, for several meters on one line.
    pub address: Option<String>,
    /// Who begins.
    pub mode: IecMode,
    /// Between two readouts.
    pub interval: Duration,
}

impl Default for IecSetup {
    fn default() -> Self {
        Self { address: None, mode: IecMode::Auto, interval: Duration::from_secs(60) }
    }
}

/// Who begins a readout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IecMode {
    /// Listen first; ask when nothing comes.
    #[default]
    Auto,
    /// The meter: it sends unasked.
    Push,
    /// The gateway: modes A, B and C, as the meter's identification says.
    Readout,
}

/// One sink.
#[derive(Debug)]
pub struct SinkSetup {
    /// Its name in configuration and log.
    pub name: String,
    /// What it is.
    pub kind: SinkKind,
    /// What it gets.
    pub selection: Selection,
}

/// What a sink is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a gateway has a handful of sinks")]
pub enum SinkKind {
    /// Standard output.
    Stdout {
        /// How.
        format: crate::cli::Format,
    },
    /// Monthly files with one line a reading.
    Csv(CsvSetup),
    /// MQTT, with or without Home Assistant discovery.
    Mqtt(MqttSetup),
    /// A tree of topics by the Homie convention.
    Homie(HomieSetup),
    /// JSON by HTTP POST.
    Http(HttpSetup),
    /// Graphite, plaintext or pickle.
    Graphite(GraphiteSetup),
    /// InfluxDB line protocol over HTTP.
    Influx(InfluxSetup),
    /// A page of metrics for Prometheus.
    Prometheus(PrometheusSetup),
    /// The binary push of SMGW.Lite.
    SmgwLite(SmgwLiteSetup),
    /// Channels of a middleware of volkszaehler.
    Volkszaehler(VolkszaehlerSetup),
    /// Events for Grafana Loki.
    Loki(LokiSetup),
    /// Devices behind a gateway of ThingsBoard, by MQTT.
    ThingsBoard(ThingsBoardSetup),
}

/// Monthly CSV files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvSetup {
    /// Where the files `YYYY_MM.CSV` go.
    pub directory: PathBuf,
    /// A further column with the time in UTC, because local time has one hour twice a year.
    pub utc_column: bool,
    /// Decimal comma (the usual German format) or point.
    pub decimal_comma: bool,
    /// A month that fills this many MiB goes on in `YYYY_MM_2.CSV`: spreadsheets end about here. A line a second makes
    /// 250 MB a month, a line every 5 s 50 MB.
    pub file_max_mib: u32,
    /// With less free space than this many MiB the oldest month is deleted: a full system disk harms more than a lost
    /// old month. 0: never.
    pub free_min_mib: u32,
}

impl CsvSetup {
    /// Files in this folder, everything else as usual.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory, utc_column: false, decimal_comma: true, file_max_mib: 80, free_min_mib: 100 }
    }
}

/// What a sink gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Names of the meters; empty: all.
    pub meters: Vec<String>,
    /// Which registers; empty: all.
    pub registers: Vec<RegisterPattern>,
    /// What the sink calls registers; the first pattern that fits counts.
    pub rename: Vec<(RegisterPattern, Arc<str>)>,
    /// Numbers in these units' base units are given in these units: `kWh`, `kW`.
    pub units: Vec<GivenUnit>,
    /// At most one reading of a meter in this time.
    pub min_interval: Option<Duration>,
    /// A number whose register fits is given only when it has changed by at least so much, in its base unit.
    pub change: Vec<(RegisterPattern, Number)>,
    /// What has not changed enough is given all the same after this time.
    pub refresh: Option<Duration>,
    /// Registers as they stand on the meter, where otherwise counters go on over an exchange.
    pub as_printed: bool,
    /// No derived registers.
    pub sent_only: bool,
    /// What of the store, on the durable path; empty: what is usual for the kind.
    pub streams: Vec<Stream>,
    /// A new sink begins with all that the store has, where otherwise it begins with what comes now.
    pub from_beginning: bool,
    /// Nothing is delivered until a person says so.
    pub paused: bool,
}

impl Selection {
    /// Whether readings of this meter are wanted.
    #[must_use]
    pub fn wants_meter(&self, name: &str) -> bool {
        self.meters.is_empty() || self.meters.iter().any(|wanted| wanted == name)
    }

    /// Whether a register is wanted; one without a code is wanted only when all are.
    #[must_use]
    pub fn wants_register(&self, obis: Option<ObisCode>) -> bool {
        self.registers.is_empty()
            || obis.is_some_and(|code| self.registers.iter().any(|pattern| pattern.fits(code)))
    }
}

/// What the store has, each in its own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Every believed reading.
    Readings,
    /// What the tariff use cases have chosen: quarter hours, snapshots.
    Measured,
    /// What happened.
    Events,
}

impl Stream {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Readings, Self::Measured, Self::Events];

    /// The name in configuration and store.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Readings => "readings",
            Self::Measured => "quarter-hours",
            Self::Events => "events",
        }
    }
}

/// A unit as people give it: a base unit and a power of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GivenUnit {
    /// The base unit.
    pub base: Unit,
    /// 3 for kWh.
    pub exponent: i8,
}

impl GivenUnit {
    /// The base unit itself.
    #[must_use]
    pub const fn base(base: Unit) -> Self {
        Self { base, exponent: 0 }
    }
}

/// `kWh`.
impl std::fmt::Display for GivenUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prefix = match self.exponent {
            -3 => "m",
            3 => "k",
            6 => "M",
            9 => "G",
            _ => "",
        };
        write!(f, "{prefix}{}", self.base.text())
    }
}

impl std::str::FromStr for GivenUnit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Unit::from_text(text).map(|(base, exponent)| Self { base, exponent });
        // What cannot be written back, such as 10^2, is not given.
        found
            .filter(|unit| matches!(unit.exponent, -3 | 0 | 3 | 6 | 9))
            .ok_or_else(|| format!("`{text}` is no unit such as Wh, kWh, W, kW, V or m3"))
    }
}

/// Which registers: an OBIS code in which `*` stands for any number, such as `*-*:1.8.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterPattern([Option<u8>; 6]);

impl RegisterPattern {
    /// Whether the code fits.
    #[must_use]
    pub fn fits(&self, code: ObisCode) -> bool {
        self.0.iter().zip(code.bytes()).all(|(wanted, found)| wanted.is_none_or(|wanted| wanted == found))
    }
}

impl std::str::FromStr for RegisterPattern {
    type Err = String;

    /// `A-B:C.D.E*F`, or shorter from the left: without `A-B:` and without `*F` those are any.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no OBIS code or pattern such as 1-0:1.8.0, 16.7.0 or *-*:1.8.*");
        let number = |part: &str| match part {
            "*" => Ok(None),
            digits => digits.parse().map(Some).map_err(|_| wrong()),
        };
        let (medium, quantity) = match text.split_once(':') {
            Some((left, right)) => (left.split_once('-').ok_or_else(wrong)?, right),
            None => (("*", "*"), text),
        };
        let mut dots = quantity.splitn(3, '.');
        let (c, d) = (dots.next().ok_or_else(wrong)?, dots.next().ok_or_else(wrong)?);
        let last = dots.next().ok_or_else(wrong)?;
        // `1.8.*` ends in a joker for E, `1.8.0*255` in a number for F.
        let (e, f) = match last.split_once('*') {
            None => (last, "*"),
            Some(("", "")) => ("*", "*"),
            Some(("", f)) => ("*", f.strip_prefix('*').unwrap_or(f)),
            Some((e, f)) => (e, f),
        };
        let (a, b) = medium;
        Ok(Self([number(a)?, number(b)?, number(c)?, number(d)?, number(e)?, number(f)?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, code: &str) -> bool {
        pattern.parse::<RegisterPattern>().unwrap().fits(code.parse().unwrap())
    }

    #[test]
    fn a_pattern_fits_the_codes_it_means() {
        assert!(fits("1-0:1.8.0", "1-0:1.8.0*255"));
        assert!(!fits("1-0:1.8.0", "1-1:1.8.0*255"));
        assert!(fits("1.8.0", "1-1:1.8.0*255"));
        assert!(fits("*-*:1.8.*", "1-4:1.8.2*255"));
        assert!(fits("1.8.**255", "1-4:1.8.2*255"));
        assert!(!fits("1-0:1.8.0*1", "1-0:1.8.0*255"));
        for wrong in ["", "1.8", "1-0:1.8.x", "1:1.8.0", "256.8.0"] {
            assert!(wrong.parse::<RegisterPattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_register_without_a_code_is_wanted_only_by_who_wants_all() {
        let all = Selection::default();
        assert!(all.wants_register(None));
        let some = Selection { registers: vec!["16.7.0".parse().unwrap()], ..Selection::default() };
        assert!(!some.wants_register(None));
        assert!(some.wants_register("1-0:16.7.0".parse().ok()));
    }

    #[test]
    fn a_place_prints_as_it_is_written() {
        assert_eq!(Place::Tcp { host: "::1".into(), port: 3000 }.to_string(), "tcp://[::1]:3000");
        let place = Place::Rfc2217 { host: "ser2net.local".into(), port: 3000 };
        assert_eq!(place.to_string(), "rfc2217://ser2net.local:3000");
    }
}
