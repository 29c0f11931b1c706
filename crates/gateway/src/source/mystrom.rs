//! myStrom: a plug that measures, most often behind a solar inverter for the balcony.
//!
//! `GET /report` answers `{"power":312.4,"energy_since_boot":7200000.5,"temperature":24.3,"boot_id":"77A1"}`: watts,
//! watt-seconds since the plug was started, degrees. Source: the maker's description of the REST interface.
use super::counter::Continued;
use super::fetch::Fetch;
use super::json::Document;
use super::registers::{EXPORT, POWER_EXPORT, TEMPERATURE, register};
use crate::config::EndpointSetup;
use metergate_reading::{Number, RegisterBuf, Unit};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// What a report says; absent is what it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// W.
    pub power: Option<Number>,
    /// Ws since the plug was started.
    pub energy: Option<Number>,
    /// Degrees Celsius.
    pub temperature: Option<Number>,
    /// Another one after each start, where the firmware tells it.
    pub boot_id: Option<String>,
}

/// Longest name of a run that is kept; those seen have 8 letters.
const BOOT_ID_LEN_MAX: usize = 64;

/// Reads a report.
///
/// # Errors
/// When it is no JSON, or has neither `power` nor `energy_since_boot`.
///
/// ```
/// use metergate_gateway::source::mystrom::parse;
/// use metergate_reading::Number;
///
/// let report = parse(r#"{"power":312.4,"relay":true,"temperature":-5.5,"energy_since_boot":7200000}"#)?;
/// assert_eq!(report.power, Some(Number::new(3124, -1)));
/// assert_eq!(report.temperature, Some(Number::new(-55, -1)));
/// assert!(parse(r#"{"relay":true}"#).is_err());
/// # Ok::<(), String>(())
/// ```
pub fn parse(text: &str) -> Result<Report, String> {
    let document = Document::parse(text).ok_or("the answer is no JSON")?;
    let report = Report {
        power: document.number("/power"),
        energy: document.number("/energy_since_boot"),
        temperature: document.number("/temperature"),
        boot_id: document.text("/boot_id").filter(|id| id.len() <= BOOT_ID_LEN_MAX),
    };
    if report.power.is_none() && report.energy.is_none() {
        return Err("the answer has neither `power` nor `energy_since_boot`".to_owned());
    }
    Ok(report)
}

/// What is counted is written down this often, and at each reset: 35,000 small writes a year, and after a crash of
/// gateway and plug together at most this much energy is missing.
const SAVE_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// Longest file that is read back; it has less than 200 bytes.
const FILE_LEN_MAX: usize = 4096;

/// Asks one plug.
#[derive(Debug)]
pub(super) struct MyStrom {
    fetch: Fetch,
    counter: Continued,
    file: Option<PathBuf>,
    saved_at: Option<Instant>,
}

impl MyStrom {
    /// `file`: where the counter survives a restart.
    pub(super) fn new(endpoint: &EndpointSetup, file: Option<PathBuf>) -> io::Result<Self> {
        let counter = match file.as_deref().map(std::fs::read_to_string) {
            Some(Ok(text)) => {
                let kept = Some(text).filter(|text| text.len() <= FILE_LEN_MAX);
                kept.and_then(|text| Continued::from_json(&text)).unwrap_or_else(|| {
                    tracing::error!(
                        "{endpoint}: the file with its counter is damaged, the total begins anew"
                    );
                    Continued::default()
                })
            }
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!("{endpoint}: the file with its counter cannot be read: {error}");
                Continued::default()
            }
            Some(Err(_)) | None => Continued::default(),
        };
        Ok(Self { fetch: Fetch::new(endpoint, "/report")?, counter, file, saved_at: None })
    }

    pub(super) async fn poll(&mut self) -> Result<Vec<RegisterBuf>, String> {
        let text = self.fetch.text().await?;
        let report = parse(&text).map_err(|why| format!("{}: {why}", self.fetch.endpoint()))?;
        let before = self.counter.before();
        let total = report.energy.and_then(|energy| self.counter.count(energy, report.boot_id.as_deref()));
        let was_reset = self.counter.before() != before;
        if was_reset || self.saved_at.is_none_or(|at| at.elapsed() >= SAVE_INTERVAL) {
            self.save().await;
        }
        // A watt-second is a joule. In Wh most totals would have no end.
        let all = [
            (EXPORT, total, Unit::Joule),
            (POWER_EXPORT, report.power, Unit::Watt),
            (TEMPERATURE, report.temperature, Unit::Celsius),
        ];
        let register =
            |(code, number, unit): (_, Option<Number>, _)| Some(register(code, number?, Some(unit)));
        let registers: Vec<RegisterBuf> = all.into_iter().filter_map(register).collect();
        if registers.is_empty() {
            return Err(format!("{}: `energy_since_boot` is no counter", self.fetch.endpoint()));
        }
        Ok(registers)
    }

    /// Writes down what is counted.
    pub(super) async fn save(&mut self) {
        let Some(file) = self.file.clone() else { return };
        self.saved_at = Some(Instant::now());
        let text = self.counter.to_json();
        let written =
            tokio::task::spawn_blocking(move || crate::state::replace(&file, text.as_bytes())).await;
        let error = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!("{}: its counter cannot be written down: {error}", self.fetch.endpoint());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_60_a_mystrom_report_is_parsed_exactly() {
        let text = r#"{"power":0.1,"Ws":0.1,"relay":true,"temperature":-5.5,"boot_id":"77A1",
            "energy_since_boot":16777217.25,"time_since_boot":1234}"#;
        let expected = Report {
            power: Some(Number::new(1, -1)),
            energy: Some(Number::new(1_677_721_725, -2)),
            temperature: Some(Number::new(-55, -1)),
            boot_id: Some("77A1".to_owned()),
        };
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn what_a_report_does_not_say_is_absent() {
        let report = parse(r#"{"power":0,"temperature":null}"#).unwrap();
        assert_eq!((report.power, report.energy, report.temperature), (Some(Number::new(0, 0)), None, None));
        for (text, why) in [
            ("", "the answer is no JSON"),
            ("<html>", "the answer is no JSON"),
            ("{}", "the answer has neither `power` nor `energy_since_boot`"),
            ("[1]", "the answer has neither `power` nor `energy_since_boot`"),
            (r#"{"power":"off"}"#, "the answer has neither `power` nor `energy_since_boot`"),
        ] {
            assert_eq!(parse(text), Err(why.to_owned()), "{text}");
        }
    }
}
