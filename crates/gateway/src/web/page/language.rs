//! The choice of the language.
use super::local_path;
use crate::web::access::Visitor;
use crate::web::text::{COOKIE, Language};
use axum::extract::{Extension, Form};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

/// The form.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct Choice {
    language: String,
}

/// Remembers a language and goes back.
pub(in crate::web) async fn choose(
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Form(choice): Form<Choice>,
) -> Response {
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let page = referer.and_then(|referer| url::Url::parse(referer).ok());
    let back = page.map(|page| page[url::Position::BeforePath..].to_owned());
    // The browser's path has the base in it already.
    let base = &*visitor.origin.base;
    let back = back.as_deref().map_or("/", local_path);
    let back = back.strip_prefix(base).unwrap_or(back);
    let back = Redirect::to(&format!("{base}{}", local_path(back)));
    let Some(language) = Language::from_code(&choice.language) else { return back.into_response() };
    let cookie = format!("{COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Strict", language.code());
    ([(header::SET_COOKIE, cookie)], back).into_response()
}
