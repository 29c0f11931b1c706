//! The monthly files of a folder, for who looks after them: listed, fetched, deleted, put in.
//!
//! A file is asked for by its name, and a name is `YYYY_MM.CSV` or `YYYY_MM_N.CSV` and nothing else: no path leads out
//! of the folder.
use super::month_file::parse_name;
use super::row::{HEADER, UTC_COLUMN};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Files of one folder that are listed: more than 20 years of months that fill two files each.
const FILES_MAX: usize = 500;

/// Largest file that is taken: a line a second makes 250 MB a month, which our own files divide by three.
pub(crate) const LEN_MAX: u64 = 256 << 20;

/// A folder of monthly files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shelf {
    directory: PathBuf,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its name.
    pub(crate) name: String,
    /// Its length in bytes.
    pub(crate) len: u64,
    /// It is the latest, which the sink may be writing: it is not deleted.
    pub(crate) is_open: bool,
}

/// Space of the disk in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    /// For everybody.
    pub(crate) total: u64,
    /// For the gateway.
    pub(crate) free: u64,
}

/// Why a file is not what was asked for.
#[derive(Debug)]
pub(crate) enum ShelfError {
    /// It is no name of a monthly file.
    Name,
    /// There is no such file.
    Absent,
    /// There is one already, or a later one: the sink goes on in the latest.
    Taken,
    /// It is the latest, which the sink may be writing.
    Open,
    /// Its first line does not have the columns of a monthly file.
    Columns,
    /// It is longer than [`LEN_MAX`].
    Long,
    /// What the system says.
    Io(io::Error),
}

impl From<io::Error> for ShelfError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Absent } else { Self::Io(error) }
    }
}

impl Shelf {
    /// The files of a folder.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The files, the latest first, at most 500; none in a folder that is not there yet.
    ///
    /// # Errors
    /// [`ShelfError::Io`].
    pub(crate) fn list(&self) -> Result<Vec<Listed>, ShelfError> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            // A link may lead anywhere.
            if let (Some(age), true) = (parse_name(&name), entry.file_type()?.is_file()) {
                files.push((age, Listed { name, len: entry.metadata()?.len(), is_open: false }));
            }
        }
        files.sort_by(|(one, _), (other, _)| other.cmp(one));
        files.truncate(FILES_MAX);
        let mut files: Vec<Listed> = files.into_iter().map(|(_, file)| file).collect();
        files.iter_mut().take(1).for_each(|latest| latest.is_open = true);
        Ok(files)
    }

    /// The space of its disk, or of that of the nearest folder above that is there.
    pub(crate) fn space(&self) -> Option<Space> {
        let there = self.directory.ancestors().find(|folder| folder.exists())?;
        let disk = rustix::fs::statvfs(there).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Some(Space { total: bytes(disk.f_blocks), free: bytes(disk.f_bavail) })
    }

    /// Where a file is.
    ///
    /// # Errors
    /// [`ShelfError::Name`] and [`ShelfError::Absent`].
    pub(crate) fn find(&self, name: &str) -> Result<PathBuf, ShelfError> {
        parse_name(name).ok_or(ShelfError::Name)?;
        let path = self.directory.join(name);
        if fs::symlink_metadata(&path)?.is_file() { Ok(path) } else { Err(ShelfError::Absent) }
    }

    /// Deletes a file, but not the latest.
    ///
    /// # Errors
    /// [`ShelfError::Open`], and those of [`find`](Self::find).
    pub(crate) fn delete(&self, name: &str) -> Result<(), ShelfError> {
        let path = self.find(name)?;
        if self.list()?.first().is_some_and(|latest| latest.name == name) {
            return Err(ShelfError::Open);
        }
        Ok(fs::remove_file(path)?)
    }

    /// Begins to take a file.
    ///
    /// # Errors
    /// [`ShelfError::Name`], and [`ShelfError::Taken`] for one that is there or would be the latest of others.
    pub(crate) fn receive(&self, name: &str) -> Result<Receiving, ShelfError> {
        let age = parse_name(name).ok_or(ShelfError::Name)?;
        let latest = self.list()?.first().and_then(|latest| parse_name(&latest.name));
        let path = self.directory.join(name);
        if latest.is_some_and(|latest| age >= latest) || fs::symlink_metadata(&path).is_ok() {
            return Err(ShelfError::Taken);
        }
        fs::create_dir_all(&self.directory)?;
        Ok(Receiving { file: NamedTempFile::new_in(&self.directory)?, path, len: 0 })
    }
}

/// A file on its way in; dropped, it was never there.
#[derive(Debug)]
pub(crate) struct Receiving {
    file: NamedTempFile,
    path: PathBuf,
    len: u64,
}

