//! What a connection's driver, callers and handlers share: the one lock, and the one close path.

use crate::api::config::ENDLESS;
use crate::api::error::CloseReason;
use crate::api::peer::Peer;
use crate::link::detached::{DetachedHandlers, Place};
use crate::link::obligation::Obligation;
use crate::link::port::{ChannelPort, OutgoingHandles};
use crate::link::send_queue::SendQueue;
use crate::serve::inbound::InboundCall;
use crate::serve::router::Router;
use crate::threads::background;
use crate::threads::decoders;
use crate::threads::turns::Lane;
use crate::threads::workers::WorkerThreads;
use mux_proto::Millis;
use mux_proto::session::Session;
use mux_proto::session::calls::outgoing::Ticket;
use mux_proto::session::channels::receiving::Taken;
use mux_proto::session::effects::Effects;
use mux_proto::session::message::{Answer, Request, Terminal};
use mux_proto::session::outbox::{Batch, Outbox};
use mux_proto::session::protocol_error::ProtocolError;
use mux_proto::thin_list::ThinList;
use mux_proto::wire::fault::{Fault, GoawayCode};
use mux_proto::wire::handles::IncomingHandle;
use mux_proto::wire::xid::Xid;
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Items that go into one batch, in bytes: what comes meanwhile waits for these.
const ITEMS: usize = 64 << 10;

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

