//! Every way in which an encrypted connection fails, against `openssl s_server`.
use super::http::{Answer, client, post, request_trouble};
use super::tls::{TlsError, check_files};
use crate::config::{ClientIdentity, Fingerprint, TlsSetup, TrustSetup};
use crate::peers::certificates::{Authority, Validity, self_signed};
use crate::peers::tls_server::TlsServer;
use crate::sink::{Step, Trouble};
use std::path::Path;
use std::process::Command;

const US: &str = "localhost";

/// What comes of asking a server of this host for a page.
fn ask(url: &str, setup: &TlsSetup) -> Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = client(Some(setup), None)?;
        let answer = client.get(url).send().await.map_err(request_trouble)?;
        assert_eq!(answer.status(), 200);
        Ok(())
    })
}

fn local(server: &TlsServer) -> String {
    format!("https://{US}:{}/", server.port)
}

fn trusting(ca: &Path) -> TlsSetup {
    TlsSetup { trust: TrustSetup::Ca(ca.to_owned()), client: None }
}

/// What `openssl` says the fingerprint is.
fn fingerprint(cert: &Path) -> Fingerprint {
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(cert)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// The connection fails at the encryption, and the sentence names the cause.
fn refused(url: &str, setup: &TlsSetup, cause: &str) {
    let trouble = ask(url, setup).expect_err(cause);
    assert_eq!(trouble.step, Step::Tls, "{trouble}");
    assert!(trouble.message.contains(cause), "{trouble}");
}

#[test]
fn a_certificate_counts_with_its_authority_its_name_and_its_dates() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let ca = ours.file(folder.path());
    let good = ours.issue(folder.path(), &[US], Validity::Valid);
    ask(&local(&TlsServer::start(&good, &[])), &trusting(&ca)).unwrap();
    let tls12 = TlsServer::start(&good, &["-tls1_2"]);
    ask(&local(&tls12), &trusting(&ca)).unwrap();
    for (server, cause) in [
        (theirs.issue(folder.path(), &[US], Validity::Valid), "its authority is unknown"),
        (ours.issue(folder.path(), &[US], Validity::Expired), "expired on 2021-01-01"),
        (ours.issue(folder.path(), &[US], Validity::NotYet), "valid from 2119-01-01"),
        (
            ours.issue(folder.path(), &["other.example"], Validity::Valid),
            "for another name: wanted is localhost, it has DnsName(\"other.example\")",
        ),
    ] {
        refused(&local(&TlsServer::start(&server, &[])), &trusting(&ca), cause);
    }
    // What the system trusts does not count beside a given authority, nor the other way round.
    refused(&local(&TlsServer::start(&good, &[])), &TlsSetup::default(), "nobody that is trusted here");
}

#[test]
fn a_self_signed_certificate_is_refused_until_its_fingerprint_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = self_signed(folder.path(), &["other.example"]);
    let server = TlsServer::start(&certificate, &[]);
    let shown = fingerprint(&certificate.cert);
    refused(&local(&server), &TlsSetup::default(), "self-signed");
    refused(&local(&server), &TlsSetup::default(), &shown.to_string());
    let pinned = |fingerprint| TlsSetup { trust: TrustSetup::Fingerprint(fingerprint), client: None };
    ask(&local(&server), &pinned(shown)).unwrap();
    let mut other = shown;
    other.0[31] ^= 1;
    refused(&local(&server), &pinned(other), "another one than `fingerprint` says");
    // Both versions sign the handshake differently; the check of the key holds in both.
    let tls12 = TlsServer::start(&certificate, &["-tls1_2"]);
    ask(&local(&tls12), &pinned(shown)).unwrap();
}

#[test]
fn a_client_certificate_is_shown_where_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let ca = authority.file(folder.path());
    let server = authority.issue(folder.path(), &[US], Validity::Valid);
    let us = authority.issue(folder.path(), &["gateway"], Validity::Valid);
    let ca_text = ca.to_str().unwrap();
    for version in ["-tls1_2", "-tls1_3"] {
        let server =
            TlsServer::start(&server, &["-Verify", "1", "-verify_return_error", "-CAfile", ca_text, version]);
        refused(&local(&server), &trusting(&ca), "client certificate");
        let client = ClientIdentity { cert: us.cert.clone(), key: us.key.clone() };
        let known = TlsSetup { client: Some(client), ..trusting(&ca) };
        ask(&local(&server), &known).unwrap();
        let stranger = Authority::new("theirs").issue(folder.path(), &["stranger"], Validity::Valid);
        let client = ClientIdentity { cert: stranger.cert, key: stranger.key };
        refused(&local(&server), &TlsSetup { client: Some(client), ..trusting(&ca) }, "client certificate");
    }
}

#[test]
fn an_old_version_of_tls_is_not_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = self_signed(folder.path(), &[US]);
    let server = TlsServer::start(&certificate, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    refused(&local(&server), &TlsSetup::default(), "no TLS 1.2 or 1.3");
}

#[test]
fn a_receiver_without_tls_is_told_from_one_that_is_away() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 512]);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    refused(&url, &TlsSetup::default(), "the answer is no TLS");
    server.join().unwrap();
    let trouble = ask(&url, &TlsSetup::default()).unwrap_err();
    assert_eq!(trouble, Trouble::new(Step::Connect, "nobody listens there (connection refused)"));
}

#[test]
fn a_name_without_address_is_told_from_a_host_that_refuses() {
    // RFC 6761 6.4: nobody ever has this name.
    let trouble = ask("https://nobody.invalid/", &TlsSetup::default()).unwrap_err();
    assert_eq!(trouble.step, Step::Resolve, "{trouble}");
    assert!(trouble.message.contains("`nobody.invalid` has no address"), "{trouble}");
}

#[test]
fn files_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let (one, two) = (
        authority.issue(folder.path(), &["one"], Validity::Valid),
        authority.issue(folder.path(), &["two"], Validity::Valid),
    );
    let absent = folder.path().join("absent.pem");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    let told = |setup: &TlsSetup| check_files(setup).map_err(|(key, error)| (key, error.to_string()));
    assert_eq!(
        told(&trusting(&absent)),
        Err(("ca", format!("{} cannot be read: No such file or directory", absent.display())))
    );
    assert_eq!(
        told(&trusting(&empty)),
        Err(("ca", format!("{} holds no certificate in PEM", empty.display())))
    );
    let showing = |cert: &Path, key: &Path| {
        let client = ClientIdentity { cert: cert.to_owned(), key: key.to_owned() };
        TlsSetup { client: Some(client), ..TlsSetup::default() }
    };
    assert_eq!(told(&showing(&one.cert, &one.key)), Ok(()));
    assert_eq!(
        told(&showing(&one.cert, &one.cert)),
        Err(("client_key", format!("{} holds no private key in PEM", one.cert.display())))
    );
    let (key, error) = check_files(&showing(&one.cert, &two.key)).unwrap_err();
    assert_eq!(key, "client_key");
    assert!(matches!(error, TlsError::Identity(_)), "{error}");
}

#[test]
fn a_receiver_that_never_answers_is_trouble_with_the_delivery() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let request = client(None, None).unwrap().post(url).body("x");
        post(request.timeout(std::time::Duration::from_millis(200))).await
    });
    let Answer::Trouble(trouble) = answer else { panic!("{answer:?}") };
    assert_eq!(trouble.step, Step::Deliver, "it did connect: {trouble}");
    assert!(trouble.message.starts_with("no answer within"), "{trouble}");
}
