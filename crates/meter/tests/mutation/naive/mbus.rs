//! Wired M-Bus long frames and the segments of EN 13757-1 in them.
use super::check;

/// The parts of one message, joined, from frames that follow each other without a gap.
pub(crate) fn join(line: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut rest = line;
    let mut number = 0;
    loop {
        let (ci, data, after) = frame(rest)?;
        let (sent, last) = if ci == 0xFF { (0, false) } else { (ci & 0x0F, ci & 0x10 != 0) };
        if (ci != 0xFF && ci > 0x1F) || sent != number % 16 {
            return None;
        }
        message.extend(data);
        if last {
            return after.is_empty().then_some(message);
        }
        rest = after;
        number += 1;
    }
}

/// Control information, user data behind the two access points, and what follows the frame.
///
/// The length field of some meters is the length modulo 256, so both lengths are tried.
fn frame(line: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [0x68, length, again, 0x68, ..] = *line else { return None };
    if length != again {
        return None;
    }
    for length in [usize::from(length), usize::from(length) + 256] {
        let Some(content) = line.get(4..4 + length) else { continue };
        let (Some(&sum), Some(&stop)) = (line.get(4 + length), line.get(5 + length)) else { continue };
        if length >= 5 && sum == check::sum(content) && stop == 0x16 {
            return Some((content[2], &content[5..], &line[6 + length..]));
        }
    }
    None
}
