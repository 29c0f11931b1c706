//! Rules about pages: what they point at exists.
use super::File;
use crate::place::Place;
use anyhow::Result;

/// Names a test for each promise.
const CONFORMANCE: &str = "docs/conformance.md";

/// A link within the project leads to a file.
pub(super) fn links(place: &Place, files: &[File]) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = place.root.join(&file.path);
        for target in targets(&file.text) {
            if !folder.parent().is_some_and(|folder| folder.join(target).exists()) {
                breaches.push(format!("{} links to {target}, which is not there", file.path));
            }
        }
    }
    Ok(breaches)
}

/// The files that a page links to: `[text](target#part)`, but no address of the web.
fn targets(page: &str) -> impl Iterator<Item = &str> {
    page.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', '#', '\n']).next()?;
        (!target.is_empty() && !target.contains("://")).then_some(target)
    })
}

/// A test that the page of promises names is in the file that it names before it.
pub(super) fn promises(_: &Place, files: &[File]) -> Result<Vec<String>> {
    let Some(page) = files.iter().find(|file| file.path == CONFORMANCE) else {
        return Ok(vec![format!("{CONFORMANCE} is not there")]);
    };
    Ok(missing(&page.text, files))
}

fn missing(page: &str, files: &[File]) -> Vec<String> {
    let mut breaches = Vec::new();
    for cell in page.split(['|', '\n']) {
        let mut places: Vec<&File> = Vec::new();
        for quoted in cell.split('`').skip(1).step_by(2) {
            if quoted.ends_with(".rs") {
                let of_name =
                    |file: &&File| file.path == quoted || file.path.ends_with(&format!("/{quoted}"));
                places = files.iter().filter(of_name).collect();
                if places.is_empty() {
                    breaches.push(format!("`{quoted}` is not there"));
                }
            } else if !places.is_empty() && is_test_name(quoted) {
                let definition = format!("fn {quoted}(");
                if !places.iter().any(|file| file.text.contains(&definition)) {
                    breaches.push(format!("no test `{quoted}` in the file named before it"));
                }
            }
        }
    }
    breaches
}

/// Tests are statements: several words in lower case.
fn is_test_name(text: &str) -> bool {
    text.split('_').count() >= 3
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_without_their_parts() {
        let page = "See [a](docs/a.md#part), [b](https://b.example/c.md), [c](#here) and ![d](d.svg).";
        assert!(targets(page).eq(["docs/a.md", "d.svg"]));
    }

    #[test]
    fn a_promise_without_its_test_is_found() {
        let file = File {
            path: "crates/meter/tests/sums.rs".to_owned(),
            text: "#[test]\nfn two_and_two_are_four() {}".to_owned(),
        };
        let files = [file];
        assert!(missing("| `sums.rs` `two_and_two_are_four` |", &files).is_empty());
        assert_eq!(missing("| `sums.rs` `two_and_two_are_five` |", &files).len(), 1);
        assert_eq!(missing("| `sum.rs` `two_and_two_are_four` |", &files).len(), 1);
    }
}
