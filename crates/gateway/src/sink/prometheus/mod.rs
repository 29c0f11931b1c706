//! A page of metrics that Prometheus and its relatives fetch (OpenMetrics text).
//!
//! Only what is fresh is on it: a number that has not come for three of its usual intervals, or whose meter is not
//! read any more, is left out, which the other side shows as a gap. A stale number would be shown as a live one.
//! Beside the numbers stands how the gateway itself is doing, all that `status.json` says.
mod family;
mod live;
mod own;
mod page;

use super::news::News;
use super::sample::Trouble;
use crate::config::PrometheusSetup;
use crate::net::listen::{Bounded, Limits};
use crate::status::Shown;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::get;
use live::Live;
use page::Page;
use std::io;
#[cfg(test)]
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;

/// Offers the newest numbers. Its page has a thread of its own, so that it is answered whatever the sink waits for.
#[derive(Debug)]
pub(crate) struct Prometheus {
    live: Arc<Mutex<Live>>,
    /// Where it listens.
    #[cfg(test)]
    address: SocketAddr,
    /// Dropped, it ends the page.
    stop: Option<oneshot::Sender<()>>,
}

impl Prometheus {
    /// Listens already. `meters` are the meters it gets, `shown` is how the gateway is doing.
    ///
    /// # Errors
    /// When the address is in use or not of this host.
    pub(crate) fn new(setup: &PrometheusSetup, meters: &[Arc<str>], shown: Shown) -> io::Result<Self> {
        let listener = TcpListener::bind(setup.listen).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the page of metrics cannot listen on {}: {error}", setup.listen),
            )
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        tracing::info!("metrics stand at http://{address}/metrics");
        let live = Arc::new(Mutex::new(Live::new(setup.stale_after, meters)));
        let page = Arc::new(Page::new(Arc::clone(&live), setup.unit_style, shown));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(serve(listener, page, stopped)) {
                tracing::error!("the page of metrics has ended: {error}");
            }
        })?;
        Ok(Self {
            live,
            #[cfg(test)]
            address,
            stop: Some(stop),
        })
    }

    /// Tells what is new.
    #[allow(clippy::unused_async)]
    pub(crate) async fn tell(&mut self, news: &News) -> Result<(), Trouble> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).note(news, Instant::now());
        Ok(())
    }

    /// Says good-bye within a moment.
    #[allow(clippy::unused_async)]
    pub(crate) async fn close(&mut self) {
        self.stop = None;
    }
}

/// The type that announces OpenMetrics 1.0.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

async fn serve(listener: TcpListener, page: Arc<Page>, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let metrics = move || {
        let page = Arc::clone(&page);
        async move {
            match page.text() {
                Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
                Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
            }
        }
    };
    let routes = Router::new().route("/metrics", get(metrics)).route("/", get(|| async { "see /metrics\n" }));
    let listener = Bounded::new(tokio::net::TcpListener::from_std(listener)?, Limits::FEW);
    let until = async {
        // Sent or dropped, both mean the end.
        let _ = stopped.await;
    };
    axum::serve(listener, routes).with_graceful_shutdown(until).await
}

#[cfg(test)]
mod tests;
