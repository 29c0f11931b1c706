//! From the bytes of a meter to the bytes of its CSV file, through the whole program.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
#[allow(dead_code, reason = "this test needs one of the telegrams")]
mod kaifa;

use std::path::Path;
use std::process::Command;

const HEADER: &str = "DATUM_ZEIT;U_L1;U_L2;U_L3;I_L1;I_L2;I_L3;COS(PHI);P_ZU;P_AB;E_ZU;E_AB;T;RH;RSSI";

/// Replays a capture into CSV files and returns the content of this one.
fn replayed(capture: &[u8], key: &str, options: &str, file: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("capture.bin"), capture).unwrap();
    let config = folder.path().join("metergate.toml");
    let text = format!(
        "[default.meter.haus]\nport = \"stdin\"\nprotocol = \"dlms-mbus\"\n\
         [default.sink.files]\nkind = \"csv\"\ndirectory = \"csv\"\nfree_min_mib = 0\n{options}"
    );
    std::fs::write(&config, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_metergate"))
        .args(["replay", "--speed", "0", "--config"])
        .arg(&config)
        .arg(folder.path().join("capture.bin"))
        .env("METERGATE_METER__HAUS__KEY", key)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(folder.path().join("csv").join(file)).unwrap()
}

#[test]
fn the_file_has_the_bytes_that_the_reference_system_writes() {
    // The second says the same at the same time of the meter: it is no second reading.
    let telegrams = [kaifa::telegram(1, false), kaifa::telegram(2, false)].concat();
    let line = "16.08.2023 17:19:30;231,3;;;0,80;;;-0,936;2009,0;;9003574;80;;;";
    assert_eq!(replayed(&telegrams, kaifa::KEY, "", "2023_08.CSV"), format!("{HEADER}\n{line}\n"));
    let line = "16.08.2023 17:19:30;231.3;;;0.80;;;-0.936;2009.0;;9003574;80;;;;2023-08-16T15:19:30Z";
    let options = "decimal = \"point\"\nutc_column = true\n";
    assert_eq!(replayed(&telegrams, kaifa::KEY, options, "2023_08.CSV"), format!("{HEADER};UTC\n{line}\n"));
}

/// The telegrams that esp-smartmeter-netznoe itself was tested with.
#[test]
fn published_telegrams_give_the_lines_of_the_reference_system() {
    let cases = [
        (
            "kaifa-netz-noe-spec",
            "2021_09.CSV",
            "27.09.2021 09:47:15;233,7;0,0;0,0;0,00;0,00;0,00;1,000;0,0;0,0;12937;0;;;",
        ),
        (
            "sagemcom-t210d-netz-noe",
            "2023_04.CSV",
            "14.04.2023 17:56:05;232,9;236,5;237,2;0,85;0,94;1,18;0,819;515,0;0,0;627660;0;;;",
        ),
    ];
    let family = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/dlms-mbus");
    for (name, file, line) in cases {
        let Ok(capture) = std::fs::read(family.join(name).with_extension("bin")) else {
            println!("corpus not present: skipped");
            return;
        };
        let text = std::fs::read_to_string(family.join(name).with_extension("toml")).unwrap();
        let toml: toml::Table = text.parse().unwrap();
        let content = replayed(&capture, toml["key"].as_str().unwrap(), "", file);
        assert_eq!(content, format!("{HEADER}\n{line}\n"));
    }
}
