//! Why bytes were refused.
use crate::{Protocol, SecurityHeader, dlms, iec62056_21, kmp, p1, sml};
use core::fmt;

/// A stretch of the stream that was refused, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rejection {
    /// Offset in the stream of its first byte.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What it was read as.
    pub protocol: Protocol,
    /// Why it was refused.
    pub cause: Cause,
    /// The envelope's header, when the telegram came in one and it could be read.
    pub security: Option<SecurityHeader>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

/// Why bytes were refused, by layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cause {
    /// Bytes that belong to no frame.
    Noise,
    /// A telegram that began and did not end.
    Truncated,
    /// A frame longer than the conversation's buffer.
    TooLong {
        /// Size of the buffer in bytes.
        limit: usize,
    },
    /// SML.
    Sml(sml::Cause),
    /// DLMS over M-Bus or HDLC.
    Dlms(dlms::Cause),
    /// P1.
    P1(p1::Cause),
    /// KMP.
    Kmp(kmp::Cause),
    /// IEC 62056-21.
    Iec62056_21(iec62056_21::Cause),
}

impl Cause {
    /// The layer that refused, such as `sml.transport`, `mbus.frame`, `dlms.security`, `p1.telegram`; `stream` where
    /// no layer had a say.
    #[must_use]
    pub fn layer(&self) -> &'static str {
        match self {
            Self::Noise | Self::Truncated | Self::TooLong { .. } => "stream",
            Self::Sml(cause) => cause.layer(),
            Self::Dlms(cause) => cause.layer(),
            Self::P1(cause) => cause.layer(),
            Self::Kmp(cause) => cause.layer(),
            Self::Iec62056_21(cause) => cause.layer(),
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Noise => Code::Noise,
            Self::Truncated => Code::Truncated,
            Self::TooLong { .. } => Code::TooLong,
            Self::Sml(cause) => cause.code(),
            Self::Dlms(cause) => cause.code(),
            Self::P1(cause) => cause.code(),
            Self::Kmp(cause) => cause.code(),
            Self::Iec62056_21(cause) => cause.code(),
        }
    }
}

/// A sentence that says what was expected and what was found.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noise => f.write_str("bytes that belong to no telegram"),
            Self::Truncated => f.write_str("the telegram began and did not end"),
            Self::TooLong { limit } => write!(f, "the frame is longer than the {limit} bytes kept for one"),
            Self::Sml(cause) => cause.fmt(f),
            Self::Dlms(cause) => cause.fmt(f),
            Self::P1(cause) => cause.fmt(f),
            Self::Kmp(cause) => cause.fmt(f),
            Self::Iec62056_21(cause) => cause.fmt(f),
        }
    }
}

/// The stable code of a refusal, the same in CLI, log, page and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// An 8-bit sum is wrong.
    ChecksumMismatch,
    /// A CRC is wrong.
    CrcMismatch,
    /// A block check character is wrong.
    BccMismatch,
    /// A character has the wrong parity.
    ParityMismatch,
    /// Encrypted, and no key is given.
    MissingKey,
    /// The link checks are right, the plaintext makes no sense.
    WrongKey,
    /// The same where no link check exists to tell the two apart.
    WrongKeyOrDamaged,
    /// Plaintext and inner checks are right, the tag is wrong.
    AuthenticationFailed,
    /// The plaintext begins right and is damaged.
    Damaged,
    /// A security suite, key set or APDU that is not supported.
    UnsupportedSecurity,
    /// The invocation counter is not above the last one.
    Replayed,
    /// It began and did not end, or a part is missing.
    Truncated,
    /// Foreign bytes.
    Noise,
    /// Longer than allowed.
    TooLong,
    /// The structure breaks the standard.
    Malformed,
    /// A number that does not fit 64 bits.
    OutOfRange,
    /// A valid message of a kind that carries no readings we know.
    Unsupported,
}

impl Code {
    /// The code as text, such as `crc_mismatch`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::ChecksumMismatch => "checksum_mismatch",
            Self::CrcMismatch => "crc_mismatch",
            Self::BccMismatch => "bcc_mismatch",
            Self::ParityMismatch => "parity_mismatch",
            Self::MissingKey => "missing_key",
            Self::WrongKey => "wrong_key",
            Self::WrongKeyOrDamaged => "wrong_key_or_damaged",
            Self::AuthenticationFailed => "authentication_failed",
            Self::Damaged => "damaged",
            Self::UnsupportedSecurity => "unsupported_security",
            Self::Replayed => "replayed",
            Self::Truncated => "truncated",
            Self::Noise => "noise",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::OutOfRange => "out_of_range",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}
