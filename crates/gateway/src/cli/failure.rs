//! Why a command could not do what was asked.
use anstyle::{AnsiColor, Style};
use std::fmt;
use std::io::{self, Write};

/// Why a command could not do what was asked: a sentence, and if there is one, what to do next.
#[derive(Debug)]
pub struct Failure {
    message: String,
    help: Option<String>,
    broken_pipe: bool,
    more: Vec<Self>,
}

impl Failure {
    /// A failure with its sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, broken_pipe: false, more: Vec::new() }
    }

    /// The same with what to do next.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same and another one: all that is wrong is said at once.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.more.push(other);
        self
    }

    /// The sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next, if that is known.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// True when the reader of our output has gone.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }

    /// Writes it for people: `error:` and `help:`, as the compiler does.
    pub fn print(&self, to: &mut dyn Write) {
        let error: Style = AnsiColor::Red.on_default().bold();
        let help: Style = AnsiColor::Cyan.on_default().bold();
        // Nobody is left to be told when standard error does not work.
        let _ = writeln!(to, "{error}error:{error:#} {}", self.message);
        if let Some(text) = &self.help {
            let _ = writeln!(to, " {help}help:{help:#} {text}");
        }
        self.more.iter().for_each(|failure| failure.print(to));
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.iter().try_for_each(|help| write!(f, " ({help})"))?;
        self.more.iter().try_for_each(|failure| write!(f, "\n{failure}"))
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { broken_pipe: error.kind() == io::ErrorKind::BrokenPipe, ..Self::new(error.to_string()) }
    }
}
