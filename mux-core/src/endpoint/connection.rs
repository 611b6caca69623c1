//! A connection as its user holds it, and how one is set up.

use crate::api::config::{Limits, Timeouts, Workers};
use crate::api::error::CloseReason;
use crate::api::peer::Peer;
use crate::driver::{Driver, Driving};
use crate::link::detached::DetachedHandlers;
use crate::link::handle::Client;
use crate::link::handle::Mux;
use crate::link::handle::{closed, session};
use crate::link::shared::Shared;
use crate::serve::demux::{Demux, DemuxService};
use crate::serve::router::Router;
use crate::serve::service::Service;
use crate::threads::background;
use crate::threads::blocking;
use crate::threads::workers::WorkerThreads;
use crate::transport;
use mux_proto::wire::fault::GoawayCode;
use mux_proto::wire::xid::Side;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection to another program: both of its ends may ask, and both may answer.
///
/// It lives as long as its last handle: this value, its clones, and the clients made of it. When
/// the last is dropped the connection closes, and what its peer asked for is cancelled.
///
/// ```
/// # use mux_core as mux;
/// # #[tokio::main] async fn main() {
/// let (here, there) = mux::pair();
/// let asking = mux::Connection::builder().open(here);
/// let answering = mux::Connection::builder().accept(there);
/// asking.close();
/// println!("{}", answering.closed().await);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a connection closes when its last handle is dropped"]
pub struct Connection {
    mux: Mux,
}

impl Connection {
    /// A builder with the defaults: no services, and the limits of [`Limits::default`].
    pub fn builder() -> ConnectionBuilder {
        ConnectionBuilder::default()
    }

    /// A client of a service at the other end.
    pub fn client<C: Client>(&self) -> C {
        C::from_mux(self.mux.clone())
    }

    /// The untyped interface, by which methods are called by their names.
    pub fn mux(&self) -> Mux {
        self.mux.clone()
    }

    /// Ends the connection: every waiting call fails at once with
    /// [`CallError::Closed`](crate::CallError::Closed), every later one too, and handlers of the
    /// peer's calls are dropped; those of its notifies run on. What is queued is still written, for a
    /// second at most.
    pub fn close(&self) {
        self.shared().close(CloseReason::Local, GoawayCode::Closed);
    }

    /// Refuses new calls from both ends, lets those that run and notifies finish, then closes. Resolves when it
    /// has closed. It waits without limit: wrap it in a timeout and [`close`](Connection::close).
    ///
    /// Cancel safe: dropped, the drain goes on.
    pub async fn drain(&self) -> CloseReason {
        self.shared().drain();
        self.closed().await
    }

    /// Resolves when the connection has closed, and tells why.
    ///
    /// Cancel safe.
    pub async fn closed(&self) -> CloseReason {
        self.shared().until_closed().await;
        self.shared().close_reason()
    }

    /// Whether the connection has closed.
    pub fn is_closed(&self) -> bool {
        self.shared().is_closed()
    }

    /// Resolves when the last byte is written and the stream dropped. Does not keep the connection open.
    pub(crate) fn gone(&self) -> impl Future<Output = ()> + use<> {
        let shared = Arc::clone(self.shared());
        async move { shared.until_gone().await }
    }

    /// Whether the peer's hello has come.
    pub(crate) fn is_greeted(&self) -> bool {
        self.shared().is_greeted()
    }

    /// Closes it for a reason that the peer is told.
    pub(crate) fn close_because(&self, reason: CloseReason, code: GoawayCode) {
        self.shared().close(reason, code);
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.shared().peer()
    }

    /// The services that the other end said it answers for, the first 1,024 of them; empty until its hello has come, and
    /// once the connection has closed.
    pub fn peer_services(&self) -> Vec<String> {
        let state = self.shared().lock();
        state.session.peer_services().iter().map(|(name, _)| name.clone()).collect()
    }

    /// Replies of the other end that nobody waits for any more, or ever did. Each was dropped.
    pub fn stray_replies(&self) -> u64 {
        self.shared().lock().session.stray_replies()
    }

    fn shared(&self) -> &Arc<Shared> {
        self.mux.shared()
    }
}

/// Sets up a connection. One builder may open many.
///
/// ```
/// # use mux_core as mux;
/// use mux::{ConnectionBuilder, Limits, Timeouts, Workers};
/// use std::time::Duration;
///
/// # async fn open(stream: tokio::io::DuplexStream) {
/// let builder = mux::Connection::builder()
///     .limits(Limits { max_in_flight: 64, ..Limits::default() })
///     .timeouts(Timeouts { ping_after: Duration::from_secs(60), ..Timeouts::default() })
///     .workers(Workers::Pool(8));
/// let connection = builder.open(stream);
/// # drop(connection);
/// # }
/// ```
#[derive(Clone, Default)]
pub struct ConnectionBuilder {
    services: Vec<Arc<dyn Service>>,
    /// For what none of the services has.
    demux: Option<Arc<dyn Service>>,
    limits: Limits,
    timeouts: Timeouts,
    workers: Workers,
    /// Where it was not said, it depends on who is at the other end.
    reveal_traces: Option<bool>,
    /// Connections drain from the start.
    drains: bool,
    threads: OnceLock<Arc<WorkerThreads>>,
    detached: Arc<DetachedHandlers>,
    router: OnceLock<Arc<Router>>,
}

impl std::fmt::Debug for ConnectionBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let services: Vec<_> = self.services.iter().map(|service| service.descriptor().name).collect();
        f.debug_struct("ConnectionBuilder")
            .field("services", &services)
            .field("limits", &self.limits)
            .field("timeouts", &self.timeouts)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

