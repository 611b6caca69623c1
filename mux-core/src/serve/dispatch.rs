//! The handlers of a pass: run one after another, and each request answered once, whatever becomes of its handler.

use crate::api::descriptor::{MethodDescriptor, Placement};
use crate::api::error::{Refusal, Refused};
use crate::link::detached::Place;
use crate::link::obligation::Obligation;
use crate::link::shared::Shared;
use crate::link::shared::answers::{Running, Start};
use crate::serve::handler::{Handler, SpawnedHandler};
use crate::serve::inbound::{Holding, InboundCall};
use crate::serve::responder::{Finished, Responder, answer};
use crate::threads::blocking;
use crate::threads::decoders;
use crate::threads::turns::Ticket;
use crate::threads::workers::{Fate, NoThread};
use crate::value::body::Outcome;
use mux_proto::wire::xid::Xid;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Handlers of one pass run one after another on one task for so long; then other tasks have their turn, so
/// that busy handlers hold up their neighbours, and those, for a few polls at most.
const TURN: Duration = Duration::from_micros(20);

/// Handlers polled between two looks at the clock. One look for each costs 5 % of all calls.
const LOOK: usize = 4;

/// Runs requests one after another. What it does not come to run is answered all the same.
pub(crate) struct Dispatch {
    calls: std::vec::IntoIter<InboundCall>,
    shared: Arc<Shared>,
    batch: Batch,
}

impl Dispatch {
    pub(crate) fn new(calls: Vec<InboundCall>, shared: &Arc<Shared>) -> Dispatch {
        Dispatch { calls: calls.into_iter(), shared: Arc::clone(shared), batch: Batch::default() }
    }

    /// Runs the requests of one pass, on one task.
    pub(crate) fn spawn(self) {
        tokio::spawn(self);
    }

    /// Runs requests that were deferred.
    pub(crate) fn resume(calls: Vec<InboundCall>, shared: &Arc<Shared>) {
        let (inline, others): (Vec<_>, Vec<_>) = calls.into_iter().partition(InboundCall::is_inline);
        Dispatch::new(others, shared).spawn();
        Dispatch::new(inline, shared).run_all();
    }

    /// Runs them here and now, however long they take.
    pub(crate) fn run_all(mut self) {
        while self.run() {}
    }

    /// Polls each handler once, or hands it to a worker, and sends the answers that are ready: one lock for
    /// all. Returns whether requests are left, as it has taken too long.
    fn run(&mut self) -> bool {
        let Dispatch { calls, shared, batch } = self;
        let begun = (calls.len() > LOOK).then(Instant::now);
        let mut polled = 0_usize;
        batch.finished.reserve(calls.len());
        for call in calls.by_ref() {
            batch.run(call, shared);
            polled += 1;
            let late = polled.is_multiple_of(LOOK) && begun.is_some_and(|begun| begun.elapsed() > TURN);
            // A large answer counts before another is made.
            if late || std::mem::take(&mut batch.large) {
                break;
            }
        }
        let full = batch.finish(shared);
        if full && calls.len() > 0 {
            shared.defer(&mut *calls);
        }
        calls.len() > 0
    }
}

impl Future for Dispatch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        if !self.run() {
            return Poll::Ready(());
        }
        // Behind the driver, which writes the answers meanwhile, and where another worker may take it.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Dispatch {
    fn drop(&mut self) {
        // Where a panic of nobody's handler has cut it short.
        self.batch.finish(&self.shared);
        for call in &mut self.calls {
            self.shared.drop_owed(call.owed);
        }
    }
}

/// Handlers run one after another on one thread, and what they came to.
#[derive(Default)]
struct Batch {
    finished: Vec<Finished>,
    /// A large one is among them, since this was looked at.
    large: bool,
    /// The last one that has ended.
    spare: Option<Handler>,
}

