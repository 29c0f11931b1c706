//! Another gateway: what an SMGW.Lite or a metergate shows at `/showLastMeterValue`.
//!
//! ```text
//! {"meter_value_180":167772170,"timestamp":1775986800,"temperature":-550,"meter_value_280":256,
//!  "power_import":0,"power_export":120,"net_power":-120,"last_byte_age_s":1, ...}
//! ```
//!
//! Counters in 0.1 Wh, the temperature in hundredths of a degree, powers in W, all of the telegram at `timestamp`.
//! Source: firmware of github.com/fourwheel/SMGW.Lite, version 1.3.1.
//!
//! An SMGW.Lite writes 0 where it knows nothing, so a 0 of it is no value; a metergate leaves out what it does not
//! know, so a 0 of it is 0.
use super::fetch::{Answer, Fetch};
use super::json::Document;
use super::loop_guard::{HEADER, Heard, Instance, Path, asks_itself, is_own_address};
use super::registers::{EXPORT, IMPORT, POWER_EXPORT, POWER_IMPORT, POWER_NET, TEMPERATURE, register};
use super::{Fault, Sampled};
use crate::config::CascadeSetup;
use crate::net::connect;
use metergate_reading::{DateTime, Number, ObisCode, RegisterBuf, Unit};
use reqwest::header::HeaderValue;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Key, code, power of ten, unit.
const KEYS: [(&str, ObisCode, i8, Unit); 6] = [
    ("/meter_value_180", IMPORT, -1, Unit::WattHour),
    ("/meter_value_280", EXPORT, -1, Unit::WattHour),
    ("/power_import", POWER_IMPORT, 0, Unit::Watt),
    ("/power_export", POWER_EXPORT, 0, Unit::Watt),
    ("/net_power", POWER_NET, 0, Unit::Watt),
    ("/temperature", TEMPERATURE, -2, Unit::Celsius),
];

/// What `last_byte_age_s` says when no byte has ever come.
const NEVER: i64 = 9999;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// 0 is no value.
    SmgwLite,
    /// 0 is 0.
    Metergate,
}

/// What a gateway shows.
///
/// # Errors
/// When it is no JSON, has no reading yet, or its meter has been silent for `stale_after` or longer.
///
/// ```
/// use metergate_gateway::source::cascade::{Peer, parse};
/// use std::time::Duration;
///
/// let stale_after = Duration::from_secs(60);
/// let shown = r#"{"meter_value_180":43354009,"timestamp":1775986800,"temperature":0,"last_byte_age_s":2}"#;
/// let sampled = parse(shown, Peer::SmgwLite, stale_after)?;
/// assert_eq!(sampled.registers.len(), 1, "1.8.0 alone: no sensor has measured 0 degrees");
/// assert!(parse(&shown.replace(":2}", ":9999}"), Peer::SmgwLite, stale_after).is_err());
/// # Ok::<(), String>(())
/// ```
pub fn parse(text: &str, peer: Peer, stale_after: Duration) -> Result<Sampled, String> {
    let document = Document::parse(text).ok_or("the answer is no JSON")?;
    match whole(document, "/last_byte_age_s") {
        Some(NEVER) => return Err("its meter has never sent a byte".to_owned()),
        Some(age) if u64::try_from(age).is_ok_and(|age| age >= stale_after.as_secs()) => {
            return Err(format!("its meter has sent no byte for {age} s"));
        }
        _ => {}
    }
    let time =
        whole(document, "/timestamp").filter(|&seconds| seconds != 0).and_then(DateTime::from_unix_seconds);
    if time.is_none() && peer == Peer::SmgwLite {
        return Err("it has no reading yet".to_owned());
    }
    let registers: Vec<RegisterBuf> = KEYS
        .iter()
        .filter_map(|&(key, code, exponent, unit)| {
            let number = document.number(key)?;
            let is_value = number.mantissa() != 0 || peer == Peer::Metergate;
            Some(register(code, number.scaled(exponent)?, Some(unit))).filter(|_| is_value)
        })
        .collect();
    if registers.is_empty() {
        return Err("it shows no value".to_owned());
    }
    Ok(Sampled { time, registers })
}

fn whole(document: Document<'_>, pointer: &str) -> Option<i64> {
    document.number(pointer).and_then(|number: Number| number.at_exponent(0))
}

/// Asks one gateway.
#[derive(Debug)]
pub(super) struct Cascade {
    fetch: Fetch,
    stale_after: Duration,
    instance: Instance,
    header: HeaderValue,
    listeners: Vec<SocketAddr>,
    heard: Heard,
    last: Option<Sampled>,
}

impl Cascade {
    pub(super) fn new(
        setup: &CascadeSetup,
        instance: Instance,
        listeners: &[SocketAddr],
        heard: Heard,
    ) -> io::Result<Self> {
        let header = HeaderValue::from_str(&instance.to_string()).map_err(io::Error::other)?;
        Ok(Self {
            fetch: Fetch::new(&setup.endpoint, "/showLastMeterValue")?,
            stale_after: setup.stale_after,
            instance,
            header,
            listeners: listeners.to_owned(),
            heard,
            last: None,
        })
    }

