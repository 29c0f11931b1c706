//! Every route of the page with what it needs: the table from which the server is built and its refusals are tested.
use super::access::{Need, Role};
use super::{Site, asset, page};
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};

/// One route.
pub(super) struct Route {
    /// `GET` changes nothing, everything else may.
    #[cfg_attr(not(test), expect(dead_code, reason = "by it the tests know which routes change something"))]
    pub(super) method: Method,
    /// Its path, with `{name}` for what varies.
    pub(super) path: &'static str,
    /// Who it is open to.
    pub(super) need: Need,
    /// What it does.
    pub(super) serves: MethodRouter<Site>,
}

const NOTHING: Need = Need::Nothing;
const VIEWER: Need = Need::Role(Role::Viewer);
const OWNER: Need = Need::Role(Role::Owner);

/// All of them.
pub(super) fn routes() -> Vec<Route> {
    vec![
        read("/", VIEWER, page::live::page),
        read("/live/events", VIEWER, page::live::events),
        read("/login", NOTHING, page::login::page),
        change("/login", NOTHING, page::login::log_in),
        read("/welcome", NOTHING, page::welcome::page),
        change("/welcome", NOTHING, page::welcome::set_password),
        change("/logout", VIEWER, page::login::log_out),
        read("/account", VIEWER, page::account::page),
        change("/account/password", VIEWER, page::account::change_password),
        change("/account/token", OWNER, page::account::make_token),
        change("/account/token/remove", OWNER, page::account::remove_token),
        read("/files", VIEWER, page::files::page),
        read("/files/{sink}/{meter}/{name}", VIEWER, page::files::download),
        change("/files/{sink}/{meter}/delete", OWNER, page::files::delete),
        upload("/files/{sink}/{meter}/upload", OWNER, page::files::upload),
        read("/state", VIEWER, page::state::page),
        change("/sinks/{sink}/pause", OWNER, page::state::pause),
        change("/sinks/{sink}/resume", OWNER, page::state::resume),
        change("/language", NOTHING, page::language::choose),
        read("/health", NOTHING, async || "ok\n"),
        read("/assets/{name}", NOTHING, asset::serve),
    ]
}

fn read<H: Handler<T, Site>, T: 'static>(path: &'static str, need: Need, handler: H) -> Route {
    Route { method: Method::GET, path, need, serves: get(handler) }
}

fn change<H: Handler<T, Site>, T: 'static>(path: &'static str, need: Need, handler: H) -> Route {
    Route { method: Method::POST, path, need, serves: post(handler) }
}

/// The same for a large body.
fn upload<H: Handler<T, Site>, T: 'static>(path: &'static str, need: Need, handler: H) -> Route {
    let route = change(path, need, handler);
    let limit = DefaultBodyLimit::max(usize::try_from(page::files::BODY_MAX).unwrap_or(usize::MAX));
    Route { serves: route.serves.layer(limit), ..route }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_to_everybody_is_the_way_in_and_no_more() {
        let open = routes().into_iter().filter(|route| route.need == NOTHING);
        let open: Vec<String> = open.map(|route| format!("{} {}", route.method, route.path)).collect();
        let expected = [
            "GET /login",
            "POST /login",
            "GET /welcome",
            "POST /welcome",
            "POST /language",
            "GET /health",
            "GET /assets/{name}",
        ];
        assert_eq!(open, expected);
    }
}
