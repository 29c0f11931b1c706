//! The conversation with a meter that pushes DLMS over wired M-Bus.
use super::Cause;
use super::message::{Joined, Message, Reader};
use crate::{Conversation, Event, Protocol, Rejection, Settings, Step, Stream};
use core::ops::Range;
use core::time::Duration;
use metergate_wire::{Scan, mbus};

/// Silence that ends an unfinished telegram. Meters leave up to 200 ms between the frames of a telegram, some adapters
/// on TCP a second; the next telegram comes 5 s later, from some meters 1 s.
const IDLE: Duration = Duration::from_millis(1500);

/// Conversation with a meter that pushes DLMS over wired M-Bus.
#[derive(Debug)]
pub struct Mbus<B> {
    stream: Stream<B>,
    reader: Reader,
    open: Option<Open>,
    /// The held content was told and goes at the next poll.
    told: bool,
}

/// A message that has begun.
#[derive(Debug, Clone, Copy)]
struct Open {
    message: Message,
    /// Number of the next segment, modulo 16; 0 when the next segment begins another block.
    next: u8,
}

/// What is kept of a frame while it stands in the stream.
struct Part {
    ci: u8,
    segment: Option<mbus::Segment>,
    data: Range<usize>,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Mbus<B> {
    /// Listens only: for meters that push and for captured bytes.
    pub fn new(settings: Settings, buffer: B) -> Self {
        Self {
            stream: Stream::new(buffer, Protocol::DlmsMbus, IDLE),
            reader: Reader::new(&settings, Protocol::DlmsMbus),
            open: None,
            told: false,
        }
    }

    /// Gives up the open message.
    fn give_up(&mut self, open: &Open, cause: crate::Cause) -> Rejection {
        self.open = None;
        self.told = true;
        open.message.refuse(self.reader.protocol(), cause)
    }

    /// Takes a frame, which stands at the front of the raw bytes. `Ok` when the message is whole.
    fn take(&mut self, part: Part, offset: u64, len: usize) -> Result<Option<Message>, Rejection> {
        let end = offset + len as u64;
        let Some(segment) = part.segment else {
            self.stream.drop_frame(len);
            let mut alone = Message::at(offset);
            alone.extend(end);
            let cause = crate::Cause::Dlms(Cause::Ci { found: part.ci });
            return Err(alone.refuse(self.reader.protocol(), cause));
        };
        let content = self.stream.raw().get(part.data.clone()).unwrap_or_default();
        let mut open = match self.open {
            None => Open { message: Message::at(offset), next: 0 },
            Some(open)
                if open.next == segment.number && (open.next != 0 || open.message.goes_on_with(content)) =>
            {
                open
            }
            // The frame stays in the stream and begins a message of its own at the next poll.
            Some(open) => return Err(self.give_up(&open, crate::Cause::Dlms(Cause::Interrupted))),
        };
        if segment.number != open.next {
            self.stream.drop_frame(len);
            open.message.extend(end);
            let (expected, found) = (open.next, segment.number);
            return Err(self.give_up(&open, crate::Cause::Dlms(Cause::Segment { expected, found })));
        }
        self.stream.hold(part.data, len);
        open.message.extend(end);
        open.next = (segment.number + 1) & 0x0F;
        if !segment.last {
            self.open = Some(open);
            return Ok(None);
        }
        self.open = None;
        match open.message.join(&mut self.stream, self.reader.protocol()) {
            Joined::Whole(message) => Ok(Some(message)),
            Joined::MoreBlocks(message) => {
                self.open = Some(Open { message, next: 0 });
                Ok(None)
            }
            Joined::Refused(rejection) => {
                self.told = true;
                Err(rejection)
            }
        }
    }
}

fn scan(raw: &[u8]) -> Scan<Part, crate::Cause> {
    match mbus::scan(raw) {
        Scan::NeedMore => Scan::NeedMore,
        Scan::Skip(n) => Scan::Skip(n),
        Scan::Bad { error, len } => Scan::Bad { error: crate::Cause::Dlms(Cause::Mbus(error)), len },
        Scan::Frame { frame, len } => {
            // Checksum and stop byte follow the data.
            let end = len.saturating_sub(2);
            let data = end.saturating_sub(frame.data.len())..end;
            Scan::Frame { frame: Part { ci: frame.ci, segment: frame.segment(), data }, len }
        }
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Conversation for Mbus<B> {
    fn handle_input(&mut self, bytes: &[u8], now: Duration) -> usize {
        self.stream.fill(bytes, now)
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.stream.expire(now);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.stream.deadline()
    }

    fn poll(&mut self) -> Option<Event<'_>> {
        let message = loop {
            if core::mem::take(&mut self.told) {
                self.stream.release();
            }
            match self.stream.next(|raw, _| scan(raw)) {
                Step::Frame { frame, offset, len } => match self.take(frame, offset, len) {
                    Ok(Some(message)) => break message,
                    Ok(None) => {}
                    Err(rejection) => return Some(Event::Rejected(rejection)),
                },
                Step::Rejected(rejection) => match self.open {
                    // A damaged frame ends the message around it; foreign bytes between two frames do not.
                    Some(mut open) if rejection.cause != crate::Cause::Noise => {
                        open.message.extend(rejection.offset + rejection.length);
                        return Some(Event::Rejected(self.give_up(&open, rejection.cause)));
                    }
                    _ => return Some(Event::Rejected(rejection)),
                },
                Step::Ended => {
                    if let Some(open) = self.open {
                        return Some(Event::Rejected(self.give_up(&open, crate::Cause::Truncated)));
                    }
                }
                Step::Wait => return None,
            }
        };
        self.told = true;
        Some(self.reader.read(&mut self.stream, &message))
    }
}