impl Batch {
    #[inline]
    fn run(&mut self, call: InboundCall, shared: &Arc<Shared>) {
        if call.route.method.detached {
            return self.run_detached(call, shared);
        }
        self.run_in(None, call, shared);
    }

    /// Refuses the request where as many handlers as may outlive their connections are at work.
    #[cold]
    fn run_detached(&mut self, call: InboundCall, shared: &Arc<Shared>) {
        match shared.detached().try_admit(call.size()) {
            Some(place) => self.run_in(Some(place), call, shared),
            None => self.finished.push((call.owed, too_many_detached(call.route.method).into())),
        }
    }

    #[inline(always)] // nearly all calls come by `run`, and it would be a call more for each
    fn run_in(&mut self, place: Option<Place>, call: InboundCall, shared: &Arc<Shared>) {
        let InboundCall { route, inbound, owed, holding } = call;
        let takes_long = inbound.takes_long();
        let owed = Some(owed);
        let slot = Slot { method: route.method, shared, owed, holding, place, takes_long, batch: self };
        shared.router().service(route).serve(inbound, slot);
    }

    /// Sends the answers that are ready. Returns whether the peer has to read some before further requests begin.
    fn finish(&mut self, shared: &Shared) -> bool {
        if self.finished.is_empty() {
            return false;
        }
        let full = answer(&mut self.finished, shared);
        self.finished.drain(..).for_each(|(_, outcome)| outcome.recycle());
        full
    }
}

fn too_many_detached(method: &MethodDescriptor) -> Refused {
    let path = method.path;
    let message = format!("no room for the handler of `{path}`: too many run that outlive their connections");
    Refused::new(Refusal::Overloaded, message)
}

/// The notifies of one connection, on one task: their handlers begin in the order they were sent. One
/// that waits goes on beside the next; a plain `fn` ends before the next begins. Each has a place among those that
/// outlive their connections. Those that wait when the connection closes are kept as far as there are places.
#[derive(Default)]
pub(crate) struct NotifyLane(Option<mpsc::UnboundedSender<InboundCall>>);

impl NotifyLane {
    /// Bounded by the credit that notifies spend.
    pub(crate) fn push(&mut self, call: InboundCall, shared: &Arc<Shared>) {
        let lane = self.0.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            tokio::spawn(run_in_order(Arc::clone(shared), receiver));
            sender
        });
        // Fails only while the runtime ends: the call is dropped then.
        let _ = lane.send(call);
    }
}

async fn run_in_order(shared: Arc<Shared>, mut calls: mpsc::UnboundedReceiver<InboundCall>) {
    let mut batch = Batch::default();
    let mut last_words = VecDeque::new();
    loop {
        let next = match last_words.pop_front() {
            Some(admitted) => Some(admitted),
            None => next_admitted(&mut calls, &mut batch, &shared).await,
        };
        let Some((mut call, place)) = next else { return };
        let held_up = call.holds_up();
        batch.run_in(Some(place), call, &shared);
        if calls.is_empty() || held_up.is_some() {
            batch.finish(&shared);
        }
        if let Some(mut held_up) = held_up {
            // Nothing is ever sent: it is dropped.
            tokio::select! {
                biased;
                _ = &mut held_up => continue,
                () = shared.until_closed() => last_words.extend(admitted(&mut calls, &shared)),
            }
            let _ = held_up.await;
        }
    }
}

/// The next notify, and its place. Nothing, where the connection is closed and there is no place, or no notify.
async fn next_admitted(
    calls: &mut mpsc::UnboundedReceiver<InboundCall>,
    batch: &mut Batch,
    shared: &Shared,
) -> Option<(InboundCall, Place)> {
    let call = calls.recv().await?;
    if let Some(place) = shared.detached().try_admit(call.size()) {
        return Some((call, place));
    }
    batch.finish(shared);
    let place = tokio::select! {
        biased;
        place = shared.detached().admit(call.size()) => place,
        () = shared.until_closed() => return None,
    };
    Some((call, place))
}

