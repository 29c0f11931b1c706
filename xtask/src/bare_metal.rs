//! `cargo xtask bare-metal`: the decoders on a microcontroller without an operating system.
//!
//! The compiler is the one of the checkout where `rustup target add` brought the target's core library. Otherwise it
//! is Debian's `rustc-web`, whose core library is built once from the sources that Debian packages beside it. Both
//! ways end in a stable compiler without a nightly flag.
use crate::place::{Place, cargo};
use crate::shell::{read, run, which};
use crate::step::Outcome;
use crate::tools::{QEMU, debian_packages};
use anyhow::{Context as _, Result, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// RISC-V, 32 bit, with multiplication, atomics and compressed instructions: ESP32-C6 and the emulated board.
pub(crate) const TARGET: &str = "riscv32imac-unknown-none-elf";

pub(crate) const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
pub(crate) const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];
const DEBIAN_CLIPPY: &str = "/usr/bin/cargo-clippy";

/// The crates that must build without an operating system.
const CRATES: [&str; 3] = ["metergate-reading", "metergate-wire", "metergate-meter"];

/// A compiler that can build for [`TARGET`].
pub(crate) enum Toolchain {
    /// The compiler of the checkout.
    Rustup,
    /// Debian's compiler, with a core library of our own.
    Debian {
        /// Holds the core library.
        sysroot: PathBuf,
        /// The linker of the same LLVM.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Finds a compiler, or makes one.
    ///
    /// # Errors
    /// When there is none and none can be made; the error says what to install.
    pub(crate) fn get(place: &Place) -> Result<Self> {
        let libraries = read(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
        if Path::new(libraries.trim()).is_dir() {
            return Ok(Self::Rustup);
        }
        let advice = format!(
            "the bare-metal target is missing: run `rustup target add {TARGET}`, or as root on Debian \
             `apt-get install {}`",
            DEBIAN_PACKAGES.join(" ")
        );
        Self::debian(place).context(advice)
    }

    fn debian(place: &Place) -> Result<Self> {
        let sources = Path::new("/usr/lib/rustlib/src/rust/library/Cargo.lock");
        let programs = [DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_CLIPPY].map(Path::new);
        if !programs.iter().chain([&sources]).all(|file| file.exists()) {
            // Compiler and sources must be of one version, so they are installed in one call.
            debian_packages(&DEBIAN_PACKAGES)?;
        }
        let version = read(clean(DEBIAN_RUSTC).arg("-vV"))?;
        let field = |name: &str| {
            let value = version.lines().find_map(|line| line.strip_prefix(name));
            value.with_context(|| format!("{DEBIAN_RUSTC} does not say its {name}"))
        };
        let commit = field("commit-hash: ")?;
        let llvm = field("LLVM version: ")?.split('.').next().unwrap_or_default();
        let linker = format!("ld.lld-{llvm}");
        if which(&linker).is_none() {
            debian_packages(&[&format!("lld-{llvm}")])?;
        }
        let linker = which(&linker).with_context(|| format!("no linker `{linker}`"))?;
        let sysroot = place.cache.join(format!("bare-metal-{commit}"));
        let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
        if !libraries.join("complete").exists() {
            build_core(place, &libraries)?;
        }
        Ok(Self::Debian { sysroot, linker })
    }

    /// A cargo command in `folder`, with `TARGET` as the target.
    pub(crate) fn cargo(&self, place: &Place, folder: &Path, subcommand: &str) -> Command {
        let mut command = match self {
            Self::Rustup => Command::new(cargo()),
            Self::Debian { sysroot, linker } => {
                let mut flags = OsString::from("--sysroot=");
                flags.push(sysroot);
                flags.push(" -Clinker-flavor=ld.lld -Clinker=");
                flags.push(linker);
                // A subcommand of its own is called directly: cargo would prefer the one of rustup.
                let mut command = clean(if subcommand == "clippy" { DEBIAN_CLIPPY } else { DEBIAN_CARGO });
                command.env("CARGO", DEBIAN_CARGO).env("RUSTC", DEBIAN_RUSTC);
                command.env("CARGO_TARGET_RISCV32IMAC_UNKNOWN_NONE_ELF_RUSTFLAGS", flags);
                command
            }
        };
        command.current_dir(folder).args([subcommand, "--target", TARGET]);
        // Another compiler than the workspace's: its own build folder, or each would spoil the other's.
        command.arg("--target-dir").arg(place.target.join("bare-metal"));
        command
    }
}

/// A command without the variables by which cargo and rustup would lead Debian's compiler to their own files.
pub(crate) fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for variable in
        ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "LD_LIBRARY_PATH", "RUSTFLAGS", "RUSTC_WRAPPER"]
    {
        command.env_remove(variable);
    }
    command
}

