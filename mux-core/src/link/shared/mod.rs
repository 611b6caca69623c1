//! What a connection's driver, callers and handlers share: the one lock, and what is done once it is free. What each of
//! them does with it is in a file of its own.

pub(crate) mod answers;
mod calls;
mod channels;
mod closing;
pub(crate) mod driving;
mod flush;
#[cfg(test)]
#[cfg(mux_loom)]
mod models;

use crate::api::config::ENDLESS;
use crate::api::error::CloseReason;
use crate::api::peer::Peer;
use crate::link::detached::{DetachedHandlers, Place};
use crate::link::port::ChannelPort;
use crate::link::send_queue::SendQueue;
use crate::serve::inbound::InboundCall;
use crate::serve::router::Router;
use crate::threads::background;
use crate::threads::turns::Lane;
use crate::threads::workers::WorkerThreads;
use crate::util::sync::{Mutex, MutexGuard};
use answers::Running;
use closing::Stage;
use driving::FlushNow;
use flush::DutyCell;
use mux_proto::Millis;
use mux_proto::session::Session;
use mux_proto::session::effects::Effects;
use mux_proto::session::outbox::Outbox;
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// What a connection's driver, callers and handlers share.
pub(crate) struct Shared {
    me: Weak<Shared>,
    state: Mutex<State>,
    /// Who writes what is queued.
    flush: DutyCell,
    /// The driver, where another thread may write in its place.
    flusher: OnceLock<Weak<dyn FlushNow>>,
    router: Arc<Router>,
    workers: Arc<WorkerThreads>,
    detached: Arc<DetachedHandlers>,
    /// Where its work waits for threads.
    lane: Lane,
    peer: Peer,
    reveal_traces: bool,
    in_background: bool,
    /// The process that drives it.
    process: u32,
    epoch: Instant,
    stage: watch::Sender<Stage>,
    /// Fingerprints of the services that the peer has told, sorted. There once its hello has come and they were asked for.
    peer_services: OnceLock<Box<[u64]>>,
}

/// All that the lock guards.
pub(crate) struct State {
    pub(crate) session: Session<Waker, Running, ChannelPort>,
    pub(crate) outbox: Outbox,
    /// Send queues with something to send, in turn.
    send_queues: VecDeque<Arc<SendQueue>>,
    /// Requests that begin when the peer has read enough of its answers.
    deferred: Vec<InboundCall>,
    /// Handlers that begin then, which have been on their way to a thread.
    wait_for_room: Vec<oneshot::Sender<()>>,
    /// Answers that are not written, in bytes, from which on requests are deferred.
    max_unsent: u64,
    /// Wakes the driver.
    driver: Option<Waker>,
    /// When the driver is to look at deadlines.
    timer: Option<Millis>,
    /// The driver is to look at what changed here, written or not.
    wake_driver: bool,
    closed: Option<CloseReason>,
    /// Of the items that receivers may still take when the connection is closed, as long as one of these is there.
    untaken: Option<Place>,
    /// The peer sends no more.
    half_closed: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// The state, locked. What the session leaves to be done is done once it is free.
pub(crate) struct Locked<'s> {
    /// There until the drop.
    state: Option<MutexGuard<'s, State>>,
    shared: &'s Shared,
}

impl Deref for Locked<'_> {
    type Target = State;

    #[inline]
    fn deref(&self) -> &State {
        self.state.as_deref().expect("the state is locked until the drop")
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        self.state.as_deref_mut().expect("the state is locked until the drop")
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(state) = self.state.take()
            && !state.session.effects.is_empty()
        {
            self.shared.unlock(state);
        }
    }
}

