//! What a meter sends, passed on over TCP byte for byte: as if each client had the serial line.
//!
//! Nothing is decoded and nothing is decrypted: a client sees what came from the port. It can only listen; what it
//! sends is read and dropped, so that nobody asks the meter in our name.
use crate::shutdown::Shutdown;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Clients of one meter: a second gateway, a home automation, and a few that somebody tries out.
const CLIENTS_MAX: usize = 8;

/// Pieces that wait for a client. A reader takes at most 4096 bytes at once, so this is at most 1 MiB for all clients
/// together, and at 9600 baud minutes.
const PIECES_MAX: usize = 256;

/// What the system may hold for one client besides: without this it grows to megabytes, and a client that has stopped
/// reading is not noticed for hours.
const SEND_BUFFER_LEN: usize = 32 * 1024;

/// A client that takes nothing for so long, with [`SEND_BUFFER_LEN`] full, has stopped reading.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that went away without a word gives its place back after 60 + 3 x 20 s.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_PROBES: u32 = 3;

/// Between two tries to accept when the system has no descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// The end of a reader at which bytes leave for the clients.
#[derive(Debug, Clone)]
pub struct Tap(broadcast::Sender<Arc<[u8]>>);

impl Tap {
    /// Passes bytes on to whoever is connected, and waits for nobody.
    pub fn pass(&self, bytes: &[u8]) {
        if self.0.receiver_count() > 0 && !bytes.is_empty() {
            // The last client may just have gone.
            let _ = self.0.send(bytes.into());
        }
    }
}

/// The telegrams of one meter on a port of this host.
#[derive(Debug)]
pub struct Telegrams {
    meter: Arc<str>,
    listener: TcpListener,
    pieces: broadcast::Sender<Arc<[u8]>>,
}

impl Telegrams {
    /// Takes the port.
    ///
    /// # Errors
    /// When the address is in use or not of this host.
    ///
    /// ```
    /// use metergate_gateway::serve::Telegrams;
    ///
    /// let first = Telegrams::listen("haus", "127.0.0.1:0".parse().unwrap())?;
    /// let taken = Telegrams::listen("pump", first.address()?).unwrap_err();
    /// assert!(taken.to_string().starts_with("the telegrams of meter `pump` cannot be served on 127.0.0.1:"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn listen(meter: &str, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).map_err(|error| {
            let text = format!("the telegrams of meter `{meter}` cannot be served on {address}: {error}");
            io::Error::new(error.kind(), text)
        })?;
        listener.set_nonblocking(true)?;
        let (pieces, _) = broadcast::channel(PIECES_MAX);
        Ok(Self { meter: meter.into(), listener, pieces })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where a reader hands in what it receives.
    #[must_use]
    pub fn tap(&self) -> Tap {
        Tap(self.pieces.clone())
    }

    /// Serves until it is told to end.
    ///
    /// # Errors
    /// When the listener cannot be used in this runtime.
    pub async fn run(self, mut shutdown: Shutdown) -> io::Result<()> {
        let address = self.address()?;
        tracing::info!("meter `{}`: its telegrams stand at tcp://{address}", self.meter);
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let free = Arc::new(Semaphore::new(CLIENTS_MAX));
        let told = Arc::new(Told::default());
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.wait() => return Ok(()),
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!("meter `{}`: a client was not accepted: {error}", self.meter);
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            // Whoever comes too much is turned away at once: one that waited would take silence for a dead meter.
            let Ok(place) = Arc::clone(&free).try_acquire_owned() else {
                told.once(&told.full, &self.meter, "has as many clients as it may; others are turned away");
                continue;
            };
            let client = Client {
                meter: Arc::clone(&self.meter),
                stream,
                pieces: self.pieces.subscribe(),
                told: Arc::clone(&told),
                _place: place,
            };
            tokio::spawn(client.serve(shutdown.clone()));
        }
    }
}

/// What was said once.
#[derive(Debug, Default)]
struct Told {
    slow: AtomicBool,
    full: AtomicBool,
}

impl Told {
    /// Says it once at WARN: nothing is lost but what one client did not take.
    fn once(&self, flag: &AtomicBool, meter: &str, what: &str) {
        if flag.swap(true, Ordering::Relaxed) {
            tracing::debug!("meter `{meter}`: {what}");
        } else {
            tracing::warn!("meter `{meter}`: {what}; this is said once");
        }
    }
}

/// One client.
#[derive(Debug)]
struct Client {
    meter: Arc<str>,
    stream: TcpStream,
    pieces: broadcast::Receiver<Arc<[u8]>>,
    told: Arc<Told>,
    _place: OwnedSemaphorePermit,
}

