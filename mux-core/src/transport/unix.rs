//! Unix sockets: for their owner only, one server at a path, and never a live one replaced.

use crate::api::peer::Peer;
use crate::transport::{Address, Connector, Listener, identify};
use crate::util::escaped::Escaped;
use socket2::SockRef;
use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::time::{Instant, sleep_until};

#[cfg(any(target_os = "android", target_os = "linux"))]
pub(crate) use crate::transport::read_interest::ReadInterestStream as Stream;
#[cfg(not(any(target_os = "android", target_os = "linux")))]
pub(crate) use UnixStream as Stream;

/// Connections that wait to be accepted, at most. Linux takes the smaller of this and `net.core.somaxconn`, 4096 by default.
const QUEUE: u32 = 4096;

/// Each that fails shows that another server has just stopped.
const LOCK_ATTEMPTS: usize = 100;

/// Pauses before a full queue is tried again: the first, and the longest. Each is twice the one before.
const RETRY: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(100)];

pub(crate) struct UnixConnector<'a> {
    pub(crate) path: &'a Path,
    pub(crate) until: Instant,
}

impl Connector for UnixConnector<'_> {
    type Stream = Stream;

    async fn connect(&self) -> io::Result<(Stream, Peer)> {
        prepare(connect_when_there_is_room(self.path, self.until).await?, self.path)
    }
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
    let credentials = identify::credentials(&stream)?;
    let peer = Peer::new().with_address(format!("unix:{}", path.display())).with_credentials(credentials);
    Ok((registered(stream)?, peer))
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn registered(stream: UnixStream) -> io::Result<Stream> {
    Stream::new(stream)
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn registered(stream: UnixStream) -> io::Result<Stream> {
    Ok(stream)
}

/// A listening socket and its file, which is removed with it.
pub(crate) struct PathListener {
    socket: UnixListener,
    path: PathBuf,
    /// Our file: another's is left alone.
    file: Identity,
    /// Dropped last, when the file is gone.
    _lock: Lock,
}

impl PathListener {
    /// Listens at `path`, with mode 0600. A file that a dead server left is replaced; a live
    /// server's socket, or a file of another kind, is not.
    pub(crate) async fn bind(path: &Path) -> io::Result<PathListener> {
        let lock = Lock::take(path)?;
        remove_dead(path).await?;
        let (socket, file) = bind_for_owner(path)?;
        Ok(PathListener { socket, path: path.to_owned(), file, _lock: lock })
    }
}

impl Listener for PathListener {
    type Incoming = (Stream, Peer);

    fn addresses(&self) -> Vec<Address> {
        vec![Address::Unix(self.path.clone())]
    }

    async fn accept(&mut self) -> io::Result<(Stream, Peer)> {
        prepare(self.socket.accept().await?.0, &self.path)
    }

    /// Also those of which the runtime has not heard. Linux refuses newcomers from now on.
    fn close(self) -> impl Iterator<Item = (Stream, Peer)> + Send {
        // Elsewhere than on Linux this may fail: newcomers queue then.
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Read);
        let socket = self.socket.as_fd().try_clone_to_owned().map(net::UnixListener::from).ok();
        let accepted = std::iter::from_fn(move || socket.as_ref()?.accept().ok());
        accepted.filter_map(move |(stream, _)| {
            stream.set_nonblocking(true).ok()?;
            prepare(UnixStream::from_std(stream).ok()?, &self.path).ok()
        })
    }
}

impl Drop for PathListener {
    fn drop(&mut self) {
        self.file.remove(&self.path);
    }
}

/// Removes the socket that a dead server left.
async fn remove_dead(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is there"));
        }
        Ok(_) => {}
    }
    // A server of another kind holds no lock.
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // A full queue is a live server's.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Err(in_use()),
    }
}

/// Nobody can connect before `listen(2)`, so the file's mode is set between that and `bind(2)` at the latest.
fn bind_for_owner(path: &Path) -> io::Result<(UnixListener, Identity)> {
    let owner = || Permissions::from_mode(0o600);
    let socket = UnixSocket::new_stream()?;
    // Linux gives the file the mode of its socket, so that it never has another one. Elsewhere this may fail.
    let _ = File::from(socket.as_fd().try_clone_to_owned()?).set_permissions(owner());
    socket.bind(path)?;
    let bound = fs::symlink_metadata(path)?;
    let file = Identity::of(&bound);
    let listening =
        if bound.permissions().mode() & 0o777 == 0o600 { Ok(()) } else { fs::set_permissions(path, owner()) };
    match listening.and_then(|()| socket.listen(QUEUE)) {
        Ok(listener) => Ok((listener, file)),
        Err(error) => {
            file.remove(path);
            Err(error)
        }
    }
}

fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "another server listens there")
}

/// The right to listen at a path, which one server has at a time: `flock(2)` on a file beside the socket. The system
/// takes it back from a process that dies.
struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    fn take(socket: &Path) -> io::Result<Lock> {
        let mut path = socket.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let of_the_lock = |error: io::Error| {
            io::Error::new(error.kind(), format!("its lock {}: {error}", Escaped(&path.to_string_lossy())))
        };
        for _ in 0..LOCK_ATTEMPTS {
            let Some(file) = open_lock(&path).map_err(of_the_lock)? else { continue };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(in_use()),
                Err(TryLockError::Error(error)) => return Err(of_the_lock(error)),
            }
            // Its last holder may have removed it meanwhile: then it keeps nobody out.
            if Identity::of(&file.metadata()?).is_at(&path) {
                return Ok(Lock { file, path });
            }
        }
        Err(in_use())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Ok(file) = self.file.metadata() {
            Identity::of(&file).remove(&self.path);
        }
    }
}

/// `None` where it has just been removed. What is no file of its own, such as a link to another, is not opened.
fn open_lock(path: &Path) -> io::Result<Option<File>> {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => return created.map(Some),
    }
    let opened = fs::symlink_metadata(path).and_then(|there| {
        if there.is_file() { options.open(path) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    });
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Device and inode of a file.
#[derive(PartialEq)]
struct Identity(u64, u64);

impl Identity {
    fn of(file: &Metadata) -> Identity {
        Identity(file.dev(), file.ino())
    }

    fn is_at(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|file| Identity::of(&file) == *self)
    }

    fn remove(&self, path: &Path) {
        if self.is_at(path) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("mux-{}-{name}.sock", std::process::id()))
    }

    /// Connections that are opened while the runtime hears of nothing.
    #[tokio::test]
    async fn a_listener_that_closes_gives_those_who_have_just_come() {
        let path = place("just-come");
        let listener = PathListener::bind(&path).await.unwrap();
        let _streams = [(); 3].map(|()| net::UnixStream::connect(&path).unwrap());
        assert_eq!(listener.close().count(), 3);
        assert!(!path.exists());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_listener_that_closes_refuses_newcomers_instead_of_resetting_them() {
        let path = place("newcomers");
        let listener = PathListener::bind(&path).await.unwrap();
        let _before = net::UnixStream::connect(&path).unwrap();
        let rest = listener.close();
        let newcomer = net::UnixStream::connect(&path);
        assert_eq!(newcomer.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(rest.count(), 1);
    }
}
