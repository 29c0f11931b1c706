//! What do these bytes speak? Names protocol, maker and model of an unlabelled stream.
use crate::Protocol;
use crate::models::{self, Recognition};
use metergate_wire::{Scan, checksum, hdlc, mbus};

/// What a stretch of bytes was recognised as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// What it is written in.
    pub protocol: Protocol,
    /// How sure that is, in percent. From 90 on, a checksum or an unmistakable mark was found; below, the shape fits
    /// and the check fails.
    pub confidence: u8,
    /// Who made the meter, when the bytes tell.
    pub recognition: Option<Recognition>,
}

/// The bytes worth looking at: a dozen telegrams of the longest kind that is pushed, or one long readout at the
/// slowest line for half a minute. Longer slices are cut to it.
pub const WINDOW: usize = 64 * 1024;

/// A checksum over enough bytes was right.
const CHECKED: u8 = 99;
/// Marks that random bytes do not show, without a check.
const MARKED: u8 = 90;
/// The shape fits, the check does not.
const SHAPED: u8 = 60;
/// It may be, and something else may be too.
const HINTED: u8 = 50;

/// Names the protocol of `bytes`, which may begin and end anywhere and hold noise and damage.
///
/// `None` when nothing in them looks like a meter. A mebibyte of random bytes names nothing.
///
/// ```
/// use metergate_meter::{Protocol, detect::detect};
///
/// let found = detect(b"/ISk5\\2M550T-1012\r\n\r\n1-0:1.8.1(000001.000*kWh)\r\n1-0:1.8.2(000001.000*kWh)\r\n\
///                      1-0:1.7.0(00.100*kW)\r\n!").unwrap();
/// assert_eq!(found.protocol, Protocol::P1);
/// assert_eq!(found.recognition.unwrap().model.unwrap().name, "iskraemeco-am550-nl");
/// assert_eq!(detect(b"GET / HTTP/1.1\r\nHost: meter\r\n\r\n"), None);
/// ```
#[must_use]
pub fn detect(bytes: &[u8]) -> Option<Detection> {
    let bytes = bytes.get(..WINDOW).unwrap_or(bytes);
    // The order matters only where one protocol travels inside another: an encrypted P1 envelope also stands inside
    // M-Bus and HDLC frames.
    let found = [sml, over_hdlc, over_mbus, text, p1_envelope, kmp, sign_on];
    let (protocol, confidence) = found
        .iter()
        .filter_map(|look| look(bytes))
        .reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    Some(Detection { protocol, confidence, recognition: models::recognise(protocol, bytes) })
}

fn count(bytes: &[u8], mark: &[u8]) -> usize {
    bytes.windows(mark.len()).filter(|window| *window == mark).count()
}

fn sml(bytes: &[u8]) -> Option<(Protocol, u8)> {
    let starts = count(bytes, b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01");
    let ends = count(bytes, b"\x1b\x1b\x1b\x1b\x1a");
    match (starts, ends) {
        (0, 0) => None,
        (0, _) => Some((Protocol::Sml, SHAPED)),
        (_, 0) => Some((Protocol::Sml, MARKED)),
        _ => Some((Protocol::Sml, CHECKED)),
    }
}

/// Whether a scanner finds a good frame, and whether it finds a bad one that `resembles` its kind.
fn frames<F, E>(
    bytes: &[u8],
    scan: impl for<'a> Fn(&'a [u8]) -> Scan<F, E>,
    resembles: impl Fn(&[u8]) -> bool,
) -> Option<u8> {
    let (mut rest, mut shaped) = (bytes, false);
    while !rest.is_empty() {
        let step = match scan(rest) {
            Scan::Frame { .. } => return Some(CHECKED),
            Scan::Skip(n) => n,
            Scan::Bad { len, .. } => {
                shaped |= rest.get(..len).is_some_and(&resembles);
                1
            }
            Scan::NeedMore => 1,
        };
        rest = rest.get(step.max(1)..).unwrap_or_default();
    }
    shaped.then_some(SHAPED)
}

fn over_hdlc(bytes: &[u8]) -> Option<(Protocol, u8)> {
    let scan = |bytes: &[u8]| match hdlc::scan(bytes) {
        Scan::Frame { len, .. } => Scan::Frame { frame: (), len },
        Scan::Bad { len, .. } => Scan::Bad { error: (), len },
        Scan::Skip(n) => Scan::Skip(n),
        Scan::NeedMore => Scan::NeedMore,
    };
    // A closing flag where the length says, and the LLC header of a meter that pushes.
    let resembles = |frame: &[u8]| {
        frame.last() == Some(&hdlc::FLAG)
            && frame.get(..16).is_some_and(|head| count(head, &hdlc::LLC_FROM_SERVER) > 0)
    };
    frames(bytes, scan, resembles).map(|confidence| (Protocol::DlmsHdlc, confidence))
}

