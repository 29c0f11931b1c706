//! Columns of text that stand under each other.

/// The rows with their columns padded to the widest cell; the last column ends where it ends.
///
/// ```
/// # use metergate_gateway::cli::table::aligned;
/// let rows = [vec!["port".to_owned(), "stdin".to_owned()], vec!["key".to_owned(), "(set)".to_owned()]];
/// assert_eq!(aligned(&rows), ["port  stdin", "key   (set)"]);
/// ```
#[must_use]
pub fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| seen(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - seen(cell) + 2));
        }
        line.truncate(line.trim_end().len());
        line
    };
    rows.iter().map(line).collect()
}

/// Number of characters that are seen: without the sequences that set colours.
pub(crate) fn seen(text: &str) -> usize {
    anstream::adapter::strip_str(text).map(|part| part.chars().count()).sum()
}
