//! One connection: the state all its tasks share, the one lock, and the one close path.

use crate::config::{Limits, Times, Workers};
use crate::demux::{Owed, Router, Service};
use crate::driver::Driver;
use crate::error::CloseReason;
use crate::mux::{Client, Mux};
use crate::outbox::Outbox;
use crate::proto::Millis;
use crate::proto::calls::{Request, Terminal, Ticket};
use crate::proto::fault::GoawayCode;
use crate::proto::session::{Answer, Breach, Closing, Session};
use crate::proto::xid::{Side, Xid};
use crate::workers::WorkerThreads;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What stops a running handler.
#[derive(Debug, Default)]
pub(crate) struct Running {
    /// Absent where a cancel must not stop it.
    pub(crate) abort: Option<AbortHandle>,
    /// Made when the handler asks for it.
    pub(crate) token: Option<CancellationToken>,
}

impl Running {
    pub(crate) fn stop(self) {
        if let Some(token) = self.token {
            token.cancel();
        }
        if let Some(abort) = self.abort {
            abort.abort();
        }
    }
}

/// Who is at the other end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its address, as its transport writes it.
    pub address: Option<String>,
    /// Its process and user, over a Unix socket.
    pub credentials: Option<Credentials>,
}

/// The process at the other end of a Unix socket, as the kernel tells it (`SO_PEERCRED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its process id, where the system tells it.
    pub pid: Option<i32>,
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
}

/// How far a connection is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Open,
    Closed,
    /// Its last byte is written, its stream dropped.
    Gone,
}

/// What a connection's driver, callers and handlers share.
pub(crate) struct Shared {
    state: Mutex<State>,
    router: Arc<Router>,
    workers: Arc<WorkerThreads>,
    peer: Peer,
    reveal_traces: bool,
    epoch: Instant,
    stage: watch::Sender<Stage>,
}

