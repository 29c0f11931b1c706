//! The first page of a new gateway: it asks once for a password to set.
use super::login::{FIRST_ACCOUNT, open};
use crate::web::Site;
use crate::web::access::{Identity, PASSWORD_MIN, Visitor, WrongPassword, too_many};
use crate::web::frame::{field, frame, problem};
use axum::extract::{Extension, Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use std::io;
use tower_sessions::Session;

/// The form.
#[derive(Deserialize)]
pub(in crate::web) struct Typed {
    #[serde(default)]
    code: String,
    password: String,
    again: String,
}

/// The page.
pub(in crate::web) async fn page(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    if !site.accounts.is_empty() {
        return Redirect::to(&format!("{}/", visitor.origin.base)).into_response();
    }
    form(&visitor, None).into_response()
}

fn form(visitor: &Visitor, wrong: Option<&str>) -> Markup {
    let say = |name: &str| visitor.language.say(name);
    let content = html! {
        form.narrow method="post" action=(format!("{}/welcome", visitor.origin.base)) {
            h1 { (say("welcome-title")) }
            p { (say("welcome-text")) }
            (problem(wrong))
            @if visitor.identity == Identity::Nobody {
                (field(&say("welcome-code"), "code", "text", "", "one-time-code"))
                p.hint { (say("welcome-code-where")) }
            }
            // Browsers keep a password with a name.
            input type="hidden" name="name" value=(FIRST_ACCOUNT) autocomplete="username";
            (field(&say("welcome-password"), "password", "password", "", "new-password"))
            (field(&say("welcome-again"), "again", "password", "", "new-password"))
            button.main type="submit" { (say("welcome-set")) }
        }
    };
    frame(visitor, &say("welcome-title"), &content)
}

/// Sets the password and logs in.
pub(in crate::web) async fn set_password(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    session: Session,
    Form(Typed { code, password, again }): Form<Typed>,
) -> Response {
    let again_with = |status: StatusCode, text: String| (status, form(&visitor, Some(&text))).into_response();
    let say = |name: &str| visitor.language.say(name);
    if !site.accounts.is_empty() {
        return again_with(StatusCode::CONFLICT, say("welcome-taken"));
    }
    if visitor.identity == Identity::Nobody {
        if let Err(wait) = site.limits.try_now(visitor.origin.client, FIRST_ACCOUNT) {
            return too_many(&visitor, wait);
        }
        if !site.code.is(&code) {
            tracing::warn!("a wrong set-up code came from {}", visitor.origin.client);
            return again_with(StatusCode::UNAUTHORIZED, say("welcome-wrong-code"));
        }
    }
    if password != again {
        return again_with(StatusCode::UNPROCESSABLE_ENTITY, say("welcome-differ"));
    }
    let Ok(_place) = site.hashing.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let inside = Site::clone(&site);
    let set = tokio::task::spawn_blocking(move || inside.accounts.set_first(FIRST_ACCOUNT, &password)).await;
    match set {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(WrongPassword::TooShort))) => {
            let values = [("count", PASSWORD_MIN.into())];
            let text = visitor.language.say_with("welcome-too-short", &values);
            return again_with(StatusCode::UNPROCESSABLE_ENTITY, text);
        }
        Ok(Ok(Err(WrongPassword::TooLong))) => {
            return again_with(StatusCode::UNPROCESSABLE_ENTITY, say("welcome-too-long"));
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
            return again_with(StatusCode::CONFLICT, say("welcome-taken"));
        }
        Ok(Err(error)) => {
            tracing::error!("the password cannot be kept: {error}");
            return again_with(StatusCode::INTERNAL_SERVER_ERROR, say("welcome-not-kept"));
        }
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
    tracing::info!("the password of the page was set from {}", visitor.origin.client);
    match open(&session, FIRST_ACCOUNT).await {
        Ok(()) => Redirect::to(&format!("{}/", visitor.origin.base)).into_response(),
        Err(error) => error,
    }
}
