//! The program as a person or a script calls it.
#![allow(clippy::unwrap_used, reason = "a test says by failing what went wrong")]
mod kaifa;

use assert_cmd::Command;
use base64::Engine as _;
use kaifa::{AUTH_KEY, KEY};
use std::fs;
use std::path::PathBuf;

fn metergate(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("metergate").unwrap();
    // What the tests' own surroundings say is not the point.
    command.env_clear().args(args);
    command
}

/// Standard output, standard error and exit status.
fn run(args: &[&str], input: &[u8]) -> (String, String, i32) {
    let output = metergate(args).write_stdin(input).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

fn decode(args: &[&str], input: &[u8]) -> (String, String, i32) {
    run(&[&["decode", "--key", KEY], args].concat(), input)
}

#[test]
fn a_telegram_is_explained_for_people() {
    let (out, err, status) = decode(&["--auth-key", AUTH_KEY], &kaifa::telegram(24_581, true));
    assert_eq!((err.as_str(), status), ("", 0));
    insta::assert_snapshot!(out);
}

#[test]
fn a_telegram_is_written_as_json_for_programs() {
    let (out, err, status) = decode(&["--format", "json"], &kaifa::telegram(24_581, false));
    assert_eq!((err.as_str(), status), ("", 0));
    insta::assert_snapshot!(out);
}

#[test]
fn refusals_are_explained_with_offset_bytes_and_what_to_do() {
    let mut damaged = kaifa::telegram(1, true);
    damaged[100] ^= 0x04;
    let bytes = [b"\x00\x11\x22".as_slice(), &damaged, &kaifa::telegram(2, true), &[0x68, 0x10]].concat();
    let wrong = ["--auth-key", "00000000000000000000000000000000", "--protocol", "dlms-mbus"];
    let (out, err, status) = decode(&wrong, &bytes);
    assert_eq!((err.as_str(), status), ("", 1));
    insta::assert_snapshot!(out);
}

#[test]
fn exit_status_tells_decoded_nothing_and_wrong_usage() {
    assert_eq!(decode(&[], &kaifa::telegram(1, false)).2, 0);
    assert_eq!(run(&["decode"], &kaifa::telegram(1, false)).2, 1, "nothing without a key");
    assert_eq!(run(&["decode"], &[0x55; 300]).2, 1, "noise");
    assert_eq!(run(&["decode"], &[]).2, 1, "no bytes");
    assert_eq!(run(&["decode", "--protocol", "slm"], &[]).2, 2);
    assert_eq!(run(&["decode", "/absent"], &[]).2, 2);
    assert_eq!(run(&["explain"], &[]).2, 2);
    assert_eq!(run(&[], &[]).2, 2);
    assert_eq!(run(&["--help"], &[]).2, 0);
}

#[test]
fn usage_errors_are_sentences_that_say_what_to_do() {
    let error = |args: &[&str]| run(args, &[]).1;
    assert!(error(&["decode", "--protocol", "slm"]).contains("expected one of sml, dlms-mbus,"));
    assert_eq!(
        error(&["decode", "/absent"]),
        "error: cannot read /absent: No such file or directory (os error 2)\n \
         help: a telegram in hand is read from standard input: `metergate decode -`\n"
    );
    assert_eq!(
        error(&["decode", "--model", "kaifa-ma309m-netz-nö"]),
        "error: --model: there is no model `kaifa-ma309m-netz-nö`\n help: did you mean `kaifa-ma309m-netz-noe`?\n"
    );
    assert_eq!(
        error(&["decode", "--key", "0011"]),
        "error: --key: a key has 32 hexadecimal digits, found 4\n \
         help: a key is 16 bytes, such as 00112233445566778899AABBCCDDEEFF; ask the grid operator for it\n"
    );
    assert_eq!(
        error(&["decode", "--model", "kaifa-ma309m-netz-noe", "--protocol", "p1"]),
        "error: --protocol: `kaifa-ma309m-netz-noe` speaks dlms-mbus, not p1\n help: leave --protocol or --model out\n"
    );
    assert!(error(&["decode", "--kei", KEY]).contains("a similar argument exists: '--key'"));
    assert!(error(&["decod"]).contains("similar subcommands exist: 'detect', 'demo', 'decode'"));
    assert!(error(&["decode", "--chunk", "0"]).contains("0 is not in 1.."));
}

#[test]
fn every_notation_of_the_input_means_the_same() {
    let bytes = [kaifa::telegram(1, true), kaifa::telegram(2, true)].concat();
    let expected = decode(&["--format", "json"], &bytes).0;
    assert_eq!(expected.lines().count(), 2);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    let spaced: String = bytes.iter().map(|byte| format!("{byte:02x} ")).collect();
    let c: String = bytes.iter().map(|byte| format!("0x{byte:02X}, ")).collect();
    let dump: String = bytes
        .chunks(16)
        .enumerate()
        .map(|(row, bytes)| {
            let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{:04x}: {}\n", row * 16, digits.join(" "))
        })
        .collect();
    let lines: String =
        hex.as_bytes().chunks(30).map(|line| format!("{}\r\n", str::from_utf8(line).unwrap())).collect();
    let capture = format!("2026-01-31T12:00:00.5Z tx 10\n2026-01-31T12:00:01.123456789Z rx {hex}\n");
    let base64 = base64::engine::general_purpose::STANDARD.encode(&bytes);
    for (notation, text) in [
        ("hex", hex.as_str()),
        ("hex", &spaced),
        ("hex", &c),
        ("hex", &dump),
        ("hex", &lines),
        ("hex", &capture),
        ("base64", &base64),
    ] {
        assert_eq!(decode(&["--format", "json"], text.as_bytes()).0, expected, "{text}");
        assert_eq!(decode(&["--format", "json", "--input", notation], text.as_bytes()).0, expected, "{text}");
    }
    let wrong = hex.replacen('B', "O", 1);
    let (out, err, status) = decode(&["--format", "json"], wrong.as_bytes());
    assert_eq!((out.as_str(), status), ("", 2));
    assert!(
        err.starts_with("error: -: line 1, column 3: expected a hexadecimal digit, found 'O'\n"),
        "{err}"
    );
}

#[test]
fn pieces_of_any_size_give_the_same_lines() {
    let mut bytes = [kaifa::telegram(1, true), kaifa::telegram(2, true)].concat();
    bytes.insert(20, 0x68);
    let whole = decode(&["--format", "json", "--protocol", "dlms-mbus"], &bytes).0;
    for size in ["1", "7", "100"] {
        let pieces = decode(&["--format", "json", "--protocol", "dlms-mbus", "--chunk", size], &bytes).0;
        assert_eq!(pieces, whole, "{size}");
    }
}

#[test]
fn keys_are_read_in_every_common_spelling_and_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.txt");
    fs::write(&file, format!("{KEY}\r\n")).unwrap();
    let at_file = format!("@{}", file.display());
    for key in [
        KEY,
        "000102030405060708090a0b0c0d0e0f",
        "00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F",
        "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f",
        "0x000102030405060708090A0B0C0D0E0F",
        "0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F",
        &at_file,
    ] {
        let (out, err, status) =
            run(&["decode", "--format", "json", "--key", key], &kaifa::telegram(1, false));
        assert_eq!((err.as_str(), status), ("", 0), "{out}");
    }
    let (_, err, status) = run(&["decode", "--key", "@/absent"], &[]);
    assert_eq!(status, 2);
    assert!(err.starts_with("error: --key: cannot read /absent: No such file"), "{err}");
}

