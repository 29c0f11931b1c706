//! Lines of the line protocol: `measurement,tag=value field=number milliseconds`.
use crate::sink::sample::Entry;
use std::fmt::Write as _;

/// The line of a reading with its line end; `None` for an event, which has no number.
///
/// Tags are `meter`, and for what a tariff use case chose also `case` and `quality`. Fields are the exact decimals,
/// without the suffix that would make them integers: a field has one type for ever, and a meter that sends 230 today
/// sends 230.1 tomorrow.
pub(super) fn of(measurement: &str, entry: &Entry) -> Option<String> {
    let sample = entry.sample()?;
    let mut line = String::new();
    escape(&mut line, measurement, &[',', ' ']);
    tag(&mut line, "meter", &sample.meter);
    if let Entry::Measured { case, quality, .. } = entry {
        tag(&mut line, "case", case.code());
        tag(&mut line, "quality", quality.name());
    }
    let mut separator = ' ';
    for (label, point) in sample.labelled() {
        line.push(separator);
        separator = ',';
        escape(&mut line, &field(&label), &[',', '=', ' ']);
        let _ = write!(line, "={}", point.number);
    }
    if separator == ' ' {
        return None;
    }
    let _ = writeln!(line, " {}", sample.at.unix_ms);
    Some(line)
}

fn tag(line: &mut String, name: &str, value: &str) {
    let _ = write!(line, ",{name}=");
    escape(line, value, &[',', '=', ' ']);
}

/// The key of a field that is no tag's and none that the database keeps for itself.
fn field(label: &str) -> String {
    let reserved = ["meter", "case", "quality", "time"].contains(&label) || label.starts_with('_');
    match label {
        "" => "unnamed".to_owned(),
        label if reserved => format!("value_{}", label.trim_start_matches('_')),
        label => label.to_owned(),
    }
}

/// Writes a name. The protocol has no way to write a backslash before a separator, nor the end of a line: a backslash
/// becomes a slash, a control character a low line.
fn escape(line: &mut String, text: &str, special: &[char]) {
    for character in text.chars() {
        match character {
            '\\' => line.push('/'),
            character if character.is_control() => line.push('_'),
            character => {
                if special.contains(&character) {
                    line.push('\\');
                }
                line.push(character);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::sample::made::{START_MS, sample};
    use crate::store::{Mark, Quality, UseCase};
    use proptest::prelude::*;

    /// Names and what stands beside them.
    type Pairs = Vec<(String, String)>;

    /// Reads a line as the protocol says, knowing nothing of how it was written: measurement, tags, fields, time.
    fn parse(line: &str) -> (String, Pairs, Pairs, i64) {
        let parts = split(line.strip_suffix('\n').unwrap(), ' ');
        assert_eq!(parts.len(), 3, "{line:?}");
        let pair = |text: &String| {
            let pair = split(text, '=');
            assert_eq!(pair.len(), 2, "{line:?}");
            (plain(&pair[0]), plain(&pair[1]))
        };
        let head = split(&parts[0], ',');
        let tags = head[1..].iter().map(pair).collect();
        let fields = split(&parts[1], ',').iter().map(pair).collect();
        (plain(&head[0]), tags, fields, parts[2].parse().unwrap())
    }

    /// Splits at separators without a backslash before them.
    fn split(text: &str, separator: char) -> Vec<String> {
        let mut parts = vec![String::new()];
        let mut escaped = false;
        for character in text.chars() {
            if character == separator && !escaped {
                parts.push(String::new());
            } else {
                parts.last_mut().unwrap().push(character);
            }
            escaped = character == '\\' && !escaped;
        }
        parts
    }

    fn plain(text: &str) -> String {
        text.replace("\\,", ",").replace("\\=", "=").replace("\\ ", " ")
    }

    /// What of a name can be written.
    fn writable(text: &str) -> String {
        text.replace('\\', "/").replace(char::is_control, "_")
    }

    #[test]
    fn a_reading_is_one_line_of_floats() {
        let reading =
            sample(1, 0, &[("1-0:1.8.0", "5000 Wh"), ("1-0:16.7.0", "-0.309 W"), ("kmp:60", "16777217")]);
        assert_eq!(
            of("metergate", &Entry::Reading(reading.clone())).unwrap(),
            "metergate,meter=haus 1-0:1.8.0=5000,1-0:16.7.0=-0.309,kmp:60=16777217 1692199171000\n"
        );
        let measured = Entry::Measured {
            case: UseCase::Taf7LoadProfile,
            mark: Mark::from_unix_s(1_692_198_900),
            quality: Quality::Exact,
            clock_doubtful: false,
            sample: sample(1, 0, &[("1-0:1.8.0", "1 Wh")]),
        };
        assert_eq!(
            of("m", &measured).unwrap(),
            "m,meter=haus,case=taf7,quality=exact 1-0:1.8.0=1 1692199171000\n"
        );
        assert_eq!(of("m", &Entry::Reading(sample(1, 0, &[]))), None, "a line without a field is none");
    }

    #[test]
    fn no_field_has_the_name_of_a_tag() {
        let mut reading = sample(1, 0, &[("1.8.0", "1"), ("2.8.0", "2"), ("3.8.0", "3")]);
        for (point, name) in reading.points.iter_mut().zip(["meter", "time", "_field"]) {
            point.name = Some(name.into());
        }
        let line = of("m", &Entry::Reading(reading)).unwrap();
        assert_eq!(line, "m,meter=haus value_meter=1,value_time=2,value_field=3 1692199171000\n");
    }

    proptest! {
        #[test]
        fn whatever_names_hold_the_line_says_the_same(
            measurement in "[^\u{0}-\u{1f}#_].{0,12}",
            meter in ".{1,12}",
            names in proptest::collection::vec("[^_].{0,12}", 1..5),
            numbers in proptest::collection::vec((any::<i64>(), -20..20i8), 5),
        ) {
            let mut reading = sample(1, 0, &[("1.8.0", "1"), ("2.8.0", "1"), ("3.8.0", "1"), ("4.8.0", "1")]);
            reading.points.truncate(names.len());
            for (point, (name, (mantissa, scaler))) in reading.points.iter_mut().zip(names.iter().zip(&numbers)) {
                point.name = Some(name.as_str().into());
                point.number = metergate_reading::Number::new(*mantissa, *scaler);
            }
            reading.meter = meter.as_str().into();
            let expected: Pairs = reading
                .labelled()
                .into_iter()
                .map(|(label, point)| (writable(&field(&label)), point.number.to_string()))
                .collect();
            let line = of(&measurement, &Entry::Reading(reading)).unwrap();
            prop_assert_eq!(line.matches('\n').count(), 1);
            let (found, tags, fields, time) = parse(&line);
            prop_assert_eq!(found, writable(&measurement));
            prop_assert_eq!(tags, vec![("meter".to_owned(), writable(&meter))]);
            prop_assert_eq!(fields, expected);
            prop_assert_eq!(time, START_MS);
        }
    }
}
