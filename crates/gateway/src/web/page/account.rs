//! The own password, and the tokens of programs.
use super::login::open;
use crate::web::Site;
use crate::web::access::{Identity, PASSWORD_MIN, Role, Visitor, WrongPassword, too_many};
use crate::web::frame::{field, frame, problem};
use axum::extract::{Extension, Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use std::io;
use tower_sessions::Session;

/// What the page has to say at the top.
#[derive(Default)]
struct Note {
    problem: Option<String>,
    /// Shown this once.
    token: Option<String>,
}

/// The page.
pub(in crate::web) async fn page(State(site): State<Site>, Extension(visitor): Extension<Visitor>) -> Markup {
    show(&site, &visitor, &Note::default())
}

fn show(site: &Site, visitor: &Visitor, note: &Note) -> Markup {
    let language = visitor.language;
    let say = |name: &str| language.say(name);
    let base = &visitor.origin.base;
    let tokens = site.accounts.tokens();
    let content = html! {
        h1 { (say("account-title")) }
        (problem(note.problem.as_deref()))
        @if let Some(token) = &note.token {
            div.notice role="status" {
                p { (say("account-token-once")) }
                p { code #token { (token) } }
            }
        }
        @if let Identity::Session(account) = &visitor.identity {
            form.narrow method="post" action=(format!("{base}/account/password")) {
                h2 { (say("account-password")) }
                input type="hidden" name="name" value=(account) autocomplete="username";
                (field(&say("account-current"), "current", "password", "", "current-password"))
                (field(&say("account-new"), "password", "password", "", "new-password"))
                (field(&say("welcome-again"), "again", "password", "", "new-password"))
                button.main type="submit" { (say("account-change")) }
                p.hint { (say("account-others-out")) }
            }
        }
        @if visitor.role == Some(Role::Owner) {
            section.narrow {
                h2 { (say("account-tokens")) }
                p.hint { (say("account-tokens-what")) }
                @for (name, role) in &tokens {
                    form.row method="post" action=(format!("{base}/account/token/remove")) {
                        span { b { (name) } " \u{b7} " (role_name(*role, visitor)) }
                        input type="hidden" name="name" value=(name);
                        button type="submit" { (say("account-token-remove")) }
                    }
                }
                form method="post" action=(format!("{base}/account/token")) {
                    (field(&say("account-token-name"), "name", "text", "", "off"))
                    label for="role" { (say("account-token-role")) }
                    select #role name="role" {
                        option value="viewer" { (role_name(Role::Viewer, visitor)) }
                        option value="owner" { (role_name(Role::Owner, visitor)) }
                    }
                    button.main type="submit" { (say("account-token-make")) }
                }
            }
        }
    };
    frame(visitor, &say("account-title"), &content)
}

fn role_name(role: Role, visitor: &Visitor) -> String {
    visitor.language.say(match role {
        Role::Viewer => "account-viewer",
        Role::Owner => "account-owner",
    })
}

/// A new password, and the one until now.
#[derive(Deserialize)]
pub(in crate::web) struct Passwords {
    current: String,
    password: String,
    again: String,
}

/// Changes the own password and logs every other device out.
pub(in crate::web) async fn change_password(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    session: Session,
    Form(typed): Form<Passwords>,
) -> Response {
    let wrong = |status: StatusCode, text: String| {
        (status, show(&site, &visitor, &Note { problem: Some(text), token: None })).into_response()
    };
    let say = |name: &str| visitor.language.say(name);
    let (Identity::Session(account), Some(role)) = (&visitor.identity, visitor.role) else {
        return wrong(StatusCode::FORBIDDEN, say("account-no-password"));
    };
    if typed.password != typed.again {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, say("welcome-differ"));
    }
    if let Err(wait) = site.limits.try_now(visitor.origin.client, account) {
        return too_many(&visitor, wait);
    }
    let Ok(_place) = site.hashing.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let (inside, name) = (Site::clone(&site), account.clone());
    let changed = tokio::task::spawn_blocking(move || {
        if !inside.accounts.verify(&name, &typed.current) {
            return Ok(None);
        }
        inside.accounts.set(&name, role, &typed.password).map(Some)
    });
    match changed.await {
        Ok(Ok(Some(Ok(())))) => {}
        Ok(Ok(None)) => return wrong(StatusCode::UNAUTHORIZED, say("login-wrong")),
        Ok(Ok(Some(Err(WrongPassword::TooShort)))) => {
            let text = visitor.language.say_with("welcome-too-short", &[("count", PASSWORD_MIN.into())]);
            return wrong(StatusCode::UNPROCESSABLE_ENTITY, text);
        }
        Ok(Ok(Some(Err(WrongPassword::TooLong)))) => {
            return wrong(StatusCode::UNPROCESSABLE_ENTITY, say("welcome-too-long"));
        }
        Ok(Err(error)) => {
            tracing::error!("the password cannot be kept: {error}");
            return wrong(StatusCode::INTERNAL_SERVER_ERROR, say("welcome-not-kept"));
        }
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
    site.sessions.end(|login| login.account == *account);
    tracing::info!("the password of `{account}` was changed from {}", visitor.origin.client);
    match open(&session, account).await {
        Ok(()) => Redirect::to(&format!("{}/account", visitor.origin.base)).into_response(),
        Err(error) => error,
    }
}

/// A token to be made.
#[derive(Deserialize)]
pub(in crate::web) struct NewToken {
    name: String,
    role: Role,
}

/// Makes a token and shows it this once.
pub(in crate::web) async fn make_token(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Form(typed): Form<NewToken>,
) -> Response {
    let (status, note) = match site.accounts.add_token(&typed.name, typed.role) {
        Ok(token) => (StatusCode::CREATED, Note { token: Some(token), problem: None }),
        Err(error) => {
            let (status, text) = match error.kind() {
                io::ErrorKind::AlreadyExists => (StatusCode::CONFLICT, "account-token-taken"),
                io::ErrorKind::InvalidInput => (StatusCode::UNPROCESSABLE_ENTITY, "account-token-no-name"),
                _ => (StatusCode::INTERNAL_SERVER_ERROR, "account-token-not-kept"),
            };
            tracing::warn!("no token was made: {error}");
            (status, Note { problem: Some(visitor.language.say(text)), token: None })
        }
    };
    (status, show(&site, &visitor, &note)).into_response()
}

/// The name of a token.
#[derive(Deserialize)]
pub(in crate::web) struct OldToken {
    name: String,
}

/// Makes a token worthless.
pub(in crate::web) async fn remove_token(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Form(typed): Form<OldToken>,
) -> Response {
    if let Err(error) = site.accounts.remove_token(&typed.name) {
        tracing::error!("a token was not removed: {error}");
        let problem = Some(visitor.language.say("account-token-not-kept"));
        let page = show(&site, &visitor, &Note { problem, token: None });
        return (StatusCode::INTERNAL_SERVER_ERROR, page).into_response();
    }
    Redirect::to(&format!("{}/account", visitor.origin.base)).into_response()
}