/// What waits as the connection closes, as far as there are places: beyond its connection, each that is kept counts.
fn admitted(calls: &mut mpsc::UnboundedReceiver<InboundCall>, shared: &Shared) -> Vec<(InboundCall, Place)> {
    let mut kept = Vec::new();
    while let Ok(call) = calls.try_recv() {
        match shared.detached().try_admit(call.size()) {
            Some(place) => kept.push((call, place)),
            None => calls.close(),
        }
    }
    kept
}

/// What a handler holds until it has begun, and until it is gone.
type Held = (Option<Holding>, Option<Place>);

/// The one chance of a request to run: its handler is polled here and now, or goes to a worker. Dropped, it
/// is answered all the same.
pub struct Slot<'a> {
    method: &'static MethodDescriptor,
    shared: &'a Arc<Shared>,
    /// Nothing, once somebody else owes it.
    owed: Option<Obligation>,
    holding: Option<Holding>,
    /// Of a handler that outlives its connection.
    place: Option<Place>,
    /// To be decoded where nobody waits for it.
    takes_long: bool,
    batch: &'a mut Batch,
}

impl std::fmt::Debug for Slot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("method", &self.method.path).finish_non_exhaustive()
    }
}

impl Slot<'_> {
    /// Runs the handler where its method wants to run. By reference, so that it is moved once, into its box. One that is
    /// not there is answered as dropped.
    pub fn run<F: Future<Output = Outcome> + Send + 'static>(self, handler: &mut Option<F>) {
        if let Some(handler) = Handler::new(handler, self.batch.spare.take()) {
            self.run_boxed(handler);
        }
    }

    fn run_boxed(mut self, mut handler: Handler) {
        if self.method.placement == Placement::Worker {
            let held = (self.holding.take(), self.place.take());
            return run_on_worker(handler.spawned(self.responder()), held, self.shared);
        }
        if self.takes_long {
            let held = (self.holding.take(), self.place.take());
            return decode_and_run(handler.spawned(self.responder()), held, self.shared);
        }
        match Pin::new(&mut handler).poll(&mut std::task::Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => {
                self.batch.spare = Some(handler);
                self.batch.large |= outcome.is_large();
                self.batch.finished.extend(self.owed.take().map(|owed| (owed, outcome)));
            }
            Poll::Pending => {
                let responder = self.responder();
                spawn(handler.spawned(responder), self.place.take(), self.shared);
            }
        }
    }

    /// Whoever has it owes the answer.
    fn responder(&mut self) -> Responder {
        Responder { shared: Arc::clone(self.shared), owed: self.owed.take() }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some(owed) = self.owed {
            self.shared.drop_owed(owed);
        }
    }
}

fn run_on_worker(mut handler: SpawnedHandler, held: Held, shared: &Shared) {
    let xid = handler.responder().and_then(Responder::xid);
    let runtime = tokio::runtime::Handle::current();
    if let Some(xid) = xid {
        shared.park(xid);
    }
    let job = move |fate| {
        // Dropped in turn: the handler, and then what tells that it is gone.
        let (held, mut handler) = (held, handler);
        // What is refused is dropped, and told as a call that has not run.
        if fate == Fate::Refused {
            return;
        }
        let _entered = runtime.enter();
        match handler.responder().map(Responder::start) {
            Some(Start::Begun) => blocking::while_blocking(|| blocking::block_on(handler)),
            Some(Start::NoRoom) => run_where_there_is_room(handler, held),
            Some(Start::Unwanted) | None => {}
        }
    };
    // Of the notifies of a connection no two are here at once.
    let lane = if xid.is_none() { shared.lane_for_good() } else { shared.lane() };
    let submitted = shared.workers().submit(lane, Box::new(job), xid.is_none());
    match (submitted, xid) {
        (Ok(Some(ticket)), Some(xid)) => leave_when_unwanted(ticket, xid, shared),
        (Err(no_thread), Some(xid)) => {
            // Before the job is dropped, whose own responder would tell less.
            answer(&mut [(Obligation::Answer(xid), NoThread::refusal(&no_thread.error).into())], shared);
        }
        (Ok(_) | Err(_), _) => {}
    }
}

