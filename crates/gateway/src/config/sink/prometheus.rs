//! Reads the section of a sink: a page of metrics for Prometheus.
use crate::config::section::Section;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Keys of this kind besides those of every sink.
const KEYS: &[&str] = &["listen", "unit_style", "stale_after"];

/// Settings of a page of metrics for Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusSetup {
    /// Where the page is.
    pub listen: SocketAddr,
    /// Joules, or watt hours.
    pub unit_style: UnitStyle,
    /// After how long a number is not shown any more; `None`: three times the usual interval of its register.
    pub stale_after: Option<Duration>,
}

/// In which units metrics are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitStyle {
    /// Base units, as Prometheus advises: joules, seconds, ratios.
    Base,
    /// Those of the meter, as most other exporters have them: watt hours, hours, percent.
    Meter,
}

/// Among the ports that exporters usually have, and on this host alone.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9469);

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, _folder: &Path) -> Option<PrometheusSetup> {
    section.only(&[super::KEYS, KEYS].concat());
    let listen = match section.text("listen") {
        None => LISTEN,
        Some(found) => match found.value.parse::<SocketAddr>() {
            Ok(address) => address,
            Err(_) => {
                let help = format!("listen = \"{LISTEN}\", or \"0.0.0.0:9469\" for the whole network");
                section.problem("listen", format!("`{}` is no address with a port", found.value), help);
                return None;
            }
        },
    };
    if !listen.ip().is_loopback() {
        let help = "there is no login: keep it behind a firewall or a proxy".to_owned();
        section.note("listen", "lets everybody in that network read the numbers", help);
    }
    let words = [("base", UnitStyle::Base), ("meter", UnitStyle::Meter)];
    Some(PrometheusSetup {
        listen,
        unit_style: section.word("unit_style", &words).unwrap_or(UnitStyle::Base),
        stale_after: section.duration("stale_after"),
    })
}

/// What it means, for `check-config`: kind, receiver, and what is worth knowing; no secret.
impl std::fmt::Display for PrometheusSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = match self.unit_style {
            UnitStyle::Base => "base units",
            UnitStyle::Meter => "units of the meter",
        };
        write!(f, "metrics for Prometheus at http://{}/metrics, in {units}", self.listen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::section::read_lines;

    fn prometheus(lines: &str) -> Result<PrometheusSetup, Vec<String>> {
        read_lines(lines, |section| read(section, Path::new("")))
    }

    #[test]
    fn nothing_listens_beyond_this_host_unless_told_to() {
        let usual = prometheus("paused = false").unwrap();
        assert!(usual.listen.ip().is_loopback());
        assert_eq!(
            usual.to_string(),
            "metrics for Prometheus at http://127.0.0.1:9469/metrics, in base units"
        );
        assert_eq!(prometheus("listen = \"[::]:9000\"").unwrap().listen.port(), 9000);
        for (lines, expected) in [
            ("listen = \"9469\"", "sink.x.listen: `9469` is no address with a port"),
            ("unit_style = \"kwh\"", "sink.x.unit_style: `kwh` is none of its values"),
        ] {
            assert_eq!(prometheus(lines).unwrap_err().first().map(String::as_str), Some(expected));
        }
    }
}
