//! Hexadecimal dumps as people paste them.
//!
//! Read are digits in either case, together or apart, with spaces, commas, colons, dashes, brackets, quotes, `0x` and
//! `\x`; offsets at the front (`0000:`, `00000000  `) and a text column at the end (of `xxd` and `hexdump -C`);
//! logs that mark received bytes (`<<<`, `RX:`) and sent ones, which are left out;
//! single digits that stand apart (`1B 1 7`, as microcontrollers print them); lines that begin with `#` or `//` are
//! remarks. Of capture lines the received bytes count.
use super::{CaptureLine, Direction};

/// The place where a line is no dump, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misread {
    /// Character, from 1.
    pub(super) column: usize,
    pub(super) found: Found,
}

/// What was found in place of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Character(char),
    OddDigits,
    RepeatedLines,
}

/// Reads a dump line by line; what it keeps is how this dump is laid out.
#[derive(Debug, Default)]
pub(super) struct Dump {
    /// Lines begin with an offset of this many digits, without a colon.
    offset_len: Option<usize>,
    /// The first half of a byte, whose second half stands on the next line.
    half: Option<u8>,
}

/// A run of characters between separators.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    /// Character, from 1.
    column: usize,
    /// White space before it.
    gap: usize,
}

impl Dump {
    /// Reads one line, without its end.
    pub(super) fn line(&mut self, line: &str, out: &mut Vec<u8>) -> Result<(), Misread> {
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') || trimmed.starts_with("//") {
            return Ok(());
        }
        if let Ok(line) = trimmed.parse::<CaptureLine>() {
            if line.direction == Direction::Received {
                out.extend(line.bytes);
            }
            return Ok(());
        }
        let line = match labelled(line) {
            Some((Direction::Sent, _)) => return Ok(()),
            Some((Direction::Received, bytes)) => bytes,
            None => line,
        };
        if line.trim() == "*" {
            return Err(Misread { column: 1, found: Found::RepeatedLines });
        }
        // The text column of hexdump -C.
        let line = line.split_once('|').map_or(line, |(digits, _)| digits);
        let all: Vec<Word<'_>> = words(line).collect();
        let (offset, words) = self.split_offset(&all);
        let mut width = None;
        for (index, word) in words.iter().enumerate() {
            let width = *width.get_or_insert(word.text.len());
            // The text column of xxd: after a wider gap come words of other lengths.
            if offset && index > 0 && (word.gap > 2 || word.gap == 2 && word.text.len() != width) {
                break;
            }
            self.word(word, index + 1 == words.len(), out)?;
        }
        Ok(())
    }

    /// Reads a piece of a line too long to be kept: digits and separators only.
    pub(super) fn piece(&mut self, piece: &str, out: &mut Vec<u8>) -> Result<(), Misread> {
        let all: Vec<Word<'_>> = words(piece).collect();
        all.iter().enumerate().try_for_each(|(index, word)| self.word(word, index + 1 == all.len(), out))
    }

    /// Tells that the input ends.
    pub(super) fn end(&mut self) -> Result<(), Misread> {
        match self.half.take() {
            None => Ok(()),
            Some(_) => Err(Misread { column: 1, found: Found::OddDigits }),
        }
    }

    /// Takes the offset off the front of a line, if this dump has any.
    fn split_offset<'w, 't>(&mut self, words: &'w [Word<'t>]) -> (bool, &'w [Word<'t>]) {
        let Some((first, rest)) = words.split_first() else { return (false, words) };
        let digits = first.text.strip_prefix("0x").unwrap_or(first.text);
        let with_colon = digits.strip_suffix(':').unwrap_or(digits);
        let all_digits = !with_colon.is_empty() && with_colon.bytes().all(|byte| byte.is_ascii_hexdigit());
        // `07:` is a byte in a list with colons, `0070:` an offset.
        if all_digits && with_colon.len() < digits.len() && with_colon.len() >= 3 {
            return (true, rest);
        }
        let looks_like_one = all_digits
            && digits.len() >= 6
            && digits.bytes().all(|byte| byte == b'0')
            && rest.first().is_some_and(|word| word.text.len() <= 4);
        if looks_like_one && self.offset_len.is_none() {
            self.offset_len = Some(digits.len());
        }
        let is_one = all_digits && self.offset_len == Some(digits.len());
        if is_one { (true, rest) } else { (false, words) }
    }

    fn word(&mut self, word: &Word<'_>, last: bool, out: &mut Vec<u8>) -> Result<(), Misread> {
        let text = word.text;
        // `1Bh`.
        let text = text.strip_suffix(['h', 'H']).filter(|digits| digits.len() == 2).unwrap_or(text);
        for (start, run) in runs(text) {
            let mut digits = run.char_indices().map(|(at, character)| {
                character
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
                    .ok_or(Misread { column: word.column + start + at, found: Found::Character(character) })
            });
            if let Some(high) = self.half.take() {
                match digits.next() {
                    Some(low) => out.push(high << 4 | low?),
                    None => self.half = Some(high),
                }
            } else if run.len() == 1 {
                // Printed without a leading zero.
                out.push(digits.next().unwrap_or(Ok(0))?);
                continue;
            }
            while let Some(high) = digits.next() {
                let high = high?;
                match digits.next() {
                    Some(low) => out.push(high << 4 | low?),
                    // A long run of digits that was broken anywhere goes on in the next line.
                    None if last => self.half = Some(high),
                    None => return Err(Misread { column: word.column + start, found: Found::OddDigits }),
                }
            }
        }
        Ok(())
    }
}

