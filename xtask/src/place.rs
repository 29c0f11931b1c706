//! Where things are: the checkout, its build folder, and the cache of tools that all checkouts share.
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders that tasks work in.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The root of the checkout.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// Where installed tools are kept, by name and version.
    pub(crate) cache: PathBuf,
    /// What `cargo metadata --no-deps` says about the workspace.
    pub(crate) metadata: Value,
}

impl Place {
    /// Asks cargo for the workspace that this task belongs to.
    pub(crate) fn find() -> Result<Self> {
        // The manifest folder is known at build time; a moved checkout builds the tasks anew.
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask stands in a folder")?.to_path_buf();
        let metadata = metadata_of(&root)?;
        let target = metadata["target_directory"].as_str().context("cargo names its build folder")?.into();
        Ok(Self { root, target, cache: cache_folder()?, metadata })
    }

    /// The packages of the workspace.
    pub(crate) fn packages(&self) -> &[Value] {
        self.metadata["packages"].as_array().map_or(&[], Vec::as_slice)
    }

    /// Names of all packages and their targets of one kind (`example`, `test`, ...).
    pub(crate) fn targets(&self, kind: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for package in self.packages() {
            for target in package["targets"].as_array().into_iter().flatten() {
                if target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k == kind)) {
                    found.push((text(&package["name"]), text(&target["name"])));
                }
            }
        }
        found
    }
}

/// The manifest of a workspace and of its members, without their dependencies' own.
pub(crate) fn metadata_of(root: &Path) -> Result<Value> {
    let output = Command::new(cargo())
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cargo metadata does not start")?;
    anyhow::ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("cargo metadata speaks JSON")
}

/// The cargo that started this task.
pub(crate) fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// The text of a JSON string, or nothing.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn cache_folder() -> Result<PathBuf> {
    // Not METERGATE_CACHE: variables of that prefix are the daemon's configuration, and tests start daemons.
    if let Some(folder) = std::env::var_os("XTASK_CACHE") {
        return Ok(folder.into());
    }
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let home =
                std::env::home_dir().context("no home folder; set XTASK_CACHE to a folder for tools")?;
            home.join(".cache")
        }
    };
    Ok(base.join("metergate"))
}
