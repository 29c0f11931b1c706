//! Graphite (carbon), plaintext or pickle, over one connection that stays open.
//!
//! Graphite acknowledges nothing: that bytes were taken by the system is all that a sender ever learns. What can be
//! done is done. A connection that the other side has closed is noticed before and after each write; one on which
//! nothing is confirmed for [`UNCONFIRMED_MAX`] is given up by the system; and on the next one everything of the last
//! [`REPEAT_SPAN`] is sent again, which Graphite stores in the places where it already stands. Lost is what a server
//! has taken from the line and not yet stored when it dies.
mod name;
mod pickle;

use super::sample::{Delivered, Entry, Step, Trouble};
use crate::config::{GraphiteFormat, GraphiteNames, GraphiteSetup};
use crate::net::connect::connect;
use crate::net::trouble::trouble;
use metergate_reading::Number;
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One metric: name, value as a decimal, seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Metric {
    name: String,
    value: Number,
    unix_s: i64,
}

/// Entries in one write: 40 kB of plaintext, far below the 1 MiB at which carbon closes a connection.
const PIECE_LEN: usize = 50;

/// Longest wait for the system to take a piece. The buffers of both sides are full by then.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The system gives a connection up when nothing that was sent is confirmed for so long.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(20);

/// What was sent so recently is sent again on a new connection: three times as long as a dead one goes unnoticed.
const REPEAT_SPAN: Duration = Duration::from_secs(60);

/// At most so many bytes of it, at 12 registers once a second a quarter of an hour; the oldest are forgotten first.
const REPEAT_LEN_MAX: usize = 1 << 20;

/// What the system may take from us before the other side has it, at half of what it makes of the figure. It would take
/// 4 MB otherwise, all of it lost when a server that reads nothing is given up: this is far below what is repeated.
const SEND_BUFFER_LEN: usize = 64 << 10;

/// Sends metrics.
#[derive(Debug)]
pub(crate) struct Graphite {
    setup: GraphiteSetup,
    /// Which meter a name without a meter belongs to: the first that sent it. There are 14 such names.
    owners: HashMap<String, Arc<str>>,
    stream: Option<TcpStream>,
    recent: Recent,
    /// How long it took to send the piece before, and to put this one together.
    send_time: Option<Duration>,
}

/// What was sent last.
#[derive(Debug, Default)]
struct Recent {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    len: usize,
}

impl Recent {
    fn push(&mut self, piece: Vec<u8>, now: Instant) {
        self.len = self.len.saturating_add(piece.len());
        self.pieces.push_back((now, piece));
        while let Some((sent, oldest)) = self.pieces.front() {
            if self.len <= REPEAT_LEN_MAX && now.duration_since(*sent) <= REPEAT_SPAN {
                break;
            }
            self.len = self.len.saturating_sub(oldest.len());
            self.pieces.pop_front();
        }
    }
}

impl Graphite {
    /// A sink that has connected to nobody yet. `meters` are the meters it gets.
    #[allow(clippy::unnecessary_wraps)]
    pub(crate) fn new(setup: &GraphiteSetup, _meters: &[Arc<str>]) -> io::Result<Self> {
        Ok(Self {
            setup: setup.clone(),
            owners: HashMap::new(),
            stream: None,
            recent: Recent::default(),
            send_time: None,
        })
    }

