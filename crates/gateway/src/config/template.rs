//! A text with places that are filled in from a reading: the body of a request that some other program dictates.
use crate::sink::{Entry, Sample};
use jiff::Timestamp;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, context};
use std::sync::Arc;

/// The body of a request, in the language of Jinja, checked to be right as far as that is possible without a reading.
///
/// `{{ meter }}`, `{{ time }}`, `{{ unix_s }}`, `{{ unix_ms }}`, `{{ seq }}`, `{{ value("1.8.0") }}` (an exact
/// decimal), `{{ unit("1.8.0") }}`, `{% if has("2.8.0") %}`, and `registers` for loops, each with `label`, `value`,
/// `unit` and `derived`. What a reading does not have is an error, never an empty place: the entry is refused.
///
/// ```
/// use metergate_gateway::config::Template;
///
/// assert!(Template::new("{{ value(\"1.8.0\") }} at {{ time }}", "text/plain").is_ok());
/// assert_eq!(Template::new("a\n{{ value(", "text/plain").unwrap_err(), "line 2: unexpected end of input, expected expression");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    content_type: String,
}

/// Instructions of one filling; the longest useful template, a loop over 100 registers, takes 2000.
const FUEL: u64 = 100_000;

impl Template {
    /// A template from its text.
    ///
    /// # Errors
    /// A sentence with the line, when the text is not in the language.
    pub fn new(text: &str, content_type: &str) -> Result<Self, String> {
        environment().template_from_str(text).map_err(|error| sentence(&error))?;
        Ok(Self { text: text.to_owned(), content_type: content_type.to_owned() })
    }

    /// The type of the content, as in the header of a request.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The text for one entry.
    ///
    /// # Errors
    /// A sentence, when the entry does not have what the template wants, or when what should be JSON is none.
    pub fn fill(&self, entry: &Entry) -> Result<String, String> {
        let filled =
            environment().render_str(&self.text, context_of(entry)).map_err(|error| sentence(&error))?;
        let is_json = self.content_type.starts_with("application/json");
        if is_json && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&filled) {
            return Err(format!("the filled template is no JSON: {error}"));
        }
        Ok(filled)
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment
}

fn context_of(entry: &Entry) -> Value {
    let time =
        |unix_ms: i64| Timestamp::from_millisecond(unix_ms).map(|at| at.to_string()).unwrap_or_default();
    let of_sample = |sample: &Sample| {
        let registers: Vec<Value> = sample
            .labelled()
            .into_iter()
            .map(|(label, point)| {
                context! {
                    label => label,
                    value => point.number.to_string(),
                    unit => point.unit_text(),
                    derived => point.derived,
                }
            })
            .collect();
        let shared = Arc::new(sample.clone());
        let (for_value, for_unit, for_has) = (Arc::clone(&shared), Arc::clone(&shared), shared);
        context! {
            meter => &*sample.meter,
            seq => sample.seq,
            time => time(sample.at.unix_ms),
            unix_ms => sample.at.unix_ms,
            unix_s => sample.at.unix_ms.div_euclid(1000),
            registers => registers,
            value => Value::from_function(move |code: String| {
                found(&for_value, &code).map(|point| Value::from_safe_string(point.number.to_string()))
            }),
            unit => Value::from_function(move |code: String| found(&for_unit, &code).map(super::super::sink::Point::unit_text)),
            has => Value::from_function(move |code: String| pattern(&code).map(|pattern| by_pattern(&for_has, pattern).is_some())),
        }
    };
    match entry {
        Entry::Reading(sample) => context! { kind => "reading", ..of_sample(sample) },
        Entry::Measured { case, mark, quality, sample, .. } => context! {
            kind => "measured",
            case => case.code(),
            mark => time(mark.unix_s().saturating_mul(1000)),
            quality => quality.name(),
            ..of_sample(sample)
        },
        Entry::Event(event) => context! {
            kind => "event",
            seq => event.seq,
            time => time(event.at.unix_ms),
            unix_ms => event.at.unix_ms,
            unix_s => event.at.unix_ms.div_euclid(1000),
            code => event.code.text(),
            about => event.about.as_deref(),
            detail => event.detail.as_str(),
            count => event.count,
        },
    }
}

fn pattern(code: &str) -> Result<super::RegisterPattern, Error> {
    code.parse().map_err(|message: String| Error::new(ErrorKind::InvalidOperation, message))
}

fn by_pattern(sample: &Sample, pattern: super::RegisterPattern) -> Option<&crate::sink::Point> {
    sample.points.iter().find(|point| point.register.obis().is_some_and(|code| pattern.fits(code)))
}

fn found<'a>(sample: &'a Sample, code: &str) -> Result<&'a crate::sink::Point, Error> {
    by_pattern(sample, pattern(code)?).ok_or_else(|| {
        let message = format!("the reading of {} has no {code}; ask with has(\"{code}\")", sample.meter);
        Error::new(ErrorKind::UndefinedError, message)
    })
}

/// What is wrong, with its line where that says something.
fn sentence(error: &Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("line {line}: {what}"),
        None => what,
    }
}
