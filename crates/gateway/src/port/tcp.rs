//! Serial servers: raw TCP as ser2net and socat speak it.
use super::Received;
use super::parity::SoftwareParity;
use crate::clock::Clock;
use metergate_meter::LineSettings;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to a serial server.
#[derive(Debug)]
pub struct Tcp {
    stream: TcpStream,
    parity: SoftwareParity,
    clock: Clock,
}

/// A server that does not answer within this is tried again later.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A peer that went away without a word (power cut, cable) is noticed after 4 + 2 x 2 = 8 s, below the 10 s in which a
/// port is to heal. A meter that is merely silent costs a packet every 4 s.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(4);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEPALIVE_PROBES: u32 = 2;

/// A connection to a serial server, raw or not, that is noticed when it is dead.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port)))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the server did not answer within 5 s"))??;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_PROBES),
    )?;
    // Requests that nobody acknowledges end the connection as well.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_PROBES))?;
    Ok(stream)
}

impl Tcp {
    pub(super) async fn connect(host: &str, port: u16, line: LineSettings, clock: Clock) -> io::Result<Self> {
        let stream = connect(host, port).await?;
        Ok(Self { stream, parity: SoftwareParity::needed(line, 8), clock })
    }

    pub(super) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let len = self.stream.read(buffer).await?;
        self.parity.received(buffer.get_mut(..len).unwrap_or_default());
        Ok(Received { len, at: self.clock.now(), captured_unix_ms: None })
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bytes: Vec<u8> = bytes.iter().map(|&byte| self.parity.sent(byte)).collect();
        self.stream.write_all(&bytes).await
    }

    pub(super) fn set_line(&mut self, line: LineSettings) {
        self.parity = SoftwareParity::needed(line, 8);
    }
}
