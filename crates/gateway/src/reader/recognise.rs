//! What does this port speak? Collects bytes until that is known, and tries other line settings meanwhile.
use metergate_meter::Protocol;
use metergate_meter::detect::{self, Detection};
use metergate_meter::probe::{PROBES, Probe};
use std::time::Duration;

/// Names the protocol of a port whose configuration does not.
#[derive(Debug)]
pub(super) struct Recogniser {
    collected: Vec<u8>,
    /// Number of bytes at which it is worth looking again.
    look_at: usize,
    /// Which line settings are being tried, if they are not known.
    trying: Option<Trying>,
}

#[derive(Debug)]
struct Trying {
    probe: usize,
    until: Option<Duration>,
}

/// In percent: from here on a checksum or an unmistakable mark was found.
const SURE: u8 = 90;

const LOOK_AT_FIRST: usize = 16;

/// The answer to a request may be this short and the last for a long time, so up to here every byte is looked at.
const SHORT: usize = 128;

impl Recogniser {
    /// `try_lines`: the line settings are not known either.
    pub(super) fn new(try_lines: bool) -> Self {
        let trying = try_lines.then_some(Trying { probe: 0, until: None });
        Self { collected: Vec::new(), look_at: LOOK_AT_FIRST, trying }
    }

    /// True when the line settings are not known.
    pub(super) const fn tries_lines(&self) -> bool {
        self.trying.is_some()
    }

