//! What `InfluxDB` 3 says of a write that it has taken in part.
use crate::net::http::{Answer, reason};
use reqwest::StatusCode;
use serde::Deserialize;

/// Longest answer that is read: a hundred lines of 500 registers with the reason for each.
pub(super) const ANSWER_LEN_MAX: usize = 1 << 20;

/// The database tells of so many lines at most, and says nothing of others that it has refused as well.
const TOLD_MAX: usize = 100;

/// What stands in `error` when the other lines are written.
const PARTIAL: &str = "partial write of line protocol occurred";

#[derive(Deserialize)]
struct Said {
    error: String,
    data: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    /// From 1.
    line_number: usize,
    error_message: String,
}

/// What an answer to some lines means; `None` where the status says it all. `places`: which entry each line stands for.
///
/// `{"error":"partial write of line protocol occurred","data":[{"original_line":"...","line_number":2,
/// "error_message":"..."}]}` refuses those lines; the others are the database's. When it may have left some out, the
/// status counts, and the bad ones are searched for by halves.
pub(super) fn of(status: StatusCode, said: &str, places: &[usize]) -> Option<Answer> {
    if status != StatusCode::BAD_REQUEST {
        return None;
    }
    let Said { error, data } = serde_json::from_str(said).ok()?;
    if error != PARTIAL || data.is_empty() || (data.len() >= TOLD_MAX && data.len() < places.len()) {
        return None;
    }
    let refused = data.into_iter().map(|Line { line_number, error_message }| {
        let place = places.get(line_number.checked_sub(1)?)?;
        Some((*place, format!("the database refuses it: {}", reason(&error_message))))
    });
    refused.collect::<Option<_>>().map(Answer::Partly)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(said: &str, places: &[usize]) -> Option<Vec<(usize, String)>> {
        match super::of(StatusCode::BAD_REQUEST, said, places) {
            Some(Answer::Partly(refused)) => Some(refused),
            None => None,
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_are_counted_from_one_and_stand_for_their_entries() {
        let said = r#"{"error":"partial write of line protocol occurred","data":[{"original_line":"m a=\"x\" 1",
            "line_number":2,"error_message":"invalid column type for column 'a'"}]}"#;
        let why = "the database refuses it: invalid column type for column 'a'".to_owned();
        // The second entry is an event and has no line.
        assert_eq!(of(said, &[0, 2]), Some(vec![(2, why)]));
        assert_eq!(of(said, &[0]), None, "there is no second line");
    }

    #[test]
    fn what_does_not_say_which_lines_are_written_says_nothing() {
        for said in [
            "",
            "partial write of line protocol occurred",
            r#"{"error":"partial write of line protocol occurred","data":[]}"#,
            r#"{"error":"partial write of line protocol occurred","data":null}"#,
            r#"{"error":"partial write of line protocol occurred","data":[{"line_number":0,"error_message":"x"}]}"#,
            r#"{"error":"parsing failed for write_lp endpoint","data":[{"line_number":1,"error_message":"x"}]}"#,
        ] {
            assert_eq!(of(said, &[0, 1]), None, "{said}");
        }
        let line = r#"{"line_number":1,"error_message":"x"}"#;
        let many = vec![line; 100].join(",");
        let said = format!(r#"{{"error":"{PARTIAL}","data":[{many}]}}"#);
        assert_eq!(of(&said, &(0..101).collect::<Vec<_>>()), None, "there may be more");
        assert!(of(&said, &(0..100).collect::<Vec<_>>()).is_some());
        assert!(super::of(StatusCode::NOT_FOUND, &said, &[0]).is_none());
    }
}
