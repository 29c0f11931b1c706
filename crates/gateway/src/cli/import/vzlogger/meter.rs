//! One meter: protocol, port, line, and how it is asked.
use crate::cli::import::address;
use crate::cli::import::draft::{Block, Keys, shown};
use crate::cli::import::tree::Place;
use metergate_meter::LineSettings;

/// Protocols that metergate does not have, and what a person can do.
const WITHOUT: &[(&str, &str)] = &[
    ("s0", "metergate does not count pulses; a meter with S0 often has an optical interface too"),
    ("exec", "metergate runs no programs; a program that prints telegrams can be read by `port = \"stdin\"`"),
    ("file", "metergate reads telegrams, not single values; captured ones by `port = \"file:PATH\"`"),
    ("random", "`metergate simulate dummy` speaks as a meter whose values are made up"),
    ("fluksov2", "the pipe of a Flukso has no counterpart"),
    ("w1therm", "a temperature sensor is no meter"),
    ("ocr", "metergate does not read images; most such meters have an optical interface"),
    (
        "oms",
        "wired M-Bus is read where it carries DLMS; a Siemens TD-351x is read over its optical head: `protocol = \"iec62056-21\"`",
    ),
];

/// Reasons for keys of both protocols.
const OWN_WAY: &[(&str, &str)] = &[
    ("allowskip", "a port that does not open is tried again until it does"),
    ("skip", "a port that does not open is tried again until it does"),
    ("use_local_time", "both times are kept: the meter's and the host's"),
    ("reconnect_delay", "a lost connection is opened again at once, then ever more slowly, up to 2 s"),
];

/// Each value keeps its time, in every protocol.
const FIXED: (&str, &str) = ("aggfixedinterval", "each value keeps its own time");

/// Of meters that speak by themselves.
const UNUSED: (&str, &str) = ("interval", "the meter speaks by itself; vzlogger does not use it either");

/// What vzlogger does at a meter of text, and metergate by itself.
const TEXT_OWN_WAY: &[(&str, &str)] = &[
    ("baudrate_read", "the speed that the meter names is followed by itself"),
    ("baudrate_change_delay", "the pause before the change of speed is that of the standard"),
    ("read_timeout", "the time that a meter may take is that of the standard"),
    ("wait_sync", "the beginning of a telegram is found by itself"),
];

/// A span of time that is longer is a slip.
const YEAR_S: i64 = 366 * 86_400;

/// Reads everything but the channels; where the meter cannot be read, the block is switched off.
pub(super) fn read(keys: &Keys<'_>, place: &Place, block: &mut Block) {
    let protocol = keys.text("protocol", block).map(|(text, _)| text.to_ascii_lowercase());
    let enabled = keys.truth("enabled", block).is_some_and(|(enabled, _)| enabled);
    match protocol.as_deref() {
        Some("sml") => sml(keys, place, block),
        Some("d0") => d0(keys, place, block),
        Some(other) => without(other, keys, place, block),
        None => block.switch_off(place, "the meter: it has no `protocol`"),
    }
    if !enabled {
        block.switch_off(place, "the meter: it is switched off (`enabled` is not true)");
    }
}

fn without(protocol: &str, keys: &Keys<'_>, place: &Place, block: &mut Block) {
    let reason = WITHOUT.iter().find(|(name, _)| *name == protocol);
    let reason = reason.map_or("metergate has no such protocol", |(_, reason)| *reason);
    block.switch_off(place, format!("the meter: protocol `{}`: {reason}", shown(protocol)));
    // They go with the meter.
    keys.ignore_rest();
}

fn sml(keys: &Keys<'_>, place: &Place, block: &mut Block) {
    port(keys, place, block);
    block.text("protocol", "sml");
    line(keys, LineSettings::M9600_8N1, LineSettings::M9600_8N1, block);
    keys.lose(&[("pullseq", "SML meters are listened to, never asked"), FIXED], block);
    keys.own_way(
        &[
            UNUSED,
            (
                "direction_from_status",
                "the sign is what the meter sends; docs/protocols/sml.md names the exceptions",
            ),
            ("workarounds", "the known faults of makers are found by the serial number"),
        ],
        block,
    );
    keys.own_way(OWN_WAY, block);
}

fn d0(keys: &Keys<'_>, place: &Place, block: &mut Block) {
    port(keys, place, block);
    let request_of = keys.text("pullseq", block);
    let baud = keys.whole("baudrate", &mut Block::default()).map(|(baud, _)| baud);
    // No optical head is so quick: vzlogger reads P1 as text that comes unasked.
    let is_p1 = request_of.is_none() && baud == Some(i64::from(LineSettings::M115200_8N1.baud));
    if is_p1 {
        block.remark("At 115200 baud a meter speaks P1. If this one does not:");
        block.remark("protocol = \"iec62056-21\" and mode = \"push\"");
    }
    block.text("protocol", if is_p1 { "p1" } else { "iec62056-21" });
    // vzlogger begins with 9600 7E1, metergate with 300 7E1.
    line(keys, LineSettings::M9600_7E1, LineSettings::M300_7E1, block);
    match request_of {
        None => {
            if !is_p1 {
                block.text("mode", "push");
            }
            keys.own_way(&[UNUSED, ("ackseq", "a meter that speaks by itself is not answered")], block);
        }
        Some((hex, at)) => {
            block.text("mode", "readout");
            match request(hex) {
                Some(address) if address.is_empty() => {}
                Some(address) => block.text("address", &address),
                None => block.lost(at, "`pullseq`: is no request `/?ADDRESS!`; metergate asks with `/?!`"),
            }
            interval(keys, block);
            keys.own_way(&[("ackseq", "the answer has the speed that the meter names")], block);
        }
    }
    if let Some((path, _)) = keys.text("dump_file", block) {
        block.remark("What goes over the line, as `dump_file` did, for `metergate decode` and `replay`; ends at 100 MiB.");
        block.text("record", &format!("{path}.capture"));
    }
    keys.lose(&[FIXED], block);
    keys.own_way(OWN_WAY, block);
    keys.own_way(TEXT_OWN_WAY, block);
}

