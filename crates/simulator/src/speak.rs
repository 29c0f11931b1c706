//! A simulated meter on a live line: a pseudo-terminal or a TCP port, at the meter's own pace.
use crate::random::mix;
use crate::{Output, Pty, Sent, Simulation};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a meter waits before its first telegram: a reader that was started with it is there by then.
const FIRST_TELEGRAM: Duration = Duration::from_millis(400);
/// How often the loop looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);
/// Readers on one TCP port. More are turned away: a meter's port behind ser2net serves one.
const CLIENTS_MAX: usize = 16;
/// Most bytes taken from a reader at once; the longest request has 24.
const HEARD_LEN_MAX: usize = 256;

/// Start bit, seven or eight data bits, parity, stop bits: for one character, at one baud.
const CHARACTER_BITS: Duration = Duration::from_secs(11);

/// Ends or silences a meter from outside its loop.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicBool,
    silent: AtomicBool,
}

impl Control {
    /// The loop ends soon.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// From now on nothing is sent and nothing heard, as if the head had fallen off.
    pub fn silence(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }
}

/// Where a meter speaks.
#[derive(Debug)]
pub enum Outlet {
    /// To the reader of a pseudo-terminal.
    Pty(Pty),
    /// To whoever is connected.
    Tcp(Tcp),
}

/// A TCP port with its readers.
#[derive(Debug)]
pub struct Tcp {
    listener: TcpListener,
    clients: Vec<TcpStream>,
}

/// Who is meant by bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Party {
    /// Everyone who listens.
    All,
    /// The client with this number in the list.
    Client(usize),
}

