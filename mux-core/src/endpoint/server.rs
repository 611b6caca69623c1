//! A server: services, listeners, limits, and how it is run and stopped.

use crate::api::config::{Limits, Timeouts, Workers};
use crate::endpoint::acceptor::{Acceptor, AnyListener, Bounds};
use crate::endpoint::connect::check_runtime;
use crate::endpoint::connection::ConnectionBuilder;
use crate::serve::demux::Demux;
use crate::serve::service::Service;
use crate::threads::blocking;
#[cfg(unix)]
use crate::transport::unix::PathListener;
use crate::transport::{Address, ConnectError, Listener, tcp};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Answers calls from other programs.
///
/// ```no_run
/// # use mux_core as mux;
/// # async fn serve(shop: impl mux::Service) -> Result<(), Box<dyn std::error::Error>> {
/// mux::Server::new()
///     .service(shop)
///     .listen("unix:/run/shop.sock").await?
///     .listen("tcp://127.0.0.1:7000").await?
///     .run_until(tokio::signal::ctrl_c()).await?;
/// # Ok(()) }
/// ```
#[derive(Default)]
pub struct Server {
    builder: ConnectionBuilder,
    listeners: Vec<Box<dyn AnyListener>>,
    bounds: Bounds,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses())
            .field("builder", &self.builder)
            .finish()
    }
}

impl Server {
    /// A server without services or listeners.
    pub fn new() -> Server {
        Server::default()
    }

    /// Answers for a service. May be called for several.
    ///
    /// # Panics
    /// Where a service of that name is there already: one of the two would never be called.
    #[must_use]
    #[track_caller]
    pub fn service(mut self, service: impl Service) -> Server {
        self.builder = self.builder.service(service);
        self
    }

    /// Answers every method that no service of this server has: see [`Demux`].
    #[must_use]
    pub fn demux(mut self, demux: impl Demux) -> Server {
        self.builder = self.builder.demux(demux);
        self
    }

    /// Where plain `fn` methods run: one set of threads for all connections.
    #[must_use]
    pub fn workers(mut self, workers: Workers) -> Server {
        self.builder = self.builder.workers(workers);
        self
    }

    /// What each connection's peer is allowed.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Server {
        self.builder = self.builder.limits(limits);
        self
    }

    /// How long to wait for a peer.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Server {
        self.builder = self.builder.timeouts(timeouts);
        self
    }

    /// Whether callers are told the type, sources, place and backtrace of a failure or panic, beside
    /// its message. Unless this is called, those over a Unix socket are who have this process's user id, and
    /// those over TCP are not: see [`ConnectionBuilder::reveal_traces`].
    #[must_use]
    pub fn reveal_traces(mut self, reveal: bool) -> Server {
        self.builder = self.builder.reveal_traces(reveal);
        self
    }

    /// Connections held at once. Further ones wait: 64 that are accepted, one more for each listener, and the others in its
    /// queue. They give up after their own time for the handshake. While three quarters are taken, a peer whose hello has not
    /// come is closed after 1 to 2 seconds, where [`Timeouts::handshake`] gives it more. Default 1024.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Server {
        self.bounds.connections = connections.max(1);
        self
    }

    /// Connections that one peer may hold at once. One peer is an IPv4 address, the first 64 bits of an IPv6 address, or
    /// a user over Unix sockets. A further connection is closed at once. Its calls fail, certainly without having run,
    /// and are told why; where 64 are being told already, it is reset instead, and its calls may have run for all they know.
    ///
    /// Unless this is called, it is three quarters of [`max_connections`](Server::max_connections), rounded up, and peers over
    /// loopback or of this process's own user have no bound of their own. Behind a proxy or a gateway, all clients may
    /// have one address.
    #[must_use]
    pub fn max_connections_per_peer(mut self, connections: usize) -> Server {
        self.bounds.connections_per_peer = Some(connections.max(1));
        self
    }

    /// Handlers that may be at work at once, over all connections, of those that a closed connection does not stop.
    /// Default 8,192: see [`ConnectionBuilder::max_detached`].
    #[must_use]
    pub fn max_detached(mut self, handlers: usize) -> Server {
        self.builder = self.builder.max_detached(handlers);
        self
    }

    /// How long running calls may take to finish when the server stops. Default 30 s.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Server {
        self.bounds.drain = timeout;
        self
    }

    /// Listens at an address: `unix:path` or `tcp://host:port`. May be called for several.
    ///
    /// A Unix socket is for its owner only (mode 0600). One server at a time listens at a path: it holds a lock,
    /// `flock(2)` on the file `path.lock`, and both files go with it. The socket of a server that died is replaced.
    ///
    /// Cancel safe: dropped, it leaves no listener behind.
    ///
    /// # Errors
    /// If the address is invalid, in use, or of a kind that cannot be listened on, or if the runtime has no timers or I/O.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn listen(
        mut self,
        address: impl TryInto<Address, Error: Into<ConnectError>>,
    ) -> Result<Server, ConnectError> {
        let address = address.try_into().map_err(Into::into)?;
        check_runtime(&address)?;
        self.listeners.push(bind(&address).await.map_err(|error| ConnectError::failed(&address, error))?);
        Ok(self)
    }

    /// Serves what a listener accepts: one of a transport of your own, or a `tokio::net::TcpListener` that was bound
    /// elsewhere. May be called for several. [`Listener`] has an example.
    ///
    /// Its connections are treated as those of an address: they have places, shares of them, and are drained when the
    /// server stops. Handshakes run outside the accept loop: see [`Incoming`](crate::transport::Incoming).
    #[must_use]
    pub fn serve_on(mut self, listener: impl Listener) -> Server {
        self.listeners.push(Box::new(listener));
        self
    }

    /// Where it listens, with the ports that the system chose.
    pub fn addresses(&self) -> Vec<Address> {
        self.listeners.iter().flat_map(|listener| listener.addresses()).collect()
    }

    /// Serves until `stop` is ready, and gives back what it brought. Before that it tells those who still wait to be
    /// accepted that it drains, listens no more, drains every connection, and closes those that are not done in time.
    ///
    /// Dropping the future closes every connection at once.
    ///
    /// # Panics
    /// If there are listeners, outside a tokio runtime and in one without timers.
    pub async fn run_until<S: Future>(self, stop: S) -> S::Output {
        if !self.listeners.is_empty() {
            blocking::here();
            blocking::timers().unwrap_or_else(|error| panic!("{error}"));
        }
        let stopping = watch::Sender::new(false);
        let acceptor = Acceptor::new(self.builder, &self.bounds, stopping.subscribe());
        let mut accept_loops: JoinSet<()> =
            self.listeners.into_iter().map(|listener| listener.accept_loop(acceptor.clone())).collect();
        let output = stop.await;
        stopping.send_replace(true);
        while accept_loops.join_next().await.is_some() {}
        output
    }

    /// Serves for ever, or until the future is dropped.
    ///
    /// # Panics
    /// As [`run_until`](Server::run_until).
    pub async fn run(self) -> Infallible {
        self.run_until(std::future::pending()).await
    }
}

async fn bind(address: &Address) -> io::Result<Box<dyn AnyListener>> {
    match address {
        Address::Tcp { host, port } => Ok(Box::new(tcp::bind(host, *port).await?)),
        #[cfg(unix)]
        Address::Unix(path) => Ok(Box::new(PathListener::bind(path).await?)),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "nothing can listen there")),
    }
}
