//! Listeners, the accept loop, and the way down: drain, then close. And how a client connects.

use crate::api::config::{Limits, Timeouts, Workers};
use crate::api::error::CloseReason;
use crate::endpoint::connect;
use crate::endpoint::connection::{Connection, ConnectionBuilder};
use crate::endpoint::shares::{Share, Shares};
use crate::link::handle::Mux;
use crate::serve::demux::Demux;
use crate::serve::service::Service;
use crate::threads::background;
use crate::threads::blocking;
use crate::transport::{Address, ConnectError, Incoming, Listener};
use mux_proto::wire::fault::GoawayCode;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Connections that a server holds at once, unless told otherwise.
const MAX_CONNECTIONS: usize = 1024;

/// How long running calls may take to finish when the server stops, unless told otherwise.
const DRAIN: Duration = Duration::from_secs(30);

/// Connections of peers that hold as many as they may: so many at once are told so.
const MAX_TURNED_AWAY: usize = 64;

/// Connections that wait for a place: so many are accepted, so that those of peers which hold as many as they may are found
/// among them and told. The others wait in their listener's queue.
const MAX_WAITING: usize = 64;

/// A server that stops empties its listener's queue: for a second at most, until nobody has come for 10 ms, and of 4096
/// connections, which is what Linux keeps by default (`net.core.somaxconn`).
const SENDING_HOME: Duration = Duration::from_secs(1);
const LAST_KNOCK: Duration = Duration::from_millis(10);
const MAX_SENT_HOME: usize = 4096;

/// For a peer's hello, while three quarters of the connections are taken.
const HELLO_WHERE_SHORT: Duration = Duration::from_secs(1);

/// After an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    listeners: Vec<Listener>,
    max_connections: Option<usize>,
    max_connections_per_peer: Option<usize>,
    drain: Option<Duration>,
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
        self.max_connections = Some(connections.max(1));
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
        self.max_connections_per_peer = Some(connections.max(1));
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
        self.drain = Some(timeout);
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
        is_fit(&address)?;
        self.listeners.push(Listener::bind(&address).await?);
        Ok(self)
    }

    /// Where it listens, with the ports that the system chose.
    pub fn addresses(&self) -> Vec<Address> {
        self.listeners.iter().filter_map(|listener| listener.address().ok()).collect()
    }

    /// Serves until `stop` is ready, and gives back what it brought. Before that it tells those who still wait to be
    /// accepted that it drains, listens no more, drains every connection, and closes those that are not done in time.
    ///
    /// Dropping the future closes every connection at once.
    pub async fn run_until<S: Future>(self, stop: S) -> S::Output {
        let Server { builder, listeners, max_connections, max_connections_per_peer, drain } = self;
        let stopping = watch::Sender::new(false);
        let max_connections = max_connections.unwrap_or(MAX_CONNECTIONS).min(Semaphore::MAX_PERMITS);
        let hall = Hall {
            builder: Arc::new(builder),
            room: Arc::new(Semaphore::new(max_connections)),
            shares: Shares::new(max_connections_per_peer, max_connections),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            turned_away: Arc::new(Semaphore::new(MAX_TURNED_AWAY)),
            stop: stopping.subscribe(),
            drain: drain.unwrap_or(DRAIN),
        };
        let mut halls: JoinSet<()> =
            listeners.into_iter().map(|listener| hall.clone().welcome(listener)).collect();
        let output = stop.await;
        stopping.send_replace(true);
        while halls.join_next().await.is_some() {}
        output
    }

    /// Serves for ever, or until the future is dropped.
    pub async fn run(self) -> Infallible {
        self.run_until(std::future::pending()).await
    }
}

/// Where a server's connections are.
#[derive(Clone)]
struct Hall {
    builder: Arc<ConnectionBuilder>,
    room: Arc<Semaphore>,
    shares: Arc<Shares>,
    waiting: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
    drain: Duration,
}

impl Hall {
    /// Accepts until the server stops, then sees the last connection out.
    async fn welcome(self, listener: Listener) {
        let mut guests = JoinSet::new();
        while let Some(incoming) = self.unless_stopped(accept(&listener)).await {
            match self.shares.admit(incoming.peer()) {
                Some(share) => self.take_in(incoming, share, &mut guests).await,
                None => self.turn_away(incoming, &mut guests),
            }
            while guests.try_join_next().is_some() {}
        }
        self.send_home(listener, &mut guests).await;
        while guests.join_next().await.is_some() {}
    }