    /// Adds bytes; says what they are once that is sure. Looks each time they have grown by a quarter, so that the
    /// work stays proportional to the bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Option<Detection> {
        self.collected.extend_from_slice(bytes);
        if self.collected.len() < self.look_at {
            return None;
        }
        let found = self.detect().filter(|found| found.confidence >= SURE || self.answers(found));
        if self.collected.len() >= detect::WINDOW {
            // The latest half stays: a telegram that has begun is not cut.
            self.collected.drain(..self.collected.len() - detect::WINDOW / 2);
        }
        let len = self.collected.len();
        let grown = if len < SHORT { len + 1 } else { len + len / 4 };
        self.look_at = grown.min(detect::WINDOW);
        found
    }

    /// What the bytes most likely are, now that no more will come.
    pub(super) fn guess(&self) -> Option<Detection> {
        self.detect()
    }

    fn detect(&self) -> Option<Detection> {
        // Many heads send the own request back, which is no meter.
        let request = self.probe().map_or(&[][..], |probe| probe.request);
        detect::detect(self.collected.strip_prefix(request).unwrap_or(&self.collected))
    }

    /// An identification line alone may be many things, but not after a sign-on.
    fn answers(&self, found: &Detection) -> bool {
        self.was_asked() && found.protocol == Protocol::Iec62056_21
    }

    /// True when something was sent with the present settings.
    pub(super) fn was_asked(&self) -> bool {
        self.probe().is_some_and(|probe| !probe.request.is_empty())
    }

    /// The try that is being made.
    fn probe(&self) -> Option<&'static Probe> {
        let trying = self.trying.as_ref().filter(|trying| trying.until.is_some())?;
        PROBES.get(trying.probe)
    }

    /// The bytes collected, to be read as what they are.
    pub(super) fn take_bytes(&mut self) -> Vec<u8> {
        self.look_at = LOOK_AT_FIRST;
        std::mem::take(&mut self.collected)
    }

    /// When the next line settings are to be tried.
    pub(super) fn next_try(&self) -> Option<Duration> {
        self.trying.as_ref().map(|trying| trying.until.unwrap_or(Duration::ZERO))
    }

    /// The settings to try from now on, when it is time.
    pub(super) fn try_next(&mut self, now: Duration) -> Option<Probe> {
        let trying = self.trying.as_mut()?;
        match trying.until {
            Some(until) if now < until => return None,
            Some(_) => trying.probe = (trying.probe + 1) % PROBES.len(),
            None => {}
        }
        let probe = *PROBES.get(trying.probe)?;
        trying.until = Some(now + probe.listen);
        // What came at another speed says nothing.
        self.take_bytes();
        Some(probe)
    }

    /// The settings of the latest try cannot be had here: the next ones are tried at once.
    pub(super) fn skip(&mut self, now: Duration) {
        if let Some(trying) = &mut self.trying {
            trying.until = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_meter::{LineSettings, Parity, Protocol};

    #[test]
    fn bytes_are_named_when_enough_have_come() {
        let mut recogniser = Recogniser::new(false);
        assert_eq!(recogniser.add(b"\x1b\x1b\x1b\x1b\x01\x01\x01"), None);
        let found = recogniser.add(b"\x01\x76\x05\x00\x00\x00\x01\x62\x00").unwrap();
        assert_eq!(found.protocol, Protocol::Sml);
        assert_eq!(recogniser.take_bytes().len(), 16);
    }

    #[test]
    fn noise_without_end_is_held_within_the_window() {
        let mut recogniser = Recogniser::new(false);
        for _ in 0..1000 {
            assert_eq!(recogniser.add(&[0x55; 1024]), None);
            assert!(recogniser.collected.len() <= detect::WINDOW + 1024);
        }
    }

    #[test]
    fn line_settings_are_tried_in_turn() {
        let mut recogniser = Recogniser::new(true);
        let mut now = recogniser.next_try().unwrap();
        for round in 0..2 {
            for probe in PROBES {
                assert_eq!(recogniser.try_next(now).as_ref(), Some(probe), "round {round}");
                assert_eq!(recogniser.try_next(now), None, "not before its time");
                now = recogniser.next_try().unwrap();
            }
        }
        assert_eq!(PROBES[0].line, LineSettings::M9600_8N1);
        assert_eq!(Recogniser::new(false).next_try(), None);
    }

    const TELEGRAM: &[u8] = b"/ESY5Q3DA1004 V3.04\r\n\r\n1-0:0.0.0*255(60089952)\r\n\
        1-0:1.8.0*255(00001581.1230000*kWh)\r\n1-0:1.7.0*255(000202.70*W)\r\n!\r\n";

    /// Makes the tries in front of a meter that is understood with one setting only, and answers `request` or, without
    /// one, speaks by itself. With any other setting its bytes come out wrong.
    fn found_at(
        speaks: LineSettings,
        request: Option<&[u8]>,
        says: &[u8],
    ) -> Option<(LineSettings, Detection)> {
        let mut recogniser = Recogniser::new(true);
        for _ in PROBES {
            let now = recogniser.next_try()?;
            let probe = recogniser.try_next(now)?;
            // The head sends every request back.
            let mut heard = probe.request.to_vec();
            let right = probe.line == speaks;
            if request.is_none_or(|request| right && request == probe.request) {
                heard.extend(says.iter().map(|&byte| if right { byte } else { byte.rotate_left(3) ^ 0x55 }));
            }
            if let Some(found) = heard.chunks(20).find_map(|piece| recogniser.add(piece)) {
                return Some((probe.line, found));
            }
        }
        None
    }

    #[test]
    fn row_06_a_meter_at_each_of_fourteen_settings_is_found() {
        let (none, even) = (Parity::None, Parity::Even);
        for (baud, bits, parity) in [
            (9600, 8, none),
            (9600, 8, even),
            (9600, 7, even),
            (2400, 7, even),
            (2400, 8, none),
            (4800, 8, none),
            (4800, 7, even),
            (1200, 7, even),
            (1200, 8, none),
            (300, 7, even),
            (19_200, 8, none),
            (38_400, 8, none),
            (2400, 8, even),
            (115_200, 8, none),
        ] {
            let line = LineSettings::new(baud, bits, parity, 1);
            let (found_line, found) = found_at(line, None, TELEGRAM).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((found_line, found.protocol), (line, Protocol::Iec62056_21));
        }
        assert_eq!(found_at(LineSettings::new(110, 7, Parity::Odd, 2), None, TELEGRAM), None);
    }

    #[test]
    fn meters_that_must_be_asked_are_found_by_their_answer_and_an_echo_is_none() {
        let kmp = [0x40, 0x3F, 0x10, 0x00, 0x3C, 0x03, 0x04, 0x43, 0x00, 0x00, 0x6F, 0x0D];
        let crc = metergate_wire::checksum::xmodem(&kmp[1..11]).to_be_bytes();
        let mut answer = kmp[..11].to_vec();
        answer.extend(crc.iter().flat_map(|&byte| match byte {
            0x06 | 0x0D | 0x1B | 0x40 | 0x80 => vec![0x1B, !byte],
            byte => vec![byte],
        }));
        answer.push(0x0D);
        let sign_on = &b"/LGZ5\\2ZMD1204407.B32\r\n"[..];
        for (line, request, says, protocol) in [
            (LineSettings::M300_7E1, &b"/?!\r\n"[..], sign_on, Protocol::Iec62056_21),
            (LineSettings::M1200_8N2, b"\x80\x3F\x10\x01\x00\x3C\xB2\x5F\x0D", &answer, Protocol::Kmp),
        ] {
            let (found_line, found) =
                found_at(line, Some(request), says).unwrap_or_else(|| panic!("{protocol}"));
            assert_eq!((found_line, found.protocol), (line, protocol));
        }
        assert_eq!(found_at(LineSettings::M300_7E1, Some(b"nobody asks this"), sign_on), None);
    }
}