impl Shared {
    pub(crate) fn new(
        (session, outbox): (Session<Waker, Running, ChannelPort>, Outbox),
        router: Arc<Router>,
        (workers, detached): (Arc<WorkerThreads>, Arc<DetachedHandlers>),
        peer: Peer,
        reveal_traces: bool,
        max_unsent: usize,
    ) -> Arc<Shared> {
        Arc::new_cyclic(|me| Shared {
            me: Weak::clone(me),
            state: Mutex::new(State::new(session, outbox, max_unsent as u64)),
            flush: DutyCell::new(),
            flusher: OnceLock::new(),
            router,
            workers,
            detached,
            lane: Lane::new(),
            peer,
            reveal_traces,
            in_background: background::is_here(),
            process: std::process::id(),
            epoch: Instant::now(),
            stage: watch::Sender::new(Stage::Open),
            peer_services: OnceLock::new(),
        })
    }

    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_> {
        // No code of a user runs under the lock, and no code of ours leaves it half-changed.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { state: Some(state), shared: self }
    }

    /// Lets go of the lock, and does what the session has left to be done.
    fn unlock(&self, mut state: MutexGuard<'_, State>) {
        let mut effects = std::mem::take(&mut state.session.effects);
        state.resume(&mut effects);
        let driver = self.claim_flush(&mut state);
        drop(state);
        self.wake(driver);
        self.finish(effects);
    }

    /// Does what must not be done under the lock.
    fn finish(&self, effects: Effects<Waker, ChannelPort>) {
        let Effects { wakers, attached, closed, resumed, bodies, segments } = effects;
        if let Some(me) = self.me.upgrade() {
            attached.iter().for_each(|(port, id)| port.attach(&me, *id));
        }
        closed.iter().for_each(ChannelPort::close);
        wakers.into_iter().for_each(Waker::wake);
        drop((attached, closed, resumed, bodies, segments));
    }

    /// Wakes the driver where it is to be, and who drives its runtime.
    #[inline]
    fn wake(&self, driver: Option<Waker>) {
        if let Some(driver) = driver {
            driver.wake();
            if self.in_background {
                background::ensure_driven();
            }
        }
    }

    /// Hands the duty to write to the driver, where something is queued and nobody has the duty yet. Returns the driver's
    /// waker if it is to be woken.
    #[inline]
    fn claim_flush(&self, state: &mut State) -> Option<Waker> {
        let claimed = self.flush.claim(|| state.has_output());
        let wake = std::mem::take(&mut state.wake_driver) || claimed;
        wake.then(|| state.driver.clone()).flatten()
    }

    /// Changes the state, then sees to it that the driver writes what was queued.
    #[inline]
    fn act<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let driver = self.claim_flush(&mut state);
        let spent = state.spent_place();
        drop(state);
        self.wake(driver);
        drop(spent);
        result
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    pub(crate) fn workers(&self) -> &WorkerThreads {
        &self.workers
    }

    pub(crate) fn detached(&self) -> &DetachedHandlers {
        &self.detached
    }

    /// Where its work waits for threads.
    pub(crate) fn lane(&self) -> Lane {
        self.lane
    }