/// Whether a parked handler begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Begun,
    Unwanted,
    /// The peer has to read more of its answers before.
    NoRoom,
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
    me: Weak<Shared>,
    state: Mutex<State>,
    /// The driver.
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
    /// Outlets with something to send, in turn.
    send_queues: VecDeque<Arc<SendQueue>>,
    /// Requests that begin when the peer has read enough of its answers.
    deferred: Vec<InboundCall>,
    /// Handlers that begin then, which have been on their way to a thread.
    wait_for_room: Vec<oneshot::Sender<()>>,
    /// Answers that are not written, in bytes, from which on requests are deferred.
    max_unsent: u64,
    /// Wakes the driver.
    pub(crate) driver: Option<Waker>,
    /// The driver has taken up the duty to write what is in the outbox.
    pub(crate) flushing: bool,
    /// When the driver is to look at deadlines.
    pub(crate) timer: Option<Millis>,
    /// The driver is to look at what changed here, written or not.
    wake_driver: bool,
    pub(crate) closed: Option<CloseReason>,
    /// Of the items that receivers may still take when the connection is closed, as long as one of these is there.
    untaken: Option<Place>,
    /// The peer sends no more.
    pub(crate) half_closed: bool,
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
    /// Lets go of the lock, and does what the session has left to be done.
    fn unlock(&self, mut state: MutexGuard<'_, State>) {
        let mut effects = std::mem::take(&mut state.session.effects);
        state.resume(&mut effects);
        let driver = state.claim_flush();
        drop(state);
        self.wake(driver);
        self.finish(effects);
    }

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

    pub(crate) fn set_flusher(&self, driver: Weak<dyn FlushNow>) {
        // There is one driver.
        let _ = self.flusher.set(driver);
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

    /// Changes the state, then sees to it that the driver writes what was queued.
    #[inline]
    fn act<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let driver = state.claim_flush();
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

    // For callers.

    /// Whether the peer has said that it serves the service of that fingerprint.
    #[inline]
    pub(crate) fn peer_has(&self, fingerprint: u64) -> bool {
        let told = self.peer_services.get().map(|told| &told[..]).or_else(|| self.read_peer_services());
        told.is_some_and(|told| told.binary_search(&fingerprint).is_ok())
    }

    #[cold]
    fn read_peer_services(&self) -> Option<&[u64]> {
        let state = self.lock();
        if !state.session.is_greeted() {
            return None;
        }
        let mut told: Box<[u64]> = state.session.peer_services().iter().map(|(_, print)| *print).collect();
        drop(state);
        told.sort_unstable();
        Some(self.peer_services.get_or_init(|| told))
    }

    /// Hands a request over to the session. `None` for a notify that has left already.
    pub(crate) fn open(
        &self,
        request: Request<'_, Waker, ChannelPort>,
        notify: bool,
    ) -> Result<Option<Ticket>, Terminal> {
        let (opened, driver) = self.queue(request, notify);
        self.wake(driver);
        opened
    }

    /// As [`open`](Shared::open), on a plain thread that waits next. Where it waits alone it writes the request
    /// itself; of many the driver writes all together.
    pub(crate) fn open_and_write(
        &self,
        request: Request<'_, Waker, ChannelPort>,
        notify: bool,
    ) -> Result<Option<Ticket>, Terminal> {
        let (opened, driver) = self.queue(request, notify);
        if let Some(driver) = driver {
            let alone = self.lock().session.unanswered() <= 1;
            let flusher = alone.then(|| self.flusher.get()?.upgrade()).flatten();
            if !flusher.is_some_and(|flusher| flusher.help(&driver)) {
                self.wake(Some(driver));
            }
        }
        opened
    }

    /// The driver's waker is returned if it is to be woken.
    #[inline]
    fn queue(
        &self,
        request: Request<'_, Waker, ChannelPort>,
        notify: bool,
    ) -> (Result<Option<Ticket>, Terminal>, Option<Waker>) {
        let deadline = request.deadline;
        let now = deadline.map_or(0, |_| self.deadline(Instant::now()));
        let mut guard = self.lock();
        let state = &mut *guard;
        let opened = if notify {
            state.session.notify(request, now, &mut state.outbox)
        } else {
            state.session.open(request, now, &mut state.outbox).map(Some)
        };
        if opened.is_ok() {
            state.look_at(deadline);
        }
        let driver = state.claim_flush();
        (opened, driver)
    }

    /// The call's end, or a promise to wake.
    pub(crate) fn poll_call(
        &self,
        ticket: Ticket,
        cx: &mut Context<'_>,
    ) -> Poll<(Terminal, ThinList<IncomingHandle>)> {
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
        let untaken = self.act(|state| state.session.abandon(ticket, now, &mut state.outbox));
        drop(untaken);
    }

    // For channels.

    /// What has come for a receiver, which has taken so much since it last asked; or a promise to wake.
    pub(crate) fn poll_items(&self, id: Xid, taken: u64, cx: &mut Context<'_>) -> Poll<Taken> {
        let take = |state: &mut State| match state.session.take_items(id, || self.now(), &mut state.outbox) {
            Taken::Nothing => None,
            taken => Some(taken),
        };
        let mut waits = false;
        let taken = self.act(|state| {
            if taken > 0 {
                state.session.consume(id, taken);
            }
            let found = take(state);
            waits = state.session.receiver_waker(id).is_some_and(|waker| waker.will_wake(cx.waker()));
            found
        });
        match taken {
            Some(taken) => return Poll::Ready(taken),
            None if waits => return Poll::Pending,
            None => {}
        }
        // Cloning and dropping a waker may run anyone's code.
        let waker = cx.waker().clone();
        let (taken, before) = self.act(|state| match take(state) {
            Some(taken) => (Some(taken), Some(waker)),
            None => (None, state.session.set_receiver_waker(id, waker)),
        });
        drop(before);
        taken.map_or(Poll::Pending, Poll::Ready)
    }

    /// A receiver has taken so much.
    pub(crate) fn consume(&self, id: Xid, taken: u64) {
        self.act(|state| state.session.consume(id, taken));
    }

    /// A receiver is gone.
    pub(crate) fn stop_channel(&self, id: Xid) {
        self.act(|state| state.session.stop_channel(id, || self.now(), &mut state.outbox));
    }

    /// Halves that came with a message and were not taken out of it.
    pub(crate) fn discard_halves(&self, carried: ThinList<IncomingHandle>) {
        self.act(|state| state.session.discard(carried, &mut state.outbox));
    }

    /// A half that came with a message has got its port; `false` where its receiver has gone already.
    pub(crate) fn bind(&self, id: Xid, port: ChannelPort) -> bool {
        self.lock().session.bind(id, port)
    }

    /// An send queue has something to send.
    pub(crate) fn enlist(&self, send_queue: Arc<SendQueue>) {
        self.act(|state| {
            // Nobody would come for it any more.
            if state.closed.is_none() {
                state.send_queues.push_back(send_queue);
            }
        });
    }

    /// Why the peer would not take an item at all.
    pub(crate) fn item_exceeds_limits(&self, len: usize, carried: usize) -> Option<Fault> {
        self.lock().session.item_exceeds_limits(len, carried)
    }

    /// Moves what is to be written into a spent batch; `false` where that is nothing.
    pub(crate) fn take_batch(&self, batch: &mut Batch, now: Millis) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.outbox.batch_is_written();
        state.gather(now);
        if state.outbox.is_empty() {
            return false;
        }
        let departed = state.outbox.take(batch);
        state.session.left_outbox(departed, now, &mut state.outbox);
        true
    }

    /// Nothing has come for a while: gives back what the tables do not need.
    pub(crate) fn trim(&self) {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.session.trim();
        state.outbox.trim();
        state.send_queues.shrink_to_fit();
    }

    /// Channels are open, whose time is over when a drain's grace is.
    pub(crate) fn end_channels(&self, now: Millis) {
        self.act(|state| state.session.end_channels(now, &mut state.outbox));
    }

    // For handlers.

    pub(crate) fn park(&self, xid: Xid) {
        self.lock().session.park(xid);
    }

    /// A parked handler begins, unless nobody wants it, or the peer has to read more of its answers.
    pub(crate) fn start(&self, xid: Xid) -> Start {
        let mut state = self.lock();
        if state.is_full() && !state.session.is_stopped(xid) {
            return Start::NoRoom;
        }
        if state.session.start(xid) { Start::Begun } else { Start::Unwanted }
    }

    /// Resolves when the peer has read enough of its answers for further requests to begin; fails at the close.
    #[cold]
    pub(crate) fn until_room(&self) -> oneshot::Receiver<()> {
        let (sender, room) = oneshot::channel();
        self.act(|state| {
            if state.closed.is_none() {
                state.wait_for_room.push(sender);
                // The peer may have read meanwhile, with nothing left that wakes the driver.
                state.wake_driver = true;
            }
        });
        room
    }

    pub(crate) fn attach(&self, xid: Xid, merge: impl FnOnce(Running) -> Running) -> Option<Running> {
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
            kept = known.token.clone().unwrap_or(token);
            Running { token: Some(kept.clone()), ..known }
        });
        drop(state);
        unwanted.into_iter().for_each(Running::stop);
        Some(kept)
    }

    pub(crate) fn is_unwanted(&self, xid: Xid) -> bool {
        self.lock().session.is_stopped(xid)
    }

    /// Sends answers, and pays credit back; one lock for all. Returns whether further requests are to be
    /// [deferred](Shared::defer).
    pub(crate) fn answer<'a>(
        &self,
        finished: impl Iterator<Item = (Obligation, &'a mut Answer, &'a mut OutgoingHandles)>,
    ) -> bool {
        let (unread, full) = self.act(|state| {
            let mut unread = false;
            for (owed, answer, handles) in finished {
                match owed {
                    Obligation::Answer(xid) => {
                        let carried = handles.take();
                        state.session.answer(xid, answer, carried, &mut state.outbox);
                    }
                    Obligation::Credit(cost) => unread |= !state.pay_back(cost),
                }
            }
            (unread, state.is_full())
        });
        if unread {
            self.close_unread();
        }
        full
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
        let driver = state.claim_flush();
        drop(state);
        self.wake(driver);
        self.drop_parcels(calls);
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
        self.drop_parcels(unwanted);
        wanted
    }

    /// Nobody will run them: who is owed is told why.
    fn drop_parcels(&self, calls: Vec<InboundCall>) {
        calls.into_iter().for_each(|call| self.drop_owed(call.owed));
    }

    /// Nobody answers any more: who is owed is told why.
    pub(crate) fn drop_owed(&self, owed: Obligation) {
        match owed {
            Obligation::Answer(xid) => {
                self.act(|state| state.session.finish_unanswered(xid, &mut state.outbox))
            }
            Obligation::Credit(cost) => self.pay_back(cost),
        }
    }

    /// A notify ended without a word.
    fn pay_back(&self, cost: u64) {
        if !self.act(|state| state.pay_back(cost)) {
            self.close_unread();
        }
    }

    fn close_unread(&self) {
        let protocol_error = ProtocolError::unread_credit();
        self.close(CloseReason::Protocol(protocol_error.message), protocol_error.code);
    }

    // The end.

    pub(crate) fn is_greeted(&self) -> bool {
        self.lock().session.is_greeted()
    }

    /// Times out the calls and handlers whose deadline has come.
    pub(crate) fn expire(&self, now: Millis) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.timer.is_none_or(|timer| timer > now) {
            return;
        }
        let (handles, next) = state.session.expire(now, &mut state.outbox);
        state.timer = next;
        drop(guard);
        handles.into_iter().for_each(Running::stop);
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
        end: impl FnOnce(&mut Session<Waker, Running, ChannelPort>, &mut Outbox) -> Vec<Running>,
    ) {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.wake_driver = true;
        let handles = end(&mut state.session, &mut state.outbox);
        self.keep_untaken(state);
        state.closed.get_or_insert(reason);
        let send_queues = std::mem::take(&mut state.send_queues);
        let deferred = (std::mem::take(&mut state.deferred), std::mem::take(&mut state.wait_for_room));
        // Told below, when this end counts as closed.
        let effects = std::mem::take(&mut state.session.effects);
        let driver = state.claim_flush();
        drop(guard);
        self.wake(driver);
        #[cfg(feature = "tracing")]
        if !self.is_closed() {
            tracing::debug!(peer = ?self.peer, reason = %self.close_reason(), "connection closed");
        }
        // Before anyone is told, who may ask.
        self.stage.send_if_modified(|stage| advance(stage, Stage::Closed));
        self.workers.close(self.lane);
        decoders::close(self.lane);
        self.finish(effects);
        handles.into_iter().for_each(Running::stop);
        drop((send_queues, deferred));
    }

    /// Items that nobody has taken outlive the connection with their receivers: they count with the handlers that do.
    /// Where there is no place for them, they are dropped.
    fn keep_untaken(&self, state: &mut State) {
        if state.untaken.is_some() {
            return;
        }
        let untaken = state.session.keep_untaken();
        if untaken == 0 {
            return;
        }
        state.untaken = self.detached.try_admit(untaken.try_into().unwrap_or(usize::MAX));
        if state.untaken.is_none() {
            state.session.drop_untaken();
        }
    }

    pub(crate) fn drain(&self) {
        self.act(|state| {
            state.wake_driver = true;
            state.session.drain(&mut state.outbox);
        });
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

fn millis(count: u128) -> Millis {
    count.try_into().unwrap_or(Millis::MAX)
}

fn advance(stage: &mut Stage, to: Stage) -> bool {
    let changes = *stage < to;
    *stage = to.max(*stage);
    changes
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
            // The driver's first poll writes the hello.
            flushing: true,
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
    pub(crate) fn may_resume(&self) -> bool {
        (!self.deferred.is_empty() || !self.wait_for_room.is_empty()) && !self.is_full()
    }

    /// There is something for the driver to write, or to look at.
    #[inline]
    pub(crate) fn has_output(&self) -> bool {
        !self.outbox.is_empty() || !self.send_queues.is_empty() || self.session.has_due()
    }

    /// Queues what channels have to send: first what is due, then a frame of items of each in turn.
    fn gather(&mut self, now: Millis) {
        self.session.flush_channels(&mut self.outbox);
        let mut room = ITEMS;
        while room > 0
            && let Some(send_queue) = self.send_queues.pop_front()
        {
            let given = send_queue.give(&mut self.session, &mut self.outbox, now);
            room = room.saturating_sub(given.len);
            if given.more {
                self.send_queues.push_back(send_queue);
            }
        }
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

    /// Takes up the duty to flush for the driver, where there is something to write and nobody has
    /// the duty yet. Returns the driver's waker if it is to be woken.
    #[inline]
    fn claim_flush(&mut self) -> Option<Waker> {
        let unclaimed = !self.flushing && self.has_output();
        self.flushing |= unclaimed;
        let wake = std::mem::take(&mut self.wake_driver) || unclaimed;
        wake.then(|| self.driver.clone()).flatten()
    }

    /// That of items which no receiver holds any more. Whoever waits for it is woken as it is dropped.
    #[inline]
    fn spent_place(&mut self) -> Option<Place> {
        self.untaken.take_if(|_| !self.session.keeps_untaken())
    }

    /// `false` where the peer reads none of its credit.
    fn pay_back(&mut self, cost: u64) -> bool {
        // There may be nothing to write, and a drain to end.
        self.wake_driver |= self.session.is_draining();
        self.session.finish_notify(cost, &mut self.outbox)
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

/// What a plain thread that waits for its call does in place of the driver, whose own thread it would
/// have to wake for it.
pub(crate) trait FlushNow: Send + Sync {
    /// Writes what is queued; `false` where the driver is at it, or has to be.
    fn help(&self, driver: &Waker) -> bool;
}
