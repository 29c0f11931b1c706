//! From a stream of bytes to frames: the buffer, the resynchronisation after damage, and the idle time.
use crate::{Cause, Protocol, Rejection};
use core::ops::Range;
use core::time::Duration;
use metergate_wire::Scan;

/// The buffer of a conversation, and what it knows about the place in the stream.
///
/// The caller's buffer holds two things: at the front what was *held* (the joined content of the frames of one
/// telegram), behind it the raw bytes not yet decided on.
///
/// ```text
/// | held ........ |   free   | raw ............ |   free   |
/// 0           held_len     start               end      capacity
/// ```
///
/// After a damaged frame the next one may begin inside it (a damaged length byte claims its neighbours' bytes).
/// So only its first byte is dropped and the search goes on; the refusal is told when the next good frame is found or
/// the claimed length is passed, and covers exactly the bytes between.
#[derive(Debug)]
pub struct Stream<B> {
    buffer: B,
    held_len: usize,
    start: usize,
    end: usize,
    /// Offset in the stream of the byte at `start`.
    offset: u64,
    protocol: Protocol,
    /// A run of foreign bytes that has not ended: offset of its first byte.
    noise: Option<u64>,
    damaged: Option<Damaged>,
    /// How long the line is silent before an unfinished telegram counts as ended.
    idle: Duration,
    deadline: Option<Duration>,
    /// No more bytes belong to what is in the buffer.
    ended: bool,
}

/// A refused frame inside whose claimed length the next frame is looked for.
#[derive(Debug, Clone, Copy)]
struct Damaged {
    cause: Cause,
    offset: u64,
    until: u64,
}

/// What [`Stream::next`] found.
#[derive(Debug, PartialEq)]
pub enum Step<T> {
    /// A frame in the first `len` raw bytes. It stays there until [`Stream::hold`] or [`Stream::drop_frame`].
    Frame {
        /// What the scanner extracted.
        frame: T,
        /// Its offset in the stream.
        offset: u64,
        /// Its length.
        len: usize,
    },
    /// Bytes that were refused; they are gone.
    Rejected(Rejection),
    /// The line went silent (or the input ended) and everything in the buffer has been told; said once.
    Ended,
    /// Nothing more before new input.
    Wait,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Stream<B> {
    /// An empty stream. `idle` is the silence that ends an unfinished telegram.
    pub fn new(buffer: B, protocol: Protocol, idle: Duration) -> Self {
        Self {
            buffer,
            held_len: 0,
            start: 0,
            end: 0,
            offset: 0,
            protocol,
            noise: None,
            damaged: None,
            idle,
            deadline: None,
            ended: false,
        }
    }

    /// Takes as many bytes as fit and returns their number; none when a silence before them has not been told yet.
    pub fn fill(&mut self, bytes: &[u8], now: Duration) -> usize {
        self.expire(now);
        if self.ended || bytes.is_empty() {
            return 0;
        }
        if self.start > self.held_len && self.end + bytes.len() > self.buffer.as_ref().len() {
            self.buffer.as_mut().copy_within(self.start..self.end, self.held_len);
            self.end -= self.start - self.held_len;
            self.start = self.held_len;
        }
        let room = self.buffer.as_mut().get_mut(self.end..).unwrap_or_default();
        let taken = room.len().min(bytes.len());
        if let (Some(room), Some(bytes)) = (room.get_mut(..taken), bytes.get(..taken)) {
            room.copy_from_slice(bytes);
        }
        self.end += taken;
        if taken > 0 {
            self.deadline = Some(now.saturating_add(self.idle));
        }
        taken
    }

    /// Notes that the line has been silent long enough, if it has.
    pub fn expire(&mut self, now: Duration) {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.deadline = None;
            self.ended = true;
        }
    }

    /// When the line counts as silent; `None` when nothing is unfinished.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// The bytes not yet decided on.
    pub fn raw(&self) -> &[u8] {
        self.buffer.as_ref().get(self.start..self.end).unwrap_or_default()
    }

    /// The joined content of the telegram's frames so far.
    pub fn held(&self) -> &[u8] {
        self.buffer.as_ref().get(..self.held_len).unwrap_or_default()
    }

    /// The same, to decrypt or unescape in place.
    pub fn held_mut(&mut self) -> &mut [u8] {
        self.buffer.as_mut().get_mut(..self.held_len).unwrap_or_default()
    }

    /// Forgets the held content: the telegram was told.
    pub fn release(&mut self) {
        self.held_len = 0;
    }

