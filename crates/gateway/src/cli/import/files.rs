//! What is read, in bounds, and what is written, so that nobody else reads a secret and nothing is overwritten.
use crate::cli::Failure;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Longest file that is read: the longest configuration of vzlogger seen has 40 KB.
pub(super) const LEN_MAX: u64 = 1024 * 1024;

/// A file that was read.
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// As it is shown, on one line.
    pub(super) name: String,
    pub(super) text: String,
    /// Others than owner and group can read it.
    pub(super) open_to_all: bool,
    /// Some bytes were no UTF-8 and stand as U+FFFD: an umlaut of Latin-1 in a comment, as a rule.
    pub(super) mended: bool,
}

/// Reads a file.
///
/// # Errors
/// When it cannot be read, or is longer than [`LEN_MAX`].
pub(super) fn read(path: &Path) -> Result<Source, Failure> {
    let name: String = path.display().to_string();
    let name: String = name.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    let about = |error: io::Error| Failure::new(format!("cannot read {name}: {error}"));
    let file = File::open(path).map_err(about)?;
    let open_to_all = file.metadata().map_err(about)?.permissions().mode() & 0o007 != 0;
    let mut bytes = Vec::new();
    file.take(LEN_MAX + 1).read_to_end(&mut bytes).map_err(about)?;
    if bytes.len() as u64 > LEN_MAX {
        return Err(Failure::new(format!(
            "{name}: longer than {} MiB, so it is no configuration",
            LEN_MAX >> 20
        )));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let text = String::from_utf8_lossy(bytes);
    let mended = matches!(text, std::borrow::Cow::Owned(_));
    Ok(Source { path: path.to_owned(), name, text: text.into_owned(), open_to_all, mended })
}

/// `metergate.toml` has its secrets in `metergate.secrets.toml`, where the daemon looks for them.
pub(super) fn secrets_beside(output: &Path) -> PathBuf {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    output.with_file_name(format!("{stem}.secrets.toml"))
}

/// Refuses an output that would destroy, or mix with, what was read.
///
/// # Errors
/// Says which file is in the way, and what to do.
pub(super) fn check(
    output: &Path,
    secrets: Option<&Path>,
    sources: &[Source],
    force: bool,
) -> Result<(), Failure> {
    let is_source = |path: &Path| {
        let real = path.canonicalize().ok();
        real.is_some() && sources.iter().any(|source| source.path.canonicalize().ok() == real)
    };
    for path in [Some(output), secrets].into_iter().flatten() {
        if is_source(path) {
            return Err(Failure::new(format!("{} is what was read", path.display()))
                .with_help("write to another file: `--output metergate.toml`"));
        }
        if path.exists() && !force {
            return Err(Failure::new(format!("{} is there already", path.display()))
                .with_help("`--force` overwrites it"));
        }
    }
    let dotted = output.with_file_name(".secrets.toml");
    if is_source(&dotted) {
        return Err(Failure::new(format!(
            "metergate too would read {} beside {}, and does not know its keys",
            dotted.display(),
            output.display()
        ))
        .with_help("write into another folder: `--output FOLDER/metergate.toml`"));
    }
    Ok(())
}

/// Writes a file that is not there, or with `force` puts another in its place in one step.
///
/// # Errors
/// What the system says.
pub(super) fn write(path: &Path, text: &str, mode: u32, force: bool) -> Result<(), Failure> {
    let about = |error: io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
    let fresh = |path: &Path| -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    if !force {
        return fresh(path).map_err(about);
    }
    let mut neighbour = path.as_os_str().to_owned();
    neighbour.push(".new");
    let neighbour = PathBuf::from(neighbour);
    let placed = fresh(&neighbour).and_then(|()| std::fs::rename(&neighbour, path));
    if placed.is_err() {
        // Left over from this attempt; what the error says is worth more than what this one would.
        let _ = std::fs::remove_file(&neighbour);
    }
    placed.map_err(about)
}
