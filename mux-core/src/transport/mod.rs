//! Ways to another program, by one address syntax.

mod address;
#[cfg(feature = "process")]
pub(crate) mod child;
mod happy_eyeballs;
mod memory;
#[cfg(unix)]
mod pipe;
#[cfg(any(target_os = "android", target_os = "linux"))]
mod quiet;
#[cfg(unix)]
mod stdio;
pub(crate) mod tcp;
#[cfg(unix)]
pub(crate) mod unix;

pub use address::{Address, AddressError, ConnectError};
pub use memory::pair;
#[cfg(unix)]
pub use pipe::{PipeStream, pipe_pair};
#[cfg(unix)]
pub use stdio::{StdioStream, stdio};

use crate::api::peer::Peer;
use std::any::Any;
use std::io;
use tokio::io::DuplexStream;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// Where a server waits for connections.
pub(crate) enum Listener {
    Tcp(tcp::TcpListener),
    #[cfg(unix)]
    Unix(unix::Listener),
}

impl Listener {
    pub(crate) async fn bind(address: &Address) -> Result<Listener, ConnectError> {
        let failed = |error| ConnectError::failed(address, error);
        match address {
            Address::Tcp { host, port } => tcp::bind(host, *port).await.map(Listener::Tcp).map_err(failed),
            #[cfg(unix)]
            Address::Unix(path) => unix::Listener::bind(path).await.map(Listener::Unix).map_err(failed),
            _ => Err(failed(io::Error::new(io::ErrorKind::Unsupported, "nothing can listen there"))),
        }
    }

    /// The address as bound: with the port that the system chose.
    pub(crate) fn address(&self) -> io::Result<Address> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Address::from),
            #[cfg(unix)]
            Listener::Unix(listener) => Ok(Address::Unix(listener.path().to_owned())),
        }
    }

    /// The next stream that a peer opens.
    pub(crate) async fn accept(&self) -> io::Result<Incoming> {
        match self {
            Listener::Tcp(listener) => {
                tcp::accept(listener).await.map(|(stream, peer)| Incoming::Tcp(stream, peer))
            }
            #[cfg(unix)]
            Listener::Unix(listener) => {
                listener.accept().await.map(|(stream, peer)| Incoming::Unix(stream, peer))
            }
        }
    }

    /// Listens no more, and gives the streams that peers have opened until then, also those that the runtime has not heard of.
    /// Linux refuses newcomers at a Unix socket from now on; over TCP one that comes behind the last of these is reset, as no
    /// system closes a queue for newcomers alone.
    pub(crate) fn close(self) -> Box<dyn Iterator<Item = Incoming> + Send> {
        match self {
            Listener::Tcp(listener) => {
                Box::new(tcp::close(listener).map(|(stream, peer)| Incoming::Tcp(stream, peer)))
            }
            #[cfg(unix)]
            Listener::Unix(listener) => {
                Box::new(listener.close().map(|(stream, peer)| Incoming::Unix(stream, peer)))
            }
        }
    }
}

/// A stream that a peer opened, of which nothing is read yet.
pub(crate) enum Incoming {
    Tcp(TcpStream, Peer),
    #[cfg(unix)]
    Unix(unix::Stream, Peer),
}

impl Incoming {
    pub(crate) fn peer(&self) -> &Peer {
        match self {
            Incoming::Tcp(_, peer) => peer,
            #[cfg(unix)]
            Incoming::Unix(_, peer) => peer,
        }
    }
}

/// Whether the other end of a stream is this program, or one of the same user's. What cannot be told is not.
pub(crate) fn is_same_user(stream: &dyn Any, peer: &Peer) -> bool {
    if let Some(credentials) = peer.credentials {
        return is_own_user(credentials.uid);
    }
    stream.is::<DuplexStream>() || is_own_pipe(stream) || is_child(stream)
}

#[cfg(unix)]
fn is_own_pipe(stream: &dyn Any) -> bool {
    let is_own = |socket: &UnixStream| socket.peer_cred().is_ok_and(|peer| is_own_user(peer.uid()));
    let stdio = stream.downcast_ref::<StdioStream>();
    stream.is::<PipeStream>()
        || stream.downcast_ref().is_some_and(is_own)
        || stdio.is_some_and(|stdio| stdio.is_of(is_own))
}

#[cfg(not(unix))]
fn is_own_pipe(_: &dyn Any) -> bool {
    false
}

#[cfg(feature = "process")]
fn is_child(stream: &dyn Any) -> bool {
    stream.is::<child::ChildStream>()
}

#[cfg(not(feature = "process"))]
fn is_child(_: &dyn Any) -> bool {
    false
}

/// Compares with this process's effective user id, which may change: the kernel tells it to the other end of a
/// socket made now.
#[cfg(unix)]
pub(crate) fn is_own_user(uid: u32) -> bool {
    let own = UnixStream::pair().and_then(|(here, _there)| here.peer_cred());
    own.is_ok_and(|own| own.uid() == uid)
}

#[cfg(not(unix))]
pub(crate) fn is_own_user(_: u32) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::api::peer::Credentials;

    fn place(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("mux-{}-{name}.sock", std::process::id()))
    }

    /// Connections that are opened while the runtime hears of nothing.
    #[tokio::test]
    async fn a_listener_that_closes_gives_those_who_have_just_come() {
        let path = place("just-come");
        let unix = Listener::bind(&Address::Unix(path.clone())).await.unwrap();
        let tcp = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).await.unwrap();
        let Address::Tcp { host, port } = tcp.address().unwrap() else { panic!("it is TCP") };
        let _unix = [(); 3].map(|()| std::os::unix::net::UnixStream::connect(&path).unwrap());
        let _tcp = [(); 3].map(|()| std::net::TcpStream::connect((host.as_str(), port)).unwrap());
        assert_eq!((unix.close().count(), tcp.close().count()), (3, 3));
        assert!(!path.exists());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_unix_listener_that_closes_refuses_newcomers_instead_of_resetting_them() {
        let path = place("newcomers");
        let listener = Listener::bind(&Address::Unix(path.clone())).await.unwrap();
        let _before = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let rest = listener.close();
        let newcomer = std::os::unix::net::UnixStream::connect(&path);
        assert_eq!(newcomer.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(rest.count(), 1);
    }

    #[tokio::test]
    async fn a_socket_of_another_user_is_not_of_the_same_user() {
        let (here, _there) = UnixStream::pair().unwrap();
        let own = here.peer_cred().unwrap().uid();
        for (uid, same) in [(own, true), (own ^ 1, false)] {
            let credentials = Some(Credentials { pid: None, uid, gid: 0 });
            let peer = Peer { credentials, ..Peer::default() };
            assert_eq!(is_same_user(&(), &peer), same);
        }
    }
}
