//! Standard input: `socat ... | metergate run`, `cat capture | metergate run`.
use super::Received;
use super::parity::SoftwareParity;
use crate::clock::Clock;
use metergate_meter::LineSettings;
use std::io::{self, Read};
use tokio::sync::mpsc;

/// Standard input, read by a thread of its own: a pipe, a terminal and a file all block differently.
#[derive(Debug)]
pub struct Stdin {
    pieces: mpsc::Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    taken: usize,
    parity: SoftwareParity,
    clock: Clock,
}

const PIECE_LEN: usize = 4096;

/// Pieces read ahead. When the reader is busy the writer of the pipe waits: nothing is dropped.
const PIECES: usize = 4;

impl Stdin {
    pub(super) fn open(line: LineSettings, clock: Clock) -> io::Result<Self> {
        let (sender, pieces) = mpsc::channel(PIECES);
        // The thread is not joined: it may wait for input for ever, and ends with the process.
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            loop {
                let mut piece = vec![0; PIECE_LEN];
                let result = io::stdin().lock().read(&mut piece).map(|len| {
                    piece.truncate(len);
                    piece
                });
                let ended = !matches!(&result, Ok(piece) if !piece.is_empty());
                if sender.blocking_send(result).is_err() || ended {
                    return;
                }
            }
        })?;
        Ok(Self { pieces, piece: Vec::new(), taken: 0, parity: SoftwareParity::needed(line, 8), clock })
    }

    pub(super) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        if self.taken == self.piece.len() {
            self.piece = self.pieces.recv().await.unwrap_or(Ok(Vec::new()))?;
            self.taken = 0;
            self.parity.received(&mut self.piece);
        }
        let rest = self.piece.get(self.taken..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.taken += len;
        Ok(Received { len, at: self.clock.now(), captured_unix_ms: None })
    }
}
