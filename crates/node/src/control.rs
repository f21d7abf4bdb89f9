//! The control socket of the agent: a person's command asks, the agent answers, one JSON line each way
//! (`wire::local`). Whoever can open the socket is the owner.
//!
//! (A) The socket has mode 0600, from its first moment, in a folder nobody else can write; a peer of another user than
//! ours or root is turned away. (B) A socket left behind is replaced only when nobody answers on it; what is no socket is
//! never touched. (C) At most [`CONNECTIONS_MAX`] at once; lines, waits and answers are bounded: a client that is silent,
//! talks nonsense or talks without end harms nobody else. (D) At the end the socket is removed, if it is still ours.

use model::errors;
use nix::unistd::Uid;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use wire::limits::LOCAL_LINE_MAX;
use wire::local::{LocalAnswer, LocalAsk};

/// Connections served at once; more wait in the system's queue.
pub const CONNECTIONS_MAX: usize = 16;
/// Longest wait for a client's line.
pub const ASK_WAIT: Duration = Duration::from_secs(5);
/// Longest time an answer may take to be found; above the longest wait for the center.
pub const ANSWER_WAIT: Duration = Duration::from_secs(40);
/// Longest wait until a client has taken its answer.
pub const TAKE_WAIT: Duration = Duration::from_secs(5);
/// Longest wait for answers under way when the server ends.
pub const END_WAIT: Duration = Duration::from_secs(1);
/// Pause after a failure to accept, so that a system short of handles is not spun on.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest path of a socket, without its ending zero (`sockaddr_un`).
const PATH_MAX: usize = 107;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Somebody answers there.
    #[error("another agent answers on {path}", path = .0.display())]
    AlreadyRunning(PathBuf),
    /// Something else stands there.
    #[error("{path} is no socket", path = .0.display())]
    NotASocket(PathBuf),
    /// Others may write in its folder.
    #[error("{path} can be written by other users", path = .0.display())]
    FolderOpen(PathBuf),
    /// The system takes no path that long.
    #[error("{path} is longer than {PATH_MAX} bytes", path = .0.display())]
    PathTooLong(PathBuf),
    /// The system said no.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
}

/// Who answers.
pub trait Handler: Send + Sync + 'static {
    /// Answers one ask. Cut off after [`ANSWER_WAIT`].
    fn handle(&self, ask: LocalAsk) -> impl Future<Output = LocalAnswer> + Send;
}

/// A control socket that is served.
#[derive(Debug)]
pub struct ControlServer {
    path: PathBuf,
    /// Device and inode of our socket.
    own: (u64, u64),
    end: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl ControlServer {
    /// Binds the socket and serves it until [`Self::stop`]; dropping the server ends it at once.
    pub async fn start<H: Handler>(path: &Path, handler: Arc<H>) -> Result<Self, ControlError> {
        let listener = bind(path).await?;
        let meta = fs::symlink_metadata(path).map_err(|source| ControlError::Io { path: path.to_owned(), source })?;
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(serve(listener, handler, ended));
        Ok(Self { path: path.to_owned(), own: (meta.dev(), meta.ino()), end: Some(end), task: Some(task) })
    }

    /// Takes no more asks, lets answers under way finish for [`END_WAIT`], removes the socket.
    pub async fn stop(mut self) {
        self.remove();
        drop(self.end.take());
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }

    fn remove(&self) {
        let same = fs::symlink_metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.own);
        if same && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "the control socket was left behind");
        }
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.remove();
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// (A), (B): bound under another name, closed to others, then put in place in one step.
async fn bind(path: &Path) -> Result<UnixListener, ControlError> {
    let io = |source| ControlError::Io { path: path.to_owned(), source };
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    if fresh.as_os_str().len() > PATH_MAX {
        return Err(ControlError::PathTooLong(path.to_owned()));
    }
    prepare_folder(path)?;
    make_way(path).await?;
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&fresh).map_err(io)?;
    let placed = fs::set_permissions(&fresh, Permissions::from_mode(0o600)).and_then(|()| fs::rename(&fresh, path));
    if let Err(error) = placed {
        let _ = fs::remove_file(&fresh);
        return Err(io(error));
    }
    Ok(listener)
}

