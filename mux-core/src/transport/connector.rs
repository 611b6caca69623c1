//! What a client needs of a transport: a connector.

use crate::api::peer::Peer;
use std::future::Future;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};

/// Makes streams to one server: give it to
/// [`ConnectionBuilder::connect_with`](crate::ConnectionBuilder::connect_with).
///
/// ```
/// # use mux_core as mux;
/// use mux::Peer;
/// use mux::transport::Connector;
/// use std::io;
/// use tokio::io::AsyncWriteExt;
/// use tokio::net::TcpStream;
///
/// /// Goes through a proxy, which is told the name of a service first.
/// struct ByProxy {
///     proxy: String,
///     service: String,
/// }
///
/// impl Connector for ByProxy {
///     type Stream = TcpStream;
///
///     async fn connect(&self) -> io::Result<(TcpStream, Peer)> {
///         let mut stream = TcpStream::connect(&self.proxy).await?;
///         stream.write_all(format!("{}\n", self.service).as_bytes()).await?;
///         Ok((stream, Peer::new().with_address(&self.service)))
///     }
/// }
///
/// # async fn connect() -> Result<(), mux::ConnectError> {
/// let by_proxy = ByProxy { proxy: "127.0.0.1:7000".into(), service: "shop".into() };
/// let connection = mux::Connection::builder().connect_with(&by_proxy).await?;
/// # drop(connection);
/// # Ok(()) }
/// ```
pub trait Connector: Send + Sync {
    /// What carries the connection.
    type Stream: AsyncRead + AsyncWrite + Send + 'static;

    /// Opens a stream and does the transport's handshake; gives the stream, and who is at its other end.
    ///
    /// The future is dropped after [`Timeouts::handshake`](crate::Timeouts::handshake), or earlier when nobody waits for
    /// the connection any more. It must then leave no stream behind.
    ///
    /// # Errors
    /// If there is no stream to be had. The error should say where it was tried.
    fn connect(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl<C: Connector> Connector for &C {
    type Stream = C::Stream;

    fn connect(&self) -> impl Future<Output = io::Result<(C::Stream, Peer)>> + Send {
        C::connect(self)
    }
}
