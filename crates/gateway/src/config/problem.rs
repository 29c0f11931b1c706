//! What is wrong in a configuration, said so that a person can put it right.
use crate::cli::Failure;

/// One thing that is wrong: where, what, and the likely fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// `metergate.toml:12`, or whatever the value came from.
    pub(crate) place: String,
    /// `meter.haus.baud`; empty when it is about the file.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        let mut problems = problems.into_iter().map(|problem| {
            let key = if problem.key.is_empty() { String::new() } else { format!("{}: ", problem.key) };
            let failure = Self::new(format!("{}: {key}{}", problem.place, problem.message));
            match problem.help {
                Some(help) => failure.with_help(help),
                None => failure,
            }
        });
        let first = problems.next().unwrap_or_else(|| Self::new("the configuration is wrong"));
        problems.fold(first, Self::and)
    }
}

/// What people call a thing in other programs, and its name here.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("authentication_key", "auth_key"),
    ("baudrate", "baud"),
    ("baud_rate", "baud"),
    ("bytesize", "data_bits"),
    ("ca_cert", "ca"),
    ("ca_file", "ca"),
    ("cafile", "ca"),
    ("cert", "client_cert"),
    ("client", "meter"),
    ("clients", "meter"),
    ("databits", "data_bits"),
    ("decryption_key", "key"),
    ("device", "port"),
    ("dir", "directory"),
    ("encryption_key", "key"),
    ("folder", "directory"),
    ("gak", "auth_key"),
    ("guek", "key"),
    ("homie", "sink"),
    ("host", "url"),
    ("layouts", "layout"),
    ("meters", "meter"),
    ("output", "sink"),
    ("pass", "password"),
    ("passwd", "password"),
    ("path", "port"),
    ("serial", "port"),
    ("server", "url"),
    ("sinks", "sink"),
    ("speed", "baud"),
    ("stopbits", "stop_bits"),
    ("tty", "port"),
    ("type", "kind"),
    ("url", "port"),
    ("user", "username"),
];

/// The known name that was most likely meant.
pub(crate) fn meant<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    let typed = typed.to_ascii_lowercase().replace('-', "_");
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == typed).map(|(_, ours)| *ours);
    if let Some(ours) = other.and_then(|ours| known.iter().find(|name| **name == ours)) {
        return Some(ours);
    }
    // One slip in a short word, two in a long one.
    let slips = if typed.len() < 5 { 1 } else { 2 };
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&typed, &name.to_ascii_lowercase().replace('-', "_")), name))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The same as a question, or the list of what there is.
pub(crate) fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match meant(typed, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_the_words_of_other_programs_are_understood() {
        assert_eq!(meant("bod", ["baud", "port"]), None);
        assert_eq!(meant("buad", ["baud", "port"]), Some("baud"));
        assert_eq!(meant("auth-key", ["auth_key", "key"]), Some("auth_key"));
        assert_eq!(meant("guek", ["auth_key", "key"]), Some("key"));
        assert_eq!(meant("client", ["meter", "sink"]), Some("meter"));
        assert_eq!(did_you_mean("xyz", ["meter", "sink"]), "known are meter, sink");
    }
}
