//! How a meter is doing, in one word and one sentence: the same in CLI, log, page and metrics.
use crate::{Code, Event, Telegram};
use core::fmt;
use core::time::Duration;
use metergate_reading::Value;

/// How a meter is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Too early to tell.
    Waiting,
    /// Telegrams arrive and pass every check.
    Ok,
    /// Not one byte has arrived.
    NoBytes,
    /// Bytes arrive that look like another speed or parity.
    WrongLine,
    /// A polled meter is silent; only the own request comes back.
    EchoOnly,
    /// Bytes arrive that are no telegram.
    Noise,
    /// Frames arrive and their checks fail.
    Damaged,
    /// Telegrams are encrypted and no key is given.
    MissingKey,
    /// The key does not fit.
    WrongKey,
    /// The key fits, the authentication key does not.
    WrongAuthKey,
    /// The invocation counter does not rise.
    Replayed,
    /// The telegrams use a security that is not supported.
    UnsupportedSecurity,
    /// The telegrams are right, but no layout table tells what their numbers mean.
    UnknownLayout,
    /// The meter shows whole kWh and no power: its PIN was not entered, or INF is off.
    PinLocked,
    /// Telegrams came and have stopped.
    Silent {
        /// When the last byte came.
        since: Duration,
    },
}

impl Verdict {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ok => "ok",
            Self::NoBytes => "no_bytes",
            Self::WrongLine => "wrong_line",
            Self::EchoOnly => "echo_only",
            Self::Noise => "noise",
            Self::Damaged => "damaged",
            Self::MissingKey => "missing_key",
            Self::WrongKey => "wrong_key",
            Self::WrongAuthKey => "authentication_failed",
            Self::Replayed => "replayed",
            Self::UnsupportedSecurity => "unsupported_security",
            Self::UnknownLayout => "unknown_layout",
            Self::PinLocked => "pin_locked",
            Self::Silent { .. } => "silent",
        }
    }

    /// True when readings arrive and may be shown as live.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Ok | Self::UnknownLayout | Self::PinLocked)
    }
}

/// What is going on and what to do next.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting for the first telegram",
            Self::Ok => "telegrams arrive and pass every check",
            Self::NoBytes => {
                "no light or no bytes: check that the head sits right and the port is the right one"
            }
            Self::WrongLine => "bytes arrive, but at another speed or parity: try `metergate detect`",
            Self::EchoOnly => "only the own request comes back: the meter sleeps or the head is misplaced",
            Self::Noise => "bytes arrive that are no telegram: stray light, a bad cable or another protocol",
            Self::Damaged => "telegrams arrive damaged: check the seat of the head, the cable and its length",
            Self::MissingKey => "telegrams are encrypted: set `key`, which the grid operator hands out",
            Self::WrongKey => "the key does not fit: check `key`, or ask the grid operator for a new one",
            Self::WrongAuthKey => "the key fits but the authentication key does not: check `auth_key`",
            Self::Replayed => {
                "the invocation counter does not rise: old telegrams are repeated, or the meter was reset"
            }
            Self::UnsupportedSecurity => "the telegrams use a security that metergate does not know",
            Self::UnknownLayout => {
                "telegrams are right, but what their numbers mean is unknown: add a `layout`"
            }
            Self::PinLocked => "the meter shows whole kWh only: enter its PIN and switch INF on",
            Self::Silent { .. } => "telegrams came and have stopped",
        })
    }
}

/// How many refusals of one kind in a row change a verdict that was good: a line may lose a telegram or two.
const STREAK: u8 = 3;

/// Bytes looked at before foreign bytes are called noise or a wrong line: fewer are the tail of a cut telegram.
const BYTES_MIN: u32 = 32;

/// Watches one meter and knows its [`Verdict`].
#[derive(Debug, Clone)]
pub struct Watch {
    /// How long to wait before silence means something: some intervals of the meter.
    patience: Duration,
    started: Duration,
    last_byte: Option<Duration>,
    last_telegram: Option<(Duration, Verdict)>,
    refusal: Option<Refusal>,
    echo: bool,
    no_answer: bool,
    /// Bytes since the last telegram, and how many of them have few level changes.
    bytes: u32,
    flat_bytes: u32,
    /// Bytes since the last telegram that are text once the parity bit is taken off, but not before.
    parity_bytes: u32,
}

#[derive(Debug, Clone, Copy)]
struct Refusal {
    code: Code,
    in_a_row: u8,
}

impl Watch {
    /// Begins to watch at `now`; `patience` is the silence after which a meter counts as silent.
    #[must_use]
    pub const fn new(patience: Duration, now: Duration) -> Self {
        Self {
            patience,
            started: now,
            last_byte: None,
            last_telegram: None,
            refusal: None,
            echo: false,
            no_answer: false,
            bytes: 0,
            flat_bytes: 0,
            parity_bytes: 0,
        }
    }

