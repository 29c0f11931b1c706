//! What the kernel knows about its clock.
//!
//! The only unsafe code of metergate: no library reads the state of the clock without setting it.
#![allow(unsafe_code)]

/// Whether a time service keeps the host's clock, as the kernel sees it; `None` when it does not tell (a sandbox
/// without the call).
///
/// adjtimex(2) without any mode only reads. A service that stops is noticed: the kernel counts the possible error up
/// and calls the clock unsynchronised once it exceeds 16 s, which takes about nine hours.
pub(super) fn is_synchronised() -> Option<bool> {
    // SAFETY: every field of `timex` is a number, for which zero is a valid value.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a `timex` of our own that outlives the call; with `modes` 0 nothing is set.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    // An error is -1; TIME_ERROR is what a clock that nobody keeps says.
    (state >= 0).then_some(state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_answers_and_always_the_same() {
        assert_eq!(super::is_synchronised(), super::is_synchronised());
    }
}