fn over_mbus(bytes: &[u8]) -> Option<(Protocol, u8)> {
    let scan = |bytes: &[u8]| match mbus::scan(bytes) {
        Scan::Frame { len, .. } => Scan::Frame { frame: (), len },
        Scan::Bad { len, .. } => Scan::Bad { error: (), len },
        Scan::Skip(n) => Scan::Skip(n),
        Scan::NeedMore => Scan::NeedMore,
    };
    let resembles = |frame: &[u8]| {
        frame.last() == Some(&mbus::STOP) && frame.get(..12).is_some_and(|head| count(head, b"\xDB\x08") > 0)
    };
    frames(bytes, scan, resembles).map(|confidence| (Protocol::DlmsMbus, confidence))
}

/// P1 and IEC 62056-21: data sets `address(value)`. P1 writes `1-0:1.8.0`, IEC 62056-21 writes `1.8.0`,
/// `1-0:1.8.0*255` or `C.1.0`, or begins its block with STX.
fn text(bytes: &[u8]) -> Option<(Protocol, u8)> {
    const STX: u8 = 0x02;
    let (mut p1, mut iec, mut previous) = (0u32, 0u32, 0usize);
    for (at, _) in bytes.iter().enumerate().filter(|&(_, &byte)| byte & 0x7F == b'(') {
        let (before, after) =
            (bytes.get(previous..at).unwrap_or_default(), bytes.get(at + 1..).unwrap_or_default());
        previous = at + 1;
        match Address::before_bracket(before) {
            Some(address) if is_bracket_content(after) => match address {
                Address::P1 => p1 += 1,
                Address::Iec => iec += 1,
            },
            _ => {}
        }
    }
    // Three data sets do not happen by chance, not even when every byte may carry a parity bit.
    if p1 + iec < 3 {
        return None;
    }
    let begins_block = bytes
        .windows(3)
        .any(|window| window.first() == Some(&STX) && window.get(1..).is_some_and(|rest| rest.is_ascii()));
    let is_iec = iec > p1 || (begins_block && !bytes.windows(2).any(|pair| pair == b"\n!") && p1 < 3);
    Some((if is_iec { Protocol::Iec62056_21 } else { Protocol::P1 }, MARKED))
}

/// An identification line and nothing else: what a meter answers to a sign-on, but a cut P1 telegram too.
fn sign_on(bytes: &[u8]) -> Option<(Protocol, u8)> {
    let is_identification = |line: &[u8]| {
        let text = || line.iter().map(|byte| byte & 0x7F);
        let letters = text().skip(1).take(3).filter(u8::is_ascii_alphabetic).count() == 3;
        let speed = text().nth(4).is_some_and(|byte| byte.is_ascii_alphanumeric());
        text().next() == Some(b'/') && letters && speed && text().all(|byte| (b' '..=b'~').contains(&byte))
    };
    bytes
        .windows(2)
        .enumerate()
        .filter(|(_, end)| end.iter().map(|byte| byte & 0x7F).eq(*b"\r\n"))
        // A slash, three letters, the speed, 3 to 16 characters: shorter ones are chance.
        .filter_map(|(end, _)| bytes.get(end.saturating_sub(21)..end))
        .filter_map(|line| line.get(line.iter().position(|byte| byte & 0x7F == b'/')?..))
        .any(|line| line.len() >= 8 && is_identification(line))
        .then_some((Protocol::Iec62056_21, HINTED))
}

/// Who writes an address this way.
enum Address {
    P1,
    Iec,
}

impl Address {
    /// Looks at the address that ends `before` an opening bracket; `None` when there is none.
    fn before_bracket(before: &[u8]) -> Option<Self> {
        let is_part =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b'*' | b'&');
        let (mut text, mut len) = ([0u8; 20], 0);
        for (slot, &byte) in text.iter_mut().rev().zip(before.iter().rev()) {
            if !is_part(byte & 0x7F) {
                break;
            }
            *slot = byte & 0x7F;
            len += 1;
        }
        let text = text.get(text.len() - len..)?;
        let groups = || text.split(|byte| !byte.is_ascii_alphanumeric());
        let is_group = |group: &[u8]| {
            matches!(group, [b'C' | b'F' | b'L' | b'P'] | [b'0'..=b'9', ..]) && group.len() <= 3
        };
        if !text.contains(&b'.') || !groups().all(is_group) {
            return None;
        }
        match (text.contains(&b':'), text.contains(&b'*') || text.contains(&b'&')) {
            (true, false) => Some(Self::P1),
            _ => Some(Self::Iec),
        }
    }
}

