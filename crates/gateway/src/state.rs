//! Small files that must survive a crash: written whole or not at all.
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Replaces a file by new content in one step; only the owner may read it.
///
/// After a crash or a power cut the file has its old or its new content, never a mixture: the content goes to a
/// neighbour first and reaches the disk before the neighbour takes the name.
///
/// # Errors
/// What the system says; the old content is still there.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let neighbour = folder.join(name);
    // One that a crash left behind may have other permissions.
    match fs::remove_file(&neighbour) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&neighbour)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&neighbour, path)?;
    // The new name is on the disk once the folder is.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_content_is_replaced_and_only_the_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state").join("counters.json");
        for content in ["old", "new"] {
            replace(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no neighbour is left");
    }

    #[test]
    fn a_neighbour_that_a_crash_left_behind_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counters.json");
        fs::write(folder.path().join("counters.json.new"), "half").unwrap();
        replace(&path, b"whole").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
    }
}
