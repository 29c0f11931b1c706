//! Hands the linker the memory layout of the board, and emits the telegrams that the program decodes.
use metergate_bench::telegrams::{dlms, p1, sml};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::var("CARGO_MANIFEST_DIR")?;
    println!("cargo:rustc-link-arg-bins=-T{folder}/link.x");
    println!("cargo:rerun-if-changed=link.x");

    let out = std::env::var("OUT_DIR")?;
    let mbus = dlms::over_mbus(&dlms::sealed(&dlms::notification(), dlms::ENCRYPTED));
    let p1 = dlms::sealed(&p1::telegram(), dlms::AUTHENTICATED);
    let files: [(&str, &[u8]); 5] = [
        ("sml.bin", &sml::telegram()),
        ("mbus.bin", &mbus),
        ("p1.bin", &p1),
        ("key.bin", &dlms::KEY),
        ("auth-key.bin", &dlms::AUTH_KEY),
    ];
    for (name, bytes) in files {
        std::fs::write(Path::new(&out).join(name), bytes)?;
    }
    Ok(())
}
