//! Any of the conversations, chosen at run time.
use crate::{Conversation, Event, Protocol, Settings, dlms, iec62056_21, kmp, p1, sml};
use core::time::Duration;

/// A conversation with any meter, chosen at run time.
///
/// A host uses this enum. Firmware that reads one meter names its conversation directly, so that the linker drops the
/// others.
#[derive(Debug)]
pub enum Meter<B> {
    /// SML.
    Sml(sml::Sml<B>),
    /// DLMS over wired M-Bus.
    DlmsMbus(dlms::Mbus<B>),
    /// DLMS over HDLC.
    DlmsHdlc(dlms::Hdlc<B>),
    /// P1.
    P1(p1::P1<B>),
    /// Kamstrup.
    Kmp(kmp::Kmp<B>),
    /// IEC 62056-21.
    Iec62056_21(iec62056_21::Iec62056_21<B>),
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Meter<B> {
    /// A conversation that only listens: for meters that push, and for captured bytes of any meter.
    pub fn listening(protocol: Protocol, settings: Settings, buffer: B) -> Self {
        match protocol {
            Protocol::Sml => Self::Sml(sml::Sml::new(settings, buffer)),
            Protocol::DlmsMbus => Self::DlmsMbus(dlms::Mbus::new(settings, buffer)),
            Protocol::DlmsHdlc => Self::DlmsHdlc(dlms::Hdlc::new(settings, buffer)),
            Protocol::P1 => Self::P1(p1::P1::new(settings, buffer)),
            Protocol::Kmp => Self::Kmp(kmp::Kmp::new(settings, buffer)),
            Protocol::Iec62056_21 => Self::Iec62056_21(iec62056_21::Iec62056_21::new(settings, buffer)),
        }
    }

    fn conversation(&self) -> &dyn Conversation {
        match self {
            Self::Sml(meter) => meter,
            Self::DlmsMbus(meter) => meter,
            Self::DlmsHdlc(meter) => meter,
            Self::P1(meter) => meter,
            Self::Kmp(meter) => meter,
            Self::Iec62056_21(meter) => meter,
        }
    }

    fn conversation_mut(&mut self) -> &mut dyn Conversation {
        match self {
            Self::Sml(meter) => meter,
            Self::DlmsMbus(meter) => meter,
            Self::DlmsHdlc(meter) => meter,
            Self::P1(meter) => meter,
            Self::Kmp(meter) => meter,
            Self::Iec62056_21(meter) => meter,
        }
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Conversation for Meter<B> {
    fn handle_input(&mut self, bytes: &[u8], now: Duration) -> usize {
        self.conversation_mut().handle_input(bytes, now)
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.conversation_mut().handle_timeout(now);
    }

    fn poll_transmit(&mut self, out: &mut [u8]) -> usize {
        self.conversation_mut().poll_transmit(out)
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.conversation().poll_timeout()
    }

    fn poll(&mut self) -> Option<Event<'_>> {
        self.conversation_mut().poll()
    }
}