/// A key in any spelling, digits apart or together, in either case.
fn holds(text: &str, key: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    digits.to_ascii_uppercase().contains(key)
}

#[test]
fn no_key_stands_in_any_output() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("metergate.toml");
    let toml =
        format!("[default.meter.haus]\nport = \"stdin\"\nkey = \"{KEY}\"\nauth_key = \"{AUTH_KEY}\"\n");
    let path = config.display().to_string();
    let mut wrong = KEY.to_owned();
    wrong.replace_range(31..32, "x");
    let digits = &KEY[..31];
    let mut damaged = kaifa::telegram(1, true);
    damaged.swap(40, 41);
    for args in [
        vec!["-vvv", "decode", "--key", KEY, "--auth-key", AUTH_KEY],
        vec!["-vvv", "decode", "--format", "json", "--key", KEY, "--auth-key", AUTH_KEY],
        vec!["decode", "--key", AUTH_KEY, "--auth-key", KEY],
        vec!["decode", "--key", &wrong],
        vec!["decode", "--key", KEY, "--auth-key", digits],
        vec!["-vvv", "check-config", "--config", &path],
    ] {
        for broken in [false, true] {
            let text = if broken { toml.replace("0F\"", "0\"") } else { toml.clone() };
            fs::write(&config, text).unwrap();
            let input = if broken { damaged.clone() } else { kaifa::telegram(1, true) };
            let (out, err, _) = run(&args, &input);
            for key in [&KEY[..16], &AUTH_KEY[..16]] {
                assert!(!holds(&out, key), "{args:?} prints a key on standard output:\n{out}");
                assert!(!holds(&err, key), "{args:?} prints a key on standard error:\n{err}");
            }
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut bytes = Vec::new();
    for counter in 0..500 {
        bytes.extend(kaifa::telegram(counter, false));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("long.bin");
    fs::write(&file, bytes).unwrap();
    let program = assert_cmd::cargo::cargo_bin("metergate");
    let script = format!("{} decode --key {KEY} {} | head -n 1", program.display(), file.display());
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.stdout.starts_with(b"recognised: dlms-mbus"));
}

#[test]
fn there_is_no_colour_in_a_pipe() {
    let (out, err, _) = decode(&[], &[kaifa::telegram(1, false), vec![0; 40]].concat());
    assert!(!out.contains('\x1B') && !err.contains('\x1B'));
}

#[test]
fn a_layout_file_names_what_the_list_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("layout.toml");
    fs::write(&file, "[mine]\nrows = [{ position = 19, obis = \"0-0:96.1.0\" }]\n").unwrap();
    let layout = file.display().to_string();
    let (out, _, _) = decode(&["--format", "json", "--layout", &layout], &kaifa::telegram(1, false));
    assert!(
        out.contains(r#"{"obis":"0-0:96.1.0*255","kind":"octets","value":"313738323130323637333839","#),
        "{out}"
    );
    fs::write(&file, "[mine]\nrows = [{ position = 19, obsi = \"0-0:96.1.0\" }]\n").unwrap();
    let (_, err, status) = decode(&["--layout", &layout], &kaifa::telegram(1, false));
    assert_eq!(status, 2);
    assert!(err.contains("layout.toml:2: mine.rows[0].obsi: unknown key `obsi`"), "{err}");
    assert!(err.contains("help: did you mean `obis`?"), "{err}");
}

#[test]
fn numbers_without_a_name_are_pointed_at_until_a_layout_file_names_them() {
    let telegram = kaifa::nameless();
    let hint = "next: 2 numbers have a place and no name; a file for --layout names them";
    let (out, _, status) = decode(&["--protocol", "dlms-mbus"], &telegram);
    assert_eq!(status, 0);
    assert!(out.contains(hint) && out.contains("[1]"), "{out}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("layout.toml");
    let rows = "{ position = 0, obis = \"1-0:1.7.0\", unit = \"W\" }, { position = 1, obis = \"1-0:1.8.0\", unit = \"Wh\" }";
    fs::write(&file, format!("[mine]\nelements = 2\nrows = [{rows}]\n")).unwrap();
    let (out, _, _) =
        decode(&["--protocol", "dlms-mbus", "--layout", &file.display().to_string()], &telegram);
    assert!(!out.contains("next:") && out.contains("9003574 Wh"), "{out}");
}

#[test]
fn detect_names_what_a_capture_holds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("capture.bin");
    fs::write(&file, kaifa::telegram(1, false)).unwrap();
    let (out, _, status) = run(&["detect", &file.display().to_string()], &[]);
    assert_eq!(status, 0);
    assert!(out.contains(": dlms-mbus (99 % sure), "), "{out}");
    fs::write(&file, [0x55; 100]).unwrap();
    let (out, _, status) = run(&["detect", &file.display().to_string()], &[]);
    assert_eq!(status, 1);
    assert!(out.ends_with("no meter is recognised\n"), "{out}");
}

#[test]
fn meters_are_listed_for_people_and_programs() {
    let (out, _, status) = run(&["meters"], &[]);
    assert_eq!(status, 0);
    assert!(out.lines().any(|line| line.starts_with("kaifa-ma309m-netz-noe ") && line.contains("2400 8E1")));
    let (json, _, _) = run(&["meters", "--format", "json"], &[]);
    for line in json.lines() {
        let model: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(out.contains(model["name"].as_str().unwrap()));
        assert!(model["line"].as_str().unwrap().parse::<metergate_meter::LineSettings>().is_ok());
    }
}

#[test]
fn check_config_explains_values_and_where_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("metergate.toml");
    let toml = "[default.meter.haus]\nport = \"/dev/ttyUSB0\"\nmodel = \"kaifa-ma309m-netz-noe\"\n\
                [default.sink.out]\nkind = \"stdout\"\n";
    fs::write(&config, toml).unwrap();
    let output = metergate(&["check-config", "--config", &config.display().to_string()])
        .env("METERGATE_METER__HAUS__KEY", KEY)
        .env("METERGATE_METER__HAUS__SILENT_AFTER", "30 s")
        .output()
        .unwrap();
    assert!(output.status.success());
    let out = String::from_utf8(output.stdout).unwrap();
    insta::assert_snapshot!(out.replace(&format!("{}/", folder.path().display()), ""));
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (out, _, status) = run(&["completions", shell], &[]);
        assert_eq!(status, 0);
        assert!(out.contains("check-config") && out.contains("auth-key"), "{shell}");
    }
}