    /// Asks once; `None` when it shows the same telegram as before.
    pub(super) async fn poll(&mut self) -> Result<Option<Sampled>, Fault> {
        self.check_address().await?;
        let Answer { status, headers, body } = self.fetch.get(Some((HEADER, self.header.clone()))).await?;
        let place = self.fetch.endpoint();
        if status == 508 {
            return Err(Fault::Loop(format!("{place}: it says that it shows what comes from here")));
        }
        if !(200..300).contains(&status) {
            return Err(format!("{place}: HTTP {status}").into());
        }
        let path = match headers.get(HEADER) {
            None => None,
            Some(header) => {
                let path: Result<Path, _> = header.to_str().unwrap_or_default().parse();
                Some(path.map_err(|error| format!("{place}: {error}"))?)
            }
        };
        if let Some(path) = &path
            && (path.contains(&self.instance) || path.is_full())
        {
            return Err(Fault::Loop(format!("{place}: what it shows has come from here")));
        }
        let peer = if path.is_some() { Peer::Metergate } else { Peer::SmgwLite };
        self.heard.set(path.unwrap_or_default());
        let sampled = parse(&body, peer, self.stale_after).map_err(|why| format!("{place}: {why}"))?;
        // Without a time of its own each answer counts.
        if sampled.time.is_some() && self.last.as_ref() == Some(&sampled) {
            return Ok(None);
        }
        self.last = Some(sampled.clone());
        Ok(Some(sampled))
    }

    /// The address of the configuration must not be where this gateway answers.
    async fn check_address(&self) -> Result<(), Fault> {
        if self.listeners.is_empty() {
            return Ok(());
        }
        let endpoint = self.fetch.endpoint();
        let found = connect::resolve(&endpoint.host, endpoint.port).await;
        let addresses = found.map_err(|error| Fault::Unreadable(error.to_string()))?;
        if addresses.into_iter().any(|address| asks_itself(address, &self.listeners, is_own_address)) {
            return Err(Fault::Loop(format!("{endpoint}: that is this gateway itself")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALE: Duration = Duration::from_secs(60);
    const SHOWN: &str = r#"{"meter_value_180":167772170,"timestamp":1775986800,"temperature":-550,"solar":7200000,
        "meter_value_280":0,"power_import":0,"power_export":120,"net_power":-120,"last_byte_age_s":59,
        "wifi_connected":true,"backend_called":true,"backend_ok":false,"backend_ago_min":1}"#;

    fn numbers(peer: Peer) -> Vec<(String, String)> {
        let sampled = parse(SHOWN, peer, STALE).unwrap();
        let one = |register: &RegisterBuf| {
            (register.obis.unwrap().to_string(), register.number().unwrap().to_string())
        };
        sampled.registers.iter().map(one).collect()
    }

    #[test]
    fn row_19_every_key_has_its_code_and_scale() {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(code, number)| (format!("{code}*255"), (*number).to_owned())).collect()
        };
        let lite = [
            ("1-0:1.8.0", "16777217.0"),
            ("1-0:2.7.0", "120"),
            ("1-0:16.7.0", "-120"),
            ("0-0:96.9.0", "-5.50"),
        ];
        assert_eq!(numbers(Peer::SmgwLite), owned(&lite));
        let ours = [
            ("1-0:1.8.0", "16777217.0"),
            ("1-0:2.8.0", "0.0"),
            ("1-0:1.7.0", "0"),
            ("1-0:2.7.0", "120"),
            ("1-0:16.7.0", "-120"),
            ("0-0:96.9.0", "-5.50"),
        ];
        assert_eq!(numbers(Peer::Metergate), owned(&ours));
        let time = parse(SHOWN, Peer::SmgwLite, STALE).unwrap().time.unwrap();
        assert_eq!(time.to_string(), "2026-04-12T09:40:00+00:00");
    }

    #[test]
    fn a_stale_value_and_none_at_all_are_no_readings() {
        for (from, to, why) in [
            (":59", ":60", "its meter has sent no byte for 60 s"),
            (":59", ":9999", "its meter has never sent a byte"),
            ("1775986800", "0", "it has no reading yet"),
            ("{", "", "the answer is no JSON"),
        ] {
            assert_eq!(parse(&SHOWN.replace(from, to), Peer::SmgwLite, STALE), Err(why.to_owned()));
        }
        let empty = r#"{"timestamp":1775986800,"meter_value_180":0}"#;
        assert_eq!(parse(empty, Peer::SmgwLite, STALE), Err("it shows no value".to_owned()));
        assert_eq!(parse(empty, Peer::Metergate, STALE).unwrap().registers.len(), 1);
    }
}
