//! The conversation with a meter that pushes DLMS over HDLC.
use super::Cause;
use super::message::{Joined, Message, Reader};
use crate::{Conversation, Event, Protocol, Rejection, Settings, Step, Stream};
use core::ops::Range;
use core::time::Duration;
use metergate_wire::{Scan, hdlc};

/// Silence that ends an unfinished telegram. The frames of a telegram follow each other directly; the next telegram
/// comes 2 s later from Kaifa, 1 s from Austrian meters.
const IDLE: Duration = Duration::from_millis(900);

/// Conversation with a meter that pushes DLMS over HDLC.
#[derive(Debug)]
pub struct Hdlc<B> {
    stream: Stream<B>,
    reader: Reader,
    open: Option<Open>,
    /// The held content was told and goes at the next poll.
    told: bool,
    /// The flag that ended the last frame stands directly before the raw bytes and may open the next frame too.
    after_flag: bool,
}

/// A message that has begun.
#[derive(Debug, Clone, Copy)]
struct Open {
    message: Message,
    /// The S bit said that the next frame continues this one; else it brings the next block.
    segmented: bool,
}

/// What is kept of a frame while it stands in the stream.
enum Part {
    /// Flags that fill the line between frames.
    Fill,
    Information {
        segmented: bool,
        has_llc: bool,
        content: Range<usize>,
    },
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Hdlc<B> {
    /// Listens only: for meters that push and for captured bytes.
    pub fn new(settings: Settings, buffer: B) -> Self {
        Self {
            stream: Stream::new(buffer, Protocol::DlmsHdlc, IDLE),
            reader: Reader::new(&settings, Protocol::DlmsHdlc),
            open: None,
            told: false,
            after_flag: false,
        }
    }

    /// Gives up the open message.
    fn give_up(&mut self, open: &Open, cause: crate::Cause) -> Rejection {
        self.open = None;
        self.told = true;
        open.message.refuse(self.reader.protocol(), cause)
    }

    /// Takes a frame, which stands at the front of the raw bytes. `Ok` when the message is whole.
    fn take(
        &mut self,
        (segmented, has_llc, content): (bool, bool, Range<usize>),
        offset: u64,
        len: usize,
    ) -> Result<Option<Message>, Rejection> {
        let end = offset + len as u64;
        let bytes = self.stream.raw().get(content.clone()).unwrap_or_default();
        let mut open = match self.open {
            None if has_llc => Open { message: Message::at(offset), segmented: false },
            None => {
                self.stream.drop_frame(len);
                self.after_flag = true;
                let mut alone = Message::at(offset);
                alone.extend(end);
                let cause = crate::Cause::Dlms(Cause::NoBeginning);
                return Err(alone.refuse(self.reader.protocol(), cause));
            }
            // The LLC header stands in the first frame only, of segments and of blocks.
            Some(open) if open.segmented && !has_llc => open,
            Some(open) if !open.segmented && open.message.goes_on_with(bytes) => open,
            // The frame stays in the stream and begins a message of its own at the next poll.
            Some(open) => return Err(self.give_up(&open, crate::Cause::Dlms(Cause::Interrupted))),
        };
        self.stream.hold(content, len);
        self.after_flag = true;
        open.message.extend(end);
        open.segmented = segmented;
        if segmented {
            self.open = Some(open);
            return Ok(None);
        }
        self.open = None;
        match open.message.join(&mut self.stream, self.reader.protocol()) {
            Joined::Whole(message) => Ok(Some(message)),
            Joined::MoreBlocks(message) => {
                self.open = Some(Open { message, segmented: false });
                Ok(None)
            }
            Joined::Refused(rejection) => {
                self.told = true;
                Err(rejection)
            }
        }
    }
}

/// Looks for a frame. `after_flag` is taken back as soon as the bytes after the last frame are none.
fn scan(raw: &[u8], ended: bool, after_flag: &mut bool) -> Scan<Part, crate::Cause> {
    let fill = match raw {
        [hdlc::FLAG, hdlc::FLAG, ..] if *after_flag => true,
        [hdlc::FLAG, hdlc::FLAG, format, ..] => format & 0xF0 == 0xA0,
        [hdlc::FLAG, hdlc::FLAG] if !ended => return Scan::NeedMore,
        [hdlc::FLAG] | [hdlc::FLAG, hdlc::FLAG] => ended,
        _ => false,
    };
    if fill {
        return Scan::Frame { frame: Part::Fill, len: 1 };
    }
    let scanned = if *after_flag { hdlc::scan_after_flag(raw) } else { hdlc::scan(raw) };
    match scanned {
        Scan::NeedMore => Scan::NeedMore,
        Scan::Skip(n) => {
            *after_flag = false;
            Scan::Skip(n)
        }
        Scan::Bad { error, len } => {
            *after_flag = false;
            Scan::Bad { error: crate::Cause::Dlms(Cause::Hdlc(error)), len }
        }
        Scan::Frame { frame, len } => {
            let without_llc = hdlc::without_llc(frame.information);
            let content = without_llc.unwrap_or(frame.information);
            // FCS and flag follow the information field.
            let end = len.saturating_sub(3);
            let content = end.saturating_sub(content.len())..end;
            let has_llc = without_llc.is_some();
            Scan::Frame { frame: Part::Information { segmented: frame.segmented, has_llc, content }, len }
        }
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Conversation for Hdlc<B> {
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
            let after_flag = &mut self.after_flag;
            match self.stream.next(|raw, ended| scan(raw, ended, after_flag)) {
                Step::Frame { frame: Part::Fill, len, .. } => self.stream.drop_frame(len),
                Step::Frame { frame: Part::Information { segmented, has_llc, content }, offset, len } => {
                    match self.take((segmented, has_llc, content), offset, len) {
                        Ok(Some(message)) => break message,
                        Ok(None) => {}
                        Err(rejection) => return Some(Event::Rejected(rejection)),
                    }
                }
                Step::Rejected(rejection) => match self.open {
                    // A damaged frame ends the message around it; foreign bytes between two frames do not.
                    Some(mut open) if rejection.cause != crate::Cause::Noise => {
                        open.message.extend(rejection.offset + rejection.length);
                        return Some(Event::Rejected(self.give_up(&open, rejection.cause)));
                    }
                    _ => return Some(Event::Rejected(rejection)),
                },
                Step::Ended => {
                    self.after_flag = false;
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