/// What stands behind the mark by which other programs' logs tell received bytes from sent ones:
/// `[12:00:00][D][uart_debug:158]: <<< 1B:1B`, `12:00:00.123 RX: 1B 1B`.
fn labelled(line: &str) -> Option<(Direction, &str)> {
    let mut from = 0;
    for word in line.split_inclusive(char::is_whitespace) {
        from += word.len();
        let direction = match word.trim_end().trim_end_matches(':') {
            "<<<" | "rx" | "RX" | "Rx" => Direction::Received,
            ">>>" | "tx" | "TX" | "Tx" => Direction::Sent,
            _ => continue,
        };
        return Some((direction, line.get(from..)?));
    }
    None
}

/// The words of a line: what stands between white space, commas, brackets and quotes.
fn words(line: &str) -> impl Iterator<Item = Word<'_>> {
    let separator =
        |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '{' | '}' | '[' | ']' | '"' | '\'');
    let mut at = 0;
    let mut gap = 0;
    line.split_inclusive(separator).filter_map(move |part| {
        let text = part.trim_end_matches(separator);
        let word = Word { text, column: at + 1, gap };
        at += part.len();
        if text.is_empty() {
            gap += part.len();
            return None;
        }
        gap = part.len() - text.len();
        Some(word)
    })
}

/// The runs of digits of a word, without `0x`, `\x`, colons, dashes and underscores, and where they begin.
fn runs(word: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    word.split([':', '-', '_', '\\']).flat_map(move |part| {
        let start = at;
        at += part.len() + 1;
        let mut inner = start;
        // `0x1B0x1B` splits at each x, and the zero before it is none of the digits.
        let count = part.matches(['x', 'X']).count();
        part.split(['x', 'X']).enumerate().filter_map(move |(index, piece)| {
            let begin = inner;
            inner += piece.len() + 1;
            let digits = if index < count { piece.strip_suffix('0').unwrap_or(piece) } else { piece };
            (!digits.is_empty()).then_some((begin, digits))
        })
    })
}

/// At least this many bytes, so that a word such as `feed` is no dump.
const BYTES_MIN: usize = 4;

/// Whether most lines of the text, the beginning of an input, are lines of a dump.
pub(super) fn is_dump(text: &str) -> bool {
    let (mut dump, mut bytes) = (Dump::default(), Vec::new());
    let (mut captured, mut read, mut misread) = (0, 0, 0);
    for line in text.split_inclusive('\n').filter(|line| !line.trim().is_empty()) {
        let whole = line.ends_with('\n');
        let line = line.trim_end_matches(['\r', '\n']);
        captured += usize::from(line.parse::<CaptureLine>().is_ok());
        // The last line may be cut within a byte.
        let cut = || line.get(..line.len() - 1).filter(|_| !whole);
        match dump
            .line(line, &mut bytes)
            .or_else(|error| cut().map_or(Err(error), |line| dump.line(line, &mut bytes)))
        {
            Ok(()) => read += 1,
            Err(_) => misread += 1,
        }
    }
    (bytes.len() >= BYTES_MIN || captured > 0) && read > misread
        || is_nearly_digits(text)
        || is_nearly_pairs(text)
}

/// One long line of digits with a slip in it is a dump whose slip is to be named, and no base64.
fn is_nearly_digits(text: &str) -> bool {
    let mut all = 0;
    let mut digits = 0;
    for character in text.chars().filter(|character| !character.is_whitespace()) {
        all += 1;
        digits += usize::from(character.is_ascii_hexdigit());
    }
    // Of base64 a third are, of a P1 telegram at most four fifths.
    digits >= 4 * BYTES_MIN && digits * 20 >= all * 19
}