    /// Changes the silence after which the meter counts as silent: its interval is known better now.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Notes received bytes.
    pub fn bytes(&mut self, bytes: &[u8], now: Duration) {
        if bytes.is_empty() {
            return;
        }
        self.last_byte = Some(now);
        // The halves keep the latest kilobytes in sight: a line that gets better is seen.
        if self.bytes > 4096 {
            self.bytes /= 2;
            self.flat_bytes /= 2;
            self.parity_bytes /= 2;
        }
        for &byte in bytes {
            self.bytes = self.bytes.saturating_add(1);
            let changes = ((byte ^ (byte >> 1)) & 0x7F).count_ones();
            self.flat_bytes = self.flat_bytes.saturating_add(u32::from(changes <= 2));
            let text = matches!(byte & 0x7F, b'\r' | b'\n' | b' '..=b'~');
            let even = byte.count_ones().is_multiple_of(2);
            self.parity_bytes = self.parity_bytes.saturating_add(u32::from(text && even));
        }
    }

    /// Notes an event.
    pub fn event(&mut self, event: &Event<'_>, now: Duration) {
        match event {
            Event::Telegram(telegram) => {
                self.last_telegram = Some((now, of_telegram(telegram)));
                self.refusal = None;
                (self.echo, self.no_answer) = (false, false);
                (self.bytes, self.flat_bytes, self.parity_bytes) = (0, 0, 0);
            }
            Event::Rejected(rejection) => {
                let code = rejection.cause.code();
                let in_a_row = match self.refusal {
                    Some(refusal) if same_kind(refusal.code, code) => refusal.in_a_row.saturating_add(1),
                    _ => 1,
                };
                self.refusal = Some(Refusal { code, in_a_row });
            }
            Event::NoAnswer { echo, .. } => {
                self.no_answer = true;
                self.echo = *echo;
            }
            Event::Line(_) => {}
        }
    }

    /// How the meter is doing.
    #[must_use]
    pub fn verdict(&self, now: Duration) -> Verdict {
        let fresh = |at: Duration| now.saturating_sub(at) < self.patience;
        if let Some(refusal) = self.refusal
            && self.last_byte.is_some_and(fresh)
            && let Some(verdict) =
                self.of_refusal(refusal, self.last_telegram.is_some_and(|(at, _)| fresh(at)))
        {
            return verdict;
        }
        match (self.last_telegram, self.last_byte) {
            // Before noise: the echoes are bytes too. A telegram clears both.
            _ if self.echo => Verdict::EchoOnly,
            (Some((at, _)), last_byte) if self.no_answer => {
                Verdict::Silent { since: last_byte.unwrap_or(at) }
            }
            (Some((at, verdict)), _) if fresh(at) => verdict,
            (Some(_), Some(since)) if !fresh(since) => Verdict::Silent { since },
            // The first bytes are the beginning of a telegram until patience ends.
            (None, Some(_)) if fresh(self.started) && !self.no_answer => Verdict::Waiting,
            (Some(_) | None, Some(_)) if self.bytes >= BYTES_MIN => self.of_bytes(),
            (Some((at, _)), _) => Verdict::Silent { since: self.last_byte.unwrap_or(at) },
            _ if self.no_answer || !fresh(self.started) => Verdict::NoBytes,
            _ => Verdict::Waiting,
        }
    }

    /// What a refusal means; `None`: nothing yet.
    fn of_refusal(&self, refusal: Refusal, good_until_now: bool) -> Option<Verdict> {
        let often = refusal.in_a_row >= STREAK;
        Some(match refusal.code {
            Code::MissingKey => Verdict::MissingKey,
            Code::UnsupportedSecurity => Verdict::UnsupportedSecurity,
            Code::AuthenticationFailed => Verdict::WrongAuthKey,
            Code::Replayed => Verdict::Replayed,
            // One plaintext that makes no sense may be damage that the link check missed.
            Code::WrongKey | Code::WrongKeyOrDamaged if often => Verdict::WrongKey,
            Code::WrongKey | Code::WrongKeyOrDamaged => return None,
            Code::Noise | Code::ParityMismatch => {
                return (!good_until_now && self.bytes >= BYTES_MIN).then(|| self.of_bytes());
            }
            _ if often => Verdict::Damaged,
            _ => return None,
        })
    }

    /// What bytes without a telegram look like.
    fn of_bytes(&self) -> Verdict {
        // Of random bytes 23 % have at most two level changes; a slower sender stretches its bits into long levels.
        let stretched = self.flat_bytes > self.bytes / 2;
        // Of random bytes 19 % are text with even parity; of 7E1 text read as 8N1, all are.
        let parity = self.parity_bytes > self.bytes / 10 * 9;
        if stretched || parity { Verdict::WrongLine } else { Verdict::Noise }
    }
}

/// Refusals that have one cause count together: a noisy line fails now this check, now that one.
fn same_kind(a: Code, b: Code) -> bool {
    let kind = |code| match code {
        Code::WrongKey | Code::WrongKeyOrDamaged => 1,
        Code::MissingKey | Code::UnsupportedSecurity | Code::AuthenticationFailed | Code::Replayed => 2,
        Code::Noise | Code::ParityMismatch => 3,
        _ => 4,
    };
    kind(a) == kind(b)
}

