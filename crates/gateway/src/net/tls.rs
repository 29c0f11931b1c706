//! Encrypted connections: whom to trust, who we are, one configuration for every library that speaks TLS.
//!
//! TLS 1.2 and 1.3 with `ring` and nothing else. A receiver is trusted by the authorities of this system, or by those
//! in one file and no other, or by the fingerprint of its certificate. A self-signed certificate has no authority, so
//! it is refused unless its fingerprint is given, or its authority's certificate.
use crate::config::{ClientIdentity, Fingerprint, TlsSetup, TrustSetup};
use ring::digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why no encrypted connection can be tried at all: a fault of the configuration, not of the receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TlsError {
    /// A file that the configuration names.
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        fault: FileFault,
    },
    /// The system trusts nobody.
    NoAuthorities,
    /// The library refuses the certificate and key that we show.
    Identity(String),
    /// The library refuses something else.
    Library(String),
}

/// What is wrong with a PEM file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileFault {
    /// It cannot be read, in the system's words.
    Unreadable(String),
    /// There is none of these in it.
    Empty(&'static str),
    /// One of them is damaged.
    Damaged(&'static str),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, fault } => match fault {
                FileFault::Unreadable(reason) => write!(f, "{} cannot be read: {reason}", path.display()),
                FileFault::Empty(what) => write!(f, "{} holds no {what} in PEM", path.display()),
                FileFault::Damaged(what) => write!(f, "{} holds a damaged {what}", path.display()),
            },
            Self::NoAuthorities => f.write_str("this system trusts no authority at all"),
            Self::Identity(reason) => write!(f, "the client certificate cannot be used: {reason}"),
            Self::Library(reason) => write!(f, "no connection can be set up: {reason}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl TlsError {
    /// What to do.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::File { fault: FileFault::Unreadable(_), .. } => {
                Some("names of files are relative to the folder of the configuration".to_owned())
            }
            Self::File { fault: FileFault::Empty(what), .. } => Some(format!(
                "`openssl x509 -inform der` makes PEM of another form; `-----BEGIN` begins a {what}"
            )),
            Self::File { fault: FileFault::Damaged(_), .. } => Some("copy the file again, whole".to_owned()),
            Self::NoAuthorities => Some("install ca-certificates, or set `ca` or `fingerprint`".to_owned()),
            Self::Identity(_) => Some("`client_key` must be the private key of `client_cert`".to_owned()),
            Self::Library(_) => None,
        }
    }
}

/// A configuration for connections to one receiver. Reads the files that the setup names, so that a certificate that
/// was renewed counts from the next connection for which this is called.
///
/// # Errors
/// [`TlsError::File`] when a file is missing or holds nothing; [`TlsError::NoAuthorities`] on a system without any;
/// [`TlsError::Identity`] when client certificate and key do not belong together; [`TlsError::Library`] never with the
/// versions and the provider that stand here.
pub(crate) fn client_config(setup: &TlsSetup) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match &setup.trust {
        TrustSetup::System => by_authority(system_authorities()?, &provider)?,
        TrustSetup::Ca(path) => by_authority(authorities_of(path)?, &provider)?,
        TrustSetup::Fingerprint(fingerprint) => {
            Arc::new(Pinned { fingerprint: *fingerprint, provider: Arc::clone(&provider) })
        }
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| TlsError::Library(error.to_string()))?
        // Both verifiers here check as much as the library's own; it calls every other one dangerous.
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match &setup.client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let (chain, key) = identity(client)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| TlsError::Identity(error.to_string()))?
        }
    };
    Ok(Arc::new(config))
}

/// Reads the files of a setup, and tells the key of the configuration whose file is wrong.
pub(crate) fn check_files(setup: &TlsSetup) -> Result<(), (&'static str, TlsError)> {
    if let TrustSetup::Ca(path) = &setup.trust {
        authorities_of(path).map_err(|error| ("ca", error))?;
    }
    let Some(client) = &setup.client else { return Ok(()) };
    certificates(&client.cert).map_err(|error| ("client_cert", error))?;
    identity(client).map_err(|error| ("client_key", error))?;
    let trust_nobody = TlsSetup { trust: TrustSetup::Fingerprint(Fingerprint([0; 32])), ..setup.clone() };
    client_config(&trust_nobody).map(drop).map_err(|error| ("client_key", error))
}

fn system_authorities() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (_, ignored) = roots.add_parsable_certificates(found.certs);
    if ignored > 0 || !found.errors.is_empty() {
        tracing::debug!("{} certificates of this system are not understood", ignored + found.errors.len());
    }
    if roots.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(roots) }
}

fn authorities_of(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|_| damaged(path, "certificate"))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let all = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|_| damaged(path, "certificate"))?;
    if all.is_empty() {
        return Err(TlsError::File { path: path.to_owned(), fault: FileFault::Empty("certificate") });
    }
    Ok(all)
}

fn identity(
    client: &ClientIdentity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let pem = zeroize::Zeroizing::new(read(&client.key)?);
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => {
            TlsError::File { path: client.key.clone(), fault: FileFault::Empty("private key") }
        }
        _ => damaged(&client.key, "private key"),
    })?;
    Ok((certificates(&client.cert)?, key))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| {
        let text = error.to_string();
        let reason = text.split_once(" (os error").map_or(text.as_str(), |(reason, _)| reason);
        TlsError::File { path: path.to_owned(), fault: FileFault::Unreadable(reason.to_owned()) }
    })
}

fn damaged(path: &Path, what: &'static str) -> TlsError {
    TlsError::File { path: path.to_owned(), fault: FileFault::Damaged(what) }
}

/// SHA-256 of a certificate.
fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    let mut bytes = [0; 32];
    let found = digest::digest(&digest::SHA256, certificate);
    // Both have 32 bytes; zip has no panic for the case that they had not.
    bytes.iter_mut().zip(found.as_ref()).for_each(|(slot, byte)| *slot = *byte);
    Fingerprint(bytes)
}

/// A certificate was refused; carries what the person who has to decide wants to compare.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    /// Why.
    pub(crate) reason: RefusedFor,
    /// The fingerprint of what the receiver showed.
    pub(crate) shown: Fingerprint,
}

/// Why a certificate was refused.
#[derive(Debug, Clone)]
pub(crate) enum RefusedFor {
    /// The library's check failed.
    Authority(CertificateError),
    /// It is not the certificate that is trusted.
    NotPinned,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::trouble::write_refusal(self, f)
    }
}

impl std::error::Error for Refused {}

impl Refused {
    fn into_error(self) -> rustls::Error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(self))))
    }
}

fn by_authority(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(Arc::new(ByAuthority(verifier.map_err(|_| TlsError::NoAuthorities)?)))
}

/// The library's own check, whose refusals also carry the fingerprint.
#[derive(Debug)]
struct ByAuthority(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for ByAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verdict.map_err(|error| match error {
            rustls::Error::InvalidCertificate(reason) => {
                let reason = RefusedFor::Authority(reason);
                Refused { reason, shown: fingerprint(end_entity) }.into_error()
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Trusts exactly one certificate. That whoever shows it also has its key is what the signatures prove.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = fingerprint(end_entity);
        if shown == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Refused { reason: RefusedFor::NotPinned, shown }.into_error())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
