//! Text from a meter on a person's terminal.
use std::borrow::Cow;

/// The text with its control characters spelt out, so that what somebody sends over a line cannot move a cursor, set
/// the title of a window or hide what stands before it.
///
/// ```
/// use metergate_gateway::harmless::harmless;
///
/// assert_eq!(harmless("ISk5\\2MT382-1000"), "ISk5\\2MT382-1000");
/// assert_eq!(harmless("12\u{1b}[2J"), "12\\u{1b}[2J");
/// ```
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}
