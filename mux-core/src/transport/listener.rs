//! What a server needs of a transport: a listener, and streams on their way through a handshake.

use crate::api::peer::Peer;
use crate::transport::Address;
use std::future::Future;
use std::io;
use std::iter;
use tokio::io::{AsyncRead, AsyncWrite};

/// Accepts streams for a server: give it to [`Server::serve_on`](crate::Server::serve_on).
///
/// `tokio::net::TcpListener` is one. So a socket that something else has bound, such as systemd or a builder of socket
/// options, is served as well as one that [`Server::listen`](crate::Server::listen) has bound.
///
/// A listener whose streams come from a channel:
///
/// ```
/// # use mux_core as mux;
/// use mux::Peer;
/// use mux::transport::Listener;
/// use std::io;
/// use tokio::io::DuplexStream;
/// use tokio::sync::mpsc;
///
/// struct Pipes(mpsc::Receiver<DuplexStream>);
///
/// impl Listener for Pipes {
///     // They need no handshake.
///     type Incoming = (DuplexStream, Peer);
///
///     async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
///         match self.0.recv().await {
///             Some(stream) => Ok((stream, Peer::new().with_address("pipe"))),
///             // There will be no further one.
///             None => std::future::pending().await,
///         }
///     }
///
///     fn close(mut self) -> impl Iterator<Item = (DuplexStream, Peer)> + Send {
///         self.0.close();
///         std::iter::from_fn(move || self.0.try_recv().ok()).map(|stream| (stream, Peer::new()))
///     }
/// }
///
/// # #[tokio::main] async fn main() -> Result<(), mux::ConnectError> {
/// let (pipes, accepted) = mpsc::channel(8);
/// let serving = tokio::spawn(mux::Server::new().serve_on(Pipes(accepted)).run());
///
/// let (here, there) = mux::pair();
/// pipes.send(there).await.expect("the server runs");
/// let connection = mux::Connection::builder().open(here);
/// # drop(connection);
/// # serving.abort();
/// # Ok(()) }
/// ```
pub trait Listener: Sized + Send + 'static {
    /// What it accepts.
    type Incoming: Incoming;

    /// Where it listens, as far as an [`Address`] can say it: for
    /// [`Server::addresses`](crate::Server::addresses). None unless overridden.
    fn addresses(&self) -> Vec<Address> {
        Vec::new()
    }

    /// The next stream that a peer opens. It must not wait for what that peer sends: this is the job of
    /// [`Incoming::handshake`]. If there will be no further stream, it waits for ever.
    ///
    /// It must be cancel safe: the server drops the future when it stops, and a stream that has come must not be lost
    /// with it.
    ///
    /// # Errors
    /// If no stream can be had now. The server then calls it again: at once if the error's kind says that one connection
    /// failed (`ConnectionAborted`, `ConnectionRefused`, `ConnectionReset`, `InvalidInput`, `NotConnected`), and 100 ms
    /// later if it is of any other kind, such as a lack of descriptors.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Incoming>> + Send;

    /// Listens no more, and gives the streams that peers have opened until then and that were not accepted. The server
    /// tells these that it drains, so that their peers know that their calls did not run. It takes 4096 at most, and must
    /// not have to wait for the next. None unless overridden.
    fn close(self) -> impl Iterator<Item = Self::Incoming> + Send {
        iter::empty()
    }
}

/// A stream that a peer opened, before its handshake.
///
/// A pair of stream and [`Peer`] is one that needs no handshake. A type of its own has one, as of TLS, of a token that
/// the peer sends first, or of a name that the server looks up: each runs in a task of its own, so a peer that stalls
/// holds up no other. It holds a place of the server's
/// ([`max_connections`](crate::Server::max_connections)) and of its peer's share
/// ([`max_connections_per_peer`](crate::Server::max_connections_per_peer)) from the beginning.
pub trait Incoming: Sized + Send + 'static {
    /// What carries the connection.
    type Stream: AsyncRead + AsyncWrite + Send + 'static;

    /// Who opened it, as far as is known before the handshake. [`Peer::ip`], or else [`Peer::credentials`], decides whose
    /// share it belongs to; a peer that has neither has no share of its own.
    fn peer(&self) -> &Peer;

    /// Does the handshake; gives the stream, and who is at its other end.
    ///
    /// The server drops the future, and so the stream, after [`Timeouts::handshake`](crate::Timeouts::handshake); after 1
    /// to 2 seconds while three quarters of its places are taken; and when its time to drain is over.
    ///
    /// # Errors
    /// If there will be no connection. The stream is dropped, and nothing else is told to its peer.
    fn handshake(self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

/// Needs no handshake.
impl<S: AsyncRead + AsyncWrite + Send + 'static> Incoming for (S, Peer) {
    type Stream = S;

    fn peer(&self) -> &Peer {
        &self.1
    }

    async fn handshake(self) -> io::Result<(S, Peer)> {
        Ok(self)
    }
}
