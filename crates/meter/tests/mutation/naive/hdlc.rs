//! HDLC frames of IEC 62056-46 and the blocks of general block transfer in them.
use super::check;

/// The message of the frames on the line: segments joined, blocks joined.
pub(crate) fn join(line: &[u8]) -> Option<Vec<u8>> {
    let mut frames = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (segmented, information, after) = frame(rest)?;
        frames.push((segmented, information));
        rest = after;
    }
    let mut joined: Vec<Vec<u8>> = Vec::new();
    let mut goes_on = false;
    for (segmented, information) in frames {
        if goes_on {
            joined.last_mut()?.extend(information);
        } else {
            joined.push(information.to_vec());
        }
        goes_on = segmented;
    }
    if goes_on {
        return None;
    }
    // The LLC header stands in the first frame of a message; a block transfer is one message.
    let mut message = Vec::new();
    for (next_block, (index, part)) in (1..).zip(joined.iter().enumerate()) {
        let part = match part.as_slice() {
            [0xE6, 0xE6 | 0xE7, 0x00, rest @ ..] => rest,
            _ if index == 0 => return None,
            part => part,
        };
        let [0xE0, control, high, low, _, _, ..] = *part else {
            return (joined.len() == 1).then(|| part.to_vec());
        };
        let (length, head) = super::axdr::length(&part[6..])?;
        let data = part.get(6 + head..)?;
        if data.len() != length || u16::from_be_bytes([high, low]) != next_block {
            return None;
        }
        message.extend(data);
        let is_last = control & 0x80 != 0;
        if is_last != (index + 1 == joined.len()) {
            return None;
        }
    }
    Some(message)
}

/// Segmentation bit, information field, and what follows the frame.
fn frame(line: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    // One flag may end a frame and begin the next.
    let line = line.strip_prefix(&[0x7E]).unwrap_or(line);
    let [high, low, ..] = *line else { return None };
    if high >> 4 != 0xA {
        return None;
    }
    let length = usize::from(high & 7) * 256 + usize::from(low);
    let content = line.get(..length)?;
    if *line.get(length)? != 0x7E {
        return None;
    }
    let fcs = content.get(length.checked_sub(2)?..)?;
    if check::x25(&content[..length - 2]).to_le_bytes() != *fcs {
        return None;
    }
    let mut at = 2;
    for _ in 0..2 {
        let len = content[at..].iter().position(|byte| byte & 1 == 1)? + 1;
        if ![1, 2, 4].contains(&len) {
            return None;
        }
        at += len;
    }
    // The control field, then the header check unless the frame ends there.
    at += 1;
    let information: &[u8] = if at + 2 == length {
        &[]
    } else {
        let hcs = content.get(at..at + 2)?;
        if check::x25(&content[..at]).to_le_bytes() != *hcs || at + 4 > length {
            return None;
        }
        &content[at + 2..length - 2]
    };
    Some((high & 8 != 0, information, &line[length + 1..]))
}
