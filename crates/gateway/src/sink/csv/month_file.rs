//! One file of one month: found again, repaired, appended to, and kept within its bounds.
use super::row::{Format, HEADER, Month, UTC_COLUMN};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Parts that one month may have.
const PARTS_MAX: u16 = 999;

/// The end of a file that is looked at for a torn line. The longest line is below 400 bytes.
const TAIL_LEN: u64 = 4096;

/// The end of a file whose lines are known when it is opened: more than a batch of the store.
const KNOWN_LEN: u64 = 128 * 1024;

/// An open file.
#[derive(Debug)]
pub(super) struct MonthFile {
    file: File,
    directory: PathBuf,
    path: PathBuf,
    month: Month,
    format: Format,
    len: u64,
    /// Line end of the file as it was found.
    line_end: &'static str,
    limits: Limits,
    dirty: bool,
    /// The last lines that the file had when it was opened, until a line comes that is not among them.
    known: HashSet<String>,
}

/// Bounds of the files in a folder, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// A month that fills this goes on in another part.
    pub(super) file_len_max: u64,
    /// With less free space than this the oldest month is deleted.
    pub(super) free_space_min: u64,
}

impl MonthFile {
    /// Opens the file of a month, which may have been begun by someone else with the same columns.
    pub(super) fn open(directory: &Path, month: Month, format: Format, limits: Limits) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        for part in 1..=PARTS_MAX {
            let path = directory.join(file_name(month, part));
            let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
            let len = repair(&mut file, &path)?;
            let (found, line_end) = match len {
                0 => (Some(format), "\n"),
                _ => read_header(&mut file, format)?,
            };
            let Some(found) = found else {
                tracing::warn!(file = %path.display(), "has other columns; the next part is used");
                continue;
            };
            if len >= limits.file_len_max {
                continue;
            }
            let directory = directory.to_owned();
            let known = last_lines(&file, len)?;
            let mut open = Self {
                file,
                directory,
                path,
                month,
                format: found,
                len,
                line_end,
                limits,
                dirty: false,
                known,
            };
            if len == 0 {
                let utc = if found.utc_column { UTC_COLUMN } else { "" };
                open.append(&format!("{HEADER}{utc}"))?;
                open.sync()?;
            }
            return Ok(open);
        }
        Err(io::Error::other(format!("all {PARTS_MAX} parts of the month are full")))
    }

    /// The columns that this file was begun with.
    pub(super) const fn format(&self) -> Format {
        self.format
    }

    /// True when a line of that month goes here.
    pub(super) fn takes(&self, month: Month) -> bool {
        self.month == month && self.len < self.limits.file_len_max
    }

    /// Appends a line in one piece, unless the file had it among its last when it was opened: after a crash the store
    /// gives again what it does not know to be here.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        if self.known.contains(line) {
            return Ok(());
        }
        self.known = HashSet::new();
        let line = format!("{line}{}", self.line_end);
        self.file.write_all(line.as_bytes())?;
        self.len += line.len() as u64;
        self.dirty = true;
        Ok(())
    }

    /// Writes what was appended to the disk, and makes room when space runs short.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            self.dirty = false;
            self.make_room()?;
        }
        Ok(())
    }

    /// Deletes the oldest months of this folder while space is short; never the one being written.
    fn make_room(&self) -> io::Result<()> {
        for _ in 0..PARTS_MAX {
            let space = rustix::fs::statvfs(&self.directory)?;
            if space.f_bavail.saturating_mul(space.f_frsize) >= self.limits.free_space_min {
                return Ok(());
            }
            let Some(oldest) = oldest_file(&self.directory, &self.path)? else { return Ok(()) };
            tracing::warn!(file = %oldest.display(), "deleted to make room: the disk is nearly full");
            fs::remove_file(oldest)?;
        }
        Ok(())
    }
}

fn file_name(month: Month, part: u16) -> String {
    let Month { year, month } = month;
    match part {
        1 => format!("{year:04}_{month:02}.CSV"),
        _ => format!("{year:04}_{month:02}_{part}.CSV"),
    }
}

/// The oldest file of our naming but `current`.
fn oldest_file(directory: &Path, current: &Path) -> io::Result<Option<PathBuf>> {
    let mut oldest: Option<((u16, u8, u16), PathBuf)> = None;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let Some(age) = path.file_name().and_then(|name| name.to_str()).and_then(parse_name) else {
            continue;
        };
        if path != current && oldest.as_ref().is_none_or(|(known, _)| age < *known) {
            oldest = Some((age, path));
        }
    }
    Ok(oldest.map(|(_, path)| path))
}

/// Year, month and part of `YYYY_MM.CSV` or `YYYY_MM_N.CSV`; whatever else lies in the folder is not ours.
pub(super) fn parse_name(name: &str) -> Option<(u16, u8, u16)> {
    let mut parts = name.strip_suffix(".CSV")?.split('_');
    let (year, month) = (parts.next()?, parts.next()?);
    let part = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    let is_name = year.len() == 4 && month.len() == 2 && parts.next().is_none();
    is_name.then_some((year.parse().ok()?, month.parse().ok()?, part))
}

/// Cuts off what a power cut left behind the last whole line, and returns the length that is left.
///
/// A line without its end is cut, because nobody can tell `12` from the beginning of `1234`. Zero bytes are what some
/// file systems leave in place of data that never reached the disk.
fn repair(file: &mut File, path: &Path) -> io::Result<u64> {
    let len = file.metadata()?.len();
    let mut end = len;
    while end > 0 {
        let from = end.saturating_sub(TAIL_LEN);
        let mut tail = vec![0; usize::try_from(end - from).unwrap_or(0)];
        file.read_exact_at(&mut tail, from)?;
        if let Some(hole) = tail.iter().position(|&byte| byte == 0) {
            // Nothing behind a hole can be trusted, not even a whole line.
            end = from + hole as u64;
        } else if let Some(line_end) = tail.iter().rposition(|&byte| byte == b'\n') {
            end = from + line_end as u64 + 1;
            break;
        } else {
            end = from;
        }
    }
    if end < len {
        tracing::warn!(file = %path.display(), bytes = len - end, "cut off a line that a power cut had torn");
        file.set_len(end)?;
        file.sync_data()?;
    }
    Ok(end)
}

