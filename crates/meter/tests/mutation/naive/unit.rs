//! Units: the codes of DLMS and Kamstrup and the texts of the text protocols, each as base unit and power of ten.

/// The base unit of a DLMS code (IEC 62056-6-2, table of units), as far as household meters send them.
pub(crate) fn of_dlms(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "a",
        2 => "mo",
        3 => "wk",
        4 => "d",
        5 => "h",
        6 => "min",
        7 => "s",
        8 => "deg",
        9 => "degC",
        13 | 14 => "m3",
        15 | 16 => "m3/h",
        19 => "l",
        20 => "kg",
        23 => "Pa",
        24 => "bar",
        25 => "J",
        26 => "J/h",
        27 => "W",
        28 => "VA",
        29 => "var",
        30 => "Wh",
        31 => "VAh",
        32 => "varh",
        33 => "A",
        35 => "V",
        44 => "Hz",
        45 => "1/Wh",
        46 => "1/varh",
        52 => "K",
        56 => "%",
        57 => "Ah",
        70 => "dBm",
        _ => return None,
    })
}

/// The unit of a Kamstrup code.
pub(crate) fn of_kmp(code: u8) -> Option<(&'static str, i32)> {
    let table = [
        ("Wh", 0),
        ("Wh", 3),
        ("Wh", 6),
        ("Wh", 9),
        ("J", 0),
        ("J", 3),
        ("J", 6),
        ("J", 9),
        ("cal", 0),
        ("cal", 3),
        ("cal", 6),
        ("cal", 9),
        ("varh", 0),
        ("varh", 3),
        ("varh", 6),
        ("varh", 9),
        ("VAh", 0),
        ("VAh", 3),
        ("VAh", 6),
        ("VAh", 9),
        ("W", 0),
        ("W", 3),
        ("W", 6),
        ("W", 9),
        ("var", 0),
        ("var", 3),
        ("var", 6),
        ("var", 9),
        ("VA", 0),
        ("VA", 3),
        ("VA", 6),
        ("VA", 9),
        ("V", 0),
        ("A", 0),
        ("V", 3),
        ("A", 3),
        ("degC", 0),
        ("K", 0),
        ("l", 0),
        ("m3", 0),
        ("l/h", 0),
        ("m3/h", 0),
        ("m3*degC", 0),
        ("t", 0),
        ("t/h", 0),
        ("h", 0),
        ("", 0),
        ("", 0),
        ("", 0),
        ("", 0),
        ("", 0),
        ("bar", 0),
        ("", 0),
        ("", 0),
        ("m3", 1),
        ("t", 1),
        ("J", 10),
        ("min", 0),
        ("", 0),
        ("s", 0),
        ("s", -3),
        ("d", 0),
        ("", 0),
        ("", 0),
        ("imp/l", 0),
        ("l/imp", 0),
    ];
    let index = usize::from(code).checked_sub(1)?;
    table.get(index).copied().filter(|(unit, _)| !unit.is_empty())
}

/// The unit of a text.
pub(crate) fn of_text(text: &str) -> Option<(&'static str, i32)> {
    const PLAIN: [&str; 39] = [
        "Wh", "varh", "VAh", "W", "var", "VA", "V", "A", "Ah", "Hz", "deg", "%", "m3", "m3/h", "l", "l/h",
        "kg", "t", "t/h", "degC", "K", "m3*degC", "J", "J/h", "cal", "bar", "Pa", "imp/l", "l/imp", "1/Wh",
        "1/varh", "s", "min", "h", "d", "wk", "mo", "a", "dBm",
    ];
    let base = |text: &str| -> Option<&'static str> {
        if let Some(unit) = PLAIN.iter().find(|unit| **unit == text) {
            return Some(unit);
        }
        match text {
            _ if text.eq_ignore_ascii_case("var") => Some("var"),
            _ if text.eq_ignore_ascii_case("varh") => Some("varh"),
            "M3" | "m^3" | "m³" => Some("m3"),
            "M3/h" | "m^3/h" | "m³/h" => Some("m3/h"),
            "L" => Some("l"),
            "C" | "°C" => Some("degC"),
            "Wh/h" => Some("W"),
            "°" | "Deg" => Some("deg"),
            _ => None,
        }
    };
    if let Some(unit) = base(text) {
        return Some((unit, 0));
    }
    let power = match text.chars().next()? {
        'm' => -3,
        'k' | 'K' => 3,
        'M' => 6,
        'G' => 9,
        _ => return None,
    };
    let unit = base(text.get(1..)?)?;
    let takes_prefix =
        ["Wh", "varh", "VAh", "W", "var", "VA", "V", "A", "J", "cal", "Hz", "s", "bar"].contains(&unit);
    takes_prefix.then_some((unit, power))
}