    /// Hands over entries of the durable path, in order.
    pub(crate) async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        let mut done = Delivered::default();
        for piece in batch.chunks(PIECE_LEN) {
            let begun = Instant::now();
            let (metrics, refused) = self.metrics(piece);
            if !metrics.is_empty() {
                let bytes = self.bytes(&metrics, begun);
                let begun = Instant::now();
                if let Err(trouble) = self.send(bytes).await {
                    self.stream = None;
                    done.trouble = Some(trouble);
                    return done;
                }
                self.send_time = Some(begun.elapsed());
            }
            let before = done.taken;
            done.refused.extend(refused.into_iter().map(|(at, reason)| (before.saturating_add(at), reason)));
            done.taken = before.saturating_add(piece.len());
        }
        done
    }

    /// The metrics of a piece, and which entries have none because another meter has their names.
    fn metrics(&mut self, piece: &[Entry]) -> (Vec<Metric>, Vec<(usize, String)>) {
        let Self { setup, owners, .. } = self;
        let names =
            name::Names { names: setup.names, prefix: &setup.prefix, with_meter: setup.meter_in_name };
        let (mut all, mut refused) = (Vec::new(), Vec::new());
        for (at, entry) in piece.iter().enumerate() {
            let Some(sample) = entry.sample() else { continue };
            let metrics = names.metrics(entry);
            let shared = setup.names == GraphiteNames::NetzNoe && !setup.meter_in_name;
            let foreign = metrics.iter().filter(|_| shared).find_map(|metric| {
                let owner = owners.entry(metric.name.clone()).or_insert_with(|| Arc::clone(&sample.meter));
                (*owner != sample.meter).then(|| format!("`{}` is what {owner} sends already", metric.name))
            });
            match foreign {
                // Mixed in one series nobody could tell them apart again.
                Some(reason) => refused.push((at, format!("{reason}; set `meter_in_name` or `meters`"))),
                None => all.extend(metrics),
            }
        }
        (all, refused)
    }

    /// The piece as it goes over the line, its own times included.
    fn bytes(&self, metrics: &[Metric], begun: Instant) -> Vec<u8> {
        let newest = metrics.iter().map(|metric| metric.unix_s).max().unwrap_or_default();
        let times = [("send_time", self.send_time), ("process_time", Some(begun.elapsed()))];
        let mut all = metrics.to_vec();
        for (name, span) in times {
            let micros = span.and_then(|span| i64::try_from(span.as_micros()).ok());
            if let (Some(name), Some(micros)) = (name::own(&self.setup, name), micros) {
                // Milliseconds, as the reference system has them.
                all.push(Metric { name, value: Number::new(micros, -3), unix_s: newest });
            }
        }
        match self.setup.format {
            GraphiteFormat::Pickle => pickle::message(&all),
            GraphiteFormat::Plaintext => {
                let line = |metric: &Metric| format!("{} {} {}\n", metric.name, metric.value, metric.unix_s);
                all.iter().map(line).collect::<String>().into_bytes()
            }
        }
    }

    /// Writes a piece, after what must be repeated when the connection is a new one.
    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), Trouble> {
        if self.stream.as_ref().is_some_and(is_closed) {
            self.stream = None;
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let mut stream = connect(&self.setup.host, self.setup.port).await?;
                let socket = socket2::SockRef::from(&stream);
                // Best effort: without them a silent death is noticed later, and costs more.
                let _ = socket.set_tcp_user_timeout(Some(UNCONFIRMED_MAX));
                let _ = socket.set_send_buffer_size(SEND_BUFFER_LEN);
                for (_, piece) in &self.recent.pieces {
                    write(&mut stream, piece).await?;
                }
                none.insert(stream)
            }
        };
        write(stream, &bytes).await?;
        if is_closed(stream) {
            return Err(Trouble::new(Step::Deliver, "the receiver has closed the connection"));
        }
        self.recent.push(bytes, Instant::now());
        Ok(())
    }

    /// Ends the connection in order, so that what is on its way arrives.
    pub(crate) async fn close(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            // A second is long for a local end; nobody waits longer at the end of a program.
            let _ = timeout(Duration::from_secs(1), stream.shutdown()).await;
        }
    }
}

async fn write(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), Trouble> {
    match timeout(WRITE_TIMEOUT, stream.write_all(bytes)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(trouble(&error, Step::Deliver)),
        Err(_) => {
            let message = format!("the receiver takes nothing for {WRITE_TIMEOUT:?}");
            Err(Trouble::new(Step::Deliver, message))
        }
    }
}

/// True when the other side has ended the connection. Graphite says nothing, so what is read is the end or an error.
///
/// The system itself is asked: the runtime would know of the end only after it has waited for something.
fn is_closed(stream: &TcpStream) -> bool {
    let socket = socket2::SockRef::from(stream);
    let mut scrap = [0; 64];
    // A server that talks has these many bytes read away and no more: it is not one of Graphite's.
    for _ in 0..16 {
        match (&*socket).read(&mut scrap) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
    false
}

#[cfg(test)]
mod tests;