/// Has a handler come to a thread again when the peer has read enough of its answers.
#[cold]
fn run_where_there_is_room(mut handler: SpawnedHandler, held: Held) {
    let Some(responder) = handler.responder() else { return };
    let (xid, shared) = (responder.xid(), Arc::clone(&responder.shared));
    let room = shared.until_room();
    let waits = tokio::spawn({
        let shared = Arc::clone(&shared);
        async move {
            if room.await.is_ok() {
                run_on_worker(handler, held, &shared);
            }
        }
    });
    stop_with(waits.abort_handle(), xid, &shared);
}

/// Has a cancel, the end of the call's time or of its connection abort the task.
fn stop_with(task: AbortHandle, xid: Option<Xid>, shared: &Shared) {
    let unwanted = xid.and_then(|xid| shared.attach(xid, |known| Running { abort: Some(task), ..known }));
    unwanted.into_iter().for_each(Running::stop);
}

/// Has a call leave the queue for threads as soon as it is cancelled, its time is over or its connection is closed.
#[cold]
fn leave_when_unwanted(ticket: Ticket, xid: Xid, shared: &Shared) {
    let left = shared.workers().left(ticket);
    let leave = shared.workers().leave_on_drop(ticket);
    let waits = tokio::spawn(async move {
        let _leave = leave;
        // Nothing is ever sent: it ends when the call has left.
        let _ = left.await;
    });
    stop_with(waits.abort_handle(), Some(xid), shared);
}

/// Has a request decoded elsewhere, and then runs its handler. Until then it is parked: a cancel, the end of its time or
/// of its connection has it never begin.
#[cold]
fn decode_and_run(mut handler: SpawnedHandler, held: Held, shared: &Arc<Shared>) {
    let unwanted = match handler.responder().and_then(Responder::xid) {
        Some(xid) => {
            shared.park(xid);
            // Nothing where it is unwanted already.
            let Some(unwanted) = shared.cancellation(xid) else { return };
            Some(unwanted)
        }
        None => None,
    };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let begun = match unwanted {
            Some(unwanted) => {
                let begun = decode_where_there_is_room(handler, &shared);
                unwanted.run_until_cancelled(begun).await.flatten()
            }
            None => decoders::decode_for_good(shared.lane_for_good(), || decoders::poll_made(handler)).await,
        };
        if let Some(handler) = begun {
            run_decoded(handler, held, &shared).await;
        }
    });
}

/// Decodes a request, and lets its handler begin. Nothing where nobody wants it any more.
async fn decode_where_there_is_room(handler: SpawnedHandler, shared: &Shared) -> Option<SpawnedHandler> {
    if shared.lock().is_full() {
        shared.until_room().await.ok()?;
    }
    let mut handler = decoders::decode(shared.lane(), || decoders::poll_made(handler)).await?;
    loop {
        match handler.responder()?.start() {
            Start::Begun => return Some(handler),
            Start::Unwanted => return None,
            Start::NoRoom => shared.until_room().await.ok()?,
        }
    }
}

async fn run_decoded(mut handler: SpawnedHandler, (holding, place): Held, shared: &Shared) {
    let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut handler).poll(cx))).await;
    drop(holding);
    if polled.is_pending() {
        spawn(handler, place, shared);
    }
}

/// Gives a handler that has to wait a task of its own, which a cancel aborts unless it is detached.
fn spawn(mut handler: SpawnedHandler, place: Option<Place>, shared: &Shared) {
    let xid = handler.responder().and_then(Responder::xid);
    if let Some(place) = place {
        tokio::spawn(async move {
            let _place = place;
            handler.await;
        });
        return;
    }
    stop_with(tokio::spawn(handler).abort_handle(), xid, shared);
}
