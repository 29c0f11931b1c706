//! Where a value was written down.
use std::fmt;

/// Everything that values came from.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Place>);

#[derive(Debug)]
enum Place {
    File { name: String, line_starts: Vec<usize>, is_private: bool },
    Variable(String),
    Credential(String),
}

/// A byte of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    source: usize,
    at: usize,
}

impl Sources {
    /// Adds a file; the text is not kept, since it may hold keys.
    ///
    /// `is_private`: others cannot read it.
    pub(crate) fn file(
        &mut self,
        name: String,
        text: &str,
        is_private: bool,
    ) -> impl Fn(usize) -> Origin + Copy + use<> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(ends).collect();
        self.0.push(Place::File { name, line_starts, is_private });
        let source = self.0.len() - 1;
        move |at| Origin { source, at }
    }

    /// Adds an environment variable.
    pub(crate) fn variable(&mut self, name: &str) -> Origin {
        self.0.push(Place::Variable(name.to_owned()));
        Origin { source: self.0.len() - 1, at: 0 }
    }

    /// Adds a credential of systemd.
    pub(crate) fn credential(&mut self, name: &str) -> Origin {
        self.0.push(Place::Credential(name.to_owned()));
        Origin { source: self.0.len() - 1, at: 0 }
    }

    /// The beginning of the first source: for what is missing altogether.
    pub(crate) fn head(&self) -> Origin {
        Origin { source: 0, at: 0 }
    }

    /// False for a file that everybody on this host can read.
    pub(crate) fn is_private(&self, origin: Origin) -> bool {
        !matches!(self.0.get(origin.source), Some(Place::File { is_private: false, .. }))
    }

    /// True when all values of this source are texts, whatever they mean.
    pub(crate) fn is_untyped(&self, origin: Origin) -> bool {
        !matches!(self.0.get(origin.source), Some(Place::File { .. }))
    }

    /// `metergate.toml:12`, or the name of the variable.
    pub(crate) fn show(&self, origin: Origin) -> impl fmt::Display + use<'_> {
        fmt::from_fn(move |f| match self.0.get(origin.source) {
            None => f.write_str("configuration"),
            Some(Place::Variable(name)) => write!(f, "environment variable {name}"),
            Some(Place::Credential(name)) => write!(f, "credential {name}"),
            Some(Place::File { name, line_starts, .. }) => {
                write!(f, "{name}:{}", line_starts.partition_point(|start| *start <= origin.at))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_from_one() {
        let mut sources = Sources::default();
        let at = sources.file("a.toml".into(), "x = 1\ny = 2\n", true);
        assert_eq!(sources.show(at(0)).to_string(), "a.toml:1");
        assert_eq!(sources.show(at(5)).to_string(), "a.toml:1");
        assert_eq!(sources.show(at(6)).to_string(), "a.toml:2");
        assert_eq!(sources.show(at(99)).to_string(), "a.toml:3");
    }
}
