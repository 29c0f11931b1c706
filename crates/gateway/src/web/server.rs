//! The listener and what holds for every route.
use super::route::routes;
use super::{Site, access};
use crate::config::WebSetup;
use crate::net::listen::{Bounded, Limits};
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::serve::IncomingStream;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;
use tokio::sync::oneshot;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration as Span;
use tower_sessions::{Expiry, SessionManagerLayer};

/// Largest body of a form; uploads have limits of their own.
const FORM_MAX: usize = 64 * 1024;

/// A device that is not used for so long has to log in again.
const SESSION_LIFE: Span = Span::days(30);

/// A household's browsers, some tabs each, and a few programs.
const LIMITS: Limits = Limits {
    connections: 128,
    // The stream of live values connects again by itself.
    life: Duration::from_secs(600),
};

/// Which address asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Takes the address. Where nobody chose it, a host without IPv6 is served all the same.
///
/// # Errors
/// When it is in use or not of this host.
pub(super) fn listen(setup: &WebSetup) -> io::Result<TcpListener> {
    let bound = TcpListener::bind(setup.listen).or_else(|error| {
        let without_ipv6 = error.kind() != io::ErrorKind::AddrInUse && setup.listen.ip().is_unspecified();
        if without_ipv6 {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, setup.listen.port()))
        } else {
            Err(error)
        }
    });
    let listener = bound.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}", setup.listen))
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The address as a person opens it on this host.
pub(super) fn shown(address: SocketAddr) -> String {
    if address.ip().is_unspecified() || address.ip().is_loopback() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

/// Serves until told to stop; whoever is connected then is let go.
///
/// # Errors
/// When the listener cannot be used.
pub(super) async fn serve(
    listener: TcpListener,
    site: Site,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let listener = Bounded::new(tokio::net::TcpListener::from_std(listener)?, LIMITS);
    tokio::spawn(super::today::follow(Site::clone(&site)));
    let service = router(site).into_make_service_with_connect_info::<Peer>();
    tokio::select! {
        served = async { axum::serve(listener, service).await } => served,
        // Sent or dropped, it is the end.
        _ = stopped => Ok(()),
    }
}

fn router(site: Site) -> Router {
    let sessions = SessionManagerLayer::new(site.sessions.clone())
        .with_name("metergate_session")
        .with_same_site(SameSite::Strict)
        // The page is served without TLS too; a browser would not send the cookie back there.
        .with_secure(false)
        .with_expiry(Expiry::OnInactivity(SESSION_LIFE));
    let mut router = Router::new();
    for route in routes() {
        let guard = middleware::from_fn_with_state((Site::clone(&site), route.need), access::guard);
        router = router.route(route.path, route.serves.layer(guard));
    }
    router
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(sessions)
        .layer(CsrfLayer::new())
        .layer(DefaultBodyLimit::max(FORM_MAX))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(secured))
        .with_state(site)
}

/// What browsers are told with each answer. Everything comes from here: no script or style of a line, no other host.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'self'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    // Not `no-referrer`: with it browsers name no origin, and a form could not be told from a foreign one.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

async fn secured(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What somebody saw is not left to who uses the browser next.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