impl Client {
    /// Serves it until it goes, is too slow, or the gateway ends.
    async fn serve(mut self, mut shutdown: Shutdown) {
        if let Err(error) = prepare(&self.stream) {
            tracing::debug!("meter `{}`: a client: {error}", self.meter);
            return;
        }
        let (mut from, mut to) = self.stream.split();
        let mut dropped = [0; 512];
        let listens = async { while from.read(&mut dropped).await.is_ok_and(|len| len > 0) {} };
        let passes = async {
            loop {
                let piece = match self.pieces.recv().await {
                    Ok(piece) => piece,
                    // A gap would make damaged telegrams of whole ones: the client begins anew.
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                };
                match timeout(WRITE_TIMEOUT, to.write_all(&piece)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => break,
                }
            }
            self.told.once(&self.told.slow, &self.meter, "a client reads too slowly and is cut off");
        };
        tokio::select! {
            () = shutdown.wait() => {}
            () = listens => {}
            () = passes => {}
        }
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_send_buffer_size(SEND_BUFFER_LEN)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_PROBES),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown;

    /// Nothing here takes longer unless it is broken.
    const DEADLINE: Duration = Duration::from_secs(20);

    async fn connect(address: SocketAddr) -> TcpStream {
        TcpStream::connect(address).await.unwrap()
    }

    /// Reads until `expected` has come, or the connection has ended; what came.
    async fn read(stream: &mut TcpStream, expected: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let reading = async {
            let mut buffer = [0; 4096];
            while all.len() < expected {
                match stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => break,
                    Ok(len) => all.extend_from_slice(&buffer[..len]),
                }
            }
        };
        timeout(DEADLINE, reading).await.expect("bytes or the end in time");
        all
    }

    async fn until_clients(tap: &Tap, count: usize) {
        let wait = async {
            while tap.0.receiver_count() != count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(DEADLINE, wait)
            .await
            .unwrap_or_else(|_| panic!("{} clients, not {count}", tap.0.receiver_count()));
    }

    #[tokio::test]
    async fn every_client_gets_the_bytes_as_they_came_and_can_say_nothing() {
        let telegrams = Telegrams::listen("haus", "127.0.0.1:0".parse().unwrap()).unwrap();
        let (address, tap) = (telegrams.address().unwrap(), telegrams.tap());
        let (trigger, shutdown) = shutdown::channel();
        let serving = tokio::spawn(telegrams.run(shutdown));
        tap.pass(b"nobody hears this");
        let mut clients = [connect(address).await, connect(address).await];
        until_clients(&tap, 2).await;
        clients[0].write_all(&[0x2F; 100_000]).await.unwrap();
        let all: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        for piece in all.chunks(997) {
            tap.pass(piece);
        }
        for client in &mut clients {
            assert_eq!(read(client, all.len()).await, all);
        }
        // One that goes makes room.
        let [first, mut second] = clients;
        drop(first);
        until_clients(&tap, 1).await;
        trigger.trigger();
        assert_eq!(read(&mut second, 1).await, b"", "the end of the gateway ends the connection");
        timeout(DEADLINE, serving).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_ninth_client_is_turned_away_and_a_slow_one_cut_off_without_holding_up_anyone() {
        let telegrams = Telegrams::listen("haus", "127.0.0.1:0".parse().unwrap()).unwrap();
        let (address, tap) = (telegrams.address().unwrap(), telegrams.tap());
        let (_trigger, shutdown) = shutdown::channel();
        tokio::spawn(telegrams.run(shutdown));
        let mut clients = Vec::new();
        for count in 1..=CLIENTS_MAX {
            clients.push(connect(address).await);
            until_clients(&tap, count).await;
        }
        let mut ninth = connect(address).await;
        assert_eq!(read(&mut ninth, 1).await, b"", "it is told at once");
        // Seven go, of the last two one does not read.
        clients.truncate(2);
        until_clients(&tap, 2).await;
        let piece = [0x55; 4096];
        let (mut passed, began) = (0, tokio::time::Instant::now());
        while tap.0.receiver_count() == 2 {
            assert!(began.elapsed() < DEADLINE, "the slow one is still there after {passed} bytes");
            tap.pass(&piece);
            passed += piece.len();
            // The quick one has each piece before the next is passed.
            assert_eq!(read(&mut clients[0], piece.len()).await.len(), piece.len());
        }
        assert_eq!(tap.0.receiver_count(), 1);
    }

    #[tokio::test]
    async fn a_client_that_stops_reading_gives_its_place_back() {
        let telegrams = Telegrams::listen("haus", "127.0.0.1:0".parse().unwrap()).unwrap();
        let (address, tap) = (telegrams.address().unwrap(), telegrams.tap());
        let (_trigger, shutdown) = shutdown::channel();
        tokio::spawn(telegrams.run(shutdown));
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let client = socket.connect(address).await.unwrap();
        until_clients(&tap, 1).await;
        // More than both ends hold, and less than waits for a client: nothing but the time cuts it off.
        for _ in 0..PIECES_MAX / 2 {
            tap.pass(&[0x55; 4096]);
        }
        until_clients(&tap, 0).await;
        drop(client);
    }
}
