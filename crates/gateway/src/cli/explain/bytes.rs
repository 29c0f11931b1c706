//! Bytes in rows of sixteen, the refused ones marked.
use super::{BAD, QUIET};
use std::io::{self, Write};

const ROW: usize = 16;
/// Rows of the refused bytes that are shown whole; of longer stretches the front and the last row, where checks stand.
const ROWS_MAX: usize = 6;

/// Writes the refused bytes with what stands before them: row, offset, digits, text, and `^` below the first refused.
pub(super) fn write(out: &mut dyn Write, offset: u64, before: &[u8], refused: &[u8]) -> io::Result<()> {
    let before = before.get(before.len().saturating_sub(ROW)..).unwrap_or_default();
    if !before.is_empty() {
        let at = offset.saturating_sub(u64::try_from(before.len()).unwrap_or(0));
        writeln!(out, "    {QUIET}{}{QUIET:#}  the bytes before", row(at, before))?;
    }
    if refused.is_empty() {
        return Ok(());
    }
    let rows: Vec<(u64, &[u8])> = (offset..).step_by(ROW).zip(refused.chunks(ROW)).collect();
    let (front, last) = if rows.len() <= ROWS_MAX {
        (rows.as_slice(), None)
    } else {
        (rows.get(..ROWS_MAX - 2).unwrap_or_default(), rows.last())
    };
    for (index, (at, bytes)) in front.iter().enumerate() {
        writeln!(out, "  {BAD}>{BAD:#} {}", row(*at, bytes))?;
        if index == 0 {
            writeln!(out, "              {BAD}^^{BAD:#} refused from here")?;
        }
    }
    if let Some((at, bytes)) = last {
        let left_out = rows.len() - front.len() - 1;
        writeln!(out, "    {QUIET}{:8}  ... {} bytes{QUIET:#}", "", left_out * ROW)?;
        writeln!(out, "  {BAD}>{BAD:#} {}", row(*at, bytes))?;
    }
    Ok(())
}

fn row(at: u64, bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let text: String =
        bytes.iter().map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' }).collect();
    format!("{at:08}  {:47}  {text}", digits.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(offset: u64, before: &[u8], refused: &[u8]) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        write(&mut out, offset, before, refused).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn the_first_refused_byte_is_marked() {
        assert_eq!(
            written(2, b"/\r", &[0x1B, 0x41]),
            "    00000000  2f 0d                                            /.  the bytes before\n\
             \x20 > 00000002  1b 41                                            .A\n\
             \x20             ^^ refused from here\n"
        );
    }

    #[test]
    fn of_a_long_stretch_front_and_end_are_shown() {
        let text = written(0, &[], &[0x30; 200]);
        assert_eq!(text.lines().count(), 7, "{text}");
        assert!(text.contains("... 128 bytes"), "{text}");
        assert!(text.contains("> 00000192  30 30 30 30 30 30 30 30  "), "{text}");
    }
}
