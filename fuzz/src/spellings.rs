//! What people type: codes, numbers, keys and line settings. What is read and printed reads the same again.
use metergate_meter::{Key, LineSettings, Protocol};
use metergate_reading::{Number, ObisCode, Unit};
use std::fmt::{Debug, Display};
use std::str::FromStr;

/// Reads a text as everything that a text can be, and counts what it was.
pub(crate) fn any(bytes: &[u8]) -> usize {
    let Ok(text) = str::from_utf8(bytes) else { return 0 };
    let mut read = usize::from(again::<ObisCode>(text));
    read += usize::from(again::<LineSettings>(text));
    read += usize::from(again::<Protocol>(text));
    if let Ok(number) = text.parse::<Number>() {
        // Trailing zeros may be spelt in another way, so values are compared and not texts.
        let printed: Number = number.to_string().parse().expect("what is printed can be read");
        assert!(printed.same_value(number), "{printed:?} in place of {number:?}");
        read += 1;
    }
    if let Ok(key) = text.parse::<Key>() {
        assert_eq!(format!("{key:?}"), "Key(..)", "a key never prints");
        read += 1;
    }
    read + usize::from(Unit::from_text(text).is_some())
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts =
        ["1-0:1.8.0*255", "-320.50", "00:11 22-33 0x4455 66778899AABBCCDDEEFF", "9600 8N1", "sml", "kWh"];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn again<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else { return false };
    let printed = value.to_string();
    assert_eq!(
        printed.parse::<T>().expect("what is printed can be read"),
        value,
        "{text:?} became {printed:?}"
    );
    true
}
