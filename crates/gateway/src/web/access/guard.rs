//! The door in front of every route.
use super::{Identity, LOGIN, Login, Need, Origin, Role, Visitor};
use crate::web::Site;
use crate::web::frame::frame;
use crate::web::server::Peer;
use crate::web::text::Language;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use std::net::SocketAddr;
use std::time::Duration;
use tower_sessions::Session;

/// Finds out who asks, and lets them through or says what is missing.
pub(in crate::web) async fn guard(
    State((site, need)): State<(Site, Need)>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    session: Session,
    mut request: Request,
    next: Next,
) -> Response {
    let visitor = match visitor(&site, peer, &session, request.headers()).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    if visitor.may(need) {
        request.extensions_mut().insert(visitor);
        return next.run(request).await;
    }
    refuse(&site, &visitor, &request)
}

async fn visitor(
    site: &Site,
    peer: SocketAddr,
    session: &Session,
    headers: &HeaderMap,
) -> Result<Visitor, Response> {
    let origin = Origin::of(peer, headers, &site.setup);
    let language = Language::of(headers);
    let nobody = |origin: Origin| Visitor { identity: Identity::Nobody, role: None, origin, language };
    let (identity, role) = if let Some(name) = origin.ingress.clone() {
        (Identity::Ingress(name), Some(Role::Owner))
    } else if let Some(shown) = bearer(headers) {
        // A wrong token is a guess.
        let Some((name, role)) = site.accounts.token(shown) else {
            return Err(match site.limits.try_now(origin.client, "") {
                Ok(()) => StatusCode::UNAUTHORIZED.into_response(),
                Err(wait) => too_many(&nobody(origin), wait),
            });
        };
        (Identity::Token(name), Some(role))
    } else if site.accounts.is_empty() {
        if origin.local { (Identity::ThisHost, Some(Role::Owner)) } else { (Identity::Nobody, None) }
    } else {
        let login: Option<Login> = session.get(LOGIN).await.unwrap_or_default();
        // An account that is gone, or another role than at the login, counts at once.
        let known = login.and_then(|login| Some((site.accounts.role(&login.account)?, login.account)));
        known.map_or((Identity::Nobody, None), |(role, account)| (Identity::Session(account), Some(role)))
    };
    Ok(Visitor { identity, role, origin, language })
}

/// The token of an `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Tells a person where to log in, and a program that it has to.
fn refuse(site: &Site, visitor: &Visitor, request: &Request) -> Response {
    if visitor.role.is_some() {
        return (StatusCode::FORBIDDEN, forbidden(visitor)).into_response();
    }
    let path = request.uri().path();
    let base = &visitor.origin.base;
    if path.starts_with("/api/") || request.method() != Method::GET {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    }
    if site.accounts.is_empty() {
        return Redirect::to(&format!("{base}/welcome")).into_response();
    }
    let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str());
    let query: String =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("next", wanted).finish();
    Redirect::to(&format!("{base}/login?{query}")).into_response()
}

/// The answer to somebody who tries too often.
pub(in crate::web) fn too_many(visitor: &Visitor, wait: Duration) -> Response {
    let seconds = wait.as_secs().saturating_add(1);
    let title = visitor.language.say("wait-title");
    let content = html! {
        h1 { (title) }
        p { (visitor.language.say_with("wait-text", &[("seconds", seconds.into())])) }
    };
    let page = frame(visitor, &title, &content);
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], page).into_response()
}

/// What somebody sees who may look and not change.
fn forbidden(visitor: &Visitor) -> Markup {
    let title = visitor.language.say("forbidden-title");
    let content = html! {
        h1 { (title) }
        p { (visitor.language.say("forbidden-text")) }
    };
    frame(visitor, &title, &content)
}
