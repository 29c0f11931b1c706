//! The five verbs that every meter fits.
use crate::Event;
use core::time::Duration;

/// A conversation with one meter, without IO.
///
/// The driver owns port and clock. `now` is any monotonic time, the same for all calls. The loop is:
///
/// 1. offer received bytes to [`handle_input`](Self::handle_input); when it takes fewer than offered, poll and offer
///    the rest again;
/// 2. call [`poll`](Self::poll) until it says `None`;
/// 3. send what [`poll_transmit`](Self::poll_transmit) gives;
/// 4. wait for bytes or for [`poll_timeout`](Self::poll_timeout), then call
///    [`handle_timeout`](Self::handle_timeout) and go on with 2.
///
/// At the end of the input the driver advances `now` to each `poll_timeout()` until there is none: telegrams without
/// an end mark end this way.
///
/// **For equal `now`, the same bytes in any pieces give the same events.**
pub trait Conversation {
    /// Takes received bytes and returns how many were taken, at most what the buffer holds.
    ///
    /// Takes none while events wait for [`poll`](Self::poll) that belong before these bytes.
    fn handle_input(&mut self, bytes: &[u8], now: Duration) -> usize;

    /// Tells that time has passed; harmless when called too early.
    fn handle_timeout(&mut self, now: Duration);

    /// Writes the bytes to send next to the front of `out` and returns their number; 0: nothing to send.
    ///
    /// Meters that push never have any. `out` should hold 64 bytes, the longest request.
    fn poll_transmit(&mut self, out: &mut [u8]) -> usize {
        let _ = out;
        0
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due; `None`: only bytes can change anything.
    fn poll_timeout(&self) -> Option<Duration>;

    /// The next event, which borrows the telegram from the conversation's buffer; `None`: no more before new input.
    fn poll(&mut self) -> Option<Event<'_>>;
}
