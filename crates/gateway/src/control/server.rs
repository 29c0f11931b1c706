//! The daemon's end of the socket.
use super::{Answer, Asked, LINE_MAX, Request};
use crate::shutdown::Shutdown;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// So many are answered at once; a person needs one, a script two.
const CONNECTIONS_MAX: usize = 8;

/// Who does not ask within this is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Listens for requests and hands them to the pipeline.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Opens the socket; one that a crash left behind is replaced, one that is in use is not.
    ///
    /// # Errors
    /// When the folder cannot be written, or another daemon listens there.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => {
                let text = format!("{}: another gateway listens here", path.display());
                return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves until told to end.
    pub async fn run(self, requests: mpsc::Sender<Asked>, mut shutdown: Shutdown) {
        let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                () = shutdown.wait() => break,
                accepted = self.listener.accept() => accepted,
            };
            let (Ok((stream, _)), Ok(seat)) = (accepted, Arc::clone(&seats).try_acquire_owned()) else {
                // Out of descriptors or crowded: who asks sees the connection end and tries again.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let requests = requests.clone();
            tokio::spawn(async move {
                let _ = tokio::time::timeout(PATIENCE, serve(stream, requests)).await;
                drop(seat);
            });
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(stream: UnixStream, requests: mpsc::Sender<Asked>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_MAX)).read_line(&mut line).await?;
    let answer = match serde_json::from_str::<Request>(&line) {
        Ok(request) => {
            let (answer, answered) = oneshot::channel();
            let gone = || Answer::Refused("the gateway is about to end".to_owned());
            if requests.send(Asked { request, answer }).await.is_err() {
                gone()
            } else {
                answered.await.unwrap_or_else(|_| gone())
            }
        }
        Err(error) => Answer::Refused(format!("this is no request: {error}")),
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    write.write_all(&text).await
}
