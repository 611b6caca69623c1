//! Who is at the other end of a stream, as far as its transport or its type tells.

#[cfg(unix)]
use crate::api::peer::Credentials;
use crate::api::peer::Peer;
#[cfg(unix)]
use crate::transport::{PipeStream, StdioStream};
use std::any::Any;
use tokio::io::DuplexStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// Whether the other end is this program, or one of the same user's. What cannot be told is not.
pub(crate) fn is_same_user(peer: &Peer) -> bool {
    let by_credentials = || peer.credentials.is_some_and(|credentials| is_own_user(credentials.uid));
    peer.same_user.unwrap_or_else(by_credentials)
}

/// Who is at the other end of a stream that a user gives without a [`Peer`].
pub(crate) fn peer_of(stream: &dyn Any) -> Peer {
    let peer = Peer::new();
    if stream.is::<DuplexStream>() || is_child(stream) {
        return peer.with_same_user(true);
    }
    #[cfg(unix)]
    if stream.is::<PipeStream>() {
        return peer.with_same_user(true);
    } else if let Some(stdio) = stream.downcast_ref::<StdioStream>() {
        return peer.with_same_user(stdio.is_of(is_of_own_user));
    } else if let Some(socket) = stream.downcast_ref::<UnixStream>() {
        return Peer { credentials: credentials(socket).ok(), ..peer };
    }
    peer
}

#[cfg(feature = "process")]
fn is_child(stream: &dyn Any) -> bool {
    stream.is::<super::child::Pipes>()
}

#[cfg(not(feature = "process"))]
fn is_child(_: &dyn Any) -> bool {
    false
}

#[cfg(unix)]
pub(super) fn credentials(socket: &UnixStream) -> std::io::Result<Credentials> {
    let user = socket.peer_cred()?;
    Ok(Credentials { pid: user.pid(), uid: user.uid(), gid: user.gid() })
}

#[cfg(unix)]
fn is_of_own_user(socket: &UnixStream) -> bool {
    credentials(socket).is_ok_and(|credentials| is_own_user(credentials.uid))
}

/// Compares with this process's effective user id, which may change: the kernel tells it to the other end of a
/// socket made now.
#[cfg(unix)]
fn is_own_user(uid: u32) -> bool {
    let own = UnixStream::pair().and_then(|(here, _there)| here.peer_cred());
    own.is_ok_and(|own| own.uid() == uid)
}

#[cfg(not(unix))]
fn is_own_user(_: u32) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_of_another_user_is_not_of_the_same_user() {
        let (here, _there) = UnixStream::pair().unwrap();
        let own = here.peer_cred().unwrap().uid();
        assert!(is_same_user(&peer_of(&here)));
        for (uid, same) in [(own, true), (own ^ 1, false)] {
            let peer = Peer::new().with_credentials(Credentials { pid: None, uid, gid: 0 });
            assert_eq!(is_same_user(&peer), same);
        }
    }

    #[tokio::test]
    async fn the_type_of_a_stream_tells_whether_it_leaves_the_user() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let of = |stream: &dyn Any| is_same_user(&peer_of(stream));
        assert!(of(&crate::pair().0) && of(&crate::pipe_pair().unwrap().0));
        assert!(!of(&tcp) && !of(&tokio::io::empty()));
    }

    #[test]
    fn what_a_transport_says_of_its_user_counts_more_than_credentials() {
        let peer = Peer::new().with_credentials(Credentials { pid: None, uid: 0, gid: 0 });
        for same in [true, false] {
            assert_eq!(is_same_user(&peer.clone().with_same_user(same)), same);
        }
    }
}