impl Receiving {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`ShelfError::Long`] and [`ShelfError::Io`].
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<(), ShelfError> {
        self.len = self.len.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if self.len > LEN_MAX {
            return Err(ShelfError::Long);
        }
        Ok(self.file.write_all(piece)?)
    }

    /// Puts it on the shelf, if it is what it should be.
    ///
    /// # Errors
    /// [`ShelfError::Columns`], and [`ShelfError::Taken`] when somebody was quicker.
    pub(crate) fn finish(mut self) -> Result<(), ShelfError> {
        self.file.flush()?;
        if !has_columns(self.file.path())? {
            return Err(ShelfError::Columns);
        }
        self.file.as_file().sync_all()?;
        self.file.persist_noclobber(&self.path).map(drop).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => ShelfError::Taken,
            _ => ShelfError::Io(error.error),
        })
    }
}

/// Whether a file begins with the line of columns, with or without the further one.
fn has_columns(path: &Path) -> io::Result<bool> {
    let mut line = Vec::new();
    // One byte more than the longest such line tells it from a longer one.
    let longest = u64::try_from(HEADER.len() + UTC_COLUMN.len() + 3).unwrap_or(u64::MAX);
    BufReader::new(io::Read::take(File::open(path)?, longest)).read_until(b'\n', &mut line)?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(line.strip_suffix(UTC_COLUMN.as_bytes()).unwrap_or(line) == HEADER.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> (tempfile::TempDir, Shelf) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["2026_03.CSV", "2026_04.CSV", "2026_04_2.CSV", "notes.txt"] {
            fs::write(folder.path().join(name), format!("{HEADER}\n")).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("2025_01.CSV")).unwrap();
        let shelf = Shelf::new(folder.path().to_owned());
        (folder, shelf)
    }

    #[test]
    fn the_files_are_listed_with_the_latest_first_and_nothing_else_is() {
        let (_folder, shelf) = shelf();
        let listed = shelf.list().unwrap();
        let names: Vec<(&str, bool)> = listed.iter().map(|file| (file.name.as_str(), file.is_open)).collect();
        assert_eq!(names, [("2026_04_2.CSV", true), ("2026_04.CSV", false), ("2026_03.CSV", false)]);
        let space = shelf.space().unwrap();
        assert!(space.free <= space.total && space.total > 0);
        let absent = Shelf::new("/nothing/here".into());
        assert_eq!(absent.list().unwrap(), []);
        assert!(absent.space().is_some(), "of the disk that it would be on");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let (_folder, shelf) = shelf();
        for name in [
            "../2026_03.CSV",
            "/etc/passwd",
            "notes.txt",
            "2026_03.CSV/..",
            "2026_03.csv",
            "",
            "2026_03.CSV\0",
        ] {
            assert!(matches!(shelf.find(name), Err(ShelfError::Name)), "{name}");
            assert!(matches!(shelf.delete(name), Err(ShelfError::Name)), "{name}");
            assert!(matches!(shelf.receive(name), Err(ShelfError::Name)), "{name}");
        }
        assert!(matches!(shelf.find("2025_01.CSV"), Err(ShelfError::Absent)), "a link is no file of ours");
        assert!(matches!(shelf.find("2024_01.CSV"), Err(ShelfError::Absent)));
    }

    #[test]
    fn an_old_file_is_deleted_and_the_latest_is_not() {
        let (folder, shelf) = shelf();
        shelf.delete("2026_03.CSV").unwrap();
        assert!(!folder.path().join("2026_03.CSV").exists());
        assert!(matches!(shelf.delete("2026_04_2.CSV"), Err(ShelfError::Open)));
        assert!(matches!(shelf.delete("2026_03.CSV"), Err(ShelfError::Absent)));
    }

    #[test]
    fn a_file_is_taken_whole_with_the_right_columns_and_replaces_none() {
        let (folder, shelf) = shelf();
        assert!(matches!(shelf.receive("2026_03.CSV"), Err(ShelfError::Taken)));
        assert!(matches!(shelf.receive("2026_05.CSV"), Err(ShelfError::Taken)), "the sink would go on in it");
        let mut torn = shelf.receive("2026_02.CSV").unwrap();
        torn.take(HEADER.as_bytes()).unwrap();
        drop(torn);
        let mut wrong = shelf.receive("2026_02.CSV").unwrap();
        wrong.take(b"a;b;c\n").unwrap();
        assert!(matches!(wrong.finish(), Err(ShelfError::Columns)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5, "nothing is left of either");
        for (name, end) in [("2026_02.CSV", "\r\n1;2\r\n"), ("2026_01.CSV", ";UTC\n")] {
            let mut right = shelf.receive(name).unwrap();
            right.take(HEADER.as_bytes()).unwrap();
            right.take(end.as_bytes()).unwrap();
            right.finish().unwrap();
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), format!("{HEADER}{end}"));
        }
    }
}
