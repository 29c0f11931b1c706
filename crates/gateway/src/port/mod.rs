//! Where bytes come from: serial lines, serial servers on the network, standard input and files.
//!
//! A [`Port`] is open or it is an error; [`Link`] keeps one open: it opens it again, by its path, whenever it was
//! lost. Ports know line settings and nothing of protocols.
mod file;
mod link;
mod parity;
mod rfc2217;
mod serial;
mod stdin;
mod tcp;

pub use file::Speed;
pub use link::{Link, LinkEvent};

use crate::clock::Clock;
use crate::config::{Place, PortSetup};
use metergate_meter::LineSettings;
use std::io;
use std::time::Duration;

/// Bytes that have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// How many were written to the front of the buffer; 0: the port has ended.
    pub len: usize,
    /// When the last of them arrived, on the port's own clock; that of a file runs as the capture did.
    pub at: Duration,
    /// When they were received, as a capture tells it.
    pub captured_unix_ms: Option<i64>,
}

/// An open port.
#[derive(Debug)]
pub enum Port {
    /// A serial device.
    Serial(serial::Serial),
    /// A connection to a serial server of raw bytes.
    Tcp(tcp::Tcp),
    /// A connection to a serial server that is told the line settings.
    Rfc2217(Box<rfc2217::Rfc2217>),
    /// Standard input.
    Stdin(stdin::Stdin),
    /// A file.
    File(file::File),
}

/// Longest time that sending a request may take: 64 bytes at 300 baud take 2.2 s.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

impl Port {
    /// Opens it.
    ///
    /// # Errors
    /// What the system says: no such device, permission denied, in use, refused, timed out; or `Unsupported` when a
    /// serial server cannot do RFC 2217 or these line settings.
    pub async fn open(setup: &PortSetup, line: LineSettings, speed: Speed, clock: Clock) -> io::Result<Self> {
        Ok(match &setup.place {
            Place::Serial(path) => Self::Serial(serial::Serial::open(path, setup, line, clock)?),
            Place::Tcp { host, port } => Self::Tcp(tcp::Tcp::connect(host, *port, line, clock).await?),
            Place::Rfc2217 { host, port } => {
                Self::Rfc2217(Box::new(rfc2217::Rfc2217::connect(host, *port, setup, line, clock).await?))
            }
            Place::Stdin => Self::Stdin(stdin::Stdin::open(line, clock)?),
            Place::File(path) => Self::File(file::File::open(path, line, speed)?),
        })
    }

    /// Waits for bytes. Cancelling the wait loses none.
    ///
    /// # Errors
    /// What the system says. The port is of no use afterwards.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        match self {
            Self::Serial(port) => port.receive(buffer).await,
            Self::Tcp(port) => port.receive(buffer).await,
            Self::Rfc2217(port) => port.receive(buffer).await,
            Self::Stdin(port) => port.receive(buffer).await,
            Self::File(port) => port.receive(buffer).await,
        }
    }

    /// Sends bytes; a port that cannot send (a file) takes them and does nothing.
    ///
    /// # Errors
    /// What the system says, or `TimedOut` when they are not taken within 5 s.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = async {
            match self {
                Self::Serial(port) => port.send(bytes).await,
                Self::Tcp(port) => port.send(bytes).await,
                Self::Rfc2217(port) => port.send(bytes).await,
                Self::Stdin(_) | Self::File(_) => Ok(()),
            }
        };
        tokio::time::timeout(SEND_TIMEOUT, sent).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sets the line once everything sent has left it.
    ///
    /// A serial server of raw bytes keeps its own speed; there only the parity in software changes.
    ///
    /// # Errors
    /// What the system says; `TimedOut` when the bytes do not leave within 5 s, or a serial server does not answer;
    /// `Unsupported` when it sets something else.
    pub async fn set_line(&mut self, line: LineSettings) -> io::Result<()> {
        match self {
            Self::Serial(port) => {
                let drained = tokio::time::timeout(SEND_TIMEOUT, port.drain()).await;
                drained.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
                port.set_line(line)
            }
            Self::Tcp(port) => {
                port.set_line(line);
                Ok(())
            }
            Self::Rfc2217(port) => port.set_line(line).await,
            Self::Stdin(_) | Self::File(_) => Ok(()),
        }
    }

    /// True for what has an end: standard input and files. They are not opened again.
    #[must_use]
    pub const fn is_finite(&self) -> bool {
        matches!(self, Self::Stdin(_) | Self::File(_))
    }

    /// True when time passes as the port says ([`Received::at`]) and not as the host's clock does.
    #[must_use]
    pub const fn has_own_time(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// True when the path it was opened by now leads elsewhere or nowhere.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        match self {
            Self::Serial(port) => port.has_moved(),
            _ => false,
        }
    }
}

/// How long a character takes on the line.
fn character_time(line: LineSettings) -> Duration {
    let parity = u32::from(line.parity != metergate_meter::Parity::None);
    let bits = 1 + u32::from(line.data_bits) + parity + u32::from(line.stop_bits);
    Duration::from_secs(1) * bits / line.baud.max(1)
}

/// What went wrong with a port, and what to do about it.
#[must_use]
pub fn explain(error: &io::Error, place: &Place) -> String {
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => "; is the user in the group `dialout`?",
        io::ErrorKind::NotFound if matches!(place, Place::Serial(_)) => {
            "; is it plugged in? `ls /dev/serial/by-id` shows what is"
        }
        io::ErrorKind::ResourceBusy => "; another program has it open: `fuser` names it",
        io::ErrorKind::ConnectionRefused => "; is the serial server running, and is the port number right?",
        _ => "",
    };
    format!("{place}: {error}{help}")
}
