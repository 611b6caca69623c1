//! How a client connects: to an address, or by a connector.

use crate::endpoint::connection::{Connection, ConnectionBuilder};
use crate::link::handle::Mux;
use crate::threads::background;
use crate::threads::blocking;
#[cfg(feature = "process")]
use crate::transport::child::ChildConnector;
use crate::transport::tcp::TcpConnector;
#[cfg(unix)]
use crate::transport::unix::UnixConnector;
use crate::transport::{Address, ConnectError, Connector};
use mux_proto::wire::xid::Side;
use std::io;
use tokio::time::{Instant, timeout};

impl Connection {
    /// Connects to an address, with the defaults. For limits, times, or services at this end take
    /// [`ConnectionBuilder::connect`].
    ///
    /// Cancel safe: dropped, it leaves no connection behind.
    ///
    /// # Errors
    /// If the address is invalid, or nobody answers there.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn connect(
        address: impl TryInto<Address, Error: Into<ConnectError>>,
    ) -> Result<Connection, ConnectError> {
        ConnectionBuilder::default().connect(address).await
    }
}

impl ConnectionBuilder {
    /// Connects to an address. The other end's hello is not waited for: what is wrong with it fails the
    /// first call.
    ///
    /// Of a name with several addresses each is tried, the next a quarter second after the last or as soon as that has
    /// failed, and the first to answer is taken (Happy Eyeballs, RFC 8305). All of it takes
    /// [`Timeouts::handshake`](crate::Timeouts::handshake) at most.
    ///
    /// Cancel safe: dropped, it leaves no connection behind.
    ///
    /// # Errors
    /// If the address is invalid, or nobody answers there in time. The error names the addresses of a name that were
    /// tried, and what came of each. Also when the runtime was built without timers or I/O.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn connect(
        &self,
        address: impl TryInto<Address, Error: Into<ConnectError>>,
    ) -> Result<Connection, ConnectError> {
        let address = address.try_into().map_err(Into::into)?;
        check_runtime(&address)?;
        self.connect_to(&address).await.map_err(|error| ConnectError::failed(&address, error))
    }

    /// Each connector here keeps the time itself, so that its error can say what it waited for.
    async fn connect_to(&self, address: &Address) -> io::Result<Connection> {
        let until = Instant::now() + self.time_to_connect();
        match address {
            Address::Tcp { host, port } => self.open_by(TcpConnector { host, port: *port, until }).await,
            #[cfg(unix)]
            Address::Unix(path) => self.open_by(UnixConnector { path, until }).await,
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "process")]
            Address::Exec(command) => self.open_by(ChildConnector(command)).await,
            #[cfg(not(feature = "process"))]
            Address::Exec(_) => {
                let why = "this program was built without the feature `process`";
                Err(io::Error::new(io::ErrorKind::Unsupported, why))
            }
        }
    }

    async fn open_by(&self, connector: impl Connector) -> io::Result<Connection> {
        let (stream, peer) = connector.connect().await?;
        Ok(self.start(Side::Connecting, stream, peer))
    }

    /// Connects by a transport of your own, within [`Timeouts::handshake`](crate::Timeouts::handshake). The other end's
    /// hello is not waited for: what is wrong with it fails the first call. Give a reference to keep the connector.
    ///
    /// [`Connector`] has an example. Whoever has a stream already takes [`open`](ConnectionBuilder::open).
    ///
    /// Cancel safe: dropped, it drops the connector's future, and leaves no connection behind.
    ///
    /// # Errors
    /// [`ConnectError::Connector`] if the connector fails or takes too long, or if the runtime has no timers.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn connect_with(&self, connector: impl Connector) -> Result<Connection, ConnectError> {
        blocking::here();
        blocking::timers().map_err(ConnectError::Connector)?;
        let opening = timeout(self.time_to_connect(), self.open_by(connector));
        let timed_out =
            |_| Err(io::Error::new(io::ErrorKind::TimedOut, "timed out: the connector took too long"));
        opening.await.unwrap_or_else(timed_out).map_err(ConnectError::Connector)
    }

    /// As [`connect`](ConnectionBuilder::connect), on a plain thread of a program without a runtime: one
    /// background thread serves all such connections, on a runtime of tokio's kind `current_thread`. A
    /// thread that waits alone does its work meanwhile, unless services or local clients have code of
    /// yours run there.
    ///
    /// A child of `fork` connects anew: calls of a client that its parent connected fail there with
    /// [`CloseReason::Forked`](crate::CloseReason::Forked).
    ///
    /// # Errors
    /// As [`connect`](ConnectionBuilder::connect), and when the thread cannot be started.
    ///
    /// # Panics
    /// In an async task, which it would block.
    pub fn connect_blocking(
        &self,
        address: impl TryInto<Address, Error: Into<ConnectError>>,
    ) -> Result<Connection, ConnectError> {
        assert!(
            blocking::may_block(),
            "`connect_blocking` would block an async task; write `connect(…).await` there"
        );
        let address = address.try_into().map_err(Into::into)?;
        let runtime = background::runtime().map_err(ConnectError::Runtime)?;
        let builder = self.clone();
        let connecting = runtime.spawn(async move { builder.connect(address).await });
        blocking::block_on(connecting)
            .unwrap_or_else(|error| Err(ConnectError::Runtime(io::Error::other(error))))
    }
}

/// For generated clients.
#[doc(hidden)]
pub async fn connect(address: impl TryInto<Address, Error: Into<ConnectError>>) -> Result<Mux, ConnectError> {
    Connection::connect(address).await.map(|connection| connection.mux())
}

/// For generated clients.
#[doc(hidden)]
pub fn connect_blocking(
    address: impl TryInto<Address, Error: Into<ConnectError>>,
) -> Result<Mux, ConnectError> {
    ConnectionBuilder::default().connect_blocking(address).map(|connection| connection.mux())
}

/// Whether this thread's runtime can have connections of the system's.
///
/// # Panics
/// Where there is none.
#[track_caller]
pub(super) fn check_runtime(address: &Address) -> Result<(), ConnectError> {
    blocking::here();
    blocking::timers().and_then(|()| blocking::io()).map_err(|error| ConnectError::failed(address, error))
}
