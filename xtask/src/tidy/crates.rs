//! Rules about crates: who may use whom, and what stands in their manifests.
use super::File;
use crate::place::{Place, metadata_of, text};
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeSet;

/// Which crates of ours a crate may use. Adding a row is a decision about the architecture: ARCHITECTURE.md gives
/// the reasons. Dependencies of tests are outside this table.
const LAYERS: &[(&str, &[&str])] = &[
    ("reading", &[]),
    ("wire", &[]),
    ("meter", &["reading", "wire"]),
    ("series", &["reading"]),
    ("tariff", &["reading"]),
    ("simulator", &["reading", "wire", "meter", "series"]),
    ("gateway", &["reading", "wire", "meter", "series", "tariff", "simulator"]),
    ("backend", &["reading", "series", "tariff"]),
    ("display", &["reading"]),
    ("zigbee", &["reading"]),
    // Measures the decoders; nobody ships it.
    ("bench", &["reading", "wire", "meter", "simulator"]),
];

/// Crates that also run without an operating system.
const NO_STD: &[&str] = &["reading", "wire", "meter", "series", "tariff", "display", "zigbee"];

/// A crate uses only the crates that its row in [`LAYERS`] names.
pub(super) fn layers(place: &Place, _: &[File]) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for package in place.packages() {
        let name = text(&package["name"]);
        let Some(short) = name.strip_prefix("metergate-") else { continue };
        let Some((_, allowed)) = LAYERS.iter().find(|(row, _)| *row == short) else {
            breaches.push(format!("{name} has no row in the table of xtask/src/tidy/crates.rs"));
            continue;
        };
        for used in dependencies(package, |kind| kind != "dev") {
            if let Some(used) = used.strip_prefix("metergate-")
                && !allowed.contains(&used)
            {
                breaches.push(format!("{short} must not use {used}; it may use {}", list(allowed)));
            }
        }
    }
    Ok(breaches)
}

/// The crates of [`NO_STD`] begin so.
pub(super) fn no_std(_: &Place, files: &[File]) -> Result<Vec<String>> {
    let library = |name: &str| files.iter().find(|file| file.path == format!("crates/{name}/src/lib.rs"));
    let without =
        |name: &&&str| library(name).is_some_and(|file| !file.text.lines().any(|line| line == "#![no_std]"));
    let breach = |name: &&str| format!("crates/{name}/src/lib.rs lacks the line `#![no_std]`");
    Ok(NO_STD.iter().filter(without).map(breach).collect())
}

/// Every member inherits the lints, so that no crate quietly allows what the others must not.
pub(super) fn lints(_: &Place, files: &[File]) -> Result<Vec<String>> {
    let own = |file: &&File| {
        (file.path.starts_with("crates/") || file.path.starts_with("xtask/"))
            && file.path.ends_with("Cargo.toml")
            && !file.text.contains("[lints]\nworkspace = true")
    };
    Ok(files
        .iter()
        .filter(own)
        .map(|file| format!("{} lacks `[lints] workspace = true`", file.path))
        .collect())
}

/// Each direct dependency, of tests and of our other workspaces too, has a line that says what for.
pub(super) fn documented(place: &Place, files: &[File]) -> Result<Vec<String>> {
    let mut used = BTreeSet::new();
    let mut workspaces = vec![place.metadata.clone()];
    for other in ["firmware", "fuzz"] {
        let folder = place.root.join(other);
        if folder.join("Cargo.toml").exists() {
            workspaces.push(metadata_of(&folder)?);
        }
    }
    for package in
        workspaces.iter().flat_map(|workspace| workspace["packages"].as_array().into_iter().flatten())
    {
        used.extend(dependencies(package, |_| true).filter(|name| !name.starts_with("metergate")));
    }
    let page =
        files.iter().find(|file| file.path == "docs/dependencies.md").map_or("", |file| file.text.as_str());
    let missing = used.iter().filter(|name| !page.contains(&format!("| `{name}`")));
    Ok(missing
        .map(|name| format!("`{name}` has no row: what for, why this one, what else was considered"))
        .collect())
}

/// Names of a package's dependencies; the kind of a normal one is empty, others are `dev` and `build`.
fn dependencies(package: &Value, wanted: fn(&str) -> bool) -> impl Iterator<Item = String> {
    let all = package["dependencies"].as_array().into_iter().flatten();
    all.filter(move |one| wanted(one["kind"].as_str().unwrap_or_default())).map(|one| text(&one["name"]))
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "no other crate of ours".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn workspace_with(dependency: Value) -> Place {
        let metadata =
            serde_json::json!({"packages": [{"name": "metergate-wire", "dependencies": [dependency]}]});
        Place { root: PathBuf::new(), target: PathBuf::new(), cache: PathBuf::new(), metadata }
    }

    #[test]
    fn a_lower_crate_must_not_use_a_higher_one() {
        let place = workspace_with(serde_json::json!({"name": "metergate-meter", "kind": null}));
        assert_eq!(
            layers(&place, &[]).unwrap(),
            ["wire must not use meter; it may use no other crate of ours"]
        );
    }

    #[test]
    fn tests_may_use_every_crate() {
        let place = workspace_with(serde_json::json!({"name": "metergate-meter", "kind": "dev"}));
        assert!(layers(&place, &[]).unwrap().is_empty());
    }

    #[test]
    fn a_library_with_std_is_found() {
        let file = |text: &str| File { path: "crates/wire/src/lib.rs".to_owned(), text: text.to_owned() };
        let place = workspace_with(Value::Null);
        assert_eq!(no_std(&place, &[file("//! Bytes.\n#![no_std]\n")]).unwrap(), [""; 0]);
        assert_eq!(no_std(&place, &[file("//! Bytes.\n")]).unwrap().len(), 1);
    }
}
