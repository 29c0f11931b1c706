//! The page that people open: what the meters say now, behind a login, in German and English.
//!
//! ```text
//! pipeline --news--> board --fragments--> EventSource of each open page
//!                      |
//! request -> limits, CSRF, session -> guard (route's need) -> page -> frame -> HTML that works without scripts
//! ```
//!
//! **Invariants.** A route says what it needs ([`route::Route`]), and there is no other way to a page. Nothing changes
//! by GET. What is not believed is not shown as a number. The page has a thread of its own: however slow its readers
//! are, no meter waits for it.
mod access;
mod asset;
mod board;
mod frame;
mod page;
mod route;
mod server;
#[cfg(test)]
mod tests;
mod text;
mod today;

pub(crate) use board::Board;
pub(crate) use page::files::{Folder, folders};

use crate::config::WebSetup;
use crate::control::Asked;
use crate::status::Shown;
use crate::store::Store;
use access::{Accounts, Limits, Sessions, SetupCode};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use today::Today;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// What the page shows and changes.
#[derive(Debug)]
pub(crate) struct Parts {
    /// What the meters say now.
    pub(crate) board: Arc<Board>,
    /// What they have said.
    pub(crate) store: Store,
    /// Where accounts and sessions are kept.
    pub(crate) state_directory: Option<PathBuf>,
    /// The monthly files of sinks.
    pub(crate) folders: Vec<Folder>,
    /// How everything is doing.
    pub(crate) shown: Shown,
    /// Where the gateway is asked for something.
    pub(crate) requests: mpsc::Sender<Asked>,
}

/// What every request can reach.
#[derive(Debug)]
struct Inside {
    setup: WebSetup,
    board: Arc<Board>,
    today: Today,
    store: Store,
    shown: Shown,
    requests: mpsc::Sender<Asked>,
    folders: Vec<Folder>,
    accounts: Accounts,
    sessions: Sessions,
    limits: Limits,
    code: SetupCode,
    /// Passwords are hashed one after the other: each takes 19 MiB.
    hashing: Semaphore,
}

/// Shared by all requests.
type Site = Arc<Inside>;

/// The page, as long as it is served.
#[derive(Debug)]
pub(crate) struct Web {
    /// Where it listens.
    #[cfg(test)]
    address: std::net::SocketAddr,
    /// Dropped, it ends the page.
    _stop: oneshot::Sender<()>,
}

impl Web {
    /// Serves the page. Where that cannot be it is said, and the meters are read all the same.
    pub(crate) fn open(setup: &WebSetup, parts: Parts) -> Option<Self> {
        match Self::start(setup, parts) {
            Ok(web) => return Some(web),
            Err(error) if setup.asked_for => tracing::error!("there is no page: {error}"),
            Err(error) => {
                tracing::warn!(
                    "there is no page: {error}; `listen` in `[default.web]` chooses another place"
                );
            }
        }
        None
    }

    /// Serves the page from a thread of its own. It listens already when this returns.
    ///
    /// # Errors
    /// When the address is in use or not of this host, or accounts cannot be read.
    fn start(setup: &WebSetup, parts: Parts) -> io::Result<Self> {
        let listener = server::listen(setup)?;
        let address = listener.local_addr()?;
        let state = parts.state_directory.as_deref();
        let site = Arc::new(Inside {
            setup: setup.clone(),
            board: parts.board,
            today: Today::new(parts.store.clone()),
            store: parts.store,
            shown: parts.shown,
            requests: parts.requests,
            folders: parts.folders,
            accounts: Accounts::load(state)?,
            sessions: Sessions::load(state),
            limits: Limits::new(),
            code: SetupCode::new()?,
            hashing: Semaphore::new(1),
        });
        tracing::info!("the page is at {}", server::shown(address));
        if site.accounts.is_empty() && !address.ip().is_loopback() {
            tracing::info!("who opens it first from elsewhere needs the set-up code {}", site.code);
        }
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("web".to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(server::serve(listener, site, stopped)) {
                tracing::error!("the page has ended: {error}");
            }
            // A password that is being hashed is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            #[cfg(test)]
            address,
            _stop: stop,
        })
    }
}