/// Seconds between two questions.
fn interval(keys: &Keys<'_>, block: &mut Block) {
    match keys.whole("interval", block) {
        // Longer than a year is a slip.
        Some((seconds @ 1..=YEAR_S, _)) => block.seconds("interval", seconds),
        Some((0 | -1, _)) | None => {
            block.remark("Without `interval` vzlogger asks again at once, metergate once a minute.");
        }
        Some((_, at)) => block.lost(at, "`interval`: is no span of time"),
    }
}

/// `/?12345!` CR LF in hexadecimal digits, with zeros in front that wake the meter: the address.
fn request(hex: &str) -> Option<String> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    let text = String::from_utf8(bytes?).ok()?;
    let address = text.trim_start_matches('\0').strip_prefix("/?")?.trim_end().strip_suffix('!')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b' ';
    (address.len() <= 32 && address.bytes().all(plain)).then(|| address.to_owned())
}

/// `host` if it is not empty, else `device`.
fn port(keys: &Keys<'_>, place: &Place, block: &mut Block) {
    let host = keys.text("host", block);
    let device = keys.text("device", block);
    let (typed, at) = match (host, device) {
        (Some((host, at)), _) => {
            let host = host.trim();
            (format!("tcp://{}", host.strip_prefix("tcp://").unwrap_or(host)), at)
        }
        (None, Some((device, at))) => (device.trim().to_owned(), at),
        (None, None) => {
            block.switch_off(place, "the meter: it has no `device` and no `host`");
            block.text("port", "/dev/serial/by-id/...");
            return;
        }
    };
    let typed = if typed.starts_with("tty") { format!("/dev/{typed}") } else { typed };
    let is_serial =
        typed.starts_with("/dev/") || typed.rsplit('/').next().is_some_and(|name| name.contains("tty"));
    let typed = if typed.starts_with('/') && !is_serial { format!("file:{typed}") } else { typed };
    if typed.starts_with("file:") {
        block.remark("A path outside /dev is taken for a file with captured bytes, which is read once.");
    }
    match address::port(&typed) {
        Ok(()) => block.text("port", &typed),
        Err(message) => {
            block.switch_off(at, format!("the meter: {message}"));
            block.text("port", "tcp://HOST:PORT");
        }
    }
}

/// Speed and format, where vzlogger was told them or where its usual ones are not ours.
fn line(keys: &Keys<'_>, theirs: LineSettings, ours: LineSettings, block: &mut Block) {
    let mut line = theirs;
    let mut typed = false;
    if let Some((baud, at)) = keys.whole("baudrate", block) {
        match u32::try_from(baud).ok().filter(|baud| (50..=4_000_000).contains(baud)) {
            Some(baud) => (line.baud, typed) = (baud, true),
            None => block.lost(at, format!("`baudrate`: {baud} is no speed of 50 to 4000000")),
        }
    }
    if let Some((format, at)) = keys.text("parity", block) {
        match format!("{} {}", line.baud, format.trim()).parse() {
            Ok(parsed) => (line, typed) = (parsed, true),
            Err(_) => block.lost(at, "`parity`: is none of 8n1, 7n1, 7e1 and 7o1"),
        }
    }
    if typed || theirs != ours {
        block.text("line", &line.to_string());
    }
}

/// `aggtime`: values are gathered for so many seconds, and one goes out.
pub(super) fn gathered_s(keys: &Keys<'_>, block: &mut Block) -> Option<i64> {
    match keys.whole("aggtime", block)? {
        (seconds @ 1..=YEAR_S, _) => Some(seconds),
        // Not used, as in vzlogger.
        (..=0, _) => None,
        (_, at) => {
            block.lost(at, "`aggtime`: is no span of time");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gives_its_address() {
        for (hex, address) in [
            ("2F3F210D0A", Some("")),
            ("2f3f210d0a", Some("")),
            ("00000000 2F3F21 0D0A", Some("")),
            ("2F3F31323334210D0A", Some("1234")),
            ("2F3F21", Some("")),
            ("1b1b1b1b01010101", None),
            ("2F3F2", None),
            ("zz", None),
            ("", None),
            ("2F3F0D0A210D0A", None),
        ] {
            assert_eq!(request(hex).as_deref(), address, "{hex}");
        }
    }
}
