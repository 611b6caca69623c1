//! Accepts a server's connections, shares its places among them, and drains them when it stops. Knows of a transport only
//! what [`Listener`] and [`Incoming`] say.

use crate::api::error::CloseReason;
use crate::api::peer::Peer;
use crate::endpoint::connection::{Connection, ConnectionBuilder};
use crate::endpoint::shares::{Share, Shares};
use crate::transport::{Address, Incoming, Listener};
use mux_proto::wire::fault::GoawayCode;
use mux_proto::wire::xid::Side;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Connections of peers that hold as many as they may: so many at once are told so.
const MAX_REJECTED: usize = 64;

/// For the handshake of a transport before a peer is told that it holds as many connections as it may.
const REJECTED_HANDSHAKE: Duration = Duration::from_secs(1);

/// Connections that wait for a place: so many are accepted, so that those of peers which hold as many as they may are found
/// among them and told. The others wait in their listener's queue.
const MAX_WAITING: usize = 64;

/// A server that stops empties its listener's queue: for a second at most, until nobody has come for 10 ms, and of 4096
/// connections, which is what Linux keeps by default (`net.core.somaxconn`).
const QUEUE_DRAIN: Duration = Duration::from_secs(1);
const QUEUE_IDLE: Duration = Duration::from_millis(10);
const MAX_QUEUED: usize = 4096;

/// For a transport's handshake, and again for a peer's hello, while three quarters of the connections are taken.
const HELLO_WHERE_SHORT: Duration = Duration::from_secs(1);

/// After an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What bounds a server's connections.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) connections: usize,
    /// If it is not set, it follows from `connections`.
    pub(crate) connections_per_peer: Option<usize>,
    /// How long running calls may take to finish when the server stops.
    pub(crate) drain: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { connections: 1024, connections_per_peer: None, drain: Duration::from_secs(30) }
    }
}

/// A listener of any type.
pub(crate) trait AnyListener: Send {
    fn addresses(&self) -> Vec<Address>;

    /// See [`Acceptor::accept_loop`].
    fn accept_loop(self: Box<Self>, acceptor: Acceptor) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

impl<L: Listener> AnyListener for L {
    fn addresses(&self) -> Vec<Address> {
        Listener::addresses(self)
    }

    fn accept_loop(self: Box<Self>, acceptor: Acceptor) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(acceptor.accept_loop(*self))
    }
}

/// What all accept loops of a server share.
#[derive(Clone)]
pub(crate) struct Acceptor {
    builder: Arc<ConnectionBuilder>,
    /// Of connections that take no call.
    draining: Arc<ConnectionBuilder>,
    /// A permit for each connection that is served.
    places: Arc<Semaphore>,
    shares: Arc<Shares>,
    /// A permit for each connection that waits for one of `places`.
    waiting: Arc<Semaphore>,
    /// A permit for each connection that is told why it is closed.
    rejected: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
    drain: Duration,
}

impl Acceptor {
    pub(crate) fn new(builder: ConnectionBuilder, bounds: &Bounds, stop: watch::Receiver<bool>) -> Acceptor {
        let connections = bounds.connections.min(Semaphore::MAX_PERMITS);
        Acceptor {
            draining: Arc::new(builder.draining()),
            builder: Arc::new(builder),
            places: Arc::new(Semaphore::new(connections)),
            shares: Shares::new(bounds.connections_per_peer, connections),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            rejected: Arc::new(Semaphore::new(MAX_REJECTED)),
            stop,
            drain: bounds.drain,
        }
    }

    /// Accepts until the server stops, then waits until the last connection has ended.
    async fn accept_loop<L: Listener>(self, mut listener: L) {
        let mut connections = JoinSet::new();
        while let Some(incoming) = self.unless_stopped(accept(&mut listener)).await {
            match self.shares.admit(incoming.peer()) {
                Some(share) => self.admit(incoming, share, &mut connections).await,
                None => self.reject(incoming, &mut connections),
            }
            while connections.try_join_next().is_some() {}
        }
        self.drain_queue(listener, &mut connections).await;
        while connections.join_next().await.is_some() {}
    }

