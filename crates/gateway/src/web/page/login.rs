//! The login.
use super::local_path;
use crate::web::Site;
use crate::web::access::{LOGIN, Login, Visitor, too_many};
use crate::web::frame::{field, frame, problem};
use axum::extract::{Extension, Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use tower_sessions::Session;

/// The account that the first password makes; a household has no other.
pub(super) const FIRST_ACCOUNT: &str = "owner";

/// Where somebody wanted to go.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Wanted {
    #[serde(default)]
    next: String,
}

/// The form.
#[derive(Deserialize)]
pub(in crate::web) struct Typed {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// The page.
pub(in crate::web) async fn page(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let base = &visitor.origin.base;
    if visitor.role.is_some() {
        return Redirect::to(&format!("{base}{}", local_path(&wanted.next))).into_response();
    }
    if site.accounts.is_empty() {
        return Redirect::to(&format!("{base}/welcome")).into_response();
    }
    form(&visitor, FIRST_ACCOUNT, &wanted.next, None).into_response()
}

fn form(visitor: &Visitor, name: &str, next: &str, wrong: Option<&str>) -> Markup {
    let say = |name: &str| visitor.language.say(name);
    let content = html! {
        form.narrow method="post" action=(format!("{}/login", visitor.origin.base)) {
            h1 { (say("login-title")) }
            (problem(wrong))
            (field(&say("login-name"), "name", "text", name, "username"))
            (field(&say("login-password"), "password", "password", "", "current-password"))
            input type="hidden" name="next" value=(next);
            button.main type="submit" { (say("login-title")) }
            p.hint { (say("login-forgotten")) }
        }
    };
    frame(visitor, &say("login-title"), &content)
}

/// Opens a session.
pub(in crate::web) async fn log_in(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    session: Session,
    Form(Typed { name, password, next }): Form<Typed>,
) -> Response {
    if let Err(wait) = site.limits.try_now(visitor.origin.client, &name) {
        return too_many(&visitor, wait);
    }
    let Ok(_place) = site.hashing.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let (inside, typed) = (Site::clone(&site), name.clone());
    let verified = tokio::task::spawn_blocking(move || inside.accounts.verify(&typed, &password)).await;
    if !verified.unwrap_or(false) {
        tracing::warn!("a login from {} failed", visitor.origin.client);
        let wrong = visitor.language.say("login-wrong");
        let page = form(&visitor, &name, &next, Some(&wrong));
        return (StatusCode::UNAUTHORIZED, page).into_response();
    }
    match open(&session, &name).await {
        Ok(()) => Redirect::to(&format!("{}{}", visitor.origin.base, local_path(&next))).into_response(),
        Err(error) => error,
    }
}

/// Begins a session for an account, under a number that nobody can have known before.
pub(super) async fn open(session: &Session, account: &str) -> Result<(), Response> {
    let opened = async {
        session.cycle_id().await?;
        session.insert(LOGIN, Login { account: account.into() }).await
    };
    opened.await.map_err(|error| {
        tracing::error!("a session cannot be opened: {error}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    })
}

/// Ends the session.
pub(in crate::web) async fn log_out(Extension(visitor): Extension<Visitor>, session: Session) -> Response {
    if let Err(error) = session.flush().await {
        tracing::error!("a session cannot be ended: {error}");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    Redirect::to(&format!("{}/login", visitor.origin.base)).into_response()
}