impl Tcp {
    /// Listens on an address such as `127.0.0.1:4059`; port 0 lets the system choose.
    ///
    /// # Errors
    /// When the address is none or is taken.
    pub fn listen(address: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, clients: Vec::new() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((client, _)) if self.clients.len() < CLIENTS_MAX => {
                    client.set_nonblocking(true)?;
                    client.set_nodelay(true)?;
                    self.clients.push(client);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A client that went away before it was let in.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes what clients sent; those that are gone are forgotten.
    fn receive(&mut self) -> Vec<(Party, Vec<u8>)> {
        let (mut heard, mut gone) = (Vec::new(), Vec::new());
        for (index, client) in self.clients.iter_mut().enumerate() {
            let mut buffer = [0; HEARD_LEN_MAX];
            match client.read(&mut buffer) {
                Ok(0) => gone.push(index),
                Ok(read) => heard.push((Party::Client(index), buffer[..read].to_vec())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => gone.push(index),
            }
        }
        if heard.is_empty() {
            for index in gone.into_iter().rev() {
                self.clients.remove(index);
            }
        }
        heard
    }

    fn send(&mut self, party: Party, bytes: &[u8]) {
        let meant = |index| party == Party::All || party == Party::Client(index);
        for (_, client) in self.clients.iter_mut().enumerate().filter(|(index, _)| meant(*index)) {
            // A client that does not read loses bytes, and is found gone when it is read from.
            let _ = client.write_all(bytes);
        }
    }
}

impl Outlet {
    /// Waits for bytes of a reader, at most this long.
    fn wait(&mut self, timeout: Duration) -> io::Result<Vec<(Party, Vec<u8>)>> {
        match self {
            Self::Pty(pty) => {
                poll([pty.fd()].into_iter(), timeout)?;
                let mut buffer = [0; HEARD_LEN_MAX];
                match pty.receive(&mut buffer)? {
                    // Nobody has it open, which poll reports at once, over and over.
                    None => std::thread::sleep(timeout.min(LOOK)),
                    Some(0) => {}
                    Some(read) => return Ok(vec![(Party::All, buffer[..read].to_vec())]),
                }
                Ok(Vec::new())
            }
            Self::Tcp(tcp) => {
                let fds = tcp.clients.iter().map(AsFd::as_fd).chain([tcp.listener.as_fd()]);
                poll(fds, timeout)?;
                tcp.accept()?;
                Ok(tcp.receive())
            }
        }
    }

    fn send(&mut self, party: Party, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Pty(pty) => pty.send(bytes).map(drop),
            Self::Tcp(tcp) => {
                tcp.send(party, bytes);
                Ok(())
            }
        }
    }

    /// True when the reader's line is known to run at another speed.
    fn is_misheard_at(&self, baud: u32) -> bool {
        match self {
            Self::Pty(pty) => pty.reader_baud().is_some_and(|reader| reader != baud),
            Self::Tcp(_) => false,
        }
    }
}

fn poll<'fd>(fds: impl Iterator<Item = std::os::fd::BorrowedFd<'fd>>, timeout: Duration) -> io::Result<()> {
    let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    match rustix::event::poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Lets a meter speak until it has sent `count` telegrams or is stopped. `note` gets every line of the ledger before
/// the bytes leave, so that nothing can be read that the ledger does not know.
///
/// A meter that is asked is deaf to a reader whose line runs at another speed, and such a reader gets garbage from it.
/// A meter that pushes does not look: `cat` may listen to it.
///
/// # Errors
/// What the outlet or `note` says.
pub fn speak(
    simulation: &mut Simulation,
    outlet: &mut Outlet,
    control: &Control,
    count: Option<u64>,
    note: &mut dyn FnMut(&Sent) -> io::Result<()>,
) -> io::Result<()> {
    let begin = Instant::now();
    let interval = simulation.kind().interval();
    let mut next_push = interval.map(|_| FIRST_TELEGRAM);
    let mut left = count.unwrap_or(u64::MAX);
    let mut voice = Voice { outlet, control, note, strict: interval.is_none() };
    while left > 0 && !control.is_stopped() {
        let now = begin.elapsed();
        simulation.expire(now);
        if let (Some(due), Some(interval)) = (next_push, interval)
            && now >= due
        {
            // A host that was suspended does not catch up.
            next_push = Some(due.max(now.saturating_sub(interval)) + interval);
            if !control.is_silent() {
                for output in simulation.push(unix_s()) {
                    left = left.saturating_sub(u64::from(output.sent.is_some()));
                    voice.say(Party::All, output)?;
                }
            }
            continue;
        }
        let wait = next_push.map_or(LOOK, |due| due.saturating_sub(now)).min(LOOK);
        for (party, bytes) in voice.outlet.wait(wait)? {
            let deaf = voice.strict && voice.outlet.is_misheard_at(simulation.kind().line().baud);
            if control.is_silent() || deaf {
                continue;
            }
            // The reader counts with the time that its bytes need on a real line: it changes its speed after that.
            let line = simulation.kind().line();
            let mut on_the_line = CHARACTER_BITS * u32::try_from(bytes.len()).unwrap_or(0) / line.baud;
            for mut output in simulation.hear(&bytes, begin.elapsed(), unix_s()) {
                left = left.saturating_sub(u64::from(output.sent.is_some()));
                output.delay += std::mem::take(&mut on_the_line);
                voice.say(party, output)?;
            }
        }
    }
    Ok(())
}

/// Brings output to the line.
struct Voice<'a> {
    outlet: &'a mut Outlet,
    control: &'a Control,
    note: &'a mut dyn FnMut(&Sent) -> io::Result<()>,
    /// Speeds matter.
    strict: bool,
}

impl Voice<'_> {
    fn say(&mut self, party: Party, output: Output) -> io::Result<()> {
        let Output { mut bytes, delay, pauses, line, sent } = output;
        std::thread::sleep(delay);
        if self.control.is_silent() || self.control.is_stopped() {
            return Ok(());
        }
        if let Some(sent) = &sent {
            (self.note)(sent)?;
        }
        if self.strict && line.is_some_and(|line| self.outlet.is_misheard_at(line.baud)) {
            // What a line at another speed makes of the bits.
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = mix(u64::from(*byte) << 32 | at as u64).to_be_bytes()[0];
            }
        }
        let mut from = 0;
        for (at, pause) in pauses {
            self.outlet.send(party, bytes.get(from..at).unwrap_or_default())?;
            std::thread::sleep(pause);
            from = at;
        }
        self.outlet.send(party, bytes.get(from..).unwrap_or_default())
    }
}

/// Seconds since 1970-01-01T00:00:00Z by the host's clock; 0 before that.
#[must_use]
pub fn unix_s() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
