//! A receiver of posted requests that answers as it is told, with or without encryption.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses its part, and unwraps")]

use super::certificates::Files;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and target.
    pub line: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What it says to a request: status with further header lines, and body.
pub type Says = Box<dyn FnMut(&Request) -> (String, String) + Send>;

/// A server on a free port of the loopback; its thread ends with the process.
pub struct HttpServer {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl HttpServer {
    pub fn start(certificate: Option<&Files>, says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = certificate.map(|files| {
            let chain = CertificateDer::pem_file_iter(&files.cert).unwrap().map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            Arc::new(builder.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap())
        });
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, says) = (Arc::clone(&requests), Arc::new(Mutex::new(says)));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tls, seen, says) = (tls.clone(), Arc::clone(&seen), Arc::clone(&says));
                std::thread::spawn(move || match tls {
                    Some(tls) => {
                        serve(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), &seen, &says);
                    }
                    None => serve::<TcpStream>(stream, &seen, &says),
                });
            }
        });
        Self { port, requests }
    }

    /// One that says the same to everything.
    pub fn saying(certificate: Option<&Files>, status: &'static str) -> Self {
        Self::start(certificate, Box::new(move |_| (status.to_owned(), String::new())))
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// Answers until the client goes away.
fn serve<S: Read + Write>(stream: S, seen: &Mutex<Vec<Request>>, says: &Mutex<Says>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        let (head, body) = says.lock().unwrap()(&request);
        seen.lock().unwrap().push(request);
        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.get_mut().write_all(answer.as_bytes()).and_then(|()| stream.get_mut().flush()).is_err() {
            return;
        }
    }
}

fn read<S: Read>(stream: &mut BufReader<S>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|len| *len > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse().unwrap());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some(Request { line: line.trim_end().to_owned(), headers, body: String::from_utf8(body).unwrap() })
}
