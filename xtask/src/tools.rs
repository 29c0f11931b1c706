//! Programs that are not part of Rust: found, installed as Debian packages when root, or named in a sentence.
use crate::place::{Place, cargo};
use crate::shell::{is_root, run, which};
use crate::step::Outcome;
use crate::{bare_metal, deny, package};
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::process::Command;

/// A program and the Debian package that brings it.
pub(crate) struct Tool {
    program: &'static str,
    /// Or several, apart by spaces.
    package: &'static str,
    /// What cannot be checked without it.
    need: &'static str,
}

/// Counts instructions.
pub(crate) const VALGRIND: Tool =
    Tool { program: "valgrind", package: "valgrind", need: "the instruction gates" };
/// Emulates a RISC-V board without an operating system.
pub(crate) const QEMU: Tool =
    Tool { program: "qemu-system-riscv32", package: "qemu-system-misc", need: "the bare-metal run" };
/// Compiles the fuzzing engine.
pub(crate) const CXX: Tool = Tool { program: "c++", package: "g++", need: "the fuzz targets" };
/// The TLS server that the tests of encrypted connections talk to.
pub(crate) const OPENSSL: Tool =
    Tool { program: "openssl", package: "openssl", need: "the tests of encrypted connections" };
/// The database that the tests of Influx lines and of metrics read back from.
pub(crate) const VICTORIA: Tool = Tool {
    program: "victoria-metrics",
    package: "victoria-metrics",
    need: "the tests of influx, prometheus and Grafana",
};
/// The Graphite server that the tests feed.
pub(crate) const CARBON: Tool =
    Tool { program: "carbon-cache", package: "graphite-carbon", need: "the tests of graphite" };
/// Reads what Graphite has kept.
pub(crate) const WHISPER: Tool =
    Tool { program: "whisper-fetch", package: "python3-whisper", need: "the tests of graphite" };
/// The broker that the tests of MQTT talk to.
pub(crate) const MOSQUITTO: Tool =
    Tool { program: "mosquitto", package: "mosquitto", need: "the tests of MQTT and Homie" };
/// The serial server that the test of RFC 2217 connects to.
pub(crate) const SER2NET: Tool =
    Tool { program: "ser2net", package: "ser2net", need: "the tests of RFC 2217" };
/// Compiles and links C for 64-bit ARM.
pub(crate) const ARM64_GCC: Tool = Tool {
    program: "aarch64-linux-gnu-gcc",
    package: "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    need: "the build for 64-bit ARM",
};
/// Runs programs for 64-bit ARM.
pub(crate) const QEMU_ARM64: Tool =
    Tool { program: "qemu-aarch64", package: "qemu-user", need: "the run for 64-bit ARM" };
/// Shows what the daemon asks of the kernel, and answers for the kernel.
pub(crate) const STRACE: Tool = Tool {
    program: "strace",
    package: "strace",
    need: "the system calls of the unit, and the tests of the clock",
};
/// Stands between a program and the time of day.
pub(crate) const FAKETIME: Tool =
    Tool { program: "faketime", package: "faketime", need: "the tests of the clock" };
/// The browser that the tests of the page open, and what drives it.
pub(crate) const CHROMIUM: Tool =
    Tool { program: "chromium", package: "chromium", need: "the tests of the page" };
pub(crate) const CHROMEDRIVER: Tool =
    Tool { program: "chromedriver", package: "chromium-driver", need: "the tests of the page" };
/// Reads the options of the add-on, there and in its test.
pub(crate) const JQ: Tool = Tool { program: "jq", package: "jq", need: "the script of the add-on" };

const TOOLS: &[Tool] = &[
    VALGRIND,
    QEMU,
    CXX,
    OPENSSL,
    MOSQUITTO,
    VICTORIA,
    CARBON,
    WHISPER,
    SER2NET,
    ARM64_GCC,
    QEMU_ARM64,
    STRACE,
    FAKETIME,
    CHROMIUM,
    CHROMEDRIVER,
    JQ,
];

/// A cargo subcommand that is built from crates.io.
pub(crate) struct CratesIo {
    /// Its name, also of the program.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// What we need of it; nothing of its default features.
    pub(crate) features: &'static [&'static str],
    /// How long the build takes, for who waits.
    pub(crate) takes: &'static str,
}

impl Tool {
    /// Nothing when the program is there, otherwise the sentence that says what to do.
    pub(crate) fn missing(&self) -> Option<String> {
        let Self { program, package, need } = self;
        which(program)
            .is_none()
            .then(|| format!("`{program}` is missing for {need}: `sudo apt-get install {package}`"))
    }
}

/// Installs what is missing as far as this user may, and names the rest.
pub(crate) fn install(place: &Place) -> Result<Outcome> {
    let packages: Vec<&str> = TOOLS
        .iter()
        .filter(|tool| tool.missing().is_some())
        .flat_map(|tool| tool.package.split(' '))
        .collect();
    // Failing here would hide the checks that need no tool: each step says for itself what it lacks.
    if let Err(error) = debian_packages(&packages) {
        println!("{error:#}");
    }
    let mut named: Vec<String> = TOOLS.iter().filter_map(Tool::missing).collect();
    named.extend(bare_metal::Toolchain::get(place).err().map(|error| format!("{error:#}")));
    for tool in [&deny::CARGO_DENY, &package::CARGO_DEB] {
        named.extend(from_crates_io(place, tool).err().map(|error| format!("{error:#}")));
    }
    if named.is_empty() {
        return Ok(Outcome::PASSED);
    }
    Ok(Outcome::NotChecked(named.join("; ")))
}

/// Installs Debian packages when root.
///
/// # Errors
/// When this is no Debian, when not root, or when apt-get fails.
pub(crate) fn debian_packages(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    anyhow::ensure!(which("apt-get").is_some(), "no apt-get here; please install: {}", packages.join(" "));
    anyhow::ensure!(is_root(), "not root; please run `sudo apt-get install {}`", packages.join(" "));
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    // Never takes away what somebody installed: a conflict is an error to read, not a surprise.
    let arguments = ["install", "-y", "-qq", "--no-install-recommends", "--no-remove"];
    run(Command::new("apt-get").args(arguments).args(packages).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// A subcommand of cargo: the one in `PATH`, or our own, built once from crates.io.
///
/// # Errors
/// When it cannot be built, with the sentence for the table.
pub(crate) fn from_crates_io(place: &Place, tool: &CratesIo) -> Result<PathBuf> {
    let CratesIo { name, version, features, takes } = tool;
    if let Some(program) = which(name) {
        return Ok(program);
    }
    let folder = place.cache.join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name);
    if program.exists() {
        return Ok(program);
    }
    println!("{name} {version} is built once from crates.io, about {takes}:");
    let built = place.target.join(name);
    // It runs for a second: an unoptimised build is four times quicker to have.
    run(Command::new(cargo())
        .args(["install", name, "--version", version, "--locked", "--no-default-features", "--quiet"])
        .arg(format!("--features={}", features.join(",")))
        .arg("--root")
        .arg(&folder)
        .env("CARGO_TARGET_DIR", &built)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"))
    .with_context(|| format!("{name} cannot be installed here"))?;
    // The build folder is hundreds of megabytes that nobody needs again; what stays is one program.
    let _ = std::fs::remove_dir_all(built);
    Ok(program)
}