/// A few bytes written as pairs, with a slip in one of them.
fn is_nearly_pairs(text: &str) -> bool {
    let pairs = || text.split_whitespace();
    let slips = pairs().filter(|pair| !pair.bytes().all(|byte| byte.is_ascii_hexdigit())).count();
    pairs().count() >= BYTES_MIN && pairs().all(|pair| pair.len() == 2) && slips <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<u8>, Misread> {
        let (mut dump, mut out) = (Dump::default(), Vec::new());
        text.lines().try_for_each(|line| dump.line(line, &mut out))?;
        dump.end().map(|()| out)
    }

    const BYTES: [u8; 20] =
        [0x1B, 0x1B, 0x1B, 0x1B, 1, 1, 1, 1, 0x76, 7, 0, 0x30, 0x30, 0x30, 0x41, 0x7C, 0x62, 0, 0x62, 0x30];

    #[test]
    fn every_common_form_means_the_same_bytes() {
        for text in [
            "1b1b1b1b010101017607003030304 17c62006230".replace(' ', ""),
            "1B1B1B1B01010101\n7607003030304\n17C62006230".to_owned(),
            "1B 1B 1B 1B 01 01 01 01 76 07 00 30 30 30 41 7C 62 00 62 30".to_owned(),
            "1B 1B 1B 1B 1 1 1 1 76 7 0 30 30 30 41 7C 62 0 62 30 ".to_owned(),
            "1B:1B:1B:1B:01:01:01:01:76:07:00:30:30:30:41:7C:62:00:62:30".to_owned(),
            "1B-1B-1B-1B-01-01-01-01-76-07-00-30-30-30-41-7C-62-00-62-30".to_owned(),
            "{ 0x1B, 0x1B, 0x1B, 0x1B, 0x01, 0x1, 0x01, 0x01, 0x76,\n 0x07, 0x00, 0x30, 0x30, 0x30, 0x41, 0x7C,\n\
             0x62, 0x00, 0x62, 0x30 };"
                .to_owned(),
            r#""\x1B\x1B\x1B\x1B\x01\x01\x01\x01\x76\x07\x00\x30\x30\x30\x41\x7C\x62\x00\x62\x30""#.to_owned(),
            "0x1B0x1B0x1B0x1B0x010x010x010x010x760x070x000x300x300x300x410x7C0x620x000x620x30".to_owned(),
            "0000: 1b 1b 1b 1b 01 01 01 01 76 07 00 30 30 30 41 7c\n0010: 62 00 62 30".to_owned(),
            "0000: 1b 1b 1b 1b 01 01 01 01  76 07 00 30 30 30 41 7c   ........v..000A|\n\
             0010: 62 00 62 30                                      b.b0"
                .to_owned(),
            "00000000: 1b1b 1b1b 0101 0101 7607 0030 3030 417c  ........v..000A|\n\
             00000010: 6200 6230                                b.b0"
                .to_owned(),
            "00000000  1b 1b 1b 1b 01 01 01 01  76 07 00 30 30 30 41 7c  |........v..000A||\n\
             00000010  62 00 62 30                                       |b.b0|\n00000014\n"
                .to_owned(),
            "0000000 1b 1b 1b 1b 01 01 01 01 76 07 00 30 30 30 41 7c\n0000020 62 00 62 30\n0000024".to_owned(),
            "# my meter\n1Bh 1Bh 1Bh 1Bh 01h 01h 01h 01h 76h 07h 00h 30h 30h 30h 41h 7Ch 62h 00h 62h 30h".to_owned(),
            "[12:00:00][D][uart_debug:158]: <<< 1B:1B:1B:1B:01:01:01:01:76:07:00:30\n\
             [12:00:00][D][uart_debug:158]: >>> 2F:3F:21\n\
             12:00:01.123 RX: 30 30 41 7C 62 00 62 30\n12:00:02 TX: 06"
                .to_owned(),
            "2026-01-31T12:00:00.000000001Z rx 1b1b1b1b01010101\n2026-01-31T12:00:01Z tx 2f3f210d0a\n\
             2026-01-31T12:00:02+01:00 rx 760700303030417c62006230"
                .to_owned(),
        ] {
            assert_eq!(read(&text), Ok(BYTES.to_vec()), "{text}");
            assert!(is_dump(&text), "{text}");
        }
    }

    #[test]
    fn what_is_no_digit_is_named_with_its_place() {
        let character = |column, character| Err(Misread { column, found: Found::Character(character) });
        assert_eq!(read("1B 1G"), character(5, 'G'));
        assert_eq!(read("1B1B1B1B0101010O"), character(16, 'O'));
        assert_eq!(read("1B 1B1 1B"), Err(Misread { column: 4, found: Found::OddDigits }));
        assert_eq!(read("1B1B1"), Err(Misread { column: 1, found: Found::OddDigits }));
        assert_eq!(read("00000000 1b 1b\n*\n"), Err(Misread { column: 1, found: Found::RepeatedLines }));
    }

    #[test]
    fn telegrams_of_text_are_no_dump() {
        assert!(!is_dump("/EST5\\253740976_A\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(220815084826S)\r\n!EA11\r\n"));
        assert!(!is_dump("C.1.0(12345678)\r\n1.8.0(000123.4*kWh)\r\n"));
        assert!(is_dump("2026-01-31T12:00:01Z tx 2f3f210d0a\n2026-01-31T12:00:01Z rx 2"));
        assert!(!is_dump("feed"));
        assert!(!is_dump(""));
    }
}
