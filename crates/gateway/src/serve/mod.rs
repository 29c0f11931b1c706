//! What others read of this gateway, each on a listener of its own and off until it is configured. Nobody changes
//! anything by it: [`Telegrams`] passes on what a meter sends, [`Pages`] show values as other programs do.
mod smgw_lite;
mod telegrams;
mod vzlogger;

pub use telegrams::{Tap, Telegrams};

use crate::clock;
use crate::config::{Gateway, IecMode, MeterSetup};
use crate::net::listen::{Bounded, Limits};
use crate::shutdown::Shutdown;
use crate::sink::{News, SinkStatus};
use crate::source::loop_guard::{Heard, Instance};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::routing::get;
use metergate_meter::Protocol;
use smgw_lite::Latest;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use vzlogger::Channels;

/// Pages in the formats of other programs.
///
/// They answer GET and HEAD and nothing else, read no body, and have 16 connections each, of five minutes at most.
#[derive(Debug, Default)]
pub struct Pages {
    vzlogger: Option<Arc<Mutex<Channels>>>,
    smgw_lite: Option<Arc<Mutex<Latest>>>,
    addresses: Vec<SocketAddr>,
}

impl Pages {
    /// Starts the pages that are configured. To be called in a runtime.
    ///
    /// # Errors
    /// When an address is in use or not of this host.
    pub fn start(gateway: &Gateway, shutdown: &Shutdown) -> io::Result<Self> {
        let mut pages = Self::default();
        if let Some(setup) = &gateway.compat.vzlogger {
            let (listener, address) = listen("vzlogger", setup.listen)?;
            let channels = Channels::new(setup.clone(), |meter| interval_s(gateway, meter));
            let channels = Arc::new(Mutex::new(channels));
            pages.vzlogger = Some(Arc::clone(&channels));
            pages.addresses.push(address);
            let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            let routes = Router::new().fallback(get(async move |uri: Uri| {
                let (status, text) = locked(&channels).answer(uri.path(), clock::time_of_day().unix_ms);
                (status, json, text)
            }));
            serve("vzlogger", listener, routes, shutdown)?;
        }
        if let Some(setup) = &gateway.compat.smgw_lite {
            let (listener, address) = listen("smgw_lite", setup.listen)?;
            let latest = Arc::new(Mutex::new(Latest::new(&setup.meter, Instance::of_process())));
            pages.smgw_lite = Some(Arc::clone(&latest));
            pages.addresses.push(address);
            let routes = Router::new().fallback(get(async move |uri: Uri, headers: HeaderMap| {
                locked(&latest).answer(uri.path(), &headers, Instant::now())
            }));
            serve("smgw_lite", listener, routes, shutdown)?;
        }
        Ok(pages)
    }

    /// Where they listen, so that no source asks its own gateway.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where a source notes the way that its values have come, for those who read them here.
    #[must_use]
    pub fn way_of(&self, source: &str) -> Heard {
        let page = self.smgw_lite.as_ref();
        page.and_then(|latest| locked(latest).way_of(source)).unwrap_or_default()
    }

    /// Takes note of what happened at a meter.
    pub fn note(&self, news: &News) {
        if let Some(channels) = &self.vzlogger {
            locked(channels).note(news);
        }
        if let Some(latest) = &self.smgw_lite {
            locked(latest).note(news, Instant::now());
        }
    }

    /// Takes note of how the push to a backend of SMGW.Lite is doing, which a device shows too.
    pub fn note_push(&self, status: &SinkStatus) {
        if let Some(latest) = &self.smgw_lite {
            locked(latest).note_push(status, Instant::now());
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds between two questions to a meter or source that is asked.
fn interval_s(gateway: &Gateway, name: &str) -> Option<u64> {
    let asked = |meter: &MeterSetup| match meter.protocol? {
        Protocol::Kmp => Some(meter.kmp.interval),
        Protocol::Iec62056_21 if meter.iec.mode == IecMode::Readout => Some(meter.iec.interval),
        _ => None,
    };
    let meter = gateway.meters.iter().find(|meter| meter.name == name).and_then(asked);
    let source = || gateway.sources.iter().find(|source| source.name == name).map(|source| source.interval);
    meter.or_else(source).map(|interval| interval.as_secs())
}

fn listen(page: &str, address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).map_err(|error| {
        io::Error::new(error.kind(), format!("the page `compat.{page}` cannot listen on {address}: {error}"))
    })?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    tracing::info!("the page `compat.{page}` stands at http://{address}");
    Ok((listener, address))
}

fn serve(page: &'static str, listener: TcpListener, routes: Router, shutdown: &Shutdown) -> io::Result<()> {
    let listener = Bounded::new(tokio::net::TcpListener::from_std(listener)?, Limits::FEW);
    let mut shutdown = shutdown.clone();
    let serving = axum::serve(listener, routes).with_graceful_shutdown(async move { shutdown.wait().await });
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!("the page `compat.{page}` has ended: {error}");
        }
    });
    Ok(())
}
