//! The binary push of SMGW.Lite: what one meter counts and what happened, to the backend of that project.
//!
//! The backend knows a device by an id and a token, and a device has one meter. Values and log go to two addresses:
//!
//! ```text
//! POST <path>/?ID=TA0&chipTemp=&uptime=&time=&fields=ts,m180&heap=&transmittedValues=&IP=   N x 8 bytes and more
//! POST <path>/log.php?ID=TA0&IP=&serial=&fw=&cfg=                                           200 x 12 bytes
//! X-Auth-Token: ...
//! ```
//!
//! Source: firmware and backend of github.com/fourwheel/SMGW.Lite, version 1.3.1; the bytes are those of
//! [`metergate_series::smgw_lite`]. A device keeps its values in RAM until the backend has them; here the store does.
mod answer;
mod beside;
mod record;
mod request;
mod turn;

use super::sample::{Delivered, Entry};
use crate::config::SmgwLiteSetup;
use crate::net::{connect, http};
use answer::{ANSWER_LEN_MAX, Counts, Outcome};
use beside::Beside;
use metergate_reading::Instant;
use metergate_series::smgw_lite::{self as wire, EmitError};
use record::{Content, Parcel, Record};
use request::Vitals;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime};
use turn::Turn;

/// Pushes to the backend of SMGW.Lite.
#[derive(Debug)]
pub(crate) struct SmgwLite {
    setup: SmgwLiteSetup,
    client: reqwest::Client,
    token: HeaderValue,
    turn: Turn,
    started: std::time::Instant,
    /// The values that the backend has got last: a quarter hour is a minute too, and the backend wants it once.
    last: Option<wire::Entry>,
    /// What sources have measured beside the meter.
    beside: Beside,
    /// Most values in a body: halved when the backend calls one too large.
    entries_max: usize,
    /// That a reading has no 1.8.0 is told once.
    told_no_import: bool,
}

