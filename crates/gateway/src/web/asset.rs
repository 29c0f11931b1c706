//! The files that pages are made of, in the program itself.
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};
use std::sync::LazyLock;

/// One file.
struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

const ASSETS: [Asset; 3] = [
    Asset {
        name: "page.css",
        kind: "text/css; charset=utf-8",
        content: include_bytes!("../../assets/page.css"),
    },
    Asset {
        name: "live.js",
        kind: "text/javascript; charset=utf-8",
        content: include_bytes!("../../assets/live.js"),
    },
    Asset { name: "icon.svg", kind: "image/svg+xml", content: include_bytes!("../../assets/icon.svg") },
];

/// Each file under a name that changes with its content, so that browsers may keep it for ever.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let named = |asset: &Asset| {
        let digest = digest(&SHA256, asset.content);
        let start: String = digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{start}-{}", asset.name)
    };
    ASSETS.iter().map(named).collect()
});

/// Where a file stands, below the base of the page.
pub(super) fn path(name: &str) -> String {
    let found = NAMES.iter().zip(&ASSETS).find(|(_, asset)| asset.name == name);
    found.map_or_else(String::new, |(full, _)| format!("/assets/{full}"))
}

/// Answers with a file.
pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let found = NAMES.iter().zip(&ASSETS).find(|(full, _)| **full == name);
    let Some((_, asset)) = found else { return StatusCode::NOT_FOUND.into_response() };
    let headers =
        [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, asset.content).into_response()
}
