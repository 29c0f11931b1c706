//! What does this port speak? Collects bytes until that is known, and tries other line settings meanwhile.
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

impl Recogniser {
    /// `try_lines`: the line settings are not known either.
    pub(super) fn new(try_lines: bool) -> Self {
        let trying = try_lines.then_some(Trying { probe: 0, until: None });
        Self { collected: Vec::new(), look_at: LOOK_AT_FIRST, trying }
    }

    /// Adds bytes; says what they are once that is sure. Looks each time they have grown by a quarter, so that the
    /// work stays proportional to the bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Option<Detection> {
        self.collected.extend_from_slice(bytes);
        if self.collected.len() < self.look_at {
            return None;
        }
        let found = detect::detect(&self.collected).filter(|found| found.confidence >= SURE);
        if self.collected.len() >= detect::WINDOW {
            // The latest half stays: a telegram that has begun is not cut.
            self.collected.drain(..self.collected.len() - detect::WINDOW / 2);
        }
        let grown = self.collected.len() + self.collected.len() / 4 + LOOK_AT_FIRST;
        self.look_at = grown.min(detect::WINDOW);
        found
    }

    /// What the bytes most likely are, now that no more will come.
    pub(super) fn guess(&self) -> Option<Detection> {
        detect::detect(&self.collected)
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_meter::{LineSettings, Protocol};

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
}
