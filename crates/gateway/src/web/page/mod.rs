//! One file a page.
pub(super) mod account;
pub(super) mod files;
pub(super) mod language;
pub(super) mod live;
pub(super) mod login;
pub(super) mod state;
pub(super) mod welcome;

/// A path of this page that somebody wanted to see, or the first page: never another host.
fn local_path(wanted: &str) -> &str {
    let local =
        wanted.starts_with('/') && !wanted.starts_with("//") && !wanted.contains(['\\', '\r', '\n', '\t']);
    if local { wanted } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_host() {
        assert_eq!(local_path("/history?day=2026-04-12"), "/history?day=2026-04-12");
        for elsewhere in [
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "",
            "javascript:x",
            "/\t/evil.example",
        ] {
            assert_eq!(local_path(elsewhere), "/", "{elsewhere}");
        }
    }
}
