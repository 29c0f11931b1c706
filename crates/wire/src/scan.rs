//! What a scanner says about the start of the unread bytes of a stream.

/// What stands at the start of a slice of stream bytes.
///
/// **The answer is final.** A scanner that would answer otherwise if more bytes followed says [`Scan::NeedMore`].
/// That makes the result of a stream independent of the pieces in which it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan<F, E> {
    /// Nothing can be said before more bytes arrive; all bytes of the slice are still needed.
    NeedMore,
    /// The first `n >= 1` bytes cannot begin a frame: noise.
    Skip(usize),
    /// A whole frame, its own checks right, stands in the first `len` bytes.
    Frame {
        /// The frame, borrowed from the slice.
        frame: F,
        /// Its length on the wire, `>= 1`.
        len: usize,
    },
    /// The bytes begin like a frame, but a check fails.
    ///
    /// `len >= 1` is the length that the frame claims; another frame may begin inside it (a damaged length byte
    /// claims the bytes of its neighbours), so the caller looks for one from the second byte on.
    Bad {
        /// Which check failed, with what was expected and found.
        error: E,
        /// The claimed length.
        len: usize,
    },
}
