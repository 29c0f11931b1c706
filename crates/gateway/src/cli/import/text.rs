//! The draft as text: the configuration, its secrets, and the summary of what was not carried over.
use super::draft::{Block, Draft, Head, Line, quoted};
use std::fmt::Write as _;

/// Comments are wrapped here, as the project's own lines are.
const WIDTH: usize = 110;

/// What a search finds.
const LOST: &str = "not carried over: ";

/// The configuration. `secrets` names the file that holds the secrets, if one is written.
pub(super) fn configuration(draft: &Draft, head: &[String], secrets: Option<&str>) -> String {
    let mut out = String::new();
    for line in head {
        comment(&mut out, "", line);
    }
    for block in &draft.blocks {
        out.push('\n');
        write_block(&mut out, block, secrets);
    }
    out
}

fn write_block(out: &mut String, block: &Block, secrets: Option<&str>) {
    // Without its `#` a line counts again: keys in comments have no space after it.
    let off = if block.off.is_some() { "#" } else { "" };
    let has_keys = block.lines.iter().any(|line| matches!(line, Line::Key(..)));
    if let Some((place, why)) = &block.off {
        comment(out, LOST, &format!("{place}: {why}"));
        if has_keys {
            comment(out, "", "To switch it on, remove the # in front of the section and its keys.");
        }
    }
    if let Some(head) = block.head.as_ref().filter(|_| has_keys) {
        heading(out, off, head, None);
    }
    for line in &block.lines {
        match line {
            Line::Key(key, value) => push(out, format_args!("{off}{key} = {value}\n")),
            Line::Remark(text) => comment(out, "", text),
            Line::Own(place, text) => comment(out, "", &format!("{place}: {text}")),
            Line::Lost(place, text) => comment(out, LOST, &format!("{place}: {text}")),
        }
    }
    if !block.secrets.is_empty() {
        let names: Vec<String> = block.secrets.iter().map(|(key, _)| format!("`{key}`")).collect();
        let names = names.join(" and ");
        let text = match secrets {
            Some(file) => format!("{names}: in {file}"),
            None => {
                format!("{names}: not printed; `--output metergate.toml` puts it into metergate.secrets.toml")
            }
        };
        comment(out, "", &text);
    }
    if let (Some(head), Some((name, rows))) = (&block.head, &block.table) {
        out.push('\n');
        heading(out, off, head, Some(name));
        for (key, value) in rows {
            push(out, format_args!("{off}{} = {}\n", quoted(key), quoted(value)));
        }
    }
}

fn heading(out: &mut String, off: &str, head: &Head, table: Option<&str>) {
    let table = table.map_or_else(String::new, |name| format!(".{name}"));
    push(out, format_args!("{off}[{}.{}.{}{table}]\n", bare(&head.profile), head.section, head.name));
}

/// A key of TOML, in quotes where it needs them.
fn bare(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !key.is_empty() && key.bytes().all(plain) { key.to_owned() } else { quoted(key) }
}

/// The secrets, or `None` when there are none.
pub(super) fn secrets(draft: &Draft, configuration: &str) -> Option<String> {
    let mut out = String::new();
    comment(&mut out, "", &format!("Keys and passwords of {configuration}; nobody else may read this file."));
    let mut some = false;
    for block in &draft.blocks {
        let (Some(head), false) = (&block.head, block.secrets.is_empty()) else { continue };
        some = true;
        out.push('\n');
        let off = if block.off.is_some() { "#" } else { "" };
        heading(&mut out, off, head, None);
        for (key, secret) in &block.secrets {
            push(&mut out, format_args!("{off}{key} = {}\n", quoted(secret.expose())));
        }
    }
    some.then_some(out)
}

/// Everything that was not carried over, one a line, in the order of the configuration.
pub(super) fn lost(draft: &Draft) -> Vec<String> {
    let mut all = Vec::new();
    for block in &draft.blocks {
        let lines = block.lines.iter().filter_map(|line| match line {
            Line::Lost(place, text) => Some((place, text)),
            _ => None,
        });
        let off = block.off.as_ref().map(|(place, why)| (place, why));
        all.extend(off.into_iter().chain(lines).map(|(place, text)| printable(&format!("{place}: {text}"))));
    }
    all
}

/// How many settings metergate does in its own way.
pub(super) fn own_ways(draft: &Draft) -> usize {
    let lines = draft.blocks.iter().flat_map(|block| &block.lines);
    lines.filter(|line| matches!(line, Line::Own(..))).count()
}

/// Wraps a comment between words.
fn comment(out: &mut String, mark: &str, text: &str) {
    let text = printable(text);
    let mut line = format!("# {mark}");
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            push(out, format_args!("{line}\n"));
            "#  ".clone_into(&mut line);
        } else if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    push(out, format_args!("{line}\n"));
}

/// Nothing in a comment ends its line or moves a cursor.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = out.write_fmt(text);
}
