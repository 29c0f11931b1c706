//! The step `arm64`: the gateway for 64-bit ARM, as on a Raspberry Pi, built here and run in an emulator.
//!
//! The standard library is the one of `rustup target add` where it is there. Otherwise it is Debian's: the package
//! of the other architecture is taken apart in the cache, installed nowhere, and Debian's compiler of the same version
//! builds with it. The C parts are compiled and linked by Debian's cross compiler.
use crate::bare_metal::{DEBIAN_CARGO, DEBIAN_RUSTC, clean};
use crate::place::{Place, cargo};
use crate::shell::{cargo_in, read, run};
use crate::step::Outcome;
use crate::tools::{ARM64_GCC, QEMU_ARM64};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Debian's standard library for its compiler `rustc-web`.
const LIBRARY: &str = "libstd-rust-web-dev";
/// Where Debian puts the C library of the target.
const LIBC: &str = "/usr/aarch64-linux-gnu";

/// Builds the program for 64-bit ARM and compares what it says with the one of this machine.
pub(crate) fn check(place: &Place) -> Result<Outcome> {
    if let Some(why) = ARM64_GCC.missing() {
        return Ok(Outcome::NotChecked(why));
    }
    let mut build = match compiler(place) {
        Ok(command) => command,
        Err(error) => return Ok(Outcome::NotChecked(format!("no standard library for {TARGET}: {error:#}"))),
    };
    let folder = place.target.join("arm64");
    run(build
        .current_dir(&place.root)
        .args(["build", "--quiet", "--package", "metergate-gateway", "--target", TARGET, "--target-dir"])
        .arg(&folder)
        // Its speed is not the question: the quickest build it is.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc"))?;
    if let Some(why) = QEMU_ARM64.missing() {
        return Ok(Outcome::NotChecked(format!("built, but not run: {why}")));
    }
    let program = folder.join(TARGET).join("debug/metergate");
    compare(place, &program)?;
    Ok(Outcome::PASSED)
}

/// A cargo command that knows the standard library of the target.
fn compiler(place: &Place) -> Result<Command> {
    let libraries = read(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(Command::new(cargo()));
    }
    ensure!(
        Path::new(DEBIAN_RUSTC).exists() && Path::new(DEBIAN_CARGO).exists(),
        "run `rustup target add {TARGET}`, or install Debian's `rustc-web` and `cargo-web`"
    );
    let sysroot = debian_library(place)?;
    let mut command = clean(DEBIAN_CARGO);
    command.env("RUSTC", DEBIAN_RUSTC);
    command
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS", format!("--sysroot={}", sysroot.display()));
    Ok(command)
}

/// Debian's standard library for the target, taken apart in the cache.
fn debian_library(place: &Place) -> Result<PathBuf> {
    let version = read(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", LIBRARY]))
        .context("the compiler is not the one of `rustc-web`")?;
    let kept = place.cache.join(format!("arm64-std-{version}"));
    let sysroot = kept.join("usr");
    if kept.join("complete").exists() {
        return Ok(sysroot);
    }
    println!("{LIBRARY} {version} of arm64 is fetched once:");
    let folder = place.target.join("arm64-std");
    let _ = fs::remove_dir_all(&folder);
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(folder.join(part))?;
    }
    fs::write(folder.join("status"), "")?;
    // The same sources, as a machine of the other architecture would read them, with its own lists: nothing of this
    // machine changes, and one need not be root.
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.current_dir(&folder).arg("-qq");
        for (option, value) in [
            ("APT::Architecture", "arm64".into()),
            ("APT::Architectures", "arm64".into()),
            ("APT::Sandbox::User", String::new()),
            ("Dir::State::lists", folder.join("lists").display().to_string()),
            ("Dir::State::status", folder.join("status").display().to_string()),
            ("Dir::Cache", folder.join("cache").display().to_string()),
        ] {
            command.args(["-o", &format!("{option}={value}")]);
        }
        command.args(arguments);
        command
    };
    // Sources of others may have nothing for this architecture; whether ours have is seen by the download.
    if let Err(error) = run(&mut apt(&["update"])) {
        println!("{error:#}");
    }
    run(&mut apt(&["download", &format!("{LIBRARY}={version}")]))?;
    let package = fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloads a package")?;
    let _ = fs::remove_dir_all(&kept);
    run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&kept))?;
    fs::write(kept.join("complete"), "")?;
    let _ = fs::remove_dir_all(&folder);
    Ok(sysroot)
}

/// The same household, simulated, encrypted, decoded and read by the daemon: on both processors the same.
fn compare(place: &Place, program: &Path) -> Result<()> {
    run(&mut cargo_in(place, &["build", "--quiet", "--package", "metergate-gateway"]))?;
    let here = life(Command::new(place.target.join("debug/metergate")), place, "here")?;
    let mut emulator = Command::new("qemu-aarch64");
    emulator.args(["-L", LIBC]).arg(program);
    let there = life(emulator, place, "there")?;
    ensure!(
        here.lines().count() == 6,
        "three telegrams of `decode` and three of `run` are expected:\n{here}"
    );
    ensure!(here == there, "arm64 says something else.\nHere:\n{here}\nThere:\n{there}");
    Ok(())
}

/// What `decode` and `run` say about three telegrams that `simulate` has made.
fn life(program: Command, place: &Place, name: &str) -> Result<String> {
    let folder = place.target.join("arm64-life").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let key = "000102030405060708090A0B0C0D0E0F";
    let config = format!(
        "[default.meter.house]\nport = \"file:telegrams\"\nkey = \"{key}\"\n\
         [default.sink.screen]\nkind = \"stdout\"\nformat = \"json\"\n"
    );
    fs::write(folder.join("metergate.toml"), config)?;
    let start = |arguments: &[&str]| {
        let mut command = Command::new(program.get_program());
        command.args(program.get_args()).args(arguments).current_dir(&folder);
        let output = command.output().context("the program does not start")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{name}, {arguments:?}: {}\n{said}{complaint}", output.status);
        Ok(said)
    };
    start(&["simulate", "kaifa", "--count", "3", "--seed", "7", "--key", key, "--out", "telegrams"])?;
    let decoded = start(&["decode", "--format", "json", "--key", key, "telegrams"])?;
    let read = start(&["run", "--config", "metergate.toml"])?;
    // Each line of `run` ends with the time at which it was read, which is not the same twice.
    let read: Vec<&str> =
        read.lines().map(|line| line.split(",\"received\"").next().unwrap_or(line)).collect();
    Ok(format!("{decoded}{}\n", read.join("\n")))
}
