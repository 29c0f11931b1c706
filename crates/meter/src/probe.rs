//! How to find a meter on a port of which nothing is known: what to try, in which order.
use crate::{LineSettings, Parity};
use core::time::Duration;

/// One try: set the line, send, listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// How to set the line.
    pub line: LineSettings,
    /// What to send first: nothing to meters that push, a request to those that must be asked.
    pub request: &'static [u8],
    /// How long to listen before the next try. A line that carries bytes but no marks is left at once after it; one
    /// whose bytes are recognised earlier is not listened to any longer.
    pub listen: Duration,
}

const fn push(line: LineSettings, seconds: u64) -> Probe {
    Probe { line, request: &[], listen: Duration::from_secs(seconds) }
}

const fn line(baud: u32, data_bits: u8, parity: Parity) -> LineSettings {
    LineSettings::new(baud, data_bits, parity, 1)
}

/// Request of the register 60 (heat energy): every heat meter answers it. `3F 10 01 00 3C` with its CRC.
const KMP_REQUEST: &[u8] = b"\x80\x3F\x10\x01\x00\x3C\xB2\x5F\x0D";

/// Sign-on without an address.
const IEC_REQUEST: &[u8] = b"/?!\r\n";

/// What to try, the most likely first.
///
/// The settings that most meters have come first and are listened to for longer than the longest usual interval
/// (P1 and M-Bus 10 s). Then the meters that have to be asked, and then what few meters have.
pub const PROBES: &[Probe] = &[
    push(LineSettings::M9600_8N1, 6),
    push(LineSettings::M115200_8N1, 11),
    push(LineSettings::M2400_8E1, 11),
    Probe { line: LineSettings::M300_7E1, request: IEC_REQUEST, listen: Duration::from_secs(4) },
    Probe { line: LineSettings::M1200_8N2, request: KMP_REQUEST, listen: Duration::from_secs(2) },
    push(LineSettings::M9600_7E1, 6),
    push(LineSettings::M2400_8N1, 11),
    push(line(9600, 8, Parity::Even), 6),
    push(line(2400, 7, Parity::Even), 6),
    push(line(4800, 8, Parity::None), 6),
    push(line(4800, 7, Parity::Even), 6),
    push(line(1200, 7, Parity::Even), 6),
    push(line(1200, 8, Parity::None), 6),
    push(line(300, 7, Parity::Even), 6),
    push(line(19_200, 8, Parity::None), 6),
    push(line(38_400, 8, Parity::None), 6),
];

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_wire::checksum;
    use std::string::ToString;

    #[test]
    fn every_setting_that_the_field_uses_is_tried() {
        for wanted in [
            "9600 8N1",
            "9600 8E1",
            "9600 7E1",
            "2400 7E1",
            "2400 8N1",
            "2400 8E1",
            "4800 8N1",
            "4800 7E1",
            "1200 7E1",
            "1200 8N1",
            "300 7E1",
            "19200 8N1",
            "38400 8N1",
            "115200 8N1",
        ] {
            assert!(
                PROBES.iter().any(|probe| probe.line.to_string() == wanted && probe.request.is_empty()),
                "{wanted} is not listened to"
            );
        }
        for model in crate::models::all() {
            assert!(PROBES.iter().any(|probe| probe.line == model.line), "{}: {}", model.name, model.line);
        }
    }

    #[test]
    fn the_usual_meters_are_found_within_a_minute() {
        let usual = PROBES.iter().take(7).map(|probe| probe.listen).sum::<Duration>();
        assert!(usual <= Duration::from_secs(60), "{usual:?}");
    }

    #[test]
    fn the_kmp_request_has_the_right_crc() {
        let content = KMP_REQUEST.strip_prefix(b"\x80").and_then(|rest| rest.strip_suffix(b"\x0D")).unwrap();
        assert_eq!(checksum::xmodem(content), 0);
    }
}