/// The last lines of a file, without their ends and without the first, which may be cut.
fn last_lines(file: &File, len: u64) -> io::Result<HashSet<String>> {
    let from = len.saturating_sub(KNOWN_LEN);
    let mut tail = vec![0; usize::try_from(len - from).unwrap_or(0)];
    file.read_exact_at(&mut tail, from)?;
    let text = String::from_utf8_lossy(&tail);
    Ok(text.lines().skip(1).map(ToOwned::to_owned).collect())
}

/// The columns a file was begun with, if they are ours, and its line end.
fn read_header(file: &mut File, wanted: Format) -> io::Result<(Option<Format>, &'static str)> {
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    Read::by_ref(file).take(256).read_to_end(&mut start)?;
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let (line, line_end) = match line.strip_suffix(b"\r") {
        Some(line) => (line, "\r\n"),
        None => (line, "\n"),
    };
    let plain = line == HEADER.as_bytes();
    let with_utc = line.strip_suffix(UTC_COLUMN.as_bytes()) == Some(HEADER.as_bytes());
    Ok(((plain || with_utc).then_some(Format { utc_column: with_utc, ..wanted }), line_end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONTH: Month = Month { year: 2022, month: 2 };
    const LIMITS: Limits = Limits { file_len_max: 1 << 20, free_space_min: 0 };
    const FORMAT: Format = Format { utc_column: false, decimal_comma: true };

    fn repaired(content: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2022_02.CSV");
        fs::write(&path, content).unwrap();
        let mut file = OpenOptions::new().read(true).append(true).open(&path).unwrap();
        let len = repair(&mut file, &path).unwrap();
        let left = fs::read(&path).unwrap();
        assert_eq!(left.len() as u64, len);
        left
    }

    #[test]
    fn a_torn_last_line_is_cut_off_at_every_length() {
        let whole = b"HEADER\n1;2;3\n4;5;6\n";
        for len in 0..=whole.len() {
            let torn = &whole[..len];
            let expected = torn.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            assert_eq!(repaired(torn), torn[..expected]);
        }
    }

    #[test]
    fn zeros_in_place_of_lost_data_are_cut_off() {
        let mut holed = b"HEADER\n1;2;3\n4;5".to_vec();
        holed.extend([0; 9000]);
        assert_eq!(repaired(&holed), b"HEADER\n1;2;3\n");
        holed.extend(b"7;8;9\n");
        assert_eq!(repaired(&holed), b"HEADER\n1;2;3\n");
        assert_eq!(repaired(&[0; 5000]), b"");
    }

    #[test]
    fn a_long_line_without_an_end_is_cut_off_whole() {
        let mut torn = b"HEADER\n".to_vec();
        torn.extend([b'9'; 10_000]);
        assert_eq!(repaired(&torn), b"HEADER\n");
    }

    #[test]
    fn a_file_begun_on_another_system_goes_on_with_its_line_end_and_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2022_02.CSV");
        fs::write(&path, format!("{HEADER}\r\n1;2\r\n3")).unwrap();
        let wanted = Format { utc_column: true, ..FORMAT };
        let mut open = MonthFile::open(folder.path(), MONTH, wanted, LIMITS).unwrap();
        assert!(!open.format().utc_column, "the month goes on as it began");
        open.append("4;5").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}\r\n1;2\r\n4;5\r\n"));
    }

    #[test]
    fn a_file_with_other_columns_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("2022_02.CSV"), "mine\n").unwrap();
        let open = MonthFile::open(folder.path(), MONTH, FORMAT, LIMITS).unwrap();
        assert_eq!(open.path.file_name().unwrap(), "2022_02_2.CSV");
        assert_eq!(fs::read_to_string(folder.path().join("2022_02.CSV")).unwrap(), "mine\n");
    }

    #[test]
    fn a_full_file_goes_on_in_the_next_part() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { file_len_max: 90, free_space_min: 0 };
        let mut open = MonthFile::open(folder.path(), MONTH, FORMAT, limits).unwrap();
        assert!(open.takes(MONTH));
        open.append(&"9".repeat(20)).unwrap();
        assert!(!open.takes(MONTH));
        let next = MonthFile::open(folder.path(), MONTH, FORMAT, limits).unwrap();
        assert_eq!(next.path.file_name().unwrap(), "2022_02_2.CSV");
    }

    #[test]
    fn when_space_is_short_the_oldest_month_goes_first_and_never_the_current_one() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["2021_12.CSV", "2022_01.CSV", "notes.txt", "1999_1.CSV", "abcd_01.CSV"] {
            fs::write(folder.path().join(name), "x\n").unwrap();
        }
        assert_eq!(
            oldest_file(folder.path(), &folder.path().join("2022_02.CSV"))
                .unwrap()
                .unwrap()
                .file_name()
                .unwrap(),
            "2021_12.CSV"
        );
        // More than any disk has: everything of ours must go but the file being written.
        let limits = Limits { file_len_max: 1 << 20, free_space_min: u64::MAX };
        drop(MonthFile::open(folder.path(), MONTH, FORMAT, limits).unwrap());
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["1999_1.CSV", "2022_02.CSV", "abcd_01.CSV", "notes.txt"]);
    }
}
