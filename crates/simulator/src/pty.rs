//! A pseudo-terminal that looks like the serial port of a meter.
use metergate_meter::LineSettings;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The meter's end of a pseudo-terminal. The reader's end is a device under `/dev/pts`, and optionally a link to it.
///
/// The reader's end looks like a serial port that was set up: raw, at the meter's speed. A pseudo-terminal has speeds
/// without effect, and no parity; the speed that the reader sets can be asked for, so that a meter can play deaf to a
/// reader at another speed.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    device: PathBuf,
    link: Option<PathBuf>,
}

impl Pty {
    /// Opens a new one, its line set like the meter's, and puts a link at `link`. A link that stands there is replaced,
    /// anything else is left alone.
    ///
    /// # Errors
    /// When there is no pseudo-terminal left, or the link cannot be made: [`io::ErrorKind::AlreadyExists`] where
    /// something stands that is no link.
    pub fn open(line: LineSettings, link: Option<&Path>) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let device = PathBuf::from(OsStr::from_bytes(name.as_bytes()));
        // Opened once and closed again: from now on the system knows that nobody listens, and says so.
        let reader =
            rustix::fs::open(&device, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut termios = tcgetattr(&reader)?;
        termios.make_raw();
        termios.set_speed(line.baud)?;
        tcsetattr(&reader, OptionalActions::Now, &termios)?;
        drop(reader);
        let flags = rustix::fs::fcntl_getfl(&master)?;
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK)?;
        if let Some(link) = link {
            put_link(&device, link)?;
        }
        Ok(Self { master, device, link: link.map(Path::to_owned) })
    }

    /// Where a reader opens it: the link, else the device.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.link.as_deref().unwrap_or(&self.device)
    }

    /// The speed that the reader has set, in baud; `None` when it cannot be told.
    #[must_use]
    pub fn reader_baud(&self) -> Option<u32> {
        tcgetattr(&self.master).ok().map(|termios| termios.output_speed())
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Sends bytes; false when nobody listens, or listens so slowly that a real line would have lost them too.
    pub(crate) fn send(&self, mut bytes: &[u8]) -> io::Result<bool> {
        // The system would keep them for the next reader.
        if !self.is_heard()? {
            return Ok(false);
        }
        while !bytes.is_empty() {
            match rustix::io::write(&self.master, bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::IO | Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// True when somebody has it open.
    fn is_heard(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.master, PollFlags::OUT)];
        rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        Ok(!fds.iter().any(|fd| fd.revents().contains(PollFlags::HUP)))
    }

    /// Takes what the reader sent; `None` when nobody has it open.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match rustix::io::read(&self.master, buffer) {
            Ok(read) => Ok(Some(read)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Some(0)),
            Err(Errno::IO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Another simulator may have taken the place over.
        if let Some(link) = &self.link
            && std::fs::read_link(link).is_ok_and(|target| target == self.device)
        {
            let _ = std::fs::remove_file(link);
        }
    }
}

/// Puts a link in place in one step, so that a reader finds the old or the new one.
fn put_link(device: &Path, link: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(link) {
        Ok(found) if !found.is_symlink() => {
            let message = format!("{} exists and is no link; choose another path", link.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        _ => {}
    }
    let mut name = link.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let neighbour = link.with_file_name(name);
    let _ = std::fs::remove_file(&neighbour);
    std::os::unix::fs::symlink(device, &neighbour)?;
    std::fs::rename(&neighbour, link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::io::{Read, Write};

    /// A path of this test alone.
    fn place(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("metergate-pty-{}-{name}", std::process::id()))
    }

    fn open(path: &Path) -> std::fs::File {
        OpenOptions::new().read(true).write(true).open(path).unwrap()
    }

    #[test]
    fn bytes_go_both_ways_as_they_are() {
        let link = place("both-ways");
        let pty = Pty::open(LineSettings::M300_7E1, Some(&link)).unwrap();
        let mut reader = open(&link);
        let all: Vec<u8> = (0..=255).collect();
        assert!(pty.send(&all).unwrap());
        let mut heard = [0; 256];
        reader.read_exact(&mut heard).unwrap();
        assert_eq!(heard[..], all, "no byte is a command of a terminal");
        reader.write_all(&all).unwrap();
        assert_eq!(pty.receive(&mut heard).unwrap(), Some(256));
        assert_eq!(heard[..], all);
        assert_eq!(pty.reader_baud(), Some(300));
    }

    #[test]
    fn what_nobody_hears_is_lost_as_on_a_line() {
        let pty = Pty::open(LineSettings::M9600_8N1, None).unwrap();
        assert!(!pty.send(b"nobody").unwrap());
        let mut reader = open(pty.path());
        assert!(pty.send(b"somebody").unwrap());
        let mut heard = [0; 100];
        assert_eq!(reader.read(&mut heard).unwrap(), 8);
        drop(reader);
        assert!(!pty.send(b"nobody").unwrap());
        assert_eq!(pty.receive(&mut heard).unwrap(), None);
    }

    #[test]
    fn the_link_goes_with_the_meter_and_nothing_else_is_overwritten() {
        let link = place("link");
        let pty = Pty::open(LineSettings::M9600_8N1, Some(&link)).unwrap();
        assert!(link.is_symlink());
        let again = Pty::open(LineSettings::M9600_8N1, Some(&link)).unwrap();
        drop(pty);
        assert!(link.is_symlink(), "it leads to the second meter now");
        drop(again);
        assert!(!link.is_symlink());
        std::fs::write(&link, "a file").unwrap();
        let refused = Pty::open(LineSettings::M9600_8N1, Some(&link)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        std::fs::remove_file(&link).unwrap();
    }
}