fn prepare_folder(path: &Path) -> Result<(), ControlError> {
    let folder = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |source| ControlError::Io { path: folder.to_owned(), source };
    if let Err(error) = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        return Err(io(error));
    }
    let meta = fs::metadata(folder).map_err(io)?;
    let others_write = meta.mode() & 0o022 != 0;
    let ours = meta.uid() == Uid::effective().as_raw() || meta.uid() == 0;
    if others_write || !ours { Err(ControlError::FolderOpen(folder.to_owned())) } else { Ok(()) }
}

/// (B): nothing there, or a socket on which nobody answers.
async fn make_way(path: &Path) -> Result<(), ControlError> {
    let io = |source| ControlError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
        Ok(meta) if !meta.file_type().is_socket() => return Err(ControlError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(()),
        Err(error) => Err(io(error)),
        Ok(_) => Err(ControlError::AlreadyRunning(path.to_owned())),
    }
}

async fn serve<H: Handler>(listener: UnixListener, handler: Arc<H>, mut ended: oneshot::Receiver<()>) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut clients = JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        let accepted = async {
            let seat = Arc::clone(&seats).acquire_owned().await.expect("the semaphore is never closed");
            (seat, listener.accept().await)
        };
        let (seat, accepted) = tokio::select! {
            _ = &mut ended => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) if is_owner(&stream) => {
                let handler = Arc::clone(&handler);
                clients.spawn(async move {
                    if let Err(error) = answer(stream, &*handler).await {
                        tracing::debug!(%error, "a client of the control socket went away");
                    }
                    drop(seat);
                });
            }
            Ok(_) => tracing::warn!("another user tried the control socket"),
            Err(error) => {
                tracing::warn!(%error, "the control socket cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = timeout(END_WAIT, async { while clients.join_next().await.is_some() {} }).await;
    clients.shutdown().await;
}

fn is_owner(stream: &UnixStream) -> bool {
    let uid = stream.peer_cred().map(|peer| peer.uid());
    uid.is_ok_and(|uid| uid == 0 || uid == Uid::effective().as_raw())
}

/// One line in, one line out.
async fn answer<H: Handler>(stream: UnixStream, handler: &H) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(read.take(LOCAL_LINE_MAX as u64 + 1));
    match timeout(ASK_WAIT, reader.read_until(b'\n', &mut line)).await {
        Ok(read) => read?,
        Err(_) => return Ok(()),
    };
    let answer = match ask_of(&line) {
        Ok(None) => return Ok(()),
        Ok(Some(ask)) => timeout(ANSWER_WAIT, handler.handle(ask)).await.unwrap_or_else(|_| too_late()),
        Err(refused) => refused,
    };
    let mut bytes = serde_json::to_vec(&answer).map_err(io::Error::other)?;
    bytes.push(b'\n');
    match timeout(TAKE_WAIT, write.write_all(&bytes)).await {
        Ok(written) => written,
        Err(_) => Ok(()),
    }
}

/// The ask of a line; none when the client left without a word.
fn ask_of(line: &[u8]) -> Result<Option<LocalAsk>, LocalAnswer> {
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() > LOCAL_LINE_MAX {
        let args = [
            ("what", "ask".to_owned()),
            ("size", format!("> {LOCAL_LINE_MAX} B")),
            ("limit", format!("{LOCAL_LINE_MAX} B")),
        ];
        return Err(refused(errors::TOO_LARGE, args));
    }
    serde_json::from_slice(line).map(Some).map_err(|error| {
        let value: String =
            String::from_utf8_lossy(line).trim_end().chars().filter(|c| !c.is_control()).take(80).collect();
        let args =
            [("field", "ask".to_owned()), ("value", value), ("why", error.to_string()), ("verb", "status".to_owned())];
        refused(errors::BAD_VALUE, args)
    })
}

fn refused<const N: usize>(id: errors::ErrorId, args: [(&str, String); N]) -> LocalAnswer {
    LocalAnswer::Refused {
        id: id.0,
        args: args.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<BTreeMap<_, _>>(),
    }
}

fn too_late() -> LocalAnswer {
    refused(errors::TIMED_OUT, [("wait", format!("{} s", ANSWER_WAIT.as_secs())), ("who", "agent".to_owned())])
}

#[cfg(test)]
mod tests;