impl SmgwLite {
    /// A sink that has connected to nobody yet.
    ///
    /// # Errors
    /// When a certificate cannot be read, or no header takes the token.
    pub(crate) fn new(setup: &SmgwLiteSetup) -> io::Result<Self> {
        let client =
            http::client(setup.endpoint.tls.as_ref(), setup.proxy.as_ref()).map_err(io::Error::other)?;
        let mut token = HeaderValue::from_str(setup.token.expose())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "`token` cannot be sent in a header"))?;
        token.set_sensitive(true);
        Ok(Self {
            setup: setup.clone(),
            client,
            token,
            turn: Turn::new(&setup.device_id, setup.every),
            started: std::time::Instant::now(),
            last: None,
            beside: Beside::default(),
            entries_max: usize::MAX,
            told_no_import: false,
        })
    }

    /// How long a batch should wait for the device's turn: as long as its oldest entry has to. At the end of the
    /// program nobody needs to wait.
    pub(crate) fn wait(&self, batch: &[Entry], now: Instant) -> Duration {
        let recorded = batch.iter().map(|entry| match entry {
            Entry::Reading(sample) | Entry::Measured { sample, .. } => sample.at.unix_ms,
            Entry::Event(event) => event.at.unix_ms,
        });
        recorded.min().map_or(Duration::ZERO, |oldest| self.turn.wait(oldest, now.unix_ms))
    }

    /// Hands over entries of the durable path, in order, at once.
    pub(crate) async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        let records = self.records(batch);
        let mut delivered = Delivered::default();
        while delivered.taken < records.len() {
            let parcel = record::parcel(&records, delivered.taken, self.entries_max);
            let outcome = match &parcel.content {
                None => Outcome::Taken(Counts::default()),
                Some(content) => self.send(content).await,
            };
            match outcome {
                Outcome::Taken(counts) => {
                    let why = self.tell_counts(&counts, &parcel);
                    self.take(&records, &parcel, why.as_deref(), &mut delivered);
                }
                Outcome::Refused(why) => self.take(&records, &parcel, Some(&why), &mut delivered),
                Outcome::TooLarge => match &parcel.content {
                    Some(Content::Values { entries, .. }) if entries.len() > 1 => {
                        self.entries_max = entries.len() / 2;
                    }
                    _ => self.take(&records, &parcel, Some("HTTP 413: too large"), &mut delivered),
                },
                Outcome::Trouble(trouble) => {
                    delivered.trouble = Some(trouble);
                    break;
                }
            }
        }
        delivered
    }

    /// Says good-bye within a moment: each push stands for itself.
    #[allow(clippy::unused_async)]
    pub(crate) async fn close(&mut self) {}

    fn records(&mut self, batch: &[Entry]) -> Vec<Record> {
        self.beside.learn(&self.setup, batch);
        let mut last = self.last;
        // What a sensor says of the same second may have become known since.
        let is_same = |last: &Option<wire::Entry>, values: &wire::Entry| {
            let key = |entry: &wire::Entry| (entry.time_s, entry.import, entry.export);
            last.as_ref().map(key) == Some(key(values))
        };
        let one = |entry| match record::record(entry, &self.setup, &self.beside) {
            Record::Values(values) if is_same(&last, &values) => Record::Nothing,
            record => {
                if let Record::Values(values) = record {
                    last = Some(values);
                }
                record
            }
        };
        batch.iter().map(one).collect()
    }

    /// Notes that a parcel is done with; `why`: the backend refused what it holds.
    fn take(&mut self, records: &[Record], parcel: &Parcel, why: Option<&str>, delivered: &mut Delivered) {
        for (index, record) in records.iter().enumerate().take(parcel.end).skip(delivered.taken) {
            let refused = match record {
                Record::Refused(why) => Some(why.clone()),
                Record::NoImport if !std::mem::replace(&mut self.told_no_import, true) => {
                    Some("there is no 1-0:1.8.0 to send; readings without it are skipped".to_owned())
                }
                Record::Values(values) => {
                    self.last = Some(*values);
                    why.map(str::to_owned)
                }
                Record::Log(_) => why.map(str::to_owned),
                Record::NoImport | Record::Nothing => None,
            };
            delivered.refused.extend(refused.map(|why| (index, why)));
        }
        delivered.taken = parcel.end;
    }

    /// Tells what the backend threw away; returns why, when that was all it got.
    fn tell_counts(&self, counts: &Counts, parcel: &Parcel) -> Option<String> {
        let Some(Content::Values { entries, .. }) = &parcel.content else { return None };
        let id = &self.setup.device_id;
        tracing::debug!(
            "SMGW.Lite device {id}: {} values sent, received {:?}, inserted {:?}",
            entries.len(),
            counts.received,
            counts.inserted
        );
        if counts.ota_check {
            tracing::debug!(
                "SMGW.Lite device {id}: the backend has firmware for devices, which is of no use here"
            );
        }
        let rejected = counts.rejected.filter(|&rejected| rejected > 0)?;
        if rejected >= entries.len() as u64 {
            return Some(format!("the backend took nothing of a push and rejected {rejected}"));
        }
        tracing::warn!(
            "SMGW.Lite device {id}: the backend rejected {rejected} of {} values; its table sml_diag says which and why",
            entries.len()
        );
        None
    }

    async fn send(&self, content: &Content) -> Outcome {
        let vitals = self.vitals().await;
        let endpoint = &self.setup.endpoint;
        let id = &self.setup.device_id;
        let (path, query, body) = match content {
            Content::Values { fields, entries } => {
                let unix_s =
                    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
                let unix_s = i64::try_from(unix_s).unwrap_or_default();
                let query = request::values_query(id, fields, entries.len(), unix_s, &vitals);
                (request::values_path(&endpoint.path), query, fields.emit(entries))
            }
            Content::Log(slots) => {
                (request::log_path(&endpoint.path), request::log_query(id, &vitals), wire::emit_log(slots))
            }
        };
        let body: Result<Vec<u8>, EmitError> = body;
        match body {
            Ok(body) => self.post(&format!("{}{path}?{query}", endpoint.origin()), body).await,
            Err(error) => Outcome::Refused(error.to_string()),
        }
    }

    async fn post(&self, url: &str, body: Vec<u8>) -> Outcome {
        let body_len = body.len();
        let request = self
            .client
            .post(url)
            .header(request::TOKEN_HEADER, self.token.clone())
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(body);
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Outcome::Trouble(http::request_trouble(error)),
        };
        let status = response.status().as_u16();
        let retry_after = http::retry_after(&response);
        let mut answer = Vec::new();
        while answer.len() < ANSWER_LEN_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => answer.extend(chunk.iter().take(ANSWER_LEN_MAX - answer.len())),
                Ok(None) => break,
                Err(error) => return Outcome::Trouble(http::request_trouble(error)),
            }
        }
        let answer = self.setup.token.redact(&String::from_utf8_lossy(&answer));
        answer::outcome(status, retry_after, &answer, body_len)
    }

    async fn vitals(&self) -> Vitals {
        let read = |path| tokio::fs::read_to_string(path);
        Vitals {
            chip_tenths: read(CHIP_TEMPERATURE).await.ok().and_then(|text| request::chip_tenths(&text)),
            free_bytes: read("/proc/meminfo").await.ok().and_then(|text| request::free_bytes(&text)),
            uptime_min: self.started.elapsed().as_secs() / 60,
            address: self.own_address().await,
        }
    }

    /// The address that this host has on the way to the backend; nothing is sent to find out.
    async fn own_address(&self) -> Option<IpAddr> {
        let endpoint = &self.setup.endpoint;
        let there = *connect::resolve(&endpoint.host, endpoint.port).await.ok()?.first()?;
        let any: SocketAddr = if there.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(there).ok()?;
        Some(socket.local_addr().ok()?.ip())
    }
}

/// Thousandths of a degree of the processor on a Raspberry Pi and most others.
const CHIP_TEMPERATURE: &str = "/sys/class/thermal/thermal_zone0/temp";

#[cfg(test)]
mod tests;