    /// The same, of work that a close does not stop.
    pub(crate) fn lane_for_good(&self) -> Lane {
        if self.is_closed() { Lane::CLOSED } else { self.lane }
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(crate) fn reveals_traces(&self) -> bool {
        self.reveal_traces
    }

    /// Its runtime is the one of plain threads.
    pub(crate) fn is_in_background(&self) -> bool {
        self.in_background
    }

    /// This process was forked from the one that drives it. Nothing of it may be touched here: its lock may be held by
    /// a thread that is gone, and its stream is the parent's too.
    pub(crate) fn is_inherited(&self) -> bool {
        self.process != std::process::id()
    }

    /// Now, in the session's time.
    pub(crate) fn now(&self) -> Millis {
        self.at(Instant::now())
    }

    pub(crate) fn at(&self, instant: Instant) -> Millis {
        let since = instant.saturating_duration_since(self.epoch);
        since.as_secs().saturating_mul(1000).saturating_add(since.subsec_millis().into())
    }

    /// The first millisecond that is not before `deadline`.
    pub(crate) fn deadline(&self, deadline: Instant) -> Millis {
        millis(deadline.saturating_duration_since(self.epoch).as_nanos().div_ceil(1_000_000))
    }

    pub(crate) fn instant(&self, at: Millis) -> Instant {
        self.epoch + Duration::from_millis(at).min(ENDLESS)
    }

    /// Keeps requests until the peer has read more of its answers. Until then they have certainly not run.
    #[cold]
    pub(crate) fn defer(&self, calls: impl Iterator<Item = InboundCall>) {
        let mut calls: Vec<InboundCall> = calls.collect();
        let mut state = self.lock();
        if state.closed.is_none() {
            calls.iter().filter_map(|call| call.owed.xid()).for_each(|xid| state.session.park(xid));
            state.deferred.append(&mut calls);
            // The peer may have read meanwhile, with nothing left that wakes the driver.
            state.wake_driver = true;
        }
        let driver = self.claim_flush(&mut state);
        drop(state);
        self.wake(driver);
        self.drop_calls(calls);
    }

    /// Deferred requests whose askers still wait, where the peer has read enough.
    #[cold]
    pub(crate) fn resume_deferred(&self) -> Vec<InboundCall> {
        let mut state = self.lock();
        let deferred = std::mem::take(&mut state.deferred);
        let waiting = std::mem::take(&mut state.wait_for_room);
        let is_wanted = |call: &InboundCall| call.owed.xid().is_none_or(|xid| state.session.start(xid));
        let (wanted, unwanted) = deferred.into_iter().partition(is_wanted);
        drop(state);
        // Fails where what waited was given up.
        for waits in waiting {
            let _ = waits.send(());
        }
        self.drop_calls(unwanted);
        wanted
    }

    /// Nobody will run them: who is owed is told why.
    fn drop_calls(&self, calls: Vec<InboundCall>) {
        calls.into_iter().for_each(|call| self.drop_owed(call.owed));
    }
}

fn millis(count: u128) -> Millis {
    count.try_into().unwrap_or(Millis::MAX)
}

impl State {
    fn new(session: Session<Waker, Running, ChannelPort>, outbox: Outbox, max_unsent: u64) -> State {
        State {
            session,
            outbox,
            send_queues: VecDeque::new(),
            deferred: Vec::new(),
            wait_for_room: Vec::new(),
            max_unsent,
            driver: None,
            timer: None,
            wake_driver: false,
            closed: None,
            untaken: None,
            half_closed: false,
        }
    }

    /// The peer has to read more of its answers before another request begins.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.session.unsent(&self.outbox) > self.max_unsent
    }

    /// Deferred requests may begin.
    #[inline]
    fn may_resume(&self) -> bool {
        (!self.deferred.is_empty() || !self.wait_for_room.is_empty()) && !self.is_full()
    }

    /// There is something for the driver to write, or to look at.
    #[inline]
    fn has_output(&self) -> bool {
        !self.outbox.is_empty() || !self.send_queues.is_empty() || self.session.has_due()
    }

    /// Queues the send queues again that may go on.
    fn resume(&mut self, effects: &mut Effects<Waker, ChannelPort>) {
        let State { send_queues, .. } = self;
        for port in &effects.resumed {
            if let ChannelPort::SendQueue(send_queue) = port
                && send_queue.resume()
            {
                send_queues.push_back(Arc::clone(send_queue));
            }
        }
    }

    /// That of items which no receiver holds any more. Whoever waits for it is woken as it is dropped.
    #[inline]
    fn spent_place(&mut self) -> Option<Place> {
        self.untaken.take_if(|_| !self.session.keeps_untaken())
    }

    /// Has the driver look at deadlines no later than at `deadline`.
    #[inline]
    pub(crate) fn look_at(&mut self, deadline: Option<Millis>) {
        if let Some(deadline) = deadline
            && self.timer.is_none_or(|timer| deadline < timer)
        {
            self.timer = Some(deadline);
            self.wake_driver = true;
        }
    }
}
