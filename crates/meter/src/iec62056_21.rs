//! Conversation to be written.
use crate::{Code, Conversation, Event, Protocol, Settings, Step, Stream};
use core::fmt;
use core::time::Duration;
use metergate_reading::Register;

/// Why a telegram was refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cause {}

impl Cause {
    pub(crate) fn layer(&self) -> &'static str {
        match *self {}
    }

    pub(crate) fn code(&self) -> Code {
        match *self {}
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

/// Registers of a telegram.
#[derive(Debug, Clone)]
pub struct Registers<'a>(core::marker::PhantomData<&'a ()>);

impl<'a> Iterator for Registers<'a> {
    type Item = Register<'a>;

    fn next(&mut self) -> Option<Register<'a>> {
        None
    }
}

/// Conversation with an IEC 62056-21 meter.
#[derive(Debug)]
pub struct Iec62056_21<B> {
    stream: Stream<B>,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Iec62056_21<B> {
    /// Listens only: for meters that push and for captured bytes.
    pub fn new(settings: Settings, buffer: B) -> Self {
        let _ = settings;
        Self { stream: Stream::new(buffer, Protocol::Iec62056_21, Duration::from_millis(500)) }
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Conversation for Iec62056_21<B> {
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
        match self.stream.next(|raw, _| metergate_wire::Scan::<(), _>::Skip(raw.len())) {
            Step::Rejected(rejection) => Some(Event::Rejected(rejection)),
            _ => None,
        }
    }
}
