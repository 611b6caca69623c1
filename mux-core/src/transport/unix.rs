//! Unix sockets: for their owner only, and never a live one replaced.

use crate::peer::{Credentials, Peer};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep_until};

#[cfg(any(target_os = "android", target_os = "linux"))]
pub(super) use crate::transport::quiet::QuietStream as Stream;
#[cfg(not(any(target_os = "android", target_os = "linux")))]
pub(super) use UnixStream as Stream;

/// Pauses before a full queue is tried again: the first, and the longest. Each is twice the one before.
const RETRY: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(100)];

pub(super) async fn connect(path: &Path, until: Instant) -> io::Result<(Stream, Peer)> {
    prepare(connect_when_there_is_room(path, until).await?, path)
}

/// Over a Unix socket, `connect(2)` does not wait for room in the listener's queue: it fails with `EAGAIN` at once, and
/// nothing tells when there is room.
async fn connect_when_there_is_room(path: &Path, until: Instant) -> io::Result<UnixStream> {
    let [mut pause, longest] = RETRY;
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            connected => return connected,
        }
        let now = Instant::now();
        if now >= until {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "timed out: the listener's queue is full"));
        }
        sleep_until((now + pause).min(until)).await;
        pause = longest.min(pause * 2);
    }
}

fn prepare(stream: UnixStream, path: &Path) -> io::Result<(Stream, Peer)> {
    let user = stream.peer_cred()?;
    let credentials = Credentials { pid: user.pid(), uid: user.uid(), gid: user.gid() };
    let address = Some(format!("unix:{}", path.display()));
    Ok((quiet(stream)?, Peer { address, credentials: Some(credentials), ..Peer::default() }))
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn quiet(stream: UnixStream) -> io::Result<Stream> {
    Stream::new(stream)
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn quiet(stream: UnixStream) -> io::Result<Stream> {
    Ok(stream)
}

/// A listening socket and its file, which is removed with it.
pub(crate) struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Device and inode of our file: a later server's is left alone.
    file: (u64, u64),
}

impl Listener {
    /// Listens at `path`, with mode 0600. A file that a dead server left is replaced; a live
    /// server's socket, or a file of another kind, is not.
    pub(super) async fn bind(path: &Path) -> io::Result<Listener> {
        refuse_live(path).await?;
        let draft = draft_path(path);
        let _ = fs::remove_file(&draft);
        let socket = UnixListener::bind(&draft)?;
        // Under its final name it never has another mode.
        let placed = fs::set_permissions(&draft, Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&draft, path));
        if let Err(error) = placed {
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        Ok(Listener { socket, file: identity(path)?, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        prepare(self.socket.accept().await?.0, &self.path)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn refuse_live(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is there"));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        // A full queue is a live server's.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there")),
    }
}

/// A short name of our own in the same folder: a rename within a folder is atomic.
fn draft_path(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{:x}.{count:x}", std::process::id()))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}