#[test]
fn every_command_has_a_help_text_that_names_its_options() {
    for command in
        ["decode", "run", "demo", "simulate", "replay", "detect", "meters", "check-config", "completions"]
    {
        let (out, _, status) = run(&[command, "--help"], &[]);
        assert_eq!(status, 0);
        assert!(out.contains("Usage: metergate ") && out.lines().next().unwrap().len() > 20, "{out}");
    }
}

#[test]
fn long_inputs_are_read_in_bounded_memory() {
    // 16 MB of hexadecimal digits without a line end, for a process that may not have half of that.
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("long.hex");
    fs::write(&file, "00".repeat(8_000_000)).unwrap();
    let program = assert_cmd::cargo::cargo_bin("metergate");
    let script = format!(
        "ulimit -d 8192; {} decode --format json --protocol sml {}",
        program.display(),
        file.display()
    );
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "{\"telegram\":0,\"offset\":0,\"length\":8000000,\"protocol\":\"sml\",\"error\":\
         {\"layer\":\"stream\",\"code\":\"noise\",\"message\":\"bytes that belong to no telegram\"}}\n"
    );
}

#[test]
fn the_readme_shows_what_the_program_says() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let (_, echo) = readme.split_once("$ echo ").unwrap();
    let (command, after) = echo.split_once('\n').unwrap();
    let shown = after.split_once("```").unwrap().0;
    let (out, _, _) = run(&["decode"], command.strip_suffix(" | metergate decode").unwrap().as_bytes());
    assert_eq!(out.trim_end(), shown.trim_end());
    let (out, _, _) = decode(&["--auth-key", AUTH_KEY], &kaifa::telegram(24_581, true));
    assert!(readme.contains(out.trim_end()), "the encrypted telegram reads otherwise:\n{out}");
}