/// All that the lock guards.
pub(crate) struct State {
    pub(crate) session: Session<Waker, Running>,
    pub(crate) outbox: Outbox,
    /// Wakes the driver.
    pub(crate) driver: Option<Waker>,
    /// The driver has taken up the duty to write what is in the outbox.
    pub(crate) flushing: bool,
    /// When the driver is to look at deadlines.
    pub(crate) timer: Option<Millis>,
    /// The driver is to look at what changed here, written or not.
    wake_driver: bool,
    pub(crate) closed: Option<CloseReason>,
    /// The peer sends no more.
    pub(crate) half_closed: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Shared {
    fn new(
        session: Session<Waker, Running>,
        outbox: Outbox,
        router: Arc<Router>,
        workers: Arc<WorkerThreads>,
    ) -> Shared {
        Shared {
            state: Mutex::new(State::new(session, outbox)),
            router,
            workers,
            peer: Peer::default(),
            reveal_traces: true,
            epoch: Instant::now(),
            stage: watch::Sender::new(Stage::Open),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No code of a user runs under the lock, and no code of ours leaves it half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then sees to it that the driver writes what was queued.
    fn act<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let driver = state.claim_flush();
        drop(state);
        driver.into_iter().for_each(Waker::wake);
        result
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    pub(crate) fn workers(&self) -> &WorkerThreads {
        &self.workers
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(crate) fn reveals_traces(&self) -> bool {
        self.reveal_traces
    }

    /// Now, in the session's time.
    pub(crate) fn now(&self) -> Millis {
        self.at(Instant::now())
    }

    pub(crate) fn at(&self, instant: Instant) -> Millis {
        instant.saturating_duration_since(self.epoch).as_millis() as Millis
    }

    /// The first millisecond that is not before `deadline`.
    pub(crate) fn deadline(&self, deadline: Instant) -> Millis {
        deadline.saturating_duration_since(self.epoch).as_nanos().div_ceil(1_000_000) as Millis
    }

    pub(crate) fn instant(&self, at: Millis) -> Instant {
        self.epoch + std::time::Duration::from_millis(at)
    }

    // For callers.

    pub(crate) fn open(&self, request: Request<'_, Waker>) -> Result<Ticket, Terminal> {
        let timed = request.deadline.map(|deadline| (deadline, self.deadline(Instant::now())));
        self.act(|state| {
            let (deadline, now) = timed.unzip();
            state.look_at(deadline);
            state.session.open(request, now.unwrap_or(0), &mut state.outbox)
        })
    }

    pub(crate) fn notify(&self, request: Request<'_, Waker>) -> Result<Option<Ticket>, Terminal> {
        let timed = request.deadline.map(|deadline| (deadline, self.deadline(Instant::now())));
        self.act(|state| {
            let (deadline, now) = timed.unzip();
            state.look_at(deadline);
            state.session.notify(request, now.unwrap_or(0), &mut state.outbox)
        })
    }

    /// The call's end, or a promise to wake.
    pub(crate) fn poll_call(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Terminal> {
        let mut state = self.lock();
        if let Some(terminal) = state.session.take_done(ticket) {
            return Poll::Ready(terminal);
        }
        if state.session.waker(ticket).is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        drop(state);
        // Cloning and dropping a waker may run anyone's code.
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if let Some(terminal) = state.session.take_done(ticket) {
            return Poll::Ready(terminal);
        }
        let before = state.session.set_waker(ticket, waker);
        drop(state);
        drop(before);
        Poll::Pending
    }

    pub(crate) fn abandon(&self, ticket: Ticket) {
        let now = self.now();
        let waker = self.act(|state| state.session.abandon(ticket, now, &mut state.outbox));
        drop(waker);
    }

    // For handlers.

    pub(crate) fn park(&self, xid: Xid) {
        self.lock().session.park(xid);
    }

    pub(crate) fn start(&self, xid: Xid) -> bool {
        self.lock().session.start(xid)
    }

    pub(crate) fn attach(&self, xid: Xid, merge: impl FnOnce(Option<Running>) -> Running) -> Option<Running> {
        self.lock().session.attach(xid, merge)
    }

    /// What fires when nobody wants the answer any more; `None` once it was given.
    pub(crate) fn cancellation(&self, xid: Xid) -> Option<CancellationToken> {
        let mut state = self.lock();
        if state.closed.is_none() && !state.session.is_serving(xid) {
            return None;
        }
        let token = CancellationToken::new();
        let mut kept = token.clone();
        let unwanted = state.session.attach(xid, |known| {
            let known: Running = known.unwrap_or_default();
            kept = known.token.clone().unwrap_or(token);
            Running { token: Some(kept.clone()), ..known }
        });
        drop(state);
        unwanted.into_iter().for_each(Running::stop);
        Some(kept)
    }

    pub(crate) fn is_unwanted(&self, xid: Xid) -> bool {
        let state = self.lock();
        state.closed.is_some() || state.session.is_stopped(xid)
    }

    /// Sends answers; one lock for all. Returns buffers for reuse.
    pub(crate) fn answer(&self, answers: Vec<(Owed, Answer)>) -> Vec<Vec<u8>> {
        let mut floods = false;
        let spent = self.act(|state| {
            let mut spent = Vec::with_capacity(answers.len());
            for (owed, answer) in answers {
                match owed {
                    Owed::Answer(xid) => spent.push(state.session.finish(xid, answer, &mut state.outbox)),
                    Owed::Credit(cost) => floods |= !state.session.finish_notify(cost, &mut state.outbox),
                    Owed::Nothing => {}
                }
            }
            spent
        });
        if floods {
            let breach = Breach::unread_credit();
            self.close(CloseReason::Protocol(breach.message), breach.code);
        }
        spent
    }

    pub(crate) fn answer_dropped(&self, xid: Xid) {
        self.act(|state| state.session.finish_unanswered(xid, &mut state.outbox));
    }

    // The end.

    pub(crate) fn is_greeted(&self) -> bool {
        self.lock().session.is_greeted()
    }

    /// Times out the calls and handlers whose deadline has come.
    pub(crate) fn expire(&self, now: Instant) {
        let time = self.at(now);
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.timer.is_none_or(|timer| timer > time) {
            return;
        }
        let (expired, next) = state.session.expire(time, &mut state.outbox);
        state.timer = next;
        drop(guard);
        expired.tell();
    }

    /// Ends the connection: every waiting call is told at once, every handler stopped, and the
    /// driver writes what is queued and leaves. Only the first reason counts.
    pub(crate) fn close(&self, reason: CloseReason, code: GoawayCode) {
        let message = reason.goodbye();
        self.end(reason, |session, outbox| session.close(code, &message, outbox));
    }

    /// As [`close`](Shared::close), and nothing more can be written.
    pub(crate) fn abort(&self, reason: CloseReason) {
        self.end(reason, Session::abort);
    }

    fn end(
        &self,
        reason: CloseReason,
        end: impl FnOnce(&mut Session<Waker, Running>, &mut Outbox) -> Closing<Waker, Running>,
    ) {
        let closing = self.act(|state| {
            state.wake_driver = true;
            let closing = end(&mut state.session, &mut state.outbox);
            state.closed.get_or_insert(reason);
            closing
        });
        #[cfg(feature = "tracing")]
        if !self.is_closed() {
            tracing::debug!(peer = ?self.peer, reason = %self.close_reason(), "connection closed");
        }
        closing.tell();
        self.stage.send_if_modified(|stage| advance(stage, Stage::Closed));
    }

    pub(crate) fn drain(&self) {
        let wakers = self.act(|state| {
            state.wake_driver = true;
            state.session.drain(&mut state.outbox)
        });
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.stage.borrow() >= Stage::Closed
    }

    pub(crate) fn close_reason(&self) -> CloseReason {
        let state = self.lock();
        let half_closed = if state.half_closed { CloseReason::Eof } else { CloseReason::Local };
        state.closed.clone().unwrap_or(half_closed)
    }

    pub(crate) async fn until_closed(&self) {
        // The sender lives in `self`: waiting cannot fail.
        let _ = self.stage.subscribe().wait_for(|stage| *stage >= Stage::Closed).await;
    }

    pub(crate) async fn until_gone(&self) {
        let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::Gone).await;
    }

    pub(crate) fn gone(&self) {
        self.stage.send_if_modified(|stage| advance(stage, Stage::Gone));
    }
}

fn advance(stage: &mut Stage, to: Stage) -> bool {
    let changes = *stage < to;
    *stage = to.max(*stage);
    changes
}

impl State {
    fn new(session: Session<Waker, Running>, outbox: Outbox) -> State {
        State {
            session,
            outbox,
            driver: None,
            // The driver's first poll writes the hello.
            flushing: true,
            timer: None,
            wake_driver: false,
            closed: None,
            half_closed: false,
        }
    }

    /// Takes up the duty to flush for the driver, where there is something to write and nobody has
    /// the duty yet. Returns the driver's waker if it is to be woken.
    fn claim_flush(&mut self) -> Option<Waker> {
        let unclaimed = !self.flushing && !self.outbox.is_empty();
        self.flushing |= unclaimed;
        let wake = std::mem::take(&mut self.wake_driver) || unclaimed;
        wake.then(|| self.driver.clone()).flatten()
    }

    /// Has the driver look at deadlines no later than at `deadline`.
    pub(crate) fn look_at(&mut self, deadline: Option<Millis>) {
        if let Some(deadline) = deadline
            && self.timer.is_none_or(|timer| deadline < timer)
        {
            self.timer = Some(deadline);
            self.wake_driver = true;
        }
    }
}

impl Closing<Waker, Running> {
    /// Wakes and stops them, outside the lock.
    pub(crate) fn tell(self) {
        self.wakers.into_iter().for_each(Waker::wake);
        self.handles.into_iter().for_each(Running::stop);
    }
}

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
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A client of a service at the other end.
    pub fn client<C: Client>(&self) -> C {
        C::from_mux(self.mux.clone())
    }

    /// The asking half, for generated code.
    #[doc(hidden)]
    pub fn mux(&self) -> Mux {
        self.mux.clone()
    }

    /// Ends the connection: every waiting call fails at once with
    /// [`CallError::Closed`](crate::CallError::Closed), every later one too, and handlers of the
    /// peer's calls are dropped. What is queued is still written, for a second at most.
    pub fn close(&self) {
        self.shared().close(CloseReason::Local, GoawayCode::Closed);
    }

    /// Refuses new calls from both ends, lets those that run finish, then closes. Resolves when it
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

    /// Who is at the other end.
    pub fn peer_info(&self) -> &Peer {
        self.shared().peer()
    }

    /// The services that the other end said it answers for; empty until its hello has come.
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
#[derive(Clone, Default)]
pub struct Builder {
    services: Vec<Arc<dyn Service>>,
    limits: Limits,
    times: Times,
    workers: Workers,
    hide_traces: bool,
    threads: OnceLock<Arc<WorkerThreads>>,
    router: OnceLock<Arc<Router>>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let services: Vec<_> = self.services.iter().map(|service| service.descriptor().name).collect();
        f.debug_struct("Builder")
            .field("services", &services)
            .field("limits", &self.limits)
            .field("times", &self.times)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Answers for a service at this end. May be called for several.
    ///
    /// # Panics
    /// Where a service of that name is there already: one of the two would never be called.
    #[must_use]
    #[track_caller]
    pub fn service(mut self, service: impl Service) -> Builder {
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

    /// What the peer is allowed.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.limits = limits;
        self
    }

    /// How long to wait for the peer.
    #[must_use]
    pub fn times(mut self, times: Times) -> Builder {
        self.times = times;
        self
    }

    /// Where plain `fn` methods run.
    #[must_use]
    pub fn workers(mut self, workers: Workers) -> Builder {
        self.workers = workers;
        self.threads = OnceLock::new();
        self
    }

    /// Whether callers are told the type, sources, place and backtrace of a failure or panic, beside
    /// its message. On by default.
    #[must_use]
    pub fn reveal_traces(mut self, reveal: bool) -> Builder {
        self.hide_traces = !reveal;
        self
    }

    /// Runs a connection over a stream that this end opened.
    ///
    /// Returns at once; requests may be sent without waiting for the peer's hello.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open<S: AsyncRead + AsyncWrite + Send + 'static>(&self, stream: S) -> Connection {
        self.start(Side::Connecting, stream, Peer::default())
    }

    /// Runs a connection over a stream that the peer opened.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn accept<S: AsyncRead + AsyncWrite + Send + 'static>(&self, stream: S) -> Connection {
        self.start(Side::Accepting, stream, Peer::default())
    }

    pub(crate) fn start<S: AsyncRead + AsyncWrite + Send + 'static>(
        &self,
        side: Side,
        stream: S,
        peer: Peer,
    ) -> Connection {
        crate::panic::install_hook();
        let router = self.router.get_or_init(|| Arc::new(Router::new(self.services.clone())));
        let threads = self.threads.get_or_init(|| Arc::new(WorkerThreads::new(self.workers)));
        let settings = self.limits.settings(router.fingerprints());
        let mut outbox = Outbox::default();
        let session = Session::new(side, settings.clone(), &mut outbox);
        let shared = Arc::new(Shared {
            peer,
            reveal_traces: !self.hide_traces,
            ..Shared::new(session, outbox, Arc::clone(router), Arc::clone(threads))
        });
        #[cfg(feature = "tracing")]
        tracing::debug!(?side, peer = ?shared.peer, "connection opened");
        tokio::spawn(Driver::new(stream, Arc::clone(&shared), self.times.tellable(), &settings));
        Connection { mux: Mux::keeping(shared) }
    }
}

/// A connection that was never there: closed, with nobody at its other end.
pub(crate) fn nowhere() -> Mux {
    let mut outbox = Outbox::default();
    let session = Session::new(Side::Connecting, Limits::default().settings(Vec::new()), &mut outbox);
    let threads = Arc::new(WorkerThreads::new(Workers::OnDemand));
    let shared = Arc::new(Shared::new(session, outbox, Arc::default(), threads));
    shared.abort(CloseReason::Local);
    Mux::keeping(shared)
}
