//! What a person sees on a terminal, and a pipe does not: colour, and a bar for long files.
#![allow(clippy::unwrap_used, reason = "a test says by failing what went wrong")]
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

/// A terminal: what is written to the one shows on the other.
fn terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    rustix::termios::tcsetwinsize(
        &slave,
        rustix::termios::Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 },
    )
    .unwrap();
    (File::from(master), slave)
}

/// Everything that was shown until the program ended.
fn shown(mut master: File) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    // A terminal that nobody holds any more ends with an error.
    while let Ok(len @ 1..) = master.read(&mut piece) {
        bytes.extend_from_slice(&piece[..len]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn metergate(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("metergate"));
    command.env_clear().env("TERM", "xterm").args(arguments);
    command
}

const KMP: &str =
    "40 3F 10 00 3C 03 04 43 00 00 6F 1B F2 00 50 16 02 41 00 20 00 56 25 02 42 1B E4 DF 36 D1 0D\n";

/// What `decode` shows of a telegram on a terminal.
fn telegram_on_terminal(variable: Option<(&str, &str)>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kmp.hex");
    fs::write(&file, KMP).unwrap();
    let (master, slave) = terminal();
    let mut command = metergate(&["decode", &file.display().to_string()]);
    command.envs(variable).stdout(slave);
    let mut child = command.spawn().unwrap();
    drop(command);
    let text = shown(master);
    assert!(child.wait().unwrap().success());
    text
}

#[test]
fn a_terminal_gets_colour_unless_it_wants_none() {
    let text = telegram_on_terminal(None);
    assert!(text.contains("\x1B[1mtelegram 0\x1B[0m"), "{text:?}");
    let text = telegram_on_terminal(Some(("NO_COLOR", "1")));
    assert!(text.contains("telegram 0") && !text.contains('\x1B'), "{text:?}");
}

/// What standard error shows while a file of some megabytes goes elsewhere.
fn bar(out: Stdio, file: &Path) -> String {
    let (master, slave) = terminal();
    let mut command =
        metergate(&["decode", "--protocol", "sml", "--format", "json", &file.display().to_string()]);
    command.stdout(out).stderr(slave);
    let mut child = command.spawn().unwrap();
    drop(command);
    let text = shown(master);
    child.wait().unwrap();
    text
}

#[test]
fn a_long_file_shows_a_bar_on_a_terminal_and_never_in_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long.bin");
    fs::write(&long, vec![0x55; 4_000_000]).unwrap();
    let short = folder.path().join("short.bin");
    fs::write(&short, [0x55; 4000]).unwrap();
    let out = || Stdio::from(File::create(folder.path().join("out.json")).unwrap());
    let text = bar(out(), &long);
    assert!(text.contains("of 3.81 MiB"), "{text:?}");
    assert_eq!(bar(out(), &short), "");
    assert_eq!(bar(Stdio::piped(), &long), "");
}

/// A readout with a right BCC that would clear the screen and set the title of the window.
fn hostile() -> Vec<u8> {
    let block = b"F.F(00)\r\n1.8.0(12\x1b[2J*kWh)\r\n2.8.0(1*kWh)\r\n0.0.0(\x1b]0;x\x07)\r\n!\r\n\x03";
    let bcc = block.iter().fold(0, |bcc, byte| bcc ^ byte);
    [b"/ISk5\\2M\x1b[31mT\r\n\x02", &block[..], &[bcc]].concat()
}

#[test]
fn what_a_meter_sends_cannot_move_the_cursor_of_a_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("hostile.bin"), hostile()).expect("a file");
    let text = "[default.meter.haus]\nport = \"file:hostile.bin\"\nprotocol = \"iec62056-21\"\n\
                [default.sink.screen]\nkind = \"stdout\"\n";
    fs::write(folder.path().join("metergate.toml"), text).expect("a file");
    for arguments in [&["decode", "hostile.bin", "--protocol", "iec62056-21"][..], &["run"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_metergate"))
            .args(arguments)
            .current_dir(folder.path())
            .env_remove("METERGATE_CONFIG")
            // Colours as on a terminal: a pipe would take all escape sequences out.
            .env("CLICOLOR_FORCE", "1")
            .output()
            .expect("it runs");
        assert!(output.status.success());
        let shown = String::from_utf8(output.stdout).expect("text");
        assert!(shown.contains("2.8.0") && shown.contains("\\u{1b}[2J"), "{shown:?}");
        for sequence in ["\u{1b}[2J", "\u{1b}]0;", "\u{1b}[31mT", "\u{7}"] {
            assert!(!shown.contains(sequence), "{arguments:?}: {shown:?}");
        }
    }
}