/// Builds core and alloc from Debian's sources, once for each version of the compiler.
fn build_core(place: &Place, libraries: &Path) -> Result<()> {
    println!("the core library for {TARGET} is built once, about 20 s:");
    let folder = place.target.join("bare-metal-core");
    std::fs::create_dir_all(folder.join("src"))?;
    std::fs::write(folder.join("src/lib.rs"), "#![no_std]\n")?;
    let manifest = "[package]\nname = \"core-for-bare-metal\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
                    [workspace]\n[profile.release]\npanic = \"abort\"\nopt-level = \"s\"\n";
    std::fs::write(folder.join("Cargo.toml"), manifest)?;
    // RUSTC_BOOTSTRAP stands here only: what is built with the result needs no unstable flag.
    run(clean(DEBIAN_CARGO)
        .current_dir(&folder)
        .args(["build", "--quiet", "--release", "--target", TARGET, "--target-dir", "target"])
        .args(["-Zbuild-std=core,alloc", "-Zbuild-std-features=compiler-builtins-mem"])
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes -Cforce-frame-pointers=yes -Zforce-unstable-if-unmarked"))?;
    let _ = std::fs::remove_dir_all(libraries);
    std::fs::create_dir_all(libraries)?;
    let built = folder.join("target").join(TARGET).join("release/deps");
    let mut copied = 0;
    for entry in std::fs::read_dir(built)? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let wanted = ["libcore-", "liballoc-", "libcompiler_builtins-"];
        if name.ends_with(".rlib") && wanted.iter().any(|prefix| name.starts_with(prefix)) {
            std::fs::copy(&file, libraries.join(&name))?;
            copied += 1;
        }
    }
    ensure!(copied == 3, "expected the three libraries core, alloc and compiler_builtins, found {copied}");
    std::fs::write(libraries.join("complete"), "")?;
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

/// Builds the `no_std` crates and the firmware, and runs the firmware in the emulator.
pub(crate) fn check(place: &Place) -> Result<Outcome> {
    let toolchain = match Toolchain::get(place) {
        Ok(toolchain) => toolchain,
        Err(error) => return Ok(Outcome::NotChecked(format!("{error:#}"))),
    };
    let crates = CRATES.iter().flat_map(|name| ["--package", name]);
    run(toolchain
        .cargo(place, &place.root, "build")
        .args(["--release", "--no-default-features"])
        .args(crates))?;
    let firmware = place.root.join("firmware");
    run(toolchain.cargo(place, &firmware, "clippy").args(["--release", "--", "-D", "warnings"]))?;
    run(toolchain.cargo(place, &firmware, "build").arg("--release"))?;
    if let Some(why) = QEMU.missing() {
        return Ok(Outcome::NotChecked(format!("built, but not run: {why}")));
    }
    emulate(&place.target.join("bare-metal").join(TARGET).join("release/qemu-virt"))
}

/// Runs a firmware in the emulator, which counts one instruction a clock tick (`-icount shift=0`).
fn emulate(program: &Path) -> Result<Outcome> {
    run(Command::new("timeout")
        .args([
            "60",
            "qemu-system-riscv32",
            "-M",
            "virt",
            "-bios",
            "none",
            "-nographic",
            "-icount",
            "shift=0",
        ])
        .arg("-kernel")
        .arg(program)
        .stdin(std::process::Stdio::null()))?;
    Ok(Outcome::PASSED)
}
