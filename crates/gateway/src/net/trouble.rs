//! What went wrong on the network, in words for a person, and how far it came.
use super::connect::Unresolved;
use super::tls::{Refused, RefusedFor, TlsError};
use crate::sink::{Step, Trouble};
use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};
use std::error::Error;
use std::fmt;
use std::io;

/// The trouble that an error means, whichever library wrapped it how often; `otherwise` is the step when nothing in
/// it tells.
pub(crate) fn trouble(error: &(dyn Error + 'static), otherwise: Step) -> Trouble {
    let mut found = None;
    let mut last = error;
    walk(error, &mut |cause| {
        last = cause;
        found = found.take().or_else(|| recognised(cause));
    });
    // The innermost sentence is the system's; those around it say only who passed it on.
    found.unwrap_or_else(|| Trouble::new(otherwise, plain(&last.to_string())))
}

impl From<TlsError> for Trouble {
    fn from(error: TlsError) -> Self {
        let help = error.help().map(|help| format!("; {help}")).unwrap_or_default();
        Self::new(Step::Tls, format!("{error}{help}"))
    }
}

/// Deepest chain of errors that is followed; the deepest seen has 7.
const DEPTH_MAX: usize = 16;

/// Visits an error and its causes from the outside in.
fn walk<'a>(error: &'a (dyn Error + 'static), visit: &mut impl FnMut(&'a (dyn Error + 'static))) {
    let mut next = Some(error);
    for _ in 0..DEPTH_MAX {
        let Some(error) = next else { return };
        visit(error);
        // An `io::Error` names as its source the source of what it wraps, and hides that itself.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
}

/// An error that says more than that something failed.
fn recognised(error: &(dyn Error + 'static)) -> Option<Trouble> {
    if let Some(error) = error.downcast_ref::<Unresolved>() {
        return Some(Trouble::new(Step::Resolve, error.to_string()));
    }
    if let Some(error) = error.downcast_ref::<TlsError>() {
        return Some(error.clone().into());
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(Trouble::new(Step::Tls, sentence(error)));
    }
    error.downcast_ref::<io::Error>().and_then(|error| {
        let text = error.to_string();
        // The standard library has no kind for it, and these words since 2015.
        if text.contains("failed to lookup address information") {
            return Some(Trouble::new(Step::Resolve, plain(&text)));
        }
        // `tokio-rustls`, when the other side hangs up before both agree.
        if text.contains("tls handshake eof") {
            let message = "the receiver hung up while encryption was agreed on; does it want a client \
                           certificate, or no TLS at all?";
            return Some(Trouble::new(Step::Tls, message));
        }
        let message = match error.kind() {
            io::ErrorKind::ConnectionRefused => "nobody listens there (connection refused)",
            io::ErrorKind::HostUnreachable => "no way to the host",
            io::ErrorKind::NetworkUnreachable => "no way to the network",
            io::ErrorKind::NetworkDown => "the network is down",
            io::ErrorKind::AddrNotAvailable => "the address is not available",
            _ => return None,
        };
        Some(Trouble::new(Step::Connect, message))
    })
}

/// A sentence of the system without its number.
fn plain(text: &str) -> String {
    text.split_once(" (os error").map_or(text, |(reason, _)| reason).to_owned()
}

/// What an error of the encryption means.
fn sentence(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => other.to_string(),
        rustls::Error::InvalidCertificate(reason) => certificate(reason),
        rustls::Error::AlertReceived(alert) => received(*alert),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the answer is no TLS: is the port right, or does the receiver speak without encryption?"
                .to_owned()
        }
        rustls::Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => TOO_OLD.to_owned(),
        rustls::Error::PeerIncompatible(_) => {
            format!("the receiver and we have no way of encryption in common: {error}")
        }
        other => other.to_string(),
    }
}

const TOO_OLD: &str = "the receiver offers no TLS 1.2 or 1.3, and older versions are not spoken";

/// What the receiver refuses.
fn received(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the receiver wants a client certificate: set `client_cert` and `client_key`".to_owned()
        }
        AlertDescription::UnknownCA => {
            "the receiver does not know who issued our client certificate".to_owned()
        }
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "the receiver refuses our client certificate, or wants one: see `client_cert`".to_owned()
        }
        AlertDescription::CertificateExpired => {
            "the receiver calls our client certificate expired".to_owned()
        }
        AlertDescription::CertificateRevoked => {
            "the receiver calls our client certificate revoked".to_owned()
        }
        AlertDescription::AccessDenied => "the receiver denies access to our client certificate".to_owned(),
        AlertDescription::ProtocolVersion => TOO_OLD.to_owned(),
        AlertDescription::HandshakeFailure => {
            "the receiver breaks off: it wants a client certificate, or another kind of encryption".to_owned()
        }
        AlertDescription::UnrecognisedName => "the receiver does not go by this name".to_owned(),
        other => format!("the receiver breaks off with {other:?}"),
    }
}

/// What is wrong with a certificate.
fn certificate(reason: &CertificateError) -> String {
    match reason {
        CertificateError::Expired => "the certificate has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!(
                "the certificate expired on {}; is the clock of this host right?",
                day(not_after.as_secs())
            )
        }
        CertificateError::NotValidYet => "the certificate is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the certificate is valid from {} on; is the clock of this host right?",
            day(not_before.as_secs())
        ),
        CertificateError::UnknownIssuer => {
            "nobody that is trusted here has issued the certificate: it is self-signed, or its authority is \
             unknown"
                .to_owned()
        }
        CertificateError::BadSignature => {
            "the certificate is not signed by the authority that it names".to_owned()
        }
        CertificateError::NotValidForName => "the certificate is for another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = if presented.is_empty() { "none".to_owned() } else { presented.join(", ") };
            let expected = expected.to_str();
            format!("the certificate is for another name: wanted is {expected}, it has {names}")
        }
        CertificateError::Revoked => "the certificate is revoked".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the certificate is not for servers".to_owned()
        }
        // The only word that the check itself has for it.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the receiver shows the certificate of an authority as its own: give its fingerprint".to_owned()
        }
        other => format!("the certificate cannot be checked: {other}"),
    }
}

/// `2026-11-20`, or the seconds where there is no such day.
fn day(unix_s: u64) -> String {
    let seconds = i64::try_from(unix_s).ok();
    let date = seconds.and_then(metergate_reading::DateTime::from_unix_seconds).and_then(|at| at.date());
    date.map_or_else(|| format!("second {unix_s}"), |date| date.to_string())
}

/// The sentence of a refused certificate. The fingerprint stands only where comparing it could help.
pub(super) fn write_refusal(refused: &Refused, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let shown = refused.shown;
    match &refused.reason {
        RefusedFor::NotPinned => write!(
            f,
            "the certificate is another one than `fingerprint` says; shown is {shown}. Set it anew only if the \
             receiver was given a new certificate"
        ),
        RefusedFor::Authority(reason @ CertificateError::UnknownIssuer) => write!(
            f,
            "{}. If the receiver itself tells you the fingerprint {shown}, set it as `fingerprint`; or set `ca`",
            certificate(reason)
        ),
        RefusedFor::Authority(reason @ CertificateError::Other(_)) => {
            write!(f, "{}. Shown is {shown}", certificate(reason))
        }
        RefusedFor::Authority(reason) => f.write_str(&certificate(reason)),
    }
}
