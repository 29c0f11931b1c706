//! What can go wrong with a store.
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What can go wrong with a store.
#[derive(Debug)]
pub enum StoreError {
    /// A newer metergate wrote the file.
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The highest version that this program knows.
        known: i64,
    },
    /// Another process has the store open for writing.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// There is no store in the file yet.
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// SQLite says no.
    Sqlite {
        /// What was tried, such as `committing to`.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The system says no.
    Io {
        /// What was tried, such as `opening`.
        doing: &'static str,
        /// With this file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something in the file is not what this program writes.
    Damaged {
        /// What it is, such as `block 17`.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

impl StoreError {
    /// True when the file itself is damaged, so that no further try mends it.
    pub(super) fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Sqlite { source, .. } => {
                matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
            }
            Self::Damaged { .. } => true,
            _ => false,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerSchema { path, found, known } => write!(
                f,
                "{}: written by a newer metergate (schema {found}, this program knows up to {known})",
                path.display()
            ),
            Self::InUse { path } => write!(f, "{}: another metergate writes this store", path.display()),
            Self::Absent { path } => write!(f, "{}: there is no store here", path.display()),
            Self::Sqlite { doing, source } => write!(f, "{doing} the store: {source}"),
            Self::Io { doing, path, source } => write!(f, "{doing} {}: {source}", path.display()),
            Self::Damaged { what, why } => write!(f, "{what} of the store is damaged: {why}"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Sqlite { source, .. } => Some(source),
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Says what was tried when SQLite fails.
pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, rusqlite::Error> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Sqlite { doing, source })
    }
}
