//! `cargo xtask deb` and the step `package`: the Debian package, and its life from installation to purge.
//!
//! What goes into it stands in `crates/gateway/Cargo.toml` and `packaging/debian`. cargo-deb puts it together; the
//! manual pages and completions are asked of the program itself.
use crate::place::{Place, text};
use crate::shell::{cargo_in, is_root, read, run, which};
use crate::step::Outcome;
use crate::tools::{self, CratesIo};
use crate::units;
use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Puts the package together.
pub(crate) const CARGO_DEB: CratesIo =
    CratesIo { name: "cargo-deb", version: "3.8.0", features: &["lzma"], takes: "half a minute" };

/// A completion script: the shell, and the file that the package takes.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "metergate.bash"), ("zsh", "_metergate"), ("fish", "metergate.fish")];

/// Largest package that we would offer; the first one had 1.3 MB.
const SIZE_MAX: u64 = 10_000_000;

/// Builds the package and says where it is.
pub(crate) fn deb(place: &Place) -> Result<Outcome> {
    let program = match tools::from_crates_io(place, &CARGO_DEB) {
        Ok(program) => program,
        Err(error) => return Ok(Outcome::NotChecked(format!("{error:#}"))),
    };
    let file = place.target.join("debian").join(format!("metergate_{}.deb", version(place)?));
    build(place)?;
    pack(place, &program, &version(place)?, &file)?;
    Ok(Outcome::Passed(format!("{}, {}", file.display(), megabytes(fs::metadata(&file)?.len()))))
}

/// Writes the manual pages into the build folder and says where they are.
pub(crate) fn man(place: &Place) -> Result<Outcome> {
    let folder = place.target.join("man");
    manual_pages(place, &folder)?;
    Ok(Outcome::Passed(format!("man -l {}", folder.join("metergate.1").display())))
}

/// Builds the package and leads it through its life on a copy of this machine.
pub(crate) fn check(place: &Place) -> Result<Outcome> {
    changelog_names_the_version(place)?;
    let program = match tools::from_crates_io(place, &CARGO_DEB) {
        Ok(program) => program,
        Err(error) => return Ok(Outcome::NotChecked(format!("{error:#}"))),
    };
    build(place)?;
    let folder = place.target.join("debian");
    let first = folder.join("first.deb");
    let second = folder.join("second.deb");
    pack(place, &program, &version(place)?, &first)?;
    pack(place, &program, &format!("{}+next", version(place)?), &second)?;
    let again = folder.join("again.deb");
    pack(place, &program, &version(place)?, &again)?;
    ensure!(fs::read(&first)? == fs::read(&again)?, "the same files do not make the same package");
    let size = fs::metadata(&first)?.len();
    ensure!(size <= SIZE_MAX, "the package has {}, more than {}", megabytes(size), megabytes(SIZE_MAX));
    if let Some(why) = no_life_here() {
        return Ok(Outcome::NotChecked(format!("{} built, but not installed: {why}", megabytes(size))));
    }
    manual_pages_of_units(place, &first)?;
    let calls = live(place, &folder, &first, &second)?;
    let traced = match fs::read_to_string(calls) {
        Ok(calls) => {
            let made = units::system_calls(&calls);
            units::allows(place, &made)?;
            format!("{} system calls, all allowed by the unit", made.len())
        }
        Err(_) => tools::STRACE.missing().unwrap_or_else(|| "the run left no system calls".to_owned()),
    };
    Ok(Outcome::Passed(format!("{}; {traced}", megabytes(size))))
}

/// The version of the package: of the program, and the revision of cargo-deb.
fn version(place: &Place) -> Result<String> {
    let gateway = place.packages().iter().find(|package| package["name"] == "metergate-gateway");
    Ok(format!("{}-1", text(&gateway.context("the gateway is a package")?["version"])))
}

fn changelog_names_the_version(place: &Place) -> Result<()> {
    let changelog = fs::read_to_string(place.root.join("packaging/debian/changelog"))?;
    let version = version(place)?;
    ensure!(
        changelog.starts_with(&format!("metergate ({version})")),
        "packaging/debian/changelog does not begin with {version}"
    );
    Ok(())
}