impl ConnectionBuilder {
    /// Answers for a service at this end. May be called for several.
    ///
    /// # Panics
    /// Where a service of that name is there already: one of the two would never be called.
    #[must_use]
    #[track_caller]
    pub fn service(mut self, service: impl Service) -> ConnectionBuilder {
        let name = service.descriptor().name;
        let taken = self.services.iter().any(|other| other.descriptor().name == name);
        assert!(
            !taken,
            "there is a service named `{name}` already; give one of them #[mux::service(name = \"…\")]"
        );
        self.services.push(Arc::new(service));
        self.router = OnceLock::new();
        self
    }

    /// Answers every method that no service of this end has: see [`Demux`].
    #[must_use]
    pub fn demux(mut self, demux: impl Demux) -> ConnectionBuilder {
        self.demux = Some(Arc::new(DemuxService(demux)));
        self.router = OnceLock::new();
        self
    }

    /// What the peer is allowed.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> ConnectionBuilder {
        self.limits = limits;
        self
    }

    /// How long to wait for the peer.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> ConnectionBuilder {
        self.timeouts = timeouts;
        self
    }

    /// The same, of connections that take no call, and close in good order.
    pub(crate) fn draining(&self) -> ConnectionBuilder {
        ConnectionBuilder { drains: true, ..self.clone() }
    }

    fn answers(&self) -> bool {
        !self.services.is_empty() || self.demux.is_some()
    }

    pub(crate) fn time_to_connect(&self) -> Duration {
        self.timeouts.tellable().handshake
    }

    /// Where plain `fn` methods run.
    #[must_use]
    pub fn workers(mut self, workers: Workers) -> ConnectionBuilder {
        self.workers = workers;
        self.threads = OnceLock::new();
        self
    }

    /// Handlers that may be at work at once, over all connections of this builder, of those that a closed connection
    /// does not stop: of notifies, and of `detached` methods. One counts once, and once more for each 16 KiB of its
    /// message; 1 is the least. Default 8,192.
    ///
    /// Beyond it a notify waits, and those of its connection behind it; one of a large message may wait for many places,
    /// and other connections' notifies behind it. What waits when the connection closes is dropped, if there is no place
    /// for it then. A call of a `detached` method is refused as [`Overloaded`](crate::Refusal::Overloaded).
    ///
    /// Items that receivers may still take when their connection has closed count as a message of a handler, until the last
    /// of these receivers is dropped or has been told the end. Where there is no place for them they are dropped, and the
    /// receivers are told that the connection has closed.
    #[must_use]
    pub fn max_detached(mut self, handlers: usize) -> ConnectionBuilder {
        self.detached = Arc::new(DetachedHandlers::new(handlers));
        self
    }

    /// Whether callers are told the type, sources, place and backtrace of a failure or panic, beside
    /// its message.
    ///
    /// Unless this is called, they are where the other end is this program or one of the same user's: over
    /// [`pair`](crate::pair) and tokio's other streams in memory, pipes, `exec:`, standard input and output
    /// ([`stdio`](crate::stdio); where these are sockets, such as a process of the same user has made), and a Unix socket
    /// whose peer has this process's effective user id. They are not over TCP, nor over a stream of any other type that is given to [`open`](ConnectionBuilder::open) or
    /// [`accept`](ConnectionBuilder::accept). Who passes standard input and output on to another machine, as `ssh` does,
    /// should say `reveal_traces(false)`.
    #[must_use]
    pub fn reveal_traces(mut self, reveal: bool) -> ConnectionBuilder {
        self.reveal_traces = Some(reveal);
        self
    }

    /// Runs a connection over a stream that this end opened.
    ///
    /// Returns at once; requests may be sent without waiting for the peer's hello. In a runtime that was built without
    /// timers the connection is closed from the start, and its reason says so.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn open<S: AsyncRead + AsyncWrite + Send + 'static>(&self, stream: S) -> Connection {
        let peer = transport::peer_of(&stream);
        self.start(Side::Connecting, stream, peer)
    }

    /// Runs a connection over a stream that the peer opened.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn accept<S: AsyncRead + AsyncWrite + Send + 'static>(&self, stream: S) -> Connection {
        let peer = transport::peer_of(&stream);
        self.start(Side::Accepting, stream, peer)
    }

    #[track_caller]
    pub(crate) fn start<S: AsyncRead + AsyncWrite + Send + 'static>(
        &self,
        side: Side,
        stream: S,
        peer: Peer,
    ) -> Connection {
        crate::threads::panic::install_hook();
        let runtime = blocking::here();
        if let Err(error) = blocking::timers() {
            return Connection { mux: closed(CloseReason::Io(error.to_string())) };
        }
        let router =
            self.router.get_or_init(|| Arc::new(Router::new(self.services.clone(), self.demux.clone())));
        let threads = self.threads.get_or_init(|| Arc::new(WorkerThreads::new(self.workers)));
        let settings = self.limits.settings(router.fingerprints());
        let session = session(side, settings.clone());
        // Nothing is revealed where nothing is answered.
        let reveal = || self.answers() && transport::is_same_user(&peer);
        let reveal = self.reveal_traces.unwrap_or_else(reveal);
        let shared = Shared::new(
            session,
            Arc::clone(router),
            (Arc::clone(threads), Arc::clone(&self.detached)),
            peer,
            reveal,
            self.limits.max_unsent,
        );
        #[cfg(feature = "tracing")]
        tracing::debug!(?side, peer = ?shared.peer(), "connection opened");
        if self.drains {
            // Before a call can be read.
            shared.drain();
        }
        let driver = Driver::new(stream, Arc::clone(&shared), self.timeouts.tellable(), &settings);
        if shared.is_in_background() && self.answers() {
            background::only_io_thread_drives();
        }
        runtime.spawn(Driving::new(driver));
        Connection { mux: Mux::keeping(shared) }
    }
}