/// Printable text up to a closing bracket; the longest content of a data set is 128 characters.
fn is_bracket_content(after: &[u8]) -> bool {
    let content =
        after.iter().take(129).map(|byte| byte & 0x7F).take_while(|byte| (b' '..=b'~').contains(byte));
    content.into_iter().any(|byte| byte == b')')
}

/// `DB 08`, three letters, five bytes, `82`, a length, and a security control byte of suite 0 or 1.
fn p1_envelope(bytes: &[u8]) -> Option<(Protocol, u8)> {
    bytes
        .windows(14)
        .any(|window| {
            matches!(window, [0xDB, 0x08, a, b, c, _, _, _, _, _, 0x82, high, _, control]
                if [a, b, c].into_iter().all(u8::is_ascii_alphabetic) && *high < 0x10 && matches!(control & 0xCE, 0))
        })
        // Below a frame with a right checksum around the same envelope.
        .then_some((Protocol::P1, MARKED - 1))
}

/// An answer `40 3F command ... CRC 0D` or a request `80 3F ...`, unstuffed.
fn kmp(bytes: &[u8]) -> Option<(Protocol, u8)> {
    const COMMANDS: [u8; 4] = [0x01, 0x02, 0x10, 0x11];
    let mut shaped = false;
    for (at, window) in bytes.windows(3).enumerate() {
        let &[0x40 | 0x80, 0x3F, command] = window else { continue };
        if !COMMANDS.contains(&command) {
            continue;
        }
        // Eight registers of the longest kind, every byte stuffed, stay below 256.
        let (mut content, mut len, mut stuffed, mut ended) = ([0u8; 256], 0usize, false, false);
        for &byte in bytes.get(at + 1..).unwrap_or_default().iter().take(512) {
            if byte == 0x0D {
                ended = true;
                break;
            }
            if byte == 0x1B && !stuffed {
                stuffed = true;
                continue;
            }
            if let Some(slot) = content.get_mut(len) {
                *slot = if stuffed { !byte } else { byte };
            }
            stuffed = false;
            len += 1;
        }
        let Some(content) = content.get(..len) else { continue };
        if ended && len > 4 && checksum::xmodem(content) == 0 {
            return Some((Protocol::Kmp, CHECKED));
        }
        // Cut or damaged: only at the very start of the bytes, where three bytes are not chance.
        shaped |= at == 0 && len >= 5;
    }
    shaped.then_some((Protocol::Kmp, SHAPED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn noise(len: usize, seed: u64) -> Vec<u8> {
        // SplitMix64, so that the test does not depend on a crate's choice of generator.
        let mut state = seed;
        (0..len)
            .map(|_| {
                state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut z = state;
                z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                (z ^ (z >> 31)).to_le_bytes()[0]
            })
            .collect()
    }

    #[test]
    fn a_mebibyte_of_noise_names_nothing() {
        let noise = noise(1 << 20, 7);
        for window in noise.chunks(WINDOW) {
            assert_eq!(detect(window), None);
        }
        // Seven-bit text noise too.
        let ascii: Vec<u8> = noise.iter().map(|byte| byte & 0x7F).collect();
        for window in ascii.chunks(WINDOW) {
            assert_eq!(detect(window), None);
        }
    }

    #[test]
    fn every_protocol_is_known_by_its_marks() {
        for (bytes, protocol) in [
            (&b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76"[..], Protocol::Sml),
            (b"\x68\x06\x06\x68\x53\xFF\x10\x01\x67\x0F\xD9\x16", Protocol::DlmsMbus),
            (b"\x40\x3F\x10\x00\x3C\x1B\x7F\x0D", Protocol::Kmp),
            (b"\xDB\x08SAG5\x00\x01\xD1\x7F\x82\x01\xF2\x30\x00", Protocol::P1),
            (
                b"/ESY5Q3D\r\n\r\n1-0:0.0.0*255(1)\r\n1-0:1.8.0*255(1*kWh)\r\n1-0:1.7.0*255(0.1*W)\r\n!",
                Protocol::Iec62056_21,
            ),
            (b"/LGZ5\\2ZMD1204407.B32\r\n", Protocol::Iec62056_21),
            (b"\x020.0.0(1)\r\n1.8.0(2*kWh)\r\nF.F(00)\r\n!", Protocol::Iec62056_21),
        ] {
            assert_eq!(detect(bytes).map(|found| found.protocol), Some(protocol), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_request_for_register_60_is_kmp_beyond_doubt() {
        let found = detect(b"\x80\x3F\x10\x01\x00\x3C\xB2\x5F\x0D").unwrap();
        assert_eq!((found.protocol, found.confidence), (Protocol::Kmp, CHECKED));
        assert_eq!(found.recognition.unwrap().maker, "Kamstrup");
    }
}