    /// Serves a connection as soon as there is a place for it. Others are accepted meanwhile.
    async fn admit<I: Incoming>(&self, incoming: I, share: Share, connections: &mut JoinSet<()>) {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            connections.spawn(self.clone().serve_connection(incoming, (place, share)));
            return;
        }
        let waiting = self.unless_stopped(Arc::clone(&self.waiting).acquire_owned()).await;
        connections.spawn(self.clone().serve_in_turn(incoming, share, waiting.and_then(Result::ok)));
    }

    /// `waiting` is its permit to wait.
    async fn serve_in_turn<I: Incoming>(
        self,
        incoming: I,
        share: Share,
        waiting: Option<OwnedSemaphorePermit>,
    ) {
        let place = self.unless_stopped(Arc::clone(&self.places).acquire_owned()).await;
        drop(waiting);
        match place.and_then(Result::ok) {
            Some(place) => self.serve_connection(incoming, (place, share)).await,
            None => self.refuse_connection(incoming).await,
        }
    }

    /// Keeps the connection until it ends, or has been drained.
    async fn serve_connection<I: Incoming>(self, incoming: I, _place: (OwnedSemaphorePermit, Share)) {
        let Some((stream, peer)) = self.handshake(incoming).await else { return };
        let builder = if *self.stop.borrow() { &self.draining } else { &self.builder };
        let connection = builder.start(Side::Accepting, stream, peer);
        let mut stop = self.stop.clone();
        let stopped = tokio::select! {
            () = connection.gone() => return,
            () = self.until_in_the_way(|| connection.is_greeted()) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        if stopped {
            return drain(connection, self.drain).await;
        }
        connection.close_because(CloseReason::HandshakeTimeout, GoawayCode::Timeout);
        connection.gone().await;
    }

    /// Tells a peer that the server drains, so that its calls have certainly not run.
    async fn refuse_connection<I: Incoming>(self, incoming: I) {
        let Some((stream, peer)) = self.handshake(incoming).await else { return };
        drain(self.draining.start(Side::Accepting, stream, peer), self.drain).await;
    }

    /// What has come of the transport's handshake. If that fails or takes too long there is no connection.
    async fn handshake<I: Incoming>(&self, incoming: I) -> Option<(I::Stream, Peer)> {
        tokio::select! {
            biased;
            outcome = incoming.handshake() => outcome.ok(),
            () = sleep(self.builder.time_to_connect()) => None,
            () = self.until_in_the_way(|| false) => None,
            () = self.until_drained() => None,
        }
    }

    /// Resolves when the peer has said no hello for a while, and others need its place.
    async fn until_in_the_way(&self, is_greeted: impl Fn() -> bool) {
        loop {
            sleep(HELLO_WHERE_SHORT).await;
            if is_greeted() {
                return std::future::pending().await;
            }
            if self.shares.are_short() {
                return;
            }
        }
    }

    /// Resolves when the server has stopped, and has no time left to drain.
    async fn until_drained(&self) {
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
        sleep(self.drain).await;
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

    /// Tells a peer that it holds as many connections as it may; so many at a time, and the rest are dropped.
    fn reject<I: Incoming>(&self, incoming: I, connections: &mut JoinSet<()>) {
        let Ok(permit) = Arc::clone(&self.rejected).try_acquire_owned() else { return };
        let time = self.builder.time_to_connect().min(REJECTED_HANDSHAKE);
        connections.spawn(async move {
            let _permit = permit;
            let Ok(Ok((stream, peer))) = timeout(time, incoming.handshake()).await else { return };
            let connection = ConnectionBuilder::default().start(Side::Accepting, stream, peer);
            connection.close_because(CloseReason::TooManyConnections, GoawayCode::Closed);
            connection.gone().await;
        });
    }

    /// Refuses those who wait in the listener's queue: a queue that is dropped resets its connections, and who was reset
    /// cannot know whether its calls have run.
    async fn drain_queue<L: Listener>(&self, mut listener: L, connections: &mut JoinSet<()>) {
        let mut refuse = |incoming| connections.spawn(self.clone().refuse_connection(incoming));
        let until = Instant::now() + QUEUE_DRAIN;
        for _ in 0..MAX_QUEUED {
            let patience = until.min(Instant::now() + QUEUE_IDLE);
            let Ok(incoming) = timeout_at(patience, accept(&mut listener)).await else { break };
            refuse(incoming);
        }
        // Who came since, of whom the runtime knows nothing yet.
        for incoming in listener.close().take(MAX_QUEUED) {
            refuse(incoming);
        }
    }
}

/// Drains the connection, or closes it where that takes too long.
async fn drain(connection: Connection, time: Duration) {
    if timeout(time, connection.drain()).await.is_err() {
        connection.close();
    }
    connection.gone().await;
}

async fn accept<L: Listener>(listener: &mut L) -> L::Incoming {
    loop {
        match listener.accept().await {
            Ok(incoming) => return incoming,
            Err(error) if is_the_peers(&error) => {}
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// The connection failed while it was accepted; the listener is well.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected
    )
}