    /// Moves a part of the frame of `len` raw bytes behind the held content and drops the frame.
    ///
    /// A part that reaches beyond the frame is cut.
    pub fn hold(&mut self, part: Range<usize>, len: usize) {
        let end = self.start.saturating_add(part.end).min(self.end);
        let begin = self.start.saturating_add(part.start).min(end);
        // The held content ends before the raw bytes begin, so there is always room.
        self.buffer.as_mut().copy_within(begin..end, self.held_len);
        self.held_len += end - begin;
        self.consume(len);
    }

    /// Shortens the held content to `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.held_len = self.held_len.min(len);
    }

    /// Drops the frame of `len` raw bytes.
    pub fn drop_frame(&mut self, len: usize) {
        self.consume(len);
    }

    fn consume(&mut self, len: usize) {
        let len = len.min(self.end - self.start);
        self.start += len;
        self.offset += len as u64;
        if self.start == self.end {
            self.start = self.held_len;
            self.end = self.start;
        }
    }

    /// Finds the next frame, or says what was refused, or waits.
    ///
    /// `scan` gets the raw bytes and whether they are the last ones: then it may accept what has no end mark. It must
    /// give the same answer for every longer slice (see [`Scan`]). A frame is not taken out: the caller does that
    /// with [`hold`](Self::hold) or [`drop_frame`](Self::drop_frame) before it calls again.
    pub fn next<T>(&mut self, mut scan: impl FnMut(&[u8], bool) -> Scan<T, Cause>) -> Step<T> {
        loop {
            if let Some(damaged) = self.damaged.filter(|damaged| self.offset >= damaged.until) {
                return self.reject_damaged(damaged);
            }
            if self.raw().is_empty() {
                return self.at_end();
            }
            let available = self.raw().len();
            match scan(self.raw(), self.ended) {
                Scan::Frame { frame, len } => {
                    return if let Some(damaged) = self.damaged {
                        self.reject_damaged(damaged)
                    } else if let Some(noise) = self.noise {
                        self.reject_noise(noise)
                    } else {
                        Step::Frame { frame, offset: self.offset, len }
                    };
                }
                Scan::Skip(n) => self.skip(n.clamp(1, available)),
                Scan::Bad { error, len } => {
                    if let Some(step) = self.bad(error, len.max(1)) {
                        return step;
                    }
                }
                Scan::NeedMore if self.ended => {
                    if let Some(step) = self.bad(Cause::Truncated, available) {
                        return step;
                    }
                }
                Scan::NeedMore => {
                    let capacity = self.buffer.as_ref().len();
                    if self.held_len + available < capacity {
                        return Step::Wait;
                    }
                    if let Some(step) = self.bad(Cause::TooLong { limit: capacity }, available) {
                        return step;
                    }
                }
            }
        }
    }

    /// Nothing is left to scan: a silence ends what is open.
    fn at_end<T>(&mut self) -> Step<T> {
        if !self.ended {
            return Step::Wait;
        }
        if let Some(damaged) = self.damaged {
            return self.reject_damaged(damaged);
        }
        if let Some(noise) = self.noise {
            return self.reject_noise(noise);
        }
        self.ended = false;
        Step::Ended
    }

    fn skip(&mut self, n: usize) {
        match self.damaged {
            // Foreign bytes inside a refused frame belong to it.
            Some(damaged) => {
                let inside = usize::try_from(damaged.until - self.offset).unwrap_or(usize::MAX);
                self.consume(n.min(inside));
            }
            None => {
                self.noise.get_or_insert(self.offset);
                self.consume(n);
            }
        }
    }

    /// Opens a refusal and drops its first byte; or, when a run of noise is open, tells that first.
    fn bad<T>(&mut self, cause: Cause, len: usize) -> Option<Step<T>> {
        if self.damaged.is_none() {
            if let Some(noise) = self.noise {
                return Some(self.reject_noise(noise));
            }
            self.damaged = Some(Damaged { cause, offset: self.offset, until: self.offset + len as u64 });
        }
        // What looks damaged inside a refused frame belongs to it.
        self.consume(1);
        None
    }

    fn reject_noise<T>(&mut self, offset: u64) -> Step<T> {
        self.noise = None;
        Step::Rejected(self.rejection(offset, self.offset - offset, Cause::Noise))
    }

    fn reject_damaged<T>(&mut self, damaged: Damaged) -> Step<T> {
        self.damaged = None;
        Step::Rejected(self.rejection(damaged.offset, self.offset - damaged.offset, damaged.cause))
    }

    fn rejection(&self, offset: u64, length: u64, cause: Cause) -> Rejection {
        Rejection { offset, length, protocol: self.protocol, cause, security: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// A toy link: `S`, one digit for the number of content bytes, the content, `E`.
    fn toy(raw: &[u8], _: bool) -> Scan<Range<usize>, Cause> {
        let Some(&first) = raw.first() else { return Scan::NeedMore };
        if first != b'S' {
            return Scan::Skip(raw.iter().position(|&byte| byte == b'S').unwrap_or(raw.len()));
        }
        let Some(&digit) = raw.get(1) else { return Scan::NeedMore };
        let content = usize::from(digit.wrapping_sub(b'0'));
        if content > 9 {
            return Scan::Bad { error: Cause::Noise, len: 2 };
        }
        match raw.get(content + 2) {
            None => Scan::NeedMore,
            Some(b'E') => Scan::Frame { frame: 2..content + 2, len: content + 3 },
            Some(_) => Scan::Bad { error: Cause::Noise, len: content + 3 },
        }
    }

    /// Frames as their content, refusals as (offset, length, code).
    fn run(input: &[u8], chunk: usize, capacity: usize) -> Vec<(u64, Vec<u8>)> {
        let mut stream = Stream::new(std::vec![0; capacity], Protocol::Sml, Duration::from_secs(1));
        let mut told = Vec::new();
        let mut drain = |stream: &mut Stream<Vec<u8>>| {
            loop {
                match stream.next(toy) {
                    Step::Frame { frame, offset, len } => {
                        stream.hold(frame, len);
                        told.push((offset, stream.held().to_vec()));
                        stream.release();
                    }
                    Step::Rejected(rejection) => {
                        let text = std::format!("{} {}", rejection.length, rejection.cause.code());
                        told.push((rejection.offset, text.into_bytes()));
                    }
                    Step::Ended | Step::Wait => break,
                }
            }
        };
        for mut piece in input.chunks(chunk) {
            while !piece.is_empty() {
                let taken = stream.fill(piece, Duration::ZERO);
                piece = &piece[taken..];
                drain(&mut stream);
            }
        }
        stream.expire(Duration::from_secs(1));
        drain(&mut stream);
        told
    }

    fn check(input: &[u8], expected: &[(u64, &str)]) {
        for chunk in [1, 2, 3, 5, 100] {
            let told = run(input, chunk, 16);
            let told: Vec<_> =
                told.iter().map(|(offset, text)| (*offset, str::from_utf8(text).unwrap())).collect();
            assert_eq!(told, expected, "in pieces of {chunk}");
        }
    }

    #[test]
    fn frames_and_noise_are_told_in_order() {
        check(b"xxS3abcES0Eyy", &[(0, "2 noise"), (2, "abc"), (8, ""), (11, "2 noise")]);
    }

    #[test]
    fn a_frame_inside_a_damaged_one_is_found_and_the_refusal_ends_before_it() {
        check(b"S9S3abcEzzzzS1qE", &[(0, "2 noise"), (2, "abc"), (8, "4 noise"), (12, "q")]);
    }

    #[test]
    fn what_looks_damaged_inside_a_refusal_belongs_to_it() {
        check(b"S8S2SxS1aaxS1qE", &[(0, "11 noise"), (11, "q")]);
    }

    #[test]
    fn an_unfinished_frame_is_truncated_when_the_line_goes_silent() {
        check(b"S1aES5ab", &[(0, "a"), (4, "4 truncated")]);
        check(b"S9abS1qE", &[(0, "4 truncated"), (4, "q")]);
    }

    #[test]
    fn a_frame_beyond_the_buffer_is_too_long_and_the_next_one_is_found() {
        let told = run(b"S9abcdefghiES1qE", 3, 8);
        assert_eq!(told.last(), Some(&(12, b"q".to_vec())));
        assert_eq!(told[0].1, b"8 too_long");
    }

    #[test]
    fn bytes_after_a_silence_wait_until_it_has_been_told() {
        let mut stream = Stream::new([0; 16], Protocol::Sml, Duration::from_secs(1));
        assert_eq!(stream.fill(b"S5ab", Duration::ZERO), 4);
        assert!(matches!(stream.next(toy), Step::Wait));
        assert_eq!(stream.fill(b"cdeE", Duration::from_secs(2)), 0);
        assert!(matches!(stream.next(toy), Step::Rejected(Rejection { length: 4, .. })));
        assert!(matches!(stream.next(toy), Step::Ended));
        assert_eq!(stream.fill(b"S1aE", Duration::from_secs(2)), 4);
        assert!(matches!(stream.next(toy), Step::Frame { offset: 4, .. }));
    }
}