    /// Tells those who wait in the listener's queue that the server drains, so that their calls have certainly not run:
    /// a queue that is dropped resets its connections, and who was reset cannot know.
    async fn send_home(&self, listener: Listener, guests: &mut JoinSet<()>) {
        let builder = self.builder.draining();
        let mut tell = |incoming: Incoming| guests.spawn(drain(incoming.start(&builder), self.drain));
        let until = Instant::now() + SENDING_HOME;
        for _ in 0..MAX_SENT_HOME {
            let patience = until.min(Instant::now() + LAST_KNOCK);
            let Ok(incoming) = tokio::time::timeout_at(patience, accept(&listener)).await else { break };
            tell(incoming);
        }
        // Who came since, of whom the runtime knows nothing yet.
        for incoming in listener.close().take(MAX_SENT_HOME) {
            tell(incoming);
        }
    }

    /// Serves a connection as soon as there is a place for it. Others are accepted meanwhile.
    async fn take_in(&self, incoming: Incoming, share: Share, guests: &mut JoinSet<()>) {
        if let Ok(place) = Arc::clone(&self.room).try_acquire_owned() {
            let connection = incoming.start(&self.builder);
            guests.spawn(self.clone().attend(connection, (place, share)));
            return;
        }
        let seat = self.unless_stopped(Arc::clone(&self.waiting).acquire_owned()).await;
        guests.spawn(self.clone().attend_in_turn(incoming, share, seat.and_then(Result::ok)));
    }

    /// `seat` is its place among those that wait.
    async fn attend_in_turn(self, incoming: Incoming, share: Share, seat: Option<OwnedSemaphorePermit>) {
        let place = self.unless_stopped(Arc::clone(&self.room).acquire_owned()).await;
        drop(seat);
        match place.and_then(Result::ok) {
            Some(place) => {
                let connection = incoming.start(&self.builder);
                self.attend(connection, (place, share)).await;
            }
            None => drain(incoming.start(&self.builder.draining()), self.drain).await,
        }
    }

    /// `None` when the server stops.
    async fn unless_stopped<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => None,
            output = what => Some(output),
        }
    }

    /// Keeps the connection until it ends, or has been drained.
    async fn attend(self, connection: Connection, _place: (OwnedSemaphorePermit, Share)) {
        let mut stop = self.stop.clone();
        let stopped = tokio::select! {
            () = connection.gone() => return,
            () = self.until_in_the_way(&connection) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        if stopped {
            return drain(connection, self.drain).await;
        }
        connection.close_because(CloseReason::HandshakeTimeout, GoawayCode::Timeout);
        connection.gone().await;
    }

    /// Resolves when the peer has said no hello for a while, and others need its place.
    async fn until_in_the_way(&self, connection: &Connection) {
        loop {
            tokio::time::sleep(HELLO_WHERE_SHORT).await;
            if connection.is_greeted() {
                return std::future::pending().await;
            }
            if self.shares.are_short() {
                return;
            }
        }
    }

    /// Tells a peer that it holds as many connections as it may; so many at a time, and the rest are dropped.
    fn turn_away(&self, incoming: Incoming, guests: &mut JoinSet<()>) {
        let Ok(place) = Arc::clone(&self.turned_away).try_acquire_owned() else { return };
        let connection = incoming.start(&ConnectionBuilder::default());
        connection.close_because(CloseReason::TooManyConnections, GoawayCode::Closed);
        guests.spawn(async move {
            connection.gone().await;
            drop(place);
        });
    }
}

/// Drains the connection, or closes it where that takes too long.
pub(crate) async fn drain(connection: Connection, timeout: Duration) {
    if tokio::time::timeout(timeout, connection.drain()).await.is_err() {
        connection.close();
    }
    connection.gone().await;
}

async fn accept(listener: &Listener) -> Incoming {
    loop {
        match listener.accept().await {
            Ok(incoming) => return incoming,
            Err(error) if is_the_peers(&error) => {}
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Whether this thread's runtime can have connections.
///
/// # Panics
/// Where there is none.
#[track_caller]
fn is_fit(address: &Address) -> Result<(), ConnectError> {
    blocking::here();
    blocking::timers().and_then(|()| blocking::io()).map_err(|error| ConnectError::failed(address, error))
}

/// The connection failed while it was accepted; the listener is well.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected
    )
}

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
    /// failed, and the first to answer is taken (Happy Eyeballs, RFC 8305). All of it takes [`Timeouts::handshake`] at most.
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
        is_fit(&address)?;
        connect::connect(self, &address).await
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
