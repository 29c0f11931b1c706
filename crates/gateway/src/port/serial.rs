//! Serial devices: UARTs, USB adapters, pseudo-terminals.
use super::parity::SoftwareParity;
use super::{Received, character_time};
use crate::clock::Clock;
use crate::config::PortSetup;
use metergate_meter::{LineSettings, Parity};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_serial::{SerialPort, SerialPortBuilderExt, SerialStream};

/// An open serial device.
#[derive(Debug)]
pub struct Serial {
    stream: SerialStream,
    path: PathBuf,
    /// Device number behind the path when it was opened.
    device: Option<u64>,
    line: LineSettings,
    parity: SoftwareParity,
    clock: Clock,
    /// When the last sent byte has left the line at the latest known speed.
    busy_until: Duration,
}

/// How often the system is asked whether sent bytes have left.
const DRAIN_POLL: Duration = Duration::from_millis(2);

impl Serial {
    pub(super) fn open(path: &Path, setup: &PortSetup, line: LineSettings, clock: Clock) -> io::Result<Self> {
        // Asked before: a link that moves meanwhile then counts as moved.
        let device = device_number(path);
        let mut stream = tokio_serial::new(path.to_string_lossy(), line.baud)
            .data_bits(data_bits(line))
            .parity(parity(line))
            .stop_bits(stop_bits(line))
            .flow_control(tokio_serial::FlowControl::None)
            .exclusive(setup.exclusive)
            .open_native_async()
            .map_err(|error| opening_failed(error, path))?;
        // A pseudo-terminal has no such lines and says so; that is no reason not to read from it.
        for (name, result) in [
            ("dtr", setup.dtr.map(|level| stream.write_data_terminal_ready(level))),
            ("rts", setup.rts.map(|level| stream.write_request_to_send(level))),
        ] {
            if let Some(Err(error)) = result {
                tracing::warn!(port = %path.display(), "cannot set `{name}`: {error}");
            }
        }
        let parity = software_parity(&stream, line)?;
        Ok(Self { stream, path: path.to_owned(), device, line, parity, clock, busy_until: Duration::ZERO })
    }

    pub(super) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let len = self.stream.read(buffer).await?;
        self.parity.received(buffer.get_mut(..len).unwrap_or_default());
        Ok(Received { len, at: self.clock.now(), captured_unix_ms: None })
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bytes: Vec<u8> = bytes.iter().map(|&byte| self.parity.sent(byte)).collect();
        self.stream.write_all(&bytes).await?;
        let duration = character_time(self.line) * u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.busy_until = self.clock.now().max(self.busy_until) + duration;
        Ok(())
    }

    /// Waits until sent bytes have left the line.
    ///
    /// The system's own wait (`tcdrain`) would block all meters, and it does not know the buffer inside a USB
    /// adapter: so the queue must be empty and the time that the bytes need must have passed.
    pub(super) async fn drain(&mut self) -> io::Result<()> {
        tokio::time::sleep_until(self.clock.at(self.busy_until)).await;
        while self.stream.bytes_to_write()? > 0 {
            tokio::time::sleep(DRAIN_POLL).await;
        }
        Ok(())
    }

    pub(super) fn set_line(&mut self, line: LineSettings) -> io::Result<()> {
        if line.baud != self.line.baud {
            self.stream.set_baud_rate(line.baud)?;
        }
        if (line.data_bits, line.parity, line.stop_bits)
            != (self.line.data_bits, self.line.parity, self.line.stop_bits)
        {
            self.stream.set_data_bits(data_bits(line))?;
            self.stream.set_parity(parity(line))?;
            self.stream.set_stop_bits(stop_bits(line))?;
        }
        self.parity = software_parity(&self.stream, line)?;
        self.line = line;
        Ok(())
    }

    /// A link that is gone says nothing: the open device may still deliver.
    pub(super) fn has_moved(&self) -> bool {
        device_number(&self.path).is_some_and(|now| Some(now) != self.device)
    }
}

/// The library calls a device that is there and locked no device.
fn opening_failed(error: tokio_serial::Error, path: &Path) -> io::Error {
    let is_locked = error.kind() == tokio_serial::ErrorKind::NoDevice && path.exists();
    if is_locked { io::Error::new(io::ErrorKind::ResourceBusy, "the port is in use") } else { error.into() }
}

fn device_number(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.rdev())
}

/// A pseudo-terminal takes 7E1 and reports 8N1 back.
fn software_parity(stream: &SerialStream, line: LineSettings) -> io::Result<SoftwareParity> {
    let bits = match stream.data_bits()? {
        tokio_serial::DataBits::Five => 5,
        tokio_serial::DataBits::Six => 6,
        tokio_serial::DataBits::Seven => 7,
        tokio_serial::DataBits::Eight => 8,
    };
    Ok(SoftwareParity::needed(line, bits))
}

const fn data_bits(line: LineSettings) -> tokio_serial::DataBits {
    if line.data_bits == 7 { tokio_serial::DataBits::Seven } else { tokio_serial::DataBits::Eight }
}

const fn parity(line: LineSettings) -> tokio_serial::Parity {
    match line.parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    }
}

const fn stop_bits(line: LineSettings) -> tokio_serial::StopBits {
    if line.stop_bits == 2 { tokio_serial::StopBits::Two } else { tokio_serial::StopBits::One }
}
