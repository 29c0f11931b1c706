//! The asking end of the socket, for the command line.
use super::{Answer, LINE_MAX, Request};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The daemon answers at once, unless its disk hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the daemon that listens at a socket.
///
/// # Errors
/// When nobody listens there, or does not answer in time.
pub fn ask(socket: &Path, request: &Request) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_MAX)).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

/// Where the daemon listens that runs with this state directory: systemd's runtime directory of the service first.
#[must_use]
pub fn socket_of(state_directory: Option<&Path>) -> PathBuf {
    let runtime = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    let places = [runtime, Some(PathBuf::from("/run/metergate")), state_directory.map(Path::to_owned)];
    let sockets = places.into_iter().flatten().map(|folder| folder.join(super::FILE_NAME));
    let mut last = PathBuf::from(super::FILE_NAME);
    for socket in sockets {
        if socket.exists() {
            return socket;
        }
        last = socket;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::super::{Asked, Server};
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_request_is_answered_and_nonsense_refused() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("run").join("control.sock");
        let (_trigger, shutdown) = crate::shutdown::channel();
        let (requests, mut asked) = tokio::sync::mpsc::channel::<Asked>(1);
        let server = Server::open(&socket).unwrap();
        assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Server::open(&socket).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        tokio::spawn(server.run(requests, shutdown));
        tokio::spawn(async move {
            while let Some(Asked { request, answer }) = asked.recv().await {
                let _ = answer.send(Answer::Done(format!("{request:?}")));
            }
        });
        let path = socket.clone();
        let done = tokio::task::spawn_blocking(move || {
            let nonsense = {
                let mut stream = UnixStream::connect(&path).unwrap();
                stream.write_all(b"{\"command\":\"explode\"}\n").unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                text
            };
            (ask(&path, &Request::Snapshot { meter: Some("haus".to_owned()) }).unwrap(), nonsense)
        });
        let (done, nonsense) = done.await.unwrap();
        assert_eq!(done, Answer::Done("Snapshot { meter: Some(\"haus\") }".to_owned()));
        assert!(nonsense.starts_with("{\"refused\":\"this is no request"), "{nonsense}");
    }

    #[tokio::test]
    async fn a_socket_that_a_crash_left_behind_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert!(socket.exists());
        Server::open(&socket).unwrap();
    }
}