fn of_telegram(telegram: &Telegram<'_>) -> Verdict {
    let (mut numbers, mut named, mut energies, mut whole_kwh, mut powers) = (0u32, 0u32, 0u32, 0u32, 0u32);
    for register in telegram.registers.clone() {
        let (Value::Number(number) | Value::Float(number)) = register.value else { continue };
        numbers += 1;
        let Some(obis) = register.obis else { continue };
        named += 1;
        match obis.bytes() {
            [1, _, 1 | 2, 8, ..] => {
                energies += 1;
                whole_kwh += u32::from(number.at_exponent(3).is_some());
            }
            [1, _, _, 7, ..] => powers += 1,
            _ => {}
        }
    }
    if numbers > 0 && named == 0 {
        Verdict::UnknownLayout
    } else if telegram.protocol == crate::Protocol::Sml
        && energies > 0
        && whole_kwh == energies
        && powers == 0
    {
        Verdict::PinLocked
    } else {
        Verdict::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cause, Protocol, Rejection};

    const PATIENCE: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn refused(cause: Cause) -> Event<'static> {
        Event::Rejected(Rejection { offset: 0, length: 1, protocol: Protocol::Sml, cause, security: None })
    }

    #[test]
    fn without_a_byte_it_waits_and_then_says_so() {
        let watch = Watch::new(PATIENCE, at(0));
        assert_eq!(watch.verdict(at(9)), Verdict::Waiting);
        assert_eq!(watch.verdict(at(10)), Verdict::NoBytes);
    }

    #[test]
    fn the_beginning_of_the_first_telegram_is_no_noise() {
        let mut watch = Watch::new(PATIENCE, at(0));
        watch.bytes(&[0x00; 300], at(1));
        assert_eq!(watch.verdict(at(1)), Verdict::Waiting);
        assert_eq!(watch.verdict(at(10)), Verdict::WrongLine);
    }

    #[test]
    fn random_bytes_are_noise_and_stretched_bits_are_a_wrong_line() {
        let mut watch = Watch::new(PATIENCE, at(0));
        let mut state = 1u32;
        let random: std::vec::Vec<u8> = (0..500)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                u8::try_from(state >> 24).unwrap()
            })
            .collect();
        watch.bytes(&random, at(1));
        watch.event(&refused(Cause::Noise), at(1));
        assert_eq!(watch.verdict(at(1)), Verdict::Noise);
        let mut watch = Watch::new(PATIENCE, at(0));
        watch.bytes(&[0x00, 0xFE, 0x80, 0xF8, 0xE0, 0x00].repeat(20), at(1));
        watch.event(&refused(Cause::Noise), at(1));
        assert_eq!(watch.verdict(at(1)), Verdict::WrongLine);
    }

    #[test]
    fn text_with_parity_bits_is_a_wrong_line() {
        let mut watch = Watch::new(PATIENCE, at(0));
        let text: std::vec::Vec<u8> =
            b"/ESY5Q3DA1004 V3.04\r\n\r\n1-0:1.8.0*255(00000000.0000000*kWh)\r\n!\r\n"
                .iter()
                .map(|&byte| if byte.count_ones() % 2 == 1 { byte | 0x80 } else { byte })
                .collect();
        watch.bytes(&text, at(1));
        watch.event(&refused(Cause::Noise), at(1));
        assert_eq!(watch.verdict(at(1)), Verdict::WrongLine);
    }

    #[test]
    fn one_damaged_telegram_is_no_verdict_and_three_are() {
        let mut watch = Watch::new(PATIENCE, at(0));
        for n in 1..=3u8 {
            watch.bytes(&[0x55; 8], at(1));
            watch.event(&refused(Cause::Truncated), at(1));
            assert_eq!(watch.verdict(at(1)) == Verdict::Damaged, n == 3, "after {n}");
        }
    }

    #[test]
    fn an_echo_alone_is_told_apart_from_silence() {
        let mut watch = Watch::new(PATIENCE, at(0));
        watch.event(&Event::NoAnswer { attempts: 3, echo: false }, at(2));
        assert_eq!(watch.verdict(at(2)), Verdict::NoBytes);
        watch.bytes(&[0x80, 0x3F], at(3));
        watch.event(&Event::NoAnswer { attempts: 3, echo: true }, at(3));
        assert_eq!(watch.verdict(at(3)), Verdict::EchoOnly);
    }

    #[test]
    fn a_meter_that_answered_and_does_not_any_more_is_silent_at_once() {
        let mut watch = Watch::new(PATIENCE, at(0));
        watch.last_telegram = Some((at(1), Verdict::Ok));
        watch.last_byte = Some(at(1));
        assert_eq!(watch.verdict(at(2)), Verdict::Ok);
        watch.event(&Event::NoAnswer { attempts: 3, echo: false }, at(3));
        assert_eq!(watch.verdict(at(3)), Verdict::Silent { since: at(1) });
    }

    #[test]
    fn codes_are_words_for_machines() {
        for verdict in [Verdict::Ok, Verdict::NoBytes, Verdict::Silent { since: at(0) }] {
            assert!(verdict.code().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        }
    }
}
