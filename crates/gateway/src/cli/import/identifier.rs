//! How vzlogger names a register: an OBIS code in which 255 stands for any number, or a word.
use crate::config::RegisterPattern;

/// Words of vzlogger and what they stand for, as `vzlogger -h` lists them.
const WORDS: &[(&str, &str)] = &[
    ("power", "1-0:1.7.*"),
    ("power-l1", "1-0:21.7.*"),
    ("power-l2", "1-0:41.7.*"),
    ("power-l3", "1-0:61.7.*"),
    ("voltage", "1-0:12.7.*"),
    ("voltage-l1", "1-0:32.7.*"),
    ("voltage-l2", "1-0:52.7.*"),
    ("voltage-l3", "1-0:72.7.*"),
    ("current", "1-0:11.7.*"),
    ("current-l1", "1-0:31.7.*"),
    ("current-l2", "1-0:51.7.*"),
    ("current-l3", "1-0:71.7.*"),
    ("frequency", "1-0:14.7.0"),
    // `powerfactor` is not here: vzlogger takes it for 12.7.0, which is a voltage.
    ("counter", "1-0:1.8.*"),
    ("counter-out", "1-0:2.8.*"),
    ("esy-counter-t1", "1-0:1.8.1"),
    ("esy-counter-t2", "1-0:1.8.2"),
];

/// The pattern of registers that an identifier means; `None` when it is neither a code nor a known word.
///
/// A and B that are left out or 255 are any, and so are E and F: `255-255:1.8.0*255` is `1.8.0`.
pub(super) fn registers(identifier: &str) -> Option<String> {
    let identifier = identifier.trim();
    if let Some((_, pattern)) = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(identifier)) {
        return Some((*pattern).to_owned());
    }
    let (medium, quantity) = match identifier.split_once(':') {
        Some((left, right)) => (Some(left.split_once('-')?), right),
        None => (None, identifier),
    };
    let (quantity, period) = match quantity.split_once(['*', '&']) {
        Some((quantity, period)) => (quantity, group(period)?),
        None => (quantity, "*".to_owned()),
    };
    let mut groups = quantity.split('.');
    let (c, d) = (group(groups.next()?)?, group(groups.next()?)?);
    let e = groups.next().map_or(Some("*".to_owned()), group)?;
    if groups.next().is_some() {
        return None;
    }
    let (a, b) = match medium {
        Some((a, b)) => (group(a)?, group(b)?),
        None => ("*".to_owned(), "*".to_owned()),
    };
    let mut pattern = if a == "*" && b == "*" { String::new() } else { format!("{a}-{b}:") };
    pattern += &format!("{c}.{d}.{e}");
    if period != "*" {
        pattern += &format!("*{period}");
    }
    pattern.parse::<RegisterPattern>().is_ok().then_some(pattern)
}

/// One group: a number, a letter of IEC 62056-21, or any.
fn group(text: &str) -> Option<String> {
    Some(match text {
        "255" => "*".to_owned(),
        "C" => "96".to_owned(),
        "F" => "97".to_owned(),
        "L" => "98".to_owned(),
        "P" => "99".to_owned(),
        digits => digits.parse::<u8>().ok()?.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_code_becomes_a_pattern() {
        for (identifier, pattern) in [
            ("1-0:1.8.0", "1-0:1.8.0"),
            ("1-0:1.8.0*255", "1-0:1.8.0"),
            ("1.8.0*255", "1.8.0"),
            ("1.8.0", "1.8.0"),
            ("255-255:1.8.0*255", "1.8.0"),
            ("255-255:96.1.255*255", "96.1.*"),
            ("1-0:2.8", "1-0:2.8.*"),
            ("1-0:1.8.0*01", "1-0:1.8.0*1"),
            ("1-0:1.8.1&255", "1-0:1.8.1"),
            ("C.7.0", "96.7.0"),
            ("power", "1-0:1.7.*"),
            ("Counter", "1-0:1.8.*"),
            (" 1-0:16.7.0*255 ", "1-0:16.7.0"),
        ] {
            assert_eq!(registers(identifier).as_deref(), Some(pattern), "{identifier}");
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        for wrong in ["", "Impulse", "1", "1-0:1.7.ff", "256.8.0", "1-0:1.8.0.0", "1:1.8.0", "sensor0/power"]
        {
            assert_eq!(registers(wrong), None, "{wrong}");
        }
    }
}