/// Builds the program, and what it says about itself.
fn build(place: &Place) -> Result<()> {
    run(&mut cargo_in(place, &["build", "--release", "--quiet", "--package", "metergate-gateway"]))?;
    let folder = place.target.join("release/package");
    let pages = folder.join("man");
    manual_pages(place, &pages)?;
    for page in fs::read_dir(&pages)? {
        // Without its name and time inside, equal pages make equal packages.
        run(Command::new("gzip").args(["-9", "--no-name"]).arg(page?.path()))?;
    }
    for (shell, file) in COMPLETIONS {
        let script = read(Command::new(place.target.join("release/metergate")).args(["completions", shell]))?;
        fs::write(folder.join(file), script)?;
    }
    Ok(())
}

fn manual_pages(place: &Place, folder: &Path) -> Result<()> {
    // A page of a command that was renamed would stay for ever.
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    let arguments = ["run", "--quiet", "--package", "metergate-gateway", "--example", "man_pages"];
    run(cargo_in(place, &arguments).arg(folder))
}

fn pack(place: &Place, cargo_deb: &Path, version: &str, file: &Path) -> Result<()> {
    run(Command::new(cargo_deb)
        .current_dir(&place.root)
        .args(["--package", "metergate-gateway", "--no-build", "--locked", "--quiet"])
        .args(["--deb-version", version, "--output"])
        .arg(file)
        // cargo-deb is called directly, so it does not hear from cargo where things are built.
        .env("CARGO_TARGET_DIR", &place.target)
        .env("SOURCE_DATE_EPOCH", commit_time(place)))
}

/// When the checkout was committed, in seconds since 1970: the time of every file in the package, so that the day on
/// which it is built makes no difference.
fn commit_time(place: &Place) -> String {
    let asked = read(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(&place.root));
    // Sources without their history have no time.
    asked.map_or_else(|_| "0".to_owned(), |time| time.trim().to_owned())
}

/// Why the package cannot be installed on a copy of this machine.
fn no_life_here() -> Option<String> {
    if which("dpkg").is_none() {
        return Some("this is no Debian".to_owned());
    }
    if !is_root() {
        return Some("only root may install packages, even on a copy".to_owned());
    }
    if Path::new("/var/lib/dpkg/info/metergate.list").exists() {
        return Some("metergate is installed on this machine".to_owned());
    }
    // Containers often forbid it.
    let probe = ["--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    let tried = Command::new("unshare").args(probe).output();
    match tried {
        Ok(output) if output.status.success() => None,
        _ => Some("this machine does not let even root mount anything".to_owned()),
    }
}

/// Each manual page that a unit names is in the package.
fn manual_pages_of_units(place: &Place, package: &Path) -> Result<()> {
    let contents = read(Command::new("dpkg-deb").arg("--contents").arg(package))?;
    for unit in units::UNITS {
        for page in units::manual_pages(&units::read_unit(place, unit)?) {
            ensure!(contents.contains(&format!("/{page}.gz")), "{unit} names the manual page {page}");
        }
    }
    Ok(())
}

/// Runs `lifecycle.sh`; gives the file in which it leaves the system calls.
fn live(place: &Place, folder: &Path, first: &Path, second: &Path) -> Result<PathBuf> {
    let calls = folder.join("calls");
    let _ = fs::remove_file(&calls);
    let script = place.root.join("packaging/debian/lifecycle.sh");
    let status = run(Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "sh"])
        .arg(script)
        .args([first, second, folder]));
    if let Err(error) = status {
        bail!("the package does not live as it should: {error:#}");
    }
    Ok(calls)
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changelog_of_the_package_names_its_version() {
        let place = Place::find().expect("tests run in the workspace");
        changelog_names_the_version(&place).expect("packaging/debian/changelog is up to date");
    }

    #[test]
    fn sizes_are_told_in_megabytes() {
        assert_eq!(megabytes(1_649_000), "1.6 MB");
        assert_eq!(megabytes(99_999), "0.0 MB");
    }
}
